package stack

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"private-api/internal/testkit"
	"private-api/producer"
)

// graph is what a run of the program made. Resources name each other by id, ARN or name.
type graph struct{ *testkit.Recorder }

// find returns the resource of a type that a reference names.
func (g graph) find(kind string, reference any) *testkit.Resource {
	for _, made := range g.All(kind) {
		if made.ID == reference || made.Outputs["arn"].V == reference {
			return made
		}
	}
	return &testkit.Resource{}
}

// naming returns the resources of a type, of which an input names this one, or has this text.
func (g graph) naming(kind, input string, reference any) (all []*testkit.Resource) {
	for _, made := range g.All(kind) {
		if slices.Contains(texts(made.Input(input)), fmt.Sprint(reference)) {
			all = append(all, made)
		}
	}
	return all
}

// port returns the one by which security groups let others out to some, or to all of the internet; "" if they do not.
func (g graph) port(from, to any) string {
	for _, rule := range g.All("vpc.SecurityGroupEgressRule") {
		peer := cmp.Or(rule.Input("referencedSecurityGroupId"), rule.Input("cidrIpv4"))
		if slices.Contains(texts(from), fmt.Sprint(rule.Input("securityGroupId"))) && slices.Contains(texts(to), fmt.Sprint(peer)) {
			return fmt.Sprint(":", rule.Input("toPort"))
		}
	}
	return ""
}

// texts are one or several.
func texts(value any) (all []string) {
	list, several := value.([]any)
	if !several {
		return []string{fmt.Sprint(value)}
	}
	for _, element := range list {
		all = append(all, fmt.Sprint(element))
	}
	return all
}

var numbers = []string{"no zone", "one zone", "two zones", "three zones", "four zones", "five zones", "six zones"}

// network names the VPC of subnets, and says what they have in common.
func (g graph) network(subnets []string) string {
	vpc, zones, kind := "", map[any]bool{}, "private"
	for _, id := range subnets {
		subnet := g.find("ec2.Subnet", id)
		vpc, zones[subnet.Input("availabilityZone")] = g.find("ec2.Vpc", subnet.Input("vpcId")).Name, true
		for _, association := range g.naming("ec2.RouteTableAssociation", "subnetId", id) {
			for _, route := range g.naming("ec2.Route", "routeTableId", association.Input("routeTableId")) {
				if route.Input("gatewayId") != nil {
					kind = "public"
				}
			}
		}
	}
	return fmt.Sprintf("%s VPC, %s subnets, %s", vpc, kind, numbers[len(zones)])
}

// picture draws the way of a request in Mermaid, with what resources say of each other and nothing else.
func picture(r *testkit.Recorder) string {
	g, lines := graph{r}, []string(nil)
	draw := func(format string, args ...any) { lines = append(lines, "  "+fmt.Sprintf(format, args...)) }
	api := r.All("apigatewayv2.Api")[0]
	integration := g.naming("apigatewayv2.Integration", "apiId", api.ID)[0]
	link, listener := g.find("apigatewayv2.VpcLink", integration.Input("connectionId")), g.find("lb.Listener", integration.Input("integrationUri"))
	balancer := g.find("lb.LoadBalancer", listener.Input("loadBalancerArn"))

	draw("caller([caller]) -- HTTPS --> api")
	draw("subgraph %s", api.Name)
	routes := []string{"HTTP API"}
	for _, route := range g.naming("apigatewayv2.Route", "apiId", api.ID) {
		routes = append(routes, route.Input("routeKey").(string))
	}
	slices.Sort(routes[1:])
	draw(`  api["%s"]`, strings.Join(routes, "<br/>"))
	names := []string{api.Outputs["apiEndpoint"].StringValue()}
	for _, mapping := range g.naming("apigatewayv2.ApiMapping", "apiId", api.ID) {
		names = append(names, "https://"+mapping.Input("domainName").(string))
	}
	calls := false // the bastion, the API
	for _, instance := range r.All("ec2.Instance") {
		groups, ways := instance.Input("vpcSecurityGroupIds"), []string(nil)
		profile := g.find("iam.InstanceProfile", instance.Input("iamInstanceProfile"))
		for _, attached := range g.naming("iam.RolePolicyAttachment", "role", profile.Input("role")) {
			if strings.HasSuffix(attached.Input("policyArn").(string), "/AmazonSSMManagedInstanceCore") {
				ways = append(ways, "Session Manager")
			}
		}
		if len(g.naming("vpc.SecurityGroupIngressRule", "securityGroupId", texts(groups)[0])) > 0 {
			ways = append(ways, "SSH")
		}
		draw(`  bastion["bastion<br/>(%s)"]`, strings.Join(ways, ", "))
		calls = g.port(groups, "0.0.0.0/0") == ":443" && slices.ContainsFunc(names, func(name string) bool {
			return strings.Contains(instance.Input("userData").(string), name)
		})
	}
	draw("end")
	if calls {
		draw("bastion -- HTTPS --> api")
	}

	draw(`subgraph %s["%s"]`, balancer.Name, g.network(texts(link.Input("subnetIds"))))
	reach := map[any]string{true: "internal", false: "public"}[balancer.Input("internal")]
	draw(`  link["VPC link"] -- "%s" --> alb["%s load balancer"]`, g.port(link.Input("securityGroupIds"), balancer.Input("securityGroups")), reach)
	rules := g.naming("lb.ListenerRule", "listenerArn", listener.ID)
	slices.SortFunc(rules, func(a, b *testkit.Resource) int {
		return cmp.Compare(a.Input("priority").(float64), b.Input("priority").(float64))
	})
	var services []*testkit.Resource
	for _, rule := range rules {
		for _, service := range g.naming("ecs.Service", "loadBalancers.0.targetGroupArn", rule.Input("actions.0.targetGroupArn")) {
			path := strings.Join(texts(rule.Input("conditions.0.pathPattern.values")), " ")
			draw(`  alb -- "%s" --> %s["%[2]s tasks %s"]`, path, container(service), g.port(balancer.Input("securityGroups"), service.Input(taskGroups)))
			services = append(services, service)
		}
	}
	for _, caller := range services {
		for _, callee := range services {
			if port := g.port(caller.Input(taskGroups), callee.Input(taskGroups)); port != "" {
				draw(`  %s -- "%s" --> %s`, container(caller), port, container(callee))
			}
		}
	}
	if listener.Input("defaultActions.0.type") == "fixed-response" {
		draw(`  alb -- "anything else" --> nothing["%s"]`, listener.Input("defaultActions.0.fixedResponse.statusCode"))
	}
	draw("end")
	draw(`api -- "%s" --> link`, integration.Input("integrationType"))
	if pulled := g.containing(services, "ecr.Repository", "repositoryUrl"); pulled != "" {
		draw("images[(ECR)] -.-> %s", pulled)
	}
	if logged := g.containing(services, "cloudwatch.LogGroup", "name"); logged != "" {
		draw("%s -.-> logs[(CloudWatch Logs)]", logged)
	}
	return "flowchart LR\n" + strings.Join(lines, "\n") + "\n"
}

