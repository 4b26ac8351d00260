package gemini

import (
	"strconv"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// config appends the generationConfig.
func (b *builder) config() error {
	p := &b.req.Params
	c := []byte{'{'}
	if p.MaxOutput > 0 {
		c = appendMember(c, "maxOutputTokens", strconv.AppendInt(nil, p.MaxOutput, 10))
	}
	for _, n := range []struct {
		name  string
		value []byte
	}{
		{"temperature", p.Temperature},
		{"topP", p.TopP},
		{"topK", p.TopK},
		{"seed", p.Seed},
		{"presencePenalty", p.PresencePenalty},
		{"frequencyPenalty", p.FrequencyPenalty},
	} {
		if len(n.value) > 0 {
			c = appendMember(c, n.name, n.value)
		}
	}
	if len(p.Stop) > 0 {
		list := []byte{'['}
		for i, s := range p.Stop {
			list = jsonedit.AppendQuote(comma(list, i), s)
		}
		c = appendMember(c, "stopSequences", append(list, ']'))
	}
	if p.Format != nil || p.JSON {
		c = appendMember(c, "responseMimeType", []byte(`"application/json"`))
	}
	if f := p.Format; f != nil && jsonedit.Kind(f.Schema) == '{' && jsonedit.Valid(f.Schema) {
		c = appendMember(c, "responseJsonSchema", answerSchema(f.Schema))
	}
	think, err := b.thinking()
	if err != nil {
		return err
	}
	if think != nil {
		c = appendMember(c, "thinkingConfig", think)
	}
	if len(c) > 1 {
		b.body = append(append(append(b.body, `,"generationConfig":`...), c...), '}')
	}
	return nil
}

// thinking is the thinkingConfig, or nil. Models think unasked; what they think is told where reasoning is asked for.
func (b *builder) thinking() ([]byte, error) {
	p := &b.req.Params
	asked := p.ThinkTokens > 0 || p.Effort != ""
	switch {
	case !asked || b.family.reason == "" && p.Effort == "none":
		return nil, nil
	case b.family.reason == "":
		return nil, unsaid("reasoning_effort", "reasoning cannot be asked for of this model")
	}
	tell := p.Effort != "none"
	if b.family.reason == "level" {
		effort := p.Effort
		if effort == "" {
			effort = effortOf(p.ThinkTokens)
		}
		c := append(append([]byte(`{"thinkingLevel":"`), b.family.level(effort)...), '"')
		return tellThoughts(c, tell), nil
	}
	tokens := p.ThinkTokens
	if tokens <= 0 {
		n, known := budgets[p.Effort]
		if !known {
			return nil, unsaid("reasoning_effort", "the reasoning_effort "+strconv.Quote(p.Effort)+" cannot be asked for")
		}
		tokens = n
	}
	c := strconv.AppendInt([]byte(`{"thinkingBudget":`), b.family.budget(tokens), 10)
	return tellThoughts(c, tell), nil
}

func tellThoughts(c []byte, tell bool) []byte {
	if tell {
		c = append(c, `,"includeThoughts":true`...)
	}
	return append(c, '}')
}

// effortOf is the effort that a budget stands for: the smallest one whose own budget is not smaller.
func effortOf(tokens int64) string {
	for _, e := range []string{"low", "medium"} {
		if tokens <= budgets[e] {
			return e
		}
	}
	return "high"
}
