package responses

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	maxItems = 1024     // of one reply
	maxKept  = 64 << 20 // bytes of its items
)

// item is one output item as far as it has come.
type item struct {
	index int64 // output_index; -1 when not said
	id    string
	kind  string
	raw   []byte // the whole item, once it is done and can be sent back
	done  bool
	early bool // its pieces have come before it was added
	text  wire.Joiner
	told  [2]uint64 // the parts whose text was told, by number: of the content, and of a reasoning's summary
	part  piece     // that was told last; kind 0 for none
	phase []byte    // of a message: the JSON string; nil for none
	notes int       // annotations that were told

	call  bool   // told of
	at    int    // the index that events tell
	args  []byte // that wait until it is told of
	given bool   // arguments have come
}

// piece is a piece of an item's text or arguments.
type piece struct {
	kind    llm.Kind
	lit     []byte // the JSON string, or for arguments an object
	part    int64
	summary bool // of a reasoning: in its summary, not in its content
	refusal bool // of a message: the model declines
	done    bool // it is the whole text, which deltas may have told already
}

// place returns the item that is meant by its id or, where ids change from event to event or are left out, by its index;
// nil for one that has not come yet. Without either it is the last one.
func (r *reader) place(index int64, id string) *item {
	for _, it := range slices.Backward(r.items) {
		if id != "" && it.id == id {
			return it
		}
	}
	for _, it := range slices.Backward(r.items) {
		if !it.done && (index >= 0 && it.index == index || index < 0 && id == "") {
			return it
		}
	}
	return nil
}

// open returns a new item, or nil where the reply has too many.
func (r *reader) open(index int64, id, kind string) *item {
	if len(r.items) == maxItems {
		r.Fail(broken("the provider's reply has more than %d items", maxItems))
		return nil
	}
	it := &item{index: index, id: id, kind: kind}
	r.items = append(r.items, it)
	return it
}

// keeps counts n more bytes that are kept, and reports whether they may be.
func (r *reader) keeps(n int) bool {
	if r.size += n; r.size > maxKept {
		r.Fail(broken("the provider's reply is too large"))
		return false
	}
	return true
}

// itemAdded takes in the start of an item.
func (r *reader) itemAdded(index int64, v []byte) {
	if jsonedit.Kind(v) != '{' {
		return
	}
	id := itemID(v)
	it := r.place(index, id)
	if it == nil || it.id != id && !it.early {
		if it = r.open(index, id, ""); it == nil {
			return
		}
	}
	it.early = false
	it.learn(v)
	if it.isCall() && !it.call {
		r.tellCall(it, v)
	}
}

// learn reads what an item says of itself.
func (it *item) learn(v []byte) {
	if kind, _ := jsonedit.Unquote(jsonedit.Get(v, "type")); kind != "" {
		it.kind = kind
	}
	if phase := jsonedit.Get(v, "phase"); jsonedit.Kind(phase) == '"' && jsonedit.Valid(phase) {
		it.phase = bytes.Clone(phase)
	}
}

func (it *item) isCall() bool { return it.kind == kindCall || it.kind == kindCustom }

// itemDone takes in a whole item; it is nil for one that has not come before. Of what events have not told it tells the rest.
func (r *reader) itemDone(it *item, index int64, v []byte) {
	if jsonedit.Kind(v) != '{' || it != nil && it.done {
		return
	}
	if it == nil {
		if it = r.open(index, itemID(v), ""); it == nil {
			return
		}
	}
	it.done = true
	it.learn(v)
	if jsonedit.Valid(v) && r.keeps(len(v)) {
		it.raw = jsonedit.Compact(nil, v) // one line, for streams
	}
	switch it.kind {
	case kindMessage:
		content := jsonedit.Get(v, "content")
		r.parts(it, content, piece{kind: llm.Text, done: true})
		r.notes(it, content)
	case kindCall, kindCustom:
		r.callDone(it, v)
	case kindReasoning:
		r.parts(it, jsonedit.Get(v, "summary"), piece{kind: llm.Thinking, summary: true, done: true})
		r.parts(it, jsonedit.Get(v, "content"), piece{kind: llm.Thinking, done: true})
	}
	r.rest(it)
	if it.raw != nil && it.kind != kindMessage && !it.isCall() {
		r.Emit(llm.Event{Kind: llm.Other, Extra: llm.Extra{Wire: Name, Choice: it.raw}})
	}
}

// parts tells those parts of a whole item that no event has told.
func (r *reader) parts(it *item, list []byte, p piece) {
	if jsonedit.Kind(list) == '"' {
		p.lit = list
		r.say(it, &p)
		return
	}
	for el := range jsonedit.Elements(list) {
		p.lit = jsonedit.Get(el, "text")
		if p.refusal = p.lit == nil; p.refusal {
			p.lit = jsonedit.Get(el, "refusal")
		}
		if !jsonedit.IsNull(p.lit) {
			r.say(it, &p)
		}
		p.part++
	}
}

// say tells a piece of text, unless it repeats what deltas have told.
func (r *reader) say(it *item, p *piece) {
	bit := uint64(1) << min(max(p.part, 0), 63)
	list := 0
	if p.summary {
		list = 1
	}
	if p.done && it.told[list]&bit != 0 {
		return
	}
	s, ok := it.text.Add(p.lit)
	if !ok {
		r.Fail(broken("the provider sent a text that is not a JSON string"))
		return
	}
	it.told[list] |= bit
	if s == "" {
		return
	}
	if last := &it.part; p.kind == llm.Thinking && last.kind != 0 && (last.part != p.part || last.summary != p.summary) {
		s = "\n\n" + s // the next paragraph
	}
	it.part = piece{kind: p.kind, part: p.part, summary: p.summary, refusal: p.refusal}
	r.Emit(it.words(s))
}

