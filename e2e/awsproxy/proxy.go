// Package awsproxy stands between an AWS client and an AWS API simulator: it records every call, can throttle, fail, cut
// or delay calls, and answers what the simulator lacks.
//
// It is httputil.ReverseProxy and the parts that know AWS. The maintained Go proxies that inject faults
// (toxiproxy, goproxy) work on connections or on URLs: to them CreateVpc and DescribeVpcs are the same POST, and
// what they answer is not an error that an AWS client would retry.
package awsproxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
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
	Deny        Kind = "denied"      // refused as no policy allows it
	ServerError Kind = "500"         // refused with an internal error
	Reset       Kind = "reset"       // connection reset before the call took effect
	LoseAnswer  Kind = "lost answer" // connection reset after the call took effect
	Delay       Kind = "delayed"     // answered late
)

// Fault says which calls go wrong and how. Set it with Proxy.Inject.
type Fault struct {
	Kind      Kind
	Service   string        // signing name; "" matches any
	Operation string        // "" matches any
	Times     int           // how many in a row go wrong; 0 is one, -1 all
	Delay     time.Duration // of Delay
	Then      func()        // called once when the first call goes wrong, before its answer leaves the proxy

	hit int
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
	gaps    *gaps
	tokens  sync.Map // the answers to calls that carried a client token, as func() *httptest.ResponseRecorder

	mu     sync.Mutex
	clock  int
	calls  []*Call
	faults []*Fault
}

// New starts a proxy on a free port of the loopback interface, in front of the simulator at target.
func New(target string) (*Proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("proxy target %q: %w", target, err)
	}
	p := &Proxy{gaps: newGaps(target)}
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

// Log writes the calls as they were sent, a JSON object a line: the service's signing name, the operation (method and
// path of a REST call) and the parameters. It returns the writer's error.
func (p *Proxy) Log(w io.Writer) error {
	lines := json.NewEncoder(w)
	for _, c := range p.Calls() {
		if err := lines.Encode(c.sent); err != nil {
			return err
		}
	}
	return nil
}

// Mark returns the present position on the counter of Call.Asked.
func (p *Proxy) Mark() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clock
}

// fault finds the fault for a call, counts the hit and returns a copy; the zero Fault if the call goes well.
func (p *Proxy) fault(c *Call) Fault {
	for _, f := range p.faults {
		matches := (f.Service == "" || f.Service == c.Service) && (f.Operation == "" || f.Operation == c.Operation)
		if matches && (f.Times < 0 || f.hit < max(f.Times, 1)) {
			f.hit++
			return *f
		}
	}
	return Fault{}
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller went away
	}
	c := parse(r, body)

	p.mu.Lock()
	p.clock++
	c.Asked, c.Time = p.clock, time.Now()
	f := p.fault(c)
	p.calls = append(p.calls, c)
	p.mu.Unlock()

	var answer *httptest.ResponseRecorder // nil cuts the connection
	var took bool
	var values Values
	switch f.Kind {
	case Reset:
	case Throttle:
		answer = c.protocol.refuse(c.protocol.throttling)
	case Deny:
		answer = c.protocol.refuse(c.protocol.denial.of(c))
	case ServerError:
		answer = c.protocol.refuse(failure{http.StatusInternalServerError, "InternalFailure", "An internal error has occurred"})
	default:
		answer = p.ask(c, r, body)
		took, values = answer.Code < 400, flatten(answer.Body.Bytes())
	}
	if f.hit == 1 && f.Then != nil {
		f.Then()
	}
	switch f.Kind {
	case Delay:
		select {
		case <-time.After(f.Delay):
		case <-r.Context().Done():
		}
	case LoseAnswer:
		answer = nil
	}

	p.mu.Lock()
	p.clock++
	c.Answered, c.Took, c.Answer = p.clock, took, values
	if answer != nil {
		c.Status = answer.Code
	}
	p.mu.Unlock()

	if answer == nil {
		reset(w)
		return
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // a caller that went away is its own business
}

