package chat

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// maxCalls bounds the calls of one reply.
const maxCalls = 512

// calls puts the pieces of a reply's tool calls together. Providers number them, name them and repeat themselves in many
// ways; here each call gets an index from 0 without gaps, an id of its own and one name.
type calls struct {
	n     *normaliser
	list  []*call
	told  int // calls that events have told of
	chunk int // the number of the chunk at hand
}

// call is one call as far as it has come.
type call struct {
	index int64  // the provider's number, -1 if it gives none
	id    string // the provider's, "" while it has given none
	as    string // the id under which events tell of it
	name  string
	args  []byte
	extra []byte
	text  wire.Joiner
	open  bool // told of
	at    int  // the index that events tell
	chunk int  // the chunk that its last piece was in
}

// piece is one element of a delta's tool_calls.
type piece struct {
	index    int64
	id, name string
	args     []byte // raw value, nil for none
	extra    []byte
}

func (cs *calls) next() { cs.chunk++ }

// take takes in one element of tool_calls.
func (cs *calls) take(v []byte) {
	if jsonedit.Kind(v) != '{' {
		return
	}
	p := readPiece(v)
	c, fresh := cs.find(&p)
	if fresh {
		if len(cs.list) == maxCalls {
			cs.n.Fail(broken("the provider's reply has more than %d tool calls", maxCalls))
			return
		}
		for _, old := range cs.list {
			if old.name != "" && old.id != "" {
				cs.tell(old, "") // its name is complete now
			}
		}
		c = &call{index: p.index}
		cs.list = append(cs.list, c)
	}
	cs.add(c, &p)
}

func readPiece(v []byte) piece {
	p := piece{index: -1}
	for key, m := range jsonedit.Members(v) {
		if jsonedit.IsNull(m) {
			continue
		}
		switch string(key) {
		case "index":
			if i, ok := jsonedit.Int(m); ok && i >= 0 {
				p.index = i
			}
		case "id":
			p.id, _ = jsonedit.Unquote(m)
		case "type":
			if string(m) == `"custom"` {
				p.extra = append([]byte(customMark), p.extra...)
			}
		case "function", "custom":
			p.function(m)
		case "name", "arguments": // Ollama's own form, and that of some older servers
			p.function(v)
		default:
			p.extra = appendMember(p.extra, key, m)
		}
	}
	return p
}

func (p *piece) function(v []byte) {
	for key, m := range jsonedit.Members(v) {
		if jsonedit.IsNull(m) {
			continue
		}
		switch string(key) {
		case "name":
			p.name, _ = jsonedit.Unquote(m)
		case "arguments", "input":
			p.args = m
		}
	}
}

// find returns the call that a piece belongs to, or true for a call that begins with it.
func (cs *calls) find(p *piece) (c *call, fresh bool) {
	var last *call
	if len(cs.list) > 0 {
		last = cs.list[len(cs.list)-1]
	}
	switch same := cs.byID(p.id); {
	case p.index >= 0 && cs.byIndex(p.index) != nil:
		c = cs.byIndex(p.index)
	case p.index >= 0 && p.name != "":
	case p.index >= 0 && p.id != "":
		c = same
	case p.index < 0 && same != nil:
		c = same
	case p.id == "" || p.name == "" && last != nil && last.id == "":
		c = last
	}
	return c, c == nil || cs.begins(c, p)
}

// begins reports whether a piece that seems to belong to c begins another call.
func (cs *calls) begins(c *call, p *piece) bool {
	switch {
	case p.name == "": // a name comes with the first piece; an id alone may change from piece to piece
		return false
	case p.id != "" && c.id != "" && p.id != c.id:
		return true
	case c.name == "":
		return false
	case c.chunk == cs.chunk:
		return true
	case p.name == c.name:
		return len(c.args) > 0 && p.opensObject() && jsonedit.Valid(c.args) && !p.repeats(c)
	}
	return len(c.args) > 0
}

// opensObject reports whether the arguments of a piece begin like those of a whole call.
func (p *piece) opensObject() bool {
	if jsonedit.Kind(p.args) == '{' {
		return true
	}
	s, _ := jsonedit.Unquote(p.args)
	return strings.HasPrefix(strings.TrimLeft(s, " \t\r\n"), "{")
}

