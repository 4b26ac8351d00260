package openapi

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// A tool's schema has no references, which many models and their providers do not take: what they lead to stands in their place.
// Where that would be without end or too much, a schema says its type and its description only.
const (
	goodSchema = 16 << 10  // bytes of a schema that is as deep as the document makes it
	maxSchema  = 128 << 10 // bytes of one that cannot be made smaller
)

// depths are how many references may stand inside each other, tried one after the other until the schema is small enough.
var depths = []int{16, 6, 4, 3, 2, 1, 0}

var errSchema = errors.New("the schema of its arguments is too large")

// schemas writes schemas for arguments.
type schemas struct {
	d     *document
	out   []byte
	limit int
	open  []*node // the schemas that are being written, to find the way back to one
	err   error   // the first one
}

// appendSchema appends the JSON Schema that n is, as deep as it may be. more are members that count instead of its own.
func (d *document) appendSchema(dst []byte, n *node, more map[string]string) ([]byte, error) {
	for i, depth := range depths {
		s := &schemas{d: d, limit: goodSchema}
		if i == len(depths)-1 {
			s.limit = maxSchema
		}
		s.schema(n, depth, more)
		d.spent += len(s.out)
		if s.err == nil {
			return append(dst, s.out...), nil
		}
		if !errors.Is(s.err, errSchema) {
			return dst, s.err
		}
	}
	return dst, errSchema
}

// schema writes one schema. depth is how many references may still be followed.
func (s *schemas) schema(n *node, depth int, more map[string]string) {
	switch {
	case s.err != nil:
		return
	case len(s.out) > s.limit:
		s.err = errSchema
		return
	case n == nil || n.kind != '{':
		if n != nil && (n.kind == 't' || n.kind == 'f') && more == nil {
			s.out = append(s.out, n.text...)
			return
		}
		n = &node{kind: '{'}
	}
	if n.get("$ref") != nil {
		s.reference(n, depth, more)
		return
	}
	s.open = append(s.open, n)
	s.object(n, depth, more)
	s.open = s.open[:len(s.open)-1]
}

// reference writes what a $ref leads to. What stands beside the reference counts instead of what the target says, if it only
// tells about the value, and as well as it otherwise.
func (s *schemas) reference(n *node, depth int, more map[string]string) {
	target, err := s.d.follow(n)
	if err != nil {
		s.err = err
		return
	}
	own := map[string]string{}
	var rest node
	for i, k := range n.keys {
		switch {
		case k == "$ref" || strings.HasPrefix(k, "x-"):
		case slices.Contains(annotations, k):
			own[k] = string(n.nodes[i].append(nil, s.limit))
			if len(own[k]) > s.limit {
				s.err = errSchema
				return
			}
		default:
			rest.keys, rest.nodes = append(rest.keys, k), append(rest.nodes, n.nodes[i])
		}
	}
	maps.Copy(own, more)
	if rest.keys != nil {
		bare := &node{kind: '{', keys: []string{"$ref"}, nodes: []*node{n.get("$ref")}}
		rest.kind = '{'
		rest.keys, rest.nodes = append(rest.keys, "allOf"), append(rest.nodes, &node{kind: '[', nodes: append(slices.Clip(rest.get("allOf").elements()), bare)})
		rest = dedupe(rest)
		s.schema(&rest, depth, own)
		return
	}
	if slices.Contains(s.open, target) || depth == 0 {
		s.outline(target, own)
		return
	}
	s.schema(target, depth-1, own)
}

// annotations are keywords that tell about a value and allow or forbid none.
var annotations = []string{"description", "title", "default", "deprecated", "examples", "example", "readOnly", "writeOnly", "summary"}

// elements are those of an array, or none.
func (n *node) elements() []*node {
	if n == nil || n.kind != '[' {
		return nil
	}
	return n.nodes
}

// dedupe keeps the last of members of the same name.
func dedupe(n node) node {
	out := node{kind: '{'}
	for i, k := range n.keys {
		if !slices.Contains(n.keys[i+1:], k) {
			out.keys, out.nodes = append(out.keys, k), append(out.nodes, n.nodes[i])
		}
	}
	return out
}

// outline writes what a schema is without what it is made of, unless it is made of nothing.
func (s *schemas) outline(n *node, more map[string]string) {
	short := node{kind: '{'}
	for i, k := range n.keys {
		if k == "type" || k == "description" || k == "format" || k == "enum" || k == "nullable" {
			short.keys, short.nodes = append(short.keys, k), append(short.nodes, n.nodes[i])
		}
	}
	s.object(&short, 0, more)
}

