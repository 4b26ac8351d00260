package h1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestShutdown stops a server with connections in each state.
func TestShutdown(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	s := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/busy" {
			close(began)
			<-end
			if err := r.Context().Err(); err != nil {
				t.Errorf("the request's context: %v", err)
			}
		}
		_, _ = io.WriteString(w, "seen")
	})}
	addr := serveOn(t, s)
	fresh, idle, busy, lingers := hail(t, addr), hail(t, addr), hail(t, addr), hail(t, addr)
	_, _ = io.WriteString(idle, getA)
	_, _ = io.WriteString(lingers, "nonsense\r\n\r\n")
	for c, want := range map[net.Conn]int{idle: 200, lingers: 400} {
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != want {
			t.Fatalf("%+v, %v", resp, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	_, _ = io.WriteString(busy, "GET /busy HTTP/1.1\r\nHost: h\r\n\r\n"+getA)
	<-began
	down := make(chan error, 2)
	go func() { down <- s.Shutdown(t.Context()) }()
	go func() { down <- s.Shutdown(t.Context()) }()
	for _, c := range []net.Conn{fresh, idle, lingers} {
		if b, err := io.ReadAll(c); len(b) > 0 || err != nil && !hungUp(err) {
			t.Errorf("%q, %v", b, err)
		}
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		_ = c.Close()
		t.Error("another connection was accepted")
	}
	close(end)
	told, err := io.ReadAll(busy)
	if got := statuses(t, told); len(got) != 1 || got[0] != 200 || !bytes.Contains(told, []byte("\r\nConnection: close\r\n")) || err != nil && !hungUp(err) {
		t.Errorf("%q, %v", told, err)
	}
	for range 2 {
		if err := <-down; err != nil {
			t.Error(err)
		}
	}
}

// deed is a handler of each kind, by the request's path.
func deed(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	switch r.URL.Path {
	case "/echo":
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	case "/sized":
		w.Header().Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
		_, _ = io.Copy(w, r.Body)
	case "/stream":
		body, _ := io.ReadAll(r.Body)
		for ; len(body) > 0; body = body[min(len(body), 999):] {
			_, _ = w.Write(body[:min(len(body), 999)])
			_ = rc.Flush()
		}
	case "/duplex":
		_ = rc.Flush()
		buf := make([]byte, 3000)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			if err != nil {
				return
			}
			_ = rc.Flush()
		}
	case "/unread":
		_, _ = io.WriteString(w, "unread")
	case "/reader":
		go func() { _, _ = io.Copy(io.Discard, r.Body) }()
		_, _ = io.WriteString(w, "unread")
	case "/wait":
		_ = rc.Flush()
		<-r.Context().Done()
	case "/abort":
		_ = rc.Flush()
		panic(http.ErrAbortHandler)
	case "/panic":
		panic("a bug")
	}
}

// errand sends one request and looks at its reply, unless it leaves before.
func errand(client *http.Client, url string, r *rand.Rand) error {
	kinds := [...]string{"/echo", "/sized", "/stream", "/duplex", "/unread", "/reader", "/wait", "/abort", "/panic", "/echo", "/stream"}
	kind := kinds[r.IntN(len(kinds))]
	sent := strings.Repeat(string(rune('a'+r.IntN(26))), 1+r.IntN(1<<r.IntN(17)))
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	var body io.Reader = strings.NewReader(sent)
	if kind != "/sized" && r.IntN(3) == 0 {
		body = struct{ io.Reader }{body}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+kind, body)
	if err != nil {
		return err
	}
	if r.IntN(8) == 0 {
		req.Header.Set("Expect", "100-continue")
	}
	resp, err := client.Do(req)
	if kind == "/panic" || kind == "/abort" && err != nil {
		return nil // it was to break
	}
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	defer resp.Body.Close()
	if kind == "/wait" || r.IntN(8) == 0 {
		return nil
	}
	got, err := io.ReadAll(resp.Body)
	switch kind {
	case "/abort":
		if err == nil {
			return errors.New("an aborted reply was whole")
		}
		return nil
	case "/unread", "/reader":
		sent = "unread"
	}
	if err != nil || string(got) != sent {
		return fmt.Errorf("%s: %d bytes of %d, %w", kind, len(got), len(sent), err)
	}
	return nil
}

// TestStress has clients of net/http send requests of all kinds side by side, and looks for what stays behind.
func TestStress(t *testing.T) {
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	s := &Server{Handler: http.HandlerFunc(deed), Log: slog.New(slog.DiscardHandler)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	tr := &http.Transport{MaxIdleConnsPerHost: 8}
	client := &http.Client{Transport: tr}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for range 60 {
				if err := errand(client, "http://"+l.Addr().String(), r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
	tr.CloseIdleConnections()
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "files are closed", func() bool { return openFiles(t) <= files })
}
