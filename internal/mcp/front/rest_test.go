package front_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp"
)

// rest asks one of the endpoints of LiteLLM as a principal who may use the servers.
func (h *house) rest(path, body string, servers ...string) got {
	h.t.Helper()
	w := httptest.NewRecorder()
	v := &mcp.Visit{Body: []byte(body), Selection: mcp.Selection{Access: mcp.Only(servers)}}
	if body == "" {
		h.door.Tools(w, httptest.NewRequestWithContext(h.t.Context(), http.MethodGet, path, http.NoBody), v)
	} else {
		h.door.Call(w, httptest.NewRequestWithContext(h.t.Context(), http.MethodPost, path, http.NoBody), v)
	}
	return got{w.Code, w.Header(), w.Body.String()}
}

func TestREST(t *testing.T) {
	a, b := newFake(`{"name":"t","inputSchema":{"type":"object"},"x":1.0}`), newFake(named("t"))
	a.do = func(_ context.Context, r mcp.Request) ([]byte, error) {
		return []byte(`{"content":[],"structuredContent":` + string(r.Params) + `}`), nil
	}
	b.do = func(context.Context, mcp.Request) ([]byte, error) {
		return nil, &mcp.RPCError{Code: -32000, Message: "out of paper"}
	}
	h := newHouse(t, fakes{"a": a, "b": b, "dead": {err: errors.New("no"), done: make(chan struct{})}})
	h.want(h.rest("/mcp-rest/tools/list", "", "a", "b"), 200,
		`{"tools":[{"name":"t","inputSchema":{"type":"object"},"x":1.0,"mcp_info":{"server_name":"a","server_id":"a","alias":"a"}},{"name":"t",`, `"error":null,"message":"Successfully retrieved tools"}`)
	h.want(h.rest("/mcp-rest/tools/list", "", "*"), 200, `"_meta":{"fairlead/errors":[{"server":"dead"`)
	h.want(h.rest("/mcp-rest/tools/list?server_id=b", "", "a", "b"), 200, `{"tools":[{"name":"t",`, `"server_name":"b"`)
	h.want(h.rest("/mcp-rest/tools/list?server_id=dead", "", "*"), 502, `"error":"upstream_error"`)
	for _, server := range []string{"b", "none"} {
		h.want(h.rest("/mcp-rest/tools/list?server_id="+server, "", "a"), 403, `{"detail":{"error":"access_denied"`)
		h.want(h.rest("/mcp-rest/tools/call", `{"server_id":"`+server+`","name":"t"}`, "a"), 403, `{"detail":{"error":"access_denied"`)
	}
	for _, name := range []string{"t", "a-t"} {
		h.want(h.rest("/mcp-rest/tools/call", `{"server_id":"a","name":"`+name+`","arguments":{"n":9007199254740993}}`, "a"), 200,
			`"structuredContent":{"name":"t","arguments":{"n":9007199254740993}},"resultType":"complete"}`)
	}
	h.want(h.rest("/mcp-rest/tools/call", `{"server_id":"b","name":"t"}`, "b"), 200, `"isError":true`, "out of paper")
	h.want(h.rest("/mcp-rest/tools/call", `{"server_id":"a","name":"u"}`, "a"), 404, `"tool_not_found"`)
	h.want(h.rest("/mcp-rest/tools/call", `{"server_id":"a,b","name":"t"}`, "a", "b"), 403, `"access_denied"`)
	h.want(h.rest("/mcp-rest/tools/call", `{"name":"t"}`, "a"), 400, `"missing_parameter"`, "server_id")
	h.want(h.rest("/mcp-rest/tools/call", `{"server_id":"a","name":"t","name":"u"}`, "a"), 400, `"invalid_request"`)
	h.want(h.rest("/mcp-rest/tools/call", `{"server_id":"a","name":"t","arguments":{"x":1,"x":2}}`, "a"), 400, `"invalid_request"`)
	h.want(h.rest("/mcp-rest/tools/call", `{"server_id":"a","name":"t","arguments":[]}`, "a"), 400, `"invalid_request"`)
}

// TestStdio: both eras over standard input and output, with what a server tells, and a cancelled call.
func TestStdio(t *testing.T) {
	a := newFake(named("t"))
	begun, ended := make(chan string, 1), make(chan string, 1)
	a.do = func(ctx context.Context, r mcp.Request) ([]byte, error) {
		if strings.Contains(string(r.Params), "hang") {
			begun <- "hang"
			<-ctx.Done()
			ended <- "hang"
			return nil, ctx.Err()
		}
		r.Notify("notifications/progress", []byte(`{"progressToken":7,"progress":1}`))
		return []byte("{\n\"content\":[]}"), nil
	}
	h := newHouse(t, fakes{"a": a})
	in, client := io.Pipe()
	server, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- h.door.Stdio(t.Context(), in, out, func() *mcp.Visit {
			return &mcp.Visit{Route: "/mcp", Selection: mcp.Selection{Access: mcp.Only([]string{"*"}), Header: http.Header{}}}
		})
		_ = out.Close()
	}()
	got := make(chan string)
	go func() {
		defer close(got)
		b := make([]byte, 1<<16)
		for {
			n, err := server.Read(b)
			if err != nil {
				return
			}
			for line := range strings.Lines(string(b[:n])) {
				got <- line
			}
		}
	}()
	say := func(line string) {
		if _, err := io.WriteString(client, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	say(`not JSON`)
	next(t, got, `"code":-32700`)
	say(`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{` + meta + `}}}`)
	next(t, got, `"supportedVersions":["2026-07-28"]`)
	say(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"a-t","_meta":{"progressToken":"p",` + meta + `}}}`)
	next(t, got, `"progressToken":"p"`)
	next(t, got, `{"jsonrpc":"2.0","id":2,"result":{"content":[],"resultType":"complete"}}`)
	say(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"a-t","arguments":{"hang":1},"_meta":{` + meta + `}}}`)
	wait(t, begun, "hang")
	say(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3,"_meta":{` + meta + `}}}`)
	wait(t, ended, "hang")
	next(t, got, "cancelled")
	say(`{"jsonrpc":"2.0","id":4,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{}}}`)
	next(t, got, `"protocolVersion":"2025-06-18"`)
	say(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	say(`{"jsonrpc":"2.0","id":5,"method":"tools/list"}`)
	next(t, got, `"name":"a-t"`)
	say(`{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"a-t","arguments":{"hang":1}}}`)
	wait(t, begun, "hang")
	_ = client.Close()
	wait(t, ended, "hang")
	go func() {
		for range got {
		}
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
