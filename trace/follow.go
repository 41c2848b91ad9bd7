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

// Target is a task as a load balancer or another task sees it.
type Target struct {
	Service string   // logical name of its ECS service
	Port    int      // of the container
	Groups  []string // security group ids
	Subnets []string
}

func (t Target) endpoint() endpoint {
	return endpoint{"service " + t.Service, t.Groups, t.Subnets, nil}
}

func loadBalancerEndpoint(r Resource) endpoint {
	return endpoint{"load balancer " + r.Name, r.Outputs.Texts("securityGroups"), r.Outputs.Texts("subnets"), []Resource{r}}
}

// Follow follows a request to a target group. Of the request, method, host, path and headers count.
func (s *Set) Follow(r *http.Request) *Way {
	w := &Way{set: s}
	s.follow(w, r)
	return w
}

// follow adds the way to the target group.
func (s *Set) follow(w *Way, r *http.Request) {
	api := s.enter(w, r.Host)
	w.hop(api.Name, []Resource{api, s.stage(api.ID)}, "%s %s, stage $default", r.Method, r.URL.Path)
	if !s.stage(api.ID).Outputs.Is("autoDeploy") {
		w.note(Unknown, "whether the stage has these routes and integrations: it deploys none by itself")
	}
	s.throttle(w, api)
	if !w.over {
		w.CORS = cors(api.Outputs.Object("corsConfiguration"), r)
	}

	// Without a route, a preflight is still answered where the API has CORS.
	w.at("route")
	route, found := s.route(api.ID, r.Method, r.URL.Path)
	if found {
		w.took(route, "%s", route.Outputs.Text("routeKey"))
		s.authorize(w, route)
	} else if !preflight(r, w.CORS) {
		w.lacks("", API, http.StatusNotFound, "no route of the API takes %s %s", r.Method, r.URL.EscapedPath()).used = []Resource{api}
	}
	if preflight(r, w.CORS) {
		w.stop(API, http.StatusNoContent, "the API answers the CORS preflight itself")
	}

	w.at("integration")
	integration := s.need(w, IntegrationType, strings.TrimPrefix(route.Outputs.Text("target"), "integrations/"),
		http.StatusInternalServerError, "route %s has no integration", route.Name)
	v := integration.Outputs
	w.Parameters = v.Object("requestParameters")
	w.Timeout = time.Duration(v.Number("timeoutMilliseconds")) * time.Millisecond
	w.took(integration, "%s by %s", v.Text("integrationType"), v.Text("connectionType"))
	if s.deployed() && v.Text("connectionType") != "VPC_LINK" {
		w.unknown(fmt.Sprintf("integration %s leads past the VPC link, to %s", integration.Name, v.Text("integrationUri")))
	}
	w.at("VPC link")
	link := s.need(w, LinkType, v.Text("connectionId"), http.StatusServiceUnavailable, "integration %s names a VPC link that is not there", integration.Name)
	linkWorks(w, link)
	w.at("listener")
	listener := s.need(w, ListenerType, v.Text("integrationUri"), http.StatusServiceUnavailable, "integration %s names a listener that is not there", integration.Name)
	if !w.over {
		s.followFromLink(w, integration, link, listener, r.URL.Path)
	}
}

// need returns a resource without which the way ends at the API.
func (s *Set) need(w *Way, typ, reference string, status int, format string, args ...any) Resource {
	r, ok := s.Find(typ, reference)
	if !ok {
		w.lacks(reference, API, status, format, args...)
	}
	return r
}

// linkWorks adds the VPC link, and ends the way if its state is known and keeps it from passing requests on. That makes
// them fail; callers report a 503.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-vpc-links.html
func linkWorks(w *Way, link Resource) {
	detail := fmt.Sprintf("%d subnets", len(link.Outputs.Texts("subnetIds")))
	status := link.Outputs.Text("vpcLinkStatus")
	if status != "" {
		detail += ", " + status
	}
	w.took(link, "%s", detail)
	means, bad := map[string]string{
		"PENDING":  "AWS makes its network interfaces, which takes minutes",
		"INACTIVE": "without requests for 60 days, AWS has taken its network interfaces down. A request brings them back within minutes",
		"FAILED":   "AWS could not make it",
		"DELETING": "AWS deletes it",
	}[status]
	if !bad {
		if text := w.set.unread(LinkType, link.ID); text != "" {
			w.note(Unknown, "%s", text)
		}
		return
	}
	if message := link.Outputs.Text("vpcLinkStatusMessage"); message != "" {
		means += ": " + message
	}
	w.fault(API, http.StatusServiceUnavailable, "VPC link %s is %s: %s", link.Name, status, means).used = []Resource{link}
}

