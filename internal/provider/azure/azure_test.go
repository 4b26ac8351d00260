package azure_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/provider/azure"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/secret"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/chat"
	"github.com/fairlead/fairlead/internal/wire/responses"
)

func env(rt http.RoundTripper) provider.Env {
	return provider.Env{Transport: rt, Wire: func(name string, q wire.Quirks) (wire.Upstream, error) {
		switch name {
		case chat.Name:
			return chat.NewUpstream(q)
		case responses.Name:
			return responses.NewUpstream(q)
		}
		return nil, errors.New("no such wire: " + name)
	}}
}

// nobody clears what the environment of the test says of identities.
func nobody(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST",
		"AZURE_TOKEN_CREDENTIALS", "IDENTITY_ENDPOINT", "IDENTITY_HEADER",
	} {
		t.Setenv(name, "")
	}
}

// sent is a transport that keeps the request and answers that it has none.
type sent struct{ req *http.Request }

func (s *sent) RoundTrip(r *http.Request) (*http.Response, error) {
	s.req = r
	return nil, errors.New("not sent")
}

func asking(model string) *llm.Request {
	return &llm.Request{Model: model, Stream: true, Messages: []llm.Message{{Role: llm.User, Text: "hi"}}}
}

// TestAddresses wants requests where the two forms of the API have them.
func TestAddresses(t *testing.T) {
	const x = "https://x.openai.azure.com"
	for _, c := range []struct {
		name, base, version, wire, model string
		url                              string
	}{
		{"v1", x, "", "", "gpt", x + "/openai/v1/chat/completions"},
		{"v1, slash", x + "/", "", "", "gpt", x + "/openai/v1/chat/completions"},
		{"v1, half", x + "/openai", "", "", "gpt", x + "/openai/v1/chat/completions"},
		{"v1, whole", x + "/openai/v1/", "", "", "gpt", x + "/openai/v1/chat/completions"},
		{"v1, responses", x, "", "responses", "gpt", x + "/openai/v1/responses"},
		{"v1, query", x + "/openai/v1?api-version=preview", "", "", "gpt", x + "/openai/v1/chat/completions?api-version=preview"},
		{"v1, a word for the version", x, "preview", "", "gpt", x + "/openai/v1/chat/completions?api-version=preview"},
		{"behind a gateway of one's own", "https://h/azure", "", "", "gpt", "https://h/azure/chat/completions"},
		{"deployment", x, "2024-10-21", "", "my gpt", x + "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"},
		{"deployment, whole", x + "/openai/v1", "2024-10-21", "chat", "gpt", x + "/openai/deployments/gpt/chat/completions?api-version=2024-10-21"},
		{"deployment that the request names", x + "/openai/", "2024-10-21", "", "", x + "/openai/deployments/asked/chat/completions?api-version=2024-10-21"},
		{"responses of a version", x, "2025-04-01-preview", "responses", "gpt", x + "/openai/responses?api-version=2025-04-01-preview"},
		{"query and version", x + "?a=b", "2024-10-21", "", "gpt", x + "/openai/deployments/gpt/chat/completions?a=b&api-version=2024-10-21"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rt := &sent{}
			m, err := azure.Driver().Open(provider.Target{Model: c.model, BaseURL: c.base, APIVersion: c.version, Wire: c.wire, Key: secret.New("k-1")}, env(rt))
			if err != nil {
				t.Fatal(err)
			}
			for range m.Generate(t.Context(), asking("asked")) {
				continue
			}
			if got := rt.req.URL.String(); got != c.url || rt.req.Header.Get("Api-Key") != "k-1" || rt.req.Header["Authorization"] != nil {
				t.Errorf("sent to %s with %v, want %s", got, rt.req.Header, c.url)
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	nobody(t)
	const x = "https://x.openai.azure.com"
	for _, c := range []struct {
		name   string
		env    map[string]string
		target provider.Target
		field  string
		says   string
	}{
		{"no address", nil, provider.Target{Key: secret.New("k")}, "base_url", "https://NAME.openai.azure.com"},
		{"no URL", nil, provider.Target{Key: secret.New("k"), BaseURL: "x.openai.azure.com"}, "base_url", ""},
		{"the address of a deployment", nil, provider.Target{Key: secret.New("k"), BaseURL: x + "/openai/deployments/gpt/chat/completions?api-version=2024-10-21"}, "base_url", "api_version"},
		{"no credentials", nil, provider.Target{BaseURL: x}, "api_key", "AZURE_OPENAI_API_KEY"},
		{"half a client", map[string]string{"AZURE_CLIENT_SECRET": "s", "AZURE_CLIENT_ID": "c"}, provider.Target{BaseURL: x}, "api_key", "AZURE_TENANT_ID"},
		{"half a workload", map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "/x", "AZURE_TENANT_ID": "t"}, provider.Target{BaseURL: x}, "api_key", "AZURE_CLIENT_ID"},
		{"a client without a secret", map[string]string{"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"}, provider.Target{BaseURL: x}, "api_key", "AZURE_CLIENT_SECRET"},
		{"a wire of others", nil, provider.Target{BaseURL: x, Key: secret.New("k"), Wire: "messages"}, "wire", "chat, responses"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			_, err := azure.Driver().Open(c.target, env(&sent{}))
			if m, ok := errors.AsType[*provider.Mistake](err); !ok || m.Field != c.field || !strings.Contains(m.Message, c.says) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := azure.Driver().Open(provider.Target{BaseURL: x, Headers: map[string]string{"api-key": "k"}}, env(&sent{})); err != nil {
		t.Errorf("a credential among the headers: %v", err)
	}
}

// outcome is what a reply comes to.
type outcome struct {
	text, model string
	calls       []llm.Call
	end         llm.Event
	err         *fault.Error
}

func ask(t *testing.T, m *provider.Client, req *llm.Request) outcome {
	t.Helper()
	var o outcome
	for ev, err := range m.Generate(t.Context(), req) {
		if err != nil {
			o.err = fault.From(err)
			return o
		}
		switch ev.Kind {
		case llm.Start:
			o.model = ev.Head.Model
		case llm.Text:
			o.text += ev.Text
		case llm.ToolCall:
			if ev.Index == len(o.calls) {
				o.calls = append(o.calls, llm.Call{ID: ev.Call.ID, Name: ev.Call.Name})
			}
			o.calls[ev.Index].Arguments += ev.Call.Arguments
		case llm.End:
			o.end = ev
		default:
		}
	}
	return o
}

func open(t *testing.T, target provider.Target) *provider.Client {
	t.Helper()
	tr := provider.Transport(0)
	t.Cleanup(tr.CloseIdleConnections)
	m, err := azure.Driver().Open(target, env(tr))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestRounds has a model call a tool and answer, in each wire and each form of the API.
func TestRounds(t *testing.T) {
	for _, speaks := range []string{"chat", "responses"} {
		for _, version := range []string{"", "2025-04-01-preview"} {
			t.Run(speaks+" "+version, func(t *testing.T) {
				s := providertest.New(t, providertest.Call("call_1", "look", `{"a":`, `1}`), providertest.Text("done")).RequireKey("k-1")
				m := open(t, provider.Target{Model: "mine", BaseURL: s.URL(), Wire: speaks, APIVersion: version, Key: secret.New("k-1")})
				req := asking("ours")
				req.Tools = []llm.Tool{{Name: "look", Schema: []byte(`{"type":"object","properties":{"a":{"type":"integer"}}}`)}}
				got := ask(t, m, req)
				if got.err != nil || len(got.calls) != 1 || got.calls[0].Arguments != `{"a":1}` {
					t.Fatalf("%+v", got)
				}
				req.AddedMessages = []llm.Message{{Role: llm.Assistant, Calls: got.calls}, {Role: llm.ToolRole, Result: &llm.Result{CallID: got.calls[0].ID, Name: "look", Text: "seen"}}}
				if got := ask(t, m, req); got.text != "done" || got.end.Stop != llm.StopDone {
					t.Errorf("%+v", got)
				}
				if r := s.Request(2); r.Model != "mine" || len(r.Results()) != 1 {
					t.Errorf("asked %s", r.Raw)
				}
			})
		}
	}
}

// TestAzureOpenAI has what Azure's streams have and OpenAI's do not: a first chunk without choices that tells what the filters
// say of the prompt, filter results in and behind the chunks, and the name of the model in place of the deployment's
// (https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-streaming).
func TestAzureOpenAI(t *testing.T) {
	filters := `"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}`
	s := providertest.New(t,
		providertest.Frames(
			`{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,`+filters+`}]}`,
			`{"choices":[{`+filters+`,"delta":{"content":"","refusal":null,"role":"assistant"},"finish_reason":null,"index":0,"logprobs":null}],"created":1741,"id":"chatcmpl-A","model":"gpt-4o-2024-11-20","object":"chat.completion.chunk","system_fingerprint":"fp_1"}`,
			`{"choices":[{`+filters+`,"delta":{"content":"Hello"},"finish_reason":null,"index":0}],"created":1741,"id":"chatcmpl-A","model":"gpt-4o-2024-11-20","object":"chat.completion.chunk"}`,
			`{"choices":[{"delta":{},"finish_reason":"stop","index":0}],"created":1741,"id":"chatcmpl-A","model":"gpt-4o-2024-11-20","object":"chat.completion.chunk"}`,
			`{"choices":[{"content_filter_offsets":{"check_offset":44,"start_offset":44,"end_offset":49},`+filters+`,"finish_reason":null,"index":0}],"created":0,"id":"","model":"","object":""}`,
			`{"choices":[],"created":1741,"id":"chatcmpl-A","model":"gpt-4o-2024-11-20","object":"chat.completion.chunk","usage":{"completion_tokens":2,"prompt_tokens":9,"total_tokens":11}}`,
			`[DONE]`,
		),
		providertest.JSON(`{"choices":[{"content_filter_results":{},"finish_reason":"content_filter","index":0,"message":{"role":"assistant"}}],"created":1,"id":"chatcmpl-B","model":"gpt-4o","object":"chat.completion","prompt_filter_results":[]}`),
	)
	m := open(t, provider.Target{Model: "mine", BaseURL: s.URL(), APIVersion: "2024-10-21", Key: secret.New("k")})
	got := ask(t, m, asking("ours"))
	if got.err != nil || got.text != "Hello" || got.model != "gpt-4o-2024-11-20" || got.end.Stop != llm.StopDone || got.end.Usage == nil || got.end.Usage.Input != 9 {
		t.Errorf("%+v %+v", got, got.end.Usage)
	}
	if got := ask(t, m, asking("ours")); got.err != nil || got.end.Stop != llm.StopFilter {
		t.Errorf("%+v", got)
	}
}

// TestErrors wants errors that say what in the config to look at.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, body  string
		status      int
		code, param string
		says        []string
	}{
		{
			"unknown deployment", `{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."}}`, 404,
			"DeploymentNotFound", "model",
			[]string{"does not exist", "provider azure", "no deployment mine", `"model"`},
		},
		{
			"wrong key", `{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource."}}`, 401,
			"401", "",
			[]string{"Access denied", `"api_key"`, `"base_url"`},
		},
		{"wrong version", `{"error":{"code":"404","message":"Resource not found"}}`, 404, "404", "", []string{"Resource not found", `"api_version"`}},
		{"a version that is over", `{"error":{"code":"BadRequest","message":"API version not supported"}}`, 400, "BadRequest", "", []string{`"api_version"`}},
		{"a model of responses only", `{"error":{"code":"OperationNotSupported","message":"The chatCompletion operation does not work with the specified model, o3-pro."}}`, 400, "OperationNotSupported", "model", []string{`"wire"`}},
		{
			"filtered", `{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}}}`, 400,
			"content_filter", "prompt",
			[]string{"content management policy."},
		},
		{"too fast", `{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation have exceeded the token rate limit."}}`, 429, "429", "", []string{"rate limit."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := providertest.New(t, providertest.Reply(c.status, "application/json", c.body))
			got := ask(t, open(t, provider.Target{Model: "mine", BaseURL: s.URL(), Key: secret.New("key-1")}), asking("ours"))
			if got.err == nil || got.err.Kind != fault.Refused || got.err.Status != c.status || got.err.Code != c.code || got.err.Param != c.param || got.err.Provider != "azure" {
				t.Fatalf("%+v", got.err)
			}
			for _, want := range c.says {
				if !strings.Contains(got.err.Message, want) {
					t.Errorf("the message lacks %s: %s", want, got.err.Message)
				}
			}
		})
	}
}
