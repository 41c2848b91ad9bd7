// Package testkit is for tests. It runs the program on mocks and records what it registers, without an engine or an
// account, and it compares golden files. AWS's answers come from package fakeaws, which refuses what it does not know.
package testkit

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"private-api/internal/fakeaws"
	"private-api/internal/fakeaws/network"
)

// Resource is a registered resource.
type Resource struct {
	Type, Name string
	URN        string
	Inputs     resource.PropertyMap
	ID         string // empty for components and providers
	Outputs    resource.PropertyMap
	Options
}

// Options are the options of a resource. They name other resources by their URNs.
type Options struct {
	Parent               string              `yaml:"parent,omitempty"`
	Provider             string              `yaml:"provider,omitempty"`  // URN::id
	Dependencies         []string            `yaml:"dependsOn,omitempty"` // of dependsOn and of the inputs
	PropertyDependencies map[string][]string `yaml:"inputsDependOn,omitempty"`
	Protect              bool                `yaml:"protect,omitempty"`
	IgnoreChanges        []string            `yaml:"ignoreChanges,omitempty"`
	ReplaceOnChanges     []string            `yaml:"replaceOnChanges,omitempty"`
	ReplacementTrigger   string              `yaml:"replacementTrigger,omitempty"`
	DeleteBeforeReplace  bool                `yaml:"deleteBeforeReplace,omitempty"`
	RetainOnDelete       bool                `yaml:"retainOnDelete,omitempty"`
	CustomTimeouts       map[string]string   `yaml:"customTimeouts,omitempty"` // create, update, delete
	Aliases              []string            `yaml:"aliases,omitempty"`        // URN, or type and name
}

// newOptions reads the options of a registration.
func newOptions(rpc *pulumirpc.RegisterResourceRequest) Options {
	o := Options{
		Parent: rpc.GetParent(), Provider: rpc.GetProvider(),
		Dependencies: rpc.GetDependencies(), PropertyDependencies: map[string][]string{},
		Protect: rpc.GetProtect(), IgnoreChanges: rpc.GetIgnoreChanges(), ReplaceOnChanges: rpc.GetReplaceOnChanges(),
		ReplacementTrigger: rpc.GetReplacementTrigger().GetStringValue(), DeleteBeforeReplace: rpc.GetDeleteBeforeReplace(), RetainOnDelete: rpc.GetRetainOnDelete(),
		CustomTimeouts: map[string]string{}, Aliases: rpc.GetAliasURNs(),
	}
	for input, dependencies := range rpc.GetPropertyDependencies() {
		if urns := dependencies.GetUrns(); len(urns) > 0 {
			o.PropertyDependencies[input] = urns
		}
	}
	limits := rpc.GetCustomTimeouts()
	for operation, limit := range map[string]string{"create": limits.GetCreate(), "update": limits.GetUpdate(), "delete": limits.GetDelete()} {
		if limit != "" {
			o.CustomTimeouts[operation] = limit
		}
	}
	for _, alias := range rpc.GetAliases() {
		o.Aliases = append(o.Aliases, cmp.Or(alias.GetUrn(), strings.TrimSpace(alias.GetSpec().GetType()+" "+alias.GetSpec().GetName())))
	}
	return o
}

// Recorder runs a program and records what it does.
type Recorder struct {
	Replace func(r *Resource, outputs resource.PropertyMap) // changes the outputs of a resource; nil: nothing does
	Account fakeaws.Account                                 // default: fakeaws.Default
	Stack   string                                          // default: dev
	Secret  []string                                        // keys of the configuration that hold a secret

	Resources []*Resource
	Invokes   []string // token and provider
	Exports   map[string]any

	mu         sync.Mutex
	ctx        *pulumi.Context
	transforms map[string][]*pulumirpc.Callback // by URN: a resource's own, and those of what it is in
}

