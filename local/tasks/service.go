package tasks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// How much ECS remembers of a service.
// Sources: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages.html (events),
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html (an hour)
const (
	keptEvents = 100
	keptFor    = time.Hour
	// AWS names no number for these two; they bound the memory of a long run.
	keptStopped     = 100
	keptDeployments = 100
)

// Limits of the threshold of the deployment circuit breaker, which is half of the desired count, rounded up.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
const (
	minThreshold = 3
	maxThreshold = 200
)

// replacementDelay is the time from the end of a task to the start of the next one. ECS takes half a minute and more.
const replacementDelay = time.Second

// What ECS says of a service deployment that it rolled back, and of one that it could not roll back.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/action-logs-troubleshooting.html; AWS documents only
// the second one, the first is what callers of DescribeServiceDeployments report.
const (
	rolledBack  = "Service deployment rolled back because the circuit breaker threshold was exceeded."
	noCandidate = "No rollback candidate was found to run the rollback."
	// AWS documents no text for an alarm; that of the event is what callers report.
	rolledBackByAlarm = "Service deployment rolled back because a deployment alarm went off."
)

// monitoring is the state of the circuit breaker or of alarms while they are watched.
const monitoring = "MONITORING"

// service is an ECS service. The runner's mutex guards all of it.
type service struct {
	arn, name string // name in ECS
	settings
	tasks       []*task // that have not stopped: old and new ones during a deployment
	stopped     []*task // latest first
	events      []Event // latest first
	deployments []*deployment
	active      *deployment // whose tasks are started: the latest one, or what that is rolled back to
	completed   *deployment // the last one that completed, and can be rolled back to
	steady      bool
	nextStart   time.Time // of a task in place of one that failed

	ctx  context.Context // until the service is deleted, or the end of the runner
	stop context.CancelFunc
	wake chan struct{} // something has changed
	done chan struct{} // closed with the end of the scheduler
}

// settings are those of a service that apply to all its tasks.
type settings struct {
	desired, minPercent, maxPercent int
	breaker, rollback               bool
	guard
}

// deployment is a service deployment, and the deployment ecs-svc/… that it makes.
type deployment struct {
	plan
	id       string // ecs-svc/…
	record   Deployment
	failures int       // tasks in a row that failed
	baking   time.Time // since when all is done but the watch of the alarms; zero: not yet
}

func (d *deployment) underWay() bool {
	return slices.Contains([]string{"PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS"}, d.record.Status)
}

func (d *deployment) finish(status, reason string) {
	d.record.Status, d.record.StatusReason, d.record.FinishedAt = status, reason, now()
	d.record.UpdatedAt = d.record.FinishedAt
	if d.record.Breaker.Status == monitoring {
		d.record.Breaker.Status = "MONITORING_COMPLETE"
	}
	if d.record.Alarms != nil && d.record.Alarms.Status == monitoring {
		d.record.Alarms.Status = "MONITORING_COMPLETE"
	}
}

// now is the time in AWS's JSON: seconds since 1970.
func now() float64 { return float64(time.Now().UnixMicro()) / 1e6 }

// event adds an event in the words of ECS.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
func (s *service) event(format string, args ...any) {
	e := Event{ID: fmt.Sprintf("%032x", rand.Uint64()), CreatedAt: now(), Message: fmt.Sprintf("(service %s", s.name) + fmt.Sprintf(format, args...)}
	s.events = slices.Insert(s.events, 0, e)
	s.events = s.events[:min(len(s.events), keptEvents)]
}

// deploy starts a deployment. One that is under way is overtaken: it stops, and its tasks make room for the new ones.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html
func (s *service) deploy(p plan, o settings) *deployment {
	if len(s.deployments) > 0 && s.deployments[0].underWay() {
		s.deployments[0].finish("STOPPED", "")
	}
	s.settings = o
	d := &deployment{plan: p, id: fmt.Sprintf("ecs-svc/%019d", rand.Int64())}
	d.record = Deployment{ARN: sibling(s.arn, "service-deployment", fmt.Sprintf("%s/%x", s.name, rand.Uint64())), Service: s.arn, Cluster: cluster(s.arn),
		Status: "PENDING", CreatedAt: now(), UpdatedAt: now(), Breaker: CircuitBreaker{Status: "DISABLED"}}
	d.record.Target.ARN = sibling(s.arn, "service-revision", fmt.Sprintf("%s/%d", s.name, rand.Int64()))
	if o.breaker {
		d.record.Breaker.Status = monitoring
	}
	if len(o.rules) > 0 {
		d.record.Alarms = &Alarms{Status: monitoring, Names: o.names()}
	}
	s.deployments = slices.Insert(s.deployments, 0, d)
	s.deployments = s.deployments[:min(len(s.deployments), keptDeployments)]
	s.active, s.steady, s.nextStart = d, false, time.Time{}
	return d
}

