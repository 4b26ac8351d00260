package openai

import (
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"

	"github.com/fairlead/fairlead/test/scripted"
)

// request names the server as the responses API does.
func request(model, approval string) responses.ResponseNewParams {
	tool := responses.ToolParamOfMcp("srv")
	tool.OfMcp.ServerURL = openai.String("fairlead/mcp/tools")
	tool.OfMcp.RequireApproval.OfMcpToolApprovalSetting = openai.String(approval)
	return responses.ResponseNewParams{
		Model: model,
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Go.")},
		Tools: []responses.ToolUnionParam{tool},
	}
}

// events reads a stream to its end. It holds that events are numbered without a gap, that every item is opened once and
// closed once, and that the last response says what the stream said.
func events(t *testing.T, client openai.Client, params responses.ResponseNewParams) responses.Response {
	t.Helper()
	s := client.Responses.NewStreaming(t.Context(), params)
	defer s.Close()
	var text, last string
	var opened, closed []string
	var whole responses.Response
	for n := int64(0); s.Next(); n++ {
		ev := s.Current()
		if ev.SequenceNumber != n {
			t.Errorf("event %d has the number %d: %s", n, ev.SequenceNumber, ev.RawJSON())
		}
		last = ev.Type
		switch ev := ev.AsAny().(type) {
		case responses.ResponseTextDeltaEvent:
			text += ev.Delta
		case responses.ResponseOutputItemAddedEvent:
			opened = append(opened, ev.Item.ID)
			if ev.OutputIndex != int64(len(opened)-1) {
				t.Errorf("item %d is opened with the index %d", len(opened)-1, ev.OutputIndex)
			}
		case responses.ResponseOutputItemDoneEvent:
			closed = append(closed, ev.Item.ID)
		case responses.ResponseCompletedEvent:
			whole = ev.Response
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, item := range whole.Output {
		ids = append(ids, item.ID)
	}
	slices.Sort(closed)
	if last != "response.completed" || !slices.Equal(opened, ids) || !slices.Equal(closed, slices.Sorted(slices.Values(ids))) {
		t.Errorf("the last event is %s; opened %q, closed %q, in the response %q", last, opened, closed, ids)
	}
	if text != whole.OutputText() {
		t.Errorf("the stream said %q, the response says %q", text, whole.OutputText())
	}
	return whole
}

func types(r responses.Response) []string {
	var all []string
	for _, item := range r.Output {
		all = append(all, item.Type)
	}
	return all
}

func wantResponse(t *testing.T, r responses.Response, text string, items ...string) {
	t.Helper()
	if r.Status != "completed" || r.OutputText() != text {
		t.Errorf("status %q, text %q; want completed, %q", r.Status, r.OutputText(), text)
	}
	if !slices.Equal(types(r), items) {
		t.Errorf("items %q, want %q", types(r), items)
	}
}

func TestResponses(t *testing.T) {
	client := house(t)
	for _, c := range []struct {
		model, text string
		items       []string
		calls       []string // arguments
	}{
		{"rounds", "First I look.That is all.", []string{"mcp_list_tools", "message", "mcp_call", "mcp_call", "mcp_call", "message"}, []string{`{"x":1}`, `{"x":2}`, `{"x":3}`}},
		{"silent", "Done.", []string{"mcp_list_tools", "mcp_call", "message"}, []string{`{}`}},
	} {
		streamed := events(t, client, request(c.model, "never"))
		plain, err := client.Responses.New(t.Context(), request(c.model, "never"))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []responses.Response{streamed, *plain} {
			wantResponse(t, r, c.text, c.items...)
			if list := r.Output[0].AsMcpListTools(); list.ServerLabel != "srv" || len(list.Tools) != 2 || list.Tools[0].Name != "echo" {
				t.Errorf("%s: %s", c.model, r.Output[0].RawJSON())
			}
			var calls []string
			for _, item := range r.Output {
				if call := item.AsMcpCall(); item.Type == "mcp_call" {
					calls = append(calls, call.Arguments)
					if call.Name != "echo" || call.ServerLabel != "srv" || call.Status != "completed" || call.JSON.Error.Valid() {
						t.Errorf("%s: %s", c.model, item.RawJSON())
					}
				}
			}
			if !slices.Equal(calls, c.calls) {
				t.Errorf("%s: arguments %q, want %q", c.model, calls, c.calls)
			}
			if want := int64(len(scripts[c.model]) * scripted.TurnOutput); r.Usage.InputTokens != scripted.TurnInput || r.Usage.OutputTokens != want {
				t.Errorf("%s: usage %d/%d, want the input of the last turn and the output of all, %d/%d",
					c.model, r.Usage.InputTokens, r.Usage.OutputTokens, scripted.TurnInput, want)
			}
		}
	}
}

// TestFailedCall has a tool fail: the response goes on, and the item says how.
func TestFailedCall(t *testing.T) {
	r := events(t, house(t), request("failing", "never"))
	wantResponse(t, r, "Told: Error: it broke", "mcp_list_tools", "mcp_call", "message")
	call := r.Output[1].AsMcpCall()
	if call.Status != "failed" || call.Error.Type != "mcp_tool_execution_error" || !strings.Contains(call.Error.RawJSON(), "it broke") {
		t.Errorf("%s", r.Output[1].RawJSON())
	}
}

// TestApproval answers a request for approval by previous_response_id, once with yes and once with no, and shows that the
// answer is taken once.
func TestApproval(t *testing.T) {
	client := house(t)
	for _, approve := range []bool{true, false} {
		first := events(t, client, request("asked", "always"))
		wantResponse(t, first, "", "mcp_list_tools", "mcp_approval_request")
		asked := first.Output[1].AsMcpApprovalRequest()
		if asked.Name != "echo" || asked.ServerLabel != "srv" || asked.Arguments != `{"x":1}` {
			t.Errorf("%s", first.Output[1].RawJSON())
		}
		again := request("asked", "always")
		again.PreviousResponseID = openai.String(first.ID)
		again.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
			responses.ResponseInputItemParamOfMcpApprovalResponse(asked.ID, approve),
		}}
		second := events(t, client, again)
		calls := slices.DeleteFunc(slices.Clone(second.Output), func(i responses.ResponseOutputItemUnion) bool { return i.Type != "mcp_call" })
		switch {
		case approve && (len(calls) != 1 || calls[0].AsMcpCall().ApprovalRequestID != asked.ID || calls[0].AsMcpCall().Arguments != `{"x":1}`):
			t.Errorf("approved: %q", types(second))
		case !approve && len(calls) != 0:
			t.Errorf("denied: %q", types(second))
		}
		if !strings.HasPrefix(second.OutputText(), "Told: ") {
			t.Errorf("approve %v: text %q", approve, second.OutputText())
		}
		if _, err := client.Responses.New(t.Context(), again); err == nil {
			t.Errorf("approve %v: the same answer is taken twice", approve)
		}
	}
}
