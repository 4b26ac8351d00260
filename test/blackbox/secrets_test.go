package blackbox

import (
	"bytes"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/test/gateway"
)

// canary begins every secret of TestAttack27SecretLeakage.
const canary = "cnry-"

// canaryConfig has a secret in every place that takes one. %FILES% and %CHATTY% stand for servers, %HTTP% for the address of what
// answers all other requests by telling what it was shown.
const canaryConfig = `
public_url: http://127.0.0.1:9/
secrets: [cnry-sealing-secret-5a5a]
store: cnry-store.db
keys:
  - {name: dev, key: cnry-gateway-key-11aa, mcp_servers: ["*"]}
  - {name: other, key: cnry-other-key-22bb, models: [m]}
models:
  - {name: m, provider: openai, model: m-1, base_url: "{{model}}", api_key: cnry-provider-key-33cc, headers: {x-team: cnry-provider-header-44dd}}
  - {name: down, provider: openai, base_url: "http://no-such-host.invalid/v1", api_key: cnry-provider-key-55ee}
  - {name: signed, provider: bedrock, model: anthropic.claude-x, region: us-east-1, base_url: "%HTTP%", api_key: cnry-bedrock-key-66ff}
mcp_servers:
  %FILES%
  %CHATTY%
  web: {url: "{{server web}}?key=cnry-url-query-77aa", headers: {Authorization: "Bearer cnry-server-header-88bb"}, forward_headers: [x-request-tag]}
  dead: {url: "http://{{deadhost}}/mcp?key=cnry-url-query-99cc", headers: {X-Key: cnry-server-header-1234}}
  refusing: {url: "%HTTP%/mcp?key=cnry-url-query-2345", headers: {X-Key: cnry-server-header-3456}}
  api: {openapi: "{{document api.json}}", base_url: "%HTTP%/api", headers: {X-Key: cnry-api-header-4567}}
  fetched: {openapi: "%HTTP%/openapi.json?key=cnry-document-query-5678", headers: {X-Key: cnry-api-header-6789}}
  nohost: {openapi: "http://{{deadhost}}/openapi.json?key=cnry-document-query-7890"}
  aws: {url: "%HTTP%/aws", auth: {type: sigv4, region: us-east-1, access_key_id: AKIDCANARY, secret_access_key: cnry-aws-secret-8901, session_token: cnry-aws-token-9012}}
  own: {url: "%HTTP%/own", auth: {type: client_credentials, client_id: a, client_secret: cnry-client-secret-0123, token_url: "%HTTP%/token"}}
  badown: {url: "%HTTP%/own", auth: {type: client_credentials, client_id: a, client_secret: cnry-client-secret-a123, token_url: "%HTTP%/no-token"}}
  user: {url: "%HTTP%/own", auth: {type: oauth, client_id: a, client_secret: cnry-client-secret-b123, issuer: "%HTTP%"}}
oauth:
  issuers:
    - {name: staff, issuer: "%HTTP%", grants: [{mcp_servers: [web]}], introspection: {url: "%HTTP%/introspect", client_id: a, client_secret: cnry-introspection-secret-c123}}
`

// lineBuffer is a log that is written and read side by side.
type lineBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lineBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lineBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// telltale answers every request with an error that tells all that it was shown, but for a token at /token.
func telltale(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/token" {
			_, _ = io.WriteString(w, `{"access_token":"cnry-access-token-d123","token_type":"Bearer","expires_in":3600,"refresh_token":"cnry-refresh-token-e123"}`)
			return
		}
		var said strings.Builder
		for _, k := range slices.Sorted(maps.Keys(r.Header)) {
			said.WriteString(k + "=" + strings.Join(r.Header[k], ",") + " ")
		}
		body, _ := io.ReadAll(r.Body)
		said.WriteString(r.RequestURI + " " + string(body))
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":`+literal(said.String())+`,"message":`+literal(said.String())+`}`)
	}))
	t.Cleanup(s.Close)
	return s
}

func literal(s string) string { return string(jsonedit.AppendQuote(nil, s)) }

