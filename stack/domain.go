package stack

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/acm"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/consumer"
	"private-api/internal/setting"
	"private-api/producer"
)

// domain is a name of the user's own for the API. Without a name it is off.
type domain struct {
	name, zone     string
	keepExecuteAPI bool
	zoneID         string // looked up
}

// maxCommonName is the characters of the first name of a certificate.
// Source: https://docs.aws.amazon.com/acm/latest/APIReference/API_RequestCertificate.html
const maxCommonName = 64

// hostName is a name of at least two labels, as DNS and certificates have them. API Gateway wants lower case:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-custom-domain-names.html
var hostName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (d *domain) declare(s *setting.Set) {
	setting.Object(s, "domain", "A name of your own for the API, with TLS on every hop up to the load balancer; needs name and zone", func(s *setting.Set) {
		setting.Var(s, &d.name, "name", "", "Name of the API, in the zone", "in place, without a lost request; replaces the bastion",
			setting.Must(fmt.Sprintf("a host name such as api.example.com, in lower case, %d characters at most", maxCommonName),
				func(name string) bool { return len(name) <= maxCommonName && hostName.MatchString(name) }))
		setting.Var(s, &d.zone, "zone", "", "Name of a public hosted zone in Route 53 of the same account", setting.InPlace,
			setting.Must("the name of a public hosted zone, such as example.com, in lower case", hostName.MatchString))
		setting.Var(s, &d.keepExecuteAPI, "keepExecuteApi", true, "Let the API answer at its execute-api endpoint too", setting.InPlace)
	})
}

func (d *domain) validate() (p setting.Problems) {
	switch {
	case d.name == "" && (d.zone != "" || !d.keepExecuteAPI):
		p.Add("domain.name", nil, "the name of the API, as domain has other fields; leave all out for the execute-api endpoint alone")
	case d.name != "" && d.zone == "":
		p.Add("domain.zone", nil, "the hosted zone that holds %s", d.name)
	case d.name != d.zone && !strings.HasSuffix(d.name, "."+d.zone):
		p.Add("domain.name", d.name, "%[1]s, or a name that ends in .%[1]s, which is domain.zone", d.zone)
	}
	return p
}

// lookUp finds the hosted zone. It must be there before anything is made: a certificate waits for its record there.
func (d *domain) lookUp(ctx *pulumi.Context, provider *aws.Provider) (p setting.Problems, err error) {
	if d.name == "" {
		return nil, nil
	}
	zone, err := route53.LookupZone(ctx, &route53.LookupZoneArgs{Name: &d.zone}, pulumi.Provider(provider))
	switch {
	case err == nil:
		d.zoneID = zone.ZoneId
	case strings.Contains(err.Error(), "no matching Route 53 Hosted Zone"), strings.Contains(err.Error(), "multiple Route 53 Hosted Zones"):
		p.Add("domain.zone", d.zone, "the name of exactly one public hosted zone of this account; `aws route53 list-hosted-zones` lists them")
	default:
		return nil, fmt.Errorf("looking up hosted zone %s of domain.zone: %w", d.zone, err)
	}
	return p, nil
}

// newDomain makes the certificate of the domain, and gives it to both components. It does nothing without a domain.
func (c *configuration) newDomain(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) error {
	d := c.domain
	if d.name == "" {
		return nil
	}
	component := &pulumi.ResourceState{}
	if err := ctx.RegisterComponentResource("private-api:stack:Domain", name, component, opts...); err != nil {
		return err
	}
	parent := pulumi.Parent(component)
	certificate, err := acm.NewCertificate(ctx, name, &acm.CertificateArgs{
		DomainName: pulumi.String(d.name), ValidationMethod: pulumi.String("DNS"),
	}, parent)
	if err != nil {
		return fmt.Errorf("requesting certificate: %w", err)
	}
	proof := certificate.DomainValidationOptions.Index(pulumi.Int(0))
	record, err := route53.NewRecord(ctx, name+"-validation", &route53.RecordArgs{
		ZoneId:  pulumi.String(d.zoneID),
		Name:    proof.ResourceRecordName().Elem(),
		Type:    proof.ResourceRecordType().Elem(),
		Records: pulumi.StringArray{proof.ResourceRecordValue().Elem()},
		Ttl:     pulumi.Int(300),
	}, parent)
	if err != nil {
		return fmt.Errorf("creating validation record: %w", err)
	}
	valid, err := acm.NewCertificateValidation(ctx, name, &acm.CertificateValidationArgs{
		CertificateArn: certificate.Arn, ValidationRecordFqdns: pulumi.StringArray{record.Fqdn},
	}, parent)
	if err != nil {
		return fmt.Errorf("validating certificate: %w", err)
	}
	c.producer.TLS = &producer.TLS{CertificateArn: valid.CertificateArn, ServerName: d.name}
	c.consumer.Domain = &consumer.Domain{
		Name: d.name, CertificateArn: valid.CertificateArn, ZoneID: pulumi.String(d.zoneID), KeepExecuteAPI: d.keepExecuteAPI,
	}
	return ctx.RegisterResourceOutputs(component, pulumi.Map{"certificateArn": valid.CertificateArn})
}
