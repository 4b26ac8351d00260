package gateway

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// Publish starts a gateway behind a proxy, as most are, and returns the proxy's address, which is the gateway's public one. Where the
// config says PUBLIC, it stands.
func Publish(t *testing.T, config string) (public string, g *Gateway) {
	t.Helper()
	proxy := httptest.NewUnstartedServer(nil)
	public = "http://" + proxy.Listener.Addr().String()
	g = Start(t, strings.ReplaceAll(config, "PUBLIC", public))
	to, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy.Config.Handler = &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	proxy.Start()
	t.Cleanup(func() {
		proxy.CloseClientConnections()
		proxy.Close()
	})
	return public, g
}
