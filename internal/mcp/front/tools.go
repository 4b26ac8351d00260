package front

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/obs"
)

// view is what the client may see.
func (x *exchange) view(ctx context.Context) (*view, *failure) {
	v, err := x.d.servers.View(ctx, x.v)
	if err != nil {
		e := fault.From(err)
		if c := x.d.servers.Challenged(x.v); c != "" && e.Kind == fault.Forbidden {
			return nil, lacks(c)
		}
		return nil, refusal(e.HTTPStatus(), rpcCode(e), e.Message)
	}
	return &view{v}, nil
}

// view is what the client may see.
type view struct{ *mcp.View }

// lister is a view of servers some of which may have failed.
type lister interface {
	Failed() []llm.ServerError
	Dead() bool
}

// dead says why there is nothing in a list, when no server could be listed.
func dead(of lister) *failure {
	if !of.Dead() {
		return nil
	}
	var all []string
	for _, e := range of.Failed() {
		all = append(all, e.Server+": "+e.Error)
	}
	return refusal(http.StatusOK, jsonrpc.CodeInternal, "no MCP server could be listed: "+strings.Join(all, "; "))
}

// appendFailed appends the servers that failed, as a member of _meta.
func appendFailed(dst []byte, of lister) []byte {
	dst = append(dst, `"fairlead/errors":[`...)
	for i, e := range of.Failed() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonedit.AppendQuote(append(dst, `{"server":`...), e.Server)
		dst = append(jsonedit.AppendQuote(append(dst, `,"error":`...), e.Error), '}')
	}
	return append(dst, ']')
}

// listTools answers with all tools.
func (x *exchange) listTools(ctx context.Context, _ func(string, []byte)) answer {
	v, f := x.view(ctx)
	if f != nil {
		return answer{failure: f}
	}
	if !x.modern {
		return x.list("tools", v.OlderTools(), v)
	}
	return x.list("tools", v.Tools(), v)
}

// list answers with a whole list, in one page.
func (x *exchange) list(member string, items []byte, of lister) answer {
	if !jsonedit.IsNull(jsonedit.Get(x.m.Params, "cursor")) {
		return failed(http.StatusOK, jsonrpc.CodeInvalidParams, "the cursor is not known: lists have one page")
	}
	if f := dead(of); f != nil {
		if e := of.Failed()[0]; e.Login != "" && !x.modern {
			return x.logIn(e.Server, e.Login, f.Message)
		}
		return answer{failure: f}
	}
	partial := len(of.Failed()) > 0
	var tail []byte
	switch {
	case x.modern:
		tail = x.appendCaching([]byte(`,"resultType":"complete",`), partial)
		if partial {
			tail = append(appendFailed(append(tail[:len(tail)-1], ','), of), '}')
		}
	case partial:
		tail = append(appendFailed([]byte(`,"_meta":{`), of), '}')
	}
	return answer{result: []byte(`{"` + member + `":`), items: items, tail: append(tail, '}')}
}

// callKeys are the members of params that are looked at, or written anew.
var callKeys = jsonedit.NewKeys("name", "arguments", "uri", "ref", "_meta", "requestState", "inputResponses")

// odd is the answer to a request whose params are not what its method asks for.
func odd(message string) *failure {
	return refusal(http.StatusBadRequest, jsonrpc.CodeInvalidParams, message)
}

// params reads the params of a request, and the member that says what it is about.
func (x *exchange) params(member string) (o jsonedit.Object, about string, f *failure) {
	o, err := jsonedit.Scan(x.m.Params, callKeys)
	if err != nil {
		return o, "", odd("params: " + err.Error())
	}
	about, ok := jsonedit.Unquote(o.Value(member).Of(x.m.Params))
	if !ok {
		return o, "", odd("params has no text " + member)
	}
	return o, about, nil
}

// callTool runs a tool: of a server, or one of the gateway's own.
func (x *exchange) callTool(ctx context.Context, notify func(string, []byte)) answer {
	o, name, f := x.params("name")
	if f != nil {
		return answer{failure: f}
	}
	args := o.Value("arguments").Of(x.m.Params)
	if args != nil && jsonedit.Kind(args) != '{' {
		return failed(http.StatusOK, jsonrpc.CodeInvalidParams, "params.arguments is not an object")
	}
	v, f := x.view(ctx)
	if f != nil {
		return answer{failure: f}
	}
	if own := v.Own(name); own != mcp.NotOwn {
		return x.ownTool(ctx, v, own, args, notify)
	}
	return x.serverTool(ctx, v, called{name: name}, notify)
}

// passing is a request on its way to a server.
type passing struct {
	view   *view
	target mcp.Target
	o      *jsonedit.Object // params
	edits  []jsonedit.Edit
	member string // of params: what the request is about
	about  string // as the client names it
	notify func(string, []byte)
}

