package login_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/login"
	"github.com/fairlead/fairlead/internal/store"
	"github.com/fairlead/fairlead/internal/store/postgres"
)

// trap connects to the hosts that it allows, and notes all others.
type trap struct {
	allow string
	mu    sync.Mutex
	tried []string
}

func (tr *trap) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	if addr == tr.allow {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.tried = append(tr.tried, addr)
	return nil, errors.New("trapped")
}

// names resolves every name to what it says first, and then to what it says next: a name that is public only when it is looked at.
type names struct {
	ips []string
	n   atomic.Int32
}

func (n *names) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	i := min(int(n.n.Add(1))-1, len(n.ips)-1)
	return []netip.Addr{netip.MustParseAddr(n.ips[i])}, nil
}

// TestAttack03MetadataInside: whatever a server and its authorization server name that leads inside is never connected to, in
// whatever spelling and behind whatever redirect; only the host that the config names is.
func TestAttack03MetadataInside(t *testing.T) {
	inside := []string{
		"https://169.254.169.254", "https://[::ffff:127.0.0.1]", "https://[::ffff:a9fe:a9fe]", "https://0x7f.1", "https://2130706433", "https://127.1",
		"https://localhost", "https://localhost.", "https://LOCALHOST:8443", "https://10.1.2.3", "https://[fd00::1]", "https://[::1]", "https://rebound.example.com",
		"http://169.254.169.254", "http://public.example.com", "file:///etc/passwd", "gopher://10.0.0.1", "https://user@127.0.0.2", "//127.0.0.2",
	}
	for _, address := range inside {
		t.Run(address, func(t *testing.T) {
			for what, set := range map[string]func(p *protected, as *issuer){
				"issuer":       func(p *protected, _ *issuer) { p.resource["authorization_servers"] = []string{address} },
				"registration": func(_ *protected, as *issuer) { as.metadata["registration_endpoint"] = address + "/register" },
				"token":        func(_ *protected, as *issuer) { as.metadata["token_endpoint"] = address + "/token" },
				"challenge": func(p *protected, _ *issuer) {
					p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+address+`/meta"`)
						w.WriteHeader(http.StatusUnauthorized)
					})
				},
				"redirect": func(p *protected, _ *issuer) {
					inner := p.Config.Handler
					p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if r.URL.Path == "/meta" {
							http.Redirect(w, r, address+"/meta", http.StatusFound)
							return
						}
						inner.ServeHTTP(w, r)
					})
				},
			} {
				as := newIssuer(t)
				p := newProtected(t, as)
				p.resource["authorization_servers"] = []string{as.URL}
				set(p, as)
				tr := &trap{}
				resolver := &names{ips: []string{"127.0.0.1"}}
				g := newGateway(t, p, login.Options{Resolver: resolver, Connect: func(ctx context.Context, network, addr string) (net.Conn, error) {
					host, _, _ := net.SplitHostPort(addr)
					if host == "127.0.0.1" && (strings.HasSuffix(p.URL, addr) || strings.HasSuffix(as.URL, addr)) {
						return (&net.Dialer{}).DialContext(ctx, network, addr)
					}
					return tr.connect(ctx, network, addr)
				}})
				_, err := g.ask("alice")
				if l := mcp.Login(err); l != nil {
					if status, text := press(t, browser(), l.URL); status == 200 {
						t.Errorf("%s: a login came of it: %s", what, text)
					}
				} else if err == nil {
					t.Errorf("%s: nothing is refused", what)
				} else if strings.Contains(mcp.SafeMessage(err), strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://")) {
					t.Errorf("%s: the error shows the address: %v", what, err)
				}
				if len(tr.tried) > 0 {
					t.Errorf("%s: connected to %v", what, tr.tried)
				}
			}
		})
	}
	t.Run("public then private", func(t *testing.T) {
		as := newIssuer(t)
		p := newProtected(t, as)
		p.resource["authorization_servers"] = []string{"https://as.example.com"}
		tr := &trap{allow: strings.TrimPrefix(p.URL, "http://")}
		g := newGateway(t, p, login.Options{Resolver: &names{ips: []string{"93.184.216.34", "127.0.0.1"}}, Connect: tr.connect})
		for range 3 {
			if _, err := g.ask("alice"); err == nil || mcp.Login(err) != nil {
				t.Errorf("%v", err)
			}
		}
		for _, addr := range tr.tried {
			if addr != "93.184.216.34:443" {
				t.Errorf("connected to %s", addr)
			}
		}
		if len(tr.tried) == 0 {
			t.Error("the public address was not tried")
		}
	})
}

