// Package tasks is ECS: it runs the tasks of services as processes on this machine, registers them with target groups,
// checks their health, and replaces them without losing a request.
package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"private-api/trace"
)

// Speed is how many times faster than on AWS health checks follow each other and targets are deregistered: half a second
// instead of half a minute. The services' own times are left as they are.
const Speed = 60

// Runner runs the services of one stack.
type Runner struct {
	set     *trace.Set
	options Options
	ctx     context.Context // until Stop
	stop    context.CancelFunc
	group   sync.WaitGroup // of all goroutines

	mutex    sync.Mutex
	services map[string]*service            // by ARN
	requests map[string]map[int64]*requests // by ARN of the target group, and minute
	turn     int
}

// Options of a runner.
type Options struct {
	Folder string                     // for the programs that are built; the caller removes it
	Log    func(service, line string) // takes what the services write; default: nothing does
	// WithoutProcesses starts nothing: every task counts as running and healthy. It proves the program, not the services.
	WithoutProcesses bool
}

// New returns a runner for what is deployed in set. It stops when ctx ends.
func New(ctx context.Context, set *trace.Set, o Options) *Runner {
	if o.Log == nil {
		o.Log = func(string, string) {}
	}
	r := &Runner{set: set, options: o, services: map[string]*service{}, requests: map[string]map[int64]*requests{}}
	r.ctx, r.stop = context.WithCancel(ctx)
	return r
}

// Stop begins to end all tasks; builds and deployments under way fail. Requests under way are cut off, so whatever sends
// them is closed before.
func (r *Runner) Stop() { r.stop() }

// Close stops the runner and waits until nothing is left of it.
func (r *Runner) Close() {
	r.stop()
	r.group.Wait()
}

