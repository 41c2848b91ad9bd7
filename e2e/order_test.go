package e2e

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"

	"private-api/e2e/awsproxy"
)

const noWay = "CannotPullContainerError: dial tcp: i/o timeout"

// These assert on the recorded calls what AWS enforces and the simulator does not. Every call that something else must wait
// for is answered late (E2E_LATE, longer than a load balancer takes): a dependency that is missing, and would be held by
// luck, then shows. Each is a test of its own, as subtests begin after all other tests, and these take longest.
func TestOrderWithNAT(t *testing.T)       { order(t, "nat") }
func TestOrderWithEndpoints(t *testing.T) { order(t, "endpoints") }

func order(t *testing.T, egress string) {
	a := newAccount(t)
	late := 90 * time.Second
	if text := os.Getenv("E2E_LATE"); text != "" {
		var err error
		if late, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	delay := func(by time.Duration, operations ...string) {
		for _, operation := range operations {
			a.proxy.Inject(&awsproxy.Fault{Kind: awsproxy.Delay, Operation: operation, Times: -1, Delay: by})
		}
	}
	delay(late, "CreateNatGateway", "CreateRoute", "CreateVpcEndpoint", "CreateRule", "CreateLogGroup", "PutRolePolicy",
		"AttachRolePolicy", "PutClusterCapacityProviders", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress")
	delay(5*time.Second, "DeleteIntegration", "DeleteRoute", "DeleteNatGateway", "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress", "TerminateInstances")
	a.proxy.Inject(&awsproxy.Fault{Kind: awsproxy.Delay, Service: "ecs", Operation: "DeleteService", Times: -1, Delay: 5 * time.Second})

	d := a.newStack(t, "order", nil, base().with(settings{"egress": egress, "services": map[string]any{
		"book": map[string]any{"secrets": map[string]any{"KEY": "arn:aws:ssm:us-west-2:123456789012:parameter/key"}},
	}}))
	// The engine does four things at a time for each processor. Late ones would hold up others that need nothing of them.
	d.up(t, optup.Parallel(100))
	ordered(t, d, egress)
	r := record{t, a.proxy.Calls()}
	services := func(r record) { r.servicesAfterTheirNeeds(egress) }
	services(r)
	r.vigilant(t, services, "elasticloadbalancing:CreateRule", "ecs:PutClusterCapacityProviders", "logs:CreateLogGroup", "iam:PutRolePolicy",
		"ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress", "ec2:AssociateRouteTable", "ec2:CreateVpcEndpoint")
	if egress != "endpoints" {
		r.vigilant(t, services, "ec2:CreateRoute")
		r.doorBesideWayOut()
		r.mind(t, record.doorBesideWayOut, 1, "waited for", "ec2:CreateNatGateway", "ec2:CreateRoute")
	}
	r.instancesAfterTheirNeeds()
	r.vigilant(t, record.instancesAfterTheirNeeds, "ec2:AssociateRouteTable", "ec2:CreateRoute", "ec2:AuthorizeSecurityGroupEgress",
		"iam:AddRoleToInstanceProfile", "iam:AttachRolePolicy")

	d.destroy(t)
	r = record{t, a.proxy.Calls()}
	r.teardown()
	r.vigilant(t, record.teardown, "ecs:DeleteService", "apigateway:DeleteIntegration", "apigateway:DeleteRoute",
		"ec2:RevokeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress", "ec2:TerminateInstances")
	if egress != "endpoints" {
		r.vigilant(t, record.teardown, "ec2:DeleteNatGateway", "ec2:DeleteRoute")
	}
	a.sweep(t, "order")
}

// record is what was called, in order.
type record struct {
	report
	calls []awsproxy.Call
}

// report is where a record's rules say what they find: a test, or findings.
type report interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// findings are what rules said of a record that was tampered with.
type findings struct{ said []string }

func (f *findings) Helper() {}
func (f *findings) Errorf(format string, args ...any) {
	f.said = append(f.said, fmt.Sprintf(format, args...))
}
func (f *findings) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// vigilant asserts that a rule is worth something: with the answers of any of the operations recorded as later than
// everything, it must complain of that operation.
func (r record) vigilant(t *testing.T, rule func(record), operations ...string) {
	t.Helper()
	r.mind(t, rule, math.MaxInt, "did not wait for", operations...)
}

// mind asserts that a rule complains of each operation if its answers are recorded at another time.
func (r record) mind(t *testing.T, rule func(record), answered int, complaint string, operations ...string) {
	t.Helper()
	for _, operation := range operations {
		calls := slices.Clone(r.calls)
		for i := range calls {
			if calls[i].String() == operation {
				calls[i].Answered = answered
			}
		}
		var found findings
		rule(record{&found, calls})
		if !strings.Contains(strings.Join(found.said, "\n"), complaint+" "+operation) {
			t.Errorf("no rule minds if something %s %s", complaint, operation)
		}
	}
}

// find returns the successful calls of a kind that hold all values in their parameters.
func (r record) find(service, operation string, values ...string) []awsproxy.Call {
	var found []awsproxy.Call
next:
	for _, c := range r.calls {
		if c.Service != service || c.Operation != operation || !c.Took {
			continue
		}
		for _, v := range values {
			if !c.Params.Has(v) {
				continue next
			}
		}
		found = append(found, c)
	}
	return found
}

// first returns the first call of a kind that holds the values, and fails if there is none.
func (r record) first(service, operation string, values ...string) awsproxy.Call {
	r.Helper()
	found := r.find(service, operation, values...)
	if len(found) == 0 {
		r.Fatalf("no call %s:%s with %q", service, operation, values)
	}
	return found[0]
}

// some is find, and fails if it finds none.
func (r record) some(service, operation string, values ...string) []awsproxy.Call {
	r.Helper()
	r.first(service, operation, values...)
	return r.find(service, operation, values...)
}

// before asserts that calls were answered before another was asked; failure is what AWS would have said.
func (r record) before(next awsproxy.Call, failure string, calls ...awsproxy.Call) {
	r.Helper()
	for _, c := range calls {
		if !c.Before(next) {
			r.Errorf("%s (call %d) did not wait for %s (answered at %d); AWS: %s", next, next.Asked, c, c.Answered, failure)
		}
	}
}

// beside asserts that a call was asked before others, which are slow, were answered.
func (r record) beside(next awsproxy.Call, slow ...awsproxy.Call) {
	r.Helper()
	for _, c := range slow {
		if c.Before(next) {
			r.Errorf("%s (call %d) waited for %s (answered at %d), which it does not need", next, next.Asked, c, c.Answered)
		}
	}
}

func tail(arn string, separator string) string { return arn[strings.LastIndex(arn, separator)+1:] }

// servicesAfterTheirNeeds: an ECS service starts tasks at once, so all that they need must be there.
func (r record) servicesAfterTheirNeeds(egress string) {
	services := r.some("ecs", "CreateService")
	for _, s := range services {
		target := s.Params.Get("targetGroupArn")
		r.before(s, "InvalidParameterException: The target group with targetGroupArn "+target+" does not have an associated load balancer",
			r.first("elasticloadbalancing", "CreateRule", target))
		r.before(s, "InvalidParameterException: The specified capacity provider was not found",
			r.some("ecs", "PutClusterCapacityProviders")...)

		family := strings.Split(tail(s.Params.Get("taskDefinition"), "/"), ":")[0]
		task := r.first("ecs", "RegisterTaskDefinition", family)
		r.before(s, "ResourceInitializationError: failed to validate logger args: The specified log group does not exist",
			r.first("logs", "CreateLogGroup", task.Params.Get("awslogs-group")))
		r.before(s, "ResourceInitializationError: unable to pull secrets or registry auth: AccessDeniedException",
			r.some("iam", "PutRolePolicy", tail(task.Params.Get("executionRoleArn"), "/"))...)
		for _, group := range s.Params.All("securityGroups.0") {
			r.before(s, "ResourceInitializationError: unable to pull secrets or registry auth: connection timed out",
				r.some("ec2", "AuthorizeSecurityGroupEgress", group)...)
			r.before(s, "Task failed ELB health checks in (target-group "+target+")",
				r.some("ec2", "AuthorizeSecurityGroupIngress", group)...)
		}

		var subnets []string
		for path, value := range s.Params {
			if strings.Contains(path, "awsvpcConfiguration.subnets.") {
				subnets = append(subnets, value)
			}
		}
		if len(subnets) < 2 {
			r.Errorf("%s has subnets %q, want two zones", s, subnets)
		}
		for _, subnet := range subnets {
			association := r.first("ec2", "AssociateRouteTable", subnet)
			table := association.Params.Get("RouteTableId")
			r.before(s, noWay, association)
			r.before(s, noWay, r.first("ec2", "CreateVpcEndpoint", "com.amazonaws."+region+".s3", table))
			if egress != "endpoints" {
				r.before(s, noWay, r.first("ec2", "CreateRoute", table, "0.0.0.0/0"))
				continue
			}
			for _, service := range []string{"ecr.api", "ecr.dkr", "logs", "ssm"} {
				r.before(s, noWay, r.first("ec2", "CreateVpcEndpoint", "com.amazonaws."+region+"."+service, subnet))
			}
		}
	}
	if len(services) != 2 {
		r.Errorf("%d services were created, want 2", len(services))
	}
}

// doorBesideWayOut: load balancer and VPC link take minutes, as the NAT gateway does, and need nothing of it.
func (r record) doorBesideWayOut() {
	nat := r.some("ec2", "CreateNatGateway")
	for _, gateway := range nat {
		for _, change := range r.find("ec2", "ModifySubnetAttribute", gateway.Params.Get("SubnetId")) {
			r.Errorf("%s: everything in the VPC waits ten seconds for it", change)
		}
	}
	for _, balancer := range r.some("elasticloadbalancing", "CreateLoadBalancer") {
		r.beside(balancer, nat...)
	}
	for _, link := range r.some("apigateway", "CreateVpcLink") {
		// It waits for rules of security groups, which are as late here as the NAT gateway is.
		for _, gateway := range nat {
			r.beside(link, r.some("ec2", "CreateRoute", gateway.Answer.Get("natGatewayId"))...)
		}
	}
}

// instancesAfterTheirNeeds: the bastion installs and registers itself at its first boot, once.
func (r record) instancesAfterTheirNeeds() {
	for _, i := range r.some("ec2", "RunInstances") {
		association := r.first("ec2", "AssociateRouteTable", i.Params.Get("NetworkInterface.1.SubnetId"))
		r.before(i, "the first boot reaches no repository and no Systems Manager",
			association,
			r.first("ec2", "CreateRoute", association.Params.Get("RouteTableId"), "0.0.0.0/0"),
			r.first("ec2", "AuthorizeSecurityGroupEgress", i.Params.Get("NetworkInterface.1.SecurityGroupId.1")))
		role := r.first("iam", "AddRoleToInstanceProfile", i.Params.Get("IamInstanceProfile.Name"))
		r.before(i, "the agent starts without permission and does not register",
			role, r.first("iam", "AttachRolePolicy", role.Params.Get("RoleName")))
	}
}

// teardown: AWS refuses to delete what is in use.
func (r record) teardown() {
	for _, s := range r.some("ecs", "CreateService") {
		deletion := r.first("ecs", "DeleteService", s.Params.Get("cluster"), s.Answer.Get("serviceArn"))
		target := s.Params.Get("targetGroupArn")
		rule := r.first("elasticloadbalancing", "CreateRule", target).Answer.Get("RuleArn")
		for _, later := range []struct {
			call    awsproxy.Call
			failure string
		}{
			{r.first("elasticloadbalancing", "DeleteRule", rule), "(no error: requests to tasks that still run answer 404)"},
			{r.first("elasticloadbalancing", "DeleteTargetGroup", target), "ResourceInUse: Target group is currently in use by a listener or a rule"},
			{r.first("servicediscovery", "DeleteService", tail(s.Params.Get("registryArn"), "/")), "ResourceInUse: Service contains registered instances"},
			{r.first("ecs", "DeleteCluster", s.Params.Get("cluster")), "ClusterContainsServicesException: The Cluster cannot be deleted while Services are active"},
		} {
			r.before(later.call, later.failure, deletion)
		}
	}
	r.wayOutLast()
	for _, link := range r.some("apigateway", "DeleteVpcLink") {
		r.before(link, "BadRequestException: Cannot delete VPC link. VPC link is in use", r.some("apigateway", "DeleteIntegration")...)
	}
	for _, integration := range r.some("apigateway", "DeleteIntegration") {
		r.before(integration, "ConflictException: Cannot delete Integration, it is referenced by a Route", r.some("apigateway", "DeleteRoute")...)
	}
	r.rulesBeforeGroups()
	for _, i := range r.some("ec2", "RunInstances") {
		vpc := r.created("CreateSubnet", i.Params.Get("NetworkInterface.1.SubnetId")).Params.Get("VpcId")
		r.before(r.first("ec2", "DetachInternetGateway", vpc), "DependencyViolation: Network "+vpc+" has some mapped public address(es)",
			r.some("ec2", "TerminateInstances", i.Answer.Get("instanceId"))...)
	}
}

// wayOutLast: tasks that stop still write logs, so their way out goes after them; and a gateway goes before what it is in.
func (r record) wayOutLast() {
	services := r.some("ecs", "DeleteService")
	for _, deletion := range r.some("ec2", "DeleteVpcEndpoints") {
		r.before(deletion, noWay, services...)
	}
	for _, nat := range r.find("ec2", "CreateNatGateway") {
		id, subnet := nat.Answer.Get("natGatewayId"), nat.Params.Get("SubnetId")
		deletion := r.first("ec2", "DeleteNatGateway", id)
		for _, route := range r.some("ec2", "CreateRoute", id) {
			removed := r.first("ec2", "DeleteRoute", route.Params.Get("RouteTableId"), "0.0.0.0/0")
			r.before(removed, noWay, services...)
			r.before(deletion, "(no error: the route leads nowhere)", removed)
		}
		vpc := r.created("CreateSubnet", subnet).Params.Get("VpcId")
		r.before(r.first("ec2", "DetachInternetGateway", vpc), "DependencyViolation: Network "+vpc+" has some mapped public address(es)", deletion)
		r.before(r.first("ec2", "DeleteSubnet", subnet), "DependencyViolation: The subnet '"+subnet+"' has dependencies and cannot be deleted", deletion)
		address := nat.Params.Get("AllocationId")
		r.before(r.first("ec2", "ReleaseAddress", address), "InvalidIPAddress.InUse: Address "+address+" is in use", deletion)
	}
}

// created returns the call that made a thing of EC2.
func (r record) created(operation, id string) awsproxy.Call {
	r.Helper()
	for _, c := range r.some("ec2", operation) {
		if c.Answer.Has(id) {
			return c
		}
	}
	r.Fatalf("no %s made %s", operation, id)
	return awsproxy.Call{}
}

// rulesBeforeGroups: every rule that is in a group or names it goes before the group does.
func (r record) rulesBeforeGroups() {
	for _, direction := range []string{"Ingress", "Egress"} {
		for _, rule := range r.some("ec2", "AuthorizeSecurityGroup"+direction) {
			group := rule.Params.Get("GroupId")
			revoked := r.find("ec2", "RevokeSecurityGroup"+direction, group, rule.Answer.Get("securityGroupRuleId"))
			if len(revoked) == 0 {
				r.Errorf("%s rule %s of %s was never taken back", direction, rule.Answer.Get("securityGroupRuleId"), group)
			}
			for path, named := range rule.Params {
				if !strings.HasSuffix(path, "GroupId") {
					continue
				}
				for _, deletion := range r.some("ec2", "DeleteSecurityGroup", named) {
					r.before(deletion, fmt.Sprintf("DependencyViolation: resource %s has a dependent object", named), revoked...)
				}
			}
		}
	}
}

// ordered asserts that Pulumi's own graph has what the record shows, for a record can be right by luck: the dependency
// that is missing then waited for another one. The graph alone says that the image comes first, whose push is no AWS
// call. A component stands for all that is in it.
func ordered(t *testing.T, d *deployment, egress string) {
	t.Helper()
	way := []string{"ec2/routeTableAssociation producer-private-{1,2}", "ec2/route producer-private-{1,2}", "ec2/natGateway producer-1", "ec2/vpcEndpoint producer-s3", "vpc/securityGroupEgressRule NAME-to-https"}
	if egress == "endpoints" {
		way = []string{
			"ec2/routeTableAssociation producer-private-{1,2}", "ec2/vpcEndpoint producer-{s3,ecr-api,ecr-dkr,logs,ssm}",
			"vpc/securityGroupEgressRule NAME-to-s3", "vpc/securityGroup{Egress,Ingress}Rule NAME-to-producer-endpoints",
		}
	}
	task := append(way, "lb/listenerRule NAME", "ecs/clusterCapacityProviders producer", "cloudwatch/logGroup NAME",
		"iam/rolePolicy NAME-execution", "vpc/securityGroup{Egress,Ingress}Rule producer-alb-to-NAME", "servicediscovery/service NAME")
	if onRig() { // elsewhere the services run images that exist
		task = append(task, "docker:index/image NAME")
	}
	needs := map[string][]string{
		"ecs/service producer-book": task, "ecs/service producer-author": task,
		"ec2/instance consumer-bastion":     {"awsx:ec2 consumer", "iam/rolePolicyAttachment NAME", "vpc/securityGroupEgressRule NAME-to-https"},
		"apigatewayv2/integration consumer": {"apigatewayv2/vpcLink producer"},
	}
	all := d.resources(t)
	dependencies := func(resource string) map[string]bool {
		have := map[string]bool{}
		var follow func(string)
		follow = func(from string) {
			if have[from] {
				return
			}
			have[from] = true
			for _, urn := range all[from].Dependencies {
				follow(label(string(urn)))
			}
		}
		follow(resource)
		return have
	}
	for _, resource := range []string{"lb/loadBalancer producer", "apigatewayv2/vpcLink producer"} {
		for have := range dependencies(resource) {
			if strings.HasPrefix(have, "ec2/natGateway ") || strings.HasPrefix(have, "ec2/route ") || strings.HasPrefix(have, "ec2/vpcEndpoint ") {
				t.Errorf("%s waits for %s, which it does not need", resource, have)
			}
		}
	}
	for resource, wanted := range needs {
		_, name, _ := strings.Cut(resource, " ")
		have := dependencies(resource)
		for _, want := range wanted {
			for _, one := range expand(strings.ReplaceAll(want, "NAME", name)) {
				if !have[one] {
					t.Errorf("%s does not depend on %s", resource, one)
				}
			}
		}
	}
}
