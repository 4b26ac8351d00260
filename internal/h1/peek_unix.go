//go:build unix

package h1

import (
	"errors"
	"syscall"
)

// alive reports whether an idle connection is open and silent. Anything there to read means the end: no request is under way.
func (c *conn) alive() bool {
	if c.raw == nil {
		return true
	}
	c.live = false
	return c.raw.Read(c.look) == nil && c.live
}

func (c *conn) lookAt(fd uintptr) bool {
	_, _, err := syscall.Recvfrom(int(fd), c.peek[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	c.live = errors.Is(err, syscall.EAGAIN)
	return true
}
