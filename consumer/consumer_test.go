package consumer

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/setting"
	"private-api/internal/testkit"
)

const keyARN = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// valid are arguments with everything at its default.
func valid() *Args {
	a := DefaultArgs()
	a.VpcLinkID, a.ListenerArn = pulumi.String("link"), pulumi.String("listener")
	a.Services = []Service{{Name: "book-club", Path: "/api/clubs"}, {Name: "alpha", Path: "/alpha"}}
	a.Bastion.AvailabilityZones = []string{"us-west-2a", "us-west-2b"}
	return a
}

// everythingOn are valid arguments with no setting at its default.
func everythingOn() *Args {
	a := valid()
	a.Region, a.Profile, a.LogRetentionDays, a.IntegrationTimeout = "eu-central-1", "work", 7, 10
	a.FlowLogs, a.KmsKeyArn = true, pulumi.String(keyARN)
	a.ServerName = "alb.example.com"
	a.Throttle = Throttle{Burst: 50, Rate: 20}
	a.CORS = CORS{AllowOrigins: []string{"https://www.example.com"}, AllowMethods: []string{"GET"}, AllowHeaders: []string{"authorization"}, MaxAge: 60}
	a.Authorization, a.JWT = AuthorizationJWT, JWT{Issuer: "https://issuer.example.com", Audiences: []string{"api"}}
	a.ServerName = "alb.example.com"
	a.Domain = &Domain{Name: "api.example.com", CertificateArn: pulumi.String("arn:aws:acm:eu-central-1:123456789012:certificate/1"), ZoneID: pulumi.String("Z1")}
	a.PublicHealth = true
	a.Bastion.VpcCidr, a.Bastion.SSH = "10.9.0.0/20", SSH{KeyName: "me", Cidrs: []string{"203.0.113.0/24", "198.51.100.7/32"}}
	return a
}

// deploy makes a consumer of the arguments on mocks.
func deploy(t *testing.T, args *Args) *testkit.Recorder {
	t.Helper()
	r := &testkit.Recorder{}
	if err := tryDeploy(r, args); err != nil {
		t.Fatal(err)
	}
	return r
}

func tryDeploy(r *testkit.Recorder, args *Args) error {
	return r.Run(func(ctx *pulumi.Context) error {
		c, err := New(ctx, "front", args)
		if err == nil && args.Bastion.Enabled {
			ctx.Export("connect", c.BastionConnect)
			ctx.Export("urls", c.ServiceURLs)
		}
		return err
	}, nil)
}

// Every input and option of every resource, at the defaults and with everything on.
func TestResources(t *testing.T) {
	for name, args := range map[string]*Args{"default": valid(), "everything": everythingOn()} {
		t.Run(name, func(t *testing.T) { testkit.Golden(t, "testdata/"+name+".yaml", deploy(t, args).Golden()) })
	}
}

