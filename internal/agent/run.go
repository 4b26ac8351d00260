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
	req     *llm.Request
	offered []llm.Tool
	names   map[string]bool // known names: true for those that run without asking, false for those that the client decides about
	auto    bool            // there is one that runs without asking
	ids     map[string]bool // call ids so far

	added    []llm.Message
	round    int // of the model, from 1
	calls    int
	maxCalls int
	ran      bool // a tool has run
	last     bool // a limit is reached: this round answers
	deadline time.Time
}

func (l *Loop) begin(req *llm.Request) *run {
	r := &run{loop: l, offered: l.Tools.Tools(), maxCalls: l.Limits.Calls}
	r.names = make(map[string]bool, len(r.offered)+len(req.Tools))
	if n := req.Params.MaxCalls; n >= 0 && (r.maxCalls == 0 || n < r.maxCalls) {
		r.maxCalls = n
		r.last = n == 0
	}
	if l.Limits.Wall > 0 {
		r.deadline = time.Now().Add(l.Limits.Wall)
	}
	for _, t := range r.offered {
		r.names[t.Name] = !t.Ask
		r.auto = r.auto || !t.Ask
	}
	for _, t := range req.Tools {
		r.names[t.Name] = false
	}
	own := *req
	own.AddedTools = r.offered
	r.req = &own
	return r
}

// owns reports whether the gateway answers a call: its own tools, and names that nobody knows, which get an error for a
// result. When nothing runs without asking, every call is the client's.
func (r *run) owns(name string) bool {
	mine, known := r.names[name]
	return mine || !known && r.auto
}

// spent reports whether a limit is reached, so that the coming round must answer.
func (r *run) spent(now time.Time) bool {
	l := r.loop.Limits
	reason := ""
	switch {
	case l.Rounds > 0 && r.round > l.Rounds:
		reason = fmt.Sprintf("%d tool rounds", l.Rounds)
	case r.maxCalls > 0 && r.calls >= r.maxCalls:
		reason = fmt.Sprintf("%d tool calls", r.maxCalls)
	case !r.deadline.IsZero() && now.After(r.deadline):
		reason = fmt.Sprintf("%v of wall time", l.Wall)
	default:
		return false
	}
	r.loop.Log.Info("tool loop reached its limit; the model is asked for its answer", "limit", reason, "round", r.round)
	return true
}

// add puts a turn and its results into the conversation.
func (r *run) add(t *turn, results []llm.Result) {
	r.added = append(r.added, t.message())
	r.addResults(results)
}

func (r *run) addResults(results []llm.Result) {
	for i := range results {
		r.added = append(r.added, llm.Message{Role: llm.ToolRole, Result: &results[i]})
	}
}

// broken is the error of a model that ended its reply without saying so.
func (r *run) broken() error {
	err := error(&fault.Error{Kind: fault.Upstream, Op: "agent.ask", Code: "upstream_error", Message: "the model's reply ended before it was complete"})
	if r.ran {
		err = fault.AfterTools(err)
	}
	return err
}
