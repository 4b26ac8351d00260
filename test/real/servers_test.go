//go:build real

package real

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/test/gateway"
	"github.com/fairlead/fairlead/test/scripted"
)

// house is a gateway in front of the official servers, over all transports.
func house(t *testing.T, model string) (*gateway.Gateway, string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	memory := gateway.Stdio("memory", []string{installed("node", "node"), server("memory")},
		map[string]string{"MEMORY_FILE_PATH": filepath.Join(dir, "memory.jsonl")})
	return gateway.Start(t, gateway.Config(model,
		stdio("everything", "everything", "stdio"),
		stdio("files", "filesystem", dir),
		memory,
		"http: {url: "+listenHTTP(t, "streamableHttp")+"/mcp}",
		"events: {url: "+listenHTTP(t, "sse")+"/sse}",
	)), dir
}

func TestServers(t *testing.T) {
	scripts := map[string][]scripted.Turn{
		"memory": {
			{Text: "I note it.", Calls: []scripted.Call{{
				Name:      "memory-create_entities",
				Arguments: `{"entities":[{"name":"Ada","entityType":"person","observations":["wrote the first program"]}]}`,
			}}},
			{Text: "I look it up.", Calls: []scripted.Call{{Name: "memory-search_nodes", Arguments: `{"query":"Ada"}`}}},
			{Text: "Found: {result}"},
		},
		"both": {
			{Calls: []scripted.Call{
				{Name: "everything-get-sum", Arguments: `{"a":2,"b":3}`},
				{Name: "http-get-sum", Arguments: `{"a":20,"b":30}`},
				{Name: "events-get-sum", Arguments: `{"a":200,"b":300}`},
			}},
			{Text: "All three."},
		},
	}
	for _, s := range []string{"everything", "http", "events"} {
		scripts["sum-"+s] = []scripted.Turn{
			{Text: "I add.", Calls: []scripted.Call{{Name: s + "-get-sum", Arguments: `{"a":2,"b":3}`}}},
			{Text: "Told: {result}"},
		}
	}
	scripts["files"] = []scripted.Turn{
		{Calls: []scripted.Call{{Name: "files-write_file", Arguments: `{"path":"DIR/note.txt","content":"a note"}`}}},
		{Calls: []scripted.Call{{Name: "files-read_text_file", Arguments: `{"path":"DIR/note.txt"}`}}},
		{Text: "It says: {result}"},
	}
	model := scripted.Start(t, scripts)
	g, dir := house(t, model.URL())
	for turn := range scripts["files"] {
		for call := range scripts["files"][turn].Calls {
			a := &scripts["files"][turn].Calls[call].Arguments
			*a = strings.ReplaceAll(*a, "DIR", dir)
		}
	}

	t.Run("list", func(t *testing.T) { allListed(t, g) })
	for _, s := range []string{"everything", "http", "events"} {
		t.Run(s, func(t *testing.T) {
			forms(t, func(t *testing.T, stream bool) {
				c := chat(t, g, ask("sum-"+s, s), stream)
				wantText(t, c, "I add.", "Told: ", "5")
				wantCalls(t, c, 2, s+"/get-sum")
			})
		})
	}
	t.Run("files", func(t *testing.T) {
		forms(t, func(t *testing.T, stream bool) {
			c := chat(t, g, ask("files", "files"), stream)
			wantText(t, c, "It says: a note")
			wantCalls(t, c, 3, "files/write_file", "files/read_text_file")
			if text, err := os.ReadFile(filepath.Join(dir, "note.txt")); err != nil || string(text) != "a note" {
				t.Errorf("the file holds %q, %v", text, err)
			}
		})
	})
	t.Run("memory", func(t *testing.T) {
		forms(t, func(t *testing.T, stream bool) {
			c := chat(t, g, ask("memory", "memory"), stream)
			wantText(t, c, "I note it.", "I look it up.", "Found: ", "wrote the first program")
			wantCalls(t, c, 3, "memory/create_entities", "memory/search_nodes")
		})
	})
	t.Run("side by side", func(t *testing.T) {
		forms(t, func(t *testing.T, stream bool) {
			c := chat(t, g, ask("both", "everything,http,events"), stream)
			wantText(t, c, "All three.")
			wantCalls(t, c, 2, "everything/get-sum", "http/get-sum", "events/get-sum")
			for i, sum := range []string{"5", "50", "500"} {
				if len(c.Fields.Results) == 3 && !strings.Contains(c.Fields.Results[i].Result, sum) {
					t.Errorf("result %d is %q, want a text with %s", i, c.Fields.Results[i].Result, sum)
				}
			}
		})
	})
	t.Run("nothing is left", func(t *testing.T) { nothingLeft(t, g) })
}

