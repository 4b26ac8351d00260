package provider

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// Timeouts limit how long a provider may keep a request waiting. Zero is no limit.
type Timeouts struct {
	Connect       time.Duration // told in errors; the transport is the one that keeps it
	FirstByte     time.Duration // from sending the request to the first byte of the reply's body
	BetweenEvents time.Duration // between two pieces of the body; the time that the caller takes does not count
}

// watchdog ends a request's context when the provider is late. One timer serves a request, and is set anew only when it
// has run out: a read notes when it began, and no more.
type watchdog struct {
	ctx    context.Context //nolint:containedctx // it is what the watchdog ends
	cancel context.CancelCauseFunc
	t      Timeouts
	begun  time.Time
	since  atomic.Int64 // when the wait began, as a duration after begun; -1 while nobody waits
	first  atomic.Bool  // a byte of the body has come
	timer  atomic.Pointer[time.Timer]
}

// start watches over one request. It waits for the first byte from now on.
func (w *watchdog) start(ctx context.Context, t Timeouts) {
	w.t, w.begun = t, time.Now()
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.arm(t.shortest())
}

// shortest is the shorter one of the limits that there are, after which somebody has to look.
func (t *Timeouts) shortest() time.Duration {
	if t.FirstByte <= 0 || t.BetweenEvents <= 0 {
		return max(t.FirstByte, t.BetweenEvents, 0)
	}
	return min(t.FirstByte, t.BetweenEvents)
}

// stop ends the request, if it has not ended.
func (w *watchdog) stop() {
	if t := w.timer.Load(); t != nil {
		t.Stop()
	}
	w.cancel(context.Canceled)
}

func (w *watchdog) arm(d time.Duration) {
	if d <= 0 {
		return
	}
	if t := w.timer.Load(); t != nil {
		t.Reset(d)
		return
	}
	w.timer.Store(time.AfterFunc(d, w.fire))
}

// limit is the limit that holds now.
func (w *watchdog) limit() *late {
	if w.first.Load() {
		return &late{"between_events", w.t.BetweenEvents}
	}
	return &late{"first_byte", w.t.FirstByte}
}

// fire runs when the timer has run out: the wait may have begun later than the timer, and another limit may hold by now.
func (w *watchdog) fire() {
	l := w.limit()
	since := w.since.Load()
	if w.ctx.Err() != nil || l.limit <= 0 && w.first.Load() {
		return
	}
	next := w.t.shortest()
	if l.limit > 0 {
		left := l.limit
		if since >= 0 {
			left -= time.Since(w.begun) - time.Duration(since)
		}
		if left <= 0 {
			w.cancel(l)
			return
		}
		next = min(next, left)
	}
	w.arm(next)
}

// waits notes that a read begins.
func (w *watchdog) waits() {
	if w.first.Load() {
		w.since.Store(int64(time.Since(w.begun)))
	}
}

// got notes that a read has returned n bytes.
func (w *watchdog) got(n int) {
	first := w.first.Load()
	if n <= 0 && !first {
		return
	}
	w.since.Store(-1)
	if !first {
		w.first.Store(true)
	}
}

// lent notes that the gateway waits for the client (the provider is not late then), or that it does no longer.
func (w *watchdog) lent(waits bool) {
	switch {
	case w.first.Load():
	case waits:
		w.since.Store(-1)
	default:
		w.since.Store(int64(time.Since(w.begun)))
	}
}

var errTooLarge = errors.New("the reply is too large")

// reader is a reply's body under watch. It remembers the error that ended it.
type reader struct {
	body  io.Reader
	watch *watchdog
	left  int64 // bytes that may still come; negative: any number
	err   error
}

// Read reads from the body.
func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.left >= 0 && int64(len(p)) > r.left+1 {
		p = p[:r.left+1]
	}
	r.watch.waits()
	n, err := r.body.Read(p)
	r.watch.got(n)
	if r.left >= 0 {
		if r.left -= int64(n); r.left < 0 {
			n, err = n-1, errTooLarge
		}
	}
	r.err = err
	return n, err
}

// drainTime is how long the rest of a reply that has ended may take to come.
const drainTime = 100 * time.Millisecond

// drain reads what follows the reply's end, a little of it and not for long, so that the connection can be used again.
func (r *reader) drain() {
	if r.err != nil {
		return
	}
	t := time.AfterFunc(drainTime, r.watch.stop)
	defer t.Stop()
	r.left = -1
	_, _ = io.CopyN(io.Discard, r, maxDrain) // what is left costs the connection, nothing else
}
