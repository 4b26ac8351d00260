package anthropic_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/provider/anthropic"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/secret"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/messages"
)

func open(tb testing.TB, t provider.Target) *provider.Client {
	tb.Helper()
	tr := provider.Transport(0)
	tb.Cleanup(tr.CloseIdleConnections)
	c, err := anthropic.Driver().Open(t, provider.Env{
		Transport: tr,
		Wire:      func(_ string, q wire.Quirks) (wire.Upstream, error) { return messages.NewUpstream(q) },
	})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// turn is what a reply comes to.
type turn struct {
	text, think, stop string
	message           llm.Message
	raw               string
	usage             *llm.Usage
}

func ask(tb testing.TB, c *provider.Client, req *llm.Request) turn {
	tb.Helper()
	t := turn{message: llm.Message{Role: llm.Assistant}}
	for ev, err := range c.Generate(tb.Context(), req) {
		if err != nil {
			tb.Fatal(err)
		}
		switch ev.Kind {
		case llm.Text:
			t.text += ev.Text
		case llm.Thinking:
			t.think += ev.Text
		case llm.ToolCall:
			if ev.Index == len(t.message.Calls) {
				t.message.Calls = append(t.message.Calls, llm.Call{ID: ev.Call.ID, Name: ev.Call.Name})
			}
			t.message.Calls[ev.Index].Arguments += ev.Call.Arguments
		case llm.Opaque:
			t.raw += string(ev.Raw)
		case llm.End:
			t.stop, t.usage = ev.Stop, ev.Usage
		}
		if len(ev.Extra.Delta) > 0 {
			t.message.Wire, t.message.Extra = ev.Extra.Wire, append([]byte(nil), ev.Extra.Delta...)
		}
	}
	t.message.Text = t.text
	return t
}

// TestRounds has the model think and call over two rounds. The scripted model refuses what Anthropic refuses: results that
// are not where they must be, and thoughts that do not come back as they were.
func TestRounds(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := providertest.New(t,
			providertest.Reasoning("I ", "see.").Then(providertest.Text("Let me look."), providertest.Call("toolu_1", "docs-add", `{"a":`, `1.0}`), providertest.Call("toolu_2", "docs-now")),
			providertest.Reasoning("Again.").Then(providertest.Call("toolu_3", "docs-now", "{}")),
			providertest.Text("Done.").Costs(providertest.Usage{Input: 9, Cached: 4, Output: 3}),
		)
		c := open(t, provider.Target{Model: "claude-sonnet-4-5", BaseURL: s.URL(), Key: secret.New("sk-ant")})
		req := &llm.Request{
			Model: "smart", Stream: stream,
			Messages:   []llm.Message{{Role: llm.System, Text: "Be brief."}, {Role: llm.User, Text: "hi"}},
			AddedTools: []llm.Tool{{Name: "docs-add", Schema: []byte(`{"type":"object"}`)}, {Name: "docs-now"}},
		}
		req.Params.ThinkTokens = 2048
		for range 2 {
			got := ask(t, c, req)
			if got.stop != llm.StopTools || got.think == "" {
				t.Fatalf("stream %v: %+v", stream, got)
			}
			req.AddedMessages = append(req.AddedMessages, got.message)
			for _, call := range got.message.Calls {
				req.AddedMessages = append(req.AddedMessages, llm.Message{Role: llm.ToolRole, Result: &llm.Result{CallID: call.ID, Text: "ok"}})
			}
		}
		got := ask(t, c, req)
		if got.text != "Done." || got.stop != llm.StopDone || got.usage == nil || got.usage.Input != 5 || got.usage.CacheRead != 4 || got.usage.Output != 3 {
			t.Errorf("stream %v: %+v %+v", stream, got, got.usage)
		}
		last := s.Request(3)
		if last.Model != "claude-sonnet-4-5" || last.Header.Get("X-Api-Key") != "sk-ant" || last.Header.Get("Anthropic-Version") != "2023-06-01" || last.Header.Get("Authorization") != "" || last.Path != "/v1/messages" {
			t.Errorf("asked for %s at %s with %v", last.Model, last.Path, last.Header)
		}
		if !strings.Contains(string(last.Raw), `"input":{"a":1.0}`) {
			t.Errorf("the arguments are not as the model wrote them: %s", last.Raw)
		}
	}
}

// TestRelay sends a client's own request and reply through, byte for byte, with the client's version and betas.
func TestRelay(t *testing.T) {
	s := providertest.New(t, providertest.Text("hello"))
	c := open(t, provider.Target{BaseURL: strings.TrimSuffix(s.URL(), "/v1"), Key: secret.New("sk-ant")})
	body := `{ "model":"claude","max_tokens":10,"messages":[{"role":"user","content":"hi"}], "stream":true}`
	req, err := messages.Door{}.ReadRequest(http.Header{"Anthropic-Version": {"2026-10-21"}, "Anthropic-Beta": {"a,b"}}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Opaque = true
	got := ask(t, c, req)
	seen := s.Request(1)
	if string(seen.Raw) != body || seen.Header.Get("Anthropic-Version") != "2026-10-21" || seen.Header.Get("Anthropic-Beta") != "a,b" {
		t.Errorf("sent %s with %v", seen.Raw, seen.Header)
	}
	if !strings.HasSuffix(got.raw, "data: {\"type\":\"message_stop\"}\n\n") || got.stop != llm.StopDone || got.usage == nil || got.usage.Input != 10 || got.usage.Output != 5 {
		t.Errorf("%+v %+v", got, got.usage)
	}

	count := `{"model":"claude","messages":[{"role":"user","content":"hi"}]}`
	if req, err = (messages.Door{}).ReadRequest(nil, []byte(count)); err != nil {
		t.Fatal(err)
	}
	req.Opaque, req.Op = true, "/count_tokens"
	if got := ask(t, c, req); !strings.HasPrefix(got.raw, `{"input_tokens":`) || got.usage != nil {
		t.Errorf("counted %+v", got)
	}
	if path := s.Request(2).Path; path != "/v1/messages/count_tokens" {
		t.Errorf("counted at %s", path)
	}
}

func TestErrors(t *testing.T) {
	s := providertest.New(t, providertest.Error(529, "", "Overloaded").Header("Retry-After", "7"))
	c := open(t, provider.Target{BaseURL: s.URL(), Key: secret.New("sk-ant")})
	for _, err := range c.Generate(t.Context(), &llm.Request{Model: "m", Messages: []llm.Message{{Role: llm.User, Text: "hi"}}}) {
		e := fault.From(err)
		if e.Kind != fault.Refused || e.Status != 529 || e.Type != "overloaded_error" || e.Message != "Overloaded" || e.RetryAfter != "7" || e.Provider != "anthropic" {
			t.Errorf("%+v", e)
		}
	}
}

func TestMistakes(t *testing.T) {
	env := provider.Env{Transport: http.DefaultTransport, Wire: func(_ string, q wire.Quirks) (wire.Upstream, error) { return messages.NewUpstream(q) }}
	for field, target := range map[string]provider.Target{
		"api_key":  {},
		"wire":     {Key: secret.New("k"), Wire: "chat"},
		"base_url": {Key: secret.New("k"), BaseURL: "nowhere"},
	} {
		_, err := anthropic.Driver().Open(target, env)
		if m, ok := errors.AsType[*provider.Mistake](err); !ok || m.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := anthropic.Driver().Open(provider.Target{BaseURL: "http://127.0.0.1:1"}, env); err != nil {
		t.Errorf("another address without a key: %v", err)
	}
}
