package mcp

import (
	"bytes"
	"slices"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// oneLine returns a schema without white space. One that has none is returned itself: a list is kept, with what the server
// sent, and schemas are most of it.
func oneLine(schema []byte) []byte {
	c := jsonedit.Compact(make([]byte, 0, len(schema)), schema)
	if len(c) == len(schema) {
		return slices.Clip(schema)
	}
	return bytes.Clone(c)
}

// toolSchema returns a tool's schema as models are told: an object with type and properties, which some providers demand
// and some servers leave out. All else stays as it is; additionalProperties is not added, because a tool that says nothing
// of it takes more than it lists. raw is one JSON object without white space.
func toolSchema(raw []byte) []byte {
	var add []byte
	if jsonedit.IsNull(jsonedit.Get(raw, "type")) {
		add = append(add, `"type":"object",`...)
	}
	if jsonedit.IsNull(jsonedit.Get(raw, "properties")) {
		add = append(add, `"properties":{},`...)
	}
	if add == nil {
		return raw
	}
	out := make([]byte, 0, len(raw)+len(add))
	out = append(append(out, '{'), add...)
	for key, v := range jsonedit.Members(raw) {
		if jsonedit.IsNull(v) && (jsonedit.KeyIs(key, "type") || jsonedit.KeyIs(key, "properties")) {
			continue
		}
		out = append(append(append(append(out, '"'), key...), '"', ':'), v...)
		out = append(out, ',')
	}
	out[len(out)-1] = '}'
	return out
}
