package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/sse"
)

// Question is what the demonstration asks: it takes two rounds of tools.
const Question = "What time is it in Tokyo, and what is 17% of 2,340? Please write both down."

// show sends the question to the gateway and prints the stream as it comes. It is a client like any other: what it reads
// are the chunks of a chat completion.
type show struct {
	out   io.Writer
	style style
	mid   bool // in the middle of a line of the answer
	done  bool
}

// style holds the escape sequences of a terminal, or nothing.
type style struct{ dim, bold, green, reset string }

func newStyle(terminal bool) style {
	if !terminal {
		return style{}
	}
	return style{dim: "\x1b[2m", bold: "\x1b[1m", green: "\x1b[32m", reset: "\x1b[0m"}
}

func requestBody(question string) []byte {
	b := []byte(`{"model":"stand-in","stream":true,"messages":[{"role":"user","content":`)
	b = jsonedit.AppendQuote(b, question)
	return append(b, `}],"tools":[{"type":"mcp","server_url":"fairlead/mcp/demo","require_approval":"never"}]}`...)
}

func (s *show) run(ctx context.Context, base string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/chat/completions", bytes.NewReader(requestBody(Question)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Fairlead-Stream", "annotated")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return fmt.Errorf("the gateway answered %s: %s", resp.Status, b)
	}
	s.printf("%syou%s       %s\n\n", s.style.bold, s.style.reset, Question)
	events := sse.NewReader(resp.Body, 1<<20)
	for {
		ev, err := events.Next()
		if err == io.EOF { //nolint:errorlint // Next returns it as it is
			break
		}
		if err != nil {
			return err
		}
		if err := s.event(ev.Data); err != nil {
			return err
		}
	}
	if !s.done {
		return fmt.Errorf("the stream ended without an answer")
	}
	return nil
}

// chunk is as much of a chunk as the show needs.
type chunk struct {
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
			Fields  struct {
				Tools []jsontext.Value `json:"mcp_list_tools"`
			} `json:"provider_specific_fields"`
		} `json:"delta"`
		Finish string `json:"finish_reason"`
	} `json:"choices"`
	MCP struct {
		Event     string `json:"event"`
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
		Result    string `json:"result"`
		Duration  int64  `json:"duration_ms"`
	} `json:"mcp"`
	Error struct {
		Message string `json:"message"`
	} `json:"error"`
}

func (s *show) event(data []byte) error {
	if string(data) == "[DONE]" {
		return nil
	}
	var c chunk
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("a chunk cannot be read: %w", err)
	}
	if c.Error.Message != "" {
		return fmt.Errorf("the gateway says: %s", c.Error.Message)
	}
	switch c.MCP.Event {
	case "tool_call.started":
		s.line("%s  → %s %s%s", s.style.dim, c.MCP.Name, c.MCP.Arguments, s.style.reset)
	case "tool_call.completed":
		s.line("%s  ✓ %s%s %s %s(%d ms)%s", s.style.green, c.MCP.Name, s.style.reset, c.MCP.Result, s.style.dim, c.MCP.Duration, s.style.reset)
	case "tool_call.failed":
		s.line("  ✗ %s %s", c.MCP.Name, c.MCP.Result)
	}
	for _, ch := range c.Choices {
		if n := len(ch.Delta.Fields.Tools); n > 0 {
			s.line("%s  the MCP server \"demo\" offers %d tools to the model%s", s.style.dim, n, s.style.reset)
		}
		if ch.Delta.Content != "" {
			s.text(ch.Delta.Content)
		}
		if ch.Finish != "" {
			s.line("")
			s.done = ch.Finish == "stop"
		}
	}
	return nil
}

func (s *show) text(t string) {
	if !s.mid {
		t = strings.TrimLeft(t, "\n")
		s.printf("%smodel%s     ", s.style.bold, s.style.reset)
		s.mid = true
	}
	s.printf("%s", t)
}

func (s *show) line(format string, args ...any) {
	if s.mid {
		s.printf("\n")
		s.mid = false
	}
	s.printf(format+"\n", args...)
}

func (s *show) printf(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format, args...) }

// words cuts a text into the pieces in which a model says it.
func words(text string) []string { return strings.SplitAfter(text, " ") }

func (s *show) head(base string) {
	s.line("%sFairlead%s serves on %s", s.style.bold, s.style.reset, base)
	s.line("%sThe model here is a scripted stand-in, not a language model. The MCP server is a real child process.%s\n", s.style.dim, s.style.reset)
}

func (s *show) tail(base string) {
	s.line(`
The same with curl:

  curl -N %s/v1/chat/completions -H 'content-type: application/json' -d '{
    "model": "stand-in", "stream": true,
    "messages": [{"role": "user", "content": "What is 12 * 34? Please write it down."}],
    "tools": [{"type": "mcp", "server_url": "fairlead/mcp/demo", "require_approval": "never"}]}'

With a real model: set a provider's key and serve without a config,

  OPENAI_API_KEY=… bin/fairlead serve        # then ask for "model": "openai/gpt-4o-mini"

or name a local one, and your MCP servers, in a file for bin/fairlead serve --config FILE:

  models:
    - {name: local, provider: ollama, model: qwen3, base_url: "http://127.0.0.1:11434/v1"}
  mcp_servers:
    files: {command: [npx, -y, "@modelcontextprotocol/server-filesystem", "."]}

This demo stays up until you press Ctrl-C.`, base)
}
