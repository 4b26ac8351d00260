package messages

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

const (
	betaOld = "mcp-client-2025-04-04"
	betaNew = "mcp-client-2025-11-20"
)

// withMembers wraps members into a request.
func withMembers(members string) string {
	return `{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"hi"}],` + members + `}`
}

func TestDoorEntries(t *testing.T) {
	never := llm.Approval{Never: true}
	for _, tt := range []struct {
		name, beta, members string
		want                []llm.MCPEntry
	}{
		{
			"first form", betaOld,
			`"mcp_servers":[{"type":"url","url":"https://x.example/mcp","name":"x","authorization_token":"t","tool_configuration":{"enabled":true,"allowed_tools":["a","b"]}},{"type":"url","url":"fairlead/mcp/y","name":"y","authorization_token":null,"tool_configuration":null},{"type":"url","url":"fairlead/mcp/z","name":"z","tool_configuration":{"enabled":false}}]`,
			[]llm.MCPEntry{
				{Param: "mcp_servers[0]", Member: "url", URL: "https://x.example/mcp", Label: "x", Allowed: []string{"a", "b"}, Filtered: true, Approval: never, Headers: map[string]string{"Authorization": "Bearer t"}},
				{Param: "mcp_servers[1]", Member: "url", URL: "fairlead/mcp/y", Label: "y", Approval: never},
			},
		},
		{
			"first form, no beta", "",
			`"mcp_servers":[{"type":"url","url":"litellm_proxy/mcp/x","name":"x"}]`,
			[]llm.MCPEntry{{Param: "mcp_servers[0]", Member: "url", URL: "litellm_proxy/mcp/x", Label: "x", Approval: never}},
		},
		{
			"toolset", betaNew,
			`"mcp_servers":[{"type":"url","url":"fairlead/mcp/x","name":"x"}],"tools":[{"type":"mcp_toolset","mcp_server_name":"x","default_config":{"enabled":true,"defer_loading":false},"configs":{"a":{"enabled":false},"b":{}},"cache_control":{"type":"ephemeral"}}]`,
			[]llm.MCPEntry{{Param: "mcp_servers[0]", Member: "url", URL: "fairlead/mcp/x", Label: "x", Denied: []string{"a"}, Approval: never}},
		},
		{
			"toolset that is off but for some, no beta", "",
			`"mcp_servers":[{"type":"url","url":"fairlead/mcp/x","name":"x"}],"tools":[{"type":"mcp_toolset","mcp_server_name":"x","default_config":{"enabled":false},"configs":{"a":{"enabled":true},"b":{"enabled":false},"c":null}}]`,
			[]llm.MCPEntry{{Param: "mcp_servers[0]", Member: "url", URL: "fairlead/mcp/x", Label: "x", Allowed: []string{"a"}, Filtered: true, Denied: []string{"b", "c"}, Approval: never}},
		},
		{
			"pinned tools", listingBeta,
			`"mcp_servers":[{"type":"url","url":"fairlead/mcp/x","name":"x"}],"tools":[{"type":"mcp_toolset","mcp_server_name":"x","tools":[{"name":"a","description":"","input_schema":{}},{"name":"b"}]}]`,
			[]llm.MCPEntry{{Param: "mcp_servers[0]", Member: "url", URL: "fairlead/mcp/x", Label: "x", Allowed: []string{"a", "b"}, Filtered: true, Approval: never}},
		},
		{
			"the entry of the other dialects", "",
			`"tools":[{"name":"mine","input_schema":{}},{"type":"mcp","server_label":"x","server_url":"fairlead/mcp/x","require_approval":"never","allowed_tools":["a"]}]`,
			[]llm.MCPEntry{{Param: "tools[1]", URL: "fairlead/mcp/x", Label: "x", Allowed: []string{"a"}, Filtered: true, Approval: never}},
		},
		{"no server", betaNew, `"mcp_servers":[],"tools":[]`, nil},
		{"nulls", betaNew, `"mcp_servers":null,"tools":null`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := taken(t, withMembers(tt.members), "anthropic-beta: "+tt.beta)
			if d := cmp.Diff(tt.want, req.MCP); d != "" {
				t.Error(d)
			}
			if err := testDoor().DecodeAll(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			if named := len(tt.want) > 0; req.Params.Shows != named || req.Params.Pauses != named {
				t.Errorf("shows %v, pauses %v", req.Params.Shows, req.Params.Pauses)
			}
			if len(req.Params.Left) > 0 {
				t.Errorf("left: %v", req.Params.Left)
			}
		})
	}
}

