package awsproxy

import (
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	ec2client "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// Outcome is how the next deployment of an ECS service goes. Set it with Proxy.Decide. Without one, a deployment is
// successful, and its tasks are healthy.
type Outcome struct {
	Service string // how the service's name begins; "" is any
	End     End
	// Unlisted is how many answers of ListServiceDeployments do not show the deployment yet.
	Unlisted int
	Stopped  []StoppedTask
	// Targets are what the load balancer says of the deployment's tasks until the next deployment; default: nothing, or
	// healthy if the deployment is successful.
	Targets []elbtypes.TargetHealth
	Events  []string // of the service, the latest last; the name of the service stands before each
}

// End is how a deployment ends.
type End string

// The ends. It is ECS that decides whether there is anything to roll back to.
const (
	Succeed End = ""
	Fail    End = "fail" // the circuit breaker ends it: ROLLBACK_SUCCESSFUL, or ROLLBACK_FAILED if nothing was there before
	Stop    End = "stop" // STOPPED, without another deployment
	Never   End = "never"
)

// StoppedTask is a task of a deployment that stopped.
type StoppedTask struct {
	StopCode, Reason string
	ExitCode         *int32 // nil: the container never ran
	ContainerReason  string
	Health           ecstypes.HealthStatus // default: UNKNOWN
	Log              []string              // lines, the latest last
}

// service is what AWS knows of an ECS service and the simulator does not.
type service struct {
	arn, name   string
	number      int            // of the service, for the addresses of its tasks
	given       map[string]any // the fields in kept
	desired     int
	deployments []*deployment            // the latest last
	events      []any                    // the latest first
	tasks       []any                    // that stopped
	now         *[]elbtypes.TargetHealth // of the tasks that run, where Happen said so; nil: as the deployment went
}

// deployment is a service deployment.
type deployment struct {
	number   int64
	created  time.Time
	revision map[string]any // what it deploys: the fields in revised
	source   *deployment    // the latest successful one before it; nil: none
	outcome  Outcome
	status   ecstypes.ServiceDeploymentStatus
	next     []ecstypes.ServiceDeploymentStatus // each answer of DescribeServiceDeployments shows the next one
}

// The states of service deployments.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html
const (
	pending     = ecstypes.ServiceDeploymentStatusPending
	inProgress  = ecstypes.ServiceDeploymentStatusInProgress
	successful  = ecstypes.ServiceDeploymentStatusSuccessful
	stopping    = ecstypes.ServiceDeploymentStatusStopRequested
	stopped     = ecstypes.ServiceDeploymentStatusStopped
	rollingBack = ecstypes.ServiceDeploymentStatusRollbackInProgress
	rolledBack  = ecstypes.ServiceDeploymentStatusRollbackSuccessful
	noRollback  = ecstypes.ServiceDeploymentStatusRollbackFailed
)

var (
	// kept are the fields of CreateService and UpdateService that the simulator does not give back, or not as it was
	// given them, or that a rollback sets back.
	kept = append([]string{
		"availabilityZoneRebalancing", "deploymentConfiguration", "enableECSManagedTags", "healthCheckGracePeriodSeconds", "propagateTags",
	}, revised...)
	// revised are the fields that a service revision consists of, as far as the program sets them.
	// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceRevision.html
	revised = []string{"capacityProviderStrategy", "loadBalancers", "networkConfiguration", "platformVersion", "serviceRegistries", "taskDefinition"}
	// deploying are those of which a change starts a deployment.
	// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
	deploying = []string{"loadBalancers", "networkConfiguration", "platformVersion", "serviceRegistries", "taskDefinition"}
)

// What ECS says where the circuit breaker ended a deployment. It then rolls back to the latest deployment that completed.
// Sources: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html,
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/action-logs-troubleshooting.html, and what
// TestAccECSService_BlueGreenDeployment_circuitBreakerRollback of the Terraform provider expects of AWS.
const (
	whyRollback   = "Service deployment rolled back because the circuit breaker threshold was exceeded."
	whyNoRollback = "No rollback candidate was found to run the rollback."
)

// roleName is the service-linked role with which ECS works in an account. The account's first CreateCluster makes it.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
const roleName = "AWSServiceRoleForECS"

// Decide sets how the next deployment goes that the outcome is for. Of several, the one set first comes first.
func (p *Proxy) Decide(outcomes ...Outcome) {
	p.gaps.mu.Lock()
	defer p.gaps.mu.Unlock()
	p.gaps.outcomes = append(p.gaps.outcomes, outcomes...)
}

// Happen lets something happen to the tasks of a service, whose name begins so, until Mend or the next deployment: those in
// stopped end, and of those that run, the load balancer says targets.
func (p *Proxy) Happen(name string, targets []elbtypes.TargetHealth, stopped ...StoppedTask) error {
	s, err := p.gaps.lock(name)
	defer p.gaps.mu.Unlock()
	if err != nil {
		return err
	}
	s.now = &targets
	for _, task := range stopped {
		if err := p.gaps.stop(&Call{region: strings.Split(s.arn, ":")[3]}, s, s.latest(), task); err != nil {
			return err
		}
	}
	return nil
}

// Mend ends what Happen did: all tasks run and are healthy, and none has stopped.
func (p *Proxy) Mend(name string) error {
	s, err := p.gaps.lock(name)
	defer p.gaps.mu.Unlock()
	if err == nil {
		s.now, s.tasks = nil, nil
	}
	return err
}

// lock finds the service whose name begins so, which nothing else then changes until the lock is released.
func (g *gaps) lock(name string) (*service, error) {
	g.mu.Lock()
	for _, s := range g.services {
		if strings.HasPrefix(s.name, name) && s.latest() != nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("no service %s*", name)
}

// MakeRole sets how often GetRole does not find the service-linked role of ECS once the account has a cluster, if the role
// was not there before: default 1; negative: always.
func (p *Proxy) MakeRole(after int) {
	p.gaps.mu.Lock()
	defer p.gaps.mu.Unlock()
	p.gaps.roleAfter = after
}

// answer answers for the simulator what it cannot, or would take and AWS refuses; nil: the simulator is to be asked.
func (g *gaps) answer(c *Call, request []byte) *httptest.ResponseRecorder {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.Service == scaling {
		return g.answerScaling(c, request)
	}
	switch c.String() {
	case "iam:GetRole":
		if c.Params["RoleName"] == roleName && !g.role(c) && g.clusters != nil && g.roleAfter > 0 {
			g.roleAfter--
		}
	case "ecs:PutClusterCapacityProviders":
		if !g.role(c) {
			return c.refuse("InvalidParameterException", "Unable to assume the service linked role. Please verify that the ECS service linked role exists.")
		}
	case "ecs:ListServiceDeployments":
		return g.listDeployments(c, request)
	case "ecs:DescribeServiceDeployments":
		return g.describeDeployments(c, request)
	case "ecs:ListTasks":
		if name := c.Params["serviceName"]; name != "" {
			s, refusal := g.find(c, c.Params["cluster"], name)
			if refusal != nil {
				return refusal
			}
			tasks := s.tasks
			if c.Params["desiredStatus"] != string(ecstypes.DesiredStatusStopped) { // the default is RUNNING
				tasks = g.running(c, s)
			}
			arns := []any{}
			for _, task := range tasks {
				arns = append(arns, task.(map[string]any)["taskArn"])
			}
			return document(map[string]any{"taskArns": arns})
		}
	case "ecs:DescribeTasks":
		return g.describeTasks(c, request)
	case "elasticloadbalancing:DescribeTargetHealth":
		return g.describeTargets(c)
	}
	return nil
}

// role reports whether the service-linked role is there. It makes it if its time has come.
func (g *gaps) role(c *Call) bool {
	client, ctx := iam.NewFromConfig(g.simulator(c)), context.Background()
	_, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(roleName)})
	if err == nil {
		return true
	}
	if g.clusters == nil || g.roleAfter != 0 {
		return false
	}
	_, err = client.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: aws.String(roleName), Path: aws.String("/aws-service-role/ecs.amazonaws.com/"),
		AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs.amazonaws.com"},"Action":"sts:AssumeRole"}]}`),
	})
	var exists *iamtypes.EntityAlreadyExistsException
	return err == nil || errors.As(err, &exists)
}

