package converse

import (
	"bytes"
	"cmp"
	"errors"
	"io"

	"github.com/fairlead/fairlead/internal/eventstream"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	maxFrame  = 16 << 20 // of a stream: an image comes whole
	maxBlocks = 4096     // of one reply
	maxReply  = 64 << 20 // bytes of the blocks of one reply
)

// reader makes events of a reply: of a stream's frames, or of one document.
type reader struct {
	u   *Upstream
	req *llm.Request
	wire.Teller

	head    llm.Head
	begun   bool
	stopped bool
	stop    string // the service's word
	usage   []byte

	blocks []*block
	size   int             // bytes of the blocks
	calls  int             // told of
	ids    map[string]bool // of the calls
}

// read reads a reply into events.
func (u *Upstream) read(req *llm.Request, contentType string, body io.Reader, yield func(llm.Event, error) bool) {
	r := &reader{u: u, req: req, Teller: wire.Teller{Yield: yield}, head: llm.Head{ContentType: contentType, Model: u.model(req)}}
	document, stream, err := open(body)
	switch {
	case err != nil:
		r.Fail(err)
	case stream != nil:
		r.readStream(stream)
	default:
		r.readPlain(document)
	}
}

// open tells a reply's two forms apart by what body begins with: a frame begins with its length, of which the first byte is 0
// or 1.
func open(body io.Reader) (document []byte, stream io.Reader, err error) {
	var start [1]byte
	if _, err := io.ReadFull(body, start[:]); err == nil && start[0] < 2 {
		return nil, io.MultiReader(bytes.NewReader(start[:]), body), nil
	} else if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	} else if err == nil {
		body = io.MultiReader(bytes.NewReader(start[:]), body)
	}
	document, _, err = wire.OpenReply(opRead, "application/json", body)
	if err == nil && document == nil {
		err = broken("the provider answered with something that is neither JSON nor an event stream")
	}
	return document, nil, err
}

// readStream reads a stream to its end. The metadata that come last say the usage.
func (r *reader) readStream(body io.Reader) {
	frames := eventstream.NewReader(body, maxFrame)
	for !r.Over {
		f, err := frames.Next()
		switch {
		case errors.Is(err, io.EOF) && r.stopped:
			r.end()
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			r.Fail(broken("the provider's reply ended before messageStop"))
		case errors.Is(err, eventstream.ErrTooLarge):
			r.Fail(broken("the provider sent a frame of more than %d bytes", maxFrame))
		case errors.Is(err, eventstream.ErrCorrupt):
			r.Fail(broken("the provider sent a frame that is corrupt"))
		case err != nil:
			r.Fail(err)
		default:
			r.frame(f)
			r.Settle(frames.Ready())
		}
	}
}

// frame takes in one frame of a stream.
func (r *reader) frame(f *eventstream.Frame) {
	switch string(f.Text(":message-type")) {
	case "exception":
		r.Fail(exception(string(f.Text(":exception-type")), f.Payload))
	case "error":
		r.Fail(exception(string(f.Text(":error-code")), jsonedit.AppendQuote(nil, string(f.Text(":error-message")))))
	default:
		if data := bytes.TrimSpace(f.Payload); jsonedit.Kind(data) != '{' || len(jsonedit.Get(data)) != len(data) {
			r.Fail(broken("the provider sent a piece of its reply that is not a JSON object"))
		} else {
			r.take(f.Text(":event-type"), data)
		}
	}
}

// take takes in one event. Events of types that the API may add say nothing here.
func (r *reader) take(kind, data []byte) {
	switch string(kind) {
	case "messageStart":
		r.begin()
	case "contentBlockStart":
		r.start(place(data), jsonedit.Get(data, "start"))
	case "contentBlockDelta":
		r.grow(place(data), jsonedit.Get(data, "delta"))
	case "contentBlockStop":
		if b := r.opened(place(data)); b != nil {
			r.close(b)
		}
	case "messageStop":
		r.stopped, r.stop = true, word(jsonedit.Get(data, "stopReason"))
	case "metadata":
		r.usage = append(r.usage[:0], jsonedit.Get(data, "usage")...)
		if r.stopped {
			r.end()
		}
	}
}

// place is the index of the block that an event is about.
func place(data []byte) int64 {
	i, _ := jsonedit.Int(jsonedit.Get(data, "contentBlockIndex"))
	return i
}

