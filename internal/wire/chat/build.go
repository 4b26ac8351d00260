package chat

import (
	"cmp"
	"slices"

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
	body = enc.messages(body, conversation(req), true)
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

// conversation is the decoded messages with hidden turns put back, and what the rounds so far have added.
func conversation(req *llm.Request) []llm.Message {
	if len(req.Restored) == 0 && len(req.AddedMessages) == 0 {
		return req.Messages
	}
	out := make([]llm.Message, 0, len(req.Messages)+len(req.AddedMessages))
	told := make([]bool, len(req.Restored))
	for i := range req.Messages {
		m := &req.Messages[i]
		at := slices.IndexFunc(req.Restored, func(k llm.Kept) bool {
			return slices.ContainsFunc(m.Calls, func(c llm.Call) bool { return slices.Contains(k.IDs, c.ID) })
		})
		if at >= 0 && !told[at] && len(req.Restored[at].Messages) > 0 {
			told[at] = true
			out = append(out, req.Restored[at].Messages...)
			continue
		}
		out = append(out, *m)
	}
	return append(out, req.AddedMessages...)
}
