package trace

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestRouteSelection(t *testing.T) {
	keys := []string{
		"GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /pets/{proxy+}", "ANY /{proxy+}", "OPTIONS /{proxy+}", "ANY /both", "POST /both",
	}
	with := func(keys ...string) *Set {
		s := &Set{}
		for _, key := range keys {
			s.Put(Resource{Type: RouteType, ID: key, Name: key, Outputs: Values{"apiId": "api", "routeKey": key}})
		}
		s.Put(Resource{Type: RouteType, ID: "other", Outputs: Values{"apiId": "another API", "routeKey": "$default"}})
		return s
	}
	all := with(append(keys, "$default")...)
	some := with(keys...)
	for _, test := range []struct {
		set          *Set
		method, path string
		want         string
	}{
		{all, "GET", "/pets/dog/1", "GET /pets/dog/1"},
		{all, "GET", "/pets/dog/2", "GET /pets/dog/{id}"},
		{all, "GET", "/pets/cat/1", "GET /pets/{proxy+}"},
		{all, "POST", "/pets/cat/1", "ANY /pets/{proxy+}"},
		{all, "GET", "/pets/dog/1/", "GET /pets/{proxy+}"},
		{all, "POST", "/test", "ANY /{proxy+}"},
		{all, "OPTIONS", "/test", "OPTIONS /{proxy+}"},
		{all, "POST", "/both", "POST /both"},
		{all, "PUT", "/both", "ANY /both"},
		{all, "GET", "/", "$default"},
		{some, "GET", "/", ""},
		{some, "GET", "", ""},
		{with("GET /a"), "POST", "/a", ""},
		{with("GET /a/{id}"), "GET", "/a/", ""},
		{with("GET /a/{id}"), "GET", "/a", ""},
		{with("GET /a"), "GET", "/A", ""},
	} {
		route, found := test.set.route("api", test.method, test.path)
		if found != (test.want != "") || route.Name != test.want {
			t.Errorf("%s %s takes route %q, want %q", test.method, test.path, route.Name, test.want)
		}
	}
}

func TestPathPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"/api/books*", "/api/books", true},
		{"/api/books*", "/api/books/1", true},
		{"/api/books*", "/api/bookstore", true},
		{"/api/books*", "/api/book", false},
		{"/api/books*", "/API/books", false},
		{"/img/*", "/img/", true},
		{"/img/*/pics", "/img/a/b/pics", true},
		{"/img/*/pics", "/img/pics", false},
		{"/a?c", "/abc", true},
		{"/a?c", "/ac", false},
		{"/a?", "/a", false},
		{"*", "", true},
		{"*b*", "/abc", true},
		{"/a", "/ab", false},
		{"/ab", "/a", false},
	} {
		if got := glob(test.pattern, test.path); got != test.want {
			t.Errorf("%s takes %s: %v", test.pattern, test.path, got)
		}
	}
}

// rule makes a listener rule with the given priority.
func rule(name string, priority float64, patterns ...any) Resource {
	return Resource{Type: RuleType, ID: name, Name: name, Outputs: Values{
		"listenerArn": "listener", "priority": priority,
		"conditions": []any{map[string]any{"pathPattern": map[string]any{"values": patterns}}},
	}}
}

func TestRulesAreTriedByPriority(t *testing.T) {
	s := &Set{}
	for _, r := range []Resource{rule("all", 30, "/*"), rule("books", 10, "/x", "/books*"), rule("second", 20, "/books*")} {
		s.Put(r)
	}
	s.Put(Resource{Type: RuleType, ID: "none", Name: "none", Outputs: Values{"listenerArn": "listener", "priority": 1.0}})
	s.Put(Resource{Type: RuleType, ID: "host", Name: "host", Outputs: Values{"listenerArn": "listener", "priority": 2.0,
		"conditions": []any{map[string]any{"hostHeader": map[string]any{"values": []any{"*"}}}}}})
	for path, want := range map[string]string{"/books": "books", "/other": "all", "/x": "books"} {
		got := ""
		for _, r := range s.rules(Resource{Outputs: Values{"arn": "listener"}}) {
			if matches(r, path) {
				got = r.Name
				break
			}
		}
		if got != want {
			t.Errorf("%s is taken by %q, want %q", path, got, want)
		}
	}
}

