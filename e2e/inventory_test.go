package e2e

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scalingtypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/servicediscovery"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// inventory is what an account holds: the id of each thing, prefixed by its kind ("ec2/vpc vpc-1"), and its tags, with
// its name, where it has one, under "name". Left out are what AWS goes on listing after it is gone (terminated
// instances, inactive clusters, keys that wait for their deletion), what comes and goes with a VPC (its main route table, its default security group and
// that group's rules), network interfaces, which belong to something else in the list and on AWS keep its subnet from
// being deleted, and service-linked roles, which are the account's and stay.
type inventory map[string]map[string]string

// listed are the services, by signing name, that inventory looks at. A stack that calls another one needs it here.
var listed = []string{"ec2", "ecs", "elasticloadbalancing", "apigateway", "servicediscovery", "ecr", "iam", "logs", "kms", "s3", "acm", "route53", "application-autoscaling", "monitoring", "sns", "events"}

// of keeps what carries the stack's tags or name.
func (i inventory) of(stack string) inventory {
	kept := inventory{}
	for id, tags := range i {
		if tags["Stack"] == stack || strings.Contains(tags["name"], project+"-"+stack) || strings.Contains(id, project+"-"+stack) {
			kept[id] = tags
		}
	}
	return kept
}

// since keeps what was not there before.
func (i inventory) since(before inventory) inventory {
	kept := maps.Clone(i)
	for id := range before {
		delete(kept, id)
	}
	return kept
}

func (i inventory) keys() []string { return slices.Sorted(maps.Keys(i)) }

// sweep fails the test if anything is left of the stack: on an account of the test's own anything at all that was not
// there before it, else what carries the stack's tags or name.
func (a *account) sweep(t *testing.T, stack string) {
	t.Helper()
	if left := a.left(t, stack); len(left) > 0 {
		t.Errorf("left behind by %s:\n\t%s", stack, strings.Join(left, "\n\t"))
	}
}

func (a *account) left(t *testing.T, stack string) []string {
	t.Helper()
	now := a.inventory(t)
	if a.own {
		now = now.since(a.start)
	} else {
		now = now.of(stack)
	}
	if a.proxy != nil {
		for _, c := range a.proxy.Calls() {
			if c.Mutates() && !slices.Contains(listed, c.Service) {
				t.Errorf("%s changes a service that the sweep does not list: add it to inventory", c)
			}
		}
	}
	return now.keys()
}

// inventory lists the account past the proxy.
func (a *account) inventory(t *testing.T) inventory {
	t.Helper()
	ctx, all := context.Background(), inventory{}
	add := func(kind string, id *string, name *string, tags map[string]string) {
		if tags == nil {
			tags = map[string]string{}
		}
		if name != nil {
			tags["name"] = *name
		}
		all[kind+" "+aws.ToString(id)] = tags
	}
	for _, list := range []func() error{
		func() error { return listNetwork(ctx, ec2.NewFromConfig(a.aws), add) },
		func() error { return listECS(ctx, ecs.NewFromConfig(a.aws), add) },
		func() error { return listBalancers(ctx, elasticloadbalancingv2.NewFromConfig(a.aws), add) },
		func() error { return listAPIs(ctx, apigatewayv2.NewFromConfig(a.aws), add) },
		func() error { return listNames(ctx, servicediscovery.NewFromConfig(a.aws), add) },
		func() error { return listCertificates(ctx, acm.NewFromConfig(a.aws), add) },
		func() error { return listRecords(ctx, route53.NewFromConfig(a.aws), add) },
		func() error { return listRoles(ctx, iam.NewFromConfig(a.aws), add) },
		func() error { return listKeys(ctx, kms.NewFromConfig(a.aws), add) },
		func() error { return listScaling(ctx, applicationautoscaling.NewFromConfig(a.aws), add) },
		func() error { return listBuckets(ctx, s3.NewFromConfig(a.aws), add) },
		func() error { return listMonitoring(ctx, cloudwatch.NewFromConfig(a.aws), add) },
		func() error { return listTopics(ctx, sns.NewFromConfig(a.aws), add) },
		func() error { return listEvents(ctx, eventbridge.NewFromConfig(a.aws), add) },
		func() error {
			p := ecr.NewDescribeRepositoriesPaginator(ecr.NewFromConfig(a.aws), &ecr.DescribeRepositoriesInput{})
			return pages(ctx, p.HasMorePages, p.NextPage, func(out *ecr.DescribeRepositoriesOutput) error {
				for _, r := range out.Repositories {
					tags := map[string]string{}
					if out, err := ecr.NewFromConfig(a.aws).ListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: r.RepositoryArn}); err == nil {
						for _, tag := range out.Tags {
							tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
						}
					}
					add("ecr/repository", r.RepositoryName, nil, tags)
				}
				return nil
			})
		},
		func() error {
			p := cloudwatchlogs.NewDescribeLogGroupsPaginator(cloudwatchlogs.NewFromConfig(a.aws), &cloudwatchlogs.DescribeLogGroupsInput{})
			return pages(ctx, p.HasMorePages, p.NextPage, func(out *cloudwatchlogs.DescribeLogGroupsOutput) error {
				for _, g := range out.LogGroups {
					add("logs/group", g.LogGroupName, nil, nil)
				}
				return nil
			})
		},
	} {
		if err := list(); err != nil {
			t.Fatalf("listing the account: %v", err)
		}
	}
	return all
}

