package consumer

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"private-api/internal/setting"
)

const (
	// maxIntegrationTimeout is in seconds.
	// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
	maxIntegrationTimeout = 30
	// widestSSH keeps "almost everyone" out as well as everyone.
	widestSSH = 8
	// maxCORSAge is in seconds, the API's own bound.
	// Source: https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html
	maxCORSAge = 86400
)

// Validate returns everything that is wrong with the arguments; nil where
// nothing is. Keys are those of the configuration.
func (a *Args) Validate() setting.Problems {
	var p setting.Problems
	p.Range("integrationTimeoutSeconds", a.IntegrationTimeout, 1, maxIntegrationTimeout, "seconds")
	p.Range("throttleBurst", a.Throttle.Burst, 1, 5000, "requests")
	p.Range("throttleRate", a.Throttle.Rate, 1, 10000, "requests per second")
	a.CORS.validate(&p)
	a.Authorization.validate(&p)
	a.Bastion.validate(&p)
	return p
}

func (c *CORS) validate(p *setting.Problems) {
	for _, origin := range c.AllowOrigins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.Path != "") {
			p.Add("corsAllowOrigins", origin, `origins such as https://www.example.com, or "*"`)
		}
	}
	if !c.enabled() {
		return
	}
	methods := []string{"*", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
	for _, method := range c.AllowMethods {
		if !slices.Contains(methods, method) {
			p.Add("corsAllowMethods", method, "any of %s", strings.Join(methods, ", "))
		}
	}
	p.Range("corsMaxAgeSeconds", c.MaxAge, 0, maxCORSAge, "seconds")
}

func (a *Authorization) validate(p *setting.Problems) {
	switch a.Type {
	case AuthorizationNone, AuthorizationIAM:
		if a.Issuer != "" {
			p.Add("jwtIssuer", a.Issuer, "nothing while authorization is %q", a.Type)
		}
		if len(a.Audiences) > 0 {
			p.Add("jwtAudiences", a.Audiences, "nothing while authorization is %q", a.Type)
		}
	case AuthorizationJWT:
		if a.Issuer == "" {
			p.Add("jwtIssuer", nil, "the https URL of the token's issuer, as authorization is %q", a.Type)
		} else if u, err := url.Parse(a.Issuer); err != nil || u.Scheme != "https" || u.Host == "" {
			p.Add("jwtIssuer", a.Issuer, "the https URL of the token's issuer")
		}
		if len(a.Audiences) == 0 {
			p.Add("jwtAudiences", nil, "one audience or more, as authorization is %q", a.Type)
		}
	default:
		p.Add("authorization", a.Type, "one of %s, %s, %s", AuthorizationNone, AuthorizationIAM, AuthorizationJWT)
	}
}

func (b *Bastion) validate(p *setting.Problems) {
	if !b.Enabled {
		if b.ssh() || len(b.SSHCidrs) > 0 {
			p.Add("bastion", false, "true, as sshKeyName or sshCidrs is set")
		}
		return
	}
	// Two subnets of the size that newNetwork asks for.
	p.VpcCidr("vpcCidr", b.VpcCidr, subnetPrefix-1)
	if len(b.AvailabilityZones) != 2 {
		p.Add("availabilityZones", b.AvailabilityZones, "two zones for the VPC of the bastion")
	}
	if b.ssh() && len(b.SSHCidrs) == 0 {
		p.Add("sshCidrs", nil, "the ranges that may open SSH, as sshKeyName is %q; leave both out to use Session Manager alone", b.SSHKeyName)
	}
	if !b.ssh() && len(b.SSHCidrs) > 0 {
		p.Add("sshKeyName", nil, "the name of an EC2 key pair, as sshCidrs is set; leave both out to use Session Manager alone")
	}
	seen := map[string]bool{}
	for _, cidr := range b.SSHCidrs {
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil || !prefix.Addr().Is4() || prefix != prefix.Masked() || prefix.Bits() < widestSSH || seen[cidr] {
			p.Add("sshCidrs", cidr, "different IPv4 ranges of /%d or smaller without host bits, such as %s; never the whole internet", widestSSH, fmt.Sprintf("203.0.113.7/%d", 32))
		}
		seen[cidr] = true
	}
}
