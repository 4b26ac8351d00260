package providertest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// refusal is why a vendor would refuse a request.
type refusal struct {
	message string
	param   string
	status  int    // 0: 400
	name    string // converse: the exception's, where the status does not say it
}

func refusef(param, format string, args ...any) *refusal {
	return &refusal{message: fmt.Sprintf(format, args...), param: param}
}

// read fills r from its raw body and returns what a vendor finds wrong with it.
func (r *Request) read() *refusal {
	var b body
	if err := json.Unmarshal(r.Raw, &r.Members); err != nil {
		return refusef("", "We could not parse the JSON body of your request: %v", err)
	}
	if err := json.Unmarshal(r.Raw, &b); err != nil {
		return refusef("", "Invalid type in the body of your request: %v", err)
	}
	r.Model, r.Stream, r.ToolChoice = b.Model, b.Stream, string(b.ToolChoice)
	r.IncludeUsage = b.StreamOptions != nil && b.StreamOptions.IncludeUsage
	for _, f := range [...]func(body) *refusal{r.readTools, r.readMessages, r.checkTop, r.checkTurns} {
		if bad := f(b); bad != nil {
			return bad
		}
	}
	return nil
}

// Members that are the gateway's business and must not reach a vendor.
var gatewayMembers = []string{"mock_response", "mock_tool_calls", "mcp_servers", "mcp_options", "litellm_metadata", "litellm_trace_id"}

