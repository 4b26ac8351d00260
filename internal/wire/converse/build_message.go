package converse

import (
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

const (
	roleUser      = "user"
	roleAssistant = "assistant"
)

// encoder writes decoded messages as the elements of messages.
type encoder struct {
	told   bool // calls and results are told in words: no tool is on offer
	status bool // the model takes the status of a result
	nameOf func(*llm.Call) string

	out    []byte
	role   string // of the message at hand; "" for none
	blocks []byte // of it
	n      int    // how many there are
	files  map[string]bool

	ids   map[string]string // of calls, to what they are called here
	taken map[string]bool
	owed  []string            // calls of the last turn whose results have not come, by what they are called here
	calls map[string]llm.Call // where they are told: by their own id
	err   error
}

// opening stands where a conversation begins with the assistant: the API wants the user to speak first.
const opening = "(The conversation begins.)"

// lost stands for the result of a call that has none, and empty for a result without a text: the API takes neither.
const (
	lost  = "Error: the result of this call is not known."
	empty = "(empty)"
)

// messages encodes the conversation; the first of ms was number from of the request.
func (e *encoder) messages(ms []llm.Message, from int) {
	e.ids, e.taken, e.calls, e.files = map[string]string{}, map[string]bool{}, map[string]llm.Call{}, map[string]bool{}
	for i := range ms {
		switch m := &ms[i]; {
		case m.Role == llm.ToolRole && m.Result != nil:
			e.result(m.Result, from+i)
		case m.Role == llm.Assistant:
			e.assistant(m)
		default:
			e.user(m, from+i)
		}
	}
	e.settle()
	e.flush()
}

// add adds n blocks with commas between them to the message at hand, if it is of that role, else to a new one.
func (e *encoder) add(role string, blocks []byte, n int) {
	if n == 0 {
		return
	}
	if e.role != role {
		e.flush()
		e.role = role
	}
	e.blocks = append(comma(e.blocks, e.n), blocks...)
	e.n += n
}

// flush writes the message at hand.
func (e *encoder) flush() {
	if e.n > 0 {
		e.out = append(append(append(comma(e.out, len(e.out)), `{"role":"`...), e.role...), `","content":[`...)
		e.out = append(append(e.out, e.blocks...), ']', '}')
	}
	e.role, e.blocks, e.n = "", e.blocks[:0], 0
}

// settle gives the calls that were not answered a result.
func (e *encoder) settle() {
	for _, id := range e.owed {
		e.add(roleUser, e.appendResult(nil, id, []byte(`{"text":"`+lost+`"}`), true), 1)
	}
	e.owed = e.owed[:0]
}

// user adds what the user says. A system message in the middle of a conversation is said by the user, too.
func (e *encoder) user(m *llm.Message, at int) {
	e.settle()
	blocks, n := appendText(nil, 0, m.Text)
	texts, documents := n > 0, false
	for i := range m.Parts {
		before := n
		var err error
		if blocks, n, err = e.appendPart(blocks, n, &m.Parts[i]); err != nil && e.err == nil {
			e.err = fault.Invalidf("messages["+strconv.Itoa(at)+"].content["+strconv.Itoa(i)+"]", "%v", err)
		}
		documents = documents || m.Parts[i].Kind == "file"
		texts = texts || n > before && m.Parts[i].Kind != "file" && m.Parts[i].Kind != "image"
	}
	if documents && !texts { // the API wants a text beside a document
		blocks, n = appendText(blocks, n, "(a document)")
	}
	e.add(roleUser, blocks, n)
}

// assistant adds a turn of the model: its own blocks as they came where it was of this wire, else its text and its calls.
// What it thought is left out then: Claude takes no reasoning that it has not signed.
func (e *encoder) assistant(m *llm.Message) {
	e.settle()
	ids := make([]string, len(m.Calls))
	for i := range m.Calls {
		ids[i] = e.newCall(&m.Calls[i])
	}
	if e.role == "" && len(e.out) == 0 {
		e.add(roleUser, []byte(`{"text":"`+opening+`"}`), 1)
	}
	if !e.told {
		if blocks, n := e.verbatim(m, ids); n > 0 {
			e.add(roleAssistant, blocks, n)
			return
		}
	}
	blocks, n := appendText(nil, 0, m.Text)
	for i := range m.Parts {
		blocks, n = appendText(blocks, n, m.Parts[i].Text)
	}
	for i := range m.Calls {
		if !e.told {
			blocks = appendCall(comma(blocks, n), ids[i], e.nameOf(&m.Calls[i]), m.Calls[i].Arguments)
			n++
		}
	}
	e.add(roleAssistant, blocks, n)
}

// newCall gives a call the id that it has here. An id that an earlier turn had is changed: some providers count from 0 in
// each reply.
func (e *encoder) newCall(c *llm.Call) string {
	if e.told {
		e.calls[c.ID] = *c
		return c.ID
	}
	fit := fitID(c.ID)
	id := fit
	for n := 2; e.taken[id]; n++ {
		id = fit[:min(len(fit), maxName-6)] + "_" + strconv.Itoa(n)
	}
	e.ids[c.ID], e.taken[id] = id, true
	e.owed = append(e.owed, id)
	return id
}

// verbatim returns the blocks of a turn of this wire as they came, with the ids that its calls have now. It returns none
// where they do not fit its calls.
func (e *encoder) verbatim(m *llm.Message, ids []string) (blocks []byte, n int) {
	if m.Wire != Name || len(m.Extra) == 0 {
		return nil, 0
	}
	call := 0
	for b := range jsonedit.Elements(jsonedit.Get(slices.Concat([]byte{'{'}, m.Extra, []byte{'}'}), "content")) {
		use := jsonedit.Get(b, "toolUse")
		text := jsonedit.Get(b, "text")
		switch {
		case text != nil && strings.TrimSpace(word(text)) == "":
			continue // the API sends such, and takes none back
		case use != nil:
			if call >= len(ids) || word(jsonedit.Get(use, "name")) != fitName(e.nameOf(&m.Calls[call])) {
				return nil, 0
			}
			if word(jsonedit.Get(use, "toolUseId")) != ids[call] {
				b = append(append([]byte(`{"toolUse":`), withMember(use, "toolUseId", jsonedit.AppendQuote(nil, ids[call]))...), '}')
			}
			call++
		}
		blocks = append(comma(blocks, n), b...)
		n++
	}
	if call != len(ids) {
		return nil, 0
	}
	return blocks, n
}

// withMember returns the object with another value of a member; it has the member.
func withMember(obj []byte, name string, value []byte) []byte {
	out := []byte{'{'}
	for key, v := range jsonedit.Members(obj) {
		if jsonedit.KeyIs(key, name) {
			v = value
		}
		out = member(out, string(key), v)
	}
	return append(out, '}')
}

// appendCall appends a toolUse block. Arguments that are not a JSON object become an empty one.
func appendCall(dst []byte, id, name, arguments string) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"toolUse":{"toolUseId":`...), id)
	dst = jsonedit.AppendQuote(append(dst, `,"name":`...), fitName(name))
	dst = append(dst, `,"input":`...)
	if args := []byte(arguments); jsonedit.Kind(args) == '{' && jsonedit.Valid(args) {
		return append(append(dst, args...), `}}`...)
	}
	return append(dst, `{}}}`...)
}

// result adds what came of a call.
func (e *encoder) result(r *llm.Result, at int) {
	if e.told {
		e.tell(r)
		return
	}
	id, ok := e.ids[r.CallID]
	i := slices.Index(e.owed, id)
	if !ok || i < 0 {
		if e.err == nil {
			e.err = fault.Invalidf("messages["+strconv.Itoa(at)+"]", "the result is of no call of the turn before it: %.64q", r.CallID)
		}
		return
	}
	e.owed = slices.Delete(e.owed, i, i+1)
	content, n := e.content(r)
	if n == 0 {
		content = []byte(`{"text":"` + empty + `"}`)
	}
	e.add(roleUser, e.appendResult(nil, id, content, r.IsError), 1)
}

// appendResult appends a toolResult block.
func (e *encoder) appendResult(dst []byte, id string, content []byte, failed bool) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"toolResult":{"toolUseId":`...), id)
	dst = append(append(append(dst, `,"content":[`...), content...), ']')
	if failed && e.status {
		dst = append(dst, `,"status":"error"`...)
	}
	return append(dst, `}}`...)
}

