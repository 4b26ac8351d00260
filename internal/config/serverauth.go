package config

import (
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/secret"
)

// ServerAuth is how the gateway shows a server who asks, by tokens of OAuth or by signatures of AWS.
type ServerAuth struct {
	Type         string // one of the words below; "": by headers alone
	ClientID     string
	ClientSecret secret.String
	PrivateKey   secret.String // in PEM, instead of the secret
	Scopes       []string
	Issuer       string
	TokenURL     string
	Audience     string
	Signature
}

// The types of a server's auth.
const (
	AuthUser     = "oauth"
	AuthOwn      = "client_credentials"
	AuthExchange = "token_exchange"
	AuthSigned   = "sigv4"
)

func serverAuthFields(a *ServerAuth) []field {
	return append(tokenFields(a), signatureFields(&a.Signature)...)
}

func tokenFields(a *ServerAuth) []field {
	return []field{
		{
			name: "type", to: choice{&a.Type, []string{AuthUser, AuthOwn, AuthExchange, AuthSigned}}, required: true,
			doc: "Whose token the server sees: each user's, who logs in to it (oauth), the gateway's own (client_credentials), or one that its authorization server gives for the caller's (token_exchange). Or the server sees signatures of AWS, of the gateway's own (sigv4).",
		},
		{name: "client_id", to: text{&a.ClientID, clientID}, doc: "Who the gateway is to the authorization server. With oauth it may be left out where the authorization server reads the gateway's own description, or registers clients."},
		{name: "client_secret", to: hidden{func(s string) { a.ClientSecret = secret.New(s) }, credential}, doc: "What proves that, best as ${NAME} or ${file:/path}; it goes to the issuer, or to token_url."},
		{name: "private_key", to: hidden{func(s string) { a.PrivateKey = secret.New(s) }, privateKey}, doc: "Instead of client_secret: a private key in PEM that signs who asks (private_key_jwt), best as ${file:/path}."},
		{name: "scopes", to: texts{to: &a.Scopes, each: oneScope, once: true}, doc: "What is asked for in any case; by default what the server asks for."},
		{name: "issuer", to: address{&a.Issuer, serverURL}, doc: "The authorization server, to the letter as its metadata name it; by default the one that the server names."},
		{name: "token_url", to: address{&a.TokenURL, serverURL}, doc: "Where tokens are, for an authorization server without metadata."},
		{name: "audience", to: text{&a.Audience, notEmpty}, doc: "With token_exchange: for whom the token is to be, where the authorization server wants to hear it."},
	}
}

func oneScope(s *string) value { return text{s, scopeName} }

func scopeName(s string) string {
	if s == "" || len(s) > 256 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
		return "must be one scope: printable ASCII without spaces and quotes"
	}
	return ""
}

func clientID(s string) string {
	if s == "" || len(s) > 2048 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return "must be 1 to 2048 printable characters"
	}
	return ""
}

func privateKey(s string) string {
	if t := strings.TrimSpace(s); len(s) > 16<<10 || !strings.HasPrefix(t, "-----BEGIN ") || !strings.HasSuffix(t, "PRIVATE KEY-----") {
		return "must be a private key in PEM without a password, best as ${file:/path}"
	}
	return ""
}

// checkServerAuth holds the keys of a server's auth to each other.
func (d *decoder) checkServerAuth(c *Config, s *Server, path string) {
	here := path + ".auth"
	if !d.has(here) || d.bad[here] || d.has(path+".command") {
		return
	}
	if slices.ContainsFunc(slices.Collect(maps.Keys(s.Headers)), isAuthorization) {
		d.wrong(path+".headers", "Authorization does not go with auth, which sets it")
	}
	if slices.ContainsFunc(s.ForwardHeaders, isAuthorization) {
		d.wrong(path+".forward_headers", "authorization does not go with auth, which sets it")
	}
	if d.checkSignature(&s.Auth, here) {
		return
	}
	d.checkClient(&s.Auth, here)
	if s.Auth.Type != AuthExchange && d.has(here+".audience") {
		d.wrong(here+".audience", "goes with token_exchange only")
	}
	if s.Auth.Type == AuthUser {
		d.checkLogins(c, path)
	}
}

// checkLogins holds a server that users log in to to what they need for that.
func (d *decoder) checkLogins(c *Config, path string) {
	if d.has(path + ".auth.token_url") {
		d.wrong(path+".auth.token_url", "does not go with oauth, whose users log in where the issuer's metadata say")
	}
	if d.has(path+".openapi") && !d.has(path+".base_url") {
		d.wrong(path+".base_url", "is missing: users log in to what is there")
	}
	if host, _, err := net.SplitHostPort(c.Listen); c.PublicURL == "" && err == nil && !loopbackHost(host) {
		d.wrong(path+".auth.type", "oauth needs public_url, where the browsers of users come back to")
	}
}

// checkClient holds what the gateway is to an authorization server to each other. A secret goes to those only whom the config names.
func (d *decoder) checkClient(a *ServerAuth, here string) {
	secret, key := d.has(here+".client_secret"), d.has(here+".private_key")
	if secret && key {
		d.wrong(here+".private_key", "does not go with client_secret; give one of the two")
	}
	needed := secret || key || a.Type == AuthOwn || a.Type == AuthExchange
	if needed && !d.has(here+".client_id") {
		d.wrong(here+".client_id", "is missing")
	}
	if (secret || key) && !d.has(here+".issuer") && !d.has(here+".token_url") {
		d.wrong(here+".issuer", "is missing: it says to whom the secret may be shown, whatever the server names")
	}
}

func isAuthorization(name string) bool { return strings.EqualFold(name, "authorization") }
