package h1

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// pages are the buffers that heads and bodies pass through. They live as long as one request; an idle connection has none.
var pages = sync.Pool{New: func() any { b := make([]byte, readSize); return &b }}

// reader is the buffer that heads are read into and parsed in.
type reader struct {
	src  io.Reader
	buf  []byte
	r, w int
	max  int     // bytes that a head, or the trailers, may have
	any  bool    // something came
	page *[]byte // what buf began as
}

// open takes a buffer, and close gives it back with all that is in it.
func (b *reader) open() {
	b.page = pages.Get().(*[]byte)
	b.buf, b.r, b.w = *b.page, 0, 0
}

func (b *reader) close() {
	if b.page != nil {
		pages.Put(b.page)
	}
	b.buf, b.page, b.r, b.w = nil, nil, 0, 0
}

// fill reads more. It makes room by moving what is there, and grows the buffer up to max when it is full.
func (b *reader) fill() error {
	switch {
	case b.r == b.w:
		b.r, b.w = 0, 0
	case b.w == len(b.buf) && b.r > 0:
		b.w = copy(b.buf, b.buf[b.r:b.w])
		b.r = 0
	case b.w == len(b.buf):
		if len(b.buf) >= b.max {
			return errHeadSize
		}
		b.buf = append(make([]byte, 0, 2*len(b.buf)), b.buf...)
		b.buf = b.buf[:cap(b.buf)]
	}
	for range 16 { // a reader may return nothing at all, but not for ever
		n, err := b.src.Read(b.buf[b.w:])
		b.w += n
		if n > 0 {
			b.any = true
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// head returns the next head with its blank line, good until the next fill. Each line ends in CRLF. The first is not empty, and
// nothing is waited for that does not begin as it must.
func (b *reader) head(begin string) ([]byte, error) {
	line, seen := 0, 0 // where the last line begins, and what was searched, from b.r on
	for {
		p := b.buf[b.r:b.w]
		i := bytes.IndexByte(p[seen:], '\n')
		if i < 0 {
			seen = len(p)
			if seen >= b.max {
				return nil, errHeadSize
			}
			if seen >= len(begin) && string(p[:len(begin)]) != begin {
				return nil, errFirstLine
			}
			if err := b.fill(); err != nil {
				return nil, headEnd(err, seen)
			}
			continue
		}
		i += seen
		if i == 0 || p[i-1] != '\r' {
			return nil, errHeader
		}
		if i == 1 {
			return nil, errFirstLine
		}
		if i+1 > b.max {
			return nil, errHeadSize
		}
		if i-1 == line {
			b.r += i + 1
			return p[:i+1], nil
		}
		line, seen = i+1, i+1
	}
}

// blank reads over one blank line before a head: some clients send one too many after a body.
func (b *reader) blank() error {
	if b.w-b.r == 1 && b.buf[b.r] == '\r' {
		if err := b.fill(); err != nil {
			return headEnd(err, 1)
		}
	}
	if bytes.HasPrefix(b.buf[b.r:b.w], []byte("\r\n")) {
		b.r += 2
	}
	return nil
}

func headEnd(err error, seen int) error {
	switch {
	case !errors.Is(err, io.EOF):
		return err
	case seen == 0:
		return errNoReply
	}
	return io.ErrUnexpectedEOF
}

// line returns the next line of at most max bytes without its CRLF. With block unset it does not read, and says more when the
// line is not all there.
func (b *reader) line(max int, block bool) (p []byte, more bool, err error) {
	for {
		p := b.buf[b.r:b.w]
		i := bytes.IndexByte(p, '\n')
		switch {
		case i > max || i < 0 && len(p) > max:
			return nil, false, errChunk
		case i == 0 || i > 0 && (p[i-1] != '\r' || bytes.IndexByte(p[:i-1], '\r') >= 0):
			return nil, false, errChunk
		case i > 0:
			b.r += i + 1
			return p[:i-1], false, nil
		case !block:
			return nil, true, nil
		}
		if err := b.fill(); err != nil {
			return nil, false, noEOF(err)
		}
	}
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
