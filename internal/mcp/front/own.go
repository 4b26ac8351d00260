package front

import (
	"bytes"
	"context"
	"net/http"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// ownTool answers a call of one of the gateway's own tools.
func (x *exchange) ownTool(ctx context.Context, v *view, own mcp.Own, args []byte, notify func(string, []byte)) answer {
	if own != mcp.CallTool {
		return x.result(v.RunOwn(ctx, own, args))
	}
	name, inner, why := mcp.ReadThrough(args)
	if why != "" {
		return x.result(mcp.OwnResult("Error: "+why, true))
	}
	o, err := jsonedit.Scan(x.m.Params, callKeys)
	if err != nil {
		return answer{failure: odd("params: " + err.Error())}
	}
	edits := o.Set(nil, x.m.Params, "name", jsonedit.AppendQuote(nil, name))
	edits = o.Set(edits, x.m.Params, "arguments", bytes.Clone(inner))
	x.m.Params = jsonedit.Apply(nil, x.m.Params, edits)
	return x.serverTool(ctx, v, called{name: name, through: true}, notify)
}

// called is a tool that a client calls.
type called struct {
	name    string
	through bool // as an argument of another tool's, so that the client knows nothing of its headers
}

// serverTool passes a call on to its server. What is admitted is what is passed on: the same bytes.
func (x *exchange) serverTool(ctx context.Context, v *view, c called, notify func(string, []byte)) answer {
	o, err := jsonedit.Scan(x.m.Params, callKeys)
	if err != nil {
		return answer{failure: odd("params: " + err.Error())}
	}
	args := o.Value("arguments").Of(x.m.Params)
	tool, ok := v.Tool(c.name, args)
	if !ok {
		return x.unknown(v, c.name, x.unseen(mcp.Use{Tool: c.name}, refusal(http.StatusOK, jsonrpc.CodeInvalidParams, "Unknown tool: "+c.name)))
	}
	if x.modern && !x.v.Local && !c.through && !agree(tool.Mirrors, x.r.Header, args) {
		return failed(http.StatusBadRequest, codeHeaders, "an Mcp-Param header is missing, or differs from params.arguments")
	}
	p := passing{view: v, target: tool, o: &o, member: "name", about: c.name, notify: notify}
	if args == nil {
		p.edits = o.Set(nil, x.m.Params, "arguments", []byte("{}"))
	}
	return x.pass(ctx, &p)
}
