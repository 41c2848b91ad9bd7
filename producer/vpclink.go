package producer

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/apigatewayv2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/securitygroup"
)

// newVpcLink makes the door of the producer. AWS cannot change a link, and cannot delete one that an integration uses:
// a replacement is made first, the integration moves, then the old link goes.
func (p *Producer) newVpcLink(ctx *pulumi.Context, name string, vpcID pulumi.StringInput, balancer *loadBalancer, opts ...pulumi.ResourceOption) error {
	group, err := securitygroup.New(ctx, name+"-link", "VPC link of the HTTP API, reaches the load balancer", vpcID, opts...)
	if err != nil {
		return err
	}
	var rules []pulumi.Resource
	if balancer.ruledByOthers {
		rule, err2 := securitygroup.AllowOut(ctx, group, balancer.group, balancer.port, opts...)
		rules, err = []pulumi.Resource{rule}, err2
	} else {
		rules, err = securitygroup.Allow(ctx, group, balancer.group, balancer.port, opts...)
	}
	if err != nil {
		return err
	}
	link, err := apigatewayv2.NewVpcLink(ctx, name, &apigatewayv2.VpcLinkArgs{
		SubnetIds:        balancer.linkSubnets,
		SecurityGroupIds: pulumi.StringArray{group.ID()},
	}, append(opts, pulumi.DependsOn(rules))...)
	if err != nil {
		return fmt.Errorf("creating VPC link: %w", err)
	}
	p.VpcLinkID, p.LinkGroupID, p.ListenerArn, p.ServerName = link.ID().ToStringOutput(), group.ID(), balancer.listenerArn, balancer.serverName
	return nil
}
