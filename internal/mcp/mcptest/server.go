package mcptest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
)

// modern is the revision of the stateless era that servers speak.
const modern = "2026-07-28"

// Server is a scripted server. It is safe for many connections.
type Server struct {
	spec Spec
	die  func() // ends the process or the connection

	mu       sync.Mutex
	tools    []Tool
	requests []Request
	running  map[string]context.CancelFunc // calls, by session and id
	sessions map[string]*session
	asked    map[string]chan []byte // requests to the client
	watchers map[chan struct{}]bool // told when the list changes
	serial   int
	closed   chan struct{}
}

// New returns a server. Serve it by its methods HTTP, SSE or Stdio.
func New(s Spec) *Server {
	if s.Name == "" {
		s.Name = "scripted"
	}
	return &Server{
		spec: s, tools: s.Tools, die: func() { panic(http.ErrAbortHandler) },
		running: make(map[string]context.CancelFunc), sessions: make(map[string]*session), asked: make(map[string]chan []byte),
		watchers: make(map[chan struct{}]bool), closed: make(chan struct{}),
	}
}

// Close ends all streams and hanging calls, so that an HTTP server around it can close.
func (s *Server) Close() { close(s.closed) }

// SetTools replaces the tools and tells the clients.
func (s *Server) SetTools(tools []Tool) {
	s.mu.Lock()
	s.tools = tools
	watchers := s.watchers
	for w := range watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
	s.mu.Unlock()
}

// Forget makes the server forget all its sessions.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}

// Requests returns what the server has got so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Count returns how many messages of a method the server has got.
func (s *Server) Count(method string) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Method == method {
			n++
		}
	}
	return n
}

func (s *Server) record(r Request) {
	r.PID = os.Getpid()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	if s.spec.Record == "" {
		return
	}
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	f, err := os.OpenFile(s.spec.Record, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	_, _ = f.Write(append(b, '\n'))
	_ = f.Close()
}

// incoming is one message on its way through the server.
type incoming struct {
	jsonrpc.Message
	session string
	header  http.Header
	out     func(msg []byte) // sends a message on the stream of this request
	modern  bool
}

// serve handles one message and returns the answer, nil for none.
func (s *Server) serve(ctx context.Context, in *incoming) []byte {
	r := Request{Method: in.Method, Params: in.Params, Header: in.header, Verb: verb(in.header), Answer: in.Result}
	if in.Error != nil {
		r.Answer = fmt.Appendf(nil, `{"code":%d}`, in.Error.Code)
	}
	s.record(r)
	version, _ := jsonedit.Unquote(jsonedit.Get(in.Params, "_meta", "io.modelcontextprotocol/protocolVersion"))
	in.modern = version != ""
	switch {
	case in.IsResponse():
		s.clientAnswered(in.ID, r.Answer)
		return nil
	case in.IsNotification():
		if in.Method == "notifications/cancelled" {
			s.cancel(in.session, jsonedit.Get(in.Params, "requestId"))
		}
		return nil
	case in.modern && (s.spec.Era == "legacy" || version != modern):
		if s.spec.Era == "legacy" {
			return fault(in, jsonrpc.CodeInvalidRequest, "this server wants a handshake", "")
		}
		return fault(in, -32022, "unsupported protocol version", `{"supported":["`+modern+`"],"requested":`+string(jsonedit.AppendQuote(nil, version))+`}`)
	case !in.modern && s.spec.Era == "modern":
		return fault(in, -32022, "unsupported protocol version", `{"supported":["`+modern+`"]}`)
	}
	ctx, cancel := context.WithCancel(ctx)
	key := in.session + "\x00" + string(in.ID)
	s.mu.Lock()
	s.running[key] = cancel
	s.mu.Unlock()
	defer func() {
		cancel()
		s.mu.Lock()
		delete(s.running, key)
		s.mu.Unlock()
	}()
	return s.answer(ctx, in)
}

func verb(h http.Header) string {
	if h == nil {
		return ""
	}
	return http.MethodPost
}

func fault(in *incoming, code int, msg, data string) []byte {
	e := &jsonrpc.Error{Code: code, Message: msg}
	if data != "" {
		e.Data = []byte(data)
	}
	return jsonrpc.AppendError(nil, in.ID, e)
}

func (s *Server) cancel(session string, id []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.running[session+"\x00"+string(id)]; f != nil {
		f()
	}
}

// answer runs one request.
func (s *Server) answer(ctx context.Context, in *incoming) []byte {
	switch in.Method {
	case "initialize":
		if !in.modern {
			return s.result(in, s.greeting(in))
		}
	case "server/discover":
		if s.spec.ExitOnDiscover {
			s.die()
		}
		if s.spec.HangOnDiscover {
			return s.hang(ctx)
		}
		if in.modern {
			return s.result(in, []byte(`{"supportedVersions":["`+modern+`"],"capabilities":{"tools":{"listChanged":true}},"ttlMs":0,"cacheScope":"private"}`))
		}
	case "ping":
		return s.result(in, []byte("{}"))
	case "tools/list":
		return s.list(ctx, in)
	case "tools/call":
		return s.call(ctx, in)
	case "subscriptions/listen":
		if in.modern {
			return s.listen(ctx, in)
		}
	}
	return fault(in, jsonrpc.CodeMethodNotFound, "Method not found", "")
}

// result wraps a result, as the era has it.
func (s *Server) result(in *incoming, res []byte) []byte {
	if in.modern && jsonedit.Get(res, "resultType") == nil {
		rest := bytes.TrimSpace(res)[1:]
		head := `{"resultType":"complete",`
		if rest[0] == '}' {
			head = `{"resultType":"complete"`
		}
		res = append([]byte(head), rest...)
	}
	return jsonrpc.AppendResult(nil, in.ID, res)
}

func (s *Server) greeting(in *incoming) []byte {
	rev, _ := jsonedit.Unquote(jsonedit.Get(in.Params, "protocolVersion"))
	if s.spec.Revision != "" {
		rev = s.spec.Revision
	}
	dst := jsonedit.AppendQuote([]byte(`{"protocolVersion":`), rev)
	dst = append(dst, `,"capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":`...)
	return append(jsonedit.AppendQuote(dst, s.spec.Name), `,"version":"1"}}`...)
}

// hang waits for the end of a call and records it.
func (s *Server) hang(ctx context.Context) []byte {
	select {
	case <-ctx.Done():
		s.record(Request{Method: "cancelled"})
	case <-s.closed:
	}
	return nil
}

func (s *Server) list(ctx context.Context, in *incoming) []byte {
	switch {
	case s.spec.ListHang:
		return s.hang(ctx)
	case s.spec.ListError != "":
		return fault(in, jsonrpc.CodeInternal, s.spec.ListError, "")
	}
	s.mu.Lock()
	tools := s.tools
	s.mu.Unlock()
	cursor, _ := jsonedit.Unquote(jsonedit.Get(in.Params, "cursor"))
	from, _ := strconv.Atoi(cursor)
	next := ""
	switch {
	case s.spec.SameCursor:
		next, from = "1", 0
	case s.spec.EndlessPages:
		next, from = strconv.Itoa(from+1), 0
	default:
		from = min(max(from, 0), len(tools))
		if end := from + s.spec.PageSize; s.spec.PageSize > 0 && end < len(tools) {
			next, tools = strconv.Itoa(end), tools[:end]
		}
	}
	dst := []byte(`{"tools":[`)
	for i, t := range tools[from:] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = t.append(dst)
	}
	dst = append(dst, ']')
	if next != "" {
		dst = jsonedit.AppendQuote(append(dst, `,"nextCursor":`...), next)
	}
	return s.result(in, append(dst, '}'))
}

