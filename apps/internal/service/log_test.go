package service

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// line is a request in the log.
type line struct {
	Time                     time.Time
	Level, Msg               string
	Service, Version         string
	Method, Path             string
	Status, Bytes            int
	DurationMs               *float64
	TraceID, Client, Address string
	ForwardedFor, RequestID  string
}

// readLog checks that the log is one line of JSON in printable ASCII, and returns it.
func readLog(t *testing.T, log *bytes.Buffer) (l line) {
	t.Helper()
	text := log.String()
	if !strings.HasSuffix(text, "\n") || strings.ContainsFunc(text[:len(text)-1], func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Fatalf("not one line of printable ASCII: %q", text)
	}
	decoder := json.NewDecoder(log)
	if err := decoder.Decode(&l); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		t.Fatalf("more than one value: %q", text)
	}
	return l
}

func TestLog(t *testing.T) {
	var log bytes.Buffer
	h := newThings(t, &log, slog.LevelInfo)
	ask(h, "GET", "/api/things/1?secret=1", http.Header{
		"X-Request-Id":    {"JKJaXmPLvHcESHA="},
		"X-Amzn-Trace-Id": {"Root=1-67891233-abcdef012345678912345678"},
		"Forwarded":       {"for=6.6.6.6, by=203.0.113.43;for=192.0.2.60;host=example.com;proto=https"},
	})
	got := readLog(t, &log)
	if got.Time.IsZero() || got.DurationMs == nil || *got.DurationMs < 0 {
		t.Errorf("time %v, duration %v", got.Time, got.DurationMs)
	}
	want := line{
		Time: got.Time, Level: "INFO", Msg: "request", Service: "thing", Version: "sha256:4711", Method: "GET",
		Path: "/api/things/1", Status: 200, Bytes: len(thing1), DurationMs: got.DurationMs,
		TraceID: "Root=1-67891233-abcdef012345678912345678", Client: "192.0.2.60",
		ForwardedFor: "for=6.6.6.6", RequestID: "JKJaXmPLvHcESHA=",
	}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestLogLevel(t *testing.T) {
	tests := []struct {
		level  slog.Level
		target string
		logged string
	}{
		{slog.LevelDebug, "/api/things", "INFO"},
		{slog.LevelInfo, "/api/things", "INFO"},
		{slog.LevelWarn, "/api/things", ""},
		{slog.LevelInfo, "/api/unknown", "INFO"},
		{slog.LevelDebug, "/api/things/health", "DEBUG"},
		{slog.LevelDebug, "/api/things/health/", "DEBUG"},
		{slog.LevelInfo, "/api/things/health", ""},
		{slog.LevelInfo, "/api/things/health/", ""},
	}
	for _, test := range tests {
		var log bytes.Buffer
		ask(newThings(t, &log, test.level), "GET", test.target, nil)
		if test.logged == "" {
			if log.Len() > 0 {
				t.Errorf("%s at %v: logged %s", test.target, test.level, &log)
			}
			continue
		}
		if got := readLog(t, &log); got.Level != test.logged {
			t.Errorf("%s at %v: level %s, want %s", test.target, test.level, got.Level, test.logged)
		}
	}
}

func TestLogBytes(t *testing.T) {
	var log bytes.Buffer
	h := newThings(t, &log, slog.LevelInfo)
	for _, test := range []struct {
		method, match string
		status, bytes int
	}{
		{"GET", "", 200, len(thingList)},
		{"HEAD", "", 200, 0},
		{"GET", "*", 304, 0},
		{"POST", "", 405, len(wrongMethod)},
	} {
		log.Reset()
		ask(h, test.method, "/api/things", http.Header{"If-None-Match": {test.match}})
		if got := readLog(t, &log); got.Method != test.method || got.Status != test.status || got.Bytes != test.bytes {
			t.Errorf("%+v, want %+v", got, test)
		}
	}
}

// readLog does most of the work: it refuses whatever is not one line of printable JSON.
func TestLogInjection(t *testing.T) {
	long := strings.Repeat("a", 10_000)
	tests := map[string]struct{ target, sent, path, logged string }{
		"newlines":      {"/%0A%0D", "", "/%0A%0D", ""},
		"quotes":        {`/"},{"msg":"forged"}`, `"},{"msg":"forged"}`, "/%22%7D,%7B%22msg%22:%22forged%22%7D", `"},{"msg":"forged"}`},
		"escapes":       {"/%1B[31m", "\x1b[31m", "/%1B[31m", "?[31m"},
		"C1 controls":   {"/\u009b31m", "\u009b31m", "/%C2%9B31m", "?31m"},
		"invalid UTF-8": {"/\xff\xfe", "\xff\xfe", "/%FF%FE", "??"},
		"line ends":     {"/\u2028", "a\u2028b\nc\rd", "/%E2%80%A8", "a?b?c?d"},
		"very long":     {"/" + long, long, "/" + long[:maxLogged-1], long[:maxLogged]},
		"cut in a rune": {"/", long[:maxLogged-1] + "é", "/", long[:maxLogged-1] + "?"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			ask(newThings(t, &log, slog.LevelInfo), "GET", test.target, http.Header{
				"X-Amzn-Trace-Id": {test.sent}, "Forwarded": {test.sent, "for=192.0.2.60"},
			})
			got := readLog(t, &log)
			if got.Path != test.path || got.TraceID != test.logged || got.ForwardedFor != test.logged || got.Client != "192.0.2.60" {
				t.Errorf("%+v, want path %q, trace id and claim %q", got, test.path, test.logged)
			}
		})
	}
}

