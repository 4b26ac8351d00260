package front_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
)

// library is a server with one of each.
func library(uri string) *fake {
	f := newFake(named("t"))
	f.lists = map[string][]string{
		"prompts/list":             {`{"name":"greet","x":1.0}`},
		"resources/list":           {`{"x":1.0,"uri":"` + uri + `","name":"r"}`},
		"resources/templates/list": {`{"uriTemplate":"file:///{path}","name":"any"}`},
	}
	return f
}

func TestWide(t *testing.T) {
	a, b := library("file:///a"), library("file:///a")
	h := newHouse(t, fakes{"a": a, "b_1": b})
	s := h.initialize("/mcp")
	old := func(method, params string) got {
		h.t.Helper()
		return h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":{`+params+`}}`, s...)
	}
	h.want(old("prompts/list", ""), 200, `"prompts":[{"name":"a-greet","x":1.0},{"name":"b_1-greet","x":1.0}]`)
	h.want(old("resources/list", ""), 200, `"resources":[{"x":1.0,"uri":"a+file:///a","name":"r"},{"x":1.0,"uri":"b.1+file:///a","name":"r"}]`)
	h.want(old("resources/templates/list", ""), 200, `"resourceTemplates":[{"uriTemplate":"a+file:///{path}","name":"any"},`)
	for _, method := range []string{"prompts/list", "resources/list", "resources/templates/list"} {
		h.want(h.modern("/mcp/a", method, "", ""), 200, `"resultType":"complete"`, `"ttlMs":60000`, `"cacheScope":"private"`)
	}
	h.want(h.modern("/mcp/a", "resources/list", "", ""), 200, `"uri":"file:///a"`)

	b.do = func(context.Context, mcp.Request) ([]byte, error) {
		return []byte(`{"contents":[{"uri":"file:///b","text":"","n":1.0}],"cacheScope":"public"}`), nil
	}
	h.want(old("resources/read", `"uri":"b.1+file:///any/thing"`), 200, `"contents":[{"uri":"b.1+file:///b","text":"","n":1.0}]`)
	if r := b.last(); string(r.Params) != `{"uri":"file:///any/thing"}` || r.Name != "file:///any/thing" {
		t.Errorf("the server got %s, %q", r.Params, r.Name)
	}
	h.want(h.modern("/mcp", "resources/read", `"uri":"b.1+file:///a"`, "b.1+file:///a"), 200, `"ttlMs":0`, `"cacheScope":"private"`, `"resultType":"complete"`)
	b.do = func(context.Context, mcp.Request) ([]byte, error) {
		return []byte(`{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"file:///b","text":""}}},{"role":"user","content":{"type":"text","text":"\"uri\""}}]}`), nil
	}
	h.want(old("prompts/get", `"name":"b_1-greet","arguments":{"n":"1"}`), 200, `"resource":{"uri":"b.1+file:///b","text":""}`, `"text":"\"uri\""`)
	if got := string(b.last().Params); got != `{"name":"greet","arguments":{"n":"1"}}` {
		t.Errorf("the server got %s", got)
	}
	b.do = func(context.Context, mcp.Request) ([]byte, error) {
		return []byte(`{"content":[{"type":"resource_link","uri":"file:///b","name":"n"},{"type":"resource","resource":{"uri":"file:///c","blob":""}}]}`), nil
	}
	h.want(old("tools/call", `"name":"b_1-t"`), 200, `{"type":"resource_link","uri":"b.1+file:///b","name":"n"}`, `"uri":"b.1+file:///c"`)
	b.do = func(context.Context, mcp.Request) ([]byte, error) {
		return []byte(`{"completion":{"values":["x"]}}`), nil
	}
	h.want(old("completion/complete", `"ref":{"type":"ref/prompt","name":"b_1-greet"},"argument":{"name":"n","value":""}`), 200, `"values":["x"]`)
	h.want(old("completion/complete", `"ref":{"type":"ref/resource","uri":"b.1+file:///{path}"},"argument":{"name":"path","value":""}`), 200, `"values":["x"]`)
	if got := string(b.last().Params); !strings.HasPrefix(got, `{"ref":{"type":"ref/resource","uri":"file:///{path}"},`) {
		t.Errorf("the server got %s", got)
	}
	if a.count() != 0 {
		t.Error("the other server was asked")
	}
}

