package blackbox

import (
	"os"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// TestAttack09LocalServers: a server that is a child process gets nothing of the gateway's environment and lives in a process
// group of its own; and nobody but the config can have one started.
func TestAttack09LocalServers(t *testing.T) {
	t.Setenv("BLACKBOX_CANARY", "canary-of-the-environment")
	t.Setenv("OPENAI_API_KEY", upstreamKey)
	tr := house(t, "-- server s --\n"+`{"tools":[{"name":"env","do":"env"}]}`, providertest.Call("c1", "s-env", "{}"), providertest.Text("ok"))
	text := tr.want(200, chat(plainTools), `"is_error":false`, "PATH=")
	if strings.Contains(text, "CANARY") || strings.Contains(text, "canary-of-the-environment") || strings.Contains(text, "OPENAI_API_KEY") {
		t.Errorf("the server knows the gateway's environment: %s", text)
	}
	before := tr.gateway.Children()
	for _, pid := range before {
		if got := processGroup(t, pid); got != itoa(pid) {
			t.Errorf("the server %d is in the process group %s", pid, got)
		}
	}
	for _, entry := range []string{
		`{"type":"mcp","server_label":"x","server_url":"stdio:///bin/sh","require_approval":"never"}`,
		`{"type":"mcp","server_label":"x","server_url":"file:///bin/sh","require_approval":"never"}`,
		`{"type":"mcp","server_label":"x","command":["/bin/sh"],"require_approval":"never"}`,
		`{"type":"mcp","server_label":"x","server_url":"fairlead/mcp//bin/sh","command":"/bin/sh","require_approval":"never"}`,
	} {
		if status, text := tr.post(chat(`"tools":[` + entry + `]`)); status < 400 || status >= 500 {
			t.Errorf("%s: status %d: %s", entry, status, text)
		}
	}
	for _, request := range []string{
		"POST /v1/mcp/servers\n\n" + `{"name":"x","command":["/bin/sh"]}`, "PUT /v1/mcp/servers/x\n\n" + `{"command":["/bin/sh"]}`,
		"POST /mcp-rest/servers\n\n" + `{"name":"x","command":["/bin/sh"]}`, "POST /mcp/x\nx-mcp-x-command: /bin/sh\n\n" + mcpInitialize,
	} {
		if _, printed := tr.send(request); !strings.HasPrefix(printed, "40") {
			t.Errorf("%s: %s", request, printed)
		}
	}
	if after := tr.gateway.Children(); len(after) != len(before) {
		t.Errorf("the children were %v and are %v", before, after)
	}
}

// processGroup is the process group of a process; Linux only, elsewhere the process itself.
func processGroup(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + itoa(pid) + "/stat")
	if err != nil {
		return itoa(pid)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.Fields(rest)[2]
}
