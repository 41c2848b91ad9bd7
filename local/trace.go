package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"private-api/local/engine"
	"private-api/trace"
)

// request is what is traced: one to the API, or one of a service to another.
type request struct {
	method, path string // or URL
	from, to     string
}

// errStopped is the end of a trace whose request does not arrive.
var errStopped = errors.New("the request does not arrive")

// trace deploys the program without starting its services, and prints the way of a request.
func (c *command) trace(ctx context.Context, config map[string]string, r request) (err error) {
	address, whole := r.path, strings.HasPrefix(r.path, "https://")
	switch {
	case !whole && r.from == "" && !strings.HasPrefix(r.path, "/"):
		return fmt.Errorf("path %q: it begins with /, or is a URL such as https://api.example.com/api/books", r.path)
	case !whole:
		address = "https://localhost" + r.path
	}
	overHTTP, err := http.NewRequest(r.method, address, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.stderr, "Deploying the program, without its services.")
	c.tasks.WithoutProcesses = true
	e, err := c.newEngine(ctx, config, io.Discard)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	outputs, _, err := e.Up(ctx)
	if err != nil {
		return err
	}
	if endpoint, _ := outputs["apiEndpoint"].Value.(string); !whole {
		overHTTP.Host = strings.TrimPrefix(endpoint, "https://")
	}
	var way *trace.Way
	title := r.from + " calls " + r.to
	if r.from != "" {
		way, err = between(e, r)
	} else {
		way, title = overAPI(e, overHTTP), r.method+" "+r.path
	}
	if err != nil {
		return err
	}
	fmt.Fprint(c.stdout, render(title, way))
	if way.Stop != nil {
		return errStopped
	}
	return nil
}

// overAPI follows a request to the task that answers it.
func overAPI(e *engine.Engine, r *http.Request) *trace.Way {
	way := e.Set.Follow(r)
	if way.Stop != nil {
		return way
	}
	picked := e.Runner.Pick(way.TargetGroup)
	if picked == nil {
		return way.NoTargets()
	}
	defer picked.Done()
	if way = e.Set.Connect(way, picked.Target); way.Stop != nil {
		return way
	}
	all, _ := e.Runner.Targets(way.TargetGroup)
	way.Hops = append(way.Hops, trace.Hop{Kind: "target", Resource: picked.Service, Detail: fmt.Sprintf("container port %d, tasks planned: %d, started: 0", picked.Port, all)})
	return way
}

// between follows a call from one service to another.
func between(e *engine.Engine, r request) (*trace.Way, error) {
	find := func(name string) (trace.Target, string, error) {
		var names []string
		for _, s := range e.Set.Of(trace.ServiceType) {
			dns := e.Set.DNSName(s)
			host, _, _ := strings.Cut(dns, ".")
			names = append(names, host)
			if target, ok := e.Runner.Target(s.ID); ok && host == name {
				return target, dns, nil
			}
		}
		return trace.Target{}, "", fmt.Errorf("service %q: there is %s", name, strings.Join(names, ", "))
	}
	from, _, err := find(r.from)
	to, name, err2 := find(r.to)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	return e.Set.Between(from, to, name), nil
}

// render prints a way as a table.
func render(title string, way *trace.Way) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", title)
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, hop := range way.Hops {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", hop.Kind, hop.Resource, hop.Detail)
	}
	table.Flush()
	switch {
	case way.Stop == nil:
		fmt.Fprintf(&b, "\nnothing stops it on the way; no task was started to answer it\n")
	case way.Stop.Status != 0:
		fmt.Fprintf(&b, "\nstops: %s\nthe caller gets %d %s\n", way.Stop.Reason, way.Stop.Status, http.StatusText(way.Stop.Status))
	default:
		fmt.Fprintf(&b, "\nstops: %s\n", way.Stop.Reason)
	}
	return b.String()
}
