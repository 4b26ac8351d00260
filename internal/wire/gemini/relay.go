package gemini

import (
	"bytes"
	"errors"
	"io"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/sse"
	"github.com/fairlead/fairlead/internal/wire"
)

// watcher looks on while a reply is relayed.
type watcher struct{ stream bool }

// Done is never sure: the API has no event that closes a stream.
func (*watcher) Done([]byte) bool { return false }

// Pass lets everything go on.
func (*watcher) Pass(b []byte) []byte { return b }

// End tells how the reply ended.
func (w *watcher) End(lead, tail []byte, err error) (llm.Event, error) {
	stop, usage := lastStop(tail), wire.LastObject(tail, `"usageMetadata"`)
	if stop == "" && len(wire.LastObject(tail, `"promptFeedback"`)) > 0 {
		stop = llm.StopFilter
	}
	switch {
	case !errors.Is(err, io.EOF):
		return llm.Event{}, err
	case len(tail) == 0:
		return llm.Event{}, broken("the provider's reply is empty")
	case w.stream && stop == "":
		return llm.Event{}, brokenStream(tail)
	case usage == nil:
		usage = wire.LastObject(lead, `"usageMetadata"`)
	}
	return llm.Event{Kind: llm.End, Stop: stop, Usage: readUsage(usage)}, nil
}

// lastStop returns the last reason to stop in tail, or "".
func lastStop(tail []byte) string {
	for v := range wire.LastMembers(tail, `"finishReason"`) {
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
		if v := sse.Data(line); !jsonedit.IsNull(jsonedit.Get(v, "error")) {
			err := replyFault(v)
			err.Told = true
			return err
		}
	}
	return broken("the provider's reply ended before it was complete")
}
