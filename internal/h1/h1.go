// Package h1 is HTTP/1.1 in the goroutine of whoever uses it, in both directions: [Transport] sends requests, [Server] serves
// them. Neither keeps a goroutine or a buffer beside a connection that waits, heads are parsed in the buffer that they were read
// into, and what is small leaves in one write. Both have the interfaces of net/http, whose halves can stand in for them at any
// time; what a Transport is not made for (proxies, uploads of unknown length, upgrades) it hands to such a one by itself.
package h1

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Options are the settings of a Transport. The zero value is good.
type Options struct {
	// DialContext opens a TCP connection; nil: a net.Dialer.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS is used for https; it is cloned. ALPN is always http/1.1 alone.
	TLS *tls.Config
	// Proxy says which proxy a request needs; such requests go to Fallback. Nil: http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)
	// Fallback takes the requests that this client does not do itself; nil: an http.Transport with the same settings.
	Fallback http.RoundTripper

	ConnectTimeout        time.Duration // TCP and TLS together; 0: 10 s
	ResponseHeaderTimeout time.Duration // from the request's first byte to the end of the reply's head; 0: none
	IdleTimeout           time.Duration // 0: 90 s
	MaxIdlePerHost        int           // 0: 256
	MaxHeaderBytes        int           // one reply's head, and its trailers; 0: 64 KiB
}

// Transport sends requests. It is safe for use by many goroutines.
type Transport struct {
	o     Options
	tls   *tls.Config
	proxy func(*http.Request) (*url.URL, error)
	pool  pool
}

var _ http.RoundTripper = (*Transport)(nil)

// New returns a Transport. Close its idle connections when it is no longer used.
func New(o Options) *Transport {
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = 10 * time.Second
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = 90 * time.Second
	}
	if o.MaxIdlePerHost == 0 {
		o.MaxIdlePerHost = 256
	}
	if o.MaxHeaderBytes == 0 {
		o.MaxHeaderBytes = 64 << 10
	}
	if o.DialContext == nil {
		o.DialContext = (&net.Dialer{Timeout: o.ConnectTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	t := &Transport{o: o, proxy: o.Proxy, tls: clientTLS(o.TLS)}
	if t.proxy == nil && proxyInEnvironment() {
		t.proxy = http.ProxyFromEnvironment
	}
	if t.o.Fallback == nil {
		t.o.Fallback = &http.Transport{
			Proxy: t.proxy, DialContext: o.DialContext, TLSClientConfig: o.TLS.Clone(), ForceAttemptHTTP2: true, DisableCompression: true,
			TLSHandshakeTimeout: o.ConnectTimeout, ResponseHeaderTimeout: o.ResponseHeaderTimeout, IdleConnTimeout: o.IdleTimeout,
			MaxIdleConnsPerHost: o.MaxIdlePerHost, MaxResponseHeaderBytes: int64(o.MaxHeaderBytes), WriteBufferSize: 64 << 10,
		}
	}
	t.pool.init(o.MaxIdlePerHost, o.IdleTimeout)
	return t
}

func clientTLS(c *tls.Config) *tls.Config {
	if c == nil {
		c = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c = c.Clone()
	c.NextProtos = []string{"http/1.1"}
	if c.ClientSessionCache == nil {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(64)
	}
	return c
}

// proxyInEnvironment spares the look-up for every request where no proxy is set at all.
func proxyInEnvironment() bool {
	for _, name := range [...]string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		if os.Getenv(name) != "" {
			return true
		}
	}
	return false
}

// CloseIdleConnections closes the connections that no request uses, the fallback's too.
func (t *Transport) CloseIdleConnections() {
	t.pool.closeIdle()
	if f, ok := t.o.Fallback.(interface{ CloseIdleConnections() }); ok {
		f.CloseIdleConnections()
	}
}

// RoundTrip sends req and returns the reply as soon as its head is there. The reply's body must be read to its end or
// closed. Errors are of type *Error, or come from the fallback; when req's context has ended, they wrap both its cause and its
// error. They never hold anything of the request but the address.
//
// A connection from the pool is looked at before it is used, and a closed one is passed over. If it breaks nevertheless, the
// request is sent once more on a new connection, but only where no byte of it was written, or where its method (or an
// Idempotency-Key) says that it may be repeated and no byte of a reply came.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if foreign(req) {
		return t.o.Fallback.RoundTrip(req)
	}
	if t.proxy != nil {
		if u, err := t.proxy(req); err != nil || u != nil {
			return t.o.Fallback.RoundTrip(req)
		}
	}
	if err := checkHeader(req); err != nil {
		closeBody(req.Body)
		return nil, err
	}
	body := req.Body
	for fresh := false; ; fresh = true {
		c, err := t.conn(req, fresh)
		if err != nil {
			closeBody(body)
			return nil, err
		}
		again, resp, err := c.exchange(req, body)
		closeBody(body)
		if err == nil {
			return resp, nil
		}
		if !again {
			return nil, err
		}
		if body, again = rewind(req); !again {
			return nil, err
		}
	}
}

// rewind returns the body of req from its beginning, false where that cannot be had.
func rewind(req *http.Request) (rc body, ok bool) {
	if req.Body == nil || req.Body == http.NoBody {
		return req.Body, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	b, err := req.GetBody()
	return b, err == nil
}

func closeBody(b body) {
	if b != nil {
		_ = b.Close() // the request's fate does not hang on it
	}
}
