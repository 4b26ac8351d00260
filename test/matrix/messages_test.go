package matrix

import (
	"net/http"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/wire/wiretest"
)

// messagesDialect is Anthropic's Messages with its MCP connector.
type messagesDialect struct{}

func (messagesDialect) name() string                          { return "messages" }
func (messagesDialect) path() string                          { return "/v1/messages" }
func (messagesDialect) showsRuns() bool                       { return true }
func (messagesDialect) usage(n, in, out int64) (int64, int64) { return n * in, n * out }

func (messagesDialect) head(c *cell, h http.Header) {
	h.Set("Anthropic-Version", "2023-06-01")
	if c.approval == "never" {
		h.Set("Anthropic-Beta", "mcp-client-2025-11-20")
	}
}

func (messagesDialect) body(c *cell) map[string]any {
	b := map[string]any{"model": c.upstream + "/" + c.key, "messages": c.talk, "system": system, "max_tokens": 2048}
	if c.stream {
		b["stream"] = true
	}
	var tools []any
	switch c.approval {
	case "":
	case "never":
		b["mcp_servers"] = []any{map[string]any{"type": "url", "url": "fairlead/mcp/tools", "name": "tools"}}
		tools = append(tools, map[string]any{"type": "mcp_toolset", "mcp_server_name": "tools"})
	default: // the connector's own form has no word for it
		tools = append(tools, entry(c.approval))
	}
	if c.own {
		tools = append(tools, map[string]any{"name": "mine", "input_schema": jsontext.Value(ownSchema)})
	}
	if tools != nil {
		b["tools"] = tools
	}
	if c.think {
		b["max_tokens"] = 32000
		b["thinking"] = map[string]any{"type": "enabled", "budget_tokens": 20000}
	}
	if c.forced {
		b["tool_choice"] = map[string]any{"type": "any"}
	}
	if c.schema {
		b["output_config"] = map[string]any{"format": map[string]any{"type": "json_schema", "schema": jsontext.Value(answerSchema)}}
	}
	return b
}

func (messagesDialect) user(text, image string) jsontext.Value {
	blocks := []any{map[string]any{"type": "text", "text": text}}
	if image != "" {
		blocks = append(blocks, map[string]any{"type": "image", "source": map[string]any{"type": "base64", "media_type": "image/png", "data": image}})
	}
	return raw(map[string]any{"role": "user", "content": blocks})
}

func (messagesDialect) paper(text, pdf string) jsontext.Value {
	return raw(map[string]any{"role": "user", "content": []any{
		map[string]any{"type": "text", "text": text},
		map[string]any{"type": "document", "title": "paper.pdf", "source": map[string]any{"type": "base64", "media_type": "application/pdf", "data": pdf}},
	}})
}

func (messagesDialect) results(answers ...[2]string) []jsontext.Value {
	var blocks []any
	for _, a := range answers {
		blocks = append(blocks, map[string]any{"type": "tool_result", "tool_use_id": a[0], "content": a[1]})
	}
	return []jsontext.Value{raw(map[string]any{"role": "user", "content": blocks})}
}

func (messagesDialect) word(string, bool) jsontext.Value { panic("the dialect has no word for it") }

type messagesBlock struct {
	Type      string         `json:"type"`
	Text      string         `json:"text"`
	Thinking  string         `json:"thinking"`
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Input     jsontext.Value `json:"input"`
	ToolUseID string         `json:"tool_use_id"`
	IsError   bool           `json:"is_error"`
	Content   []struct {
		Text string `json:"text"`
	} `json:"content"`
}

type messagesUsage struct {
	In  int64 `json:"input_tokens"`
	Out int64 `json:"output_tokens"`
}

var messagesStops = map[string]string{"end_turn": "stop", "tool_use": "tools", "max_tokens": "length", "pause_turn": "pause", "refusal": "filter"}

