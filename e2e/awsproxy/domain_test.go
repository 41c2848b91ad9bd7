package awsproxy_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"private-api/e2e/awsproxy"
)

// Domain names and Route 53 have no operations on the wire. Each gets the name and the ids of AWS's reference, and a domain
// name what the simulator leaves out.
func TestDomainCalls(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/2013-04-01/"):
			_, _ = io.WriteString(w, "<R><ChangeInfo><Id>/change/C1</Id></ChangeInfo></R>")
		default:
			_, _ = io.WriteString(w, `{"domainName":"api.example.com","domainNameConfigurations":[{"certificateArn":"c"}]}`)
		}
	}))
	defer server.Close()
	p, err := awsproxy.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	url, ctx := p.URL(), context.Background()
	cfg := aws.Config{Region: "us-west-2", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")}
	apis, names := apigatewayv2.NewFromConfig(cfg), route53.NewFromConfig(cfg)

	domain, err := apis.GetDomainName(ctx, &apigatewayv2.GetDomainNameInput{DomainName: aws.String("api.example.com")})
	if err != nil {
		t.Fatal(err)
	}
	got := domain.DomainNameConfigurations[0]
	if got.DomainNameStatus != "AVAILABLE" || !strings.HasSuffix(aws.ToString(got.ApiGatewayDomainName), ".execute-api.us-west-2.amazonaws.com") || aws.ToString(got.HostedZoneId) == "" || aws.ToString(got.CertificateArn) != "c" {
		t.Errorf("the domain name is %+v", got)
	}
	if _, err := apis.DeleteApiMapping(ctx, &apigatewayv2.DeleteApiMappingInput{DomainName: aws.String("api.example.com"), ApiMappingId: aws.String("m1")}); err != nil {
		t.Fatal(err)
	}
	_, err = names.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{HostedZoneId: aws.String("Z1"), ChangeBatch: &types.ChangeBatch{Changes: []types.Change{
		{Action: "UPSERT", ResourceRecordSet: &types.ResourceRecordSet{Name: aws.String("a.example.com"), Type: "CNAME", TTL: aws.Int64(300), ResourceRecords: []types.ResourceRecord{{Value: aws.String("1")}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := names.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: aws.String("Z1")}); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	if err := p.Log(&log); err != nil {
		t.Fatal(err)
	}
	sent := strings.Split(log.String(), "\n")
	for i, want := range []struct {
		name, id, value string
		mutates         bool
		sent            string
	}{
		{"apigateway:GetDomainName", "DomainName", "api.example.com", false, `"_path":"/v2/domainnames/api.example.com"`},
		{"apigateway:DeleteApiMapping", "ApiMappingId", "m1", true, `"_path":"/v2/domainnames/api.example.com/apimappings/m1"`},
		{"route53:ChangeResourceRecordSets", "HostedZoneId", "Z1", true,
			`"Changes":[{"Action":"UPSERT","ResourceRecordSet":{"Name":"a.example.com","ResourceRecords":[{"Value":"1"}],"TTL":300,"Type":"CNAME"}}]`},
		{"route53:GetHostedZone", "Id", "Z1", false, `"op":"GetHostedZone"`},
	} {
		c := p.Calls()[i]
		if c.String() != want.name || c.Params[want.id] != want.value || c.Mutates() != want.mutates || !strings.Contains(sent[i], want.sent) {
			t.Errorf("%s: recorded %s with %v, mutates %v, sent %s", want.name, c, c.Params, c.Mutates(), sent[i])
		}
	}
}
