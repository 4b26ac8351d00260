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

// TestRulesHoldAtOnce: rules of a new config hold for lists and calls everywhere, and a file with a mistake in a rule changes nothing.
func TestRulesHoldAtOnce(t *testing.T) {
	t.Parallel()
	tr := house(t, "-- config --\nmocks: false\n"+webAndMail,
		providertest.Call("c1", "mail-send", `{"to":"me"}`), providertest.Text("Done."), providertest.Call("c1", "mail-send", `{"to":"me"}`), providertest.Text("Done."))
	body := strings.Replace(talks[0].body, "STREAM", "", 1)
	call := func() *got {
		return tr.call(http.MethodPost, "/mcp-rest/tools/call", `{"server_id":"mail","name":"send","arguments":{"to":"me"}}`)
	}
	tr.has(tr.say(&talks[0], body), `"result":"{\"to\":\"me\"}"`)
	tr.has(call().fine().text, `{\"to\":\"me\"}`)
	rules := func(when string) {
		tr.rewrite(func(s string) string {
			before, _, _ := strings.Cut(s, "rules:")
			return strings.TrimRight(before, "\n") + "\nrules:\n  - {name: closed, when: '" + when + "', then: deny}\n"
		})
	}
	rules(`tool.name == "send"`)
	tr.reloaded(1)
	if list := tr.call(http.MethodGet, "/v1/mcp/tools", "").fine(); strings.Contains(list.text, "send") || !strings.Contains(list.text, "mail-count") {
		t.Errorf("it lists %s", list.text)
	}
	tr.has(tr.say(&talks[0], body), `Error: there is no tool named \"mail-send\"`)
	if a := call(); a.status != http.StatusNotFound {
		t.Errorf("REST: %d %s", a.status, a.text)
	}
	rules(`tool.nam == "nothing"`)
	must(t, "the mistake is told", func() bool { return strings.Contains(tr.gateway.Log(), "undeclared reference to 'tool.nam'") })
	if a := call(); a.status != http.StatusNotFound {
		t.Errorf("after a bad file: %d %s", a.status, a.text)
	}
	if n := tr.server("mail").count(t, "tools/call"); n != 2 {
		t.Errorf("the server was called %d times", n)
	}
}

// TestHeldCallInTheLegacyStream: where clients see all deltas, a call that was ours and is now theirs is shown once.
func TestHeldCallInTheLegacyStream(t *testing.T) {
	t.Parallel()
	tr := house(t, webAndMail, injected(`{"to":"evil@evil.test"}`)...)
	text := tr.call(http.MethodPost, "/v1/chat/completions", strings.Replace(talks[0].body, "STREAM", `"stream":true,`, 1), "X-Fairlead-Stream: legacy").fine().text
	tr.has(text, `"mcp_approvals":[{"tool_call_id":"c2"`, `"finish_reason":"tool_calls"`)
	if n := strings.Count(text, `"index":0,"id":"c2"`) + strings.Count(text, `"index":1,"id":"c2"`); n != 1 {
		t.Errorf("the call is shown %d times: %s", n, text)
	}
}
