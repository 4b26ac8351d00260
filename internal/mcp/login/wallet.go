package login

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/oauth"
	"github.com/fairlead/fairlead/internal/seal"
	"github.com/fairlead/fairlead/internal/secret"
)

// The kinds of tokens that are kept.
const (
	userToken = "token"
	ownToken  = "own"
)

const (
	keepFor = 365 * 24 * time.Hour // what does not say how long it is good
	skew    = 10 * time.Second     // a token that is good for less is renewed
	holding = 30 * time.Second     // the lease of who renews one, which is longer than renewing takes
	waiting = 45 * time.Second     // how long others wait
)

// kept is a token as it is kept.
type kept struct {
	URL      string    `json:"url"` // the server's, when the token was issued
	Issuer   string    `json:"issuer"`
	Client   client    `json:"client"`
	Redirect string    `json:"redirect,omitempty"`
	Resource string    `json:"resource"`
	Access   string    `json:"access"`
	Refresh  string    `json:"refresh,omitempty"`
	Expires  time.Time `json:"expires,omitzero"`
	Scopes   []string  `json:"scopes,omitempty"` // that were granted

	version int64
}

// take makes a token the kept one. What the server does not say again is as before.
func (t *kept) take(tok oauth.Token, asked []string) {
	t.Access, t.Expires = tok.Access.Reveal(), tok.Expires
	if !tok.Refresh.Empty() {
		t.Refresh = tok.Refresh.Reveal()
	}
	if t.Scopes = asked; tok.Scopes != nil {
		t.Scopes = tok.Scopes
	}
}

// wallet is a principal's token for one server, as far as this process knows it.
type wallet struct {
	k         *Keeper
	server    mcp.Server
	principal string
	kind      string

	mu         sync.Mutex
	token      *kept // nil: none is known here
	renewing   *renewal
	challenge  oauth.Challenge // what the server wants to see, when nothing was shown
	challenged time.Time
}

// renewal is one renewal that several wait for.
type renewal struct {
	done  chan struct{}
	used  string
	token *kept
	err   error
}

func (w *wallet) id() string { return w.kind + ":" + w.server.Name }

func (w *wallet) scope() seal.Scope {
	return seal.Scope{Kind: "oauth " + w.kind, Route: w.server.Name, Principal: w.principal}
}

func (w *wallet) fresh(t *kept) bool {
	return t != nil && (t.Expires.IsZero() || t.Expires.Sub(w.k.o.Now()) > skew)
}

// current returns the token, renewed if its time is over; nil if there is none.
func (w *wallet) current(ctx context.Context) (*kept, error) {
	w.mu.Lock()
	t := w.token
	w.mu.Unlock()
	if w.fresh(t) {
		return t, nil
	}
	t, err := w.load(ctx)
	switch {
	case err != nil || w.fresh(t):
		return t, err
	case t != nil:
		return w.renew(ctx, t.Access)
	case w.kind == ownToken:
		return w.renew(ctx, "")
	}
	return nil, nil
}

