package gemini

import (
	"bytes"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// The subset of JSON Schema that parametersJsonSchema and responseJsonSchema take, as the reference of GenerationConfig lists
// it (https://ai.google.dev/api/generate-content#v1beta.GenerationConfig): $id, $defs, $ref, $anchor, type, format, title,
// description, enum of strings and numbers, items, prefixItems, minItems, maxItems, minimum, maximum, anyOf, oneOf, properties,
// additionalProperties, required, and propertyOrdering. Beside $ref nothing else may stand.

// schemaDepth bounds the recursion; what is nested deeper may be anything.
const schemaDepth = 64

// maxNote bounds a constraint that is told in a description.
const maxNote = 200

// argumentsSchema is the schema of a function's arguments in that subset; nil where the function takes none: the API wants
// no schema then.
func argumentsSchema(schema []byte) []byte {
	if jsonedit.Kind(schema) != '{' || !jsonedit.Valid(schema) {
		return nil
	}
	ms := flatten(membersOf(schema), schemaDepth)
	bare := true
	for _, m := range ms {
		switch m.key {
		case "properties":
			for range jsonedit.Members(m.value) {
				bare = false
				break
			}
		case "additionalProperties":
			bare = bare && jsonedit.Kind(m.value) != '{'
		case "$ref", "anyOf", "oneOf":
			bare = false
		}
	}
	if bare {
		return nil
	}
	return appendObject(nil, ms, true, schemaDepth)
}

// answerSchema is the schema of an answer in that subset.
func answerSchema(schema []byte) []byte {
	return appendObject(nil, flatten(membersOf(schema), schemaDepth), false, schemaDepth)
}

// keyword is a member of a schema.
type keyword struct {
	key   string
	value []byte
}

// membersOf returns the members of a schema; those of a schema that is true, false or no schema are none.
func membersOf(schema []byte) []keyword {
	var out []keyword
	for key, v := range jsonedit.Members(schema) {
		out = append(out, keyword{word(slices.Concat([]byte{'"'}, key, []byte{'"'})), v})
	}
	return out
}

func find(ms []keyword, key string) []byte {
	for i := range ms {
		if ms[i].key == key {
			return ms[i].value
		}
	}
	return nil
}

// flatten puts what stands in allOf into the schema itself. Of two that say the same keyword the first counts, but properties
// and required are joined.
func flatten(ms []keyword, depth int) []keyword {
	all := find(ms, "allOf")
	if all == nil || depth == 0 {
		return ms
	}
	var out []keyword
	for _, m := range ms {
		if m.key != "allOf" {
			out = append(out, m)
		}
	}
	for s := range jsonedit.Elements(all) {
		for _, m := range flatten(membersOf(s), depth-1) {
			out = join(out, m)
		}
	}
	return out
}

func join(ms []keyword, m keyword) []keyword {
	at := slices.IndexFunc(ms, func(k keyword) bool { return k.key == m.key })
	switch {
	case at < 0:
		return append(ms, m)
	case m.key == "properties" && jsonedit.Kind(ms[at].value) == '{':
		ms[at].value = joinLists(ms[at].value, m.value)
	case m.key == "required" && jsonedit.Kind(ms[at].value) == '[':
		ms[at].value = joinLists(ms[at].value, m.value)
	}
	return ms
}

// joinLists returns the members, or the elements, of both. A member that a has is not taken from b.
func joinLists(a, b []byte) []byte {
	out := bytes.TrimSpace(a)
	closing := out[len(out)-1]
	out = bytes.TrimRight(out[:len(out)-1:len(out)-1], " \t\r\n")
	add := func(v []byte) {
		if out[len(out)-1] != '{' && out[len(out)-1] != '[' {
			out = append(out, ',')
		}
		out = append(out, v...)
	}
	for v := range jsonedit.Elements(b) {
		add(v)
	}
	for key, v := range jsonedit.Members(b) {
		if name := word(slices.Concat([]byte{'"'}, key, []byte{'"'})); jsonedit.Get(a, name) == nil {
			add(slices.Concat([]byte{'"'}, key, []byte(`":`), v))
		}
	}
	return append(out, closing)
}

// appendSchema appends a schema in the subset.
func appendSchema(dst, schema []byte, depth int) []byte {
	if depth == 0 {
		return append(dst, `{}`...)
	}
	return appendObject(dst, flatten(membersOf(schema), depth), false, depth)
}

// schemaWriter writes one schema.
type schemaWriter struct {
	out   []byte
	ms    []keyword
	depth int
	done  []string // the keywords that are written
	notes []string // constraints that the subset has no keyword for
	about string   // the description
}

// appendObject appends a schema of these members. object says that it must describe one.
func appendObject(dst []byte, ms []keyword, object bool, depth int) []byte {
	w := schemaWriter{out: []byte{'{'}, ms: ms, depth: depth - 1}
	if ref := word(find(ms, "$ref")); ref != "" {
		w.put("$ref", jsonedit.AppendQuote(nil, definitions(ref)))
		for _, m := range ms {
			if m.key == "$defs" || m.key == "definitions" {
				w.schemas("$defs", m.value)
			}
		}
		return append(append(dst, w.out...), '}')
	}
	if object && find(ms, "type") == nil {
		w.put("type", []byte(`"object"`))
	}
	for _, m := range ms {
		w.keyword(m.key, m.value)
	}
	if len(w.notes) > 0 {
		w.about = strings.TrimSpace(w.about + " (" + strings.Join(w.notes, ", ") + ")")
	}
	if w.about != "" {
		w.put("description", jsonedit.AppendQuote(nil, w.about))
	}
	return append(append(dst, w.out...), '}')
}

// definitions names a place below $defs where an older draft has definitions.
func definitions(ref string) string {
	if rest, ok := strings.CutPrefix(ref, "#/definitions/"); ok {
		return "#/$defs/" + rest
	}
	return ref
}

// put writes a keyword, unless it is written already.
func (w *schemaWriter) put(key string, v []byte) {
	if !slices.Contains(w.done, key) {
		w.done = append(w.done, key)
		w.out = appendMember(w.out, key, v)
	}
}

// keyword writes what a keyword says.
func (w *schemaWriter) keyword(key string, v []byte) {
	switch key {
	case "description":
		w.about = word(v)
	case "title":
		if jsonedit.Kind(v) == '"' {
			w.put(key, v)
		}
	case "type":
		w.types(v)
	case "format", "const", "enum":
		w.values(key, v)
	case "minItems", "maxItems", "minimum", "maximum":
		if number(v) {
			w.put(key, v)
		}
	case "required", "propertyOrdering":
		w.names(key, v)
	case "pattern", "minLength", "maxLength", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "uniqueItems", "minProperties", "maxProperties", "default":
		w.note(key, v)
	default:
		w.nested(key, v)
	}
}

// nested writes a keyword that has schemas in it. Others are left out.
func (w *schemaWriter) nested(key string, v []byte) {
	kind := jsonedit.Kind(v)
	switch key {
	case "properties":
		w.schemas(key, v)
	case "$defs", "definitions":
		w.schemas("$defs", v)
	case "additionalProperties":
		if kind == '{' {
			w.put(key, appendSchema(nil, v, w.depth))
		} else if _, ok := jsonedit.Bool(v); ok {
			w.put(key, v)
		}
	case "items":
		if kind != '[' {
			w.put(key, appendSchema(nil, v, w.depth))
			return
		}
		w.list("prefixItems", v)
	case "prefixItems", "anyOf", "oneOf":
		w.list(key, v)
	}
}

// list writes a list of schemas.
func (w *schemaWriter) list(key string, v []byte) {
	if jsonedit.Kind(v) != '[' {
		return
	}
	out, n := []byte{'['}, 0
	for s := range jsonedit.Elements(v) {
		out = appendSchema(comma(out, n), s, w.depth)
		n++
	}
	w.put(key, append(out, ']'))
}

// schemas writes schemas by name.
func (w *schemaWriter) schemas(key string, v []byte) {
	if jsonedit.Kind(v) != '{' {
		return
	}
	out, n := []byte{'{'}, 0
	for name, s := range jsonedit.Members(v) {
		out = append(append(append(comma(out, n), '"'), name...), '"', ':')
		out = appendSchema(out, s, w.depth)
		n++
	}
	w.put(key, append(out, '}'))
}

var knownTypes = []string{"string", "number", "integer", "boolean", "object", "array", "null"}

// types writes the type, or the types. OpenAPI's nullable is one more.
func (w *schemaWriter) types(v []byte) {
	var list []string
	if t := word(v); t != "" {
		list = append(list, t)
	}
	for el := range jsonedit.Elements(v) {
		list = append(list, word(el))
	}
	list = slices.DeleteFunc(list, func(t string) bool { return !slices.Contains(knownTypes, t) })
	if null, _ := jsonedit.Bool(find(w.ms, "nullable")); null && len(list) > 0 && !slices.Contains(list, "null") {
		list = append(list, "null")
	}
	switch len(list) {
	case 0:
	case 1:
		w.put("type", jsonedit.AppendQuote(nil, list[0]))
	default:
		out := []byte{'['}
		for i, t := range list {
			out = jsonedit.AppendQuote(comma(out, i), t)
		}
		w.put("type", append(out, ']'))
	}
}

// values writes which values there may be.
func (w *schemaWriter) values(key string, v []byte) {
	f := word(v)
	switch {
	case key == "enum":
		w.enum(v)
	case key == "const" && scalar(v):
		w.put("enum", slices.Concat([]byte{'['}, v, []byte{']'}))
	case key == "format" && (f == "date-time" || f == "date" || f == "time"):
		w.put(key, v)
	default:
		w.note(key, v)
	}
}

// enum writes the values that are strings or numbers. null is left to the type.
func (w *schemaWriter) enum(v []byte) {
	out, n := []byte{'['}, 0
	for el := range jsonedit.Elements(v) {
		switch {
		case jsonedit.IsNull(el):
			continue
		case !scalar(el):
			w.note("enum", v)
			return
		}
		out = append(comma(out, n), el...)
		n++
	}
	if n > 0 {
		w.put("enum", append(out, ']'))
	}
}

// names writes a list of names of properties: those that there are.
func (w *schemaWriter) names(key string, v []byte) {
	properties := find(w.ms, "properties")
	out, n := []byte{'['}, 0
	for el := range jsonedit.Elements(v) {
		if name := word(el); name != "" && jsonedit.Get(properties, name) != nil {
			out = append(comma(out, n), el...)
			n++
		}
	}
	if n > 0 {
		w.put(key, append(out, ']'))
	}
}

// note keeps a constraint for the description.
func (w *schemaWriter) note(key string, v []byte) {
	if v = bytes.TrimSpace(v); len(v) <= maxNote && !jsonedit.IsNull(v) {
		w.notes = append(w.notes, key+": "+string(v))
	}
}

func scalar(v []byte) bool { return jsonedit.Kind(v) == '"' || number(v) }

func number(v []byte) bool { return jsonedit.Kind(v) == '0' }
