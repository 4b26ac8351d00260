package state

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/test/gateway"
)

// locked is an MCP server that wants tokens, and the authorization server that issues them, on one address.
type locked struct {
	*httptest.Server
	mu        sync.Mutex
	life      int // of tokens, in seconds
	challenge map[string]string
	good      map[string]bool // access and refresh tokens
	renewals  int
	seen      []string // all values of headers and forms that came
}

func newLocked(t *testing.T, tools http.Handler) *locked {
	t.Helper()
	l := &locked{life: 3600, challenge: map[string]string{}, good: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/oauth-protected-resource/mcp", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, map[string]any{"resource": l.URL + "/mcp", "authorization_servers": []string{l.URL}})
	})
	mux.HandleFunc("/.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, map[string]any{
			"issuer": l.URL, "authorization_endpoint": l.URL + "/authorize", "token_endpoint": l.URL + "/token", "registration_endpoint": l.URL + "/register",
			"code_challenge_methods_supported": []string{"S256"}, "token_endpoint_auth_methods_supported": []string{"none"},
		})
	})
	mux.HandleFunc("/register", func(w http.ResponseWriter, _ *http.Request) { reply(w, 201, map[string]any{"client_id": "registered"}) })
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		code := rand.Text()
		l.mu.Lock()
		l.challenge[code] = q.Get("code_challenge")
		l.mu.Unlock()
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("/token", l.token)
	mux.HandleFunc("/mcp", func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		l.mu.Lock()
		good := l.good[token]
		for name, v := range r.Header {
			if token := strings.Join(v, " "); name != "Authorization" || !good {
				l.seen = append(l.seen, token)
			}
		}
		l.mu.Unlock()
		if !good {
			w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+l.URL+`/.well-known/oauth-protected-resource/mcp"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		tools.ServeHTTP(w, r)
	})
	l.Server = httptest.NewServer(mux)
	t.Cleanup(l.Close)
	return l
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, v)
}

func (l *locked) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	f := r.PostForm
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range f {
		l.seen = append(l.seen, v...)
	}
	sum := sha256.Sum256([]byte(f.Get("code_verifier")))
	ok := f.Get("resource") == l.URL+"/mcp"
	if f.Get("grant_type") == "refresh_token" {
		l.renewals++
		ok = ok && l.good[f.Get("refresh_token")]
		delete(l.good, f.Get("refresh_token")) // each is good once
	} else {
		ok = ok && l.challenge[f.Get("code")] == base64.RawURLEncoding.EncodeToString(sum[:])
		delete(l.challenge, f.Get("code"))
	}
	if !ok {
		reply(w, 400, map[string]string{"error": "invalid_grant"})
		return
	}
	access, refresh := rand.Text(), rand.Text()
	l.good[access], l.good[refresh] = true, true
	reply(w, 200, map[string]any{"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": l.life})
}

// revoke makes all tokens bad that there are.
func (l *locked) revoke(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.life = 3600
	l.good = map[string]bool{}
}

var (
	link   = regexp.MustCompile(`open (http://[^ "]+/oauth/login/[\w-]+) in a browser`)
	button = regexp.MustCompile(`name="browser" value="([^"]*)"`)
)

// logIn follows the link in an answer as a user does.
func logIn(t *testing.T, answer []byte) {
	t.Helper()
	m := link.FindSubmatch(answer)
	if m == nil {
		t.Fatalf("there is no link in %s", answer)
	}
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	page := func(resp *http.Response, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %v %s", resp.StatusCode, err, b)
		}
		return string(b)
	}
	form := button.FindStringSubmatch(page(browser.Get(string(m[1]))))
	if form == nil {
		t.Fatal("the page has no form")
	}
	if text := page(browser.PostForm(string(m[1]), url.Values{"browser": {form[1]}})); !strings.Contains(text, "docs is connected") {
		t.Fatal(text)
	}
}

// TestLogins: a user logs in to a server by the link in a reply, on one process, and is let in on every other one that shares the
// store. At the token's end, a hundred calls on two processes have it renewed once, and none fails.
func TestLogins(t *testing.T) {
	stores := map[string]string{"sqlite": filepath.Join(t.TempDir(), "store.db")}
	if address := os.Getenv("FAIRLEAD_TEST_POSTGRES"); address != "" {
		stores["postgres"] = address
	}
	for name, store := range stores {
		t.Run(name, func(t *testing.T) { testLogins(t, store) })
	}
}

func testLogins(t *testing.T, store string) {
	p := newPeers(t)
	tools := mcptest.New(mcptest.Spec{Tools: []mcptest.Tool{{Name: "mark", Func: p.mark}}})
	t.Cleanup(tools.Close)
	l := newLocked(t, tools.HTTP())
	config := gateway.Config(p.model.URL(), fmt.Sprintf("marks: {url: %q}", p.mcp), fmt.Sprintf("docs: {url: %q, auth: {type: oauth}}", l.URL+"/mcp")) +
		fmt.Sprintf("store: %q\nsecrets: [%q]\n", store, "a-secret-of-both-replicas")
	a, b := gateway.Start(t, config), gateway.Start(t, config)
	get := func(g *gateway.Gateway, method, path string, body any, want int) []byte {
		t.Helper()
		status, raw, err := send(t.Context(), g, method, path, body)
		if err != nil || status != want {
			t.Fatalf("%s: %d %v %s", path, status, err, raw)
		}
		return raw
	}
	chat := func(servers string) any {
		return map[string]any{
			"model": "m", "messages": []any{map[string]any{"role": "user", "content": "hello"}},
			"tools": []any{map[string]any{"type": "mcp", "server_label": "x", "server_url": "fairlead/mcp/" + servers, "require_approval": "never"}},
		}
	}
	const completions, listed, called = "/v1/chat/completions", "/mcp-rest/tools/list", "/mcp-rest/tools/call"
	if raw := get(a, http.MethodPost, completions, chat("docs"), http.StatusFailedDependency); !link.Match(raw) {
		t.Errorf("there is no link in %s", raw)
	}
	raw := get(a, http.MethodPost, completions, chat("docs,marks"), http.StatusOK)
	if !strings.Contains(string(raw), `"mcp_errors":[{"server":"docs"`) || !strings.Contains(string(raw), "marks-mark") {
		t.Errorf("a reply of the other server is %s", raw)
	}
	l.mu.Lock()
	l.life = 1 // it is over when it is there
	l.mu.Unlock()
	logIn(t, get(b, http.MethodGet, listed, nil, http.StatusOK))
	l.mu.Lock()
	l.life = 3600
	l.mu.Unlock()
	hundred := func(renewals int) {
		t.Helper()
		var wg sync.WaitGroup
		for i := range 100 {
			g := a
			if i%2 == 1 {
				g = b
			}
			wg.Go(func() {
				status, raw, err := send(t.Context(), g, http.MethodPost, called, map[string]any{"server_id": "docs", "name": "mark", "arguments": map[string]any{"mark": "x"}})
				if err != nil || status != http.StatusOK || !strings.Contains(string(raw), "marked x") {
					t.Errorf("%d %v %s", status, err, raw)
				}
			})
		}
		wg.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.renewals != renewals {
			t.Errorf("%d renewals, want %d", l.renewals, renewals)
		}
	}
	hundred(1)
	hundred(1)
	get(b, http.MethodPost, completions, chat("docs"), http.StatusOK)
	l.revoke(t)
	raw = get(a, http.MethodPost, called, map[string]any{"server_id": "docs", "name": "mark", "arguments": map[string]any{"mark": "x"}}, http.StatusOK)
	if !strings.Contains(string(raw), `"isError":true`) {
		t.Errorf("a server that takes the token no more: %s", raw)
	}
	logIn(t, raw)
	hundred(2)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range l.seen {
		if strings.Contains(v, gateway.Key) || strings.Contains(v, "a-secret-of-both-replicas") {
			t.Errorf("a secret of the gateway went out: %s", v)
		}
	}
}
