package producer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// buildContext is the folder that all images are built from, in the project's root.
const buildContext = "apps"

// dockerfile is where a service's image is described. With a relative path the
// state does not depend on the machine.
func dockerfile(service string) string { return path.Join(buildContext, service, "Dockerfile") }

// image is what a service runs.
type image struct {
	reference    pulumi.StringOutput      // repository@sha256:...
	digest       pulumi.StringOutput      // sha256:...
	repositories pulumi.StringArrayOutput // ARNs of what tasks pull from
}

// registry is the login to the account's ECR; nil where nothing is built.
type registry struct{ docker.RegistryArgs }

func newRegistry(ctx *pulumi.Context, args *Args, opts ...pulumi.InvokeOption) (*registry, error) {
	for _, s := range args.Services {
		if s.Image == "" {
			token, err := ecr.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenArgs{}, opts...)
			if err != nil {
				return nil, fmt.Errorf("logging in to ECR: %w", err)
			}
			return &registry{docker.RegistryArgs{
				Server:   pulumi.String(token.ProxyEndpoint),
				Username: pulumi.String(token.UserName),
				Password: pulumi.ToSecret(pulumi.String(token.Password)).(pulumi.StringOutput),
			}}, nil
		}
	}
	return nil, nil
}

// keptImages is how many images a repository keeps: enough to go back to.
const keptImages = 30

// newImage makes the service's repository and, unless the service names an
// image, builds and pushes one. The repository is there in any case: a named
// image may well be an earlier one of it.
func newImage(ctx *pulumi.Context, d *deployment, in *shared, opts ...pulumi.ResourceOption) (*image, error) {
	repository, err := ecr.NewRepository(ctx, d.logical, &ecr.RepositoryArgs{
		// Tasks run by digest, so a tag that moves changes nothing that runs. An
		// immutable one would refuse to push content that was there before.
		ImageTagMutability:         pulumi.String("MUTABLE"),
		ImageScanningConfiguration: ecr.RepositoryImageScanningConfigurationArgs{ScanOnPush: pulumi.Bool(true)},
		EncryptionConfigurations:   ecr.RepositoryEncryptionConfigurationArray{ecr.RepositoryEncryptionConfigurationArgs{EncryptionType: pulumi.String("AES256")}},
		ForceDelete:                pulumi.Bool(!in.DeletionProtection),
	}, append(opts, pulumi.Protect(in.DeletionProtection))...)
	if err != nil {
		return nil, fmt.Errorf("creating repository: %w", err)
	}
	lifecycle, err := lifecyclePolicy()
	if err != nil {
		return nil, err
	}
	if _, err := ecr.NewLifecyclePolicy(ctx, d.logical, &ecr.LifecyclePolicyArgs{Repository: repository.Name, Policy: pulumi.String(lifecycle)}, opts...); err != nil {
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
	tag, err := contentTag(in.Root, d.Name, platform)
	if err != nil {
		return nil, err
	}
	built, err := docker.NewImage(ctx, d.logical, &docker.ImageArgs{
		// A tag that did not follow the content could leave an old digest in the state.
		ImageName: pulumi.Sprintf("%s:%s", repository.RepositoryUrl, tag),
		Build: docker.DockerBuildArgs{
			Context:    pulumi.String(buildContext),
			Dockerfile: pulumi.String(dockerfile(d.Name)),
			Platform:   pulumi.String(platform),
		},
		Registry: in.registry.RegistryArgs,
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("building image: %w", err)
	}
	digest := built.RepoDigest.ApplyT(func(reference string) string {
		_, digest, _ := strings.Cut(reference, "@")
		return digest
	}).(pulumi.StringOutput)
	return &image{
		// Not RepoDigest itself: an engine that pushed the same image to the
		// repositories of two stacks knows it by both names, and reports either.
		reference:    pulumi.Sprintf("%s@%s", repository.RepositoryUrl, digest),
		digest:       digest,
		repositories: repositories.ToStringArrayOutput(),
	}, nil
}

// lifecyclePolicy keeps the latest images and drops what lost its tag.
// Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html
func lifecyclePolicy() (string, error) {
	type selection struct {
		TagStatus   string `json:"tagStatus"`
		CountType   string `json:"countType"`
		CountUnit   string `json:"countUnit,omitempty"`
		CountNumber int    `json:"countNumber"`
	}
	type rule struct {
		RulePriority int               `json:"rulePriority"`
		Description  string            `json:"description"`
		Selection    selection         `json:"selection"`
		Action       map[string]string `json:"action"`
	}
	expire := map[string]string{"type": "expire"}
	b, err := json.Marshal(map[string][]rule{"rules": {
		{1, "untagged images go after 14 days", selection{"untagged", "sinceImagePushed", "days", 14}, expire},
		{2, fmt.Sprintf("the latest %d images stay", keptImages), selection{"any", "imageCountMoreThan", "", keptImages}, expire},
	}})
	return string(b), err
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

// contentTag names an image after all that goes into it: the Dockerfile, the
// platform, and the files that the service's ignore file lets into the context.
func contentTag(root, service, platform string) (string, error) {
	file := filepath.Join(root, filepath.FromSlash(dockerfile(service)))
	ignore, err := readIgnore(file + ".dockerignore")
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintln(h, platform)
	if err := hashFile(h, "Dockerfile", file); err != nil {
		return "", err
	}
	dir := filepath.Join(root, buildContext)
	err = filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if skip, err := ignore.MatchesOrParentMatches(rel); err != nil || skip {
			return err
		}
		return hashFile(h, rel, name)
	})
	if err != nil {
		return "", fmt.Errorf("reading build context: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil))[:20], nil
}

func readIgnore(name string) (*patternmatcher.PatternMatcher, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading ignore file: %w", err)
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("reading ignore file %s: %w", name, err)
	}
	return patternmatcher.New(patterns)
}

func hashFile(h io.Writer, as, name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	fmt.Fprintf(h, "%s %d\n", as, len(b))
	_, err = h.Write(b)
	return err
}
