package converse

import (
	"encoding/base64"
	"slices"
	"strconv"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// block is a content block as far as it has come.
type block struct {
	index int64
	kind  string // text, toolUse, reasoningContent, or another member of the API's union
	open  bool
	raw   []byte // once it is closed, the whole block; nil if it cannot be put together

	text      []byte // of a text or of reasoning: the characters of a JSON string, without quotes
	signature []byte
	redacted  []byte // decoded
	joiner    wire.Joiner

	id, name string // of a call
	input    []byte
	call     int // its index
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

// add begins a block. It returns nil when the reply has failed.
func (r *reader) add(index int64, kind string) *block {
	switch {
	case !r.begun:
		r.Fail(broken("the provider sent content before messageStart"))
		return nil
	case len(r.blocks) == maxBlocks:
		r.Fail(tooLarge())
		return nil
	}
	if old := r.opened(index); old != nil {
		r.close(old)
	}
	b := &block{index: index, kind: kind, open: true}
	r.blocks = append(r.blocks, b)
	return b
}

// fits counts bytes of the reply's blocks; it reports false when they are too many.
func (r *reader) fits(n int) bool {
	if r.size += n; r.size > maxReply {
		r.Fail(tooLarge())
	}
	return r.size <= maxReply
}

// union returns the member of an object that has one, as the API's unions do.
func union(v []byte) (kind, value []byte) {
	for key, v := range jsonedit.Members(v) {
		return key, v
	}
	return nil, nil
}

// start begins a block that is announced: those of calls are, texts are not.
func (r *reader) start(index int64, v []byte) {
	kind, value := union(v)
	if b := r.add(index, string(kind)); b != nil && b.kind == "toolUse" {
		r.openCall(b, value)
	}
}

// openCall tells of a call.
func (r *reader) openCall(b *block, use []byte) {
	b.id, b.name = word(jsonedit.Get(use, "toolUseId")), word(jsonedit.Get(use, "name"))
	if b.name == "" {
		r.Fail(broken("the provider's reply has a tool call without a name"))
		return
	}
	if b.id == "" {
		b.id = "tooluse_" + r.u.newID()
	}
	given := b.id
	for n := 2; r.ids[b.id]; n++ {
		b.id = given + "_" + strconv.Itoa(n)
	}
	if r.ids == nil {
		r.ids = map[string]bool{}
	}
	r.ids[b.id] = true
	b.call = r.calls
	r.calls++
	r.Emit(llm.Event{Kind: llm.ToolCall, Index: b.call, Call: llm.Call{ID: b.id, Name: nameIn(r.req, b.name)}})
}

// nameIn is the name under which the request offers the tool that the model calls by this name.
func nameIn(req *llm.Request, name string) string {
	for _, tools := range [][]llm.Tool{req.AddedTools, req.Tools} {
		for i := range tools {
			if t := &tools[i]; t.Name == name {
				return name
			} else if !fits(t.Name) && fitName(t.Name) == name {
				return t.Name
			}
		}
	}
	return name
}

// grow puts a delta to its block, and tells what it says.
func (r *reader) grow(index int64, v []byte) {
	kind, value := union(v)
	b := r.opened(index)
	if b == nil {
		if b = r.add(index, string(kind)); b == nil {
			return
		}
	}
	if !r.fits(len(v)) {
		return
	}
	switch {
	case string(kind) != b.kind:
		r.Fail(broken("the provider sent %.40q in a block of another kind", kind))
	case b.kind == "text":
		r.say(b, llm.Text, value)
	case b.kind == "reasoningContent":
		r.think(b, value)
	case b.kind == "toolUse":
		r.growInput(b, jsonedit.Get(value, "input"))
	}
}

// say tells a piece of text.
func (r *reader) say(b *block, kind llm.Kind, lit []byte) {
	s, ok := b.joiner.Add(lit)
	if !ok {
		r.Fail(broken("the provider sent a text that is not a JSON string"))
		return
	}
	b.text = append(b.text, lit[1:len(lit)-1]...)
	if s != "" {
		r.Emit(llm.Event{Kind: kind, Text: s})
	}
}

// sayRest tells what stands for a character that was cut off.
func (r *reader) sayRest(b *block, kind llm.Kind) {
	if s := b.joiner.Rest(); s != "" {
		r.Emit(llm.Event{Kind: kind, Text: s})
	}
}

// think takes in a piece of reasoning: text, its signature, or what the model does not show.
func (r *reader) think(b *block, v []byte) {
	kind, value := union(v)
	switch string(kind) {
	case "text":
		r.say(b, llm.Thinking, value)
	case "signature":
		if jsonedit.Kind(value) == '"' {
			b.signature = append(b.signature, value[1:len(value)-1]...)
		}
	case "redactedContent":
		if data, err := base64.StdEncoding.DecodeString(word(value)); err == nil {
			b.redacted = append(b.redacted, data...)
		}
	}
}

// growInput takes in the next piece of a call's input, which is JSON text in a string.
func (r *reader) growInput(b *block, lit []byte) {
	if jsonedit.IsNull(lit) {
		return
	}
	s, ok := b.joiner.Add(lit)
	if !ok {
		r.Fail(broken("the provider sent a piece of a tool's input that is not a JSON string"))
		return
	}
	b.input = append(b.input, s...)
	if s != "" {
		r.Emit(llm.Event{Kind: llm.ToolCall, Index: b.call, Call: llm.Call{Arguments: s}})
	}
}

// close ends a block of a stream, and puts it together.
func (r *reader) close(b *block) {
	b.open = false
	switch b.kind {
	case "text":
		r.sayRest(b, llm.Text)
		b.raw = append(append([]byte(`{"text":"`), b.text...), `"}`...)
	case "reasoningContent":
		r.sayRest(b, llm.Thinking)
		b.raw = b.reasoning()
	case "toolUse":
		if len(b.input) == 0 {
			b.input = []byte("{}")
			r.Emit(llm.Event{Kind: llm.ToolCall, Index: b.call, Call: llm.Call{Arguments: "{}"}})
		}
		b.raw = appendUse(b.id, b.name, b.input)
	}
}

// reasoning is the block of reasoning, with text and signature literally as they came.
func (b *block) reasoning() []byte {
	if len(b.redacted) > 0 {
		return append(base64.StdEncoding.AppendEncode([]byte(`{"reasoningContent":{"redactedContent":"`), b.redacted), `"}}`...)
	}
	out := append(append([]byte(`{"reasoningContent":{"reasoningText":{"text":"`), b.text...), '"')
	if len(b.signature) > 0 {
		out = append(append(append(out, `,"signature":"`...), b.signature...), '"')
	}
	return append(out, `}}}`...)
}

// appendUse is the block of a call, with its input as the model wrote it. Input that is not a JSON object, because the reply
// was cut off in it, becomes an empty one: the API takes no other back.
func appendUse(id, name string, input []byte) []byte {
	out := jsonedit.AppendQuote([]byte(`{"toolUse":{"toolUseId":`), id)
	out = jsonedit.AppendQuote(append(out, `,"name":`...), name)
	if jsonedit.Kind(input) != '{' || !jsonedit.Valid(input) {
		input = []byte("{}")
	}
	return append(append(append(out, `,"input":`...), input...), `}}`...)
}

// whole tells a block of a document, which stays as it came.
func (r *reader) whole(v []byte) {
	kind, value := union(v)
	b := r.add(int64(len(r.blocks)), string(kind))
	if b == nil || !r.fits(len(v)) {
		return
	}
	b.open, b.raw = false, v
	switch b.kind {
	case "text":
		r.say(b, llm.Text, value)
		r.sayRest(b, llm.Text)
	case "reasoningContent":
		if text := jsonedit.Get(value, "reasoningText", "text"); text != nil {
			r.say(b, llm.Thinking, text)
			r.sayRest(b, llm.Thinking)
		}
	case "toolUse":
		if r.openCall(b, value); r.Over {
			return
		}
		input := jsonedit.Get(value, "input")
		if jsonedit.Kind(input) != '{' {
			input = []byte("{}")
		}
		if word(jsonedit.Get(value, "toolUseId")) != b.id {
			b.raw = appendUse(b.id, b.name, input)
		}
		r.Emit(llm.Event{Kind: llm.ToolCall, Index: b.call, Call: llm.Call{Arguments: string(input)}})
	default:
		r.Emit(llm.Event{Kind: llm.Other, Extra: llm.Extra{Wire: Name, Choice: v}})
	}
}
