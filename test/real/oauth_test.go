//go:build real

package real

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/bearer/bearertest"
	"github.com/fairlead/fairlead/test/gateway"
)

// TestMCPOAuthClients has the official TypeScript clients find out who issues tokens, log in there, and log in again for a scope that a
// call lacks.
func TestMCPOAuthClients(t *testing.T) {
	for _, generation := range []string{"1", "2"} {
		t.Run(generation, func(t *testing.T) {
			s := bearertest.New(t)
			public, _ := gateway.Publish(t, `
public_url: PUBLIC
mcp_servers:
  `+stdio("open", "everything", "stdio")+`
  `+stdio("files", "everything", "stdio")+`
oauth:
  scopes: [basic]
  issuers:
    - {name: staff, issuer: "`+s.URL+`", grants: [{mcp_servers: [open]}, {scopes: [files], mcp_servers: [files]}]}
`)
			beside(t, "clients", "")
			out := runNode(t, []string{"URL_OF_MCP=" + public + "/mcp"}, installed("clients", "mcp-oauth.mjs"), generation)
			var got struct {
				Scopes, Tools  []string
				Result, StepUp string
			}
			if err := json.Unmarshal(out, &got, json.MatchCaseInsensitiveNames(true)); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if !strings.Contains(got.Result, "hello") || !strings.Contains(got.StepUp, "again") {
				t.Errorf("%+v", got)
			}
			for _, tool := range got.Tools {
				if !strings.HasPrefix(tool, "open-") {
					t.Errorf("it was shown %s", tool)
				}
			}
			if len(got.Tools) == 0 || len(got.Scopes) != 2 || got.Scopes[0] != "basic" || !strings.Contains(got.Scopes[1], "files") {
				t.Errorf("%+v", got)
			}
			for _, form := range s.Forms() {
				if r := form.Get("resource"); r != public+"/mcp" {
					t.Errorf("a token for %s", r)
				}
			}
		})
	}
}
