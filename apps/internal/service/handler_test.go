package service

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// things is a service with what is hard to keep: a large number, an unusual order of fields, characters that
// encoding/json escapes, and ids of both types.
var things = Service{Name: "thing", Path: "/api/things", List: []byte(`[
	{"z": "<&>", "id": 1, "isbn": 9781119490708, "a": 1.50},
	{"id": 20},
	{"id": "x y"}
]`)}

const (
	thingList   = `[{"z":"<&>","id":1,"isbn":9781119490708,"a":1.50},{"id":20},{"id":"x y"}]`
	thing1      = `{"z":"<&>","id":1,"isbn":9781119490708,"a":1.50}`
	notFound    = `{"error":"not found"}`
	wrongMethod = `{"error":"method not allowed"}`
	healthy     = `{"service":"thing","status":"ok","version":"sha256:4711"}`
	draining    = `{"service":"thing","status":"draining","version":"sha256:4711"}`
)

func newThings(t testing.TB, log io.Writer, level slog.Level) *handler {
	t.Helper()
	h, err := newHandler(things, "sha256:4711", newLogger(log, level, things.Name, "sha256:4711"))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ask(h http.Handler, method, target string, header http.Header) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRoutes(t *testing.T) {
	h := newThings(t, io.Discard, slog.LevelInfo)
	tests := []struct {
		method, target string
		status         int
		body           string
	}{
		{"GET", "/api/things", 200, thingList},
		{"GET", "/api/things/", 200, thingList},
		{"GET", "/api/things?page=2", 200, thingList},
		{"GET", "/api/things/1", 200, thing1},
		{"GET", "/api/things/1/", 200, thing1},
		{"GET", "/api/things/%31", 200, thing1},
		{"GET", "/api/things/20", 200, `{"id":20}`},
		{"GET", "/api/things/x%20y", 200, `{"id":"x y"}`},
		{"GET", "/api/things/health", 200, healthy},
		{"GET", "/api/things/health/", 200, healthy},

		{"GET", "/", 404, notFound},
		{"GET", "/api", 404, notFound},
		{"GET", "/api/thing", 404, notFound},
		{"GET", "/api/thingsx", 404, notFound},
		{"GET", "/API/Things", 404, notFound},
		{"GET", "/api/things//", 404, notFound},
		{"GET", "//api/things", 404, notFound},
		{"GET", "/api/../api/things", 404, notFound},
		{"GET", "/api/things/0", 404, notFound},
		{"GET", "/api/things/2", 404, notFound},
		{"GET", "/api/things/01", 404, notFound},
		{"GET", "/api/things/1.0", 404, notFound},
		{"GET", "/api/things/+1", 404, notFound},
		{"GET", "/api/things/-1", 404, notFound},
		{"GET", "/api/things/1e0", 404, notFound},
		{"GET", "/api/things/%201", 404, notFound},
		{"GET", "/api/things/1/1", 404, notFound},
		{"GET", "/api/things/health/1", 404, notFound},
		{"GET", "/api/things/%00%ff", 404, notFound},
		{"POST", "/api/unknown", 404, notFound},
		{"OPTIONS", "*", 404, notFound},

		{"POST", "/api/things", 405, wrongMethod},
		{"PUT", "/api/things/1", 405, wrongMethod},
		{"DELETE", "/api/things/1/", 405, wrongMethod},
		{"PATCH", "/api/things/health", 405, wrongMethod},
		{"OPTIONS", "/api/things", 405, wrongMethod},
		{"get", "/api/things", 405, wrongMethod},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.target, func(t *testing.T) {
			got := ask(h, test.method, test.target, nil)
			if text := body(t, got); got.StatusCode != test.status || text != test.body {
				t.Errorf("%d %s, want %d %s", got.StatusCode, text, test.status, test.body)
			}
			want := http.Header{
				"X-Request-Id":           got.Header["X-Request-Id"], // TestRequestID looks at it
				"Content-Type":           {"application/json"},
				"Content-Length":         {strconv.Itoa(len(test.body))},
				"X-Content-Type-Options": {"nosniff"},
			}
			switch {
			case test.status == 405:
				want.Set("Allow", "GET, HEAD")
			case test.body == healthy:
				want.Set("Cache-Control", "no-store")
			case test.status == 200:
				want.Set("ETag", got.Header.Get("ETag")) // TestETag looks at it
			}
			if !reflect.DeepEqual(got.Header, want) {
				t.Errorf("headers %v, want %v", got.Header, want)
			}
		})
	}
}