func TestConnect(t *testing.T) {
	from, to := endpoint{"the caller", []string{"sg-a"}, []string{"subnet-1"}, nil}, endpoint{"the callee", []string{"sg-b"}, []string{"subnet-2"}, nil}
	open := Values{"ipProtocol": "tcp", "fromPort": 80.0, "toPort": 80.0}
	but := func(base Values, key string, value any) Values {
		v := Values{}
		for k, old := range base {
			v[k] = old
		}
		v[key] = value
		return v
	}
	toGroup, fromGroup := but(open, "referencedSecurityGroupId", "sg-b"), but(open, "referencedSecurityGroupId", "sg-a")
	for name, test := range map[string]struct {
		egress, ingress Values
		vpc             string // of the callee
		want            bool
	}{
		"by group":           {toGroup, fromGroup, "vpc", true},
		"other port":         {toGroup, but(but(fromGroup, "fromPort", 81.0), "toPort", 90.0), "vpc", false},
		"port in a range":    {toGroup, but(but(fromGroup, "fromPort", 0.0), "toPort", 90.0), "vpc", true},
		"all protocols":      {but(toGroup, "ipProtocol", "-1"), but(fromGroup, "ipProtocol", "-1"), "vpc", true},
		"udp":                {but(toGroup, "ipProtocol", "udp"), fromGroup, "vpc", false},
		"other group":        {toGroup, but(open, "referencedSecurityGroupId", "sg-c"), "vpc", false},
		"by range":           {but(open, "cidrIpv4", "10.0.2.0/24"), but(open, "cidrIpv4", "10.0.0.0/16"), "vpc", true},
		"everywhere":         {but(open, "cidrIpv4", "0.0.0.0/0"), fromGroup, "vpc", true},
		"part of the subnet": {but(open, "cidrIpv4", "10.0.2.0/25"), fromGroup, "vpc", false},
		"other range":        {but(open, "cidrIpv4", "10.0.3.0/24"), fromGroup, "vpc", false},
		"other VPC":          {toGroup, fromGroup, "vpc-2", false},
	} {
		s := &Set{}
		s.Put(Resource{Type: SubnetType, ID: "subnet-1", Outputs: Values{"vpcId": "vpc", "cidrBlock": "10.0.1.0/24"}})
		s.Put(Resource{Type: SubnetType, ID: "subnet-2", Outputs: Values{"vpcId": test.vpc, "cidrBlock": "10.0.2.0/24"}})
		s.Put(Resource{Type: EgressType, ID: "out", Outputs: but(test.egress, "securityGroupId", "sg-a")})
		s.Put(Resource{Type: IngressType, ID: "in", Outputs: but(test.ingress, "securityGroupId", "sg-b")})
		w := &Way{set: s}
		if arrives := s.connect(w, "link", from, to, 80, API, 503); arrives != test.want || arrives != (w.Stop == nil) {
			t.Errorf("%s: stopped by %+v, want to arrive: %v", name, w.Stop, test.want)
		}
	}
}

// Of a family, every revision has the same id.
func TestRevisionsAreKeptApart(t *testing.T) {
	s := &Set{}
	for _, arn := range []string{"family:1", "family:2"} {
		s.Put(Resource{Type: TaskDefinitionType, ID: "family", Name: arn, Outputs: Values{"arn": arn}})
	}
	s.Remove(TaskDefinitionType, "family", Values{"arn": "family:1"})
	if r, ok := s.Find(TaskDefinitionType, "family:2"); !ok || s.Len() != 1 {
		t.Errorf("found %v of %d", r, s.Len())
	}
	if r, ok := s.Find(TaskDefinitionType, "family:1"); ok {
		t.Errorf("%v is still there", r)
	}
}

