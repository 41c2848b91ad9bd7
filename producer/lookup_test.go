package producer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"private-api/internal/testkit"
)

// ec2Account answers for a VPC as AWS does. A filter that it does not know fails the call, and answers come in two pages.
type ec2Account struct {
	vpc        types.Vpc
	dns        map[types.VpcAttributeName]bool
	subnets    []types.Subnet
	tables     []types.RouteTable
	endpoints  []types.VpcEndpoint
	groups     []types.SecurityGroup
	rules      []types.SecurityGroupRule
	interfaces []types.NetworkInterface
	entries    map[string][]string // of managed prefix lists
	denied     string              // an operation that fails
}

// choose returns what passes the filters, one page with one thing of it, then a page with the rest.
func choose[T any](a *ec2Account, operation string, all []T, filters []types.Filter, token *string, values func(T) map[string]string) ([]T, *string, error) {
	if a.denied == operation {
		return nil, nil, errors.New("UnauthorizedOperation: " + operation)
	}
	var chosen []T
	for _, one := range all {
		passes := true
		for _, f := range filters {
			value, known := values(one)[*f.Name]
			if !known {
				return nil, nil, fmt.Errorf("InvalidParameterValue: %s has no filter %s", operation, *f.Name)
			}
			passes = passes && slices.Contains(f.Values, value)
		}
		if passes {
			chosen = append(chosen, one)
		}
	}
	switch {
	case len(filters) == 0:
		return nil, nil, fmt.Errorf("%s without a filter reads the whole account", operation)
	case token == nil && len(chosen) > 1:
		return chosen[:1], awssdk.String("rest"), nil
	case token != nil:
		return chosen[1:], nil, nil
	}
	return chosen, nil, nil
}

func (a *ec2Account) DescribeVpcs(_ context.Context, in *ec2.DescribeVpcsInput, _ ...func(*ec2.Options)) (*ec2.DescribeVpcsOutput, error) {
	all, _, err := choose(a, "DescribeVpcs", []types.Vpc{a.vpc}, in.Filters, nil, func(v types.Vpc) map[string]string { return map[string]string{"vpc-id": *v.VpcId} })
	return &ec2.DescribeVpcsOutput{Vpcs: all}, err
}

func (a *ec2Account) DescribeVpcAttribute(_ context.Context, in *ec2.DescribeVpcAttributeInput, _ ...func(*ec2.Options)) (*ec2.DescribeVpcAttributeOutput, error) {
	value := &types.AttributeBooleanValue{Value: awssdk.Bool(a.dns[in.Attribute])}
	if in.Attribute == types.VpcAttributeNameEnableDnsSupport {
		return &ec2.DescribeVpcAttributeOutput{EnableDnsSupport: value}, nil
	}
	return &ec2.DescribeVpcAttributeOutput{EnableDnsHostnames: value}, nil
}

func (a *ec2Account) DescribeSubnets(_ context.Context, in *ec2.DescribeSubnetsInput, _ ...func(*ec2.Options)) (*ec2.DescribeSubnetsOutput, error) {
	all, next, err := choose(a, "DescribeSubnets", a.subnets, in.Filters, in.NextToken, func(s types.Subnet) map[string]string { return map[string]string{"subnet-id": *s.SubnetId} })
	return &ec2.DescribeSubnetsOutput{Subnets: all, NextToken: next}, err
}

func (a *ec2Account) DescribeRouteTables(_ context.Context, in *ec2.DescribeRouteTablesInput, _ ...func(*ec2.Options)) (*ec2.DescribeRouteTablesOutput, error) {
	all, next, err := choose(a, "DescribeRouteTables", a.tables, in.Filters, in.NextToken, func(types.RouteTable) map[string]string { return map[string]string{"vpc-id": *a.vpc.VpcId} })
	return &ec2.DescribeRouteTablesOutput{RouteTables: all, NextToken: next}, err
}

func (a *ec2Account) DescribeVpcEndpoints(_ context.Context, in *ec2.DescribeVpcEndpointsInput, _ ...func(*ec2.Options)) (*ec2.DescribeVpcEndpointsOutput, error) {
	all, next, err := choose(a, "DescribeVpcEndpoints", a.endpoints, in.Filters, in.NextToken, func(types.VpcEndpoint) map[string]string { return map[string]string{"vpc-id": *a.vpc.VpcId} })
	return &ec2.DescribeVpcEndpointsOutput{VpcEndpoints: all, NextToken: next}, err
}

