package h1

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// maxRest is how much of a body that its handler did not read is read for the sake of the next request.
	maxRest = 256 << 10
	// restTime is how long that may take, and how long a client may go on to send after the last reply of its connection: one
	// that is cut off while it sends may never see the reply.
	restTime = 5 * time.Second
	// lastTime is how long a client may take to accept the end of a reply whose handler has set no deadline.
	lastTime = time.Minute
)

// The states of a connection.
const (
	fresh  = iota // no request has come yet
	idle          // between requests
	busy          // with a request
	ending        // the last reply was sent
	shut          // closed
)

// serverConn is a connection with a client.
type serverConn struct {
	s      *Server
	nc     net.Conn
	tcp    *net.TCPConn    // nil where it is none
	raw    syscall.RawConn // nil where there is none
	remote string

	in      reader
	readBy  deadline
	writeBy deadline
	vec     net.Buffers
	parts   [3][]byte
	first   func(fd uintptr) bool // readFirst
	firstN  int
	err     error // of readFirst

	// What the last request asked for, which the next one often does too.
	target string
	url    url.URL

	state atomic.Int32
	since atomic.Int64 // the state, in ticks of the server
	gone  atomic.Bool  // the client has left
	peek  func(fd uintptr)
	spy   [1]byte

	mu     sync.Mutex
	x      *exchange          // whose handler runs; nil: none does
	cancel context.CancelFunc // of its context
}

func newServerConn(s *Server, nc net.Conn) *serverConn {
	c := &serverConn{s: s, nc: nc, remote: nc.RemoteAddr().String()}
	c.tcp, _ = nc.(*net.TCPConn)
	c.raw = rawOf(nc)
	c.in = reader{src: c, max: s.MaxHeaderBytes}
	c.readBy.set, c.writeBy.set = nc.SetReadDeadline, nc.SetWriteDeadline
	c.first, c.peek = c.readFirst, c.peekAt
	c.since.Store(s.ticks.Load())
	return c
}

// Read reads from the connection, by its deadline.
func (c *serverConn) Read(p []byte) (int, error) {
	c.readBy.enter()
	defer c.readBy.leave()
	return c.nc.Read(p)
}

// write writes the parts of what follows each other, by the deadline. Empty parts are passed over.
func (c *serverConn) write(parts [3][]byte) error {
	c.writeBy.enter()
	defer c.writeBy.leave()
	c.vec = c.parts[:0]
	for _, p := range parts {
		if len(p) > 0 {
			c.vec = append(c.vec, p)
		}
	}
	var err error
	if c.tcp != nil && len(c.vec) > 1 {
		_, err = c.vec.WriteTo(c.tcp)
	} else {
		for _, p := range c.vec {
			if _, err = c.nc.Write(p); err != nil {
				break
			}
		}
	}
	c.vec, c.parts = nil, [3][]byte{}
	return err
}

func (c *serverConn) serve() {
	defer c.s.remove(c)
	defer func() {
		if p := recover(); p != nil {
			c.panicked(p)
		}
		c.state.Store(shut)
		_ = c.nc.Close()
		c.in.close()
	}()
	for c.await() && c.answer() {
		c.enter(idle)
	}
}

func (c *serverConn) enter(state int32) {
	c.since.Store(c.s.ticks.Load())
	c.state.Store(state)
}

// await waits for the next request. While it waits the connection has no buffer.
func (c *serverConn) await() bool {
	if c.s.stopping.Load() && c.state.Load() != fresh {
		return false
	}
	if c.in.r == c.in.w {
		c.in.close()
		if !c.begins() {
			return false
		}
	}
	was := c.state.Load()
	c.since.Store(c.s.ticks.Load())
	return (was == fresh || was == idle) && c.state.CompareAndSwap(was, busy)
}

// begins waits for the first bytes of a request. It has no deadline of its own: look knows how long it may take.
func (c *serverConn) begins() bool {
	c.readBy.move(time.Time{})
	c.readBy.enter()
	defer c.readBy.leave()
	if c.raw == nil {
		c.in.open()
		c.in.w, _ = c.nc.Read(c.in.buf) // an error comes again
		return c.in.w > 0
	}
	err := c.raw.Read(c.first)
	return err == nil && c.err == nil && c.firstN > 0
}

// answer reads a request and has it answered. It reports whether the connection is good for another one.
func (c *serverConn) answer() bool {
	x, err := c.request()
	if err != nil {
		c.refuse(err)
		return false
	}
	return c.run(x) && x.finish()
}

