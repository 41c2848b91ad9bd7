package trace

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Hop is one step of a request.
type Hop struct {
	Kind     string // what decided, in AWS's words
	Resource string // the logical name of the resource that decided
	Detail   string // what it decided
}

// Stop is why a request gets no further.
type Stop struct {
	Status int    // what AWS answers then
	Reason string // with the resource that decided
}

func stop(status int, format string, args ...any) *Stop {
	return &Stop{status, fmt.Sprintf(format, args...)}
}

// Answer is a response that a resource on the way gives itself.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Way is how far a request gets: to a target, or to an answer on the way.
type Way struct {
	Hops   []Hop
	Stop   *Stop   // nil: it gets to a task
	Answer *Answer // what is answered where a resource on the way does that itself
	// CORS are the headers that the API adds to the answer of the integration.
	CORS http.Header
	// Timeout is how long the API waits for the integration.
	Timeout time.Duration
	// LinkAddress is where the load balancer sees the connection come from; ListenerPort is where it takes it.
	LinkAddress  string
	ListenerPort int
	// TargetGroup is the ARN of the group whose targets answer.
	TargetGroup string
	balancer    place
}

func (w *Way) add(kind, resource, format string, args ...any) {
	w.Hops = append(w.Hops, Hop{kind, resource, fmt.Sprintf(format, args...)})
}

// stopped ends the way at the API, which answers with a message.
func (w *Way) stopped(s *Stop) *Way {
	w.Stop = s
	if w.Answer == nil {
		body, _ := json.Marshal(map[string]string{"message": http.StatusText(s.Status)})
		w.Answer = &Answer{s.Status, http.Header{"Content-Type": {"application/json"}}, string(body)}
	}
	return w
}

// To finds the way of a request from a caller to a target group. Of the request, method, path and headers count.
func (s *Set) To(r *http.Request) *Way {
	w := &Way{}
	api, ok := s.api()
	if !ok {
		return w.stopped(stop(http.StatusNotFound, "there is no HTTP API with a stage $default"))
	}
	w.add("HTTP API", api.Name, "%s %s, stage $default", r.Method, r.URL.Path)
	w.CORS = cors(api.Outputs.Object("corsConfiguration"), r)

	// Without a route, a preflight is still answered where the API has CORS.
	route, found := s.route(api.ID, r.Method, r.URL.Path)
	if !found && !preflight(r, w.CORS) {
		return w.stopped(stop(http.StatusNotFound, "no route of the API takes %s %s", r.Method, r.URL.Path))
	}
	if found {
		w.add("route", route.Name, "%s", route.Outputs.Text("routeKey"))
		if refusal := authorize(route); refusal != nil {
			if refusal.Status == http.StatusUnauthorized {
				w.Answer = &Answer{refusal.Status, http.Header{"Content-Type": {"application/json"}, "Www-Authenticate": {"Bearer"}}, `{"message":"Unauthorized"}`}
			}
			return w.stopped(refusal)
		}
	}
	if preflight(r, w.CORS) {
		w.Answer = &Answer{http.StatusNoContent, w.CORS, ""}
		w.Stop = stop(http.StatusNoContent, "the API answers the CORS preflight itself")
		return w
	}

	id, _ := strings.CutPrefix(route.Outputs.Text("target"), "integrations/")
	integration, ok := s.Find(integrationType, id)
	if !ok {
		return w.stopped(stop(http.StatusInternalServerError, "route %s has no integration", route.Name))
	}
	v := integration.Outputs
	w.add("integration", integration.Name, "%s by %s", v.Text("integrationType"), v.Text("connectionType"))
	if v.Text("connectionType") != "VPC_LINK" {
		return w.stopped(stop(http.StatusInternalServerError, "integration %s does not go through a VPC link", integration.Name))
	}
	link, ok := s.Find(linkType, v.Text("connectionId"))
	if !ok {
		return w.stopped(stop(http.StatusServiceUnavailable, "integration %s names a VPC link that is not there", integration.Name))
	}
	w.Timeout = time.Duration(v.Number("timeoutMilliseconds")) * time.Millisecond
	w.add("VPC link", link.Name, "%d subnets", len(link.Outputs.Texts("subnetIds")))
	listener, ok := s.Find(listenerType, v.Text("integrationUri"))
	if !ok {
		return w.stopped(stop(http.StatusServiceUnavailable, "integration %s names a listener that is not there", integration.Name))
	}
	return s.throughBalancer(w, link, listener, r)
}

