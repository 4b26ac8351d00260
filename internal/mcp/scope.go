package mcp

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// scope is what one entry asks for.
type scope struct {
	bare     bool     // no name: all servers, or the one that the label names
	names    []string // servers of the config, as the caller wrote them
	external *url.URL // a server that is not of the config
}

const urlForms = `it must be "fairlead", "fairlead/mcp" or "fairlead/mcp/<server>[,<server>]" (or "litellm_proxy" for "fairlead"), or an http(s) URL`

// readScope reads an entry's server_url. hosts are the names, with or without port, under which this gateway is asked for.
func readScope(e *llm.MCPEntry, hosts []string) (scope, error) {
	raw := e.URL
	switch {
	case raw == "" && e.Label == "":
		return scope{}, fault.Invalidf(field(e), "%s is missing: an entry of type mcp names its server there; %s", field(e), urlForms)
	case raw == "":
		return scope{names: []string{e.Label}}, nil
	case strings.HasPrefix(raw, "http://"), strings.HasPrefix(raw, "https://"):
		return readURL(e, hosts)
	}
	for _, base := range []string{"fairlead", "litellm_proxy"} {
		if rest, ok := strings.CutPrefix(raw, base); ok && (rest == "" || rest[0] == '/') {
			return readPath(e, rest)
		}
	}
	return scope{}, badURL(e)
}

// readPath reads what follows the gateway's own name: nothing, /mcp, or /mcp/ and names.
func readPath(e *llm.MCPEntry, path string) (scope, error) {
	path = strings.TrimSuffix(path, "/")
	if path == "" || path == "/mcp" {
		return scope{bare: true}, nil
	}
	list, ok := strings.CutPrefix(path, "/mcp/")
	if !ok || strings.Contains(list, "/") {
		return scope{}, badURL(e)
	}
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if names == nil {
		return scope{}, badURL(e)
	}
	return scope{names: names}, nil
}

func readURL(e *llm.MCPEntry, hosts []string) (scope, error) {
	u, err := url.Parse(e.URL)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.ContainsFunc(e.URL, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return scope{}, badURL(e)
	}
	if !ownHost(u, hosts) {
		return scope{external: u}, nil
	}
	if u.Path == "" || u.Path == "/" {
		return scope{}, badURL(e)
	}
	return readPath(e, u.Path)
}

// ownHost reports whether a URL leads to this gateway.
func ownHost(u *url.URL, hosts []string) bool {
	host := withPort(u.Host, u.Scheme)
	return slices.ContainsFunc(hosts, func(h string) bool { return h != "" && withPort(h, u.Scheme) == host })
}

// withPort returns a host in lower case with its port, that of the scheme if it names none.
func withPort(host, scheme string) string {
	u := url.URL{Host: strings.ToLower(host)}
	port := u.Port()
	if port == "" {
		if port = "80"; scheme == "https" {
			port = "443"
		}
	}
	return u.Hostname() + ":" + port
}

// field is where the caller wrote the entry's server_url.
func field(e *llm.MCPEntry) string {
	if strings.HasSuffix(e.Param, "]") {
		return e.Param + "." + cmp.Or(e.Member, "server_url")
	}
	return e.Param
}

func badURL(e *llm.MCPEntry) error {
	return fault.Invalidf(field(e), "%s names no server, it is %s; %s", field(e), quote(e.URL), urlForms)
}

// quote shows a caller's own word in an error, within bounds.
func quote(s string) string {
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return strconv.Quote(s)
}

// unavailable is the one answer to servers that do not exist and to servers that the caller may not use.
func unavailable(param string, asked []string) error {
	q := make([]string, len(asked))
	for i, name := range asked {
		q[i] = quote(name)
	}
	text := "the MCP server " + q[0] + " does not exist or this key may not use it"
	if len(q) > 1 {
		text = "the MCP servers " + strings.Join(q, ", ") + " do not exist or this key may not use them"
	}
	return &fault.Error{Kind: fault.Forbidden, Code: "mcp_server_not_available", Param: param, Message: text + "; GET /v1/mcp/tools lists those that it may"}
}

// Attach returns the entry that stands for servers named by a header or attached to a key: their tools run without asking.
// param says where they are named, for errors.
func Attach(param string, servers ...string) llm.MCPEntry {
	return llm.MCPEntry{Param: param, URL: "fairlead/mcp/" + strings.Join(servers, ","), Approval: llm.Approval{Never: true}}
}

// externalServer makes a server of an address that a request names, if the config allows its host.
func externalServer(e *llm.MCPEntry, u *url.URL, allowed []string) (Server, error) {
	if !hostAllowed(u, allowed) {
		return Server{}, &fault.Error{
			Kind: fault.Invalid, Code: "external_mcp_not_allowed", Param: field(e),
			Message: field(e) + " names a server of its own at " + quote(u.Host) + ", and this gateway does not allow that host (external_mcp.allow in its config)",
		}
	}
	name := clean(e.Label)
	if name == "" {
		name = clean(u.Hostname())
	}
	name = name[:min(len(name), 40)]
	return Server{Name: name, URL: u.String(), Prefix: name, External: true}, nil
}

// hostAllowed reports whether one of the patterns "host", "host:port", "*.domain" and "*" fits.
func hostAllowed(u *url.URL, allowed []string) bool {
	host, port := strings.ToLower(u.Hostname()), withPort(u.Host, u.Scheme)
	return slices.ContainsFunc(allowed, func(a string) bool {
		a = strings.ToLower(a)
		domain, wild := strings.CutPrefix(a, "*.")
		return a == "*" || a == host || a == port || wild && strings.HasSuffix(host, "."+domain)
	})
}
