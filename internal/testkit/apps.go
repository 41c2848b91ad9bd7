package testkit

import (
	"os"
	"testing"
	"testing/fstest"
)

// Apps makes a build context for services of these names, always the same, and returns the folder that holds apps/.
func Apps(t testing.TB, services ...string) string {
	t.Helper()
	files := fstest.MapFS{
		"apps/go.mod":        {Data: []byte("module apps\n\ngo 1.26\n")},
		"apps/Dockerfile":    {Data: []byte("FROM scratch\nCOPY . .\n")},
		"apps/.dockerignore": {Data: []byte("**/*_test.go\n")},
	}
	for _, name := range services {
		files["apps/"+name+"/main.go"] = &fstest.MapFile{Data: []byte("package main // " + name + "\n\nfunc main() {}\n")}
	}
	root := t.TempDir()
	if err := os.CopyFS(root, files); err != nil {
		t.Fatal(err)
	}
	return root
}
