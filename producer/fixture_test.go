package producer

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/policy"
	"private-api/internal/testkit"
)

// Fixtures for secrets and images.
const (
	secretARN    = "arn:aws:secretsmanager:us-west-2:123456789012:secret:db-AbCdEf"
	parameterARN = "arn:aws:ssm:us-west-2:123456789012:parameter/token"
	keyARN       = "arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	logKeyARN    = "arn:aws:kms:us-west-2:123456789012:key/5678abcd-12ab-34cd-56ef-1234567890ab"
	repository   = "123456789012.dkr.ecr.us-west-2.amazonaws.com/team/gamma"
)

var digest = "sha256:" + strings.Repeat("c", 64)

// twoServices are valid arguments with everything at its default.
func twoServices(t *testing.T) *Args {
	t.Helper()
	a := DefaultArgs()
	a.AvailabilityZones = []string{"us-west-2a", "us-west-2b"}
	a.Root = testkit.Apps(t, "alpha", "beta", "gamma", "long-name-of-15", "long-name-of-160")
	a.Services = []Service{{Name: "alpha", Path: "/alpha", Priority: 10}, {Name: "beta", Path: "/beta", Priority: 20}}
	return a
}

// everythingOn are valid arguments with no setting at its default.
func everythingOn(t *testing.T) *Args {
	t.Helper()
	a := twoServices(t)
	a.Profile, a.VpcCidr, a.AvailabilityZones = "work", "10.4.0.0/20", []string{"us-west-2a", "us-west-2b", "us-west-2c"}
	a.Egress, a.Spot, a.OnDemandBase, a.Architecture = EgressEndpoints, true, 1, X86_64
	a.CPU, a.Memory, a.DesiredCount = 512, 2048, 3
	a.Scaling = Scaling{Min: 4, Max: 12, CPU: 50, RequestsPerTarget: 600}
	a.HealthCheckInterval, a.HealthCheckTimeout, a.DeregistrationDelay = 20, 4, 60
	a.DrainTime, a.StopTimeout = 44, 60
	a.WaitForSteadyState, a.DeploymentTimeout = false, 20
	a.TLS = &TLS{CertificateArn: pulumi.String("arn:aws:acm:us-west-2:123456789012:certificate/1"), ServerName: "api.example.com"}
	a.LogRetentionDays, a.DeletionProtection, a.ContainerInsights = 7, true, false
	a.FlowLogs, a.AccessLogs, a.KmsKeyArn = true, true, pulumi.String(logKeyARN)
	a.Services[0].AllowFrom = []string{"beta"}
	a.Services[0].Environment = map[string]string{"MODE": "quiet"}
	a.Services[0].Secrets = map[string]string{"PASSWORD": secretARN + ":password::", "TOKEN": parameterARN}
	a.Services[0].KmsKey = keyARN
	a.Services[0].TaskPolicy = []policy.Statement{{Action: []string{"s3:GetObject"}, Resource: []string{"arn:aws:s3:::covers/*"}}}
	a.Services[1].Port, a.Services[1].CPU, a.Services[1].Memory, a.Services[1].DesiredCount = 9000, 1024, 4096, 1
	a.Services[1].Scaling = Scaling{Min: 1, Max: 6, CPU: 70, RequestsPerTarget: 300}
	a.Services = append(a.Services, Service{Name: "gamma", Path: "/gamma", Priority: 30, Image: repository + "@" + digest})
	gamma := &a.Services[2]
	gamma.Port, gamma.User, gamma.WritableFolders, gamma.HealthCommand = 8081, "101:101", []string{"/tmp", "/var/cache/nginx"}, []string{"CMD-SHELL", "wget -qO- localhost:8081"}
	return a
}

// deploy makes a producer of the arguments on mocks.
func deploy(t *testing.T, args *Args) *testkit.Recorder {
	t.Helper()
	r := &testkit.Recorder{}
	if err := tryDeploy(r, args); err != nil {
		t.Fatal(err)
	}
	return r
}

func tryDeploy(r *testkit.Recorder, args *Args) error {
	return r.Run(func(ctx *pulumi.Context) error {
		p, err := New(ctx, "producer", args)
		if err == nil {
			ctx.Export("imageDigests", p.ImageDigests)
			ctx.Export("listenerArn", p.ListenerArn)
			if p.ServerName != "" {
				ctx.Export("serverName", pulumi.String(p.ServerName))
			}
		}
		return err
	}, nil)
}

// same compares two lists in any order, and says what is missing and what is too much.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s: missing: %s", what, line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("%s: not expected: %s", what, line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d lines, want %d", what, len(got), len(want))
	}
}
