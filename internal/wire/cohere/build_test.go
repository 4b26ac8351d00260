package cohere

import (
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// sent is the body that req becomes.
func sent(tb testing.TB, q wire.Quirks, req *llm.Request) string {
	tb.Helper()
	out, err := upstream(tb, q).AppendRequest(nil, req)
	if err != nil {
		tb.Fatal(err)
	}
	if !jsonedit.Valid(out) {
		tb.Fatalf("not JSON: %s", out)
	}
	return string(out)
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("sent\n%s\nwant\n%s", got, want)
	}
}

func user(text string) llm.Message { return llm.Message{Role: llm.User, Text: text} }

func result(id, text string) llm.Message {
	return llm.Message{Role: llm.ToolRole, Result: &llm.Result{CallID: id, Text: text}}
}

// TestConversation wants the plan before calls, results directly behind their turn, a word for a result that is missing, and
// one without its call told by the user.
func TestConversation(t *testing.T) {
	same(t, sent(t, wire.Quirks{}, &llm.Request{Model: "command-a-03-2025", Messages: []llm.Message{
		{Role: llm.System, Text: "Be brief."},
		user("hi"),
		{Role: llm.Assistant, Text: "Let me see.", Think: "Hm.", Calls: []llm.Call{{ID: "a", Name: "add", Arguments: `{"a": 1.0}`}, {ID: "b", Name: "now", Arguments: "{"}}},
		result("a", "one"),
		user("well?"),
		result("b", "late"),
		{Role: llm.Assistant},
		{Role: llm.Assistant, Text: "It is one."},
		user("now?"),
	}}), `{"model":"command-a-03-2025","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"},`+
		`{"role":"assistant","tool_plan":"Let me see.","tool_calls":[{"id":"a","type":"function","function":{"name":"add","arguments":"{\"a\": 1.0}"}},{"id":"b","type":"function","function":{"name":"now","arguments":"{}"}}]},`+
		`{"role":"tool","tool_call_id":"a","content":[{"type":"document","document":{"data":{"content":"one"}}}]},`+
		`{"role":"tool","tool_call_id":"b","content":[{"type":"document","document":{"data":{"content":"Error: the result of this call is not known."}}}]},`+
		`{"role":"user","content":"well?"},{"role":"user","content":"The result of an earlier call of a tool: late"},`+
		`{"role":"assistant","content":[{"type":"text","text":"It is one."}]},{"role":"user","content":"now?"}]}`)
}

// TestTurnComesBack wants what a reply says of its turn to be sent again, with the ids that the loop gave its calls.
func TestTurnComesBack(t *testing.T) {
	for _, tt := range []struct{ sample, want string }{
		{"thinking", `{"role":"assistant","content":[{"type":"thinking","thinking":"The user asks for \"Toronto\"."}],"tool_calls":[{"id":"get_weather_1_2","type":"function","function":{"name":"get_weather","arguments":"{\"location\":\"Toronto\"}"}}]}`},
		{"calls", `{"role":"assistant","tool_plan":"I will look.","tool_calls":[{"id":"get_weather_p1t92w7gfgq7_2","type":"function","function":{"name":"get_weather","arguments":"{\n    \"location\": \"Madrid\"}"}},{"id":"now_ay6nmvjgp9vn_2","type":"function","function":{"name":"now","arguments":"{}"}}]}`},
		{"plain", `{"role":"assistant","content":[{"type":"thinking","thinking":"Hm."},{"type":"new_kind","x":1}],"tool_plan":"I will add.","tool_calls":[{"id":"add_1_2","type":"function","function":{"name":"add","arguments":"{\"a\": 1.0}"}},{"id":"add_1_2_2","type":"function","function":{"name":"add","arguments":"{}"}}]}`},
		{"stop", `{"role":"assistant","content":[{"type":"text","text":"One, two"}]}`},
	} {
		s := sampleOf(tt.sample, samples(t)[tt.sample])
		m, err := replied(t, s.ContentType, string(s.Body))
		if err != nil {
			t.Fatal(err)
		}
		req := &llm.Request{Model: "m", Messages: []llm.Message{user("hi")}, AddedMessages: []llm.Message{m}}
		for i := range m.Calls {
			m.Calls[i].ID += "_2"
			req.AddedMessages = append(req.AddedMessages, result(m.Calls[i].ID, "ok"))
		}
		if got := sent(t, wire.Quirks{}, req); !strings.Contains(got, `{"role":"user","content":"hi"},`+tt.want) {
			t.Errorf("%s: sent\n%s\nwant\n%s", tt.sample, got, tt.want)
		}
	}
}

