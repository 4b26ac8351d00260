package responses

import (
	"cmp"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/sse"
	"github.com/fairlead/fairlead/internal/wire"
)

// stream writes events to a client: each with its type as its name, numbered from 0, and none with an SSE id, which makes
// some SDKs stumble over the next comment.
type stream struct {
	w         *sse.Writer
	rw        http.ResponseWriter
	keepAlive time.Duration
	stop      func() // of the keep-alive; nil before the first event
	next      int64  // sequence_number
	buf       []byte
	failed    bool // the client cannot be written to
}

func newStream(w http.ResponseWriter, keepAlive time.Duration) *stream {
	return &stream{w: sse.NewWriter(w), rw: w, keepAlive: cmp.Or(keepAlive, defaultKeepAlive)}
}

// event writes one event, with the place of an item where one is given, and holds it back for flush.
func (s *stream) event(kind string, o *output, more func([]byte) []byte) {
	b := s.begin(kind, o)
	if more != nil {
		b = more(b)
	}
	s.send(kind, b)
}

// begin returns the start of an event, to which members are appended before it is sent.
func (s *stream) begin(kind string, o *output) []byte {
	if s.stop == nil {
		wire.StreamHeaders(s.rw, "")
		s.stop = s.w.KeepAlive(s.keepAlive)
	}
	b := append(append(append(s.buf[:0], `{"type":"`...), kind...), '"')
	b = appendInt(append(b, `,"sequence_number":`...), s.next)
	s.next++
	if o != nil {
		b = jsonedit.AppendQuote(append(b, `,"item_id":`...), o.id)
		b = appendInt(append(b, `,"output_index":`...), int64(o.index))
	}
	return b
}

func (s *stream) send(kind string, b []byte) {
	b = append(b, '}')
	if s.buf = b; cap(b) > keptRoom {
		s.buf = nil
	}
	if s.w.HoldEvent(kind, b) != nil {
		s.failed = true
	}
}

// keptRoom is the largest buffer that a stream keeps between two events.
const keptRoom = 64 << 10

// flush sends what was held, unless more follows at once.
func (s *stream) flush(more bool) {
	if !more && s.stop != nil && s.w.Flush() != nil {
		s.failed = true
	}
}

// done ends the stream. Its last frame leaves with the end of the body.
func (s *stream) done() {
	if s.w.Hold([]byte("[DONE]")) != nil {
		s.failed = true
	}
}

// close ends the stream.
func (s *stream) close() {
	if s.stop != nil {
		s.stop()
	}
	s.w.Release()
}
