package front

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
)

// A client of the older era whose stream broke takes it up again with Last-Event-ID. What was sent is kept for a while, by the
// process that sent it.

// Bounds of what is kept.
const (
	keptEvents  = 256         // of one stream
	keptBytes   = 1 << 20     // of one stream
	keptInAll   = 64 << 20    // of all sessions
	keptTime    = time.Minute // after a stream has ended
	keptStreams = 64          // of one session
	resumeTime  = time.Minute // how long a client that is asked something may be without a connection
	retryMillis = "1000"      // what clients are told to wait before they take up a stream
)

// strand is one stream of a session: that of a request, or the standing one of GET.
type strand struct {
	id   string // what the ids of its events begin with
	tail string // and what they end with: the request that it answers, if any
	sum  *atomic.Int64

	mu     sync.Mutex
	events [][]byte // the last ones
	first  int      // the number of events[0]
	size   int
	done   bool
	more   chan struct{} // closed when there is news
}

// here is the id of the last event so far.
func (s *strand) here() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.event(s.first + len(s.events) - 1)
}

// event is the id of an event.
func (s *strand) event(n int) string { return s.id + "." + strconv.Itoa(n) + s.tail }

// keep takes in a message that is sent, and returns its id.
func (s *strand) keep(msg []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.first + len(s.events)
	if len(msg) > keptBytes || s.sum.Load()+int64(len(msg)) > keptInAll {
		s.clear()
		s.first = n + 1 // whoever has not got it cannot go on
	} else {
		s.events = append(s.events, append([]byte(nil), msg...))
		s.grow(len(msg))
		for len(s.events) > keptEvents || s.size > keptBytes {
			s.grow(-len(s.events[0]))
			s.events, s.first = s.events[1:], s.first+1
		}
	}
	s.tell()
	return s.event(n)
}

func (s *strand) grow(n int) {
	s.size += n
	s.sum.Add(int64(n))
}

func (s *strand) tell() {
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
}

// clear forgets what is kept. s.mu is held.
func (s *strand) clear() {
	s.first += len(s.events)
	s.grow(-s.size)
	s.events = nil
}

// end says that nothing more is sent.
func (s *strand) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	s.tell()
}

func (s *strand) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.tell()
}

// after returns what was sent from number n on. known is false if some of that is not kept; news is closed when there is more, and
// nil if there will be none.
func (s *strand) after(n int) (events [][]byte, known bool, news <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n < s.first || n > s.first+len(s.events) {
		return nil, false, nil
	}
	if !s.done && s.more == nil {
		s.more = make(chan struct{})
	}
	if s.done {
		return s.events[n-s.first:], true, nil
	}
	return s.events[n-s.first:], true, s.more
}

// strand begins a stream that can be taken up again; nil for clients that cannot. request is the id of what it answers; nil for the
// standing stream, of which a session has one.
func (x *exchange) strand(request []byte) *strand {
	s := x.session
	if s == nil || x.v.Local || x.m.Method == "initialize" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if request == nil && s.standing != nil {
		return s.standing
	}
	s.serial++
	st := &strand{id: x.d.tag + "." + strconv.Itoa(s.serial), sum: &x.d.kept}
	if request == nil {
		s.standing = st
	} else if len(request) <= 64 {
		st.tail = "." + base64.RawURLEncoding.EncodeToString(request)
	}
	if s.strands == nil {
		s.strands = map[string]*strand{}
	}
	if len(s.strands) >= keptStreams && request != nil {
		return nil // its client has so many requests open that this one cannot be taken up
	}
	s.strands[st.id] = st
	return st
}

// unravel forgets what is kept of all streams. s.mu is held.
func (s *session) unravel() {
	for _, st := range s.strands {
		st.forget()
	}
	s.strands, s.standing = nil, nil
}

// settle ends a stream, which is forgotten after a while.
func (s *session) settle(st *strand) {
	if st == nil {
		return
	}
	st.end()
	time.AfterFunc(keptTime, func() {
		s.mu.Lock()
		delete(s.strands, st.id)
		s.mu.Unlock()
		st.forget()
	})
}

// takeUp goes on with the stream that a client names by Last-Event-ID.
func (x *exchange) takeUp(last string) {
	st, n, request := x.place(last)
	if request == nil {
		x.follow(last)
		return
	}
	ctx, cancel := context.WithCancel(x.r.Context())
	defer cancel()
	defer x.session.begin([]byte("stream "+rand.Text()), cancel)()
	p := x.newReply()
	defer p.close()
	if st == nil || !p.copy(ctx, st, n) {
		p.begin()
		p.end(http.StatusOK, jsonrpc.AppendError(nil, request, fail(jsonrpc.CodeInternal, "the stream of this request cannot be taken up: it is another process's of the gateway, or too long ago")))
	}
}

// place is where an event id points to: a stream, if it is known here, the number of the event after that, and the request that the
// stream answers, nil for the standing stream.
func (x *exchange) place(id string) (st *strand, n int, request []byte) {
	parts := strings.Split(id, ".")
	if len(parts) < 3 || len(parts) > 4 || len(id) > 256 {
		return nil, 0, nil
	}
	if len(parts) == 4 {
		raw, err := base64.RawURLEncoding.DecodeString(parts[3])
		if err != nil || !jsonedit.Valid(raw) || jsonedit.Kind(raw) == '{' || jsonedit.Kind(raw) == '[' {
			return nil, 0, nil
		}
		request = raw
	}
	n, err := strconv.Atoi(parts[2])
	x.session.mu.Lock()
	defer x.session.mu.Unlock()
	if st = x.session.strands[parts[0]+"."+parts[1]]; err != nil || st != nil && (st.tail == "") != (request == nil) {
		st = nil
	}
	return st, n + 1, request
}

// copy writes a stream from number n on until it ends or ctx does. It reports false if some of it is not kept.
func (p *reply) copy(ctx context.Context, st *strand, n int) bool {
	for {
		events, known, news := st.after(n)
		if !known {
			return false
		}
		p.begin()
		for _, e := range events {
			_ = p.sse.Raw(appendEvent(nil, st.event(n), e)) // a client that has left ends ctx
			n++
		}
		if news == nil {
			return true
		}
		select {
		case <-news:
		case <-ctx.Done():
			return true
		}
	}
}

// catchUp tells a client what it has missed of the standing stream since an event.
func (x *exchange) catchUp(p *reply, last string) {
	if st, n, _ := x.place(last); st != nil && st == p.strand {
		if events, known, _ := st.after(n); known {
			for i, e := range events {
				_ = p.sse.Raw(appendEvent(nil, st.event(n+i), e))
			}
			return
		}
	}
	for _, method := range []string{toolsChanged, promptsChanged, resourcesChanged} { // nobody knows
		_ = p.send(jsonrpc.AppendNotification(nil, method, nil))
	}
}
