package providertest

import (
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// created is when every reply was made: 2025-06-01T00:00:00Z.
const created = 1748736000

// player plays one step to one client.
type player struct {
	w      http.ResponseWriter
	r      *http.Request
	req    *Request
	s      Step
	stop   <-chan struct{} // the server closes
	d      *dialect
	server *Server
	sent   bool
}

func (p *player) play() {
	maps.Copy(p.w.Header(), p.s.header)
	p.w.Header().Set("X-Request-Id", "req_"+strconv.Itoa(p.req.N))
	switch {
	case p.s.refused != nil:
		if p.controls() {
			p.d.refuse(p.w, p.s.status, p.s.code, p.s.refused)
		}
	case p.s.body != nil:
		p.verbatim()
	case p.req.Stream:
		p.d.stream(p)
	default:
		p.d.plain(p)
	}
}

func (p *player) verbatim() {
	if !p.controls() {
		return
	}
	p.w.WriteHeader(p.s.status)
	_, _ = p.w.Write([]byte(*p.s.body)) // the client may have left
}

// controls plays the pieces that hold or end a reply; it reports whether the reply goes on.
func (p *player) controls() bool {
	for _, x := range p.s.pieces {
		if !p.control(x) {
			return false
		}
	}
	return true
}

// control plays a piece of that sort; others it leaves.
func (p *player) control(x piece) bool {
	switch x.kind {
	case headPiece:
		p.begin()
	case waitPiece:
		return p.wait(x.gate)
	case stallPiece:
		select {
		case <-p.r.Context().Done():
		case <-p.stop:
		}
		return false
	case cutPiece:
		p.begin()
		panic(http.ErrAbortHandler)
	case resetPiece:
		p.reset()
		return false
	default:
	}
	return true
}

// begin sends the head of the reply.
func (p *player) begin() {
	if p.sent {
		return
	}
	p.sent = true
	if p.w.Header().Get("Content-Type") == "" {
		t := "application/json"
		if p.req.Stream {
			t = "text/event-stream; charset=utf-8"
		}
		p.w.Header().Set("Content-Type", t)
	}
	p.w.WriteHeader(http.StatusOK)
	p.flush()
}

func (p *player) flush() { _ = http.NewResponseController(p.w).Flush() } // a client that has left is noticed elsewhere

func (p *player) wait(g *Gate) bool {
	close(g.reached)
	select {
	case <-g.opened:
		return true
	case <-p.r.Context().Done():
	case <-p.stop:
	}
	return false
}

func (p *player) reset() {
	c, _, err := http.NewResponseController(p.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // closing then resets
	}
	_ = c.Close()
}

func (p *player) write(raw string) {
	if p.s.pace > 0 {
		t := time.NewTimer(p.s.pace)
		defer t.Stop()
		select {
		case <-t.C:
		case <-p.r.Context().Done():
		case <-p.stop:
		}
	}
	p.begin()
	if p.s.crlf {
		raw = strings.ReplaceAll(raw, "\n", "\r\n")
	}
	_, _ = p.w.Write([]byte(raw)) // the client may have left
	p.flush()
}

// The shapes of replies.
type (
	reply struct {
		ID      string         `json:"id"`
		Object  string         `json:"object"`
		Created int64          `json:"created"`
		Model   string         `json:"model"`
		Choices []choice       `json:"choices"`
		Usage   jsontext.Value `json:"usage,omitzero"`
	}
	choice struct {
		Index        int        `json:"index"`
		Message      *replyText `json:"message,omitzero"`
		Delta        *replyText `json:"delta,omitzero"`
		Logprobs     *struct{}  `json:"logprobs"`
		FinishReason *string    `json:"finish_reason"`
	}
	replyText struct {
		Role      string      `json:"role,omitzero"`
		Content   any         `json:"content,omitzero"` // jsontext null, or a string
		Refusal   any         `json:"refusal,omitzero"`
		Reasoning string      `json:"reasoning_content,omitzero"`
		ToolCalls []replyCall `json:"tool_calls,omitzero"`
	}
	replyCall struct {
		Index    *int          `json:"index,omitzero"`
		ID       string        `json:"id,omitzero"`
		Type     string        `json:"type,omitzero"`
		Function replyFunction `json:"function"`
	}
	replyFunction struct {
		Name      string `json:"name,omitzero"`
		Arguments string `json:"arguments"`
	}
	replyUsage struct {
		Input   int            `json:"prompt_tokens"`
		Output  int            `json:"completion_tokens"`
		Total   int            `json:"total_tokens"`
		Inputs  map[string]int `json:"prompt_tokens_details"`
		Outputs map[string]int `json:"completion_tokens_details"`
	}
)

var null = jsontext.Value("null")

func (p *player) reply(object string, c ...choice) reply {
	if c == nil {
		c = []choice{}
	}
	return reply{ID: "chatcmpl-" + strconv.Itoa(p.req.N), Object: object, Created: created, Model: p.req.Model, Choices: c}
}

func (p *player) usage() jsontext.Value {
	u := p.s.usage
	if u == (Usage{}) {
		u = Usage{Input: 10, Output: 5}
	}
	return marshal(replyUsage{
		u.Input, u.Output, u.Input + u.Output,
		map[string]int{"cached_tokens": u.Cached},
		map[string]int{"reasoning_tokens": u.Reasoning},
	})
}

func (p *player) reason() *string {
	r := p.s.stop
	if r == "" {
		r = "stop"
		for _, x := range p.s.pieces {
			if x.kind == callPiece {
				r = "tool_calls"
			}
		}
	}
	return &r
}

func marshal(v any) jsontext.Value {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic(err) // unreachable: the shapes above can all be written
	}
	return b
}

