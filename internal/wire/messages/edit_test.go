package messages

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

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
	addTool  = llm.Tool{Name: "docs-add", Description: `Adds "two"`, Schema: []byte(`{"type":"object", "properties":{"a":{"minimum":1.0}}}`), Label: "docs", Server: "docs", Tool: "add", Forms: &llm.Forms{}}
	bareTool = llm.Tool{Name: "docs-now", Label: "docs", Server: "docs", Tool: "now"}
)

const (
	addSent  = `{"name":"docs-add","description":"Adds \"two\"","input_schema":{"type":"object", "properties":{"a":{"minimum":1.0}}}}`
	bareSent = `{"name":"docs-now","input_schema":{"type":"object","properties":{}}}`
	pastAdd  = `"tools":[{"name":"docs-add","description":"No longer on offer.","input_schema":{"type":"object"}}],"tool_choice":{"type":"none"}`
	signed   = `{"type":"thinking","thinking":"a\u0022b","signature":"Eq+/="}`
)

func withTools(r *llm.Request) { r.AddedTools = []llm.Tool{addTool, bareTool} }

func TestEditsOfTheEnvelope(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		q          wire.Quirks
		change     func(*llm.Request)
		want       string
	}{
		{
			name: "nothing to change",
			body: "{ \"model\" : \"m\",\n\"x\":{\"y\":[1e3]}, \"mcp_thing\":1.0, \"messages\":[ ] }",
			want: "{ \"model\" : \"m\",\n\"x\":{\"y\":[1e3]}, \"mcp_thing\":1.0, \"messages\":[ ] }",
		},
		{
			name: "model",
			q:    wire.Quirks{Model: "claude-opus-4-5"},
			body: `{"messages":[],"model":"smart","max_tokens":10}`,
			want: `{"messages":[],"model":"claude-opus-4-5","max_tokens":10}`,
		},
		{
			name:   "the form of the reply is the gateway's to choose, mocks are its own",
			body:   `{"model":"m","stream":true,"mock_response":"x","messages":[]}`,
			change: func(r *llm.Request) { r.Stream = false },
			want:   `{"model":"m","messages":[]}`,
		},
		{
			name: "parameters dropped",
			q:    wire.Quirks{DropParams: []string{"speed"}, RenameParams: map[string]string{"output_format": "format"}},
			body: `{"model":"m","speed":"fast","output_format":{}}`,
			want: `{"model":"m","format":{}}`,
		},
		{
			name:   "tools before the client's own, servers and toolsets out",
			body:   `{"model":"m","mcp_servers":[{"type":"url","url":"fairlead/mcp/docs","name":"docs"}],"tools":[{"type":"mcp_toolset","mcp_server_name":"docs","cache_control":{"type":"ephemeral"}}, {"name":"mine","input_schema":{"x":1.50}},{"type":"mcp","server_url":"fairlead/mcp/docs"}],"messages":[]}`,
			change: withTools,
			want: `{"model":"m","tools":[` + addSent + `,` + strings.TrimSuffix(bareSent, "}") + `,"cache_control":{"type":"ephemeral"}}` +
				`,{"name":"mine","input_schema":{"x":1.50}}],"messages":[]}`,
		},
		{
			name:   "tools where there were none",
			body:   `{"model":"m","messages":[]}`,
			change: withTools,
			want:   `{"model":"m","messages":[],"tools":[` + addSent + `,` + bareSent + `]}`,
		},
		{
			name: "no tool is left",
			body: `{"model":"m","tools":[{"type":"mcp","server_url":"fairlead"}],"tool_choice":{"type":"any"},"messages":[]}`,
			want: `{"model":"m","messages":[]}`,
		},
		{
			name:   "choice auto keeps one by one",
			body:   `{"model":"m","tools":[{"name":"f"}],"tool_choice":{"type":"any","disable_parallel_tool_use":true}}`,
			change: func(r *llm.Request) { r.ToolChoice = llm.ChoiceAuto },
			want:   `{"model":"m","tools":[{"name":"f"}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}`,
		},
		{
			name:   "choice none",
			body:   `{"model":"m","tools":[{"name":"f"}]}`,
			change: func(r *llm.Request) { r.ToolChoice = llm.ChoiceNone },
			want:   `{"model":"m","tools":[{"name":"f"}],"tool_choice":{"type":"none"}}`,
		},
		{
			name:   "a choice by the server's own name",
			body:   `{"model":"m","tools":[{"name":"f"}],"tool_choice":{"type":"tool","name":"add"}}`,
			change: withTools,
			want:   `{"model":"m","tools":[` + addSent + `,` + bareSent + `,{"name":"f"}],"tool_choice":{"type":"tool","name":"docs-add"}}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := asked(t, tt.body)
			if tt.change != nil {
				tt.change(req)
			}
			if got := sent(t, tt.q, req); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// rounds is what one tool round adds to a conversation, from a turn of another wire.
func rounds() []llm.Message {
	return []llm.Message{
		{Role: llm.Assistant, Text: "Let me see.", Wire: "chat", Extra: []byte(`"reasoning":"hm"`), Calls: []llm.Call{
			{ID: "call 1", Name: "docs-add", Arguments: `{"a": 1.0}`},
			{ID: "call_2", Name: "docs-now", Arguments: `{"a":`},
		}},
		{Role: llm.ToolRole, Result: &llm.Result{CallID: "call 1", Text: "2"}},
		{Role: llm.ToolRole, Result: &llm.Result{CallID: "call_2", Text: "no", IsError: true, Parts: []llm.Part{{Kind: "text", Text: "see"}, {Kind: "image", MediaType: "image/jpeg", Data: "AA=="}, {Kind: "audio", MediaType: "audio/wav", Data: "AA=="}}}},
	}
}

const roundsSent = `{"role":"assistant","content":[{"type":"text","text":"Let me see."},{"type":"tool_use","id":"toolu_21c5c2a600ce3c16f8a2e523","name":"docs-add","input":{"a": 1.0}},{"type":"tool_use","id":"call_2","name":"docs-now","input":{}}]},` +
	`{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_21c5c2a600ce3c16f8a2e523","content":"2"},{"type":"tool_result","tool_use_id":"call_2","content":[{"type":"text","text":"see"},{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"AA=="}},{"type":"text","text":"[audio audio/wav, 1 bytes]"}],"is_error":true}]}`

func TestEditsOfTheConversation(t *testing.T) {
	const (
		hi    = `{"role":"user","content":"hi"}`
		use   = `{"type":"mcp_tool_use","id":"mcptoolu_fl_toolu_1","name":"add","server_name":"docs","input":{"a": 1.0},"cache_control":{"type":"ephemeral"}}`
		used  = `{"type":"tool_use","id":"toolu_1","name":"docs-add","input":{"a": 1.0},"cache_control":{"type":"ephemeral"}}`
		res   = `{"type":"mcp_tool_result","tool_use_id":"mcptoolu_fl_toolu_1","is_error":false,"content":[{"type":"text","text":"2"}]}`
		came  = `{"type":"tool_result","tool_use_id":"toolu_1","is_error":false,"content":[{"type":"text","text":"2"}]}`
		list  = `{"type":"mcp_tool_listing","mcp_server_name":"docs","tools":[]}`
		text  = `{"type":"text","text":"Done\u002e"}`
		mine  = `{"type":"tool_use","id":"toolu_9","name":"mine","input":{}}`
		mined = `{"type":"tool_result","tool_use_id":"toolu_9","content":"x"}`
		lostA = `{"type":"tool_result","tool_use_id":"toolu_1","content":"Error: the result of this call is not known.","is_error":true}`
	)
	theirs := strings.NewReplacer("mcptoolu_fl_toolu_", "mcptoolu_")
	says := func(role string, blocks ...string) string {
		return `{"role":"` + role + `","content":[` + strings.Join(blocks, ",") + `]}`
	}
	body := func(messages ...string) string {
		return `{"model":"m","messages":[` + strings.Join(messages, ",") + `]}`
	}
	tools := `,"tools":[` + addSent + `,` + bareSent + `]}`
	for _, tt := range []struct {
		name, body string
		change     func(*llm.Request)
		want       string
	}{
		{
			name:   "rounds so far",
			body:   `{"model":"m","messages":[` + hi + ` ],"x":1}`,
			change: func(r *llm.Request) { withTools(r); r.AddedMessages = rounds() },
			want:   `{"model":"m","messages":[` + hi + ` ,` + roundsSent + `],"x":1` + tools,
		},
		{
			name:   "a call and its result, with a thought before and one behind",
			body:   body(hi, says("assistant", signed, list, use, res, signed, text), hi),
			change: withTools,
			want:   strings.TrimSuffix(body(hi, says("assistant", signed, used), says("user", came), says("assistant", signed, text), hi), "}") + tools,
		},
		{
			name: "the request names no server any more",
			body: body(hi, says("assistant", use, res, text), hi),
			want: strings.TrimSuffix(body(hi, says("assistant", used), says("user", came), says("assistant", text), hi), "}") + "," + pastAdd + "}",
		},
		{
			name:   "a pause: the results are the last word, and the rounds go on behind them",
			body:   body(hi, says("assistant", use, res)),
			change: func(r *llm.Request) { withTools(r); r.AddedMessages = rounds()[:1] },
			want: strings.TrimSuffix(body(hi, says("assistant", used), says("user", came),
				strings.Split(roundsSent, `,{"role":"user"`)[0]), "}") + tools,
		},
		{
			name:   "a mixed turn: the client's own result comes behind ours",
			body:   body(hi, says("assistant", mine, use, res), says("user", mined, text)),
			change: withTools,
			want:   strings.TrimSuffix(body(hi, says("assistant", mine, used), says("user", came, mined, text)), "}") + tools,
		},
		{
			name:   "calls side by side, and the user's words in one string",
			body:   body(hi, says("assistant", use, strings.ReplaceAll(use, "toolu_1", "toolu_2"), strings.ReplaceAll(res, "toolu_1", "toolu_2"), res), hi),
			change: withTools,
			want: strings.TrimSuffix(body(hi, says("assistant", used, strings.ReplaceAll(used, "toolu_1", "toolu_2")),
				says("user", strings.ReplaceAll(came, "toolu_1", "toolu_2"), came, `{"type":"text","text":"hi"}`)), "}") + tools,
		},
		{
			name:   "a call whose result never came",
			body:   body(hi, says("assistant", use), hi),
			change: withTools,
			want:   strings.TrimSuffix(body(hi, says("assistant", used), says("user", lostA, `{"type":"text","text":"hi"}`)), "}") + tools,
		},
		{
			name:   "nothing but a listing",
			body:   body(hi, says("assistant", list), says("user", text)),
			change: withTools,
			want:   strings.TrimSuffix(body(says("user", `{"type":"text","text":"hi"}`, text)), "}") + tools,
		},
		{
			name:   "the provider's own connector once called a tool that we call now",
			body:   body(hi, says("assistant", theirs.Replace(use), theirs.Replace(res), text), hi),
			change: withTools,
			want:   strings.TrimSuffix(body(hi, says("assistant", used), says("user", came), says("assistant", text), hi), "}") + tools,
		},
		{
			name: "the provider's own connector's blocks are its own",
			body: body(hi, says("assistant", theirs.Replace(use), theirs.Replace(res), text), hi),
			want: body(hi, says("assistant", theirs.Replace(use), theirs.Replace(res), text), hi),
		},
		{
			name: "a hidden turn is put back, and the client's result comes behind ours",
			body: body(hi, says("assistant", mine), says("user", mined)),
			change: func(r *llm.Request) {
				withTools(r)
				r.Restored = []llm.Kept{{IDs: []string{"toolu_9"}, Messages: []llm.Message{
					{
						Role: llm.Assistant, Wire: Name, Extra: []byte(`"content":[` + signed + `,{"type":"text","text":" "},{"type":"tool_use","id":"toolu_1","name":"docs-now","input":{}},` + mine + `]`),
						Calls: []llm.Call{{ID: "toolu_1", Name: "docs-now", Arguments: "{}"}, {ID: "toolu_9", Name: "mine", Arguments: "{}"}},
					},
					{Role: llm.ToolRole, Result: &llm.Result{CallID: "toolu_1", Text: "noon"}},
				}}}
			},
			want: strings.TrimSuffix(body(hi, says("assistant", signed, `{"type":"tool_use","id":"toolu_1","name":"docs-now","input":{}}`, mine),
				says("user", `{"type":"tool_result","tool_use_id":"toolu_1","content":"noon"}`, mined)), "}") + tools,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := asked(t, tt.body)
			if tt.change != nil {
				tt.change(req)
			}
			if got := sent(t, wire.Quirks{}, req); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func FuzzEdit(f *testing.F) {
	for _, body := range []string{
		`{"model":"m","messages":[{"role":"user","content":"hi"}],"x":{"y":1.0}}`,
		`{"model":"m","mcp_servers":[],"tools":[{"type":"mcp_toolset","mcp_server_name":"docs","cache_control":{}},{"name":"f"}],"tool_choice":{"type":"any"},"messages":[]}`,
		`{"model":"m","messages":[{"role":"assistant","content":[` + signed + `,{"type":"mcp_tool_use","id":"mcptoolu_fl_a","name":"add","server_name":"docs","input":{}},{"type":"mcp_tool_result","tool_use_id":"mcptoolu_fl_a","content":[]},` + signed + `,{"type":"mcp_tool_listing"}]},{"role":"user","content":[]}]}`,
		`{"model":"m","messages":[{"role":"assistant","content":"a"},{"role":"assistant"},{"role":7},[],"mcptoolu_fl_"]}`,
	} {
		f.Add([]byte(body), uint8(0))
		f.Add([]byte(body), uint8(7))
	}
	f.Fuzz(func(t *testing.T, body []byte, what uint8) {
		req, err := Door{}.ReadRequest(nil, body)
		if err != nil {
			return
		}
		if what&1 != 0 {
			withTools(req)
		}
		if what&2 != 0 {
			req.AddedMessages = rounds()
		}
		if what&4 != 0 {
			req.ToolChoice = llm.ChoiceNone
		}
		out, err := upstream(t, wire.Quirks{}).AppendRequest(nil, req)
		if err != nil {
			t.Fatal(err)
		}
		if !jsontext.Value(out).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
			t.Fatalf("%s\nbecame\n%s", body, out)
		}
		kept(t, body, out)
	})
}

// kept wants every member of the request that the gateway has no word for, and every signed block, as it was.
func kept(t *testing.T, body, out []byte) {
	t.Helper()
	var was, is map[string]jsontext.Value
	if json.Unmarshal(body, &was) != nil || json.Unmarshal(out, &is) != nil {
		return // a member twice
	}
	for name, v := range was {
		switch name {
		case "model", "messages", "tools", "tool_choice", "mcp_servers", "stream", "mock_response", "mock_tool_calls":
			continue
		}
		if !bytes.Equal(is[name], v) {
			t.Errorf("%s was %s and is %s", name, v, is[name])
		}
	}
	var messages []struct {
		Role    string           `json:"role"`
		Content []jsontext.Value `json:"content"`
	}
	if json.Unmarshal(was["messages"], &messages) != nil {
		return
	}
	for _, m := range messages {
		for _, b := range m.Content {
			if m.Role == "assistant" && bytes.Contains(b, []byte(`"signature"`)) && !bytes.Contains(b, []byte(`"mcp_tool_`)) && !bytes.Contains(is["messages"], b) {
				t.Errorf("the block %s is gone from %s", b, is["messages"])
			}
		}
	}
}
