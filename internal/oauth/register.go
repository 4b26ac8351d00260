package oauth

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/secret"
)

// The ways to say at a token endpoint who asks (RFC 7591 §2, OpenID Connect Core §9).
const (
	MethodNone  = "none"
	MethodBasic = "client_secret_basic"
	MethodPost  = "client_secret_post"
	MethodJWT   = "private_key_jwt"
)

// Identity is who a client is to one authorization server.
type Identity struct {
	ID      string
	Secret  secret.String
	Key     secret.String // a private key in PEM
	Method  string        // "": what the server takes
	Expires time.Time     // of the secret; zero: never
}

// method is how the client says at a server's token endpoint who it is.
func (id *Identity) method(s *Server) string {
	switch {
	case id.Method != "":
		return id.Method
	case !id.Key.Empty():
		return MethodJWT
	case id.Secret.Empty():
		return MethodNone
	case s.Methods == nil || slices.Contains(s.Methods, MethodBasic) || !slices.Contains(s.Methods, MethodPost):
		return MethodBasic
	}
	return MethodPost
}

// Description is what a client says of itself when it is registered (RFC 7591 §2), in a document that it publishes or in a request.
type Description struct {
	ClientID    string   `json:"client_id,omitempty"`
	Name        string   `json:"client_name"`
	URI         string   `json:"client_uri,omitempty"`
	Redirects   []string `json:"redirect_uris"`
	Grants      []string `json:"grant_types"`
	Responses   []string `json:"response_types"`
	Method      string   `json:"token_endpoint_auth_method"`
	Application string   `json:"application_type"`
	Scope       string   `json:"scope,omitempty"`
}

// Describe returns the description of a client that users log in to a server by, and whose answers come to redirect.
func Describe(name, redirect string) Description {
	d := Description{
		Name: name, Redirects: []string{redirect}, Grants: []string{"authorization_code", "refresh_token"}, Responses: []string{"code"},
		Method: MethodNone, Application: "web",
	}
	if strings.HasPrefix(redirect, "http://") { // only to the user's own machine
		d.Application = "native"
	}
	return d
}

// registration is the answer to a registration.
type registration struct {
	ID      string `json:"client_id"`
	Secret  string `json:"client_secret"`
	Expires int64  `json:"client_secret_expires_at"`
	Method  string `json:"token_endpoint_auth_method"`
}

// Register registers a client (RFC 7591), by the strongest way to say who asks that both sides know.
func (c *Client) Register(ctx context.Context, s *Server, d Description) (Identity, error) {
	d.Method = MethodBasic
	for _, m := range []string{MethodNone, MethodPost, MethodBasic} {
		if s.Methods != nil && slices.Contains(s.Methods, m) {
			d.Method = m
		}
	}
	body, err := json.Marshal(d)
	if err != nil {
		return Identity{}, err
	}
	if _, err := c.Address(s.Registration); err != nil {
		return Identity{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Registration, bytes.NewReader(body))
	if err != nil {
		return Identity{}, unusable("its authorization server's place for registrations is not an address of the web")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return Identity{}, withoutAddress(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return Identity{}, refusal(resp)
	}
	var r registration
	if err := decode(resp, &r); err != nil {
		return Identity{}, err
	}
	return r.identity()
}

// identity is who the gateway is from now on.
func (r *registration) identity() (Identity, error) {
	if !sayable(r.ID) || r.Secret != "" && !sayable(r.Secret) {
		return Identity{}, unusable("its authorization server registered the gateway without a usable client id")
	}
	id := Identity{ID: r.ID, Method: r.Method}
	if r.Secret != "" {
		id.Secret = secret.New(r.Secret)
	}
	if r.Expires > 0 {
		id.Expires = time.Unix(r.Expires, 0)
	}
	if id.Method != "" && !slices.Contains([]string{MethodNone, MethodBasic, MethodPost}, id.Method) {
		return Identity{}, unusable("its authorization server wants a way to say who asks that was not offered to it")
	}
	if id.Method == MethodNone {
		id.Secret = secret.String{}
	}
	return id, nil
}

// sayable reports whether an id, a secret or a token can be sent.
func sayable(s string) bool {
	return s != "" && len(s) <= 16<<10 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f })
}

// refusal reads the error of an authorization server.
func refusal(resp *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
	var e struct {
		Code string `json:"error"`
	}
	if err := json.Unmarshal(b, &e); err != nil || !scopeWord(e.Code) || len(e.Code) > 64 {
		if resp.StatusCode/100 == 4 {
			return &Refusal{Code: fmt.Sprint(resp.StatusCode), Status: resp.StatusCode}
		}
		return fmt.Errorf("the authorization server answered %d", resp.StatusCode)
	}
	return &Refusal{Code: e.Code, Status: resp.StatusCode}
}
