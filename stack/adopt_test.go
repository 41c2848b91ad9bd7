package stack

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"private-api/internal/fakeaws"
	"private-api/internal/testkit"
)

// listenerSetting is the setting listener for the load balancer that testkit has; more is JSON of more fields.
func listenerSetting(more string) string {
	return `{"arn":"` + testkit.ListenerArn + `","paths":{"orders":"/orders","carts":"/shop/carts"}` + more + `}`
}

// adopt runs the program in an account that has a load balancer, which change changes.
func adopt(settings map[string]string, change func(fakeaws.Existing)) (*testkit.Recorder, error) {
	account := fakeaws.Default
	account.Existing = testkit.Existing()
	if change != nil {
		change(*account.Existing)
	}
	r := &testkit.Recorder{Account: account}
	p := Program{Root: "/nowhere", DockerEngine: func(string) error { return errors.New("no engine") }} // none is needed
	all := map[string]string{"listener": listenerSetting("")}
	maps.Copy(all, settings)
	return r, deployOn(r, p, all)
}

func https(e fakeaws.Existing) { e[testkit.ListenerArn]["protocol"] = "HTTPS" }

var (
	adoptedAPI = []string{"apigatewayv2.Api consumer", "apigatewayv2.Integration consumer", "apigatewayv2.Route consumer", "apigatewayv2.Stage consumer", "cloudwatch.LogGroup consumer"}
	adopted    = slices.Concat(adoptedAPI, []string{
		"apigatewayv2.VpcLink producer", "consumer.Consumer consumer", "ec2.SecurityGroup producer-link", "producer.Producer producer", "providers.aws aws",
		"vpc.SecurityGroupEgressRule producer-link-to-producer-alb", "vpc.SecurityGroupIngressRule producer-link-to-producer-alb",
	})
)

// All that is made for a load balancer that is adopted, and the outputs: no image, no task, no VPC.
func TestAdopt(t *testing.T) {
	r, err := adopt(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "resources", r.List(), adopted)
	same(t, "outputs", slices.Sorted(maps.Keys(r.Exports)), []string{"apiEndpoint", "estimatedMonthlyCost", "linkSecurityGroupId", "serviceUrls"})
	endpoint := r.Exports["apiEndpoint"].(string)
	if got, want := r.Exports["serviceUrls"].(map[string]string), map[string]string{"orders": endpoint + "/orders", "carts": endpoint + "/shop/carts"}; !maps.Equal(got, want) {
		t.Errorf("URLs %v, want %v", got, want)
	}
	if got := r.Exports["linkSecurityGroupId"]; got != r.Get(t, "ec2.SecurityGroup producer-link").ID {
		t.Errorf("the group of the link is %v", got)
	}
	integration := r.Get(t, "apigatewayv2.Integration consumer")
	if uri, link, tls := integration.Input("integrationUri"), integration.Input("connectionId"), integration.Input("tlsConfig"); uri != testkit.ListenerArn || link != r.Get(t, "apigatewayv2.VpcLink producer").ID || tls != nil {
		t.Errorf("the integration calls %v through %v with TLS %v", uri, link, tls)
	}
	var provider string
	for _, made := range r.Resources {
		if made.Type == "pulumi:providers:aws" {
			provider = made.URN
		}
	}
	for _, invoke := range r.Invokes {
		if token, used, _ := strings.Cut(invoke, " "); !strings.HasPrefix(used, provider) {
			t.Errorf("lookup %s: provider %q", token, used)
		}
	}
}

