package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Price is what a model costs.
type Price struct {
	Name string // "provider/model", "model" at any provider; * at the end stands for the rest of a name
	Rates
	Over int   // tokens that a turn reads, above which Long holds; 0: Rates always hold
	Long Rates // empty rates are not known
}

// Rates are US dollars for a million, as the file has them; empty when it does not say.
type Rates struct {
	Input, CachedInput, CacheWrite, CacheWrite1h string
	Output, Reasoning                            string
	AudioInput, AudioOutput                      string
	ToolUse                                      string
}

func newPrice(name string) Price { return Price{Name: name} }

func priceName(s string) string {
	if w := modelName(s); w != "" {
		return "the name of a price " + w
	}
	if strings.Contains(strings.TrimSuffix(s, "*"), "*") {
		return "a * may stand at the end of a name only"
	}
	return ""
}

func priceFields(p *Price) []field {
	fields := rateFields(&p.Rates)
	fields[0].required = true
	return append(fields, field{name: "long_context", to: group{longFields(p)}, doc: "The price of all of a turn that reads more tokens than over."})
}

func longFields(p *Price) []field {
	return slices.Concat(
		[]field{{name: "over", to: count{&p.Over, 1, 100_000_000}, required: true, doc: "How many tokens a turn reads, cached ones included, at the usual price."}},
		rateFields(&p.Long),
	)
}

func rateFields(r *Rates) []field {
	return []field{
		{name: "input", to: rate{&r.Input}, doc: "Tokens that the model reads."},
		{name: "cached_input", to: rate{&r.CachedInput}, doc: "Tokens that were read from a cache; by default as input."},
		{name: "cache_write", to: rate{&r.CacheWrite}, doc: "Tokens that were written to a cache; by default as input."},
		{name: "cache_write_1h", to: rate{&r.CacheWrite1h}, doc: "Tokens that were written to a cache for an hour; by default not known."},
		{name: "output", to: rate{&r.Output}, doc: "Tokens that the model makes; by default not known."},
		{name: "reasoning", to: rate{&r.Reasoning}, doc: "Tokens of reasoning; by default as output."},
		{name: "audio_input", to: rate{&r.AudioInput}, doc: "Tokens of audio that the model reads; by default not known."},
		{name: "audio_output", to: rate{&r.AudioOutput}, doc: "Tokens of audio that the model makes; by default not known."},
		{name: "tool_use", to: rate{&r.ToolUse}, doc: "A million uses of the provider's own tools, such as web search; by default not known."},
	}
}

// rate is a price in US dollars for a million.
type rate struct{ to *string }

func (r rate) read(d *decoder, path string, n *yaml.Node) {
	const what = "US dollars for a million, with at most five digits and six decimals, such as 0.075"
	s, ok := d.scalar(path, n, what, []string{"!!int", "!!float"})
	if !ok {
		return
	}
	whole, part, point := strings.Cut(s, ".")
	if whole == "" || len(whole) > 5 || len(part) > 6 || point && part == "" || strings.Trim(whole+part, "0123456789") != "" {
		d.wrong(path, "must be %s, not %q", what, clip(n.Value))
		return
	}
	*r.to = s
}

func (rate) schema() map[string]any {
	return orVariable(map[string]any{"type": "number", "minimum": 0, "exclusiveMaximum": 100_000})
}
