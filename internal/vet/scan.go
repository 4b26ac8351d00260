package vet

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// MaxText is how much of one item's texts the rules read, in bytes. More is a finding by itself: no tool needs it.
const MaxText = 64 << 10

// Finding is a text of an item that meets a rule.
type Finding struct {
	Rule    string
	Field   string // where it stands, as in "inputSchema/properties/path/description"
	Excerpt string // of the text, in quotes, with everything that is no plain letter escaped
}

// Scan holds all texts of an item to the rules, names of members too, up to max bytes of them. Each rule is told once.
func Scan(it Item, max int) []Finding {
	s := scanner{left: max, met: map[string]bool{}}
	path := ""
	if jsonedit.Kind(it.Raw) == '"' {
		path = "text"
	}
	s.value(path, it.Raw)
	return s.found
}

// Text holds one text to the rules.
func Text(s string) []Finding {
	sc := scanner{left: MaxText, met: map[string]bool{}}
	sc.text("text", s)
	return sc.found
}

type scanner struct {
	left  int
	met   map[string]bool
	found []Finding
}

func (s *scanner) add(rule, field, excerpt string) {
	if !s.met[rule] {
		s.met[rule] = true
		s.found = append(s.found, Finding{rule, field, excerpt})
	}
}

// value looks for texts in a JSON value.
func (s *scanner) value(path string, raw []byte) {
	switch jsonedit.Kind(raw) {
	case '"':
		if len(raw) > 12*MaxText { // too long, however much of it is escapes
			s.left = 0
			raw = []byte(`"…"`)
		}
		if text, ok := jsonedit.Unquote(raw); ok {
			s.text(path, text)
		}
	case '{':
		for k, v := range jsonedit.Members(raw) {
			key := unquoteKey(k)
			in := strings.TrimPrefix(path+"/"+key, "/")
			s.text(in, key)
			s.value(in, v)
			if s.met[ruleLong] {
				return
			}
		}
	case '[':
		for v := range jsonedit.Elements(raw) {
			s.value(path, v)
			if s.met[ruleLong] {
				return
			}
		}
	}
}

func (s *scanner) text(field, text string) {
	if s.left -= len(text) + 1; s.left < 0 {
		s.add(ruleLong, field, fmt.Sprintf("%+q…", cut(text, 40)))
		return
	}
	t := normal(text)
	for _, rule := range t.rules {
		s.add(rule, field, excerpt(text, firstOdd(text)))
	}
	for _, m := range markup {
		if i := strings.Index(t.shown, m.text); i >= 0 {
			s.add(m.rule, field, excerpt(t.shown, i))
		}
	}
	s.sentences(field, t.words)
	s.encoded(field, text)
}

// sentences looks for phrases.
func (s *scanner) sentences(field string, words []string) {
	for i, w := range words {
		for _, p := range starts[w] {
			if n, ok := p.meets(words[i+1:]); ok {
				s.add(p.rule, field, fmt.Sprintf("%+q", cut(strings.Join(words[i:i+1+n], " "), 120)))
			}
		}
	}
}

// encoded looks for texts inside Base64 and hexadecimal digits.
func (s *scanner) encoded(field, text string) {
	for _, run := range strings.FieldsFunc(text, func(r rune) bool { return !digit64(r) }) {
		if len(run) < 24 {
			continue
		}
		if plain, ok := decode(run); ok {
			s.add(ruleEncoded, field, fmt.Sprintf("%+q is %+q", cut(run, 24), cut(plain, 80)))
		}
	}
}

func digit64(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '+' || r == '/' || r == '-' || r == '_'
}

// decode returns the readable text that a run of digits stands for, if it has at least three words.
func decode(run string) (string, bool) {
	readable := func(b []byte) bool {
		return utf8.Valid(b) && len(strings.Fields(string(b))) > 2 && !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' && c != '\n' && c != '\t' || c == 0x7f })
	}
	if b, err := hex.DecodeString(run); err == nil && readable(b) {
		return string(b), true
	}
	whole := run[:len(run)/4*4] // the last letters may belong to what comes behind
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := e.DecodeString(whole); err == nil && readable(b) {
			return string(b), true
		}
	}
	return "", false
}

// firstOdd is where the first character stands that is not plain ASCII.
func firstOdd(s string) int {
	return max(0, strings.IndexFunc(s, func(r rune) bool { return r > '~' || r < ' ' && r != '\n' && r != '\r' && r != '\t' }))
}

// excerpt is what stands around a place in a text.
func excerpt(s string, at int) string {
	from := max(0, at-20)
	for from < at && !utf8.RuneStart(s[from]) {
		from++
	}
	return fmt.Sprintf("%+q", cut(s[from:], 100))
}

// cut returns at most n bytes of a text, whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
