package converse

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	claude = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	newer  = "anthropic.claude-opus-4-7-v1"
	nova   = "amazon.nova-2-lite-v1:0"
	llama  = "meta.llama3-1-70b-instruct-v1:0"
)

// sent is what is sent for req, or the error.
func sent(t *testing.T, model string, req *llm.Request) (string, error) {
	t.Helper()
	req.Model = model
	b, err := upstream(t, wire.Quirks{}).AppendRequest(nil, req)
	return string(b), err
}

func text(s string) string { return `{"text":"` + s + `"}` }
func use(id string) string {
	return `{"toolUse":{"toolUseId":"` + id + `","name":"f","input":{"a":1}}}`
}

func came(id, s string) string {
	return `{"toolResult":{"toolUseId":"` + id + `","content":[` + text(s) + `]}}`
}

func says(role string, blocks ...string) string {
	return `{"role":"` + role + `","content":[` + strings.Join(blocks, ",") + `]}`
}

func call(id string) []llm.Call { return []llm.Call{{ID: id, Name: "f", Arguments: `{"a":1}`}} }

func result(id, text string) llm.Message {
	return llm.Message{Role: llm.ToolRole, Result: &llm.Result{CallID: id, Name: "f", Text: text}}
}

// TestConversation has the rows of the matrix that concern the order of a conversation at Bedrock.
func TestConversation(t *testing.T) {
	const system, user, assistant = llm.System, llm.User, llm.Assistant
	failed := result("x", "no")
	failed.Result.IsError = true
	for _, tt := range []struct {
		name     string
		messages []llm.Message
		want     string
	}{
		{
			"alternate roles",
			[]llm.Message{{Role: system, Text: "a"}, {Role: system, Text: " "}, {Role: system, Parts: []llm.Part{{Kind: "text", Text: "b"}}}, {Role: user, Text: "c"}, {Role: user, Text: " \n"}, {Role: system, Text: "d"}, {Role: user, Text: "e"}, {Role: assistant, Text: "f"}, {Role: assistant, Text: "g"}},
			`{"messages":[` + says("user", text("c"), text("d"), text("e")) + `,` + says("assistant", text("f"), text("g")) + `],"system":[` + text("a") + `,` + text("b") + `]`,
		},
		{
			"the user speaks first",
			[]llm.Message{{Role: assistant, Text: "a", Think: "unsigned"}, {Role: user, Text: "b"}},
			`{"messages":[` + says("user", text("(The conversation begins.)")) + `,` + says("assistant", text("a")) + `,` + says("user", text("b")) + `]`,
		},
		{
			"all toolResults of a turn in one user message",
			[]llm.Message{{Role: user, Text: "a"}, {Role: assistant, Calls: append(call("x"), call("y")...)}, result("y", "2"), result("x", ""), {Role: user, Text: "b"}},
			`{"messages":[` + says("user", text("a")) + `,` + says("assistant", use("x"), use("y")) + `,` + says("user", came("y", "2"), came("x", "(empty)"), text("b")) + `]`,
		},
		{
			"text before toolUse, the status of a result",
			[]llm.Message{{Role: user, Text: "a"}, {Role: assistant, Text: "hm", Calls: call("x")}, failed},
			`{"messages":[` + says("user", text("a")) + `,` + says("assistant", text("hm"), use("x")) + `,` +
				says("user", `{"toolResult":{"toolUseId":"x","content":[`+text("no")+`],"status":"error"}}`) + `]`,
		},
		{
			"ids that come again, ids that the API does not take, and a call that was never answered",
			[]llm.Message{{Role: user, Text: "a"}, {Role: assistant, Calls: call("x")}, result("x", "1"), {Role: assistant, Calls: call("x")}, result("x", "2"), {Role: assistant, Calls: call("call|1")}, {Role: user, Text: "b"}},
			`{"messages":[` + says("user", text("a")) + `,` + says("assistant", use("x")) + `,` + says("user", came("x", "1")) + `,` + says("assistant", use("x_2")) + `,` + says("user", came("x_2", "2")) + `,` +
				says("assistant", use("tooluse_c26e9779d73a23c7a5729c9b")) + `,` +
				says("user", `{"toolResult":{"toolUseId":"tooluse_c26e9779d73a23c7a5729c9b","content":[`+text("Error: the result of this call is not known.")+`],"status":"error"}}`, text("b")) + `]`,
		},
		{
			"arguments that are no object",
			[]llm.Message{{Role: user, Text: "a"}, {Role: assistant, Calls: []llm.Call{{ID: "x", Name: "f", Arguments: `{"a":`}, {ID: "y", Name: "f"}}}, result("x", "1"), result("y", "2")},
			`{"messages":[` + says("user", text("a")) + `,` + says("assistant", `{"toolUse":{"toolUseId":"x","name":"f","input":{}}}`, `{"toolUse":{"toolUseId":"y","name":"f","input":{}}}`) + `,` +
				says("user", came("x", "1"), came("y", "2")) + `]`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := sent(t, claude, &llm.Request{Messages: tt.messages, Tools: []llm.Tool{{Name: "f"}}})
			if want := tt.want + `,"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object","properties":{}}}}}]}}`; err != nil || got != want {
				t.Errorf("sent %s, %v\nwant %s", got, err, want)
			}
		})
	}
}

