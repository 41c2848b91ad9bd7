package awsapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"

	"private-api/local/awsapi"
	"private-api/local/internal/mocked"
	"private-api/local/tasks"
	"private-api/stack"
	"private-api/trace"
)

// account is the stand-in, with the real clients of the SDK.
type account struct {
	set    *trace.Set
	runner *tasks.Runner
	url    string
	ecs    *ecs.Client
	elb    *elasticloadbalancingv2.Client
	logs   *cloudwatchlogs.Client
	alarms *cloudwatch.Client

	cluster string // ARN
}

func start(t *testing.T, o tasks.Options) *account {
	t.Helper()
	// The deregistration of a target takes no longer than its requests.
	return startWith(t, map[string]string{"drainSeconds": "1"}, o)
}

func startWith(t *testing.T, config map[string]string, o tasks.Options) *account {
	t.Helper()
	root, services := mocked.Apps(t)
	set, runner := mocked.Deploy(t, stack.Program{Services: services, Root: root}, config, o)
	server, err := awsapi.Serve(set, runner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	cfg := aws.Config{
		Region: "us-west-2", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
	return &account{set, runner, server.URL, ecs.NewFromConfig(cfg), elasticloadbalancingv2.NewFromConfig(cfg), cloudwatchlogs.NewFromConfig(cfg), cloudwatch.NewFromConfig(cfg),
		set.Of("aws:ecs/cluster:Cluster")[0].ID}
}

func (a *account) service(t *testing.T, name string) trace.Resource {
	t.Helper()
	for _, s := range a.set.Of(trace.ServiceType) {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no service %s", name)
	return trace.Resource{}
}

// newest returns the newest deployment of a service.
func (a *account) newest(t *testing.T, service string) types.ServiceDeployment {
	t.Helper()
	list, err := a.ecs.ListServiceDeployments(t.Context(), &ecs.ListServiceDeploymentsInput{Cluster: &a.cluster, Service: &service, MaxResults: aws.Int32(100)})
	if err != nil {
		t.Fatal(err)
	}
	newest := slices.MaxFunc(list.ServiceDeployments, func(a, b types.ServiceDeploymentBrief) int { return a.CreatedAt.Compare(*b.CreatedAt) })
	return a.describe(t, *newest.ServiceDeploymentArn)
}

func (a *account) describe(t *testing.T, arn string) types.ServiceDeployment {
	t.Helper()
	out, err := a.ecs.DescribeServiceDeployments(t.Context(), &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{arn}})
	if err != nil || len(out.ServiceDeployments) != 1 {
		t.Fatalf("deployment %s: %+v, %v", arn, out, err)
	}
	return out.ServiceDeployments[0]
}

// await waits for a status of the newest deployment.
func (a *account) await(t *testing.T, service string, status types.ServiceDeploymentStatus) types.ServiceDeployment {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		d := a.newest(t, service)
		if d.Status == status {
			return d
		}
		if time.Now().After(end) || d.FinishedAt != nil {
			t.Fatalf("status is %s, want %s: %q", d.Status, status, a.events(t, service))
		}
	}
}

func (a *account) events(t *testing.T, service string) (messages []string) {
	t.Helper()
	out, err := a.ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: &a.cluster, Services: []string{service}})
	if err != nil || len(out.Services) != 1 {
		t.Fatalf("service %s: %+v, %v", service, out, err)
	}
	if !slices.IsSortedFunc(out.Services[0].Events, func(a, b types.ServiceEvent) int { return b.CreatedAt.Compare(*a.CreatedAt) }) {
		t.Error("the newest event is not the first")
	}
	for _, e := range out.Services[0].Events {
		messages = append(messages, *e.Message)
	}
	return messages
}

// stopped returns the tasks of a service that have stopped.
func (a *account) stopped(t *testing.T, service string) []types.Task {
	t.Helper()
	list, err := a.ecs.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: &a.cluster, ServiceName: &service, DesiredStatus: types.DesiredStatusStopped})
	if err != nil || len(list.TaskArns) == 0 {
		t.Fatalf("tasks %v: %v", list, err)
	}
	out, err := a.ecs.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: &a.cluster, Tasks: list.TaskArns})
	if err != nil || len(out.Tasks) != len(list.TaskArns) {
		t.Fatalf("%d of %d tasks: %v", len(out.Tasks), len(list.TaskArns), err)
	}
	return out.Tasks
}

