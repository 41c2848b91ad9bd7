package awsproxy_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"

	"private-api/e2e/awsproxy"
)

// cluster is an ECS cluster with a service book behind the proxy.
type cluster struct {
	*testing.T
	*ecs.Client
	proxy *awsproxy.Proxy
	cfg   aws.Config
}

func newCluster(t *testing.T, outcomes ...awsproxy.Outcome) cluster {
	t.Helper()
	p, cfg, _ := upstream(t)
	c := cluster{t, ecs.NewFromConfig(cfg), p, cfg}
	p.Decide(outcomes...)
	if _, err := c.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("c")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateService(t.Context(), &ecs.CreateServiceInput{
		Cluster: aws.String("c"), ServiceName: aws.String("book"), TaskDefinition: aws.String("book:1"), DesiredCount: aws.Int32(2),
		HealthCheckGracePeriodSeconds: aws.Int32(60),
		LoadBalancers:                 []types.LoadBalancer{{TargetGroupArn: aws.String("arn:targets"), ContainerName: aws.String("book"), ContainerPort: aws.Int32(8080)}},
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c cluster) update(in ecs.UpdateServiceInput) {
	c.Helper()
	in.Cluster, in.Service = aws.String("c"), aws.String("book")
	if _, err := c.UpdateService(c.Context(), &in); err != nil {
		c.Fatal(err)
	}
}

func (c cluster) list() []types.ServiceDeploymentBrief {
	c.Helper()
	out, err := c.ListServiceDeployments(c.Context(), &ecs.ListServiceDeploymentsInput{Cluster: aws.String("c"), Service: aws.String("book")})
	if err != nil {
		c.Fatal(err)
	}
	return out.ServiceDeployments
}

// watch asks for the latest deployment as often as there are states, and asserts on what it shows.
func (c cluster) watch(want ...types.ServiceDeploymentStatus) types.ServiceDeployment {
	c.Helper()
	latest := slices.MaxFunc(c.list(), func(a, b types.ServiceDeploymentBrief) int { return a.CreatedAt.Compare(*b.CreatedAt) })
	var last types.ServiceDeployment
	var got []types.ServiceDeploymentStatus
	for range want {
		out, err := c.DescribeServiceDeployments(c.Context(), &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{*latest.ServiceDeploymentArn}})
		if err != nil || len(out.ServiceDeployments) != 1 {
			c.Fatalf("DescribeServiceDeployments: %v, %+v", err, out)
		}
		last = out.ServiceDeployments[0]
		got = append(got, last.Status)
	}
	if !slices.Equal(got, want) {
		c.Errorf("the deployment was %q, want %q", got, want)
	}
	time.Sleep(2 * time.Millisecond) // createdAt has milliseconds
	return last
}

func (c cluster) describe() types.Service {
	c.Helper()
	out, err := c.DescribeServices(c.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("c"), Services: []string{"book"}})
	if err != nil {
		c.Fatal(err)
	}
	return out.Services[0]
}

const (
	inProgress = types.ServiceDeploymentStatusInProgress
	successful = types.ServiceDeploymentStatusSuccessful
	rolling    = types.ServiceDeploymentStatusRollbackInProgress
)

