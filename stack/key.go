package stack

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/policy"
)

// keyDeletionWindow is the days between the deletion of the key and its end, in which it can be kept after all: the most
// that AWS gives, which costs nothing.
// Source: https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html
const keyDeletionWindow = 30

// newKey makes the customer managed key of log groups and image repositories, and returns its ARN. AWS renews its material
// each year.
func (c *configuration) newKey(ctx *pulumi.Context, provider *aws.Provider) (pulumi.StringPtrInput, error) {
	account, err := aws.GetCallerIdentity(ctx, nil, pulumi.Provider(provider))
	if err != nil {
		return nil, fmt.Errorf("reading the AWS account: %w", err)
	}
	document, err := policy.JSON(keyPolicy(c.producer.Region, account.AccountId)...)
	if err != nil {
		return nil, err
	}
	key, err := kms.NewKey(ctx, "key", &kms.KeyArgs{
		Description:          pulumi.Sprintf("log groups and image repositories of %s-%s", ctx.Project(), ctx.Stack()),
		EnableKeyRotation:    pulumi.Bool(true),
		DeletionWindowInDays: pulumi.Int(keyDeletionWindow),
		Policy:               pulumi.String(document),
	}, pulumi.Provider(provider), pulumi.Protect(c.producer.DeletionProtection))
	if err != nil {
		return nil, fmt.Errorf("creating KMS key: %w", err)
	}
	return key.Arn, nil
}

// keyPolicy lets the IAM policies of the account decide about the key, and CloudWatch Logs use it for log groups of the
// account. ECR needs no more: it works with grants that who makes a repository gives it.
// Sources: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html,
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html
func keyPolicy(region, account string) []policy.Statement {
	partition := policy.PartitionOf(region)
	return []policy.Statement{{
		Sid:       "Account",
		Principal: map[string]string{"AWS": partition.ARN("iam", "", account, "root")},
		Action:    []string{"kms:*"},
		Resource:  []string{"*"}, // the key that has this policy
	}, {
		Sid:       "Logs",
		Principal: map[string]string{"Service": policy.LogsService(region)},
		Action:    policy.LogKeyActions,
		Resource:  []string{"*"},
		Condition: map[string]map[string]string{"ArnLike": {"kms:EncryptionContext:aws:logs:arn": partition.ARN("logs", region, account, "log-group:*")}},
	}}
}
