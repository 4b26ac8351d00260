package blackbox

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/wire/wiretest"
)

// Three models: m speaks chat, r responses, a messages.
const threeWires = `-- config --
models:
  - {name: m, provider: openai, model: m-1, base_url: "{{model}}", api_key: "{{upstream key}}"}
  - {name: r, provider: openai, wire: responses, model: m-1, base_url: "{{model}}", api_key: "{{upstream key}}"}
  - {name: a, provider: anthropic, model: m-1, base_url: "{{model root}}", api_key: "{{upstream key}}"}
limits: {rounds: 3, body_bytes: 100KB}
`

func (tr *transcript) messages(body string, headers ...string) *got {
	tr.t.Helper()
	return tr.call(http.MethodPost, "/v1/messages", body, append([]string{"Anthropic-Version: 2023-06-01"}, headers...)...)
}

// refusedAs wants an error of Anthropic's form.
func (a *got) refusedAs(status int, kind string, words ...string) {
	a.t.Helper()
	if a.status != status || a.get("type") != "error" || a.get("error.type") != kind || a.get("request_id") == "" {
		a.t.Errorf("status %d, want %d with %s: %s", a.status, status, kind, a.text)
	}
	for _, w := range words {
		if !strings.Contains(a.get("error.message"), w) {
			a.t.Errorf("the message does not say %q: %s", w, a.text)
		}
	}
}

const (
	connector = "Anthropic-Beta: mcp-client-2025-11-20"
	serverS   = `"mcp_servers":[{"type":"url","url":"fairlead/mcp/s","name":"s"}]`
	toolsetS  = `{"type":"mcp_toolset","mcp_server_name":"s"}`
)

// message is a request of the messages dialect.
func message(more string) string {
	return `{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"Go."}]` + more + `}`
}

