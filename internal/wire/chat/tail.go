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

// members yields the text behind each `"name":` in b, where name comes with its quotes.
func members(b []byte, name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for {
			i := bytes.Index(b, []byte(name))
			if i < 0 {
				return
			}
			b = b[i+len(name):]
			v := bytes.TrimLeft(b, " \t\r\n")
			if len(v) == 0 || v[0] != ':' {
				continue
			}
			if !yield(bytes.TrimLeft(v[1:], " \t\r\n")) {
				return
			}
		}
	}
}

// objects yields the whole objects among the members of this name.
func objects(b []byte, name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for v := range members(b, name) {
			if len(v) > 0 && v[0] == '{' {
				if v = jsonedit.Get(v); v != nil && !yield(v) {
					return
				}
			}
		}
	}
}

// lastUsage returns the last usage object in b, or nil. path says where it stands: its last key is looked for.
func lastUsage(b []byte, path string) *llm.Usage {
	name := "usage"
	if path != "" {
		name = path[strings.LastIndexByte(path, '.')+1:]
	}
	var last []byte
	for v := range objects(b, `"`+name+`"`) {
		last = v
	}
	return readUsage(last)
}

// lastStop returns the last finish reason in b, or "".
func lastStop(b []byte) string {
	stop := ""
	for v := range members(b, `"finish_reason"`) {
		if len(v) == 0 || v[0] != '"' {
			continue
		}
		switch s, _ := jsonedit.Unquote(jsonedit.Get(v)); s {
		case "":
		case llm.StopDone:
			stop = llm.StopDone
		default:
			stop = s
		}
	}
	return stop
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
