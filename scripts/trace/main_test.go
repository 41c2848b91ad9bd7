package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"private-api/trace"
)

// small is a set whose API takes no request but GET /books, which has no integration.
func small(context.Context, string) (*trace.Set, error) {
	s := &trace.Set{Stack: "prod", Region: "us-west-2", ReadAt: time.Unix(0, 0)}
	s.Put(trace.Resource{Type: "aws:apigatewayv2/api:Api", ID: "abc", Name: "consumer", Outputs: trace.Values{"apiEndpoint": "https://abc.execute-api.us-west-2.amazonaws.com"}})
	s.Put(trace.Resource{Type: "aws:apigatewayv2/stage:Stage", ID: "$default", Outputs: trace.Values{"apiId": "abc", "name": "$default", "autoDeploy": true}})
	s.Put(trace.Resource{Type: "aws:apigatewayv2/route:Route", ID: "r", Outputs: trace.Values{"apiId": "abc", "routeKey": "GET /books", "target": "integrations/i"}})
	s.Put(trace.Resource{Type: trace.UnknownType, ID: "u", Outputs: trace.Values{"of": "aws:apigatewayv2/integration:Integration", "id": "i", "name": "integration i", "reason": "access denied"}})
	return s, nil
}

func TestRun(t *testing.T) {
	refused := func(context.Context, string) (*trace.Set, error) { return nil, errors.New("no credentials") }
	for _, test := range []struct {
		args string // parts between |
		read func(context.Context, string) (*trace.Set, error)
		code int
		want string // in what is printed, or the error
	}{
		{"-request|/films", small, stops, "stops: no route of the API takes GET /films"},
		{"-request|POST /books", small, stops, "stops: no route of the API takes POST /books"},
		{"-request|/books", small, unknown, "unknown from here: integration i could not be read: access denied"},
		{"-symptom|404|-request|/films", small, stops, "failed   a route takes the request"},
		{"-symptom|503|-request|/books", small, unknown, "unknown  the integration is there"},
		{"-request|/books", refused, unknown, "no credentials"},
		{"-from|book|-to|author", small, unknown, `service "book": there is none`},
		{"", refused, unknown, "one of these is needed: REQUEST="},
		{"-from|book", refused, unknown, "FROM and TO name a service each"},
		{"-from|book|-to|author|-request|/", refused, unknown, "one of these is needed: REQUEST="},
		{"-request|books", refused, unknown, `path "books": it begins with /`},
		{"-request|post /books", refused, unknown, `method "post": it has capital letters alone`},
		{"-request|GET /books/a b", refused, unknown, `path "/books/a b": it begins with /`},
		{"-request|http://a/", refused, unknown, `path "http://a/": it begins with /`},
		{"-symptom|418", refused, unknown, `SYMPTOM=418: it is one of 401, 403`},
		{"-request|/|more", refused, unknown, `trace takes no arguments, not ["more"]`},
		{"-no", refused, unknown, "flag provided but not defined"},
	} {
		var out bytes.Buffer
		args := strings.Split("-stack|prod|"+test.args, "|")
		if test.args == "" {
			args = args[:2]
		}
		code, err := run(context.Background(), args, &out, &out, test.read)
		if text := out.String(); code != test.code || !strings.Contains(text+errorText(err), test.want) {
			t.Errorf("%s: code %d, want %d\n%s%v", test.args, code, test.code, text, err)
		}
	}
	var out, messages bytes.Buffer
	code, err := run(context.Background(), []string{"-stack", "prod", "-json", "-request", "/films"}, &out, &messages, small)
	var answer struct {
		Arrives bool
		Stop    struct{ Status int }
	}
	if err = errors.Join(err, json.Unmarshal(out.Bytes(), &answer)); err != nil || code != stops || answer.Arrives || answer.Stop.Status != 404 {
		t.Errorf("code %d, %v: %s", code, err, &out)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