// canaryHouse starts what the config is about, and returns the config.
func canaryHouse(t *testing.T) (tr *transcript, config string) {
	t.Helper()
	a := txtar.Parse([]byte("-- server web --\n" + `{"transport":"http","stateless":true,"tools":[{"name":"echo","do":"echo"},{"name":"no","do":"refuse","text":"no"}]}` +
		"\n-- document api.json --\n" + `{"openapi":"3.1.0","paths":{"/a":{"get":{"operationId":"get"}}}}` + "\n"))
	tr = &transcript{t: t, archive: a, show: readShowing(t, a), dead: deadAddr(t)}
	tr.model = providertest.NewRule(t, func(r *providertest.Request) providertest.Step {
		switch {
		case bytes.Contains(r.Raw, []byte("fail")):
			return providertest.Error(http.StatusUnauthorized, "invalid_api_key", "Incorrect API key provided: "+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		case bytes.Contains(r.Raw, []byte(`"role":"tool"`)):
			return providertest.Text("done")
		}
		return providertest.Call("c1", "web-echo", "{}").Then(providertest.Call("c2", "web-no", "{}"), providertest.Call("c3", "files-env", "{}"), providertest.Call("c4", "api-get", "{}"))
	})
	tr.startServers()
	tr.startAPIs()
	other := telltale(t)
	command, env := mcptest.Spec{Tools: []mcptest.Tool{{Name: "env", Text: "quiet"}, {Name: "die", Do: mcptest.Die}}}.Command()
	env["TOKEN"] = "cnry-child-env-f123"
	config = strings.NewReplacer(
		"%FILES%", gateway.Stdio("files", command, env),
		"%CHATTY%", gateway.Stdio("chatty", []string{"sh", "-c", `echo "cannot log in with $TOKEN at 10.0.0.1" >&2; exit 3`}, map[string]string{"TOKEN": "cnry-child-env-a234"}),
		"%HTTP%", other.URL, "{{deadhost}}", tr.dead,
	).Replace(tr.fill(canaryConfig))
	return tr, config
}

// visits are requests to every endpoint, good ones and bad ones, as the holder of a key with credentials of their own.
func visits() []string {
	call := func(server, tool string) string {
		return "POST /mcp-rest/tools/call\n\n" + `{"server_id":"` + server + `","name":"` + tool + `","arguments":{}}`
	}
	chatWith := func(content, model, more string) string {
		return "POST /v1/chat/completions\nx-mcp-web-x-mine: cnry-callers-own-b234\n\n" + `{"model":"` + model + `","messages":[{"role":"user","content":"` + content + `"}]` + more + `}`
	}
	const all = `,"tools":[{"type":"mcp","server_url":"fairlead","require_approval":"never","headers":{"X-Entry":"cnry-entry-header-c234"}}]`
	list := []string{
		chatWith("go", "m", all), chatWith("go", "m", all+`,"stream":true`), chatWith("fail", "m", ""), chatWith("fail", "m", `,"stream":true`),
		chatWith("go", "down", ""), chatWith("go", "signed", ""), chatWith("go", "none", ""),
		"POST /v1/responses\n\n" + `{"model":"m","input":"fail"}`, "POST /v1/messages\n\n" + `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"fail"}]}`,
		"POST /v1/embeddings\n\n" + `{"model":"m","input":"fail"}`,
		"GET /v1/models\n\n", "GET /v1/mcp/servers\n\n", "GET /v1/mcp/tools\n\n", "GET /mcp-rest/tools/list\n\n", "GET /health\n\n",
		"GET /v1/models\nAuthorization: Bearer cnry-wrong-key-d234\n\n", "GET /v1/models\nx-api-key: cnry-wrong-key-e234\nAuthorization:\n\n",
		"GET /nowhere?key=cnry-in-a-query-f234\n\n", "POST /mcp\nAuthorization: Bearer cnry.wrong.token-a345\n\n{}",
		"POST /mcp\nx-mcp-auth: Bearer cnry-callers-own-b345\nMcp-Session-Id: cnry-session-c345\n\n" + mcpInitialize, "POST /mcp\n\n" + mcpInitialize,
		call("web", "echo"), call("web", "no"), call("api", "get"), call("files", "die"), call("files", "env"),
	}
	for _, server := range []string{"chatty", "dead", "refusing", "fetched", "nohost", "aws", "own", "badown", "user"} {
		list = append(list, "GET /mcp-rest/tools/list?server_id="+server+"\n\n", call(server, "x"))
	}
	return list
}

// answers sends all visits to url and returns what came.
func (tr *transcript) answers(url string) string {
	tr.t.Helper()
	tr.gateway = &gateway.Gateway{URL: url}
	var all strings.Builder
	for _, v := range visits() {
		r := tr.request(v)
		if r.Header.Get("Authorization") == "Bearer "+gatewayKey {
			r.Header.Set("Authorization", "Bearer cnry-gateway-key-11aa")
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			tr.t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			tr.t.Fatal(err)
		}
		resp.Body.Close()
		all.WriteString(r.Method + " " + r.URL.Path + ": " + resp.Status + "\n")
		_ = resp.Header.Write(&all)
		all.Write(b)
		all.WriteString("\n\n")
	}
	return all.String()
}

// noCanary looks for secrets in a text.
func noCanary(t *testing.T, where, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if i := strings.Index(line, canary); i >= 0 {
			t.Errorf("%s: …%.300s", where, line[max(0, i-120):])
		}
	}
}