func TestHead(t *testing.T) {
	h := newThings(t, io.Discard, slog.LevelInfo)
	for _, target := range []string{"/api/things", "/api/things/1", "/api/things/health", "/api/unknown"} {
		id := http.Header{"X-Request-Id": {"same"}}
		get, head := ask(h, "GET", target, id), ask(h, "HEAD", target, id)
		if head.StatusCode != get.StatusCode || !reflect.DeepEqual(head.Header, get.Header) {
			t.Errorf("HEAD %s: %d %v, GET: %d %v", target, head.StatusCode, head.Header, get.StatusCode, get.Header)
		}
		if text := body(t, head); text != "" {
			t.Errorf("HEAD %s: body %s", target, text)
		}
	}
}

func TestETag(t *testing.T) {
	h := newThings(t, io.Discard, slog.LevelInfo)
	list := ask(h, "GET", "/api/things", nil).Header.Get("ETag")
	one := ask(h, "GET", "/api/things/1", nil).Header.Get("ETag")
	if list == one || !strings.HasPrefix(list, `"`) || !strings.HasSuffix(list, `"`) {
		t.Fatalf("ETags %s and %s, want two different quoted strings", list, one)
	}
	tests := map[string]struct {
		lines  []string
		status int
	}{
		"none":              {nil, 200},
		"empty":             {[]string{""}, 200},
		"same":              {[]string{list}, 304},
		"another's":         {[]string{one}, 200},
		"weak":              {[]string{"W/" + list}, 304},
		"first of several":  {[]string{list + `, "x"`}, 304},
		"last of several":   {[]string{`"x", W/"y" ,	` + list}, 304},
		"without spaces":    {[]string{`"x",` + list}, 304},
		"empty elements":    {[]string{`, ,"x",,` + list}, 304},
		"second line":       {[]string{`"x"`, list}, 304},
		"any":               {[]string{"*"}, 304},
		"any with spaces":   {[]string{" * "}, 304},
		"several others":    {[]string{`"x", "y"`}, 200},
		"unquoted":          {[]string{strings.Trim(list, `"`)}, 200},
		"not closed":        {[]string{strings.TrimSuffix(list, `"`)}, 200},
		"inside another":    {[]string{`"a, ` + strings.Trim(list, `"`) + `"`}, 200},
		"a comma inside":    {[]string{`"a,b", ` + list}, 304},
		"a star inside":     {[]string{`"*"`}, 200},
		"lower-case w":      {[]string{"w/" + list}, 200},
		"junk, then a good": {[]string{"junk", list}, 304},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				got := ask(h, method, "/api/things", http.Header{"If-None-Match": test.lines})
				if got.StatusCode != test.status {
					t.Errorf("%s: %d, want %d", method, got.StatusCode, test.status)
				}
				if got.Header.Get("ETag") != list {
					t.Errorf("%s: ETag %s, want %s", method, got.Header.Get("ETag"), list)
				}
				if text := body(t, got); test.status == 304 && text != "" {
					t.Errorf("%s: body %s", method, text)
				}
			}
		})
	}
	for _, target := range []string{"/api/things/health", "/api/unknown"} {
		if got := ask(h, "GET", target, http.Header{"If-None-Match": {"*"}}); got.StatusCode == 304 {
			t.Errorf("%s: 304, but it has no ETag", target)
		}
	}
}

func TestDraining(t *testing.T) {
	h := newThings(t, io.Discard, slog.LevelInfo)
	if got := ask(h, "GET", "/api/things", nil); got.Header.Get("Connection") != "" {
		t.Errorf("Connection: %s before draining", got.Header.Get("Connection"))
	}
	h.drain()
	for target, want := range map[string]struct {
		status int
		body   string
	}{
		"/api/things":        {200, thingList},
		"/api/things/1":      {200, thing1},
		"/api/things/health": {503, draining},
		"/api/unknown":       {404, notFound},
	} {
		got := ask(h, "GET", target, nil)
		if text := body(t, got); got.StatusCode != want.status || text != want.body {
			t.Errorf("%s: %d %s, want %d %s", target, got.StatusCode, text, want.status, want.body)
		}
		if got.Header.Get("Connection") != "close" {
			t.Errorf("%s: Connection: %q, want close", target, got.Header.Get("Connection"))
		}
	}
}

