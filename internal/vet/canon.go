package vet

import (
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// AppendCanonical appends the one form of a JSON value that all its spellings have: no white space, members sorted by their
// decoded names, strings with as few escapes as there can be. It is RFC 8785 but for two things: numbers stay as they are
// written, so that none loses a digit, and names are sorted by their bytes. raw must be valid JSON.
func AppendCanonical(dst, raw []byte) []byte {
	c := canon{raw: raw}
	return c.value(dst)
}

// canon reads a value once, from left to right.
type canon struct {
	raw []byte
	i   int
}

// next skips white space, and returns the byte that stands there; 0 at the end.
func (c *canon) next() byte {
	for ; c.i < len(c.raw); c.i++ {
		if b := c.raw[c.i]; b != ' ' && b != '\t' && b != '\n' && b != '\r' {
			return b
		}
	}
	return 0
}

func (c *canon) value(dst []byte) []byte {
	switch c.next() {
	case '{':
		return c.object(dst)
	case '[':
		dst = append(dst, '[')
		for c.i++; c.next() != ']' && c.i < len(c.raw); {
			if c.raw[c.i] == ',' {
				c.i++
				dst = append(dst, ',')
			}
			dst = c.value(dst)
		}
		c.i++
		return append(dst, ']')
	case '"':
		return jsonedit.AppendQuote(dst, c.text())
	}
	from := c.i
	for c.i < len(c.raw) && !strings.ContainsRune(" \t\n\r,]}", rune(c.raw[c.i])) {
		c.i++
	}
	return append(dst, c.raw[from:c.i]...)
}

// text reads a string literal.
func (c *canon) text() string {
	from := c.i
	for c.i++; c.i < len(c.raw) && c.raw[c.i] != '"'; c.i++ {
		if c.raw[c.i] == '\\' {
			c.i++
		}
	}
	c.i = min(c.i+1, len(c.raw))
	s, _ := jsonedit.Unquote(c.raw[from:c.i])
	return s
}

// object reads an object. Members of one name keep their order.
func (c *canon) object(dst []byte) []byte {
	type member struct {
		key string
		val []byte
	}
	var all []member
	for c.i++; c.next() == '"' || c.next() == ','; {
		if c.raw[c.i] == ',' {
			c.i++
			continue
		}
		m := member{key: c.text()}
		if c.next() == ':' {
			c.i++
		}
		m.val = c.value(nil)
		all = append(all, m)
	}
	c.i++
	slices.SortStableFunc(all, func(a, b member) int { return strings.Compare(a.key, b.key) })
	dst = append(dst, '{')
	for i, m := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(jsonedit.AppendQuote(dst, m.key), ':'), m.val...)
	}
	return append(dst, '}')
}
