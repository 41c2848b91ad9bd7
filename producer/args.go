package producer

import (
	"cmp"
	"fmt"
	"maps"
	"math/bits"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/buildcontext"
	"private-api/internal/policy"
	"private-api/internal/setting"
)

// Args says what to make. Start from DefaultArgs. Declare says what each setting means and allows; the comments here
// give the units.
type Args struct {
	Region, Profile  string
	AssumeRole       AssumeRole
	VpcCidr          string
	Egress           string  // EgressNat, EgressNatPerZone or EgressEndpoints
	Network          Network // in place of VpcCidr and Egress; see FindNetwork
	Namespace        string  // private DNS domain in which services find each other
	Spot             bool
	OnDemandBase     int    // tasks of each service
	Architecture     string // ARM64 or X86_64
	LogRetentionDays int

	CPU          int // of a task, in CPU units: 1024 are one vCPU
	Memory       int // of a task, in MiB
	DesiredCount int // of tasks
	Scaling      Scaling

	HealthCheckInterval int // seconds
	HealthCheckTimeout  int // seconds
	DeregistrationDelay int // seconds
	DrainTime           int // seconds
	StopTimeout         int // seconds

	WaitForSteadyState bool
	DeploymentTimeout  int // minutes
	DeletionProtection bool
	ContainerInsights  bool
	FlowLogs           bool
	AccessLogs         bool
	Alarms             bool // for each service, which guard its deployments
	AlarmThresholds    setting.Thresholds

	// AlarmActions are the ARNs of the topics that alarms tell; nil: none.
	AlarmActions pulumi.StringArrayInput

	// KmsKeyArn is the ARN of the key that encrypts log groups and image repositories; nil: AWS's own keys.
	KmsKeyArn pulumi.StringPtrInput

	// Endpoint is the URL at which the program itself asks AWS, for tests and local runs; default: the AWS SDK's.
	Endpoint string

	TLS *TLS // of the load balancer; nil: it takes plain HTTP

	// Balancer is the load balancer that the services go behind, in the VPC of Network; nil: one of their own. With it, TLS
	// and AccessLogs have no effect.
	Balancer *Balancer

	AvailabilityZones []string // names of two zones or more that have VPC links; see ChooseZones
	Root              string   // folder that holds the build context, apps/
	Services          []Service

	found *foundNetwork // by FindNetwork
}

// Ways of the private subnets to AWS.
const (
	EgressNat        = "nat"
	EgressNatPerZone = "nat-per-zone"
	EgressEndpoints  = "endpoints"
)

// CPU architectures of images and tasks.
const (
	ARM64  = "arm64"
	X86_64 = "x86_64"
)

// Service is one service: an image that answers HTTP below a path. A new one takes one value of this type, and a folder
// of its name in apps/ or the digest of an image that exists already.
type Service struct {
	Name     string // lower-case letters, digits and hyphens; names the Cloud Map entry and the folder in apps/
	Path     string // what it answers, such as /api/books; the load balancer sends it Path and all that starts with it
	Priority int    // of its listener rule, 1 to 50000, lowest first; explicit, so that a new service renumbers no other
	Port     int    // that the container listens on, default 8080; above 1023, as containers do not run as root

	CPU          int     // CPU units, default Args.CPU
	Memory       int     // MiB, default Args.Memory
	DesiredCount int     // tasks, default Args.DesiredCount
	Scaling      Scaling // default, field by field: Args.Scaling
	Image        string  // repository@sha256:... to run as it is; empty: built from apps/

	User            string   // of the container, never root, default 65532:65532
	WritableFolders []string // in the container; the rest of its file system is read-only
	HealthCommand   []string // run in the container, as ECS writes it; default: that of images built from apps/, else none

	Environment map[string]string  // variables of the container
	Secrets     map[string]string  // variables that ECS reads at start: SSM parameters or Secrets Manager secrets
	KmsKey      string             // ARN of the customer's key that Secrets are encrypted with
	TaskPolicy  []policy.Statement // what the running service may do in AWS; empty: nothing
	AllowFrom   []string           // names of the services that may call this one by its Cloud Map name
}

// HealthPath is where a service says that it can work.
func (s *Service) HealthPath() string { return s.Path + "/health" }

// pathPattern is what the listener rule matches.
func (s *Service) pathPattern() string { return s.Path + "*" }

// DefaultArgs has each setting at its default. AvailabilityZones, Root and Services have none.
func DefaultArgs() *Args {
	a := &Args{}
	setting.Defaults(a)
	return a
}

