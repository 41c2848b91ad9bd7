package trace

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Way is the way of a request: the hops that it takes, and the verdict.
type Way struct {
	Hops []Hop
	Stop *Stop // nil if the request arrives
	// CORS are the headers that the API puts in place of those of the service; nil if it leaves them alone.
	CORS http.Header
	// Parameters is the parameter mapping of the integration: what the API changes in the request before it passes it on.
	// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
	Parameters Values
	// Timeout is how long the API waits for an answer.
	Timeout time.Duration
	// LinkAddress is where the load balancer sees the connection come from; ListenerPort is where it takes it, and
	// ListenerProtocol how: HTTP or HTTPS.
	LinkAddress      string
	ListenerPort     int
	ListenerProtocol string
	// DropInvalidHeaders tells that the load balancer drops headers whose names have other characters than [-A-Za-z0-9].
	DropInvalidHeaders bool
	// TargetGroup is the ARN of the group whose targets answer.
	TargetGroup  string
	loadBalancer endpoint
}

// Hop is a step of a request.
type Hop struct {
	Kind     string // what decided, in AWS's words
	Resource string // the logical name of the resource that decided
	Detail   string // what it decided
}

// Stop says that a request gets no further.
type Stop struct {
	Reason string    // with the resource that decided
	By     Responder // who answers the caller; "" if nobody does
	Status int       // of that answer, in HTTP
	// ContentType and Body are those of a fixed response.
	ContentType, Body string
}

// Responder is a resource that answers in place of a service.
type Responder string

// What answers on the way.
const (
	API           Responder = "HTTP API"
	LoadBalancer  Responder = "load balancer"
	FixedResponse Responder = "fixed response"
)

// Target is a task as a load balancer or another task sees it.
type Target struct {
	Service string   // logical name of its ECS service
	Port    int      // of the container
	Groups  []string // security group ids
	Subnets []string
}

func (t Target) endpoint() endpoint { return endpoint{"service " + t.Service, t.Groups, t.Subnets} }

func loadBalancerEndpoint(r Resource) endpoint {
	return endpoint{"load balancer " + r.Name, r.Outputs.Texts("securityGroups"), r.Outputs.Texts("subnets")}
}

func (w *Way) addHop(kind, resource, format string, args ...any) {
	w.Hops = append(w.Hops, Hop{kind, resource, fmt.Sprintf(format, args...)})
}

func (w *Way) stop(by Responder, status int, format string, args ...any) *Way {
	w.Stop = &Stop{Reason: fmt.Sprintf(format, args...), By: by, Status: status}
	return w
}

// Where says where a way stops and why; "" if it does not stop.
func (w *Way) Where() string {
	if w.Stop == nil {
		return ""
	}
	at := string(w.Stop.By)
	if len(w.Hops) > 0 {
		last := w.Hops[len(w.Hops)-1]
		at = last.Kind + " " + last.Resource
	}
	return "stops at " + at + ": " + w.Stop.Reason
}

// Refuse ends a way at the API, which does not take the request.
func (w *Way) Refuse(status int, reason string) *Way { return w.stop(API, status, "%s", reason) }

