// Package matrix has every dialect of a client meet every wire of a provider, from one table: what a conversation can come to
// is the same whichever of them speak, and where it is not, the table says why.
//
// The gateway runs as a process of its own. A cell is a conversation in the terms of this package; dialects put it into
// bytes, read the answers back into those terms, and hold them against the rules of their protocol on the way.
package matrix

import (
	"os"
	"slices"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/test/gateway"
)

func TestMain(m *testing.M) {
	mcptest.Main() // does not return in a child
	code := m.Run()
	gateway.Clean()
	os.Exit(code)
}

// row is what can happen in a conversation.
type row struct {
	name  string
	modes []bool // streamed or not
	run   func(*cell)
	// cannot says of dialects why the row cannot exist there; what happens in its place is instead.
	cannot  map[string]string
	instead func(*cell)
	// lacks says of wires of a provider why the row cannot exist there, and what happens in its place is lacking.
	lacks   map[string]string
	lacking func(*cell)
}

var (
	plainly  = []bool{false}
	streamed = []bool{true}
	both     = []bool{false, true}
)

// table is the matrix: each row is run for every dialect of a client and every wire of a provider.
var table = []row{
	{name: "plain", modes: plainly, run: answer},
	{name: "stream", modes: streamed, run: answer},
	{name: "finish mapping", modes: both, run: finish},
	{name: "the client's tools", modes: both, run: clientTools},
	{name: "two of the client's tools at once", modes: both, run: twoAtOnce},
	{name: "our tools over three rounds", modes: both, run: rounds},
	{name: "attached server", modes: both, run: attached},
	{name: "mixed turn", modes: both, run: mixedTurn},
	{
		name: "approval", modes: both, run: approval,
		cannot: map[string]string{
			"chat":     "the dialect has no question to the client whether a call may run: a call that needs the client's word is handed to it as one of its own",
			"messages": "the dialect has no question to the client whether a call may run: a call that needs the client's word is handed to it as one of its own",
		},
		instead: handedOver,
	},
	{
		name: "approval refused", modes: both, run: refusal,
		cannot: map[string]string{
			"chat":     "without a question there is nothing to refuse: what the client answers to a call that was handed to it is the result",
			"messages": "without a question there is nothing to refuse: what the client answers to a call that was handed to it is the result",
		},
		instead: handedOver,
	},
	{name: "forced call", modes: both, run: forcedCall},
	{name: "answer of a form", modes: both, run: formed, lacks: map[string]string{
		"cohere": "the API does not take a response_format together with tools, and a request with both is refused by name",
	}, lacking: formRefused},
	{name: "image in", modes: both, run: imageIn},
	{name: "PDF in", modes: both, run: pdfIn, lacks: map[string]string{
		"cohere": "the API takes text and images and has no word for a document in a message, and a request with one is refused by name",
	}, lacking: pdfRefused},
	{name: "reasoning", modes: both, run: reasoning},
	{name: "reasoning before the client's tools", modes: both, run: reasoningKept},
	{name: "error before the first byte", modes: both, run: errorBefore},
	{name: "error after the first byte", modes: both, run: errorAfter},
	{name: "error after a tool", modes: both, run: errorAfterTool},
	{name: "cancel", modes: both, run: cancel},
	{name: "limit reached", modes: both, run: limit, cannot: map[string]string{
		"messages": "the dialect has a word for a reply that a limit stopped: the reply pauses there and the client has it continued, in place of a last word without tools",
	}, instead: pause},
}

func TestMatrix(t *testing.T) {
	h := newHouse(t)
	t.Run("cells", func(t *testing.T) { // ends when all cells have
		for _, r := range table {
			for _, d := range dialects {
				for _, upstream := range upstreams {
					for _, stream := range r.modes {
						run := r.run
						switch {
						case r.lacks[upstream] != "":
							run = r.lacking
						case r.cannot[d.name()] != "":
							run = r.instead
						}
						name := r.name + "/" + d.name() + " to " + upstream
						if len(r.modes) > 1 && stream {
							name += ", streamed"
						}
						t.Run(name, func(t *testing.T) {
							t.Parallel()
							c := newCell(t, h, d, upstream, stream)
							run(c)
							c.done()
						})
					}
				}
			}
		}
	})
}

// TestTheTableIsWhole wants words for whatever is left out, and something in its place.
func TestTheTableIsWhole(t *testing.T) {
	for _, r := range table {
		for name, why := range r.cannot {
			if len(why) < 40 || r.instead == nil || !slices.ContainsFunc(dialects, func(d dialect) bool { return d.name() == name }) {
				t.Errorf("%s of %s: %q", r.name, name, why)
			}
		}
		for name, why := range r.lacks {
			if len(why) < 40 || r.lacking == nil || !slices.Contains(upstreams, name) {
				t.Errorf("%s at %s: %q", r.name, name, why)
			}
		}
	}
}
