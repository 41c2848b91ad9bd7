package producer

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/rollout"
)

func TestAlarms(t *testing.T) {
	args := twoServices(t)
	args.Alarms, args.AlarmThresholds.ServiceErrorPercent, args.AlarmThresholds.ServiceP99Milliseconds = true, 7, 250
	r := deploy(t, args)
	group := r.Get(t, "lb.TargetGroup producer-alpha").Outputs["arnSuffix"].StringValue()
	balancer := r.Get(t, "lb.LoadBalancer producer").Outputs["arnSuffix"].StringValue()
	errors, latency := r.Get(t, "cloudwatch.MetricAlarm producer-alpha-errors"), r.Get(t, "cloudwatch.MetricAlarm producer-alpha-latency")
	for _, a := range r.All("cloudwatch.MetricAlarm") {
		ids := map[any]bool{}
		for _, query := range a.Input("metricQueries").([]any) {
			ids[query.(map[string]any)["id"]] = true
		}
		if len(ids) != 3 { // CloudWatch: "unique within the array"
			t.Errorf("%s: ids %v", a, ids)
		}
	}
	for i, want := range []string{"HTTPCode_Target_5XX_Count", "RequestCount"} {
		query := errors.Input("metricQueries").([]any)[i].(map[string]any)
		got := query["metric"].(map[string]any)
		if got["metricName"] != want || got["namespace"] != "AWS/ApplicationELB" || got["stat"] != "Sum" || got["period"] != 60. ||
			!reflect.DeepEqual(got["dimensions"], map[string]any{"LoadBalancer": balancer, "TargetGroup": group}) {
			t.Errorf("query %d: %v", i, got)
		}
	}
	if errors.Input("threshold") != 7. || latency.Input("threshold") != 250. || errors.Input("treatMissingData") != "notBreaching" || latency.Input("treatMissingData") != "notBreaching" {
		t.Errorf("errors: %v\nlatency: %v", errors.Inputs, latency.Inputs)
	}
	if actions := errors.Input("alarmActions"); actions != nil {
		t.Errorf("without a topic, the alarm tells %v", actions)
	}
	service := r.Get(t, "ecs.Service producer-alpha")
	want := map[string]any{"enable": true, "rollback": true, "alarmNames": []any{errors.ID, latency.ID}}
	if got := service.Input("alarms"); !reflect.DeepEqual(got, want) || !slices.Contains(service.Dependencies, errors.URN) || !slices.Contains(service.Dependencies, latency.URN) {
		t.Errorf("the service has %v, want %v, and depends on both", got, want)
	}

	args.AlarmActions = pulumi.ToStringArray([]string{"arn:aws:sns:us-west-2:123456789012:pages"})
	if got := deploy(t, args).Get(t, "cloudwatch.MetricAlarm producer-beta-latency").Input("alarmActions"); !reflect.DeepEqual(got, []any{"arn:aws:sns:us-west-2:123456789012:pages"}) {
		t.Errorf("the alarm tells %v", got)
	}
}

// Alarms add to the stack: all else stays as it is, but that the ECS service names them, and says so in a tag.
func TestAlarmsAddOnly(t *testing.T) {
	args := twoServices(t)
	before := deploy(t, args)
	args.Alarms = true
	after := deploy(t, args)
	var added, want []string
	for _, line := range after.List() {
		if !slices.Contains(before.List(), line) {
			added = append(added, line)
		}
	}
	for _, service := range []string{"alpha", "beta"} {
		want = append(want, "cloudwatch.MetricAlarm producer-"+service+"-errors", "cloudwatch.MetricAlarm producer-"+service+"-latency")
	}
	same(t, "added", added, want)
	for _, was := range before.Resources {
		is := maps.Clone(after.Get(t, was.String()).Inputs)
		delete(is, "alarms")
		if strings.HasPrefix(was.String(), "ecs.Service ") {
			delete(is, "tags")
		}
		if !is.DeepEquals(was.Inputs) {
			t.Errorf("%s changed: %v", was, is)
		}
	}
	for _, made := range before.List() {
		if strings.Contains(made, "MetricAlarm") {
			t.Errorf("without the setting there is %s", made)
		}
	}
}

// Each description says what is wrong, as CloudWatch takes it, and links to a heading that is there.
func TestDescriptionsOfAlarms(t *testing.T) {
	operations, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var anchors []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(operations), -1) {
		anchors = append(anchors, rollout.Anchor(heading[1]))
	}
	r := deploy(t, everythingOn(t))
	alarms := r.All("cloudwatch.MetricAlarm")
	if len(alarms) != 2*3 {
		t.Errorf("three services have %d alarms", len(alarms))
	}
	const longest = 1024 // https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
	for _, a := range alarms {
		text := a.Input("alarmDescription").(string)
		says, anchor, linked := strings.Cut(text, " See docs/operations.md#")
		if !linked || !slices.Contains(anchors, anchor) || !strings.Contains(says, strings.Split(a.Name, "-")[1]) || len(text) > longest {
			t.Errorf("%s: %s", a, text)
		}
	}
}
