// Package stack reads the configuration and puts the stack together: the producer, then the consumer that is given the
// producer's VPC link.
package stack

import (
	"fmt"
	"maps"
	"os"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"private-api/consumer"
	"private-api/producer"
)

// Program is the stack, with what tests and the local run replace.
type Program struct {
	Services []producer.Service // default: Services()
	Root     string             // folder that holds apps/; default: the folder of Pulumi.yaml, else the working directory

	DockerEngine func(host string) error // looks for the engine that builds images; nil: images need none
}

// Deploy is the program as `pulumi up` runs it.
func Deploy(ctx *pulumi.Context) error {
	return Program{DockerEngine: producer.DockerEngine}.Deploy(ctx)
}

// Names of the components, which begin the names of all their resources.
const (
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
	if err := c.read(ctx).Err(); err != nil {
		return fmt.Errorf("the configuration of stack %s was refused, and nothing was changed:\n%w", ctx.Stack(), err)
	}
	// The engine's own errors, one for each image, would come between those of resources that they interrupt.
	if program.DockerEngine != nil && c.producer.Builds() {
		if err := program.DockerEngine(config.Get(ctx, "docker:host")); err != nil {
			return fmt.Errorf("the images cannot be built, and nothing was changed: %w", err)
		}
	}

	provider, err := aws.NewProvider(ctx, "aws", &aws.ProviderArgs{
		Region:            pulumi.String(c.producer.Region),
		Profile:           optional(c.producer.Profile),
		AllowedAccountIds: pulumi.ToStringArray(c.allowedAccountIDs),
		DefaultTags:       aws.ProviderDefaultTagsArgs{Tags: pulumi.ToStringMap(c.defaultTags(ctx))},
		// Skipped by default; a misspelt region would then be asked for minutes, without a word.
		SkipRegionValidation: pulumi.Bool(false),
	})
	if err != nil {
		return fmt.Errorf("creating AWS provider: %w", err)
	}
	zones, err := c.zones(ctx, provider)
	if err != nil {
		return err
	}
	c.producer.AvailabilityZones = zones
	private, err := producer.New(ctx, producerName, c.producer, pulumi.Providers(provider))
	if err != nil {
		return err
	}
	c.consumer.Bastion.AvailabilityZones = zones[:2]
	c.consumer.VpcLinkID, c.consumer.ListenerArn = private.VpcLinkID, private.ListenerArn
	public, err := consumer.New(ctx, consumerName, c.consumer, pulumi.Providers(provider))
	if err != nil {
		return err
	}

	ctx.Export("apiEndpoint", public.APIEndpoint)
	ctx.Export("serviceUrls", public.ServiceURLs)
	ctx.Export("clusterName", private.ClusterName)
	ctx.Export("serviceNames", private.ServiceNames)
	// Also the check that these images run: an error in it fails the update only while the value is exported.
	ctx.Export("imageDigests", private.ImageDigests)
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

// zones returns the zones of the configuration, or the first ones that have VPC links.
func (c *configuration) zones(ctx *pulumi.Context, provider *aws.Provider) ([]string, error) {
	if len(c.availabilityZones) > 0 {
		return c.availabilityZones, nil
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
	names, known, err := producer.ChooseZones(c.producer.Region, available, c.availabilityZoneCount)
	if err != nil {
		return nil, err
	}
	if !known {
		warning := fmt.Sprintf("AWS's list of zones with VPC links does not have region %s: using %s; if the VPC link fails, set availabilityZones", c.producer.Region, strings.Join(names, ", "))
		return names, ctx.Log.Warn(warning, nil)
	}
	return names, nil
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

func optional(text string) pulumi.StringPtrInput {
	if text == "" {
		return nil
	}
	return pulumi.String(text)
}
