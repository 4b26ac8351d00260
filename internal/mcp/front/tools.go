package front

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/obs"
)

// view is what the client may see.
func (x *exchange) view(ctx context.Context) (*view, *failure) {
	v, err := x.d.servers.View(ctx, x.v)
	if err != nil {
		e := fault.From(err)
		return nil, refusal(e.HTTPStatus(), rpcCode(e), e.Message)
	}
	return &view{v}, nil
}

// view is a view whose failures can be told.
type view struct{ *mcp.View }

// Partial reports whether something is missing from the view.
func (v *view) Partial() bool { return len(v.Failed()) > 0 }

// dead says why there is nothing in the view, when no server could be listed.
func (v *view) dead() *failure {
	if !v.Partial() || len(v.Failed()) < v.Servers() {
		return nil
	}
	var all []string
	for _, e := range v.Failed() {
		all = append(all, e.Server+": "+e.Error)
	}
	return refusal(http.StatusOK, jsonrpc.CodeInternal, "no MCP server could be listed: "+strings.Join(all, "; "))
}

// appendFailed appends the servers that failed, as a member of _meta.
func (v *view) appendFailed(dst []byte) []byte {
	dst = append(dst, `"fairlead/errors":[`...)
	for i, e := range v.Failed() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonedit.AppendQuote(append(dst, `{"server":`...), e.Server)
		dst = append(jsonedit.AppendQuote(append(dst, `,"error":`...), e.Error), '}')
	}
	return append(dst, ']')
}

// listTools answers with the whole list, in one page.
func (x *exchange) listTools(ctx context.Context, _ func(string, []byte)) answer {
	if !jsonedit.IsNull(jsonedit.Get(x.m.Params, "cursor")) {
		return failed(http.StatusOK, jsonrpc.CodeInvalidParams, "the cursor is not known: lists have one page")
	}
	v, f := x.view(ctx)
	if f == nil {
		f = v.dead()
	}
	if f != nil {
		return answer{failure: f}
	}
	tools := v.Tools()
	out := make([]byte, 0, len(tools)+512)
	out = append(append(out, `{"tools":`...), tools...)
	switch {
	case x.modern:
		out = x.appendCaching(append(out, `,"resultType":"complete",`...), v)
		if v.Partial() {
			out = append(v.appendFailed(append(out[:len(out)-1], ',')), '}')
		}
	case v.Partial():
		out = append(v.appendFailed(append(out, `,"_meta":{`...)), '}')
	}
	return answer{result: append(out, '}')}
}

// callKeys are the members of a call's params that are looked at, or written anew.
var callKeys = jsonedit.NewKeys("name", "arguments", "_meta", "requestState", "inputResponses")

// callTool passes a call on to its server. What is admitted is what is passed on: the same bytes.
func (x *exchange) callTool(ctx context.Context, notify func(string, []byte)) answer {
	params := x.m.Params
	o, err := jsonedit.Scan(params, callKeys)
	if err != nil {
		return failed(http.StatusBadRequest, jsonrpc.CodeInvalidParams, "params: "+err.Error())
	}
	name, ok := jsonedit.Unquote(o.Value("name").Of(params))
	if !ok {
		return failed(http.StatusBadRequest, jsonrpc.CodeInvalidParams, "params has no text name")
	}
	args := o.Value("arguments").Of(params)
	if args != nil && jsonedit.Kind(args) != '{' {
		return failed(http.StatusOK, jsonrpc.CodeInvalidParams, "params.arguments is not an object")
	}
	v, f := x.view(ctx)
	if f != nil {
		return answer{failure: f}
	}
	tool, ok := v.Tool(name, args)
	if !ok {
		return failed(http.StatusOK, jsonrpc.CodeInvalidParams, "Unknown tool: "+name)
	}
	if x.modern && !agree(tool.Mirrors, x.r.Header, args) {
		return failed(http.StatusBadRequest, codeHeaders, "an Mcp-Param header is missing, or differs from params.arguments")
	}
	var edits []jsonedit.Edit
	if tool.Name != name {
		edits = o.Set(edits, params, "name", jsonedit.AppendQuote(nil, tool.Name))
	}
	if args == nil {
		edits = o.Set(edits, params, "arguments", []byte("{}"))
	}
	if sealed := o.Value("requestState").Of(params); !jsonedit.IsNull(sealed) {
		state, ok := x.openState(sealed, name)
		if !ok {
			return failed(http.StatusOK, jsonrpc.CodeInvalidParams, "params.requestState is not known")
		}
		edits = o.Set(edits, params, "requestState", state)
	}
	r := x.request(ctx, notify)
	r.Params = jsonedit.Apply(nil, params, edits)
	raw, err := v.Call(ctx, tool, r)
	if err != nil {
		return x.failedCall(ctx, err)
	}
	return x.result(raw, name)
}

func agree(mirrors []mcp.Mirror, h http.Header, args []byte) bool {
	return !slices.ContainsFunc(mirrors, func(m mcp.Mirror) bool { return !m.Agrees(h, args) })
}

