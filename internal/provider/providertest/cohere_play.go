package providertest

import (
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// The shapes of replies of Cohere's Chat API (https://docs.cohere.com/reference/chat).
type (
	cohereReply struct {
		ID      string         `json:"id"`
		Message cohereSays     `json:"message"`
		Finish  string         `json:"finish_reason,omitzero"`
		Usage   jsontext.Value `json:"usage"`
	}
	cohereSays struct {
		Role    string          `json:"role"`
		Plan    string          `json:"tool_plan,omitzero"`
		Content []cohereContent `json:"content,omitzero"`
		Calls   []replyCall     `json:"tool_calls,omitzero"`
	}
	cohereContent struct {
		Type     string  `json:"type"`
		Text     *string `json:"text,omitzero"`
		Thinking *string `json:"thinking,omitzero"`
	}
	cohereUnits struct {
		Input  int `json:"input_tokens"`
		Output int `json:"output_tokens"`
	}
	cohereUsage struct {
		Billed cohereUnits `json:"billed_units"`
		Tokens cohereUnits `json:"tokens"`
		Cached int         `json:"cached_tokens"`
	}
)

// preamble is what the API itself puts before a conversation, in tokens: read, and not billed.
const preamble = 500

func (p *player) cohereUsage() jsontext.Value {
	u := p.s.usage
	if u == (Usage{}) {
		u = Usage{Input: 10, Output: 5}
	}
	return marshal(cohereUsage{cohereUnits{u.Input, u.Output}, cohereUnits{u.Input + preamble, u.Output}, u.Cached})
}

// cohereReason is the reason to stop in the API's words.
func (p *player) cohereReason() string {
	switch reason := *p.reason(); reason {
	case "stop":
		return "COMPLETE"
	case "length":
		return "MAX_TOKENS"
	case "tool_calls":
		return "TOOL_CALL"
	case "content_filter":
		return "ERROR_TOXIC"
	default:
		return reason
	}
}

// plans reports whether what the model says at piece i is its plan: a call follows.
func (p *player) plans(i int) bool {
	for _, x := range p.s.pieces[i:] {
		if x.kind == callPiece {
			return true
		}
	}
	return false
}

// coherePlayer plays one step as a stream of Cohere's Chat API.
type coherePlayer struct {
	*player
	kind   pieceKind // of what is open
	open   bool
	blocks int
	calls  int
}

func (c *coherePlayer) event(kind string, data string) {
	c.write("event: " + kind + "\ndata: {\"type\":\"" + kind + "\"" + data + "}\n\n")
}

func (c *coherePlayer) piece(kind string, index int, member, value string) {
	c.event(kind, `,"index":`+strconv.Itoa(index)+`,"delta":{"message":{"`+member+`":`+value+`}}`)
}

func streamCohere(p *player) {
	c := &coherePlayer{player: p}
	begun := p.s.open
	for i, x := range p.s.pieces {
		if !begun && x.kind <= argsPiece {
			begun = true
			c.start()
		}
		if !c.play(i, x) {
			return
		}
	}
	if p.begin(); p.s.open {
		return
	}
	if !begun {
		c.start()
	}
	c.end()
	if p.s.noFinish {
		return
	}
	c.event("message-end", `,"delta":{"finish_reason":"`+p.cohereReason()+`","usage":`+string(p.cohereUsage())+`}`)
	if !p.s.noDone { // the mark that the vendor's SDKs wait for
		p.write("data: [DONE]\n\n")
	}
}

func (c *coherePlayer) start() {
	c.event("message-start", `,"id":"cohere-`+strconv.Itoa(c.req.N)+`","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}`)
}

// play plays one piece; it reports whether the reply goes on.
func (c *coherePlayer) play(i int, x piece) bool {
	switch x.kind {
	case textPiece:
		if c.plans(i) {
			c.end()
			c.event("tool-plan-delta", `,"delta":{"message":{"tool_plan":`+string(marshal(x.text))+`}}`)
			break
		}
		c.content(x, "text")
	case reasoningPiece:
		c.content(x, "thinking")
	case callPiece:
		c.end()
		c.open, c.kind = true, callPiece
		c.piece("tool-call-start", c.calls, "tool_calls", string(marshal(replyCall{ID: x.id, Type: "function", Function: replyFunction{Name: x.name}})))
	case argsPiece:
		c.piece("tool-call-delta", c.calls, "tool_calls", `{"function":{"arguments":`+string(marshal(x.text))+`}}`)
	case rawPiece:
		c.write(x.text)
	default:
		return c.control(x)
	}
	return true
}

// content says a piece of content, in a new block unless it goes on with the open one.
func (c *coherePlayer) content(x piece, member string) {
	if !c.open || c.kind != x.kind {
		c.end()
		c.open, c.kind = true, x.kind
		c.piece("content-start", c.blocks, "content", `{"type":"`+member+`","`+member+`":""}`)
	}
	c.piece("content-delta", c.blocks, "content", `{"`+member+`":`+string(marshal(x.text))+`}`)
}

// end ends what is open.
func (c *coherePlayer) end() {
	switch {
	case !c.open:
	case c.kind == callPiece:
		c.event("tool-call-end", `,"index":`+strconv.Itoa(c.calls))
		c.calls++
	default:
		c.event("content-end", `,"index":`+strconv.Itoa(c.blocks))
		c.blocks++
	}
	c.open = false
}

func plainCohere(p *player) {
	r := cohereReply{ID: "cohere-" + strconv.Itoa(p.req.N), Message: cohereSays{Role: "assistant"}, Usage: p.cohereUsage()}
	m := &r.Message
	last := pieceKind(-1)
	for i, x := range p.s.pieces {
		switch {
		case x.kind > argsPiece:
			continue
		case x.kind == textPiece && p.plans(i):
			m.Plan += x.text
		case x.kind == callPiece:
			m.Calls = append(m.Calls, replyCall{ID: x.id, Type: "function", Function: replyFunction{Name: x.name}})
		case x.kind == argsPiece:
			m.Calls[len(m.Calls)-1].Function.Arguments += x.text
		case x.kind == last && x.kind == textPiece:
			m.Content[len(m.Content)-1].Text = new(*m.Content[len(m.Content)-1].Text + x.text)
		case x.kind == last:
			m.Content[len(m.Content)-1].Thinking = new(*m.Content[len(m.Content)-1].Thinking + x.text)
		case x.kind == textPiece:
			m.Content = append(m.Content, cohereContent{Type: "text", Text: &x.text})
		default:
			m.Content = append(m.Content, cohereContent{Type: "thinking", Thinking: &x.text})
		}
		last = x.kind
	}
	if !p.s.noFinish {
		r.Finish = p.cohereReason()
	}
	p.document(marshal(r))
}

// writeCohereError answers with an error in Cohere's form (https://docs.cohere.com/reference/errors).
func writeCohereError(w http.ResponseWriter, status int, _ string, bad *refusal) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"id":"refused","message":` + string(marshal(bad.message)) + `}`)) // the client may have left
}
