package chat

import (
	"errors"
	"iter"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// reply yields events, and then err if there is one.
func reply(err error, events ...llm.Event) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		for _, ev := range events {
			if !yield(ev, nil) {
				return
			}
		}
		if err != nil {
			yield(llm.Event{}, err)
		}
	}
}

func textEvent(s string) llm.Event { return llm.Event{Kind: llm.Text, Text: s} }

func startEvent(id string) llm.Event {
	return llm.Event{Kind: llm.Start, Head: &llm.Head{ID: id, Model: "m-1", Created: 7}, Extra: llm.Extra{Wire: Name, Top: []byte(`"system_fingerprint":"fp"`)}}
}

func usageOf(raw string) *llm.Usage {
	return &llm.Usage{Known: true, Raw: llm.Frame{Wire: Name, Bytes: []byte(raw)}}
}

// twoRounds is a reply in which one tool ran.
func twoRounds() []llm.Event {
	call := llm.Call{ID: "call_1", Name: "srv-add", Arguments: `{"a":1}`}
	return []llm.Event{
		{Kind: llm.Note, Note: &llm.Notice{
			Tools:  []llm.Tool{{Name: "srv-add", Description: "Adds", Schema: []byte(`{"type":"object","properties":{}}`), Server: "srv", Tool: "add"}},
			Errors: []llm.ServerError{{Server: "down", Error: "no answer in time"}},
		}},
		startEvent("chatcmpl-1"),
		textEvent("Let me"), textEvent(" see."),
		{Kind: llm.ToolCall, Ours: true, Call: llm.Call{ID: call.ID, Name: call.Name}},
		{Kind: llm.ToolCall, Ours: true, Call: llm.Call{Arguments: call.Arguments}},
		{Kind: llm.TurnEnd, Stop: llm.StopTools, Usage: usageOf(`{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":4}}`)},
		{Kind: llm.Note, Note: &llm.Notice{Started: &call, Server: "srv", Tool: "add", Round: 1}},
		{Kind: llm.ToolResult, Result: &llm.Result{CallID: "call_1", Name: "srv-add", Server: "srv", Tool: "add", Text: "2", Round: 1, Duration: 5}},
		startEvent("chatcmpl-2"),
		{Kind: llm.Thinking, Text: "hm", Extra: llm.Extra{Wire: Name, Delta: []byte(`"reasoning":"hm"`)}},
		textEvent("It is"),
		{Kind: llm.Text, Text: " 2.", Extra: llm.Extra{Wire: Name, Choice: []byte(`"logprobs":{"content":[]}`)}},
		{Kind: llm.End, Stop: llm.StopDone, Usage: usageOf(`{"prompt_tokens":20,"completion_tokens":3,"total_tokens":23,"cost":0.5}`)},
	}
}

// mixedTurn is a reply in which one tool ran and one call goes to the client.
func mixedTurn() []llm.Event {
	call := llm.Call{ID: "call_1", Name: "srv-add", Arguments: `{}`}
	return []llm.Event{
		startEvent("chatcmpl-1"),
		{Kind: llm.ToolCall, Ours: true, Index: 0, Call: call},
		{Kind: llm.ToolCall, Index: 0, Call: llm.Call{ID: "call_2", Name: "mine", Arguments: `{"x"`}},
		{Kind: llm.ToolCall, Index: 0, Call: llm.Call{Arguments: `:1}`}},
		{Kind: llm.Note, Note: &llm.Notice{Started: &call, Server: "srv", Tool: "add", Round: 1}},
		{Kind: llm.ToolResult, Result: &llm.Result{CallID: "call_1", Name: "srv-add", Server: "srv", Tool: "add", Text: "Error: no", IsError: true, Round: 1}},
		{Kind: llm.End, Stop: llm.StopTools},
	}
}

