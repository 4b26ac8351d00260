package churn

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/gateway"
)

// patience bounds every wait; nothing is timed by it.
const patience = 30 * time.Second

// must waits until is holds, and fails the test if it never does.
func must(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

// files is how many files and connections a process has open; Linux only, elsewhere 0.
func files(pid int) int {
	all, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	return len(all)
}

// group lists the processes that live in a process group; Linux only, elsewhere it is empty.
func group(pgid int) []int {
	var all []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		f := strings.Fields(rest)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if len(f) > 2 && f[0] != "Z" && f[2] == strconv.Itoa(pgid) {
			all = append(all, pid)
		}
	}
	return all
}

var header = regexp.MustCompile(`(?m)^goroutine \d+ .*\[`)

// goroutines ends a gateway with a dump of its goroutines, and returns how many there were.
func goroutines(t *testing.T, g *gateway.Gateway) int {
	t.Helper()
	g.Signal(syscall.SIGQUIT)
	_ = g.Wait() // it ends as a process does that is told to dump
	n := len(header.FindAllString(g.Log(), -1))
	if n == 0 {
		t.Fatal("there is no dump")
	}
	return n
}
