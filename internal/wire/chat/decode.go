package chat

import (
	"context"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// Decode reads what the tool loop must know: the names of the client's own tools, the controls, and the calls that the
// conversation's assistant messages made. The messages themselves stay bytes.
func (Door) Decode(_ context.Context, req *llm.Request) error {
	env, body := indexOf(req), req.Raw.Bytes
	if tools := env.value(body, "tools"); !jsonedit.IsNull(tools) && jsonedit.Kind(tools) != '[' {
		return fault.Invalidf("tools", "tools must be a list")
	}
	req.Tools = readTools(env, body)
	if err := readParams(env, body, &req.Params); err != nil {
		return err
	}
	messages := env.value(body, "messages")
	if jsonedit.Kind(messages) != '[' {
		return fault.Invalidf("messages", "messages must be a list")
	}
	req.Params.PastCalls = nil
	for m := range jsonedit.Elements(messages) {
		for c := range jsonedit.Elements(jsonedit.Get(m, "tool_calls")) {
			if call, ok := readCall(c); ok && call.ID != "" {
				req.Params.PastCalls = append(req.Params.PastCalls, call)
			}
		}
	}
	return nil
}

// readTools returns the client's own tools, by name: function and custom tools, and the old functions.
func readTools(env *envelope, body []byte) []llm.Tool {
	tools := []llm.Tool{}
	add := func(lit []byte) {
		if name, ok := jsonedit.Unquote(lit); ok {
			tools = append(tools, llm.Tool{Name: name})
		}
	}
	for t := range jsonedit.Elements(env.value(body, "tools")) {
		add(jsonedit.Get(t, "function", "name"))
		add(jsonedit.Get(t, "custom", "name"))
	}
	for f := range jsonedit.Elements(env.value(body, "functions")) {
		add(jsonedit.Get(f, "name"))
	}
	return tools
}

func readParams(env *envelope, body []byte, p *llm.Params) error {
	var err error
	if p.N, err = integer(env.value(body, "n"), "n", 0); err != nil {
		return err
	}
	if p.MaxCalls, err = integer(env.value(body, "max_tool_calls"), "max_tool_calls", -1); err != nil {
		return err
	}
	if lit := env.value(body, "parallel_tool_calls"); !jsonedit.IsNull(lit) {
		parallel, err := boolean(lit, "parallel_tool_calls")
		if err != nil {
			return err
		}
		p.OneByOne = !parallel
	}
	format, _ := jsonedit.Unquote(jsonedit.Get(env.value(body, "response_format"), "type"))
	p.JSON = format == "json_object" || format == "json_schema"
	p.ForcedTool = forces(env.value(body, "tool_choice"))
	return nil
}

// forces reports whether a tool choice demands a call.
func forces(choice []byte) bool {
	if word, ok := jsonedit.Unquote(choice); ok {
		return word == "required" || word == "any"
	}
	if jsonedit.Kind(choice) != '{' {
		return false
	}
	if jsonedit.Says(jsonedit.Get(choice, "type"), "allowed_tools") {
		mode, _ := jsonedit.Unquote(jsonedit.Get(choice, "allowed_tools", "mode"))
		return mode == "required"
	}
	return true
}

func integer(lit []byte, param string, absent int) (int, error) {
	if jsonedit.IsNull(lit) {
		return absent, nil
	}
	n, ok := jsonedit.Int(lit)
	if !ok || n < 0 || n > 1<<20 {
		return 0, fault.Invalidf(param, "%s must be a whole number that is not negative", param)
	}
	return int(n), nil
}
