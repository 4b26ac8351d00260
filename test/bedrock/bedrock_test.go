// Package bedrock holds the scripted Bedrock and the gateway's own ways to ask Bedrock against Amazon's SDK for Go: the SDK reads
// what the scripted model says and is taken by it, and both ask in the same words.
package bedrock

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/converse"
)

const model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"

// static are the credentials that the scripted model takes.
type static struct{ secret string }

func (s static) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: providertest.AccessKey, SecretAccessKey: s.secret}, nil
}

func client(s *providertest.Server, secret string) *bedrockruntime.Client {
	return bedrockruntime.New(bedrockruntime.Options{
		Region: providertest.BedrockRegion, BaseEndpoint: aws.String(strings.TrimSuffix(s.URL(), "/v1")), Credentials: static{secret}, RetryMaxAttempts: 1,
	})
}

// said is a reply in few words.
type said struct {
	text, think, signature, stop string
	calls                        []string
	in, cached, out              int32
}

func (s *said) usage(u *types.TokenUsage) {
	if u != nil {
		s.in, s.cached, s.out = aws.ToInt32(u.InputTokens), aws.ToInt32(u.CacheReadInputTokens), aws.ToInt32(u.OutputTokens)
	}
}

func (s *said) blocks(t *testing.T, list []types.ContentBlock) {
	t.Helper()
	for _, b := range list {
		switch b := b.(type) {
		case *types.ContentBlockMemberText:
			s.text += b.Value
		case *types.ContentBlockMemberReasoningContent:
			r := b.Value.(*types.ReasoningContentBlockMemberReasoningText)
			s.think, s.signature = aws.ToString(r.Value.Text), aws.ToString(r.Value.Signature)
		case *types.ContentBlockMemberToolUse:
			input, err := b.Value.Input.MarshalSmithyDocument()
			if err != nil {
				t.Fatal(err)
			}
			s.calls = append(s.calls, aws.ToString(b.Value.ToolUseId)+" "+aws.ToString(b.Value.Name)+" "+string(input))
		default:
			t.Errorf("a block of type %T", b)
		}
	}
}

