package producer

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/setting"
)

// Addresses that a subnet needs, besides those of tasks.
const (
	balancerAddresses = 8 // https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#subnets-load-balancer
	linkAddresses     = 1 // https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-vpc-links.html
)

// FindNetwork looks up the network that Network names, and returns what is wrong with it, all at once; New then uses it. It
// changes nothing. The ranges are those of the VPC.
//
// It asks AWS itself. The provider's lookups of route tables leave out routes of virtual private gateways and of endpoints,
// and do not tell which routes lead nowhere; its lookup of an endpoint fails where there are two.
// Source: https://github.com/hashicorp/terraform-provider-aws/blob/v5.100.0/internal/service/ec2/vpc_route_table_data_source.go
func (a *Args) FindNetwork(ctx *pulumi.Context, opts ...pulumi.InvokeOption) (ranges []netip.Prefix, p setting.Problems, err error) {
	account, err := aws.GetCallerIdentity(ctx, nil, opts...)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the AWS account: %w", err)
	}
	cfg, err := a.awsConfig(ctx.Context())
	if err != nil {
		return nil, nil, err
	}
	l := &lookup{Args: a, ctx: ctx.Context(), ec2: ec2.NewFromConfig(cfg), account: account.AccountId, project: ctx.Project(), stack: ctx.Stack()}
	found, err := l.find()
	if err != nil {
		return nil, nil, fmt.Errorf("reading network %s: %w", a.Network.VpcID, err)
	}
	a.found = found
	if found != nil {
		ranges = found.ranges
	}
	return ranges, l.problems, nil
}

// reader are the calls of EC2 that are used.
type reader interface {
	ec2.DescribeNetworkInterfacesAPIClient
	ec2.DescribeRouteTablesAPIClient
	ec2.DescribeSecurityGroupRulesAPIClient
	ec2.DescribeSecurityGroupsAPIClient
	ec2.DescribeSubnetsAPIClient
	ec2.DescribeVpcEndpointsAPIClient
	ec2.DescribeVpcsAPIClient
	ec2.GetManagedPrefixListEntriesAPIClient
	DescribeVpcAttribute(context.Context, *ec2.DescribeVpcAttributeInput, ...func(*ec2.Options)) (*ec2.DescribeVpcAttributeOutput, error)
}

// lookup reads a network, and collects what is wrong with it.
type lookup struct {
	*Args
	ctx                     context.Context
	ec2                     reader
	account, project, stack string
	problems                setting.Problems
}

func (l *lookup) refuseVpc(allowed string, args ...any) {
	l.problems.Add("network.vpcId", l.Network.VpcID, allowed, args...)
}

func (l *lookup) refuseSubnet(id, allowed string, args ...any) {
	l.problems.Add("network.privateSubnetIds", id, allowed, args...)
}

// find returns the network. It is nil if there is no such VPC.
func (l *lookup) find() (*foundNetwork, error) {
	found := &foundNetwork{Network: l.Network}
	if ok, err := l.readVpc(found); !ok || err != nil {
		return nil, err
	}
	subnets, err := l.readSubnets()
	if err != nil {
		return nil, err
	}
	return found, l.findWayOut(found, subnets)
}

