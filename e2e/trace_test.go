package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"private-api/e2e/awsproxy"
	"private-api/trace"
	"private-api/trace/deployed"
)

// names are what DNS answers, by host.
type names map[string][]string

func (n names) LookupHost(_ context.Context, host string) ([]string, error) {
	if n[host] == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return n[host], nil
}

// facts reads what is on AWS of the stack, without Docker, and asserts that this changes neither the account nor the state,
// takes no lock, and needs no other permissions than docs/security.md has.
func (d *deployment) facts(t *testing.T, dns names) *trace.Set {
	t.Helper()
	before, mark := d.files(t), d.account.proxy.Mark()
	set, err := d.read(t, dns)
	if err != nil {
		t.Fatal(err)
	}
	if after := d.files(t); !reflect.DeepEqual(after, before) {
		t.Errorf("reading the facts changed the state:\n%v\nand before\n%v", after, before)
	}
	allowed := actions(t, "### Permissions of a trace")
	for _, c := range d.account.proxy.Since(mark) {
		action := c.String()
		switch {
		case action == "sts:AssumeRole": // of aws:assumeRole
			continue
		case c.Mutates():
			t.Errorf("reading the facts called %s", c)
		case c.Service == "apigateway": // whose actions are the methods of HTTP
			action = "apigateway:GET"
		}
		if !slices.Contains(allowed, action) {
			t.Errorf("a trace needs %s, which docs/security.md does not have", action)
		}
	}
	return set
}

func (d *deployment) read(t *testing.T, dns names) (*trace.Set, error) {
	t.Helper()
	defer d.reap()
	env := append(os.Environ(), "RIG_NO_DOCKER=1")
	for key, value := range d.env {
		env = append(env, key+"="+value)
	}
	return deployed.Read(t.Context(), deployed.Options{Folder: d.root, Stack: d.Name(), Env: env, Endpoint: d.account.proxy.URL(), Resolver: dns})
}