// ask has the simulator answer the call. AWS answers a repeated client token with the first answer; the simulator
// would make a second resource, so each token reaches it once.
func (p *Proxy) ask(c *Call, r *http.Request, body []byte) *httptest.ResponseRecorder {
	send := func() *httptest.ResponseRecorder {
		if answer := p.gaps.answer(c, body); answer != nil {
			return answer
		}
		sent := rewrite(c, body)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(sent)), int64(len(sent))
		answer := httptest.NewRecorder()
		p.forward.ServeHTTP(answer, r)
		p.gaps.amend(c, r.URL.Path, body, answer)
		return answer
	}
	id := c.Params["ClientToken"] + c.Params["clientToken"] + c.Params["CreatorRequestId"]
	if id == "" || !c.Mutates() {
		return send()
	}
	key := c.String() + " " + id
	once, _ := p.tokens.LoadOrStore(key, sync.OnceValue(send))
	answer := once.(func() *httptest.ResponseRecorder)()
	if answer.Code >= 400 { // AWS remembers what it did, not what it refused
		p.tokens.Delete(key)
	}
	return answer
}

// reset closes the connection with an RST, as a crashed peer would.
func reset(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server cuts the connection
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// failure is an error that AWS documents, so that its clients treat it as they would the real one.
type failure struct {
	status        int
	code, message string
}

// denied is what AWS says where no policy allows a call.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
const denied = "User: arn:aws:iam::123456789012:user/deploy is not authorized to perform: %[1]s because no identity-based policy allows the %[1]s action"

// of names the call in the message.
func (f failure) of(c *Call) failure {
	f.message = fmt.Sprintf(f.message, c)
	return f
}

// protocol is the wire format of an AWS service, which decides what an error looks like.
type protocol struct {
	contentType, format string // of an error; the format takes code and message
	throttling          failure
	denial              failure // its message takes the operation
}

const (
	queryError = "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error>" +
		"<RequestId>injected</RequestId></ErrorResponse>"
	ec2Error = "<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors>" +
		"<RequestID>injected</RequestID></Response>"
	s3Error   = "<Error><Code>%s</Code><Message>%s</Message></Error>"
	jsonError = `{"__type":%q,"message":%q}`
	jsonType  = "application/x-amz-json-1.1"
)

// The wire formats of AWS.
var (
	// form in, XML out: IAM, STS, load balancing
	query = &protocol{"text/xml", queryError, failure{http.StatusBadRequest, "Throttling", "Rate exceeded"}, failure{http.StatusForbidden, "AccessDenied", denied}}
	// query with an error shape of its own
	ec2 = &protocol{"text/xml", ec2Error, failure{http.StatusServiceUnavailable, "RequestLimitExceeded", "Request limit exceeded."},
		failure{http.StatusForbidden, "UnauthorizedOperation", denied}}
	// X-Amz-Target: ECS, ECR, logs, Cloud Map, SSM
	jsonTarget = &protocol{jsonType, jsonError, failure{http.StatusBadRequest, "ThrottlingException", "Rate exceeded"}, failure{http.StatusBadRequest, "AccessDeniedException", denied}}
	// method and path in, XML out: S3
	restXML = &protocol{"application/xml", s3Error, failure{http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate."}, failure{http.StatusForbidden, "AccessDenied", denied}}
	// method and path: API Gateway
	restJSON = &protocol{jsonType, jsonError, failure{http.StatusTooManyRequests, "TooManyRequestsException", "Too Many Requests"},
		failure{http.StatusForbidden, "AccessDeniedException", denied}}
)

func (p *protocol) refuse(f failure) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	answer.Header().Set("Content-Type", p.contentType)
	answer.Header().Set("X-Amzn-Errortype", f.code) // for JSON; clients of XML do not read it
	answer.WriteHeader(f.status)
	fmt.Fprintf(answer, p.format, f.code, f.message)
	return answer
}
