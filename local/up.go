package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"private-api/local/engine"
	"private-api/local/gateway"
)

// destroyLimit bounds the destroy at the end, after which everything is ended without it.
const destroyLimit = 2 * time.Minute

// up brings the stack up and serves until ctx ends.
func (c *command) up(ctx context.Context, port int, config settings) (err error) {
	// First of all, as it is the cheapest to fail.
	listener, err := net.Listen("tcp", fmt.Sprintf("localhost:%d", port))
	if err != nil {
		return fmt.Errorf("%w; choose another with -port", err)
	}
	defer listener.Close()
	e, err := c.open(ctx, config, false, c.stdout, c.stdout)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, e.Close()) }()

	server := &http.Server{Handler: &gateway.Handler{Set: e.Set, Runner: e.Runner}, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	serving := make(chan struct{})
	go func() { served <- server.Serve(listener); close(serving) }()
	url := fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)

	outputs, _, err := e.Up(ctx)
	if err == nil {
		c.announce(url, outputs)
		if c.ready != nil {
			c.ready(url, e)
		}
		err = c.serve(ctx, url, e, served)
	}
	server.Close()
	<-serving
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), destroyLimit)
	defer cancel()
	limit, stop := signal.NotifyContext(limit, os.Interrupt)
	defer stop()
	if e.Set.Len() > 0 {
		fmt.Fprintln(c.stdout, "\nDestroying the stack. Ctrl-C again: end without.")
	}
	return errors.Join(interrupted(ctx, err), e.Destroy(limit))
}

// interrupted drops an error that Ctrl-C caused.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// serve does another up at each Enter, until ctx ends. An up that fails leaves what ran before.
func (c *command) serve(ctx context.Context, url string, e *engine.Engine, served <-chan error) error {
	enter := make(chan struct{})
	go func() {
		for scanner := bufio.NewScanner(c.stdin); scanner.Scan(); {
			select {
			case enter <- struct{}{}:
			case <-ctx.Done():
				return
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
		outputs, _, err := e.Up(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			fmt.Fprintf(c.stdout, "\n%v. What ran before goes on. Enter: another up. Ctrl-C: destroy and end.\n", err)
		default:
			c.announce(url, outputs)
		}
	}
}

// announce prints the outputs and where the services answer.
func (c *command) announce(url string, outputs auto.OutputMap) {
	fmt.Fprintln(c.stdout, "\nOutputs of the stack:")
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		text, err := json.MarshalIndent(outputs[name].Value, "    ", "  ")
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(c.stdout, "    %s: %s\n", name, text)
	}
	fmt.Fprintf(c.stdout, "\nThe HTTP API is on this machine:\n")
	endpoint, _ := outputs["apiEndpoint"].Value.(string)
	urls, _ := outputs["serviceUrls"].Value.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(urls)) {
		if service, ok := urls[name].(string); ok {
			fmt.Fprintf(c.stdout, "    curl %s%s\n", url, strings.TrimPrefix(service, endpoint))
		}
	}
	fmt.Fprintln(c.stdout, "Enter: another up, after a change in apps/. Ctrl-C: destroy and end.")
}
