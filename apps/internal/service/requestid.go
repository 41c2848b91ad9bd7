package service

import (
	"crypto/rand"
	"net/http"
	"strings"
)

// requestIDHeader is how the id of a request comes and goes. The API sets it to its own, whatever its caller sent.
const requestIDHeader = "X-Request-Id"

// maxRequestID is the longest id that is taken, in bytes; those of an HTTP API have 16.
const maxRequestID = 128

// requestID returns the value of requestIDHeader for the answer: that of the request, or a new id where there is none, more
// than one, or one that could mean something else to whatever reads it.
func requestID(r *http.Request) []string {
	given := r.Header[requestIDHeader]
	if len(given) == 1 && given[0] != "" && len(given[0]) <= maxRequestID && !strings.ContainsFunc(given[0], notInID) {
		return given
	}
	return []string{rand.Text()}
}

// notInID tells whether a character is none of those of base64, of its form for URLs, and of a UUID.
func notInID(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("-_+/=", r)
}
