package operations

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/policy"
)

// maxDisplayName is the characters that the name of who sends mails has at most.
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sns-topic.html (DisplayName)
const maxDisplayName = 100

// MakesTopic tells whether NewTopic makes a topic, which needs a key.
func (a *Args) MakesTopic() bool { return a.Alarms && len(a.AlarmEmails) > 0 }

// NewTopic returns the ARNs of what alarms tell: a topic that writes to the addresses, or the one that exists. It comes before
// the producer, whose alarms tell it too. Without either, nobody is told, and the list is empty.
//
// The topic is encrypted with the customer managed key of that ARN, which must let alarms use it: see KeyStatement.
func NewTopic(ctx *pulumi.Context, name string, args *Args, key pulumi.StringPtrInput, opts ...pulumi.ResourceOption) (pulumi.StringArray, error) {
	switch {
	case args.Alarms && args.AlarmTopicArn != "":
		return pulumi.StringArray{pulumi.String(args.AlarmTopicArn)}, nil
	case !args.MakesTopic():
		return nil, nil
	}
	component := &pulumi.ResourceState{}
	if err := ctx.RegisterComponentResource("private-api:operations:Topic", name, component, opts...); err != nil {
		return nil, err
	}
	parent := pulumi.Parent(component)
	from := ctx.Project() + "-" + ctx.Stack() // who the mails come from
	topic, err := sns.NewTopic(ctx, name, &sns.TopicArgs{
		DisplayName:    pulumi.String(from[:min(len(from), maxDisplayName)]),
		KmsMasterKeyId: key,
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("creating topic: %w", err)
	}
	_, err = sns.NewTopicPolicy(ctx, name, &sns.TopicPolicyArgs{
		Arn: topic.Arn,
		Policy: topic.Arn.ApplyT(func(arn string) (string, error) {
			return policy.JSON(ofAlarms(args.Region, strings.Split(arn, ":")[4], []string{"sns:Publish"}, arn))
		}).(pulumi.StringOutput),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("creating policy of topic: %w", err)
	}
	for _, address := range args.AlarmEmails {
		_, err := sns.NewTopicSubscription(ctx, name+"-"+address, &sns.TopicSubscriptionArgs{
			Topic: topic.Arn, Protocol: pulumi.String("email"), Endpoint: pulumi.String(address),
		}, parent)
		if err != nil {
			return nil, fmt.Errorf("subscribing %s: %w", address, err)
		}
	}
	return pulumi.StringArray{topic.Arn}, ctx.RegisterResourceOutputs(component, pulumi.Map{"arn": topic.Arn})
}

// KeyStatement lets alarms send messages to topics that a key encrypts. AWS's own key for SNS (alias/aws/sns) does not let
// them, and its policy cannot be changed: an alarm would go off, and nobody would be told.
// Sources: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services,
// https://repost.aws/knowledge-center/cloudwatch-receive-sns-for-alarm-trigger
func KeyStatement(region, account string) policy.Statement {
	return ofAlarms(region, account, []string{"kms:Decrypt", "kms:GenerateDataKey*"}, "*") // the key that has this policy
}

// ofAlarms allows something to the alarms of an account, and to nobody on behalf of another one.
func ofAlarms(region, account string, actions []string, resource string) policy.Statement {
	return policy.Statement{
		Sid:       "Alarms",
		Principal: map[string]string{"Service": "cloudwatch.amazonaws.com"},
		Action:    actions,
		Resource:  []string{resource},
		Condition: map[string]map[string]string{"ArnLike": {"aws:SourceArn": policy.PartitionOf(region).ARN("cloudwatch", region, account, "alarm:*")}},
	}
}
