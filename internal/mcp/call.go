package mcp

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
)

// Call runs one call on the server that its name stands for. Whatever becomes of it is a Result; the error is nil.
//
// A call whose session is lost is made once more on a new one if the server has certainly not begun it or says that the
// tool may run twice; else the result says that the outcome is not known.
func (b *Toolbox) Call(ctx context.Context, call llm.Call) (llm.Result, error) {
	begun := time.Now()
	res := b.call(ctx, &call)
	res.CallID, res.Name, res.Duration = call.ID, call.Name, time.Since(begun).Milliseconds()
	return res, nil
}

// Meant returns what a complete call comes to: through call_tool it is a call of the tool that its arguments name, if there is
// that.
func (b *Toolbox) Meant(call llm.Call) llm.Call {
	if b.own.by[call.Name] != CallTool {
		return call
	}
	args, ok := arguments(call.Arguments)
	if !ok {
		return call
	}
	name, inner, why := ReadThrough(args)
	if _, known := b.find(name); !known || why != "" {
		return call
	}
	call.Name, call.Arguments = name, string(inner)
	return call
}

// runOwn runs one of the gateway's own tools.
func (b *Toolbox) runOwn(ctx context.Context, own Own, text string) llm.Result {
	res := llm.Result{Server: OwnServer, Tool: ownNames[own], IsError: true}
	args, ok := arguments(text)
	if !ok {
		res.Text = "Error: the arguments are not a JSON object; the tool was not called"
		return res
	}
	if own == CallTool { // else Meant had found what it means
		name, _, why := ReadThrough(args)
		if res.Text = "Error: " + why; why == "" {
			res.Text = unknownTool(name).Text
		}
		return res
	}
	if own == ReadResult {
		return b.spill.reads(ctx, args)
	}
	tools := make([]foundable, len(b.routes))
	for i := range b.routes {
		tools[i] = b.routes[i].from
	}
	res.Text, res.IsError = b.c.search(args, tools, func(i int) (hit, bool) {
		r, t := &b.routes[i], &b.served[i]
		seen := shows(b.access, &b.current(r).server, Use{Principal: b.principal, Tool: r.tool, Hints: r.hints})
		return hit{t.Name, t.Description, t.Schema}, seen
	})
	return res
}

func (b *Toolbox) call(ctx context.Context, call *llm.Call) llm.Result {
	if own := b.own.by[call.Name]; own != NotOwn {
		meant := b.Meant(*call)
		if meant.Name == call.Name {
			return b.runOwn(ctx, own, call.Arguments)
		}
		call = &meant
	}
	i, known := b.find(call.Name)
	if !known {
		return unknownTool(call.Name)
	}
	r := &b.routes[i]
	args, ok := arguments(call.Arguments)
	if !ok {
		return failed(r, "the arguments are not a JSON object; the tool was not called")
	}
	p := b.current(r)
	u := Use{Principal: b.principal, Tool: r.tool, Hints: r.hints, Arguments: args, Tainted: call.Tainted}
	v, seen := decide(b.access, &p.server, u)
	switch {
	case !seen:
		return unknownTool(call.Name)
	case v.Decision == Ask && call.Approved:
	case v.Decision != Allow:
		b.c.refused(ctx, &p.server, u, v)
		return failed(r, (&RefusedError{Verdict: v}).Error())
	case r.ask && !call.Approved:
		return failed(r, "this call needs the client's approval; the tool was not called")
	}
	limit := int(b.c.resultBytes.Load())
	raw, err := b.run(ctx, r, args)
	var res llm.Result
	if err != nil {
		res = failed(r, cut(explain(r, err), limit))
	} else {
		res = convert(raw, limit, func(text string) (string, string) {
			return b.spill.shorten(ctx, &r.pool.server, r.tool, text, limit)
		})
	}
	res.Server, res.Tool, res.Untrusted = r.pool.server.Name, r.tool, p.server.Untrusted
	return res
}

