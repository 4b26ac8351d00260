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
// from the cache nor written to it. Raw of the result is raw itself.
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
		}
	}
	return u
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
