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
	"private-api/operations"
	"private-api/producer"
)

// configuration is the whole configuration of a stack: its own settings, and those of the components.
type configuration struct {
	availabilityZones     []string
	availabilityZoneCount int
	allowedAccountIDs     []string
	skipRegionValidation  bool
	production            bool
	allowUnauthenticated  bool
	customerManagedKey    bool
	tags                  map[string]string
	domain                domain
	listener              producer.Listener

	changed    []setting.Declaration // what differs from its default
	bastionSet bool                  // by somebody, to whatever value

	producer   *producer.Args
	consumer   *consumer.Args
	operations *operations.Args
}

func newConfiguration(services []producer.Service, root string) *configuration {
	c := &configuration{producer: &producer.Args{Services: slices.Clone(services), Root: root}, consumer: &consumer.Args{}, operations: &operations.Args{}}
	for _, s := range services {
		c.consumer.Services = append(c.consumer.Services, consumer.Service{Name: s.Name, Path: s.Path})
	}
	return c
}

// Declare declares the settings of the stack, and has the components declare theirs.
func (c *configuration) Declare(s *setting.Set) {
	c.producer.Declare(s)
	c.consumer.Declare(s)
	c.operations.Declare(s)
	c.listener.Declare(s)
	setting.Var(s, &c.availabilityZones, "availabilityZones", nil, "Names of two zones or more; empty takes the first ones that have VPC links", setting.Fixed)
	setting.Var(s, &c.availabilityZoneCount, "availabilityZoneCount", 2, "How many zones to take if availabilityZones is empty", setting.Fixed,
		setting.Between(2, 6, "zones"))
	setting.Var(s, &c.allowedAccountIDs, "aws:allowedAccountIds", nil, "AWS accounts that the stack may be in; empty allows all", setting.Nothing,
		setting.Each(setting.Must("different account ids of 12 digits, in quotes where one begins with 0", accountID.MatchString)))
	setting.Var(s, &c.skipRegionValidation, "aws:skipRegionValidation", false, "Take a region that the AWS provider does not know", setting.Nothing)
	setting.Var(s, &c.production, "production", false, "Mark the stack as production, which refuses authorization none", setting.Nothing)
	setting.Var(s, &c.allowUnauthenticated, "allowUnauthenticated", false, "Let a production stack offer its API to everyone", setting.Nothing)
	setting.Var(s, &c.customerManagedKey, "customerManagedKey", false,
		"Encrypt log groups and image repositories with a KMS key of the stack's own, which costs $1 a month, instead of AWS's", setting.Fixed)
	c.domain.declare(s)
	setting.Var(s, &c.tags, "tags", nil, "Tags for every resource, besides Project and Stack", "in place, everywhere")
}

// accountID is the form of the id of an AWS account.
// Source: https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-identifiers.html
var accountID = regexp.MustCompile(`^\d{12}$`)

// read fills the configuration and returns everything that is wrong with it. Keys are those that are configured, with
// their namespace. Of a setting that holds a secret Go learns only that it does, not where: it is refused unread, so
// that no message can print its value.
func (c *configuration) read(ctx *pulumi.Context, keys []string) setting.Problems {
	var secret []string
	lookup := func(key string) (any, bool) {
		namespace, name, found := strings.Cut(key, ":")
		if !found {
			namespace, name = ctx.Project(), key
		}
		if ctx.IsConfigSecret(namespace + ":" + name) {
			secret = append(secret, key)
			return nil, false
		}
		value, err := config.New(ctx, namespace).Try(name)
		return setting.Raw(value), err == nil
	}
	defaults := newConfiguration(c.producer.Services, c.producer.Root)
	setting.Defaults(defaults)
	problems := setting.Read(c, lookup)
	c.changed = setting.Changed(defaults, c)
	_, c.bastionSet = lookup("bastion")
	c.adapt()
	c.adaptOperations()
	problems = append(problems, c.validate()...)
	problems = slices.DeleteFunc(problems, func(p *setting.Problem) bool { return slices.Contains(secret, topLevel(p.Key)) })
	for _, key := range slices.Compact(slices.Sorted(slices.Values(secret))) {
		problems.Say(key, "holds a secret, which would be in the state in plain text; keep it in Secrets Manager or Parameter Store, and name its ARN in services.<name>.secrets, with pulumi config set --plaintext")
	}
	return append(problems, unknownKeys(ctx.Project(), keys)...)
}

// withoutDefault are the settings whose default follows from others. Pulumi.yaml does not have them: the CLI hands over its
// defaults as if somebody had set them.
var withoutDefault = []string{"bastion"}

