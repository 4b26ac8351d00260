package messages

import (
	"net/http"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/sse"
)

// stream writes a message as server-sent events: message_start, each block with its deltas, message_delta, message_stop.
type stream struct {
	w         *sse.Writer
	rw        http.ResponseWriter
	keepAlive time.Duration
	stop      func()
	buf       []byte
	index     int    // of the open block, or of the next one
	kind      string // of the open block
	failed    bool   // the client cannot be written to
}

var _ sink = (*stream)(nil)

// send holds one frame until settle.
func (s *stream) send(event string, b []byte) {
	s.buf = b
	if s.w.HoldEvent(event, b) != nil {
		s.failed = true
	}
}

// settle has what was written leave, unless more follows at once.
func (s *stream) settle(more bool) {
	if !more && s.w.Flush() != nil {
		s.failed = true
	}
}

func (s *stream) start(members, usage []byte) {
	s.rw.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	streamHeaders(s.rw)
	s.w.KeepAliveWith(pingFrame)
	s.stop = s.w.KeepAlive(s.keepAlive)
	b := append(append(s.buf[:0], `{"type":"message_start","message":{`...), members...)
	b = append(b, `,"content":[],"stop_reason":null,"stop_sequence":null,"usage":`...)
	s.send("message_start", append(append(b, usage...), `}}`...))
}

// about begins an event about the block at hand.
func (s *stream) about(event string) []byte {
	b := append(append(s.buf[:0], `{"type":"`...), event...)
	return strconv.AppendInt(append(b, `","index":`...), int64(s.index), 10)
}

func (s *stream) open(kind string, members []byte) {
	s.kind = kind
	b := append(append(s.about("content_block_start"), `,"content_block":{"type":"`...), kind...)
	b = append(b, '"')
	switch kind {
	case "tool_use":
		b = append(append(append(b, ','), members...), `,"input":{}}}`...)
	case "thinking":
		b = append(b, `,"thinking":"","signature":""}}`...)
	default:
		b = append(b, `,"text":""}}`...)
	}
	s.send("content_block_start", b)
}

func (s *stream) piece(text string) {
	b := s.about("content_block_delta")
	switch s.kind {
	case "tool_use":
		b = append(b, `,"delta":{"type":"input_json_delta","partial_json":`...)
	case "thinking":
		b = append(b, `,"delta":{"type":"thinking_delta","thinking":`...)
	default:
		b = append(b, `,"delta":{"type":"text_delta","text":`...)
	}
	s.send("content_block_delta", append(jsonedit.AppendQuote(b, text), `}}`...))
}

func (s *stream) delta(raw []byte) {
	b := append(s.about("content_block_delta"), `,"delta":`...)
	s.send("content_block_delta", append(append(b, raw...), '}'))
}

func (s *stream) close() {
	s.send("content_block_stop", append(s.about("content_block_stop"), '}'))
	s.index++
}

func (s *stream) whole(block []byte) {
	b := append(s.about("content_block_start"), `,"content_block":`...)
	s.send("content_block_start", append(append(b, block...), '}'))
	s.close()
}

func (s *stream) end(e *ending) {
	b := append(append(s.buf[:0], `{"type":"message_delta","delta":{`...), e.closing...)
	b = append(append(b, `},"usage":`...), e.usage...)
	if len(e.beside) > 0 {
		b = append(append(b, ','), e.beside...)
	}
	s.send("message_delta", append(b, '}'))
	s.send("message_stop", append(s.buf[:0], `{"type":"message_stop"}`...))
}

// abort ends a stream that has begun with an error.
func (s *stream) abort(err error) {
	if e := fault.From(err); e.Kind != fault.Canceled {
		s.send("error", appendError(s.buf[:0], e, s.rw.Header()))
	}
}
