package vertex

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/secret"
	"github.com/fairlead/fairlead/internal/wire"
	wirechat "github.com/fairlead/fairlead/internal/wire/chat"
	wiregemini "github.com/fairlead/fairlead/internal/wire/gemini"
	wiremessages "github.com/fairlead/fairlead/internal/wire/messages"
)

func newWire(name string, q wire.Quirks) (wire.Upstream, error) {
	switch name {
	case gemini:
		return wiregemini.NewUpstream(q)
	case messages:
		return wiremessages.NewUpstream(q)
	}
	return wirechat.NewUpstream(q)
}

func environment(tb testing.TB) provider.Env {
	tb.Helper()
	tr := provider.Transport(0)
	tb.Cleanup(tr.CloseIdleConnections)
	return provider.Env{Transport: tr, Wire: newWire}
}

// account is a service account whose token is "token".
func account(tb testing.TB) secret.String {
	tb.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"token","token_type":"Bearer","expires_in":3600}`))
	}))
	tb.Cleanup(s.Close)
	return serviceAccount(tb, s.URL)
}

// turn is what a reply comes to.
func turn(tb testing.TB, c *provider.Client, req *llm.Request) (m llm.Message, stop, raw string) {
	tb.Helper()
	m = llm.Message{Role: llm.Assistant}
	for ev, err := range c.Generate(tb.Context(), req) {
		if err != nil {
			tb.Fatal(err)
		}
		switch ev.Kind {
		case llm.Text:
			m.Text += ev.Text
		case llm.ToolCall:
			if ev.Index == len(m.Calls) {
				m.Calls = append(m.Calls, llm.Call{ID: ev.Call.ID, Name: ev.Call.Name})
			}
			m.Calls[ev.Index].Arguments += ev.Call.Arguments
		case llm.Opaque:
			raw += string(ev.Raw)
		case llm.End:
			stop = ev.Stop
		default:
		}
		if len(ev.Extra.Delta) > 0 {
			m.Wire, m.Extra = ev.Extra.Wire, append([]byte(nil), ev.Extra.Delta...)
		}
	}
	return m, stop, raw
}

// TestRounds has models of two vendors call over rounds. The scripted model refuses what they refuse.
func TestRounds(t *testing.T) {
	credentials := account(t)
	for _, c := range []struct{ model, path string }{
		{"gemini-3-pro-preview", "/v1beta1/projects/my-project/locations/europe-west4/publishers/google/models/gemini-3-pro-preview"},
		{"claude-sonnet-4-5@20250929", "/v1/projects/my-project/locations/europe-west4/publishers/anthropic/models/claude-sonnet-4-5@20250929"},
	} {
		for _, stream := range []bool{false, true} {
			s := providertest.New(t,
				providertest.Reasoning("I see.").Then(providertest.Text("Let me look."), providertest.Call("toolu_1", "docs-add", `{"a":`, `1.0}`), providertest.Call("toolu_2", "docs-now")),
				providertest.Call("toolu_3", "docs-now", "{}"),
				providertest.Text("Done."),
			).RequireKey("token")
			client, err := Driver().Open(provider.Target{Model: c.model, BaseURL: strings.TrimSuffix(s.URL(), "/v1"), Project: "my-project", Region: "europe-west4", Credentials: credentials}, environment(t))
			if err != nil {
				t.Fatal(err)
			}
			req := &llm.Request{
				Model: "smart", Stream: stream,
				Messages:   []llm.Message{{Role: llm.System, Text: "Be brief."}, {Role: llm.User, Text: "hi"}},
				AddedTools: []llm.Tool{{Name: "docs-add", Schema: []byte(`{"type":"object","properties":{"a":{"type":"number"}}}`)}, {Name: "docs-now"}},
			}
			for range 2 {
				m, stop, _ := turn(t, client, req)
				if stop != llm.StopTools {
					t.Fatalf("%s: %+v %s", c.model, m, stop)
				}
				req.AddedMessages = append(req.AddedMessages, m)
				for _, call := range m.Calls {
					req.AddedMessages = append(req.AddedMessages, llm.Message{Role: llm.ToolRole, Result: &llm.Result{CallID: call.ID, Text: "ok"}})
				}
			}
			if m, stop, _ := turn(t, client, req); m.Text != "Done." || stop != llm.StopDone {
				t.Errorf("%s: %+v %s", c.model, m, stop)
			}
			last := s.Request(3)
			if !strings.HasPrefix(last.Path, c.path+":") || last.Stream != stream || last.Header.Get("Authorization") != "Bearer token" || last.Header.Get("X-Goog-User-Project") != "q" {
				t.Errorf("asked at %s with %v", last.Path, last.Header)
			}
			if !strings.Contains(string(last.Raw), `{"a":1.0}`) {
				t.Errorf("the arguments are not as the model wrote them: %s", last.Raw)
			}
		}
	}
}

// TestRelay sends a client's own request for Claude through, with no more changed than must be.
func TestRelay(t *testing.T) {
	s := providertest.New(t, providertest.Text("hello"))
	client, err := Driver().Open(provider.Target{BaseURL: s.URL(), Project: "p", Wire: messages, Credentials: account(t)}, environment(t))
	if err != nil {
		t.Fatal(err)
	}
	req, err := wiremessages.Door{}.ReadRequest(http.Header{"Anthropic-Beta": {"a"}}, []byte(`{ "model":"claude-x","max_tokens":10,"messages":[{"role":"user","content":"hi"}], "stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Opaque = true
	_, _, raw := turn(t, client, req)
	seen := s.Request(1)
	if want := `{ "max_tokens":10,"messages":[{"role":"user","content":"hi"}], "stream":true,"anthropic_version":"vertex-2023-10-16"}`; string(seen.Raw) != want || seen.Header.Get("Anthropic-Beta") != "a" {
		t.Errorf("sent %s with %v, want %s", seen.Raw, seen.Header, want)
	}
	if !strings.HasSuffix(raw, "data: {\"type\":\"message_stop\"}\n\n") || seen.Path != "/v1/projects/p/locations/global/publishers/anthropic/models/claude-x:streamRawPredict" {
		t.Errorf("%s from %s", raw, seen.Path)
	}
	if req, err = (wiremessages.Door{}).ReadRequest(nil, []byte(`{"model":"claude-x","messages":[{"role":"user","content":"hi"}]}`)); err != nil {
		t.Fatal(err)
	}
	req.Opaque, req.Op = true, "/count_tokens"
	if _, _, raw := turn(t, client, req); !strings.HasPrefix(raw, `{"input_tokens":`) || s.Request(2).Model != "claude-x" {
		t.Errorf("counted %s", raw)
	}
}

