package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/agent"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/llm/llmtest"
)

// throughBox is a box whose tools are called through one named via, "NAME ARGUMENTS".
type throughBox struct{ *box }

func (b throughBox) Tools() []llm.Tool {
	return []llm.Tool{{Name: "via", Through: true, Server: "own", Tool: "via"}}
}
func (b throughBox) Behind() []llm.Tool { return b.tools }

func (b throughBox) Meant(c llm.Call) llm.Call {
	if name, args, ok := strings.Cut(c.Arguments, " "); ok && c.Name == "via" && b.run[name] != nil {
		c.Name, c.Arguments = name, args
	}
	return c
}

func throughLoop(m llm.Model, ask ...string) (*agent.Loop, throughBox) {
	b := throughBox{newBox().text("read", "R").text("write", "W")}
	for i := range b.tools {
		for _, name := range ask {
			b.tools[i].Ask = b.tools[i].Ask || b.tools[i].Name == name
		}
	}
	l := newLoop(m, b.box)
	l.Tools = b
	return l, b
}

// What ran is shown as a call of its own; the model sees the calls that it has made.
func TestCallsThroughATool(t *testing.T) {
	m := llmtest.New(llmtest.Calls(call("1", "via", "read {}"), call("2", "write", "{}"), call("3", "via", "none {}")), llmtest.Text("done"))
	l, _ := throughLoop(m)
	diff(t, transcript(l.Generate(t.Context(), request())), `
tools 1
start reply-1
call ours 0 1 via 
call ours 0   read {}
call ours 1 2 write 
call ours 1   {}
call ours 2 3 via 
call ours 2   none {}
turnend tool_calls
started 1 {}
started 2 {}
started 3 none {}
result 1 round=1 error=false R
result 2 round=1 error=false W
result 3 round=1 error=true Error: unknown tool via
start reply-2
text done
end stop`)
	added := m.Requests()[1].AddedMessages
	var seen []string
	for _, c := range added[0].Calls {
		seen = append(seen, c.Name+" "+c.Arguments)
	}
	for _, msg := range added[1:] {
		seen = append(seen, msg.Result.Name)
	}
	if got := strings.Join(seen, ", "); got != "via read {}, write {}, via none {}, via, write, via" {
		t.Errorf("the model saw %s", got)
	}
	if n := len(m.Requests()[1].Behind); n != 2 {
		t.Errorf("%d tools are behind those that are offered", n)
	}
}

// Whose a call is can be known when it is complete: then the client is told of it, as what it comes to.
func TestCallsThroughAToolThatAsk(t *testing.T) {
	keeper := agent.NewMemory(1<<20, time.Hour)
	m := llmtest.New(llmtest.Calls(call("1", "via", "write {}"), call("2", "mine", "{}"), call("3", "via", "read {}"), call("4", "write", "{}")))
	l, b := throughLoop(m, "write")
	l.Keeper = keeper
	req := request()
	req.Tools = []llm.Tool{{Name: "mine"}}
	diff(t, transcript(l.Generate(t.Context(), req)), `
tools 1
start reply-1
call ours 0 1 via 
call ours 0   write {}
call client 0 2 mine 
call client 0   {}
call ours 2 3 via 
call ours 2   read {}
call client 1 4 write 
call client 1   {}
call client 2 1 write {}
started 3 {}
result 3 round=1 error=false R
end tool_calls`)
	if n := b.calls.Load(); n != 1 {
		t.Errorf("%d calls ran", n)
	}
	next := request()
	next.Params.PastCalls = []llm.Call{call("2", "mine", "{}"), call("4", "write", "{}"), call("1", "write", "{}")}
	if err := agent.Restore(t.Context(), keeper, "dev", next); err != nil || len(next.Restored) != 1 {
		t.Fatalf("restored %v, %v", next.Restored, err)
	}
	var seen []string
	for _, c := range next.Restored[0].Messages[0].Calls {
		seen = append(seen, c.Name+" "+c.Arguments)
	}
	if got := strings.Join(seen, ", "); got != "via write {}, mine {}, via read {}, write {}" {
		t.Errorf("the model is told of %s", got)
	}
}

// A question is about the tool that is called through another, and so is the call that its answer lets run.
func TestQuestionsThroughATool(t *testing.T) {
	asked := &llmtest.Approvals{}
	l, _ := throughLoop(llmtest.New(llmtest.Calls(call("1", "via", "write {}"))), "write")
	req := request()
	req.Approvals, req.Params.Asks = asked, true
	transcript(l.Generate(t.Context(), req))
	if len(asked.All()) != 1 {
		t.Fatalf("asked %v", asked.All())
	}
	for _, p := range asked.All() {
		if p.Server != "srv" || p.Tool != "write" || p.Call.Name != "write" || p.Call.Arguments != "{}" {
			t.Errorf("asked %+v", p)
		}
		req.Answers = append(req.Answers, llm.Answer{Pending: p, Approve: true})
	}
	l, b := throughLoop(llmtest.New(llmtest.Text("done")), "write")
	if got := transcript(l.Generate(t.Context(), req)); !strings.Contains(got, "result 1 round=1 error=false W") || b.calls.Load() != 1 {
		t.Errorf("%s", got)
	}
}
