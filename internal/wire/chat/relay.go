package chat

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/sse"
)

const (
	roomSize = 32 << 10
	tailSize = 8 << 10 // of the reply's end, kept for its usage
	headSize = 2 << 10 // of its start: some say the usage before the choices
)

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
	yield    func(llm.Event, error) bool
	stream   bool
	withhold bool // the gateway asked for the usage chunk, the client did not
	first    bool // nothing was yielded yet
	held     int  // bytes at the start of buf that wait for the end of their frame
}

// relayReply yields the bytes of a reply as they come, in the pieces that they come in; of a stream, in whole frames. Only
// a usage chunk that the client did not ask for is left out, and the piece of a frame that a failing body ended in, so that
// the door can tell the error behind it.
func (u *Upstream) relayReply(req *llm.Request, contentType string, body io.Reader, yield func(llm.Event, error) bool) {
	m, _ := u.rooms.Get().(*room)
	if m == nil {
		m = new(room)
	}
	defer u.rooms.Put(m)
	m.kept, m.led, m.head = 0, 0, llm.Head{ContentType: contentType}
	r := relayed{room: m, yield: yield, stream: isStream(contentType), first: true}
	r.withhold = r.stream && u.asksForUsage(req)
	for {
		n, err := body.Read(r.buf[r.held:])
		r.keep(r.buf[r.held : r.held+n])
		if r.stream && bytes.HasSuffix(r.buf[:r.held+n], []byte(lastFrame)) {
			err = io.EOF // nothing comes after the mark, whenever the provider closes the connection
		}
		if !r.pass(r.held+n, errors.Is(err, io.EOF)) {
			return
		}
		if err != nil {
			r.end(u.q.UsageMember, err)
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
	if r.withhold && lastObject(out, `"usage"`) != nil {
		out = withoutUsage(out)
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

// end tells how the reply ended; err is what its body ended with.
func (r *relayed) end(usageMember string, err error) {
	tail := r.tail[:r.kept]
	stop := lastStop(tail)
	complete := stop != "" || doneLine(tail)
	switch gone := errors.Is(err, context.Canceled) || fault.KindOf(err) == fault.Canceled; {
	case !errors.Is(err, io.EOF) && (gone || !r.stream || !complete):
		r.yield(llm.Event{}, err)
		return
	case r.first:
		r.yield(llm.Event{}, broken("the provider's reply is empty"))
		return
	case r.stream && !complete:
		r.yield(llm.Event{}, brokenStream(tail))
		return
	}
	usage := lastUsage(tail, usageMember)
	if usage == nil && !r.stream {
		usage = lastUsage(r.lead[:r.led], usageMember)
	}
	r.yield(llm.Event{Kind: llm.End, Stop: stop, Usage: usage}, nil)
}

// brokenStream is the error of a stream that ended without a finish reason: the provider's own, if the stream tells one,
// which the client then has in the stream's bytes.
func brokenStream(tail []byte) error {
	for line := range bytes.Lines(tail) {
		v := sse.Data(line)
		if e := jsonedit.Get(v, "error"); !jsonedit.IsNull(e) {
			err := replyFault(e)
			err.Told = true
			return err
		}
	}
	return unfinished()
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

// withoutUsage takes the usage chunk out of b, which holds whole frames, in place.
func withoutUsage(b []byte) []byte {
	out := b[:0]
	for len(b) > 0 {
		n := firstFrame(b)
		if !usageChunk(b[:n]) {
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return out
}

// firstFrame returns the length of the first frame of b.
func firstFrame(b []byte) int {
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

// usageChunk reports whether a frame has usage and no choice.
func usageChunk(frame []byte) bool {
	if lastObject(frame, `"usage"`) == nil {
		return false // in most chunks it is null or missing
	}
	data := sse.Data(frame)
	if jsonedit.Kind(jsonedit.Get(data, "usage")) != '{' {
		return false
	}
	for range jsonedit.Elements(jsonedit.Get(data, "choices")) {
		return false
	}
	return true
}
