package tasks

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"private-api/trace"
)

// defaultStopTimeout is ECS's time between SIGTERM and SIGKILL, in seconds.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
const defaultStopTimeout = 30

// lastStopTimeout takes its place once the runner is stopped.
const lastStopTimeout = 500 * time.Millisecond

// keptLines is how much of a task's log a failure quotes.
const keptLines = 5

// attributes of a task's process: a group of its own, as Ctrl-C in the terminal is for this program, which then stops tasks
// in order.
var attributes = syscall.SysProcAttr{Setpgid: true}

// task is one process. It listens on a free port of this machine and pretends to have its container's.
type task struct {
	plan
	port      int
	command   *exec.Cmd // nil without processes
	transport *http.Transport
	underWay  sync.WaitGroup // requests

	ctx     context.Context // until stop, or the end of the runner
	stop    context.CancelFunc
	healthy atomic.Bool
	steady  atomic.Bool   // its deployment was successful: if it ends or is unhealthy, another one starts
	ended   chan struct{} // closed with the end of the process

	mutex  sync.Mutex
	why    string   // a health check failed
	latest []string // of the log
}

// Picked is the target of one request.
type Picked struct {
	trace.Target
	Address   string // where it really listens
	Transport http.RoundTripper
	Done      func()
}

func (t *task) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(t.port)) }

func (r *Runner) startTask(s *service, p plan) (*task, error) {
	t := &task{plan: p, ended: make(chan struct{}), why: "no health check has passed yet"}
	t.ctx, t.stop = context.WithCancel(r.ctx)
	if r.options.WithoutProcesses {
		t.healthy.Store(true)
		context.AfterFunc(t.ctx, func() { close(t.ended) })
		return t, nil
	}
	program, err := r.program(p.Image)
	if err != nil {
		return nil, err
	}
	if t.port, err = freePort(); err != nil {
		return nil, err
	}
	t.transport = &http.Transport{MaxIdleConnsPerHost: 64, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, DisableCompression: true}
	t.command = exec.Command(program)
	t.command.Env = []string{"HOST=127.0.0.1"} // nobody else on the network
	for _, v := range p.Environment {
		if v.Name == "PORT" && v.Value == strconv.Itoa(t.target.Port) {
			v.Value = strconv.Itoa(t.port)
		}
		t.command.Env = append(t.command.Env, v.Name+"="+v.Value)
	}
	t.command.SysProcAttr = &attributes
	output, err := t.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	t.command.Stderr = t.command.Stdout
	started := make(chan error)
	r.group.Go(func() {
		runtime.LockOSThread() // Linux ends a process with the thread that started it
		err := t.command.Start()
		started <- err
		if err != nil {
			return
		}
		t.copyLog(output, r.options.Log)
		t.command.Wait()
		t.healthy.Store(false)
		close(t.ended)
	})
	if err := <-started; err != nil {
		return nil, err
	}
	r.group.Go(func() { r.superviseTask(s, t) })
	r.group.Go(func() { r.checkHealth(s, t) })
	return t, nil
}

// freePort asks the system for a port. Between this and the use of it, another program could take it; the task then
// fails with that reason.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func (t *task) copyLog(from io.Reader, log func(service, line string)) {
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		log(t.Name, scanner.Text())
		t.mutex.Lock()
		t.latest = append(t.latest, scanner.Text())
		t.latest = t.latest[max(0, len(t.latest)-keptLines):]
		t.mutex.Unlock()
	}
	io.Copy(io.Discard, from)
}

// superviseTask ends a task in order when it is to be stopped, and starts another one when it ends of itself.
func (r *Runner) superviseTask(s *service, t *task) {
	defer t.stop()
	defer t.transport.CloseIdleConnections()
	select {
	case <-t.ctx.Done():
	case <-t.ended:
		r.replace(s, t)
		return
	}
	// A target without requests under way is deregistered at once.
	// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
	group, _ := r.set.Find(trace.TargetGroupType, t.targetGroup)
	delay := time.Duration(group.Outputs.Number("deregistrationDelay")) * time.Second / Speed
	draining, finished := context.WithTimeout(r.ctx, delay)
	r.group.Go(func() { t.underWay.Wait(); finished() })
	<-draining.Done()
	t.command.Process.Signal(syscall.SIGTERM)
	timeout := time.Duration(cmp.Or(t.StopTimeout, defaultStopTimeout)) * time.Second
	kill := time.AfterFunc(timeout, func() { t.command.Process.Kill() })
	defer kill.Stop()
	defer context.AfterFunc(r.ctx, func() { kill.Reset(lastStopTimeout) })()
	<-t.ended
}

