package providertest

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/eventstream"
)

const framed = "application/vnd.amazon.eventstream"

// Exception breaks a stream of Amazon's off with an exception, as a frame of its own.
func Exception(name, message string) Step {
	headers := eventstream.Texts(":exception-type", name, ":content-type", "application/json", ":message-type", "exception")
	return Bytes(string(eventstream.Append(nil, headers, []byte(`{"message":`+string(marshal(message))+`}`))))
}

// appendEvent appends the frame of an event.
func appendEvent(dst []byte, kind, payload string) []byte {
	return eventstream.Append(dst, eventstream.Texts(":event-type", kind, ":content-type", "application/json", ":message-type", "event"), []byte(payload))
}

// conversePlayer plays one step as a reply of Converse.
type conversePlayer struct {
	*player
	kind    pieceKind // of the open block
	index   int       // the open block, -1 before the first
	open    bool
	thought strings.Builder
	signed  string // the last thought
}

func (c *conversePlayer) event(kind, payload string) {
	c.write(string(appendEvent(nil, kind, payload)))
}

// tokens is the usage.
func (c *conversePlayer) tokens() string {
	u := c.s.usage
	if u == (Usage{}) {
		u = Usage{Input: 10, Output: 5}
	}
	return `{"cacheReadInputTokens":` + strconv.Itoa(u.Cached) + `,"cacheWriteInputTokens":0,"inputTokens":` + strconv.Itoa(u.Input-u.Cached) +
		`,"outputTokens":` + strconv.Itoa(u.Output) + `,"totalTokens":` + strconv.Itoa(u.Input+u.Output) + `}`
}

// stopReason is the reason to stop in the API's words.
func (c *conversePlayer) stopReason() string {
	reason := *c.reason()
	if word, ok := map[string]string{"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "content_filtered"}[reason]; ok {
		return word
	}
	return reason
}

func streamConverse(p *player) {
	p.w.Header().Set("Content-Type", framed)
	c := &conversePlayer{player: p, index: -1}
	begun := p.s.open
	for _, x := range p.s.pieces {
		if !begun && x.kind <= argsPiece {
			begun = true
			c.event("messageStart", `{"p":"abcdef","role":"assistant"}`)
		}
		if !c.piece(x) {
			return
		}
	}
	if p.begin(); p.s.open {
		return
	}
	if !begun {
		c.event("messageStart", `{"role":"assistant"}`)
	}
	c.stopBlock()
	if p.s.noFinish {
		return
	}
	c.event("messageStop", `{"p":"ab","stopReason":"`+c.stopReason()+`"}`)
	if !p.s.noDone {
		c.event("metadata", `{"metrics":{"latencyMs":7},"p":"abc","usage":`+c.tokens()+`}`)
	}
}

// piece plays one piece; it reports whether the reply goes on.
func (c *conversePlayer) piece(x piece) bool {
	switch x.kind {
	case textPiece:
		c.startBlock(x, "")
		c.delta(`{"text":` + string(marshal(x.text)) + `}`)
	case reasoningPiece:
		c.startBlock(x, "")
		c.thought.WriteString(x.text)
		c.delta(`{"reasoningContent":{"text":` + string(marshal(x.text)) + `}}`)
	case callPiece:
		c.startBlock(x, `{"toolUse":{"name":`+string(marshal(x.name))+`,"toolUseId":`+string(marshal(x.id))+`}}`)
	case argsPiece:
		c.delta(`{"toolUse":{"input":` + string(marshal(x.text)) + `}}`)
	case rawPiece:
		c.write(x.text)
	default:
		return c.control(x)
	}
	return true
}

// startBlock begins a block, unless the piece goes on with the open one. Blocks of calls are announced.
func (c *conversePlayer) startBlock(x piece, start string) {
	if c.open && c.kind == x.kind && x.kind != callPiece {
		return
	}
	c.stopBlock()
	c.index++
	c.open, c.kind = true, x.kind
	if x.kind != callPiece {
		return
	}
	if c.signed != "" {
		c.server.thought(x.id, c.signed)
	}
	c.event("contentBlockStart", `{"contentBlockIndex":`+strconv.Itoa(c.index)+`,"p":"abcd","start":`+start+`}`)
}

