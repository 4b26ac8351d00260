package providertest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// cohereBody is the part of a request of Cohere's Chat API that is looked at (https://docs.cohere.com/reference/chat).
type cohereBody struct {
	Model          string           `json:"model"`
	Stream         bool             `json:"stream"`
	Messages       []jsontext.Value `json:"messages"`
	Tools          []jsontext.Value `json:"tools"`
	ToolChoice     jsontext.Value   `json:"tool_choice"`
	StrictTools    bool             `json:"strict_tools"`
	ResponseFormat *struct {
		Type   string         `json:"type"`
		Schema jsontext.Value `json:"json_schema"`
	} `json:"response_format"`
	Thinking *struct {
		Type   string         `json:"type"`
		Budget jsontext.Value `json:"token_budget"`
	} `json:"thinking"`
	P                *float64 `json:"p"`
	K                *float64 `json:"k"`
	FrequencyPenalty *float64 `json:"frequency_penalty"`
	PresencePenalty  *float64 `json:"presence_penalty"`
	MaxTokens        *int     `json:"max_tokens"`
	Stop             []string `json:"stop_sequences"`
}

var cohereMembers = []string{
	"model", "stream", "messages", "tools", "tool_choice", "strict_tools", "response_format", "thinking", "p", "k", "frequency_penalty",
	"presence_penalty", "max_tokens", "stop_sequences", "temperature", "seed", "logprobs", "documents", "citation_options", "safety_mode",
	"priority",
}

// cohereRequest is a request while it is read.
type cohereRequest struct {
	*Request
	b    cohereBody
	open []string // calls of the last turn that have no result yet
}

// readCohere fills the request from its raw body and returns what the vendor finds wrong with it.
func readCohere(_ *Server, r *Request) *refusal {
	c := &cohereRequest{Request: r}
	if err := json.Unmarshal(r.Raw, &r.Members); err != nil {
		return refusef("", "invalid request: the body is not valid JSON: %v", err)
	}
	if err := json.Unmarshal(r.Raw, &c.b); err != nil {
		return refusef("", "invalid request: %v", err)
	}
	r.Model, r.Stream, r.ToolChoice = c.b.Model, c.b.Stream, string(c.b.ToolChoice)
	for _, f := range []func() *refusal{c.checkHead, c.readTools, c.checkChoice, c.checkParams, c.readMessages} {
		if bad := f(); bad != nil {
			return bad
		}
	}
	return nil
}

func (c *cohereRequest) checkHead() *refusal {
	if !strings.HasPrefix(c.Header.Get("Authorization"), "Bearer ") {
		return &refusal{message: "no api key supplied", status: http.StatusUnauthorized}
	}
	if c.Model == "" {
		return refusef("model", "invalid request: model must be specified")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Members)) {
		if !slices.Contains(cohereMembers, name) {
			return refusef(name, "unknown field: parameter '%s' is not a valid field", name)
		}
	}
	return nil
}

func (c *cohereRequest) readTools() *refusal {
	for i, v := range c.b.Tools {
		var t struct {
			Type     string `json:"type"`
			Function struct {
				Name        string         `json:"name"`
				Description string         `json:"description"`
				Parameters  jsontext.Value `json:"parameters"`
			} `json:"function"`
		}
		var schema struct {
			Type string `json:"type"`
		}
		switch err := json.Unmarshal(v, &t, json.RejectUnknownMembers(true)); {
		case err != nil || t.Type != "function":
			return refusef("tools", "invalid request: tools[%d] is not valid: a tool must be of type function", i)
		case !validName(t.Function.Name) || slices.Contains(c.ToolNames(), t.Function.Name):
			return refusef("tools", "invalid request: tools[%d] has the name %q, which is not valid or stands twice", i, t.Function.Name)
		case json.Unmarshal(t.Function.Parameters, &schema) != nil || schema.Type != "object":
			return refusef("tools", "invalid request: tools[%d] must have parameters of type object", i)
		}
		c.Tools = append(c.Tools, Tool{t.Type, t.Function.Name, t.Function.Description, string(t.Function.Parameters), string(v)})
	}
	return nil
}

