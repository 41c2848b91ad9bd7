package stack

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"private-api/internal/fakeaws"
	"private-api/internal/testkit"
	"private-api/producer"
)

// root is the repository, seen from this package.
var root = filepath.Join("..")

// deploy runs the program on mocks; settings are keys of this project.
func deploy(t *testing.T, settings map[string]string) *testkit.Recorder {
	t.Helper()
	r := &testkit.Recorder{}
	if err := deployOn(r, Program{Root: root}, settings); err != nil {
		t.Fatal(err)
	}
	return r
}

func deployOn(r *testkit.Recorder, p Program, settings map[string]string) error {
	config := map[string]string{}
	for key, value := range settings {
		if !strings.Contains(key, ":") {
			key = "private-api:" + key
		}
		config[key] = value
	}
	return r.Run(p.Deploy, config)
}

// lines reads a list from testdata. UPDATE=1 writes it anew, to be read in the diff.
func lines(t *testing.T, name string, got []string) []string {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// same compares two sorted lists and says what is missing and what is too much.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s: missing: %s", what, line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("%s: not expected: %s", what, line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d lines, want %d", what, len(got), len(want))
	}
}

func TestResources(t *testing.T) {
	got := deploy(t, nil).List()
	same(t, "resources", got, lines(t, "resources.txt", got))
}

func TestEveryResourceDescendsFromItsComponentAndUsesTheOneProvider(t *testing.T) {
	r := deploy(t, nil)
	byURN := map[string]*testkit.Resource{}
	for _, made := range r.Resources {
		byURN[made.URN] = made
	}
	var provider string
	for _, made := range r.Resources {
		if made.Type == "pulumi:providers:aws" {
			provider = made.URN
		}
	}
	for _, made := range r.Resources {
		if strings.HasPrefix(made.Type, "pulumi:") {
			continue
		}
		top := made
		for byURN[top.Parent] != nil && !strings.HasPrefix(byURN[top.Parent].Type, "pulumi:pulumi:") {
			top = byURN[top.Parent]
		}
		if top.Short() != "producer.Producer" && top.Short() != "consumer.Consumer" {
			t.Errorf("%s: its topmost parent is %s", made, top)
		}
		if !strings.HasPrefix(made.Name, top.Name) {
			t.Errorf("%s: not named after %s", made, top)
		}
		if !strings.HasPrefix(made.Type, "private-api:") && made.Short() != "docker.Image" && made.Type != "awsx:ec2:Vpc" && !inAwsx(made, byURN) && !strings.HasPrefix(made.Provider, provider) {
			t.Errorf("%s: provider %q, want %s", made, made.Provider, provider)
		}
	}
	for _, invoke := range r.Invokes {
		if token, used, _ := strings.Cut(invoke, " "); strings.HasPrefix(token, "aws:") && !strings.HasPrefix(used, provider) {
			t.Errorf("lookup %s: provider %q", token, used)
		}
	}
	if len(r.Invokes) == 0 {
		t.Error("no lookup was recorded")
	}
}

// inAwsx tells the children of the VPC component, which awsx makes. The engine
// hands their provider down; e2e sees their tags.
func inAwsx(made *testkit.Resource, byURN map[string]*testkit.Resource) bool {
	for up := byURN[made.Parent]; up != nil; up = byURN[up.Parent] {
		if up.Type == "awsx:ec2:Vpc" {
			return true
		}
	}
	return false
}

func TestTagsAreOnEverythingThroughTheProvider(t *testing.T) {
	r := deploy(t, map[string]string{"tags": `{"Team":"books"}`})
	for key, want := range map[string]string{"Project": "private-api", "Stack": "dev", "Team": "books"} {
		if got := r.Get(t, "providers.aws aws").Input("defaultTags.tags." + key); got != want {
			t.Errorf("default tag %s is %v, want %s", key, got, want)
		}
	}
}

