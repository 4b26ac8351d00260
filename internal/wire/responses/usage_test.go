package responses

import (
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
)

// TestUsageSaysItsCost: the cost stands beside what a reply says anyway, whether it had one round or several.
func TestUsageSaysItsCost(t *testing.T) {
	raw := `{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":15}`
	priced := func(c llm.Cost) *llm.Usage {
		u := readUsage([]byte(raw))
		u.Cost = c
		return u
	}
	round := `{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":0},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":2}`
	cent := llm.PicoDollars(10_000_000_000)
	for _, c := range []struct {
		name   string
		rounds []*llm.Usage
		want   string
	}{
		{"not metered", []*llm.Usage{priced(llm.Cost{})}, raw},
		{"one round", []*llm.Usage{priced(cent)}, raw[:len(raw)-1] + `,"x_fairlead":{"cost":0.01}}`},
		{"of another wire", []*llm.Usage{{Known: true, Input: 6, CacheRead: 4, Output: 3, Reasoning: 2, Cost: cent}}, round + `,"total_tokens":15,"x_fairlead":{"cost":0.01}}`},
		{"unknown", []*llm.Usage{priced(llm.UnknownCost())}, raw[:len(raw)-1] + `,"x_fairlead":{"cost":"unknown"}}`},
		{"two rounds", []*llm.Usage{priced(cent), priced(llm.UnknownCost())}, `{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":0},"output_tokens":10,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":20,` +
			`"x_fairlead":{"billed_input_tokens":20,"billed_output_tokens":10,"rounds":[` + round + `,"cost":0.01},` + round + `,"cost":"unknown"}],"cost":"unknown"}}`},
		{"nothing was said", []*llm.Usage{{Cost: llm.UnknownCost()}}, "null"},
	} {
		var us usages
		for _, u := range c.rounds {
			us.add(u)
		}
		if got := string(us.appendTo(nil)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}
