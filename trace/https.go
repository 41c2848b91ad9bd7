package trace

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// enter selects the API that answers to a host, and adds its domain name to the way. The names of this machine stand for the
// execute-api endpoint, and without a domain any name does.
func (s *Set) enter(w *Way, host string) Resource {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	domains := s.Of(DomainType)
	for _, domain := range domains {
		v := domain.Outputs
		if !strings.EqualFold(v.Text("domainName"), host) {
			continue
		}
		s.resolves(w, domain)
		s.valid(w, domain)
		w.at("domain name")
		w.took(domain, "%s, %s or newer", v.Text("domainName"), v.Object("domainNameConfiguration").Text("securityPolicy"))
		w.at("API mapping")
		for _, mapping := range s.where(MappingType, "domainName", v.Text("domainName")) {
			if mapping.Outputs.Text("apiMappingKey") == "" {
				w.took(mapping, "stage %s", mapping.Outputs.Text("stage"))
				return s.api(w)
			}
		}
		// Source: https://repost.aws/knowledge-center/api-gateway-troubleshoot-403-forbidden
		w.lacks("", API, http.StatusForbidden, "domain name %s is mapped to no API", v.Text("domainName"))
		return Resource{}
	}
	api := s.api(w)
	_, endpoint, _ := strings.Cut(api.Outputs.Text("apiEndpoint"), "://")
	named := func(r Resource) bool { return strings.EqualFold(r.Outputs.Text("domainName"), host) }
	if s.deployed() && !strings.EqualFold(host, endpoint) && !slices.ContainsFunc(s.asked().Of(DomainType), named) {
		w.unknown(host + " is no name of this stack: nobody knows what it leads to")
	} else if (len(domains) > 0 || s.deployed()) && !strings.EqualFold(host, endpoint) && !loopback(host) {
		w.at("domain name")
		// API Gateway selects by the host, and answers so to one that is nobody's. Source: as above.
		w.lacks("", API, http.StatusForbidden, "no API answers to %s", host)
	} else if api.Outputs.Is("disableExecuteApiEndpoint") {
		// Source: https://repost.aws/knowledge-center/api-gateway-disable-endpoint
		w.stop(API, http.StatusNotFound, "the execute-api endpoint of %s is disabled", api.Name)
	}
	return api
}

// Host is the name that callers use: that of the domain, or of the execute-api endpoint.
func (s *Set) Host() string {
	for _, domain := range s.Of(DomainType) {
		return domain.Outputs.Text("domainName")
	}
	for _, api := range s.Of(APIType) {
		return strings.TrimPrefix(api.Outputs.Text("apiEndpoint"), "https://")
	}
	return ""
}

// resolves adds where the name leads to, if that is known. A caller whose name does not lead to the API gets no answer of it.
func (s *Set) resolves(w *Way, domain Resource) {
	name := domain.Outputs.Text("domainName")
	w.at("DNS")
	used := []Resource{}
	for _, record := range s.Of(RecordType) {
		if kind := record.Outputs.Text("type"); strings.EqualFold(record.Outputs.Text("name"), name) && (kind == "A" || kind == "AAAA") {
			used = append(used, record)
		}
	}
	fact, ok := s.Find(DNSType, name)
	target := domain.Outputs.Object("domainNameConfiguration").Text("targetDomainName")
	addresses, want := fact.Outputs.Texts("addresses"), fact.Outputs.Texts("targetAddresses")
	switch {
	case !ok:
		if s.deployed() && len(used) > 0 {
			w.hop(name, used, "a record leads to %s", target)
		}
		s.tellUnread(w, DNSType, s.deployed() && len(used) > 0)
	case fact.Outputs.Text("error") != "":
		w.fault("", 0, "%s has no address: %s", name, fact.Outputs.Text("error")).used = []Resource{fact}
	case len(want) == 0:
		w.hop(name, used, "%s", strings.Join(addresses, ", "))
		w.note(Unknown, "whether these are addresses of the API")
	case !slices.ContainsFunc(addresses, func(a string) bool { return slices.Contains(want, a) }):
		text := fmt.Sprintf("%s leads to %s, as seen from here, and the API is at %s (%s)", name, strings.Join(addresses, ", "), strings.Join(want, ", "), target)
		if len(s.lost(RecordType, "name", name)) == 0 {
			w.hop(name, used, "%s", text)
			w.note(Unknown, "whether what is there passes requests on, as a proxy would")
			return
		}
		w.fault("", 0, "%s", text).used = []Resource{fact}
	default:
		w.hop(name, used, "leads to %s", target)
	}
}

