package gateway

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"private-api/trace"
)

// Entry is what is known of a request once it is answered, as the access log of the API has it. No health check is one.
type Entry struct {
	Time       time.Time `json:"time"` // when it came
	RequestID  string    `json:"requestId"`
	Method     string    `json:"method"`
	Path       string    `json:"path"`
	Status     int       `json:"status"`              // 0: the caller went away before there was one
	DurationMS float64   `json:"durationMs"`          // until it was answered
	Container  string    `json:"container,omitempty"` // of the task that got it; none if it did not get that far
	Task       string    `json:"task,omitempty"`      // id
	Stop       string    `json:"stop,omitempty"`      // where it stopped on its way to the service, and why
}

// How much of a path and of a task's id a person is shown.
const (
	shownPath = 200
	shownTask = 8
)

// String is a line for people.
func (e Entry) String() string {
	status, path := "-", e.Path
	if e.Status != 0 {
		status = fmt.Sprint(e.Status)
	}
	if len(path) > shownPath {
		path = path[:shownPath] + "…"
	}
	parts := []string{e.Method + " " + path, status, fmt.Sprintf("%.1f ms", e.DurationMS)}
	if e.Task != "" {
		parts = append(parts, e.Container+" task "+e.Task[:min(len(e.Task), shownTask)])
	}
	if e.Stop != "" {
		parts = append(parts, e.Stop)
	}
	return strings.Join(parts, "  ")
}

// observer writes an answer, and notes what becomes of the request.
type observer struct {
	http.ResponseWriter
	entry Entry
	way   *trace.Way
}

func observe(w http.ResponseWriter, r *http.Request) *observer {
	return &observer{w, Entry{Time: time.Now(), RequestID: requestID(), Method: r.Method, Path: r.URL.EscapedPath()}, &trace.Way{}}
}

// WriteHeader adds the id of the request to every answer, whoever gives it, as an HTTP API does. AWS does not document the
// header, but reserves its name:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
func (o *observer) WriteHeader(status int) {
	if status >= http.StatusOK { // not what goes before an answer, such as 103
		o.entry.Status = cmp.Or(o.entry.Status, status)
	}
	o.Header().Set("Apigw-Requestid", o.entry.RequestID)
	o.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController flush.
func (o *observer) Unwrap() http.ResponseWriter { return o.ResponseWriter }

func (o *observer) end() Entry {
	o.entry.DurationMS, o.entry.Stop = float64(time.Since(o.entry.Time).Microseconds())/1000, o.way.Where()
	if o.entry.Status == 0 {
		o.entry.Stop = "the caller went away"
	}
	return o.entry
}

// requestID makes an id as an HTTP API does: 16 characters, such as JKJaXmPLvHcESHA=.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html shows one.
func requestID() string {
	b := make([]byte, 11)
	rand.Read(b)
	return base64.URLEncoding.EncodeToString(b)
}
