// Package alarm makes CloudWatch alarms that each lead to their heading in docs/operations.md.
package alarm

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/rollout"
)

// An alarm on requests goes off after two bad minutes of three: one is over before anybody has looked.
const (
	Period   = 60 // seconds, in which load balancers and APIs report
	Periods  = 3
	breaches = 2
)

// What a minute must have to count.
const (
	minErrors   = 5   // with them at least 5 requests: one error in two is no page, yet a service that nobody gets an answer from is one
	minRequests = 100 // of fewer, the slowest 1 % is a single request
)

// About is what a person is told of an alarm, and who is told.
type About struct {
	Says    string                  // what is wrong
	Heading string                  // in docs/operations.md
	Topics  pulumi.StringArrayInput // ARNs of SNS topics; nil: none
}

// Source is where the metrics of requests come from.
type Source struct {
	Namespace  string
	Dimensions pulumi.StringMap
	Requests   string // name of the metric that counts them
}

// New makes an alarm.
func New(ctx *pulumi.Context, name string, a About, args *cloudwatch.MetricAlarmArgs, opts ...pulumi.ResourceOption) (*cloudwatch.MetricAlarm, error) {
	args.AlarmDescription = pulumi.Sprintf("%s See docs/operations.md#%s", a.Says, rollout.Anchor(a.Heading))
	if a.Topics != nil {
		topics := a.Topics.ToStringArrayOutput().ApplyT(func(topics []string) (all []any) {
			for _, topic := range topics {
				all = append(all, topic)
			}
			return all
		}).(pulumi.ArrayOutput)
		args.AlarmActions, args.OkActions = topics, topics
	}
	made, err := cloudwatch.NewMetricAlarm(ctx, name, args, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating alarm %s: %w", name, err)
	}
	return made, nil
}

// Errors has an alarm go off if more than percent of the answers are errors, which a metric counts. There is no number of
// errors in a minute without any, and without requests the share has no value.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
func Errors(s Source, metric string, percent int) *cloudwatch.MetricAlarmArgs {
	return s.on(metric, "Sum", fmt.Sprintf("100 * FILL(value, 0) / requests * (FILL(value, 0) >= %d)", minErrors), percent)
}

// Latency has an alarm go off if one request in a hundred takes more than limit milliseconds. The unit is what a metric has of
// them: 1 of milliseconds, 1000 of seconds.
func Latency(s Source, metric string, unit, limit int) *cloudwatch.MetricAlarmArgs {
	return s.on(metric, "p99", fmt.Sprintf("%d * value * (requests >= %d)", unit, minRequests), limit)
}

func (s Source) on(metric, stat, expression string, threshold int) *cloudwatch.MetricAlarmArgs {
	query := func(id, name, stat string) cloudwatch.MetricAlarmMetricQueryArgs {
		return cloudwatch.MetricAlarmMetricQueryArgs{Id: pulumi.String(id), Metric: cloudwatch.MetricAlarmMetricQueryMetricArgs{
			Namespace: pulumi.String(s.Namespace), MetricName: pulumi.String(name), Dimensions: s.Dimensions, Stat: pulumi.String(stat), Period: pulumi.Int(Period),
		}}
	}
	return &cloudwatch.MetricAlarmArgs{
		MetricQueries: cloudwatch.MetricAlarmMetricQueryArray{
			query("value", metric, stat), query("requests", s.Requests, "Sum"),
			cloudwatch.MetricAlarmMetricQueryArgs{Id: pulumi.String("alarm"), Expression: pulumi.String(expression), Label: pulumi.String(metric), ReturnData: pulumi.Bool(true)},
		},
		EvaluationPeriods: pulumi.Int(Periods), DatapointsToAlarm: pulumi.Int(breaches),
		ComparisonOperator: pulumi.String("GreaterThanThreshold"), Threshold: pulumi.Float64(threshold),
		TreatMissingData: pulumi.String("notBreaching"), // no traffic is no alarm
	}
}
