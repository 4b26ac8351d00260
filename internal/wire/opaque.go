package wire

import (
	"bytes"
	"iter"
	"net/http"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// WriteOpaque copies a reply of a door's own wire to the client. An error is returned while nothing has been written. After
// that a stream is told the reason with what broken makes of it, and a plain reply, which has no room for one, is cut off
// rather than let it look complete.
func WriteOpaque(w http.ResponseWriter, reply iter.Seq2[llm.Event, error], broken func(e *fault.Error) []byte) error {
	begun, streams, flush := false, false, http.NewResponseController(w)
	for ev, err := range reply {
		switch {
		case err != nil && !begun:
			return err
		case err != nil:
			breakOff(w, fault.From(err), broken)
			return nil
		case ev.Kind != llm.Opaque:
			continue
		}
		if !begun {
			begun, streams = true, opaqueHeaders(w, ev.Head)
		}
		if len(ev.Raw) == 0 {
			continue
		}
		if _, err := w.Write(ev.Raw); err != nil {
			return nil
		}
		if streams && !bytes.HasSuffix(ev.Raw, []byte(lastFrame)) && flush.Flush() != nil {
			return nil
		}
	}
	return nil
}

// opaqueHeaders sets the headers of a relayed reply, and reports whether it is a stream.
func opaqueHeaders(w http.ResponseWriter, head *llm.Head) bool {
	if head == nil || head.ContentType == "" {
		return false
	}
	if !IsStream(head.ContentType) {
		w.Header().Set("Content-Type", head.ContentType)
		return false
	}
	StreamHeaders(w, head.ContentType)
	return true
}

// StreamHeaders sets the headers of an event stream. An empty contentType is that of event streams in UTF-8.
func StreamHeaders(w http.ResponseWriter, contentType string) {
	if contentType == "" {
		contentType = "text/event-stream; charset=utf-8"
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
}

// lastFrame ends a stream of OpenAI's. It needs no flush of its own: it leaves with the end of the body.
const lastFrame = "data: [DONE]\n\n"

func breakOff(w http.ResponseWriter, e *fault.Error, broken func(e *fault.Error) []byte) {
	if e.Kind == fault.Canceled || e.Told {
		return
	}
	if !IsStream(w.Header().Get("Content-Type")) {
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(broken(e))
}
