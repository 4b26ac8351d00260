package h1

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Server serves HTTP/1.1 and 1.0 on connections without TLS, each in one goroutine: none waits beside the handler for the client
// to leave. A request's context ends when its client has left, which a request that takes its time learns within a moment. It
// works with its handler as [http.Server] does, and that can stand in for it at any time; what it does not have are HTTP/2,
// upgrades, trailers, and informational replies other than 100 Continue.
//
// It is strict about what can be read in two ways, and answers it with 400 and the end of the connection.
type Server struct {
	Handler        http.Handler
	HeadTime       time.Duration // until a request's head is there, from its first byte or from the connection's beginning; 0: 10 s
	IdleTime       time.Duration // between two requests of a connection; 0: 2 min
	MaxHeaderBytes int           // a request's head; 0: 64 KiB
	Log            *slog.Logger  // handlers that panic; nil: slog.Default

	stopping atomic.Bool
	ticks    atomic.Int64
	date     atomic.Pointer[date]

	mu       sync.Mutex // of what follows
	listener net.Listener
	conns    map[*serverConn]struct{}
	tick     time.Duration
	watch    *time.Timer   // armed while there are connections
	ended    chan struct{} // closed with the last connection of a server that stops
}

const (
	// watchTime is how often connections are looked at, at the least. That a client has left is known two to five times later.
	watchTime = 100 * time.Millisecond
	// acceptPause is how long nothing is accepted after the system had no room for another connection.
	acceptPause = 50 * time.Millisecond
)

// Serve serves l until Shutdown or Close, after which it returns http.ErrServerClosed. It closes l. Call it once.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if !s.begin(l) {
		return http.ErrServerClosed
	}
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			s.add(nc)
		case s.stopping.Load():
			return http.ErrServerClosed
		case crowded(err):
			time.Sleep(acceptPause)
		default:
			return err
		}
	}
}

// crowded reports whether err passes when other connections end.
func crowded(err error) bool {
	for _, e := range [...]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (s *Server) begin(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.HeadTime == 0 {
		s.HeadTime = 10 * time.Second
	}
	if s.IdleTime == 0 {
		s.IdleTime = 2 * time.Minute
	}
	if s.MaxHeaderBytes == 0 {
		s.MaxHeaderBytes = 64 << 10
	}
	s.tick = min(watchTime, s.HeadTime/4, s.IdleTime/4)
	s.listener, s.conns = l, make(map[*serverConn]struct{})
	return !s.stopping.Load()
}

// add serves a new connection.
func (s *Server) add(nc net.Conn) {
	c := newServerConn(s, nc)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		_ = nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	switch {
	case s.watch == nil:
		s.watch = time.AfterFunc(s.tick, s.look)
	case len(s.conns) == 1:
		s.watch.Reset(s.tick)
	}
	go c.serve()
}

func (s *Server) remove(c *serverConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.conns, c); len(s.conns) > 0 {
		return
	}
	if s.watch != nil {
		s.watch.Stop()
	}
	if s.ended != nil {
		close(s.ended)
		s.ended = nil
	}
}

// look looks at every connection: those that nobody uses any more are closed, and clients that have left are noticed.
func (s *Server) look() {
	now := s.ticks.Add(1)
	for _, c := range s.all() {
		c.look(now)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) > 0 {
		s.watch.Reset(s.tick)
	}
}

// all are the connections of now.
func (s *Server) all() []*serverConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.conns))
}

// Shutdown accepts nothing more, closes the connections that no request uses, and waits until the others have ended or ctx has,
// whose error it returns then.
func (s *Server) Shutdown(ctx context.Context) error {
	ended := s.stop((*serverConn).retire)
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close accepts nothing more and closes all connections. The contexts of requests end.
func (s *Server) Close() error {
	s.stop((*serverConn).abort)
	return nil
}

// stop stops the accepting and does end to every connection. The channel is closed with the last of them.
func (s *Server) stop(end func(*serverConn)) <-chan struct{} {
	s.stopping.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		_ = s.listener.Close()
	}
	for c := range s.conns {
		end(c)
	}
	if s.ended != nil {
		return s.ended
	}
	ended := make(chan struct{})
	if len(s.conns) == 0 {
		close(ended)
		return ended
	}
	s.ended = ended
	return ended
}

// date is a value of the Date field, good for one second.
type date struct {
	second int64
	text   string
}

// now is the time as the Date field says it.
func (s *Server) now() string {
	t := time.Now()
	d := s.date.Load()
	if d == nil || d.second != t.Unix() {
		d = &date{t.Unix(), t.UTC().Format(http.TimeFormat)}
		s.date.Store(d)
	}
	return d.text
}