// Build makes the program of an image, unless it is there.
func (r *Runner) Build(ctx context.Context, image Image, digest string) error {
	program := filepath.Join(r.options.Folder, digest)
	if _, err := os.Stat(program); err == nil || r.options.WithoutProcesses {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	return image.build(ctx, program)
}

// container is what counts here of a container definition.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
type container struct {
	Name         string
	Image        string
	PortMappings []struct{ ContainerPort int }
	Environment  []struct{ Name, Value string }
	StopTimeout  int // seconds

	LogConfiguration struct{ Options map[string]string }
}

// plan is all that a task is made from.
type plan struct {
	container
	definition  string // ARN of the task definition
	targetGroup string // ARN, "" if none
	target      trace.Target
	grace       time.Duration // until health checks count
}

// Deploy starts a deployment of a service, as its outputs say, and does not wait for it. The error is what ECS refuses.
// Without processes, the deployment is done when Deploy returns.
func (r *Runner) Deploy(arn, name string, outputs trace.Values) error {
	p, err := r.plan(name, outputs)
	if err != nil {
		return err
	}
	guard, err := r.guard(outputs)
	if err != nil {
		return err
	}
	breaker := outputs.Object("deploymentCircuitBreaker")
	o := settings{
		desired:    outputs.Number("desiredCount"),
		minPercent: outputs.Number("deploymentMinimumHealthyPercent"), maxPercent: outputs.Number("deploymentMaximumPercent"),
		breaker: breaker.Is("enable"), rollback: breaker.Is("rollback"),
		guard: guard,
	}
	if r.options.WithoutProcesses { // there are no requests
		o.bakeTime = 0
	}
	r.mutex.Lock()
	s := r.services[arn]
	if s == nil {
		s = &service{arn: arn, name: arn[strings.LastIndex(arn, "/")+1:], wake: make(chan struct{}, 1), done: make(chan struct{})}
		s.ctx, s.stop = context.WithCancel(r.ctx)
		r.services[arn] = s
		r.group.Go(func() { r.run(s) })
	}
	// ECS watches no alarm during a deployment if one is red as it begins.
	// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
	red := o.red(r.requests)
	d := s.deploy(p, o)
	if d.record.Alarms != nil && len(red) > 0 {
		d.record.Alarms.Status = "DISABLED"
	}
	r.mutex.Unlock()
	if d.record.Alarms != nil && !r.options.WithoutProcesses {
		r.group.Go(func() { r.watchAlarms(s, d) })
	}
	if r.options.WithoutProcesses {
		r.schedule(s)
	} else {
		s.awake()
	}
	return nil
}

// plan reads what the outputs of a service ask for.
func (r *Runner) plan(name string, outputs trace.Values) (plan, error) {
	definition, ok := r.set.Find(trace.TaskDefinitionType, outputs.Text("taskDefinition"))
	if !ok {
		return plan{}, errors.New("ClientException: TaskDefinition not found")
	}
	var containers []container
	if err := json.Unmarshal([]byte(definition.Outputs.Text("containerDefinitions")), &containers); err != nil {
		return plan{}, fmt.Errorf("container definitions of %s: %w", definition.Name, err)
	}
	if len(containers) != 1 || len(containers[0].PortMappings) != 1 {
		return plan{}, fmt.Errorf("task definition %s: the stand-in runs tasks of one container with one port", definition.Name)
	}
	c := containers[0]
	network := outputs.Object("networkConfiguration")
	target := trace.Target{Service: name, Port: c.PortMappings[0].ContainerPort, Groups: network.Texts("securityGroups"), Subnets: network.Texts("subnets")}
	targetGroup := ""
	for _, balancer := range outputs.Objects("loadBalancers") {
		targetGroup = balancer.Text("targetGroupArn")
		// ECS refuses these, in these words. The service must come after the listener rule.
		switch name, port := balancer.Text("containerName"), balancer.Number("containerPort"); {
		case name != c.Name:
			return plan{}, fmt.Errorf("InvalidParameterException: The container %s does not exist in the task definition", name)
		case port != target.Port:
			return plan{}, fmt.Errorf("InvalidParameterException: The container %s did not have a container port %d defined", name, port)
		case !r.set.Attached(targetGroup):
			return plan{}, fmt.Errorf("InvalidParameterException: The target group with targetGroupArn %s does not have an associated load balancer", targetGroup)
		}
	}
	grace := time.Duration(outputs.Number("healthCheckGracePeriodSeconds")) * time.Second / Speed
	return plan{c, definition.Outputs.Text("arn"), targetGroup, target, grace}, nil
}

// Remove stops a service and waits for the end of its tasks.
func (r *Runner) Remove(arn string) {
	r.mutex.Lock()
	s := r.services[arn]
	delete(r.services, arn)
	r.mutex.Unlock()
	if s == nil {
		return
	}
	s.stop()
	<-s.done
	r.mutex.Lock()
	tasks := slices.Clone(s.tasks)
	r.mutex.Unlock()
	for _, t := range tasks {
		<-t.ended
	}
}

// Pick chooses the target of the next request, in turn; the caller ends its turn with Done. Where none is healthy, all
// are taken (fail open); nil if none is registered.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
func (r *Runner) Pick(targetGroup string) *Picked {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	all, healthy := r.targets(targetGroup)
	if len(healthy) > 0 {
		all = healthy
	}
	if len(all) == 0 {
		return nil
	}
	r.turn++
	t := all[r.turn%len(all)]
	t.underWay.Add(1)
	return &Picked{Target: t.target, Name: t.Name, Task: t.id, Address: t.address(), Transport: t.transport, Done: t.underWay.Done,
		Answered: func(status int, took time.Duration) { r.answered(targetGroup, status, took) }}
}

// Targets counts the registered tasks of a target group, and the healthy ones.
func (r *Runner) Targets(targetGroup string) (all, healthy int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	tasks, healthyTasks := r.targets(targetGroup)
	return len(tasks), len(healthyTasks)
}

func (r *Runner) targets(targetGroup string) (all, healthy []*task) {
	for _, s := range r.services {
		for _, t := range s.running() {
			if t.targetGroup != targetGroup {
				continue
			}
			all = append(all, t)
			if t.healthy {
				healthy = append(healthy, t)
			}
		}
	}
	return all, healthy
}

// Processes are the ids of what runs.
func (r *Runner) Processes() []int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var ids []int
	for _, s := range r.services {
		for _, t := range s.running() {
			if t.command != nil {
				ids = append(ids, t.command.Process.Pid)
			}
		}
	}
	return ids
}

// program returns what an image runs.
func (r *Runner) program(image string) (string, error) {
	_, digest, _ := strings.Cut(image, "@sha256:")
	program := filepath.Join(r.options.Folder, digest)
	if _, err := os.Stat(program); err != nil || digest == "" {
		return "", fmt.Errorf("image %s was not built here, and there is no registry to pull it from", image)
	}
	return program, nil
}
