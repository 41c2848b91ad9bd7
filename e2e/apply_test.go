package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"

	"private-api/producer"
	"private-api/stack"
)

// step is a change that replaces or interrupts something, applied to a running stack.
type step struct {
	name     string
	services []producer.Service // nil: the program's own
	set      settings
	replace  []string  // what pulumi up --replace names
	code     [2]string // text in the source of service book, and what replaces it
	want     []string
	order    func(r record)
}

// replaced asserts that the new one exists before what uses the old one is moved, and that the old one goes last.
func (r record) replaced(service, create, move, remove string) {
	r.Helper()
	created, moved, removed := r.some(service, create), r.some(service, move), r.some(service, remove)
	for _, m := range moved {
		r.before(m, "the new one is not there", created...)
	}
	for _, d := range removed {
		r.before(d, "ResourceInUse: the old one is still in use", moved...)
	}
}

// redeployed asserts that services move from the old task definition to the new one while both exist.
func (r record) redeployed() {
	r.Helper()
	r.replaced("ecs", "RegisterTaskDefinition", "UpdateService", "DeregisterTaskDefinition")
}

// retargeted asserts that a service keeps its old target group until it has left it.
func (r record) retargeted() {
	r.Helper()
	r.redeployed()
	r.replaced("elasticloadbalancing", "CreateTargetGroup", "ModifyRule", "DeleteTargetGroup")
	for _, deletion := range r.some("elasticloadbalancing", "DeleteTargetGroup") {
		r.before(deletion, "the load balancer drops the old tasks", r.some("ecs", "UpdateService")...)
	}
}

// with are the program's services with something else about book.
func with(edit func(book *producer.Service)) []producer.Service {
	services := stack.Services()
	edit(&services[0])
	return services
}

const thirdService = "ec2/securityGroup ecr/repository ecr/lifecyclePolicy docker:index/image cloudwatch/logGroup " +
	"ecs/taskDefinition ecs/service lb/targetGroup lb/listenerRule servicediscovery/service private-api:producer"

// third is what one more service brings or takes away, and nothing of the other two. The bastion's first boot writes
// the services' URLs, so that it is another one.
func third(op string) []string {
	return []string{
		op + " {" + strings.ReplaceAll(thirdService, " ", ",") + "} producer-review",
		op + " iam/{role,rolePolicy} producer-review-execution", op + " iam/role producer-review-task",
		op + " vpc/securityGroup{Egress,Ingress}Rule producer-alb-to-producer-review",
		op + " vpc/securityGroupEgressRule producer-review-to-https",
		"replace ec2/instance consumer-bastion",
	}
}

func bastion(op string) []string {
	return []string{
		op + " awsx:ec2 consumer", op + " ec2/{vpc,internetGateway,defaultSecurityGroup} consumer",
		op + " ec2/{subnet,routeTable,routeTableAssociation,route} consumer-public-{1,2}",
		op + " ec2/{instance,securityGroup} consumer-bastion", op + " vpc/securityGroupEgressRule consumer-bastion-to-https",
		op + " iam/{role,rolePolicyAttachment,instanceProfile} consumer-bastion",
	}
}

// egress is the other way out of the private subnets: what of it comes and what of the old one goes.
func egress(endpoints, nat string) []string {
	return []string{
		endpoints + " ec2/securityGroup producer-endpoints", endpoints + " ec2/vpcEndpoint producer-{ecr-api,ecr-dkr,logs}",
		endpoints + " vpc/securityGroup{Egress,Ingress}Rule producer-{book,author}-to-producer-endpoints",
		endpoints + " vpc/securityGroupEgressRule producer-{book,author}-to-s3",
		nat + " ec2/{eip,natGateway} producer-1", nat + " ec2/route producer-private-{1,2}",
		nat + " ec2/{subnet,routeTable,routeTableAssociation,route} producer-public-{1,2}",
		nat + " vpc/securityGroupEgressRule producer-{book,author}-to-https",
	}
}

