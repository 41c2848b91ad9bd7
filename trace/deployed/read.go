package deployed

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"private-api/internal/rollout"
	"private-api/trace"
)

// readAPI reads the names that lead to the API, and routes and integrations that the program did not make: the most
// specific route takes a request, whoever made it. Beside them, it reads the tasks.
func (r *reader) readAPI() {
	for _, domain := range r.set.Of(trace.DomainType) {
		name := domain.Outputs.Text("domainName")
		r.ask(missing{trace.DNSType, name, "DNS of " + name}, func(ctx context.Context) error {
			return r.lookUp(ctx, name, domain.Outputs.Object("domainNameConfiguration").Text("targetDomainName"))
		})
	}
	client := apigatewayv2.NewFromConfig(r.aws)
	for _, api := range r.set.Of(trace.APIType) {
		of := trace.Values{"apiId": api.ID}
		list(r, missing{trace.RouteType, "", "routes of API " + api.Name}, client.GetRoutes, &apigatewayv2.GetRoutesInput{ApiId: &api.ID}, of)
		list(r, missing{trace.IntegrationType, "", "integrations of API " + api.Name}, client.GetIntegrations, &apigatewayv2.GetIntegrationsInput{ApiId: &api.ID}, of)
	}
	for _, service := range r.set.Of(trace.ServiceType) {
		r.readTasks(service)
	}
}

// lookUp looks a domain name up, and the name that it should lead to.
func (r *reader) lookUp(ctx context.Context, name, target string) error {
	answer := map[string]any{}
	for _, key := range []string{"addresses", "targetAddresses"} {
		addresses, err := r.resolver.LookupHost(ctx, map[string]string{"addresses": name, "targetAddresses": target}[key])
		var none *net.DNSError
		switch {
		case err == nil:
			answer[key] = addresses
		case !errors.As(err, &none) || !none.IsNotFound:
			return err
		case key == "addresses":
			answer["error"] = none.Err
		}
	}
	r.put(trace.DNSType, name, name, shape(answer))
	return nil
}

// readTasks reads the tasks of a service, those that stopped too, and its newest deployment. ECS shows a stopped task for an
// hour.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
func (r *reader) readTasks(service trace.Resource) {
	client := ecs.NewFromConfig(r.aws)
	cluster, name, of := service.Outputs.Text("cluster"), service.Outputs.Text("name"), trace.Values{"service": service.ID, "name": service.Name}
	for _, status := range []ecstypes.DesiredStatus{ecstypes.DesiredStatusRunning, ecstypes.DesiredStatusStopped} {
		m := missing{trace.TaskType, "", "tasks of service " + service.Name}
		r.ask(m, func(ctx context.Context) error {
			in := &ecs.ListTasksInput{Cluster: &cluster, ServiceName: &name, DesiredStatus: status}
			return pages(ctx, client.ListTasks, in, func(page trace.Values) {
				if arns := page.Texts("taskArns"); len(arns) > 0 { // a page has 100, as many as this takes
					list(r, m, client.DescribeTasks, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: arns}, of)
				}
			})
		})
	}
	m := missing{trace.DeploymentType, "", "deployment of service " + service.Name}
	r.ask(m, func(ctx context.Context) error {
		arn, err := rollout.New(r.aws).Newest(ctx, cluster, name)
		if arn != "" {
			list(r, m, client.DescribeServiceDeployments, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{arn}}, of)
		}
		return err
	})
}

// namedBy returns what integrations name under an output.
func (r *reader) namedBy(output string) []string {
	var all []string
	for _, integration := range r.set.Of(trace.IntegrationType) {
		all = append(all, integration.Outputs.Text(output))
	}
	return unique(all)
}

// readIntegrations reads how the VPC links are, and the listeners of others.
func (r *reader) readIntegrations() {
	client := apigatewayv2.NewFromConfig(r.aws)
	for _, id := range r.namedBy("connectionId") {
		list(r, missing{trace.LinkType, id, "state of VPC link " + r.nameOf(trace.LinkType, id)}, client.GetVpcLink, &apigatewayv2.GetVpcLinkInput{VpcLinkId: &id}, nil)
	}
	for _, arn := range r.namedBy("integrationUri") {
		list(r, missing{trace.ListenerType, arn, "listener " + arn},
			elasticloadbalancingv2.NewFromConfig(r.aws).DescribeListeners, &elasticloadbalancingv2.DescribeListenersInput{ListenerArns: []string{arn}}, nil)
	}
}

// readListeners reads what is behind listeners: load balancers, rules and certificates, those of others too.
func (r *reader) readListeners() {
	client := elasticloadbalancingv2.NewFromConfig(r.aws)
	for _, listener := range r.set.Of(trace.ListenerType) {
		arn, balancer := listener.Outputs.Text("arn"), listener.Outputs.Text("loadBalancerArn")
		of := trace.Values{"listenerArn": arn}
		list(r, missing{trace.BalancerType, balancer, "load balancer " + balancer},
			client.DescribeLoadBalancers, &elasticloadbalancingv2.DescribeLoadBalancersInput{LoadBalancerArns: []string{balancer}}, nil)
		list(r, missing{trace.RuleType, "", "rules of listener " + listener.Name}, client.DescribeRules, &elasticloadbalancingv2.DescribeRulesInput{ListenerArn: &arn}, of)
		if listener.Outputs.Text("protocol") != "HTTPS" {
			continue
		}
		r.readCertificate(listener.Outputs.Text("certificateArn"))
		m := missing{trace.ListedType, "", "certificates of listener " + listener.Name}
		r.ask(m, func(ctx context.Context) error {
			return pages(ctx, client.DescribeListenerCertificates, &elasticloadbalancingv2.DescribeListenerCertificatesInput{ListenerArn: &arn}, func(page trace.Values) {
				r.found(m.of, page, of)
				for _, certificate := range page.Objects("certificates") {
					r.readCertificate(certificate.Text("arn"))
				}
			})
		})
	}
}

