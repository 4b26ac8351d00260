package front_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/front"
	"github.com/fairlead/fairlead/internal/seal"
)

// patience bounds waits; nothing is timed by it.
const patience = 20 * time.Second

// fake is a scripted server of any number of sessions.
type fake struct {
	mu      sync.Mutex
	tools   []string            // whole objects
	lists   map[string][]string // by method: likewise
	tell    func(method string, params []byte)
	subs    []string
	err     error // of listing
	do      func(ctx context.Context, r mcp.Request) ([]byte, error)
	got     []mcp.Request
	changed []func()
	dialled []mcp.Server
	asks    bool // it is of the older era
	done    chan struct{}
}

func (f *fake) Asks() bool { return f.asks }

func newFake(tools ...string) *fake {
	return &fake{tools: tools, done: make(chan struct{})}
}

// named is a tool without anything else.
func named(name string) string { return `{"name":"` + name + `","inputSchema":{"type":"object"}}` }

func (f *fake) ListTools(context.Context) ([]mcp.ToolDef, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []mcp.ToolDef
	for _, t := range f.tools {
		name, _ := jsonedit.Unquote(jsonedit.Get([]byte(t), "name"))
		out = append(out, mcp.ToolDef{Name: name, InputSchema: jsonedit.Get([]byte(t), "inputSchema"), Raw: []byte(t)})
	}
	return out, f.err
}

func (f *fake) CallTool(context.Context, mcp.ToolCall) ([]byte, error) {
	return nil, errors.New("not here")
}

func (f *fake) Pass(ctx context.Context, r mcp.Request) ([]byte, error) {
	f.mu.Lock()
	f.got = append(f.got, r)
	do := f.do
	f.mu.Unlock()
	if do == nil {
		return []byte(`{"content":[]}`), nil
	}
	return do(ctx, r)
}

func (f *fake) List(_ context.Context, k mcp.Kind) ([][]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out [][]byte
	for _, item := range f.lists[k.Method] {
		out = append(out, []byte(item))
	}
	return out, f.err
}

func (f *fake) Offers(...string) bool { return f.lists != nil }

func (f *fake) Follow(tell func(method string, params []byte)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tell = tell
}

func (f *fake) Subscribe(ctx context.Context, uri string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subs = append(f.subs, uri)
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.subs = slices.DeleteFunc(f.subs, func(s string) bool { return s == uri })
	})
	return nil
}

func (f *fake) subscribed() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.subs, " ")
}

func (f *fake) Done() <-chan struct{} { return f.done }
func (f *fake) Close() error          { return nil }

func (f *fake) set(tools ...string) {
	f.mu.Lock()
	f.tools = tools
	changed := slices.Clone(f.changed)
	f.mu.Unlock()
	for _, c := range changed {
		c()
	}
}

func (f *fake) last() mcp.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got[len(f.got)-1]
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.got)
}

// house is a door to fakes over HTTP. The principal is what the header X-Principal says; a principal may use the servers
// that are listed for it, and everyone else all of them.
type house struct {
	t    *testing.T
	url  string
	cat  *mcp.Catalogue
	door *front.Door
	may  map[string][]string
	open atomic.Int64 // requests that are being answered
	// visit changes a visit before it is served; nil: not at all.
	visit func(*mcp.Visit)
	// judge is asked about what a principal's servers let through; nil: nothing is.
	judge mcp.Access
	plan  func(*mcp.Selection) // what else a request may do
}

// access is what a principal may do.
func (h *house) access(servers []string) mcp.Access {
	only := mcp.Only(servers)
	return func(u mcp.Use) mcp.Verdict {
		if v := only(u); v.Decision != mcp.Allow || h.judge == nil {
			return v
		}
		return h.judge(u)
	}
}

type fakes map[string]*fake

func newHouse(t *testing.T, fs fakes, servers ...mcp.Server) *house {
	t.Helper()
	return newHouseWith(t, front.Options{}, fs, servers...)
}