// A preflight is answered also where no route takes it; a plain OPTIONS request is not one.
func TestPreflightWithoutRoute(t *testing.T) {
	s := &Set{}
	s.Put(Resource{Type: APIType, ID: "api", Name: "api", Outputs: Values{"corsConfiguration": map[string]any{"allowOrigins": []any{"*"}}}})
	s.Put(Resource{Type: StageType, ID: "$default", Outputs: Values{"apiId": "api", "name": "$default", "autoDeploy": true}})
	for method, want := range map[string]int{"GET": 204, "": 404} {
		r := httptest.NewRequest("OPTIONS", "/", nil)
		r.Header.Set("Origin", "https://ui.example.com")
		if method != "" {
			r.Header.Set("Access-Control-Request-Method", method)
		}
		if way := s.Follow(r); way.Stop == nil || way.Stop.Status != want || way.Stop.By != API {
			t.Errorf("preflight for %q: %+v, want %d", method, way.Stop, want)
		}
	}
}

// Integration and listener must agree on HTTP or HTTPS, and the certificate must cover the name that the API verifies.
func TestHandshake(t *testing.T) {
	verifies := func(name string) Values { return Values{"tlsConfig": map[string]any{"serverNameToVerify": name}} }
	for name, test := range map[string]struct {
		integration, listener Values
		status                int // 0: they agree
		by                    Responder
	}{
		"HTTP":                       {Values{}, Values{"protocol": "HTTP"}, 0, ""},
		"HTTP to HTTPS":              {Values{}, Values{"protocol": "HTTPS", "certificateArn": "one"}, 400, LoadBalancer},
		"HTTPS to HTTP":              {verifies("api.example.com"), Values{"protocol": "HTTP"}, 500, API},
		"HTTPS":                      {verifies("api.example.com"), Values{"protocol": "HTTPS", "certificateArn": "one"}, 0, ""},
		"another case":               {verifies("API.example.com"), Values{"protocol": "HTTPS", "certificateArn": "one"}, 0, ""},
		"second name":                {verifies("www.example.com"), Values{"protocol": "HTTPS", "certificateArn": "one"}, 0, ""},
		"another name":               {verifies("example.com"), Values{"protocol": "HTTPS", "certificateArn": "one"}, 500, API},
		"no name":                    {verifies(""), Values{"protocol": "HTTPS", "certificateArn": "one"}, 500, API},
		"no certificate":             {verifies("api.example.com"), Values{"protocol": "HTTPS", "certificateArn": "none"}, 500, API},
		"in the list":                {verifies("old.example.com"), Values{"protocol": "HTTPS", "certificateArn": "one", "arn": "listener"}, 0, ""},
		"in another's list":          {verifies("old.example.com"), Values{"protocol": "HTTPS", "certificateArn": "one", "arn": "another"}, 500, API},
		"wildcard":                   {verifies("api.example.com"), Values{"protocol": "HTTPS", "certificateArn": "all"}, 0, ""},
		"wildcard without a label":   {verifies("example.com"), Values{"protocol": "HTTPS", "certificateArn": "all"}, 500, API},
		"wildcard of two labels":     {verifies("a.b.example.com"), Values{"protocol": "HTTPS", "certificateArn": "all"}, 500, API},
		"wildcard of another domain": {verifies("api.example.org"), Values{"protocol": "HTTPS", "certificateArn": "all"}, 500, API},
	} {
		s := &Set{}
		s.Put(Resource{Type: CertificateType, ID: "one", Outputs: Values{"domainName": "api.example.com", "subjectAlternativeNames": []any{"www.example.com"}}})
		s.Put(Resource{Type: CertificateType, ID: "listed", Outputs: Values{"domainName": "old.example.com"}})
		s.Put(Resource{Type: ListedType, ID: "l", Outputs: Values{"certificateArn": "listed", "listenerArn": "listener"}})
		s.Put(Resource{Type: CertificateType, ID: "all", Outputs: Values{"domainName": "*.example.com"}})
		w := &Way{set: s}
		s.handshake(w, Resource{Outputs: test.integration}, Resource{Outputs: test.listener})
		agreed := w.Stop == nil
		if agreed != (test.status == 0) || !agreed && (w.Stop.Status != test.status || w.Stop.By != test.by) {
			t.Errorf("%s: agreed %v, %+v", name, agreed, w.Stop)
		}
	}
}