// Of a method net/http lets only printable ASCII through, but any length.
func TestLogLongMethod(t *testing.T) {
	var log bytes.Buffer
	ask(newThings(t, &log, slog.LevelInfo), strings.Repeat("A", 10_000), "/", nil)
	if got := readLog(t, &log); got.Method != strings.Repeat("A", maxLogged) {
		t.Errorf("method of %d bytes logged, want %d", len(got.Method), maxLogged)
	}
}

// Whatever a caller sends, the client is what the last proxy saw, and the rest is kept apart.
func TestClient(t *testing.T) {
	const api = `by=203.0.113.43;for=198.51.100.17;host=abc.execute-api.us-west-2.amazonaws.com;proto=https`
	tests := map[string]struct {
		forwarded     []string
		xForwardedFor string
		client, claim string
	}{
		"the connection":           {nil, "", "192.0.2.1", ""},
		"through the API":          {[]string{api}, "10.0.64.10", "198.51.100.17", ""},
		"without by":               {[]string{"for=198.51.100.17;host=abc;proto=https"}, "10.0.64.10", "198.51.100.17", ""},
		"forged":                   {[]string{"for=6.6.6.6, " + api}, "6.6.6.6, 10.0.64.10", "198.51.100.17", "for=6.6.6.6"},
		"forged, no space":         {[]string{"for=6.6.6.6," + api}, "", "198.51.100.17", "for=6.6.6.6"},
		"forged, another line":     {[]string{"for=6.6.6.6", api}, "", "198.51.100.17", "for=6.6.6.6"},
		"forged by several":        {[]string{"for=6.6.6.6, for=7.7.7.7", api}, "", "198.51.100.17", "for=6.6.6.6, for=7.7.7.7"},
		"forged quote":             {[]string{`for="6.6.6.6, ` + api}, "", "198.51.100.17", `for="6.6.6.6`},
		"forged escape":            {[]string{`for="6.6.6.6\", ` + api}, "", "198.51.100.17", `for="6.6.6.6\"`},
		"forged junk":              {[]string{`=;=,==;;, ` + api}, "", "198.51.100.17", `=;=,==;;`},
		"forged X-Forwarded-For":   {nil, "6.6.6.6, 198.51.100.17", "198.51.100.17", "6.6.6.6"},
		"upper case":               {[]string{"FOR=198.51.100.17"}, "", "198.51.100.17", ""},
		"spaces":                   {[]string{"proto=https ; for=198.51.100.17 "}, "", "198.51.100.17", ""},
		"quoted with port":         {[]string{`for="198.51.100.17:4711"`}, "", "198.51.100.17", ""},
		"IPv6":                     {[]string{`for="[2001:db8:cafe::17]"`}, "", "2001:db8:cafe::17", ""},
		"IPv6 with port":           {[]string{`For="[2001:db8:cafe::17]:4711";by=x`}, "", "2001:db8:cafe::17", ""},
		"another name":             {[]string{"before=10.0.0.1;for=198.51.100.17"}, "", "198.51.100.17", ""},
		"no value before":          {[]string{"secure;for=198.51.100.17"}, "", "198.51.100.17", ""},
		"unknown":                  {[]string{"for=unknown"}, "198.51.100.17", "unknown", ""},
		"no for in the last":       {[]string{"for=6.6.6.6, proto=https"}, "198.51.100.17", "198.51.100.17", ""},
		"empty for":                {[]string{`for="";proto=https`}, "10.0.0.1,198.51.100.17", "198.51.100.17", "10.0.0.1"},
		"X-Forwarded-For, port":    {nil, " 10.0.0.1 , 198.51.100.17:4711 ", "198.51.100.17", "10.0.0.1"},
		"X-Forwarded-For, IPv6":    {nil, "10.0.0.1, 2001:db8:cafe::17", "2001:db8:cafe::17", "10.0.0.1"},
		"X-Forwarded-For, no last": {nil, "10.0.0.1, ", "192.0.2.1", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = "192.0.2.1:4711"
			r.Header["Forwarded"] = test.forwarded
			r.Header.Set("X-Forwarded-For", test.xForwardedFor)
			if address, claim := client(r); address != test.client || claim != test.claim {
				t.Errorf("%q, claims %q, want %q, %q", address, claim, test.client, test.claim)
			}
		})
	}
}
