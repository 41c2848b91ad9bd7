package stack

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"private-api/internal/setting"
	"private-api/internal/testkit"
)

// What is written from the declarations is up to date; `make generate` writes it.
func TestGenerated(t *testing.T) {
	schema, err := setting.Schema(slices.DeleteFunc(declarations(), func(d setting.Declaration) bool { return slices.Contains(withoutDefault, d.Key) }))
	if err != nil {
		t.Fatal(err)
	}
	for _, generated := range []struct{ file, begin, text string }{
		{"Pulumi.yaml", "\nconfig:\n", "\n" + schema},
		{"docs/settings.md", "\n<!-- make generate writes what follows -->\n", "\n<!-- make generate writes what follows -->\n" + setting.Table(declarations())},
	} {
		file := filepath.Join(root, generated.file)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, _, found := strings.Cut(string(b), generated.begin)
		if !found {
			t.Fatalf("%s has no line %q", generated.file, strings.TrimSpace(generated.begin))
		}
		testkit.Golden(t, file, head+generated.text)
	}
}
