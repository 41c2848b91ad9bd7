package producer

import (
	"reflect"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/testkit"
)

// What a customer managed key encrypts, and that without one AWS's own keys do.
func TestCustomerManagedKey(t *testing.T) {
	with := twoServices(t)
	with.FlowLogs, with.KmsKeyArn = true, pulumi.String(logKeyARN)
	without := twoServices(t)
	without.FlowLogs = true
	for _, test := range []struct {
		args       *Args
		key        any
		repository map[string]any
	}{
		{with, logKeyARN, map[string]any{"encryptionType": "KMS", "kmsKey": logKeyARN}},
		{without, nil, map[string]any{"encryptionType": "AES256"}},
	} {
		r := deploy(t, test.args)
		groups := r.All("cloudwatch.LogGroup")
		if len(groups) != 4 { // two services, Container Insights, flow logs
			t.Errorf("%d log groups", len(groups))
		}
		for _, group := range groups {
			if got := group.Input("kmsKeyId"); got != test.key {
				t.Errorf("%s is encrypted with %v, want %v", group, got, test.key)
			}
		}
		for _, repository := range r.All("ecr.Repository") {
			if got := repository.Input("encryptionConfigurations.0"); !reflect.DeepEqual(got, test.repository) {
				t.Errorf("%s is encrypted with %v, want %v", repository, got, test.repository)
			}
		}
		for _, p := range r.All("iam.RolePolicy") {
			for _, s := range statements(t, p.Input("policy")) {
				if s.Sid != "LogKey" {
					continue
				}
				if want := map[string]map[string]string{"StringEquals": {"kms:ViaService": "logs.us-west-2.amazonaws.com"}}; test.key == nil || !reflect.DeepEqual(s.Condition, want) {
					t.Errorf("%s: the key may be used under %v, want %v", p, s.Condition, want)
				}
			}
		}
	}
}

// A repository that is there with another encryption fails the update, before anything runs from it: whether the image is
// built or named. The engine keeps the encryption that it has, as changes of it are ignored.
func TestRepositoryWithAnotherEncryption(t *testing.T) {
	for _, named := range []bool{false, true} {
		for _, wanted := range []bool{false, true} {
			args := twoServices(t)
			is, says := "KMS", `private-api:customerManagedKey: false is not allowed: true in this stack, as the image repository of service alpha was made so`
			if wanted {
				args.KmsKeyArn = pulumi.String(logKeyARN)
				is, says = "AES256", `private-api:customerManagedKey: true is not allowed: false in this stack, as the image repository of service alpha was made so`
			}
			if named {
				args.Services[0].Image = repository + "@" + digest
			}
			r := &testkit.Recorder{Replace: func(made *testkit.Resource, outputs resource.PropertyMap) {
				if made.String() == "ecr.Repository producer-alpha" {
					outputs["encryptionConfigurations"] = resource.NewPropertyValue([]any{map[string]any{"encryptionType": is}})
				}
			}}
			err := tryDeploy(r, args)
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("named %v, wanted %v: error %v, want %s", named, wanted, err, says)
			}
			for _, kind := range []string{"docker.Image", "ecs.TaskDefinition", "ecs.Service"} {
				for _, made := range r.All(kind) {
					if made.Name == "producer-alpha" {
						t.Errorf("named %v, wanted %v: %s was changed", named, wanted, made)
					}
				}
			}
		}
	}
	for _, repository := range deploy(t, twoServices(t)).All("ecr.Repository") {
		if !reflect.DeepEqual(repository.IgnoreChanges, []string{"encryptionConfigurations"}) {
			t.Errorf("%s ignores changes of %v: another encryption would replace it", repository, repository.IgnoreChanges)
		}
	}
}