// TestBadInputOfResponses: what cannot be done is refused by status, code and the field at fault, before the model is asked.
func TestBadInputOfResponses(t *testing.T) {
	t.Parallel()
	tr := house(t, threeWires+oneTool)
	for _, c := range []struct{ name, body, code, param string }{
		{"not JSON", `{"model":`, "invalid_json", ""},
		{"a key twice", `{"model":"m","model":"r","input":"x"}`, "ambiguous_json", "model"},
		{"a key in disguise", `{"model":"m","Store":true,"input":"x"}`, "ambiguous_json", "store"},
		{"no model", `{"input":"x"}`, "invalid_value", "model"},
		{"no input", `{"model":"m"}`, "invalid_value", "input"},
		{"input of another kind", `{"model":"m","input":7}`, "invalid_value", "input"},
		{"an item that is none", `{"model":"m","input":[7]}`, "invalid_value", "input[0]"},
		{"an item without a type", `{"model":"m","input":[{}]}`, "invalid_value", "input[0].type"},
		{"stream", `{"model":"m","input":"x","stream":1}`, "invalid_value", "stream"},
		{"store", `{"model":"m","input":"x","store":"yes"}`, "invalid_value", "store"},
		{"unknown previous_response_id", `{"model":"m","input":"x","previous_response_id":"resp_fl_0"}`, "previous_response_not_found", "previous_response_id"},
		{"previous_response_id of a provider", `{"model":"m","input":"x","previous_response_id":"resp_1"}`, "previous_response_not_found", "previous_response_id"},
		{"both conversation and previous_response_id", `{"model":"m","input":"x","previous_response_id":"resp_fl_0","conversation":"conv_1"}`, "invalid_value", "conversation"},
		{"conversation", `{"model":"m","input":"x","conversation":{"id":"conv_1"}}`, "invalid_value", "conversation"},
		{"background without store", `{"model":"m","input":"x","background":true,"store":false}`, "invalid_value", "background"},
		{"unknown reference", `{"model":"m","input":[{"type":"item_reference","id":"msg_fl_0"}]}`, "invalid_value", "input[0].id"},
		{"the same item twice", `{"model":"m","input":[{"id":"msg_1","role":"user","content":"x"},{"id":"msg_1","role":"user","content":"x"}]}`, "invalid_value", "input"},
		{"unknown approval", response(entryOf("always"), userItem, word("mcpr_fl_0", true)), "invalid_value", "input[1].approval_request_id"},
		{"tools", `{"model":"m","input":"x","tools":{}}`, "invalid_value", "tools"},
		{"two entries of one label", `{"model":"m","input":"x","tools":[{"type":"mcp","server_label":"s","server_url":"fairlead/mcp/s"},{"type":"mcp","server_label":"s","server_url":"fairlead/mcp/s"}]}`, "invalid_value", "tools[1].server_label"},
		{"an entry's approval", `{"model":"m","input":"x","tools":[{"type":"mcp","server_label":"s","server_url":"fairlead/mcp/s","require_approval":{"sometimes":{}}}]}`, "invalid_value", "tools[0].require_approval.sometimes"},
		{"deferred tools", `{"model":"m","input":"x","tools":[{"type":"mcp","server_label":"s","server_url":"fairlead/mcp/s","defer_loading":true}]}`, "invalid_value", "tools[0].defer_loading"},
		{"what chat has no word for", `{"model":"m","input":"x","tools":[{"type":"file_search","vector_store_ids":["v"]}]}`, "unsupported_parameter", "tools[0] (file_search)"},
	} {
		if a := tr.responses(c.body); a.status != http.StatusBadRequest || a.get("error.code") != c.code || a.get("error.param") != c.param {
			t.Errorf("%s: status %d, want 400 with %q and %q: %s", c.name, a.status, c.code, c.param, a.text)
		}
	}
	tr.responses(`{"model":"nobody","input":"x"}`).refused(http.StatusNotFound, "model_not_found", "model")
	tr.responses(`{"model":"m","input":"x"}`, "Authorization: Bearer nobody").refused(http.StatusUnauthorized, "invalid_api_key", "")
	tr.responses(`{"model":"m","input":"`+strings.Repeat("x", 100_000)+`"}`).refused(http.StatusRequestEntityTooLarge, "request_too_large", "")
	if n := len(tr.model.Requests()); n != 0 {
		t.Errorf("the model was asked %d times", n)
	}
}

