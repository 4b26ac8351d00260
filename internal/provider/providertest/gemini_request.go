package providertest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// fields are the members of an object that the API does not know.
type fields map[string]jsontext.Value

// geminiBody is a request of Google's Gemini API, as far as it is looked at (https://ai.google.dev/api/generate-content, and
// the types of google.golang.org/genai).
type geminiBody struct {
	Contents []jsontext.Value `json:"contents"`
	Tools    []geminiTool     `json:"tools"`
	Config   *geminiConfig    `json:"generationConfig"`
	System   *geminiContent   `json:"systemInstruction"`
	Choice   *geminiChoice    `json:"toolConfig"`
	Safety   jsontext.Value   `json:"safetySettings"`
	Cached   string           `json:"cachedContent"`
	Labels   jsontext.Value   `json:"labels"`
	Rest     fields           `json:",embed"`
}

type geminiTool struct {
	Functions []geminiFunction `json:"functionDeclarations"`
	Search    jsontext.Value   `json:"googleSearch"`
	Code      jsontext.Value   `json:"codeExecution"`
	URLs      jsontext.Value   `json:"urlContext"`
	Rest      fields           `json:",embed"`
}

type geminiFunction struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Parameters  jsontext.Value `json:"parameters"`
	Schema      jsontext.Value `json:"parametersJsonSchema"`
	Response    jsontext.Value `json:"response"`
	Returns     jsontext.Value `json:"responseJsonSchema"`
	Behavior    string         `json:"behavior"`
	Rest        fields         `json:",embed"`
}

type geminiChoice struct {
	Calling *struct {
		Mode    string   `json:"mode"`
		Allowed []string `json:"allowedFunctionNames,omitzero"`
		Rest    fields   `json:",embed"`
	} `json:"functionCallingConfig"`
	Retrieval jsontext.Value `json:"retrievalConfig"`
	Rest      fields         `json:",embed"`
}

type geminiConfig struct {
	MaxOutput   *int            `json:"maxOutputTokens"`
	Temperature *float64        `json:"temperature"`
	TopP        *float64        `json:"topP"`
	TopK        *float64        `json:"topK"`
	Seed        *int32          `json:"seed"`
	Presence    *float64        `json:"presencePenalty"`
	Frequency   *float64        `json:"frequencyPenalty"`
	Candidates  *int            `json:"candidateCount"`
	Stop        []string        `json:"stopSequences"`
	MediaType   string          `json:"responseMimeType"`
	Schema      jsontext.Value  `json:"responseSchema"`
	JSONSchema  jsontext.Value  `json:"responseJsonSchema"`
	Modalities  []string        `json:"responseModalities"`
	Resolution  string          `json:"mediaResolution"`
	Thinking    *geminiThinking `json:"thinkingConfig"`
	Rest        fields          `json:",embed"`
}

type geminiThinking struct {
	Budget *int   `json:"thinkingBudget"`
	Level  string `json:"thinkingLevel"`
	Tell   bool   `json:"includeThoughts"`
	Rest   fields `json:",embed"`
}

// geminiRequest is a request while it is read.
type geminiRequest struct {
	*Request
	s      *Server
	b      geminiBody
	turns  []geminiContent
	made   int      // calls so far
	called []string // ids of the calls of the last turn whose results have not come
}

func readGemini(s *Server, r *Request) *refusal { return (&geminiRequest{Request: r, s: s}).read() }

// geminiPath takes the model out of a path, and says whether a stream is asked for.
func geminiPath(uri string) (model, method string, query url.Values) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", "", nil
	}
	at := strings.LastIndexByte(u.Path, ':')
	path := u.Path[:max(at, 0)]
	if _, name, ok := strings.Cut(path, "/models/"); ok {
		model = name
	} else {
		model = path[strings.LastIndexByte(path, '/')+1:]
	}
	return model, u.Path[at+1:], u.Query()
}

// read fills the request from its path and its raw body, and returns what the vendor finds wrong with it.
func (g *geminiRequest) read() *refusal {
	model, method, query := geminiPath(g.Path)
	g.Model, g.Stream = model, method == "streamGenerateContent"
	g.IncludeUsage = true
	if err := json.Unmarshal(g.Raw, &g.Members); err != nil {
		return refusef("", "Invalid JSON payload received. %v", err)
	}
	if err := json.Unmarshal(g.Raw, &g.b); err != nil {
		return refusef("", "Invalid JSON payload received. %v", err)
	}
	if g.Stream && query.Get("alt") != "sse" {
		return refusef("alt", "the scripted model streams events only: ask with alt=sse")
	}
	g.system()
	for _, f := range []func() *refusal{g.checkAccess, g.readTools, g.checkConfig, g.readTurns, g.checkTop, g.checkChoice, g.checkTurns} {
		if bad := f(); bad != nil {
			return bad
		}
	}
	g.thinks = g.b.Config != nil && g.b.Config.Thinking != nil && g.b.Config.Thinking.Tell
	return nil
}