// files are those of the state and of the stack's settings: each with its time, folders too, as a lock would be a file in one.
func (d *deployment) files(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, root := range []string{strings.TrimPrefix(d.env["PULUMI_BACKEND_URL"], "file://"), d.file()} {
		err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			text := []byte(nil)
			if !entry.IsDir() {
				text, err = os.ReadFile(name)
			}
			all[name] = fmt.Sprint(info.ModTime(), len(text), string(text))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// follow follows a request on what is on AWS.
func (d *deployment) follow(t *testing.T, dns names, path string) (*trace.Set, *http.Request, *trace.Way) {
	t.Helper()
	request, err := trace.NewRequest(path)
	must(t, err)
	set := d.facts(t, dns)
	return set, request, set.Deployed(request)
}

// followed asserts that a request takes a way on which everything is known, and that the trace says all that. It stops as
// stops begins; "": it arrives.
func (d *deployment) followed(t *testing.T, dns names, path, stops string, says ...string) {
	t.Helper()
	set, _, way := d.follow(t, dns, path)
	text := way.Text(path, "arrives")
	if way.Unknown != "" || (way.Stop == nil) != (stops == "") || way.Stop != nil && !strings.HasPrefix(way.Stop.Reason, stops) {
		t.Errorf("want a stop %q:\n%s", stops, text)
	}
	for _, want := range says {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, r := range set.Of(trace.UnknownType) {
		t.Errorf("%s could not be read: %s", r.Name, r.Outputs.Text("reason"))
	}
}

// broken is something that is broken behind Pulumi's back, and how a trace names it.
type broken struct {
	name     string
	do, mend func(t *testing.T, b *breaker)
	stops    string // beginning of the reason; "": the request arrives
	status   int
	changed  []string // what of this hop is not as the last up left it
	unknown  string   // beginning of why nobody can tell how the request goes on; "": that is known
	says     []string // what else the trace says
}

// breaker breaks things of a stack.
type breaker struct {
	*deployment
	all map[string]apitype.ResourceV3
	api *apigatewayv2.Client
	ec2 *ec2.Client
	elb *elasticloadbalancingv2.Client
	ecs *ecs.Client // through the proxy, as it is about deployments
}

func (b *breaker) of(t *testing.T, name, output string) *string {
	t.Helper()
	if output == "id" {
		return aws.String(string(b.all[name].ID))
	}
	value := text(b.all[name], output)
	if *value == "" {
		t.Fatalf("%s has no %s", name, output)
	}
	return value
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const (
	linkRule     = "vpc/securityGroupIngressRule producer-link-to-producer-alb"
	privateTable = "ec2/routeTable producer-private-1"
	service      = "producer-book"
)

// breaks are what is broken, each in a stack in which everything before has been mended. What is made again by hand is not
// the program's, and the request passes all the same.
var breaks = []broken{
	{name: "nothing"},
	{
		name: "listener moved", stops: "security group producer-link of VPC link producer has no egress rule to producer-alb on tcp 81", status: 503,
		changed: []string{"listener producer: port is 81, the last up left 80"},
		do:      func(t *testing.T, b *breaker) { b.port(t, 81) },
		mend:    func(t *testing.T, b *breaker) { b.port(t, 80) },
	},
	{
		name: "targets unhealthy", stops: "no target of target group producer-book is healthy", status: 504,
		says: []string{"Target.Timeout", "Request timed out"},
		do: func(t *testing.T, b *breaker) {
			timeout := elbtypes.TargetHealth{State: elbtypes.TargetHealthStateEnumUnhealthy, Reason: elbtypes.TargetHealthReasonEnumTimeout, Description: aws.String("Request timed out")}
			must(t, b.account.proxy.Happen(service, []elbtypes.TargetHealth{timeout, timeout}))
		},
		mend: mended,
	},
	{
		name: "one target unhealthy", says: []string{"Target.ResponseCodeMismatch", "Health checks failed with these codes: [500]"},
		do: func(t *testing.T, b *breaker) {
			must(t, b.account.proxy.Happen(service, []elbtypes.TargetHealth{{State: elbtypes.TargetHealthStateEnumHealthy}, {
				State: elbtypes.TargetHealthStateEnumUnhealthy, Reason: elbtypes.TargetHealthReasonEnumResponseCodeMismatch, Description: aws.String("Health checks failed with these codes: [500]"),
			}}))
		},
		mend: mended,
	},
	{
		name: "tasks stopped", stops: "target group producer-book has no targets", status: 503,
		says: []string{"OutOfMemoryError: Container killed due to memory usage", "exited with 137"},
		do: func(t *testing.T, b *breaker) {
			must(t, b.account.proxy.Happen(service, nil, awsproxy.StoppedTask{
				StopCode: "EssentialContainerExited", Reason: "Essential container in task exited", ExitCode: aws.Int32(137),
				ContainerReason: "OutOfMemoryError: Container killed due to memory usage",
			}))
		},
		mend: mended,
	},
	{
		name: "network ACL denies", stops: "network ACL", status: 503, says: []string{"80"},
		do: func(t *testing.T, b *breaker) {
			_, err := b.ec2.CreateNetworkAclEntry(t.Context(), &ec2.CreateNetworkAclEntryInput{
				NetworkAclId: b.acl(t), RuleNumber: aws.Int32(50), RuleAction: ec2types.RuleActionDeny, Protocol: aws.String("6"), Egress: aws.Bool(false),
				CidrBlock: aws.String("10.0.0.0/8"), PortRange: &ec2types.PortRange{From: aws.Int32(80), To: aws.Int32(80)},
			})
			must(t, err)
		},
		mend: func(t *testing.T, b *breaker) {
			_, err := b.ec2.DeleteNetworkAclEntry(t.Context(), &ec2.DeleteNetworkAclEntryInput{NetworkAclId: b.acl(t), RuleNumber: aws.Int32(50), Egress: aws.Bool(false)})
			must(t, err)
		},
	},
	{
		name: "no default route, and tasks that cannot start", stops: "target group producer-book has no targets", status: 503,
		changed: []string{"route producer-private-1, which the last up made, is gone"},
		says:    []string{"CannotPullContainerError", "has no default route"},
		do: func(t *testing.T, b *breaker) {
			_, err := b.ec2.DeleteRoute(t.Context(), &ec2.DeleteRouteInput{RouteTableId: b.of(t, privateTable, "id"), DestinationCidrBlock: aws.String("0.0.0.0/0")})
			must(t, err)
			must(t, b.account.proxy.Happen(service, nil, awsproxy.StoppedTask{
				StopCode: "TaskFailedToStart", Reason: "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref",
			}))
		},
		mend: func(t *testing.T, b *breaker) {
			_, err := b.ec2.CreateRoute(t.Context(), &ec2.CreateRouteInput{
				RouteTableId: b.of(t, privateTable, "id"), DestinationCidrBlock: aws.String("0.0.0.0/0"), NatGatewayId: b.of(t, "ec2/natGateway producer-1", "id"),
			})
			must(t, err)
			mended(t, b)
		},
	},
	{
		name: "VPC link inactive", stops: "VPC link producer is INACTIVE", status: 503,
		do:   func(_ *testing.T, b *breaker) { b.account.proxy.SetLink("INACTIVE", "") },
		mend: func(_ *testing.T, b *breaker) { b.account.proxy.SetLink("", "") },
	},
	{
		name: "health may not be read", says: []string{"access denied: elasticloadbalancing:DescribeTargetHealth"},
		do:   func(_ *testing.T, b *breaker) { b.deny("DescribeTargetHealth") },
		mend: func(_ *testing.T, b *breaker) { b.account.proxy.Clear() },
	},
	{
		name: "listener may not be read", unknown: "listener producer could not be read: access denied: elasticloadbalancing:DescribeListeners",
		do:   func(_ *testing.T, b *breaker) { b.deny("DescribeListeners") },
		mend: func(_ *testing.T, b *breaker) { b.account.proxy.Clear() },
	},
	{
		name: "security group rule gone", stops: "security group producer-alb of load balancer producer has no ingress rule from producer-link on tcp 80", status: 503,
		changed: []string{"ingress rule producer-link-to-producer-alb, which the last up made, is gone"},
		do: func(t *testing.T, b *breaker) {
			_, err := b.ec2.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{
				GroupId: b.of(t, linkRule, "securityGroupId"), SecurityGroupRuleIds: []string{*b.of(t, linkRule, "id")},
			})
			must(t, err)
		},
		mend: func(t *testing.T, b *breaker) {
			_, err := b.ec2.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
				GroupId: b.of(t, linkRule, "securityGroupId"), IpPermissions: []ec2types.IpPermission{{
					IpProtocol: aws.String("tcp"), FromPort: aws.Int32(80), ToPort: aws.Int32(80),
					UserIdGroupPairs: []ec2types.UserIdGroupPair{{GroupId: b.of(t, "ec2/securityGroup producer-link", "id")}},
				}},
			})
			must(t, err)
		},
	},
	{name: "a rule of somebody else in its place", says: []string{"is not of the program"}},
	{
		name: "listener rule gone", stops: "no listener rule has this path: the default action of listener producer answers 404", status: 404,
		changed: []string{"listener rule producer-book, which the last up made, is gone"},
		do: func(t *testing.T, b *breaker) {
			_, err := b.elb.DeleteRule(t.Context(), &elasticloadbalancingv2.DeleteRuleInput{RuleArn: b.of(t, "lb/listenerRule producer-book", "arn")})
			must(t, err)
		},
		mend: func(t *testing.T, b *breaker) {
			_, err := b.elb.CreateRule(t.Context(), &elasticloadbalancingv2.CreateRuleInput{
				ListenerArn: b.of(t, "lb/listener producer", "arn"), Priority: aws.Int32(100),
				Actions:    []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: b.of(t, "lb/targetGroup producer-book", "arn")}},
				Conditions: []elbtypes.RuleCondition{{Field: aws.String("path-pattern"), PathPatternConfig: &elbtypes.PathPatternConditionConfig{Values: []string{"/api/b*"}}}},
			})
			must(t, err)
		},
	},
	{
		name: "route gone", stops: "no route of the API takes GET /api/books", status: 404,
		changed: []string{"route consumer, which the last up made, is gone"},
		do: func(t *testing.T, b *breaker) {
			_, err := b.api.DeleteRoute(t.Context(), &apigatewayv2.DeleteRouteInput{ApiId: b.of(t, "apigatewayv2/route consumer", "apiId"), RouteId: b.of(t, "apigatewayv2/route consumer", "id")})
			must(t, err)
		},
		mend: func(t *testing.T, b *breaker) {
			const route = "apigatewayv2/route consumer"
			_, err := b.api.CreateRoute(t.Context(), &apigatewayv2.CreateRouteInput{ApiId: b.of(t, route, "apiId"), RouteKey: b.of(t, route, "routeKey"), Target: b.of(t, route, "target")})
			must(t, err)
		},
	},
	{
		name: "deployment under way", says: []string{"IN_PROGRESS"},
		do: func(t *testing.T, b *breaker) {
			b.account.proxy.Decide(awsproxy.Outcome{Service: service, End: awsproxy.Never})
			_, err := b.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{
				Cluster: b.of(t, "ecs/service producer-book", "cluster"), Service: b.of(t, "ecs/service producer-book", "name"), ForceNewDeployment: true,
			})
			must(t, err)
		},
	},
	{
		name: "VPC link gone", stops: "integration consumer names a VPC link that is not there", status: 503,
		changed: []string{"VPC link producer, which the last up made, is gone"},
		do: func(t *testing.T, b *breaker) {
			_, err := b.api.DeleteVpcLink(t.Context(), &apigatewayv2.DeleteVpcLinkInput{VpcLinkId: b.of(t, "apigatewayv2/vpcLink producer", "id")})
			must(t, err)
		},
	},
}