// TestBadInputOfMessages: the same in Anthropic's form.
func TestBadInputOfMessages(t *testing.T) {
	t.Parallel()
	tr := house(t, threeWires+oneTool)
	for _, c := range []struct {
		name, body, says string
		headers          []string
	}{
		{"not JSON", `{"model":`, "JSON", nil},
		{"a key twice", `{"model":"m","model":"r","max_tokens":1,"messages":[]}`, "model", nil},
		{"no model", `{"max_tokens":1,"messages":[{"role":"user","content":"x"}]}`, "model", nil},
		{"no messages", `{"model":"m","max_tokens":1}`, "messages", nil},
		{"a role", `{"model":"m","max_tokens":1,"messages":[{"role":"wizard","content":"x"}]}`, "messages[0].role", nil},
		{"a toolset without its server", message(`,"mcp_servers":[],"tools":[` + toolsetS + `]`), "tools[0].mcp_server_name", []string{connector}},
		{"a server without its toolset", message(`,` + serverS), "mcp_servers[0]", []string{connector}},
		{"two toolsets of one server", message(`,` + serverS + `,"tools":[` + toolsetS + `,` + toolsetS + `]`), "tools[1].mcp_server_name", []string{connector}},
		{"a server of another type", message(`,"mcp_servers":[{"type":"stdio","url":"x","name":"s"}],"tools":[` + toolsetS + `]`), "mcp_servers[0].type", []string{connector}},
		{"unknown form of the connector", message(`,` + serverS + `,"tools":[` + toolsetS + `]`), "anthropic-beta", []string{"Anthropic-Beta: mcp-client-2031-01-01"}},
		{"two forms at once", message(`,"mcp_servers":[{"type":"url","url":"fairlead/mcp/s","name":"s","tool_configuration":{"enabled":true}}],"tools":[` + toolsetS + `]`), "tool_configuration", []string{connector}},
		{"an unknown member", message(`,"mcp_servers":[{"type":"url","url":"fairlead/mcp/s","name":"s","colour":"red"}],"tools":[` + toolsetS + `]`), "mcp_servers[0].colour", []string{connector}},
		{"deferred tools", message(`,` + serverS + `,"tools":[{"type":"mcp_toolset","mcp_server_name":"s","default_config":{"defer_loading":true}}]`), "defer_loading", []string{connector}},
	} {
		a := tr.messages(c.body, c.headers...)
		if a.status != http.StatusBadRequest || a.get("type") != "error" || a.get("error.type") != "invalid_request_error" || !strings.Contains(a.get("error.message"), c.says) {
			t.Errorf("%s: status %d, want 400 with %q: %s", c.name, a.status, c.says, a.text)
		}
	}
	thread := tr.messages(message(`,"thread":{"type":"create"}`))
	thread.refusedAs(http.StatusBadRequest, "invalid_request_error")
	if thread.get("error.details.error_code") != "thread_unsupported_request" {
		t.Errorf("a thread: %s", thread.text)
	}
	tr.messages(strings.Replace(message(""), `"m"`, `"nobody"`, 1)).refusedAs(http.StatusNotFound, "not_found_error", "nobody")
	tr.messages(message(""), "Authorization: Bearer nobody").refusedAs(http.StatusUnauthorized, "authentication_error")
	tr.messages(message(`,"x":"`+strings.Repeat("x", 100_000)+`"`)).refusedAs(http.StatusRequestEntityTooLarge, "request_too_large")
	if n := len(tr.model.Requests()); n != 0 {
		t.Errorf("the model was asked %d times", n)
	}
}

// streamed asks for a stream of responses and holds it to the rules; it returns the types of its events.
func (tr *transcript) streamed(body string) (*got, []string) {
	tr.t.Helper()
	a := tr.responses(body).fine()
	for _, wrong := range wiretest.OpenResponsesStream([]byte(a.text)) {
		tr.t.Errorf("%s in\n%s", wrong, a.text)
	}
	var events []string
	for _, m := range regexp.MustCompile(`(?m)^event: (.*)$`).FindAllStringSubmatch(a.text, -1) {
		events = append(events, m[1])
	}
	return a, events
}

// TestRoundsOfResponses (R1, R3, R7): a call of the second round is run and the final text reached, under one id; the items are
// those of the API. The events come in the order that OpenAI's own have.
func TestRoundsOfResponses(t *testing.T) {
	t.Parallel()
	tr := house(t, threeWires+oneTool,
		providertest.Text("One moment.").Then(providertest.Call("call_1", "s-echo", `{"n":1}`)), providertest.Call("call_2", "s-echo", `{"n":2}`), providertest.Text("Done."),
		providertest.Call("call_1", "s-echo", `{"n":1}`), providertest.Text("Done."))
	plain := tr.responses(response(entryOf("never"), userItem)).fine()
	var kinds []string
	for _, it := range plain.items("") {
		kinds = append(kinds, member(t, it, "type"))
	}
	if got := strings.Join(kinds, " "); got != "mcp_list_tools message mcp_call mcp_call message" {
		t.Errorf("items %s", got)
	}
	if ids := regexp.MustCompile(`resp_fl_[0-9a-f]+`).FindAllString(plain.text, -1); len(ids) != 1 {
		t.Errorf("ids %v", ids)
	}
	if plain.get("usage.input_tokens") != "10" || plain.get("usage.output_tokens") != "15" || plain.get("usage.x_fairlead.billed_input_tokens") != "30" || plain.get("usage.x_fairlead.rounds.2.output_tokens") == "" {
		t.Errorf("usage %s", plain.get("usage"))
	}
	_, events := tr.streamed(response(entryOf("never")+`,"stream":true`, userItem))
	want := []string{
		"response.created", "response.in_progress",
		"response.output_item.added", "response.mcp_list_tools.in_progress", "response.mcp_list_tools.completed", "response.output_item.done",
		"response.output_item.added", "response.mcp_call.in_progress", "response.mcp_call_arguments.delta", "response.mcp_call_arguments.done",
		"response.mcp_call.completed", "response.output_item.done",
		"response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.done",
		"response.content_part.done", "response.output_item.done", "response.completed",
	}
	if fmt.Sprint(events) != fmt.Sprint(want) {
		t.Errorf("events\n%v, want\n%v", events, want)
	}
}

