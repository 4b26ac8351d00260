package front

import (
	"context"
	"crypto/sha256"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/seal"
)

// session is a session of the older era. What it is was sealed into its id; the rest is of this process.
type session struct {
	id       string
	revision string
	caps     []byte // what the client declares

	mu     sync.Mutex
	level  string // of the log
	calls  map[string]*running
	asked  map[string]chan<- jsonrpc.Message // requests to the client, by id
	stream *running                          // for notifications
	subs   map[string]func()                 // by URI, as the client names it: what ends a subscription
	alone  *time.Timer                       // ends the subscriptions when there is no stream
	told   chan string                       // URIs of resources that have changed
	used   time.Time
	ended  bool

	strands  map[string]*strand // streams that can be taken up again
	standing *strand            // that of GET
	serial   int                // of strands
	seen     *seen              // what the client was shown when its standing stream ended
}

// running is something that can be told to end.
type running struct{ end context.CancelFunc }

// maxLive bounds the sessions of which this process remembers something, and the ended ones that it still knows.
const maxLive = 20_000

// live are the sessions that this process knows.
type live struct {
	mu    sync.Mutex
	by    map[string]*session
	ended map[string]time.Time // by a hash of the id: until when the id would be good
}

func scope(kind string, v *mcp.Visit) seal.Scope {
	return seal.Scope{Kind: kind, Route: v.Route, Principal: v.Principal}
}

