package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"private-api/local/gateway"
	"private-api/local/internal/mocked"
)

// process is the program as it is started by a person.
type process struct {
	*exec.Cmd
	stdin  io.WriteCloser
	stdout *os.File
	lines  *bufio.Reader
	url    string
}

// startProcess runs the program in a copy of the repository, with a temporary folder of its own, until it serves.
func startProcess(t *testing.T, temp, name string, args ...string) *process {
	t.Helper()
	root, _ := mocked.Apps(t)
	if err := os.WriteFile(filepath.Join(root, "makefile"), []byte("local:\n\t@exec $(PROGRAM) -port 0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(name, args...)}
	p.Dir, p.Env = root, append(os.Environ(), "TMPDIR="+temp)
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stdin, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	p.Stderr = os.Stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	p.stdout, p.lines = stdout.(*os.File), bufio.NewReader(stdout)
	p.url = p.await(t, regexp.MustCompile(`curl (http://localhost:\d+)/api/books`))[1]
	p.await(t, regexp.MustCompile("Press Enter"))
	return p
}

// await reads until a line matches.
func (p *process) await(t *testing.T, line *regexp.Regexp) []string {
	t.Helper()
	for {
		text, err := p.lines.ReadString('\n')
		if match := line.FindStringSubmatch(text); match != nil {
			return match
		}
		if err != nil {
			t.Fatalf("%q is not shown: %v", line, err)
		}
	}
}

// awaitEnd waits until the process has ended.
func (p *process) awaitEnd(t *testing.T) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- p.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(limit):
		t.Fatal("it does not end")
		return nil
	}
}

func (p *process) request(t *testing.T) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	response, err := client.Get(p.url + "/api/books")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatal(response.Status)
	}
}

// left returns the processes and files that are left of runs with a temporary folder.
func left(t *testing.T, temp string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(temp, "private-api-local-*"))
	if err != nil {
		t.Fatal(err)
	}
	return append(children(t, temp), files...)
}

