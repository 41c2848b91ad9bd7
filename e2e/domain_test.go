package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// needZone makes the hosted zone that the setting domain names here.
func (a *account) needZone(t *testing.T) {
	t.Helper()
	a.makeZone(t, &route53.CreateHostedZoneInput{Name: aws.String("example.com")})
	a.start = a.inventory(t)
}

func (a *account) makeZone(t *testing.T, zone *route53.CreateHostedZoneInput) {
	t.Helper()
	zone.CallerReference = aws.String(time.Now().String())
	if _, err := route53.NewFromConfig(a.aws).CreateHostedZone(context.Background(), zone); err != nil {
		t.Fatal(err)
	}
}

// domain are settings of a domain in the zone that needZone makes.
func domain(name string, keepExecuteAPI bool) settings {
	return settings{"domain": map[string]any{"name": name, "zone": "example.com", "keepExecuteApi": keepExecuteAPI}}
}

// newDomain is what a domain brings, and withHTTPS what then changes, in both directions.
func newDomain(op string) []string {
	return []string{
		op + " private-api:stack domain", op + " acm/certificate domain", op + " acm/certificateValidation domain", op + " route53/record {domain-validation,consumer-ipv4,consumer-ipv6}",
		op + " apigatewayv2/{domainName,apiMapping} consumer", op + " lb/listenerCertificate producer-https",
	}
}

func withHTTPS(https, plain string) []string {
	return []string{
		https + " lb/listener producer-https", plain + " lb/listener producer", "replace lb/listenerRule producer-{book,author}",
		"replace vpc/securityGroup{Egress,Ingress}Rule producer-link-to-producer-alb",
		"replace apigatewayv2/integration consumer", "update apigatewayv2/route consumer", "replace ec2/instance consumer-bastion",
	}
}

// otherName is what another name replaces: the listener has both certificates meanwhile.
var otherName = []string{
	"replace acm/certificate domain", "replace acm/certificateValidation domain", "replace route53/record {domain-validation,consumer-ipv4,consumer-ipv6}",
	"replace apigatewayv2/{domainName,apiMapping,integration} consumer", "update apigatewayv2/route consumer",
	"update lb/listener producer-https", "replace lb/listenerCertificate producer-https", "replace ec2/instance consumer-bastion",
}

// movedListener asserts that requests always find a way: the new listener has all its rules, and the link may reach it,
// before the API moves there; what was before goes once requests that began then are over.
func (r record) movedListener(pause time.Duration) {
	r.Helper()
	listener := r.first("elasticloadbalancing", "CreateListener")
	integration := r.first("apigateway", "CreateIntegration", listener.Answer.Get("ListenerArn"))
	r.before(integration, "the new listener answers 404 to every path", r.some("elasticloadbalancing", "CreateRule", listener.Answer.Get("ListenerArn"))...)
	if rules := r.find("elasticloadbalancing", "CreateRule", listener.Answer.Get("ListenerArn")); len(rules) != 2 {
		r.Errorf("%d rules on the new listener, want 2", len(rules))
	}
	r.before(integration, "the link does not reach the new listener: 503", r.some("ec2", "AuthorizeSecurityGroupEgress")...)
	r.before(integration, "the link does not reach the new listener: 503", r.some("ec2", "AuthorizeSecurityGroupIngress")...)
	r.movedAPI(pause, "elasticloadbalancing:DeleteListener", "elasticloadbalancing:DeleteRule", "apigateway:DeleteIntegration",
		"ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress")
}

// movedAPI asserts that what requests under way need goes after the routes have moved, and a pause.
func (r record) movedAPI(pause time.Duration, deletions ...string) {
	r.Helper()
	route := r.first("apigateway", "UpdateRoute")
	r.before(route, "NotFoundException: Unable to find Integration", r.some("apigateway", "CreateIntegration")...)
	for _, deletion := range deletions {
		service, operation, _ := strings.Cut(deletion, ":")
		for _, d := range r.some(service, operation) {
			r.before(d, "requests under way are cut off", route)
			if waited := d.Time.Sub(route.Time); waited < pause {
				r.Errorf("%s came %v after the routes had moved, want %v", d, waited, pause)
			}
		}
	}
}

