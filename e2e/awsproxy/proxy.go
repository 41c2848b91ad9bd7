// Package awsproxy stands between an AWS client and an AWS API simulator: it records every call and can
// throttle, fail, cut, delay or hide the n-th call of a kind.
//
// It is httputil.ReverseProxy and the parts that know AWS. The maintained Go proxies that inject faults
// (toxiproxy, goproxy) work on connections or on URLs: to them CreateVpc and DescribeVpcs are the same POST, and
// what they answer is not an error that an AWS client would retry.
package awsproxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// Kind is what a fault does to a call.
type Kind string

// The faults. Of these only Delay and LoseAnswer let the call reach the simulator.
const (
	Throttle    Kind = "throttled"   // refused with the throttling error of the service's protocol
	ServerError Kind = "500"         // refused with an internal error
	Reset       Kind = "reset"       // connection reset before the call took effect
	LoseAnswer  Kind = "lost answer" // connection reset after the call took effect
	Delay       Kind = "delayed"     // answered late
)

// Fault says which calls go wrong and how. Set it with Proxy.Inject.
type Fault struct {
	Kind      Kind
	Service   string           // signing name; "" matches any
	Operation string           // "" matches any
	Match     func(*Call) bool // further condition on the request; nil matches any
	Nth       int              // the first call that goes wrong, counted from 1 (0 is 1)
	Times     int              // how many in a row go wrong; 0 is one, -1 all
	Delay     time.Duration    // of Delay
	Then      func()           // called once when the first call goes wrong, before its answer leaves the proxy

	seen, hit int
}

// Hits returns how many calls went wrong.
func (p *Proxy) Hits(f *Fault) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return f.hit
}

// Proxy is a running proxy. Its methods may be called at any time from any goroutine.
type Proxy struct {
	server  *httptest.Server
	forward *httputil.ReverseProxy
	gaps    gaps

	mu     sync.Mutex
	clock  int
	calls  []*Call
	faults []*Fault
	tokens map[string]*token
}

// token is the answer to a call that carried a client token. AWS answers a repeated token with the first answer;
// the simulator would make a second resource.
type token struct {
	once   sync.Once
	answer *httptest.ResponseRecorder
}

// New starts a proxy on a free port of the loopback interface, in front of the simulator at target.
func New(target string) (*Proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("proxy target %q: %w", target, err)
	}
	p := &Proxy{tokens: map[string]*token{}}
	p.forward = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	p.server = httptest.NewServer(http.HandlerFunc(p.serve))
	return p, nil
}

// URL is what AWS_ENDPOINT_URL must be set to.
func (p *Proxy) URL() string { return p.server.URL }

// Close cuts what is under way and stops the proxy.
func (p *Proxy) Close() {
	p.server.CloseClientConnections()
	p.server.Close()
}

// Inject arms a fault. Faults armed first are tried first; one call has at most one.
func (p *Proxy) Inject(f *Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, f)
}

// Clear disarms all faults.
func (p *Proxy) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
}

// Calls returns the calls so far in the order in which they were asked. Since(0) is all of them.
func (p *Proxy) Calls() []Call { return p.Since(0) }

// Since returns the calls that were asked after Mark returned mark.
func (p *Proxy) Since(mark int) []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	var calls []Call
	for _, c := range p.calls {
		if c.Asked > mark {
			calls = append(calls, *c)
		}
	}
	return calls
}

// Mark returns the present position on the counter of Call.Asked.
func (p *Proxy) Mark() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clock
}

