package provider

import (
	"io"
	"sync"
	"sync/atomic"
)

// payload is the body of one request. Its bytes are from a pool and go back there with sent or release, unless a transport
// still holds them then: a transport may read a body after it has returned.
type payload struct {
	data  []byte
	box   *[]byte
	users atomic.Int32
	first payloadReader // the one reader that nearly every request has
}

// keepBuffer is the largest buffer that goes back to the pool.
const keepBuffer = 1 << 20

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

// take takes an empty buffer.
func (p *payload) take() {
	p.box = buffers.Get().(*[]byte)
	p.data = (*p.box)[:0]
}

// sent gives the bytes back if the transport is done with them. It is for the start of a reply, which may go on for minutes.
func (p *payload) sent() {
	if p.users.Load() == 0 {
		p.release()
	}
}

// release gives the bytes back unless they are gone. Nothing may be opened after it.
func (p *payload) release() {
	if p.box != nil && p.users.Load() == 0 && cap(p.data) <= keepBuffer {
		*p.box = p.data[:0]
		buffers.Put(p.box)
	}
	p.data, p.box = nil, nil
}

// open returns a reader of the whole body.
func (p *payload) open() io.ReadCloser {
	p.users.Add(1)
	r := &p.first
	if r.p != nil {
		r = new(payloadReader)
	}
	r.data, r.p = p.data, p
	return r
}

// again is open in the form of http.Request.GetBody.
func (p *payload) again() (io.ReadCloser, error) { return p.open(), nil }

// payloadReader may be closed by another goroutine than the one that reads.
type payloadReader struct {
	mu   sync.Mutex
	data []byte
	p    *payload
	lent bool // WriteTo is at work
	shut bool
}

var _ io.WriterTo = (*payloadReader)(nil)

// Read copies the next piece. The last one ends the use of the bytes: with HTTP/2 a body is closed when its reply has ended.
func (r *payloadReader) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.data)
	if r.data = r.data[n:]; len(r.data) == 0 {
		r.end()
	}
	return n, nil
}

// WriteTo hands over the rest in one piece.
func (r *payloadReader) WriteTo(w io.Writer) (int64, error) {
	r.mu.Lock()
	data := r.data
	r.data, r.lent = nil, true
	r.mu.Unlock()
	if len(data) == 0 {
		r.back()
		return 0, nil
	}
	n, err := w.Write(data)
	r.back()
	return int64(n), err
}

func (r *payloadReader) back() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lent = false
}

// Close ends the use of the bytes. Closed in the middle of a WriteTo, they are left to the garbage collector.
func (r *payloadReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end()
	return nil
}

func (r *payloadReader) end() {
	if !r.shut && !r.lent {
		r.p.users.Add(-1)
	}
	r.shut, r.data = true, nil
}
