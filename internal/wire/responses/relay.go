package responses

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

// watcher looks on while a reply is relayed: it notes how a stream ends, and what it has cost.
type watcher struct {
	stream bool
	fresh  bool   // what comes next begins a frame
	last   string // the type of the event that ended the reply; empty while it goes on
	told   error  // the error that the stream tells
}

// Done knows the mark that some providers put behind the last event.
func (w *watcher) Done(b []byte) bool {
	return w.last != "" && bytes.HasSuffix(b, []byte("data: [DONE]\n\n"))
}

// Pass notes the event that ends the reply. Everything goes on.
func (w *watcher) Pass(b []byte) []byte {
	if !w.stream {
		return b
	}
	for rest := b; len(rest) > 0; {
		n := wire.FirstFrame(rest)
		if w.fresh {
			w.frame(rest[:n])
		}
		w.fresh = bytes.HasSuffix(rest[:n], []byte("\n\n")) || bytes.HasSuffix(rest[:n], []byte("\n\r\n"))
		rest = rest[n:]
	}
	return b
}

// frame looks at a frame, or at the first part of a large one.
func (w *watcher) frame(b []byte) {
	name := lastType(b)
	if name == "" {
		return
	}
	w.last = name
	if name == "error" || name == "response.failed" {
		err := eventFault(sse.Data(b))
		err.Told = true
		w.told = err
	}
}

// lastType returns the type of an event that ends a reply, or "" for others. It stands in the frame's event line, or in the
// data, first or last among its members.
func lastType(frame []byte) string {
	if line, ok := bytes.CutPrefix(frame, []byte("event:")); ok {
		line, _, _ = bytes.Cut(line, []byte{'\n'})
		return lastEvent(bytes.TrimSpace(line))
	}
	const reach = 96
	for _, at := range [...][]byte{frame[:min(reach, len(frame))], frame[max(0, len(frame)-reach):]} {
		for v := range wire.LastMembers(at, `"type"`) {
			if s := lastEvent(bytes.Trim(jsonedit.Get(v), `"`)); s != "" {
				return s
			}
		}
	}
	return ""
}

// lastEvents are the types of the events that end a reply.
var lastEvents = [...]string{"response.completed", "response.incomplete", "response.failed", "response.cancelled", "error"}

// lastEvent returns name if it is one of lastEvents, else "".
func lastEvent(name []byte) string {
	for _, s := range lastEvents {
		if string(name) == s {
			return s
		}
	}
	return ""
}

// End tells how the reply ended.
func (w *watcher) End(lead, tail []byte, err error) (llm.Event, error) {
	switch gone := errors.Is(err, context.Canceled) || fault.KindOf(err) == fault.Canceled; {
	case !errors.Is(err, io.EOF) && (gone || w.last == ""):
		return llm.Event{}, err
	case len(tail) == 0:
		return llm.Event{}, broken("the provider's reply is empty")
	case w.told != nil:
		return llm.Event{}, w.told
	case w.stream && w.last == "":
		return llm.Event{}, unfinished()
	}
	usage := readUsage(wire.LastObject(tail, `"usage"`))
	if usage == nil && !w.stream {
		usage = readUsage(wire.LastObject(lead, `"usage"`))
	}
	return llm.Event{Kind: llm.End, Stop: w.stop(tail), Usage: usage}, nil
}

// stop is the reason in the wire's own words, as far as the reply's end shows it.
func (w *watcher) stop(tail []byte) string {
	if w.last == "response.incomplete" {
		if s := stopWord(wire.LastObject(tail, `"incomplete_details"`)); s != "" {
			return s
		}
		return llm.StopLength
	}
	return llm.StopDone
}
