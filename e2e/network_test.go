package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"private-api/e2e/awsproxy"
)

// yours is a VPC that somebody else has made.
type yours struct {
	id      string
	subnets [3]string // private, in three zones
	before  map[string]string
}

// settings are those of a stack in its subnets with these numbers.
func (v *yours) settings(more settings, subnets ...int) settings {
	var ids []string
	for _, i := range subnets {
		ids = append(ids, v.subnets[i])
	}
	return base().with(settings{"network": map[string]any{"vpcId": v.id, "privateSubnetIds": ids}}).with(more)
}

// newVpc makes a VPC with three private subnets: without endpoints behind a NAT gateway, else with those that tasks need.
func (a *account) newVpc(t *testing.T, endpoints bool) *yours {
	t.Helper()
	ctx, c, v := context.Background(), ec2.NewFromConfig(a.aws), &yours{}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tagged := func(kind types.ResourceType, name string) []types.TagSpecification {
		return []types.TagSpecification{{ResourceType: kind, Tags: []types.Tag{{Key: aws.String("Name"), Value: &name}, {Key: aws.String("Owner"), Value: aws.String("network team")}}}}
	}
	made, err := c.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.20.0.0/16"), TagSpecifications: tagged(types.ResourceTypeVpc, "yours")})
	must(err)
	v.id = *made.Vpc.VpcId
	on := &types.AttributeBooleanValue{Value: aws.Bool(true)}
	_, err = c.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: &v.id, EnableDnsSupport: on})
	must(err)
	_, err = c.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: &v.id, EnableDnsHostnames: on})
	must(err)
	subnet := func(name, zone, cidr string) string {
		out, err := c.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &v.id, AvailabilityZone: aws.String(region + zone), CidrBlock: &cidr, TagSpecifications: tagged(types.ResourceTypeSubnet, name)})
		must(err)
		return *out.Subnet.SubnetId
	}
	table := func(name string, subnets ...string) string {
		out, err := c.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: &v.id, TagSpecifications: tagged(types.ResourceTypeRouteTable, name)})
		must(err)
		for _, id := range subnets {
			_, err := c.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: out.RouteTable.RouteTableId, SubnetId: &id})
			must(err)
		}
		return *out.RouteTable.RouteTableId
	}
	for i, zone := range []string{"a", "b", "c"} {
		v.subnets[i] = subnet("private-"+zone, zone, fmt.Sprintf("10.20.%d.0/26", i))
	}
	private := table("private", v.subnets[:]...)
	if endpoints {
		group, err := c.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &v.id, GroupName: aws.String("endpoints"), Description: aws.String("endpoints"), TagSpecifications: tagged(types.ResourceTypeSecurityGroup, "endpoints")})
		must(err)
		_, err = c.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: []types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(443), ToPort: aws.Int32(443), IpRanges: []types.IpRange{{CidrIp: aws.String("10.20.0.0/22")}},
		}}})
		must(err)
		_, err = c.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{VpcId: &v.id, ServiceName: aws.String("com.amazonaws." + region + ".s3"), VpcEndpointType: types.VpcEndpointTypeGateway, RouteTableIds: []string{private}})
		must(err)
		for _, service := range []string{"ecr.api", "ecr.dkr", "logs"} {
			_, err = c.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{
				VpcId: &v.id, ServiceName: aws.String("com.amazonaws." + region + "." + service), VpcEndpointType: types.VpcEndpointTypeInterface, PrivateDnsEnabled: aws.Bool(true),
				SubnetIds: v.subnets[:2], SecurityGroupIds: []string{*group.GroupId}, TagSpecifications: tagged(types.ResourceTypeVpcEndpoint, service),
			})
			must(err)
		}
	} else {
		gateway, err := c.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{})
		must(err)
		_, err = c.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{VpcId: &v.id, InternetGatewayId: gateway.InternetGateway.InternetGatewayId})
		must(err)
		public := subnet("public-a", "a", "10.20.9.0/24")
		_, err = c.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: aws.String(table("public", public)), DestinationCidrBlock: aws.String("0.0.0.0/0"), GatewayId: gateway.InternetGateway.InternetGatewayId})
		must(err)
		address, err := c.AllocateAddress(ctx, &ec2.AllocateAddressInput{Domain: types.DomainTypeVpc})
		must(err)
		nat, err := c.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: &public, AllocationId: address.AllocationId})
		must(err)
		_, err = c.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: &private, DestinationCidrBlock: aws.String("0.0.0.0/0"), NatGatewayId: nat.NatGateway.NatGatewayId})
		must(err)
	}
	a.start = a.inventory(t)
	v.before = a.describe(t, v.id)
	return v
}

