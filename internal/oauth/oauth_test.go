package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/oauth"
	"github.com/fairlead/fairlead/internal/secret"
)

func TestReadChallenge(t *testing.T) {
	for text, want := range map[string]oauth.Challenge{
		"":       {},
		"Bearer": {},
		`Bearer resource_metadata="https://h/.well-known/oauth-protected-resource/mcp"`:                               {Metadata: "https://h/.well-known/oauth-protected-resource/mcp"},
		`bearer  Scope = "a b a" , error=invalid_token, resource_metadata=https://h/x`:                                {Metadata: "https://h/x", Scopes: []string{"a", "b"}, Error: "invalid_token"},
		`Basic realm="a, Bearer scope=\"x\"", Bearer scope="y"`:                                                       {Scopes: []string{"y"}},
		`Negotiate YII=, Bearer error="insufficient_scope", error_description="a \"quoted\" word, and=more", scope=z`: {Error: "insufficient_scope", Scopes: []string{"z"}},
		`Negotiate YII==, Bearer scope=z`:                                                                             {Scopes: []string{"z"}},
		`Bearer scope="a", scope="b"`:                                                                                 {Scopes: []string{"a"}},
		`Bearer scope="open`:                                                                                          {},
		`DPoP algs="ES256", Bearer realm=x, scope="s"`:                                                                {Scopes: []string{"s"}},
		`Bearer scope="a\"b c"`:                                                                                       {Scopes: []string{"c"}},
	} {
		if diff := cmp.Diff(want, oauth.ReadChallenge(http.Header{"Www-Authenticate": {text}})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	if c := oauth.ReadChallenge(http.Header{"Www-Authenticate": {`Basic realm=x`, `Bearer scope=y`}}); !slices.Equal(c.Scopes, []string{"y"}) {
		t.Errorf("of two headers: %+v", c)
	}
}

// FuzzReadChallenge: what a server says is read within bounds, and all that is made of it can be sent on.
func FuzzReadChallenge(f *testing.F) {
	for _, s := range []string{`Bearer scope="a b", resource_metadata="https://h/x"`, `Negotiate YII==, Bearer error=x`, `Basic a, , Bearer`, `Bearer scope="\`, "a=b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := oauth.ReadChallenge(http.Header{"Www-Authenticate": {text}})
		if len(c.Scopes) > 256 || len(c.Metadata) > len(text) {
			t.Fatalf("%+v", c)
		}
		for _, s := range c.Scopes {
			if s == "" || strings.ContainsAny(s, " \"\\\r\n\x00") {
				t.Fatalf("a scope is %q", s)
			}
		}
	})
}

// world answers with documents by their paths, and notes what is asked for.
type world struct {
	*httptest.Server
	docs  map[string]any
	asked []string
	forms []url.Values
	basic string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{docs: map[string]any{}}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked = append(w.asked, r.URL.Path)
		_ = r.ParseForm()
		w.forms = append(w.forms, r.PostForm)
		id, secret, _ := r.BasicAuth()
		w.basic = id + ":" + secret
		doc, ok := w.docs[r.URL.Path]
		if !ok {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		if text, ok := doc.(string); ok {
			_, _ = fmt.Fprint(rw, text)
			return
		}
		_ = json.NewEncoder(rw).Encode(doc)
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *world) client() *oauth.Client {
	return &oauth.Client{HTTP: http.DefaultClient, Trusts: func(string) bool { return true }}
}

// TestPlaces: documents are looked for in the order of the specification, and no further than where they are.
func TestPlaces(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	if _, err := c.Server(t.Context(), w.URL+"/tenant/"); err == nil {
		t.Error("an issuer without metadata is one")
	}
	want := []string{
		"/.well-known/oauth-authorization-server/tenant", "/.well-known/openid-configuration/tenant", "/tenant/.well-known/openid-configuration",
	}
	if diff := cmp.Diff(want, w.asked); diff != "" {
		t.Error(diff)
	}
	w.asked = nil
	w.docs["/.well-known/openid-configuration"] = map[string]any{"issuer": w.URL, "token_endpoint": w.URL + "/t"}
	if s, err := c.Server(t.Context(), w.URL); err != nil || s.Token != w.URL+"/t" {
		t.Error(s, err)
	}
	if diff := cmp.Diff([]string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"}, w.asked); diff != "" {
		t.Error(diff)
	}
	w.asked = nil
	r, err := c.Resource(t.Context(), w.URL+"/a/mcp", "")
	if err != nil || r.ID != w.URL+"/a/mcp" || !slices.Equal(r.Issuers, []string{w.URL}) {
		t.Error(r, err) // as in 2025-03-26
	}
	if diff := cmp.Diff([]string{"/.well-known/oauth-protected-resource/a/mcp", "/.well-known/oauth-protected-resource"}, w.asked); diff != "" {
		t.Error(diff)
	}
	if _, err := c.Resource(t.Context(), w.URL+"/a/mcp", w.URL+"/elsewhere"); err == nil {
		t.Error("a hint to nothing is taken for none")
	}
}

// TestHoles: documents that can be read in two ways, are too long or are no JSON are refused, in words that show no address.
func TestHoles(t *testing.T) {
	w := newWorld(t)
	for _, doc := range []string{`{"issuer":"a","issuer":"b"}`, `[]`, `"` + strings.Repeat("x", 300<<10) + `"`, "<html>", `{"issuer":"` + w.URL + `"}`, `{"issuer":"` + w.URL + `/","token_endpoint":"` + w.URL + `/t"}`} {
		w.docs["/.well-known/oauth-authorization-server"] = doc
		_, err := w.client().Server(t.Context(), w.URL)
		if _, ok := errors.AsType[*oauth.Unusable](err); !ok || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%.40s: %v", doc, err)
		}
	}
	if _, err := (&oauth.Client{HTTP: http.DefaultClient}).Server(context.Background(), w.URL); err == nil {
		t.Error("a host that nobody has named was asked without TLS")
	}
}

// TestAsk: who asks is said as the server wants to hear it, and what it answers is held to the letter.
func TestAsk(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	s := &oauth.Server{Issuer: w.URL, Token: w.URL + "/token"}
	w.docs["/token"] = `{"access_token":"a","token_type":"bearer","expires_in":"60","scope":"x y","extra":1}`
	id := &oauth.Identity{ID: "me:x", Secret: secret.New("s&1")}
	tok, err := c.Ask(t.Context(), s, id, oauth.Own(w.URL+"/mcp", []string{"x", "y"}))
	if err != nil || tok.Access.Reveal() != "a" || !slices.Equal(tok.Scopes, []string{"x", "y"}) || time.Until(tok.Expires) > time.Minute || !tok.Refresh.Empty() {
		t.Errorf("%+v %v", tok, err)
	}
	if w.basic != url.QueryEscape("me:x")+":"+url.QueryEscape("s&1") {
		t.Errorf("who asks is %s", w.basic)
	}
	s.Methods = []string{"client_secret_post"}
	if _, err := c.Ask(t.Context(), s, id, oauth.Own("", nil)); err != nil || w.forms[len(w.forms)-1].Get("client_secret") != "s&1" {
		t.Error(err, w.forms)
	}
	for _, doc := range []string{
		`{}`, `{"access_token":"","token_type":"bearer"}`, `{"access_token":"a b","token_type":"bearer"}`, `{"access_token":"a\nb","token_type":"bearer"}`,
		`{"access_token":"a","token_type":"mac"}`, `{"access_token":"a"}`, `{"access_token":"a","access_token":"b","token_type":"bearer"}`, `no`,
		`{"access_token":"a","token_type":"bearer","refresh_token":"\u0000"}`,
	} {
		w.docs["/token"] = doc
		if tok, err := c.Ask(t.Context(), s, id, oauth.Own("", nil)); err == nil {
			t.Errorf("%s: %+v", doc, tok)
		}
	}
	for in, far := range map[string]bool{"-1": true, "0": true, "null": true, `"x"`: true, "1e300": false, "86400.5": false} {
		w.docs["/token"] = `{"access_token":"a","token_type":"Bearer","expires_in":` + in + `}`
		tok, err := c.Ask(t.Context(), s, id, oauth.Own("", nil))
		if err != nil || tok.Expires.IsZero() != far || !far && tok.Expires.Before(time.Now()) {
			t.Errorf("expires_in %s: %v %v", in, tok.Expires, err)
		}
	}
	delete(w.docs, "/token")
	if _, err := c.Ask(t.Context(), s, id, oauth.Own("", nil)); !oauth.RefusedFor(err, "404") {
		t.Errorf("%v", err)
	}
}

// TestSecretsStayIn: nothing that is an error or is printed shows what is secret.
func TestSecretsStayIn(t *testing.T) {
	const canary = "canary-of-secrets"
	c := &oauth.Client{HTTP: &http.Client{Timeout: time.Second}, Trusts: func(string) bool { return true }}
	s := &oauth.Server{Token: "http://127.0.0.1:1/" + canary}
	id := &oauth.Identity{ID: "me", Secret: secret.New(canary), Key: secret.New(canary)}
	tok := oauth.Token{Access: secret.New(canary), Refresh: secret.New(canary)}
	_, err := c.Ask(t.Context(), s, id, oauth.Again(tok.Refresh, "r"))
	_, kerr := oauth.ReadKey(canary)
	if all := fmt.Sprintf("%v %+v %#v %v %v", err, tok, *id, kerr, err); strings.Contains(all, canary) {
		t.Error(all)
	}
}
