package service

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// maxLogged is how many bytes of one thing that a caller sent go into a log line.
const maxLogged = 256

func newLogger(w io.Writer, level slog.Level, service, version string) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})).With("service", service, "version", version)
}

func logRequest(log *slog.Logger, level slog.Level, r *http.Request, status, bytes int, took time.Duration) {
	log.LogAttrs(context.Background(), level, "request",
		slog.String("method", printable(r.Method)),
		slog.String("path", printable(r.URL.EscapedPath())), // without the query, which may hold a secret
		slog.Int("status", status),
		slog.Int("bytes", bytes),
		slog.Float64("durationMs", float64(took.Microseconds())/1000),
		slog.String("traceId", printable(r.Header.Get("X-Amzn-Trace-Id"))),
		slog.String("client", printable(client(r))),
	)
}

// printable makes s safe for whatever shows the log: what is not printable ASCII becomes "?", and what is too long is cut.
func printable(s string) string {
	s = s[:min(len(s), maxLogged)]
	return strings.Map(func(r rune) rune { // which copies s only if it changes
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// client is the address that the request came from, as far as the proxies on its way tell: callers can forge it, so it
// is for reading, not for deciding. API Gateway sends Forwarded, load balancers X-Forwarded-For.
func client(r *http.Request) string {
	forwarded := forwardedFor(strings.Join(r.Header["Forwarded"], ","))
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-For"), ",")
	return host(cmp.Or(forwarded, strings.TrimSpace(first), r.RemoteAddr))
}

// forwardedFor returns the first for= with a value in a Forwarded field (RFC 7239, section 4); "" if there is none.
func forwardedFor(field string) string {
	if strings.Contains(field, `\`) {
		for _, escape := range []string{`\\`, `\"`, `\`} { // no address has a backslash or a quote
			field = strings.ReplaceAll(field, escape, "")
		}
	}
	for field != "" {
		name, value, _ := strings.Cut(field, "=")
		name = strings.TrimSpace(name[strings.LastIndexAny(name, ",;")+1:])
		if text, ok := strings.CutPrefix(value, `"`); ok {
			if value, field, ok = strings.Cut(text, `"`); !ok {
				return "" // never closed
			}
		} else if end := strings.IndexAny(value, ",;"); end >= 0 {
			value, field = value[:end], value[end:]
		} else {
			field = ""
		}
		if value = strings.TrimSpace(value); value != "" && strings.EqualFold(name, "for") {
			return value
		}
	}
	return ""
}

// host removes the port, and the brackets of an IPv6 address. What is no address ("unknown", "_hidden") stays.
func host(node string) string {
	if host, _, err := net.SplitHostPort(node); err == nil {
		return host
	}
	return strings.Trim(node, "[]")
}
