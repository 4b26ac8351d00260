package responses

import (
	"context"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// approvals deals with the questions in a conversation whether a call may run, and with the client's answers.
//
// An answer is live when nothing that the model made comes after it: then it is looked up, and the loop runs the call or has
// the model know that it was refused, so that question and answer leave the conversation. What is left of earlier answers is
// the mcp_call item that came of them. A refused call, and one that nobody has answered, becomes such an item here, so that
// the model learns what became of the call that it made.
func (t *talk) approvals(ctx context.Context, req *llm.Request) error {
	a := asks{talk: t, requests: map[string]*said{}, answers: map[string]int{}, ran: map[string]bool{}, live: map[string]bool{}}
	if !a.find() {
		return nil
	}
	for i := range t.said {
		if s := &t.said[i]; s.kind == kindMCPAnswer && !t.providers(s.text("approval_request_id")) {
			if err := a.answer(ctx, req, i); err != nil {
				return err
			}
		}
	}
	t.moved = true
	kept := make([]said, 0, len(t.said))
	for i := range t.said {
		s := t.said[i]
		switch id := s.id; {
		case s.kind == kindMCPAnswer && !t.providers(s.text("approval_request_id")):
			continue
		case s.kind != kindMCPAsk || t.providers(id):
		case a.live[id], a.ran[id]:
			continue
		default:
			s = said{kind: kindMCPCall, id: id, param: s.param, raw: a.notRun(&s)}
		}
		kept = append(kept, s)
	}
	t.said = kept
	return nil
}

type asks struct {
	*talk
	requests map[string]*said
	answers  map[string]int // the place of the answer to a question
	ran      map[string]bool
	live     map[string]bool
}

// find notes the questions and the calls that came of them, and reports whether there is anything to do.
func (a *asks) find() bool {
	some := false
	for i := range a.said {
		switch s := &a.said[i]; s.kind {
		case kindMCPAsk:
			a.requests[s.id] = s
			some = some || !a.providers(s.id)
		case kindMCPAnswer:
			some = some || !a.providers(s.text("approval_request_id"))
		case kindMCPCall:
			if id := s.text("approval_request_id"); id != "" {
				a.ran[id] = true
			}
		}
	}
	return some
}

// answer takes in one answer of the client's.
func (a *asks) answer(ctx context.Context, req *llm.Request, i int) error {
	s := &a.said[i]
	param := s.param
	if param == "" {
		param = "previous_response_id"
	}
	id := s.text("approval_request_id")
	approve, ok := jsonedit.Bool(jsonedit.Get(s.raw, "approve"))
	switch _, twice := a.answers[id]; {
	case id == "":
		return fault.Invalidf(param+".approval_request_id", "%s.approval_request_id must be the id of an mcp_approval_request", param)
	case !ok:
		return fault.Invalidf(param+".approve", "%s.approve must be true or false", param)
	case twice:
		return fault.Invalidf(param+".approval_request_id", "the approval request '%s' is answered twice", id)
	}
	a.answers[id] = i
	if s.param == "" || a.ran[id] || a.modelSpokeAfter(i) {
		return nil
	}
	var pending llm.Pending
	if ok = false; req.Approvals != nil && isOwn(id) {
		var err error
		if pending, ok, err = req.Approvals.Pending(ctx, id); err != nil {
			return err
		}
	}
	switch {
	case !ok && a.askedAfter(i):
		return nil // of an earlier turn
	case !ok:
		return fault.Invalidf(param+".approval_request_id", "Approval request with id '%s' not found: it is unknown, has expired or was answered before.", id)
	}
	if err := a.same(a.requests[id], &pending, param); err != nil {
		return err
	}
	a.live[id] = true
	req.Answers = append(req.Answers, llm.Answer{Param: param, Pending: pending, Approve: approve, Reason: s.text("reason")})
	return nil
}

// modelSpokeAfter reports whether the model has made an item after the one at i.
func (a *asks) modelSpokeAfter(i int) bool {
	for j := i + 1; j < len(a.said); j++ {
		if a.said[j].byModel() {
			return true
		}
	}
	return false
}

// askedAfter reports whether a question comes after the item at i: the model went on without a word.
func (a *asks) askedAfter(i int) bool {
	for j := i + 1; j < len(a.said); j++ {
		if a.said[j].kind == kindMCPAsk {
			return true
		}
	}
	return false
}

// same compares a question that the client sends back with the one that was asked. A client that changes the call has
// allowed another one than it will get.
func (a *asks) same(s *said, p *llm.Pending, param string) error {
	if s == nil {
		return nil
	}
	at := s.param
	if at == "" {
		at = param
	}
	switch name := s.text("name"); {
	case name != p.Tool && name != p.Call.Name:
		return fault.Invalidf(at+".name", "%s.name is not the one that the approval was asked for", at)
	case s.text("server_label") != p.Label:
		return fault.Invalidf(at+".server_label", "%s.server_label is not the one that the approval was asked for", at)
	case !sameJSON(s.text("arguments"), p.Call.Arguments):
		return fault.Invalidf(at+".arguments", "%s.arguments are not those that the approval was asked for", at)
	}
	return nil
}

func sameJSON(a, b string) bool {
	return a == b || string(jsonedit.Compact(nil, []byte(a))) == string(jsonedit.Compact(nil, []byte(b)))
}

// notRun writes an mcp_call item for a question that led to no call.
func (a *asks) notRun(s *said) []byte {
	why := "Error: not run: the user has not said whether this call may run"
	if i, ok := a.answers[s.id]; ok {
		answer := &a.said[i]
		why = "Error: not run: the call broke off"
		if yes, _ := jsonedit.Bool(jsonedit.Get(answer.raw, "approve")); !yes {
			why = denied(answer.text("reason"))
		}
	}
	b := jsonedit.AppendQuote([]byte(`{"id":`), s.id)
	b = append(b, `,"type":"mcp_call","status":"failed","approval_request_id":`...)
	b = jsonedit.AppendQuote(b, s.id)
	for _, key := range []string{"server_label", "name", "arguments"} {
		b = append(append(append(b, `,"`...), key...), `":`...)
		b = jsonedit.AppendQuote(b, s.text(key))
	}
	b = append(b, `,"output":null,"error":`...)
	return append(appendToolError(b, why), '}')
}

// denied is what the model is told of a call that the user refused, in the loop's words.
func denied(reason string) string {
	if reason == "" {
		return "Error: the user did not allow this call"
	}
	return "Error: the user did not allow this call: " + reason
}

// appendToolError appends the error of a call that failed in its tool, as an mcp_call item has it.
func appendToolError(dst []byte, text string) []byte {
	dst = append(dst, `{"type":"mcp_tool_execution_error","content":[{"type":"text","text":`...)
	return append(jsonedit.AppendQuote(dst, text), `}]}`...)
}
