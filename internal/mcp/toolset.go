package mcp

import (
	"slices"

	"github.com/fairlead/fairlead/internal/llm"
)

// Toolset is a named choice of tools. It is asked for by its name wherever a server is.
type Toolset struct {
	Name string
	// Tools are those that the set has of each server, by the server's own names; nil: the whole server, with its prompts and
	// resources.
	Tools map[string][]string
}

// has reports whether the set has a tool of a server; with no tool's name, whether it has the whole server.
func (t *Toolset) has(server, tool string) bool {
	tools, ok := t.Tools[server]
	return ok && (tools == nil || tool != "" && slices.Contains(tools, tool))
}

// Servers are those of the set, in no order.
func (t *Toolset) Servers() []string {
	var names []string
	for name := range t.Tools {
		names = append(names, name)
	}
	return names
}

// wish is what one entry wants of one server: what all of some toolsets have of it; of none, everything.
type wish struct {
	*llm.MCPEntry
	within []*Toolset
}

// covers reports whether a tool of a server is wanted; with no tool's name, whether the whole server is.
func (w *wish) covers(server, tool string) bool {
	return !slices.ContainsFunc(w.within, func(t *Toolset) bool { return !t.has(server, tool) })
}

// covers reports whether any entry wants a tool of the pick.
func (k *pick) covers(tool string) bool {
	return slices.ContainsFunc(k.wishes, func(w wish) bool { return w.covers(k.pool.server.Name, tool) })
}

// want is one server that a name stands for, and the toolset that it stands for it by; nil: the name is the server's own.
type want struct {
	k   *pick
	set *Toolset
}

// named returns what a name stands for: a server, or what a toolset has of each of its servers. It is nothing if there is
// nothing of that name, or if the caller may not use it.
func (p *picker) named(name string) (wants []want) {
	if k := p.find(name); k != nil {
		return []want{{k: k}}
	}
	for i := range p.sel.Toolsets {
		t := &p.sel.Toolsets[i]
		if fold(t.Name) != fold(name) || !showsToolset(p.sel.Access, p.sel.Principal, t.Name) {
			continue
		}
		for _, k := range p.picks {
			if _, ok := t.Tools[k.pool.server.Name]; ok && !k.pool.server.External && p.may(k) {
				wants = append(wants, want{k, t})
			}
		}
	}
	return wants
}

// add has an entry want something of a server.
func (w want) add(e *llm.MCPEntry) {
	of := wish{MCPEntry: e}
	if w.set != nil {
		of.within = []*Toolset{w.set}
	}
	if !slices.ContainsFunc(w.k.wishes, func(o wish) bool { return o.MCPEntry == e && slices.Equal(o.within, of.within) }) {
		w.k.wishes = append(w.k.wishes, of)
	}
}

// narrowed is what is left of a server's wishes when the wishes of an entry, or of every entry when e is nil, hold for some
// toolsets alone; one that is nil is the whole server.
func (k *pick) narrowed(e *llm.MCPEntry, to []*Toolset) (left []wish) {
	for _, w := range k.wishes {
		if e != nil && w.MCPEntry != e || slices.Contains(to, nil) {
			left = append(left, w)
			continue
		}
		for _, t := range to {
			left = append(left, wish{w.MCPEntry, append(slices.Clip(w.within), t)})
		}
	}
	return left
}

// within is a for what the wishes of some servers cover, so that what a toolset leaves out can be neither seen nor used.
func within(a Access, picks []*pick) Access {
	by := map[string]*pick{}
	for _, k := range picks {
		if !k.covers("") {
			by[k.pool.server.Name] = k
		}
	}
	if len(by) == 0 || a == nil {
		return a
	}
	return func(u Use) Verdict {
		about := u.Tool != "" || u.Prompt != "" || u.Resource != ""
		if k := by[u.Server]; k != nil && about && (u.Tool == "" || !k.covers(u.Tool)) {
			return Verdict{}
		}
		return a(u)
	}
}
