package wire

import (
	"bytes"
	"io"
	"strings"
)

const (
	maxPlain = 64 << 20 // of a reply that is not streamed; the provider's own limit is lower
	maxBlank = 64 << 10 // white space before a reply: some send it to keep the connection alive
)

// MaxFrame bounds one event of a provider's stream.
const MaxFrame = 1 << 20

// IsStream reports whether a content type is that of server-sent events.
func IsStream(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(t), "text/event-stream")
}

// OpenReply tells a reply's two forms apart: it returns the whole document of a reply that is not streamed, or the stream. What
// body begins with decides, since some servers label the one as the other. op says where, for errors.
func OpenReply(op, contentType string, body io.Reader) (document []byte, stream io.Reader, err error) {
	o := &opened{body: body}
	if err := o.peek(op); err != nil {
		return nil, nil, err
	}
	switch c := o.start[0]; {
	case c == '{' || c == '[':
		document, err = readPlain(op, o)
		return document, nil, err
	case c == '<' || !IsStream(contentType) && !looksLikeStream(o.start):
		return nil, nil, Broken(op, "the provider answered with something that is neither JSON nor an event stream")
	}
	return nil, o, nil
}

// opened is a reply whose start has been looked at.
type opened struct {
	body  io.Reader
	start []byte // the part of room that is still to be read
	room  [64]byte
}

// Read reads the reply from its first bytes on that are not white space.
func (o *opened) Read(p []byte) (int, error) {
	if len(o.start) == 0 {
		return o.body.Read(p)
	}
	n := copy(p, o.start)
	o.start = o.start[n:]
	return n, nil
}

func readPlain(op string, r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPlain+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxPlain:
		return nil, Broken(op, "the provider's reply is too large")
	}
	return bytes.TrimSpace(data), nil
}

// peek reads up to the first bytes that are not white space.
func (o *opened) peek(op string) error {
	for blank := 0; blank < maxBlank; {
		k, err := o.body.Read(o.room[:])
		blank += k
		if o.start = bytes.TrimLeft(o.room[:k], " \t\r\n"); len(o.start) > 0 {
			return nil
		}
		if err == io.EOF {
			return Broken(op, "the provider's reply is empty")
		}
		if err != nil {
			return err
		}
		if k == 0 {
			blank++
		}
	}
	return Broken(op, "the provider's reply is empty")
}

func looksLikeStream(b []byte) bool {
	for _, field := range []string{"data", ":", "event", "id", "retry", "\uFEFF"} {
		if k := min(len(field), len(b)); string(b[:k]) == field[:k] {
			return true
		}
	}
	return false
}
