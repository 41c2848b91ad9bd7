package e2e

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// change is a row of the table of changes: settings that differ from the base, and what the engine may do about it.
type change struct {
	name string
	set  settings
	want []string
}

// What several rows have in common. Braces are alternatives, as in a shell.
const (
	deploy  = "update ecs/service producer-{book,author}"
	newTask = "replace ecs/taskDefinition producer-{book,author}"
	zoned   = "{public,private}-{1,2}"
)

// changes has a row for every setting. Two settings have none: of another region or profile the state knows nothing,
// which makes it another stack.
var changes = []change{
	{"producer range", settings{"producerVpcCidr": "10.2.0.0/16"}, []string{
		"replace ec2/vpc producer", "update ec2/internetGateway producer", "replace ec2/defaultSecurityGroup producer",
		"replace ec2/{subnet,routeTable,routeTableAssociation,route} producer-" + zoned, "replace ec2/natGateway producer-1",
		"replace ec2/vpcEndpoint producer-s3", "replace ec2/securityGroup producer-{link,alb,book,author}",
		"replace vpc/securityGroup{Egress,Ingress}Rule producer-link-to-producer-alb",
		"replace vpc/securityGroup{Egress,Ingress}Rule producer-alb-to-producer-{book,author}",
		"replace vpc/securityGroupEgressRule producer-{book,author}-to-https",
		"replace apigatewayv2/vpcLink producer", "update apigatewayv2/integration consumer",
		"update lb/loadBalancer producer", "replace lb/targetGroup producer-{book,author}", "update lb/listenerRule producer-{book,author}",
		"replace servicediscovery/privateDnsNamespace producer", "replace servicediscovery/service producer-{book,author}", deploy,
	}},
	{"consumer range", settings{"consumerVpcCidr": "10.3.0.0/16"}, []string{
		"replace ec2/vpc consumer", "update ec2/internetGateway consumer", "replace ec2/defaultSecurityGroup consumer",
		"replace ec2/{subnet,routeTable,routeTableAssociation,route} consumer-public-{1,2}",
		"replace ec2/securityGroup consumer-bastion", "replace vpc/securityGroupEgressRule consumer-bastion-to-https",
		"replace ec2/instance consumer-bastion",
	}},
	{"zones by name", byName, []string{
		"replace ec2/{subnet,routeTableAssociation} producer-" + zoned, "replace ec2/natGateway producer-1", "replace ec2/route producer-private-{1,2}",
		"replace ec2/{subnet,routeTableAssociation} consumer-public-{1,2}", "replace ec2/instance consumer-bastion",
		"replace apigatewayv2/vpcLink producer", "update apigatewayv2/integration consumer", "update lb/loadBalancer producer", deploy,
	}},
	{"number of zones", settings{"availabilityZoneCount": 3}, []string{
		"create ec2/{subnet,routeTable,routeTableAssociation,route} producer-{public,private}-3",
		"replace ec2/{subnet,routeTableAssociation} producer-" + zoned, "replace ec2/natGateway producer-1", "replace ec2/route producer-private-{1,2}",
		"replace apigatewayv2/vpcLink producer", "update apigatewayv2/integration consumer", "update lb/loadBalancer producer", deploy,
	}},
	{"NAT per zone", settings{"egress": "nat-per-zone"}, []string{
		"create ec2/{eip,natGateway} producer-2", "update ec2/route producer-private-2",
	}},
	{"endpoints instead of NAT", settings{"egress": "endpoints"}, egress("create", "delete")},
	{"namespace", settings{"namespace": "shop.internal"}, newNamespace},
	{"spot", settings{"spot": true, "healthCheckIntervalSeconds": 10, "drainSeconds": 25}, []string{
		"update ecs/clusterCapacityProviders producer", "update lb/targetGroup producer-{book,author}", newTask, deploy,
	}},
	{"tasks on demand", settings{"spot": true, "healthCheckIntervalSeconds": 10, "drainSeconds": 25, "onDemandBase": 1}, []string{
		"update ecs/clusterCapacityProviders producer", "update lb/targetGroup producer-{book,author}", newTask, deploy,
	}},
	{"architecture", settings{"architecture": "x86_64"}, []string{"update docker:index/image producer-{book,author}", newTask, deploy}},
	{"cpu", settings{"cpu": 512, "memory": 1024}, []string{newTask, deploy}},
	{"memory", settings{"memory": 1024}, []string{newTask, deploy}},
	{"desired count", settings{"desiredCount": 3}, []string{deploy}},
	{"log retention", settings{"logRetentionDays": 7}, []string{"update cloudwatch/logGroup {consumer,producer-insights,producer-book,producer-author}"}},
	{"health check interval", settings{"healthCheckIntervalSeconds": 20}, []string{"update lb/targetGroup producer-{book,author}", deploy}},
	{"health check timeout", settings{"healthCheckTimeoutSeconds": 5}, []string{"update lb/targetGroup producer-{book,author}"}},
	{"deregistration delay", settings{"deregistrationDelaySeconds": 60}, []string{"update lb/targetGroup producer-{book,author}"}},
	{"drain time", settings{"drainSeconds": 8}, []string{newTask, deploy}},
	{"stop timeout", settings{"stopTimeoutSeconds": 60}, []string{newTask, deploy}},
	{"waiting", settings{"waitForSteadyState": false}, nil},
	{"waiting time", settings{"deploymentTimeoutMinutes": 15}, nil},
	{"environment of one service", one(settings{"environment": map[string]any{"A": "b"}}), []string{
		"replace ecs/taskDefinition producer-book", "update ecs/service producer-book",
	}},
	{"size of one service", one(settings{"cpu": 512, "memory": 1024}), []string{
		"replace ecs/taskDefinition producer-book", "update ecs/service producer-book",
	}},
	{"count of one service", one(settings{"desiredCount": 4}), []string{"update ecs/service producer-book"}},
	{"scaling", settings{"scaling": map[string]any{"min": 3, "max": 8, "cpu": 50, "requestsPerTarget": 600}}, []string{
		"create appautoscaling/target producer-{book,author}", "create appautoscaling/policy producer-{book,author}-{cpu,requests}", deploy,
	}},
	{"scaling of one service", one(settings{"scaling": map[string]any{"min": 3, "max": 8, "cpu": 50, "requestsPerTarget": 600}}), []string{
		"create appautoscaling/target producer-book", "create appautoscaling/policy producer-book-{cpu,requests}", "update ecs/service producer-book",
	}},
	{"secret of one service", one(settings{"secrets": map[string]any{"KEY": "arn:aws:ssm:" + region + ":123456789012:parameter/key"}}), []string{
		"update iam/rolePolicy producer-book-execution", "replace ecs/taskDefinition producer-book", "update ecs/service producer-book",
	}},
	{"name of a parameter, and key of the customer", one(settings{
		"secrets": map[string]any{"KEY": "key"}, "kmsKey": "arn:aws:kms:" + region + ":123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
	}), []string{
		"update iam/rolePolicy producer-book-execution", "replace ecs/taskDefinition producer-book", "update ecs/service producer-book",
	}},
	{"port of one service", one(settings{"port": 9090}), newPort},
	{"user of one service", one(settings{"user": "101:101"}), []string{"replace ecs/taskDefinition producer-book", "update ecs/service producer-book"}},
	{"writable folders of one service", one(settings{"writableFolders": []string{"/tmp", "/var/cache/nginx"}}), []string{
		"replace ecs/taskDefinition producer-book", "update ecs/service producer-book",
	}},
	{"health command of one service", one(settings{"healthCommand": []string{"CMD-SHELL", "wget -qO- localhost:8080"}}), []string{
		"replace ecs/taskDefinition producer-book", "update ecs/service producer-book",
	}},
	{"image of one service", one(settings{"image": "123456789012.dkr.ecr." + region + ".amazonaws.com/book@sha256:" + strings.Repeat("1", 64)}), []string{
		"delete docker:index/image producer-book", "update iam/rolePolicy producer-book-execution",
		"replace ecs/taskDefinition producer-book", "update ecs/service producer-book",
	}},
	{"production", settings{"production": true, "allowUnauthenticated": true}, nil},
	{"open production", settings{"allowUnauthenticated": true}, nil},
	{"no Container Insights", settings{"containerInsights": false}, []string{"update ecs/cluster producer", "delete cloudwatch/logGroup producer-insights"}},
	{"flow logs", settings{"flowLogs": true}, flowLogs("create")},
	{"access logs", settings{"accessLogs": true}, accessLogs("create")},
	{"deletion protection", settings{"deletionProtection": true}, []string{"update ecr/repository producer-{book,author}", "update lb/loadBalancer producer"}},
	{"no bastion", settings{"bastion": false}, bastion("delete")},
	{"bastion AMI", settings{"bastionAmi": ami}, []string{"replace ec2/instance consumer-bastion"}},
	{"SSH", settings{"ssh": map[string]any{"keyName": "key", "cidrs": []string{"192.0.2.0/24"}}}, []string{
		"create vpc/securityGroupIngressRule consumer-bastion-ssh-192.0.2.0-24", "replace ec2/instance consumer-bastion",
	}},
	{"integration timeout", settings{"integrationTimeoutSeconds": 20}, []string{"update apigatewayv2/integration consumer"}},
	{"throttle burst", settings{"throttle": map[string]any{"burst": 50}}, []string{"update apigatewayv2/stage consumer"}},
	{"throttle rate", settings{"throttle": map[string]any{"rate": 50}}, []string{"update apigatewayv2/stage consumer"}},
	{"CORS", settings{"cors": cors(nil)}, []string{"update apigatewayv2/api consumer"}},
	{"CORS methods", settings{"cors": cors(settings{"allowMethods": []string{"GET"}})}, []string{"update apigatewayv2/api consumer"}},
	{"CORS headers", settings{"cors": cors(settings{"allowHeaders": []string{"authorization"}})}, []string{"update apigatewayv2/api consumer"}},
	{"CORS max age", settings{"cors": cors(settings{"maxAgeSeconds": 60})}, []string{"update apigatewayv2/api consumer"}},
	{"IAM authorization", settings{"authorization": "iam"}, []string{
		"update apigatewayv2/route consumer", "create iam/rolePolicy consumer-bastion", "replace ec2/instance consumer-bastion",
	}},
	{"public health, and IAM authorization", settings{"publicHealth": true, "authorization": "iam"}, []string{
		"create apigatewayv2/route consumer-{book,author}-health",
		"update apigatewayv2/route consumer", "create iam/rolePolicy consumer-bastion", "replace ec2/instance consumer-bastion",
	}},
	{"public health of a public API", settings{"publicHealth": true}, nil},
	{"JWT authorization", settings{"authorization": "jwt", "jwt": map[string]any{"issuer": "https://issuer.example.com", "audiences": []string{"api"}}}, []string{
		"create apigatewayv2/authorizer consumer", "update apigatewayv2/route consumer",
	}},
	{"JWT authorization and CORS", settings{
		"authorization": "jwt", "jwt": map[string]any{"issuer": "https://issuer.example.com", "audiences": []string{"api"}}, "cors": cors(nil),
	}, []string{
		"create apigatewayv2/authorizer consumer", "update apigatewayv2/route consumer", "create apigatewayv2/route consumer-preflight", "update apigatewayv2/api consumer",
	}},
	{"domain", domain("api.example.com", true), slices.Concat(newDomain("create"), withHTTPS("create", "delete"))},
	{"domain alone", domain("api.example.com", false), slices.Concat(newDomain("create"), withHTTPS("create", "delete"), []string{"update apigatewayv2/api consumer"})},
	{"tags", settings{"tags": map[string]any{"Team": "books"}}, []string{
		"update pulumi:providers aws", "update ec2/{vpc,internetGateway,defaultSecurityGroup} {producer,consumer}",
		"update ec2/{subnet,routeTable} {producer-" + zoned + ",consumer-public-1,consumer-public-2}",
		"update ec2/{eip,natGateway} producer-1", "update ec2/vpcEndpoint producer-s3",
		"update ec2/securityGroup {consumer-bastion,producer-alb,producer-author,producer-book,producer-link}",
		"update vpc/securityGroup{Egress,Ingress}Rule producer-link-to-producer-alb",
		"update vpc/securityGroup{Egress,Ingress}Rule producer-alb-to-producer-{book,author}",
		"update vpc/securityGroupEgressRule {producer-book,producer-author,consumer-bastion}-to-https",
		"update ec2/instance consumer-bastion", "update iam/instanceProfile consumer-bastion",
		"update iam/role {consumer-bastion,producer-book-execution,producer-book-task,producer-author-execution,producer-author-task}",
		"update apigatewayv2/{api,stage} consumer", "update apigatewayv2/vpcLink producer",
		"update cloudwatch/logGroup {consumer,producer-insights,producer-book,producer-author}",
		"update ecr/repository producer-{book,author}", "update ecs/cluster producer", "update ecs/{service,taskDefinition} producer-{book,author}",
		"update lb/{listener,loadBalancer} producer", "update lb/{listenerRule,targetGroup} producer-{book,author}",
		"update servicediscovery/privateDnsNamespace producer", "update servicediscovery/service producer-{book,author}",
	}},
	{"role", settings{"aws:assumeRole": role}, []string{"update pulumi:providers aws"}},
	{"region unchecked", settings{"aws:skipRegionValidation": true}, []string{"update pulumi:providers aws"}},
	{"allowed accounts", settings{"aws:allowedAccountIds": []string{"123456789012"}}, []string{"update pulumi:providers aws"}},
}

