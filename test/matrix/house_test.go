package matrix

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/test/gateway"
)

// patience bounds every wait; nothing is timed by it.
const patience = 30 * time.Second

// upstreams are the wires that the provider speaks; invoke and predict are messages in the envelopes of Amazon Bedrock and of
// Vertex AI. The name of a model begins with one of them. Azure OpenAI speaks chat and responses, Gemini on Vertex AI speaks
// gemini, each at addresses of its own: their drivers' tests have those.
var upstreams = []string{"chat", "responses", "messages", "gemini", "cohere", "converse", "invoke", "predict"}

// family begins the names of models where what they can do depends on it.
var family = map[string]string{"gemini": "gemini-3-flash-", "converse": "us.anthropic.claude-sonnet-4-5-", "invoke": "us.anthropic.claude-sonnet-4-5-", "predict": "claude-sonnet-4-5-"}

// maxRounds is the gateway's limit of rounds.
const maxRounds = 4

// house is a gateway, a provider that speaks all wires, and one MCP server called tools.
type house struct {
	url     string
	model   *providertest.Server
	mu      sync.Mutex
	scripts map[string]*script
}

// script is what the model of one cell says, and what it was asked.
type script struct {
	steps []providertest.Step
	seen  []*providertest.Request
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{scripts: map[string]*script{}}
	h.model = providertest.NewRule(t, h.next)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": providertest.AccessKey, "AWS_SECRET_ACCESS_KEY": providertest.SecretKey, "AWS_PROFILE": "", "AWS_BEARER_TOKEN_BEDROCK": "",
	} {
		t.Setenv(name, value)
	}
	g := gateway.Start(t, fmt.Sprintf(`
models:
  - {name: "chat/*", provider: openai, base_url: %[1]q, api_key: upstream-key}
  - {name: "responses/*", provider: openai, wire: responses, base_url: %[1]q, api_key: upstream-key}
  - {name: "messages/*", provider: anthropic, base_url: %[2]q, api_key: upstream-key}
  - {name: "gemini/*", provider: gemini, base_url: %[2]q, api_key: upstream-key}
  - {name: "cohere/*", provider: cohere, base_url: %[2]q, api_key: upstream-key}
  - {name: "converse/*", provider: bedrock, base_url: %[2]q, region: us-east-1}
  - {name: "invoke/*", provider: bedrock, wire: messages, base_url: %[2]q, region: us-east-1}
  - {name: "predict/*", provider: vertex, wire: messages, base_url: %[2]q, region: us-east5, credentials: "${file:%[6]s}"}
mcp_servers:
  %[3]s
keys:
  - {name: tests, key: %[4]s, mcp_servers: ["*"]}
limits: {rounds: %[5]d}
`, h.model.URL(), strings.TrimSuffix(h.model.URL(), "/v1"), gateway.Scripted("tools", mcptest.Spec{Tools: []mcptest.Tool{
		{Name: "echo", Do: mcptest.Echo},
		{Name: "fail", Do: mcptest.Fail, Text: "it broke"},
	}}), gateway.Key, maxRounds, account(t)))
	h.url = g.URL
	return h
}

// account is a file with the credentials of a service account of Google's, whose tokens are made here.
func account(t *testing.T) string {
	t.Helper()
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"upstream-key","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(issuer.Close)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	content := value(t, map[string]string{
		"type": "service_account", "project_id": "p-1", "client_email": "a@p.example", "token_uri": issuer.URL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	path := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// next plays the next step of the script that the request's model names.
func (h *house) next(r *providertest.Request) providertest.Step {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.scripts[r.Model]
	if s == nil {
		return providertest.Error(http.StatusNotFound, "no_script", "there is no script "+r.Model)
	}
	s.seen = append(s.seen, r)
	if len(s.seen) > len(s.steps) {
		return providertest.Error(http.StatusNotImplemented, "script_ended", "the script has ended")
	}
	return s.steps[len(s.seen)-1]
}

// asked returns what the model of a script was asked so far.
func (h *house) asked(name string) []*providertest.Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*providertest.Request(nil), h.scripts[name].seen...)
}

// call is a call of a tool.
type call struct{ id, name, args string }

// ran is a call that the gateway ran, as the client sees it.
type ran struct {
	name, args, result string
	failed             bool
}

// failure is an error as the client sees it.
type failure struct{ kind, code, message string }

// reply is an answer in the terms of this package.
type reply struct {
	status  int
	header  http.Header
	texts   []string // of the answer; one for each round where the dialect tells rounds apart
	pieces  int      // in which the text came
	thought string
	calls   []call // of tools of the client's own
	ran     []ran
	asks    []call // calls that wait for the client's word; id is the question's
	stop    string // stop | tools | length | filter | pause
	in, out int64  // the usage
	failed  *failure
	items   []jsontext.Value // what a client puts back into the conversation
	raw     string
}

func (r *reply) text() string { return strings.Join(r.texts, "\n\n") }

