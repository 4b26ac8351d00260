package matrix

import (
	"net/http"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/openai/openai-go/v3"
)

// chatDialect is OpenAI's Chat Completions.
type chatDialect struct{}

func (chatDialect) name() string                          { return "chat" }
func (chatDialect) path() string                          { return "/v1/chat/completions" }
func (chatDialect) head(*cell, http.Header)               {}
func (chatDialect) showsRuns() bool                       { return false }
func (chatDialect) usage(n, in, out int64) (int64, int64) { return n * in, n * out }

func (chatDialect) body(c *cell) map[string]any {
	b := map[string]any{
		"model":    c.upstream + "/" + c.key,
		"messages": append([]jsontext.Value{raw(map[string]any{"role": "system", "content": system})}, c.talk...),
	}
	if c.stream {
		b["stream"], b["stream_options"] = true, map[string]any{"include_usage": true}
	}
	var tools []any
	if c.approval != "" {
		tools = append(tools, entry(c.approval))
	}
	if c.own {
		tools = append(tools, map[string]any{"type": "function", "function": map[string]any{"name": "mine", "parameters": jsontext.Value(ownSchema)}})
	}
	if tools != nil {
		b["tools"] = tools
	}
	if c.think {
		b["reasoning_effort"] = "high"
	}
	if c.forced {
		b["tool_choice"] = "required"
	}
	if c.schema {
		b["response_format"] = map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "reply", "strict": true, "schema": jsontext.Value(answerSchema)}}
	}
	b["max_completion_tokens"] = 2048
	return b
}

// entry is OpenAI's tool for an MCP server.
func entry(approval string) map[string]any {
	return map[string]any{"type": "mcp", "server_label": "tools", "server_url": "fairlead/mcp/tools", "require_approval": approval}
}

func (chatDialect) user(text, image string) jsontext.Value {
	if image == "" {
		return raw(map[string]any{"role": "user", "content": text})
	}
	return raw(map[string]any{"role": "user", "content": []any{
		map[string]any{"type": "text", "text": text},
		map[string]any{"type": "image_url", "image_url": map[string]any{"url": "data:image/png;base64," + image}},
	}})
}

func (chatDialect) paper(text, pdf string) jsontext.Value {
	return raw(map[string]any{"role": "user", "content": []any{
		map[string]any{"type": "text", "text": text},
		map[string]any{"type": "file", "file": map[string]any{"filename": "paper.pdf", "file_data": "data:application/pdf;base64," + pdf}},
	}})
}

func (chatDialect) results(answers ...[2]string) []jsontext.Value {
	var out []jsontext.Value
	for _, a := range answers {
		out = append(out, raw(map[string]any{"role": "tool", "tool_call_id": a[0], "content": a[1]}))
	}
	return out
}

func (chatDialect) word(string, bool) jsontext.Value { panic("the dialect has no word for it") }

