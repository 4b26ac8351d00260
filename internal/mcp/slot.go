package mcp

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Restarts of a child process that has ended: the first after a second, and never more often than once a minute for one
// that keeps ending within steadyTime.
const (
	restartPause    = time.Second
	maxRestartPause = time.Minute
	steadyTime      = 10 * time.Second
)

// slot is the place of one session: the session of one server under one set of credentials, and what it lists.
type slot struct {
	p       *pool
	key     string
	headers http.Header
	caller  Caller
	client  *Client         // whose session it is; nil: nobody's alone
	auth    Authorizer      // nil: none is needed
	ctx     context.Context //nolint:containedctx // ends when the slot is closed; it owns goroutines
	stop    context.CancelFunc

	active int         // p.mu
	used   time.Time   // p.mu
	idle   *time.Timer // p.mu

	mu       sync.Mutex
	closed   bool
	session  Session
	opened   time.Time
	opening  *flight[Session]
	openFail failure // since the last session that opened and lasted
	losses   int     // sessions in a row that did not last
	list     *list
	dirty    bool      // the server has said that its tools have changed
	planned  bool      // a listing will begin soon
	asked    time.Time // when the last listing began
	listing  *flight[*list]
	listFail failure // since the last list
	wide     wide    // what clients see beside the tools
}

func newSlot(p *pool, key string, w who) *slot {
	s := &slot{p: p, key: key, headers: w.headers, caller: w.caller, client: w.client, used: time.Now()}
	s.ctx, s.stop = context.WithCancel(p.c.ctx)
	s.idle = time.AfterFunc(p.c.o.Idle, s.rest)
	if key == "" && !p.server.External {
		s.idle.Stop()
	}
	return s
}

// alive returns the session if it can be used. s.mu is held.
func (s *slot) alive() Session {
	if s.session == nil {
		return nil
	}
	select {
	case <-s.session.Done():
		return nil
	default:
		return s.session
	}
}

// open returns the session, opening one if there is none. Many callers share one opening; a caller that leaves does not
// end it. A failure is remembered for a while.
func (s *slot) open(ctx context.Context) (Session, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errGone
	}
	if sess := s.alive(); sess != nil {
		s.mu.Unlock()
		return sess, nil
	}
	f := s.opening
	if f == nil {
		if s.openFail.err != nil && time.Now().Before(s.openFail.until) {
			defer s.mu.Unlock()
			return nil, s.openFail.err
		}
		f = newFlight[Session]()
		s.opening = f
		if !s.p.c.spawn(func() { s.dial(f) }) {
			s.opening = nil
			s.mu.Unlock()
			return nil, errGone
		}
	}
	s.mu.Unlock()
	return f.wait(ctx)
}

// dial is the flight of open.
func (s *slot) dial(f *flight[Session]) {
	ctx, cancel := context.WithTimeout(s.ctx, s.p.c.o.OpenTime)
	defer cancel()
	sess, err := s.p.c.dial(ctx, s.dialled(), s.headers, s.changed)
	if err != nil && errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		err = &Unavailable{Message: "no answer within " + s.p.c.o.OpenTime.String(), Err: err}
	}
	s.mu.Lock()
	s.opening = nil
	late := s.closed
	switch {
	case err != nil && !late:
		s.openFail.note(err, &s.p.c.o)
	case err == nil && !late:
		s.session, s.opened = sess, time.Now()
		if s.losses == 0 {
			s.openFail = failure{}
		}
	}
	s.mu.Unlock()
	if late {
		if sess != nil {
			_ = sess.Close()
		}
		f.land(nil, errGone)
		return
	}
	if err == nil {
		sess.Follow(s.told)
	}
	f.land(sess, err)
	if err != nil {
		s.p.c.o.Log.Log(s.ctx, level(err), "cannot reach an MCP server", "server", s.p.server.Name, "error", s.p.cause(err))
		return
	}
	s.p.c.spawn(func() { s.watch(sess) })
	s.p.c.spawn(func() { s.resubscribe(sess) })
}

// dialled is the server as it is dialled for this caller: headers that the caller brings replace those of the config.
func (s *slot) dialled() Server {
	server := s.p.server
	if len(s.headers) > 0 && len(server.Headers) > 0 {
		server.Headers = maps.Clone(server.Headers)
		maps.DeleteFunc(server.Headers, func(name, _ string) bool { return s.headers.Get(name) != "" })
	}
	server.Authorizer = s.auth
	if s.client != nil {
		server.Client = s.client.Capabilities
	}
	return server
}

// watch waits for the end of a session. The child process that all share is then started again.
func (s *slot) watch(sess Session) {
	select {
	case <-sess.Done():
	case <-s.ctx.Done():
		return
	}
	losses := s.lost(sess, nil)
	if s.ctx.Err() != nil {
		return
	}
	s.p.c.o.Log.Warn("a session of an MCP server has ended", "server", s.p.server.Name)
	if !s.p.stdio() || s.client != nil {
		return
	}
	for n := losses; ; n++ {
		t := time.NewTimer(backoff(max(n-1, 0), restartPause, maxRestartPause))
		select {
		case <-t.C:
		case <-s.ctx.Done():
			t.Stop()
			return
		}
		if _, err := s.open(s.ctx); err == nil {
			s.changed()
			return
		}
	}
}

// lost takes a session that has ended out of the slot. It returns how many in a row did not last; from the second on, the
// next opening waits.
func (s *slot) lost(sess Session, err error) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != sess || sess == nil {
		return s.losses
	}
	select {
	case <-sess.Done():
	default:
		return s.losses // one exchange broke; the session and the other calls on it live on
	}
	s.session = nil
	s.p.c.spawn(func() { _ = sess.Close() })
	if time.Since(s.opened) >= steadyTime {
		s.losses, s.openFail = 0, failure{}
	}
	if s.losses++; s.losses > 1 {
		if err == nil {
			err = &Unavailable{Message: "its session ends again and again"}
		}
		s.openFail.note(err, &s.p.c.o)
	}
	return s.losses
}

// close ends the session and whatever is under way.
func (s *slot) close() {
	s.stop()
	s.mu.Lock()
	sess := s.session
	s.closed, s.session = true, nil
	s.mu.Unlock()
	if sess != nil {
		_ = sess.Close()
	}
}

// perRequest reports whether a header tells of the request and not of the caller. Such headers go with calls and do not
// open a session of their own.
func perRequest(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "traceparent", "tracestate", "baggage", "user-agent", "x-amzn-trace-id", "x-b3-traceid", "x-b3-spanid", "x-litellm-trace-id", "x-litellm-call-id":
		return true
	}
	return strings.HasPrefix(name, "x-request-") || strings.HasPrefix(name, "x-correlation-") || strings.HasPrefix(name, "x-trace-")
}