func TestOutputs(t *testing.T) {
	for _, test := range []struct {
		settings map[string]string
		want     []string
	}{
		{nil, []string{"apiEndpoint", "bastionConnect", "bastionId", "clusterName", "imageDigests", "serviceNames", "serviceUrls"}},
		{map[string]string{"bastion": "false"}, []string{"apiEndpoint", "clusterName", "imageDigests", "serviceNames", "serviceUrls"}},
		{map[string]string{"sshKeyName": "me", "sshCidrs": `["203.0.113.0/24"]`},
			[]string{"apiEndpoint", "bastionConnect", "bastionId", "bastionPublicIp", "clusterName", "imageDigests", "serviceNames", "serviceUrls"}},
	} {
		r := deploy(t, test.settings)
		same(t, "outputs", slices.Sorted(maps.Keys(r.Exports)), test.want)
		endpoint := r.Exports["apiEndpoint"].(string)
		if got := r.Exports["serviceUrls"].(map[string]string)["book"]; got != endpoint+"/api/books" || !strings.HasPrefix(got, "https://") {
			t.Errorf("URL of book: %s", got)
		}
		if got := r.Exports["imageDigests"].(map[string]string)["author"]; !strings.HasPrefix(got, "sha256:") {
			t.Errorf("digest of author: %s", got)
		}
		if connect, ok := r.Exports["bastionConnect"].(string); ok && !strings.Contains(connect, `--parameters command="bash -l"`) {
			t.Errorf("connect command opens no login shell: %s", connect)
		}
	}
}

// A deployment that ECS rolled back leaves the service on another task definition.
func TestRolledBackDeploymentFailsTheUpdate(t *testing.T) {
	r := &testkit.Recorder{Replace: func(made *testkit.Resource, outputs resource.PropertyMap) {
		if made.String() == "ecs.Service producer-book" {
			outputs["taskDefinition"] = resource.NewStringProperty("arn:aws:ecs:us-west-2:123456789012:task-definition/private-api-dev-book:1-before")
		}
	}}
	err := deployOn(r, Program{Root: root}, nil)
	if err == nil {
		t.Fatal("the update succeeded")
	}
	for _, want := range []string{"service book", "rolled back", "sha256:", "task-definition/private-api-dev-book:1-before"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the message does not say %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "service author") {
		t.Errorf("author was not rolled back: %v", err)
	}
}

func TestThirdServiceIsOneValueAndOneFolder(t *testing.T) {
	folder := t.TempDir()
	if err := os.CopyFS(filepath.Join(folder, "apps"), os.DirFS(filepath.Join(root, "apps"))); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(folder, "apps", "review"), os.DirFS(filepath.Join(root, "apps", "book"))); err != nil {
		t.Fatal(err)
	}
	ignore := filepath.Join(folder, "apps", "review", "Dockerfile.dockerignore")
	b, err := os.ReadFile(ignore)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ignore, []byte(strings.ReplaceAll(string(b), "book", "review")), 0o644); err != nil {
		t.Fatal(err)
	}
	digest := "123456789012.dkr.ecr.us-west-2.amazonaws.com/review@sha256:" + strings.Repeat("a", 64)

	before := deploy(t, nil)
	for name, third := range map[string]producer.Service{
		"folder": {Name: "review", Path: "/api/reviews", Priority: 300, AllowFrom: []string{"book"}},
		"digest": {Name: "review", Path: "/api/reviews", Priority: 300, AllowFrom: []string{"book"}, Image: digest},
	} {
		t.Run(name, func(t *testing.T) {
			after := &testkit.Recorder{}
			if err := deployOn(after, Program{Root: folder, Services: append(Services(), third)}, nil); err != nil {
				t.Fatal(err)
			}
			want := []string{
				"cloudwatch.LogGroup producer-review", "ecr.LifecyclePolicy producer-review", "ecr.Repository producer-review",
				"ecs.Service producer-review", "ecs.TaskDefinition producer-review",
				"iam.Role producer-review-execution", "iam.Role producer-review-task", "iam.RolePolicy producer-review-execution",
				"lb.ListenerRule producer-review", "lb.TargetGroup producer-review", "servicediscovery.Service producer-review",
				"producer.Service producer-review", "ec2.SecurityGroup producer-review",
				"vpc.SecurityGroupEgressRule producer-alb-to-producer-review", "vpc.SecurityGroupIngressRule producer-alb-to-producer-review",
				"vpc.SecurityGroupEgressRule producer-book-to-producer-review", "vpc.SecurityGroupIngressRule producer-book-to-producer-review",
				"vpc.SecurityGroupEgressRule producer-review-to-https",
			}
			if third.Image == "" {
				want = append(want, "docker.Image producer-review")
			}
			var added []string
			for _, made := range after.Resources {
				if !slices.Contains(before.List(), made.String()) {
					added = append(added, made.String())
				}
			}
			same(t, "added", added, want)
			// Only the bastion's variables know of it; the services before it do not.
			if changed := changes(t, before, after); !slices.Equal(changed, []string{"ec2.Instance consumer-bastion userData"}) {
				t.Errorf("changed: %v", changed)
			}
			url := after.Exports["serviceUrls"].(map[string]string)["review"]
			if !strings.HasSuffix(url, "/api/reviews") {
				t.Errorf("URL of review: %s", url)
			}
		})
	}
}