// A deployment starts where AWS documents that one does, and nowhere else.
func TestDeploymentsStart(t *testing.T) {
	c := newCluster(t)
	for i, change := range []struct {
		name   string
		in     ecs.UpdateServiceInput
		starts bool
	}{
		{"nothing", ecs.UpdateServiceInput{}, false},
		{"count", ecs.UpdateServiceInput{DesiredCount: aws.Int32(3)}, false},
		{"grace period", ecs.UpdateServiceInput{HealthCheckGracePeriodSeconds: aws.Int32(30)}, false},
		{"capacity providers", ecs.UpdateServiceInput{CapacityProviderStrategy: []types.CapacityProviderStrategyItem{{CapacityProvider: aws.String("FARGATE")}}}, false},
		{"the same task definition", ecs.UpdateServiceInput{TaskDefinition: aws.String("book:1")}, false},
		{"another task definition", ecs.UpdateServiceInput{TaskDefinition: aws.String("book:2")}, true},
		{"force", ecs.UpdateServiceInput{ForceNewDeployment: true}, true},
	} {
		before := len(c.list())
		c.update(change.in)
		if got := len(c.list()) - before; (got == 1) != change.starts {
			t.Errorf("%s (%d): %d deployments started", change.name, i, got)
		}
	}
	before := len(c.list())
	if _, err := c.TagResource(t.Context(), &ecs.TagResourceInput{ResourceArn: c.list()[0].ServiceArn, Tags: []types.Tag{{Key: aws.String("k")}}}); err != nil || len(c.list()) != before {
		t.Errorf("tags start a deployment (%v)", err)
	}
	c.proxy.Inject(&awsproxy.Fault{Kind: awsproxy.ServerError, Operation: "UpdateService"})
	if _, err := c.UpdateService(t.Context(), &ecs.UpdateServiceInput{Cluster: aws.String("c"), Service: aws.String("book"), ForceNewDeployment: true}); err == nil || len(c.list()) != before {
		t.Errorf("an update that failed starts a deployment (%v)", err)
	}
}

func TestSuccessfulDeployment(t *testing.T) {
	c := newCluster(t)
	if d := c.describe(); len(d.Deployments) != 1 || d.Deployments[0].RolloutState != types.DeploymentRolloutStateInProgress || d.PendingCount != 2 {
		t.Errorf("a new service: %+v", d)
	}
	if d := c.watch(inProgress, successful, successful); d.TargetServiceRevision.RunningTaskCount != 2 || d.FinishedAt == nil || d.StatusReason != nil {
		t.Errorf("a successful deployment: %+v", d)
	}
	d := c.describe()
	if len(d.Deployments) != 1 || d.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted || !strings.Contains(*d.Events[0].Message, "steady state") {
		t.Errorf("a service in a steady state: %+v", d)
	}
	if got := c.health(); len(got) != 2 || got[0].TargetHealth.State != elbtypes.TargetHealthStateEnumHealthy || *got[1].Target.Port != 8080 {
		t.Errorf("targets: %+v", got)
	}
}

func (c cluster) health() []elbtypes.TargetHealthDescription {
	c.Helper()
	out, err := elasticloadbalancingv2.NewFromConfig(c.cfg).DescribeTargetHealth(c.Context(), &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: aws.String("arn:targets")})
	if err != nil {
		c.Fatal(err)
	}
	return out.TargetHealthDescriptions
}

// There is nothing to roll a first deployment back to. A later one goes back to the task definition that ran.
func TestFailedDeployments(t *testing.T) {
	fails := awsproxy.Outcome{
		Service: "bo", End: awsproxy.Fail, Events: []string{"was unable to place a task."},
		Stopped: []awsproxy.StoppedTask{{StopCode: "EssentialContainerExited", Reason: "Essential container in task exited", ExitCode: aws.Int32(3)}},
		Targets: []elbtypes.TargetHealth{{State: elbtypes.TargetHealthStateEnumUnhealthy, Reason: elbtypes.TargetHealthReasonEnumTimeout, Description: aws.String("Request timed out")}},
	}
	other := awsproxy.Outcome{Service: "author", End: awsproxy.Stop}
	c := newCluster(t, other, fails, awsproxy.Outcome{}, fails)
	d := c.watch(inProgress, rolling, types.ServiceDeploymentStatusRollbackFailed)
	if !strings.HasPrefix(aws.ToString(d.StatusReason), "No rollback candidate") || d.DeploymentCircuitBreaker.Threshold != 3 || d.Rollback.ServiceRevisionArn != nil {
		t.Errorf("the first deployment: %+v", d)
	}
	s := c.describe()
	if s.Deployments[0].RolloutState != types.DeploymentRolloutStateFailed || *s.TaskDefinition != "book:1" || !strings.Contains(*s.Events[1].Message, "unable to place") {
		t.Errorf("the service without a good deployment: %+v", s)
	}
	c.stopped("book:1")
	if got := c.health(); len(got) != 1 || *got[0].TargetHealth.Description != "Request timed out" {
		t.Errorf("targets: %+v", got)
	}

	c.update(ecs.UpdateServiceInput{TaskDefinition: aws.String("book:2")})
	c.watch(inProgress, successful)
	c.update(ecs.UpdateServiceInput{TaskDefinition: aws.String("book:3"), HealthCheckGracePeriodSeconds: aws.Int32(90)})
	if s := c.describe(); len(s.Deployments) != 2 || *s.Deployments[0].TaskDefinition != "book:3" || *s.Deployments[1].TaskDefinition != "book:2" {
		t.Errorf("the service during a deployment: %+v", s.Deployments)
	}
	d = c.watch(inProgress, rolling, types.ServiceDeploymentStatusRollbackSuccessful)
	if d.Rollback == nil || !strings.Contains(aws.ToString(d.StatusReason), "rolled back") || len(d.SourceServiceRevisions) != 1 {
		t.Errorf("a later deployment: %+v", d)
	}
	if s := c.describe(); *s.TaskDefinition != "book:2" || *s.HealthCheckGracePeriodSeconds != 90 || len(s.Deployments) != 1 || s.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted {
		t.Errorf("the service that was rolled back: %+v", s)
	}
}

