package mcp

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// Visit is one HTTP request of an MCP client.
type Visit struct {
	Principal string
	Route     string // the path that handles are bound to
	Server    string // the server or toolset, or several with commas between them; "": all that the principal may use
	Selection Selection
	Body      []byte // of a POST; it lives as long as the request
	Local     bool   // it came over no HTTP of its own, so that its headers say nothing
	// Until is when what the principal has shown is good no more; zero: it stays good. Streams that have no end of their own end then.
	Until time.Time
	// Challenge is the WWW-Authenticate that tells of the scopes which the principal lacks for a use; empty, if it may make it, or
	// more scopes would not help. It is nil for principals that have no scopes.
	Challenge func(u Use) string
}

// Bound is the life of a stream that has no end of its own.
func (v *Visit) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if v.Until.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, v.Until)
}

// View is what one visit sees of the servers: their tools under the names that they are offered by. One server alone is
// seen under its own names, several under those that models are offered. Its methods may be called side by side.
type View struct {
	c         *Catalogue
	access    Access
	principal string
	picks     []*pick
	bare      bool // the servers' own names and URIs
	shelf     *shelf
	spill     *spill // nil: results pass whole
	failed    []llm.ServerError
	answers   int    // servers that have listed their tools, those too whose list is not whole
	says      string // the instructions of a server that is seen alone
}

// View lists the servers of a visit. The error is a *fault.Error: of servers that do not exist and of servers that may not
// be used it is the same.
func (c *Catalogue) View(ctx context.Context, v *Visit) (*View, error) {
	sel := v.Selection
	sel.Attached, sel.Own, sel.Principal = true, nil, v.Principal
	sel.Entries = []llm.MCPEntry{{Param: "path", URL: strings.TrimSuffix("fairlead/mcp/"+v.Server, "/")}}
	p, err := c.pick(&sel)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(p.picks, func(k *pick) bool { return !k.covers("") }) {
		sel.Access, sel.Whole = within(sel.Access, p.picks), nil
	}
	view := &View{c: c, access: sel.Access, principal: sel.Principal, picks: p.picks, bare: p.find(v.Server) != nil}
	lists := c.lists(ctx, p.picks)
	if ctx.Err() != nil {
		return nil, &fault.Error{Kind: fault.Canceled, Op: "mcp.View", Message: "the client has left", Err: ctx.Err()}
	}
	for i, k := range p.picks {
		if err := lists[i].err; err != nil {
			view.failed = append(view.failed, serverError(k.pool.server.Name, err))
		}
	}
	if view.answers = answers(lists); view.bare && view.answers == 1 {
		view.says = lists[0].list.says
	}
	view.shelf = c.shelve(&sel, p.picks, lists, view.bare)
	view.spill = c.newSpill(&sel, &view.shelf.own)
	return view, nil
}

// Tools is the list of tools, a JSON array whose elements are as their servers sent them, but for the name. It is the same
// slice as long as nothing has changed.
func (v *View) Tools() []byte { return v.shelf.tools }

// Owner is whose a tool is, and under which name models are offered it.
type Owner struct{ Server, Offered string }

// Each yields the tools as their servers have them, in order.
func (v *View) Each(yield func(Owner, *ToolDef) bool) {
	for _, s := range v.shelf.order {
		if !yield(Owner{v.picks[s.pick].pool.server.Name, s.tool.offered}, &s.tool.ToolDef) {
			return
		}
	}
}

// Failed are the servers that could not be listed, in the config's order.
func (v *View) Failed() []llm.ServerError { return v.failed }

// Servers is how many servers there are in the view, those that failed too.
func (v *View) Servers() int { return len(v.picks) }

// Dead reports whether there are servers and none of them has listed anything.
func (v *View) Dead() bool { return len(v.picks) > 0 && v.answers == 0 }

// Instructions is what a server that is seen alone tells models about itself; "" for several.
func (v *View) Instructions() string { return v.says }

// Target is what a visit may ask of one server: a tool, a prompt, a resource.
type Target struct {
	Name    string // its own name or URI
	Mirrors []Mirror
	Verdict Verdict // Ask or Refuse: it is there to be seen, and is not used without [Target.Approve], or at all
	pick    *pick
	use     Use
	safe    bool
}

// Approve notes that a person has let the use happen for which Verdict says Ask.
func (t *Target) Approve() {
	if t.Verdict.Decision == Ask {
		t.Verdict.Decision = Allow
	}
}

// Tool finds a tool by its offered name. It reports false for one that does not exist and for one that may not be seen; of a
// call that is refused because of its arguments, the target's Verdict says why.
func (v *View) Tool(name string, args []byte) (Target, bool) {
	s := v.shelf.table[name]
	if s == nil {
		return Target{}, false
	}
	if len(args) == 0 {
		args = []byte("{}")
	}
	k := v.picks[s.pick]
	u := Use{Principal: v.principal, Tool: s.tool.Name, Hints: s.tool.Hints, Arguments: args}
	verdict, ok := decide(v.access, &k.pool.server, u)
	if !ok {
		return Target{}, false
	}
	return Target{Name: s.tool.Name, Mirrors: s.tool.mirrors, Verdict: verdict, pick: k, use: u, safe: s.tool.ReadOnly || s.tool.Idempotent}, true
}

