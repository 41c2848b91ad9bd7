// Package awsapi answers the calls by which the program asks AWS how a deployment goes, as AWS does, from what runs on this
// machine. It has no other calls, and refuses parameters that the program does not use.
package awsapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"private-api/internal/fakeaws"
	"private-api/local/tasks"
	"private-api/trace"
)

const (
	clusterType  = "aws:ecs/cluster:Cluster"
	logGroupType = "aws:cloudwatch/logGroup:LogGroup"
)

// Server answers on a free port of the loopback address.
type Server struct {
	URL string

	server *http.Server
	served chan struct{}
}

// Serve starts a server for what is deployed in set and run by runner.
func Serve(set *trace.Set, runner *tasks.Runner) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + listener.Addr().String(), server: &http.Server{Handler: &handler{set, runner}}, served: make(chan struct{})}
	go func() { s.server.Serve(listener); close(s.served) }()
	return s, nil
}

// Close ends the server and the calls under way.
func (s *Server) Close() {
	s.server.Close()
	<-s.served
}

type handler struct {
	set    *trace.Set
	runner *tasks.Runner
}

// failure is an error of AWS.
type failure struct{ code, message string }

func (f *failure) Error() string { return f.code + ": " + f.message }

// calls are those in the protocol JSON 1.1, by the value of X-Amz-Target.
var calls = map[string]func(*handler, []byte) (any, error){
	"AmazonEC2ContainerServiceV20141113.ListServiceDeployments":     call((*handler).listServiceDeployments),
	"AmazonEC2ContainerServiceV20141113.DescribeServiceDeployments": call((*handler).describeServiceDeployments),
	"AmazonEC2ContainerServiceV20141113.DescribeServices":           call((*handler).describeServices),
	"AmazonEC2ContainerServiceV20141113.ListTasks":                  call((*handler).listTasks),
	"AmazonEC2ContainerServiceV20141113.DescribeTasks":              call((*handler).describeTasks),
	"Logs_20140328.GetLogEvents":                                    call((*handler).getLogEvents),
}

// call decodes the parameters of a call. One that its type does not have is refused.
func call[T any](answer func(*handler, T) (any, error)) func(*handler, []byte) (any, error) {
	return func(h *handler, body []byte) (any, error) {
		var in T
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&in); err != nil {
			return nil, &failure{"SerializationException", fmt.Sprintf("the stand-in for AWS does not take this: %v", err)}
		}
		return answer(h, in)
	}
}

// ServeHTTP tells the protocols apart: JSON 1.1 names the call in a header, the query protocol in its form.
// Sources: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html, https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	if target == "" {
		h.serveQuery(w, r)
		return
	}
	var body bytes.Buffer
	var answer any
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, 1<<20))
	if err == nil {
		answer, err = nil, &failure{"UnknownOperationException", "the stand-in for AWS has no call " + target}
		if call := calls[target]; call != nil {
			answer, err = call(h, body.Bytes())
		}
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if err != nil {
		f := &failure{"SerializationException", err.Error()}
		errors.As(err, &f)
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]string{"__type": f.code, "message": f.message}
	}
	json.NewEncoder(w).Encode(answer)
}

func invalid(format string, args ...any) error {
	return &failure{"InvalidParameterException", fmt.Sprintf(format, args...)}
}

// services returns the services of a cluster, which is named or has an ARN.
func (h *handler) services(cluster string) ([]tasks.Service, error) {
	for _, c := range h.set.Of(clusterType) {
		if arn := c.Outputs.Text("arn"); arn == cluster || c.Outputs.Text("name") == cluster {
			return slices.DeleteFunc(h.runner.Services(), func(s tasks.Service) bool { return s.Cluster != arn }), nil
		}
	}
	return nil, &failure{"ClusterNotFoundException", "Cluster not found."}
}

// service returns one of them, by name or ARN.
func (h *handler) service(cluster, service string) (tasks.Service, error) {
	all, err := h.services(cluster)
	if err != nil {
		return tasks.Service{}, err
	}
	for _, s := range all {
		if s.ARN == service || s.Name == service {
			return s, nil
		}
	}
	return tasks.Service{}, &failure{"ServiceNotFoundException", "Service not found."}
}

// missing is how ECS answers that it does not have one of several things.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
type missing struct {
	ARN    string `json:"arn"`
	Reason string `json:"reason"`
}

// pick returns those of all whose ARN or name is asked for, and what is missing.
func pick[T any](asked []string, all []T, is func(T, string) bool) (found []T, failures []missing) {
	found, failures = []T{}, []missing{}
	for _, name := range asked {
		if i := slices.IndexFunc(all, func(one T) bool { return is(one, name) }); i >= 0 {
			found = append(found, all[i])
		} else {
			failures = append(failures, missing{name, "MISSING"})
		}
	}
	return found, failures
}

