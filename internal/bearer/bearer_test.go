package bearer_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/bearer"
	"github.com/fairlead/fairlead/internal/bearer/bearertest"
	"github.com/fairlead/fairlead/internal/secret"
)

const resource = "https://gateway.example.com/mcp"

func TestVerify(t *testing.T) {
	s := bearertest.New(t)
	other := bearertest.New(t)
	i := bearer.New(bearer.Options{Issuer: s.URL})
	ago := func(d time.Duration) int64 { return time.Now().Add(-d).Unix() }
	for name, tt := range map[string]struct {
		claims, headers map[string]any
		says            string // empty: it is good
	}{
		"good":                    {},
		"typ of old":              {headers: map[string]any{"typ": "JWT"}},
		"no typ":                  {headers: map[string]any{"typ": nil}},
		"long typ":                {headers: map[string]any{"typ": "application/AT+JWT"}},
		"no key id":               {headers: map[string]any{"kid": nil}},
		"logout token":            {headers: map[string]any{"typ": "logout+jwt"}, says: "not an access token"},
		"typ is a number":         {headers: map[string]any{"typ": 1}, says: "not an access token"},
		"unknown critical header": {headers: map[string]any{"crit": []string{"x"}, "x": 1}, says: "signature"},
		"another key":             {headers: map[string]any{"kid": "none-of-ours"}, says: "signature"},
		"long key id":             {headers: map[string]any{"kid": strings.Repeat("k", 600)}, says: "too long"},
		"an ID token":             {claims: map[string]any{"at_hash": "x"}, says: "not an access token"},
		"an ID token by its use":  {claims: map[string]any{"token_use": "id"}, says: "not an access token"},
		"a refresh token":         {claims: map[string]any{"typ": "Refresh"}, says: "not an access token"},
		"Keycloak's":              {claims: map[string]any{"typ": "Bearer", "azp": "x"}},
		"Cognito's":               {claims: map[string]any{"token_use": "access"}},
		"bound to a key":          {claims: map[string]any{"cnf": map[string]any{"jkt": "x"}}, says: "bound"},
		"another issuer":          {claims: map[string]any{"iss": other.URL}, says: "another issuer"},
		"issuer with a slash":     {claims: map[string]any{"iss": s.URL + "/"}, says: "another issuer"},
		"no issuer":               {claims: map[string]any{"iss": nil}, says: "another issuer"},
		"no subject":              {claims: map[string]any{"sub": nil, "client_id": nil}, says: "no subject"},
		"a client alone":          {claims: map[string]any{"sub": nil}},
		"subject is a number":     {claims: map[string]any{"sub": 7}, says: "JSON object"},
		"no expiry":               {claims: map[string]any{"exp": nil}, says: "when it expires"},
		"expired":                 {claims: map[string]any{"exp": ago(time.Minute)}, says: "expired"},
		"just expired":            {claims: map[string]any{"exp": ago(10 * time.Second)}},
		"expiry with a fraction":  {claims: map[string]any{"exp": float64(ago(-time.Minute)) + 0.5}},
		"expiry is a text":        {claims: map[string]any{"exp": "never"}, says: "JSON object"},
		"expiry out of bounds":    {claims: map[string]any{"exp": 1e300}, says: "a time that is none"},
		"not yet":                 {claims: map[string]any{"nbf": ago(-time.Minute)}, says: "not good yet"},
		"almost":                  {claims: map[string]any{"nbf": ago(-10 * time.Second)}},
		"of the future":           {claims: map[string]any{"iat": ago(-time.Hour)}, says: "not good yet"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := i.Verify(t.Context(), s.Token(s.Claims(resource, tt.claims), tt.headers))
			if tt.says == "" {
				if err != nil || c.Issuer != s.URL || len(c.Audience) != 1 || c.Audience[0] != resource {
					t.Errorf("%+v, %v", c, err)
				}
				return
			}
			if c != nil || !bearer.IsInvalid(err) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
}

// TestForged: tokens that nobody has signed, or somebody else.
func TestForged(t *testing.T) {
	s, thief := bearertest.New(t), bearertest.New(t)
	i := bearer.New(bearer.Options{Issuer: s.URL})
	good := s.Token(s.Claims(resource, nil), nil)
	parts := strings.Split(good, ".")
	b64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	hs := func(secret string) string {
		in := b64(`{"alg":"HS256","typ":"at+jwt"}`) + "." + parts[1]
		m := hmac.New(sha256.New, []byte(secret))
		m.Write([]byte(in))
		return in + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
	}
	for name, token := range map[string]string{
		"of another key":        thief.Token(s.Claims(resource, nil), nil),
		"none":                  b64(`{"alg":"none"}`) + "." + parts[1] + ".",
		"None":                  b64(`{"alg":"None"}`) + "." + parts[1] + ".",
		"by a shared secret":    hs("a secret for tests"),
		"by an empty secret":    hs(""),
		"without its signature": parts[0] + "." + parts[1] + ".",
		"another payload":       parts[0] + "." + b64(`{"iss":"`+s.URL+`","sub":"root","exp":9999999999}`) + "." + parts[2],
		"another header":        b64(`{"alg":"ES256"}`) + "." + parts[1] + "." + parts[2],
		"a bit":                 parts[0] + "." + parts[1] + "." + flip(parts[2]),
		"five parts":            good + ".x.y",
		"in JSON":               `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"a key of its own":      b64(`{"alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}`) + "." + parts[1] + "." + parts[2],
		"a place of keys":       b64(`{"alg":"ES256","jku":"`+thief.URL+`/jwks"}`) + "." + parts[1] + "." + parts[2],
		"no token":              "sk-something",
		"nothing":               "",
		"too long":              good + strings.Repeat("A", 20<<10),
	} {
		if c, err := i.Verify(t.Context(), token); c != nil || !bearer.IsInvalid(err) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	if thief.Asked("/jwks") > 0 {
		t.Error("keys were fetched from where a token says that they are")
	}
}

func flip(signature string) string {
	raw, _ := base64.RawURLEncoding.DecodeString(signature)
	raw[7] ^= 1
	return base64.RawURLEncoding.EncodeToString(raw)
}

func TestIntrospection(t *testing.T) {
	s := bearertest.New(t)
	ask := &bearer.Introspection{URL: s.URL + "/introspect", ClientID: bearertest.ClientID, Secret: secret.New(bearertest.ClientSecret)}
	i := bearer.New(bearer.Options{Issuer: s.URL, Introspection: ask})
	good := s.Opaque(s.Claims(resource, map[string]any{"scope": "a b", "scp": []string{"c"}, "iss": nil, "exp": nil}))
	c, err := i.Verify(t.Context(), good)
	if err != nil || c.Subject != "alice" || strings.Join(c.Scopes, " ") != "a b c" {
		t.Errorf("%+v, %v", c, err)
	}
	s.Revoke(good)
	for name, token := range map[string]string{
		"revoked":        good,
		"unknown":        "something",
		"another issuer": s.Opaque(s.Claims(resource, map[string]any{"iss": "https://other.example.com"})),
		"expired":        s.Opaque(s.Claims(resource, map[string]any{"exp": 1})),
		"DPoP":           s.Opaque(s.Claims(resource, map[string]any{"token_type": "DPoP"})),
		"a refresh one":  s.Opaque(s.Claims(resource, map[string]any{"typ": "Refresh"})),
		"not active":     s.Opaque(map[string]any{"active": "true", "sub": "alice"}),
	} {
		if c, err := i.Verify(t.Context(), token); c != nil || !bearer.IsInvalid(err) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	ask.Secret = secret.New("wrong")
	if c, err := i.Verify(t.Context(), "something"); c != nil || err == nil || bearer.IsInvalid(err) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with a wrong secret: %+v, %v", c, err)
	}
}

// TestUnreachable: of a token whose issuer cannot be asked nothing is known.
func TestUnreachable(t *testing.T) {
	s := bearertest.New(t)
	token := s.Token(s.Claims(resource, nil), nil)
	for name, o := range map[string]bearer.Options{
		"metadata of another": {Issuer: s.URL + "/"},
		"nobody listens":      {Issuer: "http://127.0.0.1:1"},
		"keys are elsewhere":  {Issuer: s.URL, JWKS: s.URL + "/nowhere"},
		"no keys":             {Issuer: s.URL, JWKS: s.URL + "/.well-known/openid-configuration"},
	} {
		if c, err := bearer.New(o).Verify(t.Context(), token); c != nil || err == nil || bearer.IsInvalid(err) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

// TestAttack03KeysInside: metadata that leads inside leads to no connection, and so does an answer that leads elsewhere.
func TestAttack03KeysInside(t *testing.T) {
	var connects atomic.Int64
	trap := httptest.NewUnstartedServer(http.NotFoundHandler())
	trap.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			connects.Add(1)
		}
	}
	trap.StartTLS()
	defer trap.Close()
	port := trap.URL[strings.LastIndexByte(trap.URL, ':'):]
	for _, address := range []string{
		trap.URL, "http://127.0.0.1" + port, "https://localhost" + port, "https://LOCALHOST" + port, "https://[::ffff:127.0.0.1]" + port,
		"https://[::1]" + port, "https://0x7f.1" + port, "https://127.1" + port, "https://2130706433" + port, "https://0.0.0.0" + port,
		"https://169.254.169.254/latest", "https://10.0.0.1/", "https://user@127.0.0.1" + port, "file:///etc/passwd", "//127.0.0.1" + port, "gopher://127.0.0.1" + port,
		"https://localhost." + port, "https://x.localhost" + port, "https://[64:ff9b::7f00:1]" + port,
	} {
		s := bearertest.New(t)
		s.Describe("jwks_uri", address+"/jwks")
		if c, err := bearer.New(bearer.Options{Issuer: s.URL}).Verify(t.Context(), s.Token(s.Claims(resource, nil), nil)); c != nil || err == nil || bearer.IsInvalid(err) {
			t.Errorf("%s: %+v, %v", address, c, err)
		}
	}
	away := httptest.NewServer(http.RedirectHandler(trap.URL+"/jwks", http.StatusFound))
	defer away.Close()
	s := bearertest.New(t)
	for _, o := range []bearer.Options{{Issuer: away.URL}, {Issuer: s.URL, JWKS: away.URL}} {
		if c, err := bearer.New(o).Verify(t.Context(), s.Token(s.Claims(resource, nil), nil)); c != nil || err == nil {
			t.Errorf("%+v, %v", c, err)
		}
	}
	if n := connects.Load(); n > 0 {
		t.Errorf("%d connections inside", n)
	}
}

func TestClaims(t *testing.T) {
	s := bearertest.New(t)
	i := bearer.New(bearer.Options{Issuer: s.URL})
	c, err := i.Verify(t.Context(), s.Token(s.Claims(resource, map[string]any{
		"groups": []any{"platform", 7, "ops"}, "tid": "t1", "https://example.com/roles": []string{"admin"}, "verified": true, "level": 3,
		"realm_access": map[string]any{"roles": []string{"editor"}}, "aud": []string{"a", resource}, "scope": []string{"x", "y z"},
	}), nil))
	if err != nil {
		t.Fatal(err)
	}
	for claim, value := range map[string]string{
		"groups": "ops", "tid": "t1", "https://example.com/roles": "admin", "verified": "true", "level": "3", "realm_access.roles": "editor",
	} {
		if !c.Has(claim, value) || c.Has(claim, value+"x") {
			t.Errorf("%s is not %s", claim, value)
		}
	}
	if c.Has("realm_access", "editor") || c.Has("nothing", "") || c.Has("", "") || c.Has("groups", "") {
		t.Error("a claim is what it is not")
	}
	if strings.Join(c.Scopes, ",") != "x,y,z" || len(c.Audience) != 2 {
		t.Errorf("%v, %v", c.Scopes, c.Audience)
	}
}

// FuzzVerify: whatever is shown, nothing that the issuer has not signed is taken.
func FuzzVerify(f *testing.F) {
	s := bearertest.New(f)
	i := bearer.New(bearer.Options{Issuer: s.URL})
	good := s.Token(s.Claims(resource, nil), nil)
	if _, err := i.Verify(f.Context(), good); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		bearer.Readable(token)
		c, err := i.Verify(t.Context(), token)
		if (c == nil) == (err == nil) {
			t.Fatalf("%v, %v", c, err)
		}
		// The last letter of a signature has bits that say nothing.
		if c != nil && strings.TrimSpace(token)[:len(good)-1] != good[:len(good)-1] {
			t.Errorf("taken: %q", token)
		}
	})
}