// followFromLink goes on from the VPC link to the load balancer.
func (s *Set) followFromLink(w *Way, integration, link, listener Resource, path string) {
	balancer := s.need(w, BalancerType, listener.Outputs.Text("loadBalancerArn"), http.StatusServiceUnavailable, "listener %s has no load balancer", listener.Name)
	w.loadBalancer, w.ListenerPort = loadBalancerEndpoint(balancer), listener.Outputs.Number("port")
	w.ListenerProtocol = listener.Outputs.Text("protocol")
	w.DropInvalidHeaders = balancer.Outputs.Is("dropInvalidHeaderFields")
	from := endpoint{"VPC link " + link.Name, link.Outputs.Texts("securityGroupIds"), link.Outputs.Texts("subnetIds"), []Resource{link, listener}}
	// A VPC link that cannot connect makes the API answer 503.
	// AWS documents that the groups must let the link through, not the answer where they do not; callers report a 503.
	// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-private.html
	if !s.connect(w, "link", from, w.loadBalancer, w.ListenerPort, API, http.StatusServiceUnavailable) {
		return
	}
	w.LinkAddress = s.exampleAddress(from.subnets)
	w.at("listener")
	w.hop(listener.Name, []Resource{listener, balancer}, "%s :%d of load balancer %s", w.ListenerProtocol, w.ListenerPort, balancer.Name)
	w.at("TLS")
	s.handshake(w, integration, listener)

	w.at("listener rule")
	var perhaps []string
	for _, rule := range s.rules(listener) {
		if takes, others := judge(rule, path); takes && others && s.deployed() {
			perhaps = append(perhaps, fmt.Sprintf("whether rule %s takes the request before: it looks at more than the path", rule.Name))
		}
		if matches(rule, path) {
			for _, text := range perhaps {
				w.note(Unknown, "%s", text)
			}
			w.took(rule, "priority %d, path %s", rule.Outputs.Number("priority"), strings.Join(patterns(rule), " or "))
			s.followActions(w, rule, rule.Outputs.Objects("actions"))
			return
		}
	}
	w.unknown(strings.Join(perhaps, "; "))
	if w.unread("") {
		return
	}
	before := len(w.stops)
	s.followActions(w, listener, listener.Outputs.Objects("defaultActions"))
	for _, stop := range w.stops[before:] {
		stop.Reason = fmt.Sprintf("no listener rule has this path: the default action of listener %s answers %d", listener.Name, stop.Status)
	}
}

// followActions does what a listener or a rule of it says.
func (s *Set) followActions(w *Way, r Resource, actions []Values) {
	for _, action := range actions {
		switch action.Text("type") {
		case "fixed-response":
			fixed := action.Object("fixedResponse")
			status, _ := strconv.Atoi(fixed.Text("statusCode"))
			stop := w.stop(FixedResponse, status, "%s answers %d itself", r.Name, status)
			stop.ContentType, stop.Body, stop.used = fixed.Text("contentType"), fixed.Text("messageBody"), []Resource{r}
			return
		case "redirect":
			status, _ := strconv.Atoi(strings.TrimPrefix(action.Object("redirect").Text("statusCode"), "HTTP_"))
			w.stop(LoadBalancer, status, "%s sends callers to another address", r.Name).used = []Resource{r}
			return
		case "forward":
			w.at("target group")
			arn, several := action.Text("targetGroupArn"), action.Object("forward").Objects("targetGroups")
			// One of weight 0 gets no requests.
			// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-action-types.html
			several = slices.DeleteFunc(several, func(g Values) bool { weight, ok := g["weight"].(float64); return ok && weight == 0 })
			if arn == "" && len(several) > 0 {
				arn = several[0].Text("arn")
			}
			group, ok := s.Find(TargetGroupType, arn)
			if !ok {
				w.lacks(arn, LoadBalancer, http.StatusServiceUnavailable, "%s forwards to a target group that is not there", r.Name)
			}
			w.took(group, "%s :%d", group.Outputs.Text("protocol"), group.Outputs.Number("port"))
			if len(several) > 1 {
				w.note(Unknown, "whether it is this one: %s forwards to %d target groups", r.Name, len(several))
			}
			w.TargetGroup = group.Outputs.Text("arn")
			return
		default: // it asks who calls, before it forwards
			w.note(Unknown, "whether action %s of %s lets it through", action.Text("type"), r.Name)
		}
	}
	if s.deployed() {
		w.unknown(r.Name + " has no action that is known here")
	}
	w.stop(LoadBalancer, http.StatusServiceUnavailable, "%s has no action that is known here", r.Name)
}

