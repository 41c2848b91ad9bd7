package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"private-api/internal/fakeaws"
	"private-api/local/engine"
	"private-api/local/internal/mocked"
)

// limit bounds what is waited for; nothing is asserted about how long it takes.
const limit = time.Minute

func TestMain(m *testing.M) {
	standIn()
	os.Exit(m.Run())
}

// needCLI skips a test where there is no Pulumi CLI: building one takes minutes. Where E2E_REQUIRED is set, it fails.
func needCLI(t *testing.T) {
	t.Helper()
	if os.Getenv("LOCAL_BUILD_CLI") != "" {
		return
	}
	if _, err := exec.LookPath("pulumi"); err != nil {
		if os.Getenv("E2E_REQUIRED") != "" {
			t.Fatal("E2E_REQUIRED is set, and there is no pulumi on PATH")
		}
		t.Skip("there is no pulumi on PATH; LOCAL_BUILD_CLI=1 builds one, which takes minutes the first time")
	}
}

// screen is what a person sees. It tells when some text appears.
type screen struct {
	mutex sync.Mutex
	text  bytes.Buffer
	on    map[string]func() // each called once
}

func (s *screen) Write(p []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.text.Write(p)
	for text, call := range s.on {
		if strings.Contains(s.text.String(), text) {
			delete(s.on, text)
			go call()
		}
	}
	return len(p), nil
}

func (s *screen) String() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.text.String()
}

// session is one run of the program, which must leave nothing.
type session struct {
	*screen
	command
	ctx    context.Context
	cancel context.CancelFunc // Ctrl-C
	served chan struct{}
	ended  chan error
	enter  *io.PipeWriter
	url    string
	engine *engine.Engine
}

// prepare makes copies of the services for a run, and checks at the end of the test that nothing is left.
func prepare(t *testing.T, on map[string]func(*session)) *session {
	t.Helper()
	needCLI(t)
	goroutines := own()
	root, services := mocked.Apps(t)
	input, enter := io.Pipe()
	s := &session{screen: &screen{on: map[string]func(){}}, ended: make(chan error, 1), enter: enter, served: make(chan struct{})}
	for text, call := range on {
		s.on[text] = func() { call(s) }
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.command = command{stdin: input, stdout: s.screen, stderr: s.screen, services: services, root: root, temp: t.TempDir()}
	s.serving = func(url string, e *engine.Engine) {
		s.url, s.engine = url, e
		close(s.served)
	}
	t.Cleanup(func() {
		s.cancel()
		enter.Close()
		s.checkNothingLeft(t, goroutines)
		if t.Failed() {
			shown := s.String()
			t.Logf("the screen ends with\n%s", shown[max(0, len(shown)-4000):])
		}
	})
	return s
}

// begin runs up.
func (s *session) begin(t *testing.T, args ...string) {
	t.Helper()
	s.beginWith(t, append([]string{"up", "-port", "0", "-config", "drainSeconds=1"}, args...))
}

func (s *session) beginWith(t *testing.T, args []string) {
	t.Helper()
	go func() { s.ended <- s.run(s.ctx, args) }()
}

// await waits until it serves.
func (s *session) await(t *testing.T) {
	t.Helper()
	select {
	case <-s.served:
	case err := <-s.ended:
		s.ended <- err
		t.Fatalf("it ended before it served: %v", err)
	case <-time.After(limit):
		t.Fatal("it does not serve")
	}
}

// end waits until the program has ended.
func (s *session) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.ended:
		s.ended <- err
		return err
	case <-time.After(limit):
		t.Fatalf("it does not end\n%s", s)
		return nil
	}
}