// topLevel is the key that the configuration has for a setting or a part of one: services for services.book.cpu.
func topLevel(key string) string {
	if end := strings.IndexAny(key, ".["); end >= 0 {
		return key[:end]
	}
	return key
}

// configuredKeys are those that the language host of `pulumi up` hands over in the environment. The Go SDK lists none.
func configuredKeys() []string {
	var all map[string]string
	if json.Unmarshal([]byte(os.Getenv(pulumi.EnvConfig)), &all) != nil {
		return nil
	}
	return slices.Collect(maps.Keys(all))
}

// unknownKeys finds what is set and never read, in the namespaces of this project and of AWS.
func unknownKeys(project string, keys []string) (p setting.Problems) {
	var own, aws []string
	for _, d := range declarations() {
		if strings.HasPrefix(d.Key, "aws:") {
			aws = append(aws, d.Key)
		} else {
			own = append(own, d.Key)
		}
	}
	for _, key := range keys {
		namespace, name, found := strings.Cut(key, ":")
		if !found {
			namespace, name = project, key
		}
		known, from := own, ""
		switch namespace {
		case project:
		case "aws":
			name, known, from = key, aws, "; the program makes its own provider, from "+strings.Join(aws, ", ")
		default:
			continue
		}
		switch top := topLevel(name); {
		case slices.Contains(known, name):
		case slices.Contains(known, top):
			p.Say(name, "no such setting; for a part of %s use pulumi config set --path, or -config '%s=JSON' of a local run", top, top)
		default:
			p.Unknown(name, known)
			p[len(p)-1].Text += from
		}
	}
	return p
}

// refused is the error of a configuration, nil without a problem. Its keys have their namespace, as the CLI wants it.
func refused(ctx *pulumi.Context, problems setting.Problems) error {
	for _, p := range problems {
		if !strings.HasPrefix(p.Key, "aws:") {
			p.Key = ctx.Project() + ":" + p.Key
		}
	}
	if err := problems.Err(); err != nil {
		return fmt.Errorf("the configuration of stack %s was refused, and nothing was changed:\n%w", ctx.Stack(), err)
	}
	return nil
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
	problems := append(c.listener.Validate(c.producer.Region), c.consumer.Validate()...)
	if c.adopts() {
		problems = append(problems, c.validateAdopted()...)
	} else {
		problems = append(problems, c.producer.Validate(producerName, c.zoneCount())...)
	}
	if c.listener.Arn != "" && !c.adopts() && !c.inNetwork() {
		problems.Add("network", nil, "the VPC of the load balancer and private subnets of it, as services go behind that load balancer; or listener.paths, if they are there already")
	}
	if c.inNetwork() {
		problems = append(problems, c.validateNetwork()...)
	} else if own, err := netip.ParsePrefix(c.producer.VpcCidr); err == nil && !c.adopts() {
		problems = append(problems, c.overlaps("producerVpcCidr", own)...)
	}
	if zones := slices.Compact(slices.Sorted(slices.Values(c.availabilityZones))); len(zones) != len(c.availabilityZones) || len(zones) == 1 {
		problems.Add("availabilityZones", c.availabilityZones, "two or more different zones, or none to take those that have VPC links")
	}
	if c.production && c.consumer.Authorization == consumer.AuthorizationNone && !c.allowUnauthenticated {
		problems.Add("authorization", c.consumer.Authorization, "iam or jwt while production is true; set allowUnauthenticated to offer the API to everyone")
	}
	return slices.Concat(problems, c.domain.validate(), c.validateOperations(), c.validateTags())
}

// maxTags leaves room for the program's own of the 50 that AWS allows:
// https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
const maxTags = 40

// The characters, counted as such, that all services allow in tags. ECS reserves aws: at the beginning of values too:
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Tag.html
var (
	tagKey   = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$`)
	tagValue = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$`)
)

func (c *configuration) validateTags() (problems setting.Problems) {
	if len(c.tags) > maxTags {
		problems.Add("tags", len(c.tags), "%d tags at most", maxTags)
	}
	// In lower case: IAM takes keys that differ only in case for one and the same.
	seen := map[string]bool{"project": true, "stack": true, "name": true}
	for _, key := range slices.Sorted(maps.Keys(c.tags)) {
		lower := strings.ToLower(key)
		if !tagKey.MatchString(key) || strings.HasPrefix(lower, "aws:") || seen[lower] {
			problems.Add("tags", key, "1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws:, each once, and not Name, Project or Stack, which the program sets")
		}
		seen[lower] = true
		if value := c.tags[key]; !tagValue.MatchString(value) || strings.HasPrefix(strings.ToLower(value), "aws:") {
			problems.Add("tags."+key, value, "up to 256 letters, digits, spaces and _.:/=+-@, not beginning with aws:")
		}
	}
	return problems
}
