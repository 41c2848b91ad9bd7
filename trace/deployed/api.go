package deployed

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"private-api/trace"
)

// readAPI reads the names that lead to the API, and routes and integrations that the program did not make: the most
// specific route takes a request, whoever made it.
func (r *reader) readAPI() {
	for _, domain := range r.set.Of(trace.DomainType) {
		name := domain.Outputs.Text("domainName")
		r.ask(missing{trace.DNSType, name, "DNS of " + name}, func(ctx context.Context) error {
			return r.lookUp(ctx, name, domain.Outputs.Object("domainNameConfiguration").Text("targetDomainName"))
		})
	}
	client := apigatewayv2.NewFromConfig(r.aws)
	for _, api := range r.set.Of(trace.APIType) {
		r.ask(missing{trace.RouteType, "", "routes of API " + api.Name}, func(ctx context.Context) error {
			in := &apigatewayv2.GetRoutesInput{ApiId: &api.ID}
			for more := true; more; more = in.NextToken != nil {
				page, err := client.GetRoutes(ctx, in)
				if err != nil {
					return err
				}
				for _, route := range page.Items {
					r.putNew(trace.RouteType, *route.RouteId, *route.RouteKey, shape(route, map[string]any{"apiId": api.ID}))
				}
				in.NextToken = page.NextToken
			}
			return nil
		})
		r.ask(missing{trace.IntegrationType, "", "integrations of API " + api.Name}, func(ctx context.Context) error {
			in := &apigatewayv2.GetIntegrationsInput{ApiId: &api.ID}
			for more := true; more; more = in.NextToken != nil {
				page, err := client.GetIntegrations(ctx, in)
				if err != nil {
					return err
				}
				for _, i := range page.Items {
					r.putNew(trace.IntegrationType, *i.IntegrationId, *i.IntegrationId, shape(i, map[string]any{
						"apiId": api.ID, "timeoutMilliseconds": i.TimeoutInMillis, "tlsConfig": i.TlsConfig,
					}))
				}
				in.NextToken = page.NextToken
			}
			return nil
		})
	}
}

// lookUp looks a domain name up, and the name that it should lead to.
func (r *reader) lookUp(ctx context.Context, name, target string) error {
	answer := map[string]any{}
	for key, host := range map[string]string{"addresses": name, "targetAddresses": target} {
		addresses, err := r.resolver.LookupHost(ctx, host)
		var none *net.DNSError
		switch {
		case err == nil:
			answer[key] = addresses
		case !errors.As(err, &none) || !none.IsNotFound:
			return err
		case key == "addresses":
			answer["error"] = none.Err
		}
	}
	r.put(trace.DNSType, name, name, shape(answer, nil))
	return nil
}

// namedBy returns what integrations name under an output.
func (r *reader) namedBy(output string) []string {
	var all []string
	for _, integration := range r.set.Of(trace.IntegrationType) {
		all = append(all, integration.Outputs.Text(output))
	}
	return unique(all)
}

// readLinks reads how the VPC links are.
func (r *reader) readLinks() {
	client := apigatewayv2.NewFromConfig(r.aws)
	for _, id := range r.namedBy("connectionId") {
		r.ask(missing{trace.LinkType, id, "state of VPC link " + r.nameOf(trace.LinkType, id)}, func(ctx context.Context) error {
			link, err := client.GetVpcLink(ctx, &apigatewayv2.GetVpcLinkInput{VpcLinkId: &id})
			if err == nil {
				r.put(trace.LinkType, id, aws.ToString(link.Name), shape(link, nil))
			}
			return err
		})
	}
}

// readListeners reads the listeners of others.
func (r *reader) readListeners() {
	client := elasticloadbalancingv2.NewFromConfig(r.aws)
	for _, arn := range r.namedBy("integrationUri") {
		if r.knows(trace.ListenerType, arn) {
			continue
		}
		r.ask(missing{trace.ListenerType, arn, "listener " + arn}, func(ctx context.Context) error {
			out, err := client.DescribeListeners(ctx, &elasticloadbalancingv2.DescribeListenersInput{ListenerArns: []string{arn}})
			if err != nil {
				return err
			}
			for _, l := range out.Listeners {
				more := map[string]any{"arn": arn, "defaultActions": actions(l.DefaultActions)}
				if len(l.Certificates) > 0 {
					more["certificateArn"] = l.Certificates[0].CertificateArn
				}
				r.put(trace.ListenerType, arn, arn, shape(l, more))
			}
			return nil
		})
	}
}

// readCertificate reads a certificate that the program did not make.
func (r *reader) readCertificate(arn string) {
	m := missing{trace.CertificateType, arn, "certificate " + arn}
	switch {
	case arn == "" || r.knows(trace.CertificateType, arn):
		return
	case !strings.Contains(arn, ":acm:"): // one of IAM, which has no names but in its own text
		r.unknown(m, "a server certificate of IAM, which is not read here")
		return
	}
	r.ask(m, func(ctx context.Context) error {
		out, err := acm.NewFromConfig(r.aws).DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: &arn})
		if err == nil {
			r.put(trace.CertificateType, arn, arn, shape(out.Certificate, map[string]any{"arn": arn}))
		}
		return err
	})
}