type chatMessage struct {
	Content   string `json:"content"`
	Reasoning string `json:"reasoning_content"`
	ToolCalls []struct {
		ID       string `json:"id"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
	Fields struct {
		Calls []struct {
			ID       string `json:"id"`
			Function struct {
				Arguments string `json:"arguments"`
			} `json:"function"`
		} `json:"mcp_tool_calls"`
		Results []struct {
			ID      string `json:"tool_call_id"`
			Name    string `json:"display_name"`
			Result  string `json:"result"`
			IsError bool   `json:"is_error"`
		} `json:"mcp_call_results"`
	} `json:"provider_specific_fields"`
}

type chatUsage struct {
	In  int64 `json:"prompt_tokens"`
	Out int64 `json:"completion_tokens"`
}

var chatStops = map[string]string{"stop": "stop", "tool_calls": "tools", "length": "length", "content_filter": "filter"}

// take puts a message, or the delta of one, into r.
func (m *chatMessage) take(t *testing.T, r *reply) {
	t.Helper()
	if m.Content != "" {
		if r.texts == nil {
			r.texts = []string{""}
		}
		r.texts[0] += m.Content
		r.pieces++
	}
	r.thought += m.Reasoning
	for i, res := range m.Fields.Results {
		if i >= len(m.Fields.Calls) || m.Fields.Calls[i].ID != res.ID {
			t.Fatalf("results and calls do not go together: %s", r.raw)
		}
		r.ran = append(r.ran, ran{res.Name, m.Fields.Calls[i].Function.Arguments, res.Result, res.IsError})
	}
}

func (chatDialect) readPlain(t *testing.T, b []byte, r *reply) {
	t.Helper()
	v := parse[struct {
		Choices []struct {
			Message chatMessage `json:"message"`
			Finish  string      `json:"finish_reason"`
		} `json:"choices"`
		Usage chatUsage `json:"usage"`
	}](t, b)
	if len(v.Choices) != 1 {
		t.Fatalf("%d choices: %s", len(v.Choices), b)
	}
	m := &v.Choices[0].Message
	m.take(t, r)
	for _, c := range m.ToolCalls {
		r.calls = append(r.calls, call{c.ID, c.Function.Name, c.Function.Arguments})
	}
	r.in, r.out = v.Usage.In, v.Usage.Out
	r.chatEnd(t, v.Choices[0].Finish)
}

// chatEnd notes why the reply ended, and what a client puts back.
func (r *reply) chatEnd(t *testing.T, finish string) {
	t.Helper()
	if r.stop = chatStops[finish]; r.stop == "" {
		t.Errorf("finish_reason %q", finish)
	}
	m := map[string]any{"role": "assistant", "content": r.text()}
	var calls []any
	for _, c := range r.calls {
		calls = append(calls, map[string]any{"id": c.id, "type": "function", "function": map[string]any{"name": c.name, "arguments": c.args}})
	}
	if calls != nil {
		m["tool_calls"] = calls
	}
	r.items = []jsontext.Value{raw(m)}
}

// readStream holds a stream to what OpenAI's own accumulator takes: one id, the role first and once, one finish_reason, the
// usage last, and [DONE].
func (d chatDialect) readStream(t *testing.T, b []byte, r *reply) {
	t.Helper()
	all := frames(t, b)
	if len(all) == 0 || string(all[len(all)-1].data) != "[DONE]" {
		t.Fatalf("the stream has no end: %s", b)
	}
	var acc openai.ChatCompletionAccumulator
	finish, roles, usages := "", 0, 0
	for _, f := range all[:len(all)-1] {
		if f.event != "" || r.failed != nil || usages > 0 {
			t.Fatalf("a frame out of place, %s: %s", f.data, b)
		}
		chunk := parse[openai.ChatCompletionChunk](t, f.data)
		v := parse[struct {
			Choices []struct {
				Delta  chatMessage `json:"delta"`
				Role   string      `json:"-"`
				Finish string      `json:"finish_reason"`
			} `json:"choices"`
			Usage *chatUsage      `json:"usage"`
			Error *jsontext.Value `json:"error"`
		}](t, f.data)
		if v.Error != nil {
			r.failed = d.failure(t, f.data)
			continue
		}
		if !acc.AddChunk(chunk) {
			t.Fatalf("the accumulator refuses %s", f.data)
		}
		for i, c := range v.Choices {
			c.Delta.take(t, r)
			if chunk.Choices[i].Delta.Role != "" {
				roles++
			}
			if c.Finish != "" && finish != "" {
				t.Fatalf("two finish reasons: %s", b)
			}
			finish += c.Finish
		}
		if v.Usage != nil {
			usages++
			r.in, r.out = v.Usage.In, v.Usage.Out
		}
	}
	if r.failed != nil {
		return
	}
	if roles != 1 || usages != 1 || len(acc.Choices) != 1 {
		t.Fatalf("%d roles, %d usages, %d choices: %s", roles, usages, len(acc.Choices), b)
	}
	for _, c := range acc.Choices[0].Message.ToolCalls {
		r.calls = append(r.calls, call{c.ID, c.Function.Name, c.Function.Arguments})
	}
	r.chatEnd(t, finish)
}

func (chatDialect) failure(t *testing.T, b []byte) *failure {
	t.Helper()
	v := parse[struct {
		Error *struct {
			Message string  `json:"message"`
			Type    string  `json:"type"`
			Code    *string `json:"code"`
			Param   *string `json:"param"`
		} `json:"error"`
	}](t, b)
	if v.Error == nil || v.Error.Message == "" || v.Error.Type == "" {
		t.Fatalf("not an error of the dialect: %s", b)
	}
	f := &failure{kind: v.Error.Type, message: v.Error.Message}
	if v.Error.Code != nil {
		f.code = *v.Error.Code
	}
	return f
}
