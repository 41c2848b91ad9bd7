// Package engine runs a Pulumi program through the real engine, on providers that are served in this process. Nothing it
// needs is outside a temporary folder: the state, the stack's configuration, the engine's home.
package engine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"private-api/local/plugins"
	"private-api/local/tasks"
	"private-api/trace"
)

const (
	project   = "private-api"
	stackName = "local"
)

// Options of an engine.
type Options struct {
	CLI     auto.PulumiCommand
	Program pulumi.RunFunc
	Root    string            // of the repository
	Apps    string            // folder that holds apps/: the one that build contexts count from
	Config  map[string]string // by key; without a namespace, the project's
	Output  io.Writer         // Pulumi's usual display; nil: none
	Log     io.Writer         // what the services write; nil: nowhere
	Temp    string            // folder for everything that is made; "": the system's
	Tasks   tasks.Options     // Folder and Log are set here
}

// Engine is one stack and the cloud that it is deployed to.
type Engine struct {
	Set    *trace.Set
	Runner *tasks.Runner

	folder  string
	servers *plugins.Servers
	stack   auto.Stack
	output  io.Writer
}

// New makes an empty stack. Close removes it and everything that came of it.
func New(ctx context.Context, o Options) (engine *Engine, err error) {
	folder, err := os.MkdirTemp(o.Temp, "private-api-")
	if err != nil {
		return nil, err
	}
	e := &Engine{Set: &trace.Set{}, folder: folder, output: o.Output}
	o.Tasks.Folder, o.Tasks.Log = filepath.Join(folder, "programs"), o.Log
	e.Runner = tasks.New(e.Set, o.Tasks)
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	work := filepath.Join(folder, "project")
	for _, dir := range []string{work, o.Tasks.Folder, filepath.Join(folder, "state"), filepath.Join(folder, "home")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
	}
	// The project's settings hold the defaults of the configuration. The engine writes beside them, so it gets a copy.
	settings, err := os.ReadFile(filepath.Join(o.Root, "Pulumi.yaml"))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(work, "Pulumi.yaml"), settings, 0o644); err != nil {
		return nil, err
	}
	if e.servers, err = plugins.Serve(e.Set, e.Runner, o.Apps); err != nil {
		return nil, err
	}
	e.stack, err = auto.UpsertStackInlineSource(ctx, stackName, project, o.Program, auto.WorkDir(work), auto.Pulumi(o.CLI), auto.EnvVars(map[string]string{
		"PULUMI_BACKEND_URL":                          "file://" + filepath.ToSlash(filepath.Join(folder, "state")),
		"PULUMI_CONFIG_PASSPHRASE":                    rand.Text(),
		"PULUMI_DEBUG_PROVIDERS":                      e.servers.Attach,
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		"PULUMI_HOME":                                 filepath.Join(folder, "home"),
		"PULUMI_SKIP_UPDATE_CHECK":                    "true",
	}))
	if err != nil {
		return nil, fmt.Errorf("making the stack: %w", err)
	}
	return e, e.Configure(ctx, o.Config)
}

// Configure sets values of the stack's configuration, for the updates that follow. Lists and objects are JSON.
func (e *Engine) Configure(ctx context.Context, values map[string]string) error {
	settings, err := e.stack.Workspace().StackSettings(ctx, stackName)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	if settings.Config == nil {
		settings.Config = config.Map{}
	}
	settings.Config[config.MustMakeKey("pulumi", "disable-default-providers")] = config.NewObjectValue(`["aws"]`)
	for name, text := range values {
		if !strings.Contains(name, ":") {
			name = project + ":" + name
		}
		key, err := config.ParseKey(name)
		if err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
		settings.Config[key] = config.NewValue(text)
		if strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{") {
			if !json.Valid([]byte(text)) {
				return fmt.Errorf("configuration %s=%s: not valid JSON", name, text)
			}
			settings.Config[key] = config.NewObjectValue(text)
		}
	}
	if err := e.stack.Workspace().SaveStackSettings(ctx, stackName, settings); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return nil
}

// streams are where the display goes.
func (e *Engine) streams() []io.Writer {
	if e.output == nil {
		return nil
	}
	return []io.Writer{e.output}
}

// color is "always" where a person sees the display: the engine itself sees a pipe.
func (e *Engine) color() string {
	if file, ok := e.output.(*os.File); ok && os.Getenv("NO_COLOR") == "" {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return "always"
		}
	}
	return "never"
}

// Up deploys the program. The outputs are those of the stack; changes counts the resources by what was done.
func (e *Engine) Up(ctx context.Context) (outputs auto.OutputMap, changes map[string]int, err error) {
	result, err := e.stack.Up(ctx, optup.ProgressStreams(e.streams()...), optup.ErrorProgressStreams(e.streams()...), optup.SuppressOutputs(), optup.Color(e.color()))
	if err != nil {
		return nil, nil, e.failure(ctx, "up", err)
	}
	if result.Summary.ResourceChanges != nil {
		changes = *result.Summary.ResourceChanges
	}
	return result.Outputs, changes, nil
}

// Preview says what Up would do.
func (e *Engine) Preview(ctx context.Context) error {
	_, err := e.stack.Preview(ctx, optpreview.ProgressStreams(e.streams()...), optpreview.ErrorProgressStreams(e.streams()...), optpreview.Color(e.color()))
	if err != nil {
		return e.failure(ctx, "preview", err)
	}
	return nil
}

// Destroy removes all resources, if there are any.
func (e *Engine) Destroy(ctx context.Context) error {
	e.Runner.Idle()
	if e.Set.Len() == 0 {
		return nil
	}
	// An update that was cut off has left its lock. There is nobody else to have one.
	if err := os.RemoveAll(filepath.Join(e.folder, "state", ".pulumi", "locks")); err != nil {
		return err
	}
	if _, err := e.stack.Destroy(ctx, optdestroy.ProgressStreams(e.streams()...), optdestroy.ErrorProgressStreams(e.streams()...), optdestroy.Color(e.color())); err != nil {
		return e.failure(ctx, "destroy", err)
	}
	return nil
}

// failure says what the display has not said: the engine's own output is in it, if it was shown.
func (e *Engine) failure(ctx context.Context, command string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s was interrupted", command)
	}
	if e.output == nil {
		return err
	}
	return fmt.Errorf("%s failed: see above", command)
}

// Close ends all tasks, whatever the state of the stack, and removes the folder.
func (e *Engine) Close() error {
	e.Runner.Stop() // what a provider waits for ends, and so can the provider
	var err error
	if e.servers != nil {
		err = e.servers.Close()
	}
	e.Runner.Close()
	return errors.Join(err, os.RemoveAll(e.folder))
}
