package front_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/front"
	"github.com/fairlead/fairlead/internal/seal"
)

func TestBytesPass(t *testing.T) {
	f := newFake(`{"x":9007199254740993,"name":"do it","inputSchema":{"type":"object"},"vendor":{"b":1.0,"a":1e2}}`)
	f.do = func(context.Context, mcp.Request) ([]byte, error) {
		return []byte(`{"vendor":9007199254740993,"content":[{"type":"hologram","z":1.50}],"structuredContent":[1]}`), nil
	}
	h := newHouse(t, fakes{"a": f})
	h.want(h.modern("/mcp", "tools/list", "", ""), 200, `{"x":9007199254740993,"name":"a-do_it","inputSchema":{"type":"object"},"vendor":{"b":1.0,"a":1e2}}`, `"cacheScope":"private"`, `"ttlMs":`)
	h.want(h.modern("/mcp/a", "tools/list", "", ""), 200, `"name":"do it"`)
	body := `{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{"unknown":1.0,"name":"a-do_it","arguments":{"n":9007199254740993,"m":1.0},"_meta":{"own":1.0,` + meta + `}}}`
	_, hs := modern("tools/call", "", "a-do_it")
	h.want(h.ask("POST", "/mcp", body, hs...), 200,
		`"id":9007199254740993,`, `"vendor":9007199254740993,"content":[{"type":"hologram","z":1.50}],"structuredContent":[1],"resultType":"complete"`)
	r := f.last()
	if got := string(r.Params); !strings.HasPrefix(got, `{"unknown":1.0,"name":"do it","arguments":{"n":9007199254740993,"m":1.0},`) {
		t.Errorf("the server got %s", got)
	}
	if got := string(r.Meta); got != `"own":1.0,` {
		t.Errorf("the server got the _meta %s", got)
	}
	if r.Name != "do it" {
		t.Errorf("the server's header would say %q", r.Name)
	}
	s := h.initialize("/mcp")
	old := h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"a-do_it"}}`, s...)
	h.want(old, 200, `"id":"x"`, `"vendor":9007199254740993`)
	if strings.Contains(old.body, "structuredContent") {
		t.Error("a client of the older era gets structured content that is no object")
	}
}

func TestModernRules(t *testing.T) {
	h := newHouse(t, fakes{"a": newFake(named("t"), named("ä"), `{"name":"m","inputSchema":{"type":"object","properties":{"r":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"N"}}}}`)})
	call := func(name, args string) string {
		b, _ := modern("tools/call", `"name":"`+name+`","arguments":`+args, "")
		return b
	}
	head := func(name string, more ...string) []string {
		_, hs := modern("tools/call", "", name)
		return append(hs, more...)
	}
	for name, c := range map[string]struct {
		body    string
		headers []string
		status  int
		part    string
	}{
		"good":                {call("t", "{}"), head("t"), 200, `"resultType"`},
		"name in Base64":      {call("ä", "{}"), head("=?base64?w6Q=?="), 200, `"resultType"`},
		"bad Base64":          {call("ä", "{}"), head("=?base64?w6Q?="), 400, `-32020`},
		"no name":             {call("t", "{}"), head(""), 400, `-32020`},
		"another name":        {call("t", "{}"), head("m"), 400, `-32020`},
		"two names":           {call("t", "{}"), head("t", "Mcp-Name", "m"), 400, `-32020`},
		"another method":      {call("t", "{}"), []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list", "Mcp-Name", "t"}, 400, `-32020`},
		"no version header":   {call("t", "{}"), []string{"Mcp-Method", "tools/call", "Mcp-Name", "t"}, 400, `-32020`},
		"another version":     {strings.Replace(call("t", "{}"), "2026-07-28", "2027-01-01", 1), []string{"Mcp-Protocol-Version", "2027-01-01", "Mcp-Method", "tools/call"}, 400, `"data":{"supported":["2026-07-28"],"requested":"2027-01-01"}`},
		"no meta":             {`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list"}, 400, `-32602`},
		"no capabilities":     {strings.Replace(call("t", "{}"), `"io.modelcontextprotocol/clientCapabilities":{}`, `"x":1`, 1), head("t"), 400, `-32602`},
		"mirrored":            {call("m", `{"r":"eu","n":42}`), head("m", "Mcp-Param-Region", "eu", "Mcp-Param-N", "42"), 200, `"resultType"`},
		"mirrored not at all": {call("m", `{"r":"eu"}`), head("m"), 400, `-32020`},
		"mirrored otherwise":  {call("m", `{"r":"eu"}`), head("m", "Mcp-Param-Region", "us"), 400, `-32020`},
		"mirrored nothing":    {call("m", `{}`), head("m", "Mcp-Param-Region", "us"), 400, `-32020`},
		"empty mirrored":      {call("m", `{"r":""}`), head("m", "Mcp-Param-Region", ""), 200, `"resultType"`},
		"unknown tool":        {call("u", "{}"), head("u"), 200, `-32602`},
		"arguments no object": {call("t", "[]"), head("t"), 200, `-32602`},
		"session id ignored":  {call("t", "{}"), head("t", "Mcp-Session-Id", "nonsense", "Last-Event-Id", "7"), 200, `"resultType"`},
		"cursor":              {strings.Replace(call("t", "{}"), "tools/call", "tools/list", 1), nil, 400, `-32020`},
	} {
		t.Run(name, func(t *testing.T) {
			h.want(h.ask("POST", "/mcp/a", c.body, c.headers...), c.status, c.part)
		})
	}
	for _, m := range []string{"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "no/such"} {
		h.want(h.modern("/mcp/a", m, "", ""), 404, "-32601")
	}
	h.want(h.modern("/mcp/a", "server/discover", "", ""), 200, `"supportedVersions":["2026-07-28"]`, `"tools":{"listChanged":true}`, `"io.modelcontextprotocol/serverInfo":{"name":"fairlead"`)
	h.want(h.modern("/mcp/a", "tools/list", `"cursor":"x"`, ""), 200, "-32602")
	body, hs := modern("notifications/cancelled", `"requestId":1`, "")
	h.want(h.ask("POST", "/mcp/a", strings.Replace(body, `"id":1,`, "", 1), hs...), 202)
	h.want(h.ask("GET", "/mcp/a", "", "Mcp-Protocol-Version", "2026-07-28"), 405)
	h.want(h.ask("PUT", "/mcp/a", ""), 405)
}

