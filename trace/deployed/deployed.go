// Package deployed reads what is on AWS of a stack, for package trace to follow. It changes nothing, neither on AWS nor in
// the state, and takes no lock.
package deployed

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"private-api/producer"
	"private-api/trace"
)

// Options say what is read, and how. Folder and Stack are needed.
type Options struct {
	Folder   string   // that holds Pulumi.yaml
	Stack    string   // name, as the Pulumi CLI takes it
	Env      []string // of the Pulumi CLI, KEY=VALUE; default: that of this process
	Endpoint string   // URL at which AWS is asked; default: the AWS SDK's. The stack's provider has the environment's.
	Resolver Resolver // answers for names; default: this machine's
}

// Resolver looks names up. A net.Resolver is one.
type Resolver interface {
	LookupHost(ctx context.Context, host string) (addresses []string, err error)
}

// patience is how long a question to AWS may take, with its repetitions.
const patience = 30 * time.Second

// Read reads the facts of a stack: of resources on the way of requests by a refresh that only previews, of the rest from AWS
// itself, with the stack's credentials. What cannot be read becomes a fact of trace.UnknownType. It fails only if there is
// nothing at all to read, or nobody may.
func Read(ctx context.Context, o Options) (*trace.Set, error) {
	r := &reader{ctx: ctx, set: &trace.Set{Stack: o.Stack, ReadAt: time.Now()}, resolver: o.Resolver}
	if r.resolver == nil {
		r.resolver = net.DefaultResolver
	}
	provider, err := r.refresh(o)
	if err != nil {
		return nil, err
	}
	args, err := credentialsOf(provider)
	if err == nil {
		args.Endpoint, r.set.Region = o.Endpoint, args.Region
		r.aws, err = args.AWSConfig(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("credentials of stack %s: %w", o.Stack, err)
	}
	// Each step knows more of what to ask for.
	for _, read := range []func(){r.readAPI, r.readIntegrations, r.readListeners, r.readAttachments, r.readNetwork} {
		read()
		r.questions.Wait()
	}
	return r.set, nil
}

type reader struct {
	ctx       context.Context
	set       *trace.Set
	aws       aws.Config
	resolver  Resolver
	questions sync.WaitGroup
}

// credentialsOf returns those of a provider by its inputs in the state, where an object is a text in JSON. The fields of a
// role have the same names there. It fails if there is a role that cannot be read, as without it another account would be
// asked.
func credentialsOf(provider trace.Values) (*producer.Args, error) {
	args := &producer.Args{Region: provider.Text("region"), Profile: provider.Text("profile")}
	role := strings.Trim(provider.Text("assumeRole"), "[]") // Terraform's shape is a list of one
	if role == "" {
		return args, nil
	}
	err := json.Unmarshal([]byte(role), &args.AssumeRole)
	if err == nil && args.AssumeRole.RoleArn == "" {
		err = errors.New("it has no roleArn")
	}
	if err != nil {
		return nil, fmt.Errorf("aws:assumeRole is %q in the state: %w", provider.Text("assumeRole"), err)
	}
	return args, nil
}

// missing is what is not known if a question has no answer.
type missing struct{ of, id, name string }

// ask asks AWS, beside other questions. That something is not there is an answer too: there is no fact of it then.
func (r *reader) ask(m missing, question func(ctx context.Context) error) {
	r.questions.Go(func() {
		ctx, cancel := context.WithTimeout(r.ctx, patience)
		defer cancel()
		var api smithy.APIError
		if err := question(ctx); err != nil && !(errors.As(err, &api) && strings.Contains(api.ErrorCode(), "NotFound")) {
			r.unknown(m, err.Error())
		}
	})
}

var (
	action  = regexp.MustCompile(`is not authorized to perform: ([a-z0-9-]+:\w+)`)
	refusal = regexp.MustCompile(`(?s)api error (\w+: .*)`)
)

// unknown notes what is not known, and why not. The first to say it is nearest.
func (r *reader) unknown(m missing, text string) {
	id := m.of + " " + cmp.Or(m.id, m.name)
	if _, said := r.set.Find(trace.UnknownType, id); said {
		return
	}
	reason := strings.TrimSpace(text)
	if found := action.FindStringSubmatch(text); found != nil {
		reason = "access denied: " + found[1]
	} else if found := refusal.FindStringSubmatch(text); found != nil {
		reason = strings.TrimSpace(found[1])
	}
	r.set.Put(trace.Resource{Type: trace.UnknownType, ID: id, Name: m.name, Outputs: trace.Values{
		"of": m.of, "id": m.id, "name": m.name, "reason": reason,
	}})
}

// done tells whether there is nothing more to read of a resource. The refresh has read all but how a VPC link is, and the
// routes that AWS made itself. One that it could not read stays unknown: there is nothing to compare it with.
func (r *reader) done(typ, id string) bool {
	_, known := r.set.Find(typ, id)
	_, unread := r.set.Find(trace.UnknownType, typ+" "+id)
	return unread || known && typ != trace.LinkType && typ != trace.RouteTableType
}

// put adds what AWS says of a resource to what is known of it.
func (r *reader) put(typ, id, name string, outputs trace.Values) {
	if r.done(typ, id) {
		return
	}
	known, ok := r.set.Find(typ, id)
	if !ok {
		known = trace.Resource{Type: typ, ID: id, Name: name}
	}
	all := trace.Values{}
	maps.Copy(all, known.Outputs)
	maps.Copy(all, outputs)
	known.Outputs = all
	r.set.Put(known)
}

// nameOf is what people call a resource: its name if it is known, or its id.
func (r *reader) nameOf(typ, id string) string {
	known, _ := r.set.Find(typ, id)
	return cmp.Or(known.Name, id)
}

// unique are the different ones that are not empty.
func unique(all []string) []string {
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(one string) bool { return one == "" })
}