// readVpc reads the VPC. It is not ok if the stack cannot be in it at all.
func (l *lookup) readVpc(found *foundNetwork) (ok bool, err error) {
	id := l.Network.VpcID
	out, err := l.ec2.DescribeVpcs(l.ctx, &ec2.DescribeVpcsInput{Filters: filter("vpc-id", id)})
	if err != nil {
		return false, err
	}
	if len(out.Vpcs) == 0 {
		l.refuseVpc("a VPC of account %s in %s, which has none of this id", l.account, l.Region)
		return false, nil
	}
	vpc := out.Vpcs[0]
	if owner := awssdk.ToString(vpc.OwnerId); owner != l.account {
		// Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-creating.html
		l.refuseVpc("a VPC of account %s, as the private DNS zone of the services cannot be in one that another account (%s) shares", l.account, owner)
		return false, nil
	}
	for _, block := range vpc.CidrBlockAssociationSet {
		if prefix, err := netip.ParsePrefix(awssdk.ToString(block.CidrBlock)); err == nil {
			found.ranges = append(found.ranges, prefix)
		}
	}
	// Private DNS of the endpoints and the Cloud Map namespace need both.
	// Source: https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
	for _, name := range []types.VpcAttributeName{types.VpcAttributeNameEnableDnsSupport, types.VpcAttributeNameEnableDnsHostnames} {
		out, err := l.ec2.DescribeVpcAttribute(l.ctx, &ec2.DescribeVpcAttributeInput{VpcId: &id, Attribute: name})
		if err != nil {
			return false, err
		}
		on := out.EnableDnsSupport
		if name == types.VpcAttributeNameEnableDnsHostnames {
			on = out.EnableDnsHostnames
		}
		if on == nil || !awssdk.ToBool(on.Value) {
			l.refuseVpc("a VPC with its attribute %s on, as names of services and endpoints need it", name)
		}
	}
	return true, nil
}

// readSubnets reads the subnets. Those that the stack cannot be in are left out.
func (l *lookup) readSubnets() (subnets []types.Subnet, err error) {
	described := ec2.NewDescribeSubnetsPaginator(l.ec2, &ec2.DescribeSubnetsInput{Filters: filter("subnet-id", l.Network.PrivateSubnetIDs...)})
	var there []types.Subnet
	err = pages(l.ctx, described.HasMorePages, described.NextPage, func(out *ec2.DescribeSubnetsOutput) { there = append(there, out.Subnets...) })
	if err != nil {
		return nil, err
	}
	own, err := l.ownAddresses()
	if err != nil {
		return nil, err
	}
	byZone := map[string]string{}
	for _, id := range l.Network.PrivateSubnetIDs {
		i := slices.IndexFunc(there, func(s types.Subnet) bool { return awssdk.ToString(s.SubnetId) == id })
		if i < 0 {
			l.refuseSubnet(id, "a subnet of account %s in %s, which has none of this id", l.account, l.Region)
			continue
		}
		subnet := there[i]
		if in := awssdk.ToString(subnet.VpcId); in != l.Network.VpcID {
			l.refuseSubnet(id, "a subnet of %s; it is in %s", l.Network.VpcID, in)
			continue
		}
		subnets = append(subnets, subnet)
		zone, zoneID := awssdk.ToString(subnet.AvailabilityZone), awssdk.ToString(subnet.AvailabilityZoneId)
		switch b := l.Balancer; {
		case b == nil && !hasVpcLinks(l.Region, zoneID):
			l.refuseSubnet(id, "a subnet in a zone with VPC links, which are %s; it is in %s (%s)", setting.Join(vpcLinkZones[l.Region]), zone, zoneID)
		case b != nil && !slices.Contains(b.Zones, zone):
			// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html (Target.NotInUse)
			l.refuseSubnet(id, "a subnet in a zone of the load balancer, which sends requests to no other: %s; it is in %s", setting.Join(b.Zones), zone)
		}
		// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html (Subnets)
		if other, taken := byZone[zoneID]; taken {
			l.refuseSubnet(id, "a subnet in another zone than %s (%s), as a load balancer takes one in each zone", other, zone)
		}
		byZone[zoneID] = id
		l.checkSize(id, &subnet, own[id])
	}
	return subnets, nil
}

