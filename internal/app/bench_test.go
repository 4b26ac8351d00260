package app_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/app"
	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/obs"
)

// What a request costs between the HTTP server and the sockets of model and MCP server: the handler is called without a server
// in front of it, and the far sides are loops over loopback that answer with bytes made before and allocate nothing.
var benchRequests = []struct {
	name, body, want string
	allocs           float64 // at most
}{
	{
		"relay", `{"model":"plain","messages":[{"role":"user","content":"` + strings.Repeat("x", 900) + `"}],"temperature":0.7}`,
		`"usage"`, 70,
	},
	{
		"round", `{"model":"tools","stream":true,"messages":[{"role":"user","content":"Say it again."}],` +
			`"tools":[{"type":"mcp","server_label":"bench","server_url":"fairlead/mcp/bench","require_approval":"never"}]}`,
		"that was all", 280,
	},
}

func BenchmarkHandler(b *testing.B) {
	a := benchApp(b)
	for _, r := range benchRequests {
		b.Run(r.name, func(b *testing.B) {
			c := newBenchClient(r.body)
			c.ask(a)
			b.ReportAllocs()
			for b.Loop() {
				c.ask(a)
			}
			c.check(b, r.want)
		})
	}
}

// TestHandlerAllocates holds a relay, and a round with one tool, to their allocations.
func TestHandlerAllocates(t *testing.T) {
	a := benchApp(t)
	for _, r := range slices.Backward(benchRequests) { // the first one waits until the server's tools are listed
		c := newBenchClient(r.body)
		c.ask(a)
		got := testing.AllocsPerRun(100, func() { c.ask(a) })
		c.check(t, r.want)
		if got > r.allocs {
			t.Errorf("%s: %v allocations, at most %v are allowed", r.name, got, r.allocs)
		}
	}
}

func benchApp(tb testing.TB) *app.App {
	tb.Helper()
	model, servers := benchListen(tb, benchModel), benchListen(tb, benchServer)
	cfg, err := config.Parse("bench.yaml", []byte(strings.NewReplacer("MODEL", model, "SERVERS", servers).Replace(benchConfig)), app.ConfigOptions(func(string) string { return "" }))
	if err != nil {
		tb.Fatal(err)
	}
	a, err := app.Open(cfg, app.Options{Version: "1", Log: slog.New(slog.DiscardHandler), Access: obs.JSONAccess{To: io.Discard}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(a.Close)
	return a
}

const benchConfig = `
models:
  - {name: plain, provider: openai, model: bench-1, api_key: sk-model, base_url: "http://MODEL/v1"}
  - {name: tools, provider: openai, model: bench-1, api_key: sk-model, base_url: "http://MODEL/tools/v1"}
mcp_servers:
  bench: {url: "http://SERVERS/mcp", protocol: "2025-11-25", transport: http, list_ttl: 1h}
keys:
  - {name: bench, key: sk-bench-0123456789abcdef, mcp_servers: ["*"]}
`

// benchClient sends one request again and again, and is its own http.ResponseWriter.
type benchClient struct {
	req    *http.Request
	text   []byte
	body   *bytes.Reader
	header http.Header
	got    bytes.Buffer
	status int
}

func newBenchClient(body string) *benchClient {
	c := &benchClient{text: []byte(body), body: bytes.NewReader(nil), header: http.Header{}}
	c.req, _ = http.NewRequestWithContext(context.Background(), http.MethodPost, "/v1/chat/completions", io.NopCloser(c.body))
	c.req.ContentLength = int64(len(body))
	c.req.Host = "127.0.0.1:4000"
	c.req.Header = http.Header{"Authorization": {"Bearer sk-bench-0123456789abcdef"}, "Content-Type": {"application/json"}, "Accept": {"*/*"}, "User-Agent": {"bench"}}
	return c
}

func (c *benchClient) ask(h http.Handler) {
	c.body.Reset(c.text)
	clear(c.header)
	c.got.Reset()
	c.status = 0
	ctx, cancel := context.WithCancel(c.req.Context()) // as a server has one for each request
	h.ServeHTTP(c, c.req.WithContext(ctx))
	cancel()
}

func (c *benchClient) check(tb testing.TB, want string) {
	tb.Helper()
	if c.status != http.StatusOK || !strings.Contains(c.got.String(), want) {
		tb.Fatalf("%d: %s", c.status, &c.got)
	}
}

func (c *benchClient) Header() http.Header                { return c.header }
func (c *benchClient) WriteHeader(status int)             { c.status = status }
func (c *benchClient) Flush()                             {}
func (c *benchClient) SetReadDeadline(_ time.Time) error  { return nil }
func (c *benchClient) SetWriteDeadline(_ time.Time) error { return nil }
func (c *benchClient) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.got.Write(p)
}

// benchListen serves connections by a loop that gets the body of each request and says what to write.
func benchListen(tb testing.TB, answer func(path, body []byte) [][]byte) string {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			go benchServe(c, answer)
		}
	}()
	return l.Addr().String()
}