// pages calls each for every page of a list call.
func pages[Out, Opt any](ctx context.Context, more func() bool, next func(context.Context, ...func(*Opt)) (*Out, error), each func(*Out) error) error {
	for more() {
		out, err := next(ctx)
		if err != nil {
			return err
		}
		if err := each(out); err != nil {
			return err
		}
	}
	return nil
}

type adder func(kind string, id, name *string, tags map[string]string)

func listNetwork(ctx context.Context, c *ec2.Client, add adder) error {
	tags := func(list []ec2types.Tag) map[string]string {
		m := map[string]string{}
		for _, tag := range list {
			m[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		}
		return m
	}
	defaults := map[string]bool{} // default security groups
	vpcs := ec2.NewDescribeVpcsPaginator(c, &ec2.DescribeVpcsInput{})
	subnets := ec2.NewDescribeSubnetsPaginator(c, &ec2.DescribeSubnetsInput{})
	gateways := ec2.NewDescribeInternetGatewaysPaginator(c, &ec2.DescribeInternetGatewaysInput{})
	tables := ec2.NewDescribeRouteTablesPaginator(c, &ec2.DescribeRouteTablesInput{})
	nats := ec2.NewDescribeNatGatewaysPaginator(c, &ec2.DescribeNatGatewaysInput{})
	groups := ec2.NewDescribeSecurityGroupsPaginator(c, &ec2.DescribeSecurityGroupsInput{})
	rules := ec2.NewDescribeSecurityGroupRulesPaginator(c, &ec2.DescribeSecurityGroupRulesInput{})
	endpoints := ec2.NewDescribeVpcEndpointsPaginator(c, &ec2.DescribeVpcEndpointsInput{})
	instances := ec2.NewDescribeInstancesPaginator(c, &ec2.DescribeInstancesInput{})
	volumes := ec2.NewDescribeVolumesPaginator(c, &ec2.DescribeVolumesInput{})
	flows := ec2.NewDescribeFlowLogsPaginator(c, &ec2.DescribeFlowLogsInput{})
	for _, err := range []error{
		pages(ctx, vpcs.HasMorePages, vpcs.NextPage, func(out *ec2.DescribeVpcsOutput) error {
			for _, v := range out.Vpcs {
				add("ec2/vpc", v.VpcId, nil, tags(v.Tags))
			}
			return nil
		}),
		pages(ctx, subnets.HasMorePages, subnets.NextPage, func(out *ec2.DescribeSubnetsOutput) error {
			for _, s := range out.Subnets {
				add("ec2/subnet", s.SubnetId, nil, tags(s.Tags))
			}
			return nil
		}),
		pages(ctx, gateways.HasMorePages, gateways.NextPage, func(out *ec2.DescribeInternetGatewaysOutput) error {
			for _, g := range out.InternetGateways {
				add("ec2/internet-gateway", g.InternetGatewayId, nil, tags(g.Tags))
			}
			return nil
		}),
		pages(ctx, tables.HasMorePages, tables.NextPage, func(out *ec2.DescribeRouteTablesOutput) error {
			for _, rt := range out.RouteTables {
				if slices.ContainsFunc(rt.Associations, func(a ec2types.RouteTableAssociation) bool { return aws.ToBool(a.Main) }) {
					continue
				}
				add("ec2/route-table", rt.RouteTableId, nil, tags(rt.Tags))
				for _, r := range rt.Routes {
					if aws.ToString(r.DestinationCidrBlock) == "0.0.0.0/0" {
						add("ec2/default-route", rt.RouteTableId, nil, tags(rt.Tags))
					}
				}
			}
			return nil
		}),
		pages(ctx, nats.HasMorePages, nats.NextPage, func(out *ec2.DescribeNatGatewaysOutput) error {
			for _, g := range out.NatGateways {
				if g.State != ec2types.NatGatewayStateDeleted && g.State != ec2types.NatGatewayStateDeleting {
					add("ec2/nat-gateway", g.NatGatewayId, nil, tags(g.Tags))
				}
			}
			return nil
		}),
		pages(ctx, groups.HasMorePages, groups.NextPage, func(out *ec2.DescribeSecurityGroupsOutput) error {
			for _, g := range out.SecurityGroups {
				if aws.ToString(g.GroupName) == "default" {
					defaults[aws.ToString(g.GroupId)] = true
					continue
				}
				add("ec2/security-group", g.GroupId, g.GroupName, tags(g.Tags))
			}
			return nil
		}),
		pages(ctx, rules.HasMorePages, rules.NextPage, func(out *ec2.DescribeSecurityGroupRulesOutput) error {
			for _, r := range out.SecurityGroupRules {
				if !defaults[aws.ToString(r.GroupId)] {
					add("ec2/security-group-rule", r.SecurityGroupRuleId, nil, tags(r.Tags))
				}
			}
			return nil
		}),
		pages(ctx, endpoints.HasMorePages, endpoints.NextPage, func(out *ec2.DescribeVpcEndpointsOutput) error {
			for _, e := range out.VpcEndpoints {
				if !strings.EqualFold(string(e.State), string(ec2types.StateDeleted)) {
					add("ec2/endpoint", e.VpcEndpointId, e.ServiceName, tags(e.Tags))
				}
			}
			return nil
		}),
		pages(ctx, instances.HasMorePages, instances.NextPage, func(out *ec2.DescribeInstancesOutput) error {
			for _, r := range out.Reservations {
				for _, i := range r.Instances {
					if i.State.Name != ec2types.InstanceStateNameTerminated {
						add("ec2/instance", i.InstanceId, nil, tags(i.Tags))
					}
				}
			}
			return nil
		}),
		pages(ctx, volumes.HasMorePages, volumes.NextPage, func(out *ec2.DescribeVolumesOutput) error {
			for _, v := range out.Volumes {
				add("ec2/volume", v.VolumeId, nil, tags(v.Tags))
			}
			return nil
		}),
		pages(ctx, flows.HasMorePages, flows.NextPage, func(out *ec2.DescribeFlowLogsOutput) error {
			for _, f := range out.FlowLogs {
				add("ec2/flow-log", f.FlowLogId, nil, tags(f.Tags))
			}
			return nil
		}),
	} {
		if err != nil {
			return err
		}
	}
	addresses, err := c.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{})
	if err != nil {
		return err
	}
	for _, e := range addresses.Addresses {
		add("ec2/address", e.AllocationId, nil, tags(e.Tags))
	}
	return nil
}

