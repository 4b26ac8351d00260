//go:build real

package real

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/test/gateway"
)

// member is one real server as the gateway sees it.
type member struct {
	name  string
	line  string // of the config
	tools int    // that it lists to a client without capabilities
	calls []visitCall
}

// visitCall is a call of a tool by the server's own name, and what is in the answer.
type visitCall struct {
	Tool      string         `json:"tool"`
	Arguments jsontext.Value `json:"arguments"`

	want  string
	fails bool // the answer is an error: the tool wants the world outside, which there is none of
}

func works(tool, args, want string) visitCall {
	return visitCall{tool, jsontext.Value(args), want, false}
}

func fails(tool, args, want string) visitCall {
	return visitCall{tool, jsontext.Value(args), want, true}
}

// fleet starts every real server that stands on its own, once, over every transport that it speaks, and returns them with a
// tool of each that works on a machine without a network. A server that is started by its command is started by the gateway.
func fleet(t *testing.T) []member {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "note.txt"), []byte("a note"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "git", "init", "--quiet", "--initial-branch=trunk", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	p := &ports{t: t}
	all := append(official(p, dir), others(p, dir, vendor(t))...)
	p.wait()
	return all
}

// official are the servers of the protocol's own people.
func official(p *ports, dir string) []member {
	p.t.Helper()
	basics := []visitCall{works("echo", `{"message":"hi"}`, "Echo: hi"), works("get-sum", `{"a":2,"b":3}`, "The sum of 2 and 3 is 5.")}
	budget := []visitCall{works("get-budget-data", `{}`, "Default Budget")}
	monitor := []visitCall{works("get-system-info", `{}`, "cpu")}
	conformance := []visitCall{works("test_simple_text", `{}`, "simple text"), fails("test_error_handling", `{}`, "error")}
	thought := `{"thought":"so","nextThoughtNeeded":false,"thoughtNumber":1,"totalThoughts":1}`
	return []member{
		{"everything", child(nil, npm("@modelcontextprotocol/server-everything", "dist/index.js"), "stdio"), 13, basics},
		{"everything-http", at(p.start(nil, npm("@modelcontextprotocol/server-everything", "dist/index.js"), "streamableHttp") + "/mcp"), 13, basics},
		{"everything-sse", at(p.start(nil, npm("@modelcontextprotocol/server-everything", "dist/index.js"), "sse") + "/sse"), 13, basics},
		{"files", child(nil, npm("@modelcontextprotocol/server-filesystem", "dist/index.js"), dir), 14, []visitCall{works("read_text_file", `{"path":"`+dir+`/note.txt"}`, "a note")}},
		{"memory", child(map[string]string{"MEMORY_FILE_PATH": filepath.Join(dir, "memory.jsonl")}, npm("@modelcontextprotocol/server-memory", "dist/index.js")), 9, []visitCall{works("read_graph", `{}`, "entities")}},
		{"thinking", child(nil, npm("@modelcontextprotocol/server-sequential-thinking", "dist/index.js")), 1, []visitCall{works("sequentialthinking", thought, "thoughtHistoryLength")}},
		// It speaks 2024-11-05, and what it has is elsewhere.
		{"github", child(nil, npm("@modelcontextprotocol/server-github", "dist/index.js")), 26, []visitCall{fails("search_repositories", `{"query":"x"}`, "fetch failed")}},
		{"monitor", child(nil, npm("@modelcontextprotocol/server-system-monitor", "dist/index.js"), "--stdio"), 2, monitor},
		{"monitor-http", at(p.start(nil, npm("@modelcontextprotocol/server-system-monitor", "dist/index.js")) + "/mcp"), 2, monitor},
		{"budget", child(nil, npm("@modelcontextprotocol/server-budget-allocator", "dist/index.js"), "--stdio"), 1, budget},
		{"budget-http", at(p.start(nil, npm("@modelcontextprotocol/server-budget-allocator", "dist/index.js")) + "/mcp"), 1, budget},
		{"go", at(everything(p.t)), 28, conformance},
		{"typescript", at(p.start(nil, beside(p.t, "servers", "dual.mjs")) + "/"), 1, []visitCall{works("add", `{"a":2,"b":3}`, "2 + 3 = 5")}},
	}
}