func benchServe(c net.Conn, answer func(path, body []byte) [][]byte) {
	defer func() { _ = c.Close() }()
	r := bufio.NewReaderSize(c, 64<<10)
	body, path := make([]byte, 64<<10), make([]byte, 0, 256)
	for {
		length := 0
		path = path[:0]
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(path) == 0 {
				path = append(path, line...)
			}
			if len(line) == 2 {
				break
			}
			if name, value, ok := bytes.Cut(line, []byte(": ")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
				length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
			}
		}
		if _, err := io.ReadFull(r, body[:length]); err != nil {
			return
		}
		for _, p := range answer(path, body[:length]) {
			if _, err := c.Write(p); err != nil {
				return
			}
		}
	}
}

func benchReply(contentType, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", contentType, len(body), body)
}

// benchStream is a stream of chat in which each event is a chunk and a write of its own.
func benchStream(choices ...string) [][]byte {
	out := [][]byte{[]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")}
	for _, c := range append(choices, "") {
		ev := `data: {"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1764043200,"model":"bench-1","system_fingerprint":"fp_0","choices":[` + c + "]"
		if c == "" {
			ev += `,"usage":{"prompt_tokens":200,"completion_tokens":98,"total_tokens":298}}` + "\n\ndata: [DONE]"
		} else {
			ev += "}"
		}
		out = append(out, fmt.Appendf(nil, "%x\r\n%s\n\n\r\n", len(ev)+2, ev))
	}
	out[len(out)-1] = append(out[len(out)-1], "0\r\n\r\n"...)
	return out
}

const benchCall = "call_0123456789"

var (
	benchPlain = [][]byte{benchReply("application/json", `{"id":"chatcmpl-0123456789abcdef","object":"chat.completion","created":1764043200,"model":"bench-1",`+
		`"choices":[{"index":0,"message":{"role":"assistant","content":"`+strings.Repeat("All work and no play. ", 33)+`"},"finish_reason":"stop"}],`+
		`"usage":{"prompt_tokens":200,"completion_tokens":98,"total_tokens":298}}`)}
	benchFirst = benchStream(
		`{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"`+benchCall+`","type":"function","function":{"name":"bench-echo_0","arguments":""}}]},"finish_reason":null}`,
		`{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"text\":\"hello\","}}]},"finish_reason":null}`,
		`{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"times\":1}"}}]},"finish_reason":null}`,
		`{"index":0,"delta":{},"finish_reason":"tool_calls"}`,
	)
	benchSecond = func() [][]byte {
		text := `{"index":0,"delta":{"content":" and so on"},"finish_reason":null}`
		all := []string{`{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}`}
		for range 8 {
			all = append(all, text)
		}
		all = append(all, strings.Replace(text, "and so on", "that was all", 1), `{"index":0,"delta":{},"finish_reason":"stop"}`)
		return benchStream(all...)
	}()
)

func benchModel(path, body []byte) [][]byte {
	switch {
	case !bytes.Contains(path, []byte("/tools/")):
		return benchPlain
	case bytes.Contains(body, []byte(benchCall)):
		return benchSecond
	}
	return benchFirst
}

// benchServer is an MCP server of ten tools. Ids are found, and the answers made, without an allocation for each.
func benchServer(path, body []byte) [][]byte {
	method := func(name string) bool { return bytes.Contains(body, []byte(`"method":"`+name+`"`)) }
	_, id, ok := bytes.Cut(body, []byte(`"id":`))
	switch {
	case !bytes.HasPrefix(path, []byte("POST ")):
		return [][]byte{[]byte("HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")}
	case !ok:
		return [][]byte{[]byte("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")}
	}
	id = id[:bytes.IndexAny(id, ",}")]
	result := `{}`
	switch {
	case method("initialize"):
		result = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"bench","version":"1"}}`
	case method("tools/list"):
		var tools []string
		for i := range 10 {
			tools = append(tools, fmt.Sprintf(`{"name":"echo_%d","description":"Repeats a text, as often as it is asked to.","inputSchema":{"type":"object","properties":{"text":{"type":"string"},"times":{"type":"integer","minimum":1},"upper":{"type":"boolean"}},"required":["text"]}}`, i))
		}
		result = `{"tools":[` + strings.Join(tools, ",") + `]}`
	case method("tools/call"):
		result = `{"content":[{"type":"text","text":"echo: hello"}],"isError":false}`
	}
	return [][]byte{benchReply("application/json", `{"jsonrpc":"2.0","id":`+string(id)+`,"result":`+result+`}`)}
}
