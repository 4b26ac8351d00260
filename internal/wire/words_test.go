package wire

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/llm"
)

// TestChosen: tools of servers are chosen by the caller's words for them, and what is allowed holds in all rounds.
func TestChosen(t *testing.T) {
	offered := []llm.Tool{
		{Name: "docs-now", Label: "docs", Tool: "now"},
		{Name: "docs-add", Label: "docs", Tool: "add"},
		{Name: "mail-now", Label: "mail", Tool: "now"},
	}
	some := llm.ToolChoice{Mode: "required", Allowed: []string{"f"}, Servers: []llm.ServerTool{{Label: "docs"}, {Label: "mail", Name: "now"}}}
	for _, tt := range []struct {
		name  string
		loop  llm.Choice
		asked llm.ToolChoice
		want  llm.ToolChoice
	}{
		{"a word", llm.ChoiceAsIs, llm.ToolChoice{Mode: "required"}, llm.ToolChoice{Mode: "required"}},
		{"a word, relaxed", llm.ChoiceAuto, llm.ToolChoice{Mode: "required"}, llm.ToolChoice{Mode: "auto"}},
		{"a function", llm.ChoiceAsIs, llm.ToolChoice{Mode: "tool", Name: "f"}, llm.ToolChoice{Mode: "tool", Name: "f"}},
		{"a tool by its server's own name", llm.ChoiceAsIs, llm.ToolChoice{Mode: "tool", Name: "add"}, llm.ToolChoice{Mode: "tool", Name: "docs-add"}},
		{"a function of that name", llm.ChoiceAsIs, llm.ToolChoice{Mode: "tool", Name: "now"}, llm.ToolChoice{Mode: "tool", Name: "now"}},
		{"a function, relaxed", llm.ChoiceAuto, llm.ToolChoice{Mode: "tool", Name: "f"}, llm.ToolChoice{Mode: "auto"}},
		{"a server's tool", llm.ChoiceAsIs, llm.ToolChoice{Mode: "tool", Label: "docs", Name: "add"}, llm.ToolChoice{Mode: "tool", Name: "docs-add"}},
		{"a server", llm.ChoiceAsIs, llm.ToolChoice{Mode: "tool", Label: "docs"}, llm.ToolChoice{Mode: "required", Allowed: []string{"docs-now", "docs-add"}}},
		{"a server, relaxed", llm.ChoiceAuto, llm.ToolChoice{Mode: "tool", Label: "docs"}, llm.ToolChoice{Mode: "auto"}},
		{"some", llm.ChoiceAsIs, some, llm.ToolChoice{Mode: "required", Allowed: []string{"f", "docs-now", "docs-add", "mail-now"}}},
		{"some, relaxed", llm.ChoiceAuto, some, llm.ToolChoice{Mode: "auto", Allowed: []string{"f", "docs-now", "docs-add", "mail-now"}}},
	} {
		req := &llm.Request{AddedTools: offered, Tools: []llm.Tool{{Name: "f"}, {Name: "now"}}, ToolChoice: tt.loop, Params: llm.Params{Choice: tt.asked}}
		if d := cmp.Diff(tt.want, Chosen(req)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
	if d := cmp.Diff([]string{"f"}, some.Allowed); d != "" {
		t.Errorf("the request's own choice has changed: %s", d)
	}
}
