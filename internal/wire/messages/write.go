package messages

import (
	"cmp"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/sse"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	defaultKeepAlive = 15 * time.Second
	pingFrame        = "event: ping\ndata: {\"type\": \"ping\"}\n\n"
)

// WriteReply writes the reply: opaque bytes as they come, or one message made of all the turns' events.
func (d Door) WriteReply(w http.ResponseWriter, req *llm.Request, reply iter.Seq2[llm.Event, error]) error {
	switch {
	case req.Opaque:
		return writeOpaque(w, reply)
	case req.Stream:
		return d.writeStream(w, req, reply)
	}
	return d.writePlain(w, req, reply)
}

func (d Door) message(req *llm.Request, to sink) *message {
	id := newID
	if d.newID != nil {
		id = d.newID
	}
	return newMessage(req, to, id())
}

func (d Door) writePlain(w http.ResponseWriter, req *llm.Request, reply iter.Seq2[llm.Event, error]) error {
	p := &plain{}
	m := d.message(req, p)
	for ev, err := range reply {
		if err != nil {
			return err
		}
		m.take(&ev)
		if ev.Kind == llm.End {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(p.body)))
			_, _ = w.Write(p.body)
			return nil
		}
	}
	return errUnfinished()
}

func (d Door) writeStream(w http.ResponseWriter, req *llm.Request, reply iter.Seq2[llm.Event, error]) error {
	s := &stream{w: sse.NewWriter(w), rw: w, keepAlive: cmp.Or(d.KeepAlive, defaultKeepAlive), stop: func() {}}
	m := d.message(req, s)
	defer func() {
		s.stop()
		s.w.Release()
	}()
	for ev, err := range reply {
		if err != nil {
			if !m.begun {
				return err
			}
			s.abort(err)
			return nil
		}
		m.take(&ev)
		if ev.Kind == llm.End {
			return nil // what is held leaves with the end of the body
		}
		if s.settle(ev.More || ev.Kind == llm.Start); s.failed {
			return nil
		}
	}
	if !m.begun {
		return errUnfinished()
	}
	s.abort(errUnfinished())
	return nil
}

func errUnfinished() error {
	return &fault.Error{Kind: fault.Upstream, Op: "messages.WriteReply", Code: "upstream_error", Message: "the model's reply ended before it was complete"}
}

// writeOpaque copies a reply of the same wire.
func writeOpaque(w http.ResponseWriter, reply iter.Seq2[llm.Event, error]) error {
	return wire.WriteOpaque(w, reply, func(e *fault.Error) []byte {
		return append(appendError([]byte("event: error\ndata: "), e, w.Header()), "\n\n"...)
	})
}

func streamHeaders(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
}