// Which hosts an API answers to, and how AWS answers to the others.
func TestHosts(t *testing.T) {
	const execute = "abc.execute-api.us-west-2.amazonaws.com"
	for _, test := range []struct {
		host             string
		domain, disabled bool
		status           int // 0: it answers
	}{
		{"localhost:8080", false, false, 0},
		{"anything", false, false, 0},
		{execute, false, false, 0},
		{"api.example.com", true, false, 0},
		{"API.example.com:8080", true, true, 0},
		{"localhost:8080", true, false, 0},
		{"127.0.0.1:8080", true, false, 0},
		{"[::1]:8080", true, false, 0},
		{"[::1]", true, false, 0},
		{execute, true, false, 0},
		{execute, true, true, 404},
		{"localhost:8080", true, true, 404},
		{"www.example.com", true, false, 403},
		{"192.0.2.1", true, true, 403},
		{"", true, false, 403},
	} {
		s := &Set{}
		s.Put(Resource{Type: APIType, ID: "abc", Outputs: Values{"apiEndpoint": "https://" + execute, "disableExecuteApiEndpoint": test.disabled}})
		s.Put(Resource{Type: StageType, ID: "$default", Outputs: Values{"apiId": "abc", "name": "$default", "autoDeploy": true}})
		if test.domain {
			s.Put(Resource{Type: DomainType, ID: "d", Outputs: Values{"domainName": "api.example.com"}})
			s.Put(Resource{Type: MappingType, ID: "m", Outputs: Values{"domainName": "api.example.com", "apiId": "abc", "stage": "$default"}})
		}
		w := &Way{set: s}
		api := s.enter(w, test.host)
		ok := w.Stop == nil
		if ok != (test.status == 0) || ok && api.ID != "abc" || !ok && (w.Stop.Status != test.status || w.Stop.By != API) {
			t.Errorf("%+v: %v %+v", test, ok, w.Stop)
		}
	}
}

// The lowest number that matches decides, and answers come back on many ports.
func TestNetworkACLs(t *testing.T) {
	entry := func(number float64, action, protocol, block string, from, to float64) Values {
		return Values{"ruleNo": number, "action": action, "protocol": protocol, "cidrBlock": block, "fromPort": from, "toPort": to}
	}
	all, last := entry(100, "allow", "-1", "0.0.0.0/0", 0, 0), entry(32767, "deny", "-1", "0.0.0.0/0", 0, 0)
	for name, test := range map[string]struct {
		rules []Values
		ports ports
		rule  string
		whole bool
	}{
		"default":                  {[]Values{last, all}, ports{80, 80}, "", false},
		"nothing":                  {nil, ports{80, 80}, "*", true},
		"only the last":            {[]Values{last}, ports{80, 80}, "*", true},
		"deny before":              {[]Values{all, entry(90, "deny", "6", "10.0.0.0/16", 80, 80)}, ports{80, 80}, "90", true},
		"deny behind":              {[]Values{entry(110, "deny", "6", "10.0.0.0/16", 80, 80), all}, ports{80, 80}, "", false},
		"deny of another port":     {[]Values{all, entry(90, "deny", "tcp", "10.0.0.0/16", 81, 90)}, ports{80, 80}, "", false},
		"deny of UDP":              {[]Values{all, entry(90, "deny", "17", "10.0.0.0/16", 80, 80)}, ports{80, 80}, "", false},
		"deny of another range":    {[]Values{all, entry(90, "deny", "6", "10.1.0.0/16", 80, 80)}, ports{80, 80}, "", false},
		"deny of a part":           {[]Values{all, entry(90, "deny", "-1", "10.0.1.128/25", 0, 0)}, ports{80, 80}, "90", false},
		"allow of a part":          {[]Values{entry(90, "allow", "6", "10.0.1.0/25", 80, 80), last}, ports{80, 80}, "*", false},
		"allow of the port":        {[]Values{entry(90, "allow", "6", "10.0.1.0/24", 80, 80), last}, ports{80, 80}, "", false},
		"answers":                  {[]Values{entry(90, "allow", "6", "10.0.0.0/16", 1024, 65535)}, ephemeral, "", false},
		"answers on Linux's ports": {[]Values{entry(90, "allow", "6", "10.0.0.0/16", 32768, 65535)}, ephemeral, "*", false},
		"no answers":               {[]Values{entry(90, "allow", "6", "10.0.0.0/16", 80, 80)}, ephemeral, "*", true},
		"IPv6":                     {[]Values{entry(90, "deny", "-1", "", 0, 0), all}, ports{80, 80}, "", false},
	} {
		if rule, whole := deniedBy(test.rules, netip.MustParsePrefix("10.0.1.0/24"), test.ports); rule != test.rule || rule != "" && whole != test.whole {
			t.Errorf("%s: denied by %q, all of it: %v, want %q, %v", name, rule, whole, test.rule, test.whole)
		}
	}
}

