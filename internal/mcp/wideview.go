package mcp

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// Wide is what a visit sees beside tools: the prompts, resources and templates of its servers. Prompts have names as tools do;
// where several servers are seen together, a URI has its server's mark before it.
type Wide struct {
	v       *View
	extras  []*extras // of each pick; nil: it failed
	prompts map[string]Target
	order   []prompt
	json    [3][]byte // see list
	written sync.Once
	failed  []llm.ServerError
}

// Wide lists what the servers of a view have beside tools.
func (v *View) Wide(ctx context.Context) *Wide {
	w := &Wide{v: v, extras: make([]*extras, len(v.picks)), prompts: map[string]Target{}}
	errs := make([]error, len(v.picks))
	var wg sync.WaitGroup
	for i, k := range v.picks {
		wg.Go(func() {
			s, err := v.c.acquire(k)
			if err != nil {
				errs[i] = err
				return
			}
			defer s.release()
			w.extras[i], errs[i] = s.extras(ctx)
		})
	}
	wg.Wait()
	for i, k := range v.picks {
		if e := w.extras[i]; e != nil && e.partial != nil {
			errs[i] = e.partial
		}
		if errs[i] != nil {
			w.failed = append(w.failed, serverError(k.pool.server.Name, errs[i]))
		}
	}
	w.fill()
	return w
}

// Prompts is the list of prompts, a JSON array whose elements are as their servers sent them, but for the name.
func (w *Wide) Prompts() []byte { return w.list(0) }

// Resources is the list of resources, likewise but for the URI.
func (w *Wide) Resources() []byte { return w.list(1) }

// Templates is the list of resource templates, likewise.
func (w *Wide) Templates() []byte { return w.list(2) }

// Failed are the servers that could not be listed.
func (w *Wide) Failed() []llm.ServerError { return w.failed }

// Dead reports whether there are servers and none of them has listed anything.
func (w *Wide) Dead() bool {
	return len(w.extras) > 0 && !slices.ContainsFunc(w.extras, func(e *extras) bool { return e != nil })
}

// fill finds out which prompts are seen, and under which names.
func (w *Wide) fill() {
	taken, own := names{}, ownersOf(w.v.picks)
	for i, k := range w.v.picks {
		e := w.extras[i]
		if e == nil {
			continue
		}
		s := &k.pool.server
		for _, raw := range e.prompts {
			name := str(raw, "name")
			u := Use{Principal: w.v.principal, Prompt: name}
			seen := Admit(w.v.access, s, u)
			if _, err := jsonedit.Scan(raw, nameKeys); err != nil || name == "" || seen.Decision == Refuse {
				continue
			}
			shown := name
			if !w.v.bare {
				shown = taken.take(own.name(s, name, offeredName(s, name)))
			}
			if _, twice := w.prompts[shown]; !twice {
				w.prompts[shown] = Target{Name: name, Verdict: seen, pick: k, use: u, safe: true}
				w.order = append(w.order, prompt{raw, shown})
			}
		}
	}
}

// prompt is one that is seen, under its name in the view.
type prompt struct {
	raw   []byte
	shown string
}

// list returns one of the lists. They are written when one is asked for first: who asks for one thing needs none.
func (w *Wide) list(n int) []byte {
	w.written.Do(w.write)
	return w.json[n]
}

// write writes the lists as JSON.
func (w *Wide) write() {
	for i := range w.json {
		w.json[i] = []byte{'['}
	}
	put := func(list int, raw []byte) {
		if len(w.json[list]) > 1 {
			w.json[list] = append(w.json[list], ',')
		}
		w.json[list] = jsonedit.Compact(w.json[list], raw)
	}
	for _, p := range w.order {
		raw := p.raw
		if o, err := jsonedit.Scan(raw, nameKeys); err == nil && !w.v.bare {
			raw = jsonedit.Apply(nil, raw, o.Set(nil, raw, "name", jsonedit.AppendQuote(nil, p.shown)))
		}
		put(0, raw)
	}
	for i, k := range w.v.picks {
		if e := w.extras[i]; e != nil {
			w.locate(&k.pool.server, e.resources, "uri", func(raw []byte) { put(1, raw) })
			w.locate(&k.pool.server, e.templates, "uriTemplate", func(raw []byte) { put(2, raw) })
		}
	}
	for i := range w.json {
		w.json[i] = append(w.json[i], ']')
	}
}

// locate yields those of a server's resources or templates that may be seen, each with its URI, in the member key, as the view
// has it.
func (w *Wide) locate(s *Server, items [][]byte, key string, yield func(raw []byte)) {
	m := mark(s, w.v.bare)
	for _, raw := range items {
		uri := str(raw, key)
		if uri == "" || !shows(w.v.access, s, Use{Principal: w.v.principal, Resource: uri}) {
			continue
		}
		if m != "" {
			raw = member(raw, key, marked(m))
		}
		yield(raw)
	}
}

// Prompt finds a prompt by the name that it is shown under.
func (w *Wide) Prompt(name string) (Target, bool) {
	t, ok := w.prompts[name]
	return t, ok
}

// Resource finds the server of a resource by the URI that it is shown under, or of a template by the text of that. Of several
// servers that it could be of, it is the first that lists it, then the first that has templates, then the first that has
// resources.
func (w *Wide) Resource(uri string) (Target, bool) {
	var found Target
	rank, marked := 0, 0
	for i, k := range w.v.picks {
		e, s := w.extras[i], &k.pool.server
		m := mark(s, w.v.bare)
		if e == nil || !strings.HasPrefix(uri, m) || len(m) < marked {
			continue
		}
		own := uri[len(m):]
		if own == "" || e.hides(ShownResource, own) || e.hides(ShownTemplate, own) {
			continue // it names nothing, or what is withheld
		}
		u := Use{Principal: w.v.principal, Resource: own}
		seen := Admit(w.v.access, s, u)
		if seen.Decision == Refuse {
			continue
		}
		r := 0
		switch {
		case e.lists(own):
			r = 3
		case len(e.templates) > 0:
			r = 2
		case len(e.resources) > 0:
			r = 1
		}
		if r > 0 && (len(m) > marked || r > rank) {
			found, rank, marked = Target{Name: own, Verdict: seen, pick: k, use: u, safe: true}, r, len(m)
		}
	}
	return found, rank > 0
}

func (e *extras) lists(uri string) bool {
	has := func(key string) func(raw []byte) bool {
		return func(raw []byte) bool { return str(raw, key) == uri }
	}
	return slices.ContainsFunc(e.resources, has("uri")) || slices.ContainsFunc(e.templates, has("uriTemplate"))
}

// Completes reports whether the server of a target completes arguments.
func (w *Wide) Completes(t Target) bool {
	i := slices.Index(w.v.picks, t.pick)
	return i >= 0 && w.extras[i] != nil && w.extras[i].completes
}

// Subscribe has f called when a resource changes, until stop is called, which must be. f must not block.
func (v *View) Subscribe(ctx context.Context, t Target, f func()) (stop func(), err error) {
	if t.Verdict.Decision != Allow {
		v.c.refused(ctx, &t.pick.pool.server, t.use, t.Verdict)
		return nil, &RefusedError{Verdict: t.Verdict}
	}
	s, err := v.c.acquire(t.pick)
	if err != nil {
		return nil, err
	}
	end, err := s.subscribe(ctx, t.Name, &f)
	if err != nil {
		s.release()
		return nil, err
	}
	var once sync.Once
	return func() {
		once.Do(func() {
			end()
			s.release()
		})
	}, nil
}
