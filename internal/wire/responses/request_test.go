package responses

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

func yes() *bool { b := true; return &b }

func TestReadRequest(t *testing.T) {
	req := asked(t, `{"model":"m","stream":true,"input":[],"tools":[
		{"type":"function","name":"f"},
		{"type":"mcp","server_label":"a","server_url":"fairlead/mcp/a","allowed_tools":{"tool_names":["x"],"read_only":true},"require_approval":{"never":{"tool_names":["x"]},"always":{"read_only":false}},"authorization":"tok","headers":{"X-A":"b"},"server_description":"d","defer_loading":false,"allowed_callers":["direct","programmatic"]},
		{"type":"mcp","server_label":"b","server_url":"https://mcp.example.com/mcp","allowed_tools":["y"],"require_approval":"never"},
		{"type":"mcp","server_label":"c","server_url":"fairlead","allowed_tools":null,"require_approval":null,"headers":null},
		{"type":"mcp","server_label":"d","connector_id":"connector_gmail"}]}`)
	no := false
	want := []llm.MCPEntry{
		{
			Param: "tools[1]", URL: "fairlead/mcp/a", Label: "a", Allowed: []string{"x"}, Filtered: true, ReadOnly: yes(),
			Approval: llm.Approval{RunFor: llm.Filter{Set: true, Names: []string{"x"}}, AskFor: llm.Filter{Set: true, ReadOnly: &no}},
			Headers:  map[string]string{"Authorization": "Bearer tok", "X-A": "b"},
		},
		{Param: "tools[2]", URL: "https://mcp.example.com/mcp", Label: "b", Allowed: []string{"y"}, Filtered: true, Approval: llm.Approval{Never: true}},
		{Param: "tools[3]", URL: "fairlead", Label: "c"},
	}
	if diff := cmp.Diff(want, req.MCP); diff != "" {
		t.Error(diff)
	}
	if req.Model != "m" || !req.Stream || req.Local || req.Detached || req.Mock != nil {
		t.Errorf("%+v", req)
	}
}

func TestReadRequestMock(t *testing.T) {
	req := asked(t, `{"model":"m","mock_response":"hi","mock_tool_calls":[{"name":"f","arguments":"{}"},{"id":"c","function":{"name":"g"}}]}`)
	want := &llm.Mock{Text: "hi", Calls: []llm.Call{{Name: "f", Arguments: "{}"}, {ID: "c", Name: "g"}}}
	if diff := cmp.Diff(want, req.Mock); diff != "" {
		t.Error(diff)
	}
}

// TestLocal says which requests only this gateway can answer.
func TestLocal(t *testing.T) {
	for _, tt := range []struct {
		body string
		want bool
	}{
		{`"input":"hi"`, false},
		{`"input":"hi","background":true`, true},
		{`"input":"hi","previous_response_id":"resp_abc"`, false},
		{`"input":"hi","previous_response_id":"resp_fl_abc"`, true},
		{`"input":"hi","conversation":"conv_1"`, false},
		{`"input":[{"type":"item_reference","id":"rs_1"}]`, false},
		{`"input":[{"type":"item_reference","id":"rs_fl_1"}]`, true},
		{`"input":[{"type":"message","id":"msg_fl_1","role":"assistant","content":"a"}]`, true},
		{`"input":[{"role":"user","content":"msg_fl_1 and mcp_call"}]`, false},
		{`"input":[{"type":"mcp_approval_response","approval_request_id":"x","approve":true}]`, true},
		{`"input":[{"type":"mcp_list_tools","id":"mcpl_1","server_label":"a","tools":[]}]`, true},
		{`"input":[{"type":"mcp_call","id":"mcp_1"}],"tools":[{"type":"mcp","server_label":"a","connector_id":"c"}]`, false},
		{`"input":[{"type":"mcp_call","id":"mcp_fl_1"}],"tools":[{"type":"mcp","server_label":"a","connector_id":"c"}]`, true},
	} {
		if req := asked(t, `{"model":"m",`+tt.body+`}`); req.Local != tt.want {
			t.Errorf("%s: local is %v", tt.body, req.Local)
		}
	}
}

func TestReadRequestRefuses(t *testing.T) {
	for _, tt := range []struct{ body, code, param, says string }{
		{`{"model":"m","model":"n"}`, "ambiguous_json", "model", "twice"},
		{`{"model":"m","Tools":[]}`, "ambiguous_json", "tools", "letter case"},
		{`{"model":"m","tools":[{"type":"mcp","server_url":"a","server_url":"b"}]}`, "ambiguous_json", "tools[0].server_url", "twice"},
		{`{"model":"m"}x`, "invalid_json", "", ""},
		{`{"input":"x"}`, "invalid_value", "model", "missing"},
		{`{"model":"m","stream":1}`, "invalid_value", "stream", ""},
		{`{"model":"m","store":"no"}`, "invalid_value", "store", ""},
		{`{"model":"m","background":true,"store":false}`, "invalid_value", "background", "store"},
		{`{"model":"m","previous_response_id":7}`, "invalid_value", "previous_response_id", ""},
		{`{"model":"m","previous_response_id":"resp_1","conversation":"c"}`, "invalid_value", "conversation", "exclude"},
		{`{"model":"m","tools":{}}`, "invalid_value", "tools", "list"},
		{`{"model":"m","tools":[{"type":"mcp","server_label":"a","server_url":"x"},{"type":"mcp","server_label":"a","server_url":"y"}]}`, "invalid_value", "tools[1].server_label", "two tools"},
		{`{"model":"m","tools":[{"type":"mcp","server_label":"a","server_url":"x","connector_id":"c"}]}`, "invalid_value", "tools[0]", "two ways"},
		{`{"model":"m","tools":[{"type":"mcp","server_label":"a","server_url":"x","defer_loading":true}]}`, "invalid_value", "tools[0].defer_loading", "defer_loading"},
		{`{"model":"m","tools":[{"type":"mcp","server_label":"a","server_url":"x","defer_loading":1}]}`, "invalid_value", "tools[0].defer_loading", ""},
		{`{"model":"m","tools":[{"type":"mcp","server_label":"a","server_url":"x","allowed_callers":["programmatic"]}]}`, "invalid_value", "tools[0].allowed_callers", "direct"},
		{`{"model":"m","tools":[{"type":"mcp","server_label":"a","server_url":"x","allowed_tools":"y"}]}`, "invalid_value", "tools[0].allowed_tools", ""},
		{`{"model":"m","tools":[{"type":"mcp","server_label":"a","server_url":"x","require_approval":{"sometimes":{}}}]}`, "invalid_value", "tools[0].require_approval.sometimes", ""},
		{`{"model":"m","mock_tool_calls":[{}]}`, "invalid_value", "mock_tool_calls[0]", ""},
	} {
		_, err := Door{}.ReadRequest(nil, []byte(tt.body))
		if e := fault.From(err); err == nil || e.Kind != fault.Invalid || e.Code != tt.code || e.Param != tt.param || !strings.Contains(e.Message, tt.says) {
			t.Errorf("%s: %v", tt.body, err)
		}
	}
}