// find finds a service, or the refusal that AWS answers instead.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServiceDeployments.html
func (g *gaps) find(c *Call, cluster, name string) (*service, *httptest.ResponseRecorder) {
	if s := g.services[serviceKey(cluster, name)]; s != nil {
		return s, nil
	}
	if !g.clusters[path.Base(cluster)] {
		return nil, c.refuse("ClusterNotFoundException", "Cluster not found.")
	}
	return nil, c.refuse("ServiceNotFoundException", "Service not found.")
}

// changedService remembers what CreateService or UpdateService asked for, and starts the deployment that AWS would.
func (g *gaps) changedService(c *Call, request []byte, answer *httptest.ResponseRecorder) {
	var asked map[string]any
	if json.Unmarshal(request, &asked) != nil {
		return
	}
	name := cmp.Or(asked["serviceName"], asked["service"])
	key := serviceKey(asked["cluster"], name)
	s := g.services[key]
	starts := asked["forceNewDeployment"] == true
	if s == nil || c.Operation == "CreateService" {
		s, starts = &service{arn: flatten(answer.Body.Bytes())["service.serviceArn"], name: path.Base(fmt.Sprint(name)), number: len(g.services), given: map[string]any{}}, true
		g.services[key] = s
	}
	if count, given := asked["desiredCount"].(float64); given {
		s.desired = int(count)
	}
	for field, value := range asked {
		if value == nil || !slices.Contains(kept, field) {
			continue
		}
		starts = starts || slices.Contains(deploying, field) && !reflect.DeepEqual(s.given[field], value)
		s.given[field] = value
	}
	if !starts {
		return
	}
	if err := g.deploy(c, s); err != nil {
		*answer = *c.refuse("ClientException", "the outcome that the test decided cannot be played: "+err.Error())
	}
}

