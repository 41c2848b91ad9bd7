package trace_test

import (
	"cmp"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"private-api/internal/testkit"
	"private-api/trace"
)

var withDomain = map[string]string{"domain": `{"name":"api.example.com","zone":"example.com"}`}

// broken are stacks with one thing wrong: what it is, where the request stops, and what the caller gets.
var broken = []struct {
	name   string
	config map[string]string
	do     func(*fixture)
	stops  string // beginning of the reason; "": it arrives
	status int
}{
	{"nothing", withDomain, func(*fixture) {}, "", 0},
	{"egress rule gone", nil, func(f *fixture) { f.lose(f.one(trace.EgressType, "producer-link-to-producer-alb")) },
		"security group producer-link of VPC link producer has no egress rule", 503},
	{"ingress rule changed", nil, func(f *fixture) {
		r := f.one(trace.IngressType, "producer-alb-to-producer-book")
		f.set(r, "fromPort", 81.0)
		f.set(r, "toPort", 81.0)
	},
		"security group producer-book of service producer-book has no ingress rule", 504},
	{"link gone", nil, func(f *fixture) { f.lose(f.one(trace.LinkType, "producer")) }, "integration consumer names a VPC link that is not there", 503},
	{"link inactive", nil, func(f *fixture) { f.set(f.one(trace.LinkType, "producer"), "vpcLinkStatus", "INACTIVE") }, "VPC link producer is INACTIVE", 503},
	{"link failed", nil, func(f *fixture) {
		link := f.one(trace.LinkType, "producer")
		f.set(link, "vpcLinkStatus", "FAILED")
		f.set(link, "vpcLinkStatusMessage", "The subnet has no free addresses.")
	}, "VPC link producer is FAILED: AWS could not make it: The subnet", 503},
	{"listener gone", nil, func(f *fixture) { f.lose(f.one(trace.ListenerType, "producer")) }, "integration consumer names a listener that is not there", 503},
	{"listener moved", nil, func(f *fixture) { f.set(f.one(trace.ListenerType, "producer"), "port", 8081.0) },
		"security group producer-link of VPC link producer has no egress rule to producer-alb on tcp 8081", 503},
	{"target unhealthy", nil, func(f *fixture) {
		f.health("producer-book", target("10.0.96.11", "unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [500]"),
			target("10.0.224.11", "draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"))
	}, "no target of target group producer-book is healthy, so", 0},
	{"target refuses", nil, func(f *fixture) {
		f.health("producer-book", target("10.0.96.11", "unhealthy", "Target.FailedHealthChecks", "Health checks failed"))
	},
		"no target of target group producer-book is healthy, so", 502},
	{"one of two unhealthy", nil, func(f *fixture) {
		f.health("producer-book", target("10.0.96.11", "unhealthy", "Target.Timeout", "Request timed out"), target("10.0.224.11", "healthy", "", ""))
	}, "", 0},
	{"no targets", nil, func(f *fixture) { f.health("producer-book") }, "target group producer-book has no targets", 503},
	{"service gone", nil, func(f *fixture) { f.health("producer-book"); f.lose(f.one(trace.ServiceType, "producer-book")) },
		"target group producer-book has no targets, and no ECS service", 503},
	{"task stopped", nil, func(f *fixture) {
		f.stopped("producer-book", "CannotPullContainerError: pull image manifest has been retried 5 time(s): image not found", "")
	}, "target group producer-book has no targets", 503},
	{"route gone", nil, func(f *fixture) { f.lose(f.one(trace.RouteType, "consumer")) }, "no route of the API takes GET /api/books", 404},
	{"listener rule gone", nil, func(f *fixture) { f.lose(f.one(trace.RuleType, "producer-book")) }, "no listener rule has this path", 404},
	{"foreign rule", nil, func(f *fixture) {
		rule := f.one(trace.RuleType, "producer-book")
		rule.ID, rule.Name, rule.Expected = "arn:other", "app/other/1", nil
		rule.Outputs = trace.Values{"arn": "arn:other", "listenerArn": rule.Outputs["listenerArn"], "priority": 5.0, "conditions": rule.Outputs["conditions"],
			"actions": []any{map[string]any{"type": "fixed-response", "fixedResponse": map[string]any{"statusCode": "503", "contentType": "text/plain"}}}}
		f.Put(rule)
	}, "app/other/1 answers 503 itself", 503},
	{"rule of an adopted listener", nil, func(f *fixture) {
		rule := f.one(trace.RuleType, "producer-book")
		f.Remove(rule.Type, rule.ID, rule.Outputs)
		rule.Name, rule.Expected = "priority 100", nil // as no up asked for it, it is no drift
		f.Put(rule)
	}, "", 0},
	{"network ACL denies", nil, func(f *fixture) {
		acl := f.one(trace.NetworkAclType, "acl-1")
		f.set(acl, "ingress", append([]any{map[string]any{"ruleNo": 90.0, "action": "deny", "protocol": "6", "cidrBlock": "10.0.0.0/8", "fromPort": 8080.0, "toPort": 8080.0}},
			acl.Outputs["ingress"].([]any)...))
	}, "network ACL acl-1: ingress rule 90 of subnet producer-private-2 denies tcp 8080", 504},
	{"network ACL denies answers", nil, func(f *fixture) {
		f.set(f.one(trace.NetworkAclType, "acl-1"), "egress", []any{map[string]any{"ruleNo": 100.0, "action": "allow", "protocol": "tcp", "cidrBlock": "0.0.0.0/0", "fromPort": 0.0, "toPort": 1023.0}})
	}, "network ACL acl-1: egress rule * of subnet producer-private-2 denies tcp 1024-65535", 503},
	{"no way out", nil, func(f *fixture) {
		table := f.one(trace.RouteTableType, "producer-private-1")
		f.set(table, "routes", table.Outputs["routes"].([]any)[:1])
		f.lose(f.one(trace.VPCRouteType, "producer-private-1"))
		f.stopped("producer-book", "ResourceInitializationError: unable to pull secrets or registry auth: connection issue between the task and Amazon ECR", "")
	}, "target group producer-book has no targets", 503},
	{"no way out by security group", nil, func(f *fixture) {
		f.lose(f.one(trace.EgressType, "producer-book-to-https"))
		f.stopped("producer-book", "ResourceInitializationError: unable to pull secrets or registry auth: connection issue between the task and Amazon ECR", "")
	}, "target group producer-book has no targets", 503},
	{"throttled", nil, func(f *fixture) {
		f.set(f.one(trace.StageType, "consumer"), "defaultRouteSettings", map[string]any{"throttlingBurstLimit": 0.0, "throttlingRateLimit": 100.0})
	}, "stage consumer allows no requests", 429},
	{"around the local route", nil, func(f *fixture) {
		table := f.one(trace.RouteTableType, "producer-private-1")
		f.set(table, "routes", append(table.Outputs["routes"].([]any), map[string]any{"cidrBlock": f.one(trace.SubnetType, "producer-private-2").Outputs["cidrBlock"], "networkInterfaceId": "eni-1", "state": "active"}))
	}, "", 0},
	{"black hole", nil, func(f *fixture) {
		table := f.one(trace.RouteTableType, "producer-private-1")
		f.set(table, "routes", append(table.Outputs["routes"].([]any), map[string]any{"cidrBlock": f.one(trace.SubnetType, "producer-private-2").Outputs["cidrBlock"], "networkInterfaceId": "eni-1", "state": "blackhole"}))
	}, "route table producer-private-1 of subnet producer-private-1 sends", 503},
	{"certificate expired", withDomain, func(f *fixture) { f.set(f.one(trace.CertificateType, "domain"), "notAfter", "2026-11-25T12:00:00Z") },
		"callers refuse the certificate domain of the API: it expired on 2026-11-25", 0},
	{"name leads elsewhere", withDomain, func(f *fixture) {
		f.set(f.one(trace.RecordType, "consumer-ipv4"), "aliases", []any{map[string]any{"name": "other.example.com"}})
		f.fact(trace.DNSType, "api.example.com", trace.Values{"addresses": []any{"198.51.100.7"}, "targetAddresses": []any{"192.0.2.1"}})
	}, "api.example.com leads to 198.51.100.7", 0},
	{"record gone", withDomain, func(f *fixture) {
		f.lose(f.one(trace.RecordType, "consumer-ipv4"))
		f.fact(trace.DNSType, "api.example.com", trace.Values{"targetAddresses": []any{"192.0.2.1"}, "error": "no such host"})
	}, "api.example.com has no address: no such host", 0},
	{"domain gone", withDomain, func(f *fixture) { f.lose(f.one(trace.DomainType, "consumer")) }, "no API answers to api.example.com", 403},
	{"deployment in progress", nil, func(f *fixture) {
		service := f.one(trace.ServiceType, "producer-book")
		f.fact(trace.DeploymentType, service.ID+"/d", trace.Values{"service": service.ID, "status": "IN_PROGRESS", "running": 1.0, "requested": 2.0})
		f.health("producer-book", target("10.0.96.11", "initial", "Elb.RegistrationInProgress", "Target registration is in progress"))
	}, "no target of target group producer-book is healthy yet", 0},
	{"authorizer", map[string]string{"authorization": "jwt", "jwt": `{"issuer":"https://issuer.example.com","audiences":["api"]}`}, func(*fixture) {}, "", 0},
	{"unknown facts", nil, func(f *fixture) {
		for _, typ := range []string{trace.TargetHealthType, trace.NetworkAclType, trace.RouteTableType} {
			for _, r := range f.Of(typ) {
				f.Remove(r.Type, r.ID, r.Outputs)
			}
			name := map[string]string{trace.TargetHealthType: "health of targets", trace.NetworkAclType: "network ACLs", trace.RouteTableType: "route tables"}[typ]
			f.fact(trace.UnknownType, typ, trace.Values{"of": typ, "name": name, "reason": "access denied"})
		}
	}, "", 0},
	{"unknown load balancer", nil, func(f *fixture) {
		balancer := f.Of(trace.BalancerType)[0]
		f.Remove(balancer.Type, balancer.ID, balancer.Outputs)
		f.fact(trace.UnknownType, "u", trace.Values{"of": balancer.Type, "id": balancer.ID, "name": "load balancer " + balancer.ID, "reason": "of another account"})
	}, "", 0},
}

