package agent

import (
	"fmt"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// Limits end a loop that would go on for ever. A zero field does not limit.
type Limits struct {
	Rounds     int           // rounds in which tools run
	Calls      int           // calls of a whole request
	Concurrent int           // calls that run side by side
	Wall       time.Duration // from the request's start to the last tool
}

// run is the state of one request's loop.
type run struct {
	loop    *Loop
	req     *llm.Request // the client's
	out     llm.Request  // what the model is asked in the round at hand
	offered []llm.Tool
	behind  []llm.Tool
	serves  bool              // there is a tool whose calls are not the client's
	ids     map[string]bool   // call ids so far
	asked   map[string]string // calls that the client has let run, and the questions that they were
	asking  owner             // who answers calls about which the client decides
	tainted []string          // servers of no trust whose results the model has read
	reasons map[string]string // why calls are asked about, by their ids

	added    []llm.Message
	round    int // of the model, from 1
	calls    int
	maxCalls int
	limited  bool // maxCalls holds
	ran      bool // a tool has run
	last     bool // a limit is reached: this round answers
	deadline time.Time
}

func (l *Loop) begin(req *llm.Request) *run {
	r := &run{loop: l, req: req, offered: l.Tools.Tools(), behind: l.Tools.Behind(), maxCalls: l.Limits.Calls, limited: l.Limits.Calls > 0}
	if n := req.Params.MaxCalls; n >= 0 && (!r.limited || n < r.maxCalls) {
		r.maxCalls, r.limited = n, true
		r.last = n == 0
	}
	if l.Limits.Wall > 0 {
		r.deadline = time.Now().Add(l.Limits.Wall)
	}
	if req.Params.Asks && req.Approvals != nil {
		r.asking = asks
	}
	r.serves = r.serve(r.offered) || r.serve(r.behind)
	r.readBefore()
	return r
}

// serve reports whether there is a tool among some whose calls are not the client's.
func (r *run) serve(tools []llm.Tool) bool {
	for i := range tools {
		if r.ownerOf(&tools[i]) != clients {
			return true
		}
	}
	return false
}

// owner says who answers a call.
type owner int

const (
	clients owner = iota // the client does
	runs                 // the gateway runs it
	asks                 // the gateway runs it when the client has let it
)

// owner returns who answers calls of a name. A name that nobody knows gets an error for a result; when all tools are the
// client's, so is every call.
func (r *run) owner(name string) owner {
	for i := range r.req.Tools {
		if r.req.Tools[i].Name == name {
			return clients
		}
	}
	switch t := r.tool(name); {
	case t != nil:
		return r.ownerOf(t)
	case r.serves:
		return runs
	}
	return clients
}

// ownerOf returns who answers calls of a server's tool.
func (r *run) ownerOf(t *llm.Tool) owner {
	if t.Ask {
		return r.asking
	}
	return runs
}

// spent reports whether a limit is reached, so that the given round must answer.
func (r *run) spent(round int, now time.Time) bool {
	l := r.loop.Limits
	reason := ""
	switch {
	case l.Rounds > 0 && round > l.Rounds:
		reason = fmt.Sprintf("%d tool rounds", l.Rounds)
	case r.limited && r.calls >= r.maxCalls:
		reason = fmt.Sprintf("%d tool calls", r.maxCalls)
	case !r.deadline.IsZero() && now.After(r.deadline):
		reason = fmt.Sprintf("%v of wall time", l.Wall)
	default:
		return false
	}
	r.loop.Log.Info("the tool loop has reached its limit and ends", "limit", reason, "round", round)
	return true
}

// add puts a turn and its results into the conversation.
func (r *run) add(t *turn, results []llm.Result) {
	r.added = append(r.added, t.message())
	results = t.told(results)
	r.addResults(results)
	r.read(results)
}

func (r *run) addResults(results []llm.Result) {
	for i := range results {
		r.added = append(r.added, llm.Message{Role: llm.ToolRole, Result: &results[i]})
	}
}

// broken is the error of a model that ended its reply without saying so.
func (r *run) broken() error {
	return r.final(&fault.Error{Kind: fault.Upstream, Op: "agent.ask", Code: "upstream_error", Message: "the model's reply ended before it was complete"})
}
