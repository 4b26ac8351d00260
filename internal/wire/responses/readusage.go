package responses

import (
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// readUsage reads a usage object into buckets that do not overlap, or returns nil. Raw of the result is raw itself.
// input_tokens hold those that were read from a cache and those that were written to one, and output_tokens hold the
// reasoning: OpenAI's API reference, ResponseUsage.
func readUsage(raw []byte) *llm.Usage {
	if jsonedit.Kind(raw) != '{' {
		return nil
	}
	n := func(path ...string) int64 {
		v, _ := jsonedit.Int(jsonedit.Get(raw, path...))
		return max(v, 0)
	}
	input, output := n("input_tokens"), n("output_tokens")
	u := &llm.Usage{Known: true, Raw: llm.Frame{Wire: Name, Bytes: raw}}
	u.CacheRead = min(input, n("input_tokens_details", "cached_tokens"))
	u.CacheWrite = min(input-u.CacheRead, n("input_tokens_details", "cache_write_tokens"))
	u.Input = input - u.CacheRead - u.CacheWrite
	u.Reasoning = min(output, n("output_tokens_details", "reasoning_tokens"))
	u.Output = output - u.Reasoning
	return u
}

// stopWord is the reason in incomplete_details, in llm's words.
func stopWord(details []byte) string {
	switch s, _ := jsonedit.Unquote(jsonedit.Get(details, "reason")); s {
	case "max_output_tokens", "max_tokens":
		return llm.StopLength
	default:
		return s // content_filter is content_filter
	}
}
