package producer

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/fakeaws"
	"private-api/internal/setting"
	"private-api/internal/testkit"
)

// existing is a recorder in whose account there is a load balancer.
func existing() *testkit.Recorder {
	account := fakeaws.Default
	account.Existing = testkit.Existing()
	return &testkit.Recorder{Account: account}
}

// shop are valid settings of the load balancer that is there.
func shop() *Listener {
	return &Listener{Arn: testkit.ListenerArn, Paths: map[string]string{"orders": "/orders", "carts": "/shop/carts"}, AllowLink: true}
}

// adopt looks the load balancer up and adopts it.
func adopt(r *testkit.Recorder, l *Listener) error {
	return r.Run(func(ctx *pulumi.Context) error {
		balancer, problems, err := l.Find(ctx, r.Account.Region)
		if err == nil {
			err = problems.Err()
		}
		if err != nil {
			return err
		}
		p, err := Adopt(ctx, "producer", balancer)
		if err == nil {
			ctx.Export("link", p.VpcLinkID)
			ctx.Export("group", p.LinkGroupID)
		}
		return err
	}, nil)
}

// Every input and option of every resource of a producer that is adopted, and what it hands on.
func TestAdopt(t *testing.T) {
	r := existing()
	if err := adopt(r, shop()); err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "testdata/adopt.yaml", r.Golden())
	for name, resource := range map[string]string{"link": "apigatewayv2.VpcLink producer", "group": "ec2.SecurityGroup producer-link"} {
		if got, want := r.Exports[name], r.Get(t, resource).ID; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// Where somebody else lets the link in, nothing is made for the load balancer's group.
func TestAdoptWithoutTheIngressRule(t *testing.T) {
	r, l := existing(), shop()
	l.AllowLink = false
	if err := adopt(r, l); err != nil {
		t.Fatal(err)
	}
	if got := r.All("vpc.SecurityGroupIngressRule"); len(got) > 0 {
		t.Errorf("made %v", got)
	}
	if got := r.Get(t, "vpc.SecurityGroupEgressRule producer-link-to-producer-alb").Input("referencedSecurityGroupId"); got != "sg-1" {
		t.Errorf("the link may reach %v", got)
	}
}

// behind are arguments of services in a network that exists, behind the load balancer in it.
func behind(t *testing.T) *Args {
	t.Helper()
	a := everythingOn(t)
	a.AvailabilityZones, a.VpcCidr, a.Egress = nil, "", EgressNat
	a.Network = Network{VpcID: "vpc-00000001", PrivateSubnetIDs: []string{"subnet-00000001", "subnet-00000002"}}
	a.found = &foundNetwork{Network: a.Network, open: true}
	a.Balancer = &Balancer{
		Arn: testkit.BalancerArn, ListenerArn: testkit.ListenerArn, Port: 8443, ServerName: "shop.example.com", GroupID: "sg-1", AllowLink: true,
		VpcID: "vpc-00000001", SubnetIDs: []string{"subnet-a", "subnet-b"}, Zones: []string{"us-west-2a", "us-west-2b"},
	}
	return a
}

// Every input and option of services that go behind a load balancer that exists. Nothing of it is made.
func TestBehind(t *testing.T) {
	r := deploy(t, behind(t))
	testkit.Golden(t, "testdata/behind.yaml", r.Golden())
	for _, made := range r.Resources {
		if kind, _, _ := strings.Cut(made.String(), " "); kind == "lb.LoadBalancer" || kind == "lb.Listener" || kind == "lb.ListenerCertificate" || strings.HasPrefix(kind, "s3.") {
			t.Errorf("made %s", made)
		}
	}
	if listener, name := r.Exports["listenerArn"], r.Exports["serverName"]; listener != testkit.ListenerArn || name != "shop.example.com" {
		t.Errorf("the API calls %v, and verifies %v", listener, name)
	}
}

// Where somebody else makes the rules of the load balancer's group, the tasks let it in all the same.
func TestBehindWithoutTheRulesOfTheLoadBalancer(t *testing.T) {
	all, a := deploy(t, behind(t)), behind(t)
	a.Balancer.AllowLink = false
	r := deploy(t, a)
	gone := slices.DeleteFunc(all.List(), func(line string) bool { return slices.Contains(r.List(), line) })
	same(t, "not made", gone, []string{
		"vpc.SecurityGroupIngressRule producer-link-to-producer-alb", "vpc.SecurityGroupEgressRule producer-alb-to-producer-alpha",
		"vpc.SecurityGroupEgressRule producer-alb-to-producer-beta", "vpc.SecurityGroupEgressRule producer-alb-to-producer-gamma",
	})
	for _, name := range []string{"alpha", "beta", "gamma"} {
		if got := r.Get(t, "vpc.SecurityGroupIngressRule producer-alb-to-producer-"+name).Input("referencedSecurityGroupId"); got != "sg-1" {
			t.Errorf("%s lets %v in", name, got)
		}
	}
}

// New refuses a load balancer that was not looked up, or is in another VPC.
func TestBehindRefusals(t *testing.T) {
	for _, test := range []struct {
		change func(*Args)
		want   string
	}{
		{func(a *Args) { a.Balancer = &Balancer{VpcID: "vpc-00000001"} }, "Balancer: "},
		{func(a *Args) { a.Balancer.VpcID = "vpc-00000002" }, `network.vpcId: "vpc-00000001" is not allowed: vpc-00000002, the VPC of the load balancer`},
		{func(a *Args) {
			a.Network, a.found, a.AvailabilityZones, a.VpcCidr = Network{}, nil, []string{"us-west-2a", "us-west-2b"}, "10.0.0.0/16"
		}, `network.vpcId: "" is not allowed: vpc-00000001`},
	} {
		a, r := behind(t), &testkit.Recorder{}
		test.change(a)
		if err := tryDeploy(r, a); err == nil || !strings.Contains(err.Error(), test.want) || len(r.Resources) > 1 {
			t.Errorf("%v, want %s; made %v", err, test.want, r.List())
		}
	}
}

func TestAdoptRefusesWhatWasNotLookedUp(t *testing.T) {
	for name, b := range map[string]*Balancer{"nothing": nil, "empty": {}, "one subnet": {ListenerArn: "a", Port: 80, GroupID: "sg-1", VpcID: "vpc-1", SubnetIDs: []string{"subnet-1"}}} {
		r := &testkit.Recorder{}
		err := r.Run(func(ctx *pulumi.Context) error { _, err := Adopt(ctx, "producer", b); return err }, nil)
		if err == nil || !strings.Contains(err.Error(), "Balancer") || len(r.Resources) > 1 {
			t.Errorf("%s: %v, made %v", name, err, r.List())
		}
	}
}

// Each row is one change of a load balancer that can be adopted; want is "" if it still can.
func TestFind(t *testing.T) {
	type things = fakeaws.Existing
	subnets := func(ids ...any) func(*Listener, things) {
		return func(_ *Listener, e things) { e[testkit.BalancerArn]["subnets"] = ids }
	}
	for _, test := range []struct {
		name   string
		change func(*Listener, things)
		want   string
	}{
		{"nothing", func(*Listener, things) {}, ""},
		{"settings that are refused", func(l *Listener, _ things) { l.Arn = "shop" }, `listener.arn: "shop" is not allowed`},
		{"another account", func(l *Listener, _ things) { l.Arn = strings.ReplaceAll(l.Arn, "123456789012", "210987654321") },
			`listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2" is not allowed: a listener in account 123456789012, as VPC link, API and load balancer must be in the same account`},
		{"not there", func(_ *Listener, e things) { delete(e, testkit.ListenerArn) }, `is not allowed: a listener that exists and can be read (`},
		{"load balancer that may not be read", func(_ *Listener, e things) { delete(e, testkit.BalancerArn) }, "reading load balancer " + testkit.BalancerArn},
		{"subnet that may not be read", func(_ *Listener, e things) { delete(e, "subnet-b") }, "reading subnet subnet-b of load balancer shop"},
		{"on the internet", func(_ *Listener, e things) { e[testkit.BalancerArn]["internal"] = false }, "a listener of an internal load balancer; shop faces the internet"},
		{"no group", func(_ *Listener, e things) { e[testkit.BalancerArn]["securityGroups"] = []any{} }, "a load balancer with a security group, to let the VPC link in; shop has none"},
		{"one zone", subnets("subnet-a"), "a load balancer in two zones or more that have VPC links; shop is in us-west-2a, and 1 of them have VPC links"},
		{"one zone twice", func(_ *Listener, e things) {
			e["subnet-b"]["availabilityZoneId"], e["subnet-b"]["availabilityZone"] = "usw2-az1", "us-west-2a"
			subnets("subnet-a", "subnet-b")(nil, e)
		}, "shop is in us-west-2a, us-west-2a, and 1 of them have VPC links"},
		{"two zones of three with VPC links", func(_ *Listener, e things) { e["subnet-b"]["availabilityZoneId"] = "usw2-lax1-az1" }, ""},
		{"one zone of three with VPC links", func(_ *Listener, e things) {
			e["subnet-a"]["availabilityZoneId"], e["subnet-b"]["availabilityZoneId"] = "usw2-lax1-az1", "usw2-den1-az1"
		}, "shop is in us-west-2a, us-west-2b, us-west-2c, and 1 of them have VPC links"},
		{"HTTPS", func(l *Listener, e things) {
			l.ServerName, e[testkit.ListenerArn]["protocol"] = "shop.example.com", "HTTPS"
		}, ""},
		{"HTTPS without a name", func(_ *Listener, e things) { e[testkit.ListenerArn]["protocol"] = "HTTPS" }, "listener.serverName: is missing: the name in the listener's certificate"},
		{"HTTP with a name", func(l *Listener, _ things) { l.ServerName = "shop.example.com" }, `listener.serverName: "shop.example.com" is not allowed: nothing, as the listener's protocol is HTTP`},
		{"client certificates", func(l *Listener, e things) {
			e[testkit.ListenerArn]["mutualAuthentications"] = []any{map[string]any{"mode": "verify"}}
		}, "a listener that asks for no client certificate"},
		{"idle timeout of services that are there", func(_ *Listener, e things) { e[testkit.BalancerArn]["idleTimeout"] = 600 }, ""},
		{"idle timeout of services that go behind", func(l *Listener, e things) { l.Paths, e[testkit.BalancerArn]["idleTimeout"] = nil, 61 },
			"a listener of a load balancer with an idle timeout of at most 60 seconds, as the services keep connections open for little longer; shop has 61"},
		{"client certificates passed on", func(l *Listener, e things) {
			e[testkit.ListenerArn]["mutualAuthentications"] = []any{map[string]any{"mode": "passthrough"}}
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, l := existing(), shop()
			test.change(l, *r.Account.Existing)
			err := adopt(r, l)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				var want []any
				for _, id := range []string{"subnet-a", "subnet-b", "subnet-c"} {
					if strings.Count((*r.Account.Existing)[id]["availabilityZoneId"].(string), "-") == 1 {
						want = append(want, id)
					}
				}
				if got := r.Get(t, "apigatewayv2.VpcLink producer").Input("subnetIds"); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("the VPC link is in %v, want %v", got, want)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the message has no %q: %v", test.want, err)
			}
			if made := r.List(); len(made) > 1 {
				t.Errorf("made %v", made)
			}
		})
	}
}

