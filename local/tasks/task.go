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
	"slices"
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

// hurry is the time between SIGTERM and SIGKILL once no requests come any more.
const hurry = 500 * time.Millisecond

// keptLines is how much of a task's log a failure quotes.
const keptLines = 5

// task is one process. It listens on a free port of this machine and pretends to have its container's.
type task struct {
	plan
	port      int
	command   *exec.Cmd // nil in a planned runner
	transport *http.Transport
	underWay  sync.WaitGroup // requests

	healthy     atomic.Bool
	steady      atomic.Bool // its deployment was successful: if it ends, another one starts
	healthyOnce chan struct{}
	stop        chan struct{} // closed: to be stopped
	stopping    sync.Once
	ended       chan struct{} // closed: the process has ended

	mutex  sync.Mutex
	why    string   // last result of the health check
	exit   error    // of the process
	latest []string // of the log
}

// Picked is the target of one request.
type Picked struct {
	trace.Target
	Healthy   bool
	Reason    string // why it is not healthy
	Address   string // where it really listens
	Transport http.RoundTripper
	Done      func()
}

func (t *task) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(t.port)) }

func (r *Runner) newTask(s *service, p plan) (*task, error) {
	t := &task{
		plan:        p,
		healthyOnce: make(chan struct{}), stop: make(chan struct{}), ended: make(chan struct{}),
		why: "no health check has passed yet",
	}
	if r.planned {
		t.healthy.Store(true)
		close(t.healthyOnce)
		return t, nil
	}
	program, err := r.program(p.Image)
	if err != nil {
		return nil, err
	}
	if t.port, err = freePort(); err != nil {
		return nil, err
	}
	t.transport = &http.Transport{MaxIdleConnsPerHost: 64, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext}
	t.command = exec.Command(program)
	for _, v := range p.Environment {
		if v.Name == "PORT" && v.Value == strconv.Itoa(t.target.Port) {
			v.Value = strconv.Itoa(t.port)
		}
		t.command.Env = append(t.command.Env, v.Name+"="+v.Value)
	}
	// A group of its own: Ctrl-C in the terminal reaches this program alone, which then stops tasks in order.
	t.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := t.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	t.command.Stderr = t.command.Stdout
	if err := t.command.Start(); err != nil {
		return nil, err
	}
	r.group.Go(func() {
		t.copyLog(output, r.log)
		t.mutex.Lock()
		t.exit = t.command.Wait()
		t.mutex.Unlock()
		t.healthy.Store(false)
		close(t.ended)
	})
	r.group.Go(func() { r.guard(s, t) })
	r.group.Go(func() { r.check(t) })
	return t, nil
}

// freePort asks the system for a port. Between this and the use of it, another program could take it; the task then
// fails with that reason.
func freePort() (int, error) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func (t *task) copyLog(from io.Reader, to io.Writer) {
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		fmt.Fprintf(to, "%s | %s\n", t.Name, scanner.Text())
		t.mutex.Lock()
		t.latest = append(t.latest, scanner.Text())
		t.latest = t.latest[max(0, len(t.latest)-keptLines):]
		t.mutex.Unlock()
	}
	io.Copy(io.Discard, from)
}

// guard ends the task in order when it is to be stopped, and starts another one when it ends of itself.
func (r *Runner) guard(s *service, t *task) {
	defer t.transport.CloseIdleConnections()
	select {
	case <-t.stop:
	case <-r.ctx.Done():
	case <-t.ended:
		r.replace(s, t)
		return
	}
	// A target without requests under way is deregistered at once.
	// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
	finished := make(chan struct{})
	r.group.Go(func() { t.underWay.Wait(); close(finished) })
	select {
	case <-finished:
	case <-time.After(time.Duration(r.set.DeregistrationDelay(t.targetGroup)) * time.Second / Speed):
	case <-r.idle.Done():
	}
	t.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-t.ended:
		return
	case <-time.After(time.Duration(cmp.Or(t.StopTimeout, defaultStopTimeout)) * time.Second):
	case <-r.idle.Done():
		select {
		case <-t.ended:
			return
		case <-time.After(hurry):
		}
	}
	t.command.Process.Kill()
	<-t.ended
}

// replace keeps the service at its count.
func (r *Runner) replace(s *service, t *task) {
	r.mutex.Lock()
	registered := slices.Contains(s.tasks, t)
	r.mutex.Unlock()
	if !registered || !t.steady.Load() {
		return // its deployment deals with it
	}
	fmt.Fprintf(r.log, "%s | a task ended, another one starts: %v\n", t.Name, t.failure())
	r.mutex.Lock()
	s.tasks = slices.DeleteFunc(s.tasks, func(o *task) bool { return o == t })
	r.mutex.Unlock()
	select {
	case <-time.After(time.Second): // no faster, if it ends again
	case <-r.ctx.Done():
		return
	}
	s.deployment.Lock()
	defer s.deployment.Unlock()
	started, err := r.start(s, t.plan, 1)
	if err != nil {
		fmt.Fprintf(r.log, "%s | starting a task: %v\n", t.Name, err)
		return
	}
	started[0].steady.Store(true)
}

// check runs the health checks of the target group until the task is stopped. One that passes makes a new target
// healthy; after that it takes the thresholds of the group to change.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
func (r *Runner) check(t *task) {
	if t.targetGroup == "" {
		t.healthy.Store(true)
		close(t.healthyOnce)
		return
	}
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	wait, passed, failed, once := 100*time.Millisecond, 0, 0, false
	for {
		select {
		case <-t.stop:
			t.healthy.Store(false)
			return
		case <-t.ended:
			return
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		settings, _ := r.set.HealthCheck(t.targetGroup)
		wait = time.Duration(cmp.Or(settings.Number("interval"), 30)) * time.Second / Speed
		err := r.probe(ctx, t, settings)
		t.mutex.Lock()
		t.why = ""
		if err != nil {
			t.why = err.Error()
		}
		t.mutex.Unlock()
		if err == nil {
			passed, failed = passed+1, 0
		} else {
			passed, failed = 0, failed+1
		}
		switch {
		case passed > 0 && !once:
			once = true
			t.healthy.Store(true)
			close(t.healthyOnce)
		case passed >= cmp.Or(settings.Number("healthyThreshold"), 3):
			t.healthy.Store(true)
		case failed >= cmp.Or(settings.Number("unhealthyThreshold"), 3):
			t.healthy.Store(false)
		}
	}
}

// probe is one health check. It takes the same way as a request: security groups can drop it.
func (r *Runner) probe(ctx context.Context, t *task, settings trace.Values) error {
	if stop := r.set.Check(t.targetGroup, t.target); stop != nil {
		return errors.New(stop.Reason)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(cmp.Or(settings.Number("timeout"), 5))*time.Second)
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
	for part := range strings.SplitSeq(matcher, ",") {
		low, high, ranged := strings.Cut(part, "-")
		if !ranged {
			high = low
		}
		from, err1 := strconv.Atoi(strings.TrimSpace(low))
		to, err2 := strconv.Atoi(strings.TrimSpace(high))
		if err1 == nil && err2 == nil && from <= status && status <= to {
			return true
		}
	}
	return false
}

func (t *task) reason() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.why
}

// failure says why the task is not healthy.
func (t *task) failure() error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	reason := t.why
	select {
	case <-t.ended:
		reason = "it exited"
		if t.exit != nil {
			reason += ": " + t.exit.Error()
		}
	default:
	}
	if len(t.latest) > 0 {
		reason += "; its log ends with:\n  " + strings.Join(t.latest, "\n  ")
	}
	return errors.New(reason)
}
