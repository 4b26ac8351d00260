package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/bearer"
	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/fault"
)

// tokens knows whose access tokens are taken, and what they may use.
type tokens struct {
	public  string   // the gateway's address: what its tokens are issued for
	first   []string // scopes that clients of all servers are told to ask for
	issuers []*issuer
	seen    *seen
}

// issuer is one whose tokens are taken.
type issuer struct {
	config.Issuer
	verifier *bearer.Issuer
	grants   []grant
}

// grant is what tokens may use that have all its scopes and claims.
type grant struct {
	scopes []string
	claims []config.Claim
	key    config.Key // what they may use is what this key may
	allows *Identity
}

// token is what an identity has from a token.
type token struct {
	of     *tokens
	issuer *issuer
	claims *bearer.Claims
	until  time.Time // when the token has expired
}

// newTokens returns nil where no issuer is configured. Verifiers of before that are the same go on.
func newTokens(cfg *config.Config, before *tokens) *tokens {
	if len(cfg.OAuth.Issuers) == 0 {
		return nil
	}
	t := &tokens{public: cfg.PublicURL, first: cfg.OAuth.Scopes, seen: newSeen()}
	for _, c := range cfg.OAuth.Issuers {
		i := &issuer{Issuer: c, verifier: before.verifier(c)}
		if i.verifier == nil {
			i.verifier = bearer.New(verifierOptions(c))
		}
		for _, g := range c.Grants {
			i.grants = append(i.grants, newGrant(g, cfg.Keys))
		}
		t.issuers = append(t.issuers, i)
	}
	return t
}

func verifierOptions(c config.Issuer) bearer.Options {
	o := bearer.Options{Issuer: c.URL, JWKS: c.JWKS}
	if in := c.Introspection; in != nil {
		o.Introspection = &bearer.Introspection{URL: in.URL, ClientID: in.ClientID, Secret: in.Secret}
	}
	return o
}

// verifier returns the verifier of an issuer that is configured as c is, with the keys that it has fetched.
func (t *tokens) verifier(c config.Issuer) *bearer.Issuer {
	if t == nil {
		return nil
	}
	for _, i := range t.issuers {
		a, b := i.Introspection, c.Introspection
		same := a == nil && b == nil || a != nil && b != nil && a.URL == b.URL && a.ClientID == b.ClientID && a.Secret.Reveal() == b.Secret.Reveal()
		if same && i.URL == c.URL && i.JWKS == c.JWKS {
			return i.verifier
		}
	}
	return nil
}

func newGrant(c config.Grant, keys []config.Key) grant {
	g := grant{scopes: c.Scopes, claims: c.Claims, key: config.Key{Models: c.Models, Servers: c.Servers, Toolsets: c.Toolsets, Choices: c.Choices, Attach: c.Attach}}
	if g.key.Models == nil {
		g.key.Models = []string{}
	}
	if i := slices.IndexFunc(keys, func(k config.Key) bool { return c.Key != "" && k.Name == c.Key }); i >= 0 {
		g.key = keys[i]
	}
	g.allows = identity(g.key)
	return g
}

// identify returns who shows a token at a path: one of MCP's, or "" for the other endpoints. The error is a *fault.Error.
func (t *tokens) identify(ctx context.Context, text, path string) (*Identity, error) {
	i := t.issuerOf(text)
	if i == nil {
		return nil, badToken("the token is of no issuer that this gateway takes tokens of", nil)
	}
	id, err := t.seen.get(ctx, sha256.Sum256([]byte(text)), func(ctx context.Context) (*Identity, time.Duration, error) {
		return t.verify(ctx, i, text)
	})
	if err != nil {
		return nil, err
	}
	if !t.meant(id, path) {
		return nil, badToken("the token is for another resource", nil)
	}
	return id, nil
}

// issuerOf returns the issuer that a token is to be verified by: the one that it names, or, where it cannot be read, the one
// that is asked about tokens.
func (t *tokens) issuerOf(text string) *issuer {
	name, readable := bearer.Readable(text)
	for _, i := range t.issuers {
		if readable && i.URL == name || !readable && i.verifier.Asks() {
			return i
		}
	}
	return nil
}

// How long what a token says is taken as known.
const (
	knownRead  = 5 * time.Minute  // of a signed token: keys may be withdrawn
	knownAsked = 30 * time.Second // of what an issuer was asked about: tokens may be
	knownBad   = 10 * time.Second // of what an issuer does not know
)