// Each field, another value, and exactly what follows it.
func TestListenerSettings(t *testing.T) {
	const other = "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/shop/50dc6c495c0c9188/0123456789abcdef"
	for _, test := range []struct {
		name, value    string
		account        func(fakeaws.Existing) // of both
		before         string                 // "": listenerSetting("")
		changed        []string
		added, removed []string
	}{
		{name: "another path", value: listenerSetting(`,"paths":{"orders":"/orders/v2"}`)}, // the last one of a name counts
		{name: "somebody else's rule", value: listenerSetting(`,"allowLink":false`), removed: []string{"vpc.SecurityGroupIngressRule producer-link-to-producer-alb"}},
		{name: "another name", value: listenerSetting(`,"serverName":"b.example.com"`), before: listenerSetting(`,"serverName":"a.example.com"`), account: https,
			changed: []string{"apigatewayv2.Integration consumer tlsConfig"}},
		{name: "another listener", value: strings.Replace(listenerSetting(`,"serverName":"a.example.com"`), testkit.ListenerArn, other, 1), account: func(e fakeaws.Existing) {
			e[other] = maps.Clone(e[testkit.ListenerArn])
			e[other]["protocol"], e[other]["port"] = "HTTPS", 8443
		}, changed: []string{
			"apigatewayv2.Integration consumer integrationUri", "apigatewayv2.Integration consumer tlsConfig",
			"vpc.SecurityGroupEgressRule producer-link-to-producer-alb fromPort", "vpc.SecurityGroupEgressRule producer-link-to-producer-alb toPort",
			"vpc.SecurityGroupIngressRule producer-link-to-producer-alb fromPort", "vpc.SecurityGroupIngressRule producer-link-to-producer-alb toPort",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			first := map[string]string{}
			if test.before != "" {
				first["listener"] = test.before
			}
			before, err := adopt(first, test.account)
			if err != nil {
				t.Fatal(err)
			}
			after, err := adopt(map[string]string{"listener": test.value}, test.account)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "changed", changes(t, before, after), test.changed)
			gone := func(a, b []string) []string {
				return slices.DeleteFunc(a, func(line string) bool { return slices.Contains(b, line) })
			}
			same(t, "added", gone(after.List(), before.List()), test.added)
			same(t, "removed", gone(before.List(), after.List()), test.removed)
			if _, there := after.Exports["serviceUrls"].(map[string]string)["carts"]; there != !strings.Contains(test.value, "v2") {
				t.Errorf("the URLs are %v", after.Exports["serviceUrls"])
			}
		})
	}
}

// The schema's defaults, as the CLI hands them over, count as set by nobody: they neither contradict the load balancer, nor
// ask for a bastion. Somebody can.
func TestDefaultsAreSetByNobody(t *testing.T) {
	defaults := map[string]string{}
	for key, d := range readProject(t).Config {
		if d.Value != nil {
			defaults[key] = text(t, d.Value)
		} else if key != "listener" {
			defaults[key] = text(t, d.Default)
		}
	}
	r, err := adopt(defaults, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "resources", r.List(), adopted)
	for value, want := range map[string]int{"true": 1, "false": 0} {
		r, err := adopt(map[string]string{"bastion": value, "availabilityZones": `["us-west-2b","us-west-2c"]`}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(r.All("ec2.Instance")); got != want {
			t.Errorf("bastion=%s: %d instances", value, got)
		}
		for _, subnet := range r.All("ec2.Subnet") {
			if zone := subnet.Input("availabilityZone"); zone != "us-west-2b" && zone != "us-west-2c" {
				t.Errorf("%s is in %v", subnet, zone)
			}
		}
	}
}

// The files of dev and prod stay as they are when a stack adopts a load balancer.
func TestSettingsOfServicesHaveNoEffect(t *testing.T) {
	r, err := adopt(map[string]string{"egress": "nat-per-zone", "spot": "true", "cpu": "512", "memory": "1024", "desiredCount": "3", "deletionProtection": "true", "containerInsights": "false", "drainSeconds": "25"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "resources", r.List(), adopted)
}

// What is refused, all at once, before anything is made.
func TestAdoptRefusals(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings map[string]string
		account  func(fakeaws.Existing)
		want     []string
	}{
		{name: "settings", settings: map[string]string{
			"listener": `{"arn":"shop","paths":{"Orders":"orders"},"serverName":"*"}`, "publicHealth": "true", "services": `{"book":{"cpu":512}}`, "producerVpcCidr": "10.4.0.0/16", "ssh": `{"keyName":"me","cidrs":["203.0.113.0/24"]}`,
		}, want: []string{
			`private-api:listener.arn: "shop" is not allowed: the ARN of a listener of an Application Load Balancer`, `private-api:listener.paths: "Orders" is not allowed: `,
			`private-api:listener.paths.Orders: "orders" is not allowed: a path such as /orders`, `private-api:listener.serverName: "*" is not allowed: a host name`,
			`private-api:services.book.cpu: 512 is not allowed: leave it out with listener.paths`, `private-api:producerVpcCidr: "10.4.0.0/16" is not allowed: leave it out with listener.paths`,
			`private-api:publicHealth: true is not allowed: leave it out with listener.paths`,
			`private-api:bastion: false is not allowed: true, as ssh.keyName or ssh.cidrs is set`, "nothing was changed",
		}},
		{name: "neither paths nor a network", settings: map[string]string{"listener": `{"arn":"` + testkit.ListenerArn + `"}`}, want: []string{
			"private-api:network: is missing: the VPC of the load balancer and private subnets of it, as services go behind that load balancer; or listener.paths, if they are there already",
		}},
		{name: "malformed paths", settings: map[string]string{"listener": `{"arn":"` + testkit.ListenerArn + `","paths":["/orders"]}`}, want: []string{`listener.paths: ["/orders"] is not allowed: an object`}},
		{name: "another region", settings: map[string]string{"aws:region": "eu-west-1"}, want: []string{"private-api:listener.arn: ", "is not allowed: a listener in eu-west-1, the region of the stack"}},
		{name: "what AWS says, with the zones", settings: map[string]string{"bastion": "true", "availabilityZones": `["us-west-2a","us-west-2x"]`},
			account: func(e fakeaws.Existing) {
				https(e)
				e[testkit.BalancerArn]["internal"], e[testkit.BalancerArn]["subnets"] = false, []any{"subnet-a"}
			},
			want: []string{`private-api:availabilityZones: "us-west-2x" is not allowed`, "private-api:listener.serverName: is missing", "shop faces the internet", "shop is in us-west-2a", "nothing was changed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := adopt(test.settings, test.account)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the message has no %q:\n%v", want, err)
				}
			}
			for _, made := range r.Resources {
				if !strings.HasPrefix(made.Type, "pulumi:") {
					t.Errorf("%s was made", made)
				}
			}
		})
	}
}