// replace keeps the service at its count.
func (r *Runner) replace(s *service, t *task) {
	if t.ctx.Err() != nil || !t.steady.Load() {
		return // its deployment deals with it
	}
	r.options.Log(t.Name, fmt.Sprintf("a task ended, another one starts: %v", t.failure()))
	r.stopTasks(s, []*task{t})
	select {
	case <-time.After(time.Second): // no faster, if it ends again
	case <-r.ctx.Done():
		return
	}
	s.deployment.Lock()
	defer s.deployment.Unlock()
	started, err := r.startTasks(s, t.plan, 1)
	if err != nil {
		r.options.Log(t.Name, fmt.Sprintf("starting a task: %v", err))
		return
	}
	started[0].steady.Store(true)
}

// replaceUnhealthy starts another task, which takes the place of an unhealthy one once it is healthy. If it does not
// get there, it is stopped.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_services.html
func (r *Runner) replaceUnhealthy(s *service, t *task) {
	r.options.Log(t.Name, fmt.Sprintf("a task is unhealthy, another one takes its place: %v", t.failure()))
	s.deployment.Lock()
	var started []*task
	err := t.ctx.Err() // where a deployment has stopped it since
	if err == nil {
		started, err = r.startTasks(s, t.plan, 1)
	}
	s.deployment.Unlock()
	if err == nil {
		err = r.awaitHealthy(t.ctx, started)
	}
	if err == nil {
		started[0].steady.Store(true)
		started = []*task{t}
	} else if t.ctx.Err() == nil {
		r.options.Log(t.Name, fmt.Sprintf("the task in place of an unhealthy one: %v", err))
	}
	r.stopTasks(s, started)
}

// checkHealth runs the health checks of the target group until the task is stopped. One that passes makes a new target
// healthy; after that it takes the thresholds of the group to change.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
func (r *Runner) checkHealth(s *service, t *task) {
	if t.targetGroup == "" {
		t.healthy.Store(true)
		return
	}
	var replacing atomic.Bool
	wait, passed, failed, once := 100*time.Millisecond, 0, 0, false
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-t.ended:
			return
		case <-time.After(wait):
		}
		group, _ := r.set.Find(trace.TargetGroupType, t.targetGroup)
		settings := group.Outputs.Object("healthCheck")
		wait = time.Duration(cmp.Or(settings.Number("interval"), 30)) * time.Second / Speed
		err := r.probe(t, settings)
		if err == nil {
			passed, failed = passed+1, 0
			if !once || passed >= cmp.Or(settings.Number("healthyThreshold"), 3) {
				once = true
				t.healthy.Store(true)
			}
			continue
		}
		t.mutex.Lock()
		t.why = err.Error()
		t.mutex.Unlock()
		passed, failed = 0, failed+1
		if failed < cmp.Or(settings.Number("unhealthyThreshold"), 3) {
			continue
		}
		t.healthy.Store(false)
		if t.steady.Load() && replacing.CompareAndSwap(false, true) {
			r.group.Go(func() { r.replaceUnhealthy(s, t); replacing.Store(false) })
		}
	}
}

// probe is one health check. It takes the same way as a request: security groups can drop it.
func (r *Runner) probe(t *task, settings trace.Values) error {
	if err := r.set.Check(t.targetGroup, t.target); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.ctx, time.Duration(cmp.Or(settings.Number("timeout"), 5))*time.Second)
	defer cancel()
	path := cmp.Or(settings.Text("path"), "/")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.address()+path, nil)
	if err != nil {
		return err
	}
	request.Close = true
	request.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	response, err := t.transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("health check %s: %w", path, err)
	}
	response.Body.Close()
	if matcher := cmp.Or(settings.Text("matcher"), "200"); !matchesCode(matcher, response.StatusCode) {
		return fmt.Errorf("health check %s: answered %d, not %s", path, response.StatusCode, matcher)
	}
	return nil
}

// matchesCode compares with a matcher such as 200, 200,202 or 200-299.
func matchesCode(matcher string, status int) bool {
	code := strconv.Itoa(status) // like all codes, of three digits
	for part := range strings.SplitSeq(matcher, ",") {
		low, high, _ := strings.Cut(part, "-")
		if low <= code && code <= cmp.Or(high, low) {
			return true
		}
	}
	return false
}

func (t *task) hasEnded() bool {
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}

// failure says why the task is not healthy.
func (t *task) failure() error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	reason := t.why
	if t.hasEnded() {
		reason = "it exited: " + t.command.ProcessState.String()
	}
	if len(t.latest) > 0 {
		reason += "; its log ends with:\n  " + strings.Join(t.latest, "\n  ")
	}
	return errors.New(reason)
}