func TestBrokenStacks(t *testing.T) {
	for _, test := range broken {
		t.Run(test.name, func(t *testing.T) {
			f := healthy(t, test.config)
			test.do(f)
			r, err := trace.NewRequest("/api/books")
			if err != nil {
				t.Fatal(err)
			}
			way := f.Deployed(r)
			switch {
			case test.stops == "" && way.Stop != nil:
				t.Errorf("stops: %s", way.Stop.Reason)
			case test.stops != "" && way.Stop == nil:
				t.Error("arrives")
			case test.stops != "" && (!strings.HasPrefix(way.Stop.Reason, test.stops) || way.Stop.Status != test.status):
				t.Errorf("stops with %d: %s, want %d: %s", way.Stop.Status, way.Stop.Reason, test.status, test.stops)
			}
			file := filepath.Join("testdata", strings.ReplaceAll(test.name, " ", "-"))
			testkit.Golden(t, file+".txt", way.Text(trace.Title(r), "arrives"))
			testkit.Golden(t, file+".json", way.JSON(trace.Title(r)))
		})
	}
}

// What others may have set up around a stack that works: it does not stop there. Of what nobody can tell, it says so.
func TestOthersAreNoTrouble(t *testing.T) {
	another := func(f *fixture, outputs trace.Values) { // rule before that of the program
		rule := f.one(trace.RuleType, "producer-book")
		values := trace.Values{"arn": "arn:other", "listenerArn": rule.Outputs["listenerArn"], "priority": 5.0, "conditions": rule.Outputs["conditions"], "actions": rule.Outputs["actions"]}
		maps.Copy(values, outputs)
		f.Put(trace.Resource{Type: trace.RuleType, ID: "arn:other", Name: "priority 5", Outputs: values})
	}
	forward := func(groups ...any) []any {
		return []any{map[string]any{"type": "forward", "forward": map[string]any{"targetGroups": groups}}}
	}
	host := []any{map[string]any{"hostHeader": map[string]any{"values": []any{"api.example.com"}}}}
	for _, test := range []struct {
		name    string
		config  map[string]string
		request string // default: /api/books
		do      func(*fixture)
		unknown string // beginning of why nobody can tell how it goes on; "": it arrives
		note    string // one on the way
	}{
		{"a rule for a host alone takes the path", nil, "", func(f *fixture) {
			another(f, trace.Values{"conditions": host})
			f.lose(f.one(trace.RuleType, "producer-book"))
		}, "whether rule priority 5 takes the request before", ""},
		{"a rule for a host before the program's", nil, "", func(f *fixture) { another(f, trace.Values{"conditions": host}) }, "", "whether rule priority 5 takes the request before"},
		{"a group without a weight", nil, "", func(f *fixture) {
			f.fact(trace.TargetGroupType, "arn:blue", trace.Values{"arn": "arn:blue"})
			f.fact(trace.TargetHealthType, "arn:blue", trace.Values{"targets": []any{}})
			green := f.one(trace.TargetGroupType, "producer-book").Outputs["arn"]
			another(f, trace.Values{"actions": forward(map[string]any{"arn": "arn:blue", "weight": 0.0}, map[string]any{"arn": green, "weight": 100.0})})
		}, "", ""},
		{"a login", nil, "", func(f *fixture) {
			actions := f.one(trace.RuleType, "producer-book").Outputs["actions"].([]any)
			another(f, trace.Values{"actions": append([]any{map[string]any{"type": "authenticate-oidc"}}, actions...)})
		}, "", "whether action authenticate-oidc of priority 5 lets it through"},
		{"an action of tomorrow", nil, "", func(f *fixture) { another(f, trace.Values{"actions": []any{map[string]any{"type": "teleport"}}}) }, "priority 5 has no action that is known here", ""},
		{"a Lambda function", nil, "", func(f *fixture) {
			f.health("producer-book", target("arn:aws:lambda:us-west-2:123456789012:function:f", "unavailable", "Target.HealthCheckDisabled", "Health checks are not enabled for this target"))
		}, "", "whether it is healthy: Target.HealthCheckDisabled"},
		{"a route to a Lambda function", nil, "", func(f *fixture) {
			api := f.one(trace.APIType, "consumer").ID
			f.fact(trace.IntegrationType, "lambda", trace.Values{"apiId": api, "integrationType": "AWS_PROXY", "connectionType": "INTERNET", "integrationUri": "arn:aws:lambda:us-west-2:123456789012:function:f"})
			f.fact(trace.RouteType, "GET /api/books", trace.Values{"apiId": api, "routeKey": "GET /api/books", "target": "integrations/lambda"})
		}, "integration lambda leads past the VPC link, to arn:aws:lambda", ""},
		{"a stage that others deploy", nil, "", func(f *fixture) { f.set(f.one(trace.StageType, "consumer"), "autoDeploy", false) }, "", "it deploys none by itself"},
		{"a proxy before the API", withDomain, "", func(f *fixture) {
			f.fact(trace.DNSType, "api.example.com", trace.Values{"addresses": []any{"198.51.100.7"}, "targetAddresses": []any{"192.0.2.1"}})
		}, "", "whether what is there passes requests on"},
		{"a name of somebody else", nil, "https://www.example.com/api/books", func(*fixture) {}, "www.example.com is no name of this stack", ""},
		{"a rule for each subnet", nil, "", func(f *fixture) {
			f.lose(f.one(trace.IngressType, "producer-link-to-producer-alb"))
			for _, subnet := range []string{"producer-private-1", "producer-private-2"} {
				f.fact(trace.IngressType, "sgr-"+subnet, trace.Values{"securityGroupId": f.one(trace.GroupType, "producer-alb").ID, "ipProtocol": "tcp", "fromPort": 80.0, "toPort": 80.0,
					"cidrIpv4": f.one(trace.SubnetType, subnet).Outputs["cidrBlock"]})
			}
		}, "", ""},
		{"a prefix list", nil, "", func(f *fixture) {
			f.lose(f.one(trace.IngressType, "producer-link-to-producer-alb"))
			f.fact(trace.IngressType, "sgr-1", trace.Values{"securityGroupId": f.one(trace.GroupType, "producer-alb").ID, "ipProtocol": "-1", "prefixListId": "pl-1"})
		}, "whether prefix list pl-1 in rule sgr-1 of security group producer-alb has the addresses of VPC link producer", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := healthy(t, test.config)
			test.do(f)
			r, err := trace.NewRequest(cmp.Or(test.request, "/api/books"))
			if err != nil {
				t.Fatal(err)
			}
			way := f.Deployed(r)
			text := way.Text(test.name, "arrives")
			if way.Stop != nil || !strings.HasPrefix(way.Unknown, test.unknown) || (way.Unknown == "") != (test.unknown == "") || !strings.Contains(text, test.note) {
				t.Errorf("want unknown %q, note %q:\n%s", test.unknown, test.note, text)
			}
		})
	}
}

