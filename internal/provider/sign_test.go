package provider

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// pathedWire has a path of its own for each request.
type pathedWire struct{ plainWire }

func (pathedWire) PathFor(req *llm.Request) string {
	if req.Stream {
		return "/m/" + req.Model + ":stream" + req.Op + "?alt=sse"
	}
	return "/m/" + req.Model + ":plain" + req.Op
}

func TestPathsOfRequests(t *testing.T) {
	var got string
	rt := tripper(func(r *http.Request) (*http.Response, error) {
		got = r.URL.String()
		return nil, errors.New("no")
	})
	for _, c := range []struct {
		base string
		req  llm.Request
		want string
	}{
		{"http://h.example/v1", llm.Request{Model: "a"}, "http://h.example/v1/m/a:plain"},
		{"http://h.example", llm.Request{Model: "a%2F..%2Fb", Stream: true}, "http://h.example/m/a%2F..%2Fb:stream?alt=sse"},
		{"http://h.example/v1/?tenant=x", llm.Request{Model: "a", Stream: true, Op: "/count"}, "http://h.example/v1/m/a:stream/count?tenant=x&alt=sse"},
	} {
		cl := client(t, rt, func(cfg *Config) { cfg.BaseURL, cfg.Wire = c.base, pathedWire{} })
		for range cl.Generate(t.Context(), &c.req) { // the error is known
		}
		if got != c.want {
			t.Errorf("sent to %s, want %s", got, c.want)
		}
	}
}

func TestSign(t *testing.T) {
	var got []http.Header
	rt := tripper(func(r *http.Request) (*http.Response, error) {
		got = append(got, r.Header)
		return nil, errors.New("no")
	})
	n := byte('0')
	c := client(t, rt, func(cfg *Config) {
		cfg.Sign = func(r *http.Request, body []byte) error {
			n++
			r.Header.Set("X-Signature", string(body)+string(n)+r.URL.Path)
			return nil
		}
	})
	for range 2 {
		for range c.Generate(t.Context(), &llm.Request{Model: "m"}) { // the error is known
		}
	}
	if len(got) != 2 || got[0].Get("X-Signature") != "m1/v1/p" || got[1].Get("X-Signature") != "m2/v1/p" || got[1].Get("Content-Type") == "" {
		t.Errorf("sent %v", got)
	}
}

func TestNoCredentials(t *testing.T) {
	rt := tripper(func(*http.Request) (*http.Response, error) {
		t.Error("it was sent")
		return nil, errors.New("no")
	})
	sign := func(err error) func(*Config) {
		return func(cfg *Config) { cfg.Sign = func(*http.Request, []byte) error { return err } }
	}
	for _, c := range []struct {
		err   error
		kind  fault.Kind
		words string
	}{
		{errors.New("sk-very-secret is not taken"), fault.Credentials, "provider acme cannot be asked: the gateway has no credentials"},
		{&fault.Error{Kind: fault.Unavailable, Message: "log in again"}, fault.Unavailable, "log in again"},
	} {
		for _, err := range client(t, rt, sign(c.err)).Generate(t.Context(), &llm.Request{Model: "m"}) {
			want(t, err, c.kind, c.words)
		}
	}
	synctest.Test(t, func(t *testing.T) { // the wait for credentials is a part of the wait for the reply
		cl := client(t, rt, limits(Timeouts{FirstByte: time.Second}), func(cfg *Config) {
			cfg.Sign = func(r *http.Request, _ []byte) error {
				<-r.Context().Done()
				return context.Cause(r.Context())
			}
		})
		for _, err := range cl.Generate(t.Context(), &llm.Request{Model: "m"}) {
			want(t, err, fault.Timeout, "within 1s (timeouts.first_byte)")
		}
	})
}

// namelessWire has no names for errors in their bodies.
type namelessWire struct{ plainWire }

func (namelessWire) ReadError(status int, body []byte) error {
	return &fault.Error{Kind: fault.Refused, Status: status, Message: string(body)}
}

func TestNamesOfErrorsInHeaders(t *testing.T) {
	rt := tripper(func(*http.Request) (*http.Response, error) {
		h := http.Header{"X-Error": {"SlowDown:http://internal.example/"}}
		return &http.Response{StatusCode: 429, Header: h, Body: io.NopCloser(strings.NewReader("slow down"))}, nil
	})
	c := client(t, rt, func(cfg *Config) { cfg.Wire, cfg.CodeIn = namelessWire{}, "X-Error" })
	for _, err := range c.Generate(t.Context(), &llm.Request{Model: "m"}) {
		want(t, err, fault.Refused, "slow down")
		if f := fault.From(err); f.Code != "SlowDown" {
			t.Errorf("the error is called %q", f.Code)
		}
	}
}
