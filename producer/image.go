package producer

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/buildcontext"
	"private-api/internal/policy"
	"private-api/internal/setting"
)

// image is what a service runs.
type image struct {
	reference  pulumi.StringOutput // repository@sha256:...
	digest     pulumi.StringOutput // sha256:...
	repository pulumi.StringOutput // ARN of the service's own
}

// newRegistry logs in to the account's ECR; it returns nil if nothing is built.
func newRegistry(ctx *pulumi.Context, args *Args, opts ...pulumi.InvokeOption) (docker.RegistryPtrInput, error) {
	if !args.Builds() {
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

// lifecyclePolicy lets nothing expire by age, nor because its tag went to another image: a service may run either for
// years. It counts each push as up to three images (an index, the image, its attestation), so that the image that runs
// survives 32 pushes after it, and so does the one that ECS would roll back to, which ran before.
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html
const lifecyclePolicy = `{"rules":[{"rulePriority":1,"description":"the latest 100 images stay",` +
	`"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":100},"action":{"type":"expire"}}]}`

// newImage makes the service's repository and, unless the service names an image, builds and pushes one. The repository
// is there in any case: a named image may well be an earlier one of it.
func newImage(ctx *pulumi.Context, d *deployment, in *shared, opts ...pulumi.ResourceOption) (*image, error) {
	encryption := ecr.RepositoryEncryptionConfigurationArgs{EncryptionType: pulumi.String(ecrOwnKey)}
	if in.KmsKeyArn != nil {
		encryption = ecr.RepositoryEncryptionConfigurationArgs{EncryptionType: pulumi.String(ecrKMS), KmsKey: in.KmsKeyArn}
	}
	repository, err := ecr.NewRepository(ctx, d.logical, &ecr.RepositoryArgs{
		// Tasks run by digest, so a tag that moves changes nothing that runs. An immutable one would refuse to push
		// content that was there before.
		ImageTagMutability:         pulumi.String("MUTABLE"),
		ImageScanningConfiguration: ecr.RepositoryImageScanningConfigurationArgs{ScanOnPush: pulumi.Bool(true)},
		EncryptionConfigurations:   ecr.RepositoryEncryptionConfigurationArray{encryption},
		ForceDelete:                pulumi.Bool(!in.DeletionProtection),
		// Another encryption would replace the repository, and its images would be lost.
	}, append(opts, pulumi.Protect(in.DeletionProtection), pulumi.IgnoreChanges([]string{"encryptionConfigurations"}))...)
	if err != nil {
		return nil, fmt.Errorf("creating repository: %w", err)
	}
	if _, err := ecr.NewLifecyclePolicy(ctx, d.logical, &ecr.LifecyclePolicyArgs{Repository: repository.Name, Policy: pulumi.String(lifecyclePolicy)}, opts...); err != nil {
		return nil, fmt.Errorf("creating lifecycle policy: %w", err)
	}
	made := &image{repository: repository.Arn}
	// What follows from it ends up in the task definition, so that a repository with another encryption stops the service.
	url := pulumi.All(repository.RepositoryUrl, repository.EncryptionConfigurations).ApplyT(func(v []any) (string, error) {
		return v[0].(string), checkEncryption(ctx.Project(), d.Name, v[1].([]ecr.RepositoryEncryptionConfiguration), in.KmsKeyArn != nil)
	}).(pulumi.StringOutput)
	if d.Image != "" {
		name, digest, _ := parseImage(d.Image)
		made.reference = url.ApplyT(func(string) string { return name + "@" + digest }).(pulumi.StringOutput)
		made.digest = pulumi.String(digest).ToStringOutput()
		return made, nil
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
	// Deleting an image does nothing, but asks the Docker engine first. Without one, it would stop the destruction of a
	// stack halfway.
	built, err := docker.NewImage(ctx, d.logical, &docker.ImageArgs{
		// A tag that did not follow the content could leave an old digest in the state.
		ImageName: pulumi.Sprintf("%s:%s", url, files.Hash(platform)[:20]),
		Build: docker.DockerBuildArgs{
			Args:       pulumi.StringMap{"SERVICE": pulumi.String(d.Name)},
			Context:    pulumi.String(staged),
			Dockerfile: pulumi.String(staged + "/Dockerfile"),
			Platform:   pulumi.String(platform),
		},
		Registry: in.registry,
	}, append(opts, pulumi.RetainOnDelete(true))...)
	if err != nil {
		return nil, fmt.Errorf("building image: %w", err)
	}
	made.digest = built.RepoDigest.ApplyT(func(reference string) (string, error) { return pushedDigest(d.Name, reference) }).(pulumi.StringOutput)
	// Not RepoDigest itself: an engine that pushed the same image for two stacks knows both names, and reports either.
	made.reference = pulumi.Sprintf("%s@%s", url, made.digest)
	return made, nil
}

// Kinds of encryption of a repository: with ECR's own keys, or with a KMS key.
// Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_EncryptionConfiguration.html
const (
	ecrOwnKey = "AES256"
	ecrKMS    = "KMS"
)

// checkEncryption refuses a repository that is not encrypted as the settings say: ECR lets nobody change that later.
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html
func checkEncryption(project, service string, is []ecr.RepositoryEncryptionConfiguration, customerManaged bool) error {
	encrypted := slices.ContainsFunc(is, func(c ecr.RepositoryEncryptionConfiguration) bool { return aws.ToString(c.EncryptionType) == ecrKMS })
	if encrypted == customerManaged {
		return nil
	}
	var p setting.Problems
	p.Add(project+":customerManagedKey", customerManaged, "%v in this stack, as the image repository of service %s was made so, and ECR cannot change the encryption of a repository; "+
		"for %v take another stack", encrypted, service, customerManaged)
	return p.Err()
}

var wholeDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// pushedDigest is the digest in what the Docker plugin reports of a pushed image.
func pushedDigest(service, reported string) (string, error) {
	_, digest, _ := strings.Cut(reported, "@")
	if !wholeDigest.MatchString(digest) {
		return "", fmt.Errorf("service %[1]s: the Docker engine pushed the image, but reports %[2]q in place of its digest. The engine is probably Podman, "+
			"or one that has lost the digest since: use Docker 27.5 or newer, or remove the image from the engine, and run the update again. "+
			"Setting services.%[1]s.image, to run an image that exists already, needs no engine", service, reported)
	}
	return digest, nil
}

// imageReference matches an image by digest, as Docker writes it, with its name and its digest. A tag before the digest
// says nothing. ECS takes one or the other.
// Sources: https://github.com/distribution/reference/blob/main/reference.go,
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
var imageReference = regexp.MustCompile(`^((?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d+)?/)?[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*)(?::\w[\w.-]{0,127})?@(sha256:[0-9a-f]{64})$`)

// ecrRepository is one in a private registry of ECR.
type ecrRepository struct {
	account, region, name string
	hasEndpoint           bool // at an address that an interface endpoint serves: not a FIPS one, not one with IPv6
}

// Addresses of private registries.
// Sources: https://docs.aws.amazon.com/general/latest/gr/ecr.html,
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-requests.html
var (
	registryHost  = regexp.MustCompile(`^(\d{12})\.(dkr\.ecr|dkr-ecr)(-fips)?\.([a-z0-9-]+)\.([a-z0-9.-]+)$`)
	likeARegistry = regexp.MustCompile(`(^|\.)dkr[.-]ecr|\.amazonaws\.`) // not public.ecr.aws, which asks for no credentials
)

// findRepository returns the ECR repository that an image is in, nil if it is not in a private registry of ECR. For an
// address that only looks like one, the error says what is allowed.
func findRepository(image string) (*ecrRepository, error) {
	name, _, _ := parseImage(image)
	host, path, _ := strings.Cut(name, "/")
	m := registryHost.FindStringSubmatch(host)
	if m == nil || path == "" {
		if likeARegistry.MatchString(host) {
			return nil, errors.New("ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY@sha256:DIGEST, where the image is in ECR")
		}
		return nil, nil
	}
	partition := policy.PartitionOf(m[4])
	suffix := map[string]string{"dkr.ecr": partition.Suffix, "dkr-ecr": "on." + partition.DualStack}[m[2]]
	if m[5] != suffix {
		return nil, fmt.Errorf("an address that ends in .%s, as those of ECR in region %s do", suffix, m[4])
	}
	return &ecrRepository{account: m[1], region: m[4], name: path, hasEndpoint: m[2] == "dkr.ecr" && m[3] == ""}, nil
}

func (r *ecrRepository) arn() string {
	return policy.PartitionOf(r.region).ARN("ecr", r.region, r.account, "repository/"+r.name)
}

// parseImage splits an image into its name, without a tag, and its digest.
func parseImage(image string) (name, digest string, ok bool) {
	m := imageReference.FindStringSubmatch(image)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}
