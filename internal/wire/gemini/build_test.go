package gemini

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// sent is the body that req becomes.
func sent(tb testing.TB, req *llm.Request) string {
	tb.Helper()
	out, err := upstream(tb, wire.Quirks{}).AppendRequest(nil, req)
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

func calls(cs ...llm.Call) llm.Message { return llm.Message{Role: llm.Assistant, Calls: cs} }

func call(id, name, args string) llm.Call { return llm.Call{ID: id, Name: name, Arguments: args} }

// TestResultOrderAndGrouping wants all results of a turn in one content, in the order of the calls, each with the name of its
// function, and nothing else in that content.
func TestResultOrderAndGrouping(t *testing.T) {
	req := &llm.Request{Model: "gemini-2.5-pro", Messages: []llm.Message{
		{Role: llm.System, Text: "Be brief."},
		user("hi"),
		{Role: llm.Assistant, Text: "Let me see.", Calls: []llm.Call{call("a", "add", `{"a": 1.0}`), call("b", "3d", ""), call("c", "add", `{"a":2}`)}},
		result("c", "three"),
		{Role: llm.ToolRole, Result: &llm.Result{CallID: "a", Text: "one", IsError: true}},
		user("well?"),
		user("now?"),
	}}
	same(t, sent(t, req), `{"contents":[{"role":"user","parts":[{"text":"hi"}]},`+
		`{"role":"model","parts":[{"text":"Let me see."},{"functionCall":{"name":"add","args":{"a": 1.0}}},{"functionCall":{"name":"_3d","args":{}}},{"functionCall":{"name":"add","args":{"a":2}}}]},`+
		`{"role":"user","parts":[{"functionResponse":{"name":"add","response":{"error":"one"}}},{"functionResponse":{"name":"_3d","response":{"error":"The result of this call is not known."}}},{"functionResponse":{"name":"add","response":{"output":"three"}}}]},`+
		`{"role":"user","parts":[{"text":"well?"},{"text":"now?"}]}],"systemInstruction":{"parts":[{"text":"Be brief."}]}}`)
}

// TestRoleAlternation wants neighbours of one role joined, the user first, and a word of the user where there is only a
// system message.
func TestRoleAlternation(t *testing.T) {
	req := &llm.Request{Model: "gemini-2.5-pro", Messages: []llm.Message{
		{Role: llm.Assistant, Text: "Hello."},
		{Role: llm.Assistant, Text: "There."},
		{Role: llm.User},
		{Role: llm.System, Text: "Be kind."},
		user("hi"),
		result("gone", "7"),
	}}
	same(t, sent(t, req), `{"contents":[{"role":"user","parts":[{"text":"(The conversation begins.)"}]},{"role":"model","parts":[{"text":"Hello."},{"text":"There."}]},`+
		`{"role":"user","parts":[{"text":"Be kind."},{"text":"hi"},{"text":"Result of an earlier call: 7"}]}]}`)
	same(t, sent(t, &llm.Request{Model: "m", Messages: []llm.Message{{Role: llm.System, Text: "Say hi."}}}), `{"contents":[{"role":"user","parts":[{"text":"Say hi."}]}]}`)
}

// TestThoughtSignatures wants a turn back byte for byte, whatever ids the loop gave its calls, and the ids that the model gave
// with their results.
func TestThoughtSignatures(t *testing.T) {
	s := sampleOf("calls", samples(t)["calls"])
	m, err := replied(t, &llm.Request{}, s.ContentType, string(s.Body))
	if err != nil {
		t.Fatal(err)
	}
	m.Calls[0].ID += "_2"
	req := &llm.Request{Model: "gemini-3-pro-preview", Messages: []llm.Message{user("hi")}, AddedMessages: []llm.Message{m, result(m.Calls[1].ID, "noon"), result(m.Calls[0].ID, "2")}}
	turn := `{"role":"model","parts":[{"text": "I will add."},{"functionCall": {"name": "docs-add","args": {"a": 1.0, "b":"\u00e9"},"id": "fc-1"},"thoughtSignature": "EqQBCgIYAhIM+/1a=="},{"functionCall": {"name": "docs-now"}}]}`
	results := `{"role":"user","parts":[{"functionResponse":{"id":"fc-1","name":"docs-add","response":{"output":"2"}}},{"functionResponse":{"name":"docs-now","response":{"output":"noon"}}}]}`
	same(t, sent(t, req), `{"contents":[{"role":"user","parts":[{"text":"hi"}]},`+turn+`,`+results+`]}`)

	m.Extra = nil // a turn of which only the calls with what they bring along are left
	req.AddedMessages[0] = m
	if got := sent(t, req); !strings.Contains(got, `{"text":"I will add."},{"functionCall":{"id":"fc-1","name":"docs-add","args":{"a": 1.0, "b":"\u00e9"}},"thoughtSignature":"EqQBCgIYAhIM+/1a=="},{"functionCall":{"name":"docs-now","args":{}}}]`) {
		t.Error(got)
	}
}

// TestSignatureThatIsGone wants the documented word for it with the first call of a turn, where the model asks for signatures.
func TestSignatureThatIsGone(t *testing.T) {
	req := &llm.Request{Model: "gemini-3-flash", Messages: []llm.Message{user("hi"), calls(call("a", "f", `{}`), call("b", "g", `{}`)), result("a", "1"), result("b", "2")}}
	dummy := `,"thoughtSignature":"skip_thought_signature_validator"}`
	want := `{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}` + dummy + `,{"functionCall":{"name":"g","args":{}}}]}`
	if got := sent(t, req); !strings.Contains(got, want) {
		t.Error(got)
	}
	req.Model = "gemini-2.5-flash"
	if got := sent(t, req); strings.Contains(got, "thoughtSignature") {
		t.Error(got)
	}
	req.Model = "gemini-3-flash"
	req.Messages[1] = llm.Message{Role: llm.Assistant, Wire: Name, Extra: []byte(`"parts":[{"functionCall":{"name":"f"}},{"functionCall":{"name":"g"}}]`), Calls: req.Messages[1].Calls}
	if got := sent(t, req); !strings.Contains(got, `{"functionCall":{"name":"f"}`+dummy+`,{"functionCall":{"name":"g"}}]`) {
		t.Error(got)
	}
	req.Messages[1] = calls(llm.Call{ID: "a", Name: "f", Extra: []byte(`"extra_content":{"google":{"thought_signature":"AbC="}}`)}, call("b", "g", ""))
	if got := sent(t, req); !strings.Contains(got, `"thoughtSignature":"AbC="`) || strings.Contains(got, "skip_") {
		t.Error(got)
	}
}

func TestMedia(t *testing.T) {
	req := &llm.Request{Model: "gemini-3-pro", Messages: []llm.Message{{Role: llm.User, Parts: []llm.Part{
		{Kind: "text", Text: "see"},
		{Kind: "image", MediaType: "image/jpeg", Data: "AAAA"},
		{Kind: "image", URI: "data:image/webp;base64,BBBB"},
		{Kind: "image", URI: "https://h.example/a.png?x=1"},
		{Kind: "image", URI: "https://h.example/a"},
		{Kind: "file", Name: "a.pdf", Data: "CCCC"},
		{Kind: "audio", MediaType: "audio/mpeg", Data: "DDDD"},
		{Kind: "file", URI: "gs://b/v.mp4", MediaType: "video/mp4"},
		{Kind: "resource", Text: "inside"},
	}}}}
	same(t, sent(t, req), `{"contents":[{"role":"user","parts":[{"text":"see"},{"inlineData":{"mimeType":"image/jpeg","data":"AAAA"}},{"inlineData":{"mimeType":"image/webp","data":"BBBB"}},`+
		`{"fileData":{"fileUri":"https://h.example/a.png?x=1","mimeType":"image/png"}},{"fileData":{"fileUri":"https://h.example/a"}},{"inlineData":{"mimeType":"application/pdf","data":"CCCC"}},`+
		`{"inlineData":{"mimeType":"audio/mp3","data":"DDDD"}},{"fileData":{"fileUri":"gs://b/v.mp4","mimeType":"video/mp4"}},{"text":"inside"}]}]}`)
	for _, p := range []llm.Part{{Kind: "image", URI: "file-123"}, {Kind: "file", Data: "AAAA"}, {Kind: "hologram"}} {
		_, err := upstream(t, wire.Quirks{}).AppendRequest(nil, &llm.Request{Messages: []llm.Message{user("a"), {Role: llm.User, Parts: []llm.Part{p}}}})
		if e := fault.From(err); e.Kind != fault.Invalid || e.Param != "messages[1].content[0]" {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

// TestMediaInResults wants pictures in the result where the model takes them there, and else shown behind all results.
func TestMediaInResults(t *testing.T) {
	req := &llm.Request{Model: "gemini-3-pro", Messages: []llm.Message{
		user("hi"), calls(llm.Call{ID: "a", Name: "f", Extra: []byte(`"thoughtSignature":"x"`)}, call("b", "g", "")),
		{Role: llm.ToolRole, Result: &llm.Result{CallID: "a", Text: "a picture", Parts: []llm.Part{{Kind: "text", Text: "a picture"}, {Kind: "image", MediaType: "image/png", Data: "AAAA"}}}},
		result("b", "2"),
	}}
	if got := sent(t, req); !strings.HasSuffix(got, `{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"a picture"},"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}},{"functionResponse":{"name":"g","response":{"output":"2"}}}]}]}`) {
		t.Error(got)
	}
	req.Model = "gemini-2.5-pro"
	if got := sent(t, req); !strings.HasSuffix(got, `{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"a picture"}}},{"functionResponse":{"name":"g","response":{"output":"2"}}}]},`+
		`{"role":"user","parts":[{"text":"What the call of f has returned:"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}]}`) {
		t.Error(got)
	}
}

func TestToolChoiceMapping(t *testing.T) {
	const tools = `"tools":[{"functionDeclarations":[{"name":"ours"},{"name":"own"}]}]`
	for _, tt := range []struct {
		choice llm.ToolChoice
		over   llm.Choice
		forced bool
		want   string
	}{
		{llm.ToolChoice{}, llm.ChoiceAsIs, false, tools + `}`},
		{llm.ToolChoice{Mode: "auto"}, llm.ChoiceAsIs, false, tools + `}`},
		{llm.ToolChoice{Mode: "none"}, llm.ChoiceAsIs, false, tools + `,"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}}`},
		{llm.ToolChoice{Mode: "required"}, llm.ChoiceAsIs, false, tools + `,"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}}`},
		{llm.ToolChoice{}, llm.ChoiceAsIs, true, tools + `,"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}}`},
		{llm.ToolChoice{Mode: "tool", Name: "own"}, llm.ChoiceAsIs, true, tools + `,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["own"]}}}`},
		{llm.ToolChoice{Mode: "required", Allowed: []string{"own", "ours"}}, llm.ChoiceAsIs, true, tools + `,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["own","ours"]}}}`},
		{llm.ToolChoice{Mode: "auto", Allowed: []string{"own"}}, llm.ChoiceAsIs, false, `"tools":[{"functionDeclarations":[{"name":"own"}]}]}`},
		{llm.ToolChoice{Mode: "tool", Name: "own"}, llm.ChoiceAuto, true, tools + `}`},
		{llm.ToolChoice{Mode: "tool", Name: "own"}, llm.ChoiceNone, true, tools + `,"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}}`},
	} {
		req := &llm.Request{Model: "gemini-2.5-pro", Messages: []llm.Message{user("hi")}, AddedTools: []llm.Tool{{Name: "ours"}}, Tools: []llm.Tool{{Name: "own"}}, ToolChoice: tt.over}
		req.Params.Choice, req.Params.ForcedTool = tt.choice, tt.forced
		same(t, sent(t, req), `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],`+tt.want)
	}
}

func TestControls(t *testing.T) {
	req := &llm.Request{Model: "gemini-3-pro", Messages: []llm.Message{user("hi")}, Params: llm.Params{
		MaxOutput: 100, Temperature: []byte("0.10"), TopP: []byte("1"), TopK: []byte("40"), Seed: []byte("7"), PresencePenalty: []byte("0.5"), FrequencyPenalty: []byte("-0.5"),
		Stop: []string{"a", "\""}, Format: &llm.Format{Name: "x", Schema: []byte(`{"type":"object","properties":{"a":{"type":"string","const":"b"}},"$schema":"s"}`)},
	}}
	same(t, sent(t, req), `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":100,"temperature":0.10,"topP":1,"topK":40,"seed":7,"presencePenalty":0.5,"frequencyPenalty":-0.5,`+
		`"stopSequences":["a","\""],"responseMimeType":"application/json","responseJsonSchema":{"type":"object","properties":{"a":{"type":"string","enum":["b"]}}}}}`)
	req.Params = llm.Params{JSON: true}
	same(t, sent(t, req), `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"responseMimeType":"application/json"}}`)
}

func TestReasoning(t *testing.T) {
	for _, tt := range []struct {
		model, effort string
		tokens        int64
		want          string
	}{
		{"gemini-3-pro-preview", "low", 0, `{"thinkingLevel":"low","includeThoughts":true}`},
		{"gemini-3-pro-preview", "medium", 0, `{"thinkingLevel":"high","includeThoughts":true}`},
		{"gemini-3.1-pro-preview", "medium", 0, `{"thinkingLevel":"medium","includeThoughts":true}`},
		{"gemini-3.1-pro-preview", "none", 0, `{"thinkingLevel":"low"}`},
		{"gemini-3-flash", "none", 0, `{"thinkingLevel":"minimal"}`},
		{"gemini-flash-latest", "xhigh", 0, `{"thinkingLevel":"high","includeThoughts":true}`},
		{"models/gemini-3-flash", "", 5000, `{"thinkingLevel":"medium","includeThoughts":true}`},
		{"gemini-2.5-pro", "none", 0, `{"thinkingBudget":128}`},
		{"gemini-2.5-pro", "max", 0, `{"thinkingBudget":32768,"includeThoughts":true}`},
		{"gemini-2.5-flash", "none", 0, `{"thinkingBudget":0}`},
		{"gemini-2.5-flash", "high", 0, `{"thinkingBudget":24576,"includeThoughts":true}`},
		{"gemini-2.5-flash-lite", "", 100, `{"thinkingBudget":512,"includeThoughts":true}`},
		{"gemini-2.5-flash", "", 0, ""},
		{"gemini-2.0-flash", "none", 0, ""},
		{"gemma-3", "low", 0, "reasoning_effort"},
		{"gemini-2.5-flash", "odd", 0, "reasoning_effort"},
	} {
		req := &llm.Request{Model: tt.model, Messages: []llm.Message{user("hi")}, Params: llm.Params{Effort: tt.effort, ThinkTokens: tt.tokens}}
		out, err := upstream(t, wire.Quirks{}).AppendRequest(nil, req)
		if tt.want == "reasoning_effort" {
			if e := fault.From(err); e.Param != tt.want || e.Code != "unsupported_parameter" {
				t.Errorf("%+v: %v", tt, err)
			}
			continue
		}
		want := `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`
		if tt.want != "" {
			want = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"thinkingConfig":` + tt.want + `}}`
		}
		same(t, string(out), want)
	}
}

func TestUnsayable(t *testing.T) {
	for param, change := range map[string]func(*llm.Request){
		"n":               func(r *llm.Request) { r.Params.N = 2 },
		"logprobs":        func(r *llm.Request) { r.Params.TopLogprobs = []byte("0") },
		"response_format": func(r *llm.Request) { r.Params.JSON, r.Tools = true, []llm.Tool{{Name: "f"}} },
	} {
		req := &llm.Request{Model: "gemini-2.5-pro", Messages: []llm.Message{user("hi")}}
		change(req)
		_, err := upstream(t, wire.Quirks{}).AppendRequest([]byte("x"), req)
		if e := fault.From(err); e.Kind != fault.Invalid || e.Param != param || e.Code != "unsupported_parameter" || !strings.Contains(e.Message, "Gemini") {
			t.Errorf("%s: %+v", param, err)
		}
	}
}

// TestOneCallAtATime wants no more than one call of a turn where the caller takes no more, in the reply and in what goes back.
func TestOneCallAtATime(t *testing.T) {
	s := sampleOf("calls", samples(t)["calls"])
	req := &llm.Request{}
	req.Params.OneByOne = true
	m, err := replied(t, req, s.ContentType, string(s.Body))
	if err != nil || len(m.Calls) != 1 || strings.Contains(string(m.Extra), "docs-now") {
		t.Errorf("%+v %v", m, err)
	}
}

// TestMissingCallIDs wants ids for calls without one, or with one twice, and the same ones each time.
func TestMissingCallIDs(t *testing.T) {
	body := `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}},{"functionCall":{"name":"f"}},{"functionCall":{"name":"f","id":"x"}},{"functionCall":{"name":"f","id":"x"}}]},"finishReason":"STOP"}],"responseId":"r"}`
	a, err := replied(t, &llm.Request{}, "application/json", body)
	b, _ := replied(t, &llm.Request{}, "application/json", body)
	if err != nil || len(a.Calls) != 4 {
		t.Fatal(err, a)
	}
	seen := map[string]bool{}
	for i, c := range a.Calls {
		if seen[c.ID] || c.ID == "" || len(c.ID) > 40 || c.ID != b.Calls[i].ID {
			t.Errorf("call %d has the id %q, then %q", i, c.ID, b.Calls[i].ID)
		}
		seen[c.ID] = true
	}
}

// TestNamesComeBack wants a tool's own name where the API took it in another form only.
func TestNamesComeBack(t *testing.T) {
	req := &llm.Request{Model: "gemini-2.5-pro", Messages: []llm.Message{user("hi")}, AddedTools: []llm.Tool{{Name: "3d-draw"}, {Name: "_x"}}}
	if got := sent(t, req); !strings.Contains(got, `[{"name":"_3d-draw"},{"name":"_x"}]`) {
		t.Error(got)
	}
	m, err := replied(t, req, "application/json", `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"_3d-draw"}},{"functionCall":{"name":"_x"}},{"functionCall":{"name":"other"}}]},"finishReason":"STOP"}]}`)
	if err != nil || m.Calls[0].Name != "3d-draw" || m.Calls[1].Name != "_x" || m.Calls[2].Name != "other" {
		t.Errorf("%+v %v", m, err)
	}
	req.AddedMessages = []llm.Message{m}
	if got := sent(t, req); !strings.Contains(got, `{"functionCall":{"name":"_3d-draw"}}`) {
		t.Error(got)
	}
}

func TestFormsAreKept(t *testing.T) {
	var f llm.Forms
	tool := llm.Tool{Name: "f", Schema: []byte(`{"properties":{"a":{}}}`), Forms: &f}
	req := &llm.Request{Model: "m", Messages: []llm.Message{user("hi")}, Tools: []llm.Tool{tool}}
	first := sent(t, req)
	if f.Get(llm.Form{Wire: Name, Name: "f"}) == nil || sent(t, req) != first {
		t.Error("the form is made anew")
	}
}

func TestSchemaSubset(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{``, ``},
		{`{"type":"object"}`, ``},
		{`{"type":"object","properties":{},"additionalProperties":false}`, ``},
		{
			`{"$schema":"s","type":"object","properties":{"a":{"type":"integer","exclusiveMinimum":0,"maximum":9}},"required":["a","b"],"additionalProperties":false}`,
			`{"type":"object","properties":{"a":{"type":"integer","maximum":9,"description":"(exclusiveMinimum: 0)"}},"required":["a"],"additionalProperties":false}`,
		},
		{
			`{"properties":{"a":{"type":["string","null"],"enum":["x",null],"title":"A"},"b":{"enum":[true,1]},"c":{"const":1.50},"d":{"const":{}}}}`,
			`{"type":"object","properties":{"a":{"type":["string","null"],"enum":["x"],"title":"A"},"b":{"description":"(enum: [true,1])"},"c":{"enum":[1.50]},"d":{"description":"(const: {})"}}}`,
		},
		{
			`{"properties":{"a":{"type":"string","nullable":true,"format":"uuid","pattern":"^a$","description":"An \"id\"."},"b":{"type":"string","format":"date-time"}}}`,
			`{"type":"object","properties":{"a":{"type":["string","null"],"description":"An \"id\". (format: \"uuid\", pattern: \"^a$\")"},"b":{"type":"string","format":"date-time"}}}`,
		},
		{
			`{"definitions":{"p":{"type":"object","properties":{"x":{"$ref":"#/definitions/p","description":"d"}}}},"properties":{"a":{"$ref":"#/definitions/p"}}}`,
			`{"type":"object","$defs":{"p":{"type":"object","properties":{"x":{"$ref":"#/$defs/p"}}}},"properties":{"a":{"$ref":"#/$defs/p"}}}`,
		},
		{
			`{"allOf":[{"type":"object","properties":{"a":{"type":"string"},"b":true},"required":["a"]},{"properties":{"a":{"type":"number"},"c":{}},"required":["c"]}],"not":{"required":["z"]},"if":{},"patternProperties":{}}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{},"c":{}},"required":["a","c"]}`,
		},
		{
			`{"properties":{"l":{"type":"array","items":[{"type":"string"},{"type":"number"}],"minItems":2,"uniqueItems":true},"m":{"items":{"anyOf":[{"type":"any"},{"oneOf":[true]}]},"type":"array"}}}`,
			`{"type":"object","properties":{"l":{"type":"array","prefixItems":[{"type":"string"},{"type":"number"}],"minItems":2,"description":"(uniqueItems: true)"},"m":{"items":{"anyOf":[{},{"oneOf":[{}]}]},"type":"array"}}}`,
		},
		{`{"type":"object","additionalProperties":{"type":"string","minLength":1}}`, `{"type":"object","additionalProperties":{"type":"string","description":"(minLength: 1)"}}`},
	} {
		if got := string(argumentsSchema([]byte(tt.in))); got != tt.want {
			t.Errorf("%s became\n%s\nwant\n%s", tt.in, got, tt.want)
		}
	}
	deep := strings.Repeat(`{"items":`, 2000) + `{}` + strings.Repeat(`}`, 2000)
	if got := argumentsSchema([]byte(`{"properties":{"a":` + deep + `}}`)); len(got) > 0 && !jsonedit.Valid(got) {
		t.Error("a deep schema is no JSON")
	}
}

// FuzzBuild makes bodies of any text, schema, arguments and turn. They are JSON, and always the same.
func FuzzBuild(f *testing.F) {
	f.Add("hi", `{"type":"object","properties":{"a":{"allOf":[{"const":1},{"enum":["x"]}]}},"required":["a"]}`, `{"a":1}`, `"parts":[{"functionCall":{"name":"f"},"thoughtSignature":"x"}]`, "gemini-3-pro")
	f.Add("\xff\u2028", `{"items":[{"$ref":"#/definitions/a"}],"definitions":{"a":{"nullable":true,"type":"string"}}}`, `[`, `"parts":[7,{}]`, "gemini-2.5-pro")
	f.Fuzz(func(t *testing.T, text, schema, args, extra, model string) {
		if !jsonedit.Valid([]byte(`{`+extra+`}`)) || strings.Contains(schema, "\xff") {
			t.Skip()
		}
		req := &llm.Request{
			Model: model, Tools: []llm.Tool{{Name: text, Description: text, Schema: []byte(schema)}},
			Messages: []llm.Message{
				user(text),
				{Role: llm.Assistant, Text: text, Calls: []llm.Call{call("1", "f", args)}, Wire: Name, Extra: []byte(extra)},
				result("1", text), calls(call("2", text, args), call("1", "g", args)), result("2", args), result("3", args),
			},
		}
		req.Params.Format = &llm.Format{Schema: []byte(schema)}
		u := upstream(t, wire.Quirks{})
		out, err := u.AppendRequest(nil, req)
		if err != nil {
			return
		}
		again, _ := u.AppendRequest(nil, req)
		if !jsonedit.Valid(out) || string(out) != string(again) {
			t.Errorf("not JSON, or not the same twice: %q", out)
		}
	})
}

func TestUsageBuckets(t *testing.T) {
	got := *readUsage([]byte(`{"promptTokenCount":100,"cachedContentTokenCount":40,"candidatesTokenCount":20,"thoughtsTokenCount":7,"toolUsePromptTokenCount":5,"totalTokenCount":132,` +
		`"promptTokensDetails":[{"modality":"TEXT","tokenCount":70},{"modality":"AUDIO","tokenCount":30}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":10}],"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":4}]}`))
	got.Raw = llm.Frame{}
	if want := (llm.Usage{Known: true, Input: 40, CacheRead: 40, AudioInput: 20, ToolInput: 5, Output: 16, AudioOutput: 4, Reasoning: 7}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v", got)
	}
	if got.Inputs()+got.Outputs() != 132 {
		t.Error("the buckets overlap")
	}
}
