package providertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// responsesItem is one item of a conversation, with the members that are looked at.
type responsesItem struct {
	Type      string                    `json:"type"`
	ID        string                    `json:"id"`
	Role      string                    `json:"role"`
	Content   jsontext.Value            `json:"content"`
	CallID    string                    `json:"call_id"`
	Name      string                    `json:"name"`
	Arguments jsontext.Value            `json:"arguments"`
	Input     jsontext.Value            `json:"input"`
	Output    jsontext.Value            `json:"output"`
	Summary   []contentPart             `json:"summary"`
	Encrypted *string                   `json:"encrypted_content"`
	Rest      map[string]jsontext.Value `json:",embed"`
}

// itemTypes are the items that may come in, with the beginning of their ids and the members that they may have beside those
// that are read; nil for any. There is none of MCP.
var itemTypes = map[string]struct {
	prefix  string
	members []string
}{
	"message":                 {"msg", []string{"status", "phase"}},
	"function_call":           {"fc", []string{"status", "namespace", "caller"}},
	"function_call_output":    {"", []string{"status", "caller"}},
	"custom_tool_call":        {"ctc", []string{"status", "namespace", "caller"}},
	"custom_tool_call_output": {"", []string{"status", "caller"}},
	"reasoning":               {"rs", []string{"status"}},
	"item_reference":          {"", nil},
	"web_search_call":         {"ws", nil}, "file_search_call": {"fs", nil}, "code_interpreter_call": {"ci", nil}, "image_generation_call": {"ig", nil},
	"computer_call": {"", nil}, "computer_call_output": {"", nil}, "local_shell_call": {"", nil}, "local_shell_call_output": {"", nil},
	"shell_call": {"", nil}, "shell_call_output": {"", nil}, "apply_patch_call": {"", nil}, "apply_patch_call_output": {"", nil},
	"compaction": {"", nil}, "tool_search_call": {"", nil}, "tool_search_output": {"", nil},
}

// readInput reads the conversation, and notes it in the messages that every wire's requests are told as.
func (r *responsesRequest) readInput() *refusal {
	if s := text(r.b.Instructions); s != "" {
		r.Messages = append(r.Messages, Message{Role: "system", Text: s, Raw: string(r.b.Instructions)})
	}
	var raw []jsontext.Value
	switch r.b.Input.Kind() {
	case '"':
		r.Messages = append(r.Messages, Message{Role: "user", Text: text(r.b.Input), Raw: string(r.b.Input)})
		return nil
	case '[':
		if err := json.Unmarshal(r.b.Input, &raw); err != nil {
			return refusef("input", "Invalid type for 'input': %v", err)
		}
	case 0:
		return refusef("input", "Missing required parameter: 'input'.")
	default:
		return refusef("input", "Invalid type for 'input': expected one of an array of objects or string.")
	}
	ids := map[string]bool{}
	for i, v := range raw {
		at := fmt.Sprintf("input[%d]", i)
		var it responsesItem
		if json.Unmarshal(v, &it) != nil {
			return refusef(at, "Invalid type for '%s'.", at)
		}
		if it.Type == "" && it.Role != "" {
			it.Type = "message"
		}
		if bad := it.check(at); bad != nil {
			return bad
		}
		if it.ID != "" && ids[it.ID] {
			return refusef("input", "Duplicate item found with id %s. Remove duplicate items from your input and try again.", it.ID)
		}
		ids[it.ID] = true
		r.items = append(r.items, it)
		r.note(&it, string(v))
	}
	return nil
}

func (it *responsesItem) check(at string) *refusal {
	known, ok := itemTypes[it.Type]
	switch {
	case !ok:
		return refusef(at+".type", "Invalid value: '%s'. Supported values are: %s.", it.Type, strings.Join(slices.Sorted(maps.Keys(itemTypes)), ", "))
	case strings.Contains(it.ID, "_fl_"):
		return refusef(at+".id", "Item with id '%s' not found.", it.ID)
	case it.ID != "" && known.prefix != "" && !strings.HasPrefix(it.ID, known.prefix+"_"):
		return refusef(at+".id", "Invalid '%s.id': '%s'. Expected an ID that begins with '%s'.", at, it.ID, known.prefix)
	case len(it.CallID) > 64:
		return refusef(at+".call_id", "Invalid '%s.call_id': string too long. Expected a string with maximum length 64.", at)
	}
	for _, name := range slices.Sorted(maps.Keys(it.Rest)) {
		if known.members != nil && !slices.Contains(known.members, name) {
			return refusef(at+"."+name, "Unknown parameter: '%s.%s'.", at, name)
		}
	}
	return it.checkType(at)
}

// checkType looks at what an item of its type must have.
func (it *responsesItem) checkType(at string) *refusal {
	switch it.Type {
	case "message":
		return it.checkMessage(at)
	case "function_call", "custom_tool_call":
		return it.checkCall(at)
	case "function_call_output", "custom_tool_call_output":
		if it.CallID == "" || len(it.Output) == 0 {
			return refusef(at+".output", "Missing required parameter: '%s.output'.", at)
		}
		return checkParts(it.Output, at+".output", []string{"input_text", "input_image", "input_file"})
	case "reasoning":
		if it.Summary == nil {
			return refusef(at+".summary", "Missing required parameter: '%s.summary'.", at)
		}
	}
	return nil
}

