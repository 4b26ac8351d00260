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

const (
	maxFrame = 16 << 20 // of a stream: a part comes whole, a picture too
	maxParts = 4096     // of one reply, once the pieces of a text are joined
	maxReply = 64 << 20 // bytes of the parts of one reply
)

// reader makes events of a reply: of a stream's chunks, or of one whole response.
type reader struct {
	u   *Upstream
	req *llm.Request
	wire.Teller

	head    llm.Head
	begun   bool
	finish  string // the provider's word for why the model stopped
	why     string // its explanation, if it gave one
	blocked bool   // the question itself was refused
	usage   []byte

	parts []part
	size  int             // bytes of the parts
	calls int             // told of
	ids   map[string]bool // of the calls
	text  wire.Joiner
	think wire.Joiner
}

// readTyped reads a reply into events.
func (u *Upstream) readTyped(req *llm.Request, contentType string, body io.Reader, yield func(llm.Event, error) bool) {
	r := &reader{u: u, req: req, Teller: wire.Teller{Yield: yield}, head: llm.Head{ContentType: contentType}}
	switch document, stream, err := wire.OpenReply(opRead, contentType, body); {
	case err != nil:
		r.Fail(err)
	case stream != nil:
		r.readStream(stream)
	default:
		r.readPlain(document)
	}
}

// readStream reads a stream to its end: the API has no event that closes it.
func (r *reader) readStream(body io.Reader) {
	events := sse.NewReader(body, maxFrame)
	defer events.Release()
	for !r.Over {
		ev, err := events.Next()
		data := bytes.TrimSpace(ev.Data)
		switch {
		case errors.Is(err, io.EOF):
			r.end()
		case errors.Is(err, sse.ErrTooLarge):
			r.Fail(broken("the provider sent an event of more than %d bytes", maxFrame))
		case err != nil:
			r.Fail(err)
		case len(data) == 0 || string(data) == "[DONE]":
		case len(jsonedit.Get(data)) != len(data):
			r.Fail(broken("the provider sent a piece of its reply that is not JSON"))
		default:
			r.chunk(data)
			r.Settle(events.Ready())
		}
	}
}

// readPlain reads a whole response, or the list of chunks that a stream is where nobody asked for events.
func (r *reader) readPlain(data []byte) {
	if !jsonedit.Valid(data) {
		r.Fail(broken("the provider's reply is not JSON"))
		return
	}
	if jsonedit.Kind(data) == '{' {
		r.chunk(data)
	}
	for v := range jsonedit.Elements(data) {
		if r.Over {
			return
		}
		r.chunk(v)
	}
	r.end()
}

// chunk takes in a response, which in a stream has the next pieces of the answer.
func (r *reader) chunk(data []byte) {
	for v := range jsonedit.Elements(data) { // an error may stand in a list
		data = v
		break
	}
	if jsonedit.Kind(data) != '{' {
		r.Fail(broken("the provider sent a piece of its reply that is not a JSON object"))
		return
	}
	if e := jsonedit.Get(data, "error"); !jsonedit.IsNull(e) {
		r.Fail(replyFault(data))
		return
	}
	candidate := r.candidate(jsonedit.Get(data, "candidates"))
	feedback := jsonedit.Get(data, "promptFeedback", "blockReason")
	if usage := jsonedit.Get(data, "usageMetadata"); jsonedit.Kind(usage) == '{' {
		r.usage = append(r.usage[:0], usage...)
	}
	r.begin(data)
	if word(feedback) != "" && candidate == nil {
		r.blocked = true
	}
	for p := range jsonedit.Elements(jsonedit.Get(candidate, "content", "parts")) {
		if r.Over {
			return
		}
		r.part(p)
	}
	if f := word(jsonedit.Get(candidate, "finishReason")); f != "" {
		r.finish, r.why = f, word(jsonedit.Get(candidate, "finishMessage"))
	}
}

// candidate is the one answer that is asked for; nil when the chunk has none.
func (r *reader) candidate(list []byte) []byte {
	for c := range jsonedit.Elements(list) {
		if i, ok := jsonedit.Int(jsonedit.Get(c, "index")); !ok || i == 0 {
			return c
		}
	}
	return nil
}

// begin tells the start of the reply, once.
func (r *reader) begin(data []byte) {
	if r.begun {
		return
	}
	r.begun = true
	r.head.Created = r.u.now().Unix()
	r.head.ID, r.head.Model = word(jsonedit.Get(data, "responseId")), word(jsonedit.Get(data, "modelVersion"))
	if r.head.ID == "" {
		r.head.ID = r.u.newID()
	}
	r.Emit(llm.Event{Kind: llm.Start, Head: &r.head})
}

// end tells the end of the reply, or why it is none.
func (r *reader) end() {
	stop := stopOf(r.finish)
	switch {
	case r.Over:
		return
	case !r.begun:
		r.Fail(broken("the provider's reply is empty"))
		return
	case r.blocked:
		stop = llm.StopFilter
	case r.finish == "":
		r.Fail(broken("the provider's reply ended before it was complete"))
		return
	case failed(r.finish):
		r.Fail(unusable(r.finish, r.why))
		return
	case r.calls > 0 && stop == llm.StopDone:
		stop = llm.StopTools
	}
	r.rest()
	if parts := r.content(); parts != nil {
		r.Emit(llm.Event{Kind: llm.Other, Extra: llm.Extra{Wire: Name, Delta: parts}})
	}
	r.Emit(llm.Event{Kind: llm.End, Stop: stop, Usage: readUsage(r.usage)})
	r.Release(false)
	r.Over = true
}