func TestListRefused(t *testing.T) {
	tests := map[string]struct{ list, message string }{
		"not JSON":       {`[{"id":1}`, "unexpected end of JSON input"},
		"no array":       {`{"id":1}`, "cannot unmarshal object"},
		"null":           {`null`, "null is not an array"},
		"no object":      {`[{"id":1}, 2]`, "element 1: json: cannot unmarshal number"},
		"no id":          {`[{"id":1}, {}]`, "element 1: its id is neither a number nor a string"},
		"a null element": {`[null]`, "element 0: its id is neither"},
		"a boolean id":   {`[{"id":true}]`, "element 0: its id is neither"},
		"twice":          {`[{"id":1}, {"id":"1"}]`, "two answers for /api/things/1"},
		"empty id":       {`[{"id":""}]`, "two answers for /api/things/"},
		"health":         {`[{"id":"health"}]`, "two answers for /api/things/health"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := newHandler(Service{Name: "thing", Path: "/api/things", List: []byte(test.list)}, "", slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), test.message) {
				t.Errorf("%v, want %s", err, test.message)
			}
		})
	}
	h, err := newHandler(Service{Name: "thing", Path: "/api/things", List: []byte(" [ ] ")}, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if text := body(t, ask(h, "GET", "/api/things", nil)); text != "[]" {
		t.Errorf("empty list: %s", text)
	}
}

// No request gets a 5xx, a broken answer, or more than one line of printable JSON into the log.
func FuzzHandler(f *testing.F) {
	for _, seed := range [][5]string{
		{"GET", "/api/things", "", "", ""},
		{"HEAD", "/api/things/1/", "for=192.0.2.1", "Root=1-2-3", `W/"x", *`},
		{"GET", "/api/things/x%20y?q=%zz", `For="[2001:db8::1]:80";by=_x, for=y`, "\x9b31m", `"`},
		{"POST", "/api/things/health", `for="\`, "\xff", `W/W/"`},
		{"OPTIONS", "*", ";=,;==", "a\r\nX-Forwarded-For: ]:[", ",,,"},
		{"CONNECT", "host:443", `for="a`, "\t", "*"},
		{"GET", "http://host/api/%0d%0a%1b[31m%e2%80%a8", "for==", `","`, `"",""`},
		{"X", "/%", "=", "", "W/"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4])
	}
	var log bytes.Buffer
	h := newThings(f, &log, slog.LevelDebug)
	f.Fuzz(func(t *testing.T, method, target, forwarded, trace, match string) {
		raw := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: host\r\nForwarded: %s\r\nX-Amzn-Trace-Id: %s\r\nX-Request-Id: %s\r\nIf-None-Match: %s\r\n\r\n",
			method, target, forwarded, trace, trace, match)
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			t.Skip("net/http refuses it before the handler sees it")
		}
		r.RemoteAddr = "192.0.2.2:4711"
		log.Reset()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)

		switch w.Code {
		case 200, 404, 405:
			if r.Method != http.MethodHead && (!json.Valid(w.Body.Bytes()) || w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len())) {
				t.Errorf("%d with length %s: %q", w.Code, w.Header().Get("Content-Length"), w.Body)
			}
		case 304:
			if w.Body.Len() > 0 {
				t.Errorf("304 with a body: %q", w.Body)
			}
		default:
			t.Errorf("status %d", w.Code)
		}
		id := w.Header()["X-Request-Id"]
		if line := readLog(t, &log); line.Status != w.Code || line.Bytes != w.Body.Len() || len(id) != 1 || line.RequestID != id[0] || !wholeID.MatchString(id[0]) {
			t.Errorf("logged %+v, answered %d with %d bytes and id %q", line, w.Code, w.Body.Len(), id)
		}
	})
}