// TestLimitOfResponses (R2): at the limit of rounds the model is asked once more and may call nothing.
func TestLimitOfResponses(t *testing.T) {
	t.Parallel()
	call := providertest.Call("call_1", "s-echo", "{}")
	tr := house(t, threeWires+oneTool, call, call, call, providertest.Text("Enough."), call, providertest.Text("One is enough."))
	if a := tr.responses(response(entryOf("never"), userItem)).fine(); a.get("status") != "completed" || len(a.items("mcp_call")) != 3 || !strings.Contains(a.text, "Enough.") {
		t.Errorf("the answer is %s", a.text)
	}
	if m := tr.model.Request(4); m.ToolChoice != `"none"` {
		t.Errorf("the last request has the choice %s", m.ToolChoice)
	}
	if a := tr.responses(response(entryOf("never")+`,"max_tool_calls":1`, userItem)).fine(); len(a.items("mcp_call")) != 1 || !strings.Contains(a.text, "One is enough.") {
		t.Errorf("the answer is %s", a.text)
	}
}

// TestToolChoiceOfResponses: tools of servers are chosen by their labels, whatever wire the model speaks. What is allowed holds in
// all rounds, that something must be called in the first one.
func TestToolChoiceOfResponses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ model, choice, first, second string }{
		{"m", `{"type":"mcp","server_label":"s","name":"echo"}`, `{"type":"function","function":{"name":"s-echo"}}`, ``},
		{"m", `{"type":"mcp","server_label":"s"}`, `{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"s-echo"}},{"type":"function","function":{"name":"s-hang"}}]}}`, ``},
		{"m", `{"type":"allowed_tools","mode":"auto","tools":[{"type":"mcp","server_label":"s","name":"echo"}]}`, `{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"s-echo"}}]}}`, `{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"s-echo"}}]}}`},
		{"m", `{"type":"allowed_tools","mode":"required","tools":[{"type":"mcp","server_label":"s","name":"echo"}]}`, `{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"s-echo"}}]}}`, `{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"s-echo"}}]}}`},
		{"r", `{"type":"allowed_tools","mode":"required","tools":[{"type":"mcp","server_label":"s","name":"echo"}]}`, `{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"s-echo"}]}`, `{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"s-echo"}]}`},
	} {
		t.Run(c.model+" "+c.choice, func(t *testing.T) {
			t.Parallel()
			tr := house(t, threeWires+oneTool, providertest.Call("call_1", "s-echo", "{}"), providertest.Text("Done."))
			body := strings.Replace(response(entryOf("never")+`,"tool_choice":`+c.choice, userItem), `"model":"m"`, `"model":"`+c.model+`"`, 1)
			if a := tr.responses(body).fine(); len(a.items("mcp_call")) != 1 || !strings.Contains(a.text, "Done.") {
				t.Fatalf("the answer is %s", a.text)
			}
			if first, second := tr.model.Request(1).ToolChoice, tr.model.Request(2).ToolChoice; first != c.first || second != c.second {
				t.Errorf("the model was asked with the choices\n%s\n%s", first, second)
			}
			for _, none := range []string{`{"type":"mcp","server_label":"other"}`, `{"type":"mcp","server_label":"s","name":"other"}`, `{"type":"allowed_tools","mode":"auto","tools":[{"type":"mcp","server_label":"other"}]}`} {
				a := tr.responses(strings.Replace(body, c.choice, none, 1))
				if a.status != http.StatusBadRequest || !strings.HasPrefix(a.get("error.param"), "tool_choice") {
					t.Errorf("%s: %d %s", none, a.status, a.text)
				}
			}
			if n := len(tr.model.Requests()); n != 2 {
				t.Errorf("the model was asked %d times", n)
			}
		})
	}
}

