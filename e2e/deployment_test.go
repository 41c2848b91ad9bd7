package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"gopkg.in/yaml.v3"

	"private-api/producer"
	"private-api/stack"
)

// project is the name in Pulumi.yaml, which who adopts the program may change.
var project = func() string {
	text, err := os.ReadFile(filepath.Join("..", "Pulumi.yaml"))
	var settings struct{ Name string }
	if err := errors.Join(err, yaml.Unmarshal(text, &settings)); err != nil {
		panic(err)
	}
	return settings.Name
}()

// settings are a stack's configuration, as they stand in its file. Keys without a namespace are the project's; a nil
// value means that the key is not set.
type settings map[string]any

func (s settings) with(more settings) settings {
	all := maps.Clone(s)
	maps.Copy(all, more)
	return all
}

// base are the settings that a simulator needs.
func base() settings {
	s := settings{"aws:region": region}
	if os.Getenv("E2E_AWS") == "" {
		s["pulumi:disable-default-providers"] = []string{"aws"}
		if !onRig() { // the real docker plugin would push to a registry that no simulator has
			image := "123456789012.dkr.ecr." + region + ".amazonaws.com/any@sha256:" + strings.Repeat("0", 64)
			s["services"] = map[string]any{"book": map[string]any{"image": image}, "author": map[string]any{"image": image}}
		}
	}
	return s
}

// deployment is a stack of the program, in a workspace and a backend of its own.
type deployment struct {
	auto.Stack
	account  *account
	env      map[string]string
	root     string // a copy of what the program reads of the repository
	settings settings
}

// newStack makes an empty stack of the program, with other services than its own if any are given. At the end of the test it is destroyed if it can be, so that a real account is left
// as it was even where the test fails.
func (a *account) newStack(t *testing.T, name string, services []producer.Service, config settings) *deployment {
	t.Helper()
	root := t.TempDir()
	for _, part := range []string{"Pulumi.yaml", "apps"} {
		copyTree(t, filepath.Join("..", part), filepath.Join(root, part))
	}
	return a.stackIn(t, root, t.TempDir(), name, services, config)
}

// stackIn makes an empty stack in a working copy and a backend that exist already.
func (a *account) stackIn(t *testing.T, root, backend, name string, services []producer.Service, config settings) *deployment {
	t.Helper()
	env := maps.Clone(a.env)
	if env == nil {
		env = map[string]string{}
	}
	env["PULUMI_BACKEND_URL"], env["PULUMI_CONFIG_PASSPHRASE"], env["PULUMI_SKIP_UPDATE_CHECK"] = "file://"+backend, "test", "true"
	s, err := auto.UpsertStackInlineSource(context.Background(), name, project, a.program(root, services), auto.WorkDir(root), auto.EnvVars(env))
	if err != nil {
		t.Fatal(err)
	}
	d := &deployment{Stack: s, account: a, env: env, root: root}
	d.configure(t, config)
	t.Cleanup(func() {
		if os.Getenv("E2E_AWS") != "" && t.Failed() {
			_, _ = s.Destroy(context.Background())
		}
	})
	return d
}

// serve makes the stack run other services from now on; nil: the program's own.
func (d *deployment) serve(services []producer.Service) {
	d.Workspace().SetProgram(d.account.program(d.root, services))
}

