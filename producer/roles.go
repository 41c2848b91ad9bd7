package producer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
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

func newRoles(ctx *pulumi.Context, d *deployment, in *shared, opts ...pulumi.ResourceOption) (*roles, error) {
	trust, err := policy.Trust("ecs-tasks.amazonaws.com", in.account)
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
	execution := pulumi.All(d.image.repository, d.logs.Arn, d.logs.KmsKeyId).ApplyT(func(v []any) (string, error) {
		return policy.JSON(executionPolicy(&d.Service, in.Region, in.account, v[0].(string), v[1].(string), aws.ToString(v[2].(*string)))...)
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

// executionPolicy is what it takes to start a task of one service: pull its image, write to its log group, which a key may
// encrypt, read its secrets. A named image may be an earlier one of the service's own repository. ECR decrypts images by
// itself.
func executionPolicy(s *Service, region, account, repository, logGroup, logKey string) []policy.Statement {
	repositories := []string{repository}
	if named, _ := findRepository(s.Image); named != nil {
		repositories = append(repositories, named.arn())
	}
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
	if logKey != "" {
		statements = append(statements, policy.ViaLogs(logKey))
	}
	if len(repositories) > 1 {
		// The repository may be a pull-through cache that does not have the image yet, or does not exist yet. Else these
		// two do nothing.
		// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache-iam.html
		statements = append(statements, policy.Statement{Sid: "PullThrough", Action: []string{"ecr:BatchImportUpstreamImage", "ecr:CreateRepository"}, Resource: repositories[1:]})
	}
	for _, store := range []struct{ name, sid, action string }{
		{"secretsmanager", "Secrets", "secretsmanager:GetSecretValue"},
		{"ssm", "Parameters", "ssm:GetParameters"},
	} {
		var arns []string
		for _, value := range s.Secrets {
			if found := findSecret(value); found != nil && found.store == store.name {
				arns = append(arns, found.resources(region, account)...)
			}
		}
		if len(arns) == 0 {
			continue
		}
		slices.Sort(arns)
		statements = append(statements, policy.Statement{Sid: store.sid, Action: []string{store.action}, Resource: slices.Compact(arns)})
		if s.KmsKey != "" {
			// Only for what the store decrypts on the task's behalf.
			// Source: https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
			keyRegion := strings.Split(s.KmsKey, ":")[3]
			statements = append(statements, policy.Statement{
				Sid: store.sid + "Key", Action: []string{"kms:Decrypt"}, Resource: []string{s.KmsKey},
				Condition: map[string]map[string]string{"StringEquals": {"kms:ViaService": store.name + "." + keyRegion + "." + policy.PartitionOf(keyRegion).Suffix}},
			})
		}
	}
	return statements
}

// The forms in which ECS takes a secret: the ARN of a secret in Secrets Manager, with or without a JSON key, version
// stage and version id behind it; the ARN of a parameter in Parameter Store, or its name. Names that begin with aws or
// ssm are AWS's own.
// Sources: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html,
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-ssm-paramstore.html,
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
var (
	secretArn     = regexp.MustCompile(`^(arn:(aws[a-z-]*):(secretsmanager):([a-z0-9-]+):\d{12}:secret:[\w/+=.@!-]+)(?::[^:]*:[^:]*:[^:]*)?$`)
	parameterArn  = regexp.MustCompile(`^(arn:(aws[a-z-]*):(ssm):([a-z0-9-]+):\d{12}:parameter/[\w./-]+)$`)
	parameterName = regexp.MustCompile(`^/?[\w.-]+(/[\w.-]+)*$`)
	ownParameter  = regexp.MustCompile(`^(?i)/?(aws|ssm)`)
)

// storedSecret is a secret as the settings name it.
type storedSecret struct {
	store             string // secretsmanager or ssm
	arn               bool   // else the name of a parameter
	partition, region string // of an ARN
	name              string // the ARN, without what ECS allows behind it and IAM does not; or the name
}

// findSecret returns nil if the value is none of the forms.
func findSecret(value string) *storedSecret {
	for _, form := range []*regexp.Regexp{secretArn, parameterArn} {
		if m := form.FindStringSubmatch(value); m != nil {
			return &storedSecret{store: m[3], arn: true, partition: m[2], region: m[4], name: m[1]}
		}
	}
	if parameterName.MatchString(value) && !ownParameter.MatchString(value) {
		return &storedSecret{store: "ssm", name: value}
	}
	return nil
}

// resources are the secret's ARNs for a policy. Secrets Manager adds a hyphen and six characters to the name of a
// secret, and finds it without them too. As a name may end like that itself, the ARN does not tell whether they are there.
// Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html
func (s *storedSecret) resources(region, account string) []string {
	switch {
	case !s.arn:
		return []string{policy.PartitionOf(region).ARN("ssm", region, account, "parameter/"+strings.TrimPrefix(s.name, "/"))}
	case s.store == "secretsmanager":
		return []string{s.name, s.name + "-??????"}
	}
	return []string{s.name}
}
