package fakeaws

import (
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

func props(m map[string]any) resource.PropertyMap { return resource.NewPropertyMapFromMap(m) }

func TestIdsAndARNs(t *testing.T) {
	for _, test := range []struct {
		token  string
		inputs map[string]any
		id     string // expressions
		output string
		value  string
	}{
		{"aws:ec2/vpc:Vpc", nil, `^vpc-[0-9a-f]{17}$`, "arn", `^arn:aws:ec2:us-west-2:123456789012:vpc/vpc-[0-9a-f]{17}$`},
		{"aws:ecs/cluster:Cluster", nil, `^arn:aws:ecs:us-west-2:123456789012:cluster/thing-0000000$`, "arn", `^arn:aws:ecs:us-west-2:123456789012:cluster/thing-0000000$`},
		{"aws:ecs/service:Service", map[string]any{"cluster": "arn:aws:ecs:us-west-2:123456789012:cluster/c"}, `:service/c/thing-0000000$`, "iamRole", `AWSServiceRoleForECS$`},
		{"aws:ecs/taskDefinition:TaskDefinition", map[string]any{"family": "f"}, `^f$`, "arn", `:task-definition/f:1$`},
		{"aws:lb/listener:Listener", map[string]any{"loadBalancerArn": "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/a/1"}, `:listener/app/a/1/[0-9a-f]{16}$`, "protocol", `^HTTP$`},
		{"aws:lb/listenerRule:ListenerRule", map[string]any{"listenerArn": "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/a/1/2"}, `:listener-rule/app/a/1/2/[0-9a-f]{16}$`, "arn", `listener-rule`},
		{"aws:iam/role:Role", map[string]any{"name": "given"}, `^given$`, "arn", `^arn:aws:iam::123456789012:role/given$`},
		{"aws:ecr/repository:Repository", nil, `^thing-0000000$`, "repositoryUrl", `^123456789012\.dkr\.ecr\.us-west-2\.amazonaws\.com/thing-0000000$`},
		{Image, map[string]any{"imageName": "registry:5000/repository:tag", "build": map[string]any{"contextDigest": "abc"}}, `^registry:5000/repository@sha256:abc$`, "registryServer", `^registry:5000$`},
		{Image, map[string]any{"imageName": "r/x:tag"}, `^r/x@sha256:[0-9a-f]{64}$`, "repoDigest", `^r/x@sha256:[0-9a-f]{64}$`},
	} {
		id, outputs, err := Create(test.token, "thing", props(test.inputs))
		if err != nil {
			t.Error(err)
			continue
		}
		value := outputs[resource.PropertyKey(test.output)]
		if !regexp.MustCompile(test.id).MatchString(id) || !value.IsString() || !regexp.MustCompile(test.value).MatchString(value.StringValue()) {
			t.Errorf("%s: id %q, %s %v", test.token, id, test.output, value)
		}
		again, _, _ := Create(test.token, "thing", props(test.inputs))
		if again != id {
			t.Errorf("%s: id %q, then %q", test.token, id, again)
		}
		for key, value := range outputs {
			if value.IsString() && strings.ContainsAny(value.StringValue(), "{}") {
				t.Errorf("%s: %s is %v: a reference of the pattern is unknown", test.token, key, value)
			}
		}
	}
}

// Every pattern of the table can be filled in with next to nothing.
func TestEveryTypeCanBeMade(t *testing.T) {
	for _, token := range Types() {
		id, outputs, err := Create(token, "thing", props(map[string]any{"repository": "r", "clusterName": "c"}))
		if err != nil || id == "" {
			t.Errorf("%s: id %q, %v", token, id, err)
		}
		for key, value := range outputs {
			if value.IsString() && strings.ContainsAny(value.StringValue(), "{}") {
				t.Errorf("%s: %s is %v", token, key, value)
			}
		}
		known, _ := TypeOf(token)
		for _, name := range known.Computed() {
			if _, ok := outputs[resource.PropertyKey(name)]; !ok {
				t.Errorf("%s: output %s is missing", token, name)
			}
		}
	}
}

func TestPhysicalNames(t *testing.T) {
	for _, test := range []struct{ token, name, want string }{
		{"aws:lb/targetGroup:TargetGroup", "producer-a-service-with-a-long-name", "producer-a-service-with--1234567"},
		{"aws:ecr/repository:Repository", "Producer", "producer-1234567"},
		{"aws:ec2/vpc:Vpc", "vpc", ""},
	} {
		known, err := TypeOf(test.token)
		if err != nil {
			t.Fatal(err)
		}
		name := known.Check(test.name, "1234567", nil)["name"]
		if got, _ := name.V.(string); got != test.want {
			t.Errorf("%s %s is named %q, want %q", test.token, test.name, got, test.want)
		}
	}
	role, _ := TypeOf("aws:iam/role:Role")
	if named := role.Check("r", "1234567", props(map[string]any{"namePrefix": "p"})); named.HasValue("name") {
		t.Errorf("with a prefix, the name is %v", named["name"])
	}
}

func TestUpdateKeepsWhatAWSComputed(t *testing.T) {
	const token = "aws:ec2/securityGroup:SecurityGroup"
	known, err := TypeOf(token)
	if err != nil {
		t.Fatal(err)
	}
	_, olds, err := Create(token, "g", props(map[string]any{"tags": map[string]any{"a": "1"}}))
	if err != nil {
		t.Fatal(err)
	}
	news, err := known.Update(Default, token, "g", olds, props(map[string]any{"tags": map[string]any{"a": "2"}}))
	if err != nil || !news["arn"].DeepEquals(olds["arn"]) || !news["tagsAll"].DeepEquals(news["tags"]) || news["tags"].DeepEquals(olds["tags"]) {
		t.Errorf("%v became %v: %v", olds, news, err)
	}
}

func TestReplacementThatDependsOnAnotherInput(t *testing.T) {
	service, err := TypeOf("aws:ecs/service:Service")
	if err != nil {
		t.Fatal(err)
	}
	for force, want := range map[bool]bool{true: false, false: true} {
		if got := service.Replaces("capacityProviderStrategies", props(map[string]any{"forceNewDeployment": force})); got != want {
			t.Errorf("with forceNewDeployment %v, another capacity provider strategy replaces: %v", force, got)
		}
	}
}

func TestUnknownIsNamed(t *testing.T) {
	if _, _, err := Create("aws:s3/bucket:Bucket", "b", nil); err == nil || !strings.Contains(err.Error(), "aws:s3/bucket:Bucket") {
		t.Errorf("unknown type: %v", err)
	}
	if _, err := Invoke("aws:ec2/getAmi:getAmi", nil); err == nil || !strings.Contains(err.Error(), "aws:ec2/getAmi:getAmi") {
		t.Errorf("unknown lookup: %v", err)
	}
	if _, err := Invoke("aws:ssm/getParameter:getParameter", nil); err == nil || !strings.Contains(err.Error(), "name") {
		t.Errorf("parameter without a name: %v", err)
	}
}

func TestZones(t *testing.T) {
	for region, code := range map[string]string{
		"us-west-2": "usw2", "eu-central-1": "euc1", "ap-southeast-2": "apse2", "us-gov-west-1": "usgw1", "ap-northeast-1": "apne1",
	} {
		zones, err := Account{ID: "1", Region: region}.Invoke("aws:index/getAvailabilityZones:getAvailabilityZones", nil)
		if err != nil {
			t.Fatal(err)
		}
		name, id := zones["names"].ArrayValue()[0], zones["zoneIds"].ArrayValue()[0]
		if name.StringValue() != region+"a" || id.StringValue() != code+"-az1" {
			t.Errorf("%s: first zone %v, %v, want %s-az1", region, name, id, code)
		}
	}
}
