package netguard

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
)

func TestPublic(t *testing.T) {
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "2606:4700:4700::1111": true, "2a00:1450::5": true, "::ffff:8.8.8.8": true, "64:ff9b::8.8.8.8": true, "2002:808:808::1": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "::": false, "0.0.0.0": false, "0.1.2.3": false,
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "172.32.0.1": true,
		"169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false, "fd00:ec2::254": false, "fc00::1": false, "fec0::1": false,
		"100.64.0.1": false, "100.127.255.255": false, "100.100.100.200": false, "100.128.0.1": true, "198.18.0.1": false,
		"::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false, "::ffff:10.0.0.1": false, "::127.0.0.1": false,
		"64:ff9b::10.0.0.1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::808:808": false, "2002:7f00:1::": false, "2002:a9fe:a9fe::1": false,
		"224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "240.0.0.1": false, "192.0.2.1": false, "192.0.0.192": false,
		"2001:db8::1": false, "2001::1": false,
	} {
		if got := Public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Public(%s) = %v", addr, got)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("the zero address is public")
	}
}

type zone map[string][]string

func (z zone) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	var ips []netip.Addr
	for _, s := range z[host] {
		ips = append(ips, netip.MustParseAddr(s))
	}
	if ips == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return ips, nil
}

func TestDial(t *testing.T) {
	dns := zone{
		"good.example": {"8.8.8.8"}, "in.example": {"10.0.0.1", "::1", "169.254.169.254"}, "mixed.example": {"127.0.0.1", "::ffff:8.8.4.4"},
		"127.1": {"127.0.0.1"}, "0x7f.1": {"127.0.0.1"}, "2130706433": {"127.0.0.1"}, "localhost.": {"127.0.0.1"}, "two.example": {"8.8.8.8", "1.1.1.1"},
	}
	errDown := errors.New("down")
	for _, tt := range []struct {
		addr    string
		down    []string
		want    []string
		refused bool
	}{
		{addr: "good.example:443", want: []string{"8.8.8.8:443"}},
		{addr: "mixed.example:80", want: []string{"8.8.4.4:80"}},
		{addr: "two.example:80", down: []string{"8.8.8.8:80"}, want: []string{"8.8.8.8:80", "1.1.1.1:80"}},
		{addr: "in.example:80", refused: true},
		{addr: "127.1:80", refused: true},
		{addr: "0x7f.1:80", refused: true},
		{addr: "2130706433:80", refused: true},
		{addr: "localhost.:80", refused: true},
		{addr: "127.0.0.1:80", want: []string{"127.0.0.1:80"}},
		{addr: "[::1]:80", want: []string{"[::1]:80"}},
		{addr: "LocalHost:80", want: []string{"LocalHost:80"}},
	} {
		var dialled []string
		d := &Dialer{Resolver: dns, Connect: func(_ context.Context, _, addr string) (net.Conn, error) {
			dialled = append(dialled, addr)
			if slices.Contains(tt.down, addr) {
				return nil, errDown
			}
			return &net.TCPConn{}, nil
		}}
		_, err := d.DialContext(t.Context(), "tcp", tt.addr)
		if !slices.Equal(dialled, tt.want) || errors.Is(err, ErrRefused) != tt.refused || (err == nil) == tt.refused {
			t.Errorf("%s: dialled %v, %v", tt.addr, dialled, err)
		}
	}
	if _, err := (&Dialer{Resolver: dns}).DialContext(t.Context(), "tcp", "gone.example:1"); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("unknown host: %v", err)
	}
}
