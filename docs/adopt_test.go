package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAdopt does in a copy what the README tells who adopts the program: add a service, change the data, give the
// project another name. The tests must pass there too.
func TestAdopt(t *testing.T) {
	if testing.Short() || os.Getenv("ADOPTED") != "" {
		t.Skip("runs all tests once more, in a copy: go test ./docs -run TestAdopt")
	}
	list, err := exec.Command("git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skipf("the files of the repository cannot be listed: %v", err)
	}
	copied := t.TempDir()
	for name := range strings.Lines(string(list)) {
		name = strings.TrimSpace(name)
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			continue // deleted, and not committed yet
		}
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(copied, name), string(text), info.Mode())
	}
	rewrite := func(name string, change func(string) string) {
		t.Helper()
		file := filepath.Join(copied, name)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		changed := change(string(text))
		if changed == string(text) {
			t.Fatalf("%s is as it was", name)
		}
		write(t, file, changed, 0o644)
	}

	// A service more: the README's line, and a folder copied from book.
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^\{Name: "review".*\},$`).FindString(string(readme))
	if line == "" {
		t.Fatal("the README adds no service review")
	}
	rewrite("stack/services.go", func(text string) string { return strings.Replace(text, "\n\t}\n", "\n\t\t"+line+"\n\t}\n", 1) })
	review := filepath.Join(copied, "apps", "review")
	if err := os.CopyFS(review, os.DirFS(filepath.Join(copied, "apps", "book"))); err != nil {
		t.Fatal(err)
	}
	rewrite("apps/review/main.go", func(text string) string {
		return strings.ReplaceAll(strings.ReplaceAll(text, "book", "review"), "Books", "Reviews")
	})
	if err := os.Rename(filepath.Join(review, "books.json"), filepath.Join(review, "reviews.json")); err != nil {
		t.Fatal(err)
	}
	// Other data, and another name of the project.
	rewrite("apps/book/books.json", func(text string) string { return strings.Replace(text, `"title":"`, `"title":"Another `, 1) })
	for _, name := range []string{"Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.prod.yaml"} {
		rewrite(name, func(text string) string {
			return strings.ReplaceAll(strings.ReplaceAll(text, "private-api:", "adopted:"), "name: private-api", "name: adopted")
		})
	}

	generate := []string{"test", "./stack", "-run", "^TestGenerated", "-update"} // as make generate does
	for _, args := range [][]string{generate, {"test", "-short", "./..."}, {"test", "-C", "apps", "./..."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = copied, append(os.Environ(), "ADOPTED=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

func write(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
