package e2e

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// newVpcWithBalancer makes a VPC that tasks can be in, and a load balancer in two of its subnets.
func (a *account) newVpcWithBalancer(t *testing.T) (*yours, *balancer) {
	t.Helper()
	v := a.newVpc(t, false)
	b := a.makeBalancerIn(t, elbtypes.LoadBalancerSchemeEnumInternal, v.id, v.subnets[:2])
	v.before, a.start = a.describe(t, v.id), a.inventory(t)
	return v, b
}

// behind are the settings of a stack whose services are in subnets a and b, behind that listener; more are fields of it.
func (v *yours) behind(arn string, more, rest settings) settings {
	listener := settings{"arn": arn}.with(more)
	return v.settings(rest, 0, 1).with(settings{"listener": map[string]any(listener)})
}

// TestBehind has services behind a load balancer that was there before, from nothing to nothing: it and its VPC stay as
// they are, but for the rules of the stack.
func TestBehind(t *testing.T) {
	a := newAccount(t)
	v, b := a.newVpcWithBalancer(t)
	before := b.describe(t, a)
	d := a.newStack(t, "behind", nil, v.behind(b.plain, nil, nil))
	ops, outputs := d.up(t)
	for _, op := range ops {
		for _, kind := range []string{"lb/loadBalancer", "lb/listener ", "lb/listenerCertificate", "s3/", "ec2/vpc", "ec2/subnet", "ec2/route", "securityGroup producer-alb", "ec2/instance"} {
			if strings.Contains(op, kind) {
				t.Errorf("up: %s", op)
			}
		}
	}
	for _, name := range []string{"clusterName", "serviceNames", "imageDigests", "linkSecurityGroupId"} {
		if outputs[name].Value == nil {
			t.Errorf("no output %s: %v", name, outputs)
		}
	}
	a.compare(t, d)
	d.unchanged(t)
	d.followed(t, nil, "/api/books", "", "load balancer shop-internal", "producer-alb-to-producer-book")
	const in, out = "vpc/securityGroupIngressRule producer-link-to-producer-alb", "vpc/securityGroupEgressRule producer-alb-to-producer-{book,author}"
	for _, c := range []change{
		{"count of one service", v.behind(b.plain, nil, one(settings{"desiredCount": 4})), []string{"update ecs/service producer-book"}},
		{"access logs of the load balancer", v.behind(b.plain, nil, one(settings{"desiredCount": 4}).with(settings{"accessLogs": true})), nil},
		{"rules of somebody else", v.behind(b.plain, settings{"allowLink": false}, nil), []string{"update ecs/service producer-book", "delete {" + in + "," + out + "}"}},
		{"HTTPS", v.behind(b.secure, settings{"serverName": "shop.example.com"}, nil), []string{
			"create {" + in + "," + out + "}", "replace vpc/securityGroupEgressRule producer-link-to-producer-alb", "replace lb/listenerRule producer-{book,author}",
			"replace apigatewayv2/integration consumer", "update apigatewayv2/route consumer",
		}},
	} {
		d.configure(t, c.set)
		ops, _ := d.up(t)
		expect(t, ops, c.want)
		a.compare(t, d)
	}
	d.unchanged(t)
	// A target group is of one load balancer alone.
	ops = d.preview(t, v.settings(nil, 0, 1))
	for _, want := range expand("replace lb/{targetGroup,listenerRule} producer-{book,author}") {
		if !slices.Contains(ops, want) {
			t.Errorf("a load balancer of its own: no %s in %v", want, ops)
		}
	}
	d.destroy(t)
	if more := a.untouched(t, v); len(more) > 0 {
		t.Errorf("left behind: %v", more)
	}
	a.sweep(t, "behind")
	if now := a.inventory(t); !reflect.DeepEqual(now, a.start) {
		t.Errorf("the account holds\n%v\nand held\n%v", now.keys(), a.start.keys())
	}
	if after := b.describe(t, a); after != before {
		t.Errorf("the load balancer is\n%s\nand was\n%s", after, before)
	}
	// Of what was there, changing calls name what new things are in, behind or part of.
	allowed := []string{
		"AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress", "CreateSecurityGroup",
		"CreateTargetGroup", "CreateRule", "CreateVpcLink", "CreateIntegration", "CreatePrivateDnsNamespace", "CreateService", "UpdateService",
	}
	for _, c := range a.proxy.Calls() {
		for _, existing := range append([]string{b.arn, b.plain, b.secure, b.vpc, b.group}, v.subnets[:]...) {
			if c.Mutates() && c.Params.Has(existing) && !slices.Contains(allowed, c.Operation) {
				t.Errorf("%s names %s", c, existing)
			}
		}
	}
}

// TestBehindRefusals asserts what is said of a load balancer that services cannot go behind, all at once, and that nothing is
// made; also what a preview asks.
func TestBehindRefusals(t *testing.T) {
	a := newAccount(t)
	v, b := a.newVpcWithBalancer(t)
	lbs := elasticloadbalancingv2.NewFromConfig(a.aws)
	_, err := lbs.ModifyLoadBalancerAttributes(t.Context(), &elasticloadbalancingv2.ModifyLoadBalancerAttributesInput{
		LoadBalancerArn: &b.arn, Attributes: []elbtypes.LoadBalancerAttribute{{Key: aws.String("idle_timeout.timeout_seconds"), Value: aws.String("300")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for priority, path := range map[int32]string{100: "/else*", 150: "/api/*"} {
		_, err := lbs.CreateRule(t.Context(), &elasticloadbalancingv2.CreateRuleInput{
			ListenerArn: &b.plain, Priority: &priority,
			Actions:    []elbtypes.Action{{Type: elbtypes.ActionTypeEnumFixedResponse, FixedResponseConfig: &elbtypes.FixedResponseActionConfig{StatusCode: aws.String("200")}}},
			Conditions: []elbtypes.RuleCondition{{Field: aws.String("path-pattern"), PathPatternConfig: &elbtypes.PathPatternConditionConfig{Values: []string{path}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	set := v.settings(nil, 1, 2).with(settings{"listener": map[string]any{"arn": b.plain, "serverName": "shop.example.com"}})
	d := a.newStack(t, "refused", nil, set)
	_, err = d.tryPreview(t, set)
	refused(t, "preview", err, []string{
		"an idle timeout of at most 60 seconds", "has 300", "services.book.priority: 100 is not allowed", "services.author.priority: 200 is not allowed: less than 150", "(/api/*)",
		"listener.serverName", "nothing, as the listener's protocol is HTTP", `network.privateSubnetIds: "` + v.subnets[2] + `" is not allowed: a subnet in a zone of the load balancer`, "nothing was changed",
	})
	if calls := mutations(a.proxy.Calls()); len(calls) > 0 {
		t.Errorf("refused, and yet called: %v", calls)
	}
}
