package config

import (
	"iter"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxValues bounds the values of a file, counted where they are used: an alias counts each time.
const maxValues = 100_000

type decoder struct {
	file, folder string
	data         []byte
	o            Options
	mistakes     []Mistake
	marks        map[string]mark   // where each value stands, by its path
	bad          map[string]bool   // paths with a mistake about the value
	raws         map[string]string // texts in which something was expanded, as the file has them, by path
	files        map[string]string // what ${file:…} has read
	expanded     int               // bytes of expanded values so far
	values       int
}

// A value is one kind of thing that a key may hold: how it is read, and how the JSON Schema describes it.
type value interface {
	read(d *decoder, path string, n *yaml.Node)
	schema() map[string]any
}

// A field is one key of a mapping.
type field struct {
	name     string
	to       value
	required bool
	doc      string // one sentence for editors
}

// value reads n, which stands at path, into v.
func (d *decoder) value(path string, n *yaml.Node, v value) {
	d.marks[path] = mark{n.Line, n.Column}
	if d.values++; d.values > maxValues {
		if d.values == maxValues+1 {
			d.wrong(path, "the file comes to more than %d values", maxValues)
		}
		return
	}
	if n = resolve(n); n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		d.wrong(path, "has no value; write one, or leave the key out")
		return
	}
	v.read(d, path, n)
}

// resolve follows an alias.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// members yields the keys of a mapping with the nodes of key and value. Keys that are no text, come twice or merge
// another mapping are mistakes and are left out.
func (d *decoder) members(path string, n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(k, v *yaml.Node) bool) {
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			at := mark{n.Content[i].Line, n.Content[i].Column}
			k := resolve(n.Content[i])
			first := seen[k.Value]
			switch {
			case k.Tag == "!!merge":
				d.add(at, path, "merge keys (<<) are not supported; name the keys, or repeat a whole value with *alias")
			case k.Kind != yaml.ScalarNode || k.Tag != "!!str":
				d.add(at, path, "a key must be a text; put it in quotes")
			case first != 0:
				d.add(at, join(path, k.Value), "this key stands twice; the first is in line %d", first)
			default:
				seen[k.Value] = at.line
				if !yield(n.Content[i], n.Content[i+1]) {
					return
				}
			}
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return clip(key)
	}
	return path + "." + clip(key)
}

// group is a mapping with known keys.
type group struct{ fields []field }

func (g group) read(d *decoder, path string, n *yaml.Node) {
	if !d.isMapping(path, n) {
		return
	}
	for k, v := range d.members(path, n) {
		name := resolve(k).Value
		i := slices.IndexFunc(g.fields, func(f field) bool { return f.name == name })
		if i < 0 {
			d.add(mark{k.Line, k.Column}, join(path, name), "unknown key; %s", g.suggest(name))
			continue
		}
		d.value(join(path, name), v, g.fields[i].to)
	}
	for _, f := range g.fields {
		if p := join(path, f.name); f.required && !d.has(p) {
			d.wrong(p, "is missing: %s", strings.ToLower(f.doc[:1])+strings.TrimSuffix(f.doc[1:], "."))
		}
	}
}

func (g group) suggest(name string) string {
	names := make([]string, len(g.fields))
	for i, f := range g.fields {
		names[i] = f.name
	}
	if near := nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "allowed: " + strings.Join(names, ", ")
}

func (d *decoder) isMapping(path string, n *yaml.Node) bool {
	if n.Kind != yaml.MappingNode {
		d.wrong(path, "must be a mapping (key: value), not %s", describe(n))
		return false
	}
	return d.tagged(path, n, "!!map")
}

func (d *decoder) isList(path string, n *yaml.Node) bool {
	if n.Kind != yaml.SequenceNode {
		d.wrong(path, "must be a list ([a, b]), not %s", describe(n))
		return false
	}
	return d.tagged(path, n, "!!seq")
}

func (d *decoder) tagged(path string, n *yaml.Node, tag string) bool {
	if n.Tag != "" && n.Tag != tag {
		d.wrong(path, "the tag %s is not supported", clip(n.Tag))
		return false
	}
	return true
}

// describe says what n is, without its text.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!int", n.Tag == "!!float":
		return "a number"
	case n.Tag == "!!bool":
		return "true or false"
	case n.Tag == "!!str":
		return "a text"
	case n.Tag == "!!null":
		return "nothing"
	case n.Tag == "!!timestamp":
		return "a date"
	}
	return "a value with the tag " + clip(n.Tag)
}
