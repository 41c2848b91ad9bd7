package producer

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

func zone(name, id string) Zone { return Zone{Name: name, ID: id} }

func TestChooseZones(t *testing.T) {
	// In this account us-east-1a is the zone without VPC links.
	virginia := []Zone{zone("us-east-1c", "use1-az2"), zone("us-east-1a", "use1-az3"), zone("us-east-1b", "use1-az1"), zone("us-east-1d", "use1-az4")}
	for _, test := range []struct {
		name      string
		region    string
		available []Zone
		named     []string
		count     int
		want      []string
		known     bool
		refused   string
	}{
		{"by id, not by name", "us-east-1", virginia, nil, 2, []string{"us-east-1b", "us-east-1c"}, true, ""},
		{"three", "us-east-1", virginia, nil, 3, []string{"us-east-1b", "us-east-1c", "us-east-1d"}, true, ""},
		{"too few", "us-east-1", virginia, nil, 4, nil, true, "availabilityZoneCount: 4 is not allowed: as many zones as us-east-1 has with VPC links for this account, which is 3"},
		{"named, in the order given", "us-east-1", virginia, []string{"us-east-1d", "us-east-1b"}, 2, []string{"us-east-1d", "us-east-1b"}, true, ""},
		{"named, without links", "us-east-1", virginia, []string{"us-east-1a", "us-east-1b"}, 2, nil, true,
			`availabilityZones: "us-east-1a" is not allowed: zones of us-east-1 that have VPC links for this account: us-east-1b, us-east-1c, us-east-1d`},
		{"named, of another region", "us-east-1", virginia, []string{"us-east-1b", "us-west-2a"}, 2, nil, true, `availabilityZones: "us-west-2a" is not allowed`},
		{"named by id", "us-east-1", virginia, []string{"use1-az1", "use1-az2"}, 2, nil, true, `availabilityZones: "use1-az1" is not allowed`},
		{"named, region not in the list", "xx-west-9", []Zone{zone("xx-west-9b", "xxw9-az1")}, []string{"xx-west-9c"}, 2, nil, false, `availabilityZones: "xx-west-9c" is not allowed`},
		{"not in the list", "xx-west-9", []Zone{zone("xx-west-9b", "xxw9-az1"), zone("xx-west-9a", "xxw9-az2")}, nil, 2, []string{"xx-west-9a", "xx-west-9b"}, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, known, problems := ChooseZones(test.region, test.available, test.named, test.count)
			err := problems.Err()
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || !slices.Equal(got, test.want) || known != test.known {
				t.Errorf("%v known %v, error %v", got, known, err)
			}
		})
	}
}

// A target group's name holds producer and service, and what Pulumi puts behind.
func TestNamesFitIntoATargetGroup(t *testing.T) {
	for _, producer := range []string{"producer", "p"} {
		name := producer + "-" + strings.Repeat("x", maxServiceName(producer)) + "-1234567"
		if len(name) != 32 {
			t.Errorf("%s: the longest name has %d characters, want 32", producer, len(name))
		}
	}
	if got := maxServiceName("producer"); got != 15 {
		t.Errorf("a service of the producer may have %d characters, want 15", got)
	}
}

func TestRepositoryArn(t *testing.T) {
	for image, want := range map[string]string{
		"123456789012.dkr.ecr.us-west-2.amazonaws.com/team/book@sha256:0":       "arn:aws:ecr:us-west-2:123456789012:repository/team/book",
		"123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/book@sha256:0":        "arn:aws-us-gov:ecr:us-gov-west-1:123456789012:repository/book",
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/book@sha256:0":        "arn:aws-cn:ecr:cn-north-1:123456789012:repository/book",
		"public.example.com/book@sha256:0":                                      "",
		"evil.example.com/123456789012.dkr.ecr.us-west-2.amazonaws.com/x@sha:0": "",
	} {
		if got, _ := repositoryArn(image); got != want {
			t.Errorf("%s: %q, want %q", image, got, want)
		}
	}
}

func TestCheckDeployed(t *testing.T) {
	const asked = "arn:aws:ecs:us-west-2:123456789012:task-definition/private-api-dev-book:2"
	for runs, fails := range map[string]bool{
		asked:                                false,
		"private-api-dev-book:2":             false,
		"private-api-dev-book:1":             true,
		"book:2":                             true,
		strings.TrimSuffix(asked, "2") + "1": true,
	} {
		err := checkDeployed("book", &runs, asked, "sha256:abc")
		if (err != nil) != fails {
			t.Errorf("runs %s: %v", runs, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "book") || !strings.Contains(err.Error(), "sha256:abc")) {
			t.Errorf("the message names no service or digest: %v", err)
		}
	}
}

func TestContainerDefinitionsRefuseATag(t *testing.T) {
	_, err := containerDefinitions(&Service{Name: "book"}, &Args{}, "registry/book:latest", "/ecs/book")
	if err == nil || !strings.Contains(err.Error(), "registry/book:latest") {
		t.Errorf("error %v", err)
	}
}