// TestToolBlocksWithoutToolConfig: the API wants toolConfig whenever the history has tool blocks, and has no choice of none.
// Where no tool may be called there are none, and what was called is told in words.
func TestToolBlocksWithoutToolConfig(t *testing.T) {
	history := []llm.Message{
		{Role: llm.User, Text: "a"},
		{Role: llm.Assistant, Text: "hm", Calls: append(call("x"), call("y")...), Wire: Name, Extra: []byte(`"content":[{"reasoningContent":{"reasoningText":{"text":"t","signature":"s"}}},{"text":"hm"},` + use("x") + `,` + use("y") + `]`)},
		result("x", "1"), result("y", ""),
		{Role: llm.Assistant, Calls: call("z")},
		result("z", "3"),
		{Role: llm.User, Text: "b"},
	}
	const told = `{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"text":"hm"}]},` +
		`{"role":"user","content":[{"text":"Result of f with {\"a\":1}:"},{"text":"1"},{"text":"Result of f with {\"a\":1}:"},{"text":"(empty)"},` +
		`{"text":"Result of f with {\"a\":1}:"},{"text":"3"},{"text":"b"}]}]}`
	tools := []llm.Tool{{Name: "f"}}
	for name, req := range map[string]*llm.Request{
		"no tools":          {Messages: history},
		"none by the loop":  {Messages: history, Tools: tools, ToolChoice: llm.ChoiceNone},
		"none by the user":  {Messages: history, Tools: tools, Params: llm.Params{Choice: llm.ToolChoice{Mode: "none"}}},
		"none are allowed":  {Messages: history, Tools: tools, Params: llm.Params{Choice: llm.ToolChoice{Mode: "auto", Allowed: []string{}}}},
		"added, and no use": {Messages: history[:2], AddedMessages: history[2:], AddedTools: tools, ToolChoice: llm.ChoiceNone},
	} {
		if got, err := sent(t, claude, req); err != nil || got != told {
			t.Errorf("%s: sent %s, %v", name, got, err)
		}
	}
	if got, _ := sent(t, claude, &llm.Request{Messages: history[:1], Tools: tools, ToolChoice: llm.ChoiceNone}); strings.Contains(got, "toolConfig") {
		t.Errorf("no tool may be called, and there are some: %s", got)
	}
}

