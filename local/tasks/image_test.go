package tasks

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"private-api/internal/buildcontext"
	"private-api/trace"
)

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// staged makes a project with two services, stages what the image of one is built from, and returns the project's folder.
func staged(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, root, map[string]string{
		"apps/Dockerfile":                "FROM scratch\n",
		"apps/.dockerignore":             "**/*_test.go\ninternal/ignored\n",
		"apps/go.mod":                    "module apps\n\ngo 1.26\n",
		"apps/internal/shared/shared.go": "package shared\n",
		"apps/internal/ignored/i.go":     "package ignored\n",
		"apps/one/main.go":               "package main\n\nimport _ \"apps/internal/shared\"\n\nfunc main() {}\n",
		"apps/two/main.go":               "package main\n\nfunc main() {}\n",
	})
	stage(t, root)
	return root
}

func stage(t *testing.T, root string) {
	t.Helper()
	files, err := buildcontext.ReadService(root, "one")
	if err != nil {
		t.Fatal(err)
	}
	if err := files.Stage(filepath.Join(root, "context")); err != nil {
		t.Fatal(err)
	}
}

var one = trace.Values{
	"context": "context", "dockerfile": "context/Dockerfile", "platform": "linux/arm64", "args": map[string]any{"SERVICE": "one"},
}

func TestDigest(t *testing.T) {
	root := staged(t)
	digest := func(build trace.Values) string {
		t.Helper()
		d, err := NewImage(root, build).Digest()
		if err != nil || len(d) != 64 {
			t.Fatalf("digest %q: %v", d, err)
		}
		return d
	}
	with := func(key string, value any) trace.Values {
		v := maps.Clone(one)
		v[key] = value
		return v
	}
	before := digest(one)
	for _, change := range []struct {
		file    string
		changes bool
	}{
		{"apps/two/main.go", false}, {"apps/one/main_test.go", false}, {"apps/internal/ignored/i.go", false},
		{"apps/one/main.go", true}, {"apps/internal/shared/shared.go", true}, {"apps/go.mod", true}, {"apps/Dockerfile", true},
	} {
		old, err := os.ReadFile(filepath.Join(root, change.file))
		write(t, root, map[string]string{change.file: "something else\n"})
		stage(t, root)
		if changed := digest(one) != before; changed != change.changes {
			t.Errorf("another %s changes the digest: %v", change.file, changed)
		}
		if err == nil {
			write(t, root, map[string]string{change.file: string(old)})
		}
	}
	stage(t, root)
	if digest(one) != before {
		t.Error("back to the same content, the digest is another one")
	}
	for name, build := range map[string]trace.Values{
		"platform": with("platform", "linux/amd64"), "argument": with("args", map[string]any{"SERVICE": "two"}), "target": with("target", "debug"),
	} {
		if digest(build) == before {
			t.Errorf("another %s leaves the digest", name)
		}
	}
	if _, err := NewImage(root, with("context", "nowhere")).Digest(); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("without a context: %v", err)
	}
}

// What the ignore file keeps out is missing in the build.
func TestBuildUsesTheContextAlone(t *testing.T) {
	root := staged(t)
	folder := t.TempDir()
	program := filepath.Join(folder, "program")
	if err := NewImage(root, one).build(context.Background(), program); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Error(err)
	}
	write(t, root, map[string]string{"apps/.dockerignore": "internal/shared\n"})
	stage(t, root)
	err := NewImage(root, one).build(context.Background(), program)
	if err == nil || !strings.Contains(err.Error(), "apps/internal/shared") {
		t.Errorf("a build without the shared code: %v", err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("left beside the program: %v %v", left, err)
	}
}

// A mistake in the code is reported where it is, not where it was staged.
func TestBuildNamesTheSource(t *testing.T) {
	for text, want := range map[string]string{
		"nonsense": "\napps/one/main.go:1:1: ",
		"package main\n\nfunc main() { nonsense() }\n": "\napps/one/main.go:3:15: undefined: nonsense",
	} {
		root := staged(t)
		write(t, root, map[string]string{"apps/one/main.go": text})
		stage(t, root)
		if err := NewImage(root, one).build(context.Background(), filepath.Join(t.TempDir(), "program")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}

func TestMatchers(t *testing.T) {
	for _, test := range []struct {
		matcher string
		status  int
		want    bool
	}{
		{"200", 200, true}, {"200", 204, false}, {"200,204", 204, true}, {"200-299", 250, true}, {"200-299", 300, false}, {"200-202,404", 404, true}, {"", 200, false},
	} {
		if got := matchesCode(test.matcher, test.status); got != test.want {
			t.Errorf("%q takes %d: %v", test.matcher, test.status, got)
		}
	}
}
