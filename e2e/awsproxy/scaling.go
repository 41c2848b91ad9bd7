package awsproxy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"

	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
)

const scaling = "application-autoscaling"

// answerScaling answers for Application Auto Scaling what the simulator cannot, or takes and AWS refuses: tags, what is about
// a scalable target or a policy that is not there, and that a target takes its policies along; nil: the simulator is asked.
// Source: https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DeregisterScalableTarget.html
func (g *gaps) answerScaling(c *Call, request []byte) *httptest.ResponseRecorder {
	var in struct {
		PolicyName, ResourceARN string
		ResourceId              *string
		ScalableDimension       types.ScalableDimension
		ServiceNamespace        types.ServiceNamespace
		Tags                    map[string]string
		TagKeys                 []string
	}
	if json.Unmarshal(request, &in) != nil {
		return nil
	}
	switch c.Operation {
	case "ListTagsForResource":
		return document(map[string]any{"Tags": g.targetTags[in.ResourceARN]})
	case "TagResource":
		g.tagTarget(in.ResourceARN, in.Tags)
		return document(map[string]any{})
	case "UntagResource":
		for _, key := range in.TagKeys {
			delete(g.targetTags[in.ResourceARN], key)
		}
		return document(map[string]any{})
	case "PutScalingPolicy", "DeregisterScalableTarget", "DeleteScalingPolicy":
	default:
		return nil
	}
	client, ctx := applicationautoscaling.NewFromConfig(g.simulator(c)), context.Background()
	targets, err := client.DescribeScalableTargets(ctx, &applicationautoscaling.DescribeScalableTargetsInput{
		ServiceNamespace: in.ServiceNamespace, ScalableDimension: in.ScalableDimension, ResourceIds: []string{*in.ResourceId},
	})
	if err == nil && len(targets.ScalableTargets) == 0 {
		return c.refuse("ObjectNotFoundException", fmt.Sprintf("No scalable target found for service namespace: %s, resource ID: %s, scalable dimension: %s",
			in.ServiceNamespace, *in.ResourceId, in.ScalableDimension))
	}
	if err != nil || c.Operation == "PutScalingPolicy" {
		return nil
	}
	policies, err := client.DescribeScalingPolicies(ctx, &applicationautoscaling.DescribeScalingPoliciesInput{
		ServiceNamespace: in.ServiceNamespace, ScalableDimension: in.ScalableDimension, ResourceId: in.ResourceId,
	})
	if err != nil {
		return nil
	}
	there := false
	for _, policy := range policies.ScalingPolicies {
		there = there || *policy.PolicyName == in.PolicyName
		if c.Operation == "DeregisterScalableTarget" {
			_, _ = client.DeleteScalingPolicy(ctx, &applicationautoscaling.DeleteScalingPolicyInput{
				ServiceNamespace: in.ServiceNamespace, ScalableDimension: in.ScalableDimension, ResourceId: in.ResourceId, PolicyName: policy.PolicyName,
			})
		}
	}
	if c.Operation == "DeleteScalingPolicy" && !there {
		return c.refuse("ObjectNotFoundException", "No scaling policy found for policy name: "+in.PolicyName)
	}
	return nil
}

// tagTarget adds tags to a scalable target.
func (g *gaps) tagTarget(arn string, tags map[string]string) {
	if g.targetTags[arn] == nil {
		g.targetTags[arn] = map[string]string{}
	}
	for key, value := range tags {
		g.targetTags[arn][key] = value
	}
}
