package engine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// fake puts a program in a folder that answers with a version of Pulumi.
func fake(t *testing.T, folder, version string) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "pulumi"), []byte("#!/bin/sh\necho v"+version+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestFindCLI(t *testing.T) {
	for name, test := range map[string]struct {
		onPath, cached string // versions, "" for none
		want           string
		builds         bool
	}{
		"on PATH":           {"3.240.1", "", "3.240.1", false},
		"too old on PATH":   {"3.100.0", Version, Version, false},
		"built earlier":     {"", Version, Version, false},
		"none":              {"", "", "", true},
		"too old, no other": {"3.229.9", "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			path, home := t.TempDir(), t.TempDir()
			t.Setenv("HOME", home)
			t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
			cache, err := os.UserCacheDir()
			if err != nil {
				t.Fatal(err)
			}
			if test.onPath != "" {
				fake(t, path, test.onPath)
			}
			if test.cached != "" {
				fake(t, filepath.Join(cache, "private-api", "pulumi-"+Version, "bin"), test.cached)
			}
			t.Setenv("PATH", path) // without go: a build fails, at its first step
			var progress bytes.Buffer
			cli, err := FindCLI(context.Background(), t.TempDir(), &progress)
			if test.builds {
				if err == nil || !strings.Contains(err.Error(), "building the Pulumi CLI") || !strings.Contains(progress.String(), "about 4 minutes") {
					t.Errorf("error %v, shown %q", err, &progress)
				}
				return
			}
			if err != nil || cli.Version().String() != test.want || progress.Len() > 0 {
				t.Errorf("found %v, want %s; error %v, shown %q", version(cli), test.want, err, &progress)
			}
		})
	}
}

func version(cli auto.PulumiCommand) string {
	if cli == nil {
		return "none"
	}
	return fmt.Sprint(cli.Version())
}
