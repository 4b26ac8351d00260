package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/internal/h1"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/sse"
)

// client returns an HTTP client for MCP servers. With a dial function it connects through that only, never by a proxy.
func client(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Client {
	if dial == nil {
		return &http.Client{Transport: h1.New(h1.Options{ConnectTimeout: 10 * time.Second, MaxIdlePerHost: 32}), CheckRedirect: sameHost}
	}
	tr := &http.Transport{
		DialContext: dial, DisableCompression: true, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: 32, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10,
	}
	return &http.Client{Transport: tr, CheckRedirect: sameHost}
}

// Values of headers that all requests share. Nobody changes them.
var (
	acceptBoth = []string{"application/json, text/event-stream"}
	isJSON     = []string{"application/json"}
)

// maxHops bounds the redirects of one request.
const maxHops = 5

// sameHost follows a redirect only where credentials and body may go: to the same host by the same means.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxHops || req.URL.Host != first.URL.Host || req.URL.Scheme != first.URL.Scheme || req.Method != first.Method {
		return http.ErrUseLastResponse
	}
	return nil
}

// web is the transport of streamable HTTP, in both eras.
type web struct {
	p      *peer
	o      *Options
	client *http.Client
	url    string
	base   http.Header // the config's and the caller's headers
	made   atomic.Pointer[form]
	auth   mcp.Authorizer // nil: nothing more shows who asks

	// These are set while the session is opened, before others use it.
	rev string // MCP-Protocol-Version; empty before a handshake
	sid string // Mcp-Session-Id

	tied bool // the URL itself belongs to the session

	standing chan struct{} // closed once the server has answered the request for its own stream
	stood    sync.Once

	once  sync.Once
	wg    sync.WaitGroup // what ends with the session
	notes sync.WaitGroup // cancellations on their way
}

// httpError is an answer that was not a success. It wraps what callers see.
type httpError struct {
	status int
	err    error
}

func (e *httpError) Error() string { return e.err.Error() }
func (e *httpError) Unwrap() error { return e.err }

// settle takes over the revision that a handshake came to.
func (t *web) settle(rev string) { t.rev = rev }

func (t *web) modern() bool { return t.rev >= revModern }

// roundTrip sends a request. Its errors name no address.
func (t *web) roundTrip(req *http.Request) (*http.Response, error) {
	if t.auth != nil {
		return mcp.Show(t.auth, req, t.try)
	}
	return t.try(req)
}