// TestAttack27SecretLeakage: no secret of the config, of a caller, of a token that was fetched or of a child process is in a log of
// any level, in an answer, in what the commands say, or in a dump of the running process.
func TestAttack27SecretLeakage(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Run("library", func(t *testing.T) {
		tr, config := canaryHouse(t)
		log := &lineBuffer{}
		old := slog.Default()
		slog.SetDefault(slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug - 4})))
		defer slog.SetDefault(old)
		cfg, err := fairlead.ParseConfig("canary.yaml", []byte(config))
		if err != nil {
			t.Fatal(err)
		}
		g, err := fairlead.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewServer(g.Handler())
		text := tr.answers(s.URL)
		s.Close()
		g.Close()
		noCanary(t, "an answer", text)
		noCanary(t, "the log", log.String())
		if len(log.String()) < 1000 || !strings.Contains(text, "done") {
			t.Errorf("little happened:\n%s\n%s", log.String(), text)
		}
	})
	t.Run("process", func(t *testing.T) {
		tr, config := canaryHouse(t)
		g := gateway.Start(t, config)
		noCanary(t, "an answer", tr.answers(g.URL))
		g.Signal(syscall.SIGQUIT) // all stacks
		_ = g.Wait()
		if !strings.Contains(g.Log(), "goroutine ") {
			t.Error("there is no dump")
		}
		noCanary(t, "the log with the dump", g.Log())
	})
	t.Run("commands", func(t *testing.T) {
		_, config := canaryHouse(t)
		mistaken := regexp.MustCompile(`(?m)(key|secret|token|X-Key|x-team|Authorization|api_key): "?(Bearer )?cnry-`).ReplaceAllString(config, `${1}: "\x01${2}cnry-`)
		mistaken = regexp.MustCompile(`(?m)"\\x01([^",}\]]*)"?`).ReplaceAllString(mistaken, `"\x01$1"`) + "unknown: cnry-unknown-d345\nlisten: nonsense\n"
		for name, c := range map[string]string{"good": config, "mistaken": mistaken, "broken": config + "x: [cnry-broken-e345\n"} {
			file := filepath.Join(t.TempDir(), name+".yaml")
			if err := os.WriteFile(file, []byte(c), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"check"}, {"tools"}, {"tools", "--json"}, {"pin"}} {
				cmd := exec.CommandContext(t.Context(), gateway.Binary(t), append(args, "--config", file)...)
				out, _ := cmd.CombinedOutput()
				if len(out) == 0 && (name != "good" || args[0] != "check") {
					t.Errorf("%s %v says nothing", name, args)
				}
				noCanary(t, name+" "+strings.Join(args, " "), string(out))
			}
		}
	})
}