// open returns the session with this id, or nil if there is none for this principal on this path.
func (d *Door) open(v *mcp.Visit, id string) *session {
	content, ok := d.o.Seal.Open(scope("session", v), id)
	if !ok {
		return nil
	}
	l := &d.live
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, gone := l.ended[hash(id)]; gone {
		return nil
	}
	s := l.by[id]
	if s == nil {
		l.room()
		rev, _ := jsonedit.Unquote(jsonedit.Get(content, "v"))
		s = &session{id: id, revision: rev, caps: jsonedit.Get(content, "c"), level: "info"}
		s.calls, s.asked = map[string]*running{}, map[string]chan<- jsonrpc.Message{}
		s.subs = map[string]func(){}
		s.told = make(chan string, maxTold)
		s.alone = time.AfterFunc(aloneTime, s.quiet)
		s.alone.Stop()
		l.by[id] = s
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = time.Now()
	return s
}

// room forgets sessions that nothing runs in, if there are too many: those that were not used of late, and if that is not enough,
// any. Their ids stay good. What is left then has a connection each. l.mu is held.
func (l *live) room() {
	if len(l.by) < maxLive {
		return
	}
	for _, idle := range []time.Duration{time.Minute, 0} {
		for id, s := range l.by {
			s.mu.Lock()
			if len(s.calls) == 0 && len(s.subs) == 0 && s.stream == nil && time.Since(s.used) > idle {
				delete(l.by, id)
				s.unravel()
			}
			s.mu.Unlock()
			if len(l.by) < maxLive*3/4 {
				return
			}
		}
	}
}

// end makes an id unknown, and ends what runs under it.
func (d *Door) end(s *session) {
	l := &d.live
	l.mu.Lock()
	delete(l.by, s.id)
	now := time.Now()
	if len(l.ended) >= maxLive {
		for h, until := range l.ended {
			if until.Before(now) || len(l.ended) >= maxLive {
				delete(l.ended, h)
			}
		}
	}
	l.ended[hash(s.id)] = now.Add(d.o.Session)
	l.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, c := range s.calls {
		c.end()
	}
	if s.stream != nil {
		s.stream.end()
	}
	s.unfollow()
	s.unravel()
}

// forget forgets a session that came with a stream of its own.
func (d *Door) forget(id string) {
	l := &d.live
	l.mu.Lock()
	s := l.by[id]
	delete(l.by, id)
	l.mu.Unlock()
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.unfollow()
}

// swap exchanges what the client was shown last.
func (s *session) swap(now *seen) (was *seen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, s.seen = s.seen, now
	return was
}

func hash(id string) string {
	sum := sha256.Sum256([]byte(id))
	return string(sum[:])
}

// begin enters a call, so that it can be cancelled by its id.
func (s *session) begin(id []byte, end context.CancelFunc) (done func()) {
	c := &running{end}
	key := string(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[key] = c
	if s.ended {
		end()
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.calls[key] == c {
			delete(s.calls, key)
		}
		s.used = time.Now()
	}
}

// cancel ends the call with this id.
func (s *session) cancel(id []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.calls[string(id)]; c != nil {
		c.end()
	}
}

// take makes a stream the one for notifications, and ends the one that was.
func (s *session) take(end context.CancelFunc) (done func()) {
	c := &running{end}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream != nil {
		s.stream.end()
	}
	s.stream = c
	s.alone.Stop()
	if s.ended {
		end()
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.stream == c {
			s.stream = nil
			s.alone.Reset(aloneTime)
		}
		s.used = time.Now()
	}
}

// aloneTime is how long subscriptions outlive the stream that told of them.
const aloneTime = 5 * time.Minute

// maxTold bounds the changes of resources that wait for a session's stream.
const maxTold = 32

// maxSubs bounds the subscriptions of a session, and of one listen.
const maxSubs = 256

// quiet ends the subscriptions of a session that has no stream.
func (s *session) quiet() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream == nil {
		s.unfollow()
	}
}

// unfollow ends all subscriptions. s.mu is held.
func (s *session) unfollow() {
	for _, stop := range s.subs {
		stop()
	}
	clear(s.subs)
}

// context is the life of a request. In the stateless era, it ends with the connection; in the older one, a connection that
// broke says nothing, and a notification cancels.
func (x *exchange) context() (ctx context.Context, done func()) {
	if x.modern {
		return context.WithCancel(x.r.Context())
	}
	life := x.r.Context()
	if !x.v.Local {
		life = context.WithoutCancel(life)
	}
	ctx, cancel := context.WithCancel(life)
	if x.session == nil {
		return ctx, cancel
	}
	forget := x.session.begin(x.m.ID, cancel)
	return ctx, func() {
		forget()
		cancel()
	}
}

// initialize makes a session.
func (x *exchange) initialize(ctx context.Context, _ func(string, []byte)) answer {
	v, f := x.view(ctx)
	if f != nil {
		return answer{failure: f}
	}
	rev, ok := jsonedit.Unquote(jsonedit.Get(x.m.Params, "protocolVersion"))
	if !ok {
		return failed(http.StatusBadRequest, jsonrpc.CodeInvalidParams, "params has no text protocolVersion")
	}
	if !slices.Contains(revisions, rev) {
		rev = revLegacy
	}
	content := append([]byte(`{"v":"`+rev+`","c":`), declared(jsonedit.Get(x.m.Params, "capabilities"))...)
	id := x.d.o.Seal.Seal(scope("session", x.v), append(content, '}'), x.d.o.Session)
	out := append([]byte(`{"protocolVersion":"`), rev...)
	out = v.appendInstructions(append(out, `","capabilities":`+capabilities+`,`...))
	out = append(out, `"serverInfo":`...)
	return answer{result: append(append(out, x.d.info...), '}'), header: http.Header{"Mcp-Session-Id": {id}}}
}

func (x *exchange) ping(context.Context, func(string, []byte)) answer {
	return answer{result: []byte("{}")}
}

// levels are those of RFC 5424, from the least to the most.
var levels = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

func (x *exchange) setLevel(context.Context, func(string, []byte)) answer {
	level, _ := jsonedit.Unquote(jsonedit.Get(x.m.Params, "level"))
	if !slices.Contains(levels, level) {
		return failed(http.StatusOK, jsonrpc.CodeInvalidParams, "there is no level "+quote(level))
	}
	x.session.mu.Lock()
	defer x.session.mu.Unlock()
	x.session.level = level
	return answer{result: []byte("{}")}
}
