package azure_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/provider/azure"
)

// cloud is a transport with Azure behind it: what gives tokens, and a model.
type cloud struct {
	answer func(n int) (status int, body string) // to the nth asking for a token
	model  int                                   // status of the model's replies

	mu     sync.Mutex
	askers []*http.Request
	forms  []string
	used   []string // the tokens that the model was shown
	wait   time.Duration
}

const hello = `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}`

func (c *cloud) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/chat/completions") {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.used = append(c.used, r.Header.Get("Authorization"))
		if c.model != 0 {
			return reply(c.model, `{"error":{"code":"PermissionDenied","message":"The principal lacks the required data action."}}`), nil
		}
		return reply(http.StatusOK, hello), nil
	}
	if c.wait > 0 {
		time.Sleep(c.wait) // of the test's own clock
	}
	form := []byte(nil)
	if r.Body != nil {
		form, _ = io.ReadAll(r.Body)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.askers, c.forms = append(c.askers, r), append(c.forms, string(form))
	status, body := c.answer(len(c.askers))
	return reply(status, body), nil
}

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
}

// hourly gives a token that holds for an hour, another one each time.
func hourly(n int) (int, string) {
	return http.StatusOK, fmt.Sprintf(`{"token_type":"Bearer","expires_in":3600,"access_token":"token-%d"}`, n)
}

func at(t *testing.T, c *cloud, base string) *provider.Client {
	t.Helper()
	m, err := azure.Driver().Open(provider.Target{Model: "mine", BaseURL: base}, env(c))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const resource = "https://x.openai.azure.com"

func client(t *testing.T) {
	t.Helper()
	nobody(t)
	t.Setenv("AZURE_TENANT_ID", "tenant")
	t.Setenv("AZURE_CLIENT_ID", "client")
	t.Setenv("AZURE_CLIENT_SECRET", "a-secret-of-ours")
}

// TestIdentities wants tokens asked for as each of the identities is documented to.
func TestIdentities(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("signed.by.others\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const scope = "scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default"
	for _, c := range []struct {
		name   string
		env    map[string]string
		base   string
		url    string
		form   string
		header string
		ends   string // how expires_in is written
	}{
		{
			"secret",
			map[string]string{"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_CLIENT_SECRET": "s&s"},
			resource,
			"https://login.microsoftonline.com/tenant/oauth2/v2.0/token", "client_id=client&client_secret=s%26s&grant_type=client_credentials&" + scope, "Content-Type: application/x-www-form-urlencoded", "3599",
		},
		{
			"secret in another cloud",
			map[string]string{"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_CLIENT_SECRET": "s", "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us/"},
			"https://x.openai.azure.us",
			"https://login.microsoftonline.us/tenant/oauth2/v2.0/token", "client_id=client&client_secret=s&grant_type=client_credentials&" + strings.Replace(scope, ".com", ".us", 1), "", "3599",
		},
		{
			"workload",
			map[string]string{"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_FEDERATED_TOKEN_FILE": file},
			resource,
			"https://login.microsoftonline.com/tenant/oauth2/v2.0/token", "client_assertion=signed.by.others&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_id=client&grant_type=client_credentials&" + scope, "", "3599",
		},
		{
			"app",
			map[string]string{"IDENTITY_ENDPOINT": "http://127.0.0.1:41/msi/token", "IDENTITY_HEADER": "h-1"},
			resource,
			"http://127.0.0.1:41/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fcognitiveservices.azure.com", "", "X-Identity-Header: h-1", `"86000"`,
		},
		{
			"machine",
			map[string]string{"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"},
			resource,
			"http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com", "", "Metadata: true", `"86000"`,
		},
		{
			"machine with an identity of several",
			map[string]string{"AZURE_CLIENT_ID": "c-2"},
			resource,
			"http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&client_id=c-2&resource=https%3A%2F%2Fcognitiveservices.azure.com", "", "Metadata: true", `"86000"`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			nobody(t)
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			az := &cloud{answer: func(int) (int, string) { return 200, `{"access_token":"token-1","expires_in":` + c.ends + `}` }}
			m := at(t, az, c.base)
			for range 3 {
				if got := ask(t, m, asking("ours")); got.err != nil || got.text != "hello" {
					t.Fatalf("%+v", got)
				}
			}
			if len(az.askers) != 1 || az.askers[0].URL.String() != c.url || az.forms[0] != c.form {
				t.Fatalf("asked %d times, at %s, with %s", len(az.askers), az.askers[0].URL, az.forms)
			}
			if name, value, ok := strings.Cut(c.header, ": "); ok && az.askers[0].Header.Get(name) != value {
				t.Errorf("asked with %v", az.askers[0].Header)
			}
			if strings.Join(az.used, ",") != "Bearer token-1,Bearer token-1,Bearer token-1" {
				t.Errorf("the model was shown %v", az.used)
			}
		})
	}
}

// TestTokensAreReplacedEarly wants one asking for however many requests, a new token before the old one ends without anybody
// waiting for it, and the old one used while there is no other.
func TestTokensAreReplacedEarly(t *testing.T) {
	client(t)
	synctest.Test(t, func(t *testing.T) {
		az := &cloud{wait: time.Second, answer: func(n int) (int, string) {
			if n == 3 {
				return 503, `{"error":"temporarily_unavailable"}`
			}
			return hourly(n)
		}}
		m := at(t, az, resource)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if got := ask(t, m, asking("ours")); got.err != nil {
					t.Error(got.err)
				}
			})
		}
		all.Wait()
		want := func(askers int, token string) {
			t.Helper()
			begun := time.Now()
			if got := ask(t, m, asking("ours")); got.err != nil || time.Since(begun) > 0 {
				t.Errorf("%v after %v", got.err, time.Since(begun))
			}
			time.Sleep(2 * time.Second) // what was begun beside the request ends
			synctest.Wait()
			az.mu.Lock()
			defer az.mu.Unlock()
			if got := az.used[len(az.used)-1]; len(az.askers) != askers || got != "Bearer "+token {
				t.Errorf("asked %d times, and showed %s; want %d and %s", len(az.askers), got, askers, token)
			}
		}
		want(1, "token-1")
		time.Sleep(54 * time.Minute)
		want(1, "token-1")
		time.Sleep(2 * time.Minute)
		want(2, "token-1") // the new one is fetched beside the request
		want(2, "token-2")
		time.Sleep(56 * time.Minute)
		want(3, "token-2") // it fails, and the old one holds
		want(3, "token-2")
		time.Sleep(time.Minute)
		want(4, "token-2")
		want(4, "token-4")
	})
}