// say fails unless each pattern matches one of the events.
func say(t *testing.T, events []string, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		if !slices.ContainsFunc(events, regexp.MustCompile("^"+pattern+"$").MatchString) {
			t.Errorf("no event %s: %q", pattern, events)
		}
	}
}

const group = `\(target-group arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/producer-book-0000000/\w+\)`

func TestSucceeds(t *testing.T) {
	a := start(t, tasks.Options{})
	book := a.service(t, "producer-book")
	first := a.newest(t, book.ID)
	if _, err := mocked.Revise(t, a.set, a.runner, book.Name, `"IMAGE_DIGEST","value":"`, `"IMAGE_DIGEST","value":"new-`); err != nil {
		t.Fatal(err)
	}
	d := a.await(t, book.ID, types.ServiceDeploymentStatusSuccessful)
	if *d.ServiceDeploymentArn == *first.ServiceDeploymentArn || !strings.HasPrefix(*d.ServiceDeploymentArn, "arn:aws:ecs:us-west-2:123456789012:service-deployment/producer-0000000/producer-book-0000000/") {
		t.Errorf("deployments %s, %s", *first.ServiceDeploymentArn, *d.ServiceDeploymentArn)
	}
	if r := d.TargetServiceRevision; r.RequestedTaskCount != 2 || r.RunningTaskCount != 2 || r.PendingTaskCount != 0 {
		t.Errorf("tasks %+v", r)
	}
	if b := d.DeploymentCircuitBreaker; b.Threshold != 3 || b.FailureCount != 0 || b.Status != types.ServiceDeploymentRollbackMonitorsStatusMonitoringComplete {
		t.Errorf("circuit breaker %+v", b)
	}
	say(t, a.events(t, "producer-book-0000000"), `\(service producer-book-0000000\) has started 2 tasks: \(task \w{32}\) \(task \w{32}\)\.`,
		`\(service producer-book-0000000\) registered 2 targets in `+group, `\(service producer-book-0000000\) deregistered [12] targets in `+group,
		`\(service producer-book-0000000, taskSet ecs-svc/\d+\) has begun draining connections on [12] tasks\.`,
		`\(service producer-book-0000000\) \(deployment ecs-svc/\d+\) deployment completed\.`, `\(service producer-book-0000000\) has reached a steady state\.`)
	for _, task := range a.stopped(t, book.ID) {
		if task.StopCode != types.TaskStopCodeServiceSchedulerInitiated || !strings.HasPrefix(*task.StoppedReason, "Scaling activity initiated by (deployment ecs-svc/") {
			t.Errorf("a task of before stopped: %s: %s", task.StopCode, *task.StoppedReason)
		}
	}
	health, err := a.elb.DescribeTargetHealth(t.Context(), &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: aws.String(book.Outputs.Objects("loadBalancers")[0].Text("targetGroupArn"))})
	if err != nil {
		t.Fatal(err)
	}
	healthy := 0
	for _, target := range health.TargetHealthDescriptions {
		if target.TargetHealth.State == elb.TargetHealthStateEnumHealthy && *target.Target.Id == "127.0.0.1" && *target.Target.Port > 0 {
			healthy++
		}
	}
	if healthy != 2 {
		t.Errorf("targets %+v", health.TargetHealthDescriptions)
	}
}

