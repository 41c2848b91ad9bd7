// Package securitygroup makes security groups and their rules. A group starts with no rule at all; each rule is a
// resource of its own, so that one can come and go without touching the others.
package securitygroup

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Group is a security group and the logical name that its rules are named after.
type Group struct {
	Name string
	id   pulumi.StringOutput
}

// ID is its id in AWS.
func (g *Group) ID() pulumi.StringOutput { return g.id }

// Existing is a group that is there already. Nothing of it is changed but by the rules that are made for it.
func Existing(name, id string) *Group {
	return &Group{Name: name, id: pulumi.String(id).ToStringOutput()}
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
	return &Group{Name: name, id: g.ID().ToStringOutput()}, nil
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
	out, err := AllowOut(ctx, from, to, port, opts...)
	if err != nil {
		return nil, err
	}
	in, err := AllowIn(ctx, from, to, port, opts...)
	return []pulumi.Resource{out, in}, err
}

// AllowIn makes the ingress rule of Allow alone, where somebody else makes the other one.
func AllowIn(ctx *pulumi.Context, from, to *Group, port int, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	return allowIn(ctx, to, from.Name+"-to-"+to.Name, port, &vpc.SecurityGroupIngressRuleArgs{
		ReferencedSecurityGroupId: from.ID(),
		Description:               pulumi.String("from " + from.Name),
	}, append(opts, otherPort)...)
}

// AllowOut makes the egress rule of Allow alone, where somebody else makes the other one.
func AllowOut(ctx *pulumi.Context, from, to *Group, port int, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	return allowOut(ctx, from, from.Name+"-to-"+to.Name, port, &vpc.SecurityGroupEgressRuleArgs{
		ReferencedSecurityGroupId: to.ID(),
		Description:               pulumi.String("to " + to.Name),
	}, append(opts, otherPort)...)
}

// otherPort makes another port another rule: the old one goes last, when nothing uses it any more.
var otherPort = pulumi.ReplaceOnChanges([]string{"fromPort", "toPort"})

// AllowHTTPS opens port 443 from a group to everywhere: for what must reach the public endpoints of AWS.
func AllowHTTPS(ctx *pulumi.Context, from *Group, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	return allowOut(ctx, from, from.Name+"-to-https", 443, &vpc.SecurityGroupEgressRuleArgs{
		CidrIpv4:    pulumi.String("0.0.0.0/0"),
		Description: pulumi.String("HTTPS to the endpoints of AWS"),
	}, opts...)
}

// AllowPrefixList opens port 443 from a group to a prefix list of AWS.
func AllowPrefixList(ctx *pulumi.Context, from *Group, to string, id pulumi.StringInput, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	return allowOut(ctx, from, from.Name+"-to-"+to, 443, &vpc.SecurityGroupEgressRuleArgs{
		PrefixListId: id.ToStringOutput().ToStringPtrOutput(),
		Description:  pulumi.String("to " + to),
	}, opts...)
}

// AllowSSH opens port 22 from an IPv4 range to a group.
func AllowSSH(ctx *pulumi.Context, to *Group, cidr string, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	return allowIn(ctx, to, to.Name+"-ssh-"+strings.ReplaceAll(cidr, "/", "-"), 22, &vpc.SecurityGroupIngressRuleArgs{
		CidrIpv4:    pulumi.String(cidr),
		Description: pulumi.String("SSH from " + cidr),
	}, opts...)
}

func allowOut(ctx *pulumi.Context, group *Group, name string, port int, rule *vpc.SecurityGroupEgressRuleArgs, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	rule.SecurityGroupId, rule.IpProtocol, rule.FromPort, rule.ToPort = group.ID(), pulumi.String("tcp"), pulumi.Int(port), pulumi.Int(port)
	made, err := vpc.NewSecurityGroupEgressRule(ctx, name, rule, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating egress rule %s: %w", name, err)
	}
	return made, nil
}

func allowIn(ctx *pulumi.Context, group *Group, name string, port int, rule *vpc.SecurityGroupIngressRuleArgs, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	rule.SecurityGroupId, rule.IpProtocol, rule.FromPort, rule.ToPort = group.ID(), pulumi.String("tcp"), pulumi.Int(port), pulumi.Int(port)
	made, err := vpc.NewSecurityGroupIngressRule(ctx, name, rule, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating ingress rule %s: %w", name, err)
	}
	return made, nil
}
