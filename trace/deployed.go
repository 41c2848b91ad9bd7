package trace

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var capitals = regexp.MustCompile(`^[A-Z]+$`)

// NewRequest reads a request such as "/api/books" or "POST https://api.example.com/api/books". Without a host it is for
// the name that callers use.
func NewRequest(text string) (*http.Request, error) {
	method, address, found := strings.Cut(text, " ")
	if !found {
		method, address = http.MethodGet, text
	}
	if !capitals.MatchString(method) {
		return nil, fmt.Errorf("method %q: it has capital letters alone, such as POST", method)
	}
	if u, err := url.Parse(address); strings.Contains(address, " ") || !strings.HasPrefix(address, "/") && (err != nil || u.Scheme != "https" || u.Host == "") {
		return nil, fmt.Errorf("path %q: it begins with /, or is a URL such as https://api.example.com/api/books, and has no blanks", address)
	}
	return http.NewRequest(method, address, nil)
}

// Title is what messages call a request.
func Title(r *http.Request) string { return r.Method + " " + r.URL.String() }

// Deployed follows a request to a stack on AWS, to the tasks. It says what is not as the last up left it, and at a stop
// what the last up asked for.
func (s *Set) Deployed(r *http.Request) *Way { return s.explain(s.toTasks(r), false) }

// toTasks returns a function that follows a request through a set.
func (s *Set) toTasks(r *http.Request) func(*Set, *Way) {
	r = r.Clone(r.Context())
	r.Host = cmp.Or(r.Host, s.asked().Host(), s.Host())
	return func(s *Set, w *Way) {
		s.follow(w, r)
		s.arrive(w)
	}
}

// Call follows a call between two services, by the first label of their Cloud Map names, and on AWS to the tasks that
// answer. The error says that there is no such service.
func (s *Set) Call(from, to string) (*Way, error) {
	asked := s.asked()
	caller, _, err := asked.named(from)
	called, name, err2 := asked.named(to)
	if err = cmp.Or(err, err2); err != nil {
		return nil, err
	}
	return s.explain(func(s *Set, w *Way) { s.call(w, caller, called, name) }, false), nil
}

// named finds a service by the first label of its Cloud Map name, and returns that name too.
func (s *Set) named(label string) (service Resource, name string, err error) {
	var labels []string
	for _, service := range s.Of(ServiceType) {
		name := s.DNSName(service)
		first, _, _ := strings.Cut(name, ".")
		if labels = append(labels, first); first == label {
			return service, name, nil
		}
	}
	return Resource{}, "", fmt.Errorf("service %q: there is %s", label, cmp.Or(strings.Join(labels, ", "), "none"))
}

// call follows a call from a task to another service by its Cloud Map name.
func (s *Set) call(w *Way, caller, called Resource, name string) {
	w.at("task")
	for _, service := range []*Resource{&caller, &called} {
		now, ok := s.Find(ServiceType, service.ID)
		if !ok {
			w.lacks(service.ID, "", 0, "there is no service %s", service.Name)
			return
		}
		*service = now
	}
	from, to := targetOfService(caller), targetOfService(called)
	w.hop(caller.Name, []Resource{caller, called}, "calls %s on port %d", name, to.Port)
	w.at("Cloud Map")
	for _, entry := range s.Of(NameType) {
		entryName, namespace := s.nameOf(entry)
		// Names of a private namespace resolve in its VPC alone.
		// Source: https://docs.aws.amazon.com/cloud-map/latest/dg/working-with-namespaces.html
		if entryName == name && slices.Contains(s.vpcs(from.Subnets), namespace.Outputs.Text("vpc")) {
			w.hop(entry.Name, []Resource{entry, namespace}, "%s in namespace %s", name, namespace.Name)
			if !s.connect(w, "call", from.endpoint(), to.endpoint(), to.Port, "", 0) || !s.deployed() {
				return
			}
			w.at("task")
			why := &Stop{}
			if s.evidence(w, called, why) { // the name has the addresses of tasks that run
				w.stop("", 0, "%s has no address, as no task of service %s runs", name, called.Name).because(why, called)
			}
			return
		}
	}
	w.lacks("", "", 0, "%s has no entry that resolves for service %s", name, from.Service)
}

