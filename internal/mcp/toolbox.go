package mcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// Toolbox is what one request may use: tools of servers under their offered names, frozen when it was opened. It needs no
// closing. Its methods may be called side by side.
type Toolbox struct {
	c         *Catalogue
	access    Access
	principal string
	judged    bool // calls are judged by more than who may use a tool
	doubtful  bool // servers that the request names by address are of no trust
	tools     []llm.Tool
	served    []llm.Tool // those of servers, one for each route
	behind    []llm.Tool // of these, those that are not offered
	own       ownSet
	spill     *spill // nil: long results are cut
	routes    []route
	errors    []llm.ServerError
}

// route says who runs a tool.
type route struct {
	*pick
	tool   string // the server's own name for it
	hints  Hints
	safe   bool    // may run twice
	ask    bool    // the client decides
	client *Client // that the server may ask things; nil: none
	from   foundable
}

// find returns the place of the tool that is offered under a name, among those of servers.
func (b *Toolbox) find(name string) (i int, known bool) {
	for i := range b.served {
		if b.served[i].Name == name {
			return i, true
		}
	}
	return 0, false
}

// Tools are the tools as offered, servers in the config's order and each server's own order.
func (b *Toolbox) Tools() []llm.Tool { return b.tools }

// Behind are the tools that are not offered, and are called through one that is or by their own names.
func (b *Toolbox) Behind() []llm.Tool { return b.behind }

// Errors are the servers whose tools could not be listed.
func (b *Toolbox) Errors() []llm.ServerError { return b.errors }

// Open lists the servers that a selection comes to, all at once, and gives their tools names. The error is a *fault.Error:
// 400 for entries that cannot be read, for external servers that are not allowed, and for entries that come to no tool at
// all while the caller has none of its own; 403 for servers that do not exist or may not be used; 424 when no server could
// be listed.
func (c *Catalogue) Open(ctx context.Context, sel Selection) (*Toolbox, error) {
	b := &Toolbox{c: c, access: sel.Access, principal: sel.Principal, judged: sel.Judged, doubtful: sel.Doubtful}
	if len(sel.Entries) == 0 {
		return b, nil
	}
	p, err := c.pick(&sel)
	if err != nil {
		return nil, err
	}
	lists := c.lists(ctx, p.picks)
	b.fill(p.picks, lists, sel.Own)
	b.ownTools(&sel, p.picks)
	if err := ctx.Err(); err != nil {
		return nil, &fault.Error{Kind: fault.Canceled, Op: "mcp.Open", Message: "the client has left", Err: err}
	}
	if sel.Attached {
		return b, nil
	}
	if len(p.picks) > 0 && answers(lists) == 0 {
		return nil, &fault.Error{
			Kind: fault.Dependency, Op: "mcp.Open", Code: "mcp_list_failed", Param: sel.Entries[0].Param,
			Message: "no tools could be listed: " + found(p.picks, lists),
		}
	}
	if len(b.tools) == 0 && len(sel.Own) == 0 {
		return nil, noTools(&sel, found(p.picks, lists))
	}
	return b, nil
}

func noTools(sel *Selection, what string) error {
	if what == "" {
		if what = "this key may use no MCP server"; len(narrowing(sel.Header)) > 0 {
			what = "x-mcp-servers leaves none of the servers that the entries name"
		}
	}
	return &fault.Error{
		Kind: fault.Invalid, Op: "mcp.Open", Code: "no_tools", Param: sel.Entries[0].Param,
		Message: "the MCP entries come to no tool, and the request has no tools of its own: " + what,
	}
}

// listing is what came of asking one server.
type listing struct {
	list *list
	err  error
}

// answers is how many servers have listed something.
func answers(lists []listing) (n int) {
	for _, l := range lists {
		if l.list != nil {
			n++
		}
	}
	return n
}

// lists asks all servers side by side.
func (c *Catalogue) lists(ctx context.Context, picks []*pick) []listing {
	out := make([]listing, len(picks))
	var wg sync.WaitGroup
	for i, k := range picks {
		s, err := c.acquire(k)
		if err != nil {
			out[i].err = err
			continue
		}
		if l := s.known(); l != nil { // no goroutine for what is there
			out[i].list = l
			s.release()
			continue
		}
		wg.Go(func() {
			defer s.release()
			out[i].list, out[i].err = s.tools(ctx)
		})
	}
	wg.Wait()
	for i := range out {
		if l := out[i].list; l != nil && l.partial != nil {
			out[i].err = l.partial
		}
	}
	return out
}

// acquire returns the slot of a pick, whose server may have been configured anew since it was picked.
func (c *Catalogue) acquire(k *pick) (*slot, error) {
	s, err := k.pool.acquire(who{headers: k.session, caller: k.caller})
	if errors.Is(err, errGone) && !k.pool.server.External {
		if p := c.pool(k.pool.server.Name); p != nil {
			k.pool = p
			return p.acquire(who{headers: k.session, caller: k.caller})
		}
	}
	return s, err
}