// repeats reports whether a piece is the whole of c once more.
func (p *piece) repeats(c *call) bool {
	if p.id == "" || p.id != c.id || p.name != c.name {
		return false
	}
	s, ok := jsonedit.Unquote(p.args)
	if !ok {
		s = string(p.args)
	}
	return s == string(c.args) && jsonedit.Kind(c.args) == '{' && jsonedit.Valid(c.args)
}

func (cs *calls) byIndex(i int64) *call {
	for _, c := range slices.Backward(cs.list) {
		if c.index == i {
			return c
		}
	}
	return nil
}

func (cs *calls) byID(id string) *call {
	for _, c := range slices.Backward(cs.list) {
		if id != "" && c.id == id {
			return c
		}
	}
	return nil
}

// add puts a piece to its call, and tells of it once the call's id and name are known.
func (cs *calls) add(c *call, p *piece) {
	if p.repeats(c) {
		return
	}
	c.chunk = cs.chunk
	if c.id == "" && !c.open {
		c.id = p.id
	}
	switch {
	case c.open || p.name == "" || p.name == c.name:
	case strings.HasPrefix(p.name, c.name):
		c.name = p.name // cumulative
	default:
		c.name += p.name // in pieces
	}
	if !c.open {
		c.extra = appendExtra(c.extra, p.extra)
	}
	args := cs.text(c, p.args)
	if c.args == nil && args != "" {
		c.args = make([]byte, 0, max(len(args), 128))
	}
	c.args = append(c.args, args...)
	if args != "" && c.id != "" && c.name != "" {
		cs.tell(c, args)
	}
}

func appendExtra(dst, members []byte) []byte {
	if len(dst) > 0 && len(members) > 0 {
		return mergeMembers(dst, members)
	}
	return append(dst, members...)
}

// text returns the text of a piece's arguments, which some send as an object.
func (cs *calls) text(c *call, args []byte) string {
	if jsonedit.Kind(args) == '"' {
		return cs.n.decode(&c.text, args)
	}
	return string(args)
}

// tell yields an event with args, which are the last of c.args. The first event of a call has all that came before; calls
// that began earlier are told of first.
func (cs *calls) tell(c *call, args string) {
	if c.open {
		if args != "" {
			cs.n.Emit(llm.Event{Kind: llm.ToolCall, Index: c.at, Call: llm.Call{Arguments: args}})
		}
		return
	}
	for _, old := range cs.list {
		if old == c {
			break
		}
		if !old.open && old.name != "" {
			cs.tell(old, "")
		}
	}
	c.open, c.at = true, cs.told
	cs.told++
	if c.id == "" {
		c.id = "call_" + cs.n.u.newID()
	}
	c.as = cs.unique(c)
	ev := llm.Call{ID: c.as, Name: c.name, Arguments: string(c.args), Extra: c.extra}
	told := llm.Event{Kind: llm.ToolCall, Index: c.at, Call: ev}
	if len(ev.Extra) > 0 {
		told.Extra.Wire = Name
	}
	cs.n.Emit(told)
}

// unique returns the id under which c is told: its own, unless an earlier call has that.
func (cs *calls) unique(c *call) string {
	id := c.id
	for n := 2; cs.taken(c, id); n++ {
		id = c.id + "_" + strconv.Itoa(n)
	}
	return id
}

func (cs *calls) taken(c *call, id string) bool {
	for _, old := range cs.list {
		if old != c && old.open && old.as == id {
			return true
		}
	}
	return false
}

// close tells of the calls that are still held back. A call that got no name cannot be made: empty ones are dropped.
func (cs *calls) close() {
	for _, c := range cs.list {
		if s := c.text.Rest(); s != "" {
			c.args = append(c.args, s...)
			if c.open {
				cs.tell(c, s)
			}
		}
		switch {
		case c.open:
		case c.name != "":
			cs.tell(c, "")
		case len(c.args) > 0:
			cs.n.Fail(broken("the provider's reply has a tool call without a name"))
		}
	}
}