// A deployment whose tasks end is rolled back, and what they wrote is there. Another one while it is rolled back cannot be.
func TestCrashes(t *testing.T) {
	a := start(t, tasks.Options{})
	book := a.service(t, "producer-book")
	if _, err := mocked.Revise(t, a.set, a.runner, book.Name, `"DRAIN_DELAY","value":"`, `"DRAIN_DELAY","value":"not-`); err != nil {
		t.Fatal(err)
	}
	d := a.await(t, book.ID, types.ServiceDeploymentStatusRollbackSuccessful)
	if want := "Service deployment rolled back because the circuit breaker threshold was exceeded."; *d.StatusReason != want || *d.Rollback.Reason != want {
		t.Errorf("%s: %+v", *d.StatusReason, d.Rollback)
	}
	if b := d.DeploymentCircuitBreaker; b.FailureCount < 3 || b.Status != types.ServiceDeploymentRollbackMonitorsStatusTriggered {
		t.Errorf("circuit breaker %+v", b)
	}
	say(t, a.events(t, book.ID), `.*\(deployment ecs-svc/\d+\) deployment failed: tasks failed to start\.`, `.*\) rolling back to deployment ecs-svc/\d+\.`)
	crashed := 0
	for _, task := range a.stopped(t, book.ID) {
		if task.StopCode != types.TaskStopCodeEssentialContainerExited {
			continue
		}
		crashed++
		if c := task.Containers[0]; *task.StoppedReason != "Essential container in task exited" || *c.Name != "book" || *c.ExitCode != 1 {
			t.Errorf("%s, container %+v", *task.StoppedReason, c)
		}
		_, id, _ := strings.Cut(*task.TaskArn, ":task/producer-0000000/")
		options := &cloudwatchlogs.GetLogEventsInput{LogGroupName: a.logGroup(t, "producer-book"), LogStreamName: aws.String("book/book/" + id), Limit: aws.Int32(1)}
		events, err := a.logs.GetLogEvents(t.Context(), options)
		if err != nil || len(events.Events) != 1 || !strings.Contains(*events.Events[0].Message, "DRAIN_DELAY") || time.Since(time.UnixMilli(*events.Events[0].Timestamp)) > time.Minute {
			t.Errorf("log %+v: %v", events, err)
		}
	}
	if crashed < 3 {
		t.Errorf("%d tasks crashed: %q", crashed, a.events(t, book.ID))
	}
}

func (a *account) logGroup(t *testing.T, name string) *string {
	t.Helper()
	for _, g := range a.set.Of("aws:cloudwatch/logGroup:LogGroup") {
		if g.Name == name {
			return &g.ID
		}
	}
	t.Fatalf("no log group %s", name)
	return nil
}

// A deployment that never gets healthy is overtaken by the next one; that one is rolled back to what ran before.
func TestOvertakenAndUnhealthy(t *testing.T) {
	a := start(t, tasks.Options{})
	echo := a.service(t, "producer-echo")
	var first types.ServiceDeployment
	for range 2 {
		// The container port is not the one that the process is told.
		if _, err := mocked.Revise(t, a.set, a.runner, echo.Name, `"name":"PORT","value":"8080"`, `"name":"PORT","value":"0"`); err != nil {
			t.Fatal(err)
		}
		d := a.await(t, echo.ID, types.ServiceDeploymentStatusInProgress)
		if first.ServiceDeploymentArn == nil {
			first = d
		}
	}
	if d := a.describe(t, *first.ServiceDeploymentArn); d.Status != types.ServiceDeploymentStatusStopped {
		t.Errorf("the deployment that was overtaken is %s", d.Status)
	}
	a.await(t, echo.ID, types.ServiceDeploymentStatusRollbackSuccessful)
	say(t, a.events(t, echo.ID), `.*\(task \w{32}\) \(port 8080\) is unhealthy in \(target-group .*\) due to \(reason Health checks failed\)`)
	unhealthy := 0
	for _, task := range a.stopped(t, echo.ID) {
		if strings.HasPrefix(*task.StoppedReason, "Task failed ELB health checks in (target-group arn:") && task.StopCode == types.TaskStopCodeServiceSchedulerInitiated {
			unhealthy++
		}
	}
	if unhealthy < 3 {
		t.Errorf("%d tasks failed their health checks", unhealthy)
	}
}