// A rule that sends callers elsewhere answers them, and not with an error.
func TestRedirect(t *testing.T) {
	f := healthy(t, nil)
	f.set(f.one(trace.RuleType, "producer-book"), "actions", []any{map[string]any{"type": "redirect", "redirect": map[string]any{"statusCode": "HTTP_301"}}})
	r, _ := trace.NewRequest("/api/books")
	if way := f.Deployed(r); way.Stop == nil || way.Stop.Status != http.StatusMovedPermanently {
		t.Errorf("%+v", way.Stop)
	}
}

// Without a default route, tasks may reach AWS by other ways than endpoints.
func TestOtherWaysOut(t *testing.T) {
	for _, test := range []struct {
		route map[string]any
		warns bool
	}{
		{map[string]any{"cidrBlock": "10.0.0.0/16", "gatewayId": "local", "state": "active"}, true},
		{map[string]any{"destinationPrefixListId": "pl-s3", "gatewayId": "vpce-1", "state": "active"}, true},
		{map[string]any{"cidrBlock": "192.168.0.0/16", "transitGatewayId": "tgw-1", "state": "active"}, false},
		{map[string]any{"destinationPrefixListId": "pl-all", "natGatewayId": "nat-1", "state": "active"}, false},
	} {
		f := healthy(t, nil)
		for _, name := range []string{"producer-private-1", "producer-private-2"} {
			table := f.one(trace.RouteTableType, name)
			f.set(table, "routes", append(table.Outputs["routes"].([]any)[:1:1], test.route))
		}
		r, _ := trace.NewRequest("/api/books")
		if text := f.Deployed(r).Text("", ""); strings.Contains(text, "has no default route") != test.warns {
			t.Errorf("%v: want a warning: %v\n%s", test.route, test.warns, text)
		}
	}
}