// Limits of AWS.
const (
	maxTargetGroupName = 32       // https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
	pulumiSuffix       = 8        // "-" and seven random digits, which Pulumi puts behind a logical name
	maxPriority        = 50000    // https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html
	maxPathPattern     = 128      // characters: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RuleCondition.html
	maxStopTimeout     = 120      // seconds on Fargate: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
	maxTasks           = 5000     // of a service: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html
	maxImage           = 255      // characters: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
	maxPolicy          = 10240    // characters of the inline policies of a role: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
	maxDefinition      = 64 << 10 // bytes of a task definition: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html
	maxNamespace       = 253 - 16 // a service's name and a dot come before: https://docs.aws.amazon.com/cloud-map/latest/api/API_CreatePrivateDnsNamespace.html
	longestSubnet      = 27       // smallest subnet of a load balancer: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html
)

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

// Declare declares the settings of the producer.
func (a *Args) Declare(s *setting.Set) {
	setting.Region(s, &a.Region)
	setting.Profile(s, &a.Profile)
	a.AssumeRole.declare(s)
	setting.Var(s, &a.VpcCidr, "producerVpcCidr", "10.0.0.0/16", "IPv4 range of the producer's VPC, /16 to /25 with two zones", setting.Fixed)
	setting.Var(s, &a.Egress, "egress", EgressNat,
		"How tasks reach AWS: one NAT gateway, one in each zone, or interface endpoints without NAT",
		"in place; the new way out is there before the old one goes", setting.OneOf(EgressNat, EgressNatPerZone, EgressEndpoints))
	a.Network.declare(s)
	setting.Var(s, &a.Namespace, "namespace", "http-api.local", "Private DNS domain in which services find each other by name; two stacks in one VPC need two",
		"interrupts calls between services that use the old names; otherwise a rolling deployment",
		setting.Must(fmt.Sprintf("two labels or more of lower-case letters, digits and inner hyphens, such as shop.internal, at most %d characters together; not amazonaws.com, which tasks need, nor a domain above or in it", maxNamespace),
			func(name string) bool {
				return len(name) <= maxNamespace && namespaceName.MatchString(name) && !awsDomain.MatchString(name)
			}))
	setting.Var(s, &a.Spot, "spot", false, "Run the tasks on Fargate Spot, which is cheaper and may stop them at two minutes' notice", setting.Rolling)
	setting.Var(s, &a.OnDemandBase, "onDemandBase", 0, "With spot, tasks of each service that run on demand, which AWS does not take away", setting.Rolling,
		setting.Between(0, maxTasks, "tasks"))
	setting.Var(s, &a.Architecture, "architecture", ARM64, "CPU of images and tasks", setting.Rolling, setting.OneOf(ARM64, X86_64))
	cpu := setting.OneOf(slices.Sorted(maps.Keys(fargateMemory))...)
	setting.Var(s, &a.CPU, "cpu", 256, "CPU units of a task; 1024 are one vCPU", setting.Rolling, cpu)
	setting.Var(s, &a.Memory, "memory", 512, "Memory of a task in MiB, as Fargate allows it with cpu", setting.Rolling)
	setting.Var(s, &a.DesiredCount, "desiredCount", 2, "Tasks of each service", setting.Rolling, setting.Between(1, maxTasks, "tasks"))
	a.Scaling.declare(s, Scaling{Min: 2, CPU: 60}, "Let the number of a service's tasks follow its load; off without max")
	setting.Object(s, "services", "What differs for single services, by name", func(s *setting.Set) {
		for i := range a.Services {
			service := &a.Services[i]
			setting.Object(s, service.Name, "", func(s *setting.Set) { service.declare(s, cpu) })
		}
	})
	setting.Var(s, &a.HealthCheckInterval, "healthCheckIntervalSeconds", 30, "Seconds between two health checks of a target", setting.Rolling,
		setting.Between(5, 300, "seconds"))
	setting.Var(s, &a.HealthCheckTimeout, "healthCheckTimeoutSeconds", 3,
		"Seconds after which a health check without an answer has failed; less than the interval", setting.InPlace, setting.Between(2, 120, "seconds"))
	setting.Var(s, &a.DeregistrationDelay, "deregistrationDelaySeconds", 30,
		"Seconds that the load balancer gives requests to finish before it lets a task go", setting.InPlace, setting.Between(0, 3600, "seconds"))
	setting.Var(s, &a.DrainTime, "drainSeconds", 5,
		"Seconds that a service goes on serving after SIGTERM; at least two less than stopTimeoutSeconds; with spot, until the load balancer has noticed",
		setting.Rolling, setting.Between(0, maxStopTimeout-2, "seconds"))
	setting.Var(s, &a.StopTimeout, "stopTimeoutSeconds", 30, "Seconds between SIGTERM and SIGKILL", setting.Rolling,
		setting.Between(2, maxStopTimeout, "seconds"))
	setting.Var(s, &a.WaitForSteadyState, "waitForSteadyState", true, "Let the update wait until the tasks serve, and fail if ECS says that they do not", setting.Nothing)
	setting.Var(s, &a.DeploymentTimeout, "deploymentTimeoutMinutes", 10,
		"Minutes that an update waits for the tasks of a service; longer than their health checks, deregistration and stop take", setting.Nothing,
		setting.Between(1, 120, "minutes"))
	setting.Var(s, &a.ContainerInsights, "containerInsights", true, "Collect CloudWatch Container Insights of the cluster, which are charged as custom metrics", setting.InPlace)
	setting.LogRetentionDays(s, &a.LogRetentionDays)
	setting.FlowLogs(s, &a.FlowLogs)
	setting.Var(s, &a.AccessLogs, "accessLogs", false, "Keep a log of each request to the load balancer, in an S3 bucket",
		"in place; `false` deletes the bucket and the logs, which deletionProtection refuses")
	setting.Alarms(s, &a.Alarms)
	setting.AlarmThresholds(s, &a.AlarmThresholds)
	setting.Var(s, &a.DeletionProtection, "deletionProtection", false,
		"Refuse to delete the load balancer and its access logs, the image repositories and the KMS key", setting.InPlace)
}

