package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"gopkg.in/yaml.v3"

	"private-api/internal/testkit"
	"private-api/producer"
)

func toJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

type declaration struct {
	Type, Description string
	Default           any
	Value             any
}

func schema(t *testing.T) map[string]declaration {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "Pulumi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var project struct{ Config map[string]declaration }
	if err := yaml.Unmarshal(b, &project); err != nil {
		t.Fatal(err)
	}
	return project.Config
}

// text writes a value as the CLI hands it to the program.
func text(t *testing.T, v any) string {
	t.Helper()
	if s, ok := v.(string); ok {
		return s
	}
	return toJSON(t, v)
}

func TestSchemaIsTheConfigurationOfTheCode(t *testing.T) {
	declared := schema(t)
	var read []string
	err := (&testkit.Recorder{}).Run(func(ctx *pulumi.Context) error {
		c, problems := load(ctx)
		read = c.keys
		return problems.Err()
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	defaults := map[string]string{}
	for key, d := range declared {
		if key == "aws:region" {
			defaults[key] = text(t, d.Value)
			continue
		}
		want = append(want, key)
		if d.Type == "" || d.Description == "" || d.Default == nil {
			t.Errorf("%s: needs a type, a description and a default", key)
		}
		defaults["private-api:"+key] = text(t, d.Default)
	}
	same(t, "keys", slices.Sorted(slices.Values(read)), slices.Sorted(slices.Values(want)))

	// The defaults of the schema and those of the code make the same stack.
	without, with := deploy(t, nil), deploy(t, defaults)
	same(t, "resources", with.List(), without.List())
	if changed := changes(t, without, with); len(changed) > 0 {
		t.Errorf("the defaults differ: %v", changed)
	}
}

func TestStackFilesAreAccepted(t *testing.T) {
	for _, name := range []string{"dev", "prod"} {
		b, err := os.ReadFile(filepath.Join(root, "Pulumi."+name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var file struct{ Config map[string]any }
		if err := yaml.Unmarshal(b, &file); err != nil {
			t.Fatal(err)
		}
		config := map[string]string{}
		for key, value := range file.Config {
			config[key] = text(t, value)
		}
		if config["pulumi:disable-default-providers"] != `["aws"]` {
			t.Errorf("%s: the default AWS provider is not disabled, so a forgotten provider would go unseen", name)
		}
		r := &testkit.Recorder{}
		if err := r.RunStack(name, Program{Root: root}.Deploy, config); err != nil {
			t.Fatal(err)
		}
		if name == "dev" {
			if got := r.Get(t, "ecs.Service producer-book").Input("capacityProviderStrategies.0.capacityProvider"); got != "FARGATE_SPOT" {
				t.Errorf("dev: tasks on %v", got)
			}
			if got := len(r.All("ec2.NatGateway")); got != 1 {
				t.Errorf("dev: %d NAT gateways", got)
			}
			continue
		}
		if got := len(r.All("ec2.NatGateway")); got != 2 {
			t.Errorf("prod: %d NAT gateways", got)
		}
		for _, resource := range []string{"lb.LoadBalancer producer", "ecr.Repository producer-book", "ecr.Repository producer-author"} {
			if !r.Get(t, resource).Protect {
				t.Errorf("prod: %s is not protected", resource)
			}
		}
		if got := r.Get(t, "lb.LoadBalancer producer").Input("enableDeletionProtection"); got != true {
			t.Errorf("prod: deletion protection %v", got)
		}
		for _, group := range r.All("cloudwatch.LogGroup") {
			if got := group.Input("retentionInDays"); got != 365. {
				t.Errorf("prod: %s keeps logs for %v days", group, got)
			}
		}
	}
}

// Each setting, another value, and exactly the inputs that follow it.
func TestSettings(t *testing.T) {
	digest := "123456789012.dkr.ecr.us-west-2.amazonaws.com/book@sha256:" + strings.Repeat("b", 64)
	perService := func(format string) []string {
		return []string{fmt.Sprintf(format, "author"), fmt.Sprintf(format, "book")}
	}
	for _, test := range []struct {
		key, value     string
		with           map[string]string // what both have
		changed        []string
		added, removed []string
	}{
		{key: "producerVpcCidr", value: "10.4.0.0/16", changed: []string{"ec2.Subnet producer-private-1 cidrBlock", "ec2.Subnet producer-private-2 cidrBlock", "ec2.Subnet producer-public-1 cidrBlock", "ec2.Subnet producer-public-2 cidrBlock", "awsx.Vpc producer cidrBlock", "ec2.Vpc producer cidrBlock"}},
		{key: "spot", value: "true", changed: append([]string{"ecs.ClusterCapacityProviders producer defaultCapacityProviderStrategies"}, perService("ecs.Service producer-%s capacityProviderStrategies")...)},
		{key: "architecture", value: "x86_64", changed: slices.Concat(perService("docker.Image producer-%s build"), perService("ecs.TaskDefinition producer-%s runtimePlatform"), perService("ecs.TaskDefinition producer-%s containerDefinitions"))},
		{key: "cpu", value: "512", with: map[string]string{"memory": "1024"}, changed: perService("ecs.TaskDefinition producer-%s cpu")},
		{key: "memory", value: "1024", changed: slices.Concat(perService("ecs.TaskDefinition producer-%s containerDefinitions"), perService("ecs.TaskDefinition producer-%s memory"))},
		{key: "desiredCount", value: "3", changed: perService("ecs.Service producer-%s desiredCount")},
		{key: "services", value: `{"book":{"cpu":512,"memory":1024,"desiredCount":1}}`, changed: []string{"ecs.Service producer-book desiredCount", "ecs.TaskDefinition producer-book containerDefinitions", "ecs.TaskDefinition producer-book cpu", "ecs.TaskDefinition producer-book memory"}},
		{key: "services", value: `{"book":{"environment":{"MODE":"quiet"}}}`, changed: []string{"ecs.TaskDefinition producer-book containerDefinitions"}},
		{key: "services", value: `{"book":{"secrets":{"TOKEN":"arn:aws:ssm:us-west-2:123456789012:parameter/token"}}}`, changed: []string{"ecs.TaskDefinition producer-book containerDefinitions", "iam.RolePolicy producer-book-execution policy"}},
		{key: "services", value: `{"book":{"image":"` + digest + `"}}`, changed: []string{"ecs.TaskDefinition producer-book containerDefinitions", "iam.RolePolicy producer-book-execution policy"}, removed: []string{"docker.Image producer-book"}},
		{key: "healthCheckIntervalSeconds", value: "20", changed: slices.Concat(perService("ecs.Service producer-%s healthCheckGracePeriodSeconds"), perService("lb.TargetGroup producer-%s healthCheck"))},
		{key: "healthCheckTimeoutSeconds", value: "4", changed: perService("lb.TargetGroup producer-%s healthCheck")},
		{key: "deregistrationDelaySeconds", value: "60", changed: perService("lb.TargetGroup producer-%s deregistrationDelay")},
		{key: "drainSeconds", value: "10", changed: perService("ecs.TaskDefinition producer-%s containerDefinitions")},
		{key: "stopTimeoutSeconds", value: "60", changed: perService("ecs.TaskDefinition producer-%s containerDefinitions")},
		{key: "waitForSteadyState", value: "false", changed: perService("ecs.Service producer-%s waitForSteadyState")},
		{key: "deploymentTimeoutMinutes", value: "20", changed: perService("ecs.Service producer-%s (timeouts)")},
		{key: "logRetentionDays", value: "7", changed: append([]string{"cloudwatch.LogGroup consumer retentionInDays"}, perService("cloudwatch.LogGroup producer-%s retentionInDays")...)},
		{key: "deletionProtection", value: "true", changed: slices.Concat([]string{"lb.LoadBalancer producer (protect)", "lb.LoadBalancer producer enableDeletionProtection"}, perService("ecr.Repository producer-%s (protect)"), perService("ecr.Repository producer-%s forceDelete"))},
		{key: "integrationTimeoutSeconds", value: "10", changed: []string{"apigatewayv2.Integration consumer timeoutMilliseconds"}},
		{key: "throttleBurst", value: "10", changed: []string{"apigatewayv2.Stage consumer defaultRouteSettings"}},
		{key: "throttleRate", value: "10", changed: []string{"apigatewayv2.Stage consumer defaultRouteSettings"}},
		{key: "corsAllowOrigins", value: `["https://www.example.com"]`, changed: []string{"apigatewayv2.Api consumer corsConfiguration"}},
		{key: "authorization", value: "iam", changed: []string{"apigatewayv2.Route consumer authorizationType"}},
		{key: "production", value: "true"}, // with allowUnauthenticated below
		{key: "bastion", value: "false", removed: []string{"awsx.Vpc consumer", "ec2.DefaultSecurityGroup consumer", "ec2.Instance consumer-bastion", "ec2.InternetGateway consumer", "ec2.Route consumer-public-1", "ec2.Route consumer-public-2", "ec2.RouteTable consumer-public-1", "ec2.RouteTable consumer-public-2", "ec2.RouteTableAssociation consumer-public-1", "ec2.RouteTableAssociation consumer-public-2", "ec2.SecurityGroup consumer-bastion", "ec2.Subnet consumer-public-1", "ec2.Subnet consumer-public-2", "ec2.Vpc consumer", "iam.InstanceProfile consumer-bastion", "iam.Role consumer-bastion", "iam.RolePolicyAttachment consumer-bastion", "vpc.SecurityGroupEgressRule consumer-bastion-to-https"}},
		{key: "consumerVpcCidr", value: "10.9.0.0/16", changed: []string{"ec2.Subnet consumer-public-1 cidrBlock", "ec2.Subnet consumer-public-2 cidrBlock", "awsx.Vpc consumer cidrBlock", "ec2.Vpc consumer cidrBlock"}},
		{key: "tags", value: `{"Team":"books"}`, changed: []string{"providers.aws aws defaultTags"}},
		{key: "egress", value: "nat-per-zone", changed: []string{"ec2.Route producer-private-2 natGatewayId", "awsx.Vpc producer natGateways"}, added: []string{"ec2.Eip producer-2", "ec2.NatGateway producer-2"}},
		{key: "egress", value: "endpoints", changed: []string{"awsx.Vpc producer natGateways"},
			added: slices.Concat([]string{"ec2.SecurityGroup producer-endpoints", "ec2.VpcEndpoint producer-ecr-api", "ec2.VpcEndpoint producer-ecr-dkr", "ec2.VpcEndpoint producer-logs"},
				perService("vpc.SecurityGroupEgressRule producer-%s-to-producer-endpoints"), perService("vpc.SecurityGroupIngressRule producer-%s-to-producer-endpoints"), perService("vpc.SecurityGroupEgressRule producer-%s-to-s3")),
			removed: append([]string{"ec2.Eip producer-1", "ec2.NatGateway producer-1", "ec2.Route producer-private-1", "ec2.Route producer-private-2"}, perService("vpc.SecurityGroupEgressRule producer-%s-to-https")...)},
	} {
		t.Run(test.key+"="+test.value, func(t *testing.T) {
			settings := map[string]string{test.key: test.value, "allowUnauthenticated": "true"}
			maps.Copy(settings, test.with)
			before, after := deploy(t, test.with), deploy(t, settings)
			got := changes(t, before, after)
			// The tag names the content, and the platform is part of it.
			got = slices.DeleteFunc(got, func(line string) bool { return strings.HasSuffix(line, " imageName") })
			same(t, "changed", got, slices.Compact(slices.Sorted(slices.Values(test.changed))))
			var added, removed []string
			for _, line := range after.List() {
				if !slices.Contains(before.List(), line) {
					added = append(added, line)
				}
			}
			for _, line := range before.List() {
				if !slices.Contains(after.List(), line) {
					removed = append(removed, line)
				}
			}
			same(t, "added", added, test.added)
			same(t, "removed", removed, test.removed)
		})
	}
}

// What is refused, and what the message says: the setting, its value, what is allowed.
func TestRefusals(t *testing.T) {
	third := func(change func(*producer.Service)) []producer.Service {
		s := producer.Service{Name: "review", Path: "/api/reviews", Priority: 300, Image: "r.example.com/review@sha256:" + strings.Repeat("c", 64)}
		change(&s)
		return append(Services(), s)
	}
	for _, test := range []struct {
		name     string
		settings map[string]string
		services []producer.Service
		want     []string
	}{
		{name: "unknown CPU", settings: map[string]string{"cpu": "300"}, want: []string{`cpu: 300 is not allowed: one of 256, 512, 1024, 2048, 4096, 8192, 16384`}},
		{name: "memory of another CPU", settings: map[string]string{"memory": "4096"}, want: []string{`memory: 4096 is not allowed: with cpu 256 one of 512, 1024, 2048`}},
		{name: "malformed number", settings: map[string]string{"cpu": "many"}, want: []string{`cpu: "many" is not allowed: a whole number`}},
		{name: "malformed boolean", settings: map[string]string{"spot": "yes"}, want: []string{`spot: "yes" is not allowed: true or false`}},
		{name: "malformed list", settings: map[string]string{"sshCidrs": "10.0.0.0/8"}, want: []string{`sshCidrs: "10.0.0.0/8" is not allowed: a list of texts`}},
		{name: "overlapping ranges", settings: map[string]string{"consumerVpcCidr": "10.0.128.0/17"}, want: []string{`consumerVpcCidr: "10.0.128.0/17" is not allowed: a range that does not overlap producerVpcCidr (10.0.0.0/16)`}},
		{name: "range too small", settings: map[string]string{"producerVpcCidr": "10.0.0.0/26"}, want: []string{`producerVpcCidr: "10.0.0.0/26" is not allowed: an IPv4 range between /16 and /25`}},
		{name: "range too small for six zones", settings: map[string]string{"producerVpcCidr": "10.0.0.0/24", "availabilityZoneCount": "6"}, want: []string{`producerVpcCidr: "10.0.0.0/24" is not allowed: an IPv4 range between /16 and /23`}},
		{name: "host bits", settings: map[string]string{"producerVpcCidr": "10.0.0.1/16"}, want: []string{`producerVpcCidr: "10.0.0.1/16"`}},
		{name: "consumer too small", settings: map[string]string{"consumerVpcCidr": "10.1.0.0/24"}, want: []string{`consumerVpcCidr: "10.1.0.0/24" is not allowed: an IPv4 range between /16 and /23`}},
		{name: "one zone", settings: map[string]string{"availabilityZoneCount": "1"}, want: []string{`availabilityZoneCount: 1 is not allowed: 2 to 6 zones`}},
		{name: "zones twice", settings: map[string]string{"availabilityZones": `["us-west-2a","us-west-2a"]`}, want: []string{`availabilityZones: ["us-west-2a","us-west-2a"] is not allowed: two or more different zones`}},
		{name: "egress", settings: map[string]string{"egress": "proxy"}, want: []string{`egress: "proxy" is not allowed: one of nat, nat-per-zone, endpoints`}},
		{name: "architecture", settings: map[string]string{"architecture": "amd64"}, want: []string{`architecture: "amd64" is not allowed: one of arm64, x86_64`}},
		{name: "retention", settings: map[string]string{"logRetentionDays": "10"}, want: []string{`logRetentionDays: 10 is not allowed: one of 1, 3, 5, 7,`}},
		{name: "health check cannot hold", settings: map[string]string{"healthCheckTimeoutSeconds": "30"}, want: []string{`healthCheckTimeoutSeconds: 30 is not allowed: 2 to 120 seconds, and less than healthCheckIntervalSeconds (30)`}},
		{name: "drain cannot hold", settings: map[string]string{"drainSeconds": "30"}, want: []string{`drainSeconds: 30 is not allowed: 0 to 28 seconds: less than stopTimeoutSeconds (30)`}},
		{name: "stop timeout", settings: map[string]string{"stopTimeoutSeconds": "121"}, want: []string{`stopTimeoutSeconds: 121 is not allowed: 2 to 120 seconds`}},
		{name: "integration timeout", settings: map[string]string{"integrationTimeoutSeconds": "31"}, want: []string{`integrationTimeoutSeconds: 31 is not allowed: 1 to 30 seconds`}},
		{name: "deployment timeout", settings: map[string]string{"deploymentTimeoutMinutes": "0"}, want: []string{`deploymentTimeoutMinutes: 0 is not allowed: 1 to 60 minutes`}},
		{name: "throttling", settings: map[string]string{"throttleBurst": "0", "throttleRate": "-1"}, want: []string{`throttleBurst: 0 is not allowed: 1 to 5000`, `throttleRate: -1 is not allowed: 1 to 10000`}},
		{name: "origin", settings: map[string]string{"corsAllowOrigins": `["www.example.com"]`}, want: []string{`corsAllowOrigins: "www.example.com" is not allowed: origins such as`}},
		{name: "method", settings: map[string]string{"corsAllowOrigins": `["*"]`, "corsAllowMethods": `["get"]`}, want: []string{`corsAllowMethods: "get" is not allowed: any of *, DELETE`}},
		{name: "authorization", settings: map[string]string{"authorization": "basic"}, want: []string{`authorization: "basic" is not allowed: one of none, iam, jwt`}},
		{name: "jwt without issuer", settings: map[string]string{"authorization": "jwt"}, want: []string{`jwtIssuer: is missing: the https URL`, `jwtAudiences: is missing: one audience or more`}},
		{name: "jwt issuer over http", settings: map[string]string{"authorization": "jwt", "jwtIssuer": "http://issuer.example.com", "jwtAudiences": `["api"]`}, want: []string{`jwtIssuer: "http://issuer.example.com" is not allowed: the https URL`}},
		{name: "issuer without jwt", settings: map[string]string{"jwtIssuer": "https://issuer.example.com"}, want: []string{`jwtIssuer: "https://issuer.example.com" is not allowed: nothing while authorization is "none"`}},
		{name: "open production", settings: map[string]string{"production": "true"}, want: []string{`authorization: "none" is not allowed: iam or jwt while production is true`}},
		{name: "SSH from everywhere", settings: map[string]string{"sshKeyName": "me", "sshCidrs": `["0.0.0.0/0"]`}, want: []string{`sshCidrs: "0.0.0.0/0" is not allowed: different IPv4 ranges of /8 or smaller`}},
		{name: "SSH key alone", settings: map[string]string{"sshKeyName": "me"}, want: []string{`sshCidrs: is missing: the ranges that may open SSH`}},
		{name: "SSH range alone", settings: map[string]string{"sshCidrs": `["203.0.113.0/24"]`}, want: []string{`sshKeyName: is missing: the name of an EC2 key pair`}},
		{name: "SSH without bastion", settings: map[string]string{"bastion": "false", "sshKeyName": "me"}, want: []string{`bastion: false is not allowed: true, as sshKeyName`}},
		{name: "region", settings: map[string]string{"aws:region": "Oregon"}, want: []string{`aws:region: "Oregon" is not allowed: a region such as us-west-2`}},
		{name: "tag of AWS", settings: map[string]string{"tags": `{"aws:x":"y"}`}, want: []string{`tags: "aws:x" is not allowed`}},
		{name: "tag of the program", settings: map[string]string{"tags": `{"stack":"y"}`}, want: []string{`tags: "stack" is not allowed`}},
		{name: "field of a service", settings: map[string]string{"services": `{"book":{"cpus":1}}`}, want: []string{`services: "{\"book\":{\"cpus\":1}}" is not allowed`, `unknown field`}},
		{name: "service that is not there", settings: map[string]string{"services": `{"film":{}}`}, want: []string{`services: "film" is not allowed: one of book, author`}},
		{name: "image by tag", settings: map[string]string{"services": `{"book":{"image":"book:latest"}}`}, want: []string{`services.book.image: "book:latest" is not allowed: repository@sha256:`}},
		{name: "image out of reach", settings: map[string]string{"egress": "endpoints", "services": `{"book":{"image":"public.example.com/book@sha256:` + strings.Repeat("d", 64) + `"}}`}, want: []string{`services.book.image:`, `an image in ECR of region us-west-2, as egress "endpoints" reaches nothing else`}},
		{name: "no tasks", settings: map[string]string{"services": `{"book":{"desiredCount":0}}`}, want: []string{`services.book.desiredCount: 0 is not allowed: 1 or more`}},
		{name: "memory of a service", settings: map[string]string{"services": `{"book":{"cpu":1024}}`}, want: []string{`services.book.memory: 512 is not allowed: with services.book.cpu 1024 one of 2048`}},
		{name: "own variable", settings: map[string]string{"services": `{"book":{"environment":{"PORT":"1"}}}`}, want: []string{`services.book.environment: "PORT" is not allowed`}},
		{name: "secret by value", settings: map[string]string{"services": `{"book":{"secrets":{"TOKEN":"hunter2"}}}`}, want: []string{`services.book.secrets.TOKEN: "hunter2" is not allowed: the ARN`}},
		{name: "long name", services: third(func(s *producer.Service) { s.Name = "recommendations1" }), want: []string{`services.name: "recommendations1" is not allowed: 1 to 15 lower-case letters`}},
		{name: "name twice", services: third(func(s *producer.Service) { s.Name = "book" }), want: []string{`services.name: "book" is not allowed: a name that no other service has`}},
		{name: "priority twice", services: third(func(s *producer.Service) { s.Priority = 100 }), want: []string{`services.review.priority: 100 is not allowed: a priority that no other service has; book has it`}},
		{name: "path within another", services: third(func(s *producer.Service) { s.Path = "/api/books/reviews" }), want: []string{`services.review.path: "/api/books/reviews" is not allowed`, `of service book (/api/books)`}},
		{name: "path with a wildcard", services: third(func(s *producer.Service) { s.Path = "/api/*" }), want: []string{`services.review.path: "/api/*" is not allowed`}},
		{name: "port of root", services: third(func(s *producer.Service) { s.Port = 80 }), want: []string{`services.review.port: 80 is not allowed: 1024 to 65535`}},
		{name: "caller that is not there", services: third(func(s *producer.Service) { s.AllowFrom = []string{"film"} }), want: []string{`services.review.allowFrom: "film" is not allowed: the name of another service`}},
		{name: "no folder", services: third(func(s *producer.Service) { s.Image = "" }), want: []string{`services.review.image: is missing: repository@sha256:..., or a file apps/review/Dockerfile`}},
		{name: "all at once", settings: map[string]string{"cpu": "1", "egress": "x", "spot": "2", "throttleRate": "0"}, want: []string{"cpu: 1", `egress: "x"`, `spot: "2"`, "throttleRate: 0", "nothing was changed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &testkit.Recorder{}
			err := deployOn(r, Program{Root: root, Services: test.services}, test.settings)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the message has no %q:\n%v", want, err)
				}
			}
			for _, made := range r.Resources {
				if made.Type != "pulumi:pulumi:Stack" {
					t.Errorf("%s was made", made)
				}
			}
		})
	}
}

func TestUnknownSettingsAreRefused(t *testing.T) {
	config := map[string]string{"private-api:desirdCount": "3", "aws:assumeRole": "{}", "private-api:cpu": "256", "other:key": "x"}
	t.Setenv(pulumi.EnvConfig, toJSON(t, config)) // as the language host of `pulumi up` does
	err := (&testkit.Recorder{}).Run(Program{Root: root}.Deploy, config)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`desirdCount: "3" is not allowed: no such setting; there are`, `aws:assumeRole: "{}" is not allowed`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the message has no %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "other") {
		t.Errorf("settings of others are none of ours: %v", err)
	}
}

func TestServicesHaveTheirFolders(t *testing.T) {
	for _, s := range Services() {
		if _, err := os.Stat(filepath.Join(root, "apps", s.Name, "Dockerfile")); err != nil {
			t.Error(err)
		}
	}
}

// The README's table of settings, its defaults included, is that of the schema.
func TestReadmeListsEverySetting(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for key, d := range schema(t) {
		value := d.Default
		if key == "aws:region" {
			value = d.Value
		}
		cell := "`" + text(t, value) + "`"
		if cell == "``" || cell == "`[]`" || cell == "`{}`" {
			cell = "–"
		}
		if row := fmt.Sprintf("| `%s` | %s |", key, cell); !strings.Contains(strings.ReplaceAll(string(b), `", "`, `","`), row) {
			t.Errorf("README.md has no row %s", row)
		}
	}
}
