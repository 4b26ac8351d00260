package messages

import (
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

func TestBuildConversation(t *testing.T) {
	const system, user, assistant, tool = llm.System, llm.User, llm.Assistant, llm.ToolRole
	call := func(id string) []llm.Call { return []llm.Call{{ID: id, Name: "f", Arguments: `{"a":1}`}} }
	result := func(id, text string) llm.Message {
		return llm.Message{Role: tool, Result: &llm.Result{CallID: id, Text: text}}
	}
	use := func(id string) string { return `{"type":"tool_use","id":"` + id + `","name":"f","input":{"a":1}}` }
	text := func(s string) string { return `{"type":"text","text":"` + s + `"}` }
	came := func(id, s string) string {
		return `{"type":"tool_result","tool_use_id":"` + id + `","content":"` + s + `"}`
	}
	says := func(role string, blocks ...string) string {
		return `{"role":"` + role + `","content":[` + strings.Join(blocks, ",") + `]}`
	}
	const past = `,"tools":[{"name":"f","description":"No longer on offer.","input_schema":{"type":"object"}}],"tool_choice":{"type":"none"}`
	for _, tt := range []struct {
		name     string
		messages []llm.Message
		want     string // behind max_tokens
	}{
		{
			"systems, users in a row, empty texts",
			[]llm.Message{{Role: system, Text: "a"}, {Role: system, Text: ""}, {Role: system, Text: "b"}, {Role: user, Text: "c"}, {Role: user, Text: " \n"}, {Role: system, Text: "d"}, {Role: user, Text: "e"}},
			`,"system":[` + text("a") + `,` + text("b") + `],"messages":[` + says("user", text("c"), text("d"), text("e")) + `]`,
		},
		{
			"the assistant speaks first, twice",
			[]llm.Message{{Role: assistant, Text: "a"}, {Role: assistant, Parts: []llm.Part{{Kind: "text", Text: "b"}}, Think: "unsigned"}, {Role: user, Text: "c"}},
			`,"messages":[` + says("user", text("(The conversation begins.)")) + `,` + says("assistant", text("a"), text("b")) + `,` + says("user", text("c")) + `]`,
		},
		{
			"results of a turn are one message, with what the user says behind them",
			[]llm.Message{{Role: user, Text: "a"}, {Role: assistant, Calls: append(call("x"), call("y")...)}, result("y", "2"), result("x", ""), {Role: user, Text: "b"}},
			`,"messages":[` + says("user", text("a")) + `,` + says("assistant", use("x"), use("y")) + `,` +
				says("user", came("y", "2"), `{"type":"tool_result","tool_use_id":"x"}`, text("b")) + `]` + past,
		},
		{
			"ids that come again, and one that was never answered",
			[]llm.Message{{Role: user, Text: "a"}, {Role: assistant, Calls: call("x")}, result("x", "1"), {Role: assistant, Calls: call("x")}, result("x", "2"), {Role: assistant, Calls: call("z"), Text: "hm"}},
			`,"messages":[` + says("user", text("a")) + `,` + says("assistant", use("x")) + `,` + says("user", came("x", "1")) + `,` +
				says("assistant", use("x_2")) + `,` + says("user", came("x_2", "2")) + `,` + says("assistant", text("hm"), use("z")) + `,` +
				says("user", `{"type":"tool_result","tool_use_id":"z","content":"Error: the result of this call is not known.","is_error":true}`) + `]` + past,
		},
		{
			"pictures and documents",
			[]llm.Message{{Role: user, Parts: []llm.Part{
				{Kind: "text", Text: "see"},
				{Kind: "image", MediaType: "image/webp", Data: "AAAA"},
				{Kind: "image", URI: "https://h.example/a.png"},
				{Kind: "image", URI: "data:image/gif;base64,BBBB"},
				{Kind: "file", Name: "a.pdf", MediaType: "application/pdf", Data: "CCCC"},
				{Kind: "file", URI: "https://h.example/a.pdf"},
				{Kind: "file", Name: "a.txt", MediaType: "text/plain; charset=utf-8", Data: "w6k="},
				{Kind: "link", URI: "https://h.example"},
			}}},
			`,"messages":[` + says("user", text("see"), `{"type":"image","source":{"type":"base64","media_type":"image/webp","data":"AAAA"}}`, `{"type":"image","source":{"type":"url","url":"https://h.example/a.png"}}`,
				`{"type":"image","source":{"type":"base64","media_type":"image/gif","data":"BBBB"}}`, `{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"CCCC"},"title":"a.pdf"}`,
				`{"type":"document","source":{"type":"url","url":"https://h.example/a.pdf"}}`, `{"type":"document","source":{"type":"text","media_type":"text/plain","data":"é"},"title":"a.txt"}`, text("https://h.example")) + `]`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := &llm.Request{Model: "claude-sonnet-4-5", Messages: tt.messages}
			want := `{"model":"claude-sonnet-4-5","max_tokens":32000` + tt.want + `}`
			if got := sent(t, wire.Quirks{}, req); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestBuildParams(t *testing.T) {
	strict := true
	mine := llm.Tool{Name: "mine", Schema: []byte(`{"properties":{}}`), Strict: &strict}
	const (
		mineSent = `{"name":"mine","input_schema":{"type":"object","properties":{}},"strict":true}`
		body     = `{"model":"%","max_tokens":32000,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]`
	)
	for _, tt := range []struct {
		name, model string
		p           llm.Params
		tools       []llm.Tool
		choice      llm.Choice
		want        string // behind the messages
		max         string // where it is no 32000
	}{
		{name: "nothing", want: ``},
		{name: "an older model", model: "claude-3-haiku-20240307", max: "4096"},
		{name: "another vendor's model", model: "glm-5", max: "8192"},
		{
			name: "controls",
			p:    llm.Params{MaxOutput: 50, Temperature: []byte("0.70"), TopP: []byte("0.9"), TopK: []byte("4"), Stop: []string{"a", "b"}, User: "u-1", Verbosity: "low", ServiceTier: "flex", CacheKey: "k", PresencePenalty: []byte("0.0")},
			want: `,"temperature":0.70,"top_p":0.9,"top_k":4,"stop_sequences":["a","b"],"metadata":{"user_id":"u-1"}`, max: "50",
		},
		{name: "schema", p: llm.Params{Format: &llm.Format{Name: "n", Schema: []byte(`{"type":"object", "x":1.0}`)}}, want: `,"output_config":{"format":{"type":"json_schema","schema":{"type":"object", "x":1.0}}}`},
		{name: "effort of an adaptive model", model: "claude-opus-4-6", p: llm.Params{Effort: "xhigh", Format: &llm.Format{Schema: []byte(`{}`)}}, want: `,"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"max","format":{"type":"json_schema","schema":{}}}`},
		{name: "no effort", model: "claude-opus-4-6", p: llm.Params{Effort: "none"}, want: `,"thinking":{"type":"disabled"}`},
		{name: "effort by a budget", p: llm.Params{Effort: "medium"}, want: `,"thinking":{"type":"enabled","budget_tokens":8192}`},
		{name: "a budget within the limit", p: llm.Params{Effort: "high", MaxOutput: 4096}, want: `,"thinking":{"type":"enabled","budget_tokens":2048}`, max: "4096"},
		{name: "no room for a budget", p: llm.Params{Effort: "high", MaxOutput: 100}, max: "100"},
		{name: "a large budget", p: llm.Params{ThinkTokens: 40000}, want: `,"thinking":{"type":"enabled","budget_tokens":40000}`, max: "72000"},
		{name: "a forced call leaves no thinking", p: llm.Params{Effort: "low", Choice: llm.ToolChoice{Mode: "required"}}, tools: []llm.Tool{mine}, want: `,"tools":[` + mineSent + `],"tool_choice":{"type":"any"}`},
		{name: "choice by name, one by one", p: llm.Params{OneByOne: true, Choice: llm.ToolChoice{Mode: "tool", Name: "mine"}}, tools: []llm.Tool{mine}, want: `,"tools":[` + mineSent + `],"tool_choice":{"type":"tool","name":"mine","disable_parallel_tool_use":true}`},
		{name: "one by one", p: llm.Params{OneByOne: true}, tools: []llm.Tool{mine}, want: `,"tools":[` + mineSent + `],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`},
		{name: "none", p: llm.Params{OneByOne: true, Choice: llm.ToolChoice{Mode: "none"}}, tools: []llm.Tool{mine}, want: `,"tools":[` + mineSent + `],"tool_choice":{"type":"none"}`},
		{name: "the loop's none", p: llm.Params{ForcedTool: true}, choice: llm.ChoiceNone, tools: []llm.Tool{mine}, want: `,"tools":[` + mineSent + `],"tool_choice":{"type":"none"}`},
		{name: "the loop's auto", p: llm.Params{ForcedTool: true, Choice: llm.ToolChoice{Mode: "tool", Name: "other"}}, choice: llm.ChoiceAuto, tools: []llm.Tool{mine}, want: `,"tools":[` + mineSent + `]`},
		{name: "the loop's auto among some", p: llm.Params{ForcedTool: true, Choice: llm.ToolChoice{Mode: "required", Allowed: []string{"mine"}}}, choice: llm.ChoiceAuto, tools: []llm.Tool{mine, {Name: "other"}}, want: `,"tools":[` + mineSent + `]`},
		{name: "some tools", p: llm.Params{Choice: llm.ToolChoice{Mode: "auto", Allowed: []string{"mine"}}}, tools: []llm.Tool{mine, {Name: "other"}}, want: `,"tools":[` + mineSent + `]`},
		{name: "a server's tool", p: llm.Params{Choice: llm.ToolChoice{Mode: "tool", Label: "docs", Name: "now"}}, tools: []llm.Tool{bareTool, addTool}, want: `,"tools":[` + bareSent + `,` + addSent + `],"tool_choice":{"type":"tool","name":"docs-now"}`},
		{name: "a server's tools", p: llm.Params{Choice: llm.ToolChoice{Mode: "tool", Label: "docs"}}, tools: []llm.Tool{bareTool, mine, addTool}, want: `,"tools":[` + bareSent + `,` + addSent + `],"tool_choice":{"type":"any"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := &llm.Request{Model: "claude-sonnet-4-5", Messages: []llm.Message{{Role: llm.User, Text: "hi"}}, Params: tt.p, ToolChoice: tt.choice}
			if tt.model != "" {
				req.Model = tt.model
			}
			if strings.HasPrefix(tt.name, "a server's") {
				req.AddedTools = tt.tools
			} else {
				req.Tools = tt.tools
			}
			want := strings.Replace(body, "%", req.Model, 1) + tt.want + "}"
			if tt.max != "" {
				want = strings.Replace(want, "32000", tt.max, 1)
			}
			if got := sent(t, wire.Quirks{}, req); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestThinkingIsNotAskedForInTheMiddle has a turn go on whose reasoning is not at hand: with a budget the API refuses it.
func TestThinkingIsNotAskedForInTheMiddle(t *testing.T) {
	calls := []llm.Call{{ID: "a", Name: "f", Arguments: "{}"}}
	for name, tt := range map[string]struct {
		turn  llm.Message
		model string
		asks  bool
	}{
		"from another wire": {llm.Message{Role: llm.Assistant, Calls: calls}, "claude-sonnet-4-5", false},
		"with its thinking": {llm.Message{Role: llm.Assistant, Calls: calls, Wire: Name, Extra: []byte(`"content":[` + signed + `,{"type":"tool_use","id":"a","name":"f","input":{}}]`)}, "claude-sonnet-4-5", true},
		"adaptive":          {llm.Message{Role: llm.Assistant, Calls: calls}, "claude-opus-4-6", true},
	} {
		req := &llm.Request{Model: tt.model, Messages: []llm.Message{{Role: llm.User, Text: "hi"}, tt.turn, {Role: llm.ToolRole, Result: &llm.Result{CallID: "a", Text: "x"}}}}
		req.Params.Effort = "low"
		if got := sent(t, wire.Quirks{}, req); strings.Contains(got, `"thinking":{`) != tt.asks {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestUnsayable(t *testing.T) {
	user := func(p llm.Part) []llm.Message {
		return []llm.Message{{Role: llm.User, Text: "hi"}, {Role: llm.User, Parts: []llm.Part{{Kind: "text", Text: "a"}, p}}}
	}
	for _, tt := range []struct {
		param    string
		p        llm.Params
		messages []llm.Message
		model    string
	}{
		{param: "n", p: llm.Params{N: 2}},
		{param: "frequency_penalty", p: llm.Params{FrequencyPenalty: []byte("0.5")}},
		{param: "presence_penalty", p: llm.Params{PresencePenalty: []byte("-1")}},
		{param: "seed", p: llm.Params{Seed: []byte("0")}},
		{param: "logprobs", p: llm.Params{TopLogprobs: []byte("0")}},
		{param: "response_format", p: llm.Params{JSON: true, Format: &llm.Format{}}},
		{param: "response_format", p: llm.Params{JSON: true}},
		{param: "reasoning_effort", p: llm.Params{Effort: "low"}, model: "claude-3-5-haiku-latest"},
		{param: "temperature", p: llm.Params{Effort: "low", Temperature: []byte("0.2")}},
		{param: "top_k", p: llm.Params{Effort: "low", Temperature: []byte("1.0"), TopK: []byte("2")}},
		{param: "messages[1].content[1]", messages: user(llm.Part{Kind: "audio", Data: "AA=="})},
		{param: "messages[1].content[1]", messages: user(llm.Part{Kind: "file", MediaType: "video/mp4", Data: "AA=="})},
		{param: "messages[1].content[1]", messages: user(llm.Part{Kind: "file", Name: "file-123"})},
		{param: "messages[1].content[1]", messages: user(llm.Part{Kind: "image", URI: "file:///etc/passwd"})},
	} {
		req := &llm.Request{Model: "claude-sonnet-4-5", Messages: tt.messages, Params: tt.p}
		if tt.model != "" {
			req.Model = tt.model
		}
		if req.Messages == nil {
			req.Messages = []llm.Message{{Role: llm.User, Text: "hi"}}
		}
		_, err := upstream(t, wire.Quirks{}).AppendRequest(nil, req)
		if e := fault.From(err); err == nil || e.Kind != fault.Invalid || e.Param != tt.param || !strings.Contains(e.Message, "Anthropic") && e.Param[0] != 'm' {
			t.Errorf("%s: %+v", tt.param, err)
		}
	}
}
