//go:build unix

package h1

import (
	"errors"
	"net"
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
	_, err := glance(fd, c.peek[:])
	c.live = errors.Is(err, syscall.EAGAIN)
	return true
}

// glance reads into p what there is to read, and leaves it there. With nothing to read yet it returns EAGAIN, at the end nothing.
func glance(fd uintptr, p []byte) (int, error) {
	n, _, err := syscall.Recvfrom(int(fd), p, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n, err
}

// rawOf returns what nc is below, nil where that is nothing of the system's.
func rawOf(nc net.Conn) syscall.RawConn {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// readFirst reads the first bytes of a request into a buffer, which it takes when they are there. It is for
// [syscall.RawConn.Read], which waits for them.
func (c *serverConn) readFirst(fd uintptr) bool {
	c.in.open()
	for {
		c.firstN, c.err = syscall.Read(int(fd), c.in.buf)
		switch {
		case errors.Is(c.err, syscall.EINTR):
			continue
		case errors.Is(c.err, syscall.EAGAIN):
			c.in.close()
			return false
		case c.err == nil:
			c.in.w, c.in.any = c.firstN, true
		}
		return true
	}
}

// peekAt notices when the client has left. What it sent before and nobody has read does not hide that.
func (c *serverConn) peekAt(fd uintptr) {
	n, err := glance(fd, c.spy[:])
	switch {
	case n > 0:
		if hasEnded(fd) {
			c.left()
		}
	case err == nil, !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR):
		c.left()
	}
}

// hasSent reports whether there is something to read.
func (c *serverConn) hasSent() bool {
	n := 0
	if c.raw != nil {
		_ = c.raw.Control(func(fd uintptr) { // an error is one of a connection that is closed
			n, _ = glance(fd, make([]byte, 1))
		})
	}
	return n > 0
}
