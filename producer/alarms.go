package producer

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/alarm"
	"private-api/internal/rollout"
)

// bakeTime is the seconds that ECS goes on watching the alarms once the new tasks alone are there. It derives them from the
// alarms; AWS does not say how. Here they are the time that an alarm looks back on.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
func (a *Args) bakeTime() int {
	if !a.Alarms {
		return 0
	}
	return alarm.Period * alarm.Periods
}

// Headings of docs/operations.md that the alarms of services lead to.
const (
	headingErrors  = "A service answers with errors"
	headingLatency = "A service is slow"
)

// newAlarms makes the alarms that guard the deployments of a service, on what the load balancer says of it; nil without the
// setting.
func (d *deployment) newAlarms(ctx *pulumi.Context, in *shared, opts ...pulumi.ResourceOption) (ecs.ServiceAlarmsPtrInput, error) {
	if !in.Alarms {
		return nil, nil
	}
	source := alarm.Source{
		Namespace: "AWS/ApplicationELB", Requests: "RequestCount",
		Dimensions: pulumi.StringMap{"LoadBalancer": in.balancer.arnSuffix, "TargetGroup": d.targets.ArnSuffix},
	}
	limits, names := in.AlarmThresholds, pulumi.StringArray{}
	for _, a := range []struct {
		name, heading, says string
		args                *cloudwatch.MetricAlarmArgs
	}{
		{"errors", headingErrors, fmt.Sprintf("More than %d %% of what service %s answers is an error (5xx).", limits.ServiceErrorPercent, d.Name),
			alarm.Errors(source, "HTTPCode_Target_5XX_Count", limits.ServiceErrorPercent)},
		{"latency", headingLatency, fmt.Sprintf("Service %s takes more than %d ms for one request in a hundred.", d.Name, limits.ServiceP99Milliseconds),
			alarm.Latency(source, "TargetResponseTime", 1000, limits.ServiceP99Milliseconds)},
	} {
		made, err := alarm.New(ctx, d.logical+"-"+a.name, alarm.About{Says: a.says, Heading: a.heading, Topics: in.AlarmActions}, a.args, opts...)
		if err != nil {
			return nil, err
		}
		names = append(names, made.ID().ToStringOutput()) // which is the name
	}
	return ecs.ServiceAlarmsArgs{Enable: pulumi.Bool(true), Rollback: pulumi.Bool(true), AlarmNames: names}, nil
}

// warnOfRed warns of alarms that are red before a deployment, which they then do not guard.
func (d *deployment) warnOfRed(ctx *pulumi.Context, watcher *rollout.Watcher, change *pulumi.ResourceHookArgs) {
	guard := change.NewInputs["alarms"]
	if !guard.IsObject() {
		return
	}
	var names []string
	for _, name := range guard.ObjectValue()["alarmNames"].ArrayValue() {
		names = append(names, name.StringValue())
	}
	red, err := watcher.Red(ctx.Context(), names)
	if err != nil {
		red = []string{fmt.Sprintf("unknown: %v", err)}
	}
	if len(red) > 0 {
		_ = ctx.Log.Warn(fmt.Sprintf("service %s: ECS watches no alarms in this deployment, as some are red before it: %s See docs/operations.md#%s",
			d.Name, strings.Join(red, "; "), rollout.Anchor("An alarm stops a deployment")), nil)
	}
}