// changes lists the inputs that differ between two runs, of resources in both.
func changes(t *testing.T, before, after *testkit.Recorder) []string {
	t.Helper()
	var out []string
	for _, was := range before.Resources {
		for _, is := range after.Resources {
			if was.URN != is.URN {
				continue
			}
			for _, key := range slices.Sorted(maps.Keys(union(was.Inputs, is.Inputs))) {
				if !was.Inputs[key].DeepEquals(is.Inputs[key]) {
					out = append(out, was.String()+" "+string(key))
				}
			}
			if was.Protect != is.Protect {
				out = append(out, was.String()+" (protect)")
			}
			if !maps.Equal(was.CustomTimeouts, is.CustomTimeouts) {
				out = append(out, was.String()+" (timeouts)")
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func union(a, b resource.PropertyMap) resource.PropertyMap {
	out := a.Copy()
	maps.Copy(out, b)
	return out
}

func TestZones(t *testing.T) {
	for _, test := range []struct {
		name     string
		region   string
		settings map[string]string
		want     []string
	}{
		{"default", "us-west-2", nil, []string{"us-west-2a", "us-west-2b"}},
		{"three", "us-west-2", map[string]string{"availabilityZoneCount": "3"}, []string{"us-west-2a", "us-west-2b", "us-west-2c"}},
		{"named", "us-west-2", map[string]string{"availabilityZones": `["us-west-2d","us-west-2b"]`}, []string{"us-west-2d", "us-west-2b"}},
		{"region that AWS's list does not have", "af-south-1", nil, []string{"af-south-1a", "af-south-1b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &testkit.Recorder{Account: fakeaws.Account{ID: "123456789012", Region: test.region}}
			settings := map[string]string{"aws:region": test.region}
			maps.Copy(settings, test.settings)
			if err := deployOn(r, Program{Root: root}, settings); err != nil {
				t.Fatal(err)
			}
			for i, zone := range test.want {
				subnet := r.Get(t, fmt.Sprintf("ec2.Subnet producer-private-%d", i+1))
				if got := subnet.Input("availabilityZone"); got != zone {
					t.Errorf("%s is in %v, want %s", subnet, got, zone)
				}
			}
			if got := len(r.All("ec2.Subnet")); got != 2*len(test.want)+2 { // public and private, and two for the bastion
				t.Errorf("%d subnets", got)
			}
			for _, made := range r.All("ec2.VpcEndpoint") {
				if got := made.Input("serviceName"); got != "com.amazonaws."+test.region+".s3" {
					t.Errorf("%s for %v", made, got)
				}
			}
		})
	}
}
