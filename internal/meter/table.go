package meter

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
)

// Words are the rates of a price as somebody has written them, in US dollars for a million; empty for those that are not known.
type Words struct {
	Input        string `json:"input"`
	CachedInput  string `json:"cached_input"`
	CacheWrite   string `json:"cache_write"`
	CacheWrite1h string `json:"cache_write_1h"`
	Output       string `json:"output"`
	Reasoning    string `json:"reasoning"`
	AudioInput   string `json:"audio_input"`
	AudioOutput  string `json:"audio_output"`
	ToolUse      string `json:"tool_use"`
}

// NewPrice reads the rates of a price.
func NewPrice(w Words) (*Price, error) {
	p := new(Price)
	for _, r := range [...]struct {
		name, text string
		to         *Rate
	}{
		{"input", w.Input, &p.Input},
		{"cached_input", w.CachedInput, &p.CacheRead},
		{"cache_write", w.CacheWrite, &p.CacheWrite},
		{"cache_write_1h", w.CacheWrite1h, &p.CacheWriteLong},
		{"output", w.Output, &p.Output},
		{"reasoning", w.Reasoning, &p.Reasoning},
		{"audio_input", w.AudioInput, &p.AudioInput},
		{"audio_output", w.AudioOutput, &p.AudioOutput},
		{"tool_use", w.ToolUse, &p.ToolUse},
	} {
		if r.text == "" {
			continue
		}
		rate, err := ParseRate(r.text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		*r.to = rate
	}
	return p, nil
}

// Table finds the prices of models. Names are "provider/model", or "model" for whoever runs it; one that ends in "*" is the
// beginning of names.
type Table struct {
	own   rates // what a config says
	built rates
}

// rates are prices by name.
type rates struct {
	names map[string]*Price
	open  []start // longest first
}

// start is the beginning of names that have a price.
type start struct {
	text  string
	price *Price
}

func newRates(prices map[string]*Price) rates {
	r := rates{names: prices}
	for name, p := range prices {
		if text, ok := strings.CutSuffix(name, "*"); ok {
			r.open = append(r.open, start{text, p})
		}
	}
	slices.SortFunc(r.open, func(a, b start) int { return len(b.text) - len(a.text) })
	return r
}

// of finds a name, or the longest beginning of it.
func (r *rates) of(name string) *Price {
	if p := r.names[name]; p != nil {
		return p
	}
	for i := range r.open {
		if strings.HasPrefix(name, r.open[i].text) {
			return r.open[i].price
		}
	}
	return nil
}

// NewTable returns the built-in prices with those of own before them.
func NewTable(own map[string]*Price) *Table { return &Table{newRates(own), newRates(builtIn())} }

// Of is the price of a model at a provider, or nil. What own says counts for more than what is built in, a whole name more than
// the beginning of one, and that more than the name without its date: models are named with the day that they were made on
// ("gpt-5-2025-08-07", "claude-sonnet-4-5-20250929").
func (t *Table) Of(provider, model string) *Price {
	if t == nil {
		return nil
	}
	plain := undated(model)
	for _, r := range [...]*rates{&t.own, &t.built} {
		if len(r.names) == 0 {
			continue
		}
		for _, name := range [...]string{model, plain} {
			if p := r.of(provider + "/" + name); p != nil {
				return p
			}
			if p := r.of(name); p != nil {
				return p
			}
			if plain == model {
				break
			}
		}
	}
	return nil
}

// undated is a model's name without the day at its end.
func undated(name string) string {
	for _, form := range [...]string{"-0000-00-00", "-00000000"} {
		if len(name) > len(form) && has(name[len(name)-len(form):], form) {
			return name[:len(name)-len(form)]
		}
	}
	return name
}

// has reports whether s, as long as form, has digits where form has zeros, and else the same.
func has(s, form string) bool {
	for i := range len(form) {
		if digit := s[i] >= '0' && s[i] <= '9'; form[i] == '0' && !digit || form[i] != '0' && s[i] != form[i] {
			return false
		}
	}
	return true
}

// The file says where its prices come from, and when they were read there. There are no others in it than those that the
// vendors have published.
//
//go:embed prices.json
var pricesFile []byte

// row is one price of the file.
type row struct {
	Words
	Long *longRow `json:"long_context"`
}

type longRow struct {
	Over int64 `json:"over"`
	Words
}

// builtIn reads the file, once.
var builtIn = sync.OnceValue(func() map[string]*Price {
	prices, err := readPrices(pricesFile)
	if err != nil {
		panic("meter: prices.json: " + err.Error()) // a test reads it
	}
	return prices
})

func readPrices(data []byte) (map[string]*Price, error) {
	var file struct {
		Prices map[string]row `json:"prices"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	prices := make(map[string]*Price, len(file.Prices))
	for name, r := range file.Prices {
		p, err := NewPrice(r.Words)
		if err == nil && r.Long != nil {
			p.Over = r.Long.Over
			p.Long, err = NewPrice(r.Long.Words)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		prices[name] = p
	}
	return prices, nil
}