// TestDoorReplies writes replies in every form and compares them with testdata/door.txtar.
func TestDoorReplies(t *testing.T) {
	const file = "testdata/door.txtar"
	usage := `{"model":"m","stream":true,"stream_options":{"include_usage":true}}`
	for _, tt := range []struct {
		name   string
		body   string
		show   llm.Show
		json   bool
		err    error
		events []llm.Event
	}{
		{name: "stream standard", body: usage, events: twoRounds()},
		{name: "stream hidden", body: usage, show: llm.ShowHidden, events: twoRounds()},
		{name: "stream annotated", body: `{"model":"m","stream":true}`, show: llm.ShowAnnotated, events: twoRounds()},
		{name: "stream legacy", body: usage, show: llm.ShowLegacy, events: twoRounds()},
		{name: "stream json", body: `{"model":"m","stream":true}`, json: true, events: twoRounds()},
		{name: "stream mixed", body: `{"model":"m","stream":true}`, events: mixedTurn()},
		{name: "stream error after tools", body: `{"model":"m","stream":true}`, err: &fault.Error{Kind: fault.Timeout, Code: "upstream_timeout", Message: "too slow"}, events: twoRounds()[:9]},
		{name: "plain", body: `{"model":"m"}`, events: twoRounds()},
		{name: "plain hidden", body: `{"model":"m"}`, show: llm.ShowHidden, events: twoRounds()},
		{name: "plain json", body: `{"model":"m"}`, json: true, events: twoRounds()},
		{name: "plain mixed", body: `{"model":"m"}`, events: mixedTurn()},
		{name: "plain error", body: `{"model":"m"}`, err: fault.AfterTools(&fault.Error{Kind: fault.Refused, Status: 429, Code: "rate", Type: "rate_limit_error", Message: "slow down", RetryAfter: "3"}), events: twoRounds()[:9]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := Door{}.ReadRequest(nil, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Show, req.Params.JSON = tt.show, tt.json
			w := httptest.NewRecorder()
			if err := (Door{}).WriteReply(w, req, reply(tt.err, tt.events...)); err != nil {
				Door{}.WriteError(w, err)
			}
			golden(t, file, tt.name, w.Body.String())
		})
	}
}

