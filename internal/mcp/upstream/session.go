package upstream

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// session is a connection whose era is settled.
type session struct {
	*peer
	t   transport
	o   *Options
	log *slog.Logger

	rev    string // the negotiated revision
	says   string // its instructions for models
	caps   []byte // what the server says that it has, a raw object; nil: it did not say
	client []byte // what is declared to it, a raw object; nil: nothing
	http   bool   // streamable HTTP: the stateless era puts names and parameters into headers

	mu     sync.Mutex
	params map[string][]mcp.Mirror // by tool: what goes into headers

	logging sync.Once // the server of the older era has been told to tell all of its log
}

var (
	_ mcp.Session = (*session)(nil)
	_ mcp.Asker   = (*session)(nil)
)

func (s *session) modern() bool { return s.rev >= revModern }

// Asks implements [mcp.Asker].
func (s *session) Asks() bool { return !s.modern() }

// Done is closed when the session cannot be used any more.
func (s *session) Done() <-chan struct{} { return s.lost }

// Close ends the session and waits until nothing is left of it.
func (s *session) Close() error {
	s.lose(&mcp.LostError{Message: "the session was closed"})
	return s.t.close()
}

// request is one request of ours.
type request struct {
	method   string
	params   []byte            // members of params with a comma behind each, `"name":"x",`
	name     string            // the Mcp-Name header of the stateless era
	meta     map[string]string // members of _meta
	header   http.Header       // HTTP: for this request
	mirror   []mcp.Mirror      // HTTP, stateless era: arguments that go into headers too
	args     []byte            // where these are found
	limit    int               // bytes of the answer; 0: MaxResult
	progress func()
	pass     *mcp.Request // a client's, passed on
}

// do sends a request and returns the raw result.
func (s *session) do(ctx context.Context, r request) ([]byte, error) {
	c := &call{method: r.method, progress: r.progress, limit: r.limit, header: s.headers(&r)}
	if r.pass != nil {
		c.notify, c.ask, c.party = r.pass.Notify, r.pass.Ask, r.pass.Party
	}
	if c.limit == 0 {
		c.limit = s.o.MaxResult
	}
	if err := s.open(c); err != nil {
		return nil, err
	}
	defer s.peer.close(c)
	params := s.appendParams(&r, c)
	msg := jsonrpc.AppendRequest(make([]byte, 0, len(params)+96), c.id, r.method, params)
	m, err := s.t.exchange(ctx, c, msg)
	if err != nil {
		return nil, err
	}
	if m.Error != nil {
		return nil, rpcError(m.Error)
	}
	return s.result(m.Result, c.limit, r.pass != nil)
}

// result checks what every result must be. One that asks for input is a result if there is a client to ask.
func (s *session) result(raw []byte, limit int, client bool) ([]byte, error) {
	if len(raw) > limit {
		return nil, tooLarge(limit)
	}
	if jsonedit.Kind(raw) != '{' {
		return nil, &mcp.Unavailable{Message: "the server sent a result that is not an object"}
	}
	if !utf8.Valid(raw) {
		raw = bytes.ToValidUTF8(raw, []byte("\uFFFD"))
	}
	if !s.modern() {
		return raw, nil
	}
	switch kind, _ := jsonedit.Unquote(jsonedit.Get(raw, "resultType")); kind {
	case "", "complete":
		return raw, nil
	case "input_required":
		if client {
			return raw, nil
		}
		return nil, &mcp.Unavailable{Message: "the tool asked for input from the user, which is not supported here"}
	default:
		return nil, &mcp.Unavailable{Message: fmt.Sprintf("the server sent a result of an unknown type, %.40q", kind)}
	}
}

func tooLarge(limit int) error {
	return &mcp.Unavailable{Message: "the answer is larger than the limit of " + size(limit)}
}

