package anthropic

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// The tests of this file hold what the gateway takes for the Messages API against the SDK: it is a client of the scripted model
// that the gateway is tested with.

func direct(s *providertest.Server) anthropic.Client {
	return anthropic.NewClient(option.WithBaseURL(strings.TrimSuffix(s.URL(), "/v1")), option.WithAPIKey("k"), option.WithMaxRetries(0))
}

func question() anthropic.MessageNewParams {
	tool := anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{Properties: map[string]any{"a": map[string]any{"type": "number"}}, Required: []string{"a"}}, "add")
	return anthropic.MessageNewParams{
		Model: "claude-sonnet-4-5", MaxTokens: 4096, Tools: []anthropic.ToolUnionParam{tool},
		System:   []anthropic.TextBlockParam{{Text: "Be brief.", CacheControl: anthropic.NewCacheControlEphemeralParam()}},
		Thinking: anthropic.ThinkingConfigParamOfEnabled(2048),
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Add."))},
	}
}

// message asks the scripted model.
func message(t *testing.T, c anthropic.Client, stream bool, params anthropic.MessageNewParams) *anthropic.Message {
	t.Helper()
	if !stream {
		m, err := c.Messages.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	var m anthropic.Message
	s := c.Messages.NewStreaming(t.Context(), params)
	defer s.Close()
	for s.Next() {
		if err := m.Accumulate(s.Current()); err != nil {
			t.Errorf("the accumulator rejects %s: %v", s.Current().RawJSON(), err)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return &m
}

// TestScriptedModel has the SDK keep a conversation of thinking and parallel calls with the scripted model, which refuses it
// unless signatures and results are where they must be.
func TestScriptedModel(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := providertest.New(t,
			providertest.Reasoning("Let me ", "see.").Then(providertest.Text("I ", "add."), providertest.Call("toolu_1", "add", `{"a":`, `1}`), providertest.Call("toolu_2", "add", `{"a":2}`)),
			providertest.Text("That ", "is all.").Costs(providertest.Usage{Input: 9, Cached: 4, Output: 7}),
		).RequireKey("k")
		c, params := direct(s), question()
		first := message(t, c, stream, params)
		var blocks, said []string
		var answers []anthropic.ContentBlockParamUnion
		for _, b := range first.Content {
			blocks = append(blocks, b.Type)
			switch block := b.AsAny().(type) {
			case anthropic.ThinkingBlock:
				said = append(said, block.Thinking)
				if block.Signature == "" {
					t.Errorf("stream %v: no signature: %s", stream, b.RawJSON())
				}
			case anthropic.TextBlock:
				said = append(said, block.Text)
			case anthropic.ToolUseBlock:
				said = append(said, block.ID+" "+block.Name)
				answers = append(answers, anthropic.NewToolResultBlock(block.ID, "so", false))
			}
		}
		if got := strings.Join(blocks, ", ") + ": " + strings.Join(said, ", "); first.StopReason != anthropic.StopReasonToolUse ||
			got != "thinking, text, tool_use, tool_use: Let me see., I add., toolu_1 add, toolu_2 add" {
			t.Fatalf("stream %v: %s, %s", stream, got, first.StopReason)
		}
		thoughtless := first.ToParam()
		thoughtless.OfAssistant.Content = thoughtless.OfAssistant.Content[1:]
		talk := params.Messages
		params.Messages = append(slices.Clone(talk), thoughtless, anthropic.NewUserMessage(answers...))
		if _, err := c.Messages.New(t.Context(), params); err == nil || !strings.Contains(err.Error(), "must start with a thinking block") {
			t.Errorf("stream %v: without what it thought: %v", stream, err)
		}
		params.Messages = append(talk, first.ToParam(), anthropic.NewUserMessage(answers...))
		last := message(t, c, stream, params)
		u := last.Usage
		if len(last.Content) != 1 || last.Content[0].Text != "That is all." || last.StopReason != anthropic.StopReasonEndTurn || u.InputTokens != 5 || u.CacheReadInputTokens != 4 || u.OutputTokens != 7 {
			t.Errorf("stream %v: %s", stream, last.RawJSON())
		}
		if seen := s.Request(3); seen.Stream != stream || len(seen.Results()) != 2 {
			t.Errorf("asked %s", seen.Raw)
		}
		n, err := c.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{Model: params.Model, Messages: params.Messages[:1]})
		if err != nil || n.InputTokens == 0 {
			t.Errorf("counted %+v: %v", n, err)
		}
	}
}

// TestScriptedModelRefuses wants errors that the SDK reads as Anthropic's.
func TestScriptedModelRefuses(t *testing.T) {
	s := providertest.New(t, providertest.Error(529, "", "busy"))
	c := direct(s)
	call := func(before ...anthropic.ContentBlockParamUnion) []anthropic.MessageParam {
		return append(question().Messages, anthropic.NewAssistantMessage(append(before, anthropic.NewToolUseBlock("toolu_1", map[string]any{"a": 1}, "add"))...))
	}
	result := anthropic.NewUserMessage(anthropic.NewToolResultBlock("toolu_1", "1", false))
	for _, tt := range []struct {
		name   string
		talk   []anthropic.MessageParam
		status int
		kind   string
		says   string
	}{
		{"overloaded", question().Messages, 529, "overloaded_error", "busy"},
		{"a call without its result", append(call(), question().Messages...), http.StatusBadRequest, "invalid_request_error", "without `tool_result`"},
		{"a signature that is another", append(call(anthropic.NewThinkingBlock("x", "Hm.")), result), http.StatusBadRequest, "invalid_request_error", "signature"},
		{"a result without its call", []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewToolResultBlock("toolu_9", "1", false))}, http.StatusBadRequest, "invalid_request_error", "tool_result"},
	} {
		params := question()
		params.Messages = tt.talk
		_, err := c.Messages.New(t.Context(), params)
		e, ok := errors.AsType[*anthropic.Error](err)
		if !ok || e.StatusCode != tt.status || string(e.Type()) != tt.kind || !strings.Contains(e.RawJSON(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
