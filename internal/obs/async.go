package obs

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Async is a writer for logs that never makes a request wait: what is written is handed on by one goroutine, in order.
// When the far side is slower than the log, whole records are dropped and a line says how many.
type Async struct {
	to    io.Writer
	limit int

	mu      sync.Mutex
	buf     []byte
	spare   []byte
	dropped int
	closed  bool
	wake    chan struct{} // one slot; sent to and closed under mu
	done    chan struct{}
}

// linger is how long records gather before they are written together.
const linger = 20 * time.Millisecond

// NewAsync returns a writer that holds at most limit bytes for to.
func NewAsync(to io.Writer, limit int) *Async {
	a := &Async{to: to, limit: limit, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go a.run()
	return a
}

// Write takes one record. It never fails.
func (a *Async) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return a.to.Write(p)
	case len(a.buf)+len(p) > a.limit:
		a.dropped++
		return len(p), nil
	}
	a.buf = append(a.buf, p...)
	if len(a.wake) == 0 {
		a.wake <- struct{}{}
	}
	return len(p), nil
}

// Close writes what is left and ends the goroutine. Later records are written at once.
func (a *Async) Close() error {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return nil
	}
	a.closed = true
	close(a.wake)
	a.mu.Unlock()
	<-a.done
	return nil
}

func (a *Async) run() {
	defer close(a.done)
	for range a.wake {
		time.Sleep(linger)
		a.flush()
	}
	a.flush()
}

func (a *Async) flush() {
	a.mu.Lock()
	out, dropped := a.buf, a.dropped
	a.buf, a.spare, a.dropped = a.spare[:0], nil, 0
	a.mu.Unlock()
	if len(out) > 0 {
		_, _ = a.to.Write(out)
	}
	if dropped > 0 {
		_, _ = fmt.Fprintf(a.to, `{"level":"WARN","msg":"log records dropped","count":%d}`+"\n", dropped)
	}
	a.mu.Lock()
	a.spare = out[:0]
	a.mu.Unlock()
}