// deploy starts a deployment of what the service was given.
func (g *gaps) deploy(c *Call, s *service) error {
	g.deployed++
	d := &deployment{number: time.Now().UnixNano() + g.deployed, created: time.Now(), revision: map[string]any{}, source: s.running(), status: pending}
	for _, field := range revised {
		d.revision[field] = s.given[field]
	}
	if i := slices.IndexFunc(g.outcomes, func(o Outcome) bool { return strings.HasPrefix(s.name, o.Service) }); i >= 0 {
		d.outcome = g.outcomes[i]
		g.outcomes = slices.Delete(g.outcomes, i, i+1)
	}
	switch d.outcome.End {
	case Succeed:
		d.next = []ecstypes.ServiceDeploymentStatus{inProgress, successful}
	case Fail:
		d.next = []ecstypes.ServiceDeploymentStatus{inProgress, rollingBack, rolledBack}
		if d.source == nil {
			d.next[2] = noRollback
		}
	case Stop:
		d.next = []ecstypes.ServiceDeploymentStatus{inProgress, stopped}
	case Never:
		d.next = []ecstypes.ServiceDeploymentStatus{inProgress}
	}
	if last := s.latest(); last != nil && !last.completed() {
		last.status, last.next = stopping, []ecstypes.ServiceDeploymentStatus{stopped}
	}
	s.deployments, s.now = append(s.deployments, d), nil
	for _, event := range d.outcome.Events {
		s.happened(event)
	}
	for _, task := range d.outcome.Stopped {
		if err := g.stop(c, s, d, task); err != nil {
			return err
		}
	}
	return nil
}

