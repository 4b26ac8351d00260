package mcp

import (
	"bytes"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

var outputKeys = jsonedit.NewKeys("outputSchema")

// OlderTools is the list of tools as clients of the older era know them: outputs are objects, and a schema of anything else is
// left out. It is made once for all who see the same.
func (v *View) OlderTools() []byte {
	s := v.shelf
	s.once.Do(func() { s.older = olderTools(s.tools) })
	return s.older
}

func olderTools(tools []byte) []byte {
	if !bytes.Contains(tools, []byte(`"outputSchema"`)) {
		return tools
	}
	out := make([]byte, 0, len(tools))
	out = append(out, '[')
	for t := range jsonedit.Elements(tools) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		kind, _ := jsonedit.Unquote(jsonedit.Get(t, "outputSchema", "type"))
		o, err := jsonedit.Scan(t, outputKeys)
		if err != nil || kind == "object" || !o.Value("outputSchema").Found() {
			out = append(out, t...)
			continue
		}
		out = jsonedit.Apply(out, t, o.Delete(nil, t, "outputSchema"))
	}
	return append(out, ']')
}
