package front

import (
	"context"
	"crypto/rand"
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
	if l := mcp.Login(err); l != nil {
		return x.logIn(l.Server, l.URL, mcp.SafeMessage(err))
	}
	if e, ok := errors.AsType[*mcp.RPCError](err); ok && x.modern && e.Code == codeVisit {
		return x.visits(e)
	}
	return x.failedCall(ctx, err)
}

// logIn asks a client to have its user log in to a server, as its era has it. A client that shows its user no addresses gets the
// text, and a model with it: in place of a tool's result.
func (x *exchange) logIn(server, url, text string) answer {
	params := jsonedit.AppendQuote([]byte(`{"mode":"url","url":`), url)
	params = append(jsonedit.AppendQuote(append(params, `,"elicitationId":`...), rand.Text()), `,"message":`...)
	params = append(jsonedit.AppendQuote(params, "Log in to "+server+", so that it can be used for you."), '}')
	caps := jsonedit.Get(x.meta, metaCapabilities)
	if !x.modern {
		caps = x.session.caps
	}
	declined := false
	for _, v := range jsonedit.Members(jsonedit.Get(x.m.Params, "inputResponses")) {
		action, _ := jsonedit.Unquote(jsonedit.Get(v, "action"))
		declined = declined || action != "accept"
	}
	need, _ := lacking(caps, "elicitation/create", params)
	e := &mcp.RPCError{Code: codeVisit, Message: text, Data: append(append([]byte(`{"elicitations":[`), params...), "]}"...)}
	switch _, asks := inputMethods[x.m.Method]; {
	case need == "" && !x.modern:
		return x.failedCall(context.Background(), e)
	case need == "" && asks && !declined:
		return x.visits(e)
	case x.m.Method == "tools/call":
		out := jsonedit.AppendQuote([]byte(`{"content":[{"type":"text","text":`), "Error: "+text)
		return x.result(append(out, `}],"isError":true}`...))
	}
	return failed(http.StatusOK, jsonrpc.CodeInternal, text)
}

// inputMethods are the requests that may be answered with what is to be known first.
var inputMethods = map[string]bool{"tools/call": true, "prompts/get": true, "resources/read": true}

// unknown is the answer to a request for what is not there, or cannot be seen before the user has logged in.
func (x *exchange) unknown(v *view, name string, otherwise answer) answer {
	if server, url := v.Login(name); url != "" {
		return x.logIn(server, url, "the MCP server "+server+": "+(&mcp.LoginError{URL: url}).Text())
	}
	return otherwise
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