func TestDoorBadRequests(t *testing.T) {
	const server = `"mcp_servers":[{"type":"url","url":"fairlead/mcp/x","name":"x"}]`
	for _, tt := range []struct {
		name, beta, body string
		param, code      string
	}{
		{"no model", "", `{"max_tokens":1,"messages":[]}`, "model", "invalid_value"},
		{"stream", "", withMembers(`"stream":1`), "stream", "invalid_value"},
		{"twice", "", withMembers(`"mcp_servers":[],"mcp_servers":[]`), "mcp_servers", "ambiguous_json"},
		{"disguised", "", withMembers(`"Tools":[]`), "tools", "ambiguous_json"},
		{"escaped", "", withMembers(`"th\u0072ead":null`), "thread", "ambiguous_json"},
		{"thread", "", withMembers(`"thread":{"type":"create"}`), "thread", "thread_unsupported_request"},
		{"unknown form", "x, mcp-client-2027-01-01", withMembers(`"stream":true`), "anthropic-beta", "invalid_value"},
		{"servers no list", "", withMembers(`"mcp_servers":{}`), "mcp_servers", "invalid_value"},
		{"server no object", "", withMembers(`"mcp_servers":["x"]`), "mcp_servers[0]", "invalid_value"},
		{"no type", "", withMembers(`"mcp_servers":[{"url":"fairlead","name":"x"}]`), "mcp_servers[0].type", "invalid_value"},
		{"no url", "", withMembers(`"mcp_servers":[{"type":"url","name":"x"}]`), "mcp_servers[0].url", "invalid_value"},
		{"no name", "", withMembers(`"mcp_servers":[{"type":"url","url":"fairlead"}]`), "mcp_servers[0].name", "invalid_value"},
		{"same name", "", withMembers(`"mcp_servers":[{"type":"url","url":"fairlead","name":"x"},{"type":"url","url":"fairlead","name":"x"}]`), "mcp_servers[1].name", "invalid_value"},
		{"url twice", "", withMembers(`"mcp_servers":[{"type":"url","url":"fairlead","url":"fairlead","name":"x"}]`), "mcp_servers[0].url", "ambiguous_json"},
		{"token", "", withMembers(`"mcp_servers":[{"type":"url","url":"fairlead","name":"x","authorization_token":1}]`), "mcp_servers[0].authorization_token", "invalid_value"},
		{"unknown member", "", withMembers(`"mcp_servers":[{"type":"url","url":"fairlead","name":"x","headers":{}}]`), "mcp_servers[0].headers", "invalid_value"},
		{"old member", "", withMembers(`"mcp_servers":[{"type":"url","url":"fairlead","name":"x","tool_configuration":{"allow":1}}]`), "mcp_servers[0].tool_configuration.allow", "invalid_value"},
		{"old allowed", "", withMembers(`"mcp_servers":[{"type":"url","url":"fairlead","name":"x","tool_configuration":{"allowed_tools":[1]}}]`), "mcp_servers[0].tool_configuration.allowed_tools[0]", "invalid_value"},
		{"no toolset", betaNew, withMembers(server), "mcp_servers[0]", "invalid_value"},
		{"no toolset for one", "", withMembers(`"mcp_servers":[{"type":"url","url":"fairlead","name":"x"},{"type":"url","url":"fairlead","name":"y"}],"tools":[{"type":"mcp_toolset","mcp_server_name":"x"}]`), "mcp_servers[1]", "invalid_value"},
		{"no server", "", withMembers(`"tools":[{"type":"mcp_toolset","mcp_server_name":"x"}]`), "tools[0].mcp_server_name", "invalid_value"},
		{"two toolsets", "", withMembers(server + `,"tools":[{"type":"mcp_toolset","mcp_server_name":"x"},{"type":"mcp_toolset","mcp_server_name":"x"}]`), "tools[1].mcp_server_name", "invalid_value"},
		{"both forms", "", withMembers(`"mcp_servers":[{"type":"url","url":"fairlead","name":"x","tool_configuration":{}}],"tools":[{"type":"mcp_toolset","mcp_server_name":"x"}]`), "mcp_servers[0].tool_configuration", "invalid_value"},
		{"deferred", "", withMembers(server + `,"tools":[{"type":"mcp_toolset","mcp_server_name":"x","default_config":{"defer_loading":true}}]`), "tools[0].default_config.defer_loading", "invalid_value"},
		{"one deferred", "", withMembers(server + `,"tools":[{"type":"mcp_toolset","mcp_server_name":"x","configs":{"a":{"defer_loading":true}}}]`), "tools[0].configs.a.defer_loading", "invalid_value"},
		{"config twice", "", withMembers(server + `,"tools":[{"type":"mcp_toolset","mcp_server_name":"x","configs":{"a":{"enabled":true},"\u0061":{"enabled":false}}}]`), "tools[0].configs.a", "ambiguous_json"},
		{"config", "", withMembers(server + `,"tools":[{"type":"mcp_toolset","mcp_server_name":"x","configs":{"a":true}}]`), "tools[0].configs.a", "invalid_value"},
		{"toolset in disguise", "", withMembers(`"tools":[{"type":"custom","type":"mcp_toolset","mcp_server_name":"x"}]`), "tools[0]", "ambiguous_json"},
		{"toolset member", "", withMembers(server + `,"tools":[{"type":"mcp_toolset","mcp_server_name":"x","enabled":true}]`), "tools[0].enabled", "invalid_value"},
		{"pinned", "", withMembers(server + `,"tools":[{"type":"mcp_toolset","mcp_server_name":"x","tools":[{}]}]`), "tools[0].tools[0].name", "invalid_value"},
		{"tools no list", "", withMembers(`"tools":{}`), "tools", "invalid_value"},
		{"mock", "", withMembers(`"mock_response":1`), "mock_response", "invalid_value"},
		{"mock calls", "", withMembers(`"mock_tool_calls":[{"name":"x","input":"{}"}]`), "mock_tool_calls[0]", "invalid_value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			h.Set("Anthropic-Beta", tt.beta)
			_, err := testDoor().ReadRequest(h, []byte(tt.body))
			if err == nil {
				t.Fatal("taken")
			}
			e := fault.From(err)
			if e.HTTPStatus() != 400 || e.Param != tt.param || e.Code != tt.code || !strings.Contains(e.Message, strings.TrimSuffix(tt.param, "]")) {
				t.Errorf("%d %q %q: %s", e.HTTPStatus(), e.Param, e.Code, e.Message)
			}
		})
	}
}

