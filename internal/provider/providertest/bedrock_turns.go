package providertest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// converseTurn is one message of a conversation.
type converseTurn struct {
	Role    string                    `json:"role"`
	Content []converseBlock           `json:"content"`
	Rest    map[string]jsontext.Value `json:",embed"`
}

// converseBlock is one block: one of its members is there.
type converseBlock struct {
	Text       *string                   `json:"text"`
	Image      *converseMedia            `json:"image"`
	Document   *converseMedia            `json:"document"`
	ToolUse    *converseUse              `json:"toolUse"`
	ToolResult *converseResult           `json:"toolResult"`
	Reasoning  *converseThought          `json:"reasoningContent"`
	Others     map[string]jsontext.Value `json:",embed"`
}

type converseMedia struct {
	Format string `json:"format"`
	Name   string `json:"name"`
	Source struct {
		Bytes []byte                    `json:"bytes"`
		Rest  map[string]jsontext.Value `json:",embed"`
	} `json:"source"`
	Rest map[string]jsontext.Value `json:",embed"`
}

type converseUse struct {
	ID    string         `json:"toolUseId"`
	Name  string         `json:"name"`
	Input jsontext.Value `json:"input"`
}

type converseResult struct {
	ID      string                    `json:"toolUseId"`
	Content []jsontext.Value          `json:"content"`
	Status  string                    `json:"status"`
	Rest    map[string]jsontext.Value `json:",embed"`
}

type converseThought struct {
	Text *struct {
		Text      string `json:"text"`
		Signature string `json:"signature"`
	} `json:"reasoningText"`
	Redacted string `json:"redactedContent"`
}

var (
	otherBlocks = []string{"cachePoint", "guardContent", "video", "audio", "citationsContent", "searchResult"}
	imageKinds  = []string{"png", "jpeg", "gif", "webp"}
	fileKinds   = []string{"pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"}
)

func (c *converseRequest) readTurns() *refusal {
	if len(c.b.Messages) == 0 {
		return constraint("[]", "messages", "Member must have length greater than or equal to 1")
	}
	for i, v := range c.b.Messages {
		var t converseTurn
		if err := json.Unmarshal(v, &t); err != nil {
			return refusef("messages", "Malformed input request: messages.%d: %v", i, err)
		}
		for name := range t.Rest {
			return refusef("messages", "Malformed input request: extraneous key [%s] is not permitted, please reformat your input and try again.", name)
		}
		if t.Role != "user" && t.Role != "assistant" {
			return constraint(t.Role, fmt.Sprintf("messages.%d.member.role", i+1), "Member must satisfy enum value set: [user, assistant]")
		}
		if len(t.Content) == 0 {
			return refusef("messages", "The content field in the Message object at messages.%d is empty. Add a ContentBlock object to the content field and try again.", i)
		}
		c.turns = append(c.turns, t)
		c.note(&t, string(v))
	}
	return nil
}

// note writes a turn into the messages that every wire's requests are told as.
func (c *converseRequest) note(t *converseTurn, raw string) {
	msg := Message{Role: t.Role, Raw: raw}
	others := 0
	for i := range t.Content {
		b := &t.Content[i]
		switch {
		case b.ToolUse != nil:
			msg.Calls = append(msg.Calls, ToolCall{b.ToolUse.ID, b.ToolUse.Name, string(b.ToolUse.Input)})
		case b.ToolResult != nil:
			c.Request.Messages = append(c.Request.Messages, Message{Role: "tool", CallID: b.ToolResult.ID, Text: b.ToolResult.text(), Raw: raw})
			continue
		case b.Text != nil:
			msg.Text += *b.Text
		}
		others++
	}
	if others > 0 {
		c.Request.Messages = append(c.Request.Messages, msg)
	}
}

// text is the text of a result.
func (r *converseResult) text() string {
	var all strings.Builder
	for _, v := range r.Content {
		var b contentPart
		if json.Unmarshal(v, &b) == nil {
			all.WriteString(b.Text)
		}
	}
	return all.String()
}