// request reads the head of the next request.
func (c *serverConn) request() (*exchange, error) {
	c.readBy.move(time.Now().Add(c.s.HeadTime))
	var head []byte
	err := c.in.blank()
	if err == nil {
		head, err = c.in.head("")
	}
	c.readBy.move(time.Time{})
	if err != nil {
		return nil, err
	}
	x := &exchange{conn: c}
	if err := x.parse(head); err != nil {
		return nil, err
	}
	return x, nil
}

// run has the handler answer x. False is that it panicked.
func (c *serverConn) run(x *exchange) (ok bool) {
	ctx, cancel := context.WithCancel(context.Background())
	c.watch(x, cancel)
	defer func() {
		c.watch(nil, nil)
		cancel()
		if ok {
			return
		}
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // the sentinel is compared as net/http does
			c.panicked(p)
		}
		x.body.end()
	}()
	x.req = *x.req.WithContext(ctx)
	c.writeBy.move(time.Time{})
	c.s.Handler.ServeHTTP(x, &x.req)
	return true
}

func (c *serverConn) panicked(p any) {
	l := c.s.Log
	if l == nil {
		l = slog.Default()
	}
	l.Error("a handler panicked", "panic", p, "stack", string(debug.Stack()))
}

// watch gives the connection to the handler of x, and has cancel called when the client leaves.
func (c *serverConn) watch(x *exchange, cancel context.CancelFunc) {
	c.mu.Lock()
	c.x, c.cancel = x, cancel
	c.mu.Unlock()
	if cancel != nil && c.gone.Load() {
		cancel()
	}
}

// left notes that the client has left.
func (c *serverConn) left() {
	c.gone.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel()
	}
}

// look closes the connection if it has been unused for too long, and notices when its client has left.
func (c *serverConn) look(now int64) {
	state := c.state.Load() // before its time, which is set first
	ticks := now - c.since.Load()
	age := time.Duration(ticks) * c.s.tick
	switch {
	case state == fresh && age >= c.s.HeadTime, state == idle && age >= c.s.IdleTime:
		c.rest()
	case state == busy && watched(ticks) && c.raw != nil && !c.gone.Load():
		_ = c.raw.Control(c.peek) // a connection that is closed has nobody to tell
	}
}

// watched reports whether a request is looked at when it is so old: not yet at its beginning, and later more seldom.
func watched(ticks int64) bool { return ticks >= 2 && (ticks < 10 || ticks%5 == 0) }

// retire closes the connection unless a request uses it, or waits to be read from a connection that is new.
func (c *serverConn) retire() {
	if c.state.Load() != fresh || !c.hasSent() {
		c.rest()
	}
}

// rest closes the connection unless a request uses it.
func (c *serverConn) rest() {
	for _, state := range [...]int32{fresh, idle, ending} {
		if c.state.CompareAndSwap(state, shut) {
			_ = c.nc.Close()
		}
	}
}

// expire ends what waits for the client to send.
func (c *serverConn) expire() { c.readBy.move(time.Unix(1, 0)) }

// abort closes the connection.
func (c *serverConn) abort() {
	_ = c.nc.Close()
	c.left()
}

// refuse answers what is no request, where an answer is of use.
func (c *serverConn) refuse(err error) {
	status := http.StatusBadRequest
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		status, err = http.StatusRequestTimeout, errHeadTime
	case errors.Is(err, errHeadSize):
		status = http.StatusRequestHeaderFieldsTooLarge
	case errors.Is(err, errVersion):
		status = http.StatusHTTPVersionNotSupported
	case errors.Is(err, errEncoding):
		status = http.StatusNotImplemented
	case errors.Is(err, errExpect):
		status = http.StatusExpectationFailed
	case hungUp(err):
		return
	}
	x := &exchange{conn: c}
	x.req.ProtoMinor = 1
	x.req.Close = true
	c.writeBy.move(time.Now().Add(restTime))
	http.Error(x, err.Error(), status)
	if x.end() == nil {
		c.linger()
	}
}

// linger ends the connection for the client, and reads what it still sends: a connection that is closed while the other side
// sends breaks there, and may take the reply with it.
func (c *serverConn) linger() {
	c.enter(ending)
	if c.tcp == nil || c.s.stopping.Load() || c.tcp.CloseWrite() != nil {
		return
	}
	c.in.close()
	c.in.open()
	c.readBy.move(time.Now().Add(restTime))
	for {
		if _, err := c.Read(c.in.buf); err != nil {
			return
		}
	}
}

// drain reads the rest of a body, if it is not too long. It reports whether that was all.
func (c *serverConn) drain(b *frames) bool {
	page := pages.Get().(*[]byte)
	defer pages.Put(page)
	c.readBy.move(time.Now().Add(restTime))
	for left := int64(maxRest); left >= 0; {
		n, err := b.read(*page)
		if left -= int64(n); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
	return false
}
