package buildcontext

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fixture has two services; two has a Dockerfile of its own.
var fixture = map[string]string{
	".dockerignore":    "**/.*\n**/*_test.go\ninternal/bench\n",
	"Dockerfile":       "FROM scratch\n",
	"go.mod":           "module apps\n",
	"apps_test.go":     "package apps\n",
	"internal/a/a.go":  "package a\n",
	"internal/bench/b": "not in an image\n",
	"one/main.go":      "package main\n",
	"one/one_test.go":  "package main\n",
	"one/data.json":    "{}\n",
	"two/main.go":      "package main\n",
	"two/Dockerfile":   "FROM two\n",
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	name = filepath.Join(root, Folder, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func project(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range fixture {
		write(t, root, name, text)
	}
	return root
}

func read(t *testing.T, root, service string) Files {
	t.Helper()
	files, err := ReadService(root, service)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func stage(t *testing.T, files Files, folder string) {
	t.Helper()
	if err := files.Stage(folder); err != nil {
		t.Fatal(err)
	}
}

// staged is a hash of the folder that counts the modes of its files, as Docker's provider does.
func staged(t *testing.T, folder string) string {
	t.Helper()
	files, err := Read(folder)
	if err != nil {
		t.Fatal(err)
	}
	return files.Hash()
}

func TestServiceHasItsOwnFilesAndTheSharedOnes(t *testing.T) {
	root := project(t)
	for service, want := range map[string][]string{
		"one": {"Dockerfile", "go.mod", "internal/a/a.go", "one/data.json", "one/main.go"},
		"two": {"Dockerfile", "go.mod", "internal/a/a.go", "two/Dockerfile", "two/main.go"},
	} {
		files := read(t, root, service)
		if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, want) {
			t.Errorf("%s is built from %v, want %v", service, got, want)
		}
	}
	if one, two := read(t, root, "one")["Dockerfile"], read(t, root, "two")["Dockerfile"]; string(one.Content) != fixture["Dockerfile"] || string(two.Content) != fixture["two/Dockerfile"] {
		t.Errorf("one has the Dockerfile %q, two %q", one.Content, two.Content)
	}
}

func TestHashFollowsWhatTheImageIsBuiltFrom(t *testing.T) {
	root := project(t)
	hashes := func() map[string]string {
		return map[string]string{"one": read(t, root, "one").Hash("linux/arm64"), "two": read(t, root, "two").Hash("linux/arm64")}
	}
	first := hashes()
	for name, want := range map[string][]string{
		"one/main.go":     {"one"},
		"one/data.json":   {"one"},
		"one/new.json":    {"one"},
		"two/main.go":     {"two"},
		"two/Dockerfile":  {"two"},
		"go.mod":          {"one", "two"},
		"go.sum":          {"one", "two"},
		"internal/a/a.go": {"one", "two"},
		"internal/new.go": {"one", "two"},
		"Dockerfile":      {"one"},
		// Not part of an image:
		"one/one_test.go":  nil,
		"one/.main.go.swp": nil,
		"apps_test.go":     nil,
		"internal/bench/b": nil,
		"three/main.go":    nil,
	} {
		t.Run(name, func(t *testing.T) {
			write(t, root, name, "something else\n")
			var changed []string
			for service, hash := range hashes() {
				if hash != first[service] {
					changed = append(changed, service)
				}
			}
			slices.Sort(changed)
			if !slices.Equal(changed, want) {
				t.Errorf("changes %v, want %v", changed, want)
			}
			if old, ok := fixture[name]; ok {
				write(t, root, name, old)
			} else if err := os.Remove(filepath.Join(root, Folder, name)); err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(hashes(), first) {
				t.Error("with the earlier content again, the hash is another one")
			}
		})
	}
	if read(t, root, "one").Hash("linux/amd64") == first["one"] {
		t.Error("another platform has the same hash")
	}
	if err := os.Rename(filepath.Join(root, Folder, "one/data.json"), filepath.Join(root, Folder, "one/other.json")); err != nil {
		t.Fatal(err)
	}
	if hashes()["one"] == first["one"] {
		t.Error("another name has the same hash")
	}
}

// Two clones differ in modes and times alone.
func TestUmaskAndTimesChangeNothing(t *testing.T) {
	old := syscall.Umask(0o022)
	defer syscall.Umask(old)
	var hashes, folders []string
	for _, umask := range []int{0o022, 0o002, 0o077} {
		syscall.Umask(umask)
		root := project(t)
		program := filepath.Join(root, Folder, "one/data.json")
		if err := os.Chmod(program, 0o777&^fs.FileMode(umask)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(program, time.Time{}, time.Unix(int64(umask), 0)); err != nil {
			t.Fatal(err)
		}
		files, folder := read(t, root, "one"), filepath.Join(root, ".build", "one")
		stage(t, files, folder)
		hashes, folders = append(hashes, files.Hash()), append(folders, staged(t, folder))
		for name, want := range map[string]fs.FileMode{"one/data.json": 0o755, "one/main.go": 0o644, "Dockerfile": 0o644} {
			if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Mode() != want {
				t.Errorf("umask %03o: %s has mode %v, want %v (%v)", umask, name, info.Mode(), want, err)
			}
		}
	}
	if len(slices.Compact(hashes)) != 1 || len(slices.Compact(folders)) != 1 {
		t.Errorf("the hashes differ: %v, or those of the staged folders: %v", hashes, folders)
	}
}

func TestExecutableBitCounts(t *testing.T) {
	root := project(t)
	before := read(t, root, "one").Hash()
	if err := os.Chmod(filepath.Join(root, Folder, "one/data.json"), 0o755); err != nil {
		t.Fatal(err)
	}
	if read(t, root, "one").Hash() == before {
		t.Error("the hash is the same")
	}
}

func TestStageLeavesWhatIsRight(t *testing.T) {
	root := project(t)
	files, folder := read(t, root, "one"), filepath.Join(root, ".build", "dev", "one")
	stage(t, files, folder)
	want := staged(t, folder)
	if want != files.Hash() {
		t.Error("the staged folder holds something else")
	}
	before, err := os.Stat(folder)
	if err != nil {
		t.Fatal(err)
	}
	stage(t, files, folder)
	if after, err := os.Stat(folder); err != nil || !os.SameFile(before, after) {
		t.Errorf("a folder that was right was replaced (%v)", err)
	}
	for name, spoil := range map[string]func(name string) error{
		"another file":     func(name string) error { return os.WriteFile(name+"~", nil, 0o644) },
		"other content":    func(name string) error { return os.WriteFile(name, nil, 0o644) },
		"no file":          os.Remove,
		"another mode":     func(name string) error { return os.Chmod(name, 0o664) },
		"a symbolic link":  func(name string) error { return os.Symlink("main.go", name+"~") },
		"a folder instead": func(name string) error { os.Remove(name); return os.MkdirAll(filepath.Join(name, "x"), 0o755) },
		"a file instead": func(name string) error {
			os.RemoveAll(filepath.Dir(name))
			return os.WriteFile(filepath.Dir(name), nil, 0o644)
		},
	} {
		if err := spoil(filepath.Join(folder, "one/main.go")); err != nil {
			t.Fatal(err)
		}
		stage(t, files, folder)
		if staged(t, folder) != want {
			t.Errorf("%s was left", name)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(folder)); err != nil || len(left) != 1 {
		t.Errorf("left beside the folder: %v (%v)", left, err)
	}
}

func TestStageAtOnce(t *testing.T) {
	root := project(t)
	folder := filepath.Join(root, ".build", "dev", "one")
	before := read(t, root, "one")
	write(t, root, "one/main.go", "package main // changed\n")
	after := read(t, root, "one")
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 50 {
				files := before
				if i%2 == 0 {
					files = after
				}
				if err := files.Stage(folder); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if got := staged(t, folder); got != before.Hash() && got != after.Hash() {
		t.Error("the folder holds a mixture")
	}
	stage(t, before, folder)
	// From now on nobody may see anything else there.
	for range 8 {
		group.Go(func() {
			for range 50 {
				stage(t, before, folder)
				if staged(t, folder) != before.Hash() {
					t.Error("the folder holds something else")
				}
			}
		})
	}
	group.Wait()
}

func TestErrorsNameTheFile(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(apps string) error
		want  string
	}{
		"no service":     {func(apps string) error { return os.RemoveAll(filepath.Join(apps, "one")) }, "apps/one: no such file"},
		"no Dockerfile":  {func(apps string) error { return os.Remove(filepath.Join(apps, "Dockerfile")) }, "apps/Dockerfile: no such file"},
		"no ignore file": {func(apps string) error { return os.Remove(filepath.Join(apps, ".dockerignore")) }, "apps/.dockerignore: no such file"},
		"symbolic link":  {func(apps string) error { return os.Symlink("main.go", filepath.Join(apps, "one/link.go")) }, "apps/one/link.go is not a regular file"},
		"ignored link":   {func(apps string) error { return os.Symlink("main.go", filepath.Join(apps, "one/link_test.go")) }, ""},
	} {
		root := project(t)
		if err := test.spoil(filepath.Join(root, Folder)); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadService(root, "one"); test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// services are the folders of apps/ that images are built from.
func services(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("../../apps/*/main.go")
	if err != nil || len(found) == 0 {
		t.Fatalf("no services: %v", err)
	}
	for i, name := range found {
		found[i] = filepath.Base(filepath.Dir(name))
	}
	return found
}

func TestImagesHaveNoTests(t *testing.T) {
	for _, service := range services(t) {
		for name := range read(t, "../..", service) {
			if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "testdata/") || strings.HasPrefix(name, ".") ||
				strings.HasPrefix(name, "internal/bench/") || strings.HasPrefix(name, "internal/load/") {
				t.Errorf("%s is built from %s", service, name)
			}
		}
	}
}
