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
	for _, step := range [][]func(){
		{r.readAPI, r.readTasks}, {r.readLinks, r.readListeners}, {r.readActions}, {r.readTargetGroups, r.readSubnets, r.readGroups}, {r.readHealth, r.readNetwork},
	} {
		for _, read := range step {
			read()
		}
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

// put adds what AWS says of a resource to what is known of it. One that the refresh could not read stays unknown: there is
// nothing that the last up recorded to compare it with.
func (r *reader) put(typ, id, name string, outputs trace.Values) {
	known, ok := r.set.Find(typ, id)
	if !ok && r.knows(typ, id) {
		return
	}
	if !ok {
		known = trace.Resource{Type: typ, ID: id, Name: name}
	}
	all := maps.Clone(known.Outputs)
	if all == nil {
		all = trace.Values{}
	}
	maps.Copy(all, outputs)
	known.Outputs = all
	r.set.Put(known)
}

// knows tells whether something is in the set already, or is known to be unknown.
func (r *reader) knows(typ, id string) bool {
	_, ok := r.set.Find(typ, id)
	_, unread := r.set.Find(trace.UnknownType, typ+" "+id)
	return ok || unread
}

// putNew adds a resource that the program did not make.
func (r *reader) putNew(typ, id, name string, outputs trace.Values) {
	if !r.knows(typ, id) {
		r.put(typ, id, name, outputs)
	}
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

// pages are what a question of the AWS SDK is answered in.
type pages[Page, Option any] interface {
	HasMorePages() bool
	NextPage(ctx context.Context, options ...Option) (*Page, error)
}

// each takes all pages of an answer.
func each[Page, Option any](ctx context.Context, all pages[Page, Option], take func(*Page)) error {
	for all.HasMorePages() {
		page, err := all.NextPage(ctx)
		if err != nil {
			return err
		}
		take(page)
	}
	return nil
}

// shape gives an answer of AWS the names and types that the provider's outputs have, and adds more.
func shape(answer any, more map[string]any) trace.Values {
	var doc any
	text, err := json.Marshal(answer)
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	values, ok := rename(doc).(map[string]any)
	if err != nil || !ok { // of types of the SDK only
		panic(fmt.Sprintf("%T has no shape: %v", answer, err))
	}
	if more != nil {
		maps.Copy(values, shape(more, nil))
	}
	return values
}

// rename turns the SDK's names of fields into the provider's: FixedResponseConfig is fixedResponse there.
func rename(doc any) any {
	switch doc := doc.(type) {
	case map[string]any:
		renamed := map[string]any{}
		for name, value := range doc {
			if value != nil {
				name = strings.TrimSuffix(name, "Config")
				renamed[strings.ToLower(name[:1])+name[1:]] = rename(value)
			}
		}
		return renamed
	case []any:
		for i := range doc {
			doc[i] = rename(doc[i])
		}
	}
	return doc
}
