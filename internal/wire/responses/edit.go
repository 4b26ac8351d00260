package responses

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// editor collects the edits of one client's body.
type editor struct {
	u     *Upstream
	req   *llm.Request
	body  []byte
	env   *envelope
	edits []jsonedit.Edit
	// others says that the request has MCP entries that the provider serves: its MCP items are then the provider's, unless
	// their label or their id is the gateway's.
	others bool
}

// edit appends the client's body with what the request changes in it. With nothing to change it is the body byte for byte.
func (u *Upstream) edit(dst []byte, req *llm.Request) ([]byte, error) {
	ed := editor{u: u, req: req, body: req.Raw.Bytes}
	var ok bool
	if ed.env, ok = req.Raw.Index.(*envelope); !ok || ed.env == nil {
		var err error
		if ed.env, err = scan(ed.body); err != nil {
			return dst, err
		}
	}
	if body, changed, err := u.params.Fit(ed.body); err != nil {
		return dst, wire.ScanFault("responses.edit", err)
	} else if changed {
		ed.body = body
		if ed.env, err = scan(body); err != nil {
			return dst, err
		}
	}
	model := cmp.Or(u.q.Model, req.Model)
	if have, _ := jsonedit.Unquote(ed.value("model")); model != "" && have != model {
		ed.set("model", jsonedit.AppendQuote(nil, model))
	}
	if have, _ := jsonedit.Bool(ed.value("stream")); have != req.Stream {
		ed.set("stream", strconv.AppendBool(nil, req.Stream))
	}
	ed.remove("mock_response", "mock_tool_calls")
	switch {
	case ed.ours():
		if err := ed.tools(); err != nil {
			return dst, err
		}
		ed.state(model)
		ed.input()
	case len(req.Restored) > 0:
		ed.input()
	}
	return jsonedit.Apply(dst, ed.body, ed.edits), nil
}

// ours reports whether the gateway takes part in the request: with tools, or with what it keeps.
func (ed *editor) ours() bool {
	r := ed.req
	return len(r.AddedTools)+len(r.MCP)+len(r.AddedMessages)+len(r.Answers) > 0 || r.Local || r.Detached || r.ToolChoice != llm.ChoiceAsIs
}

func (ed *editor) value(key string) []byte { return ed.env.value(ed.body, key) }

func (ed *editor) set(key string, value []byte) {
	ed.edits = ed.env.obj.Set(ed.edits, ed.body, key, value)
}

func (ed *editor) remove(names ...string) {
	for _, key := range names {
		if ed.env.obj.Value(key).Found() {
			ed.edits = ed.env.obj.Delete(ed.edits, ed.body, key)
		}
	}
}

// state has the provider keep nothing, and takes out what is between the client and the gateway.
func (ed *editor) state(model string) {
	ed.set("store", []byte("false"))
	ed.remove("background")
	if len(ed.req.AddedTools)+len(ed.req.MCP) > 0 {
		ed.remove("max_tool_calls") // the loop counts
	}
	if id, _ := jsonedit.Unquote(ed.value("previous_response_id")); isOwn(id) {
		ed.remove("previous_response_id")
	}
	if list, ok := withReasoning(ed.value("include")); ok && thinks(model) {
		ed.set("include", list)
	}
}

// withReasoning returns include with the ask for encrypted reasoning, and false where it is there. A list that is none is left
// for the provider to refuse.
func withReasoning(include []byte) ([]byte, bool) {
	if jsonedit.IsNull(include) {
		return []byte("[" + includeReasoning + "]"), true
	}
	if jsonedit.Kind(include) != '[' {
		return nil, false
	}
	out, n := []byte{'['}, 0
	for v := range jsonedit.Elements(include) {
		if jsonedit.Says(v, "reasoning.encrypted_content") {
			return nil, false
		}
		out = append(comma(out, n), v...)
		n++
	}
	return append(append(comma(out, n), includeReasoning...), ']'), true
}

// tools puts the gateway's tools before the client's, takes out the entries that name its MCP servers, and sets the tool
// choice.
func (ed *editor) tools() error {
	list := ed.value("tools")
	some := len(ed.req.AddedTools) > 0 || !jsonedit.IsNull(list)
	if len(ed.req.AddedTools) > 0 || bytes.Contains(list, []byte(`"mcp"`)) {
		out, n, changed := ed.toolList(list)
		switch {
		case changed && n == 0:
			some = false
			ed.remove("tools", "tool_choice", "parallel_tool_calls")
		case changed:
			ed.set("tools", out)
		}
	}
	if !some {
		return nil
	}
	return ed.choice(ed.value("tool_choice"))
}

