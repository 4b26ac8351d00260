package wire

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/fairlead/fairlead/internal/llm"
)

const (
	roomSize = 32 << 10
	tailSize = 8 << 10 // of the reply's end, kept for its usage
	headSize = 2 << 10 // of its start: some say the usage before the answer
)

// Relay passes replies of status 200 on as the bytes that come. Its zero value is ready, and may be shared.
type Relay struct{ rooms sync.Pool } // *room

// Watcher is a wire's part in the relay of one reply.
type Watcher interface {
	// Pass sees all bytes in the order in which they come, whole frames of a stream, or parts of one that is larger than
	// the relay's memory. It returns those that go on; it may work in place.
	Pass(b []byte) []byte
	// Done reports whether a stream ends with b, so that nobody waits for the provider to close the connection.
	Done(b []byte) bool
	// End returns what ends the reply. lead and tail are its first and its last bytes, tail empty if there was none; err is
	// what the body ended with, io.EOF when it came to a clean end.
	End(lead, tail []byte, err error) (llm.Event, error)
}

// room is the memory of one relayed reply.
type room struct {
	buf  [roomSize]byte
	tail [2 * tailSize]byte
	kept int // of tail
	lead [headSize]byte
	led  int // of lead
	head llm.Head
}

// relayed is the state of one relayed reply.
type relayed struct {
	*room
	w      Watcher
	yield  func(llm.Event, error) bool
	stream bool
	first  bool // nothing was yielded yet
	held   int  // bytes at the start of buf that wait for the end of their frame
}

// Pass yields the bytes of a reply as they come, in the pieces that they come in; of a stream, in whole frames. Only what w
// takes out is left out, and the piece of a frame that a failing body ended in, so that a door can tell the error behind it.
func (p *Relay) Pass(contentType string, body io.Reader, w Watcher, yield func(llm.Event, error) bool) {
	m, _ := p.rooms.Get().(*room)
	if m == nil {
		m = new(room)
	}
	defer p.rooms.Put(m)
	m.kept, m.led, m.head = 0, 0, llm.Head{ContentType: contentType}
	r := relayed{room: m, w: w, yield: yield, stream: IsStream(contentType), first: true}
	for {
		n, err := body.Read(r.buf[r.held:])
		r.keep(r.buf[r.held : r.held+n])
		if r.stream && w.Done(r.buf[:r.held+n]) {
			err = io.EOF
		}
		if !r.pass(r.held+n, errors.Is(err, io.EOF)) {
			return
		}
		if err != nil {
			yield(w.End(r.lead[:r.led], r.tail[:r.kept], err))
			return
		}
	}
}

// pass yields what of buf[:n] may go on. It reports false when nobody listens any more.
func (r *relayed) pass(n int, last bool) bool {
	out, rest := r.buf[:n], r.buf[n:n]
	if r.stream && !last {
		cut := frames(out)
		if cut == 0 && n == len(r.buf) {
			cut = n // a frame that is larger than this goes on in parts
		}
		out, rest = out[:cut], out[cut:]
	}
	if len(out) > 0 {
		out = r.w.Pass(out)
	}
	if len(out) > 0 {
		ev := llm.Event{Kind: llm.Opaque, Raw: out}
		if r.first {
			r.first = false
			ev.Head = &r.head
		}
		if !r.yield(ev, nil) {
			return false
		}
	}
	r.held = copy(r.buf[:], rest)
	return true
}

// keep remembers the start and the end of the reply.
func (r *relayed) keep(b []byte) {
	r.led += copy(r.lead[r.led:], b)
	if len(b) > tailSize {
		b = b[len(b)-tailSize:]
	}
	if r.kept+len(b) > len(r.tail) {
		r.kept = copy(r.tail[:], r.tail[r.kept-tailSize:r.kept])
	}
	r.kept += copy(r.tail[r.kept:], b)
}

// frames returns the length of the whole frames that b begins with.
func frames(b []byte) int {
	n := 0
	if i := bytes.LastIndex(b, []byte("\n\n")); i >= 0 {
		n = i + 2
	}
	if i := bytes.LastIndex(b[n:], []byte("\n\r\n")); i >= 0 {
		n += i + 3
	}
	return n
}

// FirstFrame returns the length of the first frame of b, its blank line included, or that of b if there is no blank line.
func FirstFrame(b []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return len(b)
		}
		at += i + 1
		if rest := b[at:]; len(rest) > 0 && rest[0] == '\n' {
			return at + 1
		} else if len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n' {
			return at + 2
		}
	}
}
