// Package differential sends the same scenarios to an MCP server and, through the gateway, to that server again, by its own
// address and by that of all servers, in both eras of the protocol. What the client sees must be the same to the byte, but for
// the changes that the table in declared_test.go declares.
package differential

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/test/gateway"
)

func TestMain(m *testing.M) {
	code := m.Run()
	gateway.Clean()
	os.Exit(code)
}

func TestDifferential(t *testing.T) {
	server := newFixture()
	upstream := httptest.NewServer(server)
	t.Cleanup(func() {
		upstream.CloseClientConnections()
		upstream.Close()
	})
	gateways := map[string]*gateway.Gateway{}
	for _, speaks := range []string{modern, older} {
		gateways[speaks] = gateway.Start(t, gateway.Config("http://127.0.0.1:1/v1", fmt.Sprintf("it: {url: %q, prefix: \"\", protocol: %q}", upstream.URL, speaks)))
	}
	for _, era := range []string{modern, older} {
		direct := play(t, era, upstream.URL, "", server)
		for speaks, g := range gateways {
			for _, path := range []string{"/mcp/it", "/mcp"} {
				t.Run(fmt.Sprintf("%s by %s%s", era, speaks, path), func(t *testing.T) {
					compare(t, way{era, speaks, path}, direct, play(t, era, g.URL+path, gateway.Key, server))
				})
			}
		}
	}
}

// way is which revision the client speaks, which the gateway speaks with the server, and the address.
type way struct{ client, server, path string }

// step is what one request of a scenario came to: lines that can be compared.
type step struct {
	name  string
	lines []string
}

// compare holds that got is what want becomes by the declared changes, each of which must be seen.
func compare(t *testing.T, w way, want, got []step) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d steps, want %d", len(got), len(want))
	}
	used := map[string]bool{}
	for i, direct := range want {
		lines := declare(w, direct, used)
		if strings.Join(lines, "\n") != strings.Join(got[i].lines, "\n") {
			t.Errorf("%s\ndirect, with what is declared:\n  %s\nthrough the gateway:\n  %s", direct.name, strings.Join(lines, "\n  "), strings.Join(got[i].lines, "\n  "))
		}
	}
	for _, d := range declared {
		if d.in(w) && !used[d.what] {
			t.Errorf("a change is declared that is not made: %s", d.what)
		}
	}
}
