package agent

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// turn collects what one round of the model says.
type turn struct {
	r        *run
	text     strings.Builder
	made     []*call
	extras   [][]byte
	wire     string
	toClient int
	stop     string
	usage    *llm.Usage // nil, or used
	used     llm.Usage
	ended    bool
}

type call struct {
	llm.Call
	args  strings.Builder
	owner owner
	index int // as the client counts: its own calls from 0
	// meant is what the call comes to where it is made through another tool: what the client is shown and what runs. The model
	// is told of its own call.
	meant *llm.Call
}

func (r *run) newTurn() *turn { return &turn{r: r} }

// roomyText is how many bytes are taken at once for a text that comes in pieces.
const roomyText = 256

// take collects ev and readies it for the client. It reports whether ev is to be passed on.
func (t *turn) take(ev *llm.Event) bool {
	switch ev.Kind {
	case llm.Text:
		if t.text.Len() == 0 {
			t.text.Grow(max(len(ev.Text), roomyText))
		}
		t.text.WriteString(ev.Text)
	case llm.ToolCall:
		t.takeCall(ev)
	case llm.End:
		t.ended, t.stop = true, strings.Clone(ev.Stop)
		if ev.Usage != nil {
			t.used, t.usage = *ev.Usage, &t.used
			t.used.Raw.Bytes = bytes.Clone(ev.Usage.Raw.Bytes)
		}
		return false
	default:
	}
	x := ev.Extra
	if x.Wire != "" && (len(x.Delta) > 0 || len(ev.Call.Extra) > 0) {
		t.wire = x.Wire
	}
	if len(x.Delta) > 0 {
		t.extras = append(t.extras, append(append([]byte{'{'}, x.Delta...), '}'))
	}
	return true
}

func (t *turn) takeCall(ev *llm.Event) {
	for ev.Index >= len(t.made) {
		t.made = append(t.made, nil)
	}
	c := t.made[ev.Index]
	if c == nil {
		c = t.open(ev)
		t.made[ev.Index] = c
	}
	if c.args.Len() == 0 && ev.Call.Arguments != "" {
		c.args.Grow(max(len(ev.Call.Arguments), roomyText))
	}
	c.args.WriteString(ev.Call.Arguments)
	c.Extra = append(c.Extra, ev.Call.Extra...)
	ev.Ours = c.owner != clients
	if !ev.Ours {
		ev.Index = c.index
	}
}

// settle finds out what calls through another tool come to, when the turn is complete. It reports false when the client has gone.
func (t *turn) settle(yield func(llm.Event, error) bool) bool {
	for _, c := range t.made {
		if c == nil || !t.r.through(c.Name) {
			continue
		}
		m := t.r.loop.Tools.Meant(c.complete())
		if m.Name == c.Name {
			continue
		}
		c.meant = &m
		if c.owner = t.r.owner(m.Name); c.owner == clients && !t.handOver(c, yield) {
			return false
		}
	}
	return true
}

// open meets a call for the first time and decides whose it is. A call id that an earlier round had is changed, since
// some providers count from 0 in every reply.
func (t *turn) open(ev *llm.Event) *call {
	c := &call{Call: llm.Call{ID: strings.Clone(ev.Call.ID), Name: strings.Clone(ev.Call.Name)}, owner: t.r.owner(ev.Call.Name)}
	for n, id := 2, c.ID; t.r.ids[c.ID]; n++ {
		c.ID = id + "_" + strconv.Itoa(n)
	}
	if t.r.ids == nil {
		t.r.ids = map[string]bool{}
	}
	t.r.ids[c.ID] = true
	ev.Call.ID = c.ID
	if c.owner == clients {
		c.index = t.toClient
		t.toClient++
	}
	return c
}

// all returns the calls of the turn, complete.
func (t *turn) all() []llm.Call {
	var out []llm.Call
	for _, c := range t.made {
		if c != nil {
			out = append(out, c.complete())
		}
	}
	return out
}

// calls returns the calls of one owner, complete, as what they come to.
func (t *turn) calls(o owner) []llm.Call {
	var out []llm.Call
	for _, c := range t.made {
		if c != nil && c.owner == o {
			out = append(out, c.shown())
		}
	}
	return out
}

// shown is the call as the client is shown it, and as it runs.
func (c *call) shown() llm.Call {
	if c.meant != nil {
		return *c.meant
	}
	return c.complete()
}

// told are results under the names by which the model has made their calls.
func (t *turn) told(results []llm.Result) []llm.Result {
	for i := range results {
		for _, c := range t.made {
			if c != nil && c.ID == results[i].CallID {
				results[i].Name = c.Name
			}
		}
	}
	return results
}

func (c *call) complete() llm.Call {
	out := c.Call
	out.Arguments = c.args.String()
	return out
}

// shared reports whether the client must answer some of the turn's calls before the model can go on.
func (t *turn) shared() bool {
	return slices.ContainsFunc(t.made, func(c *call) bool { return c != nil && c.owner != runs })
}

// message is the turn as the model must see it again.
func (t *turn) message() llm.Message {
	return llm.Message{Role: llm.Assistant, Text: t.text.String(), Calls: t.all(), Extra: t.extra(), Wire: t.wire}
}

// extra joins the pieces of members that only the wire knows (reasoning, signatures), in pairs, so that long turns do not
// cost the square of their length.
func (t *turn) extra() []byte {
	parts := t.extras
	for len(parts) > 1 {
		var half [][]byte
		for i := 0; i < len(parts); i += 2 {
			if i+1 == len(parts) {
				half = append(half, parts[i])
				continue
			}
			half = append(half, jsonedit.MergeDelta(nil, parts[i], parts[i+1]))
		}
		parts = half
	}
	if len(parts) == 0 || len(parts[0]) < 2 {
		return nil
	}
	return parts[0][1 : len(parts[0])-1]
}
