package upstream

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
)

// child is a process in a group of its own.
type child struct {
	stdin, stdout, stderr *os.File // our ends

	pid    int
	exited chan struct{} // closed when the process has ended and its group was killed
	state  *os.ProcessState

	mu    sync.Mutex
	ended bool // the process is about to be reaped: its number is not ours any more
}

// environment is what a child gets: PATH, HOME and what the config lists.
func environment(env map[string]string) []string {
	var list []string
	for _, k := range []string{"PATH", "HOME"} {
		if _, ok := env[k]; !ok && os.Getenv(k) != "" {
			list = append(list, k+"="+os.Getenv(k))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(env)) {
		list = append(list, k+"="+env[k])
	}
	return list
}

// startChild starts a command. The caller stops it, or waits for exited, and then closes the outputs; stdin is the writer's.
func startChild(command, env []string) (*child, error) {
	c := &child{exited: make(chan struct{})}
	cmd := exec.Command(command[0], command[1:]...) //nolint:noctx // the process outlives the request that starts it; stop ends it
	cmd.Env = env
	cmd.SysProcAttr = ownGroup()
	theirs, err := c.pipes(cmd)
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
	}()
	if err != nil {
		c.closeAll()
		return nil, err
	}
	started := make(chan error)
	go c.run(cmd, started)
	if err := <-started; err != nil {
		c.closeAll()
		return nil, err
	}
	return c, nil
}

// pipes connects cmd's standard files to ours, and returns cmd's ends.
func (c *child) pipes(cmd *exec.Cmd) ([]*os.File, error) {
	var theirs []*os.File
	for i, ours := range []**os.File{&c.stdin, &c.stdout, &c.stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			return theirs, err
		}
		switch i {
		case 0:
			*ours, cmd.Stdin, theirs = w, r, append(theirs, r)
		case 1:
			*ours, cmd.Stdout, theirs = r, w, append(theirs, w)
		default:
			*ours, cmd.Stderr, theirs = r, w, append(theirs, w)
		}
	}
	return theirs, nil
}

// run starts the process and waits for its end. It keeps one thread to itself, because the system ends the child when the
// thread that started it ends.
func (c *child) run(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	c.pid = cmd.Process.Pid
	started <- nil
	awaitEnd(cmd)
	c.signal(syscall.SIGKILL) // what it left behind
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	_ = cmd.Wait()
	c.state = cmd.ProcessState
	close(c.exited)
}

// signal sends a signal to all processes of the group.
func (c *child) signal(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		killGroup(c.pid, s)
	}
}

// stop ends the process: its input is closed already, so it is waited for, then asked, then killed.
func (c *child) stop(grace time.Duration) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		select {
		case <-c.exited:
			return
		case <-time.After(grace):
			c.signal(s)
		}
	}
	<-c.exited
}

// status says how the process has ended.
func (c *child) status() string {
	if c.state == nil {
		return "an unknown status"
	}
	if w, ok := c.state.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return fmt.Sprintf("signal %q", w.Signal().String())
	}
	return fmt.Sprintf("status %d", c.state.ExitCode())
}

func (c *child) closeOutputs() {
	_ = c.stdout.Close()
	_ = c.stderr.Close()
}

func (c *child) closeAll() {
	for _, f := range []*os.File{c.stdin, c.stdout, c.stderr} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// printable replaces control characters, so that a server cannot write to a terminal through the log.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)
}

// maxShown bounds what a client sees of a server's last words.
const maxShown = 200

// discreet takes words that may be paths or addresses out of a line, so that it can be shown to clients.
func discreet(line string) string {
	words := strings.Fields(line)
	for i, w := range words {
		if strings.ContainsAny(w, `/\@`) || address(w) {
			words[i] = "…"
		}
	}
	r := []rune(strings.Join(words, " "))
	if len(r) > maxShown {
		r = append(r[:maxShown], '…')
	}
	return string(r)
}

func address(w string) bool {
	w = strings.Trim(w, "\"'(),;=")
	if _, err := netip.ParseAddr(strings.Trim(w, "[]:")); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(w)
	return err == nil
}
