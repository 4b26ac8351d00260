// Package cohere holds what the gateway takes for Cohere's Chat API against Cohere's own Go SDK: the SDK is a client of the
// scripted model, and its types read what the gateway sends.
package cohere

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	api "github.com/cohere-ai/cohere-go/v2"
	"github.com/cohere-ai/cohere-go/v2/client"
	"github.com/cohere-ai/cohere-go/v2/option"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/cohere"
)

func sdk(s *providertest.Server) *client.Client {
	return client.NewClient(option.WithBaseURL(strings.TrimSuffix(s.URL(), "/v1")), option.WithToken("k"), option.WithMaxAttempts(1), option.WithHTTPClient(atOnce{}))
}

// atOnce gives the SDK replies in one piece: its reader of streams (v2.15.3) takes what has come for whole events.
type atOnce struct{}

// Do sends a request.
func (atOnce) Do(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // nothing to be done about it
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, err
}

var adds = []*api.ToolV2{{Type: new("function"), Function: &api.ToolV2Function{
	Name: "add", Description: new("Adds."), Parameters: map[string]any{"type": "object", "properties": map[string]any{"a": map[string]any{"type": "number"}}, "required": []string{"a"}},
}}}

// reply is what an answer comes to, streamed or not.
type reply struct {
	id, text, thought, plan, finish string
	calls                           []*api.ToolCallV2
	usage                           *api.Usage
}

func ask(t *testing.T, c *client.Client, stream bool, messages api.ChatMessages) reply {
	t.Helper()
	if !stream {
		got, err := c.V2.Chat(t.Context(), &api.V2ChatRequest{Model: "command-a", Messages: messages, Tools: adds, P: new(0.5)})
		if err != nil {
			t.Fatal(err)
		}
		r := reply{id: got.Id, calls: got.Message.ToolCalls, finish: string(got.FinishReason), usage: got.Usage}
		if got.Message.ToolPlan != nil {
			r.plan = *got.Message.ToolPlan
		}
		for _, part := range got.Message.Content {
			if part.Text != nil {
				r.text += part.Text.Text
			}
			if part.Thinking != nil {
				r.thought += part.Thinking.Thinking
			}
		}
		return r
	}
	events, err := c.V2.ChatStream(t.Context(), &api.V2ChatStreamRequest{Model: "command-a", Messages: messages, Tools: adds, P: new(0.5)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = events.Close() }() // nothing to be done about it
	var r reply
	for {
		ev, err := events.Recv()
		if errors.Is(err, io.EOF) {
			return r
		}
		if err != nil {
			t.Fatal(err)
		}
		r.take(&ev)
	}
}

// take takes in an event of a stream.
func (r *reply) take(ev *api.V2ChatStreamResponse) {
	switch {
	case ev.MessageStart != nil:
		r.id = *ev.MessageStart.Id
	case ev.ContentDelta != nil:
		content := ev.ContentDelta.Delta.Message.Content
		if content.Text != nil {
			r.text += *content.Text
		}
		if content.Thinking != nil {
			r.thought += *content.Thinking
		}
	case ev.ToolPlanDelta != nil:
		r.plan += *ev.ToolPlanDelta.Delta.Message.ToolPlan
	case ev.ToolCallStart != nil:
		r.calls = append(r.calls, ev.ToolCallStart.Delta.Message.ToolCalls)
	case ev.ToolCallDelta != nil:
		f := r.calls[*ev.ToolCallDelta.Index].Function
		f.Arguments = new(*f.Arguments + *ev.ToolCallDelta.Delta.Message.ToolCalls.Function.Arguments)
	case ev.MessageEnd != nil:
		r.finish, r.usage = string(*ev.MessageEnd.Delta.FinishReason), ev.MessageEnd.Delta.Usage
	}
}

func said(text string) *api.ChatMessageV2 {
	return &api.ChatMessageV2{Role: "user", User: &api.UserMessageV2{Content: &api.UserMessageV2Content{String: text}}}
}

// TestChat has the SDK keep a conversation over rounds of calls. The scripted model refuses results that are not where they must
// be.
func TestChat(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := providertest.New(t,
			providertest.Reasoning("Let me ", "see.").Then(providertest.Text("I ", "add."), providertest.Call("add_1", "add", `{"a":`, `1}`), providertest.Call("add_2", "add", `{"a":2}`)),
			providertest.Text("That ", "is all.").Costs(providertest.Usage{Input: 9, Output: 7}),
		).RequireKey("k")
		c := sdk(s)
		talk := api.ChatMessages{
			{Role: "system", System: &api.SystemMessageV2{Content: &api.SystemMessageV2Content{String: "Be brief."}}},
			said("Add."),
		}
		r := ask(t, c, stream, talk)
		if r.plan != "I add." || r.thought != "Let me see." || r.text != "" || r.finish != "TOOL_CALL" || len(r.calls) != 2 || *r.calls[0].Function.Arguments != `{"a":1}` || *r.calls[1].Id != "add_2" {
			t.Fatalf("stream %v: %+v", stream, r)
		}
		talk = append(talk, &api.ChatMessageV2{Role: "assistant", Assistant: &api.AssistantMessage{
			ToolPlan: &r.plan, ToolCalls: r.calls,
			Content: &api.AssistantMessageV2Content{AssistantMessageV2ContentItemList: []*api.AssistantMessageV2ContentItem{{Type: "thinking", Thinking: &api.ChatThinkingContent{Thinking: r.thought}}}},
		}})
		for _, call := range r.calls {
			talk = append(talk, &api.ChatMessageV2{Role: "tool", Tool: &api.ToolMessageV2{ToolCallId: *call.Id, Content: &api.ToolMessageV2Content{
				ToolContentList: []*api.ToolContent{{Type: "document", Document: &api.DocumentContent{Document: &api.Document{Data: map[string]any{"content": "so " + *call.Id}}}}},
			}}})
		}
		r = ask(t, c, stream, talk)
		if r.text != "That is all." || r.finish != "COMPLETE" || r.id != "cohere-2" || r.usage == nil || *r.usage.BilledUnits.InputTokens != 9 || *r.usage.BilledUnits.OutputTokens != 7 {
			t.Errorf("stream %v: %+v", stream, r)
		}
		if got := s.Request(2); got.Results()["add_2"] != "so add_2" || got.Stream != stream {
			t.Errorf("the scripted model has read %+v of %s", got.Messages, got.Raw)
		}
	}
}

