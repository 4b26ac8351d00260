package jsonedit

import (
	"math/bits"
	"unicode/utf8"
)

// The functions of this file read JSON strictly. Each takes the offset to start at and returns the offset after what it
// read and an empty text, or the offset of the fault and what the fault is.

const (
	msgEnd     = "unexpected end of JSON"
	msgValue   = "a JSON value was expected"
	msgKey     = "a quoted key was expected"
	msgColon   = "':' was expected after a key"
	msgNext    = "',' or a closing bracket was expected"
	msgBracket = "the closing bracket does not match the opening one"
	msgDepth   = "JSON is nested too deeply"
	msgNumber  = "malformed number"
	msgLiteral = "malformed literal"
	msgControl = "control character in a string"
	msgString  = "unterminated string"
	msgEscape  = "malformed escape in a string"
	msgUTF8    = "a string is not valid UTF-8"
	msgTrail   = "unexpected bytes after the JSON value"
)

// space returns the offset of the first byte from i on that is not white space, or len(b).
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// value reads one value that starts at i, inside depth open brackets.
func value(b []byte, i, depth int) (int, string) {
	if i < len(b) && (b[i] == '{' || b[i] == '[') {
		return nested(b, i, depth)
	}
	return scalar(b, i)
}

func scalar(b []byte, i int) (int, string) {
	if i >= len(b) {
		return len(b), msgEnd
	}
	switch c := b[i]; {
	case c == '"':
		end, _, msg := str(b, i+1)
		return end, msg
	case c == '-' || c-'0' <= 9:
		return number(b, i)
	case c == 't':
		return literal(b, i, "true")
	case c == 'f':
		return literal(b, i, "false")
	case c == 'n':
		return literal(b, i, "null")
	}
	return i, msgValue
}

// brackets is the stack of open brackets inside one value: a set bit stands for an object.
type brackets struct {
	bits [MaxDepth / 64]uint64
	n    int
}

func (s *brackets) push(object bool) {
	w, m := s.n>>6, uint64(1)<<(s.n&63)
	if object {
		s.bits[w] |= m
	} else {
		s.bits[w] &^= m
	}
	s.n++
}

func (s *brackets) object() bool { n := s.n - 1; return s.bits[n>>6]>>(n&63)&1 != 0 }

// nested reads the object or array that opens at i.
func nested(b []byte, i, depth int) (int, string) {
	var s brackets
	var msg string
	for {
		// Here b[i] begins a value.
		if i < len(b) && (b[i] == '{' || b[i] == '[') {
			var inside bool
			if i, inside, msg = s.open(b, i, depth); inside {
				continue
			}
		} else {
			i, msg = scalar(b, i)
		}
		if msg != "" {
			return i, msg
		}
		if i, msg = s.next(b, i); msg != "" || s.n == 0 {
			return i, msg
		}
	}
}

// open goes past the opening bracket at i. It reports whether the bracket is open still, so that a value has to follow:
// the brackets of what is empty are closed at once.
func (s *brackets) open(b []byte, i, depth int) (int, bool, string) {
	if depth+s.n >= MaxDepth {
		return i, false, msgDepth
	}
	c := b[i]
	i = space(b, i+1)
	if i < len(b) && b[i] == c+2 { // '{'+2 is '}', '['+2 is ']'
		return i + 1, false, ""
	}
	s.push(c == '{')
	var msg string
	if c == '{' {
		i, msg = key(b, i)
	}
	return i, msg == "", msg
}

// next goes on behind a value: past closing brackets, and past a comma (and a key) to the next value.
func (s *brackets) next(b []byte, i int) (int, string) {
	var msg string
	for s.n > 0 {
		if i = space(b, i); i >= len(b) {
			return len(b), msgEnd
		}
		object := s.object()
		switch b[i] {
		case ',':
			if i = space(b, i+1); object {
				i, msg = key(b, i)
			}
			return i, msg
		case '}', ']':
			if object != (b[i] == '}') {
				return i, msgBracket
			}
			s.n--
			i++
		default:
			return i, msgNext
		}
	}
	return i, ""
}