func TestToolConfig(t *testing.T) {
	yes := true
	long := strings.Repeat("long.", 20)
	tools := []llm.Tool{
		{Name: "f", Description: "does", Schema: []byte(`{"properties":{"a": {"type":"number"}}}`), Strict: &yes, Forms: &llm.Forms{}},
		{Name: long, Description: " "},
	}
	const spec = `"toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"does","inputSchema":{"json":{"type":"object","properties":{"a": {"type":"number"}}}},"strict":true}},` +
		`{"toolSpec":{"name":"long_long_long_long_long_long_long_long_long_long_long__c616458c","inputSchema":{"json":{"type":"object","properties":{}}}}}]`
	for _, c := range []struct {
		name string
		req  llm.Request
		want string
	}{
		{"auto", llm.Request{}, ""},
		{"auto, said", llm.Request{Params: llm.Params{Choice: llm.ToolChoice{Mode: "auto"}}}, ""},
		{"required", llm.Request{Params: llm.Params{Choice: llm.ToolChoice{Mode: "required"}, ForcedTool: true}}, `,"toolChoice":{"any":{}}`},
		{"one", llm.Request{Params: llm.Params{Choice: llm.ToolChoice{Mode: "tool", Name: "f"}, ForcedTool: true}}, `,"toolChoice":{"tool":{"name":"f"}}`},
		{"auto by the loop", llm.Request{ToolChoice: llm.ChoiceAuto, Params: llm.Params{Choice: llm.ToolChoice{Mode: "required"}, ForcedTool: true}}, ""},
		{"one by one", llm.Request{Params: llm.Params{OneByOne: true}}, ""},
	} {
		for range 2 { // the second time the form is kept
			req := c.req
			req.Messages, req.Tools = []llm.Message{{Role: llm.User, Text: "a"}}, tools
			got, err := sent(t, claude, &req)
			if want := `{"messages":[` + says("user", text("a")) + `],` + spec + c.want + `}}`; err != nil || got != want {
				t.Errorf("%s: sent %s, %v\nwant %s", c.name, got, err, want)
			}
		}
	}
	// The name that Bedrock knows comes back as the one that the client offers.
	list, err := events(upstream(t, wire.Quirks{}), &llm.Request{Tools: tools}, strings.NewReader(string(frames(
		"messageStart {}\ncontentBlockStart {\"contentBlockIndex\":0,\"start\":{\"toolUse\":{\"name\":\"long_long_long_long_long_long_long_long_long_long_long__c616458c\",\"toolUseId\":\"x\"}}}\nmessageStop {\"stopReason\":\"tool_use\"}"))))
	if err != nil || len(list) < 2 || list[1].Call.Name != long {
		t.Errorf("called %+v, %v", list, err)
	}
}

func TestMedia(t *testing.T) {
	pdf := llm.Part{Kind: "file", MediaType: "application/pdf", Data: "JVBERg==", Name: "Q3  report (final)_v2.pdf"}
	doc := func(format, name, data string) string {
		return `{"document":{"format":"` + format + `","name":"` + name + `","source":{"bytes":"` + data + `"}}}`
	}
	hi := base64.StdEncoding.EncodeToString([]byte("hi"))
	for _, c := range []struct {
		name  string
		parts []llm.Part
		want  string // or what an error says
		wrong bool
	}{
		{
			"pictures",
			[]llm.Part{{Kind: "text", Text: "see"}, {Kind: "image", MediaType: "image/webp", Data: "AAAA"}, {Kind: "image", URI: "data:image/jpeg;base64,BBBB"}},
			text("see") + `,{"image":{"format":"webp","source":{"bytes":"AAAA"}}},{"image":{"format":"jpeg","source":{"bytes":"BBBB"}}}`, false,
		},
		{
			"documents, one name twice, no text",
			[]llm.Part{pdf, pdf, {Kind: "file", Text: "hi"}},
			doc("pdf", "Q3 report (final) v2", "JVBERg==") + `,` + doc("pdf", "Q3 report (final) v2 2", "JVBERg==") + `,` + doc("txt", "document", hi) + `,` + text("(a document)"), false,
		},
		{
			"by its name, by its type",
			[]llm.Part{{Kind: "text", Text: "x"}, {Kind: "file", Name: "a.XLSX", Data: hi}, {Kind: "file", MediaType: "text/x-go; charset=utf-8", Data: hi}},
			text("x") + `,` + doc("xlsx", "a", hi) + `,` + doc("txt", "document", hi), false,
		},
		{"a resource and a link", []llm.Part{{Kind: "resource", Text: "r"}, {Kind: "link", URI: "https://h.example/a"}}, text("r") + `,` + text("https://h.example/a"), false},
		{"an image by URL", []llm.Part{{Kind: "image", URI: "https://h.example/a.png"}}, "base64 data only", true},
		{"a file by id", []llm.Part{{Kind: "file", Name: "file-abc"}}, "base64 data only", true},
		{"an image of another type", []llm.Part{{Kind: "image", MediaType: "image/tiff", Data: "AAAA"}}, "not image/tiff", true},
		{"a file of another type", []llm.Part{{Kind: "file", MediaType: "application/zip", Data: "AAAA"}}, "not application/zip", true},
		{"audio", []llm.Part{{Kind: "audio", MediaType: "audio/wav", Data: "AAAA"}}, "no audio", true},
	} {
		got, err := sent(t, claude, &llm.Request{Messages: []llm.Message{{Role: llm.User, Parts: c.parts}}})
		if c.wrong {
			if f := fault.From(err); f.Kind != fault.Invalid || f.Param != "messages[0].content[0]" || !strings.Contains(f.Message, c.want) {
				t.Errorf("%s: %s, %+v", c.name, got, f)
			}
		} else if want := `{"messages":[{"role":"user","content":[` + c.want + `]}]}`; err != nil || got != want {
			t.Errorf("%s: sent %s, %v\nwant %s", c.name, got, err, want)
		}
	}
	r := llm.Message{Role: llm.ToolRole, Result: &llm.Result{CallID: "x", Text: "in words", Parts: []llm.Part{{Kind: "text", Text: "t"}, {Kind: "image", MediaType: "image/png", Data: "AAAA"}, pdf, {Kind: "audio", MediaType: "audio/wav", Data: "AAAA"}}}}
	got, err := sent(t, claude, &llm.Request{Tools: []llm.Tool{{Name: "f"}}, Messages: []llm.Message{{Role: llm.User, Text: "a"}, {Role: llm.Assistant, Calls: call("x")}, r}})
	want := `{"toolResult":{"toolUseId":"x","content":[` + text("t") + `,{"image":{"format":"png","source":{"bytes":"AAAA"}}},` + doc("pdf", "Q3 report (final) v2", "JVBERg==") + `,` + text("[audio audio/wav]") + `]}}`
	if err != nil || !strings.Contains(got, want) {
		t.Errorf("media in a result: %s, %v", got, err)
	}
}

