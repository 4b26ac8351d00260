package llm_test

import (
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
)

func TestCost(t *testing.T) {
	for _, c := range []struct {
		cost       llm.Cost
		text, json string
	}{
		{llm.Cost{}, "", `"unknown"`},
		{llm.UnknownCost(), "unknown", `"unknown"`},
		{llm.PicoDollars(0), "0", "0"},
		{llm.PicoDollars(1), "0.000000000001", "0.000000000001"},
		{llm.PicoDollars(1_500_000_000_000), "1.5", "1.5"},
		{llm.PicoDollars(12_000_000_000_000), "12", "12"},
		{llm.PicoDollars(75_000 * 3), "0.000000225", "0.000000225"},
	} {
		if got := c.cost.String(); got != c.text {
			t.Errorf("%+v is %q, want %q", c.cost, got, c.text)
		}
		if got := string(c.cost.AppendJSON(nil)); got != c.json {
			t.Errorf("%+v is %s, want %s", c.cost, got, c.json)
		}
	}
}

func TestCostsAddUp(t *testing.T) {
	one, two := llm.PicoDollars(1), llm.PicoDollars(2)
	for _, c := range []struct{ a, b, want llm.Cost }{
		{one, two, llm.PicoDollars(3)},
		{llm.Cost{}, two, two},
		{one, llm.Cost{}, one},
		{one, llm.UnknownCost(), llm.UnknownCost()},
		{llm.UnknownCost(), two, llm.UnknownCost()},
		{llm.Cost{}, llm.Cost{}, llm.Cost{}},
	} {
		if got := c.a.Plus(c.b); got != c.want {
			t.Errorf("%+v and %+v are %+v", c.a, c.b, got)
		}
	}
}

func TestUsageAddsUp(t *testing.T) {
	u := llm.Usage{Input: 1, CacheRead: 2, CacheWrite: 4, CacheWriteLong: 8, AudioInput: 16, ToolInput: 32, Output: 64, Reasoning: 128, AudioOutput: 256, ToolUses: 512}
	if u.Inputs() != 63 || u.Outputs() != 448 {
		t.Errorf("%d in, %d out", u.Inputs(), u.Outputs())
	}
}
