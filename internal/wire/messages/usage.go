package messages

import (
	"strconv"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// tally sums the usage of a reply's turns, as the API does for its own hosted tools, and keeps each turn's beside it.
type tally struct {
	model  string // of the turn at hand
	sum    llm.Usage
	raw    []byte // the sum in the provider's own words
	others bool   // a turn came over another wire, or said nothing: raw does not hold
	turns  []turnUsage
	bill   wire.Bill
}

type turnUsage struct {
	model string
	usage llm.Usage // without Raw
}

func (t *tally) add(u *llm.Usage) {
	t.bill.Add(u)
	if u == nil {
		u = &llm.Usage{}
	}
	one := *u
	one.Raw = llm.Frame{}
	t.turns = append(t.turns, turnUsage{t.model, one})
	t.sum.Input += u.Input
	t.sum.CacheRead += u.CacheRead
	t.sum.CacheWrite += u.CacheWrite
	t.sum.CacheWriteLong += u.CacheWriteLong
	t.sum.AudioInput += u.AudioInput
	t.sum.ToolInput += u.ToolInput
	t.sum.Output += u.Output
	t.sum.Reasoning += u.Reasoning
	t.sum.AudioOutput += u.AudioOutput
	switch raw := u.Raw.Bytes; {
	case u.Raw.Wire != Name || len(raw) == 0:
		t.others = true
	case t.raw == nil:
		t.raw = append([]byte(nil), raw...)
	default:
		t.raw = jsonedit.AddNumbers(nil, t.raw, raw)
	}
}

// append appends the usage object: the sums, with more than one turn the turns as iterations, and what they have cost.
func (t *tally) append(dst []byte) []byte { return t.bill.AppendTo(dst, t.appendCounts(nil)) }

func (t *tally) appendCounts(dst []byte) []byte {
	switch {
	case t.others || t.raw == nil:
		dst = appendUsage(dst, &t.sum)
	case len(t.turns) < 2:
		return append(dst, t.raw...)
	default:
		at := len(dst)
		dst = append(dst, '{')
		for key, v := range jsonedit.Members(t.raw) {
			if string(key) != "iterations" {
				dst = append(comma(dst, len(dst)-at-1), '"')
				dst = append(append(append(dst, key...), `":`...), v...)
			}
		}
		dst = append(dst, '}')
	}
	if len(t.turns) < 2 {
		return dst
	}
	dst = append(dst[:len(dst)-1], `,"iterations":[`...)
	for i := range t.turns {
		dst = jsonedit.AppendQuote(append(comma(dst, i), `{"type":"message","model":`...), t.turns[i].model)
		dst = append(append(dst, `,"cache_creation":null,`...), appendUsage(nil, &t.turns[i].usage)[1:]...)
	}
	return append(dst, `]}`...)
}

// appendUsage appends u in the wire's words. A nil u counts nothing.
func appendUsage(dst []byte, u *llm.Usage) []byte {
	if u == nil {
		u = &llm.Usage{}
	}
	dst = strconv.AppendInt(append(dst, `{"input_tokens":`...), u.Input+u.AudioInput+u.ToolInput, 10)
	dst = strconv.AppendInt(append(dst, `,"cache_creation_input_tokens":`...), u.CacheWrite+u.CacheWriteLong, 10)
	dst = strconv.AppendInt(append(dst, `,"cache_read_input_tokens":`...), u.CacheRead, 10)
	dst = strconv.AppendInt(append(dst, `,"output_tokens":`...), u.Outputs(), 10)
	if u.Reasoning > 0 {
		dst = append(strconv.AppendInt(append(dst, `,"output_tokens_details":{"thinking_tokens":`...), u.Reasoning, 10), '}')
	}
	return append(dst, '}')
}
