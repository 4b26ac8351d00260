package config

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/internal/secret"
)

var update = flag.Bool("update", false, "rewrite the expected parts of testdata and the JSON Schema")

// revealed compares secrets by what they hide.
var revealed = cmp.Comparer(func(a, b secret.String) bool { return a.Reveal() == b.Reveal() })

// providers stands for the table of the gateway's providers.
func providers(name string) (known, needsKey, needsBaseURL bool) {
	switch name {
	case "openai", "anthropic":
		return true, true, false
	case "vllm":
		return true, false, true
	case "ollama":
		return true, false, false
	}
	return false, false, false
}

func testOptions(env map[string]string, files fs.FS) Options {
	return Options{
		Getenv:        func(n string) string { return env[n] },
		ReadFile:      func(p string) ([]byte, error) { return fs.ReadFile(files, strings.TrimPrefix(p, "/")) },
		KnownProvider: providers,
		ProviderNames: []string{"anthropic", "ollama", "openai", "vllm"},
		ProviderWires: func(name string) []string {
			if name == "anthropic" {
				return []string{"messages"}
			}
			return []string{"chat", "responses"}
		},
	}
}

// Every file of testdata is an archive: a comment, one or more pairs of NAME.yaml and NAME.want, beside files that
// ${file:…} reads (secret/…) and variables (env, NAME=value lines). An empty want means that the file is good.
func TestMistakes(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no test data", err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { runArchive(t, path) })
	}
}

