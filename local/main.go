// Command local runs the stack on this machine: the same program through the real Pulumi engine, with AWS replaced by a
// stand-in, the services as processes, and the HTTP API on localhost. go run ./local -help lists its commands.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/local/engine"
	"private-api/local/tasks"
	"private-api/producer"
	"private-api/stack"
)

func main() {
	standIn()
	// Writing to a pipe that nobody reads any more is an error then, not the end of the process before it has cleaned up.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	c := &command{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	err := c.run(untilOrphaned(ctx), os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "local: %v\n", err)
		os.Exit(1)
	}
}

// untilOrphaned returns a context that also ends with the process that started this one: go run does not pass on SIGTERM.
func untilOrphaned(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	parent := os.Getppid()
	go func() {
		for os.Getppid() == parent {
			time.Sleep(time.Second)
		}
		cancel()
	}()
	return ctx
}

// standIn keeps everything in this process, and what it starts, from the AWS account that the environment may name.
func standIn() {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1", // nothing listens there
	} {
		os.Setenv(name, value)
	}
}

// command is one call of the program.
type command struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	services       []producer.Service // nil: the stack's
	root           string             // of the repository; "": found from the working directory
	temp           string             // folder for everything that is made; "": the system's
	tasks          tasks.Options
	verbose, json  bool                               // of up
	warn           func(text string)                  // takes what the program warns of
	progress       func(resource, text string)        // takes how far an up is
	serving        func(url string, e *engine.Engine) // called once requests are served
}

const usage = `Runs the stack on this machine, without AWS.

  go run ./local [up] [-port 8080] [-v] [-json] [-config key=value]...
      brings it up, serves the HTTP API on localhost until Ctrl-C, and destroys it; Enter brings up changes
  go run ./local preview [-config key=value]...
      says what an up of an empty stack would make
  go run ./local trace [-method GET] [-config key=value]... PATH or URL
  go run ./local trace [-config key=value]... -from SERVICE -to SERVICE
      shows the way of a request, hop by hop; exit code 1 when it stops

`

func (c *command) run(ctx context.Context, args []string) error {
	name := "up"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("local "+name, flag.ContinueOnError)
	flags.SetOutput(c.stderr)
	flags.Usage = func() { fmt.Fprint(c.stderr, usage); flags.PrintDefaults() }
	config := map[string]string{}
	const about = "a `key=value` of the stack's configuration; lists and objects as JSON; repeatable"
	flags.Func("config", about, func(text string) error {
		key, value, found := strings.Cut(text, "=")
		if !found || key == "" {
			return errors.New("it is not key=value")
		}
		config[key] = value
		return nil
	})
	var port int
	var method, from, to string
	switch name {
	case "up":
		flags.IntVar(&port, "port", 8080, "the port of the HTTP API on localhost; 0 takes a free one")
		flags.BoolVar(&c.verbose, "v", false, "show all that Pulumi shows, and the stack's outputs")
		flags.BoolVar(&c.json, "json", false, "show requests and the log lines of the services as JSON, as they are")
	case "trace":
		flags.StringVar(&method, "method", http.MethodGet, "of the request")
		flags.StringVar(&from, "from", "", "the service that calls")
		flags.StringVar(&to, "to", "", "the service that is called")
	case "preview":
	default:
		flags.Usage()
		return fmt.Errorf("unknown command %q: allowed is up, preview or trace", name)
	}
	if err := flags.Parse(args); err != nil {
		return flag.ErrHelp // the flag set has said why
	}
	if c.root == "" {
		project, err := workspace.DetectProjectPath()
		if err != nil {
			return err
		}
		c.root = filepath.Dir(project)
	}
	switch {
	case name == "trace" && flags.NArg() == 1 && from == "" && to == "":
		return c.trace(ctx, config, request{method: method, path: flags.Arg(0)})
	case name == "trace" && flags.NArg() == 0 && from != "" && to != "":
		return c.trace(ctx, config, request{from: from, to: to})
	case name == "trace":
		return errors.New("trace takes a PATH such as /api/books, or a URL, or -from and -to with the names of services")
	case flags.NArg() > 0:
		return fmt.Errorf("%s takes no arguments, not %q", name, flags.Args())
	case name == "preview":
		return c.preview(ctx, config)
	}
	return c.up(ctx, port, config)
}

// newEngine makes an empty stack.
func (c *command) newEngine(ctx context.Context, config map[string]string, display io.Writer) (*engine.Engine, error) {
	for key := range config {
		if strings.HasSuffix(":"+key, ":listener") {
			return nil, fmt.Errorf("configuration %s: a local run has no load balancer but its own; leave it out", key)
		}
	}
	cli, err := engine.FindCLI(ctx, c.root, c.stderr)
	if err != nil {
		return nil, err
	}
	program := stack.Program{Services: c.services, Root: c.root, Keys: slices.Collect(maps.Keys(config))}
	return engine.New(ctx, engine.Options{
		CLI: cli, Program: func(endpoint string) pulumi.RunFunc { program.Endpoint = endpoint; return program.Deploy },
		Root: c.root, Config: config, Display: display, Progress: c.progress, Warn: c.warn, Temp: c.temp, Tasks: c.tasks,
	})
}

func (c *command) preview(ctx context.Context, config map[string]string) error {
	e, err := c.newEngine(ctx, config, c.stdout)
	if err != nil {
		return err
	}
	return errors.Join(e.Preview(ctx), e.Close())
}
