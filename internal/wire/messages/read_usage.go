package messages

import (
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// stopOf is our word for a reason to stop. Those that no other wire has a word for stay as they are.
func stopOf(reason string) string {
	switch reason {
	case "end_turn", "stop_sequence":
		return llm.StopDone
	case "max_tokens", "model_context_window_exceeded":
		return llm.StopLength
	case "tool_use":
		return llm.StopTools
	case "refusal":
		return llm.StopFilter
	}
	return reason
}

// readUsage reads a usage object, or returns nil. Its counts do not overlap: input_tokens are those that were neither read
// from the cache nor written to it, and cache_creation tells those that were written for five minutes and for an hour apart.
// output_tokens hold those of thinking, which output_tokens_details counts where there is any. A web search of the provider's
// own has a price of its own (server_tool_use). Raw of the result is raw itself.
func readUsage(raw []byte) *llm.Usage {
	if jsonedit.Kind(raw) != '{' {
		return nil
	}
	u := &llm.Usage{Known: true, Raw: llm.Frame{Wire: Name, Bytes: raw}}
	for key, v := range jsonedit.Members(raw) {
		n, _ := jsonedit.Int(v)
		n = max(n, 0)
		switch string(key) {
		case "input_tokens":
			u.Input = n
		case "cache_read_input_tokens":
			u.CacheRead = n
		case "cache_creation_input_tokens":
			u.CacheWrite = n
		case "output_tokens":
			u.Output = n
		case "output_tokens_details":
			u.Reasoning = count(v, "thinking_tokens")
		case "cache_creation":
			u.CacheWriteLong = count(v, "ephemeral_1h_input_tokens")
		case "server_tool_use":
			u.ToolUses = count(v, "web_search_requests")
		}
	}
	u.CacheWriteLong = min(u.CacheWriteLong, u.CacheWrite)
	u.CacheWrite -= u.CacheWriteLong
	u.Reasoning = min(u.Reasoning, u.Output)
	u.Output -= u.Reasoning
	return u
}

// count is a member of an object that counts something, 0 for anything else.
func count(obj []byte, name string) int64 {
	n, _ := jsonedit.Int(jsonedit.Get(obj, name))
	return max(n, 0)
}

// mergeUsage returns the usage that two events of a stream come to. Counts are cumulative: what the later one says counts,
// unless it is null.
func mergeUsage(a, b []byte) []byte {
	switch {
	case jsonedit.Kind(a) != '{':
		return b
	case jsonedit.Kind(b) != '{':
		return a
	}
	out := []byte{'{'}
	for key, v := range jsonedit.Members(a) {
		if later := jsonedit.Get(b, string(key)); !jsonedit.IsNull(later) {
			v = later
		}
		out = appendMember(out, key, v)
	}
	for key, v := range jsonedit.Members(b) {
		if jsonedit.Get(a, string(key)) == nil {
			out = appendMember(out, key, v)
		}
	}
	return append(out, '}')
}
