package messages

import (
	"slices"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

const (
	callBlock    = "mcp_tool_use"
	resultBlock  = "mcp_tool_result"
	listingBlock = "mcp_tool_listing"
)

// rewriter copies the client's messages and changes those that stand for hidden turns, or that show calls of MCP tools: such
// a message is taken apart into the model's call, the user's result, and what the model went on to say. All other blocks
// stay as they are, byte for byte and in their order: the signed ones are refused otherwise.
type rewriter struct {
	encoder
	req  *llm.Request
	all  bool // every mcp block is told in other words, not only the gateway's own
	told []bool
	open []string // calls of the turn at hand whose results have not come
	last []byte   // the results that came, to be told before the turn goes on
	n    int      // how many they are
	turn []byte   // the blocks of the turn at hand
	size int
}

// rewrite sets the messages anew.
func (ed *editor) rewrite(list []byte) {
	r := rewriter{req: ed.req, all: ed.ours(), told: make([]bool, len(ed.req.Restored))}
	ed.reserve(&r.encoder, list)
	for m := range jsonedit.Elements(list) {
		r.message(m)
	}
	r.messages(ed.req.AddedMessages)
	r.flush()
	ed.names = r.names
	out := append(append([]byte{'['}, r.out...), ']')
	ed.set("messages", out)
}

// reserve keeps the ids that the conversation's calls have from being given again.
func (ed *editor) reserve(e *encoder, list []byte) {
	e.ids, e.taken = map[string]string{}, map[string]bool{}
	if len(ed.req.AddedMessages) == 0 && len(ed.req.Restored) == 0 {
		return
	}
	for m := range jsonedit.Elements(list) {
		for b := range jsonedit.Elements(jsonedit.Get(m, "content")) {
			switch word(jsonedit.Get(b, "type")) {
			case "tool_use":
				e.taken[word(jsonedit.Get(b, "id"))] = true
			case callBlock:
				e.taken[callIDOf(word(jsonedit.Get(b, "id")))] = true
			}
		}
	}
	for i := range ed.req.Restored {
		for _, id := range ed.req.Restored[i].IDs {
			delete(e.taken, id) // the turn that has it is told by what was kept
		}
	}
}

func (r *rewriter) message(m []byte) {
	role := word(jsonedit.Get(m, "role"))
	if role != roleAssistant {
		r.take(role, m)
		return
	}
	content := jsonedit.Get(m, "content")
	if k := r.keptFor(content); k != nil {
		r.messages(k.Messages)
		return
	}
	if !r.shows(content) {
		r.take(role, m)
		return
	}
	for b := range jsonedit.Elements(content) {
		r.block(b)
	}
	if r.size+r.n == 0 && r.role == roleUser {
		r.gap = true // there was nothing but a listing in it
	}
	r.goOn()
}

// shows reports whether a turn has blocks that must be told in other words.
func (r *rewriter) shows(content []byte) bool {
	for b := range jsonedit.Elements(content) {
		if r.isMCP(b, word(jsonedit.Get(b, "type"))) {
			return true
		}
	}
	return false
}

func (r *rewriter) isMCP(b []byte, kind string) bool {
	switch kind {
	case callBlock:
		return r.all || isOurID(word(jsonedit.Get(b, "id")))
	case resultBlock:
		return r.all || isOurID(word(jsonedit.Get(b, "tool_use_id")))
	case listingBlock:
		return true
	}
	return false
}

// block takes in one block of a turn.
func (r *rewriter) block(b []byte) {
	kind := word(jsonedit.Get(b, "type"))
	if !r.isMCP(b, kind) {
		r.speak(b)
		return
	}
	switch kind {
	case callBlock:
		r.call(b)
	case resultBlock:
		r.came(b)
	}
}

// speak adds a block to the turn at hand, behind the results that came before it.
func (r *rewriter) speak(b []byte) {
	if r.n > 0 {
		r.goOn()
	}
	r.turn = append(comma(r.turn, r.size), b...)
	r.size++
}

// goOn tells of the turn at hand and of the results of its calls.
func (r *rewriter) goOn() {
	r.add(roleAssistant, r.turn, r.size)
	for _, id := range r.open {
		r.last = appendLost(comma(r.last, r.n), id)
		r.n++
	}
	r.add(roleUser, r.last, r.n)
	r.open, r.last, r.n, r.turn, r.size = r.open[:0], nil, 0, nil, 0
}

// call makes a tool_use block of a block that shows a call.
func (r *rewriter) call(b []byte) {
	c := llm.Call{Label: word(jsonedit.Get(b, "server_name")), Tool: word(jsonedit.Get(b, "name"))}
	name := r.req.NameOf(&c)
	if !slices.Contains(r.names, name) {
		r.names = append(r.names, name)
	}
	id := callIDOf(word(jsonedit.Get(b, "id")))
	out := []byte{'{'}
	for key, v := range jsonedit.Members(b) {
		switch string(key) {
		case "type":
			v = []byte(`"tool_use"`)
		case "id":
			v = jsonedit.AppendQuote(nil, id)
		case "name":
			v = jsonedit.AppendQuote(nil, name)
		case "server_name":
			continue
		}
		out = appendMember(out, key, v)
	}
	r.speak(append(out, '}'))
	r.open = append(r.open, id)
}

// came makes a tool_result block of a block that shows a result.
func (r *rewriter) came(b []byte) {
	id := callIDOf(word(jsonedit.Get(b, "tool_use_id")))
	out := []byte{'{'}
	for key, v := range jsonedit.Members(b) {
		switch string(key) {
		case "type":
			v = []byte(`"tool_result"`)
		case "tool_use_id":
			v = jsonedit.AppendQuote(nil, id)
		}
		out = appendMember(out, key, v)
	}
	r.last = append(append(comma(r.last, r.n), out...), '}')
	r.n++
	if i := slices.Index(r.open, id); i >= 0 {
		r.open = slices.Delete(r.open, i, i+1)
	}
}

// keptFor returns the hidden turns that belong to a turn with this content, the first time that they are asked for.
func (r *rewriter) keptFor(content []byte) *llm.Kept {
	if len(r.told) == 0 {
		return nil
	}
	for b := range jsonedit.Elements(content) {
		if word(jsonedit.Get(b, "type")) != "tool_use" {
			continue
		}
		id := word(jsonedit.Get(b, "id"))
		for i := range r.req.Restored {
			if k := &r.req.Restored[i]; !r.told[i] && len(k.Messages) > 0 && slices.Contains(k.IDs, id) {
				r.told[i] = true
				return k
			}
		}
	}
	return nil
}
