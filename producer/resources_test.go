package producer

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/policy"
	"private-api/internal/testkit"
)

// Every input and option of every resource, at the defaults and with everything on.
func TestResources(t *testing.T) {
	for name, args := range map[string]*Args{"default": twoServices(t), "everything": everythingOn(t)} {
		t.Run(name, func(t *testing.T) { testkit.Golden(t, "testdata/"+name+".yaml", deploy(t, args).Golden()) })
	}
}

// Every resource that a service has, the stack has once more with one more service, and nothing else changes.
func TestOneMoreService(t *testing.T) {
	two, three := twoServices(t), twoServices(t)
	three.Root = two.Root
	three.Services = append(three.Services, Service{Name: "gamma", Path: "/gamma", Priority: 30})
	before, after := deploy(t, two), deploy(t, three)
	var added, want []string
	for _, made := range after.Resources {
		if !slices.Contains(before.List(), made.String()) {
			added = append(added, made.String())
		}
	}
	for _, made := range before.List() {
		if strings.Contains(made, "producer-beta") {
			want = append(want, strings.ReplaceAll(made, "beta", "gamma"))
		}
	}
	same(t, "added", added, want)
	for _, was := range before.Resources {
		if is := after.Get(t, was.String()); !was.Inputs.DeepEquals(is.Inputs) || !reflect.DeepEqual(was.Options, is.Options) {
			t.Errorf("%s changed", was)
		}
	}
}

