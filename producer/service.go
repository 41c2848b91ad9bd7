package producer

import (
	"cmp"
	"fmt"
	"sync/atomic"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/servicediscovery"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/securitygroup"
)

// Defaults of a service.
const (
	defaultPort = 8080
	defaultUser = "65532:65532" // no name, no rights, no home
)

// How many health checks in a row the load balancer needs to send a task requests, or to send it no more.
const (
	healthyChecks   = 2
	unhealthyChecks = 2
)

// shared is what all services of a producer use.
type shared struct {
	*Args
	account  string
	network  *network
	cluster  *cluster
	balancer *loadBalancer
	registry docker.RegistryPtrInput
}

// deployment is one service as deployed.
type deployment struct {
	pulumi.ResourceState
	Service
	logical string // name of its resources

	group   *securitygroup.Group
	image   *image
	rule    *lb.ListenerRule
	targets *lb.TargetGroup
	logs    *cloudwatch.LogGroup
	before  []pulumi.Resource // must exist before tasks start
	// previous is the newest deployment before this update changed the service; nil if it did not.
	previous atomic.Pointer[string]

	ServiceName pulumi.StringOutput
	ImageDigest pulumi.StringOutput
}

// newServices makes all services. Their groups come first, as they name each other.
func newServices(ctx *pulumi.Context, name string, in *shared, opts ...pulumi.ResourceOption) ([]*deployment, error) {
	byName := map[string]*deployment{}
	var all []*deployment
	for _, s := range in.Services {
		d := &deployment{Service: withDefaults(s, in.Args), logical: name + "-" + s.Name}
		if err := ctx.RegisterComponentResource("private-api:producer:Service", d.logical, d, opts...); err != nil {
			return nil, err
		}
		if err := d.newSecurityGroup(ctx, in); err != nil {
			return nil, err
		}
		byName[s.Name], all = d, append(all, d)
	}
	for _, callee := range all {
		for _, caller := range callee.AllowFrom {
			rules, err := securitygroup.Allow(ctx, byName[caller].group, callee.group, callee.Port, pulumi.Parent(callee))
			if err != nil {
				return nil, err
			}
			byName[caller].before = append(byName[caller].before, rules...)
		}
	}
	for _, d := range all {
		if err := d.newResources(ctx, in); err != nil {
			return nil, fmt.Errorf("service %s: %w", d.Name, err)
		}
	}
	return all, nil
}

func withDefaults(s Service, args *Args) Service {
	s.Port = cmp.Or(s.Port, defaultPort)
	s.CPU = cmp.Or(s.CPU, args.CPU)
	s.Memory = cmp.Or(s.Memory, args.Memory)
	s.DesiredCount = cmp.Or(s.DesiredCount, args.DesiredCount)
	s.Scaling = s.Scaling.or(args.Scaling)
	s.User = cmp.Or(s.User, defaultUser)
	if s.Image == "" && len(s.HealthCommand) == 0 {
		s.HealthCommand = []string{"CMD", "/service", "-health"} // as in apps/Dockerfile
	}
	return s
}

// newSecurityGroup makes the group of the tasks: the load balancer may come in, AWS's endpoints can be reached.
func (d *deployment) newSecurityGroup(ctx *pulumi.Context, in *shared) error {
	var err error
	d.group, err = securitygroup.New(ctx, d.logical, "tasks of service "+d.Name+", reached by the load balancer", in.network.vpcID, pulumi.Parent(d))
	if err != nil {
		return err
	}
	ingress, err := in.balancer.allowTasks(ctx, d.group, d.Port, pulumi.Parent(d))
	if err != nil {
		return err
	}
	egress, err := in.network.allowEgress(d.group, pulumi.Parent(d))
	d.before = append(ingress, egress...)
	return err
}

