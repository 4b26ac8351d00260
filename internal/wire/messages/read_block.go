package messages

import (
	"slices"
	"strconv"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// block is a content block as far as it has come.
type block struct {
	index int64
	kind  string
	open  bool
	raw   []byte // as it started; once it is closed, the whole block
	grown []grown
	args  []byte // the text of the input_json_deltas
	text  wire.Joiner
	input wire.Joiner
	call  int // tool_use: the call's index
}

// grown is a member that deltas have changed.
type grown struct {
	key   string
	value []byte
}

// opened returns the open block with that index, or nil.
func (r *reader) opened(index int64) *block {
	for _, b := range slices.Backward(r.blocks) {
		if b.open && b.index == index {
			return b
		}
	}
	return nil
}

// open begins a block, and tells what it holds already. It returns nil when the reply has failed.
func (r *reader) open(index int64, v []byte) *block {
	switch {
	case !r.begun:
		r.Fail(broken("the provider sent content before the start of its message"))
		return nil
	case jsonedit.Kind(v) != '{':
		r.Fail(broken("the provider sent a content block that is not an object"))
		return nil
	case len(r.blocks) == maxBlocks || !r.fits(len(v)):
		r.Fail(broken("the provider's reply has too many or too large content blocks"))
		return nil
	}
	if old := r.opened(index); old != nil {
		r.close(old)
	}
	b := &block{index: index, kind: word(jsonedit.Get(v, "type")), open: true, raw: append([]byte(nil), v...)}
	if n := len(r.blocks); n > 0 && r.blocks[n-1].kind == b.kind {
		r.part(b.kind)
	}
	r.blocks = append(r.blocks, b)
	switch b.kind {
	case "text":
		r.say(b, llm.Text, jsonedit.Get(v, "text"))
		for c := range jsonedit.Elements(jsonedit.Get(v, "citations")) {
			r.Emit(delta(llm.Text, append(append([]byte(`{"type":"citations_delta","citation":`), c...), '}')))
		}
	case "thinking":
		r.say(b, llm.Thinking, jsonedit.Get(v, "thinking"))
		if s := jsonedit.Get(v, "signature"); word(s) != "" {
			r.Emit(delta(llm.Thinking, append(append([]byte(`{"type":"signature_delta","signature":`), s...), '}')))
		}
	case "tool_use":
		r.openCall(b)
	}
	return b
}

func (r *reader) fits(n int) bool {
	r.size += n
	return r.size <= maxReply
}

// delta is an event for a delta that is no text.
func delta(kind llm.Kind, v []byte) llm.Event {
	return llm.Event{Kind: kind, Extra: extra(llm.Extra{Choice: v})}
}

// part tells that a block begins right behind another one of its kind.
func (r *reader) part(kind string) {
	switch kind {
	case "text":
		r.Emit(delta(llm.Text, []byte(`{"type":"text","text":""}`)))
	case "thinking":
		r.Emit(delta(llm.Thinking, []byte(`{"type":"thinking","thinking":"","signature":""}`)))
	}
}

// say tells a piece of text.
func (r *reader) say(b *block, kind llm.Kind, lit []byte) {
	if jsonedit.IsNull(lit) {
		return
	}
	s, ok := b.text.Add(lit)
	if !ok {
		r.Fail(broken("the provider sent a text that is not a JSON string"))
		return
	}
	if s != "" {
		r.Emit(llm.Event{Kind: kind, Text: s})
	}
}

// openCall tells of a call.
func (r *reader) openCall(b *block) {
	c := llm.Call{}
	for key, v := range jsonedit.Members(b.raw) {
		switch string(key) {
		case "id":
			c.ID = word(v)
		case "name":
			c.Name = word(v)
		case "type", "input":
		default:
			if !jsonedit.IsNull(v) {
				c.Extra = appendMember(c.Extra, key, v)
			}
		}
	}
	if c.Name == "" {
		r.Fail(broken("the provider's reply has a tool call without a name"))
		return
	}
	if c.ID == "" {
		c.ID = toolID + r.u.newID()
	}
	given := c.ID
	for n := 2; r.ids[c.ID]; n++ {
		c.ID = given + "_" + strconv.Itoa(n)
	}
	if r.ids == nil {
		r.ids = map[string]bool{}
	}
	r.ids[c.ID] = true
	if c.ID != word(jsonedit.Get(b.raw, "id")) {
		b.grown = append(b.grown, grown{"id", jsonedit.AppendQuote(nil, c.ID)})
	}
	b.call = r.calls
	r.calls++
	ev := llm.Event{Kind: llm.ToolCall, Index: b.call, Call: c}
	if len(c.Extra) > 0 {
		ev.Extra.Wire = Name
	}
	r.Emit(ev)
}

// grow puts a delta to its block, and tells what it says.
func (r *reader) grow(b *block, v []byte) {
	if !r.fits(len(v)) {
		r.Fail(broken("the provider's reply has too many or too large content blocks"))
		return
	}
	kind := word(jsonedit.Get(v, "type"))
	if kind == "input_json_delta" {
		r.growInput(b, jsonedit.Get(v, "partial_json"))
		return
	}
	for key, m := range jsonedit.Members(v) {
		switch {
		case string(key) == "type" || jsonedit.IsNull(m):
		case string(key) == "citation":
			b.put("citations", m)
		default:
			b.join(string(key), m)
		}
	}
	switch {
	case kind == "text_delta" && b.kind == "text":
		r.say(b, llm.Text, jsonedit.Get(v, "text"))
	case kind == "thinking_delta" && b.kind == "thinking":
		r.say(b, llm.Thinking, jsonedit.Get(v, "thinking"))
	case b.kind == "text":
		r.Emit(delta(llm.Text, v))
	case b.kind == "thinking":
		r.Emit(delta(llm.Thinking, v))
	}
}

// growInput takes in the next piece of a block's input, which is JSON text in a string.
func (r *reader) growInput(b *block, lit []byte) {
	if jsonedit.IsNull(lit) {
		return
	}
	s, ok := b.input.Add(lit)
	if !ok {
		r.Fail(broken("the provider sent a piece of a tool's input that is not a JSON string"))
		return
	}
	b.args = append(b.args, s...)
	if b.kind == "tool_use" && s != "" {
		r.Emit(llm.Event{Kind: llm.ToolCall, Index: b.call, Call: llm.Call{Arguments: s}})
	}
}

// member returns the member that grows, with what it had at the start.
func (b *block) member(key string) *grown {
	for i := range b.grown {
		if b.grown[i].key == key {
			return &b.grown[i]
		}
	}
	b.grown = append(b.grown, grown{key, append([]byte(nil), jsonedit.Get(b.raw, key)...)})
	return &b.grown[len(b.grown)-1]
}

// join puts a string behind the one that is there, literal behind literal; other values replace it.
func (b *block) join(key string, v []byte) {
	g := b.member(key)
	if jsonedit.Kind(g.value) == '"' && jsonedit.Kind(v) == '"' {
		g.value = append(g.value[:len(g.value)-1], v[1:]...)
		return
	}
	g.value = append(g.value[:0], v...)
}

// put puts v at the end of a list.
func (b *block) put(key string, v []byte) {
	g := b.member(key)
	if jsonedit.Kind(g.value) != '[' {
		g.value = append(g.value[:0], '[', ']')
	}
	bare := true
	for range jsonedit.Elements(g.value) {
		bare = false
		break
	}
	g.value = g.value[:len(g.value)-1]
	if !bare {
		g.value = append(g.value, ',')
	}
	g.value = append(append(g.value, v...), ']')
}

// close ends a block: what it comes to is in b.raw then.
func (r *reader) close(b *block) {
	b.open = false
	switch b.kind {
	case "text", "thinking":
		kind := llm.Text
		if b.kind == "thinking" {
			kind = llm.Thinking
		}
		if s := b.text.Rest(); s != "" {
			r.Emit(llm.Event{Kind: kind, Text: s})
		}
		b.finish()
	case "tool_use":
		if len(b.args) == 0 {
			args := "{}"
			if in := jsonedit.Get(b.raw, "input"); jsonedit.Kind(in) == '{' {
				args = string(in)
			} else {
				b.grown = append(b.grown, grown{"input", []byte(args)})
			}
			r.Emit(llm.Event{Kind: llm.ToolCall, Index: b.call, Call: llm.Call{Arguments: args}})
		}
		b.finish()
	default:
		b.finish()
		r.Emit(llm.Event{Kind: llm.Other, Extra: extra(llm.Extra{Choice: b.raw})})
	}
}

// finish makes b.raw the whole block. A block without deltas is as it came. Input that is not a JSON object, because the
// reply was cut off in it, becomes an empty one: the API takes no other back.
func (b *block) finish() {
	if len(b.args) > 0 {
		in := b.args
		if jsonedit.Kind(in) != '{' || !jsonedit.Valid(in) {
			in = []byte("{}")
		}
		b.grown = append(b.grown, grown{"input", in})
	}
	if len(b.grown) == 0 {
		return
	}
	out, had := []byte{'{'}, make([]bool, len(b.grown))
	for key, v := range jsonedit.Members(b.raw) {
		for i, g := range b.grown {
			if jsonedit.KeyIs(key, g.key) {
				v, had[i] = g.value, true
			}
		}
		out = appendMember(out, key, v)
	}
	for i, g := range b.grown {
		if !had[i] {
			out = appendMember(out, []byte(g.key), g.value)
		}
	}
	b.raw, b.grown, b.args = append(out, '}'), nil, nil
}