// words is the event of a text. It names the item of a reasoning, and says what is special about a message's.
func (it *item) words(s string) llm.Event {
	var say []byte
	switch {
	case it.part.kind == llm.Thinking && it.id != "":
		say = jsonedit.AppendQuote([]byte(`"id":`), it.id)
	case it.part.kind == llm.Text && it.phase != nil:
		say = appendMember(nil, []byte("phase"), it.phase)
	}
	if it.part.refusal {
		say = appendMember(say, []byte("refusal"), []byte("true"))
	}
	ev := llm.Event{Kind: it.part.kind, Text: s}
	if say != nil {
		ev.Extra = llm.Extra{Wire: Name, Choice: say}
	}
	return ev
}

// note tells an annotation of the text so far.
func (r *reader) note(it *item, v []byte) {
	if jsonedit.Kind(v) != '{' || !jsonedit.Valid(v) {
		return
	}
	it.notes++
	say := appendMember(nil, []byte("annotation"), v)
	if it.phase != nil {
		say = appendMember(say, []byte("phase"), it.phase)
	}
	r.Emit(llm.Event{Kind: llm.Text, Extra: llm.Extra{Wire: Name, Choice: say}})
}

// notes tells those annotations of a whole message that no event has told.
func (r *reader) notes(it *item, content []byte) {
	n := 0
	for part := range jsonedit.Elements(content) {
		for v := range jsonedit.Elements(jsonedit.Get(part, "annotations")) {
			if n++; n > it.notes {
				r.note(it, v)
			}
		}
	}
}

// rest tells what was held of a character whose second half never came.
func (r *reader) rest(it *item) {
	switch s := it.text.Rest(); {
	case s == "":
	case it.call:
		r.Emit(llm.Event{Kind: llm.ToolCall, Index: it.at, Call: llm.Call{Arguments: s}})
	case it.part.kind != 0:
		r.Emit(it.words(s))
	}
}

// arguments takes in a piece of a call's arguments.
func (r *reader) arguments(it *item, p *piece) {
	if p.done && it.given {
		return
	}
	s := string(p.lit) // some send an object
	if jsonedit.Kind(p.lit) != '{' {
		var ok bool
		if s, ok = it.text.Add(p.lit); !ok {
			r.Fail(broken("the provider sent arguments that are not a JSON string"))
			return
		}
	}
	it.given = true
	switch {
	case s == "":
	case it.call:
		r.Emit(llm.Event{Kind: llm.ToolCall, Index: it.at, Call: llm.Call{Arguments: s}})
	case r.keeps(len(s)):
		it.args = append(it.args, s...)
	}
}

// callDone takes in a whole call.
func (r *reader) callDone(it *item, v []byte) {
	if !it.call {
		r.tellCall(it, v)
	}
	if !it.call {
		r.Fail(broken("the provider's reply has a tool call without a name"))
		return
	}
	args := jsonedit.Get(v, "arguments")
	if it.kind == kindCustom {
		args = jsonedit.Get(v, "input")
	}
	if !it.given && !jsonedit.IsNull(args) {
		r.arguments(it, &piece{lit: args})
	}
}

// tellCall tells of a call, once it has a name.
func (r *reader) tellCall(it *item, v []byte) {
	c := llm.Call{}
	if it.kind == kindCustom {
		c.Extra = append(c.Extra, customMark...)
	}
	for key, m := range jsonedit.Members(v) {
		switch string(key) {
		case "call_id":
			c.ID, _ = jsonedit.Unquote(m)
		case "name":
			c.Name, _ = jsonedit.Unquote(m)
		case "id", "type", "status", "arguments", "input", "created_by":
		default:
			if !jsonedit.IsNull(m) && jsonedit.Valid(m) {
				c.Extra = appendMember(c.Extra, key, m)
			}
		}
	}
	if c.Name == "" {
		return
	}
	if c.ID == "" {
		c.ID = "call_" + r.u.newID()
	}
	c.ID = r.unique(c.ID)
	c.Arguments, it.args = string(it.args), nil
	it.call, it.at = true, r.calls
	r.calls++
	r.Emit(llm.Event{Kind: llm.ToolCall, Index: it.at, Call: c})
}

func appendMember(dst, key, v []byte) []byte {
	dst = append(append(append(comma(dst, len(dst)), '"'), key...), '"', ':')
	return append(dst, v...)
}

// unique returns the id under which a call is told: its own, unless an earlier call has that.
func (r *reader) unique(id string) string {
	if r.ids == nil {
		r.ids = map[string]bool{}
	}
	own := id
	for n := 2; r.ids[own]; n++ {
		own = id + "_" + strconv.Itoa(n)
	}
	r.ids[own] = true
	return own
}

// closeItems ends the items that the reply has not ended.
func (r *reader) closeItems() {
	for _, it := range r.items {
		if it.done {
			continue
		}
		r.rest(it)
		if len(it.args) > 0 {
			r.Fail(broken("the provider's reply has a tool call without a name"))
		}
	}
}

// itemID is the id of an item, or "".
func itemID(item []byte) string {
	id, _ := jsonedit.Unquote(jsonedit.Get(item, "id"))
	return id
}
