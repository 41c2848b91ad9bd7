package stack

import (
	"net/netip"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/setting"
)

// inNetwork tells whether the producer goes into a network that exists.
func (c *configuration) inNetwork() bool { return c.producer.Network.VpcID != "" }

// validateNetwork refuses what is meant for a VPC that is not made.
func (c *configuration) validateNetwork() setting.Problems {
	return c.refuseChanged("network, as your VPC has its ranges, zones and ways out already", "producerVpcCidr", "egress", "availabilityZones", "availabilityZoneCount")
}

// findNetwork looks up the network that exists, if one is named, and returns what is wrong with it.
func (c *configuration) findNetwork(ctx *pulumi.Context, provider *aws.Provider) (setting.Problems, error) {
	if !c.inNetwork() {
		return nil, nil
	}
	ranges, problems, err := c.producer.FindNetwork(ctx, pulumi.Provider(provider))
	return append(problems, c.overlaps("network.vpcId", ranges...)...), err
}

// overlaps refuses a range of the bastion's VPC that overlaps one of the producer's. The two are not connected, but people
// connect such VPCs, and could not any more.
func (c *configuration) overlaps(with string, ranges ...netip.Prefix) (problems setting.Problems) {
	bastion, err := netip.ParsePrefix(c.consumer.Bastion.VpcCidr)
	if !c.consumer.Bastion.Enabled || err != nil {
		return nil
	}
	if i := slices.IndexFunc(ranges, bastion.Overlaps); i >= 0 {
		problems.Add("consumerVpcCidr", c.consumer.Bastion.VpcCidr, "a range that does not overlap %s (%s)", with, ranges[i])
	}
	return problems
}
