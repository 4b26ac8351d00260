package provider

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/h1"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/secret"
)

// plainWire sends the model's name and yields what it reads as texts, one a read. The byte '.' ends the reply.
type plainWire struct{}

func (plainWire) Name() string { return "plain" }
func (plainWire) Path() string { return "/p" }

func (plainWire) AppendRequest(dst []byte, req *llm.Request) ([]byte, error) {
	if req.Model == "" {
		return nil, fault.Invalidf("model", "is missing")
	}
	return append(dst, req.Model...), nil
}

func (plainWire) ReadReply(_ *llm.Request, _ string, body io.Reader) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		var buf [64]byte
		for {
			n, err := body.Read(buf[:])
			if n > 0 && buf[n-1] == '.' {
				yield(llm.Event{Kind: llm.End}, nil)
				return
			}
			if n > 0 && !yield(llm.Event{Kind: llm.Text, Text: string(buf[:n])}, nil) {
				return
			}
			if err != nil {
				yield(llm.Event{}, fmt.Errorf("no end: %w", err))
				return
			}
		}
	}
}

func (plainWire) ReadError(status int, body []byte) error {
	return &fault.Error{Kind: fault.Refused, Status: status, Message: string(body)}
}

// tripper is a function used as a transport.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// send reads the request's body, as every transport does, and answers with body. The request's end ends the body.
func send(body io.ReadCloser) tripper {
	return func(r *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
		if p, ok := body.(*io.PipeReader); ok {
			context.AfterFunc(r.Context(), func() { _ = p.CloseWithError(r.Context().Err()) })
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body}, nil
	}
}

func client(t *testing.T, rt http.RoundTripper, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{Name: "acme", BaseURL: "http://h.example/v1", Key: secret.New("sk-very-secret"), Wire: plainWire{}, Transport: rt}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func limits(l Timeouts) func(*Config) { return func(c *Config) { c.Timeouts = l } }

// drink ranges to the end.
func drink(ctx context.Context, c *Client) (text string, err error) {
	for ev, e := range c.Generate(ctx, &llm.Request{Model: "m", Stream: true}) {
		text += ev.Text
		if e != nil {
			err = e
		}
	}
	return text, err
}

func want(t *testing.T, err error, kind fault.Kind, words string) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind != kind || !strings.Contains(f.Message, words) || f.Provider != "acme" {
		t.Errorf("error %T %v, want kind %v with %q of acme", err, err, kind, words)
	}
}

func TestWatch(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits Timeouts
		gaps   []time.Duration // before each piece of the body; then nothing comes
		took   time.Duration   // until the error
		words  string
	}{
		{"nothing at all", Timeouts{FirstByte: time.Minute, BetweenEvents: time.Second}, nil, time.Minute, "sent no byte of its reply within 1m0s (timeouts.first_byte)"},
		{"first byte in time", Timeouts{FirstByte: time.Minute, BetweenEvents: time.Second}, []time.Duration{59 * time.Second}, 60 * time.Second, "sent nothing more of its reply within 1s (timeouts.between_events)"},
		{"steady", Timeouts{FirstByte: time.Second, BetweenEvents: 10 * time.Second}, []time.Duration{0, 9 * time.Second, 9 * time.Second, 9 * time.Second}, 37 * time.Second, "timeouts.between_events"},
		{"uneven", Timeouts{FirstByte: time.Second, BetweenEvents: 10 * time.Second}, []time.Duration{0, time.Second, 9 * time.Second, 5 * time.Second}, 25 * time.Second, "timeouts.between_events"},
		{"no limit between", Timeouts{FirstByte: time.Second}, []time.Duration{0, time.Hour}, 48 * time.Hour, "the time for the whole request"},
		{"no limit before", Timeouts{BetweenEvents: time.Second}, []time.Duration{time.Hour}, time.Hour + time.Second, "timeouts.between_events"},
		{"no limits", Timeouts{}, nil, 48 * time.Hour, "the time for the whole request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, w := io.Pipe()
				go func() {
					for _, gap := range c.gaps {
						time.Sleep(gap)
						_, _ = w.Write([]byte("x"))
					}
				}()
				ctx, cancel := context.WithTimeout(t.Context(), 48*time.Hour)
				defer cancel()
				began := time.Now()
				text, err := drink(ctx, client(t, send(r), limits(c.limits)))
				want(t, err, fault.Timeout, c.words)
				if took := time.Since(began); took != c.took || text != strings.Repeat("x", len(c.gaps)) {
					t.Errorf("after %v and %q, want %v and %d pieces", took, text, c.took, len(c.gaps))
				}
			})
		})
	}
}

func TestCallersTimeDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		go func() {
			for _, s := range []string{"a", "b", "."} {
				_, _ = w.Write([]byte(s))
			}
			_ = w.Close()
		}()
		c := client(t, send(r), limits(Timeouts{FirstByte: time.Second, BetweenEvents: time.Second}))
		text := ""
		for ev, err := range c.Generate(t.Context(), &llm.Request{Model: "m", Stream: true}) {
			if err != nil {
				t.Fatal(err)
			}
			text += ev.Text
			time.Sleep(time.Hour)
		}
		if text != "ab" {
			t.Errorf("text %q", text)
		}
	})
}

func TestReplyThatEndsButStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		go func() { _, _ = w.Write([]byte(".")) }()
		began := time.Now()
		if _, err := drink(t.Context(), client(t, send(r))); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the reply had ended, and the range went on for %v", took)
		}
	})
}

func TestEndOfTheContext(t *testing.T) {
	mine := &fault.Error{Kind: fault.Timeout, Code: "mine", Message: "the loop's time is over"}
	for _, c := range []struct {
		name  string
		cause error
		kind  fault.Kind
		words string
	}{
		{"client leaves", nil, fault.Canceled, "the client has left"},
		{"somebody's own fault", mine, fault.Timeout, "the loop's time is over"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _ := io.Pipe()
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(c.cause) })
				_, err := drink(ctx, client(t, send(r), limits(Timeouts{FirstByte: time.Hour})))
				want(t, err, c.kind, c.words)
			})
		})
	}
}

func TestNoConnection(t *testing.T) {
	refused := errors.New("connection refused")
	for _, c := range []struct {
		name  string
		err   error
		kind  fault.Kind
		words string
	}{
		{"refused", &net.OpError{Op: "dial", Err: refused}, fault.Upstream, "cannot be reached"},
		{"refused, h1", &h1.Error{Phase: h1.Dial, Err: &net.OpError{Op: "dial", Err: refused}}, fault.Upstream, "cannot be reached"},
		{"no such host", &net.DNSError{Err: "no such host", Name: "h.example"}, fault.Upstream, "cannot be reached"},
		{"no TLS", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, fault.Upstream, "cannot be reached"},
		{"certificate", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, fault.Upstream, "certificate"},
		{"connect timeout", &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, fault.Timeout, "within 3s (timeouts.connect)"},
		{"connect timeout, h1", &h1.Error{Phase: h1.Dial, Err: context.DeadlineExceeded}, fault.Timeout, "within 3s (timeouts.connect)"},
		{"lost", &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, fault.Upstream, "broke off before its reply began"},
		{"lost after long silence", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, fault.Upstream, "broke off before its reply began"},
		{"refused by the transport", &fault.Error{Kind: fault.Forbidden, Message: "the address is not allowed"}, fault.Forbidden, "not allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rt := tripper(func(*http.Request) (*http.Response, error) { return nil, c.err })
			_, err := drink(t.Context(), client(t, rt, limits(Timeouts{Connect: 3 * time.Second})))
			want(t, err, c.kind, c.words)
			if !errors.Is(err, c.err) && c.kind != fault.Forbidden {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
}

func TestSecretsAreTakenOut(t *testing.T) {
	rt := tripper(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("Bearer sk-very-secret, hidden-in-a-header")
	})
	_, err := drink(t.Context(), client(t, rt, func(c *Config) { c.Headers = map[string]string{"x-auth": "Token hidden-in-a-header"} }))
	for _, s := range []string{"sk-very-secret", "hidden-in-a-header"} {
		if strings.Contains(err.Error(), s) {
			t.Errorf("the log would show a secret: %v", err)
		}
	}
}

func TestRequestThatCannotBeWritten(t *testing.T) {
	rt := tripper(func(*http.Request) (*http.Response, error) {
		t.Error("it was sent")
		return nil, io.EOF
	})
	for _, err := range client(t, rt).Generate(t.Context(), &llm.Request{}) {
		want(t, err, fault.Invalid, "is missing")
	}
}

func TestReplyTooLarge(t *testing.T) {
	for _, c := range []struct {
		body string
		ok   bool
	}{{"12345678.", true}, {strings.Repeat("x", 10) + ".", false}, {strings.Repeat("x", 1000), false}} {
		rt := tripper(func(r *http.Request) (*http.Response, error) {
			_ = r.Body.Close()
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(c.body))}, nil
		})
		_, err := drink(t.Context(), client(t, rt, func(c *Config) { c.MaxReply = 10 }))
		if c.ok && err != nil {
			t.Errorf("%q: %v", c.body, err)
		}
		if !c.ok {
			want(t, err, fault.Upstream, "larger than the gateway takes")
		}
	}
}

