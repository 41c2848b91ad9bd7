package fakeaws

// Image is the type token of pulumi-docker's image.
const Image = "docker:index/image:Image"

// types says, for each resource type of this program, which inputs it has, what a change of each does, and what AWS adds.
// It has the inputs that the program or awsx sets and the outputs that something reads; tests compare both with a run of
// the program, and the changes with the real AWS provider. A change of an input marked with ! needs a new resource, also
// if only a part of the input does.
//
// An output may be a part of an input or of another output: domainNameConfiguration.hostedZoneId.
//
// Patterns refer to $id, $region, $account, any string input by its name, ${hexN} (N hex digits, other ones for each
// resource), ${input after text} (the rest of an ARN), $revision (of a task definition), $logGroup, $imageRepository, $imageDigest.
var types = map[string]Type{
	"aws:acm/certificate:Certificate": {
		id: "arn:aws:acm:$region:$account:certificate/${hex8}-${hex4}-${hex4}-${hex4}-${hex12}",
		outputs: map[string]string{
			"arn":                                   "$id",
			"domainValidationOptions[0].domainName": "$domainName", "domainValidationOptions[0].resourceRecordType": "CNAME",
			"domainValidationOptions[0].resourceRecordName":  "_${hex32}.$domainName.",
			"domainValidationOptions[0].resourceRecordValue": "_${hex32}.acm-validations.aws.",
		},
		inputs: "domainName! validationMethod!",
	},
	"aws:acm/certificateValidation:CertificateValidation": {id: "$certificateArn", inputs: "certificateArn! validationRecordFqdns!"},
	"aws:apigatewayv2/api:Api": {
		id:      "${hex10}",
		outputs: map[string]string{"apiEndpoint": "https://$id.execute-api.$region.amazonaws.com", "executionArn": "arn:aws:execute-api:$region:$account:$id"},
		inputs:  "corsConfiguration description disableExecuteApiEndpoint name protocolType!",
	},
	"aws:apigatewayv2/apiMapping:ApiMapping": {id: "${hex6}", inputs: "apiId! domainName! stage"},
	"aws:apigatewayv2/authorizer:Authorizer": {
		id:     "${hex6}",
		inputs: "apiId! authorizerType identitySources jwtConfiguration name",
	},
	"aws:apigatewayv2/domainName:DomainName": {
		id: "$domainName",
		outputs: map[string]string{
			"domainNameConfiguration.targetDomainName": "d-${hex10}.execute-api.$region.amazonaws.com",
			"domainNameConfiguration.hostedZoneId":     "Z2OJLYMUO9EFXC",
		},
		inputs: "domainName! domainNameConfiguration",
	},
	"aws:apigatewayv2/integration:Integration": {
		id: "${hex7}",
		inputs: "apiId! connectionId connectionType integrationMethod integrationType! integrationUri " +
			"payloadFormatVersion requestParameters timeoutMilliseconds tlsConfig",
	},
	"aws:apigatewayv2/route:Route": {id: "${hex7}", inputs: "apiId! authorizationType authorizerId routeKey target"},
	"aws:apigatewayv2/stage:Stage": {
		id:     "$name",
		inputs: "accessLogSettings apiId! autoDeploy defaultRouteSettings name!",
	},
	"aws:apigatewayv2/vpcLink:VpcLink": {id: "${hex6}", inputs: "name securityGroupIds! subnetIds!"},
	"aws:appautoscaling/policy:Policy": {
		id:     "$name",
		inputs: "name! policyType resourceId! scalableDimension! serviceNamespace! targetTrackingScalingPolicyConfiguration",
	},
	"aws:appautoscaling/target:Target": {id: "$resourceId", inputs: "maxCapacity minCapacity resourceId! scalableDimension! serviceNamespace!"},
	"aws:cloudwatch/logGroup:LogGroup": {
		id:      "$logGroup",
		outputs: map[string]string{"arn": "arn:aws:logs:$region:$account:log-group:$id", "name": "$id"},
		inputs:  "kmsKeyId name! namePrefix! retentionInDays",
	},
	"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": {id: "sg-${hex17}", inputs: "vpcId!"},
	"aws:ec2/eip:Eip": {
		id:      "eipalloc-${hex17}",
		outputs: map[string]string{"allocationId": "$id"},
		inputs:  "tags",
	},
	"aws:ec2/flowLog:FlowLog": {id: "fl-${hex17}", inputs: "iamRoleArn! logDestination! tags trafficType! vpcId!"},
	"aws:ec2/instance:Instance": {
		id:      "i-${hex17}",
		outputs: map[string]string{"publicIp": "203.0.113.10"}, // of the block for documentation, RFC 5737
		// Another userData replaces the instance with userDataReplaceOnChange, which the program sets.
		inputs: "ami! associatePublicIpAddress! ebsOptimized! iamInstanceProfile instanceType keyName! " +
			"metadataOptions rootBlockDevice! subnetId! tags userData! userDataReplaceOnChange " +
			"vpcSecurityGroupIds",
	},
	"aws:ec2/internetGateway:InternetGateway": {id: "igw-${hex17}", inputs: "tags vpcId"},
	"aws:ec2/natGateway:NatGateway":           {id: "nat-${hex17}", inputs: "allocationId! subnetId! tags"},
	"aws:ec2/route:Route": {
		id:     "r-$routeTableId${hex10}",
		inputs: "destinationCidrBlock! gatewayId natGatewayId routeTableId!",
	},
	"aws:ec2/routeTable:RouteTable":                       {id: "rtb-${hex17}", inputs: "tags vpcId!"},
	"aws:ec2/routeTableAssociation:RouteTableAssociation": {id: "rtbassoc-${hex17}", inputs: "routeTableId subnetId!"},
	"aws:ec2/securityGroup:SecurityGroup":                 {id: "sg-${hex17}", inputs: "description! name! tags vpcId!"},
	"aws:ec2/subnet:Subnet": {
		id:     "subnet-${hex17}",
		inputs: "availabilityZone! cidrBlock! mapPublicIpOnLaunch tags vpcId!",
	},
	"aws:ec2/vpc:Vpc": {id: "vpc-${hex17}", inputs: "cidrBlock! enableDnsHostnames enableDnsSupport tags"},
	"aws:ec2/vpcEndpoint:VpcEndpoint": {
		id:      "vpce-${hex17}",
		outputs: map[string]string{"prefixListId": "pl-${hex8}"},
		inputs:  "privateDnsEnabled routeTableIds securityGroupIds serviceName! subnetIds tags vpcEndpointType! vpcId!",
	},
	"aws:ecr/lifecyclePolicy:LifecyclePolicy": {id: "$repository", inputs: "policy! repository!"},
	"aws:ecr/repository:Repository": {
		id:      "$name",
		outputs: map[string]string{"arn": "arn:aws:ecr:$region:$account:repository/$name", "repositoryUrl": "$account.dkr.ecr.$region.amazonaws.com/$name"},
		inputs:  "encryptionConfigurations! forceDelete imageScanningConfiguration imageTagMutability name!",
		lower:   true,
	},
	"aws:ecs/cluster:Cluster": {
		id:      "arn:aws:ecs:$region:$account:cluster/$name",
		outputs: map[string]string{"arn": "$id"},
		inputs:  "name! settings",
	},
	"aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": {
		id:     "$clusterName",
		inputs: "capacityProviders clusterName! defaultCapacityProviderStrategies",
	},
	"aws:ecs/service:Service": {
		id: "arn:aws:ecs:$region:$account:service/${cluster after cluster/}/$name",
		// Another capacityProviderStrategies replaces the service, except with forceNewDeployment, which the program sets.
		inputs: "availabilityZoneRebalancing capacityProviderStrategies cluster! deploymentCircuitBreaker " +
			"deploymentMaximumPercent deploymentMinimumHealthyPercent desiredCount enableEcsManagedTags " +
			"forceNewDeployment healthCheckGracePeriodSeconds loadBalancers name! networkConfiguration " +
			"platformVersion propagateTags serviceRegistries tags taskDefinition",
	},
	"aws:ecs/taskDefinition:TaskDefinition": {
		id:      "$family",
		outputs: map[string]string{"arn": "arn:aws:ecs:$region:$account:task-definition/$family:$revision"},
		inputs: "containerDefinitions! cpu! executionRoleArn! family! memory! networkMode! " +
			"requiresCompatibilities! runtimePlatform! taskRoleArn! volumes!",
	},
	"aws:iam/instanceProfile:InstanceProfile": {id: "$name", inputs: "name! role"},
	"aws:iam/role:Role": {
		id:      "$name",
		outputs: map[string]string{"arn": "arn:aws:iam::$account:role/$name"},
		inputs:  "assumeRolePolicy description name!",
		maxName: 64,
	},
	"aws:iam/rolePolicy:RolePolicy":                     {id: "$role:$name", inputs: "name! policy role!"},
	"aws:iam/rolePolicyAttachment:RolePolicyAttachment": {id: "$role-${hex17}", inputs: "policyArn! role!"},
	"aws:kms/key:Key": {
		id:      "${hex32}",
		outputs: map[string]string{"arn": "arn:aws:kms:$region:$account:key/$id"},
		inputs:  "deletionWindowInDays description enableKeyRotation policy",
	},
	"aws:lb/listener:Listener": {
		id:      "arn:aws:elasticloadbalancing:$region:$account:listener/${loadBalancerArn after loadbalancer/}/${hex16}",
		outputs: map[string]string{"arn": "$id"},
		inputs:  "certificateArn defaultActions loadBalancerArn! port protocol sslPolicy",
	},
	"aws:lb/listenerCertificate:ListenerCertificate": {id: "${listenerArn}_$certificateArn", inputs: "certificateArn! listenerArn!"},
	"aws:lb/listenerRule:ListenerRule": {
		id:     "arn:aws:elasticloadbalancing:$region:$account:listener-rule/${listenerArn after listener/}/${hex16}",
		inputs: "actions conditions listenerArn! priority",
	},
	"aws:lb/loadBalancer:LoadBalancer": {
		id:      "arn:aws:elasticloadbalancing:$region:$account:loadbalancer/app/$name/${hex16}",
		outputs: map[string]string{"arn": "$id", "arnSuffix": "app/$name/${hex16}"},
		inputs: "accessLogs desyncMitigationMode dropInvalidHeaderFields enableDeletionProtection idleTimeout internal! " +
			"loadBalancerType! name! securityGroups subnets",
		maxName: 32,
	},
	"aws:lb/targetGroup:TargetGroup": {
		id:      "arn:aws:elasticloadbalancing:$region:$account:targetgroup/$name/${hex16}",
		outputs: map[string]string{"arn": "$id", "arnSuffix": "targetgroup/$name/${hex16}"},
		inputs:  "deregistrationDelay healthCheck name! port! protocol! targetType! vpcId!",
		maxName: 32,
	},
	"aws:s3/bucket:Bucket": {
		id:      "${bucketPrefix}${hex26}",
		outputs: map[string]string{"arn": "arn:aws:s3:::$id", "bucket": "$id"},
		inputs:  "bucketPrefix! forceDestroy lifecycleRules serverSideEncryptionConfiguration versioning",
	},
	"aws:s3/bucketOwnershipControls:BucketOwnershipControls": {id: "$bucket", inputs: "bucket! rule"},
	"aws:s3/bucketPolicy:BucketPolicy":                       {id: "$bucket", inputs: "bucket! policy"},
	"aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": {
		id:     "$bucket",
		inputs: "blockPublicAcls blockPublicPolicy bucket! ignorePublicAcls restrictPublicBuckets",
	},
	"aws:route53/record:Record": {
		id:      "${zoneId}_${name}_$type",
		outputs: map[string]string{"fqdn": "$name"},
		inputs:  "aliases name! records ttl type zoneId!",
	},
	"aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": {
		id:     "ns-${hex16}",
		inputs: "description name! vpc!",
	},
	"aws:servicediscovery/service:Service": {
		id:      "srv-${hex16}",
		outputs: map[string]string{"arn": "arn:aws:servicediscovery:$region:$account:service/$id"},
		inputs:  "description dnsConfig! forceDestroy healthCheckCustomConfig! name!",
	},
	"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": {
		id: "sgr-${hex17}",
		inputs: "cidrIpv4 description fromPort ipProtocol prefixListId referencedSecurityGroupId " +
			"securityGroupId! toPort",
	},
	"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {
		id:     "sgr-${hex17}",
		inputs: "cidrIpv4 description fromPort ipProtocol referencedSecurityGroupId securityGroupId! toPort",
	},
	// The stand-in for Docker builds the image and adds build.contextDigest, a hash of what goes in. Where nothing is
	// built, as in unit tests, the digest is a hash of the inputs.
	Image: {
		id:      "$imageRepository@sha256:$imageDigest",
		outputs: map[string]string{"repoDigest": "$id"},
		inputs:  "build buildOnPreview imageName registry skipPush",
	},
}
