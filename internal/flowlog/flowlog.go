// Package flowlog records the traffic of a VPC in CloudWatch Logs.
package flowlog

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/policy"
)

// New records all traffic of a VPC, the refused too, and keeps the records for so many days. They are encrypted with the
// key of that ARN; nil: AWS's own.
func New(ctx *pulumi.Context, name string, vpcID pulumi.StringInput, retentionDays int, key pulumi.StringPtrInput, opts ...pulumi.ResourceOption) error {
	logical := name + "-flow-logs"
	logs, err := cloudwatch.NewLogGroup(ctx, logical, &cloudwatch.LogGroupArgs{
		NamePrefix:      pulumi.Sprintf("/vpc/%s-%s/%s-", ctx.Project(), ctx.Stack(), name),
		RetentionInDays: pulumi.Int(retentionDays),
		KmsKeyId:        key,
	}, opts...)
	if err != nil {
		return fmt.Errorf("creating log group of flow logs: %w", err)
	}
	role, err := iam.NewRole(ctx, logical, &iam.RoleArgs{
		AssumeRolePolicy: logs.Arn.ApplyT(trust).(pulumi.StringOutput),
		Description:      pulumi.String("flow logs of the VPC " + name),
	}, opts...)
	if err != nil {
		return fmt.Errorf("creating role of flow logs: %w", err)
	}
	write, err := iam.NewRolePolicy(ctx, logical, &iam.RolePolicyArgs{
		Role: role.ID(), Policy: pulumi.All(logs.Arn, logs.KmsKeyId).ApplyT(func(v []any) (string, error) {
			return writePolicy(v[0].(string), aws.ToString(v[1].(*string)))
		}).(pulumi.StringOutput),
	}, opts...)
	if err != nil {
		return fmt.Errorf("creating policy of flow logs: %w", err)
	}
	_, err = ec2.NewFlowLog(ctx, logical, &ec2.FlowLogArgs{
		VpcId:          vpcID.ToStringOutput().ToStringPtrOutput(),
		TrafficType:    pulumi.String("ALL"),
		LogDestination: logs.Arn,
		IamRoleArn:     role.Arn,
		Tags:           pulumi.StringMap{"Name": pulumi.String(logical)},
	}, append(opts, pulumi.DependsOn([]pulumi.Resource{write}))...) // else the first records are lost: "Access error"
	if err != nil {
		return fmt.Errorf("creating flow log: %w", err)
	}
	return nil
}

// trust lets flow logs of this account and region, which are those of the log group's ARN, assume the role.
// Source: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
func trust(logGroup string) (string, error) {
	arn := strings.Split(logGroup, ":")
	partition, region, account := arn[1], arn[3], arn[4]
	return policy.JSON(policy.Statement{
		Principal: map[string]string{"Service": "vpc-flow-logs.amazonaws.com"},
		Action:    []string{"sts:AssumeRole"},
		Condition: map[string]map[string]string{
			"StringEquals": {"aws:SourceAccount": account},
			"ArnLike":      {"aws:SourceArn": fmt.Sprintf("arn:%s:ec2:%s:%s:vpc-flow-log/*", partition, region, account)},
		},
	})
}

// writePolicy is what AWS's CDK gives such a role, which is less than the example in AWS's documentation: the group is
// there, and a role that may make groups would make this one again after the stack is gone.
// Source: https://github.com/aws/aws-cdk/blob/main/packages/aws-cdk-lib/aws-ec2/lib/vpc-flow-logs.ts
func writePolicy(logGroup, key string) (string, error) {
	statements := []policy.Statement{{
		Sid: "Log", Action: []string{"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"},
		Resource: []string{strings.TrimSuffix(logGroup, ":*") + ":*"},
	}}
	if key != "" {
		statements = append(statements, policy.ViaLogs(key))
	}
	return policy.JSON(statements...)
}
