package anthropic

import (
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/go-json-experiment/json"
)

type v1 struct{ anthropic.Client }

func openV1(url, key string) client {
	return v1{anthropic.NewClient(option.WithBaseURL(url), option.WithAPIKey(key), option.WithMaxRetries(0))}
}

func (c v1) rounds(t *testing.T, stream bool) read {
	t.Helper()
	return c.send(t, stream, anthropic.BetaMessageNewParams{
		Model:      "rounds",
		MaxTokens:  1000,
		Messages:   []anthropic.BetaMessageParam{anthropic.NewBetaUserMessage(anthropic.NewBetaTextBlock("Go."))},
		MCPServers: []anthropic.BetaRequestMCPServerURLDefinitionParam{{Name: "tools", URL: "fairlead/mcp/tools"}},
		Tools:      []anthropic.BetaToolUnionParam{{OfMCPToolset: &anthropic.BetaMCPToolsetParam{MCPServerName: "tools"}}},
		Betas:      []anthropic.AnthropicBeta{toolset},
	})
}

func (c v1) send(t *testing.T, stream bool, params anthropic.BetaMessageNewParams) read {
	t.Helper()
	if !stream {
		message, err := c.Beta.Messages.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		return readV1(t, message)
	}
	var message anthropic.BetaMessage
	s := c.Beta.Messages.NewStreaming(t.Context(), params)
	defer s.Close()
	for s.Next() {
		if err := message.Accumulate(s.Current()); err != nil {
			t.Errorf("the accumulator rejects %s: %v", s.Current().RawJSON(), err)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return readV1(t, &message)
}

func readV1(t *testing.T, m *anthropic.BetaMessage) read {
	t.Helper()
	r := read{stop: string(m.StopReason), input: m.Usage.InputTokens, output: m.Usage.OutputTokens}
	for _, b := range m.Content {
		r.blocks = append(r.blocks, b.Type)
		switch block := b.AsAny().(type) {
		case anthropic.BetaTextBlock:
			r.text += block.Text
		case anthropic.BetaMCPToolUseBlock:
			input, err := json.Marshal(block.Input, json.Deterministic(true))
			if err != nil || block.ServerName != "tools" || block.Name != "echo" {
				t.Errorf("%s: %v", b.RawJSON(), err)
			}
			r.inputs = append(r.inputs, string(input))
		}
	}
	return r
}

func (c v1) client(t *testing.T) (first, second read) {
	t.Helper()
	params := anthropic.MessageNewParams{
		Model:     "client",
		MaxTokens: 1000,
		Messages:  []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Go."))},
		Tools: []anthropic.ToolUnionParam{anthropic.ToolUnionParamOfTool(
			anthropic.ToolInputSchemaParam{Properties: map[string]any{}}, "of_the_client")},
	}
	var replies [2]read
	for i := range replies {
		var message anthropic.Message
		s := c.Messages.NewStreaming(t.Context(), params)
		for s.Next() {
			if err := message.Accumulate(s.Current()); err != nil {
				t.Errorf("the accumulator rejects %s: %v", s.Current().RawJSON(), err)
			}
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		replies[i].stop = string(message.StopReason)
		params.Messages = append(params.Messages, message.ToParam())
		for _, b := range message.Content {
			replies[i].blocks = append(replies[i].blocks, b.Type)
			replies[i].text += b.Text
			if b.Type == "tool_use" {
				params.Messages = append(params.Messages, anthropic.NewUserMessage(anthropic.NewToolResultBlock(b.ID, "hello", false)))
			}
		}
	}
	return replies[0], replies[1]
}
