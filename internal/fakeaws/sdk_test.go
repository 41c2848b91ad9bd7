package fakeaws_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/acm"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/apigatewayv2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/appautoscaling"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/servicediscovery"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ssm"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	awsx "github.com/pulumi/pulumi-awsx/sdk/v2/go/awsx/ec2"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"private-api/internal/fakeaws"
	"private-api/internal/fakeaws/network"
	"private-api/internal/testkit"
	"private-api/producer"
	"private-api/stack"
)

// sdk has the resource types as the SDK knows them, which is generated from the provider's schema.
var sdk = map[string]any{
	"aws:acm/certificate:Certificate":                              acm.Certificate{},
	"aws:acm/certificateValidation:CertificateValidation":          acm.CertificateValidation{},
	"aws:apigatewayv2/api:Api":                                     apigatewayv2.Api{},
	"aws:apigatewayv2/apiMapping:ApiMapping":                       apigatewayv2.ApiMapping{},
	"aws:apigatewayv2/domainName:DomainName":                       apigatewayv2.DomainName{},
	"aws:apigatewayv2/authorizer:Authorizer":                       apigatewayv2.Authorizer{},
	"aws:apigatewayv2/integration:Integration":                     apigatewayv2.Integration{},
	"aws:apigatewayv2/route:Route":                                 apigatewayv2.Route{},
	"aws:apigatewayv2/stage:Stage":                                 apigatewayv2.Stage{},
	"aws:apigatewayv2/vpcLink:VpcLink":                             apigatewayv2.VpcLink{},
	"aws:appautoscaling/policy:Policy":                             appautoscaling.Policy{},
	"aws:appautoscaling/target:Target":                             appautoscaling.Target{},
	"aws:cloudwatch/dashboard:Dashboard":                           cloudwatch.Dashboard{},
	"aws:cloudwatch/eventApiDestination:EventApiDestination":       cloudwatch.EventApiDestination{},
	"aws:cloudwatch/eventConnection:EventConnection":               cloudwatch.EventConnection{},
	"aws:cloudwatch/eventRule:EventRule":                           cloudwatch.EventRule{},
	"aws:cloudwatch/eventTarget:EventTarget":                       cloudwatch.EventTarget{},
	"aws:cloudwatch/logGroup:LogGroup":                             cloudwatch.LogGroup{},
	"aws:cloudwatch/metricAlarm:MetricAlarm":                       cloudwatch.MetricAlarm{},
	"aws:cloudwatch/queryDefinition:QueryDefinition":               cloudwatch.QueryDefinition{},
	"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup":            ec2.DefaultSecurityGroup{},
	"aws:ec2/eip:Eip":                                              ec2.Eip{},
	"aws:ec2/flowLog:FlowLog":                                      ec2.FlowLog{},
	"aws:ec2/instance:Instance":                                    ec2.Instance{},
	"aws:ec2/internetGateway:InternetGateway":                      ec2.InternetGateway{},
	"aws:ec2/natGateway:NatGateway":                                ec2.NatGateway{},
	"aws:ec2/route:Route":                                          ec2.Route{},
	"aws:ec2/routeTable:RouteTable":                                ec2.RouteTable{},
	"aws:ec2/routeTableAssociation:RouteTableAssociation":          ec2.RouteTableAssociation{},
	"aws:ec2/securityGroup:SecurityGroup":                          ec2.SecurityGroup{},
	"aws:ec2/subnet:Subnet":                                        ec2.Subnet{},
	"aws:ec2/vpc:Vpc":                                              ec2.Vpc{},
	"aws:ec2/vpcEndpoint:VpcEndpoint":                              ec2.VpcEndpoint{},
	"aws:ecr/lifecyclePolicy:LifecyclePolicy":                      ecr.LifecyclePolicy{},
	"aws:ecr/repository:Repository":                                ecr.Repository{},
	"aws:ecs/cluster:Cluster":                                      ecs.Cluster{},
	"aws:ecs/clusterCapacityProviders:ClusterCapacityProviders":    ecs.ClusterCapacityProviders{},
	"aws:ecs/service:Service":                                      ecs.Service{},
	"aws:ecs/taskDefinition:TaskDefinition":                        ecs.TaskDefinition{},
	"aws:iam/instanceProfile:InstanceProfile":                      iam.InstanceProfile{},
	"aws:iam/role:Role":                                            iam.Role{},
	"aws:iam/rolePolicy:RolePolicy":                                iam.RolePolicy{},
	"aws:iam/rolePolicyAttachment:RolePolicyAttachment":            iam.RolePolicyAttachment{},
	"aws:kms/key:Key":                                              kms.Key{},
	"aws:lb/listener:Listener":                                     lb.Listener{},
	"aws:lb/listenerCertificate:ListenerCertificate":               lb.ListenerCertificate{},
	"aws:lb/listenerRule:ListenerRule":                             lb.ListenerRule{},
	"aws:lb/loadBalancer:LoadBalancer":                             lb.LoadBalancer{},
	"aws:lb/targetGroup:TargetGroup":                               lb.TargetGroup{},
	"aws:s3/bucketOwnershipControls:BucketOwnershipControls":       s3.BucketOwnershipControls{},
	"aws:s3/bucketPolicy:BucketPolicy":                             s3.BucketPolicy{},
	"aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock":       s3.BucketPublicAccessBlock{},
	"aws:s3/bucket:Bucket":                                         s3.Bucket{},
	"aws:route53/record:Record":                                    route53.Record{},
	"aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": servicediscovery.PrivateDnsNamespace{},
	"aws:servicediscovery/service:Service":                         servicediscovery.Service{},
	"aws:sns/topic:Topic":                                          sns.Topic{},
	"aws:sns/topicPolicy:TopicPolicy":                              sns.TopicPolicy{},
	"aws:sns/topicSubscription:TopicSubscription":                  sns.TopicSubscription{},
	"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule":      vpc.SecurityGroupEgressRule{},
	"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule":    vpc.SecurityGroupIngressRule{},
	"docker:index/image:Image":                                     docker.Image{},
}

