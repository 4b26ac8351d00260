package messages

import (
	"bytes"
	"context"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// Decode reads what the tool loop must know: the names of the client's own tools, the controls, and the calls that the
// conversation's assistant messages made. The messages themselves stay bytes.
func (Door) Decode(_ context.Context, req *llm.Request) error {
	env, body := indexOf(req), req.Raw.Bytes
	messages := env.value(body, "messages")
	if jsonedit.Kind(messages) != '[' {
		return fault.Invalidf("messages", "messages must be a list")
	}
	if tools := env.value(body, "tools"); !jsonedit.IsNull(tools) && jsonedit.Kind(tools) != '[' {
		return fault.Invalidf("tools", "tools must be a list")
	}
	req.Tools = []llm.Tool{}
	for t := range jsonedit.Elements(env.value(body, "tools")) {
		if name, ok := jsonedit.Unquote(jsonedit.Get(t, "name")); ok {
			req.Tools = append(req.Tools, llm.Tool{Name: name})
		}
	}
	req.Tools = append(req.Tools, brought(messages)...)
	p := &req.Params
	p.MaxCalls = -1
	p.Shows = showsBlocks(req)
	p.Pauses = p.Shows
	p.JSON = jsonedit.Kind(formatOf(env, body)) == '{'
	readPast(messages, p)
	var err error
	p.ForcedTool, p.OneByOne, err = readForce(env.value(body, "tool_choice"))
	return err
}

// brought returns the client's tools that the conversation itself defines, by name.
func brought(messages []byte) []llm.Tool {
	if !bytes.Contains(messages, []byte(additionBlock)) {
		return nil
	}
	var out []llm.Tool
	for m := range jsonedit.Elements(messages) {
		for b := range jsonedit.Elements(jsonedit.Get(m, "content")) {
			if name := word(jsonedit.Get(b, "tool", "definition", "name")); kindOf(b) == additionBlock && name != "" {
				out = append(out, llm.Tool{Name: name})
			}
		}
	}
	return out
}

// showsBlocks reports whether the client sees the gateway's calls as blocks: it has asked for MCP servers in the request's own
// words, and has not asked to have them hidden.
func showsBlocks(req *llm.Request) bool { return len(req.MCP) > 0 && req.Show != llm.ShowHidden }

// formatOf returns the form that the answer must have, or nil. output_format is the older place for it.
func formatOf(env *envelope, body []byte) []byte {
	if f := jsonedit.Get(env.value(body, "output_config"), "format"); !jsonedit.IsNull(f) {
		return f
	}
	return env.value(body, "output_format")
}

// readForce reads what of a tool choice the loop must know.
func readForce(choice []byte) (forced, oneByOne bool, err error) {
	if jsonedit.IsNull(choice) {
		return false, false, nil
	}
	kind, ok := jsonedit.Unquote(jsonedit.Get(choice, "type"))
	if !ok {
		return false, false, fault.Invalidf("tool_choice", "tool_choice must be an object with a type: auto, any, tool or none")
	}
	oneByOne, err = boolean(jsonedit.Get(choice, "disable_parallel_tool_use"), "tool_choice.disable_parallel_tool_use")
	return kind == "any" || kind == "tool", oneByOne, err
}

// readPast reads the client's calls in the conversation, the ids of those beside which stand blocks of hosted calls, and these:
// a client with such blocks has seen the gateway's calls and sends them back, with their results.
func readPast(messages []byte, p *llm.Params) {
	p.PastCalls, p.SentBack, p.Shown = nil, nil, nil
	for m := range jsonedit.Elements(messages) {
		if role, _ := jsonedit.Unquote(jsonedit.Get(m, "role")); role != "assistant" {
			continue
		}
		before, hosted := len(p.PastCalls), len(p.Shown)
		for b := range jsonedit.Elements(jsonedit.Get(m, "content")) {
			switch kind, _ := jsonedit.Unquote(jsonedit.Get(b, "type")); kind {
			case callBlock:
				p.Shown = append(p.Shown, llm.Call{Label: word(jsonedit.Get(b, "server_name")), Tool: word(jsonedit.Get(b, "name"))})
			case "tool_use":
				if call, ok := readCall(b); ok && call.ID != "" {
					p.PastCalls = append(p.PastCalls, call)
				}
			}
		}
		if hosted == len(p.Shown) {
			continue
		}
		for _, c := range p.PastCalls[before:] {
			p.SentBack = append(p.SentBack, c.ID)
		}
	}
}
