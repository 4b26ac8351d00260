package mcp

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// Shown is one thing that a server shows, before anybody sees it. Kind is one of the words of Options.Vet.
type Shown struct {
	Kind string
	Name string // of a tool or prompt; the URI of a resource, the text of a template
	Raw  []byte // as the server has it: one JSON value without ambiguity
	Back bool   // the server has shown it before, then not, and now again
}

// The kinds of things that servers show.
const (
	ShownTool         = "tool"
	ShownPrompt       = "prompt"
	ShownResource     = "resource"
	ShownTemplate     = "template"
	ShownInstructions = "instructions"
)

// Remark is what was found about one thing that a server shows.
type Remark struct {
	Kind, Name string
	Withheld   bool   // for clients and models it does not exist
	Text       string // why, for people: plain text in one line, with nothing in it that a terminal takes for an order
}

// Vet looks at all that a server shows of some kinds. It says nothing of what is in order. It is called again when Revet is.
type Vet func(server string, items []Shown) []Remark

// Suspect looks at what a server says to a model outside of its lists: an error, with its message and data, or the answer to a
// request for a prompt. It reports whether that is withheld, and tells the log why.
type Suspect func(server, kind, name string, raw []byte) bool

// What Suspect is asked about beside prompts.
const saidError = "error"

// heed returns the error of a server as it may be shown.
func (p *pool) heed(name string, err error) error {
	e, ok := errors.AsType[*RPCError](err)
	if !ok || p.c.o.Suspect == nil {
		return err
	}
	raw := jsonedit.AppendQuote([]byte(`{"message":`), e.Message)
	if e.Data != nil {
		raw = append(append(raw, `,"data":`...), e.Data...)
	}
	if p.c.o.Suspect(p.server.Name, saidError, name, append(raw, '}')) {
		return &RPCError{Code: e.Code, Message: "the server's message is withheld: it reads like orders to a model"}
	}
	return err
}

// heedPrompt returns the answer to a request for a prompt as it may be shown.
func (p *pool) heedPrompt(name string, raw []byte) ([]byte, error) {
	if p.c.o.Suspect != nil && p.c.o.Suspect(p.server.Name, ShownPrompt, name, raw) {
		return nil, &Unavailable{Message: "the prompt is withheld: it reads like orders to a model that its user does not know of"}
	}
	return raw, nil
}

// instructor is a session whose server tells models how it is to be used.
type instructor interface{ Instructions() string }

// vetting is what came of looking at a list: what is remembered of it, so that it can be looked at again.
type vetting struct {
	items    []Shown
	gone     map[shownKey]bool // shown before by this server to this caller, and not in some later list
	remarks  []Remark
	withheld map[shownKey]bool
}

type shownKey struct{ kind, name string }

// maxGone bounds what is remembered of things that are gone.
const maxGone = 4096

// vet looks at what a server shows now, after what it has shown before. What is not in a list that is not whole may be there
// nevertheless. It is nil when nobody wants to look.
func (p *pool) vet(before *vetting, items []Shown, whole bool) *vetting {
	look := p.c.o.Vet
	if look == nil || p.server.External {
		return nil
	}
	v := &vetting{items: items, gone: map[shownKey]bool{}}
	if before != nil {
		v.remember(before, whole)
	}
	for i := range items {
		items[i].Back = v.gone[shownKey{items[i].Kind, items[i].Name}]
	}
	for _, r := range look(p.server.Name, items) {
		v.remarks = append(v.remarks, r)
		if r.Withheld {
			if v.withheld == nil {
				v.withheld = map[shownKey]bool{}
			}
			v.withheld[shownKey{r.Kind, r.Name}] = true
		}
	}
	return v
}

// remember notes what was there before and is not any more.
func (v *vetting) remember(before *vetting, whole bool) {
	now := make(map[shownKey]bool, len(v.items))
	for _, it := range v.items {
		now[shownKey{it.Kind, it.Name}] = true
	}
	for k := range before.gone {
		v.gone[k] = true
	}
	if !whole {
		return
	}
	for _, it := range before.items {
		if k := (shownKey{it.Kind, it.Name}); !now[k] && len(v.gone) < maxGone {
			v.gone[k] = true
		}
	}
}

