package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/mcptest"
)

func TestListFaults(t *testing.T) {
	long := []byte(`{"type":"object","description":"` + strings.Repeat("x", 4<<10) + `"}`)
	for _, tt := range []struct {
		name string
		spec mcptest.Spec
		want string
		n    int // tools that came before the fault
	}{
		{"an error", mcptest.Spec{ListError: "no list today"}, "no list today", 0},
		{"the same page for ever", mcptest.Spec{SameCursor: true}, "the server sent the same page of its list of tools again", 4},
		{"pages without end", mcptest.Spec{EndlessPages: true}, "the list of tools has more than 5 pages", 10},
		{"too many bytes", mcptest.Spec{EndlessPages: true, Tools: []mcptest.Tool{{Name: "a", Schema: long}}}, "the list of tools is larger than the limit of 16 KiB", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			watchLeaks(t)
			if tt.spec.Tools == nil {
				tt.spec.Tools = []mcptest.Tool{{Name: "a"}, {Name: "b"}}
			}
			_, m := overHTTP(t, tt.spec)
			tools, err := open(t, dialer(t, Options{MaxPages: 5, MaxList: 16 << 10}), m).ListTools(t.Context())
			if got := mcp.SafeMessage(err); err == nil || got != tt.want || len(tools) != tt.n {
				t.Errorf("%d tools, %q; want %d, %q", len(tools), got, tt.n, tt.want)
			}
		})
	}
}

