package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Rule is one rule about uses of MCP servers. The first one whose expression is true decides.
type Rule struct {
	Name   string
	When   string // an expression in CEL
	Then   string // deny | ask | allow
	Reason string // for the client and the log
}

// The values of Rule.Then.
const (
	ThenDeny  = "deny"
	ThenAsk   = "ask"
	ThenAllow = "allow"
)

// The values of Config.Taint.
const (
	TaintAsk  = "ask"
	TaintDeny = "deny"
	TaintOff  = "off"
)

// Untrusted reports whether results of some server are not trusted.
func (c *Config) Untrusted() bool {
	return c.ExternalMCP.Untrusted || slices.ContainsFunc(c.Servers, func(s Server) bool { return s.Untrusted })
}

// ExprMistake is what is wrong with an expression.
type ExprMistake struct {
	Line, Column int // in the expression, from 1
	Message      string
}

// maxRules bounds the rules of a file.
const maxRules = 200

// trust is the key of what results are worth.
func trust(to *bool, doc string) field {
	return field{name: "trust", to: either{to, [2]string{"trusted", "untrusted"}}, doc: doc}
}

func policyFields(r *Rule) []field {
	return []field{
		{name: "name", to: text{&r.Name, plainName}, required: true, doc: "What logs call the rule."},
		{name: "when", to: expression{&r.When}, required: true, doc: "An expression in CEL that is true or false; docs/policy.md has its words."},
		{name: "then", to: choice{&r.Then, []string{ThenDeny, ThenAsk, ThenAllow}}, required: true, doc: "What is done when it is true: the use is denied, a person is asked, or it is allowed, as far as the key may do it at all."},
		{name: "reason", to: text{&r.Reason, reasonText}, doc: "Why, for the client, the model and the log."},
	}
}

func reasonText(s string) string {
	if len(s) > 500 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "must be one line of at most 500 characters"
	}
	return ""
}

func (d *decoder) checkRules(rules []Rule) {
	first := map[string]int{}
	for i, r := range rules {
		path := item("rules", i) + ".name"
		if j, twice := first[r.Name]; twice && r.Name != "" {
			d.wrong(path, "the rule %s stands in line %d already", d.quote(path, r.Name), d.marks[item("rules", j)+".name"].line)
		}
		first[r.Name] = i
	}
	if len(rules) > maxRules {
		d.wrong("rules", "are more than %d", maxRules)
	}
}

// expression is a text in CEL.
type expression struct{ to *string }

func (e expression) read(d *decoder, path string, n *yaml.Node) {
	s, ok := d.scalar(path, n, "a text", textTags)
	if !ok {
		return
	}
	*e.to = s
	if d.o.CheckRule == nil {
		return
	}
	for _, m := range d.o.CheckRule(s) {
		d.bad[path] = true
		at, exact := d.inside(n, s, m)
		if exact {
			d.add(at, path, "%s", m.Message)
			continue
		}
		d.add(at, path, "line %d, column %d of the expression: %s", m.Line, m.Column, m.Message)
	}
}

func (expression) schema() map[string]any { return map[string]any{"type": "string"} }

// inside finds the place of a mistake within the text of a node. It reports false when the file has the text in another form,
// so that the place of the node is all that can be told.
func (d *decoder) inside(n *yaml.Node, s string, m ExprMistake) (mark, bool) {
	at := mark{n.Line, n.Column}
	if n.Style&yaml.LiteralStyle != 0 {
		lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
		if m.Line > len(lines) {
			return at, false
		}
		line := []rune(strings.TrimRight(lineOf(d.data, n.Line+m.Line), "\r\n"))
		indent := len(line) - len([]rune(lines[m.Line-1]))
		if indent < 0 || string(line[indent:]) != lines[m.Line-1] {
			return at, false
		}
		return mark{n.Line + m.Line, indent + m.Column}, true
	}
	line := []rune(lineOf(d.data, n.Line))
	start := n.Column - 1
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		start++
	}
	if start > len(line) || !strings.HasPrefix(string(line[start:]), s) {
		return at, false
	}
	return mark{n.Line, start + m.Column}, true
}

// params is a mapping of tools to their parameters, and of those to what they may be.
func params(to *map[string]map[string][]string) value {
	return mapping[map[string][]string]{to, toolName, func(one *map[string][]string) value {
		return mapping[[]string]{one, notEmpty, func(list *[]string) value { return texts{to: list, each: onePattern, least: 1, once: true} }}
	}}
}

func onePattern(s *string) value { return pattern{s} }

// pattern is a text, or the beginning of one with * behind it; a number, true and false are taken as they are written.
type pattern struct{ to *string }

func (p pattern) read(d *decoder, path string, n *yaml.Node) {
	s, ok := d.scalar(path, n, "a text", looseTags)
	if ok && strings.Contains(strings.TrimSuffix(s, "*"), "*") {
		d.wrong(path, "a * may stand at the end only, for any rest")
		return
	}
	*p.to = s
}

func (pattern) schema() map[string]any { return argument{}.schema() }