// hides reports whether a thing is withheld.
func (v *vetting) hides(kind, name string) bool { return v != nil && v.withheld[shownKey{kind, name}] }

// found is what vetting has to say.
func (v *vetting) found() []Remark {
	if v == nil {
		return nil
	}
	return v.remarks
}

// tell logs what was found, unless it was found before.
func (p *pool) tell(before, now *vetting) {
	if now == nil || before != nil && slices.Equal(before.remarks, now.remarks) {
		return
	}
	for _, r := range now.remarks {
		if before != nil && slices.Contains(before.remarks, r) {
			continue
		}
		log := p.c.o.Log.With("server", p.server.Name, "kind", r.Kind, "name", r.Name, "reason", r.Text)
		if r.Withheld {
			log.Warn("something that an MCP server shows is withheld")
		} else {
			log.Warn("what an MCP server shows to models reads like orders to them")
		}
	}
}

// Revet has everything looked at again that servers have shown. What was gone for a while is not new any more.
func (c *Catalogue) Revet() {
	c.vetted.Add(1)
	for _, p := range c.pools() {
		p.mu.Lock()
		slots := make([]*slot, 0, len(p.slots))
		for _, s := range p.slots {
			slots = append(slots, s)
		}
		p.mu.Unlock()
		for _, s := range slots {
			s.revet()
		}
	}
}

func (s *slot) revet() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.list; old != nil && old.vetting != nil {
		l := s.made(nil, old.defs, old.said, old.partial)
		l.at = old.at
		s.p.tell(old.vetting, l.vetting)
		s.put(l)
	}
	if old := s.wide.more; old != nil && old.vetting != nil {
		e := *old
		e.vet(s.p, nil)
		e.serial = serials.Add(1)
		s.p.tell(old.vetting, e.vetting)
		s.wide.more = &e
		if !old.same(&e) {
			s.p.c.news.tell()
		}
	}
}

// Inventory is all that a server shows without anybody's credentials but the config's.
type Inventory struct {
	Server string
	Items  []Shown
	Err    error // what was not listed, or not whole
}

// Inventory asks each server of the config, in order, for all that it shows, what is withheld too. It needs Options.Vet.
func (c *Catalogue) Inventory(ctx context.Context) []Inventory {
	pools := c.pools()
	all := make([]Inventory, len(pools))
	width := make(chan struct{}, 4)
	var wg sync.WaitGroup
	for i, p := range pools {
		all[i].Server = p.server.Name
		width <- struct{}{}
		wg.Go(func() {
			defer func() { <-width }()
			all[i].Items, all[i].Err = p.inventory(ctx)
		})
	}
	wg.Wait()
	return all
}

func (p *pool) inventory(ctx context.Context) ([]Shown, error) {
	s, err := p.acquire(who{})
	if err != nil {
		return nil, err
	}
	defer s.release()
	l, err := s.tools(ctx)
	if err != nil {
		return nil, err
	}
	e, err := s.extras(ctx)
	if err != nil {
		return nil, err
	}
	for _, partial := range []*PartialError{l.partial, e.partial} {
		if partial != nil {
			return nil, partial
		}
	}
	if l.vetting == nil || e.vetting == nil {
		return nil, errors.New("nobody vets what servers show")
	}
	return slices.Concat(l.items, e.items), nil
}

// shownTools are a server's tools that its config lets through, and what it says of itself.
func (p *pool) shownTools(defs []ToolDef, said string) []Shown {
	items := make([]Shown, 0, len(defs)+1)
	if said != "" {
		items = append(items, Shown{Kind: ShownInstructions, Raw: jsonedit.AppendQuote(nil, said)})
	}
	for i := range defs {
		if d := &defs[i]; p.server.offers(d.Name) {
			items = append(items, Shown{Kind: ShownTool, Name: d.Name, Raw: d.Raw})
		}
	}
	return items
}
