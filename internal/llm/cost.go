package llm

import "strconv"

// Cost is what something is charged. The zero value says that nobody has asked; a cost that was asked for and that no price
// is known for is unknown, which is not the same as nothing.
type Cost struct {
	state costState
	pico  int64
}

type costState uint8

const (
	unasked costState = iota
	known
	unknown
)

// PicoDollars is a known cost of n millionths of a millionth of a US dollar: the price of one token is a whole number of them
// where a million tokens have a price with six decimals.
func PicoDollars(n int64) Cost { return Cost{known, n} }

// UnknownCost is the cost of what has no known price.
func UnknownCost() Cost { return Cost{state: unknown} }

// Asked reports whether the cost was asked for.
func (c Cost) Asked() bool { return c.state != unasked }

// Known reports whether the cost is known.
func (c Cost) Known() bool { return c.state == known }

// Pico is a known cost in millionths of a millionth of a US dollar.
func (c Cost) Pico() int64 { return c.pico }

// Plus is the cost of both. It is unknown if one of them is.
func (c Cost) Plus(o Cost) Cost {
	switch {
	case o.state == unasked:
		return c
	case c.state == unasked:
		return o
	case c.state == unknown || o.state == unknown:
		return UnknownCost()
	}
	return PicoDollars(c.pico + o.pico)
}

// String is the cost in US dollars as a plain decimal, or "unknown", or "" when it was not asked for.
func (c Cost) String() string {
	var room [32]byte
	switch {
	case c.Known():
		return string(c.appendDollars(room[:0]))
	case c.Asked():
		return "unknown"
	}
	return ""
}

// AppendJSON appends the cost as a JSON value: a number of US dollars, or the text "unknown".
func (c Cost) AppendJSON(dst []byte) []byte {
	if c.state != known {
		return append(dst, `"unknown"`...)
	}
	return c.appendDollars(dst)
}

// appendDollars appends the decimal without zeros at its end.
func (c Cost) appendDollars(dst []byte) []byte {
	const dollar = 1_000_000_000_000
	dst = strconv.AppendInt(dst, c.pico/dollar, 10)
	rest := c.pico % dollar
	if rest == 0 {
		return dst
	}
	dst = append(dst, '.')
	for rest > 0 {
		rest *= 10
		dst = append(dst, byte('0'+rest/dollar))
		rest %= dollar
	}
	return dst
}
