//go:build real

package real

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/gateway"
)

// TestConformance runs the client scenarios that each revision requires, of the official MCP conformance suite, through the
// gateway's own MCP client and its logins, and those of an extension that the gateway has too. No failure is expected.
func TestConformance(t *testing.T) {
	client := filepath.Join(t.TempDir(), "conformanceclient")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", client, "./internal/mcp/upstream/conformanceclient")
	build.Dir = gateway.Root()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	suite := installed("node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js")
	for _, r := range []struct {
		revision string
		required int
	}{{"2025-11-25", 18}, {"2026-07-28", 32}} {
		t.Run(r.revision, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			run := exec.CommandContext(ctx, installed("node", "node"), suite, "client",
				"--command", client, "--requirements", r.revision, "--timeout", "60000", "-o", t.TempDir())
			run.Env = append(os.Environ(), "NODE_OPTIONS=--require "+here("loopback.cjs"))
			out, err := run.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			unscored := map[string]bool{}
			for _, m := range regexp.MustCompile(`(?m)^  [✓✗] (\S+) \(`).FindAllStringSubmatch(string(out), -1) {
				unscored[m[1]] = true
			}
			passed := 0
			for _, m := range regexp.MustCompile(`(?m)^✓ (\S+): (\d+) passed, 0 failed`).FindAllStringSubmatch(string(out), -1) {
				if !unscored[m[1]] && m[2] != "0" {
					passed++
				}
			}
			if passed != r.required {
				t.Errorf("%d scenarios passed of the %d that are required\n%s", passed, r.required, out)
			}
			for _, also := range []string{"auth/client-credentials-jwt", "auth/client-credentials-basic", "json-schema-2020-12-preservation"} {
				if !strings.Contains(string(out), "✓ "+also+": ") {
					t.Errorf("%s did not pass\n%s", also, out)
				}
			}
		})
	}
}
