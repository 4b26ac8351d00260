package chat

import (
	"cmp"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/sse"
	"github.com/fairlead/fairlead/internal/wire"
)

// stream writes a reply as chunks: one id, one role, text as it comes, one finish reason, usage last, [DONE]. What official
// SDKs accept is the measure; the rules and the modes are those of the public surface.
type stream struct {
	w        *sse.Writer
	rw       http.ResponseWriter
	req      *llm.Request
	prefix   []byte // `{"id":…,"model":…` of the whole reply
	buf      []byte
	begun    bool
	stop     func()
	text     joined
	rec      record
	total    total
	forms    forms
	calls    map[callKey]clientCall // the calls of this turn, as the client knows them
	usage    bool                   // the client asked for it
	failed   bool                   // the client cannot be written to
	more     bool                   // the next frame follows at once
	held     llm.Extra              // what belongs to text that is held back
	turnOpen bool                   // legacy: a turn has ended and waits for its results

	keepAlive time.Duration
}

type callKey struct {
	ours  bool
	index int
}

type clientCall struct {
	id         string
	index      int
	kind, args string // the names of the member that holds the call, and of its arguments there
	input      *input // collects the call, which is told when it is complete
}

func (d Door) writeStream(w http.ResponseWriter, req *llm.Request, reply iter.Seq2[llm.Event, error]) error {
	s := &stream{w: sse.NewWriter(w), rw: w, req: req, text: joined{lastOnly: req.Params.JSON, passing: !req.Params.JSON}, usage: asksUsage(req), stop: func() {}}
	s.forms = formsOf(req)
	s.keepAlive = cmp.Or(d.KeepAlive, defaultKeepAlive)
	scratch := wire.Borrow()
	s.buf = *scratch
	defer func() {
		s.stop()
		s.w.Release()
		*scratch = s.buf
		wire.Return(scratch)
	}()
	for ev, err := range reply {
		if err != nil {
			if !s.begun {
				return err
			}
			s.abort(err)
			return nil
		}
		s.take(&ev)
		if s.failed || ev.Kind == llm.End {
			return nil
		}
	}
	if !s.begun {
		return errUnfinished()
	}
	s.abort(errUnfinished())
	return nil
}

func errUnfinished() error {
	return &fault.Error{Kind: fault.Upstream, Op: "chat.WriteReply", Code: "upstream_error", Message: "the model's reply ended before it was complete"}
}

// asksUsage reports whether the client asked for the usage chunk.
func asksUsage(req *llm.Request) bool {
	if req.Raw.Wire != Name {
		return true
	}
	v, _ := jsonedit.Bool(jsonedit.Get(indexOf(req).value(req.Raw.Bytes, "stream_options"), "include_usage"))
	return v
}

func (s *stream) take(ev *llm.Event) {
	s.more = ev.More || ev.Kind == llm.Start
	switch ev.Kind {
	case llm.Start:
		s.start(ev)
	case llm.Text:
		s.content(ev)
	case llm.Thinking:
		s.thinking(ev)
	case llm.Other:
		if ev.Extra.Wire == Name {
			s.delta(ev, nil)
		}
	case llm.ToolCall:
		s.rec.sieve(ev)
		if !ev.Ours || s.req.Show == llm.ShowLegacy {
			s.call(ev)
		}
	case llm.Note:
		s.rec.note(ev.Note)
		s.annotateStart(ev.Note)
	case llm.ToolResult:
		s.rec.results = append(s.rec.results, *ev.Result)
		s.annotateResult(ev.Result)
	case llm.TurnEnd:
		s.total.add(ev.Usage)
		s.text.turn()
		s.held = llm.Extra{}
		s.turnOpen = s.req.Show == llm.ShowLegacy
	case llm.End:
		s.total.add(ev.Usage)
		s.finish(ev)
	default:
	}
}

// content writes a piece of the answer, or holds it back where only the last round's text counts.
func (s *stream) content(ev *llm.Event) {
	if ev.Text == "" && ev.Extra.Wire != Name {
		return
	}
	if piece := s.text.add(ev.Text); !s.text.lastOnly {
		s.delta(ev, func(b []byte) []byte { return jsonedit.AppendQuote(append(b, `"content":`...), piece) })
	} else if ev.Extra.Wire == Name {
		s.held.Choice = mergeMembers(s.held.Choice, ev.Extra.Choice)
	}
}

