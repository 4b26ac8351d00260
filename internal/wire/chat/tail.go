package chat

import (
	"bytes"
	"iter"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// The functions of this file look for members in pieces of JSON text that may begin anywhere. Inside a JSON string the
// quotes of such a member would be escaped, so what they find is a member, not somebody's words.

// members yields the text behind each `"name":` in b, the last one first, where name comes with its quotes.
func members(b []byte, name string) iter.Seq[[]byte] {
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

// lastObject returns the last whole object among the members of this name, or nil.
func lastObject(b []byte, name string) []byte {
	for v := range members(b, name) {
		if len(v) > 0 && v[0] == '{' {
			if v = jsonedit.Get(v); v != nil {
				return v
			}
		}
	}
	return nil
}

// lastUsage returns the last usage object in b, or nil. path says where it stands: its last key is looked for.
func lastUsage(b []byte, path string) *llm.Usage {
	name := "usage"
	if path != "" {
		name = path[strings.LastIndexByte(path, '.')+1:]
	}
	return readUsage(lastObject(b, `"`+name+`"`))
}

// lastStop returns the last finish reason in b, or "".
func lastStop(b []byte) string {
	for v := range members(b, `"finish_reason"`) {
		if len(v) == 0 || v[0] != '"' {
			continue
		}
		if s, _ := jsonedit.Unquote(jsonedit.Get(v)); s != "" {
			return s
		}
	}
	return ""
}

// doneLine reports whether a line of b is the mark of a stream's end.
func doneLine(b []byte) bool {
	for _, mark := range []string{"data: [DONE]", "data:[DONE]"} {
		if i := bytes.LastIndex(b, []byte(mark)); i == 0 || i > 0 && (b[i-1] == '\n' || b[i-1] == '\r') {
			return true
		}
	}
	return false
}