func (a *ec2Account) DescribeSecurityGroups(_ context.Context, in *ec2.DescribeSecurityGroupsInput, _ ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	all, next, err := choose(a, "DescribeSecurityGroups", a.groups, in.Filters, in.NextToken, func(g types.SecurityGroup) map[string]string {
		values := map[string]string{"vpc-id": *a.vpc.VpcId, "tag:Project": "", "tag:Stack": ""}
		for _, tag := range g.Tags {
			values["tag:"+*tag.Key] = *tag.Value
		}
		return values
	})
	return &ec2.DescribeSecurityGroupsOutput{SecurityGroups: all, NextToken: next}, err
}

func (a *ec2Account) DescribeSecurityGroupRules(_ context.Context, in *ec2.DescribeSecurityGroupRulesInput, _ ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	all, next, err := choose(a, "DescribeSecurityGroupRules", a.rules, in.Filters, in.NextToken, func(r types.SecurityGroupRule) map[string]string { return map[string]string{"group-id": *r.GroupId} })
	return &ec2.DescribeSecurityGroupRulesOutput{SecurityGroupRules: all, NextToken: next}, err
}

func (a *ec2Account) DescribeNetworkInterfaces(_ context.Context, in *ec2.DescribeNetworkInterfacesInput, _ ...func(*ec2.Options)) (*ec2.DescribeNetworkInterfacesOutput, error) {
	all, next, err := choose(a, "DescribeNetworkInterfaces", a.interfaces, in.Filters, in.NextToken, func(i types.NetworkInterface) map[string]string {
		return map[string]string{"group-id": *i.Groups[0].GroupId}
	})
	return &ec2.DescribeNetworkInterfacesOutput{NetworkInterfaces: all, NextToken: next}, err
}

func (a *ec2Account) GetManagedPrefixListEntries(_ context.Context, in *ec2.GetManagedPrefixListEntriesInput, _ ...func(*ec2.Options)) (*ec2.GetManagedPrefixListEntriesOutput, error) {
	out := &ec2.GetManagedPrefixListEntriesOutput{}
	for _, cidr := range a.entries[*in.PrefixListId] {
		out.Entries = append(out.Entries, types.PrefixListEntry{Cidr: &cidr})
	}
	return out, nil
}

func s(text string) *string { return &text }

// network1 is a VPC of two private subnets with one default route to a NAT gateway, in their own route table.
func network1() *ec2Account {
	return &ec2Account{
		vpc: types.Vpc{VpcId: s("vpc-00000001"), OwnerId: s("123456789012"), CidrBlockAssociationSet: []types.VpcCidrBlockAssociation{
			{CidrBlock: s("10.0.0.0/16")}, {CidrBlock: s("100.64.0.0/16")},
		}},
		dns: map[types.VpcAttributeName]bool{types.VpcAttributeNameEnableDnsSupport: true, types.VpcAttributeNameEnableDnsHostnames: true},
		subnets: []types.Subnet{
			{SubnetId: s("subnet-0000000a"), VpcId: s("vpc-00000001"), CidrBlock: s("10.0.0.0/24"), AvailabilityZone: s("us-west-2a"), AvailabilityZoneId: s("usw2-az2"), AvailableIpAddressCount: awssdk.Int32(100)},
			{SubnetId: s("subnet-0000000b"), VpcId: s("vpc-00000001"), CidrBlock: s("10.0.1.0/24"), AvailabilityZone: s("us-west-2b"), AvailabilityZoneId: s("usw2-az1"), AvailableIpAddressCount: awssdk.Int32(100)},
			{SubnetId: s("subnet-0000000c"), VpcId: s("vpc-00000002"), CidrBlock: s("10.1.0.0/24"), AvailabilityZone: s("us-west-2c"), AvailabilityZoneId: s("usw2-az3"), AvailableIpAddressCount: awssdk.Int32(100)},
		},
		tables: []types.RouteTable{
			{RouteTableId: s("rtb-main"), Associations: []types.RouteTableAssociation{{Main: awssdk.Bool(true)}}, Routes: []types.Route{{DestinationCidrBlock: s("10.0.0.0/16"), GatewayId: s("local")}}},
			{
				RouteTableId: s("rtb-private"), Associations: []types.RouteTableAssociation{{SubnetId: s("subnet-0000000a")}, {SubnetId: s("subnet-0000000b")}},
				Routes: []types.Route{{DestinationCidrBlock: s("10.0.0.0/16"), GatewayId: s("local")}, {DestinationCidrBlock: s("0.0.0.0/0"), NatGatewayId: s("nat-1"), State: types.RouteStateActive}},
			},
		},
	}
}

