package login_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/login"
	"github.com/fairlead/fairlead/internal/secret"
)

// TestLogin: a user is sent to a page, logs in, and is let in from then on; nobody else is.
func TestLogin(t *testing.T) {
	p := newProtected(t, newIssuer(t))
	g := newGateway(t, p, login.Options{})
	link := g.link("alice")
	if !strings.HasPrefix(link, g.pages.URL+"/oauth/login/") {
		t.Errorf("the link is %s", link)
	}
	status, text := visit(t, browser(), link)
	if status != 200 || !strings.Contains(text, "<b>alice</b>") || !strings.Contains(text, "<b>docs</b>") {
		t.Errorf("the page does not say what it is about: %d %s", status, text)
	}
	if n := p.requests(); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
	if again := g.link("alice"); again == link || p.requests() != 1 {
		t.Error("a server that is known to want a token was asked without one")
	}
	g.logIn("alice")
	g.want("alice", 200)
	if g.logged.Load() != 1 {
		t.Error("nobody was told of the login")
	}
	g.link("bob")
	if _, text := visit(t, browser(), g.link("")); !strings.Contains(text, "for everybody who uses it") {
		t.Errorf("the page does not say for whom: %s", text)
	}
	g.logIn("bob")
	g.want("bob", 200)
	p.mu.Lock()
	a, b := p.got[len(p.got)-1].Get("Authorization"), p.got[1].Get("Authorization")
	p.mu.Unlock()
	if a == b {
		t.Error("two principals share a token")
	}
}

// TestLoginLasts: a token outlives the process that got it, for all replicas with the same secrets, and the database does not know
// what it says.
func TestLoginLasts(t *testing.T) {
	p := newProtected(t, newIssuer(t))
	dir := t.TempDir()
	kept := fileStore(t, dir)
	g := newGateway(t, p, login.Options{Store: kept})
	g.logIn("alice")
	other := newGateway(t, p, login.Options{Store: fileStore(t, dir)})
	other.want("alice", 200)
	newGateway(t, p, login.Options{Store: fileStore(t, dir), Seal: ring(t, "another secret of another")}).link("alice")
	moved := newGateway(t, p, login.Options{Store: fileStore(t, dir)})
	moved.server.URL += "?x=1"
	moved.link("alice")

	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"access-", "refresh-", "registered"} {
			if bytes.Contains(b, []byte(s)) {
				t.Errorf("%s has %s in it", f, s)
			}
		}
	}
}

// TestRenewed: a token whose time is over is renewed without its user; one that cannot be is asked for anew.
func TestRenewed(t *testing.T) {
	as := newIssuer(t)
	p := newProtected(t, as)
	g := newGateway(t, p, login.Options{})
	as.life = 1 // which is over at once
	g.logIn("alice")
	g.want("alice", 200)
	g.want("alice", 200)
	if n := len(as.grantsOf("refresh_token")); n != 2 {
		t.Errorf("%d renewals", n)
	}
	as.mu.Lock()
	as.fail = "temporarily_unavailable"
	as.mu.Unlock()
	if _, err := g.ask("alice"); mcp.Login(err) != nil || err == nil {
		t.Errorf("a renewal that failed is %v", err)
	}
	as.mu.Lock()
	as.fail = "invalid_grant"
	as.mu.Unlock()
	g.link("alice")
	as.mu.Lock()
	as.fail, as.life = "", 3600
	as.mu.Unlock()
	g.logIn("alice")
	g.want("alice", 200)
}

// TestRevoked: a token that the server refuses is renewed once; a server that refuses the next one too has its answer.
func TestRevoked(t *testing.T) {
	as := newIssuer(t)
	p := newProtected(t, as)
	g := newGateway(t, p, login.Options{})
	g.logIn("alice")
	p.mu.Lock()
	p.resource["authorization_servers"] = []string{newIssuer(t).URL, as.URL} // which is another one beside, not instead
	for token := range as.access {
		p.revoked[token] = true
	}
	p.mu.Unlock()
	g.want("alice", 200)
	if n := len(as.grantsOf("refresh_token")); n != 1 {
		t.Errorf("%d renewals", n)
	}
}

// TestRegistered: a client is registered once for a server, and again when the authorization server does not know it any more.
func TestRegistered(t *testing.T) {
	as := newIssuer(t)
	g := newGateway(t, newProtected(t, as), login.Options{})
	g.logIn("alice")
	g.logIn("bob")
	if as.clients != 1 {
		t.Errorf("%d clients", as.clients)
	}
	as.mu.Lock()
	as.fail = "invalid_client"
	as.mu.Unlock()
	if status, text := press(t, browser(), g.link("carol")); status != 400 || !strings.Contains(text, "invalid_client") {
		t.Errorf("%d %s", status, text)
	}
	as.mu.Lock()
	as.fail = ""
	as.mu.Unlock()
	g.logIn("carol")
	if as.clients != 2 {
		t.Errorf("%d clients", as.clients)
	}
}

