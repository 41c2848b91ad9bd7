package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"private-api/trace"
)

// minStart is how long a task may take to become healthy, if the grace period is shorter: the grace period is sped up, the
// task is not.
const minStart = 5 * time.Second

// Health is the health of a target, in the words of the load balancer.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/check-target-health.html
type Health struct{ State, Reason, Description string }

var (
	initial  = Health{"initial", "Elb.InitialHealthChecking", "Initial health checks in progress"}
	healthy  = Health{State: "healthy"}
	draining = Health{"draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"}
)

// checkHealth runs the health checks of the target group until the task is stopped. One that passes makes a new target
// healthy; after that it takes the thresholds of the group to change.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
func (r *Runner) checkHealth(s *service, t *task) {
	if t.targetGroup == "" {
		return
	}
	wait, passed, failed := 100*time.Millisecond, 0, 0
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
		unhealthy, err := r.probe(t, settings)
		if err == nil {
			passed, failed = passed+1, 0
		} else {
			passed, failed = 0, failed+1
		}
		r.mutex.Lock()
		switch before := t.health; {
		case t.status != "RUNNING" || t.hasEnded():
		case passed > 0 && (!t.wasHealthy || passed >= cmp.Or(settings.Number("healthyThreshold"), 3)):
			if !t.wasHealthy {
				t.deployment.failures = 0 // failures count in a row
			}
			t.healthy, t.wasHealthy, t.health = true, true, healthy
			if before != healthy {
				s.awake()
			}
		case failed >= cmp.Or(settings.Number("unhealthyThreshold"), 3):
			t.healthy, t.health = false, unhealthy
			if age := time.Since(t.started); !t.failed && age >= t.grace && (t.wasHealthy || age >= minStart) {
				r.failedChecks(s, t, err)
			}
		}
		r.mutex.Unlock()
	}
}

// failedChecks takes note of a task that the load balancer found unhealthy, after the grace period.
func (r *Runner) failedChecks(s *service, t *task, err error) {
	t.failed = true
	s.event(") (task %s) (port %d) is unhealthy in (target-group %s) due to (reason %s)", t.id, t.target.Port, t.targetGroup, t.health.Description)
	if s.completed == s.active { // otherwise the outcome of the deployment says it
		r.group.Go(func() {
			r.options.Log(t.Name, fmt.Sprintf("a task is unhealthy, another one takes its place: %v", err))
		})
	}
	s.count(t)
	s.pause()
	s.awake()
}

// probe is one health check. It takes the same way as a request: security groups can drop it.
func (r *Runner) probe(t *task, settings trace.Values) (Health, error) {
	timedOut := Health{"unhealthy", "Target.Timeout", "Request timed out"}
	if err := r.set.Check(t.targetGroup, t.target); err != nil {
		return timedOut, err
	}
	ctx, cancel := context.WithTimeout(t.ctx, time.Duration(cmp.Or(settings.Number("timeout"), 5))*time.Second)
	defer cancel()
	path := cmp.Or(settings.Text("path"), "/")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.address()+path, nil)
	if err != nil {
		return Health{"unhealthy", "Elb.InternalError", "Health checks failed due to an internal error"}, err
	}
	request.Close = true
	request.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	response, err := t.transport.RoundTrip(request)
	if errors.Is(err, context.DeadlineExceeded) {
		return timedOut, fmt.Errorf("health check %s: %w", path, err)
	}
	if err != nil {
		return Health{"unhealthy", "Target.FailedHealthChecks", "Health checks failed"}, fmt.Errorf("health check %s: %w", path, err)
	}
	response.Body.Close()
	if matcher := cmp.Or(settings.Text("matcher"), "200"); !matchesCode(matcher, response.StatusCode) {
		return Health{"unhealthy", "Target.ResponseCodeMismatch", fmt.Sprintf("Health checks failed with these codes: [%d]", response.StatusCode)},
			fmt.Errorf("health check %s: answered %d, not %s", path, response.StatusCode, matcher)
	}
	return healthy, nil
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