// golden compares got with one file of an archive. With UPDATE_GOLDEN=1 it rewrites it.
func golden(t *testing.T, archive, name, got string) {
	t.Helper()
	a, err := txtar.ParseFile(archive)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if a == nil {
		a = &txtar.Archive{}
	}
	got = strings.TrimRight(got, "\n") + "\n"
	at := -1
	for i, f := range a.Files {
		if f.Name == name {
			at = i
		}
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if at < 0 {
			a.Files = append(a.Files, txtar.File{Name: name})
			at = len(a.Files) - 1
		}
		a.Files[at].Data = []byte(got)
		if err := os.WriteFile(archive, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if at < 0 {
		t.Fatalf("%s has no file %q; UPDATE_GOLDEN=1 adds it", archive, name)
	}
	if d := cmp.Diff(string(a.Files[at].Data), got); d != "" {
		t.Errorf("%s in %s differs (-want +got):\n%s", name, archive, d)
	}
}

func TestReadRequestRefuses(t *testing.T) {
	for _, tt := range []struct{ body, code, param string }{
		{`{"model":"m"`, "invalid_json", ""},
		{`{"model":"m"} {}`, "invalid_json", ""},
		{`[]`, "invalid_json", ""},
		{``, "invalid_json", ""},
		{`{"model":"m","model":"n"}`, "ambiguous_json", "model"},
		{`{"Model":"m"}`, "ambiguous_json", "model"},
		{`{"model":"m","tools":[],"too\u006cs":[]}`, "ambiguous_json", "tools"},
		{`{}`, "invalid_value", "model"},
		{`{"model":5}`, "invalid_value", "model"},
		{`{"model":""}`, "invalid_value", "model"},
		{`{"model":"m","stream":"yes"}`, "invalid_value", "stream"},
		{`{"model":"m","tools":[{"type":"function"},{"type":"mcp","server_url":5}]}`, "invalid_value", "tools[1].server_url"},
		{`{"model":"m","tools":[{"type":"mcp","server_label":{}}]}`, "invalid_value", "tools[0].server_label"},
		{`{"model":"m","tools":[{"type":"mcp","allowed_tools":"a"}]}`, "invalid_value", "tools[0].allowed_tools"},
		{`{"model":"m","tools":[{"type":"mcp","allowed_tools":["a",1]}]}`, "invalid_value", "tools[0].allowed_tools[1]"},
		{`{"model":"m","tools":[{"type":"mcp","require_approval":true}]}`, "invalid_value", "tools[0].require_approval"},
		{`{"model":"m","tools":[{"type":"mcp","require_approval":{"sometimes":{}}}]}`, "invalid_value", "tools[0].require_approval.sometimes"},
		{`{"model":"m","tools":[{"type":"mcp","headers":{"a":1}}]}`, "invalid_value", "tools[0].headers.a"},
		{`{"model":"m","mock_tool_calls":[{}]}`, "invalid_value", "mock_tool_calls[0]"},
	} {
		_, err := Door{}.ReadRequest(nil, []byte(tt.body))
		e := fault.From(err)
		if err == nil || e.HTTPStatus() != 400 || e.Code != tt.code || e.Param != tt.param {
			t.Errorf("%s: got %d %s %q (%v), want 400 %s %q", tt.body, e.HTTPStatus(), e.Code, e.Param, err, tt.code, tt.param)
		}
	}
}

func TestDecodeReadsTheControls(t *testing.T) {
	yes := true
	for _, tt := range []struct {
		body string
		want llm.Params
		mcp  []llm.MCPEntry
	}{
		{
			`{"model":"m","messages":[],"tool_choice":"required","n":2,"parallel_tool_calls":false,"max_tool_calls":3,"response_format":{"type":"json_schema"}}`,
			llm.Params{N: 2, JSON: true, ForcedTool: true, OneByOne: true, MaxCalls: 3},
			nil,
		},
		{`{"model":"m","messages":[],"tool_choice":{"type":"function","function":{"name":"a"}}}`, llm.Params{ForcedTool: true, MaxCalls: -1}, nil},
		{`{"model":"m","messages":[],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto"}}}`, llm.Params{MaxCalls: -1}, nil},
		{
			`{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"a","arguments":"{}"}}]}]}`,
			llm.Params{MaxCalls: -1, PastCalls: []llm.Call{{ID: "1", Name: "a", Arguments: "{}"}}},
			nil,
		},
		{
			`{"model":"m","messages":[],"tools":[{"type":"mcp","server_url":"fairlead","server_label":"x","allowed_tools":{"tool_names":["a"],"read_only":true},"require_approval":{"never":{"tool_names":["a"]}},"headers":{"x-a":"b"}}]}`,
			llm.Params{MaxCalls: -1},
			[]llm.MCPEntry{{
				Param: "tools[0]", URL: "fairlead", Label: "x", Allowed: []string{"a"}, Filtered: true, ReadOnly: &yes,
				Approval: llm.Approval{RunFor: llm.Filter{Names: []string{"a"}, Set: true}}, Headers: map[string]string{"x-a": "b"},
			}},
		},
		{`{"model":"m","messages":[],"tools":[{"type":"mcp","allowed_tools":[]}]}`, llm.Params{MaxCalls: -1}, []llm.MCPEntry{{Param: "tools[0]", Allowed: []string{}, Filtered: true}}},
	} {
		req, err := Door{}.ReadRequest(nil, []byte(tt.body))
		if err == nil {
			err = Door{}.Decode(t.Context(), req)
		}
		if err != nil {
			t.Fatalf("%s: %v", tt.body, err)
		}
		if d := cmp.Diff(tt.want, req.Params); d != "" {
			t.Errorf("%s: params (-want +got):\n%s", tt.body, d)
		}
		if d := cmp.Diff(tt.mcp, req.MCP); d != "" {
			t.Errorf("%s: entries (-want +got):\n%s", tt.body, d)
		}
	}
}
