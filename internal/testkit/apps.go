package testkit

import (
	"os"
	"path"
	"testing"
	"testing/fstest"

	"private-api/internal/buildcontext"
)

// Apps makes a build context for services of these names, always the same, and returns the folder that holds apps/.
func Apps(t testing.TB, services ...string) string {
	t.Helper()
	files := fstest.MapFS{}
	add := func(name, text string) {
		files[path.Join(buildcontext.Folder, name)] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	add("go.mod", "module apps\n\ngo 1.26\n")
	add("Dockerfile", "FROM scratch\nCOPY . .\n")
	add(".dockerignore", "**/*_test.go\n")
	for _, name := range services {
		add(name+"/main.go", "package main // "+name+"\n\nfunc main() {}\n")
	}
	root := t.TempDir()
	if err := os.CopyFS(root, files); err != nil {
		t.Fatal(err)
	}
	return root
}
