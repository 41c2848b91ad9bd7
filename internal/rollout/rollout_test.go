package rollout

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

const (
	cluster    = "arn:aws:ecs:us-west-2:123456789012:cluster/c"
	arn        = "arn:aws:ecs:us-west-2:123456789012:service/c/book"
	definition = "arn:aws:ecs:us-west-2:123456789012:task-definition/c-book:2"
	task       = "arn:aws:ecs:us-west-2:123456789012:task/c/0123abcd"
	digest     = "sha256:1111"
)

// began is when the deployment "new" began, as ECS writes it; "old" is a minute older, "later" a minute younger.
const began = 1767225600

// script answers as AWS's API reference says. The answers to an operation are given in turn, the last one for ever.
type script struct {
	mu      sync.Mutex
	answers map[string][]string // JSON, or XML of load balancing; "!CODE" is an error, "reset" a cut connection
	asked   map[string]int
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if operation == "" {
		operation = r.PostForm.Get("Action")
	}
	s.mu.Lock()
	n := s.asked[operation]
	s.asked[operation]++
	all := s.answers[operation]
	s.mu.Unlock()
	answer := "!AccessDeniedException"
	if len(all) > 0 {
		answer = all[min(n, len(all)-1)]
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch code, failed := strings.CutPrefix(answer, "!"); {
	case answer == "reset":
		panic(http.ErrAbortHandler)
	case failed:
		status := http.StatusBadRequest
		if strings.HasPrefix(code, "Server") {
			status = http.StatusInternalServerError
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"__type":%q,"message":"not authorized to perform: ecs:%s"}`, code, operation)
	default:
		fmt.Fprint(w, answer)
	}
}

func brief(id string) string {
	at := map[string]int{"old": began - 60, "new": began, "later": began + 60}[id]
	return fmt.Sprintf(`{"serviceDeploymentArn":%q,"serviceArn":%q,"clusterArn":%q,"createdAt":%d.5,"status":"SUCCESSFUL"}`, deployment(id), arn, cluster, at)
}

func deployment(id string) string {
	return "arn:aws:ecs:us-west-2:123456789012:service-deployment/c/book/" + id
}

// list is an answer of ListServiceDeployments.
func list(ids ...string) string {
	var all []string
	for _, id := range ids {
		all = append(all, brief(id))
	}
	return `{"serviceDeployments":[` + strings.Join(all, ",") + `]}`
}

// describe is an answer of DescribeServiceDeployments.
func describe(id, status string, more ...string) string {
	fields := append([]string{fmt.Sprintf(`"status":%q`, status), `"targetServiceRevision":{"requestedTaskCount":2,"runningTaskCount":1,"pendingTaskCount":1}`}, more...)
	return `{"serviceDeployments":[` + strings.Replace(strings.TrimSuffix(brief(id), `,"status":"SUCCESSFUL"}`), "}", "", 1) + "," + strings.Join(fields, ",") + `}]}`
}

func targets(descriptions ...string) string {
	return `<DescribeTargetHealthResponse><DescribeTargetHealthResult><TargetHealthDescriptions>` + strings.Join(descriptions, "") +
		`</TargetHealthDescriptions></DescribeTargetHealthResult></DescribeTargetHealthResponse>`
}

func target(state, reason, description string) string {
	return fmt.Sprintf(`<member><Target><Id>10.0.1.5</Id><Port>8080</Port></Target><TargetHealth><State>%s</State><Reason>%s</Reason><Description>%s</Description></TargetHealth></member>`, state, reason, description)
}

// event is an answer of DescribeServices.
func event(message string) string {
	return fmt.Sprintf(`{"services":[{"events":[{"message":%q,"createdAt":%d},{"message":"of an earlier deployment","createdAt":%d}]}]}`, message, began+1, began-30)
}

// stoppedTask is an answer of DescribeTasks.
func stoppedTask(reason, container string) string {
	one := func(at int, reason, container string) string {
		return fmt.Sprintf(`{"taskArn":%q,"taskDefinitionArn":%q,"createdAt":%d,"stoppedReason":%q,"containers":[%s]}`, task, definition, at, reason, container)
	}
	return `{"tasks":[` + strings.Join([]string{
		one(began-30, "a task of an earlier deployment", ""), one(began+2, "Scaling activity initiated by (deployment ecs-svc/1)", ""),
		one(began+3, reason, container), one(began+4, reason, container),
	}, ",") + `]}`
}

// usual are the answers for a deployment that goes well.
func usual() map[string][]string {
	return map[string][]string{
		"ListServiceDeployments":     {list("old", "new")},
		"DescribeServiceDeployments": {describe("new", "PENDING"), describe("new", "IN_PROGRESS"), describe("new", "SUCCESSFUL")},
		"DescribeServices":           {event("(service book) has started 2 tasks: (task 0123abcd).")},
		"DescribeTargetHealth":       {targets(target("healthy", "", ""), target("initial", "Elb.RegistrationInProgress", ""))},
		"ListTasks":                  {`{"taskArns":["` + task + `"]}`},
		"DescribeTasks":              {stoppedTask("Essential container in task exited", `{"name":"book","exitCode":3}`)},
		"GetLogEvents":               {`{"events":[{"message":"listening"},{"message":"no database"}]}`},
	}
}

// run waits for a deployment, and returns what was reported, what was warned of, and how often what was asked.
func run(t *testing.T, before *string, answers map[string][]string, change func(*Watcher)) (reports, warnings []string, asked map[string]int, err error) {
	t.Helper()
	s := &script{answers: answers, asked: map[string]int{}}
	server := httptest.NewServer(s)
	defer server.Close()
	w := New(aws.Config{
		Region: "us-west-2", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	})
	w.Limit, w.between, w.settle = 10*time.Second, time.Millisecond, 5*time.Second
	w.Report = func(text string) { reports = append(reports, text) }
	w.Warn = func(text string) { warnings = append(warnings, text) }
	if change != nil {
		change(w)
	}
	err = w.Wait(t.Context(), Service{Name: "book", Cluster: cluster, ARN: arn, TaskDefinition: definition, Digest: digest, TargetGroup: "arn:targets", LogGroup: "/ecs/book"}, before)
	return reports, warnings, s.asked, err
}

var old, none = deployment("old"), ""

func TestSucceeds(t *testing.T) {
	slow := func(w *Watcher) { w.settle = 50 * time.Millisecond }
	for name, test := range map[string]struct {
		before  *string
		answers map[string][]string
		change  func(*Watcher)
	}{
		"an update":                              {&old, nil, nil},
		"a new service":                          {&none, map[string][]string{"ListServiceDeployments": {list("new")}}, nil},
		"a new service that ECS knows later":     {&none, map[string][]string{"ListServiceDeployments": {"!ServiceNotFoundException", list(), list("new")}}, nil},
		"a list that still shows the one before": {&old, map[string][]string{"ListServiceDeployments": {list("old"), list("old"), list("new", "old")}, "DescribeServiceDeployments": {describe("new", "SUCCESSFUL")}}, nil},
		"a list that forgets the new one again":  {&old, map[string][]string{"ListServiceDeployments": {list("old", "new"), list("old"), list("old", "new")}}, nil},
		"a list that forgets all again":          {&old, map[string][]string{"ListServiceDeployments": {list("old", "new"), list()}}, nil},
		"a change that starts none, as of tags":  {&old, map[string][]string{"ListServiceDeployments": {list("old")}, "DescribeServiceDeployments": {describe("old", "SUCCESSFUL")}}, slow},
		"throttling":                             {&old, map[string][]string{"ListServiceDeployments": {"!ThrottlingException", list("new")}, "DescribeServiceDeployments": {"!ThrottlingException", describe("new", "IN_PROGRESS"), "!ThrottlingException", describe("new", "SUCCESSFUL")}}, nil},
		"faults of AWS and of the network":       {&old, map[string][]string{"ListServiceDeployments": {"reset", "!ServerException", list("new")}, "DescribeServiceDeployments": {"reset", describe("new", "IN_PROGRESS"), "!ServerException", describe("new", "SUCCESSFUL")}}, nil},
		"what only progress needs is forbidden":  {&old, map[string][]string{"DescribeServices": nil, "DescribeTargetHealth": nil}, nil},
		"nothing changed":                        {nil, map[string][]string{"DescribeServiceDeployments": {describe("new", "SUCCESSFUL")}}, nil},
		"nothing changed for more than 90 days":  {nil, map[string][]string{"ListServiceDeployments": {list()}}, nil},
		"nothing changed, but one is under way":  {nil, nil, nil},
		"done before another one started":        {&old, map[string][]string{"ListServiceDeployments": {list("new"), list("new", "later")}, "DescribeServiceDeployments": {describe("new", "IN_PROGRESS"), describe("new", "SUCCESSFUL")}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			answers := usual()
			for operation, given := range test.answers {
				answers[operation] = given
			}
			if _, _, _, err := run(t, test.before, answers, test.change); err != nil {
				t.Error(err)
			}
		})
	}
}

// An up that changes nothing looks once.
func TestLooksOnce(t *testing.T) {
	answers := usual()
	for status, succeeds := range map[string]bool{"SUCCESSFUL": true, "ROLLBACK_SUCCESSFUL": false, "ROLLBACK_FAILED": false, "STOPPED": false} {
		answers["DescribeServiceDeployments"] = []string{describe("new", status)}
		_, _, asked, err := run(t, nil, answers, nil)
		if (err == nil) != succeeds || asked["ListServiceDeployments"] != 1 || asked["DescribeServiceDeployments"] != 1 {
			t.Errorf("%s: asked %v, error %v", status, asked, err)
		}
	}
}

func TestFails(t *testing.T) {
	short := func(w *Watcher) { w.Limit = 50 * time.Millisecond }
	for name, test := range map[string]struct {
		answers map[string][]string
		change  func(*Watcher)
		says    string
	}{
		"rolled back":          {map[string][]string{"DescribeServiceDeployments": {describe("new", "IN_PROGRESS"), describe("new", "ROLLBACK_SUCCESSFUL")}}, nil, "failed: ECS says ROLLBACK_SUCCESSFUL"},
		"being rolled back":    {map[string][]string{"DescribeServiceDeployments": {describe("new", "ROLLBACK_IN_PROGRESS")}}, nil, "failed: ECS says ROLLBACK_IN_PROGRESS"},
		"to be rolled back":    {map[string][]string{"DescribeServiceDeployments": {describe("new", "ROLLBACK_REQUESTED")}}, nil, "failed: ECS says ROLLBACK_REQUESTED"},
		"cannot go back":       {map[string][]string{"DescribeServiceDeployments": {describe("new", "ROLLBACK_FAILED")}}, nil, "failed: ECS says ROLLBACK_FAILED"},
		"to be stopped":        {map[string][]string{"DescribeServiceDeployments": {describe("new", "STOP_REQUESTED")}}, nil, "failed: ECS says STOP_REQUESTED"},
		"stopped":              {map[string][]string{"DescribeServiceDeployments": {describe("new", "STOPPED")}}, nil, "failed: ECS says STOPPED"},
		"overtaken":            {map[string][]string{"ListServiceDeployments": {list("new"), list("later", "new")}, "DescribeServiceDeployments": {describe("new", "IN_PROGRESS")}}, nil, "was overtaken by a deployment that somebody else started: " + deployment("later")},
		"overtaken, stopped":   {map[string][]string{"ListServiceDeployments": {list("new"), list("later", "new")}, "DescribeServiceDeployments": {describe("new", "IN_PROGRESS"), describe("new", "STOPPED")}}, nil, "was overtaken by a deployment that somebody else started: " + deployment("later")},
		"rolled back, mended":  {map[string][]string{"ListServiceDeployments": {list("new"), list("later", "new")}, "DescribeServiceDeployments": {describe("new", "IN_PROGRESS"), describe("new", "ROLLBACK_SUCCESSFUL")}}, nil, "failed: ECS says ROLLBACK_SUCCESSFUL"},
		"too slow":             {map[string][]string{"DescribeServiceDeployments": {describe("new", "IN_PROGRESS")}}, short, "is not done after 50ms (deploymentTimeoutMinutes)"},
		"never answered":       {map[string][]string{"ListServiceDeployments": {"reset"}}, short, "the last question to AWS:\n  operation error ECS: ListServiceDeployments"},
		"never shown":          {map[string][]string{"ListServiceDeployments": {list()}}, short, "no deployment of this change is there"},
		"tags, after a failed": {map[string][]string{"ListServiceDeployments": {list("old")}, "DescribeServiceDeployments": {describe("old", "STOPPED")}}, func(w *Watcher) { w.settle = 0 }, "failed: ECS says STOPPED"},
	} {
		t.Run(name, func(t *testing.T) {
			answers := usual()
			for operation, given := range test.answers {
				answers[operation] = given
			}
			_, _, _, err := run(t, &old, answers, test.change)
			if !errors.As(err, new(*Failure)) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), digest) {
				t.Errorf("want %q:\n%v", test.says, err)
			}
		})
	}
}

// Where AWS refuses to answer, that is said at once, with the permission that is missing.
func TestNotAllowed(t *testing.T) {
	for _, operation := range []string{"ListServiceDeployments", "DescribeServiceDeployments"} {
		answers := usual()
		answers[operation] = []string{"!AccessDeniedException"}
		begin := time.Now()
		_, _, _, err := run(t, &old, answers, nil)
		if err == nil || !strings.Contains(err.Error(), "ecs:"+operation) || !strings.Contains(err.Error(), "docs/operations.md#the-program-may-not-ask") || time.Since(begin) > 3*time.Second {
			t.Errorf("%s, after %v: %v", operation, time.Since(begin), err)
		}
	}
	answers := usual()
	answers["ListServiceDeployments"] = []string{"!ServiceNotFoundException"}
	if _, _, _, err := run(t, nil, answers, nil); err == nil || !strings.Contains(err.Error(), "ServiceNotFoundException") {
		t.Errorf("a service that was deleted: %v", err)
	}
}

func TestMessage(t *testing.T) {
	answers := usual()
	answers["DescribeServiceDeployments"] = []string{describe("new", "IN_PROGRESS"), describe("new", "ROLLBACK_SUCCESSFUL", `"statusReason":"Service deployment rolled back because the circuit breaker threshold was exceeded."`,
		`"deploymentCircuitBreaker":{"status":"TRIGGERED","failureCount":3,"threshold":3}`, `"rollback":{"reason":"circuit breaker"}`)}
	// They have left once the deployment is rolled back.
	answers["DescribeTargetHealth"] = []string{targets(target("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [500]")), targets()}
	_, _, _, err := run(t, &old, answers, nil)
	want := `service book: the deployment of image sha256:1111 failed: ECS says ROLLBACK_SUCCESSFUL. What ran before goes on
ECS:
  Service deployment rolled back because the circuit breaker threshold was exceeded.
  circuit breaker
  3 tasks failed; the deployment fails at 3
  1 of 2 tasks running
tasks that stopped:
  2 × Essential container in task exited; container book exited with 3
targets that were not healthy:
  10.0.1.5:8080: Target.ResponseCodeMismatch: Health checks failed with these codes: [500]
events:
  (service book) has started 2 tasks: (task 0123abcd).
last log lines of task 0123abcd:
  listening
  no database
what to do:
  Read its last log lines; make run SERVICE=<name> starts a service alone on your machine. See docs/operations.md#the-container-ends
  Let the service answer 200 at its path and /health, on its port, within healthCheckTimeoutSeconds. See docs/operations.md#the-load-balancer-finds-it-unhealthy
then:
  make up
  or, if nothing in the stack has to change: aws ecs update-service --region us-west-2 --cluster ` + cluster + ` --service ` + arn + ` --force-new-deployment, and make up`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// A failure is told even if AWS answers nothing more.
func TestMessageWithoutPermissions(t *testing.T) {
	answers := map[string][]string{"ListServiceDeployments": {list("new")}, "DescribeServiceDeployments": {describe("new", "STOPPED")}}
	_, _, _, err := run(t, &old, answers, nil)
	if !errors.As(err, new(*Failure)) {
		t.Fatal(err)
	}
	for _, want := range []string{"ECS says STOPPED", "tasks that stopped:\n  unknown: operation error ECS: ListTasks", "events:\n  unknown: ", "See docs/operations.md#when-a-deployment-fails"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

// Only what AWS says counts as a cause: not what the service writes, nor what nobody may ask. A task that has not started
// has no log.
func TestNoCause(t *testing.T) {
	for name, answer := range map[string]string{"a service that writes anything": `{"events":[{"message":"retrieve secret from asm: OutOfMemory"}]}`, "no log": "!ResourceNotFoundException"} {
		answers := usual()
		answers["DescribeServiceDeployments"] = []string{describe("new", "STOPPED")}
		answers["DescribeTasks"] = []string{stoppedTask("gone", "")}
		answers["GetLogEvents"] = []string{answer}
		_, _, _, err := run(t, &old, answers, nil)
		if err == nil || !strings.Contains(err.Error(), "#when-a-deployment-fails") || strings.Contains(err.Error(), "#a-secret") || strings.Contains(err.Error(), "ResourceNotFound") {
			t.Errorf("%s: %v", name, err)
		}
	}
	answers := usual()
	answers["DescribeServiceDeployments"] = []string{describe("new", "STOPPED")}
	answers["DescribeTasks"] = []string{stoppedTask("gone", "")}
	answers["GetLogEvents"] = []string{`{"events":[{"message":"exec /service: exec format error"}]}`}
	if _, _, _, err := run(t, &old, answers, nil); err == nil || !strings.Contains(err.Error(), "#the-image-is-for-another-cpu") {
		t.Error(err)
	}
}

// What AWS says leads to the right headings, and to no other.
func TestCauses(t *testing.T) {
	for _, test := range []struct{ reason, container, heading string }{
		{"CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref 123456789012.dkr.ecr.us-west-2.amazonaws.com/book@sha256:1111: not found", "", "The image cannot be pulled"},
		{"ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull registry auth from Amazon ECR: There is a connection issue between the task and Amazon ECR. Check your task network configuration.", "", "The image cannot be pulled"},
		{"ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): AccessDeniedException", "", "A secret cannot be read"},
		{"ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from ssm: service call has been retried 1 time(s): invalid ssm parameters: token", "", "A secret cannot be read"},
		{"ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.", "", "The logs cannot be written"},
		{"ECS was unable to assume the role 'arn:aws:iam::123456789012:role/book' that was provided for this task.", "", "A role cannot be assumed"},
		{"CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/arm64'", "", "The image cannot be pulled|The image is for another CPU"},
		{"OutOfMemoryError: Container killed due to memory usage", "", "Out of memory"},
		{"Essential container in task exited", `{"name":"book","exitCode":1}`, "The container ends"},
		{"CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task", "", "The container ends"},
		{"Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/book/1)", `{"name":"book","exitCode":0}`, "The load balancer finds it unhealthy"},
		{"Task failed container health checks", `{"name":"book","exitCode":137}`, "Its own health check fails"},
		{"Your Spot Task was interrupted.", "", "AWS took a Spot task away"},
		{"You've reached the limit on the number of vCPUs you can run concurrently", "", "A quota of the account"},
	} {
		answers := usual()
		answers["DescribeServiceDeployments"] = []string{describe("new", "STOPPED")}
		answers["DescribeTasks"] = []string{stoppedTask(test.reason, test.container)}
		_, _, _, err := run(t, &old, answers, nil)
		var linked []string
		for _, heading := range Headings() {
			if strings.Contains(fmt.Sprint(err), "docs/operations.md#"+Anchor(heading)) {
				linked = append(linked, heading)
			}
		}
		if strings.Join(linked, "|") != test.heading {
			t.Errorf("%s\nleads to %q, want %s", test.reason, linked, test.heading)
		}
	}
}

// Of many events, those that tell of trouble are quoted.
func TestEvents(t *testing.T) {
	answers := usual()
	var all []string
	for _, message := range []string{"(service book) has reached a steady state.", "(service book) has stopped 1 running tasks.", "(service book) (deployment ecs-svc/1) deployment failed: tasks failed to start.",
		"3", "4", "5", "(service book) (port 8080) is unhealthy in (target-group arn:targets) due to (reason Health checks failed with these codes: [500])."} {
		all = append(all, fmt.Sprintf(`{"message":%q,"createdAt":%d}`, message, began+1))
	}
	answers["DescribeServices"] = []string{`{"services":[{"events":[` + strings.Join(all, ",") + `]}]}`}
	answers["DescribeServiceDeployments"] = []string{describe("new", "STOPPED")}
	_, _, _, err := run(t, &old, answers, nil)
	want := "events:\n  (service book) (deployment ecs-svc/1) deployment failed: tasks failed to start.\n  (service book) (port 8080) is unhealthy in (target-group arn:targets) due to (reason Health checks failed with these codes: [500]).\nlast"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want %q in\n%v", want, err)
	}
}

func TestProgress(t *testing.T) {
	reports, warnings, _, err := run(t, &old, usual(), nil)
	want := "service book: 1 of 2 tasks running, targets: 1 healthy, 1 initial, 0s: (service book) has started 2 tasks: (task 0123abcd)."
	if err != nil || len(reports) != 2 || reports[0] != want || warnings != nil {
		t.Errorf("%q, warned %q, want twice\n%s\n%v", reports, warnings, want, err)
	}
	if reports, _, _, err := run(t, &old, usual(), func(w *Watcher) { w.Every = time.Minute }); err != nil || len(reports) != 1 {
		t.Errorf("with a minute between two reports: %q, %v", reports, err)
	}
	answers := usual()
	answers["ListServiceDeployments"] = []string{"!ThrottlingException", list("new")}
	if reports, _, _, err := run(t, &old, answers, nil); err != nil || !strings.HasPrefix(reports[0], "service book: AWS does not answer, 0s: ") || !strings.Contains(reports[0], "ThrottlingException") {
		t.Errorf("while AWS throttles: %q, %v", reports, err)
	}
}

// What ECS waits for without an end is told while it waits, once.
func TestWarnsOfWhatLasts(t *testing.T) {
	for message, heading := range map[string]string{
		"(service book) was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a different availability zone.": "#no-capacity",
		"(service book) was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently.":                         "#a-quota-of-the-account",
	} {
		answers := usual()
		answers["DescribeServices"] = []string{event(message)}
		_, warnings, _, err := run(t, &old, answers, nil)
		if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], strings.TrimRight(message, ".")) || !strings.Contains(warnings[0], heading) {
			t.Errorf("%q, %v", warnings, err)
		}
		answers["DescribeServiceDeployments"] = []string{describe("new", "IN_PROGRESS")}
		if _, _, _, err := run(t, &old, answers, func(w *Watcher) { w.Limit = 20 * time.Millisecond }); err == nil || !strings.Contains(err.Error(), heading) {
			t.Errorf("when the time is over: %v", err)
		}
	}
}

func TestNewest(t *testing.T) {
	for want, answers := range map[string][]string{
		deployment("later"): {list("new", "later", "old")},
		deployment("new"):   {"!ThrottlingException", "reset", list("new")},
		deployment("old"):   {strings.Replace(list(), "]", `],"nextToken":"more"`, 1), list("old")},
		"":                  {list()},
	} {
		s := &script{answers: map[string][]string{"ListServiceDeployments": answers}, asked: map[string]int{}}
		server := httptest.NewServer(s)
		w := New(aws.Config{Region: "us-west-2", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""), Retryer: func() aws.Retryer { return aws.NopRetryer{} }})
		w.between = time.Millisecond
		if got, err := w.Newest(t.Context(), cluster, arn); err != nil || got != want {
			t.Errorf("%q: %v, want %q", got, err, want)
		}
		server.Close()
	}
}

func TestEndsWithTheContext(t *testing.T) {
	answers := usual()
	answers["DescribeServiceDeployments"] = []string{describe("new", "IN_PROGRESS")}
	server := httptest.NewServer(&script{answers: answers, asked: map[string]int{}})
	defer server.Close()
	w := New(aws.Config{Region: "us-west-2", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})
	w.Limit = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.Wait(ctx, Service{Name: "book", Cluster: cluster, ARN: arn}, &old); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// Each heading that a message links to is there.
func TestHeadings(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for _, heading := range Headings() {
		if !slices.ContainsFunc(lines, func(line string) bool {
			return strings.TrimLeft(line, "#") == " "+heading && strings.HasPrefix(line, "#")
		}) {
			t.Errorf("docs/operations.md has no heading %q", heading)
		}
	}
}
