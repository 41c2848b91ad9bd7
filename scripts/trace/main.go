// Command trace says where a request to a stack on AWS stops, and why. It changes nothing. make trace runs it:
//
//	go run ./scripts/trace -stack prod -request 'POST https://api.example.com/api/books'
//	go run ./scripts/trace -stack prod -from book -to author
//	go run ./scripts/trace -stack prod -symptom 503 [-request /api/books]
//
// The exit code is 1 where the request stops or a check fails, and 2 if that cannot be told.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"

	"private-api/trace"
	"private-api/trace/deployed"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	code, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr, func(ctx context.Context, stack string) (*trace.Set, error) {
		return deployed.Read(ctx, deployed.Options{Folder: ".", Stack: stack})
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	os.Exit(code)
}

// The exit codes.
const (
	arrives = 0
	stops   = 1
	unknown = 2
)

// run reads the facts once its arguments make sense.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, read func(ctx context.Context, stack string) (*trace.Set, error)) (code int, err error) {
	flags := flag.NewFlagSet("trace", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var stack, text, from, to, symptom string
	flags.StringVar(&stack, "stack", "", "the stack's `name`")
	flags.StringVar(&text, "request", "", "a path, or a URL; a method may stand before it")
	flags.StringVar(&from, "from", "", "the `service` that calls")
	flags.StringVar(&to, "to", "", "the `service` that is called")
	flags.StringVar(&symptom, "symptom", "", "what callers get: "+strings.Join(trace.Symptoms(), ", "))
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return unknown, nil // the flag set has said why
	}
	var request *http.Request
	if text != "" {
		if request, err = trace.NewRequest(text); err != nil {
			return unknown, err
		}
	}
	between := from != "" || to != ""
	switch {
	case flags.NArg() > 0:
		return unknown, fmt.Errorf("trace takes no arguments, not %q", flags.Args())
	case stack == "":
		return unknown, errors.New("-stack: which one is it?")
	case between && (from == "" || to == ""):
		return unknown, errors.New("FROM and TO name a service each, such as FROM=book TO=author")
	case between == (text != "" || symptom != ""):
		return unknown, errors.New("one of these is needed: REQUEST=/api/books, FROM=book TO=author, or SYMPTOM=503, which may have a REQUEST")
	case symptom != "" && !slices.Contains(trace.Symptoms(), symptom):
		return unknown, fmt.Errorf("SYMPTOM=%s: it is one of %s", symptom, strings.Join(trace.Symptoms(), ", "))
	}
	fmt.Fprintf(stderr, "Reading what is on AWS of stack %s. Nothing is changed.\n", stack)
	set, err := read(ctx, stack)
	if err != nil {
		return unknown, err
	}
	print := func(text, json string) {
		if *asJSON {
			text = json
		}
		fmt.Fprint(stdout, text)
	}
	if symptom != "" {
		d := set.Diagnose(symptom, request)
		print(d.Text(), d.JSON())
		switch {
		case d.Failed():
			return stops, nil
		case d.Unknown():
			return unknown, nil
		}
		return arrives, nil
	}
	var way *trace.Way
	title := from + " calls " + to
	if between {
		if way, err = set.Call(from, to); err != nil {
			return unknown, err
		}
	} else {
		way, title = set.Deployed(request), trace.Title(request)
	}
	print(way.Text(title, "nothing that is known stops it"), way.JSON(title))
	switch {
	case way.Stop != nil:
		return stops, nil
	case way.Unknown != "":
		return unknown, nil
	}
	return arrives, nil
}
