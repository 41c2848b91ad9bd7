// Package securitygroup makes security groups and their rules. A group starts with no rule at all; each rule is a
// resource of its own, so that one can come and go without touching the others.
package securitygroup

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Group is a security group and the logical name that its rules are named after.
type Group struct {
	*ec2.SecurityGroup
	Name string
}

// New makes a group without rules. AWS never lets a description change, so a new one replaces the group.
func New(ctx *pulumi.Context, name, description string, vpcID pulumi.StringInput, opts ...pulumi.ResourceOption) (*Group, error) {
	g, err := ec2.NewSecurityGroup(ctx, name, &ec2.SecurityGroupArgs{
		VpcId:       vpcID,
		Description: pulumi.String(description),
		Tags:        pulumi.StringMap{"Name": pulumi.String(name)},
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating security group %s: %w", name, err)
	}
	return &Group{SecurityGroup: g, Name: name}, nil
}

// EmptyDefault takes all rules from the default security group of a VPC, so that what names no group reaches nothing.
func EmptyDefault(ctx *pulumi.Context, name string, vpcID pulumi.StringInput, opts ...pulumi.ResourceOption) error {
	_, err := ec2.NewDefaultSecurityGroup(ctx, name, &ec2.DefaultSecurityGroupArgs{VpcId: vpcID}, opts...)
	if err != nil {
		return fmt.Errorf("emptying default security group of %s: %w", name, err)
	}
	return nil
}

// Allow opens one TCP port from one group to another: an egress rule on from and an ingress rule on to. Both are
// returned, for what must not start before.
func Allow(ctx *pulumi.Context, from, to *Group, port int, opts ...pulumi.ResourceOption) ([]pulumi.Resource, error) {
	name := from.Name + "-to-" + to.Name
	// Another port is another rule: the old one goes last, when nothing uses it any more.
	opts = append(opts, pulumi.ReplaceOnChanges([]string{"fromPort", "toPort"}))
	out, err := vpc.NewSecurityGroupEgressRule(ctx, name, &vpc.SecurityGroupEgressRuleArgs{
		SecurityGroupId:           from.ID(),
		ReferencedSecurityGroupId: to.ID(),
		IpProtocol:                pulumi.String("tcp"),
		FromPort:                  pulumi.Int(port),
		ToPort:                    pulumi.Int(port),
		Description:               pulumi.Sprintf("to %s", to.Name),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating egress rule %s: %w", name, err)
	}
	in, err := vpc.NewSecurityGroupIngressRule(ctx, name, &vpc.SecurityGroupIngressRuleArgs{
		SecurityGroupId:           to.ID(),
		ReferencedSecurityGroupId: from.ID(),
		IpProtocol:                pulumi.String("tcp"),
		FromPort:                  pulumi.Int(port),
		ToPort:                    pulumi.Int(port),
		Description:               pulumi.Sprintf("from %s", from.Name),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating ingress rule %s: %w", name, err)
	}
	return []pulumi.Resource{out, in}, nil
}

// AllowHTTPS opens port 443 from a group to everywhere: for what must reach the public endpoints of AWS.
func AllowHTTPS(ctx *pulumi.Context, from *Group, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	return egress(ctx, from.Name+"-to-https", &vpc.SecurityGroupEgressRuleArgs{
		SecurityGroupId: from.ID(),
		CidrIpv4:        pulumi.String("0.0.0.0/0"),
		Description:     pulumi.String("HTTPS to the endpoints of AWS"),
	}, opts...)
}

// AllowPrefixList opens port 443 from a group to a prefix list of AWS.
func AllowPrefixList(ctx *pulumi.Context, from *Group, to string, id pulumi.StringInput, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	return egress(ctx, from.Name+"-to-"+to, &vpc.SecurityGroupEgressRuleArgs{
		SecurityGroupId: from.ID(),
		PrefixListId:    id.ToStringOutput().ToStringPtrOutput(),
		Description:     pulumi.Sprintf("to %s", to),
	}, opts...)
}

func egress(ctx *pulumi.Context, name string, args *vpc.SecurityGroupEgressRuleArgs, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	args.IpProtocol, args.FromPort, args.ToPort = pulumi.String("tcp"), pulumi.Int(443), pulumi.Int(443)
	rule, err := vpc.NewSecurityGroupEgressRule(ctx, name, args, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating egress rule %s: %w", name, err)
	}
	return rule, nil
}