func runArchive(t *testing.T, path string) {
	t.Helper()
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files, err := txtar.FS(a)
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	if data, err := fs.ReadFile(files, "env"); err == nil {
		for line := range strings.Lines(string(data)) {
			k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			env[k] = v
		}
	}
	for i, f := range a.Files {
		name, isYAML := strings.CutSuffix(f.Name, ".yaml")
		if !isYAML {
			continue
		}
		got := ""
		if _, err := Parse(f.Name, f.Data, testOptions(env, files)); err != nil {
			got = err.Error() + "\n"
		}
		for v := range maps.Values(env) {
			if len(v) > 3 && strings.Contains(got, v) {
				t.Errorf("%s: a message shows the value of a variable:\n%s", f.Name, got)
			}
		}
		if *update {
			if i+1 < len(a.Files) && a.Files[i+1].Name == name+".want" {
				a.Files[i+1].Data = []byte(got)
			}
			continue
		}
		want, err := fs.ReadFile(files, name+".want")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", f.Name, diff)
		}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(a), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const whole = `
listen: 127.0.0.1:0
models:
  - name: fast
    provider: openai
    model: gpt-4o-mini
    api_key: ${OPENAI_API_KEY}
    base_url: http://127.0.0.1:9100/v1
    headers: {x-team: a}
    unknown_params: drop
  - {name: "*", provider: ollama, unknown_params: refuse}
  - {name: plain, provider: ollama}
  - name: smart
    deployments:
      - {provider: openai, model: gpt-5.4, api_key: "${OPENAI_API_KEY}", weight: 3}
      - {provider: vllm, base_url: "http://127.0.0.1:9101/v1"}
      - {provider: ollama, region: eu-west-1, api_version: 2024-10-21}
    strategy: least_busy
    fallbacks: {rate_limit: [plain, any/model], outage: [fast]}
mcp_servers:
  files:
    command: [mcp-server-filesystem, /srv/docs, 7]
    env: {LOG_LEVEL: error, PORT: 80}
  docs:
    url: https://docs.example.com/mcp
    transport: http
    protocol: 2025-11-25
    headers: {Authorization: "Bearer ${file:token}"}
    forward_headers: [X-Request-Tag, authorization]
    tools: {allow: [search, fetch], deny: []}
    prefix: ""
    timeout: 1m30s
    list_ttl: 10m
toolsets:
  support: {docs: [search], files: ["*"]}
keys:
  - name: dev
    key: ${DEV_KEY}
    models: [fast, anything]
    mcp_servers: [files, docs]
    attach: [files, support]
    tool_search: true
    long_results: cut
  - name: ops
    key_hash: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    models: []
stream_tool_rounds: annotated
limits: {rounds: 3, calls: 4, concurrent_calls: 2, wall_time: 1m, call_time: 5s, result_bytes: 1KiB, long_results: spill, spill_bytes: 2MiB, body_bytes: 10MB, upload_bytes: 20MB}
timeouts: {connect: 1s, first_byte: 2s, between_events: 3s, keepalive: 4s}
external_mcp: {allow: [MCP.example.com, "*.example.org:8443"]}
mocks: true
store: fairlead.db
public_url: HTTPS://Gateway.Example.com:443/
`

func TestParseWhole(t *testing.T) {
	env := map[string]string{"OPENAI_API_KEY": "sk-up", "DEV_KEY": "sk-dev"}
	files, err := txtar.FS(txtar.Parse([]byte("-- conf/token --\nt0ken\n\n")))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse("conf/fairlead.yaml", []byte(whole), testOptions(env, files))
	if err != nil {
		t.Fatal(err)
	}
	s := secret.New
	want := &Config{
		Listen: "127.0.0.1:0",
		Models: []Model{
			{
				Name: "fast", DropUnknown: true,
				Place: Place{
					Provider: "openai", Model: "gpt-4o-mini", APIKey: s("sk-up"), BaseURL: "http://127.0.0.1:9100/v1",
					Headers: map[string]secret.String{"x-team": s("a")},
				},
			},
			{Name: "*", Place: Place{Provider: "ollama"}},
			{Name: "plain", Place: Place{Provider: "ollama", Model: "plain"}},
			{
				Name: "smart", Strategy: StrategyBusy, Retries: 2, Fallbacks: Fallbacks{RateLimit: []string{"plain", "any/model"}, Outage: []string{"fast"}},
				Deployments: []Deployment{
					{Place: Place{Provider: "openai", Model: "gpt-5.4", APIKey: s("sk-up")}, Weight: 3},
					{Place: Place{Provider: "vllm", Model: "smart", BaseURL: "http://127.0.0.1:9101/v1"}, Weight: 1},
					{Place: Place{Provider: "ollama", Model: "smart", Region: "eu-west-1", Version: "2024-10-21"}, Weight: 1},
				},
			},
		},
		Servers: []Server{
			{
				Name: "files", Command: []string{"mcp-server-filesystem", "/srv/docs", "7"}, Transport: "auto", Protocol: "auto", Prefix: "files",
				Env: map[string]secret.String{"LOG_LEVEL": s("error"), "PORT": s("80")}, ListTTL: 5 * time.Minute,
			},
			{
				Name: "docs", URL: "https://docs.example.com/mcp", Transport: "http", Protocol: "2025-11-25",
				Headers:        map[string]secret.String{"Authorization": s("Bearer t0ken")},
				ForwardHeaders: []string{"x-request-tag", "authorization"}, Allow: []string{"search", "fetch"}, Deny: []string{},
				Timeout: 90 * time.Second, ListTTL: 10 * time.Minute,
			},
		},
		Toolsets: []Toolset{{Name: "support", Choices: []ToolChoice{{Server: "docs", Tools: []string{"search"}}, {Server: "files", Tools: []string{"*"}}}}},
		Keys: []Key{
			{
				Name: "dev", Hash: HashKey("sk-dev"), Models: []string{"fast", "anything"}, Servers: []string{"files", "docs"}, Attach: []string{"files", "support"},
				ToolSearch: true, LongResults: ResultsCut,
			},
			{Name: "ops", Hash: HashKey("foo"), Models: []string{}},
		},
		StreamToolRounds: StreamAnnotated,
		Limits: Limits{
			Rounds: 3, Calls: 4, ConcurrentCalls: 2, WallTime: time.Minute, CallTime: 5 * time.Second, ResultBytes: 1024,
			LongResults: ResultsSpill, SpillBytes: 2 << 20, BodyBytes: 10e6, UploadBytes: 20e6,
		},
		Timeouts: Timeouts{
			Connect: time.Second, FirstByte: 2 * time.Second, BetweenEvents: 3 * time.Second, KeepAlive: 4 * time.Second,
		},
		ExternalMCP: ExternalMCP{Allow: []string{"mcp.example.com", "*.example.org:8443"}},
		Mocks:       true,
		Taint:       TaintAsk,
		Store:       s("conf/fairlead.db"),
		PublicURL:   "https://gateway.example.com",
	}
	if diff := cmp.Diff(want, got, revealed); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEmptyFileIsDefault(t *testing.T) {
	for _, in := range []string{"", "\n", "# nothing\n", "---\n", "{}\n", "\ufeff# with a byte order mark\n"} {
		got, err := Parse("f", []byte(in), Options{})
		if err != nil {
			t.Fatalf("%q: %v", in, err)
		}
		if diff := cmp.Diff(Default(), got, revealed); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	_, err := Load(path, Options{})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(path, []byte("listen: 127.0.0.1:1\nmokcs: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Load(path, Options{})
	m, ok := errors.AsType[*Mistakes](err)
	if !ok || len(m.List) != 1 || m.List[0].Line != 2 || m.List[0].Path != "mokcs" {
		t.Errorf("got %v", err)
	}
}

func TestBounds(t *testing.T) {
	var bomb bytes.Buffer
	bomb.WriteString("keys:\n  - name: a\n    key_hash: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\n    mcp_servers: &a [")
	for i := range 1000 {
		fmt.Fprintf(&bomb, "x%d, ", i)
	}
	bomb.WriteString("]\n")
	for range 1000 {
		bomb.WriteString("  - {name: b, mcp_servers: *a}\n")
	}
	for name, tt := range map[string]struct{ in, want string }{
		"large":   {strings.Repeat("# comment\n", 200_000), "f:1:1: the file is larger than 1 MiB"},
		"bomb":    {bomb.String(), "the file comes to more than 100000 values"},
		"self":    {"mcp_servers: &a\n  x: *a\n", "f:2:3: mcp_servers.x.x: unknown key"},
		"many":    {strings.Repeat("- a\n", 10_000), "must be a mapping"},
		"unknown": {manyUnknown(1000), "there are more mistakes; they are not listed"},
		"deep":    {strings.Repeat("[", 100_000), "not YAML"},
	} {
		_, err := Parse("f", []byte(tt.in), Options{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %.300v, want %s", name, err, tt.want)
		}
	}
}

func manyUnknown(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("key" + strings.Repeat("x", i) + ": 1\n")
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	f.Add(whole)
	archives, _ := filepath.Glob("testdata/*.txtar")
	for _, path := range archives {
		a, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, x := range a.Files {
			f.Add(string(x.Data))
		}
	}
	o := testOptions(map[string]string{"A": "hunter2hunter2"}, os.DirFS("testdata"))
	f.Fuzz(func(t *testing.T, in string) {
		c, err := Parse("f", []byte(in), o)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v and error %v", c, err)
		}
		if err == nil {
			return
		}
		m, ok := errors.AsType[*Mistakes](err)
		if !ok || len(m.List) == 0 {
			t.Fatalf("not a list of mistakes: %v", err)
		}
		for _, x := range m.List {
			if x.Line < 1 || x.Column < 1 || x.Message == "" || strings.ContainsAny(x.String(), "\n\r") {
				t.Errorf("%+v", x)
			}
			if strings.Contains(x.Message, "hunter2hunter2") && !strings.Contains(in, "hunter2") {
				t.Errorf("shows the value of a variable: %s", x)
			}
		}
	})
}
