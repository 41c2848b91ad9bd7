package stack

import (
	"fmt"
	"maps"
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

// fixture is the program with two services of its own.
func fixture(t *testing.T) Program {
	return Program{Root: testkit.Apps(t, "alpha", "beta"), Services: []producer.Service{
		{Name: "alpha", Path: "/alpha", Priority: 10}, {Name: "beta", Path: "/beta", Priority: 20},
	}}
}

// deploy runs the program on mocks; settings are keys of this project.
func deploy(t *testing.T, settings map[string]string) *testkit.Recorder {
	t.Helper()
	r := &testkit.Recorder{}
	if err := deployOn(r, fixture(t), settings); err != nil {
		t.Fatal(err)
	}
	return r
}

func deployOn(r *testkit.Recorder, p Program, settings map[string]string) error {
	return r.Run(p.Deploy, prefixed(settings))
}

// prefixed gives the keys of this project their namespace.
func prefixed(settings map[string]string) map[string]string {
	config := map[string]string{}
	for key, value := range settings {
		if !strings.Contains(key, ":") {
			key = "private-api:" + key
		}
		config[key] = value
	}
	return config
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

func TestEveryResourceDescendsFromItsComponentAndUsesTheOneProvider(t *testing.T) {
	r := deploy(t, map[string]string{"domain": onDomain})
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
		if !slices.Contains([]string{"stack.Domain", "producer.Producer", "consumer.Consumer"}, top.Short()) {
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
		{nil, []string{"apiEndpoint", "bastionConnect", "bastionId", "clusterName", "estimatedMonthlyCost", "imageDigests", "serviceNames", "serviceUrls"}},
		{map[string]string{"bastion": "false"}, []string{"apiEndpoint", "clusterName", "estimatedMonthlyCost", "imageDigests", "serviceNames", "serviceUrls"}},
		{map[string]string{"ssh": `{"keyName":"me","cidrs":["203.0.113.0/24"]}`},
			[]string{"apiEndpoint", "bastionConnect", "bastionId", "bastionPublicIp", "clusterName", "estimatedMonthlyCost", "imageDigests", "serviceNames", "serviceUrls"}},
	} {
		r := deploy(t, test.settings)
		same(t, "outputs", slices.Sorted(maps.Keys(r.Exports)), test.want)
		endpoint := r.Exports["apiEndpoint"].(string)
		if got := r.Exports["serviceUrls"].(map[string]string)["alpha"]; got != endpoint+"/alpha" || !strings.HasPrefix(got, "https://") {
			t.Errorf("URL of alpha: %s", got)
		}
		if got := r.Exports["imageDigests"].(map[string]string)["beta"]; !strings.HasPrefix(got, "sha256:") {
			t.Errorf("digest of beta: %s", got)
		}
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
		{"named", "us-west-2", map[string]string{"availabilityZones": `["us-west-2c","us-west-2b"]`}, []string{"us-west-2c", "us-west-2b"}},
		{"one without links in between", "eu-west-3", nil, []string{"eu-west-3a", "eu-west-3c"}},
		{"named, region that the list does not have", "af-south-1", map[string]string{"availabilityZones": `["af-south-1b","af-south-1c"]`}, []string{"af-south-1b", "af-south-1c"}},
		{"region that AWS's list does not have", "af-south-1", nil, []string{"af-south-1a", "af-south-1b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &testkit.Recorder{Account: fakeaws.Account{ID: "123456789012", Region: test.region}}
			settings := map[string]string{"aws:region": test.region}
			maps.Copy(settings, test.settings)
			if err := deployOn(r, fixture(t), settings); err != nil {
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
