// Package producer makes the half of the stack that offers services: a VPC, an
// ECS cluster whose Fargate services stand behind an internal Application Load
// Balancer, their names in Cloud Map, and the API Gateway VPC link by which an
// HTTP API reaches the load balancer.
//
// Nothing in it is reachable from the internet, and no rule of a security group
// lets an address range in: link, load balancer and tasks name each other.
package producer

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Args says what to make. Every field without a default must be set.
type Args struct {
	Region            string   // region of the provider
	Profile           string   // profile of the AWS configuration files, for reading why a deployment failed; empty: the default credentials
	VpcCidr           string   // IPv4 range of the VPC
	AvailabilityZones []string // names of the zones, two at least; API Gateway must have VPC links there
	Egress            string   // how private subnets reach AWS: EgressNat, EgressNatPerZone or EgressEndpoints
	Spot              bool     // run the tasks on Fargate Spot: cheaper, stopped at two minutes' notice
	Architecture      string   // of images and tasks: ARM64 or X86_64
	LogRetentionDays  int      // how long CloudWatch keeps the services' logs

	CPU          int // of a task, in CPU units (1024 are one vCPU), where the service names none
	Memory       int // of a task, in MiB, where the service names none
	DesiredCount int // of tasks, where the service names none

	HealthCheckInterval int // seconds between two health checks of a target
	HealthCheckTimeout  int // seconds until a health check counts as failed; less than the interval
	DeregistrationDelay int // seconds that the load balancer lets requests finish at a target that goes
	DrainTime           int // seconds that a service goes on serving after SIGTERM; less than StopTimeout
	StopTimeout         int // seconds between SIGTERM and SIGKILL; 2 to 120

	WaitForSteadyState bool // let the update wait until the tasks run
	DeploymentTimeout  int  // minutes of that wait at most

	DeletionProtection bool   // refuse to delete the load balancer and the repositories
	Root               string // folder that holds the build context, apps/

	Services []Service
}

// Ways of the private subnets to the endpoints of AWS.
const (
	EgressNat        = "nat"          // one NAT gateway: a zone's outage can cut the others off
	EgressNatPerZone = "nat-per-zone" // a NAT gateway in each zone
	EgressEndpoints  = "endpoints"    // no NAT: interface endpoints for what tasks need to start and log
)

// CPU architectures of images and tasks.
const (
	ARM64  = "arm64"
	X86_64 = "x86_64"
)

// Producer is the component. Its outputs are all that a consumer needs, and
// what a person wants to know.
type Producer struct {
	pulumi.ResourceState

	VpcLinkID    pulumi.StringOutput    // the VPC link, once it can be used
	ListenerArn  pulumi.StringOutput    // the listener that an integration names
	ClusterName  pulumi.StringOutput    // the ECS cluster
	ServiceNames pulumi.StringMapOutput // per service: its name in ECS
	ImageDigests pulumi.StringMapOutput // per service: the digest that runs; fails where ECS rolled the deployment back
}

// New makes the producer. It validates the arguments first and makes nothing
// where one is refused; the error then holds every problem.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Producer, error) {
	if err := args.Validate(name).Err(); err != nil {
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
	cluster, err := newCluster(ctx, name, args.Spot, net.VpcId, parent)
	if err != nil {
		return nil, err
	}
	balancer, err := newLoadBalancer(ctx, name, net, args.DeletionProtection, parent)
	if err != nil {
		return nil, err
	}
	link, err := newVpcLink(ctx, name, net, balancer, parent)
	if err != nil {
		return nil, err
	}
	registry, err := newRegistry(ctx, args, parent)
	if err != nil {
		return nil, err
	}
	services, err := newServices(ctx, name, &surroundings{
		Args: args, account: account.AccountId,
		network: net, cluster: cluster, balancer: balancer, registry: registry,
	}, parent)
	if err != nil {
		return nil, err
	}

	p.VpcLinkID, p.ListenerArn, p.ClusterName = link.ID().ToStringOutput(), balancer.listener.Arn, cluster.Name
	names, digests := pulumi.StringMap{}, pulumi.StringMap{}
	for _, s := range services {
		names[s.Name], digests[s.Name] = s.ServiceName, s.ImageDigest
	}
	p.ServiceNames, p.ImageDigests = names.ToStringMapOutput(), digests.ToStringMapOutput()
	return p, ctx.RegisterResourceOutputs(p, pulumi.Map{
		"vpcLinkId":    p.VpcLinkID,
		"listenerArn":  p.ListenerArn,
		"clusterName":  p.ClusterName,
		"serviceNames": p.ServiceNames,
		"imageDigests": p.ImageDigests,
	})
}
