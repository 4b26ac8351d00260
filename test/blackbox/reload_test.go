package blackbox

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/test/gateway"
)

// rewrite changes the config file in place.
func (tr *transcript) rewrite(change func(string) string) {
	tr.t.Helper()
	text, err := os.ReadFile(tr.gateway.File)
	if err != nil {
		tr.t.Fatal(err)
	}
	tmp := tr.gateway.File + ".new"
	if err := os.WriteFile(tmp, []byte(change(string(text))), 0o600); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.Rename(tmp, tr.gateway.File); err != nil {
		tr.t.Fatal(err)
	}
}

// reloaded waits until the log has said n times that a config was loaded.
func (tr *transcript) reloaded(n int) {
	tr.t.Helper()
	must(tr.t, "the config is loaded", func() bool { return strings.Count(tr.gateway.Log(), `"msg":"config loaded"`) >= n })
}

// TestReload: a good file holds at once, for models, keys and servers; the children of servers that stay as they were live
// on, those of servers that went end; a request that runs is not disturbed. A bad file is refused and the old one stays.
func TestReload(t *testing.T) {
	t.Parallel()
	gate := providertest.NewGate()
	tr := house(t, "-- config --\nmodels:\n  - {name: m, provider: openai, base_url: \"{{model}}\", api_key: \"{{upstream key}}\"}\n"+
		"-- server s --\n"+`{"tools":[{"name":"echo","do":"echo"}]}`+"\n-- server u --\n"+`{"tools":[{"name":"u","text":"u"}]}`,
		providertest.Call("c1", "s-echo", "{}").Then(providertest.Call("c2", "u-u", "{}")), providertest.Text("ok"),
		providertest.Text("Hello").Then(providertest.Pause(gate), providertest.Text(" there.")),
		providertest.Call("c1", "s-echo", "{}"), providertest.Text("still here"), providertest.Text("same"))
	both := strings.ReplaceAll(plainTools, "%", `{"type":"mcp","server_url":"fairlead","require_approval":"never"}`)
	tr.want(200, chat(both), `"result":"u"`)
	before := tr.gateway.Children()
	running := tr.stream(chat(`"stream":true`))
	running.until("Hello")

	tr.rewrite(func(s string) string {
		kept, _, _ := strings.Cut(s, "  u: ")
		return strings.Replace(kept, "name: m,", "name: m2, model: m,", 1)
	})
	tr.reloaded(1)
	tr.want(404, chat(""), "model_not_found")
	m2 := func(body string) string { return strings.Replace(body, `"m"`, `"m2"`, 1) }
	tr.want(403, m2(chat(strings.ReplaceAll(plainTools, "%", `{"type":"mcp","server_url":"fairlead/mcp/u"}`))), "mcp_server_not_available")
	gate.Open()
	if text := running.rest(); !strings.Contains(text, " there.") || !strings.Contains(text, "[DONE]") {
		t.Errorf("the running request was disturbed: %s", text)
	}
	must(t, "the child of the removed server ends", func() bool { return len(tr.gateway.Children()) == 1 })
	if now := tr.gateway.Children(); !slices.Contains(before, now[0]) {
		t.Errorf("the child of the server that stayed was %v and is %v", before, now)
	}
	tr.want(200, m2(chat(plainTools)), `"is_error":false`, "still here")

	tr.rewrite(func(s string) string { return s + "\nnonsense: 1\n" })
	must(t, "the bad file is refused", func() bool { return strings.Contains(tr.gateway.Log(), "the old one stays") })
	if !strings.Contains(tr.gateway.Log(), "nonsense") {
		t.Error("the log does not name the mistake")
	}
	tr.want(200, m2(chat("")), "same")
}

// TestSIGHUP: the config is loaded anew although its file is the same: what it refers to has changed.
func TestSIGHUP(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "key")
	write := func(key string) {
		if err := os.WriteFile(secret, []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(gatewayKey)
	tr := house(t, "-- config --\nkeys:\n  - {name: dev, key: \"${file:"+secret+"}\"}\n", providertest.Text("one"), providertest.Text("two"))
	tr.want(200, chat(""), "one")
	write("another-key-0123456789")
	tr.gateway.Signal(syscall.SIGHUP)
	tr.reloaded(1)
	tr.want(401, chat(""), "invalid_api_key")
	if status, text := tr.post(chat(""), "Authorization: Bearer another-key-0123456789"); status != 200 {
		t.Errorf("status %d: %s", status, text)
	}
}

// TestPermissionIsCheckedAgain: rule 5: a tool that was offered is refused when the key may not use it any more as it is
// called, and the server is not asked.
func TestPermissionIsCheckedAgain(t *testing.T) {
	t.Parallel()
	gate := providertest.NewGate()
	tr := house(t, "-- server s --\n"+`{"tools":[{"name":"echo","do":"echo"}]}`+"\n-- server u --\n"+`{"tools":[{"name":"u"}]}`,
		providertest.Text("Wait.").Then(providertest.Pause(gate), providertest.Call("c1", "s-echo", "{}")), providertest.Text("ok"))
	running := tr.stream(chat(streamTools))
	running.until("Wait.")
	tr.rewrite(func(s string) string { return strings.Replace(s, `mcp_servers: ["*"]`, `mcp_servers: [u]`, 1) })
	tr.reloaded(1)
	gate.Open()
	text := running.rest()
	if !strings.Contains(text, `"is_error":true`) || !strings.Contains(text, "[DONE]") {
		t.Errorf("the call was not refused: %s", text)
	}
	if n := tr.server("s").count(t, "tools/call"); n != 0 {
		t.Errorf("the server got %d calls", n)
	}
}

// TestListChanged: rule 5: what a server lists anew is offered to the next request, not to the one that runs.
func TestListChanged(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"stdio", "http"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			tr := build(t, "-- server s --\n"+`{"transport":"`+transport+`","tools":[{"name":"change","do":"change","text":"changed"}]}`, func(tr *transcript) {
				tr.rule = func(r *providertest.Request) providertest.Step {
					if r.Last().Role == "user" && len(r.Tools) == 1 {
						return providertest.Call("c1", "s-change", "{}")
					}
					return providertest.Text("ok")
				}
			})
			tr.want(200, chat(plainTools), `"result":"changed"`)
			if n := len(tr.model.Request(2).Tools); n != 1 {
				t.Errorf("the running request was offered %d tools", n)
			}
			must(t, "the new tool is offered", func() bool {
				_, text := tr.post(chat(plainTools))
				return strings.Contains(text, `"s-new"`)
			})
		})
	}
}

