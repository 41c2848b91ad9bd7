package e2e

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// balancer is a load balancer that was there before the stack, and what belongs to it.
type balancer struct {
	arn, plain, secure string // ARNs of the load balancer and of its listeners for HTTP and HTTPS
	vpc, group         string
	subnets            []string
}

// makeBalancer makes a VPC with a load balancer.
func (a *account) makeBalancer(t *testing.T, scheme elbtypes.LoadBalancerSchemeEnum) *balancer {
	t.Helper()
	c := ec2.NewFromConfig(a.aws)
	vpc, err := c.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.20.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	var subnets []string
	for i, cidr := range []string{"10.20.0.0/24", "10.20.1.0/24"} {
		subnet, err := c.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: vpc.Vpc.VpcId, CidrBlock: aws.String(cidr), AvailabilityZone: aws.String(region + string(rune('a'+i)))})
		if err != nil {
			t.Fatal(err)
		}
		subnets = append(subnets, *subnet.Subnet.SubnetId)
	}
	return a.makeBalancerIn(t, scheme, *vpc.Vpc.VpcId, subnets)
}

// makeBalancerIn makes a load balancer as its owner would, with a rule that answers.
func (a *account) makeBalancerIn(t *testing.T, scheme elbtypes.LoadBalancerSchemeEnum, vpc string, subnets []string) *balancer {
	t.Helper()
	ctx, c, lbs := t.Context(), ec2.NewFromConfig(a.aws), elasticloadbalancingv2.NewFromConfig(a.aws)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	b := &balancer{vpc: vpc, subnets: subnets}
	group, err := c.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &b.vpc, GroupName: aws.String("shop"), Description: aws.String("load balancer of the shop")})
	check(err)
	b.group = *group.GroupId
	_, err = c.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &b.group, IpPermissions: []ec2types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(8080), ToPort: aws.Int32(8080), IpRanges: []ec2types.IpRange{{CidrIp: aws.String("10.20.0.0/16")}},
	}}})
	check(err)
	made, err := lbs.CreateLoadBalancer(ctx, &elasticloadbalancingv2.CreateLoadBalancerInput{Name: aws.String("shop-" + string(scheme[:8])), Scheme: scheme, Subnets: b.subnets, SecurityGroups: []string{b.group}})
	check(err)
	b.arn = *made.LoadBalancers[0].LoadBalancerArn
	certificate, err := iam.NewFromConfig(a.aws).UploadServerCertificate(ctx, &iam.UploadServerCertificateInput{
		ServerCertificateName: aws.String("shop-" + string(scheme[:8])), CertificateBody: aws.String("body"), PrivateKey: aws.String("key"),
	})
	check(err)
	answer := func(text string) []elbtypes.Action {
		return []elbtypes.Action{{Type: elbtypes.ActionTypeEnumFixedResponse, FixedResponseConfig: &elbtypes.FixedResponseActionConfig{StatusCode: aws.String("200"), MessageBody: &text, ContentType: aws.String("text/plain")}}}
	}
	for port, listener := range map[int32]*string{8080: &b.plain, 8443: &b.secure} {
		in := &elasticloadbalancingv2.CreateListenerInput{LoadBalancerArn: &b.arn, Port: &port, Protocol: elbtypes.ProtocolEnumHttp, DefaultActions: answer("none")}
		if port == 8443 {
			in.Protocol, in.Certificates = elbtypes.ProtocolEnumHttps, []elbtypes.Certificate{{CertificateArn: certificate.ServerCertificateMetadata.Arn}}
		}
		out, err := lbs.CreateListener(ctx, in)
		check(err)
		*listener = *out.Listeners[0].ListenerArn
		_, err = lbs.CreateRule(ctx, &elasticloadbalancingv2.CreateRuleInput{ListenerArn: listener, Priority: aws.Int32(1), Actions: answer("orders"), Conditions: []elbtypes.RuleCondition{{
			Field: aws.String("path-pattern"), PathPatternConfig: &elbtypes.PathPatternConditionConfig{Values: []string{"/orders*"}},
		}}})
		check(err)
	}
	return b
}

// settings are those of a stack that adopts the listener.
func (b *balancer) settings(arn string, more settings) settings {
	listener := settings{"arn": arn, "paths": map[string]any{"orders": "/orders"}}.with(more)
	return base().with(settings{"listener": map[string]any(listener)})
}