// targetOfService is a task of an ECS service as others see it.
func targetOfService(service Resource) Target {
	network, t := service.Outputs.Object("networkConfiguration"), Target{Service: service.Name}
	t.Groups, t.Subnets = network.Texts("securityGroups"), network.Texts("subnets")
	for _, balancer := range service.Outputs.Objects("loadBalancers") {
		t.Port = balancer.Number("containerPort")
	}
	return t
}

// serviceOf returns the ECS service that registers its tasks in a target group.
func (s *Set) serviceOf(targetGroup string) (Resource, bool) {
	for _, service := range s.Of(ServiceType) {
		if slices.ContainsFunc(service.Outputs.Objects("loadBalancers"), func(v Values) bool { return v.Text("targetGroupArn") == targetGroup }) {
			return service, true
		}
	}
	return Resource{}, false
}

// arrive goes on from a target group to the tasks in it.
func (s *Set) arrive(w *Way) {
	service, ok := s.serviceOf(w.TargetGroup)
	w.at("service")
	if ok {
		w.took(service, "%d tasks wanted", service.Outputs.Number("desiredCount"))
		t := targetOfService(service)
		tasks := t.endpoint()
		tasks.of = []Resource{service}
		s.connect(w, "target", w.loadBalancer, tasks, t.Port, LoadBalancer, http.StatusGatewayTimeout)
	}
	health, known := s.Find(TargetHealthType, w.TargetGroup)
	w.at("target")
	if !known {
		w.hop("", nil, "")
		w.note(Unknown, "%s", cmp.Or(s.unread(TargetHealthType, w.TargetGroup), "no fact tells which targets are healthy"))
	}
	byState, reasons := map[string]int{}, []string{}
	targets := health.Outputs.Objects("targets")
	for _, t := range targets {
		state, why := t.Text("state"), strings.TrimSuffix(t.Text("reason")+": "+t.Text("description"), ": ")
		byState[state]++
		address := fmt.Sprintf("%s:%d", t.Text("id"), t.Number("port"))
		w.hop(address, []Resource{health}, "%s", strings.TrimPrefix(strings.TrimSpace(t.Text("zone")+", "+state), ", "))
		if state != "healthy" && why != "" {
			switch state {
			case "initial", "draining": // as targets are when they come and go
			case "unavailable":
				w.note(Unknown, "whether it is healthy: %s", why)
			default:
				w.note(Warning, "%s", why)
			}
			reasons = append(reasons, address+" is "+state+", "+why)
		}
	}
	// A target without health checks, which a Lambda function has by default, gets requests.
	// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html (HealthCheckEnabled)
	why := &Stop{}
	if s.evidence(w, service, why); !known || byState["healthy"]+byState["unavailable"] > 0 {
		return
	}
	// Of targets that are all unhealthy, each gets requests.
	// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
	by, status := LoadBalancer, http.StatusServiceUnavailable
	group, _ := s.Find(TargetGroupType, w.TargetGroup)
	text := fmt.Sprintf("target group %s has no targets", group.Name)
	switch {
	case byState["unhealthy"] > 0:
		text = fmt.Sprintf("no target of target group %s is healthy, so each gets requests: %s", group.Name, strings.Join(reasons, "; "))
		by, status = answerOf(targets)
	case byState["initial"] > 0: // AWS does not say what callers get until the first check is passed
		text, by, status = "no target of target group "+group.Name+" is healthy yet: "+strings.Join(reasons, "; "), "", 0
	case len(targets) > 0:
		text = "no target of target group " + group.Name + " is in use: " + strings.Join(reasons, "; ")
	case !ok:
		w.at("service")
		text += ", and no ECS service registers its tasks there"
	}
	w.stop(by, status, "%s", text).because(why, health, service)
}

