package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// drift is something that a person changed behind Pulumi's back.
type drift struct {
	resource string // as label writes it
	do       func(ctx context.Context, cfg aws.Config, r apitype.ResourceV3) error
	seen     string // what refresh says of it
	repaired string // what up then does about it
	// holds reads from the account whether it is as the program wants it; nil: compare finds what is missing.
	holds func(ctx context.Context, cfg aws.Config, r apitype.ResourceV3) (bool, error)
}

var drifts = []drift{
	{
		resource: "vpc/securityGroupIngressRule producer-alb-to-producer-book", seen: "delete", repaired: "create",
		do: func(ctx context.Context, cfg aws.Config, r apitype.ResourceV3) error {
			_, err := ec2.NewFromConfig(cfg).RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{
				GroupId: text(r, "securityGroupId"), SecurityGroupRuleIds: []string{string(r.ID)},
			})
			return err
		},
	},
	{
		resource: "lb/listenerRule producer-author", seen: "delete", repaired: "create",
		do: func(ctx context.Context, cfg aws.Config, r apitype.ResourceV3) error {
			_, err := elasticloadbalancingv2.NewFromConfig(cfg).DeleteRule(ctx, &elasticloadbalancingv2.DeleteRuleInput{RuleArn: text(r, "arn")})
			return err
		},
	},
	{
		resource: "lb/listenerRule producer-book", seen: "update", repaired: "update",
		do: func(ctx context.Context, cfg aws.Config, r apitype.ResourceV3) error {
			_, err := elasticloadbalancingv2.NewFromConfig(cfg).ModifyRule(ctx, &elasticloadbalancingv2.ModifyRuleInput{
				RuleArn: text(r, "arn"), Conditions: []elbtypes.RuleCondition{{
					Field: aws.String("path-pattern"), PathPatternConfig: &elbtypes.PathPatternConditionConfig{Values: []string{"/elsewhere*"}},
				}},
			})
			return err
		},
		holds: func(ctx context.Context, cfg aws.Config, r apitype.ResourceV3) (bool, error) {
			out, err := elasticloadbalancingv2.NewFromConfig(cfg).DescribeRules(ctx, &elasticloadbalancingv2.DescribeRulesInput{RuleArns: []string{*text(r, "arn")}})
			return err == nil && strings.Join(out.Rules[0].Conditions[0].PathPatternConfig.Values, " ") == "/api/books*", err
		},
	},
	{
		resource: "ecs/service producer-book", seen: "update", repaired: "update",
		do: func(ctx context.Context, cfg aws.Config, r apitype.ResourceV3) error {
			_, err := ecs.NewFromConfig(cfg).UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: text(r, "cluster"), Service: text(r, "name"), DesiredCount: aws.Int32(7)})
			return err
		},
		holds: func(ctx context.Context, cfg aws.Config, r apitype.ResourceV3) (bool, error) {
			out, err := ecs.NewFromConfig(cfg).DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: text(r, "cluster"), Services: []string{*text(r, "name")}})
			return err == nil && out.Services[0].DesiredCount == 2, err
		},
	},
	{
		resource: "cloudwatch/logGroup producer-book", seen: "update", repaired: "update",
		do: func(ctx context.Context, cfg aws.Config, r apitype.ResourceV3) error {
			_, err := cloudwatchlogs.NewFromConfig(cfg).PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: text(r, "name"), RetentionInDays: aws.Int32(1)})
			return err
		},
		holds: func(ctx context.Context, cfg aws.Config, r apitype.ResourceV3) (bool, error) {
			out, err := cloudwatchlogs.NewFromConfig(cfg).DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: text(r, "name")})
			return err == nil && aws.ToInt32(out.LogGroups[0].RetentionInDays) == 30, err
		},
	},
	{
		resource: "apigatewayv2/integration consumer", seen: "update", repaired: "update",
		do: func(ctx context.Context, cfg aws.Config, r apitype.ResourceV3) error {
			_, err := apigatewayv2.NewFromConfig(cfg).UpdateIntegration(ctx, &apigatewayv2.UpdateIntegrationInput{
				ApiId: text(r, "apiId"), IntegrationId: aws.String(string(r.ID)), RequestParameters: map[string]string{requestID: "$request.path"},
			})
			return err
		},
		holds: func(ctx context.Context, cfg aws.Config, r apitype.ResourceV3) (bool, error) {
			out, err := apigatewayv2.NewFromConfig(cfg).GetIntegration(ctx, &apigatewayv2.GetIntegrationInput{ApiId: text(r, "apiId"), IntegrationId: aws.String(string(r.ID))})
			return err == nil && len(out.RequestParameters) == 1 && out.RequestParameters[requestID] == "$context.requestId", err
		},
	},
	{
		resource: "apigatewayv2/route consumer", seen: "delete", repaired: "create",
		do: func(ctx context.Context, cfg aws.Config, r apitype.ResourceV3) error {
			_, err := apigatewayv2.NewFromConfig(cfg).DeleteRoute(ctx, &apigatewayv2.DeleteRouteInput{ApiId: text(r, "apiId"), RouteId: aws.String(string(r.ID))})
			return err
		},
	},
}

// requestID is the key under which the API tells a service the id of a request.
const requestID = "overwrite:header.x-request-id"

// text is an output of a resource.
func text(r apitype.ResourceV3, name string) *string {
	value, _ := r.Outputs[name].(string)
	return &value
}

// TestDrift changes and deletes things behind Pulumi's back: refresh sees each, up repairs each, and both touch
// nothing else.
func TestDrift(t *testing.T) {
	a := newAccount(t)
	d := a.newStack(t, "drift", nil, base())
	d.up(t)
	if ops := d.refresh(t); len(ops) > 0 {
		t.Fatalf("refresh finds drift in a stack that nobody touched:\n\t%s", strings.Join(ops, "\n\t"))
	}
	ctx, all := context.Background(), d.resources(t)
	var seen, repaired []string
	for _, drift := range drifts {
		r, ok := all[drift.resource]
		if !ok {
			t.Fatalf("no %s in the stack", drift.resource)
		}
		if err := drift.do(ctx, a.aws, r); err != nil {
			t.Fatalf("%s: %v", drift.resource, err)
		}
		if drift.holds != nil {
			if holds, err := drift.holds(ctx, a.aws, r); err != nil || holds {
				t.Fatalf("%s: the change did not reach the account: %v", drift.resource, err)
			}
		}
		seen = append(seen, drift.seen+" "+drift.resource)
		repaired = append(repaired, drift.repaired+" "+drift.resource)
	}
	expect(t, d.refresh(t), seen)
	ops, _ := d.up(t)
	expect(t, ops, repaired)
	for _, drift := range drifts {
		if drift.holds == nil {
			continue
		}
		if holds, err := drift.holds(ctx, a.aws, all[drift.resource]); err != nil || !holds {
			t.Errorf("%s was not repaired: %v", drift.resource, err)
		}
	}
	a.compare(t, d)
	expect(t, d.refresh(t), nil)
	d.destroy(t)
	a.sweep(t, "drift")
}
