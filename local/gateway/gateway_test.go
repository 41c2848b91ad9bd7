package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"private-api/local/gateway"
	"private-api/local/internal/mocked"
	"private-api/local/tasks"
	"private-api/stack"
	"private-api/trace"
)

// limit bounds what is waited for; nothing is asserted about how long it takes.
const limit = 30 * time.Second

// running is the API of a program whose services run.
type running struct {
	*httptest.Server
	set    *trace.Set
	runner *tasks.Runner

	mutex   sync.Mutex
	entries []gateway.Entry
}

func start(t *testing.T, config map[string]string) *running {
	t.Helper()
	return startWith(t, config, tasks.Options{})
}

func startWith(t *testing.T, config map[string]string, o tasks.Options) *running {
	t.Helper()
	root, services := mocked.Apps(t)
	set, runner := mocked.Deploy(t, stack.Program{Services: services, Root: root}, config, o)
	s := &running{set: set, runner: runner}
	s.Server = httptest.NewServer(&gateway.Handler{Set: set, Runner: runner, Log: func(e gateway.Entry) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.entries = append(s.entries, e)
	}})
	t.Cleanup(s.Close)
	return s
}

// logged waits for the entry of a request, by its id, which is there shortly after the answer. There must be one.
func (s *running) logged(t *testing.T, id string) (entry gateway.Entry) {
	t.Helper()
	eventually(t, "request "+id+" is in the log", func() bool {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		found := 0
		for _, e := range s.entries {
			if e.RequestID == id {
				entry = e
				found++
			}
		}
		if found > 1 {
			t.Errorf("request %s is in the log %d times", id, found)
		}
		return found > 0
	})
	return entry
}

