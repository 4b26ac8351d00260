package cohere

import (
	"bytes"
	"errors"
	"io"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/sse"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	maxBlocks = 4096     // of one reply: pieces of content and calls
	maxReply  = 64 << 20 // bytes of the pieces of one reply
)

// reader makes events of a reply: of a stream's events, or of one whole document.
type reader struct {
	u *Upstream
	wire.Teller

	head   llm.Head
	begun  bool
	finish string // the provider's word for why the model stopped
	usage  []byte

	plan   said
	blocks []*block
	calls  []*call
	ids    map[string]bool // of the calls
	size   int             // bytes of all of them
}

// readTyped reads a reply into events. Replies do not say which model has made them: it is the one that was asked.
func (u *Upstream) readTyped(req *llm.Request, contentType string, body io.Reader, yield func(llm.Event, error) bool) {
	r := &reader{u: u, Teller: wire.Teller{Yield: yield}, head: llm.Head{ContentType: contentType, Model: u.model(req)}}
	switch document, stream, err := wire.OpenReply(opRead, contentType, body); {
	case err != nil:
		r.Fail(err)
	case stream != nil:
		r.readStream(stream)
	default:
		r.readPlain(document)
	}
}

// readStream reads a stream up to message-end.
func (r *reader) readStream(body io.Reader) {
	events := sse.NewReader(body, wire.MaxFrame)
	defer events.Release()
	for !r.Over {
		ev, err := events.Next()
		data := bytes.TrimSpace(ev.Data)
		switch {
		case errors.Is(err, io.EOF):
			r.Fail(unfinished())
		case errors.Is(err, sse.ErrTooLarge):
			r.Fail(broken("the provider sent an event of more than %d bytes", wire.MaxFrame))
		case err != nil:
			r.Fail(err)
		case len(data) == 0:
		case string(data) == "[DONE]":
			r.Fail(unfinished())
		case jsonedit.Kind(data) != '{' || len(jsonedit.Get(data)) != len(data):
			r.Fail(broken("the provider sent a piece of its reply that is not a JSON object"))
		default:
			r.take(data)
			r.Settle(events.Ready())
		}
	}
}

// take takes in one event of a stream. Events of types that say nothing of ours are passed over: citations, debug, and what the
// API may add.
func (r *reader) take(data []byte) {
	kind := word(jsonedit.Get(data, "type"))
	message := jsonedit.Get(data, "delta", "message")
	switch kind {
	case "message-start":
		r.begin(data)
		return
	case "message-end":
		r.closes(jsonedit.Get(data, "delta"))
		r.end()
		return
	case "":
		r.Fail(replyFault(data))
		return
	}
	if !r.begun || !r.fits(len(data)) {
		r.Fail(broken("the provider sent a piece of its reply before the start, or a reply that is too large"))
		return
	}
	switch kind {
	case "content-start":
		r.open(place(data), jsonedit.Get(message, "content"))
	case "content-delta":
		r.grow(place(data), jsonedit.Get(message, "content"))
	case "content-end":
		r.close(place(data))
	case "tool-plan-delta":
		r.say(&r.plan, llm.Text, jsonedit.Get(message, "tool_plan"))
	case "tool-call-start":
		r.openCall(place(data), jsonedit.Get(message, "tool_calls"))
	case "tool-call-delta":
		r.growCall(place(data), jsonedit.Get(message, "tool_calls"))
	case "tool-call-end":
		r.closeCall(place(data))
	}
}

// place is the index of the piece that an event is about.
func place(data []byte) int64 {
	i, _ := jsonedit.Int(jsonedit.Get(data, "index"))
	return i
}

// readPlain reads a whole reply.
func (r *reader) readPlain(data []byte) {
	if jsonedit.Kind(data) != '{' || !jsonedit.Valid(data) {
		r.Fail(broken("the provider's reply is not a JSON object"))
		return
	}
	message := jsonedit.Get(data, "message")
	if jsonedit.Kind(message) != '{' { // a text: an error
		if message == nil && jsonedit.Get(data, "error") == nil {
			r.Fail(broken("the provider's reply has no message"))
			return
		}
		r.Fail(replyFault(data))
		return
	}
	r.begin(data)
	r.closes(data)
	for v := range jsonedit.Elements(jsonedit.Get(message, "content")) {
		if i := int64(len(r.blocks)); word(jsonedit.Get(v, "type")) != "text" {
			r.open(i, v)
			r.close(i)
		}
	}
	r.say(&r.plan, llm.Text, jsonedit.Get(message, "tool_plan"))
	for v := range jsonedit.Elements(jsonedit.Get(message, "content")) {
		if i := int64(len(r.blocks)); word(jsonedit.Get(v, "type")) == "text" {
			r.open(i, v)
			r.close(i)
		}
	}
	for v := range jsonedit.Elements(jsonedit.Get(message, "tool_calls")) {
		i := int64(len(r.calls))
		r.openCall(i, v)
		r.closeCall(i)
	}
	r.end()
}

// begin tells the start of the reply.
func (r *reader) begin(data []byte) {
	if r.begun {
		r.Fail(broken("the provider began its reply twice"))
		return
	}
	r.begun = true
	r.head.ID, r.head.Created = word(jsonedit.Get(data, "id")), r.u.now().Unix()
	if r.head.ID == "" {
		r.head.ID = r.u.newID()
	}
	r.Emit(llm.Event{Kind: llm.Start, Head: &r.head})
}

// closes takes in why the reply ended, and what it has cost: the delta of message-end, or a whole reply.
func (r *reader) closes(v []byte) {
	r.finish = word(jsonedit.Get(v, "finish_reason"))
	if failed(r.finish) {
		r.Fail(unusable(r.finish, v))
	}
	if usage := jsonedit.Get(v, "usage"); jsonedit.Kind(usage) == '{' {
		r.usage = append(r.usage[:0], usage...)
	}
}

// end tells the end of the reply. What was not closed is.
func (r *reader) end() {
	switch {
	case r.Over:
		return
	case !r.begun:
		r.Fail(broken("the provider's reply ended before it began"))
		return
	case r.finish == "":
		r.Fail(unfinished())
		return
	}
	r.rest()
	if turn := r.turn(); turn != nil {
		r.Emit(llm.Event{Kind: llm.Other, Extra: llm.Extra{Wire: Name, Delta: turn}})
	}
	stop := stopOf(r.finish)
	switch {
	case len(r.calls) > 0 && stop == llm.StopDone:
		stop = llm.StopTools
	case len(r.calls) == 0 && stop == llm.StopTools:
		stop = llm.StopDone
	}
	r.Emit(llm.Event{Kind: llm.End, Stop: stop, Usage: readUsage(r.usage)})
	r.Release(false)
	r.Over = true
}

func (r *reader) fits(n int) bool {
	r.size += n
	return r.size <= maxReply && len(r.blocks)+len(r.calls) < maxBlocks
}
