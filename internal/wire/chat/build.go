package chat

import (
	"cmp"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// build appends a body made of the decoded fields.
func (u *Upstream) build(dst []byte, req *llm.Request) ([]byte, error) {
	enc := u.encoder()
	body := jsonedit.AppendQuote([]byte(`{"model":`), cmp.Or(u.q.Model, req.Model))
	if req.Stream {
		body = append(body, `,"stream":true`...)
		if !u.q.NoStreamUsage {
			body = append(body, `,"stream_options":{"include_usage":true}`...)
		}
	}
	body = append(body, `,"messages":[`...)
	body = enc.messages(body, req.Conversation(), true)
	body = append(body, ']')
	if n := len(req.AddedTools) + len(req.Tools); n > 0 && (req.ToolChoice != llm.ChoiceNone || !u.q.NoChoiceNone) {
		body = enc.tools(append(body, `,"tools":[`...), req.AddedTools)
		for i := range req.Tools {
			body = enc.tool(comma(body, i+len(req.AddedTools)), &req.Tools[i])
		}
		body = append(body, ']')
		body = u.buildChoice(body, req)
	}
	if req.Params.N > 1 {
		body = appendInt(append(body, `,"n":`...), int64(req.Params.N))
	}
	if req.Params.JSON {
		body = append(body, `,"response_format":{"type":"json_object"}`...)
	}
	body, _, err := u.fitParams(append(body, '}'))
	return append(dst, body...), err
}

func (u *Upstream) buildChoice(body []byte, req *llm.Request) []byte {
	switch {
	case req.ToolChoice == llm.ChoiceNone:
		body = append(body, `,"tool_choice":"none"`...)
	case req.ToolChoice == llm.ChoiceAsIs && req.Params.ForcedTool:
		body = jsonedit.AppendQuote(append(body, `,"tool_choice":`...), cmp.Or(u.q.ForceWord, "required"))
	}
	if req.Params.OneByOne {
		body = append(body, `,"parallel_tool_calls":false`...)
	}
	return body
}
