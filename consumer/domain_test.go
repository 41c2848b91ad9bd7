package consumer

import (
	"slices"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// With a domain the API answers to its name, and people are given that name alone.
func TestDomain(t *testing.T) {
	for _, keep := range []bool{true, false} {
		a := valid()
		a.Domain = &Domain{Name: "api.example.com", CertificateArn: pulumi.String("certificate"), ZoneID: pulumi.String("Z1"), KeepExecuteAPI: keep}
		r := deploy(t, a)
		api, name, mapping := r.Get(t, "apigatewayv2.Api front"), r.Get(t, "apigatewayv2.DomainName front"), r.Get(t, "apigatewayv2.ApiMapping front")
		if got := api.Input("disableExecuteApiEndpoint"); (got == true) == keep {
			t.Errorf("keep %v: the execute-api endpoint is disabled: %v", keep, got)
		}
		for input, want := range map[string]any{"certificateArn": "certificate", "endpointType": "REGIONAL", "securityPolicy": "TLS_1_2", "ipAddressType": "dualstack"} {
			if got := name.Input("domainNameConfiguration." + input); got != want {
				t.Errorf("%s: %s %v, want %v", name, input, got, want)
			}
		}
		if mapping.Input("apiId") != api.ID || mapping.Input("domainName") != "api.example.com" || mapping.Input("stage") != "$default" || mapping.Input("apiMappingKey") != nil {
			t.Errorf("%s: %v", mapping, mapping.Inputs)
		}
		kinds := map[any]bool{}
		for _, record := range r.All("route53.Record") {
			kinds[record.Input("type")] = true
			target := name.Outputs["domainNameConfiguration"].ObjectValue()
			if record.Input("name") != "api.example.com" || record.Input("zoneId") != "Z1" ||
				record.Input("aliases.0.name") != target["targetDomainName"].StringValue() || record.Input("aliases.0.zoneId") != target["hostedZoneId"].StringValue() {
				t.Errorf("%s: %v", record, record.Inputs)
			}
			if !slices.Contains(record.Dependencies, mapping.URN) {
				t.Errorf("%s does not wait for the mapping: the name would answer 403", record)
			}
		}
		if len(kinds) != 2 || !kinds["A"] || !kinds["AAAA"] {
			t.Errorf("records %v", kinds)
		}
		folder := boot(t, r.Get(t, "ec2.Instance front-bastion").Input("userData").(string))
		if got := login(t, folder, "bash", "ALPHA_API_URL"); got != "https://api.example.com/alpha" || r.Exports["urls"].(map[string]string)["alpha"] != got {
			t.Errorf("the bastion calls %s, people %v", got, r.Exports["urls"])
		}
	}
}

// APIGateway.10: the API verifies the listener of an HTTPS load balancer. It goes from HTTP to HTTPS by another integration.
func TestServerName(t *testing.T) {
	a := valid()
	integration := deploy(t, a).Get(t, "apigatewayv2.Integration front")
	if got := integration.Input("tlsConfig"); got != nil {
		t.Errorf("plain HTTP: %v", got)
	}
	a.ServerName = "alb.example.com"
	integration = deploy(t, a).Get(t, "apigatewayv2.Integration front")
	if got := integration.Input("tlsConfig.serverNameToVerify"); got != "alb.example.com" || !slices.Equal(integration.ReplaceOnChanges, []string{"tlsConfig"}) {
		t.Errorf("verifies %v, replaced on changes of %v", got, integration.ReplaceOnChanges)
	}
}

// Requests under way are given their time after each change that leads new ones elsewhere, and after no other.
func TestDrainTime(t *testing.T) {
	for name, test := range map[string]struct {
		before, after map[string]any
		want          time.Duration
	}{
		"nothing":            {map[string]any{"target": "a"}, map[string]any{"target": "a"}, 0},
		"other integration":  {map[string]any{"target": "a"}, map[string]any{"target": "b"}, 10 * time.Second},
		"other link":         {map[string]any{"connectionId": "a"}, map[string]any{"connectionId": "b"}, 10 * time.Second},
		"other listener":     {map[string]any{"integrationUri": "a"}, map[string]any{"integrationUri": "b"}, 10 * time.Second},
		"other timeout":      {map[string]any{"timeoutMilliseconds": 1000}, map[string]any{"timeoutMilliseconds": 10000}, 0},
		"longer time before": {map[string]any{"connectionId": "a", "timeoutMilliseconds": 20000}, map[string]any{"connectionId": "b", "timeoutMilliseconds": 10000}, 20 * time.Second},
		"less time before":   {map[string]any{"connectionId": "a", "timeoutMilliseconds": 1000}, map[string]any{"connectionId": "b", "timeoutMilliseconds": 10000}, 10 * time.Second},
		"authorization":      {map[string]any{"target": "a", "authorizationType": "NONE"}, map[string]any{"target": "a", "authorizationType": "JWT"}, 0},
	} {
		got := drainTime(&pulumi.ResourceHookArgs{
			OldInputs: resource.NewPropertyMapFromMap(test.before), NewInputs: resource.NewPropertyMapFromMap(test.after),
		}, 10*time.Second)
		if got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
