package stack

import (
	"slices"
	"strings"
	"testing"

	"private-api/operations"
)

// Of services that exist, the API is watched, and the load balancer is shown.
func TestOperationsOfAdoptedServices(t *testing.T) {
	settings := map[string]string{"alarms": "true", "dashboard": "true", "savedQueries": "true", "keepLinkWarm": "true"}
	r, err := adopt(settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(r.All("cloudwatch.MetricAlarm")); got != 2 {
		t.Errorf("%d alarms, want two of the API", got)
	}
	if body := r.Get(t, "cloudwatch.Dashboard operations").Input("dashboardBody").(string); !strings.Contains(body, "app/shop/50dc6c495c0c9188") || strings.Contains(body, "TargetGroup") {
		t.Errorf("the dashboard does not show the load balancer, or target groups too: %s", body)
	}
	if got := r.Get(t, "cloudwatch.EventApiDestination operations-warm").Input("invocationEndpoint").(string); !strings.HasSuffix(got, "/shop/carts/health") {
		t.Errorf("EventBridge asks %s", got)
	}
	settings["authorization"] = "iam"
	if _, err := adopt(settings, nil); err == nil || !strings.Contains(err.Error(), `keepLinkWarm: true is not allowed: false: with authorization "iam"`) {
		t.Errorf("behind authorization: %v", err)
	}
}

// Alarms on tasks come after their deployments.
func TestAlarmsOnTasksComeAfterDeployments(t *testing.T) {
	r := deploy(t, map[string]string{"alarms": "true"})
	for _, name := range []string{"alpha", "beta"} {
		alarm, service := r.Get(t, "cloudwatch.MetricAlarm operations-tasks-"+name), r.Get(t, "ecs.Service producer-"+name)
		if !slices.Contains(alarm.Dependencies, service.URN) {
			t.Errorf("%s depends on %q, not on %s", alarm, alarm.Dependencies, service.URN)
		}
	}
}

// Alarms that tell nobody are no mistake, but nobody should have them unawares.
func TestAlarmsThatTellNobody(t *testing.T) {
	for name, test := range map[string]struct {
		args operations.Args
		warn bool
	}{
		"nothing": {operations.Args{}, false}, "nobody": {operations.Args{Alarms: true}, true},
		"addresses": {operations.Args{Alarms: true, AlarmEmails: []string{"a@example.com"}}, false}, "topic": {operations.Args{Alarms: true, AlarmTopicArn: "arn"}, false},
	} {
		c := newConfiguration(nil, "")
		c.operations = &test.args
		if warned := strings.Contains(strings.Join(c.warnings(), ""), "set alarmEmails or alarmTopicArn"); warned != test.warn {
			t.Errorf("%s: warned: %v", name, warned)
		}
	}
}
