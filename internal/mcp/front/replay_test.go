package front_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp"
)

// event is one event of a stream.
type event struct{ id, data string }

// events reads a stream.
func events(resp *http.Response) <-chan event {
	out := make(chan event)
	go func() {
		defer close(out)
		var e event
		s := bufio.NewScanner(resp.Body)
		for s.Scan() {
			key, value, _ := strings.Cut(s.Text(), ": ")
			switch {
			case s.Text() == "" && e.id != "":
				out <- e
				e = event{}
			case key == "id":
				e.id = value
			case key == "data":
				e.data = value
			}
		}
	}()
	return out
}

const callT = `{"jsonrpc":"2.0","id":"my id","method":"tools/call","params":{"name":"a-t","_meta":{"progressToken":1}}}`

// TestLastEventID: a client whose stream broke takes it up again, and gets what it has not seen, the answer too; so does one that
// asks while the call still runs. Where nothing is known of the stream, its request is answered with an error.
func TestLastEventID(t *testing.T) {
	step := make(chan bool)
	f := newFake(named("t"))
	f.do = func(_ context.Context, r mcp.Request) ([]byte, error) {
		for i := range step {
			r.Notify("notifications/progress", []byte(`{"progressToken":9,"progress":1}`))
			if !i {
				break
			}
		}
		return []byte(`{"content":[],"end":true}`), nil
	}
	h := newHouse(t, fakes{"a": f})
	s := h.initialize("/mcp")
	ctx, leave := context.WithCancel(t.Context())
	go func() { step <- true }()
	stream := events(h.send(ctx, "POST", "/mcp", callT, s...))
	first := <-stream
	if first.data != "" || !strings.HasSuffix(first.id, ".-1.Im15IGlkIg") {
		t.Errorf("it begins with %+v", first)
	}
	second := <-stream
	step <- true
	<-stream
	leave()

	again := h.send(t.Context(), "GET", "/mcp", "", append(s, "Last-Event-Id", second.id)...)
	defer again.Body.Close()
	rest := events(again)
	if e := <-rest; !strings.Contains(e.data, `"progress":1`) {
		t.Errorf("what was not seen: %+v", e)
	}
	step <- false
	if e := <-rest; !strings.Contains(e.data, `"progress":1`) {
		t.Errorf("what is new: %+v", e)
	}
	if e := <-rest; e.data != `{"jsonrpc":"2.0","id":"my id","result":{"content":[],"end":true}}` {
		t.Errorf("the answer: %+v", e)
	}
	if _, more := <-rest; more {
		t.Error("the stream goes on")
	}
	h.want(h.ask("GET", "/mcp", "", append(s, "Last-Event-Id", first.id)...), 200, `"progress":1`, `"end":true`)

	other := newHouse(t, fakes{"a": f}) // it has the same secret
	other.want(other.ask("GET", "/mcp", "", append(s, "Last-Event-Id", second.id)...), 200, `{"jsonrpc":"2.0","id":"my id","error":{"code":-32603,"message":"the stream of this request cannot be taken up`)
	h.want(h.ask("GET", "/mcp", "", append(h.initialize("/mcp"), "Last-Event-Id", second.id)...), 200, `"error"`)
}

// TestStandingStreamAgain: a client that comes back to its standing stream hears what has changed in between, and where nothing is
// known of the stream, that all may have.
func TestStandingStreamAgain(t *testing.T) {
	f := newFake(named("t"))
	h := newHouse(t, fakes{"a": f})
	s := h.initialize("/mcp")
	ctx, leave := context.WithCancel(t.Context())
	stream := events(h.send(ctx, "GET", "/mcp", "", s...))
	first := <-stream
	f.set(named("t"), named("u"))
	if e := <-stream; !strings.Contains(e.data, "tools/list_changed") {
		t.Fatalf("%+v", e)
	}
	leave()
	for range stream {
	}
	get := func(h *house, last string) <-chan event {
		resp := h.send(t.Context(), "GET", "/mcp", "", append(s, "Last-Event-Id", last)...)
		t.Cleanup(func() { resp.Body.Close() })
		return events(resp)
	}
	again := get(h, first.id)
	if e := <-again; !strings.Contains(e.data, "tools/list_changed") {
		t.Errorf("what it has not seen: %+v", e)
	}
	other := get(newHouse(t, fakes{"a": f}), first.id)
	for _, what := range []string{"tools", "prompts", "resources"} {
		if e := <-other; !strings.Contains(e.data, what+"/list_changed") {
			t.Errorf("%+v, want %s", e, what)
		}
	}
}

// TestBatches: the revision 2025-03-26 has several messages in one body; no other has.
func TestBatches(t *testing.T) {
	f := newFake(named("t"))
	h := newHouse(t, fakes{"a": f})
	begin := func(revision string) []string {
		a := h.ask("POST", "/mcp", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"`+revision+`","capabilities":{}}}`)
		return []string{"Mcp-Session-Id", a.header.Get("Mcp-Session-Id")}
	}
	s := begin("2025-03-26")
	a := h.ask("POST", "/mcp", `[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a-t"}},{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}},{"jsonrpc":"2.0","id":"b","method":"ping"},{"jsonrpc":"2.0","id":2,"method":"nothing"}]`, s...)
	if want := `[{"jsonrpc":"2.0","id":1,"result":{"content":[]}},{"jsonrpc":"2.0","id":"b","result":{}},{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"there is no method \"nothing\""}}]`; a.status != 200 || a.body != want {
		t.Errorf("%d %s", a.status, a.body)
	}
	h.want(h.ask("POST", "/mcp", `[{"jsonrpc":"2.0","method":"notifications/initialized"}]`, s...), 202)
	for _, body := range []string{`[]`, `[1]`, `[{"jsonrpc":"2.0","id":1,"method":"initialize"}]`, `[{"jsonrpc":"2.0","id":1,"method":"ping","method":"x"}]`, `[` + strings.Repeat(`{"jsonrpc":"2.0","id":1,"method":"ping"},`, 64) + `{"jsonrpc":"2.0","id":1,"method":"ping"}]`} {
		h.want(h.ask("POST", "/mcp", body, s...), 400, `"error"`)
	}
	one := `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`
	h.want(h.ask("POST", "/mcp", one, begin("2025-06-18")...), 400, "batches are not taken")
	h.want(h.ask("POST", "/mcp", one, begin("2025-11-25")...), 400, "batches are not taken")
	h.want(h.ask("POST", "/mcp", one), 400, "batches are not taken")
}