func TestParams(t *testing.T) {
	number := func(s string) []byte { return []byte(s) }
	for _, c := range []struct {
		name, model string
		p           llm.Params
		want        string
	}{
		{
			"all models", llama,
			llm.Params{MaxOutput: 50, Temperature: number("0.50"), TopP: number("1.0"), Stop: []string{"\n", "b"}, Verbosity: "low", ServiceTier: "flex", User: "u", CacheKey: "k"},
			`,"inferenceConfig":{"maxTokens":50,"temperature":0.50,"topP":1.0,"stopSequences":["\n","b"]}`,
		},
		{"top_k", llama, llm.Params{TopK: number("5")}, `,"additionalModelRequestFields":{"top_k":5}`},
		{"top_k of Claude", claude, llm.Params{TopK: number("5")}, `,"additionalModelRequestFields":{"top_k":5}`},
		{"top_k of Nova", nova, llm.Params{TopK: number("5")}, `,"additionalModelRequestFields":{"inferenceConfig":{"topK":5}}`},
		{"a budget", claude, llm.Params{Effort: "medium"}, `,"inferenceConfig":{"maxTokens":16384},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":8192}}`},
		{"a budget below the limit", claude, llm.Params{Effort: "high", MaxOutput: 4000}, `,"inferenceConfig":{"maxTokens":4000},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000}}`},
		{"no room for a budget", claude, llm.Params{Effort: "high", MaxOutput: 2000}, `,"inferenceConfig":{"maxTokens":2000}`},
		{"the client's budget", newer, llm.Params{ThinkTokens: 5000, MaxOutput: 9000}, `,"inferenceConfig":{"maxTokens":9000},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":5000}}`},
		{"adaptive", newer, llm.Params{Effort: "xhigh"}, `,"additionalModelRequestFields":{"thinking":{"type":"adaptive","display":"summarized"}},"outputConfig":{"effort":"max"}`},
		{"off", newer, llm.Params{Effort: "none"}, `,"additionalModelRequestFields":{"thinking":{"type":"disabled"}}`},
		{"off by itself", llama, llm.Params{Effort: "none"}, ``},
		{"Nova", nova, llm.Params{Effort: "minimal"}, `,"additionalModelRequestFields":{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"low"}}`},
		{"Nova, a budget", nova, llm.Params{ThinkTokens: 20000}, `,"additionalModelRequestFields":{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"high"}}`},
		{"gpt-oss", "openai.gpt-oss-120b-1:0", llm.Params{ThinkTokens: 10000}, `,"additionalModelRequestFields":{"reasoning_effort":"medium"}`},
		{
			"a form", llama,
			llm.Params{Format: &llm.Format{Name: "r", Description: "d", Schema: []byte(`{"a":1.0}`)}},
			`,"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"a\":1.0}","name":"r","description":"d"}}}}`,
		},
	} {
		got, err := sent(t, c.model, &llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "a"}}, Params: c.p})
		if want := `{"messages":[` + says("user", text("a")) + `]` + c.want + `}`; err != nil || got != want {
			t.Errorf("%s: sent %s, %v\nwant %s", c.name, got, err, want)
		}
	}
}

