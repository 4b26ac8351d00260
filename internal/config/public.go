package config

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// publicURL wants an address that a client may send a credential to: https, or http to the client's own machine.
func publicURL(s string) string {
	u, w := webURL(s)
	switch {
	case w != "":
		return w
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.TrimRight(u.Path, "/") != "":
		return "must be without a path, a query (?…) and a fragment (#…): the gateway is served at the root of its host"
	case !hostName(u.Hostname()) && !literal(u.Hostname()):
		return "must be a URL with the name of a host in letters, digits, dots, _ and -, or an address"
	case u.Scheme == "http" && !loopbackHost(u.Hostname()):
		return "must begin with https://; http:// is for loopback addresses only"
	}
	return ""
}

func literal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Zone() == ""
}

func loopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// canonical returns a checked URL with scheme and host in lower case, without the port that goes without saying and without
// a slash at its end, so that two that mean the same are the same text.
func canonical(s string) string {
	u, err := url.Parse(s)
	if err != nil || s == "" {
		return s
	}
	u.Host = strings.ToLower(u.Host)
	if host, port, err := net.SplitHostPort(u.Host); err == nil && (u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80") {
		u.Host = host
		if strings.Contains(host, ":") {
			u.Host = "[" + host + "]"
		}
	}
	return strings.TrimRight(u.String(), "/")
}
