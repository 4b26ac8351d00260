package providertest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// messagesTurn is one message of a conversation.
type messagesTurn struct {
	role   string
	blocks []messagesBlock
}

// messagesBlock is one block of a message, with the members that the known types have.
type messagesBlock struct {
	Type      string                    `json:"type"`
	Text      string                    `json:"text"`
	Thinking  string                    `json:"thinking"`
	Signature string                    `json:"signature"`
	ID        string                    `json:"id"`
	Name      string                    `json:"name"`
	Input     jsontext.Value            `json:"input"`
	ToolUseID string                    `json:"tool_use_id"`
	Content   jsontext.Value            `json:"content"`
	IsError   bool                      `json:"is_error"`
	Rest      map[string]jsontext.Value `json:",embed"`
}

// Blocks that the two sides may say.
var (
	userBlocks      = []string{"text", "image", "document", "search_result", "tool_result", "container_upload"}
	assistantBlocks = []string{
		"text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "web_search_tool_result", "web_fetch_tool_result",
		"tool_search_tool_result", "code_execution_tool_result", "bash_code_execution_tool_result",
		"text_editor_code_execution_tool_result", "compaction", "container_upload",
	}
	resultBlocks = []string{"text", "image", "document", "search_result", "tool_reference"}
	blockMembers = map[string][]string{
		"text": {"citations", "cache_control"}, "tool_use": {"cache_control", "caller"}, "tool_result": {"cache_control"},
		"thinking": {},
	}
)

func (m *messagesRequest) readTurns() *refusal {
	if len(m.b.Messages) == 0 {
		return refusef("messages", "messages: at least one message is required")
	}
	for i, v := range m.b.Messages {
		var raw struct {
			Role    string                    `json:"role"`
			Content jsontext.Value            `json:"content"`
			Rest    map[string]jsontext.Value `json:",embed"`
		}
		at := fmt.Sprintf("messages.%d", i)
		if err := json.Unmarshal(v, &raw); err != nil {
			return refusef("messages", "%s: Input should be a valid dictionary", at)
		}
		if raw.Role != "user" && raw.Role != "assistant" {
			return refusef("messages", "messages: Unexpected role \"%s\". Allowed roles are \"user\" or \"assistant\"", raw.Role)
		}
		for name := range raw.Rest {
			return refusef("messages", "%s.%s: Extra inputs are not permitted", at, name)
		}
		t := messagesTurn{role: raw.Role}
		if raw.Content.Kind() == '"' {
			t.blocks = []messagesBlock{{Type: "text", Text: text(raw.Content)}}
		} else if json.Unmarshal(raw.Content, &t.blocks) != nil {
			return refusef("messages", "%s.content: Input should be a valid list", at)
		}
		m.turns = append(m.turns, t)
		m.note(t, string(v), raw.Content)
	}
	return nil
}

// note writes a turn into the messages that every wire's requests are told as.
func (m *messagesRequest) note(t messagesTurn, raw string, content jsontext.Value) {
	msg := Message{Role: t.role, Raw: raw, content: content}
	others := 0
	for _, b := range t.blocks {
		switch b.Type {
		case "text":
			msg.Text += b.Text
			others++
		case "tool_use":
			msg.Calls = append(msg.Calls, ToolCall{b.ID, b.Name, string(b.Input)})
		case "tool_result":
			m.Request.Messages = append(m.Request.Messages, Message{Role: "tool", CallID: b.ToolUseID, Text: text(b.Content), Raw: raw, content: b.Content})
			continue
		default:
			others++
		}
	}
	if t.role == "assistant" || others > 0 {
		m.Request.Messages = append(m.Request.Messages, msg)
	}
}

// checkTurns holds the conversation against the rules: roles alternate, the user speaks first, and the calls of a turn are
// answered at the start of the next.
func (m *messagesRequest) checkTurns() *refusal {
	seen := map[string]bool{}
	var open []string
	for i, t := range m.turns {
		if bad := cmp.Or(m.checkPlace(i), t.checkBlocks(i), t.checkAnswers(i, open)); bad != nil {
			return bad
		}
		open = nil
		for _, b := range t.blocks {
			if b.Type != "tool_use" {
				continue
			}
			if seen[b.ID] {
				return refusef("messages", "messages: `tool_use` ids must be unique")
			}
			seen[b.ID] = true
			open = append(open, b.ID)
		}
		if bad := m.checkThought(i, t, open); bad != nil {
			return bad
		}
	}
	if len(open) > 0 {
		return unanswered(len(m.turns)-1, open)
	}
	if len(seen) > 0 && len(m.Tools) == 0 {
		return refusef("tools", "Requests which include `tool_use` or `tool_result` blocks must define tools")
	}
	return nil
}

