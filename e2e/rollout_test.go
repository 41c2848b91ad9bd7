package e2e

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"

	"private-api/e2e/awsproxy"
)

// watching are the calls that nobody makes but the program, to learn how a deployment goes.
var watching = []string{
	"ecs:ListServiceDeployments", "ecs:DescribeServiceDeployments", "ecs:ListTasks", "ecs:DescribeTasks",
	"elasticloadbalancing:DescribeTargetHealth", "logs:GetLogEvents",
}

// rollout is a stack whose deployments go well or not.
type rollout struct {
	*deployment
	proxy *awsproxy.Proxy
	ecs   *ecs.Client // through the proxy, as it is about deployments
}

// asked counts what the program asked since the mark.
func (r rollout) asked(mark int) map[string]int {
	counts := map[string]int{}
	for _, c := range r.proxy.Since(mark) {
		if slices.Contains(watching, c.String()) {
			counts[c.String()]++
		}
	}
	return counts
}

// once is what an up asks that changes nothing of two services whose deployments ended.
var once = map[string]int{"ecs:ListServiceDeployments": 2, "ecs:DescribeServiceDeployments": 2}

// fails asserts that an up fails and says all of says, and that the task definitions of before are still there: ECS rolls
// back to them. It returns a mark before the up.
func (r rollout) fails(t *testing.T, says ...string) int {
	t.Helper()
	mark := r.proxy.Mark()
	_, _, err := r.tryUp()
	refused(t, "up", err, says)
	if pending := r.state(t).PendingOperations; len(pending) > 0 {
		t.Errorf("in the state: %d pending operations", len(pending))
	}
	if gone := (record{t, r.proxy.Since(mark)}).find("ecs", "DeregisterTaskDefinition"); len(gone) > 0 {
		t.Errorf("deregistered: %v", gone)
	}
	return mark
}

// services sets something of each service.
func services(book, author settings) settings {
	return settings{"services": map[string]any{"book": map[string]any(book), "author": map[string]any(author)}}
}

// env is another task definition.
func env(value string) settings {
	return settings{"environment": map[string]any{"VERSION": value}}
}

// output is what the state says of an ECS service.
func (r rollout) output(t *testing.T, service, name string) string {
	t.Helper()
	return *text(r.resources(t)["ecs/service producer-"+service], name)
}

// definition is the task definition that ECS says a service has.
func (r rollout) definition(t *testing.T, service string) string {
	t.Helper()
	out, err := r.ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{
		Cluster: aws.String(r.output(t, service, "cluster")), Services: []string{r.output(t, service, "name")},
	})
	if err != nil || len(out.Services) != 1 {
		t.Fatalf("DescribeServices: %v", err)
	}
	return aws.ToString(out.Services[0].TaskDefinition)
}

// force starts a deployment of a service, as the command does that a message names.
func (r rollout) force(t *testing.T, service string) {
	t.Helper()
	if _, err := r.ecs.UpdateService(context.Background(), &ecs.UpdateServiceInput{
		Cluster: aws.String(r.output(t, service, "cluster")), Service: aws.String(r.output(t, service, "name")), ForceNewDeployment: true,
	}); err != nil {
		t.Error(err)
	}
}

