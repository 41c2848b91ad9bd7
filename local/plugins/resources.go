package plugins

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"private-api/internal/fakeaws"
	"private-api/local/tasks"
	"private-api/trace"
)

// cloud is what the providers aws and docker share: the resources that exist, and the tasks that run.
type cloud struct {
	set     *trace.Set
	runner  *tasks.Runner
	root    string
	account atomic.Pointer[fakeaws.Account] // in the region that was configured last

	mutex  sync.Mutex
	counts map[string]int // of the resources made, by type and name
}

// resources is a provider of the resource types in the table.
type resources struct {
	base
	*cloud
}

func decode(s *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(s, plugin.MarshalOptions{KeepUnknowns: true})
}

func encode(m resource.PropertyMap) (*structpb.Struct, error) {
	return plugin.MarshalProperties(m, plugin.MarshalOptions{KeepUnknowns: true})
}

// request is a resource of which the engine asks something, with its properties before and after.
type request struct {
	fakeaws.Type
	urn        resource.URN
	olds, news resource.PropertyMap
}

func parse(urn string, olds, news *structpb.Struct) (request, error) {
	known, err := fakeaws.TypeOf(string(resource.URN(urn).Type()))
	before, err1 := decode(olds)
	after, err2 := decode(news)
	return request{known, resource.URN(urn), before, after}, errors.Join(err, err1, err2)
}

// Configure takes the region. A stack has one.
func (p *resources) Configure(_ context.Context, r *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	args, err := decode(r.Args)
	if err != nil {
		return nil, err
	}
	if region := args["region"]; region.IsString() {
		p.account.Store(&fakeaws.Account{ID: fakeaws.Default.ID, Region: region.StringValue()})
	}
	return &pulumirpc.ConfigureResponse{SupportsPreview: true}, nil
}

// Invoke answers a lookup.
func (p *resources) Invoke(_ context.Context, r *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	args, err := decode(r.Args)
	if err != nil {
		return nil, err
	}
	answer, err := p.account.Load().Invoke(r.Tok, args)
	if err != nil {
		return nil, err
	}
	out, err := encode(answer)
	return &pulumirpc.InvokeResponse{Return: out}, err
}

// Check names the resource where the program does not, and adds to an image the digest of its build context.
func (p *resources) Check(_ context.Context, r *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	in, err := parse(r.Urn, r.Olds, r.News)
	if err != nil {
		return nil, err
	}
	suffix := fmt.Sprintf("%x", r.RandomSeed)
	checked, err := in.Check(in.urn.Name(), suffix[:min(7, len(suffix))], in.olds, in.news)
	if err != nil {
		return nil, err
	}
	if build := checked["build"]; build.IsObject() && !build.ContainsUnknowns() {
		digest, err := tasks.NewImage(p.root, trace.Values(build.ObjectValue().Mappable())).Digest()
		if err != nil {
			return &pulumirpc.CheckResponse{Inputs: r.News, Failures: []*pulumirpc.CheckFailure{{Property: "build", Reason: err.Error()}}}, nil
		}
		build.ObjectValue()["contextDigest"] = resource.NewProperty(digest)
	}
	inputs, err := encode(checked)
	return &pulumirpc.CheckResponse{Inputs: inputs}, err
}

// Diff compares the inputs.
func (p *resources) Diff(_ context.Context, r *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	in, err := parse(r.Urn, r.OldInputs, r.News)
	if err != nil {
		return nil, err
	}
	answer := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}
	union := maps.Clone(in.olds)
	maps.Copy(union, in.news)
	for _, input := range union.StableKeys() {
		name := string(input)
		if slices.Contains(r.IgnoreChanges, name) || in.olds[input].DeepEquals(in.news[input]) {
			continue
		}
		answer.Changes = pulumirpc.DiffResponse_DIFF_SOME
		answer.Diffs = append(answer.Diffs, name)
		if in.Replaces(name) {
			answer.Replaces = append(answer.Replaces, name)
		}
	}
	return answer, nil
}

// Create makes a resource.
func (p *resources) Create(ctx context.Context, r *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	in, err := parse(r.Urn, nil, r.Properties)
	if err != nil {
		return nil, err
	}
	if r.Preview {
		properties, err := encode(in.preview())
		return &pulumirpc.CreateResponse{Properties: properties}, err
	}
	id, outputs := in.Create(*p.account.Load(), in.urn.Name(), p.count(in), in.news)
	properties, err := encode(outputs)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CreateResponse{Id: id, Properties: properties}, p.apply(ctx, in, id, outputs)
}

// count returns the number of a new resource: for a task definition, the revision of its family.
func (c *cloud) count(in request) int {
	name := in.urn.Name()
	if family := in.news["family"]; family.IsString() {
		name = family.StringValue()
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.counts[in.Token+" "+name]++
	return c.counts[in.Token+" "+name]
}

// preview returns the outputs of which those are unknown that AWS adds.
func (in request) preview() resource.PropertyMap {
	outputs := maps.Clone(in.news)
	for _, output := range in.Outputs() {
		outputs[resource.PropertyKey(output)] = resource.MakeComputed(resource.NewProperty(""))
	}
	return outputs
}

// Update changes a resource in place.
func (p *resources) Update(ctx context.Context, r *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	in, err := parse(r.Urn, r.Olds, r.News)
	if err != nil {
		return nil, err
	}
	outputs := in.Update(*p.account.Load(), in.urn.Name(), in.olds, in.news)
	switch {
	case !r.Preview:
		err = p.apply(ctx, in, r.Id, outputs)
	case in.Token == fakeaws.Image: // its digest is known once it is built
		outputs = in.preview()
	}
	if err != nil {
		return nil, err
	}
	properties, err := encode(outputs)
	return &pulumirpc.UpdateResponse{Properties: properties}, err
}

// apply builds an image or begins to deploy a service. Then the resource is there for requests.
func (c *cloud) apply(ctx context.Context, in request, id string, outputs resource.PropertyMap) error {
	r := trace.Resource{Type: in.Token, ID: id, Name: in.urn.Name(), Outputs: trace.Values(outputs.Mappable())}
	switch r.Type {
	case fakeaws.Image:
		image := r.Outputs.Object("build") // no request meets it, and the engine does not delete it
		return c.runner.Build(ctx, tasks.NewImage(c.root, image), image.Text("contextDigest"))
	case trace.ServiceType:
		if err := c.runner.Deploy(id, r.Name, r.Outputs); err != nil {
			return fmt.Errorf("service %s: %w", r.Name, err)
		}
	}
	c.set.Put(r)
	return nil
}

// Delete deletes a resource, and stops the tasks of a service.
func (p *resources) Delete(_ context.Context, r *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	in, err := parse(r.Urn, r.Properties, nil)
	if err != nil {
		return nil, err
	}
	if in.Token == trace.ServiceType {
		p.runner.Remove(r.Id)
	}
	p.set.Remove(in.Token, r.Id, trace.Values(in.olds.Mappable()))
	return &emptypb.Empty{}, nil
}
