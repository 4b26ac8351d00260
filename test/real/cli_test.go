//go:build real

package real

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/test/gateway"
	"github.com/fairlead/fairlead/test/scripted"
)

// cli is a coding agent that is run once, in an empty folder and with a home of its own, against a gateway whose tools
// it gets by a header. What would reach other machines is switched off, and a proxy holds that.
type cli struct {
	t     *testing.T
	home  string
	work  string
	url   string // of the gateway
	model string
}

func (c *cli) write(text string, path ...string) {
	c.t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// binary is a program in the package of this name that npm has for this platform, as name-linux-x64.
func (c *cli) binary(name string, path ...string) string {
	c.t.Helper()
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	file := installed(append([]string{"node_modules", name + "-" + runtime.GOOS + "-" + arch}, path...)...)
	if _, err := os.Stat(file); err != nil {
		c.t.Skipf("there is no %s for this platform", name)
	}
	return file
}

// codex returns the command, its environment and how to read the answer from its output.
func (c *cli) codex() (cmd, env []string, answer func(line event) string) {
	c.write(fmt.Sprintf(`
model = %q
model_provider = "fairlead"
check_for_update_on_startup = false
[analytics]
enabled = false
[features]
apps = false
plugins = false
remote_plugin = false
[model_providers.fairlead]
name = "fairlead"
base_url = %q
env_key = "API_KEY"
wire_api = "responses"
http_headers = { "x-fairlead-mcp" = "everything" }
`, c.model, c.url+"/v1"), c.home, "config.toml")
	script := installed("node_modules", "@openai", "codex", "bin", "codex.js")
	cmd = []string{installed("node", "node"), script, "exec", "--skip-git-repo-check", "--json", "--dangerously-bypass-approvals-and-sandbox", "Do what the script says."}
	return cmd, []string{"CODEX_HOME=" + c.home}, func(e event) string {
		if e.Type == "item.completed" && e.Item.Type == "agent_message" {
			return e.Item.Text
		}
		return ""
	}
}

func (c *cli) claude() (cmd, env []string, answer func(line event) string) {
	cmd = []string{
		c.binary("@anthropic-ai/claude-code", "claude"),
		"-p", "Do what the script says.", "--model", c.model, "--output-format", "json",
	}
	env = []string{
		"ANTHROPIC_BASE_URL=" + c.url, "ANTHROPIC_API_KEY=" + gateway.Key, "ANTHROPIC_CUSTOM_HEADERS=x-fairlead-mcp: everything",
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_TELEMETRY=1", "DISABLE_ERROR_REPORTING=1", "DISABLE_AUTOUPDATER=1",
	}
	return cmd, env, func(e event) string {
		if e.Type == "result" && e.IsError {
			c.t.Errorf("the answer is an error: %s", e.Result)
		}
		return e.Result
	}
}

// opencode speaks the dialect of the SDK that its config names.
func (c *cli) opencode(sdk string) (cmd, env []string, answer func(line event) string) {
	c.write(fmt.Sprintf(`{
  "autoupdate": false, "share": "disabled", "model": "fairlead/%[2]s", "small_model": "fairlead/title",
  "provider": {"fairlead": {
    "npm": %[1]q, "name": "Fairlead", "models": {%[2]q: {"name": "cli"}, "title": {"name": "title"}},
    "options": {"baseURL": "%[3]s/v1", "apiKey": %[4]q, "headers": {"x-fairlead-mcp": "everything"}}
  }}
}`, sdk, c.model, c.url, gateway.Key), c.work, "opencode.json")
	// It would fetch the types for plugins from npm's registry; where the lock file names them it does not.
	c.write(`{"packages":{"":{"dependencies":{"@opencode-ai/plugin":"*"}}}}`, c.home, ".config", "opencode", "package-lock.json")
	c.write("", c.home, ".config", "opencode", "node_modules", ".keep")
	cmd = []string{c.binary("opencode", "bin", "opencode"), "run", "--format", "json", "Do what the script says."}
	env = []string{"OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MODELS_FETCH=1", "OPENCODE_DISABLE_LSP_DOWNLOAD=1"}
	return cmd, env, func(e event) string { return e.Part.Text }
}

// event is a line of JSON from one of them.
type event struct {
	Type    string `json:"type"`
	Result  string `json:"result"`
	IsError bool   `json:"is_error"`
	Item    struct {
		Type string `json:"type"`
		Text string `json:"text"`
	} `json:"item"`
	Part struct {
		Text string `json:"text"`
	} `json:"part"`
}

// run returns all that the program said as its answer.
func (c *cli) run(cmd, env []string, answer func(event) string) string {
	c.t.Helper()
	proxy, tried := outside(c.t)
	run := exec.CommandContext(c.t.Context(), cmd[0], cmd[1:]...)
	run.Dir = c.work
	run.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.home, "API_KEY=" + gateway.Key,
		"HTTP_PROXY=" + proxy, "HTTPS_PROXY=" + proxy, "ALL_PROXY=" + proxy, "NO_PROXY=127.0.0.1,localhost",
	}, env...)
	var stderr bytes.Buffer
	run.Stderr = &stderr
	out, err := run.Output()
	if err != nil {
		c.t.Fatalf("%s: %v\n%s\n%s", filepath.Base(cmd[0]), err, out, stderr.String())
	}
	var text []string
	for line := range bytes.Lines(out) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			c.t.Fatalf("%v: %s", err, line)
		}
		if s := answer(e); s != "" {
			text = append(text, s)
		}
	}
	if others := tried.take(); len(others) > 0 {
		c.t.Errorf("it wanted to reach %q", others)
	}
	return strings.Join(text, "|")
}

