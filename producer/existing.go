package producer

import (
	"net/netip"
	"regexp"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/securitygroup"
	"private-api/internal/setting"
)

// Network says which network that exists to use. Without a VpcID it is off, and the producer makes one.
type Network struct {
	VpcID            string
	PrivateSubnetIDs []string // two or more, each in another zone
}

// foundNetwork is such a network, as AWS describes it.
type foundNetwork struct {
	Network
	ranges    []netip.Prefix // of the VPC
	endpoints []string       // security groups of the interface endpoints that the tasks use
	// s3PrefixList is what the gateway endpoint for S3 leads to, "" without one.
	s3PrefixList string
	// open tells that there is a default route: tasks may reach more than the endpoints.
	open bool
}

// The ids that AWS gives have 8 or 17 hexadecimal digits.
// Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html
var (
	vpcID    = regexp.MustCompile(`^vpc-([0-9a-f]{8}|[0-9a-f]{17})$`)
	subnetID = regexp.MustCompile(`^subnet-([0-9a-f]{8}|[0-9a-f]{17})$`)
)

// declare declares the settings of an existing network.
func (n *Network) declare(s *setting.Set) {
	setting.Object(s, "network", "Network of yours to use in place of one that the stack makes", func(s *setting.Set) {
		setting.Var(s, &n.VpcID, "vpcId", "", "Id of the VPC", setting.Fixed,
			setting.Must("the id of a VPC, such as vpc-0123456789abcdef0", vpcID.MatchString))
		setting.Var(s, &n.PrivateSubnetIDs, "privateSubnetIds", nil, "Ids of private subnets, two or more, each in another zone; what they must have is in customize.md",
			setting.Rolling+", and a new VPC link",
			setting.Each(setting.Must("different ids of subnets, such as subnet-0123456789abcdef0", subnetID.MatchString)))
	})
}

// validate records what is wrong with the settings. What is looked up is for FindNetwork to check.
func (n *Network) validate(p *setting.Problems) {
	switch given := len(n.PrivateSubnetIDs); {
	case n.VpcID == "" && given > 0:
		p.Add("network.vpcId", nil, "the id of the VPC that network.privateSubnetIds are in")
	case n.VpcID != "" && given == 0:
		p.Add("network.privateSubnetIds", nil, "the ids of two private subnets or more of that VPC, each in another zone")
	case given == 1:
		p.Add("network.privateSubnetIds", n.PrivateSubnetIDs, "two subnets or more, each in another zone, as the load balancer needs two")
	}
}

// network returns what the rest of the producer uses. It makes nothing in the VPC.
func (f *foundNetwork) network(ctx *pulumi.Context) *network {
	net := &network{
		vpcID:          pulumi.String(f.VpcID).ToStringOutput(),
		privateSubnets: pulumi.ToStringArray(f.PrivateSubnetIDs).ToStringArrayOutput(),
		allowEgress:    allowHTTPS(ctx),
	}
	if f.open {
		return net
	}
	net.allowEgress = func(tasks *securitygroup.Group, opts ...pulumi.ResourceOption) (rules []pulumi.Resource, err error) {
		for _, id := range f.endpoints {
			rule, err := securitygroup.AllowOut(ctx, tasks, securitygroup.Existing(id, id), 443, opts...)
			if err != nil {
				return nil, err
			}
			rules = append(rules, rule)
		}
		if f.s3PrefixList != "" {
			s3, err := securitygroup.AllowPrefixList(ctx, tasks, "s3", pulumi.String(f.s3PrefixList), opts...)
			if err != nil {
				return nil, err
			}
			rules = append(rules, s3)
		}
		return rules, nil
	}
	return net
}
