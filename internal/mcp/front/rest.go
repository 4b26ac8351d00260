package front

import (
	"context"
	"net/http"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
)

// Tools answers GET /mcp-rest/tools/list in LiteLLM's form: tools under their servers' own names, each with its server.
func (d *Door) Tools(w http.ResponseWriter, r *http.Request, v *mcp.Visit) {
	v.Server = r.URL.Query().Get("server_id")
	view, ok := d.restView(r.Context(), w, v)
	if !ok {
		return
	}
	if v.Server != "" && view.Dead() {
		restError(w, http.StatusBadGateway, "upstream_error", view.Failed()[0].Server+": "+view.Failed()[0].Error)
		return
	}
	out := []byte(`{"tools":[`)
	for owner, t := range view.Each {
		o, err := jsonedit.Scan(t.Raw, infoKeys)
		if err != nil {
			continue
		}
		if out[len(out)-1] != '[' {
			out = append(out, ',')
		}
		name := string(jsonedit.AppendQuote(nil, owner.Server))
		info := []byte(`{"server_name":` + name + `,"server_id":` + name + `,"alias":` + name + `}`)
		out = jsonedit.Compact(out, jsonedit.Apply(nil, t.Raw, o.Set(nil, t.Raw, "mcp_info", info)))
	}
	if failed := view.Failed(); len(failed) > 0 {
		out = append(appendFailed(append(out, `],"_meta":{`...), view), `},"error":null,"message":"Successfully retrieved tools"}`...)
	} else {
		out = append(out, `],"error":null,"message":"Successfully retrieved tools"}`...)
	}
	writeJSON(w, http.StatusOK, out)
}

var (
	infoKeys = jsonedit.NewKeys("mcp_info")
	restKeys = jsonedit.NewKeys("server_id", "name", "arguments")
)

// restView is the view of a visit, or the answer that there is none: servers that are not there and those that may not be used
// are one.
func (d *Door) restView(ctx context.Context, w http.ResponseWriter, v *mcp.Visit) (*mcp.View, bool) {
	v.Selection.Search, v.Selection.Spill = false, 0 // programs want all tools, and results whole
	view, err := d.servers.View(ctx, v)
	if err == nil {
		return view, true
	}
	e := fault.From(err)
	code := e.Code
	if e.Kind == fault.Forbidden {
		code = "access_denied"
	}
	restError(w, e.HTTPStatus(), code, e.Message)
	return nil, false
}

// restError writes an error as LiteLLM does.
func restError(w http.ResponseWriter, status int, code, message string) {
	b := jsonedit.AppendQuote([]byte(`{"detail":{"error":`), code)
	writeJSON(w, status, append(jsonedit.AppendQuote(append(b, `,"message":`...), message), "}}"...))
}

// Call answers POST /mcp-rest/tools/call: the result as the server sent it. An error of the server is a result that says so.
func (d *Door) Call(w http.ResponseWriter, r *http.Request, v *mcp.Visit) {
	o, err := jsonedit.Scan(v.Body, restKeys)
	if err != nil || repeats(v.Body) {
		restError(w, http.StatusBadRequest, "invalid_request", "the body is not a JSON object that every reader understands alike")
		return
	}
	server, _ := jsonedit.Unquote(o.Value("server_id").Of(v.Body))
	name, _ := jsonedit.Unquote(o.Value("name").Of(v.Body))
	for member, value := range map[string]string{"server_id": server, "name": name} {
		if value == "" {
			restError(w, http.StatusBadRequest, "missing_parameter", "the body has no text "+member)
			return
		}
	}
	args := o.Value("arguments").Of(v.Body)
	if jsonedit.IsNull(args) {
		args = []byte("{}")
	}
	if jsonedit.Kind(args) != '{' {
		restError(w, http.StatusBadRequest, "invalid_request", "arguments is not an object")
		return
	}
	if strings.Contains(server, ",") {
		restError(w, http.StatusForbidden, "access_denied", "server_id names one server")
		return
	}
	v.Server = server
	view, ok := d.restView(r.Context(), w, v)
	if !ok {
		return
	}
	t, ok := restTool(view, name, args)
	if _, url := view.Login(name); !ok && url != "" {
		restError(w, http.StatusBadGateway, "upstream_error", view.Failed()[0].Server+": "+view.Failed()[0].Error)
		return
	}
	if !ok {
		restError(w, http.StatusNotFound, "tool_not_found", "Tool "+quote(name)+" not found")
		return
	}
	params := append(jsonedit.AppendQuote([]byte(`{"name":`), t.Name), `,"arguments":`...)
	raw, err := view.Call(r.Context(), t, mcp.Request{Method: "tools/call", Params: append(append(params, args...), '}')})
	if err != nil {
		text := jsonedit.AppendQuote([]byte(`{"content":[{"type":"text","text":`), "Error: "+mcp.SafeMessage(err))
		raw = append(text, `}],"isError":true}`...)
	}
	if ro, err := jsonedit.Scan(raw, resultKeys); err == nil && !ro.Value("resultType").Found() {
		raw = jsonedit.Apply(nil, raw, ro.Set(nil, raw, "resultType", []byte(`"complete"`)))
	}
	writeJSON(w, http.StatusOK, raw)
}

// restTool finds a tool by its own name, or by the one that models are offered.
func restTool(view *mcp.View, name string, args []byte) (mcp.Target, bool) {
	if t, ok := view.Tool(name, args); ok {
		return t, true
	}
	for owner, def := range view.Each {
		if owner.Offered == name {
			return view.Tool(def.Name, args)
		}
	}
	return mcp.Target{}, false
}
