package converse

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// builder makes a body of the decoded fields. The package's doc says what becomes of them.
type builder struct {
	req    *llm.Request
	family *family
	enc    encoder
	body   []byte
	chosen llm.ToolChoice
	tools  []llm.Tool // that may be called
	think  thinking
}

func (u *Upstream) build(dst []byte, req *llm.Request) ([]byte, error) {
	b := builder{req: req, family: familyOf(u.model(req)), body: []byte{'{'}, chosen: wire.Chosen(req)}
	if err := b.unsayable(); err != nil {
		return dst, err
	}
	b.tools = offered(req, &b.chosen)
	b.enc.told, b.enc.status, b.enc.nameOf = len(b.tools) == 0, b.family.status, req.NameOf
	conversation := req.Conversation()
	system, rest := leading(conversation)
	b.enc.messages(rest, len(system))
	if b.enc.err != nil {
		return dst, b.enc.err
	}
	if err := b.thinking(rest); err != nil {
		return dst, err
	}
	b.body = append(append(append(b.body, `"messages":[`...), b.enc.out...), ']')
	b.system(system)
	b.offer()
	b.inference()
	b.additional()
	b.output()
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
			return unsaid(c.param, "cannot be told "+c.param+"; leave it out")
		}
	}
	if f := p.Format; f != nil && f.Schema == nil || f == nil && p.JSON {
		return unsaid("response_format", "cannot be asked for an answer that is any JSON object; give response_format a json_schema")
	}
	return nil
}

// unsaid refuses a member; why says what the service cannot.
func unsaid(param, why string) error {
	e := fault.Invalidf(param, "Amazon Bedrock %s", why)
	e.Code = "unsupported_parameter"
	return e
}

// asks reports whether a number is other than 0, which asks for nothing.
func asks(number []byte) bool { return strings.Trim(string(number), "-0.") != "" }

// leading splits off the system messages that a conversation begins with.
func leading(ms []llm.Message) (system, rest []llm.Message) {
	n := slices.IndexFunc(ms, func(m llm.Message) bool { return m.Role != llm.System })
	if n < 0 {
		n = len(ms)
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

// offered are the tools that the model may call: ours first, and of all only those that the choice allows. None may be
// called where the choice is none.
func offered(req *llm.Request, c *llm.ToolChoice) []llm.Tool {
	own := req.ToolChoice == llm.ChoiceAsIs // else the loop's choice holds
	if req.ToolChoice == llm.ChoiceNone || own && c.Mode == "none" {
		return nil
	}
	all := slices.Concat(req.AddedTools, req.Tools)
	if c.Allowed == nil || c.Mode == "tool" {
		return all
	}
	return slices.DeleteFunc(all, func(t llm.Tool) bool { return !slices.Contains(c.Allowed, t.Name) })
}

// offer appends the tools and the choice between them. Without a choice the model decides.
func (b *builder) offer() {
	if len(b.tools) == 0 {
		return
	}
	b.body = append(b.body, `,"toolConfig":{"tools":[`...)
	for i := range b.tools {
		b.body = appendTool(comma(b.body, i), &b.tools[i])
	}
	b.body = append(b.body, ']')
	switch {
	case !b.forced():
	case b.chosen.Mode == "tool":
		b.body = jsonedit.AppendQuote(append(b.body, `,"toolChoice":{"tool":{"name":`...), fitName(b.chosen.Name))
		b.body = append(b.body, `}}`...)
	default:
		b.body = append(b.body, `,"toolChoice":{"any":{}}`...)
	}
	b.body = append(b.body, '}')
}

// forced reports whether the model has to call a tool.
func (b *builder) forced() bool {
	if len(b.tools) == 0 || b.req.ToolChoice != llm.ChoiceAsIs {
		return false
	}
	mode := b.chosen.Mode
	return mode == "tool" || mode == "required" || mode == "" && b.req.Params.ForcedTool
}

// appendTool appends a tool as it is offered.
func appendTool(dst []byte, t *llm.Tool) []byte {
	if t.Forms == nil {
		return appendSpec(dst, t)
	}
	key := llm.Form{Wire: Name, Name: t.Name}
	form := t.Forms.Get(key)
	if form == nil {
		form = t.Forms.Keep(key, appendSpec(nil, t))
	}
	return append(dst, form...)
}

func appendSpec(dst []byte, t *llm.Tool) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"toolSpec":{"name":`...), fitName(t.Name))
	if strings.TrimSpace(t.Description) != "" {
		dst = jsonedit.AppendQuote(append(dst, `,"description":`...), t.Description)
	}
	dst = append(appendSchema(append(dst, `,"inputSchema":{"json":`...), t.Schema), '}')
	if t.Strict != nil && *t.Strict {
		dst = append(dst, `,"strict":true`...)
	}
	return append(dst, `}}`...)
}

// appendSchema appends the schema of a tool's arguments, which must say that they are an object. A tool without a schema
// takes none.
func appendSchema(dst, schema []byte) []byte {
	switch {
	case jsonedit.Kind(schema) != '{':
		return append(dst, `{"type":"object","properties":{}}`...)
	case jsonedit.Get(schema, "type") != nil:
		return append(dst, schema...)
	}
	dst = append(dst, `{"type":"object"`...)
	for key, v := range jsonedit.Members(schema) {
		dst = member(dst, string(key), v)
	}
	return append(dst, '}')
}

// inference appends the controls that all models have.
func (b *builder) inference() {
	p := &b.req.Params
	config := []byte{'{'}
	if n := b.maxTokens(); n > 0 {
		config = member(config, "maxTokens", strconv.AppendInt(nil, n, 10))
	}
	if len(p.Temperature) > 0 {
		config = member(config, "temperature", p.Temperature)
	}
	if len(p.TopP) > 0 {
		config = member(config, "topP", p.TopP)
	}
	if len(p.Stop) > 0 {
		list := []byte{'['}
		for i, s := range p.Stop {
			list = jsonedit.AppendQuote(comma(list, i), s)
		}
		config = member(config, "stopSequences", append(list, ']'))
	}
	b.object("inferenceConfig", config)
}

// object appends a member unless it has none itself. v lacks its closing brace.
func (b *builder) object(name string, v []byte) {
	if len(v) > 1 {
		b.body = member(b.body, name, append(v, '}'))
	}
}

// output appends what is said of the answer's form.
func (b *builder) output() {
	config := []byte{'{'}
	if b.think.form == byAdaption {
		config = member(config, "effort", jsonedit.AppendQuote(nil, b.think.effort))
	}
	if f := b.req.Params.Format; f != nil {
		form := jsonedit.AppendQuote([]byte(`{"type":"json_schema","structure":{"jsonSchema":{"schema":`), string(f.Schema))
		if f.Name != "" {
			form = jsonedit.AppendQuote(append(form, `,"name":`...), f.Name)
		}
		if f.Description != "" {
			form = jsonedit.AppendQuote(append(form, `,"description":`...), f.Description)
		}
		config = member(config, "textFormat", append(form, `}}}`...))
	}
	b.object("outputConfig", config)
}