// load reads the token that is kept; nil if there is none, or one that was issued for another address.
func (w *wallet) load(ctx context.Context) (*kept, error) {
	g, ok, err := w.k.o.Store.Grant(ctx, w.principal, w.id())
	if err != nil {
		return nil, err
	}
	t := &kept{version: g.Version}
	if !ok || !w.k.open(w.scope(), g.Data, t) || t.URL != w.server.URL || !trustsIssuer(w.server.Auth, t.Issuer) {
		t = nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.token = t
	return t, nil
}

// save keeps a token.
func (w *wallet) save(ctx context.Context, t *kept) error {
	life := keepFor
	if t.Refresh == "" && !t.Expires.IsZero() {
		life = max(t.Expires.Sub(w.k.o.Now()), time.Second)
	}
	t.URL = w.server.URL
	if err := w.k.o.Store.PutGrant(ctx, w.principal, w.id(), w.k.sealed(w.scope(), t, life), life); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.token, w.challenged = t, time.Time{}
	return nil
}

// drop forgets a token, unless there is another one by now.
func (w *wallet) drop(ctx context.Context, t *kept) error {
	w.mu.Lock()
	if w.token != nil && w.token.Access == t.Access {
		w.token = nil
	}
	w.mu.Unlock()
	return w.k.o.Store.DropGrant(ctx, w.principal, w.id(), t.version)
}

// renew returns a token in place of one that is no good any more; nil if there is none to be had without a login. Of all that
// want it, in whatever process, one asks for it. A caller that leaves does not end it.
func (w *wallet) renew(ctx context.Context, used string) (*kept, error) {
	w.mu.Lock()
	r := w.renewing
	if r == nil || r.used != used {
		r = &renewal{done: make(chan struct{}), used: used}
		w.renewing = r
		go func() { // bounded by waiting
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), waiting)
			defer cancel()
			r.token, r.err = w.renewed(ctx, used)
			w.mu.Lock()
			if w.renewing == r {
				w.renewing = nil
			}
			w.mu.Unlock()
			close(r.done)
		}()
	}
	w.mu.Unlock()
	select {
	case <-r.done:
		return r.token, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// renewed renews when it is this process's turn, or waits for the one whose turn it is.
func (w *wallet) renewed(ctx context.Context, used string) (*kept, error) {
	holder, lease := rand.Text(), "renew:"+w.id()
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		turn, err := w.k.o.Store.Lease(ctx, w.principal, lease, holder, holding)
		if err != nil {
			return nil, err
		}
		t, err := w.load(ctx)
		switch {
		case err != nil:
		case t != nil && t.Access != used && w.fresh(t): // another one has been here before
		case t == nil && w.kind != ownToken: // and found that nothing is to be had
		case !turn:
			pause := time.NewTimer(wait)
			select {
			case <-pause.C:
				continue
			case <-ctx.Done():
				pause.Stop()
				return nil, ctx.Err()
			}
		default:
			t, err = w.ask(ctx, t)
		}
		if turn {
			if rerr := w.k.o.Store.Release(context.WithoutCancel(ctx), w.principal, lease, holder); rerr != nil {
				w.k.o.Log.Warn("a lease could not be given back; it runs out", "error", rerr)
			}
		}
		return t, err
	}
}

// ask has the authorization server issue a token in place of t.
func (w *wallet) ask(ctx context.Context, t *kept) (*kept, error) {
	if w.kind == ownToken {
		return w.askOwn(ctx)
	}
	if t.Refresh == "" {
		return nil, w.drop(ctx, t)
	}
	k := w.k
	c, oc := k.client(ctx, &w.server)
	c, cancel := context.WithTimeout(c, asking)
	defer cancel()
	server, err := oc.Server(c, t.Issuer)
	var tok oauth.Token
	if err == nil {
		tok, err = oc.Ask(c, server, t.Client.identity(w.server.Auth), oauth.Again(secret.New(t.Refresh), t.Resource))
	}
	switch {
	case oauth.RefusedFor(err, "invalid_client", "unauthorized_client"):
		k.forget(ctx, &w.server, t.Issuer, t.Redirect)
		return nil, w.drop(ctx, t)
	case oauth.RefusedFor(err, "invalid_grant", "invalid_scope", "invalid_target"):
		return nil, w.drop(ctx, t)
	case err != nil:
		return nil, k.told(&w.server, "renewing the token for it", err)
	}
	next := *t
	next.take(tok, t.Scopes)
	return &next, w.save(context.WithoutCancel(ctx), &next)
}

// askOwn has the authorization server issue a token for the gateway itself.
func (w *wallet) askOwn(ctx context.Context) (*kept, error) {
	w.mu.Lock()
	challenge := w.challenge
	w.mu.Unlock()
	f, err := w.k.site(ctx, &w.server, challenge.Metadata, false)
	if err != nil {
		return nil, err
	}
	a := w.server.Auth
	scopes := oauth.Join(oauth.Join(nil, a.Scopes), challenge.Scopes)
	ctx, oc := w.k.client(ctx, &w.server)
	id := (&client{ID: a.ClientID}).identity(a)
	tok, err := oc.Ask(ctx, f.issuer, id, oauth.Own(f.resource.ID, scopes))
	if err != nil {
		return nil, w.k.told(&w.server, "asking for a token for it", err)
	}
	t := &kept{Issuer: f.issuer.Issuer, Client: client{ID: a.ClientID}, Resource: f.resource.ID}
	t.take(tok, scopes)
	t.Refresh = "" // another one is as easily had
	return t, w.save(context.WithoutCancel(ctx), t)
}
