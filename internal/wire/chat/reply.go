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
	maxFrame = 1 << 20  // of a stream
	maxPlain = 64 << 20 // of a reply that is not streamed; the provider's own limit is lower
	maxBlank = 64 << 10 // white space before a reply: some send it to keep the connection alive
)

// readTyped reads a reply into events. What body begins with says whether it is a stream: some servers label the one as
// the other.
func (u *Upstream) readTyped(contentType string, body io.Reader, yield func(llm.Event, error) bool) {
	n := u.normaliser(contentType, yield)
	start, err := peek(body)
	if err != nil {
		n.fail(err)
		return
	}
	whole := io.MultiReader(bytes.NewReader(start), body)
	switch c := start[0]; {
	case c == '{' || c == '[':
		n.readPlain(whole)
	case c == '<' || !isStream(contentType) && !looksLikeStream(start):
		n.fail(broken("the provider answered with something that is neither JSON nor an event stream"))
	default:
		n.readStream(whole)
	}
}

// peek reads up to the first bytes that are not white space.
func peek(body io.Reader) ([]byte, error) {
	buf := make([]byte, 512)
	for blank := 0; blank < maxBlank; {
		k, err := body.Read(buf)
		blank += k
		if rest := bytes.TrimLeft(buf[:k], " \t\r\n"); len(rest) > 0 {
			return rest, nil
		}
		if err == io.EOF {
			return nil, broken("the provider's reply is empty")
		}
		if err != nil {
			return nil, err
		}
		if k == 0 {
			blank++
		}
	}
	return nil, broken("the provider's reply is empty")
}

func looksLikeStream(b []byte) bool {
	for _, field := range []string{"data", ":", "event", "id", "retry", "\uFEFF"} {
		if k := min(len(field), len(b)); string(b[:k]) == field[:k] {
			return true
		}
	}
	return false
}

// readPlain reads a whole completion.
func (n *normaliser) readPlain(r io.Reader) {
	data, err := io.ReadAll(io.LimitReader(r, maxPlain+1))
	switch {
	case err != nil:
		n.fail(err)
		return
	case len(data) > maxPlain:
		n.fail(broken("the provider's reply is too large"))
		return
	}
	data = bytes.TrimSpace(data)
	if jsonedit.Kind(data) == '[' {
		n.fail(replyFault(data))
		return
	}
	if n.chunk(data); n.over {
		return
	}
	if !n.begun {
		n.fail(broken("the provider's reply has no choices"))
		return
	}
	n.end(true)
}

// readStream reads an event stream up to [DONE] or its end.
func (n *normaliser) readStream(r io.Reader) {
	events := sse.NewReader(r, maxFrame)
	for !n.over {
		ev, err := events.Next()
		data := bytes.TrimSpace(ev.Data)
		switch {
		case errors.Is(err, io.EOF):
			n.end(false)
		case err != nil:
			n.broke(err)
		case len(data) == 0:
		case string(data) == "[DONE]":
			n.end(true)
		case ev.Name == "error":
			n.failed(data)
		default:
			n.chunk(data)
			n.settle(events.Ready())
		}
	}
}

// broke ends a stream that cannot be read on. After the finish reason nothing of the answer is missing.
func (n *normaliser) broke(err error) {
	gone := errors.Is(err, context.Canceled) || fault.KindOf(err) == fault.Canceled
	switch {
	case n.stop != "" && !gone:
		n.end(true)
	case errors.Is(err, sse.ErrTooLarge):
		n.fail(broken("the provider sent an event of more than %d bytes", maxFrame))
	default:
		n.fail(err)
	}
}
