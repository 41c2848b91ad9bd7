// Package testkit runs the program on mocks and keeps what it registers: for
// tests that look at resources without an engine or an account. Computed fields
// come from the table of the local stand-in for AWS, which refuses what it does
// not know.
package testkit

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/internal/fakeaws"
	"private-api/internal/fakeaws/network"
)

// Resource is one registered resource.
type Resource struct {
	Type, Name   string
	URN, Parent  string
	Provider     string
	Protected    bool
	Dependencies []string // URNs
	Ignored      []string // ignoreChanges
	Timeouts     map[string]string
	Inputs       resource.PropertyMap
	ID           string // empty for components and providers
	Outputs      resource.PropertyMap
}

// Recorder is a run's record. Replace, if set, changes the outputs of a resource.
type Recorder struct {
	Replace func(r *Resource, outputs resource.PropertyMap)
	Account fakeaws.Account // default: fakeaws.Default

	mu        sync.Mutex
	ctx       *pulumi.Context
	Resources []*Resource
	Invokes   []string
	Exports   map[string]any
}

// Run runs a program with a configuration ("private-api:spot": "true") in stack dev.
func (r *Recorder) Run(program pulumi.RunFunc, config map[string]string) error {
	return r.RunStack("dev", program, config)
}

// RunStack is Run for another stack.
func (r *Recorder) RunStack(stack string, program pulumi.RunFunc, config map[string]string) error {
	if r.Account.ID == "" {
		r.Account = fakeaws.Default
	}
	r.Exports = map[string]any{}
	return pulumi.RunErr(func(ctx *pulumi.Context) error {
		r.ctx = ctx
		if err := program(ctx); err != nil {
			return err
		}
		for name, value := range ctx.GetCurrentExportMap() {
			pulumi.ToOutput(value).ApplyT(func(v any) any {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.Exports[name] = v
				return v
			})
		}
		return nil
	}, pulumi.WithMocks("private-api", stack, r), func(info *pulumi.RunInfo) { info.Config = config })
}

// Call answers a lookup.
func (r *Recorder) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	r.mu.Lock()
	r.Invokes = append(r.Invokes, args.Token+" "+args.Provider)
	r.mu.Unlock()
	return r.Account.Invoke(args.Token, args.Args)
}

// NewResource answers a registration.
func (r *Recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if args.TypeToken == network.Token && args.RegisterRPC.GetRemote() {
		outputs, err := network.Mock(r.ctx, args)
		r.add(&Resource{
			Type: args.TypeToken, Name: args.Name, Inputs: args.Inputs, Outputs: outputs,
			Parent: args.RegisterRPC.GetParent(), Dependencies: args.RegisterRPC.GetDependencies(),
		})
		return "", outputs, err
	}
	if args.TypeToken == network.Token {
		return "", nil, nil // the component's own registration of itself
	}
	rpc := args.RegisterRPC
	made := &Resource{
		Type: args.TypeToken, Name: args.Name, Inputs: args.Inputs,
		Parent: rpc.GetParent(), Provider: rpc.GetProvider(), Protected: rpc.GetProtect(),
		Dependencies: rpc.GetDependencies(), Ignored: rpc.GetIgnoreChanges(),
	}
	if t := rpc.GetCustomTimeouts(); t != nil {
		made.Timeouts = map[string]string{"create": t.GetCreate(), "update": t.GetUpdate()}
	}
	if !args.Custom || strings.HasPrefix(args.TypeToken, "pulumi:") {
		r.add(made)
		return args.Name + "-id", args.Inputs, nil
	}
	id, outputs, err := fakeaws.Create(args.TypeToken, args.Name, args.Inputs)
	if err != nil {
		return "", nil, err
	}
	made.ID = id
	if r.Replace != nil {
		r.Replace(made, outputs)
	}
	made.Outputs = outputs
	r.add(made)
	return id, outputs, nil
}

func (r *Recorder) add(made *Resource) {
	r.mu.Lock()
	defer r.mu.Unlock()
	types := made.Type
	if parent := resource.URN(made.Parent); made.Parent != "" && parent.QualifiedType() != resource.RootStackType {
		types = string(parent.QualifiedType()) + "$" + types
	}
	made.URN = fmt.Sprintf("urn:pulumi:%s::%s::%s::%s", r.ctx.Stack(), r.ctx.Project(), types, made.Name)
	r.Resources = append(r.Resources, made)
}

// Short is module and name of a type: ec2.Vpc, ecs.Service. For what is not of
// AWS it is the package: awsx.Vpc, docker.Image.
func (r *Resource) Short() string {
	parts := strings.Split(r.Type, ":")
	if parts[0] == "awsx" || parts[0] == "docker" {
		return parts[0] + "." + parts[len(parts)-1]
	}
	module, _, _ := strings.Cut(parts[1], "/")
	return module + "." + parts[len(parts)-1]
}

// String is "ecs.Service producer-book".
func (r *Resource) String() string { return r.Short() + " " + r.Name }

// List is every resource as text, sorted.
func (r *Recorder) List() []string {
	var out []string
	for _, made := range r.Resources {
		out = append(out, made.String())
	}
	slices.Sort(out)
	return out
}

// Get returns the resource of that type and name ("ecs.Service producer-book").
func (r *Recorder) Get(t testing.TB, name string) *Resource {
	t.Helper()
	for _, made := range r.Resources {
		if made.String() == name {
			return made
		}
	}
	t.Fatalf("no resource %s; there are\n%s", name, strings.Join(r.List(), "\n"))
	return nil
}

// All returns the resources of a type ("ecs.Service").
func (r *Recorder) All(short string) []*Resource {
	var out []*Resource
	for _, made := range r.Resources {
		if made.Short() == short {
			out = append(out, made)
		}
	}
	return out
}

// Input is one input as plain data; nil where it is not set. A path goes into
// objects and lists: "metadataOptions.httpTokens", "settings.0.value".
func (r *Resource) Input(path string) any {
	var value any = r.Inputs.Mappable()
	for _, key := range strings.Split(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[key]
		case []any:
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}