// Each way to authorize, and the routes that it takes.
func TestAuthorization(t *testing.T) {
	cors := CORS{AllowOrigins: []string{"https://www.example.com"}, AllowMethods: []string{"GET"}}
	jwt := JWT{Issuer: "https://issuer.example.com", Audiences: []string{"api"}}
	for _, test := range []struct {
		authorization string
		jwt           JWT
		cors          CORS
		publicHealth  bool
		routes        []string
	}{
		{AuthorizationNone, JWT{}, CORS{}, false, []string{"ANY /{proxy+} NONE"}},
		{AuthorizationIAM, JWT{}, CORS{}, false, []string{"ANY /{proxy+} AWS_IAM"}},
		{AuthorizationJWT, jwt, CORS{}, false, []string{"ANY /{proxy+} JWT"}},
		{AuthorizationNone, JWT{}, cors, false, []string{"ANY /{proxy+} NONE"}},
		{AuthorizationIAM, JWT{}, cors, false, []string{"ANY /{proxy+} AWS_IAM", "OPTIONS /{proxy+} NONE"}},
		{AuthorizationJWT, jwt, cors, false, []string{"ANY /{proxy+} JWT", "OPTIONS /{proxy+} NONE"}},
		{AuthorizationNone, JWT{}, CORS{}, true, []string{"ANY /{proxy+} NONE"}},
		{AuthorizationIAM, JWT{}, CORS{}, true, []string{"ANY /{proxy+} AWS_IAM", "GET /alpha/health NONE", "GET /api/clubs/health NONE"}},
		{AuthorizationJWT, jwt, cors, true, []string{"ANY /{proxy+} JWT", "GET /alpha/health NONE", "GET /api/clubs/health NONE", "OPTIONS /{proxy+} NONE"}},
	} {
		a := valid()
		a.Authorization, a.JWT, a.CORS, a.PublicHealth = test.authorization, test.jwt, test.cors, test.publicHealth
		r := deploy(t, a)
		target := "integrations/" + r.Get(t, "apigatewayv2.Integration front").ID
		var got []string
		for _, route := range r.All("apigatewayv2.Route") {
			got = append(got, fmt.Sprintf("%v %v", route.Input("routeKey"), route.Input("authorizationType")))
			if wants := route.Input("authorizationType") == "JWT"; wants != (route.Input("authorizerId") != nil) {
				t.Errorf("%s: authorizer %v", route, route.Input("authorizerId"))
			}
			if route.Input("target") != target {
				t.Errorf("%s leads to %v, want %s", route, route.Input("target"), target)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, test.routes) {
			t.Errorf("%s with CORS %v, public health %v: routes %q, want %q", test.authorization, test.cors.enabled(), test.publicHealth, got, test.routes)
		}
		if got := len(r.All("apigatewayv2.Authorizer")); (got == 1) != (test.authorization == AuthorizationJWT) {
			t.Errorf("%s: %d authorizers", test.authorization, got)
		}
	}
}

// The rows of the security controls that hold in every stack.
func TestControls(t *testing.T) {
	r := deploy(t, valid())
	bastion := r.Get(t, "ec2.Instance front-bastion")
	for _, test := range []struct {
		controls, input string
		want            any
	}{
		{"EC2.8 CKV_AWS_79 AVD-AWS-0028", "metadataOptions.httpTokens", "required"},
		{"EC2.3 CKV_AWS_8 AVD-AWS-0131", "rootBlockDevice.encrypted", true},
		{"CKV_AWS_135", "ebsOptimized", true},
		{"new URLs, new first boot", "userDataReplaceOnChange", true},
	} {
		if got := bastion.Input(test.input); got != test.want {
			t.Errorf("%s: the bastion has %s %v, want %v", test.controls, test.input, got, test.want)
		}
	}
	if bastion.Input("iamInstanceProfile") == nil {
		t.Error("CKV2_AWS_41: the bastion has no instance profile")
	}
	if attached := r.All("iam.RolePolicyAttachment"); len(attached) != 1 || !strings.HasSuffix(attached[0].Input("policyArn").(string), "/AmazonSSMManagedInstanceCore") {
		t.Errorf("cdk-nag IAM4: managed policies: %v", attached)
	}
	if trust := r.Get(t, "iam.Role front-bastion").Input("assumeRolePolicy").(string); !strings.Contains(trust, `"Service":"ec2.amazonaws.com"`) {
		t.Errorf("the role of the bastion trusts %s", trust)
	}
	if got := len(r.All("ec2.DefaultSecurityGroup")); got != 1 {
		t.Errorf("EC2.2 CKV2_AWS_12 AVD-AWS-0173: %d default security groups are emptied, of one VPC", got)
	}
	for _, made := range append(r.All("ec2.SecurityGroup"), r.All("vpc.SecurityGroupEgressRule")...) {
		if text, _ := made.Input("description").(string); text == "" {
			t.Errorf("CKV_AWS_23: %s has no description", made)
		}
	}
	if got := r.Get(t, "cloudwatch.LogGroup front").Input("retentionInDays"); got != 30. {
		t.Errorf("CloudWatch.16: the access log is kept for %v days", got)
	}

	stage := r.Get(t, "apigatewayv2.Stage front") // APIGateway.9 CKV_AWS_76 AVD-AWS-0001 APIGWDefaultThrottling
	var fields map[string]string
	if err := json.Unmarshal([]byte(stage.Input("accessLogSettings.format").(string)), &fields); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"requestId", "sourceIp", "status", "integrationStatus", "integrationLatency", "integrationError", "authorizerError"} {
		if !strings.HasPrefix(fields[field], "$context.") {
			t.Errorf("access log: %s is %q", field, fields[field])
		}
	}
	if stage.Input("defaultRouteSettings.throttlingBurstLimit") != 200. || stage.Input("defaultRouteSettings.throttlingRateLimit") != 100. {
		t.Errorf("throttling: %v", stage.Input("defaultRouteSettings"))
	}
	if group := stage.Input("accessLogSettings.destinationArn").(string); !strings.Contains(group, ":log-group:/aws/vendedlogs/") {
		t.Errorf("access log group %s", group)
	}
}

