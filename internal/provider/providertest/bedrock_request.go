package providertest

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// bedrockPath takes the path of a request apart: /model/{id}/{action}.
func bedrockPath(path string) (model, action string) {
	path, _, _ = strings.Cut(path, "?")
	segments := strings.Split(path, "/")
	if n := len(segments); n >= 3 && segments[n-3] == "model" {
		model, _ = url.PathUnescape(segments[n-2])
		return model, segments[n-1]
	}
	return "", ""
}

// converseBody is a request of Converse
// (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html).
type converseBody struct {
	Messages   []jsontext.Value `json:"messages"`
	System     []jsontext.Value `json:"system"`
	Inference  *converseLimits  `json:"inferenceConfig"`
	ToolConfig *struct {
		Tools  []jsontext.Value          `json:"tools"`
		Choice jsontext.Value            `json:"toolChoice"`
		Rest   map[string]jsontext.Value `json:",embed"`
	} `json:"toolConfig"`
	Additional struct {
		Thinking *struct {
			Type   string `json:"type"`
			Budget int    `json:"budget_tokens"`
		} `json:"thinking"`
		TopK jsontext.Value `json:"top_k"`
	} `json:"additionalModelRequestFields"`
	Output *struct {
		Effort string `json:"effort"`
		Format *struct {
			Type      string `json:"type"`
			Structure struct {
				Schema struct {
					Schema string `json:"schema"`
				} `json:"jsonSchema"`
			} `json:"structure"`
		} `json:"textFormat"`
		Rest map[string]jsontext.Value `json:",embed"`
	} `json:"outputConfig"`
}

type converseLimits struct {
	Max         *int                      `json:"maxTokens"`
	Temperature *float64                  `json:"temperature"`
	TopP        *float64                  `json:"topP"`
	Stop        []string                  `json:"stopSequences"`
	Rest        map[string]jsontext.Value `json:",embed"`
}

// converseRequest is a request while it is read.
type converseRequest struct {
	*Request
	s      *Server
	b      converseBody
	turns  []converseTurn
	forced bool
}

var converseMembers = []string{
	"messages", "system", "inferenceConfig", "toolConfig", "guardrailConfig", "additionalModelRequestFields", "promptVariables",
	"additionalModelResponseFieldPaths", "requestMetadata", "performanceConfig", "serviceTier", "outputConfig",
}

func readConverse(s *Server, r *Request) *refusal {
	c := &converseRequest{Request: r, s: s}
	model, action := bedrockPath(r.Path)
	r.Model, r.Stream = model, action == "converse-stream"
	if err := json.Unmarshal(r.Raw, &r.Members); err != nil {
		return refusef("", "The request body is not valid JSON: %v", err)
	}
	if err := json.Unmarshal(r.Raw, &c.b); err != nil {
		return refusef("", "Malformed input request: %v", err)
	}
	for _, f := range []func() *refusal{c.checkSigned, c.checkMembers, c.readSystem, c.readTools, c.readTurns, c.checkLimits, c.checkOutput, c.checkTurns, c.checkThinking} {
		if bad := f(); bad != nil {
			return bad
		}
	}
	return nil
}

func (c *converseRequest) checkMembers() *refusal {
	if c.Model == "" {
		return refusef("modelId", "The provided model identifier is invalid.")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Members)) {
		if !slices.Contains(converseMembers, name) {
			return refusef(name, "Malformed input request: extraneous key [%s] is not permitted, please reformat your input and try again.", name)
		}
	}
	return nil
}

func constraint(value any, at, what string) *refusal {
	return refusef(at, "1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s", value, at, what)
}

func (c *converseRequest) readSystem() *refusal {
	for i, v := range c.b.System {
		var b struct {
			Text *string                   `json:"text"`
			Rest map[string]jsontext.Value `json:",embed"`
		}
		if err := json.Unmarshal(v, &b); err != nil {
			return refusef("system", "Malformed input request: %v", err)
		}
		for name := range b.Rest {
			if name != "cachePoint" && name != "guardContent" {
				return refusef("system", "Malformed input request: extraneous key [%s] is not permitted, please reformat your input and try again.", name)
			}
		}
		if b.Text != nil && strings.TrimSpace(*b.Text) == "" {
			return refusef("system", "The text field in the SystemContentBlock object at system.%d is blank. Add text to the text field, and try again.", i)
		}
		if b.Text != nil {
			c.Request.Messages = append(c.Request.Messages, Message{Role: "system", Text: *b.Text, Raw: string(v)})
		}
	}
	return nil
}

func (c *converseRequest) readTools() *refusal {
	t := c.b.ToolConfig
	if t == nil {
		return nil
	}
	for name := range t.Rest {
		return refusef("toolConfig", "Malformed input request: extraneous key [%s] is not permitted, please reformat your input and try again.", name)
	}
	if len(t.Tools) == 0 {
		return constraint("[]", "toolConfig.tools", "Member must have length greater than or equal to 1")
	}
	for i, v := range t.Tools {
		if bad := c.readTool(fmt.Sprintf("toolConfig.tools.%d.member.toolSpec", i+1), v); bad != nil {
			return bad
		}
	}
	return c.readChoice(t.Choice)
}

