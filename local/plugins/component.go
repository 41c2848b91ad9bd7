package plugins

import (
	"context"
	"fmt"
	"sync"

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
	mutex sync.Mutex
	// engine is the latest that attached. Each update has one of its own.
	engine *grpc.ClientConn
}

func (c *component) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, AcceptResources: true, AcceptOutputs: true, SupportsPreview: true}, nil
}

func (c *component) Attach(_ context.Context, r *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	engine, err := grpc.NewClient(r.Address, grpc.WithTransportCredentials(insecure.NewCredentials()), rpcutil.GrpcChannelOptions())
	if err != nil {
		return nil, err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.engine != nil {
		c.engine.Close()
	}
	c.engine = engine
	return &emptypb.Empty{}, nil
}

func (c *component) close() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.engine == nil {
		return nil
	}
	return c.engine.Close()
}

func (c *component) Construct(ctx context.Context, r *pulumirpc.ConstructRequest) (*pulumirpc.ConstructResponse, error) {
	c.mutex.Lock()
	engine := c.engine
	c.mutex.Unlock()
	return provider.Construct(ctx, r, engine, func(ctx *pulumi.Context, typ, name string, in provider.ConstructInputs, opts pulumi.ResourceOption) (*provider.ConstructResult, error) {
		if typ != network.Token {
			return nil, fmt.Errorf("the stand-in for awsx has no %s, only %s", typ, network.Token)
		}
		var args network.Args
		if err := in.CopyTo(&args); err != nil {
			return nil, fmt.Errorf("%s %q: %w", typ, name, err)
		}
		vpc, err := network.New(ctx, name, &args, opts)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", typ, name, err)
		}
		return provider.NewConstructResult(vpc)
	})
}
