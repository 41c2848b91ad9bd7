package producer

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"private-api/internal/policy"
	"private-api/internal/setting"
	"private-api/internal/testkit"
)

// limits of the settings, lowest and highest, as AWS documents them or as this program sets them.
var limits = map[string]struct {
	lowest, highest int
	field           func(*Args) *int
}{
	"desiredCount":                           {1, 5000, func(a *Args) *int { return &a.DesiredCount }},
	"scaling.min":                            {1, 5000, func(a *Args) *int { return &a.Scaling.Min }},
	"scaling.max":                            {1, 5000, func(a *Args) *int { return &a.Scaling.Max }},
	"scaling.cpu":                            {1, 100, func(a *Args) *int { return &a.Scaling.CPU }},
	"healthCheckIntervalSeconds":             {5, 300, func(a *Args) *int { return &a.HealthCheckInterval }},
	"healthCheckTimeoutSeconds":              {2, 120, func(a *Args) *int { return &a.HealthCheckTimeout }},
	"deregistrationDelaySeconds":             {0, 3600, func(a *Args) *int { return &a.DeregistrationDelay }},
	"drainSeconds":                           {0, 118, func(a *Args) *int { return &a.DrainTime }},
	"stopTimeoutSeconds":                     {2, 120, func(a *Args) *int { return &a.StopTimeout }},
	"onDemandBase":                           {0, 5000, func(a *Args) *int { return &a.OnDemandBase }},
	"deploymentTimeoutMinutes":               {1, 120, func(a *Args) *int { return &a.DeploymentTimeout }},
	"services.alpha.desiredCount":            {1, 5000, func(a *Args) *int { return &a.Services[0].DesiredCount }},
	"services.alpha.port":                    {1024, 65535, func(a *Args) *int { return &a.Services[0].Port }},
	"services.alpha.priority":                {1, 50000, func(a *Args) *int { return &a.Services[0].Priority }},
	"alarmThresholds.serviceErrorPercent":    {1, 99, func(a *Args) *int { return &a.AlarmThresholds.ServiceErrorPercent }},
	"alarmThresholds.serviceP99Milliseconds": {1, 30000, func(a *Args) *int { return &a.AlarmThresholds.ServiceP99Milliseconds }},
}

func TestLimits(t *testing.T) {
	for key, limit := range limits {
		for value, allowed := range map[int]bool{limit.lowest - 1: false, limit.lowest: true, limit.highest: true, limit.highest + 1: false} {
			a := twoServices(t)
			// Out of the way of the rules between settings.
			a.HealthCheckInterval, a.StopTimeout, a.DeploymentTimeout = 300, 120, 120
			if key == "stopTimeoutSeconds" {
				a.DrainTime = 0
			}
			if key == "healthCheckIntervalSeconds" {
				a.HealthCheckTimeout = 2
			}
			if key == "deploymentTimeoutMinutes" {
				a.HealthCheckInterval, a.DeregistrationDelay, a.StopTimeout = 5, 0, 8
			}
			if key == "onDemandBase" {
				a.Spot, a.HealthCheckInterval, a.DrainTime = true, 10, 25
			}
			if strings.HasPrefix(key, "scaling.") && value > 0 {
				a.Scaling.Min, a.Scaling.Max = 1, 5000
			}
			*limit.field(a) = value
			err := a.Validate("producer", 2).Err()
			if value == 0 && (strings.HasPrefix(key, "services.") && key != "services.alpha.priority" || key == "scaling.max") {
				allowed = true // takes the default
			}
			if (err == nil) != allowed {
				t.Errorf("%s: %d: %v", key, value, err)
			}
			if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("%s: %d is not allowed", key, value)) {
				t.Errorf("%s: %d: the message is %v", key, value, err)
			}
		}
	}
	for _, d := range setting.Defaults(DefaultArgs()) {
		if _, tested := limits[d.Key]; !tested && regexp.MustCompile(`^\d+ to \d+`).MatchString(d.Allowed) {
			t.Errorf("the limits of %s are not tested", d.Key)
		}
	}
}