// declare declares what the configuration may say about one service. What Go says about it is the default.
func (s *Service) declare(set *setting.Set, cpu setting.Allowed[int]) {
	const rolling = "rolling deployment of that service"
	setting.Var(set, &s.Image, "image", s.Image, "Image to run instead of building one; what it must do is in customize.md", rolling,
		setting.Must("repository@sha256:DIGEST with 64 hexadecimal digits, all in lower case, at most 255 characters; a tag could be moved to another image",
			func(image string) bool { return imageReference.MatchString(image) && len(image) <= maxImage }))
	setting.Var(set, &s.CPU, "cpu", s.CPU, "CPU units of a task", rolling, cpu)
	setting.Var(set, &s.Memory, "memory", s.Memory, "Memory of a task in MiB", rolling)
	setting.Var(set, &s.DesiredCount, "desiredCount", s.DesiredCount, "Tasks", rolling, setting.Between(1, maxTasks, "tasks"))
	s.Scaling.declare(set, s.Scaling, "What differs from the stack's scaling")
	setting.Var(set, &s.Environment, "environment", s.Environment, "Variables of the container, added to those in Go", rolling)
	setting.Var(set, &s.Secrets, "secrets", s.Secrets,
		"Variables that ECS reads at start: ARNs of Secrets Manager secrets or SSM parameters, or names of parameters of the stack's region", rolling)
	setting.Var(set, &s.KmsKey, "kmsKey", s.KmsKey, "KMS key of your own that the secrets are encrypted with", setting.InPlace,
		setting.Must("the ARN of a key, such as arn:aws:kms:us-west-2:123456789012:key/ID; not of an alias, which no policy can name", kmsKeyArn.MatchString))
	setting.Var(set, &s.Port, "port", s.Port, "Port that the container listens on; 8080 if not set", "interrupts that service until its new tasks are healthy",
		setting.Between(1024, 65535, ""))
	setting.Var(set, &s.User, "user", s.User, "User of the container, as in a Dockerfile; 65532:65532 if not set", rolling,
		setting.Must("USER, USER:GROUP or their numbers, not root", func(user string) bool {
			return containerUser.MatchString(user) && !rootUser.MatchString(user)
		}))
	setting.Var(set, &s.WritableFolders, "writableFolders", s.WritableFolders, "Folders of the container that it can write to; the rest is read-only", rolling,
		setting.Each(setting.Must("different absolute paths such as /tmp", func(folder string) bool {
			return containerFolder.MatchString(folder) && path.Clean(folder) == folder
		})))
	setting.Var(set, &s.HealthCommand, "healthCommand", s.HealthCommand,
		"Command by which ECS checks the container; if not set, an image built from apps/ is checked with its own, and another one is not", rolling,
		setting.Must("CMD, then a program and its arguments; or CMD-SHELL, then one line for the shell of the image", func(command []string) bool {
			return len(command) > 1 && (command[0] == "CMD" || command[0] == "CMD-SHELL" && len(command) == 2)
		}))
}

