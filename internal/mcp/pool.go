package mcp

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// errGone is the error of a server that has been taken out of the config while a request used it.
var errGone = &Unavailable{Message: "the server is not configured any more"}

// pool holds the sessions of one server, a slot for each set of credentials.
type pool struct {
	c      *Catalogue
	server Server

	mu      sync.Mutex
	slots   map[string]*slot
	active  int // slots in use
	retired bool
	closed  bool
	quiet   chan struct{} // closed when the pool is retired and nobody uses it
}

func newPool(c *Catalogue, s Server) *pool {
	return &pool{c: c, server: s, slots: map[string]*slot{}, quiet: make(chan struct{})}
}

// stdio reports whether the server is a child process. Such a server has one session, which all callers share, and those that
// the config grants to clients that it may ask things.
func (p *pool) stdio() bool { return len(p.server.Command) > 0 }

// needsCaller reports whether the config says that callers bring their own credentials.
func (p *pool) needsCaller() bool {
	if p.server.Auth != nil && !p.server.Auth.Own() {
		return true
	}
	return !p.stdio() && slices.ContainsFunc(p.server.ForwardHeaders, func(h string) bool { return !perRequest(h) })
}

func (p *pool) ttl() time.Duration {
	if p.server.ListTTL > 0 {
		return p.server.ListTTL
	}
	return p.c.o.ListTTL
}

func (p *pool) callTime() time.Duration {
	if p.server.Timeout > 0 {
		return p.server.Timeout
	}
	return time.Duration(p.c.callTime.Load())
}

// credential is what tells the sessions of callers apart.
func credential(h http.Header) string {
	if len(h) == 0 {
		return ""
	}
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(h)) {
		sum.Write([]byte(name + "\x00" + strings.Join(h[name], "\x01") + "\x02"))
	}
	return string(sum.Sum(nil))
}

// asks reports whether a server may ask clients things, each in a session of its own. The process of all asks nobody.
func (p *pool) asks() bool { return !p.stdio() || p.server.Children > 0 }

// room is how many sessions the pool may have.
func (p *pool) room() int {
	if p.stdio() {
		return 1 + p.server.Children
	}
	return p.c.o.Sessions
}

// acquire returns the slot for a caller, with its headers and the client that servers may ask things; who asked for it must
// release it. The child process of all is nobody's.
func (p *pool) acquire(w who) (*slot, error) {
	if p.stdio() {
		w = who{client: w.client}
	}
	if !p.asks() {
		w.client = nil
	}
	key := credential(w.headers)
	auth, own := p.authorizer(&w)
	if own != "" {
		key += "\x01" + own
	}
	if w.client != nil {
		key += "\x00" + w.client.Key
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.retired {
		return nil, errGone
	}
	s := p.slots[key]
	if s == nil {
		if len(p.slots) >= p.room() && !p.evict() {
			return nil, &Unavailable{Message: "too many sessions of the server are in use; try again later"}
		}
		s = newSlot(p, key, w)
		s.auth = auth
		p.slots[key] = s
	}
	s.active++
	p.active++
	return s, nil
}

// evict closes the slot that was used least recently, if there is one that nobody uses. p.mu is held.
func (p *pool) evict() bool {
	var old *slot
	for _, s := range p.slots {
		if s.active == 0 && (s.key != "" || !p.stdio()) && (old == nil || s.used.Before(old.used)) {
			old = s
		}
	}
	if old == nil {
		return false
	}
	p.drop(old)
	return true
}

// drop takes a slot out and closes it. p.mu is held.
func (p *pool) drop(s *slot) {
	delete(p.slots, s.key)
	s.idle.Stop()
	p.c.spawn(s.close)
}

// retain keeps a slot in use that is in use already.
func (s *slot) retain() {
	p := s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	s.active++
	p.active++
}

// release gives the slot back. One with credentials is closed when it is not used again for a while.
func (s *slot) release() {
	p := s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	s.active--
	p.active--
	s.used = time.Now()
	if s.active == 0 && !p.closed && (s.key != "" || p.server.External) {
		s.idle.Reset(p.c.o.Idle)
	}
	if p.retired && p.active == 0 && !p.closed {
		p.hush()
	}
}

// rest closes the slot if nobody has used it for a while. The idle timer calls it.
func (s *slot) rest() {
	p := s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.active == 0 && p.slots[s.key] == s && time.Since(s.used) >= p.c.o.Idle {
		p.drop(s)
	}
}

// retire lets nobody in any more.
func (p *pool) retire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retired = true
	if p.active == 0 {
		p.hush()
	}
}

// hush says that nobody uses the pool. p.mu is held.
func (p *pool) hush() {
	select {
	case <-p.quiet:
	default:
		close(p.quiet)
	}
}

// close closes all slots and returns when their sessions have ended.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	slots := slices.Collect(maps.Values(p.slots))
	clear(p.slots)
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range slots {
		s.idle.Stop()
		wg.Go(s.close)
	}
	wg.Wait()
}

func (p *pool) lastUse() (at time.Time, busy bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.slots {
		if s.used.After(at) {
			at = s.used
		}
	}
	return at, p.active > 0
}

func (p *pool) status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := Status{Name: p.server.Name}
	for key, s := range p.slots {
		s.mu.Lock()
		if s.alive() != nil {
			st.Sessions++
		}
		if key == "" {
			if s.list != nil {
				st.Tools, st.Listed = len(s.list.tools), s.list.at
				st.Remarks = append(st.Remarks, s.list.found()...)
				if s.list.partial != nil {
					st.Error = s.list.partial.Message
				}
			}
			if s.wide.more != nil {
				st.Remarks = append(st.Remarks, s.wide.more.found()...)
			}
			if s.listFail.err != nil {
				st.Error = SafeMessage(s.listFail.err)
			}
		}
		s.mu.Unlock()
	}
	return st
}

// cause is what the log says of an error: all that is known, but not the server's URL, which may hold a secret.
func (p *pool) cause(err error) string {
	text := err.Error()
	for e := errors.Unwrap(err); e != nil; e = errors.Unwrap(e) {
		if !strings.Contains(text, e.Error()) {
			text += ": " + e.Error()
		}
	}
	for _, url := range []string{p.server.URL, p.server.Document} {
		if strings.Contains(url, "://") {
			text = strings.ReplaceAll(text, url, "its url")
		}
	}
	return text
}

// flight is one piece of work that several wait for.
type flight[T any] struct {
	done chan struct{}
	val  T
	err  error
}

func newFlight[T any]() *flight[T] { return &flight[T]{done: make(chan struct{})} }

func (f *flight[T]) land(val T, err error) {
	f.val, f.err = val, err
	close(f.done)
}

func (f *flight[T]) wait(ctx context.Context) (T, error) {
	select {
	case <-f.done:
		return f.val, f.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// failure remembers what went wrong, and for how long nobody tries again.
type failure struct {
	err   error
	until time.Time
	n     int // in a row
}

func (f *failure) note(err error, o *Options) {
	f.err = err
	if Login(err) != nil { // nothing has failed, and a login may end at any time
		f.until = time.Time{}
		return
	}
	f.n++
	f.until = time.Now().Add(backoff(f.n-1, o.Pause, o.MaxPause))
}

// backoff is first, doubled n times, and at most limit.
func backoff(n int, first, limit time.Duration) time.Duration {
	if n > 20 || first<<n > limit {
		return limit
	}
	return first << n
}
