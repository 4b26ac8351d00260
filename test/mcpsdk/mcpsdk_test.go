// Package mcpsdk runs the gateway in front of servers made with the official MCP SDK for Go, in both eras of the protocol
// and over all its transports.
package mcpsdk

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/test/gateway"
	"github.com/fairlead/fairlead/test/scripted"
)

// serveStdio in the environment makes the test binary the server, as a child process.
const serveStdio = "FAIRLEAD_TEST_MCP_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serveStdio) != "" {
		if err := newServer().Run(context.Background(), &mcp.StdioTransport{}); err != nil && !errors.Is(err, context.Canceled) {
			os.Exit(1)
		}
		os.Exit(0)
	}
	mcptest.Main()
	code := m.Run()
	gateway.Clean()
	os.Exit(code)
}

type sumArgs struct {
	A int `json:"a" jsonschema:"the first summand"`
	B int `json:"b" jsonschema:"the second summand"`
}

type sumResult struct {
	Sum int `json:"sum"`
}

// newServer has tools that answer in each way that a result can have.
func newServer() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "sdk", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "sum", Description: "Adds two integers."},
		func(_ context.Context, _ *mcp.CallToolRequest, in sumArgs) (*mcp.CallToolResult, sumResult, error) {
			return nil, sumResult{in.A + in.B}, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "picture", Description: "Draws."},
		func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{
				&mcp.TextContent{Text: "a dot"},
				&mcp.ImageContent{Data: []byte("not really a picture"), MIMEType: "image/png"},
			}}, nil, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "fail", Description: "Fails."},
		func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return nil, nil, errors.New("out of paper")
		})
	mcp.AddTool(s, &mcp.Tool{Name: "slow", Description: "Reports progress, then answers."},
		func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			token := req.Params.GetProgressToken()
			for i := range 3 {
				if token != nil {
					_ = req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Progress: float64(i), Total: 3})
				}
			}
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "done at last"}}}, nil, nil
		})
	return s
}

// versions records the protocol versions that requests name.
type versions struct {
	mu   sync.Mutex
	seen []string
}

func (v *versions) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		v.seen = append(v.seen, r.Header.Get("Mcp-Protocol-Version"))
		v.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func (v *versions) has(version string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Contains(v.seen, version)
}

const modern = "2026-07-28"

// serveHTTP is the server over streamable HTTP: both eras on one URL, each with the SDK's handler for it.
func serveHTTP(t *testing.T) (url string, seen *versions) {
	t.Helper()
	server := newServer()
	get := func(*http.Request) *mcp.Server { return server }
	stateless := mcp.NewStreamableHTTPHandler(get, &mcp.StreamableHTTPOptions{Stateless: true})
	sessions := mcp.NewStreamableHTTPHandler(get, nil)
	seen = &versions{}
	s := httptest.NewServer(seen.around(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Mcp-Protocol-Version") >= modern {
			stateless.ServeHTTP(w, r)
			return
		}
		sessions.ServeHTTP(w, r)
	})))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL, seen
}

func serveSSE(t *testing.T) string {
	t.Helper()
	server := newServer()
	s := httptest.NewServer(mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return server }, nil))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// TestServers lets the model call every tool over every transport, in both eras.
func TestServers(t *testing.T) {
	auto, autoSeen := serveHTTP(t)
	pinned, pinnedSeen := serveHTTP(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	servers := map[string]string{
		"auto":   "{url: " + auto + "}",
		"pinned": `{url: ` + pinned + `, protocol: "2025-11-25"}`,
		"sse":    "{url: " + serveSSE(t) + ", transport: sse}",
	}
	lines := []string{gateway.Stdio("stdio", []string{self}, map[string]string{serveStdio: "1"})}
	scripts := map[string][]scripted.Turn{}
	for name, line := range servers {
		lines = append(lines, name+": "+line)
	}
	for _, name := range []string{"auto", "pinned", "sse", "stdio"} {
		scripts[name] = []scripted.Turn{
			{Calls: []scripted.Call{
				{Name: name + "-sum", Arguments: `{"a":40,"b":2}`},
				{Name: name + "-picture", Arguments: `{}`},
				{Name: name + "-fail", Arguments: `{}`},
				{Name: name + "-slow", Arguments: `{}`},
			}},
			{Text: "Done."},
		}
	}
	model := scripted.Start(t, scripts)
	g := gateway.Start(t, gateway.Config(model.URL(), lines...))

	for name := range scripts {
		t.Run(name, func(t *testing.T) {
			before := len(model.Requests())
			if text := ask(t, g, name); text != "Done." {
				t.Errorf("the answer is %q", text)
			}
			var got []string
			asked := model.Requests()[before:]
			for _, m := range asked[len(asked)-1].Messages {
				if m.Role == "tool" {
					got = append(got, m.Text)
				}
			}
			for i, want := range []string{`{"sum":42}`, "a dot", "Error: out of paper", "done at last"} {
				if len(got) != 4 || !strings.HasPrefix(got[i], want) {
					t.Fatalf("the model was told %q, want %q at %d", got, want, i)
				}
			}
			if !strings.Contains(got[1], "image/png") {
				t.Errorf("the model was told %q of a picture", got[1])
			}
		})
	}
	if !autoSeen.has(modern) {
		t.Errorf("a server that speaks %s was not spoken to in it: %q", modern, autoSeen.seen)
	}
	if pinnedSeen.has(modern) || !pinnedSeen.has("2025-11-25") {
		t.Errorf("a server pinned to 2025-11-25 was spoken to in %q", pinnedSeen.seen)
	}
}

func ask(t *testing.T, g *gateway.Gateway, name string) string {
	t.Helper()
	client := openai.NewClient(option.WithBaseURL(g.URL+"/v1"), option.WithAPIKey(gateway.Key), option.WithMaxRetries(0))
	c, err := client.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{
		Model:    name,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Go.")},
	}, option.WithHeader("x-fairlead-mcp", name))
	if err != nil {
		t.Fatal(err)
	}
	return c.Choices[0].Message.Content
}
