package producer

import (
	"fmt"
	"maps"
	"math/bits"
	"path"
	"regexp"
	"slices"
	"strings"

	"private-api/internal/buildcontext"
	"private-api/internal/setting"
)

// Limits of AWS.
const (
	maxTargetGroupName = 32    // https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
	pulumiSuffix       = 8     // "-" and seven random digits, which Pulumi puts behind a logical name
	maxPriority        = 50000 // https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html
	maxStopTimeout     = 120   // seconds on Fargate: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
	longestSubnet      = 27    // smallest subnet of a load balancer: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html
)

// RetentionDays are the retention times that CloudWatch Logs knows, in days.
// Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
var RetentionDays = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// fargateMemory lists the memory in MiB that Fargate allows for a task's CPU units.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
var fargateMemory = map[int][]int{
	256:   {512, 1024, 2048},
	512:   steps(1024, 4096, 1024),
	1024:  steps(2048, 8192, 1024),
	2048:  steps(4096, 16384, 1024),
	4096:  steps(8192, 30720, 1024),
	8192:  steps(16384, 61440, 4096),
	16384: steps(32768, 122880, 8192),
}

func steps(from, to, by int) []int {
	var out []int
	for n := from; n <= to; n += by {
		out = append(out, n)
	}
	return out
}

var (
	serviceName  = regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)
	servicePath  = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)
	imageDigest  = regexp.MustCompile(`^[a-zA-Z0-9][^@\s]*@sha256:[0-9a-f]{64}$`)
	secretArn    = regexp.MustCompile(`^arn:aws[a-z-]*:(ssm:[a-z0-9-]+:\d{12}:parameter/.+|secretsmanager:[a-z0-9-]+:\d{12}:secret:.+)$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// ownVariables are set by the program itself.
var ownVariables = []string{"DRAIN_DELAY", "IMAGE_DIGEST", "PORT", "SHUTDOWN_TIMEOUT"}

// maxServiceName is how long the name of a service of this producer may be: the
// name of its target group must hold both, and Pulumi's suffix.
func maxServiceName(producer string) int {
	return maxTargetGroupName - pulumiSuffix - len(producer) - 1
}

// Validate returns everything that is wrong with the arguments of a producer of
// that name; nil where nothing is. Keys are those of the configuration.
func (a *Args) Validate(name string) setting.Problems {
	var p setting.Problems
	if a.Region == "" {
		p.Add("aws:region", nil, "a region, such as us-west-2")
	}
	// Each zone's part is halved into a public and a private subnet.
	longest := longestSubnet - 1 - bits.Len(uint(max(len(a.AvailabilityZones), 1)-1))
	p.VpcCidr("vpcCidr", a.VpcCidr, longest)
	if zones := slices.Compact(slices.Sorted(slices.Values(a.AvailabilityZones))); len(zones) < 2 || len(zones) != len(a.AvailabilityZones) {
		p.Add("availabilityZones", a.AvailabilityZones, "two or more different zones, as the load balancer needs two")
	}
	oneOf(&p, "egress", a.Egress, EgressNat, EgressNatPerZone, EgressEndpoints)
	oneOf(&p, "architecture", a.Architecture, ARM64, X86_64)
	if !slices.Contains(RetentionDays, a.LogRetentionDays) {
		p.Add("logRetentionDays", a.LogRetentionDays, "one of %s", list(RetentionDays))
	}
	p.Range("healthCheckIntervalSeconds", a.HealthCheckInterval, 5, 300, "seconds")
	if a.HealthCheckTimeout < 2 || a.HealthCheckTimeout > 120 || a.HealthCheckTimeout >= a.HealthCheckInterval {
		p.Add("healthCheckTimeoutSeconds", a.HealthCheckTimeout, "2 to 120 seconds, and less than healthCheckIntervalSeconds (%d)", a.HealthCheckInterval)
	}
	p.Range("deregistrationDelaySeconds", a.DeregistrationDelay, 0, 3600, "seconds")
	p.Range("stopTimeoutSeconds", a.StopTimeout, 2, maxStopTimeout, "seconds")
	if latest := a.StopTimeout - 1 - int(shutdownMargin.Seconds()); a.DrainTime < 0 || a.DrainTime > latest {
		p.Add("drainSeconds", a.DrainTime, "0 to %d seconds: less than stopTimeoutSeconds (%d) by two, in which the service shuts down", latest, a.StopTimeout)
	}
	p.Range("deploymentTimeoutMinutes", a.DeploymentTimeout, 1, 60, "minutes")
	fargate(&p, "cpu", "memory", a.CPU, a.Memory)
	p.Range("desiredCount", a.DesiredCount, 1, 5000, "")
	a.validateServices(&p, name)
	return p
}

func (a *Args) validateServices(p *setting.Problems, producer string) {
	if len(a.Services) == 0 {
		p.Add("services", nil, "one service or more")
	}
	names, priorities := map[string]bool{}, map[int]string{}
	for _, s := range a.Services {
		names[s.Name] = true
	}
	for i, s := range a.Services {
		key := func(field string) string { return "services." + s.Name + "." + field }
		if limit := maxServiceName(producer); len(s.Name) > limit || !serviceName.MatchString(s.Name) {
			p.Add("services.name", s.Name, "1 to %d lower-case letters, digits and inner hyphens, a letter first", limit)
		}
		if !servicePath.MatchString(s.Path) || len(s.HealthPath()) > 128 {
			p.Add(key("path"), s.Path, "a path such as /api/books: no slash at the end, no wildcards, at most 121 characters")
		}
		for _, other := range a.Services[:i] {
			if s.Name == other.Name {
				p.Add("services.name", s.Name, "a name that no other service has")
			}
			if strings.HasPrefix(s.Path, other.Path) || strings.HasPrefix(other.Path, s.Path) {
				p.Add(key("path"), s.Path, "a path that does not start with, or begin, that of service %s (%s): the rule of one would take the other's requests", other.Name, other.Path)
			}
		}
		p.Range(key("priority"), s.Priority, 1, maxPriority, "")
		if other, taken := priorities[s.Priority]; taken {
			p.Add(key("priority"), s.Priority, "a priority that no other service has; %s has it", other)
		}
		priorities[s.Priority] = s.Name
		if s.Port != 0 {
			p.Range(key("port"), s.Port, 1024, 65535, "")
		}
		if s.DesiredCount != 0 {
			p.Range(key("desiredCount"), s.DesiredCount, 1, 5000, "")
		}
		if d := withDefaults(s, a); s.CPU != 0 || s.Memory != 0 {
			fargate(p, key("cpu"), key("memory"), d.CPU, d.Memory)
		}
		a.validateImage(p, &s, key("image"))
		validateVariables(p, &s, key)
		for _, caller := range s.AllowFrom {
			if caller == s.Name || !names[caller] {
				p.Add(key("allowFrom"), caller, "the name of another service")
			}
		}
		if len(slices.Compact(slices.Sorted(slices.Values(s.AllowFrom)))) != len(s.AllowFrom) {
			p.Add(key("allowFrom"), s.AllowFrom, "each caller once")
		}
	}
}

func (a *Args) validateImage(p *setting.Problems, s *Service, key string) {
	if s.Image != "" {
		m := ecrImage.FindStringSubmatch(s.Image)
		switch {
		case !imageDigest.MatchString(s.Image):
			p.Add(key, s.Image, "repository@sha256:<64 hexadecimal digits>; a tag could be moved to another image")
		case a.Egress == EgressEndpoints && (m == nil || m[2] != a.Region):
			p.Add(key, s.Image, "an image in ECR of region %s, as egress %q reaches nothing else", a.Region, EgressEndpoints)
		}
		return
	}
	if _, err := buildcontext.ReadService(a.Root, s.Name); err != nil {
		p.Add(key, nil, "repository@sha256:..., or a folder %s to build one from (%v)", path.Join(buildcontext.Folder, s.Name), err)
	}
}

func validateVariables(p *setting.Problems, s *Service, key func(string) string) {
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		switch {
		case slices.Contains(ownVariables, name):
			p.Add(key("environment"), name, "any variable but %s, which the program sets", strings.Join(ownVariables, ", "))
		case !variableName.MatchString(name):
			p.Add(key("environment"), name, "letters, digits and underscores, no digit first")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Secrets)) {
		_, taken := s.Environment[name]
		switch {
		case taken || slices.Contains(ownVariables, name):
			p.Add(key("secrets"), name, "a variable that is not set otherwise")
		case !variableName.MatchString(name):
			p.Add(key("secrets"), name, "letters, digits and underscores, no digit first")
		}
		if arn := s.Secrets[name]; !secretArn.MatchString(arn) {
			p.Add(key("secrets."+name), arn, "the ARN of an SSM parameter or of a Secrets Manager secret")
		}
	}
}

// fargate checks a pair of CPU units and MiB.
func fargate(p *setting.Problems, cpuKey, memoryKey string, cpu, memory int) {
	allowed, known := fargateMemory[cpu]
	if !known {
		p.Add(cpuKey, cpu, "one of %s", list(slices.Sorted(maps.Keys(fargateMemory))))
		return
	}
	if !slices.Contains(allowed, memory) {
		p.Add(memoryKey, memory, "with %s %d one of %s", cpuKey, cpu, list(allowed))
	}
}

func oneOf(p *setting.Problems, key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		p.Add(key, value, "one of %s", strings.Join(allowed, ", "))
	}
}

func list(numbers []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ", "), "[]")
}