func TestSessions(t *testing.T) {
	f := newFake(named("t"))
	h := newHouse(t, fakes{"a": f})
	for asked, chosen := range map[string]string{"2024-11-05": "2024-11-05", "2025-03-26": "2025-03-26", "2026-07-28": "2025-11-25", "1999-01-01": "2025-11-25"} {
		h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"`+asked+`","capabilities":{}}}`), 200, `"protocolVersion":"`+chosen+`"`, `"logging":{}`)
	}
	s := h.initialize("/mcp")
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, s...), 202)
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"ping"}`, s...), 200, `"result":{}`)
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, s...), 200, `{"tools":[{"name":"a-t",`)
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"no/such"}`, s...), 200, "-32601")
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"loud"}}`, s...), 200, "-32602")
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"ping"}`), 400, "initialize")
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "Mcp-Session-Id", s[1], "Mcp-Protocol-Version", "2020-01-01"), 400)
	h.want(h.ask("GET", "/mcp", "", append(s, "Accept", "application/json")...), 406, "text/event-stream")
}

// TestStream: the stream of a session tells when the tools have changed, a newer one takes its place, and DELETE ends it.
func TestStream(t *testing.T) {
	f := newFake(named("t"))
	h := newHouse(t, fakes{"a": f})
	s := h.initialize("/mcp")
	first := h.send(t.Context(), "GET", "/mcp", "", s...)
	defer first.Body.Close()
	second := h.send(t.Context(), "GET", "/mcp", "", s...)
	defer second.Body.Close()
	if _, err := io.ReadAll(first.Body); err != nil {
		t.Errorf("the older stream broke: %v", err)
	}
	told := lines(second)
	f.set(named("t"), named("u"))
	next(t, told, `"method":"notifications/tools/list_changed"`)
	h.want(h.ask("DELETE", "/mcp", "", s...), 204)
	if line, open := <-told; open {
		t.Errorf("after DELETE came %s", line)
	}
	for _, method := range []string{"POST", "GET", "DELETE"} {
		h.want(h.ask(method, "/mcp", `{"jsonrpc":"2.0","id":1,"method":"ping"}`, s...), 404)
	}
}

func TestListen(t *testing.T) {
	f := newFake(named("t"))
	h := newHouse(t, fakes{"a": f})
	body, hs := modern("subscriptions/listen", `"notifications":{"toolsListChanged":true,"promptsListChanged":false,"other":true}`, "")
	ctx, leave := context.WithCancel(t.Context())
	resp := h.send(ctx, "POST", "/mcp", body, hs...)
	defer resp.Body.Close()
	told := lines(resp)
	next(t, told, `{"_meta":{"io.modelcontextprotocol/subscriptionId":1},"notifications":{"toolsListChanged":true}}`)
	f.set(named("u"))
	next(t, told, `"method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}`)
	leave()
}