// chunk sends one chunk of a stream.
func (p *player) chunk(c reply) {
	if p.req.IncludeUsage && c.Usage == nil {
		c.Usage = null
	}
	p.write("data: " + string(marshal(c)) + "\n\n")
}

func (p *player) delta(d replyText) { p.chunk(p.reply("chat.completion.chunk", choice{Delta: &d})) }

func (p *player) stream() {
	calls, begun := -1, false
	for _, x := range p.s.pieces {
		if !begun && !p.s.open && x.kind <= argsPiece {
			begun = true
			p.delta(replyText{Role: "assistant", Content: "", Refusal: null})
		}
		switch x.kind {
		case textPiece:
			p.delta(replyText{Content: x.text})
		case reasoningPiece:
			p.delta(replyText{Reasoning: x.text})
		case callPiece:
			calls++
			p.delta(replyText{ToolCalls: []replyCall{{Index: new(calls), ID: x.id, Type: "function", Function: replyFunction{Name: x.name}}}})
		case argsPiece:
			p.delta(replyText{ToolCalls: []replyCall{{Index: new(calls), Function: replyFunction{Arguments: x.text}}}})
		case rawPiece:
			p.write(x.text)
		default:
			if !p.control(x) {
				return
			}
		}
	}
	p.begin()
	p.finish()
}

// finish ends a stream.
func (p *player) finish() {
	if p.s.open || p.s.noFinish {
		return
	}
	p.chunk(p.reply("chat.completion.chunk", choice{Delta: &replyText{}, FinishReason: p.reason()}))
	if p.req.IncludeUsage {
		c := p.reply("chat.completion.chunk")
		c.Usage = p.usage()
		p.chunk(c)
	}
	if !p.s.noDone {
		p.write("data: [DONE]\n\n")
	}
}

func (p *player) plain() {
	m := replyText{Role: "assistant", Refusal: null, Content: null}
	var said strings.Builder
	for _, x := range p.s.pieces {
		switch x.kind {
		case textPiece:
			said.WriteString(x.text)
			m.Content = said.String()
		case reasoningPiece:
			m.Reasoning += x.text
		case callPiece:
			m.ToolCalls = append(m.ToolCalls, replyCall{ID: x.id, Type: "function", Function: replyFunction{Name: x.name}})
		case argsPiece:
			m.ToolCalls[len(m.ToolCalls)-1].Function.Arguments += x.text
		default:
		}
	}
	c := choice{Message: &m}
	if !p.s.noFinish {
		c.FinishReason = p.reason()
	}
	r := p.reply("chat.completion", c)
	r.Usage = p.usage()
	p.document(marshal(r))
}

// document sends a reply that is no stream.
func (p *player) document(b []byte) {
	for _, x := range p.s.pieces {
		if x.kind == cutPiece { // in the middle of the document
			p.begin()
			_, _ = p.w.Write(b[:len(b)/2])
			p.flush()
		}
	}
	if !p.controls() {
		return
	}
	p.w.Header().Set("Content-Type", "application/json")
	_, _ = p.w.Write(b) // the client may have left
}
