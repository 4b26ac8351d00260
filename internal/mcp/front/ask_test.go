package front_test

import (
	"context"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
)

// asking begins a session of a client that declares capabilities and calls a tool whose server answers with requests first, and
// then with what it got.
func asking(t *testing.T, caps, requests string) (h *house, f *fake, session []string, stream <-chan string) {
	t.Helper()
	f = newFake(named("t"))
	f.do = func(_ context.Context, r mcp.Request) ([]byte, error) {
		if answers := jsonedit.Get(r.Params, "inputResponses"); answers != nil {
			return []byte(`{"content":[],"got":` + string(answers) + `,"state":` + string(jsonedit.Get(r.Params, "requestState")) + `}`), nil
		}
		return []byte(`{"resultType":"input_required","inputRequests":` + requests + `,"requestState":"the server's"}`), nil
	}
	h = newHouse(t, fakes{"a": f})
	a := h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":`+caps+`}}`)
	session = []string{"Mcp-Session-Id", a.header.Get("Mcp-Session-Id")}
	resp := h.send(t.Context(), "POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a-t","arguments":{"n":1.0}}}`, session...)
	t.Cleanup(func() { resp.Body.Close() })
	out := make(chan string)
	go func() {
		defer close(out)
		if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
			b := make([]byte, 1<<16)
			n, _ := resp.Body.Read(b)
			out <- string(b[:n])
			return
		}
		for line := range lines(resp) {
			out <- line
		}
	}()
	return h, f, session, out
}

// TestNewServerAsksOldClient: what a server of the stateless era wants to know, a client of the older era is asked for.
func TestNewServerAsksOldClient(t *testing.T) {
	h, f, s, stream := asking(t, `{"elicitation":{"url":{}},"roots":{"listChanged":true},"vendor":{"x":1}}`,
		`{"who":{"method":"elicitation/create","params":{"mode":"url","url":"https://example.com/","message":"m"}},"where":{"method":"roots/list"}}`)
	first := <-stream
	if !strings.Contains(first, `"method":"elicitation/create"`) || !strings.Contains(first, `"message":"m","elicitationId":"`) {
		t.Fatal(first)
	}
	if got := string(f.last().Capabilities); got != `{"elicitation":{"url":{}},"roots":{"listChanged":true}}` {
		t.Errorf("the server is told of %s", got)
	}
	answer := func(request, result string) {
		t.Helper()
		h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":`+string(jsonedit.Get([]byte(request), "id"))+`,"result":`+result+`}`, s...), 202)
	}
	answer(first, `{"action":"accept","n":1.0}`)
	second := <-stream
	if !strings.Contains(second, `"method":"roots/list"`) {
		t.Fatal(second)
	}
	answer(second, `{"roots":[]}`)
	next(t, stream, `{"jsonrpc":"2.0","id":1,"result":{"content":[],"got":{"who":{"action":"accept","n":1.0},"where":{"roots":[]}},"state":"the server's"}}`)
	if got := string(jsonedit.Get(f.last().Params, "arguments")); got != `{"n":1.0}` {
		t.Errorf("the server is asked again with %s", got)
	}
}

// TestAttack24ForgedAnswers: an answer to what was never asked, or from another session, is dropped; an address that is none of
// the web is not shown; and what the client did not declare is not asked for.
func TestAttack24ForgedAnswers(t *testing.T) {
	h, f, s, stream := asking(t, `{"elicitation":{}}`, `{"k":{"method":"elicitation/create","params":{"message":"m","requestedSchema":{}}}}`)
	request := <-stream
	id := string(jsonedit.Get([]byte(request), "id"))
	forged := `,"result":{"action":"accept","forged":true}}`
	other := h.initialize("/mcp")
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":`+id+forged, other...), 202)
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":"fl-guess"`+forged, s...), 202)
	if f.count() != 1 {
		t.Error("a forged answer went to the server")
	}
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":`+id+`,"error":{"code":-1,"message":"not today"}}`, s...), 202)
	next(t, stream, "not today")

	for requests, part := range map[string]string{
		`{"k":{"method":"elicitation/create","params":{"mode":"url","url":"javascript:alert(1)"}}}`: "no address of the web",
		`{"k":{"method":"elicitation/create","params":{"mode":"url","url":"file:///etc/passwd"}}}`:  "no address of the web",
		`{"k":{"method":"sampling/createMessage","params":{}}}`:                                     "does not offer",
		`{"k":{"method":"tools/call","params":{}}}`:                                                 "does not offer",
	} {
		_, _, _, stream := asking(t, `{"elicitation":{}}`, requests)
		next(t, stream, part)
	}
}

// TestEndlessQuestions: a server that is never content is not asked for ever.
func TestEndlessQuestions(t *testing.T) {
	f := newFake(named("t"))
	f.do = func(context.Context, mcp.Request) ([]byte, error) {
		return []byte(`{"resultType":"input_required","inputRequests":{}}`), nil
	}
	h := newHouse(t, fakes{"a": f})
	h.want(h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a-t"}}`, h.initialize("/mcp")...), 200, "more and more input")
	if n := f.count(); n != 11 {
		t.Errorf("the server was asked %d times", n)
	}
}
