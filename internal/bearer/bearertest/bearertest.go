// Package bearertest is an authorization server for tests: its users are signed in at once, and agree to all that they are asked.
package bearertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The client that may ask the server about tokens.
const (
	ClientID     = "gateway"
	ClientSecret = "a secret for tests"
)

// Server is an authorization server. Its fields are set before it is asked.
type Server struct {
	URL     string            // its issuer identifier
	Subject string            // who is signed in; by default alice
	Allowed func(string) bool // which scopes are given; nil: all

	mu       sync.Mutex
	keys     []signer
	metadata map[string]any
	opaque   map[string]map[string]any
	codes    map[string]grant
	asked    []string     // paths
	forms    []url.Values // of the token endpoint
}

type signer struct {
	id   string
	priv *ecdsa.PrivateKey
}

// grant is what a code stands for.
type grant struct{ challenge, resource, scope, redirect, client string }

// New starts a server on loopback, until the test ends.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{Subject: "alice", opaque: map[string]map[string]any{}, codes: map[string]grant{}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	s.metadata = map[string]any{
		"issuer": s.URL, "jwks_uri": s.URL + "/jwks", "authorization_endpoint": s.URL + "/authorize", "token_endpoint": s.URL + "/token",
		"registration_endpoint": s.URL + "/register", "response_types_supported": []string{"code"}, "code_challenge_methods_supported": []string{"S256"},
		"grant_types_supported": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_methods_supported": []string{"none"},
		"authorization_response_iss_parameter_supported": true,
	}
	s.Rotate()
	return s
}

// Describe sets a member of the metadata.
func (s *Server) Describe(name string, value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.metadata[name] = value
}

// Rotate replaces the keys by a new one.
func (s *Server) Rotate() {
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // unreachable
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = []signer{{random(), priv}}
}

// Asked is how often a path was asked for.
func (s *Server) Asked(path string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.asked {
		if p == path {
			n++
		}
	}
	return n
}

// Forms are what the token endpoint was sent.
func (s *Server) Forms() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.forms)
}

// Claims are those of a good token for a resource, with others put over them; nil takes one out.
func (s *Server) Claims(resource string, others map[string]any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": s.URL, "sub": s.Subject, "aud": resource, "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "client_id": "a-client", "jti": random(),
	}
	maps.Copy(c, others)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// Token signs claims, with headers put over the usual ones.
func (s *Server) Token(claims map[string]any, headers map[string]any) string {
	s.mu.Lock()
	key := s.keys[0]
	s.mu.Unlock()
	h := map[string]any{"kid": key.id, "typ": "at+jwt"}
	maps.Copy(h, headers)
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == nil })
	o := &jose.SignerOptions{}
	for name, v := range h {
		o.WithHeader(jose.HeaderKey(name), v)
	}
	sign, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key.priv}, o)
	if err != nil {
		panic(err) // unreachable
	}
	jws, err := sign.Sign(encode(claims))
	if err != nil {
		panic(err) // unreachable
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		panic(err) // unreachable
	}
	return text
}

// Opaque makes a token that cannot be read, and of which the server says the claims when it is asked.
func (s *Server) Opaque(claims map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := random() + random()
	s.opaque[token] = claims
	return token
}

// Revoke makes a token that cannot be read inactive.
func (s *Server) Revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.opaque, token)
}

// ServeHTTP answers.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.URL.Path)
	switch r.URL.Path {
	case "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration":
		answer(w, 200, s.metadata)
	case "/jwks":
		var keys []jsontext.Value
		for _, k := range s.keys {
			raw, _ := jose.JSONWebKey{Key: &k.priv.PublicKey, KeyID: k.id, Algorithm: "ES256", Use: "sig"}.MarshalJSON()
			keys = append(keys, raw)
		}
		answer(w, 200, map[string]any{"keys": keys})
	case "/introspect":
		s.introspect(w, r)
	case "/register":
		var in map[string]any
		_ = json.UnmarshalRead(r.Body, &in)
		if in == nil {
			in = map[string]any{}
		}
		in["client_id"] = "registered-" + random()
		answer(w, 201, in)
	case "/authorize":
		s.authorize(w, r)
	case "/token":
		s.token(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if secret, _ = url.QueryUnescape(secret); id != ClientID || secret != ClientSecret {
		answer(w, 401, map[string]any{"error": "invalid_client"})
		return
	}
	claims, ok := s.opaque[r.PostFormValue("token")]
	out := map[string]any{"active": ok}
	maps.Copy(out, claims)
	answer(w, 200, out)
}

// authorize sends the browser back with a code at once.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("code_challenge_method") != "S256" || q.Get("resource") == "" {
		answer(w, 400, map[string]any{"error": "invalid_request"})
		return
	}
	code := random()
	s.codes[code] = grant{q.Get("code_challenge"), q.Get("resource"), q.Get("scope"), q.Get("redirect_uri"), q.Get("client_id")}
	out := back.Query()
	out.Set("code", code)
	out.Set("iss", s.URL)
	out.Set("state", q.Get("state"))
	back.RawQuery = out.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// token changes a code for a token, whose audience is the resource that was asked for.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.forms = append(s.forms, r.PostForm)
	g, ok := s.codes[r.PostFormValue("code")]
	delete(s.codes, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge || r.PostFormValue("resource") != g.resource || r.PostFormValue("redirect_uri") != g.redirect {
		answer(w, 400, map[string]any{"error": "invalid_grant"})
		return
	}
	var scopes []string
	for scope := range strings.FieldsSeq(g.scope) {
		if s.Allowed == nil || s.Allowed(scope) {
			scopes = append(scopes, scope)
		}
	}
	scope := strings.Join(scopes, " ")
	claims := s.Claims(g.resource, map[string]any{"scope": scope, "client_id": g.client})
	s.mu.Unlock()
	token := s.Token(claims, nil)
	s.mu.Lock()
	answer(w, 200, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": scope})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encode(v))
}

func encode(v any) []byte {
	raw, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic(err) // maps, lists and texts only
	}
	return raw
}

func random() string {
	var b [12]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
