package mcp

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// extras is what a server lists beside its tools. It does not change. It is asked for when a client asks for it first.
type extras struct {
	prompts, resources, templates [][]byte // whole objects
	completes                     bool     // the server completes arguments
	at                            time.Time
	serial                        uint64
	partial                       *PartialError // some list ends before the server's does; nil: all are whole
	*vetting                                    // nil when nobody vets
	all                           [3][][]byte   // what the server lists, for vetting again
}

// extrasKinds are the three lists.
var extrasKinds = [...]struct {
	list  Kind
	shown string // the kind of one of its things
	key   string // the member that it is known by
}{{Prompts, ShownPrompt, "name"}, {Resources, ShownResource, "uri"}, {Templates, ShownTemplate, "uriTemplate"}}

// vet has the lists looked at, and leaves in them what is not withheld. before is what was shown until now.
func (e *extras) vet(p *pool, before *vetting) {
	var items []Shown
	for i, k := range extrasKinds {
		for _, raw := range e.all[i] {
			items = append(items, Shown{Kind: k.shown, Name: str(raw, k.key), Raw: raw})
		}
	}
	e.vetting = p.vet(before, items, e.partial == nil)
	kept := e.all
	if e.vetting == nil {
		e.all = [3][][]byte{}
	} else {
		for i, k := range extrasKinds {
			kept[i] = slices.DeleteFunc(slices.Clone(kept[i]), func(raw []byte) bool { return e.hides(k.shown, str(raw, k.key)) })
		}
	}
	e.prompts, e.resources, e.templates = kept[0], kept[1], kept[2]
}

func (e *extras) same(o *extras) bool {
	if e == nil || o == nil {
		return e == o
	}
	return slices.EqualFunc(e.prompts, o.prompts, bytes.Equal) && slices.EqualFunc(e.resources, o.resources, bytes.Equal) &&
		slices.EqualFunc(e.templates, o.templates, bytes.Equal) && e.completes == o.completes
}

// wide is the part of a slot that is about extras and subscriptions. slot.mu guards it.
type wide struct {
	more     *extras
	dirty    bool
	fetching *flight[*extras]
	fail     failure
	subs     map[string]*subscription // by the server's own URI
}

// extras returns what the server lists beside its tools. What is known is returned at once, while it is refreshed if need be.
func (s *slot) extras(ctx context.Context) (*extras, error) {
	s.mu.Lock()
	w := &s.wide
	now := time.Now()
	e := w.more
	if e != nil && !w.dirty && now.Sub(e.at) < s.p.ttl() {
		s.mu.Unlock()
		return e, nil
	}
	if e == nil && w.fail.err != nil && now.Before(w.fail.until) {
		defer s.mu.Unlock()
		return nil, w.fail.err
	}
	f := s.fetchExtras()
	s.mu.Unlock()
	switch {
	case f == nil:
		return nil, errGone
	case e != nil && now.Sub(e.at) < s.p.ttl()+s.p.c.o.StaleTime:
		return e, nil
	}
	return f.wait(ctx)
}

// fetchExtras starts a listing unless one is under way. It returns nil when the slot is closed. s.mu is held.
func (s *slot) fetchExtras() *flight[*extras] {
	w := &s.wide
	if w.fetching != nil || s.closed {
		return w.fetching
	}
	f := newFlight[*extras]()
	if !s.p.c.spawn(func() {
		s.retain()
		defer s.release()
		e, err := s.askExtras()
		s.mu.Lock()
		w.fetching = nil
		changed := false
		if err != nil {
			w.fail.note(err, &s.p.c.o)
		} else {
			var before *vetting
			if w.more != nil {
				before = w.more.vetting
			}
			e.vet(s.p, before)
			s.p.tell(before, e.vetting)
			if changed = w.more != nil && !w.more.same(e); !changed && w.more != nil {
				e.serial = w.more.serial
			}
			w.more, w.fail = e, failure{}
		}
		s.mu.Unlock()
		f.land(e, err)
		if changed {
			s.p.c.news.tell()
		}
	}) {
		return nil
	}
	w.fetching, w.dirty = f, false
	return f
}

func (s *slot) askExtras() (*extras, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.p.c.o.ListTime)
	defer cancel()
	sess, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	e := &extras{at: time.Now(), serial: serials.Add(1), completes: sess.Offers("completions")}
	for i, k := range extrasKinds {
		items, err := sess.List(ctx, k.list)
		partial, cut := errors.AsType[*PartialError](err)
		if err != nil {
			if _, lost := errors.AsType[*LostError](err); lost {
				s.lost(sess, err)
			}
			s.p.c.o.Log.Log(s.ctx, level(err), "cannot list what an MCP server has beside tools", "what", k.list.Noun, "server", s.p.server.Name, "error", s.p.cause(err))
			if !cut {
				return nil, err
			}
			e.partial = partial
		}
		e.all[i] = items
	}
	return e, nil
}

// told takes in a notification of the server about its lists and resources.
func (s *slot) told(method string, params []byte) {
	if method == "notifications/resources/updated" {
		uri, _ := jsonedit.Unquote(jsonedit.Get(params, "uri"))
		s.mu.Lock()
		defer s.mu.Unlock()
		if sub := s.wide.subs[uri]; sub != nil {
			for f := range sub.tell {
				(*f)()
			}
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wide.dirty = true
	if s.wide.more != nil { // somebody has seen them
		s.fetchExtras()
	}
}

// subscription is what is known of one resource that somebody follows.
type subscription struct {
	tell  map[*func()]bool
	end   context.CancelFunc
	taken Session // that has it; nil: none yet
}

// subscribe has f called when a resource changes, until stop is called. f must not block. Many share one subscription at the
// server.
func (s *slot) subscribe(ctx context.Context, uri string, f *func()) (stop func(), err error) {
	stop = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		sub := s.wide.subs[uri]
		if sub == nil {
			return
		}
		if delete(sub.tell, f); len(sub.tell) == 0 {
			delete(s.wide.subs, uri)
			sub.end()
		}
	}
	s.mu.Lock()
	sub := s.wide.subs[uri]
	if sub != nil {
		sub.tell[f] = true
		s.mu.Unlock()
		return stop, nil
	}
	life, end := context.WithCancel(s.ctx)
	sub = &subscription{tell: map[*func()]bool{f: true}, end: end}
	if s.wide.subs == nil {
		s.wide.subs = map[string]*subscription{}
	}
	s.wide.subs[uri] = sub
	s.mu.Unlock()
	sess, err := s.open(ctx)
	if err == nil {
		err = sess.Subscribe(life, uri)
	}
	if err != nil {
		stop()
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.taken == nil {
		sub.taken = sess
	}
	return stop, nil
}

// resubscribe takes the subscriptions of a session that is gone to a new one.
func (s *slot) resubscribe(sess Session) {
	s.mu.Lock()
	again := map[string]context.Context{}
	for uri, sub := range s.wide.subs {
		if sub.taken == nil || sub.taken == sess {
			continue // it will be, or has been, by this session
		}
		sub.end()
		sub.taken = sess
		var life context.Context
		life, sub.end = context.WithCancel(s.ctx)
		again[uri] = life
	}
	s.mu.Unlock()
	for uri, life := range again {
		if err := sess.Subscribe(life, uri); err != nil {
			s.p.c.o.Log.Warn("a resource of an MCP server is not followed any more", "server", s.p.server.Name, "error", s.p.cause(err))
		}
	}
}