// Without an earlier deployment there is nothing to go back to, and no more tasks are started.
func TestFirstDeploymentFails(t *testing.T) {
	a := start(t, tasks.Options{})
	book := a.service(t, "producer-book")
	if _, err := mocked.Revise(t, a.set, a.runner, book.Name, "@sha256:", "@sha256:not-"); err != nil {
		t.Fatal(err)
	}
	arn := strings.Replace(book.ID, "producer-book", "another", 1)
	if err := a.runner.Deploy(arn, "another", book.Outputs); err != nil {
		t.Fatal(err)
	}
	d := a.await(t, arn, types.ServiceDeploymentStatusRollbackFailed)
	if *d.StatusReason != "No rollback candidate was found to run the rollback." {
		t.Error(*d.StatusReason)
	}
	before := len(a.stopped(t, arn))
	for _, task := range a.stopped(t, arn) {
		if task.StopCode != types.TaskStopCodeTaskFailedToStart || !strings.HasPrefix(*task.StoppedReason, "CannotPullContainerError: ") || *task.Containers[0].Reason != *task.StoppedReason {
			t.Errorf("%s: %s: %+v", task.StopCode, *task.StoppedReason, task.Containers)
		}
	}
	say(t, a.events(t, arn), `\(service another-0000000\) was unable to place a task\. Reason: CannotPullContainerError: .*`)
	time.Sleep(1500 * time.Millisecond) // more than between two tasks
	if after := len(a.stopped(t, arn)); after != before {
		t.Errorf("after the deployment has failed, %d more tasks were started", after-before)
	}
	// The log driver of a container that did not start made no stream.
	_, id, _ := strings.Cut(*a.stopped(t, arn)[0].TaskArn, ":task/producer-0000000/")
	_, err := a.logs.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{LogGroupName: a.logGroup(t, "producer-book"), LogStreamName: aws.String("book/book/" + id)})
	if !errors.As(err, new(*logs.ResourceNotFoundException)) {
		t.Errorf("log of a task that did not start: %v", err)
	}
	a.runner.Remove(arn)
}

func TestRefuses(t *testing.T) {
	a := start(t, tasks.Options{WithoutProcesses: true})
	ctx, none, book := context.Background(), aws.String("none"), a.service(t, "producer-book").ID
	for name, test := range map[string]struct {
		code string
		call func() error
	}{
		"unknown cluster": {"ClusterNotFoundException", func() error {
			_, err := a.ecs.ListServiceDeployments(ctx, &ecs.ListServiceDeploymentsInput{Cluster: none, Service: &book})
			return err
		}},
		"no cluster": {"ClusterNotFoundException", func() error {
			_, err := a.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Services: []string{book}})
			return err
		}},
		"unknown service": {"ServiceNotFoundException", func() error {
			_, err := a.ecs.ListServiceDeployments(ctx, &ecs.ListServiceDeploymentsInput{Cluster: &a.cluster, Service: none})
			return err
		}},
		"tasks of an unknown service": {"ServiceNotFoundException", func() error {
			_, err := a.ecs.ListTasks(ctx, &ecs.ListTasksInput{Cluster: &a.cluster, ServiceName: none})
			return err
		}},
		"unknown status": {"InvalidParameterException", func() error {
			_, err := a.ecs.ListTasks(ctx, &ecs.ListTasksInput{Cluster: &a.cluster, ServiceName: &book, DesiredStatus: "PENDING"})
			return err
		}},
		"too many results": {"InvalidParameterException", func() error {
			_, err := a.ecs.ListServiceDeployments(ctx, &ecs.ListServiceDeploymentsInput{Cluster: &a.cluster, Service: &book, MaxResults: aws.Int32(101)})
			return err
		}},
		"too many services": {"InvalidParameterException", func() error {
			_, err := a.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &a.cluster, Services: slices.Repeat([]string{book}, 11)})
			return err
		}},
		"a parameter that is not played": {"SerializationException", func() error {
			_, err := a.ecs.ListTasks(ctx, &ecs.ListTasksInput{Cluster: &a.cluster, ServiceName: &book, Family: none})
			return err
		}},
		"another call of ECS": {"UnknownOperationException", func() error {
			_, err := a.ecs.DeleteService(ctx, &ecs.DeleteServiceInput{Cluster: &a.cluster, Service: &book})
			return err
		}},
		"unknown log group": {"ResourceNotFoundException", func() error {
			_, err := a.logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: none, LogStreamName: none})
			return err
		}},
		"unknown target group": {"TargetGroupNotFound", func() error {
			_, err := a.elb.DescribeTargetHealth(ctx, &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: none})
			return err
		}},
		"single targets": {"ValidationError", func() error {
			_, err := a.elb.DescribeTargetHealth(ctx, &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: none, Targets: []elb.TargetDescription{{Id: none}}})
			return err
		}},
		"no alarm": {"InvalidParameterException", func() error {
			_, err := a.alarms.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{})
			return err
		}},
		"alarms by prefix": {"ValidationError", func() error {
			_, err := a.alarms.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: none})
			return err
		}},
		"another call of CloudWatch": {"InvalidAction", func() error {
			_, err := a.alarms.DeleteAlarms(ctx, &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{"none"}})
			return err
		}},
		"another call of load balancing": {"InvalidAction", func() error {
			_, err := a.elb.DescribeLoadBalancers(ctx, &elasticloadbalancingv2.DescribeLoadBalancersInput{})
			return err
		}},
	} {
		if err := test.call(); err == nil {
			t.Errorf("%s: no error", name)
		} else if failure := smithy.APIError(nil); !errors.As(err, &failure) || failure.ErrorCode() != test.code {
			t.Errorf("%s: %v, want %s", name, err, test.code)
		}
	}
	out, err := a.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &a.cluster, Services: []string{"none"}})
	if err != nil || len(out.Services) != 0 || len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" {
		t.Errorf("a service that is not there: %+v, %v", out, err)
	}
	// What comes from no SDK.
	response, err := http.PostForm(a.url, url.Values{"Action": {"CreateLoadBalancer"}})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); response.StatusCode != 400 || !strings.Contains(string(body), "<Code>InvalidAction</Code>") {
		t.Errorf("%s: %s", response.Status, body)
	}
}

