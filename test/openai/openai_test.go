// Package openai reads the gateway's streams with OpenAI's own Go SDK, and holds the scripted model against it.
package openai

import (
	"os"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/test/gateway"
	"github.com/fairlead/fairlead/test/scripted"
)

func TestMain(m *testing.M) {
	mcptest.Main() // does not return in a child
	code := m.Run()
	gateway.Clean()
	os.Exit(code)
}

var scripts = map[string][]scripted.Turn{
	"answer": {{Text: "A plain answer."}},
	"rounds": {
		{Text: "First I look.", Calls: []scripted.Call{{Name: "tools-echo", Arguments: `{"x":1}`}}},
		{Calls: []scripted.Call{{Name: "tools-echo", Arguments: `{"x":2}`}, {Name: "tools-echo", Arguments: `{"x":3}`}}},
		{Text: "That is all."},
	},
	"silent": {
		{Calls: []scripted.Call{{Name: "tools-echo", Arguments: `{}`}}},
		{Text: "Done."},
	},
	"mixed": {
		{Text: "Both.", Calls: []scripted.Call{
			{Name: "tools-echo", Arguments: `{"x":1}`},
			{Name: "of_the_client", Arguments: `{"y":2}`},
		}},
		{Text: "The client said {result}"},
	},
	"failing": {
		{Calls: []scripted.Call{{Name: "tools-fail", Arguments: `{}`}}},
		{Text: "Told: {result}"},
	},
	"asked": {
		{Calls: []scripted.Call{{Name: "tools-echo", Arguments: `{"x":1}`}}},
		{Text: "Told: {result}"},
	},
}

// read is what the accumulator made of a stream.
type read struct {
	openai.ChatCompletionAccumulator
	contents []string // each JustFinishedContent
	calls    []openai.FinishedChatCompletionToolCall
}

// stream sends a request and gives every chunk to the accumulator, which must take them all.
func stream(t *testing.T, client openai.Client, params openai.ChatCompletionNewParams, opts ...option.RequestOption) *read {
	t.Helper()
	params.StreamOptions.IncludeUsage = openai.Bool(true)
	s := client.Chat.Completions.NewStreaming(t.Context(), params, opts...)
	defer s.Close()
	var r read
	for s.Next() {
		chunk := s.Current()
		if !r.AddChunk(chunk) {
			t.Errorf("the accumulator rejects %s", chunk.RawJSON())
		}
		if text, ok := r.JustFinishedContent(); ok {
			r.contents = append(r.contents, text)
		}
		if call, ok := r.JustFinishedToolCall(); ok {
			r.calls = append(r.calls, call)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if len(r.Choices) != 1 {
		t.Fatalf("%d choices", len(r.Choices))
	}
	return &r
}

// house is a client of a gateway with the scripted model and one MCP server.
func house(t *testing.T) openai.Client {
	t.Helper()
	model := scripted.Start(t, scripts)
	g := gateway.Start(t, gateway.Config(model.URL(),
		gateway.Scripted("tools", mcptest.Spec{Tools: []mcptest.Tool{
			{Name: "echo", Do: mcptest.Echo},
			{Name: "fail", Do: mcptest.Fail, Text: "it broke"},
		}})))
	return openai.NewClient(option.WithBaseURL(g.URL+"/v1"), option.WithAPIKey(gateway.Key), option.WithMaxRetries(0))
}

func params(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Go.")}}
}

// withMCP names the server in the body: the SDK has no type for an MCP tool in a chat request.
func withMCP(more ...any) option.RequestOption {
	entry := map[string]any{"type": "mcp", "server_label": "tools", "server_url": "fairlead/mcp/tools", "require_approval": "never"}
	return option.WithJSONSet("tools", append([]any{entry}, more...))
}

func (r *read) want(t *testing.T, text, finish string, turns int64) {
	t.Helper()
	choice := r.Choices[0]
	if choice.Message.Content != text || choice.FinishReason != finish {
		t.Errorf("content %q, finish %q; want %q, %q", choice.Message.Content, choice.FinishReason, text, finish)
	}
	if choice.Message.Role != "assistant" {
		t.Errorf("role %q", choice.Message.Role)
	}
	if r.Usage.PromptTokens != turns*scripted.TurnInput || r.Usage.CompletionTokens != turns*scripted.TurnOutput {
		t.Errorf("usage %d/%d, want %d turns of %d/%d", r.Usage.PromptTokens, r.Usage.CompletionTokens, turns, scripted.TurnInput, scripted.TurnOutput)
	}
}

func TestAccumulator(t *testing.T) {
	client := house(t)
	for _, mode := range []string{"standard", "hidden", "annotated"} {
		t.Run(mode, func(t *testing.T) {
			shown := option.WithHeader("x-fairlead-stream", mode)
			for _, c := range []struct {
				model, text string
				turns       int64
				opts        []option.RequestOption
			}{
				{"answer", "A plain answer.", 1, nil},
				{"answer", "A plain answer.", 1, []option.RequestOption{withMCP()}},
				{"rounds", "First I look.\n\nThat is all.", 3, []option.RequestOption{withMCP()}},
				{"silent", "Done.", 2, []option.RequestOption{withMCP()}},
			} {
				r := stream(t, client, params(c.model), append(c.opts, shown)...)
				r.want(t, c.text, "stop", c.turns)
				if len(r.calls) > 0 || len(r.Choices[0].Message.ToolCalls) > 0 {
					t.Errorf("%s: the client sees tool calls: %+v", c.model, r.calls)
				}
				if len(r.contents) != 1 || r.contents[0] != c.text {
					t.Errorf("%s: JustFinishedContent came with %q, want it once with the whole text", c.model, r.contents)
				}
			}
		})
	}
}

// TestMixedTurn has the model call a tool of the gateway and one of the client in one turn: the client sees its own call
// alone, as the first, and the conversation goes on when it answers.
func TestMixedTurn(t *testing.T) {
	client := house(t)
	own := map[string]any{"type": "function", "function": map[string]any{
		"name": "of_the_client", "parameters": map[string]any{"type": "object", "properties": map[string]any{}},
	}}
	p := params("mixed")
	r := stream(t, client, p, withMCP(own))
	r.want(t, "Both.", "tool_calls", 1)
	calls := r.Choices[0].Message.ToolCalls
	if len(calls) != 1 || calls[0].Function.Name != "of_the_client" || calls[0].Function.Arguments != `{"y":2}` {
		t.Fatalf("the client sees %+v, want its own call alone", calls)
	}
	p.Messages = append(p.Messages, r.Choices[0].Message.ToParam(), openai.ToolMessage("yes", calls[0].ID))
	r = stream(t, client, p, withMCP(own))
	r.want(t, "The client said yes", "stop", 1)
}

// TestPlain reads replies that are not streamed.
func TestPlain(t *testing.T) {
	client := house(t)
	c, err := client.Chat.Completions.New(t.Context(), params("rounds"), withMCP())
	if err != nil {
		t.Fatal(err)
	}
	if m := c.Choices[0].Message; m.Content != "First I look.\n\nThat is all." || len(m.ToolCalls) > 0 {
		t.Errorf("message %s", m.RawJSON())
	}
	if c.Usage.PromptTokens != 3*scripted.TurnInput || c.Choices[0].FinishReason != "stop" {
		t.Errorf("finish %q, usage %s", c.Choices[0].FinishReason, c.Usage.RawJSON())
	}
}
