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
	"github.com/fairlead/fairlead/internal/wire"
)

// readTyped reads a reply into events.
func (u *Upstream) readTyped(contentType string, body io.Reader, yield func(llm.Event, error) bool) {
	n := u.normaliser(contentType, yield)
	switch document, stream, err := wire.OpenReply(opRead, contentType, body); {
	case err != nil:
		n.Fail(err)
	case stream != nil:
		n.readStream(stream)
	default:
		n.readPlain(document)
	}
}

// readPlain reads a whole completion.
func (n *normaliser) readPlain(data []byte) {
	if jsonedit.Kind(data) == '[' {
		n.Fail(replyFault(data))
		return
	}
	if n.chunk(data); n.Over {
		return
	}
	if !n.begun {
		n.Fail(broken("the provider's reply has no choices"))
		return
	}
	n.end(true)
}

// readStream reads an event stream up to [DONE] or its end.
func (n *normaliser) readStream(r io.Reader) {
	events := sse.NewReader(r, wire.MaxFrame)
	defer events.Release()
	n.streamed = true
	for !n.Over {
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
			n.Settle(events.Ready())
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
		n.Fail(broken("the provider sent an event of more than %d bytes", wire.MaxFrame))
	default:
		n.Fail(err)
	}
}