// describe returns all that is in a VPC, each thing in full, by kind and id.
func (a *account) describe(t *testing.T, vpc string) map[string]string {
	t.Helper()
	ctx, c, all := context.Background(), ec2.NewFromConfig(a.aws), map[string]string{}
	add := func(kind string, id *string, thing any) {
		text, err := json.Marshal(thing)
		if err != nil {
			t.Fatal(err)
		}
		all[kind+" "+aws.ToString(id)] = string(text)
	}
	in := []types.Filter{{Name: aws.String("vpc-id"), Values: []string{vpc}}}
	var groups []string
	for _, list := range []func() error{
		func() error {
			out, err := c.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: in})
			for _, v := range out.Vpcs {
				add("VPC", v.VpcId, v)
			}
			return err
		},
		func() error {
			for _, name := range []types.VpcAttributeName{types.VpcAttributeNameEnableDnsSupport, types.VpcAttributeNameEnableDnsHostnames} {
				out, err := c.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{VpcId: &vpc, Attribute: name})
				if err != nil {
					return err
				}
				add("attribute", aws.String(string(name)), []any{out.EnableDnsHostnames, out.EnableDnsSupport})
			}
			return nil
		},
		func() error {
			out, err := c.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: in})
			for _, s := range out.Subnets {
				add("subnet", s.SubnetId, s)
			}
			return err
		},
		func() error {
			out, err := c.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: in})
			for _, r := range out.RouteTables {
				add("route table", r.RouteTableId, r)
			}
			return err
		},
		func() error {
			out, err := c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: in})
			for _, g := range out.SecurityGroups {
				add("security group", g.GroupId, g)
				groups = append(groups, *g.GroupId)
			}
			return err
		},
		func() error {
			out, err := c.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{Filters: []types.Filter{{Name: aws.String("group-id"), Values: groups}}})
			for _, r := range out.SecurityGroupRules {
				add("rule", r.SecurityGroupRuleId, r)
			}
			return err
		},
		func() error {
			out, err := c.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{Filters: in})
			for _, n := range out.NetworkAcls {
				add("network ACL", n.NetworkAclId, n)
			}
			return err
		},
		func() error {
			out, err := c.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{Filters: in})
			for _, e := range out.VpcEndpoints {
				e.CreationTimestamp = nil // moto's is the time of the answer
				add("endpoint", e.VpcEndpointId, e)
			}
			return err
		},
		func() error {
			out, err := c.DescribeNatGateways(ctx, &ec2.DescribeNatGatewaysInput{Filter: in})
			for _, n := range out.NatGateways {
				add("NAT gateway", n.NatGatewayId, n)
			}
			return err
		},
		func() error {
			out, err := c.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{Filters: []types.Filter{{Name: aws.String("attachment.vpc-id"), Values: []string{vpc}}}})
			for _, g := range out.InternetGateways {
				add("internet gateway", g.InternetGatewayId, g)
			}
			return err
		},
		func() error {
			out, err := c.DescribeFlowLogs(ctx, &ec2.DescribeFlowLogsInput{})
			for _, f := range out.FlowLogs {
				add("flow log", f.FlowLogId, f)
			}
			return err
		},
	} {
		if err := list(); err != nil {
			t.Fatalf("describing %s: %v", vpc, err)
		}
	}
	return all
}

// untouched asserts that all that was in the VPC is as it was. What came into it is returned.
func (a *account) untouched(t *testing.T, v *yours) (more []string) {
	t.Helper()
	now := a.describe(t, v.id)
	for name, was := range v.before {
		if now[name] != was {
			t.Errorf("%s was\n\t%s\nand is\n\t%s", name, was, now[name])
		}
		delete(now, name)
	}
	return slices.Sorted(maps.Keys(now))
}

// onlyGroups asserts that calls changed nothing of EC2 but security groups, and none that was there before.
func (v *yours) onlyGroups(t *testing.T, calls []awsproxy.Call) {
	t.Helper()
	allowed := []string{
		"CreateSecurityGroup", "DeleteSecurityGroup", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress",
		"RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress", "CreateTags", "DeleteTags",
	}
	seen := 0
	for _, c := range calls {
		if c.Service != "ec2" || !c.Mutates() {
			continue
		}
		seen++
		if !slices.Contains(allowed, c.Operation) {
			t.Errorf("%s changes more than security groups", c)
		}
		for _, changed := range []string{c.Params.Get("GroupId"), c.Params.Get("ResourceId.1")} {
			if v.before["security group "+changed] != "" || v.before["rule "+changed] != "" {
				t.Errorf("%s changes %s, which was there before", c, changed)
			}
		}
	}
	if seen == 0 {
		t.Error("no call of EC2 was recorded")
	}
}

