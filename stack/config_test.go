package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"gopkg.in/yaml.v3"

	"private-api/internal/fakeaws"
	"private-api/internal/setting"
	"private-api/internal/testkit"
)

func toJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// text writes a value as the CLI hands it to the program.
func text(t *testing.T, v any) string {
	t.Helper()
	if s, ok := v.(string); ok {
		return s
	}
	return toJSON(t, v)
}

// project is Pulumi.yaml.
type project struct {
	Name   string
	Config map[string]struct{ Default, Value any }
}

func readProject(t *testing.T) (p project) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "Pulumi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// The schema's defaults, as the CLI hands them over, make the same stack as no configuration at all.
func TestDefaultsAreThoseOfTheSchema(t *testing.T) {
	project := readProject(t)
	defaults := map[string]string{}
	for key, d := range project.Config {
		if strings.Contains(key, ":") {
			defaults[key] = text(t, d.Value)
		} else {
			defaults[key] = text(t, d.Default)
		}
	}
	without, with := deploy(t, nil), deploy(t, defaults)
	same(t, "resources", with.List(), without.List())
	if changed := changes(t, without, with); len(changed) > 0 {
		t.Errorf("the defaults differ: %v", changed)
	}
}

func TestStackFilesAreAccepted(t *testing.T) {
	for _, name := range []string{"dev", "prod"} {
		config := prefixed(stackFile(t, name))
		if config["pulumi:disable-default-providers"] != `["aws"]` {
			t.Errorf("%s: the default AWS provider is not disabled, so a forgotten provider would go unseen", name)
		}
		r := &testkit.Recorder{Stack: name}
		if err := r.Run(Program{Root: root}.Deploy, config); err != nil {
			t.Fatal(err)
		}
		if name == "dev" {
			if got := r.All("ecs.Service")[0].Input("capacityProviderStrategies.0.capacityProvider"); got != "FARGATE_SPOT" {
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
		for _, made := range append(r.All("ecr.Repository"), r.Get(t, "lb.LoadBalancer producer"), r.Get(t, "kms.Key key"), r.Get(t, "s3.Bucket producer-access-logs")) {
			if !made.Protect {
				t.Errorf("prod: %s is not protected", made)
			}
		}
		if vpcs, logs := len(r.All("ec2.Vpc")), len(r.All("ec2.FlowLog")); logs != vpcs {
			t.Errorf("prod: %d VPCs, %d flow logs", vpcs, logs)
		}
		for kind, want := range map[string]int{"cloudwatch.MetricAlarm": 2 + 3*len(Services()), "cloudwatch.Dashboard": 1, "cloudwatch.QueryDefinition": 3, "cloudwatch.EventRule": 0, "sns.Topic": 0} {
			if got := len(r.All(kind)); got != want {
				t.Errorf("prod: %d of %s, want %d", got, kind, want)
			}
		}
		if got := r.Get(t, "lb.LoadBalancer producer").Input("enableDeletionProtection"); got != true {
			t.Errorf("prod: deletion protection %v", got)
		}
		for _, group := range r.All("cloudwatch.LogGroup") {
			if got := group.Input("retentionInDays"); got != 365. {
				t.Errorf("prod: %s keeps logs for %v days", group, got)
			}
			if got := group.Input("kmsKeyId"); got != r.Get(t, "kms.Key key").Outputs["arn"].StringValue() {
				t.Errorf("prod: %s is encrypted with %v", group, got)
			}
		}
	}
}

// Each setting, another value, and exactly the inputs that follow it.
func TestSettings(t *testing.T) {
	digest := "123456789012.dkr.ecr.us-west-2.amazonaws.com/book@sha256:" + strings.Repeat("b", 64)
	perService := func(format string) []string {
		return []string{fmt.Sprintf(format, "alpha"), fmt.Sprintf(format, "beta")}
	}
	flowLogs := func(components ...string) (all []string) {
		for _, name := range components {
			for _, kind := range []string{"cloudwatch.LogGroup", "ec2.FlowLog", "iam.Role", "iam.RolePolicy"} {
				all = append(all, kind+" "+name+"-flow-logs")
			}
		}
		return all
	}
	public := func(kind string) []string { return []string{kind + " producer-public-1", kind + " producer-public-2"} }
	anyOrigin := map[string]string{"cors": `{"allowOrigins":["*"]}`}
	jwt := map[string]string{"authorization": "jwt", "jwt": `{"issuer":"https://issuer.example.com","audiences":["api"]}`}
	dom := func(fields string) string { return `{"name":"api.example.com","zone":"example.com"` + fields + `}` }
	named := map[string]string{"domain": dom("")}
	events := []string{"cloudwatch.EventApiDestination operations-warm", "cloudwatch.EventConnection operations-warm", "cloudwatch.EventRule operations-warm", "cloudwatch.EventTarget operations-warm"}
	alarms := slices.Concat([]string{"cloudwatch.MetricAlarm operations-errors", "cloudwatch.MetricAlarm operations-latency"}, perService("cloudwatch.MetricAlarm operations-tasks-%s"),
		perService("cloudwatch.MetricAlarm producer-%s-errors"), perService("cloudwatch.MetricAlarm producer-%s-latency"))
	var told []string
	for _, alarm := range alarms {
		told = append(told, alarm+" alarmActions", alarm+" okActions")
	}
	tested := map[string]bool{
		"aws:region": true, "availabilityZoneCount": true, // TestZones
		"allowUnauthenticated": true,                                                                                  // below, as production needs it
		"listener.arn":         true, "listener.serverName": true, "listener.paths": true, "listener.allowLink": true, // TestListenerSettings
		"network.vpcId": true, "network.privateSubnetIds": true, // TestNetworkSettings
	}
	for _, test := range []struct {
		key, value     string
		with           map[string]string // what both have
		changed        []string
		added, removed []string
	}{
		{key: "producerVpcCidr", value: "10.4.0.0/16", changed: []string{"ec2.Subnet producer-private-1 cidrBlock", "ec2.Subnet producer-private-2 cidrBlock", "ec2.Subnet producer-public-1 cidrBlock", "ec2.Subnet producer-public-2 cidrBlock", "awsx.Vpc producer cidrBlock", "ec2.Vpc producer cidrBlock"}},
		{key: "namespace", value: "shop.internal", changed: []string{"servicediscovery.PrivateDnsNamespace producer name"}},
		{key: "spot", value: "true", with: map[string]string{"healthCheckIntervalSeconds": "10", "drainSeconds": "25"}, changed: append([]string{"ecs.ClusterCapacityProviders producer defaultCapacityProviderStrategies"}, perService("ecs.Service producer-%s capacityProviderStrategies")...)},
		{key: "onDemandBase", value: "1", with: map[string]string{"spot": "true", "healthCheckIntervalSeconds": "10", "drainSeconds": "25"}, changed: perService("ecs.Service producer-%s capacityProviderStrategies")},
		{key: "architecture", value: "x86_64", changed: slices.Concat(perService("docker.Image producer-%s build"), perService("ecs.TaskDefinition producer-%s runtimePlatform"), perService("ecs.TaskDefinition producer-%s containerDefinitions"))},
		{key: "cpu", value: "512", with: map[string]string{"memory": "1024"}, changed: perService("ecs.TaskDefinition producer-%s cpu")},
		{key: "memory", value: "1024", changed: slices.Concat(perService("ecs.TaskDefinition producer-%s containerDefinitions"), perService("ecs.TaskDefinition producer-%s memory"))},
		{key: "desiredCount", value: "3", changed: perService("ecs.Service producer-%s desiredCount")},
		{key: "services", value: `{"beta":{"cpu":512,"memory":1024,"desiredCount":1}}`, changed: []string{"ecs.Service producer-beta desiredCount", "ecs.TaskDefinition producer-beta containerDefinitions", "ecs.TaskDefinition producer-beta cpu", "ecs.TaskDefinition producer-beta memory"}},
		{key: "scaling", value: `{"min":3,"max":8}`, changed: slices.Concat(perService("ecs.Service producer-%s desiredCount"), perService("ecs.Service producer-%s tags")),
			added: slices.Concat(perService("appautoscaling.Target producer-%s"), perService("appautoscaling.Policy producer-%s-cpu"))},
		{key: "scaling", value: `{"max":8,"cpu":50}`, with: map[string]string{"scaling": `{"max":8}`}, changed: perService("appautoscaling.Policy producer-%s-cpu targetTrackingScalingPolicyConfiguration")},
		{key: "scaling", value: `{"max":8,"requestsPerTarget":600}`, with: map[string]string{"scaling": `{"max":8}`}, added: perService("appautoscaling.Policy producer-%s-requests")},
		{key: "services", value: `{"beta":{"scaling":{"min":1,"max":6,"cpu":70,"requestsPerTarget":300}}}`, with: map[string]string{"scaling": `{"max":8}`},
			changed: []string{"appautoscaling.Policy producer-beta-cpu targetTrackingScalingPolicyConfiguration", "appautoscaling.Target producer-beta maxCapacity", "appautoscaling.Target producer-beta minCapacity"},
			added:   []string{"appautoscaling.Policy producer-beta-requests"}},
		{key: "services", value: `{"beta":{"environment":{"MODE":"quiet"}}}`, changed: []string{"ecs.TaskDefinition producer-beta containerDefinitions"}},
		{key: "services", value: `{"beta":{"secrets":{"TOKEN":"arn:aws:ssm:us-west-2:123456789012:parameter/token"}}}`, changed: []string{"ecs.TaskDefinition producer-beta containerDefinitions", "iam.RolePolicy producer-beta-execution policy"}},
		{key: "services", value: `{"beta":{"secrets":{"TOKEN":"token"},"kmsKey":"arn:aws:kms:us-west-2:123456789012:key/1"}}`, with: map[string]string{"services": `{"beta":{"secrets":{"TOKEN":"token"}}}`}, changed: []string{"iam.RolePolicy producer-beta-execution policy"}},
		{key: "services", value: `{"beta":{"user":"101:101"}}`, changed: []string{"ecs.TaskDefinition producer-beta containerDefinitions"}},
		{key: "services", value: `{"beta":{"writableFolders":["/tmp"]}}`, changed: []string{"ecs.TaskDefinition producer-beta containerDefinitions", "ecs.TaskDefinition producer-beta volumes"}},
		{key: "services", value: `{"beta":{"healthCommand":["CMD","/bin/true"]}}`, changed: []string{"ecs.TaskDefinition producer-beta containerDefinitions"}},
		{key: "services", value: `{"beta":{"port":9000}}`, changed: []string{"ecs.Service producer-beta loadBalancers", "ecs.TaskDefinition producer-beta containerDefinitions", "lb.TargetGroup producer-beta port",
			"vpc.SecurityGroupEgressRule producer-alb-to-producer-beta fromPort", "vpc.SecurityGroupEgressRule producer-alb-to-producer-beta toPort",
			"vpc.SecurityGroupIngressRule producer-alb-to-producer-beta fromPort", "vpc.SecurityGroupIngressRule producer-alb-to-producer-beta toPort"}},
		{key: "services", value: `{"beta":{"image":"` + digest + `"}}`, changed: []string{"ecs.TaskDefinition producer-beta containerDefinitions", "iam.RolePolicy producer-beta-execution policy"}, removed: []string{"docker.Image producer-beta"}},
		{key: "healthCheckIntervalSeconds", value: "20", changed: slices.Concat(perService("ecs.Service producer-%s healthCheckGracePeriodSeconds"), perService("lb.TargetGroup producer-%s healthCheck"))},
		{key: "healthCheckTimeoutSeconds", value: "4", changed: perService("lb.TargetGroup producer-%s healthCheck")},
		{key: "deregistrationDelaySeconds", value: "60", changed: perService("lb.TargetGroup producer-%s deregistrationDelay")},
		{key: "drainSeconds", value: "10", changed: perService("ecs.TaskDefinition producer-%s containerDefinitions")},
		{key: "stopTimeoutSeconds", value: "60", changed: perService("ecs.TaskDefinition producer-%s containerDefinitions")},
		{key: "waitForSteadyState", value: "false"}, // the program asks ECS, or does not
		{key: "deploymentTimeoutMinutes", value: "30", changed: perService("ecs.Service producer-%s (timeouts)")},
		{key: "logRetentionDays", value: "7", changed: append([]string{"cloudwatch.LogGroup consumer retentionInDays", "cloudwatch.LogGroup producer-insights retentionInDays"}, perService("cloudwatch.LogGroup producer-%s retentionInDays")...)},
		{key: "containerInsights", value: "false", changed: []string{"ecs.Cluster producer settings"}, removed: []string{"cloudwatch.LogGroup producer-insights"}},
		{key: "flowLogs", value: "true", added: flowLogs("producer", "consumer")},
		{key: "flowLogs", value: "true", with: map[string]string{"bastion": "false"}, added: flowLogs("producer")},
		{key: "alarms", value: "true", changed: slices.Concat(perService("ecs.Service producer-%s alarms"), perService("ecs.Service producer-%s tags")), added: append(alarms, "operations.Operations operations")},
		{key: "alarmThresholds", value: `{"serviceErrorPercent":10}`, with: map[string]string{"alarms": "true"}, changed: slices.Concat(perService("cloudwatch.MetricAlarm producer-%s-errors alarmDescription"), perService("cloudwatch.MetricAlarm producer-%s-errors threshold"))},
		{key: "alarmThresholds", value: `{"serviceP99Milliseconds":500}`, with: map[string]string{"alarms": "true"}, changed: slices.Concat(perService("cloudwatch.MetricAlarm producer-%s-latency alarmDescription"), perService("cloudwatch.MetricAlarm producer-%s-latency threshold"))},
		{key: "accessLogs", value: "true", changed: []string{"lb.LoadBalancer producer accessLogs"}, added: []string{"s3.Bucket producer-access-logs", "s3.BucketOwnershipControls producer-access-logs",
			"s3.BucketPolicy producer-access-logs", "s3.BucketPublicAccessBlock producer-access-logs"}},
		{key: "customerManagedKey", value: "true", added: []string{"kms.Key key"}, changed: slices.Concat(
			[]string{"cloudwatch.LogGroup consumer kmsKeyId", "cloudwatch.LogGroup producer-insights kmsKeyId"}, perService("cloudwatch.LogGroup producer-%s kmsKeyId"),
			perService("ecr.Repository producer-%s encryptionConfigurations"), perService("iam.RolePolicy producer-%s-execution policy"))},
		{key: "alarmThresholds", value: `{"apiErrorPercent":10}`, with: map[string]string{"alarms": "true"}, changed: []string{"cloudwatch.MetricAlarm operations-errors alarmDescription", "cloudwatch.MetricAlarm operations-errors threshold"}},
		{key: "alarmThresholds", value: `{"apiP99Milliseconds":500}`, with: map[string]string{"alarms": "true"}, changed: []string{"cloudwatch.MetricAlarm operations-latency alarmDescription", "cloudwatch.MetricAlarm operations-latency threshold"}},
		{key: "alarmEmails", value: `["on-call@example.com"]`, with: map[string]string{"alarms": "true"}, changed: told,
			added: []string{"kms.Key key", "operations.Topic alarms", "sns.Topic alarms", "sns.TopicPolicy alarms", "sns.TopicSubscription alarms-on-call@example.com"}},
		{key: "alarmEmails", value: `["on-call@example.com"]`, with: map[string]string{"alarms": "true", "customerManagedKey": "true"}, changed: append([]string{"kms.Key key description", "kms.Key key policy"}, told...),
			added: []string{"operations.Topic alarms", "sns.Topic alarms", "sns.TopicPolicy alarms", "sns.TopicSubscription alarms-on-call@example.com"}},
		{key: "alarmTopicArn", value: "arn:aws:sns:us-west-2:123456789012:on-call", with: map[string]string{"alarms": "true"}, changed: told},
		{key: "desiredCount", value: "3", with: map[string]string{"alarms": "true"}, changed: slices.Concat(perService("ecs.Service producer-%s desiredCount"),
			perService("cloudwatch.MetricAlarm operations-tasks-%s alarmDescription"), perService("cloudwatch.MetricAlarm operations-tasks-%s threshold"))},
		{key: "dashboard", value: "true", added: []string{"cloudwatch.Dashboard operations", "operations.Operations operations"}},
		{key: "savedQueries", value: "true", added: []string{"cloudwatch.QueryDefinition operations-errors", "cloudwatch.QueryDefinition operations-request", "cloudwatch.QueryDefinition operations-slowest", "operations.Operations operations"}},
		{key: "keepLinkWarm", value: "true", added: append([]string{"iam.Role operations-warm", "iam.RolePolicy operations-warm", "operations.Operations operations"}, events...)},
		{key: "keepLinkWarm", value: "true", with: map[string]string{"authorization": "iam", "publicHealth": "true"}, added: append([]string{"iam.Role operations-warm", "iam.RolePolicy operations-warm", "operations.Operations operations"}, events...)},
		{key: "deletionProtection", value: "true", with: map[string]string{"customerManagedKey": "true", "accessLogs": "true"}, changed: slices.Concat(
			[]string{"kms.Key key (protect)", "s3.Bucket producer-access-logs (protect)", "s3.Bucket producer-access-logs forceDestroy"},
			[]string{"lb.LoadBalancer producer (protect)", "lb.LoadBalancer producer enableDeletionProtection"}, perService("ecr.Repository producer-%s (protect)"), perService("ecr.Repository producer-%s forceDelete"))},
		{key: "logRetentionDays", value: "7", with: map[string]string{"accessLogs": "true", "flowLogs": "true", "containerInsights": "false", "bastion": "false"}, changed: append(
			[]string{"cloudwatch.LogGroup consumer retentionInDays", "cloudwatch.LogGroup producer-flow-logs retentionInDays", "s3.Bucket producer-access-logs lifecycleRules"},
			perService("cloudwatch.LogGroup producer-%s retentionInDays")...)},
		{key: "deletionProtection", value: "true", changed: slices.Concat([]string{"lb.LoadBalancer producer (protect)", "lb.LoadBalancer producer enableDeletionProtection"}, perService("ecr.Repository producer-%s (protect)"), perService("ecr.Repository producer-%s forceDelete"))},
		{key: "integrationTimeoutSeconds", value: "10", changed: []string{"apigatewayv2.Integration consumer timeoutMilliseconds"}},
		{key: "throttle", value: `{"burst":10}`, changed: []string{"apigatewayv2.Stage consumer defaultRouteSettings"}},
		{key: "throttle", value: `{"rate":10}`, changed: []string{"apigatewayv2.Stage consumer defaultRouteSettings"}},
		{key: "cors", value: `{"allowOrigins":["https://www.example.com"]}`, changed: []string{"apigatewayv2.Api consumer corsConfiguration"}},
		{key: "cors", value: `{"allowOrigins":["*"],"allowMethods":["GET"]}`, with: anyOrigin, changed: []string{"apigatewayv2.Api consumer corsConfiguration"}},
		{key: "cors", value: `{"allowOrigins":["*"],"allowHeaders":["x-me"]}`, with: anyOrigin, changed: []string{"apigatewayv2.Api consumer corsConfiguration"}},
		{key: "cors", value: `{"allowOrigins":["*"],"maxAgeSeconds":1}`, with: anyOrigin, changed: []string{"apigatewayv2.Api consumer corsConfiguration"}},
		{key: "jwt", value: `{"issuer":"https://other.example.com","audiences":["api"]}`, with: jwt, changed: []string{"apigatewayv2.Authorizer consumer jwtConfiguration"}},
		{key: "jwt", value: `{"issuer":"https://issuer.example.com","audiences":["other"]}`, with: jwt, changed: []string{"apigatewayv2.Authorizer consumer jwtConfiguration"}},
		{key: "bastionAmi", value: "ami-0123456789abcdef0", changed: []string{"ec2.Instance consumer-bastion ami"}},
		{key: "ssh", value: `{"keyName":"me","cidrs":["203.0.113.0/24"]}`, changed: []string{"ec2.Instance consumer-bastion keyName"}, added: []string{"vpc.SecurityGroupIngressRule consumer-bastion-ssh-203.0.113.0-24"}},
		{key: "aws:allowedAccountIds", value: `["123456789012"]`, changed: []string{"providers.aws aws allowedAccountIds"}},
		{key: "aws:skipRegionValidation", value: "true", changed: []string{"providers.aws aws skipRegionValidation"}},
		{key: "aws:assumeRole", value: `{"roleArn":"arn:aws:iam::123456789012:role/team/deploy","sessionName":"ci","externalId":"ours","duration":"1h","sourceIdentity":"me"}`, changed: []string{"providers.aws aws assumeRole"}},
		{key: "aws:profile", value: "work", changed: []string{"providers.aws aws profile"}},
		{key: "availabilityZones", value: `["us-west-2a","us-west-2c"]`, changed: []string{"awsx.Vpc consumer availabilityZoneNames", "awsx.Vpc producer availabilityZoneNames", "ec2.Subnet consumer-public-2 availabilityZone",
			"ec2.Subnet producer-private-2 availabilityZone", "ec2.Subnet producer-public-2 availabilityZone"}},
		{key: "authorization", value: "iam", changed: []string{"apigatewayv2.Route consumer authorizationType", "ec2.Instance consumer-bastion userData"},
			added: []string{"iam.RolePolicy consumer-bastion"}},
		{key: "publicHealth", value: "true", with: jwt, added: perService("apigatewayv2.Route consumer-%s-health")},
		{key: "publicHealth", value: "true"}, // anyone may call everything
		{key: "production", value: "true"},   // with allowUnauthenticated below
		{key: "bastion", value: "false", removed: []string{"awsx.Vpc consumer", "ec2.DefaultSecurityGroup consumer", "ec2.Instance consumer-bastion", "ec2.InternetGateway consumer", "ec2.Route consumer-public-1", "ec2.Route consumer-public-2", "ec2.RouteTable consumer-public-1", "ec2.RouteTable consumer-public-2", "ec2.RouteTableAssociation consumer-public-1", "ec2.RouteTableAssociation consumer-public-2", "ec2.SecurityGroup consumer-bastion", "ec2.Subnet consumer-public-1", "ec2.Subnet consumer-public-2", "ec2.Vpc consumer", "iam.InstanceProfile consumer-bastion", "iam.Role consumer-bastion", "iam.RolePolicyAttachment consumer-bastion", "vpc.SecurityGroupEgressRule consumer-bastion-to-https"}},
		{key: "consumerVpcCidr", value: "10.9.0.0/16", changed: []string{"ec2.Subnet consumer-public-1 cidrBlock", "ec2.Subnet consumer-public-2 cidrBlock", "awsx.Vpc consumer cidrBlock", "ec2.Vpc consumer cidrBlock"}},
		{key: "domain", value: dom(""), changed: slices.Concat([]string{"apigatewayv2.Integration consumer integrationUri", "apigatewayv2.Integration consumer tlsConfig", "ec2.Instance consumer-bastion userData"},
			perService("lb.ListenerRule producer-%s listenerArn"),
			[]string{"vpc.SecurityGroupEgressRule producer-link-to-producer-alb fromPort", "vpc.SecurityGroupEgressRule producer-link-to-producer-alb toPort",
				"vpc.SecurityGroupIngressRule producer-link-to-producer-alb fromPort", "vpc.SecurityGroupIngressRule producer-link-to-producer-alb toPort"}),
			added: []string{"stack.Domain domain", "acm.Certificate domain", "acm.CertificateValidation domain", "route53.Record domain-validation",
				"lb.Listener producer-https", "lb.ListenerCertificate producer-https",
				"apigatewayv2.DomainName consumer", "apigatewayv2.ApiMapping consumer", "route53.Record consumer-ipv4", "route53.Record consumer-ipv6"},
			removed: []string{"lb.Listener producer"}},
		{key: "domain", value: `{"name":"www.example.com","zone":"example.com"}`, with: named, changed: []string{"acm.Certificate domain domainName", "apigatewayv2.ApiMapping consumer domainName",
			"apigatewayv2.DomainName consumer domainName", "apigatewayv2.Integration consumer tlsConfig", "ec2.Instance consumer-bastion userData",
			"route53.Record consumer-ipv4 name", "route53.Record consumer-ipv6 name", "route53.Record domain-validation name", "acm.CertificateValidation domain validationRecordFqdns"}},
		{key: "domain", value: `{"name":"api.example.com","zone":"api.example.com"}`, with: named, changed: []string{"route53.Record consumer-ipv4 zoneId", "route53.Record consumer-ipv6 zoneId", "route53.Record domain-validation zoneId"}},
		{key: "domain", value: dom(`,"keepExecuteApi":false`), with: named, changed: []string{"apigatewayv2.Api consumer disableExecuteApiEndpoint"}},
		{key: "tags", value: `{"Team":"books"}`, changed: []string{"providers.aws aws defaultTags"}},
		{key: "egress", value: "nat-per-zone", changed: []string{"ec2.Route producer-private-2 natGatewayId"}, added: []string{"ec2.Eip producer-2", "ec2.NatGateway producer-2"}},
		{key: "egress", value: "endpoints", changed: []string{"awsx.Vpc producer subnetSpecs"},
			added: slices.Concat([]string{"ec2.SecurityGroup producer-endpoints", "ec2.VpcEndpoint producer-ecr-api", "ec2.VpcEndpoint producer-ecr-dkr", "ec2.VpcEndpoint producer-logs"},
				perService("vpc.SecurityGroupEgressRule producer-%s-to-producer-endpoints"), perService("vpc.SecurityGroupIngressRule producer-%s-to-producer-endpoints"), perService("vpc.SecurityGroupEgressRule producer-%s-to-s3")),
			removed: slices.Concat([]string{"ec2.Eip producer-1", "ec2.NatGateway producer-1", "ec2.Route producer-private-1", "ec2.Route producer-private-2"}, perService("vpc.SecurityGroupEgressRule producer-%s-to-https"),
				public("ec2.Route"), public("ec2.RouteTable"), public("ec2.RouteTableAssociation"), public("ec2.Subnet"))},
	} {
		tested[test.key] = true
		for _, field := range regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(test.value, -1) {
			tested[test.key+"."+field[1]], tested[test.key+".<name>."+field[1]], tested[test.key+".<name>.scaling."+field[1]] = true, true, true
		}
		t.Run(test.key+"="+test.value, func(t *testing.T) {
			settings := map[string]string{test.key: test.value, "allowUnauthenticated": "true"}
			for key, value := range test.with {
				if key != test.key {
					settings[key] = value
				}
			}
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
	var check func([]setting.Declaration)
	check = func(all []setting.Declaration) {
		for _, d := range all {
			if check(d.Fields); len(d.Fields) == 0 && !tested[d.Key] {
				t.Errorf("no row changes %s", d.Key)
			}
		}
	}
	check(declarations())
}

// A field that an object leaves out has its default.
func TestFieldsOfObjectsHaveDefaults(t *testing.T) {
	r := deploy(t, map[string]string{"throttle": `{"burst":50}`, "cors": `{"allowOrigins":["https://www.example.com"]}`})
	limits := r.Get(t, "apigatewayv2.Stage consumer")
	if burst, rate := limits.Input("defaultRouteSettings.throttlingBurstLimit"), limits.Input("defaultRouteSettings.throttlingRateLimit"); burst != 50. || rate != 100. {
		t.Errorf("burst %v, rate %v", burst, rate)
	}
	cors := r.Get(t, "apigatewayv2.Api consumer")
	if methods, age := cors.Input("corsConfiguration.allowMethods.0"), cors.Input("corsConfiguration.maxAge"); methods != "GET" || age != 300. {
		t.Errorf("methods %v, age %v", methods, age)
	}
}

// What the configuration says of a service is added to what Go says of it.
func TestEnvironmentIsMerged(t *testing.T) {
	p := fixture(t)
	p.Services[0].Environment = map[string]string{"MODE": "loud", "COLOR": "red"}
	r := &testkit.Recorder{}
	if err := deployOn(r, p, map[string]string{"services": `{"alpha":{"environment":{"MODE":"quiet"}}}`}); err != nil {
		t.Fatal(err)
	}
	container := r.Get(t, "ecs.TaskDefinition producer-alpha").Input("containerDefinitions").(string)
	for _, want := range []string{`{"name":"MODE","value":"quiet"}`, `{"name":"COLOR","value":"red"}`} {
		if !strings.Contains(container, want) {
			t.Errorf("the container has no %s: %s", want, container)
		}
	}
	if p.Services[0].Environment["MODE"] != "loud" {
		t.Error("the program's own value was changed")
	}
}

// domainOf are settings of a domain of that many characters.
func domainOf(n int) map[string]string {
	const zone = "example.com"
	name := ""
	for n -= len(zone); n > 32; n -= 32 {
		name += strings.Repeat("a", 31) + "."
	}
	return map[string]string{"domain": fmt.Sprintf(`{"name":"%s","zone":%q}`, name+strings.Repeat("b", n-1)+"."+zone, zone)}
}

// The limits of tags, zones and domains, on both sides.
func TestLimits(t *testing.T) {
	tags := func(n, key, value int) map[string]string {
		all := map[string]string{}
		for i := range n {
			all[fmt.Sprintf("%0*d", key, i)] = strings.Repeat("v", value)
		}
		return map[string]string{"tags": toJSON(t, all)}
	}
	for _, test := range []struct {
		name     string
		settings map[string]string
		allowed  bool
	}{
		{"40 tags", tags(40, 2, 1), true}, {"41 tags", tags(41, 2, 1), false},
		{"key of 128", tags(1, 128, 1), true}, {"key of 129", tags(1, 129, 1), false},
		{"value of 256", tags(1, 1, 256), true}, {"value of 257", tags(1, 1, 257), false},
		{"key of 128 characters that are more bytes", map[string]string{"tags": `{"` + strings.Repeat("ä", 128) + `":"v"}`}, true},
		{"value of 256 characters that are more bytes", map[string]string{"tags": `{"k":"` + strings.Repeat("ü", 256) + `"}`}, true},
		{"empty key", map[string]string{"tags": `{"":"v"}`}, false}, {"case alone differs", map[string]string{"tags": `{"a":"v","A":"v"}`}, false},
		{"1 zone", map[string]string{"availabilityZoneCount": "1"}, false}, {"2 zones", map[string]string{"availabilityZoneCount": "2"}, true},
		{"6 zones", map[string]string{"availabilityZoneCount": "6"}, true}, {"7 zones", map[string]string{"availabilityZoneCount": "7"}, false},
		{"one named zone", map[string]string{"availabilityZones": `["us-west-2a"]`}, false},
		{"adjacent ranges", map[string]string{"producerVpcCidr": "10.1.0.0/17", "consumerVpcCidr": "10.1.128.0/17"}, true},
		{"domain of 64 characters", domainOf(64), true}, {"domain of 65 characters", domainOf(65), false},
		{"domain that is the zone", map[string]string{"domain": `{"name":"example.com","zone":"example.com"}`}, true},
		{"overlap, but no bastion", map[string]string{"consumerVpcCidr": "10.0.0.0/16", "bastion": "false"}, true},
	} {
		c := newConfiguration(fixture(t).Services, testkit.Apps(t, "alpha", "beta"))
		var problems setting.Problems
		err := (&testkit.Recorder{}).Run(func(ctx *pulumi.Context) error { problems = c.read(ctx, nil); return nil }, prefixed(test.settings))
		if err != nil {
			t.Fatal(err)
		}
		if err := problems.Err(); (err == nil) != test.allowed {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// What is refused, and what the message says: the setting, its value, what is allowed.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings map[string]string
		want     []string
	}{
		{name: "malformed number", settings: map[string]string{"cpu": "many"}, want: []string{`cpu: "many" is not allowed: a whole number`}},
		{name: "malformed boolean", settings: map[string]string{"spot": "yes"}, want: []string{`spot: "yes" is not allowed: true or false`}},
		{name: "malformed list", settings: map[string]string{"ssh": `{"cidrs":"10.0.0.0/8"}`}, want: []string{`ssh.cidrs: "10.0.0.0/8" is not allowed: a list of texts`}},
		{name: "overlapping ranges", settings: map[string]string{"consumerVpcCidr": "10.0.128.0/17"}, want: []string{`consumerVpcCidr: "10.0.128.0/17" is not allowed: a range that does not overlap producerVpcCidr (10.0.0.0/16)`}},
		{name: "range too small", settings: map[string]string{"producerVpcCidr": "10.0.0.0/26"}, want: []string{`producerVpcCidr: "10.0.0.0/26" is not allowed: an IPv4 range between /16 and /25`}},
		{name: "range too small for six zones", settings: map[string]string{"producerVpcCidr": "10.0.0.0/24", "availabilityZoneCount": "6"}, want: []string{`producerVpcCidr: "10.0.0.0/24" is not allowed: an IPv4 range between /16 and /23`}},
		{name: "one zone", settings: map[string]string{"availabilityZoneCount": "1"}, want: []string{`availabilityZoneCount: 1 is not allowed: 2 to 6 zones`}},
		{name: "zones twice", settings: map[string]string{"availabilityZones": `["us-west-2a","us-west-2a"]`}, want: []string{`availabilityZones: ["us-west-2a","us-west-2a"] is not allowed: two or more different zones`}},
		{name: "field of an object", settings: map[string]string{"throttle": `{"bursts":5}`}, want: []string{`private-api:throttle.bursts: no such setting; the nearest is throttle.burst`}},
		{name: "malformed field", settings: map[string]string{"throttle": `{"burst":"many"}`}, want: []string{`throttle.burst: "many" is not allowed: a whole number`}},
		{name: "malformed object", settings: map[string]string{"throttle": `50`}, want: []string{`throttle: "50" is not allowed: an object`}},
		{name: "open production", settings: map[string]string{"production": "true"}, want: []string{`authorization: "none" is not allowed: iam or jwt while production is true`}},
		{name: "warm link behind authorization", settings: map[string]string{"keepLinkWarm": "true", "authorization": "iam"},
			want: []string{`keepLinkWarm: true is not allowed: false, or publicHealth true too: with authorization "iam" and publicHealth false, the API refuses its request`}},
		{name: "mails without alarms", settings: map[string]string{"alarmEmails": `["a@example.com"]`}, want: []string{"alarms: false is not allowed: true, as alarmEmails or alarmTopicArn is set"}},
		{name: "SSH from everywhere", settings: map[string]string{"ssh": `{"keyName":"me","cidrs":["0.0.0.0/0"]}`}, want: []string{`ssh.cidrs: "0.0.0.0/0" is not allowed: different IPv4 ranges of /8 or smaller`}},
		{name: "region", settings: map[string]string{"aws:region": "Oregon"}, want: []string{`aws:region: "Oregon" is not allowed: a region such as us-west-2`}},
		{name: "tag of AWS", settings: map[string]string{"tags": `{"aws:x":"y"}`}, want: []string{`tags: "aws:x" is not allowed`}},
		{name: "tag of the program", settings: map[string]string{"tags": `{"stack":"y"}`}, want: []string{`tags: "stack" is not allowed`}},
		{name: "field of a service", settings: map[string]string{"services": `{"alpha":{"cpus":1}}`}, want: []string{`private-api:services.alpha.cpus: no such setting; the nearest is services.alpha.cpu`}},
		{name: "service that is not there", settings: map[string]string{"services": `{"film":{}}`}, want: []string{`private-api:services.film: no such setting; the nearest is services.beta`}},
		{name: "object for a text", settings: map[string]string{"services": `{"alpha":{"environment":{"POOL":{"size":5}}}}`}, want: []string{`private-api:services.alpha.environment.POOL: {"size":5} is not allowed: a text`}},
		{name: "number that may have lost digits", settings: map[string]string{"services": `{"alpha":{"environment":{"RATE":1.5,"MORE":1e+21}}}`}, want: []string{
			`private-api:services.alpha.environment.RATE: 1.5 is not allowed: a text; put a number such as this one in quotes`, `private-api:services.alpha.environment.MORE: 1e+21 is not allowed`}},
		{name: "account id without its first digit", settings: map[string]string{"aws:allowedAccountIds": `[12345678901]`}, want: []string{`aws:allowedAccountIds: "12345678901" is not allowed: different account ids of 12 digits`}},
		{name: "value of a tag in the way of AWS", settings: map[string]string{"tags": `{"x":"AWS:y"}`}, want: []string{`private-api:tags.x: "AWS:y" is not allowed`}},
		{name: "role that is none", settings: map[string]string{"aws:assumeRole": `{"roleArn":"deploy"}`}, want: []string{`aws:assumeRole.roleArn: "deploy" is not allowed: the ARN of an IAM role`}},
		{name: "session without a role", settings: map[string]string{"aws:assumeRole": `{"sessionName":"me"}`}, want: []string{`aws:assumeRole.roleArn: is missing: the ARN of an IAM role`}},
		{name: "part of a role that is not taken", settings: map[string]string{"aws:assumeRole": `{"roleArn":"arn:aws:iam::123456789012:role/r","policy":"{}"}`}, want: []string{`aws:assumeRole.policy: no such setting; the nearest is aws:assumeRole.`}},
		{name: "domain in another zone", settings: map[string]string{"domain": `{"name":"api.example.org","zone":"example.com"}`}, want: []string{`private-api:domain.name: "api.example.org" is not allowed: example.com, or a name that ends in .example.com, which is domain.zone`}},
		{name: "domain that ends alike", settings: map[string]string{"domain": `{"name":"badexample.com","zone":"example.com"}`}, want: []string{`domain.name: "badexample.com" is not allowed: example.com, or a name that ends in .example.com`}},
		{name: "domain without a zone", settings: map[string]string{"domain": `{"name":"api.example.com"}`}, want: []string{`domain.zone: is missing: the hosted zone that holds api.example.com`}},
		{name: "zone without a domain", settings: map[string]string{"domain": `{"zone":"example.com"}`}, want: []string{`domain.name: is missing: the name of the API`}},
		{name: "no endpoint at all", settings: map[string]string{"domain": `{"keepExecuteApi":false}`}, want: []string{`domain.name: is missing: the name of the API`}},
		{name: "URL for a domain", settings: map[string]string{"domain": `{"name":"https://api.example.com","zone":"example.com."}`}, want: []string{`domain.name: "https://api.example.com" is not allowed: a host name such as api.example.com, in lower case, 64 characters`, `domain.zone: "example.com." is not allowed: the name of a public hosted zone`}},
		{name: "wildcard domain", settings: map[string]string{"domain": `{"name":"*.example.com","zone":"example.com"}`}, want: []string{`domain.name: "*.example.com" is not allowed: a host name`}},
		{name: "domain in capitals", settings: map[string]string{"domain": `{"name":"API.example.com","zone":"example.com"}`}, want: []string{`domain.name: "API.example.com" is not allowed: a host name`}},
		{name: "image by tag", settings: map[string]string{"services": `{"alpha":{"image":"alpha:latest"}}`}, want: []string{`services.alpha.image: "alpha:latest" is not allowed: repository@sha256:`}},
		{name: "no tasks", settings: map[string]string{"services": `{"alpha":{"desiredCount":0}}`}, want: []string{`services.alpha.desiredCount: 0 is not allowed: 1 to 5000 tasks`}},
		{name: "all at once", settings: map[string]string{"cpu": "1", "egress": "x", "spot": "2", "throttle": `{"rate":0}`}, want: []string{"cpu: 1", `egress: "x"`, `spot: "2"`, "throttle.rate: 0", "nothing was changed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &testkit.Recorder{}
			err := deployOn(r, fixture(t), test.settings)
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

// What is said of keys that do not exist; no value of one is printed.
func TestUnknownSettingsAreRefused(t *testing.T) {
	keys := map[string]string{ // and what is said
		"private-api:desirdCount":       "private-api:desirdCount: no such setting; the nearest is desiredCount",
		"private-api:producton":         "private-api:producton: no such setting; the nearest is production",
		"private-api:services.book.cpu": "private-api:services.book.cpu: no such setting; for a part of services use pulumi config set --path",
		"private-api:ssh.cidrs[0]":      "private-api:ssh.cidrs[0]: no such setting; for a part of ssh use",
		"private-api:Tags":              "private-api:Tags: no such setting; the nearest is tags",
		"private-api:region":            "private-api:region: no such setting; the nearest is",
		"aws:secretKey":                 "aws:secretKey: no such setting; the nearest is",
		"aws:assumeRole.roleArn":        "aws:assumeRole.roleArn: no such setting; for a part of aws:assumeRole use pulumi config set --path",
		"aws:reigon":                    "aws:reigon: no such setting; the nearest is aws:region; the program makes its own provider, from aws:region, aws:profile, aws:assumeRole, aws:allowedAccountIds, aws:skipRegionValidation",
	}
	config := map[string]string{"private-api:cpu": "256", "other:key": "hunter2"}
	for key := range keys {
		config[key] = "hunter2"
	}
	refuse := func(t *testing.T, p Program) {
		t.Helper()
		err := (&testkit.Recorder{}).Run(p.Deploy, config)
		if err == nil {
			t.Fatal("accepted")
		}
		for _, want := range keys {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the message has no %q:\n%v", want, err)
			}
		}
		if strings.Contains(err.Error(), "other") {
			t.Errorf("settings of others are none of ours: %v", err)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a value is printed: %v", err)
		}
	}
	t.Run("inline", func(t *testing.T) {
		p := fixture(t)
		for key := range config {
			p.Keys = append(p.Keys, strings.TrimPrefix(key, "private-api:"))
		}
		refuse(t, p)
	})
	t.Run("pulumi up", func(t *testing.T) {
		t.Setenv(pulumi.EnvConfig, toJSON(t, config)) // as the language host does
		refuse(t, fixture(t))
	})
}

// A secret in any setting, well-formed or not, is refused by the setting's whole key, and its value is printed nowhere.
func TestSecretsAreRefused(t *testing.T) {
	for _, d := range append(declarations(), setting.Declaration{Key: "passwrd"}, setting.Declaration{Key: "aws:secretKey"}) {
		key := d.Key
		if !strings.Contains(key, ":") {
			key = "private-api:" + key
		}
		for _, value := range []string{
			"hunter2", `{"author":{"environment":{"DB_PASSWORD":"hunter2"}}}`, `{"author":{"environment":{"DB_PASSWORD":["hunter2"]}}}`,
			`{"hunter2":1}`, `["hunter2"]`, `{"hunter2`, "10.0.0.0/99 hunter2",
		} {
			p := fixture(t)
			p.Keys = []string{key}
			r := &testkit.Recorder{Secret: []string{key}}
			// Another refusal at the same time, so that all messages are there.
			err := r.Run(p.Deploy, map[string]string{key: value, "private-api:throttle": `{"burst":0}`})
			if err == nil {
				t.Fatalf("%s=%s: accepted", key, value)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s=%s: a secret is printed: %v", key, value, err)
			}
			want := key + ": holds a secret"
			if d.Type == "" {
				want = key + ": no such setting"
			}
			if !strings.Contains(err.Error(), want) || d.Type != "" && !strings.Contains(err.Error(), "services.<name>.secrets") || strings.Count(err.Error(), key) > 1 {
				t.Errorf("%s=%s: the message is %v", key, value, err)
			}
			if made := r.List(); len(made) > 1 {
				t.Errorf("%s=%s: made %v", key, value, made)
			}
		}
	}
}

// What the CLI makes of `pulumi config set --path`, where a text is wanted, is that text again.
func TestTextsAsTheCLIStoresThem(t *testing.T) {
	for _, text := range []string{
		"5", "0", "-7", "true", "false", "007", "1.50", "1e3", "0x1F", "9223372036854775807", "18446744073709551615", "18446744073709551616",
		"yes", "null", "2026-01-01", "", " 5", "[1]", `{"a":1}`, "abc",
	} {
		stored := pulumiconfig.Map{}
		for _, path := range []string{"services.alpha.environment.POOL", "tags.Pool"} {
			if path == "tags.Pool" && strings.ContainsAny(text, "[{") {
				continue // AWS allows these in no tag
			}
			if err := stored.Set(pulumiconfig.MustMakeKey("private-api", path), pulumiconfig.NewValue(text), true); err != nil {
				t.Fatal(err)
			}
		}
		config := map[string]string{}
		for key, value := range stored {
			value, err := value.Value(pulumiconfig.NopDecrypter)
			if err != nil {
				t.Fatal(err)
			}
			config[key.String()] = value
		}
		r := &testkit.Recorder{}
		if err := r.Run(fixture(t).Deploy, config); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		want := fmt.Sprintf(`{"name":"POOL","value":%s}`, toJSON(t, text))
		if got := r.Get(t, "ecs.TaskDefinition producer-alpha").Input("containerDefinitions").(string); !strings.Contains(got, want) {
			t.Errorf("%q: the container has no %s: %s", text, want, got)
		}
		if got := r.Get(t, "providers.aws aws").Input("defaultTags.tags.Pool"); !strings.ContainsAny(text, "[{") && got != text {
			t.Errorf("%q: the tag is %v", text, got)
		}
	}
}

// Zones that are named are looked up, and the message lists those that can be named.
func TestNamedZonesWithoutLinksAreRefused(t *testing.T) {
	for named, refused := range map[string][]string{
		`["eu-west-3a","eu-west-3b"]`: {`"eu-west-3b"`},
		`["eu-west-3x","eu-west-3a"]`: {`"eu-west-3x"`},
		`["us-west-2a","euw3-az1"]`:   {`"us-west-2a"`, `"euw3-az1"`},
	} {
		r := &testkit.Recorder{Account: fakeaws.Account{ID: "123456789012", Region: "eu-west-3"}}
		err := deployOn(r, fixture(t), map[string]string{"aws:region": "eu-west-3", "availabilityZones": named})
		for _, zone := range refused {
			want := fmt.Sprintf("private-api:availabilityZones: %s is not allowed: zones of eu-west-3 that have VPC links for this account: eu-west-3a, eu-west-3c", zone)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the message has no %q: %v", named, want, err)
			}
		}
		for _, made := range r.Resources {
			if !strings.HasPrefix(made.Type, "pulumi:") {
				t.Errorf("%s: %s was made", named, made)
			}
		}
	}
}

// Every name that Pulumi allows to a project or stack gives names that AWS allows; no other one is taken.
func TestNamesOfStacks(t *testing.T) {
	for name, allowed := range map[string]bool{
		"dev": true, "pr.12": true, "feature_X-1.2.3": true, ".": true, "..": true, "-": true, strings.Repeat("a", 100): true,
		strings.Repeat("a", 101): false, "a b": false, "a/b": false, "ä": false, "a:b": false,
	} {
		r := &testkit.Recorder{Stack: name}
		err := r.Run(fixture(t).Deploy, nil)
		if (err == nil) != allowed {
			t.Errorf("stack %q: %v", name, err)
		}
		if !allowed {
			if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("name of the stack: %q is not allowed: 1 to 100 letters", name)) || len(r.Resources) > 1 {
				t.Errorf("stack %q: %v, made %v", name, err, r.List())
			}
			continue
		}
		for _, task := range r.All("ecs.TaskDefinition") {
			if got := task.Input("family").(string); !regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`).MatchString(got) {
				t.Errorf("stack %q: family %s", name, got)
			}
		}
		for _, group := range r.All("cloudwatch.LogGroup") {
			for _, input := range []string{"name", "namePrefix"} {
				// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
				if got, ok := group.Input(input).(string); ok && !regexp.MustCompile(`^[._/#A-Za-z0-9-]{1,486}$`).MatchString(got) {
					t.Errorf("stack %q: log group %s", name, got)
				}
			}
		}
		if got := r.Get(t, "providers.aws aws").Input("defaultTags.tags.Stack"); got != name {
			t.Errorf("stack %q: tag %v", name, got)
		}
	}
}

// Without a Docker engine, the program says so once, before it makes anything; it asks for none where nothing is built.
func TestMissingDockerEngine(t *testing.T) {
	asked := ""
	p, r := fixture(t), &testkit.Recorder{}
	p.DockerEngine = func(host string) error { asked += host; return errors.New("no engine") }
	err := deployOn(r, p, map[string]string{"docker:host": "tcp://192.0.2.1:2375"})
	if err == nil || strings.Count(err.Error(), "no engine") != 1 || asked != "tcp://192.0.2.1:2375" {
		t.Errorf("asked %q, error %v", asked, err)
	}
	if len(r.All("pulumi:providers:aws"))+len(r.Invokes) > 0 || len(r.Resources) > 1 {
		t.Errorf("made %q, asked %q", r.List(), r.Invokes)
	}
	image := `{"image":"registry.example.com/x@sha256:` + strings.Repeat("b", 64) + `"}`
	if err := deployOn(&testkit.Recorder{}, p, map[string]string{"services": `{"alpha":` + image + `,"beta":` + image + `}`}); err != nil {
		t.Error(err)
	}
}