// TestNotifications: progress and the log come before the answer, in order, under the client's own token and from its level on.
func TestNotifications(t *testing.T) {
	f := newFake(named("t"))
	f.do = func(_ context.Context, r mcp.Request) ([]byte, error) {
		r.Notify("notifications/progress", []byte(`{"progressToken":77,"progress":0.10,"vendor":1}`))
		r.Notify("notifications/message", []byte(`{"level":"debug","data":"quiet"}`))
		r.Notify("notifications/message", []byte(`{"level":"error","data":"loud"}`))
		r.Notify("notifications/progress", []byte(`{"progressToken":77,"progress":1}`))
		return []byte(`{"content":[]}`), nil
	}
	h := newHouse(t, fakes{"a": f})
	all := []string{
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"mine","progress":0.10,"vendor":1}}`,
		`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"loud"}}`,
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"mine","progress":1}}`,
	}
	body, hs := modern("tools/call", `"name":"a-t"`, "a-t")
	plain := h.ask("POST", "/mcp", body, hs...)
	if plain.header.Get("Content-Type") != "application/json" {
		t.Errorf("who asked for nothing got %s", plain.body)
	}
	body = strings.Replace(body, meta, `"progressToken":"mine","io.modelcontextprotocol/logLevel":"warning",`+meta, 1)
	a := h.ask("POST", "/mcp", body, hs...)
	if want := strings.Join(append(all, `{"jsonrpc":"2.0","id":1,"result":{"content":[],"resultType":"complete"}}`), "\n"); a.body != want {
		t.Errorf("got\n%s\nwant\n%s", a.body, want)
	}
	s := h.initialize("/mcp")
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"error"}}`, s...), 200)
	a = h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"a-t","_meta":{"progressToken":"mine"}}}`, s...)
	if want := strings.Join(append(all, `{"jsonrpc":"2.0","id":2,"result":{"content":[]}}`), "\n"); a.body != want {
		t.Errorf("got\n%s\nwant\n%s", a.body, want)
	}
	if a := h.ask("POST", "/mcp", body, append(hs, "Accept", "application/json")...); !strings.Contains(a.body, `"result"`) {
		t.Errorf("got %s", a.body)
	}
}

// TestCancellation: the end of the connection ends a call of the stateless era, and not one of the older era, which a
// notification ends; each ends the one call that it is about.
func TestCancellation(t *testing.T) {
	f := newFake(named("t"))
	begun, ended, goOn := make(chan string, 8), make(chan string, 8), make(chan struct{})
	f.do = func(ctx context.Context, r mcp.Request) ([]byte, error) {
		who, _ := jsonedit.Unquote(jsonedit.Get(r.Params, "arguments", "who"))
		begun <- who
		select {
		case <-ctx.Done():
			ended <- who
			return nil, ctx.Err()
		case <-goOn:
			ended <- who + " went on"
			return []byte(`{"content":[]}`), nil
		}
	}
	h := newHouse(t, fakes{"a": f})
	body, hs := modern("tools/call", `"name":"a-t","arguments":{"who":"modern"}`, "a-t")
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { h.send(ctx, "POST", "/mcp", body, hs...) })
	wait(t, begun, "modern")
	leave()
	wait(t, ended, "modern")

	s := h.initialize("/mcp")
	call := func(ctx context.Context, id, who string) {
		wg.Go(func() {
			if resp := h.send(ctx, "POST", "/mcp", `{"jsonrpc":"2.0","id":`+id+`,"method":"tools/call","params":{"name":"a-t","arguments":{"who":"`+who+`"}}}`, s...); resp != nil {
				resp.Body.Close()
			}
		})
		wait(t, begun, who)
	}
	ctx, leave = context.WithCancel(t.Context())
	call(ctx, "1", "left")
	call(t.Context(), `"1"`, "cancelled")
	leave()
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"1"}}`, s...), 202)
	wait(t, ended, "cancelled")
	close(goOn)
	wait(t, ended, "left went on")
}

func wait(t *testing.T, from <-chan string, want string) {
	t.Helper()
	select {
	case got := <-from:
		if got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("%q did not come", want)
	}
}

// TestInput: what a server asks a client of the stateless era for goes through, with what the client declares.
func TestInput(t *testing.T) {
	f := newFake(named("t"), named("u"))
	f.do = func(_ context.Context, r mcp.Request) ([]byte, error) {
		if state := string(jsonedit.Get(r.Params, "requestState")); state != "" {
			return []byte(`{"content":[],"got":` + state + `}`), nil
		}
		return []byte(`{"resultType":"input_required","inputRequests":{"k":{"method":"roots/list"}},"requestState":"the server's own"}`), nil
	}
	h := newHouse(t, fakes{"a": f})
	body, hs := modern("tools/call", `"name":"a-t"`, "a-t")
	body = strings.Replace(body, `clientCapabilities":{}`, `clientCapabilities":{"roots":{"x":1.0}}`, 1)
	a := h.ask("POST", "/mcp", body, hs...)
	h.want(a, 200, `"resultType":"input_required","inputRequests":{"k":{"method":"roots/list"}}`)
	if got := string(f.last().Capabilities); got != `{"roots":{"x":1.0}}` {
		t.Errorf("the server is told of %s", got)
	}
	state, _ := jsonedit.Unquote(jsonedit.Get([]byte(a.body), "result", "requestState"))
	if state == "" || strings.Contains(state, "server") {
		t.Fatalf("the state is %q", state)
	}
	again := func(path, name, state string, headers ...string) got {
		return h.modern(path, "tools/call", `"name":"`+name+`","inputResponses":{"k":{"roots":[]}},"requestState":"`+state+`"`, name, headers...)
	}
	h.want(again("/mcp", "a-t", state), 200, `"got":"the server's own"`)
	n := f.count()
	for _, a := range []got{again("/mcp", "a-u", state), again("/mcp", "a-t", state, "X-Principal", "eve"), again("/mcp/a", "t", state), again("/mcp", "a-t", "the server's own"), again("/mcp", "a-t", state[1:])} {
		h.want(a, 200, "-32602", "requestState")
	}
	if f.count() != n {
		t.Error("a state that is not the client's went to the server")
	}
	s := h.initialize("/mcp")
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a-t"}}`, s...), 200, `-32603`, "does not offer")
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a-t"}}`, append(s, "Accept", "application/json")...), 200, `"isError":true`)
}