// withEndpoints has no default route, and the endpoints that tasks need.
func withEndpoints() *ec2Account {
	a := network1()
	a.tables[1].Routes[1] = types.Route{DestinationPrefixListId: s("pl-s3"), GatewayId: s("vpce-s3"), State: types.RouteStateActive}
	a.endpoints = []types.VpcEndpoint{{VpcEndpointId: s("vpce-s3"), ServiceName: s("com.amazonaws.us-west-2.s3"), VpcEndpointType: types.VpcEndpointTypeGateway, State: "available"}}
	for i, service := range []string{"ecr.api", "ecr.dkr", "logs"} {
		a.endpoints = append(a.endpoints, types.VpcEndpoint{
			VpcEndpointId: s("vpce-" + service), ServiceName: s("com.amazonaws.us-west-2." + service), VpcEndpointType: types.VpcEndpointTypeInterface, State: "available",
			PrivateDnsEnabled: awssdk.Bool(true), Groups: []types.SecurityGroupIdentifier{{GroupId: s([]string{"sg-ecr", "sg-ecr", "sg-logs"}[i])}},
		})
	}
	a.rules = []types.SecurityGroupRule{
		{GroupId: s("sg-ecr"), IpProtocol: s("tcp"), FromPort: awssdk.Int32(443), ToPort: awssdk.Int32(443), CidrIpv4: s("10.0.0.0/16")},
		{GroupId: s("sg-logs"), IpProtocol: s("-1"), FromPort: awssdk.Int32(-1), ToPort: awssdk.Int32(-1), CidrIpv4: s("10.0.0.0/23")},
	}
	return a
}

// look finds the network of an account.
func look(t *testing.T, a *ec2Account, edit func(*Args)) (*foundNetwork, []string, error) {
	t.Helper()
	args := twoServices(t)
	args.Network = Network{VpcID: "vpc-00000001", PrivateSubnetIDs: []string{"subnet-0000000a", "subnet-0000000b"}}
	if edit != nil {
		edit(args)
	}
	l := &lookup{Args: args, ctx: context.Background(), ec2: a, account: "123456789012", project: "private-api", stack: "dev"}
	found, err := l.find()
	var problems []string
	for _, p := range l.problems {
		problems = append(problems, p.Error())
	}
	return found, problems, err
}

