package blackbox

import (
	"context"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/internal/provider/providertest"
)

const oneTool = "-- server s --\n" + `{"tools":[{"name":"echo","do":"echo"},{"name":"hang","do":"hang"}]}`

// TestClientLeavesBeforeTheFirstByte: the model call ends, in the first round and in a later one, and no other follows.
func TestClientLeavesBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	for _, body := range []string{chat(""), chat(`"stream":true`), chat(plainTools), chat(streamTools)} {
		gate := providertest.NewGate()
		tr := house(t, oneTool, providertest.Pause(gate).Then(providertest.Text("late")))
		tr.leaveAt(body, gate)
		if n := len(tr.model.Requests()); n != 1 {
			t.Errorf("the model was asked %d times", n)
		}
	}
	gate := providertest.NewGate()
	tr := house(t, oneTool, providertest.Call("c1", "s-echo", "{}"), providertest.Pause(gate).Then(providertest.Text("late")))
	tr.leaveAt(chat(plainTools), gate)
	if n := len(tr.model.Requests()); n != 2 {
		t.Errorf("the model was asked %d times", n)
	}
}

// leaveAt sends body, leaves when the model stands at the gate, and waits until everything has ended.
func (tr *transcript) leaveAt(body string, gate *providertest.Gate) {
	tr.t.Helper()
	ctx, leave := context.WithCancel(tr.t.Context())
	defer leave()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if resp, err := tr.start(ctx, body); err == nil {
			resp.Body.Close()
		}
	}()
	closed(tr.t, gate.Reached(), "the model call")
	leave()
	closed(tr.t, gone, "the end of the request")
	all := tr.model.Requests()
	closed(tr.t, all[len(all)-1].Gone(), "the end of the model call")
	must(tr.t, "the log says that the client left", func() bool { return strings.Contains(tr.gateway.Log(), "client left") })
	must(tr.t, "the connection to the model is closed", func() bool { return tr.conns(tr.model.URL()) <= 1 })
}

// TestClientLeavesWhileTextStreams: the model call ends, relayed or in a loop.
func TestClientLeavesWhileTextStreams(t *testing.T) {
	t.Parallel()
	for _, body := range []string{chat(`"stream":true`), chat(streamTools)} {
		tr := house(t, oneTool, providertest.Text("Hello").Then(providertest.Stall()))
		s := tr.stream(body)
		s.until("Hello")
		s.leave()
		closed(t, tr.model.Request(1).Gone(), "the end of the model call")
		must(t, "the log says that the client left", func() bool { return strings.Contains(tr.gateway.Log(), "client left") })
	}
}

// calls are calls of a tool that wait until they are let go or cancelled. Each name is good for one call.
type calls struct {
	begun     map[string]chan struct{}
	cancelled map[string]chan struct{}
	done      map[string]chan struct{} // closed by the test
}

func newCalls(names ...string) *calls {
	c := &calls{begun: map[string]chan struct{}{}, cancelled: map[string]chan struct{}{}, done: map[string]chan struct{}{}}
	for _, n := range names {
		c.begun[n], c.cancelled[n], c.done[n] = make(chan struct{}), make(chan struct{}), make(chan struct{})
	}
	return c
}

// tool is what the tool does; its arguments name the call, {"call":"a"}.
func (c *calls) tool(ctx context.Context, call *mcptest.Call) ([]byte, error) {
	_, rest, _ := strings.Cut(string(call.Args), `"call":"`)
	name, _, _ := strings.Cut(rest, `"`)
	close(c.begun[name])
	select {
	case <-c.done[name]:
	case <-ctx.Done():
		close(c.cancelled[name])
	}
	return mcptest.Text("done " + name), nil
}

