package messages

import (
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// appendTools appends tools with commas between them.
func appendTools(dst []byte, tools []llm.Tool) []byte {
	for i := range tools {
		dst = appendTool(comma(dst, i), &tools[i])
	}
	return dst
}

// appendTool appends a tool as it is offered.
func appendTool(dst []byte, t *llm.Tool) []byte {
	if t.Forms == nil {
		return appendCustom(dst, t)
	}
	key := llm.Form{Wire: Name, Name: t.Name}
	form := t.Forms.Get(key)
	if form == nil {
		form = t.Forms.Keep(key, appendCustom(nil, t))
	}
	return append(dst, form...)
}

func appendCustom(dst []byte, t *llm.Tool) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"name":`...), t.Name)
	if t.Description != "" {
		dst = jsonedit.AppendQuote(append(dst, `,"description":`...), t.Description)
	}
	dst = append(appendInput(append(dst, `,"input_schema":`...), t.Schema), '}')
	if t.Strict != nil && *t.Strict {
		dst = append(dst[:len(dst)-1], `,"strict":true}`...)
	}
	return dst
}

// appendInput appends the schema of a tool's arguments, which must say that they are an object. A tool without a schema
// takes none.
func appendInput(dst, schema []byte) []byte {
	switch {
	case jsonedit.Kind(schema) != '{':
		return append(dst, `{"type":"object","properties":{}}`...)
	case jsonedit.Get(schema, "type") != nil:
		return append(dst, schema...)
	}
	dst = append(dst, `{"type":"object"`...)
	for key, v := range jsonedit.Members(schema) {
		dst = appendMember(dst, key, v)
	}
	return append(dst, '}')
}
