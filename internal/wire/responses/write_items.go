package responses

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// add opens an item: it gets the next output_index, and the client is told.
func (w *writer) add(o *output, item func([]byte) []byte) {
	o.index = len(w.out)
	if o.id == "" {
		o.id = prefixOf(o.kind) + ownMark + w.door.newID()
	}
	w.out = append(w.out, o)
	if w.s != nil {
		w.s.event("response.output_item.added", nil, func(b []byte) []byte {
			return item(append(appendInt(append(b, `,"output_index":`...), int64(o.index)), `,"item":`...))
		})
	}
}

// done closes an item, which is complete in raw.
func (w *writer) done(o *output, raw []byte) {
	o.raw = raw
	if w.s != nil {
		w.s.event("response.output_item.done", nil, func(b []byte) []byte {
			return append(append(appendInt(append(b, `,"output_index":`...), int64(o.index)), `,"item":`...), raw...)
		})
	}
}

// event tells of an open item.
func (w *writer) event(kind string, o *output, more func([]byte) []byte) {
	if w.s != nil {
		w.s.event(kind, o, more)
	}
}

// delta tells a piece of a text: the event that there are most of. place says which part of the item it belongs to.
func (w *writer) delta(kind string, o *output, place, text string) {
	if w.s == nil {
		return
	}
	b := append(w.s.begin(kind, o), place...)
	b = jsonedit.AppendQuote(append(b, `,"delta":`...), text)
	if kind == textDelta {
		b = append(b, `,"logprobs":[]`...)
	}
	w.s.send(kind, b)
}

const textDelta = "response.output_text.delta"

// member is a text member with a comma before it.
func member(name, text string) func([]byte) []byte {
	return func(b []byte) []byte {
		return jsonedit.AppendQuote(append(append(append(b, ',', '"'), name...), '"', ':'), text)
	}
}

// extraOf returns the members that only this wire knows, as an object.
func extraOf(ev *llm.Event) []byte {
	if ev.Extra.Wire != Name || len(ev.Extra.Choice) == 0 || ev.Extra.Choice[0] == '{' {
		return ev.Extra.Choice
	}
	return append(append([]byte{'{'}, ev.Extra.Choice...), '}')
}

// text takes in a piece of the answer. Where the answer must be a JSON document, that of the last turn is the answer, and
// which one that is shows only when it ends.
func (w *writer) text(ev *llm.Event) {
	var extra []byte
	if ev.Extra.Wire == Name {
		extra = extraOf(ev)
	}
	switch {
	case ev.Text == "" && extra == nil:
	case w.looped && w.req.Params.JSON:
		w.held = append(w.held, ev.Text...)
	default:
		w.say(ev.Text, extra)
	}
}

// say adds text to the message at hand.
func (w *writer) say(text string, extra []byte) {
	w.begin(nil)
	var phase, note []byte
	refusal := false
	if extra != nil {
		if phase = jsonedit.Get(extra, "phase"); jsonedit.IsNull(phase) {
			phase = nil
		}
		refusal, _ = jsonedit.Bool(jsonedit.Get(extra, "refusal"))
		note = jsonedit.Get(extra, "annotation")
	}
	if w.open != nil && (w.open.kind != kindMessage || !bytes.Equal(w.open.phase, phase)) {
		w.closeOpen(statusCompleted)
	}
	if w.open == nil {
		w.open = &output{kind: kindMessage, phase: bytes.Clone(phase)}
		w.add(w.open, func(b []byte) []byte { return w.open.appendItem(b, statusInProgress) })
	}
	o := w.open
	if n := len(o.parts); n == 0 || o.parts[n-1].refusal != refusal {
		w.closePart(o)
		o.parts = append(o.parts, part{refusal: refusal})
		o.place = `,"content_index":` + strconv.Itoa(len(o.parts)-1)
		w.event("response.content_part.added", o, w.inPart(o, func(b []byte) []byte {
			return o.parts[len(o.parts)-1].appendTo(append(b, `,"part":`...))
		}))
	}
	p := &o.parts[len(o.parts)-1]
	if text != "" {
		p.text = append(p.text, text...)
		kind := textDelta
		if refusal {
			kind = "response.refusal.delta"
		}
		w.delta(kind, o, o.place, text)
	}
	if jsonedit.Kind(note) == '{' {
		w.annotate(o, p, appendLine(nil, note))
	}
}

