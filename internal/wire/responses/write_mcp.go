package responses

import (
	"cmp"
	"strings"

	"github.com/fairlead/fairlead/internal/llm"
)

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
	if n.Asked == "" && !showsItems(w.req) {
		return // what came of a question is shown wherever the question was: it is how both are known later
	}
	c := n.Started
	o := &output{kind: kindMCPCall, label: cmp.Or(n.Label, n.Server, "fairlead"), name: strings.Clone(cmp.Or(w.names[c.Name], n.Tool, c.Name)), asked: n.Asked}
	w.running[strings.Clone(c.ID)] = o
	w.add(o, func(b []byte) []byte { return o.appendMCPCall(b, statusInProgress, nil) })
	o.args = []byte(c.Arguments)
	w.event("response.mcp_call.in_progress", o, nil)
	w.delta("response.mcp_call_arguments.delta", o, "", c.Arguments)
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
	o.reason = strings.Clone(p.Reason)
	raw := o.appendAsk(nil)
	w.add(o, func(b []byte) []byte { return append(b, raw...) })
	w.done(o, raw)
}

// lists shows the tools of each label, unless the conversation has shown them already.
func (w *writer) lists() {
	if !showsItems(w.req) {
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
		if !w.talk.listed[l.label] || l.why != "" {
			shown = append(shown, l)
		}
	}
	return shown
}