// TestDocument: an authorization server that reads descriptions of clients gets the address of the gateway's own.
func TestDocument(t *testing.T) {
	as := newIssuer(t)
	as.metadata["client_id_metadata_document_supported"] = true
	g := newGateway(t, newProtected(t, as), login.Options{Document: "https://gateway.example.com/oauth/client-metadata.json"})
	g.logIn("alice")
	if id := as.last().Get("client_id"); id != "https://gateway.example.com/oauth/client-metadata.json" || as.clients != 0 {
		t.Errorf("the client is %s, and %d are registered", id, as.clients)
	}
	status, text := visit(t, browser(), g.pages.URL+"/oauth/client-metadata.json")
	for _, part := range []string{`"client_id":"https://gateway.example.com/oauth/client-metadata.json"`, `"redirect_uris":["` + g.pages.URL + `/oauth/callback"]`, `"refresh_token"`} {
		if status != 200 || !strings.Contains(text, part) {
			t.Errorf("%d: no %s in %s", status, part, text)
		}
	}
	if status, _ := visit(t, browser(), newGateway(t, nil, login.Options{}).pages.URL+"/oauth/client-metadata.json"); status != 404 {
		t.Errorf("a gateway without https has a document: %d", status)
	}
}

// TestOwn: a server that is shown the gateway's own token needs no user, and a key signs in place of a secret.
func TestOwn(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, auth := range map[string]mcp.Auth{
		"secret": {ClientID: "us", ClientSecret: secret.New("s3")},
		"key":    {ClientID: "us", PrivateKey: secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))},
	} {
		t.Run(name, func(t *testing.T) {
			as := newIssuer(t)
			p := newProtected(t, as)
			p.scope = "read"
			g := newGateway(t, p, login.Options{})
			auth.Type, auth.Issuer = "client_credentials", as.URL
			g.server.Auth = &auth
			g.want("alice", 200)
			g.want("bob", 200)
			got := as.grantsOf("client_credentials")
			if len(got) != 1 || got[0].Get("resource") != p.URL+"/mcp" {
				t.Fatalf("%v", got)
			}
			if name == "secret" && got[0].Get("basic") != "us:s3" || name == "key" && strings.Count(got[0].Get("client_assertion"), ".") != 2 {
				t.Errorf("%v", got)
			}
			p.mu.Lock()
			for token := range as.access {
				p.revoked[token] = true
			}
			p.mu.Unlock()
			g.want("alice", 200)
			if got := as.grantsOf("client_credentials"); len(got) != 2 || got[1].Get("scope") != "read" {
				t.Errorf("%v", got)
			}
		})
	}
}

// TestTokenURL: an authorization server without metadata is asked where the config says.
func TestTokenURL(t *testing.T) {
	as := newIssuer(t)
	as.metadata = nil
	g := newGateway(t, newProtected(t, as), login.Options{})
	g.server.Auth = &mcp.Auth{Type: "client_credentials", ClientID: "us", ClientSecret: secret.New("s3"), TokenURL: as.URL + "/token", Scopes: []string{"read"}}
	g.want("", 200)
	if got := as.grantsOf("client_credentials"); len(got) != 1 || got[0].Get("scope") != "read" {
		t.Errorf("%v", got)
	}
}

// TestAttack02Exchange: where a token stands for the caller's, that one goes to the authorization server and never to the server; a
// caller without one is refused.
func TestAttack02Exchange(t *testing.T) {
	as := newIssuer(t)
	p := newProtected(t, as)
	g := newGateway(t, p, login.Options{})
	g.server.Auth = &mcp.Auth{Type: "token_exchange", ClientID: "us", ClientSecret: secret.New("s3"), Issuer: as.URL, Audience: "docs"}
	const inbound = "the-callers-own-token"
	if status, err := g.askAs(t.Context(), mcp.Caller{Principal: "alice", Token: secret.New(inbound)}); err != nil || status != 200 {
		t.Fatal(status, err)
	}
	got := as.grantsOf("urn:ietf:params:oauth:grant-type:token-exchange")
	if len(got) != 1 || got[0].Get("subject_token") != inbound || got[0].Get("audience") != "docs" || got[0].Get("resource") != p.URL+"/mcp" {
		t.Errorf("%v", got)
	}
	for _, h := range p.got {
		for name, values := range h {
			if strings.Contains(strings.Join(values, " "), inbound) {
				t.Errorf("the server got the caller's token in %s", name)
			}
		}
	}
	if _, err := g.ask("bob"); err == nil || len(as.grantsOf("urn:ietf:params:oauth:grant-type:token-exchange")) != 1 {
		t.Errorf("a caller without a token: %v", err)
	}
	_, one := g.Authorize(g.server, mcp.Caller{Principal: "alice", Token: secret.New(inbound)})
	if _, other := g.Authorize(g.server, mcp.Caller{Principal: "alice", Token: secret.New("another")}); one == other || strings.Contains(one, inbound) {
		t.Errorf("the keys of two sessions are %q and %q", one, other)
	}
}

