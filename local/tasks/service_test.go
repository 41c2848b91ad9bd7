package tasks

import "testing"

// The examples of the documentation.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
func TestThreshold(t *testing.T) {
	for desired, want := range map[int]int{1: 3, 2: 3, 25: 13, 400: 200, 800: 200} {
		if got := (&service{settings: settings{desired: desired}}).threshold(); got != want {
			t.Errorf("of %d tasks: %d, want %d", desired, got, want)
		}
	}
}

// A run of weeks needs no more memory than one of an hour.
func TestMemoryIsBounded(t *testing.T) {
	s := &service{arn: "arn:aws:ecs:us-west-2:123456789012:service/c/s", name: "s"}
	for range 300 {
		s.deploy(plan{}, settings{desired: 1})
		one := &task{deployment: s.active, status: "RUNNING", ended: make(chan struct{})}
		s.tasks = append(s.tasks, one)
		s.settle(one)
		s.event(") has reached a steady state.")
	}
	if len(s.tasks) != 0 || len(s.stopped) != keptStopped || len(s.events) != keptEvents || len(s.deployments) != keptDeployments {
		t.Errorf("%d tasks, %d stopped ones, %d events and %d deployments are kept", len(s.tasks), len(s.stopped), len(s.events), len(s.deployments))
	}
	s.stopped[0].stoppedAt -= keptFor.Seconds() + 1
	if got := len(s.view().Tasks); got != keptStopped-1 {
		t.Errorf("after an hour, %d stopped tasks are shown", got)
	}
}

// A task may end of itself while it is to stop. A deployment would otherwise wait for it for ever.
func TestStoppingTaskEnds(t *testing.T) {
	for _, status := range []string{"DEACTIVATING", "STOPPING"} {
		r := New(t.Context(), nil, Options{})
		s := &service{ctx: t.Context(), settings: settings{desired: 1, minPercent: 100, maxPercent: 200}}
		s.deploy(plan{}, s.settings)
		good := &task{deployment: s.active, status: "RUNNING", healthy: true, ended: make(chan struct{})}
		old := &task{deployment: &deployment{}, status: status, ended: make(chan struct{})}
		s.tasks = []*task{good, old}
		close(old.ended)
		if r.step(s); s.deployments[0].record.Status != "SUCCESSFUL" || len(s.tasks) != 1 || len(s.stopped) != 1 {
			t.Errorf("%s: the deployment is %s, with %d tasks and %d stopped ones", status, s.deployments[0].record.Status, len(s.tasks), len(s.stopped))
		}
	}
}
