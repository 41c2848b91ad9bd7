// Package plugins serves the providers of the program, aws, awsx and docker, to a Pulumi engine from within this
// process. What the engine makes is kept in a trace.Set and run by a tasks.Runner.
package plugins

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"private-api/internal/fakeaws"
	"private-api/local/tasks"
	"private-api/trace"
)

// maxMessage is the engine's own limit, in bytes.
const maxMessage = 400 << 20

// Servers are the running providers.
type Servers struct {
	// Attach is what PULUMI_DEBUG_PROVIDERS has to be for the engine to use them.
	Attach string

	servers []*grpc.Server
	serving sync.WaitGroup
}

// Serve starts the providers on free ports of this machine. Relative paths of build contexts count from root.
func Serve(set *trace.Set, runner *tasks.Runner, root string) (*Servers, error) {
	s := &Servers{}
	cloud := &cloud{set: set, runner: runner, root: root, counts: map[string]int{}}
	cloud.account.Store(&fakeaws.Default)
	var attach []string
	for name, provider := range map[string]pulumirpc.ResourceProviderServer{
		"aws":    &resources{base{version: "6.83.2"}, cloud},
		"awsx":   &component{base: base{version: "2.22.0"}},
		"docker": &resources{base{version: "4.11.2"}, cloud},
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			s.Close()
			return nil, err
		}
		server := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage), grpc.WaitForHandlers(true))
		pulumirpc.RegisterResourceProviderServer(server, provider)
		s.servers = append(s.servers, server)
		s.serving.Go(func() { server.Serve(listener) })
		attach = append(attach, fmt.Sprintf("%s:%d", name, listener.Addr().(*net.TCPAddr).Port))
	}
	s.Attach = strings.Join(attach, ",")
	return s, nil
}

// Close stops the providers and waits for the calls under way, whose contexts end.
func (s *Servers) Close() {
	for _, server := range s.servers {
		server.Stop()
	}
	s.serving.Wait()
}

// base is what all providers answer alike. The engine does without what it does not implement.
type base struct {
	pulumirpc.UnimplementedResourceProviderServer
	version string
}

func (b base) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: b.version}, nil
}

func (base) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}
