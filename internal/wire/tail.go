package wire

import (
	"bytes"
	"iter"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// The functions below look for members in pieces of JSON text that may begin anywhere. Inside a JSON string the
// quotes of such a member would be escaped, so what they find is a member, not somebody's words.

// LastMembers yields the text behind each `"name":` in b, the last one first, where name comes with its quotes.
func LastMembers(b []byte, name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for end := len(b); ; {
			i := bytes.LastIndex(b[:end], []byte(name))
			if i < 0 {
				return
			}
			end = i
			at := blank(b, i+len(name))
			if at < len(b) && b[at] == ':' && !yield(b[blank(b, at+1):]) {
				return
			}
		}
	}
}

// blank returns the offset of the first byte of b, from i on, that is not white space.
func blank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// LastObject returns the last whole object among the members of this name, or nil.
func LastObject(b []byte, name string) []byte {
	for v := range LastMembers(b, name) {
		if len(v) > 0 && v[0] == '{' {
			if v = jsonedit.Get(v); v != nil {
				return v
			}
		}
	}
	return nil
}

// DoneLine reports whether a line of b is the mark `data: [DONE]` of a stream's end.
func DoneLine(b []byte) bool {
	for _, mark := range []string{"data: [DONE]", "data:[DONE]"} {
		if i := bytes.LastIndex(b, []byte(mark)); i == 0 || i > 0 && (b[i-1] == '\n' || b[i-1] == '\r') {
			return true
		}
	}
	return false
}
