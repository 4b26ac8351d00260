package front_test

import (
	"context"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp"
)

const page = "https://gateway.example.com/oauth/login/x"

// TestLoginFirst: whoever must log in to a server before it lists anything is asked to, as its era and what it declares have it, and
// goes on after that. Other servers are not held up.
func TestLoginFirst(t *testing.T) {
	locked := newFake(named("t"))
	locked.err = &mcp.LoginError{Server: "a", URL: page}
	h := newHouse(t, fakes{"a": locked, "b": newFake(named("t"))})
	c := &stateless{house: h, caps: `{"elicitation":{"url":{}}}`}

	c.want(c.call("tools/list", "", ""), 200, `"name":"b-t"`, `"fairlead/errors":[{"server":"a","error":"you must log in to it first: open `+page)
	c.want(h.modern("/mcp/a", "tools/list", "", ""), 200, "-32603", page)
	c.want(c.call("tools/call", `"name":"b-t"`, "b-t"), 200, `"content":[]`)
	c.want(c.call("tools/call", `"name":"c-t"`, "c-t"), 200, "Unknown tool")
	c.want(h.modern("/mcp", "tools/call", `"name":"a-t"`, "a-t"), 200, `"isError":true`, "a: you must log in to it first: open "+page)
	c.want(c.call("prompts/get", `"name":"a-p"`, "a-p"), 200, `"input_required"`, page)
	c.want(c.call("resources/read", `"uri":"a+file:///x"`, "a+file:///x"), 200, `"input_required"`, page)

	a := c.call("tools/call", `"name":"a-t"`, "a-t")
	c.want(a, 200, `"inputRequests":{"input-1":{"method":"elicitation/create","params":{"mode":"url","url":"`+page+`","message":"Log in to a,`)
	again := func(action string) got {
		return c.call("tools/call", `"name":"a-t","inputResponses":{"input-1":{"action":"`+action+`"}},`+state(t, a), "a-t")
	}
	c.want(again("accept"), 200, "input_required")
	c.want(again("decline"), 200, `"isError":true`)

	locked.mu.Lock()
	locked.err = nil
	locked.mu.Unlock()
	h.cat.LoggedIn("", "a")
	c.want(again("accept"), 200, `"content":[]`)
	if p := string(locked.last().Params); strings.Contains(p, "requestState") || strings.Contains(p, "inputResponses") {
		t.Errorf("the server is called with %s", p)
	}

	locked.mu.Lock()
	locked.do = func(context.Context, mcp.Request) ([]byte, error) {
		return nil, &mcp.LoginError{Server: "a", URL: page}
	}
	locked.mu.Unlock()
	c.want(c.call("tools/call", `"name":"a-t"`, "a-t"), 200, `"input_required"`, page) // for more than it may yet
}

// TestLoginFirstOlder: a client of 2025-11-25 that shows its user addresses is refused with one, and other clients get the text.
func TestLoginFirstOlder(t *testing.T) {
	locked := newFake(named("t"))
	locked.err = &mcp.LoginError{Server: "a", URL: page}
	h := newHouse(t, fakes{"a": locked, "b": newFake(named("t"))})
	begin := func(path, caps string) []string {
		a := h.ask("POST", path, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":`+caps+`,"clientInfo":{"name":"c","version":"1"}}}`)
		return []string{"Mcp-Session-Id", a.header.Get("Mcp-Session-Id"), "Mcp-Protocol-Version", "2025-11-25"}
	}
	const list, call = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a-t"}}`
	visit := []string{`"code":-32042`, `"data":{"elicitations":[{"mode":"url","url":"` + page + `","elicitationId":"`}
	s := begin("/mcp", `{"elicitation":{"url":{}}}`)
	h.want(h.ask("POST", "/mcp", list, s...), 200, `"name":"b-t"`, `"fairlead/errors":[{"server":"a"`, page)
	h.want(h.ask("POST", "/mcp", call, s...), 200, visit...)
	h.want(h.ask("POST", "/mcp/a", list, begin("/mcp/a", `{"elicitation":{"url":{}}}`)...), 200, visit...)
	s = begin("/mcp", `{"elicitation":{}}`)
	h.want(h.ask("POST", "/mcp", call, s...), 200, `"isError":true`, page)
	h.want(h.ask("POST", "/mcp/a", list, begin("/mcp/a", `{}`)...), 200, `"code":-32603`, page)

	h.want(h.rest("/mcp-rest/tools/list", "", "*"), 200, `"_meta":{"fairlead/errors":[{"server":"a"`, page)
	h.want(h.rest("/mcp-rest/tools/list?server_id=a", "", "*"), 502, `"error":"upstream_error"`, page)
	h.want(h.rest("/mcp-rest/tools/call", `{"server_id":"a","name":"t"}`, "*"), 502, `"error":"upstream_error"`, page)
}
