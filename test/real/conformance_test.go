//go:build real

package real

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/fairlead/fairlead/test/gateway"
)

// TestConformance runs the client scenarios of the official MCP conformance suite through the gateway's own MCP client.
func TestConformance(t *testing.T) {
	client := filepath.Join(t.TempDir(), "conformanceclient")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", client, "./internal/mcp/upstream/conformanceclient")
	build.Dir = gateway.Root()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	suite := installed("node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js")
	for _, s := range []struct{ scenario, revision string }{
		{"initialize", "2025-11-25"},
		{"tools_call", "2025-11-25"},
		{"tools_call", "2026-07-28"},
		{"sse-retry", "2025-11-25"},
		{"request-metadata", "2026-07-28"},
		{"http-standard-headers", "2026-07-28"},
		{"http-invalid-tool-headers", "2026-07-28"},
		{"json-schema-ref-no-deref", "2026-07-28"},
	} {
		t.Run(s.scenario+" "+s.revision, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			run := exec.CommandContext(ctx, installed("node", "node"), suite, "client",
				"--command", client, "--scenario", s.scenario, "--spec-version", s.revision, "-o", t.TempDir())
			run.Env = append(os.Environ(), "NODE_OPTIONS=--require "+here("loopback.cjs"))
			if out, err := run.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