// copyTree copies a file or folder.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if err == nil && info.IsDir() {
		err = os.CopyFS(to, os.DirFS(from))
	} else if err == nil {
		var b []byte
		if b, err = os.ReadFile(from); err == nil {
			err = os.WriteFile(to, b, 0o644)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// configure replaces the stack's settings.
func (d *deployment) configure(t *testing.T, s settings) {
	t.Helper()
	d.settings = s
	d.write(t, d.file(), s)
}

// file is where the workspace keeps the stack's settings.
func (d *deployment) file() string { return filepath.Join(d.root, "Pulumi."+d.Name()+".yaml") }

// write makes a settings file of the stack, which keeps the key to its secrets.
func (d *deployment) write(t *testing.T, path string, s settings) {
	t.Helper()
	text, err := os.ReadFile(d.file())
	doc := map[string]any{}
	if err == nil {
		err = yaml.Unmarshal(text, &doc)
	}
	values := map[string]any{}
	for key, value := range s {
		if value == nil {
			continue
		}
		if !strings.Contains(key, ":") {
			key = project + ":" + key
		}
		values[key] = value
	}
	doc["config"] = values
	if err == nil {
		text, err = yaml.Marshal(doc)
	}
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// up brings the stack up and returns what the engine did.
func (d *deployment) up(t *testing.T, opts ...optup.Option) ([]string, auto.OutputMap) {
	t.Helper()
	ops, out, err := d.tryUp(opts...)
	if err != nil {
		t.Fatalf("up: %v", err)
	}
	return ops, out
}

func (d *deployment) tryUp(opts ...optup.Option) ([]string, auto.OutputMap, error) {
	defer d.reap()
	ops, stream := watch()
	result, err := d.Up(context.Background(), append(opts, optup.EventStreams(stream), optup.SuppressProgress(), optup.ErrorProgressStreams(io.Discard))...)
	return ops(err), result.Outputs, err
}

// preview returns what the engine would do with other settings.
func (d *deployment) preview(t *testing.T, s settings) []string {
	t.Helper()
	ops, err := d.tryPreview(t, s)
	if err != nil {
		t.Fatalf("preview: %v", err)
	}
	return ops
}

func (d *deployment) tryPreview(t *testing.T, s settings, opts ...optpreview.Option) ([]string, error) {
	t.Helper()
	defer d.reap()
	file := filepath.Join(t.TempDir(), "Pulumi.yaml")
	d.write(t, file, s)
	ops, stream := watch()
	_, err := d.Preview(context.Background(), append(opts, optpreview.EventStreams(stream), optpreview.ConfigFile(file), optpreview.SuppressProgress())...)
	return ops(err), err
}

// refresh reads the account into the state and returns what differed.
func (d *deployment) refresh(t *testing.T, opts ...optrefresh.Option) []string {
	t.Helper()
	ops, err := d.tryRefresh(opts...)
	if err != nil {
		t.Fatalf("refresh: %v", err)
	}
	return ops
}

func (d *deployment) tryRefresh(opts ...optrefresh.Option) ([]string, error) {
	defer d.reap()
	ops, stream := watch()
	_, err := d.Refresh(context.Background(), append(opts, optrefresh.EventStreams(stream), optrefresh.SuppressProgress())...)
	return ops(err), err
}

func (d *deployment) destroy(t *testing.T) {
	t.Helper()
	if err := d.tryDestroy(); err != nil {
		t.Fatalf("destroy: %v", err)
	}
}

func (d *deployment) tryDestroy(opts ...optdestroy.Option) error {
	defer d.reap()
	_, err := d.Destroy(context.Background(), append(opts, optdestroy.SuppressProgress())...)
	return err
}

// resources returns what the state holds by label.
func (d *deployment) resources(t *testing.T) map[string]apitype.ResourceV3 {
	t.Helper()
	all := map[string]apitype.ResourceV3{}
	for _, r := range d.state(t).Resources {
		all[label(string(r.URN))] = r
	}
	return all
}

// settled asserts that no operation is under way in the state and that nothing waits to be deleted.
func (d *deployment) settled(t *testing.T) {
	t.Helper()
	state := d.state(t)
	seen := map[string]bool{}
	for _, r := range state.Resources {
		if name := label(string(r.URN)); seen[name] || r.Delete {
			t.Errorf("%s is in the state twice, or waits to be deleted", name)
		}
		seen[label(string(r.URN))] = true
	}
	for _, op := range state.PendingOperations {
		t.Errorf("%s: pending %s", label(string(op.Resource.URN)), op.Type)
	}
}

// state exports the stack's state.
func (d *deployment) state(t *testing.T) apitype.DeploymentV3 {
	t.Helper()
	var state apitype.DeploymentV3
	exported, err := d.Export(context.Background())
	if err == nil {
		err = json.Unmarshal(exported.Deployment, &state)
	}
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// watch returns a channel for the engine's events and a function that, after the run, returns its operations, sorted:
// "update ecs/service producer-book". Operations that change nothing are left out; the three steps of a replacement
// are one.
func watch() (func(error) []string, chan events.EngineEvent) {
	stream := make(chan events.EngineEvent)
	done := make(chan []string, 1)
	go func() {
		seen := map[string]bool{}
		for e := range stream {
			if e.ResourcePreEvent == nil && e.ResOutputsEvent == nil {
				continue
			}
			var step apitype.StepEventMetadata
			switch {
			case e.ResOutputsEvent != nil:
				// Of refresh, only the outputs say whether anything differed.
				step = e.ResOutputsEvent.Metadata
				if step.Op != apitype.OpDelete && (step.Op != apitype.OpUpdate || sameOutputs(step.Old, step.New)) {
					continue
				}
			default:
				step = e.ResourcePreEvent.Metadata
			}
			switch step.Op {
			case apitype.OpSame, apitype.OpRead, apitype.OpRefresh, apitype.OpDiscardReplaced, apitype.OpRemovePendingReplace:
			case apitype.OpCreateReplacement, apitype.OpDeleteReplaced, apitype.OpReplace:
				seen["replace "+label(step.URN)] = true
			default:
				seen[string(step.Op)+" "+label(step.URN)] = true
			}
		}
		done <- slices.Sorted(maps.Keys(seen))
	}()
	return func(err error) []string {
		if err == nil {
			return <-done
		}
		select {
		case ops := <-done:
			return ops
		case <-time.After(2 * time.Second): // the engine never started, so nothing closes the channel
			return nil
		}
	}, stream
}

// sameOutputs compares what a resource was with what it is, less the provider's notes to itself.
func sameOutputs(old, now *apitype.StepEventStateMetadata) bool {
	if old == nil || now == nil {
		return false
	}
	was, is := maps.Clone(old.Outputs), maps.Clone(now.Outputs)
	delete(was, "__meta")
	delete(is, "__meta")
	return reflect.DeepEqual(was, is)
}

// label shortens a URN to "ecs/service producer-book".
func label(urn string) string {
	parts := strings.Split(urn, "::")
	if len(parts) < 4 {
		return urn
	}
	kinds := strings.Split(parts[2], "$")
	kind := kinds[len(kinds)-1]
	if module := strings.Split(kind, ":"); len(module) == 3 {
		kind = module[0] + ":" + module[1]
		if module[0] == "aws" {
			kind = module[1]
		}
	}
	return fmt.Sprintf("%s %s", kind, strings.Join(parts[3:], "::"))
}

// program is what the engine runs: the stack, with a provider that tries calls as often as the account says.
func (a *account) program(root string, services []producer.Service) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		err := ctx.RegisterResourceTransform(func(_ context.Context, args *pulumi.ResourceTransformArgs) *pulumi.ResourceTransformResult {
			switch {
			case args.Type == "pulumi:providers:aws" && a.attempts > 0:
				args.Props["maxRetries"] = pulumi.Int(a.attempts)
			case args.Type == "aws:cloudwatch/logGroup:LogGroup" && args.Props["namePrefix"] != nil && onRig():
				// The rig's bridge gives every resource a name, as it does not see that a prefix excludes one.
				unique := fnv.New64()
				fmt.Fprint(unique, root)
				args.Props["name"] = pulumi.Sprintf("%s%026x", args.Props["namePrefix"], unique.Sum64())
				delete(args.Props, "namePrefix")
			case args.Type == "aws:cloudwatch/metricAlarm:MetricAlarm" && onRig():
				// The rig's bridge calls the name as Terraform does, and gives none.
				unique := fnv.New32()
				fmt.Fprint(unique, root)
				args.Props["alarmName"] = pulumi.Sprintf("%s-%08x", args.Name, unique.Sum32())
			case args.Type == "aws:route53/record:Record" && args.Props["aliases"] != nil && onRig():
				// The rig's bridge has a block of which there is one at most as an object.
				args.Props["alias"] = args.Props["aliases"].(pulumi.Array)[0]
				delete(args.Props, "aliases")
			// Names that pulumi-aws gives in its own way, and the rig's bridge does not.
			case args.Type == "aws:cloudwatch/metricAlarm:MetricAlarm" && onRig():
				unique := fnv.New32()
				fmt.Fprint(unique, root)
				args.Props["alarmName"] = pulumi.Sprintf("%s-%07x", args.Name, unique.Sum32()%(1<<28))
			case args.Type == "aws:sns/topicSubscription:TopicSubscription" && onRig():
				args.Props["topicArn"] = args.Props["topic"]
				delete(args.Props, "topic")
			default:
				return nil
			}
			return &pulumi.ResourceTransformResult{Props: args.Props, Opts: args.Opts}
		})
		if err != nil {
			return err
		}
		return stack.Program{Services: services, Root: root, Endpoint: a.env["AWS_ENDPOINT_URL"]}.Deploy(ctx)
	}
}
