// Package churn opens and closes what a gateway holds, again and again, and looks for what is left: processes, files,
// connections, goroutines.
package churn

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/test/gateway"
)

func TestMain(m *testing.M) {
	mcptest.Main() // does not return in a child
	code := m.Run()
	gateway.Clean()
	os.Exit(code)
}

const cycles = 100

// TestServersComeAndGo: servers that are child processes are put into the config, called and taken out of it, a hundred times,
// the first of them with a child of its own and both deaf to signals. Nothing of them is left.
func TestServersComeAndGo(t *testing.T) {
	dir := t.TempDir()
	record := filepath.Join(dir, "record")
	tame := mcptest.Spec{Name: "tame", Record: record, Tools: []mcptest.Tool{{Name: "echo", Do: mcptest.Echo}}}
	wild := tame
	wild.Stubborn, wild.Spawn = true, true
	c := &comings{t: t, g: gateway.Start(t, nothing), control: gateway.Start(t, nothing)}
	c.cycle(c.control, gateway.Scripted("tame", tame))
	c.cycle(c.g, gateway.Scripted("tame", tame))
	before := files(c.g.PID())
	for i := range cycles {
		spec := tame
		if i == 0 {
			spec = wild
		}
		c.cycle(c.g, gateway.Scripted("tame", spec))
	}
	pids := started(t, record)
	if len(pids) < cycles {
		t.Errorf("%d processes were started, want %d at least", len(pids), cycles)
	}
	for _, pid := range pids {
		must(t, fmt.Sprintf("nothing is left of the server %d and of what it has started (%v)", pid, group(pid)), func() bool { return len(group(pid)) == 0 })
	}
	must(t, fmt.Sprintf("no more files are open than before (%d)", before), func() bool { return files(c.g.PID()) <= before })
	if is, was := goroutines(t, c.g), goroutines(t, c.control); is > was+2 {
		t.Errorf("%d goroutines after %d cycles, %d after one", is, cycles, was)
	}
}

// nothing is a config without servers.
var nothing = strings.Replace(gateway.Config("http://127.0.0.1:1/v1"), "mcp_servers:\n  \n", "", 1)

type comings struct {
	t          *testing.T
	g, control *gateway.Gateway
	id         int
}

// cycle puts a server into the config of a gateway, calls it, and takes it out again.
func (c *comings) cycle(g *gateway.Gateway, line string) {
	c.t.Helper()
	c.load(g, strings.Replace(nothing, "keys:", "mcp_servers:\n  "+line+"\nkeys:", 1))
	must(c.t, "the server answers", func() bool {
		c.id++
		status, text := post(c.t, g.URL+"/mcp/tame", echo(c.id))
		return status == 200 && strings.Contains(text, fmt.Sprintf(`{\"n\":%d}`, c.id))
	})
	c.load(g, nothing)
	must(c.t, "the server has ended", func() bool { return len(g.Children()) == 0 })
}

// load has a gateway take another config.
func (c *comings) load(g *gateway.Gateway, text string) {
	c.t.Helper()
	tmp := g.File + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(tmp, g.File); err != nil {
		c.t.Fatal(err)
	}
	g.Signal(syscall.SIGHUP)
}

// started lists the processes that have written a record.
func started(t *testing.T, record string) []int {
	t.Helper()
	all, err := mcptest.ReadRecord(record)
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, r := range all {
		if !slices.Contains(pids, r.PID) {
			pids = append(pids, r.PID)
		}
	}
	return pids
}
