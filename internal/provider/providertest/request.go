package providertest

import (
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Request is what the model was asked.
type Request struct {
	N            int    // from 1
	Wire         string // the wire that it came over: "chat", "responses", "messages", "gemini", "converse"
	Path         string
	Header       http.Header
	Raw          []byte // the body
	Model        string
	Stream       bool
	IncludeUsage bool
	Messages     []Message
	Tools        []Tool
	ToolChoice   string         // its JSON text; empty for none
	Refusal      string         // why it was refused; empty when it was not
	Members      map[string]any // all top-level members, decoded

	stores   bool // responses: the reply is kept
	thinks   bool // gemini: thoughts are told
	encrypts bool // responses: reasoning is told in a form that can be sent back

	host string // that was asked

	gone  chan struct{}
	ended chan struct{}
}

// Gone is closed when the client leaves before its reply is complete.
func (r *Request) Gone() <-chan struct{} { return r.gone }

// Ended is closed when nothing more is sent.
func (r *Request) Ended() <-chan struct{} { return r.ended }

// Message is one message of the conversation.
type Message struct {
	Role    string
	Text    string // the text parts, joined
	Calls   []ToolCall
	CallID  string // of a tool message
	Raw     string
	content jsontext.Value
	rest    map[string]jsontext.Value
}

// ToolCall is a call in an assistant message.
type ToolCall struct {
	ID        string
	Name      string
	Arguments string
}

// Tool is a tool on offer.
type Tool struct {
	Type        string
	Name        string
	Description string
	Parameters  string // JSON
	Raw         string
}

// ToolNames are the names of the tools on offer, in their order.
func (r *Request) ToolNames() []string {
	names := make([]string, 0, len(r.Tools))
	for _, t := range r.Tools {
		names = append(names, t.Name)
	}
	return names
}

// Last is the last message, or an empty one.
func (r *Request) Last() Message {
	if len(r.Messages) == 0 {
		return Message{}
	}
	return r.Messages[len(r.Messages)-1]
}

// Results are the texts of the tool messages by the ids of their calls.
func (r *Request) Results() map[string]string {
	m := map[string]string{}
	for _, msg := range r.Messages {
		if msg.Role == "tool" {
			m[msg.CallID] = msg.Text
		}
	}
	return m
}

// body is the part of a request that is looked at. Tools and messages are decoded one by one, so that one that is wrong
// can be named.
type body struct {
	Model         string           `json:"model"`
	Stream        bool             `json:"stream"`
	StreamOptions *streamOptions   `json:"stream_options"`
	Messages      []jsontext.Value `json:"messages"`
	Tools         jsontext.Value   `json:"tools"`
	ToolChoice    jsontext.Value   `json:"tool_choice"`
	N             jsontext.Value   `json:"n"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type message struct {
	Role       string                    `json:"role"`
	Content    jsontext.Value            `json:"content"`
	ToolCalls  []toolCall                `json:"tool_calls"`
	ToolCallID string                    `json:"tool_call_id"`
	Rest       map[string]jsontext.Value `json:",embed"`
}

type toolCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function callFunction `json:"function"`
	Custom   struct {
		Name  string `json:"name"`
		Input string `json:"input"`
	} `json:"custom"`
}

type callFunction struct {
	Name      string         `json:"name"`
	Arguments jsontext.Value `json:"arguments"`
}

type tool struct {
	Type     string        `json:"type"`
	Function *toolFunction `json:"function"`
	Custom   *toolFunction `json:"custom"`
}

type toolFunction struct {
	Name        string                    `json:"name"`
	Description string                    `json:"description"`
	Parameters  jsontext.Value            `json:"parameters"`
	Strict      jsontext.Value            `json:"strict"`
	Rest        map[string]jsontext.Value `json:",embed"`
}

type contentPart struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// text is the text of a message's content.
func text(content jsontext.Value) string {
	var s string
	if json.Unmarshal(content, &s) == nil {
		return s
	}
	var parts []contentPart
	if json.Unmarshal(content, &parts) != nil {
		return ""
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String()
}