func (c *converseRequest) readTool(at string, v jsontext.Value) *refusal {
	var tool struct {
		Spec *struct {
			Name        string  `json:"name"`
			Description *string `json:"description"`
			Input       struct {
				JSON jsontext.Value `json:"json"`
			} `json:"inputSchema"`
			Strict bool                      `json:"strict"`
			Rest   map[string]jsontext.Value `json:",embed"`
		} `json:"toolSpec"`
	}
	if err := json.Unmarshal(v, &tool); err != nil || tool.Spec == nil {
		return refusef(at, "Malformed input request: %s: expected a toolSpec", at)
	}
	spec := tool.Spec
	var schema struct {
		Type any `json:"type"`
	}
	switch {
	case len(spec.Rest) > 0:
		return refusef(at, "Malformed input request: extraneous keys at %s are not permitted, please reformat your input and try again.", at)
	case len(spec.Name) > 64:
		return constraint(spec.Name, at+".name", "Member must have length less than or equal to 64")
	case !validID(spec.Name):
		return constraint(spec.Name, at+".name", "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+")
	case slices.Contains(c.ToolNames(), spec.Name):
		return refusef(at, "The tool name %s is already defined. Tool names must be unique.", spec.Name)
	case spec.Description != nil && *spec.Description == "":
		return constraint("", at+".description", "Member must have length greater than or equal to 1")
	case json.Unmarshal(spec.Input.JSON, &schema) != nil || schema.Type != "object":
		return refusef(at, "The value at %s.inputSchema.json.type must be one of the following: object.", at)
	}
	tools := Tool{"function", spec.Name, "", string(spec.Input.JSON), string(v)}
	if spec.Description != nil {
		tools.Description = *spec.Description
	}
	c.Tools = append(c.Tools, tools)
	return nil
}

func (c *converseRequest) readChoice(v jsontext.Value) *refusal {
	if len(v) == 0 {
		return nil
	}
	var choice struct {
		Auto *struct{} `json:"auto"`
		Any  *struct{} `json:"any"`
		Tool *struct {
			Name string `json:"name"`
		} `json:"tool"`
		Rest map[string]jsontext.Value `json:",embed"`
	}
	err := json.Unmarshal(v, &choice)
	said := 0
	for _, is := range []bool{choice.Auto != nil, choice.Any != nil, choice.Tool != nil} {
		if is {
			said++
		}
	}
	switch {
	case err != nil || said != 1 || len(choice.Rest) > 0:
		return refusef("toolConfig.toolChoice", "Malformed input request: toolConfig.toolChoice must be one of auto, any and tool")
	case choice.Tool != nil && !slices.Contains(c.ToolNames(), choice.Tool.Name):
		return refusef("toolConfig.toolChoice", "The tool name %s in toolConfig.toolChoice is not defined in toolConfig.tools.", choice.Tool.Name)
	}
	c.ToolChoice, c.forced = string(v), choice.Auto == nil
	return nil
}

func (c *converseRequest) checkLimits() *refusal {
	l := c.b.Inference
	if l == nil {
		return nil
	}
	for name := range l.Rest {
		return refusef("inferenceConfig", "Malformed input request: extraneous key [%s] is not permitted, please reformat your input and try again.", name)
	}
	switch {
	case l.Max != nil && *l.Max < 1:
		return constraint(*l.Max, "inferenceConfig.maxTokens", "Member must have value greater than or equal to 1")
	case l.Temperature != nil && (*l.Temperature < 0 || *l.Temperature > 1):
		return constraint(*l.Temperature, "inferenceConfig.temperature", "Member must have value less than or equal to 1")
	case l.TopP != nil && (*l.TopP < 0 || *l.TopP > 1):
		return constraint(*l.TopP, "inferenceConfig.topP", "Member must have value less than or equal to 1")
	case slices.Contains(l.Stop, ""):
		return constraint("", "inferenceConfig.stopSequences", "Member must have length greater than or equal to 1")
	}
	return nil
}

func (c *converseRequest) checkOutput() *refusal {
	o := c.b.Output
	if o == nil {
		return nil
	}
	for name := range o.Rest {
		return refusef("outputConfig", "Malformed input request: extraneous key [%s] is not permitted, please reformat your input and try again.", name)
	}
	if f := o.Format; f != nil && (f.Type != "json_schema" || jsontext.Value(f.Structure.Schema.Schema).Kind() != '{' || !jsontext.Value(f.Structure.Schema.Schema).IsValid()) {
		return refusef("outputConfig", "The schema at outputConfig.textFormat.structure.jsonSchema is not valid JSON.")
	}
	return nil
}

// checkThinking holds what is asked of Claude against its rules.
func (c *converseRequest) checkThinking() *refusal {
	t := c.b.Additional.Thinking
	if t == nil || t.Type == "disabled" {
		return nil
	}
	l := c.b.Inference
	switch {
	case t.Type != "enabled" && t.Type != "adaptive":
		return refusef("thinking", "The model returned the following errors: thinking.type: Input should be 'enabled', 'disabled' or 'adaptive'")
	case t.Type == "enabled" && t.Budget < 1024:
		return refusef("thinking", "The model returned the following errors: thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
	case t.Type == "enabled" && l != nil && l.Max != nil && t.Budget >= *l.Max:
		return refusef("thinking", "The model returned the following errors: `max_tokens` must be greater than `thinking.budget_tokens`.")
	}
	return c.checkBeside(t.Type, l)
}

// checkBeside refuses what cannot be said beside thinking.
func (c *converseRequest) checkBeside(kind string, l *converseLimits) *refusal {
	switch {
	case l != nil && l.Temperature != nil && *l.Temperature != 1:
		return refusef("temperature", "The model returned the following errors: `temperature` may only be set to 1 when thinking is enabled.")
	case len(c.b.Additional.TopK) > 0:
		return refusef("top_k", "The model returned the following errors: `top_k` must be unset when thinking is enabled.")
	case c.forced:
		return refusef("toolChoice", "The model returned the following errors: Thinking may not be enabled when tool_choice forces tool use.")
	case kind == "enabled":
		return c.checkThoughts()
	}
	return nil
}
