package responses

import (
	"strconv"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// usages counts the rounds of a reply. OpenAI's own hosted tools show the input of the last round, which is how full the
// context is, and the output of all; what is billed stands beside it.
type usages struct {
	rounds []llm.Usage // Raw is kept of a single round only
	raw    []byte
	cost   llm.Cost
}

func (us *usages) add(u *llm.Usage) {
	if u == nil {
		return
	}
	if us.cost = us.cost.Plus(u.Cost); !u.Known {
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
		if !us.cost.Asked() {
			return appendLine(dst, us.raw)
		}
		return us.appendOwn(wire.OpenUsage(dst, appendLine(nil, us.raw)), nil)
	}
	shown := us.rounds[n-1]
	var billed llm.Usage
	for i := range us.rounds {
		billed.Input += us.rounds[i].Inputs()
		billed.Output += us.rounds[i].Outputs()
		billed.Reasoning += us.rounds[i].Reasoning
	}
	dst = appendCounts(append(dst, '{'), &shown, billed.Output, billed.Reasoning)
	dst = appendInt(append(dst, `,"total_tokens":`...), shown.Inputs()+billed.Output)
	if len(us.rounds) < 2 && !us.cost.Asked() {
		return append(dst, '}')
	}
	return us.appendOwn(append(dst, ','), &billed)
}

// appendOwn appends the gateway's own member and the end of the object: of several rounds what is billed and what each took,
// and what the reply has cost.
func (us *usages) appendOwn(dst []byte, billed *llm.Usage) []byte {
	several := len(us.rounds) > 1
	dst = append(dst, `"x_fairlead":{`...)
	if several {
		dst = appendInt(append(dst, `"billed_input_tokens":`...), billed.Input)
		dst = appendInt(append(dst, `,"billed_output_tokens":`...), billed.Output)
		dst = append(dst, `,"rounds":[`...)
		for i := range us.rounds {
			dst = append(appendRound(append(comma(dst, i), '{'), &us.rounds[i]), '}')
		}
		dst = append(dst, ']')
	}
	if us.cost.Asked() {
		if several {
			dst = append(dst, ',')
		}
		dst = us.cost.AppendJSON(append(dst, `"cost":`...))
	}
	return append(dst, `}}`...)
}

func appendRound(dst []byte, u *llm.Usage) []byte {
	dst = appendCounts(dst, u, u.Outputs(), u.Reasoning)
	if u.Cost.Asked() {
		dst = u.Cost.AppendJSON(append(dst, `,"cost":`...))
	}
	return dst
}

// appendCounts appends the members that count tokens, with these of the output.
func appendCounts(dst []byte, u *llm.Usage, output, reasoning int64) []byte {
	dst = appendInt(append(dst, `"input_tokens":`...), u.Inputs())
	dst = appendInt(append(dst, `,"input_tokens_details":{"cached_tokens":`...), u.CacheRead)
	dst = appendInt(append(dst, `,"cache_write_tokens":`...), u.CacheWrite+u.CacheWriteLong)
	dst = appendInt(append(dst, `},"output_tokens":`...), output)
	dst = appendInt(append(dst, `,"output_tokens_details":{"reasoning_tokens":`...), reasoning)
	return append(dst, '}')
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