func build(t *testing.T) string {
	t.Helper()
	needCLI(t)
	program := filepath.Join(t.TempDir(), "local")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// However it is ended, nothing is left, and what was asked for is no error.
func TestEnds(t *testing.T) {
	program := build(t)
	terminal := func(p *process) error { _, err := io.WriteString(p.stdin, "\x03"); return err }
	for name, test := range map[string]struct {
		command []string
		end     func(*process) error
	}{
		"Ctrl-C": {[]string{program, "-port", "0"}, func(p *process) error { return p.Process.Signal(os.Interrupt) }},
		"kill":   {[]string{program, "-port", "0"}, func(p *process) error { return p.Process.Signal(syscall.SIGTERM) }},
		"Ctrl-C and nobody reads any more": {[]string{program, "-port", "0"}, func(p *process) error {
			return errors.Join(p.stdout.Close(), p.Process.Signal(os.Interrupt))
		}},
		// make dies of the signal if it gets it too.
		"Ctrl-C in the terminal of make": {[]string{"script", "-qefc", "make -f makefile local", os.DevNull}, terminal},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(test.command[0]); err != nil {
				t.Skip(err)
			}
			temp := t.TempDir()
			t.Setenv("PROGRAM", program)
			p := startProcess(t, temp, test.command[0], test.command[1:]...)
			p.request(t)
			if err := test.end(p); err != nil {
				t.Fatal(err)
			}
			if err := p.awaitEnd(t); err != nil {
				t.Errorf("it ends with %v", err)
			}
			if left := left(t, temp); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// The process that started it may end without passing on the signal, as go run does.
func TestEndsWithItsParent(t *testing.T) {
	program := build(t)
	temp := t.TempDir()
	p := startProcess(t, temp, "sh", "-c", program+" -port 0; true")
	p.Process.Signal(syscall.SIGTERM)
	p.awaitEnd(t)
	for end := time.Now().Add(limit); len(left(t, temp)) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("left: %q", left(t, temp))
		}
	}
}

// Output that nobody reads stops neither requests nor Ctrl-C.
func TestNobodyReads(t *testing.T) {
	program := build(t)
	temp := t.TempDir()
	p := startProcess(t, temp, program, "-port", "0", "-json")
	for range 3000 { // of which the pipe takes a few hundred
		p.request(t)
	}
	p.Process.Signal(os.Interrupt)
	if err := p.awaitEnd(t); err != nil {
		t.Errorf("it ends with %v", err)
	}
	if left := left(t, temp); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// Tasks end with the program, and the next run removes its folder.
func TestKilled(t *testing.T) {
	program := build(t)
	temp := t.TempDir()
	killed := startProcess(t, temp, program, "-port", "0")
	killed.Process.Kill()
	killed.awaitEnd(t)
	for end := time.Now().Add(limit); len(children(t, temp)) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("processes left: %q", children(t, temp))
		}
	}
	if left := left(t, temp); len(left) != 1 {
		t.Errorf("left is %q, want the folder", left)
	}
	next := startProcess(t, temp, program, "-port", "0")
	if left, _ := filepath.Glob(filepath.Join(temp, "private-api-local-*")); len(left) != 1 {
		t.Errorf("during the next run, there is %q", left)
	}
	next.Process.Signal(os.Interrupt)
	next.awaitEnd(t)
	if left := left(t, temp); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

func TestReadable(t *testing.T) {
	for line, want := range map[string]string{
		`{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"request","service":"echo","version":"v","method":"GET","path":"/api/echo","status":200,"bytes":2,"durationMs":0.5,"client":"127.0.0.1"}`: "",
		`{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"listening","service":"echo","address":"127.0.0.1:1"}`:                                                                                    "listening  address=127.0.0.1:1",
		`{"level":"WARN","msg":"odd"}`: "WARN odd",
		`{"a":1}`:                      `{"a":1}`,
		`null`:                         "null",
		"panic: no":                    "panic: no",
	} {
		if got := readable(line); got != want {
			t.Errorf("%s is shown as %q, want %q", line, got, want)
		}
	}
}

// A person sees one line for a request. With -json, everything is JSON and as it is.
func TestLines(t *testing.T) {
	const request = `{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"request","service":"echo","path":"/api/echo","status":200}`
	const other = `{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"listening","service":"echo","address":"127.0.0.1:1"}`
	entry := gateway.Entry{Time: time.Unix(0, 0).UTC(), RequestID: "id", Method: "GET", Path: "/api/echo", Status: 200, DurationMS: 0.25, Container: "echo", Task: "0123456789abcdef"}
	for json, want := range map[bool]string{
		false: `^\d\d:\d\d:\d\d echo  listening  address=127\.0\.0\.1:1\n\d\d:\d\d:\d\d GET /api/echo  200  0\.2 ms  echo task 01234567\n$`,
		true: "^" + regexp.QuoteMeta(request+"\n"+other+"\n"+`{"time":"1970-01-01T00:00:00Z","requestId":"id","method":"GET","path":"/api/echo","status":200,"durationMs":0.25,`+
			`"container":"echo","task":"0123456789abcdef"}`+"\n") + "$",
	} {
		var shown strings.Builder
		c := command{stdout: &shown, json: json}
		c.showLog("echo", request)
		c.showLog("echo", other)
		c.showRequest(entry)
		if !regexp.MustCompile(want).MatchString(shown.String()) {
			t.Errorf("json %v: shown is\n%s", json, shown.String())
		}
	}
}

// slow is a reader that takes one line at a time, when it is let.
type slow struct {
	next chan struct{}
	strings.Builder
}

func (s *slow) Write(p []byte) (int, error) {
	<-s.next
	return s.Builder.Write(p)
}

func TestOutputDropsLines(t *testing.T) {
	reader := &slow{next: make(chan struct{})}
	o := newOutput(reader, nil)
	for i := range 1500 {
		fmt.Fprintf(o, "line %d\n", i)
	}
	close(reader.next)
	for len(o.lines) > 0 {
		time.Sleep(time.Millisecond)
	}
	fmt.Fprintln(o, "last")
	o.Close()
	shown := reader.String()
	// The reader may take its first line only after some were dropped: then two places say what is missing.
	dropped := 0
	for _, match := range regexp.MustCompile(`\((\d+) lines are missing here, as nobody read them\)\n`).FindAllStringSubmatch(shown, -1) {
		n, _ := strconv.Atoi(match[1])
		dropped += n
	}
	if dropped == 0 || !strings.HasPrefix(shown, "line 0\n") || !strings.HasSuffix(shown, "last\n") {
		t.Fatalf("shown is\n%s", shown)
	}
	if lines := strings.Count(shown, "line "); 1500-lines != dropped {
		t.Errorf("%d lines of 1500 are shown, %d dropped", lines, dropped)
	}
}

// The status of services stands below what is written, cut to the width of the terminal, and goes.
func TestStatus(t *testing.T) {
	var shown strings.Builder
	o := newOutput(&shown, func() int { return 12 })
	o.Status("b", "service b: 1 of 2")
	o.Status("a", "service a: …")
	fmt.Fprintln(o, "a log line")
	o.Status("b", "")
	o.Status("", "")
	fmt.Fprintln(o, "up")
	o.Close()
	const one, two = "\x1b[1A\x1b[J", "\x1b[2A\x1b[J"
	const b, a = "service b: \n", "service a: \n"
	if want := b + one + a + b + two + "a log line\n" + a + b + two + a + one + "up\n"; shown.String() != want {
		t.Errorf("shown is %q, want %q", shown.String(), want)
	}
	shown.Reset()
	o = newOutput(&shown, nil)
	o.Status("a", "service a: 1 of 2")
	o.Close()
	if shown.String() != "" {
		t.Errorf("where there is no terminal, %q is shown", shown.String())
	}
}

func TestChangedProgram(t *testing.T) {
	root, _ := mocked.Apps(t)
	started := time.Now().Add(time.Hour)
	for name, want := range map[string]string{
		"Pulumi.yaml": "Pulumi.yaml", "stack/stack.go": "stack/stack.go", "apps/book/main.go": "", "stack/stack_test.go": "", ".build/x.go": "", "README.md": "",
	} {
		file := filepath.Join(root, name)
		os.MkdirAll(filepath.Dir(file), 0o755)
		if name != "Pulumi.yaml" {
			if err := os.WriteFile(file, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chtimes(file, started, started.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if got := changedProgram(root, started); got != want {
			t.Errorf("after a change of %s: %q, want %q", name, got, want)
		}
		os.Chtimes(file, started, started.Add(-time.Second))
	}
}
