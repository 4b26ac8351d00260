package responses

import (
	"strconv"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// usages counts the rounds of a reply. OpenAI's own hosted tools show the input of the last round, which is how full the
// context is, and the output of all; what is billed stands beside it.
type usages struct {
	rounds []llm.Usage // Raw is kept of a single round only
	raw    []byte
}

func (us *usages) add(u *llm.Usage) {
	if u == nil || !u.Known {
		return
	}
	if us.raw = nil; len(us.rounds) == 0 && u.Raw.Wire == Name && complete(u.Raw.Bytes) {
		us.raw = append(us.raw, u.Raw.Bytes...)
	}
	own := *u
	own.Raw = llm.Frame{}
	us.rounds = append(us.rounds, own)
}

// complete reports whether a usage object has all that clients may rely on.
func complete(raw []byte) bool {
	for _, path := range [...][]string{{"input_tokens"}, {"output_tokens"}, {"total_tokens"}, {"input_tokens_details", "cached_tokens"}, {"output_tokens_details", "reasoning_tokens"}} {
		if _, ok := jsonedit.Int(jsonedit.Get(raw, path...)); !ok {
			return false
		}
	}
	return true
}

// appendTo appends the usage object, or null if no round has told.
func (us *usages) appendTo(dst []byte) []byte {
	n := len(us.rounds)
	switch {
	case n == 0:
		return append(dst, "null"...)
	case us.raw != nil:
		return appendLine(dst, us.raw)
	}
	shown := us.rounds[n-1]
	var billed llm.Usage
	for i := range us.rounds {
		billed.Input += inputOf(&us.rounds[i])
		billed.Output += us.rounds[i].Output
		billed.Reasoning += us.rounds[i].Reasoning
	}
	shown.Output, shown.Reasoning = billed.Output, billed.Reasoning
	dst = appendRound(append(dst, '{'), &shown)
	dst = appendInt(append(dst, `,"total_tokens":`...), inputOf(&shown)+shown.Output+shown.Reasoning)
	if n > 1 {
		dst = appendInt(append(dst, `,"x_fairlead":{"billed_input_tokens":`...), billed.Input)
		dst = appendInt(append(dst, `,"billed_output_tokens":`...), billed.Output+billed.Reasoning)
		dst = append(dst, `,"rounds":[`...)
		for i := range us.rounds {
			dst = append(appendRound(append(comma(dst, i), '{'), &us.rounds[i]), '}')
		}
		dst = append(dst, `]}`...)
	}
	return append(dst, '}')
}

func inputOf(u *llm.Usage) int64 { return u.Input + u.CacheRead + u.CacheWrite }

func appendRound(dst []byte, u *llm.Usage) []byte {
	dst = appendInt(append(dst, `"input_tokens":`...), inputOf(u))
	dst = appendInt(append(dst, `,"input_tokens_details":{"cached_tokens":`...), u.CacheRead)
	dst = appendInt(append(dst, `,"cache_write_tokens":`...), u.CacheWrite)
	dst = appendInt(append(dst, `},"output_tokens":`...), u.Output+u.Reasoning)
	dst = appendInt(append(dst, `,"output_tokens_details":{"reasoning_tokens":`...), u.Reasoning)
	return append(dst, '}')
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
