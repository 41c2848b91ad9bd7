package deployed

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	apitypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"private-api/e2e/awsproxy"
	"private-api/trace"
)

// values are outputs, or inputs.
type values = map[string]any

// state is a resource as an event has it.
func state(typ, name, id string, outputs values) *apitype.StepEventStateMetadata {
	return &apitype.StepEventStateMetadata{Type: typ, URN: "urn:pulumi:dev::private-api::producer$" + typ + "::" + name, ID: id, Custom: true, Outputs: outputs}
}

// events are those of a refresh: of each resource what it was, and what it is, nil if it is gone. It returns the lines of a
// log.
func events(steps ...[2]*apitype.StepEventStateMetadata) string {
	var b strings.Builder
	lines := json.NewEncoder(&b)
	for _, s := range steps {
		step := apitype.StepEventMetadata{Op: apitype.OpSame, URN: s[0].URN, Type: s[0].Type, Old: s[0], New: s[1]}
		if s[1] == nil {
			step.Op = apitype.OpDelete
		}
		asked := step
		asked.Op, asked.New = apitype.OpRefresh, s[0]
		_ = lines.Encode(apitype.EngineEvent{ResourcePreEvent: &apitype.ResourcePreEvent{Metadata: asked, Planning: true}})
		_ = lines.Encode(apitype.EngineEvent{ResOutputsEvent: &apitype.ResOutputsEvent{Metadata: step, Planning: true}})
	}
	return b.String()
}

// failed is a resource that a refresh cannot read.
func failed(s *apitype.StepEventStateMetadata, says string) string {
	var b strings.Builder
	lines := json.NewEncoder(&b)
	_ = lines.Encode(apitype.EngineEvent{ResourcePreEvent: &apitype.ResourcePreEvent{Metadata: apitype.StepEventMetadata{Op: apitype.OpRefresh, URN: s.URN, Type: s.Type, Old: s, New: s}}})
	_ = lines.Encode(apitype.EngineEvent{DiagnosticEvent: &apitype.DiagnosticEvent{URN: s.URN, Severity: "warning", Message: "slow"}})
	_ = lines.Encode(apitype.EngineEvent{DiagnosticEvent: &apitype.DiagnosticEvent{URN: s.URN, Severity: "error", Message: says}})
	return b.String()
}

// provider is the one of the stack.
func provider(inputs values) *apitype.StepEventStateMetadata {
	p := state(providerType, "aws", "p", nil)
	p.Inputs = inputs
	return p
}

const denied = "<{%reset%}>Preview failed: reading ELBv2 Listener (l): operation error Elastic Load Balancing v2: DescribeListeners, https response error StatusCode: 403, RequestID: r, " +
	"api error AccessDenied: User: arn:aws:iam::1:user/u is not authorized to perform: elasticloadbalancing:DescribeListeners because no identity-based policy allows it<{%reset%}>\n"

