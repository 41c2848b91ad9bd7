package rollout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// How much a message quotes.
const (
	maxEvents   = 5
	maxReasons  = 5
	maxLogLines = 10
)

// Failure is a deployment that did not succeed. Its text has several lines.
type Failure struct{ text string }

func (f *Failure) Error() string { return f.text }

// cause is a known reason of a failure.
type cause struct {
	heading string // in docs/operations.md
	next    string // step
	signs   *regexp.Regexp
}

const headingNotAllowed = "The program may not ask"

// The causes, by what AWS says.
// Sources: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html,
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html,
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
var (
	// waitsFor are those that ECS sits out: it tries again until the deployment takes too long.
	waitsFor = []cause{
		{"No capacity", "AWS has no room for these tasks now, and ECS tries again. With spot, onDemandBase keeps tasks that need no Spot capacity; spot false needs none.",
			regexp.MustCompile(`(?i)capacity is unavailable|RESOURCE:FARGATE`)},
		{"A quota of the account", "The account may not run more vCPUs on Fargate. Ask AWS for a higher quota, or use fewer or smaller tasks.",
			regexp.MustCompile(`(?i)limit on the number of (vCPUs|tasks)|vCPU limit`)},
	}
	causes = append([]cause{
		{"An alarm stops a deployment", "Read the log of the version that was stopped. If it is right and the threshold is not, change alarmThresholds.",
			regexp.MustCompile(`(?m)^alarm \S+ went off|alarm detected`)},
		{"The image cannot be pulled", "Check that the image exists, that the service may read it, and that the tasks have a way to the registry (egress).",
			regexp.MustCompile(`(?i)CannotPull|pull image|registry auth from|pull command failed`)},
		{"A secret cannot be read", "Check that the secret or parameter exists in this region, and kmsKey if it is encrypted with a key of your own.",
			regexp.MustCompile(`(?i)retrieve secrets? |fetching secret data|from (asm|ssm)\b|invalid ssm parameters`)},
		{"The logs cannot be written", "Check that the log group is there: make up ARGS=--refresh makes it again.",
			regexp.MustCompile(`(?i)logger args|logging driver|log group does not exist`)},
		{"A role cannot be assumed", "Check that the roles of the service are there: make up ARGS=--refresh makes them again.",
			regexp.MustCompile(`(?i)unable to assume`)},
		{"The image is for another CPU", "Build the image for the CPU of the stack, or change architecture.", regexp.MustCompile(`(?i)exec format error|matching platform|no matching manifest`)},
		{"Out of memory", "Give the service more memory.", regexp.MustCompile(`OutOfMemory`)},
		{"The container ends", "Read its last log lines; make run SERVICE=<name> starts a service alone on your machine.", regexp.MustCompile(`(?i)essential container in task exited|CannotStartContainer`)},
		{"The load balancer finds it unhealthy", "Let the service answer 200 at its path and /health, on its port, within healthCheckTimeoutSeconds.",
			regexp.MustCompile(`(?i)ELB health checks|Target\.(Timeout|FailedHealthChecks|ResponseCodeMismatch)|is unhealthy in \(?target-group`)},
		{"Its own health check fails", "Run healthCommand in the container: it must end with 0 once the service can work.", regexp.MustCompile(`(?i)container health checks`)},
		{"AWS took a Spot task away", "Try again. With spot, onDemandBase keeps tasks that AWS does not take away.", regexp.MustCompile(`(?i)Spot ?(task was )?interrupt`)},
	}, waitsFor...)
)

// trouble matches an event that tells of some.
var trouble = regexp.MustCompile(`(?i)fail|unable|unhealthy|reached the limit`)

// headingFailed is where causes that are not known lead to.
const headingFailed = "When a deployment fails"

// Headings are the headings of docs/operations.md that messages link to.
func Headings() []string {
	all := []string{headingFailed, headingNotAllowed}
	for _, c := range causes {
		all = append(all, c.heading)
	}
	return all
}

// Anchor is how a link names a heading.
func Anchor(heading string) string { return strings.ReplaceAll(strings.ToLower(heading), " ", "-") }

func (c *cause) text() string {
	return fmt.Sprintf("%s See docs/operations.md#%s", c.next, Anchor(c.heading))
}

