// Package stack reads the configuration and puts the stack together: the
// producer, then the consumer that is given the producer's VPC link.
package stack

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/consumer"
	"private-api/internal/setting"
	"private-api/producer"
)

// Program is the stack, with what tests and the local run replace.
type Program struct {
	Services []producer.Service // default: Services()
	Root     string             // folder that holds apps/; default: the project's, where the CLI says it, else the working directory
}

// Deploy is the program as `pulumi up` runs it.
func Deploy(ctx *pulumi.Context) error { return Program{}.Deploy(ctx) }

// Deploy makes everything. All settings are validated together before the first
// resource; the error then names each refused one.
func (program Program) Deploy(ctx *pulumi.Context) error {
	root, err := program.root(ctx)
	if err != nil {
		return err
	}
	services := program.Services
	if services == nil {
		services = Services()
	}
	c, problems := load(ctx)
	services = c.override(services, &problems)
	p := c.producerArgs(services, root)
	q := c.consumerArgs(services, p.AvailabilityZones)
	problems = append(problems, c.validate(p, q)...)
	if err := problems.Err(); err != nil {
		return fmt.Errorf("the configuration of stack %s was refused, and nothing was changed:\n%w", ctx.Stack(), err)
	}

	provider, err := aws.NewProvider(ctx, "aws", &aws.ProviderArgs{
		Region:            pulumi.String(c.region),
		Profile:           optional(c.profile),
		AllowedAccountIds: pulumi.ToStringArray(c.allowedAccountIDs),
		DefaultTags:       aws.ProviderDefaultTagsArgs{Tags: pulumi.ToStringMap(c.defaultTags(ctx))},
		// Skipped by default; a misspelt region would then be asked for minutes, without a word.
		SkipRegionValidation: pulumi.Bool(false),
	})
	if err != nil {
		return fmt.Errorf("creating AWS provider: %w", err)
	}
	if p.AvailabilityZones, err = c.zones(ctx, provider); err != nil {
		return err
	}
	offer, err := producer.New(ctx, "producer", p, pulumi.Providers(provider))
	if err != nil {
		return err
	}
	q.Bastion.AvailabilityZones = p.AvailabilityZones[:2]
	q.VpcLinkID, q.ListenerArn = offer.VpcLinkID, offer.ListenerArn
	api, err := consumer.New(ctx, "consumer", q, pulumi.Providers(provider))
	if err != nil {
		return err
	}

	ctx.Export("apiEndpoint", api.APIEndpoint)
	ctx.Export("serviceUrls", api.ServiceURLs)
	ctx.Export("clusterName", offer.ClusterName)
	ctx.Export("serviceNames", offer.ServiceNames)
	// Also the check that these images run: an error in it fails the update only
	// while the value is exported.
	ctx.Export("imageDigests", offer.ImageDigests)
	if c.bastion {
		ctx.Export("bastionId", api.BastionID)
		ctx.Export("bastionConnect", api.BastionConnect)
		if c.sshKeyName != "" {
			ctx.Export("bastionPublicIp", api.BastionPublicIP)
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

// zones are those of the configuration, else the first that have VPC links.
func (c *settings) zones(ctx *pulumi.Context, provider *aws.Provider) ([]string, error) {
	if len(c.availabilityZones) > 0 {
		return c.availabilityZones, nil
	}
	found, err := aws.GetAvailabilityZones(ctx, &aws.GetAvailabilityZonesArgs{
		State: pulumi.StringRef("available"),
		// Without Local Zones and Wavelength Zones, which an account opts in to.
		Filters: []aws.GetAvailabilityZonesFilter{{Name: "opt-in-status", Values: []string{"opt-in-not-required"}}},
	}, pulumi.Provider(provider))
	if err != nil {
		return nil, fmt.Errorf("reading the availability zones of %s: %w", c.region, err)
	}
	var available []producer.Zone
	for i, name := range found.Names {
		available = append(available, producer.Zone{Name: name, ID: found.ZoneIds[i]})
	}
	names, known, err := producer.ChooseZones(c.region, available, c.availabilityZoneCount)
	if err != nil {
		return nil, err
	}
	if !known {
		warning := fmt.Sprintf("AWS's list of zones with VPC links does not have region %s: using %s; if the VPC link fails, set availabilityZones", c.region, strings.Join(names, ", "))
		return names, ctx.Log.Warn(warning, nil)
	}
	return names, nil
}

func (c *settings) producerArgs(services []producer.Service, root string) *producer.Args {
	zones := c.availabilityZones
	for i := 0; len(c.availabilityZones) == 0 && i < c.availabilityZoneCount; i++ {
		// AWS is asked for the names once all settings are valid; their number matters before.
		zones = append(zones, fmt.Sprintf("zone %d of availabilityZoneCount", i+1))
	}
	return &producer.Args{
		Region: c.region, Profile: c.profile,
		VpcCidr: c.producerVpcCidr, AvailabilityZones: zones, Egress: c.egress,
		Spot: c.spot, Architecture: c.architecture,
		CPU: c.cpu, Memory: c.memory, DesiredCount: c.desiredCount,
		LogRetentionDays:    c.logRetentionDays,
		HealthCheckInterval: c.healthCheckInterval, HealthCheckTimeout: c.healthCheckTimeout,
		DeregistrationDelay: c.deregistrationDelay, DrainTime: c.drainTime, StopTimeout: c.stopTimeout,
		WaitForSteadyState: c.waitForSteadyState, DeploymentTimeout: c.deploymentTimeout,
		DeletionProtection: c.deletionProtection,
		Root:               root,
		Services:           services,
	}
}

func (c *settings) consumerArgs(services []producer.Service, zones []string) *consumer.Args {
	args := &consumer.Args{
		Region: c.region, Profile: c.profile,
		LogRetentionDays:   c.logRetentionDays,
		IntegrationTimeout: c.integrationTimeout,
		Throttle:           consumer.Throttle{Burst: c.throttleBurst, Rate: c.throttleRate},
		CORS:               consumer.CORS{AllowOrigins: c.corsAllowOrigins, AllowMethods: c.corsAllowMethods, AllowHeaders: c.corsAllowHeaders, MaxAge: c.corsMaxAge},
		Authorization:      consumer.Authorization{Type: c.authorization, Issuer: c.jwtIssuer, Audiences: c.jwtAudiences},
		Bastion: consumer.Bastion{
			Enabled: c.bastion, VpcCidr: c.consumerVpcCidr, AvailabilityZones: zones[:min(2, len(zones))],
			SSHKeyName: c.sshKeyName, SSHCidrs: c.sshCidrs,
		},
	}
	for _, s := range services {
		args.Services = append(args.Services, consumer.Service{Name: s.Name, Path: s.Path})
	}
	return args
}

// override applies what the configuration says of single services.
func (c *settings) override(services []producer.Service, problems *setting.Problems) []producer.Service {
	out := slices.Clone(services)
	var names []string
	for i := range out {
		s := &out[i]
		names = append(names, s.Name)
		o, ok := c.services[s.Name]
		if !ok {
			continue
		}
		if o.Image != "" {
			s.Image = o.Image
		}
		for _, f := range []struct {
			key         string
			into, value *int
		}{{"cpu", &s.CPU, o.CPU}, {"memory", &s.Memory, o.Memory}, {"desiredCount", &s.DesiredCount, o.DesiredCount}} {
			if f.value == nil {
				continue
			}
			if *f.value == 0 { // which a Service takes for "not set"
				problems.Add("services."+s.Name+"."+f.key, 0, "1 or more")
			}
			*f.into = *f.value
		}
		s.Environment = merge(s.Environment, o.Environment)
		s.Secrets = merge(s.Secrets, o.Secrets)
	}
	for _, name := range slices.Sorted(maps.Keys(c.services)) {
		if !slices.Contains(names, name) {
			problems.Add("services", name, "one of %s", strings.Join(names, ", "))
		}
	}
	return out
}

func merge(base, over map[string]string) map[string]string {
	out := maps.Clone(base)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, over)
	return out
}

var (
	regionName = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-\d+$`)
	tagText    = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
)

// validate is everything that is wrong, in one go.
func (c *settings) validate(p *producer.Args, q *consumer.Args) setting.Problems {
	var problems setting.Problems
	if !regionName.MatchString(c.region) {
		problems.Add("aws:region", c.region, "a region such as us-west-2")
	}
	problems.Range("availabilityZoneCount", c.availabilityZoneCount, 2, 6, "zones")
	if c.production && c.authorization == consumer.AuthorizationNone && !c.allowUnauthenticated {
		problems.Add("authorization", c.authorization, "iam or jwt while production is true; set allowUnauthenticated to offer the API to everyone")
	}
	c.validateTags(&problems)

	// The two VPCs have a setting each, which the components both call vpcCidr.
	for side, found := range map[string]setting.Problems{"producer": p.Validate("producer"), "consumer": q.Validate()} {
		for _, problem := range found {
			switch {
			case problem.Key == "vpcCidr":
				problem.Key = side + "VpcCidr"
			case problem.Key == "availabilityZones" && (side == "consumer" || len(c.availabilityZones) == 0):
				continue // the producer, or availabilityZoneCount, says so already
			}
			problems = append(problems, problem)
		}
	}
	left, err1 := netip.ParsePrefix(c.producerVpcCidr)
	right, err2 := netip.ParsePrefix(c.consumerVpcCidr)
	if c.bastion && err1 == nil && err2 == nil && left.Overlaps(right) {
		problems.Add("consumerVpcCidr", c.consumerVpcCidr, "a range that does not overlap producerVpcCidr (%s)", c.producerVpcCidr)
	}
	slices.SortStableFunc(problems, func(a, b *setting.Problem) int { return strings.Compare(a.Key, b.Key) })
	return problems
}

// defaultTags are on everything that the provider makes.
func (c *settings) defaultTags(ctx *pulumi.Context) map[string]string {
	tags := maps.Clone(c.tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags["Project"], tags["Stack"] = ctx.Project(), ctx.Stack()
	return tags
}

// maxTags leaves room for the program's own of the 50 that AWS allows:
// https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
const maxTags = 40

func (c *settings) validateTags(problems *setting.Problems) {
	if len(c.tags) > maxTags {
		problems.Add("tags", len(c.tags), "%d tags at most", maxTags)
	}
	// In lower case: IAM takes keys that differ only in case for one and the same.
	seen := map[string]bool{"project": true, "stack": true, "name": true}
	for _, key := range slices.Sorted(maps.Keys(c.tags)) {
		lower := strings.ToLower(key)
		if key == "" || len(key) > 128 || !tagText.MatchString(key) || strings.HasPrefix(lower, "aws:") || seen[lower] {
			problems.Add("tags", key, "1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws:, each once, and not Name, Project or Stack, which the program sets")
		}
		seen[lower] = true
		if value := c.tags[key]; len(value) > 256 || !tagText.MatchString(value) {
			problems.Add("tags."+key, value, "up to 256 letters, digits, spaces and _.:/=+-@")
		}
	}
}

func optional(text string) pulumi.StringPtrInput {
	if text == "" {
		return nil
	}
	return pulumi.String(text)
}
