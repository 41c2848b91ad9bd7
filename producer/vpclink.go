package producer

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/apigatewayv2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/securitygroup"
)

// newVpcLink makes the door of the producer. AWS cannot change a link, and cannot delete one that an integration uses:
// a replacement is made first, the integration moves, then the old link goes.
func newVpcLink(ctx *pulumi.Context, name string, net *network, balancer *loadBalancer, opts ...pulumi.ResourceOption) (*apigatewayv2.VpcLink, error) {
	group, err := securitygroup.New(ctx, name+"-link", "VPC link of the HTTP API, reaches the load balancer", net.VpcId, opts...)
	if err != nil {
		return nil, err
	}
	rules, err := securitygroup.Allow(ctx, group, balancer.group, balancer.port, opts...)
	if err != nil {
		return nil, err
	}
	link, err := apigatewayv2.NewVpcLink(ctx, name, &apigatewayv2.VpcLinkArgs{
		SubnetIds:        net.PrivateSubnetIds,
		SecurityGroupIds: pulumi.StringArray{group.ID()},
	}, append(opts, pulumi.DependsOn(rules))...)
	if err != nil {
		return nil, fmt.Errorf("creating VPC link: %w", err)
	}
	return link, nil
}
