package config

import (
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/fairlead/fairlead/internal/secret"
)

// OAuth says whose access tokens are taken beside keys. No Issuers: nobody's.
type OAuth struct {
	Issuers []Issuer
	Scopes  []string // what clients of /mcp are told to ask for at first; empty: all that a grant asks for
}

// Issuer issues access tokens: an authorization server.
type Issuer struct {
	Name          string // what logs call it
	URL           string // the issuer identifier, to the letter
	Audiences     []string
	JWKS          string         // empty: its metadata says it
	Introspection *Introspection // nil: tokens are read
	API           bool           // its tokens are taken at all endpoints, not those of MCP alone
	Grants        []Grant
}

// Introspection is where an issuer is asked about a token.
type Introspection struct {
	URL      string
	ClientID string
	Secret   secret.String
}

// Grant is what tokens may use that have all the Scopes and all the Claims. A token may use what one of its grants allows.
type Grant struct {
	Scopes  []string
	Claims  []Claim
	Key     string   // the key that it is like; empty: the lists count
	Models  []string // empty: none
	Servers []string // empty: none
	// Toolsets and Choices are as in a key.
	Toolsets []string
	Choices  []ToolChoice
	Attach   []string
}

// Claim is a claim that is a value, or a list with the value in it.
type Claim struct{ Name, Value string }

func oauthFields(o *OAuth) []field {
	return []field{
		{name: "issuers", to: list[Issuer]{to: &o.Issuers, fields: issuerFields}, required: true, doc: "The authorization servers whose tokens are taken."},
		{name: "scopes", to: texts{to: &o.Scopes, each: oneScope, once: true}, doc: "What clients of /mcp are told to ask for at first; absent: every scope that a grant asks for."},
	}
}

func issuerFields(i *Issuer) []field {
	return []field{
		{name: "name", to: text{&i.Name, plainName}, required: true, doc: "What logs call the issuer."},
		{name: "issuer", to: text{&i.URL, issuerURL}, required: true, doc: "Its issuer identifier, to the letter as its metadata and its tokens have it."},
		{name: "audiences", to: texts{to: &i.Audiences, each: oneAudience, once: true}, doc: "What tokens for this gateway may have as their audience, beside public_url and the address that is asked, such as public_url/mcp."},
		{name: "jwks_url", to: address{&i.JWKS, secureURL}, doc: "Where its keys are; by default where its metadata says, if that is where the issuer is or on the public internet."},
		{name: "introspection", to: optional[Introspection]{&i.Introspection, introspectionFields}, doc: "Where the issuer is asked about each token, instead of reading it: for tokens that are no JSON Web Tokens, or that are revoked."},
		{name: "api", to: truth{&i.API}, doc: "Whether its tokens are taken at all endpoints as keys are, /v1/chat/completions for one, and not at /mcp alone."},
		{name: "grants", to: list[Grant]{to: &i.Grants, fields: grantFields}, required: true, doc: "What its tokens may use: all that the grants allow whose scopes and claims the token has."},
	}
}

func introspectionFields(i *Introspection) []field {
	return []field{
		{name: "url", to: address{&i.URL, secureURL}, required: true, doc: "The introspection endpoint."},
		{name: "client_id", to: text{&i.ClientID, notEmpty}, required: true, doc: "The gateway's client id there."},
		{name: "client_secret", to: hidden{func(s string) { i.Secret = secret.New(s) }, notEmpty}, required: true, doc: "The gateway's client secret there, best as ${NAME}."},
	}
}

func grantFields(g *Grant) []field {
	return []field{
		{name: "scopes", to: texts{to: &g.Scopes, each: oneScope, once: true, least: 1}, doc: "Scopes that a token must have, all of them; absent: none."},
		{name: "claims", to: claims{&g.Claims}, doc: "Claims that a token must have, all of them: the value, or a list with the value in it. Dots lead into objects, as in realm_access.roles."},
		{name: "key", to: text{&g.Key, plainName}, doc: "The name of a key: tokens may use what that key may."},
		{name: "models", to: texts{to: &g.Models, each: oneModel, once: true}, doc: `The models that tokens may use, as in a key, if the issuer has api; absent: none.`},
		{name: "mcp_servers", to: texts{to: &g.Servers, each: oneServer, once: true}, doc: `The MCP servers that they may use; absent: none; ["*"]: all.`},
		{name: "toolsets", to: texts{to: &g.Toolsets, each: oneServer, once: true}, doc: "The toolsets that they may use, beside mcp_servers."},
		{name: "attach", to: texts{to: &g.Attach, each: oneServer, once: true}, doc: "As in a key."},
	}
}

func oneAudience(s *string) value { return text{s, audience} }

func audience(s string) string {
	if s == "" || len(s) > 512 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "must be 1 to 512 characters without spaces"
	}
	return ""
}

// secureURL wants an address that secrets may go to.
func secureURL(s string) string {
	u, w := webURL(s)
	switch {
	case w != "":
		return w
	case u.Fragment != "":
		return "must be without a fragment (#…)"
	case u.Scheme == "http" && !loopbackHost(u.Hostname()):
		return "must begin with https://; http:// is for loopback addresses only"
	}
	return ""
}

