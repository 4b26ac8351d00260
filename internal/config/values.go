package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// A check says what is wrong with a text, as the end of a sentence that begins with its path; "" when nothing is.
type check func(text string) string

// Tags of the scalars that stand for a text as they are written. Dates are texts, since a revision of MCP looks like one.
var (
	textTags  = []string{"!!str", "!!timestamp"}
	looseTags = []string{"!!str", "!!timestamp", "!!int", "!!float", "!!bool"}
)

// scalar returns the expanded text of n, whose tag must be one of tags, or a text with ${…} in it. The words what says
// what the value must be.
func (d *decoder) scalar(path string, n *yaml.Node, what string, tags []string) (string, bool) {
	expands := n.Tag == "!!str" && strings.Contains(n.Value, "${")
	if n.Kind != yaml.ScalarNode || !expands && !slices.Contains(tags, n.Tag) {
		hint := ""
		if n.Kind == yaml.ScalarNode && slices.Contains(tags, "!!str") && slices.Contains(looseTags, n.Tag) {
			hint = "; put it in quotes"
		}
		d.wrong(path, "must be %s, not %s%s", what, describe(n), hint)
		return "", false
	}
	s, ok := d.expand(path, n.Value)
	if ok && strings.ContainsRune(s, 0) {
		d.wrong(path, "must not contain a NUL character")
		return "", false
	}
	return s, ok
}

// text is a text without a secret: messages quote it as it stands in the file.
type text struct {
	to    *string
	check check
}

func (t text) read(d *decoder, path string, n *yaml.Node) {
	s, ok := d.scalar(path, n, "a text", textTags)
	if !ok {
		return
	}
	if t.check != nil {
		if w := t.check(s); w != "" {
			d.wrong(path, "%s%s", w, instead(w, n.Value))
			return
		}
	}
	*t.to = s
}

// instead is the end of a message that says what a value must be: what it is, as the file has it.
func instead(wrong, raw string) string {
	if raw == "" || !strings.HasPrefix(wrong, "must be ") {
		return ""
	}
	return fmt.Sprintf(", not %q", clip(raw))
}

func (t text) schema() map[string]any { return withDefault(map[string]any{"type": "string"}, *t.to) }

// address is a text that may hold a secret (a query, a user): messages never quote it.
type address struct {
	to    *string
	check check
}

func (a address) read(d *decoder, path string, n *yaml.Node) {
	if s, ok := d.scalar(path, n, "a text", textTags); ok {
		if w := a.check(s); w != "" {
			d.wrong(path, "%s", w)
			return
		}
		*a.to = s
	}
}

func (a address) schema() map[string]any { return map[string]any{"type": "string"} }

// hidden is a secret.
type hidden struct {
	set   func(text string)
	check check
}

func (h hidden) read(d *decoder, path string, n *yaml.Node) {
	if s, ok := d.scalar(path, n, "a text", textTags); ok {
		if w := h.check(s); w != "" {
			d.wrong(path, "%s", w)
			return
		}
		h.set(s)
	}
}

func (h hidden) schema() map[string]any { return map[string]any{"type": "string"} }

// choice is one of a few words.
type choice struct {
	to      *string
	allowed []string
}

func (c choice) read(d *decoder, path string, n *yaml.Node) {
	text{c.to, func(s string) string {
		if slices.Contains(c.allowed, s) {
			return ""
		}
		return "must be one of " + strings.Join(c.allowed, ", ")
	}}.read(d, path, n)
}

func (c choice) schema() map[string]any {
	return withDefault(orVariable(map[string]any{"enum": c.allowed}), *c.to)
}

// either is one of two words: the first stands for false and is the default.
type either struct {
	to    *bool
	words [2]string
}

func (e either) read(d *decoder, path string, n *yaml.Node) {
	word := e.word()
	choice{&word, e.words[:]}.read(d, path, n)
	*e.to = word == e.words[1]
}

func (e either) schema() map[string]any {
	word := e.word()
	return choice{&word, e.words[:]}.schema()
}

func (e either) word() string {
	if *e.to {
		return e.words[1]
	}
	return e.words[0]
}

// truth is true or false.
type truth struct{ to *bool }

func (f truth) read(d *decoder, path string, n *yaml.Node) {
	s, ok := d.scalar(path, n, "true or false", []string{"!!bool"})
	if !ok {
		return
	}
	switch strings.ToLower(s) {
	case "true":
		*f.to = true
	case "false":
		*f.to = false
	default:
		d.wrong(path, "must be true or false, not %q", clip(n.Value))
	}
}

func (f truth) schema() map[string]any {
	s := orVariable(map[string]any{"type": "boolean"})
	s["default"] = *f.to
	return s
}

// count is a whole number from least to most.
type count struct {
	to          *int
	least, most int
}

func (c count) read(d *decoder, path string, n *yaml.Node) {
	what := fmt.Sprintf("a whole number from %d to %d", c.least, c.most)
	s, ok := d.scalar(path, n, what, []string{"!!int", "!!float"})
	if !ok {
		return
	}
	i, err := strconv.Atoi(s)
	if err != nil || i < c.least || i > c.most {
		d.wrong(path, "must be %s, not %q", what, clip(n.Value))
		return
	}
	*c.to = i
}

func (c count) schema() map[string]any {
	return withDefault(orVariable(map[string]any{"type": "integer", "minimum": c.least, "maximum": c.most}), *c.to)
}

// duration is a time span with units.
type duration struct{ to *time.Duration }

func (v duration) read(d *decoder, path string, n *yaml.Node) {
	s, ok := d.scalar(path, n, "a duration with a unit, such as 30s", looseTags)
	if !ok {
		return
	}
	t, w := parseDuration(s)
	if w != "" {
		d.wrong(path, "%s, not %q", w, clip(n.Value))
		return
	}
	*v.to = t
}

func (v duration) schema() map[string]any {
	s := orVariable(map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`, "examples": []string{"30s", "5m"}})
	return withDefault(s, formatDuration(*v.to))
}

// size is a number of bytes with a unit.
type size struct {
	to   *int64
	most int64
}

func (v size) read(d *decoder, path string, n *yaml.Node) {
	s, ok := d.scalar(path, n, "a size with a unit, such as 256KiB", looseTags)
	if !ok {
		return
	}
	b, w := parseSize(s, v.most)
	if w != "" {
		d.wrong(path, "%s, not %q", w, clip(n.Value))
		return
	}
	*v.to = b
}

func (v size) schema() map[string]any {
	s := orVariable(map[string]any{"type": "string", "pattern": `^[0-9]+ ?(B|KB|MB|GB|KiB|MiB|GiB)$`, "examples": []string{"256KiB", "32MiB"}})
	return withDefault(s, formatSize(*v.to))
}
