package plugins

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"private-api/internal/fakeaws"
	"private-api/local/tasks"
	"private-api/trace"
)

// store is what the providers share.
type store struct {
	set    *trace.Set
	runner *tasks.Runner
	root   string

	mutex   sync.Mutex
	numbers map[string]int // how many were made, by type and name
}

// next returns the number of a new resource: for a task definition, the revision of its family.
func (s *store) next(typ, name string) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.numbers[typ+" "+name]++
	return s.numbers[typ+" "+name]
}

// resources is a provider of the resource types in the table.
type resources struct {
	base
	*store
	mutex   sync.Mutex
	account fakeaws.Account
}

func decode(s *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(s, plugin.MarshalOptions{KeepUnknowns: true})
}

func encode(m resource.PropertyMap) (*structpb.Struct, error) {
	return plugin.MarshalProperties(m, plugin.MarshalOptions{KeepUnknowns: true})
}

func (p *resources) in() fakeaws.Account {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.account
}

// Configure takes the region. A stack has one.
func (p *resources) Configure(ctx context.Context, r *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	args, err := decode(r.Args)
	if err != nil {
		return nil, err
	}
	p.mutex.Lock()
	if region := args["region"]; region.IsString() {
		p.account.Region = region.StringValue()
	}
	p.mutex.Unlock()
	return p.base.Configure(ctx, r)
}

func (p *resources) Invoke(_ context.Context, r *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	args, err := decode(r.Args)
	if err != nil {
		return nil, err
	}
	answer, err := p.in().Invoke(r.Tok, args)
	if err != nil {
		return nil, status.Error(codes.Unimplemented, err.Error())
	}
	out, err := encode(answer)
	return &pulumirpc.InvokeResponse{Return: out}, err
}

// change is the type of a resource, what it was and what it is to be.
func change(urn string, was, is *structpb.Struct) (known fakeaws.Type, olds, news resource.PropertyMap, err error) {
	if known, err = fakeaws.TypeOf(string(resource.URN(urn).Type())); err != nil {
		return known, nil, nil, status.Error(codes.Unimplemented, err.Error())
	}
	if olds, err = decode(was); err != nil {
		return known, nil, nil, err
	}
	news, err = decode(is)
	return known, olds, news, err
}

// Check names the resource where the program does not, and adds to an image what it is made of.
func (p *resources) Check(_ context.Context, r *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	urn := resource.URN(r.Urn)
	known, olds, news, err := change(r.Urn, r.Olds, r.News)
	if err != nil {
		return nil, err
	}
	suffix := fmt.Sprintf("%x", r.RandomSeed)
	if name := resource.PropertyKey(known.Name()); olds.HasValue(name) && !news.HasValue(name) && !news.HasValue("namePrefix") {
		news[name] = olds[name]
	}
	news = known.Check(urn.Name(), suffix[:min(7, len(suffix))], news)
	if urn.Type() == fakeaws.Image && !news["build"].ContainsUnknowns() {
		build := resource.PropertyMap{}
		if news["build"].IsObject() {
			build = maps.Clone(news["build"].ObjectValue())
		}
		digest, err := tasks.NewImage(p.root, trace.NewValues(build)).Digest()
		if err != nil {
			return &pulumirpc.CheckResponse{Inputs: r.News, Failures: []*pulumirpc.CheckFailure{{Property: "build", Reason: err.Error()}}}, nil
		}
		build["contextDigest"] = resource.NewProperty(digest)
		news["build"] = resource.NewProperty(build)
	}
	inputs, err := encode(news)
	return &pulumirpc.CheckResponse{Inputs: inputs}, err
}

func (p *resources) Diff(_ context.Context, r *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	known, olds, news, err := change(r.Urn, r.OldInputs, r.News)
	if err != nil {
		return nil, err
	}
	answer := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}
	keys := slices.AppendSeq(slices.Collect(maps.Keys(olds)), maps.Keys(news))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if slices.Contains(r.IgnoreChanges, string(key)) || olds[key].DeepEquals(news[key]) {
			continue
		}
		answer.Changes = pulumirpc.DiffResponse_DIFF_SOME
		answer.Diffs = append(answer.Diffs, string(key))
		if known.Replaces(string(key), news) {
			answer.Replaces = append(answer.Replaces, string(key))
		}
	}
	return answer, nil
}

