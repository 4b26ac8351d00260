package oauth

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// Resource is what a protected server says of itself (RFC 9728).
type Resource struct {
	// ID is the resource's identifier, as it is said, to the letter.
	ID      string   `json:"resource"`
	Issuers []string `json:"authorization_servers"`
	Scopes  []string `json:"scopes_supported"`
}

// Resource reads the metadata of the protected server at an address. hint is where its challenge says that they are; else they
// are looked for at the two places that the specification names. Where there are none, the server's host itself issues its
// tokens, as in the revision 2025-03-26.
func (c *Client) Resource(ctx context.Context, server, hint string) (Resource, error) {
	u, err := url.Parse(server)
	if err != nil {
		return Resource{}, unusable("its address is not an address of the web")
	}
	places := []string{hint}
	if hint == "" {
		places = wellKnown(u, "oauth-protected-resource")
	}
	for _, place := range places {
		var r Resource
		err := c.get(ctx, place, &r)
		if errors.Is(err, errMissing) {
			continue
		}
		if err != nil {
			return Resource{}, err
		}
		return r, r.check(u)
	}
	if hint != "" {
		return Resource{}, unusable("it names metadata about its authorization that are not there")
	}
	return Resource{ID: canonical(u), Issuers: []string{u.Scheme + "://" + u.Host}}, nil
}

// check holds the metadata to the server that they are about.
func (r *Resource) check(server *url.URL) error {
	id, err := url.Parse(r.ID)
	if err != nil || r.ID == "" || !holds(id, server) {
		return unusable("its metadata about its authorization are those of another server")
	}
	if len(r.Issuers) == 0 {
		return unusable("its metadata name no authorization server")
	}
	r.Scopes = Join(nil, r.Scopes)
	return nil
}

// holds reports whether a resource's identifier is that of the server at an address, or of a place above it on the same host.
func holds(id, server *url.URL) bool {
	if !strings.EqualFold(id.Scheme, server.Scheme) || authority(id) != authority(server) || id.Fragment != "" || id.User != nil {
		return false
	}
	if id.RawQuery != "" && id.RawQuery != server.RawQuery {
		return false
	}
	above, path := strings.TrimSuffix(id.EscapedPath(), "/"), strings.TrimSuffix(server.EscapedPath(), "/")
	return path == above || strings.HasPrefix(path, above+"/")
}

// authority is a URL's host in lower case with its port.
func authority(u *url.URL) string {
	port := u.Port()
	if port == "" {
		if port = "443"; strings.EqualFold(u.Scheme, "http") {
			port = "80"
		}
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

// Canonical is the identifier of the server at an address, where the server itself has not said one.
func Canonical(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return canonical(u)
}

func canonical(u *url.URL) string {
	c := url.URL{Scheme: strings.ToLower(u.Scheme), Host: strings.ToLower(u.Host), Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}
	if c.Path == "/" {
		c.Path = ""
	}
	return c.String()
}

// wellKnown are the places of a document about what is at an address: with its path behind the document's name, and at the root.
func wellKnown(u *url.URL, name string) []string {
	root := u.Scheme + "://" + u.Host + "/.well-known/" + name
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	if path == "" {
		return []string{root}
	}
	return []string{root + path, root}
}

// Server is what an authorization server says of itself (RFC 8414, OpenID Connect Discovery 1.0).
type Server struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Registration  string   `json:"registration_endpoint"`
	Scopes        []string `json:"scopes_supported"`
	Challenges    []string `json:"code_challenge_methods_supported"`
	Methods       []string `json:"token_endpoint_auth_methods_supported"` // nil: client_secret_basic
	SaysIssuer    bool     `json:"authorization_response_iss_parameter_supported"`
	Documents     bool     `json:"client_id_metadata_document_supported"`
}

// Server reads the metadata of the authorization server with this issuer.
func (c *Client) Server(ctx context.Context, issuer string) (*Server, error) {
	u, err := c.Address(issuer)
	if err != nil || u.RawQuery != "" {
		return nil, unusable("its authorization server's name is not an https address")
	}
	for _, place := range places(u) {
		s := &Server{}
		err := c.get(ctx, place, s)
		if errors.Is(err, errMissing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return s, s.check(c, issuer)
	}
	return nil, unusable("its authorization server has no metadata")
}

// places are where the metadata of an issuer may be, in the order of the specification.
func places(issuer *url.URL) []string {
	root, path := issuer.Scheme+"://"+issuer.Host, strings.TrimSuffix(issuer.EscapedPath(), "/")
	list := []string{root + "/.well-known/oauth-authorization-server" + path, root + "/.well-known/openid-configuration" + path}
	if path != "" {
		list = append(list, root+path+"/.well-known/openid-configuration")
	}
	return list
}

// check holds the metadata to the issuer that they were asked of, letter by letter (RFC 8414 §3.3), and to the addresses that a
// client may go to.
func (s *Server) check(c *Client, issuer string) error {
	if s.Issuer != issuer {
		return unusable("its authorization server's metadata are those of another issuer")
	}
	if s.Token == "" {
		return unusable("its authorization server names no place for tokens")
	}
	for _, a := range []string{s.Authorization, s.Token, s.Registration} {
		if a == "" {
			continue
		}
		if _, err := c.Address(a); err != nil {
			return err
		}
	}
	return nil
}

// CanAuthorize says why users cannot log in here; nil when they can. A server that does not say that it takes PKCE with S256 is
// refused, since nothing else protects the code.
func (s *Server) CanAuthorize() error {
	switch {
	case s.Authorization == "":
		return unusable("its authorization server has no place for logins")
	case !slices.Contains(s.Challenges, "S256"):
		return unusable("its authorization server does not say that it takes PKCE with S256")
	}
	return nil
}