// Follow follows a request to a target group. Of the request, method, host, path and headers count.
func (s *Set) Follow(r *http.Request) *Way {
	w := &Way{}
	api, ok := s.enter(w, r.Host)
	if !ok {
		return w
	}
	w.addHop("HTTP API", api.Name, "%s %s, stage $default", r.Method, r.URL.Path)
	w.CORS = cors(api.Outputs.Object("corsConfiguration"), r)

	// Without a route, a preflight is still answered where the API has CORS.
	route, found := s.route(api.ID, r.Method, r.URL.Path)
	if !found && !preflight(r, w.CORS) {
		return w.stop(API, http.StatusNotFound, "no route of the API takes %s %s", r.Method, r.URL.EscapedPath())
	}
	if found {
		w.addHop("route", route.Name, "%s", route.Outputs.Text("routeKey"))
		if status, reason := authorize(route); status != 0 {
			return w.stop(API, status, "%s", reason)
		}
	}
	if preflight(r, w.CORS) {
		return w.stop(API, http.StatusNoContent, "the API answers the CORS preflight itself")
	}

	integration, ok := s.Find(integrationType, strings.TrimPrefix(route.Outputs.Text("target"), "integrations/"))
	if !ok {
		return w.stop(API, http.StatusInternalServerError, "route %s has no integration", route.Name)
	}
	v := integration.Outputs
	w.addHop("integration", integration.Name, "%s by %s", v.Text("integrationType"), v.Text("connectionType"))
	link, ok := s.Find(linkType, v.Text("connectionId"))
	if !ok {
		return w.stop(API, http.StatusServiceUnavailable, "integration %s names a VPC link that is not there", integration.Name)
	}
	w.Parameters = v.Object("requestParameters")
	w.Timeout = time.Duration(v.Number("timeoutMilliseconds")) * time.Millisecond
	w.addHop("VPC link", link.Name, "%d subnets", len(link.Outputs.Texts("subnetIds")))
	listener, ok := s.Find(listenerType, v.Text("integrationUri"))
	if !ok {
		return w.stop(API, http.StatusServiceUnavailable, "integration %s names a listener that is not there", integration.Name)
	}
	return s.followFromLink(w, integration, link, listener, r.URL.Path)
}

// followFromLink goes on from the VPC link to the load balancer.
func (s *Set) followFromLink(w *Way, integration, link, listener Resource, path string) *Way {
	balancer, ok := s.Find(balancerType, listener.Outputs.Text("loadBalancerArn"))
	if !ok {
		return w.stop(API, http.StatusServiceUnavailable, "listener %s has no load balancer", listener.Name)
	}
	w.loadBalancer, w.ListenerPort = loadBalancerEndpoint(balancer), listener.Outputs.Number("port")
	w.ListenerProtocol = listener.Outputs.Text("protocol")
	w.DropInvalidHeaders = balancer.Outputs.Is("dropInvalidHeaderFields")
	from := endpoint{"VPC link " + link.Name, link.Outputs.Texts("securityGroupIds"), link.Outputs.Texts("subnetIds")}
	// A VPC link that cannot connect makes the API answer 503.
	// AWS documents that the groups must let the link through, not the answer where they do not; callers report a 503.
	// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-private.html
	if err := s.connect(w, from, w.loadBalancer, w.ListenerPort); err != nil {
		return w.stop(API, http.StatusServiceUnavailable, "%v", err)
	}
	w.LinkAddress = s.exampleAddress(from.subnets)
	w.addHop("listener", listener.Name, "%s :%d of load balancer %s", w.ListenerProtocol, w.ListenerPort, balancer.Name)
	if !s.handshake(w, integration, listener) {
		return w
	}

	for _, rule := range s.rules(listener) {
		if matches(rule, path) {
			w.addHop("listener rule", rule.Name, "priority %d, path %s", rule.Outputs.Number("priority"), strings.Join(patterns(rule), " or "))
			return s.followActions(w, rule.Name, rule.Outputs.Objects("actions"))
		}
	}
	w = s.followActions(w, listener.Name, listener.Outputs.Objects("defaultActions"))
	if w.Stop != nil {
		w.Stop.Reason = fmt.Sprintf("no listener rule has this path: the default action of listener %s answers %d", listener.Name, w.Stop.Status)
	}
	return w
}

// followActions does what a listener or a rule of it says.
func (s *Set) followActions(w *Way, name string, actions []Values) *Way {
	for _, action := range actions {
		switch action.Text("type") {
		case "fixed-response":
			fixed := action.Object("fixedResponse")
			status, _ := strconv.Atoi(fixed.Text("statusCode"))
			w.stop(FixedResponse, status, "%s answers %d itself", name, status)
			w.Stop.ContentType, w.Stop.Body = fixed.Text("contentType"), fixed.Text("messageBody")
			return w
		case "forward":
			group, ok := s.Find(TargetGroupType, action.Text("targetGroupArn"))
			if !ok {
				return w.stop(LoadBalancer, http.StatusServiceUnavailable, "%s forwards to a target group that is not there", name)
			}
			w.addHop("target group", group.Name, "%s :%d", group.Outputs.Text("protocol"), group.Outputs.Number("port"))
			w.TargetGroup = group.Outputs.Text("arn")
			return w
		}
	}
	return w.stop(LoadBalancer, http.StatusServiceUnavailable, "%s has no action that is known here", name)
}