// Flow logs come with the bastion's VPC, and a customer managed key encrypts all log groups.
func TestLogs(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		groups []string
		flows  int
	}{
		"default":                     {func(*Args) {}, []string{"front <nil>"}, 0},
		"flow logs":                   {func(a *Args) { a.FlowLogs = true }, []string{"front <nil>", "front-flow-logs <nil>"}, 1},
		"flow logs without a bastion": {func(a *Args) { a.FlowLogs, a.Bastion.Enabled = true, false }, []string{"front <nil>"}, 0},
		"customer managed key":        {func(a *Args) { a.FlowLogs, a.KmsKeyArn = true, pulumi.String(keyARN) }, []string{"front " + keyARN, "front-flow-logs " + keyARN}, 1},
	} {
		a := valid()
		test.change(a)
		r := deploy(t, a)
		var groups []string
		for _, group := range r.All("cloudwatch.LogGroup") {
			groups = append(groups, fmt.Sprint(group.Name, " ", group.Input("kmsKeyId")))
		}
		slices.Sort(groups)
		flows := r.All("ec2.FlowLog")
		if !slices.Equal(groups, test.groups) || len(flows) != test.flows {
			t.Errorf("%s: log groups %q, want %q; %d flow logs, want %d", name, groups, test.groups, len(flows), test.flows)
		}
		for _, flow := range flows {
			if got, want := flow.Input("vpcId"), r.Get(t, "awsx.Vpc front").Outputs["vpcId"].StringValue(); got != want {
				t.Errorf("%s: flow logs of %v, want %s", name, got, want)
			}
		}
	}
}

