package blackbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

const geminiModel = `-- config --
models:
  - {name: m, provider: gemini, model: gemini-3-flash-preview, base_url: "{{model root}}", api_key: "{{upstream key}}"}
`

const ownFunction = `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"x":{"type":"integer"}}}}}]`

// TestSignaturesAcrossAClient: a client that keeps nothing of a reply but what OpenAI's reference names still has Gemini get its
// signatures back, as they were. Of a conversation that the gateway has never seen they are gone, and Gemini is told so.
func TestSignaturesAcrossAClient(t *testing.T) {
	t.Parallel()
	tr := house(t, geminiModel,
		providertest.Text("See.").Then(providertest.Call("c1", "f", `{"x": 1}`), providertest.Call("c2", "f", `{"x": 2}`)),
		providertest.Call("c3", "f", `{"x": 3}`),
		providertest.Text("Done."),
		providertest.Text("Fine."),
	)
	talk := []string{`{"role":"user","content":"Go."}`}
	ask := func() (text string, calls []string) {
		t.Helper()
		answer := tr.want(http.StatusOK, `{"model":"m","messages":[`+strings.Join(talk, ",")+`],`+ownFunction+`}`)
		var r struct {
			Choices []struct {
				Message struct {
					Content string `json:"content"`
					Calls   []struct {
						ID       string `json:"id"`
						Function struct {
							Name      string `json:"name"`
							Arguments string `json:"arguments"`
						} `json:"function"`
					} `json:"tool_calls"`
				} `json:"message"`
			} `json:"choices"`
		}
		if err := json.Unmarshal([]byte(answer), &r); err != nil || len(r.Choices) != 1 {
			t.Fatalf("%v in %s", err, answer)
		}
		m := r.Choices[0].Message
		var said []string
		for _, c := range m.Calls {
			said = append(said, fmt.Sprintf(`{"id":%q,"type":"function","function":{"name":%q,"arguments":%q}}`, c.ID, c.Function.Name, c.Function.Arguments))
			calls = append(calls, c.ID)
		}
		talk = append(talk, fmt.Sprintf(`{"role":"assistant","content":%q,"tool_calls":[%s]}`, m.Content, strings.Join(said, ",")))
		for _, id := range calls {
			talk = append(talk, fmt.Sprintf(`{"role":"tool","tool_call_id":%q,"content":"seven"}`, id))
		}
		return m.Content, calls
	}
	for _, want := range []int{2, 1} {
		if _, calls := ask(); len(calls) != want {
			t.Fatalf("%d calls", len(calls))
		}
	}
	if text, _ := ask(); text != "Done." {
		t.Errorf("the answer is %q", text)
	}
	if seen := string(tr.model.Request(3).Raw); strings.Count(seen, `"thoughtSignature":"`) != 2 || strings.Contains(seen, "skip_thought") {
		t.Errorf("the model has not got its signatures back: %s", seen)
	}

	foreign := `{"model":"m","messages":[{"role":"user","content":"Go."},{"role":"assistant","content":null,"tool_calls":[{"id":"x1","type":"function","function":{"name":"f","arguments":""}}]},{"role":"tool","tool_call_id":"x1","content":"7"}],` + ownFunction + `}`
	tr.want(http.StatusOK, foreign, "Fine.")
	if seen := string(tr.model.Request(4).Raw); !strings.Contains(seen, `{"functionCall":{"name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"}`) {
		t.Errorf("sent %s", seen)
	}
}

// TestWhatGeminiCannotBeAsked: a 400 names the field, the provider and what to do.
func TestWhatGeminiCannotBeAsked(t *testing.T) {
	t.Parallel()
	tr := house(t, geminiModel+`  - {name: old, provider: gemini, model: gemini-2.5-pro, base_url: "{{model root}}", api_key: "{{upstream key}}"}
`)
	for _, c := range []struct{ body, param, says string }{
		{chat(`"n":2`), "n", "n"},
		{chat(`"logprobs":true,"top_logprobs":2`), "logprobs", "logprobs"},
		{chat(`"logit_bias":{"1":2}`), "logit_bias", "gemini"},
		{strings.Replace(chat(`"response_format":{"type":"json_object"},`+ownFunction), `"m"`, `"old"`, 1), "response_format", "Gemini API"},
	} {
		tr.want(http.StatusBadRequest, c.body, `"code":"unsupported_parameter"`, `"param":"`+c.param, c.says)
	}
	if n := len(tr.model.Requests()); n != 0 {
		t.Errorf("the model was asked %d times", n)
	}
}

// account writes the credentials of a service account, whose tokens come from url, into a file.
func account(t *testing.T, url string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	path := filepath.Join(t.TempDir(), "key.json")
	content := fmt.Sprintf("{\n  \"type\": \"service_account\",\n  \"project_id\": \"p-1\",\n  \"client_email\": \"a@p.example\",\n  \"private_key\": %q,\n  \"token_uri\": %q\n}\n", text, url)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestVertex: Gemini and Claude on Vertex AI, with a token of a service account; and what a client learns when there is none.
func TestVertex(t *testing.T) {
	t.Parallel()
	var refuse atomic.Bool
	var tokens atomic.Int32
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if refuse.Load() {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"Invalid grant: account not found"}`))
			return
		}
		tokens.Add(1)
		_, _ = w.Write([]byte(`{"access_token":"` + upstreamKey + `","token_type":"Bearer","expires_in":3600}`))
	}))
	t.Cleanup(issuer.Close)
	place := `provider: vertex, base_url: "{{model root}}", region: europe-west4, credentials: "${file:` + account(t, issuer.URL) + `}"`
	tr := house(t, `-- config --
models:
  - {name: m, model: gemini-2.5-pro, `+place+`}
  - {name: claude, model: claude-sonnet-4-5, `+place+`}
  - {name: broken, model: gemini-2.5-flash, `+place+`}
`, providertest.Text("Hel", "lo."), providertest.Text("Again."), providertest.Text("From Claude."))
	tr.want(http.StatusOK, chat(""), "Hello.")
	tr.want(http.StatusOK, chat(`"stream":true`), "Again.")
	tr.want(http.StatusOK, strings.Replace(chat(""), `"m"`, `"claude"`, 1), "From Claude.")
	if n := tokens.Load(); n != 2 { // each model has its own
		t.Errorf("%d tokens were asked for", n)
	}
	for i, path := range []string{
		"/v1beta1/projects/p-1/locations/europe-west4/publishers/google/models/gemini-2.5-pro:generateContent",
		"/v1beta1/projects/p-1/locations/europe-west4/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
		"/v1/projects/p-1/locations/europe-west4/publishers/anthropic/models/claude-sonnet-4-5:rawPredict",
	} {
		if got := tr.model.Request(i + 1).Path; got != path {
			t.Errorf("asked at %s, want %s", got, path)
		}
	}
	refuse.Store(true)
	tr.want(http.StatusFailedDependency, strings.Replace(chat(""), `"m"`, `"broken"`, 1), `"code":"upstream_credentials"`, "provider vertex cannot be asked", "no access token (invalid_grant)", "check the model's credentials")
	tr.messages(`{"model":"broken","max_tokens":9,"messages":[{"role":"user","content":"Go."}]}`).refusedAs(http.StatusFailedDependency, "api_error", "provider vertex", "check the model's credentials")
	tr.responses(`{"model":"broken","input":"Go."}`).refused(http.StatusFailedDependency, "upstream_credentials", "")
	if log := tr.gateway.Log(); strings.Contains(log, "PRIVATE KEY") {
		t.Error("the log shows the credentials")
	}
}