// findCause returns the first cause that a text shows, nil if none is known.
func findCause(causes []cause, text string) *cause {
	if i := slices.IndexFunc(causes, func(c cause) bool { return c.signs.MatchString(text) }); i >= 0 {
		return &causes[i]
	}
	return nil
}

// Heading returns the heading of docs/operations.md about what a text of AWS shows, "" if no cause is known for it.
func Heading(text string) string {
	if c := findCause(causes, text); c != nil {
		return c.heading
	}
	return ""
}

// failed says all that AWS knows. Where it does not answer, the text says so.
func (w *watch) failed(ctx context.Context, outcome string, err error) error {
	var b strings.Builder
	var facts []string // what AWS says, and not what it refuses to say
	fmt.Fprintf(&b, "service %s: the deployment of image %s %s\n", w.Name, w.Digest, outcome)
	section := func(title string, lines ...string) {
		lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" })
		if len(lines) > 0 {
			fmt.Fprintf(&b, "%s:\n  %s\n", title, strings.Join(lines, "\n  "))
		}
	}
	ask := func(lines []string, err error) []string {
		if err != nil {
			return []string{fmt.Sprintf("unknown: %v", err)}
		}
		facts = append(facts, lines...)
		return lines
	}
	if err != nil {
		section("the last question to AWS", err.Error())
	}
	if w.ours == nil {
		section("ECS", "no deployment of this change is there")
	}
	if d := w.ours; d != nil {
		says := []string{aws.ToString(d.StatusReason)}
		if d.Rollback != nil {
			says = append(says, aws.ToString(d.Rollback.Reason))
		}
		if breaker := d.DeploymentCircuitBreaker; breaker != nil && breaker.FailureCount > 0 {
			says = append(says, fmt.Sprintf("%d tasks failed; the deployment fails at %d", breaker.FailureCount, breaker.Threshold))
		}
		for _, name := range w.wentOff() {
			says = append(says, fmt.Sprintf("alarm %s went off", name))
		}
		if r := d.TargetServiceRevision; r != nil {
			says = append(says, fmt.Sprintf("%d of %d tasks running", r.RunningTaskCount, r.RequestedTaskCount))
		}
		section("ECS", ask(slices.Compact(says), nil)...)
	}
	if names := w.wentOff(); len(names) > 0 {
		alarms, err := w.states(ctx, names, "")
		section("alarms", ask(alarms, err)...)
	}
	stopped, newest, err := w.stopped(ctx)
	section("tasks that stopped", ask(stopped, err)...)
	if _, unhealthy, err := w.targetHealth(ctx); len(w.targets) == 0 || len(unhealthy) > 0 { // they have left after a rollback
		section("targets that are not healthy", ask(unhealthy, err)...)
	} else {
		section("targets that were not healthy", ask(w.targets, nil)...)
	}
	events, err := w.events(ctx)
	// After a rollback, the latest are about the tasks that go on.
	if told := slices.DeleteFunc(slices.Clone(events), func(e string) bool { return !trouble.MatchString(e) }); len(told) > 0 {
		events = told
	}
	section("events", ask(events[:min(len(events), maxEvents)], err)...)
	if newest != "" {
		lines, err := w.logLines(ctx, newest)
		says := facts
		section("last log lines of task "+newest, ask(lines, err)...)
		// A service may write anything.
		facts = append(says, slices.DeleteFunc(lines, func(line string) bool { return !strings.Contains(line, "exec format error") })...)
	}

	known := []string{}
	for _, c := range causes {
		if c.signs.MatchString(strings.Join(facts, "\n")) {
			known = append(known, c.text())
		}
	}
	if len(known) == 0 {
		known = append(known, "See docs/operations.md#"+Anchor(headingFailed))
	}
	section("what to do", known...)
	section("then", "make up",
		fmt.Sprintf("or, if nothing in the stack has to change: aws ecs update-service --region %s --cluster %s --service %s --force-new-deployment, and make up", w.region, w.Cluster, w.ARN))
	return &Failure{strings.TrimSpace(b.String())}
}

