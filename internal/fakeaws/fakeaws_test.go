package fakeaws_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"private-api/internal/fakeaws"
)

const image, group = fakeaws.Image, "aws:ec2/securityGroup:SecurityGroup"

func props(m map[string]any) resource.PropertyMap { return resource.NewPropertyMapFromMap(m) }

func typeOf(t *testing.T, token string) fakeaws.Type {
	t.Helper()
	known, err := fakeaws.TypeOf(token)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func TestIDsAndARNs(t *testing.T) {
	for _, test := range []struct {
		token  string
		inputs map[string]any
		id     string // a regular expression, as is value
		output string
		value  string
	}{
		{"aws:ec2/vpc:Vpc", nil, `^vpc-[0-9a-f]{17}$`, "", ``},
		{"aws:ecs/cluster:Cluster", nil, `^arn:aws:ecs:us-west-2:123456789012:cluster/thing-0000000$`, "arn", `^arn:aws:ecs:us-west-2:123456789012:cluster/thing-0000000$`},
		{"aws:ecs/service:Service", map[string]any{"cluster": "arn:aws:ecs:us-west-2:123456789012:cluster/c"}, `:service/c/thing-0000000$`, "name", `^thing-0000000$`},
		{"aws:ecs/taskDefinition:TaskDefinition", map[string]any{"family": "f"}, `^f$`, "arn", `:task-definition/f:1$`},
		{"aws:lb/listener:Listener", map[string]any{"loadBalancerArn": "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/a/1"}, `:listener/app/a/1/[0-9a-f]{16}$`, "arn", `:listener/app/a/1/`},
		{"aws:lb/listenerRule:ListenerRule", map[string]any{"listenerArn": "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/a/1/2"}, `:listener-rule/app/a/1/2/[0-9a-f]{16}$`, "", ``},
		{"aws:iam/role:Role", map[string]any{"name": "given"}, `^given$`, "arn", `^arn:aws:iam::123456789012:role/given$`},
		{"aws:ecr/repository:Repository", nil, `^thing-0000000$`, "repositoryUrl", `^123456789012\.dkr\.ecr\.us-west-2\.amazonaws\.com/thing-0000000$`},
		{image, map[string]any{"imageName": "registry:5000/repository:tag", "build": map[string]any{"contextDigest": "abc"}}, `^registry:5000/repository@sha256:abc$`, "repoDigest", `^registry:5000/repository@sha256:abc$`},
		{image, map[string]any{"imageName": "r/x:tag"}, `^r/x@sha256:[0-9a-f]{64}$`, "repoDigest", `^r/x@sha256:[0-9a-f]{64}$`},
	} {
		id, outputs, err := fakeaws.Default.Create(test.token, "thing", props(test.inputs))
		if err != nil {
			t.Error(err)
			continue
		}
		value, _ := outputs[resource.PropertyKey(test.output)].V.(string)
		if !regexp.MustCompile(test.id).MatchString(id) || !regexp.MustCompile(test.value).MatchString(value) {
			t.Errorf("%s: id %q, %s %v", test.token, id, test.output, value)
		}
		if again, _, _ := fakeaws.Default.Create(test.token, "thing", props(test.inputs)); again != id {
			t.Errorf("%s: id %q, then %q", test.token, id, again)
		}
	}
}

func TestPhysicalNames(t *testing.T) {
	for _, test := range []struct {
		token, name string
		olds, news  map[string]any
		want        string
	}{
		{"aws:lb/targetGroup:TargetGroup", "producer-a-service-with-a-long-name", nil, nil, "producer-a-service-with--1234567"},
		{"aws:ecr/repository:Repository", "Producer", nil, nil, "producer-1234567"},
		{"aws:ec2/vpc:Vpc", "vpc", nil, nil, ""},
		{group, "g", map[string]any{"name": "old"}, nil, "old"},
		{group, "g", map[string]any{"name": "old"}, map[string]any{"name": "new"}, "new"},
	} {
		inputs, err := typeOf(t, test.token).Check(test.name, "1234567", props(test.olds), props(test.news))
		if got, _ := inputs["name"].V.(string); err != nil || got != test.want {
			t.Errorf("%s %s is named %q, want %q: %v", test.token, test.name, got, test.want, err)
		}
	}
}

func TestUpdateKeepsWhatAWSComputed(t *testing.T) {
	const role = "aws:iam/role:Role"
	_, olds, err := fakeaws.Default.Create(role, "r", props(map[string]any{"description": "before"}))
	if err != nil {
		t.Fatal(err)
	}
	news := typeOf(t, role).Update(fakeaws.Default, "r", olds, props(map[string]any{"description": "after"}))
	if !news["arn"].IsString() || !news["arn"].DeepEquals(olds["arn"]) || news["description"].StringValue() != "after" {
		t.Errorf("%v became %v", olds, news)
	}
}

// What AWS adds inside of an input leaves the input as it was, and stays over an update.
func TestPartsOfOutputs(t *testing.T) {
	const domain = "aws:apigatewayv2/domainName:DomainName"
	inputs := func(policy string) resource.PropertyMap {
		return props(map[string]any{"domainName": "api.example.com", "domainNameConfiguration": map[string]any{"securityPolicy": policy}})
	}
	given := inputs("TLS_1_2")
	_, olds, err := fakeaws.Default.Create(domain, "d", given)
	if err != nil {
		t.Fatal(err)
	}
	news := typeOf(t, domain).Update(fakeaws.Default, "d", olds, inputs("TLS_1_3"))
	was, is := olds["domainNameConfiguration"].ObjectValue(), news["domainNameConfiguration"].ObjectValue()
	if target := was["targetDomainName"]; !target.IsString() || !target.DeepEquals(is["targetDomainName"]) ||
		was["securityPolicy"].StringValue() != "TLS_1_2" || is["securityPolicy"].StringValue() != "TLS_1_3" {
		t.Errorf("%v became %v", was, is)
	}
	if !given.DeepEquals(inputs("TLS_1_2")) {
		t.Errorf("the inputs are now %v", given)
	}
	_, outputs, err := fakeaws.Default.Create("aws:acm/certificate:Certificate", "c", props(map[string]any{"domainName": "api.example.com"}))
	if err != nil {
		t.Fatal(err)
	}
	proof := outputs["domainValidationOptions"].ArrayValue()
	if len(proof) != 1 || !strings.HasSuffix(proof[0].ObjectValue()["resourceRecordName"].StringValue(), ".api.example.com.") {
		t.Errorf("to prove: %v", proof)
	}
}

func TestUnknownIsNamed(t *testing.T) {
	_, _, ofType := fakeaws.Default.Create("aws:sqs/queue:Queue", "q", nil)
	_, _, ofInput := fakeaws.Default.Create(group, "g", props(map[string]any{"namePrefix": "p"}))
	_, ofLookup := fakeaws.Default.Invoke("aws:ec2/getAmi:getAmi", nil)
	for want, err := range map[string]error{
		"no resource type aws:sqs/queue:Queue": ofType, "no input namePrefix of " + group: ofInput, "no lookup aws:ec2/getAmi:getAmi": ofLookup,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
}

func TestZones(t *testing.T) {
	for region, code := range map[string]string{
		"us-west-2": "usw2", "eu-central-1": "euc1", "ap-southeast-2": "apse2", "us-gov-west-1": "usgw1", "ap-northeast-1": "apne1",
	} {
		zones, err := fakeaws.Account{ID: "1", Region: region}.Invoke("aws:index/getAvailabilityZones:getAvailabilityZones", nil)
		if err != nil {
			t.Fatal(err)
		}
		name, id := zones["names"].ArrayValue()[0], zones["zoneIds"].ArrayValue()[0]
		if name.StringValue() != region+"a" || id.StringValue() != code+"-az1" {
			t.Errorf("%s: first zone %v, %v, want %s-az1", region, name, id, code)
		}
	}
}

// Calls of EC2 that the program does not make, and those without the filter that keeps them to one network, are refused.
func TestEC2Refuses(t *testing.T) {
	for form, want := range map[string]string{
		"Action=TerminateInstances":                       "TerminateInstances",
		"Action=DescribeSubnets":                          "no filter subnet-id",
		"Action=DescribeVpcs&Filter.1.Name=tag:Name":      "no filter vpc-id",
		"Action=DescribeSubnets&Filter.1.Name=subnet-id&": "",
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		fakeaws.EC2(w, r)
		if refused := w.Code != http.StatusOK; refused != (want != "") || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", form, w.Code, w.Body)
		}
	}
}
