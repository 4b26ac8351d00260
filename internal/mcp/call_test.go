package mcp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
)

func TestArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("x")}
		c := newCatalogue(t, fakes{"a": f}, Options{}, webServer("a"))
		b := open(t, c, ask("fairlead"))
		for in, want := range map[string]string{
			"": `{}`, "  ": `{}`, "null": `{}`, `{}`: `{}`, `{"n":1.0,"n2":12345678901234567890}`: `{"n":1.0,"n2":12345678901234567890}`,
			"{\n \"a\": \"b\\n\" }": `{"a":"b\n"}`, ` {"a": 1} `: `{"a": 1}`,
		} {
			if res := run(t, b, "a-x", in); res.IsError {
				t.Errorf("%q: %s", in, res.Text)
			}
			if got := string(f.calls[len(f.calls)-1].Arguments); got != want {
				t.Errorf("%q arrived as %q, want %q", in, got, want)
			}
		}
		made := len(f.calls)
		for _, in := range []string{`[1]`, `"x"`, `1`, `true`, `{`, `{"a":}`, `{} {}`, `{"a":1}x`, `not json`, "{\"a\":\"\xff\"}"} {
			res := run(t, b, "a-x", in)
			if !res.IsError || res.Text != "Error: the arguments are not a JSON object; the tool was not called" || res.Server != "a" || res.Tool != "x" {
				t.Errorf("%q: %+v", in, res)
			}
		}
		if len(f.calls) != made {
			t.Error("a call was made with arguments that nobody wrote")
		}
	})
}

func TestCallCarriesTheTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("x")}
		s := webServer("a")
		s.ForwardHeaders = []string{"x-request-tag"}
		c := newCatalogue(t, fakes{"a": f}, Options{}, s)
		sel := ask("fairlead")
		sel.Header = header("X-Request-Tag", "blue")
		b := open(t, c, sel)
		ctx := obs.With(t.Context(), &obs.Call{Traceparent: "00-a-b-01", Tracestate: "v=1", TraceID: "t1"})
		res, err := b.Call(ctx, llm.Call{ID: "c1", Name: "a-x", Arguments: "{}"})
		if err != nil || res.CallID != "c1" || res.Name != "a-x" || res.Server != "a" || res.Tool != "x" {
			t.Errorf("%+v, %v", res, err)
		}
		call := f.calls[0]
		if diff := cmp.Diff(map[string]string{"traceparent": "00-a-b-01", "tracestate": "v=1"}, call.Meta); diff != "" {
			t.Error(diff)
		}
		want := map[string]string{"Traceparent": "00-a-b-01", "Tracestate": "v=1", "X-Litellm-Trace-Id": "t1", "X-Request-Tag": "blue"}
		if diff := cmp.Diff(want, flat(call.Headers)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestLostSession: which calls are made again when the session is lost under them, and what the model is told else.
func TestLostSession(t *testing.T) {
	lost := &LostError{Message: "the process exited with status 1"}
	unsent := &LostError{Message: "the session is not known any more", Unsent: true}
	const unknown = "Error: the connection to the MCP server a was lost while the tool ran (the process exited with status 1); it is not known whether the call took effect"
	tests := []struct {
		name     string
		tool     ToolDef
		failures []error
		calls    int
		text     string
	}{
		{"a writer", ToolDef{Name: "x"}, []error{lost}, 1, unknown},
		{"a reader", ToolDef{Name: "x", Hints: Hints{ReadOnly: true}}, []error{lost}, 2, "ok"},
		{"idempotent", ToolDef{Name: "x", Hints: Hints{Idempotent: true}}, []error{lost}, 2, "ok"},
		{"not begun", ToolDef{Name: "x"}, []error{unsent}, 2, "ok"},
		{"a reader, twice", ToolDef{Name: "x", Hints: Hints{ReadOnly: true}}, []error{lost, lost}, 2, "Error: the MCP server a: the process exited with status 1"},
		{"not begun, twice", ToolDef{Name: "x"}, []error{unsent, unsent}, 2, "Error: the MCP server a: the session is not known any more"},
		{"not begun, then lost", ToolDef{Name: "x"}, []error{unsent, lost}, 2, unknown},
		{"wrapped", ToolDef{Name: "x", Hints: Hints{ReadOnly: true}}, []error{fmt.Errorf("call: %w", lost)}, 2, "ok"},
		{"the server says no", ToolDef{Name: "x", Hints: Hints{ReadOnly: true}}, []error{&RPCError{Code: -32602, Message: "path is missing"}}, 1, "Error: path is missing"},
		{"something else", ToolDef{Name: "x", Hints: Hints{ReadOnly: true}}, []error{errors.New("read tcp 10.1.2.3:80: reset")}, 1, "Error: the MCP server a: the server could not be reached"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeServer{tools: []ToolDef{tt.tool}}
				left := tt.failures
				f.call = func(context.Context, ToolCall) ([]byte, error) {
					if len(left) == 0 {
						return []byte(`{"content":[{"type":"text","text":"ok"}]}`), nil
					}
					err := left[0]
					left = left[1:]
					if _, ok := errors.AsType[*LostError](err); ok {
						f.last().die()
					}
					return nil, err
				}
				c := newCatalogue(t, fakes{"a": f}, Options{}, webServer("a"))
				res := run(t, open(t, c, ask("fairlead")), "a-x", "{}")
				if _, _, calls := f.counts(); calls != tt.calls || res.Text != tt.text {
					t.Errorf("%d calls, %q; want %d, %q", calls, res.Text, tt.calls, tt.text)
				}
				if res.IsError != (tt.text != "ok") {
					t.Errorf("IsError = %v", res.IsError)
				}
			})
		})
	}
}

func TestLostServerThatDoesNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: []ToolDef{{Name: "x"}}}
		f.call = func(context.Context, ToolCall) ([]byte, error) {
			f.last().die()
			f.set(func() { f.dialErr = errors.New("dial tcp 10.1.2.3:80: refused") })
			return nil, &LostError{Message: "connection reset", Unsent: true}
		}
		c := newCatalogue(t, fakes{"a": f}, Options{}, webServer("a"))
		b := open(t, c, ask("fairlead"))
		for range 3 {
			if res := run(t, b, "a-x", "{}"); res.Text != "Error: the MCP server a: the server could not be reached" {
				t.Errorf("got %q", res.Text)
			}
		}
		wantCounts(t, f, 2, 1) // the failure is remembered for a while
	})
}

func TestCallTime(t *testing.T) {
	hang := func(ctx context.Context, _ ToolCall) ([]byte, error) {
		<-ctx.Done()
		return nil, fmt.Errorf("post http://10.1.2.3/a: %w", ctx.Err())
	}
	// steps says that it is alive every 20 seconds, and is done after a while.
	steps := func(n int) func(context.Context, ToolCall) ([]byte, error) {
		return func(ctx context.Context, c ToolCall) ([]byte, error) {
			for range n {
				select {
				case <-time.After(20 * time.Second):
					c.Progress()
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			return []byte(`{"content":[{"type":"text","text":"ok"}]}`), nil
		}
	}
	tests := []struct {
		name    string
		call    func(context.Context, ToolCall) ([]byte, error)
		timeout time.Duration // of the server
		wall    time.Duration // of the request
		took    time.Duration
		text    string
	}{
		{"the default", hang, 0, 0, time.Minute, "Error: the MCP server a gave no answer within 1m0s; it is not known whether the call took effect"},
		{"the server's", hang, 5 * time.Second, 0, 5 * time.Second, "Error: the MCP server a gave no answer within 5s; it is not known whether the call took effect"},
		{"the request's", hang, 0, 7 * time.Second, 7 * time.Second, "Error: the MCP server a: no answer in time"},
		{"progress", steps(6), 30 * time.Second, 0, 2 * time.Minute, "ok"},
		{"progress up to the request's", steps(100), 30 * time.Second, 3 * time.Minute, 3 * time.Minute, "Error: the MCP server a: no answer in time"},
		{"progress without an end", steps(1000), 30 * time.Second, 0, 10 * time.Minute, "Error: the MCP server a gave no answer within 10m0s; it is not known whether the call took effect"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := webServer("a")
				s.Timeout = tt.timeout
				c := newCatalogue(t, fakes{"a": {tools: defs("x"), call: tt.call}}, Options{}, s)
				b := open(t, c, ask("fairlead"))
				ctx := t.Context()
				if tt.wall > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.wall)
					defer cancel()
				}
				at := time.Now()
				res, err := b.Call(ctx, llm.Call{ID: "c", Name: "a-x", Arguments: "{}"})
				if err != nil || res.Text != tt.text || time.Since(at) != tt.took || res.Duration != tt.took.Milliseconds() {
					t.Errorf("%q after %v (%d ms), %v; want %q after %v", res.Text, time.Since(at), res.Duration, err, tt.text, tt.took)
				}
			})
		})
	}
}

func TestCancelReachesTheOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("x")}
		ended := make(chan string, 2)
		f.call = func(ctx context.Context, c ToolCall) ([]byte, error) {
			select {
			case <-ctx.Done():
				ended <- "cancelled " + string(c.Arguments)
				return nil, ctx.Err()
			case <-time.After(time.Second):
				ended <- "done " + string(c.Arguments)
				return []byte(`{}`), nil
			}
		}
		c := newCatalogue(t, fakes{"a": f}, Options{}, webServer("a"))
		b := open(t, c, ask("fairlead"))
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = b.Call(ctx, llm.Call{Name: "a-x", Arguments: `{"n":1}`}) }()
		go func() { _, _ = b.Call(t.Context(), llm.Call{Name: "a-x", Arguments: `{"n":2}`}) }()
		synctest.Wait()
		cancel()
		if got := <-ended; got != `cancelled {"n":1}` {
			t.Error(got)
		}
		if got := <-ended; got != `done {"n":2}` {
			t.Error(got)
		}
		wantCounts(t, f, 1, 1)
	})
}

// TestBrokenExchange: a connection that breaks under one call ends neither the session nor the other calls on it.
func TestBrokenExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: []ToolDef{{Name: "x", Hints: Hints{Idempotent: true}}}}
		broken := false
		f.call = func(_ context.Context, c ToolCall) ([]byte, error) {
			if string(c.Arguments) == "{}" && !broken {
				broken = true
				return nil, &LostError{Message: "the connection broke"}
			}
			time.Sleep(time.Second)
			select {
			case <-f.last().done:
				return nil, &LostError{Message: "the session was closed"}
			default:
				return []byte(`{"content":[{"type":"text","text":"ok"}]}`), nil
			}
		}
		c := newCatalogue(t, fakes{"a": f}, Options{}, webServer("a"))
		b := open(t, c, ask("fairlead"))
		other := make(chan string, 1)
		go func() {
			res, err := b.Call(t.Context(), llm.Call{Name: "a-x", Arguments: `{"n":2}`})
			other <- fmt.Sprint(res.Text, err)
		}()
		synctest.Wait()
		if res := run(t, b, "a-x", "{}"); res.Text != "ok" {
			t.Errorf("the broken call, made again: %q", res.Text)
		}
		if got := <-other; got != "ok<nil>" {
			t.Errorf("the other call: %s", got)
		}
		wantCounts(t, f, 1, 1)
	})
}

func TestNothingShowsAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New(`Post "http://10.1.2.3:99/mcp?key=s3cret": dial tcp 10.1.2.3:99: connect: connection refused`)
		f := &fakeServer{tools: defs("x")}
		f.call = func(context.Context, ToolCall) ([]byte, error) { return nil, boom }
		down := &fakeServer{dialErr: boom}
		c := newCatalogue(t, fakes{"a": f, "down": down}, Options{}, webServer("a"), webServer("down"))
		b := open(t, c, ask("fairlead"))
		_, err := c.Open(t.Context(), ask("fairlead/mcp/down"))
		for _, text := range []string{run(t, b, "a-x", "{}").Text, fmt.Sprint(b.Errors()), err.Error(), fmt.Sprint(c.Status())} {
			if strings.Contains(text, "10.1.2.3") || strings.Contains(text, "s3cret") || text == "" {
				t.Errorf("it says %q", text)
			}
		}
	})
}

func TestLongErrorIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("x")}
		f.call = func(context.Context, ToolCall) ([]byte, error) {
			return nil, &RPCError{Message: strings.Repeat("x", 1000)}
		}
		c := newCatalogue(t, fakes{"a": f}, Options{ResultBytes: 100}, webServer("a"))
		res := run(t, open(t, c, ask("fairlead")), "a-x", "{}")
		if want := "Error: " + strings.Repeat("x", 100) + "\n[cut: this is the first 100 of 1000 bytes]"; res.Text != want {
			t.Errorf("got %q", res.Text)
		}
	})
}
