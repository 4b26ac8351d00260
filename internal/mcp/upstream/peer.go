package upstream

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// transport carries messages of one session. What it receives it hands to the session's peer.
type transport interface {
	// exchange sends a request and returns its answer. When ctx ends, the server is told and ctx's error returned.
	exchange(ctx context.Context, c *call, msg []byte) (jsonrpc.Message, error)
	// send sends a message that has no answer.
	send(ctx context.Context, msg []byte) error
	// close ends the transport and all that belongs to it, and returns when it has ended.
	close() error
}

// call is one request that waits for its answer.
type call struct {
	id       []byte
	method   string
	header   http.Header // HTTP: what the request carries beside the session's own
	limit    int         // bytes of the answer
	progress func()
	notify   func(method string, params []byte)                         // notifications that belong to it; may be nil
	ask      func(method string, params []byte) ([]byte, *mcp.RPCError) // answers what the server asks meanwhile; may be nil
	party    string                                                     // of whom ask asks
	answer   chan jsonrpc.Message                                       // holds one
	ended    func()                                                     // called once the answer is there, or will not come; may be nil; under the peer's lock
	state    atomic.Int32                                               // of a queued message: waiting, taken, dropped
}

// The states of a queued message.
const (
	waiting int32 = iota
	taken
	dropped
)

// peer matches answers to requests and answers what the server asks.
type peer struct {
	log     *slog.Logger
	changed func()
	follow  atomic.Pointer[func(method string, params []byte)]
	reply   func(msg []byte) // sends an answer of ours; it must not block for long
	max     int

	mu    sync.Mutex
	next  int64
	calls map[string]*call
	gone  *mcp.LostError
	life  context.Context //nolint:containedctx // the session's life, which no request bounds
	end   context.CancelFunc
	lost  <-chan struct{} // life's end
}

func newPeer(log *slog.Logger, o *Options, changed func()) *peer {
	p := &peer{log: log, changed: changed, max: o.MaxPending, calls: make(map[string]*call), reply: func([]byte) {}}
	p.life, p.end = context.WithCancel(context.Background())
	p.lost = p.life.Done()
	return p
}

// open enters a request. The caller closes it.
func (p *peer) open(c *call) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone != nil {
		return p.lostLocked(true)
	}
	if len(p.calls) >= p.max {
		return &mcp.Unavailable{Message: "too many calls at once for this server"}
	}
	p.next++
	c.id = strconv.AppendInt(nil, p.next, 10)
	c.answer = make(chan jsonrpc.Message, 1)
	p.calls[string(c.id)] = c
	return nil
}

// onEnd has f called once the answer of c is there, or the session is gone.
func (p *peer) onEnd(c *call, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.ended = f; p.gone != nil {
		f()
	}
}

// close forgets a request. An answer that comes later is dropped.
func (p *peer) close(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, string(c.id))
}

// lose marks the session as gone; only the first reason counts.
func (p *peer) lose(e *mcp.LostError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone != nil {
		return
	}
	p.gone = e
	p.end()
	for _, c := range p.calls {
		if c.ended != nil {
			c.ended()
		}
	}
}

func (p *peer) lostLocked(unsent bool) error {
	e := *p.gone
	e.Unsent = unsent
	return &e
}

// lostError is why the session is gone, for one call.
func (p *peer) lostError(unsent bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lostLocked(unsent)
}

// wait returns the answer of c, or why there will be none.
func (p *peer) wait(ctx context.Context, c *call) (jsonrpc.Message, error) {
	select {
	case m := <-c.answer:
		return m, nil
	case <-ctx.Done():
	case <-p.lost:
	}
	select {
	case m := <-c.answer:
		return m, nil
	default:
	}
	if ctx.Err() != nil {
		return jsonrpc.Message{}, ctx.Err()
	}
	return jsonrpc.Message{}, p.lostError(c.state.CompareAndSwap(waiting, dropped))
}

