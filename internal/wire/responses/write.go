package responses

import (
	"context"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	defaultKeepAlive = 15 * time.Second
	saveTime         = 10 * time.Second // a reply is kept even if its client has left
)

// writer makes one response of a reply's events. A plain reply is a short stream: the same items come to be, and only the
// events that would tell of them are left out.
type writer struct {
	door     Door
	req      *llm.Request
	talk     *talk
	s        *stream // nil: not streamed
	echo     []byte  // what the response shows of its request
	id       string
	model    string
	created  int64
	previous string // the response that this one goes on from
	status   string
	reason   string // of an incomplete response
	failure  *fault.Error
	stores   bool // the response is kept, and says so
	begun    bool // the response has been told of
	input    []byte

	out     []*output
	open    *output            // a message or a reasoning that goes on
	calls   map[int]*output    // the client's, of this turn, by index
	running map[string]*output // the gateway's, by call id
	turn    []int              // indices of calls, in order
	listed  []llm.Tool
	errors  []llm.ServerError
	names   map[string]string // of the servers' tools, as the client is shown them
	looped  bool
	held    []byte // the text of a turn that may not be the last, where only the last one's counts
	usage   usages

	completed int64 // when; the kept reply and the one that is told say the same
}

// WriteReply writes the reply: opaque bytes as they come, or one response made of all the turns' events, streamed or not.
//
// A reply that is to be kept is kept before its end is told, so that whoever has seen the end can come back to it. If it
// cannot be kept, the client gets it all the same, with "store":false in it. A detached reply is kept from the start.
func (d Door) WriteReply(w http.ResponseWriter, req *llm.Request, reply iter.Seq2[llm.Event, error]) error {
	if req.Opaque {
		return relay(w, reply)
	}
	rw := d.writer(req)
	if req.Stream {
		rw.s = newStream(w, d.KeepAlive)
		defer rw.s.close()
	}
	if req.Detached {
		if err := rw.queue(); err != nil {
			return err
		}
	}
	for ev, err := range reply {
		if err != nil {
			return rw.fail(w, err)
		}
		rw.take(&ev)
		if rw.s != nil {
			rw.s.flush(ev.More || ev.Kind == llm.Start)
		}
		switch {
		case ev.Kind == llm.End:
			rw.finish(ev.Stop)
			rw.end(w)
			return nil
		case rw.s != nil && rw.s.failed:
			rw.abandon()
			return nil
		}
	}
	return rw.fail(w, unfinished())
}

func (d Door) writer(req *llm.Request) *writer {
	env := indexOf(req)
	t := env.talk
	if t == nil { // nobody had to look inside
		t = &talk{body: req.Raw.Bytes, obj: env.obj, tools: toolTable(env.value(req.Raw.Bytes, "tools"))}
		_ = t.input(context.Background(), req, t.value("input"), false)
	}
	w := &writer{door: d, req: req, talk: t, status: statusInProgress, model: req.Model, calls: map[int]*output{}, running: map[string]*output{}}
	w.echo = appendEcho(nil, t.body)
	w.id, w.created = "resp"+ownMark+d.newID(), d.clock().Unix()
	store, err := boolean(t.value("store"), "store", true)
	w.stores = req.Replies != nil && store && err == nil && req.Raw.Wire == Name
	w.previous, _ = jsonedit.Unquote(t.value("previous_response_id"))
	if w.previous != "" && !isOwn(w.previous) {
		w.stores = false // nobody could go on from it: what it goes on from is a provider's
	}
	return w
}

func (d Door) newID() string {
	if d.id != nil {
		return d.id()
	}
	return obs.NewID()
}

func (d Door) clock() time.Time {
	if d.now != nil {
		return d.now()
	}
	return time.Now()
}

// relay copies a reply of this wire. Where a stream breaks off, its error carries on the count of its events.
func relay(w http.ResponseWriter, reply iter.Seq2[llm.Event, error]) error {
	var tail []byte
	const room = 4 << 10
	watched := func(yield func(llm.Event, error) bool) {
		for ev, err := range reply {
			if err == nil {
				tail = append(tail[:0], ev.Raw[max(0, len(ev.Raw)-room):]...)
			}
			if !yield(ev, err) {
				return
			}
		}
	}
	return wire.WriteOpaque(w, watched, func(e *fault.Error) []byte {
		n := int64(0)
		for v := range wire.LastMembers(tail, `"sequence_number"`) {
			if last, ok := jsonedit.Int(jsonedit.Get(v)); ok {
				n = last + 1
				break
			}
		}
		frame := appendErrorEvent([]byte("event: error\ndata: "), n, e)
		return append(frame, "\n\ndata: [DONE]\n\n"...)
	})
}

// take takes in one event.
func (w *writer) take(ev *llm.Event) {
	switch ev.Kind {
	case llm.Start:
		w.begin(ev.Head)
	case llm.Text:
		w.text(ev)
	case llm.Thinking:
		w.thinking(ev)
	case llm.Other:
		w.other(ev)
	case llm.ToolCall:
		if !ev.Ours {
			w.call(ev)
		}
	case llm.Note:
		w.note(ev.Note)
	case llm.ToolResult:
		w.result(ev.Result)
	case llm.Asked:
		w.ask(ev.Pending)
	case llm.TurnEnd:
		w.held = w.held[:0]
		w.closeTurn(statusCompleted)
		w.usage.add(ev.Usage)
	case llm.End:
		w.usage.add(ev.Usage)
	default:
	}
}

