package mcp

import (
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// credentials are what a request brings for servers.
type credentials struct {
	header http.Header                   // the client's own
	key    string                        // the gateway's key as the client sent it, without "Bearer "; never sent on
	may    func(name, value string) bool // whether a header that the config forwards may be; nil: any
	direct []string                      // the names in header that begin with x-mcp-, in order
	names  []string                      // all servers that a header may name
}

func newCredentials(sel *Selection, servers []string) *credentials {
	cr := &credentials{header: sel.Header, key: sel.Key, may: sel.Forward, names: servers}
	for name := range sel.Header {
		if hasPrefixFold(name, "x-mcp-") {
			cr.direct = append(cr.direct, name)
		}
	}
	slices.Sort(cr.direct)
	return cr
}

// forServer returns the headers that one server gets: those that make a session its own, and those that go with calls
// only. Of the same header, a tool entry's counts before the request's, and that before the config's (which the session
// adds). x-mcp-auth is for servers that have no Authorization from elsewhere.
func (cr *credentials) forServer(s *Server, wishes []wish) (session, call http.Header) {
	if len(s.Command) > 0 {
		return nil, nil
	}
	h := http.Header{}
	for _, name := range s.ForwardHeaders {
		if v := cr.header.Get(name); v != "" && (cr.may == nil || cr.may(name, v)) {
			cr.set(h, name, v)
		}
	}
	own := h.Get("Authorization") != "" || hasKey(s.Headers, "Authorization") || s.Auth != nil
	for _, name := range cr.direct {
		if rest, ok := cr.target(name, s.Name); ok {
			cr.set(h, rest, cr.header[name][0])
			own = own || isAuth(rest)
		}
	}
	if v := cr.header.Get("X-Mcp-Auth"); v != "" && !own {
		cr.set(h, "Authorization", v)
	}
	// The first entry that names a header decides, so the last is laid down first.
	for _, w := range slices.Backward(wishes) {
		cr.fromEntry(h, s, w.MCPEntry)
	}
	return split(h)
}

// fromEntry takes the headers of a tool entry.
func (cr *credentials) fromEntry(h http.Header, s *Server, e *llm.MCPEntry) {
	if len(e.Headers) == 0 {
		return
	}
	var shared string
	direct := false
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		v := e.Headers[name]
		if strings.EqualFold(name, "x-mcp-auth") {
			shared = v
			continue
		}
		if !hasPrefixFold(name, "x-mcp-") {
			cr.set(h, name, v)
			direct = direct || isAuth(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		if rest, ok := cr.target(name, s.Name); ok {
			cr.set(h, rest, e.Headers[name])
			direct = direct || isAuth(rest)
		}
	}
	if shared != "" && !direct && s.Auth == nil {
		cr.set(h, "Authorization", shared)
	}
}

// target reads x-mcp-<server>-<header> and returns the header's name when it is meant for this server: of the names that
// fit, the longest counts.
func (cr *credentials) target(name, server string) (header string, ok bool) {
	if !hasPrefixFold(name, "x-mcp-") || strings.EqualFold(name, "x-mcp-access-groups") {
		return "", false
	}
	rest := name[len("x-mcp-"):]
	folded := fold(rest)
	best := ""
	for _, n := range cr.names {
		if f := fold(n); len(f) > len(best) && len(folded) > len(f)+1 && folded[len(f)] == '-' && strings.HasPrefix(folded, f) {
			best = f
		}
	}
	if best == "" || best != fold(server) {
		return "", false
	}
	return rest[len(best)+1:], true
}

// set lays down one header, unless it is one that must not travel.
func (cr *credentials) set(h http.Header, name, value string) {
	if Sendable(name) && validValue(value) && !cr.holdsKey(value) {
		h.Set(name, value)
	}
}

// holdsKey reports whether a value contains the gateway's key.
func (cr *credentials) holdsKey(value string) bool {
	if cr.key == "" {
		return false
	}
	if len(cr.key) >= 8 {
		return strings.Contains(value, cr.key)
	}
	return slices.Contains(strings.Fields(value), cr.key)
}

// Sendable reports whether a caller may set a header of a request to a server: not those of the connection, of the
// protocol, of the body, nor the gateway's own.
func Sendable(name string) bool {
	if !validName(name) {
		return false
	}
	name = strings.ToLower(name)
	switch name {
	case "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "accept", "accept-encoding", "expect",
		"forwarded", "last-event-id", "x-litellm-api-key":
		return false
	}
	for _, p := range []string{"proxy-", "mcp-", "content-", "x-mcp-", "x-fairlead-", "x-forwarded-"} {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	return true
}

func validName(name string) bool {
	return name != "" && len(name) <= 256 && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

func validValue(v string) bool {
	return !strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// checkHeaders refuses headers of an entry that could not be sent.
func checkHeaders(e *llm.MCPEntry) error {
	if len(e.Headers) == 0 {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		param := e.Param + ".headers." + name
		if !validName(name) {
			return fault.Invalidf(e.Param+".headers", "%s is not the name of a header", quote(name))
		}
		if !validValue(e.Headers[name]) {
			return fault.Invalidf(param, "%s has characters that a header must not have", param)
		}
	}
	return nil
}

// split parts what tells of the caller from what tells of the request.
func split(h http.Header) (session, call http.Header) {
	for name, v := range h {
		if perRequest(name) {
			if call == nil {
				call = http.Header{}
			}
			call[name] = v
			delete(h, name)
		}
	}
	if len(h) == 0 {
		h = nil
	}
	return h, call
}

// narrow returns the names of an x-mcp-servers header.
func narrow(value string) (names []string) {
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func isAuth(name string) bool { return strings.EqualFold(name, "authorization") }

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func hasKey(m map[string]string, name string) bool {
	for k := range m {
		if textproto.CanonicalMIMEHeaderKey(k) == name {
			return true
		}
	}
	return false
}
