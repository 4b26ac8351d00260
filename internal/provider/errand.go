package provider

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/wire"
)

// Errands say where a vendor has its endpoints beside the one that generates. The zero value: nowhere.
type Errands struct {
	// BaseURL is the URL below which they are, at the paths that OpenAI's API has below its /v1.
	BaseURL string
	// Elsewhere are the paths of those that are not, from the root of the host, by OpenAI's paths.
	Elsewhere map[string]string
	Model     string // the name that the vendor knows the model by; empty: whatever the request says
}

// errands is what a Client makes of it.
type errands struct {
	base      *url.URL // nil: there are none
	elsewhere map[string]string
	model     string
	header    http.Header // of every errand
	accept    bool        // header has an Accept of the config's
}

func (e Errands) open(h http.Header) (errands, error) {
	if e.BaseURL == "" {
		return errands{}, nil
	}
	u, err := endpoint(e.BaseURL, "")
	if err != nil {
		return errands{}, err
	}
	h = h.Clone()
	delete(h, "Content-Type")
	return errands{base: u, elsewhere: e.Elsewhere, model: e.Model, header: h, accept: len(h["Accept"]) > 0}, nil
}

// url is where an errand goes.
func (e *errands) url(a *llm.Errand) *url.URL {
	base, path := e.base, a.Path
	if other, ok := e.elsewhere[path]; ok {
		u := *base
		u.Path, u.RawPath = "/", ""
		base, path = &u, other
	}
	if a.Query != "" {
		path += "?" + a.Query
	}
	return below(base, path)
}

// errand runs an errand. It returns the error that ends the reply, nil too when the range was broken off. A refusal has the
// provider's own words as its cause, a *fault.Said, if they are JSON.
func (c *Client) errand(ctx context.Context, req *llm.Request, yield func(llm.Event, error) bool) error {
	a := req.Errand
	if c.errands.base == nil {
		return c.own(&fault.Error{
			Kind: fault.Invalid, Code: "unsupported_endpoint", Param: "model",
			Message: "the model " + req.Model + " runs at " + c.name + ", which the gateway cannot ask for " + a.Path + "; name a model of a provider that has it",
		})
	}
	x := new(exchange)
	p, w, r := &x.payload, &x.watch, &x.reply
	p.take()
	defer p.release()
	var load llm.Load
	if a.Body != nil {
		var err error
		if load, err = a.Body.Open(p.data, cmp.Or(c.errands.model, req.Model)); err != nil {
			return c.failure(err, "cannot be sent this request")
		}
		if load.Stream == nil {
			p.data = load.Data
		}
	}
	w.start(ctx, c.timeouts)
	defer w.stop()
	up := &upload{from: load.Stream, watch: w}
	defer func() { _ = up.Close() }()
	hr, err := c.errandRequest(w.ctx, req, p, load, up)
	if err != nil {
		return c.unsigned(ctx, w, err)
	}
	resp, err := c.transport.RoundTrip(hr)
	if err != nil {
		return c.broken(ctx, w, cmp.Or(up.failed(), err))
	}
	defer resp.Body.Close()
	p.sent()
	r.body, r.watch, r.left = resp.Body, w, -1
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		f, body := c.refusal(ctx, resp, r)
		c.quote(f, resp, body)
		return f
	}
	d := delivery{resp: resp, yield: yield}
	relays.Pass(resp.Header.Get("Content-Type"), r, &d, d.pass)
	if d.err != nil {
		return c.badReply(ctx, r, d.err)
	}
	if d.ended {
		r.drain()
	}
	return nil
}

func (c *Client) errandRequest(ctx context.Context, req *llm.Request, p *payload, load llm.Load, up *upload) (*http.Request, error) {
	a := req.Errand
	r := c.post.WithContext(ctx)
	r.Method, r.URL, r.Header = a.Method, c.errands.url(a), c.errands.header.Clone()
	for _, h := range a.Headers {
		if h.Name != "Accept" || !c.errands.accept {
			r.Header[h.Name] = []string{h.Value}
		}
	}
	obs.From(ctx).Headers(func(name, value string) { r.Header[name] = []string{value} })
	var data []byte
	if load.ContentType != "" {
		r.Header["Content-Type"] = []string{load.ContentType}
		if load.Stream == nil {
			data = p.data
		}
	}
	if c.sign != nil {
		r.ContentLength = int64(len(data))
		if err := c.sign(r, data); err != nil {
			return nil, err
		}
	}
	switch {
	case load.Stream != nil:
		r.Body, r.ContentLength = up, -1
	case data != nil:
		r.Body, r.ContentLength, r.GetBody = p.open(), int64(len(data)), p.again
	}
	return r, nil
}

