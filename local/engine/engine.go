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
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"golang.org/x/term"

	"private-api/internal/fakeaws"
	"private-api/local/awsapi"
	"private-api/local/plugins"
	"private-api/local/tasks"
	"private-api/trace"
)

const stackName = "local"

// Options of an engine.
type Options struct {
	CLI     auto.PulumiCommand
	Program func(endpoint string) pulumi.RunFunc // asks AWS itself at that URL
	Root    string                               // of the repository; relative paths of build contexts count from it
	Config  map[string]string                    // by key; without a namespace, the project's
	Display io.Writer                            // takes all that Pulumi shows
	// Progress takes what the program says of a resource only while an update is under way, and "" once its component is
	// done; default: nothing does.
	Progress func(resource, text string)
	Warn     func(text string) // takes what the program warns of; default: nothing does
	Temp     string            // folder for everything that is made; "": the system's
	Tasks    tasks.Options     // Folder is set here
}

// Engine is one stack and the cloud that it is deployed to.
type Engine struct {
	Set    *trace.Set
	Runner *tasks.Runner

	root    string
	project string
	folder  *os.File // locked
	servers *plugins.Servers
	api     *awsapi.Server
	stack   auto.Stack
	display io.Writer

	progress func(resource, text string)
	warn     func(text string)
}

// New makes an empty stack, whose tasks stop when ctx ends. Close removes it and everything that came of it.
func New(ctx context.Context, o Options) (engine *Engine, err error) {
	folder, err := makeFolder(o.Temp)
	if err != nil {
		return nil, err
	}
	e := &Engine{Set: &trace.Set{Around: around()}, folder: folder, root: o.Root, display: o.Display, progress: o.Progress, warn: o.Warn}
	o.Tasks.Folder = filepath.Join(folder.Name(), programs)
	e.Runner = tasks.New(ctx, e.Set, o.Tasks)
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	work, state, home := filepath.Join(folder.Name(), "project"), filepath.Join(folder.Name(), "state"), filepath.Join(folder.Name(), "home")
	for _, dir := range []string{o.Tasks.Folder, work, state, home} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
	}
	// It holds the defaults of the configuration. The engine writes beside it, so it gets a copy.
	project, err := workspace.LoadProject(filepath.Join(o.Root, "Pulumi.yaml"))
	if err != nil {
		return nil, err
	}
	e.project = string(project.Name)
	if e.servers, err = plugins.Serve(e.Set, e.Runner, o.Root); err != nil {
		return nil, err
	}
	if e.api, err = awsapi.Serve(e.Set, e.Runner); err != nil {
		return nil, err
	}
	environment := auto.EnvVars(map[string]string{
		"PULUMI_BACKEND_URL":                          "file://" + filepath.ToSlash(state),
		"PULUMI_CONFIG_PASSPHRASE":                    rand.Text(),
		"PULUMI_DEBUG_PROVIDERS":                      e.servers.Attach,
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		"PULUMI_HOME":                                 home,
		"PULUMI_SKIP_UPDATE_CHECK":                    "true",
	})
	e.stack, err = auto.UpsertStackInlineSource(ctx, stackName, e.project, o.Program(e.api.URL),
		auto.WorkDir(work), auto.Project(*project), auto.Pulumi(o.CLI), environment)
	if err != nil {
		return nil, fmt.Errorf("making the stack: %w", err)
	}
	return e, e.Configure(ctx, o.Config)
}

// around are the subnets of the network that exists in the stand-in's account.
func around() (all []trace.Resource) {
	for _, subnet := range fakeaws.ExistingSubnets {
		all = append(all, trace.Resource{Type: "aws:ec2/subnet:Subnet", ID: subnet.ID, Name: subnet.ID, Outputs: trace.Values{"vpcId": fakeaws.ExistingVpc, "cidrBlock": subnet.CidrBlock}})
	}
	return all
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
			name = e.project + ":" + name
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

// color is "always" where a person sees the display: the engine itself sees a pipe.
func (e *Engine) color() string {
	if file, ok := e.display.(*os.File); ok && term.IsTerminal(int(file.Fd())) && os.Getenv("NO_COLOR") == "" {
		return "always"
	}
	return "never"
}

// Up deploys the program, and says what changed.
func (e *Engine) Up(ctx context.Context) (outputs auto.OutputMap, changes []Change, err error) {
	changes, err = e.update(ctx, "up", func(stream chan<- events.EngineEvent) error {
		result, err := e.stack.Up(ctx, optup.EventStreams(stream), optup.ProgressStreams(e.display), optup.ErrorProgressStreams(e.display))
		outputs = result.Outputs
		return err
	})
	return outputs, changes, err
}

// Preview says what Up would do.
func (e *Engine) Preview(ctx context.Context) error {
	_, err := e.update(ctx, "preview", func(stream chan<- events.EngineEvent) error {
		_, err := e.stack.Preview(ctx, optpreview.EventStreams(stream), optpreview.ProgressStreams(e.display), optpreview.ErrorProgressStreams(e.display), optpreview.Color(e.color()))
		return err
	})
	return err
}

// Destroy stops all tasks and removes all resources, if there are any.
func (e *Engine) Destroy(ctx context.Context) (changes []Change, err error) {
	e.Runner.Stop()
	if e.Set.Len() == 0 {
		return nil, nil
	}
	// An update that was cut off has left its lock. There is nobody else to have one.
	if err := os.RemoveAll(filepath.Join(e.folder.Name(), "state", ".pulumi", "locks")); err != nil {
		return nil, err
	}
	if err := e.unprotect(ctx); err != nil {
		return nil, fmt.Errorf("reading the state: %w", err)
	}
	return e.update(ctx, "destroy", func(stream chan<- events.EngineEvent) error {
		_, err := e.stack.Destroy(ctx, optdestroy.EventStreams(stream), optdestroy.ProgressStreams(e.display), optdestroy.ErrorProgressStreams(e.display))
		return err
	})
}

// unprotect lets a destroy delete what deletionProtection keeps: here, nothing outlives the run.
func (e *Engine) unprotect(ctx context.Context) error {
	state, err := e.stack.Export(ctx)
	if err != nil {
		return err
	}
	var deployment apitype.DeploymentV3
	if err := json.Unmarshal(state.Deployment, &deployment); err != nil {
		return err
	}
	protected := false
	for i := range deployment.Resources {
		protected = protected || deployment.Resources[i].Protect
		deployment.Resources[i].Protect = false
	}
	if !protected {
		return nil
	}
	if state.Deployment, err = json.Marshal(deployment); err != nil {
		return err
	}
	return e.stack.Import(ctx, state)
}

// Close ends all tasks, whatever the state of the stack, and removes the folder.
func (e *Engine) Close() error {
	e.Runner.Stop() // what a provider waits for ends, and so can the provider
	if e.servers != nil {
		e.servers.Close()
	}
	if e.api != nil {
		e.api.Close()
	}
	e.Runner.Close()
	return errors.Join(os.RemoveAll(e.folder.Name()), e.folder.Close())
}
