package producer

import (
	"context"
	"fmt"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	ecssdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// feature is something of an ECS service that the provider does not switch off. While it is on, the service has its tag, by
// which an update sees what it must switch off.
type feature struct {
	tag, value string
	on         bool
	said       string // once it is off
	off        func(ctx context.Context, cfg awssdk.Config, cluster, service string) error
}

func (d *deployment) features(in *shared) []feature {
	return []feature{{
		// The state may hold a count of long ago, in which the provider sees no difference.
		tag: "ScaledBy", value: "application-autoscaling", on: d.Scaling.Max > 0,
		said: fmt.Sprintf("scaling is off, the count is %d", d.DesiredCount),
		off: func(ctx context.Context, cfg awssdk.Config, cluster, service string) error {
			return endScaling(ctx, cfg, cluster, service, d.DesiredCount)
		},
	}, {
		// ECS keeps alarms that an update does not name, and the provider cannot name none.
		// Source: https://github.com/aws/copilot-cli/pull/4565
		tag: "GuardedBy", value: "cloudwatch-alarms", on: in.Alarms,
		said: "alarms guard its deployments no more",
		off:  endGuard,
	}}
}

// endGuard has ECS watch no alarms in the deployments of a service.
func endGuard(ctx context.Context, cfg awssdk.Config, cluster, service string) error {
	_, err := ecssdk.NewFromConfig(cfg).UpdateService(ctx, &ecssdk.UpdateServiceInput{
		Cluster: &cluster, Service: &service,
		DeploymentConfiguration: &types.DeploymentConfiguration{Alarms: &types.DeploymentAlarms{AlarmNames: []string{}}},
	})
	return err
}

// tags are those of the ECS service.
func (d *deployment) tags(in *shared) pulumi.StringMapInput {
	tags := map[string]string{}
	for _, f := range d.features(in) {
		if f.on {
			tags[f.tag] = f.value
		}
	}
	if len(tags) == 0 {
		return nil
	}
	return pulumi.ToStringMap(tags)
}

// switchesOff returns the options of the ECS service by which an update leaves alone what is not its own, and switches off
// what was on until then, before anything else about the service.
func (d *deployment) switchesOff(ctx *pulumi.Context, in *shared) ([]pulumi.ResourceOption, error) {
	var left []string
	if d.Scaling.Max > 0 {
		left = append(left, "desiredCount") // is scaling's
	}
	if !in.Alarms {
		left = append(left, "alarms") // of which the state may hold some
	}
	options := []pulumi.ResourceOption{pulumi.IgnoreChanges(left)}
	if ctx.DryRun() || ctx.RunningWithMocks() {
		return options, nil
	}
	hook, err := ctx.RegisterResourceHook(d.logical+"-off", func(change *pulumi.ResourceHookArgs) error {
		for _, f := range d.features(in) {
			if f.on || !f.marks(change.OldInputs) {
				continue
			}
			cfg, err := in.awsConfig(ctx.Context())
			if err == nil {
				err = f.off(ctx.Context(), cfg, change.OldOutputs["cluster"].StringValue(), change.OldOutputs["name"].StringValue())
			}
			if err != nil {
				return fmt.Errorf("service %s: %s of tag %s could not be switched off: %w", d.Name, f.value, f.tag, err)
			}
			_ = ctx.Log.Info(fmt.Sprintf("service %s: %s", d.Name, f.said), nil)
		}
		return nil
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("registering hook: %w", err)
	}
	return append(options, pulumi.ResourceHooks(&pulumi.ResourceHookBinding{BeforeUpdate: []*pulumi.ResourceHook{hook}})), nil
}

// marks tells whether an ECS service has the tag of a feature.
func (f *feature) marks(service resource.PropertyMap) bool {
	tags := service["tags"]
	return tags.IsObject() && tags.ObjectValue()[resource.PropertyKey(f.tag)].DeepEquals(resource.NewProperty(f.value))
}
