package front_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
)

// judged is a house whose rules ask about t and refuse u, where their argument is x.
func judged(t *testing.T) (*house, *fake) {
	f := newFake(named("t"), named("u"))
	f.lists = map[string][]string{"prompts/list": {`{"name":"p"}`}, "resources/list": {`{"uri":"file:///r"}`}}
	h := newHouse(t, fakes{"a": f})
	h.judge = func(u mcp.Use) mcp.Verdict {
		bad := strings.Contains(string(u.Arguments), `"x"`)
		switch {
		case u.Tool == "t" && bad, u.Prompt == "p", u.Resource == "file:///r":
			return mcp.Verdict{Decision: mcp.Ask, Rule: "careful", Reason: "it sends mail"}
		case u.Tool == "u" && bad:
			return mcp.Verdict{Rule: "never", Reason: "not with x"}
		}
		return mcp.Verdict{Decision: mcp.Allow}
	}
	return h, f
}

const askedForT = `{"method":"elicitation/create","params":{"message":"May \"a-t\" be used with {\"n\":\"x\"}? It is asked because: it sends mail","requestedSchema":{"type":"object","properties":{}}}}`

// A client of the stateless era is answered with the question, and its request goes on with the answer, once.
func TestConsentInTheStatelessEra(t *testing.T) {
	h, f := judged(t)
	c := &stateless{house: h, caps: `{"elicitation":{}}`}
	const params = `"name":"a-t","arguments":{"n":"x"}`
	c.want(c.call("tools/call", `"name":"a-t","arguments":{"n":"y"}`, "a-t"), 200, `"complete"`)
	a := c.call("tools/call", params, "a-t")
	c.want(a, 200, `"inputRequests":{"approval":`+askedForT+`}`)
	if f.count() != 1 {
		t.Fatal("the server was called before anybody had said yes")
	}
	yes := `,"inputResponses":{"approval":{"action":"accept","content":{}}},` + state(t, a)
	for name, again := range map[string]string{
		"other arguments": strings.Replace(params, `"x"`, `"x","m":"x"`, 1) + yes,
		"no state":        params + `,"inputResponses":{"approval":{"action":"accept"}}`,
		"no answer":       params + `,` + state(t, a),
	} {
		if got := c.call("tools/call", again, "a-t"); strings.Contains(got.body, `"complete"`) || f.count() != 1 {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	c.want(c.call("tools/call", params+yes, "a-t"), 200, `"complete"`)
	if p := string(f.last().Params); f.count() != 2 || strings.Contains(p, "inputResponses") || strings.Contains(p, "requestState") {
		t.Errorf("the server is called with %s", p)
	}
	c.want(c.call("tools/call", params+yes, "a-t"), 200, "has been used already", `"call_gone"`)

	a = c.call("tools/call", params, "a-t")
	c.want(c.call("tools/call", params+`,"inputResponses":{"approval":{"action":"decline"}},`+state(t, a), "a-t"), 200, `"Error: the user did not allow this call; the tool was not called"`, `"isError":true`)
	if f.count() != 2 {
		t.Error("the server was called although the user had said no")
	}
	for _, r := range about[1:] {
		a = c.call(r.method, r.params, r.name)
		c.want(a, 200, `"approval":{"method":"elicitation/create"`)
		c.want(c.call(r.method, r.params+`,"inputResponses":{"approval":{"action":"accept"}},`+state(t, a), r.name), 200, `"complete"`)
	}
}

// A client that cannot be asked is told why.
func TestNoConsent(t *testing.T) {
	h, f := judged(t)
	const why = `"Error: this call needs approval, which cannot be asked for here; the tool was not called: it sends mail"`
	for _, caps := range []string{`{}`, `{"roots":{}}`, `{"elicitation":{"url":{}}}`} {
		c := &stateless{house: h, caps: caps}
		c.want(c.call("tools/call", `"name":"a-t","arguments":{"n":"x"}`, "a-t"), 200, why, `"isError":true`)
		c.want(c.call("prompts/get", `"name":"a-p"`, "a-p"), 200, `"error"`, "it sends mail")
	}
	s := h.initialize("/mcp")
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a-t","arguments":{"n":"x"}}}`, s...), 200, why)
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"a+file:///r"}}`, s...), 200, `"error"`)
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a-u","arguments":{"n":"x"}}}`, s...), 200,
		`"Error: this call is refused by the gateway's policy; the tool was not called: not with x"`, `"isError":true`)
	w := httptest.NewRecorder()
	h.door.Call(w, httptest.NewRequest("POST", "/mcp-rest/tools/call", nil), &mcp.Visit{
		Body: []byte(`{"server_id":"a","name":"t","arguments":{"n":"x"}}`), Selection: mcp.Selection{Access: h.access([]string{"*"})},
	})
	if w.Code != 200 || !strings.Contains(w.Body.String(), why) || !strings.Contains(w.Body.String(), `"isError":true`) {
		t.Errorf("REST: %d %s", w.Code, w.Body)
	}
	if f.count() != 0 {
		t.Error("the server was called")
	}
}

