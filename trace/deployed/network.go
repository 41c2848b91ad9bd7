package deployed

import (
	"cmp"
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"private-api/trace"
)

// attachments returns the values of a list that VPC links, load balancers and services have, under the name it has there.
func (r *reader) attachments(ofLink, ofBalancer, ofService string) []string {
	var all []string
	for _, link := range r.set.Of(trace.LinkType) {
		all = append(all, link.Outputs.Texts(ofLink)...)
	}
	for _, balancer := range r.set.Of(trace.BalancerType) {
		all = append(all, balancer.Outputs.Texts(ofBalancer)...)
	}
	for _, service := range r.set.Of(trace.ServiceType) {
		all = append(all, service.Outputs.Object("networkConfiguration").Texts(ofService)...)
	}
	return unique(all)
}

func filter(name string, values ...string) []types.Filter {
	return []types.Filter{{Name: &name, Values: values}}
}

// readSubnets reads the subnets of others.
func (r *reader) readSubnets() {
	client := ec2.NewFromConfig(r.aws)
	subnets := slices.DeleteFunc(r.attachments("subnetIds", "subnets", "subnets"), func(id string) bool { return r.knows(trace.SubnetType, id) })
	if len(subnets) == 0 {
		return
	}
	r.ask(missing{trace.SubnetType, "", "subnets"}, func(ctx context.Context) error {
		pages := ec2.NewDescribeSubnetsPaginator(client, &ec2.DescribeSubnetsInput{Filters: filter("subnet-id", subnets...)})
		return each(ctx, pages, func(page *ec2.DescribeSubnetsOutput) {
			for _, subnet := range page.Subnets {
				r.put(trace.SubnetType, *subnet.SubnetId, named(subnet.Tags, subnet.SubnetId), shape(subnet, nil))
			}
		})
	})
}

// readGroups reads the security groups on the way, with all rules: one of somebody else counts too.
func (r *reader) readGroups() {
	client := ec2.NewFromConfig(r.aws)
	groups := r.attachments("securityGroupIds", "securityGroups", "securityGroups")
	if len(groups) == 0 {
		return
	}
	r.ask(missing{trace.GroupType, "", "security groups"}, func(ctx context.Context) error {
		pages := ec2.NewDescribeSecurityGroupsPaginator(client, &ec2.DescribeSecurityGroupsInput{Filters: filter("group-id", groups...)})
		return each(ctx, pages, func(page *ec2.DescribeSecurityGroupsOutput) {
			for _, group := range page.SecurityGroups {
				r.putNew(trace.GroupType, *group.GroupId, aws.ToString(group.GroupName), shape(group, nil))
			}
		})
	})
	for _, typ := range []string{trace.EgressType, trace.IngressType} {
		r.ask(missing{typ, "", "rules of security groups"}, func(ctx context.Context) error {
			pages := ec2.NewDescribeSecurityGroupRulesPaginator(client, &ec2.DescribeSecurityGroupRulesInput{Filters: filter("group-id", groups...)})
			return each(ctx, pages, func(page *ec2.DescribeSecurityGroupRulesOutput) {
				for _, rule := range page.SecurityGroupRules {
					if aws.ToBool(rule.IsEgress) != (typ == trace.EgressType) {
						continue
					}
					more := map[string]any{"securityGroupId": rule.GroupId}
					if rule.ReferencedGroupInfo != nil {
						more["referencedSecurityGroupId"] = rule.ReferencedGroupInfo.GroupId
					}
					r.putNew(typ, *rule.SecurityGroupRuleId, *rule.SecurityGroupRuleId, shape(rule, more))
				}
			})
		})
	}
}

