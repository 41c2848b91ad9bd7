// Package service runs one JSON list as an HTTP service: it listens, answers, logs, and stops without losing a request.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// Service is all that tells one service from another.
type Service struct {
	Name string // in its logs and in its health, such as "book"
	Path string // of the list, such as "/api/books": no slash at the end
	List []byte // a JSON array of objects; each has an "id", a number or a string, that no other has
}

// Main runs the service until SIGTERM or SIGINT and ends the process: with 0 after a clean stop, with 1 and the reason
// on standard error after anything else. With the argument -health it asks the running service for its health instead.
func (s Service) Main() {
	if err := s.run(context.Background(), os.Args[1:], os.Getenv, os.Stdout); err != nil {
		stderr := newAsyncWriter(os.Stderr, func(int) {})
		fmt.Fprintf(stderr, "%s: %v\n", s.Name, err)
		stderr.flush()
		os.Exit(1)
	}
}

// run is Main without the process: the end of ctx counts as the first signal.
func (s Service) run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	health := slices.Equal(args, []string{"-health"})
	if len(args) > 0 && !health {
		return fmt.Errorf("arguments %q: allowed is -health or none", args)
	}
	config, err := loadConfig(getenv)
	if err != nil {
		return err
	}
	if health {
		return checkHealth(config.port, s.Path)
	}

	var log *slog.Logger
	output := newAsyncWriter(stdout, func(dropped int) { log.Warn("lines of the log were dropped", "lines", dropped) })
	defer output.flush()
	log = newLogger(output, config.logLevel, s.Name, config.version)
	handler, err := newHandler(s, config.version, log)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(config.host, strconv.Itoa(config.port)))
	if err != nil {
		return err
	}
	return serve(ctx, newServer(handler, log), listener, config, handler.drain, log)
}

// newServer sets every limit that net/http leaves open.
func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:     handler,
		ReadTimeout: 10 * time.Second, // for header and body; bodies are ignored, and this ends one that never does
		// Counted from the same time on, but the answer waits for the body: the difference is what it has left.
		WriteTimeout: 15 * time.Second,
		// Longer than the load balancer's idle timeout of 60 s: otherwise a connection can close just as a request is
		// sent on it, and the caller gets a 502.
		IdleTimeout:                  75 * time.Second,
		MaxHeaderBytes:               64 << 10, // as much as a load balancer lets through
		DisableGeneralOptionsHandler: true,     // the handler answers "OPTIONS *" too, and logs it
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// serve answers requests until ctx ends or a signal comes, and then stops in three steps: drain turns the health to 503;
// requests are served for the drain delay, while whoever sends them learns to go elsewhere; the listener closes, and
// requests under way may finish within the shutdown timeout. A second signal ends everything at once, with an error.
func serve(ctx context.Context, server *http.Server, listener net.Listener, config config, drain func(), log *slog.Logger) error {
	first, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	log.Info("listening", "address", listener.Addr().String())
	select {
	case err := <-served:
		return err
	case <-first.Done():
	}

	// A fresh context: the first is over, and requests under way must not be.
	second, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	drain()
	log.Info("draining", "delay", config.drainDelay.String())
	select {
	case err := <-served:
		return err
	case <-second.Done():
		return errors.Join(errors.New("stopped at once by a second signal"), server.Close())
	case <-time.After(config.drainDelay):
	}

	limit, cancel := context.WithTimeout(second, config.shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(limit); err != nil {
		return errors.Join(fmt.Errorf("stopped with requests under way: %w", err), server.Close())
	}
	log.Info("stopped")
	return nil
}

// checkHealth returns nil if the service on this machine answers 200 within 2 s.
func checkHealth(port int, path string) error {
	url := fmt.Sprintf("http://127.0.0.1:%d%s/health", port, path)
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}
