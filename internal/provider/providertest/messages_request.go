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

// messagesBody is the part of a request of Anthropic's Messages API that is looked at
// (https://docs.anthropic.com/en/api/messages).
type messagesBody struct {
	Model      string           `json:"model"`
	Stream     bool             `json:"stream"`
	MaxTokens  jsontext.Value   `json:"max_tokens"`
	Messages   []jsontext.Value `json:"messages"`
	System     jsontext.Value   `json:"system"`
	Tools      []jsontext.Value `json:"tools"`
	ToolChoice jsontext.Value   `json:"tool_choice"`
	Thinking   *struct {
		Type   string `json:"type"`
		Budget int    `json:"budget_tokens"`
	} `json:"thinking"`
	Temperature jsontext.Value `json:"temperature"`
	TopK        jsontext.Value `json:"top_k"`
}

// messagesRequest is a request while it is read.
type messagesRequest struct {
	*Request
	s     *Server
	b     messagesBody
	max   int
	turns []messagesTurn
}

// Members of a request, and those of them that a count of tokens may have.
var (
	countMembers    = []string{"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "output_format", "context_management", "cache_control", "speed"}
	messagesMembers = append([]string{
		"max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier", "container",
		"inference_geo", "diagnostics", "user_profile_id",
	}, countMembers...)
)

func readMessages(s *Server, r *Request) *refusal {
	return (&messagesRequest{Request: r, s: s}).read(false)
}

func readCount(s *Server, r *Request) *refusal {
	return (&messagesRequest{Request: r, s: s}).read(true)
}

// read fills the request from its raw body and returns what the vendor finds wrong with it.
func (m *messagesRequest) read(count bool) *refusal {
	if err := json.Unmarshal(m.Raw, &m.Members); err != nil {
		return refusef("", "The request body is not valid JSON: %v", err)
	}
	if err := json.Unmarshal(m.Raw, &m.b); err != nil {
		return refusef("", "Input should be a valid value: %v", err)
	}
	m.Model, m.Stream, m.ToolChoice = m.b.Model, m.b.Stream, string(m.b.ToolChoice)
	checks := []func() *refusal{m.readSystem, m.readTools, m.readTurns, m.checkHeaders}
	if count {
		checks = append(checks, func() *refusal { return m.checkMembers(countMembers) })
	} else {
		checks = append(checks, func() *refusal { return m.checkMembers(messagesMembers) }, m.checkMax, m.checkThinking)
	}
	checks = append(checks, m.checkChoice, m.checkTurns)
	for _, f := range checks {
		if bad := f(); bad != nil {
			return bad
		}
	}
	return nil
}

func (m *messagesRequest) checkHeaders() *refusal {
	if m.Header.Get("X-Api-Key") == "" && m.Header.Get("Authorization") == "" {
		return &refusal{message: "x-api-key header is required", status: http.StatusUnauthorized}
	}
	if m.Header.Get("Anthropic-Version") == "" {
		return refusef("", "anthropic-version: header is required")
	}
	if !strings.HasPrefix(m.Header.Get("Content-Type"), "application/json") {
		return refusef("", "content-type: must be application/json")
	}
	return nil
}

func (m *messagesRequest) checkMembers(known []string) *refusal {
	if m.Model == "" {
		return refusef("model", "model: Field required")
	}
	for _, name := range slices.Sorted(maps.Keys(m.Members)) {
		if !slices.Contains(known, name) {
			return refusef(name, "%s: Extra inputs are not permitted", name)
		}
	}
	return nil
}

func (m *messagesRequest) checkMax() *refusal {
	if len(m.b.MaxTokens) == 0 {
		return refusef("max_tokens", "max_tokens: Field required")
	}
	if json.Unmarshal(m.b.MaxTokens, &m.max) != nil || m.max < 1 {
		return refusef("max_tokens", "max_tokens: Input should be a whole number greater than or equal to 1")
	}
	return nil
}

func (m *messagesRequest) checkThinking() *refusal {
	t := m.b.Thinking
	if t == nil || t.Type == "disabled" {
		return nil
	}
	switch {
	case t.Type != "enabled" && t.Type != "adaptive":
		return refusef("thinking", "thinking.type: Input should be 'enabled', 'disabled' or 'adaptive'")
	case t.Type == "enabled" && t.Budget < 1024:
		return refusef("thinking", "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
	case t.Type == "enabled" && t.Budget >= m.max:
		return refusef("max_tokens", "`max_tokens` must be greater than `thinking.budget_tokens`.")
	}
	return m.checkBeside()
}

// checkBeside refuses what cannot be said beside thinking.
func (m *messagesRequest) checkBeside() *refusal {
	switch {
	case len(m.b.Temperature) > 0 && string(m.b.Temperature) != "1" && string(m.b.Temperature) != "1.0":
		return refusef("temperature", "`temperature` may only be set to 1 when thinking is enabled.")
	case len(m.b.TopK) > 0:
		return refusef("top_k", "`top_k` must be unset when thinking is enabled.")
	}
	var choice struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(m.b.ToolChoice, &choice) == nil && (choice.Type == "any" || choice.Type == "tool") {
		return refusef("tool_choice", "Thinking may not be enabled when tool_choice forces tool use.")
	}
	return nil
}

func (m *messagesRequest) readSystem() *refusal {
	if len(m.b.System) == 0 {
		return nil
	}
	m.Request.Messages = append(m.Request.Messages, Message{Role: "system", Text: text(m.b.System), Raw: string(m.b.System), content: m.b.System})
	if m.b.System.Kind() == '"' {
		return nil
	}
	var blocks []contentPart
	if json.Unmarshal(m.b.System, &blocks) != nil {
		return refusef("system", "system: Input should be a valid list")
	}
	for i, b := range blocks {
		if b.Type != "text" {
			return refusef("system", "system.%d.type: Input should be 'text'", i)
		}
		if strings.TrimSpace(b.Text) == "" {
			return refusef("system", "system: text content blocks must be non-empty")
		}
	}
	return nil
}

// messagesTool is a tool of the client; those of the vendor have other members, by their type.
type messagesTool struct {
	Type        string                    `json:"type"`
	Name        string                    `json:"name"`
	Description string                    `json:"description"`
	InputSchema jsontext.Value            `json:"input_schema"`
	Rest        map[string]jsontext.Value `json:",embed"`
}

var toolMembers = []string{"cache_control", "strict", "defer_loading", "allowed_callers", "input_examples", "eager_input_streaming"}

func (m *messagesRequest) readTools() *refusal {
	for i, v := range m.b.Tools {
		var t messagesTool
		if json.Unmarshal(v, &t) != nil {
			return refusef("tools", "tools.%d: Input should be a valid dictionary", i)
		}
		if bad := t.check(i, m.ToolNames()); bad != nil {
			return bad
		}
		kind := t.Type
		if kind == "" || kind == "custom" {
			kind = "function"
		}
		m.Tools = append(m.Tools, Tool{kind, t.Name, t.Description, string(t.InputSchema), string(v)})
	}
	return nil
}

func (t *messagesTool) check(i int, taken []string) *refusal {
	at := fmt.Sprintf("tools.%d", i)
	switch {
	case slices.Contains(taken, t.Name):
		return refusef("tools", "tools: Tool names must be unique.")
	case t.Type != "" && t.Type != "custom":
		if _, version, ok := strings.Cut(t.Type, "_20"); !ok || len(version) != 6 {
			return refusef("tools", "%s: Input tag '%s' found using 'type' does not match any of the expected tags", at, t.Type)
		}
		return nil
	case t.Name == "" || len(t.Name) > 128 || !validID(t.Name):
		return refusef("tools", "%s.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'", at)
	}
	for name := range t.Rest {
		if !slices.Contains(toolMembers, name) {
			return refusef("tools", "%s.custom.%s: Extra inputs are not permitted", at, name)
		}
	}
	var schema struct {
		Type any `json:"type"`
	}
	if t.InputSchema.Kind() != '{' || json.Unmarshal(t.InputSchema, &schema) != nil || schema.Type != "object" {
		return refusef("tools", "%s.custom.input_schema.type: Input should be 'object'", at)
	}
	return nil
}

// validID reports whether s consists of what ids and names may.
func validID(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}

func (m *messagesRequest) checkChoice() *refusal {
	if len(m.b.ToolChoice) == 0 {
		return nil
	}
	var c struct {
		Type string                    `json:"type"`
		Name string                    `json:"name"`
		One  jsontext.Value            `json:"disable_parallel_tool_use"`
		Rest map[string]jsontext.Value `json:",embed"`
	}
	switch err := json.Unmarshal(m.b.ToolChoice, &c); {
	case err != nil || len(c.Rest) > 0:
		return refusef("tool_choice", "tool_choice: Input should be a valid dictionary")
	case !slices.Contains([]string{"auto", "any", "tool", "none"}, c.Type):
		return refusef("tool_choice", "tool_choice: Input tag '%s' found using 'type' does not match any of the expected tags: 'auto', 'any', 'tool', 'none'", c.Type)
	case len(m.Tools) == 0:
		return refusef("tool_choice", "tool_choice: tool_choice may only be specified while providing tools.")
	case c.Type == "none" && len(c.One) > 0:
		return refusef("tool_choice", "tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted")
	case c.Type == "tool" && !slices.Contains(m.ToolNames(), c.Name):
		return refusef("tool_choice", "Tool '%s' not found in provided tools", c.Name)
	}
	return nil
}
