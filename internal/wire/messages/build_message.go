package messages

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// encoder writes decoded messages into a thread. The results of a turn's calls come in one message of the user directly
// behind it, before all else that the user says.
type encoder struct {
	thread
	whole bool              // the thread is all there is: a call without a result gets one that says so
	ids   map[string]string // of calls, to what they are called here
	taken map[string]bool
	owed  []string // calls of the last turn whose results have not come
	names []string // of the tools that were called
	err   error
}

// opening stands where a conversation begins with the assistant: the API wants the user to speak first.
const opening = "(The conversation begins.)"

// lost stands for the result of a call that has none.
const lost = "Error: the result of this call is not known."

func (e *encoder) messages(ms []llm.Message) {
	for i := range ms {
		switch m := &ms[i]; {
		case m.Role == llm.ToolRole && m.Result != nil:
			e.result(m.Result)
		case m.Role == llm.Assistant:
			e.assistant(m)
		default:
			e.user(m, i)
		}
	}
}

// settle gives the calls that were not answered a result.
func (e *encoder) settle() {
	if e.whole {
		for _, id := range e.owed {
			e.add(roleUser, appendLost(nil, id), 1)
		}
	}
	e.owed = e.owed[:0]
}

// appendLost appends the result of a call that has none.
func appendLost(dst []byte, id string) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"type":"tool_result","tool_use_id":`...), id)
	return append(dst, `,"content":"`+lost+`","is_error":true}`...)
}

// user adds what the user says. A system message in the middle of a conversation is said by the user, too.
func (e *encoder) user(m *llm.Message, at int) {
	e.settle()
	blocks, n := appendText(nil, 0, m.Text)
	for i := range m.Parts {
		var err error
		if blocks, n, err = appendPart(blocks, n, &m.Parts[i]); err != nil && e.err == nil {
			e.err = fault.Invalidf("messages["+strconv.Itoa(at)+"].content["+strconv.Itoa(i)+"]", "%v", err)
		}
	}
	e.add(roleUser, blocks, n)
}

// assistant adds a turn of the model: its own blocks as they came where it was of this wire, else its text and its calls.
// What it thought is left out then: the API takes no reasoning that it has not signed.
func (e *encoder) assistant(m *llm.Message) {
	e.settle()
	ids := make([]string, len(m.Calls))
	for i := range m.Calls {
		ids[i] = e.newCall(&m.Calls[i])
	}
	if e.whole && e.role == "" && e.n == 0 {
		e.add(roleUser, []byte(`{"type":"text","text":"`+opening+`"}`), 1)
	}
	if blocks, n := verbatim(m, ids); n > 0 {
		e.add(roleAssistant, blocks, n)
		return
	}
	blocks, n := appendText(nil, 0, m.Text)
	for i := range m.Parts {
		blocks, n = appendText(blocks, n, m.Parts[i].Text)
	}
	for i := range m.Calls {
		blocks = appendCall(comma(blocks, n), &m.Calls[i], ids[i])
		n++
	}
	e.add(roleAssistant, blocks, n)
}

// newCall gives a call the id that it has here. An id that an earlier turn had is changed: some providers count from 0 in
// each reply, and the API wants them all to differ.
func (e *encoder) newCall(c *llm.Call) string {
	if e.ids == nil {
		e.ids, e.taken = map[string]string{}, map[string]bool{}
	}
	fit := fitID(c.ID)
	id := fit
	for n := 2; e.taken[id]; n++ {
		id = fit + "_" + strconv.Itoa(n)
	}
	e.ids[c.ID], e.taken[id] = id, true
	e.owed = append(e.owed, id)
	if c.Name != "" && !slices.Contains(e.names, c.Name) {
		e.names = append(e.names, c.Name)
	}
	return id
}

// verbatim returns the blocks of a turn of this wire as they came, with the ids that its calls have now. It returns none
// where they do not fit its calls.
func verbatim(m *llm.Message, ids []string) (blocks []byte, n int) {
	if m.Wire != Name || len(m.Extra) == 0 {
		return nil, 0
	}
	call := 0
	for b := range jsonedit.Elements(jsonedit.Get(slices.Concat([]byte{'{'}, m.Extra, []byte{'}'}), "content")) {
		switch word(jsonedit.Get(b, "type")) {
		case "text":
			if strings.TrimSpace(word(jsonedit.Get(b, "text"))) == "" {
				continue // the API sends such, and takes none back
			}
		case "tool_use":
			if call >= len(ids) || word(jsonedit.Get(b, "name")) != m.Calls[call].Name {
				return nil, 0
			}
			if word(jsonedit.Get(b, "id")) != ids[call] {
				b = withMember(b, "id", jsonedit.AppendQuote(nil, ids[call]))
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
		out = appendMember(out, key, v)
	}
	return append(out, '}')
}

// appendCall appends a tool_use block. Arguments that are not a JSON object become an empty one.
func appendCall(dst []byte, c *llm.Call, id string) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"type":"tool_use","id":`...), id)
	dst = jsonedit.AppendQuote(append(dst, `,"name":`...), c.Name)
	dst = append(dst, `,"input":`...)
	if args := []byte(c.Arguments); jsonedit.Kind(args) == '{' && jsonedit.Valid(args) {
		return append(append(dst, args...), '}')
	}
	return append(dst, `{}}`...)
}

// result adds what came of a call.
func (e *encoder) result(r *llm.Result) {
	id, ok := e.ids[r.CallID]
	if !ok {
		id = fitID(r.CallID)
	}
	if i := slices.Index(e.owed, id); i >= 0 {
		e.owed = slices.Delete(e.owed, i, i+1)
	}
	dst := jsonedit.AppendQuote([]byte(`{"type":"tool_result","tool_use_id":`), id)
	if content := resultContent(r); content != nil {
		dst = append(append(dst, `,"content":`...), content...)
	}
	if r.IsError {
		dst = append(dst, `,"is_error":true`...)
	}
	e.add(roleUser, append(dst, '}'), 1)
}

// resultContent is the content of a result: its text, or blocks where it has pictures or documents. Other media are told in
// words.
func resultContent(r *llm.Result) []byte {
	media := slices.ContainsFunc(r.Parts, func(p llm.Part) bool { return p.Kind == "image" || p.Kind == "file" })
	if media {
		var blocks []byte
		n := 0
		for i := range r.Parts {
			p := &r.Parts[i]
			more, k, err := appendPart(blocks, n, p)
			if err != nil {
				more, k = appendText(blocks, n, describe(p))
			}
			blocks, n = more, k
		}
		if n > 0 {
			return append(append([]byte{'['}, blocks...), ']')
		}
	}
	if strings.TrimSpace(r.Text) == "" {
		return nil
	}
	return jsonedit.AppendQuote(nil, r.Text)
}

// appendText appends a text block, unless it would be empty: the API refuses those.
func appendText(dst []byte, n int, text string) ([]byte, int) {
	if strings.TrimSpace(text) == "" {
		return dst, n
	}
	dst = jsonedit.AppendQuote(append(comma(dst, n), `{"type":"text","text":`...), text)
	return append(dst, '}'), n + 1
}

// describe says in words what a part is.
func describe(p *llm.Part) string {
	if p.Text != "" {
		return p.Text
	}
	return "[" + strings.TrimSpace(p.Kind+" "+p.MediaType+" "+p.URI) + ", " + strconv.Itoa(base64.RawStdEncoding.DecodedLen(len(strings.TrimRight(p.Data, "=")))) + " bytes]"
}
