package providertest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/responses"
)

func TestResponsesRefusals(t *testing.T) {
	const (
		hi     = `{"role":"user","content":"hi"}`
		call   = `{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{}"}`
		output = `{"type":"function_call_output","call_id":"c1","output":"1"}`
		tool   = `"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":false}],`
	)
	with := func(members string, list ...string) string {
		return `{"model":"m",` + members + `"input":[` + strings.Join(list, ",") + `]}`
	}
	for _, c := range []struct{ name, body, says string }{
		{"text", `{"model":"m","input":"hi"}`, ""},
		{"items", with(tool, hi, call, output), ""},
		{"output in parts", with(tool, hi, call, `{"type":"function_call_output","call_id":"c1","output":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"data:"}]}`), ""},
		{"allowed tools", with(tool+`"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"}]},`, hi), ""},
		{"custom tools and namespaces", with(`"tools":[{"type":"custom","name":"p","format":{"type":"text"}},{"type":"namespace","name":"n","description":"d","tools":[{"type":"function","name":"g"}]},{"type":"web_search"}],`, hi), ""},
		{"not JSON", `{"model":`, "could not parse"},
		{"no input", `{"model":"m"}`, "'input'"},
		{"messages", `{"model":"m","messages":[]}`, "has moved to 'input'"},
		{"max_tokens", with(`"max_tokens":1,`, hi), "has moved to 'max_output_tokens'"},
		{"stop", with(`"stop":["a"],`, hi), "Unknown parameter: 'stop'"},
		{"usage", with(`"stream":true,"stream_options":{"include_usage":true},`, hi), "Unknown parameter: 'stream_options.include_usage'"},
		{"mocks", with(`"mock_response":"a",`, hi), "Unknown parameter: 'mock_response'"},
		{"background", with(`"background":true,`, hi), "Background"},
		{"include", with(`"include":["everything"],`, hi), "include[0]"},
		{"no reasoning model", strings.Replace(with(`"include":["reasoning.encrypted_content"],`, hi), `"m"`, `"gpt-4o"`, 1), "Encrypted content is not supported"},
		{"chat's form of tools", with(`"tools":[{"type":"function","function":{"name":"f"}}],`, hi), "Missing required parameter: 'tools[0].name'"},
		{"member of a tool", with(`"tools":[{"type":"function","name":"f","input_schema":{}}],`, hi), "Unknown parameter: 'tools[0].input_schema'"},
		{"MCP", with(`"tools":[{"type":"mcp","server_label":"s"}],`, hi), "Invalid value: 'mcp'"},
		{"tool twice", with(`"tools":[{"type":"function","name":"f"},{"type":"function","name":"f"}],`, hi), "unique"},
		{"choice of no tool", with(tool+`"tool_choice":{"type":"function","name":"g"},`, hi), "'g' not found"},
		{"choice of MCP", with(tool+`"tool_choice":{"type":"mcp","server_label":"s"},`, hi), "Invalid value: 'mcp'"},
		{"MCP item", with("", hi, `{"type":"mcp_call","id":"mcp_1","name":"f","server_label":"s","arguments":"{}"}`), "Invalid value: 'mcp_call'"},
		{"id of the gateway", with("", `{"type":"message","id":"msg_fl_1","role":"user","content":"hi"}`), "not found"},
		{"id of another kind", with("", `{"type":"message","id":"fc_1","role":"user","content":"hi"}`), "begins with 'msg'"},
		{"id twice", with("", `{"type":"message","id":"msg_1","role":"user","content":"hi"}`, `{"type":"message","id":"msg_1","role":"user","content":"hi"}`), "Duplicate item"},
		{"chat's part", with("", `{"role":"user","content":[{"type":"text","text":"hi"}]}`), "Invalid value: 'text'"},
		{"user's part of the model", with("", hi, `{"role":"assistant","content":[{"type":"input_text","text":"hi"}]}`), "Invalid value: 'input_text'"},
		{"call without output", with(tool, hi, call), "No tool output found for function call c1"},
		{"output without call", with(tool, hi, output), "No tool call found"},
		{"output before call", with(tool, hi, output, call), "No tool call found"},
		{"arguments as an object", with(tool, hi, strings.Replace(call, `"{}"`, `{}`, 1), output), "expected a string"},
		{"reasoning in the open", with(`"store":false,`, hi, `{"type":"reasoning","id":"rs_1","summary":[]}`), "not persisted"},
		{"reasoning of another model", with(`"store":false,`, hi, `{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x"}`), "could not be verified"},
		{"unknown reply", with(`"previous_response_id":"resp_x",`, hi), "Previous response with id 'resp_x' not found"},
		{"unknown reference", with("", `{"type":"item_reference","id":"msg_9"}`), "Item with id 'msg_9' not found"},
		{"format", with(`"text":{"format":{"type":"json_schema","json_schema":{}}},`, hi), "text.format.name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := providertest.NewRule(t, func(*providertest.Request) providertest.Step { return providertest.Text("fine") })
			resp, body := ask(t.Context(), t, s, "/responses", c.body)
			if c.says == "" && (resp.StatusCode != http.StatusOK || !strings.Contains(body, `"status":"completed"`)) {
				t.Errorf("status %d: %s", resp.StatusCode, body)
			}
			if c.says != "" && (resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, c.says) || s.Request(1).Refusal == "") {
				t.Errorf("status %d, want 400 with %q: %s", resp.StatusCode, c.says, body)
			}
		})
	}
}