func listECS(ctx context.Context, c *ecs.Client, add adder) error {
	tags := func(list []ecstypes.Tag) map[string]string {
		m := map[string]string{}
		for _, tag := range list {
			m[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		}
		return m
	}
	p := ecs.NewListClustersPaginator(c, &ecs.ListClustersInput{})
	err := pages(ctx, p.HasMorePages, p.NextPage, func(out *ecs.ListClustersOutput) error {
		if len(out.ClusterArns) == 0 {
			return nil
		}
		clusters, err := c.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: out.ClusterArns, Include: []ecstypes.ClusterField{ecstypes.ClusterFieldTags}})
		if err != nil {
			return err
		}
		for _, cluster := range clusters.Clusters {
			if aws.ToString(cluster.Status) == "INACTIVE" {
				continue
			}
			add("ecs/cluster", cluster.ClusterArn, nil, tags(cluster.Tags))
			services := ecs.NewListServicesPaginator(c, &ecs.ListServicesInput{Cluster: cluster.ClusterArn, MaxResults: aws.Int32(10)}) // as many as DescribeServices takes
			if err := pages(ctx, services.HasMorePages, services.NextPage, func(out *ecs.ListServicesOutput) error {
				if len(out.ServiceArns) == 0 {
					return nil
				}
				described, err := c.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: cluster.ClusterArn, Services: out.ServiceArns})
				if err != nil {
					return err
				}
				for _, s := range described.Services {
					if aws.ToString(s.Status) != "INACTIVE" {
						add("ecs/service", s.ServiceArn, nil, tags(cluster.Tags))
					}
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	definitions := ecs.NewListTaskDefinitionsPaginator(c, &ecs.ListTaskDefinitionsInput{Status: ecstypes.TaskDefinitionStatusActive})
	return pages(ctx, definitions.HasMorePages, definitions.NextPage, func(out *ecs.ListTaskDefinitionsOutput) error {
		for _, arn := range out.TaskDefinitionArns {
			described, err := c.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &arn, Include: []ecstypes.TaskDefinitionField{ecstypes.TaskDefinitionFieldTags}})
			if err != nil {
				return err
			}
			add("ecs/task-definition", &arn, nil, tags(described.Tags))
		}
		return nil
	})
}

func listBalancers(ctx context.Context, c *elasticloadbalancingv2.Client, add adder) error {
	tags := func(arn *string) map[string]string {
		m := map[string]string{}
		if out, err := c.DescribeTags(ctx, &elasticloadbalancingv2.DescribeTagsInput{ResourceArns: []string{*arn}}); err == nil {
			for _, d := range out.TagDescriptions {
				for _, tag := range d.Tags {
					m[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
				}
			}
		}
		return m
	}
	p := elasticloadbalancingv2.NewDescribeLoadBalancersPaginator(c, &elasticloadbalancingv2.DescribeLoadBalancersInput{})
	err := pages(ctx, p.HasMorePages, p.NextPage, func(out *elasticloadbalancingv2.DescribeLoadBalancersOutput) error {
		for _, b := range out.LoadBalancers {
			add("elb/balancer", b.LoadBalancerArn, b.LoadBalancerName, tags(b.LoadBalancerArn))
			listeners, err := c.DescribeListeners(ctx, &elasticloadbalancingv2.DescribeListenersInput{LoadBalancerArn: b.LoadBalancerArn})
			if err != nil {
				return err
			}
			for _, l := range listeners.Listeners {
				add("elb/listener", l.ListenerArn, nil, tags(l.ListenerArn))
				rules, err := c.DescribeRules(ctx, &elasticloadbalancingv2.DescribeRulesInput{ListenerArn: l.ListenerArn})
				if err != nil {
					return err
				}
				for _, r := range rules.Rules {
					if !aws.ToBool(r.IsDefault) {
						add("elb/rule", r.RuleArn, nil, tags(r.RuleArn))
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	groups := elasticloadbalancingv2.NewDescribeTargetGroupsPaginator(c, &elasticloadbalancingv2.DescribeTargetGroupsInput{})
	return pages(ctx, groups.HasMorePages, groups.NextPage, func(out *elasticloadbalancingv2.DescribeTargetGroupsOutput) error {
		for _, g := range out.TargetGroups {
			add("elb/target-group", g.TargetGroupArn, g.TargetGroupName, tags(g.TargetGroupArn))
		}
		return nil
	})
}

func listAPIs(ctx context.Context, c *apigatewayv2.Client, add adder) error {
	apis, err := c.GetApis(ctx, &apigatewayv2.GetApisInput{})
	if err != nil {
		return err
	}
	for _, a := range apis.Items {
		add("api/api", a.ApiId, a.Name, maps.Clone(a.Tags))
		integrations, err := c.GetIntegrations(ctx, &apigatewayv2.GetIntegrationsInput{ApiId: a.ApiId})
		if err != nil {
			return err
		}
		for _, i := range integrations.Items {
			add("api/integration", i.IntegrationId, nil, maps.Clone(a.Tags))
		}
		routes, err := c.GetRoutes(ctx, &apigatewayv2.GetRoutesInput{ApiId: a.ApiId})
		if err != nil {
			return err
		}
		for _, r := range routes.Items {
			add("api/route", r.RouteId, r.RouteKey, maps.Clone(a.Tags))
		}
		stages, err := c.GetStages(ctx, &apigatewayv2.GetStagesInput{ApiId: a.ApiId})
		if err != nil {
			return err
		}
		for _, s := range stages.Items {
			add("api/stage", aws.String(*a.ApiId+"/"+*s.StageName), nil, maps.Clone(a.Tags))
		}
	}
	domains, err := c.GetDomainNames(ctx, &apigatewayv2.GetDomainNamesInput{})
	if err != nil {
		return err
	}
	for _, d := range domains.Items {
		add("api/domain-name", d.DomainName, nil, maps.Clone(d.Tags))
		mappings, err := c.GetApiMappings(ctx, &apigatewayv2.GetApiMappingsInput{DomainName: d.DomainName})
		if err != nil {
			return err
		}
		for _, m := range mappings.Items {
			add("api/mapping", m.ApiMappingId, nil, maps.Clone(d.Tags))
		}
	}
	links, err := c.GetVpcLinks(ctx, &apigatewayv2.GetVpcLinksInput{})
	if err != nil {
		return err
	}
	for _, l := range links.Items {
		add("api/vpc-link", l.VpcLinkId, l.Name, maps.Clone(l.Tags))
	}
	return nil
}

func listCertificates(ctx context.Context, c *acm.Client, add adder) error {
	p := acm.NewListCertificatesPaginator(c, &acm.ListCertificatesInput{})
	return pages(ctx, p.HasMorePages, p.NextPage, func(out *acm.ListCertificatesOutput) error {
		for _, certificate := range out.CertificateSummaryList {
			tags := map[string]string{}
			if out, err := c.ListTagsForCertificate(ctx, &acm.ListTagsForCertificateInput{CertificateArn: certificate.CertificateArn}); err == nil {
				for _, tag := range out.Tags {
					tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
				}
			}
			add("acm/certificate", certificate.CertificateArn, nil, tags)
		}
		return nil
	})
}

// listRecords lists public hosted zones, and the records in them by the ids that the provider gives them. Records have no
// tags. Those of the zone itself come and go with it, and a private zone with its Cloud Map namespace.
func listRecords(ctx context.Context, c *route53.Client, add adder) error {
	p := route53.NewListHostedZonesPaginator(c, &route53.ListHostedZonesInput{})
	return pages(ctx, p.HasMorePages, p.NextPage, func(out *route53.ListHostedZonesOutput) error {
		for _, zone := range out.HostedZones {
			if zone.Config != nil && zone.Config.PrivateZone {
				continue
			}
			id := strings.TrimPrefix(aws.ToString(zone.Id), "/hostedzone/")
			add("route53/zone", &id, zone.Name, nil)
			records := route53.NewListResourceRecordSetsPaginator(c, &route53.ListResourceRecordSetsInput{HostedZoneId: &id})
			err := pages(ctx, records.HasMorePages, records.NextPage, func(out *route53.ListResourceRecordSetsOutput) error {
				for _, r := range out.ResourceRecordSets {
					if name := strings.TrimSuffix(aws.ToString(r.Name), "."); r.Type != "NS" && r.Type != "SOA" {
						add("route53/record", aws.String(id+"_"+name+"_"+string(r.Type)), nil, nil)
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func listNames(ctx context.Context, c *servicediscovery.Client, add adder) error {
	tags := func(arn *string) map[string]string {
		m := map[string]string{}
		if out, err := c.ListTagsForResource(ctx, &servicediscovery.ListTagsForResourceInput{ResourceARN: arn}); err == nil {
			for _, tag := range out.Tags {
				m[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
			}
		}
		return m
	}
	p := servicediscovery.NewListNamespacesPaginator(c, &servicediscovery.ListNamespacesInput{})
	err := pages(ctx, p.HasMorePages, p.NextPage, func(out *servicediscovery.ListNamespacesOutput) error {
		for _, n := range out.Namespaces {
			add("names/namespace", n.Id, n.Name, tags(n.Arn))
		}
		return nil
	})
	if err != nil {
		return err
	}
	services := servicediscovery.NewListServicesPaginator(c, &servicediscovery.ListServicesInput{})
	return pages(ctx, services.HasMorePages, services.NextPage, func(out *servicediscovery.ListServicesOutput) error {
		for _, s := range out.Services {
			add("names/service", s.Id, s.Name, tags(s.Arn))
		}
		return nil
	})
}

func listRoles(ctx context.Context, c *iam.Client, add adder) error {
	roles := iam.NewListRolesPaginator(c, &iam.ListRolesInput{})
	policies := iam.NewListPoliciesPaginator(c, &iam.ListPoliciesInput{Scope: iamtypes.PolicyScopeTypeLocal})
	profiles := iam.NewListInstanceProfilesPaginator(c, &iam.ListInstanceProfilesInput{})
	for _, err := range []error{
		pages(ctx, roles.HasMorePages, roles.NextPage, func(out *iam.ListRolesOutput) error {
			for _, r := range out.Roles {
				if strings.HasPrefix(aws.ToString(r.Path), "/aws-service-role/") {
					continue
				}
				m := map[string]string{}
				if tags, err := c.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: r.RoleName}); err == nil {
					for _, tag := range tags.Tags {
						m[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
					}
				}
				add("iam/role", r.RoleName, nil, m)
			}
			return nil
		}),
		pages(ctx, policies.HasMorePages, policies.NextPage, func(out *iam.ListPoliciesOutput) error {
			for _, p := range out.Policies {
				add("iam/policy", p.Arn, p.PolicyName, nil)
			}
			return nil
		}),
		pages(ctx, profiles.HasMorePages, profiles.NextPage, func(out *iam.ListInstanceProfilesOutput) error {
			for _, p := range out.InstanceProfiles {
				m := map[string]string{}
				if tags, err := c.ListInstanceProfileTags(ctx, &iam.ListInstanceProfileTagsInput{InstanceProfileName: p.InstanceProfileName}); err == nil {
					for _, tag := range tags.Tags {
						m[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
					}
				}
				add("iam/instance-profile", p.Arn, p.InstanceProfileName, m)
			}
			return nil
		}),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// listKeys leaves out AWS's own keys, which have an alias of AWS: the simulator takes them for the customer's.
func listKeys(ctx context.Context, c *kms.Client, add adder) error {
	p := kms.NewListKeysPaginator(c, &kms.ListKeysInput{})
	return pages(ctx, p.HasMorePages, p.NextPage, func(out *kms.ListKeysOutput) error {
		for _, k := range out.Keys {
			described, err := c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: k.KeyId})
			if err != nil {
				return err
			}
			aliases, err := c.ListAliases(ctx, &kms.ListAliasesInput{KeyId: k.KeyId})
			if err != nil {
				return err
			}
			ofAWS := func(a kmstypes.AliasListEntry) bool {
				return strings.HasPrefix(aws.ToString(a.AliasName), "alias/aws/")
			}
			if described.KeyMetadata.KeyState == kmstypes.KeyStatePendingDeletion || slices.ContainsFunc(aliases.Aliases, ofAWS) {
				continue
			}
			m := map[string]string{}
			if tags, err := c.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: k.KeyId}); err == nil {
				for _, tag := range tags.Tags {
					m[aws.ToString(tag.TagKey)] = aws.ToString(tag.TagValue)
				}
			}
			add("kms/key", k.KeyId, nil, m)
		}
		return nil
	})
}

// listScaling lists scalable targets of ECS, and their policies, which have no tags.
func listScaling(ctx context.Context, c *applicationautoscaling.Client, add adder) error {
	const namespace = scalingtypes.ServiceNamespaceEcs
	targets := applicationautoscaling.NewDescribeScalableTargetsPaginator(c, &applicationautoscaling.DescribeScalableTargetsInput{ServiceNamespace: namespace})
	err := pages(ctx, targets.HasMorePages, targets.NextPage, func(out *applicationautoscaling.DescribeScalableTargetsOutput) error {
		for _, target := range out.ScalableTargets {
			tags := map[string]string{}
			if out, err := c.ListTagsForResource(ctx, &applicationautoscaling.ListTagsForResourceInput{ResourceARN: target.ScalableTargetARN}); err == nil {
				tags = out.Tags
			}
			add("scaling/target", target.ScalableTargetARN, target.ResourceId, tags)
		}
		return nil
	})
	if err != nil {
		return err
	}
	policies := applicationautoscaling.NewDescribeScalingPoliciesPaginator(c, &applicationautoscaling.DescribeScalingPoliciesInput{ServiceNamespace: namespace})
	return pages(ctx, policies.HasMorePages, policies.NextPage, func(out *applicationautoscaling.DescribeScalingPoliciesOutput) error {
		for _, policy := range out.ScalingPolicies {
			add("scaling/policy", policy.PolicyARN, policy.PolicyName, nil)
		}
		return nil
	})
}

func listBuckets(ctx context.Context, c *s3.Client, add adder) error {
	p := s3.NewListBucketsPaginator(c, &s3.ListBucketsInput{})
	return pages(ctx, p.HasMorePages, p.NextPage, func(out *s3.ListBucketsOutput) error {
		for _, b := range out.Buckets {
			m := map[string]string{}
			if tags, err := c.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: b.Name}); err == nil {
				for _, tag := range tags.TagSet {
					m[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
				}
			}
			add("s3/bucket", b.Name, nil, m)
		}
		return nil
	})
}

// listMonitoring lists alarms and dashboards. Dashboards have no tags, but the stack in their names.
func listMonitoring(ctx context.Context, c *cloudwatch.Client, add adder) error {
	alarms, boards := cloudwatch.NewDescribeAlarmsPaginator(c, &cloudwatch.DescribeAlarmsInput{}), cloudwatch.NewListDashboardsPaginator(c, &cloudwatch.ListDashboardsInput{})
	err := pages(ctx, alarms.HasMorePages, alarms.NextPage, func(out *cloudwatch.DescribeAlarmsOutput) error {
		for _, alarm := range out.MetricAlarms {
			if strings.HasPrefix(*alarm.AlarmName, "TargetTracking-") { // AWS makes and deletes these with a scaling policy
				continue
			}
			tags := map[string]string{}
			if out, err := c.ListTagsForResource(ctx, &cloudwatch.ListTagsForResourceInput{ResourceARN: alarm.AlarmArn}); err == nil {
				for _, tag := range out.Tags {
					tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
				}
			}
			add("cloudwatch/alarm", alarm.AlarmArn, nil, tags)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return pages(ctx, boards.HasMorePages, boards.NextPage, func(out *cloudwatch.ListDashboardsOutput) error {
		for _, board := range out.DashboardEntries {
			add("cloudwatch/dashboard", board.DashboardName, nil, nil)
		}
		return nil
	})
}

// listTopics lists topics and who is subscribed, which goes with its topic.
func listTopics(ctx context.Context, c *sns.Client, add adder) error {
	topics := sns.NewListTopicsPaginator(c, &sns.ListTopicsInput{})
	return pages(ctx, topics.HasMorePages, topics.NextPage, func(out *sns.ListTopicsOutput) error {
		for _, topic := range out.Topics {
			tags := map[string]string{}
			if out, err := c.ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: topic.TopicArn}); err == nil {
				for _, tag := range out.Tags {
					tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
				}
			}
			add("sns/topic", topic.TopicArn, nil, tags)
			subscriptions := sns.NewListSubscriptionsByTopicPaginator(c, &sns.ListSubscriptionsByTopicInput{TopicArn: topic.TopicArn})
			if err := pages(ctx, subscriptions.HasMorePages, subscriptions.NextPage, func(out *sns.ListSubscriptionsByTopicOutput) error {
				for _, subscription := range out.Subscriptions {
					add("sns/subscription", subscription.SubscriptionArn, nil, maps.Clone(tags))
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// listEvents lists rules with their targets, and how EventBridge calls an API. Those have no tags, but names.
func listEvents(ctx context.Context, c *eventbridge.Client, add adder) error {
	rules, err := c.ListRules(ctx, &eventbridge.ListRulesInput{})
	if err != nil {
		return err
	}
	for _, rule := range rules.Rules {
		tags := map[string]string{}
		if out, err := c.ListTagsForResource(ctx, &eventbridge.ListTagsForResourceInput{ResourceARN: rule.Arn}); err == nil {
			for _, tag := range out.Tags {
				tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
			}
		}
		add("events/rule", rule.Name, nil, tags)
	}
	connections, err := c.ListConnections(ctx, &eventbridge.ListConnectionsInput{})
	if err != nil {
		return err
	}
	for _, connection := range connections.Connections {
		add("events/connection", connection.Name, nil, nil)
	}
	destinations, err := c.ListApiDestinations(ctx, &eventbridge.ListApiDestinationsInput{})
	if err != nil {
		return err
	}
	for _, destination := range destinations.ApiDestinations {
		add("events/api-destination", destination.Name, nil, nil)
	}
	return nil
}
