package mcpsdk

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
)

// row is a line of the table of what differs between the eras of the protocol: what the gateway does for a client of the older era
// (2024-11-05 to 2025-11-25) in front of a server of the stateless one (2026-07-28), and the other way round.
type row struct {
	name     string
	oldToNew func(t *testing.T, b *bridge)
	newToOld func(t *testing.T, b *bridge)
}

var rows = []row{
	{"no initialize", initializeOldToNew, initializeNewToOld},
	{"server/discover", discoverOldToNew, discoverNewToOld},
	{"version mismatch", versionOldToNew, versionNewToOld},
	{"removed methods", removedOldToNew, removedNewToOld},
	{"headers", headersOldToNew, headersNewToOld},
	{"x-mcp-header", paramOldToNew, paramNewToOld},
	{"no sessions", sessionsOldToNew, sessionsNewToOld},
	{"subscriptions", listenOldToNew, listenNewToOld},
	{"multi-round-trip requests", askOldToNew, askNewToOld},
	{"resultType", resultTypeOldToNew, resultTypeNewToOld},
	{"caching", cachingOldToNew, cachingNewToOld},
	{"logging", loggingOldToNew, loggingNewToOld},
	{"cancellation", cancelOldToNew, cancelNewToOld},
	{"progress", progressOldToNew, progressNewToOld},
	{"errors", errorsOldToNew, errorsNewToOld},
	{"elicitation ids", elicitationOldToNew, elicitationNewToOld},
	{"tasks", tasksOldToNew, tasksNewToOld},
	{"schemas", schemasOldToNew, schemasNewToOld},
	{"order and names", namesOldToNew, namesNewToOld},
	{"trace context", traceOldToNew, traceNewToOld},
}

// TestBridge holds every row of the table, in both directions.
func TestBridge(t *testing.T) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			b := newBridge(t)
			t.Run("old client, new server", func(t *testing.T) { r.oldToNew(t, b) })
			t.Run("new client, old server", func(t *testing.T) { r.newToOld(t, b) })
		})
	}
}

// lastCall is the last tools/call that a server has got.
func lastCall(t *testing.T, s *mcptest.Server) mcptest.Request {
	t.Helper()
	for _, r := range slices.Backward(s.Requests()) {
		if r.Method == "tools/call" {
			return r
		}
	}
	t.Fatal("no call came")
	return mcptest.Request{}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come to pass that %s", what)
		}
	}
}

func initializeOldToNew(t *testing.T, b *bridge) {
	for asked, got := range map[string]string{"2025-11-25": "2025-11-25", "2025-06-18": "2025-06-18", "2024-11-05": "2024-11-05", "1999-01-01": "2025-11-25"} {
		c := b.older(t, asked, `{"roots":{}}`)
		if v := c.headers.Get("Mcp-Protocol-Version"); v != got {
			t.Errorf("asked for %s it speaks %s", asked, v)
		}
		c.want(c.call("new-meta", `{}`), 200, `protocolVersion\":\"`+modern, `clientCapabilities\":{\"roots\":{}}`, `clientInfo`)
		c.want(c.ask("ping", ""), 200, `"result":{}`)
	}
	if n := b.news.Count("initialize"); n > 1 || b.news.Count("notifications/initialized")+b.news.Count("ping") > 0 { // one, to find out
		t.Errorf("%d handshakes with a server without one", n)
	}
}

func initializeNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, `{"roots":{}}`)
	c.meta = `"vendor/x":1.0,`
	c.want(c.call("old-meta", `{}`), 200, `{\"vendor/x\":1.0}`)
	c.want(c.call("old-meta", `{}`), 200, `{\"vendor/x\":1.0}`)
	if n := b.olds.Count("initialize"); n != 2 { // the one that is listed, and the client's
		t.Errorf("%d handshakes", n)
	}
	b.olds.Forget()
	c.want(c.call("old-meta", `{}`), 200, `{\"vendor/x\":1.0}`)
}

func discoverOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2025-11-25", `{}`)
	c.want(c.ask("server/discover", ""), 200, `"code":-32601`)
}

func discoverNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, `{}`)
	n := b.olds.Count("server/discover")
	c.want(c.ask("server/discover", ""), 200, `"supportedVersions":["2026-07-28"]`, `"tools":{"listChanged":true}`, `"ttlMs":`, `"cacheScope":"private"`, `"resultType":"complete"`)
	if b.olds.Count("server/discover") > max(n, 1) { // the probe of its era
		t.Error("the server was asked")
	}
}

func versionOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2099-01-01", `{}`)
	c.want(c.call("new-echo", `{"n":1.0}`), 200, `{\"n\":1.0}`)
	c.headers.Set("Mcp-Protocol-Version", "2020-01-01")
	c.want(c.call("new-echo", `{}`), 400, `"code":-32600`)
}

func versionNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, `{}`)
	c.headers.Set("Mcp-Protocol-Version", "2027-01-01")
	body := strings.Replace(c.body("tools/list", ""), modern, "2027-01-01", 1)
	c.want(c.post(body), 400, `"code":-32022`, `"data":{"supported":["2026-07-28"],"requested":"2027-01-01"}`)
}

// removed are the methods that the stateless era does not have.
var removed = []string{"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "notifications/roots/list_changed"}

func removedOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2025-11-25", `{}`)
	c.want(c.ask("ping", ""), 200, `"result":{}`)
	c.want(c.ask("logging/setLevel", `"level":"error"`), 200, `"result":{}`)
	c.want(c.ask("resources/subscribe", `"uri":"sdk-new+file:///book"`), 200, `"result":{}`)
	c.want(c.ask("resources/unsubscribe", `"uri":"sdk-new+file:///book"`), 200, `"result":{}`)
	c.want(c.post(`{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`), 202)
	for _, m := range removed {
		if b.news.Count(m) > 0 {
			t.Errorf("%s went to the server", m)
		}
	}
}

func removedNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, `{}`)
	for _, m := range removed {
		c.want(c.ask(m, ""), 404, `"code":-32601`)
	}
}

func headersOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2025-06-18", `{}`)
	c.want(c.call("new-echo", `{}`), 200)
	h := http.Header(lastCall(t, b.news).Header)
	if h.Get("Mcp-Method") != "tools/call" || h.Get("Mcp-Name") != "echo" || h.Get("Mcp-Protocol-Version") != modern || h.Get("Mcp-Session-Id") != "" {
		t.Errorf("%v", h)
	}
}

func headersNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, `{}`)
	n := b.olds.Count("tools/call")
	for _, name := range []string{"Mcp-Name", "Mcp-Method", "Mcp-Protocol-Version"} {
		body := c.body("tools/call", `"name":"old-echo"`)
		was := c.headers.Get(name)
		c.headers.Del(name)
		status := 400
		c.want(c.post(body), status, `"error"`)
		c.headers.Set(name, was)
	}
	body := c.body("tools/call", `"name":"old-echo"`)
	c.headers.Set("Mcp-Name", "old-hang")
	c.want(c.post(body), 400, `-32020`)
	if b.olds.Count("tools/call") != n {
		t.Error("a request that was refused went to the server")
	}
	c.headers.Set("Mcp-Name", "=?base64?"+base64.StdEncoding.EncodeToString([]byte("old-echo"))+"?=")
	c.want(c.post(body), 200, `"resultType":"complete"`)
	h := http.Header(lastCall(t, b.olds).Header)
	if h.Get("Mcp-Method") != "" || h.Get("Mcp-Name") != "" || h.Get("Mcp-Protocol-Version") != "2025-11-25" {
		t.Errorf("%v", h)
	}
}

func paramOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2025-11-25", `{}`)
	c.want(c.call("new-header", `{"n":7}`), 200, `{\"n\":7}`)
	if got := http.Header(lastCall(t, b.news).Header).Get("Mcp-Param-N"); got != "7" {
		t.Errorf("Mcp-Param-N is %q", got)
	}
}

func paramNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, `{}`)
	c.want(c.call("old-header", `{"n":7}`), 400, `-32020`)
	c.headers.Set("Mcp-Param-N", "7.0")
	c.want(c.call("old-header", `{"n":7}`), 200, `{\"n\":7}`)
	if got := http.Header(lastCall(t, b.olds).Header).Get("Mcp-Param-N"); got != "" {
		t.Errorf("Mcp-Param-N is %q", got)
	}
}

func sessionsOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2025-11-25", `{}`)
	c.want(c.call("new-echo", `{}`), 200)
	if got := http.Header(lastCall(t, b.news).Header).Get("Mcp-Session-Id"); got != "" {
		t.Errorf("the server gets the session %q", got)
	}
	if resp := c.send(t.Context(), http.MethodDelete, ""); resp.StatusCode != http.StatusNoContent {
		t.Errorf("DELETE: %d", resp.StatusCode)
	}
	c.want(c.call("new-echo", `{}`), 404)
}

func sessionsNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, `{}`)
	c.headers.Set("Mcp-Session-Id", "of-another-server")
	a := c.call("old-echo", `{}`)
	c.want(a, 200)
	if a.header.Get("Mcp-Session-Id") != "" {
		t.Error("a client without sessions gets one")
	}
	if got := http.Header(lastCall(t, b.olds).Header).Get("Mcp-Session-Id"); !strings.HasPrefix(got, "session-") {
		t.Errorf("the server gets the session %q", got)
	}
	if resp := c.send(t.Context(), http.MethodGet, ""); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", resp.StatusCode)
	}
}

// told returns the next message of a stream that holds part.
func told(t *testing.T, stream <-chan string, part string) string {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case d, ok := <-stream:
			if !ok {
				t.Fatalf("the stream ended before %s", part)
			}
			if strings.Contains(d, part) {
				return d
			}
		case <-late:
			t.Fatalf("%s did not come", part)
		}
	}
}

func listenOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2025-11-25", `{}`)
	c.want(c.ask("tools/list", ""), 200)
	c.want(c.ask("resources/subscribe", `"uri":"sdk-new+file:///book"`), 200, `"result":{}`)
	stream := dataOf(c.send(t.Context(), http.MethodGet, ""))
	until(t, "the gateway listens", func() bool { return b.news.Watching() > 0 })
	b.news.SetTools([]mcptest.Tool{{Name: "other"}})
	told(t, stream, "notifications/tools/list_changed")
	c.want(c.call("sdk-new-touch", `{}`), 200)
	told(t, stream, `"method":"notifications/resources/updated","params":{"uri":"sdk-new+file:///book"}`)
}

func listenNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, `{}`)
	c.want(c.ask("tools/list", ""), 200)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	stream := dataOf(c.send(ctx, http.MethodPost, c.body("subscriptions/listen", `"notifications":{"toolsListChanged":true,"resourceSubscriptions":["sdk-old+file:///book","none"]}`)))
	tag := fmt.Sprintf(`"io.modelcontextprotocol/subscriptionId":%d`, c.id)
	if ack := told(t, stream, "notifications/subscriptions/acknowledged"); !strings.Contains(ack, tag) || !strings.Contains(ack, `"notifications":{"toolsListChanged":true,"resourceSubscriptions":["sdk-old+file:///book"]}`) {
		t.Error(ack)
	}
	until(t, "the gateway listens", func() bool { return b.olds.Watching() > 0 })
	b.olds.SetTools([]mcptest.Tool{{Name: "other"}})
	if d := told(t, stream, "notifications/tools/list_changed"); !strings.Contains(d, tag) {
		t.Error(d)
	}
	c.want(c.call("sdk-old-touch", `{}`), 200)
	if d := told(t, stream, "notifications/resources/updated"); !strings.Contains(d, tag) || !strings.Contains(d, `"uri":"sdk-old+file:///book"`) {
		t.Error(d)
	}
}
