package mcpsdk

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/fairlead/fairlead/internal/bearer/bearertest"
	"github.com/fairlead/fairlead/test/gateway"
)

// browser is a handler of logins that follows the authorization server's redirect, as a browser would, with a page that nobody serves.
func browser(t *testing.T, scopes *[]string) *auth.AuthorizationCodeHandler {
	t.Helper()
	const back = "http://localhost:1/callback"
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	h, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		RedirectURL: back,
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			ClientName: "test", RedirectURIs: []string{back}, GrantTypes: []string{"authorization_code"}, ResponseTypes: []string{"code"}, TokenEndpointAuthMethod: "none",
		}},
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			u, err := url.Parse(args.URL)
			if err != nil {
				return nil, err
			}
			*scopes = append(*scopes, u.Query().Get("scope"))
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, args.URL, http.NoBody)
			if err != nil {
				return nil, err
			}
			resp, err := client.Do(req)
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			to, err := resp.Location()
			if err != nil {
				return nil, fmt.Errorf("status %d: %w", resp.StatusCode, err)
			}
			q := to.Query()
			return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// withIssuer is a gateway that takes tokens of s.
func withIssuer(t *testing.T, s *bearertest.Server) (public string) {
	t.Helper()
	server, _ := serveHTTP(t)
	public, _ = gateway.Publish(t, `
public_url: PUBLIC
mcp_servers:
  open: {url: "`+server+`"}
  files: {url: "`+server+`"}
toolsets:
  pictures: {files: [picture]}
keys:
  - {name: tests, key: `+gateway.Key+`, mcp_servers: ["*"]}
oauth:
  scopes: [basic]
  issuers:
    - name: staff
      issuer: `+s.URL+`
      grants:
        - {mcp_servers: [open]}
        - {scopes: [pictures], toolsets: [pictures]}
        - {scopes: [files], mcp_servers: [files]}
`)
	return public
}

// TestOAuthOfAClient: the official client finds out who issues tokens, logs in, gets a token for what it asks, and more scopes when
// it is told that it lacks them.
func TestOAuthOfAClient(t *testing.T) {
	both(t, func(t *testing.T, revision string) {
		s := bearertest.New(t)
		public := withIssuer(t, s)
		for path, want := range map[string]struct {
			free, locked string   // tools
			scopes       []string // what was asked for, login by login
		}{
			"/mcp":       {"open-sum", "files-sum", []string{"basic", "basic files"}},
			"/mcp/open":  {"sum", "", []string{""}},
			"/mcp/files": {"picture", "sum", []string{"pictures", "pictures files"}},
		} {
			t.Run(path, func(t *testing.T) {
				var scopes []string
				c := mcp.NewClient(&mcp.Implementation{Name: "oauth", Version: "1"}, nil)
				session, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: public + path, OAuthHandler: browser(t, &scopes)}, &mcp.ClientSessionOptions{ProtocolVersion: revision})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = session.Close() }()
				for _, tool := range []string{want.free, want.locked} {
					if tool == "" {
						continue
					}
					args := map[string]any{}
					if strings.HasSuffix(tool, "sum") {
						args = map[string]any{"a": 2, "b": 3}
					}
					res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
					if err != nil || res.IsError {
						t.Errorf("%s: %v, %v", tool, res, err)
					}
				}
				if !slices.EqualFunc(scopes, want.scopes, func(a, b string) bool { return sorted(a) == sorted(b) }) {
					t.Errorf("asked for %q, want %q", scopes, want.scopes)
				}
				forms := s.Forms()
				if got := forms[len(forms)-1].Get("resource"); got != public+path {
					t.Errorf("the token is for %s", got)
				}
			})
		}
		keyed := dial(t, public+"/mcp", gateway.Key, revision) // a key goes on to work beside it
		if got := names(t, keyed); !slices.Contains(got, "files-sum") || !slices.Contains(got, "open-sum") {
			t.Error(got)
		}
	})
}

func sorted(scope string) string {
	list := strings.Fields(scope)
	slices.Sort(list)
	return strings.Join(list, " ")
}

// post posts one request of the stateless era, with headers, and returns the status, the challenge and the body.
func post(t *testing.T, url, method, params string, headers ...string) (status int, challenge, body string) {
	t.Helper()
	meta := `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	if params != "" {
		meta = params + "," + meta
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":{`+meta+`}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Mcp-Protocol-Version", modern)
	req.Header.Set("Mcp-Method", method)
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
	return resp.StatusCode, resp.Header.Get("WWW-Authenticate"), string(raw)
}
