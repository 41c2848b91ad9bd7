package producer

import (
	"fmt"
	"os"
	"time"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/rollout"
)

// asksECS tells whether the update waits for the outcome of deployments: not in a preview, nor where there is no AWS.
func (a *Args) asksECS(ctx *pulumi.Context) bool {
	return a.WaitForSteadyState && !ctx.DryRun() && !ctx.RunningWithMocks()
}

// rememberDeployment makes the hooks that run before the ECS service changes. They note its newest deployment, as the one
// that the change starts is any other, and nobody reports its id.
func (d *deployment) rememberDeployment(ctx *pulumi.Context, in *shared) (*pulumi.ResourceHookBinding, error) {
	if !in.asksECS(ctx) {
		return nil, nil
	}
	hook, err := ctx.RegisterResourceHook(d.logical+"-deployment", func(change *pulumi.ResourceHookArgs) error {
		newest := ""
		if cluster := change.OldOutputs["cluster"]; cluster.IsString() {
			cfg, err := in.awsConfig(ctx.Context())
			watcher := rollout.New(cfg)
			if err == nil {
				newest, err = watcher.Newest(ctx.Context(), cluster.StringValue(), string(change.ID))
			}
			if err != nil {
				return fmt.Errorf("service %s: nothing was changed, as AWS does not say what is deployed: %w", d.Name, err)
			}
			if in.Alarms {
				d.warnOfRed(ctx, watcher, change)
			}
		}
		d.previous.Store(&newest)
		return nil
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("registering hook: %w", err)
	}
	hooks := []*pulumi.ResourceHook{hook}
	return &pulumi.ResourceHookBinding{BeforeCreate: hooks, BeforeUpdate: hooks}, nil
}

// deployed returns the digest of the image once ECS says that it serves. It fails, and with it the update, if ECS says
// that it does not.
func (d *deployment) deployed(ctx *pulumi.Context, in *shared, service *ecs.Service, task *ecs.TaskDefinition) pulumi.StringOutput {
	all := pulumi.All(d.image.digest, service.ID(), in.cluster.Arn, task.Arn, d.targets.Arn, d.logs.Name)
	return all.ApplyT(func(v []any) (string, error) {
		digest := v[0].(string)
		if !in.asksECS(ctx) {
			return digest, nil
		}
		cfg, err := in.awsConfig(ctx.Context())
		if err != nil {
			return "", err
		}
		w := rollout.New(cfg)
		w.Limit = time.Duration(in.DeploymentTimeout) * time.Minute
		about := pulumi.LogArgs{Resource: service, Ephemeral: true}
		if os.Getenv("CI") != "" { // where nothing ephemeral is shown
			about.Ephemeral, w.Every = false, 30*time.Second
		}
		w.Report = func(text string) { _ = ctx.Log.Info(text, &about) }
		w.Warn = func(text string) { _ = ctx.Log.Warn(text, &pulumi.LogArgs{Resource: service}) }
		err = w.Wait(ctx.Context(), rollout.Service{
			Name: d.Name, Digest: digest, ARN: string(v[1].(pulumi.ID)), Cluster: v[2].(string),
			TaskDefinition: v[3].(string), TargetGroup: v[4].(string), LogGroup: v[5].(string),
		}, d.previous.Load())
		if err != nil {
			// Here and not in the error, which the engine shows for one service alone.
			_ = ctx.Log.Error(err.Error(), &pulumi.LogArgs{Resource: service})
			return "", fmt.Errorf("service %s is not deployed", d.Name)
		}
		return digest, nil
	}).(pulumi.StringOutput)
}
