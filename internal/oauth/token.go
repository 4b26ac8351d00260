package oauth

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/secret"
)

// Token is what an authorization server has issued.
type Token struct {
	Access  secret.String
	Refresh secret.String // empty: there is none
	Expires time.Time     // zero: the server does not say
	Scopes  []string      // nil: those that were asked for
}

// Grant is one request for a token.
type Grant struct {
	Type     string
	Params   map[string]string // what the type wants; empty ones are left out
	Resource string            // what the token is for (RFC 8707)
	Scopes   []string
}

// Code is the grant of a login that has ended well.
func Code(code string, a *Authorization) Grant {
	return Grant{
		Type: "authorization_code", Resource: a.Resource,
		Params: map[string]string{"code": code, "redirect_uri": a.Redirect, "code_verifier": a.Verifier},
	}
}

// Again is the grant of a token that has another one for its end (RFC 6749 §6).
func Again(refresh secret.String, resource string) Grant {
	return Grant{Type: "refresh_token", Resource: resource, Params: map[string]string{"refresh_token": refresh.Reveal()}}
}

// Own is the grant of a client that acts for itself (RFC 6749 §4.4).
func Own(resource string, scopes []string) Grant {
	return Grant{Type: "client_credentials", Resource: resource, Scopes: scopes}
}

// Exchange is the grant of a token in place of another one (RFC 8693).
func Exchange(subject secret.String, resource, audience string, scopes []string) Grant {
	return Grant{
		Type: "urn:ietf:params:oauth:grant-type:token-exchange", Resource: resource, Scopes: scopes,
		Params: map[string]string{
			"subject_token": subject.Reveal(), "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
			"requested_token_type": "urn:ietf:params:oauth:token-type:access_token", "audience": audience,
		},
	}
}

// Ask asks a server for a token. The error is a *Refusal where the server has refused it.
func (c *Client) Ask(ctx context.Context, s *Server, id *Identity, g Grant) (Token, error) {
	if _, err := c.Address(s.Token); err != nil {
		return Token{}, err
	}
	form := url.Values{"grant_type": {g.Type}}
	for name, value := range g.Params {
		if value != "" {
			form.Set(name, value)
		}
	}
	if g.Resource != "" {
		form.Set("resource", g.Resource)
	}
	if len(g.Scopes) > 0 {
		form.Set("scope", strings.Join(g.Scopes, " "))
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if err := id.sign(s, form, header); err != nil {
		return Token{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Token, strings.NewReader(form.Encode()))
	if err != nil {
		return Token{}, unusable("its authorization server's place for tokens is not an address of the web")
	}
	req.Header = header
	asked := time.Now()
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return Token{}, withoutAddress(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return Token{}, refusal(resp)
	}
	return readToken(resp.Body, asked)
}

// sign says who asks.
func (id *Identity) sign(s *Server, form url.Values, header http.Header) error {
	switch id.method(s) {
	case MethodBasic:
		pair := url.QueryEscape(id.ID) + ":" + url.QueryEscape(id.Secret.Reveal())
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	case MethodPost:
		form.Set("client_id", id.ID)
		form.Set("client_secret", id.Secret.Reveal())
	case MethodJWT:
		audience := s.Issuer
		if audience == "" {
			audience = s.Token
		}
		assertion, err := assertion(id.ID, audience, id.Key)
		if err != nil {
			return err
		}
		form.Set("client_id", id.ID)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	default:
		form.Set("client_id", id.ID)
	}
	return nil
}

// tokenAnswer is the answer to a request for a token (RFC 6749 §5.1).
type tokenAnswer struct {
	Access  string         `json:"access_token"`
	Type    string         `json:"token_type"`
	Expires jsontext.Value `json:"expires_in"`
	Refresh string         `json:"refresh_token"`
	Scope   *string        `json:"scope"`
}

// longest is how long a token is taken to be good at most.
const longest = 10 * 365 * 24 * time.Hour

func readToken(body io.Reader, asked time.Time) (Token, error) {
	b, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err != nil {
		return Token{}, withoutAddress(err)
	}
	var a tokenAnswer
	if err := json.Unmarshal(b, &a); err != nil || len(b) > maxAnswer {
		return Token{}, unusable("its authorization server's answer cannot be read")
	}
	if !sayable(a.Access) || strings.ContainsRune(a.Access, ' ') || a.Refresh != "" && !sayable(a.Refresh) {
		return Token{}, unusable("its authorization server sent no token that can be used")
	}
	if !strings.EqualFold(a.Type, "bearer") && !strings.EqualFold(a.Type, "N_A") {
		return Token{}, unusable("its authorization server sent a token that is no bearer token")
	}
	t := Token{Access: secret.New(a.Access)}
	if a.Refresh != "" {
		t.Refresh = secret.New(a.Refresh)
	}
	if n, err := strconv.ParseFloat(strings.Trim(string(a.Expires), `"`), 64); err == nil && n > 0 {
		t.Expires = asked.Add(min(time.Duration(min(n, longest.Seconds())*float64(time.Second)), longest))
	}
	if a.Scope != nil {
		t.Scopes = Join([]string{}, Scopes(*a.Scope))
	}
	return t, nil
}
