package producer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scalingtypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	ecssdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/appautoscaling"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/setting"
)

// Scaling says how the number of a service's tasks follows its load. Without Max it is off.
type Scaling struct {
	Min, Max          int // tasks
	CPU               int // percent of the CPU that the tasks have, on average
	RequestsPerTarget int // a minute that a task gets, on average; 0: they do not count
}

// What a scalable target of ECS is called.
// Source: https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html
const (
	scalingNamespace = "ecs"
	scalingDimension = "ecs:service:DesiredCount"
)

// scaleOutCooldown is the seconds from one scale-out to the next. AWS's 300 would let a burst wait. In a minute new tasks pull
// their image and pass their health checks, and those already started count towards the next step.
// Source: https://docs.aws.amazon.com/autoscaling/application/APIReference/API_TargetTrackingScalingPolicyConfiguration.html
const scaleOutCooldown = 60

// declare declares the settings. The fallback is what holds without them.
func (s *Scaling) declare(set *setting.Set, fallback Scaling, meaning string) {
	setting.Object(set, "scaling", meaning, func(set *setting.Set) {
		setting.Var(set, &s.Min, "min", fallback.Min, "Fewest tasks", setting.InPlace, setting.Between(1, maxTasks, "tasks"))
		setting.Var(set, &s.Max, "max", fallback.Max, "Most tasks; switches scaling on", "in place; without it, the count is `desiredCount` again",
			setting.Between(1, maxTasks, "tasks"))
		setting.Var(set, &s.CPU, "cpu", fallback.CPU, "Average CPU to aim at, in percent", setting.InPlace, setting.Between(1, 100, "percent"))
		setting.Var(set, &s.RequestsPerTarget, "requestsPerTarget", fallback.RequestsPerTarget,
			"Requests a minute to aim at for each task, besides the CPU", setting.InPlace, setting.Must("1 or more", func(n int) bool { return n >= 1 }))
	})
}

// or fills in what is not set.
func (s Scaling) or(fallback Scaling) Scaling {
	return Scaling{
		Min: cmp.Or(s.Min, fallback.Min), Max: cmp.Or(s.Max, fallback.Max),
		CPU: cmp.Or(s.CPU, fallback.CPU), RequestsPerTarget: cmp.Or(s.RequestsPerTarget, fallback.RequestsPerTarget),
	}
}

// validateScaling checks what the settings of scaling say together.
func (a *Args) validateScaling(p *setting.Problems) {
	check := func(key string, s Scaling) {
		switch {
		case slices.ContainsFunc(*p, func(other *setting.Problem) bool { return other.Key == key+".max" }): // it is refused already
		case s.Max == 0:
			p.Add(key+".max", nil, "the most tasks, 1 to %d, as another field of scaling is set", maxTasks)
		case s.Min > s.Max:
			p.Add(key+".max", s.Max, "%d tasks or more, which are the fewest (min)", s.Min)
		}
	}
	anyOn := false
	for _, s := range a.Services {
		if s.Scaling != (Scaling{}) {
			check("services."+s.Name+".scaling", s.Scaling.or(a.Scaling))
		}
		anyOn = anyOn || s.Scaling.Max > 0
	}
	if a.Scaling.Max > 0 || !anyOn && a.Scaling != DefaultArgs().Scaling {
		check("scaling", a.Scaling)
	}
}

// startCount is the number of tasks that a new service starts with.
func (s *Service) startCount() int {
	if s.Scaling.Max == 0 {
		return s.DesiredCount
	}
	return min(max(s.DesiredCount, s.Scaling.Min), s.Scaling.Max)
}

// Tasks returns how many tasks of a service should run at least, and how many scaling lets run; 0 if it is not scaled.
func (a *Args) Tasks(s Service) (least, most int) {
	s = withDefaults(s, a)
	if s.Scaling.Max == 0 {
		return s.DesiredCount, 0
	}
	return s.Scaling.Min, s.Scaling.Max
}

// mostTasks is the number of tasks that a service has at most, outside of deployments.
func (s *Service) mostTasks() int { return cmp.Or(s.Scaling.Max, s.DesiredCount) }

