package app

import (
	"log/slog"
	"testing"

	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/h1"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/meter"
	"github.com/fairlead/fairlead/internal/plan"
	"github.com/fairlead/fairlead/internal/route"
)

func built(t *testing.T, yaml string) map[string]plan.Target {
	t.Helper()
	cfg, err := config.Parse("f", []byte(yaml), ConfigOptions(func(string) string { return "" }))
	if err != nil {
		t.Fatal(err)
	}
	a := &App{log: slog.New(slog.DiscardHandler), transport: h1.New(h1.Options{})}
	list, err := a.targets(cfg)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]plan.Target{}
	for _, target := range list {
		out[target.Name] = target
	}
	return out
}

// TestTargets: a model with one place and nothing to try again is its metered client, and costs no more than it.
func TestTargets(t *testing.T) {
	got := built(t, `models:
  - {name: plain, provider: ollama}
  - {name: again, provider: ollama, retries: 1}
  - {name: other, provider: ollama, fallbacks: {outage: [plain, any/x]}}
  - {name: never, provider: ollama, fallbacks: {outage: [plain]}, retries: 0}
  - {name: one, deployments: [{provider: ollama}], retries: 0}
  - {name: two, deployments: [{provider: ollama}, {provider: ollama, base_url: "http://127.0.0.1:1"}]}
  - {name: mixed, deployments: [{provider: ollama}, {provider: openai, api_key: k, wire: responses}]}
  - {name: "any/*", provider: ollama}
`)
	for name, routed := range map[string]bool{"again": true, "other": true, "never": true, "two": true, "mixed": true, "plain": false, "one": false} {
		_, client := got[name].Model.(*meter.Model)
		_, isRoute := got[name].Model.(*route.Model)
		if isRoute != routed || client == routed {
			t.Errorf("%s is a %T", name, got[name].Model)
		}
		want := "chat"
		if name == "mixed" {
			want = ""
		}
		if got[name].Wire != want || got[name].Provider != "ollama" {
			t.Errorf("%s: wire %q, provider %q", name, got[name].Wire, got[name].Provider)
		}
	}
}

func TestAffinityOfRequests(t *testing.T) {
	for body, want := range map[string]string{
		`{"model":"m","prompt_cache_key":"k","user":"u"}`:      "k",
		`{"user":"u","messages":[{"prompt_cache_key":"no"}]}`:  "u",
		`{"model":"m","metadata":{"user_id":"x","other":"y"}}`: "x",
		`{"model":"m","metadata":{"user_id":7},"user":null}`:   "",
		`{"model":"m"}`: "",
		``:              "",
	} {
		if got := affinity(&llm.Request{Raw: llm.Frame{Bytes: []byte(body)}}); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	if got := affinity(&llm.Request{Params: llm.Params{User: "u", CacheKey: "k"}}); got != "k" {
		t.Errorf("decoded: %q", got)
	}
}

func TestIdentity(t *testing.T) {
	seen := map[string]string{}
	for _, y := range []string{
		"provider: ollama", "provider: vllm, base_url: 'http://h/v1'", "provider: ollama, model: y", "provider: ollama, base_url: 'http://h/v1'", "provider: ollama, api_key: k", "provider: ollama, headers: {a: b}",
		"provider: ollama, headers: {a: c}",
	} {
		cfg, err := config.Parse("f", []byte("models: [{name: x, "+y+"}]"), ConfigOptions(func(string) string { return "" }))
		if err != nil {
			t.Fatal(err)
		}
		id := identity(&cfg.Models[0].Place)
		if other, twice := seen[id]; twice {
			t.Errorf("%s and %s are the same", y, other)
		}
		seen[id] = y
		if id != identity(&cfg.Models[0].Place) {
			t.Errorf("%s is not itself", y)
		}
	}
}