// request is what is passed on of a request beside its params.
func (x *exchange) request(ctx context.Context, notify func(string, []byte)) mcp.Request {
	r := mcp.Request{Method: x.m.Method, Meta: x.passedMeta(ctx)}
	token := jsonedit.Get(x.meta, "progressToken")
	r.Progress = !jsonedit.IsNull(token)
	if x.modern {
		r.Capabilities = jsonedit.Get(x.meta, metaCapabilities)
		r.LogLevel, _ = jsonedit.Unquote(jsonedit.Get(x.meta, metaLogLevel))
	} else {
		x.session.mu.Lock()
		r.LogLevel = x.session.level
		x.session.mu.Unlock()
	}
	least := slices.Index(levels, r.LogLevel)
	if least < 0 {
		r.LogLevel = ""
	}
	r.Notify = func(method string, params []byte) {
		switch method {
		case "notifications/progress":
			if r.Progress {
				x.progress(token, params, notify)
			}
		case "notifications/message":
			level, _ := jsonedit.Unquote(jsonedit.Get(params, "level"))
			if least >= 0 && slices.Index(levels, level) >= least {
				notify(method, params)
			}
		}
	}
	return r
}

var progressKeys = jsonedit.NewKeys("progressToken")

// progress tells the client of progress, under its own token.
func (x *exchange) progress(token, params []byte, notify func(string, []byte)) {
	o, err := jsonedit.Scan(params, progressKeys)
	if err != nil {
		x.d.o.Log.Debug("a notification of progress is dropped", "reason", err.Error())
		return
	}
	notify("notifications/progress", jsonedit.Apply(nil, params, o.Set(nil, params, "progressToken", token)))
}

// passedMeta are the members of _meta that go on to the server: all but the protocol's own, and the trace.
func (x *exchange) passedMeta(ctx context.Context) []byte {
	var out []byte
	traced := false
	for key, v := range jsonedit.Members(x.meta) {
		name, _ := jsonedit.Unquote(append(append([]byte{'"'}, key...), '"'))
		if name == "progressToken" || strings.HasPrefix(name, metaPrefix) {
			continue
		}
		traced = traced || name == "traceparent" || name == "tracestate"
		out = append(append(append(out, '"'), key...), `":`...)
		out = append(jsonedit.Compact(out, v), ',')
	}
	c := obs.From(ctx)
	if traced || c.Traceparent == "" {
		return out
	}
	out = append(jsonedit.AppendQuote(append(out, `"traceparent":`...), c.Traceparent), ',')
	if c.Tracestate != "" {
		out = append(jsonedit.AppendQuote(append(out, `"tracestate":`...), c.Tracestate), ',')
	}
	return out
}

// failedCall turns the error of a call into what its era says.
func (x *exchange) failedCall(ctx context.Context, err error) answer {
	if ctx.Err() != nil {
		return failed(http.StatusOK, jsonrpc.CodeInternal, "the request was cancelled")
	}
	e, ok := errors.AsType[*mcp.RPCError](err)
	if !ok {
		return failed(http.StatusOK, jsonrpc.CodeInternal, mcp.SafeMessage(err))
	}
	f := refusal(http.StatusOK, e.Code, e.Message)
	f.Data = e.Data
	switch {
	case e.Code == codeHeaders || e.Code == codeRevision:
		f.Code = jsonrpc.CodeInternal // between the gateway and the server; the client has nothing to do with it
		f.Data = nil
	case x.modern && e.Code == codeCapabilities:
		f.status = http.StatusBadRequest
	case x.modern && e.Code == -32002: // the older era's word for a resource that is not there
		f.Code = jsonrpc.CodeInvalidParams
	case x.modern && e.Code == -32042: // the older era's way to ask for a visit to a URL
		f.Code = jsonrpc.CodeInternal
	}
	return answer{failure: f}
}

// resultKeys are the members of a call's result that are looked at.
var resultKeys = jsonedit.NewKeys("resultType", "requestState", "structuredContent")

// result is a server's result as the client's era has it.
func (x *exchange) result(raw []byte, name string) answer {
	o, err := jsonedit.Scan(raw, resultKeys)
	if err != nil {
		return failed(http.StatusOK, jsonrpc.CodeInternal, "the server's result cannot be read in one way only")
	}
	var edits []jsonedit.Edit
	kind, _ := jsonedit.Unquote(o.Value("resultType").Of(raw))
	structured := o.Value("structuredContent").Of(raw)
	switch {
	case x.modern && kind == "":
		edits = o.Set(edits, raw, "resultType", []byte(`"complete"`))
	case x.modern:
		if state := o.Value("requestState").Of(raw); state != nil {
			edits = o.Set(edits, raw, "requestState", x.sealState(state, name))
		}
	case kind == "input_required":
		return answer{result: []byte(`{"content":[{"type":"text","text":"Error: the tool asks for input from a user, which this gateway cannot pass on to clients of this revision"}],"isError":true}`)}
	case structured != nil && jsonedit.Kind(structured) != '{': // the older era knows objects only
		edits = o.Delete(edits, raw, "structuredContent")
	}
	if edits == nil {
		return answer{result: raw}
	}
	return answer{result: jsonedit.Apply(nil, raw, edits)}
}

// stateLife is how long a client may take to find out what a server asks for.
const stateLife = time.Hour

// sealState makes a server's state a handle of the client's, so that nobody else can bring it back, nor for another tool.
func (x *exchange) sealState(state []byte, name string) []byte {
	content := append([]byte(name+"\x00"), state...)
	return jsonedit.AppendQuote(nil, x.d.o.Seal.Seal(scope("state", x.v), content, stateLife))
}

// openState returns the server's state, a raw value.
func (x *exchange) openState(handle []byte, name string) ([]byte, bool) {
	text, ok := jsonedit.Unquote(handle)
	if !ok {
		return nil, false
	}
	content, ok := x.d.o.Seal.Open(scope("state", x.v), text)
	if !ok {
		return nil, false
	}
	state, ok := strings.CutPrefix(string(content), name+"\x00")
	return []byte(state), ok
}
