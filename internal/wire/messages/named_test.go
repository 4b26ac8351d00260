package messages

import (
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// TestCallsAreNamedAsOffered sends back a call that an earlier reply showed by its server's label and the tool's own name.
func TestCallsAreNamedAsOffered(t *testing.T) {
	u, err := NewUpstream(wire.Quirks{})
	if err != nil {
		t.Fatal(err)
	}
	req := &llm.Request{
		Model:      "m",
		AddedTools: []llm.Tool{{Name: "srv-add_2", Label: "s", Server: "srv", Tool: "add"}},
		Messages: []llm.Message{
			{Role: llm.User, Text: "go"},
			{Role: llm.Assistant, Calls: []llm.Call{{ID: "mcp_1", Label: "s", Tool: "add", Arguments: `{"a":1}`}, {ID: "c2", Name: "mine", Arguments: "{}"}}},
			{Role: llm.ToolRole, Result: &llm.Result{CallID: "mcp_1", Text: "1"}},
			{Role: llm.ToolRole, Result: &llm.Result{CallID: "c2", Text: "2"}},
		},
	}
	out, err := u.AppendRequest(nil, req)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"name":"srv-add_2","input":{"a":1}`, `"name":"mine","input":{}`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("there is no %s in %s", want, out)
		}
	}
	if req.Messages[1].Calls[0].Name != "" {
		t.Error("the request was changed")
	}
}