// others are servers of vendors; what they want from a vendor's machine they get from the stand-in.
func others(p *ports, dir, stand string) []member {
	p.t.Helper()
	git := []visitCall{works("git_status", `{"path":"`+dir+`"}`, "trunk")}
	chart := []visitCall{works("generate_pie_chart", `{"data":[{"category":"a","value":1}]}`, "drawn by the stand-in")}
	chartEnv := map[string]string{"VIS_REQUEST_SERVER": stand + "/chart"}
	page := []visitCall{fails("browser_tabs", `{"action":"list"}`, "chrome")} // there is no browser
	notion := []visitCall{works("API-get-self", `{}`, "the stand-in's user")}
	notionEnv := map[string]string{"NOTION_TOKEN": "a-token-for-tests", "BASE_URL": stand}
	browser := strings.Replace(p.start(nil, npm("@playwright/mcp", "cli.js"), "--headless", "--host", "127.0.0.1", "--port", "PORT"), "127.0.0.1", "localhost", 1)
	return []member{
		{"git", child(nil, npm("@cyanheads/git-mcp-server", "dist/index.js")), 28, git},
		{"git-http", at(p.start(map[string]string{"MCP_TRANSPORT_TYPE": "http", "MCP_HTTP_HOST": "127.0.0.1", "MCP_HTTP_PORT": "PORT"}, npm("@cyanheads/git-mcp-server", "dist/index.js")) + "/mcp"), 28, git},
		{"chart", child(chartEnv, npm("@antv/mcp-server-chart", "build/index.js")), 27, chart},
		{"chart-http", at(p.start(chartEnv, npm("@antv/mcp-server-chart", "build/index.js"), "--transport", "streamable", "--port", "PORT") + "/mcp"), 27, chart},
		{"chart-sse", at(p.start(chartEnv, npm("@antv/mcp-server-chart", "build/index.js"), "--transport", "sse", "--port", "PORT") + "/sse"), 27, chart},
		{"playwright", child(nil, npm("@playwright/mcp", "cli.js"), "--headless"), 25, page},
		{"playwright-http", at(browser + "/mcp"), 25, page},
		{"playwright-sse", at(browser + "/sse"), 25, page},
		{"notion", child(notionEnv, npm("@notionhq/notion-mcp-server", "bin/cli.mjs")), 24, notion},
		{"notion-http", at(p.start(notionEnv, npm("@notionhq/notion-mcp-server", "bin/cli.mjs"), "--transport", "http", "--port", "PORT", "--unsafe-disable-auth") + "/mcp"), 24, notion},
	}
}

// vendor stands in for the machines that servers want to reach.
func vendor(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	say := func(pattern, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body)
		})
	}
	say("POST /chart", `{"success":true,"resultObj":"drawn by the stand-in"}`)
	say("GET /v1/users/me", `{"object":"user","name":"the stand-in's user"}`)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// npm is a script in an installed package.
func npm(pkg, script string) string { return installed("node_modules", pkg, script) }

// beside is a script of this folder, copied beside the installed packages, where its imports look.
func beside(t *testing.T, folder, script string) string {
	t.Helper()
	if err := os.RemoveAll(installed(folder)); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(installed(folder), os.DirFS(here(folder))); err != nil {
		t.Fatal(err)
	}
	return installed(folder, script)
}

// child is a server that the gateway starts; it stays on this machine.
func child(env map[string]string, script string, args ...string) string {
	command := append([]string{installed("node", "node"), "--require", here("loopback.cjs"), script}, args...)
	text, err := json.Marshal(map[string]any{"command": command, "env": env}, json.Deterministic(true))
	if err != nil {
		panic(err) // strings that are not UTF-8
	}
	return string(text)
}

func at(url string) string { return fmt.Sprintf("{url: %q}", url) }

// before is a gateway in front of the members, and of one server that nobody finds. It returns when all have been listed.
func before(t *testing.T, model string, members []member) *gateway.Gateway {
	t.Helper()
	lines := []string{"down: " + at("http://127.0.0.1:1/mcp")}
	for _, m := range members {
		lines = append(lines, m.name+": "+m.line)
	}
	g := gateway.Start(t, gateway.Config(model, lines...))
	ready(t, g, members)
	return g
}

// health is what GET /v1/mcp/servers says of a server.
type health struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	Tools  int    `json:"tools"`
	Error  string `json:"error"`
}

// ready waits until every member was listed, and says which of them was not, or not whole.
func ready(t *testing.T, g *gateway.Gateway, members []member) {
	t.Helper()
	want := map[string]int{}
	for _, m := range members {
		want[m.name] = m.tools
	}
	for end := time.Now().Add(2 * patience); ; time.Sleep(100 * time.Millisecond) {
		var wrong []string
		for _, h := range servers(t, g) {
			n, member := want[h.Name]
			if member && (h.Status != "healthy" || h.Tools != n) {
				wrong = append(wrong, fmt.Sprintf("%s is %s with %d tools, want %d (%s)", h.Name, h.Status, h.Tools, n, h.Error))
			}
		}
		if len(wrong) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal(strings.Join(wrong, "\n"))
		}
	}
}

func servers(t *testing.T, g *gateway.Gateway) []health {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+"/v1/mcp/servers", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+gateway.Key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct {
		Servers []health `json:"servers"`
	}
	if err := json.UnmarshalRead(resp.Body, &list); err != nil {
		t.Fatal(err)
	}
	return list.Servers
}