func (s *running) do(t *testing.T, method, path string, header http.Header) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(method, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// raw sends bytes as they are, and returns the answer: Go's client changes some of what it is given.
func (s *running) raw(t *testing.T, request string) (*http.Response, string) {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(limit))
	if _, err := io.WriteString(connection, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// remove takes the resources of a type and name out of what is deployed.
func (s *running) remove(t *testing.T, typ, name string) trace.Resource {
	t.Helper()
	for _, r := range s.set.Of(typ) {
		if r.Name == name {
			s.set.Remove(r.Type, r.ID, r.Outputs)
			return r
		}
	}
	t.Fatalf("no %s %s", typ, name)
	return trace.Resource{}
}

func TestWholePath(t *testing.T) {
	s := start(t, nil)
	books, err := os.ReadFile(filepath.Join(mocked.Root(t), "apps", "book", "books.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	response, body := s.do(t, "GET", "/api/books", nil)
	if json.Unmarshal(books, &want); json.Unmarshal([]byte(body), &got) != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("GET /api/books: %s %s", response.Status, body)
	}
	for _, test := range []struct {
		method, path string
		status       int
		body         string // part of it
		server       string
	}{
		{"GET", "/api/books/1", 200, `"id":1`, ""},
		{"HEAD", "/api/books", 200, "", ""},
		{"GET", "/api/authors", 200, `[{"id":1`, ""},
		{"GET", "/api/echo/x?q=%20y", 200, `"path":"/api/echo/x?q=%20y"`, ""},
		{"DELETE", "/api/books", 405, `"error"`, ""},
		{"GET", "/api/books/nothing", 404, `"not found"`, ""},
		{"GET", "/api/Books", 404, "no service has this path", "awselb/2.0"}, // paths are case-sensitive
		{"GET", "/nothing", 404, "no service has this path", "awselb/2.0"},
		{"GET", "/", 404, `{"message":"Not Found"}`, ""},
	} {
		response, body := s.do(t, test.method, test.path, nil)
		if response.StatusCode != test.status || !strings.Contains(body, test.body) || response.Header.Get("Server") != test.server {
			t.Errorf("%s %s: %s from %q: %s", test.method, test.path, response.Status, response.Header.Get("Server"), body)
		}
	}
	for _, image := range s.set.Of("docker:index/image:Image") {
		service := strings.TrimPrefix(image.Name, "producer-")
		_, digest, _ := strings.Cut(image.Outputs.Text("repoDigest"), "@")
		if service == "echo" {
			continue // it says nothing of itself
		}
		if _, body := s.do(t, "GET", "/api/"+service+"s/health", nil); !strings.Contains(body, digest) {
			t.Errorf("%s reports %s, deployed is %s", service, body, digest)
		}
	}
}

// echoed is what the service echo saw of a request.
type echoed struct {
	PID         int
	Path, Host  string
	Header      http.Header
	Length      int // of the body
	Environment string
}

func (s *running) echo(t *testing.T, header http.Header) echoed {
	t.Helper()
	response, body := s.do(t, "GET", "/api/echo/", header)
	var e echoed
	if err := json.Unmarshal([]byte(body), &e); err != nil || response.StatusCode != 200 {
		t.Fatalf("echo: %s %q %v", response.Status, body, err)
	}
	return e
}

func TestHeaders(t *testing.T) {
	s := start(t, nil)
	host := strings.TrimPrefix(s.URL, "http://")
	for _, test := range []struct{ name, given, pattern string }{
		{"Forwarded", "", `^by=127\.0\.0\.1;for=127\.0\.0\.1;host="` + host + `";proto=http$`},
		{"Forwarded", "for=192.0.2.1", `^for=192\.0\.2\.1, by=127\.0\.0\.1;for=127\.0\.0\.1;`},
		{"X-Forwarded-For", "", `^10\.0\.64\.10$`}, // the VPC link, in the first private subnet
		{"X-Forwarded-For", "192.0.2.1", `^192\.0\.2\.1, 10\.0\.64\.10$`},
		{"X-Forwarded-Proto", "https", `^http$`},
		{"X-Forwarded-Port", "1", `^80$`},
		{"X-Amzn-Trace-Id", "", `^Self=1-[0-9a-f]{8}-[0-9a-f]{24};Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`},
		{"X-Amzn-Trace-Id", "Root=1-67891233-abcdef012345678912345678", `^Self=1-[0-9a-f]{8}-[0-9a-f]{24};Root=1-67891233-abcdef012345678912345678$`},
		{"X-Amzn-Trace-Id", "Self=1-0-of-another;Root=1-67891233-abcdef012345678912345678;CalledFrom=app", `^Self=1-[0-9a-f]{8}-[0-9a-f]{24};Root=1-67891233-abcdef012345678912345678;CalledFrom=app$`},
		{"X-Amzn-Trace-Id", "CalledFrom=app; Self=1-0-of-another", `^Self=1-[0-9a-f]{8}-[0-9a-f]{24};CalledFrom=app;Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`},
	} {
		header := http.Header{}
		if test.given != "" {
			header.Set(test.name, test.given)
		}
		if got := s.echo(t, header).Header.Get(test.name); !regexp.MustCompile(test.pattern).MatchString(got) {
			t.Errorf("%s %q arrives as %q, want %s", test.name, test.given, got, test.pattern)
		}
	}
	if response, _ := s.do(t, "GET", "/api/echo/", nil); response.Header.Get("Access-Control-Allow-Origin") != "https://of-the-service.example.com" {
		t.Errorf("without CORS in the API, the service's headers are %v", response.Header)
	}
	e := s.echo(t, nil)
	if e.Host != host {
		t.Errorf("host is %q, want %q", e.Host, host)
	}
	// The container's environment and nothing of this process.
	if strings.Contains(e.Environment, "PATH=") || !strings.Contains(e.Environment, "IMAGE_DIGEST=sha256:") {
		t.Errorf("environment is\n%s", e.Environment)
	}
}

// What arrives at the task is what the caller sent, less what the API and the load balancer leave out.
func TestRequestsArriveAsSent(t *testing.T) {
	s := start(t, nil)
	send := func(t *testing.T, request string) echoed {
		t.Helper()
		response, body := s.raw(t, request)
		var e echoed
		if err := json.Unmarshal([]byte(body), &e); err != nil || response.StatusCode != 200 {
			t.Fatalf("%s %q %v", response.Status, body, err)
		}
		return e
	}
	for _, path := range []string{"/api/echo/?a=1;b=2", "/api/echo/?a=%zz&b", "/api/echo/?", "/api/echo/?=&&;", "/api/echo/a%2Fb/?q=%20y", "/api/echo/?a|b={c}"} {
		if e := send(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); e.Path != path {
			t.Errorf("%s arrives as %s", path, e.Path)
		}
	}
	e := send(t, "GET /api/echo/ HTTP/1.1\r\nHost: x\r\n\r\n")
	for _, name := range []string{"Accept-Encoding", "User-Agent"} {
		if values, has := e.Header[name]; has {
			t.Errorf("%s %q is added", name, values)
		}
	}
	e = send(t, "GET /api/echo/ HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip, br\r\n"+
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	if e.Header.Get("Accept-Encoding") != "gzip, br" || e.Header.Get("Upgrade") != "" || e.Header.Get("Connection") != "" {
		t.Errorf("a WebSocket upgrade arrives with %v", e.Header)
	}

	odd := "GET /api/echo/ HTTP/1.1\r\nHost: x\r\nX-Fine-1: a\r\nX_Under: a\r\nx.dot: a\r\nX!$%&: a\r\n\r\n"
	oddNames := []string{"X_Under", "X.dot", "X!$%&"}
	names := func() (arrived []string) {
		for name := range send(t, odd).Header {
			if strings.HasPrefix(strings.ToUpper(name), "X") && !strings.HasPrefix(name, "X-Forwarded-") && name != "X-Amzn-Trace-Id" && name != "X-Request-Id" {
				arrived = append(arrived, name)
			}
		}
		slices.Sort(arrived)
		return arrived
	}
	if got := names(); !slices.Equal(got, []string{"X-Fine-1"}) {
		t.Errorf("with dropInvalidHeaderFields, these arrive: %q", got)
	}
	balancer := s.set.Of("aws:lb/loadBalancer:LoadBalancer")[0]
	balancer.Outputs["dropInvalidHeaderFields"] = false
	s.set.Put(balancer)
	if got := names(); len(got) != 1+len(oddNames) {
		t.Errorf("without dropInvalidHeaderFields, these arrive: %q, want X-Fine-1 and %q", got, oddNames)
	}
}

func TestLimits(t *testing.T) {
	s := start(t, nil)
	const payload = 10 << 20
	post := func(n int) string {
		return fmt.Sprintf("POST /api/echo/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", n, bytes.Repeat([]byte("x"), n))
	}
	chunked := func(chunks string) string {
		return "POST /api/echo/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
	}
	// The request line and the values, and nothing of the names or between them.
	const before, after = "GET /api/echo/?", " HTTP/1.1\r\nHost: x\r\nA-Long-Name-Of-A-Header: yy\r\n\r\n"
	ofSize := func(n int) string {
		return before + strings.Repeat("q", n-len(before)-len(" HTTP/1.1xyy")) + after
	}
	for name, test := range map[string]struct {
		request string
		status  int
		body    string // part of it
	}{
		"headers":                {ofSize(10240), 200, `"path":`},
		"too long a query":       {ofSize(10241), 431, `{"message":"Request Header Fields Too Large"}`},
		"too long a value":       {"GET /api/echo/ HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("v", 10240) + "\r\n\r\n", 431, `{"message":"Request Header Fields Too Large"}`},
		"too many values":        {"GET /api/echo/ HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: "+strings.Repeat("v", 100)+"\r\n", 103) + "\r\n", 431, `{"message":"Request Header Fields Too Large"}`},
		"body":                   {post(payload), 200, fmt.Sprintf(`"length":%d`, payload)},
		"too large a body":       {post(payload + 1), 413, `{"message":"Request Entity Too Large"}`},
		"too large, chunked":     {chunked(fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", payload+1, bytes.Repeat([]byte("x"), payload+1))), 413, `{"message":"Request Entity Too Large"}`},
		"chunked":                {chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), 200, `"length":5`},
		"chunks without a size":  {chunked("3\r\nabc\r\nnonsense\r\n"), 400, `{"message":"Bad Request"}`},
		"chunk of another size":  {chunked("3\r\nabcdef\r\n0\r\n\r\n"), 400, `{"message":"Bad Request"}`},
		"answer":                 {fmt.Sprintf("GET /api/echo/large?%d HTTP/1.1\r\nHost: x\r\n\r\n", payload), 200, strings.Repeat("\x00", 100)},
		"too large an answer":    {fmt.Sprintf("GET /api/echo/large?%d HTTP/1.1\r\nHost: x\r\n\r\n", payload+1), 500, `{"message":"Internal Server Error"}`},
		"headers of no route":    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404, `{"message":"Not Found"}`},
		"too large for no route": {strings.Replace(post(payload+1), "/api/echo/", "/", 1), 413, `{"message":"Request Entity Too Large"}`},
	} {
		if response, body := s.raw(t, test.request); response.StatusCode != test.status || !strings.Contains(body, test.body) {
			t.Errorf("%s: %s %.200s, want %d %.50s", name, response.Status, body, test.status, test.body)
		}
	}
}

// Every request has its line, also one that no service knows of: with the task that got it, or where it stopped.
func TestEachRequestIsLogged(t *testing.T) {
	s := start(t, map[string]string{"integrationTimeoutSeconds": "1"})
	task := `echo task [0-9a-f]{8}`
	check := func(response *http.Response, pattern string) {
		t.Helper()
		entry := s.logged(t, response.Header.Get("Apigw-Requestid"))
		// Of the three, the time alone is not known.
		line := regexp.MustCompile(`  \d+\.\d ms`).ReplaceAllString(entry.String(), "")
		if !regexp.MustCompile(`^` + pattern + `$`).MatchString(line) {
			t.Errorf("the line is %q, want %s", line, pattern)
		}
		if entry.Status != response.StatusCode || entry.DurationMS <= 0 || entry.Time.IsZero() {
			t.Errorf("%s is logged as %+v", response.Status, entry)
		}
	}
	for _, test := range []struct{ path, pattern string }{
		{"/api/echo/?secret=1", `GET /api/echo/  200  ` + task},
		{"/api/echo/" + strings.Repeat("a", 300), `GET /api/echo/a{190}…  200  ` + task},
		{"/api/books/0", `GET /api/books/0  404  book task [0-9a-f]{8}`},
		{"/api/echo/exit", `GET /api/echo/exit  502  ` + task + `  stops at target producer-echo: the target does not answer: .*(EOF|reset|refused).*`},
		{"/api/echo/slow", `GET /api/echo/slow  503  ` + task + `  stops at target producer-echo: the integration did not answer within 1s`},
		{"/api/echo/large?10485761", `GET /api/echo/large  500  ` + task + `  stops at target producer-echo: the integration answered more than 10485760 bytes`},
		{"/", `GET /  404  stops at HTTP API consumer: no route of the API takes GET /`},
		{"/%1bnothing", `GET /%1[bB]nothing  404  stops at listener producer: no listener rule has this path: .*`},
	} {
		response, _ := s.do(t, "GET", test.path, nil)
		check(response, test.pattern)
	}
	response, _ := s.raw(t, "POST /api/echo/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")
	check(response, `POST /api/echo/  400  stops at HTTP API: the body is malformed: .*chunk.*`)
	s.remove(t, "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "producer-alb-to-producer-echo")
	response, _ = s.do(t, "GET", "/api/echo/", nil)
	check(response, `GET /api/echo/  504  stops at target group producer-echo: security group producer-alb .*has no egress rule.*`)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, entry := range s.entries {
		if strings.HasSuffix(entry.Path, "/health") {
			t.Errorf("a health check is logged: %v", entry)
		}
	}
}

// A caller that does not wait for the answer leaves a line too.
func TestCallerThatGoesAway(t *testing.T) {
	for request, want := range map[string]string{
		"GET /api/echo/slow HTTP/1.1\r\nHost: x\r\n\r\n":                       `^GET /api/echo/slow  -  \d+\.\d ms  echo task [0-9a-f]{8}  the caller went away$`,
		"POST /api/echo/ HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nfew": `^POST /api/echo/  -  \d+\.\d ms  the caller went away$`,
	} {
		s := start(t, nil)
		connection, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(connection, request)
		time.Sleep(100 * time.Millisecond) // or the server sees the end before the request
		connection.Close()
		eventually(t, "it is logged", func() bool {
			s.mutex.Lock()
			defer s.mutex.Unlock()
			return len(s.entries) == 1
		})
		s.mutex.Lock()
		if line := s.entries[0].String(); !regexp.MustCompile(want).MatchString(line) {
			t.Errorf("the line is %q", line)
		}
		s.mutex.Unlock()
	}
}

// The service gets the API's id of a request and no other, and the caller gets it back from whoever answers.
func TestRequestID(t *testing.T) {
	s := start(t, nil)
	ids := map[string]bool{}
	of := func(response *http.Response) string {
		t.Helper()
		all := response.Header["Apigw-Requestid"]
		if len(all) != 1 || !regexp.MustCompile(`^[A-Za-z0-9_-]{15}=$`).MatchString(all[0]) || ids[all[0]] {
			t.Fatalf("the answer has the ids %q", all)
		}
		ids[all[0]] = true
		return all[0]
	}
	for name, headers := range map[string]string{
		"none":              "",
		"one":               "X-Request-Id: forged\r\n",
		"two":               "X-Request-Id: forged\r\nx-request-id: forged\r\n",
		"that of an answer": "Apigw-Requestid: forged\r\n",
		"taken out again":   "X-Request-Id: forged\r\nConnection: x-request-id\r\n",
	} {
		response, body := s.raw(t, "GET /api/echo/ HTTP/1.1\r\nHost: x\r\n"+headers+"\r\n")
		var e echoed
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			t.Fatalf("%s: %s %q %v", name, response.Status, body, err)
		}
		if id, got := of(response), e.Header["X-Request-Id"]; !slices.Equal(got, []string{id}) {
			t.Errorf("%s: the service gets %q, the caller %q", name, got, id)
		}
	}
	response, _ := s.do(t, "GET", "/api/books", http.Header{"X-Request-Id": {"forged"}})
	if id, got := of(response), response.Header["X-Request-Id"]; !slices.Equal(got, []string{id}) {
		t.Errorf("the service answers with %q, the API with %q", got, id)
	}
	for _, path := range []string{"/", "/nothing", "/api/echo/exit"} { // the API, the listener, the load balancer
		response, _ := s.do(t, "GET", path, http.Header{"X-Request-Id": {"forged"}})
		if of(response); response.Header["X-Request-Id"] != nil {
			t.Errorf("%s: %s has %q", path, response.Status, response.Header["X-Request-Id"])
		}
	}

	// What is deployed decides. What is not known here is not passed over.
	integration := s.set.Of("aws:apigatewayv2/integration:Integration")[0]
	delete(integration.Outputs, "requestParameters")
	s.set.Put(integration)
	if got := s.echo(t, http.Header{"X-Request-Id": {"mine"}}).Header["X-Request-Id"]; !slices.Equal(got, []string{"mine"}) {
		t.Errorf("without a mapping the service gets %q", got)
	}
	for key, value := range map[string]string{"append:header.x-request-id": "$context.requestId", "overwrite:header.x-request-id": "$request.path", "overwrite:path": "$context.requestId"} {
		integration.Outputs["requestParameters"] = map[string]any{key: value}
		s.set.Put(integration)
		if response, body := s.do(t, "GET", "/api/echo/", nil); response.StatusCode != 500 {
			t.Errorf("%s to %s: %s %s", key, value, response.Status, body)
		} else if entry := s.logged(t, of(response)); !strings.HasSuffix(entry.Stop, "maps "+key+" to "+value+", which is not known here") {
			t.Errorf("%s to %s: %v", key, value, entry)
		}
	}
}

// With publicHealth, anyone may GET the health of each service, and nothing else.
func TestPublicHealth(t *testing.T) {
	for authorization, config := range map[string]map[string]string{
		"iam": {}, "jwt": {"jwt": `{"issuer":"https://issuer.example.com","audiences":["api"]}`, "cors": `{"allowOrigins":["https://ui.example.com"]}`},
	} {
		config["authorization"], config["publicHealth"] = authorization, "true"
		s := start(t, config)
		refused := map[string]int{"iam": 403, "jwt": 401}[authorization]
		for _, test := range []struct {
			method, path string
			status       int
		}{
			{"GET", "/api/books/health", 200},
			{"GET", "/api/authors/health", 200},
			{"GET", "/api/echo/health", 200},
			{"GET", "/api/books/health?x=1", 200},
			{"HEAD", "/api/books/health", refused},
			{"POST", "/api/books/health", refused},
			{"GET", "/api/books/health/", refused},
			{"GET", "/api/books/health/1", refused},
			{"GET", "/api/books/Health", refused},
			{"GET", "/api/books//health", refused},
			{"GET", "/api/books", refused},
			{"GET", "/api/books/1", refused},
			{"GET", "/health", refused},
		} {
			if response, body := s.do(t, test.method, test.path, nil); response.StatusCode != test.status {
				t.Errorf("%s: %s %s: %s %s", authorization, test.method, test.path, response.Status, body)
			}
		}
	}
}

func TestStops(t *testing.T) {
	s := start(t, map[string]string{"integrationTimeoutSeconds": "1"})
	const egress, ingress = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
	for _, test := range []struct {
		typ, name string
		status    int
		body      string
	}{
		{egress, "producer-link-to-producer-alb", 503, `{"message":"Service Unavailable"}`},
		{ingress, "producer-link-to-producer-alb", 503, `{"message":"Service Unavailable"}`},
		{egress, "producer-alb-to-producer-echo", 504, "<title>504 Gateway Time-out</title>"},
		{ingress, "producer-alb-to-producer-echo", 504, "<title>504 Gateway Time-out</title>"},
	} {
		removed := s.remove(t, test.typ, test.name)
		if response, body := s.do(t, "GET", "/api/echo/", nil); response.StatusCode != test.status || !strings.Contains(body, test.body) {
			t.Errorf("without %s: %s %s", test.name, response.Status, body)
		}
		s.set.Put(removed)
	}
	s.echo(t, nil)
	if response, body := s.do(t, "GET", "/api/echo/slow", nil); response.StatusCode != 503 || !strings.Contains(body, "Service Unavailable") {
		t.Errorf("beyond the integration's timeout: %s %s", response.Status, body)
	}
	if response, body := s.do(t, "GET", "/api/echo/exit", nil); response.StatusCode != 502 || !strings.Contains(body, "<title>502 Bad Gateway</title>") {
		t.Errorf("a task that ends: %s %s", response.Status, body)
	}
	group := s.set.Of("aws:lb/targetGroup:TargetGroup")[1].Outputs.Text("arn") // author, book, echo
	for _, service := range s.set.Of(trace.ServiceType) {
		if service.Name == "producer-book" {
			s.runner.Stop()
			s.runner.Remove(service.ID)
		}
	}
	if all, _ := s.runner.Targets(group); all != 0 {
		t.Errorf("%d targets after the service was removed", all)
	}
	if response, body := s.do(t, "GET", "/api/books", nil); response.StatusCode != 503 || !strings.Contains(body, "503 Service Temporarily Unavailable") {
		t.Errorf("without targets: %s %s", response.Status, body)
	}
}

// echoTargets counts the registered and the healthy tasks of the service echo.
func (s *running) echoTargets() (all, healthy int) {
	for _, g := range s.set.Of("aws:lb/targetGroup:TargetGroup") {
		if g.Name == "producer-echo" {
			return s.runner.Targets(g.Outputs.Text("arn"))
		}
	}
	return 0, 0
}

// replaced tells whether two healthy tasks of echo are left, and a process that was there is not.
func (s *running) replaced(pid int) bool {
	all, healthy := s.echoTargets()
	return all == 2 && healthy == 2 && !slices.Contains(s.runner.Processes(), pid)
}

func TestHealthChecksTakeTargetsOutAndIn(t *testing.T) {
	s := start(t, nil)
	healthy := func(n int) func() bool {
		return func() bool { _, healthy := s.echoTargets(); return healthy == n }
	}
	eventually(t, "both tasks healthy", healthy(2))
	_, text := s.do(t, "POST", "/api/echo/sick", nil)
	sick, _ := strconv.Atoi(text)
	eventually(t, "the sick task is out", func() bool { all, healthy := s.echoTargets(); return healthy < all || s.replaced(sick) })
	for range 10 {
		if e := s.echo(t, nil); e.PID == sick {
			t.Error("the unhealthy task gets requests")
			break
		}
	}
	eventually(t, "another task is in its place", func() bool { return s.replaced(sick) })
	present := map[int]bool{}
	eventually(t, "both tasks answer", func() bool { present[s.echo(t, nil).PID] = true; return len(present) == 2 })

	// Dropped by a security group, health checks fail too; with no healthy target, all get requests.
	rule := s.remove(t, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "producer-alb-to-producer-echo")
	eventually(t, "no task is healthy", healthy(0))
	if response, _ := s.do(t, "GET", "/api/echo/", nil); response.StatusCode != 504 {
		t.Errorf("with all targets unhealthy: %s", response.Status)
	}
	s.set.Put(rule)
	// A target that has only just been registered may not listen yet.
	eventually(t, "requests arrive again", func() bool { response, _ := s.do(t, "GET", "/api/echo/", nil); return response.StatusCode == 200 })
	eventually(t, "both are replaced", func() bool {
		for pid := range present {
			if !s.replaced(pid) {
				return false
			}
		}
		return true
	})

	before := map[int]bool{}
	for _, pid := range s.runner.Processes() {
		before[pid] = true
	}
	s.do(t, "POST", "/api/echo/exit", nil)
	eventually(t, "another task in place of the one that ended", func() bool {
		fresh := 0
		for _, pid := range s.runner.Processes() {
			if !before[pid] {
				fresh++
			}
		}
		return fresh == 1 && healthy(2)()
	})
}

// A task that is there and answers nothing is replaced, as one that ends.
func TestFrozenTaskIsReplaced(t *testing.T) {
	s := start(t, map[string]string{"healthCheckTimeoutSeconds": "2", "integrationTimeoutSeconds": "1"})
	frozen := s.echo(t, nil).PID
	if err := syscall.Kill(frozen, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another task in place of the frozen one", func() bool { return s.replaced(frozen) })
	for range 10 {
		s.echo(t, nil)
	}
}

// deploy deploys a new revision, with text in the container definitions replaced, and returns the service once its
// deployment has ended.
func (s *running) deploy(t *testing.T, name, old, replacement string) tasks.Service {
	t.Helper()
	service, err := mocked.Revise(t, s.set, s.runner, name, old, replacement)
	if err != nil {
		t.Fatal(err)
	}
	return mocked.Await(t, s.runner, service)
}

func TestDeploymentUnderLoad(t *testing.T) {
	s := start(t, map[string]string{"drainSeconds": "1"})
	before := s.runner.Processes()
	sent, failed := mocked.Load(s.URL+"/api/books", func() {
		if after := s.deploy(t, "producer-book", `"IMAGE_DIGEST","value":"sha256:`, `"IMAGE_DIGEST","value":"sha256:new-`); after.Deployments[0].Status != "SUCCESSFUL" {
			t.Errorf("the deployment ends with %+v", after.Deployments[0])
		}
		eventually(t, "the old tasks have ended", func() bool {
			alive := 0
			for _, pid := range before {
				if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
					alive++
				}
			}
			return alive == 4 // of author and echo
		})
	})
	if len(failed) > 0 || sent < 100 {
		t.Errorf("%d of %d requests failed, want none of at least 100: %q", len(failed), sent, failed[:min(5, len(failed))])
	}
	if _, body := s.do(t, "GET", "/api/books/health", nil); !strings.Contains(body, "sha256:new-") {
		t.Errorf("the new revision does not run: %s", body)
	}
}

// A deployment whose tasks fail is rolled back while requests go on, whatever ran before.
func TestFailedDeploymentLeavesWhatRan(t *testing.T) {
	s := start(t, nil)
	sent, failed := mocked.Load(s.URL+"/api/books", func() {
		for _, test := range []struct{ old, replacement, stopCode, reason string }{
			{`"DRAIN_DELAY","value":"`, `"DRAIN_DELAY","value":"not-`, "EssentialContainerExited", "Essential container in task exited"},
			{"@sha256:", "@sha256:not-", "TaskFailedToStart", "CannotPullContainerError: image "},
		} {
			after := s.deploy(t, "producer-book", test.old, test.replacement)
			if d := after.Deployments[0]; d.Status != "ROLLBACK_SUCCESSFUL" || d.Breaker.Status != "TRIGGERED" || d.Breaker.Failures < 3 {
				t.Errorf("the deployment ends with %+v", d)
			}
			for _, task := range after.Tasks {
				if task.StopCode == test.stopCode && strings.HasPrefix(task.StoppedReason, test.reason) {
					test.reason = ""
				}
			}
			if test.reason != "" {
				t.Errorf("%q is not among the tasks %+v", test.reason, after.Tasks)
			}
		}
	})
	if len(failed) > 0 || sent == 0 {
		t.Errorf("%d of %d requests failed: %q", len(failed), sent, failed[:min(5, len(failed))])
	}
	eventually(t, "as many tasks as before are left", func() bool { return len(s.runner.Processes()) == 6 })
}

// ECS refuses a service whose target group no load balancer uses.
func TestTargetGroupWithoutLoadBalancer(t *testing.T) {
	s := startWith(t, nil, tasks.Options{WithoutProcesses: true})
	s.remove(t, "aws:lb/listenerRule:ListenerRule", "producer-book")
	_, err := mocked.Revise(t, s.set, s.runner, "producer-book", "@sha256:", "@sha256:0")
	if err == nil || !strings.Contains(err.Error(), "does not have an associated load balancer") {
		t.Errorf("error is %v", err)
	}
}

func TestAuthorizationAndCORS(t *testing.T) {
	cors := map[string]string{"cors": `{"allowOrigins":["https://ui.example.com"],"allowMethods":["GET"],"allowHeaders":["authorization"],"maxAgeSeconds":60}`}
	with := func(more map[string]string) map[string]string {
		for key, value := range cors {
			more[key] = value
		}
		return more
	}
	preflight := http.Header{"Origin": {"https://ui.example.com"}, "Access-Control-Request-Method": {"GET"}}
	jwt := with(map[string]string{"authorization": "jwt", "jwt": `{"issuer":"https://issuer.example.com","audiences":["api"]}`})
	for name, test := range map[string]struct {
		config map[string]string
		method string
		header http.Header
		status int
		origin string // Access-Control-Allow-Origin of the answer
		body   string
	}{
		"preflight":          {with(map[string]string{}), "OPTIONS", preflight, 204, "https://ui.example.com", ""},
		"preflight with jwt": {jwt, "OPTIONS", preflight, 204, "https://ui.example.com", ""},
		"any https origin":   {map[string]string{"cors": strings.Replace(cors["cors"], "ui.example.com", "*", 1)}, "OPTIONS", preflight, 204, "https://ui.example.com", ""},
		"any http origin":    {map[string]string{"cors": strings.Replace(cors["cors"], "https://ui.example.com", "http://*", 1)}, "OPTIONS", preflight, 204, "", ""},
		"other origin":       {with(map[string]string{}), "OPTIONS", http.Header{"Origin": {"https://x.example.com"}, "Access-Control-Request-Method": {"GET"}}, 204, "", ""},
		"jwt":                {jwt, "GET", nil, 401, "", `{"message":"Unauthorized"}`},
		"iam":                {map[string]string{"authorization": "iam"}, "GET", nil, 403, "", `{"message":"Forbidden"}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := startWith(t, test.config, tasks.Options{WithoutProcesses: true}) // none of these reaches a service
			response, body := s.do(t, test.method, "/api/echo/", test.header)
			if response.StatusCode != test.status || response.Header.Get("Access-Control-Allow-Origin") != test.origin || !strings.Contains(body, test.body) {
				t.Errorf("%s, headers %v: %s", response.Status, response.Header, body)
			}
			if test.status == 204 && test.origin != "" && (response.Header.Get("Access-Control-Allow-Methods") != "GET" || response.Header.Get("Access-Control-Max-Age") != "60") {
				t.Errorf("headers %v", response.Header)
			}
		})
	}
}

// The API puts its own headers in the place of the service's.
func TestCORSOfTheService(t *testing.T) {
	s := start(t, map[string]string{"cors": `{"allowOrigins":["https://ui.example.com"],"allowMethods":["GET"]}`})
	for _, test := range []struct{ method, origin, want string }{
		{"GET", "https://ui.example.com", "https://ui.example.com"},
		{"GET", "https://x.example.com", ""},
		{"OPTIONS", "https://ui.example.com", ""}, // not a preflight
	} {
		response, body := s.do(t, test.method, "/api/echo/", http.Header{"Origin": {test.origin}})
		if got := response.Header.Get("Access-Control-Allow-Origin"); got != test.want || response.StatusCode != 200 || response.Header.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("%s from %s: %s, headers %v, want %q: %s", test.method, test.origin, response.Status, response.Header, test.want, body)
		}
	}
}

// With a domain, requests come in by its name and go through the HTTPS listener.
func TestDomain(t *testing.T) {
	s := start(t, map[string]string{"domain": `{"name":"api.example.com","zone":"example.com","keepExecuteApi":false}`})
	ask := func(host string) (*http.Response, string) {
		return s.raw(t, "GET /api/echo/ HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
	}
	response, body := ask("api.example.com")
	var e echoed
	if err := json.Unmarshal([]byte(body), &e); err != nil || response.StatusCode != 200 {
		t.Fatalf("%s %q %v", response.Status, body, err)
	}
	if e.Host != "api.example.com" || e.Header.Get("X-Forwarded-Proto") != "https" || e.Header.Get("X-Forwarded-Port") != "443" {
		t.Errorf("arrived at %s with %v", e.Host, e.Header)
	}
	for host, want := range map[string]struct {
		status int
		body   string
	}{
		"www.example.com": {403, `{"message":"Forbidden"}`},
		"localhost":       {404, `{"message":"Not Found"}`},
	} {
		if response, body := ask(host); response.StatusCode != want.status || body != want.body {
			t.Errorf("%s: %s %s", host, response.Status, body)
		}
	}
	integration := s.set.Of("aws:apigatewayv2/integration:Integration")[0]
	delete(integration.Outputs, "tlsConfig")
	if response, body := ask("api.example.com"); response.StatusCode != 400 || !strings.Contains(body, "400 The plain HTTP request was sent to HTTPS port") {
		t.Errorf("plain HTTP to the HTTPS listener: %s %s", response.Status, body)
	}
}