// What comes into the bastion and goes out of it.
func TestSecurityGroup(t *testing.T) {
	for _, test := range []struct {
		args *Args
		in   []any
	}{{valid(), nil}, {everythingOn(), []any{"198.51.100.7/32", "203.0.113.0/24"}}} {
		r := deploy(t, test.args)
		var in []any
		for _, rule := range r.All("vpc.SecurityGroupIngressRule") {
			in = append(in, rule.Input("cidrIpv4"))
			if rule.Input("fromPort") != 22. || rule.Input("toPort") != 22. || rule.Input("ipProtocol") != "tcp" {
				t.Errorf("%s: %v", rule, rule.Inputs)
			}
		}
		slices.SortFunc(in, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		if !slices.Equal(in, test.in) {
			t.Errorf("in come %v, want %v", in, test.in)
		}
		out := r.All("vpc.SecurityGroupEgressRule")
		if len(out) != 1 || out[0].Input("cidrIpv4") != "0.0.0.0/0" || out[0].Input("fromPort") != 443. || out[0].Input("toPort") != 443. {
			t.Errorf("out go %v", out)
		}
	}
}

// What AWS wants in order and Pulumi cannot see, each with what happens without.
func TestDependenciesThatAWSNeeds(t *testing.T) {
	r := deploy(t, everythingOn())
	bastion := r.Get(t, "ec2.Instance front-bastion")
	for need, without := range map[string]string{
		"awsx.Vpc front":                                                 "the first boot reaches nothing",
		"iam.RolePolicyAttachment front-bastion":                         "the agent starts without permission and does not register",
		"vpc.SecurityGroupEgressRule front-bastion-to-https":             "the first boot can neither install nor register",
		"vpc.SecurityGroupIngressRule front-bastion-ssh-203.0.113.0-24":  "the new bastion cannot be reached",
		"vpc.SecurityGroupIngressRule front-bastion-ssh-198.51.100.7-32": "the new bastion cannot be reached",
	} {
		if !slices.Contains(bastion.Dependencies, r.Get(t, need).URN) {
			t.Errorf("the bastion does not depend on %s; without: %s", need, without)
		}
	}
}

// A newer Amazon Linux is no reason to replace a bastion, but one that the user names is.
func TestBastionImage(t *testing.T) {
	for ami, ignored := range map[string][]string{"": {"ami"}, "ami-0123456789abcdef0": nil} {
		a := valid()
		a.Bastion.AMI = ami
		r := deploy(t, a)
		bastion := r.Get(t, "ec2.Instance front-bastion")
		if ami != "" && bastion.Input("ami") != ami || !slices.Equal(bastion.IgnoreChanges, ignored) {
			t.Errorf("bastionAmi %q: the bastion has %v and ignores changes of %v", ami, bastion.Input("ami"), bastion.IgnoreChanges)
		}
	}
}

// limits of the settings, lowest and highest, as AWS documents them.
var limits = map[string]struct {
	lowest, highest int
	field           func(*Args) *int
}{
	"integrationTimeoutSeconds": {1, 30, func(a *Args) *int { return &a.IntegrationTimeout }},
	"throttle.burst":            {1, 5000, func(a *Args) *int { return &a.Throttle.Burst }},
	"throttle.rate":             {1, 10000, func(a *Args) *int { return &a.Throttle.Rate }},
	"cors.maxAgeSeconds":        {0, 86400, func(a *Args) *int { return &a.CORS.MaxAge }},
}

func TestLimits(t *testing.T) {
	for key, limit := range limits {
		for value, allowed := range map[int]bool{limit.lowest - 1: false, limit.lowest: true, limit.highest: true, limit.highest + 1: false} {
			a := valid()
			*limit.field(a) = value
			err := a.Validate().Err()
			if (err == nil) != allowed {
				t.Errorf("%s: %d: %v", key, value, err)
			}
			if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("%s: %d is not allowed", key, value)) {
				t.Errorf("%s: %d: the message is %v", key, value, err)
			}
		}
	}
	var check func([]setting.Declaration)
	check = func(declarations []setting.Declaration) {
		for _, d := range declarations {
			if _, tested := limits[d.Key]; !tested && regexp.MustCompile(`^\d+ to \d+`).MatchString(d.Allowed) {
				t.Errorf("the limits of %s are not tested", d.Key)
			}
			check(d.Fields)
		}
	}
	check(setting.Defaults(DefaultArgs()))
}

