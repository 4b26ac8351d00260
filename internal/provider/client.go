// Package provider sends requests to the vendors of models. A Client is one model at one vendor: it writes the request in
// the vendor's wire, sends it, watches its time and classes what goes wrong. What is particular to a vendor is data
// (provider/compat) or a folder below; provider/all lists them.
package provider

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/secret"
	"github.com/fairlead/fairlead/internal/wire"
)

// Config is what a Client is made of.
type Config struct {
	Name     string            // the provider's name: in errors, logs and labels
	BaseURL  string            // as the vendor's own SDK takes it; may carry a query, which every request then has
	Key      secret.String     // empty: none is sent
	Auth     string            // the header that carries the key; empty: Authorization with the scheme Bearer
	Headers  map[string]string // sent with every request; they win over the client's own
	Defaults map[string]string // sent unless Headers or the client's own request have one of that name
	Wire     wire.Upstream
	Errands  Errands
	// Sign puts credentials that are made for each request into its headers, after all others; body is what is sent, nil for
	// none and for one that is too long to be held. It may wait for them, as long as the request's context lasts. Its error goes
	// to the client if it is a *fault.Error, and else says that there are no credentials. Nil for none.
	Sign      func(r *http.Request, body []byte) error
	CodeIn    string // the header in which the vendor names an error whose body does not; empty for none
	Transport http.RoundTripper
	Timeouts  Timeouts
	MaxReply  int64  // bytes of a reply that is no stream; 0: 64 MiB
	UserAgent string // empty: "fairlead"
}

const (
	maxReply = 64 << 20
	maxError = 1 << 20 // of the body of a reply that says what is wrong
	maxDrain = 4 << 10 // of what may follow a reply's end, so that its connection can be used again
)

// Client is one model at one vendor. It keeps no state between requests and may be used by many goroutines.
type Client struct {
	name      string
	wire      wire.Upstream
	paths     wire.Pather // the wire, if its paths depend on the request
	sign      func(r *http.Request, body []byte) error
	codeIn    string
	transport http.RoundTripper
	timeouts  Timeouts
	maxReply  int64
	post      http.Request // copied for each request
	stream    http.Header  // shared by requests, never written
	plain     http.Header
	errands   errands
	fixed     map[string]bool   // headers that no client's request changes
	scrub     *strings.Replacer // takes the secrets out of a text; nil for none
}

var _ llm.Model = (*Client)(nil)

// New returns a Client. An error is a *Mistake that names the field.
func New(c Config) (*Client, error) {
	if c.Wire == nil || c.Transport == nil {
		return nil, errors.New("provider: a wire and a transport are needed")
	}
	path := c.Wire.Path()
	paths, _ := c.Wire.(wire.Pather)
	if paths != nil {
		path = "" // the request says it
	}
	u, err := endpoint(c.BaseURL, path)
	if err != nil {
		return nil, err
	}
	h, err := headers(c)
	if err != nil {
		return nil, err
	}
	if c.MaxReply <= 0 {
		c.MaxReply = maxReply
	}
	cl := &Client{
		name: c.Name, wire: c.Wire, paths: paths, sign: c.Sign, codeIn: c.CodeIn, transport: c.Transport, timeouts: c.Timeouts, maxReply: c.MaxReply,
		post:  http.Request{Method: http.MethodPost, URL: u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1},
		plain: h, stream: maps.Clone(h), fixed: fixed(c, h), scrub: scrubber(c),
	}
	if cl.errands, err = c.Errands.open(h); err != nil {
		return nil, err
	}
	if len(h["Accept"]) == 0 {
		cl.plain["Accept"] = []string{"application/json"}
		cl.stream["Accept"] = []string{"text/event-stream"}
	}
	return cl, nil
}

// Name is the provider's name.
func (c *Client) Name() string { return c.name }

// Wire is the name of the wire that the provider speaks.
func (c *Client) Wire() string { return c.wire.Name() }

// Generate sends req and yields the reply. Errors are of type *fault.Error and carry the provider's name; their Message
// shows no address, key or header. No credential of the caller is sent.
func (c *Client) Generate(ctx context.Context, req *llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		if err := c.generate(ctx, req, yield); err != nil {
			yield(llm.Event{}, err)
		}
	}
}

// exchange is what one request needs, in one piece of memory.
type exchange struct {
	payload payload
	watch   watchdog
	reply   reader
}