// Limits of the lists in a call are in the comments of the API: at least one, and at most as many.
func checkCount(asked []string, most int, what string) error {
	if len(asked) == 0 || len(asked) > most {
		return invalid("%s: 1 to %d are allowed, not %d", what, most, len(asked))
	}
	return nil
}

// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServiceDeployments.html
func (h *handler) listServiceDeployments(in struct {
	Cluster, Service string
	MaxResults       *int
}) (any, error) {
	s, err := h.service(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	type brief struct {
		ARN          string  `json:"serviceDeploymentArn"`
		Service      string  `json:"serviceArn"`
		Cluster      string  `json:"clusterArn"`
		Revision     string  `json:"targetServiceRevisionArn"`
		Status       string  `json:"status"`
		StatusReason string  `json:"statusReason,omitempty"`
		CreatedAt    float64 `json:"createdAt"`
		StartedAt    float64 `json:"startedAt,omitempty"`
		FinishedAt   float64 `json:"finishedAt,omitempty"`
	}
	all := []brief{}
	for _, d := range s.Deployments {
		all = append(all, brief{d.ARN, d.Service, d.Cluster, d.Target.ARN, d.Status, d.StatusReason, d.CreatedAt, d.StartedAt, d.FinishedAt})
	}
	if most := in.MaxResults; most != nil {
		if *most < 1 || *most > 100 {
			return nil, invalid("maxResults: 1 to 100 is allowed, not %d", *most)
		}
		all = all[:min(len(all), *most)]
	}
	return map[string]any{"serviceDeployments": all}, nil
}

// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServiceDeployments.html
func (h *handler) describeServiceDeployments(in struct{ ServiceDeploymentArns []string }) (any, error) {
	var all []tasks.Deployment
	for _, s := range h.runner.Services() {
		all = append(all, s.Deployments...)
	}
	found, failures := pick(in.ServiceDeploymentArns, all, func(d tasks.Deployment, name string) bool { return d.ARN == name })
	return map[string]any{"serviceDeployments": found, "failures": failures}, checkCount(in.ServiceDeploymentArns, 20, "serviceDeploymentArns")
}

// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html
func (h *handler) describeServices(in struct {
	Cluster  string
	Services []string
}) (any, error) {
	all, err := h.services(in.Cluster)
	found, failures := pick(in.Services, all, func(s tasks.Service, name string) bool { return s.ARN == name || s.Name == name })
	return map[string]any{"services": found, "failures": failures}, errors.Join(err, checkCount(in.Services, 10, "services"))
}

// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
func (h *handler) listTasks(in struct{ Cluster, ServiceName, DesiredStatus string }) (any, error) {
	s, err := h.service(in.Cluster, in.ServiceName)
	status, arns := cmp.Or(in.DesiredStatus, "RUNNING"), []string{}
	if status != "RUNNING" && status != "STOPPED" {
		err = errors.Join(err, invalid("desiredStatus: RUNNING or STOPPED is allowed, not %q", status))
	}
	for _, t := range s.Tasks {
		if t.DesiredStatus == status {
			arns = append(arns, t.ARN)
		}
	}
	return map[string]any{"taskArns": arns[:min(len(arns), 100)]}, err
}

// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
func (h *handler) describeTasks(in struct {
	Cluster string
	Tasks   []string
}) (any, error) {
	services, err := h.services(in.Cluster)
	var all []tasks.Task
	for _, s := range services {
		all = append(all, s.Tasks...)
	}
	found, failures := pick(in.Tasks, all, func(t tasks.Task, name string) bool { return t.ARN == name || strings.HasSuffix(t.ARN, "/"+name) })
	return map[string]any{"tasks": found, "failures": failures}, errors.Join(err, checkCount(in.Tasks, 100, "tasks"))
}

// Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
func (h *handler) getLogEvents(in struct {
	LogGroupName, LogStreamName string
	Limit                       *int
	StartFromHead               bool
}) (any, error) {
	limit := 10000
	if in.Limit != nil {
		limit = *in.Limit
	}
	if limit < 1 || limit > 10000 {
		return nil, invalid("limit: 1 to 10000 is allowed, not %d", limit)
	}
	if !slices.ContainsFunc(h.set.Of(logGroupType), func(g trace.Resource) bool { return g.Outputs.Text("name") == in.LogGroupName }) {
		return nil, &failure{"ResourceNotFoundException", "The specified log group does not exist."}
	}
	for _, s := range h.runner.Services() {
		for _, t := range s.Tasks {
			if t.LogGroup == in.LogGroupName && t.LogStream == in.LogStreamName {
				events := t.Log[:min(len(t.Log), limit)]
				if !in.StartFromHead {
					events = t.Log[len(t.Log)-len(events):]
				}
				return map[string]any{"events": events}, nil
			}
		}
	}
	return nil, &failure{"ResourceNotFoundException", "The specified log stream does not exist."}
}

// serveQuery answers the one call of load balancing, that of CloudWatch, and those about a network that exists.
func (h *handler) serveQuery(w http.ResponseWriter, r *http.Request) {
	answer, err := any(nil), r.ParseForm()
	if r.PostForm.Get("Version") == "2016-11-15" {
		fakeaws.EC2(w, r)
		return
	}
	switch {
	case err != nil:
	case r.PostForm.Get("Version") == "2010-08-01":
		answer, err = h.describeAlarms(r.PostForm)
	default:
		answer, err = h.describeTargetHealth(r.PostForm)
	}
	w.Header().Set("Content-Type", "text/xml")
	if err != nil {
		f := &failure{"MalformedQueryString", err.Error()}
		errors.As(err, &f)
		w.WriteHeader(http.StatusBadRequest)
		answer = xmlError{Type: "Sender", Code: f.code, Message: f.message}
	}
	xml.NewEncoder(w).Encode(answer)
}

// alarms is an answer about alarms.
type alarms struct {
	XMLName xml.Name    `xml:"http://monitoring.amazonaws.com/doc/2010-08-01/ DescribeAlarmsResponse"`
	Members []alarmInfo `xml:"DescribeAlarmsResult>MetricAlarms>member"`
}

type alarmInfo struct {
	Name   string `xml:"AlarmName"`
	ARN    string `xml:"AlarmArn"`
	State  string `xml:"StateValue"`
	Reason string `xml:"StateReason"`
}

// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
func (h *handler) describeAlarms(form url.Values) (any, error) {
	if form.Get("Action") != "DescribeAlarms" {
		return nil, &failure{"InvalidAction", fmt.Sprintf("the stand-in for AWS has no call %q of CloudWatch", form.Get("Action"))}
	}
	var names []string
	for name := range form {
		switch {
		case strings.HasPrefix(name, "AlarmNames.member."):
			names = append(names, form.Get(name))
		case !slices.Contains([]string{"Action", "Version"}, name):
			return nil, &failure{"ValidationError", "the stand-in for AWS does not take the parameter " + name}
		}
	}
	if err := checkCount(names, 100, "AlarmNames"); err != nil {
		return nil, err
	}
	var answer alarms
	for _, a := range h.runner.Alarms() { // names that are not there are left out
		if slices.Contains(names, a.Name) {
			answer.Members = append(answer.Members, alarmInfo(a))
		}
	}
	return answer, nil
}

type (
	xmlError struct {
		XMLName xml.Name `xml:"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/ ErrorResponse"`
		Type    string   `xml:"Error>Type"`
		Code    string   `xml:"Error>Code"`
		Message string   `xml:"Error>Message"`
	}
	targetHealth struct {
		XMLName xml.Name     `xml:"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/ DescribeTargetHealthResponse"`
		Members []targetInfo `xml:"DescribeTargetHealthResult>TargetHealthDescriptions>member"`
	}
	targetInfo struct {
		ID          string `xml:"Target>Id"`
		Port        int    `xml:"Target>Port"`
		State       string `xml:"TargetHealth>State"`
		Reason      string `xml:"TargetHealth>Reason,omitempty"`
		Description string `xml:"TargetHealth>Description,omitempty"`
	}
)

// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTargetHealth.html
func (h *handler) describeTargetHealth(form url.Values) (any, error) {
	if form.Get("Action") != "DescribeTargetHealth" || form.Get("Version") != "2015-12-01" {
		return nil, &failure{"InvalidAction", fmt.Sprintf("the stand-in for AWS has no call %q of version %q", form.Get("Action"), form.Get("Version"))}
	}
	for name := range form {
		if !slices.Contains([]string{"Action", "Version", "TargetGroupArn"}, name) {
			return nil, &failure{"ValidationError", "the stand-in for AWS does not take the parameter " + name}
		}
	}
	group := form.Get("TargetGroupArn")
	if g, ok := h.set.Find(trace.TargetGroupType, group); !ok || g.Outputs.Text("arn") != group {
		return nil, &failure{"TargetGroupNotFound", "One or more target groups not found"}
	}
	var answer targetHealth
	for _, s := range h.runner.Services() {
		for _, t := range s.Tasks {
			if t.TargetGroup == group {
				answer.Members = append(answer.Members, targetInfo{"127.0.0.1", t.Port, t.Health.State, t.Health.Reason, t.Health.Description})
			}
		}
	}
	return answer, nil
}
