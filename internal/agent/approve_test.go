package agent_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/llm/llmtest"
)

// asking is a request whose dialect can ask the client, and a box with a tool that runs and one that asks.
func asking() (*llm.Request, *box, *llmtest.Approvals) {
	req, a := request(), &llmtest.Approvals{}
	req.Params.Asks, req.Params.Shows, req.Approvals = true, true, a
	b := newBox().text("look", "seen").text("send", "sent")
	b.tools[1].Ask, b.tools[1].Label, b.tools[1].Tool = true, "mail", "send_mail"
	return req, b, a
}

func TestACallThatAsks(t *testing.T) {
	req, b, kept := asking()
	m := llmtest.New(llmtest.Calls(call("1", "look", "{}"), call("2", "send", `{"to":"x"}`)))
	var asked *llm.Pending
	var kinds []string
	for ev, err := range newLoop(m, b).Generate(t.Context(), req) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind == llm.Asked {
			asked = ev.Pending
			if all := kept.All(); len(all) != 1 || all[0].ID != asked.ID {
				t.Errorf("the client is told of a question that is not kept: %v", all)
			}
		}
		if ev.Kind != llm.ToolCall {
			kinds = append(kinds, ev.Kind.String())
		}
	}
	if got := strings.Join(kinds, " "); got != "Note Start Note ToolResult Asked End" {
		t.Errorf("events: %s", got)
	}
	if b.calls.Load() != 1 {
		t.Errorf("%d tools ran, want the one that does not ask", b.calls.Load())
	}
	if asked == nil || asked.Label != "mail" || asked.Tool != "send_mail" || asked.Server != "srv" || asked.Call.Arguments != `{"to":"x"}` || asked.Call.ID != "2" {
		t.Errorf("asked %+v", asked)
	}
}

func TestAQuestionThatCannotBeKept(t *testing.T) {
	req, b, kept := asking()
	kept.Err = errors.New("disk full")
	got := transcript(newLoop(llmtest.New(llmtest.Calls(call("2", "send", "{}"))), b).Generate(t.Context(), req))
	if strings.Contains(got, "\nasked ") || strings.Contains(got, "\nend ") || !strings.Contains(got, "could not be kept") || b.calls.Load() != 0 {
		t.Errorf("reply:\n%s", got)
	}
}

