package blackbox

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/test/gateway"
)

// bearer sends the gateway's key.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

func keyed(key string) *http.Client { return &http.Client{Transport: bearer(key)} }

// sdkClient connects the official Go client to a path of the gateway. An empty revision is the client's own choice.
func sdkClient(t *testing.T, url, revision string, o *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	return connect(t, gatewayKey, url, revision, o)
}

// sdkGateway is sdkClient for a gateway with the config of gateway.Config.
func sdkGateway(t *testing.T, url, revision string, o *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	return connect(t, gateway.Key, url, revision, o)
}

func connect(t *testing.T, key, url, revision string, o *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	if o == nil {
		o = &mcp.ClientOptions{}
	}
	c := mcp.NewClient(&mcp.Implementation{Name: "blackbox", Version: "1"}, o)
	s, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: keyed(key)}, &mcp.ClientSessionOptions{ProtocolVersion: revision})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// revisions are those of both eras, as the official client speaks them.
var revisions = []string{"2026-07-28", "2025-11-25", "2025-06-18"}

func each(t *testing.T, do func(t *testing.T, revision string)) {
	t.Helper()
	for _, r := range revisions {
		t.Run(r, func(t *testing.T) {
			t.Parallel()
			do(t, r)
		})
	}
}

func toolNames(t *testing.T, s *mcp.ClientSession) []string {
	t.Helper()
	list, err := s.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	return names
}

func textOf(r *mcp.CallToolResult) string {
	if r == nil {
		return ""
	}
	var all []string
	for _, c := range r.Content {
		if text, ok := c.(*mcp.TextContent); ok {
			all = append(all, text.Text)
		}
	}
	return strings.Join(all, "\n")
}

const mcpGiven = "-- server files --\n" + `{"tools":[{"name":"read","do":"echo"},{"name":"slow","do":"steps","count":3,"text":"at last"},{"name":"hang","do":"hang"}]}` +
	"\n-- server docs --\n" + `{"transport":"http","tools":[{"name":"read","do":"echo"},{"name":"more","do":"change","text":"more"},{"name":"no","do":"fail","text":"out of paper"}]}`

// TestMCPClient: the official client lists and calls through both doors, whatever it speaks and whatever the server does.
func TestMCPClient(t *testing.T) {
	t.Parallel()
	tr := house(t, mcpGiven)
	each(t, func(t *testing.T, revision string) {
		all := sdkClient(t, tr.gateway.URL+"/mcp", revision, nil)
		if got := all.InitializeResult().ProtocolVersion; got != revision {
			t.Errorf("it speaks %s", got)
		}
		names := toolNames(t, all)
		if want := []string{"files-read", "files-slow", "files-hang", "docs-read"}; !slices.Equal(names[:4], want) {
			t.Errorf("it lists %v, want %v first", names, want)
		}
		for _, name := range []string{"files-read", "docs-read"} {
			res, err := all.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: map[string]any{"a": 1}})
			if err != nil || textOf(res) != `{"a":1}` {
				t.Errorf("%s: %v, %v", name, res, err)
			}
		}
		one := sdkClient(t, tr.gateway.URL+"/mcp/docs", revision, nil)
		if names := toolNames(t, one); names[0] != "read" {
			t.Errorf("the one server lists %v", names)
		}
		res, err := one.CallTool(t.Context(), &mcp.CallToolParams{Name: "no"})
		if err != nil || !res.IsError || textOf(res) != "out of paper" {
			t.Errorf("%v, %v", res, err)
		}
		if _, err := all.CallTool(t.Context(), &mcp.CallToolParams{Name: "files-none"}); err == nil || !strings.Contains(err.Error(), "Unknown tool") {
			t.Errorf("an unknown tool: %v", err)
		}
	})
}

