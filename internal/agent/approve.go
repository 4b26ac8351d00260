package agent

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// question keeps the turn's calls that wait for the client's word, and tells it of each. It reports false when the reply is
// over.
func (r *run) question(ctx context.Context, t *turn, yield func(llm.Event, error) bool) bool {
	for _, c := range t.calls(asks) {
		p := llm.Pending{ID: newQuestion(), Call: c, Wire: t.wire, Reason: r.reasons[c.ID], Tainted: r.tainted}
		if tool := r.tool(c.Name); tool != nil {
			p.Label, p.Server, p.Tool = tool.Label, tool.Server, tool.Tool
		}
		if err := r.req.Approvals.Ask(ctx, p); err != nil {
			yield(llm.Event{}, r.final(&fault.Error{Kind: fault.Unavailable, Op: "agent.question", Code: "store_unavailable", Message: "the question whether a tool may run could not be kept; nothing was run", Err: err}))
			return false
		}
		if !yield(llm.Event{Kind: llm.Asked, Pending: &p}, nil) {
			return false
		}
	}
	return true
}

func newQuestion() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return "mcpr_fl_" + hex.EncodeToString(b[:])
}

// answer deals with the client's word on calls that it was asked about: it runs those that may run, and tells the model of
// all. Each question is used up before anything runs, so that none runs twice. It reports false when the reply is over.
func (r *run) answer(ctx context.Context, yield func(llm.Event, error) bool) bool {
	if len(r.req.Answers) == 0 {
		return true
	}
	if err := r.claim(ctx); err != nil {
		yield(llm.Event{}, err)
		return false
	}
	turn := llm.Message{Role: llm.Assistant, Wire: r.req.Answers[0].Pending.Wire}
	var run []llm.Call
	r.asked, r.ids = map[string]string{}, map[string]bool{}
	for i := range r.req.Answers {
		a := &r.req.Answers[i]
		for _, server := range a.Pending.Tainted {
			r.taint(server)
		}
		c := r.named(&a.Pending)
		turn.Calls = append(turn.Calls, c)
		r.ids[c.ID] = true
		if a.Approve {
			r.asked[c.ID] = a.Pending.ID
			run = append(run, c)
		}
	}
	ran, ok := r.run(ctx, run, yield)
	if !ok {
		return false
	}
	r.added = append(r.added, turn)
	r.addResults(r.inOrder(turn.Calls, ran))
	r.read(ran)
	return true
}

// claim uses the questions up, in the order of their ids: of two requests with the same answers, one gets all of them.
func (r *run) claim(ctx context.Context) error {
	sorted := slices.Clone(r.req.Answers)
	slices.SortFunc(sorted, func(a, b llm.Answer) int { return strings.Compare(a.Pending.ID, b.Pending.ID) })
	for i := range sorted {
		a := &sorted[i]
		ok, err := r.req.Approvals.Claim(ctx, a.Pending.ID)
		if err != nil {
			return &fault.Error{Kind: fault.Unavailable, Op: "agent.answer", Code: "store_unavailable", Message: "the store of approvals cannot be reached; nothing was run", Err: err}
		}
		if !ok {
			return fault.Invalidf(a.Param, "the approval request %q does not exist, has expired or was answered before", a.Pending.ID)
		}
	}
	return nil
}

// named is the call as this request offers its tool.
func (r *run) named(p *llm.Pending) llm.Call {
	c := p.Call
	c.Approved = true
	for _, tools := range [2][]llm.Tool{r.behind, r.offered} {
		for i := range tools {
			if t := &tools[i]; t.Server == p.Server && t.Tool == p.Tool {
				c.Name = t.Name
			}
		}
	}
	return c
}

// inOrder is a result for each of the calls: what came of those that ran, and a refusal for the others.
func (r *run) inOrder(calls []llm.Call, ran []llm.Result) []llm.Result {
	out := make([]llm.Result, len(calls))
	next := 0
	for i := range calls {
		if r.asked[calls[i].ID] != "" {
			out[i] = ran[next]
			next++
			continue
		}
		why := "the user did not allow this call"
		if reason := r.req.Answers[i].Reason; reason != "" {
			why += ": " + reason
		}
		out[i] = notRun(&calls[i], why)
	}
	return out
}

// final marks an error that follows a tool's run.
func (r *run) final(err error) error {
	if r.ran {
		return fault.AfterTools(err)
	}
	return err
}