// fill puts the tools of the servers into the box. The names of the caller's own tools are taken.
func (b *Toolbox) fill(picks []*pick, lists []listing, clients []llm.Tool) {
	n := 0
	for i := range lists {
		if lists[i].list != nil {
			n += len(lists[i].list.tools)
		}
	}
	var taken names
	if len(clients) > 0 || len(lists) != 1 || lists[0].list == nil || lists[0].list.collides {
		taken = make(names, n+len(clients))
	}
	for i := range clients {
		taken[clients[i].Name] = true
	}
	own := ownersOf(picks)
	b.tools, b.routes = make([]llm.Tool, 0, n), make([]route, 0, n)
	for i, k := range picks {
		b.judged = b.judged || k.pool.server.Params != nil
		if err := lists[i].err; err != nil {
			e := serverError(k.pool.server.Name, err)
			e.Label = cmp.Or(k.wishes[0].Label, k.pool.server.Name)
			b.errors = append(b.errors, e)
		}
		if lists[i].list == nil {
			continue
		}
		for j := range lists[i].list.tools {
			b.add(k, place{lists[i].list.serial, j}, &lists[i].list.tools[j], taken, &own)
		}
	}
}

// ownTools offers the gateway's own tools, if there are any of servers. With a search, those of the servers are behind it.
func (b *Toolbox) ownTools(sel *Selection, picks []*pick) {
	b.served = b.tools
	if !sel.Search && sel.Spill <= 0 || len(b.tools) == 0 {
		return
	}
	taken := make(names, len(b.tools)+len(sel.Own))
	for i := range sel.Own {
		taken[sel.Own[i].Name] = true
	}
	for i := range b.tools {
		taken[b.tools[i].Name] = true
	}
	b.own = newOwnSet(sel, picks, taken)
	b.spill = b.c.newSpill(sel, &b.own)
	if sel.Search {
		b.behind, b.tools = b.tools, nil
	}
	b.tools = append(slices.Clip(b.tools), b.own.offer(cmp.Or(sel.Entries[0].Label, OwnServer))...)
}

// found says what came of asking each server, when no tool came of it all.
func found(picks []*pick, lists []listing) string {
	var all []string
	for i, k := range picks {
		text := "it lists no tools"
		if lists[i].list == nil {
			text = SafeMessage(lists[i].err)
		} else if n := len(lists[i].list.tools); n > 0 {
			text = fmt.Sprintf("it lists %d tools, and allowed_tools or permissions leave none of them", n)
		}
		all = append(all, k.pool.server.Name+": "+text)
	}
	return strings.Join(all, "; ")
}

// add offers a tool if the caller may use it and an entry allows it. The first such entry decides about asking.
func (b *Toolbox) add(k *pick, at place, t *listed, taken names, own *owners) {
	s := &k.pool.server
	seen := Admit(b.access, s, Use{Principal: b.principal, Tool: t.Name, Hints: t.Hints})
	if seen.Decision == Refuse {
		return
	}
	i := slices.IndexFunc(k.wishes, func(w wish) bool { return w.covers(s.Name, t.Name) && allows(w.MCPEntry, t) })
	if i < 0 {
		return
	}
	tool := llm.Tool{
		Name: taken.take(own.name(s, t.Name, t.offered)), Description: t.Description, Schema: t.schema, ReadOnly: t.ReadOnly, Forms: t.forms,
		Label: cmp.Or(k.wishes[i].Label, s.Name), Server: s.Name, Tool: t.Name, Ask: seen.Decision == Ask || asks(&k.wishes[i].Approval, t),
	}
	b.tools = append(b.tools, tool)
	b.routes = append(b.routes, route{
		pick: k, tool: t.Name, hints: t.Hints, safe: t.ReadOnly || t.Idempotent, ask: tool.Ask, from: foundable{at, s.Name, t},
	})
}

// allows reports whether an entry's allowed_tools let a tool through, by its own name or the offered one.
func allows(e *llm.MCPEntry, t *listed) bool {
	if e.ReadOnly != nil && *e.ReadOnly != t.ReadOnly {
		return false
	}
	return !named(e.Denied, t) && (!e.Filtered || named(e.Allowed, t))
}

func named(list []string, t *listed) bool {
	return slices.Contains(list, t.Name) || slices.Contains(list, t.offered)
}

// asks reports whether the client decides about calls of a tool. What is not clearly allowed to run asks.
func asks(a *llm.Approval, t *listed) bool {
	switch {
	case a.Never:
		return false
	case a.AskFor.Set && matches(&a.AskFor, t, true):
		return true
	}
	return !a.RunFor.Set || !matches(&a.RunFor, t, false)
}

// matches reports whether a filter picks a tool; empty is the answer of a filter without any condition.
func matches(f *llm.Filter, t *listed, empty bool) bool {
	if f.Names == nil && f.ReadOnly == nil {
		return empty
	}
	return (f.Names == nil || named(f.Names, t)) && (f.ReadOnly == nil || *f.ReadOnly == t.ReadOnly)
}

// List returns the tools of all servers that access permits, as they are offered to a request that names no server, with
// their schemas as the servers have them, and the servers that failed. sel brings the caller's credentials; its entries
// are not looked at.
func (c *Catalogue) List(ctx context.Context, sel Selection) ([]llm.Tool, []llm.ServerError, error) {
	sel.Entries, sel.Attached = []llm.MCPEntry{{Param: "server_url", URL: "fairlead"}}, true
	p, err := c.pick(&sel)
	if err != nil {
		return nil, nil, err
	}
	b := &Toolbox{c: c, access: sel.Access, principal: sel.Principal}
	lists := c.lists(ctx, p.picks)
	b.fill(p.picks, lists, nil)
	raw := map[[2]string][]byte{}
	for i, k := range p.picks {
		if lists[i].list == nil {
			continue
		}
		for _, t := range lists[i].list.tools {
			raw[[2]string{k.pool.server.Name, t.Name}] = t.raw
		}
	}
	for i, t := range b.tools {
		b.tools[i].Schema = raw[[2]string{t.Server, t.Tool}]
	}
	return b.tools, b.errors, nil
}