var (
	serviceName  = regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)
	servicePath  = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	kmsKeyArn    = regexp.MustCompile(`^arn:(aws[a-z-]*):kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$`)

	namespaceName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	// Names in a private zone that it does not have do not exist, whatever the internet says:
	// https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
	awsDomain = regexp.MustCompile(`(^|\.)(amazonaws\.com|api\.aws)(\.[a-z]+)?$|^com\.cn$`)

	containerUser   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$`)
	rootUser        = regexp.MustCompile(`^(root|0+)(:|$)`)
	containerFolder = regexp.MustCompile(`^(/[A-Za-z0-9._-]+)+$`)
)

// ownVariables are set by the program itself.
var ownVariables = []string{"DRAIN_DELAY", "IMAGE_DIGEST", "PORT", "SHUTDOWN_TIMEOUT"}

// maxServiceName is how long the name of a service of this producer may be: the name of its target group must hold
// both, and Pulumi's suffix.
func maxServiceName(producer string) int {
	return maxTargetGroupName - pulumiSuffix - len(producer) - 1
}

// Validate returns what is wrong with the arguments of a producer of that name in so many zones; nil if they are valid.
// The zones themselves, which are looked up, are for New to check.
func (a *Args) Validate(name string, zones int) setting.Problems {
	p := setting.Check(a)
	if a.OnDemandBase > 0 && !a.Spot {
		p.Add("onDemandBase", a.OnDemandBase, "0 without spot, as then all tasks run on demand")
	}
	if r := a.AssumeRole; r.RoleArn == "" && r != (AssumeRole{}) {
		p.Add("aws:assumeRole.roleArn", nil, "the ARN of an IAM role, as another field of aws:assumeRole is set")
	}
	if a.Network.VpcID == "" {
		// Each zone's part is halved into a public and a private subnet.
		p.VpcCidr("producerVpcCidr", a.VpcCidr, longestSubnet-1-bits.Len(uint(max(zones, 1)-1)))
	}
	a.Network.validate(&p)
	if a.HealthCheckTimeout >= a.HealthCheckInterval {
		p.Add("healthCheckTimeoutSeconds", a.HealthCheckTimeout, "less than healthCheckIntervalSeconds (%d)", a.HealthCheckInterval)
	}
	if latest := a.StopTimeout - 1 - int(shutdownMargin.Seconds()); a.DrainTime > latest {
		p.Add("drainSeconds", a.DrainTime, "0 to %d seconds: less than stopTimeoutSeconds (%d) by two, in which the service shuts down", latest, a.StopTimeout)
	}
	a.validateSpot(&p)
	// An update waits until the new tasks are healthy, the old ones have left and stopped, and no alarm has gone off; the
	// deletion of a service waits for the tasks.
	if seconds := healthyChecks*a.HealthCheckInterval + a.DeregistrationDelay + a.StopTimeout + a.bakeTime(); seconds >= a.DeploymentTimeout*60 {
		alarms := ""
		if a.Alarms {
			alarms = fmt.Sprintf(", and the %d seconds in which ECS watches the alarms,", a.bakeTime())
		}
		p.Add("deploymentTimeoutMinutes", a.DeploymentTimeout,
			"%d or more: longer than %d × healthCheckIntervalSeconds (%d), deregistrationDelaySeconds (%d) and stopTimeoutSeconds (%d)%s together",
			seconds/60+1, healthyChecks, a.HealthCheckInterval, a.DeregistrationDelay, a.StopTimeout, alarms)
	}
	validateMemory(&p, "", a.CPU, a.Memory)
	a.validateScaling(&p)
	a.validateServices(&p, name)
	if a.Egress == EgressEndpoints {
		a.validateReach(&p, fmt.Sprintf("egress %q reaches", EgressEndpoints))
	}
	if len(p) == 0 {
		a.validateSizes(&p)
	}
	return p
}

// validateSizes checks what grows with variables and statements. ARNs that are not known yet count as long ones, and the
// logs as encrypted.
func (a *Args) validateSizes(p *setting.Problems) {
	arn := strings.Repeat("x", 400)
	for _, s := range a.Services {
		s = withDefaults(s, a)
		key := "services." + s.Name + "."
		execution, _ := policy.JSON(executionPolicy(&s, a.Region, "123456789012", arn, arn, "arn:aws:kms:"+a.Region+":"+arn)...)
		if len(execution) > maxPolicy {
			p.Add(key+"secrets", len(s.Secrets), "fewer secrets: the policy that lets ECS read them would have %d characters, and IAM takes %d", len(execution), maxPolicy)
		}
		if task, err := policy.JSON(s.TaskPolicy...); err != nil || len(task) > maxPolicy {
			p.Add(key+"taskPolicy", len(s.TaskPolicy), "fewer statements: they have %d characters, and IAM takes %d", len(task), maxPolicy)
		}
		if container, _ := containerDefinitions(&s, a, arn+"@"+arn, arn); len(container) > maxDefinition {
			p.Add(key+"environment", len(s.Environment), "fewer or shorter variables: the task definition would have %d bytes, and ECS takes %d", len(container), maxDefinition)
		}
	}
}

// validateSpot checks that a service serves until nobody sends it requests any more. AWS may take a task on Spot away
// before it is deregistered: then the load balancer goes on until enough health checks have failed.
// Source: https://repost.aws/knowledge-center/fargate-spot-termination-notice
func (a *Args) validateSpot(p *setting.Problems) {
	noticed := unhealthyChecks*a.HealthCheckInterval + a.HealthCheckTimeout
	longest := maxStopTimeout - 1 - int(shutdownMargin.Seconds())
	switch {
	case !a.Spot:
	case noticed > longest:
		p.Add("healthCheckIntervalSeconds", a.HealthCheckInterval,
			"with spot at most %d: %d of it and healthCheckTimeoutSeconds (%d) must fit into the two minutes that AWS gives a task, which still has to shut down",
			(longest-a.HealthCheckTimeout)/unhealthyChecks, unhealthyChecks, a.HealthCheckTimeout)
	case a.DrainTime < noticed:
		p.Add("drainSeconds", a.DrainTime,
			"with spot %d or more, until the load balancer has noticed: %d × healthCheckIntervalSeconds (%d) and healthCheckTimeoutSeconds (%d); stopTimeoutSeconds (%d) must be two more at least",
			noticed, unhealthyChecks, a.HealthCheckInterval, a.HealthCheckTimeout, a.StopTimeout)
	}
}

func (a *Args) validateZones() (p setting.Problems) {
	if a.Balancer != nil {
		a.Balancer.validate(&p)
		a.validateBalancer(&p)
	}
	if a.Network.VpcID != "" {
		if a.found == nil {
			p.Add("network.vpcId", a.Network.VpcID, "a VPC that FindNetwork has found")
		}
		return p
	}
	if zones := slices.Compact(slices.Sorted(slices.Values(a.AvailabilityZones))); len(zones) < 2 || len(zones) != len(a.AvailabilityZones) {
		p.Add("availabilityZones", a.AvailabilityZones, "two or more different zones, as the load balancer needs two")
	}
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
		key := "services." + s.Name + "."
		if limit := maxServiceName(producer); len(s.Name) > limit || !serviceName.MatchString(s.Name) {
			p.Add("services.name", s.Name, "1 to %d lower-case letters, digits and inner hyphens, a letter first", limit)
		}
		if !servicePath.MatchString(s.Path) || len(s.pathPattern()) > maxPathPattern {
			p.Add(key+"path", s.Path, "a path such as /api/books: no slash at the end, no wildcards, at most %d characters", maxPathPattern-1)
		}
		for _, other := range a.Services[:i] {
			if s.Name == other.Name {
				p.Add("services.name", s.Name, "a name that no other service has")
			}
			if strings.HasPrefix(s.Path, other.Path) || strings.HasPrefix(other.Path, s.Path) {
				p.Add(key+"path", s.Path, "a path that does not start with, or begin, that of service %s (%s): the rule of one would take the other's requests", other.Name, other.Path)
			}
		}
		if s.Priority < 1 || s.Priority > maxPriority {
			p.Add(key+"priority", s.Priority, "1 to %d", maxPriority)
		}
		if other, taken := priorities[s.Priority]; taken {
			p.Add(key+"priority", s.Priority, "a priority that no other service has; %s has it", other)
		}
		priorities[s.Priority] = s.Name
		if s.CPU != 0 || s.Memory != 0 {
			validateMemory(p, key, cmp.Or(s.CPU, a.CPU), cmp.Or(s.Memory, a.Memory))
		}
		a.validateImage(p, &s, key+"image")
		validateVariables(p, &s, key)
		a.validateSecrets(p, &s, key)
		for j, caller := range s.AllowFrom {
			if caller == s.Name || !names[caller] || slices.Contains(s.AllowFrom[:j], caller) {
				p.Add(key+"allowFrom", caller, "the name of another service, each once")
			}
		}
	}
}

func (a *Args) validateImage(p *setting.Problems, s *Service, key string) {
	if s.Image == "" {
		if _, err := buildcontext.ReadService(a.Root, s.Name); err != nil {
			p.Add(key, nil, "repository@sha256:..., or a folder %s to build one from (%v)", path.Join(buildcontext.Folder, s.Name), err)
		}
		return
	}
	partition := policy.PartitionOf(a.Region)
	repository, err := findRepository(s.Image)
	switch {
	case err != nil:
		p.Add(key, s.Image, "%v", err)
	case repository != nil && policy.PartitionOf(repository.region).Name != partition.Name:
		p.Add(key, s.Image, "an image in ECR of partition %s, as no role of it reaches into another", partition.Name)
	}
}

// validateReach refuses what tasks need and endpoints of AWS in their VPC do not reach.
func (a *Args) validateReach(p *setting.Problems, endpointsReach string) {
	partition := policy.PartitionOf(a.Region)
	for _, s := range a.Services {
		key := "services." + s.Name + "."
		repository, err := findRepository(s.Image)
		near := repository != nil && repository.region == a.Region && repository.hasEndpoint
		far := repository != nil && policy.PartitionOf(repository.region).Name != partition.Name // refused already
		if s.Image != "" && err == nil && !near && !far {
			p.Add(key+"image", s.Image, "an image in ECR of region %[1]s, as %[2]s nothing else, at ACCOUNT.dkr.ecr.%[1]s.%[3]s", a.Region, endpointsReach, partition.Suffix)
		}
		for name, value := range s.Secrets {
			if secret := findSecret(value); secret != nil && secret.arn && secret.partition == partition.Name && secret.region != a.Region {
				p.Add(key+"secrets."+name, notShown, "an ARN of region %s, as %s no other", a.Region, endpointsReach)
			}
		}
	}
}

// notShown is quoted for what stands in the place of an ARN or a name: it may be the secret itself.
const notShown = "(not shown)"

func (a *Args) validateSecrets(p *setting.Problems, s *Service, key string) {
	partition := policy.PartitionOf(a.Region)
	for name, value := range s.Secrets {
		if _, taken := s.Environment[name]; taken {
			p.Add(key+"secrets", name, "a variable that environment does not set")
		}
		switch secret := findSecret(value); {
		case secret == nil:
			p.Add(key+"secrets."+name, notShown, "the ARN of a Secrets Manager secret, which :JSON-KEY:VERSION-STAGE:VERSION-ID may follow, each of them or empty; "+
				"or the ARN of an SSM parameter, or its name if it is in region %s", a.Region)
		case secret.arn && secret.partition != partition.Name:
			p.Add(key+"secrets."+name, notShown, "an ARN of partition %s, as no role of it reaches into another", partition.Name)
		}
	}
	if m := kmsKeyArn.FindStringSubmatch(s.KmsKey); m != nil && m[1] != partition.Name {
		p.Add(key+"kmsKey", s.KmsKey, "a key of partition %s, as no role of it reaches into another", partition.Name)
	}
}

func validateVariables(p *setting.Problems, s *Service, key string) {
	for field, variables := range map[string]map[string]string{"environment": s.Environment, "secrets": s.Secrets} {
		for name := range variables {
			switch {
			case slices.Contains(ownVariables, name):
				p.Add(key+field, name, "any variable but %s, which the program sets", strings.Join(ownVariables, ", "))
			case !variableName.MatchString(name):
				p.Add(key+field, name, "letters, digits and underscores, no digit first")
			}
		}
	}
}

// validateMemory checks MiB against CPU units, whose own check is declared.
func validateMemory(p *setting.Problems, key string, cpu, memory int) {
	if allowed, known := fargateMemory[cpu]; known && !slices.Contains(allowed, memory) {
		p.Add(key+"memory", memory, "with %scpu %d one of %s", key, cpu, setting.Join(allowed))
	}
}