// checkPlace holds a turn against its place in the conversation.
func (m *messagesRequest) checkPlace(i int) *refusal {
	t := &m.turns[i]
	switch {
	case i == 0 && t.role != "user":
		return refusef("messages", "messages: first message must use the \"user\" role")
	case i > 0 && m.turns[i-1].role == t.role:
		return refusef("messages", "messages: roles must alternate between \"user\" and \"assistant\", but found multiple \"%s\" roles in a row", t.role)
	case len(t.blocks) == 0 && (t.role == "user" || i < len(m.turns)-1):
		return refusef("messages", "messages.%d: all messages must have non-empty content except for the optional final assistant message", i)
	}
	return nil
}

func unanswered(i int, ids []string) *refusal {
	return refusef("messages", "messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. "+
		"Each `tool_use` block must have a corresponding `tool_result` block in the next message.", i, strings.Join(ids, ", "))
}

// checkAnswers holds the results of a turn against the calls of the turn before.
func (t *messagesTurn) checkAnswers(i int, open []string) *refusal {
	open = slices.Clone(open)
	begun := false
	for _, b := range t.blocks {
		if b.Type != "tool_result" {
			begun = true
			continue
		}
		k := slices.Index(open, b.ToolUseID)
		switch {
		case k < 0:
			return refusef("messages", "messages.%d: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", i, b.ToolUseID)
		case begun:
			return refusef("messages", "messages.%d: `tool_result` blocks must come before all other content", i)
		}
		open = slices.Delete(open, k, k+1)
	}
	if len(open) > 0 {
		return unanswered(i-1, open)
	}
	return nil
}

func (t *messagesTurn) checkBlocks(i int) *refusal {
	known := userBlocks
	if t.role == "assistant" {
		known = assistantBlocks
	}
	for k, b := range t.blocks {
		at := fmt.Sprintf("messages.%d.content.%d", i, k)
		if !slices.Contains(known, b.Type) {
			return refusef("messages", "%s: Input tag '%s' found using 'type' does not match any of the expected tags", at, b.Type)
		}
		if members, ok := blockMembers[b.Type]; ok {
			for name := range b.Rest {
				if !slices.Contains(members, name) {
					return refusef("messages", "%s.%s.%s: Extra inputs are not permitted", at, b.Type, name)
				}
			}
		}
		if bad := b.check(at); bad != nil {
			return bad
		}
	}
	return nil
}

func (b *messagesBlock) check(at string) *refusal {
	switch b.Type {
	case "text":
		if strings.TrimSpace(b.Text) == "" {
			return refusef("messages", "messages: text content blocks must contain non-whitespace text")
		}
	case "tool_use":
		if !validID(b.ID) {
			return refusef("messages", "%s.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'", at)
		}
		if !validID(b.Name) || b.Input.Kind() != '{' {
			return refusef("messages", "%s.tool_use.input: Input should be a valid dictionary", at)
		}
	case "tool_result":
		return b.checkResult(at)
	case "thinking":
		if b.Signature != signatureOf(b.Thinking) {
			return refusef("messages", "%s: Invalid `signature` in `thinking` block", at)
		}
	}
	return nil
}

func (b *messagesBlock) checkResult(at string) *refusal {
	if len(b.Content) == 0 || b.Content.Kind() == '"' {
		return nil
	}
	var parts []contentPart
	if json.Unmarshal(b.Content, &parts) != nil {
		return refusef("messages", "%s.tool_result.content: Input should be a valid list", at)
	}
	for _, p := range parts {
		if !slices.Contains(resultBlocks, p.Type) {
			return refusef("messages", "%s.tool_result.content: Input tag '%s' found using 'type' does not match any of the expected tags", at, p.Type)
		}
		if p.Type == "text" && strings.TrimSpace(p.Text) == "" {
			return refusef("messages", "messages: text content blocks must be non-empty")
		}
	}
	return nil
}

// checkThought wants what the model thought before it made calls back before them, where thinking is enabled and the turn
// goes on.
func (m *messagesRequest) checkThought(i int, t messagesTurn, calls []string) *refusal {
	if m.b.Thinking == nil || m.b.Thinking.Type != "enabled" || !m.goesOn(i) {
		return nil
	}
	for _, id := range calls {
		want := m.s.thoughtOf(id)
		if want != "" && !slices.ContainsFunc(t.blocks, func(b messagesBlock) bool { return b.Type == "thinking" && b.Signature == want }) {
			return refusef("messages", "messages.%d.content.0.type: Expected `thinking` or `redacted_thinking`, but found `%s`. When `thinking` is enabled, "+
				"a final `assistant` message must start with a thinking block", i, t.blocks[0].Type)
		}
	}
	return nil
}

// goesOn reports whether all that the user says after turn i are results.
func (m *messagesRequest) goesOn(i int) bool {
	for _, t := range m.turns[i+1:] {
		for _, b := range t.blocks {
			if t.role == "user" && b.Type != "tool_result" {
				return false
			}
		}
	}
	return true
}