// describe returns all that AWS says of the load balancer and of what belongs to it.
func (b *balancer) describe(t *testing.T, a *account) string {
	t.Helper()
	ctx, c, lbs := t.Context(), ec2.NewFromConfig(a.aws), elasticloadbalancingv2.NewFromConfig(a.aws)
	var all []any
	add := func(answer any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.Indirect(reflect.ValueOf(answer))
		v.FieldByName("ResultMetadata").SetZero() // of the call
		all = append(all, v.Interface())
	}
	add(lbs.DescribeLoadBalancers(ctx, &elasticloadbalancingv2.DescribeLoadBalancersInput{LoadBalancerArns: []string{b.arn}}))
	add(lbs.DescribeLoadBalancerAttributes(ctx, &elasticloadbalancingv2.DescribeLoadBalancerAttributesInput{LoadBalancerArn: &b.arn}))
	add(lbs.DescribeListeners(ctx, &elasticloadbalancingv2.DescribeListenersInput{LoadBalancerArn: &b.arn}))
	for _, listener := range []string{b.plain, b.secure} {
		add(lbs.DescribeRules(ctx, &elasticloadbalancingv2.DescribeRulesInput{ListenerArn: &listener}))
	}
	add(lbs.DescribeTags(ctx, &elasticloadbalancingv2.DescribeTagsInput{ResourceArns: []string{b.arn, b.plain, b.secure}}))
	of := []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{b.vpc}}}
	add(c.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{b.vpc}}))
	add(c.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: of}))
	add(c.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: of}))
	add(c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: of}))
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// adoption is a change of a stack that has adopted a load balancer, and what the engine does about it.
type adoption struct {
	name string
	set  settings
	want []string
}

// adoptions are the changes, each from the one before it.
func adoptions(b *balancer) []adoption {
	const in, rules = "vpc/securityGroupIngressRule producer-link-to-producer-alb", "vpc/securityGroup{Egress,Ingress}Rule producer-link-to-producer-alb"
	return []adoption{
		{"another path", b.settings(b.plain, settings{"paths": map[string]any{"orders": "/orders/v2", "carts": "/carts"}}), nil},
		{"rule of somebody else", b.settings(b.plain, settings{"allowLink": false}), []string{"delete " + in}},
		{"rule of the stack", b.settings(b.plain, nil), []string{"create " + in}},
		{"HTTPS", b.settings(b.secure, settings{"serverName": "shop.example.com"}), []string{"replace " + rules, "replace apigatewayv2/integration consumer", "update apigatewayv2/route consumer"}},
		{"another name", b.settings(b.secure, settings{"serverName": "other.example.com"}), []string{"replace apigatewayv2/integration consumer", "update apigatewayv2/route consumer"}},
		{"HTTP", b.settings(b.plain, nil), []string{"replace " + rules, "replace apigatewayv2/integration consumer", "update apigatewayv2/route consumer"}},
		{"bastion", b.settings(b.plain, nil).with(settings{"bastion": true}), bastion("create")},
	}
}