// cluster is the ARN of the cluster of a service.
func cluster(arn string) string { return sibling(arn, "cluster", "") }

// sibling is the ARN of something else in the cluster of a service.
func sibling(arn, kind, name string) string {
	prefix, path, _ := strings.Cut(arn, ":service/")
	cluster, _, _ := strings.Cut(path, "/")
	return strings.TrimSuffix(prefix+":"+kind+"/"+cluster+"/"+name, "/")
}

func (s *service) threshold() int {
	return min(max(minThreshold, (s.desired+1)/2), maxThreshold)
}

// count counts a task that failed, if it belongs to the deployment that is under way.
func (s *service) count(t *task) {
	if t.deployment == s.active && s.deployments[0].underWay() {
		t.deployment.failures++
	}
}

// pause lets some time pass before the next task starts.
func (s *service) pause() {
	s.nextStart = time.Now().Add(replacementDelay)
	time.AfterFunc(replacementDelay, s.awake)
}

func (s *service) awake() {
	select {
	case s.wake <- struct{}{}:
	default: // it is to wake up already
	}
}

// run is the scheduler of a service.
func (r *Runner) run(s *service) {
	defer close(s.done)
	for {
		select {
		case <-s.wake:
			r.schedule(s)
		case <-s.ctx.Done():
			r.mutex.Lock()
			if d := s.deployments[0]; d.underWay() {
				d.finish("STOPPED", "the service is deleted")
			}
			r.stopTasks(s, s.running(), s.scaling())
			r.mutex.Unlock()
			return
		}
	}
}

func (r *Runner) schedule(s *service) {
	for {
		n := r.step(s)
		if n == 0 {
			return
		}
		r.startTasks(s, n)
	}
}

// step does what the state of a service asks for: it takes note of tasks that failed, rolls a deployment back or completes
// it, and stops tasks that are no longer needed. It returns how many tasks are to be started.
// Sources: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html,
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
func (r *Runner) step(s *service) (start int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	d := s.deployments[0]
	if d.record.Status == "PENDING" {
		d.record.Status, d.record.StartedAt = "IN_PROGRESS", now()
	}
	for _, t := range slices.Clone(s.tasks) {
		switch {
		case !t.hasEnded() || t.status == "PENDING": // a start says itself what became of it
		case t.status == "RUNNING":
			r.exited(s, t)
		default: // it was to stop, whether it ended for that or of itself
			s.settle(t)
		}
	}
	r.stopSurplus(s)
	if s.breaker && d.underWay() && s.active.failures >= s.threshold() {
		d.record.Breaker.Status = "TRIGGERED"
		s.fail(d, "tasks failed to start", rolledBack, s.rollback)
		r.stopSurplus(s)
	}
	if watched := d.record.Alarms; watched != nil && watched.Status == monitoring && d.record.Status == "IN_PROGRESS" {
		if red := s.red(r.requests); len(red) > 0 {
			watched.Status, watched.Triggered = "TRIGGERED", red
			s.fail(d, "alarm detected", rolledBackByAlarm, s.guard.rollback)
			r.stopSurplus(s)
		}
	}
	good, others := 0, 0
	for _, t := range s.tasks {
		switch {
		case t.status == "RUNNING" && t.deployment == s.active && !t.failed && t.healthy:
			good++
		case t.status != "STOPPING": // which gets no more requests
			others++
		}
	}
	steady := good == s.desired && others == 0 && s.baked(d)
	if steady && !s.steady {
		if d.underWay() {
			s.complete(d)
		}
		s.event(") has reached a steady state.")
	}
	s.steady = steady
	if d.record.Status == "STOPPED" || d.record.Status == "ROLLBACK_FAILED" || s.ctx.Err() != nil || time.Now().Before(s.nextStart) {
		return 0 // a deployment that failed starts no more tasks
	}
	running := s.running()
	missing := s.desired
	for _, t := range running {
		if t.deployment == s.active && !t.failed {
			missing--
		}
	}
	return max(0, min(missing, s.desired*s.maxPercent/100-len(running)))
}