// readNetwork reads the route tables, network ACLs and endpoints of the VPCs on the way.
func (r *reader) readNetwork() {
	client := ec2.NewFromConfig(r.aws)
	var vpcs []string
	for _, id := range r.attachments("subnetIds", "subnets", "subnets") {
		subnet, _ := r.set.Find(trace.SubnetType, id)
		vpcs = append(vpcs, subnet.Outputs.Text("vpcId"))
	}
	vpcs = unique(vpcs)
	if len(vpcs) == 0 {
		return
	}
	r.ask(missing{trace.RouteTableType, "", "route tables"}, func(ctx context.Context) error {
		pages := ec2.NewDescribeRouteTablesPaginator(client, &ec2.DescribeRouteTablesInput{Filters: filter("vpc-id", vpcs...)})
		return each(ctx, pages, func(page *ec2.DescribeRouteTablesOutput) {
			for _, table := range page.RouteTables {
				r.put(trace.RouteTableType, *table.RouteTableId, named(table.Tags, table.RouteTableId), tableValues(table))
			}
		})
	})
	r.ask(missing{trace.NetworkAclType, "", "network ACLs"}, func(ctx context.Context) error {
		pages := ec2.NewDescribeNetworkAclsPaginator(client, &ec2.DescribeNetworkAclsInput{Filters: filter("vpc-id", vpcs...)})
		return each(ctx, pages, func(page *ec2.DescribeNetworkAclsOutput) {
			for _, acl := range page.NetworkAcls {
				r.put(trace.NetworkAclType, *acl.NetworkAclId, named(acl.Tags, acl.NetworkAclId), aclValues(acl))
			}
		})
	})
	r.ask(missing{trace.VpcEndpointType, "", "VPC endpoints"}, func(ctx context.Context) error {
		pages := ec2.NewDescribeVpcEndpointsPaginator(client, &ec2.DescribeVpcEndpointsInput{Filters: filter("vpc-id", vpcs...)})
		return each(ctx, pages, func(page *ec2.DescribeVpcEndpointsOutput) {
			for _, e := range page.VpcEndpoints {
				r.putNew(trace.VpcEndpointType, *e.VpcEndpointId, named(e.Tags, e.VpcEndpointId), shape(e, nil))
			}
		})
	})
}

func tableValues(table types.RouteTable) trace.Values {
	main, subnets := false, []any{}
	for _, a := range table.Associations {
		main = main || aws.ToBool(a.Main)
		if a.SubnetId != nil {
			subnets = append(subnets, *a.SubnetId)
		}
	}
	routes := []any{}
	for _, route := range table.Routes {
		routes = append(routes, shape(route, map[string]any{"cidrBlock": route.DestinationCidrBlock, "ipv6CidrBlock": route.DestinationIpv6CidrBlock}))
	}
	return shape(map[string]any{"vpcId": table.VpcId, "main": main, "subnetIds": subnets, "routes": routes}, nil)
}

func aclValues(acl types.NetworkAcl) trace.Values {
	subnets, entries := []any{}, map[bool][]any{}
	for _, a := range acl.Associations {
		subnets = append(subnets, a.SubnetId)
	}
	for _, e := range acl.Entries {
		ports := cmp.Or(e.PortRange, &types.PortRange{})
		entries[aws.ToBool(e.Egress)] = append(entries[aws.ToBool(e.Egress)], map[string]any{
			"ruleNo": e.RuleNumber, "action": e.RuleAction, "protocol": e.Protocol, "cidrBlock": e.CidrBlock, "ipv6CidrBlock": e.Ipv6CidrBlock,
			"fromPort": ports.From, "toPort": ports.To,
		})
	}
	return shape(map[string]any{"vpcId": acl.VpcId, "subnetIds": subnets, "ingress": entries[false], "egress": entries[true]}, nil)
}

// named is what people call a thing of EC2: its tag Name, or its id.
func named(tags []types.Tag, id *string) string {
	for _, tag := range tags {
		if aws.ToString(tag.Key) == "Name" && aws.ToString(tag.Value) != "" {
			return *tag.Value
		}
	}
	return aws.ToString(id)
}
