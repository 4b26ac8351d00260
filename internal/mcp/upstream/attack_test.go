package upstream

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
)

// TestAttack09LocalServer: a child process has a group of its own, and of the gateway's environment PATH and HOME only. It ends with
// its session, its own children too, so that a hundred openings and closings leave no process behind.
func TestAttack09LocalServer(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("processes are counted in /proc")
	}
	watchLeaks(t)
	t.Setenv("OPENAI_API_KEY", "canary-of-the-gateway")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary-of-the-gateway")
	d := dialer(t, Options{Grace: 20 * time.Millisecond})
	server := asChild(mcptest.Spec{Tools: []mcptest.Tool{{Name: "env", Do: mcptest.Env}}, Spawn: true})
	own := groupOf(t, os.Getpid())
	for i := range 100 {
		s := open(t, d, server)
		if i%20 == 0 {
			res, err := try(t, s, "env", "{}")
			if err != nil || strings.Contains(res, "canary-of-the-gateway") || strings.Contains(res, "OPENAI") || strings.Contains(res, "AWS_") {
				t.Errorf("the environment is %s, %v", res, err)
			}
			pids := children(t)
			if len(pids) != 2 {
				t.Errorf("%d processes, want the server and its child", len(pids))
			}
			for _, pid := range pids {
				if g := groupOf(t, pid); g == own || g != groupOf(t, pids[0]) {
					t.Errorf("the process %d is in the group %d, ours is %d", pid, g, own)
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "no process is left", func() bool { return len(children(t)) == 0 })
}

// groupOf is the process group that the system has for a process.
func groupOf(t *testing.T, pid int) int {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the name before it may hold anything
	fields := strings.Fields(after)
	group, err := strconv.Atoi(fields[2])
	if err != nil {
		t.Fatal(err)
	}
	return group
}