func (c *conversePlayer) delta(delta string) {
	c.event("contentBlockDelta", `{"contentBlockIndex":`+strconv.Itoa(c.index)+`,"delta":`+delta+`,"p":"abcdefghijk"}`)
}

func (c *conversePlayer) stopBlock() {
	if !c.open {
		return
	}
	if c.kind == reasoningPiece {
		c.signed = signatureOf(c.thought.String())
		c.thought.Reset()
		c.delta(`{"reasoningContent":{"signature":` + string(marshal(c.signed)) + `}}`)
	}
	c.open = false
	c.event("contentBlockStop", `{"contentBlockIndex":`+strconv.Itoa(c.index)+`,"p":"a"}`)
}

// The shapes of a whole reply.
type (
	converseReply struct {
		Metrics struct {
			Latency int `json:"latencyMs"`
		} `json:"metrics"`
		Output struct {
			Message struct {
				Content []converseSaid `json:"content"`
				Role    string         `json:"role"`
			} `json:"message"`
		} `json:"output"`
		Stop  string         `json:"stopReason"`
		Usage jsontext.Value `json:"usage"`
	}
	converseSaid struct {
		Text      *string      `json:"text,omitzero"`
		Reasoning *saidThought `json:"reasoningContent,omitzero"`
		ToolUse   *converseUse `json:"toolUse,omitzero"`
	}
	saidThought struct {
		Text struct {
			Signature string `json:"signature"`
			Text      string `json:"text"`
		} `json:"reasoningText"`
	}
)

func plainConverse(p *player) {
	c := &conversePlayer{player: p}
	var r converseReply
	content := []converseSaid{}
	last := pieceKind(-1)
	for _, x := range p.s.pieces {
		if x.kind <= argsPiece {
			content = c.grow(content, x, last)
			last = x.kind
		}
	}
	for i := range content {
		if t := content[i].Reasoning; t != nil {
			c.signed = signatureOf(t.Text.Text)
			t.Text.Signature = c.signed
		} else if use := content[i].ToolUse; use != nil {
			if len(use.Input) == 0 {
				use.Input = jsontext.Value("{}")
			}
			p.server.thought(use.ID, c.signed)
		}
	}
	r.Output.Message.Content, r.Output.Message.Role = content, "assistant"
	r.Stop, r.Usage = c.stopReason(), jsontext.Value(c.tokens())
	p.document(marshal(r))
}

// grow puts a piece to the blocks of a reply.
func (c *conversePlayer) grow(blocks []converseSaid, x piece, last pieceKind) []converseSaid {
	switch {
	case x.kind == argsPiece:
		use := blocks[len(blocks)-1].ToolUse
		use.Input = append(use.Input, x.text...)
	case x.kind == callPiece:
		return append(blocks, converseSaid{ToolUse: &converseUse{ID: x.id, Name: x.name}})
	case x.kind == last && x.kind == textPiece:
		b := &blocks[len(blocks)-1]
		b.Text = new(*b.Text + x.text)
	case x.kind == last:
		blocks[len(blocks)-1].Reasoning.Text.Text += x.text
	case x.kind == textPiece:
		return append(blocks, converseSaid{Text: &x.text})
	default:
		t := new(saidThought)
		t.Text.Text = x.text
		return append(blocks, converseSaid{Reasoning: t})
	}
	return blocks
}

// framer puts the events of Anthropic's wire into Amazon's frames.
type framer struct{ http.ResponseWriter }

// Unwrap gives what flushes.
func (f framer) Unwrap() http.ResponseWriter { return f.ResponseWriter }

// Write takes one event. What is none goes through as it is.
func (f framer) Write(b []byte) (int, error) {
	_, data, ok := bytes.Cut(b, []byte("data: "))
	switch {
	case bytes.HasPrefix(b, []byte("event: ping")):
		return len(b), nil // Amazon sends none
	case !ok || b[0] == 0:
		return f.ResponseWriter.Write(b)
	}
	payload := `{"bytes":"` + base64.StdEncoding.EncodeToString(bytes.TrimSpace(data)) + `","p":"abcdefgh"}`
	if _, err := f.ResponseWriter.Write(appendEvent(nil, "chunk", payload)); err != nil {
		return 0, err
	}
	return len(b), nil
}

func streamInvoke(p *player) {
	p.w.Header().Set("Content-Type", framed)
	p.w = framer{p.w}
	streamMessages(p)
}
