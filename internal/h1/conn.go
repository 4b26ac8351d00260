package h1

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

const (
	readSize  = 4 << 10
	writeSize = 16 << 10
	// maxInformational is how many 1xx replies may come before the reply itself.
	maxInformational = 8
)

// writeBuffers are those that requests are written from, for as long as that takes.
var writeBuffers = sync.Pool{New: func() any { b := make([]byte, writeSize); return &b }}

// conn is a connection. One request at a time has it to itself.
type conn struct {
	t      *Transport
	to     place
	nc     net.Conn     // TLS, if any
	sock   net.Conn     // below it
	tcp    *net.TCPConn // nil over TLS and with a dialer of another kind
	tls    *tls.ConnectionState
	raw    syscall.RawConn // nil where the dialer gives none
	since  time.Time       // in the pool since
	reused bool

	out   sender
	in    reader
	stop  func() bool // ends the watch over the request's context
	abort func()

	look func(fd uintptr) bool
	peek [1]byte
	live bool
}

// conn returns a connection for req: one from the pool unless fresh.
func (t *Transport) conn(req *http.Request, fresh bool) (*conn, error) {
	ctx := req.Context()
	if ctx.Err() != nil {
		return nil, failed(ctx, Dial, nil)
	}
	to := place{req.URL.Scheme, req.URL.Host}
	if !fresh {
		if c := t.pool.take(to); c != nil {
			c.reused = true
			return c, nil
		}
	}
	c, err := t.dial(ctx, to)
	if err != nil {
		return nil, failed(ctx, Dial, err)
	}
	return c, nil
}

func (t *Transport) dial(ctx context.Context, to place) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.o.ConnectTimeout)
	defer cancel()
	nc, err := t.o.DialContext(ctx, "tcp", address(to))
	if err != nil {
		return nil, err
	}
	c := &conn{t: t, to: to, nc: nc, sock: nc}
	c.tcp, _ = nc.(*net.TCPConn)
	if s, ok := nc.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn() // without it a closed connection is only found in use
	}
	c.look, c.abort = c.lookAt, c.expire
	if to.scheme == "https" {
		if err := c.handshake(ctx); err != nil {
			_ = nc.Close()
			return nil, err
		}
	}
	return c, nil
}

func (c *conn) handshake(ctx context.Context) error {
	cfg := c.t.tls
	if cfg.ServerName == "" {
		cfg = cfg.Clone()
		cfg.ServerName = hostname(c.to.host)
	}
	s := tls.Client(c.nc, cfg)
	if err := s.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	state := s.ConnectionState()
	c.nc, c.tcp, c.tls = s, nil, &state
	return nil
}

// address is host with a port.
func address(to place) string {
	if _, port, err := net.SplitHostPort(to.host); err == nil && port != "" {
		return to.host
	}
	port := "80"
	if to.scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(hostname(to.host), port)
}

// hostname is host without a port and without brackets.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		return host[1 : n-1]
	}
	return host
}

// expire makes every read and write on the connection end now. It may run beside them.
func (c *conn) expire() { _ = c.nc.SetDeadline(time.Unix(1, 0)) }

// exchange sends req and reads the head of the reply. After an error the connection is closed; again says that the request may
// be sent once more, on a new one.
func (c *conn) exchange(req *http.Request, b body) (again bool, resp *http.Response, err error) {
	ctx := req.Context()
	if d := c.t.o.ResponseHeaderTimeout; d > 0 {
		_ = c.nc.SetDeadline(time.Now().Add(d)) // an error shows in the write
	}
	if ctx.Done() != nil {
		c.stop = context.AfterFunc(ctx, c.abort)
	}
	c.in = reader{src: c.nc, max: c.t.o.MaxHeaderBytes}
	c.in.open()

	err, phase := c.send(req, b), Write
	early := err != nil
	if !early || hungUp(c.out.err) { // a server that refuses a body closes, and its answer may be here already
		var e error
		if resp, e = c.receive(req, early); e == nil {
			return false, resp, nil
		}
		if !early {
			err, phase = e, Head
		}
	}
	lost := hungUp(c.out.err) || !early && hungUp(err)
	again = lost && c.reused && !c.in.any && ctx.Err() == nil && (c.out.sent == 0 || repeatable(req))
	err = failed(ctx, phase, err)
	c.release(false)
	return again, nil, err
}

func (c *conn) send(req *http.Request, b body) error {
	buf := writeBuffers.Get().(*[]byte)
	c.out = sender{nc: c.nc, tcp: c.tcp, buf: (*buf)[:0]}
	err := c.out.send(req, b)
	c.out.buf = nil
	writeBuffers.Put(buf)
	return err
}

// receive reads up to the end of the reply's head. With early set the request was cut short, and the connection is of no
// further use.
func (c *conn) receive(req *http.Request, early bool) (*http.Response, error) {
	r := &reply{conn: c, ctx: req.Context()}
	for range maxInformational {
		head, err := c.in.head(protocol)
		if err == nil {
			err = r.parse(head)
		}
		switch {
		case err != nil:
			return nil, err
		case r.StatusCode == http.StatusSwitchingProtocols:
			return nil, errSwitch
		case r.StatusCode < 200:
			continue
		}
		return c.begin(r, req, early)
	}
	return nil, errInformational
}

// begin finds how the reply's body is framed.
func (c *conn) begin(r *reply, req *http.Request, early bool) (*http.Response, error) {
	f, err := r.frame(req.Method)
	if err != nil {
		return nil, err
	}
	if c.t.o.ResponseHeaderTimeout > 0 {
		_ = c.nc.SetDeadline(time.Time{})
		if ctx := req.Context(); ctx.Err() != nil { // its deadline may just have been wiped out
			return nil, ctx.Err()
		}
	}
	r.Request, r.TLS, r.frames = req, c.tls, f
	r.in = &c.in
	r.keep = !r.Close && !early && !req.Close && f.kind != toEOF
	r.Body = (*replyBody)(r)
	if f.kind == empty {
		r.Body = http.NoBody
		c.release(r.keep)
	}
	return &r.Response, nil
}

// release ends the use of the connection by a request: back to the pool, or closed.
func (c *conn) release(keep bool) {
	if c.stop != nil && !c.stop() {
		keep = false // expire runs, or has run
	}
	if c.in.r != c.in.w {
		keep = false // nobody asked for what is there
	}
	c.in.close()
	c.stop = nil
	if keep {
		c.t.pool.put(c)
		return
	}
	_ = c.sock.Close() // without TLS's farewell, which may have to wait
}
