package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// handler knows every path there is and every answer it can give: a request only chooses.
type handler struct {
	log      *slog.Logger
	draining atomic.Bool

	pages                            map[string]*page
	health                           *page
	unhealthy, notFound, wrongMethod *answer
}

// page is what a path answers.
type page struct {
	found       *answer
	notModified *answer // nil if the page has no ETag
	etag        string  // without the quotes
}

// answer is rendered at start.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// newHandler renders the service's answers. All routes are here: the list, each object by its id, the health, each with
// and without a slash at the end. Paths are compared exactly, as the load balancer's rules do: letter case counts.
func newHandler(s Service, version string, log *slog.Logger) (*handler, error) {
	ids, objects, err := parseList(s.List)
	if err != nil {
		return nil, fmt.Errorf("the list of %s: %w", s.Path, err)
	}
	health := func(status int, word string) *answer {
		a := newAnswer(status, marshal(map[string]string{"status": word, "service": s.Name, "version": version}))
		a.header.Set("Cache-Control", "no-store")
		return a
	}
	h := &handler{
		log:         log,
		pages:       map[string]*page{},
		health:      &page{found: health(http.StatusOK, "ok")},
		unhealthy:   health(http.StatusServiceUnavailable, "draining"),
		notFound:    newAnswer(http.StatusNotFound, marshal(map[string]string{"error": "not found"})),
		wrongMethod: newAnswer(http.StatusMethodNotAllowed, marshal(map[string]string{"error": "method not allowed"})),
	}
	h.wrongMethod.header.Set("Allow", "GET, HEAD")

	route := func(path string, p *page) {
		for _, path := range []string{path, path + "/"} {
			if h.pages[path] != nil {
				err = fmt.Errorf("two answers for %s", path)
			}
			h.pages[path] = p
		}
	}
	route(s.Path, newPage(compact(s.List)))
	route(s.Path+"/health", h.health)
	for i, id := range ids {
		route(s.Path+"/"+id, newPage(compact(objects[i])))
	}
	return h, err
}

// parseList returns the objects of a JSON array and their ids as they are written in a path.
func parseList(list []byte) (ids []string, objects []json.RawMessage, err error) {
	if err := json.Unmarshal(list, &objects); err != nil {
		return nil, nil, err
	}
	if objects == nil {
		return nil, nil, fmt.Errorf("null is not an array")
	}
	for i, object := range objects {
		var key struct{ ID any }
		decoder := json.NewDecoder(bytes.NewReader(object))
		decoder.UseNumber() // the id as the data write it, not as a float prints it
		if err := decoder.Decode(&key); err != nil {
			return nil, nil, fmt.Errorf("element %d: %w", i, err)
		}
		switch id := key.ID.(type) {
		case string:
			ids = append(ids, id)
		case json.Number:
			ids = append(ids, id.String())
		default:
			return nil, nil, fmt.Errorf("element %d: its id is neither a number nor a string", i)
		}
	}
	return ids, objects, nil
}

func newPage(body []byte) *page {
	found := newAnswer(http.StatusOK, body)
	notModified := newAnswer(http.StatusNotModified, nil)
	etag := fmt.Sprintf("%x", sha256.Sum256(body))[:32]
	for _, a := range []*answer{found, notModified} {
		a.header.Set("ETag", `"`+etag+`"`)
	}
	return &page{found, notModified, etag}
}

func newAnswer(status int, body []byte) *answer {
	header := http.Header{"X-Content-Type-Options": {"nosniff"}}
	if body != nil {
		header.Set("Content-Type", "application/json")
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	return &answer{status, header, body}
}

// drain makes the health 503 from now on, and every answer the last on its connection.
func (h *handler) drain() { h.draining.Store(true) }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	page := h.pages[r.URL.Path]
	answer := h.choose(r, page)
	maps.Copy(w.Header(), answer.header)
	if h.draining.Load() {
		// Open connections end with an answer, never between two: a request sent just then would be lost.
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(answer.status)
	written := 0
	if r.Method != http.MethodHead && len(answer.body) > 0 {
		written, _ = w.Write(answer.body) // a caller that has gone is no fault; the log says how much it got
	}

	level := slog.LevelInfo
	if page == h.health {
		level = slog.LevelDebug
	}
	if h.log.Enabled(context.Background(), level) {
		logRequest(h.log, level, r, answer.status, written, time.Since(start))
	}
}

func (h *handler) choose(r *http.Request, p *page) *answer {
	switch {
	case p == nil:
		return h.notFound
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return h.wrongMethod
	case p == h.health && h.draining.Load():
		return h.unhealthy
	case p.notModified != nil && matches(r.Header["If-None-Match"], p.etag):
		return p.notModified
	}
	return p.found
}

// matches tells whether an If-None-Match field, in one line or several, names etag or is "*". The comparison is weak
// (RFC 9110, section 13.1.2).
func matches(lines []string, etag string) bool {
	for _, rest := range lines {
		if strings.Trim(rest, " \t") == "*" {
			return true
		}
		for {
			rest = strings.TrimPrefix(strings.TrimLeft(rest, " \t,"), "W/")
			if !strings.HasPrefix(rest, `"`) {
				break
			}
			tag, after, closed := strings.Cut(rest[1:], `"`)
			if closed && tag == etag {
				return true
			}
			rest = after
		}
	}
	return false
}

// compact removes the space between tokens: order, numbers and strings stay as they are written.
func compact(valid []byte) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, valid); err != nil {
		panic(err) // parseList has accepted it
	}
	return b.Bytes()
}

func marshal(v map[string]string) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings always marshal
	}
	return body
}
