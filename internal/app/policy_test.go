package app

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/mcp"
)

// The example of parameters in docs/policy.md decides as the table below it says.
func TestParametersOfTheDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)## Parameters\n\n```yaml\n(.*?)```\n\n(.*?)\n\n").FindStringSubmatch(string(text))
	cfg, err := config.Parse("docs/policy.md", []byte(m[1]), ConfigOptions(os.Getenv))
	if err != nil {
		t.Fatal(err)
	}
	server, rows := servers(cfg)[0], 0
	for line := range strings.Lines(m[2]) {
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		tool, ok := strings.CutPrefix(strings.Trim(strings.Fields(cells[0])[0], "`"), server.Name+".")
		if !ok {
			continue
		}
		rows++
		v := mcp.Admit(mcp.Only([]string{"*"}), &server, mcp.Use{Tool: tool, Arguments: []byte(strings.Trim(cells[1], " `"))})
		if want := strings.TrimSpace(cells[3]); (want == "allowed") != (v.Decision == mcp.Allow) {
			t.Errorf("%s: got %+v", line, v)
		}
	}
	if rows != 6 {
		t.Errorf("%d rows were tried", rows)
	}
}