// readCertificate reads a certificate that the program did not make.
func (r *reader) readCertificate(arn string) {
	m := missing{trace.CertificateType, arn, "certificate " + arn}
	if strings.Contains(arn, ":acm:") {
		list(r, m, acm.NewFromConfig(r.aws).DescribeCertificate, &acm.DescribeCertificateInput{CertificateArn: &arn}, nil)
	} else if arn != "" { // one of IAM, which has no names but in its own text
		r.unknown(m, "a server certificate of IAM, which is not read here")
	}
}

// targetGroups returns the ARNs of those that requests may go to.
func (r *reader) targetGroups() []string {
	var all []string
	for _, group := range r.set.Of(trace.TargetGroupType) {
		all = append(all, group.Outputs.Text("arn"))
	}
	for _, resource := range append(r.set.Of(trace.ListenerType), r.set.Of(trace.RuleType)...) {
		for _, action := range append(resource.Outputs.Objects("actions"), resource.Outputs.Objects("defaultActions")...) {
			all = append(all, action.Text("targetGroupArn"))
			for _, group := range action.Object("forward").Objects("targetGroups") {
				all = append(all, group.Text("arn"))
			}
		}
	}
	return unique(all)
}

// attachments returns the values of a list that VPC links, load balancers and services have, under the name it has there.
func (r *reader) attachments(ofLink, ofOthers string) []string {
	var all []string
	for _, link := range r.set.Of(trace.LinkType) {
		all = append(all, link.Outputs.Texts(ofLink)...)
	}
	for _, balancer := range r.set.Of(trace.BalancerType) {
		all = append(all, balancer.Outputs.Texts(ofOthers)...)
	}
	for _, service := range r.set.Of(trace.ServiceType) {
		all = append(all, service.Outputs.Object("networkConfiguration").Texts(ofOthers)...)
	}
	return unique(all)
}

func filter(name string, values []string) []ec2types.Filter {
	return []ec2types.Filter{{Name: &name, Values: values}}
}

// readAttachments reads the target groups and subnets of others, and the security groups on the way with all rules: one of
// somebody else counts too.
func (r *reader) readAttachments() {
	balancing, client := elasticloadbalancingv2.NewFromConfig(r.aws), ec2.NewFromConfig(r.aws)
	for _, arn := range r.targetGroups() {
		list(r, missing{trace.TargetGroupType, arn, "target group " + arn},
			balancing.DescribeTargetGroups, &elasticloadbalancingv2.DescribeTargetGroupsInput{TargetGroupArns: []string{arn}}, nil)
	}
	subnets := slices.DeleteFunc(r.attachments("subnetIds", "subnets"), func(id string) bool { return r.done(trace.SubnetType, id) })
	if len(subnets) > 0 {
		list(r, missing{trace.SubnetType, "", "subnets"}, client.DescribeSubnets, &ec2.DescribeSubnetsInput{Filters: filter("subnet-id", subnets)}, nil)
	}
	if groups := filter("group-id", r.attachments("securityGroupIds", "securityGroups")); len(groups[0].Values) > 0 {
		list(r, missing{trace.GroupType, "", "security groups"}, client.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{Filters: groups}, nil)
		for _, typ := range []string{trace.EgressType, trace.IngressType} {
			list(r, missing{typ, "", "rules of security groups"}, client.DescribeSecurityGroupRules, &ec2.DescribeSecurityGroupRulesInput{Filters: groups}, nil)
		}
	}
}

// readNetwork reads what the load balancers say of their targets, and the route tables, network ACLs and endpoints of the
// VPCs on the way.
func (r *reader) readNetwork() {
	balancing, client := elasticloadbalancingv2.NewFromConfig(r.aws), ec2.NewFromConfig(r.aws)
	for _, arn := range r.targetGroups() {
		name := r.nameOf(trace.TargetGroupType, arn)
		r.ask(missing{trace.TargetHealthType, arn, "health of target group " + name}, func(ctx context.Context) error {
			return pages(ctx, balancing.DescribeTargetHealth, &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: &arn}, func(page trace.Values) {
				targets := []any{}
				for _, d := range page.Objects("targetHealthDescriptions") {
					target := map[string]any(d.Object("target"))
					maps.Copy(target, d.Object("targetHealth"))
					targets = append(targets, target)
				}
				r.put(trace.TargetHealthType, arn, name, trace.Values{"targets": targets})
			})
		})
	}
	var vpcs []string
	for _, id := range r.attachments("subnetIds", "subnets") {
		subnet, _ := r.set.Find(trace.SubnetType, id)
		vpcs = append(vpcs, subnet.Outputs.Text("vpcId"))
	}
	if in := filter("vpc-id", unique(vpcs)); len(in[0].Values) > 0 {
		list(r, missing{trace.RouteTableType, "", "route tables"}, client.DescribeRouteTables, &ec2.DescribeRouteTablesInput{Filters: in}, nil)
		list(r, missing{trace.NetworkAclType, "", "network ACLs"}, client.DescribeNetworkAcls, &ec2.DescribeNetworkAclsInput{Filters: in}, nil)
		list(r, missing{trace.VpcEndpointType, "", "VPC endpoints"}, client.DescribeVpcEndpoints, &ec2.DescribeVpcEndpointsInput{Filters: in}, nil)
	}
}
