package producer

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/buildcontext"
)

// image is what a service runs.
type image struct {
	reference    pulumi.StringOutput      // repository@sha256:...
	digest       pulumi.StringOutput      // sha256:...
	repositories pulumi.StringArrayOutput // ARNs of what tasks pull from
}

// newRegistry logs in to the account's ECR; it returns nil if nothing is built.
func newRegistry(ctx *pulumi.Context, args *Args, opts ...pulumi.InvokeOption) (docker.RegistryPtrInput, error) {
	if !slices.ContainsFunc(args.Services, func(s Service) bool { return s.Image == "" }) {
		return nil, nil
	}
	token, err := ecr.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenArgs{}, opts...)
	if err != nil {
		return nil, fmt.Errorf("logging in to ECR: %w", err)
	}
	return docker.RegistryArgs{
		Server:   pulumi.String(token.ProxyEndpoint),
		Username: pulumi.String(token.UserName),
		Password: pulumi.ToSecret(pulumi.String(token.Password)).(pulumi.StringOutput),
	}, nil
}

// lifecyclePolicy drops images that lost their tag, and keeps enough others to go back to.
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html
const lifecyclePolicy = `{"rules":[` +
	`{"rulePriority":1,"description":"untagged images go after 14 days",` +
	`"selection":{"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":14},"action":{"type":"expire"}},` +
	`{"rulePriority":2,"description":"the latest 30 images stay",` +
	`"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":30},"action":{"type":"expire"}}]}`

// newImage makes the service's repository and, unless the service names an image, builds and pushes one. The repository
// is there in any case: a named image may well be an earlier one of it.
func newImage(ctx *pulumi.Context, d *deployment, in *shared, opts ...pulumi.ResourceOption) (*image, error) {
	repository, err := ecr.NewRepository(ctx, d.logical, &ecr.RepositoryArgs{
		// Tasks run by digest, so a tag that moves changes nothing that runs. An immutable one would refuse to push
		// content that was there before.
		ImageTagMutability:         pulumi.String("MUTABLE"),
		ImageScanningConfiguration: ecr.RepositoryImageScanningConfigurationArgs{ScanOnPush: pulumi.Bool(true)},
		EncryptionConfigurations:   ecr.RepositoryEncryptionConfigurationArray{ecr.RepositoryEncryptionConfigurationArgs{EncryptionType: pulumi.String("AES256")}},
		ForceDelete:                pulumi.Bool(!in.DeletionProtection),
	}, append(opts, pulumi.Protect(in.DeletionProtection))...)
	if err != nil {
		return nil, fmt.Errorf("creating repository: %w", err)
	}
	if _, err := ecr.NewLifecyclePolicy(ctx, d.logical, &ecr.LifecyclePolicyArgs{Repository: repository.Name, Policy: pulumi.String(lifecyclePolicy)}, opts...); err != nil {
		return nil, fmt.Errorf("creating lifecycle policy: %w", err)
	}
	repositories := pulumi.StringArray{repository.Arn}
	if d.Image != "" {
		if arn, ok := repositoryArn(d.Image); ok {
			repositories = append(repositories, pulumi.String(arn))
		}
		_, digest, _ := strings.Cut(d.Image, "@")
		return &image{
			reference:    pulumi.String(d.Image).ToStringOutput(),
			digest:       pulumi.String(digest).ToStringOutput(),
			repositories: repositories.ToStringArrayOutput(),
		}, nil
	}

	platform := "linux/arm64"
	if in.Architecture == X86_64 {
		platform = "linux/amd64"
	}
	files, err := buildcontext.ReadService(in.Root, d.Name)
	if err != nil {
		return nil, fmt.Errorf("reading build context: %w", err)
	}
	// Relative, as the state must not depend on the machine; for each stack, as one must not change what another builds.
	staged := ".build/images/" + ctx.Stack() + "/" + d.Name
	if err := files.Stage(filepath.Join(in.Root, staged)); err != nil {
		return nil, fmt.Errorf("staging build context: %w", err)
	}
	built, err := docker.NewImage(ctx, d.logical, &docker.ImageArgs{
		// A tag that did not follow the content could leave an old digest in the state.
		ImageName: pulumi.Sprintf("%s:%s", repository.RepositoryUrl, files.Hash(platform)[:20]),
		Build: docker.DockerBuildArgs{
			Args:       pulumi.StringMap{"SERVICE": pulumi.String(d.Name)},
			Context:    pulumi.String(staged),
			Dockerfile: pulumi.String(staged + "/Dockerfile"),
			Platform:   pulumi.String(platform),
		},
		Registry: in.registry,
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("building image: %w", err)
	}
	digest := built.RepoDigest.ApplyT(func(reference string) string {
		_, digest, _ := strings.Cut(reference, "@")
		return digest
	}).(pulumi.StringOutput)
	return &image{
		// Not RepoDigest itself: an engine that pushed the same image for two stacks knows both names, and reports either.
		reference:    pulumi.Sprintf("%s@%s", repository.RepositoryUrl, digest),
		digest:       digest,
		repositories: repositories.ToStringArrayOutput(),
	}, nil
}

// ecrImage matches an image in a private ECR repository: account, region, repository.
var ecrImage = regexp.MustCompile(`^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^@]+)@`)

// repositoryArn is the ARN of the repository that an image is in, where that is a private one of ECR.
func repositoryArn(image string) (string, bool) {
	m := ecrImage.FindStringSubmatch(image)
	if m == nil {
		return "", false
	}
	partition := "aws"
	switch {
	case strings.HasPrefix(m[2], "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(m[2], "us-gov-"):
		partition = "aws-us-gov"
	}
	return fmt.Sprintf("arn:%s:ecr:%s:%s:repository/%s", partition, m[2], m[1], m[3]), true
}