// Calls between services, of which book may call author.
func TestBrokenCalls(t *testing.T) {
	for _, test := range []struct {
		name, from, to string
		do             func(*fixture)
		stops          string
	}{
		{"call", "book", "author", func(*fixture) {}, ""},
		{"call not allowed", "author", "book", func(*fixture) {}, "security group producer-author of service producer-author has no egress rule to producer-book"},
		{"call without a rule", "book", "author", func(f *fixture) { f.lose(f.one(trace.IngressType, "producer-book-to-producer-author")) },
			"security group producer-author of service producer-author has no ingress rule from producer-book"},
		{"call without a name", "book", "author", func(f *fixture) { f.lose(f.one(trace.NameType, "producer-author")) },
			"author.http-api.local has no entry that resolves"},
		{"call without a service", "book", "author", func(f *fixture) { f.lose(f.one(trace.ServiceType, "producer-author")) }, "there is no service producer-author"},
		{"call without tasks", "book", "author", func(f *fixture) {
			f.stopped("producer-author", "OutOfMemoryError: Container killed due to memory usage", "")
		},
			"author.http-api.local has no address, as no task of service producer-author runs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := healthy(t, nil)
			test.do(f)
			way, err := f.Call(test.from, test.to)
			if err != nil {
				t.Fatal(err)
			}
			if way.Stop == nil != (test.stops == "") || way.Stop != nil && !strings.HasPrefix(way.Stop.Reason, test.stops) {
				t.Errorf("%+v, want %q", way.Stop, test.stops)
			}
			testkit.Golden(t, filepath.Join("testdata", strings.ReplaceAll(test.name, " ", "-")+".txt"), way.Text(test.name, "arrives"))
		})
	}
}