// A client of the older era is asked on the stream of its request.
func TestConsentInTheOlderEra(t *testing.T) {
	for action, want := range map[string]string{"accept": `"id":1,"result":{"content":`, "decline": "the user did not allow this call"} {
		h, f := judged(t)
		a := h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}}}}`)
		session := []string{"Mcp-Session-Id", a.header.Get("Mcp-Session-Id")}
		resp := h.send(t.Context(), "POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a-t","arguments":{"n":"x"}}}`, session...)
		stream := lines(resp)
		question := <-stream
		if !strings.Contains(question, strings.TrimPrefix(strings.TrimSuffix(askedForT, "}"), "{")) {
			t.Fatal(question)
		}
		h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":`+string(jsonedit.Get([]byte(question), "id"))+`,"result":{"action":"`+action+`"}}`, session...), 202)
		next(t, stream, want)
		if got := f.count() == 1; got != (action == "accept") {
			t.Errorf("%s: the server was called: %v", action, got)
		}
		resp.Body.Close()
	}
}

// TestAttack22RulesHideAndRefuse: what a rule hides is, for every verb, what does not exist.
func TestAttack22RulesHideAndRefuse(t *testing.T) {
	f := newFake(named("t"), named("secret"))
	f.lists = map[string][]string{
		"prompts/list": {`{"name":"p"}`, `{"name":"secret"}`}, "resources/list": {`{"uri":"file:///r"}`, `{"uri":"file:///secret"}`},
		"resources/templates/list": {`{"uriTemplate":"file:///{x}","name":"t"}`},
	}
	h := newHouse(t, fakes{"a": f, "secret": newFake(named("t"))})
	h.judge = func(u mcp.Use) mcp.Verdict {
		if u.Server == "secret" || u.Tool == "secret" || u.Prompt == "secret" || u.Resource == "file:///secret" {
			return mcp.Verdict{Rule: "hide", Reason: "nobody may know"}
		}
		return mcp.Verdict{Decision: mcp.Allow}
	}
	c := &stateless{house: h, caps: `{"elicitation":{}}`}
	for _, m := range []string{"tools/list", "prompts/list", "resources/list", "resources/templates/list"} {
		if got := c.call(m, "", ""); got.status != 200 || strings.Contains(got.body, "secret") {
			t.Errorf("%s: %d %s", m, got.status, got.body)
		}
	}
	for _, v := range []struct{ method, params, name string }{
		{"tools/call", `"name":"a-%"`, "a-%"},
		{"tools/call", `"name":"%-t"`, "%-t"},
		{"prompts/get", `"name":"a-%"`, "a-%"},
		{"completion/complete", `"ref":{"type":"ref/prompt","name":"a-%"},"argument":{"name":"n","value":"v"}`, ""},
		{"completion/complete", `"ref":{"type":"ref/resource","uri":"b+file:///%"},"argument":{"name":"n","value":"v"}`, ""},
	} {
		fill := func(with string) got {
			return c.call(v.method, strings.ReplaceAll(v.params, "%", with), strings.ReplaceAll(v.name, "%", with))
		}
		hidden, unknown := fill("secret"), fill("nothing")
		if hidden.status != unknown.status || strings.ReplaceAll(hidden.body, "secret", "nothing") != unknown.body || !strings.Contains(hidden.body, `"error"`) {
			t.Errorf("%s %s: %d %s, want what an unknown one gets: %s", v.method, v.params, hidden.status, hidden.body, unknown.body)
		}
	}
	s := h.initialize("/mcp")
	for _, v := range []struct{ method, params string }{
		{"resources/read", `"uri":"%"`}, {"resources/subscribe", `"uri":"%"`},
	} {
		// A server with templates may have any resource, so that the unknown one is one of a server that is not there.
		fill := func(with string) got {
			return h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"`+v.method+`","params":{`+strings.ReplaceAll(v.params, "%", with)+`}}`, s...)
		}
		hidden, unknown := fill("a+file:///secret"), fill("z+file:///nothing")
		if hidden.status != unknown.status || strings.ReplaceAll(hidden.body, "a+file:///secret", "z+file:///nothing") != unknown.body || !strings.Contains(hidden.body, `"error"`) {
			t.Errorf("%s: %d %s, want %s", v.method, hidden.status, hidden.body, unknown.body)
		}
	}
	there, not := h.modern("/mcp/secret", "tools/list", "", ""), h.modern("/mcp/nothing", "tools/list", "", "")
	if there.status != not.status || strings.ReplaceAll(there.body, "secret", "nothing") != not.body {
		t.Errorf("a hidden server: %d %s, want %s", there.status, there.body, not.body)
	}
	for _, body := range []string{`{"server_id":"a","name":"%"}`, `{"server_id":"%","name":"t"}`} {
		fill := func(with string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			h.door.Call(w, httptest.NewRequest("POST", "/mcp-rest/tools/call", nil), &mcp.Visit{Body: []byte(strings.ReplaceAll(body, "%", with)), Selection: mcp.Selection{Access: h.access([]string{"*"})}})
			return w
		}
		hidden, unknown := fill("secret"), fill("nothing")
		if hidden.Code != unknown.Code || strings.ReplaceAll(hidden.Body.String(), "secret", "nothing") != unknown.Body.String() {
			t.Errorf("REST %s: %d %s, want %d %s", body, hidden.Code, hidden.Body, unknown.Code, unknown.Body)
		}
	}
	if f.count() != 0 {
		t.Error("the server was asked")
	}
}
