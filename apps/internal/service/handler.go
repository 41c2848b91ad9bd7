package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
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
	etag        string
}

// answer is rendered at start.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// newHandler renders the service's answers.
func newHandler(s Service, version string, log *slog.Logger) (*handler, error) {
	health := func(status int, word string) *answer {
		body, _ := json.Marshal(map[string]string{"status": word, "service": s.Name, "version": version}) // strings always marshal
		a := newAnswer(status, body)
		a.header.Set("Cache-Control", "no-store")
		return a
	}
	h := &handler{
		log:         log,
		pages:       map[string]*page{},
		health:      &page{found: health(http.StatusOK, "ok")},
		unhealthy:   health(http.StatusServiceUnavailable, "draining"),
		notFound:    newAnswer(http.StatusNotFound, []byte(`{"error":"not found"}`)),
		wrongMethod: newAnswer(http.StatusMethodNotAllowed, []byte(`{"error":"method not allowed"}`)),
	}
	h.wrongMethod.header.Set("Allow", "GET, HEAD")
	if err := h.addPages(s); err != nil {
		return nil, fmt.Errorf("the list of %s: %w", s.Path, err)
	}
	return h, nil
}

// addPages adds the list, the health, and each object by its id, all with and without a slash at the end. Paths are
// compared exactly, as the load balancer's rules do: letter case counts.
func (h *handler) addPages(s Service) error {
	var list bytes.Buffer // without space between tokens; order, numbers and strings stay as they are written
	if err := json.Compact(&list, s.List); err != nil {
		return err
	}
	var objects []json.RawMessage
	if err := json.Unmarshal(list.Bytes(), &objects); err != nil {
		return err
	}
	if objects == nil {
		return errors.New("null is not an array")
	}
	var err error
	add := func(path string, p *page) {
		for _, path := range []string{path, path + "/"} {
			if h.pages[path] != nil {
				err = fmt.Errorf("two answers for %s", path)
			}
			h.pages[path] = p
		}
	}
	add(s.Path, newPage(list.Bytes()))
	add(s.Path+"/health", h.health)
	for i, object := range objects {
		id, err := idOf(object)
		if err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
		add(s.Path+"/"+id, newPage(object))
	}
	return err
}

// idOf returns an object's id as it is written in a path.
func idOf(object []byte) (string, error) {
	var key struct{ ID any }
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber() // the id as the data write it, not as a float prints it
	if err := decoder.Decode(&key); err != nil {
		return "", err
	}
	switch key.ID.(type) {
	case string, json.Number:
		return fmt.Sprint(key.ID), nil
	}
	return "", errors.New("its id is neither a number nor a string")
}

func newPage(body []byte) *page {
	etag := fmt.Sprintf(`"%.16x"`, sha256.Sum256(body))
	p := &page{newAnswer(http.StatusOK, body), newAnswer(http.StatusNotModified, nil), etag}
	p.found.header.Set("ETag", etag)
	p.notModified.header.Set("ETag", etag)
	return p
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
	id := requestID(r)
	maps.Copy(w.Header(), answer.header)
	w.Header()[requestIDHeader] = id
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
		logRequest(h.log, level, r, id[0], answer.status, written, time.Since(start))
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

// matches reports whether If-None-Match names etag, weak or not, or is "*" (RFC 9110, section 13.1.2).
func matches(lines []string, etag string) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		before, _, found := strings.Cut(line, etag)
		before = strings.TrimSuffix(before, "W/")
		separated := strings.LastIndexAny(before, " \t,") == len(before)-1 // or at the begin of the line
		return found && separated || strings.Trim(line, " \t") == "*"
	})
}