// Each row is one change of valid arguments; want is "" if they stay valid.
func TestRefusals(t *testing.T) {
	role := func(change func(*AssumeRole)) func(*Args) {
		return func(a *Args) {
			a.AssumeRole.RoleArn = "arn:aws:iam::123456789012:role/deploy"
			change(&a.AssumeRole)
		}
	}
	for _, test := range []struct {
		name   string
		change func(*Args)
		want   string
	}{
		{"nothing", func(a *Args) {}, ""},
		{"unknown CPU", func(a *Args) { a.CPU = 300 }, `cpu: 300 is not allowed: one of 256, 512, 1024, 2048, 4096, 8192, 16384`},
		{"memory of another CPU", func(a *Args) { a.Memory = 4096 }, `memory: 4096 is not allowed: with cpu 256 one of 512, 1024, 2048`},
		{"most memory", func(a *Args) { a.CPU, a.Memory = 16384, 122880 }, ""},
		{"too much memory", func(a *Args) { a.CPU, a.Memory = 16384, 131072 }, "memory: 131072 is not allowed"},
		{"scaling", func(a *Args) { a.Scaling.Max = 2 }, ""},
		{"most tasks below the fewest", func(a *Args) { a.Scaling.Max = 1 }, `scaling.max: 1 is not allowed: 2 tasks or more, which are the fewest (min)`},
				{"scaling without the most tasks", func(a *Args) { a.Scaling.CPU = 50 }, `scaling.max: is missing: the most tasks, 1 to 5000, as another field of scaling is set`},
		{"requests below one", func(a *Args) { a.Scaling.Max, a.Scaling.RequestsPerTarget = 4, -1 }, `scaling.requestsPerTarget: -1 is not allowed: 1 or more`},
		{"scaling of one service", func(a *Args) { a.Scaling.CPU, a.Services[0].Scaling.Max = 50, 4 }, ""},
		{"scaling of one service without the most tasks", func(a *Args) { a.Services[0].Scaling.CPU = 50 }, `services.alpha.scaling.max: is missing: the most tasks`},
		{"fewest tasks of one service", func(a *Args) { a.Scaling.Max, a.Services[0].Scaling.Min = 4, 5 }, `services.alpha.scaling.max: 4 is not allowed: 5 tasks or more`},
		{"most tasks of one service", func(a *Args) { a.Services[0].Scaling.Max = 5001 }, `services.alpha.scaling.max: 5001 is not allowed: 1 to 5000 tasks`},
		{"CPU of one service", func(a *Args) { a.Services[0].Scaling = Scaling{Max: 4, CPU: 101} }, `services.alpha.scaling.cpu: 101 is not allowed: 1 to 100 percent`},
		{"region", func(a *Args) { a.Region = "Oregon" }, `aws:region: "Oregon" is not allowed: a region such as us-west-2`},
		{"no region", func(a *Args) { a.Region = "" }, `aws:region: is missing: a region such as us-west-2`},
		{"egress", func(a *Args) { a.Egress = "proxy" }, `egress: "proxy" is not allowed: one of nat, nat-per-zone, endpoints`},
		{"architecture", func(a *Args) { a.Architecture = "amd64" }, `architecture: "amd64" is not allowed: one of arm64, x86_64`},
		{"retention", func(a *Args) { a.LogRetentionDays = 10 }, `logRetentionDays: 10 is not allowed: one of 1, 3, 5, 7,`},
		{"longest retention", func(a *Args) { a.LogRetentionDays = 3653 }, ""},
		{"largest range", func(a *Args) { a.VpcCidr = "10.0.0.0/16" }, ""},
		{"too large a range", func(a *Args) { a.VpcCidr = "10.0.0.0/15" }, `producerVpcCidr: "10.0.0.0/15" is not allowed: an IPv4 range between /16 and /25`},
		{"smallest range", func(a *Args) { a.VpcCidr = "10.0.0.0/25" }, ""},
		{"too small a range", func(a *Args) { a.VpcCidr = "10.0.0.0/26" }, `producerVpcCidr: "10.0.0.0/26" is not allowed: an IPv4 range between /16 and /25`},
		{"loopback", func(a *Args) { a.VpcCidr = "127.0.0.0/16" }, `producerVpcCidr: "127.0.0.0/16" is not allowed`},
		{"link-local", func(a *Args) { a.VpcCidr = "169.254.128.0/17" }, `producerVpcCidr: "169.254.128.0/17" is not allowed`},
		{"this network", func(a *Args) { a.VpcCidr = "0.1.0.0/16" }, `producerVpcCidr: "0.1.0.0/16" is not allowed`},
		{"multicast", func(a *Args) { a.VpcCidr = "239.255.0.0/16" }, `producerVpcCidr: "239.255.0.0/16" is not allowed`},
		{"reserved", func(a *Args) { a.VpcCidr = "255.255.0.0/16" }, `producerVpcCidr: "255.255.0.0/16" is not allowed`},
		{"shared address space", func(a *Args) { a.VpcCidr = "100.64.0.0/16" }, ""},
		{"benchmarks", func(a *Args) { a.VpcCidr = "198.19.0.0/16" }, ""},
		{"public", func(a *Args) { a.VpcCidr = "203.0.0.0/16" }, ""},
		{"of Docker", func(a *Args) { a.VpcCidr = "172.17.0.0/16" }, ""},
		{"role", func(a *Args) { a.AssumeRole.RoleArn = "arn:aws-us-gov:iam::123456789012:role/a/b" }, ""},
		{"user", func(a *Args) { a.AssumeRole.RoleArn = "arn:aws:iam::123456789012:user/a" }, `aws:assumeRole.roleArn: "arn:aws:iam::123456789012:user/a" is not allowed: the ARN of an IAM role`},
		{"session without a role", func(a *Args) { a.AssumeRole.SessionName = "ci" }, "aws:assumeRole.roleArn: is missing"},
		{"short name of a session", role(func(r *AssumeRole) { r.SessionName = "a" }), `aws:assumeRole.sessionName: "a" is not allowed: 2 to 64`},
		{"longest name of a session", role(func(r *AssumeRole) { r.SessionName = strings.Repeat("a", 64) }), ""},
		{"long name of a session", role(func(r *AssumeRole) { r.SessionName = strings.Repeat("a", 65) }), "aws:assumeRole.sessionName: "},
		{"source identity", role(func(r *AssumeRole) { r.SourceIdentity = "a b" }), `aws:assumeRole.sourceIdentity: "a b" is not allowed: 2 to 64`},
		{"longest external id", role(func(r *AssumeRole) { r.ExternalID = strings.Repeat("a", 1224) }), ""},
		{"long external id", role(func(r *AssumeRole) { r.ExternalID = strings.Repeat("a", 1225) }), "aws:assumeRole.externalId: "},
		{"shortest session", role(func(r *AssumeRole) { r.Duration = "15m" }), ""},
		{"short session", role(func(r *AssumeRole) { r.Duration = "899s" }), `aws:assumeRole.duration: "899s" is not allowed: 15m to 12h`},
		{"longest session", role(func(r *AssumeRole) { r.Duration = "12h" }), ""},
		{"long session", role(func(r *AssumeRole) { r.Duration = "12h1s" }), `aws:assumeRole.duration: "12h1s" is not allowed`},
		{"session of a number", role(func(r *AssumeRole) { r.Duration = "3600" }), `aws:assumeRole.duration: "3600" is not allowed`},
		{"host bits", func(a *Args) { a.VpcCidr = "10.0.0.1/16" }, `producerVpcCidr: "10.0.0.1/16" is not allowed`},
		{"IPv6", func(a *Args) { a.VpcCidr = "fd00::/16" }, `producerVpcCidr: "fd00::/16" is not allowed`},
		{"health check as long as the interval", func(a *Args) { a.HealthCheckTimeout = 30 }, `healthCheckTimeoutSeconds: 30 is not allowed: less than healthCheckIntervalSeconds (30)`},
		{"health check just shorter", func(a *Args) { a.HealthCheckTimeout = 29 }, ""},
		{"drain that leaves no time to stop", func(a *Args) { a.DrainTime = 29 }, `drainSeconds: 29 is not allowed: 0 to 28 seconds: less than stopTimeoutSeconds (30)`},
		{"longest drain", func(a *Args) { a.DrainTime = 28 }, ""},
		{"no services", func(a *Args) { a.Services = nil }, `services: is missing: one service or more`},
		{"longest name", func(a *Args) { a.Services[1].Name = "long-name-of-15" }, ""},
		{"long name", func(a *Args) { a.Services[1].Name = "long-name-of-160" }, `services.name: "long-name-of-160" is not allowed: 1 to 15 lower-case letters`},
		{"no name", func(a *Args) { a.Services[1].Name = "" }, `services.name: "" is not allowed`},
		{"capitals", func(a *Args) { a.Services[1].Name = "Beta" }, `services.name: "Beta" is not allowed`},
		{"name twice", func(a *Args) { a.Services[1].Name = "alpha" }, `services.name: "alpha" is not allowed: a name that no other service has`},
		{"priority twice", func(a *Args) { a.Services[1].Priority = 10 }, `services.beta.priority: 10 is not allowed: a priority that no other service has; alpha has it`},
		{"path within another", func(a *Args) { a.Services[1].Path = "/alpha/more" }, `services.beta.path: "/alpha/more" is not allowed: a path that does not start with, or begin, that of service alpha (/alpha)`},
		{"path around another", func(a *Args) { a.Services[0].Path = "/beta/more" }, `services.beta.path: "/beta" is not allowed: a path that does not start with, or begin, that of service alpha (/beta/more)`},
		{"path with a wildcard", func(a *Args) { a.Services[0].Path = "/alpha/*" }, `services.alpha.path: "/alpha/*" is not allowed`},
		{"path with a slash at the end", func(a *Args) { a.Services[0].Path = "/alpha/" }, `services.alpha.path: "/alpha/" is not allowed`},
		{"longest path", func(a *Args) { a.Services[0].Path = "/" + strings.Repeat("a", 126) }, ""},
		{"long path", func(a *Args) { a.Services[0].Path = "/" + strings.Repeat("a", 127) }, "at most 127 characters"},
		{"caller that is not there", func(a *Args) { a.Services[0].AllowFrom = []string{"film"} }, `services.alpha.allowFrom: "film" is not allowed: the name of another service`},
		{"caller of itself", func(a *Args) { a.Services[0].AllowFrom = []string{"alpha"} }, `services.alpha.allowFrom: "alpha" is not allowed`},
		{"caller twice", func(a *Args) { a.Services[0].AllowFrom = []string{"beta", "beta"} }, `services.alpha.allowFrom: "beta" is not allowed`},
		{"no code", func(a *Args) { a.Services[1].Name = "film" }, `services.film.image: is missing: repository@sha256:..., or`},
		{"image by tag", func(a *Args) { a.Services[0].Image = "alpha:latest" }, `services.alpha.image: "alpha:latest" is not allowed: repository@sha256:`},
		{"image", func(a *Args) { a.Services[0].Image = "registry.example.com/alpha@" + digest }, ""},
		{"image out of reach", func(a *Args) { a.Egress, a.Services[0].Image = EgressEndpoints, "registry.example.com/alpha@"+digest }, `an image in ECR of region us-west-2, as egress "endpoints" reaches nothing else`},
		{"image of another region", func(a *Args) {
			a.Egress, a.Services[0].Image = EgressEndpoints, strings.ReplaceAll(repository, "us-west-2", "us-east-1")+"@"+digest
		}, `an image in ECR of region us-west-2`},
		{"image within reach", func(a *Args) { a.Egress, a.Services[0].Image = EgressEndpoints, repository+"@"+digest }, ""},
		{"memory of a service", func(a *Args) { a.Services[0].CPU = 1024 }, `services.alpha.memory: 512 is not allowed: with services.alpha.cpu 1024 one of 2048`},
		{"CPU of a service", func(a *Args) { a.Services[0].CPU = 100 }, `services.alpha.cpu: 100 is not allowed: one of 256`},
		{"own variable", func(a *Args) { a.Services[0].Environment = map[string]string{"PORT": "1"} }, `services.alpha.environment: "PORT" is not allowed: any variable but DRAIN_DELAY, IMAGE_DIGEST, PORT, SHUTDOWN_TIMEOUT`},
		{"malformed variable", func(a *Args) { a.Services[0].Environment = map[string]string{"1A": "1"} }, `services.alpha.environment: "1A" is not allowed`},
		{"own variable as a secret", func(a *Args) { a.Services[0].Secrets = map[string]string{"PORT": secretARN} }, `services.alpha.secrets: "PORT" is not allowed`},
		{"variable and secret", func(a *Args) {
			a.Services[0].Environment, a.Services[0].Secrets = map[string]string{"A": "1"}, map[string]string{"A": secretARN}
		}, `services.alpha.secrets: "A" is not allowed: a variable that environment does not set`},
		{"secret by value", func(a *Args) { a.Services[0].Secrets = map[string]string{"TOKEN": "hunter2!"} }, `services.alpha.secrets.TOKEN: "(not shown)" is not allowed: the ARN`},
		{"parameter of another region", func(a *Args) {
			a.Services[0].Secrets = map[string]string{"A": "arn:aws:ssm:eu-west-1:123456789012:parameter/a"}
		}, ""},
		{"parameter out of reach", func(a *Args) {
			a.Egress, a.Services[0].Secrets = EgressEndpoints, map[string]string{"A": "arn:aws:ssm:eu-west-1:123456789012:parameter/a"}
		}, `services.alpha.secrets.A: "(not shown)" is not allowed: an ARN of region us-west-2, as egress "endpoints" reaches no other`},
		{"image in capitals", func(a *Args) { a.Services[0].Image = strings.ToUpper(repository) + "@" + digest }, `services.alpha.image: "123456789012.DKR`},
		{"repository in capitals", func(a *Args) { a.Services[0].Image = "registry.example.com/Alpha@" + digest }, `services.alpha.image: "registry.example.com/Alpha@`},
		{"image without a repository", func(a *Args) { a.Services[0].Image = strings.Split(repository, "/")[0] + "@" + digest }, `ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY@sha256:DIGEST`},
		{"image with a short account", func(a *Args) { a.Services[0].Image = repository[1:] + "@" + digest }, `ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY@sha256:DIGEST`},
		{"image at ECR's API", func(a *Args) { a.Services[0].Image = "api.ecr.us-west-2.amazonaws.com/x@" + digest }, `ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY@sha256:DIGEST`},
		{"image with the end of another region", func(a *Args) { a.Services[0].Image = "123456789012.dkr.ecr.cn-north-1.amazonaws.com/x@" + digest }, `an address that ends in .amazonaws.com.cn, as those of ECR in region cn-north-1 do`},
		{"image of another partition", func(a *Args) { a.Services[0].Image = "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/x@" + digest }, `an image in ECR of partition aws, as no role of it reaches into another`},
		{"long image", func(a *Args) { a.Services[0].Image = "registry.example.com/" + strings.Repeat("a", 200) + "@" + digest }, `at most 255 characters`},
		{"image at an address without an endpoint", func(a *Args) {
			a.Egress, a.Services[0].Image = EgressEndpoints, "123456789012.dkr-ecr.us-west-2.on.aws/x@"+digest
		}, `reaches nothing else, at ACCOUNT.dkr.ecr.us-west-2.amazonaws.com`},
		{"FIPS address without an endpoint", func(a *Args) {
			a.Egress, a.Services[0].Image = EgressEndpoints, "123456789012.dkr.ecr-fips.us-west-2.amazonaws.com/x@"+digest
		}, `an image in ECR of region us-west-2`},
		{"root", func(a *Args) { a.Services[0].User = "root" }, `services.alpha.user: "root" is not allowed: USER, USER:GROUP or their numbers, not root`},
		{"root's number", func(a *Args) { a.Services[0].User = "0:101" }, `services.alpha.user: "0:101" is not allowed`},
		{"malformed user", func(a *Args) { a.Services[0].User = "a b" }, `services.alpha.user: "a b" is not allowed`},
		{"user by name", func(a *Args) { a.Services[0].User = "nginx:nginx" }, ""},
		{"group of root", func(a *Args) { a.Services[0].User = "1001:0" }, ""},
		{"relative folder", func(a *Args) { a.Services[0].WritableFolders = []string{"tmp"} }, `services.alpha.writableFolders: "tmp" is not allowed: different absolute paths such as /tmp`},
		{"folder twice", func(a *Args) { a.Services[0].WritableFolders = []string{"/tmp", "/tmp"} }, `services.alpha.writableFolders: "/tmp" is not allowed`},
		{"folder that goes up", func(a *Args) { a.Services[0].WritableFolders = []string{"/tmp/../etc"} }, `services.alpha.writableFolders: "/tmp/../etc" is not allowed`},
		{"whole file system", func(a *Args) { a.Services[0].WritableFolders = []string{"/"} }, `services.alpha.writableFolders: "/" is not allowed`},
		{"health command without its kind", func(a *Args) { a.Services[0].HealthCommand = []string{"/bin/true"} }, `services.alpha.healthCommand: ["/bin/true"] is not allowed: CMD, then a program`},
		{"health command for a shell in two parts", func(a *Args) { a.Services[0].HealthCommand = []string{"CMD-SHELL", "curl", "localhost"} }, `services.alpha.healthCommand`},
		{"alias of a key", func(a *Args) { a.Services[0].KmsKey = "arn:aws:kms:us-west-2:123456789012:alias/mine" }, `services.alpha.kmsKey: "arn:aws:kms:us-west-2:123456789012:alias/mine" is not allowed: the ARN of a key`},
		{"key of another partition", func(a *Args) { a.Services[0].KmsKey = "arn:aws-cn:kms:cn-north-1:123456789012:key/1" }, `a key of partition aws`},
		{"deregistration longer than an update", func(a *Args) { a.DeregistrationDelay = 3600 }, `deploymentTimeoutMinutes: 10 is not allowed: 62 or more: longer than 2 × healthCheckIntervalSeconds (30), deregistrationDelaySeconds (3600) and stopTimeoutSeconds (30) together`},
		{"longest deregistration in an update", func(a *Args) { a.DeregistrationDelay = 509 }, ""},
		{"deregistration as long as an update", func(a *Args) { a.DeregistrationDelay = 510 }, `deploymentTimeoutMinutes: 10 is not allowed: 11 or more`},
		{"longest deregistration with alarms", func(a *Args) { a.Alarms, a.DeregistrationDelay = true, 329 }, ""},
		{"deregistration and alarms as long as an update", func(a *Args) { a.Alarms, a.DeregistrationDelay = true, 330 },
			`deploymentTimeoutMinutes: 10 is not allowed: 11 or more: longer than 2 × healthCheckIntervalSeconds (30), deregistrationDelaySeconds (330) and stopTimeoutSeconds (30), and the 180 seconds in which ECS watches the alarms, together`},
		{"no share of errors", func(a *Args) { a.AlarmThresholds.ServiceErrorPercent = 0 }, `alarmThresholds.serviceErrorPercent: 0 is not allowed: 1 to 99 percent`},
		{"health checks longer than an update", func(a *Args) { a.HealthCheckInterval = 300 }, `deploymentTimeoutMinutes: 10 is not allowed: 12 or more: longer than 2 × healthCheckIntervalSeconds (300)`},
		{"stop longer than an update", func(a *Args) { a.DeploymentTimeout, a.StopTimeout = 2, 120 }, `stopTimeoutSeconds (120)`},
		{"longest of all times", func(a *Args) {
			a.HealthCheckInterval, a.DeregistrationDelay, a.StopTimeout, a.DeploymentTimeout = 300, 3600, 120, 73
		}, ""},
		{"Spot that AWS takes away too soon", func(a *Args) { a.Spot = true }, `drainSeconds: 5 is not allowed: with spot 63 or more, until the load balancer has noticed: 2 × healthCheckIntervalSeconds (30) and healthCheckTimeoutSeconds (3); stopTimeoutSeconds (30) must be two more at least`},
		{"Spot with 22 seconds", func(a *Args) { a.Spot, a.HealthCheckInterval, a.DrainTime = true, 10, 22 }, `drainSeconds: 22 is not allowed: with spot 23 or more`},
		{"Spot with 23 seconds", func(a *Args) { a.Spot, a.HealthCheckInterval, a.DrainTime = true, 10, 23 }, ""},
		{"Spot in two minutes", func(a *Args) {
			a.Spot, a.HealthCheckInterval, a.HealthCheckTimeout, a.DrainTime, a.StopTimeout = true, 57, 4, 118, 120
		}, ""},
		{"Spot beyond two minutes", func(a *Args) {
			a.Spot, a.HealthCheckInterval, a.HealthCheckTimeout, a.DrainTime, a.StopTimeout = true, 58, 4, 118, 120
		}, `healthCheckIntervalSeconds: 58 is not allowed: with spot at most 57: 2 of it and healthCheckTimeoutSeconds (4) must fit into the two minutes`},
		{"many secrets", func(a *Args) { a.Services[0].Secrets = many(40, parameterARN) }, ""},
		{"too many secrets", func(a *Args) { a.Services[0].Secrets = many(400, parameterARN) }, "services.alpha.secrets: 400 is not allowed: fewer secrets: the policy that lets ECS read them would have"},
		{"long task policy", func(a *Args) {
			a.Services[0].TaskPolicy = []policy.Statement{{Action: []string{"s3:GetObject"}, Resource: []string{"arn:aws:s3:::" + strings.Repeat("a", 10240)}}}
		}, "services.alpha.taskPolicy: 1 is not allowed: fewer statements"},
		{"large environment", func(a *Args) { a.Services[0].Environment = map[string]string{"A": strings.Repeat("a", 60000)} }, ""},
		{"too large an environment", func(a *Args) { a.Services[0].Environment = map[string]string{"A": strings.Repeat("a", 65536)} }, "services.alpha.environment: 1 is not allowed: fewer or shorter variables"},
		{"tasks on demand without Spot", func(a *Args) { a.OnDemandBase = 1 }, `onDemandBase: 1 is not allowed: 0 without spot`},
		{"everything on", func(a *Args) { *a = *everythingOn(t) }, ""},
	} {
		a := twoServices(t)
		test.change(a)
		err := a.Validate("producer", len(a.AvailabilityZones)).Err()
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: the message has no %q: %v", test.name, test.want, err)
		}
	}
}

