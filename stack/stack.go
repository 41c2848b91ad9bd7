// Package stack reads the configuration and puts the stack together: the producer, then the consumer that is given the
// producer's VPC link.
package stack

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"private-api/consumer"
	"private-api/internal/setting"
	"private-api/producer"
)

// Program is the stack, with what tests and the local run replace.
type Program struct {
	Services []producer.Service // default: Services()
	Root     string             // folder that holds apps/; default: the folder of Pulumi.yaml, else the working directory
	// Keys of the configuration, to refuse unknown ones; without a namespace, the project's. Default: those that `pulumi up`
	// hands over. An inline program is not told of any, so who runs one sets them.
	Keys []string
	// Endpoint is the URL at which the program itself asks AWS; default: the AWS SDK's. Its provider has the environment's.
	Endpoint     string
	DockerEngine func(host string) error // looks for the engine that builds images; nil: images need none
}

// Deploy is the program as `pulumi up` runs it.
func Deploy(ctx *pulumi.Context) error {
	return Program{DockerEngine: producer.DockerEngine}.Deploy(ctx)
}

// Names of the components, which begin the names of all their resources.
const (
	domainName   = "domain"
	producerName = "producer"
	consumerName = "consumer"
)

// Deploy makes everything. It checks all settings together before the first resource; the error then names each refused
// one.
func (program Program) Deploy(ctx *pulumi.Context) error {
	root, err := program.root(ctx)
	if err != nil {
		return err
	}
	services := program.Services
	if services == nil {
		services = Services()
	}
	c := newConfiguration(services, root)
	c.producer.Endpoint = program.Endpoint
	for what, name := range map[string]string{"project": ctx.Project(), "stack": ctx.Stack()} {
		if tokens.ValidateProjectName(name) != nil { // Pulumi has the same rule for both, and a variable that turns it off
			return fmt.Errorf("name of the %s: %q is not allowed: 1 to 100 letters, digits, hyphens, underscores and dots, as names and tags on AWS are made from it", what, name)
		}
	}
	keys := program.Keys
	if keys == nil {
		keys = configuredKeys()
	}
	if err := refused(ctx, c.read(ctx, keys)); err != nil {
		return err
	}
	// The engine's own errors, one for each image, would come between those of resources that they interrupt.
	if program.DockerEngine != nil && !c.adopts() && c.producer.Builds() {
		if err := program.DockerEngine(config.Get(ctx, "docker:host")); err != nil {
			return fmt.Errorf("the images cannot be built, and nothing was changed: %w", err)
		}
	}

	provider, err := aws.NewProvider(ctx, "aws", &aws.ProviderArgs{
		Region:            pulumi.String(c.producer.Region),
		Profile:           optional(c.producer.Profile),
		AssumeRole:        assumeRole(&c.producer.AssumeRole),
		AllowedAccountIds: pulumi.ToStringArray(c.allowedAccountIDs),
		DefaultTags:       aws.ProviderDefaultTagsArgs{Tags: pulumi.ToStringMap(c.defaultTags(ctx))},
		// Skipped by default; a misspelt region would then be asked for minutes, without a word.
		SkipRegionValidation: pulumi.Bool(c.skipRegionValidation),
	})
	if err != nil {
		return fmt.Errorf("creating AWS provider: %w", err)
	}
	if err := c.warn(ctx); err != nil {
		return err
	}
	problems, err := c.zones(ctx, provider)
	if err != nil {
		return err
	}
	more, err := c.domain.lookUp(ctx, provider)
	if err != nil {
		return err
	}
	problems = append(problems, more...)
	balancer, more, err := c.findBalancer(ctx, provider)
	if err != nil {
		return err
	}
	inNetwork, err := c.findNetwork(ctx, provider)
	if err != nil {
		return err
	}
	if err := refused(ctx, slices.Concat(problems, more, inNetwork)); err != nil {
		return err
	}
	if c.customerManagedKey {
		if c.producer.KmsKeyArn, err = c.newKey(ctx, provider); err != nil {
			return err
		}
		c.consumer.KmsKeyArn = c.producer.KmsKeyArn
	}
	if err := c.newDomain(ctx, domainName, pulumi.Providers(provider)); err != nil {
		return err
	}
	var private *producer.Producer
	if c.adopts() {
		private, err = producer.Adopt(ctx, producerName, balancer, pulumi.Providers(provider))
	} else {
		private, err = producer.New(ctx, producerName, c.producer, pulumi.Providers(provider))
	}
	if err != nil {
		return err
	}
	c.consumer.VpcLinkID, c.consumer.ListenerArn, c.consumer.ServerName = private.VpcLinkID, private.ListenerArn, private.ServerName
	public, err := consumer.New(ctx, consumerName, c.consumer, pulumi.Providers(provider))
	if err != nil {
		return err
	}

	ctx.Export("apiEndpoint", public.APIEndpoint)
	ctx.Export("serviceUrls", public.ServiceURLs)
	estimate, err := c.estimate()
	if err != nil {
		return err
	}
	ctx.Export("estimatedMonthlyCost", estimate.Output())
	if !c.adopts() {
		ctx.Export("clusterName", private.ClusterName)
		ctx.Export("serviceNames", private.ServiceNames)
		// Also the check that these images run: an error in it fails the update only while the value is exported.
		ctx.Export("imageDigests", private.ImageDigests)
	}
	if balancer != nil {
		ctx.Export("linkSecurityGroupId", private.LinkGroupID)
	}
	if c.consumer.Bastion.Enabled {
		ctx.Export("bastionId", public.BastionID)
		ctx.Export("bastionConnect", public.BastionConnect)
		if c.consumer.Bastion.SSH.KeyName != "" {
			ctx.Export("bastionPublicIp", public.BastionPublicIP)
		}
	}
	return nil
}

