package producer

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/servicediscovery"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Namespace is the private DNS namespace in which services find each other: book.http-api.local. It is fixed, because
// callers write it.
const Namespace = "http-api.local"

type cluster struct {
	*ecs.Cluster
	capacity  *ecs.ClusterCapacityProviders
	strategy  ecs.ServiceCapacityProviderStrategyArray
	namespace *servicediscovery.PrivateDnsNamespace
}

func newCluster(ctx *pulumi.Context, name string, args *Args, vpcID pulumi.StringInput, opts ...pulumi.ResourceOption) (*cluster, error) {
	insights := "disabled"
	if args.ContainerInsights {
		insights = "enabled"
	}
	c, err := ecs.NewCluster(ctx, name, &ecs.ClusterArgs{
		Settings: ecs.ClusterSettingArray{ecs.ClusterSettingArgs{Name: pulumi.String("containerInsights"), Value: pulumi.String(insights)}},
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating cluster: %w", err)
	}
	provider := "FARGATE"
	if args.Spot {
		provider = "FARGATE_SPOT"
	}
	capacity, err := ecs.NewClusterCapacityProviders(ctx, name, &ecs.ClusterCapacityProvidersArgs{
		ClusterName:       c.Name,
		CapacityProviders: pulumi.ToStringArray([]string{"FARGATE", "FARGATE_SPOT"}),
		DefaultCapacityProviderStrategies: ecs.ClusterCapacityProvidersDefaultCapacityProviderStrategyArray{
			ecs.ClusterCapacityProvidersDefaultCapacityProviderStrategyArgs{CapacityProvider: pulumi.String(provider), Weight: pulumi.Int(1)},
		},
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating capacity providers: %w", err)
	}
	namespace, err := servicediscovery.NewPrivateDnsNamespace(ctx, name, &servicediscovery.PrivateDnsNamespaceArgs{
		Name:        pulumi.String(Namespace),
		Vpc:         vpcID,
		Description: pulumi.String("names by which the services find each other"),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating namespace: %w", err)
	}
	return &cluster{
		Cluster: c, capacity: capacity, namespace: namespace,
		strategy: ecs.ServiceCapacityProviderStrategyArray{
			ecs.ServiceCapacityProviderStrategyArgs{CapacityProvider: pulumi.String(provider), Weight: pulumi.Int(1)},
		},
	}, nil
}
