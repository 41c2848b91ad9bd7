package main

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"private-api/internal/testkit"
	"private-api/local/engine"
	"private-api/local/internal/mocked"
	"private-api/local/tasks"
	"private-api/producer"
	"private-api/stack"
	"private-api/trace"
)

// three services, the last of which only book may call.
func three() []producer.Service {
	return append(mocked.Services(), producer.Service{
		Name: "review", Path: "/api/reviews", Priority: 300, AllowFrom: []string{"book"},
		Image: "example.com/review@sha256:" + strings.Repeat("ab", 32),
	})
}

// planned deploys the program without an engine and without processes.
func planned(t *testing.T, services []producer.Service, config map[string]string) *engine.Engine {
	t.Helper()
	set, runner := mocked.Deploy(t, stack.Program{Services: services}, config, tasks.Options{WithoutProcesses: true})
	return &engine.Engine{Set: set, Runner: runner}
}

// onDomain is the configuration of a domain.
func onDomain(keep bool) map[string]string {
	return map[string]string{"domain": fmt.Sprintf(`{"name":"api.example.com","zone":"example.com","keepExecuteApi":%v}`, keep)}
}

func follow(t *testing.T, e *engine.Engine, r request) *trace.Way {
	t.Helper()
	if r.from == "" {
		url := r.path
		if strings.HasPrefix(url, "/") {
			url = "https://localhost" + url
		}
		return overAPI(e, httptest.NewRequest(r.method, url, nil))
	}
	way, err := e.Set.Call(r.from, r.to)
	if err != nil {
		t.Fatal(err)
	}
	return way
}

func TestTraces(t *testing.T) {
	for name, test := range map[string]struct {
		config map[string]string
		request
	}{
		"book":           {nil, request{method: "GET", path: "/api/books"}},
		"third service":  {nil, request{method: "POST", path: "/api/reviews/1"}},
		"no rule":        {nil, request{method: "GET", path: "/api/nothing"}},
		"no route":       {nil, request{method: "GET", path: "/"}},
		"not authorized": {map[string]string{"authorization": "jwt", "jwt": `{"issuer":"https://issuer.example.com","audiences":["api"]}`}, request{method: "GET", path: "/api/books"}},
		"service":        {nil, request{from: "book", to: "review"}},
		"domain":         {onDomain(true), request{method: "GET", path: "https://api.example.com/api/books"}},
		"unknown host":   {onDomain(true), request{method: "GET", path: "https://www.example.com/api/books"}},
		"disabled":       {onDomain(false), request{method: "GET", path: "/api/books"}},
		"not allowed":    {nil, request{from: "author", to: "review"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := follow(t, planned(t, three(), test.config), test.request).Text(name, arrived)
			testkit.Golden(t, filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".txt"), got)
		})
	}
}

