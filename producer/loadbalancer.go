package producer

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/securitygroup"
)

// ListenerPort is where the load balancer that the producer makes listens, reached by the VPC link alone.
const ListenerPort = 80

// idleTimeout is the seconds after which the load balancer closes an idle connection, AWS's default. A target must keep
// connections open for longer, or a request meets a closing one and the caller gets a 502.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html
const idleTimeout = 60

// notFound answers what no service's rule matches. The workshop answers 200 there, which hides wrong paths.
const notFound = `{"error":"no service has this path"}`

// loadBalancer is what the VPC link and the services use of a load balancer: of the producer's own, or of one that exists.
type loadBalancer struct {
	group       *securitygroup.Group
	listenerArn pulumi.StringOutput
	port        int
	serverName  string // in the certificate of the listener; "" for HTTP
	letsLinkIn  bool   // by a rule of somebody else
}

// existing returns the load balancer for the producer of that name.
func (b *Balancer) existing(name string) *loadBalancer {
	return &loadBalancer{
		group: securitygroup.Existing(name+"-alb", b.GroupID), listenerArn: pulumi.String(b.ListenerArn).ToStringOutput(),
		port: b.Port, serverName: b.ServerName, letsLinkIn: !b.AllowLink,
	}
}

func newLoadBalancer(ctx *pulumi.Context, name string, net *network, protect bool, opts ...pulumi.ResourceOption) (*loadBalancer, error) {
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
		EnableDeletionProtection: pulumi.Bool(protect),
	}, append(opts, pulumi.Protect(protect))...)
	if err != nil {
		return nil, fmt.Errorf("creating load balancer: %w", err)
	}
	listener, err := lb.NewListener(ctx, name, &lb.ListenerArgs{
		LoadBalancerArn: alb.Arn,
		Port:            pulumi.Int(ListenerPort),
		Protocol:        pulumi.String("HTTP"),
		DefaultActions: lb.ListenerDefaultActionArray{lb.ListenerDefaultActionArgs{
			Type: pulumi.String("fixed-response"),
			FixedResponse: lb.ListenerDefaultActionFixedResponseArgs{
				StatusCode:  pulumi.String("404"),
				ContentType: pulumi.String("application/json"),
				MessageBody: pulumi.String(notFound),
			},
		}},
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating listener: %w", err)
	}
	return &loadBalancer{group: group, listenerArn: listener.Arn, port: ListenerPort}, nil
}