// Own says whether a name is that of one of the gateway's own tools.
func (v *View) Own(name string) Own { return v.shelf.own.by[name] }

// RunOwn runs one of them, CallTool excepted, and returns the result as a server would.
func (v *View) RunOwn(ctx context.Context, own Own, args []byte) []byte {
	if len(args) == 0 {
		args = []byte("{}")
	}
	if own == ReadResult {
		res := v.spill.reads(ctx, args)
		return OwnResult(res.Text, res.IsError)
	}
	tools := make([]foundable, len(v.shelf.order))
	for i, s := range v.shelf.order {
		tools[i] = s.from
	}
	return OwnResult(v.c.search(args, tools, func(i int) (hit, bool) {
		s := v.shelf.order[i]
		seen := shows(v.access, &v.picks[s.pick].pool.server, Use{Principal: v.principal, Tool: s.tool.Name, Hints: s.tool.Hints})
		return hit{s.name, s.tool.Description, s.tool.raw}, seen
	}))
}

// OwnResult is a text as the result of a call.
func OwnResult(text string, isError bool) []byte {
	b := append(jsonedit.AppendQuote([]byte(`{"content":[{"type":"text","text":`), text), `}]`...)
	if isError {
		b = append(b, `,"isError":true`...)
	}
	return append(b, '}')
}

// Call passes a request on to the server that it is for. URIs in the result are those that the visit sees. The error is a *RPCError of
// the server, a *RefusedError, or one that can be shown by [SafeMessage].
func (v *View) Call(ctx context.Context, t Target, r Request) ([]byte, error) {
	if err := v.May(ctx, t); err != nil {
		return nil, err
	}
	r.Name = t.Name
	b := &Toolbox{c: v.c, access: v.access, principal: v.principal}
	rt := &route{pick: t.pick, tool: t.Name, safe: t.safe, client: r.Client}
	raw, err := b.pass(ctx, rt, r)
	if err == nil {
		if r.Method == "prompts/get" {
			if raw, err = t.pick.pool.heedPrompt(t.Name, raw); err != nil {
				return nil, err
			}
		}
		raw = links(raw, mark(&t.pick.pool.server, v.bare))
		if v.spill != nil && r.Method == "tools/call" {
			raw = v.spill.shortenRaw(ctx, &t.pick.pool.server, t.Name, raw)
		}
		return raw, nil
	}
	if _, ok := errors.AsType[*RPCError](err); ok {
		return nil, err
	}
	return nil, &Unavailable{Message: explain(rt, err), Err: err}
}

// May returns a *RefusedError for a target that is seen, and may not be called by itself.
func (v *View) May(ctx context.Context, t Target) error {
	if t.Verdict.Decision == Allow {
		return nil
	}
	v.c.refused(ctx, &t.pick.pool.server, t.use, t.Verdict)
	return &RefusedError{Verdict: t.Verdict}
}

// Safe reports whether a target says that it may be called twice.
func (t Target) Safe() bool { return t.safe }

// Asks reports whether the server of a target may ask a client things in the midst of a request, by requests of its own. It opens
// the session that all share if need be, to know which era the server speaks.
func (v *View) Asks(ctx context.Context, t Target) bool {
	p := t.pick.pool
	if !p.asks() {
		return false
	}
	s, err := v.c.acquire(t.pick)
	if err != nil {
		return false
	}
	defer s.release()
	sess, err := s.open(ctx)
	if err != nil {
		return false
	}
	a, ok := sess.(Asker)
	return ok && a.Asks()
}

// pass makes a client's request, twice if need be.
func (b *Toolbox) pass(ctx context.Context, rt *route, r Request) ([]byte, error) {
	tell, ask := r.Notify, r.Ask
	if !rt.pool.asks() {
		r.Ask, ask = nil, nil
	}
	return b.with(ctx, rt, func(ctx context.Context, sess Session, k *clock) ([]byte, error) {
		r.Headers = callHeaders(ctx, rt.call)
		r.Notify = func(method string, params []byte) {
			if method == "notifications/progress" {
				k.progress()
			}
			if tell != nil {
				tell(method, params)
			}
		}
		if ask != nil {
			r.Ask = func(method string, params []byte) ([]byte, *RPCError) {
				defer k.hold()()
				return ask(method, params)
			}
		}
		return sess.Pass(ctx, r)
	})
}

// Changed is closed when, for the next time, some server's list of tools or the config has changed.
func (c *Catalogue) Changed() <-chan struct{} { return c.news.next() }

// news tells any number of waiters that something has changed.
type news struct {
	mu sync.Mutex
	ch chan struct{}
}

func (n *news) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch == nil {
		n.ch = make(chan struct{})
	}
	return n.ch
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch != nil {
		close(n.ch)
		n.ch = nil
	}
}

// same reports whether two lists show clients the same tools.
func (l *list) same(o *list) bool {
	if l == nil || o == nil {
		return l == o
	}
	return l.says == o.says && (l.partial == nil) == (o.partial == nil) &&
		slices.EqualFunc(l.tools, o.tools, func(a, b listed) bool { return bytes.Equal(a.Raw, b.Raw) })
}