// TestFailures: a server that fails is told of beside the others; errors of servers come through, and name no address.
func TestFailures(t *testing.T) {
	good, bad := newFake(named("t")), newFake()
	bad.err = errors.New("dial tcp 10.1.2.3:80: refused")
	good.do = func(context.Context, mcp.Request) ([]byte, error) {
		return nil, &mcp.RPCError{Code: -32042, Message: "visit", Data: []byte(`{"n":1.0}`)}
	}
	h := newHouse(t, fakes{"a": good, "b": bad})
	h.want(h.modern("/mcp", "tools/list", "", ""), 200, `"a-t"`, `"ttlMs":0`, `"fairlead/errors":[{"server":"b","error":"the server could not be reached"}]`)
	s := h.initialize("/mcp")
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, s...), 200, `"a-t"`, `"_meta":{"fairlead/errors":[{"server":"b"`)
	h.want(h.modern("/mcp/b", "tools/list", "", ""), 200, `"code":-32603`, "b: the server could not be reached")
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a-t"}}`, s...), 200, `{"code":-32042,"message":"visit","data":{"n":1.0}}`)
	h.want(h.modern("/mcp", "tools/call", `"name":"a-t"`, "a-t"), 200, `"code":-32603,"message":"visit"`)
	good.do = func(context.Context, mcp.Request) ([]byte, error) { return nil, bad.err }
	a := h.modern("/mcp", "tools/call", `"name":"a-t"`, "a-t")
	h.want(a, 200, `-32603`, "the MCP server a: the server could not be reached")
	if strings.Contains(a.body, "10.1.2.3") {
		t.Error("an address is shown")
	}
	good.do = func(context.Context, mcp.Request) ([]byte, error) { panic("no") }
	h.want(h.modern("/mcp", "tools/call", `"name":"a-t"`, "a-t"), 500, `-32603`, "the gateway failed")
}

func FuzzPost(f *testing.F) {
	body, _ := modern("tools/call", `"name":"a-t","arguments":{"a":[1]},"requestState":"x"`, "a-t")
	f.Add(body, "2026-07-28", "tools/call", "a-t")
	f.Add(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}`, "", "", "")
	f.Add(`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, "2025-03-26", "", "")
	ring, _ := seal.New()
	srv := newFake(named("t"))
	cat := mcp.New(func(context.Context, mcp.Server, http.Header, func()) (mcp.Session, error) { return srv, nil }, mcp.Options{})
	cat.Apply([]mcp.Server{{Name: "a", URL: "http://10.0.0.1", Prefix: "a"}})
	f.Cleanup(cat.Close)
	door := front.New(cat, front.Options{Seal: ring})
	f.Fuzz(func(t *testing.T, body, version, method, name string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mcp", http.NoBody)
		r.Header = http.Header{"Mcp-Protocol-Version": {version}, "Mcp-Method": {method}, "Mcp-Name": {name}, "Accept": {"application/json"}}
		if strings.Contains(body, "subscriptions/listen") {
			r.Header.Del("Accept")
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			r = r.WithContext(ctx)
		}
		w := httptest.NewRecorder()
		door.Serve(w, r, &mcp.Visit{Route: "/mcp", Body: []byte(body), Selection: mcp.Selection{Access: mcp.Only([]string{"*"}), Header: http.Header{}}})
		if w.Code != 202 && w.Header().Get("Content-Type") == "application/json" && !jsonedit.Valid(w.Body.Bytes()) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
