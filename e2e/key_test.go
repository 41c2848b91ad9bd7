package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// TestCustomerManagedKey: a stack with a key of its own refuses to go without one, and leaves services and repositories as
// they are. Once it is destroyed, only the key is left, which waits for its deletion: AWS deletes none at once.
func TestCustomerManagedKey(t *testing.T) {
	a := newAccount(t)
	with := base().with(settings{"customerManagedKey": true, "bastion": false})
	d := a.newStack(t, "keyed", nil, with)
	d.up(t)
	a.compare(t, d)
	calls := record{t, a.proxy.Calls()}
	key := calls.first("kms", "CreateKey")
	arn := key.Answer.Get("Arn")
	for _, c := range append(calls.some("logs", "CreateLogGroup"), calls.some("ecr", "CreateRepository")...) {
		if c.Params.Get("kmsKeyId") != arn && c.Params.Get("kmsKey") != arn {
			t.Errorf("%s is not encrypted with the key: %v", c, c.Params)
		}
	}

	without := with.with(settings{"customerManagedKey": nil})
	says := []string{project + ":customerManagedKey: false is not allowed", "true in this stack", "repository of service", "another stack"}
	_, err := d.tryPreview(t, without)
	refused(t, "preview", err, says)
	d.configure(t, without)
	ops, _, err := d.tryUp() // without a preview, as who passes --skip-preview
	refused(t, "up", err, says)
	for _, op := range ops {
		if !strings.HasPrefix(op, "update cloudwatch/logGroup ") && !strings.HasPrefix(op, "update iam/rolePolicy ") {
			t.Errorf("the refused update changed more than the logs: %s", op)
		}
	}
	d.configure(t, with)
	d.up(t)
	a.compare(t, d)
	ops, _ = d.up(t)
	expect(t, ops, nil)

	d.destroy(t)
	a.sweep(t, "keyed")
	left, err := kms.NewFromConfig(a.aws).DescribeKey(context.Background(), &kms.DescribeKeyInput{KeyId: &arn})
	if err != nil {
		t.Fatal(err)
	}
	if is := left.KeyMetadata; is.KeyState != kmstypes.KeyStatePendingDeletion || time.Until(aws.ToTime(is.DeletionDate)) < 29*24*time.Hour {
		t.Errorf("the key is %s and goes at %v, want in 30 days", is.KeyState, is.DeletionDate)
	}
	calls = record{t, a.proxy.Calls()}
	end := calls.first("kms", "ScheduleKeyDeletion")
	calls.before(end, "what is encrypted with the key cannot be read any more", append(calls.some("logs", "DeleteLogGroup"), calls.some("ecr", "DeleteRepository")...)...)
}