func (c *cohereRequest) checkChoice() *refusal {
	switch c.ToolChoice {
	case "":
	case `"NONE"`, `"REQUIRED"`:
		if len(c.Tools) == 0 {
			return refusef("tool_choice", "invalid request: tool_choice may only be specified if tools are specified")
		}
	default:
		return refusef("tool_choice", "invalid request: tool_choice must be one of NONE, REQUIRED")
	}
	if c.b.StrictTools && len(c.Tools) == 0 {
		return refusef("strict_tools", "invalid request: strict_tools may only be specified if tools are specified")
	}
	if f := c.b.ResponseFormat; f != nil {
		switch {
		case f.Type != "text" && f.Type != "json_object":
			return refusef("response_format", "invalid request: response_format.type must be text or json_object")
		case len(c.Tools) > 0:
			return refusef("response_format", "invalid request: response_format is not supported in combination with tools")
		case f.Schema != nil && (f.Type == "text" || f.Schema.Kind() != '{'):
			return refusef("response_format", "invalid request: response_format.json_schema is not valid")
		}
	}
	return nil
}

func (c *cohereRequest) checkParams() *refusal {
	for _, n := range []struct {
		name       string
		value      *float64
		least, top float64
	}{
		{"p", c.b.P, 0.01, 0.99},
		{"k", c.b.K, 0, 500},
		{"frequency_penalty", c.b.FrequencyPenalty, 0, 1},
		{"presence_penalty", c.b.PresencePenalty, 0, 1},
	} {
		if n.value != nil && (*n.value < n.least || *n.value > n.top) {
			return refusef(n.name, "invalid request: %s must be between %v and %v inclusive", n.name, n.least, n.top)
		}
	}
	switch b := &c.b; {
	case b.MaxTokens != nil && *b.MaxTokens < 1:
		return refusef("max_tokens", "invalid request: max_tokens must be positive")
	case len(b.Stop) > 5:
		return refusef("stop_sequences", "invalid request: at most 5 stop_sequences may be specified")
	}
	if t := c.b.Thinking; t != nil {
		var budget int
		switch {
		case t.Type != "enabled" && t.Type != "disabled":
			return refusef("thinking", "invalid request: thinking.type must be enabled or disabled")
		case t.Budget != nil && (json.Unmarshal(t.Budget, &budget) != nil || budget < 1):
			return refusef("thinking", "invalid request: thinking.token_budget must be a positive integer")
		}
	}
	return nil
}

// cohereMessage is one message of a conversation.
type cohereMessage struct {
	Role       string         `json:"role"`
	Content    jsontext.Value `json:"content"`
	ToolCalls  []toolCall     `json:"tool_calls"`
	ToolPlan   string         `json:"tool_plan"`
	ToolCallID string         `json:"tool_call_id"`
	Citations  jsontext.Value `json:"citations"`
}

// coherePart is one piece of content.
type coherePart struct {
	Type     string         `json:"type"`
	Text     *string        `json:"text"`
	Thinking *string        `json:"thinking"`
	Image    *coherePicture `json:"image_url"`
	Document *cohereDoc     `json:"document"`
}

type coherePicture struct {
	URL    string `json:"url"`
	Detail string `json:"detail"`
}

type cohereDoc struct {
	ID   string         `json:"id"`
	Data jsontext.Value `json:"data"`
}

// cohereParts are the kinds of content that a role has.
var cohereParts = map[string][]string{
	"system": {"text"}, "user": {"text", "image_url"}, "assistant": {"text", "thinking"}, "tool": {"text", "document"},
}

func (c *cohereRequest) readMessages() *refusal {
	if len(c.b.Messages) == 0 {
		return refusef("messages", "invalid request: messages must be at least 1 message long")
	}
	for i, v := range c.b.Messages {
		at := fmt.Sprintf("messages[%d]", i)
		var m cohereMessage
		if err := json.Unmarshal(v, &m, json.RejectUnknownMembers(true)); err != nil {
			return refusef(at, "invalid request: %s is not valid: %v", at, err)
		}
		said, bad := m.read(at)
		if bad != nil {
			return bad
		}
		if bad := c.checkTurn(&m, at); bad != nil {
			return bad
		}
		msg := Message{Role: m.Role, Text: m.ToolPlan + said, CallID: m.ToolCallID, Raw: string(v), content: m.Content}
		for _, call := range m.ToolCalls {
			msg.Calls = append(msg.Calls, ToolCall{call.ID, call.Function.Name, text(call.Function.Arguments)})
		}
		c.Messages = append(c.Messages, msg)
	}
	if len(c.open) > 0 {
		return refusef("messages", "invalid request: all tool calls must have a response: %s", strings.Join(c.open, ", "))
	}
	return nil
}