// TestThinkingInTheMiddle: by a budget, Claude does not go on in a turn whose reasoning is not at hand, and it does not think
// where a call is forced.
func TestThinkingInTheMiddle(t *testing.T) {
	turn := []llm.Message{{Role: llm.User, Text: "a"}, {Role: llm.Assistant, Calls: call("x")}, result("x", "1")}
	tools := []llm.Tool{{Name: "f"}}
	for name, c := range map[string]struct {
		model string
		req   llm.Request
		want  bool
	}{
		"in the middle":           {claude, llm.Request{Messages: turn, Tools: tools}, false},
		"in the middle, adaptive": {newer, llm.Request{Messages: turn, Tools: tools}, true},
		"a turn later":            {claude, llm.Request{Messages: append(turn[:3:3], llm.Message{Role: llm.User, Text: "b"}), Tools: tools}, true},
		"forced":                  {claude, llm.Request{Messages: turn[:1], Tools: tools, Params: llm.Params{ForcedTool: true}}, false},
		"forced, adaptive":        {newer, llm.Request{Messages: turn[:1], Tools: tools, Params: llm.Params{ForcedTool: true}}, false},
	} {
		c.req.Params.Effort = "high"
		if got, err := sent(t, c.model, &c.req); err != nil || strings.Contains(got, `"thinking"`) != c.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// TestUnsayable wants what cannot be said refused by name, with what to do.
func TestUnsayable(t *testing.T) {
	for param, c := range map[string]struct {
		model string
		p     llm.Params
	}{
		"n":                 {claude, llm.Params{N: 2}},
		"frequency_penalty": {claude, llm.Params{FrequencyPenalty: []byte("0.5")}},
		"presence_penalty":  {claude, llm.Params{PresencePenalty: []byte("1")}},
		"seed":              {claude, llm.Params{Seed: []byte("1")}},
		"logprobs":          {claude, llm.Params{TopLogprobs: []byte("0")}},
		"response_format":   {claude, llm.Params{JSON: true}},
		"reasoning_effort":  {llama, llm.Params{Effort: "high"}},
		"temperature":       {claude, llm.Params{Effort: "high", Temperature: []byte("0.5")}},
		"top_k":             {claude, llm.Params{Effort: "high", Temperature: []byte("1.0"), TopK: []byte("5")}},
	} {
		_, err := sent(t, c.model, &llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "a"}}, Params: c.p})
		if f := fault.From(err); f.Kind != fault.Invalid || f.Code != "unsupported_parameter" || f.Param != param || !strings.Contains(f.Message, "Amazon Bedrock") {
			t.Errorf("%s: %+v", param, f)
		}
	}
	if _, err := sent(t, nova, &llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "a"}}, Params: llm.Params{Effort: "odd"}}); fault.From(err).Param != "reasoning_effort" {
		t.Errorf("an odd effort: %v", err)
	}
	req := &llm.Request{Tools: []llm.Tool{{Name: "f"}}, Messages: []llm.Message{{Role: llm.System, Text: "s"}, {Role: llm.User, Text: "a"}, result("x", "1")}}
	if _, err := sent(t, claude, req); fault.From(err).Param != "messages[2]" || fault.KindOf(err) != fault.Invalid {
		t.Errorf("a result of no call: %v", err)
	}
}

func TestQuirks(t *testing.T) {
	u := upstream(t, wire.Quirks{Model: "m", DropParams: []string{"outputConfig"}})
	got, err := u.AppendRequest(nil, &llm.Request{Model: "n", Messages: []llm.Message{{Role: llm.User, Text: "a"}}, Params: llm.Params{Format: &llm.Format{Schema: []byte(`{}`)}}})
	if err != nil || string(got) != `{"messages":[{"role":"user","content":[{"text":"a"}]}]}` || u.PathFor(&llm.Request{Model: "n"}) != "/model/m/converse" {
		t.Errorf("sent %s, %v", got, err)
	}
}