// TestDrain: SIGTERM lets what runs end, refuses what is new, and the process ends with 0 and without children.
func TestDrain(t *testing.T) {
	t.Parallel()
	gate := providertest.NewGate()
	tr := house(t, oneTool, providertest.Text("Hello").Then(providertest.Pause(gate), providertest.Call("c1", "s-echo", "{}")), providertest.Text("Bye."))
	s := tr.stream(chat(streamTools))
	s.until("Hello")
	children := tr.gateway.Children()
	tr.gateway.Signal(syscall.SIGTERM)
	must(t, "new connections are refused", func() bool {
		resp, err := tr.start(t.Context(), chat(""))
		if err == nil {
			resp.Body.Close()
		}
		return err != nil
	})
	gate.Open()
	if text := s.rest(); !strings.Contains(text, "Bye.") || !strings.Contains(text, "[DONE]") {
		t.Errorf("the running request was cut off: %s", text)
	}
	if err := tr.gateway.Wait(); err != nil {
		t.Errorf("the process ended with %v, want 0", err)
	}
	for _, pid := range children {
		must(t, "the child is gone", func() bool { return !gateway.Alive(pid) })
	}
}

// TestSameBytesAfterRestart: B11: two processes with one config send the model the same bytes.
func TestSameBytesAfterRestart(t *testing.T) {
	t.Parallel()
	given := "-- server z --\n" + `{"tools":[{"name":"b"},{"name":"a"}]}` + "\n-- server a --\n" + `{"tools":[{"name":"c"},{"name":"a"}]}` + "\n-- server s --\n" + `{"transport":"http","tools":[{"name":"x"}]}`
	all := chat(strings.ReplaceAll(plainTools, "%", `{"type":"mcp","server_url":"litellm_proxy"}`))
	var sent []string
	for range 3 {
		tr := house(t, given, providertest.Text("ok"))
		tr.want(200, all)
		sent = append(sent, string(tr.model.Request(1).Raw))
	}
	if sent[0] != sent[1] || sent[1] != sent[2] {
		t.Errorf("the bytes differ:\n%s", strings.Join(sent, "\n"))
	}
}

// TestBadConfigs: each mistake ends serve with 1 and a line that names the place; nothing is started.
func TestBadConfigs(t *testing.T) {
	t.Parallel()
	const model = "models: [{name: m, provider: openai, api_key: k}]\n"
	for name, c := range map[string]struct{ text, part string }{
		"unknown key":                {model + "nonsense: 1\n", ":2:1: nonsense"},
		"wrong type":                 {"models: 7\n", ":1:9: models"},
		"no YAML":                    {"models: [\n", "fairlead.yaml:"},
		"twice":                      {model + model, ":2:1: "},
		"unknown provider":           {"models: [{name: m, provider: opnai, api_key: k}]\n", "opnai"},
		"a duration without a unit":  {model + "timeouts: {connect: 10}\n", ":2:21: timeouts.connect"},
		"a missing variable":         {"models: [{name: m, provider: openai, api_key: \"${BLACKBOX_NOT_SET}\"}]\n", "BLACKBOX_NOT_SET"},
		"no keys, all the world":     {"listen: 0.0.0.0:4000\n" + model, "listen"},
		"a key for an unknown model": {model + "keys: [{name: a, key: a-key-0123456789, models: [x]}]\n", "keys[0].models"},
		"attach beyond the key":      {model + "mcp_servers: {s: {command: [x]}}\nkeys: [{name: a, key: a-key-0123456789, attach: [s]}]\n", "attach"},
		"a server of two kinds":      {model + "mcp_servers: {s: {command: [x], url: \"http://x\"}}\n", "mcp_servers.s"},
		"a server of none":           {model + "mcp_servers: {s: {}}\n", "mcp_servers.s"},
		"the client's key upstream":  {model + "mcp_servers: {s: {url: \"http://x\", forward_headers: [x-api-key]}}\nkeys: [{name: a, key: a-key-0123456789}]\n", "forward_headers"},
		"a stream mode that is none": {model + "stream_tool_rounds: loud\n", "stream_tool_rounds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "fairlead.yaml")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, command := range []string{"serve", "check"} {
				cmd := exec.CommandContext(t.Context(), gateway.Binary(t), command, "--config", file)
				errs, _ := cmd.StderrPipe()
				out, _ := cmd.StdoutPipe()
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				said, _ := io.ReadAll(errs)
				more, _ := io.ReadAll(out)
				_ = cmd.Wait() // the exit code says it
				if text := string(said) + string(more); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(text, c.part) {
					t.Errorf("%s: exit %d, want 1 and %q:\n%s", command, cmd.ProcessState.ExitCode(), c.part, text)
				}
			}
		})
	}
}
