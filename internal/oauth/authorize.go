package oauth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
)

// NewVerifier returns a secret for one login (RFC 7636 §4.1).
func NewVerifier() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// Authorization is one login that a user is asked for.
type Authorization struct {
	Client   string // the client's id
	Redirect string
	Resource string
	Scopes   []string
	State    string
	Verifier string
}

// URL is where the user logs in.
func (s *Server) URL(a *Authorization) (string, error) {
	u, err := url.Parse(s.Authorization)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", unusable("its authorization server's place for logins is not an address of the web")
	}
	sum := sha256.Sum256([]byte(a.Verifier))
	q := u.Query()
	for name, value := range map[string]string{
		"response_type": "code", "client_id": a.Client, "redirect_uri": a.Redirect, "resource": a.Resource, "state": a.State,
		"scope": strings.Join(a.Scopes, " "), "code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256",
	} {
		q.Del(name)
		if value != "" {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// CheckIssuer holds the answer to a login to the server that was asked (RFC 9207 §2.4): the issuer that it names must be this
// one to the letter, and must be named where the server says that it does so.
func (s *Server) CheckIssuer(answer url.Values) error {
	said, there := answer["iss"]
	switch {
	case !there && s.SaysIssuer:
		return unusable("the answer to the login does not say which authorization server it comes from")
	case there && (len(said) != 1 || said[0] != s.Issuer):
		return unusable("the answer to the login comes from another authorization server than was asked")
	}
	return nil
}
