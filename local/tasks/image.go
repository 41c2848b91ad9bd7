package tasks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"private-api/trace"
)

// Image is what an image is built from: the inputs of pulumi-docker's image.
type Image struct {
	Context    string // folder
	Dockerfile string // file
	platform   string
	target     string
	args       trace.Values
}

// NewImage reads the input build. Relative paths count from root.
func NewImage(root string, build trace.Values) Image {
	from := func(path, otherwise string) string {
		if path == "" {
			path = otherwise
		}
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(root, path)
	}
	image := Image{Context: from(build.Text("context"), "."), platform: build.Text("platform"), target: build.Text("target"), args: build.Object("args")}
	image.Dockerfile = from(build.Text("dockerfile"), filepath.Join(image.Context, "Dockerfile"))
	return image
}

// Digest is a hash of all that goes into the image: what the context lets in, the Dockerfile, the arguments.
func (i Image) Digest() (string, error) {
	h := sha256.New()
	text, err := os.ReadFile(i.Dockerfile)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "%d\n%s%s %s\n", len(text), text, i.platform, i.target)
	for _, name := range slices.Sorted(maps.Keys(i.args)) {
		fmt.Fprintf(h, "%s=%q\n", name, fmt.Sprint(i.args[name]))
	}
	err = i.walk(func(name string, content []byte) error {
		fmt.Fprintf(h, "%s %d\n", name, len(content))
		h.Write(content)
		return nil
	})
	return fmt.Sprintf("%x", h.Sum(nil)), err
}

// walk visits the files that the ignore file lets into the context: <Dockerfile>.dockerignore, else .dockerignore.
// Source: https://docs.docker.com/build/concepts/context/#dockerignore-files
func (i Image) walk(visit func(name string, content []byte) error) error {
	var patterns []string
	for _, name := range []string{i.Dockerfile + ".dockerignore", filepath.Join(i.Context, ".dockerignore")} {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if patterns, err = ignorefile.ReadAll(bytes.NewReader(text)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		break
	}
	ignore, err := patternmatcher.New(patterns)
	if err != nil {
		return err
	}
	return filepath.WalkDir(i.Context, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(i.Context, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if skip, err := ignore.MatchesOrParentMatches(name); err != nil || skip {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return visit(name, content)
	})
}

// build makes the program that the image runs: the Go package in the Dockerfile's folder, compiled for this machine
// from what the context lets in and nothing else, so that a file that is missing in the image is missing here too.
func (i Image) build(ctx context.Context, folder, program string) error {
	defer os.RemoveAll(folder)
	err := i.walk(func(name string, content []byte) error {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, content, 0o644)
	})
	if err != nil {
		return err
	}
	pkg, err := filepath.Rel(i.Context, filepath.Dir(i.Dockerfile))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "./"+filepath.ToSlash(pkg))
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("building %s: %w\n%s", pkg, err, strings.TrimSpace(string(out)))
	}
	return nil
}