// throughBalancer goes on from the VPC link.
func (s *Set) throughBalancer(w *Way, link, listener Resource, r *http.Request) *Way {
	balancer, ok := s.Find(balancerType, listener.Outputs.Text("loadBalancerArn"))
	if !ok {
		return w.stopped(stop(http.StatusServiceUnavailable, "listener %s has no load balancer", listener.Name))
	}
	w.balancer = place{"load balancer " + balancer.Name, balancer.Outputs.Texts("securityGroups"), balancer.Outputs.Texts("subnets")}
	from := place{"VPC link " + link.Name, link.Outputs.Texts("securityGroupIds"), link.Outputs.Texts("subnetIds")}
	// A VPC link that cannot connect makes the API answer 503.
	// AWS documents that the groups must let the link through, not the answer where they do not; callers report a 503.
	// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-private.html
	hop, refusal := s.reach(from, w.balancer, listener.Outputs.Number("port"))
	if refusal != nil {
		refusal.Status = http.StatusServiceUnavailable
		return w.stopped(refusal)
	}
	w.Hops = append(w.Hops, hop)
	w.LinkAddress, w.ListenerPort = s.address(from.subnets), listener.Outputs.Number("port")
	w.add("listener", listener.Name, "%s :%d of load balancer %s", listener.Outputs.Text("protocol"), listener.Outputs.Number("port"), balancer.Name)

	for _, rule := range s.rules(listener) {
		if matches(rule, r.URL.Path) {
			w.add("listener rule", rule.Name, "priority %d, path %s", rule.Outputs.Number("priority"), strings.Join(patterns(rule), " or "))
			return s.act(w, rule.Name, rule.Outputs.Objects("actions"))
		}
	}
	w = s.act(w, listener.Name, listener.Outputs.Objects("defaultActions"))
	if w.Answer != nil {
		w.Stop = stop(w.Answer.Status, "no listener rule has this path: the default action of listener %s answers %d", listener.Name, w.Answer.Status)
	}
	return w
}

// act does what a rule says.
func (s *Set) act(w *Way, name string, actions []Values) *Way {
	for _, action := range actions {
		switch action.Text("type") {
		case "fixed-response":
			fixed := action.Object("fixedResponse")
			status := http.StatusOK
			fmt.Sscan(fixed.Text("statusCode"), &status)
			w.Answer = &Answer{status, http.Header{"Content-Type": {fixed.Text("contentType")}, "Server": {"awselb/2.0"}}, fixed.Text("messageBody")}
			w.Stop = stop(status, "%s answers %d itself", name, status)
			return w
		case "forward":
			group, ok := s.Find(targetGroupType, action.Text("targetGroupArn"))
			if !ok {
				return w.unavailable("%s forwards to a target group that is not there", name)
			}
			w.add("target group", group.Name, "%s :%d", group.Outputs.Text("protocol"), group.Outputs.Number("port"))
			w.TargetGroup = group.Outputs.Text("arn")
			return w
		}
	}
	return w.unavailable("%s has no action that the stand-in knows", name)
}

// unavailable ends the way at the load balancer, which has a page of its own.
func (w *Way) unavailable(format string, args ...any) *Way {
	return w.failed(stop(http.StatusServiceUnavailable, format, args...))
}