// The ways out that there can be, and what the tasks may then reach.
func TestWaysOut(t *testing.T) {
	route := func(r types.Route) *ec2Account {
		a := network1()
		r.DestinationCidrBlock = s("0.0.0.0/0")
		a.tables[1].Routes[1] = r
		return a
	}
	edit := func(a *ec2Account, change func(*ec2Account)) *ec2Account { change(a); return a }
	for name, test := range map[string]struct {
		account    *ec2Account
		open       bool
		groups     []string
		prefixList string
	}{
		"NAT gateway":             {network1(), true, nil, ""},
		"transit gateway":         {route(types.Route{TransitGatewayId: s("tgw-1")}), true, nil, ""},
		"Cloud WAN":               {route(types.Route{CoreNetworkArn: s("arn:aws:networkmanager::123456789012:core-network/core-network-1")}), true, nil, ""},
		"virtual private gateway": {route(types.Route{GatewayId: s("vgw-1"), Origin: types.RouteOriginEnableVgwRoutePropagation}), true, nil, ""},
		"firewall endpoint":       {route(types.Route{GatewayId: s("vpce-1")}), true, nil, ""},
		"NAT instance":            {route(types.Route{InstanceId: s("i-1"), NetworkInterfaceId: s("eni-1")}), true, nil, ""},
		"in the main route table": {edit(network1(), func(a *ec2Account) {
			a.tables[1].Associations = nil
			a.tables[0].Routes = a.tables[1].Routes
		}), true, nil, ""},
		"endpoints": {withEndpoints(), false, []string{"sg-ecr", "sg-logs"}, "pl-s3"},
		"endpoints, that of S3 an interface": {edit(withEndpoints(), func(a *ec2Account) {
			a.tables[1].Routes = a.tables[1].Routes[:1]
			a.endpoints[0] = a.endpoints[1]
			a.endpoints[0].ServiceName = s("com.amazonaws.us-west-2.s3")
		}), false, []string{"sg-ecr", "sg-logs"}, ""},
		"endpoints that let a prefix list in": {edit(withEndpoints(), func(a *ec2Account) {
			a.rules[0].CidrIpv4, a.rules[0].PrefixListId = nil, s("pl-1")
			a.entries = map[string][]string{"pl-1": {"10.0.0.0/24", "10.0.1.0/24"}}
		}), false, []string{"sg-ecr", "sg-logs"}, "pl-s3"},
		"endpoints in one subnet, a default route in the other": {edit(withEndpoints(), func(a *ec2Account) {
			a.tables[1].Associations = a.tables[1].Associations[:1]
			a.tables[0].Routes = append(a.tables[0].Routes, types.Route{DestinationCidrBlock: s("0.0.0.0/0"), NatGatewayId: s("nat-1")})
		}), true, []string{"sg-ecr", "sg-logs"}, "pl-s3"},
	} {
		t.Run(name, func(t *testing.T) {
			found, problems, err := look(t, test.account, nil)
			if err != nil || len(problems) > 0 {
				t.Fatalf("refused: %v %q", err, problems)
			}
			if found.open != test.open || !slices.Equal(found.endpoints, test.groups) || found.s3PrefixList != test.prefixList {
				t.Errorf("open %v, groups %q, prefix list %q", found.open, found.endpoints, found.s3PrefixList)
			}
			if want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("100.64.0.0/16")}; !slices.Equal(found.ranges, want) {
				t.Errorf("ranges %v, want %v", found.ranges, want)
			}
		})
	}
}

