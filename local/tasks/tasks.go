// Package tasks is ECS: it runs the tasks of services as processes on this machine, registers them with target groups,
// checks their health, and replaces them without losing a request.
package tasks

import (
	"cmp"
	"context"
	"encoding/json"
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
	services map[string]*service // by ARN
	turn     int
}

// Options of a runner.
type Options struct {
	Folder         string                     // for the programs that are built; the caller removes it
	Log            func(service, line string) // takes what the services write; default: nothing does
	HealthyTimeout time.Duration              // how long a deployment may take to become healthy; default 30 s
	// WithoutProcesses starts nothing: every task counts as running and healthy. It proves the program, not the services.
	WithoutProcesses bool
}

// New returns a runner for what is deployed in set. It stops when ctx ends.
func New(ctx context.Context, set *trace.Set, o Options) *Runner {
	o.HealthyTimeout = cmp.Or(o.HealthyTimeout, 30*time.Second)
	if o.Log == nil {
		o.Log = func(string, string) {}
	}
	r := &Runner{set: set, options: o, services: map[string]*service{}}
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

// Log adds a line to what the services write.
func (r *Runner) Log(service, line string) { r.options.Log(service, line) }

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
}

// plan is all that a task is made from.
type plan struct {
	container
	targetGroup string // ARN, "" if none
	target      trace.Target
}

// service is an ECS service.
type service struct {
	tasks      []*task    // registered: old and new ones during a deployment; guarded by the runner's mutex
	deployment sync.Mutex // one at a time
}

// Deploy brings a service to what its outputs say: new tasks start beside the old ones, and once all are healthy the old
// ones are stopped (minimum healthy 100 %, maximum 200 %). If they do not get there, the new ones are stopped, the old
// ones stay, and the error says why.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
func (r *Runner) Deploy(ctx context.Context, arn, name string, outputs trace.Values) error {
	p, err := r.plan(name, outputs)
	if err != nil {
		return err
	}
	r.mutex.Lock()
	s := r.services[arn]
	if s == nil {
		s = &service{}
		r.services[arn] = s
	}
	r.mutex.Unlock()
	s.deployment.Lock()
	defer s.deployment.Unlock()
	old := r.registered(s)
	started, err := r.startTasks(s, p, outputs.Number("desiredCount"))
	if err == nil {
		err = r.awaitHealthy(ctx, started)
	}
	if err != nil {
		r.stopTasks(s, started)
		return fmt.Errorf("its tasks did not become healthy, what ran before goes on: %w", err)
	}
	for _, t := range started {
		t.steady.Store(true)
	}
	r.stopTasks(s, old)
	return nil
}

func (r *Runner) registered(s *service) []*task {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.Clone(s.tasks)
}

// plan reads what the outputs of a service ask for.
func (r *Runner) plan(name string, outputs trace.Values) (plan, error) {
	definition, ok := r.set.Find(trace.TaskDefinitionType, outputs.Text("taskDefinition"))
	if !ok {
		return plan{}, fmt.Errorf("task definition %s is not there", outputs.Text("taskDefinition"))
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
		if balancer.Text("containerName") != c.Name || balancer.Number("containerPort") != target.Port {
			return plan{}, fmt.Errorf("the load balancer of %s names container %s:%d, which the task definition does not have", name, balancer.Text("containerName"), balancer.Number("containerPort"))
		}
	}
	// ECS refuses that, in these words: the service must come after the listener rule.
	if targetGroup != "" && !r.set.Attached(targetGroup) {
		return plan{}, fmt.Errorf("the target group %s does not have an associated load balancer", targetGroup)
	}
	return plan{c, targetGroup, target}, nil
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
	s.deployment.Lock()
	defer s.deployment.Unlock()
	tasks := r.registered(s)
	r.stopTasks(s, tasks)
	for _, t := range tasks {
		<-t.ended
	}
}

// startTasks starts n tasks and registers them. Those that did start are returned with the error too.
func (r *Runner) startTasks(s *service, p plan, n int) ([]*task, error) {
	var started []*task
	for range n {
		t, err := r.startTask(s, p)
		if err != nil {
			return started, err
		}
		started = append(started, t)
		r.mutex.Lock()
		s.tasks = append(s.tasks, t)
		r.mutex.Unlock()
	}
	return started, nil
}

// awaitHealthy returns once all tasks are healthy.
func (r *Runner) awaitHealthy(ctx context.Context, started []*task) error {
	for limit := time.Now().Add(r.options.HealthyTimeout); ; time.Sleep(20 * time.Millisecond) {
		missing := slices.IndexFunc(started, func(t *task) bool { return t.hasEnded() || !t.healthy.Load() })
		switch err := cmp.Or(ctx.Err(), r.ctx.Err()); {
		case missing < 0 || err != nil:
			return err
		case started[missing].hasEnded():
			return started[missing].failure()
		case time.Now().After(limit):
			return fmt.Errorf("not within %v: %w", r.options.HealthyTimeout, started[missing].failure())
		}
	}
}

// stopTasks takes tasks out of the target group and stops them, without waiting: requests under way finish first.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/load-balancer-connection-draining.html
func (r *Runner) stopTasks(s *service, tasks []*task) {
	r.mutex.Lock()
	s.tasks = slices.DeleteFunc(s.tasks, func(t *task) bool { return slices.Contains(tasks, t) })
	r.mutex.Unlock()
	for _, t := range tasks {
		t.stop()
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
	return &Picked{Target: t.target, Address: t.address(), Transport: t.transport, Done: t.underWay.Done}
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
		for _, t := range s.tasks {
			if t.targetGroup != targetGroup {
				continue
			}
			all = append(all, t)
			if t.healthy.Load() {
				healthy = append(healthy, t)
			}
		}
	}
	return all, healthy
}

// Target returns how a service appears to others, by its ARN; ok is false where it does not run.
func (r *Runner) Target(arn string) (target trace.Target, ok bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	s := r.services[arn]
	if s == nil || len(s.tasks) == 0 {
		return trace.Target{}, false
	}
	return s.tasks[0].target, true
}

// Processes are the ids of what runs.
func (r *Runner) Processes() []int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var ids []int
	for _, s := range r.services {
		for _, t := range s.tasks {
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