// outputs returns the outputs of a struct of the SDK with their types.
func outputs(of any) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for _, field := range reflect.VisibleFields(reflect.TypeOf(of)) {
		name, _, _ := strings.Cut(field.Tag.Get("pulumi"), ",")
		if name != "" && name != "id" && name != "urn" { // these two come from Pulumi
			all[name] = field.Type
		}
	}
	return all
}

// runs are configurations that together use every input of every type, with adopted.
var runs = []map[string]string{
	{"alarms": "true", "alarmEmails": `["on-call@example.com"]`, "dashboard": "true", "savedQueries": "true", "keepLinkWarm": "true",
		"egress": "nat", "customerManagedKey": "true", "flowLogs": "true", "accessLogs": "true", "cors": `{"allowOrigins":["https://ui.example.com"]}`, "ssh": `{"keyName":"me","cidrs":["203.0.113.0/24"]}`},
	{"egress": "endpoints", "customerManagedKey": "true", "authorization": "jwt", "jwt": `{"issuer":"https://issuer.example.com","audiences":["api"]}`, "services": `{"alpha":{"writableFolders":["/tmp"]}}`,
		"scaling": `{"max":4,"requestsPerTarget":600}`,
		"domain":  `{"name":"api.example.com","zone":"example.com","keepExecuteApi":false}`},
}

// adopted is one more, in an account that has a load balancer.
var adopted = map[string]string{"listener": `{"arn":"` + testkit.ListenerArn + `","serverName":"shop.example.com","paths":{"orders":"/orders"}}`}