// TestResponsesKeep goes on from a reply that the model has kept.
func TestResponsesKeep(t *testing.T) {
	s := providertest.New(t, providertest.Reasoning("hm").Then(providertest.Call("c1", "f", "{}")), providertest.Text("done"))
	_, first := ask(t.Context(), t, s, "/responses", `{"model":"m","input":"hi"}`)
	resp, body := ask(t.Context(), t, s, "/responses", `{"model":"m","previous_response_id":"resp_1","input":[{"type":"item_reference","id":"rs_1_0"},{"type":"function_call_output","call_id":"c1","output":"1"}]}`)
	if !strings.Contains(first, `"id":"resp_1"`) || resp.StatusCode != http.StatusOK || !strings.Contains(body, "done") {
		t.Errorf("%s, then %s", first, body)
	}
	if resp, body = ask(t.Context(), t, s, "/responses", `{"model":"m","previous_response_id":"resp_1","input":"go on"}`); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a call without its output was taken: %s", body)
	}
}

// said is what a reply comes to.
type said struct {
	text, think string
	message     llm.Message
	end         *llm.Event
}

func generate(t *testing.T, m llm.Model, req *llm.Request) (s said, err error) {
	t.Helper()
	s.message = llm.Message{Role: llm.Assistant}
	for ev, e := range m.Generate(t.Context(), req) {
		if e != nil {
			return s, e
		}
		switch ev.Kind {
		case llm.Text:
			s.text += ev.Text
		case llm.Thinking:
			s.think += ev.Text
		case llm.ToolCall:
			if ev.Index == len(s.message.Calls) {
				s.message.Calls = append(s.message.Calls, llm.Call{ID: ev.Call.ID, Name: ev.Call.Name})
			}
			s.message.Calls[ev.Index].Arguments += ev.Call.Arguments
		case llm.End:
			u := *ev.Usage
			ev.Usage = &u
			s.end = &ev
		default:
		}
		if len(ev.Extra.Delta) > 0 {
			s.message.Wire, s.message.Extra = ev.Extra.Wire, append([]byte(nil), ev.Extra.Delta...)
		}
	}
	s.message.Text = s.text
	return s, nil
}

// withoutReasoning takes the reasoning out of a request.
func withoutReasoning(t *testing.T, body []byte) string {
	t.Helper()
	var r map[string]any
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatal(err)
	}
	input, _ := r["input"].([]any)
	r["input"] = slices.DeleteFunc(input, func(it any) bool {
		item, _ := it.(map[string]any)
		return item["type"] == "reasoning"
	})
	out, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestResponsesRounds has the model think and call over two rounds, through the wire's own codec. The scripted model refuses
// reasoning that does not come back as it was.
func TestResponsesRounds(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := providertest.New(t,
			providertest.Reasoning("I should ", "look").Then(providertest.Text("Wait."), providertest.Call("c1", "f", `{"a":`, `1}`), providertest.Call("c2", "f", "{}")),
			providertest.Text("done").Stop("length").Costs(providertest.Usage{Input: 20, Cached: 15, Output: 9, Reasoning: 4}))
		w, err := responses.NewUpstream(wire.Quirks{})
		if err != nil {
			t.Fatal(err)
		}
		tr := provider.Transport(0)
		t.Cleanup(tr.CloseIdleConnections)
		m, err := provider.New(provider.Config{Name: "acme", BaseURL: s.URL(), Wire: w, Transport: tr})
		if err != nil {
			t.Fatal(err)
		}
		req := &llm.Request{Model: "m", Stream: stream, Messages: []llm.Message{{Role: llm.User, Text: "go"}}, AddedTools: []llm.Tool{{Name: "f"}}}
		first, err := generate(t, m, req)
		if err != nil || first.think != "I should look" || first.text != "Wait." || len(first.message.Calls) != 2 || first.message.Calls[0].Arguments != `{"a":1}` || first.end.Stop != llm.StopTools {
			t.Fatalf("stream %v: %+v, %v", stream, first, err)
		}
		results := []llm.Message{
			{Role: llm.ToolRole, Result: &llm.Result{CallID: "c1", Text: "1"}}, {Role: llm.ToolRole, Result: &llm.Result{CallID: "c2", Text: "2"}},
		}
		req.AddedMessages = append([]llm.Message{first.message}, results...)
		second, err := generate(t, m, req)
		if err != nil || second.text != "done" || second.end.Stop != llm.StopLength {
			t.Fatalf("stream %v: %+v, %v", stream, second, err)
		}
		if u := second.end.Usage; u.Input != 5 || u.CacheRead != 15 || u.Output != 5 || u.Reasoning != 4 {
			t.Errorf("usage %+v", u)
		}
		_, items, _ := strings.Cut(string(first.message.Extra), "[")
		if got := s.Request(2); !strings.Contains(string(got.Raw), strings.TrimSuffix(items, "]")) || got.Results()["c2"] != "2" || got.Last().Role != "tool" {
			t.Errorf("the items did not go back as they came: %s", got.Raw)
		}
		if _, got := ask(t.Context(), t, s, "/responses", withoutReasoning(t, s.Request(2).Raw)); !strings.Contains(got, "required 'reasoning' item") {
			t.Errorf("calls went back without what led to them: %s", got)
		}
	}
}
