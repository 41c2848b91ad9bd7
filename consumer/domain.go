package consumer

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/apigatewayv2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Domain is a name of your own for the API.
type Domain struct {
	Name           string             // such as api.example.com
	CertificateArn pulumi.StringInput // of a valid certificate for Name in ACM, in the region of the API
	ZoneID         pulumi.StringInput // of the public hosted zone in Route 53 that holds Name
	KeepExecuteAPI bool               // the API also answers at its execute-api endpoint
}

// newDomain has the API answer to the name of the domain. The name resolves once it does.
func newDomain(ctx *pulumi.Context, name string, d *Domain, api *apigatewayv2.Api, stage *apigatewayv2.Stage, opts ...pulumi.ResourceOption) error {
	domain, err := apigatewayv2.NewDomainName(ctx, name, &apigatewayv2.DomainNameArgs{
		DomainName: pulumi.String(d.Name),
		DomainNameConfiguration: apigatewayv2.DomainNameDomainNameConfigurationArgs{
			CertificateArn: d.CertificateArn,
			EndpointType:   pulumi.String("REGIONAL"),
			SecurityPolicy: pulumi.String("TLS_1_2"),
			IpAddressType:  pulumi.String("dualstack"),
		},
	}, opts...)
	if err != nil {
		return fmt.Errorf("creating domain name: %w", err)
	}
	mapping, err := apigatewayv2.NewApiMapping(ctx, name, &apigatewayv2.ApiMappingArgs{
		ApiId: api.ID(), DomainName: domain.DomainName, Stage: stage.Name,
	}, opts...)
	if err != nil {
		return fmt.Errorf("mapping domain name: %w", err)
	}
	for suffix, kind := range map[string]string{"-ipv4": "A", "-ipv6": "AAAA"} {
		_, err := route53.NewRecord(ctx, name+suffix, &route53.RecordArgs{
			ZoneId: d.ZoneID,
			Name:   domain.DomainName,
			Type:   pulumi.String(kind),
			Aliases: route53.RecordAliasArray{route53.RecordAliasArgs{
				Name:                 domain.DomainNameConfiguration.TargetDomainName().Elem(),
				ZoneId:               domain.DomainNameConfiguration.HostedZoneId().Elem(),
				EvaluateTargetHealth: pulumi.Bool(false),
			}},
		}, append(opts, pulumi.DependsOn([]pulumi.Resource{mapping}))...) // before it, the name answers 403
		if err != nil {
			return fmt.Errorf("creating %s record: %w", kind, err)
		}
	}
	return nil
}

// endpoint is the URL at which people call the API.
func (a *Args) endpoint(api *apigatewayv2.Api) pulumi.StringOutput {
	if a.Domain != nil {
		return pulumi.String("https://" + a.Domain.Name).ToStringOutput()
	}
	return api.ApiEndpoint
}
