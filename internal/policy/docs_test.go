package policy_test

import (
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/policy"
)

var example = regexp.MustCompile("(?s)```yaml\n(.*?)```\n\n(\\| use \\|.*?)\n\n")

// Each example of docs/policy.md is a config without mistakes, and decides as the table below it says. Those of parameters are
// tried in the package mcp.
func TestExamplesOfTheDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, m := range example.FindAllStringSubmatch(string(text), -1) {
		cfg, err := config.Parse("docs/policy.md", []byte(m[1]), config.Options{CheckRule: func(expr string) (bad []config.ExprMistake) {
			for _, x := range policy.Check(expr) {
				bad = append(bad, config.ExprMistake(x))
			}
			return bad
		}})
		if err != nil {
			t.Error(err)
			continue
		}
		if len(cfg.Rules) == 0 {
			continue
		}
		p, err := policy.New(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(m[2]) {
			cells := strings.Split(strings.Trim(line, "|\n"), "|")
			if !strings.HasPrefix(cells[0], " `") {
				continue
			}
			rows++
			f, want := facts(cells), strings.TrimSpace(cells[3])
			if got := p.Decide(f); !slices.Contains(strings.Fields(words[got.Decision]), want) {
				t.Errorf("%s: got %+v, the page says %s", line, got, want)
			}
		}
	}
	if rows != 15 {
		t.Errorf("%d rows were tried", rows)
	}
}

var words = map[policy.Decision]string{policy.Allow: "allowed shown", policy.Ask: "asked", policy.Deny: "denied hidden"}

// facts reads a row: `server.tool` and what it does, its arguments, what was read before.
func facts(cells []string) *policy.Facts {
	name, does, _ := strings.Cut(strings.TrimSpace(cells[0]), " ")
	server, tool, _ := strings.Cut(strings.Trim(name, "`"), ".")
	f := &policy.Facts{Server: server, Tool: tool, ReadOnly: strings.HasPrefix(does, "reads"), OpensUp: does != "reads", Destructive: does == "writes"}
	if args := strings.Trim(cells[1], " `"); args != "" {
		f.Args = []byte(args)
	}
	if read := strings.Trim(cells[2], " `"); read != "" {
		f.Tainted = []string{read}
	}
	return f
}
