package front

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// codeVisit is how a server of 2025-11-25 says that its user must visit an address before it is asked again
// (URLElicitationRequiredError). The stateless era asks for that as for all else.
const codeVisit = -32042

// wrong is the answer when a call has failed.
func (x *exchange) wrong(ctx context.Context, err error) answer {
	if e, ok := errors.AsType[*mcp.RPCError](err); ok && x.modern && e.Code == codeVisit {
		return x.visits(e)
	}
	return x.failedCall(ctx, err)
}

// visits asks a client of the stateless era for what a server of the older one has refused a call over. Nothing is parked: the
// call is made anew.
func (x *exchange) visits(e *mcp.RPCError) answer {
	if x.m.Method == "completion/complete" {
		return failed(http.StatusOK, jsonrpc.CodeInternal, e.Message)
	}
	var open []*question
	for el := range jsonedit.Elements(jsonedit.Get(e.Data, "elicitations")) {
		mode, _ := jsonedit.Unquote(jsonedit.Get(el, "mode"))
		if mode != "url" || refuseURL(el) != nil || len(open) == maxInputs {
			return failed(http.StatusOK, jsonrpc.CodeInternal, "the server asks for a visit to what is no address of the web")
		}
		open = append(open, &question{key: fmt.Sprintf("input-%d", len(open)+1), method: "elicitation/create", params: el})
	}
	if open == nil {
		return failed(http.StatusOK, jsonrpc.CodeInternal, e.Message)
	}
	if need, _ := lacking(jsonedit.Get(x.meta, metaCapabilities), open[0].method, open[0].params); need != "" {
		return answer{failure: lacksCapability([]byte(need))}
	}
	out := append([]byte(`{"resultType":"input_required","inputRequests":`), appendQuestions(nil, open)...)
	out = append(append(out, `,"requestState":`...), x.sealState(stateAgain, nil, stateLife)...)
	return answer{result: append(out, '}')}
}

// again makes a call anew after its user has visited what the server wanted, or says that the user has not.
func (x *exchange) again(ctx context.Context, p *passing) answer {
	params := x.m.Params
	for _, v := range jsonedit.Members(p.o.Value("inputResponses").Of(params)) {
		if action, _ := jsonedit.Unquote(jsonedit.Get(v, "action")); action != "accept" {
			return failed(http.StatusOK, jsonrpc.CodeInternal, "the user has not agreed to visit the address that the server asks for")
		}
	}
	p.edits = p.o.Delete(p.edits, params, "requestState")
	p.edits = p.o.Delete(p.edits, params, "inputResponses")
	return x.call(ctx, p)
}
