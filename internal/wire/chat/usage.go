package chat

import (
	"cmp"

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
	c := countsOf(raw)
	u := &llm.Usage{Known: true, Raw: llm.Frame{Wire: Name, Bytes: raw}}
	u.CacheRead = min(c.prompt, cmp.Or(c.in.cached, c.hit, c.cached))
	u.CacheWrite = min(c.prompt-u.CacheRead, cmp.Or(c.in.written, c.in.created))
	u.AudioInput = min(c.prompt-u.CacheRead-u.CacheWrite, c.in.audio)
	u.Input = c.prompt - u.CacheRead - u.CacheWrite - u.AudioInput
	u.Reasoning = cmp.Or(c.out.reasoning, c.reasoning)
	// Some count reasoning beside the completion instead of in it; the total tells.
	if rest := c.total - c.prompt - c.completion; u.Reasoning == 0 && rest > 0 {
		u.Reasoning = rest // counted, and named nowhere
	}
	completion := c.completion
	beside := u.Reasoning > completion || u.Reasoning > 0 && c.total == c.prompt+completion+u.Reasoning
	if !beside {
		completion -= u.Reasoning
	}
	u.AudioOutput = min(completion, c.out.audio)
	u.Output = completion - u.AudioOutput
	return u
}

// counts are the numbers of a usage object, none below 0.
type counts struct {
	prompt, completion, total int64
	hit, cached, reasoning    int64
	in, out                   details
}

// details are those of prompt_tokens_details or completion_tokens_details.
type details struct{ cached, written, created, audio, reasoning int64 }

func countsOf(raw []byte) (c counts) {
	for key, v := range jsonedit.Members(raw) {
		switch string(key) {
		case "prompt_tokens":
			c.prompt = count(v)
		case "completion_tokens":
			c.completion = count(v)
		case "total_tokens":
			c.total = count(v)
		case "prompt_cache_hit_tokens":
			c.hit = count(v)
		case "cached_tokens":
			c.cached = count(v)
		case "reasoning_tokens":
			c.reasoning = count(v)
		case "prompt_tokens_details":
			c.in = detailsOf(v)
		case "completion_tokens_details":
			c.out = detailsOf(v)
		}
	}
	return c
}

func detailsOf(raw []byte) (d details) {
	for key, v := range jsonedit.Members(raw) {
		switch string(key) {
		case "cached_tokens":
			d.cached = count(v)
		case "cache_write_tokens":
			d.written = count(v)
		case "cache_creation_tokens":
			d.created = count(v)
		case "audio_tokens":
			d.audio = count(v)
		case "reasoning_tokens":
			d.reasoning = count(v)
		}
	}
	return d
}

func count(v []byte) int64 {
	n, _ := jsonedit.Int(v)
	return max(n, 0)
}
