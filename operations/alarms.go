package operations

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/alarm"
)

// Headings of docs/operations.md that alarms lead to.
const (
	headingErrors  = "The API answers with errors"
	headingLatency = "The API is slow"
	headingTasks   = "Too few tasks are healthy"
)

// Headings are the headings of docs/operations.md that alarms lead to.
func Headings() []string { return []string{headingErrors, headingLatency, headingTasks} }

// newAlarms makes the alarms of the API, and of the tasks if they are the stack's own. It returns their ARNs.
func newAlarms(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (all pulumi.StringArray, err error) {
	add := func(logical, heading, says string, alarmArgs *cloudwatch.MetricAlarmArgs) {
		if err != nil {
			return
		}
		var made *cloudwatch.MetricAlarm
		if made, err = alarm.New(ctx, name+"-"+logical, alarm.About{Says: says, Heading: heading, Topics: args.AlarmActions}, alarmArgs, opts...); err == nil {
			all = append(all, made.Arn)
		}
	}
	limits, api := args.AlarmThresholds, alarm.Source{Namespace: "AWS/ApiGateway", Requests: "Count", Dimensions: pulumi.StringMap{"ApiId": args.APIID}}
	add("errors", headingErrors, fmt.Sprintf("More than %d %% of the answers of the API are errors (5xx).", limits.APIErrorPercent),
		alarm.Errors(api, "5xx", limits.APIErrorPercent))
	add("latency", headingLatency, fmt.Sprintf("The API takes more than %d ms for one request in a hundred.", limits.APIP99Milliseconds),
		alarm.Latency(api, "Latency", 1, limits.APIP99Milliseconds))
	if args.Existing {
		return all, err
	}
	opts = append(opts, afterDeployments(args))
	for _, s := range args.Services {
		add("tasks-"+s.Name, headingTasks, fmt.Sprintf("Service %s has had fewer healthy tasks than %d for %d minutes.", s.Name, s.MinCount, args.ReplaceTime),
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
				Period: pulumi.Int(alarm.Period), EvaluationPeriods: pulumi.Int(args.ReplaceTime),
				ComparisonOperator: pulumi.String("LessThanThreshold"), Threshold: pulumi.Float64(s.MinCount),
				TreatMissingData: pulumi.String("breaching"), // no tasks is an alarm
			})
	}
	return all, err
}

// afterDeployments has an alarm on tasks wait until they are there. CloudWatch also looks at the minutes before the alarm, in
// which a new service has no task, and one that is to have more has fewer: it would go off at once.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
func afterDeployments(args *Args) pulumi.ResourceOption {
	return pulumi.DependsOnInputs(args.ImageDigests.ToStringMapOutput().ApplyT(func(map[string]string) []pulumi.Resource {
		return nil // what the digests depend on is a dependency already
	}).(pulumi.ResourceArrayOutput))
}