// NoTargets ends a way whose target group has no targets registered.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
func (w *Way) NoTargets() *Way {
	w.stop(LoadBalancer, http.StatusServiceUnavailable, "the target group has no targets")
	return w
}

// NoAnswer ends a way whose target refuses the connection, breaks it off, or takes longer or answers more than an
// integration may. For the last two, AWS documents the limit, not the answer; of the time, callers report a 503.
// Sources: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
func (w *Way) NoAnswer(err error) *Way {
	switch tooLarge := new(http.MaxBytesError); {
	case errors.Is(err, context.DeadlineExceeded):
		w.stop(API, http.StatusServiceUnavailable, "the integration did not answer within %v", w.Timeout)
	case errors.As(err, &tooLarge):
		w.stop(API, http.StatusInternalServerError, "the integration answered more than %d bytes", tooLarge.Limit)
	default:
		w.stop(LoadBalancer, http.StatusBadGateway, "the target does not answer: %v", err)
	}
	return w
}

// Connect takes the last hop, from the load balancer to a target. A connection that security groups drop times out; here
// it does so at once.
// Source: https://repost.aws/knowledge-center/504-error-alb
func (s *Set) Connect(w *Way, t Target) *Way {
	s.connect(w, "target", w.loadBalancer, t.endpoint(), t.Port, LoadBalancer, http.StatusGatewayTimeout)
	return w
}

// Check returns nil if a load balancer reaches a target of a target group for its health checks.
func (s *Set) Check(targetGroup string, t Target) error {
	err := errors.New("no listener forwards to the target group")
	for _, balancer := range s.balancersOf(targetGroup) {
		w := &Way{set: s}
		if s.connect(w, "target", loadBalancerEndpoint(balancer), t.endpoint(), t.Port, LoadBalancer, 0) {
			return nil
		}
		if err = errors.New(w.Unknown); w.Stop != nil {
			err = errors.New(w.Stop.Reason)
		}
	}
	return err
}

// Attached tells whether a load balancer forwards to a target group, which ECS asks for when it makes a service.
func (s *Set) Attached(targetGroup string) bool { return len(s.balancersOf(targetGroup)) > 0 }

// balancersOf returns the load balancers that forward to a target group.
func (s *Set) balancersOf(targetGroup string) []Resource {
	var all []Resource
	for _, listener := range s.Of(ListenerType) {
		actions := listener.Outputs.Objects("defaultActions")
		for _, rule := range s.rules(listener) {
			actions = append(actions, rule.Outputs.Objects("actions")...)
		}
		balancer, ok := s.Find(BalancerType, listener.Outputs.Text("loadBalancerArn"))
		if ok && slices.ContainsFunc(actions, func(a Values) bool { return a.Text("targetGroupArn") == targetGroup }) {
			all = append(all, balancer)
		}
	}
	return all
}

// DNSName returns the Cloud Map name that an ECS service registers, "" if none.
func (s *Set) DNSName(service Resource) string {
	entry, ok := s.Find(NameType, service.Outputs.Object("serviceRegistries").Text("registryArn"))
	if !ok {
		return ""
	}
	name, _ := s.nameOf(entry)
	return name
}

// nameOf returns the whole name of a Cloud Map service, and its namespace.
func (s *Set) nameOf(entry Resource) (name string, namespace Resource) {
	namespace, _ = s.Find(NamespaceType, entry.Outputs.Object("dnsConfig").Text("namespaceId"))
	return entry.Outputs.Text("name") + "." + namespace.Outputs.Text("name"), namespace
}