// messages and tools are a conversation in the SDK's words; conversation says the same in the gateway's.
func conversation() (sdk []types.Message, tools *types.ToolConfiguration, own *llm.Request) {
	text := func(s string) *types.ContentBlockMemberText { return &types.ContentBlockMemberText{Value: s} }
	sdk = []types.Message{
		{Role: types.ConversationRoleUser, Content: []types.ContentBlock{
			text("What is this?"),
			&types.ContentBlockMemberImage{Value: types.ImageBlock{Format: types.ImageFormatPng, Source: &types.ImageSourceMemberBytes{Value: []byte("pixel")}}},
			&types.ContentBlockMemberDocument{Value: types.DocumentBlock{Format: types.DocumentFormatPdf, Name: aws.String("report"), Source: &types.DocumentSourceMemberBytes{Value: []byte("pages")}}},
		}},
		{Role: types.ConversationRoleAssistant, Content: []types.ContentBlock{
			text("I look."),
			&types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{ToolUseId: aws.String("t1"), Name: aws.String("add"), Input: document.NewLazyDocument(map[string]any{"a": 1})}},
			&types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{ToolUseId: aws.String("t2"), Name: aws.String("add"), Input: document.NewLazyDocument(map[string]any{})}},
		}},
		{Role: types.ConversationRoleUser, Content: []types.ContentBlock{
			&types.ContentBlockMemberToolResult{Value: types.ToolResultBlock{ToolUseId: aws.String("t1"), Content: []types.ToolResultContentBlock{&types.ToolResultContentBlockMemberText{Value: "1"}}}},
			&types.ContentBlockMemberToolResult{Value: types.ToolResultBlock{ToolUseId: aws.String("t2"), Status: types.ToolResultStatusError, Content: []types.ToolResultContentBlock{
				&types.ToolResultContentBlockMemberText{Value: "no"},
				&types.ToolResultContentBlockMemberImage{Value: types.ImageBlock{Format: types.ImageFormatPng, Source: &types.ImageSourceMemberBytes{Value: []byte("pixel")}}},
			}}},
			text("So?"),
		}},
	}
	schema := map[string]any{"type": "object", "properties": map[string]any{"a": map[string]any{"type": "number"}}}
	tools = &types.ToolConfiguration{
		Tools: []types.Tool{&types.ToolMemberToolSpec{Value: types.ToolSpecification{
			Name: aws.String("add"), Description: aws.String("adds"), InputSchema: &types.ToolInputSchemaMemberJson{Value: document.NewLazyDocument(schema)}, Strict: aws.Bool(true),
		}}},
		ToolChoice: &types.ToolChoiceMemberTool{Value: types.SpecificToolChoice{Name: aws.String("add")}},
	}
	image := llm.Part{Kind: "image", MediaType: "image/png", Data: "cGl4ZWw="}
	own = &llm.Request{
		Model: model,
		Messages: []llm.Message{
			{Role: llm.System, Text: "Be brief."},
			{Role: llm.User, Parts: []llm.Part{{Kind: "text", Text: "What is this?"}, image, {Kind: "file", MediaType: "application/pdf", Name: "report.pdf", Data: "cGFnZXM="}}},
			{Role: llm.Assistant, Text: "I look.", Calls: []llm.Call{{ID: "t1", Name: "add", Arguments: `{"a":1}`}, {ID: "t2", Name: "add"}}},
			{Role: llm.ToolRole, Result: &llm.Result{CallID: "t1", Text: "1"}},
			{Role: llm.ToolRole, Result: &llm.Result{CallID: "t2", Text: "no", IsError: true, Parts: []llm.Part{{Kind: "text", Text: "no"}, image}}},
			{Role: llm.User, Text: "So?"},
		},
		Tools: []llm.Tool{{Name: "add", Description: "adds", Schema: []byte(`{"type":"object","properties":{"a":{"type":"number"}}}`), Strict: aws.Bool(true)}},
	}
	own.Params.Choice = llm.ToolChoice{Mode: "tool", Name: "add"}
	own.Params.MaxOutput, own.Params.Temperature, own.Params.TopP, own.Params.TopK, own.Params.Stop = 100, []byte("0.5"), []byte("0.25"), []byte("3"), []string{"x"}
	own.Params.Format = &llm.Format{Name: "form", Description: "d", Schema: []byte(`{"type":"object"}`)}
	return sdk, tools, own
}

func canonical(t *testing.T, b []byte) string {
	t.Helper()
	v := jsontext.Value(append([]byte(nil), b...))
	if err := v.Canonicalize(); err != nil {
		t.Fatal(err)
	}
	return string(v)
}

