package churn

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/test/gateway"
)

// TestStreamsAbandoned: sessions of the older era are opened, each with a stream for notifications, and left without a word.
func TestStreamsAbandoned(t *testing.T) {
	g := gateway.Start(t, gateway.Config("http://127.0.0.1:1/v1", gateway.Scripted("s", mcptest.Spec{Tools: []mcptest.Tool{{Name: "echo", Do: mcptest.Echo}}})))
	control := gateway.Start(t, gateway.Config("http://127.0.0.1:1/v1", gateway.Scripted("s", mcptest.Spec{Tools: []mcptest.Tool{{Name: "echo", Do: mcptest.Echo}}})))
	for _, one := range []*gateway.Gateway{g, control} {
		must(t, "its server runs", func() bool { return len(one.Children()) == 1 })
		open(t, one)()
	}
	before, memory := files(g.PID()), resident(g.PID())
	const sessions = 300
	var leave []func()
	for range sessions {
		leave = append(leave, open(t, g))
	}
	t.Logf("a session with a stream takes %d KiB", (resident(g.PID())-memory)/sessions>>10)
	for _, f := range leave {
		f()
	}
	must(t, "no more is open than before", func() bool { return files(g.PID()) <= before })
	if n := len(g.Children()); n != 1 {
		t.Errorf("%d children, want 1", n)
	}
	if is, was := goroutines(t, g), goroutines(t, control); is > was+4 {
		t.Errorf("%d goroutines after %d sessions, %d after one", is, sessions, was)
	}
}

// open opens a session with a stream, and returns what leaves it.
func open(t *testing.T, g *gateway.Gateway) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	own := &http.Client{Transport: &http.Transport{}}
	do := func(method, session, body string) *http.Response {
		r, err := http.NewRequestWithContext(ctx, method, g.URL+"/mcp", bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer " + gateway.Key}, "Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
		if session != "" {
			r.Header.Set("Mcp-Session-Id", session)
		}
		resp, err := own.Do(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		return resp
	}
	first := do(http.MethodPost, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`)
	_ = first.Body.Close()
	stream := do(http.MethodGet, first.Header.Get("Mcp-Session-Id"), "")
	return func() {
		cancel()
		_ = stream.Body.Close()
		own.CloseIdleConnections()
	}
}

// resident is the memory of a process in bytes; Linux only, elsewhere 0.
func resident(pid int) int {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	var size, pages int
	_, _ = fmt.Sscan(string(stat), &size, &pages)
	return pages * os.Getpagesize()
}