// TestAgents has three coding agents send what they send, with all their own tools, to a model behind each wire. The
// model calls a tool of the gateway, and then one of the gateway and one of the agent in one turn: the agent runs its own
// alone and sends a second request, after which the model knows all three results and the agent shows the answer. opencode
// also asks for a title, and may end before it is there.
func TestAgents(t *testing.T) {
	type command = func(c *cli) (cmd, env []string, answer func(event) string)
	opencode := func(sdk string) command {
		return func(c *cli) (cmd, env []string, answer func(event) string) { return c.opencode(sdk) }
	}
	agents := []struct {
		name, path string
		command    command
		reads      scripted.Call // the file note.txt in DIR
		upstreams  []string
	}{
		{"codex", "/v1/responses", (*cli).codex, scripted.Call{Name: "exec_command", Arguments: `{"cmd":"cat DIR/note.txt"}`}, []string{"chat", "responses", "messages"}},
		{"claude-code", "/v1/messages", (*cli).claude, scripted.Call{Name: "Read", Arguments: `{"file_path":"DIR/note.txt"}`}, []string{"chat", "responses", "messages"}},
		{"opencode-chat", "/v1/chat/completions", opencode("@ai-sdk/openai-compatible"), scripted.Call{Name: "read", Arguments: `{"filePath":"DIR/note.txt"}`}, []string{"chat"}},
		{"opencode-responses", "/v1/responses", opencode("@ai-sdk/openai"), scripted.Call{Name: "read", Arguments: `{"filePath":"DIR/note.txt"}`}, []string{"chat"}},
		{"opencode-messages", "/v1/messages", opencode("@ai-sdk/anthropic"), scripted.Call{Name: "read", Arguments: `{"filePath":"DIR/note.txt"}`}, []string{"chat"}},
	}
	scripts := map[string][]scripted.Turn{"title": {{Text: "A title"}}}
	work, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range agents {
		for _, upstream := range a.upstreams {
			reads := a.reads
			reads.Arguments = strings.ReplaceAll(reads.Arguments, "DIR", work)
			scripts[upstream+"/"+a.name] = []scripted.Turn{
				{Text: "I add.", Calls: []scripted.Call{{Name: "everything-get-sum", Arguments: `{"a":2,"b":3}`}}},
				{Text: "We share.", Calls: []scripted.Call{{Name: "everything-echo", Arguments: `{"message":"one"}`}, reads}},
				{Text: "Told: {result}"},
			}
		}
	}
	model := scripted.Start(t, scripts)
	g := gateway.Start(t, fmt.Sprintf(`
models:
  - {name: "responses/*", provider: openai, wire: responses, base_url: %[1]q, api_key: upstream-key}
  - {name: "messages/*", provider: anthropic, base_url: %[2]q, api_key: upstream-key}
`, model.URL(), strings.TrimSuffix(model.URL(), "/v1"))+strings.TrimPrefix(gateway.Config(model.URL(), stdio("everything", "everything", "stdio")), "\nmodels:\n"))
	url, seen := counted(t, g)
	for _, a := range agents {
		for _, upstream := range a.upstreams {
			t.Run(a.name+" "+upstream, func(t *testing.T) {
				before := len(model.Requests())
				seen.take()
				c := &cli{t: t, home: t.TempDir(), work: work, url: url, model: upstream + "/" + a.name}
				c.write("a note of the agent", work, "note.txt")
				text := c.run(a.command(c))
				if !strings.Contains(text, "Told: ") {
					t.Errorf("it shows %q", text)
				}
				asked := slices.DeleteFunc(model.Requests()[before:], func(r *providertest.Request) bool { return r.Model == "title" })
				if len(asked) != 3 {
					t.Fatalf("the model was asked %d times, want 3", len(asked))
				}
				if tools := asked[2].ToolNames(); !slices.Contains(tools, a.reads.Name) || !slices.Contains(tools, "everything-echo") {
					t.Errorf("the model was offered %q", tools)
				}
				told := fmt.Sprint(asked[2].Results())
				for _, want := range []string{"The sum of 2 and 3 is 5.", "Echo: one", "a note of the agent"} {
					if !strings.Contains(told, want) {
						t.Errorf("the model was told %s, want %q in it", told, want)
					}
				}
				titles := 0
				if strings.HasPrefix(a.name, "opencode") {
					titles = 1
				}
				if came := seen.take(); len(came) < 2 || len(came) > 2+titles || came[0] != "POST "+a.path {
					t.Errorf("requests %q, want 2 (and %d for a title) to %s", came, titles, a.path)
				}
			})
		}
	}
}
