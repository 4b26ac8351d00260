//go:build real

package real

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/test/gateway"
)

// TestSSEClient has the official TypeScript client list, call and hear of progress over HTTP+SSE, in front of an official server. The
// client forgets about progress that comes just before an answer.
func TestSSEClient(t *testing.T) {
	g := gateway.Start(t, gateway.Config("http://127.0.0.1:1/v1", stdio("everything", "everything", "stdio")))
	beside(t, "clients", "")
	out := runNode(t, []string{"BASE_URL=" + g.URL, "API_KEY=" + gateway.Key}, installed("clients", "mcp-sse.mjs"), "/sse/everything")
	var seen struct {
		Tools    []string  `json:"tools"`
		Echo     string    `json:"echo"`
		Long     string    `json:"long"`
		Progress []float64 `json:"progress"`
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !slices.Contains(seen.Tools, "echo") || seen.Echo != "Echo: hello" || !strings.Contains(seen.Long, "completed") || len(seen.Progress) == 0 {
		t.Errorf("%s", out)
	}
}

// TestBridgeConformance runs the scenarios of the stateless era through the gateway in front of a server that speaks the older era
// alone, whose questions the gateway asks in the manner of the stateless one. Two scenarios want what only a server of that era can
// know: the key of a question, and a second round that the SDK's server answers as a result.
func TestBridgeConformance(t *testing.T) {
	g := gateway.Start(t, "mcp_servers:\n  everything: {url: "+everything(t)+", prefix: \"\", protocol: \"2025-11-25\"}\n")
	passed, failed := conform(t, g.URL+"/mcp/everything", "2026-07-28")
	slices.Sort(failed)
	if want := []string{"input-required-result-basic-elicitation", "input-required-result-multi-round"}; passed != 35 || !slices.Equal(failed, want) {
		t.Errorf("%d required scenarios pass, want 35; these fail: %v", passed, failed)
	}
}