// TestMCPProgress: progress reaches the client that asked for it, and a call that is given up is cancelled at its server.
func TestMCPProgress(t *testing.T) {
	t.Parallel()
	tr := house(t, mcpGiven)
	for i, revision := range revisions {
		var mu sync.Mutex
		var told []float64
		s := sdkClient(t, tr.gateway.URL+"/mcp", revision, &mcp.ClientOptions{ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			mu.Lock()
			defer mu.Unlock()
			if r.Params.ProgressToken == "mine" {
				told = append(told, r.Params.Progress)
			}
		}})
		p := &mcp.CallToolParams{Name: "files-slow"}
		p.SetProgressToken("mine")
		if res, err := s.CallTool(t.Context(), p); err != nil || textOf(res) != "at last" {
			t.Errorf("%s: %v, %v", revision, res, err)
		}
		must(t, revision+": there is progress", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.Equal(told, []float64{1, 2, 3})
		})
		ctx, giveUp := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if _, err := s.CallTool(ctx, &mcp.CallToolParams{Name: "files-hang"}); err == nil {
			t.Errorf("%s: a call that hangs has an answer", revision)
		}
		giveUp()
		must(t, revision+": the server is told that the call is over", func() bool { return tr.server("files").count(t, "cancelled") == i+1 })
	}
}

// TestMCPListChanged: clients of both eras hear that a server's tools have changed.
func TestMCPListChanged(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, revision string) {
		tr := house(t, mcpGiven)
		changed := make(chan struct{}, 8)
		s := sdkClient(t, tr.gateway.URL+"/mcp", revision, &mcp.ClientOptions{ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- struct{}{} }})
		before := toolNames(t, s)
		if _, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "docs-more"}); err != nil {
			t.Fatal(err)
		}
		select {
		case <-changed:
		case <-time.After(patience):
			t.Fatal("the client was not told")
		}
		if after := toolNames(t, s); len(after) != len(before)+1 || !slices.Contains(after, "docs-new") {
			t.Errorf("then it lists %v", after)
		}
	})
}

// TestMCPReplicas: a session goes on in another process that has the same secret, after a restart too.
func TestMCPReplicas(t *testing.T) {
	t.Parallel()
	config := gateway.Config("http://127.0.0.1:1/v1", gateway.Scripted("s", mcptest.Spec{Tools: []mcptest.Tool{{Name: "echo", Do: mcptest.Echo}}})) + "secrets: [a-secret-of-many-replicas]\n"
	one, two := gateway.Start(t, config), gateway.Start(t, config)
	other := gateway.Start(t, strings.Replace(config, "secrets: [a-secret-of-many-replicas]\n", "", 1))
	post := func(g *gateway.Gateway, session, body string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+"/mcp", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+gateway.Key)
		r.Header.Set("Content-Type", "application/json")
		if session != "" {
			r.Header.Set("Mcp-Session-Id", session)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	id := post(one, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`).Header.Get("Mcp-Session-Id")
	_ = one.Stop()
	for g, want := range map[*gateway.Gateway]int{two: 200, other: 404} {
		if got := post(g, id, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"s-echo"}}`).StatusCode; got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	}
}

// TestAttack02TokenPassthrough: the gateway's key goes to no server, in whatever header it came.
func TestAttack02TokenPassthrough(t *testing.T) {
	t.Parallel()
	tr := house(t, strings.Replace(mcpGiven, `"transport":"http",`, `"transport":"http","config":{"forward_headers":["authorization","cookie"]},`, 1))
	for _, h := range []string{"Authorization: Bearer {{key}}", "Authorization:\nx-api-key: {{key}}", "x-litellm-api-key: {{key}}\nAuthorization: Bearer {{key}}"} {
		raw, _ := tr.send("POST /mcp/docs\n" + h + "\nCookie: key={{key}}\nMcp-Protocol-Version: 2026-07-28\nMcp-Method: tools/call\nMcp-Name: read\n\n" +
			`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`)
		if !strings.Contains(raw, `"resultType":"complete"`) {
			t.Error(raw)
		}
	}
	// house looks for the key in all that the servers saw.
}

// mcptestNothing is a server with nothing but a tool.
var mcptestNothing = mcptest.Spec{Tools: []mcptest.Tool{{Name: "t"}}}

