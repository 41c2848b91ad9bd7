package operations

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/policy"
)

// newDashboard makes the dashboard and returns its URL.
func newDashboard(ctx *pulumi.Context, name string, args *Args, alarms pulumi.StringArray, opts ...pulumi.ResourceOption) (url pulumi.StringOutput, err error) {
	dashboard, err := cloudwatch.NewDashboard(ctx, name, &cloudwatch.DashboardArgs{
		DashboardName: physicalName(ctx, args),
		DashboardBody: pulumi.All(args.seen(), alarms).ApplyT(func(v []any) (string, error) {
			found := v[0].(*seen)
			found.alarms, _ = v[1].([]string)
			// Graphs keep their period over long times: it is what a sum, and a number of samples, is for.
			body, err := json.Marshal(map[string]any{"periodOverride": "inherit", "widgets": args.layout(found)})
			return string(body), err
		}).(pulumi.StringOutput),
	}, opts...)
	if err != nil {
		return url, fmt.Errorf("creating dashboard: %w", err)
	}
	return pulumi.Sprintf("%s#dashboards/dashboard/%s", args.console("cloudwatch/home"), dashboard.DashboardName), nil
}

// seen is what the dashboard shows: the outputs of the other components, once they are known.
type seen struct {
	api, balancer, cluster         string
	targetGroups, names, logGroups map[string]string // per service
	alarms                         []string          // ARNs
}

func (a *Args) seen() pulumi.Output {
	if a.Existing {
		return pulumi.All(a.APIID, a.LoadBalancer).ApplyT(func(v []any) *seen { return &seen{api: v[0].(string), balancer: v[1].(string)} })
	}
	return pulumi.All(a.APIID, a.LoadBalancer, a.ClusterName, a.TargetGroups, a.ServiceNames, a.LogGroups).ApplyT(func(v []any) *seen {
		texts := func(i int) map[string]string { all, _ := v[i].(map[string]string); return all }
		return &seen{v[0].(string), v[1].(string), v[2].(string), texts(3), texts(4), texts(5), nil}
	})
}

// graph is one graph of the dashboard.
type graph struct {
	title string
	unit  string // of the left axis
	lines []line
	marks []mark
}

// line is one metric on a graph. Its dimensions are names and values in turn.
type line struct {
	label, namespace, metric, stat string
	dimensions                     []string
}

// mark is a horizontal line.
type mark struct {
	Label string `json:"label"`
	Value int    `json:"value"`
}

// column is a part of the way of a request: graphs from top to bottom.
type column []graph

// Namespaces of metrics. Those of Container Insights are charged.
const (
	ofAPI      = "AWS/ApiGateway"
	ofBalancer = "AWS/ApplicationELB"
	ofTasks    = "AWS/ECS"
	ofInsights = "ECS/ContainerInsights"
)

// apiColumn is the API, which all services share.
func apiColumn(found *seen) column {
	one := func(label, metric, stat string) line {
		return line{label, ofAPI, metric, stat, []string{"ApiId", found.api}}
	}
	return column{
		{title: "Requests", unit: "a minute", lines: []line{one("all", "Count", "Sum"), one("4xx", "4xx", "Sum"), one("5xx", "5xx", "Sum")}},
		{title: "Time", unit: "ms", lines: []line{one("p50", "Latency", "p50"), one("p99", "Latency", "p99")}},
		{title: "Time behind the API", unit: "ms", lines: []line{one("p50", "IntegrationLatency", "p50"), one("p99", "IntegrationLatency", "p99")}},
	}
}

// balancerColumn is the load balancer: its target group of a service, or all of it where there is none.
func balancerColumn(found *seen, s *Service) column {
	all := []string{"LoadBalancer", found.balancer}
	dimensions := all
	if s != nil {
		dimensions = append([]string{"TargetGroup", found.targetGroups[s.Name]}, all...)
	}
	one := func(label, metric, stat string) line { return line{label, ofBalancer, metric, stat, dimensions} }
	c := column{
		{title: "Requests and errors by origin", unit: "a minute", lines: []line{
			one("all", "RequestCount", "Sum"), one("5xx of tasks", "HTTPCode_Target_5XX_Count", "Sum"),
			// It belongs to no target group.
			{"5xx of the load balancer, for all services", ofBalancer, "HTTPCode_ELB_5XX_Count", "Sum", all},
		}},
		{title: "Time of tasks", unit: "s", lines: []line{one("p50", "TargetResponseTime", "p50"), one("p99", "TargetResponseTime", "p99")}},
	}
	if s != nil {
		c = append(c, graph{title: "Targets", unit: "tasks", lines: []line{one("healthy", "HealthyHostCount", "Minimum"), one("unhealthy", "UnHealthyHostCount", "Maximum")}})
	}
	return c
}

// taskColumn is the tasks of a service. What ECS gives free has no number of tasks, but each running task is a sample of it:
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service_utilization.html
func taskColumn(found *seen, s *Service, insights bool) column {
	one := func(label, namespace, metric, stat string) line {
		return line{label, namespace, metric, stat, []string{"ClusterName", found.cluster, "ServiceName", found.names[s.Name]}}
	}
	count := graph{title: "Tasks", unit: "tasks", lines: []line{one("running", ofTasks, "CPUUtilization", "SampleCount")}, marks: []mark{{"should run", s.MinCount}}}
	if insights {
		count.lines = []line{one("running", ofInsights, "RunningTaskCount", "Average"), one("desired", ofInsights, "DesiredTaskCount", "Average")}
		count.marks = nil
	}
	if s.MaxCount > 0 {
		count.marks = []mark{{"min", s.MinCount}, {"max", s.MaxCount}}
	}
	return column{
		{title: "CPU", unit: "%", lines: []line{one("mean", ofTasks, "CPUUtilization", "Average"), one("highest", ofTasks, "CPUUtilization", "Maximum")}},
		{title: "Memory", unit: "%", lines: []line{one("mean", ofTasks, "MemoryUtilization", "Average"), one("highest", ofTasks, "MemoryUtilization", "Maximum")}},
		count,
	}
}