// A deployment says which alarms guard it, and CloudWatch what they see.
func TestAlarms(t *testing.T) {
	a := startWith(t, map[string]string{"alarms": "true"}, tasks.Options{WithoutProcesses: true})
	d := a.newest(t, a.service(t, "producer-book").ID)
	names := []string{"producer-book-errors-0000000", "producer-book-latency-0000000"}
	if d.Alarms == nil || d.Alarms.Status != types.ServiceDeploymentRollbackMonitorsStatusMonitoringComplete || !slices.Equal(d.Alarms.AlarmNames, names) {
		t.Errorf("the deployment has alarms %+v", d.Alarms)
	}
	out, err := a.alarms.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNames: append(names, "none")})
	if err != nil || len(out.MetricAlarms) != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	for _, alarm := range out.MetricAlarms {
		if alarm.StateValue != cw.StateValueOk || !strings.HasPrefix(*alarm.StateReason, "Threshold Crossed: 3 out of the last 3 datapoints were not greater") || !strings.HasSuffix(*alarm.AlarmArn, ":alarm:"+*alarm.AlarmName) {
			t.Errorf("%+v", alarm)
		}
	}
}

// Without processes, deployments succeed at once.
func TestWithoutProcesses(t *testing.T) {
	a := start(t, tasks.Options{WithoutProcesses: true})
	book := a.service(t, "producer-book")
	for range 2 {
		if err := a.runner.Deploy(book.ID, book.Name, book.Outputs); err != nil {
			t.Fatal(err)
		}
		if d := a.newest(t, book.ID); d.Status != types.ServiceDeploymentStatusSuccessful || d.TargetServiceRevision.RunningTaskCount != 2 {
			t.Errorf("%s, %+v", d.Status, d.TargetServiceRevision)
		}
	}
	if all, healthy := a.runner.Targets(book.Outputs.Objects("loadBalancers")[0].Text("targetGroupArn")); all != 2 || healthy != 2 {
		t.Errorf("%d targets, %d healthy", all, healthy)
	}
}