func (g *geminiRequest) checkAccess() *refusal {
	if g.Header.Get("X-Goog-Api-Key") == "" && !strings.HasPrefix(g.Header.Get("Authorization"), "Bearer ") {
		return &refusal{message: "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.", status: http.StatusForbidden}
	}
	return nil
}

// unknown refuses members that the API does not know.
func (f fields) unknown(at string) *refusal {
	if len(f) == 0 {
		return nil
	}
	name := slices.Min(slices.Collect(maps.Keys(f)))
	if at != "" {
		at = " at '" + at + "'"
	}
	return refusef(name, "Invalid JSON payload received. Unknown name %q%s: Cannot find field.", name, at)
}

func (g *geminiRequest) system() {
	if g.b.System == nil {
		return
	}
	m := Message{Role: "system"}
	for _, p := range g.b.System.Parts {
		m.Text += p.text()
	}
	g.Request.Messages = append(g.Request.Messages, m)
}

func (g *geminiRequest) checkTop() *refusal {
	if bad := g.b.Rest.unknown(""); bad != nil {
		return bad
	}
	if g.Model == "" {
		return refusef("model", "* GenerateContentRequest.model: model is not specified")
	}
	if g.b.System == nil {
		return nil
	}
	return g.b.System.check("system_instruction")
}

// geminiName is the form of a function's name.
func geminiName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-") == "" && !strings.ContainsAny(s[:1], "0123456789.:-")
}

func (g *geminiRequest) readTools() *refusal {
	lists := 0
	for i, t := range g.b.Tools {
		at := "tools[" + string(rune('0'+i%10)) + "]"
		if bad := t.Rest.unknown(at); bad != nil {
			return bad
		}
		if len(t.Functions) > 0 {
			lists++
		}
		for _, f := range t.Functions {
			if bad := g.readFunction(f, at); bad != nil {
				return bad
			}
		}
	}
	if lists > 1 {
		return refusef("tools", "Multiple tools are supported only when they are all search tools.")
	}
	return nil
}

func (g *geminiRequest) readFunction(f geminiFunction, at string) *refusal {
	switch {
	case len(f.Rest) > 0:
		return f.Rest.unknown(at + ".function_declarations[" + f.Name + "]")
	case !geminiName(f.Name):
		return refusef("tools", "* GenerateContentRequest.%s.function_declarations[0].name: Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64.", at)
	case slices.Contains(g.ToolNames(), f.Name):
		return refusef("tools", "Duplicate function declaration found: %s", f.Name)
	case len(f.Parameters) > 0 && len(f.Schema) > 0:
		return refusef("tools", "parameters and parameters_json_schema are mutually exclusive")
	}
	schema := f.Schema
	if len(f.Parameters) > 0 {
		schema = f.Parameters
		if bad := checkOpenAPI(schema, at+".function_declarations["+f.Name+"].parameters"); bad != nil {
			return bad
		}
	} else if len(schema) > 0 {
		if bad := checkJSONSchema(schema, at+".function_declarations["+f.Name+"].parameters_json_schema"); bad != nil {
			return bad
		}
	}
	g.Tools = append(g.Tools, Tool{"function", f.Name, f.Description, string(schema), string(marshal(f))})
	return nil
}

func (g *geminiRequest) checkChoice() *refusal {
	c := g.b.Choice
	if c == nil {
		return nil
	}
	if bad := c.Rest.unknown("tool_config"); bad != nil || c.Calling == nil {
		return bad
	}
	g.ToolChoice = string(marshal(c.Calling))
	switch {
	case len(c.Calling.Rest) > 0:
		return c.Calling.Rest.unknown("tool_config.function_calling_config")
	case len(g.Tools) == 0:
		return refusef("toolConfig", "Function calling config is set without function_declarations.")
	case !slices.Contains([]string{"AUTO", "ANY", "NONE", "VALIDATED"}, c.Calling.Mode):
		return refusef("toolConfig", "Invalid value at 'tool_config.function_calling_config.mode': %q", c.Calling.Mode)
	case len(c.Calling.Allowed) > 0 && c.Calling.Mode != "ANY" && c.Calling.Mode != "VALIDATED":
		return refusef("toolConfig", "Allowed function names can only be set when the function calling mode is ANY.")
	}
	for _, name := range c.Calling.Allowed {
		if !slices.Contains(g.ToolNames(), name) {
			return refusef("toolConfig", "The allowed function name %s is not declared.", name)
		}
	}
	return nil
}
