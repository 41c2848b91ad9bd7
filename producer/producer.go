// Package producer makes the half of the stack that offers services: a VPC, an ECS cluster whose Fargate services stand
// behind an internal Application Load Balancer, their names in Cloud Map, and the API Gateway VPC link by which an HTTP
// API reaches the load balancer.
//
// Nothing in it is reachable from the internet, and no rule of a security group lets an address range in: link, load
// balancer and tasks name each other.
package producer

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Producer is the component. Its outputs are all that a consumer needs, and what a person wants to know.
type Producer struct {
	pulumi.ResourceState

	VpcLinkID    pulumi.StringOutput    // the VPC link, once it can be used
	LinkGroupID  pulumi.StringOutput    // the security group of the VPC link
	ListenerArn  pulumi.StringOutput    // the listener that an integration names, once it has the rules of all services
	ServerName   string                 // that the certificate of the listener covers; "" if the listener takes plain HTTP
	ClusterName  pulumi.StringOutput    // the ECS cluster
	ServiceNames pulumi.StringMapOutput // per service: its name in ECS
	ImageDigests pulumi.StringMapOutput // per service: the digest that serves; fails if ECS says that it does not

	// What metrics and logs are found by. Services that exist have neither names nor groups here.
	LoadBalancer pulumi.StringOutput    // dimension of CloudWatch: app/NAME/ID
	TargetGroups pulumi.StringMapOutput // per service, dimension of CloudWatch: targetgroup/NAME/ID
	LogGroups    pulumi.StringMapOutput // per service: name
}

// New makes the producer. It checks the arguments first; if one is refused, it makes nothing, and the error holds every
// problem.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Producer, error) {
	problems := append(args.Validate(name, len(args.AvailabilityZones)), args.validateZones()...)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	p := &Producer{}
	if err := ctx.RegisterComponentResource("private-api:producer:Producer", name, p, opts...); err != nil {
		return nil, err
	}
	parent := pulumi.Parent(p)

	account, err := aws.GetCallerIdentity(ctx, nil, parent)
	if err != nil {
		return nil, fmt.Errorf("reading the AWS account: %w", err)
	}
	net, err := newNetwork(ctx, name, args, parent)
	if err != nil {
		return nil, err
	}
	cluster, err := newCluster(ctx, name, args, net.vpcID, parent)
	if err != nil {
		return nil, err
	}
	balancer, err := newLoadBalancer(ctx, name, args, net, account.AccountId, parent)
	if err != nil {
		return nil, err
	}
	if err := p.newVpcLink(ctx, name, net.vpcID, balancer, parent); err != nil {
		return nil, err
	}
	registry, err := newRegistry(ctx, args, parent)
	if err != nil {
		return nil, err
	}
	services, err := newServices(ctx, name, &shared{
		Args: args, account: account.AccountId,
		network: net, cluster: cluster, balancer: balancer, registry: registry,
	}, parent)
	if err != nil {
		return nil, err
	}

	names, digests, groups, logs, rules := pulumi.StringMap{}, pulumi.StringMap{}, pulumi.StringMap{}, pulumi.StringMap{}, []pulumi.Resource(nil)
	for _, s := range services {
		names[s.Name], digests[s.Name] = s.ServiceName, s.ImageDigest
		groups[s.Name], logs[s.Name] = s.targets.ArnSuffix, s.logs.Name
		rules = append(rules, s.rule)
	}
	p.ClusterName = cluster.Name
	// An integration that moves to another listener before its rules are there would answer 404.
	p.ListenerArn = pulumi.OutputWithDependencies(ctx.Context(), balancer.listenerArn, rules...).(pulumi.StringOutput)
	p.ServiceNames, p.ImageDigests = names.ToStringMapOutput(), digests.ToStringMapOutput()
	p.LoadBalancer, p.TargetGroups, p.LogGroups = balancer.arnSuffix, groups.ToStringMapOutput(), logs.ToStringMapOutput()
	return p, ctx.RegisterResourceOutputs(p, pulumi.Map{
		"vpcLinkId":    p.VpcLinkID,
		"listenerArn":  p.ListenerArn,
		"clusterName":  p.ClusterName,
		"serviceNames": p.ServiceNames,
		"imageDigests": p.ImageDigests,
	})
}