// key reads a key, its colon, and the white space behind it.
func key(b []byte, i int) (int, string) {
	if i >= len(b) {
		return len(b), msgEnd
	}
	if b[i] != '"' {
		return i, msgKey
	}
	i, _, msg := str(b, i+1)
	if msg != "" {
		return i, msg
	}
	return colon(b, i)
}

func colon(b []byte, i int) (int, string) {
	if i = space(b, i); i >= len(b) {
		return len(b), msgEnd
	}
	if b[i] != ':' {
		return i, msgColon
	}
	return space(b, i+1), ""
}

func literal(b []byte, i int, want string) (int, string) {
	if len(b)-i < len(want) || string(b[i:i+len(want)]) != want {
		return i, msgLiteral
	}
	return i + len(want), ""
}

func number(b []byte, i int) (int, string) {
	start := i
	if b[i] == '-' {
		i++
	}
	first := i
	if i = digits(b, i); i == first || (b[first] == '0' && i > first+1) {
		return start, msgNumber
	}
	if i < len(b) && b[i] == '.' {
		first = i + 1
		if i = digits(b, first); i == first {
			return start, msgNumber
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		first = i
		if i = digits(b, i); i == first {
			return start, msgNumber
		}
	}
	return i, ""
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks, in the high bit of each byte, the bytes of w that are a quote, a backslash or a control character.
// Only the lowest mark is exact, which is all that the callers use.
func special(w uint64) uint64 {
	q, s := w^ones*2, w^(ones*'\\') // with bit 1 turned over a quote is 0x20, next to the control characters
	return ((q-ones*0x21)&^w | (s-ones)&^s) & highs
}

// word is b[i:i+8] as a number. Read from a slice of those bytes, as encoding/binary does it, it takes a third longer.
func word(b []byte, i int) uint64 {
	_ = b[i+7]
	return uint64(b[i]) | uint64(b[i+1])<<8 | uint64(b[i+2])<<16 | uint64(b[i+3])<<24 |
		uint64(b[i+4])<<32 | uint64(b[i+5])<<40 | uint64(b[i+6])<<48 | uint64(b[i+7])<<56
}

// str reads a string whose opening quote is before i. It also reports whether the string is plain:
// ASCII without an escape, so that its bytes are its value.
func str(b []byte, i int) (end int, plain bool, msg string) {
	start, high, plain := i, uint64(0), true
	for {
		for i >= 0 && i < len(b)-7 {
			w := word(b, i)
			if m := special(w); m != 0 {
				high |= w & ((m&-m)>>7 - 1)
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			high |= w
			i += 8
		}
		for i < len(b) && b[i] >= 0x20 && b[i] != '"' && b[i] != '\\' { // the last few bytes of the document
			high |= uint64(b[i])
			i++
		}
		switch {
		case i >= len(b):
			return len(b), false, msgString
		case b[i] == '"':
			if high&highs != 0 {
				if plain = false; !utf8.Valid(b[start:i]) {
					return start, false, msgUTF8
				}
			}
			return i + 1, plain, ""
		case b[i] != '\\':
			return i, false, msgControl
		}
		plain = false
		n := escape(b[i:])
		if n == 0 {
			return i, false, msgEscape
		}
		i += n
	}
}

// escape returns the length of the escape that b begins with, or 0 if it is malformed. Both halves of a surrogate pair
// are one escape, and a half alone is malformed.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		r := hex4(b[2:])
		switch {
		case r < 0:
			return 0
		case r < 0xD800 || r > 0xDFFF:
			return 6
		case r > 0xDBFF || len(b) < 12 || b[6] != '\\' || b[7] != 'u':
			return 0
		}
		if r = hex4(b[8:]); r >= 0xDC00 && r <= 0xDFFF {
			return 12
		}
	}
	return 0
}

// hex4 returns the value of the four hexadecimal digits that b begins with, or -1.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// Valid reports whether doc is exactly one JSON value, of any kind, as strictly as [Scan] reads:
// with white space around it at most, valid UTF-8, whole surrogate pairs, and no deeper than [MaxDepth].
func Valid(doc []byte) bool {
	i, msg := value(doc, space(doc, 0), 0)
	return msg == "" && space(doc, i) == len(doc)
}
