package tasks

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// buildContext makes a build context with two services, and returns its folder.
func buildContext(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, root, map[string]string{
		"apps/go.mod":                      "module apps\n\ngo 1.26\n",
		"apps/shared/shared.go":            "package shared\n",
		"apps/one/Dockerfile":              "FROM scratch\n",
		"apps/one/Dockerfile.dockerignore": "**\n!go.mod\n!shared/*.go\n!one/*.go\n**/*_test.go\n",
		"apps/one/main.go":                 "package main\n\nimport _ \"apps/shared\"\n\nfunc main() {}\n",
		"apps/two/Dockerfile":              "FROM scratch\n",
		"apps/two/main.go":                 "package main\n\nfunc main() {}\n",
		".dockerignore":                    "**\n", // not the context's
	})
	return root
}

var one = trace.Values{"context": "apps", "dockerfile": "apps/one/Dockerfile", "platform": "linux/arm64"}

func TestDigest(t *testing.T) {
	root := buildContext(t)
	digest := func(build trace.Values) string {
		t.Helper()
		d, err := NewImage(root, build).Digest()
		if err != nil || len(d) != 64 {
			t.Fatalf("digest %q: %v", d, err)
		}
		return d
	}
	with := func(key string, value any) trace.Values {
		v := trace.Values{}
		for k, old := range one {
			v[k] = old
		}
		v[key] = value
		return v
	}
	before := digest(one)
	for _, change := range []struct {
		file    string
		changes bool
	}{
		{"apps/two/main.go", false}, {"apps/one/notes.txt", false}, {"apps/one/main_test.go", false}, {"apps/one/Dockerfile.dockerignore~", false},
		{"apps/one/main.go", true}, {"apps/shared/shared.go", true}, {"apps/go.mod", true}, {"apps/one/Dockerfile", true},
	} {
		old, err := os.ReadFile(filepath.Join(root, change.file))
		write(t, root, map[string]string{change.file: "something else\n"})
		if changed := digest(one) != before; changed != change.changes {
			t.Errorf("another %s changes the digest: %v", change.file, changed)
		}
		if err == nil {
			write(t, root, map[string]string{change.file: string(old)})
		}
	}
	if digest(one) != before {
		t.Error("back to the same content, the digest is another one")
	}
	for name, build := range map[string]trace.Values{
		"platform": with("platform", "linux/amd64"), "argument": with("args", map[string]any{"A": "1"}), "target": with("target", "debug"),
	} {
		if digest(build) == before {
			t.Errorf("another %s leaves the digest", name)
		}
	}
	if _, err := NewImage(root, with("dockerfile", "apps/three/Dockerfile")).Digest(); err == nil || !strings.Contains(err.Error(), "apps/three/Dockerfile") {
		t.Errorf("without a Dockerfile: %v", err)
	}
}

// What the ignore file keeps out is missing in the build.
func TestBuildUsesTheContextAlone(t *testing.T) {
	root := buildContext(t)
	folder := t.TempDir()
	program := filepath.Join(folder, "program")
	if err := NewImage(root, one).build(context.Background(), filepath.Join(folder, "context"), program); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Error(err)
	}
	write(t, root, map[string]string{"apps/one/Dockerfile.dockerignore": "**\n!go.mod\n!one/*.go\n"})
	err := NewImage(root, one).build(context.Background(), filepath.Join(folder, "context"), program)
	if err == nil || !strings.Contains(err.Error(), "apps/shared") {
		t.Errorf("a build without the shared code: %v", err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("left beside the program: %v %v", left, err)
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
