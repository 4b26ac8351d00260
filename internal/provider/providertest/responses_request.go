package providertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// responsesBody is the part of a request of OpenAI's Responses API that is looked at
// (https://platform.openai.com/docs/api-reference/responses/create).
type responsesBody struct {
	Model         string           `json:"model"`
	Stream        bool             `json:"stream"`
	StreamOptions jsontext.Value   `json:"stream_options"`
	Store         *bool            `json:"store"`
	Background    bool             `json:"background"`
	Include       []string         `json:"include"`
	Instructions  jsontext.Value   `json:"instructions"`
	Input         jsontext.Value   `json:"input"`
	Previous      *string          `json:"previous_response_id"`
	Tools         []jsontext.Value `json:"tools"`
	ToolChoice    jsontext.Value   `json:"tool_choice"`
	Text          struct {
		Format jsontext.Value `json:"format"`
	} `json:"text"`
}

// responsesRequest is a request while it is read.
type responsesRequest struct {
	*Request
	s     *Server
	b     responsesBody
	items []responsesItem
}

// responsesMemory is what the model keeps of its replies.
type responsesMemory struct {
	mu    sync.Mutex
	calls map[string][]string // the calls of the replies that were stored, by their ids
	items map[string]bool     // the ids of their items
}

var responsesMembers = []string{
	"background", "client_metadata", "context_management", "conversation", "include", "input", "instructions", "max_output_tokens",
	"max_tool_calls", "metadata", "model", "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key",
	"prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "store", "stream", "stream_options", "temperature", "text",
	"tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
}

// Members of other APIs that moved.
var movedMembers = map[string]string{
	"messages": "input", "max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens", "response_format": "text.format",
	"reasoning_effort": "reasoning.effort", "verbosity": "text.verbosity",
}

var includes = []string{
	"reasoning.encrypted_content", "file_search_call.results", "message.input_image.image_url", "message.output_text.logprobs",
	"computer_call_output.output.image_url", "code_interpreter_call.outputs", "web_search_call.action.sources", "web_search_call.results",
}

func readResponses(s *Server, r *Request) *refusal {
	return (&responsesRequest{Request: r, s: s}).read()
}

// read fills the request from its raw body and returns what the vendor finds wrong with it.
func (r *responsesRequest) read() *refusal {
	if err := json.Unmarshal(r.Raw, &r.Members); err != nil {
		return refusef("", "We could not parse the JSON body of your request: %v", err)
	}
	if bad := r.checkMembers(); bad != nil {
		return bad
	}
	if err := json.Unmarshal(r.Raw, &r.b); err != nil {
		return refusef("", "Invalid type in the body of your request: %v", err)
	}
	r.Model, r.Stream, r.ToolChoice = r.b.Model, r.b.Stream, string(r.b.ToolChoice)
	r.stores = r.b.Store == nil || *r.b.Store
	r.encrypts = slices.Contains(r.b.Include, "reasoning.encrypted_content")
	for _, f := range []func() *refusal{r.readTools, r.readInput, r.checkTop, r.checkChoice, r.checkState, r.checkCalls, r.checkReasoning} {
		if bad := f(); bad != nil {
			return bad
		}
	}
	return nil
}

func (r *responsesRequest) checkMembers() *refusal {
	for _, name := range slices.Sorted(maps.Keys(r.Members)) {
		if to, moved := movedMembers[name]; moved {
			return refusef(name, "Unsupported parameter: '%s'. In the Responses API, this parameter has moved to '%s'.", name, to)
		}
		if !slices.Contains(responsesMembers, name) {
			return refusef(name, "Unknown parameter: '%s'.", name)
		}
	}
	return nil
}

func (r *responsesRequest) checkTop() *refusal {
	var options map[string]jsontext.Value
	switch {
	case r.b.Model == "":
		return refusef("model", "Missing required parameter: 'model'.")
	case r.b.Background:
		return refusef("background", "Background mode is not available for this model.")
	case len(r.b.StreamOptions) > 0 && json.Unmarshal(r.b.StreamOptions, &options) != nil:
		return refusef("stream_options", "Invalid type for 'stream_options'.")
	case len(options) > 0 && !r.b.Stream:
		return refusef("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if name != "include_obfuscation" {
			return refusef("stream_options."+name, "Unknown parameter: 'stream_options.%s'.", name)
		}
	}
	for i, name := range r.b.Include {
		if !slices.Contains(includes, name) {
			return refusef("include", "Invalid value: '%s' in 'include[%d]'.", name, i)
		}
	}
	if r.encrypts && strings.HasPrefix(r.b.Model, "gpt-4") {
		return refusef("include", "Encrypted content is not supported with this model.")
	}
	return r.checkFormat()
}

func (r *responsesRequest) checkFormat() *refusal {
	if len(r.b.Text.Format) == 0 {
		return nil
	}
	var f struct {
		Type   string         `json:"type"`
		Name   string         `json:"name"`
		Schema jsontext.Value `json:"schema"`
	}
	switch err := json.Unmarshal(r.b.Text.Format, &f); {
	case err != nil || !slices.Contains([]string{"text", "json_object", "json_schema"}, f.Type):
		return refusef("text.format.type", "Invalid value: '%s'. Supported values are: 'json_object', 'json_schema', and 'text'.", f.Type)
	case f.Type == "json_schema" && !validName(f.Name):
		return refusef("text.format.name", "Missing required parameter: 'text.format.name'.")
	case f.Type == "json_schema" && f.Schema.Kind() != '{':
		return refusef("text.format.schema", "Missing required parameter: 'text.format.schema'.")
	}
	return nil
}