// events are the service's since the deployment began, newest first.
func (w *watch) events(ctx context.Context) (messages []string, err error) {
	out, err := w.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &w.Cluster, Services: []string{w.ARN}})
	if err != nil || len(out.Services) == 0 {
		return nil, err
	}
	for _, e := range out.Services[0].Events {
		if w.ours == nil || !aws.ToTime(e.CreatedAt).Before(aws.ToTime(w.ours.CreatedAt)) {
			messages = append(messages, aws.ToString(e.Message))
		}
	}
	return messages, nil
}

// stopped says why tasks of the deployment stopped, and returns the id of the latest.
func (w *watch) stopped(ctx context.Context) (reasons []string, latest string, err error) {
	list, err := w.ecs.ListTasks(ctx, &ecs.ListTasksInput{Cluster: &w.Cluster, ServiceName: &w.ARN, DesiredStatus: types.DesiredStatusStopped})
	if err != nil || len(list.TaskArns) == 0 {
		return nil, "", err
	}
	out, err := w.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &w.Cluster, Tasks: list.TaskArns}) // ECS lists 100 and describes 100
	if err != nil {
		return nil, "", err
	}
	slices.SortFunc(out.Tasks, func(a, b types.Task) int { return aws.ToTime(b.CreatedAt).Compare(aws.ToTime(a.CreatedAt)) })
	counts := map[string]int{}
	for _, task := range out.Tasks {
		before := w.ours != nil && aws.ToTime(task.CreatedAt).Before(aws.ToTime(w.ours.CreatedAt))
		if aws.ToString(task.TaskDefinitionArn) != w.TaskDefinition || before || strings.HasPrefix(aws.ToString(task.StoppedReason), "Scaling activity") {
			continue // of another deployment, or stopped as this one failed
		}
		text := aws.ToString(task.StoppedReason)
		for _, c := range task.Containers {
			if c.ExitCode != nil {
				text += fmt.Sprintf("; container %s exited with %d", aws.ToString(c.Name), *c.ExitCode)
			}
			if c.Reason != nil {
				text += fmt.Sprintf("; container %s: %s", aws.ToString(c.Name), *c.Reason)
			}
		}
		if counts[text]++; counts[text] == 1 && len(reasons) < maxReasons {
			reasons = append(reasons, text)
		}
		if latest == "" {
			_, after, _ := strings.Cut(aws.ToString(task.TaskArn), ":task/")
			latest = after[strings.LastIndex(after, "/")+1:]
		}
	}
	for i, text := range reasons {
		reasons[i] = fmt.Sprintf("%d × %s", counts[text], text)
	}
	return reasons, latest, nil
}

// targetHealth counts the targets by state, and says why some are unhealthy. Those of other deployments are among them.
func (w *watch) targetHealth(ctx context.Context) (counts string, unhealthy []string, err error) {
	out, err := w.elb.DescribeTargetHealth(ctx, &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: &w.TargetGroup})
	if err != nil {
		return "", nil, err
	}
	states := map[elb.TargetHealthStateEnum]int{}
	for _, t := range out.TargetHealthDescriptions {
		states[t.TargetHealth.State]++
		if t.TargetHealth.State == elb.TargetHealthStateEnumUnhealthy {
			unhealthy = append(unhealthy, strings.TrimSpace(fmt.Sprintf("%s:%d: %s: %s",
				aws.ToString(t.Target.Id), aws.ToInt32(t.Target.Port), t.TargetHealth.Reason, aws.ToString(t.TargetHealth.Description))))
		}
	}
	var all []string
	for _, state := range slices.Sorted(maps.Keys(states)) {
		all = append(all, fmt.Sprintf("%d %s", states[state], state))
	}
	return strings.Join(all, ", "), unhealthy, nil
}

// logLines are the last lines that a task wrote. The awslogs driver names the stream after prefix, container and task.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
func (w *watch) logLines(ctx context.Context, task string) (lines []string, err error) {
	out, err := w.logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{
		LogGroupName: &w.LogGroup, LogStreamName: aws.String(strings.Join([]string{w.Name, w.Name, task}, "/")),
		Limit: aws.Int32(maxLogLines), StartFromHead: aws.Bool(false),
	})
	if errors.As(err, new(*logs.ResourceNotFoundException)) {
		return nil, nil // a task that has not started has written nothing
	}
	if err != nil {
		return nil, err
	}
	for _, e := range out.Events {
		lines = append(lines, aws.ToString(e.Message))
	}
	return lines, nil
}
