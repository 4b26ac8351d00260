package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/sse"
)

// events is the transport of 2024: one stream for all that the server says, and posts to an endpoint that it names.
type events struct {
	web            // its requests, headers and errors; url becomes the endpoint
	body io.Closer // the stream
	stop context.CancelFunc
}

// dialSSE opens a session over HTTP+SSE.
func (d *Dialer) dialSSE(ctx context.Context, t target) (*session, error) {
	s, w := d.webSession(t)
	s.http = false
	e := &events{web: web{p: s.peer, o: d.o, client: w.client, url: t.URL, base: w.base, auth: w.auth}}
	s.t, s.reply = e, e.answer
	err := e.connect(ctx)
	if err == nil {
		err = s.initialize(ctx, t.legacyRevision())
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	d.remember(t.URL, era{legacy: true, sse: true})
	return s, nil
}

// connect opens the stream, which lives as long as the session, and waits for the endpoint.
func (t *events) connect(ctx context.Context) error {
	life, stop := context.WithCancel(t.p.life)
	t.stop = stop
	defer context.AfterFunc(ctx, stop)() // until the endpoint is there, ctx bounds the stream too
	req, err := t.request(life, http.MethodGet, nil, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := t.roundTrip(req)
	if err != nil {
		return during(ctx, err)
	}
	if resp.StatusCode != http.StatusOK || mediaType(resp.Header) != "text/event-stream" {
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			return t.refusal(resp, reading)
		}
		return &mcp.Unavailable{Message: "the server sent no event stream"}
	}
	r := sse.NewReader(resp.Body, max(t.o.MaxResult, t.o.MaxList)+envelope)
	endpoint, err := t.endpoint(r)
	if err != nil {
		_ = resp.Body.Close()
		return during(ctx, err)
	}
	t.url, t.body, t.tied = endpoint, resp.Body, true
	t.wg.Go(func() { t.read(r) })
	return nil
}

// during returns ctx's error in place of one that its end has caused.
func during(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// endpoint reads the first event: where to post to. It must be on the same host, since the session's credentials go there.
func (t *events) endpoint(r *sse.Reader) (string, error) {
	ev, err := r.Next()
	if err != nil || ev.Name != "endpoint" {
		return "", &mcp.Unavailable{Message: "the server named no endpoint on its event stream", Err: err}
	}
	base, err := url.Parse(t.url)
	if err != nil {
		return "", &mcp.Unavailable{Message: "the server's URL is not valid"}
	}
	u, err := base.Parse(string(ev.Data))
	if err != nil || u.Scheme != base.Scheme || u.Host != base.Host {
		return "", &mcp.Unavailable{Message: "the server named an endpoint that is not its own"}
	}
	u.User = base.User
	return u.String(), nil
}

// read takes in the stream until it ends, and the session with it.
func (t *events) read(r *sse.Reader) {
	for {
		ev, err := r.Next()
		if errors.Is(err, sse.ErrTooLarge) {
			t.p.lose(&mcp.LostError{Message: "the server sent an event that is too large", Err: err})
		}
		if err != nil {
			t.p.lose(&mcp.LostError{Message: "the server ended its event stream", Err: err})
			return
		}
		t.event(ev, nil)
	}
}

func (t *events) exchange(ctx context.Context, c *call, msg []byte) (jsonrpc.Message, error) {
	c.state.Store(taken)
	if err := t.post(ctx, c, msg); err != nil {
		return jsonrpc.Message{}, err
	}
	m, err := t.p.wait(ctx, c)
	if err != nil && ctx.Err() != nil {
		t.cancelled(c)
	}
	return m, err
}

// post sends a request; its answer comes on the stream.
func (t *events) post(ctx context.Context, c *call, msg []byte) error {
	req, err := t.request(ctx, http.MethodPost, msg, c.header)
	if err != nil {
		return err
	}
	resp, err := t.roundTrip(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return t.refusal(resp, c.method)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, envelope))
	return nil
}

func (t *events) close() error {
	t.once.Do(func() {
		t.notes.Wait()
		if t.stop != nil {
			t.stop()
		}
		if t.body != nil {
			_ = t.body.Close()
		}
		t.wg.Wait()
	})
	return nil
}
