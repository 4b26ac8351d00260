package agent_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/agent"
	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/llm/llmtest"
)

// box is a toolbox of functions. A name in ask is the client's to decide.
type box struct {
	tools []llm.Tool
	run   map[string]func(ctx context.Context, args string) (llm.Result, error)
	calls atomic.Int64

	review func(llm.Call) llm.Review
}

func newBox() *box { return &box{run: map[string]func(context.Context, string) (llm.Result, error){}} }

func (b *box) add(name string, f func(ctx context.Context, args string) (llm.Result, error)) *box {
	b.tools = append(b.tools, llm.Tool{Name: name, Server: "srv", Tool: name, Schema: []byte(`{"type":"object"}`)})
	b.run[name] = f
	return b
}

func (b *box) text(name, result string) *box {
	return b.add(name, func(context.Context, string) (llm.Result, error) { return llm.Result{Text: result}, nil })
}

func (b *box) Tools() []llm.Tool { return b.tools }

func (b *box) Review(c llm.Call) llm.Review {
	if b.review == nil {
		return llm.Review{}
	}
	return b.review(c)
}

func (b *box) Doubts(shown []llm.Call) []string {
	var out []string
	for _, c := range shown {
		if c.Label == "web" || c.Name == "web-search" {
			out = append(out, "web")
		}
	}
	return out
}

func (b *box) Behind() []llm.Tool { return nil }

func (b *box) Meant(c llm.Call) llm.Call { return c }

func (b *box) Call(ctx context.Context, c llm.Call) (llm.Result, error) {
	b.calls.Add(1)
	f := b.run[c.Name]
	if f == nil {
		return llm.Result{Text: "Error: unknown tool " + c.Name, IsError: true}, nil
	}
	return f(ctx, c.Arguments)
}

func newLoop(m llm.Model, b *box) *agent.Loop {
	return &agent.Loop{
		Model: m, Tools: b, Log: slog.New(slog.DiscardHandler), Principal: "dev",
		Limits: agent.Limits{Rounds: 10, Calls: 64, Concurrent: 8, Wall: time.Minute},
	}
}

// transcript writes a reply down, an event a line.
func transcript(reply iter.Seq2[llm.Event, error]) string {
	var b strings.Builder
	for ev, err := range reply {
		switch {
		case err != nil:
			fmt.Fprintf(&b, "error %v final=%v\n", err, fault.From(err).Final)
		case ev.Kind == llm.Note && ev.Note.Started != nil:
			fmt.Fprintf(&b, "started %s %s\n", ev.Note.Started.ID, ev.Note.Started.Arguments)
		case ev.Kind == llm.Note && ev.Note.Held != nil:
			h := ev.Note.Held
			fmt.Fprintf(&b, "held %s %s %s %s\n", h.ID, h.Server, h.Tool, h.Reason)
		case ev.Kind == llm.Note:
			fmt.Fprintf(&b, "tools %d\n", len(ev.Note.Tools))
		case ev.Kind == llm.Start:
			fmt.Fprintf(&b, "start %s\n", ev.Head.ID)
		case ev.Kind == llm.Text:
			fmt.Fprintf(&b, "text %s\n", ev.Text)
		case ev.Kind == llm.ToolCall:
			who := "client"
			if ev.Ours {
				who = "ours"
			}
			fmt.Fprintf(&b, "call %s %d %s %s %s\n", who, ev.Index, ev.Call.ID, ev.Call.Name, ev.Call.Arguments)
		case ev.Kind == llm.ToolResult:
			fmt.Fprintf(&b, "result %s round=%d error=%v %s\n", ev.Result.CallID, ev.Result.Round, ev.Result.IsError, ev.Result.Text)
		default:
			fmt.Fprintf(&b, "%s %s\n", strings.ToLower(ev.Kind.String()), ev.Stop)
		}
	}
	return b.String()
}

func call(id, name, args string) llm.Call { return llm.Call{ID: id, Name: name, Arguments: args} }

func request() *llm.Request { return &llm.Request{Model: "m", Params: llm.Params{MaxCalls: -1}} }

func diff(t *testing.T, got, want string) {
	t.Helper()
	if d := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)); d != "" {
		t.Errorf("the reply differs (-want +got):\n%s", d)
	}
}

