package consumer

import (
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// leads are the inputs of routes and integrations that say where requests go.
var leads = []resource.PropertyKey{"target", "connectionId", "integrationUri"}

// drain returns the option of a route or an integration that gives requests under way their time. They still go where they
// went before the change: to an integration, VPC link or listener that the engine deletes at the end of the update.
func drain(ctx *pulumi.Context, name string, args *Args) (pulumi.ResourceOption, error) {
	if ctx.DryRun() || ctx.RunningWithMocks() {
		return pulumi.ResourceHooks(nil), nil
	}
	hook, err := ctx.RegisterResourceHook(name+"-drain", func(change *pulumi.ResourceHookArgs) error {
		wait := drainTime(change, time.Duration(args.IntegrationTimeout)*time.Second)
		if wait == 0 {
			return nil
		}
		_ = ctx.Log.Info(fmt.Sprintf("requests go another way now; waiting %v for those under way", wait), nil)
		select {
		case <-time.After(wait):
		case <-ctx.Context().Done():
		}
		return nil
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("registering hook: %w", err)
	}
	return pulumi.ResourceHooks(&pulumi.ResourceHookBinding{AfterUpdate: []*pulumi.ResourceHook{hook}}), nil
}

// drainTime is how long requests may go on that began before a change: as long as the integration's timeout let them, 0
// if the change leads none elsewhere.
func drainTime(change *pulumi.ResourceHookArgs, timeout time.Duration) time.Duration {
	for _, key := range leads {
		if change.OldInputs[key].DeepEquals(change.NewInputs[key]) {
			continue
		}
		if before := change.OldInputs["timeoutMilliseconds"]; before.IsNumber() {
			timeout = max(timeout, time.Duration(before.NumberValue())*time.Millisecond)
		}
		return timeout
	}
	return 0
}
