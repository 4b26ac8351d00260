package login

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/oauth"
	"github.com/fairlead/fairlead/internal/seal"
	"github.com/fairlead/fairlead/internal/secret"
)

// site is what is known of where a server's tokens come from. Who has the turn asks, and others wait.
type site struct {
	turn   chan struct{} // holds one
	at     time.Time
	hint   string
	failed error
	since  time.Time
	found
}

// found is what was found.
type found struct {
	resource oauth.Resource
	issuer   *oauth.Server
}

const (
	siteFresh = 10 * time.Minute // how long what was found is taken as it was; a challenge has it looked at anew
	sitePause = 3 * time.Second  // how long nobody asks again after a failure
)

// site finds out where a server's tokens come from. anew looks again though it is known.
func (k *Keeper) site(ctx context.Context, s *mcp.Server, hint string, anew bool) (found, error) {
	key := s.Name + "\x00" + s.URL + "\x00" + s.Auth.Issuer + "\x00" + s.Auth.TokenURL
	k.mu.Lock()
	st := k.sites[key]
	if st == nil {
		if len(k.sites) >= maxSites {
			clear(k.sites)
		}
		st = &site{turn: make(chan struct{}, 1)}
		k.sites[key] = st
	}
	k.mu.Unlock()
	asked := k.o.Now()
	select {
	case st.turn <- struct{}{}:
		defer func() { <-st.turn }()
	case <-ctx.Done():
		return found{}, ctx.Err()
	}
	if hint == "" {
		hint = st.hint
	}
	known := st.issuer != nil && k.o.Now().Sub(st.at) < siteFresh
	if known && (!anew || st.at.After(asked)) && hint == st.hint {
		return st.found, nil
	}
	if st.failed != nil && k.o.Now().Sub(st.since) < sitePause {
		return found{}, st.failed
	}
	// Others wait for what is found: a caller that leaves does not end it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), asking)
	defer cancel()
	f, err := k.find(ctx, s, hint)
	if st.failed = k.told(s, "finding its authorization server", err); err != nil {
		st.since = k.o.Now()
		return found{}, st.failed
	}
	st.found, st.hint, st.at = f, hint, k.o.Now()
	return f, nil
}

func (k *Keeper) find(ctx context.Context, s *mcp.Server, hint string) (f found, err error) {
	ctx, c := k.client(ctx, s)
	a := s.Auth
	if a.TokenURL != "" {
		f.issuer = &oauth.Server{Issuer: a.Issuer, Token: a.TokenURL}
		f.resource.ID = oauth.Canonical(s.URL)
		return f, nil
	}
	if f.resource, err = c.Resource(ctx, s.URL, hint); err != nil {
		return f, err
	}
	issuer := a.Issuer
	if issuer == "" {
		issuer = f.resource.Issuers[0]
	}
	f.issuer, err = c.Server(ctx, issuer)
	return f, err
}

// scopes are those that a login asks for: what the server's challenge names, else what the config does, else all that the server
// says it has. A refresh token is asked for where that is a scope.
func (f *found) scopes(a *mcp.Auth, challenged []string) []string {
	out := oauth.Join(oauth.Join(nil, a.Scopes), challenged)
	if len(out) == 0 {
		out = oauth.Join(nil, f.resource.Scopes)
	}
	if len(out) > 0 && slices.Contains(f.issuer.Scopes, "offline_access") {
		out = oauth.Join(out, []string{"offline_access"})
	}
	return out
}

// client is who the gateway is to an authorization server, as it is kept.
type client struct {
	ID      string    `json:"id"`
	Secret  string    `json:"secret,omitempty"`
	Method  string    `json:"method,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
}

// identity is what a client shows. The private key of the config is not kept.
func (c *client) identity(a *mcp.Auth) *oauth.Identity {
	id := &oauth.Identity{ID: c.ID, Method: c.Method, Expires: c.Expires}
	if c.Secret != "" {
		id.Secret = secret.New(c.Secret)
	}
	if c.ID == a.ClientID {
		id.Secret, id.Key = a.ClientSecret, a.PrivateKey
	}
	return id
}

// registered returns who the gateway is to the authorization server of a site: as the config says, by the document that it
// publishes, or by a registration, in this order.
func (k *Keeper) registered(ctx context.Context, s *mcp.Server, f *found, redirect string) (client, error) {
	if s.Auth.ClientID != "" {
		return client{ID: s.Auth.ClientID}, nil
	}
	if doc := k.document(); f.issuer.Documents && doc != "" {
		return client{ID: doc, Method: oauth.MethodNone}, nil
	}
	if f.issuer.Registration == "" {
		return client{}, &oauth.Unusable{Message: "its authorization server registers no clients: a client_id must be got from it and written into the config (auth.client_id)"}
	}
	id, scope := clientID(s, f.issuer.Issuer, redirect), seal.Scope{Kind: "oauth client", Route: s.Name + "\x00" + f.issuer.Issuer}
	var c client
	if g, ok, err := k.o.Store.Grant(ctx, "", id); err != nil {
		return client{}, err
	} else if ok && k.open(scope, g.Data, &c) && (c.Expires.IsZero() || c.Expires.After(k.o.Now().Add(loginTime))) {
		return c, nil
	}
	ctx, oc := k.client(ctx, s)
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	r, err := oc.Register(ctx, f.issuer, oauth.Describe("Fairlead", redirect))
	if err != nil {
		return client{}, err
	}
	c = client{ID: r.ID, Secret: r.Secret.Reveal(), Method: r.Method, Expires: r.Expires}
	return c, k.o.Store.PutGrant(ctx, "", id, k.sealed(scope, c, keepFor), keepFor)
}

// forget drops what is kept of the gateway's registration with an authorization server.
func (k *Keeper) forget(ctx context.Context, s *mcp.Server, issuer, redirect string) {
	if err := k.o.Store.DropGrant(ctx, "", clientID(s, issuer, redirect), 0); err != nil {
		k.o.Log.Warn("a registration could not be forgotten", "server", s.Name, "error", err)
	}
}

// clientID is where the registration of the gateway for one server with one authorization server is kept: a server that turns to
// another one gets another client, and knows nothing of the first.
func clientID(s *mcp.Server, issuer, redirect string) string {
	return "client:" + digest(s.Name+"\x00"+issuer+"\x00"+redirect)
}

// document is where the gateway's description of itself can be read by authorization servers; "": nowhere.
func (k *Keeper) document() string {
	if k.o.Document != "" {
		return k.o.Document
	}
	if base := k.o.Base(); strings.HasPrefix(base, "https://") {
		return base + documentPath
	}
	return ""
}

// sealed is a value as it is kept.
func (k *Keeper) sealed(s seal.Scope, v any, life time.Duration) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // unreachable: texts, lists of them, and times
	}
	return []byte(k.o.Seal.Seal(s, b, life))
}

// open reads a value that was kept. It reports false for one that another gateway, or one with other secrets, has sealed.
func (k *Keeper) open(s seal.Scope, data []byte, v any) bool {
	b, ok := k.o.Seal.Open(s, string(data))
	return ok && json.Unmarshal(b, v) == nil
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
