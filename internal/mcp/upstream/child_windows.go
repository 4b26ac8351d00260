package upstream

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup puts a child into a process group of its own.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// awaitEnd returns when the process has ended.
func awaitEnd(cmd *exec.Cmd) { _, _ = cmd.Process.Wait() }

// killGroup ends the process; this system has no signal for its children.
func killGroup(pid int, _ syscall.Signal) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}
