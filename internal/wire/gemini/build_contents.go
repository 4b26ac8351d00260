package gemini

import (
	"slices"
	"strconv"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

const (
	roleUser  = "user"
	roleModel = "model"
)

// opening stands where a conversation begins with the model: the API wants the user to speak first.
const opening = "(The conversation begins.)"

// lost stands for the result of a call that has none.
const lost = "The result of this call is not known."

// unsigned is what the API takes in place of a signature that is gone
// (https://ai.google.dev/gemini-api/docs/thought-signatures, "FAQs").
const unsigned = "skip_thought_signature_validator"

// encoder writes decoded messages as contents.
type encoder struct {
	req    *llm.Request
	family *family
	out    []byte // the contents that are complete
	n      int
	role   string // of the open content; "" for none
	parts  []byte
	size   int
	owed   []owed // the calls of the last turn
	err    error
}

// owed is a call that must have a result.
type owed struct {
	id     string // the caller's word for it
	own    string // the model's id; empty: it gave none
	name   string
	result []byte // nil until it came
	beside []byte // media that could not stand in the result
}

func (e *encoder) messages(ms []llm.Message) {
	for i := range ms {
		switch m := &ms[i]; {
		case m.Role == llm.ToolRole && m.Result != nil:
			e.result(m.Result)
		case m.Role == llm.Assistant:
			e.model(m)
		default:
			e.user(m, i)
		}
	}
	e.settle()
	e.flush()
}

// add puts parts to the open content if it is of that role, else into a new one.
func (e *encoder) add(role string, parts []byte, n int) {
	if n == 0 {
		return
	}
	if e.role != role {
		e.flush()
		if e.n == 0 && role == roleModel {
			e.role, e.parts, e.size = roleUser, []byte(`{"text":"`+opening+`"}`), 1
			e.flush()
		}
		e.role = role
	}
	e.parts = append(comma(e.parts, e.size), parts...)
	e.size += n
}

// flush ends the open content.
func (e *encoder) flush() {
	if e.size > 0 {
		e.out = append(append(append(comma(e.out, e.n), `{"role":"`...), e.role...), `","parts":[`...)
		e.out = append(append(e.out, e.parts...), `]}`...)
		e.n++
	}
	e.role, e.parts, e.size = "", e.parts[:0], 0
}

// user adds what the user says. A system message in the middle of a conversation is said by the user, too.
func (e *encoder) user(m *llm.Message, at int) {
	e.settle()
	parts, n := appendText(nil, 0, m.Text)
	for i := range m.Parts {
		var err error
		if parts, n, err = appendPart(parts, n, &m.Parts[i]); err != nil && e.err == nil {
			e.err = fault.Invalidf("messages["+strconv.Itoa(at)+"].content["+strconv.Itoa(i)+"]", "%v", err)
		}
	}
	e.add(roleUser, parts, n)
}

// model adds a turn of the model: its own parts as they came where it was of this wire, else its text and its calls.
func (e *encoder) model(m *llm.Message) {
	e.settle()
	if parts, n, own := e.verbatim(m); n > 0 {
		e.owes(m, own)
		e.add(roleModel, parts, n)
		return
	}
	e.owes(m, nil)
	parts, n := appendText(nil, 0, m.Text)
	for i := range m.Parts {
		parts, n = appendText(parts, n, m.Parts[i].Text)
	}
	for i := range m.Calls {
		parts = e.call(comma(parts, n), m, i)
		n++
	}
	e.add(roleModel, parts, n)
}

func (e *encoder) owes(m *llm.Message, own []string) {
	for i := range m.Calls {
		o := owed{id: m.Calls[i].ID, name: e.nameOf(&m.Calls[i]), own: ownID(m, i)}
		if own != nil {
			o.own = own[i]
		}
		e.owed = append(e.owed, o)
	}
}

func (e *encoder) nameOf(c *llm.Call) string { return fitName(e.req.NameOf(c)) }

// verbatim returns the parts of a turn of this wire as they came, and the ids that the model gave its calls. It returns none
// where they do not fit the calls of the turn.
func (e *encoder) verbatim(m *llm.Message) (parts []byte, n int, own []string) {
	if m.Wire != Name || len(m.Extra) == 0 {
		return nil, 0, nil
	}
	own = []string{}
	for p := range jsonedit.Elements(jsonedit.Get(slices.Concat([]byte{'{'}, m.Extra, []byte{'}'}), "parts")) {
		if fc := jsonedit.Get(p, "functionCall"); fc != nil {
			k := len(own)
			if k >= len(m.Calls) || word(jsonedit.Get(fc, "name")) != e.nameOf(&m.Calls[k]) {
				return nil, 0, nil
			}
			own = append(own, word(jsonedit.Get(fc, "id")))
			if k == 0 && e.family.signs && jsonedit.Get(p, "thoughtSignature") == nil {
				p = append(p[:len(p)-1:len(p)-1], `,"thoughtSignature":"`+unsigned+`"}`...)
			}
		}
		parts = append(comma(parts, n), p...)
		n++
	}
	if len(own) != len(m.Calls) {
		return nil, 0, nil
	}
	return parts, n, own
}

// call appends the turn's call i. Arguments that are not a JSON object become an empty one.
func (e *encoder) call(dst []byte, m *llm.Message, i int) []byte {
	c := &m.Calls[i]
	dst = append(dst, `{"functionCall":{`...)
	if own := ownID(m, i); own != "" {
		dst = append(jsonedit.AppendQuote(append(dst, `"id":`...), own), ',')
	}
	dst = jsonedit.AppendQuote(append(dst, `"name":`...), e.nameOf(c))
	dst = append(dst, `,"args":`...)
	if args := []byte(c.Arguments); jsonedit.Kind(args) == '{' && jsonedit.Valid(args) {
		dst = append(dst, args...)
	} else {
		dst = append(dst, `{}`...)
	}
	dst = append(dst, '}')
	if s := signatureOf(c); s != nil {
		dst = append(append(dst, `,"thoughtSignature":`...), s...)
	} else if i == 0 && e.family.signs {
		dst = append(dst, `,"thoughtSignature":"`+unsigned+`"`...)
	}
	return append(dst, '}')
}

// ownID is the id that the model gave the turn's call i, where the call brings it along; "" if it gave none.
func ownID(m *llm.Message, i int) string {
	if x := m.Calls[i].Extra; m.Wire == Name && len(x) > 0 {
		return word(jsonedit.Get(slices.Concat([]byte{'{'}, x, []byte{'}'}), "id"))
	}
	return ""
}

// signatureOf is the signature that a call brings along, or nil: the one that this wire has put there, or the one that
// Google's endpoint for OpenAI's clients gives its calls (https://ai.google.dev/gemini-api/docs/openai).
func signatureOf(c *llm.Call) []byte {
	if len(c.Extra) == 0 {
		return nil
	}
	obj := slices.Concat([]byte{'{'}, c.Extra, []byte{'}'})
	for _, path := range [][]string{{"thoughtSignature"}, {"extra_content", "google", "thought_signature"}} {
		if s := jsonedit.Get(obj, path...); word(s) != "" && jsonedit.Valid(s) {
			return s
		}
	}
	return nil
}

// result notes what came of a call. It is written when all have come, in the order of the calls.
func (e *encoder) result(r *llm.Result) {
	at := slices.IndexFunc(e.owed, func(o owed) bool { return o.id == r.CallID && o.result == nil })
	if at < 0 {
		e.orphan(r)
		return
	}
	o := &e.owed[at]
	key := `"output":`
	if r.IsError {
		key = `"error":`
	}
	o.result = append(jsonedit.AppendQuote([]byte(`{`+key), r.Text), '}')
	inside, beside := e.resultMedia(r)
	if len(inside) > 0 {
		o.result = append(append(append(o.result, `,"parts":[`...), inside...), ']')
	}
	o.beside = beside
}

// orphan adds a result whose call is not there, as text: the API refuses it in any other form.
func (e *encoder) orphan(r *llm.Result) {
	e.settle()
	text, n := appendText(nil, 0, "Result of an earlier call"+spaced(r.Name)+": "+r.Text)
	e.add(roleUser, text, n)
}

func spaced(name string) string {
	if name == "" {
		return ""
	}
	return " of " + name
}

// settle writes the results of the last turn's calls: one content of the user, and behind it the media that could not stand in
// them.
func (e *encoder) settle() {
	if len(e.owed) == 0 {
		return
	}
	var beside []byte
	shown := 0
	for i := range e.owed {
		o := &e.owed[i]
		if o.result == nil {
			o.result = []byte(`{"error":"` + lost + `"}`)
		}
		dst := []byte(`{"functionResponse":{`)
		if o.own != "" {
			dst = append(jsonedit.AppendQuote(append(dst, `"id":`...), o.own), ',')
		}
		dst = jsonedit.AppendQuote(append(dst, `"name":`...), o.name)
		dst = append(append(append(dst, `,"response":`...), o.result...), `}}`...)
		e.add(roleUser, dst, 1)
		if len(o.beside) > 0 {
			beside, shown = appendText(beside, shown, "What the call of "+o.name+" has returned:")
			beside = append(append(beside, ','), o.beside...)
		}
	}
	e.owed = e.owed[:0]
	e.flush()
	e.add(roleUser, beside, shown)
}
