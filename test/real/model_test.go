//go:build real

package real

import (
	"maps"
	"os"
	"testing"

	"github.com/go-json-experiment/json"
)

// TestRealModel lets a real model call a real server's tool. FAIRLEAD_REAL_MODEL is the base URL of anything that speaks
// the chat wire (with /v1), FAIRLEAD_REAL_MODEL_NAME the model's name there. The model's words are its own: what is checked
// is the protocol.
func TestRealModel(t *testing.T) {
	base := os.Getenv("FAIRLEAD_REAL_MODEL")
	if base == "" {
		t.Skip("needs a model that calls tools: set FAIRLEAD_REAL_MODEL to its base URL")
	}
	name := os.Getenv("FAIRLEAD_REAL_MODEL_NAME")
	if name == "" {
		name = "smollm2-135m"
	}
	g, _ := house(t, base)
	request := map[string]any{
		"model":       name,
		"temperature": 0,
		"max_tokens":  60,
		"messages":    []any{map[string]any{"role": "user", "content": "What is 2 plus 3? Use the tool."}},
		"tools": []any{map[string]any{
			"type": "mcp", "server_url": "fairlead/mcp/everything", "require_approval": "never",
			"allowed_tools": []string{"get-sum"},
		}},
	}
	for choice, value := range map[string]any{
		"required": "required",
		"named":    map[string]any{"type": "function", "function": map[string]any{"name": "everything-get-sum"}},
	} {
		t.Run(choice, func(t *testing.T) {
			forms(t, func(t *testing.T, stream bool) {
				r := maps.Clone(request)
				r["tool_choice"] = value
				wantRealAnswer(t, chat(t, g, r, stream))
			})
		})
	}
}

func wantRealAnswer(t *testing.T, c completion) {
	t.Helper()
	if c.Finish != "stop" && c.Finish != "length" {
		t.Errorf("finish_reason %q", c.Finish)
	}
	if c.Text == "" {
		t.Error("no text")
	}
	if len(c.Fields.Tools) != 1 || len(c.Fields.Results) == 0 || len(c.Fields.Results) != len(c.Fields.Calls) {
		t.Fatalf("%d tools, %d calls, %d results", len(c.Fields.Tools), len(c.Fields.Calls), len(c.Fields.Results))
	}
	for i, r := range c.Fields.Results {
		call := c.Fields.Calls[i]
		var args map[string]any
		if err := json.Unmarshal([]byte(call.Function.Arguments), &args); err != nil {
			t.Errorf("arguments %q: %v", call.Function.Arguments, err)
		}
		if r.CallID != call.ID || r.Server != "everything" || r.Display != "get-sum" || r.Result == "" {
			t.Errorf("result %+v for call %+v", r, call)
		}
	}
	if c.Input == 0 || c.Output == 0 {
		t.Errorf("usage %d/%d", c.Input, c.Output)
	}
}
