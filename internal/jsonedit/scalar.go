package jsonedit

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// KeyIs reports whether the raw key, without quotes as [Members] yields it, stands for name.
func KeyIs(key []byte, name string) bool {
	if string(key) == name {
		return bytes.IndexByte(key, '\\') < 0
	}
	if bytes.IndexByte(key, '\\') < 0 {
		return false
	}
	var room [64]byte
	text, ok := appendUnescaped(room[:0], key)
	return ok && string(text) == name
}

// trim returns lit without white space around it.
func trim(lit []byte) []byte {
	lit = lit[space(lit, 0):]
	for n := len(lit); n > 0 && space(lit, n-1) == n; n-- {
		lit = lit[:n-1]
	}
	return lit
}

// Unquote returns the text of a JSON string literal, and false for anything else. Half surrogate pairs and invalid UTF-8
// become U+FFFD.
func Unquote(lit []byte) (string, bool) {
	if inside, ok := plain(lit); ok {
		return string(inside), true
	}
	var room [256]byte
	text, ok := AppendUnquote(room[:0], lit)
	if !ok {
		return "", false
	}
	return string(text), true
}

// plain returns the inside of a JSON string literal whose bytes are its text, and false for anything else.
func plain(lit []byte) ([]byte, bool) {
	if lit = trim(lit); len(lit) >= 2 && lit[0] == '"' {
		if end, plain, msg := str(lit, 1); plain && msg == "" && end == len(lit) {
			return lit[1 : end-1], true
		}
	}
	return nil, false
}

// Says reports whether lit is a JSON string literal for text, as [Unquote] would return it.
func Says(lit []byte, text string) bool {
	if inside, ok := plain(lit); ok {
		return string(inside) == text
	}
	s, ok := Unquote(lit)
	return ok && s == text
}

// AppendUnquote appends to dst the text of a JSON string literal as [Unquote] returns it. For anything else it returns dst
// as it was and false.
func AppendUnquote(dst, lit []byte) ([]byte, bool) {
	lit = trim(lit)
	if len(lit) < 2 || lit[0] != '"' || skipString(lit, 1) != len(lit) {
		return dst, false
	}
	out, ok := appendUnescaped(dst, lit[1:len(lit)-1])
	if !ok {
		return dst, false
	}
	return out, true
}

// appendUnescaped appends the text of the inside of a string literal.
func appendUnescaped(dst, raw []byte) ([]byte, bool) {
	for len(raw) > 0 {
		switch c := raw[0]; {
		case c < 0x20 || c == '"':
			return dst, false
		case c == '\\':
			r, n := unescape(raw)
			if n == 0 {
				return dst, false
			}
			dst, raw = utf8.AppendRune(dst, r), raw[n:]
		case c < utf8.RuneSelf:
			n := 1
			for n < len(raw) && raw[n] >= 0x20 && raw[n] < utf8.RuneSelf && raw[n] != '\\' && raw[n] != '"' {
				n++
			}
			dst, raw = append(dst, raw[:n]...), raw[n:]
		default:
			r, n := utf8.DecodeRune(raw)
			dst, raw = utf8.AppendRune(dst, r), raw[n:]
		}
	}
	return dst, true
}

// unescape returns the character of the escape that raw begins with and the length of the escape, 0 if it is malformed.
func unescape(raw []byte) (rune, int) {
	if len(raw) < 2 {
		return 0, 0
	}
	switch raw[1] {
	case '"', '\\', '/':
		return rune(raw[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r := hex4(raw[2:])
		if r < 0 {
			return 0, 0
		}
		if escape(raw) == 12 {
			return utf16.DecodeRune(r, hex4(raw[8:])), 12
		}
		return r, 6 // AppendRune writes half a pair as U+FFFD
	}
	return 0, 0
}

// AppendQuote appends s to dst as a JSON string literal. Invalid UTF-8 becomes U+FFFD; only what must be escaped is.
func AppendQuote(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		n := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, n = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		dst = appendEscape(append(dst, s[start:i]...), c)
		i += n
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// appendEscape appends what stands for the byte c, which a string literal cannot hold as it is.
func appendEscape(dst []byte, c byte) []byte {
	const hexDigits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	if c >= utf8.RuneSelf { // a part of invalid UTF-8
		return append(dst, "\uFFFD"...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// Int returns the value of a JSON number that is a whole one and fits: also of 12.0 and 1e3, as long as a float64 holds it exactly.
func Int(lit []byte) (int64, bool) {
	if n, ok := short(lit); ok {
		return n, true
	}
	lit = trim(lit)
	if len(lit) == 0 || len(lit) > 64 || Kind(lit) != '0' {
		return 0, false
	}
	if end, msg := number(lit, 0); msg != "" || end != len(lit) {
		return 0, false
	}
	if !bytes.ContainsAny(lit, ".eE") {
		n, err := strconv.ParseInt(string(lit), 10, 64)
		return n, err == nil
	}
	f, err := strconv.ParseFloat(string(lit), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// short is Int for a few digits and nothing else, as nearly all whole numbers are.
func short(lit []byte) (n int64, ok bool) {
	if len(lit) == 0 || len(lit) > 18 || lit[0] == '0' && len(lit) > 1 {
		return 0, false
	}
	for _, c := range lit {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// Bool returns the value of the literals true and false; ok is false for anything else.
func Bool(lit []byte) (v, ok bool) {
	switch string(trim(lit)) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// IsNull reports whether lit is the literal null or nothing at all.
func IsNull(lit []byte) bool {
	lit = trim(lit)
	return len(lit) == 0 || string(lit) == "null"
}
