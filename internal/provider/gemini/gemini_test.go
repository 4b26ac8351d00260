package gemini_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/provider/gemini"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/secret"
	"github.com/fairlead/fairlead/internal/wire"
	wiregemini "github.com/fairlead/fairlead/internal/wire/gemini"
)

func open(tb testing.TB, t provider.Target) *provider.Client {
	tb.Helper()
	tr := provider.Transport(0)
	tb.Cleanup(tr.CloseIdleConnections)
	c, err := gemini.Driver().Open(t, provider.Env{
		Transport: tr,
		Wire:      func(_ string, q wire.Quirks) (wire.Upstream, error) { return wiregemini.NewUpstream(q) },
	})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// ask returns what a reply comes to.
func ask(tb testing.TB, c *provider.Client, req *llm.Request) (m llm.Message, think, stop string, usage *llm.Usage) {
	tb.Helper()
	m = llm.Message{Role: llm.Assistant}
	for ev, err := range c.Generate(tb.Context(), req) {
		if err != nil {
			tb.Fatal(err)
		}
		switch ev.Kind {
		case llm.Text:
			m.Text += ev.Text
		case llm.Thinking:
			think += ev.Text
		case llm.ToolCall:
			m.Calls = append(m.Calls, ev.Call)
		case llm.End:
			stop, usage = ev.Stop, ev.Usage
		default:
		}
		if len(ev.Extra.Delta) > 0 {
			m.Wire, m.Extra = ev.Extra.Wire, append([]byte(nil), ev.Extra.Delta...)
		}
	}
	return m, think, stop, usage
}

// TestRounds has the model think and call over two rounds. The scripted model refuses what Gemini 3 refuses: results that are
// not where they must be, and calls whose signatures do not come back as they were.
func TestRounds(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := providertest.New(t,
			providertest.Reasoning("I ", "see.").Then(providertest.Text("Let me look."), providertest.Call("call_1", "docs-add", `{"a":`, `1.0}`), providertest.Call("call_2", "docs-now")),
			providertest.Reasoning("Again.").Then(providertest.Call("call_3", "docs-now", "{}")),
			providertest.Text("Do", "ne.").Costs(providertest.Usage{Input: 9, Cached: 4, Output: 3, Reasoning: 1}),
		).RequireKey("k")
		c := open(t, provider.Target{Model: "gemini-3-flash-preview", BaseURL: strings.TrimSuffix(s.URL(), "/v1"), Key: secret.New("k")})
		req := &llm.Request{
			Model: "smart", Stream: stream,
			Messages:   []llm.Message{{Role: llm.System, Text: "Be brief."}, {Role: llm.User, Text: "hi"}},
			AddedTools: []llm.Tool{{Name: "docs-add", Schema: []byte(`{"type":"object","properties":{"a":{"type":"number","multipleOf":2}}}`)}, {Name: "docs-now"}},
		}
		req.Params.Effort = "low"
		for range 2 {
			m, think, stop, _ := ask(t, c, req)
			if stop != llm.StopTools || think == "" {
				t.Fatalf("stream %v: %+v %s %q", stream, m, stop, think)
			}
			req.AddedMessages = append(req.AddedMessages, m)
			for _, call := range m.Calls {
				req.AddedMessages = append(req.AddedMessages, llm.Message{Role: llm.ToolRole, Result: &llm.Result{CallID: call.ID, Text: "ok"}})
			}
		}
		m, _, stop, usage := ask(t, c, req)
		if m.Text != "Done." || stop != llm.StopDone || usage == nil || usage.Input != 5 || usage.CacheRead != 4 || usage.Output != 2 || usage.Reasoning != 1 {
			t.Errorf("stream %v: %+v %s %+v", stream, m, stop, usage)
		}
		path := "/v1beta/models/gemini-3-flash-preview:generateContent"
		if stream {
			path = "/v1beta/models/gemini-3-flash-preview:streamGenerateContent?alt=sse"
		}
		if last := s.Request(3); last.Path != path || last.Header.Get("X-Goog-Api-Key") != "k" || last.Header.Get("Authorization") != "" {
			t.Errorf("asked at %s with %v", last.Path, last.Header)
		}
	}
}

func TestErrors(t *testing.T) {
	s := providertest.New(t,
		providertest.Error(429, "", "Quota exceeded").Header("Retry-After", "7"),
		providertest.Text("a").Then(providertest.Frame(`{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}`)).NoFinish(),
		providertest.Text("a").NoFinish(),
		providertest.Call("1", "f", "{"),
	)
	c := open(t, provider.Target{BaseURL: s.URL(), Key: secret.New("k")})
	for _, want := range []struct {
		kind   fault.Kind
		status int
		says   string
	}{{fault.Refused, 429, "Quota exceeded"}, {fault.Refused, 503, "overloaded"}, {fault.Upstream, 0, "before it was complete"}, {fault.Upstream, 0, "MALFORMED_FUNCTION_CALL"}} {
		var last error
		for _, err := range c.Generate(t.Context(), &llm.Request{Model: "gemini-2.5-pro", Stream: true, Messages: []llm.Message{{Role: llm.User, Text: "hi"}}}) {
			last = err
		}
		e := fault.From(last)
		if e.Kind != want.kind || e.Status != want.status || !strings.Contains(e.Message, want.says) || e.Provider != "gemini" {
			t.Errorf("%+v, want %+v", e, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for base, want := range map[string]string{"": "/v1beta/models/m:generateContent", "/": "/v1beta/models/m:generateContent", "/v1": "/v1/models/m:generateContent", "/proxy/v1alpha/": "/proxy/v1alpha/models/m:generateContent", "/proxy": "/proxy/v1beta/models/m:generateContent"} {
		s := providertest.New(t, providertest.Text("a"))
		ask(t, open(t, provider.Target{BaseURL: strings.TrimSuffix(s.URL(), "/v1") + base, Key: secret.New("k")}), &llm.Request{Model: "m", Messages: []llm.Message{{Role: llm.User, Text: "hi"}}})
		if got := s.Request(1).Path; got != want {
			t.Errorf("%s: %s", base, got)
		}
	}
}

func TestMistakes(t *testing.T) {
	env := provider.Env{Transport: http.DefaultTransport, Wire: func(_ string, q wire.Quirks) (wire.Upstream, error) { return wiregemini.NewUpstream(q) }}
	for field, target := range map[string]provider.Target{
		"api_key":  {},
		"wire":     {Key: secret.New("k"), Wire: "chat"},
		"base_url": {Key: secret.New("k"), BaseURL: "nowhere"},
	} {
		_, err := gemini.Driver().Open(target, env)
		if m, ok := errors.AsType[*provider.Mistake](err); !ok || m.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
