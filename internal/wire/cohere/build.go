package cohere

import (
	"slices"
	"strconv"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// builder makes a body of the decoded fields. The package's doc says what becomes of what.
type builder struct {
	req    *llm.Request
	body   []byte
	choice string     // REQUIRED or NONE; empty leaves it to the model
	tools  []llm.Tool // on offer
}

// build appends a body made of the decoded fields.
func (u *Upstream) build(dst []byte, req *llm.Request) ([]byte, error) {
	b := builder{req: req}
	b.choose()
	if err := b.unsayable(); err != nil {
		return dst, err
	}
	b.body = append([]byte(`{"model":`), quote(u.model(req))...)
	if req.Stream {
		b.body = append(b.body, `,"stream":true`...)
	}
	talk := encoder{req: req, thinks: asksForReasoning(&req.Params)}
	talk.messages(req.Conversation())
	if talk.err != nil {
		return dst, talk.err
	}
	b.body = append(append(append(b.body, `,"messages":[`...), talk.out...), ']')
	b.offer()
	b.params()
	body, _, err := u.params.Fit(append(b.body, '}'))
	return append(dst, body...), err
}

// unsayable refuses what the wire has no word for.
func (b *builder) unsayable() error {
	p := &b.req.Params
	switch {
	case p.N > 1:
		return unsaid("n", "n above 1 cannot be asked for: send the request several times")
	case len(p.TopLogprobs) > 0:
		return unsaid("logprobs", "logprobs cannot be asked for: leave them out")
	case (p.Format != nil || p.JSON) && len(b.tools) > 0:
		return unsaid("response_format", "a response_format cannot be asked for together with tools: leave one of them out")
	}
	return nil
}

func unsaid(param, why string) error {
	e := fault.Invalidf(param, "at a provider of Cohere's Chat API %s", why)
	e.Code = "unsupported_parameter"
	return e
}

// choose picks the tools that are offered, ours first, and the choice between them. The names that the caller allows are all
// that is offered: the API has no other word for them.
func (b *builder) choose() {
	b.tools = slices.Concat(b.req.AddedTools, b.req.Tools)
	switch b.req.ToolChoice {
	case llm.ChoiceNone:
		b.choice = "NONE"
		return
	default:
	}
	c := wire.Chosen(b.req)
	allowed := c.Allowed
	switch {
	case c.Mode == "none":
		b.choice = "NONE"
		return
	case c.Mode == "tool":
		b.choice, allowed = "REQUIRED", []string{c.Name}
	case c.Mode == "required" || c.Mode == "" && b.req.Params.ForcedTool:
		b.choice = "REQUIRED"
	}
	if allowed != nil {
		b.tools = slices.DeleteFunc(b.tools, func(t llm.Tool) bool { return !slices.Contains(allowed, t.Name) })
	}
}

// offer appends the tools and the choice between them.
func (b *builder) offer() {
	if len(b.tools) == 0 {
		return
	}
	b.body = append(b.body, `,"tools":[`...)
	strict := true
	for i := range b.tools {
		t := &b.tools[i]
		strict = strict && t.Strict != nil && *t.Strict
		b.body = appendTool(comma(b.body, i), t)
	}
	b.body = append(b.body, ']')
	if strict {
		b.body = append(b.body, `,"strict_tools":true`...)
	}
	if b.choice != "" {
		b.body = append(append(append(b.body, `,"tool_choice":"`...), b.choice...), '"')
	}
}

// appendTool appends a tool as it is offered.
func appendTool(dst []byte, t *llm.Tool) []byte {
	if t.Forms == nil {
		return appendFunction(dst, t)
	}
	key := llm.Form{Wire: Name, Name: t.Name}
	form := t.Forms.Get(key)
	if form == nil {
		form = t.Forms.Keep(key, appendFunction(nil, t))
	}
	return append(dst, form...)
}

// appendFunction appends a function. The API wants the schema of its arguments, also of one that takes none.
func appendFunction(dst []byte, t *llm.Tool) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"type":"function","function":{"name":`...), t.Name)
	if t.Description != "" {
		dst = jsonedit.AppendQuote(append(dst, `,"description":`...), t.Description)
	}
	dst = append(dst, `,"parameters":`...)
	switch {
	case jsonedit.Kind(t.Schema) != '{':
		dst = append(dst, `{"type":"object","properties":{}}`...)
	case jsonedit.Get(t.Schema, "type") == nil:
		schema := []byte(`{"type":"object"`)
		for key, v := range jsonedit.Members(t.Schema) {
			schema = appendMember(schema, string(key), v)
		}
		dst = append(append(dst, schema...), '}')
	default:
		dst = append(dst, t.Schema...)
	}
	return append(dst, `}}`...)
}

// The ends of p, the probability mass that tokens are drawn from.
const (
	minP = 0.01
	maxP = 0.99
)

// massOf is top_p within the bounds of p. One that is no number goes as it is, and the provider says so.
func massOf(topP []byte) []byte {
	switch n, err := strconv.ParseFloat(string(topP), 64); {
	case err != nil:
	case n > maxP:
		return []byte("0.99")
	case n < minP:
		return []byte("0.01")
	}
	return topP
}

// params appends the controls.
func (b *builder) params() {
	p := &b.req.Params
	if p.MaxOutput > 0 {
		b.body = appendMember(b.body, "max_tokens", strconv.AppendInt(nil, p.MaxOutput, 10))
	}
	for _, n := range []struct {
		name  string
		value []byte
	}{
		{"temperature", p.Temperature},
		{"p", massOf(p.TopP)},
		{"k", p.TopK},
		{"seed", p.Seed},
		{"frequency_penalty", p.FrequencyPenalty},
		{"presence_penalty", p.PresencePenalty},
	} {
		if len(n.value) > 0 {
			b.body = appendMember(b.body, n.name, n.value)
		}
	}
	for i, s := range p.Stop {
		b.body = jsonedit.AppendQuote(append(b.body, []string{`,"stop_sequences":[`, `,`}[min(i, 1)]...), s)
	}
	if len(p.Stop) > 0 {
		b.body = append(b.body, ']')
	}
	b.format()
	b.thinking()
}

// format appends the form that the answer must have.
func (b *builder) format() {
	switch f := b.req.Params.Format; {
	case f != nil && jsonedit.Kind(f.Schema) == '{':
		b.body = append(append(append(b.body, `,"response_format":{"type":"json_object","json_schema":`...), f.Schema...), '}')
	case f != nil || b.req.Params.JSON:
		b.body = append(b.body, `,"response_format":{"type":"json_object"}`...)
	}
}

// budgets are the tokens that an effort stands for. Higher ones, and words that this table does not have, leave the model to
// itself.
var budgets = map[string]int64{"minimal": 512, "low": 2048, "medium": 8192}

func asksForReasoning(p *llm.Params) bool {
	return p.ThinkTokens > 0 || p.Effort != "" && p.Effort != "none"
}

// thinking appends how much the model is to reason. Models that can do so unasked.
func (b *builder) thinking() {
	p := &b.req.Params
	switch {
	case p.Effort == "none":
		b.body = append(b.body, `,"thinking":{"type":"disabled"}`...)
	case asksForReasoning(p):
		b.body = append(b.body, `,"thinking":{"type":"enabled"`...)
		tokens := p.ThinkTokens
		if tokens <= 0 {
			tokens = budgets[p.Effort]
		}
		if tokens > 0 {
			b.body = strconv.AppendInt(append(b.body, `,"token_budget":`...), tokens, 10)
		}
		b.body = append(b.body, '}')
	}
}
