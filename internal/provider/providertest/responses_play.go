package providertest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// The shapes of replies of the Responses API (https://platform.openai.com/docs/api-reference/responses-streaming).
type (
	response struct {
		ID         string         `json:"id"`
		Object     string         `json:"object"`
		CreatedAt  int64          `json:"created_at"`
		Status     string         `json:"status,omitzero"`
		Background bool           `json:"background"`
		Error      *struct{}      `json:"error"`
		Incomplete *incomplete    `json:"incomplete_details"`
		Model      string         `json:"model"`
		Output     []any          `json:"output"`
		Parallel   bool           `json:"parallel_tool_calls"`
		Store      bool           `json:"store"`
		Usage      jsontext.Value `json:"usage"`
		Metadata   struct{}       `json:"metadata"`
	}
	incomplete struct {
		Reason string `json:"reason"`
	}
	messageItem struct {
		ID      string     `json:"id"`
		Type    string     `json:"type"`
		Status  string     `json:"status"`
		Content []textPart `json:"content"`
		Role    string     `json:"role"`
	}
	textPart struct {
		Type        string     `json:"type"`
		Annotations []struct{} `json:"annotations"`
		Logprobs    []struct{} `json:"logprobs"`
		Text        string     `json:"text"`
	}
	reasoningItem struct {
		ID        string        `json:"id"`
		Type      string        `json:"type"`
		Encrypted string        `json:"encrypted_content,omitzero"`
		Summary   []summaryPart `json:"summary"`
	}
	summaryPart struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	callItem struct {
		ID        string `json:"id"`
		Type      string `json:"type"`
		Status    string `json:"status"`
		Arguments string `json:"arguments"`
		CallID    string `json:"call_id"`
		Name      string `json:"name"`
	}
	responseUsage struct {
		Input   int            `json:"input_tokens"`
		Inputs  map[string]int `json:"input_tokens_details"`
		Output  int            `json:"output_tokens"`
		Outputs map[string]int `json:"output_tokens_details"`
		Total   int            `json:"total_tokens"`
	}
)

// sealOf is the encrypted form of a thought. Another thought has another one.
func sealOf(thought string) string { return "gAAAAA" + signatureOf("sealed "+thought) }

// responsesPlayer plays a step as a response.
type responsesPlayer struct {
	*player
	seq    int
	output []any    // the items so far, whole
	calls  []string // their calls
	seal   string   // of the reasoning that came last, for the calls behind it

	kind pieceKind       // of the item that is open
	open bool            // there is one
	text strings.Builder // what it has said
	call callItem
}

func streamResponses(p *player) { (&responsesPlayer{player: p}).stream() }
func plainResponses(p *player)  { (&responsesPlayer{player: p}).plain() }

func (p *responsesPlayer) response(status string) response {
	r := response{
		ID: "resp_" + strconv.Itoa(p.req.N), Object: "response", CreatedAt: created, Status: status, Model: p.req.Model, Parallel: true,
		Store: p.req.stores, Output: slices.Clone(p.output),
	}
	if r.Output == nil {
		r.Output = []any{}
	}
	if status == "completed" || status == "incomplete" {
		r.Usage = p.responseUsage()
	}
	if status == "incomplete" {
		r.Incomplete = &incomplete{"content_filter"}
		if p.s.stop == "length" {
			r.Incomplete.Reason = "max_output_tokens"
		}
	}
	return r
}

func (p *responsesPlayer) responseUsage() jsontext.Value {
	u := p.s.usage
	if u == (Usage{}) {
		u = Usage{Input: 10, Output: 5}
	}
	return marshal(responseUsage{
		u.Input, map[string]int{"cached_tokens": u.Cached}, u.Output, map[string]int{"reasoning_tokens": u.Reasoning}, u.Input + u.Output,
	})
}

// status is what becomes of the reply.
func (p *responsesPlayer) status() string {
	if p.s.stop == "length" || p.s.stop == "content_filter" {
		return "incomplete"
	}
	return "completed"
}

// event sends one event; members are those beside type and sequence_number.
func (p *responsesPlayer) event(name string, members map[string]any) {
	members["type"], members["sequence_number"] = name, p.seq
	p.seq++
	p.write("event: " + name + "\ndata: " + string(marshal(members)) + "\n\n")
}

func (p *responsesPlayer) stream() {
	begun := false
	for _, x := range p.s.pieces {
		if !begun && !p.s.open && x.kind <= argsPiece {
			begun = true
			p.start()
		}
		switch x.kind {
		case textPiece, reasoningPiece, callPiece, argsPiece:
			p.piece(x)
		case rawPiece:
			p.write(x.text)
		default:
			if !p.control(x) {
				return
			}
		}
	}
	p.begin()
	if p.s.open || p.s.noFinish {
		return
	}
	if !begun {
		p.start()
	}
	p.closeItem(true)
	p.keep()
	p.event("response."+p.status(), map[string]any{"response": p.response(p.status())})
}

func (p *responsesPlayer) start() {
	p.event("response.created", map[string]any{"response": p.response("in_progress")})
	p.event("response.in_progress", map[string]any{"response": p.response("in_progress")})
}

// at are the members that say which item an event is about.
func (p *responsesPlayer) at(more map[string]any) map[string]any {
	more["output_index"], more["item_id"] = len(p.output), p.itemID()
	return more
}

func (p *responsesPlayer) itemID() string {
	prefix := map[pieceKind]string{textPiece: "msg_", reasoningPiece: "rs_", callPiece: "fc_"}[p.kind]
	return prefix + strconv.Itoa(p.req.N) + "_" + strconv.Itoa(len(p.output))
}