func TestRefresh(t *testing.T) {
	link, other := state(trace.LinkType, "producer", "l1", values{"name": "old"}), state(providerType, "default_6_66_2", "d", nil)
	successor, replaced := state(trace.RuleType, "producer-book", "r2", values{"priority": 1.0}), state(trace.RuleType, "producer-book", "r1", values{"priority": 1.0})
	replaced.Delete = true
	component := state("private-api:producer:Producer", "producer", "", nil)
	component.Custom = false
	r := &reader{set: &trace.Set{}}
	inputs, err := r.take(strings.NewReader(events(
		[2]*apitype.StepEventStateMetadata{provider(values{"region": "eu-west-1"}), provider(nil)}, [2]*apitype.StepEventStateMetadata{other, other},
		[2]*apitype.StepEventStateMetadata{component, component}, [2]*apitype.StepEventStateMetadata{successor, successor}, [2]*apitype.StepEventStateMetadata{replaced, replaced},
		[2]*apitype.StepEventStateMetadata{link, state(trace.LinkType, "producer", "l1", values{"name": "new"})},
		[2]*apitype.StepEventStateMetadata{state(trace.APIType, "consumer", "a1", values{"name": "api"}), nil},
	) + failed(state(trace.ListenerType, "producer", "arn:l", nil), denied) + failed(state(trace.SubnetType, "producer-private-1", "subnet-1", nil), "timeout")))
	if err != nil || inputs.Text("region") != "eu-west-1" {
		t.Errorf("inputs of the provider: %v, %v", inputs, err)
	}
	want := []trace.Resource{
		{Type: trace.UnknownType, Name: "listener producer", Outputs: trace.Values{"reason": "access denied: elasticloadbalancing:DescribeListeners", "of": trace.ListenerType, "id": "arn:l", "name": "listener producer"}},
		{Type: trace.LinkType, ID: "l1", Name: "producer", Outputs: trace.Values{"name": "new"}, Expected: trace.Values{"name": "old"}},
		{Type: trace.RuleType, ID: "r2", Name: "producer-book", Outputs: trace.Values{"priority": 1.0}, Expected: trace.Values{"priority": 1.0}},
		{Type: trace.UnknownType, Name: "subnet producer-private-1", Outputs: trace.Values{"reason": "timeout", "of": trace.SubnetType, "id": "subnet-1", "name": "subnet producer-private-1"}},
	}
	got := r.set.Of("")
	for i := range got {
		if got[i].Type == trace.UnknownType {
			got[i].ID = ""
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the set has\n%+v\nwant\n%+v", got, want)
	}
	if _, err := r.take(strings.NewReader("{")); err == nil {
		t.Error("half an event is none")
	}
}

// The provider's inputs are texts in JSON, as Pulumi keeps them, or as the Terraform provider would.
func TestCredentials(t *testing.T) {
	for _, role := range []string{`{"roleArn":"arn:r","externalId":"e","duration":"1h"}`, `[{"roleArn":"arn:r","externalId":"e","duration":"1h"}]`} {
		got, err := credentialsOf(trace.Values{"region": "eu-west-1", "profile": "work", "assumeRole": role})
		if err != nil || got.Region != "eu-west-1" || got.Profile != "work" || got.AssumeRole.RoleArn != "arn:r" || got.AssumeRole.ExternalID != "e" || got.AssumeRole.Duration != "1h" {
			t.Errorf("%s: %+v, %v", role, got, err)
		}
	}
	if got, err := credentialsOf(trace.Values{"region": "eu-west-1"}); err != nil || got.AssumeRole.RoleArn != "" {
		t.Errorf("no role: %+v, %v", got, err)
	}
	for _, role := range []string{"[secret]", "{}", `{"roleArn":1}`} {
		if got, err := credentialsOf(trace.Values{"assumeRole": role}); err == nil || !strings.Contains(err.Error(), "aws:assumeRole") {
			t.Errorf("%s: %+v, %v", role, got, err)
		}
	}
}

// pulumi puts a command of that name first on the PATH, which writes a log of events, and ends with a code.
func pulumi(t *testing.T, events, code string) {
	t.Helper()
	folder := t.TempDir()
	script := "#!/bin/sh\n" + `while [ $# -gt 0 ]; do [ "$1" != --event-log ] || log=$2; shift; done; cat >"$log" <<'END'` + "\n" + events + "END\necho 'no stack named dev found'\nexit " + code + "\n"
	if err := os.WriteFile(filepath.Join(folder, "pulumi"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// resolver finds nothing, or does not work.
type resolver struct{ works bool }

func (r resolver) LookupHost(_ context.Context, host string) ([]string, error) {
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: r.works}
}

// Who may read nothing is told so, question by question; nothing that was not read looks as if it was not there.
func TestNothingMayBeRead(t *testing.T) {
	proxy, err := awsproxy.New("http://127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	proxy.Inject(&awsproxy.Fault{Kind: awsproxy.Deny, Times: -1})
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull} {
		t.Setenv(name, value)
	}
	all := []*apitype.StepEventStateMetadata{
		provider(values{"region": "eu-west-1"}),
		state(trace.DomainType, "consumer", "d", values{"domainName": "api.example.com", "domainNameConfiguration": values{"targetDomainName": "d.example.net"}}),
		state(trace.APIType, "consumer", "a1", nil), state(trace.IntegrationType, "consumer", "i1", values{"connectionId": "l1", "integrationUri": "arn:foreign"}),
		state(trace.LinkType, "producer", "l1", values{"subnetIds": []any{"subnet-1"}, "securityGroupIds": []any{"sg-1"}}),
		state(trace.ListenerType, "producer", "arn:l", values{"arn": "arn:l", "loadBalancerArn": "arn:b", "protocol": "HTTPS", "certificateArn": "arn:aws:acm:eu-west-1:1:certificate/c", "defaultActions": []any{values{"targetGroupArn": "arn:t"}}}),
		state(trace.SubnetType, "producer-private-1", "subnet-1", values{"vpcId": "vpc-1"}),
		state(trace.ServiceType, "producer-book", "arn:s", values{"cluster": "c", "name": "book"}),
	}
	var steps [][2]*apitype.StepEventStateMetadata
	for _, s := range all {
		steps = append(steps, [2]*apitype.StepEventStateMetadata{s, s})
	}
	unread := state(trace.RuleType, "producer-book", "arn:r", values{"listenerArn": "arn:l"})
	pulumi(t, events(steps...)+failed(unread, "error"), "255")
	set, err := Read(t.Context(), Options{Folder: t.TempDir(), Stack: "dev", Endpoint: proxy.URL(), Resolver: resolver{}})
	if err != nil {
		t.Fatal(err)
	}
	if set.Stack != "dev" || set.Region != "eu-west-1" || set.ReadAt.IsZero() {
		t.Errorf("the set is of %q in %q at %v", set.Stack, set.Region, set.ReadAt)
	}
	got := map[string]string{}
	for _, r := range set.Of(trace.UnknownType) {
		got[r.Name] = strings.TrimPrefix(r.Outputs.Text("reason"), "access denied: ")
	}
	want := map[string]string{
		"DNS of api.example.com": "lookup api.example.com: no such host", "routes of API consumer": "apigateway:GetRoutes", "integrations of API consumer": "apigateway:GetIntegrations",
		"state of VPC link producer": "apigateway:GetVpcLink", "listener arn:foreign": "elasticloadbalancing:DescribeListeners", "load balancer arn:b": "elasticloadbalancing:DescribeLoadBalancers",
		"rules of listener producer": "elasticloadbalancing:DescribeRules", "certificates of listener producer": "elasticloadbalancing:DescribeListenerCertificates",
		"certificate arn:aws:acm:eu-west-1:1:certificate/c": "acm:DescribeCertificate", "target group arn:t": "elasticloadbalancing:DescribeTargetGroups",
		"health of target group arn:t": "elasticloadbalancing:DescribeTargetHealth", "tasks of service producer-book": "ecs:ListTasks", "deployment of service producer-book": "ecs:ListServiceDeployments",
		"security groups": "ec2:DescribeSecurityGroups", "rules of security groups": "ec2:DescribeSecurityGroupRules", "route tables": "ec2:DescribeRouteTables", "network ACLs": "ec2:DescribeNetworkAcls",
		"VPC endpoints": "ec2:DescribeVpcEndpoints", "listener rule producer-book": "error",
	}
	if !maps.Equal(got, want) {
		t.Errorf("unknown is\n%v\nwant\n%v", got, want)
	}

	for name, test := range map[string]struct{ events, code, says string }{
		"no stack":           {"", "255", "no stack named dev found"},
		"nothing in it":      {"", "0", "stack dev has no resources"},
		"a provider alone":   {events([2]*apitype.StepEventStateMetadata{all[0], all[0]}), "0", "stack dev has no resources"},
		"that is no message": {"x\n", "0", "events of pulumi"},
	} {
		pulumi(t, test.events, test.code)
		if _, err := Read(t.Context(), Options{Stack: "dev", Endpoint: proxy.URL()}); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
	}
}

// What a refresh could not read is not taken for something that the program did not make, when it is seen in a list.
func TestUnreadIsNotForeign(t *testing.T) {
	r := &reader{set: &trace.Set{}}
	if _, err := r.take(strings.NewReader(failed(state(trace.RuleType, "producer-book", "arn:r", nil), denied))); err != nil {
		t.Fatal(err)
	}
	r.found(trace.RuleType, shape(elasticloadbalancingv2.DescribeRulesOutput{Rules: []elbtypes.Rule{
		{RuleArn: aws.String("arn:r"), Priority: aws.String("100")}, {RuleArn: aws.String("arn:other"), Priority: aws.String("5")},
		{RuleArn: aws.String("arn:default"), Priority: aws.String("default"), IsDefault: aws.Bool(true)},
	}}), trace.Values{"listenerArn": "arn:l"})
	r.put(trace.RuleType, "arn:r", "again", nil)
	r.unknown(missing{trace.RuleType, "arn:r", "again"}, "again")
	if got := r.set.Of(trace.RuleType); len(got) != 1 || got[0].Name != "priority 5" || got[0].Outputs.Number("priority") != 5 || got[0].Outputs.Text("listenerArn") != "arn:l" {
		t.Errorf("rules: %+v", got)
	}
	if got := r.set.Of(trace.UnknownType); len(got) != 1 || got[0].Name != "listener rule producer-book" {
		t.Errorf("unknown: %+v", got)
	}
}

// A name without an address is a fact; a resolver that does not work is none.
func TestNames(t *testing.T) {
	for works, want := range map[bool]string{true: trace.DNSType, false: trace.UnknownType} {
		r := &reader{ctx: t.Context(), set: &trace.Set{}, resolver: resolver{works}}
		r.ask(missing{trace.DNSType, "a", "DNS of a"}, func(ctx context.Context) error { return r.lookUp(ctx, "a", "b") })
		r.questions.Wait()
		if got := r.set.Of(""); len(got) != 1 || got[0].Type != want || works && got[0].Outputs.Text("error") != "no such host" {
			t.Errorf("works %v: %+v", works, got)
		}
	}
}

// What AWS says has the shape in which the provider gives it.
func TestShapes(t *testing.T) {
	for name, test := range map[string]struct {
		typ    string
		answer any
		want   string // some of the resource's outputs, in JSON
	}{
		"listener": {trace.ListenerType, elasticloadbalancingv2.DescribeListenersOutput{Listeners: []elbtypes.Listener{{
			ListenerArn: aws.String("arn:x"), LoadBalancerArn: aws.String("b"), Port: aws.Int32(443), Certificates: []elbtypes.Certificate{{CertificateArn: aws.String("c")}},
			DefaultActions: []elbtypes.Action{
				{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: aws.String("t"), ForwardConfig: &elbtypes.ForwardActionConfig{TargetGroups: []elbtypes.TargetGroupTuple{{TargetGroupArn: aws.String("t"), Weight: aws.Int32(1)}}}},
				{Type: elbtypes.ActionTypeEnumFixedResponse, FixedResponseConfig: &elbtypes.FixedResponseActionConfig{StatusCode: aws.String("404")}},
			},
		}}}, `{"arn":"arn:x","loadBalancerArn":"b","port":443,"certificateArn":"c","defaultActions":[{"type":"forward","targetGroupArn":"t","forward":{"targetGroups":[{"arn":"t","weight":1}]}},{"type":"fixed-response","fixedResponse":{"statusCode":"404"}}]}`},
		"rule": {trace.RuleType, elasticloadbalancingv2.DescribeRulesOutput{Rules: []elbtypes.Rule{{
			RuleArn: aws.String("arn:x"), Priority: aws.String("5"), Conditions: []elbtypes.RuleCondition{{Field: aws.String("path-pattern"), PathPatternConfig: &elbtypes.PathPatternConditionConfig{Values: []string{"/a*"}}}},
		}}}, `{"arn":"arn:x","priority":5,"conditions":[{"pathPattern":{"values":["/a*"]}}]}`},
		"load balancer": {trace.BalancerType, elasticloadbalancingv2.DescribeLoadBalancersOutput{LoadBalancers: []elbtypes.LoadBalancer{{
			LoadBalancerArn: aws.String("arn:x"), LoadBalancerName: aws.String("n"), SecurityGroups: []string{"g"}, AvailabilityZones: []elbtypes.AvailabilityZone{{SubnetId: aws.String("s")}},
		}}}, `{"arn":"arn:x","securityGroups":["g"],"subnets":["s"]}`},
		"target group": {trace.TargetGroupType, elasticloadbalancingv2.DescribeTargetGroupsOutput{TargetGroups: []elbtypes.TargetGroup{{TargetGroupArn: aws.String("arn:x"), Port: aws.Int32(80)}}},
			`{"arn":"arn:x","port":80}`},
		"certificate of a list": {trace.ListedType, elasticloadbalancingv2.DescribeListenerCertificatesOutput{Certificates: []elbtypes.Certificate{{CertificateArn: aws.String("c")}}},
			`{"listenerArn":"l","certificateArn":"c"}`},
		"certificate": {trace.CertificateType, acm.DescribeCertificateOutput{Certificate: &acmtypes.CertificateDetail{
			CertificateArn: aws.String("arn:x"), Status: acmtypes.CertificateStatusIssued, SubjectAlternativeNames: []string{"a"}, NotAfter: aws.Time(time.Unix(0, 0).UTC()),
		}}, `{"arn":"arn:x","status":"ISSUED","subjectAlternativeNames":["a"],"notAfter":"1970-01-01T00:00:00Z"}`},
		"integration": {trace.IntegrationType, apigatewayv2.GetIntegrationsOutput{Items: []apitypes.Integration{{
			IntegrationId: aws.String("arn:x"), TimeoutInMillis: aws.Int32(29000), TlsConfig: &apitypes.TlsConfig{ServerNameToVerify: aws.String("n")},
		}}}, `{"timeoutMilliseconds":29000,"tlsConfig":{"serverNameToVerify":"n"}}`},
		"egress rule": {trace.EgressType, ec2.DescribeSecurityGroupRulesOutput{SecurityGroupRules: []ec2types.SecurityGroupRule{
			{SecurityGroupRuleId: aws.String("in"), IsEgress: aws.Bool(false)},
			{SecurityGroupRuleId: aws.String("arn:x"), IsEgress: aws.Bool(true), GroupId: aws.String("g"), ReferencedGroupInfo: &ec2types.ReferencedSecurityGroup{GroupId: aws.String("h")}, IpProtocol: aws.String("tcp"), FromPort: aws.Int32(80)},
		}}, `{"securityGroupId":"g","referencedSecurityGroupId":"h","ipProtocol":"tcp","fromPort":80}`},
		"route table": {trace.RouteTableType, ec2.DescribeRouteTablesOutput{RouteTables: []ec2types.RouteTable{{RouteTableId: aws.String("arn:x"), VpcId: aws.String("v"), Associations: []ec2types.RouteTableAssociation{{Main: aws.Bool(true)}, {Main: aws.Bool(false), SubnetId: aws.String("s")}}, Routes: []ec2types.Route{
			{DestinationCidrBlock: aws.String("10.0.0.0/16"), GatewayId: aws.String("local"), State: ec2types.RouteStateActive}, {DestinationPrefixListId: aws.String("pl"), NatGatewayId: aws.String("n"), State: ec2types.RouteStateBlackhole},
		}}}}, `{"vpcId":"v","main":true,"subnetIds":["s"],"routes":[{"cidrBlock":"10.0.0.0/16","gatewayId":"local","state":"active"},{"destinationPrefixListId":"pl","natGatewayId":"n","state":"blackhole"}]}`},
		"network ACL": {trace.NetworkAclType, ec2.DescribeNetworkAclsOutput{NetworkAcls: []ec2types.NetworkAcl{{NetworkAclId: aws.String("arn:x"), VpcId: aws.String("v"), Associations: []ec2types.NetworkAclAssociation{{SubnetId: aws.String("s")}}, Entries: []ec2types.NetworkAclEntry{
			{Egress: aws.Bool(true), RuleNumber: aws.Int32(100), RuleAction: ec2types.RuleActionAllow, Protocol: aws.String("-1"), CidrBlock: aws.String("0.0.0.0/0")},
			{Egress: aws.Bool(false), RuleNumber: aws.Int32(50), RuleAction: ec2types.RuleActionDeny, Protocol: aws.String("6"), CidrBlock: aws.String("10.0.0.0/8"), PortRange: &ec2types.PortRange{From: aws.Int32(80), To: aws.Int32(81)}},
		}}}}, `{"vpcId":"v","subnetIds":["s"],"egress":[{"ruleNo":100,"action":"allow","protocol":"-1","cidrBlock":"0.0.0.0/0"}],"ingress":[{"ruleNo":50,"action":"deny","protocol":"6","cidrBlock":"10.0.0.0/8","fromPort":80,"toPort":81}]}`},
		"task": {trace.TaskType, ecs.DescribeTasksOutput{Tasks: []ecstypes.Task{{
			TaskArn: aws.String("arn:x"), LastStatus: aws.String("STOPPED"), StopCode: ecstypes.TaskStopCodeEssentialContainerExited, StoppedReason: aws.String("ended"),
			Containers: []ecstypes.Container{{Name: aws.String("book"), ExitCode: aws.Int32(0), Reason: aws.String("why")}},
		}}}, `{"status":"STOPPED","stopCode":"EssentialContainerExited","stoppedReason":"ended","containers":[{"name":"book","exitCode":0,"reason":"why"}]}`},
		"deployment": {trace.DeploymentType, ecs.DescribeServiceDeploymentsOutput{ServiceDeployments: []ecstypes.ServiceDeployment{{
			ServiceDeploymentArn: aws.String("arn:x"), Status: ecstypes.ServiceDeploymentStatusInProgress, TargetServiceRevision: &ecstypes.ServiceRevisionSummary{RunningTaskCount: 1, RequestedTaskCount: 2},
		}}}, `{"status":"IN_PROGRESS","running":1,"requested":2}`},
	} {
		var want any
		if err := json.Unmarshal([]byte(test.want), &want); err != nil {
			t.Fatal(err)
		}
		r := &reader{set: &trace.Set{}}
		r.found(test.typ, shape(test.answer), trace.Values{"listenerArn": "l"})
		all := r.set.Of(test.typ)
		if len(all) != 1 || all[0].ID != "arn:x" && all[0].ID != "l_c" || !within(map[string]any(all[0].Outputs), want) {
			t.Errorf("%s: %+v, want %s", name, all, test.want)
		}
	}
}

// Each page of an answer is taken, in EC2's words and in those of Elastic Load Balancing.
func TestPages(t *testing.T) {
	var tables, listeners []string
	err := pages(t.Context(), func(_ context.Context, in *ec2.DescribeRouteTablesInput, _ ...func(*ec2.Options)) (*ec2.DescribeRouteTablesOutput, error) {
		tables = append(tables, aws.ToString(in.NextToken))
		return &ec2.DescribeRouteTablesOutput{NextToken: map[int]*string{1: aws.String("a"), 2: aws.String("")}[len(tables)]}, nil
	}, &ec2.DescribeRouteTablesInput{}, func(trace.Values) {})
	refused := pages(t.Context(), func(_ context.Context, in *elasticloadbalancingv2.DescribeListenersInput, _ ...func(*elasticloadbalancingv2.Options)) (*elasticloadbalancingv2.DescribeListenersOutput, error) {
		if listeners = append(listeners, aws.ToString(in.LoadBalancerArn)+aws.ToString(in.Marker)); len(listeners) == 2 {
			return nil, os.ErrPermission
		}
		return &elasticloadbalancingv2.DescribeListenersOutput{NextMarker: aws.String("b")}, nil
	}, &elasticloadbalancingv2.DescribeListenersInput{LoadBalancerArn: aws.String("arn:")}, func(trace.Values) {})
	if err != nil || refused != os.ErrPermission || !slices.Equal(tables, []string{"", "a"}) || !slices.Equal(listeners, []string{"arn:", "arn:b"}) {
		t.Errorf("asked for %q, %q: %v, %v", tables, listeners, err, refused)
	}
}

// within tells whether all that is wanted is there, with its value.
func within(got, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		got, _ := got.(map[string]any)
		for key := range want {
			if !within(got[key], want[key]) {
				return false
			}
		}
		return true
	case []any:
		list, _ := got.([]any)
		return slices.EqualFunc(list, want, within)
	}
	return reflect.DeepEqual(got, want)
}

// What package trace follows must be read: by refresh, or as the facts that no resource holds.
func TestAllTypesAreRead(t *testing.T) {
	files, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`Type\s+= "(aws:[^"]+)"`).FindAllStringSubmatch(string(text), -1) {
			if seen++; !slices.Contains(trace.Types(), match[1]) {
				t.Errorf("%s follows %s, which is not read", file, match[1])
			}
		}
	}
	if seen < 20 {
		t.Errorf("found %d types", seen)
	}
}
