// Package buildcontext reads, hashes and stages what the image of a service is built from.
//
// The mode of a checked-out file depends on the umask, and Docker's provider hashes it. So an image is built from a copy
// with fixed modes. The copy has no fixed times: the go command takes a file of the same size and time for the same file.
package buildcontext

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// Folder holds the code of all services, in the project's root.
const Folder = "apps"

// Files are the files of a build context by path, which is relative and has slashes.
type Files map[string]File

// File is what counts of a file.
type File struct {
	Mode    fs.FileMode
	Content []byte
}

// ReadService returns what the image of a service is built from: the files in Folder itself, its folder internal and the
// service's own, without what .dockerignore keeps out. The other folders belong to other services. The Dockerfile is
// that of the service's folder if it has one, else that of Folder. Of a file's mode, the executable bit alone is kept.
func ReadService(root, service string) (Files, error) {
	root = filepath.Join(root, Folder)
	if _, err := os.Stat(filepath.Join(root, service)); err != nil {
		return nil, err
	}
	ignore, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		return nil, err
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(ignore))
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if name := entry.Name(); entry.IsDir() && name != "internal" && name != service {
			patterns = append(patterns, name)
		}
	}
	files, err := Read(root, patterns...)
	if err != nil {
		return nil, err
	}
	for name, file := range files {
		mode := fs.FileMode(0o644)
		if file.Mode&0o100 != 0 {
			mode = 0o755
		}
		files[name] = File{mode, file.Content}
	}
	dockerfile, err := os.ReadFile(filepath.Join(root, service, "Dockerfile"))
	if errors.Is(err, fs.ErrNotExist) {
		dockerfile, err = os.ReadFile(filepath.Join(root, "Dockerfile"))
	}
	files["Dockerfile"] = File{0o644, dockerfile}
	return files, err
}

// Read returns the files of a folder that no pattern of an ignore file matches. Anything but a regular file is an error: a
// symbolic link could lead out of the folder, to what is something else on another machine.
func Read(folder string, ignore ...string) (Files, error) {
	ignored, err := patternmatcher.New(ignore)
	if err != nil {
		return nil, err
	}
	root, files := os.DirFS(folder), Files{}
	return files, fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", folder, err)
		case entry.IsDir():
			return nil
		}
		if skip, err := ignored.MatchesOrParentMatches(name); err != nil || skip {
			return err
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file: replace it, or add it to .dockerignore", filepath.Join(folder, name))
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := fs.ReadFile(root, name)
		files[name] = File{info.Mode(), content}
		return err
	})
}

// Hash depends on the names, modes and content of the files, not on owners or times, and on the options of the build.
func (files Files) Hash(options ...string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", options)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file := files[name]
		fmt.Fprintf(h, "%q %s %d\n%s", name, file.Mode, len(file.Content), file.Content)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// Stage makes a folder hold these files alone. A folder that does already is not touched; another one is replaced as a
// whole, so that several runs can stage it at once.
func (files Files) Stage(folder string) error {
	if staged, err := Read(folder); err == nil && staged.Hash() == files.Hash() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(folder), "staging-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	staged, replaced := filepath.Join(temporary, "staged"), filepath.Join(temporary, "replaced")
	for name, file := range files {
		name = filepath.Join(staged, name)
		// WriteFile alone would leave the mode to the umask.
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, file.Content, file.Mode), os.Chmod(name, file.Mode)); err != nil {
			return err
		}
	}
	if err := os.Rename(folder, replaced); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(staged, folder); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return files.Stage(folder) // another run was faster, maybe with other files
}
