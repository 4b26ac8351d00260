package responses

import (
	"bytes"
	"cmp"
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
		w.say([]byte(ev.Text), extra)
	}
}

// say adds text to the message at hand.
func (w *writer) say(text, extra []byte) {
	w.begin(nil)
	phase := jsonedit.Get(extra, "phase")
	if jsonedit.IsNull(phase) {
		phase = nil
	}
	if w.open != nil && (w.open.kind != kindMessage || !bytes.Equal(w.open.phase, phase)) {
		w.closeOpen(statusCompleted)
	}
	if w.open == nil {
		w.open = &output{kind: kindMessage, phase: bytes.Clone(phase)}
		w.add(w.open, func(b []byte) []byte { return w.open.appendItem(b, statusInProgress) })
	}
	o := w.open
	refusal, _ := jsonedit.Bool(jsonedit.Get(extra, "refusal"))
	if n := len(o.parts); n == 0 || o.parts[n-1].refusal != refusal {
		w.closePart(o)
		o.parts = append(o.parts, part{refusal: refusal})
		w.event("response.content_part.added", o, w.inPart(o, func(b []byte) []byte {
			return o.parts[len(o.parts)-1].appendTo(append(b, `,"part":`...))
		}))
	}
	p := &o.parts[len(o.parts)-1]
	if len(text) > 0 {
		p.text = append(p.text, text...)
		kind, logprobs := "response.output_text.delta", `,"logprobs":[]`
		if refusal {
			kind, logprobs = "response.refusal.delta", ""
		}
		w.event(kind, o, w.inPart(o, func(b []byte) []byte { return append(member("delta", string(text))(b), logprobs...) }))
	}
	if note := jsonedit.Get(extra, "annotation"); jsonedit.Kind(note) == '{' {
		note = appendLine(nil, note)
		w.event("response.output_text.annotation.added", o, w.inPart(o, func(b []byte) []byte {
			b = appendInt(append(b, `,"annotation_index":`...), int64(len(p.annotations)))
			return append(append(b, `,"annotation":`...), note...)
		}))
		p.annotations = append(p.annotations, note)
	}
}

// inPart adds the place of the last part of a message.
func (w *writer) inPart(o *output, more func([]byte) []byte) func([]byte) []byte {
	return func(b []byte) []byte {
		return more(appendInt(append(b, `,"content_index":`...), int64(len(o.parts)-1)))
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
	w.event("response.reasoning_summary_text.delta", w.open, func(b []byte) []byte {
		return member("delta", ev.Text)(append(b, `,"summary_index":0`...))
	})
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
		w.event(o.argsEvent(".delta"), o, member("delta", ev.Call.Arguments))
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
	if t := offeredTool(w.own, o.call.Name); t != nil && !custom && len(o.members) == 0 && w.talk != nil && w.talk.cross {
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
	if o.kind == kindCustom {
		return "response.custom_tool_call_input" + what
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
			w.event(o.argsEvent(".delta"), o, member("delta", string(o.args)))
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

// note takes in what the gateway tells. The tools come before it is known whether the model answers at all: they wait.
func (w *writer) note(n *llm.Notice) {
	if len(n.Tools)+len(n.Errors) > 0 {
		w.listed = append(w.listed, n.Tools...)
		w.errors = append(w.errors, n.Errors...)
		w.names = shownNames(w.listed)
		w.looped = true
	}
	if n.Started == nil {
		return
	}
	w.begin(nil)
	w.closeTurn(statusCompleted)
	if w.req.Show == llm.ShowHidden {
		return
	}
	c := n.Started
	o := &output{kind: kindMCPCall, label: cmp.Or(n.Label, n.Server, "fairlead"), name: strings.Clone(cmp.Or(w.names[c.Name], n.Tool, c.Name)), asked: n.Asked}
	w.running[strings.Clone(c.ID)] = o
	w.add(o, func(b []byte) []byte { return o.appendMCPCall(b, statusInProgress, nil) })
	o.args = []byte(c.Arguments)
	w.event("response.mcp_call.in_progress", o, nil)
	w.event("response.mcp_call_arguments.delta", o, member("delta", c.Arguments))
	w.event("response.mcp_call_arguments.done", o, member("arguments", c.Arguments))
}

// result takes in what came of a call of the gateway's.
func (w *writer) result(res *llm.Result) {
	o := w.running[res.CallID]
	if o == nil {
		return
	}
	delete(w.running, res.CallID)
	status := statusCompleted
	if res.IsError {
		status = statusFailed
	}
	w.event("response.mcp_call."+status, o, nil)
	w.done(o, o.appendMCPCall(nil, status, res))
}

// dropRunning ends calls whose results will not come.
func (w *writer) dropRunning() {
	for _, o := range w.out {
		if o.kind == kindMCPCall && o.raw == nil {
			w.done(o, o.appendMCPCall(nil, statusIncomplete, nil))
		}
	}
	clear(w.running)
}

// ask tells of a call that the client must let run.
func (w *writer) ask(p *llm.Pending) {
	w.begin(nil)
	w.closeTurn(statusCompleted)
	o := &output{kind: kindMCPAsk, id: strings.Clone(p.ID), label: cmp.Or(p.Label, p.Server), args: []byte(p.Call.Arguments)}
	o.name = strings.Clone(cmp.Or(w.names[p.Call.Name], p.Tool, p.Call.Name))
	raw := o.appendAsk(nil)
	w.add(o, func(b []byte) []byte { return append(b, raw...) })
	w.done(o, raw)
}

// lists shows the tools of each label, unless the conversation has shown them already.
func (w *writer) lists() {
	if w.req.Show == llm.ShowHidden {
		return
	}
	for _, l := range w.listings() {
		o := &output{kind: kindMCPList, label: l.label}
		w.add(o, func(b []byte) []byte { return o.appendList(b, statusInProgress, nil, nil) })
		w.event("response.mcp_list_tools.in_progress", o, nil)
		status := statusCompleted
		if l.why != "" && len(l.tools) == 0 {
			status = statusFailed
		}
		w.event("response.mcp_list_tools."+status, o, nil)
		w.done(o, o.appendList(nil, status, l, w.names))
	}
}

// listings are the labels of a request in its order, and those that something else has added.
func (w *writer) listings() []*listing {
	var out []*listing
	byLabel := map[string]*listing{}
	of := func(label string) *listing {
		l := byLabel[label]
		if l == nil {
			l = &listing{label: label}
			byLabel[label] = l
			out = append(out, l)
		}
		return l
	}
	if w.looped {
		for i := range w.req.MCP {
			if label := w.req.MCP[i].Label; label != "" {
				of(label)
			}
		}
	}
	for i := range w.listed {
		l := of(cmp.Or(w.listed[i].Label, w.listed[i].Server))
		l.tools = append(l.tools, w.listed[i])
	}
	for _, e := range w.errors {
		l := of(cmp.Or(e.Label, e.Server))
		if l.why != "" {
			l.why += "; "
		}
		l.why += e.Error
	}
	shown := out[:0]
	for _, l := range out {
		if w.talk == nil || !w.talk.listed[l.label] || l.why != "" {
			shown = append(shown, l)
		}
	}
	return shown
}