func TestRoundsAreOneReply(t *testing.T) {
	m := llmtest.New(llmtest.Calls(call("c1", "add", `{"a":1}`)), llmtest.Calls(call("c2", "add", `{"a":2}`)), llmtest.Text("3"))
	got := transcript(newLoop(m, newBox().text("add", "3")).Generate(t.Context(), request()))
	diff(t, got, `
tools 1
start reply-1
call ours 0 c1 add 
call ours 0   {"a":1}
turnend tool_calls
started c1 {"a":1}
result c1 round=1 error=false 3
start reply-2
call ours 0 c2 add 
call ours 0   {"a":2}
turnend tool_calls
started c2 {"a":2}
result c2 round=2 error=false 3
start reply-3
text 3
end stop`)
	last := m.Requests()[2]
	if n := len(last.AddedMessages); n != 4 {
		t.Fatalf("the third round has %d added messages, want two calls with their results", n)
	}
	if !cmp.Equal(last.AddedTools, m.Requests()[0].AddedTools) {
		t.Error("the tools changed between rounds")
	}
}

func TestResultsComeInCallOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(d time.Duration, s string) func(context.Context, string) (llm.Result, error) {
			return func(context.Context, string) (llm.Result, error) {
				time.Sleep(d)
				return llm.Result{Text: s}, nil
			}
		}
		m := llmtest.New(llmtest.Calls(call("1", "a", ""), call("2", "b", ""), call("3", "c", "")), llmtest.Text("done"))
		b := newBox().add("a", slow(3*time.Second, "A")).add("b", slow(time.Second, "B")).add("c", slow(2*time.Second, "C"))
		begun := time.Now()
		got := transcript(newLoop(m, b).Generate(t.Context(), request()))
		if !strings.Contains(got, "result 1 round=1 error=false A\nresult 2 round=1 error=false B\nresult 3 round=1 error=false C") {
			t.Errorf("results are not in call order:\n%s", got)
		}
		if d := time.Since(begun); d != 3*time.Second {
			t.Errorf("three calls of 3, 1 and 2 s took %v side by side", d)
		}
	})
}

func TestOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open, most atomic.Int64
		f := func(context.Context, string) (llm.Result, error) {
			most.Store(max(most.Load(), open.Add(1)))
			time.Sleep(time.Second)
			open.Add(-1)
			return llm.Result{Text: "x"}, nil
		}
		m := llmtest.New(llmtest.Calls(call("1", "a", ""), call("2", "a", "")), llmtest.Text("done"))
		req := request()
		req.Params.OneByOne = true
		transcript(newLoop(m, newBox().add("a", f)).Generate(t.Context(), req))
		if most.Load() != 1 {
			t.Errorf("%d calls ran at once although parallel_tool_calls is false", most.Load())
		}
	})
}

func TestForcedChoiceHoldsForTheFirstRound(t *testing.T) {
	m := llmtest.New(llmtest.Calls(call("1", "a", "")), llmtest.Text("done"))
	req := request()
	req.Params.ForcedTool = true
	transcript(newLoop(m, newBox().text("a", "x")).Generate(t.Context(), req))
	got := []llm.Choice{m.Requests()[0].ToolChoice, m.Requests()[1].ToolChoice}
	if want := []llm.Choice{llm.ChoiceAsIs, llm.ChoiceAuto}; !cmp.Equal(got, want) {
		t.Errorf("choices %v, want %v", got, want)
	}
}

