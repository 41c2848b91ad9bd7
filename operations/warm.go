package operations

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/policy"
)

// How long EventBridge goes on with a request that failed, or took longer than the 5 seconds that it waits; by default, a day
// and 185 tries. Minutes are enough: AWS needs no more to bring the interfaces of a link back, and tomorrow it asks again.
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
const (
	warmAge     = 600 // seconds
	warmRetries = 5
)

// newWarmLink has EventBridge ask for the health of the first service each day, by the way that callers take. What counts is
// that a request goes through the link, whatever the answer.
func newWarmLink(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) error {
	logical, service := name+"-warm", args.Services[0]
	// A connection must have credentials. The API reads none in this header: what it asks for is open.
	// Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateConnection.html
	connection, err := cloudwatch.NewEventConnection(ctx, logical, &cloudwatch.EventConnectionArgs{
		Description:       pulumi.String("sends no secret: the path that is asked is open"),
		AuthorizationType: pulumi.String("API_KEY"),
		AuthParameters: cloudwatch.EventConnectionAuthParametersArgs{
			ApiKey: cloudwatch.EventConnectionAuthParametersApiKeyArgs{Key: pulumi.String("x-warm-link"), Value: pulumi.String("no-secret")},
		},
	}, opts...)
	if err != nil {
		return fmt.Errorf("creating connection of EventBridge: %w", err)
	}
	destination, err := cloudwatch.NewEventApiDestination(ctx, logical, &cloudwatch.EventApiDestinationArgs{
		ConnectionArn:      connection.Arn,
		Description:        pulumi.String("health of service " + service.Name),
		HttpMethod:         pulumi.String("GET"),
		InvocationEndpoint: pulumi.Sprintf("%s%s/health", args.APIEndpoint, service.Path),
	}, opts...)
	if err != nil {
		return fmt.Errorf("creating API destination: %w", err)
	}
	role, err := iam.NewRole(ctx, logical, &iam.RoleArgs{
		Description: pulumi.String("the daily request through the VPC link"),
		AssumeRolePolicy: destination.Arn.ApplyT(func(arn string) (string, error) {
			return policy.Trust("events.amazonaws.com", strings.Split(arn, ":")[4])
		}).(pulumi.StringOutput),
	}, opts...)
	if err != nil {
		return fmt.Errorf("creating role of EventBridge: %w", err)
	}
	_, err = iam.NewRolePolicy(ctx, logical, &iam.RolePolicyArgs{
		Role: role.ID(), Policy: destination.Arn.ApplyT(func(arn string) (string, error) {
			return policy.JSON(policy.Statement{Action: []string{"events:InvokeApiDestination"}, Resource: []string{arn}})
		}).(pulumi.StringOutput),
	}, opts...)
	if err != nil {
		return fmt.Errorf("creating policy of EventBridge: %w", err)
	}
	rule, err := cloudwatch.NewEventRule(ctx, logical, &cloudwatch.EventRuleArgs{
		Description:        pulumi.String("AWS takes a VPC link without traffic down after 60 days"),
		ScheduleExpression: pulumi.String("rate(1 day)"),
	}, opts...)
	if err != nil {
		return fmt.Errorf("creating rule of EventBridge: %w", err)
	}
	_, err = cloudwatch.NewEventTarget(ctx, logical, &cloudwatch.EventTargetArgs{
		Rule: rule.Name, Arn: destination.Arn, RoleArn: role.Arn,
		RetryPolicy: cloudwatch.EventTargetRetryPolicyArgs{MaximumEventAgeInSeconds: pulumi.Int(warmAge), MaximumRetryAttempts: pulumi.Int(warmRetries)},
	}, opts...)
	if err != nil {
		return fmt.Errorf("creating target of EventBridge: %w", err)
	}
	return nil
}