func newHouseWith(t *testing.T, o front.Options, fs fakes, servers ...mcp.Server) *house {
	t.Helper()
	ring, err := seal.New([]byte("a secret for the tests of handles"))
	if err != nil {
		t.Fatal(err)
	}
	dial := func(_ context.Context, s mcp.Server, _ http.Header, changed func()) (mcp.Session, error) {
		f := fs[s.Name]
		f.mu.Lock()
		defer f.mu.Unlock()
		f.changed, f.dialled = append(f.changed, changed), append(f.dialled, s)
		return f, nil
	}
	h := &house{t: t, cat: mcp.New(dial, mcp.Options{}), may: map[string][]string{}}
	if servers == nil {
		for _, name := range slices.Sorted(maps.Keys(fs)) {
			servers = append(servers, mcp.Server{Name: name, URL: "http://10.0.0.1/" + name, Prefix: name})
		}
	}
	h.cat.Apply(servers)
	o.Seal, o.Version, o.KeepAlive = ring, "1", time.Minute
	h.door = front.New(h.cat, o)
	mux := http.NewServeMux()
	for _, path := range []string{"/mcp", "/mcp/{server}", "/sse", "/sse/{server}"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			who := r.Header.Get("X-Principal")
			list, ok := h.may[who]
			if !ok {
				list = []string{"*"}
			}
			body, _ := io.ReadAll(r.Body)
			serve := h.door.Serve
			if strings.HasPrefix(r.URL.Path, "/sse") {
				serve = h.door.ServeSSE
			}
			sel := mcp.Selection{Access: h.access(list), Header: r.Header}
			if h.plan != nil {
				h.plan(&sel)
			}
			v := &mcp.Visit{Principal: who, Route: r.URL.Path, Server: r.PathValue("server"), Body: body, Selection: sel}
			if h.visit != nil {
				h.visit(v)
			}
			h.open.Add(1)
			defer h.open.Add(-1)
			serve(w, r, v)
		})
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		h.cat.Close()
	})
	h.url = srv.URL
	return h
}

// got is an answer.
type got struct {
	status int
	header http.Header
	body   string // of a stream: its data lines
}

func (h *house) send(ctx context.Context, method, path, body string, headers ...string) *http.Response {
	h.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	for p := range slices.Chunk(headers, 2) {
		if p[0] == "Accept" {
			req.Header.Del("Accept")
		}
		req.Header.Add(p[0], p[1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if ctx.Err() == nil {
			h.t.Fatal(err)
		}
		return nil
	}
	return resp
}

func (h *house) ask(method, path, body string, headers ...string) got {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	resp := h.send(ctx, method, path, body, headers...)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	text := string(b)
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		var data []string
		for line := range strings.Lines(text) {
			if d, ok := strings.CutPrefix(line, "data: "); ok && strings.TrimSpace(d) != "" {
				data = append(data, strings.TrimRight(d, "\n"))
			}
		}
		text = strings.Join(data, "\n")
	}
	return got{resp.StatusCode, resp.Header, text}
}

const meta = `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}`

// modern is a request of the stateless era with the headers that it needs. params has no braces and no _meta.
func modern(method, params, name string) (body string, headers []string) {
	if params != "" {
		params += ","
	}
	headers = []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", method}
	if name != "" {
		headers = append(headers, "Mcp-Name", name)
	}
	return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{` + params + `"_meta":{` + meta + `}}}`, headers
}

func (h *house) modern(path, method, params, name string, headers ...string) got {
	h.t.Helper()
	body, hs := modern(method, params, name)
	return h.ask("POST", path, body, append(hs, headers...)...)
}

// initialize begins a session and returns its headers.
func (h *house) initialize(path string, headers ...string) []string {
	h.t.Helper()
	a := h.ask("POST", path, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`, headers...)
	id := a.header.Get("Mcp-Session-Id")
	if a.status != 200 || id == "" {
		h.t.Fatalf("%+v", a)
	}
	return append(headers, "Mcp-Session-Id", id, "Mcp-Protocol-Version", "2025-11-25")
}

func (h *house) want(a got, status int, parts ...string) {
	h.t.Helper()
	if a.status != status {
		h.t.Errorf("status %d, want %d: %s", a.status, status, a.body)
	}
	for _, p := range parts {
		if !strings.Contains(a.body, p) {
			h.t.Errorf("no %s in %s", p, a.body)
		}
	}
}

// lines reads a stream's data.
func lines(resp *http.Response) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		s := bufio.NewScanner(resp.Body)
		for s.Scan() {
			if d, ok := strings.CutPrefix(s.Text(), "data: "); ok && d != "" {
				out <- d
			}
		}
	}()
	return out
}

func next(t *testing.T, from <-chan string, part string) {
	t.Helper()
	select {
	case line := <-from:
		if !strings.Contains(line, part) {
			t.Fatalf("no %s in %s", part, line)
		}
	case <-time.After(patience):
		t.Fatalf("%s did not come", part)
	}
}