// ami is an AMI that the simulator has, and not the newest one.
const ami = "ami-760aaa0f"

// refusedChanges are those that the program refuses, as it knows what is deployed. They say so in the preview.
var refusedChanges = []refusal{{
	name: "customer managed key", set: settings{"customerManagedKey": true},
	says: []string{project + ":customerManagedKey: true is not allowed", "false in this stack", "repository of service", "another stack"},
}}

func flowLogs(op string) []string {
	return []string{op + " {cloudwatch/logGroup,iam/role,iam/rolePolicy,ec2/flowLog} {producer,consumer}-flow-logs"}
}

func accessLogs(op string) []string {
	return []string{op + " s3/{bucket,bucketPublicAccessBlock,bucketOwnershipControls,bucketPolicy} producer-access-logs", "update lb/loadBalancer producer"}
}

// cors are the settings of one origin, and more.
func cors(more settings) map[string]any {
	return settings{"allowOrigins": []string{"https://example.com"}}.with(more)
}

// one are settings of the service book.
func one(s settings) settings { return settings{"services": map[string]any{"book": map[string]any(s)}} }

// TestPlannedChanges previews every setting's change on one stack and asserts what would be created, updated,
// replaced and deleted: that and no more.
func TestPlannedChanges(t *testing.T) {
	a := newAccount(t)
	a.needZone(t)
	d := a.newStack(t, "plan", nil, base())
	d.up(t)
	mark := a.proxy.Mark()
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			expect(t, d.preview(t, base().with(c.set)), c.want)
		})
	}
	allowed := actions(t, "### Permissions of a preview")
	permissions, err := os.ReadFile("../docs/security.md") // below the policy, those that settings need, such as aws:assumeRole and domain
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range a.proxy.Since(mark) {
		if action := c.Service + ":" + c.Operation; !slices.Contains(allowed, action) && !strings.Contains(string(permissions), "`"+action+"`") {
			t.Errorf("a preview needs %s, which docs/security.md does not have", action)
		}
	}
	for _, c := range refusedChanges {
		t.Run(c.name, func(t *testing.T) {
			_, err := d.tryPreview(t, base().with(c.set))
			refused(t, "preview", err, c.says)
		})
	}
	d.destroy(t)
	a.sweep(t, "plan")
}

