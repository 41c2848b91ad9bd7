package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"private-api/internal/policy"
	"private-api/internal/testkit"
	"private-api/producer"
)

// edges lists every rule of every security group: "out alb -> book tcp 8080".
func edges(t *testing.T, r *testkit.Recorder) []string {
	t.Helper()
	names := map[any]string{}
	for _, g := range r.All("ec2.SecurityGroup") {
		names[g.ID] = g.Name
	}
	for _, e := range r.All("ec2.VpcEndpoint") {
		if list := e.Outputs["prefixListId"]; list.IsString() {
			names[list.StringValue()] = e.Name + " (prefix list)"
		}
	}
	peer := func(rule *testkit.Resource) string {
		for _, key := range []string{"referencedSecurityGroupId", "prefixListId", "cidrIpv4", "cidrIpv6"} {
			if v := rule.Input(key); v != nil {
				if name, ok := names[v]; ok {
					return name
				}
				return fmt.Sprint(v)
			}
		}
		return "nothing"
	}
	var out []string
	for kind, format := range map[string]string{"vpc.SecurityGroupIngressRule": "in %[1]s <- %[2]s %[3]v %[4]v", "vpc.SecurityGroupEgressRule": "out %[1]s -> %[2]s %[3]v %[4]v"} {
		for _, rule := range r.All(kind) {
			if rule.Input("fromPort") != rule.Input("toPort") {
				t.Errorf("%s opens a range of ports", rule)
			}
			out = append(out, fmt.Sprintf(format, names[rule.Input("securityGroupId")], peer(rule), rule.Input("ipProtocol"), rule.Input("fromPort")))
		}
	}
	for _, g := range append(r.All("ec2.SecurityGroup"), r.All("ec2.DefaultSecurityGroup")...) {
		if g.Input("ingress") != nil || g.Input("egress") != nil {
			t.Errorf("%s has rules of its own", g)
		}
	}
	slices.Sort(out)
	return out
}

func TestSecurityGroups(t *testing.T) {
	base := []string{
		"out producer-link -> producer-alb tcp 80", "in producer-alb <- producer-link tcp 80",
		"out producer-alb -> producer-book tcp 8080", "in producer-book <- producer-alb tcp 8080",
		"out producer-alb -> producer-author tcp 8080", "in producer-author <- producer-alb tcp 8080",
		"out consumer-bastion -> 0.0.0.0/0 tcp 443",
	}
	nat := []string{"out producer-book -> 0.0.0.0/0 tcp 443", "out producer-author -> 0.0.0.0/0 tcp 443"}
	for _, test := range []struct {
		name     string
		settings map[string]string
		services []producer.Service
		want     []string
	}{
		{"default", nil, nil, slices.Concat(base, nat)},
		{"endpoints", map[string]string{"egress": "endpoints"}, nil, slices.Concat(base, []string{
			"out producer-book -> producer-endpoints tcp 443", "in producer-endpoints <- producer-book tcp 443", "out producer-book -> producer-s3 (prefix list) tcp 443",
			"out producer-author -> producer-endpoints tcp 443", "in producer-endpoints <- producer-author tcp 443", "out producer-author -> producer-s3 (prefix list) tcp 443",
		})},
		{"SSH", map[string]string{"sshKeyName": "me", "sshCidrs": `["203.0.113.0/24","198.51.100.7/32"]`}, nil, slices.Concat(base, nat, []string{
			"in consumer-bastion <- 203.0.113.0/24 tcp 22", "in consumer-bastion <- 198.51.100.7/32 tcp 22",
		})},
		{"author calls book", nil, []producer.Service{
			{Name: "book", Path: "/api/books", Priority: 100, AllowFrom: []string{"author"}},
			{Name: "author", Path: "/api/authors", Priority: 200},
		}, slices.Concat(base, nat, []string{"out producer-author -> producer-book tcp 8080", "in producer-book <- producer-author tcp 8080"})},
		{"port of a service", nil, []producer.Service{
			{Name: "book", Path: "/api/books", Priority: 100, Port: 9000},
			{Name: "author", Path: "/api/authors", Priority: 200},
		}, []string{
			"out producer-link -> producer-alb tcp 80", "in producer-alb <- producer-link tcp 80",
			"out producer-alb -> producer-book tcp 9000", "in producer-book <- producer-alb tcp 9000",
			"out producer-alb -> producer-author tcp 8080", "in producer-author <- producer-alb tcp 8080",
			"out consumer-bastion -> 0.0.0.0/0 tcp 443", nat[0], nat[1],
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &testkit.Recorder{}
			if err := deployOn(r, Program{Root: root, Services: test.services}, test.settings); err != nil {
				t.Fatal(err)
			}
			same(t, "rules", edges(t, r), test.want)
		})
	}
}

