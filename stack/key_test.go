package stack

import (
	"testing"

	"private-api/internal/fakeaws"
	"private-api/internal/testkit"
)

// The key, and who may use it, to the letter, in each partition.
func TestKey(t *testing.T) {
	for region, in := range map[string]struct{ partition, logs string }{
		"us-west-2":     {"aws", "logs.us-west-2.amazonaws.com"},
		"us-gov-west-1": {"aws-us-gov", "logs.us-gov-west-1.amazonaws.com"},
		"cn-north-1":    {"aws-cn", "logs.cn-north-1.amazonaws.com.cn"},
	} {
		r := &testkit.Recorder{Account: fakeaws.Account{ID: "123456789012", Region: region}}
		if err := deployOn(r, fixture(t), map[string]string{"aws:region": region, "customerManagedKey": "true"}); err != nil {
			t.Fatal(err)
		}
		key := r.Get(t, "kms.Key key")
		for input, want := range map[string]any{
			"enableKeyRotation": true, "deletionWindowInDays": 30., "description": "log groups and image repositories of private-api-dev",
			"policy": `{"Version":"2012-10-17","Statement":[` +
				`{"Sid":"Account","Effect":"Allow","Principal":{"AWS":"arn:` + in.partition + `:iam::123456789012:root"},"Action":["kms:*"],"Resource":["*"]},` +
				`{"Sid":"Logs","Effect":"Allow","Principal":{"Service":"` + in.logs + `"},` +
				`"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:Describe*"],"Resource":["*"],` +
				`"Condition":{"ArnLike":{"kms:EncryptionContext:aws:logs:arn":"arn:` + in.partition + `:logs:` + region + `:123456789012:log-group:*"}}}]}`,
		} {
			if got := key.Input(input); got != want {
				t.Errorf("%s: %s is\n%v, want\n%v", region, input, got, want)
			}
		}
		if key.Provider == "" || key.Provider != r.Get(t, "producer.Producer producer").Provider && key.Provider != r.Get(t, "ecs.Cluster producer").Provider {
			t.Errorf("%s: the key is made by provider %q", region, key.Provider)
		}
	}
}
