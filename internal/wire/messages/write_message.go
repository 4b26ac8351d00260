package messages

import (
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// sink is where a message is written to: a stream, or one object. Of blocks one is open at a time.
type sink interface {
	// start begins the message with its own members; usage is what is known of it by then.
	start(members, usage []byte)
	// open begins a block of this kind: "text", "thinking" or "tool_use". members say what is beside its content.
	open(kind string, members []byte)
	// piece is the next piece of the open block's content.
	piece(s string)
	// delta is a delta of the open block that is no text.
	delta(raw []byte)
	// close ends the open block.
	close()
	// whole is a block from its start to its end.
	whole(block []byte)
	// end closes the message.
	end(e *ending)
}

// ending is how a message ends.
type ending struct {
	closing []byte // members of the delta: stop_reason, stop_sequence
	beside  []byte // members beside the delta; empty for none
	usage   []byte
}

// message makes one message of all the turns of a reply. Blocks run on over the turns. In blocks mode a call of the
// gateway's is an mcp_tool_use block that has the whole input from its start, without a delta, and its result an
// mcp_tool_result block of texts: other forms break clients. In hidden mode calls do not show, and the texts of turns that
// nothing stands between are one text with a blank line between them.
type message struct {
	to     sink
	req    *llm.Request
	env    *envelope
	id     string
	model  string
	blocks bool
	buf    []byte

	begun    bool
	open     string // the kind of the open block; empty for none
	between  bool   // the next text begins a later turn of the open block
	lastByte byte   // of the text
	signed   bool   // the open thinking block has its signature
	noThink  bool   // the client wants no text of the reasoning
	looped   bool   // the loop makes the reply: there may be more turns
	asked    bool   // a turn of the model is under way
	held     strings.Builder
	calls    clientCalls
	later    []piece // what came while a call was not complete
	tools    []llm.Tool
	errors   []llm.ServerError
	waiting  []llm.Held // calls that a rule leaves to the client
	usage    tally
}

// piece is a text that waits.
type piece struct {
	kind llm.Kind
	text string
}

func newMessage(req *llm.Request, to sink, id string) *message {
	m := &message{to: to, req: req, env: &envelope{}, id: id, model: req.Model, blocks: showsBlocks(req)}
	if req.Raw.Wire == Name {
		m.env = indexOf(req)
		thinking := m.env.value(req.Raw.Bytes, "thinking")
		m.noThink = kindOf(thinking) == "disabled" || word(jsonedit.Get(thinking, "display")) == "omitted"
	}
	m.usage.model = req.Model
	return m
}

func (m *message) take(ev *llm.Event) {
	switch ev.Kind {
	case llm.Start:
		m.usage.model, m.asked = ev.Head.Model, true
		if !m.begun {
			m.model = ev.Head.Model
			m.begin(ev)
		}
	case llm.Text, llm.Thinking:
		m.say(ev)
	case llm.ToolCall:
		if !ev.Ours {
			m.call(ev)
		}
	case llm.Other:
		if ev.Extra.Wire == Name && len(ev.Extra.Choice) > 0 {
			m.clear()
			m.to.whole(ev.Extra.Choice)
		}
	case llm.Note:
		m.note(ev.Note)
	case llm.ToolResult:
		m.result(ev.Result)
	case llm.TurnEnd:
		m.turn(ev)
	case llm.End:
		m.finish(ev)
	default:
	}
}

// begin opens the message. ev is nil where a call runs before the model is asked.
func (m *message) begin(ev *llm.Event) {
	m.begun = true
	b := jsonedit.AppendQuote(append(m.buf[:0], `"id":`...), "msg_fl_"+m.id)
	b = append(b, `,"type":"message","role":"assistant","model":`...)
	b = jsonedit.AppendQuote(b, m.model)
	if len(m.errors) > 0 && m.req.Show != llm.ShowHidden {
		b = appendServerErrors(b, m.errors)
	}
	var usage []byte
	if ev != nil {
		if ev.Extra.Wire == Name && len(ev.Extra.Top) > 0 {
			b = append(append(b, ','), ev.Extra.Top...)
		}
		usage = appendUsage(nil, ev.Usage)
	} else {
		usage = appendUsage(nil, nil)
	}
	m.to.start(b, usage)
	m.buf = b
	m.list()
}

// appendServerErrors tells of servers whose tools could not be listed. The API has no word for them, and clients take members
// that they do not know.
func appendServerErrors(b []byte, errs []llm.ServerError) []byte {
	b = append(b, `,"x_fairlead":{"mcp_errors":[`...)
	for i, e := range errs {
		b = jsonedit.AppendQuote(append(comma(b, i), `{"server":`...), e.Server)
		b = append(jsonedit.AppendQuote(append(b, `,"error":`...), e.Error), '}')
	}
	return append(b, `]}`...)
}

// appendHeld tells why calls are the client's to decide about. It stands beside the message and not in its blocks, so that it does
// not come back in a conversation.
func appendHeld(b []byte, held []llm.Held) []byte {
	b = append(b, '[')
	for i, h := range held {
		b = jsonedit.AppendQuote(append(comma(b, i), `{"tool_use_id":`...), h.ID)
		b = jsonedit.AppendQuote(append(b, `,"name":`...), h.Tool)
		b = jsonedit.AppendQuote(append(b, `,"server":`...), h.Server)
		b = append(jsonedit.AppendQuote(append(b, `,"reason":`...), h.Reason), '}')
	}
	return append(b, ']')
}

// say writes a piece of the answer or of the reasoning.
func (m *message) say(ev *llm.Event) {
	own := ev.Extra.Wire == Name && len(ev.Extra.Choice) > 0
	switch {
	case own:
		m.own(ev)
	case ev.Text == "" || ev.Kind == llm.Thinking && m.noThink:
	case m.calls.waits():
		m.later = append(m.later, piece{ev.Kind, strings.Clone(ev.Text)})
	default:
		m.text(ev.Kind, ev.Text)
	}
}

// own writes what only this wire has a word for: the start of a block of its own, or a delta.
func (m *message) own(ev *llm.Event) {
	kind := "text"
	if ev.Kind == llm.Thinking {
		kind = "thinking"
	}
	if what := kindOf(ev.Extra.Choice); what == kind {
		if !m.holds() || kind != "text" {
			m.clear()
			m.start(kind)
		}
		m.text(ev.Kind, ev.Text)
		return
	} else if kind == "text" && m.holds() {
		return
	} else if what == "signature_delta" {
		m.signed = true
	}
	if m.open != kind {
		m.clear()
		m.start(kind)
		m.signed = kind == "thinking"
	}
	m.to.delta(ev.Extra.Choice)
}

// holds reports whether texts wait for the end of their turn: where the answer is to be a JSON document, the last turn's text
// is the answer.
func (m *message) holds() bool { return m.looped && m.req.Params.JSON }

func (m *message) text(kind llm.Kind, s string) {
	switch {
	case s == "":
		return
	case kind == llm.Thinking:
		if m.open != "thinking" || m.signed {
			m.clear()
			m.start("thinking")
		}
	case m.holds():
		m.held.WriteString(s)
		return
	default:
		if m.open != "text" {
			m.clear()
			m.start("text")
		} else if m.between && !space(m.lastByte) {
			m.to.piece("\n\n")
		}
		m.between, m.lastByte = false, s[len(s)-1]
	}
	m.to.piece(s)
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// start opens a block.
func (m *message) start(kind string) {
	m.ready()
	m.open, m.between, m.signed = kind, false, false
	m.to.open(kind, nil)
}

// ready opens the message if it is not open yet.
func (m *message) ready() {
	if !m.begun {
		m.begin(nil)
	}
}

// shut closes the open block. The reasoning of other providers has no signature; clients expect one.
func (m *message) shut() {
	if m.open == "" {
		return
	}
	if m.open == "thinking" && !m.signed {
		m.to.delta([]byte(`{"type":"signature_delta","signature":""}`))
	}
	m.open = ""
	m.to.close()
}

// clear makes room for another block.
func (m *message) clear() {
	m.ready()
	m.flushCalls()
	m.shut()
}

func (m *message) turn(ev *llm.Event) {
	m.flushCalls()
	m.calls = clientCalls{}
	m.held.Reset()
	m.between = m.open == "text"
	m.asked = false
	m.usage.add(ev.Usage)
}

// release writes a text that was held back.
func (m *message) release() {
	if s := m.held.String(); s != "" {
		m.held.Reset()
		m.clear()
		m.start("text")
		m.to.piece(s)
	}
}

func (m *message) finish(ev *llm.Event) {
	m.release()
	m.clear()
	if m.asked { // a pause comes between two turns
		m.usage.add(ev.Usage)
	}
	e := ending{usage: m.usage.append(nil)}
	if ev.Extra.Wire == Name {
		for key, v := range jsonedit.Members(braced(ev.Extra.Top)) {
			if closingMember(key) {
				e.closing = appendMember(e.closing, key, v)
			} else {
				e.beside = appendMember(e.beside, key, v)
			}
		}
	}
	if len(m.waiting) > 0 && m.req.Show != llm.ShowHidden {
		e.beside = appendMember(e.beside, []byte("x_fairlead_approvals"), appendHeld(nil, m.waiting))
	}
	closing := braced(e.closing)
	if jsonedit.Get(closing, "stop_reason") == nil {
		e.closing = appendMember(e.closing, []byte("stop_reason"), jsonedit.AppendQuote(nil, m.reason(ev.Stop)))
	}
	if jsonedit.Get(closing, "stop_sequence") == nil {
		e.closing = appendMember(e.closing, []byte("stop_sequence"), []byte("null"))
	}
	m.to.end(&e)
}

// reason is the API's word for why the reply ends. A reply with a call of the client's ends for it, and no other does: a
// client would wait for the call.
func (m *message) reason(stop string) string {
	calls := len(m.calls.list) > 0
	switch stop {
	case llm.StopDone, llm.StopTools, "":
		if calls {
			return "tool_use"
		}
		return "end_turn"
	case llm.StopLength:
		return "max_tokens"
	case llm.StopFilter:
		return "refusal"
	}
	return stop
}

func braced(members []byte) []byte {
	return append(append(append(make([]byte, 0, len(members)+2), '{'), members...), '}')
}