// TestAdopt adopts a load balancer that was there before, and leaves it and its VPC as they were.
func TestAdopt(t *testing.T) {
	a := newAccount(t)
	b := a.makeBalancer(t, elbtypes.LoadBalancerSchemeEnumInternal)
	a.start = a.inventory(t)
	before := b.describe(t, a)

	d := a.newStack(t, "adopt", nil, b.settings(b.plain, nil))
	ops, outputs := d.up(t)
	expect(t, ops, []string{
		"create apigatewayv2/{api,integration,route,stage} consumer", "create cloudwatch/logGroup consumer", "create private-api:{consumer consumer,producer producer}", "create pulumi:pulumi " + project + "-adopt",
		"create pulumi:providers aws", "create apigatewayv2/vpcLink producer", "create ec2/securityGroup producer-link", "create vpc/securityGroup{Egress,Ingress}Rule producer-link-to-producer-alb",
	})
	if got := len(outputs); got != 4 || outputs["serviceUrls"].Value.(map[string]any)["orders"] != outputs["apiEndpoint"].Value.(string)+"/orders" || outputs["linkSecurityGroupId"].Value == nil {
		t.Errorf("outputs: %v", outputs)
	}
	a.compare(t, d)
	d.unchanged(t)
	d.followed(t, nil, "/orders", "priority 1 answers 200 itself", "load balancer shop-internal")
	for _, s := range adoptions(b) {
		if ok := t.Run(s.name, func(t *testing.T) {
			d.configure(t, s.set)
			mark := a.proxy.Mark()
			ops, _ := d.up(t)
			ops = slices.DeleteFunc(ops, func(op string) bool { return strings.Contains(op, "pulumi:providers default") }) // of awsx
			expect(t, ops, s.want)
			r := record{t, a.proxy.Since(mark)}
			if s.name == "HTTPS" {
				for _, deletion := range r.some("ec2", "RevokeSecurityGroupIngress") {
					r.before(deletion, "the API still calls the old port", r.some("apigateway", "UpdateRoute")...)
				}
				r.replaced("apigateway", "CreateIntegration", "UpdateRoute", "DeleteIntegration")
			}
			a.compare(t, d)
			d.unchanged(t)
			if s.name == "HTTPS" {
				// Which names a certificate of IAM has, AWS tells nobody who only reads.
				if _, _, way := d.follow(t, nil, "/orders"); !strings.Contains(way.Unknown, "server certificate of IAM") {
					t.Errorf("a certificate that cannot be read:\n%s", way.Text("/orders", "arrives"))
				}
			}
		}); !ok {
			break
		}
	}
	if ops := d.refresh(t); len(ops) > 0 {
		t.Errorf("refresh finds %v", ops)
	}
	d.destroy(t)
	a.sweep(t, "adopt")
	if now := a.inventory(t); !reflect.DeepEqual(now, a.start) {
		t.Errorf("the account holds\n%v\nand held\n%v", now.keys(), a.start.keys())
	}
	if after := b.describe(t, a); after != before {
		t.Errorf("the load balancer is\n%s\nand was\n%s", after, before)
	}
	// Of what was there, changing calls name the group for the rule, and what the link and the integration lead to.
	allowed := []string{"CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress", "CreateVpcLink", "CreateIntegration"}
	for _, c := range a.proxy.Calls() {
		for _, existing := range append([]string{b.arn, b.plain, b.secure, b.vpc, b.group}, b.subnets...) {
			if c.Mutates() && c.Params.Has(existing) && !slices.Contains(allowed, c.Operation) {
				t.Errorf("%s names %s", c, existing)
			}
		}
	}
}

// TestAdoptRefusals asserts what is said of load balancers that cannot be adopted, and that nothing is made.
func TestAdoptRefusals(t *testing.T) {
	a := newAccount(t)
	b := a.makeBalancer(t, elbtypes.LoadBalancerSchemeEnumInternetFacing)
	a.start = a.inventory(t)
	permissions, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	allowed := actions(t, "### Permissions of a preview")
	for name, test := range map[string]struct {
		set  settings
		says []string
	}{
		"faces the internet, and HTTPS without a name": {b.settings(b.secure, nil), []string{"listener.arn", b.secure, "faces the internet", "listener.serverName: is missing", "nothing was changed"}},
		"not there":            {b.settings(b.plain+"0", nil), []string{"listener.arn", b.plain + "0", "a listener that exists"}},
		"of another account":   {b.settings(strings.Replace(b.plain, "123456789012", "210987654321", 1), nil), []string{"listener.arn", "in account 123456789012"}},
		"of another region":    {b.settings(strings.Replace(b.plain, region, "eu-west-1", 1), nil), []string{"listener.arn", "in " + region}},
		"the load balancer":    {b.settings(b.arn, nil), []string{"listener.arn", b.arn, "not of the load balancer itself"}},
		"services beside it":   {b.settings(b.plain, nil).with(one(settings{"cpu": 512, "memory": 1024})), []string{project + ":services", "leave it out with listener.paths"}},
		"path that is no path": {b.settings(b.plain, settings{"paths": map[string]any{"orders": "orders/"}}), []string{"listener.paths.orders", "orders/"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := a.newStack(t, "unadopted", nil, test.set)
			mark := a.proxy.Mark()
			_, err := d.tryPreview(t, test.set)
			refused(t, "preview", err, test.says)
			for _, c := range a.proxy.Since(mark) {
				if action := c.Service + ":" + c.Operation; !slices.Contains(allowed, action) && !strings.Contains(string(permissions), "`"+action+"`") {
					t.Errorf("a preview needs %s, which docs/security.md does not have", action)
				}
			}
			_, _, err = d.tryUp()
			refused(t, "up", err, test.says)
			if calls := mutations(a.proxy.Since(mark)); len(calls) > 0 {
				t.Errorf("refused, and yet called: %v", calls)
			}
			a.sweep(t, "unadopted")
		})
	}
}
