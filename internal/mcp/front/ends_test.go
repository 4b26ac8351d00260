package front_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/mcp"
)

// quiet waits until no request is being answered any more.
func (h *house) quiet() {
	h.t.Helper()
	for end := time.Now().Add(patience); h.open.Load() > 0; {
		if time.Now().After(end) {
			h.t.Fatalf("%d requests do not end", h.open.Load())
		}
	}
}

// TestHTTPAndSSEEndsFull: a stream of HTTP+SSE that ends while more calls run, and wait, than there is room for ends all of them.
func TestHTTPAndSSEEndsFull(t *testing.T) {
	f := newFake(named("t"))
	f.do = func(ctx context.Context, _ mcp.Request) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	h := newHouse(t, fakes{"a": f})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	stream := lines(h.send(ctx, "GET", "/sse/a", ""))
	endpoint := <-stream
	h.want(h.ask("POST", endpoint, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{}}}`), 202)
	next(t, stream, `"id":0`)
	const calls, side = 70, 64
	for i := 1; i <= calls; i++ {
		// Of those that wait for room the head comes, and the end when they have got it.
		if r := h.send(t.Context(), "POST", endpoint, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"t"}}`, i)); r.StatusCode != 202 {
			t.Fatal(r.Status)
		}
	}
	for f.count() < side {
	}
	leave()
	h.quiet()
}

// TestStreamsEndWithTheirToken: who has shown what is good until then is told of nothing after.
func TestStreamsEndWithTheirToken(t *testing.T) {
	h := newHouse(t, fakes{"a": newFake(named("t"))})
	s := h.initialize("/mcp")
	h.visit = func(v *mcp.Visit) { v.Until = time.Now().Add(50 * time.Millisecond) }
	for range lines(h.send(t.Context(), "GET", "/mcp", "", s...)) {
	}
	for range lines(h.send(t.Context(), "GET", "/sse", "")) {
	}
	listen := h.modern("/mcp", "subscriptions/listen", `"notifications":{"toolsListChanged":true}`, "")
	h.want(listen, 200, `"resultType":"complete"`)
	h.quiet()
	h.visit = nil
	h.want(h.ask("POST", "/mcp", ping, s...), 200)
}

// TestChallenges: what a scope would allow is answered by a challenge, and what it would not looks like what is not there.
func TestChallenges(t *testing.T) {
	f, g := newFake(named("t")), newFake(named("u"))
	f.lists = map[string][]string{}
	h := newHouse(t, fakes{"a": f, "b_c": g}, mcp.Server{Name: "a", URL: "http://10.0.0.1/a", Prefix: "a"}, mcp.Server{Name: "b_c", URL: "http://10.0.0.1/b", Prefix: "b-c"}, mcp.Server{Name: "free", URL: "http://10.0.0.1/a", Prefix: ""})
	h.may["eve"] = nil
	var asked []mcp.Use
	h.visit = func(v *mcp.Visit) {
		v.Challenge = func(u mcp.Use) string {
			if u.Server == "a" {
				return ""
			}
			asked = append(asked, u)
			return "Bearer of " + u.Server
		}
	}
	for name, tt := range map[string]struct {
		path, method, about string
		want                string // the challenge
		use                 mcp.Use
	}{
		"a tool":                {"/mcp", "tools/call", "b-c-u", "Bearer of b_c", mcp.Use{Server: "b_c", Tool: "u"}},
		"a tool of no scope":    {"/mcp", "tools/call", "a-t", "", mcp.Use{}},
		"a tool of nobody":      {"/mcp", "tools/call", "x-t", "", mcp.Use{}},
		"a name without prefix": {"/mcp", "tools/call", "t", "", mcp.Use{}},
		"a prompt":              {"/mcp", "prompts/get", "b-c-p", "Bearer of b_c", mcp.Use{Server: "b_c", Prompt: "p"}},
		"a resource":            {"/mcp", "resources/read", "b-c+file:///a", "Bearer of b_c", mcp.Use{Server: "b_c", Resource: "file:///a"}},
		"a server":              {"/mcp/b_c", "tools/list", "", "Bearer of b_c", mcp.Use{Server: "b_c"}},
		"a server, folded":      {"/mcp/B-C", "tools/list", "", "Bearer of b_c", mcp.Use{Server: "b_c"}},
		"two servers":           {"/mcp/a,b_c", "tools/list", "", "Bearer of b_c", mcp.Use{Server: "b_c"}},
		"no server":             {"/mcp/nothing", "tools/list", "", "", mcp.Use{}},
	} {
		asked = nil
		member := map[bool]string{true: "uri", false: "name"}[tt.method == "resources/read"]
		params := ""
		if tt.about != "" {
			params = `"` + member + `":"` + tt.about + `"`
		}
		a := h.modern(tt.path, tt.method, params, tt.about, "X-Principal", "eve")
		if got := a.header.Get("WWW-Authenticate"); got != tt.want || (a.status == 403) != (tt.want != "" || strings.HasPrefix(tt.path, "/mcp/")) {
			t.Errorf("%s: %d %q %s", name, a.status, got, a.body)
		}
		if tt.want == "" {
			continue
		}
		u := asked[len(asked)-1]
		if u.Server != tt.use.Server || u.Tool != tt.use.Tool || u.Prompt != tt.use.Prompt || u.Resource != tt.use.Resource || u.Principal != "eve" {
			t.Errorf("%s: asked about %+v", name, u)
		}
	}
	a := h.ask("GET", "/sse/b_c", "", "X-Principal", "eve")
	if a.status != 403 || a.header.Get("WWW-Authenticate") != "Bearer of b_c" {
		t.Errorf("HTTP+SSE: %d %v", a.status, a.header)
	}
	if f.count()+g.count() > 0 {
		t.Error("a server was asked")
	}
}
