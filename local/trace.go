package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

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
	overHTTP, err := trace.NewRequest(r.method + " " + r.path)
	if r.from == "" && err != nil {
		return err
	}
	fmt.Fprintln(c.stderr, "Deploying the program, without its services.")
	c.tasks.WithoutProcesses = true
	e, err := c.newEngine(ctx, config, io.Discard)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if _, _, err := e.Up(ctx); err != nil {
		return err
	}
	var way *trace.Way
	title := r.from + " calls " + r.to
	if r.from != "" {
		way, err = e.Set.Call(r.from, r.to)
	} else {
		way, title = overAPI(e, overHTTP), r.method+" "+r.path
	}
	if err != nil {
		return err
	}
	fmt.Fprint(c.stdout, way.Text(title, arrived))
	if way.Stop != nil {
		return errStopped
	}
	return nil
}

// overAPI follows a request to the task that answers it.
func overAPI(e *engine.Engine, r *http.Request) *trace.Way {
	r.Host = cmp.Or(r.Host, e.Set.Host())
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

// arrived is the verdict on a request that nothing stops.
const arrived = "nothing stops it on the way; no task was started to answer it"
