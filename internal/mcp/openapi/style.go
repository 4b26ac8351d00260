package openapi

import (
	"slices"
	"strings"
)

// param is one parameter of an operation.
type param struct {
	arg      string // the argument's name, good for every model
	name     string // the API's own
	in       string // path | query | header | cookie
	style    string
	explode  bool
	reserved bool // allowReserved
	json     bool // the value is written as JSON
	plain    bool // a member of a form without a style of its own: what holds other values is written as JSON
	required bool
	shape    shape
}

// form is how RFC 6570 writes the expressions that a style stands for.
type form struct {
	first, sep string // before the value, and between the parts of an exploded one
	named      bool   // the name stands before a value
	empty      string // between the name and nothing
}

var forms = map[string]form{
	"simple":         {sep: ","},
	"label":          {first: ".", sep: "."},
	"matrix":         {first: ";", sep: ";", named: true},
	"form":           {sep: "&", named: true, empty: "="},
	"spaceDelimited": {sep: "&", named: true, empty: "="},
	"pipeDelimited":  {sep: "&", named: true, empty: "="},
}

// joints stand between the parts of a value that is not exploded, where it is not a comma.
var joints = map[string]string{"spaceDelimited": " ", "pipeDelimited": "|"}

// escaper writes a text so that it cannot be read as anything else.
type escaper func(dst []byte, text string) []byte

// styles are the ones that a place takes; the first is its default.
var styles = map[string][]string{
	"path":   {"simple", "label", "matrix"},
	"query":  {"form", "spaceDelimited", "pipeDelimited", "deepObject"},
	"header": {"simple"},
	"cookie": {"form"},
}

// expand appends a value in the parameter's style. What the style cannot write so that it is read as what it is, is refused.
func (p *param) expand(dst []byte, v value, esc escaper) ([]byte, error) {
	if v.kind == '[' && len(v.list) == 0 || v.kind == '{' && len(v.pairs) == 0 {
		return dst, p.nothing()
	}
	if p.style == "deepObject" {
		return p.deep(dst, v, esc)
	}
	if c := p.ambiguous(v); c != "" {
		return dst, wrong(p.arg, "has a value with %q in it, which stands between values there", c)
	}
	f := forms[p.style]
	dst = append(dst, f.first...)
	switch {
	case v.kind == 's':
		return p.one(dst, f, v.text, esc), nil
	case p.explode:
		return p.exploded(dst, f, v, esc), nil
	case f.named:
		dst = append(esc(dst, p.name), '=')
	}
	return p.joined(dst, v, esc), nil
}

// exploded appends the parts of a value, each by itself.
func (p *param) exploded(dst []byte, f form, v value, esc escaper) []byte {
	for i, text := range v.list {
		if i > 0 {
			dst = append(dst, f.sep...)
		}
		dst = p.one(dst, f, text, esc)
	}
	for i, m := range v.pairs {
		if i > 0 {
			dst = append(dst, f.sep...)
		}
		dst = esc(append(esc(dst, m[0]), '='), m[1])
	}
	return dst
}

// nothing is what becomes of an empty list or object: RFC 6570 leaves it out, and what is needed cannot be left out.
func (p *param) nothing() error {
	if p.required || p.in == "path" {
		return wrong(p.arg, "must not be empty")
	}
	return nil
}

// one appends one text, with the name before it where the style has that.
func (p *param) one(dst []byte, f form, text string, esc escaper) []byte {
	if !f.named {
		return esc(dst, text)
	}
	dst = esc(dst, p.name)
	if text == "" {
		return append(dst, f.empty...)
	}
	return esc(append(dst, '='), text)
}

// joined appends the parts of a value as one.
func (p *param) joined(dst []byte, v value, esc escaper) []byte {
	parts := v.list
	for _, m := range v.pairs {
		parts = append(parts, m[0], m[1])
	}
	joint, escaped := joints[p.style]
	for i, text := range parts {
		switch {
		case i > 0 && escaped:
			dst = percent(dst, joint)
		case i > 0:
			dst = append(dst, ',')
		}
		if p.reserved {
			dst = percent(dst, text) // its commas are not those between the values
		} else {
			dst = esc(dst, text)
		}
	}
	return dst
}

// ambiguous returns what a part of a list or an object has in it that would be read as the end of the part, since it is not
// escaped there.
func (p *param) ambiguous(v value) string {
	joint := joints[p.style]
	switch {
	case p.in == "header":
		joint = ","
	case p.style == "label" && p.explode:
		joint = "."
	}
	if joint == "" {
		return ""
	}
	for _, text := range v.list {
		if strings.Contains(text, joint) {
			return joint
		}
	}
	for _, m := range v.pairs {
		if strings.Contains(m[0]+m[1], joint) {
			return joint
		}
		if p.in == "header" && strings.Contains(m[0], "=") {
			return "="
		}
	}
	return ""
}

// deep appends an object as name[member]=value.
func (p *param) deep(dst []byte, v value, esc escaper) ([]byte, error) {
	if v.kind != '{' {
		return dst, wrong(p.arg, "must be an object")
	}
	for i, m := range v.pairs {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = percent(esc(dst, p.name), "[")
		dst = append(percent(esc(dst, m[0]), "]"), '=')
		dst = esc(dst, m[1])
	}
	return dst, nil
}

const hexDigits = "0123456789ABCDEF"

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// percent escapes all that is not unreserved (RFC 3986, section 2.3).
func percent(dst []byte, text string) []byte {
	for i := range len(text) {
		dst = escapeByte(dst, text[i], unreserved(text[i]))
	}
	return dst
}

func escapeByte(dst []byte, c byte, plain bool) []byte {
	if plain {
		return append(dst, c)
	}
	return append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
}

// reservedToo leaves reserved characters and escapes as they are (allowReserved), but for those that would end the value or the
// query: the specification leaves these to the caller, and a value is data here.
func reservedToo(dst []byte, text string) []byte {
	for i := range len(text) {
		c := text[i]
		escape := c == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2])
		dst = escapeByte(dst, c, unreserved(c) || escape || strings.IndexByte(":/?@!$'()*,;", c) >= 0)
	}
	return dst
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// plus escapes as forms do.
func plus(dst []byte, text string) []byte {
	for i := range len(text) {
		if text[i] == ' ' {
			dst = append(dst, '+')
			continue
		}
		dst = escapeByte(dst, text[i], unreserved(text[i]))
	}
	return dst
}

// verbatim is for headers, which have no escapes.
func verbatim(dst []byte, text string) []byte { return append(dst, text...) }

// escaper is how the parameter's place escapes.
func (p *param) escaper() escaper {
	switch {
	case p.in == "header":
		return verbatim
	case p.reserved && p.in == "query":
		return reservedToo
	}
	return percent
}

// foreign returns the member of an exploded object that would stand for another parameter of the query.
func (p *param) foreign(v value, taken []string) string {
	if p.in != "query" || p.style == "deepObject" || !p.explode {
		return ""
	}
	for _, m := range v.pairs {
		if m[0] != p.name && slices.Contains(taken, m[0]) {
			return m[0]
		}
	}
	return ""
}
