package openapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v4"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// Bounds of a document.
const (
	maxDocument = 16 << 20 // bytes
	maxYAML     = 8 << 20  // bytes of one in YAML, whose reader takes more memory
	maxNodes    = 1 << 20  // values
	maxDepth    = 200      // of nesting
	maxMembers  = 8        // of an object that is searched from its first member on
)

// node is a value of a document, whatever that is written in. It is a value of JSON.
type node struct {
	kind  byte     // as jsonedit.Kind tells it
	text  string   // of a string what it says, of any other scalar its literal
	keys  []string // of an object, in order, each once
	nodes []*node  // the values of the members, or the elements
	index map[string]int
}

// get returns the value of a member, or nil. It may be asked of nil and of what is no object.
func (n *node) get(key string) *node {
	if n == nil || n.kind != '{' {
		return nil
	}
	if len(n.keys) > maxMembers {
		if n.index == nil {
			n.index = make(map[string]int, len(n.keys))
			for i, k := range n.keys {
				n.index[k] = i
			}
		}
		if i, ok := n.index[key]; ok {
			return n.nodes[i]
		}
		return nil
	}
	for i, k := range n.keys {
		if k == key {
			return n.nodes[i]
		}
	}
	return nil
}

// str returns the text of a member that is a string.
func (n *node) str(key string) string {
	if v := n.get(key); v != nil && v.kind == '"' {
		return v.text
	}
	return ""
}

// is reports whether a member is true.
func (n *node) is(key string) bool {
	v := n.get(key)
	return v != nil && v.kind == 't'
}

// list returns the elements of a member that is an array.
func (n *node) list(key string) []*node {
	if v := n.get(key); v != nil && v.kind == '[' {
		return v.nodes
	}
	return nil
}

// append appends the value as JSON in one line, and stops when dst has come to limit: values that are shared may be as large as any.
func (n *node) append(dst []byte, limit int) []byte {
	if len(dst) > limit {
		return dst
	}
	switch n.kind {
	case '"':
		return jsonedit.AppendQuote(dst, n.text)
	case '{', '[':
		dst = append(dst, n.kind)
		for i, v := range n.nodes {
			if len(dst) > limit {
				return dst
			}
			if i > 0 {
				dst = append(dst, ',')
			}
			if n.kind == '{' {
				dst = append(jsonedit.AppendQuote(dst, n.keys[i]), ':')
			}
			dst = v.append(dst, limit)
		}
		return append(dst, n.kind+2) // the closing one
	}
	return append(dst, n.text...)
}

// parse reads a document: JSON if it begins like an object, else YAML.
func parse(data []byte) (*node, error) {
	if len(data) > maxDocument {
		return nil, errTooLarge
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	r := &reader{}
	var root *node
	var err error
	if jsonedit.Kind(data) == '{' {
		root, err = r.document(data)
	} else {
		root, err = r.yaml(data)
	}
	if err != nil {
		return nil, err
	}
	if root.kind != '{' {
		return nil, errors.New("it is no object")
	}
	return root, nil
}

var (
	errTooLarge = errors.New("it is too large")
	errTooDeep  = fmt.Errorf("it is nested deeper than %d", maxDepth)
)

// reader counts the values that it has read.
type reader struct {
	count   int
	anchors map[*yaml.Node]*node // what has been read behind an anchor; nil: it is being read
}

func (r *reader) node(kind byte, depth int) (*node, error) {
	if r.count++; r.count > maxNodes {
		return nil, errTooLarge
	}
	if depth > maxDepth {
		return nil, errTooDeep
	}
	return &node{kind: kind}, nil
}

func (r *reader) document(data []byte) (*node, error) {
	d := jsontext.NewDecoder(bytes.NewReader(data))
	n, err := r.json(d, 1)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind the document")
	}
	return n, nil
}

// notJSON is an error of the decoder, whose text may be long.
func notJSON(err error) error {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("it is not JSON at byte %d: %w", e.ByteOffset, e.Err)
	}
	return fmt.Errorf("it is not JSON: %w", err)
}