func (w *Way) failed(s *Stop) *Way {
	title := fmt.Sprintf("%d %s", s.Status, map[int]string{502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}[s.Status])
	w.Stop = s
	w.Answer = &Answer{s.Status, http.Header{"Content-Type": {"text/html"}, "Server": {"awselb/2.0"}},
		"<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title + "</h1></center>\r\n</body>\r\n</html>\r\n"}
	return w
}

// Target is a task as a load balancer or another task sees it.
type Target struct {
	Service string   // logical name of its ECS service
	Port    int      // of the container
	Groups  []string // security group ids
	Subnets []string
}

// NoTargets ends a way whose target group has no targets registered.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
func (w *Way) NoTargets() *Way { return w.unavailable("the target group has no targets") }

// NoAnswer ends a way whose target refuses the connection or breaks it off.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
func (w *Way) NoAnswer(reason string) *Way {
	return w.failed(stop(http.StatusBadGateway, "the target does not answer: %s", reason))
}

// TimedOut ends a way whose integration takes too long. AWS documents the limit, not the answer; callers report a 503.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
func (w *Way) TimedOut() *Way {
	return w.stopped(stop(http.StatusServiceUnavailable, "the integration did not answer within %v", w.Timeout))
}

// Connect takes the last hop, from the load balancer to a target. A connection that security groups drop times out,
// here at once.
// Source: https://repost.aws/knowledge-center/504-error-alb
func (s *Set) Connect(w *Way, t Target) *Way {
	hop, refusal := s.reach(w.balancer, t.place(), t.Port)
	if refusal != nil {
		refusal.Status = http.StatusGatewayTimeout
		return w.failed(refusal)
	}
	w.Hops = append(w.Hops, hop)
	return w
}

func (t Target) place() place { return place{"service " + t.Service, t.Groups, t.Subnets} }

// Check tells whether the load balancers of a target group reach a target for its health checks: nil if one does.
func (s *Set) Check(targetGroup string, t Target) *Stop {
	refusal := stop(0, "no listener forwards to the target group")
	for _, balancer := range s.balancersOf(targetGroup) {
		from := place{"load balancer " + balancer.Name, balancer.Outputs.Texts("securityGroups"), balancer.Outputs.Texts("subnets")}
		if _, refusal = s.reach(from, t.place(), t.Port); refusal == nil {
			return nil
		}
	}
	return refusal
}

// Attached tells whether a load balancer forwards to a target group, which ECS asks for when it makes a service.
func (s *Set) Attached(targetGroup string) bool { return len(s.balancersOf(targetGroup)) > 0 }

// balancersOf returns the load balancers that forward to a target group.
func (s *Set) balancersOf(targetGroup string) []Resource {
	var all []Resource
	for _, listener := range s.Of(listenerType) {
		actions := listener.Outputs.Objects("defaultActions")
		for _, rule := range s.rules(listener) {
			actions = append(actions, rule.Outputs.Objects("actions")...)
		}
		balancer, ok := s.Find(balancerType, listener.Outputs.Text("loadBalancerArn"))
		if ok && slices.ContainsFunc(actions, func(a Values) bool { return a.Text("targetGroupArn") == targetGroup }) {
			all = append(all, balancer)
		}
	}
	return all
}

// HealthCheck returns the settings of a target group's health check; ok is false where the group is not there.
func (s *Set) HealthCheck(targetGroup string) (check Values, ok bool) {
	group, ok := s.Find(targetGroupType, targetGroup)
	return group.Outputs.Object("healthCheck"), ok
}

// DeregistrationDelay returns the seconds for which a target group lets requests under way finish.
func (s *Set) DeregistrationDelay(targetGroup string) int {
	group, _ := s.Find(targetGroupType, targetGroup)
	return group.Outputs.Number("deregistrationDelay")
}

// Between finds the way from a task to another service by its Cloud Map name. The targets are the other service's.
func (s *Set) Between(from, to Target, name string) *Way {
	w := &Way{}
	w.add("task", from.Service, "calls %s on port %d", name, to.Port)
	host, domain, _ := strings.Cut(name, ".")
	for _, entry := range s.Of(nameType) {
		namespace, ok := s.Find(namespaceType, entry.Outputs.Object("dnsConfig").Text("namespaceId"))
		if !ok || entry.Outputs.Text("name") != host || namespace.Outputs.Text("name") != domain {
			continue
		}
		// Names of a private namespace resolve in its VPC alone.
		// Source: https://docs.aws.amazon.com/cloud-map/latest/dg/working-with-namespaces.html
		if !slices.Contains(s.vpcs(from.Subnets), namespace.Outputs.Text("vpc")) {
			break
		}
		w.add("Cloud Map", entry.Name, "%s in namespace %s", name, namespace.Name)
		hop, refusal := s.reach(from.place(), to.place(), to.Port)
		if refusal != nil {
			w.Stop = refusal
			return w
		}
		w.Hops = append(w.Hops, hop)
		return w
	}
	w.Stop = stop(0, "%s has no entry that resolves for service %s", name, from.Service)
	return w
}

// DNSName returns the Cloud Map name that an ECS service registers, "" if none.
func (s *Set) DNSName(service Resource) string {
	entry, ok := s.Find(nameType, service.Outputs.Object("serviceRegistries").Text("registryArn"))
	if !ok {
		return ""
	}
	namespace, _ := s.Find(namespaceType, entry.Outputs.Object("dnsConfig").Text("namespaceId"))
	return entry.Outputs.Text("name") + "." + namespace.Outputs.Text("name")
}
