package mcpsdk

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead/fairlead/internal/bearer/bearertest"
	"github.com/fairlead/fairlead/test/gateway"
	"github.com/fairlead/fairlead/test/scripted"
)

// canary passes everything on to a server and keeps what it was sent.
type canary struct {
	mu  sync.Mutex
	saw bytes.Buffer
	url string
}

func newCanary(t *testing.T, to string) *canary {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	c := &canary{}
	next := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = u.Scheme, u.Host
		r.Out.Host = ""
	}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := httputil.DumpRequest(r, true)
		c.mu.Lock()
		c.saw.Write(raw)
		c.mu.Unlock()
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	c.url = s.URL
	return c
}

func (c *canary) sent() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.saw.String()
}

// TestAttack02TokenOfAClient: a token goes to nobody, whatever the client asks for: not to servers over HTTP or in a child process, not to
// a model.
func TestAttack02TokenOfAClient(t *testing.T) {
	s := bearertest.New(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server, _ := serveHTTP(t)
	sse := newCanary(t, serveSSE(t))
	plain := newCanary(t, server)
	model := newCanary(t, scripted.Start(t, map[string][]scripted.Turn{"fast": {
		{Calls: []scripted.Call{{Name: "plain-sum", Arguments: `{"a":2,"b":3}`}, {Name: "child-sum", Arguments: `{"a":1,"b":1}`}}}, {Text: "it is {result}"},
	}}).URL())
	public, g := gateway.Publish(t, `
public_url: PUBLIC
models:
  - {name: fast, provider: openai, base_url: "`+model.url+`/v1", api_key: upstream-key}
mcp_servers:
  plain: {url: "`+plain.url+`", forward_headers: [authorization, cookie]}
  sse: {url: "`+sse.url+`", transport: sse}
  `+gateway.Stdio("child", []string{self}, map[string]string{serveStdio: "1"})+`
oauth:
  issuers:
    - {name: staff, issuer: "`+s.URL+`", api: true, grants: [{mcp_servers: ["*"], models: [fast]}]}
`)
	token := s.Token(s.Claims(public, nil), nil)
	for _, extra := range [][]string{
		nil,
		{"X-Mcp-Auth: Bearer " + token},
		{"X-Mcp-Plain-Authorization: " + token, "X-Mcp-Plain-X-Api-Key: " + token, "X-Mcp-Plain-Cookie: t=" + token},
		{"Cookie: session=" + token, "X-Api-Key: " + token, "Api-Key: " + token},
	} {
		headers := append([]string{"Authorization: Bearer " + token}, extra...)
		for _, tool := range []string{"plain-sum", "sse-sum", "child-sum"} {
			status, _, body := post(t, public+"/mcp", "tools/call", `"name":"`+tool+`","arguments":{"a":2,"b":3}`, append(headers, "Mcp-Name: "+tool)...)
			if status != 200 || !strings.Contains(body, `"sum\":5`) && !strings.Contains(body, `"sum":5`) {
				t.Errorf("%s: %d %s", tool, status, body)
			}
		}
		for path, body := range map[string]string{
			"/mcp-rest/tools/call": `{"server_id":"plain","name":"sum","arguments":{"a":2,"b":3}}`,
			"/v1/chat/completions": `{"model":"fast","messages":[{"role":"user","content":"add"}],"tools":[{"type":"mcp","server_url":"fairlead/mcp","require_approval":"never"}]}`,
		} {
			if status, answer := send(t, public+path, body, headers...); status != 200 || strings.Contains(answer, "rror\":{") {
				t.Errorf("%s: %d %s", path, status, answer)
			}
		}
	}
	saw := plain.sent() + sse.sent() + model.sent()
	for _, child := range g.Children() {
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", child))
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
		saw += string(env) + string(line)
	}
	if !strings.Contains(plain.sent(), "tools/call") || !strings.Contains(sse.sent(), "tools/call") || !strings.Contains(model.sent(), "upstream-key") {
		t.Fatal("the canaries saw nothing")
	}
	for _, secret := range []string{token, token[:60], "Cookie"} {
		if strings.Contains(saw, secret) {
			t.Errorf("%.20s went on:\n%s", secret, saw)
		}
	}
	if log := g.Log(); strings.Contains(log, token) {
		t.Error("the token is in the log")
	}
}

func send(t *testing.T, url, body string, headers ...string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// TestAttack02TokenForAnother: a token that was issued for somebody else is not taken, and the answer says who issues the right ones.
func TestAttack02TokenForAnother(t *testing.T) {
	s, rogue := bearertest.New(t), bearertest.New(t)
	public := withIssuer(t, s)
	prm := func(path string) string {
		return `resource_metadata="` + public + "/.well-known/oauth-protected-resource" + path + `"`
	}
	for name, token := range map[string]string{
		"for another resource":  s.Token(s.Claims("https://other.example.com/mcp", nil), nil),
		"for another route":     s.Token(s.Claims(public+"/mcp/files", nil), nil),
		"for the client":        s.Token(s.Claims("a-client", nil), nil),
		"for nobody":            s.Token(s.Claims("", map[string]any{"aud": nil}), nil),
		"of another issuer":     rogue.Token(rogue.Claims(public+"/mcp", nil), nil),
		"of a false issuer":     rogue.Token(rogue.Claims(public+"/mcp", map[string]any{"iss": s.URL}), nil),
		"that has expired":      s.Token(s.Claims(public+"/mcp", map[string]any{"exp": 1}), nil),
		"that tells who one is": s.Token(s.Claims(public+"/mcp", map[string]any{"at_hash": "x"}), nil),
		"that is none":          "sk-something",
	} {
		status, challenge, body := post(t, public+"/mcp", "tools/list", "", "Authorization: Bearer "+token)
		if want := `Bearer error="invalid_token", ` + prm("/mcp") + `, scope="basic"`; status != 401 || challenge != want || strings.Contains(body, token) {
			t.Errorf("%s: %d %s, want %s\n%s", name, status, challenge, want, body)
		}
	}
	for path, scope := range map[string]string{"/mcp": `, scope="basic"`, "/mcp/files": `, scope="pictures"`, "/mcp/open": "", "/mcp/nowhere": "", "/sse/files": `, scope="pictures"`} {
		status, challenge, _ := post(t, public+path, "tools/list", "")
		if want := "Bearer " + prm(path) + scope; status != 401 || challenge != want {
			t.Errorf("%s: %d %s, want %s", path, status, challenge, want)
		}
		resp, err := http.Get(public + "/.well-known/oauth-protected-resource" + path)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || !strings.HasPrefix(string(raw), `{"resource":"`+public+path+`","authorization_servers":["`+s.URL+`"]`) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, raw)
		}
	}
	if status, challenge, _ := post(t, public+"/v1/chat/completions", "x", "", "Authorization: Bearer "+s.Token(s.Claims(public, nil), nil)); status != 401 || challenge != "Bearer" {
		t.Errorf("a token for MCP is taken elsewhere: %d %s", status, challenge)
	}
}