// valid adds the certificate with which the API answers to a domain name, if its state is known.
func (s *Set) valid(w *Way, domain Resource) {
	certificate, ok := s.Find(CertificateType, domain.Outputs.Object("domainNameConfiguration").Text("certificateArn"))
	w.at("certificate")
	if problem, until := s.expired(certificate); problem != "" {
		w.fault("", 0, "callers refuse the certificate %s of the API: it %s", certificate.Name, problem).used = []Resource{certificate}
	} else if ok && until != "" {
		w.took(certificate, "for %s, until %s", certificate.Outputs.Text("domainName"), until)
	}
}

// expired says what keeps a certificate from being taken, and until when it is valid, "" if nobody knows.
func (s *Set) expired(certificate Resource) (problem, until string) {
	end, err := time.Parse(time.RFC3339, certificate.Outputs.Text("notAfter"))
	status := certificate.Outputs.Text("status")
	switch {
	case !s.deployed() || err != nil && status == "":
		return "", ""
	case err == nil && !s.ReadAt.Before(end):
		problem = "expired on " + end.Format(time.DateOnly)
	case status != "" && status != "ISSUED":
		problem = "is " + status
	}
	if err != nil {
		return problem, status
	}
	return problem, end.Format(time.DateOnly)
}

// loopback tells whether a host is this machine.
func loopback(host string) bool {
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}

// handshake agrees on HTTP or HTTPS between an integration and a listener, or the way ends.
func (s *Set) handshake(w *Way, integration, listener Resource) {
	tls, speaks := integration.Outputs["tlsConfig"].(map[string]any)
	https := listener.Outputs.Text("protocol") == "HTTPS"
	switch {
	case !speaks && !https:
		return
	case !speaks:
		// Source: https://repost.aws/knowledge-center/api-gateway-private-integration-errors
		w.fault(LoadBalancer, http.StatusBadRequest, "integration %s speaks HTTP, and listener %s takes HTTPS", integration.Name, listener.Name)
		return
	case !https:
		w.fault(API, tlsFailed, "integration %s speaks HTTPS, and listener %s takes HTTP", integration.Name, listener.Name)
		return
	}
	serverName := Values(tls).Text("serverNameToVerify")
	var all []string
	for _, certificate := range s.certificates(listener) {
		names := append(certificate.Outputs.Texts("subjectAlternativeNames"), certificate.Outputs.Text("domainName"))
		if slices.ContainsFunc(names, func(name string) bool { return covers(name, serverName) }) {
			w.took(certificate, "the certificate covers %s, %s", serverName, listener.Outputs.Text("sslPolicy"))
			if problem, _ := s.expired(certificate); problem != "" {
				w.note(Warning, "it %s; AWS does not say whether the API takes it then", problem)
			}
			return
		}
		all = append(all, names...)
	}
	if !w.unread("") {
		w.fault(API, tlsFailed, "integration %s verifies %q, and the certificates of listener %s cover %q", integration.Name, serverName, listener.Name, all)
	}
}

// certificates returns those of a listener: its default one, and those in its list. It takes one that covers the name that
// the client sends.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html
func (s *Set) certificates(listener Resource) []Resource {
	arns := []string{listener.Outputs.Text("certificateArn")}
	for _, listed := range s.where(ListedType, "listenerArn", listener.Outputs.Text("arn")) {
		arns = append(arns, listed.Outputs.Text("certificateArn"))
	}
	return s.all(CertificateType, arns)
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
