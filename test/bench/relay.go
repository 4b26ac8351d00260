package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/h1"
)

// relays are the halves that a relay may be made of, by its name: the standard library's and the gateway's, server first.
var relays = []string{"net/http+std", "net/http+h1", "h1+h1"}

// server is the half of a relay that faces clients.
type server interface {
	Serve(l net.Listener) error
	Close() error
}

// relay is a process that passes requests on and does nothing else: what HTTP costs by itself. It knows no keys and reads
// nothing.
func relay(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("wants one of %q, and the addresses of the model and of the MCP server", relays)
	}
	var rt http.RoundTripper = h1.New(h1.Options{})
	if strings.HasSuffix(args[0], "+std") {
		rt = &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true, WriteBufferSize: 64 << 10}
	}
	l, err := listen()
	if err != nil {
		return err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := args[1]
		if r.URL.Path == "/mcp" || r.URL.Path == "/many" {
			to = args[2]
		}
		out := (&http.Request{
			Method: r.Method, URL: &url.URL{Scheme: "http", Host: to, Path: r.URL.Path}, Host: to,
			Header: http.Header{"Authorization": r.Header["Authorization"], "Content-Type": r.Header["Content-Type"], "User-Agent": nil},
			Body:   r.Body, ContentLength: r.ContentLength,
		}).WithContext(r.Context())
		resp, err := rt.RoundTrip(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		pass(w, resp)
	})
	if strings.HasPrefix(args[0], "h1+") {
		return untilToldTo(&h1.Server{Handler: handler}, l)
	}
	return untilToldTo(&http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: handler}, l)
}

// untilToldTo says where it serves, and does until the standard input ends.
func untilToldTo(srv server, l net.Listener) error {
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = srv.Close()
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// proxyName is the target that what is asked of /mcp is measured against.
const proxyName = "ReverseProxy"

// proxy is a process with the standard library's reverse proxy in front of the MCP server, as whoever needs no gateway would
// have it: with connections that are kept, and nothing else.
func proxy(args []string) error {
	if len(args) != 1 {
		return errors.New("wants the address of the MCP server")
	}
	l, err := listen()
	if err != nil {
		return err
	}
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: args[0]}) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
	}}
	return untilToldTo(srv, l)
}

// pass copies a reply as it comes.
func pass(w http.ResponseWriter, resp *http.Response) {
	h := w.Header()
	for _, k := range []string{"Content-Type", "Content-Length"} {
		if v := resp.Header[k]; v != nil {
			h[k] = v
		}
	}
	w.WriteHeader(resp.StatusCode)
	flush := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
	rc := http.NewResponseController(w)
	buf := make([]byte, 8<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return
			}
			if flush {
				_ = rc.Flush() // the next write says what is wrong
			}
		}
		if err != nil {
			return
		}
	}
}
