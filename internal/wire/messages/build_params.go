package messages

import (
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// limits are what a family of models takes.
type limits struct {
	prefix string
	output int64  // max_tokens, which the API demands, where the request names no limit
	reason string // how reasoning is asked for: "" not at all, "budget" by a number of tokens, "adaptive" by an effort
}

// families are what is known of models by the start of their names, the longest prefix first; the last one is everything
// else. The figures are from https://docs.anthropic.com/en/docs/about-claude/models and the chapter on extended thinking;
// the largest answers of newer models are larger, but 32000 is what all of them take.
var families = []limits{
	{"claude-3-haiku", 4096, ""},
	{"claude-3-opus", 4096, ""},
	{"claude-3-sonnet", 4096, ""},
	{"claude-3-5-", 8192, ""},
	{"claude-3-7-", 32000, "budget"},
	{"claude-opus-4-0", 32000, "budget"},
	{"claude-opus-4-1", 32000, "budget"},
	{"claude-opus-4-2025", 32000, "budget"},
	{"claude-opus-4-5", 32000, "budget"},
	{"claude-sonnet-4-0", 32000, "budget"},
	{"claude-sonnet-4-2025", 32000, "budget"},
	{"claude-sonnet-4-5", 32000, "budget"},
	{"claude-haiku-4-5", 32000, "budget"},
	{"claude-", 32000, "adaptive"},
	{"", 8192, "budget"},
}

// limits are those of a model, as far as its rules do not say others.
func (u *Upstream) limits(model string) limits {
	l, r := limitsOf(model), u.q.RulesOf(model)
	if r.MaxOutput > 0 {
		l.output = r.MaxOutput
	}
	switch r.Reasoning {
	case "":
	case "none":
		l.reason = ""
	default:
		l.reason = r.Reasoning
	}
	return l
}

func limitsOf(model string) limits {
	for _, f := range families {
		if strings.HasPrefix(model, f.prefix) {
			return f
		}
	}
	return limits{}
}

// budgets are the tokens that stand for an effort where reasoning is asked for by a budget.
var budgets = map[string]int64{"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 24576}

// minBudget is the least that the API takes.
const minBudget = 1024

// efforts are the API's words for an effort.
var efforts = map[string]string{"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "max", "max": "max"}

// thinking is how reasoning is asked for.
type thinking struct {
	form   string // "" not at all, "budget", "adaptive", "off"
	budget int64
	effort string
}

// thinking decides how reasoning is asked for. It is not asked for where the API would refuse it: together with a forced
// call, and, by a budget, in the middle of a turn whose earlier reasoning is not at hand.
func (b *builder) thinking(ms []llm.Message) error {
	t, err := b.wished()
	if err != nil || t.form == "" || t.form == "off" {
		b.think = t
		return err
	}
	if b.forced() || t.form == "budget" && (t.budget < minBudget || continued(ms)) {
		return nil
	}
	p := &b.req.Params
	if asks(p.Temperature) && strings.Trim(string(p.Temperature), "0.") != "1" {
		return unsaid("temperature", "temperature cannot be said together with reasoning")
	}
	if len(p.TopK) > 0 {
		return unsaid("top_k", "top_k cannot be said together with reasoning")
	}
	b.think = t
	return nil
}

// wished is how reasoning is asked for by the request alone.
func (b *builder) wished() (thinking, error) {
	p := &b.req.Params
	switch {
	case p.ThinkTokens > 0:
		return thinking{form: "budget", budget: p.ThinkTokens}, nil
	case p.Effort == "none" && b.limits.reason == "adaptive":
		return thinking{form: "off"}, nil
	case p.Effort == "" || p.Effort == "none":
		return thinking{}, nil
	case b.limits.reason == "":
		return thinking{}, unsaid("reasoning_effort", "reasoning_effort cannot be said for this model")
	case efforts[p.Effort] == "":
		return thinking{}, unsaid("reasoning_effort", "the reasoning_effort "+strconv.Quote(p.Effort)+" cannot be said")
	}
	t := thinking{form: b.limits.reason, effort: efforts[p.Effort], budget: budgets[p.Effort]}
	if p.MaxOutput > 0 {
		t.budget = min(t.budget, p.MaxOutput/2)
	}
	return t, nil
}

// continued reports whether the conversation goes on in the middle of a turn of the model whose reasoning, if there was any,
// is not at hand.
func continued(ms []llm.Message) bool {
	var first *llm.Message // of the turn: it thinks at its start
	for i := len(ms) - 1; i >= 0 && (ms[i].Role == llm.ToolRole || ms[i].Role == llm.Assistant); i-- {
		if ms[i].Role == llm.Assistant {
			first = &ms[i]
		}
	}
	return first != nil && len(first.Calls) > 0 && (first.Wire != Name || !strings.Contains(string(first.Extra), `thinking"`))
}

// maxTokens is the limit of the answer, reasoning included.
func (b *builder) maxTokens() int64 {
	if n := b.req.Params.MaxOutput; n > 0 {
		return n
	}
	if b.think.form == "budget" && b.think.budget >= b.limits.output {
		return b.think.budget + b.limits.output
	}
	return b.limits.output
}

// number appends a member whose value is JSON already.
func (b *builder) number(name string, v []byte) {
	if len(v) > 0 {
		b.body = appendMember(b.body, []byte(name), v)
	}
}

// params appends the controls.
func (b *builder) params() {
	p := &b.req.Params
	b.number("temperature", p.Temperature)
	b.number("top_p", p.TopP)
	b.number("top_k", p.TopK)
	if len(p.Stop) > 0 {
		b.body = append(b.body, `,"stop_sequences":[`...)
		for i, s := range p.Stop {
			b.body = jsonedit.AppendQuote(comma(b.body, i), s)
		}
		b.body = append(b.body, ']')
	}
	switch b.think.form {
	case "budget":
		b.body = strconv.AppendInt(append(b.body, `,"thinking":{"type":"enabled","budget_tokens":`...), b.think.budget, 10)
		b.body = append(b.body, '}')
	case "adaptive":
		b.body = append(b.body, `,"thinking":{"type":"adaptive","display":"summarized"}`...)
	case "off":
		b.body = append(b.body, `,"thinking":{"type":"disabled"}`...)
	}
	b.output()
	if p.User != "" {
		b.body = jsonedit.AppendQuote(append(b.body, `,"metadata":{"user_id":`...), p.User)
		b.body = append(b.body, '}')
	}
}

// output appends what is said of the answer: the effort, and its form.
func (b *builder) output() {
	config := []byte{'{'}
	if b.think.form == "adaptive" {
		config = appendMember(config, []byte("effort"), jsonedit.AppendQuote(nil, b.think.effort))
	}
	if f := b.req.Params.Format; f != nil {
		config = append(appendMember(config, []byte("format"), []byte(`{"type":"json_schema","schema":`)), f.Schema...)
		config = append(config, '}')
	}
	if len(config) > 1 {
		b.body = append(append(append(b.body, `,"output_config":`...), config...), '}')
	}
}
