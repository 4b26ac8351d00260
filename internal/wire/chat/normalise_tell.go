package chat

import (
	"bytes"

	"github.com/fairlead/fairlead/internal/llm"
)

// begin tells the start of the reply, once.
func (n *normaliser) begin() {
	if n.begun {
		return
	}
	n.begun = true
	if n.head.ID == "" {
		n.head.ID = "chatcmpl-" + n.u.newID()
	}
	n.Emit(llm.Event{Kind: llm.Start, Head: &n.head, Extra: n.extra(true)})
}

// tell yields what a chunk says. Members without an event of their own go with the first.
func (n *normaliser) tell() {
	if n.thought != "" {
		n.Emit(llm.Event{Kind: llm.Thinking, Text: n.thought, Extra: n.extra(false)})
	}
	if n.say != "" {
		n.Emit(llm.Event{Kind: llm.Text, Text: n.say, Extra: n.extra(false)})
	}
	if x := n.extra(false); !x.Empty() {
		n.Emit(llm.Event{Kind: llm.Other, Extra: x})
	}
	n.thought, n.say = "", ""
}

// extra hands out the members at hand, each once.
func (n *normaliser) extra(topOnly bool) llm.Extra {
	x := llm.Extra{Top: n.top}
	n.top = n.top[len(n.top):]
	if !topOnly {
		x.Choice, x.Delta = n.choice, n.delta
		n.choice, n.delta = n.choice[len(n.choice):], n.delta[len(n.delta):]
	}
	if !x.Empty() {
		x.Wire = Name
	}
	return x
}

// end tells the end of the reply. marked says that the provider marked it, with [DONE] or by sending a whole completion.
func (n *normaliser) end(marked bool) {
	if n.Over {
		return
	}
	if n.stop == "" && (!marked || !n.begun) {
		n.Fail(unfinished())
		return
	}
	if s := n.think.Rest(); s != "" {
		n.Emit(llm.Event{Kind: llm.Thinking, Text: s})
	}
	if s := n.text.Rest(); s != "" {
		n.Emit(llm.Event{Kind: llm.Text, Text: s})
	}
	n.unmark(func(string) (string, string) { return n.marks.rest() })
	n.tell()
	n.calls.close()
	switch {
	case n.calls.told > 0 && (n.stop == "" || n.stop == llm.StopDone):
		n.stop = llm.StopTools
	case n.calls.told == 0 && (n.stop == "" || n.stop == llm.StopTools):
		n.stop = llm.StopDone
	}
	n.Emit(llm.Event{Kind: llm.End, Stop: n.stop, Usage: readUsage(n.usage)})
	n.Release(false)
	n.Over = true
}

func appendMember(dst, key, v []byte) []byte {
	dst = append(append(append(comma(dst, len(dst)), '"'), key...), '"', ':')
	return append(dst, bytes.TrimSpace(v)...)
}
