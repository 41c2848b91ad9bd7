package stack

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/policy"
	"private-api/operations"
)

// keyDeletionWindow is the days between the deletion of the key and its end, in which it can be kept after all: the most
// that AWS gives, which costs nothing.
// Source: https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html
const keyDeletionWindow = 30

// needsKey tells whether there is a key of the stack's own: as customerManagedKey says so, or for a topic of alarms.
func (c *configuration) needsKey() bool { return c.customerManagedKey || c.operations.MakesTopic() }

// newKey makes the key of the stack's own and returns its ARN. AWS renews its material each year.
func (c *configuration) newKey(ctx *pulumi.Context, provider *aws.Provider) (pulumi.StringPtrInput, error) {
	account, err := aws.GetCallerIdentity(ctx, nil, pulumi.Provider(provider))
	if err != nil {
		return nil, fmt.Errorf("reading the AWS account: %w", err)
	}
	statements, holds := []policy.Statement{accountStatement(c.producer.Region, account.AccountId)}, []string(nil)
	if c.customerManagedKey {
		statements, holds = append(statements, logsStatement(c.producer.Region, account.AccountId)), append(holds, "log groups and image repositories")
	}
	if c.operations.MakesTopic() {
		statements, holds = append(statements, operations.KeyStatement(c.producer.Region, account.AccountId)), append(holds, "messages of alarms")
	}
	document, err := policy.JSON(statements...)
	if err != nil {
		return nil, err
	}
	key, err := kms.NewKey(ctx, "key", &kms.KeyArgs{
		Description:          pulumi.Sprintf("%s of %s-%s", strings.Join(holds, ", "), ctx.Project(), ctx.Stack()),
		EnableKeyRotation:    pulumi.Bool(true),
		DeletionWindowInDays: pulumi.Int(keyDeletionWindow),
		Policy:               pulumi.String(document),
	}, pulumi.Provider(provider), pulumi.Protect(c.producer.DeletionProtection && c.customerManagedKey))
	if err != nil {
		return nil, fmt.Errorf("creating KMS key: %w", err)
	}
	return key.Arn, nil
}

// accountStatement lets the IAM policies of the account decide about the key. ECR needs no more: it works with grants that who
// makes a repository gives it.
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html
func accountStatement(region, account string) policy.Statement {
	return policy.Statement{
		Sid:       "Account",
		Principal: map[string]string{"AWS": policy.PartitionOf(region).ARN("iam", "", account, "root")},
		Action:    []string{"kms:*"},
		Resource:  []string{"*"}, // the key that has this policy
	}
}

// logsStatement lets CloudWatch Logs use the key for log groups of the account.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
func logsStatement(region, account string) policy.Statement {
	return policy.Statement{
		Sid:       "Logs",
		Principal: map[string]string{"Service": policy.LogsService(region)},
		Action:    policy.LogKeyActions,
		Resource:  []string{"*"},
		Condition: map[string]map[string]string{"ArnLike": {"kms:EncryptionContext:aws:logs:arn": policy.PartitionOf(region).ARN("logs", region, account, "log-group:*")}},
	}
}
