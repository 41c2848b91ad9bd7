package fakeaws_test

import (
	"bufio"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"
)

// provider starts the real AWS provider, which plans without credentials.
func provider(t *testing.T) pulumirpc.ResourceProviderClient {
	t.Helper()
	if os.Getenv("RIG_TERRAFORM_PROVIDER") == "" {
		if os.Getenv("E2E_REQUIRED") != "" {
			t.Fatal("E2E_REQUIRED is set, and RIG_TERRAFORM_PROVIDER is not")
		}
		t.Skip("RIG_TERRAFORM_PROVIDER is not set: the real AWS provider is not here to compare with")
	}
	plugins, err := filepath.Glob(filepath.Join(os.Getenv("PULUMI_HOME"), "plugins", "resource-aws-v6.83*", "pulumi-resource-aws"))
	if err != nil || len(plugins) == 0 {
		t.Fatalf("no AWS plugin in PULUMI_HOME %q: %v", os.Getenv("PULUMI_HOME"), err)
	}
	cmd := exec.Command(plugins[0], "127.0.0.1:1") // no engine there: it would be sent the log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("127.0.0.1:"+strings.TrimSpace(port), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	client := pulumirpc.NewResourceProviderClient(conn)
	config := resource.PropertyMap{}
	for key, value := range map[string]any{
		"accessKey": "test", "secretKey": "test", "region": "us-west-2", "skipCredentialsValidation": true,
		"skipRequestingAccountId": true, "skipMetadataApiCheck": true, "skipRegionValidation": true,
	} {
		config[resource.PropertyKey(key)] = resource.NewPropertyValue(value)
	}
	if _, err := client.Configure(context.Background(), &pulumirpc.ConfigureRequest{Args: encode(t, config), AcceptSecrets: true}); err != nil {
		t.Fatal(err)
	}
	return client
}

func encode(t *testing.T, m resource.PropertyMap) *structpb.Struct {
	t.Helper()
	s, err := plugin.MarshalProperties(m, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// changed returns another value of the same kind, in which every part is another one.
func changed(value resource.PropertyValue) resource.PropertyValue {
	switch v := value.V.(type) {
	case *resource.Secret:
		return changed(v.Element)
	case bool:
		return resource.NewProperty(!v)
	case float64:
		return resource.NewProperty(v + 1)
	case string:
		if json.Valid([]byte(v)) && strings.HasPrefix(v, "{") {
			return resource.NewProperty(`{"Id":"another"}`)
		}
		return resource.NewProperty(v + "x")
	case []resource.PropertyValue:
		var all []resource.PropertyValue
		for _, element := range v {
			all = append(all, changed(element))
		}
		return resource.NewProperty(all)
	case resource.PropertyMap:
		all := resource.PropertyMap{}
		for key, element := range v {
			all[key] = changed(element)
		}
		return resource.NewProperty(all)
	}
	return value
}

// unplanned are changes that the provider's plan alone does not show.
var unplanned = []string{
	"cloudwatch.MetricAlarm name",            // Terraform calls it alarm_name, and another one is another alarm
	"ecr.LifecyclePolicy policy",             // compared rule by rule
	"ecs.Service capacityProviderStrategies", // in place on a service that exists, as end-to-end tests show
}

// renamed are inputs that pulumi-aws names in its own way. Here is its provider alone, as Terraform names them.
var renamed = map[string]map[string]string{
	"cloudwatch.MetricAlarm": {"name": "alarmName"},
	"sns.TopicSubscription":  {"topic": "topicArn"},
}

// Every input of every resource that the program makes is changed once.
func TestReplacementsAreThoseOfTheProvider(t *testing.T) {
	client := provider(t)
	for _, r := range recorded(t) {
		if r.Type == image {
			continue
		}
		known := typeOf(t, r.Type)
		olds, err := known.Check(r.Name, "1234567", nil, r.Inputs)
		if err != nil {
			t.Fatal(err)
		}
		for name, theirs := range renamed[r.Short()] {
			olds[resource.PropertyKey(theirs)] = olds[resource.PropertyKey(name)]
			delete(olds, resource.PropertyKey(name))
		}
		state := maps.Clone(olds)
		state["id"] = resource.NewProperty(r.ID)
		if r.Short() == "cloudwatch.EventRule" {
			state["isEnabled"] = resource.NewProperty(true) // which the provider reads without a look whether it is there
		}
		for input := range olds {
			if slices.Contains(unplanned, r.Short()+" "+string(input)) {
				continue
			}
			news := maps.Clone(olds)
			news[input] = changed(olds[input])
			answer, err := client.Diff(context.Background(), &pulumirpc.DiffRequest{
				Id: r.ID, Urn: r.URN, Olds: encode(t, state), OldInputs: encode(t, olds), News: encode(t, news),
			})
			if err != nil {
				t.Errorf("%s %s: %v", r, input, err)
				continue
			}
			name := string(input)
			replaces := slices.ContainsFunc(answer.Replaces, func(path string) bool {
				return path == name || strings.HasPrefix(path, name+"[") || strings.HasPrefix(path, name+".")
			})
			for ours, theirs := range renamed[r.Short()] {
				if name == theirs {
					name = ours
				}
			}
			if replaces != known.Replaces(name) {
				t.Errorf("%s: a change of %s replaces: %v with the provider, %v in the table (%v, diffs %v)", r, name, replaces, known.Replaces(name), answer.Replaces, answer.Diffs)
			}
		}
	}
}
