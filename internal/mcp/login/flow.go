package login

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/url"
	"time"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/oauth"
	"github.com/fairlead/fairlead/internal/seal"
)

// loginTime is how long a link is good, and how long a login may take that was begun.
const loginTime = 10 * time.Minute

// The addresses of the gateway that logins need.
const (
	loginPath    = "/oauth/login/"
	callbackPath = "/oauth/callback"
	documentPath = "/oauth/client-metadata.json"
)

// ticket is what a link to log in says. It comes sealed, so that nobody but the gateway makes one.
type ticket struct {
	Principal string   `json:"p"`
	Who       string   `json:"w,omitempty"` // what people call the principal
	Server    string   `json:"s"`
	Hint      string   `json:"h,omitempty"` // where the server's metadata are
	Scopes    []string `json:"c,omitempty"`
}

var ticketScope = seal.Scope{Kind: "oauth ticket", Route: loginPath}

// link is the error that sends a user to the page where logins begin.
func (k *Keeper) link(t *ticket) error {
	base := k.o.Base()
	if base == "" {
		return &mcp.Unavailable{Message: "a user must log in to it first, and browsers cannot reach this gateway: its config has no public_url"}
	}
	return &mcp.LoginError{Server: t.Server, URL: base + loginPath + string(k.sealed(ticketScope, t, loginTime))}
}

// pending is a login that has begun.
type pending struct {
	Ticket   ticket       `json:"ticket"`
	Issuer   oauth.Server `json:"issuer"` // as it was when the login began, whatever is said of it later
	Client   client       `json:"client"`
	URL      string       `json:"url"` // the server's
	Resource string       `json:"resource"`
	Redirect string       `json:"redirect"`
	Verifier string       `json:"verifier"`
	Browser  string       `json:"browser"` // the digest of the cookie of the browser that began it
}

var pendingScope = seal.Scope{Kind: "oauth login", Route: callbackPath}

func pendingID(state string) string { return "login:" + digest(state) }

// server returns the server of a ticket, if users log in to it.
func (k *Keeper) server(t *ticket) (mcp.Server, bool) {
	s, ok := k.servers.Server(t.Server)
	return s, ok && s.Auth != nil && s.Auth.Type == "oauth"
}

// begin begins a login and returns where the user goes on.
func (k *Keeper) begin(ctx context.Context, t *ticket, s *mcp.Server, browser string) (string, error) {
	f, err := k.site(ctx, s, t.Hint, false)
	if err != nil {
		return "", err
	}
	if err := f.issuer.CanAuthorize(); err != nil {
		return "", k.told(s, "a login to it", err)
	}
	redirect := k.o.Base() + callbackPath
	c, err := k.registered(ctx, s, &f, redirect)
	if err != nil {
		return "", k.told(s, "registering the gateway with its authorization server", err)
	}
	a := oauth.Authorization{
		Client: c.ID, Redirect: redirect, Resource: f.resource.ID, Scopes: t.Scopes, State: rand.Text(), Verifier: oauth.NewVerifier(),
	}
	to, err := f.issuer.URL(&a)
	if err != nil {
		return "", k.told(s, "a login to it", err)
	}
	p := pending{Ticket: *t, Issuer: *f.issuer, Client: c, URL: s.URL, Resource: a.Resource, Redirect: redirect, Verifier: a.Verifier, Browser: digest(browser)}
	return to, k.o.Store.PutGrant(ctx, "", pendingID(a.State), k.sealed(pendingScope, p, loginTime), loginTime)
}

// errUnknown is the one answer to states that are wrong, used, expired, or another browser's.
var errUnknown = &mcp.Unavailable{Message: "this login is not known, or it is over: ask for a new link"}

// finish ends a login with the answer that the browser has brought, and keeps the token for the principal that asked.
func (k *Keeper) finish(ctx context.Context, answer url.Values, browser string) (*pending, error) {
	p, s, err := k.begun(ctx, answer, browser)
	if err != nil {
		return nil, err
	}
	if err := p.Issuer.CheckIssuer(answer); err != nil {
		return p, k.told(s, "the login", err)
	}
	code := answer.Get("code")
	if code == "" || answer.Get("error") != "" {
		return p, k.told(s, "the login", &oauth.Refusal{Code: word(answer.Get("error"))})
	}
	// A browser that leaves must not cost the code.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), asking)
	defer cancel()
	c, oc := k.client(ctx, s)
	a := oauth.Authorization{Redirect: p.Redirect, Resource: p.Resource, Verifier: p.Verifier}
	tok, err := oc.Ask(c, &p.Issuer, p.Client.identity(s.Auth), oauth.Code(code, &a))
	if oauth.RefusedFor(err, "invalid_client", "unauthorized_client") {
		k.forget(ctx, s, p.Issuer.Issuer, p.Redirect)
	}
	if err != nil {
		return p, k.told(s, "asking for the token", err)
	}
	t := &kept{Issuer: p.Issuer.Issuer, Client: p.Client, Redirect: p.Redirect, Resource: p.Resource}
	t.take(tok, p.Ticket.Scopes)
	if err := k.wallet(s, p.Ticket.Principal, userToken).save(ctx, t); err != nil {
		return p, err
	}
	k.o.Log.Info("a user has logged in to an MCP server", "server", s.Name, "principal", p.Ticket.Principal)
	k.servers.LoggedIn(p.Ticket.Principal, s.Name)
	return p, nil
}

// begun takes the login that an answer is to, which is used up by that, and its server, which must still be the one that it was.
func (k *Keeper) begun(ctx context.Context, answer url.Values, browser string) (*pending, *mcp.Server, error) {
	state := answer.Get("state")
	if len(state) != len(rand.Text()) || len(answer["state"]) != 1 || browser == "" {
		return nil, nil, errUnknown
	}
	if _, ok, err := k.o.Store.Grant(ctx, "", pendingID(state)); !ok { // strangers may ask, and have nothing written
		return nil, nil, cmp.Or(err, error(errUnknown))
	}
	g, ok, err := k.o.Store.TakeGrant(ctx, "", pendingID(state))
	if err != nil {
		return nil, nil, err
	}
	p := &pending{}
	if !ok || !k.open(pendingScope, g.Data, p) || subtle.ConstantTimeCompare([]byte(digest(browser)), []byte(p.Browser)) != 1 {
		return nil, nil, errUnknown
	}
	s, ok := k.server(&p.Ticket)
	if !ok || s.URL != p.URL || !trustsIssuer(s.Auth, p.Issuer.Issuer) {
		return nil, nil, errUnknown
	}
	return p, &s, nil
}

// trustsIssuer reports whether what came from an issuer may be used: the config names no other.
func trustsIssuer(a *mcp.Auth, issuer string) bool { return a.Issuer == "" || a.Issuer == issuer }

// word is an error's code as it may be shown.
func word(code string) string {
	if len(code) > 64 || len(oauth.Scopes(code)) != 1 {
		return "no code"
	}
	return code
}
