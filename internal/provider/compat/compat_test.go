package compat_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/provider/compat"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/secret"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/chat"
	"github.com/fairlead/fairlead/internal/wire/messages"
	"github.com/fairlead/fairlead/internal/wire/responses"
)

func env(rt http.RoundTripper) provider.Env {
	return provider.Env{Transport: rt, Wire: func(name string, q wire.Quirks) (wire.Upstream, error) {
		switch name {
		case chat.Name:
			return chat.NewUpstream(q)
		case responses.Name:
			return responses.NewUpstream(q)
		case messages.Name:
			return messages.NewUpstream(q)
		}
		return nil, errors.New("no such wire: " + name)
	}}
}

func TestRowsAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range compat.Rows() {
		if r.Name == "" || r.Title == "" || strings.ToLower(r.Name) != r.Name || strings.ContainsAny(r.Name, "/ ") || seen[r.Name] {
			t.Errorf("%q: names are lower case, without a slash, and stand once; a title is needed", r.Name)
		}
		seen[r.Name] = true
		if r.BaseURL == "" {
			continue
		}
		u, err := url.Parse(r.BaseURL)
		if err != nil || u.Host == "" || strings.HasSuffix(r.BaseURL, "/") || strings.HasSuffix(u.Path, "/chat/completions") {
			t.Errorf("%s: base URL %q", r.Name, r.BaseURL)
		}
		if local := u.Hostname() == "127.0.0.1"; local == r.NeedKey || local != (u.Scheme == "http") {
			t.Errorf("%s: a local server needs no key and no TLS, any other both", r.Name)
		}
	}
	for _, name := range []string{
		"openai", "groq", "deepseek", "xai", "mistral", "together", "fireworks", "openrouter", "cerebras", "perplexity", "nvidia",
		"ollama", "vllm", "lmstudio", "llamacpp", "sglang", "openai-compatible",
	} {
		if !seen[name] {
			t.Errorf("there is no row %q", name)
		}
	}
}

// sent is a transport that keeps the request and answers that it has none.
type sent struct{ req *http.Request }

func (s *sent) RoundTrip(r *http.Request) (*http.Response, error) {
	s.req = r
	return nil, errors.New("not sent")
}

