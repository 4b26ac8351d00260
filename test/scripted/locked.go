package scripted

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
)

// Locked is an MCP server that wants tokens, and the authorization server that issues them, on one address.
type Locked struct {
	*httptest.Server
	mu        sync.Mutex
	life      int // of tokens, in seconds
	challenge map[string]string
	good      map[string]bool // access and refresh tokens
	renewals  int
	seen      []string // all values of headers and forms that came
}

// NewLocked puts a lock before tools, at the path /mcp.
func NewLocked(t *testing.T, tools http.Handler) *Locked {
	t.Helper()
	l := &Locked{life: 3600, challenge: map[string]string{}, good: map[string]bool{}}
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

func (l *Locked) token(w http.ResponseWriter, r *http.Request) {
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

// Revoke makes all tokens bad that there are.
func (l *Locked) Revoke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.good = map[string]bool{}
}

var (
	link   = regexp.MustCompile(`open (http://[^ "]+/oauth/login/[\w-]+) in a browser`)
	button = regexp.MustCompile(`name="browser" value="([^"]*)"`)
)

// Link is the link to log in that is in an answer, or "".
func Link(answer []byte) string {
	if m := link.FindSubmatch(answer); m != nil {
		return string(m[1])
	}
	return ""
}

// LogIn follows a link to log in as a user does, and returns what the last page says.
func LogIn(t *testing.T, link string) string {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	page := func(method, body string) string {
		req, err := http.NewRequestWithContext(t.Context(), method, link, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := browser.Do(req)
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
	form := button.FindStringSubmatch(page(http.MethodGet, ""))
	if form == nil {
		t.Fatal("the page has no form")
	}
	return page(http.MethodPost, url.Values{"browser": {form[1]}}.Encode())
}

// Life sets for how many seconds tokens are good that are issued from now on.
func (l *Locked) Life(seconds int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.life = seconds
}

// Renewals is how often a token was to be renewed.
func (l *Locked) Renewals() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.renewals
}

// Seen are the values of all headers and forms that came.
func (l *Locked) Seen() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.seen)
}