// completed reports whether nothing more happens to the deployment.
func (d *deployment) completed() bool {
	return slices.Contains([]ecstypes.ServiceDeploymentStatus{successful, stopped, rolledBack, noRollback}, d.status)
}

func (d *deployment) id() string { return fmt.Sprintf("ecs-svc/%d", d.number) }

// arnOf is the ARN of what belongs to a deployment: its service-deployment, its service-revision.
func (s *service) arnOf(kind string, d *deployment) string {
	return strings.Replace(s.arn, ":service/", ":"+kind+"/", 1) + "/" + fmt.Sprint(d.number)
}

// latest is the deployment that was started last; nil: none was.
func (s *service) latest() *deployment {
	if len(s.deployments) == 0 {
		return nil
	}
	return s.deployments[len(s.deployments)-1]
}

// running is the latest successful deployment; nil: there is none.
func (s *service) running() *deployment {
	for _, d := range slices.Backward(s.deployments) {
		if d.status == successful {
			return d
		}
	}
	return nil
}

// happened adds an event. Their texts are AWS's.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
func (s *service) happened(what string) {
	s.events = slices.Insert(s.events, 0, any(map[string]any{
		"id": fmt.Sprintf("event-%d", len(s.events)), "createdAt": seconds(time.Now()), "message": fmt.Sprintf("(service %s) %s", s.name, what),
	}))
}

// advance brings a deployment to its next state.
func (s *service) advance(d *deployment) {
	if len(d.next) == 0 {
		return
	}
	d.status, d.next = d.next[0], d.next[1:]
	switch d.status {
	case successful:
		s.happened("(deployment " + d.id() + ") deployment completed.")
		s.happened("has reached a steady state.")
	case rollingBack:
		s.happened("(deployment " + d.id() + ") deployment failed: tasks failed to start.")
		if d.source != nil {
			s.happened("rolling back to deployment " + d.source.id() + ".")
			maps.Copy(s.given, d.source.revision)
		}
	}
}

// stop adds a stopped task, and writes its log where the awslogs driver would: PREFIX/CONTAINER/TASK-ID.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
func (g *gaps) stop(c *Call, s *service, d *deployment, task StoppedTask) error {
	id := fmt.Sprintf("%032x", d.number+int64(len(s.tasks)))
	definition, _ := d.revision["taskDefinition"].(string)
	name := flattenDocument(d.revision)["loadBalancers.0.containerName"]
	container := map[string]any{"name": name, "lastStatus": "STOPPED", "healthStatus": cmp.Or(task.Health, ecstypes.HealthStatusUnknown)}
	if task.ExitCode != nil {
		container["exitCode"] = *task.ExitCode
	}
	if task.ContainerReason != "" {
		container["reason"] = task.ContainerReason
	}
	cluster := strings.Replace(path.Dir(s.arn), ":service/", ":cluster/", 1)
	s.tasks = append(s.tasks, map[string]any{
		"taskArn": strings.Replace(path.Dir(s.arn), ":service/", ":task/", 1) + "/" + id, "clusterArn": cluster,
		"taskDefinitionArn": definition, "group": "service:" + s.name, "startedBy": d.id(), "lastStatus": "STOPPED", "desiredStatus": "STOPPED",
		"createdAt": seconds(time.Now()), "stoppedAt": seconds(time.Now()), "stopCode": task.StopCode, "stoppedReason": task.Reason,
		"containers": []any{container},
	})
	if len(task.Log) == 0 {
		return nil
	}
	return g.log(c, definition, name, id, task.Log)
}