// newResources makes everything else, from the repository to the ECS service.
func (d *deployment) newResources(ctx *pulumi.Context, in *shared) error {
	parent := pulumi.Parent(d)
	var err error
	if d.image, err = newImage(ctx, d, in, parent); err != nil {
		return err
	}
	d.logs, err = cloudwatch.NewLogGroup(ctx, d.logical, &cloudwatch.LogGroupArgs{
		NamePrefix:      pulumi.Sprintf("/ecs/%s-%s/%s-", ctx.Project(), ctx.Stack(), d.Name),
		RetentionInDays: pulumi.Int(in.LogRetentionDays),
		KmsKeyId:        in.KmsKeyArn,
	}, parent)
	if err != nil {
		return fmt.Errorf("creating log group: %w", err)
	}
	roles, err := newRoles(ctx, d, in, parent)
	if err != nil {
		return err
	}
	task, err := newTaskDefinition(ctx, d, in, roles, parent)
	if err != nil {
		return err
	}
	if err := d.newTargetGroup(ctx, in, parent); err != nil {
		return err
	}
	names, err := servicediscovery.NewService(ctx, d.logical, &servicediscovery.ServiceArgs{
		Name:        pulumi.String(d.Name),
		Description: pulumi.String("tasks of service " + d.Name),
		DnsConfig: servicediscovery.ServiceDnsConfigArgs{
			NamespaceId:   in.cluster.namespace.ID(),
			RoutingPolicy: pulumi.String("MULTIVALUE"),
			DnsRecords:    servicediscovery.ServiceDnsConfigDnsRecordArray{servicediscovery.ServiceDnsConfigDnsRecordArgs{Type: pulumi.String("A"), Ttl: pulumi.Int(10)}},
		},
		// ECS reports the health of its tasks itself; AWS fixes the threshold at 1.
		HealthCheckCustomConfig: servicediscovery.ServiceHealthCheckCustomConfigArgs{FailureThreshold: pulumi.Int(1)},
		// Instances that a stopped task left behind would keep the entry, and so the namespace, from being deleted.
		ForceDestroy: pulumi.Bool(true),
	}, parent)
	if err != nil {
		return fmt.Errorf("creating Cloud Map service: %w", err)
	}

	d.before = append(d.before, in.cluster.capacity) // "The specified capacity provider was not found"
	d.before = append(d.before, d.logs)              // tasks may not create groups: they would not start
	d.before = append(d.before, roles.policies...)   // tasks could not pull their image
	d.before = append(d.before, in.cluster.logs...)  // Container Insights would make the group itself, and keep it
	d.before = append(d.before, in.network.egress...)
	service, err := d.newECSService(ctx, in, task, names, parent)
	if err != nil {
		return err
	}
	if err := d.newScaling(ctx, in, service, parent); err != nil {
		return err
	}
	d.ServiceName = service.Name
	d.ImageDigest = d.deployed(ctx, in, service, task)
	return ctx.RegisterResourceOutputs(d, pulumi.Map{"serviceName": d.ServiceName, "imageDigest": d.ImageDigest})
}