// Everything that is refused, and what is said of it.
func TestNetworkLookups(t *testing.T) {
	const (
		a, b   = `network.privateSubnetIds: "subnet-0000000a" is not allowed: `, `network.privateSubnetIds: "subnet-0000000b" is not allowed: `
		vpc    = `network.vpcId: "vpc-00000001" is not allowed: a VPC `
		way    = "a subnet with a way to AWS: a default route to a NAT gateway, a transit gateway, a virtual private gateway or an appliance, or endpoints in its VPC for all that tasks need, of which "
		forS3  = " are missing (interface endpoints with private DNS; for s3 a gateway endpoint in the subnet's route table will do); its route table rtb-private "
		allOf  = way + "ecr.api, ecr.dkr, logs, s3" + forS3
		letsIn = "a subnet that endpoint vpce-%s for %s lets in: a rule for TCP port 443 from %s in its security group (%s), where the stack makes none"
	)
	defaultRoute := func(r types.Route) func(*ec2Account) {
		r.DestinationCidrBlock = s("0.0.0.0/0")
		return func(e *ec2Account) { e.tables[1].Routes[1] = r }
	}
	noEntry := func(services ...string) (all []string) {
		for _, service := range services {
			group := map[string]string{"ecr.api": "sg-ecr", "ecr.dkr": "sg-ecr", "logs": "sg-logs"}[service]
			all = append(all, a+fmt.Sprintf(letsIn, service, service, "10.0.0.0/24", group), b+fmt.Sprintf(letsIn, service, service, "10.0.1.0/24", group))
		}
		return all
	}
	for name, test := range map[string]struct {
		account *ec2Account
		change  func(*ec2Account)
		args    func(*Args)
		want    []string
	}{
		"another account's VPC": {network1(), func(e *ec2Account) { e.vpc.OwnerId = s("210987654321") }, nil, []string{
			vpc + "of account 123456789012, as the private DNS zone of the services cannot be in one that another account (210987654321) shares",
		}},
		"no DNS": {network1(), func(e *ec2Account) { e.dns = nil }, nil, []string{
			vpc + "with its attribute enableDnsSupport on, as names of services and endpoints need it", vpc + "with its attribute enableDnsHostnames on, as names of services and endpoints need it",
		}},
		"another VPC's subnet": {network1(), nil, func(args *Args) { args.Network.PrivateSubnetIDs[1] = "subnet-0000000c" }, []string{
			`network.privateSubnetIds: "subnet-0000000c" is not allowed: a subnet of vpc-00000001; it is in vpc-00000002`,
		}},
		"same zone, by its id": {network1(), func(e *ec2Account) { e.subnets[1].AvailabilityZoneId = s("usw2-az2") }, nil, []string{
			b + "a subnet in another zone than subnet-0000000a (us-west-2b), as a load balancer takes one in each zone",
		}},
		"zone without VPC links": {network1(), func(e *ec2Account) { e.subnets[1].AvailabilityZoneId = s("usw2-lax1-az1") }, nil, []string{
			b + "a subnet in a zone with VPC links, which are usw2-az1, usw2-az2, usw2-az3, usw2-az4; it is in us-west-2b (usw2-lax1-az1)",
		}},
		"too small a range": {network1(), func(e *ec2Account) { e.subnets[0].CidrBlock = s("10.0.0.0/28") }, nil, []string{
			a + `a subnet with an IPv4 range of /27 or larger, as the load balancer needs; it has "10.0.0.0/28"`,
		}},
		"no IPv4 range": {network1(), func(e *ec2Account) { e.subnets[0].CidrBlock = nil }, nil, []string{
			a + `a subnet with an IPv4 range of /27 or larger, as the load balancer needs; it has ""`,
		}},
		"too few addresses": {network1(), func(e *ec2Account) { e.subnets[0].AvailableIpAddressCount = awssdk.Int32(14) }, func(args *Args) { args.DesiredCount, args.Services[1].DesiredCount = 3, 1 }, []string{
			a + "a subnet with 15 free addresses or more: 8 for the load balancer, 1 for the VPC link, and 6 for tasks, which are twice as many during a deployment; it has 14",
		}},
		"too few addresses for the most tasks": {network1(), func(e *ec2Account) { e.subnets[0].AvailableIpAddressCount = awssdk.Int32(30) }, func(args *Args) { args.Scaling.Max, args.Services[1].Scaling.Max = 9, 12 }, []string{
			a + "a subnet with 31 free addresses or more: 8 for the load balancer, 1 for the VPC link, and 22 for tasks, which are twice as many during a deployment; it has 30",
		}},
		"behind a load balancer that exists": {network1(), func(e *ec2Account) {
			for i := range e.subnets {
				e.subnets[i].AvailabilityZoneId, e.subnets[i].CidrBlock, e.subnets[i].AvailableIpAddressCount = s("usw2-lax1-az"+string(rune('1'+i))), s("10.0.0.0/28"), awssdk.Int32(4)
			}
		}, func(args *Args) { args.Balancer = &Balancer{Zones: []string{"us-west-2a", "us-west-2b"}} }, nil},
		"too few addresses behind a load balancer, in another zone than it": {network1(), func(e *ec2Account) { e.subnets[0].AvailableIpAddressCount = awssdk.Int32(3) }, func(args *Args) {
			args.Balancer = &Balancer{Zones: []string{"us-west-2a", "us-west-2c"}}
		}, []string{
			a + "a subnet with 4 free addresses or more: 4 for tasks, which are twice as many during a deployment; it has 3",
			b + "a subnet in a zone of the load balancer, which sends requests to no other: us-west-2a, us-west-2c; it is in us-west-2b",
		}},
		"internet gateway": {network1(), defaultRoute(types.Route{GatewayId: s("igw-1")}), nil, []string{
			a + allOf + "has a default route to igw-1, which leads out only who has a public address, and tasks have none", b + allOf + "has a default route to igw-1, which leads out only who has a public address, and tasks have none",
		}},
		"peering": {network1(), defaultRoute(types.Route{VpcPeeringConnectionId: s("pcx-1")}), nil, []string{
			a + allOf + "has a default route to pcx-1, and no NAT or internet gateway can be used through a peering connection", b + allOf + "has a default route to pcx-1, and no NAT or internet gateway can be used through a peering connection",
		}},
		"deleted NAT gateway": {network1(), defaultRoute(types.Route{NatGatewayId: s("nat-1"), State: types.RouteStateBlackhole}), nil, []string{
			a + allOf + "has a default route to nat-1, which is not there any more", b + allOf + "has a default route to nat-1, which is not there any more",
		}},
		"no way for one": {network1(), func(e *ec2Account) { e.tables[1].Associations = e.tables[1].Associations[:1] }, nil, []string{
			b + strings.Replace(allOf, "rtb-private", "rtb-main", 1) + "has no default route",
		}},
		"no endpoint for logs, none for a store": {withEndpoints(), func(e *ec2Account) { e.endpoints = e.endpoints[:3] }, func(args *Args) { args.Services[0].Secrets = map[string]string{"TOKEN": parameterARN} }, []string{
			a + way + "logs, ssm" + forS3 + "has no default route", b + way + "logs, ssm" + forS3 + "has no default route",
		}},
		"endpoint for S3 in other route tables": {withEndpoints(), func(e *ec2Account) { e.tables[1].Routes = e.tables[1].Routes[:1] }, nil, []string{
			a + way + "s3" + forS3 + "has no default route", b + way + "s3" + forS3 + "has no default route",
		}},
		"endpoint for S3 is for callers outside": {withEndpoints(), func(e *ec2Account) {
			e.tables[1].Routes = e.tables[1].Routes[:1]
			e.endpoints[0] = e.endpoints[1]
			e.endpoints[0].ServiceName, e.endpoints[0].DnsOptions = s("com.amazonaws.us-west-2.s3"), &types.DnsOptions{PrivateDnsOnlyForInboundResolverEndpoint: awssdk.Bool(true)}
		}, nil, []string{a + way + "s3" + forS3 + "has no default route", b + way + "s3" + forS3 + "has no default route"}},
		"endpoint without private DNS":  {withEndpoints(), func(e *ec2Account) { e.endpoints[1].PrivateDnsEnabled = awssdk.Bool(false) }, nil, []string{a + way + "ecr.api" + forS3 + "has no default route", b + way + "ecr.api" + forS3 + "has no default route"}},
		"endpoint not accepted yet":     {withEndpoints(), func(e *ec2Account) { e.endpoints[1].State = "pendingAcceptance" }, nil, []string{a + way + "ecr.api" + forS3 + "has no default route", b + way + "ecr.api" + forS3 + "has no default route"}},
		"endpoints let no subnet in":    {withEndpoints(), func(e *ec2Account) { e.rules = nil }, nil, noEntry("ecr.api", "ecr.dkr", "logs")},
		"endpoint lets one subnet in":   {withEndpoints(), func(e *ec2Account) { e.rules[1].CidrIpv4 = s("10.0.0.0/24") }, nil, noEntry("logs")[1:]},
		"endpoint lets half of it in":   {withEndpoints(), func(e *ec2Account) { e.rules[1].CidrIpv4 = s("10.0.0.0/25") }, nil, noEntry("logs")},
		"endpoint lets another port in": {withEndpoints(), func(e *ec2Account) { e.rules[0].FromPort, e.rules[0].ToPort = awssdk.Int32(80), awssdk.Int32(442) }, nil, noEntry("ecr.api", "ecr.dkr")},
		"endpoint lets UDP in":          {withEndpoints(), func(e *ec2Account) { e.rules[0].IpProtocol = s("udp") }, nil, noEntry("ecr.api", "ecr.dkr")},
		"endpoint's rule leads out":     {withEndpoints(), func(e *ec2Account) { e.rules[0].IsEgress = awssdk.Bool(true) }, nil, noEntry("ecr.api", "ecr.dkr")},
		"endpoint lets another group in": {withEndpoints(), func(e *ec2Account) {
			e.rules[1].CidrIpv4, e.rules[1].ReferencedGroupInfo = nil, &types.ReferencedSecurityGroup{GroupId: s("sg-9")}
		}, nil, noEntry("logs")},
		"default route, and an endpoint that lets nobody in": {withEndpoints(), func(e *ec2Account) {
			e.rules = e.rules[:1]
			e.tables[1].Routes = append(e.tables[1].Routes, types.Route{DestinationCidrBlock: s("0.0.0.0/0"), NatGatewayId: s("nat-1")})
		}, nil, noEntry("logs")},
		"image and secret that endpoints do not reach": {withEndpoints(), nil, func(args *Args) {
			args.Services[0].Image = "docker.io/library/nginx@" + digest
			args.Services[1].Secrets = map[string]string{"TOKEN": strings.Replace(parameterARN, "us-west-2", "eu-west-1", 1)}
		}, []string{
			a + way + "ssm" + forS3 + "has no default route", b + way + "ssm" + forS3 + "has no default route",
			`services.alpha.image: "docker.io/library/nginx@` + digest + `" is not allowed: an image in ECR of region us-west-2, as the way out of the subnets in network reaches nothing else, at ACCOUNT.dkr.ecr.us-west-2.amazonaws.com`,
			`services.beta.secrets.TOKEN: "(not shown)" is not allowed: an ARN of region us-west-2, as the way out of the subnets in network reaches no other`,
		}},
		"everything at once": {network1(), func(e *ec2Account) {
			e.dns[types.VpcAttributeNameEnableDnsHostnames] = false
			e.subnets[0].AvailableIpAddressCount = awssdk.Int32(0)
			e.subnets[1].AvailabilityZoneId = s("usw2-az9")
			e.tables[1].Associations = e.tables[1].Associations[:1]
		}, func(args *Args) {
			args.Network.PrivateSubnetIDs = append(args.Network.PrivateSubnetIDs, "subnet-0000000d")
		}, []string{
			vpc + "with its attribute enableDnsHostnames on, as names of services and endpoints need it",
			a + "a subnet with 13 free addresses or more: 8 for the load balancer, 1 for the VPC link, and 4 for tasks, which are twice as many during a deployment; it has 0",
			b + "a subnet in a zone with VPC links, which are usw2-az1, usw2-az2, usw2-az3, usw2-az4; it is in us-west-2b (usw2-az9)",
			b + strings.Replace(allOf, "rtb-private", "rtb-main", 1) + "has no default route",
			`network.privateSubnetIds: "subnet-0000000d" is not allowed: a subnet of account 123456789012 in us-west-2, which has none of this id`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.change != nil {
				test.change(test.account)
			}
			_, problems, err := look(t, test.account, test.args)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "problems", problems, test.want)
		})
	}
}

