//go:build real

package real

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"github.com/fairlead/fairlead/test/gateway"
)

// visits counts the requests that pass a server.
type visits struct {
	mu  sync.Mutex
	all []string
}

func (v *visits) note(r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = append(v.all, r.Method+" "+r.URL.Path)
}

// take returns what has come since it was called last.
func (v *visits) take() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := v.all
	v.all = nil
	return all
}

// counted puts a server before the gateway that counts what clients send. It returns the server's URL.
func counted(t *testing.T, g *gateway.Gateway) (string, *visits) {
	t.Helper()
	target, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	v := new(visits)
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			v.note(r.In)
			// The whole body first: an answer may come before the transport has seen the body's end, and would be cut off.
			body, _ := io.ReadAll(r.In.Body) // a body that is cut does not have the length that was said
			r.Out.Body = io.NopCloser(bytes.NewReader(body))
			r.SetURL(target)
		},
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s.URL, v
}

// outside is a proxy for programs that are told to reach other machines through it: it lets nobody through and remembers
// who wanted to.
func outside(t *testing.T) (string, *visits) {
	t.Helper()
	v := new(visits)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = r.Host + r.URL.Path
		v.note(r)
		http.Error(w, "the tests stay on this machine", http.StatusForbidden)
	}))
	t.Cleanup(s.Close)
	return s.URL, v
}
