package gemini

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// part is a part of the turn, as it goes back.
type part struct {
	raw []byte // as it came; nil once pieces were joined
	// A text that may be joined with one of its kind has the literal here.
	text    []byte
	thought bool
}

// part takes in a part of the answer, and tells what it says.
func (r *reader) part(v []byte) {
	if jsonedit.Kind(v) != '{' {
		r.Fail(broken("the provider sent a part of its answer that is not an object"))
		return
	}
	call, text := jsonedit.Get(v, "functionCall"), jsonedit.Get(v, "text")
	thought, _ := jsonedit.Bool(jsonedit.Get(v, "thought"))
	if jsonedit.Kind(call) == '{' && r.req.Params.OneByOne && r.calls > 0 {
		return
	}
	if !r.keep(v, text, thought) {
		r.Fail(broken("the provider's reply has too many or too large parts"))
		return
	}
	switch {
	case jsonedit.Kind(call) == '{':
		r.call(call, jsonedit.Get(v, "thoughtSignature"))
	case jsonedit.IsNull(text):
	case thought:
		r.say(llm.Thinking, &r.think, text)
	default:
		r.say(llm.Text, &r.text, text)
	}
}

// say tells a piece of text.
func (r *reader) say(kind llm.Kind, j *wire.Joiner, lit []byte) {
	s, ok := j.Add(lit)
	if !ok {
		r.Fail(broken("the provider sent a text that is not a JSON string"))
		return
	}
	if s != "" {
		r.Emit(llm.Event{Kind: kind, Text: s})
	}
}

// rest tells what stands for a character whose second half never came.
func (r *reader) rest() {
	if s := r.think.Rest(); s != "" {
		r.Emit(llm.Event{Kind: llm.Thinking, Text: s})
	}
	if s := r.text.Rest(); s != "" {
		r.Emit(llm.Event{Kind: llm.Text, Text: s})
	}
}

// call tells of a call, which comes whole.
func (r *reader) call(fc, signature []byte) {
	name := word(jsonedit.Get(fc, "name"))
	if name == "" {
		r.Fail(broken("the provider's reply has a call without a name"))
		return
	}
	c := llm.Call{ID: word(jsonedit.Get(fc, "id")), Name: offeredName(r.req, name), Arguments: "{}"}
	if args := jsonedit.Get(fc, "args"); jsonedit.Kind(args) == '{' {
		if !jsonedit.Valid(args) {
			r.Fail(broken("the provider's reply has a call whose arguments are not JSON"))
			return
		}
		c.Arguments = string(args)
	}
	if c.ID == "" || r.ids[c.ID] {
		c.ID = madeID(r.head.ID, r.calls)
	}
	if r.ids == nil {
		r.ids = map[string]bool{}
	}
	r.ids[c.ID] = true
	if own := jsonedit.Get(fc, "id"); word(own) != "" {
		c.Extra = appendMember(c.Extra, "id", own)
	}
	if word(signature) != "" {
		c.Extra = appendMember(c.Extra, "thoughtSignature", signature)
	}
	ev := llm.Event{Kind: llm.ToolCall, Index: r.calls, Call: c}
	if len(c.Extra) > 0 {
		ev.Extra.Wire = Name
	}
	r.calls++
	r.Emit(ev)
}

// madeID is the id of a call to which the model gave none.
func madeID(reply string, call int) string {
	sum := sha256.Sum256([]byte(reply + "\x00" + strconv.Itoa(call)))
	return "call_" + hex.EncodeToString(sum[:12])
}

// keep puts a part to those of the turn. Pieces of a text are joined, literal behind literal, unless there is more to them than
// their text: a signature is about the part that it stands in.
func (r *reader) keep(v, text []byte, thought bool) bool {
	if r.size += len(v); r.size > maxReply {
		return false
	}
	if !bareText(v) {
		r.parts = append(r.parts, part{raw: slices.Clone(v)})
		return len(r.parts) <= maxParts
	}
	if len(text) <= len(`""`) {
		return true
	}
	if n := len(r.parts); n > 0 && r.parts[n-1].text != nil && r.parts[n-1].thought == thought {
		p := &r.parts[n-1]
		p.raw, p.text = nil, append(p.text[:len(p.text)-1], text[1:]...)
		return true
	}
	r.parts = append(r.parts, part{raw: slices.Clone(v), text: slices.Clone(text), thought: thought})
	return len(r.parts) <= maxParts
}

// bareText reports whether a part is a text, or a thought, and nothing else.
func bareText(v []byte) bool {
	text := false
	for key, m := range jsonedit.Members(v) {
		switch string(key) {
		case "text":
			text = jsonedit.Kind(m) == '"'
		case "thought":
		default:
			return false
		}
	}
	return text
}

// content is the member with all parts of the turn; nil when there are none, or when they are no JSON and so cannot come back.
func (r *reader) content() []byte {
	const name = `"parts":`
	out := []byte(name + "[")
	for i, p := range r.parts {
		out = comma(out, i)
		if p.raw != nil {
			out = append(out, p.raw...)
			continue
		}
		out = append(append(out, `{"text":`...), p.text...)
		if p.thought {
			out = append(out, `,"thought":true`...)
		}
		out = append(out, '}')
	}
	if out = append(out, ']'); len(r.parts) == 0 || !jsonedit.Valid(out[len(name):]) {
		return nil
	}
	return out
}
