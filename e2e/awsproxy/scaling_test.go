package awsproxy_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"private-api/e2e/awsproxy"
)

// A simulator that knows one target and one policy, and takes everything: the proxy refuses as AWS does, keeps tags, and
// lets the policies go with their target.
func TestScaling(t *testing.T) {
	deleted := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		answer := "{}"
		switch {
		case operation == "RegisterScalableTarget":
			answer = `{"ScalableTargetARN":"arn:1"}`
		case operation == "DeleteScalingPolicy":
			deleted++
		case !strings.Contains(string(body), "service/c/s"):
		case operation == "DescribeScalableTargets":
			answer = `{"ScalableTargets":[{"ResourceId":"service/c/s"}]}`
		case operation == "DescribeScalingPolicies":
			answer = `{"ScalingPolicies":[{"PolicyName":"cpu"}]}`
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	p, err := awsproxy.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	client, ctx := applicationautoscaling.NewFromConfig(aws.Config{
		Region: "us-west-2", BaseEndpoint: aws.String(p.URL()), Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	}), context.Background()
	const namespace, dimension = types.ServiceNamespaceEcs, types.ScalableDimensionECSServiceDesiredCount

	_, err = client.RegisterScalableTarget(ctx, &applicationautoscaling.RegisterScalableTargetInput{
		ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: aws.String("service/c/s"), Tags: map[string]string{"a": "1", "b": "2"},
	})
	if err == nil {
		_, err = client.TagResource(ctx, &applicationautoscaling.TagResourceInput{ResourceARN: aws.String("arn:1"), Tags: map[string]string{"c": "3"}})
	}
	if err == nil {
		_, err = client.UntagResource(ctx, &applicationautoscaling.UntagResourceInput{ResourceARN: aws.String("arn:1"), TagKeys: []string{"b"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	tags, err := client.ListTagsForResource(ctx, &applicationautoscaling.ListTagsForResourceInput{ResourceARN: aws.String("arn:1")})
	if err != nil || !maps.Equal(tags.Tags, map[string]string{"a": "1", "c": "3"}) {
		t.Errorf("the tags are %v: %v", tags, err)
	}
	for _, test := range []struct {
		resource, policy string
		taken            bool
	}{{"service/c/s", "cpu", true}, {"service/c/s", "other", false}, {"service/c/other", "cpu", false}} {
		id := aws.String(test.resource)
		_, put := client.PutScalingPolicy(ctx, &applicationautoscaling.PutScalingPolicyInput{ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: id, PolicyName: &test.policy})
		_, remove := client.DeleteScalingPolicy(ctx, &applicationautoscaling.DeleteScalingPolicyInput{ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: id, PolicyName: &test.policy})
		_, deregister := client.DeregisterScalableTarget(ctx, &applicationautoscaling.DeregisterScalableTargetInput{ServiceNamespace: namespace, ScalableDimension: dimension, ResourceId: id})
		target := test.resource == "service/c/s"
		for what, answer := range map[string]struct {
			err   error
			taken bool
		}{"put": {put, target}, "delete": {remove, test.taken}, "deregister": {deregister, target}} {
			if missing := new(types.ObjectNotFoundException); answer.taken && answer.err != nil || !answer.taken && !errors.As(answer.err, &missing) {
				t.Errorf("%s %s of %s: %v", what, test.policy, test.resource, answer.err)
			}
		}
	}
	if deleted != 3 { // one by its name, two with the target
		t.Errorf("%d policies were deleted, want 3", deleted)
	}
}
