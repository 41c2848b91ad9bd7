package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Change is what an update did to a resource.
type Change struct {
	Component string // name of the component that it belongs to
	Type      string // such as TaskDefinition
	Done      string // created, updated, replaced or deleted
}

// done says what a step has done. Other steps change nothing, or are a part of these.
var done = map[apitype.OpType]string{
	apitype.OpCreate: "created", apitype.OpUpdate: "updated", apitype.OpCreateReplacement: "replaced", apitype.OpDelete: "deleted",
}

// update runs a command of Pulumi. It returns what that changed, and an error with the reasons that the engine gave.
func (e *Engine) update(ctx context.Context, name string, command func(chan<- events.EngineEvent) error) ([]Change, error) {
	var changes []Change
	var reasons []string
	components := map[string]string{} // by the URNs of the resources that belong to them
	stream, returned, collected := make(chan events.EngineEvent), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(collected)
		for {
			select {
			case <-returned: // a CLI that fails early does not open the stream, and nobody closes it
				return
			case event, open := <-stream:
				if !open {
					return
				}
				if step := event.ResourcePreEvent; step != nil {
					state := cmp.Or(step.Metadata.New, step.Metadata.Old)
					components[state.URN] = resource.URN(state.URN).Name()
					if state.Custom && state.Parent != "" {
						components[state.URN] = cmp.Or(components[state.Parent], resource.URN(state.Parent).Name())
					}
				}
				if step := event.ResOutputsEvent; step != nil {
					state, does := cmp.Or(step.Metadata.New, step.Metadata.Old), done[step.Metadata.Op]
					if !state.Custom && e.progress != nil {
						e.progress(resource.URN(state.URN).Name(), "") // a component with outputs is done
					}
					if does != "" && state.Custom && !strings.HasPrefix(state.Type, "pulumi:") {
						typ := string(resource.URN(state.URN).Type().Name())
						changes = append(changes, Change{components[state.URN], typ, does})
					}
				}
				switch d := event.DiagnosticEvent; {
				case d == nil:
				case d.Ephemeral && e.progress != nil:
					e.progress(resource.URN(d.URN).Name(), strings.TrimSpace(colors.Never.Colorize(d.Message)))
				case d.Severity == "warning" && e.warn != nil:
					e.warn(e.reason(d.Message))
				case d.Severity == "error":
					if reason := e.reason(d.Message); reason != "" && !slices.Contains(reasons, reason) {
						reasons = append(reasons, reason)
					}
				}
			}
		}
	}()
	err := command(stream)
	close(returned)
	<-collected
	switch {
	case err == nil:
		return changes, nil
	case ctx.Err() != nil:
		return changes, fmt.Errorf("%s was interrupted", name)
	case len(reasons) == 0: // the CLI itself refused, before there was an event
		if _, said, found := strings.Cut(err.Error(), "\nstderr: error: "); found {
			err = errors.New(strings.TrimSpace(said))
		}
	default:
		separator := "\n"
		if strings.Contains(strings.Join(reasons, ""), separator) {
			separator = "\n\n"
		}
		err = errors.New(strings.Join(reasons, separator))
	}
	return changes, fmt.Errorf("%s failed: %w", name, err)
}

// reason returns what a message of the engine says, "" if that is only a consequence of another reason.
func (e *Engine) reason(message string) string {
	text := strings.TrimSpace(strings.ReplaceAll(colors.Never.Colorize(message), e.root+string(filepath.Separator), ""))
	if _, after, found := strings.Cut(text, "1 error occurred:\n\t* "); found {
		text = after
	}
	if end := strings.LastIndex(text, "\nthen:\n"); end >= 0 {
		text = text[:end] // commands for AWS; here, whoever shows the reason says how to go on
	}
	switch {
	case text == "update failed", strings.Contains(text, "grpc: the client connection is closing"):
		return ""
	case strings.HasSuffix(text, " is not deployed"): // the service has said why
		return ""
	}
	return text
}
