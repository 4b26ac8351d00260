package openapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"

	"github.com/fairlead/fairlead/internal/h1"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// session offers the operations of one document to callers with the same credentials.
type session struct {
	d      *Dialer
	server mcp.Server
	header http.Header // the config's and the caller's

	mu  sync.Mutex
	api *api

	once sync.Once
	done chan struct{}
}

var _ mcp.Session = (*session)(nil)

// load takes over what the document comes to now.
func (s *session) load(ctx context.Context) error {
	a, err := s.d.load(ctx, &s.server)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.api = a
	return nil
}

func (s *session) now() *api {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.api
}

// ListTools implements [mcp.Session]. It reads the document again if that is not fresh.
func (s *session) ListTools(ctx context.Context) ([]mcp.ToolDef, error) {
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	return s.now().tools, nil
}

// CallTool implements [mcp.Session]. What the API refuses, and what cannot be sent, is a result with isError.
func (s *session) CallTool(ctx context.Context, call mcp.ToolCall) ([]byte, error) {
	return s.call(ctx, call.Name, call.Arguments, call.Headers)
}

// Pass implements [mcp.Session]. An API has tools only.
func (s *session) Pass(ctx context.Context, r mcp.Request) ([]byte, error) {
	if r.Method != "tools/call" {
		return nil, unknownMethod()
	}
	return s.call(ctx, r.Name, jsonedit.Get(r.Params, "arguments"), r.Headers)
}

func unknownMethod() error {
	return &mcp.RPCError{Code: jsonrpc.CodeMethodNotFound, Message: "Method not found"}
}

// call sends one request and makes a result of the answer.
func (s *session) call(ctx context.Context, tool string, args []byte, more http.Header) ([]byte, error) {
	op := s.now().calls[tool]
	if op == nil {
		return nil, &mcp.RPCError{Code: jsonrpc.CodeInvalidParams, Message: "Unknown tool"}
	}
	if len(args) == 0 || jsonedit.IsNull(args) {
		args = []byte("{}")
	}
	if jsonedit.Kind(args) != '{' || !jsonedit.Valid(args) {
		return nil, &mcp.Unavailable{Message: "the arguments are not a JSON object"}
	}
	req, err := op.request(ctx, args)
	if err != nil {
		return failure(err.Error()), nil
	}
	s.dress(req, more)
	resp, err := s.send(req)
	if err != nil {
		return nil, broken(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	res, err := result(resp, tool, s.d.o.MaxResult, s.header)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return res, err
}

// send sends a request, with what shows who asks.
func (s *session) send(req *http.Request) (*http.Response, error) {
	if s.server.Authorizer == nil {
		return s.d.client.Do(req)
	}
	return mcp.Show(s.server.Authorizer, req, s.d.client.Do)
}

// dress adds the headers of config and caller, which count before those of arguments.
func (s *session) dress(req *http.Request, more http.Header) {
	cookie := req.Header.Get("Cookie")
	for _, h := range []http.Header{s.header, more} {
		for k, v := range h {
			req.Header[http.CanonicalHeaderKey(k)] = v
		}
	}
	if own := req.Header.Get("Cookie"); cookie != "" && own != cookie {
		req.Header.Set("Cookie", own+"; "+cookie)
	}
	req.Header.Set("Accept", "application/json, */*;q=0.8")
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", s.d.o.Name+"/"+s.d.o.Version)
	}
}

// broken is what callers see of an error of the transport. It names no address.
func broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e, ok := errors.AsType[*mcp.AuthError](err); ok {
		return e
	}
	err = withoutURL(err)
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return &mcp.LostError{Message: "the server's name could not be resolved", Unsent: true, Err: err}
	}
	if e, ok := errors.AsType[*h1.Error](err); ok && (e.Phase == h1.Dial || e.Phase == h1.Check) {
		return &mcp.LostError{Message: "the server could not be reached", Unsent: true, Err: err}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return &mcp.LostError{Message: "the server could not be reached", Unsent: true, Err: err}
	}
	return &mcp.LostError{Message: "the connection to the server broke", Err: err}
}

func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// List implements [mcp.Session]. There is nothing but tools.
func (s *session) List(context.Context, mcp.Kind) ([][]byte, error) { return nil, nil }

// Offers implements [mcp.Session].
func (s *session) Offers(path ...string) bool { return len(path) == 1 && path[0] == "tools" }

// Follow implements [mcp.Session]. An API tells nothing by itself.
func (s *session) Follow(func(method string, params []byte)) {}

// Subscribe implements [mcp.Session].
func (s *session) Subscribe(context.Context, string) error { return unknownMethod() }

// Done implements [mcp.Session].
func (s *session) Done() <-chan struct{} { return s.done }

// Close implements [mcp.Session]. Calls that run are not ended.
func (s *session) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}
