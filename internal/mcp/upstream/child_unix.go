//go:build unix && !linux

package upstream

import (
	"os/exec"
	"syscall"
)

// ownGroup puts a child into a process group of its own.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func killGroup(pid int, s syscall.Signal) { _ = syscall.Kill(-pid, s) }

// awaitEnd returns when the process has ended.
func awaitEnd(cmd *exec.Cmd) { _, _ = cmd.Process.Wait() }