func TestReasonsOfAFailedDeployment(t *testing.T) {
	got := serviceReasons(&types.Service{
		RunningCount: 1, DesiredCount: 2,
		Deployments: []types.Deployment{{RolloutStateReason: aws.String("tasks failed to start")}, {}},
		Events:      []types.ServiceEvent{{Message: aws.String("a")}, {Message: aws.String("b")}, {Message: aws.String("c")}, {Message: aws.String("d")}},
	})
	want := []string{"1 of 2 tasks run", "tasks failed to start", "a", "b", "c"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// With a role, the program's own calls are made as that role: its credentials sign them.
func TestExplainAssumesTheRole(t *testing.T) {
	var assumed, signed string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") != "" {
			signed = r.Header.Get("Authorization")
			fmt.Fprint(w, `{"services":[{"runningCount":0,"desiredCount":2}]}`)
			return
		}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		assumed = r.PostForm.Encode()
		fmt.Fprint(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>`)
	}))
	defer api.Close()
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": api.URL, "AWS_ACCESS_KEY_ID": "AKIAOWN", "AWS_SECRET_ACCESS_KEY": "test", "AWS_PROFILE": ""} {
		t.Setenv(name, value)
	}
	args := &Args{Region: "us-west-2"}
	ask := func() {
		explain(context.Background(), args, resource.NewStringProperty("cluster-1"), resource.NewStringProperty("book-1"))
	}
	if ask(); assumed != "" || !strings.Contains(signed, "Credential=AKIAOWN/") {
		t.Errorf("without a role: assumed %q, signed %q", assumed, signed)
	}
	args.AssumeRole = AssumeRole{RoleArn: "arn:aws:iam::123456789012:role/deploy", SessionName: "ci", ExternalID: "ours", Duration: "1h", SourceIdentity: "me"}
	if ask(); !strings.Contains(signed, "Credential=ASIAROLE/") {
		t.Errorf("with a role: signed %q", signed)
	}
	for _, want := range []string{"RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fdeploy", "RoleSessionName=ci", "ExternalId=ours", "DurationSeconds=3600", "SourceIdentity=me"} {
		if !strings.Contains(assumed, want) {
			t.Errorf("STS is not asked for %s: %s", want, assumed)
		}
	}
}

// Names of projects and stacks may have dots, and 100 characters each.
func TestFamily(t *testing.T) {
	long := strings.Repeat("a", 100)
	for _, test := range []struct{ project, stack, service, want string }{
		{"private-api", "dev", "book", "private-api-dev-book"},
		{"private-api", "pr.12", "book", "private-api-pr-12-book"},
		{"my.api", "feature_X-1.2", "a-b", "my-api-feature_X-1-2-a-b"},
	} {
		if got := family(test.project, test.stack, test.service); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
	if got := family(long, long, strings.Repeat("a", maxServiceName(""))); len(got) > 255 {
		t.Errorf("%d characters", len(got))
	}
}

// ECS is asked for the service's events and for why its latest task stopped.
func TestExplainQuotesECS(t *testing.T) {
	answers := map[string]string{
		"DescribeServices": `{"services":[{"runningCount":0,"desiredCount":2,"events":[{"message":"(service book-1) is unable to start tasks"}]}]}`,
		"ListTasks":        `{"taskArns":["arn:aws:ecs:us-west-2:123456789012:task/cluster-1/abc"]}`,
		"DescribeTasks":    `{"tasks":[{"stoppedReason":"Task failed container health checks","containers":[{"name":"book","exitCode":137,"reason":"OutOfMemoryError"}]}]}`,
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		answer, ok := answers[operation]
		if !ok {
			t.Errorf("ECS was asked %q", operation)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		fmt.Fprint(w, answer)
	}))
	defer api.Close()
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": api.URL, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_PROFILE": ""} {
		t.Setenv(name, value)
	}
	got := explain(context.Background(), &Args{Region: "us-west-2"}, resource.NewStringProperty("cluster-1"), resource.NewStringProperty("book-1"))
	for _, want := range []string{"0 of 2 tasks run", "unable to start tasks", "a task stopped: Task failed container health checks", "container book exited with 137 OutOfMemoryError", "aws ecs describe-services"} {
		if !strings.Contains(got, want) {
			t.Errorf("the explanation has no %q: %s", want, got)
		}
	}
}

// Where ECS cannot be asked, the command that can is in the message.
func TestExplainNamesTheCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	got := explain(ctx, &Args{Region: "us-west-2"}, resource.NewStringProperty("cluster-1"), resource.NewStringProperty("book-1"))
	if !strings.Contains(got, "aws ecs describe-services --region us-west-2 --cluster cluster-1 --services book-1") {
		t.Error(got)
	}
	if got := explain(ctx, &Args{}, resource.PropertyValue{}, resource.PropertyValue{}); !strings.Contains(got, "not created") {
		t.Error(got)
	}
}

func TestFargateTable(t *testing.T) {
	pairs := 0
	for cpu, memory := range fargateMemory {
		pairs += len(memory)
		if memory[0] < cpu*2 || memory[len(memory)-1] > cpu*8 {
			t.Errorf("%d CPU units with %v: Fargate gives 2 to 8 GiB a vCPU", cpu, memory)
		}
	}
	if pairs != 3+4+7+13+23+12+12 {
		t.Errorf("%d pairs", pairs)
	}
}