// What a stack that is up uses already counts as free.
func TestOwnAddressesAreFree(t *testing.T) {
	a := network1()
	a.subnets[0].AvailableIpAddressCount = awssdk.Int32(3) // of 13 that are needed
	tag := func(stack string) []types.Tag {
		return []types.Tag{{Key: s("Project"), Value: s("private-api")}, {Key: s("Stack"), Value: s(stack)}}
	}
	a.groups = []types.SecurityGroup{{GroupId: s("sg-alb"), Tags: tag("dev")}, {GroupId: s("sg-tasks"), Tags: tag("dev")}, {GroupId: s("sg-other"), Tags: tag("prod")}}
	for i, group := range []string{"sg-alb", "sg-alb", "sg-tasks", "sg-tasks", "sg-tasks", "sg-tasks", "sg-tasks", "sg-tasks", "sg-tasks", "sg-tasks", "sg-other", "sg-alb"} {
		subnet := "subnet-0000000a"
		if i == 11 {
			subnet = "subnet-0000000b"
		}
		a.interfaces = append(a.interfaces, types.NetworkInterface{SubnetId: &subnet, Groups: []types.GroupIdentifier{{GroupId: &group}}})
	}
	if _, problems, err := look(t, a, nil); err != nil || len(problems) > 0 {
		t.Errorf("refused: %v %q", err, problems)
	}
	a.interfaces = a.interfaces[1:] // one less of its own
	if _, problems, err := look(t, a, nil); err != nil || len(problems) != 1 || !strings.HasSuffix(problems[0], "; it has 12") {
		t.Errorf("refused: %v %q", err, problems)
	}
}

