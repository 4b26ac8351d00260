package openapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/h1"
	"github.com/fairlead/fairlead/internal/mcp"
)

// Options are limits of all sessions of a Dialer. A zero field means its default.
type Options struct {
	Log       *slog.Logger // default: slog.Default()
	Name      string       // of the user agent; default "fairlead"
	Version   string       // default "dev"
	MaxResult int          // bytes of one answer; 16 MiB
}

// Dialer makes sessions of documents. What it has read of a document is shared by all sessions of a server. It is safe for many
// goroutines.
type Dialer struct {
	o      Options
	client *http.Client

	mu   sync.Mutex
	docs map[string]*source
}

// New returns a Dialer.
func New(o Options) *Dialer {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Name == "" {
		o.Name = "fairlead"
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.MaxResult <= 0 {
		o.MaxResult = 16 << 20
	}
	transport := h1.New(h1.Options{ConnectTimeout: 10 * time.Second, MaxIdlePerHost: 32})
	return &Dialer{o: o, client: &http.Client{Transport: transport, CheckRedirect: sameHost}, docs: map[string]*source{}}
}

// maxHTTPHops bounds the redirects of one request.
const maxHTTPHops = 5

// sameHost follows a redirect only where credentials and body may go: to the same host by the same means.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxHTTPHops || req.URL.Host != first.URL.Host || req.URL.Scheme != first.URL.Scheme || req.Method != first.Method {
		return http.ErrUseLastResponse
	}
	return nil
}

// Dial reads the document of a server and returns a session with it; see [mcp.Dial]. The document is read again by
// Session.ListTools.
func (d *Dialer) Dial(ctx context.Context, server mcp.Server, headers http.Header, _ func()) (mcp.Session, error) {
	s := &session{d: d, server: server, header: joined(server.Headers, headers), done: make(chan struct{})}
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

var _ mcp.Dial = (*Dialer)(nil).Dial

// joined are the config's headers and the caller's; the caller's win.
func joined(config map[string]string, caller http.Header) http.Header {
	h := make(http.Header, len(config)+len(caller))
	for k, v := range config {
		h.Set(k, v)
	}
	for k, v := range caller {
		h[http.CanonicalHeaderKey(k)] = v
	}
	return h
}

// place is where the requests of a server go, and what of its document is offered.
func placeOf(server *mcp.Server) (place, error) {
	p := place{allow: server.Allow, deny: server.Deny}
	if server.URL != "" {
		u, err := url.Parse(server.URL)
		if err != nil || u.Host == "" {
			return p, &mcp.Unavailable{Message: "the server's base URL is not valid"}
		}
		p.base = u
	}
	if isURL(server.Document) {
		u, err := url.Parse(server.Document)
		if err != nil || u.Host == "" {
			return p, &mcp.Unavailable{Message: "the URL of the server's document is not valid"}
		}
		p.source = u
	}
	for name := range server.Headers {
		p.own = append(p.own, strings.ToLower(name))
	}
	return p, nil
}

// isURL reports whether a document is fetched; else it is a file.
func isURL(document string) bool {
	return strings.HasPrefix(document, "http://") || strings.HasPrefix(document, "https://")
}
