package trace

import (
	"slices"
	"strings"
)

// The types of the program's resources that requests pass through.
const (
	RecordType         = "aws:route53/record:Record"
	DomainType         = "aws:apigatewayv2/domainName:DomainName"
	MappingType        = "aws:apigatewayv2/apiMapping:ApiMapping"
	CertificateType    = "aws:acm/certificate:Certificate" // its status (ISSUED, EXPIRED, ...) and notAfter (RFC 3339) may be unknown
	StageType          = "aws:apigatewayv2/stage:Stage"
	APIType            = "aws:apigatewayv2/api:Api"
	RouteType          = "aws:apigatewayv2/route:Route"
	AuthorizerType     = "aws:apigatewayv2/authorizer:Authorizer"
	IntegrationType    = "aws:apigatewayv2/integration:Integration"
	LinkType           = "aws:apigatewayv2/vpcLink:VpcLink" // AWS alone knows vpcLinkStatus (AVAILABLE, INACTIVE, ...) and vpcLinkStatusMessage
	GroupType          = "aws:ec2/securityGroup:SecurityGroup"
	EgressType         = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
	IngressType        = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
	SubnetType         = "aws:ec2/subnet:Subnet"
	VPCRouteType       = "aws:ec2/route:Route"
	AssociationType    = "aws:ec2/routeTableAssociation:RouteTableAssociation"
	VpcEndpointType    = "aws:ec2/vpcEndpoint:VpcEndpoint"
	ListenerType       = "aws:lb/listener:Listener"
	BalancerType       = "aws:lb/loadBalancer:LoadBalancer"
	ListedType         = "aws:lb/listenerCertificate:ListenerCertificate"
	RuleType           = "aws:lb/listenerRule:ListenerRule"
	TargetGroupType    = "aws:lb/targetGroup:TargetGroup"
	ServiceType        = "aws:ecs/service:Service"
	TaskDefinitionType = "aws:ecs/taskDefinition:TaskDefinition"
	NameType           = "aws:servicediscovery/service:Service"
	NamespaceType      = "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace"
)

// Facts are what no resource of the program holds, read from AWS. Each is optional: what is absent is not known, and nothing
// is concluded from it.
const (
	// Route tables of the VPCs on the way, with all routes: vpcId, main, subnetIds (explicit associations),
	// routes [{cidrBlock or destinationPrefixListId, state (active or blackhole), and one of gatewayId ("local" is the VPC's
	// own), natGatewayId, transitGatewayId, vpcEndpointId, networkInterfaceId, vpcPeeringConnectionId}].
	RouteTableType = "aws:ec2/routeTable:RouteTable"
	// Network ACLs of the VPCs on the way: vpcId, subnetIds, ingress and egress [{ruleNo, action (allow or deny),
	// protocol (a name or a number, -1 is all), cidrBlock, fromPort, toPort}].
	NetworkAclType = "aws:ec2/networkAcl:NetworkAcl"
	// TargetHealthType, by ARN of the target group: targets [{id, port, zone, state, reason, description}]. An empty list
	// says that there are none.
	TargetHealthType = "fact:targetHealth"
	// TaskType, by ARN of the task: service (ARN), status, stopCode, stoppedReason, containers [{name, exitCode, reason}].
	TaskType = "fact:task"
	// DeploymentType, by ARN of the newest deployment of a service: service (ARN), status, statusReason, running, requested.
	DeploymentType = "fact:deployment"
	// DNSType, by name, as this machine's resolver answers: addresses, targetAddresses (of the domain name of the API that
	// it should lead to), error (why it has no answer).
	DNSType = "fact:dns"
	// UnknownType is what could not be read, by any id of its own: of (the type that is missing), id (of the resource or fact
	// that is missing; "" is all of the type), name (such as "health of target group producer-book"), reason (such as
	// "access denied", "of another account").
	UnknownType = "fact:unknown"
)

// kind is what is known of a type.
type kind struct {
	typ  string
	word string // what people call it
	hop  string // that there is not if it is missing
	// counts are the outputs that decide on the way of a request. Others, such as tags, are no drift. The count of tasks is not
	// among them: with scaling, it is not the program's.
	counts  string
	command string // that shows it
	// anyone tells that any resource of the type may decide, not only one that another resource names. What the program did not
	// make of these is not what it asked for.
	anyone bool
}

