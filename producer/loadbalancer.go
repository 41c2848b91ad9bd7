package producer

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/securitygroup"
)

// ListenerPort is where the load balancer listens, reached by the VPC link alone.
const ListenerPort = 80

// idleTimeout is the seconds after which the load balancer closes an idle connection, AWS's default. A target must keep
// connections open for longer, or a request meets a closing one and the caller gets a 502.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html
const idleTimeout = 60

// notFound answers what no service's rule matches. The workshop answers 200 there, which hides wrong paths.
const notFound = `{"error":"no service has this path"}`

type loadBalancer struct {
	group    *securitygroup.Group
	listener *lb.Listener
}

func newLoadBalancer(ctx *pulumi.Context, name string, net *network, logs *accessLogs, protect bool, opts ...pulumi.ResourceOption) (*loadBalancer, error) {
	group, err := securitygroup.New(ctx, name+"-alb", "internal load balancer, reached by the VPC link", net.VpcId, opts...)
	if err != nil {
		return nil, err
	}
	alb, err := lb.NewLoadBalancer(ctx, name, &lb.LoadBalancerArgs{
		LoadBalancerType:         pulumi.String("application"),
		Internal:                 pulumi.Bool(true),
		Subnets:                  net.PrivateSubnetIds,
		SecurityGroups:           pulumi.StringArray{group.ID()},
		IdleTimeout:              pulumi.Int(idleTimeout),
		DropInvalidHeaderFields:  pulumi.Bool(true),
		DesyncMitigationMode:     pulumi.String("defensive"),
		EnableDeletionProtection: pulumi.Bool(protect),
		AccessLogs:               logs.target,
	}, append(opts, pulumi.Protect(protect), pulumi.DependsOn(logs.bucket))...) // "Access Denied for bucket"
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
	return &loadBalancer{group: group, listener: listener}, nil
}
