package meter

import (
	"errors"
	"strings"

	"github.com/fairlead/fairlead/internal/llm"
)

// Rate is the price of one token in millionths of a millionth of a US dollar, which is the price of a million tokens in
// millionths of a dollar. It may be not known.
type Rate struct {
	pico  int64
	known bool
}

// maxTokens is how many of one kind a turn is believed to have; a rate has at most five digits before its point. So no cost of
// a turn leaves 64 bits.
const maxTokens = 10_000_000

// ParseRate reads the price of a million tokens in US dollars: a decimal of at most six places.
func ParseRate(s string) (Rate, error) {
	whole, part, point := strings.Cut(s, ".")
	if whole == "" || len(whole) > 5 || len(part) > 6 || point && part == "" || strings.Trim(whole+part, "0123456789") != "" {
		return Rate{}, errRate
	}
	n := int64(0)
	for _, c := range []byte(whole + part + "000000"[len(part):]) {
		n = n*10 + int64(c-'0')
	}
	return Rate{n, true}, nil
}

var errRate = errors.New("must be US dollars for a million, with at most five digits and six decimals, such as 0.075")

// Price is what a model's tokens cost. A rate that is not known stands for another one where vendors charge the same: what was
// read from or written to a cache is then charged as input, and reasoning as output. Audio, caches for an hour and the
// provider's own tools have no such neighbour.
type Price struct {
	Input, CacheRead, CacheWrite, CacheWriteLong Rate
	Output, Reasoning                            Rate
	AudioInput, AudioOutput                      Rate
	ToolUse                                      Rate // of a million uses
	// Long is the price of a turn that reads more than Over tokens, all of them; nil: the same.
	Long *Price
	Over int64
}

// Of is what u costs. A nil Price knows no cost.
func (p *Price) Of(u *llm.Usage) llm.Cost {
	if p == nil || !u.Known {
		return llm.UnknownCost()
	}
	if p.Long != nil && u.Inputs() > p.Over {
		p = p.Long
	}
	sum := int64(0)
	for _, c := range [...]struct {
		n    int64
		rate Rate
	}{
		{u.Input + u.ToolInput, p.Input},
		{u.CacheRead, p.CacheRead.or(p.Input)},
		{u.CacheWrite, p.CacheWrite.or(p.Input)},
		{u.CacheWriteLong, p.CacheWriteLong},
		{u.AudioInput, p.AudioInput},
		{u.Output, p.Output},
		{u.Reasoning, p.Reasoning.or(p.Output)},
		{u.AudioOutput, p.AudioOutput},
		{u.ToolUses, p.ToolUse},
	} {
		switch {
		case c.n == 0:
		case !c.rate.known || c.n < 0 || c.n > maxTokens:
			return llm.UnknownCost()
		default:
			sum += c.n * c.rate.pico
		}
	}
	return llm.PicoDollars(sum)
}

func (r Rate) or(other Rate) Rate {
	if r.known {
		return r
	}
	return other
}

// Blend is one number to compare prices by, in any unit: that of three tokens read and one made. false: one of them is unknown.
func (p *Price) Blend() (float64, bool) {
	if p == nil || !p.Input.known || !p.Output.known {
		return 0, false
	}
	return float64(3*p.Input.pico + p.Output.pico), true
}
