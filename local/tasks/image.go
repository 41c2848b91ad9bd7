package tasks

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"private-api/internal/buildcontext"
	"private-api/trace"
)

// Image is what an image is built from: the input build of pulumi-docker's image.
type Image struct {
	inputs  trace.Values
	context string // folder
}

// NewImage reads the input build, whose paths are relative to root.
func NewImage(root string, build trace.Values) Image {
	return Image{build, filepath.Join(root, build.Text("context"))}
}

// Digest is a hash of all that goes into the image. The Dockerfile is in the context.
func (i Image) Digest() (string, error) {
	files, err := buildcontext.Read(i.context)
	return files.Hash(fmt.Sprintf("%q", i.inputs)), err
}

// build compiles the service for this machine from the context and nothing else, so that a file that is missing in the
// image is missing here too.
func (i Image) build(ctx context.Context, program string) error {
	service := i.inputs.Object("args").Text("SERVICE")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "./"+service)
	cmd.Dir = i.context
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	// The compiler names files relative to the context.
	out = regexp.MustCompile(`(?m)^\S+\.go:\d+`).ReplaceAll(out, []byte(buildcontext.Folder+"/$0"))
	return fmt.Errorf("building %s: %w\n%s", service, err, bytes.TrimSpace(out))
}
