package operations

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/rollout"
)

// Headings of docs/operations.md that alarms lead to.
const (
	headingErrors  = "The API answers with errors"
	headingLatency = "The API is slow"
	headingTasks   = "Too few tasks are healthy"
)

// Headings are the headings of docs/operations.md that alarms lead to.
func Headings() []string { return []string{headingErrors, headingLatency, headingTasks} }

// An alarm on requests goes off after two bad minutes of three: one is over before anybody has looked. A minute counts if it
// has so many errors or requests: an error in two requests is no alarm, and the slowest 1 % of few are less than one request.
const (
	alarmPeriod   = 60 // seconds, in which API Gateway reports: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
	alarmPeriods  = 3
	alarmBreaches = 2
	minErrors     = 5
	minRequests   = 100
)

// What a lack of data means to an alarm.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
const (
	isFine = "notBreaching" // no traffic is no alarm
	isBad  = "breaching"    // no tasks is one
)

// newAlarms makes the alarms of the API, and of the tasks if they are the stack's own. It returns their ARNs.
func newAlarms(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (all pulumi.StringArray, err error) {
	add := func(logical, says, heading string, alarm *cloudwatch.MetricAlarmArgs) {
		if err != nil {
			return
		}
		alarm.AlarmDescription = pulumi.Sprintf("%s See docs/operations.md#%s", says, rollout.Anchor(heading))
		if args.AlarmActions != nil {
			tell := args.AlarmActions.ToStringArrayOutput().ApplyT(func(topics []string) []any {
				var all []any
				for _, topic := range topics {
					all = append(all, topic)
				}
				return all
			}).(pulumi.ArrayOutput)
			alarm.AlarmActions, alarm.OkActions = tell, tell
		}
		var made *cloudwatch.MetricAlarm
		if made, err = cloudwatch.NewMetricAlarm(ctx, name+"-"+logical, alarm, opts...); err != nil {
			err = fmt.Errorf("creating alarm %s: %w", logical, err)
			return
		}
		all = append(all, made.Arn)
	}
	limits := args.AlarmThresholds
	add("errors", fmt.Sprintf("More than %d %% of the answers of the API are errors (5xx).", limits.APIErrorPercent), headingErrors,
		// A minute without requests has no value.
		onRequests(args.APIID, limits.APIErrorPercent, fmt.Sprintf("100 * FILL(value, 0) / requests * (FILL(value, 0) >= %d)", minErrors), "5xx", "Sum"))
	add("latency", fmt.Sprintf("The API takes more than %d ms for one request in a hundred.", limits.APIP99Milliseconds), headingLatency,
		onRequests(args.APIID, limits.APIP99Milliseconds, fmt.Sprintf("value * (requests >= %d)", minRequests), "Latency", "p99"))
	if args.Existing {
		return all, err
	}
	for _, s := range args.Services {
		add("tasks-"+s.Name, fmt.Sprintf("Service %s has had fewer healthy tasks than %d for %d minutes.", s.Name, s.MinCount, args.ReplaceTime), headingTasks,
			&cloudwatch.MetricAlarmArgs{
				// Each node of the load balancer checks each target, so that a sum would count them twice. The lowest of the counts
				// also tells of a zone from which targets cannot be reached. Without a target there is no data.
				// Sources: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html,
				// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
				Namespace: pulumi.String("AWS/ApplicationELB"), MetricName: pulumi.String("HealthyHostCount"), Statistic: pulumi.String("Minimum"),
				Dimensions: pulumi.StringMap{
					"LoadBalancer": args.LoadBalancer, "TargetGroup": args.TargetGroups.ToStringMapOutput().MapIndex(pulumi.String(s.Name)),
				},
				// As long as ECS may take to replace a task. Deployments and scaling keep the count all the time.
				Period: pulumi.Int(alarmPeriod), EvaluationPeriods: pulumi.Int(args.ReplaceTime),
				ComparisonOperator: pulumi.String("LessThanThreshold"), Threshold: pulumi.Float64(s.MinCount),
				TreatMissingData: pulumi.String(isBad),
			})
	}
	return all, err
}

// onRequests is an alarm on metric math of a metric of the API and the number of requests. The period of each is a minute.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
func onRequests(api pulumi.StringInput, threshold int, expression, metric, stat string) *cloudwatch.MetricAlarmArgs {
	query := func(id, metric, stat string) cloudwatch.MetricAlarmMetricQueryArgs {
		return cloudwatch.MetricAlarmMetricQueryArgs{
			Id: pulumi.String(id),
			Metric: cloudwatch.MetricAlarmMetricQueryMetricArgs{
				Namespace: pulumi.String("AWS/ApiGateway"), MetricName: pulumi.String(metric), Stat: pulumi.String(stat), Period: pulumi.Int(alarmPeriod),
				Dimensions: pulumi.StringMap{"ApiId": api},
			},
		}
	}
	return &cloudwatch.MetricAlarmArgs{
		MetricQueries: cloudwatch.MetricAlarmMetricQueryArray{
			query("value", metric, stat), query("requests", "Count", "Sum"),
			cloudwatch.MetricAlarmMetricQueryArgs{Id: pulumi.String("alarm"), Expression: pulumi.String(expression), Label: pulumi.String(metric), ReturnData: pulumi.Bool(true)},
		},
		EvaluationPeriods: pulumi.Int(alarmPeriods), DatapointsToAlarm: pulumi.Int(alarmBreaches),
		ComparisonOperator: pulumi.String("GreaterThanThreshold"), Threshold: pulumi.Float64(threshold),
		TreatMissingData: pulumi.String(isFine),
	}
}
