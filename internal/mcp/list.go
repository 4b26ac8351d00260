package mcp

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// refreshGap is the shortest time between two listings that a server causes by saying that its tools have changed.
const refreshGap = time.Second

// list is what a server lists to one caller. It does not change.
type list struct {
	tools    []listed
	collides bool   // two of the tools would be offered under one name
	says     string // the server's instructions; "" when they are withheld
	at       time.Time
	serial   uint64        // of this list, of all that there ever were in the process
	partial  *PartialError // the list ends before the server's does; nil: it is whole
	*vetting               // nil when nobody vets
	defs     []ToolDef     // all that the server lists, for vetting again
	said     string        // and what it says of itself
}

// made makes a list of what a server lists. before is what it showed until now.
func (s *slot) made(before *vetting, defs []ToolDef, said string, partial *PartialError) *list {
	v := s.p.vet(before, s.p.shownTools(defs, said), partial == nil)
	kept := defs
	if v != nil {
		kept = slices.DeleteFunc(slices.Clone(defs), func(d ToolDef) bool { return v.hides(ShownTool, d.Name) })
	}
	l := newList(&s.p.server, kept)
	l.partial = partial
	if l.vetting = v; v != nil {
		l.defs, l.said = slices.Clip(defs), said
	}
	if !v.hides(ShownInstructions, "") {
		l.says = said
	}
	return l
}

// put makes l the list of the slot. s.mu is held.
func (s *slot) put(l *list) {
	if s.list.same(l) {
		l.serial = s.list.serial // what was made of the old one is good for the new one
	} else {
		defer s.p.c.news.tell()
	}
	s.list = l
}

// serials counts lists.
var serials atomic.Uint64

// listed is a tool with what is made of it once, not for each request.
type listed struct {
	ToolDef
	offered string // before collisions are looked at
	schema  []byte // as models are told
	raw     []byte // as the server has it, in one line
	forms   *llm.Forms
	mirrors []Mirror // arguments that clients of the stateless era put into headers too
}

func newList(s *Server, defs []ToolDef) *list {
	l := &list{tools: make([]listed, 0, len(defs)), at: time.Now(), serial: serials.Add(1)}
	offered := make(names, len(defs))
	for _, d := range defs {
		if d.Name == "" {
			continue
		}
		t := listed{ToolDef: d, offered: offeredName(s, d.Name), raw: []byte("{}"), forms: new(llm.Forms)}
		if jsonedit.Kind(d.InputSchema) == '{' && jsonedit.Valid(d.InputSchema) {
			t.raw = oneLine(d.InputSchema)
		}
		t.schema = toolSchema(t.raw)
		l.collides = l.collides || offered[t.offered]
		offered[t.offered] = true
		t.mirrors, _ = ReadMirrors(t.raw) // wrong annotations are none; where it matters, the tool is not listed
		l.tools = append(l.tools, t)
	}
	return l
}

// known returns the list if it is fresh.
func (s *slot) known() *list {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list == nil || s.dirty || time.Since(s.list.at) >= s.p.ttl() {
		return nil
	}
	return s.list
}

// tools returns the server's list. A list that is known is returned at once, while it is refreshed in the background if
// need be; a failure that is known is returned at once as well, or nearly so when it is time for another try. Only who asks
// first for a list waits for it, at most Options.ListTime.
func (s *slot) tools(ctx context.Context) (*list, error) {
	s.mu.Lock()
	now := time.Now()
	l, fail, ttl := s.list, s.listFail, s.p.ttl()
	if l != nil && !s.dirty && now.Sub(l.at) < ttl {
		s.mu.Unlock()
		return l, nil
	}
	paused := fail.err != nil && now.Before(fail.until)
	usable := l != nil && now.Sub(l.at) < ttl+s.p.c.o.StaleTime
	var f *flight[*list]
	if !paused {
		f = s.refresh()
	}
	s.mu.Unlock()
	switch {
	case usable:
		return l, nil
	case f == nil && fail.err != nil:
		return nil, fail.err
	case f == nil:
		return nil, errGone
	case fail.err != nil && Login(fail.err) == nil: // a link to log in is better new
		return s.tryAgain(ctx, f, fail.err)
	}
	return f.wait(ctx)
}