// TestErrorsOfResponses (R4, R5): a model that fails at once is an HTTP error; one that fails in a later round ends the stream
// in one error, told in both forms, and response.failed.
func TestErrorsOfResponses(t *testing.T) {
	t.Parallel()
	refusal := providertest.Error(http.StatusTooManyRequests, "rate_limit_exceeded", "Slow down.").Header("Retry-After", "7")
	tr := house(t, threeWires+oneTool, refusal, refusal, providertest.Call("call_1", "s-echo", "{}"), refusal, providertest.Call("call_1", "s-echo", "{}"), refusal)
	for _, stream := range []string{"false", "true"} {
		a := tr.responses(response(entryOf("never")+`,"stream":`+stream, userItem)).refused(http.StatusTooManyRequests, "rate_limit_exceeded", "")
		if a.header.Get("Retry-After") != "7" {
			t.Errorf("headers %v", a.header)
		}
	}
	a := tr.responses(response(entryOf("never"), userItem)).refused(http.StatusFailedDependency, "rate_limit_exceeded", "")
	if a.header.Get("X-Should-Retry") != "false" {
		t.Errorf("headers %v", a.header)
	}
	a, events := tr.streamed(response(entryOf("never")+`,"stream":true`, userItem))
	if n := len(events); events[n-2] != "error" || events[n-1] != "response.failed" || strings.Count(a.text, "event: error\n") != 1 {
		t.Errorf("the stream ends in %v", events[len(events)-2:])
	}
	if !regexp.MustCompile(`(?m)^data: \{"type":"error".*"code":"rate_limit_exceeded","message":"Slow down\.".*"error":\{.*"message":"Slow down\."`).MatchString(a.text) {
		t.Errorf("the error is not told in both forms: %s", a.text)
	}
}

// TestStoreTowardsAResponsesUpstream (R6): the gateway's own ids never reach a provider. What the model reasoned goes back as it
// came, in its order, whoever keeps the conversation.
func TestStoreTowardsAResponsesUpstream(t *testing.T) {
	t.Parallel()
	think := providertest.Reasoning("Hm.").Then(providertest.Call("call_1", "s-echo", `{"n":1}`))
	tr := keptHouseOn(t, threeWires, think, providertest.Text("Done."), providertest.Text("More."), think, providertest.Text("Done."))
	for _, store := range []string{"true", "false"} {
		body := strings.Replace(response(entryOf("never")+`,"store":`+store+`,"include":["reasoning.encrypted_content"]`, userItem), `"m"`, `"r"`, 1)
		first := tr.responses(body).fine()
		n := len(tr.model.Requests())
		seen := string(tr.model.Request(n).Raw)
		at := func(part string) int { return strings.Index(seen, part) }
		if at(`"type":"reasoning"`) < 0 || at(`"type":"reasoning"`) > at(`"type":"function_call"`) || at(`"type":"function_call"`) > at(`"type":"function_call_output"`) || at("encrypted_content") < 0 {
			t.Errorf("store %s: the second round was asked %s", store, seen)
		}
		if strings.Contains(seen, "resp_fl_") || strings.Contains(seen, "previous_response_id") {
			t.Errorf("store %s: an id of the gateway's reached the provider: %s", store, seen)
		}
		if store == "false" {
			continue
		}
		tr.responses(`{"model":"r","input":"More?","previous_response_id":"` + first.get("id") + `"}`).fine()
		seen = string(tr.model.Request(n + 1).Raw)
		if at(`"type":"function_call_output"`) < 0 || at("Done.") < 0 || at("More?") < at("Done.") || strings.Contains(seen, "resp_fl_") || strings.Contains(seen, `"id":"msg_fl_`) || strings.Contains(seen, "previous_response_id") {
			t.Errorf("going on, the provider was asked %s", seen)
		}
	}
}

