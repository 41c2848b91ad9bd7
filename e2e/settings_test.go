package e2e

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

const digest = "@sha256:1111111111111111111111111111111111111111111111111111111111111111"

// allSettings sets all that can be set together, and nothing of it to its default.
func allSettings() settings {
	image := "123456789012.dkr.ecr." + region + ".amazonaws.com/team/any" + digest
	return base().with(settings{
		"aws:allowedAccountIds": []string{"123456789012"}, "aws:skipRegionValidation": true, "aws:assumeRole": role,
		"producerVpcCidr": "10.2.0.0/16", "consumerVpcCidr": "10.3.0.0/16", "availabilityZoneCount": 3,
		"egress": "endpoints", "namespace": "shop.internal", "spot": true, "onDemandBase": 1, "architecture": "x86_64", "cpu": 512, "memory": 1024, "desiredCount": 3,
		"scaling": map[string]any{"min": 4, "max": 8, "cpu": 50, "requestsPerTarget": 600},
		"services": map[string]any{"author": map[string]any{"image": image}, "book": map[string]any{
			"image": image, "cpu": 1024, "memory": 2048, "desiredCount": 4, "environment": map[string]any{"A": "b"},
			"scaling": map[string]any{"min": 1, "max": 6, "cpu": 70, "requestsPerTarget": 300},
			"port":    9090, "user": "1000:1000", "writableFolders": []string{"/tmp"}, "healthCommand": []string{"CMD", "/health"},
			"kmsKey": "arn:aws:kms:" + region + ":123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
			"secrets": map[string]any{
				"PARAMETER": "arn:aws:ssm:" + region + ":123456789012:parameter/team/key",
				"SECRET":    "arn:aws:secretsmanager:" + region + ":123456789012:secret:team/db-AbCdEf",
			},
		}},
		"healthCheckIntervalSeconds": 10, "healthCheckTimeoutSeconds": 5, "deregistrationDelaySeconds": 20, "drainSeconds": 40, "stopTimeoutSeconds": 60,
		"waitForSteadyState": false, "deploymentTimeoutMinutes": 15, "bastionAmi": ami, "containerInsights": false, "logRetentionDays": 7, "deletionProtection": true,
		"flowLogs": true, "accessLogs": true, "customerManagedKey": true,
		"integrationTimeoutSeconds": 20, "throttle": map[string]any{"burst": 50, "rate": 60},
		"authorization": "jwt", "jwt": map[string]any{"issuer": "https://issuer.example.com", "audiences": []string{"api"}},
		"publicHealth": true,
		"cors":         cors(settings{"allowMethods": []string{"GET", "POST"}, "allowHeaders": []string{"authorization"}, "maxAgeSeconds": 60}),
		"ssh":          map[string]any{"keyName": "key", "cidrs": []string{"192.0.2.0/24"}},
		"domain":       domain("api.example.com", false)["domain"],
		"tags":         map[string]any{"Team": "books"}, "production": true, "allowUnauthenticated": true,
	})
}

// role is one to assume, with every field.
var role = map[string]any{
	"roleArn": "arn:aws:iam::123456789012:role/deploy", "sessionName": "e2e", "externalId": "ours", "duration": "1h", "sourceIdentity": "e2e",
}

// byName are zones by name, which excludes their number.
var byName = settings{"availabilityZones": []string{region + "b", region + "c"}}

// needKey makes the key pair that the setting ssh names here.
func (a *account) needKey(t *testing.T) {
	t.Helper()
	if _, err := ec2.NewFromConfig(a.aws).CreateKeyPair(context.Background(), &ec2.CreateKeyPairInput{KeyName: aws.String("key")}); err != nil {
		t.Fatal(err)
	}
}