// running returns the tasks that are registered.
func (s *service) running() (all []*task) {
	for _, t := range s.tasks {
		if t.status == "RUNNING" {
			all = append(all, t)
		}
	}
	return all
}

// stopSurplus stops tasks that failed their health checks and tasks of other deployments, as far as enough healthy ones
// are left. A task that was healthy is stopped once another one has taken its place.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_services.html
func (r *Runner) stopSurplus(s *service) {
	minimum := (s.desired*s.minPercent + 99) / 100
	spare := -minimum
	for _, t := range s.running() {
		if t.healthy && !t.failed {
			spare++
		}
	}
	var old []*task
	for _, t := range s.running() {
		switch {
		case t.failed && (!t.wasHealthy || spare >= 0 || t.deployment != s.active):
			r.stopTasks(s, []*task{t}, fmt.Sprintf("Task failed ELB health checks in (target-group %s)", t.targetGroup))
		case t.failed || t.deployment == s.active: // it is needed
		case !t.healthy:
			old = append(old, t)
		case spare > 0:
			old = append(old, t)
			spare--
		}
	}
	r.stopTasks(s, old, s.scaling())
}

// scaling is the reason that ECS gives for the end of a task that is no longer needed.
func (s *service) scaling() string {
	return fmt.Sprintf("Scaling activity initiated by (deployment %s)", s.active.id)
}

// fail ends a deployment whose tasks failed too often or made an alarm go off, or the rollback of one. Without an earlier
// deployment to go back to, no more tasks are started.
func (s *service) fail(d *deployment, what, why string, rollback bool) {
	s.event(") (deployment %s) deployment failed: %s.", s.active.id, what)
	switch {
	case !rollback:
		d.finish("STOPPED", "")
	case s.completed == nil:
		d.record.Rollback = &Rollback{Reason: why, StartedAt: now()}
		d.finish("ROLLBACK_FAILED", noCandidate)
	default:
		// While it is rolled back to, a deployment is not completed, and so no candidate.
		s.active, s.completed = s.completed, nil
		s.active.failures, s.nextStart = 0, time.Time{}
		d.record.Status, d.record.StatusReason, d.record.UpdatedAt = "ROLLBACK_IN_PROGRESS", why, now()
		d.record.Rollback = &Rollback{Reason: why, StartedAt: now(), Revision: s.active.record.Target.ARN}
		s.event(") rolling back to deployment %s.", s.active.id)
	}
}

// complete ends a deployment, or its rollback, whose tasks are all healthy while no other ones are left.
func (s *service) complete(d *deployment) {
	s.completed = s.active
	if d.record.Status == "ROLLBACK_IN_PROGRESS" {
		d.finish("ROLLBACK_SUCCESSFUL", d.record.StatusReason)
	} else {
		d.finish("SUCCESSFUL", "")
	}
	s.event(") (deployment %s) deployment completed.", s.active.id)
}

// startTasks starts tasks of the active deployment and registers those that run.
func (r *Runner) startTasks(s *service, n int) {
	r.mutex.Lock()
	d, replaced := s.active, 0
	for _, t := range s.running() {
		if t.failed {
			replaced++
		}
	}
	var started []*task
	for range n {
		started = append(started, r.newTask(s, d))
	}
	s.tasks = append(s.tasks, started...)
	note := ""
	if replaced > 0 {
		note = fmt.Sprintf(" Amazon ECS replaced %d tasks due to an unhealthy status.", replaced)
	}
	s.event(") has started %d tasks: %s.%s", n, names(started), note)
	r.mutex.Unlock()
	registered := 0
	for _, t := range started {
		err := r.startTask(s, t)
		r.mutex.Lock()
		if err != nil {
			s.event(") was unable to place a task. Reason: %v.", err)
			t.stopCode, t.stoppedReason = "TaskFailedToStart", err.Error()
			s.settle(t)
			s.count(t)
			s.pause()
		} else {
			t.status, t.started = "RUNNING", time.Now()
			if t.targetGroup == "" || t.command == nil { // there is nothing to check
				t.healthy, t.wasHealthy, t.health = true, true, healthy
			}
			registered++
		}
		r.mutex.Unlock()
	}
	if registered > 0 && d.targetGroup != "" {
		r.mutex.Lock()
		s.event(") registered %d targets in (target-group %s)", registered, d.targetGroup)
		r.mutex.Unlock()
	}
}

func names(tasks []*task) string {
	var all []string
	for _, t := range tasks {
		all = append(all, "(task "+t.id+")")
	}
	return strings.Join(all, " ")
}