// size writes a limit as people do.
func size(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// appendParams writes the params of r, with the _meta that the era asks for.
func (s *session) appendParams(r *request, c *call) []byte {
	dst := append(append(make([]byte, 0, len(r.params)+64), '{'), r.params...)
	dst = append(dst, `"_meta":{`...)
	empty := len(dst)
	if s.modern() {
		dst = append(dst, `"io.modelcontextprotocol/protocolVersion":`...)
		dst = jsonedit.AppendQuote(dst, s.rev)
		dst = append(dst, `,"io.modelcontextprotocol/clientInfo":`...)
		dst = s.o.appendInfo(dst)
		dst = append(dst, `,"io.modelcontextprotocol/clientCapabilities":`...)
		dst = append(s.appendClient(dst, r.pass), ',')
	}
	if r.pass != nil {
		dst = append(dst, r.pass.Meta...)
	}
	if r.progress != nil || r.pass != nil && r.pass.Progress {
		dst = append(dst, `"progressToken":`...)
		dst = append(append(dst, c.id...), ',')
	}
	if len(r.meta) > 0 {
		for _, k := range slices.Sorted(maps.Keys(r.meta)) {
			dst = append(jsonedit.AppendQuote(dst, k), ':')
			dst = append(jsonedit.AppendQuote(dst, r.meta[k]), ',')
		}
	}
	if len(dst) == empty {
		if len(r.params) == 0 {
			return nil
		}
		return append(dst[:empty-len(`,"_meta":{`)], '}')
	}
	return append(dst[:len(dst)-1], "}}"...)
}

// appendClient appends what the client of a request declares, and how much of the log it wants.
func (s *session) appendClient(dst []byte, r *mcp.Request) []byte {
	if r == nil || r.Capabilities == nil {
		dst = append(dst, "{}"...)
	} else {
		dst = append(dst, oneLine(r.Capabilities)...)
	}
	if r != nil && r.LogLevel != "" {
		dst = append(dst, `,"io.modelcontextprotocol/logLevel":`...)
		dst = jsonedit.AppendQuote(dst, r.LogLevel)
	}
	return dst
}

// appendInfo appends the client's name and version.
func (o *Options) appendInfo(dst []byte) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"name":`...), o.Name)
	dst = jsonedit.AppendQuote(append(dst, `,"version":`...), o.Version)
	return append(dst, '}')
}

// headers are the HTTP headers of one request.
func (s *session) headers(r *request) http.Header {
	modern := s.http && s.modern()
	if len(r.header) == 0 && !modern {
		return nil
	}
	h := make(http.Header)
	add(h, r.header)
	strip(h)
	if !modern {
		return h
	}
	h.Set("Mcp-Method", r.method)
	if r.name != "" {
		h.Set("Mcp-Name", mcp.HeaderValue(r.name))
	}
	for _, p := range r.mirror {
		p.Set(h, r.args)
	}
	return h
}

// CallTool implements [mcp.Session].
func (s *session) CallTool(ctx context.Context, tc mcp.ToolCall) ([]byte, error) {
	res, err := s.callTool(ctx, tc)
	if rpcCode(err) != codeHeaderMismatch || !s.http || !s.modern() {
		return res, err
	}
	// The server has refused the call over its headers: the schema has changed since it was listed.
	if _, lerr := s.ListTools(ctx); lerr != nil {
		return nil, err
	}
	return s.callTool(ctx, tc)
}

func (s *session) callTool(ctx context.Context, tc mcp.ToolCall) ([]byte, error) {
	args := bytes.TrimSpace(tc.Arguments)
	if len(args) == 0 {
		args = []byte("{}")
	}
	if jsonedit.Kind(args) != '{' || !jsonedit.Valid(args) {
		return nil, &mcp.Unavailable{Message: "the arguments are not a JSON object"}
	}
	args = oneLine(args)
	params := append(make([]byte, 0, len(tc.Name)+len(args)+32), `"name":`...)
	params = append(jsonedit.AppendQuote(params, tc.Name), `,"arguments":`...)
	params = append(append(params, args...), ',')
	r := request{method: "tools/call", params: params, name: tc.Name, meta: tc.Meta, header: tc.Headers, progress: tc.Progress}
	r.mirror, r.args = s.paramsOf(tc.Name), args
	return s.do(ctx, r)
}

// oneLine takes line breaks out of a JSON text, since a message over standard input is one line.
func oneLine(v []byte) []byte {
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return v
	}
	return jsonedit.Compact(nil, v)
}

func (s *session) paramsOf(tool string) []mcp.Mirror {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.params[tool]
}
