package chat

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// understood reads body as a request for a target of another wire.
func understood(tb testing.TB, body string) *llm.Request {
	tb.Helper()
	req := asked(tb, body)
	if err := (Door{}).DecodeAll(tb.Context(), req); err != nil {
		tb.Fatalf("%s: %v", body, err)
	}
	return req
}

func TestDecodeAllReadsTheConversation(t *testing.T) {
	req := understood(t, `{"model":"m","messages":[
		{"role":"developer","content":[{"type":"text","text":"be brief","cache_control":{"type":"ephemeral"}},{"type":"text","text":"and kind"}]},
		{"role":"user","name":"ann","content":[{"type":"text","text":"hi"}]},
		{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,QUJD","detail":"low"}},
			{"type":"image_url","image_url":"https://x.example/a.png"},{"type":"input_audio","input_audio":{"data":"QQ==","format":"mp3"}},
			{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,UERG"}},{"type":"file","file":{"file_id":"file-1"}},{"type":"video_url","video_url":{"url":"x"}}]},
		{"role":"assistant","content":null,"reasoning_content":"hm","refusal":null,"tool_calls":[
			{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1.0}"}},
			{"id":"c2","type":"custom","custom":{"name":"run","input":"say \"x\""}}]},
		{"role":"tool","tool_call_id":"c1","content":"one"},
		{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"two"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]},
		{"role":"assistant","content":[{"type":"text","text":"I "},{"type":"refusal","refusal":"will not"}],"audio":{"id":"a1"}},
		{"role":"assistant","content":"","function_call":{"name":"old","arguments":"{}"}},
		{"role":"function","name":"old","content":"three"}]}`)
	want := []llm.Message{
		{Role: llm.System, Text: "be brief\nand kind"},
		{Role: llm.User, Text: "hi"},
		{Role: llm.User, Parts: []llm.Part{
			{Kind: "text", Text: "see"},
			{Kind: "image", MediaType: "image/jpeg", Data: "QUJD", Detail: "low"},
			{Kind: "image", URI: "https://x.example/a.png"},
			{Kind: "audio", MediaType: "audio/mpeg", Data: "QQ=="},
			{Kind: "file", MediaType: "application/pdf", Data: "UERG", Name: "a.pdf"},
		}},
		{Role: llm.Assistant, Think: "hm", Calls: []llm.Call{
			{ID: "c1", Name: "f", Arguments: `{"a": 1.0}`},
			{ID: "c2", Name: "run", Arguments: `{"input":"say \"x\""}`},
		}},
		{Role: llm.ToolRole, Result: &llm.Result{CallID: "c1", Name: "f", Text: "one"}},
		{Role: llm.ToolRole, Result: &llm.Result{CallID: "c2", Name: "run", Text: "two\n[image: image/png]", Parts: []llm.Part{
			{Kind: "text", Text: "two"},
			{Kind: "image", MediaType: "image/png", Data: "QQ=="},
		}}},
		{Role: llm.Assistant, Text: "I will not"},
		{Role: llm.Assistant, Calls: []llm.Call{{ID: "call_7", Name: "old", Arguments: "{}"}}},
		{Role: llm.ToolRole, Result: &llm.Result{CallID: "call_7", Name: "old", Text: "three"}},
	}
	if d := cmp.Diff(want, req.Messages); d != "" {
		t.Errorf("messages (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"file_id", "video_url", "audio"}, req.Params.Left); d != "" {
		t.Errorf("left (-want +got):\n%s", d)
	}
	if n := len(req.Params.PastCalls); n != 3 {
		t.Errorf("%d calls were made, want 3", n)
	}
}

func TestDecodeAllReadsToolsAndControls(t *testing.T) {
	yes, no := true, false
	for _, tt := range []struct {
		body  string
		tools []llm.Tool
		want  llm.Params
	}{
		{
			body: `"tools":[{"type":"mcp","server_label":"s"},{"type":"function","function":{"name":"f","description":"does","parameters":{"type":"object","x":1.50},"strict":true}},{"function":{"name":"g","strict":null}},
				{"type":"custom","custom":{"name":"run","description":"Runs.","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: /a/"}}}},{"type":"web_search"}],"tool_choice":{"type":"function","function":{"name":"f"}}`,
			tools: []llm.Tool{
				{Name: "f", Description: "does", Schema: []byte(`{"type":"object","x":1.50}`), Strict: &yes},
				{Name: "g"},
				{Name: "run", Description: "Runs.\n\nThe input must match this lark grammar:\nstart: /a/", Schema: []byte(inputSchema)},
			},
			want: llm.Params{ForcedTool: true, Choice: llm.ToolChoice{Mode: "tool", Name: "f"}, Left: []string{"web_search"}},
		},
		{
			body:  `"functions":[{"name":"old","parameters":{}}],"function_call":{"name":"old"}`,
			tools: []llm.Tool{{Name: "old", Schema: []byte(`{}`)}},
			want:  llm.Params{ForcedTool: true, OneByOne: true, Choice: llm.ToolChoice{Mode: "tool", Name: "old"}},
		},
		{
			body: `"max_completion_tokens":100,"max_tokens":7,"temperature":0.70,"top_p":1,"top_k":40,"frequency_penalty":-1,"presence_penalty":2.0,"seed":12345678901234567890,"logprobs":true,"top_logprobs":3,"stop":"x"`,
			want: llm.Params{
				MaxOutput: 100, Temperature: []byte("0.70"), TopP: []byte("1"), TopK: []byte("40"), FrequencyPenalty: []byte("-1"), PresencePenalty: []byte("2.0"),
				Seed: []byte("12345678901234567890"), TopLogprobs: []byte("3"), Stop: []string{"x"},
			},
		},
		{
			body: `"max_tokens":7,"logprobs":true,"stop":["a","b"],"reasoning_effort":"low","verbosity":"high","user":"u","safety_identifier":"s","service_tier":"flex","prompt_cache_key":"k","metadata":{"a":"b"},"store":true,"stream_options":{}`,
			want: llm.Params{MaxOutput: 7, TopLogprobs: []byte("0"), Stop: []string{"a", "b"}, Effort: "low", Verbosity: "high", User: "s", ServiceTier: "flex", CacheKey: "k"},
		},
		{
			body: `"thinking":{"type":"enabled","budget_tokens":5000},"tool_choice":"any","tools":[],"response_format":{"type":"json_object"}`,
			want: llm.Params{ThinkTokens: 5000, ForcedTool: true, JSON: true, Choice: llm.ToolChoice{Mode: "required"}, Format: &llm.Format{}},
		},
		{
			body: `"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"a"}},{"type":"custom","custom":{"name":"b"}}]}}`,
			want: llm.Params{Choice: llm.ToolChoice{Mode: "auto", Allowed: []string{"a", "b"}}},
		},
		{
			body: `"tool_choice":{"type":"mcp","server_label":"s","name":"t"}`,
			want: llm.Params{ForcedTool: true, Choice: llm.ToolChoice{Mode: "tool", Label: "s", Name: "t"}},
		},
		{
			body: `"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","strict":false,"schema":{"type":"object","m":1e3}}}`,
			want: llm.Params{JSON: true, Format: &llm.Format{Name: "n", Description: "d", Schema: []byte(`{"type":"object","m":1e3}`), Strict: &no}},
		},
		{
			body: `"n":2,"logit_bias":{"1":2},"modalities":["text","audio"],"audio":{"voice":"x"},"prediction":{"type":"content"},"web_search_options":{"a":1},"min_p":0.1,"plugins":[],"transforms":{},"x":null,"enable_thinking":false`,
			want: llm.Params{N: 2, Left: []string{"n", "logit_bias", "modalities", "audio", "prediction", "web_search_options", "min_p", "enable_thinking"}},
		},
		{body: `"n":1,"modalities":["text"],"logit_bias":{}`, want: llm.Params{N: 1}},
	} {
		req := understood(t, `{"model":"m","messages":[],`+tt.body+`}`)
		tt.want.MaxCalls = -1
		if d := cmp.Diff(tt.want, req.Params); d != "" {
			t.Errorf("%s: params (-want +got):\n%s", tt.body, d)
		}
		if d := cmp.Diff(tt.tools, req.Tools, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(llm.Tool{})); d != "" {
			t.Errorf("%s: tools (-want +got):\n%s", tt.body, d)
		}
	}
}

func TestDecodeAllRefuses(t *testing.T) {
	for body, param := range map[string]string{
		`"messages":[1]`: "messages[0]",
		`"messages":[{"role":"user","content":"x"},{"role":"wizard"}]`:                                                  "messages[1].role",
		`"messages":[{"role":"user","content":7}]`:                                                                      "messages[0].content",
		`"messages":[{"role":"user","content":[{"text":"x"}]}]`:                                                         "messages[0].content[0].type",
		`"messages":[{"role":"user","content":[{"type":"text"}]}]`:                                                      "messages[0].content[0].text",
		`"messages":[{"role":"user","content":[{"type":"image_url"}]}]`:                                                 "messages[0].content[0].image_url.url",
		`"messages":[{"role":"user","content":[{"type":"input_audio"}]}]`:                                               "messages[0].content[0].input_audio",
		`"messages":[{"role":"user","content":[{"type":"file"}]}]`:                                                      "messages[0].content[0].file",
		`"messages":[{"role":"tool","content":"x"}]`:                                                                    "messages[0].tool_call_id",
		`"messages":[{"role":"assistant","tool_calls":[{"id":"x"}]}]`:                                                   "messages[0].tool_calls[0]",
		`"messages":[{"role":"assistant","tool_calls":{}}]`:                                                             "messages[0].tool_calls",
		`"messages":[{"role":"assistant","function_call":{}}]`:                                                          "messages[0].function_call",
		`"messages":[],"temperature":"hot"`:                                                                             "temperature",
		`"messages":[],"max_tokens":0`:                                                                                  "max_tokens",
		`"messages":[],"stop":[1]`:                                                                                      "stop[0]",
		`"messages":[],"stop":1`:                                                                                        "stop",
		`"messages":[],"reasoning_effort":1`:                                                                            "reasoning_effort",
		`"messages":[],"logprobs":1`:                                                                                    "logprobs",
		`"messages":[],"thinking":{"type":"x"}`:                                                                         "thinking.type",
		`"messages":[],"response_format":{"type":"json_schema"}`:                                                        "response_format.json_schema",
		`"messages":[],"tools":[{"type":"function"}]`:                                                                   "tools[0].function.name",
		`"messages":[],"tools":[{"function":{"name":"f","parameters":1}}]`:                                              "tools[0].function.parameters",
		`"messages":[],"tools":[{"function":{"name":"f","description":1}}]`:                                             "tools[0].function.description",
		`"messages":[],"tools":[{"function":{"name":"f","strict":1}}]`:                                                  "tools[0].function.strict",
		`"messages":[],"tools":[{"type":"custom"}]`:                                                                     "tools[0].custom.name",
		`"messages":[],"functions":{}`:                                                                                  "functions",
		`"messages":[],"tool_choice":"maybe"`:                                                                           "tool_choice",
		`"messages":[],"tool_choice":{"type":"x"}`:                                                                      "tool_choice",
		`"messages":[],"tool_choice":{"type":"function"}`:                                                               "tool_choice.function.name",
		`"messages":[],"tool_choice":{"type":"allowed_tools"}`:                                                          "tool_choice.allowed_tools.mode",
		`"messages":[],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"mcp"}]}}`: "tool_choice.allowed_tools.tools[0]",
	} {
		err := Door{}.DecodeAll(t.Context(), asked(t, `{"model":"m",`+body+`}`))
		if e := fault.From(err); err == nil || e.Kind != fault.Invalid || e.Code != "invalid_value" || e.Param != param || e.Message == "" {
			t.Errorf("%s: %+v", body, err)
		}
	}
}

// TestWhatIsReadIsWritten reads random requests, has them written for a provider as if they came over another wire, and reads
// that: nothing is lost and nothing is added.
func TestWhatIsReadIsWritten(t *testing.T) {
	for seed := range uint64(300) {
		body := randomRequest(rand.New(rand.NewPCG(seed, 7)))
		before := understood(t, body)
		out := sent(t, wire.Quirks{TopK: true, MediaInResults: true, Replay: []string{"reasoning_content"}}, foreign(before))
		after := understood(t, out)
		same(t, before, after)
		if again := sent(t, wire.Quirks{TopK: true, MediaInResults: true, Replay: []string{"reasoning_content"}}, foreign(after)); again != out {
			t.Fatalf("written once more it is\n%s\ninstead of\n%s", again, out)
		}
	}
}

// foreign is req as if it had come over another wire.
func foreign(req *llm.Request) *llm.Request {
	out := *req
	out.Raw, out.Params.Left = llm.Frame{}, nil
	return &out
}

func same(t *testing.T, before, after *llm.Request) {
	t.Helper()
	options := cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(llm.Tool{}), cmpopts.IgnoreFields(llm.Params{}, "Left")}
	if d := cmp.Diff(before.Messages, after.Messages, options); d != "" {
		t.Fatalf("%s\nmessages (-before +after):\n%s", before.Raw.Bytes, d)
	}
	if d := cmp.Diff(before.Tools, after.Tools, options); d != "" {
		t.Fatalf("%s\ntools (-before +after):\n%s", before.Raw.Bytes, d)
	}
	if d := cmp.Diff(before.Params, after.Params, options); d != "" {
		t.Fatalf("%s\nparams (-before +after):\n%s", before.Raw.Bytes, d)
	}
}

