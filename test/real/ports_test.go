//go:build real

package real

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ports starts servers that listen on a free port of loopback, and ends them, and what they have started, with the test.
type ports struct {
	t     *testing.T
	waits []func()
}

// start runs a script and returns its base URL, where it will listen once wait has returned. The port is in the variable
// PORT, and in place of the word PORT in arguments and variables.
func (p *ports) start(env map[string]string, script string, args ...string) string {
	p.t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	addr := free.Addr().String()
	_ = free.Close()
	_, port, _ := net.SplitHostPort(addr)

	cmd := exec.Command(installed("node", "node"), "--require", here("loopback.cjs"), script)
	for _, a := range args {
		cmd.Args = append(cmd.Args, strings.ReplaceAll(a, "PORT", port))
	}
	cmd.Env = append(os.Environ(), "PORT="+port)
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+strings.ReplaceAll(value, "PORT", port))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	p.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-exited
	})
	name, _ := filepath.Rel(installed("node_modules"), script)
	p.waits = append(p.waits, func() { listens(p.t, addr, name, exited, &out) })
	return "http://" + addr
}

// wait waits until all of them listen.
func (p *ports) wait() {
	p.t.Helper()
	for _, w := range p.waits {
		w()
	}
	p.waits = nil
}

// listens waits until a server listens at addr. out is what it has said, to be read when it has exited.
func listens(t *testing.T, addr, name string, exited <-chan struct{}, out *bytes.Buffer) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-exited:
			t.Fatalf("%s ended:\n%s", name, out.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not listen", name)
}
