package openai

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// The tests of this file hold what the gateway takes for OpenAI's two APIs against the SDK: it is a client of the scripted
// model that the gateway is tested with.

func direct(s *providertest.Server) openai.Client {
	return openai.NewClient(option.WithBaseURL(s.URL()), option.WithAPIKey("k"), option.WithMaxRetries(0))
}

var addSchema = map[string]any{"type": "object", "properties": map[string]any{"a": map[string]any{"type": "number"}}, "required": []string{"a"}, "additionalProperties": false}

func reasoned() responses.ResponseNewParams {
	return responses.ResponseNewParams{
		Model: "gpt-5.4", Store: openai.Bool(false), Instructions: openai.String("Be brief."),
		Include:   []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent},
		Reasoning: shared.ReasoningParam{Effort: shared.ReasoningEffortLow, Summary: shared.ReasoningSummaryAuto},
		Tools:     []responses.ToolUnionParam{responses.ToolParamOfFunction("add", addSchema, true)},
		Input: responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
			responses.ResponseInputItemParamOfMessage("Add.", responses.EasyInputMessageRoleUser),
		}},
	}
}

func output(callID, text string) responses.ResponseInputItemUnionParam {
	item := responses.ResponseInputItemParamOfFunctionCallOutput(text)
	item.OfFunctionCallOutput.CallID = openai.String(callID)
	return item
}

// TestScriptedResponses has the SDK keep a conversation of reasoning and parallel calls with the scripted model, which refuses it
// unless the encrypted reasoning and the outputs are where they must be.
func TestScriptedResponses(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := providertest.New(t,
			providertest.Reasoning("Let me ", "see.").Then(providertest.Text("I ", "add."), providertest.Call("call_1", "add", `{"a":`, `1}`), providertest.Call("call_2", "add", `{"a":2}`)),
			providertest.Text("That ", "is all.").Costs(providertest.Usage{Input: 9, Cached: 4, Output: 7, Reasoning: 2}),
		).RequireKey("k")
		c, params := direct(s), reasoned()
		ask := func() *responses.Response {
			t.Helper()
			if stream {
				return new(events(t, c, params))
			}
			r, err := c.Responses.New(t.Context(), params)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		first := ask()
		wantResponse(t, *first, "I add.", "reasoning", "message", "function_call", "function_call")
		if r := first.Output[0].AsReasoning(); r.EncryptedContent == "" || len(r.Summary) != 1 || r.Summary[0].Text != "Let me see." {
			t.Errorf("stream %v: %s", stream, first.Output[0].RawJSON())
		}
		var answers []responses.ResponseInputItemUnionParam
		for _, item := range first.Output { // sent back as it came
			params.Input.OfInputItemList = append(params.Input.OfInputItemList, param.Override[responses.ResponseInputItemUnionParam](json.RawMessage(item.RawJSON())))
			if call := item.AsFunctionCall(); item.Type == "function_call" {
				answers = append(answers, output(call.CallID, "so "+call.Arguments))
			}
		}
		params.Input.OfInputItemList = append(params.Input.OfInputItemList, answers...)
		last := ask()
		wantResponse(t, *last, "That is all.", "message")
		if u := last.Usage; u.InputTokens != 9 || u.InputTokensDetails.CachedTokens != 4 || u.OutputTokens != 7 || u.OutputTokensDetails.ReasoningTokens != 2 || u.TotalTokens != 16 {
			t.Errorf("stream %v: usage %s", stream, u.RawJSON())
		}
		if seen := s.Request(2); seen.Stream != stream || seen.Results()["call_2"] != `so {"a":2}` {
			t.Errorf("asked %s", seen.Raw)
		}
	}
}

// TestScriptedCompletions has the SDK keep a conversation of parallel calls with the scripted model over chat completions.
func TestScriptedCompletions(t *testing.T) {
	s := providertest.New(t,
		providertest.Text("I ", "add.").Then(providertest.Call("call_1", "add", `{"a":`, `1}`), providertest.Call("call_2", "add", `{"a":2}`)),
		providertest.Text("That ", "is all.").Costs(providertest.Usage{Input: 9, Cached: 4, Output: 7, Reasoning: 2}),
	).RequireKey("k")
	p := params("gpt-4.1")
	p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "add", Parameters: addSchema, Strict: openai.Bool(true)})}
	c := direct(s)
	first := stream(t, c, p)
	if m := first.Choices[0].Message; m.Content != "I add." || len(m.ToolCalls) != 2 || m.ToolCalls[0].Function.Arguments != `{"a":1}` || len(first.calls) != 2 || first.Choices[0].FinishReason != "tool_calls" {
		t.Fatalf("%s", m.RawJSON())
	}
	p.Messages = append(p.Messages, first.Choices[0].Message.ToParam(), openai.ToolMessage("1", "call_1"), openai.ToolMessage("2", "call_2"))
	last, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if u := last.Usage; last.Choices[0].Message.Content != "That is all." || u.PromptTokens != 9 || u.PromptTokensDetails.CachedTokens != 4 || u.CompletionTokens != 7 || u.CompletionTokensDetails.ReasoningTokens != 2 {
		t.Errorf("%s", last.RawJSON())
	}
}

// TestScriptedRefusals wants errors that the SDK reads as OpenAI's.
func TestScriptedRefusals(t *testing.T) {
	c := direct(providertest.New(t, providertest.Error(http.StatusTooManyRequests, "rate_limit_exceeded", "slow down")))
	call := responses.ResponseInputItemParamOfFunctionCall(`{"a":1}`, "call_1", "add")
	foreign := responses.ResponseInputItemParamOfReasoning("rs_1", []responses.ResponseReasoningItemSummaryParam{})
	foreign.OfReasoning.EncryptedContent = openai.String("another's")
	for _, tt := range []struct {
		name   string
		more   []responses.ResponseInputItemUnionParam
		status int
		says   string
	}{
		{"slow down", nil, http.StatusTooManyRequests, "slow down"},
		{"a call without its output", []responses.ResponseInputItemUnionParam{call}, http.StatusBadRequest, "No tool output found"},
		{"an output without its call", []responses.ResponseInputItemUnionParam{output("call_9", "1")}, http.StatusBadRequest, "No tool call found"},
		{"reasoning of another model", []responses.ResponseInputItemUnionParam{foreign}, http.StatusBadRequest, "could not be verified"},
	} {
		params := reasoned()
		params.Input.OfInputItemList = append(params.Input.OfInputItemList, tt.more...)
		_, err := c.Responses.New(t.Context(), params)
		e, ok := errors.AsType[*openai.Error](err)
		switch {
		case !ok:
			t.Errorf("%s: %v", tt.name, err)
		case e.StatusCode != tt.status || !strings.Contains(e.Message, tt.says):
			t.Errorf("%s: status %d, %s", tt.name, e.StatusCode, e.RawJSON())
		}
	}
}