// NoTargets ends a way whose target group has no targets registered.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
func (w *Way) NoTargets() *Way {
	return w.stop(LoadBalancer, http.StatusServiceUnavailable, "the target group has no targets")
}

// NoAnswer ends a way whose target refuses the connection, breaks it off, or takes longer or answers more than an
// integration may. For the last two, AWS documents the limit, not the answer; of the time, callers report a 503.
// Sources: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
func (w *Way) NoAnswer(err error) *Way {
	if errors.Is(err, context.DeadlineExceeded) {
		return w.stop(API, http.StatusServiceUnavailable, "the integration did not answer within %v", w.Timeout)
	}
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return w.stop(API, http.StatusInternalServerError, "the integration answered more than %d bytes", tooLarge.Limit)
	}
	return w.stop(LoadBalancer, http.StatusBadGateway, "the target does not answer: %v", err)
}

// Connect takes the last hop, from the load balancer to a target. A connection that security groups drop times out; here
// it does so at once.
// Source: https://repost.aws/knowledge-center/504-error-alb
func (s *Set) Connect(w *Way, t Target) *Way {
	if err := s.connect(w, w.loadBalancer, t.endpoint(), t.Port); err != nil {
		return w.stop(LoadBalancer, http.StatusGatewayTimeout, "%v", err)
	}
	return w
}

// Check returns nil if a load balancer reaches a target of a target group for its health checks.
func (s *Set) Check(targetGroup string, t Target) error {
	err := errors.New("no listener forwards to the target group")
	for _, balancer := range s.balancersOf(targetGroup) {
		if err = s.connect(&Way{}, loadBalancerEndpoint(balancer), t.endpoint(), t.Port); err == nil {
			return nil
		}
	}
	return err
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

// Between follows a call from a task to another service by its Cloud Map name. The target is a task of that service.
func (s *Set) Between(from, to Target, name string) *Way {
	w := &Way{}
	w.addHop("task", from.Service, "calls %s on port %d", name, to.Port)
	for _, entry := range s.Of(nameType) {
		entryName, namespace := s.nameOf(entry)
		// Names of a private namespace resolve in its VPC alone.
		// Source: https://docs.aws.amazon.com/cloud-map/latest/dg/working-with-namespaces.html
		if entryName != name || !slices.Contains(s.vpcs(from.Subnets), namespace.Outputs.Text("vpc")) {
			continue
		}
		w.addHop("Cloud Map", entry.Name, "%s in namespace %s", name, namespace.Name)
		if err := s.connect(w, from.endpoint(), to.endpoint(), to.Port); err != nil {
			return w.stop("", 0, "%v", err)
		}
		return w
	}
	return w.stop("", 0, "%s has no entry that resolves for service %s", name, from.Service)
}

// DNSName returns the Cloud Map name that an ECS service registers, "" if none.
func (s *Set) DNSName(service Resource) string {
	entry, ok := s.Find(nameType, service.Outputs.Object("serviceRegistries").Text("registryArn"))
	if !ok {
		return ""
	}
	name, _ := s.nameOf(entry)
	return name
}

// nameOf returns the whole name of a Cloud Map service, and its namespace.
func (s *Set) nameOf(entry Resource) (name string, namespace Resource) {
	namespace, _ = s.Find(namespaceType, entry.Outputs.Object("dnsConfig").Text("namespaceId"))
	return entry.Outputs.Text("name") + "." + namespace.Outputs.Text("name"), namespace
}