// TestAttack10ScopeInflation: who lacks a scope is told which one, that one alone, and only where it would help.
func TestAttack10ScopeInflation(t *testing.T) {
	s := bearertest.New(t)
	public := withIssuer(t, s)
	for name, tt := range map[string]struct {
		path, scope, method, about string
		status                     int
		want                       string // the scope of the challenge
		says                       string
	}{
		"a server":                     {"/mcp", "", "tools/call", "files-sum", 403, "files", "does not have"},
		"a toolset of it":              {"/mcp", "", "tools/call", "files-picture", 403, "pictures", "does not have"},
		"another tool than those":      {"/mcp", "pictures", "tools/call", "files-sum", 403, "files", "does not have"},
		"a tool of those":              {"/mcp", "pictures", "tools/call", "files-picture", 200, "", "a dot"},
		"with the scope":               {"/mcp", "files", "tools/call", "files-fail", 200, "", "out of paper"},
		"without need of one":          {"/mcp", "", "tools/call", "open-fail", 200, "", "out of paper"},
		"no tool":                      {"/mcp", "", "tools/call", "open-nothing", 200, "", "Unknown tool"},
		"no tool of no server":         {"/mcp", "", "tools/call", "nothing", 200, "", "Unknown tool"},
		"the server alone":             {"/mcp/files", "", "tools/list", "", 403, "pictures", "does not have"},
		"the server alone, a tool":     {"/mcp/files", "pictures", "tools/call", "sum", 403, "files", "does not have"},
		"a prompt":                     {"/mcp", "pictures", "prompts/get", "files-hello", 403, "files", "does not have"},
		"a resource":                   {"/mcp", "", "resources/read", "files+file:///a", 403, "files", "does not have"},
		"a toolset":                    {"/mcp/pictures", "", "tools/list", "", 403, "pictures", "does not have"},
		"scopes that nobody gave away": {"/mcp", "admin *", "tools/call", "files-sum", 403, "files", "does not have"},
	} {
		token := s.Token(s.Claims(public+tt.path, map[string]any{"scope": tt.scope}), nil)
		params, headers := "", []string{"Authorization: Bearer " + token}
		if tt.about != "" {
			member := map[bool]string{true: "uri", false: "name"}[tt.method == "resources/read"]
			params = `"` + member + `":"` + tt.about + `"`
			headers = append(headers, "Mcp-Name: "+tt.about)
		}
		status, challenge, body := post(t, public+tt.path, tt.method, params, headers...)
		want := ""
		if tt.want != "" {
			want = `Bearer error="insufficient_scope", error_description="this takes a scope that the token does not have", resource_metadata="` + public +
				"/.well-known/oauth-protected-resource" + tt.path + `", scope="` + tt.want + `"`
		}
		if status != tt.status || challenge != want || !strings.Contains(body, tt.says) {
			t.Errorf("%s: %d %s\n%s", name, status, challenge, body)
		}
	}
	status, challenge, body := post(t, public+"/mcp/files", "tools/list", "", "Authorization: Bearer "+gateway.Key)
	if status != 200 || challenge != "" {
		t.Errorf("a key: %d %s %s", status, challenge, body)
	}
}