// toolList returns the list that is sent, its length, and whether it differs from the client's.
func (ed *editor) toolList(list []byte) (out []byte, n int, changed bool) {
	n = len(ed.req.AddedTools)
	changed = n > 0
	out = appendTools([]byte{'['}, ed.req.AddedTools, 0)
	for t := range jsonedit.Elements(list) {
		if jsonedit.Says(jsonedit.Get(t, "type"), "mcp") {
			if jsonedit.IsNull(jsonedit.Get(t, "connector_id")) && jsonedit.IsNull(jsonedit.Get(t, "tunnel_id")) {
				changed = true
				continue
			}
			ed.others = true
		}
		out = append(comma(out, n), t...)
		n++
	}
	return append(out, ']'), n, changed
}

// choice sets the tool choice: that of the loop, or the client's with the gateway's tools by the names under which they are
// offered. Which tools are allowed holds in all rounds, that one of them must be called in the first one alone.
func (ed *editor) choice(choice []byte) error {
	if ed.req.ToolChoice == llm.ChoiceNone {
		ed.set("tool_choice", []byte(`"none"`))
		return nil
	}
	auto := ed.req.ToolChoice == llm.ChoiceAuto
	kind, _ := jsonedit.Unquote(jsonedit.Get(choice, "type"))
	switch {
	case kind == "allowed_tools":
		list, changed, err := ed.allowed(jsonedit.Get(choice, "tools"))
		if err != nil {
			return err
		}
		mode := jsonedit.Get(choice, "mode")
		if auto {
			mode = []byte(`"auto"`)
		}
		if changed || auto && string(mode) != string(jsonedit.Get(choice, "mode")) {
			out := append(append([]byte(`{"type":"allowed_tools","mode":`), orNull(mode)...), `,"tools":`...)
			ed.set("tool_choice", append(append(out, list...), '}'))
		}
	case auto && !jsonedit.IsNull(choice):
		ed.set("tool_choice", []byte(`"auto"`))
	case kind == "mcp":
		names, mine, err := ed.chosen(choice, "tool_choice")
		switch {
		case err != nil || !mine:
			return err
		case len(names) == 1:
			ed.set("tool_choice", appendFunctionName(nil, names[0]))
		default:
			ed.set("tool_choice", appendAllowed(nil, "required", names))
		}
	}
	return nil
}

func orNull(v []byte) []byte {
	if v == nil {
		return []byte("null")
	}
	return v
}

// allowed returns the list of allowed tools with the gateway's by name, and whether it differs from the client's.
func (ed *editor) allowed(list []byte) (out []byte, changed bool, err error) {
	if jsonedit.Kind(list) != '[' {
		return orNull(list), false, nil
	}
	out = []byte{'['}
	n := 0
	for t := range jsonedit.Elements(list) {
		if jsonedit.Says(jsonedit.Get(t, "type"), "mcp") {
			names, mine, err := ed.chosen(t, "tool_choice.tools")
			if err != nil {
				return nil, false, err
			}
			if mine {
				changed = true
				for _, name := range names {
					out = appendFunctionName(comma(out, n), name)
					n++
				}
				continue
			}
		}
		out = append(comma(out, n), t...)
		n++
	}
	return append(out, ']'), changed, nil
}

// chosen returns the names under which the tools are offered that an MCP choice means, and false for a choice among the
// provider's own MCP servers.
func (ed *editor) chosen(choice []byte, param string) (names []string, mine bool, err error) {
	label, _ := jsonedit.Unquote(jsonedit.Get(choice, "server_label"))
	if ed.others && !ed.labelled(label) {
		return nil, false, nil
	}
	tool, _ := jsonedit.Unquote(jsonedit.Get(choice, "name"))
	for i := range ed.req.AddedTools {
		if t := &ed.req.AddedTools[i]; t.Label == label && (tool == "" || tool == t.Tool || tool == t.Name) {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		return nil, true, fault.Invalidf(param, "%s means no tool: the MCP server %q offers none of that name in this request", param, label)
	}
	return names, true, nil
}

// labelled reports whether a label is that of one of the gateway's servers.
func (ed *editor) labelled(label string) bool {
	return slices.ContainsFunc(ed.req.MCP, func(e llm.MCPEntry) bool { return e.Label == label }) ||
		slices.ContainsFunc(ed.req.AddedTools, func(t llm.Tool) bool { return t.Label == label })
}