// Each row is one change of valid arguments; want is "" if they stay valid.
func TestRefusals(t *testing.T) {
	jwt := func(a *Args) {
		a.Authorization, a.JWT = AuthorizationJWT, JWT{Issuer: "https://issuer.example.com", Audiences: []string{"api"}}
	}
	for _, test := range []struct {
		name   string
		change func(*Args)
		want   string
	}{
		{"nothing", func(a *Args) {}, ""},
		{"everything on", func(a *Args) { *a = *everythingOn() }, ""},
		{"retention", func(a *Args) { a.LogRetentionDays = 10 }, "logRetentionDays: 10 is not allowed: one of 1, 3, 5, 7,"},
		{"region", func(a *Args) { a.Region = "Oregon" }, `aws:region: "Oregon" is not allowed`},
		{"origin without a scheme", func(a *Args) { a.CORS.AllowOrigins = []string{"www.example.com"} }, `cors.allowOrigins: "www.example.com" is not allowed: origins such as`},
		{"origin with a path", func(a *Args) { a.CORS.AllowOrigins = []string{"https://www.example.com/"} }, `cors.allowOrigins: "https://www.example.com/" is not allowed`},
		{"header with a value", func(a *Args) { a.CORS.AllowHeaders = []string{"x-me: 1"} }, `cors.allowHeaders: "x-me: 1" is not allowed: different names of headers`},
		{"empty header", func(a *Args) { a.CORS.AllowHeaders = []string{""} }, `cors.allowHeaders: "" is not allowed`},
		{"header twice", func(a *Args) { a.CORS.AllowHeaders = []string{"x-me", "x-me"} }, `cors.allowHeaders: "x-me" is not allowed`},
		{"any header", func(a *Args) { a.CORS.AllowHeaders = []string{"*"} }, ""},
		{"any origin", func(a *Args) { a.CORS.AllowOrigins = []string{"*"} }, ""},
		{"method", func(a *Args) { a.CORS.AllowMethods = []string{"get"} }, `cors.allowMethods: "get" is not allowed: one of *, DELETE`},
		{"authorization", func(a *Args) { a.Authorization = "basic" }, `authorization: "basic" is not allowed: one of none, iam, jwt`},
		{"jwt", jwt, ""},
		{"jwt without an issuer", func(a *Args) { jwt(a); a.JWT.Issuer = "" }, `jwt.issuer: is missing: the https URL of the token's issuer, as authorization is "jwt"`},
		{"jwt without an audience", func(a *Args) { jwt(a); a.JWT.Audiences = nil }, "jwt.audiences: is missing: one audience or more"},
		{"jwt issuer over http", func(a *Args) { jwt(a); a.JWT.Issuer = "http://issuer.example.com" }, `jwt.issuer: "http://issuer.example.com" is not allowed: the https URL`},
		{"issuer without jwt", func(a *Args) { a.JWT.Issuer = "https://issuer.example.com" }, `jwt.issuer: "https://issuer.example.com" is not allowed: nothing while authorization is "none"`},
		{"audience without jwt", func(a *Args) { a.JWT.Audiences = []string{"api"} }, `jwt.audiences: ["api"] is not allowed: nothing while authorization is "none"`},
		{"largest range", func(a *Args) { a.Bastion.VpcCidr = "10.1.0.0/16" }, ""},
		{"too large a range", func(a *Args) { a.Bastion.VpcCidr = "10.0.0.0/15" }, `consumerVpcCidr: "10.0.0.0/15" is not allowed: an IPv4 range between /16 and /23`},
		{"smallest range", func(a *Args) { a.Bastion.VpcCidr = "10.1.0.0/23" }, ""},
		{"too small a range", func(a *Args) { a.Bastion.VpcCidr = "10.1.0.0/24" }, `consumerVpcCidr: "10.1.0.0/24" is not allowed: an IPv4 range between /16 and /23`},
		{"loopback", func(a *Args) { a.Bastion.VpcCidr = "127.0.0.0/16" }, `consumerVpcCidr: "127.0.0.0/16" is not allowed`},
		{"multicast", func(a *Args) { a.Bastion.VpcCidr = "224.1.0.0/16" }, `consumerVpcCidr: "224.1.0.0/16" is not allowed`},
		{"SSH from loopback", func(a *Args) { a.Bastion.SSH = SSH{"me", []string{"127.0.0.1/32"}} }, `ssh.cidrs: "127.0.0.1/32" is not allowed`},
		{"SSH from link-local", func(a *Args) { a.Bastion.SSH = SSH{"me", []string{"169.254.0.0/24"}} }, `ssh.cidrs: "169.254.0.0/24" is not allowed`},
		{"SSH from multicast", func(a *Args) { a.Bastion.SSH = SSH{"me", []string{"224.0.0.0/8"}} }, `ssh.cidrs: "224.0.0.0/8" is not allowed`},
		{"no bastion, no range", func(a *Args) { a.Bastion = Bastion{VpcCidr: "x"} }, ""},
		{"SSH from everywhere", func(a *Args) { a.Bastion.SSH = SSH{"me", []string{"0.0.0.0/0"}} }, `ssh.cidrs: "0.0.0.0/0" is not allowed: different IPv4 ranges of /8 or smaller`},
		{"SSH from half of it", func(a *Args) { a.Bastion.SSH = SSH{"me", []string{"128.0.0.0/7"}} }, `ssh.cidrs: "128.0.0.0/7" is not allowed`},
		{"widest SSH", func(a *Args) { a.Bastion.SSH = SSH{"me", []string{"11.0.0.0/8"}} }, ""},
		{"SSH range twice", func(a *Args) { a.Bastion.SSH = SSH{"me", []string{"11.0.0.0/8", "11.0.0.0/8"}} }, `ssh.cidrs: "11.0.0.0/8" is not allowed`},
		{"SSH key alone", func(a *Args) { a.Bastion.SSH = SSH{KeyName: "me"} }, "ssh.cidrs: is missing: the ranges that may open SSH"},
		{"SSH range alone", func(a *Args) { a.Bastion.SSH = SSH{Cidrs: []string{"203.0.113.0/24"}} }, "ssh.keyName: is missing: the name of an EC2 key pair"},
		{"AMI", func(a *Args) { a.Bastion.AMI = "ami-0123456789abcdef0" }, ""},
		{"old AMI", func(a *Args) { a.Bastion.AMI = "ami-12345678" }, ""},
		{"parameter as an AMI", func(a *Args) { a.Bastion.AMI = amiParameter }, `bastionAmi: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64" is not allowed: the id of an AMI`},
		{"AMI that was cut short", func(a *Args) { a.Bastion.AMI = "ami-0123456789abcdef" }, `bastionAmi: "ami-0123456789abcdef" is not allowed`},
		{"AMI without bastion", func(a *Args) { a.Bastion = Bastion{AMI: "ami-0123456789abcdef0"} }, "bastion: false is not allowed: true, as bastionAmi is set"},
		{"SSH without bastion", func(a *Args) { a.Bastion = Bastion{SSH: SSH{KeyName: "me"}} }, "bastion: false is not allowed: true, as ssh.keyName"},
	} {
		a := valid()
		test.change(a)
		err := a.Validate().Err()
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: the message has no %q: %v", test.name, test.want, err)
		}
	}
}

