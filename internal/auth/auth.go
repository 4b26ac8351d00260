// Package auth tells who sends a request, by its key, and what that key may use.
package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"

	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/secret"
)

// The headers that may carry the gateway's key, in canonical form. The first one that a request has is the one that counts.
const (
	headerLiteLLM       = "X-Litellm-Api-Key"
	headerAuthorization = "Authorization"
	headerXAPIKey       = "X-Api-Key"
	headerAPIKey        = "Api-Key"
)

// Keyring knows the keys of one configuration, and whose tokens are taken beside them. It is not changed after New and may be
// used by many requests at once.
type Keyring struct {
	byHash map[[sha256.Size]byte]*Identity
	byName map[string]*Identity
	tokens *tokens // nil: none are taken
	open   bool
}

// New returns the keyring of a configuration. With neither keys nor issuers of tokens it lets everyone in as Anyone. What the
// one before, which may be nil, has fetched of issuers is used on.
func New(cfg *config.Config, before *Keyring) (*Keyring, error) {
	r := &Keyring{open: cfg.Open(), byHash: make(map[[sha256.Size]byte]*Identity, len(cfg.Keys)), byName: make(map[string]*Identity, len(cfg.Keys))}
	for _, k := range cfg.Keys {
		if k.Hash == ([sha256.Size]byte{}) {
			return nil, fmt.Errorf("the key %s has no text", k.Name)
		}
		if other := r.byHash[k.Hash]; other != nil {
			return nil, fmt.Errorf("the keys %s and %s have the same text", other.Name, k.Name)
		}
		id := identity(k)
		r.byHash[k.Hash], r.byName[k.Name] = id, id
	}
	if before == nil {
		before = &Keyring{}
	}
	r.tokens = newTokens(cfg, before.tokens)
	return r, nil
}

// Identify returns who sends a request with these headers, and how the key or token came. path is that of an MCP endpoint, "/mcp" or
// "/mcp/NAME", and empty for others: tokens are issued for one of them. The error is a *fault.Error whose text shows nothing of
// the key; then the identity is nil.
//
// Without configured keys whatever comes is let in as Anyone, since many clients always send a key. Credential.Forwards
// holds such a dummy back from MCP servers as it does a real key.
func (r *Keyring) Identify(ctx context.Context, h http.Header, path string) (*Identity, Credential, error) {
	c, err := credential(h)
	if r.open {
		return anyone, c, nil
	}
	if err != nil {
		return nil, Credential{}, err
	}
	if c.Header == "" {
		return nil, c, denied("this gateway asks for a key: send Authorization: Bearer KEY, or x-litellm-api-key: KEY")
	}
	if id := r.byHash[sum(c.Key.Reveal())]; id != nil {
		if c.own && r.tokens != nil && r.tokens.ours(h.Get(headerAuthorization)) {
			c.own = false
		}
		return id, c, nil
	}
	if r.tokens != nil && c.Header == headerAuthorization {
		id, err := r.tokens.identify(ctx, c.Key.Reveal(), path)
		return id, c, err
	}
	return nil, c, denied("the key in the header " + strings.ToLower(c.Header) +
		" is not one of this gateway's keys; it has keys of its own, which are not those of the model providers")
}

// Open reports whether everyone is let in.
func (r *Keyring) Open() bool { return r.open }

// ByName returns the identity of the key with this name.
func (r *Keyring) ByName(name string) (*Identity, bool) {
	id, ok := r.byName[name]
	return id, ok
}

// Now returns what the holder of an identity, which may be another keyring's, may use by this one; nil if the key or the
// issuer is gone. Who has no key keeps what was given.
func (r *Keyring) Now(id *Identity) *Identity {
	switch {
	case id.token != nil && id.token.of == r.tokens, id.token == nil && id.Name == "":
		return id
	case id.token != nil:
		return r.tokens.now(id.token)
	}
	return r.byName[id.Name]
}

func denied(message string) error {
	return &fault.Error{Kind: fault.Unauthenticated, Op: "auth.Identify", Code: "invalid_api_key", Message: message}
}

// sum is config.HashKey without an allocation for keys of usual length.
func sum(key string) [sha256.Size]byte {
	var buf [128]byte
	if len(key) > len(buf) {
		return sha256.Sum256([]byte(key))
	}
	return sha256.Sum256(buf[:copy(buf[:], key)])
}

// Credential is how a request showed its key.
type Credential struct {
	Header string        // canonical name of the header that carried it; empty: none did
	Key    secret.String // its text, so that nobody hands it on
	own    bool          // Authorization is the caller's own
}

// Forwards reports whether the client's header name, with this value, may be handed to an MCP server that the config
// forwards it to. A header that may carry the gateway's key never is; Authorization is only when the key came in
// x-litellm-api-key, and is another text than the key, and no token that is for this gateway.
func (c Credential) Forwards(name, value string) bool {
	switch http.CanonicalHeaderKey(name) {
	case headerLiteLLM, headerXAPIKey, headerAPIKey:
		return false
	case headerAuthorization:
		if !c.own {
			return false
		}
	}
	return c.Key.Empty() || bare(value) != c.Key.Reveal()
}

// credential finds the key in the headers of a request.
func credential(h http.Header) (Credential, error) {
	for _, name := range [...]string{headerLiteLLM, headerAuthorization, headerXAPIKey, headerAPIKey} {
		values := h[name]
		if len(values) == 0 {
			continue
		}
		own := name == headerLiteLLM
		for _, v := range values[1:] {
			if v != values[0] {
				return Credential{own: own}, denied("the header " + strings.ToLower(name) + " stands in the request twice, with different values")
			}
		}
		key := bare(values[0])
		if key == "" || name == headerAuthorization && strings.ContainsRune(key, ' ') {
			continue // nothing in it, or another scheme than Bearer
		}
		return Credential{Header: name, Key: secret.New(key), own: own}, nil
	}
	return Credential{}, nil
}

// bare is a header's value without spaces around it and without the word Bearer.
func bare(value string) string {
	const scheme = "bearer"
	v := strings.TrimSpace(value)
	if len(v) >= len(scheme) && strings.EqualFold(v[:len(scheme)], scheme) {
		if len(v) == len(scheme) {
			return ""
		}
		if rest := v[len(scheme):]; rest[0] == ' ' || rest[0] == '\t' {
			return strings.TrimSpace(rest)
		}
	}
	return v
}