// TestNoToolsOfResponses (R8, R9): entries that come to no tool are refused, unless the client has tools of its own; a tool outside
// allowed_tools is not offered, and a call of it is not made.
func TestNoToolsOfResponses(t *testing.T) {
	t.Parallel()
	tr := house(t, threeWires+oneTool, providertest.Text("Mine."), providertest.Text("None."), providertest.Call("call_1", "s-hang", "{}"), providertest.Text("No."))
	none := `{"type":"mcp","server_label":"s","server_url":"fairlead/mcp/s","require_approval":"never","allowed_tools":[]}`
	a := tr.responses(response(`"tools":[`+none+`]`, userItem))
	a.refused(http.StatusBadRequest, "no_tools", a.get("error.param"))
	tr.responses(response(`"tools":[`+none+`,{"type":"function","name":"mine","parameters":{"type":"object"}}]`, userItem)).fine()
	tr.responses(response(`"store":false`, userItem)).fine()
	some := `{"type":"mcp","server_label":"s","server_url":"fairlead/mcp/s","require_approval":"never","allowed_tools":["echo"]}`
	a = tr.responses(response(`"tools":[`+some+`]`, userItem)).fine()
	if names := tr.model.Request(3).ToolNames(); len(names) != 1 || names[0] != "s-echo" {
		t.Errorf("offered are %v", names)
	}
	if !strings.Contains(tr.model.Request(4).Last().Text, "Error: ") || tr.server("s").count(t, "tools/call") != 0 || !strings.Contains(a.text, "No.") {
		t.Errorf("the answer is %s", a.text)
	}
}

// TestListingFails: a server that cannot be listed is a 424 in every dialect.
func TestListingFails(t *testing.T) {
	t.Parallel()
	tr := house(t, threeWires+"-- server s --\n"+`{"transport":"down"}`)
	for _, stream := range []string{"false", "true"} {
		tr.responses(response(entryOf("never")+`,"stream":`+stream, userItem)).refused(http.StatusFailedDependency, "mcp_list_failed", "tools[0]")
		a := tr.messages(message(`,"stream":`+stream+`,`+serverS+`,"tools":[`+toolsetS+`]`), connector)
		if a.status != http.StatusFailedDependency || a.get("type") != "error" {
			t.Errorf("status %d: %s", a.status, a.text)
		}
	}
}

// TestMessagesExpand (M1, M3, M5): the connector's entries become tools and never reach a provider; results come as tool_result
// blocks; without a call of ours there is one request.
func TestMessagesExpand(t *testing.T) {
	t.Parallel()
	tr := house(t, threeWires+oneTool,
		providertest.Call("call_1", "s-echo", `{"n":1}`), providertest.Text("Done."),
		providertest.Call("call_1", "s-echo", `{"n":1}`), providertest.Text("Done."),
		providertest.Call("call_1", "mine", `{}`))
	body := strings.Replace(message(`,`+serverS+`,"tools":[`+toolsetS+`,{"name":"mine","input_schema":{"type":"object"}}]`), `"m"`, `"a"`, 1)
	for _, headers := range [][]string{{connector}, {"Anthropic-Beta: mcp-client-2025-11-20,context-1m-2025-08-07"}} {
		a := tr.messages(body, headers...).fine()
		if r := wiretest.Messages(t, "application/json", []byte(a.text)); strings.Join(r.Types(), " ") != "mcp_tool_use mcp_tool_result text" {
			t.Errorf("blocks %v", r.Types())
		}
	}
	for _, m := range tr.model.Requests() {
		raw := string(m.Raw)
		if strings.Contains(raw, "mcp_") || strings.Contains(raw, `"mcp"`) {
			t.Errorf("the provider was asked %s", raw)
		}
		if names := m.ToolNames(); len(names) != 3 || names[0] != "s-echo" || names[2] != "mine" {
			t.Errorf("offered are %v", names)
		}
	}
	if raw := string(tr.model.Request(2).Raw); !strings.Contains(raw, `"type":"tool_result"`) || !strings.Contains(raw, `"tool_use_id":"call_1"`) {
		t.Errorf("the second round was asked %s", raw)
	}
	// M6: the connector's own beta is the gateway's; others go along.
	if got := tr.model.Request(1).Header.Values("Anthropic-Beta"); len(got) != 0 {
		t.Errorf("the provider got the betas %q", got)
	}
	if got := tr.model.Request(3).Header.Get("Anthropic-Beta"); got != "context-1m-2025-08-07" {
		t.Errorf("the provider got the betas %q", got)
	}
	last := tr.messages(body, connector).fine()
	if last.get("stop_reason") != "tool_use" || len(tr.model.Requests()) != 5 {
		t.Errorf("after %d requests the answer is %s", len(tr.model.Requests()), last.text)
	}
}