func TestBadArgumentsRegisterNothing(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"settings": {func(a *Args) { a.IntegrationTimeout, a.Throttle.Rate, a.Bastion.VpcCidr = 31, 0, "10.1.0.0/28" },
			[]string{"integrationTimeoutSeconds: 31", "throttle.rate: 0", `consumerVpcCidr: "10.1.0.0/28"`}},
		"no producer": {func(a *Args) { a.VpcLinkID, a.ListenerArn = nil, nil }, []string{"VpcLinkID: is missing", "ListenerArn: is missing"}},
		"one zone":    {func(a *Args) { a.Bastion.AvailabilityZones = []string{"a"} }, []string{`Bastion.AvailabilityZones: ["a"] is not allowed: two different zones`}},
		"zone twice":  {func(a *Args) { a.Bastion.AvailabilityZones = []string{"a", "a"} }, []string{`Bastion.AvailabilityZones: ["a","a"] is not allowed`}},
		"no Args":     {func(a *Args) { *a = Args{} }, []string{"aws:region: is missing", "VpcLinkID: is missing", "throttle.burst: 0", "authorization: is missing", "logRetentionDays: 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := valid()
			test.change(a)
			r := &testkit.Recorder{}
			err := tryDeploy(r, a)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the message has no %q: %v", want, err)
				}
			}
			if made := r.List(); len(made) > 0 {
				t.Errorf("made: %q", made)
			}
		})
	}
}