// edges lists every rule of every security group: "out alb -> alpha tcp 8080".
func edges(t *testing.T, r *testkit.Recorder) []string {
	t.Helper()
	names := map[any]string{}
	for _, g := range r.All("ec2.SecurityGroup") {
		names[g.ID] = strings.TrimPrefix(g.Name, "producer-")
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
	return out
}

func TestSecurityGroups(t *testing.T) {
	path := func(from, to string, port int) []string {
		return []string{fmt.Sprintf("out %s -> %s tcp %d", from, to, port), fmt.Sprintf("in %s <- %s tcp %d", to, from, port)}
	}
	same(t, "default", edges(t, deploy(t, twoServices(t))), slices.Concat(
		path("link", "alb", 80), path("alb", "alpha", 8080), path("alb", "beta", 8080),
		[]string{"out alpha -> 0.0.0.0/0 tcp 443", "out beta -> 0.0.0.0/0 tcp 443"},
	))
	want := slices.Concat(path("link", "alb", 443), path("alb", "alpha", 8080), path("alb", "beta", 9000), path("alb", "gamma", 8081), path("beta", "alpha", 8080))
	for _, service := range []string{"alpha", "beta", "gamma"} {
		want = slices.Concat(want, path(service, "endpoints", 443), []string{"out " + service + " -> producer-s3 (prefix list) tcp 443"})
	}
	same(t, "everything", edges(t, deploy(t, everythingOn(t))), want)
}

// The load balancer takes plain HTTP, or HTTPS where it has a certificate: never both, and with the same rules.
func TestListener(t *testing.T) {
	plain, https := twoServices(t), twoServices(t)
	https.Root = plain.Root
	https.TLS = &TLS{CertificateArn: pulumi.String("arn:aws:acm:us-west-2:123456789012:certificate/1"), ServerName: "api.example.com"}
	for _, test := range []struct {
		args       *Args
		name       string
		inputs     map[string]any
		serverName any
	}{
		{plain, "producer", map[string]any{"port": 80., "protocol": "HTTP", "sslPolicy": nil, "certificateArn": nil}, nil},
		{https, "producer-https", map[string]any{ // ELB.1 ELB.17 ELB.18 CKV_AWS_2 CKV_AWS_103 AVD-AWS-0047 AVD-AWS-0054
			"port": 443., "protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06", "certificateArn": "arn:aws:acm:us-west-2:123456789012:certificate/1",
		}, "api.example.com"},
	} {
		r := deploy(t, test.args)
		listener := r.Get(t, "lb.Listener "+test.name)
		if all := r.All("lb.Listener"); len(all) != 1 {
			t.Errorf("listeners %v", all)
		}
		for input, want := range test.inputs {
			if got := listener.Input(input); got != want {
				t.Errorf("%s: %s %v, want %v", listener, input, got, want)
			}
		}
		if got := listener.Input("defaultActions.0.fixedResponse.statusCode"); got != "404" {
			t.Errorf("%s answers %v", listener, got)
		}
		rules := r.All("lb.ListenerRule")
		for _, rule := range rules {
			if rule.Input("listenerArn") != listener.ID {
				t.Errorf("%s is of listener %v", rule, rule.Input("listenerArn"))
			}
		}
		if len(rules) != 2 || r.Exports["listenerArn"] != listener.ID || r.Exports["serverName"] != test.serverName {
			t.Errorf("%d rules; the consumer is given %v, %v", len(rules), r.Exports["listenerArn"], r.Exports["serverName"])
		}
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
	r := deploy(t, everythingOn(t))
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
	viaLogs := []string{"kms:Encrypt " + logKeyARN, "kms:Decrypt " + logKeyARN, "kms:ReEncrypt* " + logKeyARN, "kms:GenerateDataKey* " + logKeyARN, "kms:Describe* " + logKeyARN}
	execution := func(service, repositories string, more ...string) []string {
		repository := r.Get(t, "ecr.Repository producer-"+service).Outputs["arn"].StringValue() + repositories
		logs := r.Get(t, "cloudwatch.LogGroup producer-"+service).Outputs["arn"].StringValue() + ":*"
		return append([]string{
			"ecr:GetAuthorizationToken *",
			"ecr:BatchCheckLayerAvailability " + repository, "ecr:BatchGetImage " + repository, "ecr:GetDownloadUrlForLayer " + repository,
			"logs:CreateLogStream " + logs, "logs:PutLogEvents " + logs,
		}, append(viaLogs, more...)...)
	}
	flows := r.Get(t, "cloudwatch.LogGroup producer-flow-logs").Outputs["arn"].StringValue() + ":*"
	const gamma = "arn:aws:ecr:us-west-2:123456789012:repository/team/gamma"
	want := map[string][]string{
		"producer-alpha-execution": execution("alpha", "", "secretsmanager:GetSecretValue "+secretARN+" "+secretARN+"-??????", "kms:Decrypt "+keyARN, "ssm:GetParameters "+parameterARN, "kms:Decrypt "+keyARN),
		"producer-alpha-task":      {"s3:GetObject arn:aws:s3:::covers/*"},
		"producer-beta-execution":  execution("beta", ""),
		"producer-gamma-execution": execution("gamma", " "+gamma, "ecr:BatchImportUpstreamImage "+gamma, "ecr:CreateRepository "+gamma),
		"producer-flow-logs":       append([]string{"logs:CreateLogStream " + flows, "logs:DescribeLogStreams " + flows, "logs:PutLogEvents " + flows}, viaLogs...),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("policies:\n%v\nwant\n%v", got, want)
	}
	for _, role := range r.All("iam.Role") {
		s := statements(t, role.Input("assumeRolePolicy"))
		if role.Name == "producer-flow-logs" {
			continue // its trust is another one: internal/flowlog
		}
		if len(s) != 1 || !slices.Equal(s[0].Action, []string{"sts:AssumeRole"}) ||
			s[0].Principal["Service"] != "ecs-tasks.amazonaws.com" || s[0].Condition["StringEquals"]["aws:SourceAccount"] != "123456789012" {
			t.Errorf("%s: trust %v", role, s)
		}
	}
	// A role of its own for each purpose of each service.
	task := r.Get(t, "ecs.TaskDefinition producer-alpha")
	if task.Input("executionRoleArn") == task.Input("taskRoleArn") {
		t.Error("the task runs with its execution role")
	}
}

// What AWS wants in order and Pulumi cannot see, each with what happens without.
func TestDependenciesThatAWSNeeds(t *testing.T) {
	nat, endpoints := deploy(t, twoServices(t)), deploy(t, everythingOn(t))
	for _, test := range []struct {
		in       *testkit.Recorder
		resource string
		needs    []string
		without  string
	}{
		{nat, "ecs.Service producer-alpha", []string{"ec2.Route producer-private-1", "ec2.Route producer-private-2", "ec2.VpcEndpoint producer-s3"}, "tasks start before the NAT route, cannot pull, and the breaker fails the deployment"},
		{nat, "ec2.Route producer-private-1", []string{"ec2.RouteTableAssociation producer-private-1"}, "the route is not that of the tasks' subnet"},
		{endpoints, "ec2.VpcEndpoint producer-s3", []string{"ec2.RouteTableAssociation producer-private-1"}, "the route to S3 is not that of the tasks' subnet"},
		{nat, "ecs.Service producer-alpha", []string{"lb.ListenerRule producer-alpha"}, "CreateService: the target group has no load balancer"},
		{nat, "ecs.Service producer-alpha", []string{"cloudwatch.LogGroup producer-alpha"}, "tasks cannot log and do not start"},
		{nat, "ecs.Service producer-alpha", []string{"iam.RolePolicy producer-alpha-execution"}, "tasks may not pull"},
		{nat, "ecs.Service producer-alpha", []string{"ecs.ClusterCapacityProviders producer"}, "CreateService: capacity provider not found"},
		{nat, "ecs.Service producer-alpha", []string{"vpc.SecurityGroupEgressRule producer-alpha-to-https", "vpc.SecurityGroupIngressRule producer-alb-to-producer-alpha", "vpc.SecurityGroupEgressRule producer-alb-to-producer-alpha"}, "tasks cannot pull, or never become healthy"},
		{endpoints, "lb.LoadBalancer producer", []string{"s3.BucketPolicy producer-access-logs", "s3.BucketPublicAccessBlock producer-access-logs", "s3.BucketOwnershipControls producer-access-logs"}, "InvalidConfigurationRequest: Access Denied for bucket"},
		{nat, "ecs.TaskDefinition producer-alpha", []string{"docker.Image producer-alpha"}, "tasks start before the image is pushed"},
		{nat, "apigatewayv2.VpcLink producer", []string{"vpc.SecurityGroupEgressRule producer-link-to-producer-alb", "vpc.SecurityGroupIngressRule producer-link-to-producer-alb"}, "the first requests time out"},
		{endpoints, "ecs.Service producer-alpha", []string{"ec2.VpcEndpoint producer-s3", "ec2.VpcEndpoint producer-ecr-api", "ec2.VpcEndpoint producer-ecr-dkr", "ec2.VpcEndpoint producer-logs", "ec2.VpcEndpoint producer-secretsmanager", "ec2.VpcEndpoint producer-ssm", "vpc.SecurityGroupIngressRule producer-alpha-to-producer-endpoints", "vpc.SecurityGroupEgressRule producer-alpha-to-s3"}, "tasks cannot pull"},
		{endpoints, "ecs.Service producer-alpha", []string{"iam.RolePolicy producer-alpha-task"}, "the service starts without its permissions"},
		{endpoints, "ecs.Service producer-beta", []string{"vpc.SecurityGroupEgressRule producer-beta-to-producer-alpha", "vpc.SecurityGroupIngressRule producer-beta-to-producer-alpha"}, "its first calls to alpha time out"},
	} {
		dependent := test.in.Get(t, test.resource)
		for _, need := range test.needs {
			if !slices.Contains(dependent.Dependencies, test.in.Get(t, need).URN) {
				t.Errorf("%s does not depend on %s; without: %s", test.resource, need, test.without)
			}
		}
	}
}

// A NAT gateway and an interface endpoint take minutes. Nothing but the services, and what scales them, may wait for them, directly or through
// something else.
func TestOnlyServicesWaitForTheirWayOut(t *testing.T) {
	perZone := twoServices(t)
	perZone.Egress = EgressNatPerZone
	nat, zones, endpoints := deploy(t, twoServices(t)), deploy(t, perZone), deploy(t, everythingOn(t))
	for _, test := range []struct {
		in     *testkit.Recorder
		slow   string
		routes []string
	}{
		{nat, "ec2.NatGateway producer-1", []string{"ec2.Route producer-private-1", "ec2.Route producer-private-2"}},
		{zones, "ec2.NatGateway producer-1", []string{"ec2.Route producer-private-1"}},
		{zones, "ec2.NatGateway producer-2", []string{"ec2.Route producer-private-2"}},
		{endpoints, "ec2.VpcEndpoint producer-ecr-api", nil},
	} {
		waiting := map[string]bool{test.in.Get(t, test.slow).URN: true}
		for before := 0; before < len(waiting); {
			before = len(waiting)
			for _, made := range test.in.Resources {
				if slices.ContainsFunc(made.Dependencies, func(urn string) bool { return waiting[urn] }) {
					waiting[made.URN] = true
				}
			}
		}
		var got []string
		for _, made := range test.in.Resources {
			if waiting[made.URN] && made.String() != test.slow && made.Short() != "ecs.Service" && !strings.HasPrefix(made.Short(), "appautoscaling.") {
				got = append(got, made.String())
			}
		}
		same(t, "waits for "+test.slow, got, test.routes)
	}
}

// The rows of the security controls that hold in every stack.
func TestControls(t *testing.T) {
	r := deploy(t, twoServices(t))
	for _, test := range []struct {
		controls, resource, input string
		want                      any
	}{
		{"ELB.4 CKV_AWS_131 AVD-AWS-0052", "lb.LoadBalancer", "dropInvalidHeaderFields", true},
		{"ELB.12 CKV_AWS_328", "lb.LoadBalancer", "desyncMitigationMode", "defensive"},
		{"AVD-AWS-0053", "lb.LoadBalancer", "internal", true},
		{"EC2.15 CKV_AWS_130 AVD-AWS-0164", "ec2.Subnet", "mapPublicIpOnLaunch", false},
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
		if got := len(r.All("ec2.DefaultSecurityGroup")); got != 1 {
			t.Errorf("%d default security groups are emptied, of one VPC", got)
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
	t.Run("ECR.3", func(t *testing.T) {
		if len(r.All("ecr.LifecyclePolicy")) != len(r.All("ecr.Repository")) {
			t.Error("a repository has no lifecycle policy")
		}
	})
	t.Run("VPC link has its own security group", func(t *testing.T) {
		link := r.Get(t, "apigatewayv2.VpcLink producer")
		if link.Input("securityGroupIds.0") != r.Get(t, "ec2.SecurityGroup producer-link").ID || link.Input("securityGroupIds.1") != nil {
			t.Errorf("groups of the link: %v", link.Input("securityGroupIds"))
		}
	})
	t.Run("ECS.4 ECS.5 ECS.8 ECS.9 ECS.20 CT.ECS.PR.7", func(t *testing.T) {
		for _, task := range append(r.All("ecs.TaskDefinition"), deploy(t, everythingOn(t)).All("ecs.TaskDefinition")...) {
			var containers []containerDefinition
			if err := json.Unmarshal([]byte(task.Input("containerDefinitions").(string)), &containers); err != nil {
				t.Fatal(err)
			}
			for _, c := range containers {
				if log := c.LogConfiguration.Options; log["mode"] != "non-blocking" || log["max-buffer-size"] == "" {
					t.Errorf("%s: the log can stop the service: %v", task, log)
				}
				if c.Privileged || !c.ReadonlyRootFilesystem || rootUser.MatchString(c.User) || c.User == "" || c.Memory == 0 || c.LogConfiguration.LogDriver != "awslogs" || !slices.Equal(c.LinuxParameters.Capabilities.Drop, []string{"ALL"}) {
					t.Errorf("%s: container %+v", task, c)
				}
				for _, v := range c.Environment {
					if v.Name == "PASSWORD" || v.Name == "TOKEN" {
						t.Errorf("%s: %s is in the environment", task, v.Name)
					}
				}
			}
		}
	})
}

func TestDeletionProtection(t *testing.T) {
	for protect, args := range map[bool]*Args{false: twoServices(t), true: everythingOn(t)} {
		r := deploy(t, args)
		for _, made := range slices.Concat(r.All("lb.LoadBalancer"), r.All("ecr.Repository"), r.All("s3.Bucket")) {
			if made.Protect != protect {
				t.Errorf("deletionProtection %v: %s is protected: %v", protect, made, made.Protect)
			}
		}
		if got := r.Get(t, "lb.LoadBalancer producer").Input("enableDeletionProtection"); got != protect {
			t.Errorf("deletionProtection %v: the load balancer has %v", protect, got)
		}
	}
}

func TestTimeoutOfADeployment(t *testing.T) {
	want := map[string]string{"delete": "20m"} // whatever else takes time, the program waits for itself
	if got := deploy(t, twoServices(t)).Get(t, "ecs.Service producer-alpha").CustomTimeouts; !maps.Equal(got, want) {
		t.Errorf("the wait for a deployment is bounded by %v, want %v", got, want)
	}
}