// What the values of keywords are. All others are data and are written as they are.
var (
	schemaWords = []string{"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems", "unevaluatedProperties", "additionalItems"}
	listWords   = []string{"allOf", "anyOf", "oneOf", "prefixItems"}
	mapWords    = []string{"properties", "patternProperties", "dependentSchemas"}
	// leftOut mean nothing for arguments, or nothing outside their document.
	leftOut = []string{"xml", "externalDocs", "discriminator", "nullable", "readOnly", "writeOnly", "example", "$defs", "definitions", "$id", "$schema", "$anchor", "$dynamicAnchor", "$dynamicRef", "$vocabulary", "$comment", "summary"}
)

// object writes the members of a schema that has no reference of its own.
func (s *schemas) object(n *node, depth int, more map[string]string) {
	s.out = append(s.out, '{')
	empty := len(s.out)
	key := func(k string) {
		if len(s.out) > empty {
			s.out = append(s.out, ',')
		}
		s.out = append(jsonedit.AppendQuote(s.out, k), ':')
	}
	for i, k := range n.keys {
		v := n.nodes[i]
		if _, other := more[k]; other || slices.Contains(leftOut, k) || strings.HasPrefix(k, "x-") || s.older(n, k, v, key) {
			continue
		}
		key(k)
		s.keyword(n, k, v, depth)
	}
	if v := n.get("example"); v != nil && n.get("examples") == nil && more["examples"] == "" {
		key("examples")
		s.out = append(s.out, '[')
		s.data(v)
		s.out = append(s.out, ']')
	}
	for _, k := range sorted(more) {
		if !slices.Contains(leftOut, k) {
			key(k)
			s.out = append(s.out, more[k]...)
		}
	}
	s.out = append(s.out, '}')
}

// keyword writes the value of a keyword of n.
func (s *schemas) keyword(n *node, k string, v *node, depth int) {
	switch {
	case slices.Contains(schemaWords, k) && v.kind != '[':
		s.schema(v, depth, nil)
	case (slices.Contains(listWords, k) || k == "items") && v.kind == '[':
		s.list(v, depth)
	case slices.Contains(mapWords, k) && v.kind == '{':
		s.properties(v, depth)
	case k == "required":
		s.required(n, v)
	default:
		s.data(v)
	}
}

// data writes what is no schema.
func (s *schemas) data(v *node) {
	s.out = v.append(s.out, s.limit)
	if len(s.out) > s.limit {
		s.err = errSchema
	}
}

// older writes a keyword that OpenAPI 3.0 means in its own way, as JSON Schema says it. It reports false for all others.
func (s *schemas) older(n *node, k string, v *node, key func(string)) bool {
	switch k {
	case "exclusiveMinimum", "exclusiveMaximum":
		if v.kind != 't' && v.kind != 'f' {
			return false
		}
		if limit := n.get(bound[k]); v.kind == 't' && limit != nil {
			key(k)
			s.data(limit)
		}
		return true
	case "minimum", "maximum":
		return n.is("exclusive" + strings.ToUpper(k[:1]) + k[1:])
	case "type":
		if !n.is("nullable") || v.kind != '"' {
			return false
		}
		key(k)
		s.out = append(jsonedit.AppendQuote(append(s.out, '['), v.text), `,"null"]`...)
		return true
	case "enum":
		if !n.is("nullable") || v.kind != '[' || slices.ContainsFunc(v.nodes, func(e *node) bool { return e.kind == 'n' }) {
			return false
		}
		key(k)
		s.data(&node{kind: '[', nodes: append(slices.Clip(v.nodes), &node{kind: 'n', text: "null"})})
		return true
	}
	return false
}

var bound = map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}

func (s *schemas) list(v *node, depth int) {
	s.out = append(s.out, '[')
	for i, e := range v.nodes {
		if i > 0 {
			s.out = append(s.out, ',')
		}
		s.schema(e, depth, nil)
	}
	s.out = append(s.out, ']')
}

// properties writes a mapping of names to schemas, without the properties that only answers have.
func (s *schemas) properties(v *node, depth int) {
	s.out = append(s.out, '{')
	empty := len(s.out)
	for i, k := range v.keys {
		if s.answers(v.nodes[i]) {
			continue
		}
		if len(s.out) > empty {
			s.out = append(s.out, ',')
		}
		s.out = append(jsonedit.AppendQuote(s.out, k), ':')
		s.schema(v.nodes[i], depth, nil)
	}
	s.out = append(s.out, '}')
}

// answers reports whether a property is in answers only (readOnly).
func (s *schemas) answers(n *node) bool {
	if n.is("readOnly") {
		return true
	}
	target, err := s.d.follow(n)
	return err == nil && target.is("readOnly")
}

func (s *schemas) required(n, v *node) {
	s.out = append(s.out, '[')
	empty := len(s.out)
	for _, e := range v.elements() {
		if e.kind != '"' || s.answers(n.get("properties").get(e.text)) {
			continue
		}
		if len(s.out) > empty {
			s.out = append(s.out, ',')
		}
		s.out = jsonedit.AppendQuote(s.out, e.text)
	}
	s.out = append(s.out, ']')
}
