package messages

import (
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// toolList is the client's own tools, and those of the API's own that no other wire has.
type toolList struct {
	out  []llm.Tool
	left []string
}

func (l *toolList) read(tools []byte) error {
	l.out = []llm.Tool{}
	i := 0
	for t := range jsonedit.Elements(tools) {
		if err := l.take(t, at("tools", i)); err != nil {
			return err
		}
		i++
	}
	return nil
}

func (l *toolList) take(t []byte, param string) error {
	if jsonedit.Kind(t) != '{' {
		return fault.Invalidf(param, "%s must be an object", param)
	}
	switch kind := kindOf(t); {
	case kind == "" || kind == "custom":
		return l.custom(t, param)
	case kind == "mcp" || kind == toolsetType:
	case strings.HasPrefix(kind, "tool_search_tool_"): // what it would find is offered at once
	default:
		l.left = append(l.left, param+" ("+kind+")")
	}
	return nil
}

func (l *toolList) custom(t []byte, param string) error {
	var tool llm.Tool
	var err error
	if tool.Name, err = needText(jsonedit.Get(t, "name"), param+".name"); err != nil {
		return err
	}
	tool.Description, _ = jsonedit.Unquote(jsonedit.Get(t, "description"))
	if tool.Schema = jsonedit.Get(t, "input_schema"); jsonedit.Kind(tool.Schema) != '{' {
		return fault.Invalidf(param+".input_schema", "%s.input_schema must be an object", param)
	}
	if lit := jsonedit.Get(t, "strict"); !jsonedit.IsNull(lit) {
		strict, err := boolean(lit, param+".strict")
		if err != nil {
			return err
		}
		tool.Strict = &strict
	}
	if lit := jsonedit.Get(t, "allowed_callers"); !jsonedit.IsNull(lit) {
		callers, err := texts(lit, param+".allowed_callers")
		if err != nil {
			return err
		}
		if !slices.Contains(callers, "direct") {
			l.left = append(l.left, param+".allowed_callers") // only code that runs at the provider may call it
			return nil
		}
	}
	l.out = append(l.out, tool)
	return nil
}