// issuerURL is the identifier of an issuer. RFC 8414 §2.
func issuerURL(s string) string {
	if w := secureURL(s); w != "" {
		return w
	}
	if u, err := url.Parse(s); err != nil || u.RawQuery != "" || u.ForceQuery || strings.ContainsAny(s, "#\"\\ ") {
		return "must be without a query (?…), quotes and spaces"
	}
	return ""
}

// optional is a mapping that need not be there.
type optional[T any] struct {
	to     **T
	fields func(*T) []field
}

func (o optional[T]) read(d *decoder, path string, n *yaml.Node) {
	v := new(T)
	group{o.fields(v)}.read(d, path, n)
	*o.to = v
}

func (o optional[T]) schema() map[string]any { return group{o.fields(new(T))}.schema() }

// claims is a mapping of claims to the value that each must have.
type claims struct{ to *[]Claim }

func (c claims) read(d *decoder, path string, n *yaml.Node) {
	if !d.isMapping(path, n) {
		return
	}
	for k, v := range d.members(path, n) {
		claim := Claim{Name: resolve(k).Value}
		d.value(join(path, claim.Name), v, argument{&claim.Value})
		*c.to = append(*c.to, claim)
	}
	if len(*c.to) == 0 {
		d.wrong(path, "must not be empty; to ask for no claim, leave it out")
	}
}

func (claims) schema() map[string]any {
	return map[string]any{"type": "object", "additionalProperties": argument{}.schema(), "minProperties": 1}
}

// checkOAuth holds issuers and their grants to each other and to what else the file has.
func (d *decoder) checkOAuth(c *Config) {
	if !d.has("oauth") {
		return
	}
	if c.PublicURL == "" && !d.has("public_url") {
		d.wrong("oauth", "needs public_url: the address that tokens for this gateway are issued for")
	}
	if len(c.OAuth.Issuers) == 0 && !d.bad["oauth.issuers"] && d.has("oauth.issuers") {
		d.wrong("oauth.issuers", "must not be empty")
	}
	seen := map[string]bool{}
	once := func(path, what, text string) {
		if text != "" && seen[what+text] {
			d.wrong(path+"."+what, "another issuer has it already")
		}
		seen[what+text] = true
	}
	for i := range c.OAuth.Issuers {
		o, path := &c.OAuth.Issuers[i], item("oauth.issuers", i)
		once(path, "name", o.Name)
		if slices.ContainsFunc(c.Keys, func(k Key) bool { return k.Name == o.Name && o.Name != "" }) {
			d.wrong(path+".name", "a key has this name already, and logs and rules know both by it")
		}
		once(path, "issuer", o.URL)
		d.checkGrants(c, o, path)
	}
	d.checkIntrospection(c.OAuth.Issuers)
}

// checkIntrospection wants at most one issuer that is asked about tokens.
func (d *decoder) checkIntrospection(issuers []Issuer) {
	first := ""
	for i := range issuers {
		path := item("oauth.issuers", i)
		switch {
		case issuers[i].Introspection == nil:
			continue
		case first != "":
			d.wrong(path+".introspection", "%s has it already: a token that cannot be read does not say which issuer to ask", first)
		default:
			first = path
		}
		if d.has(path + ".jwks_url") {
			d.wrong(path+".jwks_url", "does not go with introspection, which asks the issuer instead of reading tokens")
		}
	}
}

func (d *decoder) checkGrants(c *Config, o *Issuer, path string) {
	models, keys := d.modelNames(c.Models), names{what: "key"}
	for _, k := range c.Keys {
		keys.all = append(keys.all, k.Name)
	}
	keys.shown = keys.all
	if len(o.Grants) == 0 && d.has(path+".grants") && !d.bad[path+".grants"] {
		d.wrong(path+".grants", "must not be empty: tokens could use nothing")
	}
	for i := range o.Grants {
		g, path := &o.Grants[i], item(path+".grants", i)
		lists := slices.ContainsFunc([]string{"models", "mcp_servers", "toolsets", "attach"}, func(name string) bool { return d.has(path + "." + name) })
		switch {
		case d.has(path+".key") && lists:
			d.wrong(path+".key", "does not go with models, mcp_servers, toolsets and attach, which the key says")
		case d.has(path + ".key"):
			if g.Key != "" {
				d.known(path+".key", g.Key, keys)
			}
		case !lists && !d.bad[path]:
			d.wrong(path, "allows nothing; give it mcp_servers, toolsets, models or the name of a key")
		}
		if d.has(path+".models") && !o.API {
			d.wrong(path+".models", "goes with api: true, without which the issuer's tokens reach no model")
		}
		like := Key{Models: g.Models, Servers: g.Servers, Toolsets: g.Toolsets, Attach: g.Attach}
		d.checkAccess(c, models, &like, path)
		g.Choices = like.Choices
	}
}
