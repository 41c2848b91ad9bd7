// Package tasks is ECS: it runs the tasks of services as processes on this machine, registers them with target groups,
// checks their health, and replaces them without losing a request.
package tasks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	set      *trace.Set
	folder   string // for programs
	log      io.Writer
	patience time.Duration
	planned  bool

	ctx      context.Context // until Close
	cancel   context.CancelFunc
	idle     context.Context // until Idle
	makeIdle context.CancelFunc
	group    sync.WaitGroup // of all goroutines

	mutex     sync.Mutex
	interrupt chan struct{}
	programs  map[string]string   // by digest
	services  map[string]*service // by ARN
	turn      int
}

// Options of a runner.
type Options struct {
	Folder   string        // for the programs that are built; the caller removes it
	Log      io.Writer     // what the services write
	Patience time.Duration // how long a deployment may take to become healthy; default 30 s
	// Planned starts nothing: every task counts as running and healthy. For a proof about the program, not the services.
	Planned bool
}

// New returns a runner for what is deployed in set.
func New(set *trace.Set, o Options) *Runner {
	r := &Runner{
		set: set, folder: o.Folder, log: &lines{to: o.Log}, patience: cmp.Or(o.Patience, 30*time.Second), planned: o.Planned,
		interrupt: make(chan struct{}), programs: map[string]string{}, services: map[string]*service{},
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.idle, r.makeIdle = context.WithCancel(r.ctx)
	return r
}

// Idle says that no more requests come: tasks that are stopped need not wait for any.
func (r *Runner) Idle() { r.makeIdle() }

// Interrupt makes the builds and deployments under way fail, as if they had.
func (r *Runner) Interrupt() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	close(r.interrupt)
	r.interrupt = make(chan struct{})
}

// interruptible returns a context that ends with ctx, at Interrupt and at Close.
func (r *Runner) interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	r.mutex.Lock()
	interrupt := r.interrupt
	r.mutex.Unlock()
	r.group.Go(func() {
		defer cancel()
		select {
		case <-ctx.Done():
		case <-interrupt:
		case <-r.ctx.Done():
		}
	})
	return ctx, cancel
}

// Stop begins to end all tasks, and everything that waits. Requests under way are cut off: whatever sends them is closed
// before.
func (r *Runner) Stop() { r.cancel() }

// Close stops the runner and waits until nothing is left of it.
func (r *Runner) Close() {
	r.Stop()
	r.group.Wait()
}

// Build makes the program of an image, unless it is there.
func (r *Runner) Build(ctx context.Context, image Image, digest string) error {
	if r.planned {
		return nil
	}
	r.mutex.Lock()
	_, ok := r.programs[digest]
	r.mutex.Unlock()
	if ok {
		return nil
	}
	ctx, cancel := r.interruptible(ctx)
	defer cancel()
	program := filepath.Join(r.folder, digest)
	if err := image.build(ctx, program); err != nil {
		return err
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.programs[digest] = program
	return nil
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
// ones are drained (minimum healthy 100 %, maximum 200 %). If they do not get there, the new ones are stopped, the old
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
	r.mutex.Lock()
	old := slices.Clone(s.tasks)
	r.mutex.Unlock()

	started, err := r.start(s, p, outputs.Number("desiredCount"))
	if err == nil {
		err = r.await(ctx, started)
	}
	if err != nil {
		r.drain(s, started)
		return fmt.Errorf("its tasks did not become healthy, what ran before goes on: %w", err)
	}
	for _, t := range started {
		t.steady.Store(true)
	}
	r.drain(s, old)
	return nil
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
	if targetGroup != "" {
		if _, ok := r.set.HealthCheck(targetGroup); !ok {
			return plan{}, fmt.Errorf("target group %s is not there", targetGroup)
		}
		// ECS refuses that, in these words: the service must come after the listener rule.
		if !r.set.Attached(targetGroup) {
			return plan{}, fmt.Errorf("the target group %s does not have an associated load balancer", targetGroup)
		}
	}
	return plan{c, targetGroup, target}, nil
}

// Remove ends a service.
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
	r.mutex.Lock()
	all := slices.Clone(s.tasks)
	r.mutex.Unlock()
	for _, t := range r.drain(s, all) {
		if t.command != nil {
			<-t.ended
		}
	}
}

// start makes n tasks and registers them. Those that did start are returned with the error too.
func (r *Runner) start(s *service, p plan, n int) ([]*task, error) {
	var started []*task
	for range n {
		t, err := r.newTask(s, p)
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

// await returns once all tasks are healthy.
func (r *Runner) await(ctx context.Context, started []*task) error {
	ctx, cancel := r.interruptible(ctx)
	defer cancel()
	limit := time.NewTimer(r.patience)
	defer limit.Stop()
	for _, t := range started {
		select {
		case <-t.healthyOnce:
		case <-t.ended:
			return t.failure()
		case <-limit.C:
			return fmt.Errorf("not within %v: %w", r.patience, t.failure())
		case <-ctx.Done():
			return errors.New("interrupted")
		}
	}
	for _, t := range started {
		select {
		case <-t.ended:
			return t.failure()
		default:
		}
	}
	return nil
}

// drain takes tasks out of the target group and stops them, without waiting: requests under way finish first.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/load-balancer-connection-draining.html
func (r *Runner) drain(s *service, tasks []*task) []*task {
	r.mutex.Lock()
	s.tasks = slices.DeleteFunc(s.tasks, func(t *task) bool { return slices.Contains(tasks, t) })
	r.mutex.Unlock()
	for _, t := range tasks {
		t.stopping.Do(func() { close(t.stop) })
	}
	return tasks
}

// Pick chooses the target of the next request, in turn; the caller ends its turn with Done. Where none is healthy, all
// are taken (fail open); nil if none is registered.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
func (r *Runner) Pick(targetGroup string) *Picked {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var all, healthy []*task
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
	if len(all) == 0 {
		return nil
	}
	if len(healthy) == 0 {
		return r.pick(all)
	}
	return r.pick(healthy)
}

func (r *Runner) pick(tasks []*task) *Picked {
	r.turn++
	t := tasks[r.turn%len(tasks)]
	t.underWay.Add(1)
	return &Picked{Target: t.target, Healthy: t.healthy.Load(), Reason: t.reason(), Address: t.address(), Transport: t.transport, Done: t.underWay.Done}
}

// Targets counts the registered tasks of a target group, and the healthy ones.
func (r *Runner) Targets(targetGroup string) (all, healthy int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, s := range r.services {
		for _, t := range s.tasks {
			if t.targetGroup != targetGroup {
				continue
			}
			all++
			if t.healthy.Load() {
				healthy++
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
	r.mutex.Lock()
	defer r.mutex.Unlock()
	program, ok := r.programs[digest]
	if !ok {
		return "", fmt.Errorf("image %s was not built here, and there is no registry to pull it from", image)
	}
	return program, nil
}

// lines keeps the lines of several writers apart.
type lines struct {
	mutex sync.Mutex
	to    io.Writer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.to == nil {
		return len(p), nil
	}
	return l.to.Write(p)
}
