package providertest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

const (
	cohereSaid = `{"role":"user","content":"hi"}`
	cohereTool = `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`
	cohereCall = `{"role":"assistant","tool_plan":"I look.","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]}`
	cohereDone = `{"role":"tool","tool_call_id":"c1","content":[{"type":"document","document":{"data":{"content":"2"}}}]}`
)

func TestCohereRefusals(t *testing.T) {
	talk := func(messages string) string { return `{"model":"m","messages":[` + messages + `]}` }
	with := func(members string) string {
		return `{"model":"m","messages":[` + cohereSaid + `],` + members + `}`
	}
	for _, c := range []struct{ name, body, says string }{
		{"fine", talk(cohereSaid), ""},
		{"all of it", with(cohereTool + `,"tool_choice":"REQUIRED","strict_tools":true,"p":0.99,"k":0,"stop_sequences":["a"],"thinking":{"type":"enabled","token_budget":1}`), ""},
		{"a call and its result", talk(cohereSaid + `,` + cohereCall + `,` + cohereDone), ""},
		{"a result as text, and an image", talk(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}}]},` + cohereCall + `,{"role":"tool","tool_call_id":"c1","content":"2"},{"role":"assistant","content":[{"type":"thinking","thinking":"a"},{"type":"text","text":"b"}]},` + cohereSaid), ""},
		{"no JSON", `{`, "not valid JSON"},
		{"no model", `{"messages":[` + cohereSaid + `]}`, "model must be specified"},
		{"nothing said", talk(""), "at least 1 message"},
		{"OpenAI's words", with(`"top_p":0.5`), "unknown field: parameter 'top_p'"},
		{"a role of others", talk(`{"role":"developer","content":"x"}`), "developer"},
		{"empty", talk(`{"role":"user","content":""}`), "at least 1 token"},
		{"no content", talk(`{"role":"assistant"}`), "non-empty content"},
		{"unknown member", talk(`{"role":"user","content":"x","name":"y"}`), "not valid"},
		{"an orphan", talk(cohereSaid + `,` + cohereDone), "of no call in the preceding"},
		{"a result too late", talk(cohereSaid + `,` + cohereCall + `,` + cohereSaid + `,` + cohereDone), "must have a response"},
		{"no result", talk(cohereSaid + `,` + cohereCall), "must have a response"},
		{"arguments that are none", talk(strings.Replace(cohereCall, `"{\"a\":1}"`, `"x"`, 1)), "no JSON object"},
		{"an image of the model's", talk(`{"role":"assistant","content":[{"type":"image_url","image_url":{"url":"https://h/x"}}]}`), "not valid there"},
		{"a choice of others", with(cohereTool + `,"tool_choice":"auto"`), "NONE, REQUIRED"},
		{"a choice of nothing", with(`"tool_choice":"NONE"`), "if tools are specified"},
		{"no parameters", with(`"tools":[{"type":"function","function":{"name":"f"}}]`), "parameters"},
		{"the same name twice", with(`"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}},{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`), "stands twice"},
		{"a form beside tools", with(cohereTool + `,"response_format":{"type":"json_object"}`), "in combination with tools"},
		{"OpenAI's form", with(`"response_format":{"type":"json_schema"}`), "text or json_object"},
		{"a p of 1", with(`"p":1`), "0.01 and 0.99"},
		{"a penalty of 2", with(`"frequency_penalty":2`), "frequency_penalty must be between 0 and 1"},
		{"six stops", with(`"stop_sequences":["1","2","3","4","5","6"]`), "at most 5"},
		{"no budget", with(`"thinking":{"type":"enabled","token_budget":0}`), "positive"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := providertest.NewRule(t, func(*providertest.Request) providertest.Step { return providertest.Text("ok") })
			resp, body := ask(t.Context(), t, s, "/v2/chat", c.body, "Authorization", "Bearer k")
			switch {
			case c.says == "" && resp.StatusCode != http.StatusOK:
				t.Errorf("refused: %s", body)
			case c.says != "" && (resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, c.says) || !strings.HasPrefix(body, `{"id":"refused","message":"`)):
				t.Errorf("status %d %s, want 400 with %q", resp.StatusCode, body, c.says)
			}
		})
	}
	s := providertest.New(t)
	if resp, body := ask(t.Context(), t, s, "/v2/chat", talk(cohereSaid), "Authorization", ""); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a key: %d %s", resp.StatusCode, body)
	}
}

const cohereStream = `event: message-start
data: {"type":"message-start","id":"cohere-1","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}

event: content-start
data: {"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}}

event: content-delta
data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"hm"}}}}

event: content-end
data: {"type":"content-end","index":0}

event: tool-plan-delta
data: {"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I look."}}}

event: tool-call-start
data: {"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c1","type":"function","function":{"name":"f","arguments":""}}}}}

event: tool-call-delta
data: {"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\":"}}}}}

event: tool-call-delta
data: {"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"1}"}}}}}

event: tool-call-end
data: {"type":"tool-call-end","index":0}

event: message-end
data: {"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":3,"output_tokens":7},"tokens":{"input_tokens":503,"output_tokens":7},"cached_tokens":2}}}

data: [DONE]

`

// TestCohereReplies has the model think, plan and call, streamed and not.
func TestCohereReplies(t *testing.T) {
	step := providertest.Reasoning("hm").Then(providertest.Text("I look."), providertest.Call("c1", "f", `{"a":`, `1}`)).Costs(providertest.Usage{Input: 3, Cached: 2, Output: 7})
	s := providertest.New(t, step, step, providertest.Text("Hel", "lo"), providertest.Error(http.StatusTooManyRequests, "", "slow down").Header("Retry-After", "3"))
	head := `{"model":"m",` + cohereTool + `,"messages":[` + cohereSaid
	key := []string{"Authorization", "Bearer k"}

	if _, streamed := ask(t.Context(), t, s, "/v2/chat", head+`],"stream":true}`, key...); streamed != cohereStream {
		t.Errorf("streamed:\n%s\nwant:\n%s", streamed, cohereStream)
	}
	if _, plain := ask(t.Context(), t, s, "/v2/chat", head+`]}`, key...); !strings.HasPrefix(plain, `{"id":"cohere-2","message":{"role":"assistant","tool_plan":"I look.","content":[{"type":"thinking","thinking":"hm"}],"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},"finish_reason":"TOOL_CALL"`) {
		t.Error(plain)
	}
	if _, plain := ask(t.Context(), t, s, "/v2/chat", head+`,`+cohereCall+`,`+cohereDone+`]}`, key...); !strings.Contains(plain, `"content":[{"type":"text","text":"Hello"}]},"finish_reason":"COMPLETE"`) {
		t.Error(plain)
	}
	last := s.Request(3)
	if got := last.Results()["c1"]; got != "2" || last.Wire != "cohere" || last.Messages[1].Text != "I look." || last.Messages[1].Calls[0].Arguments != `{"a":1}` {
		t.Errorf("read as %+v", last.Messages)
	}
	resp, body := ask(t.Context(), t, s, "/v2/chat", head+`]}`, key...)
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "3" || !strings.Contains(body, `"slow down"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}
