package messages

import (
	"strconv"

	"github.com/fairlead/fairlead/internal/llm"
)

// What the estimate of AppendCount takes for granted. A token of English or of code is about four bytes.
const (
	bytesPerToken  = 4
	tokensPerTurn  = 4    // what marks a message off from the next one
	tokensPerImage = 1600 // the most that the API scales an image to
	tokensPerFile  = 6000 // a few pages
)

// AppendCount appends {"input_tokens":N}, an estimate: about four bytes a token over the texts, the names and the schemas, and
// a flat number for each image and each file. Only a provider of this API can count exactly.
func (Door) AppendCount(dst []byte, req *llm.Request) []byte {
	size, flat := 0, 0
	parts := func(list []llm.Part) {
		for i := range list {
			switch p := &list[i]; p.Kind {
			case "text":
				size += len(p.Text)
			case "image":
				flat += tokensPerImage
			default:
				flat += tokensPerFile
			}
		}
	}
	conversation := req.Conversation()
	for i := range conversation {
		m := &conversation[i]
		flat += tokensPerTurn
		size += len(m.Text) + len(m.Think)
		parts(m.Parts)
		for j := range m.Calls {
			size += len(req.NameOf(&m.Calls[j])) + len(m.Calls[j].Arguments)
		}
		if r := m.Result; r != nil && len(r.Parts) > 0 {
			parts(r.Parts)
		} else if r != nil {
			size += len(r.Text)
		}
	}
	for _, tools := range [][]llm.Tool{req.AddedTools, req.Tools} {
		for i := range tools {
			flat += tokensPerTurn
			size += len(tools[i].Name) + len(tools[i].Description) + len(tools[i].Schema)
		}
	}
	dst = append(dst, `{"input_tokens":`...)
	return append(strconv.AppendInt(dst, int64(flat+(size+bytesPerToken-1)/bytesPerToken), 10), '}')
}
