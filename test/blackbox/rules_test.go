package blackbox

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// ruledModels are models of which the gateway knows something. Each of the names with a d drops what it cannot ask for.
const ruledModels = `-- config --
models:
  - {name: bridged, provider: openai, model: gpt-5.4, base_url: "{{model}}", api_key: "{{upstream key}}"}
  - {name: "openai/*", provider: openai, base_url: "{{model}}", api_key: "{{upstream key}}"}
  - {name: o3, provider: openai, base_url: "{{model}}", api_key: "{{upstream key}}"}
  - {name: o3d, provider: openai, model: o3, base_url: "{{model}}", api_key: "{{upstream key}}", unknown_params: drop}
  - {name: sonnet, provider: anthropic, model: claude-sonnet-5, base_url: "{{model root}}", api_key: "{{upstream key}}"}
  - {name: sonnetd, provider: anthropic, model: claude-sonnet-5, base_url: "{{model root}}", api_key: "{{upstream key}}", unknown_params: drop}
  - name: several
    deployments:
      - {provider: openai, model: gpt-5.4, base_url: "{{model}}", api_key: "{{upstream key}}"}
      - {provider: openai, model: gpt-5.4, base_url: "{{dead}}/v1", api_key: "{{upstream key}}"}
-- server s --
{"tools":[{"name":"echo","do":"echo"}]}
`

func ruled(t *testing.T) *transcript {
	t.Helper()
	return build(t, ruledModels, func(tr *transcript) {
		tr.rule = func(r *providertest.Request) providertest.Step {
			if strings.Contains(string(r.Raw), "s-echo") && !strings.Contains(string(r.Raw), "c1") {
				return providertest.Call("c1", "s-echo", `{"a":1}`)
			}
			return providertest.Text("Fine.")
		}
	})
}

// ask is a chat request for a model, with more members.
func ask(model, more string) string { return strings.Replace(chat(more), `"m"`, `"`+model+`"`, 1) }

const aFunction = `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}]`

// TestBridge: what OpenAI takes over responses only goes there although the client speaks chat, tools of servers included; all
// else goes over chat as it came.
func TestBridge(t *testing.T) {
	t.Parallel()
	tr := ruled(t)
	for _, c := range []struct{ model, more, path string }{
		{"bridged", ``, "/v1/chat/completions"},
		{"bridged", aFunction, "/v1/chat/completions"},
		{"bridged", `"reasoning_effort":"low"`, "/v1/chat/completions"},
		{"bridged", `"reasoning_effort":"low",` + aFunction, "/v1/responses"},
		{"bridged", `"stream":true,"reasoning_effort":"low",` + aFunction, "/v1/responses"},
		{"bridged", `"reasoning_effort":"low",` + plainTools, "/v1/responses"},
		{"openai/gpt-5.6", aFunction, "/v1/responses"},
		{"openai/gpt-5.6", `"reasoning_effort":"none",` + aFunction, "/v1/chat/completions"},
		{"openai/gpt-4o", `"reasoning_effort":"low",` + aFunction, "/v1/chat/completions"},
		{"several", `"reasoning_effort":"low",` + plainTools, "/v1/responses"},
		{"several", `"reasoning_effort":"low"`, "/v1/chat/completions"},
	} {
		before := len(tr.model.Requests())
		text := tr.want(http.StatusOK, ask(c.model, c.more), "Fine.")
		asked := tr.model.Requests()[before:]
		if len(asked) == 0 || strings.Contains(c.more, "mcp") && len(asked) != 2 {
			t.Fatalf("%+v: the model was asked %d times: %s", c, len(asked), text)
		}
		for _, r := range asked {
			if r.Path != c.path || c.path == "/v1/responses" && !strings.Contains(string(r.Raw), `"effort":"low"`) && strings.Contains(c.more, "low") {
				t.Errorf("%+v: asked at %s with %s", c, r.Path, r.Raw)
			}
		}
	}
	// A client that speaks responses is passed on to them, and a config can take the bridge away.
	tr.responses(`{"model":"bridged","input":"x","store":false}`).fine()
	if all := tr.model.Requests(); all[len(all)-1].Path != "/v1/responses" {
		t.Errorf("asked at %s", all[len(all)-1].Path)
	}
	tr.rewrite(func(s string) string {
		return strings.Replace(s, "name: bridged,", "name: bridged, rules: {bridge: none},", 1)
	})
	tr.reloaded(1)
	tr.want(http.StatusOK, ask("bridged", `"reasoning_effort":"low",`+aFunction), "Fine.")
	if all := tr.model.Requests(); all[len(all)-1].Path != "/v1/chat/completions" {
		t.Errorf("without its bridge the model was asked at %s", all[len(all)-1].Path)
	}
}

