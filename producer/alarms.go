package producer

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/rollout"
)

// An alarm goes off after two bad minutes of three: one is over before anybody has looked.
const (
	alarmPeriod   = 60 // seconds, in which load balancers report: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
	alarmPeriods  = 3
	alarmBreaches = 2
)

// What a minute must have to count.
const (
	minErrors   = 5   // with them at least 5 requests: one error in two is no page, yet a service that nobody gets an answer from is one
	minRequests = 100 // of fewer, the slowest 1 % is a single request
)

// bakeTime is the seconds that ECS goes on watching the alarms once the new tasks alone are there. It derives them from the
// alarms; AWS does not say how. Here they are the time that an alarm looks back on.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
func (a *Args) bakeTime() int {
	if !a.Alarms {
		return 0
	}
	return alarmPeriod * alarmPeriods
}

// alarm is an alarm on what the load balancer says of a service.
type alarm struct {
	name       string
	says       string // what is wrong
	heading    string // in docs/operations.md
	metric     metric
	expression string // metric math on the metric, by its id, and requests
	threshold  int
}

type metric struct{ id, name, stat string }

// alarmsOf are the alarms of a service. Load balancers report neither requests nor errors in a minute without any. Without
// requests an expression has no value either.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
func (a *Args) alarmsOf(service string) []alarm {
	t := a.AlarmThresholds
	return []alarm{{
		name: "errors", heading: "A service answers with errors",
		says:       fmt.Sprintf("More than %d %% of what service %s answers is an error (5xx).", t.ServiceErrorPercent, service),
		metric:     metric{"errors", "HTTPCode_Target_5XX_Count", "Sum"},
		expression: fmt.Sprintf("100 * FILL(errors, 0) / requests * (FILL(errors, 0) >= %d)", minErrors),
		threshold:  t.ServiceErrorPercent,
	}, {
		name: "latency", heading: "A service is slow",
		says:       fmt.Sprintf("Service %s takes more than %d ms for one request in a hundred.", service, t.ServiceP99Milliseconds),
		metric:     metric{"seconds", "TargetResponseTime", "p99"},
		expression: fmt.Sprintf("1000 * seconds * (requests >= %d)", minRequests),
		threshold:  t.ServiceP99Milliseconds,
	}}
}

// newAlarms makes the alarms that guard the deployments of a service; nil without the setting.
func (d *deployment) newAlarms(ctx *pulumi.Context, in *shared, opts ...pulumi.ResourceOption) (ecs.ServiceAlarmsPtrInput, error) {
	if !in.Alarms {
		return nil, nil
	}
	var actions pulumi.ArrayInput
	if in.AlarmActions != nil {
		actions = in.AlarmActions.ToStringArrayOutput().ApplyT(func(topics []string) (all []any) {
			for _, topic := range topics {
				all = append(all, topic)
			}
			return all
		}).(pulumi.ArrayOutput)
	}
	dimensions := pulumi.StringMap{"LoadBalancer": in.balancer.arnSuffix, "TargetGroup": d.targets.ArnSuffix}
	query := func(m metric) cloudwatch.MetricAlarmMetricQueryArgs {
		return cloudwatch.MetricAlarmMetricQueryArgs{Id: pulumi.String(m.id), Metric: cloudwatch.MetricAlarmMetricQueryMetricArgs{
			Namespace: pulumi.String("AWS/ApplicationELB"), MetricName: pulumi.String(m.name), Dimensions: dimensions,
			Stat: pulumi.String(m.stat), Period: pulumi.Int(alarmPeriod),
		}}
	}
	names := pulumi.StringArray{}
	for _, a := range in.alarmsOf(d.Name) {
		made, err := cloudwatch.NewMetricAlarm(ctx, d.logical+"-"+a.name, &cloudwatch.MetricAlarmArgs{
			AlarmDescription: pulumi.Sprintf("%s See docs/operations.md#%s", a.says, rollout.Anchor(a.heading)),
			AlarmActions:     actions,
			MetricQueries: cloudwatch.MetricAlarmMetricQueryArray{
				cloudwatch.MetricAlarmMetricQueryArgs{Id: pulumi.String("value"), Label: pulumi.String(a.name), Expression: pulumi.String(a.expression), ReturnData: pulumi.Bool(true)},
				query(a.metric), query(metric{"requests", "RequestCount", "Sum"}),
			},
			ComparisonOperator: pulumi.String("GreaterThanThreshold"),
			Threshold:          pulumi.Float64(a.threshold),
			EvaluationPeriods:  pulumi.Int(alarmPeriods),
			DatapointsToAlarm:  pulumi.Int(alarmBreaches),
			TreatMissingData:   pulumi.String("notBreaching"),
		}, opts...)
		if err != nil {
			return nil, fmt.Errorf("creating alarm: %w", err)
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
		_ = ctx.Log.Warn(fmt.Sprintf("service %s: alarms that are red before the deployment, in which ECS then watches none: %s. See docs/operations.md#%s",
			d.Name, strings.Join(red, "; "), rollout.Anchor("An alarm stops a deployment")), nil)
	}
}