// checkTurns holds the conversation against the rules: the user speaks first, roles alternate, and the results of a turn come
// together in the next.
func (c *converseRequest) checkTurns() *refusal {
	seen := map[string]bool{}
	var open []string
	blocks := false
	for i := range c.turns {
		t := &c.turns[i]
		switch {
		case i == 0 && t.Role != "user":
			return refusef("messages", "A conversation must start with a user message. Try again with a conversation that starts with a user message.")
		case i > 0 && c.turns[i-1].Role == t.Role:
			return refusef("messages", "A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.")
		}
		if bad := t.checkBlocks(i); bad != nil {
			return bad
		}
		if bad := t.checkAnswers(i, open); bad != nil {
			return bad
		}
		blocks = blocks || len(open) > 0
		open = nil
		for k := range t.Content {
			if use := t.Content[k].ToolUse; use != nil {
				if seen[use.ID] {
					return refusef("messages", "The model returned the following errors: messages.%d.content.%d: `tool_use` ids must be unique", i, k)
				}
				seen[use.ID] = true
				open = append(open, use.ID)
			}
		}
	}
	switch {
	case len(open) > 0:
		return unanswerable(len(c.turns), open)
	case blocks && len(c.Tools) == 0:
		return refusef("toolConfig", "The toolConfig field must be defined when using toolUse and toolResult content blocks.")
	}
	return nil
}

func unanswerable(i int, ids []string) *refusal {
	return refusef("messages", "Expected toolResult blocks at messages.%d.content for the following Ids: %s", i, strings.Join(ids, ", "))
}

// checkAnswers holds the results of a turn against the calls of the turn before.
func (t *converseTurn) checkAnswers(i int, open []string) *refusal {
	open = slices.Clone(open)
	begun := false
	for _, b := range t.Content {
		if b.ToolResult == nil {
			begun = true
			continue
		}
		k := slices.Index(open, b.ToolResult.ID)
		switch {
		case k < 0:
			return refusef("messages", "The number of toolResult blocks at messages.%d.content exceeds the number of toolUse blocks of previous turn.", i)
		case begun:
			return refusef("messages", "The model returned the following errors: messages.%d: `tool_result` blocks must come before all other content", i)
		}
		open = slices.Delete(open, k, k+1)
	}
	if len(open) > 0 {
		return unanswerable(i, open)
	}
	return nil
}

func (t *converseTurn) checkBlocks(i int) *refusal {
	called, texts, documents := false, false, false
	for k := range t.Content {
		b := &t.Content[k]
		at := fmt.Sprintf("messages.%d.content.%d", i, k)
		if bad := b.check(at, t.Role); bad != nil {
			return bad
		}
		if called && b.Text != nil {
			return refusef("messages", "The text block at %s must come before the toolUse blocks of its message.", at)
		}
		called, texts, documents = called || b.ToolUse != nil, texts || b.Text != nil, documents || b.Document != nil
	}
	if documents && !texts {
		return refusef("messages", "The content field in the Message object at messages.%d has a document and no text. Add a text block and try again.", i)
	}
	return nil
}

// check holds a block against the rules of its kind.
func (b *converseBlock) check(at, role string) *refusal {
	if bad := b.checkKind(at); bad != nil {
		return bad
	}
	switch {
	case b.Text != nil && strings.TrimSpace(*b.Text) == "":
		return refusef("messages", "The text field in the ContentBlock object at %s is blank. Add text to the text field, and try again.", at)
	case b.Image != nil:
		return b.Image.check(at+".image", imageKinds)
	case b.Document != nil:
		return b.Document.checkFile(at + ".document")
	case b.ToolResult != nil:
		return b.ToolResult.check(at+".toolResult", role)
	case role != "assistant" && (b.ToolUse != nil || b.Reasoning != nil):
		return refusef("messages", "User messages cannot contain toolUse or reasoningContent blocks: %s", at)
	case b.ToolUse != nil:
		return b.ToolUse.check(at + ".toolUse")
	case b.Reasoning != nil && b.Reasoning.Text != nil && b.Reasoning.Text.Signature != signatureOf(b.Reasoning.Text.Text):
		return refusef("messages", "The model returned the following errors: %s: Invalid `signature` in `thinking` block", at)
	}
	return nil
}