// TestDomain takes a stack from its execute-api endpoint to a domain, to another name and back, and asserts what changes,
// and in which order.
func TestDomain(t *testing.T) {
	const timeout = 2
	a := newAccount(t)
	a.needZone(t)
	with := func(s settings) settings { return base().with(settings{"integrationTimeoutSeconds": timeout}).with(s) }
	d := a.newStack(t, "domain", nil, with(nil))
	d.up(t)
	for _, step := range []struct {
		name     string
		set      settings
		want     []string
		endpoint string // "": AWS's
		order    func(record)
	}{
		{"domain", domain("api.example.com", true), slices.Concat(newDomain("create"), withHTTPS("create", "delete")), "https://api.example.com",
			func(r record) { r.movedListener(timeout * time.Second) }},
		{"domain alone", domain("api.example.com", false), []string{"update apigatewayv2/api consumer"}, "https://api.example.com", nil},
		{"another name", domain("www.example.com", false), otherName, "https://www.example.com", func(r record) {
			route := r.first("apigateway", "UpdateRoute")
			r.before(route, "500: no certificate of the listener covers the new name", r.some("elasticloadbalancing", "ModifyListener")...)
			r.movedAPI(timeout*time.Second, "elasticloadbalancing:RemoveListenerCertificates", "acm:DeleteCertificate", "apigateway:DeleteDomainName")
		}},
		{"no domain", nil, slices.Concat(newDomain("delete"), withHTTPS("delete", "create"), []string{"update apigatewayv2/api consumer"}), "",
			func(r record) { r.movedListener(timeout * time.Second) }},
	} {
		t.Run(step.name, func(t *testing.T) {
			d.configure(t, with(step.set))
			mark := a.proxy.Mark()
			ops, outputs := d.up(t)
			expect(t, ops, step.want)
			if step.order != nil {
				step.order(record{t, a.proxy.Since(mark)})
			}
			endpoint := outputs["apiEndpoint"].Value.(string)
			if endpoint != step.endpoint && !(step.endpoint == "" && strings.Contains(endpoint, ".execute-api.")) {
				t.Errorf("apiEndpoint %s", endpoint)
			}
			a.compare(t, d)
			d.unchanged(t)
		})
	}
	d.destroy(t)
	a.sweep(t, "domain")
}

// TestDomainFromTheStart brings a domain up with all else and destroys both.
func TestDomainFromTheStart(t *testing.T) {
	a := newAccount(t)
	a.needZone(t)
	d := a.newStack(t, "named", nil, base().with(domain("example.com", false)))
	d.up(t)
	a.compare(t, d)
	d.destroy(t)
	r := record{t, a.proxy.Calls()}
	for _, certificate := range r.some("acm", "DeleteCertificate") {
		r.before(certificate, "ResourceInUseException: the certificate is in use", r.some("elasticloadbalancing", "DeleteListener")...)
		r.before(certificate, "ResourceInUseException: the certificate is in use", r.some("apigateway", "DeleteDomainName")...)
	}
	a.sweep(t, "named")
}

// A zone that is not there, that is private, or that is there twice, is refused before anything is made.
func TestDomainRefusals(t *testing.T) {
	a := newAccount(t)
	a.makeZone(t, &route53.CreateHostedZoneInput{
		Name: aws.String("private.example"), HostedZoneConfig: &types.HostedZoneConfig{PrivateZone: true},
		VPC: &types.VPC{VPCId: aws.String("vpc-1"), VPCRegion: region},
	})
	for range 2 {
		a.makeZone(t, &route53.CreateHostedZoneInput{Name: aws.String("twice.example")})
	}
	for _, zone := range []string{"nowhere.example", "private.example", "twice.example"} {
		t.Run(zone, func(t *testing.T) {
			config := base().with(settings{"domain": map[string]any{"name": "api." + zone, "zone": zone}})
			d := a.newStack(t, "refused", nil, config)
			mark := a.proxy.Mark()
			says := []string{project + ":domain.zone", zone, "exactly one public hosted zone", "nothing was changed"}
			_, err := d.tryPreview(t, config)
			refused(t, "preview", err, says)
			_, _, err = d.tryUp()
			refused(t, "up", err, says)
			if changing := mutations(a.proxy.Since(mark)); len(changing) > 0 {
				t.Errorf("refused, and yet called: %v", changing)
			}
		})
	}
}