// readPlain reads a whole reply.
func (r *reader) readPlain(data []byte) {
	content := jsonedit.Get(data, "output", "message", "content")
	switch {
	case jsonedit.Kind(data) != '{' || !jsonedit.Valid(data):
		r.Fail(broken("the provider's reply is not a JSON object"))
		return
	case jsonedit.Kind(content) != '[':
		if jsonedit.Get(data, "message") == nil {
			r.Fail(broken("the provider's reply has no content"))
			return
		}
		r.Fail(exception(word(jsonedit.Get(data, "__type")), data))
		return
	}
	r.begin()
	for v := range jsonedit.Elements(content) {
		r.whole(v)
	}
	r.stop, r.usage = word(jsonedit.Get(data, "stopReason")), jsonedit.Get(data, "usage")
	r.end()
}

// begin tells the start of the reply.
func (r *reader) begin() {
	if r.begun {
		r.Fail(broken("the provider began its reply twice"))
		return
	}
	r.begun = true
	r.head.ID, r.head.Created = "msg_"+r.u.newID(), r.u.now().Unix()
	r.Emit(llm.Event{Kind: llm.Start, Head: &r.head})
}

// end tells the end of the reply. Blocks that were not closed are.
func (r *reader) end() {
	if !r.begun {
		r.Fail(broken("the provider's reply ended before it began"))
		return
	}
	if r.stop == "malformed_model_output" || r.stop == "malformed_tool_use" {
		r.Fail(broken("the model wrote something that is no answer (%s); ask again", r.stop))
		return
	}
	for _, b := range r.blocks {
		if b.open {
			r.close(b)
		}
	}
	if content := r.content(); content != nil {
		r.Emit(llm.Event{Kind: llm.Other, Extra: llm.Extra{Wire: Name, Delta: content}})
	}
	stop := stopOf(r.stop)
	switch {
	case r.calls > 0 && (stop == "" || stop == llm.StopDone):
		stop = llm.StopTools
	case r.calls == 0 && (stop == "" || stop == llm.StopTools):
		stop = llm.StopDone
	}
	r.Emit(llm.Event{Kind: llm.End, Stop: stop, Usage: readUsage(r.usage)})
	r.Release(false)
	r.Over = true
}

// stopOf is our word for a reason to stop. Those that no other wire has a word for stay as they are.
func stopOf(reason string) string {
	switch reason {
	case "end_turn", "stop_sequence":
		return llm.StopDone
	case "max_tokens", "model_context_window_exceeded":
		return llm.StopLength
	case "tool_use":
		return llm.StopTools
	case "guardrail_intervened", "content_filtered":
		return llm.StopFilter
	}
	return reason
}

// content is the member with all blocks of the turn. It is nil where texts and calls are all there is, which are told
// otherwise, and where the blocks are no JSON and so cannot come back.
func (r *reader) content() []byte {
	const name = `"content":`
	out := []byte(name + "[")
	more := false
	for _, b := range r.blocks {
		if len(b.raw) > 0 {
			out = append(comma(out, len(out)-len(name)-1), b.raw...)
			more = more || b.kind != "text" && b.kind != "toolUse"
		}
	}
	if out = append(out, ']'); !more || !jsonedit.Valid(out[len(name):]) {
		return nil
	}
	return out
}

// readUsage reads a usage object, or returns nil. Its counts do not overlap.
func readUsage(raw []byte) *llm.Usage {
	if jsonedit.Kind(raw) != '{' {
		return nil
	}
	u := &llm.Usage{Known: true, Raw: llm.Frame{Wire: Name, Bytes: raw}}
	for key, v := range jsonedit.Members(raw) {
		n, _ := jsonedit.Int(v)
		n = max(n, 0)
		switch string(key) {
		case "inputTokens":
			u.Input = n
		case "cacheReadInputTokens":
			u.CacheRead = n
		case "cacheWriteInputTokens":
			u.CacheWrite = n
		case "outputTokens":
			u.Output = n
		}
	}
	return u
}

// watcher looks on while a reply is relayed.
type watcher struct{}

// Pass lets everything go on.
func (watcher) Pass(b []byte) []byte { return b }

// Done knows no end before the provider closes.
func (watcher) Done([]byte) bool { return false }

// End tells how the reply ended.
func (watcher) End(lead, tail []byte, err error) (llm.Event, error) {
	switch {
	case !errors.Is(err, io.EOF):
		return llm.Event{}, err
	case len(tail) == 0:
		return llm.Event{}, broken("the provider's reply is empty")
	}
	usage := cmp.Or(readUsage(wire.LastObject(tail, `"usage"`)), readUsage(wire.LastObject(lead, `"usage"`)))
	stop := ""
	for v := range wire.LastMembers(tail, `"stopReason"`) {
		stop = stopOf(word(jsonedit.Get(v)))
		break
	}
	return llm.Event{Kind: llm.End, Stop: stop, Usage: usage}, nil
}
