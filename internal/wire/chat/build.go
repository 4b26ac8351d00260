package chat

import (
	"cmp"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// build appends a body made of the decoded fields: for a request that came over another wire or was made in process.
func (u *Upstream) build(dst []byte, req *llm.Request) ([]byte, error) {
	if err := u.sayable(req); err != nil {
		return dst, err
	}
	enc := u.encoder(req)
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
	none := req.ToolChoice == llm.ChoiceNone || req.ToolChoice == llm.ChoiceAsIs && req.Params.Choice.Mode == "none"
	if n := len(req.AddedTools) + len(req.Tools); n > 0 && (!none || !u.q.NoChoiceNone) {
		body = enc.tools(append(body, `,"tools":[`...), req.AddedTools)
		for i := range req.Tools {
			body = enc.tool(comma(body, i+len(req.AddedTools)), &req.Tools[i])
		}
		body = append(body, ']')
		body = u.buildChoice(body, req, none)
	}
	body = buildParams(body, &req.Params)
	body, _, err := u.fitParams(append(body, '}'))
	return append(dst, body...), err
}

func (u *Upstream) buildChoice(body []byte, req *llm.Request, none bool) []byte {
	switch {
	case none:
		body = append(body, `,"tool_choice":"none"`...)
	default:
		body = u.asked(body, req)
	}
	if req.Params.OneByOne {
		body = append(body, `,"parallel_tool_calls":false`...)
	}
	return body
}

// asked appends the caller's own tool choice, or what the loop has left of it. Auto is what providers do unasked.
func (u *Upstream) asked(body []byte, req *llm.Request) []byte {
	c := wire.Chosen(req)
	switch {
	case c.Mode == "tool":
		body = append(body, `,"tool_choice":{"type":"function","function":{"name":`...)
		return append(jsonedit.AppendQuote(body, c.Name), `}}`...)
	case c.Allowed != nil:
		body = append(body, `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":`...)
		body = append(jsonedit.AppendQuote(body, c.Mode), `,"tools":[`...)
		for i, name := range c.Allowed {
			body = append(comma(body, i), `{"type":"function","function":{"name":`...)
			body = append(jsonedit.AppendQuote(body, name), `}}`...)
		}
		return append(body, `]}}`...)
	case c.Mode == "required" || c.Mode == "" && req.Params.ForcedTool:
		return jsonedit.AppendQuote(append(body, `,"tool_choice":`...), cmp.Or(u.q.ForceWord, "required"))
	}
	return body
}

// sayable refuses what the provider has no word for, and what its answer would have and the client's dialect would lose: log
// probabilities stand in the chunks of this wire, and in the items of the responses' one.
func (u *Upstream) sayable(req *llm.Request) error {
	name, why := "", ""
	switch {
	case len(req.Params.TopK) > 0 && !u.q.TopK:
		name, why = "top_k", "top_k cannot be said to this model's provider: leave it out"
	case len(req.Params.TopLogprobs) > 0 && req.Raw.Wire != "" && req.Raw.Wire != Name:
		name, why = "logprobs", "the log probabilities of a model that is asked over chat completions do not come to a client of another dialect: leave them out, or ask over /v1/chat/completions"
	default:
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Op: "chat.build", Code: "unsupported_parameter", Param: name, Message: why}
}

// buildParams appends the controls that are said, in the words of OpenAI's API reference.
func buildParams(b []byte, p *llm.Params) []byte {
	if p.N > 1 {
		b = appendInt(append(b, `,"n":`...), int64(p.N))
	}
	if p.MaxOutput > 0 {
		b = appendInt(append(b, `,"max_completion_tokens":`...), p.MaxOutput)
	}
	for _, n := range []struct {
		name  string
		value []byte
	}{
		{"temperature", p.Temperature},
		{"top_p", p.TopP},
		{"top_k", p.TopK},
		{"frequency_penalty", p.FrequencyPenalty},
		{"presence_penalty", p.PresencePenalty},
		{"seed", p.Seed},
	} {
		if len(n.value) > 0 {
			b = append(append(append(b, `,"`...), n.name...), `":`...)
			b = append(b, n.value...)
		}
	}
	if len(p.TopLogprobs) > 0 {
		if b = append(b, `,"logprobs":true`...); string(p.TopLogprobs) != "0" {
			b = append(append(b, `,"top_logprobs":`...), p.TopLogprobs...)
		}
	}
	for i, s := range p.Stop {
		b = jsonedit.AppendQuote(append(b, []string{`,"stop":[`, `,`}[min(i, 1)]...), s)
	}
	if len(p.Stop) > 0 {
		b = append(b, ']')
	}
	b = buildFormat(b, p)
	for _, w := range [][2]string{
		{"reasoning_effort", wire.Effort(p)},
		{"verbosity", p.Verbosity},
		{"service_tier", p.ServiceTier},
		{"user", wire.ShortID(p.User)},
		{"prompt_cache_key", wire.ShortID(p.CacheKey)},
	} {
		if w[1] != "" {
			b = jsonedit.AppendQuote(append(append(append(b, `,"`...), w[0]...), `":`...), w[1])
		}
	}
	return b
}

func buildFormat(b []byte, p *llm.Params) []byte {
	f := p.Format
	switch {
	case f == nil && !p.JSON:
		return b
	case f == nil || f.Schema == nil && f.Name == "":
		return append(b, `,"response_format":{"type":"json_object"}`...)
	}
	b = append(b, `,"response_format":{"type":"json_schema","json_schema":{"name":`...)
	b = jsonedit.AppendQuote(b, cmp.Or(f.Name, "answer"))
	if f.Description != "" {
		b = jsonedit.AppendQuote(append(b, `,"description":`...), f.Description)
	}
	if f.Schema != nil {
		b = append(append(b, `,"schema":`...), f.Schema...)
	}
	if f.Strict != nil {
		b = appendBool(append(b, `,"strict":`...), *f.Strict)
	}
	return append(b, `}}`...)
}
