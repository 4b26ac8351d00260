package responses

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// input gives the conversation the form in which a provider takes it that keeps nothing and knows no MCP servers of the
// gateway's, puts hidden turns back, and adds the rounds so far.
func (ed *editor) input() {
	span := ed.env.obj.Value("input")
	list := span.Of(ed.body)
	r := rewriter{ed: ed, enc: encoder{req: ed.req}, out: []byte{'['}, told: make([]bool, len(ed.req.Restored))}
	switch jsonedit.Kind(list) {
	case '[':
		if len(r.told) > 0 || suspicious(list) {
			for it := range jsonedit.Elements(list) {
				r.item(it)
			}
		}
	case '"':
		r.out = append(append(append(r.out, `{"type":"message","role":"user","content":`...), jsonedit.Get(list)...), '}')
		r.enc.n++
	default:
		if !jsonedit.IsNull(list) {
			return // the provider's to refuse
		}
	}
	added := len(ed.req.AddedMessages) > 0
	switch {
	case r.changed || added && jsonedit.Kind(list) != '[':
		r.out = r.enc.messages(r.out, ed.req.AddedMessages)
		ed.set("input", append(r.out, ']'))
	case added:
		enc := encoder{req: ed.req, custom: r.enc.custom}
		if len(bytes.TrimSpace(list[1:len(list)-1])) > 0 {
			enc.n = 1
		}
		text := enc.messages(nil, ed.req.AddedMessages)
		ed.edits = append(ed.edits, jsonedit.Edit{Start: span.End - 1, End: span.End - 1, Text: text})
	}
}

// suspicious reports whether a list of items may hold one that must be changed.
func suspicious(list []byte) bool {
	for _, mark := range []string{ownMark, `"mcp_`, `"reasoning"`, `\u`} {
		if bytes.Contains(list, []byte(mark)) {
			return true
		}
	}
	return false
}

// rewriter copies the items of the input, and changes those that the provider would refuse.
type rewriter struct {
	ed      *editor
	enc     encoder
	out     []byte
	changed bool
	calls   int // of the gateway, so far

	told []bool // the hidden turns that are back
	last []span // of out: what the model has said last, text and reasoning
}

// span is where an item of out begins.
type span struct {
	at, n int    // the bytes and the items before it
	text  string // of a message
}

func (r *rewriter) item(it []byte) {
	s := newSaid(it, "")
	own := isOwn(s.id)
	if r.restored(&s) {
		return
	}
	switch s.kind {
	case kindMCPList, kindMCPAsk, kindMCPAnswer:
		if r.mine(&s) {
			r.changed = true
			return
		}
	case kindMCPCall:
		if r.mine(&s) {
			r.changed = true
			r.call(&s)
			return
		}
	case kindReference:
		if own { // the door puts the item in its place
			r.changed = true
			return
		}
	case kindReasoning:
		if !replays(it) {
			r.changed = true
			return
		}
	}
	r.out = r.enc.next(r.out)
	if own {
		r.changed = true
		r.out = appendWithout(r.out, it, "id")
		return
	}
	r.out = append(r.out, it...)
}

// restored reports whether an item is a call that belongs to a hidden turn, and puts that in the place of what the client has
// seen of it: the texts of its rounds, and reasoning.
func (r *rewriter) restored(it *said) bool {
	switch {
	case len(r.told) == 0:
		return false
	case it.kind == kindReasoning || it.kind == kindMessage && it.byModel():
		r.last = append(r.last, span{len(r.out), r.enc.n, textOfMessage(it.raw)})
		return false
	}
	defer func() { r.last = nil }()
	if it.kind != kindCall && it.kind != kindCustom {
		return false
	}
	id := it.text("call_id")
	for i := range r.told {
		k := &r.ed.req.Restored[i]
		if len(k.Messages) == 0 || !slices.Contains(k.IDs, id) {
			continue
		}
		if !r.told[i] {
			r.told[i], r.changed = true, true
			for _, s := range slices.Backward(r.last) {
				if s.text != "" && !slices.ContainsFunc(k.Messages, func(m llm.Message) bool { return m.Text == s.text }) {
					break
				}
				r.out, r.enc.n = r.out[:s.at], s.n
			}
			r.out = r.enc.messages(r.out, k.Messages)
		}
		return true
	}
	return false
}

// textOfMessage is the text of an item that is a message.
func textOfMessage(it []byte) string {
	content := jsonedit.Get(it, "content")
	if text, ok := jsonedit.Unquote(content); ok {
		return text
	}
	var all []byte
	for p := range jsonedit.Elements(content) {
		text, _ := jsonedit.Unquote(jsonedit.Get(p, "text"))
		all = append(all, text...)
	}
	return string(all)
}

// mine reports whether an MCP item is between the client and the gateway, and not between the client and a provider that
// serves MCP servers itself.
func (r *rewriter) mine(s *said) bool {
	return !r.ed.others || isOwn(s.id) || isOwn(s.text("approval_request_id")) || r.ed.labelled(s.text("server_label"))
}

// call appends a call that an earlier reply has shown with its outcome, as the function call that it is for the model.
func (r *rewriter) call(s *said) {
	r.calls++
	id := s.id
	if id == "" {
		id = "mcp_call_" + strconv.Itoa(r.calls)
	}
	c := llm.Call{ID: id, Label: s.text("server_label"), Tool: s.text("name"), Arguments: s.text("arguments")}
	r.out = r.enc.call(r.out, &c, false)
	r.out = r.enc.result(r.out, &llm.Result{CallID: id, Text: outcome(s)})
}

// outcome is what the model reads of a call that an mcp_call item shows.
func outcome(s *said) string {
	if problem := jsonedit.Get(s.raw, "error"); !jsonedit.IsNull(problem) {
		return errorText(problem)
	}
	if text, ok := jsonedit.Unquote(jsonedit.Get(s.raw, "output")); ok {
		return text
	}
	return "Error: the call broke off"
}
