package h1

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// rawServer answers each connection by a function of the test; it counts connections and ends with the test.
type rawServer struct {
	net.Listener
	conns atomic.Int32
}

func serveRaw(t *testing.T, answer func(n int, c net.Conn)) *rawServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{Listener: l}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := int(s.conns.Add(1))
			wg.Go(func() { defer c.Close(); answer(n, c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return s
}

func (s *rawServer) url() string { return "http://" + s.Addr().String() + "/v1/x" }

// client returns a transport whose fallback fails the test, and whose connections end before the servers do.
func client(t *testing.T, o Options) *Transport {
	t.Helper()
	if o.Fallback == nil {
		o.Fallback = roundTripper(func(*http.Request) (*http.Response, error) {
			t.Error("the fallback was used")
			return nil, errors.New("fallback")
		})
	}
	tr := New(o)
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func post(t *testing.T, ctx context.Context, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// readRequest reads one request of a test from c.
func readRequest(c net.Conn) (head, body string, err error) {
	var b []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(b, []byte("\r\n\r\n")) {
		if _, err := io.ReadFull(c, one); err != nil {
			return "", "", err
		}
		b = append(b, one[0])
	}
	n := 0
	for line := range strings.SplitSeq(string(b), "\r\n") {
		_, _ = fmt.Sscanf(line, "Content-Length: %d", &n)
	}
	p := make([]byte, n)
	_, err = io.ReadFull(c, p)
	return string(b), string(p), err
}

func TestRoundTrip(t *testing.T) {
	var conns atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Add("X-Many", "a")
		w.Header().Add("X-Many", "b")
		w.Header()["x-lower-CASE"] = []string{"c"}
		w.Header().Set("X-Saw", fmt.Sprint(r.Method, " ", r.URL, " ", r.Host, " ", r.Header.Get("Authorization"), " ", len(body), " ", r.TransferEncoding))
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(body)
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	tr := client(t, Options{})
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, size := range []int{1, 1 << 10, 16 << 10, 17 << 10, 1 << 20} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{"bytes": func(r io.Reader) io.Reader { return r }, "reader": func(r io.Reader) io.Reader { return struct{ io.Reader }{r} }} {
			want := strings.Repeat("x", size)
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/a%2Fb?q=1", wrap(strings.NewReader(want)))
			req.ContentLength = int64(size)
			req.Header.Set("Authorization", "Bearer k")
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(name, size, err)
			}
			got, err := io.ReadAll(resp.Body)
			if err != nil || string(got) != want {
				t.Errorf("%s %d: body of %d bytes, error %v", name, size, len(got), err)
			}
			if resp.Status != "201 Created" || resp.StatusCode != 201 || resp.Proto != "HTTP/1.1" || !resp.ProtoAtLeast(1, 1) || resp.Request != req {
				t.Errorf("%s %d: %+v", name, size, resp)
			}
			if g := resp.Header["X-Many"]; len(g) != 2 || g[0] != "a" || g[1] != "b" || resp.Header.Get("X-Lower-Case") != "c" {
				t.Errorf("header %v", resp.Header)
			}
			if g, w := resp.Header.Get("X-Saw"), fmt.Sprint("POST /a%2Fb?q=1 ", host, " Bearer k ", size, " []"); g != w {
				t.Errorf("server saw %q, want %q", g, w)
			}
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for requests one after the other, want 1", n)
	}
}

func TestRequestWriting(t *testing.T) {
	heads := make(chan string, 1)
	srv := serveRaw(t, func(_ int, c net.Conn) {
		for {
			head, _, err := readRequest(c)
			if err != nil {
				return
			}
			heads <- head
			_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	})
	tr := client(t, Options{})
	tests := []struct {
		name string
		edit func(*http.Request)
		want []string
		not  []string
	}{
		{"plain", func(*http.Request) {}, []string{"POST /v1/x HTTP/1.1\r\nHost: " + srv.Addr().String() + "\r\n", "\r\nContent-Length: 2\r\n"}, []string{"User-Agent", "Accept-Encoding", "Connection"}},
		{"host", func(r *http.Request) { r.Host = "model.test" }, []string{"\r\nHost: model.test\r\n"}, nil},
		{"reserved fields", func(r *http.Request) {
			r.Header.Set("Host", "evil")
			r.Header.Set("Content-Length", "99")
			r.Header.Set("Transfer-Encoding", "chunked")
		}, []string{"Content-Length: 2\r\n"}, []string{"evil", ": 99", "chunked"}},
		{"case kept", func(r *http.Request) { r.Header["x-API-key"] = []string{" k "} }, []string{"\r\nx-API-key: k\r\n"}, nil},
		{"close", func(r *http.Request) { r.Close = true }, []string{"\r\nConnection: close\r\n"}, nil},
		{"no body", func(r *http.Request) { r.Body, r.ContentLength = http.NoBody, 0 }, []string{"\r\nContent-Length: 0\r\n"}, nil},
		{"get", func(r *http.Request) { r.Method, r.Body, r.ContentLength = "", nil, 0 }, []string{"GET /v1/x HTTP/1.1\r\n"}, []string{"Content-Length"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := post(t, t.Context(), srv.url(), "{}")
			tt.edit(req)
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			head := <-heads
			for _, w := range tt.want {
				if !strings.Contains(head, w) {
					t.Errorf("%q lacks %q", head, w)
				}
			}
			for _, w := range tt.not {
				if strings.Contains(head, w) {
					t.Errorf("%q has %q", head, w)
				}
			}
		})
	}
}

func TestRefusedRequests(t *testing.T) {
	tr := client(t, Options{DialContext: func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialled")
		return nil, errors.New("dialled")
	}})
	for name, edit := range map[string]func(*http.Request){
		"header value": func(r *http.Request) { r.Header["X-A"] = []string{"secret\r\nX-B: c"} },
		"header name":  func(r *http.Request) { r.Header["X A"] = []string{"secret"} },
		"method":       func(r *http.Request) { r.Method = "GET /secret" },
	} {
		t.Run(name, func(t *testing.T) {
			req := post(t, t.Context(), "http://model.test/", "secret")
			edit(req)
			_, err := tr.RoundTrip(req)
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Phase != Check || name != "method" && strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestBodyLengthMismatch(t *testing.T) {
	srv := serveRaw(t, func(_ int, c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	tr := client(t, Options{})
	for _, n := range []int64{1, 9} {
		for _, r := range []io.Reader{strings.NewReader("four"), struct{ io.Reader }{strings.NewReader("four")}} {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.url(), r)
			req.ContentLength = n
			_, err := tr.RoundTrip(req)
			if !errors.Is(err, errBodyShort) && !errors.Is(err, errBodyLong) {
				t.Errorf("length %d: error %v", n, err)
			}
		}
	}
	broken := errors.New("broken")
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.url(), io.MultiReader(strings.NewReader("a"), errReader{io.ErrUnexpectedEOF}, errReader{broken}))
	req.ContentLength = 5
	if _, err := tr.RoundTrip(req); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v, want the body's", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestFallback(t *testing.T) {
	var used int
	std := roundTripper(func(*http.Request) (*http.Response, error) { used++; return &http.Response{}, nil })
	tr := New(Options{Fallback: std, Proxy: func(r *http.Request) (p *url.URL, err error) {
		if r.URL.Host == "proxied.test" {
			p = &url.URL{Scheme: "http", Host: "proxy.test"}
		}
		return p, nil
	}, DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("dialled") }})
	for name, edit := range map[string]func(*http.Request){
		"proxy":    func(r *http.Request) { r.URL.Host = "proxied.test" },
		"chunked":  func(r *http.Request) { r.ContentLength = -1 },
		"unknown":  func(r *http.Request) { r.ContentLength = 0 },
		"upgrade":  func(r *http.Request) { r.Header.Set("Upgrade", "websocket") },
		"expect":   func(r *http.Request) { r.Header.Set("Expect", "100-continue") },
		"connect":  func(r *http.Request) { r.Method = http.MethodConnect },
		"idn":      func(r *http.Request) { r.URL.Host = "bücher.test" },
		"zone":     func(r *http.Request) { r.URL.Host = "[fe80::1%25eth0]:80" },
		"trailers": func(r *http.Request) { r.Trailer = http.Header{"A": nil} },
		"scheme":   func(r *http.Request) { r.URL.Scheme = "ftp" },
	} {
		used = 0
		req := post(t, t.Context(), "http://model.test/", "{}")
		edit(req)
		resp, err := tr.RoundTrip(req)
		if err != nil || used != 1 {
			t.Errorf("%s: fallback used %d times, error %v", name, used, err)
			continue
		}
		if resp.Body != nil {
			_ = resp.Body.Close()
		}
	}
	if _, err := tr.RoundTrip(post(t, t.Context(), "http://model.test/", "{}")); err == nil || used != 1 {
		t.Errorf("an ordinary request: fallback used %d times, error %v", used, err)
	}
}

func TestTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	var conns atomic.Int32
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	tr := client(t, Options{TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	for _, size := range []int{2, 100, 16 << 10, 200_000, 3} {
		body := strings.Repeat("y", size)
		resp, err := tr.RoundTrip(post(t, t.Context(), srv.URL, body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || string(got) != body {
			t.Errorf("%d bytes of %d, error %v", len(got), size, err)
		}
		if resp.TLS == nil || resp.TLS.NegotiatedProtocol == "h2" || resp.ProtoMajor != 1 {
			t.Errorf("TLS state %+v", resp.TLS)
		}
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections, want 1", conns.Load())
	}
	_, err := client(t, Options{}).RoundTrip(post(t, t.Context(), srv.URL, "{}"))
	if e, ok := errors.AsType[*Error](err); !ok || e.Phase != Dial {
		t.Errorf("unknown authority: error %v", err)
	}
}

// TestLeaks runs many requests of all kinds side by side, some of them cut off, and looks for what stays behind.
func TestLeaks(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for range 20 {
			_, _ = io.WriteString(w, "data: {}\n\n")
			_ = http.NewResponseController(w).Flush()
		}
		if r.URL.Path == "/stall" {
			<-r.Context().Done()
		}
	}))
	tr := client(t, Options{})
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			for j := range 30 {
				ctx, cancel := context.WithCancel(t.Context())
				path := "/"
				if (i+j)%3 == 0 {
					path = "/stall"
				}
				resp, err := tr.RoundTrip(post(t, ctx, srv.URL+path, "{}"))
				if err != nil {
					t.Error(err)
					cancel()
					return
				}
				switch (i + j) % 3 {
				case 0:
					_, _ = io.ReadFull(resp.Body, make([]byte, 30))
					cancel()
					if _, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, context.Canceled) {
						t.Errorf("body after cancel: %v", err)
					}
				case 1:
					_, _ = io.ReadFull(resp.Body, make([]byte, 30))
				default:
					if b, err := io.ReadAll(resp.Body); err != nil || len(b) != 200 {
						t.Errorf("%d bytes, %v", len(b), err)
					}
				}
				_ = resp.Body.Close()
				cancel()
			}
		})
	}
	wg.Wait()
	tr.CloseIdleConnections()
	srv.Close() // waits for its connections
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

// eventually waits for a state that others bring about in their own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("it did not come to this: %s", what)
		}
		runtime.Gosched()
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc")
	}
	return len(list)
}