// fault finds the fault for a call and counts it.
func (p *Proxy) fault(c *Call) (*Fault, bool) {
	for _, f := range p.faults {
		if f.Service != "" && f.Service != c.Service || f.Operation != "" && f.Operation != c.Operation || f.Match != nil && !f.Match(c) {
			continue
		}
		f.seen++
		if f.seen < max(f.Nth, 1) || f.Times >= 0 && f.hit >= max(f.Times, 1) {
			continue
		}
		f.hit++
		return f, f.hit == 1
	}
	return nil, false
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller went away
	}
	c := parse(r, body)

	p.mu.Lock()
	p.clock++
	c.Asked = p.clock
	f, first := p.fault(&c)
	if f != nil {
		c.Fault = f.Kind
	}
	entry := c
	p.calls = append(p.calls, &entry)
	p.mu.Unlock()

	asked := f == nil || f.Kind == Delay || f.Kind == LoseAnswer
	var answer *httptest.ResponseRecorder
	switch {
	case asked:
		answer = p.ask(&c, r, body)
	case f.Kind == Throttle:
		answer = c.Protocol.throttling()
	case f.Kind == ServerError:
		answer = c.Protocol.failure()
	}
	if f != nil {
		if first && f.Then != nil {
			f.Then()
		}
		if f.Kind == Delay {
			select {
			case <-time.After(f.Delay):
			case <-r.Context().Done():
			}
		}
	}

	cut := f != nil && (f.Kind == Reset || f.Kind == LoseAnswer)
	p.mu.Lock()
	p.clock++
	entry.Answered = p.clock
	if asked {
		entry.Answer, entry.Took = flatten(answer.Body.Bytes()), answer.Code < 400
	}
	if !cut {
		entry.Status = answer.Code
	}
	p.mu.Unlock()

	if cut {
		reset(w)
		return
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // a caller that went away is its own business
}

// ask has the simulator answer the call, once for each client token.
func (p *Proxy) ask(c *Call, r *http.Request, body []byte) *httptest.ResponseRecorder {
	send := func() *httptest.ResponseRecorder {
		r := r.Clone(r.Context())
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		answer := httptest.NewRecorder()
		p.forward.ServeHTTP(answer, r)
		p.gaps.amend(c, r.URL.Path, body, answer)
		return answer
	}
	id := c.Params["ClientToken"] + c.Params["clientToken"] + c.Params["CreatorRequestId"]
	if id == "" || !c.Mutates() {
		return send()
	}
	p.mu.Lock()
	t := p.tokens[c.String()+" "+id]
	if t == nil {
		t = &token{}
		p.tokens[c.String()+" "+id] = t
	}
	p.mu.Unlock()
	t.once.Do(func() { t.answer = send() })
	if t.answer.Code >= 400 { // AWS remembers what it did, not what it refused
		p.mu.Lock()
		delete(p.tokens, c.String()+" "+id)
		p.mu.Unlock()
	}
	return t.answer
}

// reset closes the connection with an RST, as a crashed peer would.
func reset(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server cuts the connection
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// throttling is the answer of a service that is asked too often: code and status are those that AWS documents for
// the protocol's services, so that a client treats it as it would the real one.
func (p Protocol) throttling() *httptest.ResponseRecorder {
	switch p {
	case EC2:
		return p.answer(http.StatusServiceUnavailable, "RequestLimitExceeded", "Request limit exceeded.")
	case JSON:
		return p.answer(http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
	case RESTJSON:
		return p.answer(http.StatusTooManyRequests, "TooManyRequestsException", "Too Many Requests")
	case RESTXML:
		return p.answer(http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
	}
	return p.answer(http.StatusBadRequest, "Throttling", "Rate exceeded")
}

func (p Protocol) failure() *httptest.ResponseRecorder {
	return p.answer(http.StatusInternalServerError, "InternalFailure", "An internal error has occurred")
}

func (p Protocol) answer(status int, code, message string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	kind, body := "text/xml", ""
	switch p {
	case EC2:
		body = fmt.Sprintf("<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>injected</RequestID></Response>", code, message)
	case Query:
		body = fmt.Sprintf("<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>injected</RequestId></ErrorResponse>", code, message)
	case RESTXML:
		body = fmt.Sprintf("<Error><Code>%s</Code><Message>%s</Message><RequestId>injected</RequestId></Error>", code, message)
	default:
		kind, body = "application/x-amz-json-1.1", fmt.Sprintf(`{"__type":%q,"message":%q}`, code, message)
		rec.Header().Set("X-Amzn-Errortype", code)
	}
	rec.Header().Set("Content-Type", kind)
	rec.WriteHeader(status)
	rec.Body.WriteString(body)
	return rec
}