func TestHeaders(t *testing.T) {
	var got []*http.Request
	rt := tripper(func(r *http.Request) (*http.Response, error) {
		got = append(got, r)
		return send(io.NopCloser(strings.NewReader(".")))(r)
	})
	c := client(t, rt, func(c *Config) { c.Headers = map[string]string{"x-team": "a"} })
	ctx := obs.With(t.Context(), &obs.Call{Traceparent: "00-1-2-01", Tracestate: "v=1", TraceID: "t-1"})
	for _, ctx := range []context.Context{t.Context(), ctx, t.Context()} {
		if _, err := drink(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	for i, traced := range []bool{false, true, false} {
		h := got[i].Header
		if h.Get("Authorization") != "Bearer sk-very-secret" || h.Get("X-Team") != "a" || h.Get("Content-Type") != "application/json" ||
			h.Get("Accept") != "text/event-stream" || h.Get("User-Agent") != "fairlead" {
			t.Errorf("request %d: %v", i, h)
		}
		if (h.Get("Traceparent") == "00-1-2-01") != traced || (h.Get("Tracestate") == "v=1") != traced || (h.Get("X-Litellm-Trace-Id") == "t-1") != traced {
			t.Errorf("request %d: trace %v", i, h)
		}
	}
}

// TestHeadersOfTheClientsRequest wants the client's headers over the defaults and under what is configured, at its own wire
// alone; and what is asked beside a reply below the wire's path.
func TestHeadersOfTheClientsRequest(t *testing.T) {
	var got *http.Request
	rt := tripper(func(r *http.Request) (*http.Response, error) {
		got = r
		return nil, errors.New("no")
	})
	c := client(t, rt, func(c *Config) {
		c.BaseURL += "?tenant=a"
		c.Headers = map[string]string{"x-team": "a"}
		c.Defaults = map[string]string{"x-version": "1", "x-team": "none"}
	})
	ask := func(req llm.Request) {
		req.Model = "m"
		for range c.Generate(t.Context(), &req) {
		}
	}
	own := []llm.Header{{Name: "X-Version", Value: "2"}, {Name: "x-team", Value: "b"}, {Name: "x-beta", Value: "c"}, {Name: "Authorization", Value: "d"}, {Name: "Content-Type", Value: "e"}, {Name: "x y", Value: "f"}, {Name: "x-bad", Value: "\n"}}
	for _, tt := range []struct {
		req                           llm.Request
		version, team, beta, url, typ string
	}{
		{llm.Request{Headers: own, Raw: llm.Frame{Wire: "plain"}, Op: "/count"}, "2", "a", "c", "/p/count?tenant=a", "application/json"},
		{llm.Request{Headers: own, Raw: llm.Frame{Wire: "other"}}, "1", "a", "", "/p?tenant=a", "application/json"},
		{llm.Request{}, "1", "a", "", "/p?tenant=a", "application/json"},
	} {
		ask(tt.req)
		h := got.Header
		if h.Get("X-Version") != tt.version || h.Get("X-Team") != tt.team || h.Get("X-Beta") != tt.beta || h.Get("Authorization") == "d" ||
			h.Get("Content-Type") != tt.typ || h.Get("X-Bad") != "" || h["X Y"] != nil || !strings.HasSuffix(got.URL.String(), tt.url) {
			t.Errorf("%v to %s", h, got.URL)
		}
	}
}

// TestHeadersThatEndHere wants nothing at the vendor that says who asks the gateway, or that is about that connection.
func TestHeadersThatEndHere(t *testing.T) {
	var got *http.Request
	c := client(t, tripper(func(r *http.Request) (*http.Response, error) {
		got = r
		return nil, errors.New("no")
	}), func(c *Config) { c.Auth = "x-api-key" })
	own := []llm.Header{{Name: "x-beta", Value: "b"}}
	for _, name := range []string{"X-API-Key", "api-key", "authorization", "Connection", "Proxy-Authorization", "cookie", "X-Forwarded-For", "accept", "user-agent"} {
		own = append(own, llm.Header{Name: name, Value: "theirs"})
	}
	for range c.Generate(t.Context(), &llm.Request{Model: "m", Headers: own, Raw: llm.Frame{Wire: "plain"}}) {
	}
	for name, values := range got.Header {
		if slices.Contains(values, "theirs") {
			t.Errorf("%s was sent", name)
		}
	}
	if got.Header.Get("X-Beta") != "b" || got.Header.Get("X-Api-Key") != "sk-very-secret" {
		t.Errorf("sent %v", got.Header)
	}
}

// TestBufferIsNotShared has a transport that goes on reading the request's body after it has answered, while other
// requests are made: it must never see their bytes.
func TestBufferIsNotShared(t *testing.T) {
	var readers sync.WaitGroup
	rt := tripper(func(r *http.Request) (*http.Response, error) {
		body, n := r.Body, r.ContentLength
		readers.Go(func() {
			b, err := io.ReadAll(body)
			if err == nil && (int64(len(b)) != n || bytes.Count(b, b[:1]) != len(b)) {
				t.Errorf("a request of %d bytes was read as %.40q", n, b)
			}
			_ = body.Close()
		})
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("."))}, nil
	})
	c := client(t, rt)
	var askers sync.WaitGroup
	for i := range 8 {
		askers.Go(func() {
			for range 50 {
				for _, err := range c.Generate(t.Context(), &llm.Request{Model: strings.Repeat(string(rune('a'+i)), 100*(i+1))}) {
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	askers.Wait()
	readers.Wait()
}

// TestStreamsKeepNoRequest has streams that go on while others begin. What was sent for them must not stay in memory, also
// with a transport that closes a request's body only when its reply has ended.
func TestStreamsKeepNoRequest(t *testing.T) {
	const streams, size = 32, 512 << 10
	req := &llm.Request{Model: strings.Repeat("m", size), Stream: true}
	for name, shut := range map[string]bool{"closed when sent": true, "closed with its reply": false} {
		t.Run(name, func(t *testing.T) {
			c := client(t, tripper(func(r *http.Request) (*http.Response, error) {
				if n, err := io.Copy(io.Discard, struct{ io.Reader }{r.Body}); n != size || err != nil {
					t.Errorf("sent %d bytes, error %v", n, err)
				}
				if shut {
					_ = r.Body.Close()
				}
				body := io.NopCloser(io.MultiReader(strings.NewReader("x"), strings.NewReader(".")))
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body}, nil
			}))
			before := held()
			for range streams {
				next, stop := iter.Pull2(c.Generate(t.Context(), req))
				defer stop()
				if ev, err, _ := next(); ev.Text != "x" || err != nil {
					t.Fatalf("%v, error %v", ev, err)
				}
			}
			if kept := int64(held() - before); kept > streams*size/4 {
				t.Errorf("%d streams of requests of %d KiB keep %d KiB", streams, size>>10, kept>>10)
			}
		})
	}
}

// held is what is in memory, without what pools have to spare.
func held() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestAllocations holds the price of a request: what the client itself allocates around a transport and a wire.
func TestAllocations(t *testing.T) {
	reply := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}}
	body := strings.NewReader("")
	reply.Body = io.NopCloser(body)
	rt := tripper(func(r *http.Request) (*http.Response, error) {
		_, _ = r.Body.(io.WriterTo).WriteTo(io.Discard)
		_ = r.Body.Close()
		body.Reset("x.")
		return reply, nil
	})
	c := client(t, rt, limits(Timeouts{FirstByte: time.Minute, BetweenEvents: time.Minute}))
	req := &llm.Request{Model: "m", Stream: true}
	n := testing.AllocsPerRun(100, func() {
		for _, err := range c.Generate(context.Background(), req) {
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Logf("%v allocations", n)
	if n > 20 {
		t.Errorf("a request costs %v allocations", n)
	}
}

// TestWhoRefused: a refusal that the config is behind says who has refused, and what to look at; others are as they came.
func TestWhoRefused(t *testing.T) {
	for status, want := range map[int]string{
		401: `No such key (provider acme: it does not take the gateway's credentials: look at the model's "api_key" and "base_url")`,
		403: `No such key (provider acme: look at what the gateway's credentials for it may do)`,
		404: `No such key (provider acme: look at the model's "model" and "base_url", and at "region" where it has one)`,
		400: "No such key.", 429: "No such key.", 503: "No such key.",
	} {
		rt := tripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("No such key."))}, nil
		})
		for _, err := range client(t, rt).Generate(t.Context(), &llm.Request{Model: "m"}) {
			if f := fault.From(err); f.Message != want || f.HTTPStatus() != status {
				t.Errorf("status %d: %s", f.HTTPStatus(), f.Message)
			}
		}
	}
}