// read returns what a message says, and what is wrong with it.
func (m *cohereMessage) read(at string) (string, *refusal) {
	known, ok := cohereParts[m.Role]
	if !ok {
		return "", refusef(at, "invalid request: %s has the role %q, which is not one of user, assistant, tool, system", at, m.Role)
	}
	if m.Role != "assistant" && (m.ToolCalls != nil || m.ToolPlan != "" || m.Citations != nil) || (m.Role == "tool") != (m.ToolCallID != "") {
		return "", refusef(at, "invalid request: %s has members that its role does not have", at)
	}
	said := text(m.Content)
	switch k := m.Content.Kind(); {
	case k == 0 && len(m.ToolCalls) == 0:
		return "", refusef(at, "invalid request: %s must have non-empty content or tool calls", at)
	case k == '"' && said == "" && len(m.ToolCalls) == 0:
		return "", refusef(at, "invalid request: %s must be at least 1 token long", at)
	case k == 0 || k == '"':
		return said, nil
	}
	return m.readParts(at, known)
}

// readParts is read for content that is a list.
func (m *cohereMessage) readParts(at string, known []string) (string, *refusal) {
	var parts []coherePart
	if json.Unmarshal(m.Content, &parts, json.RejectUnknownMembers(true)) != nil || len(parts) == 0 {
		return "", refusef(at, "invalid request: %s has content that is not valid", at)
	}
	var said strings.Builder
	for i := range parts {
		if !slices.Contains(known, parts[i].Type) || !parts[i].whole(&said) {
			return "", refusef(at, "invalid request: %s has content of type %q that is not valid there", at, parts[i].Type)
		}
	}
	return said.String(), nil
}

// whole reports whether a piece of content has what its type needs. It writes what the piece says.
func (p *coherePart) whole(said *strings.Builder) bool {
	switch p.Type {
	case "text":
		if p.Text != nil {
			said.WriteString(*p.Text)
		}
		return p.Text != nil
	case "thinking":
		return p.Thinking != nil && *p.Thinking != ""
	case "image_url":
		return p.Image != nil && (strings.HasPrefix(p.Image.URL, "data:image/") || strings.HasPrefix(p.Image.URL, "https://"))
	}
	if p.Document == nil {
		return false
	}
	var data struct {
		Content *string                   `json:"content"`
		Rest    map[string]jsontext.Value `json:",embed"`
	}
	switch {
	case p.Document.Data.Kind() == '"':
		said.WriteString(text(p.Document.Data))
	case json.Unmarshal(p.Document.Data, &data) != nil:
		return false
	case data.Content != nil && len(data.Rest) == 0:
		said.WriteString(*data.Content)
	default:
		said.Write(p.Document.Data)
	}
	return true
}

// checkTurn holds calls against their results: every call has one, directly after the message that made it.
func (c *cohereRequest) checkTurn(m *cohereMessage, at string) *refusal {
	if m.Role == "tool" {
		k := slices.Index(c.open, m.ToolCallID)
		if k < 0 {
			return refusef(at, "invalid request: %s has a tool_call_id of no call in the preceding assistant message: %s", at, m.ToolCallID)
		}
		c.open = slices.Delete(c.open, k, k+1)
		return nil
	}
	if len(c.open) > 0 {
		return refusef(at, "invalid request: all tool calls must have a response before %s: %s", at, strings.Join(c.open, ", "))
	}
	for i, call := range m.ToolCalls {
		at := fmt.Sprintf("%s.tool_calls[%d]", at, i)
		var args map[string]jsontext.Value
		switch {
		case call.ID == "" || call.Type != "function" || !validName(call.Function.Name) || slices.Contains(c.open, call.ID):
			return refusef(at, "invalid request: %s has no id of its own, or no name", at)
		case call.Function.Arguments.Kind() != '"' || json.Unmarshal([]byte(text(call.Function.Arguments)), &args) != nil:
			return refusef(at, "invalid request: %s has arguments that are no JSON object in a string", at)
		}
		c.open = append(c.open, call.ID)
	}
	return nil
}
