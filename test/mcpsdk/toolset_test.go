package mcpsdk

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/fairlead/fairlead/test/gateway"
)

// keyed sends a key of the gateway.
type keyed string

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(k))
	return http.DefaultTransport.RoundTrip(r)
}

// dial connects the official client to a path of the gateway, in one revision of the protocol.
func dial(t *testing.T, url, key, revision string) *mcp.ClientSession {
	t.Helper()
	s, err := tryDial(t, url, key, revision)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tryDial(t *testing.T, url, key, revision string) (*mcp.ClientSession, error) {
	t.Helper()
	c := mcp.NewClient(&mcp.Implementation{Name: "toolsets", Version: "1"}, nil)
	s, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: keyed(key)}}, &mcp.ClientSessionOptions{ProtocolVersion: revision})
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

func names(t *testing.T, s *mcp.ClientSession) []string {
	t.Helper()
	list, err := s.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, tool := range list.Tools {
		all = append(all, tool.Name)
	}
	return all
}

func text(res *mcp.CallToolResult) string {
	var b strings.Builder
	for _, c := range res.Content {
		if t, ok := c.(*mcp.TextContent); ok {
			b.WriteString(t.Text)
		}
	}
	return b.String()
}

// both runs a test in both eras.
func both(t *testing.T, do func(t *testing.T, revision string)) {
	t.Helper()
	for _, r := range []string{modern, "2025-11-25"} {
		t.Run(r, func(t *testing.T) { do(t, r) })
	}
}

// sdkServers are two servers of one kind, one a child process and one over HTTP.
func sdkServers(t *testing.T) []string {
	t.Helper()
	url, _ := serveHTTP(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{gateway.Stdio("a", []string{self}, map[string]string{serveStdio: "1"}), "b: {url: " + url + "}"}
}

// TestToolset: the official client lists and calls through the address of a toolset, with a key that has it alone.
func TestToolset(t *testing.T) {
	const key = "a-key-of-the-desk"
	g := gateway.Start(t, gateway.Config("http://127.0.0.1:9/v1", sdkServers(t)...)+"  - {name: desk, key: "+key+", toolsets: [desk]}\n"+
		"toolsets: {desk: {a: [sum], b: [fail, slow]}, other: {a: [picture]}}\n")
	both(t, func(t *testing.T, revision string) {
		for _, path := range []string{"/mcp/desk", "/mcp", "/mcp/a,b"} {
			s := dial(t, g.URL+path, key, revision)
			if got, want := names(t, s), []string{"a-sum", "b-fail", "b-slow"}; !slices.Equal(got, want) {
				t.Errorf("%s lists %v, want %v", path, got, want)
			}
			res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "a-sum", Arguments: map[string]any{"a": 40, "b": 2}})
			if err != nil || text(res) != `{"sum":42}` {
				t.Errorf("%s: %v, %v", path, res, err)
			}
			if _, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "a-picture"}); err == nil || !strings.Contains(err.Error(), "Unknown tool") {
				t.Errorf("%s: a tool that the set leaves out: %v", path, err)
			}
		}
		one := dial(t, g.URL+"/mcp/a", key, revision)
		if got := names(t, one); !slices.Equal(got, []string{"sum"}) {
			t.Errorf("of a server in the set it lists %v", got)
		}
		whole := dial(t, g.URL+"/mcp/other,desk", gateway.Key, revision)
		if got := names(t, whole); !slices.Equal(got, []string{"a-picture", "a-sum", "b-fail", "b-slow"}) {
			t.Errorf("of two sets it lists %v", got)
		}
		for _, path := range []string{"/mcp/other", "/mcp/none"} {
			if _, err := tryDial(t, g.URL+path, key, revision); err == nil {
				t.Errorf("%s can be opened", path)
			}
		}
	})
}

// TestToolSearch: the official client finds tools, and calls them through another one as it would by their names: with progress,
// with errors, and with no more than it may.
func TestToolSearch(t *testing.T) {
	const key = "a-key-that-searches"
	g := gateway.Start(t, gateway.Config("http://127.0.0.1:9/v1", sdkServers(t)...)+"  - {name: finds, key: "+key+", mcp_servers: [a], toolsets: [some], tool_search: true}\n"+
		"toolsets: {some: {b: [sum]}}\n")
	both(t, func(t *testing.T, revision string) {
		for _, path := range []string{"/mcp", "/mcp/a", "/mcp/some,a"} {
			s := dial(t, g.URL+path, key, revision)
			if got := names(t, s); !slices.Equal(got, []string{"search_tools", "call_tool"}) {
				t.Fatalf("%s lists %v", path, got)
			}
			found, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "search_tools", Arguments: map[string]any{"query": "adds integers", "limit": 1}})
			if err != nil || !strings.Contains(text(found), `sum","description":"Adds two integers."`) {
				t.Fatalf("%s: a search: %v, %v", path, found, err)
			}
			name := "a-sum"
			if path == "/mcp/a" {
				name = "sum"
			}
			through := func(name string, args any) (*mcp.CallToolResult, error) {
				return s.CallTool(t.Context(), &mcp.CallToolParams{Name: "call_tool", Arguments: map[string]any{"name": name, "arguments": args}})
			}
			res, err := through(name, map[string]any{"a": 40, "b": 2})
			if err != nil || text(res) != `{"sum":42}` || res.StructuredContent == nil {
				t.Errorf("%s: %v, %v", path, res, err)
			}
			if res, err := through(strings.Replace(name, "sum", "fail", 1), map[string]any{}); err != nil || !res.IsError || text(res) != "out of paper" {
				t.Errorf("%s: a tool that fails: %v, %v", path, res, err)
			}
			for _, none := range []string{"b-fail", "call_tool", "none"} {
				if _, err := through(none, map[string]any{}); err == nil || !strings.Contains(err.Error(), "Unknown tool: "+none) {
					t.Errorf("%s: %s: %v", path, none, err)
				}
			}
		}
	})
}
