package chat

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/llm"
)

// TestUsageBuckets: what providers count is put into buckets that do not overlap, and adds up.
func TestUsageBuckets(t *testing.T) {
	for _, c := range []struct {
		name, raw string
		want      llm.Usage
		in, out   int64
	}{
		{"OpenAI", `{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":30,"audio_tokens":20},"completion_tokens_details":{"reasoning_tokens":15,"audio_tokens":5,"accepted_prediction_tokens":3}}`, llm.Usage{Input: 50, CacheRead: 30, AudioInput: 20, Output: 30, Reasoning: 15, AudioOutput: 5}, 100, 50},
		{"written to a cache", `{"prompt_tokens":100,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":30,"cache_write_tokens":60}}`, llm.Usage{Input: 10, CacheRead: 30, CacheWrite: 60, Output: 1}, 100, 1},
		{"DeepSeek", `{"prompt_tokens":100,"completion_tokens":1,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}`, llm.Usage{Input: 36, CacheRead: 64, Output: 1}, 100, 1},
		{"xAI counts reasoning beside", `{"prompt_tokens":10,"completion_tokens":5,"total_tokens":115,"completion_tokens_details":{"reasoning_tokens":100}}`, llm.Usage{Input: 10, Output: 5, Reasoning: 100}, 10, 105},
		{"more audio than there is room", `{"prompt_tokens":10,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":8}}`, llm.Usage{CacheRead: 8, AudioInput: 2, Output: 1}, 10, 1},
	} {
		got := *readUsage([]byte(c.raw))
		if got.Inputs() != c.in || got.Outputs() != c.out {
			t.Errorf("%s: %d in and %d out, want %d and %d", c.name, got.Inputs(), got.Outputs(), c.in, c.out)
		}
		got.Raw, c.want.Known = llm.Frame{}, true
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(llm.Cost{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

// TestUsageOfOtherWires: usage of another wire is told with all of its tokens.
func TestUsageOfOtherWires(t *testing.T) {
	u := &llm.Usage{Known: true, Input: 1, CacheRead: 2, CacheWrite: 4, CacheWriteLong: 8, AudioInput: 16, ToolInput: 32, Output: 64, Reasoning: 128, AudioOutput: 256}
	want := `{"prompt_tokens":63,"completion_tokens":448,"total_tokens":511,"prompt_tokens_details":{"cached_tokens":2,"audio_tokens":16},"completion_tokens_details":{"reasoning_tokens":128,"audio_tokens":256}}`
	if got := string(appendUsage(nil, u)); got != want {
		t.Errorf("got %s", got)
	}
}
