package blackbox

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// TestAttack09NoCommandsFromRequests: servers that are commands come from the config's file alone. Whatever a request calls one, in
// any dialect and at any address, nothing is run.
func TestAttack09NoCommandsFromRequests(t *testing.T) {
	t.Parallel()
	tr := house(t, "-- config --\nexternal_mcp: {allow: [\"*\"]}\n"+oneTool, slices.Repeat([]providertest.Step{providertest.Text("Done.")}, 100)...)
	canary := filepath.Join(t.TempDir(), "ran")
	tr.responses(response(entryOf("never"), userItem)).fine() // the config's own child is there
	children := tr.gateway.Children()
	command := `"command":["touch","` + canary + `"],"transport":"stdio","args":["` + canary + `"]`
	for _, url := range []string{"stdio:touch " + canary, "stdio://touch/" + canary, "file://" + canary, "touch " + canary, "/bin/touch", "fairlead/mcp/touch", "fairlead/mcp/../../bin/touch", "$(touch " + canary + ")", "`touch " + canary + "`"} {
		for _, r := range []struct{ path, body string }{
			{"/v1/chat/completions", chat(`"tools":[{"type":"mcp","server_url":"` + url + `",` + command + `}]`)},
			{"/v1/responses", response(`"tools":[{"type":"mcp","server_label":"x","server_url":"`+url+`",`+command+`}]`, userItem)},
			{"/v1/messages", message(`,"mcp_servers":[{"type":"stdio","url":"` + url + `","name":"x",` + command + `}],"tools":[{"type":"mcp_toolset","mcp_server_name":"x"}]`)},
			{"/v1/messages", message(`,"mcp_servers":[{"type":"url","url":"` + url + `","name":"x"}],"tools":[{"type":"mcp_toolset","mcp_server_name":"x"}]`)},
		} {
			if a := tr.call(http.MethodPost, r.path, r.body, connector); a.status < 400 || a.status > 499 {
				t.Errorf("%s with %s: status %d: %s", r.path, url, a.status, a.text)
			}
		}
	}
	for _, path := range []string{"/v1/mcp/servers", "/v1/mcp/server", "/mcp-rest/servers", "/mcp/servers", "/mcp/touch", "/mcp-rest/tools/call"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch} {
			if a := tr.call(method, path, `{"server_id":"touch","name":"touch","server_name":"touch",`+command+`}`); a.status < 400 || a.status > 499 {
				t.Errorf("%s %s: status %d: %s", method, path, a.status, a.text)
			}
		}
	}
	tr.call(http.MethodPost, "/v1/chat/completions", chat(plainTools), "X-Fairlead-Mcp: stdio:touch "+canary)
	tr.call(http.MethodPost, "/v1/chat/completions", chat(plainTools), `X-Mcp-Servers: {"touch":{"command":["touch","`+canary+`"]}}`)
	if _, err := os.Stat(canary); err == nil {
		t.Error("a command of a request has run")
	}
	if now := tr.gateway.Children(); !slices.Equal(now, children) {
		t.Errorf("there are other children than before: %v, then %v", children, now)
	}
	if strings.Contains(tr.gateway.Log(), "panic") {
		t.Error(tr.gateway.Log())
	}
}