// newTargetGroup makes the target group, and the listener rule that sends the service's path there.
func (d *deployment) newTargetGroup(ctx *pulumi.Context, in *shared, opts ...pulumi.ResourceOption) (err error) {
	// AWS refuses a rule of a second load balancer for a target group: "TargetGroupAssociationLimit".
	// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html
	another := pulumi.ReplacementTrigger(pulumi.String(in.balancer.arn))
	d.targets, err = lb.NewTargetGroup(ctx, d.logical, &lb.TargetGroupArgs{
		VpcId:               in.network.vpcID,
		TargetType:          pulumi.String("ip"), // Fargate tasks have an address, not an instance
		Protocol:            pulumi.String("HTTP"),
		Port:                pulumi.Int(d.Port),
		DeregistrationDelay: pulumi.Int(in.DeregistrationDelay),
		HealthCheck: lb.TargetGroupHealthCheckArgs{
			Path:               pulumi.String(d.HealthPath()),
			Matcher:            pulumi.String("200"),
			Interval:           pulumi.Int(in.HealthCheckInterval),
			Timeout:            pulumi.Int(in.HealthCheckTimeout),
			HealthyThreshold:   pulumi.Int(healthyChecks),
			UnhealthyThreshold: pulumi.Int(unhealthyChecks),
		},
	}, append(opts, another)...)
	if err != nil {
		return fmt.Errorf("creating target group: %w", err)
	}
	d.rule, err = lb.NewListenerRule(ctx, d.logical, &lb.ListenerRuleArgs{
		ListenerArn: in.balancer.listenerArn,
		Priority:    pulumi.Int(d.Priority),
		Conditions: lb.ListenerRuleConditionArray{lb.ListenerRuleConditionArgs{
			PathPattern: lb.ListenerRuleConditionPathPatternArgs{Values: pulumi.ToStringArray([]string{d.pathPattern()})},
		}},
		Actions: lb.ListenerRuleActionArray{lb.ListenerRuleActionArgs{Type: pulumi.String("forward"), TargetGroupArn: d.targets.Arn}},
	}, opts...)
	if err != nil {
		return fmt.Errorf("creating listener rule: %w", err)
	}
	d.before = append(d.before, d.rule) // "The target group ... does not have an associated load balancer"
	return nil
}

func (d *deployment) newECSService(ctx *pulumi.Context, in *shared, task *ecs.TaskDefinition, names *servicediscovery.Service, opts ...pulumi.ResourceOption) (*ecs.Service, error) {
	hooks, err := d.rememberDeployment(ctx, in)
	if err != nil {
		return nil, err
	}
	count, err := d.decidesCount(ctx, in)
	if err != nil {
		return nil, err
	}
	// Tasks stop no slower when the service is deleted; the provider's own limit is 20 minutes.
	waitForDeletion := fmt.Sprintf("%dm", max(20, in.DeploymentTimeout))
	service, err := ecs.NewService(ctx, d.logical, &ecs.ServiceArgs{
		Cluster:                    in.cluster.Arn,
		TaskDefinition:             task.Arn,
		DesiredCount:               pulumi.Int(d.startCount()),
		CapacityProviderStrategies: in.cluster.strategy,
		PlatformVersion:            pulumi.String("LATEST"),
		// Another strategy then starts a deployment; without it, it would replace the service.
		ForceNewDeployment: pulumi.Bool(true),
		NetworkConfiguration: ecs.ServiceNetworkConfigurationArgs{
			Subnets:        in.network.privateSubnets,
			SecurityGroups: pulumi.StringArray{d.group.ID()},
			AssignPublicIp: pulumi.Bool(false),
		},
		LoadBalancers: ecs.ServiceLoadBalancerArray{ecs.ServiceLoadBalancerArgs{
			TargetGroupArn: d.targets.Arn, ContainerName: pulumi.String(d.Name), ContainerPort: pulumi.Int(d.Port),
		}},
		ServiceRegistries:               ecs.ServiceServiceRegistriesArgs{RegistryArn: names.Arn},
		DeploymentCircuitBreaker:        ecs.ServiceDeploymentCircuitBreakerArgs{Enable: pulumi.Bool(true), Rollback: pulumi.Bool(true)},
		DeploymentMinimumHealthyPercent: pulumi.Int(100),
		DeploymentMaximumPercent:        pulumi.Int(200),
		HealthCheckGracePeriodSeconds:   pulumi.Int(in.HealthCheckInterval * healthyChecks),
		AvailabilityZoneRebalancing:     pulumi.String("ENABLED"),
		PropagateTags:                   pulumi.String("SERVICE"),
		EnableEcsManagedTags:            pulumi.Bool(true),
		Tags:                            d.scalingTags(),
	}, append(opts,
		count,
		pulumi.DependsOn(d.before),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Delete: waitForDeletion}),
		pulumi.ResourceHooks(hooks),
	)...)
	if err != nil {
		return nil, fmt.Errorf("creating ECS service: %w", err)
	}
	return service, nil
}
