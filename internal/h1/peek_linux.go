package h1

import "syscall"

// established is the state of a connection whose sides are both open, as include/net/tcp_states.h has it.
const established = 1

// hasEnded reports whether the client has ended its side, whatever of it has not been read yet.
func hasEnded(fd uintptr) bool {
	// The first byte of struct tcp_info is the state, and an address of IPv4 has room for it.
	info, err := syscall.GetsockoptInet4Addr(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
	return err == nil && info[0] != established
}