// randomRequest is a request with a few of all the things that one can say.
func randomRequest(r *rand.Rand) string {
	var messages []string
	for i := range r.IntN(6) {
		text := fmt.Sprintf(`"t%d é\n\"q\""`, i)
		switch r.IntN(4) {
		case 0:
			messages = append(messages, `{"role":"system","content":`+text+`}`)
		case 1:
			messages = append(messages, `{"role":"user","content":[{"type":"text","text":`+text+`},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ==","detail":"high"}},{"type":"file","file":{"filename":"a","file_data":"data:text/plain;base64,QQ=="}}]}`)
		case 2:
			messages = append(messages, fmt.Sprintf(`{"role":"assistant","content":%s,"reasoning_content":"r","tool_calls":[{"id":"c%d","type":"function","function":{"name":"f","arguments":"{\"a\": 1.0}"}}]}`, text, i),
				fmt.Sprintf(`{"role":"tool","tool_call_id":"c%d","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]}`, i))
		default:
			messages = append(messages, `{"role":"user","content":`+text+`}`)
		}
	}
	members := []string{`"model":"m"`, `"messages":[` + strings.Join(messages, ",") + `]`}
	for _, m := range []string{
		`"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},{"type":"custom","custom":{"name":"c"}}],"tool_choice":"required","parallel_tool_calls":false`,
		`"max_completion_tokens":12`, `"temperature":1e0`, `"top_p":0.5`, `"top_k":3`, `"seed":1`, `"stop":["a","b"]`, `"logprobs":true,"top_logprobs":2`,
		`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}`, `"reasoning_effort":"high"`, `"verbosity":"low"`, `"user":"u"`, `"service_tier":"flex"`, `"prompt_cache_key":"k"`,
		`"frequency_penalty":0.1`, `"presence_penalty":0.2`,
	} {
		if r.IntN(2) == 0 {
			members = append(members, m)
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// FuzzDecodeAll reads whatever passes the door and has it written as if it came over another wire: one JSON object, which says
// the same once more.
func FuzzDecodeAll(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(randomRequest(rand.New(rand.NewPCG(seed, 7))))
	}
	f.Add(`{"model":"m","messages":[{"role":"assistant","function_call":{"name":"x"}},{"role":"function"}],"functions":[{"name":"x"}],"function_call":"auto"}`)
	f.Add(`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":"data:;base64,"}]}],"thinking":{"type":"disabled"},"tool_choice":{"type":"mcp"}}`)
	f.Fuzz(func(t *testing.T, body string) {
		req, err := Door{}.ReadRequest(nil, []byte(body))
		if err != nil || (Door{}).DecodeAll(t.Context(), req) != nil {
			return
		}
		out := sent(t, wire.Quirks{TopK: true}, foreign(req))
		if !jsontext.Value(out).IsValid() {
			t.Fatalf("%s\nwas written as\n%s", body, out)
		}
		after, err := Door{}.ReadRequest(nil, []byte(out))
		if err == nil {
			err = Door{}.DecodeAll(t.Context(), after)
		}
		if err != nil || len(after.Messages) != len(req.Messages) || len(after.Params.Left) > 0 && after.Params.N < 2 {
			t.Fatalf("%s\nwas written as\n%s\nwhich reads as %+v: %v", body, out, after, err)
		}
	})
}

func TestBuildSaysWhatOtherWiresAsk(t *testing.T) {
	own := llm.Tool{Name: "s-add", Label: "s", Tool: "add", Server: "srv"}
	two := llm.Tool{Name: "s-now", Label: "s", Tool: "now", Server: "srv"}
	for _, tt := range []struct {
		name string
		q    wire.Quirks
		req  llm.Request
		want string // in the body
		not  string
	}{
		{"budget, little", wire.Quirks{}, llm.Request{Params: llm.Params{ThinkTokens: 1024}}, `"reasoning_effort":"low"`, ""},
		{"budget, some", wire.Quirks{}, llm.Request{Params: llm.Params{ThinkTokens: 10000}}, `"reasoning_effort":"medium"`, ""},
		{"budget, much", wire.Quirks{}, llm.Request{Params: llm.Params{ThinkTokens: 31999}}, `"reasoning_effort":"high"`, ""},
		{"effort max", wire.Quirks{}, llm.Request{Params: llm.Params{Effort: "max", ThinkTokens: 1}}, `"reasoning_effort":"xhigh"`, ""},
		{"a long user", wire.Quirks{}, llm.Request{Params: llm.Params{User: strings.Repeat("u", 65)}}, `"user":"`, "uuu"},
		{"a bound by its old name", wire.Quirks{RenameParams: map[string]string{"max_completion_tokens": "max_tokens"}}, llm.Request{Params: llm.Params{MaxOutput: 5}}, `"max_tokens":5`, "max_completion_tokens"},
		{"a format without a name", wire.Quirks{}, llm.Request{Params: llm.Params{JSON: true, Format: &llm.Format{Schema: []byte(`{}`)}}}, `"response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{}}}`, ""},
		{"any JSON", wire.Quirks{}, llm.Request{Params: llm.Params{JSON: true, Format: &llm.Format{}}}, `"response_format":{"type":"json_object"}`, "json_schema"},
		{"none", wire.Quirks{}, llm.Request{AddedTools: []llm.Tool{own}, Params: llm.Params{Choice: llm.ToolChoice{Mode: "none"}}}, `"tool_choice":"none"`, ""},
		{"none that the provider refuses", wire.Quirks{NoChoiceNone: true}, llm.Request{AddedTools: []llm.Tool{own}, Params: llm.Params{Choice: llm.ToolChoice{Mode: "none"}}}, `"messages"`, "tool"},
		{"one tool of a server", wire.Quirks{}, llm.Request{AddedTools: []llm.Tool{own, two}, Params: llm.Params{Choice: llm.ToolChoice{Mode: "tool", Label: "s", Name: "now"}}}, `"tool_choice":{"type":"function","function":{"name":"s-now"}}`, ""},
		{
			"any tool of a server",
			wire.Quirks{},
			llm.Request{AddedTools: []llm.Tool{own, two}, Tools: []llm.Tool{{Name: "mine"}}, Params: llm.Params{Choice: llm.ToolChoice{Mode: "tool", Label: "s"}}},
			`"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"s-add"}},{"type":"function","function":{"name":"s-now"}}]}}`, "",
		},
		{"a forced choice is over", wire.Quirks{}, llm.Request{AddedTools: []llm.Tool{own}, ToolChoice: llm.ChoiceAuto, Params: llm.Params{Choice: llm.ToolChoice{Mode: "tool", Name: "s-add"}}}, `"tools"`, "tool_choice"},
		{"another word", wire.Quirks{ForceWord: "any"}, llm.Request{AddedTools: []llm.Tool{own}, Params: llm.Params{Choice: llm.ToolChoice{Mode: "required"}}}, `"tool_choice":"any"`, ""},
		{
			"reasoning that the provider wants back",
			wire.Quirks{Replay: []string{"reasoning"}},
			llm.Request{Messages: []llm.Message{{Role: llm.Assistant, Text: "a", Think: "hm", Wire: "messages", Extra: []byte(`"content":[1]`)}}},
			`{"role":"assistant","content":"a","reasoning":"hm"}`, "",
		},
		{
			"reasoning that it does not know",
			wire.Quirks{},
			llm.Request{Messages: []llm.Message{{Role: llm.Assistant, Text: "a", Think: "hm", Wire: "responses", Extra: []byte(`"output":[1]`)}}},
			`{"role":"assistant","content":"a"}`, "",
		},
		{
			"a call that a reply showed by label",
			wire.Quirks{},
			llm.Request{AddedTools: []llm.Tool{own}, Messages: []llm.Message{{Role: llm.Assistant, Calls: []llm.Call{{ID: "1", Label: "s", Tool: "add", Arguments: "{}"}}}}},
			`"function":{"name":"s-add","arguments":"{}"}`, "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.req.Model = "m"
			got := sent(t, tt.q, &tt.req)
			if !strings.Contains(got, tt.want) || tt.not != "" && strings.Contains(got, tt.not) || !jsontext.Value(got).IsValid() {
				t.Errorf("sent %s", got)
			}
		})
	}
	_, err := upstream(t, wire.Quirks{}).AppendRequest(nil, &llm.Request{Model: "m", Params: llm.Params{TopK: []byte("4")}})
	if e := fault.From(err); e.Kind != fault.Invalid || e.Param != "top_k" {
		t.Errorf("top_k: %v", err)
	}
	_, err = upstream(t, wire.Quirks{}).AppendRequest(nil, &llm.Request{Raw: llm.Frame{Wire: "responses"}, Model: "m", Params: llm.Params{TopLogprobs: []byte("2")}})
	if e := fault.From(err); e.Kind != fault.Invalid || e.Param != "logprobs" || e.Code != "unsupported_parameter" {
		t.Errorf("logprobs, which a client of responses would not see: %v", err)
	}
}

// TestRepliesOfOtherWires wants what only another wire can say left out, and the client's own forms.
func TestRepliesOfOtherWires(t *testing.T) {
	other := llm.Extra{Wire: "messages", Choice: []byte(`{"type":"server_tool_use"}`), Delta: []byte(`"content":[]`), Top: []byte(`"container":1`)}
	events := func(stop string, calls ...llm.Event) []llm.Event {
		list := []llm.Event{
			{Kind: llm.Start, Head: &llm.Head{ID: "msg_1", Model: "m"}, Extra: other},
			{Kind: llm.Thinking, Text: "hm"},
			{Kind: llm.Thinking, Extra: other},
			{Kind: llm.Other, Extra: other},
			{Kind: llm.Text, Text: "a"},
			{Kind: llm.Text, Extra: other},
		}
		return append(append(list, calls...), llm.Event{Kind: llm.End, Stop: stop, Usage: &llm.Usage{Known: true, Input: 1, Output: 2}, Extra: other})
	}
	call := []llm.Event{
		{Kind: llm.ToolCall, Call: llm.Call{ID: "c1", Name: "run", Arguments: `{"inp`}},
		{Kind: llm.ToolCall, Call: llm.Call{Arguments: `ut":"é"}`}},
		{Kind: llm.ToolCall, Index: 1, Call: llm.Call{ID: "c2", Name: "f", Arguments: `{}`, Extra: []byte(`"container":"n"`)}, Extra: llm.Extra{Wire: "responses"}},
		{Kind: llm.ToolCall, Ours: true, Index: 2, Call: llm.Call{ID: "c3", Name: "s-f", Arguments: `{}`, Extra: []byte(`"container":"n"`)}, Extra: llm.Extra{Wire: "responses"}},
		{Kind: llm.Note, Note: &llm.Notice{Started: &llm.Call{ID: "c3", Name: "s-f", Arguments: `{}`, Extra: []byte(`"container":"n"`)}}},
	}
	for _, tt := range []struct {
		name, body   string
		reply        []llm.Event
		plain        string // the choice
		want         []string
		frames       int
		finishReason string
	}{
		{
			"pieces", `"tools":[]`, events(llm.StopPause), `{"index":0,"message":{"role":"assistant","content":"a","reasoning_content":"hm"},"finish_reason":"stop"}`,
			[]string{`"delta":{"reasoning_content":"hm"}`, `"delta":{"content":"a"}`},
			6, "stop",
		},
		{
			"custom tools", `"tools":[{"type":"custom","custom":{"name":"run"}},{"type":"function","function":{"name":"f"}}]`, events(llm.StopTools, call...),
			`{"index":0,"message":{"role":"assistant","content":"a","reasoning_content":"hm","tool_calls":[{"id":"c1","type":"custom","custom":{"name":"run","input":"é"}},{"id":"c2","type":"function","function":{"name":"f","arguments":"{}"}}],"provider_specific_fields":{"mcp_tool_calls":[{"id":"c3","type":"function","function":{"name":"s-f","arguments":"{}"}}]}},"finish_reason":"tool_calls"}`,
			[]string{`"tool_calls":[{"index":0,"id":"c1","type":"custom","custom":{"name":"run","input":"é"}}]`, `"tool_calls":[{"index":1,"id":"c2","type":"function","function":{"name":"f","arguments":"{}"}}]`},
			8, "tool_calls",
		},
		{
			"old functions", `"functions":[{"name":"run"}]`, events(llm.StopTools, call[:2]...),
			`{"index":0,"message":{"role":"assistant","content":"a","reasoning_content":"hm","function_call":{"name":"run","arguments":"{\"input\":\"é\"}"}},"finish_reason":"function_call"}`,
			[]string{`"function_call":{"name":"run","arguments":"{\"inp"}`, `"function_call":{"arguments":"ut\":\"é\"}"}`},
			8, "function_call",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			if err := (Door{}).WriteReply(w, asked(t, `{"model":"m",`+tt.body+`}`), reply(nil, tt.reply...)); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(w.Body.String(), tt.plain) || strings.Contains(w.Body.String(), "container") {
				t.Errorf("plain: %s", w.Body)
			}
			w = httptest.NewRecorder()
			if err := (Door{}).WriteReply(w, asked(t, `{"model":"m","stream":true,"stream_options":{"include_usage":true},`+tt.body+`}`), reply(nil, tt.reply...)); err != nil {
				t.Fatal(err)
			}
			got := w.Body.String()
			for _, want := range append(tt.want, `"finish_reason":"`+tt.finishReason+`"`) {
				if strings.Count(got, want) != 1 {
					t.Errorf("%s is not there once", want)
				}
			}
			if n := strings.Count(got, "data: "); n != tt.frames || strings.Contains(got, "container") || strings.Contains(got, "server_tool_use") {
				t.Errorf("%d frames:\n%s", n, got)
			}
		})
	}
}
