package agent

import (
	"slices"

	"github.com/fairlead/fairlead/internal/llm"
)

// review asks about the calls of a turn, now that their arguments are known: one that a person must let run becomes the
// client's, or is asked about; one that will not run is not asked about. What the turn's calls bring to light does not count,
// for the model had not read it when it made them. It reports false when the client has gone.
func (r *run) review(t *turn, yield func(llm.Event, error) bool) bool {
	for _, c := range t.made {
		if c == nil {
			continue
		}
		call := c.shown()
		if r.tool(call.Name) == nil {
			continue
		}
		call.Tainted = r.tainted
		v := r.loop.Tools.Review(call)
		switch {
		case v.Refused && c.owner == asks:
			c.owner = runs
		case !v.Held || v.Refused:
		case !r.hold(t, c, v.Reason, yield):
			return false
		}
	}
	return true
}

// hold leaves a call to the client's word.
func (r *run) hold(t *turn, c *call, reason string, yield func(llm.Event, error) bool) bool {
	name := c.shown().Name
	server, tool := r.where(name)
	r.loop.Log.Info("a tool call is left to the client", "server", server, "tool", tool, "principal", r.loop.Principal, "reason", reason)
	if c.owner == runs {
		if c.owner = r.asking; c.owner == clients && !t.handOver(c, yield) {
			return false
		}
	}
	if c.owner == asks {
		if r.reasons == nil {
			r.reasons = map[string]string{}
		}
		r.reasons[c.ID] = reason
		return true
	}
	held := &llm.Held{ID: c.ID, Name: name, Server: server, Tool: tool, Reason: reason}
	return yield(llm.Event{Kind: llm.Note, Note: &llm.Notice{Held: held}}, nil)
}

// handOver passes a call on to the client that was to be ours.
func (t *turn) handOver(c *call, yield func(llm.Event, error) bool) bool {
	c.index = t.toClient
	t.toClient++
	return yield(llm.Event{Kind: llm.ToolCall, Index: c.index, Call: c.shown(), Extra: llm.Extra{Wire: t.wire}}, nil)
}

// read notes which results the model has read by the next round.
func (r *run) read(results []llm.Result) {
	for i := range results {
		if results[i].Untrusted {
			r.taint(results[i].Server)
		}
	}
}

// readBefore notes what stands in the conversation already: results that the client has sent back, and those that are put back
// for it.
func (r *run) readBefore() {
	for _, k := range r.req.Restored {
		for i := range k.Messages {
			if res := k.Messages[i].Result; res != nil && res.Untrusted {
				r.taint(res.Server)
			}
		}
	}
	p := &r.req.Params
	if len(p.Shown)+len(p.PastCalls) == 0 {
		return
	}
	for _, server := range r.loop.Tools.Doubts(slices.Concat(p.Shown, p.PastCalls)) {
		r.taint(server)
	}
}

func (r *run) taint(server string) {
	if !slices.Contains(r.tainted, server) {
		r.tainted = append(slices.Clip(r.tainted), server)
	}
}
