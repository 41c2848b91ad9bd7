package producer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/policy"
)

// roles are the two of a service. ECS uses the execution role to start tasks; the code in them only ever has the task
// role.
type roles struct {
	execution, task *iam.Role
	policies        []pulumi.Resource // without these the roles may do nothing
}

func newRoles(ctx *pulumi.Context, d *deployment, account string, logs *cloudwatch.LogGroup, opts ...pulumi.ResourceOption) (*roles, error) {
	trust, err := policy.Trust("ecs-tasks.amazonaws.com", account)
	if err != nil {
		return nil, err
	}
	r := &roles{}
	if r.execution, err = newRole(ctx, d.logical+"-execution", "ECS starts tasks of service "+d.Name, trust, opts...); err != nil {
		return nil, err
	}
	if r.task, err = newRole(ctx, d.logical+"-task", "service "+d.Name+" at work", trust, opts...); err != nil {
		return nil, err
	}
	execution := pulumi.All(d.image.repositories, logs.Arn).ApplyT(func(v []any) (string, error) {
		return policy.JSON(executionPolicy(v[0].([]string), v[1].(string), d.Secrets)...)
	}).(pulumi.StringOutput)
	if err := r.attach(ctx, d.logical+"-execution", r.execution, execution, opts...); err != nil {
		return nil, err
	}
	if len(d.TaskPolicy) == 0 {
		return r, nil
	}
	document, err := policy.JSON(d.TaskPolicy...)
	if err != nil {
		return nil, err
	}
	return r, r.attach(ctx, d.logical+"-task", r.task, pulumi.String(document), opts...)
}

func newRole(ctx *pulumi.Context, name, description, trust string, opts ...pulumi.ResourceOption) (*iam.Role, error) {
	role, err := iam.NewRole(ctx, name, &iam.RoleArgs{AssumeRolePolicy: pulumi.String(trust), Description: pulumi.String(description)}, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating role %s: %w", name, err)
	}
	return role, nil
}

func (r *roles) attach(ctx *pulumi.Context, name string, role *iam.Role, document pulumi.StringInput, opts ...pulumi.ResourceOption) error {
	p, err := iam.NewRolePolicy(ctx, name, &iam.RolePolicyArgs{Role: role.ID(), Policy: document}, opts...)
	if err != nil {
		return fmt.Errorf("creating policy %s: %w", name, err)
	}
	r.policies = append(r.policies, p)
	return nil
}

// executionPolicy is what it takes to start a task of one service: pull from its repositories, write to its log group,
// read its secrets.
func executionPolicy(repositories []string, logGroup string, secrets map[string]string) []policy.Statement {
	statements := []policy.Statement{{
		Sid: "Login", Action: []string{"ecr:GetAuthorizationToken"},
		Resource: []string{"*"}, // AWS knows no narrower resource for this action
	}, {
		Sid: "Pull", Action: []string{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"},
		Resource: repositories,
	}, {
		Sid: "Log", Action: []string{"logs:CreateLogStream", "logs:PutLogEvents"},
		Resource: []string{strings.TrimSuffix(logGroup, ":*") + ":*"},
	}}
	for _, store := range []struct{ name, sid, action string }{
		{"secretsmanager", "Secrets", "secretsmanager:GetSecretValue"},
		{"ssm", "Parameters", "ssm:GetParameters"},
	} {
		var arns []string
		for _, arn := range secrets {
			if secretStore(arn) == store.name {
				arns = append(arns, secretResource(arn))
			}
		}
		if len(arns) > 0 {
			slices.Sort(arns)
			statements = append(statements, policy.Statement{Sid: store.sid, Action: []string{store.action}, Resource: slices.Compact(arns)})
		}
	}
	return statements
}

// secretStore is the AWS service of a secret's ARN: ssm or secretsmanager.
func secretStore(arn string) string {
	if parts := strings.SplitN(arn, ":", 4); len(parts) == 4 {
		return parts[2]
	}
	return ""
}

// secretResource drops what ECS allows behind the ARN of a Secrets Manager secret (JSON key, version stage, version id)
// and IAM does not.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
func secretResource(arn string) string {
	const arnParts = 7 // arn:partition:secretsmanager:region:account:secret:name
	parts := strings.Split(arn, ":")
	if secretStore(arn) == "secretsmanager" && len(parts) > arnParts {
		parts = parts[:arnParts]
	}
	return strings.Join(parts, ":")
}