// moves are changes of a stack in subnets a and b of that VPC.
func moves(v *yours) []change {
	return []change{
		{"count of one service", v.settings(one(settings{"desiredCount": 4}), 0, 1), []string{"update ecs/service producer-book"}},
		{"image of one service", v.settings(one(settings{"image": "123456789012.dkr.ecr." + region + ".amazonaws.com/book" + digest}), 0, 1), []string{
			"delete docker:index/image producer-book", "update iam/rolePolicy producer-book-execution",
			"replace ecs/taskDefinition producer-book", "update ecs/service producer-book",
		}},
		{"other subnets", v.settings(one(settings{"image": "123456789012.dkr.ecr." + region + ".amazonaws.com/book" + digest}), 1, 2), []string{
			"replace apigatewayv2/vpcLink producer", "update apigatewayv2/integration consumer", "update lb/loadBalancer producer", deploy,
		}},
	}
}

// TestExistingNetwork is a stack in a VPC of somebody else, from nothing to nothing: what is there stays as it is.
func TestExistingNetwork(t *testing.T) {
	t.Parallel()
	for name, endpoints := range map[string]bool{"NAT": false, "endpoints": true} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t)
			v := a.newVpc(t, endpoints)
			d := a.newStack(t, "yours", nil, v.settings(nil, 0, 1))
			ops, _ := d.up(t)
			for _, op := range ops {
				if slices.ContainsFunc([]string{"ec2/vpc", "ec2/subnet", "ec2/route", "ec2/internetGateway", "ec2/natGateway", "ec2/eip", "ec2/defaultSecurityGroup", "ec2/instance", "awsx:"}, func(kind string) bool { return strings.Contains(op, kind) }) {
					t.Errorf("up: %s", op)
				}
			}
			egress := "create vpc/securityGroupEgressRule producer-book-to-"
			if got, want := slices.Contains(ops, egress+"s3"), endpoints; got != want {
				t.Errorf("a rule to the endpoint for S3: %v, want %v", got, want)
			}
			if got, want := slices.Contains(ops, egress+"https"), !endpoints; got != want {
				t.Errorf("a rule to everywhere: %v, want %v", got, want)
			}
			a.compare(t, d)
			a.untouched(t, v)
			d.unchanged(t)
			for _, c := range moves(v) {
				d.configure(t, c.set)
				ops, _ := d.up(t)
				expect(t, ops, c.want)
			}
			d.unchanged(t)
			a.untouched(t, v)
			d.destroy(t)
			if more := a.untouched(t, v); len(more) > 0 {
				t.Errorf("left behind: %v", more)
			}
			v.onlyGroups(t, a.proxy.Calls())
			a.sweep(t, "yours")
		})
	}
}

// TestNetworkRefused asks for what no stack can be in, and nothing is made: two problems that are looked up come together.
func TestNetworkRefused(t *testing.T) {
	a := newAccount(t)
	v := a.newVpc(t, true)
	c := ec2.NewFromConfig(a.aws)
	if _, err := c.ModifyVpcAttribute(context.Background(), &ec2.ModifyVpcAttributeInput{VpcId: &v.id, EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(false)}}); err != nil {
		t.Fatal(err)
	}
	d := a.newStack(t, "refused", nil, v.settings(one(settings{"secrets": map[string]any{"KEY": "key"}}), 0, 1))
	_, err := d.tryPreview(t, d.settings)
	for _, want := range []string{
		`network.vpcId: "` + v.id + `" is not allowed: a VPC with its attribute enableDnsHostnames on`,
		`network.privateSubnetIds: "` + v.subnets[0] + `" is not allowed: a subnet with a way to AWS`, "of which ssm are missing",
		`network.privateSubnetIds: "` + v.subnets[1] + `" is not allowed: a subnet with a way to AWS`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the preview does not say %q:\n%v", want, err)
		}
	}
	if calls := mutations(a.proxy.Calls()); len(calls) > 0 {
		t.Errorf("something was changed: %v", calls)
	}
}

// TestTwoStacksInOneVpc brings two stacks up in one VPC, with namespaces of their own, and takes one down.
func TestTwoStacksInOneVpc(t *testing.T) {
	a := newAccount(t)
	v := a.newVpc(t, false)
	stays := a.newStack(t, "stays", nil, v.settings(nil, 0, 1))
	goes := a.newStack(t, "goes", nil, v.settings(nil, 0, 1))
	stays.up(t)
	if _, _, err := goes.tryUp(); err == nil || !strings.Contains(err.Error(), "ConflictingDomainExists") {
		t.Fatalf("the VPC has two namespaces of one name: %v", err)
	}
	goes.configure(t, v.settings(settings{"namespace": "goes.internal"}, 0, 1))
	goes.up(t)
	a.compare(t, stays, goes)
	goes.destroy(t)
	a.compare(t, stays)
	ops, _ := stays.up(t)
	expect(t, ops, nil)
	stays.destroy(t)
	if more := a.untouched(t, v); len(more) > 0 {
		t.Errorf("left behind: %v", more)
	}
	a.sweep(t, "stays")
}