// TestNoResource: a resource that is not there has each era's own error.
func TestNoResource(t *testing.T) {
	a := library("file:///a")
	a.do = func(context.Context, mcp.Request) ([]byte, error) {
		return nil, &mcp.RPCError{Code: -32602, Message: "no such resource"}
	}
	h := newHouse(t, fakes{"a": a})
	s := h.initialize("/mcp")
	for uri, message := range map[string]string{"c+file:///a": "Resource not found", "a+file:///b": "no such resource"} {
		h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"`+uri+`"}}`, s...), 200, `"code":-32002,"message":"`+message)
		h.want(h.modern("/mcp", "resources/read", `"uri":"`+uri+`"`, uri), 200, `"code":-32602,"message":"`+message)
	}
	h.want(h.modern("/mcp", "prompts/get", `"name":"b-greet"`, "b-greet"), 200, `-32602`, "Unknown prompt")
	h.want(h.modern("/mcp", "completion/complete", `"ref":{"type":"ref/prompt","name":"b-greet"}`, ""), 200, `-32602`)
}

// TestSubscriptions: clients of both eras share a subscription at the server, which ends with the last of them.
func TestSubscriptions(t *testing.T) {
	a := library("file:///a")
	h := newHouse(t, fakes{"a": a})
	s := h.initialize("/mcp")
	stream := h.send(t.Context(), "GET", "/mcp", "", s...)
	defer stream.Body.Close()
	old := lines(stream)
	ask := func(method string) {
		h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":{"uri":"a+file:///a"}}`, s...), 200, `"result":{}`)
	}
	ask("resources/subscribe")
	ask("resources/subscribe")
	ctx, leave := context.WithCancel(t.Context())
	body, hs := modern("subscriptions/listen", `"notifications":{"resourceSubscriptions":["a+file:///a","b+file:///b"],"resourcesListChanged":true}`, "")
	listen := h.send(ctx, "POST", "/mcp", body, hs...)
	defer listen.Body.Close()
	newer := lines(listen)
	next(t, newer, `"notifications":{"resourcesListChanged":true,"resourceSubscriptions":["a+file:///a"]}`)
	if got := a.subscribed(); got != "file:///a" {
		t.Errorf("the server is asked for %q", got)
	}
	a.tell("notifications/resources/updated", []byte(`{"uri":"file:///a"}`))
	next(t, old, `"method":"notifications/resources/updated","params":{"uri":"a+file:///a"}`)
	next(t, newer, `"params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1},"uri":"a+file:///a"}`)
	a.mu.Lock()
	a.lists["resources/list"] = nil
	a.mu.Unlock()
	a.tell("notifications/resources/list_changed", nil)
	next(t, old, resourcesChanged)
	next(t, newer, resourcesChanged)
	leave()
	ask("resources/unsubscribe")
	for end := time.Now().Add(patience); a.subscribed() != ""; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the server is still asked for %q", a.subscribed())
		}
	}
}

const resourcesChanged = "notifications/resources/list_changed"

// TestAttack22OtherVerbs: prompts, resources, templates, completions and subscriptions of a server that may not be used look
// like those of one that does not exist.
func TestAttack22OtherVerbs(t *testing.T) {
	a, b := library("file:///a"), library("file:///b")
	h := newHouse(t, fakes{"a": a, "b": b})
	h.may["eve"] = []string{"a"}
	eve := []string{"X-Principal", "eve"}
	for _, method := range []string{"prompts/list", "resources/list", "resources/templates/list"} {
		if got := h.modern("/mcp", method, "", "", eve...); strings.Contains(got.body, "b-") || strings.Contains(got.body, "b+") {
			t.Errorf("%s shows %s", method, got.body)
		}
	}
	for _, c := range [][3]string{
		{"prompts/get", `"name":"%-greet"`, "%-greet"},
		{"resources/read", `"uri":"%+file:///b"`, "%+file:///b"},
		{"completion/complete", `"ref":{"type":"ref/prompt","name":"%-greet"},"argument":{}`, ""},
		{"completion/complete", `"ref":{"type":"ref/resource","uri":"%+file:///{path}"},"argument":{}`, ""},
	} {
		ask := func(server string) got {
			return h.modern("/mcp", c[0], strings.ReplaceAll(c[1], "%", server), strings.ReplaceAll(c[2], "%", server), eve...)
		}
		there, not := ask("b"), ask("c")
		if there.status != not.status || strings.NewReplacer("b-greet", "c-greet", "b+file", "c+file").Replace(there.body) != not.body || !jsonedit.Valid([]byte(not.body)) {
			t.Errorf("%s: %d %s, want %d %s", c[0], there.status, there.body, not.status, not.body)
		}
	}
	if b.count() != 0 {
		t.Error("the server was asked")
	}
}
