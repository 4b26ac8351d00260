package openapi

import (
	"maps"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// shape is what is checked of a value before it is written into a request.
type shape struct {
	types []string // of JSON Schema; nil: any
	enum  []string // the texts of its scalars; nil: any
	items *shape   // of an array
}

// shapeOf reads a schema's shape. What is put together of several schemas has none.
func (d *document) shapeOf(n *node, depth int) (s shape) {
	n, err := d.follow(n)
	if err != nil || n == nil || depth == 0 {
		return s
	}
	switch t := n.get("type"); {
	case t == nil:
	case t.kind == '"':
		s.types = []string{t.text}
	case t.kind == '[':
		for _, e := range t.nodes {
			s.types = append(s.types, e.text)
		}
	}
	if n.is("nullable") && s.types != nil {
		s.types = append(s.types, "null")
	}
	d.spent += 32 * len(n.list("enum"))
	for _, e := range n.list("enum") {
		if e.kind == '{' || e.kind == '[' {
			s.enum = nil
			break
		}
		s.enum = append(s.enum, e.text)
	}
	if items := n.get("items"); items != nil && items.kind == '{' {
		inner := d.shapeOf(items, depth-1)
		s.items = &inner
	}
	return s
}

// allows reports whether a value of a type may be there.
func (s *shape) allows(types ...string) bool {
	return s == nil || s.types == nil || slices.ContainsFunc(types, func(t string) bool { return slices.Contains(s.types, t) })
}

// wrong says what is wrong with a scalar that is written as text, or "". A text that looks like the number that is wanted is
// that number in a request, and the other way round.
func (s *shape) wrong(text string) string {
	switch {
	case s == nil:
		return ""
	case s.enum != nil && !slices.Contains(s.enum, text):
		return "must be one of " + clipList(s.enum)
	case s.types == nil || s.allows("string"):
		return ""
	case s.allows("boolean") && (text == "true" || text == "false"):
		return ""
	case s.allows("number") && isNumber(text):
		return ""
	case s.allows("integer") && isNumber(text) && isWhole(text):
		return ""
	}
	return "must be of the type " + strings.Join(s.types, " or ")
}

func isNumber(text string) bool {
	return jsonedit.Kind([]byte(text)) == '0' && strings.TrimSpace(text) == text && jsonedit.Valid([]byte(text))
}

func isWhole(text string) bool {
	if strings.Trim(strings.TrimPrefix(text, "-"), "0123456789") == "" {
		return true // of any size
	}
	_, ok := jsonedit.Int([]byte(text))
	return ok
}

func clipList(list []string) string {
	const most = 20
	if len(list) > most {
		return strings.Join(list[:most], ", ") + ", …"
	}
	return strings.Join(list, ", ")
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