func TestLimitsEndInText(t *testing.T) {
	again := func(n int) []llmtest.Turn {
		var turns []llmtest.Turn
		for i := range n {
			turns = append(turns, llmtest.Calls(call(fmt.Sprint("c", i), "a", "")))
		}
		return append(turns, llmtest.Text("done"))
	}
	for _, tt := range []struct {
		name   string
		limits agent.Limits
		max    int
		turns  []llmtest.Turn
		calls  int64
	}{
		{"rounds", agent.Limits{Rounds: 2}, -1, again(2), 2},
		{"calls", agent.Limits{Rounds: 9, Calls: 3}, -1, again(3), 3},
		{"calls in one turn", agent.Limits{Calls: 1}, -1, []llmtest.Turn{llmtest.Calls(call("1", "a", ""), call("2", "a", "")), llmtest.Text("done")}, 1},
		{"max_tool_calls", agent.Limits{Calls: 64}, 1, again(1), 1},
		{"max_tool_calls 0", agent.Limits{Calls: 64}, 0, []llmtest.Turn{llmtest.Text("done")}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := llmtest.New(tt.turns...)
			b := newBox().text("a", "x")
			l := newLoop(m, b)
			l.Limits = tt.limits
			req := request()
			req.Params.MaxCalls = tt.max
			got := transcript(l.Generate(t.Context(), req))
			if !strings.HasSuffix(got, "text done\nend stop\n") {
				t.Errorf("the reply does not end in text:\n%s", got)
			}
			last := m.Requests()[len(m.Requests())-1]
			if last.ToolChoice != llm.ChoiceNone || len(last.AddedTools) != 1 {
				t.Errorf("the last request has choice %v and %d tools, want none and the same tools", last.ToolChoice, len(last.AddedTools))
			}
			if b.calls.Load() != tt.calls {
				t.Errorf("%d calls ran, want %d", b.calls.Load(), tt.calls)
			}
		})
	}
}

func TestWallTimeEndsInText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, _ string) (llm.Result, error) {
			<-ctx.Done()
			return llm.Result{}, fault.From(&fault.Error{Message: "no answer in time"})
		}
		m := llmtest.New(llmtest.Calls(call("1", "a", "")), llmtest.Text("done"))
		got := transcript(newLoop(m, newBox().add("a", hang)).Generate(t.Context(), request()))
		if !strings.Contains(got, "result 1 round=1 error=true Error: no answer in time") || !strings.HasSuffix(got, "text done\nend stop\n") {
			t.Errorf("unexpected reply:\n%s", got)
		}
	})
}

func TestAModelThatCallsAtTheLimit(t *testing.T) {
	m := llmtest.New(llmtest.Calls(call("1", "a", "")), llmtest.Calls(call("2", "a", "")))
	b := newBox().text("a", "x")
	l := newLoop(m, b)
	l.Limits.Rounds = 1
	got := transcript(l.Generate(t.Context(), request()))
	if !strings.HasSuffix(got, "end length\n") || b.calls.Load() != 1 {
		t.Errorf("%d calls; reply:\n%s", b.calls.Load(), got)
	}
}

func TestWhoseCall(t *testing.T) {
	ask := newBox().text("a", "x")
	ask.tools[0].Ask = true
	own := request()
	own.Tools = []llm.Tool{{Name: "mine"}}
	for _, tt := range []struct {
		name string
		box  *box
		req  *llm.Request
		call string
		want string
	}{
		{"ours", newBox().text("a", "x"), request(), "a", "ours"},
		{"client's", newBox().text("a", "x"), own, "mine", "client"},
		{"unknown", newBox().text("a", "x"), own, "nobody", "ours"},
		{"needs approval", ask, request(), "a", "client"},
		{"unknown, nothing runs by itself", ask, request(), "nobody", "client"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := llmtest.New(llmtest.Calls(call("1", tt.call, "{}")), llmtest.Text("done"))
			got := transcript(newLoop(m, tt.box).Generate(t.Context(), tt.req))
			if !strings.Contains(got, "call "+tt.want+" 0 1 "+tt.call) {
				t.Errorf("unexpected reply:\n%s", got)
			}
			if tt.want == "client" && !strings.HasSuffix(got, "end tool_calls\n") {
				t.Errorf("the client's call must end the reply:\n%s", got)
			}
		})
	}
}