// begin tells of the response, once. The calls that the client let run come before the model has said a word: head is nil then.
func (w *writer) begin(head *llm.Head) {
	if w.begun {
		return
	}
	w.begun = true
	if head != nil && head.Model != "" && !w.req.Detached {
		w.model = head.Model
	}
	w.status = statusInProgress
	if w.req.Detached {
		_ = w.save()
	} else {
		w.tell("response.created")
	}
	w.tell("response.in_progress")
	w.lists()
}

// queue tells of a detached response before anything is done for it. One that cannot be kept is of no use to anybody.
func (w *writer) queue() error {
	if !w.stores {
		return fault.Invalidf("background", "background needs a store, and this gateway keeps no replies")
	}
	w.status = statusQueued
	if err := w.save(); err != nil {
		return &fault.Error{Kind: fault.Unavailable, Op: "responses.WriteReply", Code: "store_unavailable", Message: "the reply could not be kept, so it was not begun", Err: err}
	}
	w.tell("response.created")
	w.tell("response.queued")
	if w.s != nil {
		w.s.flush(false)
	}
	return nil
}

// tell writes an event with the whole response.
func (w *writer) tell(kind string) {
	if w.s != nil {
		w.s.event(kind, nil, func(b []byte) []byte { return w.response(append(b, `,"response":`...)) })
	}
}

// finish closes the response as the model ended it.
func (w *writer) finish(stop string) {
	w.begin(nil)
	if len(w.held) > 0 {
		w.say(string(w.held), nil)
	}
	w.status = statusCompleted
	switch stop {
	case llm.StopLength:
		w.status, w.reason = statusIncomplete, "max_output_tokens"
	case llm.StopFilter:
		w.status, w.reason = statusIncomplete, "content_filter"
	}
	if w.status == statusCompleted {
		w.completed = w.door.clock().Unix()
	}
	w.closeTurn(w.status)
	w.dropRunning()
}

// over reports whether nothing more comes.
func (w *writer) over() bool { return w.door.Finished(w.status) }

// end keeps the response and writes what the client gets last.
func (w *writer) end(rw http.ResponseWriter) {
	_ = w.save()
	if w.s != nil {
		kind := w.status
		if kind == statusCancelled {
			kind = statusFailed // no event has the name, and clients take an unknown one for a mistake
		}
		w.tell("response." + kind)
		w.s.done()
		return
	}
	body := w.response(nil)
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = rw.Write(body)
}

// fail ends the response with an error. It is returned while nothing has been told, so that it becomes the request's answer.
func (w *writer) fail(rw http.ResponseWriter, err error) error {
	e := fault.From(err)
	told := w.begun && w.s != nil
	if !told && !w.req.Detached {
		return err
	}
	if e.Kind == fault.Canceled && !w.req.Detached {
		w.abandon()
		return nil
	}
	w.begin(nil)
	w.failure, w.status = e, statusFailed
	if e.Kind == fault.Canceled {
		w.status = statusCancelled
	}
	w.breakOff()
	if w.s != nil && w.status == statusFailed {
		w.s.event("error", nil, func(b []byte) []byte { return appendErrorMembers(b, e) })
	}
	w.end(rw)
	return nil
}

// abandon keeps a response whose client has left.
func (w *writer) abandon() {
	w.status = statusCancelled
	w.breakOff()
	_ = w.save()
}

// save keeps the response as it is now. One that cannot be kept goes on, and says so.
func (w *writer) save() error {
	if !w.stores {
		return nil
	}
	if w.input == nil {
		w.input = w.ownInput()
	}
	r := llm.Reply{ID: w.id, Previous: w.previous, Model: w.model, Status: w.status, Input: w.input, Items: w.items(nil), Body: w.response(nil)}
	ctx, cancel := context.WithTimeout(context.Background(), saveTime)
	defer cancel()
	err := w.req.Replies.Save(ctx, r)
	if err != nil {
		w.stores = false
		if w.door.Log != nil {
			w.door.Log.Error("a reply could not be kept; its client is told", "reply", w.id, "error", err)
		}
	}
	return err
}

// ownInput is what the client said in this request as an array of items, each with an id.
func (w *writer) ownInput() []byte {
	own := w.talk.own
	b := []byte{'['}
	for i := range own {
		it := &own[i]
		b = comma(b, i)
		if it.id != "" && jsonedit.Get(it.raw, "type") != nil {
			b = append(b, it.raw...)
			continue
		}
		b = append(b, '{')
		at := len(b)
		if it.id == "" {
			b = jsonedit.AppendQuote(append(b, `"id":`...), prefixOf(it.kind)+ownMark+w.door.newID())
		}
		if jsonedit.Get(it.raw, "type") == nil {
			b = jsonedit.AppendQuote(append(comma(b, len(b)-at), `"type":`...), it.kind)
		}
		for key, v := range jsonedit.Members(it.raw) {
			if jsonedit.KeyIs(key, "id") && it.id == "" { // null
				continue
			}
			b = append(append(append(append(b, ',', '"'), key...), '"', ':'), v...)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

// prefixOf is what ids of a kind of item begin with.
func prefixOf(kind string) string {
	switch kind {
	case kindMessage:
		return "msg"
	case kindReasoning:
		return "rs"
	case kindCall:
		return "fc"
	case kindCustom:
		return "ctc"
	case kindMCPList:
		return "mcpl"
	case kindMCPCall:
		return "mcp"
	case "function_call_output":
		return "fco"
	case "custom_tool_call_output":
		return "ctco"
	case kindMCPAnswer:
		return "mcpa"
	}
	return "item"
}
