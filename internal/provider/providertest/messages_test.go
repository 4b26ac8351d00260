package providertest_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// ask sends a request of the Messages API; headers are pairs that come beside the usual ones, an empty value takes one out.
func ask(ctx context.Context, t *testing.T, s *providertest.Server, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	headers = append([]string{"x-api-key", "k", "anthropic-version", "2023-06-01", "content-type", "application/json"}, headers...)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Del(headers[i])
		if headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

const (
	says    = `{"role":"user","content":"hi"}`
	uses    = `{"role":"assistant","content":[{"type":"text","text":"Wait."},{"type":"tool_use","id":"t1","name":"f","input":{}},{"type":"tool_use","id":"t2","name":"f","input":{}}]}`
	answers = `{"role":"user","content":[{"type":"tool_result","tool_use_id":"t2","content":"2"},{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"1"}]},{"type":"text","text":"so?"}]}`
	fTool   = `"tools":[{"name":"f","input_schema":{"type":"object"}}]`
)

func TestMessagesRefusals(t *testing.T) {
	with := func(members string, list ...string) string {
		if list == nil {
			list = []string{says}
		}
		return `{"model":"m","max_tokens":5000,` + members + `"messages":[` + strings.Join(list, ",") + `]}`
	}
	turn := func(content string) string { return `{"role":"assistant","content":` + content + `}` }
	for _, c := range []struct{ name, body, says string }{
		{"plain", with(""), ""},
		{"documented members", with(`"metadata":{},"service_tier":"auto","context_management":{},"output_config":{},"container":"c","thinking":{"type":"adaptive"},`), ""},
		{"not JSON", `{"model":`, "not valid JSON"},
		{"unknown member", with(`"n":2,`), "n: Extra inputs are not permitted"},
		{"servers", with(`"mcp_servers":[],`), "mcp_servers: Extra inputs"},
		{"no max_tokens", `{"model":"m","messages":[` + says + `]}`, "max_tokens: Field required"},
		{"no model", `{"max_tokens":1,"messages":[` + says + `]}`, "model: Field required"},
		{"no messages", `{"model":"m","max_tokens":1,"messages":[]}`, "at least one message"},
		{"system", with(`"system":[{"type":"text","text":"a"}],`), ""},
		{"empty system", with(`"system":[{"type":"text","text":""}],`), "non-empty"},
		{"role", with("", `{"role":"system","content":"a"}`), "Unexpected role"},
		{"assistant first", with("", turn(`"a"`), says), "first message must use"},
		{"two in a row", with("", says, says), "must alternate"},
		{"empty text", with("", `{"role":"user","content":[{"type":"text","text":" "}]}`), "non-whitespace"},
		{"no content", with("", `{"role":"user","content":[]}`), "non-empty content"},
		{"member of a message", with("", `{"role":"user","content":"a","name":"b"}`), "messages.0.name: Extra inputs"},
		{"member of a block", with("", `{"role":"user","content":[{"type":"text","text":"a","b":1}]}`), "messages.0.content.0.text.b"},
		{"block", with("", says, turn(`[{"type":"mcp_tool_use","id":"mcptoolu_1","name":"f","server_name":"s","input":{}}]`)), "'mcp_tool_use'"},
		{"picture of the model", with("", says, turn(`[{"type":"image","source":{}}]`)), "'image'"},

		{"calls and answers", with(fTool+",", says, uses, answers), ""},
		{"an answer is missing", with(fTool+",", says, uses, strings.Replace(answers, `"t2"`, `"t1"`, 1)), "unexpected `tool_use_id`"},
		{"no answers", with(fTool+",", says, uses), "without `tool_result` blocks immediately after: t1, t2"},
		{"words before the answers", with(fTool+",", says, uses, strings.Replace(answers, `"content":[`, `"content":[{"type":"text","text":"a"},`, 1)), "must come before"},
		{"answer to nobody", with(fTool+",", answers), "unexpected `tool_use_id`"},
		{"an id twice", with(fTool+",", says, strings.Replace(uses, "t2", "t1", 1), answers), "unique"},
		{"an id's form", with(fTool+",", says, strings.Replace(uses, "t2", "t:2", 1), answers), "pattern"},
		{"input is text", with(fTool+",", says, strings.Replace(uses, `"input":{}`, `"input":"{}"`, 1), answers), "valid dictionary"},
		{"calls without tools", with("", says, uses, answers), "must define tools"},
		{"media in an answer", with(fTool+",", says, uses, strings.Replace(answers, `{"type":"text","text":"1"}`, `{"type":"audio"}`, 1)), "'audio'"},

		{"mcp", with(`"tools":[{"type":"mcp_toolset","mcp_server_name":"s"}],`), "'mcp_toolset'"},
		{"server tool", with(`"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}],`), ""},
		{"member of a tool", with(`"tools":[{"name":"f","input_schema":{"type":"object"},"parameters":{}}],`), "parameters: Extra inputs"},
		{"schema", with(`"tools":[{"name":"f","input_schema":{}}],`), "input_schema.type"},
		{"name", with(`"tools":[{"name":"a.b","input_schema":{"type":"object"}}],`), "pattern"},
		{"name twice", with(`"tools":[{"name":"f","input_schema":{"type":"object"}},{"name":"f","input_schema":{"type":"object"}}],`), "unique"},
		{"choice", with(fTool + `,"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},`), ""},
		{"choice of nothing", with(fTool + `,"tool_choice":{"type":"tool","name":"g"},`), "not found"},
		{"choice in words", with(fTool + `,"tool_choice":"auto",`), "valid dictionary"},
		{"choice without tools", with(`"tool_choice":{"type":"auto"},`), "while providing tools"},

		{"budget", with(`"thinking":{"type":"enabled","budget_tokens":2048},`), ""},
		{"too small a budget", with(`"thinking":{"type":"enabled","budget_tokens":10},`), "1024"},
		{"too large a budget", with(`"thinking":{"type":"enabled","budget_tokens":5000},`), "must be greater than"},
		{"thinking and temperature", with(`"temperature":0.5,"thinking":{"type":"adaptive"},`), "may only be set to 1"},
		{"thinking and a forced call", with(fTool + `,"tool_choice":{"type":"any"},"thinking":{"type":"adaptive"},`), "forces tool use"},
		{"a foreign thought", with("", says, turn(`[{"type":"thinking","thinking":"a","signature":"b"},{"type":"text","text":"c"}]`), says), "Invalid `signature`"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := providertest.NewRule(t, func(*providertest.Request) providertest.Step { return providertest.Text("ok") })
			resp, body := ask(t.Context(), t, s, "/messages", c.body)
			switch {
			case c.says == "" && resp.StatusCode != http.StatusOK:
				t.Errorf("refused: %s", body)
			case c.says != "" && (resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, c.says) || !strings.HasPrefix(body, `{"type":"error","error":{"type":"invalid_request_error"`)):
				t.Errorf("status %d %s, want 400 with %q", resp.StatusCode, body, c.says)
			}
		})
	}
	s := providertest.New(t)
	if resp, body := ask(t.Context(), t, s, "/messages", with(""), "anthropic-version", ""); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("without a version: %s", body)
	}
	if resp, body := ask(t.Context(), t, s, "/messages", with(""), "x-api-key", ""); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "authentication_error") {
		t.Errorf("without a key: %d %s", resp.StatusCode, body)
	}
	if resp, body := ask(t.Context(), t, s.RequireKey("other"), "/messages", with("")); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("with another key: %d %s", resp.StatusCode, body)
	}
}

