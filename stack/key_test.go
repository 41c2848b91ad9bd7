package stack

import (
	"strings"
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

// A topic of alarms needs a key that alarms may use: the stack's, or one for this alone. To this one, deletionProtection and the
// first up mean nothing.
func TestKeyOfAlarms(t *testing.T) {
	const alarms = `{"Sid":"Alarms","Effect":"Allow","Principal":{"Service":"cloudwatch.amazonaws.com"},"Action":["kms:Decrypt","kms:GenerateDataKey*"],"Resource":["*"],` +
		`"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:cloudwatch:us-west-2:123456789012:alarm:*"}}}`
	for own, want := range map[string]struct {
		description string
		statements  []string
	}{
		"false": {"messages of alarms of private-api-dev", []string{`"Sid":"Account"`, alarms}},
		"true":  {"log groups and image repositories, messages of alarms of private-api-dev", []string{`"Sid":"Account"`, `"Sid":"Logs"`, alarms}},
	} {
		r := deploy(t, map[string]string{"alarms": "true", "alarmEmails": `["on-call@example.com"]`, "deletionProtection": "true", "customerManagedKey": own})
		key := r.Get(t, "kms.Key key")
		text := key.Input("policy").(string)
		if strings.Count(text, `"Sid"`) != len(want.statements) || key.Input("description") != want.description || key.Protect != (own == "true") {
			t.Errorf("customerManagedKey %s: %v, protected %v, policy %s", own, key.Input("description"), key.Protect, text)
		}
		for _, statement := range want.statements {
			if !strings.Contains(text, statement) {
				t.Errorf("customerManagedKey %s: no statement %s in %s", own, statement, text)
			}
		}
		if got := r.Get(t, "sns.Topic alarms").Input("kmsMasterKeyId"); got != key.Outputs["arn"].StringValue() {
			t.Errorf("customerManagedKey %s: the topic is encrypted with %v", own, got)
		}
		if group := r.All("cloudwatch.LogGroup")[0]; (group.Input("kmsKeyId") != nil) != (own == "true") {
			t.Errorf("customerManagedKey %s: %s is encrypted with %v", own, group, group.Input("kmsKeyId"))
		}
	}
}