// thinking writes a piece of the reasoning: in the provider's own words where it came over this wire.
func (s *stream) thinking(ev *llm.Event) {
	if ev.Extra.Wire == Name && len(ev.Extra.Delta) > 0 {
		s.delta(ev, nil)
		return
	}
	if ev.Text != "" {
		s.delta(ev, func(b []byte) []byte { return jsonedit.AppendQuote(append(b, `"reasoning_content":`...), ev.Text) })
	}
}

// start opens the reply, or in legacy mode the next turn.
func (s *stream) start(ev *llm.Event) {
	if s.begun && !s.turnOpen {
		return
	}
	if s.turnOpen {
		s.closeTurn()
	}
	first := !s.begun
	if first {
		s.begun = true
		wire.StreamHeaders(s.rw, "")
	}
	clear(s.calls)
	if s.prefix == nil {
		s.prefix = make([]byte, 0, len(ev.Head.ID)+len(ev.Head.Model)+96)
	}
	s.prefix = append(s.prefix[:0], `{"id":`...)
	s.prefix = jsonedit.AppendQuote(s.prefix, ev.Head.ID)
	s.prefix = append(s.prefix, `,"object":"chat.completion.chunk","created":`...)
	s.prefix = appendInt(s.prefix, ev.Head.Created)
	s.prefix = append(s.prefix, `,"model":`...)
	s.prefix = jsonedit.AppendQuote(s.prefix, ev.Head.Model)
	s.delta(ev, func(b []byte) []byte {
		b = append(b, `"role":"assistant","content":""`...)
		if s.req.Show == llm.ShowHidden {
			return b
		}
		return appendFields(b, s.rec.appendListed)
	})
	if first {
		s.stop = s.w.KeepAlive(s.keepAlive)
	}
	s.rec.tools, s.rec.errors = nil, nil
}

// appendFields appends the vendor fields with the members that fill appends, or nothing if it appends none.
func appendFields(b []byte, fill func([]byte) []byte) []byte {
	at := len(b)
	if b[at-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, `"provider_specific_fields":{`...)
	start := len(b)
	if b = fill(b); len(b) == start {
		return b[:at]
	}
	return append(b, '}')
}

// delta writes a chunk whose delta has what member appends, and the members that only this wire knows.
func (s *stream) delta(ev *llm.Event, member func([]byte) []byte) {
	s.chunk(ev.Extra, "", member)
}

func (s *stream) chunk(x llm.Extra, stop string, member func([]byte) []byte) {
	b := append(s.buf[:0], s.prefix...)
	if x.Wire != Name {
		x = llm.Extra{}
	}
	b = appendMembers(b, x.Top)
	b = append(b, `,"choices":[{"index":0,"delta":{`...)
	at := len(b)
	if member != nil {
		b = member(b)
	}
	if len(x.Delta) > 0 {
		b = append(comma(b, len(b)-at), x.Delta...)
	}
	b = append(b, '}')
	b = appendMembers(b, x.Choice)
	b = append(b, `,"finish_reason":`...)
	b = appendStringOrNull(b, stop)
	s.send(append(b, `}]}`...))
}

// send writes one frame. It is flushed unless the next one follows at once.
func (s *stream) send(b []byte) {
	s.buf = b
	write := s.w.Data
	if s.more {
		write = s.w.Hold
	}
	if write(b) != nil {
		s.failed = true
	}
}

// call passes on a piece of a call: id, type and name with the first, arguments alone with the others.
func (s *stream) call(ev *llm.Event) {
	key := callKey{ev.Ours, ev.Index}
	c, known := s.calls[key]
	if !known {
		if s.shows(ev.Call.ID) {
			return
		}
		c = s.open(&ev.Call)
		if s.calls == nil {
			s.calls = map[callKey]clientCall{}
		}
		s.calls[key] = c
	}
	switch {
	case c.input != nil:
		c.input.args.WriteString(ev.Call.Arguments)
	case s.forms.legacy && !ev.Ours:
		s.legacyCall(ev, c.index, !known)
	default:
		s.callPiece(ev, c, !known)
	}
}

// shows reports whether a call that is now the client's was shown as one of ours.
func (s *stream) shows(id string) bool {
	for _, c := range s.calls {
		if id != "" && c.id == id && s.req.Show == llm.ShowLegacy {
			return true
		}
	}
	return false
}

