package fakeaws

// types says, for each resource type that the program uses, what AWS makes of it. Computed values and ids are
// patterns: {id}, {name} (the physical name), {region}, {account}, {hexN} (N hex digits that are the resource's own;
// {hexN:word} gives others), {address} (an IPv4 address) and any string input by its name, {last:input} being what
// follows the last slash or colon of an ARN, {build.input} one within the input build.
//
// What forces a replacement is what the AWS provider says; the inputs that the provider knows and this program never
// sets are listed too, so that the table holds against it. One that does so in a part of it is listed whole.
var types = map[string]Type{
	"aws:apigatewayv2/api:Api": {
		id:      "{hex10}",
		naming:  naming{property: "name", max: 128},
		replace: words("credentialsArn protocolType routeKey target"),
		defaults: values{
			"apiKeySelectionExpression": "$request.header.x-api-key",
			"disableExecuteApiEndpoint": false,
			"ipAddressType":             "ipv4",
			"routeSelectionExpression":  "$request.method $request.path",
		},
		computed: values{
			"apiEndpoint":  "https://{id}.execute-api.{region}.amazonaws.com",
			"arn":          "arn:aws:apigateway:{region}::/apis/{id}",
			"executionArn": "arn:aws:execute-api:{region}:{account}:{id}",
		},
		tagged: true,
	},
	"aws:apigatewayv2/authorizer:Authorizer": {
		id:       "{hex6}",
		naming:   naming{property: "name", max: 128},
		replace:  words("apiId"),
		defaults: values{"authorizerResultTtlInSeconds": 0},
	},
	"aws:apigatewayv2/integration:Integration": {
		id:      "{hex7}",
		replace: words("apiId integrationSubtype integrationType"),
		defaults: values{
			"connectionType":       "INTERNET",
			"payloadFormatVersion": "1.0",
			"timeoutMilliseconds":  30000,
		},
		computed: values{"integrationResponseSelectionExpression": ""},
	},
	"aws:apigatewayv2/route:Route": {
		id:       "{hex7}",
		replace:  words("apiId"),
		defaults: values{"apiKeyRequired": false, "authorizationType": "NONE"},
	},
	"aws:apigatewayv2/stage:Stage": {
		id:       "{name}",
		naming:   naming{property: "name", max: 128},
		replace:  words("apiId name"),
		defaults: values{"autoDeploy": false, "deploymentId": ""},
		computed: values{
			"arn":          "arn:aws:apigateway:{region}::/apis/{apiId}/stages/{id}",
			"executionArn": "arn:aws:execute-api:{region}:{account}:{apiId}/{id}",
			"invokeUrl":    "https://{apiId}.execute-api.{region}.amazonaws.com/",
		},
		tagged: true,
	},
	"aws:apigatewayv2/vpcLink:VpcLink": {
		id:       "{hex6}",
		naming:   naming{property: "name", max: 128},
		replace:  words("securityGroupIds subnetIds"),
		computed: values{"arn": "arn:aws:apigateway:{region}::/vpclinks/{id}"},
		tagged:   true,
	},
	"aws:cloudwatch/logGroup:LogGroup": {
		id:       "{name}",
		naming:   naming{property: "name", max: 512},
		replace:  words("logGroupClass name namePrefix"),
		defaults: values{"logGroupClass": "STANDARD", "retentionInDays": 0, "skipDestroy": false},
		computed: values{"arn": "arn:aws:logs:{region}:{account}:log-group:{name}"},
		tagged:   true,
	},
	"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": {
		id:       "sg-{hex17}",
		replace:  words("vpcId"),
		defaults: values{"ingress": []any{}, "egress": []any{}},
		computed: values{
			"arn":         "arn:aws:ec2:{region}:{account}:security-group/{id}",
			"description": "default VPC security group",
			"name":        "default",
			"namePrefix":  "",
			"ownerId":     "{account}",
		},
		tagged: true,
	},
	"aws:ec2/eip:Eip": {
		id:      "eipalloc-{hex17}",
		replace: words("address domain ipamPoolId networkBorderGroup publicIpv4Pool vpc"),
		defaults: values{
			"domain":             "vpc",
			"instance":           "",
			"ipamPoolId":         "",
			"networkBorderGroup": "{region}",
			"networkInterface":   "",
			"publicIpv4Pool":     "amazon",
			"vpc":                true,
		},
		computed: values{
			"allocationId":    "{id}",
			"arn":             "arn:aws:ec2:{region}:{account}:elastic-ip/{id}",
			"associationId":   "",
			"carrierIp":       "",
			"customerOwnedIp": "",
			"privateDns":      "",
			"privateIp":       "",
			"ptrRecord":       "",
			"publicDns":       "ec2-{address}.{region}.compute.amazonaws.com",
			"publicIp":        "{address}",
		},
		tagged: true,
	},
	"aws:ec2/instance:Instance": {
		id: "i-{hex17}",
		replace: words("ami associatePublicIpAddress availabilityZone cpuCoreCount cpuOptions cpuThreadsPerCore " +
			"ebsBlockDevices ebsOptimized enclaveOptions ephemeralBlockDevices hibernation hostId " +
			"instanceMarketOptions ipv6Addresses keyName launchTemplate networkInterfaces placementGroup " +
			"placementPartitionNumber privateDnsNameOptions privateIp rootBlockDevice securityGroups subnetId tenancy"),
		defaults: values{
			"associatePublicIpAddress": false,
			"getPasswordData":          false,
			"sourceDestCheck":          true,
			"tenancy":                  "default",
			"userDataReplaceOnChange":  false,
		},
		computed: values{
			"arn":                       "arn:aws:ec2:{region}:{account}:instance/{id}",
			"availabilityZone":          "{region}a",
			"instanceLifecycle":         "",
			"instanceState":             "running",
			"outpostArn":                "",
			"passwordData":              "",
			"primaryNetworkInterfaceId": "eni-{hex17:interface}",
			"privateDns":                "ip-10-1-0-4.{region}.compute.internal",
			"privateIp":                 "10.1.0.4",
			"publicDns":                 "ec2-{address}.{region}.compute.amazonaws.com",
			"publicIp":                  "{address}",
			"spotInstanceRequestId":     "",
		},
		tagged: true,
	},
	"aws:ec2/internetGateway:InternetGateway": {
		id: "igw-{hex17}",
		computed: values{
			"arn":     "arn:aws:ec2:{region}:{account}:internet-gateway/{id}",
			"ownerId": "{account}",
		},
		tagged: true,
	},
	"aws:ec2/natGateway:NatGateway": {
		id:       "nat-{hex17}",
		replace:  words("allocationId connectivityType privateIp subnetId"),
		defaults: values{"connectivityType": "public", "privateIp": "10.0.0.5"},
		computed: values{
			"associationId":      "eipassoc-{hex17:association}",
			"networkInterfaceId": "eni-{hex17:interface}",
			"publicIp":           "{address}",
		},
		tagged: true,
	},
	"aws:ec2/route:Route": {
		id:      "r-{last:routeTableId}{hex10}",
		replace: words("destinationCidrBlock destinationIpv6CidrBlock destinationPrefixListId routeTableId"),
		computed: values{
			"instanceId":      "",
			"instanceOwnerId": "",
			"origin":          "CreateRoute",
			"state":           "active",
		},
	},
	"aws:ec2/routeTable:RouteTable": {
		id:       "rtb-{hex17}",
		replace:  words("vpcId"),
		computed: values{"arn": "arn:aws:ec2:{region}:{account}:route-table/{id}", "ownerId": "{account}"},
		tagged:   true,
	},
	"aws:ec2/routeTableAssociation:RouteTableAssociation": {
		id:      "rtbassoc-{hex17}",
		replace: words("gatewayId subnetId"),
	},
	"aws:ec2/securityGroup:SecurityGroup": {
		id:       "sg-{hex17}",
		naming:   naming{property: "name", max: 255},
		replace:  words("description name namePrefix vpcId"),
		defaults: values{"description": "Managed by Pulumi", "revokeRulesOnDelete": false},
		computed: values{
			"arn":     "arn:aws:ec2:{region}:{account}:security-group/{id}",
			"ownerId": "{account}",
		},
		tagged: true,
	},
	"aws:ec2/subnet:Subnet": {
		id:      "subnet-{hex17}",
		replace: words("availabilityZone availabilityZoneId cidrBlock ipv6Native outpostArn vpcId"),
		defaults: values{
			"assignIpv6AddressOnCreation": false,
			"mapPublicIpOnLaunch":         false,
		},
		computed: values{
			"arn":                            "arn:aws:ec2:{region}:{account}:subnet/{id}",
			"ipv6CidrBlockAssociationId":     "",
			"ownerId":                        "{account}",
			"privateDnsHostnameTypeOnLaunch": "ip-name",
		},
		tagged: true,
	},
	"aws:ec2/vpc:Vpc": {
		id:      "vpc-{hex17}",
		replace: words("cidrBlock instanceTenancy ipv4IpamPoolId ipv4NetmaskLength"),
		defaults: values{
			"enableDnsHostnames": false,
			"enableDnsSupport":   true,
			"instanceTenancy":    "default",
		},
		computed: values{
			"arn":                    "arn:aws:ec2:{region}:{account}:vpc/{id}",
			"defaultNetworkAclId":    "acl-{hex17:acl}",
			"defaultRouteTableId":    "rtb-{hex17:main}",
			"defaultSecurityGroupId": "sg-{hex17:default}",
			"dhcpOptionsId":          "dopt-{hex17:dhcp}",
			"ipv6AssociationId":      "",
			"mainRouteTableId":       "rtb-{hex17:main}",
			"ownerId":                "{account}",
		},
		tagged: true,
	},
	"aws:ec2/vpcEndpoint:VpcEndpoint": {
		id:       "vpce-{hex17}",
		replace:  words("resourceConfigurationArn serviceName serviceNetworkArn serviceRegion vpcEndpointType vpcId"),
		defaults: values{"privateDnsEnabled": false, "serviceRegion": "{region}", "vpcEndpointType": "Gateway"},
		computed: values{
			"arn":                 "arn:aws:ec2:{region}:{account}:vpc-endpoint/{id}",
			"cidrBlocks":          []any{},
			"dnsEntries":          []any{},
			"networkInterfaceIds": []any{},
			"ownerId":             "{account}",
			"prefixListId":        "pl-{hex8:prefixes}",
			"requesterManaged":    false,
			"state":               "available",
		},
		tagged: true,
	},
	"aws:ecr/lifecyclePolicy:LifecyclePolicy": {
		id:       "{repository}",
		replace:  words("policy repository"),
		computed: values{"registryId": "{account}"},
	},
	"aws:ecr/repository:Repository": {
		id:       "{name}",
		naming:   naming{property: "name", max: 256, lower: true},
		replace:  words("encryptionConfigurations name"),
		defaults: values{"imageTagMutability": "MUTABLE"},
		computed: values{
			"arn":           "arn:aws:ecr:{region}:{account}:repository/{name}",
			"registryId":    "{account}",
			"repositoryUrl": "{account}.dkr.ecr.{region}.amazonaws.com/{name}",
		},
		tagged: true,
	},
	"aws:ecs/cluster:Cluster": {
		id:       "arn:aws:ecs:{region}:{account}:cluster/{name}",
		naming:   naming{property: "name", max: 255},
		replace:  words("name"),
		computed: values{"arn": "{id}"},
		tagged:   true,
	},
	"aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": {
		id:      "{clusterName}",
		replace: words("clusterName"),
	},
	"aws:ecs/service:Service": {
		id:        "arn:aws:ecs:{region}:{account}:service/{last:cluster}/{name}",
		naming:    naming{property: "name", max: 255},
		replace:   words("capacityProviderStrategies cluster deploymentController iamRole launchType name schedulingStrategy"),
		inPlaceIf: map[string]string{"capacityProviderStrategies": "forceNewDeployment"},
		defaults: values{
			"deploymentMaximumPercent":        200,
			"deploymentMinimumHealthyPercent": 100,
			"enableEcsManagedTags":            false,
			"enableExecuteCommand":            false,
			"iamRole":                         "/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
			"platformVersion":                 "LATEST",
			"schedulingStrategy":              "REPLICA",
			"waitForSteadyState":              false,
		},
		tagged: true,
	},
	"aws:ecs/taskDefinition:TaskDefinition": {
		id:     "{family}",
		naming: naming{property: "family", max: 255},
		replace: words("containerDefinitions cpu enableFaultInjection ephemeralStorage executionRoleArn family " +
			"inferenceAccelerators ipcMode memory networkMode pidMode placementConstraints proxyConfiguration " +
			"requiresCompatibilities runtimePlatform taskRoleArn volumes"),
		defaults: values{"enableFaultInjection": false, "networkMode": "bridge", "skipDestroy": false, "trackLatest": false},
		computed: values{
			"arn":                "arn:aws:ecs:{region}:{account}:task-definition/{family}:{revision}",
			"arnWithoutRevision": "arn:aws:ecs:{region}:{account}:task-definition/{family}",
			"revision":           revision{},
		},
		tagged: true,
	},
	"aws:iam/instanceProfile:InstanceProfile": {
		id:       "{name}",
		naming:   naming{property: "name", max: 128},
		replace:  words("name namePrefix path"),
		defaults: values{"path": "/"},
		computed: values{
			"arn":        "arn:aws:iam::{account}:instance-profile/{name}",
			"createDate": created,
			"uniqueId":   "AIPA{HEX17}",
		},
		tagged: true,
	},
	"aws:iam/role:Role": {
		id:       "{name}",
		naming:   naming{property: "name", max: 64},
		replace:  words("name namePrefix path"),
		defaults: values{"forceDetachPolicies": false, "maxSessionDuration": 3600, "path": "/"},
		computed: values{
			"arn":        "arn:aws:iam::{account}:role/{name}",
			"createDate": created,
			"uniqueId":   "AROA{HEX17}",
		},
		tagged: true,
	},
	"aws:iam/rolePolicy:RolePolicy": {
		id:      "{role}:{name}",
		naming:  naming{property: "name", max: 128},
		replace: words("name namePrefix role"),
	},
	"aws:iam/rolePolicyAttachment:RolePolicyAttachment": {
		id:      "{role}-{hex17}",
		replace: words("policyArn role"),
	},
	"aws:lb/listener:Listener": {
		id:       "arn:aws:elasticloadbalancing:{region}:{account}:listener/{balancer}/{hex16}",
		replace:  words("loadBalancerArn"),
		defaults: values{"protocol": "HTTP"},
		computed: values{"arn": "{id}"},
		tagged:   true,
	},
	"aws:lb/listenerRule:ListenerRule": {
		id:       "arn:aws:elasticloadbalancing:{region}:{account}:listener-rule/{listener}/{hex16}",
		replace:  words("listenerArn"),
		computed: values{"arn": "{id}"},
		tagged:   true,
	},
	"aws:lb/loadBalancer:LoadBalancer": {
		id:      "arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/{hex16}",
		naming:  naming{property: "name", max: 32},
		replace: words("customerOwnedIpv4Pool internal loadBalancerType name namePrefix"),
		defaults: values{
			"clientKeepAlive":          3600,
			"desyncMitigationMode":     "defensive",
			"dropInvalidHeaderFields":  false,
			"enableDeletionProtection": false,
			"enableHttp2":              true,
			"idleTimeout":              60,
			"internal":                 false,
			"ipAddressType":            "ipv4",
			"loadBalancerType":         "application",
			"preserveHostHeader":       false,
			"xffHeaderProcessingMode":  "append",
		},
		computed: values{
			"arn":       "{id}",
			"arnSuffix": "app/{name}/{hex16}",
			"dnsName":   "internal-{name}-{hex10:dns}.{region}.elb.amazonaws.com",
			"vpcId":     "vpc-{hex17:vpc}",
			"zoneId":    "Z1H1FL5HABSF5",
		},
		tagged: true,
	},
	"aws:lb/targetGroup:TargetGroup": {
		id:      "arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/{name}/{hex16}",
		naming:  naming{property: "name", max: 32},
		replace: words("ipAddressType name namePrefix port protocol protocolVersion targetType vpcId"),
		defaults: values{
			"deregistrationDelay":        300,
			"ipAddressType":              "ipv4",
			"loadBalancingAlgorithmType": "round_robin",
			"protocolVersion":            "HTTP1",
			"targetType":                 "instance",
		},
		computed: values{
			"arn":              "{id}",
			"arnSuffix":        "targetgroup/{name}/{hex16}",
			"loadBalancerArns": []any{},
		},
		tagged: true,
	},
	"aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": {
		id:      "ns-{hex16}",
		replace: words("name vpc"),
		computed: values{
			"arn":        "arn:aws:servicediscovery:{region}:{account}:namespace/{id}",
			"hostedZone": "Z{HEX13:zone}",
		},
		naming: naming{property: "name", max: 253},
		tagged: true,
	},
	"aws:servicediscovery/service:Service": {
		id:       "srv-{hex16}",
		naming:   naming{property: "name", max: 63},
		replace:  words("dnsConfig healthCheckConfig healthCheckCustomConfig name namespaceId type"),
		defaults: values{"forceDestroy": false},
		computed: values{"arn": "arn:aws:servicediscovery:{region}:{account}:service/{id}", "type": "DNS_HTTP"},
		tagged:   true,
	},
	"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule":   securityGroupRule,
	"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": securityGroupRule,

	// The image is built by the stand-in for Docker, which adds build.contextDigest, a hash of what goes in. Where
	// nothing is built, as in unit tests, the digest is a hash of the inputs.
	Image: {
		id:       "{repository}@sha256:{build.contextDigest}",
		defaults: values{"skipPush": false, "buildOnPreview": false},
		computed: values{
			"baseImageName":  "{imageName}",
			"context":        "{build.context}",
			"dockerfile":     "{build.dockerfile}",
			"platform":       "{build.platform}",
			"repoDigest":     "{id}",
			"registryServer": "{registry}",
		},
	},
}

var securityGroupRule = Type{
	id:       "sgr-{hex17}",
	replace:  words("securityGroupId"),
	computed: values{"arn": "arn:aws:ec2:{region}:{account}:security-group-rule/{id}", "securityGroupRuleId": "{id}"},
	tagged:   true,
}

// Image is the type token of pulumi-docker's image.
const Image = "docker:index/image:Image"

// created is when everything was made that tells.
const created = "2026-01-01T00:00:00Z"
