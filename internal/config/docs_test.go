package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// TestAuthExamples: the configs on the page about keys and tokens are good ones.
func TestAuthExamples(t *testing.T) {
	page, err := os.ReadFile(filepath.FromSlash("../../docs/auth.md"))
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(page), "```yaml\n")
	if len(parts) != 3 {
		t.Fatalf("%d examples", len(parts)-1)
	}
	for _, part := range parts[1:] {
		text, _, _ := strings.Cut(part, "```")
		o := testOptions(map[string]string{"OPS_KEY": "sk-ops", "PARTNERS_SECRET": "hunter2"}, nil)
		if _, err := Parse("auth.md", []byte(text), o); err != nil {
			t.Error(err)
		}
	}
}

// TestLoginExamples: the config on the page about logins is a good one.
func TestLoginExamples(t *testing.T) {
	page, err := os.ReadFile(filepath.FromSlash("../../docs/logins.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "```yaml\n")
	text, _, _ := strings.Cut(rest, "```")
	const key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	o := testOptions(map[string]string{"FAIRLEAD_SECRET": "sixteen-letters!", "WAREHOUSE_SECRET": "hunter2"}, fstest.MapFS{"etc/fairlead/key.pem": {Data: []byte(key)}})
	if _, err := Parse("logins.md", []byte(text), o); err != nil || !ok {
		t.Error(err)
	}
}
