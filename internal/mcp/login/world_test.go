package login_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/login"
	"github.com/fairlead/fairlead/internal/seal"
	"github.com/fairlead/fairlead/internal/store"
	"github.com/fairlead/fairlead/internal/store/sqlite"
)

// issuer is an authorization server that lets everybody in, and remembers what it was asked.
type issuer struct {
	*httptest.Server
	mu       sync.Mutex
	metadata map[string]any
	life     int // of tokens, in seconds
	codes    map[string]url.Values
	refresh  map[string]bool // that are good
	access   map[string]string
	asked    []url.Values // what came to the token endpoint
	sent     []url.Values // what came to the authorization endpoint
	clients  int
	wrongIss string // said in answers instead of the issuer; "-": none is
	fail     string // an error that the token endpoint answers with
	grants   string // the scope that it says it has granted
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	as := &issuer{life: 3600, codes: map[string]url.Values{}, refresh: map[string]bool{}, access: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, as.metadata) })
	mux.HandleFunc("GET /authorize", as.authorize)
	mux.HandleFunc("POST /token", as.token)
	mux.HandleFunc("POST /register", func(w http.ResponseWriter, _ *http.Request) {
		as.mu.Lock()
		defer as.mu.Unlock()
		as.clients++
		reply(w, 201, map[string]any{"client_id": fmt.Sprintf("client-%d-%s", as.clients, as.URL), "client_secret": "registered", "token_endpoint_auth_method": "client_secret_post"})
	})
	as.Server = httptest.NewServer(mux)
	t.Cleanup(as.Close)
	as.metadata = map[string]any{
		"issuer": as.URL, "authorization_endpoint": as.URL + "/authorize", "token_endpoint": as.URL + "/token", "registration_endpoint": as.URL + "/register",
		"code_challenge_methods_supported": []string{"S256"}, "authorization_response_iss_parameter_supported": true,
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "private_key_jwt"},
	}
	return as
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (as *issuer) authorize(w http.ResponseWriter, r *http.Request) {
	as.mu.Lock()
	defer as.mu.Unlock()
	q := r.URL.Query()
	as.sent = append(as.sent, q)
	code := rand.Text()
	as.codes[code] = q
	to, _ := url.Parse(q.Get("redirect_uri"))
	back := url.Values{"state": {q.Get("state")}, "code": {code}}
	switch as.wrongIss {
	case "":
		back.Set("iss", as.URL)
	case "-":
	default:
		back.Set("iss", as.wrongIss)
	}
	to.RawQuery = back.Encode()
	http.Redirect(w, r, to.String(), http.StatusFound)
}

func (as *issuer) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	as.mu.Lock()
	defer as.mu.Unlock()
	f := r.PostForm
	if id, secret, ok := r.BasicAuth(); ok {
		f.Set("basic", id+":"+secret)
	}
	as.asked = append(as.asked, f)
	if as.fail != "" {
		reply(w, 400, map[string]any{"error": as.fail})
		return
	}
	switch f.Get("grant_type") {
	case "authorization_code":
		q, ok := as.codes[f.Get("code")]
		delete(as.codes, f.Get("code"))
		sum := sha256.Sum256([]byte(f.Get("code_verifier")))
		if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != q.Get("code_challenge") || f.Get("redirect_uri") != q.Get("redirect_uri") {
			reply(w, 400, map[string]any{"error": "invalid_grant"})
			return
		}
	case "refresh_token":
		if !as.refresh[f.Get("refresh_token")] { // each is good once
			reply(w, 400, map[string]any{"error": "invalid_grant"})
			return
		}
		delete(as.refresh, f.Get("refresh_token"))
	}
	access, again := "access-"+rand.Text(), "refresh-"+rand.Text()
	as.refresh[again], as.access[access] = true, f.Get("resource")
	out := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": as.life, "refresh_token": again}
	if as.grants != "" {
		out["scope"] = as.grants
	}
	reply(w, 200, out)
}

// grantsOf are the requests of one type that came for tokens.
func (as *issuer) grantsOf(kind string) []url.Values {
	as.mu.Lock()
	defer as.mu.Unlock()
	var out []url.Values
	for _, f := range as.asked {
		if f.Get("grant_type") == kind {
			out = append(out, f)
		}
	}
	return out
}

func (as *issuer) last() url.Values {
	as.mu.Lock()
	defer as.mu.Unlock()
	return as.sent[len(as.sent)-1]
}

// protected is a server that wants tokens of an issuer.
type protected struct {
	*httptest.Server
	mu       sync.Mutex
	as       *issuer
	resource map[string]any
	scope    string // of its challenge
	lacks    string // the scope that it refuses good tokens over
	revoked  map[string]bool
	got      []http.Header
}

func newProtected(t *testing.T, as *issuer) *protected {
	t.Helper()
	p := &protected{as: as, revoked: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /meta", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		reply(w, 200, p.resource)
	})
	mux.HandleFunc("/mcp", p.serve)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	p.resource = map[string]any{"resource": p.URL + "/mcp", "authorization_servers": []string{as.URL}, "scopes_supported": []string{"read", "write", "admin"}}
	return p
}