// take reads the blocks of a message.
func (messagesDialect) take(t *testing.T, blocks []jsontext.Value, stop string, u messagesUsage, r *reply) {
	t.Helper()
	open := map[string]int{}
	for _, b := range blocks {
		v := parse[messagesBlock](t, b)
		switch v.Type {
		case "text":
			r.texts = append(r.texts, v.Text)
		case "thinking":
			r.thought += v.Thinking
		case "tool_use":
			r.calls = append(r.calls, call{v.ID, v.Name, string(v.Input)})
		case "mcp_tool_use":
			open[v.ID] = len(r.ran)
			r.ran = append(r.ran, ran{name: v.Name, args: string(v.Input)})
		case "mcp_tool_result":
			run := &r.ran[open[v.ToolUseID]]
			run.failed = v.IsError
			for _, c := range v.Content {
				run.result += c.Text
			}
		default:
			t.Fatalf("a block of type %q: %s", v.Type, b)
		}
	}
	if r.stop = messagesStops[stop]; r.stop == "" {
		t.Errorf("stop_reason %q", stop)
	}
	r.in, r.out = u.In, u.Out
	r.items = []jsontext.Value{value(t, map[string]any{"role": "assistant", "content": blocks})}
}

func (d messagesDialect) readPlain(t *testing.T, b []byte, r *reply) {
	t.Helper()
	wiretest.Messages(t, "application/json", b)
	v := parse[struct {
		Content []jsontext.Value `json:"content"`
		Stop    string           `json:"stop_reason"`
		Usage   messagesUsage    `json:"usage"`
	}](t, b)
	d.take(t, v.Content, v.Stop, v.Usage, r)
}

type messagesEvent struct {
	Block jsontext.Value `json:"content_block"`
	Delta struct {
		Type      string `json:"type"`
		Text      string `json:"text"`
		Thinking  string `json:"thinking"`
		Signature string `json:"signature"`
		JSON      string `json:"partial_json"`
		Stop      string `json:"stop_reason"`
	} `json:"delta"`
	Usage messagesUsage `json:"usage"`
}

// readStream puts a stream together as Anthropic's SDKs do.
func (d messagesDialect) readStream(t *testing.T, b []byte, r *reply) {
	t.Helper()
	wiretest.Messages(t, "text/event-stream", b)
	var blocks []jsontext.Value
	var stop string
	var u messagesUsage
	grown := map[string]string{}
	for _, f := range frames(t, b) {
		v := parse[messagesEvent](t, f.data)
		switch f.event {
		case "content_block_start":
			blocks, grown = append(blocks, v.Block), map[string]string{}
		case "content_block_delta":
			grown["text"] += v.Delta.Text
			grown["thinking"] += v.Delta.Thinking
			grown["signature"] += v.Delta.Signature
			grown["input"] += v.Delta.JSON
			if v.Delta.Text != "" {
				r.pieces++
			}
		case "content_block_stop":
			blocks[len(blocks)-1] = grow(t, blocks[len(blocks)-1], grown)
		case "message_delta":
			stop, u = v.Delta.Stop, v.Usage
		case "error":
			r.failed = d.failure(t, f.data)
			for _, block := range blocks { // what came before the error
				if v := parse[messagesBlock](t, block); v.Type == "text" {
					r.texts = append(r.texts, v.Text)
				}
			}
			return
		}
	}
	d.take(t, blocks, stop, u, r)
}

// grow adds what its deltas said to a block.
func grow(t *testing.T, block jsontext.Value, grown map[string]string) jsontext.Value {
	t.Helper()
	members := parse[map[string]any](t, block)
	for key, text := range grown {
		switch {
		case text == "":
		case key == "input":
			members[key] = jsontext.Value(text)
		default:
			members[key] = text
		}
	}
	return value(t, members)
}

func (messagesDialect) failure(t *testing.T, b []byte) *failure {
	t.Helper()
	v := parse[struct {
		Type  string `json:"type"`
		Error *struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		} `json:"error"`
	}](t, b)
	if v.Type != "error" || v.Error == nil || v.Error.Type == "" || v.Error.Message == "" {
		t.Fatalf("not an error of the dialect: %s", b)
	}
	return &failure{kind: v.Error.Type, message: v.Error.Message}
}
