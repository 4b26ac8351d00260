package responses

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// all reads a request for a target of another wire.
func all(tb testing.TB, body string) *llm.Request {
	tb.Helper()
	req := asked(tb, body)
	if err := (Door{}).DecodeAll(tb.Context(), req); err != nil {
		tb.Fatal(err)
	}
	return req
}

func TestDecodeLeavesTheBodyAlone(t *testing.T) {
	const body = "{ \"model\":\"m\", \"input\" : [ {\"role\":\"user\", \"content\":\"hi\"} ],\n\"previous_response_id\":\"resp_1\",\"x\":1.0}"
	req := asked(t, body)
	if err := (Door{}).Decode(t.Context(), req); err != nil || string(req.Raw.Bytes) != body {
		t.Errorf("%v, body %s", err, req.Raw.Bytes)
	}
}

func TestLoopParams(t *testing.T) {
	for _, tt := range []struct {
		body string
		want llm.Params
	}{
		{``, llm.Params{MaxCalls: -1}},
		{`,"max_tool_calls":0,"parallel_tool_calls":false`, llm.Params{OneByOne: true}},
		{`,"text":{"format":{"type":"json_schema","name":"n","schema":{}}}`, llm.Params{MaxCalls: -1, JSON: true}},
		{`,"tool_choice":"auto"`, llm.Params{MaxCalls: -1}},
		{`,"tool_choice":"none"`, llm.Params{MaxCalls: -1}},
		{`,"tool_choice":"required"`, llm.Params{MaxCalls: -1, ForcedTool: true}},
		{`,"tool_choice":{"type":"function","name":"f"}`, llm.Params{MaxCalls: -1, ForcedTool: true}},
		{`,"tool_choice":{"type":"mcp","server_label":"a","name":null}`, llm.Params{MaxCalls: -1, ForcedTool: true}},
		{`,"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[]}`, llm.Params{MaxCalls: -1}},
		{`,"tool_choice":{"type":"allowed_tools","mode":"required","tools":[]}`, llm.Params{MaxCalls: -1, ForcedTool: true}},
	} {
		req := asked(t, `{"model":"m","input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]`+tt.body+`}`)
		if err := (Door{}).Decode(t.Context(), req); err != nil {
			t.Error(err)
		}
		tt.want.Asks = true
		tt.want.PastCalls = []llm.Call{{ID: "c", Name: "f", Arguments: "{}"}}
		if diff := cmp.Diff(tt.want, req.Params); diff != "" {
			t.Errorf("%s: %s", tt.body, diff)
		}
	}
}