// answerOf tells how the load balancer answers in the place of targets that are all unhealthy, where their reasons say the
// same: a target that does not answer makes it a 504, one that refuses or breaks off the connection a 502. One that answers
// with a wrong status may answer anything.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
func answerOf(targets []Values) (by Responder, status int) {
	statuses := map[string]int{"Target.Timeout": http.StatusGatewayTimeout, "Target.FailedHealthChecks": http.StatusBadGateway}
	for i, t := range slices.DeleteFunc(targets, func(t Values) bool { return t.Text("state") != "unhealthy" }) {
		now := statuses[t.Text("reason")]
		if now == 0 || i > 0 && now != status {
			return "", 0
		}
		status = now
	}
	return LoadBalancer, status
}

// because says of a stop what may be why, and where to look.
func (stop *Stop) because(why *Stop, used ...Resource) {
	stop.Causes, stop.Changed, stop.used = why.Causes, why.Changed, append(why.used, used...)
}

// evidence adds the tasks of a service, why some stopped, their way out and a deployment under way, and tells a stop what of
// these may be why no task answers. It returns whether no task runs. The step stays.
func (s *Set) evidence(w *Way, service Resource, stop *Stop) (idle bool) {
	if service.ID == "" {
		return false
	}
	defer func(before step) { w.step = before }(w.step)
	states, stopped := map[string]int{}, map[string]int{}
	for _, task := range s.where(TaskType, "service", service.ID) {
		// Those that a deployment or a lower count has taken away are no trouble.
		if status, why := task.Outputs.Text("status"), stopReason(task); status != "STOPPED" {
			states[status]++
		} else if !strings.HasPrefix(why, "Scaling activity") {
			stopped[why]++
		}
	}
	w.at("task")
	for _, status := range slices.Sorted(maps.Keys(states)) {
		w.hop(service.Name, nil, "%d %s", states[status], status)
	}
	reasons := slices.SortedFunc(maps.Keys(stopped), func(a, b string) int { return cmp.Or(stopped[b]-stopped[a], strings.Compare(a, b)) })
	for _, why := range reasons[:min(len(reasons), maxReasons)] {
		w.hop(service.Name, nil, "%d STOPPED", stopped[why])
		w.note(Warning, "%s", why)
		stop.Causes, stop.used = append(stop.Causes, "tasks stopped: "+why), []Resource{service}
	}
	s.tellUnread(w, TaskType, false)
	w.at("way out of the tasks")
	if problem, changed, used := s.wayOut(targetOfService(service)); problem != "" {
		w.hop(names(used), used, "none to AWS, for images and logs")
		w.note(Warning, "%s", problem)
		stop.Causes, stop.Changed, stop.used = append(stop.Causes, problem), changed, used
	} else if len(used) > 0 && w.survey {
		w.hop(names(used), used, "a default route, or VPC endpoints")
	}
	w.at("deployment")
	for _, d := range s.where(DeploymentType, "service", service.ID) {
		status, running := d.Outputs.Text("status"), d.Outputs.Number("running")
		text := fmt.Sprintf("%s, %d of %d tasks running", status, running, d.Outputs.Number("requested"))
		if w.hop(service.Name, nil, "%s", text); status != "SUCCESSFUL" {
			w.note(Warning, "%s", cmp.Or(d.Outputs.Text("statusReason"), "until it is done, old and new tasks answer"))
			stop.Causes = append(stop.Causes, "the deployment is "+text)
		}
		idle = running == 0
	}
	return states["RUNNING"] == 0 && (idle || len(states)+len(stopped) > 0)
}

// maxReasons is how many reasons of stopped tasks are shown.
const maxReasons = 5

// stopReason is why a task stopped, in ECS's words.
func stopReason(task Resource) string {
	text := cmp.Or(task.Outputs.Text("stoppedReason"), task.Outputs.Text("stopCode"))
	for _, c := range task.Outputs.Objects("containers") {
		if _, there := c["exitCode"].(float64); there {
			text += fmt.Sprintf("; container %s exited with %d", c.Text("name"), c.Number("exitCode"))
		}
		if reason := c.Text("reason"); reason != "" {
			text += fmt.Sprintf("; container %s: %s", c.Text("name"), reason)
		}
	}
	return text
}
