// Package gateway is the HTTP API on this machine: it answers each request as the deployed resources say, and passes it
// on to a task where they let it through.
package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"regexp"
	"slices"
	"strings"
	"time"

	"private-api/local/tasks"
	"private-api/trace"
)

// Handler serves the HTTP API of what is deployed, whatever that is at the time of a request.
type Handler struct {
	Set    *trace.Set
	Runner *tasks.Runner
	Log    func(Entry) // takes what is known of each request once it is answered; nil: nothing does
}

// Limits of an HTTP API: of the request line and the values of the headers, and of a body, in bytes.
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
const (
	headerLimit  = 10240
	payloadLimit = 10 << 20
)

// validHeader is what the name of a header must be.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html
var validHeader = regexp.MustCompile(`^[-A-Za-z0-9]+$`)

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o := observe(w, r)
	if h.Log != nil {
		defer func() { h.Log(o.end()) }()
	}
	if o.way = h.choose(o, r); o.way.Stop != nil {
		answer(o, r, o.way)
		return
	}
	picked := h.Runner.Pick(o.way.TargetGroup)
	if picked == nil {
		answer(o, r, o.way.NoTargets())
		return
	}
	defer picked.Done()
	if o.way = h.Set.Connect(o.way, picked.Target); o.way.Stop != nil {
		answer(o, r, o.way)
		return
	}
	o.entry.Container, o.entry.Task = picked.Name, picked.Task
	o.way.Hops = append(o.way.Hops, trace.Hop{Kind: "target", Resource: picked.Service, Detail: "task " + picked.Task})
	// An HTTP API has no WebSockets: the request goes on without the upgrade.
	// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-overview.html
	r.Header.Del("Upgrade")
	ctx, cancel := context.WithTimeout(r.Context(), o.way.Timeout)
	defer cancel()
	sent := time.Now()
	proxy := &httputil.ReverseProxy{
		Transport: picked.Transport,
		Rewrite:   func(p *httputil.ProxyRequest) { rewrite(p, o.way, picked.Address, o.entry.RequestID) },
		ModifyResponse: func(response *http.Response) (err error) {
			picked.Answered(response.StatusCode, time.Since(sent))
			addCORS(response.Header, o.way.CORS)
			response.Body, _, err = readWhole(nil, response.Body)
			return err
		},
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) {
			if !errors.Is(err, context.Canceled) { // the caller is still there
				answer(o, r, o.way.NoAnswer(err))
			}
		},
		ErrorLog: log.New(io.Discard, "", 0), // a caller or a task that goes away has its own message
	}
	proxy.ServeHTTP(o, r.WithContext(ctx))
}

// choose reads a request and follows it to a target group.
func (h *Handler) choose(o *observer, r *http.Request) *trace.Way {
	if status, reason := receive(o.ResponseWriter, r); status != 0 {
		return new(trace.Way).Refuse(status, reason)
	}
	way := h.Set.Follow(r)
	for key, value := range way.Parameters {
		if _, known := overwrites(key, value); !known && way.Stop == nil {
			way.Refuse(http.StatusInternalServerError, fmt.Sprintf("the integration maps %s to %v, which is not known here", key, value))
		}
	}
	return way
}

// overwrites returns the header that a parameter mapping sets to the id of the request. The program has no other mapping.
func overwrites(key string, value any) (header string, known bool) {
	header, known = strings.CutPrefix(key, "overwrite:header.")
	return header, known && value == "$context.requestId"
}

// receive reads a request whole. It returns how the API answers one that it does not take, 0 if it takes it. AWS
// documents the limits, not the answers; callers report 413 and 431.
func receive(w http.ResponseWriter, r *http.Request) (status int, reason string) {
	size := len(r.Method) + len(" ") + len(r.RequestURI) + len(" ") + len(r.Proto) + len(r.Host)
	for _, values := range r.Header {
		size += len(strings.Join(values, ""))
	}
	if size > headerLimit {
		return http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("request line and header values have %d bytes, allowed is %d", size, headerLimit)
	}
	var err error
	r.Body, r.ContentLength, err = readWhole(w, r.Body)
	r.TransferEncoding, r.Trailer = nil, nil
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", payloadLimit)
	case errors.Is(err, io.ErrUnexpectedEOF):
		panic(http.ErrAbortHandler) // the caller went away, and nobody reads an answer
	case err != nil:
		return http.StatusBadRequest, fmt.Sprintf("the body is malformed: %v", err)
	}
	return 0, ""
}

