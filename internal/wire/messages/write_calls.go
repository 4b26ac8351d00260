package messages

import (
	"bytes"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// clientCalls are the client's calls of a turn. Blocks come one after the other, so a call that begins before the one ahead
// of it is complete waits for it.
type clientCalls struct {
	list []*clientCall
	at   int // list[:at] are written
}

type clientCall struct {
	id, name string
	extra    []byte
	args     strings.Builder
	open     bool
}

func (c *clientCall) complete() bool {
	s := []byte(c.args.String())
	return jsonedit.Kind(s) == '{' && jsonedit.Valid(s)
}

// waits reports whether a call is not complete yet.
func (cs *clientCalls) waits() bool {
	return cs.at < len(cs.list) && !cs.list[len(cs.list)-1].complete()
}

// call takes in a piece of a call of the client's.
func (m *message) call(ev *llm.Event) {
	m.release()
	cs := &m.calls
	for ev.Index >= len(cs.list) {
		cs.list = append(cs.list, &clientCall{})
	}
	c := cs.list[ev.Index]
	if c.id == "" {
		c.id, c.name = strings.Clone(ev.Call.ID), strings.Clone(ev.Call.Name)
		if ev.Extra.Wire == Name {
			c.extra = bytes.Clone(ev.Call.Extra)
		}
	}
	c.args.WriteString(ev.Call.Arguments)
	if c.open && ev.Index == cs.at && ev.Call.Arguments != "" {
		m.to.piece(ev.Call.Arguments)
	}
	for cs.at < len(cs.list) {
		m.openCall(cs.list[cs.at])
		if cs.at+1 == len(cs.list) || !cs.list[cs.at].complete() {
			return
		}
		m.shut()
		cs.at++
	}
}

func (m *message) openCall(c *clientCall) {
	if c.open {
		return
	}
	c.open = true
	m.ready()
	m.shut()
	b := jsonedit.AppendQuote(append(m.buf[:0], `"id":`...), c.id)
	b = jsonedit.AppendQuote(append(b, `,"name":`...), c.name)
	if len(c.extra) > 0 {
		b = append(append(b, ','), c.extra...)
	}
	m.buf = b
	m.open = "tool_use"
	m.to.open("tool_use", b)
	if c.args.Len() > 0 {
		m.to.piece(c.args.String())
	}
}

// flushCalls ends the calls of the turn, and writes what came while they waited.
func (m *message) flushCalls() {
	cs := &m.calls
	for ; cs.at < len(cs.list); cs.at++ {
		c := cs.list[cs.at]
		if m.openCall(c); c.args.Len() == 0 {
			m.to.piece("{}") // clients parse what the deltas come to
		}
		m.shut()
	}
	later := m.later
	m.later = nil
	for _, p := range later {
		m.text(p.kind, p.text)
	}
}

// note takes in what the gateway tells.
func (m *message) note(n *llm.Notice) {
	if n.Started != nil {
		m.started(n)
		return
	}
	m.looped = true
	if n.Held != nil {
		m.waiting = append(m.waiting, *n.Held)
	}
	if n.Tools != nil {
		m.tools = n.Tools
	}
	m.errors = append(m.errors, n.Errors...)
}

// started writes a call of the gateway's.
func (m *message) started(n *llm.Notice) {
	if !m.blocks {
		return
	}
	m.clear()
	name := n.Started.Name
	if n.Tool != "" && !m.shared(n.Label, n.Tool) {
		name = n.Tool
	}
	b := jsonedit.AppendQuote(append(m.buf[:0], `{"type":"mcp_tool_use","id":`...), shownID(m.id, n.Started.ID))
	b = jsonedit.AppendQuote(append(b, `,"name":`...), name)
	b = jsonedit.AppendQuote(append(b, `,"server_name":`...), n.Label)
	b = append(appendShown(append(b, `,"input":`...), n.Started.Arguments), '}')
	m.buf = b
	m.to.whole(b)
}

// shared reports whether two tools of what the caller calls one server have the same name.
func (m *message) shared(label, tool string) bool {
	n := 0
	for i := range m.tools {
		if m.tools[i].Label == label && m.tools[i].Tool == tool {
			n++
		}
	}
	return n > 1
}

// appendShown appends a call's arguments as a block's input, which is an object. Arguments that are none are shown as the API
// documents it for fine-grained tool streaming.
func appendShown(dst []byte, args string) []byte {
	in := []byte(args)
	switch {
	case len(bytes.TrimSpace(in)) == 0:
		return append(dst, "{}"...)
	case jsonedit.Kind(in) != '{' || !jsonedit.Valid(in):
		return append(jsonedit.AppendQuote(append(dst, `{"INVALID_JSON":`...), args), '}')
	case bytes.IndexByte(in, '\n') >= 0:
		return jsonedit.Compact(dst, in)
	}
	return append(dst, bytes.TrimSpace(in)...)
}

// result writes what came of a call of the gateway's. Clients take texts only.
func (m *message) result(r *llm.Result) {
	if !m.blocks {
		return
	}
	m.clear()
	b := jsonedit.AppendQuote(append(m.buf[:0], `{"type":"mcp_tool_result","tool_use_id":`...), shownID(m.id, r.CallID))
	b = append(b, `,"is_error":`...)
	if r.IsError {
		b = append(b, "true"...)
	} else {
		b = append(b, "false"...)
	}
	b = append(b, `,"content":[`...)
	if r.Text != "" {
		b = append(jsonedit.AppendQuote(append(b, `{"type":"text","text":`...), r.Text), '}')
	}
	b = append(b, `]}`...)
	m.buf = b
	m.to.whole(b)
}

// list writes what the servers offer, for clients that know the block: once a server, and not where the request has its
// list already.
func (m *message) list() {
	if !m.blocks || !m.env.listing {
		return
	}
	told := listed(m.env.value(m.req.Raw.Bytes, "messages"))
	for label := range m.env.pinned {
		told[label] = true
	}
	for i := range m.tools {
		label := m.tools[i].Label
		if told[label] {
			continue
		}
		told[label] = true
		b := jsonedit.AppendQuote(append(m.buf[:0], `{"type":"mcp_tool_listing","mcp_server_name":`...), label)
		b = append(b, `,"tools":[`...)
		n := 0
		for j := range m.tools[i:] {
			if t := &m.tools[i+j]; t.Label == label {
				b = m.appendListed(comma(b, n), t)
				n++
			}
		}
		b = append(b, `]}`...)
		m.buf = b
		m.to.whole(b)
	}
}

func (m *message) appendListed(b []byte, t *llm.Tool) []byte {
	name := t.Tool
	if name == "" || t.Ask || m.shared(t.Label, t.Tool) {
		name = t.Name
	}
	b = jsonedit.AppendQuote(append(b, `{"name":`...), name)
	b = jsonedit.AppendQuote(append(b, `,"description":`...), t.Description)
	b = append(b, `,"input_schema":`...)
	if jsonedit.Kind(t.Schema) != '{' {
		return append(b, `{"type":"object"}}`...)
	}
	return append(jsonedit.Compact(b, t.Schema), '}')
}

// listed returns the servers whose lists stand in the conversation.
func listed(messages []byte) map[string]bool {
	told := map[string]bool{}
	if !bytes.Contains(messages, []byte("mcp_tool_listing")) {
		return told
	}
	for msg := range jsonedit.Elements(messages) {
		for b := range jsonedit.Elements(jsonedit.Get(msg, "content")) {
			if kindOf(b) == "mcp_tool_listing" {
				told[word(jsonedit.Get(b, "mcp_server_name"))] = true
			}
		}
	}
	return told
}
