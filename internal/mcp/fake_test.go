package mcp

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// fakeServer is a scripted MCP server behind a Dial. Its fields may be changed between requests, under mu.
type fakeServer struct {
	mu        sync.Mutex
	tools     []ToolDef
	dialTime  time.Duration
	listTime  time.Duration
	dialErr   error
	listErr   error
	call      func(ctx context.Context, c ToolCall) ([]byte, error)
	dials     int
	lists     int
	calls     []ToolCall
	headers   []http.Header // of each dial
	servers   []Server      // of each dial
	sessions  []*fakeSession
	cancelled int // dials and lists that ended with their ctx
}

type fakeSession struct {
	f       *fakeServer
	headers http.Header
	changed func()
	done    chan struct{}
	once    sync.Once
	closed  bool // f.mu
}

// fakes are the servers of a test by name.
type fakes map[string]*fakeServer

func (fs fakes) dial(ctx context.Context, s Server, h http.Header, changed func()) (Session, error) {
	f := fs[s.Name]
	if f == nil {
		return nil, errors.New("dial tcp 10.1.2.3:80: no such server")
	}
	f.mu.Lock()
	f.dials++
	f.headers = append(f.headers, h)
	f.servers = append(f.servers, s)
	wait, err := f.dialTime, f.dialErr
	f.mu.Unlock()
	if err := f.pause(ctx, wait); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	sess := &fakeSession{f: f, headers: h, changed: changed, done: make(chan struct{})}
	f.sessions = append(f.sessions, sess)
	return sess, nil
}

func (f *fakeServer) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		f.mu.Lock()
		defer f.mu.Unlock()
		f.cancelled++
		return ctx.Err()
	}
}

func (s *fakeSession) ListTools(ctx context.Context) ([]ToolDef, error) {
	s.f.mu.Lock()
	s.f.lists++
	wait, err, tools := s.f.listTime, s.f.listErr, slices.Clone(s.f.tools)
	s.f.mu.Unlock()
	if err := s.f.pause(ctx, wait); err != nil {
		return nil, err
	}
	return tools, err
}

func (s *fakeSession) CallTool(ctx context.Context, c ToolCall) ([]byte, error) {
	s.f.mu.Lock()
	s.f.calls = append(s.f.calls, c)
	call := s.f.call
	s.f.mu.Unlock()
	if call == nil {
		return []byte(`{"content":[{"type":"text","text":"ok"}]}`), nil
	}
	return call(ctx, c)
}

func (s *fakeSession) Done() <-chan struct{} { return s.done }
func (s *fakeSession) die()                  { s.once.Do(func() { close(s.done) }) }

func (s *fakeSession) Close() error {
	s.die()
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.closed = true
	return nil
}

// set changes a server between requests.
func (f *fakeServer) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeServer) counts() (dials, lists, calls int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dials, f.lists, len(f.calls)
}

func (f *fakeServer) open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, s := range f.sessions {
		if !s.closed {
			n++
		}
	}
	return n
}

func (f *fakeServer) last() *fakeSession {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sessions[len(f.sessions)-1]
}

func defs(names ...string) []ToolDef {
	var out []ToolDef
	for _, n := range names {
		raw := []byte(`{"name":"` + n + `","description":"does ` + n + `","inputSchema":{"type":"object","properties":{}}}`)
		out = append(out, ToolDef{Name: n, Description: "does " + n, InputSchema: []byte(`{"type":"object","properties":{}}`), Raw: raw})
	}
	return out
}

// newCatalogue returns a catalogue of HTTP servers with these names, in order, over the fakes.
func newCatalogue(t *testing.T, fs fakes, o Options, servers ...Server) *Catalogue {
	t.Helper()
	c := New(fs.dial, o)
	t.Cleanup(c.Close)
	c.Apply(servers)
	return c
}

func webServer(name string) Server {
	return Server{Name: name, URL: "http://10.1.2.3/" + name, Prefix: name}
}

func childServer(name string) Server {
	return Server{Name: name, Command: []string{name}, Prefix: name}
}

func everything(Use) Verdict { return Verdict{Decision: Allow} }

// ask is a selection with one entry of the given server_url whose tools run without asking.
func ask(url string) Selection {
	return Selection{Access: everything, Header: http.Header{}, Entries: []llm.MCPEntry{{Param: "tools[0]", URL: url, Approval: llm.Approval{Never: true}}}}
}

func open(t *testing.T, c *Catalogue, sel Selection) *Toolbox {
	t.Helper()
	b, err := c.Open(t.Context(), sel)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return b
}

func offered(b *Toolbox) []string {
	var out []string
	for _, t := range b.Tools() {
		out = append(out, t.Name)
	}
	return out
}

func run(t *testing.T, b *Toolbox, name, args string) llm.Result {
	t.Helper()
	res, err := b.Call(t.Context(), llm.Call{ID: "call_1", Name: name, Arguments: args})
	if err != nil {
		t.Fatalf("Call: %v", err)
	}
	return res
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for p := range slices.Chunk(pairs, 2) {
		h.Set(p[0], p[1])
	}
	return h
}

func flat(h http.Header) map[string]string {
	out := map[string]string{}
	for k := range maps.Keys(h) {
		out[k] = h.Get(k)
	}
	return out
}

// Pass calls a tool as CallTool does.
func (s *fakeSession) Pass(ctx context.Context, r Request) ([]byte, error) {
	return s.CallTool(ctx, ToolCall{Name: r.Name, Arguments: jsonedit.Get(r.Params, "arguments"), Headers: r.Headers})
}

func (s *fakeSession) List(context.Context, Kind) ([][]byte, error)    { return nil, nil }
func (s *fakeSession) Offers(...string) bool                           { return false }
func (s *fakeSession) Follow(func(method string, params []byte))       {}
func (s *fakeSession) Subscribe(ctx context.Context, uri string) error { return nil }
