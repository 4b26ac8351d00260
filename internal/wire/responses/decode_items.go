package responses

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// speaker makes messages of items. Reasoning, text and calls that follow each other are one assistant message, and the results
// of its calls stand behind it, in call order, wherever the client wrote them.
type speaker struct {
	own      []ownTool
	out      []llm.Message
	turn     *llm.Message           // the assistant's, while it goes on
	outputs  map[string]*llm.Result // of calls, by call id
	called   map[string]bool
	unnamed  int  // calls without an id, so far
	answered bool // an output has come since the turn's last call: the next call is another turn's
}

// readMessages reads a conversation. Instructions come first, as a system message.
func readMessages(t *talk) ([]llm.Message, error) {
	s := &speaker{own: t.tools, out: []llm.Message{}, outputs: map[string]*llm.Result{}, called: map[string]bool{}}
	text, err := optional(t.value("instructions"), "instructions")
	if err != nil {
		return nil, err
	}
	if text != "" {
		s.out = append(s.out, llm.Message{Role: llm.System, Text: text})
	}
	if err := s.collect(t.said); err != nil {
		return nil, err
	}
	for i := range t.said {
		if err := s.item(&t.said[i]); err != nil {
			return nil, err
		}
	}
	s.close()
	return s.out, nil
}

// paramOf names an item in errors. What was said in earlier requests stands for the id that brought it here.
func paramOf(it *said) string {
	if it.param == "" {
		return "previous_response_id"
	}
	return it.param
}

// collect finds what came of the calls.
func (s *speaker) collect(items []said) error {
	for i := range items {
		it := &items[i]
		switch it.kind {
		case kindCall, kindCustom:
			id := it.text("call_id")
			if id == "" {
				return fault.Invalidf(paramOf(it)+".call_id", "%s.call_id is missing", paramOf(it))
			}
			s.called[id] = true
		case "function_call_output", "custom_tool_call_output":
			id := it.text("call_id")
			if s.outputs[id] != nil {
				return fault.Invalidf(paramOf(it)+".call_id", "%s is a second output of the call %s", paramOf(it), id)
			}
			if !s.called[id] {
				return fault.Invalidf("input", "No tool call found for function call output with call_id %s.", id)
			}
			res := &llm.Result{CallID: id}
			parts, err := readContent(jsonedit.Get(it.raw, "output"), paramOf(it)+".output")
			if err != nil {
				return err
			}
			res.Text = resultText(parts)
			if len(parts) > 1 || len(parts) == 1 && parts[0].Kind != "text" {
				res.Parts = parts
			}
			s.outputs[id] = res
		}
	}
	return nil
}

// resultText is what a model reads of a call's output where its wire takes text only: media are named.
func resultText(parts []llm.Part) string {
	var texts []string
	for i := range parts {
		p := &parts[i]
		if p.Kind == "text" {
			texts = append(texts, p.Text)
		} else {
			texts = append(texts, strings.TrimSpace("["+p.Kind+": "+cmp.Or(p.Name, p.MediaType, p.URI))+"]")
		}
	}
	return strings.Join(texts, "\n")
}

func (s *speaker) item(it *said) error {
	switch it.kind {
	case kindMessage:
		return s.message(it)
	case kindReasoning:
		s.reasoning(it)
	case kindCall, kindCustom:
		return s.call(it)
	case kindMCPCall:
		s.mcpCall(it)
	case "function_call_output", "custom_tool_call_output":
		s.answered = true
	case kindMCPList:
	case kindReference:
		return fault.Invalidf(paramOf(it)+".id", "Item with id '%s' not found.", it.id)
	default:
		return fault.Invalidf(paramOf(it)+".type", "%s is an item of type %q, which only its own provider understands: the model that this request names is another one's", paramOf(it), it.kind)
	}
	return nil
}

