package service

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkHandler measures what the service itself does for a request: choose, answer and log, without the network.
func BenchmarkHandler(b *testing.B) {
	h := newThings(b, io.Discard, slog.LevelInfo)
	const id = "JKJaXmPLvHcESHA="
	for name, test := range map[string]struct{ method, target, match, id string }{
		"list":        {"GET", "/api/things", "", id},
		"object":      {"GET", "/api/things/1", "", id},
		"notModified": {"GET", "/api/things", "*", id},
		"notFound":    {"GET", "/api/unknown", "", id},
		"newID":       {"GET", "/api/things/1", "", ""},
		"health":      {"GET", "/api/things/health", "", ""}, // as the load balancer asks for it
	} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(test.method, test.target, nil)
			r.Header.Set("X-Amzn-Trace-Id", "Root=1-67891233-abcdef012345678912345678")
			r.Header.Set("Forwarded", "for=192.0.2.60;proto=https")
			r.Header.Set("If-None-Match", test.match)
			r.Header.Set("X-Request-Id", test.id)
			w := discard{}
			b.ReportAllocs()
			for b.Loop() {
				clear(w)
				h.ServeHTTP(w, r)
			}
		})
	}
}

// discard is a ResponseWriter that keeps nothing but the header.
type discard http.Header

func (d discard) Header() http.Header         { return http.Header(d) }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
