// Package attacks holds that docs/attacks.md is true: that every attack in its table has a test, and every test is there.
package attacks

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/test/gateway"
)

// rows is how many attacks there are.
const rows = 30

// TestEveryAttackHasATest: the table has each attack once, in order, with tests that are named after its number and exist.
func TestEveryAttackHasATest(t *testing.T) {
	table, err := os.ReadFile(filepath.Join(gateway.Root(), "docs", "attacks.md"))
	if err != nil {
		t.Fatal(err)
	}
	have := tests(t)
	row := regexp.MustCompile(`(?m)^\| (\d+) \| .* \| (.+) \|$`)
	found := row.FindAllStringSubmatch(string(table), -1)
	if len(found) != rows {
		t.Fatalf("the table has %d rows, want %d", len(found), rows)
	}
	for i, m := range found {
		number := fmt.Sprint(i + 1)
		if m[1] != number {
			t.Errorf("row %d has the number %s", i+1, m[1])
		}
		named := regexp.MustCompile("`([A-Za-z0-9]+)`").FindAllStringSubmatch(m[2], -1)
		if len(named) == 0 {
			t.Errorf("row %s has no test", number)
		}
		for _, n := range named {
			if !strings.HasPrefix(n[1], fmt.Sprintf("TestAttack%02d", i+1)) {
				t.Errorf("row %s: %s is not named after it", number, n[1])
			}
			if !slices.Contains(have, n[1]) {
				t.Errorf("row %s: there is no %s", number, n[1])
			}
		}
	}
	for _, name := range have {
		if !strings.Contains(string(table), "`"+name+"`") {
			t.Logf("%s is not in the table", name)
		}
	}
}

// tests are the names of all tests of attacks.
func tests(t *testing.T) []string {
	t.Helper()
	var all []string
	name := regexp.MustCompile(`(?m)^func (TestAttack\d\d\w+)\(`)
	for _, folder := range []string{"cmd", "internal", "test"} {
		err := filepath.WalkDir(filepath.Join(gateway.Root(), folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range name.FindAllSubmatch(text, -1) {
				all = append(all, string(m[1]))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}