// TestChatCompletions asks a model of somebody else's.
func TestChatCompletions(t *testing.T) {
	s := providertest.New(t, providertest.Text("hello"))
	client, err := Driver().Open(provider.Target{Model: "meta/llama-4", BaseURL: s.URL(), Project: "p", Region: "us-east5", Wire: chat, Credentials: account(t)}, environment(t))
	if err != nil {
		t.Fatal(err)
	}
	if m, _, _ := turn(t, client, &llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "hi"}}}); m.Text != "hello" || s.Request(1).Path != "/v1/projects/p/locations/us-east5/endpoints/openapi/chat/completions" {
		t.Errorf("%+v from %s", m, s.Request(1).Path)
	}
}

func TestPlaces(t *testing.T) {
	for _, name := range append(projectEnv, regionEnv...) {
		t.Setenv(name, "")
	}
	for _, c := range []struct {
		target provider.Target
		speaks string
		want   string // a URL, or the field at fault
	}{
		{provider.Target{Project: "p"}, gemini, "https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/publishers/google"},
		{provider.Target{Project: "p", Region: "us"}, messages, "https://aiplatform.us.rep.googleapis.com/v1/projects/p/locations/us/publishers/anthropic"},
		{provider.Target{Project: "p", Region: "europe-west1", Model: "endpoints/7"}, gemini, "https://europe-west1-aiplatform.googleapis.com/v1beta1/projects/p/locations/europe-west1"},
		{provider.Target{Project: "p", BaseURL: "http://h.example/x/v1/?a=b"}, chat, "http://h.example/x/v1/projects/p/locations/global/endpoints/openapi?a=b"},
		{provider.Target{Key: secret.New("k")}, gemini, "https://aiplatform.googleapis.com/v1beta1/publishers/google"},
		{provider.Target{Key: secret.New("k")}, messages, "project"},
		{provider.Target{}, gemini, "project"},
		{provider.Target{Project: "p", BaseURL: "http://h:x"}, gemini, "base_url"},
	} {
		got, err := place(c.target, c.speaks)
		if m, ok := errors.AsType[*provider.Mistake](err); ok {
			got = m.Field
		}
		if got != c.want {
			t.Errorf("%+v: %s, want %s", c.target, got, c.want)
		}
	}
	t.Setenv("GOOGLE_CLOUD_PROJECT", "q")
	t.Setenv("GOOGLE_CLOUD_REGION", "eu")
	if got, err := place(provider.Target{}, gemini); got != "https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/q/locations/eu/publishers/google" {
		t.Error(got, err)
	}
}

// TestMistakes wants what is wrong named by its field.
func TestMistakes(t *testing.T) {
	for field, target := range map[string]provider.Target{
		"wire":        {Project: "p", Wire: "responses"},
		"credentials": {Project: "p", Credentials: secret.New(`{"type":"gdch_service_account"}`)},
	} {
		_, err := Driver().Open(target, environment(t))
		if m, ok := errors.AsType[*provider.Mistake](err); !ok || m.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// TestKey wants an API key sent as one, and no token asked for.
func TestKey(t *testing.T) {
	s := providertest.New(t, providertest.Text("hello"), providertest.Error(404, "", "Publisher Model was not found"))
	client, err := Driver().Open(provider.Target{BaseURL: s.URL(), Key: secret.New("k")}, environment(t))
	if err != nil {
		t.Fatal(err)
	}
	req := &llm.Request{Model: "gemini-2.5-pro", Messages: []llm.Message{{Role: llm.User, Text: "hi"}}}
	if m, _, _ := turn(t, client, req); m.Text != "hello" || s.Request(1).Header.Get("X-Goog-Api-Key") != "k" || s.Request(1).Path != "/v1beta1/publishers/google/models/gemini-2.5-pro:generateContent" {
		t.Errorf("%+v from %s", m, s.Request(1).Path)
	}
	for _, err := range client.Generate(t.Context(), req) {
		if e := fault.From(err); e.Kind != fault.Refused || e.Status != 404 || e.Code != "not_found" || e.Provider != "vertex" {
			t.Errorf("%+v", e)
		}
	}
}