// piece plays a piece of text, reasoning or a call, in an item of its own unless it goes on with the last.
func (p *responsesPlayer) piece(x piece) {
	if x.kind == argsPiece {
		p.text.WriteString(x.text)
		p.event("response.function_call_arguments.delta", p.at(map[string]any{"delta": x.text}))
		return
	}
	if !p.open || p.kind != x.kind || x.kind == callPiece {
		p.closeItem(true)
		p.openItem(x)
		p.opened()
	}
	if x.kind == callPiece {
		return
	}
	p.text.WriteString(x.text)
	if x.kind == textPiece {
		p.event("response.output_text.delta", p.at(map[string]any{"content_index": 0, "delta": x.text, "logprobs": []int{}, "obfuscation": "x"}))
		return
	}
	p.event("response.reasoning_summary_text.delta", p.at(map[string]any{"summary_index": 0, "delta": x.text, "obfuscation": "x"}))
}

func (p *responsesPlayer) openItem(x piece) {
	p.open, p.kind = true, x.kind
	p.text.Reset()
	p.call = callItem{CallID: x.id, Name: x.name}
}

// opened tells that the item has begun.
func (p *responsesPlayer) opened() {
	p.event("response.output_item.added", map[string]any{"output_index": len(p.output), "item": p.item("in_progress")})
	switch p.kind {
	case textPiece:
		p.event("response.content_part.added", p.at(map[string]any{"content_index": 0, "part": textPartOf("")}))
	case reasoningPiece:
		p.event("response.reasoning_summary_part.added", p.at(map[string]any{"summary_index": 0, "part": summaryPart{Type: "summary_text"}}))
	default:
	}
}

func textPartOf(s string) textPart {
	return textPart{Type: "output_text", Annotations: []struct{}{}, Logprobs: []struct{}{}, Text: s}
}

// item is the open item as far as it has come.
func (p *responsesPlayer) item(status string) any {
	whole := status != "in_progress"
	switch p.kind {
	case textPiece:
		m := messageItem{ID: p.itemID(), Type: "message", Status: status, Content: []textPart{}, Role: "assistant"}
		if whole {
			m.Content = []textPart{textPartOf(p.text.String())}
		}
		return m
	case reasoningPiece:
		r := reasoningItem{ID: p.itemID(), Type: "reasoning", Summary: []summaryPart{}}
		if p.req.encrypts {
			r.Encrypted = sealOf("begun") // what comes early is of no use later
		}
		if whole {
			r.Summary = []summaryPart{{"summary_text", p.text.String()}}
			if p.req.encrypts {
				r.Encrypted = sealOf(p.text.String())
			}
		}
		return r
	default:
		c := p.call
		c.ID, c.Type, c.Status = p.itemID(), "function_call", status
		if whole {
			c.Arguments = p.text.String()
		}
		return c
	}
}

// closeItem ends the open item, and tells of it in a stream.
func (p *responsesPlayer) closeItem(tell bool) {
	if !p.open {
		return
	}
	said := p.text.String()
	if tell {
		switch p.kind {
		case textPiece:
			p.event("response.output_text.done", p.at(map[string]any{"content_index": 0, "text": said, "logprobs": []int{}}))
			p.event("response.content_part.done", p.at(map[string]any{"content_index": 0, "part": textPartOf(said)}))
		case reasoningPiece:
			p.event("response.reasoning_summary_text.done", p.at(map[string]any{"summary_index": 0, "text": said}))
			p.event("response.reasoning_summary_part.done", p.at(map[string]any{"summary_index": 0, "part": summaryPart{"summary_text", said}}))
		default:
			p.event("response.function_call_arguments.done", p.at(map[string]any{"arguments": said}))
		}
	}
	item := p.item("completed")
	switch p.kind {
	case reasoningPiece:
		if p.seal = ""; p.req.encrypts {
			p.seal = sealOf(said)
		}
	case callPiece:
		p.calls = append(p.calls, p.call.CallID)
		p.server.thought(responsesThought+p.call.CallID, p.seal)
	default:
	}
	if tell {
		p.event("response.output_item.done", map[string]any{"output_index": len(p.output), "item": item})
	}
	p.output, p.open = append(p.output, item), false
}

// keep keeps the reply, if the request does not forbid it.
func (p *responsesPlayer) keep() {
	if !p.req.stores {
		return
	}
	m := &p.server.responses
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calls == nil || len(m.calls) > maxStored {
		m.calls, m.items = map[string][]string{}, map[string]bool{}
	}
	m.calls["resp_"+strconv.Itoa(p.req.N)] = p.calls
	for _, it := range p.output {
		switch it := it.(type) {
		case messageItem:
			m.items[it.ID] = true
		case reasoningItem:
			m.items[it.ID] = true
		case callItem:
			m.items[it.ID] = true
		}
	}
}

// maxStored bounds the replies that are kept.
const maxStored = 10_000

func (p *responsesPlayer) plain() {
	for _, x := range p.s.pieces {
		switch x.kind {
		case textPiece, reasoningPiece, callPiece:
			if !p.open || p.kind != x.kind || x.kind == callPiece {
				p.closeItem(false)
				p.openItem(x)
			}
			p.text.WriteString(x.text)
		case argsPiece:
			p.text.WriteString(x.text)
		default:
		}
	}
	p.closeItem(false)
	status := p.status()
	if p.s.noFinish {
		status = "in_progress"
	} else {
		p.keep()
	}
	p.document(marshal(p.response(status)))
}