// responsesTool is a tool of the client; those of the vendor have other members, by their type.
type responsesTool struct {
	Type        string                    `json:"type"`
	Name        string                    `json:"name"`
	Description string                    `json:"description"`
	Parameters  jsontext.Value            `json:"parameters"`
	Strict      jsontext.Value            `json:"strict"`
	Tools       []jsontext.Value          `json:"tools"` // of a namespace
	Rest        map[string]jsontext.Value `json:",embed"`
}

// Tools that the vendor has itself. It has no MCP.
var builtinTools = []string{
	"web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11", "file_search", "code_interpreter",
	"image_generation", "local_shell", "shell", "apply_patch", "computer", "computer_use_preview", "tool_search",
}

func (r *responsesRequest) readTools() *refusal { return r.readToolList(r.b.Tools, "tools", true) }

func (r *responsesRequest) readToolList(list []jsontext.Value, path string, top bool) *refusal {
	for i, v := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		var t responsesTool
		if json.Unmarshal(v, &t) != nil {
			return refusef(at, "Invalid type for '%s'.", at)
		}
		switch {
		case t.Type == "namespace" && top:
			if bad := r.readToolList(t.Tools, at+".tools", false); bad != nil {
				return bad
			}
			continue
		case slices.Contains(builtinTools, t.Type) && top:
		case t.Type != "function" && t.Type != "custom":
			return refusef(at+".type", "Invalid value: '%s'. Supported values are: 'function', 'custom', and the tools of this vendor.", t.Type)
		default:
			if bad := t.check(at, r.ToolNames()); bad != nil && (top || !slices.Contains(r.ToolNames(), t.Name)) {
				return bad
			}
		}
		r.Tools = append(r.Tools, Tool{t.Type, t.Name, t.Description, string(t.Parameters), string(v)})
	}
	return nil
}

func (t *responsesTool) check(at string, taken []string) *refusal {
	if t.Name == "" {
		return refusef(at+".name", "Missing required parameter: '%s.name'.", at)
	}
	known := []string{"defer_loading", "allowed_callers", "output_schema"}
	if t.Type == "custom" {
		known, t.Parameters = append(known, "format"), nil
	}
	rest := maps.Clone(t.Rest)
	for _, name := range known {
		delete(rest, name)
	}
	f := toolFunction{Name: t.Name, Parameters: t.Parameters, Rest: rest}
	if bad := f.check(at, taken); bad != nil {
		bad.message = strings.ReplaceAll(bad.message, at+".function", at)
		bad.param = strings.ReplaceAll(bad.param, at+".function", at)
		return bad
	}
	return nil
}

func (r *responsesRequest) checkChoice() *refusal {
	choice := r.b.ToolChoice
	switch choice.Kind() {
	case '"':
		s := text(choice)
		if !slices.Contains([]string{"none", "auto", "required"}, s) {
			return refusef("tool_choice", "Invalid value: '%s'. Supported values are: 'none', 'auto', and 'required'.", s)
		}
		if s == "required" && len(r.Tools) == 0 {
			return refusef("tool_choice", "Tool choice 'required' must be specified with 'tools' parameter.")
		}
	case '{':
		return r.checkChosen(choice, "tool_choice", true)
	case 0, 'n':
	default:
		return refusef("tool_choice", "Invalid type for 'tool_choice'.")
	}
	return nil
}

func (r *responsesRequest) checkChosen(v jsontext.Value, at string, top bool) *refusal {
	var c struct {
		Type  string           `json:"type"`
		Name  string           `json:"name"`
		Mode  string           `json:"mode"`
		Tools []jsontext.Value `json:"tools"`
	}
	switch err := json.Unmarshal(v, &c); {
	case err != nil:
		return refusef(at, "Invalid type for '%s'.", at)
	case c.Type == "function" || c.Type == "custom":
		if !slices.Contains(r.ToolNames(), c.Name) {
			return refusef(at, "Tool choice '%s' not found in 'tools' parameter.", c.Name)
		}
	case c.Type == "allowed_tools" && top:
		if c.Mode != "auto" && c.Mode != "required" {
			return refusef(at+".mode", "Invalid value: '%s'. Supported values are: 'auto' and 'required'.", c.Mode)
		}
		for i, t := range c.Tools {
			if bad := r.checkChosen(t, fmt.Sprintf("%s.tools[%d]", at, i), false); bad != nil {
				return bad
			}
		}
	case !slices.Contains(builtinTools, c.Type):
		return refusef(at+".type", "Invalid value: '%s'.", c.Type)
	}
	return nil
}

// checkState refuses what refers to replies that the model has not kept.
func (r *responsesRequest) checkState() *refusal {
	m := &r.s.responses
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := r.b.Previous; p != nil {
		if _, ok := m.calls[*p]; !ok {
			return refusef("previous_response_id", "Previous response with id '%s' not found.", *p)
		}
	}
	for _, it := range r.items {
		if it.Type == "item_reference" && !m.items[it.ID] {
			return refusef("input", "Item with id '%s' not found.", it.ID)
		}
	}
	return nil
}

// openCalls are the calls of the reply that the request goes on from.
func (r *responsesRequest) openCalls() []string {
	m := &r.s.responses
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.b.Previous == nil {
		return nil
	}
	return slices.Clone(m.calls[*r.b.Previous])
}
