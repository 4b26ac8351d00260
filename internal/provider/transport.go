package provider

import (
	"net"
	"net/http"
	"time"
)

// Transport returns the transport of the standard library, set up for many long replies from few hosts. connect limits
// how long a connection may take to open, TLS included; 0 is 10 s. Proxies are taken from the environment.
func Transport(connect time.Duration) *http.Transport {
	if connect <= 0 {
		connect = 10 * time.Second
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connect, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   connect,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,
		MaxIdleConns:          0,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		WriteBufferSize:       64 << 10, // a body that fits leaves with its head
	}
}
