package chat

import (
	"bytes"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// asked reads body as a client's request.
func asked(tb testing.TB, body string) *llm.Request {
	tb.Helper()
	req, err := Door{}.ReadRequest(nil, []byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	return req
}

func sent(tb testing.TB, q wire.Quirks, req *llm.Request) string {
	tb.Helper()
	out, err := upstream(tb, q).AppendRequest([]byte("before "), req)
	if err != nil {
		tb.Fatal(err)
	}
	rest, ok := bytes.CutPrefix(out, []byte("before "))
	if !ok {
		tb.Fatal("what stood in dst is gone")
	}
	return string(rest)
}

var (
	addTool  = llm.Tool{Name: "srv-add", Description: `Adds "two"`, Schema: []byte(`{"type":"object", "properties":{"a":{"type":"integer","minimum":1}}}`)}
	bareTool = llm.Tool{Name: "srv-now"}
)

const addToolSent = `{"type":"function","function":{"name":"srv-add","description":"Adds \"two\"","parameters":{"type":"object", "properties":{"a":{"type":"integer","minimum":1}}}}}`

// rounds is what one tool round adds to a conversation.
func rounds() []llm.Message {
	return []llm.Message{
		{Role: llm.Assistant, Text: "Let me see.", Wire: Name, Extra: []byte(`"reasoning":"hm","reasoning_details":[{"signature":"EqQB+/="}],"refusal":null,"annotations":[]`), Calls: []llm.Call{
			{ID: "call_1", Name: "srv-add", Arguments: `{"a": 1.0}`, Extra: []byte(`"extra_content":{"google":{"thought_signature":"x=="}}`)},
			{ID: "call_2", Name: "srv-now", Arguments: ""},
			{ID: "call_3", Name: "srv-now", Arguments: `{"a":`},
		}},
		{Role: llm.ToolRole, Result: &llm.Result{CallID: "call_1", Name: "srv-add", Text: "line\n\"2\""}},
	}
}

func TestAppendRequestEditsTheBody(t *testing.T) {
	for _, tt := range []struct {
		name   string
		q      wire.Quirks
		body   string
		change func(*llm.Request)
		want   string
	}{
		{
			name: "nothing to change",
			body: "{ \"model\" : \"m\",\n\"seed\": 1.0, \"x\":{\"y\":[1e3]}, \"messages\":[ ] }",
			want: "{ \"model\" : \"m\",\n\"seed\": 1.0, \"x\":{\"y\":[1e3]}, \"messages\":[ ] }",
		},
		{
			name: "model",
			q:    wire.Quirks{Model: "gpt-5.4"},
			body: `{"messages":[],"model":"smart","max_tokens":10}`,
			want: `{"messages":[],"model":"gpt-5.4","max_tokens":10}`,
		},
		{
			name: "stream asks for usage",
			body: `{"model":"m","stream":true}`,
			want: `{"model":"m","stream":true,"stream_options":{"include_usage":true}}`,
		},
		{
			name: "stream options are kept",
			body: `{"model":"m","stream":true,"stream_options":{"include_obfuscation":false,"include_usage":false}}`,
			want: `{"model":"m","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}`,
		},
		{
			name: "stream already asks",
			body: `{"model":"m","stream":true,"stream_options":{ "include_usage": true}}`,
			want: `{"model":"m","stream":true,"stream_options":{ "include_usage": true}}`,
		},
		{
			name: "stream options refused",
			q:    wire.Quirks{NoStreamUsage: true},
			body: `{"model":"m","stream":true}`,
			want: `{"model":"m","stream":true}`,
		},
		{
			name: "mocks are the gateway's",
			body: `{"mock_response":"hi","model":"m","mock_tool_calls":[]}`,
			want: `{"model":"m"}`,
		},
		{
			name: "parameters dropped and renamed",
			q:    wire.Quirks{DropParams: []string{"seed", "logit_bias", "parallel_tool_calls"}, RenameParams: map[string]string{"max_completion_tokens": "max_tokens", "stop": "stop_sequences"}},
			body: `{"seed":1,"model":"m","max_completion_tokens":5, "parallel_tool_calls":true,"stop":["a"]}`,
			want: `{"model":"m","max_tokens":5, "stop_sequences":["a"]}`,
		},
		{
			name: "new name is taken",
			q:    wire.Quirks{RenameParams: map[string]string{"max_completion_tokens": "max_tokens"}},
			body: `{"max_tokens":4,"model":"m","max_completion_tokens":5}`,
			want: `{"max_tokens":4,"model":"m"}`,
		},
		{
			name:   "tools before the client's own",
			body:   `{"model":"m","tools":[{"type":"mcp","server_label":"srv"}, {"type":"function","function":{"name":"mine","parameters":{"x":1.50}}}],"max_tool_calls":3,"messages":[]}`,
			change: func(r *llm.Request) { r.AddedTools = []llm.Tool{addTool, bareTool} },
			want:   `{"model":"m","tools":[` + addToolSent + `,{"type":"function","function":{"name":"srv-now","description":"","parameters":{"type":"object","properties":{}}}},{"type":"function","function":{"name":"mine","parameters":{"x":1.50}}}],"messages":[]}`,
		},
		{
			name:   "tools where there were none",
			body:   `{"model":"m","messages":[]}`,
			change: func(r *llm.Request) { r.AddedTools = []llm.Tool{addTool} },
			want:   `{"model":"m","messages":[],"tools":[` + addToolSent + `]}`,
		},
		{
			name: "no tool is left",
			body: `{"model":"m","tools":[{"type":"mcp"}],"tool_choice":"required","parallel_tool_calls":false}`,
			want: `{"model":"m"}`,
		},
		{
			name: "a choice without tools is the provider's to refuse",
			body: `{"model":"m","tool_choice":"required"}`,
			want: `{"model":"m","tool_choice":"required"}`,
		},
		{
			name:   "choice auto",
			body:   `{"model":"m","tools":[{"type":"function"}],"tool_choice":{"type":"function","function":{"name":"f"}}}`,
			change: func(r *llm.Request) { r.ToolChoice = llm.ChoiceAuto },
			want:   `{"model":"m","tools":[{"type":"function"}],"tool_choice":"auto"}`,
		},
		{
			name:   "choice none keeps the tools",
			body:   `{"model":"m","tools":[{"type":"function"}]}`,
			change: func(r *llm.Request) { r.ToolChoice = llm.ChoiceNone },
			want:   `{"model":"m","tools":[{"type":"function"}],"tool_choice":"none"}`,
		},
		{
			name:   "choice none unknown",
			q:      wire.Quirks{NoChoiceNone: true},
			body:   `{"model":"m","tools":[{"type":"mcp"}],"tool_choice":"auto","parallel_tool_calls":true}`,
			change: func(r *llm.Request) { r.ToolChoice, r.AddedTools = llm.ChoiceNone, []llm.Tool{addTool} },
			want:   `{"model":"m"}`,
		},
		{
			name: "another word for required",
			q:    wire.Quirks{ForceWord: "any"},
			body: `{"model":"m","tools":[{"type":"function"}],"tool_choice":"required"}`,
			want: `{"model":"m","tools":[{"type":"function"}],"tool_choice":"any"}`,
		},
		{
			name: "strict schema",
			q:    wire.Quirks{StrictSchema: true},
			body: `{"model":"m"}`,
			change: func(r *llm.Request) {
				r.AddedTools = []llm.Tool{{Name: "f", Schema: []byte(`{"$schema":"x","type":["object","null"],"properties":{"format":{"type":"string","format":"date"},"l":{"type":"array","minItems":1,"items":{"properties":{}}}},"additionalProperties":true}`)}}
			},
			want: `{"model":"m","tools":[{"type":"function","function":{"name":"f","description":"","parameters":{"type":["object","null"],"properties":{"format":{"type":"string"},"l":{"type":"array","items":{"properties":{},"additionalProperties":false}}},"additionalProperties":false}}}]}`,
		},
		{
			name:   "rounds so far",
			body:   `{"model":"m","messages":[{"role":"user","content":"hi"} ],"x":1}`,
			change: func(r *llm.Request) { r.AddedMessages = rounds() },
			want: `{"model":"m","messages":[{"role":"user","content":"hi"} ,{"role":"assistant","content":"Let me see.","tool_calls":[` +
				`{"id":"call_1","type":"function","function":{"name":"srv-add","arguments":"{\"a\": 1.0}"},"extra_content":{"google":{"thought_signature":"x=="}}},` +
				`{"id":"call_2","type":"function","function":{"name":"srv-now","arguments":"{}"}},{"id":"call_3","type":"function","function":{"name":"srv-now","arguments":"{}"}}],` +
				`"reasoning":"hm","reasoning_details":[{"signature":"EqQB+/="}]},{"role":"tool","tool_call_id":"call_1","content":"line\n\"2\""}],"x":1}`,
		},
		{
			name: "a turn without text",
			body: `{"model":"m","messages":[]}`,
			change: func(r *llm.Request) {
				r.AddedMessages = []llm.Message{{Role: llm.Assistant, Calls: []llm.Call{{ID: "c", Name: "f", Arguments: "{}"}}}}
			},
			want: `{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}]}`,
		},
		{
			name: "text required, nothing replayed, a custom tool, media in results",
			q:    wire.Quirks{ContentRequired: true, Replay: []string{}, MediaInResults: true},
			body: `{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[]},{"role":"assistant","x":1}]}`,
			change: func(r *llm.Request) {
				r.AddedMessages = []llm.Message{
					{Role: llm.Assistant, Wire: Name, Extra: []byte(`"reasoning":"hm"`), Calls: []llm.Call{{ID: "c", Name: "f", Arguments: "print(1)", Extra: []byte(customMark)}}},
					{Role: llm.ToolRole, Result: &llm.Result{CallID: "c", Text: "[image]", Parts: []llm.Part{{Kind: "text", Text: "see"}, {Kind: "image", MediaType: "image/png", Data: "QUJD"}, {Kind: "audio", MediaType: "audio/mpeg", Data: "QQ=="}, {Kind: "link", URI: "file:///x"}}}},
				}
			},
			want: `{"model":"m","messages":[{"role":"assistant","content":"","tool_calls":[]},{"role":"assistant","x":1,"content":""},{"role":"assistant","content":"","tool_calls":[{"id":"c","type":"custom","custom":{"name":"f","input":"print(1)"}}]},` +
				`{"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}},{"type":"input_audio","input_audio":{"data":"QQ==","format":"mp3"}},{"type":"text","text":"file:///x"}]}]}`,
		},
		{
			name: "a hidden turn is put back once",
			body: `{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":"part","tool_calls":[{"id":"mine_1","type":"function","function":{"name":"mine","arguments":"{}"}}]},{"role":"tool","tool_call_id":"mine_1","content":"7"},{"role":"assistant","content":"z","tool_calls":[{"id":"mine_1"}]}]}`,
			change: func(r *llm.Request) {
				r.Restored = []llm.Kept{{IDs: []string{"mine_1"}, Messages: []llm.Message{
					{Role: llm.Assistant, Text: "part", Calls: []llm.Call{{ID: "call_1", Name: "srv-add", Arguments: "{}"}, {ID: "mine_1", Name: "mine", Arguments: "{}"}}},
					{Role: llm.ToolRole, Result: &llm.Result{CallID: "call_1", Text: "2"}},
				}}}
			},
			want: `{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":"part","tool_calls":[{"id":"call_1","type":"function","function":{"name":"srv-add","arguments":"{}"}},{"id":"mine_1","type":"function","function":{"name":"mine","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"2"},{"role":"tool","tool_call_id":"mine_1","content":"7"},{"role":"assistant","content":"z","tool_calls":[{"id":"mine_1"}]}]}`,
		},
		{
			name:   "what the gateway told of its tools goes to no provider",
			body:   `{"model":"m","messages":[{"role":"assistant","content":"a","provider_specific_fields":{"mcp_list_tools":[1],"mcp_tool_calls":[2]}},{"role":"assistant","provider_specific_fields":{"mcp_errors":[],"own":1},"content":"b"}]}`,
			change: func(r *llm.Request) { r.AddedTools = []llm.Tool{bareTool} },
			want:   `{"model":"m","messages":[{"role":"assistant","content":"a"},{"role":"assistant","provider_specific_fields":{"own":1},"content":"b"}],"tools":[{"type":"function","function":{"name":"srv-now","description":"","parameters":{"type":"object","properties":{}}}}]}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := asked(t, tt.body)
			if tt.change != nil {
				tt.change(req)
			}
			got := sent(t, tt.q, req)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if !jsontext.Value(got).IsValid() {
				t.Error("not valid JSON")
			}
		})
	}
}

// TestCallIDsOfADemandedForm wants each id in the provider's form, the same wherever it stands and in each round.
func TestCallIDsOfADemandedForm(t *testing.T) {
	body := `{"model":"m","messages":[{"role":"assistant","content":"","tool_calls":[{"id":"D681PevKs","x":1},{"id":"call_1"}]},{"role":"tool","tool_call_id":"call_1","content":"1"},{"role":"tool","tool_call_id":"D681PevKs","content":"2"}]}`
	req := asked(t, body)
	req.AddedMessages = rounds()
	var doc struct {
		Messages []struct {
			ID    string `json:"tool_call_id"`
			Calls []struct {
				ID string `json:"id"`
			} `json:"tool_calls"`
		} `json:"messages"`
	}
	got := sent(t, wire.Quirks{CallIDLen: 9}, req)
	if err := json.Unmarshal([]byte(got), &doc); err != nil {
		t.Fatal(err, got)
	}
	ms := doc.Messages
	if ms[0].Calls[0].ID != "D681PevKs" || ms[2].ID != "D681PevKs" {
		t.Error("an id that fits was changed")
	}
	id := ms[0].Calls[1].ID
	if len(id) != 9 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		t.Errorf("id %q", id)
	}
	if ms[1].ID != id || ms[4].ID != id || ms[3].Calls[0].ID != id {
		t.Errorf("call and result have ids %q, %q, %q, %q", id, ms[1].ID, ms[3].Calls[0].ID, ms[4].ID)
	}
	if again := sent(t, wire.Quirks{CallIDLen: 9}, req); again != got {
		t.Error("another try yields other ids")
	}
	m := idMap{n: 1}
	seen := map[string]bool{}
	for _, id := range []string{"a", "bb", "cc", "dd", "ee", "ff", "gg", "hh", "ii", "jj", "kk", "ll"} {
		if out := m.get(id); seen[out] || len(out) != 1 {
			t.Errorf("%q collides as %q", id, out)
		} else {
			seen[out] = true
		}
	}
}

func TestAppendRequestBuildsABody(t *testing.T) {
	req := &llm.Request{
		Model: "m", Stream: true, Params: llm.Params{ForcedTool: true, OneByOne: true, JSON: true}, Tools: []llm.Tool{bareTool}, AddedTools: []llm.Tool{addTool},
		Messages:      []llm.Message{{Role: llm.System, Text: "be brief"}, {Role: llm.User, Parts: []llm.Part{{Kind: "text", Text: "what?"}, {Kind: "image", URI: "https://x.example/a.png"}}}},
		AddedMessages: []llm.Message{{Role: llm.Assistant, Text: "hm"}},
	}
	want := `{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","text":"what?"},{"type":"image_url","image_url":{"url":"https://x.example/a.png"}}]},{"role":"assistant","content":"hm"}],` +
		`"tools":[` + addToolSent + `,{"type":"function","function":{"name":"srv-now","description":"","parameters":{"type":"object","properties":{}}}}],"tool_choice":"required","parallel_tool_calls":false,"response_format":{"type":"json_object"}}`
	if d := cmp.Diff(want, sent(t, wire.Quirks{}, req)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if got := sent(t, wire.Quirks{DropParams: []string{"response_format", "stream"}}, req); strings.Contains(got, "json_object") || strings.Contains(got, `"stream":`) {
		t.Errorf("dropped parameters are still there: %s", got)
	}
}

func TestAppendRequestRefuses(t *testing.T) {
	for body, code := range map[string]string{
		`{"model":"m","Model":"n"}`: "ambiguous_json",
		`{"model":"m"`:              "invalid_json",
	} {
		_, err := upstream(t, wire.Quirks{}).AppendRequest(nil, &llm.Request{Raw: llm.Frame{Wire: Name, Bytes: []byte(body)}})
		if e := fault.From(err); e.Kind != fault.Invalid || e.Code != code {
			t.Errorf("%s: %v", body, err)
		}
	}
	if _, err := NewUpstream(wire.Quirks{DropParams: []string{`a"b`}}); err == nil {
		t.Error("a malformed parameter name is taken")
	}
}

// FuzzAppendRequest edits whatever passes the door: the result is one JSON object, and members that the gateway does not
// act on survive as they were.
func FuzzAppendRequest(f *testing.F) {
	f.Add(`{"model":"m","messages":[{"role":"user","content":"hi"}],"seed":1.0}`)
	f.Add(`{"tools":[{"type":"mcp"},{"type":"function"}],"model":"m","stream":true,"stream_options":{"x":1},"tool_choice":"required","z":[1e3]}`)
	f.Add(`{"messages":[{"role":"assistant","content":null,"provider_specific_fields":{"mcp_errors":[]},"tool_calls":[{"id":"a"}]},{"role":"tool","tool_call_id":"a"}],"model":"x","mock_response":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		req, err := Door{}.ReadRequest(nil, []byte(body))
		if err != nil {
			return
		}
		if got := sent(t, wire.Quirks{NoStreamUsage: true}, req); len(req.MCP) == 0 && req.Mock == nil && !strings.Contains(body, "mock_") && !strings.Contains(body, "stream") && got != body {
			t.Fatalf("%s\nwas sent as\n%s", body, got)
		}
		req.AddedTools, req.AddedMessages, req.ToolChoice = []llm.Tool{addTool}, rounds(), llm.ChoiceAuto
		req.Restored = []llm.Kept{{IDs: []string{"a"}, Messages: rounds()}}
		got := sent(t, wire.Quirks{Model: "other", CallIDLen: 9, ContentRequired: true, StrictSchema: true}, req)
		if _, err := scan([]byte(got)); err != nil {
			t.Fatalf("%s\nwas sent as\n%s\n%v", body, got, err)
		}
		before, after := unknown(t, body), unknown(t, got)
		if d := cmp.Diff(before, after); d != "" {
			t.Fatalf("unknown members differ:\n%s", d)
		}
	})
}

// unknown returns the members that the gateway does not act on, as they were written.
func unknown(t *testing.T, body string) []string {
	t.Helper()
	dec := jsontext.NewDecoder(strings.NewReader(body), jsontext.AllowDuplicateNames(true))
	var out []string
	if _, err := dec.ReadToken(); err != nil {
		t.Fatal(err)
	}
	for dec.PeekKind() != '}' {
		key, err := dec.ReadToken()
		if err != nil {
			t.Fatal(err)
		}
		name := key.String()
		v, err := dec.ReadValue()
		if err != nil {
			t.Fatal(err)
		}
		switch name {
		case "model", "stream", "stream_options", "messages", "tools", "tool_choice", "parallel_tool_calls", "max_tool_calls", "mock_response", "mock_tool_calls":
		default:
			out = append(out, name+"="+string(v))
		}
	}
	return out
}

// TestCustomToolCallsReachTheClient sends a call of the client's custom tool through both halves.
func TestCustomToolCallsReachTheClient(t *testing.T) {
	stream, err := os.ReadFile("testdata/reply/openai-custom-tool.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		`{"model":"m","stream":true}`: `"tool_calls":[{"index":0,"id":"call_1","type":"custom","custom":{"name":"code_exec","input":"print(1)"}}]`,
		`{"model":"m"}`:               `"tool_calls":[{"id":"call_1","type":"custom","custom":{"name":"code_exec","input":"print(1)"}}]`,
	} {
		_, frames, _ := bytes.Cut(stream, []byte("-- reply --\n"))
		req := asked(t, body)
		w := httptest.NewRecorder()
		if err := (Door{}).WriteReply(w, req, upstream(t, wire.Quirks{}).ReadReply(req, "text/event-stream", bytes.NewReader(frames))); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %s", body, w.Body)
		}
	}
}
