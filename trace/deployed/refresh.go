package deployed

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"private-api/trace"
)

// providerType is asked for too, for its inputs alone.
const providerType = "pulumi:providers:aws"

// refresh reads the stack's resources and returns the inputs of its provider. The events of the engine have what a resource
// is, and what the last up recorded.
func (r *reader) refresh(o Options) (trace.Values, error) {
	folder, err := os.MkdirTemp("", "trace")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	log := filepath.Join(folder, "events")
	args := []string{"refresh", "--preview-only", "--run-program=false", "--non-interactive", "--suppress-progress", "--suppress-outputs", "--color", "never", "--cwd", o.Folder, "--stack", o.Stack, "--event-log", log}
	for _, typ := range append(trace.Types(), providerType) {
		args = append(args, "--target", "**"+typ+"::**")
	}
	var output bytes.Buffer
	cli := exec.CommandContext(r.ctx, "pulumi", args...)
	cli.Env = o.Env // nil is that of this process
	// Pulumi has --event-log only with this variable: https://github.com/pulumi/pulumi/blob/v3.230.0/pkg/cmd/pulumi/operations/refresh.go
	cli.Env = append(cli.Environ(), "PULUMI_DEBUG_COMMANDS=true")
	cli.Stdout, cli.Stderr = &output, &output
	failed := cli.Run()
	text, err := os.ReadFile(log)
	if err != nil && failed == nil {
		return nil, err
	}
	provider, err := r.take(bytes.NewReader(text))
	switch {
	case err != nil:
		return nil, fmt.Errorf("events of pulumi: %w", err)
	case r.set.Len() > len(r.set.Of(trace.UnknownType)) && provider != nil:
		return provider, nil
	case failed != nil:
		says := output.String()
		if _, diagnostics, found := strings.Cut(says, "Diagnostics:\n"); found { // below a line for each resource
			says = diagnostics
		}
		return nil, fmt.Errorf("pulumi refresh --preview-only: %w\n%s", failed, strings.TrimSpace(says))
	}
	return nil, fmt.Errorf("stack %s has no resources that a request passes through: make up makes them", o.Stack)
}

// color is how events mark it.
var color = regexp.MustCompile(`<\{%[^%]*%\}>`)

// take puts the resources of a refresh's events into the set, and returns the inputs of the stack's provider.
func (r *reader) take(log io.Reader) (provider trace.Values, err error) {
	asked, said := map[string]apitype.StepEventMetadata{}, map[string]string{}
	lines := json.NewDecoder(log)
	for lines.More() {
		var e apitype.EngineEvent
		if err := lines.Decode(&e); err != nil {
			return nil, err
		}
		switch {
		case e.DiagnosticEvent != nil && e.DiagnosticEvent.Severity == "error":
			said[e.DiagnosticEvent.URN] += color.ReplaceAllString(e.DiagnosticEvent.Message, "")
		case e.ResourcePreEvent != nil:
			asked[e.ResourcePreEvent.Metadata.URN] = e.ResourcePreEvent.Metadata
		case e.ResOutputsEvent != nil:
			step := e.ResOutputsEvent.Metadata
			delete(asked, step.URN)
			switch {
			case step.Old == nil || step.Old.Delete || !step.Old.Custom: // waits to be deleted: its successor is on the way
			case step.Type == providerType && nameOf(step.URN) == "aws": // the stack's own; those of awsx have other names
				provider = step.Old.Inputs
			case step.Type != providerType:
				resource := trace.Resource{Type: step.Type, ID: step.Old.ID, Name: nameOf(step.URN), Expected: step.Old.Outputs}
				if resource.Gone = step.Op == apitype.OpDelete || step.New == nil; !resource.Gone {
					resource.ID, resource.Outputs = step.New.ID, step.New.Outputs
				}
				r.set.Put(resource)
			}
		}
	}
	for urn, step := range asked { // no answer came
		if step.Old != nil && trace.Word(step.Type) != "" {
			r.unknown(missing{step.Type, step.Old.ID, trace.Word(step.Type) + " " + nameOf(urn)}, cmp.Or(said[urn], said[""], "the refresh did not read it"))
		}
	}
	return provider, nil
}

// nameOf is the logical name in a URN.
func nameOf(urn string) string { return urn[strings.LastIndex(urn, "::")+len("::"):] }