// kinds are in the order in which what is unknown of them is told.
var kinds = []kind{
	{RecordType, "record", "", "type aliases", "", false},
	{DNSType, "DNS", "", "", "dig +short ID", false},
	{DomainType, "domain name", "domain name", "domainName domainNameConfiguration", "", false},
	{MappingType, "API mapping", "API mapping", "apiId stage apiMappingKey", "", true},
	{CertificateType, "certificate", "TLS", "domainName subjectAlternativeNames", "aws acm describe-certificate --region REGION --certificate-arn ID", false},
	{ListedType, "listener certificate", "TLS", "", "", false},
	{StageType, "stage", "HTTP API", "autoDeploy defaultRouteSettings routeSettings", "", false},
	{APIType, "HTTP API", "HTTP API", "disableExecuteApiEndpoint corsConfiguration", "aws apigatewayv2 get-routes --region REGION --api-id ID", false},
	{RouteType, "route", "route", "routeKey target authorizationType authorizerId", "", true},
	{AuthorizerType, "authorizer", "", "authorizerType identitySources jwtConfiguration", "", false},
	{IntegrationType, "integration", "integration",
		"integrationType integrationUri connectionType connectionId timeoutMilliseconds tlsConfig requestParameters", "", false},
	{LinkType, "VPC link", "VPC link", "subnetIds securityGroupIds", "aws apigatewayv2 get-vpc-link --region REGION --vpc-link-id ID", false},
	{EgressType, "egress rule", "security groups", "ipProtocol fromPort toPort cidrIpv4 referencedSecurityGroupId", "", true},
	{IngressType, "ingress rule", "security groups", "ipProtocol fromPort toPort cidrIpv4 referencedSecurityGroupId", "", true},
	{GroupType, "security group", "", "vpcId", "aws ec2 describe-security-group-rules --region REGION --filters Name=group-id,Values=ID", false},
	{SubnetType, "subnet", "security groups", "vpcId cidrBlock", "", false},
	{NetworkAclType, "network ACL", "", "", "aws ec2 describe-network-acls --region REGION --network-acl-ids ID", false},
	{RouteTableType, "route table", "", "", "aws ec2 describe-route-tables --region REGION --route-table-ids ID", false},
	{VPCRouteType, "route", "", "", "", false},
	{AssociationType, "route table association", "", "", "", false},
	{VpcEndpointType, "VPC endpoint", "", "", "", false},
	{ListenerType, "listener", "listener", "port protocol certificateArn defaultActions", "aws elbv2 describe-rules --region REGION --listener-arn ID", false},
	{BalancerType, "load balancer", "listener", "securityGroups subnets idleTimeout dropInvalidHeaderFields", "", false},
	{RuleType, "listener rule", "listener rule", "priority conditions actions", "aws elbv2 describe-rules --region REGION --rule-arns ID", true},
	{TargetGroupType, "target group", "target group", "port protocol healthCheck", "", false},
	{TargetHealthType, "target health", "", "", "aws elbv2 describe-target-health --region REGION --target-group-arn ID", false},
	{ServiceType, "service", "", "taskDefinition networkConfiguration loadBalancers serviceRegistries",
		"aws ecs describe-services --region REGION --cluster CLUSTER --services ID", false},
	{TaskDefinitionType, "task definition", "", "", "", false},
	{NameType, "Cloud Map service", "Cloud Map", "dnsConfig", "", false},
	{NamespaceType, "namespace", "Cloud Map", "vpc", "", false},
}

func kindOf(typ string) kind {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.typ == typ })
	if i < 0 {
		return kind{}
	}
	return kinds[i]
}

// Word is what people call a type, "" if it is none of these.
func Word(typ string) string { return kindOf(typ).word }

// Types are those of AWS that are on the way of a request.
func Types() (all []string) {
	for _, k := range kinds {
		if strings.HasPrefix(k.typ, "aws:") {
			all = append(all, k.typ)
		}
	}
	return all
}
