package service

import (
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

func logRequest(log *slog.Logger, level slog.Level, r *http.Request, id string, status, bytes int, took time.Duration) {
	address, claim := client(r)
	log.LogAttrs(context.Background(), level, "request",
		slog.String("method", printable(r.Method)),
		slog.String("path", printable(r.URL.EscapedPath())), // without the query, which may hold a secret
		slog.Int("status", status),
		slog.Int("bytes", bytes),
		slog.Float64("durationMs", float64(took.Microseconds())/1000),
		slog.String("requestId", id),
		slog.String("traceId", printable(r.Header.Get("X-Amzn-Trace-Id"))),
		slog.String("client", printable(address)),
		slog.String("forwardedFor", printable(claim)), // by the client, who can write anything
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

// client returns the address that called, and what that caller claims about those before it. Every proxy appends what it
// saw, so only the last element is known: of Forwarded, which HTTP APIs send, else of X-Forwarded-For, which load balancers
// send, but where all that comes through an API has the address of the VPC link.
// Sources: RFC 7239, section 4; https://github.com/pbojinov/request-ip/issues/70 shows what an HTTP API sends to a private
// load balancer; https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html
func client(r *http.Request) (address, claim string) {
	for _, name := range []string{"Forwarded", "X-Forwarded-For"} {
		chain := strings.Join(r.Header[name], ",")
		end := strings.LastIndex(chain, ",")
		last := strings.TrimSpace(chain[end+1:])
		if name == "Forwarded" {
			last = forwardedFor(last)
		}
		if last != "" {
			return host(last), strings.TrimSpace(chain[:max(end, 0)])
		}
	}
	return host(r.RemoteAddr), ""
}

// forwardedFor returns the for= of one element of Forwarded; "" if it has none.
func forwardedFor(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		if name, value, _ := strings.Cut(pair, "="); strings.EqualFold(strings.TrimSpace(name), "for") {
			return strings.Trim(value, `" `)
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