// record runs the program with each configuration.
func record(t *testing.T, replace func(r *testkit.Resource, outputs resource.PropertyMap)) []*testkit.Recorder {
	t.Helper()
	var all []*testkit.Recorder
	account := fakeaws.Default
	account.Existing = testkit.Existing()
	(*account.Existing)[testkit.ListenerArn]["protocol"] = "HTTPS"
	for _, settings := range append(slices.Clone(runs), adopted) {
		config := map[string]string{}
		for key, value := range settings {
			config["private-api:"+key] = value
		}
		r := &testkit.Recorder{Replace: replace, Account: account}
		if err := r.Run(stack.Program{Root: testkit.Apps(t, "alpha", "beta"), Services: []producer.Service{
			{Name: "alpha", Path: "/alpha", Priority: 10, AllowFrom: []string{"beta"}}, {Name: "beta", Path: "/beta", Priority: 20},
		}}.Deploy, config); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// recorded returns all resources of the table's types.
func recorded(t *testing.T) []*testkit.Resource {
	t.Helper()
	var all []*testkit.Resource
	for _, run := range record(t, nil) {
		all = append(all, slices.DeleteFunc(run.Resources, func(r *testkit.Resource) bool { return r.ID == "" })...)
	}
	return all
}

// The recorder refuses an input that the table does not have; this is the other side.
func TestTableHasNoMoreThanTheProgramUses(t *testing.T) {
	used := map[string][]string{}
	for _, r := range recorded(t) {
		for input := range r.Inputs {
			used[r.Type] = append(used[r.Type], string(input))
		}
		used[r.Type] = append(used[r.Type], "name") // Pulumi gives it
	}
	if got, want := slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(sdk)); !slices.Equal(got, want) {
		t.Errorf("the program has the types\n%v\nthe tests know\n%v", got, want)
	}
	if got, want := fakeaws.Types(), slices.Sorted(maps.Keys(sdk)); !slices.Equal(got, want) {
		t.Errorf("the table has the types\n%v\nthe tests know\n%v", got, want)
	}
	for token := range sdk {
		for _, input := range typeOf(t, token).Inputs() {
			if !slices.Contains(used[token], input) {
				t.Errorf("%s: the program never sets the input %s", token, input)
			}
		}
	}
}

// An output that the table does not have says so here; the program must not pass it on.
func TestTableHasEveryOutputThatTheProgramReads(t *testing.T) {
	const missing = "is not in internal/fakeaws/table.go"
	recorders := record(t, func(r *testkit.Resource, made resource.PropertyMap) {
		known := sdk[r.Type]
		if r.Type == network.Token {
			known = awsx.Vpc{}
		}
		for name, kind := range outputs(known) {
			if key := resource.PropertyKey(name); !made.HasValue(key) && strings.HasPrefix(kind.Name(), "String") {
				message := fmt.Sprintf("output %s of %s %s", name, r.Type, missing)
				text := resource.NewProperty(message + "@" + message) // whichever side of it the program takes
				made[key] = text
				if strings.Contains(kind.Name(), "Array") {
					made[key] = resource.NewProperty([]resource.PropertyValue{text})
				}
			}
		}
	})
	for _, r := range recorders {
		exports, err := json.Marshal(r.Exports)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(r.Golden()+string(exports), "\n") {
			if strings.Contains(line, missing) {
				t.Error(line)
			}
		}
	}
}

func TestOutputsAreThoseOfTheSDK(t *testing.T) {
	for token, made := range sdk {
		for _, name := range typeOf(t, token).Outputs() {
			if outputs(made)[name] == nil {
				t.Errorf("%s: the SDK has no output %s", token, name)
			}
		}
	}
	for name, thing := range *testkit.Existing() {
		var result any = ec2.LookupSubnetResult{}
		switch name {
		case testkit.ListenerArn:
			result = lb.LookupListenerResult{}
		case testkit.BalancerArn:
			result = lb.LookupLoadBalancerResult{}
		}
		for output := range thing {
			if outputs(result)[output] == nil {
				t.Errorf("%s: the SDK has no output %s", name, output)
			}
		}
	}
	for token, result := range map[string]any{
		"aws:ecr/getAuthorizationToken:getAuthorizationToken": ecr.GetAuthorizationTokenResult{},
		"aws:index/getAvailabilityZones:getAvailabilityZones": aws.GetAvailabilityZonesResult{},
		"aws:index/getCallerIdentity:getCallerIdentity":       aws.GetCallerIdentityResult{},
		"aws:route53/getZone:getZone":                         route53.LookupZoneResult{},
		"aws:ssm/getParameter:getParameter":                   ssm.LookupParameterResult{},
	} {
		answer, err := fakeaws.Default.Invoke(token, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, kind := range outputs(result) {
			// What is optional is an argument, and comes back.
			if optional := kind.Kind() == reflect.Pointer || strings.HasPrefix(name, "exclude") || name == "filters"; !optional && !answer.HasValue(resource.PropertyKey(name)) {
				t.Errorf("%s: the answer has no %s", token, name)
			}
		}
	}
}
