package llm_test

import (
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
)

func TestParamsSayByName(t *testing.T) {
	whole := llm.Params{
		N: 2, JSON: true, OneByOne: true, MaxOutput: 1, Temperature: []byte("0.5"), TopP: []byte("0.5"), TopK: []byte("1"), FrequencyPenalty: []byte("1"),
		PresencePenalty: []byte("1"), Seed: []byte("0"), TopLogprobs: []byte("0"), Stop: []string{"x"}, Format: &llm.Format{}, Effort: "low", ThinkTokens: 1,
		Verbosity: "low", ServiceTier: "flex",
	}
	for _, name := range []string{
		"n", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed", "logprobs", "top_logprobs",
		"stop", "response_format", "reasoning_effort", "verbosity", "service_tier", "parallel_tool_calls",
	} {
		if p := (llm.Params{}); !whole.Says(name) || p.Says(name) {
			t.Errorf("%s: %t with it, %t without", name, whole.Says(name), p.Says(name))
		}
	}
	if whole.Says("model") {
		t.Error("model is a parameter")
	}
}

func TestParamsThatSayNothing(t *testing.T) {
	p := llm.Params{N: 1, Temperature: []byte("1.0"), TopP: []byte("1e0"), FrequencyPenalty: []byte("-0.0"), PresencePenalty: []byte("0")}
	for _, name := range []string{"n", "temperature", "top_p", "frequency_penalty", "presence_penalty"} {
		if p.Says(name) {
			t.Errorf("%s says something", name)
		}
	}
}
