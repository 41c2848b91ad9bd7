package deployed

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"private-api/trace"
)

// readActions reads what is behind listeners: load balancers, rules and certificates, those of others too.
func (r *reader) readActions() {
	client := elasticloadbalancingv2.NewFromConfig(r.aws)
	for _, listener := range r.set.Of(trace.ListenerType) {
		arn, balancer := listener.Outputs.Text("arn"), listener.Outputs.Text("loadBalancerArn")
		if !r.knows(trace.BalancerType, balancer) {
			r.ask(missing{trace.BalancerType, balancer, "load balancer " + balancer}, func(ctx context.Context) error {
				out, err := client.DescribeLoadBalancers(ctx, &elasticloadbalancingv2.DescribeLoadBalancersInput{LoadBalancerArns: []string{balancer}})
				if err != nil {
					return err
				}
				for _, b := range out.LoadBalancers {
					var subnets []string
					for _, zone := range b.AvailabilityZones {
						subnets = append(subnets, aws.ToString(zone.SubnetId))
					}
					r.put(trace.BalancerType, balancer, aws.ToString(b.LoadBalancerName), shape(b, map[string]any{"arn": balancer, "subnets": subnets}))
				}
				return nil
			})
		}
		r.ask(missing{trace.RuleType, "", "rules of listener " + listener.Name}, func(ctx context.Context) error {
			pages := elasticloadbalancingv2.NewDescribeRulesPaginator(client, &elasticloadbalancingv2.DescribeRulesInput{ListenerArn: &arn})
			return each(ctx, pages, func(page *elasticloadbalancingv2.DescribeRulesOutput) {
				for _, rule := range page.Rules {
					r.readRule(arn, rule)
				}
			})
		})
		if listener.Outputs.Text("protocol") != string(types.ProtocolEnumHttps) {
			continue
		}
		r.readCertificate(listener.Outputs.Text("certificateArn"))
		r.ask(missing{trace.ListedType, "", "certificates of listener " + listener.Name}, func(ctx context.Context) error {
			pages := elasticloadbalancingv2.NewDescribeListenerCertificatesPaginator(client, &elasticloadbalancingv2.DescribeListenerCertificatesInput{ListenerArn: &arn})
			return each(ctx, pages, func(page *elasticloadbalancingv2.DescribeListenerCertificatesOutput) {
				for _, c := range page.Certificates {
					certificate := aws.ToString(c.CertificateArn)
					r.putNew(trace.ListedType, arn+"_"+certificate, certificate, trace.Values{"listenerArn": arn, "certificateArn": certificate})
					r.readCertificate(certificate)
				}
			})
		})
	}
}

// readRule takes a rule of a listener. The default one is part of the listener.
func (r *reader) readRule(listener string, rule types.Rule) {
	priority, arn := aws.ToString(rule.Priority), aws.ToString(rule.RuleArn)
	if !aws.ToBool(rule.IsDefault) {
		r.putNew(trace.RuleType, arn, "priority "+priority, shape(rule, map[string]any{
			"arn": arn, "listenerArn": listener, "priority": json.Number(priority), "actions": actions(rule.Actions),
		}))
	}
}

// actions are those of a rule or listener. The provider calls a target group of several by its arn.
func actions(all []types.Action) []any {
	var list []any
	for _, a := range all {
		var groups []any
		if a.ForwardConfig != nil {
			for _, group := range a.ForwardConfig.TargetGroups {
				groups = append(groups, map[string]any{"arn": group.TargetGroupArn, "weight": group.Weight})
			}
		}
		list = append(list, shape(a, map[string]any{"forward": map[string]any{"targetGroups": groups}}))
	}
	return list
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

// readTargetGroups reads those of others.
func (r *reader) readTargetGroups() {
	client := elasticloadbalancingv2.NewFromConfig(r.aws)
	for _, arn := range r.targetGroups() {
		if r.knows(trace.TargetGroupType, arn) {
			continue
		}
		r.ask(missing{trace.TargetGroupType, arn, "target group " + arn}, func(ctx context.Context) error {
			out, err := client.DescribeTargetGroups(ctx, &elasticloadbalancingv2.DescribeTargetGroupsInput{TargetGroupArns: []string{arn}})
			if err != nil {
				return err
			}
			for _, group := range out.TargetGroups {
				r.put(trace.TargetGroupType, arn, aws.ToString(group.TargetGroupName), shape(group, map[string]any{"arn": arn}))
			}
			return nil
		})
	}
}

// readHealth reads what the load balancer says of the targets.
func (r *reader) readHealth() {
	client := elasticloadbalancingv2.NewFromConfig(r.aws)
	for _, arn := range r.targetGroups() {
		name := r.nameOf(trace.TargetGroupType, arn)
		r.ask(missing{trace.TargetHealthType, arn, "health of target group " + name}, func(ctx context.Context) error {
			out, err := client.DescribeTargetHealth(ctx, &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: &arn})
			if err != nil {
				return err
			}
			targets := []any{}
			for _, t := range out.TargetHealthDescriptions {
				targets = append(targets, map[string]any{
					"id": t.Target.Id, "port": t.Target.Port, "zone": t.Target.AvailabilityZone,
					"state": t.TargetHealth.State, "reason": t.TargetHealth.Reason, "description": t.TargetHealth.Description,
				})
			}
			r.put(trace.TargetHealthType, arn, name, shape(map[string]any{"targets": targets}, nil))
			return nil
		})
	}
}
