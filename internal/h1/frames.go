package h1

import (
	"bytes"
	"errors"
	"io"
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

// frames is where a body stands in what its connection reads.
type frames struct {
	in    *reader
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

// drained reads over what is here already and reports whether that was all.
func (b *frames) drained() bool {
	in := b.in
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

func (b *frames) skip(n int64) {
	b.in.r += int(n)
	b.took(n)
}

// took counts n bytes of the body as read.
func (b *frames) took(n int64) {
	if b.left -= n; b.left == 0 && b.kind == chunked {
		b.after = chunkEnd
	}
}

func (b *frames) read(p []byte) (n int, err error) {
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
func (b *frames) some(p []byte) (int, error) {
	in := b.in
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
func (b *frames) readChunks(p []byte) (n int, err error) {
	in := b.in
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
func (b *frames) advance(block bool) (more bool, err error) {
	in := b.in
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
			if b.lines++; b.lines > maxTrailers || !isField(line) {
				return false, errTrailer
			}
		default:
			return false, errChunk // unreachable
		}
	}
	return false, nil
}

func (b *frames) lineLimit() int {
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
	p = bytes.TrimRight(p, " \t")
	if digits == 0 || !validValue(p) || len(p) > 0 && p[0] != ';' {
		return errChunk
	}
	return nil
}