func (r *reader) json(d *jsontext.Decoder, depth int) (*node, error) {
	t, err := d.ReadToken()
	if err != nil {
		return nil, notJSON(err)
	}
	n, err := r.node(byte(t.Kind()), depth)
	if err != nil {
		return nil, err
	}
	n.text = t.String()
	if n.kind != '{' && n.kind != '[' {
		return n, nil
	}
	n.text = ""
	for d.PeekKind() != '}' && d.PeekKind() != ']' {
		if n.kind == '{' {
			key, err := d.ReadToken()
			if err != nil {
				return nil, notJSON(err)
			}
			n.keys = append(n.keys, key.String())
		}
		v, err := r.json(d, depth+1)
		if err != nil {
			return nil, err
		}
		n.nodes = append(n.nodes, v)
	}
	_, err = d.ReadToken()
	if err != nil {
		return nil, notJSON(err)
	}
	return n, nil
}

// yaml reads what is written in YAML and says what JSON could say, as the specification demands.
func (r *reader) yaml(data []byte) (*node, error) {
	marks := bytes.Count(data, []byte{','}) + bytes.Count(data, []byte{'\n'}) + bytes.Count(data, []byte{':'})
	if len(data) > maxYAML || marks > maxNodes {
		return nil, errTooLarge
	}
	l, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := l.Load(&doc); err != nil {
		return nil, fmt.Errorf("it is neither JSON nor YAML: %w", err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, errors.New("it is neither JSON nor YAML")
	}
	r.anchors = map[*yaml.Node]*node{}
	return r.fromYAML(doc.Content[0], 1)
}

// fromYAML reads one value. What stands behind an anchor is read once and shared.
func (r *reader) fromYAML(y *yaml.Node, depth int) (*node, error) {
	if y.Kind == yaml.AliasNode && y.Alias != nil {
		y = y.Alias
	}
	if y.Anchor != "" {
		n, known := r.anchors[y]
		switch {
		case n != nil:
			return n, nil
		case known:
			return nil, fmt.Errorf("line %d: an alias leads back to where it stands", y.Line)
		}
		r.anchors[y] = nil
	}
	n, err := r.collect(y, depth)
	if err == nil && y.Anchor != "" {
		r.anchors[y] = n
	}
	return n, err
}

func (r *reader) collect(y *yaml.Node, depth int) (*node, error) {
	if y.Kind == yaml.ScalarNode {
		kind, text := scalar(y)
		n, err := r.node(kind, depth)
		if err == nil {
			n.text = text
		}
		return n, err
	}
	if y.Kind == yaml.MappingNode {
		return r.mapping(y, depth)
	}
	if y.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("line %d: a value that JSON does not have", y.Line)
	}
	n, err := r.node('[', depth)
	for i := 0; err == nil && i < len(y.Content); i++ {
		var v *node
		v, err = r.fromYAML(y.Content[i], depth+1)
		n.nodes = append(n.nodes, v)
	}
	return n, err
}

func (r *reader) mapping(y *yaml.Node, depth int) (*node, error) {
	n, err := r.node('{', depth)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(y.Content)/2)
	for i := 0; i+1 < len(y.Content); i += 2 {
		k := y.Content[i]
		if k.Kind == yaml.AliasNode && k.Alias != nil {
			k = k.Alias
		}
		switch {
		case k.Kind != yaml.ScalarNode || k.Tag == "!!merge":
			return nil, fmt.Errorf("line %d: a key that JSON does not have", k.Line)
		case seen[k.Value]:
			return nil, fmt.Errorf("line %d: the key %.60q stands twice", k.Line, k.Value)
		}
		seen[k.Value] = true
		v, err := r.fromYAML(y.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		n.keys, n.nodes = append(n.keys, k.Value), append(n.nodes, v)
	}
	return n, nil
}

// scalar says what a scalar is in JSON. What JSON has no word for, such as dates, is the text as it is written.
func scalar(y *yaml.Node) (kind byte, text string) {
	switch y.Tag {
	case "!!null":
		return 'n', "null"
	case "!!bool":
		if word := strings.ToLower(y.Value); word == "true" || word == "false" {
			return word[0], word
		}
	case "!!int", "!!float":
		if jsonedit.Kind([]byte(y.Value)) == '0' && jsonedit.Valid([]byte(y.Value)) {
			return '0', y.Value
		}
		if i, ok := new(big.Int).SetString(strings.TrimPrefix(y.Value, "+"), 0); ok && len(y.Value) < 64 {
			return '0', i.String()
		}
	}
	return '"', strings.ToValidUTF8(y.Value, "\uFFFD")
}