// TestAttack01ConfusedDeputy: a login belongs to the principal that asked, and to the browser that said yes to what the page says; it
// is good once, for ten minutes, and no other site can begin it or end it.
func TestAttack01ConfusedDeputy(t *testing.T) {
	now := time.Now()
	as := newIssuer(t)
	g := newGateway(t, newProtected(t, as), login.Options{Now: func() time.Time { return now }})
	link := g.link("mallory")

	t.Run("another site sends the form", func(t *testing.T) {
		victim := browser()
		for _, form := range []url.Values{{}, {"browser": {""}}, {"browser": {strings.Repeat("A", 26)}}} {
			resp, err := victim.PostForm(link, form)
			if err != nil {
				t.Fatal(err)
			}
			if status, _ := page(t, resp); status != 403 {
				t.Errorf("%v: %d", form, status)
			}
		}
		_, text := visit(t, victim, link)
		form := url.Values{"browser": {hiddenField.FindStringSubmatch(text)[1]}}
		req, _ := http.NewRequest(http.MethodPost, link, strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", "https://evil.example.com")
		resp, err := victim.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := page(t, resp); status != 403 {
			t.Errorf("another origin: %d", status)
		}
		if len(as.sent) != 0 {
			t.Error("a login has begun")
		}
	})

	// back follows a login to the callback's address, which it does not open.
	back := func(b *http.Client, link string) string {
		b.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
			if req.URL.Path == "/oauth/callback" {
				return http.ErrUseLastResponse
			}
			return nil
		}
		_, text := visit(t, b, link)
		resp, err := b.PostForm(link, url.Values{"browser": {hiddenField.FindStringSubmatch(text)[1]}})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.Header.Get("Location")
	}
	t.Run("another browser comes back", func(t *testing.T) {
		to := back(browser(), link)
		for _, b := range []*http.Client{browser(), browser()} {
			visit(t, b, link) // it has a cookie of its own
			if status, text := visit(t, b, to); status != 400 || !strings.Contains(text, "not known, or it is over") {
				t.Errorf("%d %s", status, text)
			}
		}
		g.link("mallory")
	})
	t.Run("once", func(t *testing.T) {
		b := browser()
		to := back(b, link)
		if status, _ := visit(t, b, to); status != 200 {
			t.Errorf("%d", status)
		}
		if status, text := visit(t, b, to); status != 400 || !strings.Contains(text, "not known, or it is over") {
			t.Errorf("%d %s", status, text)
		}
		if n := len(as.grantsOf("authorization_code")); n != 1 {
			t.Errorf("%d codes", n)
		}
	})
	t.Run("what is not known", func(t *testing.T) {
		_, want := visit(t, browser(), g.pages.URL+"/oauth/login/x")
		flipped := []byte(link)
		flipped[len(flipped)-5] ^= 1
		for _, to := range []string{string(flipped), link + "A", newGateway(t, newProtected(t, as), login.Options{Seal: ring(t, "another secret of another")}).link("x")} {
			u, _ := url.Parse(to)
			if status, text := visit(t, browser(), g.pages.URL+u.Path); status != 404 || text != want {
				t.Errorf("%d %s", status, text)
			}
		}
		for _, q := range []string{"", "?state=x&code=y", "?state=x&state=y&code=z"} {
			if status, _ := visit(t, browser(), g.pages.URL+"/oauth/callback"+q); status != 400 {
				t.Errorf("%s: %d", q, status)
			}
		}
	})
	t.Run("no frames", func(t *testing.T) {
		resp, err := http.Get(link)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || resp.Header.Get("X-Frame-Options") != "DENY" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v", resp.Header)
		}
	})
	t.Run("a cookie of this host alone", func(t *testing.T) {
		g := newGateway(t, newProtected(t, as), login.Options{Base: func() string { return "https://gateway.example.com" }})
		u, _ := url.Parse(g.link("alice"))
		resp, err := http.Get(g.pages.URL + u.Path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if c := resp.Header.Get("Set-Cookie"); !strings.HasPrefix(c, "__Host-") || !strings.Contains(c, "; Path=/;") || !strings.Contains(c, "Secure") || !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Lax") {
			t.Error(c)
		}
	})
	t.Run("a server that is gone", func(t *testing.T) {
		g.server = &mcp.Server{Name: "other", Auth: &mcp.Auth{Type: "oauth"}}
		if status, _ := visit(t, browser(), link); status != 404 {
			t.Errorf("%d", status)
		}
	})
}
