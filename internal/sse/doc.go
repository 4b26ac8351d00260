// Package sse reads and writes server-sent events (text/event-stream).
//
// [Reader] parses events, [Splitter] cuts a stream into frames without looking into them, and [Writer] sends events to a client.
// All three hold a bounded amount of memory.
package sse

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// ErrTooLarge says that an event is larger than the reader's limit. The stream cannot be read on.
var ErrTooLarge = errors.New("sse: event too large")

// firstRoom is how many bytes a reader asks for at first; most events fit.
const firstRoom = 4 << 10

// rooms are buffers of that size that nobody reads into.
var rooms = sync.Pool{New: func() any { return new([firstRoom]byte) }}

// emptyReads is how many reads in a row may yield neither bytes nor an error.
const emptyReads = 100

// buffer is the part of a stream that has been read but not used up: buf[start:end]. It grows up to limit bytes.
type buffer struct {
	src        io.Reader
	buf        []byte
	start, end int
	limit      int
	err        error // what reading ended with
	eof        bool  // the source came to a clean end
	lent       *[firstRoom]byte
}

// release gives back what was lent.
func (b *buffer) release() {
	if b.lent != nil {
		rooms.Put(b.lent)
	}
	*b = buffer{err: io.ErrClosedPipe}
}

func newBuffer(r io.Reader, limit int) buffer { return buffer{src: r, limit: max(limit, 16)} }

// bytes returns what is there and not used up.
func (b *buffer) bytes() []byte { return b.buf[b.start:b.end] }

// more reads at least one byte, or returns why it cannot. Slices of the buffer do not outlive it.
func (b *buffer) more() error {
	if b.err != nil {
		return b.err
	}
	if err := b.room(); err != nil {
		return err
	}
	for range emptyReads {
		n, err := b.src.Read(b.buf[b.end:])
		if n < 0 || n > len(b.buf)-b.end {
			panic("sse: reader returned an impossible count")
		}
		b.end += n
		b.err, b.eof = err, err == io.EOF
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return b.fail(io.ErrNoProgress)
}

// fail makes err the end of the stream.
func (b *buffer) fail(err error) error {
	b.err, b.eof = err, false
	return err
}

// room makes space for one more byte behind end.
func (b *buffer) room() error {
	if b.start == b.end {
		b.start, b.end = 0, 0
	}
	if b.end < len(b.buf) {
		return nil
	}
	if b.start > 0 && b.end-b.start <= len(b.buf)/2 {
		b.end = copy(b.buf, b.bytes())
		b.start = 0
		return nil
	}
	size := grown(max(2*(b.end-b.start), firstRoom), b.limit)
	if b.end-b.start >= size {
		return b.fail(ErrTooLarge)
	}
	room := b.buf
	switch {
	case size == firstRoom && b.buf == nil:
		b.lent = rooms.Get().(*[firstRoom]byte)
		room = b.lent[:]
	case size > len(b.buf):
		room = make([]byte, size)
	}
	b.end = copy(room, b.bytes())
	b.buf, b.start = room, 0
	return nil
}

// largeRoom is from where on memory for one event is taken at once up to its limit. What is not used of that costs nothing, while
// growing by and by would leave as much behind as the event has, for a peer that sends without end.
const largeRoom = 1 << 20

// grown is the size to grow to when size bytes are needed and limit are allowed.
func grown(size, limit int) int {
	if size > largeRoom {
		return limit
	}
	return min(size, limit)
}

// line returns the end of the first line of b from offset from on, and the offset of the line after it; next is -1 if b holds no whole line.
// Lines end in \n, \r\n or \r; a \r that ends b is taken for a whole line end.
func line(b []byte, from int) (end, next int) {
	n := bytes.IndexByte(b[from:], '\n')
	rest := b[from:]
	if n >= 0 {
		rest = b[from : from+n]
	}
	if c := bytes.IndexByte(rest, '\r'); c >= 0 {
		end = from + c
		if end+1 < len(b) && b[end+1] == '\n' {
			return end, end + 2
		}
		return end, end + 1
	}
	if n < 0 {
		return len(b), -1
	}
	return from + n, from + n + 1
}