// log writes lines to the log of a task's container, where the task definition says.
func (g *gaps) log(c *Call, definition, container, task string, lines []string) error {
	ctx, cfg := context.Background(), g.simulator(c)
	out, err := ecs.NewFromConfig(cfg).DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &definition})
	if err != nil {
		return err
	}
	client := cloudwatchlogs.NewFromConfig(cfg)
	for _, defined := range out.TaskDefinition.ContainerDefinitions {
		if aws.ToString(defined.Name) != container {
			continue
		}
		options := defined.LogConfiguration.Options
		group, stream := options["awslogs-group"], options["awslogs-stream-prefix"]+"/"+container+"/"+task
		if _, err := client.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream}); err != nil {
			return err
		}
		var events []logstypes.InputLogEvent
		for _, line := range lines {
			events = append(events, logstypes.InputLogEvent{Message: aws.String(line), Timestamp: aws.Int64(time.Now().UnixMilli() + int64(len(events)))})
		}
		_, err := client.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: events})
		return err
	}
	return fmt.Errorf("%s has no container %q", definition, container)
}

// hasLogGroup reports whether the log group of a call is there.
func (g *gaps) hasLogGroup(c *Call) bool {
	name := c.Params["logGroupName"]
	out, err := cloudwatchlogs.NewFromConfig(g.simulator(c)).DescribeLogGroups(context.Background(), &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &name})
	return err == nil && slices.ContainsFunc(out.LogGroups, func(group logstypes.LogGroup) bool { return aws.ToString(group.LogGroupName) == name })
}

// listDeployments answers ListServiceDeployments, the latest last: AWS promises no order.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServiceDeployments.html
func (g *gaps) listDeployments(c *Call, request []byte) *httptest.ResponseRecorder {
	in := struct {
		Cluster, Service, NextToken string
		MaxResults                  int
		Status                      []ecstypes.ServiceDeploymentStatus
	}{Cluster: "default", MaxResults: 20}
	if err := json.Unmarshal(request, &in); err != nil || in.MaxResults < 1 || in.MaxResults > 100 {
		return c.refuse("InvalidParameterException", "maxResults must be 1 to 100")
	}
	s, refusal := g.find(c, in.Cluster, in.Service)
	if refusal != nil {
		return refusal
	}
	list := []any{}
	for _, d := range s.deployments {
		if d.outcome.Unlisted > 0 {
			d.outcome.Unlisted--
			continue
		}
		if len(in.Status) > 0 && !slices.Contains(in.Status, d.status) {
			continue
		}
		full, brief := s.describe(d), map[string]any{"targetServiceRevisionArn": s.arnOf("service-revision", d)}
		for _, field := range []string{"clusterArn", "createdAt", "finishedAt", "serviceArn", "serviceDeploymentArn", "startedAt", "status", "statusReason"} {
			if full[field] != nil {
				brief[field] = full[field]
			}
		}
		list = append(list, brief)
	}
	first := 0
	_, _ = fmt.Sscan(in.NextToken, &first)
	answer := map[string]any{"serviceDeployments": list[min(first, len(list)):min(first+in.MaxResults, len(list))]}
	if first+in.MaxResults < len(list) {
		answer["nextToken"] = fmt.Sprint(first + in.MaxResults)
	}
	return document(answer)
}

// describeDeployments answers DescribeServiceDeployments, and brings what it shows a step further.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServiceDeployments.html
func (g *gaps) describeDeployments(c *Call, request []byte) *httptest.ResponseRecorder {
	var in struct{ ServiceDeploymentArns []string }
	if err := json.Unmarshal(request, &in); err != nil || len(in.ServiceDeploymentArns) < 1 || len(in.ServiceDeploymentArns) > 20 {
		return c.refuse("InvalidParameterException", "serviceDeploymentArns must be 1 to 20")
	}
	list, failures := []any{}, []any{}
next:
	for _, arn := range in.ServiceDeploymentArns {
		for _, s := range g.services {
			for _, d := range s.deployments {
				if s.arnOf("service-deployment", d) == arn {
					s.advance(d)
					list = append(list, s.describe(d))
					continue next
				}
			}
		}
		failures = append(failures, map[string]any{"arn": arn, "reason": "MISSING"})
	}
	return document(map[string]any{"serviceDeployments": list, "failures": failures})
}

