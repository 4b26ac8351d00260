package front_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp"
)

const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

// TestAttack05SessionHijack: a session is its principal's, on its path; to all others it looks like one that never was.
func TestAttack05SessionHijack(t *testing.T) {
	h := newHouse(t, fakes{"a": newFake(named("t"))})
	s := h.initialize("/mcp", "X-Principal", "alice")
	id := s[3]
	h.want(h.ask("POST", "/mcp", ping, s...), 200)
	unknown := h.ask("POST", "/mcp", ping, "X-Principal", "alice", "Mcp-Session-Id", "never-was")
	h.want(unknown, 404)
	for name, a := range map[string]got{
		"another principal": h.ask("POST", "/mcp", ping, "X-Principal", "bob", "Mcp-Session-Id", id),
		"another path":      h.ask("POST", "/mcp/a", ping, "X-Principal", "alice", "Mcp-Session-Id", id),
		"a stream":          h.ask("GET", "/mcp", "", "X-Principal", "bob", "Mcp-Session-Id", id),
		"an end":            h.ask("DELETE", "/mcp", "", "X-Principal", "bob", "Mcp-Session-Id", id),
	} {
		if a.status != 404 || strings.ReplaceAll(a.body, `"id":null`, `"id":1`) != unknown.body {
			t.Errorf("%s: %d %s, want 404 %s", name, a.status, a.body, unknown.body)
		}
	}
	h.want(h.ask("POST", "/mcp", ping, s...), 200)
}

// TestAttack06ForgedSession: an id of a client's own making is not known, and no server is asked.
func TestAttack06ForgedSession(t *testing.T) {
	f := newFake(named("t"))
	h := newHouse(t, fakes{"a": f})
	id := h.initialize("/mcp")[1]
	raw, _ := base64.RawURLEncoding.DecodeString(id)
	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a-t"}}`
	for i := range raw {
		forged := append([]byte(nil), raw...)
		forged[i] ^= 1
		h.want(h.ask("POST", "/mcp", call, "Mcp-Session-Id", base64.RawURLEncoding.EncodeToString(forged)), 404)
	}
	h.want(h.ask("POST", "/mcp", call, "Mcp-Session-Id", base64.StdEncoding.EncodeToString([]byte(`{"t":"mcp","s":[{"t":"a","b":"10.0.0.1:80"}]}`))), 404)
	if f.count() != 0 {
		t.Error("the server was asked")
	}
}

// TestAttack08ForeignOrigin: no web page of another origin is answered.
func TestAttack08ForeignOrigin(t *testing.T) {
	h := newHouse(t, fakes{"a": newFake(named("t"))})
	for _, method := range []string{"POST", "GET", "DELETE"} {
		for _, origin := range []string{"http://evil.example", "null", "http://127.0.0.1.evil.example", "file://", "http://localhost.evil.example"} {
			h.want(h.ask(method, "/mcp", ping, "Origin", origin), 403)
		}
	}
	h.want(h.modern("/mcp", "tools/list", "", "", "Origin", "http://localhost:6274"), 200)
	h.want(h.modern("/mcp", "tools/list", "", "", "Origin", h.url), 200)
}

// TestAttack16Shadowing: a name goes to the server that had it, whatever another one lists.
func TestAttack16Shadowing(t *testing.T) {
	a, b := newFake(named("read")), newFake(named("a-read"), named("A-read"), named("read"))
	tell := func(who string) func(context.Context, mcp.Request) ([]byte, error) {
		return func(context.Context, mcp.Request) ([]byte, error) {
			return []byte(`{"content":[],"by":"` + who + `"}`), nil
		}
	}
	a.do, b.do = tell("a"), tell("b")
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		var servers []mcp.Server
		for _, name := range order {
			s := mcp.Server{Name: name, URL: "http://10.0.0.1/" + name}
			if name == "a" {
				s.Prefix = "a"
			}
			servers = append(servers, s)
		}
		h := newHouse(t, fakes{"a": a, "b": b}, servers...)
		h.want(h.modern("/mcp", "tools/list", "", ""), 200, `"name":"a-read"`, `"name":"b-a-read"`, `"name":"A-read"`, `"name":"read"`)
		h.want(h.modern("/mcp", "tools/call", `"name":"a-read"`, "a-read"), 200, `"by":"a"`)
		h.want(h.modern("/mcp", "tools/call", `"name":"b-a-read"`, "b-a-read"), 200, `"by":"b"`)
	}
}

// TestAttack21Desync: what two readers could understand in two ways is refused before a server hears of it.
func TestAttack21Desync(t *testing.T) {
	f := newFake(named("t"), named("u"))
	h := newHouse(t, fakes{"a": f})
	s := h.initialize("/mcp/a")
	for name, body := range map[string]string{
		"method twice":             `{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"t"}}`,
		"name twice":               `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","name":"u"}}`,
		"name in another case":     `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","Name":"u"}}`,
		"name escaped":             `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","n\u0061me":"u"}}`,
		"argument twice":           `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"path":"/a","path":"/b"}}}`,
		"deep argument twice":      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"x":[{"p":1,"p":2}]}}}`,
		"params in another case":   `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"},"Params":{"name":"u"}}`,
		"trailing bytes":           `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}} {"name":"u"}`,
		"not UTF-8":                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"t\",\"arguments\":{\"a\":\"\xff\"}}}",
		"a batch":                  `[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}]`,
		"a request and a response": `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"},"result":{}}`,
	} {
		t.Run(name, func(t *testing.T) {
			h.want(h.ask("POST", "/mcp/a", body, s...), 400, `"error"`)
		})
	}
	if f.count() != 0 {
		t.Error("the server was asked")
	}
}