func (p *resources) Create(ctx context.Context, r *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	urn := resource.URN(r.Urn)
	known, err := fakeaws.TypeOf(string(urn.Type()))
	if err != nil {
		return nil, status.Error(codes.Unimplemented, err.Error())
	}
	inputs, err := decode(r.Properties)
	if err != nil {
		return nil, err
	}
	if r.Preview {
		return &pulumirpc.CreateResponse{Properties: preview(known, inputs)}, nil
	}
	name := urn.Name()
	if family := inputs["family"]; family.IsString() {
		name = family.StringValue()
	}
	id, outputs, err := known.Create(p.in(), string(urn.Type()), urn.Name(), p.next(string(urn.Type()), name), inputs)
	if err != nil {
		return nil, err
	}
	properties, err := encode(outputs)
	if err != nil {
		return nil, err
	}
	if err := p.put(ctx, urn, id, outputs); err != nil {
		if string(urn.Type()) == trace.ServiceType {
			return nil, unsteady(id, properties, r.Properties, err)
		}
		return nil, err
	}
	return &pulumirpc.CreateResponse{Id: id, Properties: properties}, nil
}

// unsteady is how the real provider reports a service that ECS made and whose tasks do not run: it exists, and failed.
// The engine then calls the program's error hook.
func unsteady(id string, properties, inputs *structpb.Struct, reason error) error {
	s, err := status.New(codes.Unknown, reason.Error()).WithDetails(&pulumirpc.ErrorResourceInitFailed{
		Id: id, Properties: properties, Inputs: inputs, Reasons: []string{reason.Error()},
	})
	if err != nil {
		return errors.Join(reason, err)
	}
	return s.Err()
}

// preview leaves open what is only known once the resource is made.
func preview(known fakeaws.Type, inputs resource.PropertyMap) *structpb.Struct {
	outputs := maps.Clone(inputs)
	for _, name := range known.Computed() {
		if key := resource.PropertyKey(name); !outputs.HasValue(key) {
			outputs[key] = resource.MakeComputed(resource.NewProperty(""))
		}
	}
	properties, err := encode(outputs)
	if err != nil {
		return &structpb.Struct{}
	}
	return properties
}

func (p *resources) Update(ctx context.Context, r *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	urn := resource.URN(r.Urn)
	known, olds, news, err := change(r.Urn, r.Olds, r.News)
	if err != nil {
		return nil, err
	}
	if r.Preview && urn.Type() == fakeaws.Image {
		return &pulumirpc.UpdateResponse{Properties: preview(known, news)}, nil // its digest is known once it is built
	}
	outputs, err := known.Update(p.in(), string(urn.Type()), urn.Name(), olds, news)
	if err != nil {
		return nil, err
	}
	if !r.Preview {
		if err := p.put(ctx, urn, r.Id, outputs); err != nil {
			return nil, err
		}
	}
	properties, err := encode(outputs)
	return &pulumirpc.UpdateResponse{Properties: properties}, err
}

// put makes a resource count: images are built and services run before they do.
func (p *resources) put(ctx context.Context, urn resource.URN, id string, outputs resource.PropertyMap) error {
	r := trace.Resource{Type: string(urn.Type()), ID: id, Name: urn.Name(), Outputs: trace.NewValues(outputs)}
	switch r.Type {
	case fakeaws.Image:
		image := r.Outputs.Object("build")
		if err := p.runner.Build(ctx, tasks.NewImage(p.root, image), image.Text("contextDigest")); err != nil {
			return err
		}
	case trace.ServiceType:
		if err := p.runner.Deploy(ctx, id, r.Name, r.Outputs); err != nil {
			return fmt.Errorf("service %s: %w", r.Name, err)
		}
	}
	p.set.Put(r)
	return nil
}

// Read finds what is there. The cloud changes nothing of itself, so that is what was asked for.
func (p *resources) Read(_ context.Context, r *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	return &pulumirpc.ReadResponse{Id: r.Id, Properties: r.Properties, Inputs: r.Inputs}, nil
}

func (p *resources) Delete(_ context.Context, r *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	olds, err := decode(r.Properties)
	if err != nil {
		return nil, err
	}
	typ := string(resource.URN(r.Urn).Type())
	if typ == trace.ServiceType {
		p.runner.Remove(r.Id)
	}
	p.set.Remove(typ, r.Id, trace.NewValues(olds))
	return &emptypb.Empty{}, nil
}