func (s *session) get(t *testing.T, path string) (int, string) {
	t.Helper()
	response, err := http.Get(s.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// up presses Enter and waits for the end of that up.
func (s *session) up(t *testing.T, shown string) string {
	t.Helper()
	before := len(s.String())
	fmt.Fprintln(s.enter)
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if text := s.String()[before:]; strings.Contains(text, shown) {
			return text
		}
	}
	t.Fatalf("after Enter, %q is not shown", shown)
	return ""
}

// own returns the goroutines that run code of this program, without those of the tests, by id. Pulumi's SDK leaves some
// of its own until the process ends: the connection of each component's construction, and the server of error hooks.
func own() map[string]string {
	buffer := make([]byte, 8<<20)
	all := map[string]string{}
	for g := range strings.SplitSeq(string(buffer[:runtime.Stack(buffer, true)]), "\n\n") {
		if strings.Contains(g, "private-api/") && !strings.Contains(g, "testing.tRunner(") && !strings.Contains(g, "testing.runTests") {
			id, _, _ := strings.Cut(g, " [")
			all[id] = g
		}
	}
	return all
}

// children returns the processes that this one, or the init process, has and that run from a folder.
func children(t *testing.T, folder string) []string {
	t.Helper()
	var all []string
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Skipf("without /proc, processes cannot be found: %v", err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		program, _ := os.Readlink(filepath.Join("/proc", entry.Name(), "exe"))
		directory, _ := os.Readlink(filepath.Join("/proc", entry.Name(), "cwd"))
		status, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "stat"))
		fields := strings.Fields(string(status[bytes.LastIndexByte(status, ')')+1:]))
		child := len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid())
		if pid != os.Getpid() && (child || strings.HasPrefix(program, folder) || strings.HasPrefix(directory, folder)) {
			all = append(all, fmt.Sprintf("%d %s", pid, program))
		}
	}
	return all
}

func (s *session) checkNothingLeft(t *testing.T, goroutines map[string]string) {
	t.Helper()
	s.end(t)
	http.DefaultClient.CloseIdleConnections()
	if files, err := os.ReadDir(s.temp); err != nil || len(files) > 0 {
		t.Errorf("left in the temporary folder: %v %v", files, err)
	}
	if files, _ := filepath.Glob(filepath.Join(s.root, "Pulumi.local*")); len(files) > 0 {
		t.Errorf("left in the repository: %v", files)
	}
	if left := children(t, s.temp); len(left) > 0 {
		t.Errorf("processes left: %q", left)
	}
	if s.url != "" {
		if conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://")); err == nil {
			conn.Close()
			t.Errorf("%s is still open", s.url)
		}
	}
	var left []string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		left = nil
		for id, g := range own() {
			if _, before := goroutines[id]; !before {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return
		}
	}
	t.Errorf("%d goroutines left:\n%s", len(left), strings.Join(left, "\n\n"))
}

// otherAddresses returns the addresses of this machine that the network sees.
func otherAddresses(t *testing.T) (addresses []string) {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
			addresses = append(addresses, ip.IP.String())
		}
	}
	return addresses
}

// progress is what an up says of how far it is.
type progress struct {
	mutex sync.Mutex
	lines []string
}

func (p *progress) add(resource, text string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.lines = append(p.lines, resource+" "+text)
}

// has tells whether a line begins with text, or is the end of a resource.
func (p *progress) has(resource, text string) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return slices.ContainsFunc(p.lines, func(line string) bool {
		return text != "" && strings.HasPrefix(line, resource+" "+text) || line == resource+" "+text
	})
}

