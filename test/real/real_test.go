//go:build real

// Package real runs the gateway between real clients, real MCP servers and a real model. `make test-real` installs what it
// needs.
package real

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/test/gateway"
)

// patience bounds waits for other processes; nothing is timed by it.
const patience = time.Minute

func TestMain(m *testing.M) {
	if _, err := os.Stat(installed("node", "node")); err != nil {
		fmt.Fprintln(os.Stderr, "nothing is installed in .cache/real: run make test-real")
		os.Exit(1)
	}
	code := m.Run()
	gateway.Clean()
	os.Exit(code)
}

// installed is a path below .cache/real.
func installed(path ...string) string {
	return filepath.Join(append([]string{gateway.Root(), ".cache", "real"}, path...)...)
}

// here is a path below this folder.
func here(path ...string) string {
	return filepath.Join(append([]string{gateway.Root(), "test", "real"}, path...)...)
}

// server is the script of an official MCP server.
func server(name string) string {
	return installed("node_modules", "@modelcontextprotocol", "server-"+name, "dist", "index.js")
}

// listenHTTP starts server-everything on a free port of loopback, in mode streamableHttp or sse, and returns its base URL.
func listenHTTP(t *testing.T, mode string) string {
	t.Helper()
	p := &ports{t: t}
	url := p.start(nil, server("everything"), mode)
	p.wait()
	return url
}

func stdio(name, script string, args ...string) string {
	return gateway.Stdio(name, append([]string{installed("node", "node"), server(script)}, args...), nil)
}

// completion is what a chat reply said, streamed or not.
type completion struct {
	Text   string
	Finish string
	Input  int
	Output int
	Fields struct {
		Calls []struct {
			ID       string `json:"id"`
			Function struct {
				Name      string `json:"name"`
				Arguments string `json:"arguments"`
			} `json:"function"`
		} `json:"mcp_tool_calls"`
		Results []result `json:"mcp_call_results"`
		Tools   []struct {
			Function struct {
				Name string `json:"name"`
			} `json:"function"`
		} `json:"mcp_list_tools"`
		Errors []struct {
			Server string `json:"server"`
			Error  string `json:"error"`
		} `json:"mcp_errors"`
	}
}

type result struct {
	CallID  string `json:"tool_call_id"`
	Name    string `json:"name"`
	Display string `json:"display_name"`
	Server  string `json:"server"`
	Result  string `json:"result"`
	IsError bool   `json:"is_error"`
	Round   int    `json:"round"`
}

// choice holds the members that a choice has, streamed or not.
type choice struct {
	Message delta   `json:"message"`
	Delta   delta   `json:"delta"`
	Finish  *string `json:"finish_reason"`
}

type delta struct {
	Content *string `json:"content"`
	Raw     any     `json:"provider_specific_fields"`
}

type chunk struct {
	ID      string   `json:"id"`
	Choices []choice `json:"choices"`
	Usage   *struct {
		Input  int `json:"prompt_tokens"`
		Output int `json:"completion_tokens"`
	} `json:"usage"`
	Error any `json:"error"`
}

// chat sends a chat completion request and reads the reply. It fails the test on any other status than 200, on an error in
// the stream, and on a stream of two ids or two ends.
func chat(t *testing.T, g *gateway.Gateway, request map[string]any, stream bool) completion {
	t.Helper()
	if stream {
		request["stream"] = true
		request["stream_options"] = map[string]any{"include_usage": true}
	}
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+gateway.Key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var reply bytes.Buffer
	if _, err := reply.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", resp.StatusCode, reply.String())
	}
	if stream {
		return readStream(t, reply.String())
	}
	var c completion
	c.add(t, reply.Bytes(), new(string))
	return c
}

func readStream(t *testing.T, text string) completion {
	t.Helper()
	var c completion
	var id string
	done := false
	for line := range strings.Lines(text) {
		data, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "data: ")
		switch {
		case !ok:
		case done:
			t.Errorf("a frame after [DONE]: %s", data)
		case data == "[DONE]":
			done = true
		default:
			c.add(t, []byte(data), &id)
		}
	}
	if !done {
		t.Errorf("the stream ends without [DONE]:\n%s", text)
	}
	return c
}

// add reads one frame or one whole reply.
func (c *completion) add(t *testing.T, data []byte, id *string) {
	t.Helper()
	var k chunk
	if err := json.Unmarshal(data, &k); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	if k.Error != nil {
		t.Fatalf("an error in the reply: %s", data)
	}
	if *id != "" && k.ID != *id {
		t.Errorf("two ids: %s and %s", *id, k.ID)
	}
	*id = k.ID
	if k.Usage != nil {
		c.Input, c.Output = c.Input+k.Usage.Input, c.Output+k.Usage.Output
	}
	for _, ch := range k.Choices {
		for _, d := range []delta{ch.Message, ch.Delta} {
			if d.Content != nil {
				c.Text += *d.Content
			}
			if d.Raw != nil {
				raw, _ := json.Marshal(d.Raw)
				if err := json.Unmarshal(raw, &c.Fields); err != nil {
					t.Fatalf("%v: %s", err, raw)
				}
			}
		}
		if ch.Finish != nil {
			if c.Finish != "" {
				t.Errorf("two ends: %s and %s", c.Finish, *ch.Finish)
			}
			c.Finish = *ch.Finish
		}
	}
}

// forms runs do for both forms of a reply.
func forms(t *testing.T, do func(t *testing.T, stream bool)) {
	t.Helper()
	t.Run("streamed", func(t *testing.T) { do(t, true) })
	t.Run("plain", func(t *testing.T) { do(t, false) })
}

// ask is a request that names MCP servers.
func ask(model, servers string) map[string]any {
	return map[string]any{
		"model":    model,
		"messages": []any{map[string]any{"role": "user", "content": "Do what the script says."}},
		"tools":    []any{map[string]any{"type": "mcp", "server_url": "fairlead/mcp/" + servers, "require_approval": "never"}},
	}
}
