package converse

import (
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// The ways in which reasoning is asked for.
const (
	notAtAll   = ""
	byBudget   = "budget"   // Claude: thinking with a number of tokens
	byAdaption = "adaptive" // Claude 4.6 and later: thinking with an effort
	byConfig   = "config"   // Nova 2: reasoningConfig
	byEffort   = "effort"   // gpt-oss: reasoning_effort
)

// family is what is known of models by what their ids hold.
type family struct {
	holds  string
	reason string
	topK   string // where top_k stands in additionalModelRequestFields: "" at its top
	status bool   // takes the status of a result
}

// families are what is known of models; the first whose word is in a model's id counts, and the last is everything else. An
// id may have a region before it and a version behind it, so it is its middle that tells. What the API says about them is in
// https://docs.aws.amazon.com/bedrock/latest/userguide/ (conversation-inference-supported-models-features, model-parameters)
// and, on reasoning, https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking and
// https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html.
var families = []family{
	{"claude-v2", notAtAll, "", true},
	{"claude-instant", notAtAll, "", true},
	{"claude-3-haiku", notAtAll, "", true},
	{"claude-3-opus", notAtAll, "", true},
	{"claude-3-sonnet", notAtAll, "", true},
	{"claude-3-5-", notAtAll, "", true},
	{"claude-3-7-", byBudget, "", true},
	{"claude-opus-4-1", byBudget, "", true},
	{"claude-opus-4-2025", byBudget, "", true},
	{"claude-opus-4-5", byBudget, "", true},
	{"claude-sonnet-4-2025", byBudget, "", true},
	{"claude-sonnet-4-5", byBudget, "", true},
	{"claude-haiku-4-5", byBudget, "", true},
	{"claude-", byAdaption, "", true},
	{"nova-2-", byConfig, "inferenceConfig", true},
	{"nova-", notAtAll, "inferenceConfig", true},
	{"gpt-oss", byEffort, "", false},
	{"", notAtAll, "", false},
}

func familyOf(model string) *family {
	for i := range families {
		if strings.Contains(model, families[i].holds) {
			return &families[i]
		}
	}
	return nil // unreachable: the last one is everything else
}

// budgets are the tokens that stand for an effort where reasoning is asked for by a budget.
var budgets = map[string]int64{"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 23808, "max": 23808}

const (
	minBudget = 1024 // the least that Claude takes
	beside    = 8192 // what is left for the answer where the request names no limit; 32000 in all is what all Claudes take
)

// efforts are the words for an effort: Claude's, and those of models that know three.
var (
	efforts      = map[string]string{"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "max", "max": "max"}
	threeEfforts = map[string]string{"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
)

// thinking is how reasoning is asked for.
type thinking struct {
	form   string
	budget int64
	effort string
	off    bool // adaptive, and not wanted
}

// thinking decides how reasoning is asked for. Claude is not asked where it would refuse: together with a forced call, and, by
// a budget, in the middle of a turn whose earlier reasoning is not at hand.
func (b *builder) thinking(ms []llm.Message) error {
	t, err := b.wished()
	if err != nil || t.off || t.form == notAtAll || t.form == byConfig || t.form == byEffort {
		b.think = t
		return err
	}
	if b.forced() || t.form == byBudget && (t.budget < minBudget || continued(ms)) {
		return nil
	}
	p := &b.req.Params
	if asks(p.Temperature) && strings.Trim(string(p.Temperature), "0.") != "1" {
		return unsaid("temperature", "cannot be told a temperature together with reasoning; leave one of them out")
	}
	if len(p.TopK) > 0 {
		return unsaid("top_k", "cannot be told top_k together with reasoning; leave one of them out")
	}
	b.think = t
	return nil
}

// wished is how reasoning is asked for by the request alone.
func (b *builder) wished() (thinking, error) {
	p := &b.req.Params
	claude := b.family.reason == byBudget || b.family.reason == byAdaption
	effort := p.Effort
	if effort == "" && p.ThinkTokens > 0 {
		if claude {
			return thinking{form: byBudget, budget: p.ThinkTokens}, nil
		}
		effort = effortOf(p.ThinkTokens)
	}
	switch {
	case effort == "none":
		return thinking{off: b.family.reason == byAdaption}, nil
	case effort == "":
		return thinking{}, nil
	case b.family.reason == notAtAll:
		return thinking{}, unsaid("reasoning_effort", "cannot be told a reasoning_effort for this model; leave it out")
	case efforts[effort] == "":
		return thinking{}, unsaid("reasoning_effort", "cannot be told the reasoning_effort "+strconv.Quote(effort))
	}
	t := thinking{form: b.family.reason, effort: efforts[effort], budget: budgets[effort]}
	if !claude {
		t.effort = threeEfforts[effort]
	}
	if p.MaxOutput > 0 {
		t.budget = min(t.budget, p.MaxOutput/2)
	}
	return t, nil
}

// effortOf is the effort that a number of tokens comes to.
func effortOf(tokens int64) string {
	switch {
	case tokens <= budgets["low"]*2:
		return "low"
	case tokens <= budgets["high"]:
		return "medium"
	}
	return "high"
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
	return first != nil && len(first.Calls) > 0 && (first.Wire != Name || !strings.Contains(string(first.Extra), `"reasoningContent"`))
}

// maxTokens is the limit of the answer, reasoning included; 0 leaves it to the model's own.
func (b *builder) maxTokens() int64 {
	if n := b.req.Params.MaxOutput; n > 0 || b.think.form != byBudget {
		return n
	}
	return b.think.budget + beside
}

// additional appends the controls that only some models have.
func (b *builder) additional() {
	fields := []byte{'{'}
	if k := b.req.Params.TopK; len(k) > 0 {
		if at := b.family.topK; at != "" {
			fields = member(fields, at, append(append([]byte(`{"topK":`), k...), '}'))
		} else {
			fields = member(fields, "top_k", k)
		}
	}
	switch t := &b.think; {
	case t.off:
		fields = member(fields, "thinking", []byte(`{"type":"disabled"}`))
	case t.form == byBudget:
		fields = member(fields, "thinking", append(strconv.AppendInt([]byte(`{"type":"enabled","budget_tokens":`), t.budget, 10), '}'))
	case t.form == byAdaption:
		fields = member(fields, "thinking", []byte(`{"type":"adaptive","display":"summarized"}`))
	case t.form == byConfig:
		fields = member(fields, "reasoningConfig", append(jsonedit.AppendQuote([]byte(`{"type":"enabled","maxReasoningEffort":`), t.effort), '}'))
	case t.form == byEffort:
		fields = member(fields, "reasoning_effort", jsonedit.AppendQuote(nil, t.effort))
	}
	b.object("additionalModelRequestFields", fields)
}