// do sends a request. Redirects, and credentials in the URL, are the matter of http.Client, which copies all headers for each
// request; others need it not.
func (t *web) do(req *http.Request) (*http.Response, error) {
	if req.URL.User != nil || req.Body != nil && req.GetBody == nil {
		return t.client.Do(req)
	}
	resp, err := t.client.Transport.RoundTrip(req)
	if err != nil || resp.StatusCode/100 != 3 {
		return resp, err
	}
	_ = resp.Body.Close()
	if req.GetBody != nil {
		if req.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	return t.client.Do(req)
}

// try sends a request as it is.
func (t *web) try(req *http.Request) (*http.Response, error) {
	resp, err := t.do(req)
	if err == nil {
		return resp, nil
	}
	if req.Context().Err() != nil {
		return nil, req.Context().Err()
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if refusedByGuard(err) {
		return nil, &mcp.Unavailable{Message: "the server's address is not a public one", Err: err}
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return nil, &mcp.LostError{Message: "the server's name could not be resolved", Unsent: true, Err: err}
	}
	if unsent(err) {
		return nil, &mcp.LostError{Message: "the server could not be reached", Unsent: true, Err: err}
	}
	return nil, &mcp.LostError{Message: "the connection to the server broke", Err: err}
}

// unsent reports whether a request has certainly not begun to leave.
func unsent(err error) bool {
	if e, ok := errors.AsType[*h1.Error](err); ok && (e.Phase == h1.Dial || e.Phase == h1.Check) {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

func (t *web) exchange(ctx context.Context, c *call, msg []byte) (jsonrpc.Message, error) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	t.p.onEnd(c, cancel) // the answer may come on another stream
	m, err := t.converse(inner, c, msg)
	select {
	case m = <-c.answer:
		return m, nil
	default:
	}
	switch {
	case err == nil:
		return m, nil
	case ctx.Err() != nil:
		t.cancelled(c)
		return m, ctx.Err()
	case t.p.life.Err() != nil && errors.Is(err, context.Canceled):
		return m, t.p.lostError(false)
	}
	return m, err
}

// converse sends the request and reads until the answer is there, on as many streams as it takes.
func (t *web) converse(ctx context.Context, c *call, msg []byte) (jsonrpc.Message, error) {
	var none jsonrpc.Message
	req, err := t.request(ctx, http.MethodPost, msg, c.header)
	if err != nil {
		return none, err
	}
	resp, err := t.roundTrip(req)
	if err != nil {
		return none, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return none, t.refusal(resp, c.method)
	}
	if c.method == "initialize" {
		t.sid = sessionID(resp.Header)
	}
	switch mediaType(resp.Header) {
	case "text/event-stream":
		at, err := t.follow(resp.Body, c)
		if err == nil {
			return <-c.answer, nil
		}
		return t.resume(ctx, c, at, err)
	case "application/json":
		return t.single(resp, c)
	}
	return none, &httpError{resp.StatusCode, &mcp.Unavailable{Message: "the server sent neither JSON nor an event stream"}}
}

// single reads an answer that is one JSON text.
func (t *web) single(resp *http.Response, c *call) (jsonrpc.Message, error) {
	var none jsonrpc.Message
	b, err := readAll(resp, c.limit+envelope)
	if err != nil {
		return none, t.broken(err, c)
	}
	ms, err := jsonrpc.ParseBatch(b, maxBatch)
	if err != nil {
		return none, &mcp.Unavailable{Message: "the server sent what is not a JSON-RPC message", Err: err}
	}
	for _, m := range ms {
		if m.IsResponse() && m.Error != nil && (m.ID == nil || string(m.ID) == "null") {
			return m, nil
		}
		t.p.receive(m, nil)
	}
	select {
	case m := <-c.answer:
		return m, nil
	default:
		return none, &mcp.Unavailable{Message: "the server answered another request than it was sent"}
	}
}

// envelope is room for what is around a result.
const envelope = 64 << 10

// broken classes an error of reading an answer.
func (t *web) broken(err error, c *call) error {
	if errors.Is(err, errBody) || errors.Is(err, sse.ErrTooLarge) {
		return tooLarge(c.limit)
	}
	return &mcp.LostError{Message: "the connection broke before the answer was there", Err: err}
}

// reading stands for the method of a request for a stream. A server that knows no such stream may answer 404 to it, which
// says nothing of the session.
const reading = "(stream)"

// refusal turns an answer that is no success into an error.
func (t *web) refusal(resp *http.Response, method string) error {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, envelope))
	inSession := (t.sid != "" || t.tied) && method != "initialize" && method != reading
	m, perr := jsonrpc.Parse(b)
	forgotten := resp.StatusCode == http.StatusNotFound ||
		resp.StatusCode == http.StatusBadRequest && bytes.Contains(bytes.ToLower(b), []byte("session"))
	if inSession && forgotten {
		e := &mcp.LostError{Message: "the server has forgotten the session", Unsent: true}
		t.p.lose(e)
		return &httpError{resp.StatusCode, e}
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return &httpError{resp.StatusCode, &mcp.Unavailable{Message: "the server asks for a credential (401)"}}
	}
	if perr == nil && m.Error != nil {
		return &httpError{resp.StatusCode, rpcError(m.Error)}
	}
	return &httpError{resp.StatusCode, &mcp.Unavailable{Message: statusText(resp.StatusCode)}}
}

func statusText(status int) string {
	switch {
	case status == http.StatusForbidden:
		return "the server refused access (403)"
	case status == http.StatusTooManyRequests:
		return "the server says that there were too many requests (429)"
	case status/100 == 3:
		return fmt.Sprintf("the server points to another place (%d), which is not followed", status)
	}
	return fmt.Sprintf("the server answered %d", status)
}

// send posts a message that has no answer.
func (t *web) send(ctx context.Context, msg []byte) error {
	ctx, cancel := context.WithTimeout(ctx, t.o.Brief)
	defer cancel()
	req, err := t.request(ctx, http.MethodPost, msg, t.methodHeader(msg))
	if err != nil {
		return err
	}
	resp, err := t.roundTrip(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return t.refusal(resp, "")
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, envelope))
	return nil
}

// methodHeader is the Mcp-Method header of a notification of the stateless era.
func (t *web) methodHeader(msg []byte) http.Header {
	if m, err := jsonrpc.Parse(msg); err == nil && t.modern() && m.Method != "" {
		return http.Header{"Mcp-Method": {m.Method}}
	}
	return nil
}

// answer sends an answer of ours. The stateless era has none.
func (t *web) answer(msg []byte) {
	if t.modern() {
		return
	}
	if err := t.send(t.p.life, msg); err != nil {
		t.p.log.Debug("an MCP server did not take an answer", "error", err)
	}
}

// cancelled tells the server that nobody waits for c. In the stateless era the end of the response stream says so.
func (t *web) cancelled(c *call) {
	note := c.cancellation()
	if t.modern() || note == nil {
		return
	}
	t.notes.Go(func() { // send bounds it, and the end of the session waits for it
		if err := t.send(context.Background(), note); err != nil {
			t.p.log.Debug("an MCP server did not take a cancellation", "error", err)
		}
	})
}

// close ends the session on the server, and all streams.
func (t *web) close() error {
	t.once.Do(func() {
		defer t.wg.Wait()
		t.notes.Wait()
		if t.sid == "" || t.modern() {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), t.o.Brief)
		defer cancel()
		req, err := t.request(ctx, http.MethodDelete, nil, nil)
		if err != nil {
			return
		}
		if resp, err := t.roundTrip(req); err == nil {
			_ = resp.Body.Close()
		}
	})
	return nil
}

// sessionID reads the session's id; one that no header can carry back is none.
func sessionID(h http.Header) string {
	id := h.Get("Mcp-Session-Id")
	if len(id) > 1024 || strings.ContainsFunc(id, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return ""
	}
	return id
}

func mediaType(h http.Header) string {
	v := h.Get("Content-Type")
	if v == "application/json" || v == "text/event-stream" {
		return v
	}
	m, _, err := mime.ParseMediaType(v)
	if err != nil {
		m, _, _ = strings.Cut(v, ";")
		m = strings.ToLower(strings.TrimSpace(m))
	}
	return m
}
