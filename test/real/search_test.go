//go:build real

package real

import (
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/test/gateway"
	"github.com/fairlead/fairlead/test/scripted"
)

// TestSearchOfRealTools: over the real servers' tools, a search finds what is looked for among its first five, and what a model is
// sent shrinks. -v prints how much.
func TestSearchOfRealTools(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "git", "init", "--quiet", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	if err := os.WriteFile(dir+"/note.txt", []byte("a note"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdio := func(name string, tools int, pkg, script string, args ...string) member {
		return member{name: name, tools: tools, line: child(map[string]string{"NOTION_TOKEN": "a-token-for-tests"}, npm(pkg, script), args...)}
	}
	servers := []member{
		stdio("everything", 13, "@modelcontextprotocol/server-everything", "dist/index.js", "stdio"),
		stdio("files", 14, "@modelcontextprotocol/server-filesystem", "dist/index.js", dir),
		stdio("memory", 9, "@modelcontextprotocol/server-memory", "dist/index.js"),
		stdio("thinking", 1, "@modelcontextprotocol/server-sequential-thinking", "dist/index.js"),
		stdio("github", 26, "@modelcontextprotocol/server-github", "dist/index.js"),
		stdio("git", 28, "@cyanheads/git-mcp-server", "dist/index.js"),
		stdio("chart", 27, "@antv/mcp-server-chart", "build/index.js"),
		stdio("playwright", 25, "@playwright/mcp", "cli.js", "--headless"),
		stdio("notion", 24, "@notionhq/notion-mcp-server", "bin/cli.mjs"),
	}
	var lines []string
	for _, s := range servers {
		lines = append(lines, s.name+": "+s.line)
	}
	model := scripted.Start(t, map[string][]scripted.Turn{"m": {
		{Calls: []scripted.Call{{Name: "search_tools", Arguments: `{"query":"read a text file"}`}}},
		{Calls: []scripted.Call{{Name: "call_tool", Arguments: `{"name":"files-read_text_file","arguments":{"path":"` + dir + `/note.txt"}}`}}},
		{Text: "Done."},
	}, "plain": {{Text: "Done."}}})
	g := gateway.Start(t, gateway.Config(model.URL(), lines...))
	ready(t, g, servers)
	tools := searchEverything(t, g)

	sent := func(name string, search bool) int {
		before := len(model.Requests())
		client := openai.NewClient(option.WithBaseURL(g.URL+"/v1"), option.WithAPIKey(gateway.Key), option.WithMaxRetries(0))
		if _, err := client.Chat.Completions.New(t.Context(), openai.ChatCompletionNewParams{Model: name, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Go.")}},
			option.WithJSONSet("tools", []any{map[string]any{"type": "mcp", "server_url": "fairlead", "require_approval": "never"}}), option.WithHeader("x-fairlead-tool-search", strconv.FormatBool(search))); err != nil {
			t.Fatal(err)
		}
		return len(jsonedit.Get(model.Requests()[before].Raw, "tools"))
	}
	all, two := sent("plain", false), sent("m", true)
	t.Logf("%d tools of %d servers: a model is sent %d bytes of tools, with a search %d", tools, len(servers), all, two)
	if two*20 > all {
		t.Errorf("a search leaves %d of %d bytes", two, all)
	}
	if last := model.Requests()[len(model.Requests())-1]; !strings.Contains(last.Last().Text, "a note") {
		t.Errorf("through call_tool the model got %s", last.Last().Text)
	}
}

// searchEverything asks a gateway for tools that its servers have, and returns how many there are.
func searchEverything(t *testing.T, g *gateway.Gateway) int {
	t.Helper()
	connect := func(search string) *mcp.ClientSession {
		c := mcp.NewClient(&mcp.Implementation{Name: "search", Version: "1"}, nil)
		s, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: g.URL + "/mcp", HTTPClient: &http.Client{Transport: searching(search)}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	list, err := connect("false").ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := connect("true")
	for query, want := range map[string]string{
		"read a text file":                "files-read_text_file",
		"what is in a directory":          "files-list_directory",
		"create a pull request":           "github-create_pull_request",
		"search repositories":             "github-search_repositories",
		"open an issue on GitHub":         "github-create_issue",
		"commit staged changes":           "git-git_commit",
		"switch the branch":               "git-git_checkout",
		"draw a pie chart":                "chart-generate_pie_chart",
		"take a screenshot of a web page": "playwright-browser_take_screenshot",
		"click on a button":               "playwright-browser_click",
		"add two numbers":                 "everything-get-sum",
		"remember facts about entities":   "memory-create_entities",
		"write a comment":                 "notion-API-create-a-comment",
		"browser_navigate":                "playwright-browser_navigate",
	} {
		res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "search_tools", Arguments: map[string]any{"query": query}})
		if err != nil || res.IsError {
			t.Fatalf("%q: %v, %v", query, res, err)
		}
		var names []string
		text := res.Content[0].(*mcp.TextContent).Text
		for el := range jsonedit.Elements(jsonedit.Get([]byte(text), "tools")) {
			name, _ := jsonedit.Unquote(jsonedit.Get(el, "name"))
			names = append(names, name)
		}
		t.Logf("%q finds %d bytes: %s", query, len(text), strings.Join(names, ", "))
		if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+want+" ") {
			t.Errorf("%q finds no %s", query, want)
		}
	}
	return len(list.Tools)
}

// searching sends the gateway's key, and whether tools are found by a search.
type searching string

func (s searching) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+gateway.Key)
	r.Header.Set("X-Fairlead-Tool-Search", string(s))
	return http.DefaultTransport.RoundTrip(r)
}
