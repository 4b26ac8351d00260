package front

import (
	"cmp"
	"context"
	"maps"
	"mime"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/sse"
)

// answer is what becomes of a request: a result or a failure.
type answer struct {
	result  []byte
	items   []byte // of a list: what stands behind result, which is the same for many requests and is not copied
	tail    []byte // what stands behind items
	failure *failure
	header  http.Header // beside the usual
}

func failed(status, code int, message string) answer {
	return answer{failure: refusal(status, code, message)}
}

// maxNotes bounds the notifications of one request that wait for its client. Further ones are dropped: a server that tells
// more than its client takes is not waited for.
const maxNotes = 256

// reply writes the answer to one request: as JSON, or as a stream when something is to be told before it.
type reply struct {
	w      http.ResponseWriter
	stream bool // the client takes one
	every  time.Duration
	sse    *sse.Writer
	stop   func()
	keep   func() *strand // begins what is kept of the stream; nil: nothing is
	prime  bool           // the client knows events without data, which tell it where the stream stands
	strand *strand
}

func (x *exchange) newReply() *reply {
	p := &reply{w: x.w, stream: accepts(x.r, "text/event-stream"), every: x.d.o.KeepAlive, stop: func() {}}
	if x.session != nil && !x.v.Local && x.m.ID != nil {
		p.keep, p.prime = func() *strand { return x.strand(x.m.ID) }, x.session.revision >= revLegacy
	}
	return p
}

// close gives back what the reply has used.
func (p *reply) close() {
	p.stop()
	if p.sse != nil {
		p.sse.Release()
	}
}

// accepts reports whether a client takes a media type. One that does not say takes everything.
func accepts(r *http.Request, media string) bool {
	values := r.Header.Values("Accept")
	if len(values) == 0 {
		return true
	}
	main, _, _ := strings.Cut(media, "/")
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		t, _, err := mime.ParseMediaType(part)
		if err == nil && slices.Contains([]string{media, main + "/*", "*/*"}, t) {
			return true
		}
	}
	return false
}

// begin makes the answer a stream.
func (p *reply) begin() {
	if p.sse != nil {
		return
	}
	h := p.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	p.w.WriteHeader(http.StatusOK)
	p.sse = sse.NewWriter(p.w)
	_ = http.NewResponseController(p.w).Flush()
	p.stop = p.sse.KeepAlive(p.every)
	if p.keep != nil {
		p.strand = p.keep()
	}
	if p.strand != nil && p.prime {
		_ = p.sse.Raw([]byte("id: " + p.strand.here() + "\nretry: " + retryMillis + "\ndata: \n\n"))
	}
}

// event sends a message on the stream. A client that has left may come back for it.
func (p *reply) event(msg []byte) error {
	if p.strand != nil {
		return p.sse.Raw(appendEvent(nil, p.strand.keep(msg), msg))
	}
	return p.sse.Event("message", msg)
}

// send sends a message before the answer.
func (p *reply) send(msg []byte) error {
	if !p.stream {
		return nil
	}
	p.begin()
	return p.event(msg)
}

// end sends the answer.
func (p *reply) end(status int, msg []byte) {
	if p.sse == nil {
		writeJSON(p.w, status, msg)
		return
	}
	p.stop()
	_ = p.event(msg)
}

// runner makes the answer to a request, and tells of what comes before it.
type runner func(x *exchange, ctx context.Context, notify func(method string, params []byte)) answer

// safely runs a request. One that panics has failed.
func (x *exchange) safely(ctx context.Context, run runner, notify func(method string, params []byte)) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			x.d.o.Log.Error("a request of an MCP client panicked", "panic", p, "stack", string(debug.Stack()))
			a = failed(http.StatusInternalServerError, jsonrpc.CodeInternal, "the gateway failed; the log has the details")
		}
	}()
	return run(x, ctx, notify)
}

// wantsNoNotes reports whether the client wants to hear of nothing but the answer: it is one of the stateless era that asks for
// neither progress nor a log.
func (x *exchange) wantsNoNotes() bool {
	return x.modern && jsonedit.IsNull(jsonedit.Get(x.meta, "progressToken")) && jsonedit.IsNull(jsonedit.Get(x.meta, metaLogLevel))
}

// direct is relay for a client that wants to hear of nothing but the answer. It runs on the goroutine of its connection.
func (x *exchange) direct(run runner) {
	ctx, done := x.context()
	defer done()
	p := x.newReply()
	defer p.close()
	var mu sync.Mutex
	ended := false
	quiet := time.AfterFunc(x.d.o.KeepAlive, func() {
		mu.Lock()
		defer mu.Unlock()
		if !ended && p.stream && x.m.Method == "tools/call" {
			p.begin()
		}
	})
	defer quiet.Stop()
	a := x.safely(ctx, run, func(string, []byte) {})
	mu.Lock()
	ended = true
	mu.Unlock()
	x.finish(p, a)
}

// endList sends an answer that is made of a whole message, whose last brace belongs behind what follows it, of items, and of a tail
// with that brace.
func (p *reply) endList(head, items, tail []byte) {
	head = head[:len(head)-1]
	if _, whole := p.w.(*lineWriter); whole || p.sse != nil {
		p.end(http.StatusOK, slices.Concat(head, items, tail))
		return
	}
	writePieces(p.w, http.StatusOK, head, items, tail)
}

// relay runs a request and writes its notifications and its answer, in their order.
func (x *exchange) relay(run runner) {
	if x.wantsNoNotes() {
		x.direct(run)
		return
	}
	ctx, done := x.context()
	defer done()
	notes := make(chan []byte, maxNotes)
	p := x.newReply()
	if p.stream {
		x.notes = notes
	}
	ended := make(chan answer, 1)
	go func() {
		ended <- x.safely(ctx, run, func(method string, params []byte) {
			select {
			case notes <- jsonrpc.AppendNotification(nil, method, params):
			default:
				x.d.o.Log.Debug("a notification for a slow MCP client is dropped", "method", method)
			}
		})
	}()
	defer p.close()
	quiet := time.NewTimer(x.d.o.KeepAlive)
	defer quiet.Stop()
	for {
		select {
		case msg := <-notes:
			_ = p.send(msg) // a client that has left ends ctx
		case a := <-ended:
			for range len(notes) {
				_ = p.send(<-notes)
			}
			x.finish(p, a)
			return
		case <-quiet.C:
			if p.stream && x.m.Method == "tools/call" {
				p.begin()
			}
		}
	}
}

func (x *exchange) finish(p *reply, a answer) {
	defer func() { x.session.settle(p.strand) }()
	maps.Copy(x.w.Header(), a.header)
	if a.failure != nil {
		if a.failure.challenge != "" {
			x.w.Header().Set("WWW-Authenticate", a.failure.challenge)
		}
		p.end(cmp.Or(a.failure.status, http.StatusOK), jsonrpc.AppendError(nil, x.m.ID, a.failure.Error))
		return
	}
	if a.items == nil {
		p.end(http.StatusOK, jsonrpc.AppendResult(nil, x.m.ID, a.result))
		return
	}
	p.endList(jsonrpc.AppendResult(nil, x.m.ID, a.result), a.items, append(a.tail, '}'))
}

// repeats reports whether a JSON text has an object with the same member twice, at whatever depth.
func repeats(doc []byte) bool {
	return !jsontext.Value(doc).IsValid()
}
