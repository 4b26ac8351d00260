//go:build real

package real

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/test/gateway"
)

// TestPinsOfRealServers pins everything that the real servers show. How much of it the rules flag is the rate of false alarms,
// which is printed; a second look finds that nothing has changed, although the servers are other processes.
func TestPinsOfRealServers(t *testing.T) {
	var lines []string
	all := fleet(t)
	for _, m := range all {
		lines = append(lines, m.name+": "+m.line)
	}
	dir := t.TempDir()
	file, lock := filepath.Join(dir, "fairlead.yaml"), filepath.Join(dir, "fairlead.lock")
	config := "pins: " + lock + gateway.Config("http://127.0.0.1:1", lines...)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	pin := func(args ...string) (out string, ok bool) {
		t.Helper()
		b, err := exec.CommandContext(t.Context(), gateway.Binary(t), append([]string{"pin", "--config", file}, args...)...).CombinedOutput()
		if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
			t.Fatal(err)
		}
		return string(b), err == nil
	}
	out, _ := pin()
	items, flagged := 0, strings.Count(out, "withheld, new: ")
	for _, m := range all {
		found := regexp.MustCompile(`(?m)^` + m.name + `: 0 as accepted, (\d+) new$`).FindStringSubmatch(out)
		if found == nil {
			t.Errorf("%s was not asked: %s", m.name, out)
			continue
		}
		n, _ := strconv.Atoi(found[1])
		items += n
	}
	t.Logf("%d of %d tools, prompts, resources, templates and instructions of %d servers are flagged (%s)", flagged, items, len(all), rate(flagged, items))
	if flagged*100 > items {
		t.Errorf("more than one in a hundred is flagged: %s", out)
	}
	if out, ok := pin("--accept"); !ok {
		t.Fatal(out)
	}
	if out, ok := pin(); !ok || !strings.Contains(out, "everything is as it was accepted") {
		t.Errorf("the servers are other processes, and something has changed: %s", out)
	}
}

func rate(part, whole int) string {
	return fmt.Sprintf("%.2f %%", 100*float64(part)/float64(max(1, whole)))
}