// readWhole reads a body up to the limit of the API, and returns it to be read again, with its length.
func readWhole(w http.ResponseWriter, body io.ReadCloser) (io.ReadCloser, int64, error) {
	defer body.Close()
	whole, err := io.ReadAll(http.MaxBytesReader(w, body, payloadLimit))
	return io.NopCloser(bytes.NewReader(whole)), int64(len(whole)), err
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
		title := fmt.Sprintf("%d %s", stop.Status, map[int]string{400: "The plain HTTP request was sent to HTTPS port", 502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}[stop.Status])
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

// rewrite sets what the API and the load balancer add to a request. The API maps the id of the request, whatever the caller
// sent in its place. The API says in Forwarded who called; the load
// balancer sees the VPC link, and appends that to X-Forwarded-For.
// Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-http.html
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html
func rewrite(p *httputil.ProxyRequest, way *trace.Way, address, id string) {
	p.Out.URL.Scheme, p.Out.URL.Host = "http", address
	p.Out.URL.RawQuery = p.In.URL.RawQuery // as it was sent: the proxy leaves out what Go cannot parse
	p.Out.Host = p.In.Host
	maps.DeleteFunc(p.Out.Header, func(name string, _ []string) bool { return way.DropInvalidHeaders && !validHeader.MatchString(name) })
	for key, value := range way.Parameters {
		if header, known := overwrites(key, value); known {
			p.Out.Header.Set(header, id)
		}
	}
	local := p.In.Context().Value(http.LocalAddrContextKey).(net.Addr)
	forwarded := fmt.Sprintf("by=%s;for=%s;host=%q;proto=http", forwardedNode(local.String()), forwardedNode(p.In.RemoteAddr), p.In.Host)
	p.Out.Header.Set("Forwarded", strings.Join(append(p.In.Header.Values("Forwarded"), forwarded), ", "))
	p.Out.Header.Set("X-Forwarded-For", strings.Join(append(p.In.Header.Values("X-Forwarded-For"), way.LinkAddress), ", "))
	p.Out.Header.Set("X-Forwarded-Proto", strings.ToLower(way.ListenerProtocol))
	p.Out.Header.Set("X-Forwarded-Port", fmt.Sprint(way.ListenerPort))
	p.Out.Header.Set("X-Amzn-Trace-Id", traceID(p.In.Header.Get("X-Amzn-Trace-Id"), time.Now()))
}

// traceID returns the id of a request: the caller's root, if it has one, or a new one. The load balancer adds itself, in
// the place of an earlier load balancer, and keeps all else.
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html
func traceID(given string, now time.Time) string {
	id := func() string {
		b := make([]byte, 12)
		rand.Read(b)
		return fmt.Sprintf("1-%08x-%x", now.Unix(), b)
	}
	fields := []string{"Self=" + id()}
	for field := range strings.SplitSeq(given, ";") {
		if field = strings.TrimSpace(field); field != "" && !strings.HasPrefix(field, "Self=") {
			fields = append(fields, field)
		}
	}
	if !slices.ContainsFunc(fields, func(field string) bool { return strings.HasPrefix(field, "Root=") }) {
		fields = append(fields, "Root="+id())
	}
	return strings.Join(fields, ";")
}

// forwardedNode returns the host of an address as Forwarded wants it: IPv6 in brackets and quotes (RFC 7239, section 6).
func forwardedNode(address string) string {
	host, _, _ := net.SplitHostPort(address)
	if strings.Contains(host, ":") {
		return `"[` + host + `]"`
	}
	return host
}