// generate returns the error that ends the reply, nil too when the range was broken off.
func (c *Client) generate(ctx context.Context, req *llm.Request, yield func(llm.Event, error) bool) error {
	if req.Errand != nil {
		return c.errand(ctx, req, yield)
	}
	x := new(exchange)
	p, w, r := &x.payload, &x.watch, &x.reply
	p.take()
	defer p.release()
	var err error
	if p.data, err = c.wire.AppendRequest(p.data, req); err != nil {
		return c.failure(c.advise(req, err), "cannot be sent this request")
	}
	w.start(ctx, c.timeouts)
	defer w.stop()
	hr, err := c.request(w.ctx, req, p)
	if err != nil {
		return c.unsigned(ctx, w, err)
	}
	resp, err := c.transport.RoundTrip(hr)
	if err != nil {
		return c.broken(ctx, w, err)
	}
	defer resp.Body.Close()
	p.sent()
	r.body, r.watch, r.left = resp.Body, w, -1
	if resp.StatusCode != http.StatusOK {
		f, _ := c.refusal(ctx, resp, r)
		return f
	}
	contentType := resp.Header.Get("Content-Type")
	if !isStream(contentType) {
		r.left = c.maxReply
	}
	ended := false
	for ev, err := range c.wire.ReadReply(req, contentType, r) {
		if err != nil {
			return c.badReply(ctx, r, err)
		}
		ended = ended || ev.Kind == llm.End
		if !yield(ev, nil) {
			if ended {
				r.drain()
			}
			return nil
		}
	}
	r.drain()
	return nil
}

// request is the request that is sent: a copy of the prepared one. An error is one of Sign.
func (c *Client) request(ctx context.Context, req *llm.Request, p *payload) (*http.Request, error) {
	r := c.post.WithContext(ctx)
	r.Header = c.plain
	if req.Stream {
		r.Header = c.stream
	}
	switch {
	case c.paths != nil:
		r.URL = below(r.URL, c.paths.PathFor(req))
	case req.Op != "":
		r.URL = r.URL.JoinPath(req.Op)
	}
	if len(req.Headers) > 0 && req.Raw.Wire == c.wire.Name() {
		r.Header = c.withOwn(r.Header, req.Headers)
	}
	if call := obs.From(ctx); call.Traced() {
		h := make(http.Header, len(r.Header)+3)
		maps.Copy(h, r.Header)
		call.Headers(func(name, value string) { h[name] = []string{value} })
		r.Header = h
	}
	if c.sign != nil {
		r.Header = r.Header.Clone()
		r.ContentLength = int64(len(p.data))
		if err := c.sign(r, p.data); err != nil {
			return nil, err
		}
	}
	r.Body, r.ContentLength, r.GetBody = p.open(), int64(len(p.data)), p.again
	return r, nil
}

// below returns the URL of a path, which may end in a query, below base.
func below(base *url.URL, path string) *url.URL {
	path, query, _ := strings.Cut(path, "?")
	u := base.JoinPath(path)
	if query != "" && u.RawQuery != "" {
		query = u.RawQuery + "&" + query
	}
	if query != "" {
		u.RawQuery = query
	}
	return u
}

// withOwn returns h with those headers of the client's request that nothing forbids.
func (c *Client) withOwn(h http.Header, own []llm.Header) http.Header {
	out := make(http.Header, len(h)+len(own)+3)
	maps.Copy(out, h)
	for _, o := range own {
		if name := textproto.CanonicalMIMEHeaderKey(o.Name); !c.fixed[name] && !ends(name) && token(o.Name) && printable(o.Value) {
			out[name] = []string{o.Value}
		}
	}
	return out
}

// isStream reports whether a reply of this type has no known end.
func isStream(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.TrimSpace(t)
	return strings.EqualFold(t, "text/event-stream") || strings.EqualFold(t, "application/vnd.amazon.eventstream")
}

// refusal is the error for a reply of another status than 200, and what stands in the reply.
func (c *Client) refusal(ctx context.Context, resp *http.Response, r *reader) (f *fault.Error, body []byte) {
	body, err := io.ReadAll(io.LimitReader(r, maxError))
	if err != nil && ctx.Err() != nil {
		return c.ended(ctx, r.watch), nil
	}
	if resp.StatusCode < 400 {
		return c.fault(fault.Upstream, codeUpstream, "answered with status "+strconv.Itoa(resp.StatusCode)+", which is no reply", nil), nil
	}
	f = c.own(fault.From(c.wire.ReadError(resp.StatusCode, body)))
	if f.Kind == fault.Refused && f.Status == 0 {
		f.Status = resp.StatusCode
	}
	if f.Code == "" && c.codeIn != "" {
		f.Code, _, _ = strings.Cut(resp.Header.Get(c.codeIn), ":") // an address may stand behind it
	}
	if f.RetryAfter == "" {
		f.RetryAfter = resp.Header.Get("Retry-After")
	}
	c.point(f)
	return f, body
}