func (it *responsesItem) checkMessage(at string) *refusal {
	parts := []string{"input_text", "input_image", "input_file", "input_audio"}
	switch it.Role {
	case "user", "system", "developer":
	case "assistant":
		parts = []string{"output_text", "refusal"}
	default:
		return refusef(at+".role", "Invalid value: '%s'. Supported values are: 'assistant', 'system', 'developer', and 'user'.", it.Role)
	}
	if len(it.Content) == 0 {
		return refusef(at+".content", "Missing required parameter: '%s.content'.", at)
	}
	return checkParts(it.Content, at+".content", parts)
}

// checkParts wants a text, or a list of parts of these types.
func checkParts(v jsontext.Value, at string, types []string) *refusal {
	if v.Kind() == '"' {
		return nil
	}
	var parts []contentPart
	if json.Unmarshal(v, &parts) != nil {
		return refusef(at, "Invalid type for '%s': expected one of an array of objects or string.", at)
	}
	for i, p := range parts {
		if !slices.Contains(types, p.Type) {
			return refusef(fmt.Sprintf("%s[%d]", at, i), "Invalid value: '%s'. Supported values are: %s.", p.Type, strings.Join(types, ", "))
		}
	}
	return nil
}

func (it *responsesItem) checkCall(at string) *refusal {
	args, name := it.Arguments, "arguments"
	if it.Type == "custom_tool_call" {
		args, name = it.Input, "input"
	}
	switch {
	case it.CallID == "":
		return refusef(at+".call_id", "Missing required parameter: '%s.call_id'.", at)
	case !validName(it.Name):
		return refusef(at+".name", "Invalid '%s.name': string does not match pattern '^[a-zA-Z0-9_-]+$'.", at)
	case args.Kind() != '"':
		return refusef(at+"."+name, "Invalid type for '%s.%s': expected a string.", at, name)
	}
	return nil
}

// note writes an item into the messages: calls that stand together are one turn.
func (r *responsesRequest) note(it *responsesItem, raw string) {
	m := Message{Role: it.Role, Text: text(it.Content), Raw: raw, content: it.Content}
	switch it.Type {
	case "message":
	case "function_call", "custom_tool_call":
		c := ToolCall{it.CallID, it.Name, text(it.Arguments) + text(it.Input)}
		if n := len(r.Messages); n > 0 && r.Messages[n-1].Role == "assistant" {
			r.Messages[n-1].Calls = append(r.Messages[n-1].Calls, c)
			return
		}
		m.Role, m.Calls = "assistant", []ToolCall{c}
	case "function_call_output", "custom_tool_call_output":
		m.Role, m.CallID, m.Text = "tool", it.CallID, text(it.Output)
	default:
		return
	}
	r.Messages = append(r.Messages, m)
}

// checkCalls holds calls against their outputs: every call has one behind it, and no output is without a call.
func (r *responsesRequest) checkCalls() *refusal {
	open, seen := r.openCalls(), map[string]bool{}
	for _, it := range r.items {
		switch it.Type {
		case "function_call", "custom_tool_call":
			if seen[it.CallID] {
				return refusef("input", "Duplicate function call with call_id %s.", it.CallID)
			}
			seen[it.CallID] = true
			open = append(open, it.CallID)
		case "function_call_output", "custom_tool_call_output":
			k := slices.Index(open, it.CallID)
			if k < 0 {
				return refusef("input", "No tool call found for function call output with call_id %s.", it.CallID)
			}
			open = slices.Delete(open, k, k+1)
		}
	}
	if len(open) > 0 {
		return refusef("input", "No tool output found for function call %s.", open[0])
	}
	return nil
}

// checkReasoning wants the reasoning that led to a call before it, as it was: nothing of it is kept here when the request
// says store: false. A call without the item's id is somebody's own telling, and needs none.
func (r *responsesRequest) checkReasoning() *refusal {
	var last *responsesItem // the reasoning of the turn at hand
	for i := range r.items {
		it := &r.items[i]
		switch it.Type {
		case "reasoning":
			last = it
			if bad := r.checkSeal(it); bad != nil {
				return bad
			}
		case "message":
			if it.Role != "assistant" {
				last = nil
			}
		case "function_call", "custom_tool_call":
			want := r.s.thoughtOf(responsesThought + it.CallID)
			if it.ID != "" && want != "" && (last == nil || last.sealed() != want) {
				return refusef("input", "Item '%s' of type '%s' was provided without its required 'reasoning' item.", it.ID, it.Type)
			}
		}
	}
	return nil
}

// checkSeal wants a reasoning item whole: with its sealed content as it was, or with content of its own.
func (r *responsesRequest) checkSeal(it *responsesItem) *refusal {
	switch s := it.sealed(); {
	case s == "" && !r.stores && (len(it.Content) == 0 || string(it.Content) == "[]"):
		return refusef("input", "Item with id '%s' not found. Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input.", it.ID)
	case s != "" && s != sealOf(it.thought()):
		return refusef("input", "The encrypted content for item %s could not be verified.", it.ID)
	}
	return nil
}

// responsesThought is before the ids of calls under which thoughts of this wire are remembered.
const responsesThought = "responses "

func (it *responsesItem) sealed() string {
	if it.Encrypted == nil {
		return ""
	}
	return *it.Encrypted
}

// thought is the text of a reasoning's summary.
func (it *responsesItem) thought() string {
	var b strings.Builder
	for _, p := range it.Summary {
		b.WriteString(p.Text)
	}
	return b.String()
}
