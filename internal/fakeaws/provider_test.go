package fakeaws

import (
	"bufio"
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
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

// sample makes a value of the type of an input; the second is another one.
func sample(t reflect.Type, other bool) (resource.PropertyValue, bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return resource.NewProperty(map[bool]string{false: "one", true: "two"}[other]), true
	case reflect.Int:
		return resource.NewProperty(map[bool]float64{false: 1, true: 2}[other]), true
	case reflect.Interface: // a JSON document or the name of a resource
		return resource.NewProperty(map[bool]string{false: `{"Id":"one"}`, true: `{"Id":"two"}`}[other]), true
	case reflect.Bool:
		return resource.NewProperty(other), true
	case reflect.Slice:
		element, ok := sample(t.Elem(), other)
		return resource.NewProperty([]resource.PropertyValue{element}), ok
	case reflect.Map:
		value, ok := sample(t.Elem(), other)
		return resource.NewProperty(resource.PropertyMap{"key": value}), ok
	case reflect.Struct:
		m := resource.PropertyMap{}
		for name, field := range tagged(t) {
			if v, ok := sample(field, other); ok {
				m[resource.PropertyKey(name)] = v
			}
		}
		return resource.NewProperty(m), true
	}
	return resource.PropertyValue{}, false
}

// companions are inputs without which the provider plans nothing for that type.
var companions = map[string]resource.PropertyMap{
	"aws:lb/targetGroup:TargetGroup": {
		"targetType": resource.NewProperty("ip"), "port": resource.NewProperty(80.0), "protocol": resource.NewProperty("HTTP"), "vpcId": resource.NewProperty("vpc"),
	},
}

// unplanned are inputs of which the provider takes no sample.
var unplanned = []string{
	"aws:ec2/natGateway:NatGateway secondaryPrivateIpAddressCount",
	"aws:ecr/lifecyclePolicy:LifecyclePolicy policy", // compared rule by rule
	"aws:ecs/service:Service serviceConnectConfiguration",
}

func TestReplacementsAreThoseOfTheProvider(t *testing.T) {
	client := provider(t)
	for _, token := range slices.Sorted(maps.Keys(sdk)) {
		if token == Image {
			continue
		}
		known := types[token]
		inputs := sdk[token].inputs()
		for _, name := range slices.Sorted(maps.Keys(inputs)) {
			if slices.Contains(unplanned, token+" "+name) {
				continue
			}
			before, ok := sample(inputs[name], false)
			if !ok {
				t.Errorf("%s: no sample of %s", token, name)
				continue
			}
			after, _ := sample(inputs[name], true)
			key := resource.PropertyKey(name)
			olds, news := resource.PropertyMap{}, resource.PropertyMap{}
			maps.Copy(olds, companions[token])
			maps.Copy(news, companions[token])
			olds[key], news[key] = before, after
			state := maps.Clone(olds)
			state["id"] = resource.NewProperty("an-id")
			answer, err := client.Diff(context.Background(), &pulumirpc.DiffRequest{
				Id: "an-id", Urn: "urn:pulumi:stack::project::" + token + "::name",
				Olds: encode(t, state), OldInputs: encode(t, olds), News: encode(t, news),
			})
			if err != nil {
				t.Errorf("%s %s: %v", token, name, err)
				continue
			}
			replaces := slices.ContainsFunc(answer.Replaces, func(p string) bool {
				return p == name || strings.HasPrefix(p, name+"[") || strings.HasPrefix(p, name+".")
			})
			if replaces != known.Replaces(name, news) {
				t.Errorf("%s: a change of %s replaces: %v with the provider, %v in the table (%v)", token, name, replaces, known.Replaces(name, news), answer.Replaces)
			}
		}
	}
}
