package operations

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// metrics are those that exist, by namespace, with the sets of dimensions that each has and the statistics that mean something.
// Sources of the namespaces, in turn:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html,
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html,
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/available-metrics.html, and for the samples
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service_utilization.html,
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-ECS.html
var metrics = map[string]map[string]struct{ dimensions, stats string }{
	"AWS/ApiGateway": {
		"Count":              {"ApiId | ApiId Stage", "Sum SampleCount"},
		"4xx":                {"ApiId | ApiId Stage", "Sum Average"},
		"5xx":                {"ApiId | ApiId Stage", "Sum Average"},
		"Latency":            {"ApiId | ApiId Stage", "Average Minimum Maximum p50 p99"},
		"IntegrationLatency": {"ApiId | ApiId Stage", "Average Minimum Maximum p50 p99"},
	},
	"AWS/ApplicationELB": {
		"RequestCount":              {"LoadBalancer | LoadBalancer TargetGroup", "Sum"},
		"HTTPCode_Target_5XX_Count": {"LoadBalancer | LoadBalancer TargetGroup", "Sum"},
		"HTTPCode_ELB_5XX_Count":    {"LoadBalancer", "Sum"},
		"TargetResponseTime":        {"LoadBalancer | LoadBalancer TargetGroup", "Average p50 p99"},
		"HealthyHostCount":          {"LoadBalancer TargetGroup", "Average Minimum Maximum"},
		"UnHealthyHostCount":        {"LoadBalancer TargetGroup", "Average Minimum Maximum"},
		"RequestCountPerTarget":     {"TargetGroup | LoadBalancer TargetGroup", "Sum"},
	},
	"AWS/ECS": {
		"CPUUtilization":    {"ClusterName ServiceName", "Average Minimum Maximum SampleCount"},
		"MemoryUtilization": {"ClusterName ServiceName", "Average Minimum Maximum SampleCount"},
	},
	"ECS/ContainerInsights": {
		"RunningTaskCount": {"ClusterName | ClusterName ServiceName", "Average Minimum Maximum"},
		"DesiredTaskCount": {"ClusterName ServiceName", "Average Minimum Maximum"},
		"DeploymentCount":  {"ClusterName ServiceName", "Average Minimum Maximum"},
	},
}

// check fails if there is no such metric, or if a dimension is empty.
func check(t *testing.T, what, namespace, metric, stat string, dimensions map[string]any) {
	t.Helper()
	var names []string
	for name, value := range dimensions {
		if names = append(names, name); value == "" {
			t.Errorf("%s: %s %s has an empty %s", what, namespace, metric, name)
		}
	}
	slices.Sort(names)
	known, exists := metrics[namespace][metric]
	if !exists || !slices.Contains(strings.Split(known.dimensions, " | "), strings.Join(names, " ")) || !slices.Contains(strings.Fields(known.stats), stat) {
		t.Errorf("%s: CloudWatch has no %s of %s %s by %v", what, stat, namespace, metric, names)
	}
}

// boards are dashboards of all kinds.
func boards() map[string]*Args {
	all := map[string]*Args{"everything": everythingOn(), "existing": existing(), "alone": valid()}
	all["alone"].Services = all["alone"].Services[:1]
	for _, insights := range []bool{false, true} {
		a := valid()
		a.Services, a.ContainerInsights, a.Alarms = many(25), insights, insights
		a.TargetGroups, a.ServiceNames, a.LogGroups = named("targetgroup/%s/1", 25), named("%s", 25), named("/ecs/%s", 25)
		all[fmt.Sprintf("25 services, insights %v", insights)] = a
	}
	for _, a := range all {
		a.Dashboard = true
	}
	return all
}

func named(format string, n int) pulumi.StringMap {
	all := pulumi.StringMap{}
	for _, s := range many(n) {
		all[s.Name] = pulumi.Sprintf(format, s.Name)
	}
	return all
}

type board struct {
	PeriodOverride string
	Widgets        []struct {
		Type                string
		X, Y, Width, Height int
		Properties          struct {
			Title, Region, Markdown string
			Period                  int
			Metrics                 [][]any
			Alarms                  []string
		}
	}
}

