package front

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"sync"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// The HTTP+SSE of 2024-11-05: the answer to a GET is a stream whose first event names where to post to, and all that the gateway
// says comes on it. It is the life of its session, so that its posts must come to the process that has it.

// maxWires bounds the streams of HTTP+SSE.
const maxWires = 10_000

// wires are the streams of HTTP+SSE of a process, by name.
type wires struct {
	mu sync.Mutex
	by map[string]*wire
}

// wire is one of them.
type wire struct {
	local
	ctx context.Context //nolint:containedctx // of the stream
}

// ServeSSE answers a request at an address of HTTP+SSE, as Serve does at one of streamable HTTP.
func (d *Door) ServeSSE(w http.ResponseWriter, r *http.Request, v *mcp.Visit) {
	w.Header().Set("Cache-Control", "no-store")
	if err := checkOrigin(r); err != nil {
		d.WriteError(w, err)
		return
	}
	handle := r.URL.Query().Get("sessionId")
	switch {
	case r.Method == http.MethodGet:
		d.stream(w, r, v)
	case r.Method == http.MethodPost && handle != "":
		d.message(w, v, handle)
	default: // a client that would rather have streamable HTTP sees that it is not here
		w.Header().Set("Allow", "GET")
		d.WriteError(w, &fault.Error{
			Kind: fault.MethodNotAllowed, Code: "method_not_allowed",
			Message: r.URL.Path + " is an address of HTTP+SSE: GET it for its stream, or use " + strings.Replace(r.URL.Path, "/sse", "/mcp", 1),
		})
	}
}

// stream is a session of HTTP+SSE from its beginning to its end.
func (d *Door) stream(w http.ResponseWriter, r *http.Request, v *mcp.Visit) {
	x := &exchange{d: d, w: w, r: r, v: v}
	if !accepts(r, "text/event-stream") {
		x.refuse(http.StatusNotAcceptable, fail(jsonrpc.CodeInvalidRequest, "the answer to GET is a stream: accept text/event-stream"))
		return
	}
	if _, f := x.view(r.Context()); f != nil {
		x.decline(f)
		return
	}
	ctx, cancel := v.Bound(r.Context())
	name := rand.Text()
	l := &wire{ctx: ctx, local: local{d: d, calls: map[string]context.CancelFunc{}, side: make(chan struct{}, maxSide)}}
	if !d.wires.add(name, l) {
		cancel()
		x.refuse(http.StatusServiceUnavailable, fail(jsonrpc.CodeInternal, "too many clients have a stream; try again later"))
		return
	}
	p := x.newReply()
	defer func() {
		d.wires.drop(name)
		cancel()
		session := l.finish()
		p.close()
		d.forget(session)
	}()
	p.begin()
	out := p.sse
	l.emit = func(msg []byte) error { return out.Event("message", msg) }
	handle := d.o.Seal.Seal(scope("sse", v), []byte(d.tag+name), d.o.Session)
	if out.Event("endpoint", []byte(r.URL.EscapedPath()+"?sessionId="+handle)) != nil {
		return
	}
	own := *v
	own.Body = nil
	l.listen = func() *mcp.Visit { again := own; return &again }
	<-ctx.Done()
}

// message takes in a message of a session of HTTP+SSE. What comes of it goes to its stream.
func (d *Door) message(w http.ResponseWriter, v *mcp.Visit, handle string) {
	content, ok := d.o.Seal.Open(scope("sse", v), handle)
	name, here := strings.CutPrefix(string(content), d.tag)
	switch {
	case ok && !here:
		writeJSON(w, http.StatusNotFound, jsonrpc.AppendError(nil, nil, fail(jsonrpc.CodeInvalidRequest, "the stream of this session is, or was, another process's of the gateway: open a new one")))
		return
	case ok:
		if l := d.wires.find(name); l != nil {
			defer l.wg.Done()
			if _, bad := read(v.Body); bad != nil {
				writeJSON(w, http.StatusBadRequest, jsonrpc.AppendError(nil, nil, bad))
				return
			}
			w.WriteHeader(http.StatusAccepted)
			_ = http.NewResponseController(w).Flush()
			own := *v
			l.take(l.ctx, bytes.Clone(v.Body), &own)
			return
		}
	}
	writeJSON(w, http.StatusNotFound, jsonrpc.AppendError(nil, nil, fail(jsonrpc.CodeInvalidRequest, "there is no such session: open a new stream")))
}

func (s *wires) add(name string, l *wire) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.by) >= maxWires {
		return false
	}
	s.by[name] = l
	return true
}

// find returns the stream of a name, which waits for the caller's wg.Done before it ends; nil, if there is none.
func (s *wires) find(name string) *wire {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.by[name]
	if l != nil {
		l.wg.Add(1)
	}
	return l
}

// drop takes a stream out: no message comes to it any more.
func (s *wires) drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.by, name)
}

// appendEvent appends an event with an id.
func appendEvent(dst []byte, id string, msg []byte) []byte {
	dst = append(append(append(dst, "id: "...), id...), "\nevent: message\ndata: "...)
	if bytes.ContainsAny(msg, "\n\r") {
		msg = jsonedit.Compact(nil, msg)
	}
	return append(append(dst, msg...), "\n\n"...)
}