func TestUp(t *testing.T) {
	t.Setenv("CI", "") // with it, progress is not ephemeral
	s := prepare(t, nil)
	var progress progress
	s.progress = progress.add
	s.begin(t)
	s.await(t)
	if status, body := s.get(t, "/api/books"); status != 200 || !strings.HasPrefix(body, "[{") {
		t.Errorf("GET /api/books: %d %s", status, body)
	}
	if status, body := s.get(t, "/api/echo/"); status != 200 {
		t.Errorf("GET /api/echo/: %d %s", status, body)
	}
	for _, shown := range []string{"curl " + s.url + "/api/books\n", "curl " + s.url + "/api/echo\n"} {
		if !strings.Contains(s.String(), shown) {
			t.Errorf("%q is not shown", shown)
		}
	}
	// A line for each request, in whosever answer, and none besides.
	if status, body := s.get(t, "/api/nothing"); status != 404 {
		t.Errorf("GET /api/nothing: %d %s", status, body)
	}
	for _, line := range []string{`GET /api/books  200  \d+\.\d ms  book task [0-9a-f]{8}`, `GET /api/nothing  404  \d+\.\d ms  stops at listener producer: no listener rule has this path.*`} {
		if found := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d `+line+`$`).FindAllString(s.String(), -1); len(found) != 1 {
			t.Errorf("%s is shown as %q", line, found)
		}
	}
	if text := s.String(); strings.Count(text, "GET /api/") != 3 || strings.Contains(text, "/health") {
		t.Errorf("3 requests are shown as\n%s", text)
	}
	for _, group := range s.engine.Set.Of("aws:lb/targetGroup:TargetGroup") {
		picked := s.engine.Runner.Pick(group.Outputs.Text("arn"))
		picked.Done()
		for _, address := range otherAddresses(t) {
			_, port, _ := net.SplitHostPort(picked.Address)
			if connection, err := net.Dial("tcp", net.JoinHostPort(address, port)); err == nil {
				connection.Close()
				t.Errorf("%s listens on %s", group.Name, address)
			}
		}
	}
	processes := fmt.Sprint(s.engine.Runner.Processes())

	// Nothing to do: nothing done.
	if text := s.up(t, "Press Enter"); !strings.Contains(text, "nothing changed.\n") {
		t.Errorf("an up without changes shows\n%s", text)
	}
	if after := fmt.Sprint(s.engine.Runner.Processes()); len(after) != len(processes) {
		t.Errorf("an up without changes made processes %s of %s", after, processes)
	}

	// A change of one service: that one's image, task definition and service, and nothing else.
	_, author := s.get(t, "/api/authors/health")
	_, book := s.get(t, "/api/books/health")
	file := filepath.Join(s.root, "apps", "book", "books.json")
	if err := os.WriteFile(file, []byte(`[{"id":"new"}]`), 0o644); err != nil {
		t.Fatal(err)
	}
	var text string
	_, failed := mocked.Load(s.url+"/api/books", func() { text = s.up(t, "Press Enter") })
	if len(failed) > 0 {
		t.Errorf("during the up, %d requests failed: %q", len(failed), failed[:min(5, len(failed))])
	}
	if status, body := s.get(t, "/api/books"); status != 200 || body != `[{"id":"new"}]` {
		t.Errorf("after the change: %d %s", status, body)
	}
	if _, body := s.get(t, "/api/books/health"); body == book {
		t.Errorf("after the change the digest is still in %s", body)
	}
	if _, body := s.get(t, "/api/authors/health"); body != author {
		t.Errorf("a change of book made author %s of %s", body, author)
	}
	if !strings.Contains(text, ": 1 replaced, 2 updated.\n  producer-book  Image updated, TaskDefinition replaced, Service updated\n\n") {
		t.Errorf("a change of book shows\n%s", text)
	}

	// A change that does not compile, and one that never gets healthy: what ran before goes on.
	source := filepath.Join(s.root, "apps", "book", "main.go")
	good, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	for broken, reasons := range map[string][]string{
		"package main\nfunc main() { nonsense() }": {"\napps/book/main.go:2:15: undefined: nonsense"},
		"package main\nimport `time`\nfunc main() { time.Sleep(time.Hour) }": {
			"up failed: service book: the deployment of image sha256:", "rolled back because the circuit breaker", "× Task failed ELB health checks in (target-group ", "docs/operations.md#"},
		"package main\nimport `os`\nfunc main() { println(`no way`); os.Exit(3) }": {
			"up failed: service book: the deployment of image sha256:", "× Essential container in task exited; container book exited with 3\n", "last log lines of task ", "\n  no way\n", "docs/operations.md#"},
	} {
		if err := os.WriteFile(source, []byte(broken), 0o644); err != nil {
			t.Fatal(err)
		}
		const goesOn = "What ran before goes on. Press Enter"
		var text string
		_, failed := mocked.Load(s.url+"/api/books", func() { text = s.up(t, goesOn) })
		if len(failed) > 0 {
			t.Errorf("during an up that fails, %d requests failed: %q", len(failed), failed[:min(5, len(failed))])
		}
		// A service stays an error until it is mended, also if nothing is changed.
		for _, text := range []string{text, s.up(t, goesOn)} {
			for _, reason := range reasons {
				if strings.Count(text, reason) != 1 {
					t.Errorf("%q is not once among the reasons\n%s", reason, text)
				}
			}
			if strings.Contains(text, "is not deployed") || strings.Contains(text, "make up") || strings.Contains(text, "\x1b") {
				t.Errorf("shown is also\n%s", text)
			}
		}
		if status, body := s.get(t, "/api/books"); status != 200 || body != `[{"id":"new"}]` {
			t.Errorf("after a failed up: %d %s", status, body)
		}
	}
	if !progress.has("producer-book", "service book: 2 of 2 tasks running, targets: ") || !progress.has("producer-author", "") {
		t.Errorf("progress is %q", progress.lines)
	}
	if err := os.WriteFile(source, good, 0o644); err != nil {
		t.Fatal(err)
	}
	s.up(t, "Press Enter")

	// A change of the configuration. Spot takes other times, which replace task definitions: they come first.
	changed := map[string]string{"healthCheckIntervalSeconds": "5", "healthCheckTimeoutSeconds": "2", "drainSeconds": "12"}
	if err := s.engine.Configure(context.Background(), changed); err != nil {
		t.Fatal(err)
	}
	s.up(t, "Press Enter")
	maps.Copy(changed, map[string]string{"desiredCount": "1", "spot": "true", "availabilityZones": `["us-west-2a","us-west-2b"]`})
	if err := s.engine.Configure(context.Background(), changed); err != nil {
		t.Fatal(err)
	}
	if text := s.up(t, "Press Enter"); strings.Contains(text, "replaced") {
		t.Errorf("another count and Spot replace:\n%s", text)
	}
	for _, group := range s.engine.Set.Of("aws:lb/targetGroup:TargetGroup") {
		if all, healthy := s.engine.Runner.Targets(group.Outputs.Text("arn")); all != 1 || healthy != 1 {
			t.Errorf("%s has %d targets, %d healthy, want 1", group.Name, all, healthy)
		}
	}
	// With scaling, the count that runs stays.
	maps.Copy(changed, map[string]string{"desiredCount": "2", "scaling": `{"min":1,"max":4,"requestsPerTarget":600}`})
	if err := s.engine.Configure(context.Background(), changed); err != nil {
		t.Fatal(err)
	}
	s.up(t, "Press Enter")
	for _, group := range s.engine.Set.Of("aws:lb/targetGroup:TargetGroup") {
		if all, healthy := s.engine.Runner.Targets(group.Outputs.Text("arn")); all != 1 || healthy != 1 {
			t.Errorf("with scaling, %s has %d targets, %d healthy, want 1", group.Name, all, healthy)
		}
	}
	// Many Enters make one more up. A change of the program itself takes a restart.
	if err := os.Chtimes(filepath.Join(s.root, "Pulumi.yaml"), time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	before := len(s.String())
	fmt.Fprint(s.enter, "\n\n\n\n\n\n")
	s.up(t, "Press Enter")
	s.cancel()
	if err := s.end(t); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	if text := s.String()[before:]; strings.Count(text, "Bringing up") > 3 || !strings.Contains(text, "\nPulumi.yaml has changed. That takes a restart") {
		t.Errorf("many Enters, after a change of Pulumi.yaml, show\n%s", text)
	}
	if !regexp.MustCompile(`\nDestroyed \d\d+ resources.\n$`).MatchString(s.String()) || s.engine.Set.Len() > 0 {
		t.Errorf("%d resources are left", s.engine.Set.Len())
	}
}

// Logs come to a running stack and go again, and nothing is replaced. A key does not: what ran before goes on.
func TestLogsAndKey(t *testing.T) {
	s := prepare(t, nil)
	s.begin(t)
	s.await(t)
	for _, change := range []struct{ settings, want map[string]string }{
		{map[string]string{"flowLogs": "true", "accessLogs": "true"}, map[string]string{"aws:ec2/flowLog:FlowLog": "2", "aws:s3/bucket:Bucket": "1"}},
		{map[string]string{"flowLogs": "false", "accessLogs": "false"}, map[string]string{"aws:ec2/flowLog:FlowLog": "0", "aws:s3/bucket:Bucket": "0"}},
	} {
		if err := s.engine.Configure(context.Background(), change.settings); err != nil {
			t.Fatal(err)
		}
		if text := s.up(t, "Press Enter"); strings.Contains(text, "replaced") || strings.Contains(text, "What ran before") {
			t.Errorf("%v:\n%s", change.settings, text)
		}
		for kind, want := range change.want {
			if got := fmt.Sprint(len(s.engine.Set.Of(kind))); got != want {
				t.Errorf("%v: %s of %s, want %s", change.settings, got, kind, want)
			}
		}
	}
	if err := s.engine.Configure(context.Background(), map[string]string{"customerManagedKey": "true"}); err != nil {
		t.Fatal(err)
	}
	if text := s.up(t, "What ran before goes on. Press Enter"); !strings.Contains(text, ":customerManagedKey: true is not allowed: false in this stack") {
		t.Errorf("a key on repositories that have none:\n%s", text)
	}
	if status, _ := s.get(t, "/api/books"); status != 200 {
		t.Errorf("after the refused up: %d", status)
	}
	// A run ends whatever is protected.
	if err := s.engine.Configure(context.Background(), map[string]string{"customerManagedKey": "false", "deletionProtection": "true"}); err != nil {
		t.Fatal(err)
	}
	s.up(t, "Press Enter")
	s.cancel()
	if err := s.end(t); err != nil || s.engine.Set.Len() > 0 {
		t.Errorf("after Ctrl-C: %d resources are left, %v", s.engine.Set.Len(), err)
	}
}

// A version that starts and answers 500 is rolled back by its alarm: the up says which one, what it saw and which image, and
// what ran before goes on.
func TestAlarms(t *testing.T) {
	t.Setenv("CI", "") // with it, progress is not ephemeral
	s := prepare(t, nil)
	var progress progress
	s.progress = progress.add
	s.begin(t, "-config", "alarms=true")
	s.await(t)
	if !progress.has("producer-book", "service book: 2 of 2 tasks running, waits for alarms, targets: ") {
		t.Errorf("progress is %q", progress.lines)
	}
	if !strings.Contains(s.String(), "\nwarning: alarms is true, and nobody is told") {
		t.Errorf("it does not warn that the alarms tell nobody:\n%s", s)
	}
	source := filepath.Join(s.root, "apps", "echo", "main.go")
	good, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(good), `os.Getenv("IMAGE_DIGEST")`, `"broken-"`, 1)
	if err := os.WriteFile(source, []byte(broken), 0o644); err != nil || broken == string(good) {
		t.Fatal(err)
	}
	var text string
	_, failed := mocked.Load(s.url+"/api/echo/", func() { text = s.up(t, "What ran before goes on. Press Enter") })
	for _, pattern := range []string{
		`service echo: the deployment of image sha256:[0-9a-f]{64} failed: ECS says ROLLBACK_\w+, as alarm producer-echo-errors-\w+ went off\. What ran before goes on`,
		`\n *producer-echo-errors-\w+: ALARM: Threshold Crossed: [23] out of the last 3 datapoints \[\d+\.\d \(.*were greater than the threshold \(5\.0\)`,
		`docs/operations\.md#an-alarm-stops-a-deployment`,
	} {
		if !regexp.MustCompile(pattern).MatchString(text) {
			t.Errorf("%s is not in\n%s", pattern, text)
		}
	}
	if len(failed) == 0 || slices.ContainsFunc(failed, func(f string) bool { return f != "500 Internal Server Error" }) {
		t.Errorf("%d requests failed: %q", len(failed), failed[:min(5, len(failed))])
	}
	// ECS goes on with the rollback when the up has ended.
	_, failed = mocked.Load(s.url+"/api/books", func() {
		for end := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
			if status, _ := s.get(t, "/api/echo/"); status == 200 || time.Now().After(end) {
				break
			}
		}
	})
	if sent, more := mocked.Load(s.url+"/api/echo/", func() { time.Sleep(time.Second) }); len(failed)+len(more) > 0 || sent == 0 {
		t.Errorf("after the rollback, of %d requests failed %q", sent, append(failed, more...))
	}
	if err := os.WriteFile(source, good, 0o644); err != nil {
		t.Fatal(err)
	}
	if text := s.up(t, "Press Enter"); strings.Contains(text, "What ran before") {
		t.Errorf("once it is mended:\n%s", text)
	}
}

// Ctrl-C in any phase ends it without an error and leaves nothing.
func TestInterrupt(t *testing.T) {
	for name, shown := range map[string]string{
		"at the start":       "",
		"updating":           "Updating (local)",
		"network":            "aws:ec2:Vpc producer creating",
		"building the image": "docker:index:Image producer-book creating",
		"starting tasks":     "aws:ecs:Service producer-book creating",
		"last resources":     "aws:ecs:Service producer-book created",
	} {
		t.Run(name, func(t *testing.T) {
			s := prepare(t, map[string]func(*session){shown: func(s *session) { s.cancel() }})
			if shown == "" {
				s.cancel()
			}
			s.begin(t, "-v")
			if err := s.end(t); err != nil {
				t.Errorf("error: %v", err)
			}
		})
	}
}

// Ctrl-C ends an up that waits for a deployment.
func TestInterruptADeployment(t *testing.T) {
	t.Setenv("CI", "") // with it, progress is not ephemeral
	s := prepare(t, nil)
	if err := os.WriteFile(filepath.Join(s.root, "apps", "author", "main.go"), []byte("package main\nimport `time`\nfunc main() { time.Sleep(time.Hour) }"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.progress = func(resource, _ string) {
		if resource == "producer-author" {
			s.cancel()
		}
	}
	s.begin(t)
	if err := s.end(t); err != nil {
		t.Errorf("error: %v", err)
	}
}

// A second Ctrl-C ends the destroy, and still leaves nothing.
func TestInterruptTheDestroy(t *testing.T) {
	s := prepare(t, map[string]func(*session){" deleting (": func(*session) { syscall.Kill(os.Getpid(), syscall.SIGINT) }})
	s.begin(t, "-v")
	s.await(t)
	s.cancel()
	if err := s.end(t); err == nil || err.Error() != "destroy was interrupted" {
		t.Errorf("error: %v", err)
	}
}

func TestUpRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for name, test := range map[string]struct {
		args  []string
		spoil string // file in apps/ that is made nonsense, or what is behind the equals sign
		error string
	}{
		"port taken":          {[]string{"-port", port}, "", "address already in use; choose another port: make local PORT=8081"},
		"does not compile":    {nil, "author/main.go", "\napps/author/main.go:1:1: "},
		"refused setting":     {[]string{"-config", "egress=tunnel"}, "", ":egress: \"tunnel\" is not allowed"},
		"never healthy":       {nil, "author/main.go=package main\nfunc main() { println(`no way`) }", "\n  No rollback candidate was found to run the rollback.\n"},
		"image of a registry": {[]string{"-config", `services={"book":{"image":"example.com/book@sha256:` + strings.Repeat("ab", 32) + `"}}`}, "", "× CannotPullContainerError: image example.com/book@sha256:"},
	} {
		t.Run(name, func(t *testing.T) {
			s := prepare(t, nil)
			if test.spoil != "" {
				file, text, _ := strings.Cut(test.spoil, "=")
				if err := os.WriteFile(filepath.Join(s.root, "apps", file), []byte(cmp.Or(text, "nonsense")), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			s.begin(t, test.args...)
			if err := s.end(t); err == nil || !strings.Contains(err.Error(), test.error) {
				t.Errorf("error is %v, want %q", err, test.error)
			}
		})
	}
}

func TestArguments(t *testing.T) {
	for _, test := range []struct {
		args  string
		error string
	}{
		{"down", `unknown command "down": allowed is up, preview or trace`},
		{"up now", `up takes no arguments, not ["now"]`},
		{"preview now", `preview takes no arguments`},
		{"-config nonsense", "help requested"},
		{"-nothing", "help requested"},
		{"-port x", "help requested"},
		{"trace", "trace takes a PATH"},
		{"trace -from book", "trace takes a PATH"},
		{"trace -from book -to author /api/books", "trace takes a PATH"},
		{"trace api/books", `path "api/books": it begins with /`},
		{"preview -port 1", "help requested"},
		{"preview -config listener={}", "configuration listener: a local run has no load balancer but its own"},
		{"-port 0 -config private-api:listener={}", "configuration private-api:listener: a local run has no load balancer but its own"},
	} {
		var shown bytes.Buffer
		c := command{stdout: &shown, stderr: &shown, root: t.TempDir(), temp: t.TempDir()}
		if err := c.run(context.Background(), strings.Fields(test.args)); err == nil || !strings.Contains(err.Error(), test.error) {
			t.Errorf("%q: error %v, want %q", test.args, err, test.error)
		}
	}
}

func TestPreviewAndTrace(t *testing.T) {
	existing := fmt.Sprintf(`trace -config network={"vpcId":%q,"privateSubnetIds":[%q,%q]}`, fakeaws.ExistingVpc, fakeaws.ExistingSubnets[0].ID, fakeaws.ExistingSubnets[1].ID)
	for args, want := range map[string]struct{ shown, error string }{
		"preview":                       {"aws:ecs:Service producer-echo create", ""},
		"preview -config bastion=false": {"estimatedMonthlyCost: {\n", ""},
		"preview -config aws:skipRegionValidation=true": {"warning: aws:skipRegionValidation is set, so nothing checks region us-west-2", ""},
		"preview -config producerVpcCidr=172.17.0.0/16": {"warning: range 172.17.0.0/16: some services of AWS use 172.17.0.0/16 themselves", ""},
		"preview -config egress=tunnel":                 {"tunnel", "preview failed"},
		"preview -config producton=true":                {"producton: no such setting; the nearest is production", "preview failed"},
		"preview -config services.book.cpu=512":         {"services.book.cpu: no such setting; for a part of services use", "preview failed"},
		"preview -config aws:reigon=eu-west-1":          {"aws:reigon: no such setting; the nearest is aws:region", "preview failed"},
		"trace -config producton=true /api/echo":        {"", "up failed"},
		"trace /api/echo":                               {"\nnothing stops it on the way; no task was started", ""},
		"trace -method PUT /api/nothing":                {"no listener rule has this path", "the request does not arrive"},
		"trace -from book -to echo":                     {"has no egress rule to producer-echo on tcp 8080", "the request does not arrive"},
		"trace -from book -to nobody":                   {"", `service "nobody": there is author, book, echo`},
		"trace -config desiredCount=0 /api/books":       {"", "up failed"},
		"trace -config desiredCount=two /api/books":     {"", "up failed: validating stack config: Stack 'local' with configuration key 'desiredCount' must be of type 'integer'"},
		existing + " /api/echo":                         {"VPC link         producer                       2 subnets", ""},
		existing + " -from book -to echo":               {"has no egress rule to producer-echo on tcp 8080", "the request does not arrive"},
	} {
		t.Run(args, func(t *testing.T) {
			s := prepare(t, nil)
			s.beginWith(t, strings.Fields(args))
			err := s.end(t)
			if (err == nil) != (want.error == "") || err != nil && !strings.Contains(err.Error(), want.error) || !strings.Contains(s.String(), want.shown) {
				t.Errorf("error is %v, want %q, and %q shown", err, want.error, want.shown)
			}
		})
	}
}