// actions are those of the policy below a heading of docs/security.md.
func actions(t *testing.T, heading string) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n"+heading+"\n")
	_, section, _ = strings.Cut(section, "```json")
	section, _, found := strings.Cut(section, "```")
	all := regexp.MustCompile(`"([a-z0-9]+:[A-Z]\w+)"`).FindAllStringSubmatch(section, -1)
	if !found || len(all) == 0 {
		t.Fatalf("docs/security.md has no policy below %q", heading)
	}
	var names []string
	for _, match := range all {
		names = append(names, match[1])
	}
	return names
}

// expect compares operations with a row's.
func expect(t *testing.T, got, want []string) {
	t.Helper()
	var all []string
	for _, op := range want {
		all = append(all, expand(op)...)
	}
	want = slices.Compact(slices.Sorted(slices.Values(all)))
	if !slices.Equal(got, want) {
		t.Errorf("unexpected:\n\t%s\nmissing:\n\t%s", strings.Join(without(got, want), "\n\t"), strings.Join(without(want, got), "\n\t"))
	}
}

// without returns what is in a and not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// expand writes out braces, the innermost first.
func expand(text string) []string {
	closing := strings.Index(text, "}")
	if closing < 0 {
		return []string{text}
	}
	opening := strings.LastIndex(text[:closing], "{")
	var all []string
	for _, choice := range strings.Split(text[opening+1:closing], ",") {
		all = append(all, expand(text[:opening]+choice+text[closing+1:])...)
	}
	return all
}

// edit replaces text in a file, which must be there.
func edit(t *testing.T, file, from, to string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil && !strings.Contains(string(text), from) {
		t.Fatalf("%s does not contain %q", file, from)
	}
	if err == nil {
		err = os.WriteFile(file, []byte(strings.Replace(string(text), from, to, 1)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