// checkKind wants exactly one of the kinds that there are.
func (b *converseBlock) checkKind(at string) *refusal {
	kinds := len(b.Others)
	for _, is := range []bool{b.Text != nil, b.Image != nil, b.Document != nil, b.ToolUse != nil, b.ToolResult != nil, b.Reasoning != nil} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		return refusef("messages", "The ContentBlock object at %s must set one of the following keys: text, image, toolUse, toolResult, document, video, reasoningContent.", at)
	}
	for name := range b.Others {
		if !slices.Contains(otherBlocks, name) {
			return refusef("messages", "Malformed input request: extraneous key [%s] is not permitted, please reformat your input and try again.", name)
		}
	}
	return nil
}

func (m *converseMedia) check(at string, formats []string) *refusal {
	switch {
	case !slices.Contains(formats, m.Format):
		return constraint(m.Format, at+".format", "Member must satisfy enum value set: ["+strings.Join(formats, ", ")+"]")
	case len(m.Source.Rest) > 0 || len(m.Rest) > 0:
		return refusef("messages", "Malformed input request: extraneous keys at %s are not permitted, please reformat your input and try again.", at)
	case len(m.Source.Bytes) == 0:
		return constraint("", at+".source.bytes", "Member must have length greater than or equal to 1")
	}
	return nil
}

func (m *converseMedia) checkFile(at string) *refusal {
	if strings.Contains(m.Name, "  ") || m.Name == "" || strings.Trim(m.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -()[]") != "" {
		return refusef("messages", "The file name %q at %s is not valid: it can only contain alphanumeric characters, single whitespace characters, hyphens, parentheses, and square brackets.", m.Name, at)
	}
	return m.check(at, fileKinds)
}

func (u *converseUse) check(at string) *refusal {
	switch {
	case !validID(u.ID) || len(u.ID) > 64:
		return constraint(u.ID, at+".toolUseId", "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+")
	case !validID(u.Name) || len(u.Name) > 64:
		return constraint(u.Name, at+".name", "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+")
	case u.Input.Kind() != '{':
		return refusef("messages", "The format of the value at %s.input is invalid. Provide a json object for the field and try again.", at)
	}
	return nil
}

func (r *converseResult) check(at, role string) *refusal {
	switch {
	case role != "user":
		return refusef("messages", "Assistant messages cannot contain toolResult blocks: %s", at)
	case len(r.Rest) > 0 || r.Status != "" && r.Status != "success" && r.Status != "error":
		return refusef("messages", "Malformed input request: %s, please reformat your input and try again.", at)
	}
	for i, v := range r.Content {
		var b converseBlock
		if json.Unmarshal(v, &b) != nil {
			return refusef("messages", "Malformed input request: %s.content.%d, please reformat your input and try again.", at, i)
		}
		if _, ok := b.Others["json"]; ok {
			continue
		}
		if b.ToolUse != nil || b.ToolResult != nil || b.Reasoning != nil {
			return refusef("messages", "Malformed input request: %s.content.%d, please reformat your input and try again.", at, i)
		}
		if bad := b.check(fmt.Sprintf("%s.content.%d", at, i), role); bad != nil {
			return bad
		}
	}
	return nil
}

// checkThoughts wants what the model thought before it made calls back before them, where the turn goes on.
func (c *converseRequest) checkThoughts() *refusal {
	for i := len(c.turns) - 1; i >= 0; i-- {
		t := &c.turns[i]
		if t.Role == "user" {
			if slices.ContainsFunc(t.Content, func(b converseBlock) bool { return b.ToolResult == nil }) {
				return nil
			}
			continue
		}
		for _, b := range t.Content {
			if b.ToolUse == nil {
				continue
			}
			want := c.s.thoughtOf(b.ToolUse.ID)
			if want != "" && !slices.ContainsFunc(t.Content, func(b converseBlock) bool {
				return b.Reasoning != nil && b.Reasoning.Text != nil && b.Reasoning.Text.Signature == want
			}) {
				return refusef("messages", "The model returned the following errors: messages.%d.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. "+
					"When `thinking` is enabled, a final `assistant` message must start with a thinking block", i)
			}
		}
	}
	return nil
}
