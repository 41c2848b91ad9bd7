package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"private-api/local/engine"
	"private-api/local/gateway"
)

// destroyTimeout bounds the destroy at the end, after which everything is ended without it.
const destroyTimeout = 2 * time.Minute

// up brings the stack up, serves it until ctx ends, and destroys it.
func (c *command) up(ctx context.Context, port int, config map[string]string) (err error) {
	// First of all, as it is the cheapest to fail.
	listener, err := net.Listen("tcp", fmt.Sprintf("localhost:%d", port))
	if err != nil {
		return fmt.Errorf("%w; choose another port: make local PORT=8081, or -port 8081", err)
	}
	defer listener.Close()
	defer takeTerminal()()
	output := newOutput(c.stdout, terminalWidth(c.stdout))
	defer output.Close()
	c.stdout = output
	c.tasks.Log = c.showLog
	display := io.Discard
	if c.verbose {
		display = c.stdout
	} else {
		c.warn = func(text string) { fmt.Fprintf(c.stdout, "warning: %s\n", text) }
		if c.progress == nil {
			c.progress = output.Status
		}
	}
	fmt.Fprintln(c.stdout, "Bringing up the stack on this machine. It takes about 10 seconds, the first time longer.")
	e, err := c.newEngine(ctx, config, display)
	if err != nil {
		return unlessInterrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, e.Close()) }()

	server := &http.Server{Handler: &gateway.Handler{Set: e.Set, Runner: e.Runner, Log: c.showRequest}, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener); close(served) }()
	url := fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)

	err = c.deploy(ctx, url, e)
	if err == nil {
		if c.serving != nil {
			c.serving(url, e)
		}
		err = c.deployOnEnter(ctx, url, e, served)
	}
	server.Close()
	for range served {
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), destroyTimeout)
	defer cancel()
	limit, stop := signal.NotifyContext(limit, os.Interrupt)
	defer stop()
	if e.Set.Len() > 0 {
		fmt.Fprintln(c.stdout, "\nDestroying the stack. Press Ctrl-C again to quit without destroying.")
	}
	changes, destroyErr := e.Destroy(limit)
	if destroyErr == nil && len(changes) > 0 {
		fmt.Fprintf(c.stdout, "Destroyed %d resources.\n", len(changes))
	}
	return errors.Join(unlessInterrupted(ctx, err), destroyErr)
}

// unlessInterrupted drops an error that Ctrl-C caused.
func unlessInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// deploy does an up, and prints what changed and where the services answer.
func (c *command) deploy(ctx context.Context, url string, e *engine.Engine) error {
	start := time.Now()
	outputs, changes, err := e.Up(ctx)
	if c.progress != nil {
		c.progress("", "")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "\nUp in %v: %s", time.Since(start).Round(100*time.Millisecond), changesTable(changes))
	fmt.Fprintln(c.stdout)
	endpoint, _ := outputs["apiEndpoint"].Value.(string)
	urls, _ := outputs["serviceUrls"].Value.(map[string]any)
	host := ""
	if name := strings.TrimPrefix(endpoint, "https://"); !strings.Contains(name, ".execute-api.") {
		host = "-H 'Host: " + name + "' "
	}
	for _, name := range slices.Sorted(maps.Keys(urls)) {
		fmt.Fprintf(c.stdout, "  curl %s%s%s\n", host, url, strings.TrimPrefix(fmt.Sprint(urls[name]), endpoint))
	}
	fmt.Fprintln(c.stdout, "\nPress Enter after a change in apps/, or Ctrl-C to destroy the stack and quit.")
	return nil
}

// deployOnEnter does another up at each Enter, until ctx ends. An up that fails leaves what ran before.
func (c *command) deployOnEnter(ctx context.Context, url string, e *engine.Engine, served <-chan error) error {
	started := time.Now()
	enter := make(chan struct{}, 1) // more during an up count as one
	go func() {
		for scanner := bufio.NewScanner(c.stdin); scanner.Scan(); {
			select {
			case enter <- struct{}{}:
			default:
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-served:
			return err
		case <-enter:
		}
		if file := changedProgram(c.root, started); file != "" {
			fmt.Fprintf(c.stdout, "\n%s has changed. That takes a restart: press Ctrl-C, then run make local again.\n", file)
		}
		fmt.Fprintln(c.stdout, "\nBringing up what has changed in apps/.")
		if err := c.deploy(ctx, url, e); err != nil && ctx.Err() == nil {
			fmt.Fprintf(c.stdout, "\n%v\n\nWhat ran before goes on. Press Enter to try again, or Ctrl-C to destroy the stack and quit.\n", err)
		}
	}
}

// changedProgram returns a file of the program, outside apps/, that is newer than a time; "" if there is none.
func changedProgram(root string, than time.Time) (file string) {
	filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		switch {
		case err != nil:
			return nil
		case entry.IsDir() && (name == "apps" || strings.HasPrefix(name, ".") && name != "."):
			return filepath.SkipDir
		case name != "Pulumi.yaml" && (filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go")):
			return nil
		}
		if info, err := entry.Info(); err == nil && info.ModTime().After(than) {
			file = name
			return filepath.SkipAll
		}
		return nil
	})
	return file
}