// TestSameWords asks the same with the SDK and with the gateway's codec.
func TestSameWords(t *testing.T) {
	s := providertest.New(t, providertest.Text("Fine."))
	messages, tools, own := conversation()
	_, err := client(s, providertest.SecretKey).Converse(t.Context(), &bedrockruntime.ConverseInput{
		ModelId: aws.String(model), Messages: messages, ToolConfig: tools,
		System: []types.SystemContentBlock{&types.SystemContentBlockMemberText{Value: "Be brief."}},
		InferenceConfig: &types.InferenceConfiguration{
			MaxTokens: aws.Int32(100), Temperature: aws.Float32(0.5), TopP: aws.Float32(0.25), StopSequences: []string{"x"},
		},
		AdditionalModelRequestFields: document.NewLazyDocument(map[string]any{"top_k": 3}),
		OutputConfig: &types.OutputConfig{TextFormat: &types.OutputFormat{Type: types.OutputFormatTypeJsonSchema, Structure: &types.OutputFormatStructureMemberJsonSchema{
			Value: types.JsonSchemaDefinition{Name: aws.String("form"), Description: aws.String("d"), Schema: aws.String(`{"type":"object"}`)},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	u, err := converse.NewUpstream(wire.Quirks{})
	if err != nil {
		t.Fatal(err)
	}
	ours, err := u.AppendRequest(nil, own)
	if err != nil {
		t.Fatal(err)
	}
	theirs := s.Request(1)
	if a, b := canonical(t, ours), canonical(t, theirs.Raw); a != b {
		t.Errorf("the gateway asks\n%s\nand the SDK\n%s", a, b)
	}
	if u.PathFor(own) != theirs.Path {
		t.Errorf("the gateway asks at %s, and the SDK at %s", u.PathFor(own), theirs.Path)
	}
}

// TestReplies has the SDK read what the scripted model says, whole and as a stream.
func TestReplies(t *testing.T) {
	step := providertest.Reasoning("I ", "see.").Then(providertest.Text("Let ", "me."), providertest.Call("t1", "add", `{"a":`, `1}`), providertest.Call("t2", "add")).
		Costs(providertest.Usage{Input: 9, Cached: 4, Output: 3})
	s := providertest.New(t, step, step)
	_, tools, _ := conversation()
	tools.ToolChoice = nil
	ask := []types.Message{{Role: types.ConversationRoleUser, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: "hi"}}}}
	whole, err := client(s, providertest.SecretKey).Converse(t.Context(), &bedrockruntime.ConverseInput{ModelId: aws.String(model), Messages: ask, ToolConfig: tools})
	if err != nil {
		t.Fatal(err)
	}
	a := said{stop: string(whole.StopReason)}
	a.usage(whole.Usage)
	a.blocks(t, whole.Output.(*types.ConverseOutputMemberMessage).Value.Content)
	stream, err := client(s, providertest.SecretKey).ConverseStream(t.Context(), &bedrockruntime.ConverseStreamInput{ModelId: aws.String(model), Messages: ask, ToolConfig: tools})
	if err != nil {
		t.Fatal(err)
	}
	b := readStream(t, stream.GetStream())
	want := said{
		text: "Let me.", think: "I see.", signature: a.signature, stop: "tool_use", calls: []string{`t1 add {"a":1}`, `t2 add {}`}, in: 5, cached: 4, out: 3,
	}
	for _, got := range []said{a, b} {
		if x, y := mustJSON(t, got), mustJSON(t, want); x != y || got.signature == "" {
			t.Errorf("the SDK reads %s, want %s", x, y)
		}
	}
	if len(s.Request(2).Tools) != 1 || !s.Request(2).Stream {
		t.Errorf("asked %s", s.Request(2).Raw)
	}
}

func mustJSON(t *testing.T, s said) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"text": s.text, "think": s.think, "signature": s.signature, "stop": s.stop, "calls": s.calls, "usage": []int32{s.in, s.cached, s.out}}, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func readStream(t *testing.T, stream *bedrockruntime.ConverseStreamEventStream) said {
	t.Helper()
	defer stream.Close()
	var out said
	calls := map[int32]int{}
	inputs := map[int]string{}
	for ev := range stream.Events() {
		switch ev := ev.(type) {
		case *types.ConverseStreamOutputMemberContentBlockStart:
			use := ev.Value.Start.(*types.ContentBlockStartMemberToolUse).Value
			calls[aws.ToInt32(ev.Value.ContentBlockIndex)] = len(out.calls)
			out.calls = append(out.calls, aws.ToString(use.ToolUseId)+" "+aws.ToString(use.Name)+" ")
		case *types.ConverseStreamOutputMemberContentBlockDelta:
			switch d := ev.Value.Delta.(type) {
			case *types.ContentBlockDeltaMemberText:
				out.text += d.Value
			case *types.ContentBlockDeltaMemberToolUse:
				inputs[calls[aws.ToInt32(ev.Value.ContentBlockIndex)]] += aws.ToString(d.Value.Input)
			case *types.ContentBlockDeltaMemberReasoningContent:
				switch r := d.Value.(type) {
				case *types.ReasoningContentBlockDeltaMemberText:
					out.think += r.Value
				case *types.ReasoningContentBlockDeltaMemberSignature:
					out.signature += r.Value
				}
			}
		case *types.ConverseStreamOutputMemberMessageStop:
			out.stop = string(ev.Value.StopReason)
		case *types.ConverseStreamOutputMemberMetadata:
			out.usage(ev.Value.Usage)
		case *types.ConverseStreamOutputMemberMessageStart, *types.ConverseStreamOutputMemberContentBlockStop:
		default:
			t.Errorf("an event of type %T", ev)
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	for i := range out.calls {
		if inputs[i] == "" {
			inputs[i] = "{}"
		}
		out.calls[i] += inputs[i]
	}
	return out
}

// TestInvoke has the SDK ask for Claude by InvokeModel, and read the events out of the frames.
func TestInvoke(t *testing.T) {
	s := providertest.New(t, providertest.Text("Hel", "lo."), providertest.Text("Hel", "lo."))
	body := []byte(`{"anthropic_version":"bedrock-2023-05-31","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}`)
	c := client(s, providertest.SecretKey)
	whole, err := c.InvokeModel(t.Context(), &bedrockruntime.InvokeModelInput{ModelId: aws.String(model), Body: body, ContentType: aws.String("application/json")})
	if err != nil || !strings.Contains(string(whole.Body), `"text":"Hello."`) {
		t.Fatalf("%s, %v", whole.Body, err)
	}
	out, err := c.InvokeModelWithResponseStream(t.Context(), &bedrockruntime.InvokeModelWithResponseStreamInput{ModelId: aws.String(model), Body: body, ContentType: aws.String("application/json")})
	if err != nil {
		t.Fatal(err)
	}
	stream := out.GetStream()
	defer stream.Close()
	var kinds []string
	for ev := range stream.Events() {
		var e struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(ev.(*types.ResponseStreamMemberChunk).Value.Bytes, &e); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, e.Type)
	}
	if got := strings.Join(kinds, " "); stream.Err() != nil || got != "message_start content_block_start content_block_delta content_block_delta content_block_stop message_delta message_stop" {
		t.Errorf("events %s, %v", got, stream.Err())
	}
	counted, err := c.CountTokens(t.Context(), &bedrockruntime.CountTokensInput{ModelId: aws.String(model), Input: &types.CountTokensInputMemberInvokeModel{Value: types.InvokeModelTokensRequest{Body: body}}})
	if err != nil || aws.ToInt32(counted.InputTokens) == 0 {
		t.Errorf("counted %+v, %v", counted, err)
	}
}

// TestErrors wants the SDK to know the exceptions of the scripted model by their types.
func TestErrors(t *testing.T) {
	s := providertest.New(t,
		providertest.Error(429, "", "Slow down."), providertest.Error(503, "", "Later."), providertest.Error(404, "", "No."), providertest.Error(403, "", "No."),
		providertest.Text("Half").Then(providertest.Exception("modelStreamErrorException", "It broke.")).NoFinish())
	ask := func(secret string, messages ...types.Message) error {
		_, err := client(s, secret).Converse(t.Context(), &bedrockruntime.ConverseInput{ModelId: aws.String(model), Messages: messages})
		return err
	}
	hi := types.Message{Role: types.ConversationRoleUser, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: "hi"}}}
	for _, want := range []any{new(*types.ThrottlingException), new(*types.ServiceUnavailableException), new(*types.ResourceNotFoundException), new(*types.AccessDeniedException)} {
		if err := ask(providertest.SecretKey, hi); !errors.As(err, want) {
			t.Errorf("%v, want %T", err, want)
		}
	}
	if err := ask(providertest.SecretKey, hi, hi); !errors.As(err, new(*types.ValidationException)) || !strings.Contains(err.Error(), "alternate") {
		t.Errorf("roles: %v", err)
	}
	if err := ask("wrong", hi); err == nil || !strings.Contains(err.Error(), "signature we calculated does not match") {
		t.Errorf("a wrong secret: %v", err)
	}
	out, err := client(s, providertest.SecretKey).ConverseStream(t.Context(), &bedrockruntime.ConverseStreamInput{ModelId: aws.String(model), Messages: []types.Message{hi}})
	if err != nil {
		t.Fatal(err)
	}
	stream := out.GetStream()
	defer stream.Close()
	for range stream.Events() {
	}
	if err := stream.Err(); !errors.As(err, new(*types.ModelStreamErrorException)) {
		t.Errorf("a broken stream: %v", err)
	}
}
