package agent

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
)

// run runs calls, side by side unless the client forbids it, and tells of each result in call order, as soon as it and
// all before it are there. It reports false when the reply is over: the client has gone. No goroutine outlives it.
func (r *run) run(ctx context.Context, calls []llm.Call, yield func(llm.Event, error) bool) ([]llm.Result, bool) {
	for i := range calls {
		if !yield(llm.Event{Kind: llm.Note, Note: r.started(&calls[i])}, nil) {
			return nil, false
		}
	}
	toolCtx, cancel := r.bound(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	results := make([]llm.Result, len(calls))
	wait := r.start(toolCtx, &wg, calls, results)
	for i := range calls {
		wait(i)
		results[i].Round = max(r.round, 1)
		if results[i].Tool == "" { // no call was made
			results[i].Server, results[i].Tool = r.where(results[i].Name)
		}
		if ctx.Err() != nil {
			yield(llm.Event{}, fault.AfterTools(&fault.Error{Kind: fault.Canceled, Op: "agent.run", Message: "the client has left", Err: context.Cause(ctx)}))
			return nil, false
		}
		if !yield(llm.Event{Kind: llm.ToolResult, Result: &results[i]}, nil) {
			return nil, false
		}
	}
	obs.From(ctx).Tools = r.calls
	return results, true
}

// start begins the calls that the limits allow, and returns a function that waits for the result of one. Calls that run one
// at a time run in the caller's goroutine, when they are waited for.
func (r *run) start(ctx context.Context, wg *sync.WaitGroup, calls []llm.Call, results []llm.Result) (wait func(i int)) {
	allowed := len(calls)
	if r.limited {
		allowed = min(allowed, max(0, r.maxCalls-r.calls))
	}
	for i := allowed; i < len(calls); i++ {
		results[i] = notRun(&calls[i], fmt.Sprintf("not run: the limit of %d tool calls is reached", r.maxCalls))
	}
	r.calls += allowed
	r.ran = r.ran || allowed > 0
	width := r.width(allowed)
	if width <= 1 {
		return func(i int) {
			if i < allowed {
				results[i] = r.one(ctx, calls[i])
			}
		}
	}
	queue, done := make(chan int, allowed), make([]chan struct{}, allowed)
	for i := range allowed {
		done[i] = make(chan struct{})
		queue <- i
	}
	close(queue)
	for range width {
		wg.Go(func() {
			for i := range queue {
				results[i] = r.one(ctx, calls[i])
				close(done[i])
			}
		})
	}
	return func(i int) {
		if i < allowed {
			<-done[i]
		}
	}
}

// width is how many of n calls run side by side.
func (r *run) width(n int) int {
	switch most := r.loop.Limits.Concurrent; {
	case r.req.Params.OneByOne:
		return 1
	case most > 0:
		return min(n, most)
	}
	return n
}

// one runs one call. Whatever happens, there is a result.
func (r *run) one(ctx context.Context, c llm.Call) (res llm.Result) {
	begun := time.Now()
	defer func() {
		if p := recover(); p != nil {
			r.loop.Log.Error("a tool call panicked", "tool", c.Name, "panic", p, "stack", string(debug.Stack()))
			res = notRun(&c, "the gateway failed to run the tool")
		}
		res.CallID, res.Name, res.Duration = c.ID, c.Name, time.Since(begun).Milliseconds()
		if log := r.loop.Log; log.Enabled(ctx, slog.LevelDebug) {
			log.Debug("tool call", "tool", c.Name, "server", res.Server, "error", res.IsError, "ms", res.Duration, obs.From(ctx).Attrs())
		}
	}()
	if ctx.Err() != nil {
		return notRun(&c, "not run: the time for this request is over")
	}
	c.Tainted = r.tainted
	res, err := r.loop.Tools.Call(ctx, c)
	if err != nil {
		return notRun(&c, fault.From(err).Message)
	}
	return res
}

// notRun is the result of a call that was not made.
func notRun(c *llm.Call, why string) llm.Result {
	return llm.Result{CallID: c.ID, Name: c.Name, Text: "Error: " + why, IsError: true}
}

// refused answers calls that a model makes although it may not any more, so that no call stands without an answer.
func refused(calls []llm.Call) []llm.Result {
	var out []llm.Result
	for i := range calls {
		out = append(out, notRun(&calls[i], "not run: the limit of this request is reached"))
	}
	return out
}

// bound limits the tools of a round to what is left of the wall time.
func (r *run) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.deadline.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, r.deadline)
}

func (r *run) started(c *llm.Call) *llm.Notice {
	n := &llm.Notice{Started: c, Round: max(r.round, 1), Asked: r.asked[c.ID]}
	if t := r.tool(c.Name); t != nil {
		n.Server, n.Tool, n.Label = t.Server, t.Tool, t.Label
		if r.twins(t) {
			n.Tool = t.Name
		}
	}
	return n
}

// twins reports whether the client could not tell a tool that is not offered from another one of the same label.
func (r *run) twins(t *llm.Tool) bool {
	n := 0
	for i := range r.behind {
		if b := &r.behind[i]; b.Label == t.Label && b.Tool == t.Tool {
			n++
		}
	}
	return n > 1
}

// where returns the server of an offered tool and the tool's own name there.
func (r *run) where(name string) (server, tool string) {
	if t := r.tool(name); t != nil {
		return t.Server, t.Tool
	}
	return "", ""
}

// tool returns the tool that a name means, or nil.
func (r *run) tool(name string) *llm.Tool {
	for _, tools := range [2][]llm.Tool{r.offered, r.behind} {
		for i := range tools {
			if tools[i].Name == name {
				return &tools[i]
			}
		}
	}
	return nil
}

// through reports whether calls of a tool run another one.
func (r *run) through(name string) bool {
	t := r.tool(name)
	return len(r.behind) > 0 && t != nil && t.Through
}
