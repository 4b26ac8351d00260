package front

import (
	"context"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// A use that a rule wants a person to let happen is asked about by an elicitation, as the client's era has it. A client that
// cannot be asked is told why the use is refused.

// consentLife is how long a person may take to answer. The answer is good for one use.
const consentLife = askTime

// consentKey is the key of the question for clients of the stateless era.
const consentKey = "approval"

// consent decides about a use that is not simply allowed. It reports false when the request may go on.
func (x *exchange) consent(ctx context.Context, p *passing, st *state) (answer, bool) {
	t := &p.target
	switch t.Verdict.Decision {
	case mcp.Allow:
		return answer{}, false
	case mcp.Ask:
		switch {
		case st.kind == stateServer || st.kind == stateParked: // it goes on with what a person has let begin
			t.Approve()
			return answer{}, false
		case !inputMethods[x.m.Method]:
		case x.modern:
			return x.consentModern(ctx, p, st)
		case x.notes != nil:
			return x.consentOlder(ctx, p)
		}
	case mcp.Refuse:
	}
	return x.withheld(p.view.May(ctx, *t)), true
}

// consentModern answers with the question, or reads what the client brings as the answer.
func (x *exchange) consentModern(ctx context.Context, p *passing, st *state) (answer, bool) {
	said := jsonedit.Get(p.o.Value("inputResponses").Of(x.m.Params), consentKey)
	if st.kind == stateConsent && said != nil {
		if _, ok := x.d.spent.spend(st); !ok {
			return gone("the approval has been used already"), true
		}
		return x.decided(ctx, p, said)
	}
	question := x.question(p)
	if need, _ := lacking(jsonedit.Get(x.meta, metaCapabilities), "elicitation/create", question); need != "" {
		return x.withheld(p.view.May(ctx, p.target)), true
	}
	out := append([]byte(`{"resultType":"input_required","inputRequests":{"`+consentKey+`":{"method":"elicitation/create","params":`), question...)
	out = append(append(out, `}},"requestState":`...), x.sealState(stateConsent, []byte(time.Now().Format(time.RFC3339Nano)), consentLife)...)
	return answer{result: append(out, '}')}, true
}

// consentOlder asks the client on the stream of its request.
func (x *exchange) consentOlder(ctx context.Context, p *passing) (answer, bool) {
	question := x.question(p)
	if need, _ := lacking(x.session.caps, "elicitation/create", question); need != "" {
		return x.withheld(p.view.May(ctx, p.target)), true
	}
	said, e := x.asker(ctx)("elicitation/create", question)
	if e != nil {
		return failed(http.StatusOK, e.Code, e.Message), true
	}
	return x.decided(ctx, p, said)
}

// decided takes in a person's word.
func (x *exchange) decided(ctx context.Context, p *passing, said []byte) (answer, bool) {
	action, _ := jsonedit.Unquote(jsonedit.Get(said, "action"))
	x.d.o.Log.InfoContext(ctx, "a person was asked about a use of an MCP server", "about", p.about, "principal", x.v.Principal, "rule", p.target.Verdict.Rule, "answer", action)
	if action == "accept" {
		p.target.Approve()
		return answer{}, false
	}
	return x.withheld(&mcp.Unavailable{Message: "the user did not allow this call; the tool was not called"}), true
}

// question is an elicitation without a field: the answer is whether it is accepted.
func (x *exchange) question(p *passing) []byte {
	const most = 2000
	text := "May " + quote(p.about) + " be used"
	if args := jsonedit.Compact(nil, p.o.Value("arguments").Of(x.m.Params)); len(args) > 2 {
		if len(args) > most {
			args = append(args[:most:most], "…"...)
		}
		text += " with " + string(args)
	}
	text += "?"
	if why := p.target.Verdict.Reason; why != "" {
		text += " It is asked because: " + why
	}
	q := jsonedit.AppendQuote([]byte(`{"message":`), text)
	return append(q, `,"requestedSchema":{"type":"object","properties":{}}}`...)
}

// withheld is the answer to a use that is seen and refused: a model reads it in place of a tool's result.
func (x *exchange) withheld(err error) answer {
	if x.m.Method != "tools/call" {
		return failed(http.StatusOK, jsonrpc.CodeInvalidRequest, mcp.SafeMessage(err))
	}
	out := jsonedit.AppendQuote([]byte(`{"content":[{"type":"text","text":`), "Error: "+mcp.SafeMessage(err))
	return x.result(append(out, `}],"isError":true}`...))
}