// checkSize checks the range of a subnet and the free addresses in it; the stack's own count as free.
func (l *lookup) checkSize(id string, subnet *types.Subnet, own int) {
	if block, err := netip.ParsePrefix(awssdk.ToString(subnet.CidrBlock)); err != nil || l.Balancer == nil && block.Bits() > longestSubnet {
		l.refuseSubnet(id, "a subnet with an IPv4 range of /%d or larger, as the load balancer needs; it has %q", longestSubnet, awssdk.ToString(subnet.CidrBlock))
		return
	}
	// ECS spreads the tasks of a service over the zones, and runs twice as many during a deployment.
	// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement-strategies.html
	tasks, zones := 0, len(l.Network.PrivateSubnetIDs)
	for _, s := range l.Services {
		s = withDefaults(s, l.Args)
		tasks += 2 * ((s.mostTasks() + zones - 1) / zones)
	}
	needed, others := tasks, ""
	if l.Balancer == nil { // one that exists has its addresses, and the VPC link is in its subnets
		needed, others = needed+balancerAddresses+linkAddresses, fmt.Sprintf("%d for the load balancer, %d for the VPC link, and ", balancerAddresses, linkAddresses)
	}
	if free := int(awssdk.ToInt32(subnet.AvailableIpAddressCount)) + own; free < needed {
		l.refuseSubnet(id, "a subnet with %d free addresses or more: %s%d for tasks, which are twice as many during a deployment; it has %d", needed, others, tasks, free)
	}
}

// ownAddresses counts the network interfaces that this stack has already, by subnet. Its security groups tell them.
func (l *lookup) ownAddresses() (map[string]int, error) {
	own := map[string]int{}
	groups := ec2.NewDescribeSecurityGroupsPaginator(l.ec2, &ec2.DescribeSecurityGroupsInput{
		Filters: slices.Concat(filter("vpc-id", l.Network.VpcID), filter("tag:Project", l.project), filter("tag:Stack", l.stack)),
	})
	var ids []string
	err := pages(l.ctx, groups.HasMorePages, groups.NextPage, func(out *ec2.DescribeSecurityGroupsOutput) {
		for _, g := range out.SecurityGroups {
			ids = append(ids, awssdk.ToString(g.GroupId))
		}
	})
	if err != nil || len(ids) == 0 {
		return own, err
	}
	interfaces := ec2.NewDescribeNetworkInterfacesPaginator(l.ec2, &ec2.DescribeNetworkInterfacesInput{Filters: filter("group-id", ids...)})
	err = pages(l.ctx, interfaces.HasMorePages, interfaces.NextPage, func(out *ec2.DescribeNetworkInterfacesOutput) {
		for _, i := range out.NetworkInterfaces {
			own[awssdk.ToString(i.SubnetId)]++
		}
	})
	return own, err
}

// findWayOut finds how tasks reach AWS: by default routes, by endpoints, or by both.
func (l *lookup) findWayOut(found *foundNetwork, subnets []types.Subnet) error {
	tables := ec2.NewDescribeRouteTablesPaginator(l.ec2, &ec2.DescribeRouteTablesInput{Filters: filter("vpc-id", l.Network.VpcID)})
	var all []types.RouteTable
	err := pages(l.ctx, tables.HasMorePages, tables.NextPage, func(out *ec2.DescribeRouteTablesOutput) { all = append(all, out.RouteTables...) })
	if err != nil {
		return err
	}
	interfaces, s3Gateways, err := l.readEndpoints()
	if err != nil {
		return err
	}
	if err := l.checkGroups(found, interfaces, subnets); err != nil {
		return err
	}

	var missing []string
	for _, service := range endpointServices(l.Services) {
		if _, there := interfaces[service]; !there {
			missing = append(missing, service)
		}
	}
	limited := false // some tasks have nothing but endpoints
	for _, subnet := range subnets {
		id := awssdk.ToString(subnet.SubnetId)
		table := tableOf(all, id)
		reason := noDefaultRoute(table)
		if reason == "" {
			found.open = true
			continue
		}
		limited = true
		lacking := slices.Clone(missing)
		if prefixList := routeTo(table, s3Gateways); prefixList != "" {
			found.s3PrefixList = prefixList
		} else if _, there := interfaces["s3"]; !there {
			lacking = append(lacking, "s3")
		}
		if len(lacking) > 0 {
			l.refuseSubnet(id, "a subnet with a way to AWS: a default route to a NAT gateway, a transit gateway, a virtual private gateway or an appliance, "+
				"or endpoints in its VPC for all that tasks need, of which %s are missing (interface endpoints with private DNS; for s3 a gateway endpoint in the subnet's route table will do); its route table %s",
				setting.Join(lacking), reason)
		}
	}
	if limited {
		l.validateReach(&l.problems, "the way out of the subnets in network reaches")
	}
	return nil
}