func mended(t *testing.T, b *breaker) { must(t, b.account.proxy.Mend(service)) }

// deny refuses all calls of an operation.
func (b *breaker) deny(operation string) {
	b.account.proxy.Inject(&awsproxy.Fault{Kind: awsproxy.Deny, Operation: operation, Times: -1})
}

// port moves the listener.
func (b *breaker) port(t *testing.T, port int32) {
	t.Helper()
	_, err := b.elb.ModifyListener(t.Context(), &elasticloadbalancingv2.ModifyListenerInput{ListenerArn: b.of(t, "lb/listener producer", "arn"), Port: &port})
	must(t, err)
}

// acl is the network ACL of the private subnets.
func (b *breaker) acl(t *testing.T) *string {
	t.Helper()
	out, err := b.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{Filters: []ec2types.Filter{{
		Name: aws.String("association.subnet-id"), Values: []string{*b.of(t, "ec2/subnet producer-private-1", "id")},
	}}})
	if err != nil || len(out.NetworkAcls) != 1 {
		t.Fatalf("network ACLs: %v, %v", out, err)
	}
	return out.NetworkAcls[0].NetworkAclId
}

// TestTrace breaks one thing after the other behind Pulumi's back, and a trace of a request names it: that and no other.
func TestTrace(t *testing.T) {
	a := newAccount(t)
	d := a.newStack(t, "trace", nil, base())
	d.up(t)
	behind := a.aws
	behind.BaseEndpoint = aws.String(a.proxy.URL())
	b := &breaker{
		deployment: d, all: d.resources(t),
		api: apigatewayv2.NewFromConfig(a.aws), ec2: ec2.NewFromConfig(a.aws), elb: elasticloadbalancingv2.NewFromConfig(a.aws), ecs: ecs.NewFromConfig(behind),
	}
	var before []string // drift
	for _, test := range breaks {
		t.Run(test.name, func(t *testing.T) {
			if test.do != nil {
				test.do(t, b)
			}
			set, request, way := d.follow(t, nil, "/api/books")
			text := way.Text(test.name, "arrives")
			switch {
			case (way.Unknown == "") != (test.unknown == "") || !strings.HasPrefix(way.Unknown, test.unknown):
				t.Errorf("want unknown %q:\n%s", test.unknown, text)
			case (way.Stop == nil) != (test.stops == ""):
				t.Errorf("want a stop %q:\n%s", test.stops, text)
			case way.Stop != nil && (!strings.HasPrefix(way.Stop.Reason, test.stops) || way.Stop.Status != test.status):
				t.Errorf("want %d and %q:\n%s", test.status, test.stops, text)
			case way.Stop != nil && !slices.Equal(without(way.Stop.Changed, before), test.changed):
				t.Errorf("want the drift %q:\n%s", test.changed, text)
			}
			before = append(before, test.changed...)
			if test.status != 0 {
				diagnosis := set.Diagnose(fmt.Sprint(test.status), request)
				if worst := diagnosis.Results[0]; worst.State != trace.Failed || !strings.HasPrefix(worst.Findings[0].Text, test.stops) {
					t.Errorf("the likeliest explanation:\n%s", diagnosis.Text())
				}
			}
			for _, want := range test.says {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			if test.mend != nil {
				test.mend(t, b)
			}
		})
	}
	b.deny("GetCallerIdentity")
	if _, err := d.read(t, nil); err == nil || !strings.Contains(err.Error(), "not authorized to perform: sts:GetCallerIdentity") {
		t.Errorf("without credentials: %v", err)
	}
	a.proxy.Clear()
	d.refresh(t) // the simulator's error for a rule that is not there is none of AWS's, and the provider does not know it
	d.destroy(t)
	a.sweep(t, "trace")
}