var (
	newCode  = []string{"update docker:index/image producer-book", "replace ecs/taskDefinition producer-book", "update ecs/service producer-book"}
	newBuild = []string{"update docker:index/image producer-{book,author}", newTask, deploy}
	newPort  = []string{
		"replace ecs/taskDefinition producer-book", "replace lb/targetGroup producer-book", "update lb/listenerRule producer-book",
		"update ecs/service producer-book", "replace vpc/securityGroup{Egress,Ingress}Rule producer-alb-to-producer-book",
	}
	newNamespace = []string{"replace servicediscovery/privateDnsNamespace producer", "replace servicediscovery/service producer-{book,author}", deploy}
	newPath      = []string{"update lb/listenerRule producer-book", "update lb/targetGroup producer-book", "replace ec2/instance consumer-bastion"}
)

// Each step starts from the one before it, and sets all that it does not name back to the base.
var steps = []step{
	{name: "code of one service", code: [2]string{"package main", "package main // edited"}, want: newCode, order: record.redeployed},
	{name: "earlier code again", code: [2]string{"package main // edited", "package main"}, want: newCode, order: record.redeployed},
	{name: "third service", services: append(stack.Services(), producer.Service{Name: "review", Path: "/api/reviews", Priority: 300}), want: third("create")},
	{name: "third service goes", want: third("delete")},
	{name: "priority and path", services: with(func(s *producer.Service) { s.Priority, s.Path = 50, "/api/novels" }), want: newPath},
	{name: "priority and path go back", want: newPath},
	{name: "port", services: with(func(s *producer.Service) { s.Port = 9090 }), want: newPort, order: record.retargeted},
	{name: "port goes back", want: newPort, order: record.retargeted},
	{name: "caller", services: with(func(s *producer.Service) { s.AllowFrom = []string{"author"} }), want: []string{
		"create vpc/securityGroup{Egress,Ingress}Rule producer-author-to-producer-book",
	}},
	{name: "caller goes", want: []string{"delete vpc/securityGroup{Egress,Ingress}Rule producer-author-to-producer-book"}},
	{name: "architecture", set: settings{"architecture": "x86_64"}, want: newBuild, order: record.redeployed},
	{name: "architecture goes back", want: newBuild, order: record.redeployed},
	{
		name: "tested image", set: one(settings{"image": "123456789012.dkr.ecr." + region + ".amazonaws.com/book@sha256:" + strings.Repeat("1", 64)}),
		want: []string{
			"delete docker:index/image producer-book", "update iam/rolePolicy producer-book-execution",
			"replace ecs/taskDefinition producer-book", "update ecs/service producer-book",
		},
		order: record.redeployed,
	},
	{name: "built image", want: []string{
		"create docker:index/image producer-book", "update iam/rolePolicy producer-book-execution",
		"replace ecs/taskDefinition producer-book", "update ecs/service producer-book",
	}, order: record.redeployed},
	{name: "NAT per zone", set: settings{"egress": "nat-per-zone"}, want: []string{
		"create ec2/{eip,natGateway} producer-2", "update ec2/route producer-private-2",
	}, order: func(r record) {
		for _, c := range r.some("ec2", "ReplaceRoute") {
			r.before(c, "InvalidNatGatewayID.NotFound", r.some("ec2", "CreateNatGateway")...)
		}
	}},
	{name: "one NAT", want: []string{
		"delete ec2/{eip,natGateway} producer-2", "update ec2/route producer-private-2",
	}, order: func(r record) {
		for _, c := range r.some("ec2", "DeleteNatGateway") {
			r.before(c, noWay, r.some("ec2", "ReplaceRoute")...)
		}
	}},
	{name: "endpoints", set: settings{"egress": "endpoints"}, want: egress("create", "delete"), order: func(r record) {
		for _, c := range append(r.some("ec2", "DeleteRoute"), r.some("ec2", "DeleteNatGateway")...) {
			r.before(c, noWay, r.some("ec2", "CreateVpcEndpoint")...)
			r.before(c, noWay, r.some("ec2", "AuthorizeSecurityGroupEgress")...)
		}
		for _, c := range r.some("ec2", "DeleteSubnet") {
			r.before(c, "DependencyViolation: The subnet has dependencies and cannot be deleted", r.some("ec2", "DeleteNatGateway")...)
		}
	}},
	{name: "NAT again", want: egress("delete", "create"), order: func(r record) {
		for _, c := range r.some("ec2", "DeleteVpcEndpoints") {
			r.before(c, noWay, r.some("ec2", "CreateRoute")...)
			r.before(c, noWay, r.some("ec2", "AuthorizeSecurityGroupEgress")...)
		}
	}},
	{name: "logs", set: settings{"flowLogs": true, "accessLogs": true}, want: append(flowLogs("create"), accessLogs("create")...), order: func(r record) {
		for _, c := range r.some("elasticloadbalancing", "ModifyLoadBalancerAttributes", "access_logs.s3.bucket") {
			r.before(c, "InvalidConfigurationRequest: Access Denied for bucket", r.some("s3", "PutBucketPolicy")...)
		}
		for _, c := range r.some("ec2", "CreateFlowLogs") {
			role := tail(c.Params.Get("DeliverLogsPermissionArn"), "/")
			r.before(c, "the first records are lost: Access error", r.some("iam", "PutRolePolicy", role)...)
		}
	}},
	{name: "logs go", want: append(flowLogs("delete"), accessLogs("delete")...), order: func(r record) {
		for _, c := range r.some("s3", "DeleteBucket") {
			r.before(c, "the load balancer goes on writing to a bucket of somebody else", r.some("elasticloadbalancing", "ModifyLoadBalancerAttributes", "access_logs.s3.enabled", "false")...)
		}
	}},
	{name: "namespace", set: settings{"namespace": "shop.internal"}, want: newNamespace, order: func(r record) {
		for _, c := range append(r.some("servicediscovery", "DeleteService"), r.some("servicediscovery", "DeleteNamespace")...) {
			r.before(c, "ResourceInUse: Service contains registered instances", r.some("ecs", "UpdateService")...)
		}
	}},
	{name: "namespace goes back", want: newNamespace},
	{name: "VPC link", replace: []string{"apigatewayv2/vpcLink producer"}, want: []string{
		"replace apigatewayv2/vpcLink producer", "update apigatewayv2/integration consumer",
	}, order: func(r record) { r.replaced("apigateway", "CreateVpcLink", "UpdateIntegration", "DeleteVpcLink") }},
	{name: "SSH", set: settings{"ssh": map[string]any{"keyName": "key", "cidrs": []string{"192.0.2.0/24"}}}, want: []string{
		"create vpc/securityGroupIngressRule consumer-bastion-ssh-192.0.2.0-24", "replace ec2/instance consumer-bastion",
	}, order: func(r record) {
		for _, i := range r.some("ec2", "RunInstances") {
			r.before(i, "the new bastion cannot be reached", r.some("ec2", "AuthorizeSecurityGroupIngress")...)
		}
	}},
	{name: "no bastion", set: settings{"bastion": false}, want: append(bastion("delete"), "delete vpc/securityGroupIngressRule consumer-bastion-ssh-192.0.2.0-24")},
	{name: "bastion with another range", set: settings{"consumerVpcCidr": "10.3.0.0/16"}, want: bastion("create")},
}

