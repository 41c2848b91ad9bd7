package trace

import (
	"fmt"
	"net/http"
	"time"
)

// Way is the way of a request: the hops that it takes, and the verdict.
type Way struct {
	Hops []Hop
	Stop *Stop // nil if the request arrives
	// Unknown says why nobody can tell how the request goes on; "" if that is known.
	Unknown string
	// CORS are the headers that the API puts in place of those of the service; nil if it leaves them alone.
	CORS http.Header
	// Parameters is the parameter mapping of the integration: what the API changes in the request before it passes it on.
	// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
	Parameters Values
	// Timeout is how long the API waits for an answer.
	Timeout time.Duration
	// LinkAddress is where the load balancer sees the connection come from; ListenerPort is where it takes it, and
	// ListenerProtocol how: HTTP or HTTPS.
	LinkAddress      string
	ListenerPort     int
	ListenerProtocol string
	// DropInvalidHeaders tells that the load balancer drops headers whose names have other characters than [-A-Za-z0-9].
	DropInvalidHeaders bool
	// TargetGroup is the ARN of the group whose targets answer.
	TargetGroup  string
	loadBalancer endpoint
	set          *Set
	step         step // that is looked at
	// survey tells to go on behind a fault. Stops are all of them; Stop is the first. Behind the end, nothing is added.
	survey, over bool
	stops        []*Stop
}

// step is what is decided at a hop.
type step struct {
	kind string
	side string // of connections, which one: link, target or call
}

// Hop is a step of a request.
type Hop struct {
	Kind     string `json:"kind"`     // what decided, in AWS's words
	Resource string `json:"resource"` // the logical name of the resource that decided
	Detail   string `json:"detail"`   // what it decided
	Notes    []Note `json:"notes,omitempty"`
	step     step
	used     []Resource
	ends     []Resource // that a connection is between
}

// Note is what a person should know about a hop that lets the request pass.
type Note struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// The kinds of notes.
const (
	Drift   = "drift"   // something is not as the last up left it
	Warning = "warning" // some requests may fail
	Unknown = "unknown" // it could not be read, or no fact tells
)

// Stop says that a request gets no further.
type Stop struct {
	Kind   string    `json:"kind"`             // of the hop that there is not
	Reason string    `json:"reason"`           // with the resource that decided
	By     Responder `json:"by,omitempty"`     // who answers the caller; "" if nobody does, or nobody knows
	Status int       `json:"status,omitempty"` // of that answer, in HTTP
	// ContentType and Body are those of a fixed response.
	ContentType string `json:"-"`
	Body        string `json:"-"`
	// Causes are what is known of why, in a deployed stack.
	Causes []string `json:"causes,omitempty"`
	// Changed is what is not as the last up left it, on this hop and behind it. Asked is the hop that the last up asked for,
	// Next a command, and Help a link into the documentation. All of them are empty in a local run.
	Changed []string `json:"changed,omitempty"`
	Asked   string   `json:"asked,omitempty"`
	Next    string   `json:"next,omitempty"`
	Help    string   `json:"help,omitempty"`
	step    step
	used    []Resource // what a command may look at
}

// Responder is a resource that answers in place of a service.
type Responder string

// What answers on the way.
const (
	API           Responder = "HTTP API"
	LoadBalancer  Responder = "load balancer"
	FixedResponse Responder = "fixed response"
)

// at says what is looked at next.
func (w *Way) at(kind string) { w.step.kind = kind }

// took adds the hop that is looked at, which one resource decided.
func (w *Way) took(r Resource, format string, args ...any) {
	w.hop(r.Name, []Resource{r}, format, args...)
}

func (w *Way) hop(resource string, used []Resource, format string, args ...any) {
	if w.over {
		return
	}
	w.Hops = append(w.Hops, Hop{Kind: w.step.kind, Resource: resource, Detail: fmt.Sprintf(format, args...), step: w.step, used: used})
}

// note adds to the last hop.
func (w *Way) note(kind, format string, args ...any) {
	if w.over {
		return
	}
	last := &w.Hops[len(w.Hops)-1]
	last.Notes = append(last.Notes, Note{kind, fmt.Sprintf(format, args...)})
}

// stop ends a way.
func (w *Way) stop(by Responder, status int, format string, args ...any) *Stop {
	stop := w.fault(by, status, format, args...)
	w.over = true
	return stop
}

// fault ends a way too, but a survey goes on behind it.
func (w *Way) fault(by Responder, status int, format string, args ...any) *Stop {
	stop := &Stop{Kind: w.step.kind, Reason: fmt.Sprintf(format, args...), By: by, Status: status, step: w.step}
	if !w.over {
		w.stops = append(w.stops, stop)
		w.Stop, w.over = w.stops[0], !w.survey
	}
	return stop
}

// lacks ends a way where something is missing: unknown if that, or what has this id, could not be read.
func (w *Way) lacks(id string, by Responder, status int, format string, args ...any) *Stop {
	if w.unread(id) {
		return &Stop{}
	}
	return w.stop(by, status, format, args...)
}

// unread ends a way as unknown if what decides at this hop, or what has this id, could not be read.
func (w *Way) unread(id string) bool {
	for _, k := range kinds {
		if k.hop == w.step.kind {
			w.unknown(w.set.unread(k.typ, id))
		}
	}
	return w.over
}

// unknown ends a way where nobody can tell how it goes on, and says why; "" does nothing.
func (w *Way) unknown(why string) {
	if why != "" && !w.over {
		w.Unknown, w.over = why, true
	}
}

// Refuse ends a way at the API, which does not take the request.
func (w *Way) Refuse(status int, reason string) *Way {
	w.stop(API, status, "%s", reason)
	return w
}

// Where says where a way stops and why; "" if it does not stop.
func (w *Way) Where() string {
	if w.Stop == nil {
		return ""
	}
	at := string(w.Stop.By)
	if len(w.Hops) > 0 {
		last := w.Hops[len(w.Hops)-1]
		at = last.Kind + " " + last.Resource
	}
	return "stops at " + at + ": " + w.Stop.Reason
}
