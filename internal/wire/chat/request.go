package chat

import (
	"bytes"
	"cmp"
	"sync"

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
	enc   encoder
	edits []jsonedit.Edit
	room  *[]byte // borrowed: what edits put in place may stand here
}

// editors are those that nobody uses, for the sake of their lists of edits.
var editors = sync.Pool{New: func() any { return new(editor) }}

func (ed *editor) release() {
	wire.Return(ed.room)
	clear(ed.edits)
	*ed = editor{edits: ed.edits[:0]}
	editors.Put(ed)
}

// edit appends the client's body with what the request changes in it. With nothing to change it is the body byte for byte.
func (u *Upstream) edit(dst []byte, req *llm.Request) ([]byte, error) {
	ed := editors.Get().(*editor)
	*ed = editor{u: u, req: req, body: req.Raw.Bytes, enc: *u.encoder(req), edits: ed.edits, room: wire.Borrow()}
	defer ed.release()
	var ok bool
	if ed.env, ok = req.Raw.Index.(*envelope); !ok || ed.env == nil {
		var err error
		if ed.env, err = scan(ed.body); err != nil {
			return dst, err
		}
	}
	if body, changed, err := u.fitParams(ed.body); err != nil {
		return dst, err
	} else if changed {
		ed.body = body
		if ed.env, err = scan(body); err != nil {
			return dst, err
		}
	}
	ed.head()
	ed.tools()
	ed.messages()
	return jsonedit.Apply(dst, ed.body, ed.edits), nil
}

// put returns what fill appends. It stands in the editor's room.
func (ed *editor) put(fill func(dst []byte) []byte) []byte {
	at := len(*ed.room)
	*ed.room = fill(*ed.room)
	return (*ed.room)[at:]
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

// head edits the model, the form of the reply, the ask for usage, and takes out what is meant for the gateway.
func (ed *editor) head() {
	model := cmp.Or(ed.u.q.Model, ed.req.Model)
	if model != "" && !jsonedit.Says(ed.value("model"), model) {
		ed.set("model", ed.put(func(dst []byte) []byte { return jsonedit.AppendQuote(dst, model) }))
	}
	if have, _ := jsonedit.Bool(ed.value("stream")); have != ed.req.Stream {
		ed.set("stream", appendBool(nil, ed.req.Stream))
	}
	if ed.u.asksForUsage(ed.req) {
		if options, ok := withUsage(ed.value("stream_options")); ok {
			ed.set("stream_options", options)
		}
	}
	ed.remove("mock_response", "mock_tool_calls")
}

const askUsage = `"include_usage":true`

// usageAlone are stream_options that nobody changes.
var usageAlone = []byte("{" + askUsage + "}")

// withUsage returns stream_options that ask for usage. Those that are no object are left for the provider to refuse.
func withUsage(options []byte) ([]byte, bool) {
	if jsonedit.IsNull(options) {
		return usageAlone, true
	}
	if jsonedit.Kind(options) != '{' {
		return nil, false
	}
	out := append([]byte{'{'}, askUsage...)
	for key, v := range jsonedit.Members(options) {
		if !jsonedit.KeyIs(key, "include_usage") {
			out = append(append(append(out, ',', '"'), key...), '"', ':')
			out = append(out, v...)
		}
	}
	return append(out, '}'), true
}

// tools puts the gateway's tools before the client's, takes out the entries that name MCP servers, and sets the tool choice.
func (ed *editor) tools() {
	list := ed.value("tools")
	some := !jsonedit.IsNull(list)
	if len(ed.req.AddedTools) > 0 || len(ed.req.MCP) > 0 || bytes.Contains(list, []byte(`"mcp"`)) {
		out, n, changed := ed.toolList(list)
		switch {
		case changed && n == 0:
			some = false
			ed.remove("tools", "tool_choice", "parallel_tool_calls")
		case changed:
			some = true
			ed.set("tools", out)
		}
		if changed {
			ed.remove("max_tool_calls") // the loop's, and no word of this wire
		}
	}
	if some {
		ed.choice()
	}
}

// toolList returns the list that is sent, its length, and whether it differs from the client's.
func (ed *editor) toolList(list []byte) (out []byte, n int, changed bool) {
	n = len(ed.req.AddedTools)
	changed = n > 0
	out = ed.put(func(dst []byte) []byte {
		dst = ed.enc.tools(append(dst, '['), ed.req.AddedTools)
		for t := range jsonedit.Elements(list) {
			if jsonedit.Says(jsonedit.Get(t, "type"), "mcp") {
				changed = true
				continue
			}
			dst = append(comma(dst, n), t...)
			n++
		}
		return append(dst, ']')
	})
	return out, n, changed
}

func (ed *editor) choice() {
	choice := ed.value("tool_choice")
	switch {
	case ed.req.ToolChoice == llm.ChoiceNone && ed.u.q.NoChoiceNone:
		ed.remove("tools", "tool_choice", "parallel_tool_calls")
	case ed.req.ToolChoice == llm.ChoiceNone:
		ed.set("tool_choice", []byte(`"none"`))
	case ed.req.ToolChoice == llm.ChoiceAuto && !jsonedit.IsNull(choice):
		ed.set("tool_choice", []byte(`"auto"`))
	case ed.req.ToolChoice == llm.ChoiceAsIs && ed.u.q.ForceWord != "":
		if jsonedit.Says(choice, "required") {
			ed.set("tool_choice", jsonedit.AppendQuote(nil, ed.u.q.ForceWord))
		}
	}
}

// messages puts hidden turns back, gives the client's turns the form that the provider demands, and adds the rounds so far.
func (ed *editor) messages() {
	span := ed.env.obj.Value("messages")
	list := span.Of(ed.body)
	if jsonedit.Kind(list) != '[' {
		return
	}
	if ed.rewrites(list) {
		r := rewriter{enc: &ed.enc, restored: ed.req.Restored, out: []byte{'['}, strip: ed.looped()}
		for m := range jsonedit.Elements(list) {
			r.message(m)
		}
		if r.changed {
			r.out = ed.enc.messages(r.out, ed.req.AddedMessages, r.n == 0)
			ed.set("messages", append(r.out, ']'))
			return
		}
	}
	if len(ed.req.AddedMessages) > 0 {
		bare := len(bytes.TrimSpace(list[1:len(list)-1])) == 0
		text := ed.put(func(dst []byte) []byte { return ed.enc.messages(dst, ed.req.AddedMessages, bare) })
		ed.edits = append(ed.edits, jsonedit.Edit{Start: span.End - 1, End: span.End - 1, Text: text})
	}
}

// looped reports whether the gateway's tools take part in the request.
func (ed *editor) looped() bool { return len(ed.req.AddedTools) > 0 || len(ed.req.Restored) > 0 }

// rewrites reports whether the client's own messages may need a change.
func (ed *editor) rewrites(list []byte) bool {
	q := &ed.u.q
	return len(ed.req.Restored) > 0 || q.CallIDLen > 0 || q.ContentRequired || ed.looped() && bytes.Contains(list, []byte(vendorField))
}

// fitParams fits the members to what the provider takes.
func (u *Upstream) fitParams(body []byte) ([]byte, bool, error) {
	out, changed, err := u.params.Fit(body)
	if err != nil {
		return nil, false, scanFault(err)
	}
	return out, changed, nil
}
