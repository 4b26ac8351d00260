package state

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/test/gateway"
	"github.com/fairlead/fairlead/test/scripted"
)

// logIn follows the link in an answer.
func logIn(t *testing.T, answer []byte) {
	t.Helper()
	if text := scripted.LogIn(t, scripted.Link(answer)); !strings.Contains(text, "docs is connected") {
		t.Fatal(text)
	}
}

// TestLogins: a user logs in to a server by the link in a reply, on one process, and is let in on every other one that shares the
// store. At the token's end, a hundred calls on two processes have it renewed once, and none fails.
func TestLogins(t *testing.T) {
	stores := map[string]string{"sqlite": filepath.Join(t.TempDir(), "store.db")}
	if address := os.Getenv("FAIRLEAD_TEST_POSTGRES"); address != "" {
		stores["postgres"] = address
	}
	for name, store := range stores {
		t.Run(name, func(t *testing.T) { testLogins(t, store) })
	}
}

func testLogins(t *testing.T, store string) {
	p := newPeers(t)
	tools := mcptest.New(mcptest.Spec{Tools: []mcptest.Tool{{Name: "mark", Func: p.mark}}})
	t.Cleanup(tools.Close)
	l := scripted.NewLocked(t, tools.HTTP())
	config := gateway.Config(p.model.URL(), fmt.Sprintf("marks: {url: %q}", p.mcp), fmt.Sprintf("docs: {url: %q, auth: {type: oauth}}", l.URL+"/mcp")) +
		fmt.Sprintf("store: %q\nsecrets: [%q]\n", store, "a-secret-of-both-replicas")
	a, b := gateway.Start(t, config), gateway.Start(t, config)
	get := func(g *gateway.Gateway, method, path string, body any, want int) []byte {
		t.Helper()
		status, raw, err := send(t.Context(), g, method, path, body)
		if err != nil || status != want {
			t.Fatalf("%s: %d %v %s", path, status, err, raw)
		}
		return raw
	}
	chat := func(servers string) any {
		return map[string]any{
			"model": "m", "messages": []any{map[string]any{"role": "user", "content": "hello"}},
			"tools": []any{map[string]any{"type": "mcp", "server_label": "x", "server_url": "fairlead/mcp/" + servers, "require_approval": "never"}},
		}
	}
	const completions, listed, called = "/v1/chat/completions", "/mcp-rest/tools/list", "/mcp-rest/tools/call"
	if raw := get(a, http.MethodPost, completions, chat("docs"), http.StatusFailedDependency); scripted.Link(raw) == "" {
		t.Errorf("there is no link in %s", raw)
	}
	raw := get(a, http.MethodPost, completions, chat("docs,marks"), http.StatusOK)
	if !strings.Contains(string(raw), `"mcp_errors":[{"server":"docs"`) || !strings.Contains(string(raw), "marks-mark") {
		t.Errorf("a reply of the other server is %s", raw)
	}
	l.Life(1) // it is over when it is there
	logIn(t, get(b, http.MethodGet, listed, nil, http.StatusOK))
	l.Life(3600)
	hundred := func(renewals int) {
		t.Helper()
		var wg sync.WaitGroup
		for i := range 100 {
			g := a
			if i%2 == 1 {
				g = b
			}
			wg.Go(func() {
				status, raw, err := send(t.Context(), g, http.MethodPost, called, map[string]any{"server_id": "docs", "name": "mark", "arguments": map[string]any{"mark": "x"}})
				if err != nil || status != http.StatusOK || !strings.Contains(string(raw), "marked x") {
					t.Errorf("%d %v %s", status, err, raw)
				}
			})
		}
		wg.Wait()
		if n := l.Renewals(); n != renewals {
			t.Errorf("%d renewals, want %d", n, renewals)
		}
	}
	hundred(1)
	hundred(1)
	get(b, http.MethodPost, completions, chat("docs"), http.StatusOK)
	l.Revoke()
	raw = get(a, http.MethodPost, called, map[string]any{"server_id": "docs", "name": "mark", "arguments": map[string]any{"mark": "x"}}, http.StatusOK)
	if !strings.Contains(string(raw), `"isError":true`) {
		t.Errorf("a server that takes the token no more: %s", raw)
	}
	logIn(t, raw)
	hundred(2)
	if m := regexp.MustCompile(`oauth/login/[\w-]{8,}`).FindString(a.Log() + b.Log()); m != "" {
		t.Errorf("a link is in the log: %s", m)
	}
	for _, v := range l.Seen() {
		if strings.Contains(v, gateway.Key) || strings.Contains(v, "a-secret-of-both-replicas") {
			t.Errorf("a secret of the gateway went out: %s", v)
		}
	}
}