func answers(t *testing.T, kept *llmtest.Approvals, words ...bool) []llm.Answer {
	t.Helper()
	var out []llm.Answer
	for i, ok := range words {
		id := string(rune('a' + i))
		p := llm.Pending{ID: "mcpr_" + id, Label: "mail", Server: "srv", Tool: "send_mail", Call: call("c_"+id, "old-name", `{"n":"`+id+`"}`)}
		if err := kept.Ask(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		out = append(out, llm.Answer{Param: "input[0]", Pending: p, Approve: ok, Reason: "not now"})
	}
	return out
}

func TestAnswersComeBeforeTheModel(t *testing.T) {
	req, b, kept := asking()
	req.Answers = answers(t, kept, true, false, true)
	b.run["send"] = func(_ context.Context, args string) (llm.Result, error) { return llm.Result{Text: "sent " + args}, nil }
	m := llmtest.New(llmtest.Text("done"))
	got := transcript(newLoop(m, b).Generate(t.Context(), req))
	diff(t, got, `
tools 2
started c_a {"n":"a"}
started c_c {"n":"c"}
result c_a round=1 error=false sent {"n":"a"}
result c_c round=1 error=false sent {"n":"c"}
start reply-1
text done
end stop`)
	added := m.Requests()[0].AddedMessages
	if len(added) != 4 || len(added[0].Calls) != 3 || added[0].Calls[0].Name != "send" {
		t.Fatalf("the model sees %+v", added)
	}
	if r := added[2].Result; r.CallID != "c_b" || !r.IsError || !strings.Contains(r.Text, "did not allow this call: not now") {
		t.Errorf("the model learns of the refusal: %+v", r)
	}
	if b.calls.Load() != 2 {
		t.Errorf("%d calls ran", b.calls.Load())
	}
}

func TestAnAnswerIsGoodForOnce(t *testing.T) {
	req, b, kept := asking()
	req.Answers = answers(t, kept, true)
	l := newLoop(llmtest.New(llmtest.Text("done"), llmtest.Text("done")), b)
	transcript(l.Generate(t.Context(), req))
	for _, err := range newLoop(llmtest.New(llmtest.Text("done")), b).Generate(t.Context(), req) {
		if err != nil {
			if e := fault.From(err); e.Kind != fault.Invalid || e.Param != "input[0]" {
				t.Errorf("refused with %+v", e)
			}
		}
	}
	if b.calls.Load() != 1 {
		t.Errorf("the tool ran %d times", b.calls.Load())
	}
}

// TestAnAllowedCallCountsAgainstTheLimit: max_tool_calls: 0 lets nothing run, not even what the client has allowed before.
func TestAnAllowedCallCountsAgainstTheLimit(t *testing.T) {
	for limit, ran := range []int64{0, 1} {
		req, b, kept := asking()
		req.Params.MaxCalls = limit
		req.Answers = answers(t, kept, true, true)
		got := transcript(newLoop(llmtest.New(llmtest.Text("done")), b).Generate(t.Context(), req))
		if b.calls.Load() != ran || !strings.Contains(got, "the limit of "+string(rune('0'+limit))+" tool calls") || !strings.Contains(got, "end stop") {
			t.Errorf("limit %d: %d calls ran:\n%s", limit, b.calls.Load(), got)
		}
	}
}

// TestAnswersGoTogether: of requests with the same answers in whatever order one has all of them run, and the others none.
func TestAnswersGoTogether(t *testing.T) {
	req, b, kept := asking()
	req.Answers = answers(t, kept, true, true)
	other := *req
	other.Answers = []llm.Answer{req.Answers[1], req.Answers[0]}
	req.Approvals = interrupted{kept, func() {
		if got := transcript(newLoop(llmtest.New(llmtest.Text("done")), b).Generate(t.Context(), &other)); !strings.Contains(got, "answered before") {
			t.Errorf("the second request:\n%s", got)
		}
	}}
	if got := transcript(newLoop(llmtest.New(llmtest.Text("done")), b).Generate(t.Context(), req)); !strings.Contains(got, "end stop") {
		t.Errorf("the first request:\n%s", got)
	}
	if b.calls.Load() != 2 {
		t.Errorf("%d calls ran", b.calls.Load())
	}
}

// interrupted are approvals where something else happens after each claim.
type interrupted struct {
	llm.Approvals
	then func()
}

func (i interrupted) Claim(ctx context.Context, id string) (bool, error) {
	ok, err := i.Approvals.Claim(ctx, id)
	if id == "mcpr_a" {
		i.then()
	}
	return ok, err
}

func TestAnApprovedToolThatIsGone(t *testing.T) {
	req, b, kept := asking()
	req.Answers = answers(t, kept, true)
	b.tools[1].Tool = "another"
	got := transcript(newLoop(llmtest.New(llmtest.Text("done")), b).Generate(t.Context(), req))
	if !strings.Contains(got, "error=true Error: unknown tool old-name") || !strings.Contains(got, "end stop") {
		t.Errorf("reply:\n%s", got)
	}
}

func TestALimitPausesWhereTheDialectCan(t *testing.T) {
	req := request()
	req.Params.Pauses, req.Params.Shows = true, true
	l := newLoop(llmtest.New(llmtest.Calls(call("1", "a", "")), llmtest.Calls(call("2", "a", ""))), newBox().text("a", "x"))
	l.Limits.Rounds = 2
	got := transcript(l.Generate(t.Context(), req))
	if !strings.HasSuffix(got, "result 2 round=2 error=false x\nend pause_turn\n") {
		t.Errorf("reply:\n%s", got)
	}
}
