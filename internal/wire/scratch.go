package wire

import "sync"

// scratches are buffers that nobody has.
var scratches = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

// Borrow returns an empty buffer, for what is built and is used up before it is returned. Whoever borrows it may let it grow.
func Borrow() *[]byte { return scratches.Get().(*[]byte) }

// Return gives back a buffer of [Borrow]. One that has grown very large is not kept.
func Return(b *[]byte) {
	if cap(*b) <= 2*maxHeld {
		*b = (*b)[:0]
		scratches.Put(b)
	}
}