// stopped asserts on the only task that stopped, which AWS finds by its ARN and by its id.
func (c cluster) stopped(definition string) {
	c.Helper()
	list, err := c.ListTasks(c.Context(), &ecs.ListTasksInput{Cluster: aws.String("c"), ServiceName: aws.String("book"), DesiredStatus: types.DesiredStatusStopped})
	if err != nil || len(list.TaskArns) != 1 {
		c.Fatalf("ListTasks: %v, %+v", err, list)
	}
	id := list.TaskArns[0][strings.LastIndex(list.TaskArns[0], "/")+1:]
	for _, name := range []string{list.TaskArns[0], id} {
		out, err := c.DescribeTasks(c.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("c"), Tasks: []string{name}})
		if err != nil || len(out.Tasks) != 1 {
			c.Fatalf("DescribeTasks: %v, %+v", err, out)
		}
		if task := out.Tasks[0]; *task.TaskDefinitionArn != definition || task.StopCode != types.TaskStopCodeEssentialContainerExited || *task.Containers[0].ExitCode != 3 || task.CreatedAt == nil {
			c.Errorf("the stopped task: %+v", task)
		}
	}
}

func TestDeploymentsThatDoNotSucceed(t *testing.T) {
	c := newCluster(t, awsproxy.Outcome{End: awsproxy.Never}, awsproxy.Outcome{End: awsproxy.Stop, Unlisted: 2})
	c.watch(inProgress, inProgress, inProgress)
	c.update(ecs.UpdateServiceInput{ForceNewDeployment: true})
	for i, want := range []int{1, 1, 2} {
		if got := c.list(); len(got) != want || got[0].Status != types.ServiceDeploymentStatusStopRequested {
			t.Errorf("list %d: %+v", i, got)
		}
	}
	c.watch(inProgress, types.ServiceDeploymentStatusStopped)
}

// What cannot be found or is not allowed is refused as AWS refuses it.
func TestRefusals(t *testing.T) {
	c := newCluster(t)
	ctx := context.Background()
	code := func(err error) string {
		var api smithy.APIError
		errors.As(err, &api)
		return api.ErrorCode()
	}
	list := func(cluster, service string) error {
		_, err := c.ListServiceDeployments(ctx, &ecs.ListServiceDeploymentsInput{Cluster: &cluster, Service: &service})
		return err
	}
	if err := list("d", "book"); code(err) != "ClusterNotFoundException" {
		t.Errorf("no such cluster: %v", err)
	}
	if err := list("c", "author"); code(err) != "ServiceNotFoundException" {
		t.Errorf("no such service: %v", err)
	}
	if _, err := c.DescribeServiceDeployments(ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: make([]string, 21)}); code(err) != "InvalidParameterException" {
		t.Errorf("21 deployments: %v", err)
	}
	out, err := c.DescribeServiceDeployments(ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{"arn:none"}})
	if err != nil || len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" {
		t.Errorf("no such deployment: %v, %+v", err, out)
	}
	c.proxy.Inject(&awsproxy.Fault{Kind: awsproxy.Deny, Operation: "ListServiceDeployments"})
	if err := list("c", "book"); code(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "perform: ecs:ListServiceDeployments") {
		t.Errorf("denied: %v", err)
	}
	if _, err := c.DeleteService(ctx, &ecs.DeleteServiceInput{Cluster: aws.String("c"), Service: aws.String("book")}); err != nil {
		t.Fatal(err)
	}
	if err := list("c", "book"); code(err) != "ServiceNotFoundException" {
		t.Errorf("a deleted service: %v", err)
	}
}

