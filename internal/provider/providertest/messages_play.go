package providertest

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// The shapes of replies of the Messages API (https://docs.anthropic.com/en/docs/build-with-claude/streaming).
type (
	messageReply struct {
		ID           string         `json:"id"`
		Type         string         `json:"type"`
		Role         string         `json:"role"`
		Model        string         `json:"model"`
		Content      []replyBlock   `json:"content"`
		StopReason   *string        `json:"stop_reason"`
		StopSequence *string        `json:"stop_sequence"`
		Usage        jsontext.Value `json:"usage"`
	}
	replyBlock struct {
		Type      string         `json:"type"`
		Text      *string        `json:"text,omitzero"`
		Thinking  *string        `json:"thinking,omitzero"`
		Signature *string        `json:"signature,omitzero"`
		ID        string         `json:"id,omitzero"`
		Name      string         `json:"name,omitzero"`
		Input     jsontext.Value `json:"input,omitzero"`
	}
	messageUsage struct {
		Input      int `json:"input_tokens"`
		CacheWrite int `json:"cache_creation_input_tokens"`
		CacheRead  int `json:"cache_read_input_tokens"`
		Output     int `json:"output_tokens"`
	}
)

// signatureOf is the signature of a thought. Another thought has another one.
func signatureOf(thought string) string {
	sum := sha256.Sum256([]byte("signed " + thought))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// thought remembers what was thought before a call was made.
func (s *Server) thought(callID, signature string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.thoughts == nil {
		s.thoughts = map[string]string{}
	}
	s.thoughts[callID] = signature
}

func (s *Server) thoughtOf(callID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.thoughts[callID]
}

// messagesPlayer plays one step as a reply of the Messages API.
type messagesPlayer struct {
	*player
	kind    pieceKind // of the open block
	index   int       // the open block, -1 before the first
	open    bool
	thought strings.Builder
	signed  string // the last thought
}

func (m *messagesPlayer) event(name, data string) {
	m.write("event: " + name + "\ndata: " + data + "\n\n")
}

func (m *messagesPlayer) head(output int) messageReply {
	return messageReply{
		ID: "msg_" + strconv.Itoa(m.req.N), Type: "message", Role: "assistant", Model: m.req.Model, Content: []replyBlock{},
		Usage: m.tokens(output),
	}
}

// tokens is the usage with that many tokens of output; negative: all.
func (m *messagesPlayer) tokens(output int) jsontext.Value {
	u := m.s.usage
	if u == (Usage{}) {
		u = Usage{Input: 10, Output: 5}
	}
	if output < 0 {
		output = u.Output
	}
	return marshal(messageUsage{Input: u.Input - u.Cached, CacheRead: u.Cached, Output: output})
}

// stopReason is the reason to stop in the API's words.
func (m *messagesPlayer) stopReason() *string {
	reason := *m.reason()
	switch reason {
	case "stop":
		reason = "end_turn"
	case "length":
		reason = "max_tokens"
	case "tool_calls":
		reason = "tool_use"
	case "content_filter":
		reason = "refusal"
	}
	return &reason
}

func streamMessages(p *player) {
	m := &messagesPlayer{player: p, index: -1}
	begun := p.s.open
	for _, x := range p.s.pieces {
		if !begun && x.kind <= argsPiece {
			begun = true
			m.start()
		}
		if !m.piece(x) {
			return
		}
	}
	if p.begin(); p.s.open {
		return
	}
	if !begun {
		m.start()
	}
	m.stopBlock()
	if p.s.noFinish {
		return
	}
	m.event("message_delta", `{"type":"message_delta","delta":`+string(marshal(struct {
		StopReason   *string `json:"stop_reason"`
		StopSequence *string `json:"stop_sequence"`
	}{m.stopReason(), nil}))+`,"usage":`+string(m.tokens(-1))+`}`)
	if !p.s.noDone {
		m.event("message_stop", `{"type":"message_stop"}`)
	}
}

func (m *messagesPlayer) start() {
	m.event("message_start", `{"type":"message_start","message":`+string(marshal(m.head(1)))+`}`)
	m.event("ping", `{"type": "ping"}`)
}

// piece plays one piece; it reports whether the reply goes on.
func (m *messagesPlayer) piece(x piece) bool {
	switch x.kind {
	case textPiece:
		m.startBlock(x, replyBlock{Type: "text", Text: new("")})
		m.delta("text_delta", "text", x.text)
	case reasoningPiece:
		m.startBlock(x, replyBlock{Type: "thinking", Thinking: new(""), Signature: new("")})
		m.thought.WriteString(x.text)
		m.delta("thinking_delta", "thinking", x.text)
	case callPiece:
		m.startBlock(x, replyBlock{Type: "tool_use", ID: x.id, Name: x.name, Input: jsontext.Value("{}")})
		m.delta("input_json_delta", "partial_json", "")
	case argsPiece:
		m.delta("input_json_delta", "partial_json", x.text)
	case rawPiece:
		m.write(x.text)
	default:
		return m.control(x)
	}
	return true
}

// startBlock begins a block, unless the piece goes on with the open one.
func (m *messagesPlayer) startBlock(x piece, b replyBlock) {
	if m.open && m.kind == x.kind && x.kind != callPiece {
		return
	}
	m.stopBlock()
	if x.kind == callPiece && m.signed != "" {
		m.server.thought(x.id, m.signed)
	}
	m.index++
	m.open, m.kind = true, x.kind
	m.event("content_block_start", `{"type":"content_block_start","index":`+strconv.Itoa(m.index)+`,"content_block":`+string(marshal(b))+`}`)
}

func (m *messagesPlayer) delta(kind, member, value string) {
	m.event("content_block_delta", `{"type":"content_block_delta","index":`+strconv.Itoa(m.index)+
		`,"delta":{"type":"`+kind+`","`+member+`":`+string(marshal(value))+`}}`)
}

func (m *messagesPlayer) stopBlock() {
	if !m.open {
		return
	}
	if m.kind == reasoningPiece {
		m.signed = signatureOf(m.thought.String())
		m.thought.Reset()
		m.delta("signature_delta", "signature", m.signed)
	}
	m.open = false
	m.event("content_block_stop", `{"type":"content_block_stop","index":`+strconv.Itoa(m.index)+`}`)
}

func plainMessages(p *player) {
	m := &messagesPlayer{player: p}
	r := m.head(-1)
	last := pieceKind(-1)
	for _, x := range p.s.pieces {
		if x.kind > argsPiece {
			continue
		}
		r.Content = m.grow(r.Content, x, last)
		last = x.kind
	}
	for i := range r.Content {
		if c := &r.Content[i]; c.Thinking != nil {
			m.signed = signatureOf(*c.Thinking)
			c.Signature = new(m.signed)
		} else if c.Type == "tool_use" {
			if !c.Input.IsValid() {
				c.Input = jsontext.Value("{}")
			}
			p.server.thought(c.ID, m.signed)
		}
	}
	if !p.s.noFinish {
		r.StopReason = m.stopReason()
	}
	p.document(marshal(r))
}

// grow puts a piece to the blocks of a message.
func (m *messagesPlayer) grow(blocks []replyBlock, x piece, last pieceKind) []replyBlock {
	if x.kind == argsPiece {
		b := &blocks[len(blocks)-1]
		if last == callPiece {
			b.Input = nil
		}
		b.Input = append(b.Input, x.text...)
		return blocks
	}
	if x.kind == callPiece {
		return append(blocks, replyBlock{Type: "tool_use", ID: x.id, Name: x.name, Input: jsontext.Value("{}")})
	}
	if x.kind != last {
		if x.kind == textPiece {
			return append(blocks, replyBlock{Type: "text", Text: &x.text})
		}
		return append(blocks, replyBlock{Type: "thinking", Thinking: &x.text})
	}
	b := &blocks[len(blocks)-1]
	if x.kind == textPiece {
		b.Text = new(*b.Text + x.text)
	} else {
		b.Thinking = new(*b.Thinking + x.text)
	}
	return blocks
}

// countTokens is the answer to a count: a token is four bytes of the request.
func countTokens(r *Request) []byte {
	return []byte(`{"input_tokens":` + strconv.Itoa(len(r.Raw)/4) + `}`)
}

// writeMessagesError answers with an error in Anthropic's form (https://docs.anthropic.com/en/api/errors).
func writeMessagesError(w http.ResponseWriter, status int, _ string, bad *refusal) {
	kind := "invalid_request_error"
	switch {
	case status == http.StatusUnauthorized:
		kind = "authentication_error"
	case status == http.StatusForbidden:
		kind = "permission_error"
	case status == http.StatusNotFound:
		kind = "not_found_error"
	case status == http.StatusRequestEntityTooLarge:
		kind = "request_too_large"
	case status == http.StatusTooManyRequests:
		kind = "rate_limit_error"
	case status == http.StatusGatewayTimeout:
		kind = "timeout_error"
	case status == 529:
		kind = "overloaded_error"
	case status >= http.StatusInternalServerError:
		kind = "api_error"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"type":"error","error":{"type":"` + kind + `","message":` + string(marshal(bad.message)) + `},"request_id":"req_refused"}`)) // the client may have left
}
