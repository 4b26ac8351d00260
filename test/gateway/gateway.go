// Package gateway runs the built gateway as a process of its own, for tests that look at it from outside.
package gateway

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// patience bounds every wait for the process; nothing is timed by it.
const patience = 30 * time.Second

// Gateway is a running process.
type Gateway struct {
	URL  string // http://127.0.0.1:port
	File string // the config

	t      *testing.T
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process is gone; exit holds then
	exit   error

	mu  sync.Mutex
	log bytes.Buffer
}

// Root is the folder of the main module.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// binary builds cmd/fairlead once per test process.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "fairlead-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "fairlead")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-buildvcs=false", "-o", path, "./cmd/fairlead")
	cmd.Dir = Root()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/fairlead: %w\n%s", err, out)
	}
	return path, nil
})

// Binary is the path of the gateway's binary, built from the tree that the test stands in.
func Binary(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Clean removes the binary. Call it at the end of TestMain.
func Clean() {
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
}

// Start runs `fairlead serve` on a free port with config (YAML, without listen) and waits until it listens. It is stopped
// when the test ends; its log is shown when the test failed.
func Start(t *testing.T, config string) *Gateway {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fairlead.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	g := &Gateway{File: file, t: t, exited: make(chan struct{})}
	g.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), Binary(t), "serve", "--config", file, "--listen", "127.0.0.1:0")
	stderr, err := g.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addr := make(chan string, 1)
	go func() {
		g.follow(stderr, addr)
		g.exit = g.cmd.Wait()
		close(g.exited)
	}()
	t.Cleanup(func() {
		_ = g.Stop()
		if t.Failed() {
			t.Logf("the gateway's log:\n%s", g.Log())
		}
	})
	select {
	case a := <-addr:
		g.URL = "http://" + a
	case <-g.exited:
		t.Fatalf("the gateway ended: %v\n%s", g.exit, g.Log())
	case <-time.After(patience):
		t.Fatalf("the gateway did not say that it listens\n%s", g.Log())
	}
	return g
}

// follow keeps the log and sends the address of the record `listening`.
func (g *Gateway) follow(stderr io.Reader, addr chan<- string) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		g.mu.Lock()
		g.log.Write(lines.Bytes())
		g.log.WriteByte('\n')
		g.mu.Unlock()
		var record struct {
			Msg  string `json:"msg"`
			Addr string `json:"addr"`
		}
		if json.Unmarshal(lines.Bytes(), &record) == nil && record.Msg == "listening" {
			select {
			case addr <- record.Addr:
			default:
			}
		}
	}
}

// Log is what the process wrote to standard error.
func (g *Gateway) Log() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.log.String()
}

// PID is the process's id.
func (g *Gateway) PID() int { return g.cmd.Process.Pid }

// Signal sends the process a signal.
func (g *Gateway) Signal(s os.Signal) {
	g.t.Helper()
	if err := g.cmd.Process.Signal(s); err != nil {
		g.t.Fatal(err)
	}
}

// Stop asks the process to end and waits until it has; a process that does not end fails the test. It may be called twice.
func (g *Gateway) Stop() error {
	g.t.Helper()
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.exited:
	case <-time.After(patience):
		g.t.Errorf("the gateway does not end on SIGTERM")
		_ = g.cmd.Process.Kill()
		<-g.exited
	}
	return g.exit
}

// Wait waits until the process has ended by itself, or on a signal that it got before, and returns how.
func (g *Gateway) Wait() error {
	g.t.Helper()
	select {
	case <-g.exited:
	case <-time.After(patience):
		g.t.Fatal("the gateway does not end")
	}
	return g.exit
}

// Children lists the processes that the gateway started, and theirs; Linux only, elsewhere it is empty.
func (g *Gateway) Children() []int { return children(g.PID()) }

func children(pid int) []int {
	var all []int
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range tasks {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for f := range strings.FieldsSeq(string(text)) {
			var child int
			if _, err := fmt.Sscan(f, &child); err == nil {
				all = append(append(all, child), children(child)...)
			}
		}
	}
	return all
}

// Alive reports whether a process that Children listed still runs.
func Alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}
