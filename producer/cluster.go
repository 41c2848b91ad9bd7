package producer

import (
	"fmt"
	"strings"
	"time"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/servicediscovery"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

type cluster struct {
	*ecs.Cluster
	logs      []pulumi.Resource // of Container Insights
	capacity  *ecs.ClusterCapacityProviders
	strategy  ecs.ServiceCapacityProviderStrategyArray
	namespace *servicediscovery.PrivateDnsNamespace
}

func newCluster(ctx *pulumi.Context, name string, args *Args, vpcID pulumi.StringInput, parent pulumi.ResourceOrInvokeOption) (*cluster, error) {
	insights := "disabled"
	if args.ContainerInsights {
		insights = "enabled"
	}
	c, err := ecs.NewCluster(ctx, name, &ecs.ClusterArgs{
		Settings: ecs.ClusterSettingArray{ecs.ClusterSettingArgs{Name: pulumi.String("containerInsights"), Value: pulumi.String(insights)}},
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("creating cluster: %w", err)
	}
	var logs []pulumi.Resource
	if args.ContainerInsights {
		// Container Insights makes this group itself, without a retention time, and nobody deletes it.
		// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-reference-performance-logs-ECS.html
		group, err := cloudwatch.NewLogGroup(ctx, name+"-insights", &cloudwatch.LogGroupArgs{
			Name:            pulumi.Sprintf("/aws/ecs/containerinsights/%s/performance", c.Name),
			RetentionInDays: pulumi.Int(args.LogRetentionDays),
			KmsKeyId:        args.KmsKeyArn,
		}, parent)
		if err != nil {
			return nil, fmt.Errorf("creating log group: %w", err)
		}
		logs = append(logs, group)
	}
	provider := "FARGATE"
	if args.Spot {
		provider = "FARGATE_SPOT"
	}
	strategy := ecs.ServiceCapacityProviderStrategyArray{ecs.ServiceCapacityProviderStrategyArgs{CapacityProvider: pulumi.String(provider), Weight: pulumi.Int(1)}}
	if args.OnDemandBase > 0 {
		// AWS says that a provider of weight 0 places no tasks. So beyond the base, one task in a thousand goes there too.
		// Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html
		strategy = ecs.ServiceCapacityProviderStrategyArray{
			ecs.ServiceCapacityProviderStrategyArgs{CapacityProvider: pulumi.String("FARGATE"), Base: pulumi.Int(args.OnDemandBase), Weight: pulumi.Int(1)},
			ecs.ServiceCapacityProviderStrategyArgs{CapacityProvider: pulumi.String("FARGATE_SPOT"), Weight: pulumi.Int(1000)},
		}
	}
	capacity, err := ecs.NewClusterCapacityProviders(ctx, name, &ecs.ClusterCapacityProvidersArgs{
		ClusterName:       awaitServiceLinkedRole(ctx, c.Name, parent),
		CapacityProviders: pulumi.ToStringArray([]string{"FARGATE", "FARGATE_SPOT"}),
		DefaultCapacityProviderStrategies: ecs.ClusterCapacityProvidersDefaultCapacityProviderStrategyArray{
			ecs.ClusterCapacityProvidersDefaultCapacityProviderStrategyArgs{CapacityProvider: pulumi.String(provider), Weight: pulumi.Int(1)},
		},
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("creating capacity providers: %w", err)
	}
	namespace, err := servicediscovery.NewPrivateDnsNamespace(ctx, name, &servicediscovery.PrivateDnsNamespaceArgs{
		Name:        pulumi.String(args.Namespace),
		Vpc:         vpcID,
		Description: pulumi.String("names by which the services find each other"),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("creating namespace: %w", err)
	}
	return &cluster{Cluster: c, logs: logs, capacity: capacity, strategy: strategy, namespace: namespace}, nil
}

// serviceLinkedRole is the role that ECS works with. AWS makes it with the first cluster of an account, and a little later.
// Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
const serviceLinkedRole = "AWSServiceRoleForECS"

// awaitServiceLinkedRole returns the cluster's name once ECS has its role: without it, capacity providers are refused.
func awaitServiceLinkedRole(ctx *pulumi.Context, cluster pulumi.StringOutput, opts ...pulumi.InvokeOption) pulumi.StringOutput {
	return cluster.ApplyT(func(name string) (string, error) {
		if ctx.DryRun() {
			return name, nil
		}
		for begin := time.Now(); ; time.Sleep(2 * time.Second) {
			_, err := iam.LookupRole(ctx, &iam.LookupRoleArgs{Name: serviceLinkedRole}, opts...)
			switch {
			case err == nil || strings.Contains(err.Error(), "AccessDenied"): // who may not look can still be lucky
				return name, nil
			case time.Since(begin) > time.Minute:
				return "", fmt.Errorf("the account has no role %s, which ECS needs for capacity providers. Make it, then run the update again: "+
					"aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com (%w)", serviceLinkedRole, err)
			}
		}
	}).(pulumi.StringOutput)
}
