package cohere

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// said is a text as far as it has come.
type said struct {
	join wire.Joiner
	text strings.Builder
}

// say tells the next piece of a text.
func (r *reader) say(t *said, kind llm.Kind, lit []byte) {
	if jsonedit.IsNull(lit) {
		return
	}
	s, ok := t.join.Add(lit)
	if !ok {
		r.Fail(broken("the provider sent a text that is not a JSON string"))
		return
	}
	r.tell(t, kind, s)
}

func (r *reader) tell(t *said, kind llm.Kind, s string) {
	if s != "" {
		t.text.WriteString(s)
		r.Emit(llm.Event{Kind: kind, Text: s})
	}
}

// block is a piece of content as far as it has come.
type block struct {
	index int64
	kind  string
	done  bool
	said  said
	raw   []byte // of a kind that is neither text nor thinking
}

// of says which events tell a block, and the member that holds its text; 0 for a kind that no event tells.
func (b *block) of() (llm.Kind, string) {
	switch b.kind {
	case "text":
		return llm.Text, "text"
	case "thinking":
		return llm.Thinking, "thinking"
	}
	return 0, ""
}

// open begins a block, and tells what it holds already.
func (r *reader) open(index int64, v []byte) {
	if r.Over {
		return
	}
	if jsonedit.Kind(v) != '{' {
		r.Fail(broken("the provider sent a piece of content that is not an object"))
		return
	}
	b := &block{index: index, kind: word(jsonedit.Get(v, "type"))}
	r.blocks = append(r.blocks, b)
	if kind, member := b.of(); kind != 0 {
		r.say(&b.said, kind, jsonedit.Get(v, member))
		return
	}
	b.raw = append([]byte(nil), v...)
}

// opened returns the open block with that index, or nil.
func (r *reader) opened(index int64) *block {
	for _, b := range slices.Backward(r.blocks) {
		if !b.done && b.index == index {
			return b
		}
	}
	return nil
}

// grow tells the next piece of a block. One that was not begun begins with it.
func (r *reader) grow(index int64, v []byte) {
	b := r.opened(index)
	if b == nil {
		b = &block{index: index, kind: "text"}
		if jsonedit.Get(v, "thinking") != nil {
			b.kind = "thinking"
		}
		r.blocks = append(r.blocks, b)
	}
	if kind, member := b.of(); kind != 0 {
		r.say(&b.said, kind, jsonedit.Get(v, member))
	}
}

// close ends a block.
func (r *reader) close(index int64) {
	if b := r.opened(index); b != nil {
		r.finishBlock(b)
	}
}

func (r *reader) finishBlock(b *block) {
	b.done = true
	if kind, _ := b.of(); kind != 0 {
		r.tell(&b.said, kind, b.said.join.Rest())
	}
}

// call is a call as far as it has come.
type call struct {
	index int64
	at    int // among the calls of the turn
	done  bool
	args  said
}

// openCall tells of a call.
func (r *reader) openCall(index int64, v []byte) {
	if r.Over {
		return
	}
	name := word(jsonedit.Get(v, "function", "name"))
	if name == "" {
		r.Fail(broken("the provider's reply has a tool call without a name"))
		return
	}
	given := word(jsonedit.Get(v, "id"))
	if given == "" {
		given = name + "_" + r.u.newID()
	}
	id := given
	for n := 2; r.ids[id]; n++ {
		id = given + "_" + strconv.Itoa(n)
	}
	if r.ids == nil {
		r.ids = map[string]bool{}
	}
	r.ids[id] = true
	c := &call{index: index, at: len(r.calls)}
	r.calls = append(r.calls, c)
	r.Emit(llm.Event{Kind: llm.ToolCall, Index: c.at, Call: llm.Call{ID: id, Name: name}})
	r.pass(c, jsonedit.Get(v, "function", "arguments"))
}

// openedCall returns the open call with that index, or nil.
func (r *reader) openedCall(index int64) *call {
	for _, c := range slices.Backward(r.calls) {
		if !c.done && c.index == index {
			return c
		}
	}
	return nil
}

func (r *reader) growCall(index int64, v []byte) {
	if c := r.openedCall(index); c != nil {
		r.pass(c, jsonedit.Get(v, "function", "arguments"))
	}
}

// pass tells the next piece of a call's arguments, which are JSON text in a string.
func (r *reader) pass(c *call, lit []byte) {
	if jsonedit.IsNull(lit) {
		return
	}
	s, ok := c.args.join.Add(lit)
	if !ok {
		r.Fail(broken("the provider sent arguments that are not a JSON string"))
		return
	}
	r.tellArgs(c, s)
}

func (r *reader) tellArgs(c *call, s string) {
	if s != "" {
		c.args.text.WriteString(s)
		r.Emit(llm.Event{Kind: llm.ToolCall, Index: c.at, Call: llm.Call{Arguments: s}})
	}
}

func (r *reader) closeCall(index int64) {
	if c := r.openedCall(index); c != nil {
		r.finishCall(c)
	}
}

// finishCall ends a call. One for which no arguments came has "{}".
func (r *reader) finishCall(c *call) {
	c.done = true
	r.tellArgs(c, c.args.join.Rest())
	if c.args.text.Len() == 0 {
		r.tellArgs(c, "{}")
	}
}

// rest closes what is still open.
func (r *reader) rest() {
	r.tell(&r.plan, llm.Text, r.plan.join.Rest())
	for _, b := range r.blocks {
		if !b.done {
			r.finishBlock(b)
		}
	}
	for _, c := range r.calls {
		if !c.done {
			r.finishCall(c)
		}
	}
}

// turn is what the model must see again beside its calls: the members content and tool_plan. It is nil where there is neither.
func (r *reader) turn() []byte {
	var content, turn []byte
	for _, b := range r.blocks {
		raw := b.raw
		if kind, member := b.of(); kind != 0 {
			if b.said.text.Len() == 0 {
				continue // the API takes none of these back
			}
			raw = append(append([]byte(`{"type":"`+b.kind+`","`+member+`":`), quote(b.said.text.String())...), '}')
		}
		if !jsonedit.Valid(raw) {
			continue // of a stream that is no JSON throughout
		}
		content = append(comma(content, len(content)), raw...)
	}
	if content != nil {
		turn = append(append([]byte(`"content":[`), content...), ']')
	}
	if r.plan.text.Len() > 0 {
		turn = appendMember(turn, "tool_plan", quote(r.plan.text.String()))
	}
	return turn
}