// cell is one conversation of a client.
type cell struct {
	t        *testing.T
	h        *house
	d        dialect
	upstream string
	stream   bool
	script   *script
	key      string // the script's name

	talk     []jsontext.Value // as the client keeps it
	number   int              // of the cell
	own      bool             // the client offers its tool "mine"
	attached bool             // the server is attached by a header: the request itself does not name it
	approval string           // the server tools is named, with this require_approval
	think    bool             // the model is asked to reason
	forced   bool             // the model must call a tool
	schema   bool             // the answer must be a document of answerSchema
}

func newCell(t *testing.T, h *house, d dialect, upstream string, stream bool) *cell {
	t.Helper()
	key := family[upstream] + strings.NewReplacer("/", "_", " ", "_", "'", "", ",", "").Replace(t.Name())
	c := &cell{t: t, h: h, d: d, upstream: upstream, stream: stream, key: key, script: &script{}}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.scripts[key] = c.script
	c.number = len(h.scripts)
	return c
}

// calls is a step of the model that calls a tool. Its id is no other cell's: a mixed turn is known by the ids of its calls.
func (c *cell) calls(n int, name string, args ...string) providertest.Step {
	return providertest.Call(fmt.Sprintf("call_%d_%d", n, c.number), name, args...)
}

// plays says what the model answers.
func (c *cell) plays(steps ...providertest.Step) {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	c.script.steps = append(c.script.steps, steps...)
}

// done wants the whole script played.
func (c *cell) done() {
	c.t.Helper()
	if asked := len(c.h.asked(c.key)); asked != len(c.script.steps) {
		c.t.Errorf("the model was asked %d times, the script has %d steps", asked, len(c.script.steps))
	}
}

// saw is the nth request to the model, from 1.
func (c *cell) saw(n int) *providertest.Request {
	c.t.Helper()
	all := c.h.asked(c.key)
	if n > len(all) {
		c.t.Fatalf("the model was asked %d times, not %d", len(all), n)
	}
	return all[n-1]
}

func (c *cell) says(text string)             { c.talk = append(c.talk, c.d.user(text, "")) }
func (c *cell) answers(all ...[2]string)     { c.talk = append(c.talk, c.d.results(all...)...) }
func (c *cell) shows(text, image string)     { c.talk = append(c.talk, c.d.user(text, image)) }
func (c *cell) hands(text, pdf string)       { c.talk = append(c.talk, c.d.paper(text, pdf)) }
func (c *cell) approves(id string, yes bool) { c.talk = append(c.talk, c.d.word(id, yes)) }

// request is what the client sends now.
func (c *cell) request(ctx context.Context) *http.Request {
	c.t.Helper()
	body, err := json.Marshal(c.d.body(c), json.Deterministic(true))
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.h.url+c.d.path(), bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+gateway.Key)
	r.Header.Set("Content-Type", "application/json")
	if c.attached {
		r.Header.Set("X-Fairlead-Mcp", "tools")
	}
	c.d.head(c, r.Header)
	return r
}

// asks sends the conversation, and puts the answer into it.
func (c *cell) asks() *reply {
	c.t.Helper()
	ctx, leave := context.WithTimeout(c.t.Context(), patience)
	defer leave()
	resp, err := http.DefaultClient.Do(c.request(ctx))
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil && c.stream {
		c.t.Fatalf("the reply broke off: %v\n%s", err, raw)
	}
	kind := resp.Header.Get("Content-Type")
	r := &reply{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	switch {
	case r.status != http.StatusOK:
		r.failed = c.d.failure(c.t, raw)
	case c.stream != strings.HasPrefix(kind, "text/event-stream"):
		c.t.Fatalf("a reply of type %q", kind)
	case c.stream:
		c.d.readStream(c.t, raw, r)
	default:
		c.d.readPlain(c.t, raw, r)
	}
	c.talk = append(c.talk, r.items...)
	return r
}

// fine wants an answer without an error.
func (c *cell) fine() *reply {
	c.t.Helper()
	r := c.asks()
	if r.failed != nil || r.status != http.StatusOK {
		for _, m := range c.h.model.Requests() {
			if m.Refusal != "" && m.Model == c.key {
				c.t.Logf("the model refused %s", m.Raw)
			}
		}
		c.t.Fatalf("status %d: %s", r.status, r.raw)
	}
	return r
}

// leaves sends the conversation and leaves when there is text, or where the reply is not streamed when the model is asked.
func (c *cell) leaves(text string) {
	c.t.Helper()
	ctx, leave := context.WithTimeout(c.t.Context(), patience)
	defer leave()
	gone := make(chan struct{})
	heard := make(chan struct{}, 1)
	go func() {
		defer close(gone)
		resp, err := http.DefaultClient.Do(c.request(ctx))
		if err != nil {
			return
		}
		defer resp.Body.Close()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if strings.Contains(lines.Text(), text) {
				heard <- struct{}{}
			}
		}
	}()
	if c.stream {
		c.within(heard, "the text "+text)
	} else {
		c.until("the model is asked", func() bool { return len(c.h.asked(c.key)) > 0 })
	}
	leave()
	c.within(gone, "the end of the request")
}

func (c *cell) within(happens <-chan struct{}, what string) {
	c.t.Helper()
	select {
	case <-happens:
	case <-time.After(patience):
		c.t.Fatalf("%s did not happen", what)
	}
}

func (c *cell) until(what string, is func() bool) {
	c.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("it never came to be that %s", what)
		}
	}
}