// tableOf returns the route table of a subnet, which is the main one of the VPC unless it has one of its own.
func tableOf(tables []types.RouteTable, subnet string) (main types.RouteTable) {
	for _, table := range tables {
		for _, a := range table.Associations {
			if awssdk.ToString(a.SubnetId) == subnet {
				return table
			}
			if awssdk.ToBool(a.Main) {
				main = table
			}
		}
	}
	return main
}

// noDefaultRoute says why a table has no default route by which tasks without public addresses reach AWS; "" if it has one.
// Source: https://docs.aws.amazon.com/vpc/latest/userguide/route-table-options.html
func noDefaultRoute(table types.RouteTable) string {
	id := awssdk.ToString(table.RouteTableId)
	for _, r := range table.Routes {
		if awssdk.ToString(r.DestinationCidrBlock) != "0.0.0.0/0" {
			continue
		}
		gateway := awssdk.ToString(r.GatewayId)
		target := gateway
		for _, other := range []*string{r.NatGatewayId, r.TransitGatewayId, r.NetworkInterfaceId, r.InstanceId, r.CoreNetworkArn, r.LocalGatewayId, r.VpcPeeringConnectionId, r.CarrierGatewayId} {
			if target == "" {
				target = awssdk.ToString(other)
			}
		}
		switch {
		case r.State == types.RouteStateBlackhole:
			return fmt.Sprintf("%s has a default route to %s, which is not there any more", id, target)
		case strings.HasPrefix(gateway, "igw-"), r.CarrierGatewayId != nil:
			return fmt.Sprintf("%s has a default route to %s, which leads out only who has a public address, and tasks have none", id, target)
		case r.VpcPeeringConnectionId != nil:
			// Source: https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-basics.html#vpc-peering-limitations
			return fmt.Sprintf("%s has a default route to %s, and no NAT or internet gateway can be used through a peering connection", id, target)
		}
		return ""
	}
	return id + " has no default route"
}

// routeTo returns the prefix list that a table sends to one of the gateways, "" if there is none.
func routeTo(table types.RouteTable, gateways []string) string {
	for _, r := range table.Routes {
		if slices.Contains(gateways, awssdk.ToString(r.GatewayId)) {
			return awssdk.ToString(r.DestinationPrefixListId)
		}
	}
	return ""
}

// readEndpoints returns the interface endpoints that the names of AWS's services lead to, by service, and the ids of the
// gateway endpoints for S3.
func (l *lookup) readEndpoints() (interfaces map[string]types.VpcEndpoint, s3Gateways []string, err error) {
	interfaces = map[string]types.VpcEndpoint{}
	services := map[string]string{} // by the name of the endpoint
	for _, service := range append(endpointServices(l.Services), "s3") {
		services[endpointName(l.Region, service)] = service
	}
	endpoints := ec2.NewDescribeVpcEndpointsPaginator(l.ec2, &ec2.DescribeVpcEndpointsInput{Filters: filter("vpc-id", l.Network.VpcID)})
	err = pages(l.ctx, endpoints.HasMorePages, endpoints.NextPage, func(out *ec2.DescribeVpcEndpointsOutput) {
		for _, e := range out.VpcEndpoints {
			service := services[awssdk.ToString(e.ServiceName)]
			switch {
			case service == "" || !strings.EqualFold(string(e.State), string(types.StateAvailable)): // AWS writes it both ways
			case e.VpcEndpointType == types.VpcEndpointTypeGateway && service == "s3":
				s3Gateways = append(s3Gateways, awssdk.ToString(e.VpcEndpointId))
			case e.VpcEndpointType != types.VpcEndpointTypeInterface || !awssdk.ToBool(e.PrivateDnsEnabled):
			// The private names of S3 may be for callers outside the VPC alone.
			// Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DnsOptionsSpecification.html
			case e.DnsOptions != nil && awssdk.ToBool(e.DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint):
			default:
				interfaces[service] = e
			}
		}
	})
	return interfaces, s3Gateways, err
}

