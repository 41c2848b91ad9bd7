package flowlog

import (
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/fakeaws"
	"private-api/internal/testkit"
)

// The flow log, its log group, and who may write there, to the letter.
func TestNew(t *testing.T) {
	const key = "arn:aws-cn:kms:cn-north-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	r := &testkit.Recorder{Account: fakeaws.Account{ID: "123456789012", Region: "cn-north-1"}}
	if err := r.Run(func(ctx *pulumi.Context) error {
		if err := New(ctx, "plain", pulumi.String("vpc-1"), 30, nil); err != nil {
			return err
		}
		return New(ctx, "own", pulumi.String("vpc-2"), 7, pulumi.String(key))
	}, nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		vpc  string
		days float64
		key  any
		kms  string // the statement about the key
	}{
		"plain": {"vpc-1", 30, nil, ""},
		"own": {"vpc-2", 7, key, `,{"Sid":"LogKey","Effect":"Allow","Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:Describe*"],` +
			`"Resource":["` + key + `"],"Condition":{"StringEquals":{"kms:ViaService":"logs.cn-north-1.amazonaws.com.cn"}}}`},
	} {
		log := r.Get(t, "ec2.FlowLog "+name+"-flow-logs")
		group := r.Get(t, "cloudwatch.LogGroup "+name+"-flow-logs")
		role := r.Get(t, "iam.Role "+name+"-flow-logs")
		policy := r.Get(t, "iam.RolePolicy "+name+"-flow-logs")
		arn := group.Outputs["arn"].StringValue()
		for _, test := range []struct {
			of    *testkit.Resource
			input string
			want  any
		}{
			{log, "vpcId", want.vpc},
			{log, "trafficType", "ALL"},
			{log, "logDestination", arn},
			{log, "logDestinationType", nil}, // AWS's default is CloudWatch Logs
			{log, "iamRoleArn", role.Outputs["arn"].StringValue()},
			{group, "namePrefix", "/vpc/private-api-dev/" + name + "-"},
			{group, "retentionInDays", want.days},
			{group, "kmsKeyId", want.key},
			{role, "assumeRolePolicy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"vpc-flow-logs.amazonaws.com"},"Action":["sts:AssumeRole"],` +
				`"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws-cn:ec2:cn-north-1:123456789012:vpc-flow-log/*"},"StringEquals":{"aws:SourceAccount":"123456789012"}}}]}`},
			{policy, "role", role.ID},
			{policy, "policy", `{"Version":"2012-10-17","Statement":[{"Sid":"Log","Effect":"Allow","Action":["logs:CreateLogStream","logs:DescribeLogStreams","logs:PutLogEvents"],` +
				`"Resource":["` + arn + `:*"]}` + want.kms + `]}`},
		} {
			if got := test.of.Input(test.input); got != test.want {
				t.Errorf("%s: %s is\n%v, want\n%v", test.of, test.input, got, test.want)
			}
		}
		if !slices.Contains(log.Dependencies, policy.URN) {
			t.Errorf("%s does not wait for its policy: the first records are lost", log)
		}
	}
}