// TestAttack05SessionOfAToken: a session is its user's, who may come with a newer token; to other users of the same issuer it looks like
// one that never was.
func TestAttack05SessionOfAToken(t *testing.T) {
	s := bearertest.New(t)
	public := withIssuer(t, s)
	as := func(claims map[string]any) string {
		return "Authorization: Bearer " + s.Token(s.Claims(public+"/mcp", claims), nil)
	}
	alice, bob := as(nil), as(map[string]any{"sub": "bob"})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, public+"/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", strings.TrimPrefix(alice, "Authorization: "))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	id := resp.Header.Get("Mcp-Session-Id")
	if id == "" {
		t.Fatal(resp.Status)
	}
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	unknown, wantBody := send(t, public+"/mcp", ping, alice, "Mcp-Session-Id: never-was")
	if unknown != 404 {
		t.Fatal(unknown, wantBody)
	}
	for name, who := range map[string]string{"bob": bob, "a key": "Authorization: Bearer " + gateway.Key, "a client of the name": as(map[string]any{"sub": nil, "client_id": "alice"})} {
		if status, body := send(t, public+"/mcp", ping, who, "Mcp-Session-Id: "+id); status != unknown || body != wantBody {
			t.Errorf("%s: %d %s, want %d %s", name, status, body, unknown, wantBody)
		}
	}
	for name, who := range map[string]string{"alice": alice, "alice later": as(map[string]any{"scope": "files", "client_id": "another"})} {
		if status, body := send(t, public+"/mcp", ping, who, "Mcp-Session-Id: "+id); status != 200 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// TestAttack30InternalHeaders: headers by which proxies tell each other who asks, or by which the gateway itself is told of servers, make
// nobody somebody else and open nothing.
func TestAttack30InternalHeaders(t *testing.T) {
	s := bearertest.New(t)
	public := withIssuer(t, s)
	headers := []string{
		"X-Principal: ops", "X-Forwarded-User: root", "X-Forwarded-Email: root@example.com", "X-Auth-Request-User: root", "X-Remote-User: root", "Remote-User: root",
		"X-Fairlead-Principal: tests", "X-Fairlead-Key: tests", "X-Fairlead-Mcp: files", "X-Mcp-Access-Groups: all", "X-Mcp-Scopes: files", "X-Mcp-Principal: tests",
		"X-Forwarded-Host: evil.example.com", "X-Forwarded-Proto: https", "Forwarded: host=evil.example.com;proto=https", "X-Original-Url: /mcp/files", "X-Rewrite-Url: /mcp/files",
		"X-Http-Method-Override: GET", "X-Forwarded-Prefix: /evil", "X-Ms-Client-Principal: eyJ9", "X-Amzn-Oidc-Identity: root", "X-Goog-Authenticated-User-Email: root",
	}
	plain, plainChallenge, plainBody := post(t, public+"/mcp", "tools/list", "")
	if status, challenge, body := post(t, public+"/mcp", "tools/list", "", headers...); status != plain || challenge != plainChallenge || body != plainBody {
		t.Errorf("without a key: %d %s %s", status, challenge, body)
	}
	token := "Authorization: Bearer " + s.Token(s.Claims(public+"/mcp", nil), nil)
	_, _, want := post(t, public+"/mcp", "tools/list", "", token)
	if status, _, body := post(t, public+"/mcp", "tools/list", "", append(headers, token)...); status != 200 || body != want || strings.Contains(body, "files-") {
		t.Errorf("with a token: %d %s, want %s", status, body, want)
	}
	if status, challenge, _ := post(t, public+"/mcp", "tools/call", `"name":"files-sum","arguments":{"a":1,"b":1}`, append(headers, token, "Mcp-Name: files-sum")...); status != 403 || !strings.Contains(challenge, public) {
		t.Errorf("a call: %d %s", status, challenge)
	}
	if status, _, body := post(t, public+"/mcp", "tools/list", "", append(headers, token, "X-Mcp-Servers: files")...); status == 200 {
		t.Errorf("narrowing has opened a server: %s", body)
	}
}