func TestOpen(t *testing.T) {
	key := secret.New("k-1")
	for _, c := range []struct {
		name   string
		driver string
		target provider.Target
		url    string // where the request goes
		header string // what it carries
		err    string // or the field at fault
	}{
		{"own address", "openai", provider.Target{Key: key}, "https://api.openai.com/v1/chat/completions", "Authorization: Bearer k-1", ""},
		{"configured address", "openai", provider.Target{Key: key, BaseURL: "http://h:1/x/"}, "http://h:1/x/chat/completions", "Authorization: Bearer k-1", ""},
		{"no key", "openai", provider.Target{}, "", "", "api_key"},
		{"no key at a configured address", "openai", provider.Target{BaseURL: "http://h/v1"}, "http://h/v1/chat/completions", "", ""},
		{"query", "openai-compatible", provider.Target{Key: key, BaseURL: "https://h/v1?team=a"}, "https://h/v1/chat/completions?team=a", "", ""},
		{"local", "ollama", provider.Target{}, "http://127.0.0.1:11434/v1/chat/completions", "", ""},
		{"any, no address", "openai-compatible", provider.Target{}, "", "", "base_url"},
		{"any", "openai-compatible", provider.Target{BaseURL: "https://h/v1"}, "https://h/v1/chat/completions", "", ""},
		{"not http", "openai-compatible", provider.Target{BaseURL: "ftp://h/v1"}, "", "", "base_url"},
		{"no URL", "openai-compatible", provider.Target{BaseURL: "h:8080/v1"}, "", "", "base_url"},
		{"password in the URL", "openai-compatible", provider.Target{BaseURL: "https://u:p@h/v1"}, "", "", "base_url"},
		{"header", "ollama", provider.Target{Headers: map[string]string{"x-team": "a"}}, "http://127.0.0.1:11434/v1/chat/completions", "X-Team: a", ""},
		{"header over key", "openai", provider.Target{Key: key, Headers: map[string]string{"authorization": "Token t"}}, "https://api.openai.com/v1/chat/completions", "Authorization: Token t", ""},
		{"bad header", "ollama", provider.Target{Headers: map[string]string{"x team": "a"}}, "", "", "headers"},
		{"bad header value", "ollama", provider.Target{Headers: map[string]string{"x-team": "a\r\nb: c"}}, "", "", "headers"},
		{"reserved header", "ollama", provider.Target{Headers: map[string]string{"Content-Length": "1"}}, "", "", "headers"},
		{"key with a line break", "openai", provider.Target{Key: secret.New("k\n")}, "", "", "api_key"},
		{"responses", "openai", provider.Target{Key: key, Wire: "responses"}, "https://api.openai.com/v1/responses", "Authorization: Bearer k-1", ""},
		{"messages, whose paths have the version", "openrouter", provider.Target{Key: key, Wire: "messages"}, "https://openrouter.ai/api/v1/messages", "Authorization: Bearer k-1", ""},
		{"messages, no version in the base URL", "openai-compatible", provider.Target{BaseURL: "http://h:8000", Wire: "messages"}, "http://h:8000/v1/messages", "", ""},
		{"a wire that it does not speak", "openai", provider.Target{Key: key, Wire: "messages"}, "", "", "wire"},
		{"a wire that nobody speaks", "openai-compatible", provider.Target{BaseURL: "http://h/v1", Wire: "telegraph"}, "", "", "wire"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rt := &sent{}
			m, err := open(c.driver, c.target, env(rt))
			if c.err != "" {
				if bad, ok := errors.AsType[*provider.Mistake](err); !ok || bad.Field != c.err {
					t.Fatalf("error %v, want one about %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for range m.Generate(t.Context(), &llm.Request{Model: "m", Messages: []llm.Message{{Role: llm.User, Text: "x"}}}) {
				continue
			}
			if rt.req == nil || rt.req.URL.String() != c.url {
				t.Fatalf("sent to %v, want %s", rt.req, c.url)
			}
			if name, value, ok := strings.Cut(c.header, ": "); ok && rt.req.Header.Get(name) != value {
				t.Errorf("headers %v, want %s", rt.req.Header, c.header)
			}
			if c.target.Key.Empty() && (rt.req.Header["Authorization"] != nil || rt.req.Header["Api-Key"] != nil) {
				t.Errorf("a credential that nobody gave: %v", rt.req.Header)
			}
		})
	}
}

func open(driver string, target provider.Target, e provider.Env) (*provider.Client, error) {
	for _, d := range compat.Drivers() {
		if d.Name == driver {
			return d.Open(target, e)
		}
	}
	return nil, errors.New("no driver " + driver)
}

// TestEveryRow runs each row's client against the scripted model, in each of its wires: the quirks must not get in each
// other's way.
func TestEveryRow(t *testing.T) {
	tr := provider.Transport(0)
	t.Cleanup(tr.CloseIdleConnections)
	for _, d := range compat.Drivers() {
		for _, wire := range d.Wires {
			t.Run(d.Name+"/"+wire, func(t *testing.T) {
				rounds(t, tr, provider.Target{Model: "their-name", Key: secret.New("k"), Wire: wire}, d)
			})
		}
	}
}

// rounds has a model call a tool, and answer.
func rounds(t *testing.T, tr http.RoundTripper, target provider.Target, d provider.Driver) {
	t.Helper()
	s := providertest.New(t, providertest.Call("call_1", "look", `{"a":`, `1}`), providertest.Text("done"))
	target.BaseURL = s.URL()
	m, err := d.Open(target, env(tr))
	if err != nil {
		t.Fatal(err)
	}
	if m.Wire() != target.Wire {
		t.Fatalf("the client speaks %s", m.Wire())
	}
	req := &llm.Request{
		Model: "our-name", Stream: true,
		Messages: []llm.Message{{Role: llm.User, Text: "look"}},
		Tools:    []llm.Tool{{Name: "look", Schema: []byte(`{"type":"object","properties":{"a":{"type":"integer"}}}`)}},
	}
	call := llm.Call{}
	for ev, err := range m.Generate(t.Context(), req) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind == llm.ToolCall {
			call.ID, call.Name, call.Arguments = call.ID+ev.Call.ID, call.Name+ev.Call.Name, call.Arguments+ev.Call.Arguments
		}
	}
	if call.ID != "call_1" || call.Name != "look" || call.Arguments != `{"a":1}` {
		t.Errorf("the call came as %+v", call)
	}
	req.AddedMessages = []llm.Message{
		{Role: llm.Assistant, Calls: []llm.Call{call}},
		{Role: llm.ToolRole, Result: &llm.Result{CallID: "call_1", Name: "look", Text: "seen"}},
	}
	text := ""
	for ev, err := range m.Generate(t.Context(), req) {
		if err != nil {
			t.Fatal(err)
		}
		text += ev.Text
	}
	if got := s.Request(2); text != "done" || got.Model != "their-name" || len(got.Results()) != 1 {
		t.Errorf("text %q, the model was asked %s", text, got.Raw)
	}
}
