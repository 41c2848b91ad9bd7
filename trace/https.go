package trace

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// enter selects the API that answers to a host, and adds its domain name to the way; false ends the way. The names of this
// machine stand for the execute-api endpoint, and without a domain any name does.
func (s *Set) enter(w *Way, host string) (Resource, bool) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	domains := s.Of(domainType)
	for _, domain := range domains {
		if !strings.EqualFold(domain.Outputs.Text("domainName"), host) {
			continue
		}
		w.addHop("domain name", domain.Name, "%s, %s or newer", domain.Outputs.Text("domainName"), domain.Outputs.Object("domainNameConfiguration").Text("securityPolicy"))
		for _, mapping := range s.Of(mappingType) {
			if mapping.Outputs.Text("domainName") == domain.Outputs.Text("domainName") && mapping.Outputs.Text("apiMappingKey") == "" {
				w.addHop("API mapping", mapping.Name, "stage %s", mapping.Outputs.Text("stage"))
				return s.api(w)
			}
		}
		// Source: https://repost.aws/knowledge-center/api-gateway-troubleshoot-403-forbidden
		w.stop(API, http.StatusForbidden, "domain name %s is mapped to no API", domain.Outputs.Text("domainName"))
		return Resource{}, false
	}
	api, ok := s.api(w)
	if !ok {
		return api, false
	}
	_, endpoint, _ := strings.Cut(api.Outputs.Text("apiEndpoint"), "://")
	switch {
	case len(domains) > 0 && !strings.EqualFold(host, endpoint) && !loopback(host):
		// API Gateway selects by the host, and answers so to one that is nobody's. Source: as above.
		w.stop(API, http.StatusForbidden, "no API answers to %s", host)
	case api.Outputs.Is("disableExecuteApiEndpoint"):
		// Source: https://repost.aws/knowledge-center/api-gateway-disable-endpoint
		w.stop(API, http.StatusNotFound, "the execute-api endpoint of %s is disabled", api.Name)
	default:
		return api, true
	}
	return Resource{}, false
}

// loopback tells whether a host is this machine.
func loopback(host string) bool {
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}

// handshake agrees on HTTP or HTTPS between an integration and a listener. It returns false where they do not, which ends
// the way.
func (s *Set) handshake(w *Way, integration, listener Resource) bool {
	tls, speaks := integration.Outputs["tlsConfig"].(map[string]any)
	https := listener.Outputs.Text("protocol") == "HTTPS"
	switch {
	case !speaks && !https:
		return true
	case !speaks:
		// Source: https://repost.aws/knowledge-center/api-gateway-private-integration-errors
		w.stop(LoadBalancer, http.StatusBadRequest, "integration %s speaks HTTP, and listener %s takes HTTPS", integration.Name, listener.Name)
		return false
	case !https:
		w.stop(API, tlsFailed, "integration %s speaks HTTPS, and listener %s takes HTTP", integration.Name, listener.Name)
		return false
	}
	serverName := Values(tls).Text("serverNameToVerify")
	var all []string
	for _, certificate := range s.certificates(listener) {
		names := append(certificate.Outputs.Texts("subjectAlternativeNames"), certificate.Outputs.Text("domainName"))
		if slices.ContainsFunc(names, func(name string) bool { return covers(name, serverName) }) {
			w.addHop("TLS", certificate.Name, "the certificate covers %s, %s", serverName, listener.Outputs.Text("sslPolicy"))
			return true
		}
		all = append(all, names...)
	}
	w.stop(API, tlsFailed, "integration %s verifies %q, and the certificates of listener %s cover %q", integration.Name, serverName, listener.Name, all)
	return false
}

// certificates returns those of a listener: its default one, and those in its list. It takes one that covers the name that
// the client sends.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html
func (s *Set) certificates(listener Resource) []Resource {
	arns := []string{listener.Outputs.Text("certificateArn")}
	for _, listed := range s.Of(listedType) {
		if arn := listed.Outputs.Text("certificateArn"); listed.Outputs.Text("listenerArn") == listener.Outputs.Text("arn") && !slices.Contains(arns, arn) {
			arns = append(arns, arn)
		}
	}
	var all []Resource
	for _, arn := range arns {
		if certificate, ok := s.Find(certificateType, arn); ok {
			all = append(all, certificate)
		}
	}
	return all
}

// tlsFailed is how the API answers where the integration's TLS fails. AWS documents it for REST APIs alone:
// https://repost.aws/knowledge-center/api-gateway-500-error-vpc
const tlsFailed = http.StatusInternalServerError

// covers tells whether a name of a certificate covers a host. A wildcard is one label.
// Source: https://docs.aws.amazon.com/acm/latest/userguide/acm-certificate-characteristics.html
func covers(name, host string) bool {
	if rest, wildcard := strings.CutPrefix(name, "*."); wildcard {
		_, host, _ = strings.Cut(host, ".")
		name = rest
	}
	return host != "" && strings.EqualFold(name, host)
}