func wantText(t *testing.T, c completion, pieces ...string) {
	t.Helper()
	rest := c.Text
	for _, p := range pieces {
		_, after, ok := strings.Cut(rest, p)
		if !ok {
			t.Fatalf("the text is %q, want %q in it, in this order", c.Text, pieces)
		}
		rest = after
	}
	if c.Finish != "stop" {
		t.Errorf("finish_reason %q, want stop", c.Finish)
	}
}

// wantCalls checks the results (as server/tool) and that usage counts every turn.
func wantCalls(t *testing.T, c completion, turns int, calls ...string) {
	t.Helper()
	if len(c.Fields.Results) != len(calls) || len(c.Fields.Calls) != len(calls) {
		t.Fatalf("%d calls and %d results, want %d: %+v", len(c.Fields.Calls), len(c.Fields.Results), len(calls), c.Fields)
	}
	for i, r := range c.Fields.Results {
		if got := r.Server + "/" + r.Display; got != calls[i] || r.IsError || r.CallID != c.Fields.Calls[i].ID {
			t.Errorf("result %d: %+v, want %s for call %s", i, r, calls[i], c.Fields.Calls[i].ID)
		}
	}
	if len(c.Fields.Tools) == 0 {
		t.Error("mcp_list_tools is missing")
	}
	if len(c.Fields.Errors) > 0 {
		t.Errorf("mcp_errors: %+v", c.Fields.Errors)
	}
	if c.Input != turns*scripted.TurnInput || c.Output != turns*scripted.TurnOutput {
		t.Errorf("usage %d/%d, want %d turns of %d/%d", c.Input, c.Output, turns, scripted.TurnInput, scripted.TurnOutput)
	}
}

// allListed checks GET /v1/mcp/tools: every server has tools, none failed.
func allListed(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+"/v1/mcp/tools", http.NoBody)
	req.Header.Set("Authorization", "Bearer "+gateway.Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct {
		Tools []struct {
			Server string `json:"server"`
		} `json:"tools"`
		Errors []any `json:"errors"`
	}
	if err := json.UnmarshalRead(resp.Body, &list); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, tool := range list.Tools {
		count[tool.Server]++
	}
	// What server-everything lists to a client that declares no capabilities, and the whole lists of the others.
	want := map[string]int{"everything": 13, "http": 13, "events": 13, "files": 14, "memory": 9}
	for s, n := range want {
		if count[s] != n {
			t.Errorf("%s lists %d tools, want %d", s, count[s], n)
		}
	}
	if len(list.Errors) > 0 {
		t.Errorf("errors: %v", list.Errors)
	}
}

// nothingLeft stops the gateway and looks for processes that it left behind.
func nothingLeft(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	started := g.Children()
	if len(started) < 3 {
		t.Errorf("%d child processes run, want at least the three stdio servers", len(started))
	}
	if err := g.Stop(); err != nil {
		t.Errorf("the gateway ended with %v", err)
	}
	for _, pid := range started {
		for end := time.Now().Add(patience); gateway.Alive(pid); {
			if time.Now().After(end) {
				t.Errorf("the child process %d is still there", pid)
				break
			}
			time.Sleep(10 * time.Millisecond) // a killed process takes a moment to be reaped
		}
	}
}