func (s *speaker) message(it *said) error {
	param := paramOf(it)
	parts, err := readContent(jsonedit.Get(it.raw, "content"), param+".content")
	if err != nil {
		return err
	}
	role := it.text("role")
	if role == "assistant" {
		s.open(func(m *llm.Message) bool { return len(m.Calls) == 0 })
		text := textOf(parts)
		if s.turn.Text != "" && text != "" {
			s.turn.Text += "\n\n"
		}
		s.turn.Text += text
		return nil
	}
	s.close()
	m := llm.Message{}
	switch role {
	case "user":
		m.Role = llm.User
	case "system", "developer":
		m.Role = llm.System
	default:
		return fault.Invalidf(param+".role", "%s.role must be user, assistant, system or developer", param)
	}
	if slices.ContainsFunc(parts, func(p llm.Part) bool { return p.Kind != "text" }) || len(parts) > 1 && m.Role == llm.User {
		m.Parts = parts
	} else {
		m.Text = textOf(parts)
	}
	s.out = append(s.out, m)
	return nil
}

// open sees to it that an assistant's turn is open, the one at hand if it goes on there.
func (s *speaker) open(same func(m *llm.Message) bool) {
	if s.turn != nil && !s.answered && same(s.turn) {
		return
	}
	s.close()
	s.turn = &llm.Message{Role: llm.Assistant}
}

// close ends the assistant's turn: its message, and what came of its calls.
func (s *speaker) close() {
	s.answered = false
	if s.turn == nil {
		return
	}
	m := *s.turn
	s.turn = nil
	if m.Text == "" && len(m.Calls) == 0 {
		return // reasoning that led to nothing
	}
	s.out = append(s.out, m)
	for i := range m.Calls {
		if res := s.outputs[m.Calls[i].ID]; res != nil {
			res.Name = m.Calls[i].Name
			s.out = append(s.out, llm.Message{Role: llm.ToolRole, Result: res})
		}
	}
}

func (s *speaker) reasoning(it *said) {
	s.open(func(m *llm.Message) bool { return m.Text == "" && len(m.Calls) == 0 })
	for _, list := range []string{"summary", "content"} {
		for el := range jsonedit.Elements(jsonedit.Get(it.raw, list)) {
			text, _ := jsonedit.Unquote(jsonedit.Get(el, "text"))
			if s.turn.Think != "" && text != "" {
				s.turn.Think += "\n\n"
			}
			s.turn.Think += text
		}
	}
}

func (s *speaker) call(it *said) error {
	if it.text("name") == "" {
		return fault.Invalidf(paramOf(it)+".name", "%s.name is missing", paramOf(it))
	}
	c := readCall(it, s.own, true)
	s.open(func(*llm.Message) bool { return true })
	s.turn.Calls = append(s.turn.Calls, c)
	return nil
}

// mcpCall reads a call that the gateway ran, and its result.
func (s *speaker) mcpCall(it *said) {
	c := llm.Call{ID: it.id, Label: it.text("server_label"), Tool: it.text("name"), Arguments: it.text("arguments")}
	if c.ID == "" {
		s.unnamed++
		c.ID = "mcp_call_" + strconv.Itoa(s.unnamed)
	}
	res := &llm.Result{CallID: c.ID, Tool: c.Tool, Text: it.text("output")}
	if problem := jsonedit.Get(it.raw, "error"); !jsonedit.IsNull(problem) {
		res.Text, res.IsError = errorText(problem), true
	} else if jsonedit.Kind(jsonedit.Get(it.raw, "output")) != '"' {
		res.Text, res.IsError = "Error: the call broke off", true
	}
	s.open(func(*llm.Message) bool { return true })
	s.turn.Calls = append(s.turn.Calls, c)
	s.outputs[c.ID] = res
}

// errorText is what the model reads of a failed call. The error of an mcp_call is an object since 2026 and was a text before.
func errorText(problem []byte) string {
	if text, ok := jsonedit.Unquote(problem); ok {
		return text
	}
	var texts []string
	for el := range jsonedit.Elements(jsonedit.Get(problem, "content")) {
		if text, ok := jsonedit.Unquote(jsonedit.Get(el, "text")); ok {
			texts = append(texts, text)
		}
	}
	if len(texts) > 0 {
		return strings.Join(texts, "\n")
	}
	if text, ok := jsonedit.Unquote(jsonedit.Get(problem, "message")); ok {
		return "Error: " + text
	}
	return "Error: " + string(problem)
}