// TestAttack22ListCallGap: what a principal is not shown it cannot call, and the refusal is that of what does not exist.
func TestAttack22ListCallGap(t *testing.T) {
	a, b := newFake(named("t"), named("hidden")), newFake(named("t"))
	h := newHouse(t, fakes{"a": a, "b": b}, mcp.Server{Name: "a", URL: "http://10.0.0.1/a", Prefix: "a", Deny: []string{"hidden"}}, mcp.Server{Name: "b", URL: "http://10.0.0.1/b", Prefix: "b"})
	h.may["eve"] = []string{"a"}
	list := h.modern("/mcp", "tools/list", "", "", "X-Principal", "eve")
	if strings.Contains(list.body, "b-t") || strings.Contains(list.body, "hidden") {
		t.Errorf("it lists %s", list.body)
	}
	unknown := h.modern("/mcp", "tools/call", `"name":"a-nothing"`, "a-nothing", "X-Principal", "eve")
	for _, name := range []string{"b-t", "a-hidden", "t", "hidden"} {
		got := h.modern("/mcp", "tools/call", `"name":"`+name+`"`, name, "X-Principal", "eve")
		if got.status != unknown.status || strings.ReplaceAll(got.body, ": "+name+`"`, `: a-nothing"`) != unknown.body {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	there, not := h.modern("/mcp/b", "tools/list", "", "", "X-Principal", "eve"), h.modern("/mcp/c", "tools/list", "", "", "X-Principal", "eve")
	if there.status != not.status || strings.ReplaceAll(there.body, `\"b\"`, `\"c\"`) != not.body {
		t.Errorf("%d %s, want %d %s", there.status, there.body, not.status, not.body)
	}
	if a.count()+b.count() != 0 {
		t.Error("a server was asked")
	}
}

// TestAttack29ListsOfOthers: lists are made once for the same permissions, never shared with others, and called private.
func TestAttack29ListsOfOthers(t *testing.T) {
	h := newHouse(t, fakes{"a": newFake(named("t")), "b": newFake(named("t"))})
	tools := func(servers ...string) []byte {
		v, err := h.cat.View(t.Context(), &mcp.Visit{Selection: mcp.Selection{Access: mcp.Only(servers)}})
		if err != nil {
			t.Fatal(err)
		}
		return v.Tools()
	}
	if all, again := tools("*"), tools("a", "b"); &all[0] != &again[0] {
		t.Error("the same permissions have two lists")
	}
	if one := string(tools("a")); strings.Contains(one, "b-t") {
		t.Errorf("one who may use a is shown %s", one)
	}
	h.want(h.modern("/mcp", "tools/list", "", ""), 200, `"cacheScope":"private"`)
}

// TestAttack23SearchBypass: what may not be called by its name can neither be found by a search nor called through call_tool, and
// looks like what does not exist. Arguments are judged as those of the tool that is called.
func TestAttack23SearchBypass(t *testing.T) {
	f := newFake(named("read"), named("denied"))
	h := newHouse(t, fakes{"a": f, "b": newFake(named("read"))})
	h.plan = func(sel *mcp.Selection) {
		sel.Search = true
		sel.Access = func(u mcp.Use) mcp.Verdict {
			if u.Server == "b" || u.Tool == "denied" || strings.Contains(string(u.Arguments), "secret") {
				return mcp.Verdict{}
			}
			return mcp.Verdict{Decision: mcp.Allow}
		}
	}
	s := h.initialize("/mcp")
	call := func(tool, args string) string {
		return h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+tool+`","arguments":`+args+`}}`, s...).body
	}
	if got := h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, s...).body; strings.Contains(got, "denied") || !strings.Contains(got, "call_tool") {
		t.Errorf("the list is %s", got)
	}
	for _, query := range []string{"denied", "", "read", "b"} {
		if got := call("search_tools", `{"query":"`+query+`","limit":20}`); strings.Contains(got, "denied") || strings.Contains(got, "b-read") {
			t.Errorf("a search for %q finds %s", query, got)
		}
	}
	unknown := call("call_tool", `{"name":"a-NAME","arguments":{}}`)
	for name, args := range map[string]string{
		"denied":          `{"name":"a-denied","arguments":{}}`,
		"denied, as text": `{"name":"a-denied","arguments":"{}"}`,
		"another server":  `{"name":"b-read","arguments":{}}`,
		"itself":          `{"name":"call_tool","arguments":{"name":"a-denied","arguments":{}}}`,
		"the own name":    `{"name":"denied","arguments":{}}`,
	} {
		got := call("call_tool", args)
		for _, n := range []string{"a-denied", "b-read", "call_tool", "denied"} {
			got = strings.ReplaceAll(got, `: `+n+`"`, `: a-NAME"`)
		}
		if got != unknown || !strings.Contains(got, "-32602") {
			t.Errorf("%s: %s, want %s", name, got, unknown)
		}
	}
	if got, direct := call("call_tool", `{"name":"a-read","arguments":{"path":"secret"}}`), call("a-read", `{"path":"secret"}`); got != direct || !strings.Contains(got, "policy") {
		t.Errorf("arguments that may not be: %s, by its own name %s", got, direct)
	}
	if n := f.count(); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	call("call_tool", `{"name":"a-read","arguments":{"n":9007199254740993}}`)
	if n := f.count(); n != 1 || !strings.Contains(string(f.last().Params), `"name":"read","arguments":{"n":9007199254740993}`) {
		t.Errorf("%d calls were made, the last with %s", n, f.last().Params)
	}
}