// open gives a call its place, and the form in which the client knows it.
func (s *stream) open(call *llm.Call) clientCall {
	c := clientCall{id: strings.Clone(call.ID), index: len(s.calls), kind: "function", args: "arguments"}
	switch {
	case isCustom(call):
		c.kind, c.args, call.Extra = "custom", "input", nil
	case s.forms.isInput(call):
		c.kind, c.args = "custom", "input"
		c.input = &input{call: llm.Call{ID: strings.Clone(call.ID), Name: strings.Clone(call.Name)}}
	}
	return c
}

func (s *stream) callPiece(ev *llm.Event, c clientCall, first bool) {
	s.delta(ev, func(b []byte) []byte {
		b = appendInt(append(b, `"tool_calls":[{"index":`...), int64(c.index))
		if first {
			b = jsonedit.AppendQuote(append(b, `,"id":`...), ev.Call.ID)
			b = jsonedit.AppendQuote(append(b, `,"type":`...), c.kind)
		}
		b = append(append(append(b, `,"`...), c.kind...), `":{`...)
		if first {
			b = append(jsonedit.AppendQuote(append(b, `"name":`...), ev.Call.Name), ',')
		}
		b = append(append(append(b, '"'), c.args...), `":`...)
		b = append(jsonedit.AppendQuote(b, ev.Call.Arguments), '}')
		b = appendMembers(b, ev.Call.Extra)
		return append(b, `}]`...)
	})
}

// legacyCall passes on a piece of the one call that the form before tools has room for.
func (s *stream) legacyCall(ev *llm.Event, index int, first bool) {
	if index > 0 {
		return
	}
	s.delta(ev, func(b []byte) []byte {
		b = append(b, `"function_call":{`...)
		if first {
			b = append(jsonedit.AppendQuote(append(b, `"name":`...), ev.Call.Name), ',')
		}
		return append(jsonedit.AppendQuote(append(b, `"arguments":`...), ev.Call.Arguments), '}')
	})
}

// inputs tells the calls that had to be complete first.
func (s *stream) inputs() {
	for i := range len(s.calls) {
		if c := s.calls[callKey{index: i}]; c.input != nil {
			call := c.input.call
			call.Arguments = asInput(c.input.args.String())
			s.callPiece(&llm.Event{Call: call}, c, true)
		}
	}
}

// finish writes the chunk with the finish reason, the usage chunk and [DONE].
func (s *stream) finish(ev *llm.Event) {
	s.more = true
	s.inputs()
	if s.text.lastOnly && s.text.String() != "" {
		s.held.Wire = Name
		s.chunk(s.held, "", func(b []byte) []byte { return jsonedit.AppendQuote(append(b, `"content":`...), s.text.String()) })
	}
	s.chunk(ev.Extra, s.forms.stop(ev.Stop, len(s.calls)), s.doneFields)
	if s.usage && s.total.sum != nil {
		b := append(append(s.buf[:0], s.prefix...), `,"choices":[],"usage":`...)
		s.send(append(s.total.append(b), '}'))
	}
	s.send(append(s.buf[:0], "[DONE]"...)) // leaves with the end of the body
}

// doneFields appends what became of the calls, once.
func (s *stream) doneFields(b []byte) []byte {
	if s.req.Show == llm.ShowHidden {
		return b
	}
	b = appendFields(b, s.rec.appendDone)
	s.rec.calls, s.rec.results, s.rec.held = nil, nil, nil
	return b
}

// closeTurn writes the finishing chunk of a turn that is not the last, as legacy clients expect it.
func (s *stream) closeTurn() {
	s.turnOpen = false
	s.chunk(llm.Extra{}, llm.StopTools, s.doneFields)
	s.text = joined{lastOnly: s.text.lastOnly, passing: s.text.passing}
}

// abort ends a stream that has begun with an error. What the tools did is told before it, so that it is not lost.
func (s *stream) abort(err error) {
	if fault.KindOf(err) == fault.Canceled {
		return
	}
	s.more = false
	if len(s.rec.results) > 0 && s.req.Show != llm.ShowHidden {
		s.chunk(llm.Extra{}, "", s.doneFields)
	}
	s.send(wire.AppendOpenAIError(s.buf[:0], fault.From(err)))
	s.send(append(s.buf[:0], "[DONE]"...))
}
