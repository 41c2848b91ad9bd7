package trace

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"private-api/internal/rollout"
)

// check is something that can be wrong, and explain what callers see.
type check struct {
	title    string // what is looked at
	steps    []step // the hops that show it
	symptoms string // that it can explain
	heading  string // in docs/operations.md
	unknown  string // what no fact shows
}

// Finding is what a check found.
type Finding struct {
	State string `json:"state"`
	Text  string `json:"text"`
}

// The states of a finding and of a check, the likeliest explanation first. Warning and Unknown are as in Note.
const (
	Failed = "failed"
	Passed = "passed"
)

var states = []string{Failed, Warning, Unknown, Passed}

func on(kinds ...string) (all []step) {
	for _, kind := range kinds {
		name, side, _ := strings.Cut(kind, "/")
		all = append(all, step{name, side})
	}
	return all
}

// Headings that several checks share.
const (
	headingNetwork = "The network lets nothing through"
	headingTargets = "No target answers"
	headingWayOut  = "Tasks have no way out"
	headingTime    = "An answer takes too long"
)

// checks are in the order of the way. Where AWS documents no status, those are listed that callers report.
// Sources: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting.html,
// https://repost.aws/knowledge-center/api-gateway-private-integration-errors, and those beside the stops.
var checks = []check{
	{"the name leads to the API", on("DNS"), "timeout 403 404", "The name does not lead to the API", ""},
	{"callers take the certificate", on("certificate"), "timeout", "The certificate is not valid", ""},
	{"the API answers to the name", on("domain name", "API mapping", "HTTP API"), "403 404", "The name does not lead to the API", ""},
	{"the stage lets requests through", on("throttling"), "429", "Too many requests", ""},
	{"a route takes the request", on("route"), "404", "Nothing takes the path", ""},
	{"the route lets the caller in", on("authorizer"), "401 403", "The caller is not let in", ""},
	{"the integration is there", on("integration"), "500 503", "API and load balancer do not fit", ""},
	{"the VPC link is available", on("VPC link"), "503", "The VPC link is not available", ""},
	{"security groups let the VPC link reach the load balancer", on("security groups/link"), "503 timeout", headingNetwork, ""},
	{"network ACLs let the VPC link reach the load balancer", on("network ACLs/link"), "503 timeout", headingNetwork, ""},
	{"route tables lead from the VPC link to the load balancer", on("route tables/link"), "503 timeout", headingNetwork, ""},
	{"the listener takes what the API sends", on("listener", "TLS"), "500 503", "API and load balancer do not fit", ""},
	{"a listener rule takes the path", on("listener rule"), "404 503", "Nothing takes the path", ""},
	{"there is a target group with a service", on("target group", "service"), "503", headingTargets, ""},
	{"security groups let the load balancer reach the tasks", on("security groups/target"), "502 503 504 timeout", headingNetwork, ""},
	{"network ACLs let the load balancer reach the tasks", on("network ACLs/target"), "502 503 504 timeout", headingNetwork, ""},
	{"route tables lead from the load balancer to the tasks", on("route tables/target"), "502 503 504 timeout", headingNetwork, ""},
	{"targets are healthy", on("target"), "500 502 503 504 timeout", headingTargets, ""},
	{"tasks run", on("task"), "502 503 504", headingTargets, ""},
	{"tasks have a way out", on("way out of the tasks"), "502 503 504", headingWayOut, ""},
	{"no deployment is under way", on("deployment"), "500 502 503 504", "When a deployment fails", ""},
	{"tasks keep idle connections longer than the load balancer", nil, "502", "An answer breaks off", "whether each service keeps idle connections for longer than the load balancer, which does for idleTimeout (60 seconds)"},
	{"the answer comes in time", nil, "503 504 timeout", headingTime, "whether the service answers within integrationTimeoutSeconds"},
	{"the service answers well itself", nil, "401 403 404 429 500 502 503 504", "The service answers with an error", "whether it is the service that answers so: the access log has the integrationStatus"},
	// Of calls between services alone, which have no symptoms.
	{"", on("Cloud Map", "security groups/call", "network ACLs/call", "route tables/call"), "", headingNetwork, ""},
}

// Symptoms are what Diagnose takes: statuses, and timeout.
func Symptoms() []string { return ofAll(func(c check) []string { return strings.Fields(c.symptoms) }) }

// Headings are the headings of docs/operations.md that messages link to.
func Headings() []string { return ofAll(func(c check) []string { return []string{c.heading} }) }