// annotate adds an annotation to the text so far.
func (w *writer) annotate(o *output, p *part, note []byte) {
	w.event("response.output_text.annotation.added", o, w.inPart(o, func(b []byte) []byte {
		b = appendInt(append(b, `,"annotation_index":`...), int64(len(p.annotations)))
		return append(append(b, `,"annotation":`...), note...)
	}))
	p.annotations = append(p.annotations, note)
}

// inPart adds the place of the last part of a message.
func (w *writer) inPart(o *output, more func([]byte) []byte) func([]byte) []byte {
	return func(b []byte) []byte {
		return more(append(b, o.place...))
	}
}

// closePart ends the last part of a message.
func (w *writer) closePart(o *output) {
	if len(o.parts) == 0 {
		return
	}
	p := &o.parts[len(o.parts)-1]
	if p.refusal {
		w.event("response.refusal.done", o, w.inPart(o, member("refusal", string(p.text))))
	} else {
		w.event("response.output_text.done", o, w.inPart(o, func(b []byte) []byte {
			return append(member("text", string(p.text))(b), `,"logprobs":[]`...)
		}))
	}
	w.event("response.content_part.done", o, w.inPart(o, func(b []byte) []byte { return p.appendTo(append(b, `,"part":`...)) }))
}

// thinking takes in a piece of the reasoning. It shows as the summary of a reasoning item, which is what clients display.
func (w *writer) thinking(ev *llm.Event) {
	if ev.Text == "" {
		return
	}
	w.begin(nil)
	id := ""
	if ev.Extra.Wire == Name {
		id, _ = jsonedit.Unquote(jsonedit.Get(extraOf(ev), "id"))
	}
	if w.open != nil && (w.open.kind != kindReasoning || id != "" && w.open.id != id) {
		w.closeOpen(statusCompleted)
	}
	if w.open == nil {
		w.open = &output{kind: kindReasoning, id: id}
		w.add(w.open, func(b []byte) []byte { return w.open.appendItem(b, statusInProgress) })
		w.open.parts = []part{{}}
		w.event("response.reasoning_summary_part.added", w.open, func(b []byte) []byte {
			return (&part{}).appendSummary(append(b, `,"summary_index":0,"part":`...))
		})
	}
	p := &w.open.parts[0]
	p.text = append(p.text, ev.Text...)
	w.delta("response.reasoning_summary_text.delta", w.open, `,"summary_index":0`, ev.Text)
}

func (w *writer) closeSummary(o *output) {
	p := &o.parts[0]
	w.event("response.reasoning_summary_text.done", o, func(b []byte) []byte {
		return member("text", string(p.text))(append(b, `,"summary_index":0`...))
	})
	w.event("response.reasoning_summary_part.done", o, func(b []byte) []byte {
		return p.appendSummary(append(b, `,"summary_index":0,"part":`...))
	})
}

// other takes in an item that only this wire has. A reasoning item ends the one whose text has come before it.
func (w *writer) other(ev *llm.Event) {
	if ev.Extra.Wire != Name || jsonedit.Kind(ev.Extra.Choice) != '{' {
		return
	}
	w.begin(nil)
	raw := appendLine(nil, ev.Extra.Choice)
	it := newSaid(raw, "")
	if o := w.open; o != nil && o.kind == kindReasoning && it.kind == kindReasoning && o.id == it.id {
		w.open = nil
		w.closeSummary(o)
		w.done(o, raw)
		return
	}
	w.closeOpen(statusCompleted)
	o := &output{kind: it.kind, id: it.id}
	w.add(o, func(b []byte) []byte { return append(b, raw...) })
	w.done(o, raw)
}

