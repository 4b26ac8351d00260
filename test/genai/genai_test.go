// Package genai holds what the gateway takes for the Gemini API against Google's own Go SDK: the SDK is a client of the
// scripted model, and its types read what the gateway sends.
package genai

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genai"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/gemini"
)

func client(t *testing.T, s *providertest.Server) *genai.Client {
	t.Helper()
	c, err := genai.NewClient(t.Context(), &genai.ClientConfig{
		APIKey: "k", Backend: genai.BackendGeminiAPI,
		HTTPOptions: genai.HTTPOptions{BaseURL: strings.TrimSuffix(s.URL(), "/v1")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var adds = []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{
	{Name: "add", Description: "Adds.", ParametersJsonSchema: map[string]any{"type": "object", "properties": map[string]any{"a": map[string]any{"type": "number"}}, "required": []string{"a"}}},
	{Name: "sub", Parameters: &genai.Schema{Type: genai.TypeObject, Properties: map[string]*genai.Schema{"a": {Type: genai.TypeNumber}}}},
}}}

// TestChat has the SDK keep a conversation of the strictest generation over rounds of parallel calls: the scripted model
// refuses it unless signatures, ids and results are where they must be.
func TestChat(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := providertest.New(t,
			providertest.Reasoning("Let me ", "see.").Then(providertest.Text("I add."), providertest.Call("c1", "add", `{"a":`, `1}`), providertest.Call("c2", "sub")),
			providertest.Call("c3", "add", `{"a":2}`),
			providertest.Text("That ", "is all.").Costs(providertest.Usage{Input: 9, Cached: 4, Output: 7, Reasoning: 2}),
		).RequireKey("k")
		chat, err := client(t, s).Chats.Create(t.Context(), "gemini-3-pro-preview", &genai.GenerateContentConfig{
			Tools: adds, SystemInstruction: genai.NewContentFromText("Be brief.", ""), Temperature: genai.Ptr[float32](0.5), MaxOutputTokens: 100,
			ThinkingConfig: &genai.ThinkingConfig{IncludeThoughts: true, ThinkingLevel: genai.ThinkingLevelLow},
			ToolConfig:     &genai.ToolConfig{FunctionCallingConfig: &genai.FunctionCallingConfig{Mode: genai.FunctionCallingConfigModeAuto}},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		say := func(parts ...*genai.Part) (all []*genai.Part, last *genai.GenerateContentResponse) {
			t.Helper()
			if !stream {
				r, err := chat.Send(t.Context(), parts...)
				if err != nil {
					t.Fatalf("%v: %s", err, s.Requests()[len(s.Requests())-1].Raw)
				}
				return r.Candidates[0].Content.Parts, r
			}
			for r, err := range chat.SendStream(t.Context(), parts...) {
				if err != nil {
					t.Fatalf("%v: %s", err, s.Requests()[len(s.Requests())-1].Raw)
				}
				all, last = append(all, r.Candidates[0].Content.Parts...), r
			}
			return all, last
		}
		parts := []*genai.Part{genai.NewPartFromText("hi")}
		thought, rounds := "", 0
		for {
			all, last := say(parts...)
			parts = nil
			text := ""
			for _, p := range all {
				switch {
				case p.FunctionCall != nil:
					r := genai.NewPartFromFunctionResponse(p.FunctionCall.Name, map[string]any{"output": "ok"})
					r.FunctionResponse.ID = p.FunctionCall.ID
					parts = append(parts, r)
				case p.Thought:
					thought += p.Text
				default:
					text += p.Text
				}
			}
			if rounds++; len(parts) > 0 {
				continue
			}
			u := last.UsageMetadata
			if text != "That is all." || last.Candidates[0].FinishReason != genai.FinishReasonStop || u.PromptTokenCount != 9 || u.CachedContentTokenCount != 4 || u.CandidatesTokenCount != 5 || u.ThoughtsTokenCount != 2 {
				t.Errorf("stream %v: %q %+v", stream, text, u)
			}
			break
		}
		if thought != "Let me see." || rounds != 3 {
			t.Errorf("stream %v: %d rounds, it thought %q", stream, rounds, thought)
		}
		seen := s.Request(3)
		if seen.Stream != stream || seen.Model != "gemini-3-pro-preview" || !slices.Equal(seen.ToolNames(), []string{"add", "sub"}) || len(seen.Results()) != 3 || seen.Messages[0].Text != "Be brief." {
			t.Errorf("asked %+v", seen)
		}
	}
}

// TestRefusals wants errors that the SDK reads as Google's.
func TestRefusals(t *testing.T) {
	s := providertest.New(t, providertest.Error(429, "", "slow down"))
	c := client(t, s)
	for _, tt := range []struct {
		config *genai.GenerateContentConfig
		model  string
		talk   []*genai.Content
		status string
		says   string
	}{
		{nil, "gemini-2.5-pro", genai.Text("hi"), "RESOURCE_EXHAUSTED", "slow down"},
		{&genai.GenerateContentConfig{Tools: adds, ResponseMIMEType: "application/json"}, "gemini-2.5-pro", genai.Text("hi"), "INVALID_ARGUMENT", "Function calling with a response mime type"},
		{
			&genai.GenerateContentConfig{Tools: adds},
			"gemini-3-pro",
			[]*genai.Content{genai.NewContentFromText("hi", "user"), genai.NewContentFromFunctionCall("add", nil, "model"), genai.NewContentFromFunctionResponse("add", map[string]any{"output": "x"}, "user")},
			"INVALID_ARGUMENT", "missing a thought_signature",
		},
	} {
		_, err := c.Models.GenerateContent(t.Context(), tt.model, tt.talk, tt.config)
		e, ok := errors.AsType[genai.APIError](err)
		if !ok || e.Status != tt.status || !strings.Contains(e.Message, tt.says) {
			t.Errorf("%v", err)
		}
	}
}

// request is a body in the SDK's own types.
type request struct {
	Contents          []*genai.Content        `json:"contents"`
	Tools             []*genai.Tool           `json:"tools"`
	ToolConfig        *genai.ToolConfig       `json:"toolConfig"`
	SystemInstruction *genai.Content          `json:"systemInstruction"`
	GenerationConfig  *genai.GenerationConfig `json:"generationConfig"`
}

// TestRequests wants all that the gateway can send to be what the SDK's types hold, and nothing else.
func TestRequests(t *testing.T) {
	u, err := gemini.NewUpstream(wire.Quirks{})
	if err != nil {
		t.Fatal(err)
	}
	req := &llm.Request{
		Model: "gemini-3-pro", Tools: []llm.Tool{{Name: "f", Description: "d", Schema: []byte(`{"type":"object","properties":{"a":{"const":1}}}`)}},
		Messages: []llm.Message{
			{Role: llm.System, Text: "s"},
			{Role: llm.User, Parts: []llm.Part{{Kind: "text", Text: "t"}, {Kind: "image", MediaType: "image/png", Data: "AAAA"}, {Kind: "file", URI: "gs://b/a.pdf"}}},
			{Role: llm.Assistant, Calls: []llm.Call{{ID: "1", Name: "f", Arguments: `{"a":1}`, Extra: []byte(`"thoughtSignature":"AAAA"`)}}},
			{Role: llm.ToolRole, Result: &llm.Result{CallID: "1", Text: "r", Parts: []llm.Part{{Kind: "image", MediaType: "image/png", Data: "AAAA"}}}},
		},
		Params: llm.Params{
			MaxOutput: 5, Temperature: []byte("1"), TopP: []byte("1"), TopK: []byte("1"), FrequencyPenalty: []byte("1"), PresencePenalty: []byte("1"), Seed: []byte("1"), Stop: []string{"x"},
			Choice: llm.ToolChoice{Mode: "tool", Name: "f"}, Format: &llm.Format{Schema: []byte(`{"type":"object"}`)}, Effort: "low",
		},
	}
	body, err := u.AppendRequest(nil, req)
	if err != nil {
		t.Fatal(err)
	}
	var r request
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if len(r.Contents) != 3 || r.Contents[1].Parts[0].FunctionCall.Name != "f" || len(r.Contents[2].Parts[0].FunctionResponse.Parts) != 1 ||
		r.ToolConfig.FunctionCallingConfig.Mode != genai.FunctionCallingConfigModeAny || r.GenerationConfig.MaxOutputTokens != 5 ||
		!strings.EqualFold(string(r.GenerationConfig.ThinkingConfig.ThinkingLevel), string(genai.ThinkingLevelLow)) {
		t.Errorf("%s", body)
	}
}