// More deployments than a page holds come with a token for the rest.
func TestPagesOfDeployments(t *testing.T) {
	c := newCluster(t)
	c.update(ecs.UpdateServiceInput{ForceNewDeployment: true})
	c.update(ecs.UpdateServiceInput{ForceNewDeployment: true})
	var pages []int
	for token := (*string)(nil); len(pages) == 0 || token != nil; {
		out, err := c.ListServiceDeployments(t.Context(), &ecs.ListServiceDeploymentsInput{Cluster: aws.String("c"), Service: aws.String("book"), MaxResults: aws.Int32(2), NextToken: token})
		if err != nil {
			t.Fatal(err)
		}
		pages, token = append(pages, len(out.ServiceDeployments)), out.NextToken
	}
	if !slices.Equal(pages, []int{2, 1}) {
		t.Errorf("pages of %d deployments", pages)
	}
}

// What happens to tasks between deployments is seen in tasks and targets alike, until it is mended or deployed over.
func TestTasksBetweenDeployments(t *testing.T) {
	c := newCluster(t)
	c.watch(inProgress, successful)
	tasks := func(status types.DesiredStatus) []types.Task {
		t.Helper()
		list, err := c.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("c"), ServiceName: aws.String("book"), DesiredStatus: status})
		if err != nil || len(list.TaskArns) == 0 {
			return nil
		}
		out, err := c.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("c"), Tasks: list.TaskArns})
		if err != nil {
			t.Fatal(err)
		}
		return out.Tasks
	}
	expect := func(what string, running, stopped int, state elbtypes.TargetHealthStateEnum) {
		t.Helper()
		health := c.health()
		if got := tasks(""); len(got) != running || len(health) != running || running > 0 && (*got[0].LastStatus != "RUNNING" || health[0].TargetHealth.State != state) {
			t.Errorf("%s: tasks %+v, targets %+v", what, got, health)
		}
		if got := tasks(types.DesiredStatusStopped); len(got) != stopped {
			t.Errorf("%s: stopped tasks %+v", what, got)
		}
		if got := c.describe(); int(got.RunningCount) != running {
			t.Errorf("%s: ECS counts %d", what, got.RunningCount)
		}
	}
	happen := func(targets []elbtypes.TargetHealth, stopped ...awsproxy.StoppedTask) {
		t.Helper()
		if err := c.proxy.Happen("book", targets, stopped...); err != nil {
			t.Fatal(err)
		}
	}
	const healthy, unhealthy = elbtypes.TargetHealthStateEnumHealthy, elbtypes.TargetHealthStateEnumUnhealthy
	expect("deployed", 2, 0, healthy)
	happen([]elbtypes.TargetHealth{{State: unhealthy}})
	expect("unhealthy", 1, 0, unhealthy)
	happen(nil, awsproxy.StoppedTask{StopCode: "EssentialContainerExited", Reason: "Essential container in task exited"})
	expect("stopped", 0, 1, "")
	if err := c.proxy.Mend("book"); err != nil {
		t.Fatal(err)
	}
	expect("mended", 2, 0, healthy)
	happen(nil)
	c.update(ecs.UpdateServiceInput{ForceNewDeployment: true})
	c.watch(inProgress, successful)
	expect("deployed again", 2, 0, healthy)
	if err := errors.Join(c.proxy.Happen("author", nil), c.proxy.Mend("author")); err == nil {
		t.Error("something happens to a service that is not there")
	}
}