// checkGroups checks that each endpoint lets the subnets in, whatever the default route is: names of AWS lead to the endpoint.
// The rule is for its owner to make: the tasks' own groups are new, and no rule that is there names them.
func (l *lookup) checkGroups(found *foundNetwork, interfaces map[string]types.VpcEndpoint, subnets []types.Subnet) error {
	groups := map[string][]netip.Prefix{} // what each group lets in to port 443
	for _, e := range interfaces {
		for _, g := range e.Groups {
			groups[awssdk.ToString(g.GroupId)] = nil
		}
	}
	if found.endpoints = slices.Sorted(maps.Keys(groups)); len(groups) == 0 {
		return nil
	}
	var rules []types.SecurityGroupRule
	described := ec2.NewDescribeSecurityGroupRulesPaginator(l.ec2, &ec2.DescribeSecurityGroupRulesInput{Filters: filter("group-id", found.endpoints...)})
	err := pages(l.ctx, described.HasMorePages, described.NextPage, func(out *ec2.DescribeSecurityGroupRulesOutput) {
		rules = append(rules, out.SecurityGroupRules...)
	})
	if err != nil {
		return err
	}
	for _, r := range rules {
		protocol := awssdk.ToString(r.IpProtocol)
		https := protocol == "-1" || protocol == "tcp" && awssdk.ToInt32(r.FromPort) <= 443 && 443 <= awssdk.ToInt32(r.ToPort)
		if awssdk.ToBool(r.IsEgress) || !https {
			continue
		}
		ranges, err := l.sourceRanges(r)
		if err != nil {
			return err
		}
		group := awssdk.ToString(r.GroupId)
		groups[group] = append(groups[group], ranges...)
	}
	for _, service := range slices.Sorted(maps.Keys(interfaces)) {
		e := interfaces[service]
		var in []netip.Prefix
		var names []string
		for _, g := range e.Groups {
			in, names = append(in, groups[awssdk.ToString(g.GroupId)]...), append(names, awssdk.ToString(g.GroupId))
		}
		for _, subnet := range subnets {
			block, parsed := netip.ParsePrefix(awssdk.ToString(subnet.CidrBlock))
			if parsed == nil && !slices.ContainsFunc(in, func(r netip.Prefix) bool { return r.Bits() <= block.Bits() && r.Contains(block.Addr()) }) {
				l.refuseSubnet(awssdk.ToString(subnet.SubnetId), "a subnet that endpoint %s for %s lets in: a rule for TCP port 443 from %s in its security group (%s), where the stack makes none",
					awssdk.ToString(e.VpcEndpointId), service, block, setting.Join(names))
			}
		}
	}
	return nil
}

// sourceRanges are the IPv4 ranges that a rule lets in.
func (l *lookup) sourceRanges(r types.SecurityGroupRule) (ranges []netip.Prefix, err error) {
	add := func(text *string) {
		if block, err := netip.ParsePrefix(awssdk.ToString(text)); err == nil {
			ranges = append(ranges, block)
		}
	}
	add(r.CidrIpv4)
	if r.PrefixListId != nil {
		entries := ec2.NewGetManagedPrefixListEntriesPaginator(l.ec2, &ec2.GetManagedPrefixListEntriesInput{PrefixListId: r.PrefixListId})
		err = pages(l.ctx, entries.HasMorePages, entries.NextPage, func(out *ec2.GetManagedPrefixListEntriesOutput) {
			for _, e := range out.Entries {
				add(e.Cidr)
			}
		})
	}
	return ranges, err
}

func filter(name string, values ...string) []types.Filter {
	return []types.Filter{{Name: &name, Values: values}}
}

// pages reads all pages of an answer.
func pages[T any](ctx context.Context, more func() bool, next func(context.Context, ...func(*ec2.Options)) (*T, error), read func(*T)) error {
	for more() {
		page, err := next(ctx)
		if err != nil {
			return err
		}
		read(page)
	}
	return nil
}
