package h1

import (
	"errors"
	"io"
	"net/http"
)

// The states of a body.
const (
	open = iota
	reading
	closing
	closed
)

// replyBody is the body of a reply.
type replyBody reply

var _ io.ReadCloser = (*replyBody)(nil)

// Read never waits when there is something to return. The end of the body comes with its last bytes where that is known by
// then, and gives the connection back.
func (b *replyBody) Read(p []byte) (int, error) {
	if !b.state.CompareAndSwap(open, reading) {
		if b.state.Load() == closed && b.after == gone { // closed is set after the last write to the rest
			return 0, io.EOF
		}
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.read(p)
	next := int32(open)
	if err != nil {
		next = closed
	}
	if errors.Is(err, io.EOF) {
		b.after = gone
	}
	switch {
	case !b.state.CompareAndSwap(reading, next): // closed meanwhile
		b.conn.release(false)
		b.state.Store(closed)
		return n, http.ErrBodyReadAfterClose
	case err != nil:
		b.conn.release(errors.Is(err, io.EOF) && b.keep)
		return n, b.failed(err)
	}
	return n, nil
}

// gone marks a body that was read to its end.
const gone part = 255

// failed is err as the caller sees it: plain where io says what it means.
func (b *replyBody) failed(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return err
	case b.ctx.Err() != nil:
		return failed(b.ctx, Body, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return err
	}
	return &Error{Body, err}
}

// Close ends the body. What has not come yet costs the connection; nothing is waited for. It may be called while Read waits.
func (b *replyBody) Close() error {
	for {
		switch b.state.Load() {
		case open:
			if !b.state.CompareAndSwap(open, closing) {
				continue
			}
			b.conn.release(b.drained() && b.keep)
			b.state.Store(closed)
		case reading:
			if !b.state.CompareAndSwap(reading, closing) {
				continue
			}
			b.conn.expire() // Read closes it
		}
		return nil
	}
}