// TestEverySetting brings up one stack with everything, which the account's calls are checked for as in every test.
func TestEverySetting(t *testing.T) {
	a := newAccount(t)
	a.needKey(t)
	a.needZone(t)
	d := a.newStack(t, "every", nil, allSettings())
	d.up(t)
	a.compare(t, d)
	for _, c := range a.proxy.Since(0) {
		if c.Operation == "CreateIntegration" && c.Params["requestParameters."+requestID] != "$context.requestId" {
			t.Errorf("an integration does not tell services the id of a request: %v", c.Params)
		}
		if c.Operation == "CreateRoute" && (c.Params["authorizationType"] == "NONE") != regexp.MustCompile(`^(GET /api/(book|author)s/health|OPTIONS /{proxy\+})$`).MatchString(c.Params["routeKey"]) {
			t.Errorf("route %s has authorization %s", c.Params["routeKey"], c.Params["authorizationType"])
		}
	}
	d.unchanged(t)
	// The up has not waited for its deployments.
	api := d.resources(t)["apigatewayv2/domainName consumer"].Outputs["domainNameConfiguration"].(map[string]any)["targetDomainName"].(string)
	d.followed(t, names{"api.example.com": {"192.0.2.1", "192.0.2.2"}, api: {"192.0.2.2"}}, "/api/books", "no target of target group producer-book is healthy yet",
		"leads to "+api, "the certificate covers api.example.com", "asks for a token of its issuer https://issuer.example.com")
	d.followed(t, names{api: {"192.0.2.2"}}, "/api/books", "api.example.com has no address: no such host")
	d.configure(t, allSettings().with(settings{"deletionProtection": false}))
	ops, _ := d.up(t)
	expect(t, ops, []string{"update ecr/repository producer-{book,author}", "update lb/loadBalancer producer", "update s3/bucket producer-access-logs"})
	d.destroy(t)
	a.sweep(t, "every")
	r := record{t, a.proxy.Calls()}
	r.unscaled()
	r.vigilant(t, record.unscaled, "application-autoscaling:DeleteScalingPolicy", "application-autoscaling:DeregisterScalableTarget")
}

// Every setting, each field of an object too, must have a row in the table of changes, and be in a configuration that is
// applied with another value than its default, so that a new one cannot come without.
func TestEverySettingIsTried(t *testing.T) {
	text, err := os.ReadFile("../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	planned, applied := map[string][]string{}, map[string][]string{}
	for _, c := range changes {
		note(planned, "", map[string]any(c.set))
	}
	for _, c := range refusedChanges {
		note(planned, "", map[string]any(c.set))
	}
	for _, s := range steps {
		note(applied, "", map[string]any(base().with(s.set)))
	}
	note(applied, "", map[string]any(allSettings()))
	note(applied, "", map[string]any(byName))
	for _, s := range adoptions(&balancer{plain: "HTTP", secure: "HTTPS"}) {
		note(planned, "", map[string]any(s.set))
		note(applied, "", map[string]any(s.set))
	}
	for _, c := range moves(&yours{id: "vpc-00000001"}) {
		note(planned, "", map[string]any(c.set))
		note(applied, "", map[string]any(c.set))
	}

	never := []string{"aws:region", "aws:profile"} // another one is another stack, and in another account
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (?:–|`([^`]*)`) \\|").FindAllStringSubmatch(string(text), -1)
	if len(rows) < 20 {
		t.Fatalf("docs/settings.md has %d settings", len(rows))
	}
	for _, row := range rows {
		key, fallback := row[1], row[2]
		if slices.Contains(never, key) {
			continue
		}
		if len(planned[key]) == 0 {
			t.Errorf("setting %s has no row in the table of changes", key)
		}
		if !slices.ContainsFunc(applied[key], func(value string) bool { return value != fallback }) {
			t.Errorf("setting %s is in no configuration that is applied (TestEverySetting), or at its default alone: %v", key, applied[key])
		}
	}
}

// note adds the values under key, and of an object each field's, by the names in docs/settings.md.
func note(all map[string][]string, key string, value any) {
	text, _ := json.Marshal(value) // as the table writes a default
	all[key] = append(all[key], strings.Trim(string(text), `"`))
	fields, _ := value.(map[string]any)
	for name, field := range fields {
		switch key {
		case "":
		case "services":
			name = "services.<name>"
		default:
			name = key + "." + name
		}
		note(all, name, field)
	}
}