func TestDecodeAllParams(t *testing.T) {
	req := all(t, `{"model":"m","input":"hi","max_output_tokens":100,"temperature":0.70,"top_p":1.0,"top_logprobs":2,"user":"u","safety_identifier":"s",
		"service_tier":"flex","prompt_cache_key":"k","reasoning":{"effort":"low","summary":"auto"},"metadata":{"a":"b"},"store":true,"include":["reasoning.encrypted_content"],
		"truncation":"auto","client_metadata":{},"stream_options":{"include_obfuscation":false},"background":null,"prompt":{"id":"p"},"logit_bias":{},"modalities":null,
		"text":{"verbosity":"low","format":{"type":"json_schema","name":"n","description":"d","schema":{"type": "object"},"strict":true}},
		"tool_choice":{"type":"mcp","server_label":"a","name":"t"},
		"tools":[{"type":"web_search"},{"type":"file_search","vector_store_ids":[]},{"type":"mcp","server_label":"g","connector_id":"c"}]}`)
	want := llm.Params{
		MaxCalls: -1, JSON: true, ForcedTool: true, Asks: true,
		MaxOutput: 100, Temperature: []byte("0.70"), TopP: []byte("1.0"), TopLogprobs: []byte("2"), User: "s", ServiceTier: "flex", CacheKey: "k",
		Effort: "low", Verbosity: "low", Format: &llm.Format{Name: "n", Description: "d", Schema: []byte(`{"type": "object"}`), Strict: yes()},
		Choice: llm.ToolChoice{Mode: "tool", Label: "a", Name: "t"},
		Left:   []string{"prompt", "logit_bias", "tools[1] (file_search)", "tools[2] (mcp with a connector_id or tunnel_id)"},
	}
	if diff := cmp.Diff(want, req.Params); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeAllTools(t *testing.T) {
	req := all(t, `{"model":"m","input":"hi","tools":[
		{"type":"function","name":"f","description":"d","parameters":{"type": "object"},"strict":true},
		{"type":"custom","name":"patch","description":"p","format":{"type":"grammar","syntax":"lark","definition":"start: x"}},
		{"type":"mcp","server_label":"a","server_url":"fairlead"},
		{"type":"namespace","name":"ns","tools":[{"type":"function","name":"f"},{"type":"function","name":"g","strict":null}]}],
		"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"},{"type":"function","name":"f","namespace":"ns"},{"type":"mcp","server_label":"a"}]}}`)
	want := []llm.Tool{
		{Name: "f", Description: "d", Schema: []byte(`{"type": "object"}`), Strict: yes()},
		{Name: "patch", Description: "p\n\nThe input is a text of this grammar (lark):\nstart: x", Schema: []byte(customSchema)},
		{Name: "ns-f"},
		{Name: "g"},
	}
	if diff := cmp.Diff(want, req.Tools); diff != "" {
		t.Error(diff)
	}
	choice := llm.ToolChoice{Mode: "required", Allowed: []string{"f", "ns-f"}, Servers: []llm.ServerTool{{Label: "a"}}}
	if diff := cmp.Diff(choice, req.Params.Choice); diff != "" {
		t.Error(diff)
	}
	if len(req.Params.Left) > 0 {
		t.Errorf("another wire is said not to have %q", req.Params.Left)
	}
}

func TestDecodeAllMessages(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       []llm.Message
	}{
		{"text", `"input":"hi","instructions":"Be brief."`, []llm.Message{{Role: llm.System, Text: "Be brief."}, {Role: llm.User, Text: "hi"}}},
		{
			"roles", `"input":[{"role":"developer","content":"d"},{"type":"message","role":"system","content":[{"type":"input_text","text":"s"}]},{"role":"user","content":"u"},{"role":"assistant","content":[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"r"}]},{"type":"message","role":"assistant","content":"b"}]`,
			[]llm.Message{{Role: llm.System, Text: "d"}, {Role: llm.System, Text: "s"}, {Role: llm.User, Text: "u"}, {Role: llm.Assistant, Text: "a\nr\n\nb"}},
		},
		{
			"media", `"input":[{"role":"user","content":[{"type":"input_text","text":"see"},{"type":"input_image","image_url":"https://x.example/i.png","detail":"low"},{"type":"input_image","image_url":"data:image/png;base64,AA=="},{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,BB=="},{"type":"input_file","file_url":"https://x.example/b.pdf"},{"type":"input_audio","input_audio":{"data":"CC==","format":"mp3"}}]}]`,
			[]llm.Message{{Role: llm.User, Parts: []llm.Part{
				{Kind: "text", Text: "see"},
				{Kind: "image", URI: "https://x.example/i.png", Detail: "low"},
				{Kind: "image", MediaType: "image/png", Data: "AA=="},
				{Kind: "file", Name: "a.pdf", MediaType: "application/pdf", Data: "BB=="},
				{Kind: "file", URI: "https://x.example/b.pdf"},
				{Kind: "audio", MediaType: "audio/mp3", Data: "CC=="},
			}}},
		},
		{
			"calls of a turn", `"input":[{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"},{"type":"summary_text","text":"so"}]},{"role":"assistant","content":"Let me see."},{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},{"type":"function_call","call_id":"c2","name":"g","arguments":"{\"a\": 1}"},{"type":"function_call_output","call_id":"c2","output":"two"},{"type":"function_call_output","call_id":"c1","output":[{"type":"input_text","text":"one"},{"type":"input_image","image_url":"data:image/png;base64,AA=="}]}]`,
			[]llm.Message{
				{Role: llm.Assistant, Think: "hm\n\nso", Text: "Let me see.", Calls: []llm.Call{{ID: "c1", Name: "f", Arguments: "{}"}, {ID: "c2", Name: "g", Arguments: `{"a": 1}`}}},
				{Role: llm.ToolRole, Result: &llm.Result{CallID: "c1", Name: "f", Text: "one\n[image: image/png]", Parts: []llm.Part{{Kind: "text", Text: "one"}, {Kind: "image", MediaType: "image/png", Data: "AA=="}}}},
				{Role: llm.ToolRole, Result: &llm.Result{CallID: "c2", Name: "g", Text: "two"}},
			},
		},
		{
			"calls of two turns, a late result, an open call", `"input":[{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},{"role":"user","content":"wait"},{"type":"function_call_output","call_id":"c1","output":"one"},{"type":"function_call","call_id":"c2","name":"f","arguments":"{}"}]`,
			[]llm.Message{
				{Role: llm.Assistant, Calls: []llm.Call{{ID: "c1", Name: "f", Arguments: "{}"}}},
				{Role: llm.ToolRole, Result: &llm.Result{CallID: "c1", Name: "f", Text: "one"}},
				{Role: llm.User, Text: "wait"},
				{Role: llm.Assistant, Calls: []llm.Call{{ID: "c2", Name: "f", Arguments: "{}"}}},
			},
		},
		{
			"calls of the gateway's in a mixed turn", `"input":[{"role":"user","content":"go"},{"type":"mcp_list_tools","id":"mcpl_fl_1","server_label":"a","tools":[]},{"type":"mcp_call","id":"mcp_fl_1","server_label":"a","name":"now","arguments":"{}","output":"noon","error":null},{"type":"mcp_call","id":"mcp_fl_2","server_label":"a","name":"set","arguments":"{}","output":null,"error":{"type":"mcp_tool_execution_error","content":[{"type":"text","text":"Error: no clock"}]}},{"type":"mcp_call","server_label":"a","name":"get","arguments":"{}","output":null,"error":{"type":"http_error","code":503,"message":"down"}},{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c1","output":"one"}]`,
			[]llm.Message{
				{Role: llm.User, Text: "go"},
				{Role: llm.Assistant, Calls: []llm.Call{{ID: "mcp_fl_1", Label: "a", Tool: "now", Arguments: "{}"}, {ID: "mcp_fl_2", Label: "a", Tool: "set", Arguments: "{}"}, {ID: "mcp_call_1", Label: "a", Tool: "get", Arguments: "{}"}, {ID: "c1", Name: "f", Arguments: "{}"}}},
				{Role: llm.ToolRole, Result: &llm.Result{CallID: "mcp_fl_1", Tool: "now", Text: "noon"}},
				{Role: llm.ToolRole, Result: &llm.Result{CallID: "mcp_fl_2", Tool: "set", Text: "Error: no clock", IsError: true}},
				{Role: llm.ToolRole, Result: &llm.Result{CallID: "mcp_call_1", Tool: "get", Text: "Error: down", IsError: true}},
				{Role: llm.ToolRole, Result: &llm.Result{CallID: "c1", Name: "f", Text: "one"}},
			},
		},
		{
			"custom tools and namespaces", `"tools":[{"type":"custom","name":"patch"},{"type":"function","name":"look"},{"type":"namespace","name":"ns","tools":[{"type":"function","name":"look"}]}],"input":[{"type":"custom_tool_call","call_id":"c1","name":"patch","input":"a \"b\""},{"type":"custom_tool_call_output","call_id":"c1","output":"ok"},{"type":"function_call","call_id":"c2","namespace":"ns","name":"look","arguments":"{}"}]`,
			[]llm.Message{
				{Role: llm.Assistant, Calls: []llm.Call{{ID: "c1", Name: "patch", Arguments: `{"input":"a \"b\""}`}}},
				{Role: llm.ToolRole, Result: &llm.Result{CallID: "c1", Name: "patch", Text: "ok"}},
				{Role: llm.Assistant, Calls: []llm.Call{{ID: "c2", Name: "ns-look", Arguments: "{}"}}},
			},
		},
		{"a refused call and one that nobody has answered", `"input":[{"role":"user","content":"go"},{"type":"mcp_approval_request","id":"mcpr_fl_1","server_label":"a","name":"set","arguments":"{}"},{"type":"mcp_approval_request","id":"mcpr_fl_2","server_label":"a","name":"get","arguments":"{}"},{"type":"mcp_approval_response","approval_request_id":"mcpr_fl_1","approve":false,"reason":"no"},{"role":"assistant","content":"As you like."}]`, []llm.Message{
			{Role: llm.User, Text: "go"},
			{Role: llm.Assistant, Calls: []llm.Call{{ID: "mcpr_fl_1", Label: "a", Tool: "set", Arguments: "{}"}, {ID: "mcpr_fl_2", Label: "a", Tool: "get", Arguments: "{}"}}},
			{Role: llm.ToolRole, Result: &llm.Result{CallID: "mcpr_fl_1", Tool: "set", Text: "Error: the user did not allow this call: no", IsError: true}},
			{Role: llm.ToolRole, Result: &llm.Result{CallID: "mcpr_fl_2", Tool: "get", Text: "Error: not run: the user has not said whether this call may run", IsError: true}},
			{Role: llm.Assistant, Text: "As you like."},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, all(t, `{"model":"m",`+tt.body+`}`).Messages); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeAllRefuses(t *testing.T) {
	for _, tt := range []struct{ body, code, param, says string }{
		{`"stream":false`, "invalid_value", "input", "missing"},
		{`"input":7`, "invalid_value", "input", ""},
		{`"input":["x"]`, "invalid_value", "input[0]", ""},
		{`"input":[{"content":"x"}]`, "invalid_value", "input[0].type", ""},
		{`"input":[{"role":"bot","content":"x"}]`, "invalid_value", "input[0].role", ""},
		{`"input":[{"role":"user","content":[{"type":"input_image","file_id":"file_1"}]}]`, "invalid_value", "input[0].content[0].file_id", "keeps"},
		{`"input":[{"role":"user","content":[{"type":"input_image"}]}]`, "invalid_value", "input[0].content[0].image_url", ""},
		{`"input":[{"role":"user","content":[{"type":"input_video"}]}]`, "invalid_value", "input[0].content[0].type", ""},
		{`"input":[{"type":"compaction","encrypted_content":"x"}]`, "invalid_value", "input[0].type", "compaction"},
		{`"input":[{"type":"item_reference","id":"rs_1"}]`, "invalid_value", "input[0].id", "not found"},
		{`"input":[{"type":"function_call_output","call_id":"c","output":"x"}]`, "invalid_value", "input", "No tool call found"},
		{`"input":[{"type":"function_call","call_id":"c","name":"f"},{"type":"function_call_output","call_id":"c","output":"x"},{"type":"function_call_output","call_id":"c","output":"x"}]`, "invalid_value", "input[2].call_id", "second"},
		{`"input":[{"type":"function_call","name":"f"}]`, "invalid_value", "input[0].call_id", ""},
		{`"input":[{"role":"user","id":"msg_1","content":"x"},{"role":"user","id":"msg_1","content":"x"}]`, "invalid_value", "input", "Duplicate item found with id msg_1"},
		{`"input":"x","instructions":[]`, "invalid_value", "instructions", ""},
		{`"input":"x","conversation":"conv_1"`, "invalid_value", "conversation", "keeps none"},
		{`"input":"x","previous_response_id":"resp_1"`, "previous_response_not_found", "previous_response_id", "not found"},
		{`"input":"x","max_output_tokens":"many"`, "invalid_value", "max_output_tokens", ""},
		{`"input":"x","temperature":"hot"`, "invalid_value", "temperature", ""},
		{`"input":"x","text":{"format":{"type":"xml"}}`, "invalid_value", "text.format.type", ""},
		{`"input":"x","tools":[{"type":"function"}]`, "invalid_value", "tools[0].name", ""},
		{`"input":"x","include":"reasoning.encrypted_content"`, "invalid_value", "include", ""},
		{`"input":"x","tool_choice":"any"`, "invalid_value", "tool_choice", ""},
		{`"input":"x","tool_choice":{"type":"mcp"}`, "invalid_value", "tool_choice.server_label", ""},
	} {
		req := asked(t, `{"model":"m",`+tt.body+`}`)
		err := Door{}.DecodeAll(t.Context(), req)
		if e := fault.From(err); err == nil || e.Kind != fault.Invalid || e.Code != tt.code || e.Param != tt.param || !strings.Contains(e.Message, tt.says) {
			t.Errorf("%s: %v", tt.body, err)
		}
	}
}
