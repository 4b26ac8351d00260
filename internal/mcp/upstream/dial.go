package upstream

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/netguard"
)

// dialURL opens a session over HTTP: the stateless era first, then the handshake, then HTTP+SSE, unless config or memory
// know better.
func (d *Dialer) dialURL(ctx context.Context, t target) (*session, error) {
	if u, err := url.Parse(t.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, &mcp.Unavailable{Message: "the server's URL is not an http or https URL"}
	}
	if t.Transport == "sse" {
		return d.dialSSE(ctx, t)
	}
	known, ok := d.remembered(t.URL)
	s, err := d.dialEra(ctx, t, known)
	if err != nil && ok && !hopeless(ctx, err) {
		d.forget(t.URL)
		s, err = d.dialEra(ctx, t, era{})
	}
	return s, err
}

// hopeless reports whether another way to open the session would fail alike.
func hopeless(ctx context.Context, err error) bool {
	if e, ok := errors.AsType[*mcp.LostError](err); ok && e.Unsent || unauthorized(err) {
		return true
	}
	return ctx.Err() != nil || refusedByGuard(err)
}

func refusedByGuard(err error) bool { return errors.Is(err, netguard.ErrRefused) }

// dialEra tries one way after the other.
func (d *Dialer) dialEra(ctx context.Context, t target, known era) (*session, error) {
	switch {
	case known.sse && t.Transport != "http":
		return d.dialSSE(ctx, t)
	case t.pinned() >= revModern:
		return d.dialModern(ctx, t, 0)
	case t.pinned() != "", known.legacy:
		return d.dialOlder(ctx, t)
	case known.only:
		return d.dialModern(ctx, t, d.o.Probe)
	case t.Client != nil:
		return d.dialAsking(ctx, t)
	}
	s, err := d.dialModern(ctx, t, d.o.Probe)
	if err == nil || !errors.Is(err, errOtherEra) || ctx.Err() != nil {
		return s, err
	}
	return d.dialOlder(ctx, t)
}

// dialAsking opens the session of a client that can be asked: in the older era if the server has sessions there, without which it
// cannot be answered what it asks; else in the stateless one.
func (d *Dialer) dialAsking(ctx context.Context, t target) (*session, error) {
	s, err := d.dialOlder(ctx, t)
	if err != nil || s.modern() || !s.nameless() {
		return s, err
	}
	m, err := d.dialModern(ctx, t, d.o.Probe)
	if err != nil {
		return s, nil
	}
	_ = s.Close()
	return m, nil
}

// nameless reports whether a server over streamable HTTP has given a session no id.
func (s *session) nameless() bool {
	w, ok := s.t.(*web)
	return ok && w.sid == ""
}

// dialOlder tries the handshake, and HTTP+SSE for servers that take no posts.
func (d *Dialer) dialOlder(ctx context.Context, t target) (*session, error) {
	s, err := d.dialLegacy(ctx, t)
	switch {
	case err == nil || hopeless(ctx, err):
		return s, err
	case t.pinned() == "" && modernAfterAll(err):
		if t.Client == nil { // it has been asked for that era before
			return d.adoptModern(t), nil
		}
		m, merr := d.dialModern(ctx, t, d.o.Probe)
		if merr == nil {
			d.remember(t.URL, era{only: true})
		}
		return m, merr
	case t.Transport != "http" && noPost(err):
		if s, serr := d.dialSSE(ctx, t); serr == nil {
			return s, nil
		}
	}
	return nil, err
}

// noPost reports whether a server does not take the posts of streamable HTTP, as one of 2024 would not.
func noPost(err error) bool {
	e, ok := errors.AsType[*httpError](err)
	return ok && (e.status == http.StatusBadRequest || e.status == http.StatusNotFound || e.status == http.StatusMethodNotAllowed)
}

// webSession returns a session over streamable HTTP whose era is not settled yet.
func (d *Dialer) webSession(t target) (*session, *web) {
	log := d.o.Log.With("mcp_server", t.Name)
	s := &session{peer: newPeer(log, d.o, t.changed), o: d.o, log: log, http: true, client: t.Client}
	w := &web{p: s.peer, o: d.o, client: d.client(t), standing: make(chan struct{}), url: t.URL, base: t.headers(), auth: t.Authorizer}
	s.t, s.reply = w, w.answer
	return s, w
}

// client returns the client that may connect to a server.
func (d *Dialer) client(t target) *http.Client {
	if t.External {
		return d.guarded
	}
	return d.own
}

// headers joins the config's headers and the caller's; the caller's win.
func (t target) headers() http.Header {
	h := make(http.Header, len(t.Headers)+len(t.caller))
	for k, v := range t.Headers {
		h.Set(k, v)
	}
	add(h, t.caller)
	strip(h)
	return h
}

// add puts the headers of more over those of h.
func add(h, more http.Header) {
	for k, v := range more {
		h[http.CanonicalHeaderKey(k)] = v
	}
}

// strip takes out what belongs to the protocol: nobody but the session itself sets these.
func strip(h http.Header) {
	for k := range h {
		switch k {
		case "Mcp-Session-Id", "Mcp-Protocol-Version", "Mcp-Method", "Mcp-Name", "Last-Event-Id", "Accept", "Accept-Encoding", "Content-Type":
			delete(h, k)
		default:
			if strings.HasPrefix(k, "Mcp-Param-") {
				delete(h, k)
			}
		}
	}
}