// TestClientLeavesWhileAToolRuns: of two requests whose tools run at the same server, the one whose client leaves has its
// call cancelled, by the protocol; the other's goes on. No model call follows for the first.
func TestClientLeavesWhileAToolRuns(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]string{
		"legacy": `"transport":"http","era":"legacy"`, "modern": `"transport":"http","era":"modern"`, "sse": `"transport":"sse"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			waits := newCalls("a", "b")
			tr := build(t, "-- server s --\n{"+spec+`,"tools":[{"name":"wait"}]}`, func(tr *transcript) {
				tr.funcs = map[string]func(context.Context, *mcptest.Call) ([]byte, error){"wait": waits.tool}
				tr.rule = func(r *providertest.Request) providertest.Step {
					if r.Last().Role == "tool" {
						return providertest.Text("after " + r.Last().Text)
					}
					return providertest.Text("Looking.").Then(providertest.Call("c1", "s-wait", `{"call":"`+r.Last().Text+`"}`))
				}
			})
			ask := func(call string) *stream {
				return tr.stream(strings.Replace(chat(streamTools), "Go.", call, 1))
			}
			a, b := ask("a"), ask("b")
			a.until("Looking.")
			b.until("Looking.")
			closed(t, waits.begun["a"], "the first call")
			closed(t, waits.begun["b"], "the second call")
			a.leave()
			closed(t, waits.cancelled["a"], "the cancellation of the first call")
			select {
			case <-waits.cancelled["b"]:
				t.Error("the second call was cancelled, too")
			default:
			}
			close(waits.done["b"])
			if text := b.rest(); !strings.Contains(text, "after done b") {
				t.Errorf("the second request has no answer: %s", text)
			}
			if n := len(tr.model.Requests()); n != 3 {
				t.Errorf("the model was asked %d times, want 3", n)
			}
		})
	}
}

// TestClientLeavesStdio: the same for a server over stdio: it is told by notifications/cancelled, once, and lives on.
func TestClientLeavesStdio(t *testing.T) {
	t.Parallel()
	tr := build(t, oneTool, func(tr *transcript) {
		tr.rule = func(r *providertest.Request) providertest.Step {
			return providertest.Text("Looking.").Then(providertest.Call("c1", "s-hang", "{}"))
		}
	})
	a, b := tr.stream(chat(streamTools)), tr.stream(chat(streamTools))
	a.until("Looking.")
	b.until("Looking.")
	s := tr.server("s")
	must(t, "both calls run", func() bool { return s.count(t, "tools/call") == 2 })
	child := tr.gateway.Children()
	a.leave()
	must(t, "the first is cancelled", func() bool { return s.count(t, "cancelled") == 1 })
	if n := s.count(t, "notifications/cancelled"); n != 1 {
		t.Errorf("%d notifications, want 1", n)
	}
	b.leave()
	must(t, "the second is cancelled", func() bool { return s.count(t, "cancelled") == 2 })
	if now := tr.gateway.Children(); len(now) != 1 || len(child) != 1 || now[0] != child[0] {
		t.Errorf("the child was %v and is %v", child, now)
	}
}

// TestKeepAlive: while a tool runs, comments keep the stream's connection warm.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	waits := newCalls("a")
	tr := build(t, "-- config --\ntimeouts: {keepalive: 50ms}\n-- server s --\n"+`{"transport":"http","tools":[{"name":"wait"}]}`, func(tr *transcript) {
		tr.funcs = map[string]func(context.Context, *mcptest.Call) ([]byte, error){"wait": waits.tool}
		tr.rule = play(providertest.Call("c1", "s-wait", `{"call":"a"}`), providertest.Text("Done."))
	})
	s := tr.stream(chat(streamTools))
	closed(t, waits.begun["a"], "the call")
	s.until(": keepalive")
	s.until(": keepalive")
	close(waits.done["a"])
	if text := s.rest(); !strings.Contains(text, "Done.") || !strings.HasSuffix(strings.TrimSpace(text), "data: [DONE]") {
		t.Errorf("the stream does not end as it should: %s", text)
	}
}