// TestRollout takes one stack through the outcomes that a deployment can have, each step from the one before it: what an
// up says, what it asks, and how the stack is mended.
func TestRollout(t *testing.T) {
	a := newAccount(t)
	behind := a.aws
	behind.BaseEndpoint = aws.String(a.proxy.URL())
	r := rollout{a.newStack(t, "rollout", nil, base()), a.proxy, ecs.NewFromConfig(behind)}
	crash := awsproxy.Outcome{
		Service: "producer-book", End: awsproxy.Fail,
		Stopped: []awsproxy.StoppedTask{{
			StopCode: "EssentialContainerExited", Reason: "Essential container in task exited", ExitCode: aws.Int32(3), Log: []string{"reading books.json", "no such file"},
		}},
		Targets: []elbtypes.TargetHealth{{
			State: elbtypes.TargetHealthStateEnumUnhealthy, Reason: elbtypes.TargetHealthReasonEnumResponseCodeMismatch, Description: aws.String("Health checks failed with these codes: [503]"),
		}},
	}
	noImage := awsproxy.Outcome{
		Service: "producer-author", End: awsproxy.Fail, Events: []string{"was unable to start a task."},
		Stopped: []awsproxy.StoppedTask{{StopCode: "TaskFailedToStart", Reason: "CannotPullContainerError: pull image manifest has been retried 1 time(s): not found"}},
	}
	set := settings{}

	for _, step := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"the account has no role for ECS", func(t *testing.T) {
			if !a.own {
				t.Skip("the account may have had the role before")
			}
			r.proxy.MakeRole(-1)
			r.fails(t, "AWSServiceRoleForECS", "aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com")
			r.proxy.MakeRole(0)
		}},
		{"first deployments fail", func(t *testing.T) {
			r.proxy.Decide(crash, noImage)
			r.fails(t,
				"service book", "service author", "sha256:", "ROLLBACK", "circuit breaker threshold was exceeded", "Essential container in task exited", "container book exited with 3", "no such file",
				"Target.ResponseCodeMismatch", "codes: [503]", "CannotPullContainerError", "was unable to start a task",
				"docs/operations.md#the-container-ends", "docs/operations.md#the-image-cannot-be-pulled",
				"aws ecs update-service", "--force-new-deployment", string(*text(r.resources(t)["ecs/cluster producer"], "name")),
			)
			a.compare(t, r.deployment)
		}},
		{"the next up fails too, and changes nothing", func(t *testing.T) {
			mark := r.fails(t, "service book", "service author", "No rollback candidate was found to run the rollback.", "container book exited with 3", "CannotPullContainerError")
			if calls := mutations(r.proxy.Since(mark)); len(calls) > 0 {
				t.Errorf("it changed something: %v", calls)
			}
			for name, count := range once {
				if got := r.asked(mark)[name]; got != count {
					t.Errorf("%s was asked %d times, want %d", name, got, count)
				}
			}
		}},
		{"a preview asks nothing", func(t *testing.T) {
			mark := r.proxy.Mark()
			r.preview(t, base().with(services(env("1"), env("1"))))
			if got := r.asked(mark); len(got) > 0 {
				t.Errorf("it asked %v", got)
			}
		}},
		{"a fix mends both", func(t *testing.T) {
			set = services(env("1"), env("1"))
			r.configure(t, base().with(set))
			r.up(t)
			a.compare(t, r.deployment)
		}},
		{"an up that changes nothing asks once", func(t *testing.T) {
			mark := r.proxy.Mark()
			ops, _ := r.up(t)
			expect(t, ops, nil)
			if got := r.asked(mark); !maps.Equal(got, once) {
				t.Errorf("it asked %v, want %v", got, once)
			}
		}},
		{"rolled back, to another task definition and to the same one", func(t *testing.T) {
			good, same := r.definition(t, "book"), r.definition(t, "author")
			stale := crash
			stale.Unlisted = 2 // the first answers still show the success before it
			r.proxy.Decide(stale, awsproxy.Outcome{Service: "producer-author", End: awsproxy.Fail})
			r.configure(t, base().with(services(env("2"), env("1").with(settings{"desiredCount": 3}))))
			r.fails(t, "service book", "container book exited with 3", "service author", "Service deployment rolled back because the circuit breaker threshold was exceeded.")
			if r.definition(t, "book") != good || r.output(t, "book", "taskDefinition") == good || r.definition(t, "author") != same {
				t.Errorf("the services have task definitions %s and %s", r.definition(t, "book"), r.definition(t, "author"))
			}
		}},
		{"mended by a change, and by force", func(t *testing.T) {
			r.force(t, "author")
			set = services(env("3"), env("1").with(settings{"desiredCount": 3}))
			r.configure(t, base().with(set))
			// Faults while it waits are none of its business. The hook before an update is not among them.
			r.proxy.Inject(&awsproxy.Fault{Kind: awsproxy.Delay, Service: "ecs", Operation: "UpdateService", Then: func() {
				for _, f := range watchFaults {
					r.proxy.Inject(f)
				}
			}})
			r.up(t)
			for _, f := range watchFaults {
				if r.proxy.Hits(f) != f.Times {
					t.Errorf("%s %s hit %d times", f.Operation, f.Kind, r.proxy.Hits(f))
				}
			}
			r.proxy.Clear()
		}},
		{"overtaken", func(t *testing.T) {
			r.proxy.Decide(awsproxy.Outcome{Service: "producer-book", End: awsproxy.Never})
			r.proxy.Inject(&awsproxy.Fault{Kind: awsproxy.Delay, Operation: "DescribeTargetHealth", Then: func() { r.force(t, "book") }})
			set = services(env("4"), env("1").with(settings{"desiredCount": 3}))
			r.configure(t, base().with(set))
			r.fails(t, "service book", "overtaken", ":service-deployment/")
			r.proxy.Clear()
			r.up(t)
		}},
		{"not allowed to ask what is deployed", func(t *testing.T) {
			set = services(env("5"), env("1").with(settings{"desiredCount": 3}))
			r.configure(t, base().with(set))
			r.proxy.Inject(&awsproxy.Fault{Kind: awsproxy.Deny, Operation: "ListServiceDeployments", Times: -1})
			mark := r.fails(t, "service book", "ecs:ListServiceDeployments", "nothing was changed")
			if calls := (record{t, r.proxy.Since(mark)}).find("ecs", "UpdateService"); len(calls) > 0 {
				t.Errorf("the service was changed: %v", calls)
			}
			r.proxy.Clear()
		}},
		{"not allowed to ask how a deployment goes", func(t *testing.T) {
			r.proxy.Inject(&awsproxy.Fault{Kind: awsproxy.Deny, Operation: "DescribeServiceDeployments", Times: -1})
			r.fails(t, "service book", "ecs:DescribeServiceDeployments", "docs/operations.md#the-program-may-not-ask")
			r.proxy.Clear()
			r.up(t)
		}},
		{"alarms come, to guard deployments", func(t *testing.T) {
			r.configure(t, base().with(set).with(guarded))
			ops, _ := r.up(t)
			expect(t, ops, alarms("create"))
			a.compare(t, r.deployment)
			r.unchanged(t)
		}},
		{"an alarm ends a deployment", func(t *testing.T) {
			good := r.definition(t, "book")
			r.proxy.Decide(awsproxy.Outcome{Service: "producer-book", End: awsproxy.Alarm, Alarm: "-errors-"})
			set = services(env("6"), env("1").with(settings{"desiredCount": 3}))
			r.configure(t, base().with(set).with(guarded))
			r.fails(t, "service book: the deployment of image sha256:", "ECS says ROLLBACK_IN_PROGRESS, as alarm producer-book-errors-", "What ran before goes on", "deployment failed: alarm detected",
				": ALARM: "+awsproxy.SawAlarm, "docs/operations.md#an-alarm-stops-a-deployment")
			if r.definition(t, "book") != good {
				t.Errorf("the service has task definition %s, want %s", r.definition(t, "book"), good)
			}
		}},
		{"the next up says so too", func(t *testing.T) {
			r.fails(t, "ECS says ROLLBACK_SUCCESSFUL, as alarm producer-book-errors-", "docs/operations.md#an-alarm-stops-a-deployment")
		}},
		{"an alarm that is red before a deployment is a warning", func(t *testing.T) {
			set = services(env("7"), env("1").with(settings{"desiredCount": 3}))
			r.configure(t, base().with(set).with(guarded))
			var shown strings.Builder
			r.up(t, optup.ProgressStreams(&shown))
			if text := shown.String(); !strings.Contains(text, "warning: service book: ECS watches no alarms in this deployment, as some are red before it: producer-book-errors-") || strings.Contains(text, "service author: ECS watches") {
				t.Errorf("the up shows\n%s", text)
			}
		}},
		{"alarms go", func(t *testing.T) {
			r.configure(t, base().with(set))
			ops, _ := r.up(t)
			expect(t, ops, alarms("delete"))
			for _, service := range []string{"book", "author"} {
				out, err := r.ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{
					Cluster: aws.String(r.output(t, service, "cluster")), Services: []string{r.output(t, service, "name")},
				})
				if err != nil || len(out.Services) != 1 {
					t.Fatalf("DescribeServices: %v", err)
				}
				now := out.Services[0].DeploymentConfiguration
				if guard := now.Alarms; guard == nil || guard.Enable || len(guard.AlarmNames) > 0 {
					t.Errorf("alarms still guard deployments of %s: %+v", service, guard)
				}
				if breaker := now.DeploymentCircuitBreaker; breaker == nil || !breaker.Enable {
					t.Errorf("the circuit breaker of %s is gone too: %+v", service, breaker)
				}
			}
			a.compare(t, r.deployment)
			r.unchanged(t)
			ops, _ = r.up(t, optup.Refresh()) // the state still names the alarms
			expect(t, ops, nil)
		}},
		{"without waiting, it asks nothing", func(t *testing.T) {
			r.proxy.Decide(crash)
			set = services(env("8"), env("1").with(settings{"desiredCount": 3}))
			r.configure(t, base().with(set).with(settings{"waitForSteadyState": false}))
			mark := r.proxy.Mark()
			r.up(t)
			if got := r.asked(mark); len(got) > 0 {
				t.Errorf("it asked %v", got)
			}
			r.configure(t, base().with(set))
			r.fails(t, "service book", "container book exited with 3")
		}},
	} {
		if !t.Run(step.name, step.run) {
			break // the steps after it would start from something else
		}
	}
	r.destroy(t)
	a.sweep(t, "rollout")
}