// describe is a service deployment as DescribeServiceDeployments shows it.
func (s *service) describe(d *deployment) map[string]any {
	breaker := map[string]any{"status": "MONITORING", "failureCount": len(d.outcome.Stopped), "threshold": min(max((s.desired+1)/2, 3), 200)}
	target := map[string]any{"arn": s.arnOf("service-revision", d), "requestedTaskCount": s.desired, "runningTaskCount": 0, "pendingTaskCount": s.desired}
	if d.outcome.End == Succeed && d.status != pending {
		target["runningTaskCount"], target["pendingTaskCount"] = s.desired, 0
	}
	doc := map[string]any{
		"serviceDeploymentArn": s.arnOf("service-deployment", d), "serviceArn": s.arn, "clusterArn": strings.Replace(path.Dir(s.arn), ":service/", ":cluster/", 1),
		"createdAt": seconds(d.created), "updatedAt": seconds(time.Now()), "status": d.status, "targetServiceRevision": target,
		"deploymentConfiguration": s.given["deploymentConfiguration"], "deploymentCircuitBreaker": breaker,
	}
	if d.status != pending {
		doc["startedAt"] = seconds(d.created)
	}
	if d.source != nil {
		doc["sourceServiceRevisions"] = []any{map[string]any{
			"arn": s.arnOf("service-revision", d.source), "requestedTaskCount": s.desired, "runningTaskCount": s.desired, "pendingTaskCount": 0,
		}}
	}
	switch d.status {
	case successful, stopped:
		breaker["status"] = "MONITORING_COMPLETE"
	case rollingBack, rolledBack, noRollback:
		breaker["status"], breaker["failureCount"] = "TRIGGERED", breaker["threshold"]
		rollback := map[string]any{"reason": whyRollback, "startedAt": seconds(time.Now())}
		if d.source != nil {
			rollback["serviceRevisionArn"] = s.arnOf("service-revision", d.source)
		}
		doc["rollback"], doc["statusReason"] = rollback, whyRollback
	}
	switch {
	case d.status == noRollback:
		doc["statusReason"] = whyNoRollback
	case d.status == stopped:
		doc["stoppedAt"] = seconds(time.Now())
	}
	if d.completed() {
		doc["finishedAt"] = seconds(time.Now())
	}
	return doc
}

// fill completes a service as DescribeServices shows it: what it was given, its deployments and events.
func (s *service) fill(doc map[string]any) {
	maps.Copy(doc, s.given)
	d := s.latest()
	if d == nil {
		return
	}
	show := func(d *deployment, status, rollout, reason string, running bool) any {
		shown := map[string]any{
			"id": d.id(), "status": status, "rolloutState": rollout, "rolloutStateReason": reason, "createdAt": seconds(d.created), "updatedAt": seconds(time.Now()),
			"desiredCount": s.desired, "runningCount": 0, "pendingCount": s.desired, "failedTasks": 0,
		}
		if running {
			shown["runningCount"], shown["pendingCount"] = s.desired, 0
		}
		for _, field := range []string{"capacityProviderStrategy", "networkConfiguration", "platformVersion", "taskDefinition"} {
			shown[field] = d.revision[field]
		}
		return shown
	}
	completed := func(d *deployment, status string) any {
		return show(d, status, "COMPLETED", fmt.Sprintf("ECS deployment %s completed.", d.id()), true)
	}
	failed := func(d *deployment, status string) any {
		return show(d, status, "FAILED", "ECS deployment circuit breaker: tasks failed to start.", false)
	}
	var list []any
	switch {
	case d.status == successful:
		list = []any{completed(d, "PRIMARY")}
	case d.status == rolledBack:
		list = []any{completed(d.source, "PRIMARY")}
	case d.status == rollingBack && d.source != nil:
		list = []any{show(d.source, "PRIMARY", "IN_PROGRESS", fmt.Sprintf("ECS deployment %s in progress.", d.source.id()), true), failed(d, "ACTIVE")}
	case d.status == rollingBack, d.completed():
		list = []any{failed(d, "PRIMARY")}
	default:
		list = []any{show(d, "PRIMARY", "IN_PROGRESS", fmt.Sprintf("ECS deployment %s in progress.", d.id()), d.outcome.End == Succeed && d.status != pending)}
	}
	if !d.completed() && d.status != rollingBack && d.source != nil {
		list = append(list, completed(d.source, "ACTIVE"))
	}
	doc["deployments"], doc["events"] = list, s.events
	if s.events == nil {
		doc["events"] = []any{}
	}
	first := list[0].(map[string]any)
	doc["runningCount"], doc["pendingCount"] = first["runningCount"], first["pendingCount"]
	if s.now != nil {
		doc["runningCount"], doc["pendingCount"] = len(*s.now), s.desired-len(*s.now)
	}
}