// tryAgain waits a moment for a server that has failed before.
func (s *slot) tryAgain(ctx context.Context, f *flight[*list], known error) (*list, error) {
	t := time.NewTimer(s.p.c.o.Grace)
	defer t.Stop()
	select {
	case <-f.done:
		return f.val, f.err
	case <-t.C:
		return nil, known
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// refresh starts a listing unless one is under way. It returns nil when the slot is closed. s.mu is held.
func (s *slot) refresh() *flight[*list] {
	if s.listing != nil || s.closed {
		return s.listing
	}
	f := newFlight[*list]()
	if !s.p.c.spawn(func() {
		s.retain() // in here, because it takes p.mu
		defer s.release()
		s.fetch(f)
	}) {
		return nil
	}
	s.listing, s.dirty, s.asked = f, false, time.Now()
	return f
}

// fetch is the flight of refresh.
func (s *slot) fetch(f *flight[*list]) {
	o := &s.p.c.o
	ctx, cancel := context.WithTimeout(s.ctx, o.ListTime)
	defer cancel()
	defs, said, err := s.ask(ctx)
	err = s.p.heed("tools/list", err)
	partial, _ := errors.AsType[*PartialError](err)
	if partial != nil {
		err = nil
		o.Log.Warn("the list of an MCP server's tools is not whole", "server", s.p.server.Name, "tools", len(defs), "error", partial.Message)
	}
	if err != nil && errors.Is(err, context.DeadlineExceeded) {
		err = &Unavailable{Message: "its tools could not be listed within " + o.ListTime.String(), Err: err}
	}
	var l *list
	if err == nil {
		l = s.take(defs, said, partial)
	}
	s.mu.Lock()
	first := s.listFail.err == nil
	s.listing = nil
	if err == nil {
		s.listFail = failure{}
	} else {
		s.listFail.note(err, o)
	}
	again := s.dirty && err == nil
	s.dirty = s.dirty || err != nil
	s.mu.Unlock()
	f.land(l, err)
	if err != nil && first && s.ctx.Err() == nil {
		o.Log.Log(s.ctx, level(err), "cannot list the tools of an MCP server", "server", s.p.server.Name, "error", s.p.cause(err))
	}
	if again {
		s.changed()
	}
	if err != nil {
		s.listWhenOpen()
	}
}

// take makes what a server lists the list of the slot. It is looked at outside of the lock, and once more when what is
// accepted has become another thing meanwhile.
func (s *slot) take(defs []ToolDef, said string, partial *PartialError) *list {
	for {
		now := s.p.c.vetted.Load()
		s.mu.Lock()
		var before *vetting
		if s.list != nil {
			before = s.list.vetting
		}
		s.mu.Unlock()
		l := s.made(before, defs, said, partial)
		s.mu.Lock()
		if now == s.p.c.vetted.Load() {
			s.put(l)
			s.mu.Unlock()
			s.p.tell(before, l.vetting)
			return l
		}
		s.mu.Unlock()
	}
}

// ask lists, once more on a new session if the first one is lost. said are the server's instructions.
func (s *slot) ask(ctx context.Context) (defs []ToolDef, said string, err error) {
	for try := 0; ; try++ {
		sess, err := s.open(ctx)
		if err != nil {
			return nil, "", err
		}
		if i, ok := sess.(instructor); ok {
			said = i.Instructions()
		}
		defs, err := sess.ListTools(ctx)
		_, gone := errors.AsType[*LostError](err)
		if !gone || try > 0 {
			return defs, said, err
		}
		s.lost(sess, err)
	}
}

// listWhenOpen lists again as soon as a session is there whose opening took longer than the listing could wait.
func (s *slot) listWhenOpen() {
	s.mu.Lock()
	f := s.opening
	s.mu.Unlock()
	if f == nil {
		return
	}
	s.p.c.spawn(func() {
		if _, err := f.wait(s.ctx); err != nil {
			return
		}
		s.changed()
	})
}

// changed notes that the list is out of date and refreshes it in the background.
func (s *slot) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty = true
	if s.closed || s.listing != nil || s.planned {
		return // the listing looks again when it ends
	}
	wait := refreshGap - time.Since(s.asked)
	if wait <= 0 {
		s.refresh()
		return
	}
	s.planned = s.p.c.spawn(func() { s.refreshAfter(wait) })
}

func (s *slot) refreshAfter(wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.planned = false
	if s.dirty {
		s.refresh()
	}
}
