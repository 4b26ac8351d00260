package login

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/oauth"
	"github.com/fairlead/fairlead/internal/secret"
)

var (
	_ mcp.Authorizer = (*user)(nil)
	_ mcp.Authorizer = (*own)(nil)
	_ mcp.Authorizer = (*exchange)(nil)
)

func show(req *http.Request, token string) { req.Header.Set("Authorization", "Bearer "+token) }

// shown is the token that a request has shown.
func shown(req *http.Request) string {
	return strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
}

// user shows the token of a principal that has logged in.
type user struct {
	w   *wallet
	who string
}

// Authorize shows the token. Without one the server is asked without, to hear what it wants, and after that the user is asked.
func (u *user) Authorize(req *http.Request, _ []byte) error {
	req.Header.Del("Authorization")
	t, err := u.w.current(req.Context())
	if err != nil {
		return u.w.k.told(&u.w.server, "renewing the token for it", err)
	}
	if t != nil {
		show(req, t.Access)
		return nil
	}
	u.w.mu.Lock()
	challenge, at := u.w.challenge, u.w.challenged
	u.w.mu.Unlock()
	if at.IsZero() || u.w.k.o.Now().Sub(at) >= siteFresh {
		return nil
	}
	return u.login(req.Context(), challenge, challenge.Scopes, false)
}

// Refused finds out what is to be done: another token is there by now, or can be had, or the user must log in.
func (u *user) Refused(req *http.Request, resp *http.Response) (again bool, err error) {
	w, ctx, used := u.w, req.Context(), shown(req)
	challenge := oauth.ReadChallenge(resp.Header)
	if resp.StatusCode == http.StatusForbidden && (used == "" || challenge.Error != "insufficient_scope") {
		return false, nil
	}
	var t *kept
	if used != "" {
		if t, err = w.load(ctx); err != nil {
			return false, err
		}
		if t != nil && t.Access != used {
			return true, nil
		}
	}
	if resp.StatusCode == http.StatusForbidden {
		return false, u.stepUp(ctx, t, challenge)
	}
	if t != nil {
		again, err = w.other(ctx, t, challenge)
		if again || err != nil {
			return again, err
		}
	}
	return false, u.login(ctx, challenge, challenge.Scopes, t == nil)
}

// stepUp asks the user for a token that permits more, unless the one that there is already has what the server asks for.
func (u *user) stepUp(ctx context.Context, t *kept, c oauth.Challenge) error {
	if t == nil || oauth.Within(c.Scopes, t.Scopes) {
		return nil
	}
	return u.login(ctx, c, oauth.Join(t.Scopes, c.Scopes), false)
}

// other gets another token in place of one that the server has refused. Where the server has turned to another authorization
// server, all that came from the first is forgotten.
func (w *wallet) other(ctx context.Context, t *kept, c oauth.Challenge) (again bool, err error) {
	f, err := w.k.site(ctx, &w.server, c.Metadata, true)
	if err != nil {
		return false, err
	}
	if f.issuer.Issuer != t.Issuer && !slices.Contains(f.resource.Issuers, t.Issuer) {
		w.k.forget(ctx, &w.server, t.Issuer, t.Redirect)
		return false, w.drop(ctx, t)
	}
	next, err := w.renew(ctx, t.Access)
	return next != nil, err
}

// login is the error that asks the user to log in.
func (u *user) login(ctx context.Context, c oauth.Challenge, scopes []string, anew bool) error {
	w := u.w
	f, err := w.k.site(ctx, &w.server, c.Metadata, anew)
	if err != nil {
		return err
	}
	if err := f.issuer.CanAuthorize(); err != nil {
		return w.k.told(&w.server, "a login to it", err)
	}
	w.mu.Lock()
	if w.token == nil {
		w.challenge, w.challenged = c, w.k.o.Now()
	}
	w.mu.Unlock()
	return w.k.link(&ticket{Principal: w.principal, Who: u.who, Server: w.server.Name, Hint: c.Metadata, Scopes: f.scopes(w.server.Auth, scopes)})
}

// own shows the gateway's own token.
type own struct{ w *wallet }

// Authorize shows the token, which is asked for if there is none.
func (o *own) Authorize(req *http.Request, _ []byte) error {
	t, err := o.w.current(req.Context())
	if err != nil {
		return o.w.k.told(&o.w.server, "asking for a token for it", err)
	}
	show(req, t.Access)
	return nil
}

// Refused asks for another token, with the scopes that the server names.
func (o *own) Refused(req *http.Request, resp *http.Response) (again bool, err error) {
	challenge := oauth.ReadChallenge(resp.Header)
	if resp.StatusCode == http.StatusForbidden && challenge.Error != "insufficient_scope" {
		return false, nil
	}
	o.w.mu.Lock()
	o.w.challenge.Metadata = challenge.Metadata
	o.w.challenge.Scopes = oauth.Join(o.w.challenge.Scopes, challenge.Scopes)
	o.w.mu.Unlock()
	if _, err := o.w.k.site(req.Context(), &o.w.server, challenge.Metadata, true); err != nil {
		return false, err
	}
	t, err := o.w.renew(req.Context(), shown(req))
	return t != nil, err
}

// exchange shows a token that was had for the caller's. It lives as long as the session.
type exchange struct {
	k       *Keeper
	server  mcp.Server
	subject secret.String

	mu    sync.Mutex // held while a token is asked for
	token *kept
}

// Authorize shows the token, which is asked for if there is none.
func (x *exchange) Authorize(req *http.Request, _ []byte) error {
	t, err := x.current(req.Context(), "", nil)
	if err != nil {
		return x.k.told(&x.server, "exchanging the caller's token", err)
	}
	show(req, t.Access)
	return nil
}

// current returns the token, or another one than used.
func (x *exchange) current(ctx context.Context, used string, scopes []string) (*kept, error) {
	if x.subject.Empty() {
		return nil, &mcp.Unavailable{Message: "it wants a token of the caller, and this request came with none of an authorization server"}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if t := x.token; t != nil && t.Access != used && (t.Expires.IsZero() || time.Until(t.Expires) > skew) {
		return t, nil
	}
	f, err := x.k.site(ctx, &x.server, "", used != "")
	if err != nil {
		return nil, err
	}
	a := x.server.Auth
	ctx, oc := x.k.client(ctx, &x.server)
	scopes = oauth.Join(oauth.Join(nil, a.Scopes), scopes)
	tok, err := oc.Ask(ctx, f.issuer, (&client{ID: a.ClientID}).identity(a), oauth.Exchange(x.subject, f.resource.ID, a.Audience, scopes))
	if err != nil {
		return nil, err
	}
	t := &kept{}
	t.take(tok, scopes)
	x.token = t
	return t, nil
}

// Refused asks for another token.
func (x *exchange) Refused(req *http.Request, resp *http.Response) (again bool, err error) {
	challenge := oauth.ReadChallenge(resp.Header)
	if resp.StatusCode == http.StatusForbidden && challenge.Error != "insufficient_scope" {
		return false, nil
	}
	_, err = x.current(req.Context(), shown(req), challenge.Scopes)
	return err == nil, x.k.told(&x.server, "exchanging the caller's token", err)
}