// running are the tasks that run, one for each target: each in a subnet of the service, in turn.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Attachment.html
func (g *gaps) running(c *Call, s *service) []any {
	var tasks []any
	for i, place := range g.places(c, s) {
		d := s.latest()
		container := map[string]any{"name": flattenDocument(s.given)["loadBalancers.0.containerName"], "lastStatus": "RUNNING", "healthStatus": "HEALTHY"}
		tasks = append(tasks, map[string]any{
			"taskArn":    fmt.Sprintf("%s/%032x", strings.Replace(path.Dir(s.arn), ":service/", ":task/", 1), d.number+int64(1000+i)),
			"clusterArn": strings.Replace(path.Dir(s.arn), ":service/", ":cluster/", 1), "taskDefinitionArn": d.revision["taskDefinition"],
			"group": "service:" + s.name, "startedBy": d.id(), "lastStatus": "RUNNING", "desiredStatus": "RUNNING", "createdAt": seconds(d.created), "startedAt": seconds(d.created),
			"containers": []any{container},
			"attachments": []any{map[string]any{"type": "ElasticNetworkInterface", "status": "ATTACHED", "details": []any{
				map[string]any{"name": "subnetId", "value": place.subnet}, map[string]any{"name": "privateIPv4Address", "value": place.address},
			}}},
		})
	}
	return tasks
}

// place is where a task of a service is.
type place struct{ subnet, zone, address string }

// places are those of the tasks that run. Without a network of its own, a service has none that AWS would give.
func (g *gaps) places(c *Call, s *service) []place {
	var ids []string
	for name, value := range flattenDocument(s.given) {
		if strings.HasPrefix(name, "networkConfiguration.awsvpcConfiguration.subnets.") {
			ids = append(ids, value)
		}
	}
	slices.Sort(ids)
	all := make([]place, len(s.health()))
	out, err := ec2client.NewFromConfig(g.simulator(c)).DescribeSubnets(context.Background(), &ec2client.DescribeSubnetsInput{SubnetIds: ids})
	if err != nil || len(ids) == 0 {
		return all
	}
	for i := range all {
		subnet := out.Subnets[i%len(out.Subnets)]
		block := netip.MustParsePrefix(aws.ToString(subnet.CidrBlock)).Addr().As4()
		block[3] += byte(10 + 20*s.number + i)
		all[i] = place{aws.ToString(subnet.SubnetId), aws.ToString(subnet.AvailabilityZone), netip.AddrFrom4(block).String()}
	}
	return all
}

// health is what the load balancer says of the tasks that run.
func (s *service) health() []elbtypes.TargetHealth {
	d := s.latest()
	switch {
	case d == nil:
		return nil
	case s.now != nil:
		return *s.now
	}
	all := slices.Clone(d.outcome.Targets)
	for range s.desired {
		switch {
		case d.status == successful:
			all = append(all, elbtypes.TargetHealth{State: elbtypes.TargetHealthStateEnumHealthy})
		case d.outcome.End == Succeed:
			all = append(all, elbtypes.TargetHealth{
				State: elbtypes.TargetHealthStateEnumInitial, Reason: elbtypes.TargetHealthReasonEnumRegistrationInProgress, Description: aws.String("Target registration is in progress"),
			})
		}
		if d.source != nil && d.status != successful {
			all = append(all, elbtypes.TargetHealth{State: elbtypes.TargetHealthStateEnumHealthy})
		}
	}
	return all
}

