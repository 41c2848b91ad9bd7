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
		count     int
		want      []string
		known     bool
		refused   string
	}{
		{"by id, not by name", "us-east-1", virginia, 2, []string{"us-east-1b", "us-east-1c"}, true, ""},
		{"three", "us-east-1", virginia, 3, []string{"us-east-1b", "us-east-1c", "us-east-1d"}, true, ""},
		{"too few", "us-east-1", virginia, 4, nil, true, "region us-east-1 has 3 availability zones with VPC links for this account, availabilityZoneCount asks for 4"},
		{"not in the list", "xx-west-9", []Zone{zone("xx-west-9b", "xxw9-az1"), zone("xx-west-9a", "xxw9-az2")}, 2, []string{"xx-west-9a", "xx-west-9b"}, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, known, err := ChooseZones(test.region, test.available, test.count)
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