// behind is the setting listener without paths; more is JSON of more fields.
func behind(more string) map[string]string {
	return existing(map[string]string{"listener": `{"arn":"` + testkit.ListenerArn + `"` + more + `}`})
}

// goBehind runs the program in an account whose load balancer, which change changes, is in the network that exists. Its
// listener has one rule of somebody else, with that priority, for /b*.
func goBehind(t *testing.T, settings map[string]string, priority int, change func(fakeaws.Existing)) (*testkit.Recorder, error) {
	t.Helper()
	account := fakeaws.Default
	account.Existing = testkit.Existing()
	(*account.Existing)[testkit.BalancerArn]["vpcId"] = fakeaws.ExistingVpc
	if change != nil {
		change(*account.Existing)
	}
	return deployWhere(t, &testkit.Recorder{Account: account}, func(w http.ResponseWriter, r *http.Request) {
		switch r.FormValue("Action") {
		case "DescribeRules":
			fmt.Fprintf(w, `<DescribeRulesResponse><DescribeRulesResult><Rules><member><RuleArn>theirs</RuleArn><Priority>%d</Priority><Conditions><member>
				<Field>path-pattern</Field><PathPatternConfig><Values><member>/b*</member></Values></PathPatternConfig></member></Conditions></member></Rules></DescribeRulesResult></DescribeRulesResponse>`, priority)
		case "DescribeTags":
			fmt.Fprint(w, `<DescribeTagsResponse><DescribeTagsResult><TagDescriptions><member><ResourceArn>theirs</ResourceArn></member></TagDescriptions></DescribeTagsResult></DescribeTagsResponse>`)
		default:
			fakeaws.EC2(w, r)
		}
	}, settings)
}

