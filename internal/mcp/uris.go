package mcp

import (
	"bytes"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// mark is what stands before the URIs of a server where several are seen together: "files+" for the prefix files, so that
// file:///a becomes files+file:///a. A server without a prefix has none, and so has one that is seen alone.
func mark(s *Server, bare bool) string {
	if bare || s.Prefix == "" {
		return ""
	}
	m := strings.ReplaceAll(clean(s.Prefix), "_", ".") // a scheme has letters, digits, +, - and .
	if m[0] < 'A' {
		m = "s" + m // and begins with a letter
	}
	return m + "+"
}

// linkKeys are the members of results that hold URIs.
var linkKeys = jsonedit.NewKeys("uri", "uriTemplate", "type", "resource", "content", "contents", "messages")

// member returns the value of obj's member as f makes it, put in its place; obj itself if there is none.
func member(obj []byte, key string, f func(v []byte) []byte) []byte {
	o, err := jsonedit.Scan(obj, linkKeys)
	if err != nil {
		return obj
	}
	v := o.Value(key).Of(obj)
	if v == nil {
		return obj
	}
	return jsonedit.Apply(nil, obj, o.Set(nil, obj, key, f(v)))
}

// marked puts a mark before a URI, a string literal.
func marked(m string) func(v []byte) []byte {
	return func(v []byte) []byte {
		uri, ok := jsonedit.Unquote(v)
		if !ok {
			return v
		}
		return jsonedit.AppendQuote(nil, m+uri)
	}
}

// elements makes each element of an array anew; what is no array stays as it is.
func elements(f func(el []byte) []byte) func(v []byte) []byte {
	return func(v []byte) []byte {
		if jsonedit.Kind(v) != '[' {
			return v
		}
		out := []byte{'['}
		for el := range jsonedit.Elements(v) {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(out, f(el)...)
		}
		return append(out, ']')
	}
}

// links puts a mark before every URI in a result: in resource links and embedded resources, wherever they stand, and in
// the contents of resources.
func links(raw []byte, m string) []byte {
	if m == "" || !bytes.Contains(raw, []byte(`"uri"`)) {
		return raw
	}
	block := func(el []byte) []byte {
		switch kind, _ := jsonedit.Unquote(jsonedit.Get(el, "type")); kind {
		case "resource_link":
			return member(el, "uri", marked(m))
		case "resource":
			return member(el, "resource", func(v []byte) []byte { return member(v, "uri", marked(m)) })
		}
		return el
	}
	raw = member(raw, "content", elements(block))
	raw = member(raw, "contents", elements(func(el []byte) []byte { return member(el, "uri", marked(m)) }))
	return member(raw, "messages", elements(func(el []byte) []byte { return member(el, "content", block) }))
}
