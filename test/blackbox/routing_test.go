package blackbox

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// routedAnswer is what a client sees of a routed request.
type routedAnswer struct {
	status               int
	deployment, attempts string
	text                 string
}

func (tr *transcript) routed(body string) routedAnswer {
	tr.t.Helper()
	resp, err := tr.start(tr.t.Context(), body)
	if err != nil {
		tr.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.checkLeaks(string(b))
	return routedAnswer{resp.StatusCode, resp.Header.Get("X-Fairlead-Deployment"), resp.Header.Get("X-Fairlead-Attempts"), string(b)}
}

// second starts another model.
func second(t *testing.T, rule providertest.Rule) *providertest.Server {
	t.Helper()
	return providertest.NewRule(t, rule).RequireKey(upstreamKey)
}

func always(s providertest.Step) providertest.Rule {
	return func(*providertest.Request) providertest.Step { return s }
}

// places is the config of a model m whose deployments stand at urls; more are further keys of it, and further models.
func places(more string, urls ...string) string {
	c := "-- config --\nmodels:\n  - name: m\n    deployments:\n"
	for i, u := range urls {
		c += "      - {provider: openai, model: m-" + itoa(i+1) + ", base_url: \"" + u + "\", api_key: \"{{upstream key}}\", weight: " + itoa(3-2*min(i, 1)) + "}\n"
	}
	return c + more
}

// TestRoutingWeights: weights of 3 and 1 hold, and headers say who has answered.
func TestRoutingWeights(t *testing.T) {
	t.Parallel()
	b := second(t, always(providertest.Text("b")))
	tr := build(t, places("", "{{model}}", b.URL()), func(tr *transcript) { tr.rule = always(providertest.Text("a")) })
	for range 20 {
		a := tr.routed(chat(""))
		if want := map[string]string{"openai/m-1": `"a"`, "openai/m-2": `"b"`}[a.deployment]; a.status != 200 || want == "" || !strings.Contains(a.text, want) || a.attempts != "1" {
			t.Fatalf("%+v", a)
		}
	}
	if m, n := len(tr.model.Requests()), len(b.Requests()); m != 15 || n != 5 {
		t.Errorf("of 20 requests the weights 3:1 gave %d and %d", m, n)
	}
	if r := b.Request(1); r == nil || r.Model != "m-2" {
		t.Errorf("the second deployment was asked for %+v", r)
	}
}

// TestRoutingDeadDeployment: nobody notices a dead deployment, and after three requests nobody is sent there.
func TestRoutingDeadDeployment(t *testing.T) {
	t.Parallel()
	for _, body := range []string{noTools, streams} {
		tr := build(t, places("", "{{dead}}/v1", "{{model}}"), func(tr *transcript) { tr.rule = always(providertest.Text("b")) })
		tries := ""
		for range 12 {
			a := tr.routed(chat(body))
			if a.status != 200 || a.deployment != "openai/m-2" {
				t.Fatalf("%+v", a)
			}
			tries += a.attempts
		}
		if strings.Count(tries, "2") != 3 || !strings.HasSuffix(tries, "1111111") {
			t.Errorf("so often were deployments asked: %s", tries)
		}
		must(t, "the log tells of it", func() bool {
			return strings.Contains(tr.gateway.Log(), "is left alone") && strings.Contains(tr.gateway.Log(), `"attempts":2`)
		})
	}
}

// TestRoutingAllDead: the client is told, and when to come back.
func TestRoutingAllDead(t *testing.T) {
	t.Parallel()
	tr := build(t, places("    retries: 0\n", "{{dead}}/v1", "{{dead}}/v1"), func(tr *transcript) { tr.rule = always(providertest.Text("b")) })
	for range 3 {
		tr.want(502, chat(""), `"code":"upstream_error"`)
	}
	must(t, "the client is told when to come back", func() bool {
		resp, err := tr.start(t.Context(), chat(""))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "1" && strings.Contains(string(text), "all deployments of the model")
	})
}

// TestRoutingFallback: a model that is rate limited is answered for by the one it falls back on, and left in peace for as long
// as it wants. A new config does not change that.
func TestRoutingFallback(t *testing.T) {
	t.Parallel()
	other := second(t, always(providertest.Text("other")))
	given := places("    fallbacks: {rate_limit: [other]}\n  - {name: other, provider: openai, model: o-1, base_url: \""+other.URL()+"\", api_key: \"{{upstream key}}\"}\n", "{{model}}")
	tr := build(t, given, func(tr *transcript) {
		tr.rule = always(providertest.Error(429, "rate_limit_exceeded", "slow down").Header("Retry-After", "60"))
	})
	if a := tr.routed(chat("")); a.status != 200 || a.deployment != "openai/o-1" || a.attempts != "2" {
		t.Errorf("%+v", a)
	}
	tr.rewrite(func(s string) string { return s + "\nmocks: true\n" })
	tr.reloaded(1)
	if a := tr.routed(chat(streams)); a.status != 200 || a.deployment != "openai/o-1" || a.attempts != "1" {
		t.Errorf("%+v", a)
	}
	if n := len(tr.model.Requests()); n != 1 {
		t.Errorf("the rate limited model was asked %d times", n)
	}
	if r := other.Request(1); r.Model != "o-1" {
		t.Errorf("the other model was asked for %s", r.Model)
	}
}

// TestRoutingContextWindow: another list for another cause.
func TestRoutingContextWindow(t *testing.T) {
	t.Parallel()
	long := second(t, always(providertest.Text("long")))
	given := "-- config --\nmodels:\n  - {name: m, provider: openai, base_url: \"{{model}}\", api_key: \"{{upstream key}}\", fallbacks: {context_window: [long], outage: [nobody]}}\n" +
		"  - {name: long, provider: openai, base_url: \"" + long.URL() + "\", api_key: \"{{upstream key}}\"}\n  - {name: nobody, provider: openai, base_url: \"{{dead}}/v1\", api_key: k}\n"
	tr := build(t, given, func(tr *transcript) {
		tr.rule = always(providertest.Error(400, "context_length_exceeded", "too long"))
	})
	if a := tr.routed(chat(streams)); a.status != 200 || a.deployment != "openai/long" || !strings.Contains(a.text, "long") {
		t.Errorf("%+v", a)
	}
}

// TestRoutingInTheLoop: all rounds go to one deployment. When it fails in the middle, the other one gets what tools have said,
// and no tool runs twice.
func TestRoutingInTheLoop(t *testing.T) {
	t.Parallel()
	call := providertest.Call("c1", "s-echo", `{"x":1}`)
	tools := "-- server s --\n" + `{"tools":[{"name":"echo","do":"echo"}]}`
	for _, body := range []string{plainTools, streamTools} {
		b := second(t, always(providertest.Text("done at b")))
		tr := build(t, places("", "{{model}}", b.URL())+tools, func(tr *transcript) {
			tr.rule = play(call, providertest.Call("c2", "s-echo", `{"x":2}`), providertest.Error(503, "down", "down"))
		})
		a := tr.routed(chat(body))
		if a.status != 200 || !strings.Contains(a.text, "done at b") {
			t.Fatalf("%+v", a)
		}
		if n := tr.server("s").count(t, "tools/call"); n != 2 {
			t.Errorf("the tools ran %d times", n)
		}
		if len(tr.model.Requests()) != 3 || len(b.Requests()) != 1 {
			t.Errorf("asked %d and %d times", len(tr.model.Requests()), len(b.Requests()))
		}
		seen := string(b.Request(1).Raw)
		if strings.Count(seen, `"role":"tool"`) != 2 || !strings.Contains(seen, `"c1"`) || !strings.Contains(seen, `"c2"`) {
			t.Errorf("the second deployment was not told what the tools have said: %s", seen)
		}
		if body == plainTools && (a.deployment != "openai/m-2" || a.attempts != "4") {
			t.Errorf("%+v", a)
		}
	}
}

// TestRoutingAfterTheFirstByte: what has begun is not begun again elsewhere.
func TestRoutingAfterTheFirstByte(t *testing.T) {
	t.Parallel()
	b := second(t, always(providertest.Text("b")))
	tr := build(t, places("", "{{model}}", b.URL()), func(tr *transcript) {
		tr.rule = always(providertest.Text("some").Then(providertest.Cut()))
	})
	a := tr.routed(chat(streams))
	if a.status != 200 || !strings.Contains(a.text, "some") || !strings.Contains(a.text, `"error":{`) || a.attempts != "1" {
		t.Errorf("%+v", a)
	}
	if len(b.Requests()) != 0 {
		t.Error("the other deployment was asked")
	}
}

// TestRoutingPlainModels: a model with one place and nothing to try again has no such headers.
func TestRoutingPlainModels(t *testing.T) {
	t.Parallel()
	tr := build(t, "", func(tr *transcript) { tr.rule = always(providertest.Text("a")) })
	if a := tr.routed(chat("")); a.status != 200 || a.deployment != "" || a.attempts != "" {
		t.Errorf("%+v", a)
	}
}

// TestRoutingAcrossWires: deployments may speak different wires; a request goes to the one of its own, and to the other one
// without what that has no word for only where the config lets it.
func TestRoutingAcrossWires(t *testing.T) {
	t.Parallel()
	b := second(t, func(r *providertest.Request) providertest.Step { return providertest.Text("over " + r.Wire) })
	given := func(more string) string {
		return "-- config --\nmodels:\n  - name: m\n    deployments:\n" +
			"      - {provider: openai, model: m-1, base_url: \"{{model}}\", api_key: \"{{upstream key}}\", weight: 1000}\n" +
			"      - {provider: openai, model: m-2, base_url: \"" + b.URL() + "\", api_key: \"{{upstream key}}\", wire: responses}\n" + more +
			"-- server s --\n" + `{"tools":[{"name":"echo","do":"echo"}]}`
	}
	down := providertest.Error(503, "down", "down")
	tr := build(t, given("    retries: 0\n"), func(tr *transcript) {
		tr.rule = play(providertest.Text("over chat"), down, down, providertest.Call("c1", "s-echo", `{"x":1}`), down, down)
	})
	if a := tr.routed(chat("")); a.status != 200 || a.deployment != "openai/m-1" || !strings.Contains(a.text, "over chat") {
		t.Errorf("%+v", a)
	}
	for _, body := range []string{noTools, streams, streamTools} {
		if a := tr.routed(chat(body)); a.status != 200 || !strings.Contains(a.text, "over responses") {
			t.Errorf("%s: %+v", body, a)
		}
	}
	if n := tr.server("s").count(t, "tools/call"); n != 1 {
		t.Errorf("the tool ran %d times", n)
	}
	asked := len(b.Requests())
	if a := tr.routed(chat(`"logit_bias":{"7":1}`)); a.status != 503 || len(b.Requests()) != asked {
		t.Errorf("the other wire was asked for what it has no word for: %+v", a)
	}
	tr = build(t, given("    unknown_params: drop\n    retries: 0\n"), func(tr *transcript) { tr.rule = always(down) })
	resp, err := tr.start(t.Context(), chat(`"logit_bias":{"7":1}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("X-Fairlead-Dropped-Params") != "logit_bias" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}
