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

// relayReply yields the bytes of a reply. Only a usage chunk that the client did not ask for is left out.
func (u *Upstream) relayReply(req *llm.Request, contentType string, body io.Reader, yield func(llm.Event, error) bool) {
	w := watcher{stream: wire.IsStream(contentType), usageMember: u.q.UsageMember}
	w.withhold = w.stream && u.asksForUsage(req)
	u.relay.Pass(contentType, body, &w, yield)
}

// watcher looks on while a reply is relayed.
type watcher struct {
	stream      bool
	withhold    bool // the gateway asked for the usage chunk, the client did not
	usageMember string
}

// Done knows the mark of a stream's end: nothing comes after it.
func (*watcher) Done(b []byte) bool { return bytes.HasSuffix(b, []byte("data: [DONE]\n\n")) }

// Pass takes the usage chunk out.
func (w *watcher) Pass(b []byte) []byte {
	if w.withhold && wire.LastObject(b, `"usage"`) != nil {
		return withoutUsage(b)
	}
	return b
}

// End tells how the reply ended.
func (w *watcher) End(lead, tail []byte, err error) (llm.Event, error) {
	stop := lastStop(tail)
	complete := stop != "" || wire.DoneLine(tail)
	switch gone := errors.Is(err, context.Canceled) || fault.KindOf(err) == fault.Canceled; {
	case !errors.Is(err, io.EOF) && (gone || !w.stream || !complete):
		return llm.Event{}, err
	case len(tail) == 0:
		return llm.Event{}, broken("the provider's reply is empty")
	case w.stream && !complete:
		return llm.Event{}, brokenStream(tail)
	}
	usage := lastUsage(tail, w.usageMember)
	if usage == nil && !w.stream {
		usage = lastUsage(lead, w.usageMember)
	}
	return llm.Event{Kind: llm.End, Stop: stop, Usage: usage}, nil
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

// withoutUsage takes the usage chunk out of b, which holds whole frames, in place.
func withoutUsage(b []byte) []byte {
	out := b[:0]
	for len(b) > 0 {
		n := wire.FirstFrame(b)
		if !usageChunk(b[:n]) {
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return out
}

// usageChunk reports whether a frame has usage and no choice.
func usageChunk(frame []byte) bool {
	if wire.LastObject(frame, `"usage"`) == nil {
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