// Without one of the rules on the way, the trace names it.
func TestEveryRuleThatIsGoneIsNamed(t *testing.T) {
	for _, typ := range []string{trace.EgressType, trace.IngressType} {
		for _, name := range []string{"producer-link-to-producer-alb", "producer-alb-to-producer-book"} {
			f := healthy(t, nil)
			f.lose(f.one(typ, name))
			r, _ := trace.NewRequest("/api/books")
			if way := f.Deployed(r); way.Stop == nil || len(way.Stop.Changed) != 1 || !strings.HasSuffix(way.Stop.Changed[0], "rule "+name+", which the last up made, is gone") {
				t.Errorf("without %s %s: %+v", typ, name, way.Stop)
			}
		}
	}
}

// Each hint leads to a heading.
func TestHeadings(t *testing.T) {
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, heading := range trace.Headings() {
		if !regexp.MustCompile("(?m)^##+ " + regexp.QuoteMeta(heading) + "$").Match(text) {
			t.Errorf("docs/operations.md has no heading %q", heading)
		}
	}
}

// Each symptom on stacks that can have it: the explanation is on top.
func TestSymptoms(t *testing.T) {
	for _, test := range []struct {
		name, symptom, request string
		config                 map[string]string
		do                     func(*fixture)
		first                  string // state and title of the first result
	}{
		{"503 of a link", "503", "", nil, func(f *fixture) {
			f.set(f.one(trace.LinkType, "producer"), "vpcLinkStatus", "INACTIVE")
			f.health("producer-book")
		}, "failed the VPC link is available"},
		{"503 of one service", "503", "", nil, func(f *fixture) { f.health("producer-book") }, "failed targets are healthy"},
		{"504", "504", "/api/books", nil, func(f *fixture) { f.lose(f.one(trace.EgressType, "producer-alb-to-producer-book")) },
			"failed security groups let the load balancer reach the tasks"},
		{"502", "502", "/api/books", nil, func(f *fixture) {
			f.health("producer-book", target("10.0.96.11", "healthy", "", ""), target("10.0.224.11", "unhealthy", "Target.FailedHealthChecks", "Health checks failed"))
		}, "warning targets are healthy"},
		{"500", "500", "/api/books", withDomain, func(f *fixture) {
			f.set(f.one(trace.IntegrationType, "consumer"), "tlsConfig", map[string]any{"serverNameToVerify": "other.example.com"})
		}, "failed the listener takes what the API sends"},
		{"429", "429", "/api/books", nil, func(f *fixture) {
			f.set(f.one(trace.StageType, "consumer"), "defaultRouteSettings", map[string]any{"throttlingBurstLimit": 0.0, "throttlingRateLimit": 100.0})
		}, "failed the stage lets requests through"},
		{"429 with limits", "429", "/api/books", nil, func(*fixture) {}, "unknown the stage lets requests through"},
		{"401", "401", "/api/books", map[string]string{"authorization": "jwt", "jwt": `{"issuer":"https://issuer.example.com","audiences":["api"]}`}, func(*fixture) {},
			"unknown the route lets the caller in"},
		{"403", "403", "/api/books", withDomain, func(f *fixture) { f.lose(f.one(trace.MappingType, "consumer")) }, "failed the API answers to the name"},
		{"404", "404", "", nil, func(f *fixture) { f.lose(f.one(trace.RuleType, "producer-author")) }, "failed a listener rule takes the path"},
		{"timeout", "timeout", "/api/books", withDomain, func(f *fixture) {
			f.fact(trace.DNSType, "api.example.com", trace.Values{"error": "no such host", "targetAddresses": []any{"192.0.2.1"}})
		}, "failed the name leads to the API"},
		{"404 of an unread route", "404", "/api/books", nil, func(f *fixture) {
			route := f.one(trace.RouteType, "consumer")
			f.Remove(route.Type, route.ID, route.Outputs)
			f.fact(trace.UnknownType, "u", trace.Values{"of": trace.RouteType, "name": "routes of the API", "reason": "access denied"})
		}, "unknown a route takes the request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := healthy(t, test.config)
			test.do(f)
			var r *http.Request
			if test.request != "" {
				var err error
				if r, err = trace.NewRequest(test.request); err != nil {
					t.Fatal(err)
				}
			}
			d := f.Diagnose(test.symptom, r)
			if first := d.Results[0]; first.State+" "+first.Title != test.first || d.Failed() != (first.State == trace.Failed) {
				t.Errorf("first: %s %s, failed: %v, want %s", first.State, first.Title, d.Failed(), test.first)
			}
			file := filepath.Join("testdata", "symptoms", strings.ReplaceAll(test.name, " ", "-"))
			testkit.Golden(t, file+".txt", d.Text())
			testkit.Golden(t, file+".json", d.JSON())
		})
	}
}
