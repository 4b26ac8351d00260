package messages

import (
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// turns reads the blocks of one assistant message. With the results of hosted tools in it, one message is several turns of
// the model: what it said and called, the results, what it said then. Calls without a result beside them are the client's,
// whose results follow in the next message: they go into the last turn.
type turns struct {
	c       *conversation
	text    strings.Builder
	think   []string
	calls   []llm.Call
	hosted  []string // ids of calls that the client did not run
	results []llm.Result
}

func (c *conversation) assistant(content []byte, param string) error {
	t := turns{c: c}
	if text, ok := jsonedit.Unquote(content); ok {
		t.text.WriteString(text)
	}
	i := 0
	for b := range jsonedit.Elements(content) {
		if err := t.take(b, at(param, i)); err != nil {
			return err
		}
		i++
	}
	t.lost()
	t.flush(t.calls)
	return nil
}

func (t *turns) take(b []byte, param string) error {
	kind := kindOf(b)
	switch kind {
	case "mcp_tool_result":
		return t.result(b, param)
	case "mcp_tool_listing", "redacted_thinking":
		return nil
	case "text", "thinking", "tool_use", "mcp_tool_use":
		t.turn()
	default:
		if parts, err := t.c.part(b, param); err != nil || len(parts) == 0 {
			return err
		}
		t.c.left = append(t.c.left, param+" ("+kind+")") // no other wire has models that answer with media
		return nil
	}
	switch kind {
	case "text":
		text, ok := jsonedit.Unquote(jsonedit.Get(b, "text"))
		if !ok {
			return fault.Invalidf(param+".text", "%s.text must be a string", param)
		}
		t.text.WriteString(text)
	case "thinking":
		if s, _ := jsonedit.Unquote(jsonedit.Get(b, "thinking")); s != "" {
			t.think = append(t.think, s)
		}
	default:
		return t.call(b, kind, param)
	}
	return nil
}

func (t *turns) call(b []byte, kind, param string) error {
	call, ok := readCall(b)
	if !ok || call.ID == "" {
		return fault.Invalidf(param, "%s: a %s block needs id, name, and input as an object", param, kind)
	}
	if kind == "mcp_tool_use" {
		call.ID = callIDOf(call.ID)
		t.hosted = append(t.hosted, call.ID)
		label, _ := jsonedit.Unquote(jsonedit.Get(b, "server_name"))
		if label != "" { // without one the model called what nobody knows
			call.Label, call.Tool, call.Name = label, call.Name, ""
		}
	}
	if slices.ContainsFunc(t.calls, func(c llm.Call) bool { return c.ID == call.ID }) {
		return fault.Invalidf(param+".id", "%s.id is that of another call of the message", param)
	}
	if t.c.names == nil {
		t.c.names = map[string]string{}
	}
	t.c.names[call.ID] = call.Name
	t.calls = append(t.calls, call)
	return nil
}

func (t *turns) result(b []byte, param string) error {
	res, err := t.c.result(b, param)
	if err != nil {
		return err
	}
	res.CallID = callIDOf(res.CallID)
	i := slices.IndexFunc(t.calls, func(c llm.Call) bool { return c.ID == res.CallID })
	if i < 0 || t.answered(res.CallID) {
		return fault.Invalidf(param+".tool_use_id", "%s.tool_use_id names no mcp_tool_use block before it that waits for its result", param)
	}
	res.Name, res.Tool = t.calls[i].Name, t.calls[i].Tool
	t.results = append(t.results, *res)
	return nil
}

func (t *turns) answered(id string) bool {
	return slices.ContainsFunc(t.results, func(r llm.Result) bool { return r.CallID == id })
}

// turn begins another turn of the model if there are results of the one at hand.
func (t *turns) turn() {
	if len(t.results) == 0 {
		return
	}
	var done, open []llm.Call
	for _, c := range t.calls {
		if t.answered(c.ID) {
			done = append(done, c)
		} else {
			open = append(open, c)
		}
	}
	t.flush(done)
	t.calls = open
}

// lost answers hosted calls that have no result, so that no call stands without one.
func (t *turns) lost() {
	for _, c := range t.calls {
		if slices.Contains(t.hosted, c.ID) && !t.answered(c.ID) {
			t.results = append(t.results, llm.Result{CallID: c.ID, Name: c.Name, Tool: c.Tool, Text: "Error: what came of this call is not known", IsError: true})
		}
	}
}

// flush puts the turn at hand, with these of its calls, and its results into the conversation.
func (t *turns) flush(calls []llm.Call) {
	m := llm.Message{Role: llm.Assistant, Text: t.text.String(), Calls: calls, Think: strings.Join(t.think, "\n\n")}
	if m.Text != "" || m.Think != "" || len(calls) > 0 {
		t.c.out = append(t.c.out, m)
	}
	for i := range t.results {
		t.c.out = append(t.c.out, llm.Message{Role: llm.ToolRole, Result: &t.results[i]})
	}
	t.text.Reset()
	t.think, t.calls, t.results = nil, nil, nil
}