// TestAttack04AuthorizationURL: users are sent to addresses of the web only, by TLS unless the config names the host.
func TestAttack04AuthorizationURL(t *testing.T) {
	for _, address := range []string{
		"javascript:alert(1)//x", "file:///etc/passwd", "data:text/html,x", "http://$(cmd)/", "http://a b/", "vscode://x/y", "JaVaScRiPt://x/%0aalert(1)", "http://evil.example.com/a",
		"https://user:pass@as.example.com/", "https:///x", "//as.example.com/x", "",
	} {
		as := newIssuer(t)
		as.metadata["authorization_endpoint"] = address
		g := newGateway(t, newProtected(t, as), login.Options{})
		if status, err := g.ask("alice"); err == nil || mcp.Login(err) != nil || status == 200 {
			t.Errorf("%s: %d, %v", address, status, err)
		} else if _, ok := errors.AsType[*mcp.Unavailable](err); !ok {
			t.Errorf("%s: %v says nothing to the user", address, err)
		}
	}
}

// TestAttack10ScopesAsChallenged: a login asks for what the server's challenge names, and for more only when the server wants more.
func TestAttack10ScopesAsChallenged(t *testing.T) {
	as := newIssuer(t)
	p := newProtected(t, as)
	p.scope = "read"
	g := newGateway(t, p, login.Options{})
	g.logIn("alice")
	if got := as.last().Get("scope"); got != "read" {
		t.Errorf("asked for %q", got)
	}
	p.mu.Lock()
	p.lacks = "write"
	p.mu.Unlock()
	g.logIn("alice")
	if got := as.last().Get("scope"); got != "read write" {
		t.Errorf("asked for %q", got)
	}
	g.want("alice", 403) // it has what the server wants: another login would change nothing
	p.mu.Lock()
	p.lacks = ""
	p.mu.Unlock()
	g.want("alice", 200)

	as.mu.Lock()
	as.grants = "read" // whatever is asked for
	as.mu.Unlock()
	p.mu.Lock()
	p.lacks, p.scope = "admin", ""
	p.mu.Unlock()
	g.logIn("alice")
	g.link("alice")
	if got := as.last().Get("scope"); got != "read write admin" {
		t.Errorf("asked for %q", got)
	}
}

// TestAttack11WrongIssuer: an answer from another authorization server than was asked redeems no code, metadata of another issuer
// are not used, and a server that turns to another authorization server starts from nothing.
func TestAttack11WrongIssuer(t *testing.T) {
	for _, said := range []string{"https://evil.example.com", "-"} {
		as := newIssuer(t)
		as.wrongIss = said
		g := newGateway(t, newProtected(t, as), login.Options{})
		if status, text := press(t, browser(), g.link("alice")); status != 400 || !strings.Contains(text, "authorization server") {
			t.Errorf("%s: %d %s", said, status, text)
		}
		if len(as.asked) != 0 {
			t.Errorf("%s: a code was redeemed", said)
		}
		g.link("alice")
	}
	for _, said := range []string{"https://evil.example.com", ""} {
		as := newIssuer(t)
		as.metadata["issuer"] = said
		g := newGateway(t, newProtected(t, as), login.Options{})
		if _, err := g.ask("alice"); err == nil || mcp.Login(err) != nil {
			t.Errorf("issuer %q: %v", said, err)
		}
	}
	old, next := newIssuer(t), newIssuer(t)
	p := newProtected(t, old)
	g := newGateway(t, p, login.Options{})
	g.logIn("alice")
	p.mu.Lock()
	p.as, p.resource["authorization_servers"] = next, []string{next.URL}
	p.mu.Unlock()
	g.logIn("alice")
	g.want("alice", 200)
	if n := len(old.grantsOf("refresh_token")); n != 0 || next.clients != 1 {
		t.Errorf("%d renewals at the old one, %d clients at the new one", n, next.clients)
	}
	for _, f := range append(slices.Clone(next.asked), next.sent...) {
		if strings.Contains(f.Encode(), url.QueryEscape(old.URL)) {
			t.Errorf("the new one was shown what came from the old one: %v", f)
		}
	}
	p.mu.Lock()
	p.as, p.resource["authorization_servers"] = old, []string{old.URL}
	p.mu.Unlock()
	g.logIn("alice")
	if old.clients != 2 {
		t.Error("the first registration was kept")
	}
}

