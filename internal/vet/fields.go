package vet

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// Field is one part of an item whose change can be shown by itself.
type Field struct {
	Name string
	Raw  []byte // as the server has it
	Sum  string // of its canonical form: SHA-256 in Base64
}

// Fields are the members of an item, sorted by name. Of a tool's schema each property is a field of its own,
// "inputSchema/path", and the rest of the schema is one. The name that the item is known by is none.
func Fields(it Item) []Field {
	if jsonedit.Kind(it.Raw) != '{' {
		return []Field{newField("text", it.Raw)}
	}
	var all []Field
	for k, v := range jsonedit.Members(it.Raw) {
		switch key := unquoteKey(k); {
		case key == it.key():
		case it.Kind == Tool && (key == "inputSchema" || key == "outputSchema") && jsonedit.Kind(v) == '{':
			all = append(all, schemaFields(key, v)...)
		default:
			all = append(all, newField(key, v))
		}
	}
	slices.SortStableFunc(all, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return joined(all)
}

// joined makes one field of those that have one name.
func joined(all []Field) []Field {
	out := all[:0]
	for _, f := range all {
		if n := len(out); n > 0 && out[n-1].Name == f.Name {
			out[n-1].Sum = sumOf([]byte(out[n-1].Sum + f.Sum))
			continue
		}
		out = append(out, f)
	}
	return out
}

// key is the member that an item is known by.
func (it Item) key() string {
	switch it.Kind {
	case Resource:
		return "uri"
	case Template:
		return "uriTemplate"
	}
	return "name"
}

func unquoteKey(k []byte) string {
	s, _ := jsonedit.Unquote(append(append([]byte{'"'}, k...), '"'))
	return s
}

func newField(name string, raw []byte) Field {
	return Field{Name: name, Raw: raw, Sum: sumOf(AppendCanonical(nil, raw))}
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.RawStdEncoding.EncodeToString(sum[:])
}

// schemaFields takes a schema apart.
func schemaFields(name string, schema []byte) []Field {
	var all []Field
	rest := []byte{'{'}
	for k, v := range jsonedit.Members(schema) {
		if jsonedit.KeyIs(k, "properties") && jsonedit.Kind(v) == '{' {
			for p, s := range jsonedit.Members(v) {
				all = append(all, newField(name+"/"+unquoteKey(p), s))
			}
			continue
		}
		if len(rest) > 1 {
			rest = append(rest, ',')
		}
		rest = append(append(append(append(rest, '"'), k...), '"', ':'), v...)
	}
	return append(all, newField(name, append(rest, '}')))
}