// TestThinkingOfOthers wants what a client sends back of another model's reasoning told where reasoning is asked for.
func TestThinkingOfOthers(t *testing.T) {
	req := &llm.Request{Model: "m", Messages: []llm.Message{user("hi"), {Role: llm.Assistant, Think: "Hm.", Text: "Ho."}}}
	req.Params.Effort = "high"
	same(t, sent(t, wire.Quirks{}, req), `{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"Hm."},{"type":"text","text":"Ho."}]}],"thinking":{"type":"enabled"}}`)
	req.Messages[1].Text, req.Messages[1].Calls = "", []llm.Call{{ID: "a", Name: "f"}}
	if got := sent(t, wire.Quirks{}, req); !strings.Contains(got, `{"role":"assistant","content":[{"type":"thinking","thinking":"Hm."}],"tool_calls":[`) {
		t.Error(got)
	}
}

func TestParts(t *testing.T) {
	req := &llm.Request{Model: "m", Messages: []llm.Message{{Role: llm.User, Parts: []llm.Part{
		{Kind: "text", Text: "see"},
		{Kind: "image", MediaType: "image/png", Data: "aGk=", Detail: "low"},
		{Kind: "image", URI: "https://h/x.png"},
		{Kind: "file", MediaType: "text/csv; charset=utf-8", Name: "a.csv", Data: "MSwy"},
	}}}}
	same(t, sent(t, wire.Quirks{}, req), `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"see"},`+
		`{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk=","detail":"low"}},{"type":"image_url","image_url":{"url":"https://h/x.png"}},`+
		`{"type":"text","text":"a.csv\n1,2"}]}]}`)
	for _, p := range []llm.Part{{Kind: "file", MediaType: "application/pdf", Data: "aGk="}, {Kind: "audio", MediaType: "audio/wav", Data: "aGk="}, {Kind: "file", MediaType: "text/plain", Data: "!"}} {
		req.Messages[0].Parts = []llm.Part{{Kind: "text", Text: "see"}, p}
		_, err := upstream(t, wire.Quirks{}).AppendRequest(nil, req)
		if e := fault.From(err); e.Kind != fault.Invalid || e.Param != "messages[0].content[1]" || !strings.Contains(e.Message, p.Kind) {
			t.Errorf("%+v: %+v", p, err)
		}
	}
}

