package responses

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// posed reads body as a client's request.
func posed(tb testing.TB, body string) *llm.Request {
	tb.Helper()
	req, err := Door{}.ReadRequest(nil, []byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	return req
}

// sent is the body that an upstream with these quirks sends.
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

// offered are the tools of a server that the client calls files.
func offered() []llm.Tool {
	return []llm.Tool{
		{Name: "files-read", Description: `Reads "a file"`, Schema: []byte(`{"type":"object", "properties":{"n":{"type":"number","maximum":1.0}}}`), Label: "files", Server: "fs", Tool: "read"},
		{Name: "files-list", Label: "files", Server: "fs", Tool: "list"},
	}
}

const offeredSent = `{"type":"function","name":"files-read","description":"Reads \"a file\"","parameters":{"type":"object", "properties":{"n":{"type":"number","maximum":1.0}}},"strict":false},` +
	`{"type":"function","name":"files-list","parameters":{"type":"object","properties":{}},"strict":false}`

// round is what one round of tools adds to a conversation: the model's turn as this wire sent it, with one call renamed by the
// loop, and the results.
func round() []llm.Message {
	return []llm.Message{
		{
			Role: llm.Assistant, Text: "Wait.", Wire: Name,
			Extra: []byte(`"output":[{"id":"rs_1","type":"reasoning","summary":[], "encrypted_content":"a+/=="},{"id":"msg_1","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Wait."}]},{"id":"fc_1","type":"function_call","call_id":"c1","name":"files-read","arguments":"{\"n\":1.0}","status":"completed"},{"id":"fc_2","type":"function_call","call_id":"c1","name":"files-list","arguments":"{}"}]`),
			Calls: []llm.Call{{ID: "c1", Name: "files-read", Arguments: `{"n":1.0}`}, {ID: "c1_2", Name: "files-list", Arguments: `{}`}},
		},
		{Role: llm.ToolRole, Result: &llm.Result{CallID: "c1", Text: "line\n\"2\""}},
		{Role: llm.ToolRole, Result: &llm.Result{CallID: "c1_2", Text: "see", Parts: []llm.Part{{Kind: "text", Text: "see"}, {Kind: "image", MediaType: "image/png", Data: "AA=="}}}},
	}
}

const roundSent = `{"id":"rs_1","type":"reasoning","summary":[], "encrypted_content":"a+/=="},{"id":"msg_1","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Wait."}]},{"id":"fc_1","type":"function_call","call_id":"c1","name":"files-read","arguments":"{\"n\":1.0}","status":"completed"},` +
	`{"id":"fc_2","type":"function_call","name":"files-list","arguments":"{}","call_id":"c1_2"},` +
	`{"type":"function_call_output","call_id":"c1","output":"line\n\"2\""},` +
	`{"type":"function_call_output","call_id":"c1_2","output":[{"type":"input_text","text":"see"},{"type":"input_image","image_url":"data:image/png;base64,AA=="}]}`

func TestAppendRequestEditsTheBody(t *testing.T) {
	const state = `,"store":false,"include":["reasoning.encrypted_content"]`
	for _, tt := range []struct {
		name, body, want string
		q                wire.Quirks
		change           func(*llm.Request)
	}{
		{name: "nothing", body: ` {"model" : "m", "input":"hi", "n":1.0, "store":true,"previous_response_id":"resp_1","reasoning":null} `, want: ` {"model" : "m", "input":"hi", "n":1.0, "store":true,"previous_response_id":"resp_1","reasoning":null} `},
		{name: "model", body: `{"model":"m","input":"hi","x":1e3}`, q: wire.Quirks{Model: "other"}, want: `{"model":"other","input":"hi","x":1e3}`},
		{name: "members that the provider does not take", body: `{"model":"m","user":"u","input":"hi","top_p":1}`, q: wire.Quirks{DropParams: []string{"user"}, RenameParams: map[string]string{"top_p": "p"}}, want: `{"model":"m","input":"hi","p":1}`},
		{name: "mocks", body: `{"model":"m","mock_response":"a","input":"hi","mock_tool_calls":[]}`, want: `{"model":"m","input":"hi"}`},
		{
			name: "tools", body: `{"model":"m","input":"hi","tools":[{"type":"mcp","server_label":"files","server_url":"litellm_proxy/mcp/fs"},{"type":"function","name":"own","parameters":{ },"strict":null}],"max_tool_calls":3}`,
			change: func(r *llm.Request) { r.AddedTools = offered() },
			want:   `{"model":"m","input":"hi","tools":[` + offeredSent + `,{"type":"function","name":"own","parameters":{ },"strict":null}]` + state + `}`,
		},
		{
			name: "servers without tools", body: `{"model":"m","input":"hi","tools":[{"type":"mcp","server_label":"files","server_url":"litellm_proxy"}],"tool_choice":"auto","store":true,"include":["web_search_call.results"]}`,
			want: `{"model":"m","input":"hi","store":false,"include":["web_search_call.results","reasoning.encrypted_content"]}`,
		},
		{
			name: "the provider's own server", body: `{"model":"m","tools":[{"type":"mcp","server_label":"files","server_url":"litellm_proxy"},{"type":"mcp","server_label":"mail","connector_id":"connector_gmail","server_url":null}],"input":[{"type":"mcp_call","id":"mcp_1","server_label":"mail","name":"send","arguments":"{}","output":"ok"},{"type":"mcp_call","id":"mcp_fl_2","server_label":"files","name":"read","arguments":"{}","output":"text","error":null}],"tool_choice":{"type":"mcp","server_label":"mail"}}`,
			change: func(r *llm.Request) { r.AddedTools = offered()[1:] },
			want:   `{"model":"m","tools":[{"type":"function","name":"files-list","parameters":{"type":"object","properties":{}},"strict":false},{"type":"mcp","server_label":"mail","connector_id":"connector_gmail","server_url":null}],"input":[{"type":"mcp_call","id":"mcp_1","server_label":"mail","name":"send","arguments":"{}","output":"ok"},{"type":"function_call","call_id":"mcp_fl_2","name":"files-read","arguments":"{}"},{"type":"function_call_output","call_id":"mcp_fl_2","output":"text"}],"tool_choice":{"type":"mcp","server_label":"mail"}` + state + `}`,
		},
		{
			name: "a model that does not reason", body: `{"model":"gpt-4o-mini","input":"hi"}`,
			change: func(r *llm.Request) { r.AddedTools = offered()[1:] },
			want:   `{"model":"gpt-4o-mini","input":"hi","tools":[{"type":"function","name":"files-list","parameters":{"type":"object","properties":{}},"strict":false}],"store":false}`,
		},
		{
			name: "the tool of a server is chosen", body: `{"model":"m","input":"hi","tool_choice":{"type":"mcp","server_label":"files","name":"read"}}`,
			change: func(r *llm.Request) { r.AddedTools = offered() },
			want:   `{"model":"m","input":"hi","tool_choice":{"type":"function","name":"files-read"},"tools":[` + offeredSent + `]` + state + `}`,
		},
		{
			name: "any tool of a server is chosen", body: `{"model":"m","input":"hi","tool_choice":{"type":"mcp","server_label":"files"}}`,
			change: func(r *llm.Request) { r.AddedTools = offered() },
			want:   `{"model":"m","input":"hi","tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"files-read"},{"type":"function","name":"files-list"}]},"tools":[` + offeredSent + `]` + state + `}`,
		},
		{
			name: "allowed tools, after the first round", body: `{"model":"m","input":"hi","tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"mcp","server_label":"files","name":"list"},{"type":"function","name":"own"}]}}`,
			change: func(r *llm.Request) { r.AddedTools, r.ToolChoice = offered(), llm.ChoiceAuto },
			want:   `{"model":"m","input":"hi","tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"files-list"},{"type":"function","name":"own"}]},"tools":[` + offeredSent + `]` + state + `}`,
		},
		{
			name: "the loop asks for no more calls", body: `{"model":"m","input":[],"tool_choice":"required"}`,
			change: func(r *llm.Request) { r.AddedTools, r.ToolChoice = offered()[1:], llm.ChoiceNone },
			want:   `{"model":"m","input":[],"tool_choice":"none","tools":[{"type":"function","name":"files-list","parameters":{"type":"object","properties":{}},"strict":false}]` + state + `}`,
		},
		{
			name: "rounds behind a text", body: `{"model":"m","input":"say \"hi\" \u00e9","include":["reasoning.encrypted_content"],"store":false}`,
			change: func(r *llm.Request) { r.AddedMessages = round() },
			want:   `{"model":"m","input":[{"type":"message","role":"user","content":"say \"hi\" \u00e9"},` + roundSent + `],"include":["reasoning.encrypted_content"],"store":false}`,
		},
		{
			name: "rounds behind items", body: `{"model":"m","input":[ {"role":"user","content":"hi"} ],"z":{"a":[1.0]}}`,
			change: func(r *llm.Request) { r.AddedMessages = round() },
			want:   `{"model":"m","input":[ {"role":"user","content":"hi"} ,` + roundSent + `],"z":{"a":[1.0]}` + state + `}`,
		},
		{
			name: "rounds behind nothing", body: `{"model":"m","prompt":{"id":"p"}}`,
			change: func(r *llm.Request) { r.AddedMessages = round() },
			want:   `{"model":"m","prompt":{"id":"p"}` + state + `,"input":[` + roundSent + `]}`,
		},
		{
			name: "what only the gateway knows", body: `{"model":"m","background":true,"previous_response_id":"resp_fl_1","input":[{"type":"mcp_list_tools","id":"mcpl_fl_1","server_label":"files","tools":[]},{"type":"message","id":"msg_fl_1","role":"assistant","content":[]},{"type":"item_reference","id":"rs_fl_9"},{"type":"reasoning","id":"rs_2","summary":[]},{"type":"reasoning","id":"rs_3","summary":[],"encrypted_content":"x"},{"type":"mcp_approval_request","id":"mcpr_fl_1"},{"type":"mcp_approval_response","approval_request_id":"mcpr_fl_1","approve":true},` +
				`{"type":"mcp_call","id":"mcp_fl_1","server_label":"gone","name":"a.b","arguments":"{\"n\": 1.0}","output":null,"error":{"type":"mcp_tool_execution_error","content":[{"type":"text","text":"it broke"}]}}]}`,
			change: func(*llm.Request) {},
			want: `{"model":"m","input":[{"type":"message","role":"assistant","content":[]},{"type":"reasoning","id":"rs_3","summary":[],"encrypted_content":"x"},` +
				`{"type":"function_call","call_id":"mcp_fl_1","name":"gone-a_b","arguments":"{\"n\": 1.0}"},{"type":"function_call_output","call_id":"mcp_fl_1","output":"it broke"}]` + state + `}`,
		},
		{
			name: "a reply of the provider's", body: `{"model":"m","previous_response_id":"resp_1","input":"hi"}`,
			change: func(r *llm.Request) { r.AddedMessages = round()[1:2] },
			want:   `{"model":"m","previous_response_id":"resp_1","input":[{"type":"message","role":"user","content":"hi"},{"type":"function_call_output","call_id":"c1","output":"line\n\"2\""}]` + state + `}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := posed(t, tt.body)
			if tt.change != nil {
				tt.change(req)
			}
			got := sent(t, tt.q, req)
			if got != tt.want {
				t.Errorf("sent\n%s\nwant\n%s", got, tt.want)
			}
			if !jsonedit.Valid([]byte(got)) {
				t.Errorf("not JSON: %s", got)
			}
		})
	}
}

// TestChoiceOfNothing names the choice that means no tool.
func TestChoiceOfNothing(t *testing.T) {
	for _, choice := range []string{
		`{"type":"mcp","server_label":"files","name":"write"}`,
		`{"type":"allowed_tools","mode":"auto","tools":[{"type":"mcp","server_label":"other"}]}`,
	} {
		req := posed(t, `{"model":"m","input":"hi","tool_choice":`+choice+`}`)
		req.AddedTools = offered()
		_, err := upstream(t, wire.Quirks{}).AppendRequest(nil, req)
		if e := fault.From(err); e.Kind != fault.Invalid || !strings.HasPrefix(e.Param, "tool_choice") {
			t.Errorf("%s: %v", choice, err)
		}
	}
}

// TestFormsOfToolsAreKept makes a tool's form once.
func TestFormsOfToolsAreKept(t *testing.T) {
	req := posed(t, `{"model":"m","input":"hi"}`)
	req.AddedTools = offered()
	var f llm.Forms
	req.AddedTools[0].Forms = &f
	first := sent(t, wire.Quirks{}, req)
	if len(f.Get(llm.Form{Wire: Name, Name: "files-read"})) == 0 || sent(t, wire.Quirks{}, req) != first {
		t.Error("the form is not kept, or another one")
	}
}

// FuzzAppendRequest edits whatever passes the door: the result is one JSON object, and members that the gateway does not
// act on survive as they were.
func FuzzAppendRequest(f *testing.F) {
	f.Add(`{"model":"m","input":"hi","seed":1.0}`)
	f.Add(`{"tools":[{"type":"mcp","server_label":"files","server_url":"litellm_proxy"},{"type":"web_search"}],"model":"m","stream":true,"tool_choice":"required","input":[{"role":"user","content":"x"}],"z":[1e3]}`)
	f.Add(`{"input":[{"type":"mcp_call","id":"mcp_fl_1","name":"a","server_label":"b","arguments":"{"},{"type":"reasoning","id":"rs_1"},{"id":"x_fl_1","type":"message"}],"model":"x","include":[],"mock_response":null}`)
	f.Add(`{"model":"m","input":[],"previous_response_id":"resp_fl_1","background":true,"tool_choice":{"type":"allowed_tools","tools":[{"type":"mcp"}]}}`)
	f.Add(`{"model":"m","input":[{"type":"message","role":"assistant"},{"type":"function_call","call_id":"c"},{"type":"function_call_output","call_id":"c"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		req, err := Door{}.ReadRequest(nil, []byte(body))
		if err != nil {
			return
		}
		if !req.Local && len(req.MCP) == 0 && req.Mock == nil && !strings.Contains(body, "mock_") && !strings.Contains(body, "stream") {
			if got := sent(t, wire.Quirks{}, req); got != body {
				t.Fatalf("%s\nwas sent as\n%s", body, got)
			}
		}
		req.AddedTools, req.AddedMessages, req.ToolChoice = offered(), round(), llm.ChoiceAuto
		req.Restored = []llm.Kept{{IDs: []string{"c"}, Messages: round()}}
		out, err := upstream(t, wire.Quirks{Model: "other"}).AppendRequest(nil, req)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			return
		}
		if _, err := scan(out); err != nil {
			t.Fatalf("%s\nwas sent as\n%s\n%v", body, out, err)
		}
		if d := cmp.Diff(unknown(t, body), unknown(t, string(out))); d != "" {
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
		case "model", "stream", "input", "tools", "tool_choice", "parallel_tool_calls", "max_tool_calls", "mock_response", "mock_tool_calls", "store",
			"include", "background", "previous_response_id":
		default:
			out = append(out, name+"="+string(v))
		}
	}
	return out
}

// TestAppendRequestBuildsABody says in this wire what was asked in process or over another one.
func TestAppendRequestBuildsABody(t *testing.T) {
	strict, open := true, false
	req := &llm.Request{
		Model: "m", Stream: true, Raw: llm.Frame{Wire: "chat", Bytes: []byte(`{}`)},
		Messages: []llm.Message{
			{Role: llm.System, Text: "be brief"},
			{Role: llm.System, Parts: []llm.Part{{Kind: "text", Text: "and kind"}}},
			{Role: llm.User, Parts: []llm.Part{
				{Kind: "text", Text: "look"},
				{Kind: "image", URI: "https://h/a.png", Detail: "low"},
				{Kind: "file", Name: "a.pdf", MediaType: "application/pdf", Data: "AA=="},
				{Kind: "audio", MediaType: "audio/mpeg", Data: "BB=="},
			}},
			{Role: llm.Assistant, Text: "Hm.", Think: "what?", Wire: "chat", Extra: []byte(`"reasoning":"x"`), Calls: []llm.Call{{ID: strings.Repeat("c", 70), Name: "own", Arguments: `{"a":`}}},
			{Role: llm.ToolRole, Result: &llm.Result{CallID: strings.Repeat("c", 70), Text: "1"}},
			{Role: llm.System, Text: "now hurry"},
		},
		Tools:         []llm.Tool{{Name: "own", Description: "mine", Schema: []byte(`{"type":"object"}`), Strict: &strict}},
		AddedTools:    offered()[1:],
		AddedMessages: []llm.Message{{Role: llm.Assistant, Calls: []llm.Call{{ID: "p1", Name: "patch", Arguments: "*** a", Extra: []byte(customMark)}}}, {Role: llm.ToolRole, Result: &llm.Result{CallID: "p1", Text: "ok"}}},
		Params: llm.Params{
			OneByOne: true, JSON: true, MaxOutput: 77, Temperature: []byte("0.70"), TopP: []byte("1"), Seed: []byte("7"), FrequencyPenalty: []byte("0.0"),
			Choice: llm.ToolChoice{Mode: "tool", Label: "files", Name: "list"}, Format: &llm.Format{Name: "answer", Schema: []byte(`{"type":"object"}`), Strict: &open},
			Effort: "max", Verbosity: "low", User: "u", ServiceTier: "flex", CacheKey: "k",
		},
	}
	got := sent(t, wire.Quirks{Model: "theirs"}, req)
	id := callID(strings.Repeat("c", 70))
	want := `{"model":"theirs","stream":true,"store":false,"include":["reasoning.encrypted_content"],"instructions":"be brief\n\nand kind","input":[` +
		`{"type":"message","role":"user","content":[{"type":"input_text","text":"look"},{"type":"input_image","image_url":"https://h/a.png","detail":"low"},{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,AA=="},{"type":"input_audio","input_audio":{"data":"BB==","format":"mp3"}}]},` +
		`{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hm."}]},{"type":"function_call","call_id":"` + id + `","name":"own","arguments":"{}"},{"type":"function_call_output","call_id":"` + id + `","output":"1"},` +
		`{"type":"message","role":"system","content":"now hurry"},{"type":"custom_tool_call","call_id":"p1","name":"patch","input":"*** a"},{"type":"custom_tool_call_output","call_id":"p1","output":"ok"}],` +
		`"tools":[{"type":"function","name":"files-list","parameters":{"type":"object","properties":{}},"strict":false},{"type":"function","name":"own","description":"mine","parameters":{"type":"object"},"strict":true}],` +
		`"parallel_tool_calls":false,"tool_choice":{"type":"function","name":"files-list"},"max_output_tokens":77,"temperature":0.70,"top_p":1,"reasoning":{"effort":"xhigh","summary":"auto"},` +
		`"text":{"format":{"type":"json_schema","name":"answer","schema":{"type":"object"},"strict":false},"verbosity":"low"},"safety_identifier":"u","service_tier":"flex","prompt_cache_key":"k"}`
	if got != want {
		t.Errorf("sent\n%s\nwant\n%s", got, want)
	}
	if !jsonedit.Valid([]byte(got)) {
		t.Error("not JSON")
	}
}

func TestWhatCannotBeSaid(t *testing.T) {
	for param, p := range map[string]llm.Params{
		"stop":             {Stop: []string{"END"}},
		"top_k":            {TopK: []byte("3")},
		"presence_penalty": {PresencePenalty: []byte("0.5")},
	} {
		req := &llm.Request{Model: "m", Messages: []llm.Message{{Role: llm.User, Text: "hi"}}, Params: p}
		_, err := upstream(t, wire.Quirks{}).AppendRequest(nil, req)
		if e := fault.From(err); e.Kind != fault.Invalid || e.Param != param || e.Code != "unsupported_parameter" {
			t.Errorf("%s: %v", param, err)
		}
	}
	said := &llm.Request{Raw: llm.Frame{Wire: "chat"}, Model: "m", Messages: []llm.Message{{Role: llm.User, Text: "hi"}}, Params: llm.Params{TopLogprobs: []byte("2")}}
	if _, err := upstream(t, wire.Quirks{}).AppendRequest(nil, said); fault.From(err).Param != "logprobs" || fault.From(err).Code != "unsupported_parameter" {
		t.Errorf("logprobs, which a client of chat would not see: %v", err)
	}
	if _, err := NewUpstream(wire.Quirks{DropParams: []string{`a"b`}}); err == nil {
		t.Error("a malformed parameter name is taken")
	}
}
