package llm_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/llm"
)

func TestWithout(t *testing.T) {
	one := []byte("1")
	all := llm.Params{
		N: 2, JSON: true, OneByOne: true, Temperature: one, TopP: one, TopK: one, FrequencyPenalty: one, PresencePenalty: one, Seed: one, TopLogprobs: one,
		Stop: []string{"x"}, Format: &llm.Format{}, Effort: "low", ThinkTokens: 1, Verbosity: "low", ServiceTier: "flex",
	}
	for _, name := range []string{
		"n", "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed", "logprobs", "stop", "response_format", "reasoning_effort",
		"verbosity", "service_tier", "parallel_tool_calls",
	} {
		if !all.Without(name) || all.Without(name) {
			t.Errorf("%s is not forgotten once", name)
		}
	}
	if d := cmp.Diff(llm.Params{}, all); d != "" {
		t.Errorf("what is left (-want +got):\n%s", d)
	}
	if all.Without("model") {
		t.Error("an unknown name is forgotten")
	}
}
