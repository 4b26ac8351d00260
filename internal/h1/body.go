package h1

import (
	"errors"
	"io"
	"net/http"
)

type kind uint8

// How a body ends.
const (
	empty   kind = iota
	sized        // after Content-Length bytes
	chunked      // with a chunk of size 0
	toEOF        // with the connection
)

const (
	// maxChunkLine is how long the line before a chunk may be: the size and extensions, which nobody reads.
	maxChunkLine = 256
	// maxTrailers is how many trailer fields may follow a body; they are read over.
	maxTrailers = 64
)

// frames is where a reply's body stands.
type frames struct {
	kind  kind
	left  int64 // sized: of the body; chunked: of the chunk
	after part  // chunked: what follows the chunk's data
	lines int   // trailers seen
}

// part is what a chunked body has next.
type part uint8

const (
	chunkSize part = iota
	chunkData
	chunkEnd
	trailers
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

// drained reads over what is here already and reports whether that was all.
func (b *replyBody) drained() bool {
	in := &b.conn.in
	for {
		switch n := in.w - in.r; {
		case b.kind == sized:
			if int64(n) < b.left {
				return false
			}
			in.r += int(b.left)
			return true
		case b.kind != chunked:
			return false
		case b.after == chunkData && n > 0:
			b.skip(min(int64(n), b.left))
		case b.after == chunkData:
			return false
		}
		if more, err := b.advance(false); more || err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

func (b *replyBody) skip(n int64) {
	b.conn.in.r += int(n)
	b.took(n)
}

// took counts n bytes of the body as read.
func (b *replyBody) took(n int64) {
	if b.left -= n; b.left == 0 && b.kind == chunked {
		b.after = chunkEnd
	}
}

func (b *replyBody) read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	switch b.kind {
	default:
		return b.some(p)
	case chunked:
		return b.readChunks(p)
	case sized:
		if int64(len(p)) > b.left {
			p = p[:b.left]
		}
		n, err = b.some(p)
		if b.took(int64(n)); b.left == 0 {
			return n, io.EOF
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return n, err
	}
}

// some copies from the buffer, or reads past it when it is empty.
func (b *replyBody) some(p []byte) (int, error) {
	in := &b.conn.in
	if in.r == in.w {
		if len(p) >= len(in.buf) {
			return in.src.Read(p)
		}
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.buf[in.r:in.w])
	in.r += n
	return n, nil
}

// readChunks fills p with as many chunks as are here, and waits only for the first.
func (b *replyBody) readChunks(p []byte) (n int, err error) {
	in := &b.conn.in
	for {
		if b.after == chunkData {
			if n == len(p) || n > 0 && in.r == in.w {
				return n, nil
			}
			m, err := b.some(p[n:min(int64(len(p)), int64(n)+b.left)])
			b.took(int64(m))
			n += m
			if err != nil {
				return n, noEOF(err)
			}
			continue
		}
		if more, err := b.advance(n == 0); more || err != nil {
			return n, err
		}
	}
}

// advance reads the frame around chunks: up to the next chunk's data, or the end, which is io.EOF. With block unset it does not
// read, and says more when the rest has not come.
func (b *replyBody) advance(block bool) (more bool, err error) {
	in := &b.conn.in
	for b.after != chunkData {
		line, more, err := in.line(b.lineLimit(), block)
		if more || err != nil {
			return more, err
		}
		switch b.after {
		case chunkEnd:
			if len(line) != 0 {
				return false, errChunk
			}
			b.after = chunkSize
		case chunkSize:
			if b.left, err = parseSize(line); err != nil {
				return false, err
			}
			if b.after = chunkData; b.left == 0 {
				b.after = trailers
			}
		case trailers:
			if len(line) == 0 {
				return false, io.EOF
			}
			if b.lines++; b.lines > maxTrailers {
				return false, errTrailer
			}
		default:
			return false, errChunk // unreachable
		}
	}
	return false, nil
}

func (b *replyBody) lineLimit() int {
	switch b.after {
	case chunkEnd:
		return 2
	case trailers:
		return readSize - 1
	default:
		return maxChunkLine
	}
}

// parseSize reads "1f;name=value".
func parseSize(line []byte) (n int64, err error) {
	i := 0
	for ; i < len(line); i++ {
		c := line[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return n, extension(line[i:], i)
		}
		if i == 15 {
			return 0, errChunk
		}
		n = n<<4 | int64(c)
	}
	if i == 0 {
		return 0, errChunk
	}
	return n, nil
}

// extension checks what follows a chunk's size of that many digits.
func extension(p []byte, digits int) error {
	for len(p) > 0 && (p[0] == ' ' || p[0] == '\t') {
		p = p[1:]
	}
	if digits == 0 || !validValue(p) || len(p) > 0 && p[0] != ';' {
		return errChunk
	}
	return nil
}
