package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/internal/netguard"
)

// methods lists what a server was asked: methods, and verbs of requests without a message.
func methods(srv *mcptest.Server) []string {
	var all []string
	for _, r := range srv.Requests() {
		if r.Method != "" {
			all = append(all, r.Method)
		} else {
			all = append(all, r.Verb)
		}
	}
	return all
}

func TestHTTPEra(t *testing.T) {
	for _, tt := range []struct {
		name string
		spec mcptest.Spec
		pin  string
		rev  string
		want []string // what opens the session
	}{
		{"both eras", mcptest.Spec{}, "", revModern, []string{"server/discover"}},
		{"modern only", mcptest.Spec{Era: "modern"}, "auto", revModern, []string{"server/discover"}},
		{"legacy only", mcptest.Spec{Era: "legacy", Stateless: true}, "", revLegacy, []string{"server/discover", "initialize", "notifications/initialized"}},
		{"legacy with sessions", mcptest.Spec{Era: "legacy"}, "", revLegacy, []string{"initialize", "notifications/initialized"}},
		{"silent on the probe", mcptest.Spec{HangOnDiscover: true}, "", revLegacy, []string{"server/discover", "cancelled", "initialize", "notifications/initialized"}},
		{"pinned to a handshake", mcptest.Spec{}, "2025-06-18", "2025-06-18", []string{"initialize", "notifications/initialized"}},
		{"pinned to the stateless era", mcptest.Spec{}, revModern, revModern, []string{"server/discover"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			watchLeaks(t)
			tt.spec.Tools = []mcptest.Tool{{Name: "say", Text: "hello"}}
			srv, m := overHTTP(t, tt.spec)
			m.Protocol = tt.pin
			d := dialer(t, Options{Probe: 2 * time.Second})
			if tt.spec.HangOnDiscover {
				d.o.Probe = 50 * time.Millisecond
			}
			s := open(t, d, m)
			if s.rev != tt.rev {
				t.Errorf("revision %s, want %s", s.rev, tt.rev)
			}
			if res, err := try(t, s, "say", "{}"); err != nil || !strings.Contains(res, "hello") {
				t.Errorf("%s, %v", res, err)
			}
			opening := slices.DeleteFunc(methods(srv), func(m string) bool { return m == "GET" || m == "tools/call" || m == "subscriptions/listen" })
			slices.Sort(opening) // a cancellation is recorded when it is noticed
			want := slices.Sorted(slices.Values(tt.want))
			if !slices.Equal(opening, want) {
				t.Errorf("opened by %v, want %v", opening, want)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			before := len(srv.Requests())
			if again := open(t, d, m); again.rev != tt.rev {
				t.Errorf("again: %s", again.rev)
			}
			if rest := methods(srv)[before:]; tt.rev != revModern && slices.Contains(rest, "server/discover") {
				t.Errorf("what the server speaks was not remembered: %v", rest)
			}
		})
	}
}

// TestHTTPUpgrade replaces a server by one of the other era at the same address, both ways.
func TestHTTPUpgrade(t *testing.T) {
	watchLeaks(t)
	old, recent := mcptest.New(mcptest.Spec{Era: "legacy"}), mcptest.New(mcptest.Spec{Era: "modern"})
	var now atomic.Pointer[mcptest.Server]
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { now.Load().HTTP().ServeHTTP(w, r) }))
	t.Cleanup(func() { old.Close(); recent.Close(); ts.Close() })
	d := dialer(t, Options{})
	for _, v := range []*mcptest.Server{old, recent, old} {
		now.Store(v)
		s := open(t, d, mcp.Server{Name: "x", URL: ts.URL})
		if (v == recent) != s.modern() {
			t.Errorf("revision %s", s.rev)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAutoFallsBackToSSE(t *testing.T) {
	watchLeaks(t)
	srv, m := overSSE(t, mcptest.Spec{Revision: revFirst, Tools: []mcptest.Tool{{Name: "say", Text: "hello"}}})
	d := dialer(t, Options{})
	for range 2 {
		s := open(t, d, m)
		if res, err := try(t, s, "say", "{}"); err != nil || s.rev != revFirst {
			t.Errorf("%s %s, %v", s.rev, res, err)
		}
	}
	if n := srv.Count("initialize"); n != 2 {
		t.Errorf("%d handshakes", n)
	}
	m.Transport = "http"
	if _, err := d.Dial(t.Context(), m, nil, nil); mcp.SafeMessage(err) != "the server answered 405" {
		t.Errorf("pinned to http: %v", err)
	}
	m.Transport = "sse"
	open(t, dialer(t, Options{}), m)
}

func TestHTTPHeaders(t *testing.T) {
	watchLeaks(t)
	for _, era := range []string{"modern", "legacy"} {
		srv, m := overHTTP(t, mcptest.Spec{Era: era, Tools: []mcptest.Tool{{Name: "wörk", Text: "hello"}}})
		m.Headers = map[string]string{"authorization": "config", "x-config": "1", "accept-encoding": "gzip", "mcp-session-id": "forged"}
		s := openWith(t, dialer(t, Options{}), m, http.Header{"Authorization": {"caller"}, "X-Caller": {"2"}}, nil)
		_, err := s.CallTool(t.Context(), mcp.ToolCall{
			Name: "wörk", Meta: map[string]string{"traceparent": "00-1", "tracestate": "s"},
			Headers: http.Header{"X-Call": {"3"}, "Mcp-Protocol-Version": {"forged"}, "X-Caller": {"call"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range srv.Requests() {
			h := http.Header(r.Header)
			if h.Get("Authorization") != "caller" || h.Get("X-Config") != "1" || h.Get("Accept-Encoding") != "" || h.Get("Mcp-Session-Id") == "forged" {
				t.Errorf("%s: %v", r.Method, h)
			}
			if r.Method != "tools/call" {
				if h.Get("X-Call") != "" || h.Get("X-Caller") != "2" {
					t.Errorf("%s: %v", r.Method, h)
				}
				continue
			}
			if h.Get("X-Call") != "3" || h.Get("X-Caller") != "call" || h.Get("Mcp-Protocol-Version") != s.rev {
				t.Errorf("%s: %v", r.Method, h)
			}
			if jsonedit.Get(r.Params, "_meta", "traceparent") == nil || jsonedit.Get(r.Params, "_meta", "tracestate") == nil {
				t.Errorf("no trace: %s", r.Params)
			}
			modern := h.Get("Mcp-Method") == "tools/call" && h.Get("Mcp-Name") == "=?base64?d8O2cms=?="
			if modern != (era == "modern") || (h.Get("Mcp-Session-Id") == "") != modern {
				t.Errorf("%s: %v", era, h)
			}
		}
	}
}

func TestHTTPClose(t *testing.T) {
	watchLeaks(t)
	srv, m := overHTTP(t, mcptest.Spec{Era: "legacy", Tools: []mcptest.Tool{{Name: "hang", Do: mcptest.Hang}}})
	s := open(t, dialer(t, Options{}), m)
	failed := make(chan error, 1)
	go func() {
		_, err := s.CallTool(t.Context(), mcp.ToolCall{Name: "hang"})
		failed <- err
	}()
	eventually(t, "the call has arrived", func() bool { return srv.Count("tools/call") == 1 })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; mcp.SafeMessage(err) != "the session was closed" {
		t.Errorf("%v", err)
	}
	if all := methods(srv); !slices.Contains(all, "DELETE") {
		t.Errorf("the session was not ended: %v", all)
	}
}

func TestHTTPForgotten(t *testing.T) {
	watchLeaks(t)
	srv, m := overHTTP(t, mcptest.Spec{Era: "legacy", Tools: []mcptest.Tool{{Name: "say", Text: "hello"}}})
	d := dialer(t, Options{})
	s := open(t, d, m)
	srv.Forget()
	_, err := try(t, s, "say", "{}")
	if e, ok := errors.AsType[*mcp.LostError](err); !ok || !e.Unsent || e.Message != "the server has forgotten the session" {
		t.Errorf("%#v", err)
	}
	<-s.Done()
	if _, err = try(t, open(t, d, m), "say", "{}"); err != nil {
		t.Errorf("a new session: %v", err)
	}
}

func TestHTTPStatus(t *testing.T) {
	watchLeaks(t)
	for status, want := range map[int]string{
		401: "the server asks for a credential (401)", 403: "the server refused access (403)", 429: "the server says that there were too many requests (429)",
		500: "the server answered 500", 503: "the server answered 503", 302: "the server points to another place (302), which is not followed", 404: "the server answered 404",
	} {
		srv, m := overHTTP(t, mcptest.Spec{Status: status})
		_, err := dialer(t, Options{}).Dial(t.Context(), m, nil, nil)
		if got := mcp.SafeMessage(err); got != want {
			t.Errorf("%d: %q", status, got)
		}
		if n := len(srv.Requests()); n > 4 {
			t.Errorf("%d: %d requests", status, n)
		}
	}
}

func TestHTTPDown(t *testing.T) {
	watchLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	_, err = dialer(t, Options{}).Dial(t.Context(), mcp.Server{Name: "x", URL: "http://" + addr + "/secret"}, nil, nil)
	if e, ok := errors.AsType[*mcp.LostError](err); !ok || !e.Unsent || mcp.SafeMessage(err) != "the server could not be reached" {
		t.Errorf("%#v", err)
	}
	for _, u := range []string{"file:///etc/passwd", "http://", "::", "gopher://x/"} {
		if _, err = dialer(t, Options{}).Dial(t.Context(), mcp.Server{Name: "x", URL: u}, nil, nil); mcp.SafeMessage(err) != "the server's URL is not an http or https URL" {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestHTTPDies(t *testing.T) {
	watchLeaks(t)
	for _, spec := range []mcptest.Spec{{Era: "modern"}, {Era: "legacy"}, {JSON: true}} {
		spec.Tools = []mcptest.Tool{{Name: "die", Do: mcptest.Die}}
		_, m := overHTTP(t, spec)
		_, err := try(t, open(t, dialer(t, Options{}), m), "die", "{}")
		if e, ok := errors.AsType[*mcp.LostError](err); !ok || e.Unsent {
			t.Errorf("%+v: %v", spec, err)
		}
	}
}

// TestHTTPResume has the server end each response stream before the answer: it is taken up again where it broke off.
func TestHTTPResume(t *testing.T) {
	watchLeaks(t)
	srv, m := overHTTP(t, mcptest.Spec{Era: "legacy", CutStreams: true, Tools: []mcptest.Tool{{Name: "say", Text: "hello", Millis: 20}}})
	s := open(t, dialer(t, Options{}), m)
	for range 2 {
		if res, err := try(t, s, "say", "{}"); err != nil || !strings.Contains(res, "hello") {
			t.Fatalf("%s, %v", res, err)
		}
	}
	var ids []string
	for _, r := range srv.Requests() {
		if id := http.Header(r.Header).Get("Last-Event-ID"); id != "" {
			ids = append(ids, id)
		}
	}
	if !slices.Equal(ids, []string{"cut-1", "cut-2"}) {
		t.Errorf("taken up at %v", ids)
	}
	if n := srv.Count("tools/call"); n != 2 {
		t.Errorf("%d calls", n)
	}
}

func TestHTTPParams(t *testing.T) {
	watchLeaks(t)
	schema := func(header string) []byte {
		return fmt.Appendf(nil, `{"type":"object","properties":{"r":{"type":"string","x-mcp-header":%q},"n":{"type":"object","properties":{"i":{"type":"integer","x-mcp-header":"I"}}}}}`, header)
	}
	srv, m := overHTTP(t, mcptest.Spec{Era: "modern", Tools: []mcptest.Tool{
		{Name: "good", Schema: schema("Region"), Text: "hello"}, {Name: "bad", Schema: schema("Not A Token")}, {Name: "twice", Schema: schema("i")},
	}})
	s := open(t, dialer(t, Options{}), m)
	if got := list(t, s); !slices.Equal(got, []string{"good"}) {
		t.Errorf("listed %v", got)
	}
	if _, err := try(t, s, "good", `{"r":" höh","n":{"i":12}}`); err != nil {
		t.Fatal(err)
	}
	rs := slices.DeleteFunc(srv.Requests(), func(r mcptest.Request) bool { return r.Method != "tools/call" })
	h := http.Header(rs[len(rs)-1].Header)
	if h.Get("Mcp-Param-Region") != "=?base64?IGjDtmg=?=" || h.Get("Mcp-Param-I") != "12" {
		t.Errorf("%v", h)
	}
	// The schema changes, and the server refuses the old headers: the list is read again, and the call repeated once.
	srv.SetTools([]mcptest.Tool{{Name: "good", Schema: schema("Zone"), Text: "hello"}})
	if res, err := try(t, s, "good", `{"r":"x"}`); err != nil || !strings.Contains(res, "hello") {
		t.Errorf("%s, %v", res, err)
	}
	if n := srv.Count("tools/list"); n != 2 {
		t.Errorf("listed %d times", n)
	}
}

func TestHTTPInputRequired(t *testing.T) {
	watchLeaks(t)
	srv, m := overHTTP(t, mcptest.Spec{Era: "modern", Tools: []mcptest.Tool{{Name: "want", Do: mcptest.Want}, {Name: "task", Result: []byte(`{"resultType":"task","taskId":"1"}`)}}})
	s := open(t, dialer(t, Options{}), m)
	if _, err := try(t, s, "want", "{}"); mcp.SafeMessage(err) != "the tool asked for input from the user, which is not supported here" {
		t.Errorf("%v", err)
	}
	if _, err := try(t, s, "task", "{}"); mcp.SafeMessage(err) != `the server sent a result of an unknown type, "task"` {
		t.Errorf("%v", err)
	}
	if n := srv.Count("tools/call"); n != 2 {
		t.Errorf("%d calls", n)
	}
}

func TestHTTPRedirects(t *testing.T) {
	watchLeaks(t)
	var strayed atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	srv := mcptest.New(mcptest.Spec{Tools: []mcptest.Tool{{Name: "say", Text: "hello"}}})
	mux := http.NewServeMux()
	mux.Handle("/here", srv.HTTP())
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/here", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/loop", http.StatusTemporaryRedirect)
	})
	ts := httptest.NewServer(mux)
	t.Cleanup(func() { srv.Close(); ts.Close(); other.Close() })
	d := dialer(t, Options{})
	if res, err := try(t, open(t, d, mcp.Server{Name: "x", URL: ts.URL + "/moved"}), "say", "{}"); err != nil || !strings.Contains(res, "hello") {
		t.Errorf("%s, %v", res, err)
	}
	for _, path := range []string{"/away", "/loop"} {
		_, err := d.Dial(t.Context(), mcp.Server{Name: "x", URL: ts.URL + path, Headers: map[string]string{"Authorization": "secret"}}, nil, nil)
		if mcp.SafeMessage(err) != "the server points to another place (307), which is not followed" {
			t.Errorf("%s: %v", path, err)
		}
	}
	if strayed.Load() != 0 {
		t.Error("the other host was asked")
	}
}

type zone map[string]string

func (z zone) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr(z[host])}, nil
}

// TestExternal dials servers that a request named.
func TestExternal(t *testing.T) {
	watchLeaks(t)
	_, m := overHTTP(t, mcptest.Spec{Tools: []mcptest.Tool{{Name: "say", Text: "hello"}}})
	m.External = true
	d := dialer(t, Options{Guard: &netguard.Dialer{Resolver: zone{"inside.example": "127.0.0.1", "meta.example": "169.254.169.254"}}})
	if _, err := try(t, open(t, d, m), "say", "{}"); err != nil {
		t.Errorf("a literal address: %v", err)
	}
	srv, m := overHTTP(t, mcptest.Spec{})
	m.External = true
	for _, host := range []string{"inside.example", "meta.example"} {
		m.URL = "http://" + host + m.URL[strings.LastIndexByte(m.URL, ':'):]
		if _, err := d.Dial(t.Context(), m, nil, nil); mcp.SafeMessage(err) != "the server's address is not a public one" {
			t.Errorf("%s: %v", host, err)
		}
	}
	if len(srv.Requests()) > 0 {
		t.Error("the server was reached")
	}
}