// describeTasks answers for the tasks of services; nil: the simulator is asked.
func (g *gaps) describeTasks(c *Call, request []byte) *httptest.ResponseRecorder {
	var in struct{ Tasks []string }
	if json.Unmarshal(request, &in) != nil {
		return nil
	}
	var list []any
	for _, s := range g.services {
		for _, task := range append(slices.Clone(s.tasks), g.running(c, s)...) {
			arn := task.(map[string]any)["taskArn"].(string)
			if slices.Contains(in.Tasks, arn) || slices.Contains(in.Tasks, path.Base(arn)) {
				list = append(list, task)
			}
		}
	}
	if list == nil {
		return nil
	}
	return document(map[string]any{"tasks": list, "failures": []any{}})
}

// targetHealth is the answer to DescribeTargetHealth.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTargetHealth.html
type targetHealth struct {
	XMLName xml.Name `xml:"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/ DescribeTargetHealthResponse"`
	Members []target `xml:"DescribeTargetHealthResult>TargetHealthDescriptions>member"`
}

type target struct {
	ID          string `xml:"Target>Id"`
	Port        string `xml:"Target>Port"`
	Zone        string `xml:"Target>AvailabilityZone,omitempty"`
	State       string `xml:"TargetHealth>State"`
	Reason      string `xml:"TargetHealth>Reason,omitempty"`
	Description string `xml:"TargetHealth>Description,omitempty"`
}

// describeTargets answers for the target group of a service; nil: the simulator is asked.
func (g *gaps) describeTargets(c *Call) *httptest.ResponseRecorder {
	for _, s := range g.services {
		given := flattenDocument(s.given)
		if s.latest() == nil || given["loadBalancers.0.targetGroupArn"] != c.Params["TargetGroupArn"] {
			continue
		}
		var doc targetHealth
		places := g.places(c, s)
		for i, h := range s.health() {
			doc.Members = append(doc.Members, target{places[i].address, given["loadBalancers.0.containerPort"], places[i].zone, string(h.State), string(h.Reason), aws.ToString(h.Description)})
		}
		body, err := xml.Marshal(doc)
		if err != nil {
			panic(err)
		}
		return respond("text/xml", body)
	}
	return nil
}

// fillServices completes an answer that describes services.
func (g *gaps) fillServices(doc map[string]any) {
	list, _ := doc["services"].([]any)
	for _, entry := range append(list, doc["service"]) {
		if shown, ok := entry.(map[string]any); ok {
			if s := g.services[serviceKey(shown["clusterArn"], shown["serviceName"])]; s != nil {
				s.fill(shown)
			}
		}
	}
}

// serviceKey names a service of a cluster, whether they are given as names or as ARNs.
func serviceKey(cluster, service any) string {
	return path.Base(fmt.Sprint(cluster)) + "/" + path.Base(fmt.Sprint(service))
}

// seconds is a time as AWS writes it in JSON.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// flattenDocument is flatten for a document that is not text.
func flattenDocument(doc map[string]any) Values {
	v := Values{}
	v.add(doc)
	return v
}

// document is an answer in JSON.
func document(doc map[string]any) *httptest.ResponseRecorder {
	body, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return respond(jsonType, body)
}

func respond(contentType string, body []byte) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	answer.Header().Set("Content-Type", contentType)
	answer.WriteHeader(http.StatusOK)
	_, _ = answer.Write(body)
	return answer
}

// refuse answers with an error of the caller's protocol.
func (c *Call) refuse(code, message string) *httptest.ResponseRecorder {
	return c.protocol.refuse(failure{http.StatusBadRequest, code, message})
}
