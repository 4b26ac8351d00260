package wire

import (
	"strconv"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// Bill is what the turns of a reply have cost: the member "x_fairlead" of the usage that a door writes. It is empty unless
// somebody has metered the turns. Clients of all dialects pass over members of usage that they do not know.
type Bill struct {
	total llm.Cost
	turns []llm.Usage
}

// Add takes in the usage of one turn.
func (b *Bill) Add(u *llm.Usage) {
	if u == nil || !u.Cost.Asked() {
		return
	}
	b.total = b.total.Plus(u.Cost)
	if b.turns == nil {
		b.turns = make([]llm.Usage, 0, 2) // what one tool round makes
	}
	own := *u
	own.Raw = llm.Frame{}
	b.turns = append(b.turns, own)
}

// Total is what all turns have cost.
func (b *Bill) Total() llm.Cost { return b.total }

// AppendTo appends a usage object with the member added: what the reply has cost in US dollars, or "unknown", and for more than
// one turn each of them in buckets that do not overlap. An empty bill adds nothing. A member of that name which another
// gateway has put there makes room.
func (b *Bill) AppendTo(dst, usage []byte) []byte {
	if !b.total.Asked() || jsonedit.Kind(usage) != '{' {
		return append(dst, usage...)
	}
	dst = b.total.AppendJSON(append(OpenUsage(dst, usage), `"x_fairlead":{"cost":`...))
	for i := range b.turns {
		if len(b.turns) < 2 {
			break
		}
		dst = append(dst, []string{`,"rounds":[`, `,`}[min(i, 1)]...)
		dst = appendTurn(dst, &b.turns[i])
	}
	if len(b.turns) > 1 {
		dst = append(dst, ']')
	}
	return append(dst, `}}`...)
}

// OpenUsage appends a usage object without its end and without a member "x_fairlead", ready for one more member.
func OpenUsage(dst, usage []byte) []byte {
	dst = append(dst, '{')
	for key, v := range jsonedit.Members(usage) {
		if string(key) != "x_fairlead" {
			dst = append(append(append(append(dst, '"'), key...), `":`...), v...)
			dst = append(dst, ',')
		}
	}
	return dst
}

// appendTurn appends the buckets of one turn that are not empty, and what it has cost.
func appendTurn(dst []byte, u *llm.Usage) []byte {
	dst = append(dst, '{')
	for _, c := range [...]struct {
		name string
		n    int64
	}{
		{`"input_tokens":`, u.Input},
		{`"cache_read_tokens":`, u.CacheRead},
		{`"cache_write_tokens":`, u.CacheWrite},
		{`"cache_write_1h_tokens":`, u.CacheWriteLong},
		{`"audio_input_tokens":`, u.AudioInput},
		{`"tool_input_tokens":`, u.ToolInput},
		{`"output_tokens":`, u.Output},
		{`"reasoning_tokens":`, u.Reasoning},
		{`"audio_output_tokens":`, u.AudioOutput},
		{`"tool_uses":`, u.ToolUses},
	} {
		if c.n > 0 {
			dst = append(strconv.AppendInt(append(dst, c.name...), c.n, 10), ',')
		}
	}
	return append(u.Cost.AppendJSON(append(dst, `"cost":`...)), '}')
}