func body(t *testing.T, a *Args) (b board) {
	t.Helper()
	text := deploy(t, a).Get(t, "cloudwatch.Dashboard watch").Input("dashboardBody").(string)
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// Every line on every graph is a metric that exists; those that are charged are there only if they are collected.
func TestDashboardShowsMetricsThatExist(t *testing.T) {
	for name, a := range boards() {
		insights, lines := false, 0
		for _, w := range body(t, a).Widgets {
			if w.Type != "metric" {
				continue
			}
			if len(w.Properties.Metrics) == 0 || w.Properties.Region != a.Region || w.Properties.Period != 60 {
				t.Errorf("%s: graph %q has %d lines, region %q, period %d", name, w.Properties.Title, len(w.Properties.Metrics), w.Properties.Region, w.Properties.Period)
			}
			for _, metric := range w.Properties.Metrics {
				dimensions := map[string]any{}
				for i := 2; i+1 < len(metric); i += 2 {
					dimensions[metric[i].(string)] = metric[i+1]
				}
				rendered := metric[len(metric)-1].(map[string]any)
				check(t, name+", "+w.Properties.Title, metric[0].(string), metric[1].(string), rendered["stat"].(string), dimensions)
				insights, lines = insights || metric[0] == "ECS/ContainerInsights", lines+1
			}
		}
		if insights != a.ContainerInsights {
			t.Errorf("%s: shows metrics of Container Insights: %v", name, insights)
		}
		// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html
		if lines > 2500 {
			t.Errorf("%s: %d lines, and CloudWatch takes 2500", name, lines)
		}
	}
}

// The widgets lie beside each other, in 24 columns, and what a request meets later lies further right.
func TestDashboardLayout(t *testing.T) {
	for name, a := range boards() {
		b := body(t, a)
		taken := map[[2]int]string{}
		for _, w := range b.Widgets {
			title := w.Type + " " + w.Properties.Title + w.Properties.Markdown
			if w.X < 0 || w.X+w.Width > 24 || w.Height < 1 || w.Type == "metric" && w.Width < 6 {
				t.Errorf("%s: %s is at column %d, %d wide and %d high", name, title, w.X, w.Width, w.Height)
			}
			for x := w.X; x < w.X+w.Width; x++ {
				for y := w.Y; y < w.Y+w.Height; y++ {
					if other, ok := taken[[2]int{x, y}]; ok {
						t.Fatalf("%s: %s lies on %s", name, title, other)
					}
					taken[[2]int{x, y}] = title
				}
			}
		}
		if len(b.Widgets) != len(a.layout(&seen{})) {
			t.Errorf("%s: %d widgets, and %d were expected", name, len(b.Widgets), len(a.layout(&seen{})))
		}
		if b.PeriodOverride != "inherit" {
			t.Errorf("%s: over long times, periods are others, and so are sums", name)
		}
	}
	columns := map[string]int{}
	for _, w := range body(t, everythingOn()).Widgets {
		for _, metric := range w.Properties.Metrics {
			columns[metric[0].(string)+" "+metric[1].(string)] = w.X
		}
	}
	way := []string{"AWS/ApiGateway Count", "AWS/ApplicationELB RequestCount", "AWS/ECS CPUUtilization", "AWS/ApplicationELB RequestCountPerTarget"}
	for i, metric := range way {
		if columns[metric] != 6*i {
			t.Errorf("%s is at column %d, want %d", metric, columns[metric], 6*i)
		}
	}
}

// Each service has its heading, with links to what CloudWatch does not show; the alarms stand above.
func TestDashboardLinks(t *testing.T) {
	b := body(t, everythingOn())
	if alarms := b.Widgets[0]; alarms.Type != "alarm" || len(alarms.Properties.Alarms) != 4 {
		t.Errorf("first comes %+v", alarms)
	}
	var headings []string
	for _, w := range b.Widgets {
		if w.Type == "text" {
			headings = append(headings, w.Properties.Markdown)
		}
	}
	for _, want := range []string{
		"### → Scaling and deployments",
		"**beta** · [deployments](https://us-west-2.console.aws.amazon.com/ecs/v2/clusters/cluster/services/beta-2/deployments?region=us-west-2)" +
			" · [logs](https://us-west-2.console.aws.amazon.com/cloudwatch/home?region=us-west-2#logsV2:log-groups/log-group/$252Fecs$252Fbeta)",
	} {
		if !slices.Contains(headings, want) {
			t.Errorf("no text %q in %q", want, headings)
		}
	}
	for region, host := range map[string]string{"us-west-2": "us-west-2.console.aws.amazon.com", "cn-north-1": "cn-north-1.console.amazonaws.cn", "us-gov-west-1": "us-gov-west-1.console.amazonaws-us-gov.com"} {
		a := valid()
		a.Dashboard, a.Region = true, region
		if got, want := deploy(t, a).Exports["url"], "https://"+host+"/cloudwatch/home?region="+region+"#dashboards/dashboard/private-api-dev-a1b2c3d4e5"; got != want {
			t.Errorf("the dashboard is at %v, want %s", got, want)
		}
	}
}