// content is the content of a result: its text, or its parts where it has pictures or documents. Media that the API does not
// take are told in words.
func (e *encoder) content(r *llm.Result) (blocks []byte, n int) {
	if !slices.ContainsFunc(r.Parts, func(p llm.Part) bool { return p.Kind == "image" || p.Kind == "file" }) {
		return appendText(nil, 0, r.Text)
	}
	for i := range r.Parts {
		p := &r.Parts[i]
		more, k, err := e.appendPart(blocks, n, p)
		if err != nil {
			more, k = appendText(blocks, n, describe(p))
		}
		blocks, n = more, k
	}
	return blocks, n
}

// tell has the user say what was called and what came of it.
func (e *encoder) tell(r *llm.Result) {
	name, arguments := r.Name, ""
	if c, ok := e.calls[r.CallID]; ok {
		name, arguments = e.nameOf(&c), c.Arguments
		delete(e.calls, r.CallID)
	}
	said := "Result of " + name
	if arguments != "" {
		said += " with " + arguments
	}
	content, n := e.content(r)
	if n == 0 {
		content, n = []byte(`{"text":"`+empty+`"}`), 1
	}
	blocks, k := appendText(nil, 0, said+":")
	e.add(roleUser, append(comma(blocks, k), content...), k+n)
}

// appendText appends a text block, unless it would be blank: the API refuses those.
func appendText(dst []byte, n int, text string) ([]byte, int) {
	if strings.TrimSpace(text) == "" {
		return dst, n
	}
	dst = jsonedit.AppendQuote(append(comma(dst, n), `{"text":`...), text)
	return append(dst, '}'), n + 1
}