// scalingColumn is what scaling follows, and the deployments under way. CloudWatch knows of these from Container Insights alone.
func scalingColumn(found *seen, s *Service, insights bool) (c column) {
	if s.MaxCount > 0 {
		c = append(c, graph{title: "Requests for each task", unit: "a minute", lines: []line{
			{"requests", ofBalancer, "RequestCountPerTarget", "Sum", []string{"TargetGroup", found.targetGroups[s.Name], "LoadBalancer", found.balancer}},
		}})
	}
	if insights {
		c = append(c, graph{title: "Deployments", unit: "deployments", lines: []line{
			{"under way, and the one that serves", ofInsights, "DeploymentCount", "Maximum", []string{"ClusterName", found.cluster, "ServiceName", found.names[s.Name]}},
		}})
	}
	return c
}

// widget is a part of a dashboard on a grid of 24 columns.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
type widget struct {
	Type       string         `json:"type"`
	X          int            `json:"x"`
	Y          int            `json:"y"`
	Width      int            `json:"width"`
	Height     int            `json:"height"`
	Properties map[string]any `json:"properties"`
}

const (
	gridWidth   = 24
	graphHeight = 4
)

// layout follows a request from left to right: a column for each part of its way, and for each service a band across those
// that are its own.
func (a *Args) layout(found *seen) (all []widget) {
	var bands [][]column
	for i := range a.Services {
		if a.Existing {
			bands = [][]column{{balancerColumn(found, nil)}}
			break
		}
		s := &a.Services[i]
		bands = append(bands, []column{balancerColumn(found, s), taskColumn(found, s, a.ContainerInsights), scalingColumn(found, s, a.ContainerInsights)})
	}
	columns := 0 // that any band fills
	for _, band := range bands {
		for i, c := range band {
			if len(c) > 0 {
				columns = max(columns, 1+i)
			}
		}
	}
	width, y := gridWidth/(1+columns), 0
	put := func(kind string, x, y, width, height int, properties map[string]any) {
		all = append(all, widget{kind, x, y, width, height, properties})
	}
	text := func(x, y, width int, markdown string) {
		put("text", x, y, width, 1, map[string]any{"markdown": markdown, "background": "transparent"})
	}
	stack := func(x, y int, graphs column) (bottom int) {
		for _, g := range graphs {
			put("metric", x, y, width, graphHeight, g.properties(a.Region))
			y += graphHeight
		}
		return y
	}
	if a.Alarms {
		height := 2 + len(a.Services)/6 // so many fit in a line
		put("alarm", 0, y, gridWidth, height, map[string]any{"title": "Alarms", "alarms": found.alarms})
		y += height
	}
	for i, title := range []string{"API", "→ Load balancer", "→ Tasks", "→ Scaling and deployments"}[:1+columns] {
		text(width*i, y, width, "### "+title)
	}
	y++
	stack(0, y, apiColumn(found))
	for i, band := range bands {
		if !a.Existing {
			text(width, y, gridWidth-width, a.links(found, a.Services[i].Name))
			y++
		}
		bottom := y
		for j, c := range band {
			bottom = max(bottom, stack(width*(1+j), y, c))
		}
		y = bottom
	}
	return all
}

// properties are those of a metric widget: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
func (g *graph) properties(region string) map[string]any {
	var metrics [][]any
	for _, l := range g.lines {
		metric := []any{l.namespace, l.metric}
		for _, part := range l.dimensions {
			metric = append(metric, part)
		}
		metrics = append(metrics, append(metric, map[string]string{"label": l.label, "stat": l.stat}))
	}
	properties := map[string]any{
		"title": g.title, "region": region, "view": "timeSeries", "period": 60, "metrics": metrics,
		"yAxis": map[string]any{"left": map[string]any{"min": 0, "label": g.unit, "showUnits": false}},
	}
	if len(g.marks) > 0 {
		properties["annotations"] = map[string]any{"horizontal": g.marks}
	}
	return properties
}

// links names a service, and leads to its deployments and its logs.
func (a *Args) links(found *seen, service string) string {
	// In the address of the console, names are escaped twice, with $ for the second %.
	group := strings.ReplaceAll(found.logGroups[service], "/", "$252F")
	return fmt.Sprintf("**%s** · [deployments](%s) · [logs](%s)", service,
		a.console(fmt.Sprintf("ecs/v2/clusters/%s/services/%s/deployments", found.cluster, found.names[service])),
		a.console("cloudwatch/home")+"#logsV2:log-groups/log-group/"+group)
}

// console is the address of a page of AWS's console.
func (a *Args) console(page string) string {
	host := a.Region + ".console.aws.amazon.com"
	switch policy.PartitionOf(a.Region).Name {
	case "aws-cn": // https://docs.amazonaws.cn/en_us/aws/latest/userguide/endpoints-arns.html
		host = a.Region + ".console.amazonaws.cn"
	case "aws-us-gov": // https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/signing-into-govcloud.html
		host = a.Region + ".console.amazonaws-us-gov.com"
	}
	return fmt.Sprintf("https://%s/%s?region=%s", host, page, a.Region)
}