func TestMessagesCount(t *testing.T) {
	s := providertest.New(t)
	if resp, body := ask(t.Context(), t, s, "/messages/count_tokens", `{"model":"m","messages":[`+says+`]}`); resp.StatusCode != http.StatusOK || !strings.HasPrefix(body, `{"input_tokens":`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp, _ := ask(t.Context(), t, s, "/messages/count_tokens", `{"model":"m","max_tokens":1,"messages":[`+says+`]}`); resp.StatusCode != http.StatusBadRequest {
		t.Error("a count takes max_tokens")
	}
}

const messagesStream = `event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":2,"output_tokens":1}}}

event: ping
data: {"type": "ping"}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"SIGNED"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"c1","name":"f","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"1}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":2,"output_tokens":7}}

event: message_stop
data: {"type":"message_stop"}

`

// TestMessagesReplies has the model think and call, streamed and not. What it thought must come back before its call.
func TestMessagesReplies(t *testing.T) {
	step := providertest.Reasoning("hm").Then(providertest.Call("c1", "f", `{"a":`, `1}`)).Costs(providertest.Usage{Input: 3, Cached: 2, Output: 7})
	s := providertest.New(t, step, step, providertest.Text("Hel", "lo"), providertest.Error(http.StatusTooManyRequests, "", "slow down").Header("Retry-After", "3"))
	head := `{"model":"m","max_tokens":5000,` + fTool + `,"thinking":{"type":"enabled","budget_tokens":1024},"messages":[` + says

	_, streamed := ask(t.Context(), t, s, "/messages", head+`],"stream":true}`)
	_, plain := ask(t.Context(), t, s, "/messages", head+`]}`)
	var m struct {
		Content []struct {
			Signature string `json:"signature"`
		} `json:"content"`
	}
	if err := json.Unmarshal([]byte(plain), &m); err != nil || len(m.Content) != 2 || m.Content[0].Signature == "" {
		t.Fatalf("%v: %s", err, plain)
	}
	signature := m.Content[0].Signature
	if want := strings.Replace(messagesStream, "SIGNED", signature, 1); streamed != want {
		t.Errorf("streamed:\n%s\nwant:\n%s", streamed, want)
	}

	call := `{"type":"tool_use","id":"c1","name":"f","input":{"a":1}}`
	result := `{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"2"}]}]}`
	if resp, body := ask(t.Context(), t, s, "/messages", head+`,{"role":"assistant","content":[`+call+`]},`+result); !strings.Contains(body, "Expected `thinking`") {
		t.Errorf("without its thought: %d %s", resp.StatusCode, body)
	}
	thought := `{"type":"thinking","thinking":"hm","signature":"` + signature + `"}`
	if resp, body := ask(t.Context(), t, s, "/messages", head+`,{"role":"assistant","content":[`+thought+`,`+call+`]},`+result); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn"`) {
		t.Errorf("with its thought: %d %s", resp.StatusCode, body)
	}
	if got := s.Request(4).Results()["c1"]; got != "2" {
		t.Errorf("the result of c1 is told as %q", got)
	}
	resp, body := ask(t.Context(), t, s, "/messages", head+`]}`)
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "3" || !strings.Contains(body, `"rate_limit_error"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}