func TestMixedTurnIsKeptAndPutBack(t *testing.T) {
	keeper := agent.NewMemory(1<<20, time.Hour)
	m := llmtest.New(llmtest.Calls(call("1", "a", "{}")), llmtest.Calls(call("2", "a", "{}"), call("3", "mine", `{"x":1}`), call("4", "a", "{}")))
	l := newLoop(m, newBox().text("a", "x"))
	l.Keeper = keeper
	req := request()
	req.Tools = []llm.Tool{{Name: "mine"}}
	got := transcript(l.Generate(t.Context(), req))
	want := `
started 2 {}
started 4 {}
result 2 round=2 error=false x
result 4 round=2 error=false x
end tool_calls`
	if !strings.Contains(got, "call client 0 3 mine") || !strings.HasSuffix(got, want[1:]+"\n") {
		t.Fatalf("unexpected reply:\n%s", got)
	}

	for _, tt := range []struct {
		name      string
		principal string
		call      llm.Call
		want      int
	}{
		{"the same call", "dev", call("3", "mine", `{ "x": 1 }`), 1},
		{"another principal", "eve", call("3", "mine", `{"x":1}`), 0},
		{"changed arguments", "dev", call("3", "mine", `{"x":2}`), 0},
		{"another name", "dev", call("3", "theirs", `{"x":1}`), 0},
		{"unknown id", "dev", call("5", "mine", `{"x":1}`), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			next := request()
			next.Params.PastCalls = []llm.Call{tt.call}
			if err := agent.Restore(t.Context(), keeper, tt.principal, next); err != nil {
				t.Fatal(err)
			}
			if len(next.Restored) != tt.want {
				t.Fatalf("%d turns put back, want %d", len(next.Restored), tt.want)
			}
			if tt.want == 0 {
				return
			}
			var roles []string
			for _, m := range next.Restored[0].Messages {
				roles = append(roles, string(m.Role))
			}
			if d := cmp.Diff([]string{"assistant", "tool", "assistant", "tool", "tool"}, roles); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestKeptTurnsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := agent.NewMemory(1<<20, time.Hour)
		kept := llm.Kept{IDs: []string{"1"}}
		if err := k.Keep(t.Context(), "dev", kept); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour + time.Second)
		if _, ok, _ := k.Recall(t.Context(), "dev", "1"); ok {
			t.Error("a turn was found after its hour")
		}
	})
}

func TestKeptTurnsAreBounded(t *testing.T) {
	k := agent.NewMemory(3000, time.Hour)
	for i := range 100 {
		kept := llm.Kept{IDs: []string{fmt.Sprint(i)}, Messages: []llm.Message{{Text: strings.Repeat("x", 500)}}}
		if err := k.Keep(t.Context(), "dev", kept); err != nil {
			t.Fatal(err)
		}
	}
	_, oldest, _ := k.Recall(t.Context(), "dev", "0")
	_, newest, _ := k.Recall(t.Context(), "dev", "99")
	if oldest || !newest {
		t.Errorf("oldest kept: %v, newest kept: %v", oldest, newest)
	}
}

func TestErrorsAfterToolsAreFinal(t *testing.T) {
	refused := &fault.Error{Kind: fault.Refused, Status: 429, Message: "slow down"}
	for _, tt := range []struct {
		name  string
		turns []llmtest.Turn
		final bool
	}{
		{"before", []llmtest.Turn{{Err: refused}}, false},
		{"after", []llmtest.Turn{llmtest.Calls(call("1", "a", "")), {Err: refused}}, true},
		{"cut before", []llmtest.Turn{{Cut: true}}, false},
		{"cut after", []llmtest.Turn{llmtest.Calls(call("1", "a", "")), {Cut: true}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := transcript(newLoop(llmtest.New(tt.turns...), newBox().text("a", "x")).Generate(t.Context(), request()))
			if !strings.HasSuffix(got, fmt.Sprintf("final=%v\n", tt.final)) {
				t.Errorf("unexpected reply:\n%s", got)
			}
		})
	}
}

func TestTheClientLeavesWhileToolsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		ended.Add(2)
		hang := func(ctx context.Context, _ string) (llm.Result, error) {
			defer ended.Done()
			<-ctx.Done()
			return llm.Result{}, context.Cause(ctx)
		}
		m := llmtest.New(llmtest.Calls(call("1", "a", ""), call("2", "a", "")))
		var last error
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		for _, err := range newLoop(m, newBox().add("a", hang)).Generate(ctx, request()) {
			last = err
		}
		ended.Wait()
		if fault.KindOf(last) != fault.Canceled || len(m.Requests()) != 1 {
			t.Errorf("error %v after %d model calls, want a cancellation after 1", last, len(m.Requests()))
		}
	})
}

func TestTheConsumerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, _ string) (llm.Result, error) {
			<-ctx.Done()
			return llm.Result{}, context.Cause(ctx)
		}
		for stopAt := range 8 {
			m := llmtest.New(llmtest.Calls(call("1", "a", ""), call("2", "b", "")), llmtest.Text("done"))
			n := 0
			for range newLoop(m, newBox().text("a", "x").add("b", hang)).Generate(t.Context(), request()) {
				if n++; n > stopAt {
					break
				}
			}
			if m.Open() != 0 {
				t.Errorf("stopped at event %d: the model's reply is still open", stopAt)
			}
		}
	})
}

func TestAToolThatPanics(t *testing.T) {
	m := llmtest.New(llmtest.Calls(call("1", "a", "")), llmtest.Text("done"))
	b := newBox().add("a", func(context.Context, string) (llm.Result, error) { panic("boom") })
	got := transcript(newLoop(m, b).Generate(t.Context(), request()))
	if !strings.Contains(got, "result 1 round=1 error=true Error: the gateway failed to run the tool") {
		t.Errorf("unexpected reply:\n%s", got)
	}
}

func TestCallIDsThatRepeatAreTold(t *testing.T) {
	m := llmtest.New(llmtest.Calls(call("call_0", "a", "")), llmtest.Calls(call("call_0", "a", "")), llmtest.Text("done"))
	got := transcript(newLoop(m, newBox().text("a", "x")).Generate(t.Context(), request()))
	if !strings.Contains(got, "result call_0 round=1") || !strings.Contains(got, "result call_0_2 round=2") {
		t.Errorf("unexpected reply:\n%s", got)
	}
}

func TestReasoningGoesBackAsItCame(t *testing.T) {
	first := llmtest.Calls(call("1", "a", ""))
	for _, piece := range []string{`"reasoning_content":"I th"`, `"reasoning_content":"ink"`, `"reasoning_details":[{"index":0,"signature":"s"}]`} {
		first.Events = append([]llm.Event{{Kind: llm.Other, Extra: llm.Extra{Wire: "chat", Delta: []byte(piece)}}}, first.Events...)
	}
	first.Events[0], first.Events[2] = first.Events[2], first.Events[0]
	m := llmtest.New(first, llmtest.Text("done"))
	transcript(newLoop(m, newBox().text("a", "x")).Generate(t.Context(), request()))
	msg := m.Requests()[1].AddedMessages[0]
	want := `"reasoning_content":"I think","reasoning_details":[{"index":0,"signature":"s"}]`
	if string(msg.Extra) != want || msg.Wire != "chat" {
		t.Errorf("sent back %s of wire %q, want %s", msg.Extra, msg.Wire, want)
	}
}

func TestWhatACallCarriesGoesBackAsItCame(t *testing.T) {
	signed := call("1", "a", "{}")
	signed.Extra = []byte(`"extra_content":{"google":{"thought_signature":"s=="}}`)
	first := llmtest.Calls(signed)
	for i := range first.Events {
		first.Events[i].Extra.Wire = "chat"
	}
	m := llmtest.New(first, llmtest.Text("done"))
	transcript(newLoop(m, newBox().text("a", "x")).Generate(t.Context(), request()))
	msg := m.Requests()[1].AddedMessages[0]
	if msg.Wire != "chat" || string(msg.Calls[0].Extra) != string(signed.Extra) {
		t.Errorf("sent back %s of wire %q", msg.Calls[0].Extra, msg.Wire)
	}
}

func TestToolErrorsAreResults(t *testing.T) {
	m := llmtest.New(llmtest.Calls(call("1", "a", "")), llmtest.Text("done"))
	b := newBox().add("a", func(context.Context, string) (llm.Result, error) {
		return llm.Result{}, &fault.Error{Message: "the server srv is down", Err: errors.New("dial 10.0.0.1: refused")}
	})
	got := transcript(newLoop(m, b).Generate(t.Context(), request()))
	if !strings.Contains(got, "error=true Error: the server srv is down\n") {
		t.Errorf("unexpected reply:\n%s", got)
	}
}
