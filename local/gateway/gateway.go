// Package gateway is the HTTP API on this machine: it answers each request as the deployed resources say, and passes it
// on to a task where they let it through.
package gateway

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"

	"private-api/local/tasks"
	"private-api/trace"
)

// Handler serves the HTTP API of what is deployed, whatever that is at the time of a request.
type Handler struct {
	Set    *trace.Set
	Runner *tasks.Runner
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	way := h.Set.Follow(r)
	if way.Stop != nil {
		answer(w, r, way)
		return
	}
	picked := h.Runner.Pick(way.TargetGroup)
	if picked == nil {
		answer(w, r, way.NoTargets())
		return
	}
	defer picked.Done()
	if way = h.Set.Connect(way, picked.Target); way.Stop != nil {
		answer(w, r, way)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), way.Timeout)
	defer cancel()
	proxy := &httputil.ReverseProxy{
		Transport:      picked.Transport,
		Rewrite:        func(p *httputil.ProxyRequest) { rewrite(p, way, picked.Address) },
		ModifyResponse: func(response *http.Response) error { addCORS(response.Header, way.CORS); return nil },
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			answer(w, r, way.NoAnswer(err))
		},
		ErrorLog: log.New(io.Discard, "", 0), // a caller or a task that goes away has its own message
	}
	proxy.ServeHTTP(w, r.WithContext(ctx))
}

// answer writes the answer of what stops a request: a message of the API, a page of the load balancer, or a fixed response.
func answer(w http.ResponseWriter, r *http.Request, way *trace.Way) {
	stop, header := way.Stop, w.Header()
	contentType, body := stop.ContentType, stop.Body
	switch stop.By {
	case trace.API:
		contentType, body = "application/json", fmt.Sprintf(`{"message":%q}`, http.StatusText(stop.Status))
		switch stop.Status {
		case http.StatusNoContent:
			contentType, body = "", ""
		case http.StatusUnauthorized:
			header.Set("Www-Authenticate", "Bearer")
		}
	case trace.LoadBalancer:
		title := fmt.Sprintf("%d %s", stop.Status, map[int]string{502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}[stop.Status])
		contentType = "text/html"
		body = "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title + "</h1></center>\r\n</body>\r\n</html>\r\n"
	}
	if stop.By != trace.API {
		header.Set("Server", "awselb/2.0")
	}
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	addCORS(header, way.CORS)
	w.WriteHeader(stop.Status)
	if r.Method != http.MethodHead {
		io.WriteString(w, body)
	}
}

// addCORS puts the headers of the API in place of the integration's.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
func addCORS(header, cors http.Header) {
	if cors == nil {
		return
	}
	for name := range header {
		if strings.HasPrefix(name, "Access-Control-") {
			header.Del(name)
		}
	}
	maps.Copy(header, cors)
}

// rewrite sets what the API and the load balancer add to a request. The API says in Forwarded who called; the load
// balancer sees the VPC link, and appends that to X-Forwarded-For.
// Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-http.html
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html
func rewrite(p *httputil.ProxyRequest, way *trace.Way, address string) {
	p.Out.URL.Scheme, p.Out.URL.Host = "http", address
	p.Out.Host = p.In.Host
	local := p.In.Context().Value(http.LocalAddrContextKey).(net.Addr)
	forwarded := fmt.Sprintf("by=%s;for=%s;host=%q;proto=http", forwardedNode(local.String()), forwardedNode(p.In.RemoteAddr), p.In.Host)
	p.Out.Header.Set("Forwarded", strings.Join(append(p.In.Header.Values("Forwarded"), forwarded), ", "))
	p.Out.Header.Set("X-Forwarded-For", strings.Join(append(p.In.Header.Values("X-Forwarded-For"), way.LinkAddress), ", "))
	p.Out.Header.Set("X-Forwarded-Proto", "http")
	p.Out.Header.Set("X-Forwarded-Port", fmt.Sprint(way.ListenerPort))
	p.Out.Header.Set("X-Amzn-Trace-Id", traceID(p.In.Header.Get("X-Amzn-Trace-Id"), time.Now()))
}

// traceID returns the id of a request: the caller's root, if it has one, or a new one. The load balancer adds itself.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html
func traceID(given string, now time.Time) string {
	id := func() string {
		b := make([]byte, 12)
		rand.Read(b)
		return fmt.Sprintf("1-%08x-%x", now.Unix(), b)
	}
	if !strings.Contains(given, "Root=") {
		given = strings.TrimPrefix(given+";Root="+id(), ";")
	}
	return "Self=" + id() + ";" + given
}

// forwardedNode returns the host of an address as Forwarded wants it: IPv6 in brackets and quotes (RFC 7239, section 6).
func forwardedNode(address string) string {
	host, _, _ := net.SplitHostPort(address)
	if strings.Contains(host, ":") {
		return `"[` + host + `]"`
	}
	return host
}
