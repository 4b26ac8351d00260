package auth

import (
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// wellKnown is where the metadata of a protected resource is, before the path of the resource. RFC 9728 §3.1.
const wellKnown = "/.well-known/oauth-protected-resource"

// Challenge is the WWW-Authenticate of the refusal of a request to an MCP endpoint, or to another one if path is empty, and of
// what was shown there. RFC 6750 §3, RFC 9728 §5.1.
func (r *Keyring) Challenge(path string, shown Credential) string {
	t := r.tokens
	if t == nil || path == "" && !t.api() {
		return "Bearer"
	}
	var extra []string
	if shown.Header != "" {
		extra = []string{"error", "invalid_token"}
	}
	return t.challenge(path, t.asked(path), extra...)
}

// Scoped reports whether the identity comes from a token, so that more scopes could allow it more.
func (i *Identity) Scoped() bool { return i.token != nil }

// Until is when the token has expired; zero for keys, and for tokens that do not say.
func (i *Identity) Until() time.Time {
	if i.token == nil {
		return time.Time{}
	}
	return i.token.until
}

// Scopes are those of the token; nil for keys.
func (i *Identity) Scopes() []string {
	if i.token == nil {
		return nil
	}
	return i.token.claims.Scopes
}

// Insufficient is the WWW-Authenticate of the refusal of a use that a token has not the scope for, at the MCP endpoint with this
// path; empty, if no scope would change that. The use is what allows says that an identity may do. RFC 6750 §3.1.
func (i *Identity) Insufficient(path string, allows func(*Identity) bool) string {
	missing := i.missing(allows)
	if len(missing) == 0 {
		return ""
	}
	return i.token.of.challenge(path, missing, "error", "insufficient_scope", "error_description", "this takes a scope that the token does not have")
}

// missing are the scopes that a token would need, beside those that it has, for what it may not do. Of several grants the one that
// lacks the fewest counts.
func (i *Identity) missing(allows func(*Identity) bool) []string {
	if i == nil || i.token == nil || allows(i) {
		return nil
	}
	var best []string
	for _, g := range i.token.issuer.grants {
		if !allows(g.allows) || !g.fits(i.token.claims) {
			continue
		}
		if m := g.missing(i.token.claims); best == nil || len(m) < len(best) {
			best = m
		}
	}
	return best
}

// challenge writes a challenge, with pairs of further parameters. None of them has quotes in it.
func (t *tokens) challenge(path string, scopes []string, extra ...string) string {
	var b strings.Builder
	b.WriteString("Bearer ")
	for n := 0; n+1 < len(extra); n += 2 {
		b.WriteString(extra[n] + `="` + extra[n+1] + `", `)
	}
	b.WriteString(`resource_metadata="` + t.public + wellKnown + strings.TrimPrefix(t.resource(path), t.public) + `"`)
	if len(scopes) > 0 {
		b.WriteString(`, scope="` + strings.Join(scopes, " ") + `"`)
	}
	return b.String()
}

// api reports whether some issuer's tokens are taken at endpoints that are not MCP's.
func (t *tokens) api() bool {
	return slices.ContainsFunc(t.issuers, func(i *issuer) bool { return i.API })
}

// serversOf are the servers and toolsets that the path of an MCP endpoint names; nil: all.
func serversOf(path string) []string {
	for _, begin := range []string{"/mcp/", "/sse/"} {
		if list, ok := strings.CutPrefix(path, begin); ok {
			return strings.Split(list, ",")
		}
	}
	return nil
}

// reaches reports whether a grant allows something of the server or the toolset that a path names.
func (g *grant) reaches(name string) bool {
	return g.allows.AllowsServer(name) || g.allows.toolsets[name]
}

// asked are the scopes that a client is told to ask for at a path: for servers that the path names those of the first grant that
// allows each of them, else what the config says.
func (t *tokens) asked(path string) []string {
	servers := serversOf(path)
	if servers == nil && len(t.first) > 0 {
		return t.first
	}
	if servers == nil {
		return t.supported(path)
	}
	var out []string
	for _, server := range servers {
		for _, i := range t.issuers {
			n := slices.IndexFunc(i.grants, func(g grant) bool { return g.reaches(server) })
			if n >= 0 {
				out = with(out, i.grants[n].scopes)
			}
		}
	}
	return out
}

// supported are all scopes that may be of use at a path.
func (t *tokens) supported(path string) []string {
	servers := serversOf(path)
	var out []string
	for _, i := range t.issuers {
		if path == "" && !i.API {
			continue
		}
		for _, g := range i.grants {
			if servers == nil || slices.ContainsFunc(servers, g.reaches) {
				out = with(out, g.scopes)
			}
		}
	}
	return out
}

func with(list, more []string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// Resource is the metadata of the MCP endpoint with this path, or of the whole gateway if it is empty, in JSON. It is nil where
// no tokens are taken. Of servers that no grant names it says what it says of those that do not exist. RFC 9728 §2.
func (r *Keyring) Resource(path string) []byte {
	t := r.tokens
	if t == nil {
		return nil
	}
	b := jsonedit.AppendQuote([]byte(`{"resource":`), t.resource(path))
	b = append(b, `,"authorization_servers":[`...)
	for n, i := range t.issuers {
		if n > 0 {
			b = append(b, ',')
		}
		b = jsonedit.AppendQuote(b, i.URL)
	}
	b = append(b, ']')
	scopes := t.supported(path)
	if path == "" { // tokens for the whole gateway are good at /mcp, too
		scopes = with(scopes, t.supported("/mcp"))
	}
	if len(scopes) > 0 {
		b = append(b, `,"scopes_supported":[`...)
		for n, s := range scopes {
			if n > 0 {
				b = append(b, ',')
			}
			b = jsonedit.AppendQuote(b, s)
		}
		b = append(b, ']')
	}
	return append(b, `,"bearer_methods_supported":["header"],"resource_name":"Fairlead"}`...)
}