func (p *protected) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, r.Header.Clone())
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p.as.mu.Lock()
	_, good := p.as.access[token]
	p.as.mu.Unlock()
	scope := ""
	if p.scope != "" {
		scope = `, scope="` + p.scope + `"`
	}
	switch {
	case !good || p.revoked[token]:
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+p.URL+`/meta"`+scope)
		w.WriteHeader(http.StatusUnauthorized)
	case p.lacks != "":
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+p.lacks+`", resource_metadata="`+p.URL+`/meta"`)
		w.WriteHeader(http.StatusForbidden)
	default:
		_, _ = io.WriteString(w, "ok")
	}
}

func (p *protected) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.got)
}

// gateway is a replica: a Keeper with its pages.
type gateway struct {
	*login.Keeper
	t      *testing.T
	pages  *httptest.Server
	server *mcp.Server
	logged atomic.Int32
}

// Server is the one server that there is.
func (g *gateway) Server(name string) (mcp.Server, bool) {
	if g.server == nil || g.server.Name != name {
		return mcp.Server{}, false
	}
	return *g.server, true
}

func (g *gateway) LoggedIn(string, string) { g.logged.Add(1) }

func newStore(t *testing.T) store.Grants {
	t.Helper()
	s := sqlite.Memory(store.Options{})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// fileStore opens a file of the test's once more.
func fileStore(t *testing.T, path string) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(path, "store.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newGateway(t *testing.T, p *protected, o login.Options) *gateway {
	t.Helper()
	g := &gateway{t: t}
	if p != nil {
		g.server = &mcp.Server{Name: "docs", URL: p.URL + "/mcp", Auth: &mcp.Auth{Type: "oauth"}}
	}
	if o.Store == nil {
		o.Store = newStore(t)
	}
	if o.Seal == nil {
		o.Seal = ring(t, "a secret of all replicas")
	}
	mux := http.NewServeMux()
	g.pages = httptest.NewServer(mux)
	t.Cleanup(g.pages.Close)
	if o.Base == nil {
		o.Base = func() string { return g.pages.URL }
	}
	g.Keeper = login.New(o)
	g.Serve(g)
	for path, h := range g.Pages() {
		mux.Handle(path, h)
	}
	return g
}

func ring(t *testing.T, secret string) *seal.Ring {
	t.Helper()
	r, err := seal.New([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ask sends one request of a principal, as a session does. The status is 0 where the request could not be authorized.
func (g *gateway) ask(principal string) (int, error) {
	return g.askAs(g.t.Context(), mcp.Caller{Principal: principal})
}

func (g *gateway) askAs(ctx context.Context, c mcp.Caller) (int, error) {
	auth, _ := g.Authorize(g.server, c)
	for try := 0; ; try++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.server.URL, strings.NewReader("{}"))
		if err != nil {
			return 0, err
		}
		if err := auth.Authorize(req, []byte("{}")); err != nil {
			return 0, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		_ = resp.Body.Close()
		if resp.StatusCode/100 != 4 || try > 0 {
			return resp.StatusCode, nil
		}
		again, err := auth.Refused(req, resp)
		if !again {
			return resp.StatusCode, err
		}
	}
}

// link asks, and returns the link that the principal is sent to.
func (g *gateway) link(principal string) string {
	g.t.Helper()
	_, err := g.ask(principal)
	l := mcp.Login(err)
	if l == nil {
		g.t.Fatalf("no login is asked for: %v", err)
	}
	return l.URL
}

func (g *gateway) want(principal string, status int) {
	g.t.Helper()
	if got, err := g.ask(principal); err != nil || got != status {
		g.t.Fatalf("%s: %d, %v; want %d", principal, got, err, status)
	}
}

// browser is one, with its cookies.
func browser() *http.Client {
	jar, _ := cookiejar.New(nil)
	return &http.Client{Jar: jar}
}

var hiddenField = regexp.MustCompile(`name="browser" value="([^"]*)"`)

// visit returns a page.
func visit(t *testing.T, b *http.Client, to string) (int, string) {
	t.Helper()
	resp, err := b.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	return page(t, resp)
}

func page(t *testing.T, resp *http.Response) (int, string) {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// press opens a link and presses the button there.
func press(t *testing.T, b *http.Client, link string) (int, string) {
	t.Helper()
	status, text := visit(t, b, link)
	m := hiddenField.FindStringSubmatch(text)
	if m == nil {
		return status, text
	}
	resp, err := b.PostForm(link, url.Values{"browser": {m[1]}})
	if err != nil {
		t.Fatal(err)
	}
	return page(t, resp)
}

// logIn has a principal logged in.
func (g *gateway) logIn(principal string) {
	g.t.Helper()
	if status, text := press(g.t, browser(), g.link(principal)); status != 200 || !strings.Contains(text, "docs is connected") {
		g.t.Fatalf("%d: %s", status, text)
	}
}
