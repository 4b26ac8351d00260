package responses

import (
	"bytes"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// customSchema is what a custom tool takes where a model's wire knows functions only.
const customSchema = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}`

// customMark begins the Extra of a call of a custom tool.
const customMark = `"type":"custom"`

// readAllTools returns the client's own tools whole. Tools that a provider would run are named in p.Left, but for web_search,
// which clients send without being asked to: without it the model answers from what it knows.
func readAllTools(talk *talk, p *llm.Params) ([]llm.Tool, error) {
	i := -1
	for t := range jsonedit.Elements(talk.value("tools")) {
		i++
		switch kind, _ := jsonedit.Unquote(jsonedit.Get(t, "type")); kind {
		case "function", "custom":
			if name, ok := jsonedit.Unquote(jsonedit.Get(t, "name")); !ok || name == "" {
				return nil, fault.Invalidf(at("tools", i)+".name", "%s.name is missing", at("tools", i))
			}
		case "namespace", "web_search":
		case "mcp":
			if mine, err := checkEntry(t, at("tools", i)); err != nil || mine {
				continue
			}
			p.Left = append(p.Left, at("tools", i)+" (mcp with a connector_id or tunnel_id)")
		default:
			p.Left = append(p.Left, at("tools", i)+" ("+kind+")")
		}
	}
	out := make([]llm.Tool, 0, len(talk.tools))
	for i := range talk.tools {
		t, err := readTool(&talk.tools[i])
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func readTool(o *ownTool) (llm.Tool, error) {
	t := llm.Tool{Name: o.offered}
	var err error
	if t.Description, err = optional(jsonedit.Get(o.raw, "description"), o.param+".description"); err != nil {
		return t, err
	}
	if o.kind == "custom" {
		t.Schema = []byte(customSchema)
		if jsonedit.Says(jsonedit.Get(o.raw, "format", "type"), "grammar") {
			syntax, _ := jsonedit.Unquote(jsonedit.Get(o.raw, "format", "syntax"))
			grammar, _ := jsonedit.Unquote(jsonedit.Get(o.raw, "format", "definition"))
			t.Description += "\n\nThe input is a text of this grammar (" + syntax + "):\n" + grammar
		}
		return t, nil
	}
	if schema := jsonedit.Get(o.raw, "parameters"); !jsonedit.IsNull(schema) {
		if jsonedit.Kind(schema) != '{' {
			return t, fault.Invalidf(o.param+".parameters", "%s.parameters must be a JSON Schema", o.param)
		}
		t.Schema = bytes.Clone(schema)
	}
	t.Strict, err = readStrict(jsonedit.Get(o.raw, "strict"), o.param+".strict")
	return t, err
}

// readChoice reads a tool choice in any of its forms.
func readChoice(choice []byte, own []ownTool, p *llm.Params) error {
	p.Choice = llm.ToolChoice{}
	if jsonedit.IsNull(choice) {
		return nil
	}
	if word, ok := jsonedit.Unquote(choice); ok {
		if word != "auto" && word != "none" && word != "required" {
			return fault.Invalidf("tool_choice", "tool_choice must be none, auto, required or an object")
		}
		p.Choice.Mode = word
		return nil
	}
	if jsonedit.Kind(choice) != '{' {
		return fault.Invalidf("tool_choice", "tool_choice must be none, auto, required or an object")
	}
	kind, _ := jsonedit.Unquote(jsonedit.Get(choice, "type"))
	switch kind {
	case "function", "custom":
		name, err := offeredName(choice, own, "tool_choice")
		p.Choice = llm.ToolChoice{Mode: "tool", Name: name}
		return err
	case "mcp":
		return readMCPChoice(choice, p)
	case "allowed_tools":
		return readAllowed(choice, own, p)
	case "":
		return fault.Invalidf("tool_choice.type", "tool_choice.type is missing")
	}
	p.Left = append(p.Left, "tool_choice ("+kind+")")
	return nil
}

// offeredName returns the name under which the function that a choice names is offered.
func offeredName(choice []byte, own []ownTool, param string) (string, error) {
	name, _ := jsonedit.Unquote(jsonedit.Get(choice, "name"))
	if name == "" {
		return "", fault.Invalidf(param+".name", "%s.name must be the name of a function", param)
	}
	namespace, _ := jsonedit.Unquote(jsonedit.Get(choice, "namespace"))
	if t := findTool(own, namespace, name); t != nil {
		return t.offered, nil
	}
	return name, nil
}

func readMCPChoice(choice []byte, p *llm.Params) error {
	label, name, err := readServerTool(choice, "tool_choice")
	p.Choice = llm.ToolChoice{Mode: "tool", Label: label, Name: name}
	return err
}

// readServerTool reads which tools of a server a choice means: one, or with no name all of them.
func readServerTool(choice []byte, param string) (label, name string, err error) {
	if label, _ = jsonedit.Unquote(jsonedit.Get(choice, "server_label")); label == "" {
		return "", "", fault.Invalidf(param+".server_label", "%s.server_label must be the label of an MCP tool", param)
	}
	name, err = optional(jsonedit.Get(choice, "name"), param+".name")
	return label, name, err
}

// readAllowed reads the form that allows some of the tools.
func readAllowed(choice []byte, own []ownTool, p *llm.Params) error {
	mode, _ := jsonedit.Unquote(jsonedit.Get(choice, "mode"))
	if mode != "auto" && mode != "required" {
		return fault.Invalidf("tool_choice.mode", "tool_choice.mode must be auto or required")
	}
	list := jsonedit.Get(choice, "tools")
	if jsonedit.Kind(list) != '[' {
		return fault.Invalidf("tool_choice.tools", "tool_choice.tools must be a list")
	}
	p.Choice = llm.ToolChoice{Mode: mode, Allowed: []string{}}
	i := -1
	for t := range jsonedit.Elements(list) {
		i++
		param := at("tool_choice.tools", i)
		kind, _ := jsonedit.Unquote(jsonedit.Get(t, "type"))
		if kind == "mcp" {
			label, tool, err := readServerTool(t, param)
			if err != nil {
				return err
			}
			p.Choice.Servers = append(p.Choice.Servers, llm.ServerTool{Label: label, Name: tool})
			continue
		}
		if kind != "function" && kind != "custom" {
			p.Left = append(p.Left, param+" ("+kind+")")
			continue
		}
		name, err := offeredName(t, own, param)
		if err != nil {
			return err
		}
		p.Choice.Allowed = append(p.Choice.Allowed, name)
	}
	return nil
}