// TestAttack11ResourceOfAnother: metadata about another server than was asked are not used.
func TestAttack11ResourceOfAnother(t *testing.T) {
	for _, id := range []string{"https://evil.example.com/mcp", "", "%s/mcp2", "%s/mcp/deeper", "%s/mcp#x", "%s/mc"} {
		as := newIssuer(t)
		p := newProtected(t, as)
		p.resource["resource"] = strings.Replace(id, "%s", p.URL, 1)
		if _, err := newGateway(t, p, login.Options{}).ask("alice"); err == nil || mcp.Login(err) != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// TestAttack12PKCEDowngrade: an authorization server that does not say that it takes S256 is refused; the resource is named when a
// user is sent there, when the code is redeemed and when the token is renewed, to the letter.
func TestAttack12PKCEDowngrade(t *testing.T) {
	for _, methods := range [][]string{nil, {}, {"plain"}, {"s256"}} {
		as := newIssuer(t)
		as.metadata["code_challenge_methods_supported"] = methods
		g := newGateway(t, newProtected(t, as), login.Options{})
		if _, err := g.ask("alice"); err == nil || mcp.Login(err) != nil || !strings.Contains(mcp.SafeMessage(err), "S256") {
			t.Errorf("%v: %v", methods, err)
		}
	}
	as := newIssuer(t)
	as.life = 1
	p := newProtected(t, as)
	p.resource["resource"] = p.URL // without a path, and without a slash
	g := newGateway(t, p, login.Options{})
	g.logIn("alice")
	g.want("alice", 200)
	if q := as.last(); q.Get("resource") != p.URL || q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" {
		t.Errorf("%v", q)
	}
	for _, kind := range []string{"authorization_code", "refresh_token"} {
		if got := as.grantsOf(kind); len(got) != 1 || got[0].Get("resource") != p.URL {
			t.Errorf("%s: %v", kind, got)
		}
	}
}

// TestAttack13RefreshRace: of a hundred calls that find the token over, in two replicas on one store, one renews it, with a token
// that is good once, and none fails.
func TestAttack13RefreshRace(t *testing.T) {
	dir := t.TempDir()
	stores := map[string]func(t *testing.T) store.Grants{
		"sqlite": func(t *testing.T) store.Grants { return fileStore(t, dir) },
	}
	if address := os.Getenv("FAIRLEAD_TEST_POSTGRES"); address != "" {
		stores["postgres"] = func(t *testing.T) store.Grants {
			s, err := postgres.Open(t.Context(), address, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return s
		}
	}
	for name, open := range stores {
		for _, revoked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, revoked %v", name, revoked), func(t *testing.T) {
				as := newIssuer(t)
				p := newProtected(t, as)
				replicas := []*gateway{newGateway(t, p, login.Options{Store: open(t)}), newGateway(t, p, login.Options{Store: open(t)})}
				if !revoked {
					as.life = 1
				}
				replicas[0].logIn("alice")
				if revoked { // both know the token, which the server refuses from now on
					replicas[0].want("alice", 200)
					replicas[1].want("alice", 200)
					p.mu.Lock()
					for token := range as.access {
						p.revoked[token] = true
					}
					p.mu.Unlock()
				}
				as.mu.Lock()
				as.life = 3600
				as.mu.Unlock()
				var wg sync.WaitGroup
				begin := make(chan struct{})
				var failed atomic.Int32
				for i := range 100 {
					wg.Go(func() {
						<-begin
						if status, err := replicas[i%2].ask("alice"); err != nil || status != 200 {
							t.Errorf("%d: %v", status, err)
							failed.Add(1)
						}
					})
				}
				close(begin)
				wg.Wait()
				if n := len(as.grantsOf("refresh_token")); n != 1 || failed.Load() != 0 {
					t.Errorf("%d renewals, %d failures", n, failed.Load())
				}
			})
		}
	}
}
