package fakeaws

import "strings"

// Image is the type token of pulumi-docker's image.
const Image = "docker:index/image:Image"

// types says, for each resource type of this program, which inputs it has, what a change of each does, and what AWS adds.
// It has the inputs that the program or awsx sets and the outputs that something reads; tests compare both with a run of
// the program, and the changes with the real AWS provider. An input of which one part needs a replacement counts as whole.
//
// Patterns refer to $id, $region, $account, any string input by its name, ${hexN} (N hex digits, other ones for each
// resource), ${input after text} (the rest of an ARN), $revision (of a task definition), $imageRepository, $imageDigest.
var types = map[string]Type{
	"aws:apigatewayv2/api:Api": {
		id:      "${hex10}",
		outputs: map[string]string{"apiEndpoint": "https://$id.execute-api.$region.amazonaws.com"},
		update:  words("corsConfiguration description name"),
		replace: words("protocolType"),
		maxName: 128,
	},
	"aws:apigatewayv2/authorizer:Authorizer": {
		id:      "${hex6}",
		update:  words("authorizerType identitySources jwtConfiguration name"),
		replace: words("apiId"),
		maxName: 128,
	},
	"aws:apigatewayv2/integration:Integration": {
		id:      "${hex7}",
		update:  words("connectionId connectionType integrationMethod integrationUri payloadFormatVersion timeoutMilliseconds"),
		replace: words("apiId integrationType"),
	},
	"aws:apigatewayv2/route:Route": {
		id:      "${hex7}",
		update:  words("authorizationType authorizerId routeKey target"),
		replace: words("apiId"),
	},
	"aws:apigatewayv2/stage:Stage": {
		id:      "$name",
		update:  words("accessLogSettings autoDeploy defaultRouteSettings"),
		replace: words("apiId name"),
	},
	"aws:apigatewayv2/vpcLink:VpcLink": {
		id:      "${hex6}",
		update:  words("name"),
		replace: words("securityGroupIds subnetIds"),
		maxName: 128,
	},
	"aws:cloudwatch/logGroup:LogGroup": {
		id:      "$namePrefix${hex26}",
		outputs: map[string]string{"arn": "arn:aws:logs:$region:$account:log-group:$id", "name": "$id"},
		update:  words("retentionInDays"),
		replace: words("namePrefix"),
	},
	"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": {
		id:      "sg-${hex17}",
		replace: words("vpcId"),
	},
	"aws:ec2/eip:Eip": {
		id:      "eipalloc-${hex17}",
		outputs: map[string]string{"allocationId": "$id"},
		update:  words("tags"),
	},
	"aws:ec2/instance:Instance": {
		id:      "i-${hex17}",
		outputs: map[string]string{"publicIp": "203.0.113.10"}, // of the block for documentation, RFC 5737
		update:  words("iamInstanceProfile instanceType metadataOptions tags userDataReplaceOnChange vpcSecurityGroupIds"),
		// Another userData replaces the instance with userDataReplaceOnChange, which the program sets.
		replace: words("ami associatePublicIpAddress ebsOptimized keyName rootBlockDevice subnetId userData"),
	},
	"aws:ec2/internetGateway:InternetGateway": {
		id:     "igw-${hex17}",
		update: words("tags vpcId"),
	},
	"aws:ec2/natGateway:NatGateway": {
		id:      "nat-${hex17}",
		update:  words("tags"),
		replace: words("allocationId subnetId"),
	},
	"aws:ec2/route:Route": {
		id:      "r-$routeTableId${hex10}",
		update:  words("gatewayId natGatewayId"),
		replace: words("destinationCidrBlock routeTableId"),
	},
	"aws:ec2/routeTable:RouteTable": {
		id:      "rtb-${hex17}",
		update:  words("tags"),
		replace: words("vpcId"),
	},
	"aws:ec2/routeTableAssociation:RouteTableAssociation": {
		id:      "rtbassoc-${hex17}",
		update:  words("routeTableId"),
		replace: words("subnetId"),
	},
	"aws:ec2/securityGroup:SecurityGroup": {
		id:      "sg-${hex17}",
		update:  words("tags"),
		replace: words("description name vpcId"),
		maxName: 255,
	},
	"aws:ec2/subnet:Subnet": {
		id:      "subnet-${hex17}",
		update:  words("mapPublicIpOnLaunch tags"),
		replace: words("availabilityZone cidrBlock vpcId"),
	},
	"aws:ec2/vpc:Vpc": {
		id:      "vpc-${hex17}",
		update:  words("enableDnsHostnames enableDnsSupport tags"),
		replace: words("cidrBlock"),
	},
	"aws:ec2/vpcEndpoint:VpcEndpoint": {
		id:      "vpce-${hex17}",
		outputs: map[string]string{"prefixListId": "pl-${hex8}"},
		update:  words("privateDnsEnabled routeTableIds securityGroupIds subnetIds tags"),
		replace: words("serviceName vpcEndpointType vpcId"),
	},
	"aws:ecr/lifecyclePolicy:LifecyclePolicy": {
		id:      "$repository",
		replace: words("policy repository"),
	},
	"aws:ecr/repository:Repository": {
		id:      "$name",
		outputs: map[string]string{"arn": "arn:aws:ecr:$region:$account:repository/$name", "repositoryUrl": "$account.dkr.ecr.$region.amazonaws.com/$name"},
		update:  words("forceDelete imageScanningConfiguration imageTagMutability"),
		replace: words("encryptionConfigurations name"),
		maxName: 256,
		lower:   true,
	},
	"aws:ecs/cluster:Cluster": {
		id:      "arn:aws:ecs:$region:$account:cluster/$name",
		outputs: map[string]string{"arn": "$id"},
		update:  words("settings"),
		replace: words("name"),
		maxName: 255,
	},
	"aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": {
		id:      "$clusterName",
		update:  words("capacityProviders defaultCapacityProviderStrategies"),
		replace: words("clusterName"),
	},
	"aws:ecs/service:Service": {
		id: "arn:aws:ecs:$region:$account:service/${cluster after cluster/}/$name",
		// Another capacityProviderStrategies replaces the service, except with forceNewDeployment, which the program sets.
		update: words("availabilityZoneRebalancing capacityProviderStrategies deploymentCircuitBreaker deploymentMaximumPercent " +
			"deploymentMinimumHealthyPercent desiredCount enableEcsManagedTags forceNewDeployment healthCheckGracePeriodSeconds " +
			"loadBalancers networkConfiguration platformVersion propagateTags serviceRegistries taskDefinition waitForSteadyState"),
		replace: words("cluster name"),
		maxName: 255,
	},
	"aws:ecs/taskDefinition:TaskDefinition": {
		id:      "$family",
		outputs: map[string]string{"arn": "arn:aws:ecs:$region:$account:task-definition/$family:$revision"},
		replace: words("containerDefinitions cpu executionRoleArn family memory networkMode requiresCompatibilities runtimePlatform taskRoleArn volumes"),
	},
	"aws:iam/instanceProfile:InstanceProfile": {
		id:      "$name",
		update:  words("role"),
		replace: words("name"),
		maxName: 128,
	},
	"aws:iam/role:Role": {
		id:      "$name",
		outputs: map[string]string{"arn": "arn:aws:iam::$account:role/$name"},
		update:  words("assumeRolePolicy description"),
		replace: words("name"),
		maxName: 64,
	},
	"aws:iam/rolePolicy:RolePolicy": {
		id:      "$role:$name",
		update:  words("policy"),
		replace: words("name role"),
		maxName: 128,
	},
	"aws:iam/rolePolicyAttachment:RolePolicyAttachment": {
		id:      "$role-${hex17}",
		replace: words("policyArn role"),
	},
	"aws:lb/listener:Listener": {
		id:      "arn:aws:elasticloadbalancing:$region:$account:listener/${loadBalancerArn after loadbalancer/}/${hex16}",
		outputs: map[string]string{"arn": "$id"},
		update:  words("defaultActions port protocol"),
		replace: words("loadBalancerArn"),
	},
	"aws:lb/listenerRule:ListenerRule": {
		id:      "arn:aws:elasticloadbalancing:$region:$account:listener-rule/${listenerArn after listener/}/${hex16}",
		update:  words("actions conditions priority"),
		replace: words("listenerArn"),
	},
	"aws:lb/loadBalancer:LoadBalancer": {
		id:      "arn:aws:elasticloadbalancing:$region:$account:loadbalancer/app/$name/${hex16}",
		outputs: map[string]string{"arn": "$id"},
		update:  words("desyncMitigationMode dropInvalidHeaderFields enableDeletionProtection idleTimeout securityGroups subnets"),
		replace: words("internal loadBalancerType name"),
		maxName: 32,
	},
	"aws:lb/targetGroup:TargetGroup": {
		id:      "arn:aws:elasticloadbalancing:$region:$account:targetgroup/$name/${hex16}",
		outputs: map[string]string{"arn": "$id"},
		update:  words("deregistrationDelay healthCheck"),
		replace: words("name port protocol targetType vpcId"),
		maxName: 32,
	},
	"aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": {
		id:      "ns-${hex16}",
		update:  words("description"),
		replace: words("name vpc"),
	},
	"aws:servicediscovery/service:Service": {
		id:      "srv-${hex16}",
		outputs: map[string]string{"arn": "arn:aws:servicediscovery:$region:$account:service/$id"},
		update:  words("description forceDestroy"),
		replace: words("dnsConfig healthCheckCustomConfig name"),
	},
	"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": {
		id:      "sgr-${hex17}",
		update:  words("cidrIpv4 description fromPort ipProtocol prefixListId referencedSecurityGroupId toPort"),
		replace: words("securityGroupId"),
	},
	"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {
		id:      "sgr-${hex17}",
		update:  words("cidrIpv4 description fromPort ipProtocol referencedSecurityGroupId toPort"),
		replace: words("securityGroupId"),
	},
	// The stand-in for Docker builds the image and adds build.contextDigest, a hash of what goes in. Where nothing is
	// built, as in unit tests, the digest is a hash of the inputs.
	Image: {
		id:      "$imageRepository@sha256:$imageDigest",
		outputs: map[string]string{"repoDigest": "$id"},
		update:  words("build buildOnPreview imageName registry skipPush"),
	},
}

func words(s string) []string { return strings.Fields(s) }