// taskGroups is the input of an ECS service that has the security groups of its tasks.
const taskGroups = "networkConfiguration.securityGroups"

func container(service *testkit.Resource) any { return service.Input("loadBalancers.0.containerName") }

// containing returns the services whose containers name a resource of a type by an output.
func (g graph) containing(services []*testkit.Resource, kind, output string) string {
	var names []string
	for _, service := range services {
		containers := g.find("ecs.TaskDefinition", service.Input("taskDefinition")).Input("containerDefinitions").(string)
		if slices.ContainsFunc(g.All(kind), func(made *testkit.Resource) bool {
			return regexp.MustCompile(`"` + regexp.QuoteMeta(made.Outputs[resource.PropertyKey(output)].StringValue()) + `["@]`).MatchString(containers)
		}) {
			names = append(names, fmt.Sprint(container(service)))
		}
	}
	return strings.Join(names, " & ")
}

// The picture follows the program: what is added to that is added to this, and what is gone is gone.
func TestPicture(t *testing.T) {
	draw := func(settings map[string]string, more ...producer.Service) []string {
		p := fixture(t)
		p.Root, p.Services = testkit.Apps(t, "alpha", "beta", "gamma"), append(p.Services, more...)
		r := &testkit.Recorder{}
		if err := deployOn(r, p, settings); err != nil {
			t.Fatal(err)
		}
		return strings.Split(picture(r), "\n")
	}
	before := draw(nil)
	for _, test := range []struct {
		name        string
		picture     []string
		gone, added []string
	}{
		{"a service", draw(nil, producer.Service{Name: "gamma", Path: "/gamma", Priority: 15, Port: 9090, AllowFrom: []string{"beta"}}),
			[]string{"  alpha & beta -.-> logs[(CloudWatch Logs)]", "  images[(ECR)] -.-> alpha & beta"},
			[]string{`    alb -- "/gamma*" --> gamma["gamma tasks :9090"]`, `    beta -- ":9090" --> gamma`, "  alpha & gamma & beta -.-> logs[(CloudWatch Logs)]", "  images[(ECR)] -.-> alpha & gamma & beta"}},
		{"an image from elsewhere", draw(nil, producer.Service{Name: "gamma", Path: "/gamma", Priority: 30, Image: "gamma@sha256:" + strings.Repeat("c", 64)}),
			[]string{"  alpha & beta -.-> logs[(CloudWatch Logs)]"},
			[]string{`    alb -- "/gamma*" --> gamma["gamma tasks :8080"]`, "  alpha & beta & gamma -.-> logs[(CloudWatch Logs)]"}},
		{"no bastion", draw(map[string]string{"bastion": "false"}), []string{"    bastion[\"bastion<br/>(Session Manager)\"]", "  bastion -- HTTPS --> api"}, nil},
		{"SSH", draw(map[string]string{"ssh": `{"keyName":"me","cidrs":["203.0.113.0/24"]}`}),
			[]string{"    bastion[\"bastion<br/>(Session Manager)\"]"}, []string{"    bastion[\"bastion<br/>(Session Manager, SSH)\"]"}},
		{"TLS, three zones", draw(map[string]string{"domain": onDomain, "availabilityZoneCount": "3"}),
			[]string{`    link["VPC link"] -- ":80" --> alb["internal load balancer"]`, `  subgraph producer["producer VPC, private subnets, two zones"]`},
			[]string{`    link["VPC link"] -- ":443" --> alb["internal load balancer"]`, `  subgraph producer["producer VPC, private subnets, three zones"]`}},
		{"preflight", draw(map[string]string{"authorization": "iam", "cors": `{"allowOrigins":["https://example.com"]}`}),
			[]string{`    api["HTTP API<br/>ANY /{proxy+}"]`}, []string{`    api["HTTP API<br/>ANY /{proxy+}<br/>OPTIONS /{proxy+}"]`}},
	} {
		want := slices.Concat(slices.DeleteFunc(slices.Clone(before), func(line string) bool { return slices.Contains(test.gone, line) }), test.added)
		same(t, test.name, slices.Sorted(slices.Values(test.picture)), slices.Sorted(slices.Values(want)))
	}
}