// TestNativeTools (M2): tools that only Anthropic knows pass to its API as they are, beside ours; another wire has no word for
// them, and says so.
func TestNativeTools(t *testing.T) {
	t.Parallel()
	tr := house(t, threeWires+oneTool, providertest.Text("Done."), providertest.Text("Done."))
	const bash = `{"type": "bash_20250124", "name": "bash", "x": 1.50}`
	tools := `,"tools":[` + bash + `,` + toolsetS + `]`
	tr.model.Loose()
	tr.messages(strings.Replace(message(`,`+serverS+tools), `"m"`, `"a"`, 1), connector).fine()
	if raw := string(tr.model.Request(1).Raw); !strings.Contains(raw, bash) || !strings.Contains(raw, `"s-echo"`) {
		t.Errorf("the provider was asked %s", raw)
	}
	tr.messages(message(`,"tools":[{"type":"web_search_20250305","name":"web_search"}]`)).refusedAs(http.StatusBadRequest, "invalid_request_error", "web_search")
}

// TestCredentialsOfMessages (M4): a server's token and the request's ids reach the listing and the call.
func TestCredentialsOfMessages(t *testing.T) {
	t.Parallel()
	tr := house(t, threeWires+"-- server s --\n"+`{"transport":"http","tools":[{"name":"echo","do":"echo"}]}`, providertest.Call("call_1", "s-echo", "{}"), providertest.Text("Done."))
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	servers := strings.Replace(serverS, `"name":"s"`, `"name":"s","authorization_token":"of-the-user"`, 1)
	tr.messages(message(`,`+servers+`,"tools":[`+toolsetS+`]`), connector, "Traceparent: 00-"+trace+"-00f067aa0ba902b7-01").fine()
	seen := map[string]bool{}
	for _, r := range tr.server("s").requests(t) {
		for name, v := range r.Header {
			if strings.EqualFold(name, "authorization") && len(v) == 1 && v[0] == "Bearer of-the-user" {
				seen[r.Method] = true
			}
			if strings.EqualFold(name, "traceparent") && strings.Contains(strings.Join(v, ""), trace) {
				seen[r.Method+" traced"] = true
			}
		}
	}
	for _, want := range []string{"tools/list", "tools/call", "tools/call traced"} {
		if !seen[want] {
			t.Errorf("there is no %s with what the client gave: %v", want, seen)
		}
	}
	for _, m := range tr.model.Requests() {
		if strings.Contains(string(m.Raw)+fmt.Sprint(m.Header), "of-the-user") {
			t.Error("the model saw the server's token")
		}
	}
}