// endScaling deletes the scalable target of an ECS service, which ends its policies too, and then sets the count. Pulumi
// deletes what is gone without an error.
// Source: https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DeregisterScalableTarget.html
//
// A delete hook of the scalable target would come too late, as Pulumi deletes it last, and scaling could change the count
// once more until then. And Pulumi refuses to destroy resources with delete hooks unless it is told to run the program.
// Source: https://github.com/pulumi/pulumi/blob/v3.230.0/pkg/engine/destroy.go
func endScaling(ctx context.Context, cfg awssdk.Config, cluster, name string, count int) error {
	_, err := applicationautoscaling.NewFromConfig(cfg).DeregisterScalableTarget(ctx, &applicationautoscaling.DeregisterScalableTargetInput{
		ServiceNamespace: scalingNamespace, ScalableDimension: scalingDimension, ResourceId: awssdk.String(scalableTarget(cluster, name)),
	})
	if gone := new(scalingtypes.ObjectNotFoundException); err != nil && !errors.As(err, &gone) {
		return err
	}
	_, err = ecssdk.NewFromConfig(cfg).UpdateService(ctx, &ecssdk.UpdateServiceInput{
		Cluster: &cluster, Service: &name, DesiredCount: awssdk.Int32(int32(count)),
	})
	return err
}

// scalableTarget is the id of the scalable target of an ECS service. The cluster may be an ARN.
func scalableTarget(cluster, service string) string {
	return fmt.Sprintf("service/%s/%s", path.Base(cluster), service)
}

// newScaling lets the number of tasks follow the load. AWS does not scale in while a deployment is under way.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-auto-scaling.html
func (d *deployment) newScaling(ctx *pulumi.Context, in *shared, service *ecs.Service, opts ...pulumi.ResourceOption) error {
	if d.Scaling.Max == 0 {
		return nil
	}
	target, err := appautoscaling.NewTarget(ctx, d.logical, &appautoscaling.TargetArgs{
		ServiceNamespace:  pulumi.String(scalingNamespace),
		ScalableDimension: pulumi.String(scalingDimension),
		ResourceId: pulumi.All(service.Cluster, service.Name).ApplyT(func(v []any) string {
			return scalableTarget(v[0].(string), v[1].(string))
		}).(pulumi.StringOutput),
		MinCapacity: pulumi.Int(d.Scaling.Min),
		MaxCapacity: pulumi.Int(d.Scaling.Max),
	}, opts...)
	if err != nil {
		return fmt.Errorf("creating scalable target: %w", err)
	}
	follow := func(name, metric string, label pulumi.StringPtrInput, value int, after ...pulumi.Resource) error {
		_, err := appautoscaling.NewPolicy(ctx, d.logical+"-"+name, &appautoscaling.PolicyArgs{
			PolicyType:        pulumi.String("TargetTrackingScaling"),
			ServiceNamespace:  target.ServiceNamespace,
			ScalableDimension: target.ScalableDimension,
			ResourceId:        target.ResourceId,
			TargetTrackingScalingPolicyConfiguration: appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs{
				TargetValue:      pulumi.Float64(value),
				ScaleOutCooldown: pulumi.Int(scaleOutCooldown),
				PredefinedMetricSpecification: appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs{
					PredefinedMetricType: pulumi.String(metric), ResourceLabel: label,
				},
			},
		}, append(opts, pulumi.DependsOn(after))...)
		if err != nil {
			return fmt.Errorf("creating scaling policy: %w", err)
		}
		return nil
	}
	if err := follow("cpu", "ECSServiceAverageCPUUtilization", nil, d.Scaling.CPU); err != nil || d.Scaling.RequestsPerTarget == 0 {
		return err
	}
	// AWS takes a target group only if a rule of the load balancer names it.
	// Source: https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PredefinedMetricSpecification.html (ResourceLabel)
	label := pulumi.Sprintf("%s/%s", in.balancer.arnSuffix, d.targets.ArnSuffix).ToStringPtrOutput()
	return follow("requests", "ALBRequestCountPerTarget", label, d.Scaling.RequestsPerTarget, d.rule)
}