// Everything that is wrong with a load balancer comes at once.
func TestFindSaysAllAtOnce(t *testing.T) {
	r, l := existing(), shop()
	(*r.Account.Existing)[testkit.ListenerArn]["protocol"] = "HTTPS"
	maps.Copy((*r.Account.Existing)[testkit.BalancerArn], map[string]any{"internal": false, "securityGroups": []any{}, "subnets": []any{"subnet-c"}})
	err := adopt(r, l)
	for _, want := range []string{"faces the internet", "shop has none", "in two zones or more", "listener.serverName: is missing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the message has no %q: %v", want, err)
		}
	}
}

// Each row is one change of valid settings; want is "" if they stay valid.
func TestListenerSettings(t *testing.T) {
	const arnForm = "is not allowed: the ARN of a listener of an Application Load Balancer"
	arn := func(from, to string) func(*Listener) {
		return func(l *Listener) { l.Arn = strings.Replace(l.Arn, from, to, 1) }
	}
	name := func(name string) func(*Listener) { return func(l *Listener) { l.ServerName = name } }
	path := func(name, path string) func(*Listener) {
		return func(l *Listener) { l.Paths = map[string]string{name: path} }
	}
	for _, test := range []struct {
		name   string
		change func(*Listener)
		want   string
	}{
		{"valid", func(*Listener) {}, ""},
		{"off", func(l *Listener) { *l = Listener{AllowLink: true} }, ""},
		{"load balancer", arn(testkit.ListenerArn, testkit.BalancerArn), arnForm},
		{"Network Load Balancer", arn("listener/app/", "listener/net/"), arnForm},
		{"Gateway Load Balancer", arn("listener/app/", "listener/gwy/"), arnForm},
		{"rule", arn("listener/app/", "listener-rule/app/"), arnForm},
		{"no ARN", arn("arn:", ""), arnForm},
		{"another service", arn("elasticloadbalancing", "ecs"), arnForm},
		{"no account", arn("123456789012", ""), arnForm},
		{"another region", arn("us-west-2", "us-east-1"), "is not allowed: a listener in us-west-2, the region of the stack"},
		{"another partition", arn("arn:aws:elasticloadbalancing:us-west-2", "arn:aws-cn:elasticloadbalancing:cn-north-1"), "is not allowed: a listener in us-west-2"},
		{"paths without an ARN", func(l *Listener) { l.Arn = "" }, "listener.arn: is missing: the ARN of a listener, as another field of listener is set"},
		{"name without an ARN", func(l *Listener) { *l = Listener{ServerName: "shop.example.com", AllowLink: true} }, "listener.arn: is missing"},
		{"no rule without an ARN", func(l *Listener) { *l = Listener{} }, "listener.arn: is missing"},
		{"no paths", func(l *Listener) { l.Paths = nil }, ""},
		{"server name", name("shop.internal.example.com"), ""},
		{"longest label", name(strings.Repeat("a", 63) + ".example.com"), ""},
		{"long label", name(strings.Repeat("a", 64) + ".example.com"), "listener.serverName: "},
		{"long name", name(strings.Repeat("a.", 123) + "a.example"), "listener.serverName: "},
		{"wildcard", name("*.example.com"), `listener.serverName: "*.example.com" is not allowed: a host name such as orders.example.com, without a wildcard`},
		{"one label", name("localhost"), `listener.serverName: "localhost" is not allowed`},
		{"URL", name("https://shop.example.com"), `listener.serverName: "https://shop.example.com" is not allowed`},
		{"port", name("shop.example.com:443"), "listener.serverName: "},
		{"address", name("10.0.0.1"), "listener.serverName: "},
		{"hyphen at the end", name("shop-.example.com"), "listener.serverName: "},
		{"path of two parts", path("orders", "/api/orders"), ""},
		{"paths within each other", func(l *Listener) { l.Paths = map[string]string{"a": "/a", "b": "/a/b"} }, ""},
		{"no path", path("orders", ""), `listener.paths.orders: "" is not allowed: a path such as /orders`},
		{"root", path("orders", "/"), `listener.paths.orders: "/" is not allowed`},
		{"slash at the end", path("orders", "/orders/"), `listener.paths.orders: "/orders/" is not allowed`},
		{"wildcard in a path", path("orders", "/orders/*"), `listener.paths.orders: "/orders/*" is not allowed`},
		{"no slash", path("orders", "orders"), `listener.paths.orders: "orders" is not allowed`},
		{"query", path("orders", "/orders?a=b"), `listener.paths.orders: "/orders?a=b" is not allowed`},
		{"capitals", path("Orders", "/orders"), `listener.paths: "Orders" is not allowed: names of lower-case letters`},
		{"no name", path("", "/orders"), `listener.paths: "" is not allowed`},
	} {
		l := shop()
		test.change(l)
		err := l.Validate("us-west-2").Err()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	l := &Listener{}
	if setting.Defaults(l); !l.AllowLink {
		t.Error("by default nobody lets the link in")
	}
}

// Priorities of rules of others are refused, and priorities behind rules that take the path first. The stack's own rules are
// not, nor those that no service wants.
func TestCheckBalancer(t *testing.T) {
	var asked []string
	var rules, pages int           // how many there are, and how often the list was asked for
	conditions := map[int]string{} // of the rule with that number
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		var b strings.Builder
		if r.PostForm.Get("Action") == "DescribeRules" {
			first, _ := strconv.Atoi(r.PostForm.Get("Marker"))
			pages++
			fmt.Fprint(&b, `<DescribeRulesResponse><DescribeRulesResult><Rules><member><RuleArn>default</RuleArn><Priority>default</Priority></member>`)
			for i := first; i < min(first+10, rules); i++ {
				fmt.Fprintf(&b, `<member><RuleArn>rule-%d</RuleArn><Priority>%d</Priority><Conditions>%s</Conditions></member>`, i+1, i+1, conditions[i+1])
			}
			fmt.Fprint(&b, `</Rules>`)
			if first+10 < rules {
				fmt.Fprintf(&b, `<NextMarker>%d</NextMarker>`, first+10)
			}
			fmt.Fprint(&b, `</DescribeRulesResult></DescribeRulesResponse>`)
		} else {
			fmt.Fprint(&b, `<DescribeTagsResponse><DescribeTagsResult><TagDescriptions>`)
			count := 0
			for i := 1; r.PostForm.Has(fmt.Sprintf("ResourceArns.member.%d", i)); i++ {
				arn := r.PostForm.Get(fmt.Sprintf("ResourceArns.member.%d", i))
				asked, count = append(asked, arn), count+1
				tags := map[string]string{"rule-1": "dev", "rule-2": "prod"}
				fmt.Fprintf(&b, `<member><ResourceArn>%s</ResourceArn><Tags><member><Key>Project</Key><Value>private-api</Value></member><member><Key>Stack</Key><Value>%s</Value></member></Tags></member>`, arn, tags[arn])
			}
			if count > 20 {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			fmt.Fprint(&b, `</TagDescriptions></DescribeTagsResult></DescribeTagsResponse>`)
		}
		fmt.Fprint(w, b.String())
	}))
	defer api.Close()
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIAOWN", "AWS_SECRET_ACCESS_KEY": "test", "AWS_PROFILE": ""} {
		t.Setenv(name, value)
	}
	balancer := &Balancer{Arn: testkit.BalancerArn, ListenerArn: testkit.ListenerArn, Port: 80, GroupID: "sg-1", VpcID: "vpc-1", SubnetIDs: []string{"a", "b"}}
	args := &Args{Region: "us-west-2", Endpoint: api.URL, Network: Network{VpcID: "vpc-1"}, Balancer: balancer}
	check := func(there int, priorities ...int) string {
		t.Helper()
		asked, rules, pages, args.Services = nil, there, 0, nil
		for _, p := range priorities {
			args.Services = append(args.Services, Service{Name: fmt.Sprintf("s%d", p), Path: fmt.Sprintf("/api/s%d", p), Priority: p})
		}
		problems, err := args.CheckBalancer(t.Context(), "private-api", "dev")
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(problems.Err())
	}
	if got := check(12, 1, 100); got != "<nil>" || !slices.Equal(asked, []string{"rule-1"}) || pages != 2 {
		t.Errorf("the stack's own rule: %s, asked %v on %d pages", got, asked, pages)
	}
	if got, want := check(12, 1, 2, 11), `services.s11.priority: 11 is not allowed: a priority that no rule of the listener has; rule-11 has it
services.s2.priority: 2 is not allowed: a priority that no rule of the listener has; rule-2 has it`; got != want {
		t.Errorf("rules of others: %s", got)
	}
	var many []int
	for i := range 45 {
		many = append(many, i+1)
	}
	if check(50, many...); len(asked) != 45 {
		t.Errorf("asked for the tags of %d rules", len(asked))
	}
	if got := check(0, 1); got != "<nil>" || asked != nil {
		t.Errorf("no rules: %s, asked %v", got, asked)
	}
	paths := func(patterns ...string) string {
		return "<member><Field>path-pattern</Field><PathPatternConfig><Values><member>" + strings.Join(patterns, "</member><member>") + "</member></Values></PathPatternConfig></member>"
	}
	const host = "<member><Field>host-header</Field><HostHeaderConfig><Values><member>shop.example.com</member></Values></HostHeaderConfig></member>"
	for _, test := range []struct {
		conditions string
		takes      string // the pattern
	}{
		{paths("/api/s100*"), "/api/s100*"}, {paths("/api/*"), "/api/*"}, {paths("/orders", "*"), "*"}, {paths("/api/s1*"), "/api/s1*"},
		{paths("/api/s100"), ""}, {paths("/api/s100/*"), ""}, {paths("/API/*"), ""}, {paths("/*/books*"), ""}, {paths("/orders*"), ""}, {paths("/*") + host, ""}, {host, ""},
	} {
		conditions[2] = test.conditions
		want := "<nil>"
		if test.takes != "" {
			want = "services.s100.priority: 100 is not allowed: less than 2, as the rule of that priority takes all requests for /api/s100 (" + test.takes + "); or another path"
		}
		if got := check(2, 100); got != want {
			t.Errorf("a rule with %s: %s, want %s", test.conditions, got, want)
		}
		conditions[1], conditions[2] = test.conditions, ""
		if got := check(2, 100); got != "<nil>" {
			t.Errorf("the stack's own rule with %s: %s", test.conditions, got)
		}
		conditions[1], conditions[30] = "", test.conditions
		if got := check(30, 29); !strings.Contains(got, "rule-29 has it") || strings.Contains(got, "takes") {
			t.Errorf("a later rule with %s: %s", test.conditions, got)
		}
	}
	args.Network.VpcID = "vpc-2"
	if got, want := check(0, 1), `network.vpcId: "vpc-2" is not allowed: vpc-1, the VPC of the load balancer`; got != want {
		t.Errorf("another VPC: %s", got)
	}
}
