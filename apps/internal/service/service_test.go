package service

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// freePort returns the number of a port that nothing listens on.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// TestRun runs a service from its start to its end; the tests of the binaries do so under load.
func TestRun(t *testing.T) {
	port := freePort(t)
	ctx, stop := context.WithCancel(t.Context())
	log, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- things.run(ctx, nil, environment(map[string]string{"PORT": port, "DRAIN_DELAY": "0s", "IMAGE_DIGEST": "sha256:4711"}), stdout)
		stdout.Close()
	}()
	lines := bufio.NewScanner(log)
	next := func() (l line) {
		lines.Scan()
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		return l
	}
	got := next()
	host, gotPort, err := net.SplitHostPort(got.Address)
	if err != nil || got.Msg != "listening" || !net.ParseIP(host).IsUnspecified() || gotPort != port {
		t.Errorf("%+v, want it to listen on all interfaces", got)
	}

	if err := things.run(ctx, []string{"-health"}, environment(map[string]string{"PORT": port}), io.Discard); err != nil {
		t.Errorf("-health: %v", err)
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		response, err := http.Get("http://127.0.0.1:" + port + "/api/things")
		if err != nil {
			t.Error(err)
			return
		}
		defer response.Body.Close()
		if text := body(t, response); response.StatusCode != http.StatusOK || text != thingList {
			t.Errorf("%d %s, want 200 %s", response.StatusCode, text, thingList)
		}
	}()
	if got := next(); got.Msg != "request" || got.Path != "/api/things" || got.Client != "127.0.0.1" {
		t.Errorf("%+v, want the request", got)
	}
	<-answered

	stop()
	for _, want := range []string{"draining", "stopped"} {
		if got := next(); got.Msg != want || got.Service != "thing" || got.Version != "sha256:4711" {
			t.Errorf("%+v, want %q", got, want)
		}
	}
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := things.run(context.Background(), []string{"-health"}, environment(map[string]string{"PORT": port}), io.Discard); err == nil {
		t.Error("-health: healthy after the end")
	}
}

func TestRunRefused(t *testing.T) {
	taken, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())

	tests := map[string]struct {
		service Service
		args    []string
		env     map[string]string
		message string
	}{
		"argument":  {things, []string{"-help"}, nil, `arguments ["-help"]: allowed is -health or none`},
		"arguments": {things, []string{"-health", "now"}, nil, "allowed is -health or none"},
		"setting":   {things, nil, map[string]string{"LOG_LEVEL": "loud"}, `LOG_LEVEL="loud"`},
		"list":      {Service{Name: "thing", Path: "/api/things", List: []byte("{")}, nil, nil, "the list of /api/things"},
		"port":      {things, nil, map[string]string{"PORT": port}, "address already in use"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.service.run(t.Context(), test.args, environment(test.env), io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.message) {
				t.Errorf("%v, want %s", err, test.message)
			}
		})
	}
}

// The server outlives the load balancer's idle timeout, and nothing can hold a connection for ever.
func TestServerLimits(t *testing.T) {
	s := newServer(nil, newLogger(io.Discard, 0, "", ""))
	if s.IdleTimeout <= time.Minute {
		t.Errorf("IdleTimeout %v, want more than the load balancer's 60 s", s.IdleTimeout)
	}
	if s.ReadTimeout <= 0 || s.WriteTimeout < s.ReadTimeout+5*time.Second || s.WriteTimeout >= 20*time.Second {
		t.Errorf("ReadTimeout %v, WriteTimeout %v, want 5 s between them, and less than the shutdown timeout", s.ReadTimeout, s.WriteTimeout)
	}
	if s.MaxHeaderBytes <= 0 {
		t.Error("no MaxHeaderBytes")
	}
}

// "OPTIONS *" reaches the handler, and so the log: by default net/http answers it.
func TestOptionsOfTheServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(newThings(t, io.Discard, 0), newLogger(io.Discard, 0, "", ""))
	go server.Serve(listener)
	defer server.Close()
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	io.WriteString(connection, "OPTIONS * HTTP/1.1\r\nHost: thing\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	if text := body(t, response); response.StatusCode != http.StatusNotFound || text != notFound {
		t.Errorf("%d %s, want 404 %s", response.StatusCode, text, notFound)
	}
}

// A caller whose body never comes to its end gets an answer all the same, before it is cut off.
func TestSlowBodyGetsAnAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(newThings(t, io.Discard, 0), newLogger(io.Discard, 0, "", ""))
	server.ReadTimeout /= 10
	server.WriteTimeout /= 10
	go server.Serve(listener)
	defer server.Close()
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			connection, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer connection.Close()
			io.WriteString(connection, "POST /api/things HTTP/1.1\r\nHost: thing\r\nContent-Length: 100\r\n\r\n{")
			response, err := http.ReadResponse(bufio.NewReader(connection), nil)
			if err != nil {
				t.Errorf("no answer: %v", err)
				return
			}
			if text := body(t, response); response.StatusCode != http.StatusMethodNotAllowed || text != wrongMethod || !response.Close {
				t.Errorf("%d %s, want 405 %s and the end of the connection", response.StatusCode, text, wrongMethod)
			}
		})
	}
	callers.Wait()
}
