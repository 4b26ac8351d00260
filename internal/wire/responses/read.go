package responses

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/sse"
	"github.com/fairlead/fairlead/internal/wire"
)

// maxEvent bounds one event of a stream. Its last one repeats the whole reply, pictures too.
const maxEvent = 32 << 20

// reader makes events in the grammar of llm.Kind of a reply: of its stream, or of a whole response.
type reader struct {
	u *Upstream
	wire.Teller

	head  llm.Head
	begun bool
	items []*item
	size  int             // of the items that are kept
	calls int             // told of
	ids   map[string]bool // call ids that are taken
}

func (u *Upstream) read(contentType string, body io.Reader, yield func(llm.Event, error) bool) {
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

// readStream reads an event stream up to the event that ends the reply.
func (r *reader) readStream(body io.Reader) {
	events := sse.NewReader(body, maxEvent)
	defer events.Release()
	for !r.Over {
		ev, err := events.Next()
		data := bytes.TrimSpace(ev.Data)
		switch {
		case errors.Is(err, io.EOF), err == nil && string(data) == "[DONE]":
			r.Fail(unfinished())
		case errors.Is(err, sse.ErrTooLarge):
			r.Fail(broken("the provider sent an event of more than %d bytes", maxEvent))
		case err != nil:
			r.Fail(err)
		case len(data) > 0:
			r.event(ev.Name, data)
			r.Settle(events.Ready())
		}
	}
}

// readPlain reads a whole response.
func (r *reader) readPlain(data []byte) {
	if jsonedit.Kind(data) != '{' || len(jsonedit.Get(data)) != len(data) {
		r.Fail(broken("the provider's reply is not one JSON object"))
		return
	}
	status, _ := jsonedit.Unquote(jsonedit.Get(data, "status"))
	problem := jsonedit.Get(data, "error")
	switch {
	case !jsonedit.IsNull(problem):
		r.Fail(wire.ReplyFault(opRead, problem))
	case status == "" && jsonedit.Kind(jsonedit.Get(data, "output")) != '[':
		r.Fail(broken("the provider's reply is not a response"))
	case status == "failed":
		r.Fail(wire.ReplyFault(opRead, nil))
	case status != "" && status != "completed" && status != "incomplete":
		r.Fail(broken("the provider's reply is not complete: its status is %q", clip(status)))
	default:
		r.finish(data)
	}
}

// clip bounds a provider's word that is shown.
func clip(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), 64)], "")
}

// begin tells the start of the reply, once. response may be nil, where a provider left its first events out.
func (r *reader) begin(response []byte) {
	if r.begun {
		return
	}
	r.begun = true
	r.head.ID, _ = jsonedit.Unquote(jsonedit.Get(response, "id"))
	r.head.Model, _ = jsonedit.Unquote(jsonedit.Get(response, "model"))
	if at, err := strconv.ParseFloat(string(jsonedit.Get(response, "created_at")), 64); err == nil && at > 0 && at < 1e15 {
		r.head.Created = int64(at) // some write it with a fraction
	}
	if r.head.ID == "" {
		r.head.ID = "resp_" + r.u.newID()
	}
	r.Emit(llm.Event{Kind: llm.Start, Head: &r.head})
}

// finish ends the reply with the response that is its last word.
func (r *reader) finish(response []byte) {
	r.begin(response)
	r.sum(jsonedit.Get(response, "output"))
	r.closeItems()
	if all := r.output(); len(all) > 0 {
		r.Emit(llm.Event{Kind: llm.Other, Extra: llm.Extra{Wire: Name, Delta: all}})
	}
	r.Emit(llm.Event{Kind: llm.End, Stop: r.stop(response), Usage: readUsage(jsonedit.Get(response, "usage"))})
	r.Release(false)
	r.Over = true
}

// sum takes in the list of all items: in a stream they have come before, one by one, as a rule.
func (r *reader) sum(output []byte) {
	at := 0
	for v := range jsonedit.Elements(output) {
		it := r.known(at, v)
		r.itemDone(it, -1, v)
		at++
	}
}

// known returns the item that has the id of v, else the one that came at this place, or nil.
func (r *reader) known(at int, v []byte) *item {
	id := itemID(v)
	for _, it := range r.items {
		if id != "" && it.id == id {
			return it
		}
	}
	if kind, _ := jsonedit.Unquote(jsonedit.Get(v, "type")); at < len(r.items) && r.items[at].kind == kind {
		return r.items[at]
	}
	return nil
}

func (r *reader) stop(response []byte) string {
	details := jsonedit.Get(response, "incomplete_details")
	switch status, _ := jsonedit.Unquote(jsonedit.Get(response, "status")); {
	case stopWord(details) != "":
		return stopWord(details)
	case status == "incomplete":
		return llm.StopLength
	case r.calls > 0:
		return llm.StopTools
	}
	return llm.StopDone
}

// output returns the member `"output":[…]` with all items that are complete, as they came.
func (r *reader) output() []byte {
	out := make([]byte, 0, r.size+len(r.items)+16)
	out = append(out, `"output":[`...)
	n := 0
	for _, it := range r.items {
		if it.raw != nil {
			out = append(comma(out, n), it.raw...)
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return append(out, ']')
}

// comma appends a comma unless what follows is the first of its list.
func comma(dst []byte, n int) []byte {
	if n > 0 {
		dst = append(dst, ',')
	}
	return dst
}