// quote puts the provider's own words beside an error, without secrets.
func (c *Client) quote(f *fault.Error, resp *http.Response, body []byte) {
	if f.Kind != fault.Refused || len(body) >= maxError || jsonedit.Kind(body) != '{' || !jsonedit.Valid(body) {
		return
	}
	if c.scrub != nil {
		body = []byte(c.scrub.Replace(string(body)))
	}
	f.Err = &fault.Said{ContentType: resp.Header.Get("Content-Type"), Body: body}
}

// upload is a body that arrives while it is sent on. While the gateway waits for more of it the provider is not late.
type upload struct {
	from  io.ReadCloser
	watch *watchdog
	mu    sync.Mutex
	err   error
}

// Read reads from the body.
func (u *upload) Read(p []byte) (int, error) {
	u.watch.lent(true)
	n, err := u.from.Read(p)
	u.watch.lent(false)
	if err != nil && !errors.Is(err, io.EOF) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.err = err
	}
	return n, err
}

// failed is what the body failed with, or nil.
func (u *upload) failed() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// Close ends the use of the body.
func (u *upload) Close() error {
	if u.from == nil {
		return nil
	}
	return u.from.Close()
}

var relays wire.Relay

// delivery passes the reply to an errand on.
type delivery struct {
	resp  *http.Response
	yield func(llm.Event, error) bool
	begun bool
	ended bool
	err   error
}

var _ wire.Watcher = (*delivery)(nil)

// Pass leaves everything as it is.
func (d *delivery) Pass(b []byte) []byte { return b }

// Done reports whether b has the mark of a stream's end.
func (d *delivery) Done(b []byte) bool { return wire.DoneLine(b) }

// End finds the usage of a reply that has some.
func (d *delivery) End(lead, tail []byte, err error) (llm.Event, error) {
	if !errors.Is(err, io.EOF) {
		return llm.Event{}, err
	}
	ev := llm.Event{Kind: llm.End}
	if kind := d.resp.Header.Get("Content-Type"); wire.IsStream(kind) || isJSON(kind) {
		if ev.Usage = errandUsage(tail); ev.Usage == nil {
			ev.Usage = errandUsage(lead)
		}
	}
	return ev, nil
}

// pass completes the head of the first event, which a reply without a body has, too.
func (d *delivery) pass(ev llm.Event, err error) bool {
	if err != nil {
		d.err = err
		return false
	}
	if !d.begun {
		d.begun = true
		head := d.head()
		if ev.Kind == llm.End && !d.yield(llm.Event{Kind: llm.Opaque, Head: head}, nil) {
			return false
		}
		ev.Head = head
	}
	d.ended = d.ended || ev.Kind == llm.End
	return d.yield(ev, nil)
}

// passed are the headers of a reply that concern the client.
var passed = []string{"Content-Disposition", "Content-Encoding", "Openai-Model", "Openai-Processing-Ms", "Openai-Version"}

func (d *delivery) head() *llm.Head {
	h := &llm.Head{ContentType: d.resp.Header.Get("Content-Type"), Status: d.resp.StatusCode, Length: d.resp.ContentLength}
	for _, name := range passed {
		if v := d.resp.Header.Get(name); v != "" {
			h.Headers = append(h.Headers, llm.Header{Name: name, Value: v})
		}
	}
	return h
}

func isJSON(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	return t == "application/json" || strings.HasSuffix(t, "+json")
}

// errandUsage reads the last usage object of b: that of completions and embeddings (prompt_tokens, completion_tokens), of images
// and transcriptions (input_tokens, output_tokens), each from OpenAI's API reference; Jina's rerank (total_tokens alone); and
// Cohere's tokens and billed_units (https://docs.cohere.com/reference/rerank).
func errandUsage(b []byte) *llm.Usage {
	for _, name := range []string{`"usage"`, `"tokens"`, `"billed_units"`} {
		if raw := wire.LastObject(b, name); raw != nil {
			if u := countsOf(raw); u != nil {
				return u
			}
		}
	}
	return nil
}

func countsOf(raw []byte) *llm.Usage {
	n := func(path ...string) int64 {
		v, _ := jsonedit.Int(jsonedit.Get(raw, path...))
		return max(v, 0)
	}
	in, out := cmp.Or(n("prompt_tokens"), n("input_tokens")), cmp.Or(n("completion_tokens"), n("output_tokens"))
	if in+out == 0 {
		in = n("total_tokens")
	}
	if in+out == 0 {
		return nil
	}
	u := &llm.Usage{Known: true}
	u.CacheRead = min(in, cmp.Or(n("prompt_tokens_details", "cached_tokens"), n("input_tokens_details", "cached_tokens")))
	u.AudioInput = min(in-u.CacheRead, n("input_token_details", "audio_tokens"))
	u.Input = in - u.CacheRead - u.AudioInput
	u.Output = out
	return u
}
