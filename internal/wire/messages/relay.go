package messages

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

// watcher looks on while a reply is relayed.
type watcher struct {
	stream bool
	bare   bool // the answer is no message: it has no end of its own and no usage
}

// lastEvent names the event that ends every stream. Providers pad it with white space; in somebody's text the quotes would
// be escaped.
const lastEvent = `"message_stop"`

// Done knows the last event of a stream: nothing comes after it.
func (*watcher) Done(b []byte) bool {
	if !bytes.HasSuffix(b, []byte("\n\n")) && !bytes.HasSuffix(b, []byte("\n\r\n")) {
		return false
	}
	b = bytes.TrimRight(b, "\r\n")
	return bytes.Contains(b[bytes.LastIndexByte(b, '\n')+1:], []byte(lastEvent))
}

// Pass lets everything go on.
func (*watcher) Pass(b []byte) []byte { return b }

// End tells how the reply ended.
func (w *watcher) End(lead, tail []byte, err error) (llm.Event, error) {
	complete := bytes.Contains(tail, []byte(lastEvent))
	gone := errors.Is(err, context.Canceled) || fault.KindOf(err) == fault.Canceled
	switch {
	case !errors.Is(err, io.EOF) && (gone || !w.stream || !complete):
		return llm.Event{}, err
	case len(tail) == 0:
		return llm.Event{}, broken("the provider's reply is empty")
	case w.bare:
		return llm.Event{Kind: llm.End}, nil
	case w.stream && !complete:
		return llm.Event{}, brokenStream(tail)
	}
	usage := wire.LastObject(tail, `"usage"`)
	if w.stream {
		usage = mergeUsage(firstUsage(lead), usage)
	} else if usage == nil {
		usage = wire.LastObject(lead, `"usage"`)
	}
	return llm.Event{Kind: llm.End, Stop: lastStop(tail), Usage: readUsage(usage)}, nil
}

// firstUsage returns the usage that message_start tells, or nil.
func firstUsage(lead []byte) []byte {
	i := bytes.Index(lead, []byte(`"message_start"`))
	if i < 0 {
		return nil
	}
	frame := lead[i:]
	return wire.LastObject(frame[:wire.FirstFrame(frame)], `"usage"`)
}

// lastStop returns the last reason to stop in tail, or "".
func lastStop(tail []byte) string {
	for v := range wire.LastMembers(tail, `"stop_reason"`) {
		if s := word(jsonedit.Get(v)); s != "" {
			return stopOf(s)
		}
	}
	return ""
}

// brokenStream is the error of a stream that did not come to its end: the provider's own, if the stream tells one, which the
// client then has in the stream's bytes.
func brokenStream(tail []byte) error {
	for line := range bytes.Lines(tail) {
		v := sse.Data(line)
		if word(jsonedit.Get(v, "type")) == "error" {
			err := replyFault(v)
			err.Told = true
			return err
		}
	}
	return unfinished()
}
