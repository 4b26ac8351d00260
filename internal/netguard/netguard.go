// Package netguard dials addresses that a client of the gateway may have chosen, and refuses those that lead inside:
// loopback, private and shared networks, link-local addresses with the metadata services on them, and every way to write
// these as IPv6.
package netguard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// ErrRefused is wrapped by the error of Dial when all addresses of a host are refused. Nothing was connected then.
var ErrRefused = errors.New("the address is not a public one")

// special are the networks that the methods of netip.Addr do not name.
var special = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10",
)

func prefixes(list ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(list))
	for i, s := range list {
		ps[i] = netip.MustParsePrefix(s)
	}
	return ps
}

// Public reports whether an address belongs to the public internet. An IPv6 address that carries an IPv4 one (mapped,
// compatible, NAT64, 6to4) is as public as that one.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	if v4, ok := carried(a); ok {
		return Public(v4)
	}
	return true
}

// carried returns the IPv4 address that an IPv6 address leads to.
func carried(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	switch {
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a), netip.MustParsePrefix("::/96").Contains(a):
		return netip.AddrFrom4([4]byte(b[12:])), true
	case netip.MustParsePrefix("64:ff9b:1::/48").Contains(a):
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true // translation inside somebody's own network
	}
	return netip.Addr{}, false
}

// Named reports whether a host leaves no doubt about where it leads: a literal address or localhost. Who allows such a host
// by name has allowed its address. Shorthand like 127.1, which resolvers read as an address, is no literal.
func Named(host string) bool {
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return strings.EqualFold(host, "localhost")
}

// Dialer connects to public addresses only.
type Dialer struct {
	Resolver interface { // nil: the system's
		LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	}
	Connect func(ctx context.Context, network, addr string) (net.Conn, error) // nil: a net.Dialer with a timeout of 10 s
}

// DialContext resolves the host of addr once, drops the addresses that are not public, and connects to the first of the others
// that answers. A host that is [Named] is connected to as it is.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	connect := d.Connect
	if connect == nil {
		connect = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if Named(host) {
		return connect(ctx, network, addr)
	}
	ips, err := d.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("%s: %w", host, ErrRefused)
	for _, ip := range ips {
		if !Public(ip) {
			continue
		}
		var c net.Conn
		if c, err = connect(ctx, network, net.JoinHostPort(ip.Unmap().String(), port)); err == nil {
			return c, nil
		}
	}
	return nil, err
}

func (d *Dialer) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if d.Resolver != nil {
		return d.Resolver.LookupNetIP(ctx, "ip", host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}
