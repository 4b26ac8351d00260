package config

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// The functions of this file are checks of single values. Each says what a value must be, or "" when it is so.

func notEmpty(s string) string {
	if s == "" {
		return "must not be empty"
	}
	return ""
}

func anyText(string) string { return "" }

// plainName is for names that stand in logs and labels.
func plainName(s string) string {
	if s == "" || len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool { return !wordRune(r) && r != '.' }) {
		return "must be 1 to 64 letters, digits, dots, _ or -"
	}
	return ""
}

func modelName(s string) string {
	if s == "" || len(s) > 256 || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return "must be 1 to 256 printable characters without spaces"
	}
	return ""
}

func projectName(s string) string {
	if s == "" || len(s) > 128 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-.:") != "" {
		return "must be the id of a project, such as my-project"
	}
	return ""
}

// credentials are what a provider's own tools write into a file.
func credentials(s string) string {
	switch {
	case len(s) > 16<<10:
		return "is longer than 16 KiB"
	case !strings.HasPrefix(strings.TrimSpace(s), "{"):
		return "must be the JSON of a file of credentials, best as ${file:/path/key.json}"
	}
	return ""
}

func regionName(s string) string {
	if s == "" || len(s) > 32 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "must be the name of a region, such as us-east-1"
	}
	return ""
}

func versionName(s string) string {
	if s == "" || len(s) > 32 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "must be the version of an API, such as 2024-10-21"
	}
	return ""
}

func toolName(s string) string {
	if s == "" || len(s) > 512 || strings.ContainsFunc(s, unicode.IsControl) {
		return "must be the name of a tool, 1 to 512 characters"
	}
	return ""
}

func wordRune(r rune) bool {
	return r == '_' || r == '-' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// serverName refuses what could not stand in a server_url, a header's name or an offered tool's name.
func serverName(s string) string {
	switch {
	case s == "" || len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool { return !wordRune(r) }):
		return "the name of a server must be 1 to 64 letters, digits, _ or -"
	case strings.Trim(s, "_-") != s:
		return "the name of a server must begin and end with a letter or a digit"
	case slices.Contains([]string{"auth", "servers", "access-groups", "mcp", "fairlead", "litellm-proxy"}, FoldServer(s)):
		return "this name is reserved; choose another name for the server"
	}
	return ""
}

// FoldServer returns the form in which names of servers are compared in header names: lower case, with - for _.
func FoldServer(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

func prefix(s string) string {
	if len(s) > 40 || strings.ContainsFunc(s, func(r rune) bool { return !wordRune(r) }) {
		return `must be at most 40 letters, digits, _ or -, or "" for none`
	}
	return ""
}

func envName(s string) string {
	if !isVariable(s) {
		return "the name of a variable must be letters, digits and _"
	}
	return ""
}

// credential is a text that can stand in a header.
func credential(s string) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > 16<<10:
		return "is longer than 16 KiB"
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "must be printable ASCII without spaces; the value, which is not shown, has another character in it"
	}
	return ""
}

// sealing is what a secret for handles must be.
func sealing(s string) string {
	if w := credential(s); w != "" {
		return w
	}
	if len(s) < 16 {
		return "must have 16 characters or more; openssl rand -base64 32 makes one"
	}
	return ""
}

func headerValue(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return "must be one line without control characters; the value, which is not shown, has one in it"
	}
	return ""
}

// headerName refuses what is no name, and headers that HTTP and MCP set by themselves.
func headerName(s string) string {
	if s == "" || len(s) > 128 || strings.ContainsFunc(s, func(r rune) bool { return !wordRune(r) && !strings.ContainsRune("!#$%&'*+.^`|~", r) }) {
		return "this is no name of a header"
	}
	switch strings.ToLower(s) {
	case "host", "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade",
		"content-encoding", "content-type", "accept", "accept-encoding", "expect", "last-event-id", "mcp-session-id", "mcp-protocol-version":
		return "the gateway sets this header itself"
	}
	return ""
}

// forwardedName refuses headers that carry the gateway's own key.
func forwardedName(s string) string {
	if w := headerName(s); w != "" {
		return w
	}
	switch s {
	case "x-litellm-api-key", "x-api-key", "api-key":
		return "may carry the client's key for this gateway, which is not handed on; give the server its own credential in headers"
	}
	for _, p := range []string{"proxy-", "mcp-", "content-", "x-fairlead-", "x-forwarded-", "forwarded"} {
		if strings.HasPrefix(s, p) {
			return "is about the connection to this gateway, and is not handed on"
		}
	}
	if strings.HasPrefix(s, "x-mcp-") {
		return "is read by the gateway itself; x-mcp-<server>-<header> reaches its server without being listed"
	}
	return ""
}

// listenAddr wants host:port.
func listenAddr(s string) string {
	const want = "must be host:port, such as 127.0.0.1:4000"
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return want
	}
	if p, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(p, 10) != port {
		return want + ", with a port from 0 to 65535"
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !hostName(host) {
		return want
	}
	return ""
}

// IsLoopback reports whether a listen address, host:port, can be reached from this machine only.
func IsLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

func hostName(s string) bool {
	return s != "" && len(s) <= 253 && !strings.HasPrefix(s, ".") && !strings.HasSuffix(s, ".") && !strings.Contains(s, "..") &&
		!strings.ContainsFunc(s, func(r rune) bool { return !wordRune(r) && r != '.' })
}

func serverURL(s string) string {
	u, w := webURL(s)
	if w == "" && u.Fragment != "" {
		w = "must be without a fragment (#…)"
	}
	return w
}

func baseURL(s string) string {
	u, w := webURL(s)
	if w == "" && (u.RawQuery != "" || u.ForceQuery || u.Fragment != "") {
		w = "must be without a query (?…) and a fragment (#…): paths are put behind it"
	}
	return w
}

func webURL(s string) (*url.URL, string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "":
		return nil, "must be a URL that begins with http:// or https://"
	case u.Hostname() == "":
		return nil, "must be a URL with a host"
	case u.User != nil:
		return nil, "must be without a user and a password; put credentials into headers"
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return nil, "must be a URL with a port from 1 to 65535"
		}
	}
	return u, ""
}

func externalHost(s string) string {
	const want = `must be a host, host:port, *.domain or "*", without a scheme and a path`
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, "1"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return want
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || s == "*" || hostName(strings.TrimPrefix(host, "*.")) {
		return ""
	}
	return want
}

// Allows reports whether a request may name u as an MCP server.
func (e ExternalMCP) Allows(u *url.URL) bool {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return slices.ContainsFunc(e.Allow, func(a string) bool {
		h, p, err := net.SplitHostPort(a)
		if err != nil {
			h, p = strings.Trim(a, "[]"), port
		}
		if p != port {
			return false
		}
		domain, wild := strings.CutPrefix(h, "*.")
		return h == "*" || h == host || wild && strings.HasSuffix(host, "."+domain)
	})
}

// parseKeyHash reads sha256:<hex> into sum.
func parseKeyHash(s string, sum *[sha256.Size]byte) string {
	digits, ok := strings.CutPrefix(s, "sha256:")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != len(sum) {
		return "must be sha256: and 64 hex digits (printf %s KEY | sha256sum)"
	}
	copy(sum[:], b)
	return ""
}
