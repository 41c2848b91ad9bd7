package tasks

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"private-api/trace"
)

// defaultStopTimeout is ECS's time between SIGTERM and SIGKILL, in seconds.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
const defaultStopTimeout = 30

// lastStopTimeout takes its place once the runner is stopped.
const lastStopTimeout = 500 * time.Millisecond

// How much of a task's log is kept: lines, and bytes of each.
const (
	keptLines = 100
	keptBytes = 16 << 10
)

// attributes of a task's process: a group of its own, as Ctrl-C in the terminal is for this program, which then stops tasks
// in order.
var attributes = syscall.SysProcAttr{Setpgid: true}

// task is one process. It listens on a free port of this machine and pretends to have its container's. The runner's mutex
// guards what changes.
type task struct {
	*deployment
	id        string
	created   float64   // seconds since 1970
	started   time.Time // when it was registered
	port      int
	command   *exec.Cmd // nil without processes, and before the start
	transport *http.Transport
	underWay  sync.WaitGroup // requests

	ctx   context.Context // until stop, or the end of the service
	stop  context.CancelFunc
	ended chan struct{} // closed with the end of the process

	status                  string // of ECS: PENDING, RUNNING, DEACTIVATING (its target drains), STOPPING or STOPPED
	stopCode, stoppedReason string
	stoppedAt               float64
	health                  Health // in the target group
	healthy, wasHealthy     bool
	failed                  bool // health checks, after the grace period: another task takes its place

	logMutex sync.Mutex
	log      []LogEvent
}

// Picked is the target of one request.
type Picked struct {
	trace.Target
	Name      string // of the container
	Task      string // id
	Address   string // where it really listens
	Transport http.RoundTripper
	Done      func()
}

func (t *task) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(t.port)) }

func (r *Runner) newTask(s *service, d *deployment) *task {
	t := &task{deployment: d, id: fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()), created: now(), status: "PENDING", ended: make(chan struct{})}
	t.health = initial
	t.ctx, t.stop = context.WithCancel(s.ctx)
	return t
}

// startTask starts the process of a task. The error is in the words of ECS.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
func (r *Runner) startTask(s *service, t *task) error {
	if r.options.WithoutProcesses {
		return nil
	}
	program, err := r.program(t.Image)
	if err != nil {
		return fmt.Errorf("CannotPullContainerError: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return fmt.Errorf("ResourceInitializationError: %w", err)
	}
	command := exec.Command(program)
	command.Env = []string{"HOST=127.0.0.1"} // nobody else on the network
	for _, v := range t.Environment {
		if v.Name == "PORT" && v.Value == strconv.Itoa(t.target.Port) {
			v.Value = strconv.Itoa(port)
		}
		command.Env = append(command.Env, v.Name+"="+v.Value)
	}
	command.SysProcAttr = &attributes
	output, err := command.StdoutPipe()
	if err != nil {
		return fmt.Errorf("CannotStartContainerError: %w", err)
	}
	command.Stderr = command.Stdout
	started := make(chan error)
	r.group.Go(func() {
		runtime.LockOSThread() // Linux ends a process with the thread that started it
		err := command.Start()
		started <- err
		if err != nil {
			return
		}
		t.copyLog(output, r.options.Log)
		command.Wait()
		close(t.ended)
	})
	if err := <-started; err != nil {
		return fmt.Errorf("CannotStartContainerError: %w", err)
	}
	r.mutex.Lock()
	t.port, t.command = port, command
	t.transport = &http.Transport{MaxIdleConnsPerHost: 64, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, DisableCompression: true}
	r.mutex.Unlock()
	r.group.Go(func() { r.superviseTask(s, t) })
	r.group.Go(func() { r.checkHealth(s, t) })
	return nil
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
		line := scanner.Text()
		log(t.Name, line)
		t.logMutex.Lock()
		at := time.Now().UnixMilli()
		t.log = append(t.log, LogEvent{at, at, line[:min(len(line), keptBytes)]})
		t.log = t.log[max(0, len(t.log)-keptLines):]
		t.logMutex.Unlock()
	}
	io.Copy(io.Discard, from)
}

// superviseTask ends a task in order when it is to be stopped, and tells the scheduler when it ends of itself.
func (r *Runner) superviseTask(s *service, t *task) {
	defer s.awake()
	defer t.stop()
	defer t.transport.CloseIdleConnections()
	select {
	case <-t.ctx.Done():
	case <-t.ended:
		r.mutex.Lock()
		t.healthy = false
		r.mutex.Unlock()
		return
	}
	// A target without requests under way is deregistered at once.
	// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
	group, _ := r.set.Find(trace.TargetGroupType, t.targetGroup)
	delay := time.Duration(group.Outputs.Number("deregistrationDelay")) * time.Second / Speed
	draining, finished := context.WithTimeout(r.ctx, delay)
	r.group.Go(func() { t.underWay.Wait(); finished() })
	<-draining.Done()
	r.mutex.Lock()
	t.status = "STOPPING"
	r.mutex.Unlock()
	s.awake()
	t.command.Process.Signal(syscall.SIGTERM)
	timeout := time.Duration(cmp.Or(t.StopTimeout, defaultStopTimeout)) * time.Second
	kill := time.AfterFunc(timeout, func() { t.command.Process.Kill() })
	defer kill.Stop()
	defer context.AfterFunc(r.ctx, func() { kill.Reset(lastStopTimeout) })()
	<-t.ended
}

// exited takes note of a task that ended of itself. It counts as a failure of its deployment unless it was healthy before.
// Source: https://repost.aws/knowledge-center/ecs-deployment-roll-back-failure
func (r *Runner) exited(s *service, t *task) {
	t.stopCode, t.stoppedReason = "EssentialContainerExited", "Essential container in task exited"
	s.deregistered([]*task{t})
	s.settle(t)
	if s.completed == s.active { // otherwise the outcome of the deployment says it
		r.group.Go(func() {
			r.options.Log(t.Name, fmt.Sprintf("a task ended, another one starts: %v", t.command.ProcessState))
		})
	}
	if !t.wasHealthy {
		s.count(t)
	}
	s.pause()
}

// stopTasks takes tasks out of the target group and stops them, without waiting: requests under way finish first.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/load-balancer-connection-draining.html
func (r *Runner) stopTasks(s *service, tasks []*task, reason string) {
	if len(tasks) == 0 {
		return
	}
	s.event(") has stopped %d running tasks: %s.", len(tasks), names(tasks))
	s.deregistered(tasks)
	for _, t := range tasks {
		t.status, t.health = "DEACTIVATING", draining
		t.stopCode, t.stoppedReason = "ServiceSchedulerInitiated", reason
		t.stop()
		if t.command == nil {
			s.settle(t)
		}
	}
}

// deregistered adds the events of tasks of one deployment that leave the target group.
func (s *service) deregistered(tasks []*task) {
	if group := tasks[0].targetGroup; group != "" {
		s.event(") deregistered %d targets in (target-group %s)", len(tasks), group)
		s.event(", taskSet %s) has begun draining connections on %d tasks.", tasks[0].deployment.id, len(tasks))
	}
}

// settle keeps what is known of a task that has stopped.
func (s *service) settle(t *task) {
	t.status, t.stoppedAt, t.healthy = "STOPPED", now(), false
	s.tasks = slices.DeleteFunc(s.tasks, func(other *task) bool { return other == t })
	s.stopped = slices.Insert(s.stopped, 0, t)
	s.stopped = s.stopped[:min(len(s.stopped), keptStopped)]
}

func (t *task) hasEnded() bool {
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}
