package front_test

import (
	"context"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp"
)

// TestHTTPAndSSE: the transport of 2024 has all that the other one has: answers, progress, questions, notifications and
// cancellation come on the one stream, or by posts to its endpoint.
func TestHTTPAndSSE(t *testing.T) {
	ended := make(chan bool, 1)
	f := asksOnce("roots/list", `{}`)
	ask := f.do
	f.do = func(ctx context.Context, r mcp.Request) ([]byte, error) {
		if r.Name == "safe" {
			<-ctx.Done()
			ended <- true
			return nil, ctx.Err()
		}
		r.Notify("notifications/progress", []byte(`{"progressToken":9,"progress":1}`))
		return ask(ctx, r)
	}
	h := newHouse(t, fakes{"a": f})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	stream := lines(h.send(ctx, "GET", "/sse/a", "", "X-Principal", "alice"))
	endpoint := <-stream
	if !strings.HasPrefix(endpoint, "/sse/a?sessionId=") {
		t.Fatalf("the endpoint is %s", endpoint)
	}
	post := func(body string) { h.t.Helper(); h.want(h.ask("POST", endpoint, body, "X-Principal", "alice"), 202) }
	post(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{"roots":{}}}}`)
	next(t, stream, `"id":0,"result":{"protocolVersion":"2024-11-05"`)
	post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	post(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	next(t, stream, `{"name":"t"`)
	post(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t","_meta":{"progressToken":"p"}}}`)
	next(t, stream, `{"progressToken":"p","progress":1}`)
	question := <-stream
	if !strings.Contains(question, `"method":"roots/list"`) {
		t.Fatal(question)
	}
	id, _, _ := strings.Cut(question[strings.Index(question, `"id":`)+5:], ",")
	post(`{"jsonrpc":"2.0","id":` + id + `,"result":{"roots":[1.0]}}`)
	next(t, stream, `"got":{"roots":[1.0]}`)
	post(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"safe"}}`)
	for f.count() < 2 {
	}
	post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}`)
	<-ended
	next(t, stream, `"id":3,"error"`)
	f.set(named("other"))
	next(t, stream, `notifications/tools/list_changed`)

	ping := `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	unknown := h.ask("POST", "/sse/a?sessionId=never-was", ping, "X-Principal", "alice")
	h.want(unknown, 404)
	for _, a := range []got{
		h.ask("POST", endpoint, ping, "X-Principal", "bob"),
		h.ask("POST", strings.Replace(endpoint, "/sse/a", "/sse", 1), ping, "X-Principal", "alice"),
	} {
		if a.status != 404 || a.body != unknown.body {
			t.Errorf("%d %s, want 404 %s", a.status, a.body, unknown.body)
		}
	}
	h.want(h.ask("POST", "/sse/a", ping), 405, "HTTP+SSE")
	h.want(h.ask("POST", endpoint, "{", "X-Principal", "alice"), 400)
	other := newHouse(t, fakes{"a": f})
	other.want(other.ask("POST", endpoint, ping, "X-Principal", "alice"), 404, "another process")
	h.may["eve"] = []string{"b"}
	h.want(h.ask("GET", "/sse/a", "", "X-Principal", "eve"), 403)
	h.want(h.ask("GET", "/sse", "", "Origin", "http://evil.example"), 403)
	leave()
	for range stream {
	}
	for h.ask("POST", endpoint, ping, "X-Principal", "alice").status != 404 {
	}
}
