package chat

import (
	"bytes"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// forms are the forms in which a client knows its own tools, where they are not functions. A model behind another wire
// knows functions only (see [Door.DecodeAll]); its calls are turned back here.
type forms struct {
	custom []string // the names of custom tools
	legacy bool     // the functions that came before tools
}

func formsOf(req *llm.Request) forms {
	var f forms
	if req.Raw.Wire != Name {
		return f
	}
	env := indexOf(req)
	tools := env.value(req.Raw.Bytes, "tools")
	f.legacy = jsonedit.IsNull(tools) && !jsonedit.IsNull(env.value(req.Raw.Bytes, "functions"))
	if bytes.Contains(tools, []byte(`"custom"`)) {
		for t := range jsonedit.Elements(tools) {
			if name, ok := jsonedit.Unquote(jsonedit.Get(t, "custom", "name")); ok {
				f.custom = append(f.custom, name)
			}
		}
	}
	return f
}

// isInput reports whether c is a function's call of a tool that the client knows as a custom one.
func (f *forms) isInput(c *llm.Call) bool { return !isCustom(c) && slices.Contains(f.custom, c.Name) }

// whole turns a complete call into the client's form.
func (f *forms) whole(c *llm.Call) {
	if f.isInput(c) {
		c.Arguments, c.Extra = asInput(c.Arguments), []byte(customMark)
	}
}

// stop is the wire's word for why a model stopped. Those that other wires have and this one does not become what a client
// can act on: a reply that paused is over for a client that cannot have it continued.
func (f *forms) stop(why string, calls int) string {
	switch {
	case why == llm.StopTools && f.legacy && calls > 0:
		return "function_call"
	case why == llm.StopPause:
		return llm.StopDone
	}
	return why
}

// input collects the arguments of a call whose form can be written only when they are complete.
type input struct {
	call llm.Call
	args strings.Builder
}
