package stack

import (
	"slices"
	"strings"
	"testing"

	"private-api/internal/testkit"
)

const onDomain = `{"name":"api.example.com","zone":"example.com"}`

// The listener and the API have the certificate once it is valid, and the integration moves to the listener once that has
// its rules and lets the link in.
func TestDomain(t *testing.T) {
	r := deploy(t, map[string]string{"domain": onDomain})
	certificate, record, valid := r.Get(t, "acm.Certificate domain"), r.Get(t, "route53.Record domain-validation"), r.Get(t, "acm.CertificateValidation domain")
	for _, need := range []struct{ resource, on *testkit.Resource }{
		{record, certificate}, {valid, record},
		{r.Get(t, "lb.Listener producer-https"), valid}, {r.Get(t, "apigatewayv2.DomainName consumer"), valid},
		{r.Get(t, "apigatewayv2.Integration consumer"), r.Get(t, "lb.ListenerRule producer-alpha")},
		{r.Get(t, "apigatewayv2.Integration consumer"), r.Get(t, "lb.ListenerRule producer-beta")},
		{r.Get(t, "apigatewayv2.Integration consumer"), r.Get(t, "apigatewayv2.VpcLink producer")}, // which waits for its rules
	} {
		if !slices.Contains(need.resource.Dependencies, need.on.URN) {
			t.Errorf("%s does not wait for %s", need.resource, need.on)
		}
	}
	if valid.Input("certificateArn") != certificate.ID || valid.Input("validationRecordFqdns.0") != record.Outputs["fqdn"].StringValue() {
		t.Errorf("%s: %v", valid, valid.Inputs)
	}
	proof := certificate.Outputs["domainValidationOptions"].ArrayValue()[0].ObjectValue()
	if record.Input("records.0") != proof["resourceRecordValue"].StringValue() || record.Input("type") != "CNAME" {
		t.Errorf("%s: %v", record, record.Inputs)
	}
	for _, got := range []any{
		r.Get(t, "lb.Listener producer-https").Input("certificateArn"),
		r.Get(t, "apigatewayv2.DomainName consumer").Input("domainNameConfiguration.certificateArn"),
	} {
		if got != certificate.ID {
			t.Errorf("certificate %v, want %s", got, certificate.ID)
		}
	}
	if got := r.Get(t, "apigatewayv2.Integration consumer").Input("tlsConfig.serverNameToVerify"); got != "api.example.com" {
		t.Errorf("the API verifies %v", got)
	}
	if got := r.Exports["apiEndpoint"]; got != "https://api.example.com" {
		t.Errorf("apiEndpoint %v", got)
	}
	if got := r.Exports["serviceUrls"].(map[string]string)["alpha"]; got != "https://api.example.com/alpha" {
		t.Errorf("URL of alpha %s", got)
	}
	if !slices.ContainsFunc(r.Invokes, func(invoke string) bool { return strings.HasPrefix(invoke, "aws:route53/getZone:getZone ") }) {
		t.Errorf("the zone is not looked up: %v", r.Invokes)
	}
}