// TestToolChoice wants the API's two words, and where tools are named only those on offer.
func TestToolChoice(t *testing.T) {
	add := `{"type":"function","function":{"name":"docs-add","description":"Adds.","parameters":{"type":"object","properties":{"a":{"type":"number"}}}}}`
	now := `{"type":"function","function":{"name":"now","parameters":{"type":"object","properties":{}}}}`
	bare := `{"type":"function","function":{"name":"bare","parameters":{"type":"object","properties":{"x":{}}}}}`
	all := add + "," + now + "," + bare
	for _, tt := range []struct {
		name   string
		choice llm.ToolChoice
		forced bool
		loop   llm.Choice
		want   string
	}{
		{"nothing said", llm.ToolChoice{}, false, llm.ChoiceAsIs, `"tools":[` + all + `]}`},
		{"auto has no word", llm.ToolChoice{Mode: "auto"}, false, llm.ChoiceAsIs, `"tools":[` + all + `]}`},
		{"none", llm.ToolChoice{Mode: "none"}, false, llm.ChoiceAsIs, `"tools":[` + all + `],"tool_choice":"NONE"}`},
		{"the loop's none", llm.ToolChoice{Mode: "required"}, true, llm.ChoiceNone, `"tools":[` + all + `],"tool_choice":"NONE"}`},
		{"the loop's auto", llm.ToolChoice{Mode: "tool", Name: "now"}, true, llm.ChoiceAuto, `"tools":[` + all + `]}`},
		{"the loop's auto among some", llm.ToolChoice{Mode: "required", Allowed: []string{"now", "bare"}}, true, llm.ChoiceAuto, `"tools":[` + now + "," + bare + `]}`},
		{"required", llm.ToolChoice{Mode: "required"}, true, llm.ChoiceAsIs, `"tools":[` + all + `],"tool_choice":"REQUIRED"}`},
		{"forced", llm.ToolChoice{}, true, llm.ChoiceAsIs, `"tools":[` + all + `],"tool_choice":"REQUIRED"}`},
		{"one by its name", llm.ToolChoice{Mode: "tool", Name: "now"}, true, llm.ChoiceAsIs, `"tools":[` + now + `],"tool_choice":"REQUIRED"}`},
		{"ours by its label", llm.ToolChoice{Mode: "tool", Label: "docs", Name: "add"}, true, llm.ChoiceAsIs, `"tools":[` + add + `],"tool_choice":"REQUIRED"}`},
		{"some, or none of them", llm.ToolChoice{Mode: "auto", Allowed: []string{"now", "bare"}}, false, llm.ChoiceAsIs, `"tools":[` + now + "," + bare + `]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := &llm.Request{
				Model: "m", Messages: []llm.Message{user("hi")}, ToolChoice: tt.loop,
				AddedTools: []llm.Tool{{Name: "docs-add", Label: "docs", Tool: "add", Description: "Adds.", Schema: []byte(`{"type":"object","properties":{"a":{"type":"number"}}}`), Forms: new(llm.Forms)}},
				Tools:      []llm.Tool{{Name: "now"}, {Name: "bare", Schema: []byte(`{"properties":{"x":{}}}`)}},
			}
			req.Params.Choice, req.Params.ForcedTool = tt.choice, tt.forced
			for range 2 { // the second time from what is kept
				same(t, sent(t, wire.Quirks{}, req), `{"model":"m","messages":[{"role":"user","content":"hi"}],`+tt.want)
			}
		})
	}
}

// TestStrictTools wants strict_tools only where all tools on offer are strict.
func TestStrictTools(t *testing.T) {
	yes := true
	req := &llm.Request{Model: "m", Messages: []llm.Message{user("hi")}, Tools: []llm.Tool{{Name: "a", Strict: &yes}}}
	if got := sent(t, wire.Quirks{}, req); !strings.HasSuffix(got, `],"strict_tools":true}`) {
		t.Error(got)
	}
	req.Tools = append(req.Tools, llm.Tool{Name: "b"})
	if got := sent(t, wire.Quirks{}, req); strings.Contains(got, "strict") {
		t.Error(got)
	}
}

func TestParams(t *testing.T) {
	schema := []byte(`{"type":"object","required":["a"],"properties":{"a":{"type":"string"}}}`)
	for _, tt := range []struct {
		name string
		q    wire.Quirks
		p    llm.Params
		want string
	}{
		{
			"sampling",
			wire.Quirks{Model: "command-r7b"},
			llm.Params{MaxOutput: 9, Temperature: []byte("0.30"), TopP: []byte("0.5"), TopK: []byte("40"), Seed: []byte("7"), FrequencyPenalty: []byte("0.1"), PresencePenalty: []byte("0.2"), Stop: []string{"a", "\n"}},
			`"max_tokens":9,"temperature":0.30,"p":0.5,"k":40,"seed":7,"frequency_penalty":0.1,"presence_penalty":0.2,"stop_sequences":["a","\n"]`,
		},
		{"a p of 1", wire.Quirks{}, llm.Params{TopP: []byte("1.0")}, `"p":0.99`},
		{"a p of 0", wire.Quirks{}, llm.Params{TopP: []byte("0")}, `"p":0.01`},
		{"any JSON", wire.Quirks{}, llm.Params{JSON: true}, `"response_format":{"type":"json_object"}`},
		{"a schema", wire.Quirks{}, llm.Params{JSON: true, Format: &llm.Format{Name: "x", Schema: schema}}, `"response_format":{"type":"json_object","json_schema":` + string(schema) + `}`},
		{"a form without a schema", wire.Quirks{}, llm.Params{Format: &llm.Format{Name: "x"}}, `"response_format":{"type":"json_object"}`},
		{"no reasoning", wire.Quirks{}, llm.Params{Effort: "none"}, `"thinking":{"type":"disabled"}`},
		{"little reasoning", wire.Quirks{}, llm.Params{Effort: "low"}, `"thinking":{"type":"enabled","token_budget":2048}`},
		{"a budget", wire.Quirks{}, llm.Params{Effort: "low", ThinkTokens: 99}, `"thinking":{"type":"enabled","token_budget":99}`},
		{"what only advises", wire.Quirks{}, llm.Params{OneByOne: true, Verbosity: "low", User: "u", ServiceTier: "flex", CacheKey: "k", Stop: []string{"x"}}, `"stop_sequences":["x"]`},
		{"quirks", wire.Quirks{DropParams: []string{"seed"}, RenameParams: map[string]string{"max_tokens": "max"}}, llm.Params{MaxOutput: 9, Seed: []byte("7")}, `"max":9`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := &llm.Request{Model: "m", Stream: true, Messages: []llm.Message{user("hi")}, Params: tt.p}
			model := "m"
			if tt.q.Model != "" {
				model = tt.q.Model
			}
			same(t, sent(t, tt.q, req), `{"model":"`+model+`","stream":true,"messages":[{"role":"user","content":"hi"}],`+tt.want+`}`)
		})
	}
}

// TestUnsayable wants what the API has no word for refused by name.
func TestUnsayable(t *testing.T) {
	for param, p := range map[string]llm.Params{
		"n":               {N: 2},
		"logprobs":        {TopLogprobs: []byte("0")},
		"response_format": {JSON: true},
	} {
		_, err := upstream(t, wire.Quirks{}).AppendRequest(nil, &llm.Request{Model: "m", Messages: []llm.Message{user("hi")}, Tools: []llm.Tool{{Name: "f"}}, Params: p})
		if e := fault.From(err); e.Kind != fault.Invalid || e.Param != param || e.Code != "unsupported_parameter" || !strings.Contains(e.Message, param) || !strings.Contains(e.Message, "Cohere") {
			t.Errorf("%s: %+v", param, err)
		}
	}
}

// FuzzBuild puts anything into a conversation. What is sent is JSON.
func FuzzBuild(f *testing.F) {
	f.Add("text", "call", `{"a":1}`, "result")
	f.Add("\xff\x00", "\"", `{"a":`, "\\")
	f.Fuzz(func(t *testing.T, text, id, args, got string) {
		req := &llm.Request{Model: id, Tools: []llm.Tool{{Name: id, Description: text}}, Messages: []llm.Message{
			{Role: llm.System, Text: text},
			{Role: llm.User, Parts: []llm.Part{{Kind: "text", Text: text}, {Kind: "image", URI: "https://h/" + got}}},
			{Role: llm.Assistant, Text: text, Think: text, Calls: []llm.Call{{ID: id, Name: id, Arguments: args}}},
			result(id, got),
			result(text, got),
		}}
		req.Params.Effort, req.Params.Stop = "low", []string{text}
		sent(t, wire.Quirks{Model: text}, req)
	})
}
