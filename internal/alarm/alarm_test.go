package alarm

import (
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/metricmath"
)

// When alarms go off: the requests of one minute, which count if the value is above the threshold.
func TestWhatCounts(t *testing.T) {
	errors, latency := Errors(Source{}, "errors", 5), Latency(Source{}, "seconds", 1000, 3000)
	for _, test := range []struct {
		name   string
		alarm  *cloudwatch.MetricAlarmArgs
		minute map[string]float64
		counts bool
	}{
		{"no traffic", errors, nil, false},
		{"no errors", errors, map[string]float64{"requests": 1000}, false},
		{"one error in two requests", errors, map[string]float64{"requests": 2, "value": 1}, false},
		{"few requests that all fail", errors, map[string]float64{"requests": 5, "value": 5}, true},
		{"as many errors as the threshold", errors, map[string]float64{"requests": 1000, "value": 50}, false},
		{"one more", errors, map[string]float64{"requests": 1000, "value": 51}, true},
		{"no traffic, so nothing slow", latency, nil, false},
		{"few slow requests", latency, map[string]float64{"requests": 99, "value": 9}, false},
		{"as slow as the threshold", latency, map[string]float64{"requests": 100, "value": 3}, false},
		{"slower", latency, map[string]float64{"requests": 100, "value": 3.001}, true},
	} {
		queries := test.alarm.MetricQueries.(cloudwatch.MetricAlarmMetricQueryArray)
		expression := string(queries[2].(cloudwatch.MetricAlarmMetricQueryArgs).Expression.(pulumi.String))
		value, ok, err := metricmath.Eval(expression, []string{"value", "requests"}, test.minute)
		if err != nil || (ok && value > float64(test.alarm.Threshold.(pulumi.Float64))) != test.counts || ok != (test.minute != nil) {
			t.Errorf("%s: %v, %v, %v", test.name, value, ok, err)
		}
	}
}
