package wire

import (
	"bytes"
	"iter"
	"net/http"
	"strconv"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// maxHeld is how much of a plain reply waits for its end. What is said of it in the head, its cost above all, is known then, and
// one that breaks off can be answered with an error. The rest of a longer one goes on as it comes.
const maxHeld = 64 << 10

// WriteOpaque copies a reply of a door's own wire to the client. An error is returned while nothing has been written. After
// that a stream is told the reason with what broken makes of it, and a plain reply, which has no room for one, is cut off
// rather than let it look complete.
func WriteOpaque(w http.ResponseWriter, reply iter.Seq2[llm.Event, error], broken func(e *fault.Error) []byte) error {
	o := opaque{w: w, hold: Borrow()}
	defer o.release()
	for ev, err := range reply {
		switch {
		case err != nil && (!o.begun || o.held):
			return err
		case err != nil:
			breakOff(w, fault.From(err), broken)
			return nil
		case ev.Kind != llm.Opaque:
			continue
		}
		if !o.begun {
			o.begun, o.streams = true, opaqueHeaders(w, ev.Head)
			o.held = !o.streams
		}
		if len(ev.Raw) > 0 && !o.pass(ev.Raw) {
			return nil
		}
	}
	o.letGo()
	return nil
}

// opaque is a reply that is being copied.
type opaque struct {
	w       http.ResponseWriter
	begun   bool
	streams bool
	held    bool // what has come is in hold, and nothing was written yet
	hold    *[]byte
}

// pass writes a piece or holds it. It reports false when the client cannot be written to.
func (o *opaque) pass(b []byte) bool {
	if o.held && len(*o.hold)+len(b) <= maxHeld {
		*o.hold = append(*o.hold, b...)
		return true
	}
	if o.held && !o.write(*o.hold) {
		return false
	}
	o.held = false
	return o.write(b)
}

func (o *opaque) write(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if _, err := o.w.Write(b); err != nil {
		return false
	}
	return !o.streams || bytes.HasSuffix(b, []byte(lastFrame)) || http.NewResponseController(o.w).Flush() == nil
}

// letGo writes what was held of a reply that is complete.
func (o *opaque) letGo() {
	if !o.held {
		return
	}
	if n := len(*o.hold); n > ownLength {
		o.w.Header().Set("Content-Length", strconv.Itoa(n))
	}
	o.write(*o.hold)
}

// ownLength is how much net/http itself finds the length of.
const ownLength = 2 << 10

func (o *opaque) release() {
	Return(o.hold)
}

// opaqueHeaders sets the headers of a relayed reply, and reports whether it is one to be passed on piece by piece: a stream
// of events, or whatever else an errand brings whose end is not known.
func opaqueHeaders(w http.ResponseWriter, head *llm.Head) bool {
	if head == nil {
		return false
	}
	for _, h := range head.Headers {
		w.Header().Set(h.Name, h.Value)
	}
	if IsStream(head.ContentType) {
		StreamHeaders(w, head.ContentType)
		return true
	}
	if head.ContentType != "" {
		w.Header().Set("Content-Type", head.ContentType)
	}
	if head.Status == 0 {
		return false
	}
	if head.Length >= 0 && head.Status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.FormatInt(head.Length, 10))
	}
	return head.Length < 0
}

// StreamHeaders sets the headers of an event stream. An empty contentType is that of event streams in UTF-8.
func StreamHeaders(w http.ResponseWriter, contentType string) {
	h := w.Header()
	h["Content-Type"] = eventStream
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	h["Cache-Control"], h["X-Accel-Buffering"] = noCache, noBuffering
}

// Values of headers that all streams share. Nobody changes them.
var (
	eventStream = []string{"text/event-stream; charset=utf-8"}
	noCache     = []string{"no-cache"}
	noBuffering = []string{"no"}
)

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
