package h1

import (
	"sync"
	"time"
)

// deadline is one that reaches the connection only when something is about to wait for it, and only when it has moved: that has
// a price.
type deadline struct {
	set func(time.Time) error // the connection's

	mu         sync.Mutex
	want, have time.Time
	waiting    bool
}

// move sets the deadline. What waits already keeps to it too.
func (d *deadline) move(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.want = t; d.waiting {
		d.apply()
	}
}

// within sets the deadline where there is none.
func (d *deadline) within(limit time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.want.IsZero() {
		d.want = time.Now().Add(limit)
	}
}

// enter begins a wait, and leave ends it.
func (d *deadline) enter() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = true
	d.apply()
}

func (d *deadline) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = false
}

func (d *deadline) apply() {
	if !d.want.Equal(d.have) {
		d.have = d.want
		_ = d.set(d.want) // an error shows in what waits
	}
}
