package messages

import (
	"bytes"
	"cmp"

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
	names []string // of the tools that rewritten turns have called
	edits []jsonedit.Edit
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
	body, changed, err := u.params.Fit(ed.body)
	if err != nil {
		return dst, wire.ScanFault("messages.scan", err)
	}
	if changed {
		ed.body = body
		if ed.env, err = scan(body); err != nil {
			return dst, err
		}
	}
	ed.head()
	ed.messages()
	ed.tools()
	return jsonedit.Apply(dst, ed.body, ed.edits), nil
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

// head edits the model and the form of the reply, and takes out what is meant for the gateway.
func (ed *editor) head() {
	model := cmp.Or(ed.u.q.Model, ed.req.Model)
	if have := word(ed.value("model")); model != "" && have != model {
		ed.set("model", jsonedit.AppendQuote(nil, model))
	}
	if have, _ := jsonedit.Bool(ed.value("stream")); have != ed.req.Stream {
		if ed.req.Stream {
			ed.set("stream", []byte("true"))
		} else {
			ed.remove("stream")
		}
	}
	ed.remove("mock_response", "mock_tool_calls")
	if ed.ours() {
		ed.remove("mcp_servers")
	}
}

// ours reports whether the gateway serves the MCP servers of the request.
func (ed *editor) ours() bool { return len(ed.req.AddedTools) > 0 || len(ed.req.MCP) > 0 }

// tools puts the gateway's tools before the client's, takes out the entries that name MCP servers, and sets the tool choice.
func (ed *editor) tools() {
	list := ed.value("tools")
	if ed.ours() {
		out, n, changed := ed.toolList(list)
		switch {
		case changed && n == 0:
			list = nil
			ed.remove("tools", "tool_choice")
		case changed:
			list = append(out, ']')
			ed.set("tools", list)
		}
	}
	if jsonedit.IsNull(list) || len(ed.names) > 0 && !some(list) {
		if len(ed.names) > 0 {
			ed.set("tools", append(appendPastTools([]byte{'['}, ed.names), ']'))
			ed.set("tool_choice", []byte(`{"type":"none"}`))
		}
		return
	}
	ed.choice(list)
}

// some reports whether a list has elements.
func some(list []byte) bool {
	for range jsonedit.Elements(list) {
		return true
	}
	return false
}

// toolList returns the list that is sent, without its closing bracket, its length, and whether it differs from the client's.
// The cache_control of a toolset goes to the last of the gateway's tools, which end where those of the toolset did.
func (ed *editor) toolList(list []byte) (out []byte, n int, changed bool) {
	var own, control []byte
	k := 0
	for t := range jsonedit.Elements(list) {
		if kind := word(jsonedit.Get(t, "type")); kind == "mcp" || kind == "mcp_toolset" {
			changed = true
			if c := jsonedit.Get(t, "cache_control"); !jsonedit.IsNull(c) {
				control = c
			}
			continue
		}
		own = append(comma(own, k), t...)
		k++
	}
	n = len(ed.req.AddedTools)
	out = appendTools([]byte{'['}, ed.req.AddedTools)
	if n > 0 && control != nil {
		out = append(appendMember(out[:len(out)-1], []byte("cache_control"), control), '}')
	}
	if k > 0 {
		out = append(comma(out, n), own...)
	}
	return out, n + k, changed || n > 0
}

func (ed *editor) choice(list []byte) {
	choice := ed.value("tool_choice")
	switch {
	case ed.req.ToolChoice == llm.ChoiceNone:
		ed.set("tool_choice", []byte(`{"type":"none"}`))
	case jsonedit.IsNull(choice):
	case ed.req.ToolChoice == llm.ChoiceAuto:
		auto := []byte(`{"type":"auto"`)
		if v := jsonedit.Get(choice, "disable_parallel_tool_use"); v != nil {
			auto = appendMember(auto, []byte("disable_parallel_tool_use"), v)
		}
		ed.set("tool_choice", append(auto, '}'))
	case ed.ours():
		if name := ed.offeredAs(word(jsonedit.Get(choice, "name")), list); name != "" {
			ed.set("tool_choice", withMember(choice, "name", jsonedit.AppendQuote(nil, name)))
		}
	}
}

// offeredAs returns the name under which a tool is offered that the tool choice calls by its server's own name; "" where
// name is that of an offered tool already, or of none.
func (ed *editor) offeredAs(name string, list []byte) string {
	if name == "" {
		return ""
	}
	for t := range jsonedit.Elements(list) {
		if word(jsonedit.Get(t, "name")) == name {
			return ""
		}
	}
	for i := range ed.req.AddedTools {
		if t := &ed.req.AddedTools[i]; t.Tool == name {
			return t.Name
		}
	}
	return ""
}

// messages puts hidden turns back, tells of the gateway's calls in words that every provider of this wire knows, and adds the
// rounds so far.
func (ed *editor) messages() {
	span := ed.env.obj.Value("messages")
	list := span.Of(ed.body)
	if jsonedit.Kind(list) != '[' {
		return
	}
	if ed.rewrites(list) {
		ed.rewrite(list)
		return
	}
	if len(ed.req.AddedMessages) == 0 {
		return
	}
	enc := encoder{}
	ed.reserve(&enc, list)
	last, role := lastMessage(list)
	enc.messages(ed.req.AddedMessages)
	if role == enc.roleOfFirst() {
		ed.rewrite(list) // the same speaker goes on where the client's last message ends
		return
	}
	enc.flush()
	if len(enc.out) > 0 {
		text := append(comma(nil, len(last)), enc.out...)
		ed.edits = append(ed.edits, jsonedit.Edit{Start: span.End - 1, End: span.End - 1, Text: text})
	}
}

// lastMessage returns the last element of the list, and its role.
func lastMessage(list []byte) (last []byte, role string) {
	for m := range jsonedit.Elements(list) {
		last = m
	}
	return last, word(jsonedit.Get(last, "role"))
}

// rewrites reports whether the client's own messages may need a change.
func (ed *editor) rewrites(list []byte) bool {
	if len(ed.req.Restored) > 0 || bytes.Contains(list, []byte(ourID)) {
		return true
	}
	if !bytes.Contains(list, []byte(`"mcp_tool_`)) {
		return false
	}
	return ed.ours() || !ed.env.obj.Value("mcp_servers").Found() && bytes.Contains(list, []byte(`"`+listingBlock+`"`))
}