// TestNoTokens wants errors that say what Entra ID has said, what to look at, and no secret.
func TestNoTokens(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(int) (int, string)
		kind   fault.Kind
		says   []string
	}{
		{"wrong secret", func(int) (int, string) {
			return 401, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided: a-secret-of-ours.\r\nTrace ID: 1\r\nTimestamp: x"}`
		}, fault.Credentials, []string{"AADSTS7000215: Invalid client secret provided: ***.", "AZURE_CLIENT_SECRET", "provider azure"}},
		{"expired secret", func(int) (int, string) {
			return 401, `{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys are expired."}`
		}, fault.Credentials, []string{"AADSTS7000222", "expired"}},
		{"only a word", func(int) (int, string) { return 400, `{"error":"invalid_request"}` }, fault.Credentials, []string{"invalid_request"}},
		{"a page", func(int) (int, string) { return 502, `<html>10.0.0.7</html>` }, fault.Upstream, []string{"status 502"}},
		{"no time", func(int) (int, string) { return 200, `{"access_token":"t"}` }, fault.Credentials, []string{"status 200"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client(t)
			az := &cloud{answer: c.answer}
			got := ask(t, at(t, az, resource), asking("ours"))
			if got.err == nil || got.err.Kind != c.kind || got.err.Code != "upstream_credentials" || got.err.Provider != "azure" || len(az.used) > 0 {
				t.Fatalf("%+v", got.err)
			}
			for _, want := range c.says {
				if !strings.Contains(got.err.Message, want) {
					t.Errorf("the message lacks %q: %s", want, got.err.Message)
				}
			}
			if strings.Contains(got.err.Error(), "a-secret-of-ours") || strings.Contains(got.err.Error(), "10.0.0.7") {
				t.Errorf("it shows what nobody may see: %s", got.err.Error())
			}
		})
	}
	nobody(t)
	t.Setenv("AZURE_TENANT_ID", "tenant")
	t.Setenv("AZURE_CLIENT_ID", "client")
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", filepath.Join(t.TempDir(), "none"))
	if got := ask(t, at(t, &cloud{}, resource), asking("ours")); got.err == nil || !strings.Contains(got.err.Message, "AZURE_FEDERATED_TOKEN_FILE") {
		t.Errorf("%+v", got.err)
	}
}

// TestRefusedTokens wants a word on roles, and a new token after one that the resource does not take.
func TestRefusedTokens(t *testing.T) {
	client(t)
	az := &cloud{answer: hourly, model: http.StatusForbidden}
	m := at(t, az, resource)
	if got := ask(t, m, asking("ours")); got.err == nil || got.err.Status != 403 || !strings.Contains(got.err.Message, "Cognitive Services OpenAI User") {
		t.Errorf("%+v", got.err)
	}
	az.model = http.StatusUnauthorized
	if got := ask(t, m, asking("ours")); got.err == nil || got.err.Status != 401 || !strings.Contains(got.err.Message, "same tenant") {
		t.Errorf("%+v", got.err)
	}
	az.model = 0
	if got := ask(t, m, asking("ours")); got.err != nil || strings.Join(az.used, ",") != "Bearer token-1,Bearer token-1,Bearer token-2" {
		t.Errorf("%+v, the model was shown %v", got.err, az.used)
	}
}