func TestErrors(t *testing.T) {
	s := providertest.New(t, providertest.Error(429, "", "slow down"))
	_, err := sdk(s).V2.Chat(t.Context(), &api.V2ChatRequest{Model: "command-a", Messages: api.ChatMessages{said("hi")}})
	slow, ok := errors.AsType[*api.TooManyRequestsError](err)
	if body, _ := json.Marshal(slow); !ok || !strings.Contains(string(body), "slow down") {
		t.Errorf("%v", err)
	}
	_, err = sdk(s).V2.Chat(t.Context(), &api.V2ChatRequest{Model: "command-a", Messages: api.ChatMessages{said("hi")}, P: new(1.0)})
	if _, ok := errors.AsType[*api.BadRequestError](err); !ok {
		t.Errorf("%v", err)
	}
}

// TestTypes has the SDK's types read what the gateway sends. They know all of it: what they write again is the same.
func TestTypes(t *testing.T) {
	u, err := cohere.NewUpstream(wire.Quirks{})
	if err != nil {
		t.Fatal(err)
	}
	req := &llm.Request{
		Model: "command-a-reasoning",
		Messages: []llm.Message{
			{Role: llm.System, Text: "Be brief."},
			{Role: llm.User, Parts: []llm.Part{{Kind: "text", Text: "see"}, {Kind: "image", MediaType: "image/png", Data: "aGk=", Detail: "low"}}},
			{Role: llm.Assistant, Think: "Hm.", Text: "I add.", Calls: []llm.Call{{ID: "add_1", Name: "add", Arguments: `{"a":1}`}}},
			{Role: llm.ToolRole, Result: &llm.Result{CallID: "add_1", Name: "add", Text: "2"}},
			{Role: llm.Assistant, Text: "Two."},
			{Role: llm.User, Text: "Thanks."},
		},
		Tools: []llm.Tool{{Name: "add", Description: "Adds.", Schema: []byte(`{"type":"object"}`), Strict: new(true)}},
	}
	req.Params = llm.Params{
		MaxOutput: 100, Temperature: []byte("0.5"), TopP: []byte("0.7"), TopK: []byte("40"), Seed: []byte("7"), FrequencyPenalty: []byte("0.1"), PresencePenalty: []byte("0.2"),
		Stop: []string{"x"}, Choice: llm.ToolChoice{Mode: "required"}, ThinkTokens: 500,
	}
	formed := *req
	formed.Tools, formed.Params.Choice = nil, llm.ToolChoice{}
	formed.Params.Format = &llm.Format{Schema: []byte(`{"type":"object"}`)}
	for _, r := range []*llm.Request{req, &formed} {
		sent, err := u.AppendRequest(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		var known api.V2ChatRequest
		decoder := json.NewDecoder(bytes.NewReader(sent))
		if err := decoder.Decode(&known); err != nil {
			t.Fatalf("%v in %s", err, sent)
		}
		again, err := json.Marshal(&known)
		if err != nil {
			t.Fatal(err)
		}
		var a, b map[string]any
		if json.Unmarshal(sent, &a) != nil || json.Unmarshal(again, &b) != nil {
			t.Fatal("not JSON")
		}
		a["stream"] = false // the SDK says it always
		if !reflect.DeepEqual(a, b) {
			t.Errorf("sent\n%s\nand the SDK knows\n%s", sent, again)
		}
	}
}
