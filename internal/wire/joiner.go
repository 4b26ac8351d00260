package wire

import (
	"strconv"
	"unicode/utf8"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// Joiner decodes a text that comes in several JSON string literals. A character that is cut in two, as half a surrogate
// pair or as a part of its UTF-8 bytes, is held until the rest is there.
type Joiner struct{ held []byte }

// Add returns the text of the next literal, and false if it is no string.
func (j *Joiner) Add(lit []byte) (string, bool) {
	if jsonedit.Kind(lit) != '"' {
		return "", false
	}
	cut := cutOff(lit[:len(lit)-1])
	if cut == 0 && len(j.held) == 0 {
		return jsonedit.Unquote(lit)
	}
	end := len(lit) - 1 - cut
	whole := append(append([]byte{'"'}, j.held...), lit[1:end]...)
	s, ok := jsonedit.Unquote(append(whole, '"'))
	j.held = append(j.held[:0], lit[end:len(lit)-1]...)
	return s, ok
}

// Rest returns what stands for a character whose second half never came.
func (j *Joiner) Rest() string {
	if len(j.held) == 0 {
		return ""
	}
	j.held = j.held[:0]
	return string(utf8.RuneError)
}

// cutOff returns how many bytes at the end of the literal s, which lacks its closing quote, begin a character and do not
// finish it.
func cutOff(s []byte) int {
	n := len(s)
	if n > 6 && s[n-6] == '\\' && s[n-5] == 'u' {
		r, err := strconv.ParseUint(string(s[n-4:]), 16, 16)
		slashes := 0
		for n-6-slashes > 0 && s[n-6-slashes] == '\\' {
			slashes++
		}
		if err == nil && r >= 0xD800 && r < 0xDC00 && slashes%2 == 1 {
			return 6
		}
	}
	for i := 1; i <= 3 && i < n; i++ {
		if c := s[n-i]; c >= 0xC0 {
			if utf8.FullRune(s[n-i:]) {
				return 0
			}
			return i
		} else if c < utf8.RuneSelf {
			return 0
		}
	}
	return 0
}