// TestMCPChurn: sessions that are opened and left take little, and leave nothing behind.
func TestMCPChurn(t *testing.T) {
	t.Parallel()
	tr := house(t, mcpGiven)
	raw, _ := tr.send("POST /mcp\n\n" + mcpInitialize) // what the first one takes, all share
	if !strings.Contains(raw, "Mcp-Session-Id") {
		t.Fatal(raw)
	}
	before := resident(tr.gateway.PID())
	const sessions = 1000
	client := &http.Client{Transport: bearer(gatewayKey)}
	for range sessions {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, tr.gateway.URL+"/mcp", strings.NewReader(mcpInitialize))
		r.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		id := resp.Header.Get("Mcp-Session-Id")
		resp.Body.Close()
		r, _ = http.NewRequestWithContext(t.Context(), http.MethodPost, tr.gateway.URL+"/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Mcp-Session-Id", id)
		if resp, err = client.Do(r); err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		resp.Body.Close()
	}
	if grown := resident(tr.gateway.PID()) - before; grown > 32<<20 {
		t.Errorf("%d sessions took %d KiB each", sessions, grown/sessions>>10)
	} else {
		t.Logf("%d sessions took %.1f KiB each", sessions, float64(grown)/sessions/1024)
	}
	if n := len(tr.gateway.Children()); n != 1 {
		t.Errorf("%d children, want 1", n)
	}
}

const mcpInitialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`

// resident is the memory of a process in bytes; Linux only, elsewhere 0.
func resident(pid int) int {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	var size, pages int
	_, _ = fmt.Sscan(string(stat), &size, &pages)
	return pages * os.Getpagesize()
}

// TestMCPServers: how the servers stand, those that the key may use.
func TestMCPServers(t *testing.T) {
	t.Parallel()
	tr := house(t, mcpGiven+"\n-- server dead --\n"+`{"transport":"down"}`)
	must(t, "all servers have been asked", func() bool {
		raw, _ := tr.send("GET /v1/mcp/servers")
		return strings.Contains(raw, `{"name":"files","status":"healthy","tools":3,"listed_at":"`) && strings.Contains(raw, `{"name":"docs","status":"healthy","tools":3,`) &&
			strings.Contains(raw, `{"name":"dead","status":"unhealthy","tools":0,"error":"the server could not be reached"}`)
	})
}

// TestMCPStdio: the gateway is a server over standard input and output for the official client, in both eras, and leaves no
// process behind.
func TestMCPStdio(t *testing.T) {
	t.Parallel()
	config := gateway.Config("http://127.0.0.1:1/v1", gateway.Scripted("s", mcptest.Spec{Tools: []mcptest.Tool{{Name: "echo", Do: mcptest.Echo}}}), gateway.Scripted("u", mcptestNothing)) +
		"  - {name: narrow, key: another-key-for-tests, mcp_servers: [u]}\n"
	file := filepath.Join(t.TempDir(), "fairlead.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func(t *testing.T, revision string, args ...string) *mcp.ClientSession {
		t.Helper()
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), gateway.Binary(t), append([]string{"mcp", "--config", file}, args...)...)
		c := mcp.NewClient(&mcp.Implementation{Name: "blackbox", Version: "1"}, nil)
		s, err := c.Connect(t.Context(), &mcp.CommandTransport{Command: cmd}, &mcp.ClientSessionOptions{ProtocolVersion: revision})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Errorf("it does not end well: %v", err)
			}
		})
		return s
	}
	each(t, func(t *testing.T, revision string) {
		s := start(t, revision)
		if got := toolNames(t, s); !slices.Equal(got, []string{"s-echo", "u-t"}) {
			t.Errorf("it lists %v", got)
		}
		if res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "s-echo", Arguments: map[string]any{"a": 1}}); err != nil || textOf(res) != `{"a":1}` {
			t.Errorf("%v, %v", res, err)
		}
		if got := toolNames(t, start(t, revision, "--key", "narrow")); !slices.Equal(got, []string{"u-t"}) {
			t.Errorf("the key's tools are %v", got)
		}
	})
}
