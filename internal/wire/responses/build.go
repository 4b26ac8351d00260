package responses

import (
	"cmp"
	"strconv"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// build appends a body made of the decoded fields: for a request that came over another wire or was made in process. The
// provider is asked to keep nothing, so its reasoning travels encrypted.
func (u *Upstream) build(dst []byte, req *llm.Request) ([]byte, error) {
	if err := u.sayable(req); err != nil {
		return dst, err
	}
	model := cmp.Or(u.q.Model, req.Model)
	body := jsonedit.AppendQuote([]byte(`{"model":`), model)
	if req.Stream {
		body = append(body, `,"stream":true`...)
	}
	body = append(body, `,"store":false`...)
	if thinks(model) {
		body = append(append(append(body, `,"include":[`...), includeReasoning...), ']')
	}
	talk := req.Conversation()
	system, rest := instructions(talk)
	if system != "" {
		body = jsonedit.AppendQuote(append(body, `,"instructions":`...), system)
	}
	enc := encoder{req: req}
	body = enc.messages(append(body, `,"input":[`...), rest)
	body = append(body, ']')
	if len(req.AddedTools)+len(req.Tools) > 0 {
		body = appendTools(append(body, `,"tools":[`...), req.AddedTools, 0)
		body = appendTools(body, req.Tools, len(req.AddedTools))
		body = buildChoice(append(body, ']'), req)
	}
	body, _, err := u.params.Fit(append(buildParams(body, &req.Params), '}'))
	if err != nil {
		return dst, wire.ScanFault("responses.build", err)
	}
	return append(dst, body...), nil
}

// sayable refuses what changes an answer and has no word in this wire. A seed is left out: providers do not promise what it
// asks for.
func (u *Upstream) sayable(req *llm.Request) error {
	p := &req.Params
	for _, x := range []struct {
		name string
		said bool
	}{
		{"stop", len(p.Stop) > 0},
		{"top_k", len(p.TopK) > 0 && !u.q.TopK},
		{"frequency_penalty", number(p.FrequencyPenalty)},
		{"presence_penalty", number(p.PresencePenalty)},
	} {
		if x.said {
			return &fault.Error{
				Kind: fault.Invalid, Op: "responses.build", Code: "unsupported_parameter", Param: x.name,
				Message: x.name + " cannot be said to this model's provider, whose wire (responses) has no word for it: leave it out",
			}
		}
	}
	if len(p.TopLogprobs) > 0 && req.Raw.Wire != "" && req.Raw.Wire != Name {
		return &fault.Error{
			Kind: fault.Invalid, Op: "responses.build", Code: "unsupported_parameter", Param: "logprobs",
			Message: "the log probabilities of a model that is asked over responses do not come to a client of another dialect: leave them out, or ask over /v1/responses",
		}
	}
	return nil
}

// number reports whether a penalty is said and is not the default.
func number(lit []byte) bool {
	f, err := strconv.ParseFloat(string(lit), 64)
	return len(lit) > 0 && (err != nil || f != 0)
}

// instructions are the system messages that a conversation begins with. Those that come later stay where they are.
func instructions(talk []llm.Message) (string, []llm.Message) {
	text := ""
	for i := range talk {
		if talk[i].Role != llm.System || hasMedia(talk[i].Parts) {
			return text, talk[i:]
		}
		if s := plainText(&talk[i]); text != "" && s != "" {
			text += "\n\n" + s
		} else {
			text += s
		}
	}
	return text, nil
}

func buildChoice(b []byte, req *llm.Request) []byte {
	c := wire.Chosen(req)
	if req.Params.OneByOne {
		b = append(b, `,"parallel_tool_calls":false`...)
	}
	switch {
	case req.ToolChoice == llm.ChoiceNone || req.ToolChoice == llm.ChoiceAsIs && c.Mode == "none":
		return append(b, `,"tool_choice":"none"`...)
	case c.Allowed != nil:
		if req.ToolChoice != llm.ChoiceAsIs || c.Mode != "required" {
			c.Mode = "auto"
		}
		return appendAllowed(append(b, `,"tool_choice":`...), c.Mode, c.Allowed)
	case req.ToolChoice == llm.ChoiceAuto:
	case c.Mode == "tool":
		return appendFunctionName(append(b, `,"tool_choice":`...), c.Name)
	case c.Mode == "required" || c.Mode == "" && req.Params.ForcedTool:
		return append(b, `,"tool_choice":"required"`...)
	}
	return b
}

// appendAllowed appends the tool choice that allows these functions alone.
func appendAllowed(b []byte, mode string, names []string) []byte {
	b = jsonedit.AppendQuote(append(b, `{"type":"allowed_tools","mode":`...), mode)
	b = append(b, `,"tools":[`...)
	for i, name := range names {
		b = appendFunctionName(comma(b, i), name)
	}
	return append(b, `]}`...)
}

func appendFunctionName(b []byte, name string) []byte {
	return append(jsonedit.AppendQuote(append(b, `{"type":"function","name":`...), name), '}')
}

// buildParams appends the controls that are said.
func buildParams(b []byte, p *llm.Params) []byte {
	if p.MaxOutput > 0 {
		b = strconv.AppendInt(append(b, `,"max_output_tokens":`...), p.MaxOutput, 10)
	}
	for _, n := range []struct {
		name  string
		value []byte
	}{
		{"temperature", p.Temperature},
		{"top_p", p.TopP},
		{"top_k", p.TopK},
		{"top_logprobs", p.TopLogprobs},
	} {
		if len(n.value) > 0 {
			b = append(append(append(b, `,"`...), n.name...), `":`...)
			b = append(b, n.value...)
		}
	}
	b = buildReasoning(b, p)
	b = buildText(b, p)
	for _, w := range [][2]string{
		{"safety_identifier", wire.ShortID(p.User)},
		{"service_tier", p.ServiceTier},
		{"prompt_cache_key", wire.ShortID(p.CacheKey)},
	} {
		if w[1] != "" {
			b = jsonedit.AppendQuote(append(append(append(b, `,"`...), w[0]...), `":`...), w[1])
		}
	}
	return b
}

// buildReasoning appends how much the model is to reason. Who asks for it wants to see it, of which this wire has summaries.
func buildReasoning(b []byte, p *llm.Params) []byte {
	effort := wire.Effort(p)
	if effort == "" {
		return b
	}
	b = jsonedit.AppendQuote(append(b, `,"reasoning":{"effort":`...), effort)
	if effort != "none" {
		b = append(b, `,"summary":"auto"`...)
	}
	return append(b, '}')
}

// buildText appends the form of the answer, and how long it is to be.
func buildText(b []byte, p *llm.Params) []byte {
	if p.Format == nil && !p.JSON && p.Verbosity == "" {
		return b
	}
	b = append(b, `,"text":{`...)
	n := 0
	if p.Format != nil || p.JSON {
		b = buildFormat(append(b, `"format":`...), p.Format)
		n++
	}
	if p.Verbosity != "" {
		b = jsonedit.AppendQuote(append(comma(b, n), `"verbosity":`...), p.Verbosity)
	}
	return append(b, '}')
}

func buildFormat(b []byte, f *llm.Format) []byte {
	if f == nil || f.Schema == nil {
		return append(b, `{"type":"json_object"}`...)
	}
	b = jsonedit.AppendQuote(append(b, `{"type":"json_schema","name":`...), cmp.Or(f.Name, "answer"))
	if f.Description != "" {
		b = jsonedit.AppendQuote(append(b, `,"description":`...), f.Description)
	}
	b = append(append(b, `,"schema":`...), f.Schema...)
	if f.Strict != nil {
		b = strconv.AppendBool(append(b, `,"strict":`...), *f.Strict)
	}
	return append(b, '}')
}