// All that a stack in that network has, less the load balancer, and the outputs of both.
func TestBehind(t *testing.T) {
	with, err := deployInNetwork(t, existing(nil))
	if err != nil {
		t.Fatal(err)
	}
	more := map[string]string{"domain": `{"name":"api.example.com","zone":"example.com"}`, "accessLogs": "true"}
	for name, test := range map[string]struct {
		settings map[string]string
		account  func(fakeaws.Existing)
		tls      any // what the API verifies
	}{
		"HTTP":                   {behind(""), nil, nil},
		"HTTPS":                  {behind(`,"serverName":"shop.example.com"`), https, "shop.example.com"},
		"HTTP, domain and logs":  {behind(""), nil, nil},
		"HTTPS, domain and logs": {behind(`,"serverName":"shop.example.com"`), https, "shop.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			want := slices.DeleteFunc(with.List(), func(line string) bool {
				return slices.Contains([]string{"lb.LoadBalancer producer", "lb.Listener producer", "ec2.SecurityGroup producer-alb"}, line)
			})
			if strings.Contains(name, "domain") {
				maps.Copy(test.settings, more)
				want = slices.Concat(want, []string{
					"acm.Certificate domain", "acm.CertificateValidation domain", "apigatewayv2.ApiMapping consumer", "apigatewayv2.DomainName consumer",
					"route53.Record consumer-ipv4", "route53.Record consumer-ipv6", "route53.Record domain-validation", "stack.Domain domain",
				})
			}
			r, err := goBehind(t, test.settings, 30, test.account)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "resources", r.List(), slices.Sorted(slices.Values(want)))
			same(t, "outputs", slices.Sorted(maps.Keys(r.Exports)), []string{"apiEndpoint", "clusterName", "estimatedMonthlyCost", "imageDigests", "linkSecurityGroupId", "serviceNames", "serviceUrls"})
			integration := r.Get(t, "apigatewayv2.Integration consumer")
			if uri, name := integration.Input("integrationUri"), integration.Input("tlsConfig.serverNameToVerify"); uri != testkit.ListenerArn || name != test.tls {
				t.Errorf("the integration calls %v and verifies %v", uri, name)
			}
			if got := r.Get(t, "apigatewayv2.VpcLink producer").Input("subnetIds"); fmt.Sprint(got) != "[subnet-a subnet-b subnet-c]" {
				t.Errorf("the VPC link is in %v", got)
			}
		})
	}
}

func TestBehindRefusals(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings map[string]string
		priority int // of the rule of somebody else
		account  func(fakeaws.Existing)
		want     []string
	}{
		{name: "all that AWS says, with the network", settings: func() map[string]string {
			s := behind("")
			s["network"] = strings.Replace(s["network"], fakeaws.ExistingSubnets[1].ID, "subnet-00000009", 1)
			return s
		}(), priority: 20, account: func(e fakeaws.Existing) {
			https(e)
			e[testkit.BalancerArn]["vpcId"], e[testkit.BalancerArn]["idleTimeout"], e[testkit.BalancerArn]["internal"] = "vpc-00000002", 4000, false
		}, want: []string{
			`network.vpcId: "vpc-00000001" is not allowed: vpc-00000002, the VPC of the load balancer`, "an idle timeout of at most 60 seconds", "shop faces the internet",
			"listener.serverName: is missing", "services.beta.priority: 20 is not allowed: a priority", `network.privateSubnetIds: "subnet-00000009" is not allowed`,
		}},
		{name: "taken priority", settings: behind(""), priority: 10, want: []string{
			"services.alpha.priority: 10 is not allowed: a priority that no rule of the listener has; theirs has it",
			"services.beta.priority: 20 is not allowed: less than 10, as the rule of that priority takes all requests for /beta (/b*)",
		}},
		{name: "no security group", settings: behind(""), priority: 30, account: func(e fakeaws.Existing) { e[testkit.BalancerArn]["securityGroups"] = []any{} },
			want: []string{"a load balancer with a security group, to let the VPC link in; shop has none"}},
		{name: "another zone", settings: behind(""), priority: 30, account: func(e fakeaws.Existing) { e[testkit.BalancerArn]["subnets"] = []any{"subnet-a", "subnet-c"} },
			want: []string{`network.privateSubnetIds: "subnet-00000002" is not allowed: a subnet in a zone of the load balancer, which sends requests to no other: us-west-2a, us-west-2c; it is in us-west-2b`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := goBehind(t, test.settings, test.priority, test.account)
			if err == nil {
				t.Fatal("accepted")
			}
			if lines := strings.Count(err.Error(), "is not allowed") + strings.Count(err.Error(), "is missing"); lines != len(test.want) {
				t.Errorf("%d problems, want %d:\n%v", lines, len(test.want), err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the message has no %q:\n%v", want, err)
				}
			}
			same(t, "made", r.List(), []string{"providers.aws aws"})
		})
	}
}

// A stack of its own asks for no load balancer.
func TestNothingIsLookedUpWithoutAListener(t *testing.T) {
	for _, invoke := range deploy(t, nil).Invokes {
		if strings.HasPrefix(invoke, "aws:lb/") {
			t.Errorf("asked %s", invoke)
		}
	}
}