// Without one of the rules, exactly the requests that cross it stop, at that hop.
func TestEverySecurityGroupRuleIsNeeded(t *testing.T) {
	e := planned(t, three(), nil)
	requests := map[string]request{
		"GET /api/books":    {method: "GET", path: "/api/books"},
		"GET /api/authors":  {method: "GET", path: "/api/authors"},
		"GET /api/reviews":  {method: "GET", path: "/api/reviews"},
		"book calls review": {from: "book", to: "review"},
	}
	overLink := []string{"GET /api/authors", "GET /api/books", "GET /api/reviews"}
	want := map[string]struct {
		die    []string
		status int
	}{
		"producer-link-to-producer-alb":    {overLink, 503},
		"producer-alb-to-producer-book":    {[]string{"GET /api/books"}, 504},
		"producer-alb-to-producer-author":  {[]string{"GET /api/authors"}, 504},
		"producer-alb-to-producer-review":  {[]string{"GET /api/reviews"}, 504},
		"producer-book-to-producer-review": {[]string{"book calls review"}, 0},
		// Out to AWS: no request of a caller goes there.
		"producer-book-to-https":    {},
		"producer-author-to-https":  {},
		"producer-review-to-https":  {},
		"consumer-bastion-to-https": {},
	}
	const egress, ingress = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
	seen := map[string]bool{}
	for _, rule := range append(e.Set.Of(egress), e.Set.Of(ingress)...) {
		expected, ok := want[rule.Name]
		if !ok {
			t.Errorf("rule %s: the test does not know it", rule.Name)
		}
		seen[rule.Name] = true
		direction, groups := "egress", strings.Split(rule.Name, "-to-")
		owner := groups[0]
		if rule.Type == ingress {
			direction, owner = "ingress", groups[1]
		}
		e.Set.Remove(rule.Type, rule.ID, rule.Outputs)
		var died []string
		for name, r := range requests {
			way := follow(t, e, r)
			if way.Stop == nil {
				continue
			}
			died = append(died, name)
			if !strings.HasPrefix(way.Stop.Reason, "security group "+owner+" ") || !strings.Contains(way.Stop.Reason, " no "+direction+" rule ") {
				t.Errorf("without the %s rule %s, %s stops because: %s", direction, rule.Name, name, way.Stop.Reason)
			}
			if way.Stop.Status != expected.status {
				t.Errorf("without the %s rule %s, %s gets %d, want %d", direction, rule.Name, name, way.Stop.Status, expected.status)
			}
		}
		slices.Sort(died)
		if !slices.Equal(died, expected.die) {
			t.Errorf("without the %s rule %s, these stop: %q, want %q", direction, rule.Name, died, expected.die)
		}
		e.Set.Put(rule)
	}
	for name := range want {
		if !seen[name] {
			t.Errorf("no rule %s is deployed", name)
		}
	}
	for name, r := range requests {
		if way := follow(t, e, r); way.Stop != nil {
			t.Errorf("with all rules back, %s stops: %s", name, way.Stop.Reason)
		}
	}
}

// Each resource on the way, taken out, stops the request at its own hop.
func TestWhereARequestStops(t *testing.T) {
	for typ, want := range map[string]string{
		"aws:apigatewayv2/stage:Stage":             "there is no HTTP API with a stage $default",
		"aws:apigatewayv2/route:Route":             "no route of the API takes GET /api/books",
		"aws:apigatewayv2/integration:Integration": "route consumer has no integration",
		"aws:apigatewayv2/vpcLink:VpcLink":         "integration consumer names a VPC link that is not there",
		"aws:lb/listener:Listener":                 "integration consumer names a listener that is not there",
		"aws:lb/loadBalancer:LoadBalancer":         "listener producer-https has no load balancer",
		"aws:lb/listenerRule:ListenerRule":         "no listener rule has this path",
		"aws:lb/targetGroup:TargetGroup":           "producer-book forwards to a target group that is not there",
		trace.ServiceType:                          "the target group has no targets",
		"aws:apigatewayv2/apiMapping:ApiMapping":   "domain name api.example.com is mapped to no API",
		"aws:apigatewayv2/domainName:DomainName":   "no API answers to api.example.com", // another one has it, see below
		"aws:acm/certificate:Certificate":          `integration consumer verifies "api.example.com", and the certificates of listener producer-https cover []`,
	} {
		e := planned(t, mocked.Services(), onDomain(true))
		other := trace.Resource{Type: "aws:apigatewayv2/domainName:DomainName", ID: "other", Outputs: trace.Values{"domainName": "other.example.com"}}
		for _, r := range e.Set.Of(typ) {
			e.Set.Remove(r.Type, r.ID, r.Outputs)
			if typ == trace.ServiceType {
				e.Runner.Remove(r.ID)
			}
		}
		e.Set.Put(other)
		way := follow(t, e, request{method: "GET", path: "https://api.example.com/api/books"})
		if way.Stop == nil || !strings.HasPrefix(way.Stop.Reason, want) {
			t.Errorf("without %s the request stops at %+v, want %q", typ, way.Stop, want)
		}
	}
}
