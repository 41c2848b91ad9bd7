package main

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"private-api/local/internal/mocked"
)

// A domain comes and goes, and with it HTTPS to the load balancer, while requests are sent. None is lost, and no service is
// touched.
func TestDomainComesAndGoesUnderLoad(t *testing.T) {
	s := prepare(t, nil)
	s.begin(t, "-config", "integrationTimeoutSeconds=1", "-config", "bastion=false")
	s.await(t)
	processes := s.processes()
	for _, test := range []struct {
		domain, listener, shown string
		status                  int // of a request to the domain's name
	}{
		{`{"name":"api.example.com","zone":"example.com"}`, "producer-https", "curl -H 'Host: api.example.com' " + s.url + "/api/books\n", 200},
		{`{"name":"www.example.com","zone":"example.com"}`, "producer-https", "curl -H 'Host: www.example.com' " + s.url + "/api/books\n", 403},
		{`{}`, "producer", "curl " + s.url + "/api/books\n", 200}, // every name is the execute-api endpoint's again
	} {
		if err := s.engine.Configure(context.Background(), map[string]string{"domain": test.domain}); err != nil {
			t.Fatal(err)
		}
		var text string
		sent, failed := mocked.Load(s.url+"/api/books", func() { text = s.up(t, "Press Enter") })
		if len(failed) > 0 || sent < 100 {
			t.Errorf("%s: %d of %d requests failed, want none of at least 100: %q", test.domain, len(failed), sent, failed[:min(5, len(failed))])
		}
		if !strings.Contains(text, test.shown) {
			t.Errorf("%s: no %q in\n%s", test.domain, test.shown, text)
		}
		if all := s.engine.Set.Of("aws:lb/listener:Listener"); len(all) != 1 || all[0].Name != test.listener {
			t.Errorf("%s: listeners %v", test.domain, all)
		}
		if after := s.processes(); !slices.Equal(after, processes) {
			t.Errorf("%s: processes %v, were %v", test.domain, after, processes)
		}
		request, err := http.NewRequest("GET", s.url+"/api/books", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "api.example.com"
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != test.status {
			t.Errorf("%s: api.example.com answers %s, want %d", test.domain, response.Status, test.status)
		}
	}
}

// processes returns those that run services.
func (s *session) processes() []int { return slices.Sorted(slices.Values(s.engine.Runner.Processes())) }
