package producer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	awsxec2 "github.com/pulumi/pulumi-awsx/sdk/v2/go/awsx/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/flowlog"
	"private-api/internal/policy"
	"private-api/internal/securitygroup"
)

// network is the VPC, its private subnets and the way of the tasks out of them.
type network struct {
	vpcID          pulumi.StringOutput
	privateSubnets pulumi.StringArrayOutput
	// allowEgress lets tasks of a group reach what they need of AWS, and nothing else.
	allowEgress func(tasks *securitygroup.Group, opts ...pulumi.ResourceOption) ([]pulumi.Resource, error)
	// egress is what must exist before a task can pull its image and write logs.
	egress []pulumi.Resource
}

// newNetwork makes the VPC, or takes the one that exists.
func newNetwork(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*network, error) {
	if args.found != nil {
		return args.found.network(ctx), nil
	}
	// In the place of public subnets, which nothing needs without NAT gateways, is a gap: so the private ones keep their
	// ranges when egress changes, and are not replaced. awsx always makes the internet gateway; no route leads to it.
	first := awsxec2.SubnetTypePublic
	if args.Egress == EgressEndpoints {
		first = awsxec2.SubnetTypeUnused
	}
	auto := awsxec2.SubnetAllocationStrategyAuto
	vpc, err := awsxec2.NewVpc(ctx, name, &awsxec2.VpcArgs{
		CidrBlock:             &args.VpcCidr,
		AvailabilityZoneNames: args.AvailabilityZones,
		SubnetStrategy:        &auto,
		SubnetSpecs:           []awsxec2.SubnetSpecArgs{{Type: first}, {Type: awsxec2.SubnetTypePrivate}},
		// awsx has no outputs until all of it is made. With NAT gateways in it, everything in the VPC would wait for them.
		NatGateways: &awsxec2.NatGatewayConfigurationArgs{Strategy: awsxec2.NatGatewayStrategyNone},
		// Private DNS of the endpoints and the Cloud Map namespace need both.
		EnableDnsHostnames: pulumi.Bool(true),
		EnableDnsSupport:   pulumi.Bool(true),
	}, append(opts, pulumi.Transforms([]pulumi.ResourceTransform{withoutPublicAddresses}))...)
	if err != nil {
		return nil, fmt.Errorf("creating VPC: %w", err)
	}
	net := &network{vpcID: vpc.VpcId, privateSubnets: vpc.PrivateSubnetIds}
	if err := securitygroup.EmptyDefault(ctx, name, vpc.VpcId, opts...); err != nil {
		return nil, err
	}
	if args.FlowLogs {
		if err := flowlog.New(ctx, name, vpc.VpcId, args.LogRetentionDays, args.KmsKeyArn, opts...); err != nil {
			return nil, err
		}
	}

	var tables []pulumi.StringOutput
	for zone := range args.AvailabilityZones {
		tables = append(tables, routeTable(vpc, vpc.PrivateSubnetIds.Index(pulumi.Int(zone))))
	}
	// ECR keeps image layers in S3; a gateway endpoint costs nothing and spares the NAT gateway that traffic.
	s3, err := ec2.NewVpcEndpoint(ctx, name+"-s3", &ec2.VpcEndpointArgs{
		VpcId:           vpc.VpcId,
		ServiceName:     pulumi.String(endpointName(args.Region, "s3")),
		VpcEndpointType: pulumi.String("Gateway"),
		RouteTableIds:   pulumi.ToStringArrayOutput(tables),
		Tags:            pulumi.StringMap{"Name": pulumi.String(name + "-s3")},
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating S3 endpoint: %w", err)
	}
	net.egress = append(net.egress, s3)

	if args.Egress == EgressEndpoints {
		err = net.addEndpoints(ctx, name, args, s3.PrefixListId, opts...)
	} else {
		err = net.addNatGateways(ctx, name, args, vpc.PublicSubnetIds, tables, opts...)
	}
	return net, err
}

// withoutPublicAddresses keeps the public subnets from giving an address to whatever starts there: NAT gateways have their
// own. Turning it on takes the provider ten seconds, and everything in the VPC would wait for that.
// Source: https://github.com/hashicorp/terraform-provider-aws/blob/v5.100.0/internal/service/ec2/wait.go
func withoutPublicAddresses(_ context.Context, args *pulumi.ResourceTransformArgs) *pulumi.ResourceTransformResult {
	if args.Type != "aws:ec2/subnet:Subnet" {
		return nil
	}
	args.Props["mapPublicIpOnLaunch"] = pulumi.Bool(false)
	return &pulumi.ResourceTransformResult{Props: args.Props, Opts: args.Opts}
}

// routeTable returns the route table that a subnet is associated with.
func routeTable(vpc *awsxec2.Vpc, subnet pulumi.StringOutput) pulumi.StringOutput {
	return vpc.RouteTableAssociations.ApplyT(func(associations []*ec2.RouteTableAssociation) pulumi.StringOutput {
		ids := pulumi.StringArray{subnet}
		for _, a := range associations {
			ids = append(ids, a.SubnetId.Elem(), a.RouteTableId)
		}
		return ids.ToStringArrayOutput().ApplyT(func(ids []string) (string, error) {
			for i := 1; i < len(ids); i += 2 {
				if ids[i] == ids[0] {
					return ids[i+1], nil
				}
			}
			return "", fmt.Errorf("awsx made no route table for subnet %s", ids[0])
		}).(pulumi.StringOutput)
	}).(pulumi.StringOutput)
}

// addNatGateways makes one NAT gateway, or one in each zone, and the private subnets' default routes to it.
func (net *network) addNatGateways(ctx *pulumi.Context, name string, args *Args, subnets pulumi.StringArrayOutput, tables []pulumi.StringOutput, opts ...pulumi.ResourceOption) error {
	net.allowEgress = allowHTTPS(ctx)
	var gateway *ec2.NatGateway
	for zone, table := range tables {
		if zone == 0 || args.Egress == EgressNatPerZone {
			var err error
			if gateway, err = newNatGateway(ctx, fmt.Sprintf("%s-%d", name, zone+1), subnets.Index(pulumi.Int(zone)), opts...); err != nil {
				return err
			}
		}
		route, err := ec2.NewRoute(ctx, fmt.Sprintf("%s-private-%d", name, zone+1), &ec2.RouteArgs{
			RouteTableId:         table,
			DestinationCidrBlock: pulumi.String("0.0.0.0/0"),
			NatGatewayId:         gateway.ID(),
		}, opts...)
		if err != nil {
			return fmt.Errorf("creating route to the NAT gateway: %w", err)
		}
		net.egress = append(net.egress, route)
	}
	return nil
}

// newNatGateway makes a NAT gateway with an address of its own. It works only behind the route to the internet gateway,
// which is there when awsx tells the subnet.
func newNatGateway(ctx *pulumi.Context, name string, subnet pulumi.StringInput, opts ...pulumi.ResourceOption) (*ec2.NatGateway, error) {
	tags := pulumi.StringMap{"Name": pulumi.String(name)}
	address, err := ec2.NewEip(ctx, name, &ec2.EipArgs{Tags: tags}, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating address of the NAT gateway: %w", err)
	}
	gateway, err := ec2.NewNatGateway(ctx, name, &ec2.NatGatewayArgs{
		SubnetId: subnet, AllocationId: address.AllocationId, Tags: tags,
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating NAT gateway: %w", err)
	}
	return gateway, nil
}

// addEndpoints makes interface endpoints for what Fargate asks of AWS: images, logs, and the stores of the secrets that
// services name.
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
func (net *network) addEndpoints(ctx *pulumi.Context, name string, args *Args, s3PrefixList pulumi.StringOutput, opts ...pulumi.ResourceOption) error {
	group, err := securitygroup.New(ctx, name+"-endpoints", "interface endpoints, reached by the tasks", net.vpcID, opts...)
	if err != nil {
		return err
	}
	net.allowEgress = func(tasks *securitygroup.Group, opts ...pulumi.ResourceOption) ([]pulumi.Resource, error) {
		rules, err := securitygroup.Allow(ctx, tasks, group, 443, opts...)
		if err != nil {
			return nil, err
		}
		s3, err := securitygroup.AllowPrefixList(ctx, tasks, "s3", s3PrefixList, opts...)
		return append(rules, s3), err
	}
	for _, service := range endpointServices(args.Services) {
		logical := name + "-" + strings.ReplaceAll(service, ".", "-")
		e, err := ec2.NewVpcEndpoint(ctx, logical, &ec2.VpcEndpointArgs{
			VpcId:             net.vpcID,
			ServiceName:       pulumi.String(endpointName(args.Region, service)),
			VpcEndpointType:   pulumi.String("Interface"),
			PrivateDnsEnabled: pulumi.Bool(true),
			SubnetIds:         net.privateSubnets,
			SecurityGroupIds:  pulumi.StringArray{group.ID()},
			Tags:              pulumi.StringMap{"Name": pulumi.String(logical)},
		}, opts...)
		if err != nil {
			return fmt.Errorf("creating %s endpoint: %w", service, err)
		}
		net.egress = append(net.egress, e)
	}
	return nil
}

// endpointServices are the parts of AWS that the tasks of these services ask.
func endpointServices(services []Service) []string {
	all, stores := []string{"ecr.api", "ecr.dkr", "logs"}, map[string]bool{}
	for _, s := range services {
		for _, value := range s.Secrets {
			stores[findSecret(value).store] = true
		}
	}
	return append(all, slices.Sorted(maps.Keys(stores))...)
}

// endpointName is what AWS calls the endpoint of a service. ECR's are named after the partition, the others after AWS's
// first one.
// Source: https://github.com/aws/aws-cdk/blob/main/packages/aws-cdk-lib/aws-ec2/lib/vpc-endpoint.ts
func endpointName(region, service string) string {
	owner := []string{"com", "amazonaws"}
	if strings.HasPrefix(service, "ecr.") {
		owner = strings.Split(policy.PartitionOf(region).Suffix, ".")
		slices.Reverse(owner)
	}
	return strings.Join(owner, ".") + "." + region + "." + service
}

// allowHTTPS lets tasks reach all of the internet by HTTPS, as the public endpoints of AWS have no fixed addresses.
func allowHTTPS(ctx *pulumi.Context) func(*securitygroup.Group, ...pulumi.ResourceOption) ([]pulumi.Resource, error) {
	return func(tasks *securitygroup.Group, opts ...pulumi.ResourceOption) ([]pulumi.Resource, error) {
		rule, err := securitygroup.AllowHTTPS(ctx, tasks, opts...)
		return []pulumi.Resource{rule}, err
	}
}
