package service

import (
	"bytes"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// wholeID is what an id may be, whoever made it.
var wholeID = regexp.MustCompile(`^[-A-Za-z0-9_+/=]{1,128}$`)

// The answer and the log have the id that came, or one new one in the place of what is none.
func TestRequestID(t *testing.T) {
	const api = "ALt0lgP-IAMEZPA="
	longest := strings.Repeat("a", maxRequestID)
	for name, test := range map[string]struct {
		given []string
		kept  bool
	}{
		"of the API":      {[]string{api}, true},
		"a UUID":          {[]string{"6f9619ff-8b86-d011-b42d-00cf4fc964ff"}, true},
		"base64":          {[]string{"a+b/c_d=="}, true},
		"the longest":     {[]string{longest}, true},
		"none":            {nil, false},
		"empty":           {[]string{""}, false},
		"too long":        {[]string{longest + "a"}, false},
		"two":             {[]string{api, "other"}, false},
		"two in one line": {[]string{api + ",other"}, false},
		"a space":         {[]string{"a b"}, false},
		"a quote":         {[]string{`a"`}, false},
		"a line end":      {[]string{"a\r\nX-Forged: b"}, false},
		"markup":          {[]string{"<b>"}, false},
		"not ASCII":       {[]string{"é"}, false},
		"invalid UTF-8":   {[]string{"\xff"}, false},
	} {
		for _, target := range []string{"/api/things", "/api/unknown", "/api/things/health"} {
			var log bytes.Buffer
			h := newThings(t, &log, slog.LevelDebug)
			got := ask(h, "GET", target, http.Header{"X-Request-Id": test.given}).Header["X-Request-Id"]
			if len(got) != 1 || !wholeID.MatchString(got[0]) {
				t.Errorf("%s: answered with %q", name, got)
				continue
			}
			if kept := len(test.given) > 0 && got[0] == test.given[0]; kept != test.kept {
				t.Errorf("%s: %q becomes %q", name, test.given, got)
			}
			if line := readLog(t, &log); line.RequestID != got[0] {
				t.Errorf("%s: logged %q, answered %q", name, line.RequestID, got)
			}
			again := ask(h, "GET", target, http.Header{"X-Request-Id": test.given}).Header.Get("X-Request-Id")
			if (again == got[0]) != test.kept {
				t.Errorf("%s: %q, and then %q", name, got, again)
			}
		}
	}
}