// The most specific route decides, and a subnet without a table of its own has the main one.
func TestRouteTables(t *testing.T) {
	route := func(block, key, target string) any { return map[string]any{"cidrBlock": block, key: target} }
	s := &Set{}
	for _, id := range []string{"own", "other"} {
		s.Put(Resource{Type: SubnetType, ID: id, Outputs: Values{"vpcId": "vpc"}})
	}
	s.Put(Resource{Type: RouteTableType, ID: "a", Name: "a", Outputs: Values{"vpcId": "vpc", "main": true, "routes": []any{route("10.0.0.0/16", "gatewayId", "local")}}})
	s.Put(Resource{Type: RouteTableType, ID: "b", Name: "b", Outputs: Values{"vpcId": "vpc", "subnetIds": []any{"own"}, "routes": []any{
		route("0.0.0.0/0", "natGatewayId", "nat"), route("10.0.0.0/16", "gatewayId", "local"), route("10.0.2.0/24", "networkInterfaceId", "eni"),
	}}})
	s.Put(Resource{Type: RouteTableType, ID: "c", Name: "c", Outputs: Values{"vpcId": "vpc-2", "main": true, "routes": []any{route("0.0.0.0/0", "gatewayId", "igw")}}})
	for subnet, want := range map[string]map[string]string{
		"own":   {"10.0.1.0/24": "local", "10.0.2.0/24": "eni", "10.0.2.0/25": "eni", "0.0.0.0/0": "nat", "192.0.2.0/24": "nat"},
		"other": {"10.0.1.0/24": "local", "10.0.2.0/24": "local", "0.0.0.0/0": ""},
	} {
		for block, target := range want {
			table, _ := s.tableOf(subnet)
			if got, found := routeTo(table, netip.MustParsePrefix(block)); found != (target != "") || found && targetOf(got) != target {
				t.Errorf("subnet %s: %s leads to %v, want %q", subnet, block, got, target)
			}
		}
	}
	if _, found := s.tableOf("unknown"); found {
		t.Error("a subnet that nobody knows has a route table")
	}
}

// Of outputs, those count that decide, in any order of a list of texts.
func TestDrift(t *testing.T) {
	rule := func(pattern string, more ...any) Values {
		return Values{"priority": 100.0, "tags": pattern, "conditions": []any{map[string]any{"pathPattern": map[string]any{"values": append(more, pattern)}}}}
	}
	for name, test := range map[string]struct {
		is, was Values
		want    string
	}{
		"same":         {rule("/a"), rule("/a"), ""},
		"other order":  {rule("/a", "/b"), rule("/b", "/a"), ""},
		"other tags":   {Values{"tags": "x"}, Values{"tags": "y"}, ""},
		"other path":   {rule("/b"), rule("/a"), "listener rule r: conditions[0].pathPattern.values is /b, the last up left /a"},
		"other number": {Values{"priority": 1.0}, rule("/a"), "listener rule r: conditions[0].pathPattern.values is not set, the last up left /a|listener rule r: priority is 1, the last up left 100"},
		"nothing":      {Values{"actions": []any{}}, Values{"actions": nil}, ""},
	} {
		s := &Set{ReadAt: time.Unix(0, 0)}
		r := Resource{Type: RuleType, ID: "r", Name: "r", Outputs: test.is, Expected: test.was}
		s.Put(r)
		if got := strings.Join(s.drift(r), "|"); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
