package cohere

import (
	"cmp"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// encoder writes a conversation. The results of a turn's calls stand directly behind it.
type encoder struct {
	req    *llm.Request
	thinks bool // reasoning is asked for: what was thought before is told
	out    []byte
	n      int
	owed   []string // calls of the last turn whose results have not come
	err    error
}

// lost stands for the result of a call that has none.
const lost = "Error: the result of this call is not known."

func (e *encoder) messages(ms []llm.Message) {
	for i := range ms {
		switch m := &ms[i]; {
		case m.Role == llm.ToolRole && m.Result != nil:
			e.result(m.Result)
		case m.Role == llm.Assistant:
			e.settle()
			e.assistant(m)
		case m.Role == llm.System:
			e.settle()
			e.say("system", quote(textOf(m)))
		default:
			e.settle()
			e.user(m, i)
		}
	}
	e.settle()
}

// say adds a message of one member beside its role.
func (e *encoder) say(role string, content []byte) {
	e.add(append(append([]byte(`{"role":"`+role+`","content":`), content...), '}'))
}

func (e *encoder) add(message []byte) {
	e.out = append(comma(e.out, e.n), message...)
	e.n++
}

// settle gives the calls that were not answered a result: the API takes no call without one.
func (e *encoder) settle() {
	for _, id := range e.owed {
		e.add(toolMessage(id, lost))
	}
	e.owed = e.owed[:0]
}

// textOf is the text of a message.
func textOf(m *llm.Message) string {
	var b strings.Builder
	b.WriteString(m.Text)
	for i := range m.Parts {
		b.WriteString(m.Parts[i].Text)
	}
	return b.String()
}

// user adds what the user says.
func (e *encoder) user(m *llm.Message, at int) {
	if len(m.Parts) == 0 {
		e.say("user", quote(m.Text))
		return
	}
	content := []byte{'['}
	for i := range m.Parts {
		part, err := partOf(&m.Parts[i])
		if err != nil && e.err == nil {
			e.err = fault.Invalidf("messages["+strconv.Itoa(at)+"].content["+strconv.Itoa(i)+"]", "%v", err)
		}
		content = append(comma(content, i), part...)
	}
	e.say("user", append(content, ']'))
}

// partOf is a piece of what the user says.
func partOf(p *llm.Part) ([]byte, error) {
	switch {
	case p.Kind == "image" && (p.Data != "" || p.URI != ""):
		url := p.URI
		if p.Data != "" {
			url = "data:" + cmp.Or(p.MediaType, "image/png") + ";base64," + p.Data
		}
		part := jsonedit.AppendQuote([]byte(`{"type":"image_url","image_url":{"url":`), url)
		if p.Detail != "" {
			part = jsonedit.AppendQuote(append(part, `,"detail":`...), p.Detail)
		}
		return append(part, `}}`...), nil
	case p.Text != "" || p.Kind == "text":
		return textPart(p.Text), nil
	case p.Kind == "file" && isText(p.MediaType):
		text, err := base64.StdEncoding.DecodeString(p.Data)
		if err != nil {
			return nil, errors.New("the file's data is not base64")
		}
		return textPart(strings.TrimSpace(p.Name + "\n" + string(text))), nil
	}
	return nil, errors.New("Cohere's Chat API takes text and images: " + p.Kind + " " + strings.TrimSpace(p.MediaType+" cannot be sent to it"))
}

func textPart(text string) []byte {
	return append(append([]byte(`{"type":"text","text":`), quote(text)...), '}')
}

func isText(mediaType string) bool {
	t, _, _ := strings.Cut(mediaType, ";")
	return strings.HasPrefix(t, "text/") || t == "application/json" || t == "application/xml" || t == "application/yaml"
}

// assistant adds a turn of the model: what it said as it came where it was of this wire, and its calls. A turn of nothing is
// left out.
func (e *encoder) assistant(m *llm.Message) {
	turn := []byte(`{"role":"assistant"`)
	bare := len(turn)
	if m.Wire == Name && len(m.Extra) > 0 {
		turn = append(append(turn, ','), m.Extra...)
	} else {
		turn = e.words(turn, m)
	}
	if len(turn) == bare && len(m.Calls) == 0 {
		return
	}
	for i := range m.Calls {
		turn = append(turn, []string{`,"tool_calls":[`, `,`}[min(i, 1)]...)
		turn = e.call(turn, &m.Calls[i])
		e.owed = append(e.owed, m.Calls[i].ID)
	}
	if len(m.Calls) > 0 {
		turn = append(turn, ']')
	}
	e.add(append(turn, '}'))
}

// words appends what the model said. Before calls it is its plan.
func (e *encoder) words(turn []byte, m *llm.Message) []byte {
	text := textOf(m)
	var content []byte
	if m.Think != "" && e.thinks {
		content = append(append([]byte(`{"type":"thinking","thinking":`), quote(m.Think)...), '}')
	}
	switch {
	case text == "":
	case len(m.Calls) > 0:
		turn = appendMember(turn, "tool_plan", quote(text))
	default:
		content = append(comma(content, len(content)), textPart(text)...)
	}
	if content != nil {
		turn = appendMember(turn, "content", append(append([]byte{'['}, content...), ']'))
	}
	return turn
}

// call appends a call. Arguments that are not a JSON object become an empty one: the API parses them.
func (e *encoder) call(dst []byte, c *llm.Call) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"id":`...), c.ID)
	dst = jsonedit.AppendQuote(append(dst, `,"type":"function","function":{"name":`...), e.req.NameOf(c))
	args := c.Arguments
	if jsonedit.Kind([]byte(args)) != '{' || !jsonedit.Valid([]byte(args)) {
		args = "{}"
	}
	return append(jsonedit.AppendQuote(append(dst, `,"arguments":`...), args), `}}`...)
}

// result adds what came of a call. One whose call is not in the turn before is told by the user.
func (e *encoder) result(r *llm.Result) {
	i := slices.Index(e.owed, r.CallID)
	if i < 0 {
		e.settle()
		e.say("user", quote("The result of an earlier call of "+cmp.Or(r.Name, "a tool")+": "+r.Text))
		return
	}
	e.owed = slices.Delete(e.owed, i, i+1)
	e.add(toolMessage(r.CallID, r.Text))
}

// toolMessage is the result of a call, as the one document that it is made of.
func toolMessage(id, text string) []byte {
	dst := jsonedit.AppendQuote([]byte(`{"role":"tool","tool_call_id":`), id)
	dst = append(dst, `,"content":[{"type":"document","document":{"data":{"content":`...)
	return append(jsonedit.AppendQuote(dst, text), `}}}]}`...)
}