func TestListStalls(t *testing.T) {
	each(t, func(t *testing.T, server func(mcptest.Spec) mcp.Server, _ string) {
		s := open(t, dialer(t, Options{}), server(mcptest.Spec{ListHang: true, Tools: []mcptest.Tool{{Name: "say", Text: "hello"}}}))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := s.ListTools(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if _, err := try(t, s, "say", "{}"); err != nil {
			t.Errorf("a call afterwards: %v", err)
		}
	})
}

func TestListLeavesOut(t *testing.T) {
	watchLeaks(t)
	var raws []mcptest.Tool
	for _, raw := range []string{
		`{"name":"good","inputSchema":{"type":"object"},"vendor":{"b":1,"a":2.50}}`, `{"name":"bare"}`, `{"name":"null","inputSchema":null}`,
		`{"inputSchema":{}}`, `{"name":"","inputSchema":{}}`, `{"name":7,"inputSchema":{}}`, `{"name":"a\nb","inputSchema":{}}`,
		`{"name":"` + strings.Repeat("x", 300) + `"}`, `{"name":"list","inputSchema":[]}`, `{"name":"text","inputSchema":"{}"}`, `{"name":"flag","inputSchema":true}`,
		`"tool"`, `null`, `{"name":"deep","inputSchema":` + strings.Repeat(`{"a":`, 600) + `1` + strings.Repeat(`}`, 600) + `}`,
	} {
		raws = append(raws, mcptest.Tool{Raw: []byte(raw)})
	}
	_, m := overHTTP(t, mcptest.Spec{Tools: raws})
	s := open(t, dialer(t, Options{}), m)
	if got := list(t, s); !slices.Equal(got, []string{"good", "bare", "null"}) {
		t.Errorf("%v", got)
	}
	tools, err := s.ListTools(t.Context())
	if err != nil || string(tools[0].Raw) != `{"name":"good","inputSchema":{"type":"object"},"vendor":{"b":1,"a":2.50}}` || string(tools[1].InputSchema) != `{"type":"object"}` {
		t.Errorf("%s %s, %v", tools[0].Raw, tools[1].InputSchema, err)
	}
}

func TestListChanged(t *testing.T) {
	each(t, func(t *testing.T, server func(mcptest.Spec) mcp.Server, _ string) {
		m := server(mcptest.Spec{Tools: []mcptest.Tool{{Name: "change", Do: mcptest.Change}}})
		var n atomic.Int32
		s := openWith(t, dialer(t, Options{}), m, nil, func() { n.Add(1) })
		if strings.Contains(t.Name(), "stateless") { // this server has no way to say so
			return
		}
		eventually(t, "the client is told", func() bool {
			if _, err := try(t, s, "change", "{}"); err != nil {
				t.Fatal(err)
			}
			return n.Load() > 0
		})
		if got := list(t, s); !slices.Contains(got, "new") {
			t.Errorf("%v", got)
		}
	})
}

// TestAsked has servers ask the client in the middle of a call: ping is answered, all else refused, and the call goes on.
func TestAsked(t *testing.T) {
	watchLeaks(t)
	for method, want := range map[string]string{"ping": `{}`, "sampling/createMessage": `{"code":-32601}`, "roots/list": `{"code":-32601}`, "elicitation/create": `{"code":-32601}`} {
		spec := mcptest.Spec{Era: "legacy", Ask: method, Tools: []mcptest.Tool{{Name: "say", Text: "hello"}}}
		sse := spec
		sse.Era = ""
		a, http := overHTTP(t, spec)
		b, events := overSSE(t, sse)
		for srv, m := range map[*mcptest.Server]mcp.Server{a: http, b: events} {
			if res, err := try(t, open(t, dialer(t, Options{}), m), "say", "{}"); err != nil || !strings.Contains(res, "hello") {
				t.Errorf("%s: %s, %v", method, res, err)
			}
			if !slices.ContainsFunc(srv.Requests(), func(r mcptest.Request) bool { return string(r.Answer) == want }) {
				t.Errorf("%s: no answer %s", method, want)
			}
		}
		child := asChild(spec)
		if res, err := try(t, open(t, dialer(t, Options{}), child), "say", "{}"); err != nil || !strings.Contains(res, "hello") {
			t.Errorf("stdio, %s: %s, %v", method, res, err)
		}
	}
}

func TestSSEEnds(t *testing.T) {
	watchLeaks(t)
	srv, m := overSSE(t, mcptest.Spec{Tools: []mcptest.Tool{{Name: "die", Do: mcptest.Die}, {Name: "say"}}})
	m.Transport = "sse"
	d := dialer(t, Options{})
	s := open(t, d, m)
	_, err := try(t, s, "die", "{}")
	if e, ok := errors.AsType[*mcp.LostError](err); !ok || e.Unsent || e.Message != "the server ended its event stream" {
		t.Errorf("%v", err)
	}
	<-s.Done()
	s = open(t, d, m)
	srv.Forget()
	_, err = try(t, s, "say", "{}")
	if e, ok := errors.AsType[*mcp.LostError](err); !ok || !e.Unsent || e.Message != "the server has forgotten the session" {
		t.Errorf("%v", err)
	}
}

func TestSSEHostile(t *testing.T) {
	for name, tt := range map[string]struct{ kind, body, want string }{
		"another host":  {"text/event-stream", "event: endpoint\ndata: http://evil.example/message\n\n", "the server named an endpoint that is not its own"},
		"another port":  {"text/event-stream", "event: endpoint\ndata: //127.0.0.1:1/message\n\n", "the server named an endpoint that is not its own"},
		"another means": {"text/event-stream", "event: endpoint\ndata: file:///etc/passwd\n\n", "the server named an endpoint that is not its own"},
		"no endpoint":   {"text/event-stream", "data: {}\n\n", "the server named no endpoint on its event stream"},
		"nothing":       {"text/event-stream", "", "the server named no endpoint on its event stream"},
		"a web page":    {"text/html", "<html>", "the server sent no event stream"},
		"a long event":  {"text/event-stream", "event: endpoint\ndata: " + strings.Repeat("x", 128<<10) + "\n\n", "the server named no endpoint on its event stream"},
	} {
		t.Run(name, func(t *testing.T) {
			watchLeaks(t)
			ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				_, _ = io.WriteString(w, tt.body)
				_ = http.NewResponseController(w).Flush()
				if tt.body != "" {
					<-r.Context().Done()
				}
			}))
			t.Cleanup(ts.Close)
			_, err := dialer(t, Options{MaxResult: 1 << 10, MaxList: 1 << 10}).Dial(t.Context(), mcp.Server{Name: "x", URL: ts.URL, Transport: "sse"}, nil, nil)
			if got := mcp.SafeMessage(err); err == nil || got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// TestSSESilent opens a stream that never names its endpoint: the context of the opening bounds it.
func TestSSESilent(t *testing.T) {
	watchLeaks(t)
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(ts.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := dialer(t, Options{}).Dial(ctx, mcp.Server{Name: "x", URL: ts.URL, Transport: "sse"}, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// TestRevisions has a server choose revisions of the handshake.
func TestRevisions(t *testing.T) {
	watchLeaks(t)
	d := dialer(t, Options{})
	for _, rev := range []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"} {
		_, m := overHTTP(t, mcptest.Spec{Era: "legacy", Revision: rev})
		if s := open(t, d, m); s.rev != rev {
			t.Errorf("%s: %s", rev, s.rev)
		}
	}
	for _, rev := range []string{"2026-07-28", "1.0", "2024-10-07", "9999-99-99"} {
		_, m := overHTTP(t, mcptest.Spec{Era: "legacy", Revision: rev})
		_, err := d.Dial(t.Context(), m, nil, nil)
		if want := fmt.Sprintf("the server chose the protocol revision %q, which is not known here", rev); mcp.SafeMessage(err) != want {
			t.Errorf("%s: %v", rev, err)
		}
	}
}
