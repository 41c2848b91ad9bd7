package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"private-api/consumer"
	"private-api/internal/setting"
	"private-api/producer"
)

// configuration is the whole configuration of a stack: its own settings, and those of the two components.
type configuration struct {
	availabilityZones     []string
	availabilityZoneCount int
	allowedAccountIDs     []string
	production            bool
	allowUnauthenticated  bool
	tags                  map[string]string

	producer *producer.Args
	consumer *consumer.Args
}

func newConfiguration(services []producer.Service, root string) *configuration {
	c := &configuration{producer: &producer.Args{Services: slices.Clone(services), Root: root}, consumer: &consumer.Args{}}
	for _, s := range services {
		c.consumer.Services = append(c.consumer.Services, consumer.Service{Name: s.Name, Path: s.Path})
	}
	return c
}

// Declare declares the settings of the stack, and has the components declare theirs.
func (c *configuration) Declare(s *setting.Set) {
	c.producer.Declare(s)
	c.consumer.Declare(s)
	setting.Var(s, &c.availabilityZones, "availabilityZones", nil, "Names of two zones or more; empty takes the first ones that have VPC links", setting.Fixed)
	setting.Var(s, &c.availabilityZoneCount, "availabilityZoneCount", 2, "How many zones to take if availabilityZones is empty", setting.Fixed,
		setting.Between(2, 6, "zones"))
	setting.Var(s, &c.allowedAccountIDs, "aws:allowedAccountIds", nil, "AWS accounts that the stack may be in; empty allows all", setting.Nothing)
	setting.Var(s, &c.production, "production", false, "Mark the stack as production, which refuses authorization none", setting.Nothing)
	setting.Var(s, &c.allowUnauthenticated, "allowUnauthenticated", false, "Let a production stack offer its API to everyone", setting.Nothing)
	setting.Var(s, &c.tags, "tags", nil, "Tags for every resource, besides Project and Stack", "in place, everywhere")
}

// read fills the configuration and returns everything that is wrong with it.
func (c *configuration) read(ctx *pulumi.Context) setting.Problems {
	problems := setting.Read(c, func(key string) (any, bool) {
		namespace, name, found := strings.Cut(key, ":")
		if !found {
			namespace, name = "", key
		}
		value, err := config.New(ctx, namespace).Try(name)
		return setting.Raw(value), err == nil
	})
	problems = append(problems, c.unknownKeys(ctx.Project())...)
	return append(problems, c.validate()...)
}

// unknownKeys finds what is set and never read. The Go SDK does not list keys; the language host of `pulumi up` hands
// all of them over in the environment.
func (c *configuration) unknownKeys(project string) setting.Problems {
	var all map[string]string
	if json.Unmarshal([]byte(os.Getenv(pulumi.EnvConfig)), &all) != nil {
		return nil
	}
	var own, aws []string
	for _, d := range declarations() {
		if name, ok := strings.CutPrefix(d.Key, "aws:"); ok {
			aws = append(aws, name)
		} else {
			own = append(own, d.Key)
		}
	}
	var p setting.Problems
	for _, key := range slices.Sorted(maps.Keys(all)) {
		namespace, name, _ := strings.Cut(key, ":")
		switch {
		case namespace == project && !slices.Contains(own, name):
			p.Add(name, all[key], "no such setting; there are %s", strings.Join(own, ", "))
		case namespace == "aws" && !slices.Contains(aws, name):
			p.Add(key, all[key], "the program makes its own provider, from aws:%s", strings.Join(aws, ", aws:"))
		}
	}
	return p
}

// declarations are all settings, each once, although the components share some.
func declarations() []setting.Declaration {
	var all []setting.Declaration
	for _, d := range setting.Defaults(newConfiguration([]producer.Service{{Name: "<name>"}}, "")) {
		if !slices.ContainsFunc(all, func(other setting.Declaration) bool { return other.Key == d.Key }) {
			all = append(all, d)
		}
	}
	return all
}

// zoneCount is how many zones the stack will be in.
func (c *configuration) zoneCount() int {
	if n := len(c.availabilityZones); n > 0 {
		return n
	}
	return c.availabilityZoneCount
}

// validate returns what is wrong with the values that were read.
func (c *configuration) validate() setting.Problems {
	problems := append(c.producer.Validate(producerName, c.zoneCount()), c.consumer.Validate()...)
	if zones := slices.Compact(slices.Sorted(slices.Values(c.availabilityZones))); len(zones) != len(c.availabilityZones) || len(zones) == 1 {
		problems.Add("availabilityZones", c.availabilityZones, "two or more different zones, or none to take those that have VPC links")
	}
	if c.production && c.consumer.Authorization == consumer.AuthorizationNone && !c.allowUnauthenticated {
		problems.Add("authorization", c.consumer.Authorization, "iam or jwt while production is true; set allowUnauthenticated to offer the API to everyone")
	}
	left, err1 := netip.ParsePrefix(c.producer.VpcCidr)
	right, err2 := netip.ParsePrefix(c.consumer.Bastion.VpcCidr)
	if c.consumer.Bastion.Enabled && err1 == nil && err2 == nil && left.Overlaps(right) {
		problems.Add("consumerVpcCidr", c.consumer.Bastion.VpcCidr, "a range that does not overlap producerVpcCidr (%s)", c.producer.VpcCidr)
	}
	return append(problems, c.validateTags()...)
}

// maxTags leaves room for the program's own of the 50 that AWS allows:
// https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
const maxTags = 40

var tagText = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

func (c *configuration) validateTags() (problems setting.Problems) {
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
			problems.Add(fmt.Sprintf("tags.%s", key), value, "up to 256 letters, digits, spaces and _.:/=+-@")
		}
	}
	return problems
}
