package config

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Schema returns a JSON Schema of the file, for editors. It is made from the table that the decoder reads; what needs a
// look at more than one value is left to Parse.
func Schema() []byte {
	s := group{configFields(Default())}.schema()
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Fairlead configuration"
	b, err := json.Marshal(s, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		panic(err) // unreachable: maps, lists and texts only
	}
	return append(b, '\n')
}

func (g group) schema() map[string]any {
	properties := map[string]any{}
	required := []string{}
	for _, f := range g.fields {
		s := f.to.schema()
		s["description"] = f.doc
		properties[f.name] = s
		if f.required {
			required = append(required, f.name)
		}
	}
	s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// orVariable lets a value that is no free text be written as ${NAME}.
func orVariable(s map[string]any) map[string]any {
	return map[string]any{"anyOf": []any{s, map[string]any{"type": "string", "pattern": `\$\{`}}}
}

// withDefault adds the default to a schema, unless it is the type's zero.
func withDefault[T comparable](s map[string]any, v T) map[string]any {
	if v != *new(T) {
		s["default"] = v
	}
	return s
}