// Each zone takes a part of the range, of which half is a public and half a private subnet of at least /27.
func TestRangeHoldsTheZones(t *testing.T) {
	for zones, longest := range map[int]int{2: 25, 3: 24, 4: 24, 5: 23, 6: 23} {
		for bits, allowed := range map[int]bool{longest: true, longest + 1: false} {
			a := twoServices(t)
			a.VpcCidr = fmt.Sprintf("10.0.0.0/%d", bits)
			if err := a.Validate("producer", zones).Err(); (err == nil) != allowed {
				t.Errorf("%d zones in a /%d: %v", zones, bits, err)
			}
		}
	}
}

func TestBadArgumentsRegisterNothing(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"settings":   {func(a *Args) { a.CPU, a.Egress, a.Services = 1, "tunnel", nil }, []string{"cpu: 1", `egress: "tunnel"`, "services: is missing"}},
		"no zones":   {func(a *Args) { a.AvailabilityZones = nil }, []string{"availabilityZones: is missing: two or more different zones"}},
		"one zone":   {func(a *Args) { a.AvailabilityZones = []string{"a"} }, []string{`availabilityZones: ["a"] is not allowed`}},
		"zone twice": {func(a *Args) { a.AvailabilityZones = []string{"a", "a"} }, []string{`availabilityZones: ["a","a"] is not allowed`}},
		"no Args":    {func(a *Args) { *a = Args{} }, []string{"aws:region: is missing", "cpu: 0", "egress: is missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := twoServices(t)
			test.change(a)
			r := &testkit.Recorder{}
			err := tryDeploy(r, a)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the message has no %q: %v", want, err)
				}
			}
			if made := r.List(); len(made) > 0 {
				t.Errorf("made: %q", made)
			}
		})
	}
}

// many are so many variables with different values.
func many(n int, value string) map[string]string {
	all := map[string]string{}
	for i := range n {
		all[fmt.Sprintf("V%d", i)] = fmt.Sprintf("%s%d", value, i)
	}
	return all
}
