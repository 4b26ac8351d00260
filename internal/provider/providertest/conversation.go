package providertest

import (
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/llm"
)

// Conversation is what the model was told, in the gateway's words: texts, calls and results of each message, and the images
// that users show, if they are PNGs in base64, behind their texts.
func (r *Request) Conversation() []llm.Message {
	var out []llm.Message
	for i := range r.Messages {
		m := &r.Messages[i]
		msg := llm.Message{Role: llm.Role(m.Role), Text: m.Text}
		switch m.Role {
		case "tool":
			msg = llm.Message{Role: llm.ToolRole, Result: &llm.Result{CallID: m.CallID, Text: m.Text}}
		case "user":
			msg.Parts = pictures(m.Raw)
		case "developer":
			msg.Role = llm.System
		}
		for _, c := range m.Calls {
			msg.Calls = append(msg.Calls, llm.Call{ID: c.ID, Name: c.Name, Arguments: c.Arguments})
		}
		out = append(out, msg)
	}
	return out
}

// pictures are the images in a piece of JSON, whatever its wire calls them.
func pictures(raw string) []llm.Part {
	var v any
	if json.Unmarshal([]byte(raw), &v) != nil {
		return nil
	}
	var found []llm.Part
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, el := range v {
				walk(el)
			}
		case map[string]any:
			for _, el := range v {
				walk(el)
			}
		case string:
			data := strings.TrimPrefix(v, "data:image/png;base64,")
			if strings.HasPrefix(data, "iVBOR") {
				found = append(found, llm.Part{Kind: "image", MediaType: "image/png", Data: data})
			}
		}
	}
	walk(v)
	return found
}
