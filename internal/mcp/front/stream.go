package front

import (
	"bytes"
	"context"
	"net/http"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// wish is what a stream tells of.
type wish struct {
	tools, prompts, resources bool
	updated                   <-chan string // URIs of resources that have changed
	was                       *seen         // what the client was shown when it was told last; nil: it has just been told
}

const (
	toolsChanged     = "notifications/tools/list_changed"
	promptsChanged   = "notifications/prompts/list_changed"
	resourcesChanged = "notifications/resources/list_changed"
	resourceUpdated  = "notifications/resources/updated"
)

// follow is the stream of a session: it tells what has changed. A newer one takes its place.
// last is the event that its client has seen of an earlier one; "": none.
func (x *exchange) follow(last string) {
	ctx, cancel := x.v.Bound(x.r.Context())
	defer cancel()
	defer x.session.take(cancel)()
	p := x.newReply()
	defer p.close()
	p.keep, p.prime = func() *strand { return x.strand(nil) }, x.session.revision >= revLegacy && !x.v.Local && last == ""
	w := &wish{tools: true, prompts: true, resources: true, updated: x.session.told}
	if last != "" {
		w.was = x.session.swap(nil)
	}
	defer func() { x.session.swap(w.was) }()
	ready := func() {
		p.begin()
		if last != "" {
			x.catchUp(p, last)
		}
	}
	x.watch(ctx, w, ready, func(method, uri string) error {
		var params []byte
		if uri != "" {
			params = append(jsonedit.AppendQuote([]byte(`{"uri":`), uri), '}')
		}
		return p.send(jsonrpc.AppendNotification(nil, method, params))
	})
}

// seen is what a client was shown last.
type seen struct {
	tools []byte
	wide  *mcp.Wide
}

// look is what the client would be shown now.
func (x *exchange) look(ctx context.Context, w *wish) (s seen, ok bool) {
	v, err := x.d.servers.View(ctx, x.v)
	if err != nil {
		return s, false // the server is gone, or may not be used any more
	}
	s.tools = v.Tools()
	if w.prompts || w.resources {
		s.wide = v.Wide(ctx)
	}
	return s, ctx.Err() == nil
}

// changes are the notifications about what differs.
func (w *wish) changes(was, is *seen) (methods []string) {
	if w.tools && !bytes.Equal(was.tools, is.tools) {
		methods = append(methods, toolsChanged)
	}
	if w.prompts && !bytes.Equal(was.wide.Prompts(), is.wide.Prompts()) {
		methods = append(methods, promptsChanged)
	}
	if w.resources && (!bytes.Equal(was.wide.Resources(), is.wide.Resources()) || !bytes.Equal(was.wide.Templates(), is.wide.Templates())) {
		methods = append(methods, resourcesChanged)
	}
	return methods
}

// watch calls ready, and then tell whenever what the client is shown has changed, until ctx ends or tell fails.
func (x *exchange) watch(ctx context.Context, w *wish, ready func(), tell func(method, uri string) error) {
	changed := x.d.servers.Changed()
	last, ok := x.look(ctx, w)
	if !ok {
		return
	}
	ready()
	if w.was != nil && w.tellAll(&last, tell) != nil {
		return
	}
	w.was = &last
	for {
		select {
		case <-ctx.Done():
			return
		case uri := <-w.updated:
			if tell(resourceUpdated, uri) != nil {
				return
			}
			continue
		case <-changed:
		}
		changed = x.d.servers.Changed()
		now, ok := x.look(ctx, w)
		if !ok {
			return
		}
		if w.tellAll(&now, tell) != nil {
			return
		}
		w.was = &now
	}
}

// tellAll tells what differs from what the client was shown.
func (w *wish) tellAll(now *seen, tell func(method, uri string) error) error {
	for _, method := range w.changes(w.was, now) {
		if err := tell(method, ""); err != nil {
			return err
		}
	}
	return nil
}

// listen is the subscription of the stateless era.
func (x *exchange) listen() {
	want := jsonedit.Get(x.m.Params, "notifications")
	p := x.newReply()
	switch {
	case jsonedit.Kind(want) != '{':
		x.refuse(http.StatusBadRequest, fail(jsonrpc.CodeInvalidParams, "params has no object notifications"))
		return
	case !p.stream:
		x.refuse(http.StatusNotAcceptable, fail(jsonrpc.CodeInvalidRequest, "the answer is a stream: accept text/event-stream"))
		return
	}
	ctx, cancel := x.v.Bound(x.r.Context())
	defer cancel()
	told := make(chan string, maxNotes)
	w := &wish{updated: told}
	honoured, stop := x.honour(ctx, w, want, told)
	defer stop()
	tag := append([]byte(`"_meta":{"`+metaSubscription+`":`), x.m.ID...)
	tag = append(tag, '}')
	defer func() { p.close() }()
	ready := func() {
		ack := append(append([]byte{'{'}, tag...), `,"notifications":`...)
		ack = append(append(ack, honoured...), '}')
		_ = p.send(jsonrpc.AppendNotification(nil, "notifications/subscriptions/acknowledged", ack)) // a client that has left ends ctx
	}
	x.watch(ctx, w, ready, func(method, uri string) error {
		params := append([]byte{'{'}, tag...)
		if uri != "" {
			params = jsonedit.AppendQuote(append(params, `,"uri":`...), uri)
		}
		return p.send(jsonrpc.AppendNotification(nil, method, append(params, '}')))
	})
	if x.r.Context().Err() == nil {
		p.end(http.StatusOK, jsonrpc.AppendResult(nil, x.m.ID, append(append([]byte(`{"resultType":"complete",`), tag...), '}')))
	}
}

// honour takes the wishes of a listen that can be kept, and returns those in the client's words.
func (x *exchange) honour(ctx context.Context, w *wish, want []byte, told chan<- string) (kept []byte, stop func()) {
	kept = []byte{'{'}
	for _, l := range []struct {
		word string
		to   *bool
	}{{"toolsListChanged", &w.tools}, {"promptsListChanged", &w.prompts}, {"resourcesListChanged", &w.resources}} {
		if *l.to, _ = jsonedit.Bool(jsonedit.Get(want, l.word)); *l.to {
			kept = append(append(append(kept, '"'), l.word...), `":true,`...)
		}
	}
	var stops []func()
	stop = func() {
		for _, f := range stops {
			f()
		}
	}
	var uris []byte
	for el := range jsonedit.Elements(jsonedit.Get(want, "resourceSubscriptions")) {
		uri, ok := jsonedit.Unquote(el)
		if !ok || len(stops) == maxSubs {
			continue
		}
		if end, f := x.subscribeTo(ctx, uri, told); f == nil {
			stops = append(stops, end)
			uris = append(append(uris, el...), ',')
		}
	}
	if uris != nil {
		kept = append(append(append(kept, `"resourceSubscriptions":[`...), uris[:len(uris)-1]...), `],`...)
	}
	return append(bytes.TrimSuffix(kept, []byte{','}), '}'), stop
}

// subscribeTo has told get the URI whenever its resource changes. One that finds no room is dropped: another stands there
// already.
func (x *exchange) subscribeTo(ctx context.Context, uri string, told chan<- string) (stop func(), f *failure) {
	v, f := x.view(ctx)
	if f != nil {
		return nil, f
	}
	t, ok := v.Wide(ctx).Resource(uri)
	if !ok {
		return nil, x.noResource(uri)
	}
	stop, err := v.Subscribe(ctx, t, func() {
		select {
		case told <- uri:
		default:
		}
	})
	if err != nil {
		return nil, x.failedCall(ctx, err).failure
	}
	return stop, nil
}
