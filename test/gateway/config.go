package gateway

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
)

// Key is the key that a Config knows.
const Key = "a-key-for-tests"

// Config is a gateway in front of one provider at the base URL model, under every model name, and of servers, each one line
// of YAML. Its one key may use all of them.
func Config(model string, servers ...string) string {
	return fmt.Sprintf(`
models:
  - {name: "*", provider: openai, base_url: %q, api_key: upstream-key}
mcp_servers:
  %s
keys:
  - {name: tests, key: %s, mcp_servers: ["*"]}
`, model, strings.Join(servers, "\n  "), Key)
}

// Stdio is a line of a Config: a server that is run as a child process.
func Stdio(name string, command []string, env map[string]string) string {
	text, err := json.Marshal(map[string]any{"command": command, "env": env}, json.Deterministic(true))
	if err != nil {
		panic(err) // strings that are not UTF-8
	}
	return name + ": " + string(text)
}

// Scripted is a line of a Config: a scripted server in a child process. The test's TestMain must call mcptest.Main.
func Scripted(name string, spec mcptest.Spec) string {
	command, env := spec.Command()
	return Stdio(name, command, env)
}