// TestModelRules: what a model does not take is refused across wires with who, what and what to do, or left out and told; on
// its own wire the provider decides, unless the config says drop. Members are renamed quietly, since nothing is lost.
func TestModelRules(t *testing.T) {
	t.Parallel()
	tr := ruled(t)
	last := func() string {
		all := tr.model.Requests()
		return string(all[len(all)-1].Raw)
	}
	for _, c := range []struct{ name, model, more, dropped, sent, unsent string }{
		{"renamed", "o3", `"max_tokens":7`, "", `"max_completion_tokens":7`, `"max_tokens"`},
		{"on its own wire", "o3", `"temperature":0.5`, "", `"temperature":0.5`, ""},
		{"dropped on its own wire", "o3d", `"temperature":0.5,"top_p":1,"seed":1`, "temperature", `"seed":1`, `"temperature"`},
		{"dropped across wires", "sonnetd", `"temperature":0.5,"seed":1`, "seed, temperature", `"max_tokens"`, `"temperature"`},
		{"what holds anyway", "sonnet", `"temperature":1`, "", `"max_tokens"`, ""},
	} {
		a := tr.call(http.MethodPost, "/v1/chat/completions", ask(c.model, c.more)).fine()
		if got := a.header.Get("X-Fairlead-Dropped-Params"); !sameNames(got, c.dropped) {
			t.Errorf("%s: dropped are %q, want %q", c.name, got, c.dropped)
		}
		if !strings.Contains(last(), c.sent) || c.unsent != "" && strings.Contains(last(), c.unsent) {
			t.Errorf("%s: the model was asked %s", c.name, last())
		}
	}
	asked := len(tr.model.Requests())
	for _, c := range []struct{ model, more, param string }{
		{"sonnet", `"temperature":0.5`, "temperature"},
		{"sonnet", `"seed":1`, "seed"},
		{"sonnet", `"n":2`, "n"},
		{"sonnet", `"presence_penalty":0.5,"stream":true`, "presence_penalty"},
	} {
		a := tr.call(http.MethodPost, "/v1/chat/completions", ask(c.model, c.more)).refused(http.StatusBadRequest, "unsupported_parameter", c.param)
		for _, word := range []string{c.param, "anthropic", "leave", "unknown_params: drop"} {
			if !strings.Contains(a.text, word) {
				t.Errorf("%s: the refusal does not say %q: %s", c.more, word, a.text)
			}
		}
	}
	if n := len(tr.model.Requests()); n != asked {
		t.Errorf("the model was asked %d times for what it cannot be asked", n-asked)
	}
	tr.rewrite(func(s string) string {
		return strings.Replace(s, "name: sonnet,", "name: sonnet, rules: {unsupported: [], max_output: 1234},", 1)
	})
	tr.reloaded(1)
	tr.want(http.StatusOK, ask("sonnet", `"temperature":0.5`), "Fine.")
	if !strings.Contains(last(), `"temperature":0.5`) || !strings.Contains(last(), `"max_tokens":1234`) {
		t.Errorf("with other rules the model was asked %s", last())
	}
}

// sameNames compares lists of names whose order means nothing.
func sameNames(a, b string) bool {
	set := func(s string) map[string]bool {
		out := map[string]bool{}
		for name := range strings.SplitSeq(s, ", ") {
			out[name] = true
		}
		return out
	}
	x, y := set(a), set(b)
	for name := range x {
		if !y[name] {
			return false
		}
	}
	return len(x) == len(y)
}