// statements parses a policy document.
func statements(t *testing.T, document any) []policy.Statement {
	t.Helper()
	var d struct {
		Version   string
		Statement []policy.Statement
	}
	if err := json.Unmarshal([]byte(document.(string)), &d); err != nil {
		t.Fatalf("%v: %v", err, document)
	}
	return d.Statement
}

func TestRoles(t *testing.T) {
	secret := "arn:aws:secretsmanager:us-west-2:123456789012:secret:db-AbCdEf"
	parameter := "arn:aws:ssm:us-west-2:123456789012:parameter/token"
	r := &testkit.Recorder{}
	err := deployOn(r, Program{Root: root, Services: []producer.Service{
		{Name: "book", Path: "/api/books", Priority: 100, Secrets: map[string]string{"TOKEN": parameter, "PASSWORD": secret + ":password::"},
			TaskPolicy: []policy.Statement{{Action: []string{"s3:GetObject"}, Resource: []string{"arn:aws:s3:::covers/*"}}}},
		{Name: "author", Path: "/api/authors", Priority: 200},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, p := range r.All("iam.RolePolicy") {
		for _, s := range statements(t, p.Input("policy")) {
			if s.Effect != "Allow" {
				t.Errorf("%s: effect %s", p, s.Effect)
			}
			for _, action := range s.Action {
				got[p.Name] = append(got[p.Name], action+" "+strings.Join(s.Resource, " "))
			}
		}
	}
	execution := func(service string, more ...string) []string {
		repository := r.Get(t, "ecr.Repository producer-"+service).Outputs["arn"].StringValue()
		logs := r.Get(t, "cloudwatch.LogGroup producer-"+service).Outputs["arn"].StringValue() + ":*"
		return append([]string{
			"ecr:GetAuthorizationToken *",
			"ecr:BatchCheckLayerAvailability " + repository, "ecr:BatchGetImage " + repository, "ecr:GetDownloadUrlForLayer " + repository,
			"logs:CreateLogStream " + logs, "logs:PutLogEvents " + logs,
		}, more...)
	}
	want := map[string][]string{
		"producer-author-execution": execution("author"),
		"producer-book-execution":   execution("book", "secretsmanager:GetSecretValue "+secret, "ssm:GetParameters "+parameter),
		"producer-book-task":        {"s3:GetObject arn:aws:s3:::covers/*"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("policies:\n%v\nwant\n%v", got, want)
	}
	for _, role := range r.All("iam.Role") {
		s := statements(t, role.Input("assumeRolePolicy"))
		if len(s) != 1 || !slices.Equal(s[0].Action, []string{"sts:AssumeRole"}) {
			t.Fatalf("%s: trust %v", role, s)
		}
		if role.Name == "consumer-bastion" {
			if s[0].Principal["Service"] != "ec2.amazonaws.com" {
				t.Errorf("%s: trusts %v", role, s[0].Principal)
			}
			continue
		}
		if s[0].Principal["Service"] != "ecs-tasks.amazonaws.com" || s[0].Condition["StringEquals"]["aws:SourceAccount"] != "123456789012" {
			t.Errorf("%s: trusts %v where %v", role, s[0].Principal, s[0].Condition)
		}
	}
	// A role of its own for each purpose of each service.
	task := r.Get(t, "ecs.TaskDefinition producer-book")
	if task.Input("executionRoleArn") == task.Input("taskRoleArn") {
		t.Error("the task runs with its execution role")
	}
	attached := r.All("iam.RolePolicyAttachment")
	if len(attached) != 1 || !strings.HasSuffix(attached[0].Input("policyArn").(string), "/AmazonSSMManagedInstanceCore") {
		t.Errorf("managed policies: %v", attached)
	}
}

func TestContainerDefinitions(t *testing.T) {
	r := deploy(t, map[string]string{"services": `{"book":{"environment":{"MODE":"quiet"},"secrets":{"TOKEN":"arn:aws:ssm:us-west-2:123456789012:parameter/token"}}}`})
	for _, service := range []string{"book", "author"} {
		task := r.Get(t, "ecs.TaskDefinition producer-"+service)
		digest := r.Exports["imageDigests"].(map[string]string)[service]
		got := task.Input("containerDefinitions").(string)
		// What changes with every change of the code or the stand-in's ids is not the golden file's business.
		got = strings.ReplaceAll(got, digest, "sha256:DIGEST")
		got = strings.ReplaceAll(got, r.Get(t, "ecr.Repository producer-"+service).Outputs["repositoryUrl"].StringValue(), "REPOSITORY")
		var parsed, want any
		if err := json.Unmarshal([]byte(got), &parsed); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", service+".json")
		if os.Getenv("UPDATE") != "" {
			b, _ := json.MarshalIndent(parsed, "", "  ")
			if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(parsed, want) {
			t.Errorf("%s:\n%s\nwant\n%s", service, got, b)
		}
	}
}

// What AWS wants in order and Pulumi cannot see, each with what happens without.
func TestDependenciesThatAWSNeeds(t *testing.T) {
	r := deploy(t, nil)
	endpoints := deploy(t, map[string]string{"egress": "endpoints"})
	for _, test := range []struct {
		in       *testkit.Recorder
		resource string
		needs    []string
		without  string
	}{
		{r, "ecs.Service producer-book", []string{"awsx.Vpc producer"}, "tasks start before the NAT route, cannot pull, and the breaker fails the deployment"},
		{r, "ecs.Service producer-book", []string{"lb.ListenerRule producer-book"}, "CreateService: the target group has no load balancer"},
		{r, "ecs.Service producer-book", []string{"cloudwatch.LogGroup producer-book"}, "tasks cannot log and do not start"},
		{r, "ecs.Service producer-book", []string{"iam.RolePolicy producer-book-execution"}, "tasks may not pull"},
		{r, "ecs.Service producer-book", []string{"ecs.ClusterCapacityProviders producer"}, "CreateService: capacity provider not found"},
		{r, "ecs.Service producer-book", []string{"vpc.SecurityGroupEgressRule producer-book-to-https", "vpc.SecurityGroupIngressRule producer-alb-to-producer-book", "vpc.SecurityGroupEgressRule producer-alb-to-producer-book"}, "tasks cannot pull, or never become healthy"},
		{endpoints, "ecs.Service producer-book", []string{"ec2.VpcEndpoint producer-s3", "ec2.VpcEndpoint producer-ecr-api", "ec2.VpcEndpoint producer-ecr-dkr", "ec2.VpcEndpoint producer-logs", "vpc.SecurityGroupIngressRule producer-book-to-producer-endpoints", "vpc.SecurityGroupEgressRule producer-book-to-s3"}, "tasks cannot pull"},
		{r, "ecs.TaskDefinition producer-book", []string{"docker.Image producer-book"}, "tasks start before the image is pushed"},
		{r, "ec2.Instance consumer-bastion", []string{"awsx.Vpc consumer", "iam.RolePolicyAttachment consumer-bastion", "vpc.SecurityGroupEgressRule consumer-bastion-to-https"}, "the first boot can neither install nor register"},
		{r, "apigatewayv2.VpcLink producer", []string{"vpc.SecurityGroupEgressRule producer-link-to-producer-alb", "vpc.SecurityGroupIngressRule producer-link-to-producer-alb"}, "the first requests time out"},
		{r, "apigatewayv2.Integration consumer", []string{"apigatewayv2.VpcLink producer", "lb.Listener producer"}, "at destroy, the link is still in use"},
	} {
		dependent := test.in.Get(t, test.resource)
		for _, need := range test.needs {
			if !slices.Contains(dependent.Dependencies, test.in.Get(t, need).URN) {
				t.Errorf("%s does not depend on %s; without: %s", test.resource, need, test.without)
			}
		}
	}
	if got := r.Get(t, "ecs.Service producer-book").CustomTimeouts; !maps.Equal(got, map[string]string{"create": "10m", "update": "10m"}) {
		t.Errorf("the wait for a deployment is bounded by %v", got)
	}
	if got := r.Get(t, "ec2.Instance consumer-bastion").IgnoreChanges; !slices.Equal(got, []string{"ami"}) {
		t.Errorf("the bastion ignores changes of %v", got)
	}
}

// The rows of the security controls that hold in every stack.
func TestControls(t *testing.T) {
	r := deploy(t, nil)
	for _, test := range []struct {
		controls, resource, input string
		want                      any
	}{
		{"EC2.8 CKV_AWS_79 AVD-AWS-0028", "ec2.Instance", "metadataOptions.httpTokens", "required"},
		{"EC2.3 CKV_AWS_8 AVD-AWS-0131", "ec2.Instance", "rootBlockDevice.encrypted", true},
		{"CKV_AWS_135", "ec2.Instance", "ebsOptimized", true},
		{"ELB.4 CKV_AWS_131 AVD-AWS-0052", "lb.LoadBalancer", "dropInvalidHeaderFields", true},
		{"ELB.12 CKV_AWS_328", "lb.LoadBalancer", "desyncMitigationMode", "defensive"},
		{"AVD-AWS-0053", "lb.LoadBalancer", "internal", true},
		{"ECS.2 CKV_AWS_333", "ecs.Service", "networkConfiguration.assignPublicIp", false},
		{"ECS.3 ECS.17 CKV_AWS_335", "ecs.TaskDefinition", "networkMode", "awsvpc"},
		{"ECS.3 CKV_AWS_335", "ecs.TaskDefinition", "pidMode", nil},
		{"ECS.10 CKV_AWS_332", "ecs.Service", "platformVersion", "LATEST"},
		{"ECS.12 CKV_AWS_65 AVD-AWS-0034", "ecs.Cluster", "settings.0.value", "enabled"},
		{"ECR.1 CKV_AWS_163 AVD-AWS-0030", "ecr.Repository", "imageScanningConfiguration.scanOnPush", true},
		{"CloudWatch.16 CKV_AWS_66", "cloudwatch.LogGroup", "retentionInDays", 30.},
		{"circuit breaker", "ecs.Service", "deploymentCircuitBreaker.enable", true},
		{"rollback", "ecs.Service", "deploymentCircuitBreaker.rollback", true},
		{"zone rebalancing", "ecs.Service", "availabilityZoneRebalancing", "ENABLED"},
		{"tags of tasks", "ecs.Service", "propagateTags", "SERVICE"},
		{"Cloud Map instances of stopped tasks", "servicediscovery.Service", "forceDestroy", true},
	} {
		found := r.All(test.resource)
		if len(found) == 0 {
			t.Errorf("%s: there is no %s", test.controls, test.resource)
		}
		for _, made := range found {
			if got := made.Input(test.input); got != test.want {
				t.Errorf("%s: %s has %s %v, want %v", test.controls, made, test.input, got, test.want)
			}
		}
	}
	t.Run("EC2.2 CKV2_AWS_12 AVD-AWS-0173", func(t *testing.T) {
		if got := len(r.All("ec2.DefaultSecurityGroup")); got != 2 {
			t.Errorf("%d default security groups are emptied, of two VPCs", got)
		}
	})
	t.Run("CKV_AWS_23 AVD-AWS-0099 AVD-AWS-0124", func(t *testing.T) {
		for _, kind := range []string{"ec2.SecurityGroup", "vpc.SecurityGroupIngressRule", "vpc.SecurityGroupEgressRule"} {
			for _, made := range r.All(kind) {
				if text, _ := made.Input("description").(string); text == "" {
					t.Errorf("%s has no description", made)
				}
			}
		}
	})
	t.Run("CKV2_AWS_41 CKV_AWS_46", func(t *testing.T) {
		bastion := r.Get(t, "ec2.Instance consumer-bastion")
		if bastion.Input("iamInstanceProfile") == nil {
			t.Error("no instance profile")
		}
		script := bastion.Input("userData").(string)
		for _, want := range []string{"BOOK_API_URL='https://", "AUTHOR_API_URL='https://", "install -y jq"} {
			if !strings.Contains(script, want) {
				t.Errorf("user data has no %s:\n%s", want, script)
			}
		}
	})
	t.Run("ECR.3", func(t *testing.T) {
		if len(r.All("ecr.LifecyclePolicy")) != len(r.All("ecr.Repository")) {
			t.Error("a repository has no lifecycle policy")
		}
	})
	t.Run("APIGateway.9 CKV_AWS_76 AVD-AWS-0001 APIGWDefaultThrottling", func(t *testing.T) {
		stage := r.Get(t, "apigatewayv2.Stage consumer")
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
	})
	t.Run("DS-0002 DS-0026", func(t *testing.T) {
		for _, s := range Services() {
			b, err := os.ReadFile(filepath.Join(root, "apps", s.Name, "Dockerfile"))
			if err != nil {
				t.Fatal(err)
			}
			container := r.Get(t, "ecs.TaskDefinition producer-"+s.Name).Input("containerDefinitions").(string)
			for _, want := range []string{"\nUSER 65532:65532\n", "\nHEALTHCHECK "} {
				if !strings.Contains(string(b), want) {
					t.Errorf("the image of %s has no %q", s.Name, strings.TrimSpace(want))
				}
			}
			if !strings.Contains(container, `"user":"65532:65532"`) {
				t.Errorf("the container of %s runs as another user than its image", s.Name)
			}
		}
	})
	t.Run("VPC link has its own security group", func(t *testing.T) {
		link := r.Get(t, "apigatewayv2.VpcLink producer")
		if link.Input("securityGroupIds.0") != r.Get(t, "ec2.SecurityGroup producer-link").ID || link.Input("securityGroupIds.1") != nil {
			t.Errorf("groups of the link: %v", link.Input("securityGroupIds"))
		}
	})
}

func TestAuthorization(t *testing.T) {
	jwt := map[string]string{"authorization": "jwt", "jwtIssuer": "https://issuer.example.com", "jwtAudiences": `["api"]`}
	with := func(extra map[string]string) map[string]string {
		out := maps.Clone(jwt)
		maps.Copy(out, extra)
		return out
	}
	cors := map[string]string{"corsAllowOrigins": `["https://www.example.com"]`}
	for _, test := range []struct {
		name     string
		settings map[string]string
		routes   []string
	}{
		{"none", nil, []string{"ANY /{proxy+} NONE"}},
		{"iam", map[string]string{"authorization": "iam"}, []string{"ANY /{proxy+} AWS_IAM"}},
		{"jwt", jwt, []string{"ANY /{proxy+} JWT"}},
		{"none with CORS", cors, []string{"ANY /{proxy+} NONE"}},
		{"jwt with CORS", with(cors), []string{"ANY /{proxy+} JWT", "OPTIONS /{proxy+} NONE"}},
		{"production that says so", map[string]string{"production": "true", "allowUnauthenticated": "true"}, []string{"ANY /{proxy+} NONE"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := deploy(t, test.settings)
			var got []string
			for _, route := range r.All("apigatewayv2.Route") {
				got = append(got, fmt.Sprintf("%v %v", route.Input("routeKey"), route.Input("authorizationType")))
				if wants := route.Input("authorizationType") == "JWT"; wants != (route.Input("authorizerId") != nil) {
					t.Errorf("%s: authorizer %v", route, route.Input("authorizerId"))
				}
			}
			same(t, "routes", got, test.routes)
		})
	}
	a := deploy(t, jwt).Get(t, "apigatewayv2.Authorizer consumer")
	if a.Input("jwtConfiguration.issuer") != "https://issuer.example.com" || a.Input("jwtConfiguration.audiences.0") != "api" {
		t.Errorf("authorizer: %v", a.Input("jwtConfiguration"))
	}
}