// guarded are settings with alarms.
var guarded = settings{"alarms": true}

// watchFaults are questions that stay without an answer: the AWS SDK tries each three times.
var watchFaults = []*awsproxy.Fault{
	{Kind: awsproxy.Throttle, Operation: "ListServiceDeployments", Times: 3},
	{Kind: awsproxy.ServerError, Operation: "DescribeServiceDeployments", Times: 3},
	{Kind: awsproxy.Reset, Operation: "DescribeServiceDeployments", Times: 3},
	{Kind: awsproxy.Throttle, Operation: "DescribeTargetHealth", Times: 3},
}

// The role of ECS comes a little later than the account's first cluster, and capacity providers wait for it.
func waitedForRole(t *testing.T, calls []awsproxy.Call) {
	t.Helper()
	r, missing := record{t, calls}, 0
	for _, c := range calls {
		if c.Operation == "GetRole" && c.Params["RoleName"] == "AWSServiceRoleForECS" && !c.Took {
			missing++
		}
	}
	if missing == 0 {
		t.Error("the role was there at once: nothing had to wait for it")
	}
	for _, c := range calls {
		if c.Operation == "PutClusterCapacityProviders" && !c.Took {
			t.Errorf("capacity providers did not wait for the role of ECS: %d", c.Status)
		}
	}
	r.before(r.first("ecs", "PutClusterCapacityProviders"), "Unable to assume the service linked role", r.some("iam", "GetRole", "AWSServiceRoleForECS")[0])
}

// keptInsights asserts on a life with Container Insights, which otherwise makes its log group itself, without an end.
func keptInsights(t *testing.T, calls []awsproxy.Call) {
	t.Helper()
	r := record{t, calls}
	var group string
	for _, c := range r.some("logs", "CreateLogGroup") {
		if name := c.Params["logGroupName"]; strings.HasPrefix(name, "/aws/ecs/containerinsights/") && strings.HasSuffix(name, "/performance") {
			group = name
		}
	}
	if days := r.first("logs", "PutRetentionPolicy", group).Params["retentionInDays"]; days != "30" {
		t.Errorf("the log group of Container Insights is kept for %q days", days)
	}
	afterServices := func(r record) {
		r.before(r.first("logs", "DeleteLogGroup", group), "Container Insights makes the group again for services that still run", r.some("ecs", "DeleteService")...)
	}
	afterServices(r)
	r.vigilant(t, afterServices, "ecs:DeleteService")
}
