package testkit_test

import (
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/testkit"
)

type component struct{ pulumi.ResourceState }

// Every option that is recorded, a secret, a JSON document and lines of text, as they stand in a golden file.
func TestGolden(t *testing.T) {
	r := &testkit.Recorder{}
	err := r.Run(func(ctx *pulumi.Context) error {
		parent := &component{}
		if err := ctx.RegisterComponentResource("test:index:Component", "parent", parent); err != nil {
			return err
		}
		role, err := iam.NewRole(ctx, "role", &iam.RoleArgs{AssumeRolePolicy: pulumi.String(`{"Statement":[{"Effect":"Allow"}]}`)}, pulumi.Parent(parent))
		if err != nil {
			return err
		}
		profile, err := iam.NewInstanceProfile(ctx, "profile", &iam.InstanceProfileArgs{Role: role.Name})
		if err != nil {
			return err
		}
		_, err = ec2.NewInstance(ctx, "instance", &ec2.InstanceArgs{
			IamInstanceProfile: profile.Name, UserData: pulumi.ToSecret(pulumi.String("#!/bin/sh\nexit\n")).(pulumi.StringOutput),
		},
			pulumi.Parent(parent), pulumi.DependsOn([]pulumi.Resource{role}), pulumi.Protect(true), pulumi.IgnoreChanges([]string{"ami"}),
			pulumi.ReplaceOnChanges([]string{"tags"}), pulumi.DeleteBeforeReplace(true), pulumi.RetainOnDelete(true),
			pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "1m", Update: "2m", Delete: "3m"}),
			pulumi.Aliases([]pulumi.Alias{{Name: pulumi.String("before")}}))
		return err
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "testdata/golden.txt", r.Golden())
}