// TestDoorThreads wants the words by which the SDKs' tool runner knows that it must send everything again.
func TestDoorThreads(t *testing.T) {
	_, err := testDoor().ReadRequest(http.Header{}, []byte(withMembers(`"thread":{"type":"create"}`)))
	got := string(appendError(nil, fault.From(err), http.Header{}))
	want := `{"type":"error","error":{"type":"invalid_request_error","message":"thread is not supported here: send the whole conversation in messages, without thread","details":{"error_code":"thread_unsupported_request","unsupported":["thread"]},"param":"thread","code":"thread_unsupported_request"}}`
	if got != want {
		t.Error(got)
	}
	taken(t, withMembers(`"thread":null`), "")
}

func TestDoorHeaders(t *testing.T) {
	header := "anthropic-version: 2026-10-21\nanthropic-beta: a-1, mcp-client-2025-11-20\nanthropic-beta: b-2\nx-api-key: secret\nauthorization: Bearer secret\ncookie: secret"
	want := []llm.Header{{Name: "Anthropic-Beta", Value: "a-1, mcp-client-2025-11-20,b-2"}, {Name: "Anthropic-Version", Value: "2026-10-21"}}
	if d := cmp.Diff(want, taken(t, withMembers(`"stream":true`), header).Headers); d != "" {
		t.Error(d)
	}
}

func TestDoorMock(t *testing.T) {
	req := taken(t, withMembers(`"mock_response":"hi","mock_tool_calls":[{"id":"a","name":"f","input":{"n":1.0}},{"name":"g"}]`), "")
	want := &llm.Mock{Text: "hi", Calls: []llm.Call{{ID: "a", Name: "f", Arguments: `{"n":1.0}`}, {Name: "g", Arguments: "{}"}}}
	if d := cmp.Diff(want, req.Mock); d != "" {
		t.Error(d)
	}
}
