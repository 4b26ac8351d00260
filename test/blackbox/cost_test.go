package blackbox

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// costs is the config of a model m that openai runs as p-1, with prices; more are further keys of the file.
func costs(more string) string {
	return "-- config --\nmodels:\n  - {name: m, provider: openai, model: p-1, base_url: \"{{model}}\", api_key: \"{{upstream key}}\"}\n" +
		more + "-- server s --\n" + `{"tools":[{"name":"echo","do":"echo"}]}` + "\n"
}

// priced are prices under which the three rounds of tooled cost 0.000157, 0.000259 and 0.0000385 dollars.
const priced = "prices:\n  openai/p-1: {input: 1, cached_input: 0.1, output: 10, reasoning: 20}\n"

// tooled is a conversation of three rounds.
func tooled() []providertest.Step {
	return []providertest.Step{
		providertest.Call("c1", "s-echo", `{"a":1}`).Costs(providertest.Usage{Input: 107, Output: 5}),
		providertest.Call("c2", "s-echo", `{"a":2}`).Costs(providertest.Usage{Input: 200, Cached: 90, Output: 10, Reasoning: 4}),
		providertest.Text("done").Costs(providertest.Usage{Input: 40, Cached: 35, Output: 3}),
	}
}

// asked sends a request to a path and returns the answer's head and body.
func (tr *transcript) asked(path, body string) (http.Header, string) {
	tr.t.Helper()
	r := tr.request("POST " + path + "\n\n" + body)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		tr.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		tr.t.Fatalf("status %d, %v: %s", resp.StatusCode, err, text)
	}
	tr.checkLeaks(string(text))
	return resp.Header, string(text)
}

// The bodies of a request for tooled in each dialect.
var dialects = map[string]struct{ path, body string }{
	"chat":      {"/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"Go."}],"tools":[{"type":"mcp","server_url":"fairlead/mcp/s","require_approval":"never"}]}`},
	"responses": {"/v1/responses", `{"model":"m","input":"Go.","tools":[{"type":"mcp","server_label":"s","server_url":"fairlead/mcp/s","require_approval":"never"}]}`},
	"messages":  {"/v1/messages", `{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"Go."}],"tools":[{"type":"mcp","server_url":"fairlead/mcp/s","require_approval":"never"}]}`},
}

// TestCostOfRounds: a reply over three rounds costs what the three cost, to the last digit, in each dialect. A plain one says so
// in its head, a stream in its usage, both with the rounds.
func TestCostOfRounds(t *testing.T) {
	t.Parallel()
	const total, first = "0.0004545", "0.000157"
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, streamed := range []bool{false, true} {
				tr := house(t, costs(priced), tooled()...)
				body := d.body
				if streamed {
					body = strings.TrimSuffix(body, "}") + `,"stream":true`
					if name == "chat" {
						body += `,"stream_options":{"include_usage":true}`
					}
					body += "}"
				}
				head, text := tr.asked(d.path, body)
				want := total
				if streamed {
					want = ""
				}
				if got := head.Get("X-Fairlead-Cost"); got != want {
					t.Errorf("streamed %t: the head says %q, want %q", streamed, got, want)
				}
				if !strings.Contains(text, `"x_fairlead":{`) || !strings.Contains(text, `"cost":`+total) || strings.Count(text, `"cost":`+first) != 1 {
					t.Errorf("streamed %t: the usage does not say it: %s", streamed, text)
				}
				must(t, "the log has it", func() bool { return strings.Contains(tr.gateway.Log(), `"cost_usd":"`+total+`"`) })
			}
		})
	}
}

// TestCostOfRelays: a reply that is passed on as it comes says what it costs in its head, and is otherwise untouched; of a
// stream the log alone can tell.
func TestCostOfRelays(t *testing.T) {
	t.Parallel()
	step := providertest.Text("Hello.").Costs(providertest.Usage{Input: 100, Output: 10})
	tr := house(t, costs(priced), step, step)
	head, text := tr.asked("/v1/chat/completions", chat(""))
	if head.Get("X-Fairlead-Cost") != "0.0002" || strings.Contains(text, "x_fairlead") {
		t.Errorf("the head says %q: %s", head.Get("X-Fairlead-Cost"), text)
	}
	head, text = tr.asked("/v1/chat/completions", chat(`"stream":true,"stream_options":{"include_usage":true}`))
	if head.Get("X-Fairlead-Cost") != "" || strings.Contains(text, "x_fairlead") {
		t.Errorf("a stream: the head says %q: %s", head.Get("X-Fairlead-Cost"), text)
	}
	must(t, "the log has both", func() bool { return strings.Count(tr.gateway.Log(), `"cost_usd":"0.0002"`) == 2 })
}

// TestCostUnknown: what has no price is unknown, not nothing; and a new config prices it at once.
func TestCostUnknown(t *testing.T) {
	t.Parallel()
	step := providertest.Text("Hello.").Costs(providertest.Usage{Input: 100, Output: 10})
	tr := house(t, costs(""), step, step, step)
	for i, want := range []string{"unknown", "0.00015", "0"} {
		if i > 0 {
			prices := []string{"p-1: {input: 1, output: 5}", "openai/*: {input: 0, output: 0}"}[i-1]
			tr.rewrite(func(s string) string {
				text, _, _ := strings.Cut(s, "\nprices:")
				return text + "\nprices: {" + prices + "}\n"
			})
			tr.reloaded(i)
		}
		if head, text := tr.asked("/v1/chat/completions", chat("")); head.Get("X-Fairlead-Cost") != want {
			t.Errorf("the head says %q, want %q: %s", head.Get("X-Fairlead-Cost"), want, text)
		}
	}
	stream := build(t, costs(""), func(tr *transcript) { tr.rule = play(tooled()...) })
	_, text := stream.asked("/v1/messages", strings.TrimSuffix(dialects["messages"].body, "}")+`,"stream":true}`)
	if !strings.Contains(text, `"x_fairlead":{"cost":"unknown","rounds":[`) {
		t.Errorf("a stream does not say that its cost is unknown: %s", text)
	}
}

// TestCostOfFailures: what was spent before a reply failed is told with the failure.
func TestCostOfFailures(t *testing.T) {
	t.Parallel()
	tr := house(t, costs(priced), tooled()[0], providertest.Error(500, "oops", "no"))
	resp, err := tr.start(t.Context(), chat(plainTools))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusFailedDependency || resp.Header.Get("X-Fairlead-Cost") != "0.000157" {
		t.Errorf("status %d, cost %q", resp.StatusCode, resp.Header.Get("X-Fairlead-Cost"))
	}
}

// TestCostDecidesTheCheapest: of two deployments the one with the lower price is asked, and another one when prices change.
func TestCostDecidesTheCheapest(t *testing.T) {
	t.Parallel()
	b := second(t, always(providertest.Text("b")))
	given := places("    strategy: cheapest\nprices:\n  m-1: {input: 2, output: 2}\n  m-2: {input: 1, output: 1}\n", "{{model}}", b.URL())
	tr := build(t, given, func(tr *transcript) { tr.rule = always(providertest.Text("a")) })
	for i, want := range []string{"openai/m-2", "openai/m-1"} {
		if i > 0 {
			tr.rewrite(func(s string) string { return strings.Replace(s, "m-1: {input: 2", "m-1: {input: 0.5", 1) })
			tr.reloaded(1)
		}
		for range 3 {
			if a := tr.routed(chat("")); a.deployment != want {
				t.Errorf("%+v, want %s", a, want)
			}
		}
	}
}
