package matrix

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/wire/wiretest"
)

// responsesDialect is OpenAI's Responses, with the conversation in the client's hands: store is false and everything is sent
// again.
type responsesDialect struct{}

func (responsesDialect) name() string                          { return "responses" }
func (responsesDialect) path() string                          { return "/v1/responses" }
func (responsesDialect) head(*cell, http.Header)               {}
func (responsesDialect) showsRuns() bool                       { return true }
func (responsesDialect) usage(n, in, out int64) (int64, int64) { return in, n * out }

func (responsesDialect) body(c *cell) map[string]any {
	b := map[string]any{
		"model": c.upstream + "/" + c.key, "input": c.talk, "instructions": system, "store": false, "max_output_tokens": 2048,
		"include": []string{"reasoning.encrypted_content"},
	}
	if c.stream {
		b["stream"] = true
	}
	var tools []any
	if c.approval != "" {
		tools = append(tools, entry(c.approval))
	}
	if c.own {
		tools = append(tools, map[string]any{"type": "function", "name": "mine", "parameters": jsontext.Value(ownSchema), "strict": false})
	}
	if tools != nil {
		b["tools"] = tools
	}
	if c.think {
		b["reasoning"] = map[string]any{"effort": "high", "summary": "auto"}
	}
	if c.forced {
		b["tool_choice"] = "required"
	}
	if c.schema {
		b["text"] = map[string]any{"format": map[string]any{"type": "json_schema", "name": "reply", "strict": true, "schema": jsontext.Value(answerSchema)}}
	}
	return b
}

func (responsesDialect) user(text, image string) jsontext.Value {
	parts := []any{map[string]any{"type": "input_text", "text": text}}
	if image != "" {
		parts = append(parts, map[string]any{"type": "input_image", "image_url": "data:image/png;base64," + image, "detail": "auto"})
	}
	return raw(map[string]any{"type": "message", "role": "user", "content": parts})
}

func (responsesDialect) paper(text, pdf string) jsontext.Value {
	return raw(map[string]any{"type": "message", "role": "user", "content": []any{
		map[string]any{"type": "input_text", "text": text},
		map[string]any{"type": "input_file", "filename": "paper.pdf", "file_data": "data:application/pdf;base64," + pdf},
	}})
}

func (responsesDialect) results(answers ...[2]string) []jsontext.Value {
	var out []jsontext.Value
	for _, a := range answers {
		out = append(out, raw(map[string]any{"type": "function_call_output", "call_id": a[0], "output": a[1]}))
	}
	return out
}

func (responsesDialect) word(id string, yes bool) jsontext.Value {
	return raw(map[string]any{"type": "mcp_approval_response", "approval_request_id": id, "approve": yes})
}

type responsesItem struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Content []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	} `json:"content"`
	Summary []struct {
		Text string `json:"text"`
	} `json:"summary"`
	CallID    string          `json:"call_id"`
	Name      string          `json:"name"`
	Arguments string          `json:"arguments"`
	Output    *string         `json:"output"`
	Error     *jsontext.Value `json:"error"`
	Status    string          `json:"status"`
	Label     string          `json:"server_label"`
}

type response struct {
	Status     string            `json:"status"`
	Output     []jsontext.Value  `json:"output"`
	Error      *responsesProblem `json:"error"`
	Incomplete *struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
	Usage *struct {
		In  int64 `json:"input_tokens"`
		Out int64 `json:"output_tokens"`
	} `json:"usage"`
}

type responsesProblem struct {
	Type    string  `json:"type"`
	Code    *string `json:"code"`
	Message string  `json:"message"`
}

func (p *responsesProblem) failure() *failure {
	f := &failure{kind: p.Type, message: p.Message}
	if p.Code != nil {
		f.code = *p.Code
	}
	return f
}

func (d responsesDialect) readPlain(t *testing.T, b []byte, r *reply) {
	t.Helper()
	if written(b) {
		for _, wrong := range wiretest.OpenResponsesBody(b) {
			t.Errorf("a rule of the response is broken: %s", wrong)
		}
	}
	v := parse[response](t, b)
	d.take(t, &v, r)
}

// written reports whether a reply is the gateway's: one that is relayed is as right as its provider.
func written(b []byte) bool { return bytes.Contains(b, []byte(`"resp_fl_`)) }

// take reads a whole response.
func (responsesDialect) take(t *testing.T, v *response, r *reply) {
	t.Helper()
	for _, item := range v.Output {
		i := parse[responsesItem](t, item)
		switch i.Type {
		case "message":
			text := ""
			for _, p := range i.Content {
				text += p.Text
			}
			r.texts = append(r.texts, text)
		case "reasoning":
			for _, s := range i.Summary {
				r.thought += s.Text
			}
			for _, s := range i.Content {
				r.thought += s.Text
			}
		case "function_call":
			r.calls = append(r.calls, call{i.CallID, i.Name, i.Arguments})
		case "mcp_call":
			run := ran{name: i.Name, args: i.Arguments, failed: i.Status == "failed"}
			if i.Output != nil {
				run.result = *i.Output
			}
			r.ran = append(r.ran, run)
		case "mcp_approval_request":
			r.asks = append(r.asks, call{i.ID, i.Name, i.Arguments})
		case "mcp_list_tools":
		default:
			t.Fatalf("an item of type %q: %s", i.Type, item)
		}
	}
	switch {
	case v.Status == "completed" && len(r.calls) > 0:
		r.stop = "tools"
	case v.Status == "completed":
		r.stop = "stop"
	case v.Status == "incomplete" && v.Incomplete != nil:
		r.stop = map[string]string{"max_output_tokens": "length", "content_filter": "filter"}[v.Incomplete.Reason]
	case v.Status == "failed" && v.Error != nil:
		r.failed = v.Error.failure()
	default:
		t.Fatalf("status %q: %s", v.Status, r.raw)
	}
	if v.Usage != nil {
		r.in, r.out = v.Usage.In, v.Usage.Out
	}
	r.items = v.Output
}

func (d responsesDialect) readStream(t *testing.T, b []byte, r *reply) {
	t.Helper()
	if written(b) {
		for _, wrong := range wiretest.OpenResponsesStream(b) {
			t.Errorf("a rule of the stream is broken: %s", wrong)
		}
	}
	var problem *failure
	for _, f := range frames(t, b) {
		if string(f.data) == "[DONE]" {
			continue
		}
		v := parse[struct {
			Type           string    `json:"type"`
			Response       *response `json:"response"`
			responsesError `json:",inline"`
		}](t, f.data)
		switch v.Type {
		case "response.output_text.delta":
			r.pieces++
		case "response.completed", "response.incomplete", "response.failed":
			d.take(t, v.Response, r)
		case "error":
			problem = v.both(t, f.data)
		}
	}
	if problem != nil {
		r.failed = problem
	}
}

// responsesError is an error in both of its forms, which clients read one or the other of.
type responsesError struct {
	Code    *string           `json:"code"`
	Message string            `json:"message"`
	Error   *responsesProblem `json:"error"`
}

func (e *responsesError) both(t *testing.T, b []byte) *failure {
	t.Helper()
	if e.Error == nil || e.Message == "" || e.Error.Message != e.Message {
		t.Fatalf("not an error in both forms: %s", b)
	}
	return e.Error.failure()
}

func (responsesDialect) failure(t *testing.T, b []byte) *failure {
	t.Helper()
	return chatDialect{}.failure(t, b)
}