// arguments returns what a model wrote as a JSON object in one line. Nothing and null are no arguments.
func arguments(text string) ([]byte, bool) {
	raw := bytes.TrimSpace([]byte(text))
	if len(raw) == 0 || string(raw) == "null" {
		return []byte("{}"), true
	}
	if raw[0] != '{' || !jsonedit.Valid(raw) {
		return nil, false
	}
	if bytes.ContainsAny(raw, "\n\r") {
		raw = jsonedit.Compact(nil, raw)
	}
	return raw, true
}

func unknownTool(name string) llm.Result {
	return llm.Result{Text: "Error: there is no tool named " + quote(name), IsError: true}
}

func failed(r *route, why string) llm.Result {
	return llm.Result{Server: r.pool.server.Name, Tool: r.tool, Text: "Error: " + why, IsError: true}
}

// current is the server of a route as it is configured now, which may have changed while the request runs.
func (b *Toolbox) current(r *route) *pool {
	if r.pool.server.External {
		return r.pool
	}
	if p := b.c.pool(r.pool.server.Name); p != nil {
		return p
	}
	return r.pool
}

// run makes the call, twice if need be.
func (b *Toolbox) run(ctx context.Context, r *route, args []byte) ([]byte, error) {
	return b.with(ctx, r, func(ctx context.Context, sess Session, k *clock) ([]byte, error) {
		return sess.CallTool(ctx, ToolCall{Name: r.tool, Arguments: args, Meta: trace(ctx), Headers: callHeaders(ctx, r.call), Progress: k.progress})
	})
}

// with does what a route's server is asked for, twice if need be, within the time of a call.
func (b *Toolbox) with(ctx context.Context, r *route, do func(ctx context.Context, sess Session, k *clock) ([]byte, error)) ([]byte, error) {
	p := b.current(r)
	s, err := p.acquire(who{r.session, r.caller, r.client})
	if err != nil {
		return nil, err
	}
	defer s.release()
	ctx, k := p.limit(ctx)
	defer k.stop()
	for try := 0; ; try++ {
		sess, err := s.open(ctx)
		if login := Login(err); login != nil {
			return nil, login
		}
		if err != nil {
			return nil, &Unavailable{Message: SafeMessage(err)} // the cause is in the log, and says nothing of this call
		}
		raw, err := do(ctx, sess, k)
		lost, gone := errors.AsType[*LostError](err)
		if gone {
			s.lost(sess, err)
		}
		switch {
		case !gone:
			return raw, p.heed(r.tool, ended(ctx, err))
		case try > 0 || ctx.Err() != nil || !lost.Unsent && !r.safe:
			return nil, err
		}
	}
}

// ended puts the reason why a call was ended in place of what its transport says of that.
func ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	if _, ok := errors.AsType[*RPCError](err); ok {
		return err
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// explain says what became of a call, naming the server and never its address.
func explain(r *route, err error) string {
	name := r.pool.server.Name
	if e, ok := errors.AsType[*RPCError](err); ok {
		return e.Message
	}
	if e, ok := errors.AsType[*LostError](err); ok && !e.Unsent && !r.safe {
		return "the connection to the MCP server " + name + " was lost while the tool ran (" + e.Message + "); it is not known whether the call took effect"
	}
	if e, ok := errors.AsType[*callTimeout](err); ok {
		return "the MCP server " + name + " gave " + e.Error() + "; it is not known whether the call took effect"
	}
	return "the MCP server " + name + ": " + SafeMessage(err)
}

// trace is what a call's _meta says of the caller's trace.
func trace(ctx context.Context) map[string]string {
	c := obs.From(ctx)
	if c.Traceparent == "" {
		return nil
	}
	m := map[string]string{"traceparent": c.Traceparent}
	if c.Tracestate != "" {
		m["tracestate"] = c.Tracestate
	}
	return m
}

// callHeaders are the headers of one call: those that the request brings for it, and those of the caller's trace.
func callHeaders(ctx context.Context, own http.Header) http.Header {
	c := obs.From(ctx)
	if !c.Traced() {
		return own
	}
	h := http.Header{}
	maps.Copy(h, own)
	c.Headers(h.Set)
	return h
}