func (r *Request) checkTop(b body) *refusal {
	_, choice := r.Members["tool_choice"]
	_, parallel := r.Members["parallel_tool_calls"]
	switch {
	case b.Model == "":
		return refusef("model", "you must provide a model parameter")
	case choice && len(r.Tools) == 0:
		return refusef("tool_choice", "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
	case parallel && len(r.Tools) == 0:
		return refusef("parallel_tool_calls", "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.")
	case b.StreamOptions != nil && !b.Stream:
		return refusef("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	for _, name := range gatewayMembers {
		if _, ok := r.Members[name]; ok {
			return refusef(name, "Unrecognized request argument supplied: %s", name)
		}
	}
	if len(b.N) > 0 && b.N.Kind() != 'n' {
		var n int
		if json.Unmarshal(b.N, &n) != nil || n < 1 || n > 128 {
			return refusef("n", "Invalid 'n': expected an integer from 1 to 128.")
		}
	}
	return r.checkChoice(b.ToolChoice)
}

func (r *Request) checkChoice(choice jsontext.Value) *refusal {
	switch choice.Kind() {
	case '"':
		if s := text(choice); !slices.Contains([]string{"none", "auto", "required"}, s) {
			return refusef("tool_choice", "Invalid value: '%s'. Supported values are: 'none', 'auto', and 'required'.", s)
		}
	case '{':
		var t tool
		if json.Unmarshal(choice, &t) == nil && (t.Type == "custom" || t.Type == "allowed_tools") {
			return nil
		}
		if t.Type != "function" || t.Function == nil {
			return refusef("tool_choice", "Invalid value for 'tool_choice'.")
		}
		if !slices.Contains(r.ToolNames(), t.Function.Name) {
			return refusef("tool_choice", "Tool choice '%s' not found in 'tools' parameter.", t.Function.Name)
		}
	case 0, 'n':
	default:
		return refusef("tool_choice", "Invalid type for 'tool_choice'.")
	}
	return nil
}

func (r *Request) readTools(b body) *refusal {
	if len(b.Tools) == 0 || b.Tools.Kind() == 'n' {
		return nil
	}
	var raw []jsontext.Value
	if json.Unmarshal(b.Tools, &raw) != nil {
		return refusef("tools", "Invalid type for 'tools': expected an array of objects.")
	}
	if len(raw) == 0 {
		return refusef("tools", "Invalid 'tools': empty array. Expected an array with minimum length 1.")
	}
	for i, v := range raw {
		at := fmt.Sprintf("tools[%d]", i)
		var t tool
		if json.Unmarshal(v, &t) != nil {
			return refusef(at, "Invalid type for '%s'.", at)
		}
		if bad := t.check(at, r.ToolNames()); bad != nil {
			return bad
		}
		if t.Custom != nil {
			t.Function = t.Custom
		}
		r.Tools = append(r.Tools, Tool{t.Type, t.Function.Name, t.Function.Description, string(t.Function.Parameters), string(v)})
	}
	return nil
}

func (t *tool) check(at string, taken []string) *refusal {
	switch {
	case t.Type == "custom" && t.Custom != nil:
		t.Custom.Rest, t.Custom.Parameters = nil, nil // format and the like
		return t.Custom.check(at, taken)
	case t.Type != "function":
		return refusef(at+".type", "Invalid value: '%s'. Supported values are: 'function' and 'custom'.", t.Type)
	case t.Function == nil:
		return refusef(at+".function", "Missing required parameter: '%s.function'.", at)
	}
	return t.Function.check(at, taken)
}

func (f *toolFunction) check(at string, taken []string) *refusal {
	if !validName(f.Name) {
		return refusef(at+".function.name", "Invalid '%s.function.name': string does not match pattern '^[a-zA-Z0-9_-]{1,64}$'.", at)
	}
	if slices.Contains(taken, f.Name) {
		return refusef(at+".function.name", "Tool names must be unique: '%s'.", f.Name)
	}
	for name := range f.Rest {
		return refusef(at+".function."+name, "Unknown parameter: '%s.function.%s'.", at, name)
	}
	if len(f.Parameters) == 0 {
		return nil
	}
	var schema struct {
		Type any `json:"type"`
	}
	if f.Parameters.Kind() != '{' || json.Unmarshal(f.Parameters, &schema) != nil || schema.Type != "object" {
		return refusef(at+".function.parameters", "Invalid schema for function '%s': schema must be a JSON Schema of 'type: \"object\"'.", f.Name)
	}
	return nil
}

func validName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}

// Members that a message may have beside those that are read. The reasoning of some vendors comes back in them.
var messageMembers = []string{"name", "refusal", "audio", "function_call", "annotations", "reasoning_content", "reasoning", "reasoning_details", "cache_control", "prefix"}

func (r *Request) readMessages(b body) *refusal {
	if len(b.Messages) == 0 {
		return refusef("messages", "Invalid 'messages': empty array. Expected an array with minimum length 1.")
	}
	for i, v := range b.Messages {
		at := fmt.Sprintf("messages[%d]", i)
		var m message
		if err := json.Unmarshal(v, &m); err != nil {
			return refusef(at, "Invalid type in '%s': %v", at, err)
		}
		if bad := m.check(at); bad != nil {
			return bad
		}
		msg := Message{Role: m.Role, Text: text(m.Content), CallID: m.ToolCallID, Raw: string(v), content: m.Content, rest: m.Rest}
		for _, c := range m.ToolCalls {
			msg.Calls = append(msg.Calls, ToolCall{c.ID, c.Function.Name + c.Custom.Name, text(c.Function.Arguments) + c.Custom.Input})
		}
		r.Messages = append(r.Messages, msg)
	}
	return nil
}

func (m *message) check(at string) *refusal {
	if !slices.Contains([]string{"system", "developer", "user", "assistant", "tool", "function"}, m.Role) {
		return refusef(at+".role", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", m.Role)
	}
	for name := range m.Rest {
		if !slices.Contains(messageMembers, name) {
			return refusef(at+"."+name, "Unknown parameter: '%s.%s'.", at, name)
		}
	}
	if bad := m.checkContent(at); bad != nil {
		return bad
	}
	if m.ToolCalls != nil && (m.Role != "assistant" || len(m.ToolCalls) == 0) {
		return refusef(at+".tool_calls", "Invalid '%s.tool_calls'.", at)
	}
	for i, c := range m.ToolCalls {
		if bad := c.check(fmt.Sprintf("%s.tool_calls[%d]", at, i)); bad != nil {
			return bad
		}
	}
	return nil
}

func (m *message) checkContent(at string) *refusal {
	var parts []contentPart
	if json.Unmarshal(m.Content, &parts) == nil {
		for i, p := range parts {
			if p.Type == "" {
				return refusef(at+".content", "Missing required parameter: '%s.content[%d].type'.", at, i)
			}
			if p.Type == "image_url" && m.Role != "user" {
				return refusef(at, "Invalid '%s'. Image URLs are only allowed for messages with role 'user', but this message with role '%s' contains an image URL.", at, m.Role)
			}
		}
	}
	switch k := m.Content.Kind(); {
	case k == '"' || k == '[':
	case m.Role == "assistant" && len(m.ToolCalls) > 0 && (k == 0 || k == 'n'):
	case k == 0:
		return refusef(at+".content", "Missing required parameter: '%s.content'.", at)
	default:
		return refusef(at+".content", "Invalid value for 'content': expected a string, got %s.", m.Content)
	}
	return nil
}

func (c *toolCall) check(at string) *refusal {
	switch {
	case c.ID == "":
		return refusef(at+".id", "Missing required parameter: '%s.id'.", at)
	case c.Type == "custom" && c.Custom.Name != "":
	case c.Type != "function":
		return refusef(at+".type", "Invalid value: '%s'. Supported values are: 'function' and 'custom'.", c.Type)
	case !validName(c.Function.Name):
		return refusef(at+".function.name", "Invalid '%s.function.name': string does not match pattern '^[a-zA-Z0-9_-]{1,64}$'.", at)
	case c.Function.Arguments.Kind() != '"':
		return refusef(at+".function.arguments", "Invalid type for '%s.function.arguments': expected a string.", at)
	}
	return nil
}

// checkTurns holds calls against their answers: every call has one, directly after the message that made it.
func (r *Request) checkTurns(body) *refusal {
	var open []string // calls of the last assistant message that have no answer yet
	unanswered := func() *refusal {
		if len(open) == 0 {
			return nil
		}
		return refusef("messages", "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "+
			"The following tool_call_ids did not have response messages: %s", strings.Join(open, ", "))
	}
	for i, m := range r.Messages {
		if m.Role == "tool" {
			k := slices.Index(open, m.CallID)
			if k < 0 {
				return refusef(fmt.Sprintf("messages[%d].role", i),
					"Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.")
			}
			open = slices.Delete(open, k, k+1)
			continue
		}
		if bad := unanswered(); bad != nil {
			return bad
		}
		for _, c := range m.Calls {
			if slices.Contains(open, c.ID) {
				return refusef(fmt.Sprintf("messages[%d].tool_calls", i), "Duplicate tool call id '%s'.", c.ID)
			}
			open = append(open, c.ID)
		}
	}
	return unanswered()
}