// receive takes in one message of the server. c is the call on whose stream it came; nil if streams are not told apart.
func (p *peer) receive(m jsonrpc.Message, c *call) {
	switch {
	case m.IsResponse():
		p.deliver(m)
	case m.IsRequest():
		p.asked(m, c)
	case m.Method == "notifications/progress":
		p.progress(m)
	case m.Method == "notifications/tools/list_changed":
		p.changed()
	case m.Method == "notifications/message" && c != nil && c.notify != nil:
		c.notify(m.Method, m.Params)
	case followed[m.Method]:
		if f := p.follow.Load(); f != nil {
			(*f)(m.Method, m.Params)
		}
	default:
		p.log.Debug("notification of an MCP server", "method", m.Method)
	}
}

// followed are the notifications beside that of the tools for which somebody may wait.
var followed = map[string]bool{
	"notifications/prompts/list_changed": true, "notifications/resources/list_changed": true, "notifications/resources/updated": true,
}

// progress tells a call that its server has told of progress.
func (p *peer) progress(m jsonrpc.Message) {
	c := p.call(jsonedit.Get(m.Params, "progressToken"))
	if c == nil {
		return
	}
	if c.progress != nil {
		c.progress()
	}
	if c.notify != nil {
		c.notify(m.Method, m.Params)
	}
}

func (p *peer) call(id []byte) *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[strings.Trim(string(id), `"`)]
}

func (p *peer) deliver(m jsonrpc.Message) {
	c := p.call(m.ID)
	if c == nil {
		p.log.Debug("an MCP server answered what nobody waits for")
		return
	}
	select {
	case c.answer <- m:
	default: // answered twice
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.ended != nil {
		c.ended()
	}
}

// asked takes in a request of the server. The client whose request it belongs to answers it, if there is one that can.
func (p *peer) asked(m jsonrpc.Message, c *call) {
	ask := p.asker(c)
	if ask == nil || m.Method == "ping" {
		p.reply(p.answerTo(m))
		return
	}
	go func() { // ends with the client's request at the latest
		result, err := ask(m.Method, m.Params)
		if err != nil {
			p.reply(jsonrpc.AppendError(nil, m.ID, &jsonrpc.Error{Code: err.Code, Message: err.Message, Data: err.Data}))
			return
		}
		p.reply(jsonrpc.AppendResult(nil, m.ID, result))
	}()
}

// asker is who answers what came on the stream of a call. What came on none is of the one party whose calls run; if there are
// several, nobody can say whom the server means, and nobody is asked.
func (p *peer) asker(c *call) func(string, []byte) ([]byte, *mcp.RPCError) {
	if c != nil && c.ask != nil {
		return c.ask
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var one *call
	for _, c := range p.calls {
		switch {
		case c.ask == nil || c.party == "":
		case one == nil:
			one = c
		case one.party != c.party:
			p.log.Warn("an MCP server asks, and it cannot be told which of several clients")
			return nil
		}
	}
	if one == nil {
		return nil
	}
	return one.ask
}

// answerTo answers a request of the server. No capabilities were declared, so that all but ping is unknown.
func (p *peer) answerTo(m jsonrpc.Message) []byte {
	if m.Method == "ping" {
		return jsonrpc.AppendResult(nil, m.ID, []byte("{}"))
	}
	p.log.Debug("an MCP server asked for what was not offered", "method", m.Method)
	return jsonrpc.AppendError(nil, m.ID, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "Method not found"})
}

// cancellation is the notification that ends c on the server's side, or nil for a call that must not be cancelled.
func (c *call) cancellation() []byte {
	if c.method == "initialize" {
		return nil
	}
	params := append([]byte(`{"requestId":`), c.id...)
	return jsonrpc.AppendNotification(nil, "notifications/cancelled", append(params, `,"reason":"the request was cancelled"}`...))
}

// rpcError returns the error of an answer as callers get it.
func rpcError(e *jsonrpc.Error) *mcp.RPCError {
	msg := e.Message
	if msg == "" {
		msg = "the server answered with error " + strconv.Itoa(e.Code)
	}
	return &mcp.RPCError{Code: e.Code, Message: msg, Data: e.Data}
}

// rpcCode returns the code of the server's error in err, or 0.
func rpcCode(err error) int {
	if e, ok := errors.AsType[*mcp.RPCError](err); ok {
		return e.Code
	}
	return 0
}
