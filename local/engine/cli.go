package engine

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// Version is the Pulumi CLI that is built where there is none, and the oldest that will do.
const Version = "3.230.0"

// FindCLI returns the Pulumi CLI: the one on PATH, if it is new enough, else one that an earlier call built, else one
// built now from its Go module, which needs nothing but Go and a module proxy.
func FindCLI(ctx context.Context, root string, progress io.Writer) (auto.PulumiCommand, error) {
	oldest := semver.MustParse(Version)
	if cli, err := auto.NewPulumiCommand(&auto.PulumiCommandOptions{Version: oldest}); err == nil {
		return cli, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(cache, "private-api", "pulumi-"+Version)
	program := filepath.Join(home, "bin", "pulumi")
	if _, err := os.Stat(program); err != nil {
		if err := buildCLI(ctx, filepath.Join(root, "local", "cli"), program, progress); err != nil {
			return nil, fmt.Errorf("building the Pulumi CLI: %w", err)
		}
	}
	return auto.NewPulumiCommand(&auto.PulumiCommandOptions{Root: home, Version: oldest})
}

// buildCLI compiles the CLI of a tool module.
func buildCLI(ctx context.Context, module, program string, progress io.Writer) error {
	const pkg = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
	fmt.Fprintf(progress, "There is no Pulumi CLI %s or newer on PATH: building one into %s.\nThat takes about 4 minutes on two cores, once.\n", Version, filepath.Dir(program))
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		return err
	}
	// Under another name until it is whole, so that an interrupted build leaves nothing that looks like one.
	partial := fmt.Sprintf("%s.%d", program, os.Getpid())
	defer os.Remove(partial)
	build := exec.CommandContext(ctx, "go", "build", "-C", module, "-o", partial,
		"-ldflags", "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version="+Version, pkg)
	build.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	build.Stdout, build.Stderr = progress, progress
	built := make(chan error)
	go func() { built <- build.Run() }()
	for start, ticks := time.Now(), time.Tick(10*time.Second); ; {
		select {
		case <-ticks:
			fmt.Fprintf(progress, "  %v\n", time.Since(start).Round(time.Second))
		case err := <-built:
			if err != nil {
				return err
			}
			return os.Rename(partial, program)
		}
	}
}