// ofAll returns what checks have, each once.
func ofAll(part func(check) []string) (all []string) {
	for _, c := range checks {
		all = append(all, part(c)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// shows tells whether a check looks at a step.
func (c check) shows(at step) bool { return slices.Contains(c.steps, at) }

func link(heading string) string { return "docs/operations.md#" + rollout.Anchor(heading) }

// Result is a check and what it found, the worst first.
type Result struct {
	Title    string    `json:"title"`
	State    string    `json:"state"`
	Findings []Finding `json:"findings,omitempty"`
	Next     string    `json:"next,omitempty"`
	Help     string    `json:"help,omitempty"`
}

// Diagnosis is what can explain a symptom.
type Diagnosis struct {
	*Set
	Symptom  string   `json:"symptom"`
	Requests []string `json:"requests"`
	Results  []Result `json:"results"` // the likeliest explanation first
	// Next shows the requests that got this status in the access log.
	Next string `json:"next,omitempty"`
}

// Failed tells whether a check did.
func (d *Diagnosis) Failed() bool {
	return slices.ContainsFunc(d.Results, func(r Result) bool { return r.State == Failed })
}

// Unknown tells whether a check could not be made.
func (d *Diagnosis) Unknown() bool {
	return slices.ContainsFunc(d.Results, func(r Result) bool { return r.State == Unknown })
}

// Diagnose runs the checks that can explain a symptom, for a request or, if it is nil, for one to each service. It goes on
// behind what stops them, as far as that is possible.
func (s *Set) Diagnose(symptom string, r *http.Request) *Diagnosis {
	requests := []*http.Request{r}
	if r == nil {
		requests = s.requests()
	}
	d := &Diagnosis{Set: s, Symptom: symptom}
	var ways []*Way
	for _, r := range requests {
		d.Requests = append(d.Requests, Title(r))
		ways = append(ways, s.explain(s.toTasks(r), true))
	}
	for i, c := range checks {
		if slices.Contains(strings.Fields(c.symptoms), symptom) {
			if result := c.run(ways, d.Requests, checks[i+1:]); result != nil {
				d.Results = append(d.Results, *result)
			}
		}
	}
	slices.SortStableFunc(d.Results, func(a, b Result) int { return likelier(a.State, b.State) })
	for _, stage := range s.Of(StageType) {
		_, group, found := strings.Cut(stage.Outputs.Object("accessLogSettings").Text("destinationArn"), ":log-group:")
		if found && symptom != "timeout" {
			d.Next = fmt.Sprintf(`aws logs filter-log-events --region %s --log-group-name %s --filter-pattern '{ $.status = "%s" }'`,
				s.Region, strings.TrimSuffix(group, ":*"), symptom)
		}
	}
	return d
}

// requests are one to each path that a listener rule takes, or should take.
func (s *Set) requests() (all []*http.Request) {
	var paths []string
	for _, rule := range append(s.asked().Of(RuleType), s.Of(RuleType)...) {
		for _, pattern := range patterns(rule) {
			paths = append(paths, strings.TrimRight(pattern, "*"))
		}
	}
	slices.Sort(paths)
	for _, path := range append(slices.Compact(paths), "/") {
		if r, err := NewRequest(path); err == nil && (path != "/" || len(all) == 0) {
			all = append(all, r)
		}
	}
	return all
}

// run judges the hops of all ways. It returns nil if there is nothing of the kind on any, and nothing in the way. behind are
// the checks that come later.
func (c check) run(ways []*Way, titles []string, behind []check) *Result {
	result, reached := &Result{Title: c.title, State: Passed}, false
	add := func(state, text string) {
		reached = true
		if f := (Finding{state, text}); !slices.Contains(result.Findings, f) {
			result.Findings = append(result.Findings, f)
		}
	}
	later := func(at step) bool { return slices.ContainsFunc(behind, func(c check) bool { return c.shows(at) }) }
	if c.unknown != "" {
		add(Unknown, c.unknown)
	}
	for i, w := range ways {
		there := c.unknown != ""
		why := w.Unknown
		for _, stop := range w.stops {
			if c.shows(stop.step) {
				there = true
				add(Failed, strings.Join(slices.Concat([]string{stop.Reason}, stop.Causes, stop.Changed), "; "))
				result.Next, result.Help = cmp.Or(result.Next, stop.Next), cmp.Or(stop.Help, result.Help)
			}
			// What is not there, but lies before what is, does not concern this request.
			there = there || later(stop.step)
			why = cmp.Or(w.Unknown, stop.Reason)
		}
		for _, hop := range w.Hops {
			if c.shows(hop.step) {
				there, reached = true, true
				for _, note := range hop.Notes {
					add(strings.Replace(note.Kind, Drift, Warning, 1), strings.TrimSpace(hop.Resource+" "+hop.Detail)+": "+note.Text)
				}
			}
			there = there || later(hop.step)
		}
		if !there && why != "" {
			add(Unknown, titles[i]+" is not followed so far: "+why)
		}
	}
	if !reached {
		return nil
	}
	if slices.SortStableFunc(result.Findings, func(a, b Finding) int { return likelier(a.State, b.State) }); len(result.Findings) > 0 {
		result.State, result.Help = result.Findings[0].State, cmp.Or(result.Help, link(c.heading))
	}
	return result
}

// likelier compares states as explanations.
func likelier(a, b string) int { return slices.Index(states, a) - slices.Index(states, b) }

// advise adds to a stop the next command, and where to read on.
func (s *Set) advise(stop *Stop) {
	for _, c := range checks {
		if c.shows(stop.step) {
			stop.Help = link(c.heading)
		}
	}
	if len(stop.used) > 0 && (stop.Kind == "target" || stop.Kind == "task") {
		if first := stop.used[0].Type; first == RouteTableType || first == GroupType {
			stop.Help = link(headingWayOut)
		} else if heading := rollout.Heading(strings.Join(append(stop.Causes, stop.Reason), "\n")); heading != "" {
			stop.Help = link(heading)
		}
	}
	if len(stop.Changed) > 0 {
		stop.Next = fmt.Sprintf("make up STACK=%s ARGS=--refresh", s.Stack)
		return
	}
	for _, r := range stop.used {
		if command := kindOf(r.Type).command; command != "" && stop.Next == "" {
			stop.Next = strings.NewReplacer("REGION", s.Region, "ID", r.ID, "CLUSTER", r.Outputs.Text("cluster")).Replace(command)
		}
	}
}