// Run runs a program with a configuration ("private-api:spot": "true").
func (r *Recorder) Run(program pulumi.RunFunc, config map[string]string) error {
	r.Account, r.Stack = cmp.Or(r.Account, fakeaws.Default), cmp.Or(r.Stack, "dev")
	r.Exports, r.transforms = map[string]any{}, map[string][]*pulumirpc.Callback{}
	return pulumi.RunErr(func(ctx *pulumi.Context) error {
		r.ctx = ctx
		if err := program(ctx); err != nil {
			return err
		}
		// Of the program's own, so that its end waits for constants too.
		own, resolve, _ := ctx.NewOutput()
		for name, value := range ctx.GetCurrentExportMap() {
			pulumi.All(value, own).ApplyT(func(v []any) any {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.Exports[name] = v[0]
				return nil
			})
		}
		resolve(nil)
		return nil
	}, pulumi.WithMocks("private-api", r.Stack, r), func(info *pulumi.RunInfo) { info.Config, info.ConfigSecretKeys = config, r.Secret })
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
	made := &Resource{Type: args.TypeToken, Name: args.Name, Options: newOptions(args.RegisterRPC)}
	made.URN = r.urn(made)
	err := r.transform(made, &args)
	made.Inputs = args.Inputs
	switch {
	case err != nil:
	case args.TypeToken == network.Token && args.RegisterRPC.GetRemote():
		made.Outputs, err = network.Mock(r.ctx, args)
	case args.TypeToken == network.Token:
		return "", nil, nil // the component registers itself too
	case !args.Custom || strings.HasPrefix(args.TypeToken, "pulumi:"):
		r.add(made)
		return args.Name + "-id", args.Inputs, nil
	default:
		made.ID, made.Outputs, err = r.Account.Create(args.TypeToken, args.Name, args.Inputs)
	}
	if err != nil {
		return "", nil, err
	}
	if r.Replace != nil {
		r.Replace(made, made.Outputs)
	}
	r.add(made)
	return made.ID, made.Outputs, nil
}

func (r *Recorder) add(made *Resource) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Resources = append(r.Resources, made)
}

func (r *Recorder) urn(made *Resource) string {
	urn := resource.CreateURN(made.Name, made.Type, resource.URN(made.Parent), r.ctx.Project(), r.ctx.Stack())
	return strings.Replace(string(urn), string(resource.RootStackType)+"$", "", 1) // URNs leave this parent out
}

// transform has the program's transforms change the inputs of a resource, as the engine does.
func (r *Recorder) transform(made *Resource, args *pulumi.MockResourceArgs) error {
	r.mu.Lock()
	all := slices.Concat(r.transforms[made.URN], r.transforms[made.Parent], args.RegisterRPC.GetTransforms())
	r.transforms[made.URN] = all
	r.mu.Unlock()
	keep := plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true}
	for _, callback := range all {
		properties, err := plugin.MarshalProperties(args.Inputs, keep)
		if err != nil {
			return err
		}
		request, err := proto.Marshal(&pulumirpc.TransformRequest{Type: made.Type, Name: made.Name, Custom: args.Custom, Parent: made.Parent, Properties: properties, Options: &pulumirpc.TransformResourceOptions{}})
		if err != nil {
			return err
		}
		program, err := grpc.NewClient(callback.GetTarget(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return err
		}
		defer program.Close()
		answer, err := pulumirpc.NewCallbacksClient(program).Invoke(r.ctx.Context(), &pulumirpc.CallbackInvokeRequest{Token: callback.GetToken(), Request: request})
		if err != nil {
			return err
		}
		var transformed pulumirpc.TransformResponse
		if err := proto.Unmarshal(answer.GetResponse(), &transformed); err != nil {
			return err
		}
		if transformed.Properties == nil {
			continue // it leaves this one alone
		}
		if args.Inputs, err = plugin.UnmarshalProperties(transformed.Properties, keep); err != nil {
			return err
		}
	}
	return nil
}

// Short is module and name of a type: ec2.Vpc, ecs.Service. Outside AWS it is package and name: awsx.Vpc, docker.Image.
func (r *Resource) Short() string { return shortType(r.Type) }

func shortType(token string) string {
	parts := strings.Split(token, ":")
	if len(parts) < 3 {
		return token
	}
	if parts[0] == "awsx" || parts[0] == "docker" {
		return parts[0] + "." + parts[2]
	}
	module, _, _ := strings.Cut(parts[1], "/")
	return module + "." + parts[2]
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

// Input is one input as plain data, nil if it is not set. A path goes into objects and lists: "settings.0.value".
func (r *Resource) Input(path string) any {
	var keys resource.PropertyPath
	for key := range strings.SplitSeq(path, ".") {
		if i, err := strconv.Atoi(key); err == nil {
			keys = append(keys, i)
		} else {
			keys = append(keys, key)
		}
	}
	value, _ := keys.Get(resource.NewProperty(r.Inputs))
	return value.Mappable()
}