// closeOpen ends the message or the reasoning at hand.
func (w *writer) closeOpen(status string) {
	o := w.open
	if o == nil {
		return
	}
	w.open = nil
	if o.kind == kindReasoning {
		w.closeSummary(o)
	} else {
		w.closePart(o)
	}
	w.done(o, o.appendItem(nil, status))
}

// call takes in a piece of a call that is the client's.
func (w *writer) call(ev *llm.Event) {
	w.begin(nil)
	w.closeOpen(statusCompleted)
	o := w.calls[ev.Index]
	if o == nil {
		o = w.newCall(ev)
		w.calls[ev.Index] = o
		w.turn = append(w.turn, ev.Index)
		w.add(o, func(b []byte) []byte { return o.appendItem(b, statusInProgress) })
	}
	if ev.Call.Arguments == "" {
		return
	}
	o.args = append(o.args, ev.Call.Arguments...)
	if !o.wrapped {
		w.delta(o.argsEvent(".delta"), o, "", ev.Call.Arguments)
	}
}

func (w *writer) newCall(ev *llm.Event) *output {
	o := &output{kind: kindCall, call: llm.Call{ID: strings.Clone(ev.Call.ID), Name: strings.Clone(ev.Call.Name)}}
	custom := strings.HasPrefix(string(ev.Call.Extra), customMark)
	if custom {
		o.kind = kindCustom
	}
	extra := append(append([]byte{'{'}, ev.Call.Extra...), '}')
	for _, name := range []string{"namespace", "caller"} {
		if v := jsonedit.Get(extra, name); v != nil {
			o.members = append(append(append(o.members, `,"`...), name...), `":`...)
			o.members = appendLine(o.members, v)
		}
	}
	if t := offeredTool(w.talk.tools, o.call.Name); t != nil && !custom && len(o.members) == 0 && w.talk.cross {
		o.call.Name = t.name
		if o.wrapped = t.kind == "custom"; o.wrapped {
			o.kind = kindCustom
		}
		if t.namespace != "" {
			o.members = member("namespace", t.namespace)(o.members)
		}
	}
	return o
}

// argsEvent is the name of an event about the arguments of a call.
func (o *output) argsEvent(what string) string {
	switch {
	case o.kind == kindCustom:
		return "response.custom_tool_call_input" + what
	case what == ".delta": // there are many
		return "response.function_call_arguments.delta"
	}
	return "response.function_call_arguments" + what
}

// closeCall ends a call of the client's.
func (w *writer) closeCall(o *output, status string) {
	if o.wrapped {
		if input, ok := jsonedit.Unquote(jsonedit.Get(o.args, "input")); ok {
			o.args = []byte(input)
		}
		if len(o.args) > 0 {
			w.delta(o.argsEvent(".delta"), o, "", string(o.args))
		}
	}
	if o.kind == kindCustom {
		w.event(o.argsEvent(".done"), o, member("input", string(o.args)))
	} else {
		if len(o.args) == 0 && status == statusCompleted {
			o.args = []byte("{}") // clients parse it
		}
		w.event(o.argsEvent(".done"), o, func(b []byte) []byte {
			return member("arguments", string(o.args))(member("name", o.call.Name)(b))
		})
	}
	w.done(o, o.appendItem(nil, status))
}

// closeTurn ends what the model has said in a turn. What a limit has cut off is incomplete.
func (w *writer) closeTurn(status string) {
	last := len(w.turn) - 1
	for i, index := range w.turn {
		if i == last && w.open == nil {
			w.closeCall(w.calls[index], status)
		} else {
			w.closeCall(w.calls[index], statusCompleted)
		}
	}
	w.closeOpen(status)
	clear(w.calls)
	w.turn = w.turn[:0]
}

// breakOff ends the items of a reply that cannot be finished. A client's call is not ended: it might be run.
func (w *writer) breakOff() {
	w.closeOpen(statusIncomplete)
	w.dropRunning()
}
