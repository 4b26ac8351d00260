package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/fairlead/fairlead/internal/secret"
)

// texts is a list of texts.
type texts struct {
	to    *[]string
	each  func(*string) value // how one is read
	least int
	once  bool // the same text twice is a mistake
}

func (t texts) read(d *decoder, path string, n *yaml.Node) {
	if !d.isList(path, n) {
		return
	}
	out := make([]string, len(n.Content))
	seen := map[string]bool{}
	for i, c := range n.Content {
		p := item(path, i)
		d.value(p, c, t.each(&out[i]))
		if t.once && out[i] != "" && seen[out[i]] {
			d.wrong(p, "stands twice in the list")
		}
		seen[out[i]] = true
	}
	if len(out) < t.least {
		d.wrong(path, "must not be empty")
	}
	*t.to = out
}

func (t texts) schema() map[string]any {
	s := map[string]any{"type": "array", "items": t.each(new(string)).schema()}
	if t.least > 0 {
		s["minItems"] = t.least
	}
	return s
}

// hiddenTexts is a list of secrets.
type hiddenTexts struct {
	to *[]secret.String
	texts
}

func (h hiddenTexts) read(d *decoder, path string, n *yaml.Node) {
	var list []string
	h.texts.to = &list
	h.texts.read(d, path, n)
	for _, s := range list {
		*h.to = append(*h.to, secret.New(s))
	}
}

func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// argument is one word of a command line: a number is taken as it is written. It may hold a secret.
type argument struct{ to *string }

func (a argument) read(d *decoder, path string, n *yaml.Node) {
	if s, ok := d.scalar(path, n, "a text", looseTags); ok {
		*a.to = s
	}
}

func (a argument) schema() map[string]any {
	return map[string]any{"type": []string{"string", "number", "boolean"}}
}

// pairs is a mapping of names to secret texts; numbers, true and false are taken as they are written.
type pairs struct {
	to    *map[string]secret.String
	name  check // what is wrong with a name
	value check
	fold  bool // names are equal in any letter case
}

func (p pairs) read(d *decoder, path string, n *yaml.Node) {
	if !d.isMapping(path, n) {
		return
	}
	out := make(map[string]secret.String, len(n.Content)/2)
	seen := map[string]bool{}
	for k, v := range d.members(path, n) {
		name := resolve(k).Value
		here := join(path, name)
		same := name
		if p.fold {
			same = strings.ToLower(name)
		}
		if w := p.name(name); w != "" {
			d.add(mark{k.Line, k.Column}, here, "%s", w)
		} else if seen[same] {
			d.add(mark{k.Line, k.Column}, here, "stands twice; names of headers are equal in any letter case")
		}
		seen[same] = true
		d.value(here, v, secretPart{func(s string) { out[name] = secret.New(s) }, p.value})
	}
	*p.to = out
}

func (p pairs) schema() map[string]any {
	return map[string]any{"type": "object", "additionalProperties": secretPart{}.schema()}
}

// secretPart is one value of pairs.
type secretPart struct {
	set   func(string)
	check check
}

func (v secretPart) read(d *decoder, path string, n *yaml.Node) {
	if s, ok := d.scalar(path, n, "a text", looseTags); ok {
		if w := v.check(s); w != "" {
			d.wrong(path, "%s", w)
			return
		}
		v.set(s)
	}
}

func (v secretPart) schema() map[string]any { return argument{}.schema() }

// list is a list of mappings.
type list[T any] struct {
	to     *[]T
	zero   T
	fields func(*T) []field
}

func (l list[T]) read(d *decoder, path string, n *yaml.Node) {
	if !d.isList(path, n) {
		return
	}
	out := make([]T, len(n.Content))
	for i, c := range n.Content {
		out[i] = l.zero
		d.value(item(path, i), c, group{l.fields(&out[i])})
	}
	*l.to = out
}

func (l list[T]) schema() map[string]any {
	zero := l.zero
	return map[string]any{"type": "array", "items": group{l.fields(&zero)}.schema()}
}

// named is a mapping of names to mappings, kept in the order of the file.
type named[T any] struct {
	to     *[]T
	zero   func(name string) T
	name   check
	fields func(*T) []field
}

func (m named[T]) read(d *decoder, path string, n *yaml.Node) {
	if !d.isMapping(path, n) {
		return
	}
	out := make([]T, 0, len(n.Content)/2)
	for k, v := range d.members(path, n) {
		name := resolve(k).Value
		if w := m.name(name); w != "" {
			d.add(mark{k.Line, k.Column}, join(path, name), "%s", w)
		}
		out = append(out, m.zero(name))
		d.value(join(path, name), v, group{m.fields(&out[len(out)-1])})
	}
	*m.to = out
}

func (m named[T]) schema() map[string]any {
	zero := m.zero("")
	return map[string]any{"type": "object", "additionalProperties": group{m.fields(&zero)}.schema()}
}

// folded is a text that is kept in lower case.
type folded struct {
	to    *string
	check check
}

func (f folded) read(d *decoder, path string, n *yaml.Node) {
	var s string
	text{&s, func(s string) string { return f.check(strings.ToLower(s)) }}.read(d, path, n)
	*f.to = strings.ToLower(s)
}

func (f folded) schema() map[string]any { return map[string]any{"type": "string"} }

// mapping is a mapping of names to values of one kind.
type mapping[T any] struct {
	to   *map[string]T
	name check
	each func(*T) value // how one is read
}

func (m mapping[T]) read(d *decoder, path string, n *yaml.Node) {
	if !d.isMapping(path, n) {
		return
	}
	out := make(map[string]T, len(n.Content)/2)
	for k, v := range d.members(path, n) {
		name := resolve(k).Value
		if w := m.name(name); w != "" {
			d.add(mark{k.Line, k.Column}, join(path, name), "%s", w)
		}
		var x T
		d.value(join(path, name), v, m.each(&x))
		out[name] = x
	}
	*m.to = out
}

func (m mapping[T]) schema() map[string]any {
	return map[string]any{"type": "object", "additionalProperties": m.each(new(T)).schema()}
}
