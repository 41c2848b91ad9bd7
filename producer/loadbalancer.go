package producer

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/securitygroup"
)

// TLS has the load balancer take HTTPS, on port 443, in the place of HTTP on port 80.
type TLS struct {
	CertificateArn pulumi.StringInput // of a valid certificate in ACM, in the region of the load balancer
	ServerName     string             // a name that the certificate covers
}

// tlsPolicy allows TLS 1.3 and the strong ciphers of TLS 1.2.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
const tlsPolicy = "ELBSecurityPolicy-TLS13-1-2-2021-06"

// idleTimeout is the seconds after which the load balancer closes an idle connection, AWS's default. A target must keep
// connections open for longer, or a request meets a closing one and the caller gets a 502.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html
const idleTimeout = 60

// notFound answers what no service's rule matches. The workshop answers 200 there, which hides wrong paths.
const notFound = `{"error":"no service has this path"}`

// loadBalancer is what the VPC link and the services use of a load balancer: of the producer's own, or of one that exists.
type loadBalancer struct {
	arn           string // of one that exists, else ""
	group         *securitygroup.Group
	linkSubnets   pulumi.StringArrayInput // of the VPC link
	listenerArn   pulumi.StringOutput
	arnSuffix     pulumi.StringOutput // dimension of CloudWatch
	port          int
	serverName    string // in the certificate of the listener; "" for HTTP
	ruledByOthers bool   // somebody else makes the rules of group
}

// allowTasks lets the load balancer reach tasks. A rule of the tasks' own group is for the stack to make in any case.
func (b *loadBalancer) allowTasks(ctx *pulumi.Context, tasks *securitygroup.Group, port int, opts ...pulumi.ResourceOption) ([]pulumi.Resource, error) {
	if !b.ruledByOthers {
		return securitygroup.Allow(ctx, b.group, tasks, port, opts...)
	}
	rule, err := securitygroup.AllowIn(ctx, b.group, tasks, port, opts...)
	return []pulumi.Resource{rule}, err
}

// existing returns the load balancer for the producer of that name.
func (b *Balancer) existing(name string) *loadBalancer {
	_, suffix, _ := strings.Cut(b.Arn, ":loadbalancer/")
	return &loadBalancer{
		arn: b.Arn, arnSuffix: pulumi.String(suffix).ToStringOutput(), group: securitygroup.Existing(name+"-alb", b.GroupID), linkSubnets: pulumi.ToStringArray(b.SubnetIDs),
		listenerArn: pulumi.String(b.ListenerArn).ToStringOutput(), port: b.Port, serverName: b.ServerName, ruledByOthers: !b.AllowLink,
	}
}

// newLoadBalancer makes a load balancer with its access logs, or takes the one that exists.
func newLoadBalancer(ctx *pulumi.Context, name string, args *Args, net *network, account string, opts ...pulumi.ResourceOption) (*loadBalancer, error) {
	if args.Balancer != nil {
		return args.Balancer.existing(name), nil
	}
	logs, err := newAccessLogs(ctx, name, args, account, opts...)
	if err != nil {
		return nil, err
	}
	group, err := securitygroup.New(ctx, name+"-alb", "internal load balancer, reached by the VPC link", net.vpcID, opts...)
	if err != nil {
		return nil, err
	}
	alb, err := lb.NewLoadBalancer(ctx, name, &lb.LoadBalancerArgs{
		LoadBalancerType:         pulumi.String("application"),
		Internal:                 pulumi.Bool(true),
		Subnets:                  net.privateSubnets,
		SecurityGroups:           pulumi.StringArray{group.ID()},
		IdleTimeout:              pulumi.Int(idleTimeout),
		DropInvalidHeaderFields:  pulumi.Bool(true),
		DesyncMitigationMode:     pulumi.String("defensive"),
		EnableDeletionProtection: pulumi.Bool(args.DeletionProtection),
		AccessLogs:               logs.target,
	}, append(opts, pulumi.Protect(args.DeletionProtection), pulumi.DependsOn(logs.bucket))...) // "Access Denied for bucket"
	if err != nil {
		return nil, fmt.Errorf("creating load balancer: %w", err)
	}
	b := &loadBalancer{arnSuffix: alb.ArnSuffix, group: group, linkSubnets: net.privateSubnets, port: 80}
	listener := &lb.ListenerArgs{
		LoadBalancerArn: alb.Arn,
		Protocol:        pulumi.String("HTTP"),
		DefaultActions: lb.ListenerDefaultActionArray{lb.ListenerDefaultActionArgs{
			Type: pulumi.String("fixed-response"),
			FixedResponse: lb.ListenerDefaultActionFixedResponseArgs{
				StatusCode:  pulumi.String("404"),
				ContentType: pulumi.String("application/json"),
				MessageBody: pulumi.String(notFound),
			},
		}},
	}
	if args.TLS != nil {
		// A resource of its own: both listeners are there while the API moves from one to the other.
		name += "-https"
		b.port, b.serverName, listener.Protocol = 443, args.TLS.ServerName, pulumi.String("HTTPS")
		listener.SslPolicy, listener.CertificateArn = pulumi.String(tlsPolicy), args.TLS.CertificateArn.ToStringOutput().ToStringPtrOutput()
	}
	listener.Port = pulumi.Int(b.port)
	made, err := lb.NewListener(ctx, name, listener, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating listener: %w", err)
	}
	b.listenerArn = made.Arn
	if args.TLS == nil {
		return b, nil
	}
	// In the listener's list too: after a change of the domain, the old certificate is there until the API no longer
	// verifies the old name.
	_, err = lb.NewListenerCertificate(ctx, name, &lb.ListenerCertificateArgs{
		ListenerArn: made.Arn, CertificateArn: args.TLS.CertificateArn,
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("adding certificate: %w", err)
	}
	return b, nil
}