func (program Program) root(ctx *pulumi.Context) (string, error) {
	if program.Root != "" {
		return program.Root, nil
	}
	if root := ctx.RootDirectory(); root != "" {
		return root, nil
	}
	return os.Getwd()
}

// warn says what the configuration allows and AWS may not.
func (c *configuration) warn(ctx *pulumi.Context) error {
	var warnings []string
	if c.skipRegionValidation {
		warnings = append(warnings, fmt.Sprintf("aws:skipRegionValidation is set, so nothing checks region %s; if it does not exist, the update waits for minutes and fails", c.producer.Region))
	}
	for _, cidr := range []string{c.producer.VpcCidr, c.consumer.Bastion.VpcCidr} {
		if strings.HasPrefix(cidr, "172.17.") {
			warnings = append(warnings, fmt.Sprintf("range %s: some services of AWS use 172.17.0.0/16 themselves, as Docker does, and may not reach this VPC (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html)", cidr))
		}
	}
	for _, warning := range warnings {
		if err := ctx.Log.Warn(warning, nil); err != nil {
			return err
		}
	}
	return nil
}

// zones chooses the zones of the VPCs that the stack makes: those of the configuration, or the first ones, which all have
// VPC links. It returns what is wrong with them.
func (c *configuration) zones(ctx *pulumi.Context, provider *aws.Provider) (setting.Problems, error) {
	if (c.adopts() || c.inNetwork()) && !c.consumer.Bastion.Enabled {
		return nil, nil
	}
	found, err := aws.GetAvailabilityZones(ctx, &aws.GetAvailabilityZonesArgs{
		State: pulumi.StringRef("available"),
		// Without Local Zones and Wavelength Zones, which an account opts in to.
		Filters: []aws.GetAvailabilityZonesFilter{{Name: "opt-in-status", Values: []string{"opt-in-not-required"}}},
	}, pulumi.Provider(provider))
	if err != nil {
		return nil, fmt.Errorf("reading the availability zones of %s: %w", c.producer.Region, err)
	}
	var available []producer.Zone
	for i, name := range found.Names {
		available = append(available, producer.Zone{Name: name, ID: found.ZoneIds[i]})
	}
	names, known, problems := producer.ChooseZones(c.producer.Region, available, c.availabilityZones, c.availabilityZoneCount)
	if len(problems) > 0 {
		return problems, nil
	}
	c.producer.AvailabilityZones, c.consumer.Bastion.AvailabilityZones = names, names[:2]
	if !known && len(c.availabilityZones) == 0 {
		warning := fmt.Sprintf("AWS's list of zones with VPC links does not have region %s: using %s; if the VPC link fails, set availabilityZones", c.producer.Region, strings.Join(names, ", "))
		return nil, ctx.Log.Warn(warning, nil)
	}
	return nil, nil
}

// defaultTags are on everything that the provider makes.
func (c *configuration) defaultTags(ctx *pulumi.Context) map[string]string {
	tags := maps.Clone(c.tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags["Project"], tags["Stack"] = ctx.Project(), ctx.Stack()
	return tags
}

func assumeRole(r *producer.AssumeRole) aws.ProviderAssumeRolePtrInput {
	if r.RoleArn == "" {
		return nil
	}
	return aws.ProviderAssumeRoleArgs{
		RoleArn: pulumi.String(r.RoleArn), SessionName: optional(r.SessionName), ExternalId: optional(r.ExternalID),
		Duration: optional(r.Duration), SourceIdentity: optional(r.SourceIdentity),
	}
}

func optional(text string) pulumi.StringPtrInput {
	if text == "" {
		return nil
	}
	return pulumi.String(text)
}
