// Package apps_test runs the services' real binaries.
package apps_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"private-api/apps/internal/load"
)

// binaries are the built commands by folder: the service of the tests, and every service that is here.
var binaries = map[string]string{things: ""}

const things = "testdata/things"

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	folder, err := os.MkdirTemp("", "apps")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	services, _ := filepath.Glob("*/main.go") // the pattern is valid
	for _, file := range services {
		binaries[filepath.Dir(file)] = ""
	}
	for name := range binaries {
		if binaries[name], err = load.Build("./"+name, folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// Every service of this kind serves its list, each object of it, and its health.
func TestServices(t *testing.T) {
	declared := regexp.MustCompile(`Service{Name: "([^"]+)", Path: "([^"]+)"`)
	embedded := regexp.MustCompile(`//go:embed (\S+)`)
	for folder := range binaries {
		source, err := os.ReadFile(filepath.Join(folder, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		names, files := declared.FindSubmatch(source), embedded.FindSubmatch(source)
		if names == nil || files == nil {
			t.Logf("%s is a service of another kind", folder)
			continue
		}
		t.Run(folder, func(t *testing.T) {
			name, path := string(names[1]), string(names[2])
			data, err := os.ReadFile(filepath.Join(folder, string(files[1])))
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{
				path:             compact(t, data),
				path + "/health": `{"service":"` + name + `","status":"ok","version":"sha256:4711"}`,
			}
			var objects []json.RawMessage
			if err := json.Unmarshal(data, &objects); err != nil {
				t.Fatal(err)
			}
			for _, object := range objects {
				var key struct{ ID json.RawMessage }
				if err := json.Unmarshal(object, &key); err != nil {
					t.Fatal(err)
				}
				want[path+"/"+strings.Trim(string(key.ID), `"`)] = compact(t, object)
			}
			p := start(t, folder, path, "IMAGE_DIGEST=sha256:4711", "DRAIN_DELAY=0s")
			client := load.Client{Address: p.Address}
			defer client.Close()
			for path, want := range want {
				answer, err := client.Get(path, "")
				if err != nil || answer.Status != http.StatusOK || string(answer.Body) != want {
					t.Errorf("GET %s: %d %s %v, want 200 %s", path, answer.Status, answer.Body, err, want)
				}
			}
		})
	}
	if len(binaries) < 2 {
		t.Error("no service was found beside that of the tests")
	}
}

func compact(t *testing.T, data []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The image is the binary: it has nothing else in it.
func TestSize(t *testing.T) {
	const most = 10 << 20
	for name, binary := range binaries {
		info, err := os.Stat(binary)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > most {
			t.Errorf("%s has %d bytes, at most %d allowed", name, info.Size(), most)
		}
	}
}

// A load balancer sends requests until it sees that the service is unhealthy: none of them may be lost.
func TestStopUnderLoad(t *testing.T) {
	p := start(t, things, "/api/things", "DRAIN_DELAY=3s")
	unhealthy := make(chan struct{})
	callers := call(p, func(c *caller) bool {
		select {
		case <-unhealthy:
			return c.told >= 100 // the load goes on for a while
		default:
			return false
		}
	})
	signal(t, p, syscall.SIGTERM)
	waitUnhealthy(t, p)
	close(unhealthy)

	for _, c := range callers.wait() {
		if c.err != nil {
			t.Errorf("%s: a request was lost: %v", c.name, c.err)
		}
	}
	stopped(t, p, callers)
}

// Callers that ignore the health go on until nobody listens. Whatever the service took up, it answered in full. A
// connection that it never took up can be cut when the listener closes, but none that had served a request.
func TestStopUnderLoadThatIgnoresHealth(t *testing.T) {
	const delay = 500 * time.Millisecond
	p := start(t, things, "/api/things", "DRAIN_DELAY="+delay.String())
	callers := call(p, func(*caller) bool { return false })
	signalled := time.Now()
	signal(t, p, syscall.SIGTERM)

	for _, c := range callers.wait() {
		if after := c.failed.Sub(signalled); after < delay {
			t.Errorf("%s: a request was lost %v after the signal: %v", c.name, after, c.err)
		}
		if c.reused {
			t.Errorf("%s: a request was lost on a connection in use: %v", c.name, c.err)
		}
		if c.told == 0 {
			t.Errorf("%s was never told to close its connection", c.name)
		}
	}
	stopped(t, p, callers)
}

func TestSecondSignal(t *testing.T) {
	p := start(t, things, "/api/things", "DRAIN_DELAY=2m")
	signal(t, p, syscall.SIGINT)
	waitUnhealthy(t, p)
	signal(t, p, syscall.SIGTERM)
	failed(t, p, "stopped at once by a second signal")
}

// A request that does not end does not keep the service from stopping.
func TestShutdownTimeout(t *testing.T) {
	p := start(t, things, "/api/things", "DRAIN_DELAY=0s", "SHUTDOWN_TIMEOUT=100ms")
	connection, err := net.Dial("tcp", p.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	// The body never comes, and net/http waits for it before it sends the answer.
	fmt.Fprintf(connection, "POST /api/things HTTP/1.1\r\nHost: things\r\nContent-Length: 1\r\n\r\n")
	waitForLog(t, p, `"method":"POST"`)
	signal(t, p, syscall.SIGTERM)
	failed(t, p, "stopped with requests under way")
}

// A log that nobody reads stops nothing: neither answers, nor health, nor the end.
func TestLogThatNobodyReads(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	p, err := load.Start(write, []string{"DRAIN_DELAY=500ms"}, "/api/things/health", binaries[things])
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Minute, func() { p.Process.Kill() })
	defer timer.Stop()
	client := load.Client{Address: p.Address}
	defer client.Close()
	for i := range 10_000 { // several times what a pipe and the buffer hold
		if answer, err := client.Get("/api/things", ""); err != nil || answer.Status != http.StatusOK {
			t.Fatalf("request %d: %d %v", i, answer.Status, err)
		}
	}
	if answer, err := client.Get("/api/things/health", ""); err != nil || answer.Status != http.StatusOK {
		t.Errorf("health: %d %v", answer.Status, err)
	}
	draining := process{Process: p, health: "/api/things/health"}
	signal(t, draining, syscall.SIGTERM)
	waitUnhealthy(t, draining)
	if err := p.Wait(); err != nil {
		t.Errorf("exit: %v, want 0", err)
	}
}

func TestHealthFlag(t *testing.T) {
	p := start(t, things, "/api/things", "DRAIN_DELAY=2m")
	_, port, _ := strings.Cut(p.Address, ":")
	health := func() (string, error) {
		check := exec.Command(binaries[things], "-health")
		check.Env = []string{"PORT=" + port}
		var stderr bytes.Buffer
		check.Stderr = &stderr
		err := check.Run()
		return stderr.String(), err
	}
	refused := func(state, reason string) {
		stderr, err := health()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(stderr, reason) {
			t.Errorf("%s: %v %q, want exit 1 because of %q", state, err, stderr, reason)
		}
	}

	if stderr, err := health(); err != nil {
		t.Errorf("healthy: %v %s", err, stderr)
	}
	signal(t, p, syscall.SIGTERM)
	waitUnhealthy(t, p)
	refused("draining", "503 Service Unavailable")
	signal(t, p, syscall.SIGTERM)
	failed(t, p, "second signal")
	refused("stopped", "connection refused")
}

// process is a service under test.
type process struct {
	*load.Process
	output *output
	health string // path
}

// start runs a service and kills it if it still runs at the end of the test or after a minute.
func start(t *testing.T, name, path string, env ...string) process {
	t.Helper()
	p := process{output: &output{}, health: path + "/health"}
	var err error
	if p.Process, err = load.Start(p.output, env, p.health, binaries[name]); err != nil {
		t.Fatalf("%v\n%s", err, p.output)
	}
	timer := time.AfterFunc(time.Minute, func() { p.Process.Process.Kill() })
	t.Cleanup(func() {
		timer.Stop()
		if p.ProcessState == nil {
			p.Process.Process.Kill()
			p.Wait()
		}
	})
	return p
}

// failed waits for the process to exit with 1 and the reason.
func failed(t *testing.T, p process, reason string) {
	t.Helper()
	p.Wait() // ProcessState tells more
	if code := p.ProcessState.ExitCode(); code != 1 || !strings.Contains(p.output.String(), reason) {
		t.Errorf("exit %d, want 1 because of %q; output:\n%s", code, reason, p.output)
	}
}

// waitForLog waits for a line that contains text.
func waitForLog(t *testing.T, p process, text string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !strings.Contains(p.output.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s was not logged; output:\n%s", text, p.output)
		}
	}
}

// output is what a process has written so far.
type output struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.String()
}

func signal(t *testing.T, p process, s os.Signal) {
	t.Helper()
	if err := p.Process.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// waitUnhealthy asks for the health, as a load balancer does, until it is 503.
func waitUnhealthy(t *testing.T, p process) {
	t.Helper()
	client := load.Client{Address: p.Address}
	defer client.Close()
	for {
		answer, err := client.Get(p.health, "")
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status == http.StatusServiceUnavailable {
			return
		}
	}
}

// caller asks for the list, one request after another, and keeps account.
type caller struct {
	name     string
	client   load.Client
	answered []string // the trace ids of the requests that got a full answer
	told     int      // how many answers said to close the connection
	err      error    // of the last request, when it failed,
	failed   time.Time
	reused   bool // and whether the connection had been in use
}

func (c *caller) get() {
	id := fmt.Sprintf("%s-%d", c.name, len(c.answered))
	c.reused = c.client.Connected()
	answer, err := c.client.Get("/api/things", id)
	if err == nil && (answer.Status != http.StatusOK || len(answer.Body) != listBytes) {
		err = fmt.Errorf("status %d, %d bytes", answer.Status, len(answer.Body))
	}
	if err != nil {
		c.err, c.failed = err, time.Now()
		return
	}
	c.answered = append(c.answered, id)
	if answer.Last {
		c.told++
	}
}

// listBytes is the length of the list that the service of the tests answers with.
var listBytes = func() int {
	data, err := os.ReadFile(filepath.Join(things, "things.json"))
	var b bytes.Buffer
	if err := errors.Join(err, json.Compact(&b, data)); err != nil {
		panic(err)
	}
	return b.Len()
}()

// callers are busy until each is done or has had an error.
type callers struct {
	each []*caller
	busy sync.WaitGroup
}

// call starts 16 callers and returns once each has had 100 requests.
func call(p process, done func(*caller) bool) *callers {
	var all callers
	var warm sync.WaitGroup
	for i := range 16 {
		c := &caller{name: fmt.Sprint("caller-", i), client: load.Client{Address: p.Address}}
		all.each = append(all.each, c)
		warm.Add(1)
		all.busy.Go(func() {
			defer c.client.Close()
			for n := 0; n < 100 && c.err == nil; n++ {
				c.get()
			}
			warm.Done()
			for c.err == nil && !done(c) {
				c.get()
			}
		})
	}
	warm.Wait()
	return &all
}

func (c *callers) wait() []*caller {
	c.busy.Wait()
	return c.each
}

// stopped waits for the process to exit with 0, and checks that every line of its log is JSON and that the requests in it
// are exactly those that were answered.
func stopped(t *testing.T, p process, callers *callers) {
	t.Helper()
	if err := p.Wait(); err != nil {
		t.Errorf("exit: %v, want 0", err)
	}
	var logged, answered []string
	for line := range strings.Lines(p.output.String()) {
		var entry struct {
			Msg, TraceID  string
			Status, Bytes int
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if entry.Msg != "request" {
			continue
		}
		if entry.Status != http.StatusOK || entry.Bytes != listBytes {
			t.Errorf("status or bytes: %s", line)
		}
		logged = append(logged, entry.TraceID)
	}
	for _, c := range callers.wait() {
		answered = append(answered, c.answered...)
	}
	slices.Sort(logged)
	slices.Sort(answered)
	if !slices.Equal(logged, answered) {
		t.Errorf("%d requests logged, %d answered, not the same", len(logged), len(answered))
	}
	t.Logf("%d requests answered and logged", len(answered))
}
