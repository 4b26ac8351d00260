// Package login shows MCP servers who asks, by the tokens of OAuth: it finds the authorization server that a server trusts, has
// users log in there, keeps their tokens sealed in the store, and has them renewed by one process of all at a time. Tokens of
// the gateway's own (client credentials) and tokens in place of the caller's (token exchange) are kept alike.
//
// A token belongs to one principal, one server and one authorization server. What a client came to the gateway with is never
// sent to a server.
package login

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/netguard"
	"github.com/fairlead/fairlead/internal/oauth"
	"github.com/fairlead/fairlead/internal/seal"
	"github.com/fairlead/fairlead/internal/store"
)

// Options are what a Keeper works with.
type Options struct {
	Store store.Grants
	Seal  *seal.Ring
	// Base returns the gateway's own address as browsers reach it, without a slash at its end; "": they cannot.
	Base func() string
	// Document is the address of the document that describes the gateway as a client, where authorization servers can read it;
	// "": below Base, if that is https.
	Document string
	Log      *slog.Logger     // default: none
	Now      func() time.Time // default: time.Now

	// For tests: how names are resolved and addresses connected to; nil: as the system does.
	Resolver interface {
		LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	}
	Connect func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Servers are the servers that there are. *mcp.Catalogue is some.
type Servers interface {
	Server(name string) (mcp.Server, bool)
	LoggedIn(principal, server string)
}

// Keeper keeps tokens. Its methods may be called side by side.
type Keeper struct {
	o       Options
	http    *http.Client
	servers Servers

	mu      sync.Mutex
	sites   map[string]*site
	wallets map[string]*wallet
}

// New returns a Keeper.
func New(o Options) *Keeper {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Base == nil {
		o.Base = func() string { return "" }
	}
	k := &Keeper{o: o, sites: map[string]*site{}, wallets: map[string]*wallet{}}
	k.http = guarded(&netguard.Dialer{Resolver: o.Resolver, Connect: o.Connect})
	return k
}

// Serve tells the Keeper of the servers that there are. It is called once, before others use the Keeper.
func (k *Keeper) Serve(s Servers) { k.servers = s }

// The bounds of what is remembered in the process; what is forgotten is read from the store again.
const (
	maxSites   = 1024
	maxWallets = 16 << 10
)

// Authorize returns what shows a server who asks; see [mcp.Options].
func (k *Keeper) Authorize(s *mcp.Server, c mcp.Caller) (mcp.Authorizer, string) {
	switch s.Auth.Type {
	case "client_credentials":
		return &own{k.wallet(s, "", ownToken)}, ""
	case "token_exchange":
		return &exchange{k: k, server: *s, subject: c.Token}, cmp.Or(c.Principal, "\x00") + "\x00" + digest(c.Token.Reveal())
	}
	return &user{k.wallet(s, c.Principal, userToken), c.Who}, cmp.Or(c.Principal, "\x00")
}

// wallet returns a principal's token for a server, as far as it is known here.
func (k *Keeper) wallet(s *mcp.Server, principal, kind string) *wallet {
	key := kind + "\x00" + s.Name + "\x00" + s.URL + "\x00" + principal
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.wallets[key]
	if w == nil || w.server.Auth != s.Auth && !reflect.DeepEqual(w.server.Auth, s.Auth) {
		if len(k.wallets) >= maxWallets {
			clear(k.wallets) // those in use stay with those who use them
		}
		w = &wallet{k: k, server: *s, principal: principal, kind: kind}
		k.wallets[key] = w
	}
	return w
}

// trusted is the key under which a context has the hosts that the operator has named.
type trusted struct{}

// client returns what asks about tokens for one server. The hosts of its address, and of those of the config, are the operator's
// own word.
func (k *Keeper) client(ctx context.Context, s *mcp.Server) (context.Context, *oauth.Client) {
	var hosts []string
	for _, a := range []string{s.URL, s.Auth.Issuer, s.Auth.TokenURL} {
		if h := hostOf(a); h != "" {
			hosts = append(hosts, h)
		}
	}
	trusts := func(host string) bool {
		for _, h := range hosts {
			if strings.EqualFold(h, host) {
				return true
			}
		}
		return false
	}
	return context.WithValue(ctx, trusted{}, trusts), &oauth.Client{HTTP: k.http, Trusts: trusts}
}

// asking bounds one request to an authorization server.
const asking = 15 * time.Second

// guarded returns an HTTP client that connects to hosts that the operator has named, and else to public addresses only. It keeps
// no connection: one that was made in trust would be there for those who have it not.
func guarded(d *netguard.Dialer) *http.Client {
	tr := &http.Transport{
		DisableKeepAlives: true, TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10, ResponseHeaderTimeout: asking,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			if trusts, ok := ctx.Value(trusted{}).(func(string) bool); ok && trusts(host) {
				connect := d.Connect
				if connect == nil {
					connect = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
				}
				return connect(ctx, network, addr)
			}
			if netguard.Named(host) {
				if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil || !netguard.Public(ip) {
					return nil, netguard.ErrRefused
				}
			}
			return d.DialContext(ctx, network, addr)
		},
	}
	return &http.Client{Transport: tr, Timeout: asking, CheckRedirect: hops}
}

// maxHops bounds the redirects of one request.
const maxHops = 3

// hops follows redirects of documents only, and never to a place without TLS. Every hop is dialled as the first address is.
func hops(req *http.Request, via []*http.Request) error {
	if len(via) > maxHops || via[0].Method != http.MethodGet || req.URL.Scheme != "https" && req.URL.Scheme != via[0].URL.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}

// told is an error as clients may see it; the log gets the cause.
func (k *Keeper) told(s *mcp.Server, doing string, err error) error {
	if err == nil {
		return nil
	}
	if login := mcp.Login(err); login != nil {
		return login
	}
	if e, ok := errors.AsType[*mcp.Unavailable](err); ok {
		return e
	}
	message := doing + " failed"
	u, unusable := errors.AsType[*oauth.Unusable](err)
	r, refused := errors.AsType[*oauth.Refusal](err)
	switch {
	case errors.Is(err, netguard.ErrRefused):
		message = "its authorization server is at an address that is not a public one, and the config does not name it (auth.issuer)"
	case unusable:
		message = u.Message
	case refused:
		message = doing + " failed: " + r.Error()
		k.o.Log.Warn("an authorization server has refused", "server", s.Name, "doing", doing, "code", r.Code)
		return &mcp.Unavailable{Message: message, Err: err}
	}
	k.o.Log.Warn("a token for an MCP server could not be had", "server", s.Name, "doing", doing, "error", err)
	return &mcp.Unavailable{Message: message, Err: err}
}
