package testkit

import (
	"os"
	"path/filepath"
	"testing"
)

// Apps makes a build context for services of these names, always the same, and returns the folder that holds apps/.
func Apps(t testing.TB, services ...string) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"go.mod":        "module apps\n\ngo 1.26\n",
		"Dockerfile":    "FROM scratch\nCOPY . .\n",
		".dockerignore": "**/*_test.go\n",
	}
	for _, name := range services {
		files[name+"/main.go"] = "package main // " + name + "\n\nfunc main() {}\n"
	}
	for name, text := range files {
		path := filepath.Join(root, "apps", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
