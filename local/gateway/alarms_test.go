package gateway_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"private-api/local/internal/mocked"
	"private-api/local/tasks"
)

const (
	echoErrors = "producer-echo-errors-0000000"
	digestIs   = `"IMAGE_DIGEST","value":"`
)

// alarm returns an alarm by name.
func (s *running) alarm(t *testing.T, name string) tasks.Alarm {
	t.Helper()
	all := s.runner.Alarms()
	i := slices.IndexFunc(all, func(a tasks.Alarm) bool { return a.Name == name })
	if i < 0 {
		t.Fatalf("no alarm %s among %+v", name, all)
	}
	return all[i]
}

// A version that starts and answers 500 makes an alarm go off, and ECS goes back to what ran before.
func TestAlarmRollsBackUnderLoad(t *testing.T) {
	s := start(t, map[string]string{"alarms": "true", "drainSeconds": "1"})
	var after tasks.Service
	var seen tasks.Alarm
	_, failed := mocked.Load(s.URL+"/api/echo/", func() {
		service, err := mocked.Revise(t, s.set, s.runner, "producer-echo", digestIs, digestIs+"broken-")
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "an alarm goes off", func() bool { seen = s.alarm(t, echoErrors); return seen.State == "ALARM" })
		after = mocked.Await(t, s.runner, service)
		eventually(t, "the answers are good again", func() bool {
			response, _ := s.do(t, "GET", "/api/echo/", nil)
			return response.StatusCode == 200
		})
	})
	d := after.Deployments[0]
	if d.Status != "ROLLBACK_SUCCESSFUL" || d.Alarms == nil || d.Alarms.Status != "TRIGGERED" || !slices.Equal(d.Alarms.Triggered, []string{echoErrors}) || d.Breaker.Status == "TRIGGERED" {
		t.Errorf("the deployment ends with %+v, alarms %+v", d, d.Alarms)
	}
	if !regexp.MustCompile(`^Threshold Crossed: [23] out of the last 3 datapoints \[\d+\.\d \(.*\] were greater than the threshold \(5\.0\)`).MatchString(seen.Reason) {
		t.Errorf("the alarm says %s", seen.Reason)
	}
	if !slices.ContainsFunc(after.Events, func(e tasks.Event) bool { return strings.HasSuffix(e.Message, ") deployment failed: alarm detected.") }) {
		t.Errorf("events %+v", after.Events)
	}
	if len(failed) == 0 || slices.ContainsFunc(failed, func(f string) bool { return f != "500 Internal Server Error" }) {
		t.Errorf("%d requests failed: %q", len(failed), failed[:min(5, len(failed))])
	}
	if sent, failed := mocked.Load(s.URL+"/api/echo/", func() { time.Sleep(time.Second) }); len(failed) > 0 || sent == 0 {
		t.Errorf("after the rollback, %d of %d requests failed: %q", len(failed), sent, failed[:min(5, len(failed))])
	}
	if tasks := s.runner.Processes(); len(tasks) != 6 {
		t.Errorf("%d tasks are left", len(tasks))
	}
}

// Under load without errors, a deployment succeeds once the alarms were watched for as long as they look back. Without
// traffic too.
func TestBakeTime(t *testing.T) {
	s := start(t, map[string]string{"alarms": "true", "drainSeconds": "1"})
	for _, traffic := range []bool{true, false} {
		var after tasks.Service
		deploy := func() { after = s.deploy(t, "producer-book", digestIs, digestIs+"new-") }
		if traffic {
			if _, failed := mocked.Load(s.URL+"/api/books", deploy); len(failed) > 0 {
				t.Errorf("%d requests failed: %q", len(failed), failed[:min(5, len(failed))])
			}
		} else {
			deploy()
		}
		d := after.Deployments[0]
		if took := time.Duration((d.FinishedAt - d.StartedAt) * float64(time.Second)); d.Status != "SUCCESSFUL" || d.Alarms.Status != "MONITORING_COMPLETE" || took < 3*time.Minute/tasks.Speed {
			t.Errorf("traffic %v: %+v, alarms %+v, after %v", traffic, d, d.Alarms, took)
		}
	}
}

// An alarm that is red before a deployment guards nothing, so that a version that mends the service is not rolled back.
func TestRedAlarmIsIgnored(t *testing.T) {
	s := start(t, map[string]string{"alarms": "true", "drainSeconds": "1"})
	var after tasks.Service
	mocked.Load(s.URL+"/api/echo/error", func() {
		eventually(t, "the alarm goes off", func() bool { return s.alarm(t, echoErrors).State == "ALARM" })
		after = s.deploy(t, "producer-echo", digestIs, digestIs+"new-")
	})
	if d := after.Deployments[0]; d.Status != "SUCCESSFUL" || d.Alarms.Status != "DISABLED" || len(d.Alarms.Triggered) > 0 {
		t.Errorf("%+v, alarms %+v", d, d.Alarms)
	}
	eventually(t, "the alarm is good again without traffic", func() bool { return s.alarm(t, echoErrors).State == "OK" })
}

// ECS and CloudWatch refuse what they do not have, and this stand-in says what it does not play.
func TestAlarmsThatAreRefused(t *testing.T) {
	s := startWith(t, map[string]string{"alarms": "true"}, tasks.Options{WithoutProcesses: true})
	deploy := func(digest string) error {
		_, err := mocked.Revise(t, s.set, s.runner, "producer-book", "@sha256:", "@sha256:"+digest)
		return err
	}
	gone := s.remove(t, "aws:cloudwatch/metricAlarm:MetricAlarm", "producer-book-latency")
	if err := deploy("0"); err == nil || !strings.Contains(err.Error(), "alarm producer-book-latency-0000000 does not exist") {
		t.Errorf("an alarm that is not there: %v", err)
	}
	s.set.Put(gone)
	if err := deploy("1"); err != nil {
		t.Error(err)
	}
	for output, value := range map[string]any{"comparisonOperator": "LessThanThreshold", "treatMissingData": "breaching", "evaluationPeriods": 100., "metricQueries": []any{
		map[string]any{"id": "e", "expression": "SEARCH(x)", "returnData": true},
	}} {
		before := gone.Outputs[output]
		gone.Outputs[output] = value
		if err := deploy("2"); err == nil || !strings.Contains(err.Error(), "alarm producer-book-latency-0000000") {
			t.Errorf("%s %v: %v", output, value, err)
		}
		gone.Outputs[output] = before
	}
}
