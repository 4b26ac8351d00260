package messages

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// builder makes a body of the decoded fields.
//
// System messages at the start are the API's system prompt. What a request may say and this wire has no word for is refused,
// by name, where it changes the answer: n, frequency_penalty, presence_penalty, seed, logprobs, a response_format that is any
// JSON object. What only advises is left out: verbosity, service tier, cache key. The user's name goes to metadata.user_id.
type builder struct {
	u      *Upstream
	req    *llm.Request
	limits limits
	enc    encoder
	body   []byte
	chosen llm.ToolChoice
	tools  []llm.Tool // on offer
	think  thinking
}

// named returns the messages with every call under the name under which its tool is offered.
func named(req *llm.Request, ms []llm.Message) []llm.Message {
	nameless := func(c llm.Call) bool { return c.Name == "" }
	var out []llm.Message
	for i := range ms {
		if !slices.ContainsFunc(ms[i].Calls, nameless) {
			continue
		}
		if out == nil {
			out = slices.Clone(ms)
		}
		out[i].Calls = slices.Clone(ms[i].Calls)
		for j := range out[i].Calls {
			out[i].Calls[j].Name = req.NameOf(&ms[i].Calls[j])
		}
	}
	if out == nil {
		return ms
	}
	return out
}

// build appends a body made of the decoded fields.
func (u *Upstream) build(dst []byte, req *llm.Request) ([]byte, error) {
	b := builder{u: u, req: req, limits: u.limits(cmp.Or(u.q.Model, req.Model)), enc: encoder{whole: true}}
	if err := b.unsayable(); err != nil {
		return dst, err
	}
	b.body = jsonedit.AppendQuote([]byte(`{"model":`), cmp.Or(u.q.Model, req.Model))
	system, rest := leading(named(req, req.Conversation()))
	b.enc.messages(rest)
	b.enc.settle()
	b.enc.flush()
	if b.enc.err != nil {
		return dst, b.enc.err
	}
	b.chosen = wire.Chosen(req)
	b.tools = offered(req, &b.chosen)
	if err := b.thinking(rest); err != nil {
		return dst, err
	}
	b.number("max_tokens", strconv.AppendInt(nil, b.maxTokens(), 10))
	if req.Stream {
		b.body = append(b.body, `,"stream":true`...)
	}
	b.system(system)
	b.body = append(append(append(b.body, `,"messages":[`...), b.enc.out...), ']')
	b.offer()
	b.params()
	body, _, err := u.params.Fit(append(b.body, '}'))
	return append(dst, body...), err
}

// unsayable refuses what the wire has no word for.
func (b *builder) unsayable() error {
	p := &b.req.Params
	for _, c := range []struct {
		param string
		asked bool
	}{
		{"n", p.N > 1},
		{"frequency_penalty", asks(p.FrequencyPenalty)},
		{"presence_penalty", asks(p.PresencePenalty)},
		{"seed", len(p.Seed) > 0},
		{"logprobs", len(p.TopLogprobs) > 0},
	} {
		if c.asked {
			return unsaid(c.param, c.param+" cannot be said")
		}
	}
	if f := p.Format; f != nil && f.Schema == nil || f == nil && p.JSON {
		return unsaid("response_format", "an answer that is any JSON object cannot be asked for: give response_format a json_schema")
	}
	return nil
}

func unsaid(param, why string) error {
	e := fault.Invalidf(param, "%s to a provider of Anthropic's Messages API", why)
	if strings.Contains(why, ":") {
		e.Message = "at a provider of Anthropic's Messages API " + why
	}
	e.Code = "unsupported_parameter"
	return e
}

// asks reports whether a number is other than 0, which asks for nothing.
func asks(number []byte) bool {
	return strings.Trim(string(number), "-0.") != ""
}

// leading splits off the system messages that a conversation begins with.
func leading(ms []llm.Message) (system, rest []llm.Message) {
	n := 0
	for n < len(ms) && ms[n].Role == llm.System {
		n++
	}
	return ms[:n], ms[n:]
}

func (b *builder) system(ms []llm.Message) {
	var blocks []byte
	n := 0
	for i := range ms {
		blocks, n = appendText(blocks, n, ms[i].Text)
		for j := range ms[i].Parts {
			blocks, n = appendText(blocks, n, ms[i].Parts[j].Text)
		}
	}
	if n > 0 {
		b.body = append(append(append(b.body, `,"system":[`...), blocks...), ']')
	}
}

// offered are the tools that the model may call: ours first, and of all only those that the choice allows.
func offered(req *llm.Request, c *llm.ToolChoice) []llm.Tool {
	all := slices.Concat(req.AddedTools, req.Tools)
	if req.ToolChoice == llm.ChoiceNone || c.Allowed == nil || c.Mode == "none" || c.Mode == "tool" {
		return all
	}
	return slices.DeleteFunc(all, func(t llm.Tool) bool { return !slices.Contains(c.Allowed, t.Name) })
}

// offer appends the tools and the choice between them.
func (b *builder) offer() {
	names := b.enc.names
	if len(b.tools) == 0 && len(names) == 0 {
		return
	}
	b.body = append(b.body, `,"tools":[`...)
	b.body = appendTools(b.body, b.tools)
	if len(b.tools) == 0 {
		b.body = appendPastTools(b.body, names)
		b.body = append(b.body, `],"tool_choice":{"type":"none"}`...)
		return
	}
	b.body = append(b.body, ']')
	choice := b.choice()
	if b.req.Params.OneByOne && choice != `{"type":"none"` {
		choice = cmp.Or(choice, `{"type":"auto"`) + `,"disable_parallel_tool_use":true`
	}
	if choice != "" {
		b.body = append(append(append(b.body, `,"tool_choice":`...), choice...), '}')
	}
}

// choice is the tool choice without its closing brace; "" for none, which is auto.
func (b *builder) choice() string {
	switch b.req.ToolChoice {
	case llm.ChoiceNone:
		return `{"type":"none"`
	case llm.ChoiceAuto:
		return ""
	default:
	}
	switch c := &b.chosen; {
	case c.Mode == "none":
		return `{"type":"none"`
	case c.Mode == "tool":
		return `{"type":"tool","name":` + string(jsonedit.AppendQuote(nil, c.Name))
	case c.Mode == "required" || c.Mode == "" && b.req.Params.ForcedTool:
		return `{"type":"any"`
	}
	return ""
}

// forced reports whether the model has to call a tool.
func (b *builder) forced() bool {
	c := b.choice()
	return len(b.tools) > 0 && c != "" && c != `{"type":"none"`
}

// appendPastTools appends tools of which nothing but the name is known, for a conversation that has calls and offers none:
// the API refuses calls of tools that are not defined.
func appendPastTools(dst []byte, names []string) []byte {
	for i, name := range names {
		dst = jsonedit.AppendQuote(append(comma(dst, i), `{"name":`...), name)
		dst = append(dst, `,"description":"No longer on offer.","input_schema":{"type":"object"}}`...)
	}
	return dst
}
