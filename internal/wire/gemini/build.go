package gemini

import (
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// builder makes a body of the decoded fields. The package's doc says what becomes of what.
type builder struct {
	req    *llm.Request
	family family
	body   []byte
	chosen llm.ToolChoice
	tools  []llm.Tool // on offer
}

// build appends a body made of the decoded fields.
func (u *Upstream) build(dst []byte, req *llm.Request) ([]byte, error) {
	b := builder{req: req, family: familyOf(u.model(req)), chosen: wire.Chosen(req)}
	b.tools = offered(req, &b.chosen)
	if err := b.unsayable(); err != nil {
		return dst, err
	}
	system, rest := leading(req.Conversation())
	talk := encoder{req: req, family: &b.family}
	if len(rest) == 0 {
		system, rest = nil, system // the API wants somebody to say something
	}
	talk.messages(rest)
	if talk.err != nil {
		return dst, talk.err
	}
	b.body = append(append([]byte(`{"contents":[`), talk.out...), ']')
	b.system(system)
	b.offer()
	if err := b.config(); err != nil {
		return dst, err
	}
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
		return unsaid("logprobs", "logprobs cannot be asked for")
	case (p.Format != nil || p.JSON) && len(b.tools) > 0 && !b.family.mixes:
		return unsaid("response_format", "a response_format cannot be asked for together with tools before Gemini 3: leave one of them out")
	}
	return nil
}

func unsaid(param, why string) error {
	e := fault.Invalidf(param, "at a provider of Google's Gemini API %s", why)
	e.Code = "unsupported_parameter"
	return e
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
	var parts []byte
	n := 0
	for i := range ms {
		parts, n = appendText(parts, n, ms[i].Text)
		for j := range ms[i].Parts {
			parts, n = appendText(parts, n, ms[i].Parts[j].Text)
		}
	}
	if n > 0 {
		b.body = append(append(append(b.body, `,"systemInstruction":{"parts":[`...), parts...), `]}`...)
	}
}

// offered are the tools that the model may call: ours first. Where the choice leaves it to the model whether it calls one,
// only those that it allows are offered; where it demands a call, the names go with the choice.
func offered(req *llm.Request, c *llm.ToolChoice) []llm.Tool {
	all := slices.Concat(req.AddedTools, req.Tools)
	if req.ToolChoice == llm.ChoiceNone || c.Allowed == nil || c.Mode == "none" || c.Mode == "tool" || c.Mode == "required" {
		return all
	}
	return slices.DeleteFunc(all, func(t llm.Tool) bool { return !slices.Contains(c.Allowed, t.Name) })
}

// offer appends the tools and the choice between them.
func (b *builder) offer() {
	if len(b.tools) == 0 {
		return
	}
	b.body = append(b.body, `,"tools":[{"functionDeclarations":[`...)
	for i := range b.tools {
		b.body = appendTool(comma(b.body, i), &b.tools[i])
	}
	b.body = append(b.body, `]}]`...)
	mode, allowed := b.choice()
	if mode == "" {
		return
	}
	b.body = append(append(append(b.body, `,"toolConfig":{"functionCallingConfig":{"mode":"`...), mode...), '"')
	for i, name := range allowed {
		b.body = append(b.body, []string{`,"allowedFunctionNames":[`, `,`}[min(i, 1)]...)
		b.body = jsonedit.AppendQuote(b.body, fitName(name))
	}
	if len(allowed) > 0 {
		b.body = append(b.body, ']')
	}
	b.body = append(b.body, `}}`...)
}

// choice is the API's word for the tool choice, "" for none, and the only names that may be called.
func (b *builder) choice() (mode string, allowed []string) {
	switch b.req.ToolChoice {
	case llm.ChoiceNone:
		return "NONE", nil
	case llm.ChoiceAuto:
		return "", nil
	default:
	}
	switch c := &b.chosen; {
	case c.Mode == "none":
		return "NONE", nil
	case c.Mode == "tool":
		return "ANY", []string{c.Name}
	case c.Mode == "required" || c.Mode == "" && b.req.Params.ForcedTool:
		return "ANY", c.Allowed
	}
	return "", nil
}

// appendTool appends a function declaration.
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

func appendFunction(dst []byte, t *llm.Tool) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"name":`...), fitName(t.Name))
	if t.Description != "" {
		dst = jsonedit.AppendQuote(append(dst, `,"description":`...), t.Description)
	}
	if schema := argumentsSchema(t.Schema); schema != nil {
		dst = append(append(dst, `,"parametersJsonSchema":`...), schema...)
	}
	return append(dst, '}')
}

// fitName gives the name of a function the form that the API takes: letters, digits, underscores and dashes, the first of
// them no digit and no dash, 64 of them.
func fitName(name string) string {
	out := strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, name)
	if out == "" || out[0] == '-' || out[0] >= '0' && out[0] <= '9' {
		out = "_" + out
	}
	return out[:min(len(out), 64)]
}

// offeredName turns fitName back for the tools of a request.
func offeredName(req *llm.Request, name string) string {
	fitted := name
	for _, tools := range [][]llm.Tool{req.AddedTools, req.Tools} {
		for i := range tools {
			switch t := tools[i].Name; {
			case t == name:
				return name
			case fitted == name && fitName(t) == name:
				fitted = t
			}
		}
	}
	return fitted
}