func (t *tokens) verify(ctx context.Context, i *issuer, text string) (*Identity, time.Duration, error) {
	c, err := i.verifier.Verify(ctx, text)
	switch {
	case bearer.IsInvalid(err):
		known := time.Duration(0)
		if i.verifier.Asks() {
			known = knownBad
		}
		return nil, known, badToken(err.Error(), errors.Unwrap(err))
	case err != nil:
		return nil, 0, &fault.Error{
			Kind: fault.Unavailable, Op: "auth.Identify", Code: "issuer_unavailable",
			Message: "the token cannot be verified now: its issuer, " + i.Name + ", cannot be asked", Err: err,
		}
	}
	known := knownRead
	if i.verifier.Asks() {
		known = knownAsked
	}
	return t.person(i, c), known, nil
}

// person is the identity of who has a token.
func (t *tokens) person(i *issuer, c *bearer.Claims) *Identity {
	k := config.Key{Models: []string{}}
	for _, g := range i.grants {
		if g.fits(c) && g.held(c) {
			k = merge(k, g.key)
		}
	}
	id := identity(k)
	id.Name, id.Subject, id.principal = i.Name, clip(cmp.Or(c.Subject, c.Client)), principalOf(c, i.URL)
	id.token = &token{of: t, issuer: i, claims: c, until: c.Expires}
	return id
}

// clip bounds what logs say of a subject.
func clip(s string) string {
	const most = 256
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// principalOf is the principal of whom an issuer's token is about. Names of keys have no colon.
func principalOf(c *bearer.Claims, issuer string) string {
	about := "sub\x00" + c.Subject
	if c.Subject == "" {
		about = "client\x00" + c.Client // a client that acts for itself; no subject is named like it
	}
	sum := sha256.Sum256([]byte(issuer + "\x00" + about))
	return "oauth:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// now is the identity of who has a token that was verified by an earlier configuration.
func (t *tokens) now(old *token) *Identity {
	if t == nil {
		return nil
	}
	for _, i := range t.issuers {
		if i.URL == old.issuer.URL {
			return t.person(i, old.claims)
		}
	}
	return nil
}

// merge is a key that may use what either may.
func merge(a, b config.Key) config.Key {
	join := func(x, y []string) []string {
		out := slices.Clone(x)
		for _, s := range y {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
		return out
	}
	if a.Models = join(a.Models, b.Models); b.Models == nil && !slices.Contains(a.Models, "*") {
		a.Models = append(a.Models, "*")
	}
	a.Servers, a.Toolsets = join(a.Servers, b.Servers), join(a.Toolsets, b.Toolsets)
	a.Choices = append(slices.Clip(a.Choices), b.Choices...)
	a.ToolSearch, a.LongResults = a.ToolSearch || b.ToolSearch, cmp.Or(a.LongResults, b.LongResults)
	a.Attach = join(a.Attach, b.Attach)
	return a
}

// fits reports whether a token has the claims of a grant, held whether it has the scopes.
func (g *grant) fits(c *bearer.Claims) bool {
	return !slices.ContainsFunc(g.claims, func(want config.Claim) bool { return !c.Has(want.Name, want.Value) })
}

func (g *grant) held(c *bearer.Claims) bool { return len(g.missing(c)) == 0 }

func (g *grant) missing(c *bearer.Claims) []string {
	return slices.DeleteFunc(slices.Clone(g.scopes), func(s string) bool { return slices.Contains(c.Scopes, s) })
}

// meant reports whether a token is for what is asked at a path: its audience is the gateway, what is at the path, or what the
// config says.
func (t *tokens) meant(id *Identity, path string) bool {
	i := id.token.issuer
	if path == "" && !i.API {
		return false
	}
	return slices.ContainsFunc(id.token.claims.Audience, func(a string) bool {
		if slices.Contains(i.Audiences, a) {
			return true
		}
		a = strings.TrimSuffix(a, "/")
		return a == t.public || path != "" && a == t.resource(path)
	})
}

// ours reports whether the value of an Authorization header is a token of an issuer's that says that it is for this gateway, good or
// not: what was issued for the gateway is passed on to nobody.
func (t *tokens) ours(value string) bool {
	text := bare(value)
	name, ok := bearer.Readable(text)
	if !ok {
		return false
	}
	return slices.ContainsFunc(t.issuers, func(i *issuer) bool {
		return i.URL == name && slices.ContainsFunc(bearer.Addressed(text), func(a string) bool {
			return slices.Contains(i.Audiences, a) || a == t.public || strings.HasPrefix(a, t.public+"/")
		})
	})
}

// resource is the address of what is at a path.
func (t *tokens) resource(path string) string {
	return t.public + (&url.URL{Path: path}).EscapedPath()
}

func badToken(message string, cause error) error {
	return &fault.Error{Kind: fault.Unauthenticated, Op: "auth.Identify", Code: "invalid_token", Message: message, Err: cause}
}
