package chat

import "github.com/fairlead/fairlead/internal/jsonedit"

// strictDepth bounds the recursion of appendStrict; what is nested deeper is copied.
const strictDepth = 64

// appendStrict appends a JSON Schema as strict providers take it: every object says additionalProperties:false, and
// keywords that bound lengths, numbers and forms are left out.
func appendStrict(dst, schema []byte) []byte { return strict(dst, schema, strictDepth) }

func strict(dst, schema []byte, depth int) []byte {
	if depth == 0 || jsonedit.Kind(schema) != '{' {
		return append(dst, schema...)
	}
	dst = append(dst, '{')
	n, object := 0, false
	for key, v := range jsonedit.Members(schema) {
		name := string(key)
		object = object || name == "properties" || name == "type" && isObject(v)
		if dropped(name) {
			continue
		}
		dst = append(append(append(comma(dst, n), '"'), key...), '"', ':')
		dst = keyword(dst, name, v, depth-1)
		n++
	}
	if object {
		dst = append(comma(dst, n), `"additionalProperties":false`...)
	}
	return append(dst, '}')
}

func isObject(v []byte) bool {
	s, ok := jsonedit.Unquote(v)
	for t := range jsonedit.Elements(v) {
		if jsonedit.Says(t, "object") {
			return true
		}
	}
	return ok && s == "object"
}

// keyword appends the value of a keyword: a schema, a list or an object of schemas, or something to copy.
func keyword(dst []byte, name string, v []byte, depth int) []byte {
	switch name {
	case "items", "not", "if", "then", "else", "contains", "propertyNames":
		return strict(dst, v, depth)
	case "properties", "$defs", "definitions", "patternProperties", "dependentSchemas":
		if jsonedit.Kind(v) != '{' {
			break
		}
		dst = append(dst, '{')
		n := 0
		for key, s := range jsonedit.Members(v) {
			dst = append(append(append(comma(dst, n), '"'), key...), '"', ':')
			dst = strict(dst, s, depth)
			n++
		}
		return append(dst, '}')
	case "anyOf", "oneOf", "allOf", "prefixItems":
		if jsonedit.Kind(v) != '[' {
			break
		}
		dst = append(dst, '[')
		n := 0
		for s := range jsonedit.Elements(v) {
			dst = strict(comma(dst, n), s, depth)
			n++
		}
		return append(dst, ']')
	}
	return append(dst, v...)
}

// dropped reports whether strict providers refuse a keyword. additionalProperties is written anew.
func dropped(name string) bool {
	switch name {
	case "additionalProperties", "$schema", "$id", "$comment", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern",
		"format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minProperties", "maxProperties",
		"patternProperties", "propertyNames", "contains", "minContains", "maxContains", "default", "examples":
		return true
	}
	return false
}