// TestUnknownParams: what the target's wire has no word for is refused by name, or left out and told where the model says so.
func TestUnknownParams(t *testing.T) {
	t.Parallel()
	given := strings.Replace(threeWires, "limits:", `  - {name: d, provider: anthropic, model: m-1, base_url: "{{model root}}", api_key: "{{upstream key}}", unknown_params: drop}`+"\nlimits:", 1)
	tr := house(t, given+oneTool, providertest.Text("Fine."), providertest.Text("Fine."), providertest.Text("Fine."))
	body := strings.Replace(chat(`"logit_bias":{"1":2},"metadata":{"a":"b"},"user":"u"`), `"m"`, `"a"`, 1)
	tr.call(http.MethodPost, "/v1/chat/completions", body).refused(http.StatusBadRequest, "unsupported_parameter", "logit_bias")
	a := tr.call(http.MethodPost, "/v1/chat/completions", strings.Replace(body, `"a"`, `"d"`, 1)).fine()
	if a.header.Get("X-Fairlead-Dropped-Params") != "logit_bias" || strings.Contains(string(tr.model.Request(1).Raw), "logit_bias") {
		t.Errorf("headers %v, the model was asked %s", a.header, tr.model.Request(1).Raw)
	}
	// What a field has a word for, and this wire has not, is no different.
	numbers := strings.Replace(body, `"logit_bias":{"1":2}`, `"seed":7,"frequency_penalty":0.5,"top_p":0.5`, 1)
	tr.call(http.MethodPost, "/v1/chat/completions", numbers).refused(http.StatusBadRequest, "unsupported_parameter", "frequency_penalty")
	a = tr.call(http.MethodPost, "/v1/chat/completions", strings.Replace(numbers, `"a"`, `"d"`, 1)).fine()
	if got := a.header.Get("X-Fairlead-Dropped-Params"); got != "frequency_penalty, seed" {
		t.Errorf("dropped are %q", got)
	}
	if raw := string(tr.model.Request(2).Raw); !strings.Contains(raw, `"top_p":0.5`) || strings.Contains(raw, "seed") {
		t.Errorf("the model was asked %s", raw)
	}
	same := tr.call(http.MethodPost, "/v1/chat/completions", strings.Replace(body, `"a"`, `"m"`, 1)).fine()
	if same.header.Get("X-Fairlead-Dropped-Params") != "" || !strings.Contains(string(tr.model.Request(3).Raw), "logit_bias") {
		t.Errorf("on its own wire: headers %v, the model was asked %s", same.header, tr.model.Request(3).Raw)
	}
}

// TestCountTokens: a request's size is asked of a provider that can say it, and else estimated; nothing is run.
func TestCountTokens(t *testing.T) {
	t.Parallel()
	tr := house(t, threeWires+oneTool)
	a := tr.call(http.MethodPost, "/v1/messages/count_tokens", `{"model":"m","messages":[{"role":"user","content":"`+base64.StdEncoding.EncodeToString(make([]byte, 300))+`"}]}`, "Anthropic-Version: 2023-06-01").fine()
	var n int
	if _, err := fmt.Sscan(a.get("input_tokens"), &n); err != nil || n < 20 || n > 500 {
		t.Errorf("the size is %s", a.text)
	}
	with := tr.call(http.MethodPost, "/v1/messages/count_tokens", `{"model":"m","messages":[{"role":"user","content":"x"}],`+entryOf("never")+`}`, "Anthropic-Version: 2023-06-01").fine()
	without := tr.call(http.MethodPost, "/v1/messages/count_tokens", `{"model":"m","messages":[{"role":"user","content":"x"}]}`, "Anthropic-Version: 2023-06-01").fine()
	var more, less int
	if _, err := fmt.Sscan(with.get("input_tokens")+" "+without.get("input_tokens"), &more, &less); err != nil || more <= less {
		t.Errorf("the tools of servers count for nothing: %s, and without them %s", with.text, without.text)
	}
	if len(tr.model.Requests()) != 0 {
		t.Error("the model was asked")
	}
}

// keptHouseOn is keptHouse with another config in front.
func keptHouseOn(t *testing.T, config string, steps ...providertest.Step) *transcript {
	t.Helper()
	return build(t, config+"store: "+t.TempDir()+"/fairlead.db\n"+oneTool, func(tr *transcript) { tr.rule = play(steps...) })
}
