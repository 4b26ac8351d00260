package chat

import (
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// lastUsage returns the last usage object in b, or nil. path says where it stands: its last key is looked for.
func lastUsage(b []byte, path string) *llm.Usage {
	name := "usage"
	if path != "" {
		name = path[strings.LastIndexByte(path, '.')+1:]
	}
	return readUsage(wire.LastObject(b, `"`+name+`"`))
}

// lastStop returns the last finish reason in b, or "".
func lastStop(b []byte) string {
	for v := range wire.LastMembers(b, `"finish_reason"`) {
		if len(v) == 0 || v[0] != '"' {
			continue
		}
		if s, _ := jsonedit.Unquote(jsonedit.Get(v)); s != "" {
			return s
		}
	}
	return ""
}
