package stack

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"private-api/internal/setting"
	"private-api/producer"
)

// settings is the whole configuration of a stack, read once. The keys and their
// defaults are those of the schema in Pulumi.yaml, which a test compares.
type settings struct {
	keys              []string // of this project that were read
	region, profile   string
	allowedAccountIDs []string
	tags              map[string]string
	production        bool

	availabilityZones     []string
	availabilityZoneCount int
	producerVpcCidr       string
	egress                string
	spot                  bool
	architecture          string
	cpu, memory           int
	desiredCount          int
	services              map[string]override

	healthCheckInterval, healthCheckTimeout     int
	deregistrationDelay, drainTime, stopTimeout int
	waitForSteadyState                          bool
	deploymentTimeout                           int
	logRetentionDays                            int
	deletionProtection                          bool

	integrationTimeout                                   int
	throttleBurst, throttleRate                          int
	corsAllowOrigins, corsAllowMethods, corsAllowHeaders []string
	corsMaxAge                                           int
	authorization, jwtIssuer                             string
	jwtAudiences                                         []string
	allowUnauthenticated                                 bool

	bastion         bool
	consumerVpcCidr string
	sshKeyName      string
	sshCidrs        []string
}

// override is what the configuration changes about one service.
type override struct {
	Image        string            `json:"image"`
	CPU          *int              `json:"cpu"`
	Memory       *int              `json:"memory"`
	DesiredCount *int              `json:"desiredCount"`
	Environment  map[string]string `json:"environment"`
	Secrets      map[string]string `json:"secrets"`
}

// reader reads settings, and collects what is malformed, which is another thing
// than missing: a typo must not turn into a default.
type reader struct {
	*config.Config
	problems setting.Problems
	keys     []string // all that were asked for
}

func load(ctx *pulumi.Context) (*settings, setting.Problems) {
	aws := &reader{Config: config.New(ctx, "aws")}
	own := &reader{Config: config.New(ctx, "")}
	c := &settings{
		region:            aws.text("region", "us-west-2"),
		profile:           aws.text("profile", ""),
		allowedAccountIDs: aws.list("allowedAccountIds"),
		production:        own.boolean("production", false),

		availabilityZones:     own.list("availabilityZones"),
		availabilityZoneCount: own.integer("availabilityZoneCount", 2),
		producerVpcCidr:       own.text("producerVpcCidr", "10.0.0.0/16"),
		egress:                own.text("egress", producer.EgressNat),
		spot:                  own.boolean("spot", false),
		architecture:          own.text("architecture", producer.ARM64),
		cpu:                   own.integer("cpu", 256),
		memory:                own.integer("memory", 512),
		desiredCount:          own.integer("desiredCount", 2),

		healthCheckInterval: own.integer("healthCheckIntervalSeconds", 30),
		healthCheckTimeout:  own.integer("healthCheckTimeoutSeconds", 3),
		deregistrationDelay: own.integer("deregistrationDelaySeconds", 30),
		drainTime:           own.integer("drainSeconds", 5),
		stopTimeout:         own.integer("stopTimeoutSeconds", 30),
		waitForSteadyState:  own.boolean("waitForSteadyState", true),
		deploymentTimeout:   own.integer("deploymentTimeoutMinutes", 10),
		logRetentionDays:    own.integer("logRetentionDays", 30),
		deletionProtection:  own.boolean("deletionProtection", false),

		integrationTimeout:   own.integer("integrationTimeoutSeconds", 29),
		throttleBurst:        own.integer("throttleBurst", 200),
		throttleRate:         own.integer("throttleRate", 100),
		corsAllowOrigins:     own.list("corsAllowOrigins"),
		corsAllowMethods:     own.list("corsAllowMethods", "GET", "HEAD"),
		corsAllowHeaders:     own.list("corsAllowHeaders"),
		corsMaxAge:           own.integer("corsMaxAgeSeconds", 300),
		authorization:        own.text("authorization", "none"),
		jwtIssuer:            own.text("jwtIssuer", ""),
		jwtAudiences:         own.list("jwtAudiences"),
		allowUnauthenticated: own.boolean("allowUnauthenticated", false),

		bastion:         own.boolean("bastion", true),
		consumerVpcCidr: own.text("consumerVpcCidr", "10.1.0.0/16"),
		sshKeyName:      own.text("sshKeyName", ""),
		sshCidrs:        own.list("sshCidrs"),
	}
	own.object("services", "an object of services, each with any of image, cpu, memory, desiredCount, environment, secrets", &c.services)
	own.object("tags", "an object of texts", &c.tags)
	c.keys = own.keys
	problems := append(aws.problems, own.problems...)
	return c, append(problems, unknownKeys(ctx.Project(), aws.keys, own.keys)...)
}

// unknownKeys finds what is set and never read. The Go SDK does not list keys;
// the language host of `pulumi up` hands all of them over in the environment.
func unknownKeys(project string, aws, own []string) setting.Problems {
	var all map[string]string
	if json.Unmarshal([]byte(os.Getenv(pulumi.EnvConfig)), &all) != nil {
		return nil
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

// get returns the text of a setting, and whether there is one.
func (r *reader) get(key string) (string, bool) {
	r.keys = append(r.keys, key)
	value, err := r.Try(key)
	return value, !errors.Is(err, config.ErrMissingVar) && err == nil
}

func (r *reader) text(key, missing string) string {
	if value, ok := r.get(key); ok {
		return value
	}
	return missing
}

func (r *reader) integer(key string, missing int) int {
	value, ok := r.get(key)
	if !ok {
		return missing
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		r.problems.Add(key, value, "a whole number")
		return missing
	}
	return n
}

func (r *reader) boolean(key string, missing bool) bool {
	value, ok := r.get(key)
	if !ok {
		return missing
	}
	if value != "true" && value != "false" {
		r.problems.Add(key, value, "true or false")
		return missing
	}
	return value == "true"
}

func (r *reader) list(key string, missing ...string) []string {
	out := missing
	r.object(key, "a list of texts", &out)
	return out
}

// object decodes a structured setting strictly: a field that is not known is refused.
func (r *reader) object(key, allowed string, into any) {
	value, ok := r.get(key)
	if !ok {
		return
	}
	d := json.NewDecoder(bytes.NewBufferString(value))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		r.problems.Add(key, value, "%s (%v)", allowed, err)
	}
}
