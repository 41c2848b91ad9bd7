package producer

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/policy"
)

// accessLogs is where the load balancer writes its access logs. The zero value is nowhere.
type accessLogs struct {
	target lb.LoadBalancerAccessLogsPtrInput
	bucket []pulumi.Resource // with all that it takes to write there
}

// graceDays is how many days more S3 keeps what has expired, was deleted or was never uploaded to its end.
const graceDays = 7

// newAccessLogs makes a bucket for the access logs. Nobody but the load balancer writes there, and nobody on the internet
// reads. With deletionProtection it stays, else it goes with the stack and with all logs in it.
func newAccessLogs(ctx *pulumi.Context, name string, args *Args, account string, opts ...pulumi.ResourceOption) (*accessLogs, error) {
	if !args.AccessLogs {
		return &accessLogs{}, nil
	}
	logical := name + "-access-logs"
	// All in one resource, which with BucketV2 would be four.
	bucket, err := s3.NewBucket(ctx, logical, &s3.BucketArgs{
		BucketPrefix: pulumi.String(logical + "-"),
		ForceDestroy: pulumi.Bool(!args.DeletionProtection),
		// With a KMS key, load balancers could not write:
		// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
		ServerSideEncryptionConfiguration: s3.BucketServerSideEncryptionConfigurationArgs{
			Rule: s3.BucketServerSideEncryptionConfigurationRuleArgs{
				ApplyServerSideEncryptionByDefault: s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs{SseAlgorithm: pulumi.String("AES256")},
			},
		},
		// Keeps what somebody deletes or overwrites.
		Versioning: s3.BucketVersioningArgs{Enabled: pulumi.Bool(true)},
		LifecycleRules: s3.BucketLifecycleRuleArray{s3.BucketLifecycleRuleArgs{
			Id:                                 pulumi.String("expire"),
			Enabled:                            pulumi.Bool(true),
			Expiration:                         s3.BucketLifecycleRuleExpirationArgs{Days: pulumi.Int(args.LogRetentionDays)},
			NoncurrentVersionExpiration:        s3.BucketLifecycleRuleNoncurrentVersionExpirationArgs{Days: pulumi.Int(graceDays)},
			AbortIncompleteMultipartUploadDays: pulumi.Int(graceDays),
		}},
	}, append(opts, pulumi.Protect(args.DeletionProtection))...)
	if err != nil {
		return nil, fmt.Errorf("creating bucket of access logs: %w", err)
	}
	public, err := s3.NewBucketPublicAccessBlock(ctx, logical, &s3.BucketPublicAccessBlockArgs{
		Bucket:          bucket.ID(),
		BlockPublicAcls: pulumi.Bool(true), IgnorePublicAcls: pulumi.Bool(true),
		BlockPublicPolicy: pulumi.Bool(true), RestrictPublicBuckets: pulumi.Bool(true),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("blocking public access to access logs: %w", err)
	}
	owner, err := s3.NewBucketOwnershipControls(ctx, logical, &s3.BucketOwnershipControlsArgs{
		Bucket: bucket.ID(),
		Rule:   s3.BucketOwnershipControlsRuleArgs{ObjectOwnership: pulumi.String("BucketOwnerEnforced")},
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("setting the owner of access logs: %w", err)
	}
	write, err := s3.NewBucketPolicy(ctx, logical, &s3.BucketPolicyArgs{
		Bucket: bucket.ID(),
		Policy: bucket.Arn.ApplyT(func(arn string) (string, error) { return policy.JSON(accessLogPolicy(arn, account)...) }).(pulumi.StringOutput),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating policy of access logs: %w", err)
	}
	return &accessLogs{
		target: lb.LoadBalancerAccessLogsArgs{Bucket: bucket.Bucket, Enabled: pulumi.Bool(true)},
		bucket: []pulumi.Resource{public, owner, write},
	}, nil
}

// accessLogPolicy lets the load balancers of an account write, in all partitions as the same service, and nobody come
// without TLS.
// Sources: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html,
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html
func accessLogPolicy(bucket, account string) []policy.Statement {
	return []policy.Statement{{
		Sid:       "Write",
		Principal: map[string]string{"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
		Action:    []string{"s3:PutObject"},
		Resource:  []string{bucket + "/AWSLogs/" + account + "/*"},
	}, {
		Sid:       "TLSOnly",
		Effect:    "Deny",
		Principal: map[string]string{"AWS": "*"},
		Action:    []string{"s3:*"},
		Resource:  []string{bucket, bucket + "/*"},
		Condition: map[string]map[string]string{"Bool": {"aws:SecureTransport": "false"}},
	}}
}
