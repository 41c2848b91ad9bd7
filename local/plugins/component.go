package plugins

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"private-api/internal/fakeaws/network"
)

// component is the provider awsx.
type component struct {
	base
	engine atomic.Pointer[string] // address of the latest that attached: each update has one of its own
}

func (c *component) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, AcceptResources: true, AcceptOutputs: true, SupportsPreview: true}, nil
}

func (c *component) Attach(_ context.Context, r *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	c.engine.Store(&r.Address)
	return &emptypb.Empty{}, nil
}

func (c *component) Construct(ctx context.Context, r *pulumirpc.ConstructRequest) (*pulumirpc.ConstructResponse, error) {
	if r.Type != network.Token {
		return nil, fmt.Errorf("the stand-in for awsx has no %s, only %s", r.Type, network.Token)
	}
	inputs, err := decode(r.Inputs)
	if err != nil {
		return nil, err
	}
	engine, err := grpc.NewClient(*c.engine.Load(), grpc.WithTransportCredentials(insecure.NewCredentials()), rpcutil.GrpcChannelOptions())
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	return provider.Construct(ctx, r, engine, func(ctx *pulumi.Context, _, name string, _ provider.ConstructInputs, opts pulumi.ResourceOption) (*provider.ConstructResult, error) {
		vpc, err := network.New(ctx, name, inputs, opts)
		if err != nil {
			return nil, err
		}
		return provider.NewConstructResult(vpc)
	})
}