// pass sends a request on under the server's own name for what it is about.
func (x *exchange) pass(ctx context.Context, p *passing) answer {
	params := x.m.Params
	if p.target.Name != p.about && p.member != "" {
		p.edits = p.o.Set(p.edits, params, p.member, jsonedit.AppendQuote(nil, p.target.Name))
	}
	var st state
	if sealed := p.o.Value("requestState").Of(params); !jsonedit.IsNull(sealed) {
		var ok bool
		if st, ok = x.openState(sealed); !ok {
			return unknownState()
		}
	}
	if a, ended := x.consent(ctx, p, &st); ended {
		return a
	}
	switch st.kind {
	case 0:
		return x.call(ctx, p)
	case stateParked:
		return x.resume(ctx, p, st.content)
	case stateAgain, stateConsent:
		return x.again(ctx, p)
	}
	p.edits = p.o.Set(p.edits, params, "requestState", st.content)
	return x.goOn(ctx, p, &st)
}

// goOn makes a call for which a server has given a state. One that may have an effect is made once with it, unless the server
// asks for more.
func (x *exchange) goOn(ctx context.Context, p *passing, st *state) answer {
	if x.m.Method != "tools/call" || p.target.Safe() {
		return x.call(ctx, p)
	}
	undo, ok := x.d.spent.spend(st)
	if !ok {
		return gone("the call has been made with this requestState already")
	}
	a := x.call(ctx, p)
	if jsonedit.Says(jsonedit.Get(a.result, "resultType"), "input_required") {
		undo()
	}
	return a
}

// call makes a request of a server.
func (x *exchange) call(ctx context.Context, p *passing) answer {
	r := x.request(ctx, p.notify)
	r.Params = jsonedit.Apply(nil, x.m.Params, p.edits)
	if x.parks(ctx, p) {
		return x.start(ctx, p, r)
	}
	raw, err := p.view.Call(ctx, p.target, r)
	if lacks := x.lacks.Load(); lacks != nil && failedResult(&outcome{raw, err}) {
		return answer{failure: lacksCapability(*lacks)}
	}
	if err != nil {
		return x.wrong(ctx, err)
	}
	if !x.modern && x.notes != nil {
		var end *answer
		if raw, end = x.input(ctx, p, r.Params, raw); end != nil {
			return *end
		}
	}
	return x.result(raw)
}

func agree(mirrors []mcp.Mirror, h http.Header, args []byte) bool {
	return !slices.ContainsFunc(mirrors, func(m mcp.Mirror) bool { return !m.Agrees(h, args) })
}

// request is what is passed on of a request beside its params.
func (x *exchange) request(ctx context.Context, notify func(string, []byte)) mcp.Request {
	r := mcp.Request{Method: x.m.Method, Meta: x.passedMeta(ctx)}
	token := bytes.Clone(jsonedit.Get(x.meta, "progressToken")) // a server may tell of progress when all is over
	r.Progress = !jsonedit.IsNull(token)
	if x.modern {
		r.Capabilities = jsonedit.Get(x.meta, metaCapabilities)
		r.LogLevel, _ = jsonedit.Unquote(jsonedit.Get(x.meta, metaLogLevel))
		r.Ask = x.undeclared
	} else {
		if x.notes != nil {
			r.Capabilities = x.session.caps
			if string(x.session.caps) != "{}" {
				r.Client, r.Party = &mcp.Client{Key: x.session.id, Capabilities: x.session.caps}, x.session.id
				r.Ask = x.asker(ctx)
			}
		}
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
		case "notifications/elicitation/complete":
			if !x.modern {
				notify(method, params)
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
	case x.modern && e.Code == codeNoResource:
		f.Code = jsonrpc.CodeInvalidParams
	case !x.modern && e.Code == jsonrpc.CodeInvalidParams && x.m.Method == "resources/read":
		f.Code = codeNoResource
	}
	return answer{failure: f}
}

// resultKeys are the members of a call's result that are looked at.
var resultKeys = jsonedit.NewKeys("resultType", "requestState", "structuredContent", "ttlMs", "cacheScope")

// result is a server's result as the client's era has it.
func (x *exchange) result(raw []byte) answer {
	o, err := jsonedit.Scan(raw, resultKeys)
	if err != nil {
		return failed(http.StatusOK, jsonrpc.CodeInternal, "the server's result cannot be read in one way only")
	}
	var edits []jsonedit.Edit
	kind, _ := jsonedit.Unquote(o.Value("resultType").Of(raw))
	structured := o.Value("structuredContent").Of(raw)
	switch {
	case x.modern:
		edits = x.resultModern(&o, raw, kind)
	case kind == "input_required" && x.m.Method != "tools/call":
		return failed(http.StatusOK, jsonrpc.CodeInternal, "the server asks for input from a user, which this gateway cannot pass on to clients of this revision")
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

// resultModern says of a result what the stateless era wants to know. What the gateway shows depends on the key, so that nobody
// may keep it for others.
func (x *exchange) resultModern(o *jsonedit.Object, raw []byte, kind string) (edits []jsonedit.Edit) {
	if kind == "" {
		edits = o.Set(edits, raw, "resultType", []byte(`"complete"`))
	}
	if state := o.Value("requestState").Of(raw); state != nil {
		edits = o.Set(edits, raw, "requestState", x.sealState(stateServer, state, stateLife))
	}
	if x.m.Method == "resources/read" && kind != "input_required" {
		if !o.Value("ttlMs").Found() {
			edits = o.Set(edits, raw, "ttlMs", []byte("0"))
		}
		edits = o.Set(edits, raw, "cacheScope", []byte(`"private"`))
	}
	return edits
}
