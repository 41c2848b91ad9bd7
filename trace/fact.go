package trace

// What no resource of the program holds, read from AWS. Each is optional: what is absent is not known, and nothing is
// concluded from it. As everywhere, numbers are float64, lists []any and objects map[string]any.
const (
	// Records, in the provider's shape: name, type, aliases.
	RecordType = "aws:route53/record:Record"
	// Route tables of the VPCs on the way, with all routes: vpcId, main, subnetIds (explicit associations),
	// routes [{cidrBlock or destinationPrefixListId, state (active or blackhole), and one of gatewayId ("local" is the VPC's
	// own), natGatewayId, transitGatewayId, vpcEndpointId, networkInterfaceId, vpcPeeringConnectionId}].
	RouteTableType = "aws:ec2/routeTable:RouteTable"
	// Network ACLs of the VPCs on the way: vpcId, subnetIds, ingress and egress [{ruleNo, action (allow or deny),
	// protocol (a name or a number, -1 is all), cidrBlock, fromPort, toPort}].
	NetworkAclType = "aws:ec2/networkAcl:NetworkAcl"
	// VPC endpoints, in the provider's shape: vpcId, serviceName, state, vpcEndpointType, subnetIds, routeTableIds,
	// privateDnsEnabled.
	VpcEndpointType = "aws:ec2/vpcEndpoint:VpcEndpoint"

	// TargetHealthType, by ARN of the target group: targets [{id, port, zone, state, reason, description}]. An empty list
	// says that there are none.
	TargetHealthType = "fact:targetHealth"
	// TaskType, by ARN of the task: service (ARN), status (lastStatus), stopCode, stoppedReason, address, subnetId,
	// containers [{name, exitCode, reason}].
	TaskType = "fact:task"
	// DeploymentType, by ARN of the newest service deployment of a service: service (ARN), status, statusReason, running,
	// requested.
	DeploymentType = "fact:deployment"
	// DNSType, by name, as this machine's resolver answers: addresses, targetAddresses (of the domain name of the API that
	// it should lead to), error (why it has no answer).
	DNSType = "fact:dns"
	// UnknownType is what could not be read, by any id of its own: of (the type that is missing), id (of the resource or fact
	// that is missing; "" is all of the type), name (such as "health of target group producer-book"), reason (such as
	// "access denied", "of another account").
	UnknownType = "fact:unknown"
)

// Outputs of the program's resources that the provider does not have, or not always: of a VPC link, vpcLinkStatus (AVAILABLE,
// PENDING, DELETING, FAILED or INACTIVE) and vpcLinkStatusMessage; of a certificate, status (ISSUED, EXPIRED, ...) and
// notAfter (RFC 3339).