// TestAppliedChanges applies the changes that replace something, one after the other, and asserts what the engine did
// and in which order the account saw it.
func TestAppliedChanges(t *testing.T) {
	a := newAccount(t)
	a.needKey(t)
	d := a.newStack(t, "apply", nil, base())
	copyTree(t, filepath.Join("..", "apps", "book"), filepath.Join(d.root, "apps", "review"))
	d.up(t)
	for _, s := range steps {
		if ok := t.Run(s.name, func(t *testing.T) {
			if s.code[0] != "" {
				edit(t, filepath.Join(d.root, "apps/book/main.go"), s.code[0], s.code[1])
			}
			d.serve(s.services)
			d.configure(t, base().with(s.set))
			mark := a.proxy.Mark()
			var opts []optup.Option
			for name, r := range d.resources(t) {
				if slices.Contains(s.replace, name) {
					opts = append(opts, optup.Replace([]string{string(r.URN)}))
				}
			}
			ops, _ := d.up(t, opts...)
			expect(t, ops, s.want)
			if s.order != nil {
				s.order(record{t, a.proxy.Since(mark)})
			}
			a.compare(t, d)
		}); !ok {
			break // the rows after it would compare with a state that nobody wanted
		}
	}
	d.destroy(t)
	a.sweep(t, "apply")
}
