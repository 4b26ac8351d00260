//go:build !unix

package h1

import (
	"net"
	"syscall"
)

// alive cannot tell here: a closed connection is found in use.
func (c *conn) alive() bool { return true }

func (c *conn) lookAt(uintptr) bool { return true }

// rawOf returns none: a client that leaves is only noticed by what is read from it or written to it.
func rawOf(net.Conn) syscall.RawConn { return nil }

func (c *serverConn) readFirst(uintptr) bool { return true }

func (c *serverConn) peekAt(uintptr) {}

func (c *serverConn) hasSent() bool { return false }
