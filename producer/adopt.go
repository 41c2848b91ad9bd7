package producer

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/setting"
)

// Adopt makes a producer of services that are there already, behind a load balancer that exists: a VPC link in the load
// balancer's subnets, with a security group of its own, and the rules between link and load balancer. It has no cluster,
// no services and no images. It checks the balancer first; if it is refused, Adopt makes nothing.
func Adopt(ctx *pulumi.Context, name string, b *Balancer, opts ...pulumi.ResourceOption) (*Producer, error) {
	var problems setting.Problems
	if b.validate(&problems); len(problems) > 0 {
		return nil, problems.Err()
	}
	p := &Producer{}
	if err := ctx.RegisterComponentResource("private-api:producer:Producer", name, p, opts...); err != nil {
		return nil, err
	}
	balancer := b.existing(name)
	if err := p.newVpcLink(ctx, name, pulumi.String(b.VpcID), balancer, pulumi.Parent(p)); err != nil {
		return nil, err
	}
	p.LoadBalancer = balancer.arnSuffix
	return p, ctx.RegisterResourceOutputs(p, pulumi.Map{"vpcLinkId": p.VpcLinkID, "listenerArn": p.ListenerArn})
}
