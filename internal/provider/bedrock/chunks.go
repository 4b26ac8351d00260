package bedrock

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"

	"github.com/fairlead/fairlead/internal/eventstream"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	opRead   = "bedrock.ReadReply"
	maxChunk = 24 << 20 // of a frame: its event is base64
)

// chunks is a stream of frames, each with an event of Anthropic's wire, as the server-sent events that Anthropic itself would
// send. What goes wrong in the stream becomes an error event, after which there is nothing.
type chunks struct {
	frames *eventstream.Reader
	out    []byte // what has not been read yet
	buf    []byte
	err    error
}

func newChunks(r io.Reader) *chunks { return &chunks{frames: eventstream.NewReader(r, maxChunk)} }

// Read reads the next piece of an event. It returns no more than one, so that nobody waits for the second to see the first.
func (c *chunks) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		c.out = c.next(c.buf[:0])
		c.buf = c.out
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

// next appends the next event to b.
func (c *chunks) next(b []byte) []byte {
	f, err := c.frames.Next()
	switch {
	case errors.Is(err, eventstream.ErrCorrupt):
		c.err = wire.Broken(opRead, "the provider sent a frame that is corrupt")
	case errors.Is(err, eventstream.ErrTooLarge):
		c.err = wire.Broken(opRead, "the provider sent a frame of more than %d bytes", maxChunk)
	case err != nil:
		c.err = err
	default:
		switch string(f.Text(":message-type")) {
		case "exception":
			c.err = io.EOF
			return appendError(b, string(f.Text(":exception-type")), f.Payload)
		case "error":
			c.err = io.EOF
			return appendError(b, string(f.Text(":error-code")), append(jsonedit.AppendQuote([]byte(`{"message":`), string(f.Text(":error-message"))), '}'))
		}
		return c.chunk(b, f.Payload)
	}
	return b
}

// chunk appends the event that a frame holds: {"bytes":"<base64>"}. Frames without one are of kinds that may be added.
func (c *chunks) chunk(b, payload []byte) []byte {
	lit := jsonedit.Get(payload, "bytes")
	if jsonedit.Kind(lit) != '"' {
		return b
	}
	at := len(b)
	b = append(b, "event: \ndata: "...)
	b, err := base64.StdEncoding.AppendDecode(b, lit[1:len(lit)-1])
	kind, ok := jsonedit.Unquote(jsonedit.Get(b[min(at+len("event: \ndata: "), len(b)):], "type"))
	if err != nil || !ok || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz_") != "" {
		c.err = wire.Broken(opRead, "the provider sent a piece of its reply that is no event")
		return b[:at]
	}
	data := b[at+len("event: \ndata: "):]
	for i, ch := range data { // a line break cannot stand in a data line; in JSON it is white space
		if ch == '\n' || ch == '\r' {
			data[i] = ' '
		}
	}
	b = append(b, kind...) // room for the name
	copy(b[at+7+len(kind):], b[at+7:len(b)-len(kind)])
	copy(b[at+7:], kind)
	return append(b, "\n\n"...)
}

// kinds are Anthropic's words for Bedrock's exceptions, by their names without "Exception" and in lower case.
var kinds = map[string]string{
	"validation":           "invalid_request_error",
	"accessdenied":         "permission_error",
	"resourcenotfound":     "not_found_error",
	"throttling":           "rate_limit_error",
	"servicequotaexceeded": "rate_limit_error",
	"modelnotready":        "overloaded_error",
	"serviceunavailable":   "overloaded_error",
	"modeltimeout":         "timeout_error",
}

// appendError appends an error event.
func appendError(b []byte, exception string, payload []byte) []byte {
	kind, ok := kinds[strings.TrimSuffix(strings.ToLower(exception), "exception")]
	if !ok {
		kind = "api_error"
	}
	message := jsonedit.Get(payload, "message")
	if jsonedit.Kind(message) != '"' || !jsonedit.Valid(message) {
		message = jsonedit.AppendQuote(nil, "the model broke its reply off: "+exception)
	}
	b = append(append(b, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\""...), kind...)
	return append(append(append(b, `","message":`...), message...), "}}\n\n"...)
}