// Who may not look is told what he may not do, and nothing is refused for it.
func TestLookupFails(t *testing.T) {
	for _, operation := range []string{"DescribeVpcs", "DescribeSubnets", "DescribeRouteTables", "DescribeVpcEndpoints", "DescribeSecurityGroups", "DescribeSecurityGroupRules", "DescribeNetworkInterfaces"} {
		a := withEndpoints()
		a.groups = []types.SecurityGroup{{GroupId: s("sg-alb"), Tags: []types.Tag{{Key: s("Project"), Value: s("private-api")}, {Key: s("Stack"), Value: s("dev")}}}}
		a.denied = operation
		if _, problems, err := look(t, a, nil); err == nil || !strings.Contains(err.Error(), operation) || len(problems) > 0 {
			t.Errorf("%s: %v %q", operation, err, problems)
		}
	}
}

// What is made in a network whose endpoints are the way out: the groups of the endpoints are named, and not changed.
func TestExistingEndpoints(t *testing.T) {
	args := twoServices(t)
	args.AvailabilityZones = nil
	args.Network = Network{VpcID: "vpc-00000001", PrivateSubnetIDs: []string{"subnet-0000000a", "subnet-0000000b"}}
	r := &testkit.Recorder{}
	if err := tryDeploy(r, args); err == nil || !strings.Contains(err.Error(), `network.vpcId: "vpc-00000001" is not allowed: a VPC that FindNetwork has found`) || len(r.Resources) > 0 {
		t.Errorf("before it is looked up: %v, %v", err, r.List())
	}
	found, problems, err := look(t, withEndpoints(), nil)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	args.found = found
	r = deploy(t, args)
	var rules []string
	for _, rule := range r.All("vpc.SecurityGroupEgressRule") {
		if strings.HasPrefix(rule.Name, "producer-alpha-to") {
			rules = append(rules, fmt.Sprint(rule.Name, " ", rule.Input("referencedSecurityGroupId"), rule.Input("prefixListId"), " ", rule.Input("fromPort")))
		}
	}
	same(t, "egress of tasks", rules, []string{"producer-alpha-to-sg-ecr sg-ecr<nil> 443", "producer-alpha-to-sg-logs sg-logs<nil> 443", "producer-alpha-to-s3 <nil>pl-s3 443"})
	own := map[any]bool{}
	for _, group := range r.All("ec2.SecurityGroup") {
		own[group.ID] = true
	}
	for _, rule := range slices.Concat(r.All("vpc.SecurityGroupEgressRule"), r.All("vpc.SecurityGroupIngressRule")) {
		if group := rule.Input("securityGroupId"); !own[group] {
			t.Errorf("%s changes %v, which the stack did not make", rule, group)
		}
	}
	before := r.Get(t, "ecs.Service producer-alpha").Dependencies
	for _, name := range []string{"producer-alpha-to-sg-ecr", "producer-alpha-to-sg-logs", "producer-alpha-to-s3"} {
		if urn := r.Get(t, "vpc.SecurityGroupEgressRule "+name).URN; !slices.Contains(before, urn) {
			t.Errorf("tasks may start before %s", name)
		}
	}
	made := map[string]bool{}
	for _, line := range r.List() {
		made[strings.Fields(line)[0]] = true
	}
	for _, kind := range []string{"awsx.Vpc", "ec2.Vpc", "ec2.Subnet", "ec2.Route", "ec2.RouteTable", "ec2.RouteTableAssociation", "ec2.InternetGateway", "ec2.NatGateway", "ec2.Eip", "ec2.VpcEndpoint", "ec2.DefaultSecurityGroup"} {
		if made[kind] {
			t.Errorf("a %s was made; there are %v", kind, slices.Sorted(maps.Keys(made)))
		}
	}
}

// An open way out is the whole internet, by HTTPS.
func TestExistingDefaultRoute(t *testing.T) {
	args := twoServices(t)
	args.Network = Network{VpcID: "vpc-00000001", PrivateSubnetIDs: []string{"subnet-0000000a", "subnet-0000000b"}}
	var err error
	if args.found, _, err = look(t, network1(), nil); err != nil {
		t.Fatal(err)
	}
	if got := deploy(t, args).Get(t, "vpc.SecurityGroupEgressRule producer-alpha-to-https").Input("cidrIpv4"); got != "0.0.0.0/0" {
		t.Errorf("tasks may reach %v", got)
	}
}
