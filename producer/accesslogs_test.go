package producer

import (
	"reflect"
	"testing"

	"private-api/internal/fakeaws"
	"private-api/internal/testkit"
)

// Who may do what in the bucket, to the letter, in each partition.
func TestAccessLogPolicy(t *testing.T) {
	for region, partition := range map[string]string{"us-west-2": "aws", "us-gov-west-1": "aws-us-gov", "cn-north-1": "aws-cn"} {
		args := twoServices(t)
		args.Region, args.AccessLogs = region, true
		r := &testkit.Recorder{Account: fakeaws.Account{ID: "123456789012", Region: region}}
		if err := tryDeploy(r, args); err != nil {
			t.Fatal(err)
		}
		bucket := r.Get(t, "s3.Bucket producer-access-logs").Outputs["arn"].StringValue()
		if got, want := bucket[:len("arn:"+partition)+1], "arn:"+partition+":"; got != want {
			t.Errorf("%s: the bucket is %s", region, bucket)
		}
		want := `{"Version":"2012-10-17","Statement":[` +
			`{"Sid":"Write","Effect":"Allow","Principal":{"Service":"logdelivery.elasticloadbalancing.amazonaws.com"},"Action":["s3:PutObject"],"Resource":["` + bucket + `/AWSLogs/123456789012/*"]},` +
			`{"Sid":"TLSOnly","Effect":"Deny","Principal":{"AWS":"*"},"Action":["s3:*"],"Resource":["` + bucket + `","` + bucket + `/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
		if got := r.Get(t, "s3.BucketPolicy producer-access-logs").Input("policy"); got != want {
			t.Errorf("%s: the policy is\n%s, want\n%s", region, got, want)
		}
	}
}

// Every part of the bucket, and what deletionProtection changes of it.
func TestAccessLogs(t *testing.T) {
	for _, protect := range []bool{false, true} {
		args := twoServices(t)
		args.AccessLogs, args.DeletionProtection, args.LogRetentionDays = true, protect, 14
		r := deploy(t, args)
		bucket := r.Get(t, "s3.Bucket producer-access-logs")
		if bucket.Protect != protect {
			t.Errorf("deletionProtection %v: the bucket is protected: %v", protect, bucket.Protect)
		}
		for name, want := range map[string]any{
			"s3.BucketPublicAccessBlock": map[string]any{"blockPublicAcls": true, "blockPublicPolicy": true, "ignorePublicAcls": true, "restrictPublicBuckets": true, "bucket": bucket.ID},
			"s3.BucketOwnershipControls": map[string]any{"rule": map[string]any{"objectOwnership": "BucketOwnerEnforced"}, "bucket": bucket.ID},
			"s3.Bucket": map[string]any{
				"bucketPrefix": "producer-access-logs-", "forceDestroy": !protect, "versioning": map[string]any{"enabled": true},
				"serverSideEncryptionConfiguration": map[string]any{"rule": map[string]any{"applyServerSideEncryptionByDefault": map[string]any{"sseAlgorithm": "AES256"}}},
				"lifecycleRules": []any{map[string]any{
					"id": "expire", "enabled": true, "expiration": map[string]any{"days": 14.}, "noncurrentVersionExpiration": map[string]any{"days": 7.},
					"abortIncompleteMultipartUploadDays": 7.,
				}},
			},
		} {
			if got := r.Get(t, name+" producer-access-logs").Inputs.Mappable(); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
		if got, want := r.Get(t, "lb.LoadBalancer producer").Input("accessLogs"), (map[string]any{"bucket": bucket.ID, "enabled": true}); !reflect.DeepEqual(got, want) {
			t.Errorf("the load balancer logs to %v, want %v", got, want)
		}
	}
	if got := deploy(t, twoServices(t)).Get(t, "lb.LoadBalancer producer").Input("accessLogs"); got != nil {
		t.Errorf("without the setting, the load balancer logs to %v", got)
	}
}
