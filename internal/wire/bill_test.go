package wire_test

import (
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

func TestBill(t *testing.T) {
	one := &llm.Usage{Known: true, Input: 10, Output: 2, Cost: llm.PicoDollars(1_000_000_000)}
	two := &llm.Usage{Known: true, Input: 1, CacheRead: 3, Reasoning: 5, Cost: llm.PicoDollars(500_000_000)}
	dear := &llm.Usage{Known: true, Input: 1, Cost: llm.UnknownCost()}
	for _, c := range []struct {
		name        string
		turns       []*llm.Usage
		usage, want string
	}{
		{"nobody has metered", []*llm.Usage{nil, {Known: true, Input: 1}}, `{"a":1}`, `{"a":1}`},
		{"one turn", []*llm.Usage{one}, `{"a":1}`, `{"a":1,"x_fairlead":{"cost":0.001}}`},
		{"no counts", []*llm.Usage{one}, `{}`, `{"x_fairlead":{"cost":0.001}}`},
		{"no usage", []*llm.Usage{one}, `null`, `null`},
		{"two turns", []*llm.Usage{one, two}, `{"a":1}`, `{"a":1,"x_fairlead":{"cost":0.0015,"rounds":[{"input_tokens":10,"output_tokens":2,"cost":0.001},{"input_tokens":1,"cache_read_tokens":3,"reasoning_tokens":5,"cost":0.0005}]}}`},
		{"an unknown price", []*llm.Usage{one, dear}, `{"a":1}`, `{"a":1,"x_fairlead":{"cost":"unknown","rounds":[{"input_tokens":10,"output_tokens":2,"cost":0.001},{"input_tokens":1,"cost":"unknown"}]}}`},
		{"another gateway's", []*llm.Usage{one}, `{"x_fairlead":{"cost":7},"a":1}`, `{"a":1,"x_fairlead":{"cost":0.001}}`},
	} {
		var b wire.Bill
		for _, u := range c.turns {
			b.Add(u)
		}
		if got := string(b.AppendTo([]byte("x"), []byte(c.usage))); got != "x"+c.want {
			t.Errorf("%s:\n got %s\nwant x%s", c.name, got, c.want)
		}
	}
}
