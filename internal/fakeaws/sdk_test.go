package fakeaws

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/apigatewayv2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/servicediscovery"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// described is a resource type as the SDK has it, which is generated from the provider's schema.
type described struct {
	state any
	args  pulumi.Input
}

var sdk = map[string]described{
	"aws:apigatewayv2/api:Api":                                     {apigatewayv2.Api{}, apigatewayv2.ApiArgs{}},
	"aws:apigatewayv2/authorizer:Authorizer":                       {apigatewayv2.Authorizer{}, apigatewayv2.AuthorizerArgs{}},
	"aws:apigatewayv2/integration:Integration":                     {apigatewayv2.Integration{}, apigatewayv2.IntegrationArgs{}},
	"aws:apigatewayv2/route:Route":                                 {apigatewayv2.Route{}, apigatewayv2.RouteArgs{}},
	"aws:apigatewayv2/stage:Stage":                                 {apigatewayv2.Stage{}, apigatewayv2.StageArgs{}},
	"aws:apigatewayv2/vpcLink:VpcLink":                             {apigatewayv2.VpcLink{}, apigatewayv2.VpcLinkArgs{}},
	"aws:cloudwatch/logGroup:LogGroup":                             {cloudwatch.LogGroup{}, cloudwatch.LogGroupArgs{}},
	"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup":            {ec2.DefaultSecurityGroup{}, ec2.DefaultSecurityGroupArgs{}},
	"aws:ec2/eip:Eip":                                              {ec2.Eip{}, ec2.EipArgs{}},
	"aws:ec2/instance:Instance":                                    {ec2.Instance{}, ec2.InstanceArgs{}},
	"aws:ec2/internetGateway:InternetGateway":                      {ec2.InternetGateway{}, ec2.InternetGatewayArgs{}},
	"aws:ec2/natGateway:NatGateway":                                {ec2.NatGateway{}, ec2.NatGatewayArgs{}},
	"aws:ec2/route:Route":                                          {ec2.Route{}, ec2.RouteArgs{}},
	"aws:ec2/routeTable:RouteTable":                                {ec2.RouteTable{}, ec2.RouteTableArgs{}},
	"aws:ec2/routeTableAssociation:RouteTableAssociation":          {ec2.RouteTableAssociation{}, ec2.RouteTableAssociationArgs{}},
	"aws:ec2/securityGroup:SecurityGroup":                          {ec2.SecurityGroup{}, ec2.SecurityGroupArgs{}},
	"aws:ec2/subnet:Subnet":                                        {ec2.Subnet{}, ec2.SubnetArgs{}},
	"aws:ec2/vpc:Vpc":                                              {ec2.Vpc{}, ec2.VpcArgs{}},
	"aws:ec2/vpcEndpoint:VpcEndpoint":                              {ec2.VpcEndpoint{}, ec2.VpcEndpointArgs{}},
	"aws:ecr/lifecyclePolicy:LifecyclePolicy":                      {ecr.LifecyclePolicy{}, ecr.LifecyclePolicyArgs{}},
	"aws:ecr/repository:Repository":                                {ecr.Repository{}, ecr.RepositoryArgs{}},
	"aws:ecs/cluster:Cluster":                                      {ecs.Cluster{}, ecs.ClusterArgs{}},
	"aws:ecs/clusterCapacityProviders:ClusterCapacityProviders":    {ecs.ClusterCapacityProviders{}, ecs.ClusterCapacityProvidersArgs{}},
	"aws:ecs/service:Service":                                      {ecs.Service{}, ecs.ServiceArgs{}},
	"aws:ecs/taskDefinition:TaskDefinition":                        {ecs.TaskDefinition{}, ecs.TaskDefinitionArgs{}},
	"aws:iam/instanceProfile:InstanceProfile":                      {iam.InstanceProfile{}, iam.InstanceProfileArgs{}},
	"aws:iam/role:Role":                                            {iam.Role{}, iam.RoleArgs{}},
	"aws:iam/rolePolicy:RolePolicy":                                {iam.RolePolicy{}, iam.RolePolicyArgs{}},
	"aws:iam/rolePolicyAttachment:RolePolicyAttachment":            {iam.RolePolicyAttachment{}, iam.RolePolicyAttachmentArgs{}},
	"aws:lb/listener:Listener":                                     {lb.Listener{}, lb.ListenerArgs{}},
	"aws:lb/listenerRule:ListenerRule":                             {lb.ListenerRule{}, lb.ListenerRuleArgs{}},
	"aws:lb/loadBalancer:LoadBalancer":                             {lb.LoadBalancer{}, lb.LoadBalancerArgs{}},
	"aws:lb/targetGroup:TargetGroup":                               {lb.TargetGroup{}, lb.TargetGroupArgs{}},
	"aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": {servicediscovery.PrivateDnsNamespace{}, servicediscovery.PrivateDnsNamespaceArgs{}},
	"aws:servicediscovery/service:Service":                         {servicediscovery.Service{}, servicediscovery.ServiceArgs{}},
	"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule":      {vpc.SecurityGroupEgressRule{}, vpc.SecurityGroupEgressRuleArgs{}},
	"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule":    {vpc.SecurityGroupIngressRule{}, vpc.SecurityGroupIngressRuleArgs{}},
	"docker:index/image:Image":                                     {docker.Image{}, docker.ImageArgs{}},
}

// inputs returns the arguments by name.
func (d described) inputs() map[string]reflect.Type { return tagged(d.args.ElementType()) }

// computed returns the names of the outputs that are no arguments, sorted.
func (d described) computed() []string {
	outputs := tagged(reflect.TypeOf(d.state))
	for name := range d.inputs() {
		delete(outputs, name)
	}
	return slices.Sorted(maps.Keys(outputs))
}

func tagged(t reflect.Type) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("pulumi"), ",")
		if name != "" && name != "id" && name != "urn" { // those two are not the provider's
			all[name] = f.Type
		}
	}
	return all
}

func TestEveryTypeIsDescribed(t *testing.T) {
	if got, want := Types(), slices.Sorted(maps.Keys(sdk)); !slices.Equal(got, want) {
		t.Errorf("the table has\n%v\nthe SDK was asked for\n%v", got, want)
	}
}

func TestComputedOutputsAreThoseOfTheProvider(t *testing.T) {
	for token, d := range sdk {
		known, err := TypeOf(token)
		if err != nil {
			t.Error(err)
			continue
		}
		outputs := tagged(reflect.TypeOf(d.state))
		for _, name := range d.computed() {
			if !slices.Contains(known.Computed(), name) {
				t.Errorf("%s: output %s is missing", token, name)
			}
		}
		inputs := d.inputs()
		for _, name := range known.Computed() {
			if outputs[name] == nil {
				t.Errorf("%s: the provider has no output %s", token, name)
			}
		}
		for name := range known.defaults {
			if inputs[name] == nil {
				t.Errorf("%s: the provider has no input %s to give a default", token, name)
			}
		}
		for _, name := range known.replace {
			if inputs[name] == nil {
				t.Errorf("%s: the provider has no input %s that could replace", token, name)
			}
		}
	}
}
