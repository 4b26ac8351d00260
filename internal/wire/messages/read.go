package messages

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
	maxFrame  = 16 << 20 // of a stream: results of server tools come whole
	maxBlocks = 4096     // of one reply
	maxReply  = 64 << 20 // bytes of the blocks of one reply
)

// reader makes events of a reply: of a stream's events, or of one whole message.
type reader struct {
	u *Upstream
	wire.Teller

	head    llm.Head
	begun   bool
	stop    string // the provider's word
	closing []byte // members that came with it
	usage   []byte

	blocks []*block
	size   int             // bytes of the blocks
	calls  int             // told of
	ids    map[string]bool // of the calls
}

// readTyped reads a reply into events.
func (u *Upstream) readTyped(contentType string, body io.Reader, yield func(llm.Event, error) bool) {
	r := &reader{u: u, Teller: wire.Teller{Yield: yield}, head: llm.Head{ContentType: contentType}}
	switch document, stream, err := wire.OpenReply(opRead, contentType, body); {
	case err != nil:
		r.Fail(err)
	case stream != nil:
		r.readStream(stream)
	default:
		r.readPlain(document)
	}
}

// readStream reads a stream up to message_stop.
func (r *reader) readStream(body io.Reader) {
	events := sse.NewReader(body, maxFrame)
	defer events.Release()
	for !r.Over {
		ev, err := events.Next()
		data := bytes.TrimSpace(ev.Data)
		switch {
		case errors.Is(err, io.EOF):
			r.Fail(unfinished())
		case errors.Is(err, sse.ErrTooLarge):
			r.Fail(broken("the provider sent an event of more than %d bytes", maxFrame))
		case err != nil:
			r.Fail(err)
		case len(data) == 0:
		case jsonedit.Kind(data) != '{' || len(jsonedit.Get(data)) != len(data):
			r.Fail(broken("the provider sent a piece of its reply that is not a JSON object"))
		default:
			r.take(data)
			r.Settle(events.Ready())
		}
	}
}

// take takes in one event of a stream. Events of types that the API may add say nothing here.
func (r *reader) take(data []byte) {
	switch word(jsonedit.Get(data, "type")) {
	case "message_start":
		r.begin(jsonedit.Get(data, "message"))
	case "content_block_start":
		r.open(place(data), jsonedit.Get(data, "content_block"))
	case "content_block_delta":
		if b := r.opened(place(data)); b != nil {
			r.grow(b, jsonedit.Get(data, "delta"))
		}
	case "content_block_stop":
		if b := r.opened(place(data)); b != nil {
			r.close(b)
		}
	case "message_delta":
		r.usage = append([]byte(nil), mergeUsage(r.usage, jsonedit.Get(data, "usage"))...)
		r.closes(jsonedit.Get(data, "delta"))
		for key, v := range jsonedit.Members(data) {
			if k := string(key); k != "type" && k != "delta" && k != "usage" && !jsonedit.IsNull(v) {
				r.closing = appendMember(r.closing, key, v)
			}
		}
	case "message_stop":
		r.end()
	case "error":
		r.Fail(replyFault(data))
	}
}

// place is the index of the block that an event is about.
func place(data []byte) int64 {
	i, _ := jsonedit.Int(jsonedit.Get(data, "index"))
	return i
}

// readPlain reads a whole message.
func (r *reader) readPlain(data []byte) {
	if jsonedit.Kind(data) != '{' || !jsonedit.Valid(data) {
		r.Fail(broken("the provider's reply is not a JSON object"))
		return
	}
	content := jsonedit.Get(data, "content")
	if content == nil || word(jsonedit.Get(data, "type")) == "error" {
		if jsonedit.Get(data, "error") == nil {
			r.Fail(broken("the provider's reply has no content"))
			return
		}
		r.Fail(replyFault(data))
		return
	}
	r.begin(data)
	for v := range jsonedit.Elements(content) {
		if b := r.open(int64(len(r.blocks)), v); b != nil {
			r.close(b)
		}
	}
	r.closes(data)
	r.end()
}

// begin tells the start of the reply.
func (r *reader) begin(message []byte) {
	if r.begun {
		r.Fail(broken("the provider began its reply twice"))
		return
	}
	r.begun = true
	var top []byte
	for key, v := range jsonedit.Members(message) {
		switch string(key) {
		case "id":
			r.head.ID = word(v)
		case "model":
			r.head.Model = word(v)
		case "usage":
			r.usage = append(r.usage[:0], v...)
		case "type", "role", "content":
		default:
			if !closingMember(key) && !jsonedit.IsNull(v) {
				top = appendMember(top, key, v)
			}
		}
	}
	if r.head.ID == "" {
		r.head.ID = "msg_" + r.u.newID()
	}
	r.head.Created = r.u.now().Unix()
	r.Emit(llm.Event{Kind: llm.Start, Head: &r.head, Usage: readUsage(r.usage), Extra: extra(llm.Extra{Top: top})})
}

// closes takes in why the reply ended: the delta of a message_delta, or a whole message.
func (r *reader) closes(v []byte) {
	for key, v := range jsonedit.Members(v) {
		if !closingMember(key) || jsonedit.IsNull(v) {
			continue
		}
		r.closing = appendMember(r.closing, key, v)
		if string(key) == "stop_reason" {
			r.stop = word(v)
		}
	}
}

func closingMember(key []byte) bool {
	switch string(key) {
	case "stop_reason", "stop_sequence", "stop_details", "container":
		return true
	}
	return false
}

// end tells the end of the reply. Blocks that were not closed are.
func (r *reader) end() {
	if !r.begun {
		r.Fail(broken("the provider's reply ended before it began"))
		return
	}
	for _, b := range r.blocks {
		if b.open {
			r.close(b)
		}
	}
	if content := r.content(); content != nil {
		r.Emit(llm.Event{Kind: llm.Other, Extra: extra(llm.Extra{Delta: content})})
	}
	stop := stopOf(r.stop)
	switch {
	case r.calls > 0 && (stop == "" || stop == llm.StopDone):
		stop = llm.StopTools
	case r.calls == 0 && (stop == "" || stop == llm.StopTools):
		stop = llm.StopDone
	}
	r.Emit(llm.Event{Kind: llm.End, Stop: stop, Usage: readUsage(r.usage), Extra: extra(llm.Extra{Top: r.closing})})
	r.Release(false)
	r.Over = true
}

// content is the member with all blocks of the turn; nil when they are no JSON, and so cannot come back.
func (r *reader) content() []byte {
	const name = `"content":`
	out := []byte(name + "[")
	for i, b := range r.blocks {
		out = append(comma(out, i), b.raw...)
	}
	if out = append(out, ']'); !jsonedit.Valid(out[len(name):]) {
		return nil
	}
	return out
}

// extra marks x as this wire's, unless there is nothing in it.
func extra(x llm.Extra) llm.Extra {
	if !x.Empty() {
		x.Wire = Name
	}
	return x
}
