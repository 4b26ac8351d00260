package mcp

import (
	"context"
	"sync"
	"time"
)

// callTimeout is the cause of a call's end that took too long.
type callTimeout struct{ after time.Duration }

func (e *callTimeout) Error() string { return "no answer within " + e.after.String() }

// clock bounds a call: by the server's time for one call, which each sign of progress starts anew, and by the time for all of it,
// unless the request has a deadline itself. It stands still while a client is asked something.
type clock struct {
	cancel context.CancelCauseFunc
	quiet  time.Duration

	mu    sync.Mutex
	idle  *time.Timer
	whole *time.Timer   // nil: the request has a deadline
	left  time.Duration // of the whole, when the clock was started last
	begun time.Time
	held  int // questions that are open
	over  bool
}

// limit starts the clock of a call. stop must be called.
func (p *pool) limit(ctx context.Context) (context.Context, *clock) {
	_, bounded := ctx.Deadline()
	ctx, cancel := context.WithCancelCause(ctx)
	k := &clock{cancel: cancel, quiet: p.callTime(), left: p.c.o.MaxCallTime, begun: time.Now()}
	k.idle = k.after(k.quiet)
	if !bounded {
		k.whole = k.after(k.left)
	}
	return ctx, k
}

func (k *clock) after(d time.Duration) *time.Timer {
	return time.AfterFunc(d, func() { k.cancel(&callTimeout{after: d}) })
}

// progress is called at each sign of it.
func (k *clock) progress() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.over && k.held == 0 {
		k.idle.Reset(k.quiet)
	}
}

// hold has the clock stand still until release is called.
func (k *clock) hold() (release func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held++; k.held == 1 {
		k.idle.Stop()
		if k.whole != nil && k.whole.Stop() {
			k.left -= time.Since(k.begun)
		}
	}
	return k.release
}

func (k *clock) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held--; k.held > 0 || k.over {
		return
	}
	k.begun = time.Now()
	k.idle.Reset(k.quiet)
	if k.whole != nil {
		k.whole.Reset(max(k.left, 0))
	}
}

// stop ends the clock, and the call's context.
func (k *clock) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.over = true
	k.idle.Stop()
	if k.whole != nil {
		k.whole.Stop()
	}
	k.cancel(nil)
}
