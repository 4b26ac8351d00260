package chat

import (
	"fmt"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// tools reads the client's own tools, whole: functions, custom tools, and the functions that came before tools.
func (r *reader) tools(tools, functions []byte) error {
	r.offered = []llm.Tool{}
	i := -1
	for t := range jsonedit.Elements(tools) {
		i++
		at := fmt.Sprintf("tools[%d]", i)
		kind, _ := jsonedit.Unquote(jsonedit.Get(t, "type"))
		switch kind {
		case "mcp": // the gateway's
		case "", "function":
			if err := r.function(jsonedit.Get(t, "function"), at+".function"); err != nil {
				return err
			}
		case "custom":
			if err := r.custom(jsonedit.Get(t, "custom"), at+".custom"); err != nil {
				return err
			}
		default:
			r.left(kind)
		}
	}
	if !jsonedit.IsNull(functions) && jsonedit.Kind(functions) != '[' {
		return fault.Invalidf("functions", "functions must be a list")
	}
	i = -1
	for f := range jsonedit.Elements(functions) {
		i++
		if err := r.function(f, fmt.Sprintf("functions[%d]", i)); err != nil {
			return err
		}
		r.p.OneByOne = true // the form has room for one call
	}
	return nil
}

func (r *reader) function(f []byte, at string) error {
	name, ok := jsonedit.Unquote(jsonedit.Get(f, "name"))
	if !ok || name == "" {
		return fault.Invalidf(at+".name", "%s must have a name", at)
	}
	t := llm.Tool{Name: name}
	for key, v := range jsonedit.Members(f) {
		if jsonedit.IsNull(v) {
			continue
		}
		here := at + "." + string(key)
		switch string(key) {
		case "description":
			if t.Description, ok = jsonedit.Unquote(v); !ok {
				return fault.Invalidf(here, "%s must be a string", here)
			}
		case "parameters":
			if jsonedit.Kind(v) != '{' {
				return fault.Invalidf(here, "%s must be a JSON Schema object", here)
			}
			t.Schema = v
		case "strict":
			strict, err := boolean(v, here)
			if err != nil {
				return err
			}
			t.Strict = &strict
		}
	}
	r.offered = append(r.offered, t)
	return nil
}

// inputSchema is the schema of a custom tool as a function: one text.
const inputSchema = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}`

// custom reads a custom tool, whose input is text. A grammar of the text is told in the description.
func (r *reader) custom(c []byte, at string) error {
	name, ok := jsonedit.Unquote(jsonedit.Get(c, "name"))
	if !ok || name == "" {
		return fault.Invalidf(at+".name", "%s must have a name", at)
	}
	t := llm.Tool{Name: name, Schema: []byte(inputSchema)}
	t.Description, _ = jsonedit.Unquote(jsonedit.Get(c, "description"))
	format := jsonedit.Get(c, "format", "grammar")
	if definition, ok := jsonedit.Unquote(jsonedit.Get(format, "definition")); ok {
		syntax, _ := jsonedit.Unquote(jsonedit.Get(format, "syntax"))
		if t.Description != "" {
			t.Description += "\n\n"
		}
		t.Description += "The input must match this " + syntax + " grammar:\n" + definition
	}
	r.offered = append(r.offered, t)
	return nil
}

// asArguments is the input of a custom tool as the arguments of a function.
func asArguments(input string) string {
	return string(append(jsonedit.AppendQuote([]byte(`{"input":`), input), '}'))
}

// asInput is asArguments undone. Arguments of another form are the input as they are.
func asInput(args string) string {
	if s, ok := jsonedit.Unquote(jsonedit.Get([]byte(args), "input")); ok {
		return s
	}
	return args
}

// choice reads tool_choice, or the function_call that came before it.
func (r *reader) choice(choice, legacy []byte) error {
	if jsonedit.IsNull(choice) {
		if name, ok := jsonedit.Unquote(jsonedit.Get(legacy, "name")); ok {
			r.p.Choice, r.p.ForcedTool = llm.ToolChoice{Mode: "tool", Name: name}, true
			return nil
		}
		choice = legacy
	}
	if jsonedit.IsNull(choice) {
		return nil
	}
	if word, ok := jsonedit.Unquote(choice); ok {
		return r.choiceWord(word)
	}
	kind, _ := jsonedit.Unquote(jsonedit.Get(choice, "type"))
	switch kind {
	case "function", "custom":
		name, ok := jsonedit.Unquote(jsonedit.Get(choice, kind, "name"))
		if !ok {
			return fault.Invalidf("tool_choice."+kind+".name", "tool_choice.%s.name must be a string", kind)
		}
		r.p.Choice = llm.ToolChoice{Mode: "tool", Name: name}
	case "mcp":
		c := llm.ToolChoice{Mode: "tool"}
		c.Label, _ = jsonedit.Unquote(jsonedit.Get(choice, "server_label"))
		c.Name, _ = jsonedit.Unquote(jsonedit.Get(choice, "name"))
		r.p.Choice = c
	case "allowed_tools":
		return r.allowed(jsonedit.Get(choice, "allowed_tools"))
	default:
		return fault.Invalidf("tool_choice", "tool_choice must be none, auto, required, or an object of type function, custom or allowed_tools")
	}
	return nil
}

func (r *reader) choiceWord(word string) error {
	switch word {
	case "none", "auto", "required":
	case "any": // the word of some providers
		word = "required"
	default:
		return fault.Invalidf("tool_choice", "tool_choice must be none, auto, required, or an object of type function, custom or allowed_tools")
	}
	r.p.Choice = llm.ToolChoice{Mode: word}
	return nil
}

// allowed reads the choice among some of the tools.
func (r *reader) allowed(v []byte) error {
	mode, _ := jsonedit.Unquote(jsonedit.Get(v, "mode"))
	if mode != "auto" && mode != "required" {
		return fault.Invalidf("tool_choice.allowed_tools.mode", "tool_choice.allowed_tools.mode must be auto or required")
	}
	c := llm.ToolChoice{Mode: mode, Allowed: []string{}}
	for t := range jsonedit.Elements(jsonedit.Get(v, "tools")) {
		kind, _ := jsonedit.Unquote(jsonedit.Get(t, "type"))
		name, ok := jsonedit.Unquote(jsonedit.Get(t, kind, "name"))
		if !ok {
			at := fmt.Sprintf("tool_choice.allowed_tools.tools[%d]", len(c.Allowed))
			return fault.Invalidf(at, "%s must name a function or a custom tool", at)
		}
		c.Allowed = append(c.Allowed, name)
	}
	r.p.Choice = c
	return nil
}
