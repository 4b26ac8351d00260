package chat

import (
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// readUsage reads a usage object into buckets that do not overlap, or returns nil. Raw of the result is raw itself.
//
// prompt_tokens hold those that were read from a cache (prompt_tokens_details.cached_tokens; at DeepSeek
// prompt_cache_hit_tokens), those that were written to one and those of audio, and completion_tokens hold the reasoning and
// the audio: OpenAI's API reference, CompletionUsage. At xAI, completion_tokens do not hold the reasoning; the total tells.
// Tokens of audio that were read from a cache are counted with the cache.
func readUsage(raw []byte) *llm.Usage {
	if jsonedit.Kind(raw) != '{' {
		return nil
	}
	n := func(path ...string) int64 {
		v, _ := jsonedit.Int(jsonedit.Get(raw, path...))
		return max(v, 0)
	}
	first := func(values ...int64) int64 {
		for _, v := range values {
			if v > 0 {
				return v
			}
		}
		return 0
	}
	prompt, completion := n("prompt_tokens"), n("completion_tokens")
	u := &llm.Usage{Known: true, Raw: llm.Frame{Wire: Name, Bytes: raw}}
	u.CacheRead = min(prompt, first(n("prompt_tokens_details", "cached_tokens"), n("prompt_cache_hit_tokens"), n("cached_tokens")))
	u.CacheWrite = min(prompt-u.CacheRead, first(n("prompt_tokens_details", "cache_write_tokens"), n("prompt_tokens_details", "cache_creation_tokens")))
	u.AudioInput = min(prompt-u.CacheRead-u.CacheWrite, n("prompt_tokens_details", "audio_tokens"))
	u.Input = prompt - u.CacheRead - u.CacheWrite - u.AudioInput
	u.Reasoning = first(n("completion_tokens_details", "reasoning_tokens"), n("reasoning_tokens"))
	// Some count reasoning beside the completion instead of in it; the total tells.
	if rest := n("total_tokens") - prompt - completion; u.Reasoning == 0 && rest > 0 {
		u.Reasoning = rest // counted, and named nowhere
	}
	beside := u.Reasoning > completion || u.Reasoning > 0 && n("total_tokens") == prompt+completion+u.Reasoning
	if !beside {
		completion -= u.Reasoning
	}
	u.AudioOutput = min(completion, n("completion_tokens_details", "audio_tokens"))
	u.Output = completion - u.AudioOutput
	return u
}