func (t *Tool) append(dst []byte) []byte {
	if t.Raw != nil {
		return append(dst, t.Raw...)
	}
	dst = jsonedit.AppendQuote(append(dst, `{"name":`...), t.Name)
	if t.Description != "" {
		dst = jsonedit.AppendQuote(append(dst, `,"description":`...), t.Description)
	}
	dst = append(dst, `,"inputSchema":`...)
	if t.Schema == nil {
		dst = append(dst, `{"type":"object"}`...)
	}
	dst = append(dst, t.Schema...)
	if t.Annotations != nil {
		dst = append(append(dst, `,"annotations":`...), t.Annotations...)
	}
	return append(dst, '}')
}

// listen keeps a subscription until its request ends.
func (s *Server) listen(ctx context.Context, in *incoming) []byte {
	in.out(jsonrpc.AppendNotification(nil, "notifications/subscriptions/acknowledged", []byte(`{"notifications":{"toolsListChanged":true}}`)))
	s.watch(ctx, in.out)
	return nil
}

// watch tells of changes of the list until ctx or the server ends.
func (s *Server) watch(ctx context.Context, out func(msg []byte)) {
	w := make(chan struct{}, 1)
	s.mu.Lock()
	s.watchers[w] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.watchers, w)
		s.mu.Unlock()
	}()
	for {
		select {
		case <-w:
			out(jsonrpc.AppendNotification(nil, "notifications/tools/list_changed", nil))
		case <-ctx.Done():
			return
		case <-s.closed:
			return
		}
	}
}

// Watching reports how many clients listen for changes.
func (s *Server) Watching() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.watchers)
}

// ask sends a request to the client and waits for the answer: the result, or the error object.
func (s *Server) ask(ctx context.Context, in *incoming, method string, params []byte) []byte {
	s.mu.Lock()
	s.serial++
	id := fmt.Sprintf(`"ask-%d"`, s.serial)
	done := make(chan []byte, 1)
	s.asked[id] = done
	s.mu.Unlock()
	in.out(jsonrpc.AppendRequest(nil, []byte(id), method, params))
	select {
	case a := <-done:
		return a
	case <-ctx.Done():
	case <-s.closed:
	}
	return nil
}

func (s *Server) clientAnswered(id, answer []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.asked[string(id)]; c != nil {
		c <- bytes.Clone(answer)
		delete(s.asked, string(id))
	}
}

func delay(ctx context.Context, millis int) {
	if millis <= 0 {
		return
	}
	t := time.NewTimer(time.Duration(millis) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func environ() string { return strings.Join(slices.Sorted(slices.Values(os.Environ())), "\n") }
