package cohere_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/provider/cohere"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/secret"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/chat"
	wirecohere "github.com/fairlead/fairlead/internal/wire/cohere"
)

func env(rt http.RoundTripper) provider.Env {
	return provider.Env{Transport: rt, Wire: func(name string, q wire.Quirks) (wire.Upstream, error) {
		switch name {
		case wirecohere.Name:
			return wirecohere.NewUpstream(q)
		case chat.Name:
			return chat.NewUpstream(q)
		}
		return nil, errors.New("no such wire: " + name)
	}}
}

func open(tb testing.TB, t provider.Target) *provider.Client {
	tb.Helper()
	tr := provider.Transport(0)
	tb.Cleanup(tr.CloseIdleConnections)
	c, err := cohere.Driver().Open(t, env(tr))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// ask returns the turn that the model answers with.
func ask(tb testing.TB, c *provider.Client, req *llm.Request) (m llm.Message, thought string, end llm.Event) {
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
			thought += ev.Text
		case llm.ToolCall:
			if ev.Index == len(m.Calls) {
				m.Calls = append(m.Calls, llm.Call{ID: ev.Call.ID, Name: ev.Call.Name})
			}
			m.Calls[ev.Index].Arguments += ev.Call.Arguments
		case llm.End:
			end = ev
		default:
		}
		if len(ev.Extra.Delta) > 0 {
			m.Wire, m.Extra = ev.Extra.Wire, bytes.Clone(ev.Extra.Delta)
		}
	}
	return m, thought, end
}

// TestRounds has the model think, plan and call over two rounds, in both of its wires.
func TestRounds(t *testing.T) {
	for _, speaks := range []string{"cohere", "chat"} {
		for _, stream := range []bool{false, true} {
			s := providertest.New(t,
				providertest.Reasoning("I ", "see.").Then(providertest.Text("Let me look."), providertest.Call("add_1", "docs-add", `{"a":`, `1.0}`), providertest.Call("now_1", "docs-now", "{}")),
				providertest.Call("now_2", "docs-now", "{}"),
				providertest.Text("Done.").Costs(providertest.Usage{Input: 9, Cached: 4, Output: 3}),
			).RequireKey("co-key")
			c := open(t, provider.Target{Model: "command-a-reasoning", BaseURL: s.URL(), Key: secret.New("co-key"), Wire: speaks})
			if c.Wire() != speaks {
				t.Fatalf("it speaks %s", c.Wire())
			}
			req := &llm.Request{
				Model: "smart", Stream: stream,
				Messages:   []llm.Message{{Role: llm.System, Text: "Be brief."}, {Role: llm.User, Text: "hi"}},
				AddedTools: []llm.Tool{{Name: "docs-add", Schema: []byte(`{"type":"object"}`)}, {Name: "docs-now"}},
			}
			for round := range 2 {
				got, thought, end := ask(t, c, req)
				if end.Stop != llm.StopTools || round == 0 && (thought != "I see." || got.Text != "Let me look." || len(got.Calls) != 2) {
					t.Fatalf("%s, stream %v: %+v, thought %q, stop %s", speaks, stream, got, thought, end.Stop)
				}
				req.AddedMessages = append(req.AddedMessages, got)
				for _, call := range got.Calls {
					req.AddedMessages = append(req.AddedMessages, llm.Message{Role: llm.ToolRole, Result: &llm.Result{CallID: call.ID, Text: "ok"}})
				}
			}
			got, _, end := ask(t, c, req)
			if got.Text != "Done." || end.Stop != llm.StopDone || end.Usage == nil || end.Usage.Input != 5 || end.Usage.CacheRead != 4 || end.Usage.Output != 3 {
				t.Errorf("%s, stream %v: %+v %+v", speaks, stream, got, end.Usage)
			}
			last := s.Request(3)
			if last.Model != "command-a-reasoning" || len(last.Results()) != 3 || speaks == "cohere" && !strings.Contains(string(last.Raw), "I see.") || !strings.Contains(string(last.Raw), "Let me look.") {
				t.Errorf("%s, stream %v: asked %s", speaks, stream, last.Raw)
			}
		}
	}
}

// sent is a transport that keeps the address and answers that it has none.
type sent struct{ url string }

func (s *sent) RoundTrip(r *http.Request) (*http.Response, error) {
	s.url = r.URL.String()
	return nil, errors.New("not sent")
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct{ base, wire, url string }{
		{"", "", "https://api.cohere.com/v2/chat"},
		{"", "chat", "https://api.cohere.com/compatibility/v1/chat/completions"},
		{"https://h.example/", "cohere", "https://h.example/v2/chat"},
		{"https://h.example/x/v2", "cohere", "https://h.example/x/v2/chat"},
		{"https://h.example/v2", "chat", "https://h.example/compatibility/v1/chat/completions"},
		{"https://api.cohere.ai/compatibility/v1", "", "https://api.cohere.ai/v2/chat"},
		{"https://api.cohere.ai/compatibility/v1", "chat", "https://api.cohere.ai/compatibility/v1/chat/completions"},
		{"https://h.example/v1?a=b", "chat", "https://h.example/v1/chat/completions?a=b"},
	} {
		rt := &sent{}
		m, err := cohere.Driver().Open(provider.Target{Key: secret.New("k"), BaseURL: c.base, Wire: c.wire}, env(rt))
		if err != nil {
			t.Fatal(err)
		}
		for range m.Generate(t.Context(), &llm.Request{Model: "m", Messages: []llm.Message{{Role: llm.User, Text: "x"}}}) {
			continue
		}
		if rt.url != c.url {
			t.Errorf("%q over %q goes to %s, want %s", c.base, c.wire, rt.url, c.url)
		}
	}
}

func TestErrors(t *testing.T) {
	s := providertest.New(t, providertest.Error(404, "", "model 'x' not found"))
	c := open(t, provider.Target{BaseURL: s.URL(), Key: secret.New("k")})
	for _, err := range c.Generate(t.Context(), &llm.Request{Model: "m", Messages: []llm.Message{{Role: llm.User, Text: "hi"}}}) {
		if e := fault.From(err); e.Kind != fault.Refused || e.Status != 404 || !strings.HasPrefix(e.Message, "model 'x' not found (provider cohere: ") || e.Provider != "cohere" {
			t.Errorf("%+v", e)
		}
	}
}

func TestMistakes(t *testing.T) {
	for field, target := range map[string]provider.Target{
		"api_key":  {},
		"wire":     {Key: secret.New("k"), Wire: "messages"},
		"base_url": {Key: secret.New("k"), BaseURL: "nowhere"},
	} {
		_, err := cohere.Driver().Open(target, env(http.DefaultTransport))
		if m, ok := errors.AsType[*provider.Mistake](err); !ok || m.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
