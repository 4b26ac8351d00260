package h1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// serveHTTP serves h until the test ends.
func serveHTTP(t *testing.T, s *Server, h http.HandlerFunc) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Handler = h
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

// dial opens a connection that ends with the test.
func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestServer: net/http's client gets what it would get from net/http's server.
func TestServer(t *testing.T) {
	addr := serveHTTP(t, &Server{}, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Add("X-Many", "a")
		w.Header().Add("X-Many", "b")
		w.Header().Set("X-Saw", fmt.Sprint(r.Method, " ", r.URL.Path, " ", r.URL.Query().Get("q"), " ", r.Host == r.Header.Get("X-Host"), " ", r.Header.Get("Authorization"), " ", len(body), " ", r.TransferEncoding, " ", r.Proto))
		w.WriteHeader(http.StatusCreated)
		for len(body) > 0 {
			n := min(1000, len(body))
			_, _ = w.Write(body[:n])
			body = body[n:]
			if r.URL.Path == "/flush" {
				_ = http.NewResponseController(w).Flush()
			}
		}
	})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, size := range []int{0, 1, 1000, 3000, 4096, 5000, 8192, 10_000, 70_000} {
		for _, path := range []string{"/", "/flush"} {
			for _, sized := range []bool{true, false} {
				sent := strings.Repeat("0123456789", size/10+1)[:size]
				req := post(t, t.Context(), "http://"+addr+path+"?q=1", sent)
				if !sized {
					req.ContentLength, req.Body = -1, io.NopCloser(strings.NewReader(sent))
				}
				req.Header.Set("Authorization", "Bearer k")
				req.Header.Set("X-Host", addr)
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				if err != nil || string(got) != sent || resp.StatusCode != 201 || len(resp.Header["X-Many"]) != 2 || resp.Header.Get("Date") == "" {
					t.Errorf("%d %s: %v, %d bytes, %v", size, path, err, len(got), resp)
				}
				te := "[]"
				if !sized && size > 0 {
					te = "[chunked]"
				}
				if want := fmt.Sprint("POST ", path, " 1 true Bearer k ", size, " ", te, " HTTP/1.1"); resp.Header.Get("X-Saw") != want && (sized || size > 0) {
					t.Errorf("the handler saw %q, not %q", resp.Header.Get("X-Saw"), want)
				}
				if known := resp.ContentLength >= 0; known != (size < 7500 && (path == "/" || size == 0)) {
					t.Errorf("%d %s: content-length %d", size, path, resp.ContentLength)
				}
			}
		}
	}
}

// TestServerReplies: what a reply looks like on the wire.
func TestServerReplies(t *testing.T) {
	addr := serveHTTP(t, &Server{}, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Date"] = []string{"now"}
		h.Set("Content-Type", "text/plain")
		switch r.URL.Path {
		case "/short":
			_, _ = io.WriteString(w, "hi")
		case "/flushed":
			_, _ = io.WriteString(w, "one")
			_ = http.NewResponseController(w).Flush()
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "two")
			_, _ = io.WriteString(w, "three")
			h.Set("X-Late", "not sent")
		case "/none":
			w.WriteHeader(http.StatusNoContent)
			if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Error(err)
			}
		case "/sized":
			h.Set("Content-Length", "2")
			if _, err := io.WriteString(w, "long"); !errors.Is(err, http.ErrContentLength) {
				t.Error(err)
			}
			_, _ = io.WriteString(w, "ok")
		case "/closes":
			h.Set("Connection", "close")
		case "/typed":
			delete(h, "Content-Type")
			_, _ = io.WriteString(w, "<html>")
		case "/injected":
			h.Set("Content-Type", "a\r\nX-Injected: 1")
			h["X Y"] = []string{"z"}
		}
	})
	const date, typed = "Date: now\r\n", "Content-Type: text/plain\r\n"
	for _, c := range []struct{ request, head, rest string }{
		{"GET /short HTTP/1.1", "200 OK", typed + "Content-Length: 2\r\n\r\nhi"},
		{"HEAD /short HTTP/1.1", "200 OK", typed + "Content-Length: 2\r\n\r\n"},
		{"GET /short HTTP/1.0", "200 OK", typed + "Content-Length: 2\r\nConnection: close\r\n\r\nhi"},
		{"GET /short HTTP/1.0\r\nConnection: keep-alive", "200 OK", typed + "Content-Length: 2\r\nConnection: keep-alive\r\n\r\nhi"},
		{"GET /short HTTP/1.1\r\nConnection: Close", "200 OK", typed + "Content-Length: 2\r\nConnection: close\r\n\r\nhi"},
		{"GET /flushed HTTP/1.1", "200 OK", typed + "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n8\r\ntwothree\r\n0\r\n\r\n"},
		{"GET /flushed HTTP/1.0", "200 OK", typed + "Connection: close\r\n\r\nonetwothree"},
		{"GET /none HTTP/1.1", "204 No Content", typed + "\r\n"},
		{"GET /sized HTTP/1.1", "200 OK", typed + "Content-Length: 2\r\n\r\nok"},
		{"GET /closes HTTP/1.1", "200 OK", typed + "Connection: close\r\nContent-Length: 0\r\n\r\n"},
		{"GET /typed HTTP/1.1", "200 OK", "Content-Type: text/html; charset=utf-8\r\nContent-Length: 6\r\n\r\n<html>"},
		{"GET /injected HTTP/1.1", "200 OK", "Content-Type: a  X-Injected: 1\r\nContent-Length: 0\r\n\r\n"},
	} {
		conn := dial(t, addr)
		_, _ = fmt.Fprintf(conn, "%s\r\nHost: h\r\n\r\n", c.request)
		want := "HTTP/1." + c.request[strings.Index(c.request, "HTTP/1.")+7:][:1] + " " + c.head + "\r\n" + date + c.rest
		got := make([]byte, len(want))
		n, _ := io.ReadFull(conn, got)
		if sorted(string(got[:n])) != sorted(want) {
			t.Errorf("%s: %q, want %q", c.request, got[:n], want)
		}
		_ = conn.(*net.TCPConn).CloseWrite()
		if rest, _ := io.ReadAll(conn); len(rest) > 0 {
			t.Errorf("%s: %q follows", c.request, rest)
		}
	}
}

// sorted has the fields that a handler sets, which are sent in no order, in one.
func sorted(reply string) string {
	head, body, _ := strings.Cut(reply, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	fields := lines[1:]
	for i := range fields {
		for j := range fields[:i] {
			if fields[i] < fields[j] {
				fields[i], fields[j] = fields[j], fields[i]
			}
		}
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// TestServerEarlyReply: a client that still sends when its request is answered gets the answer, however much it sends.
func TestServerEarlyReply(t *testing.T) {
	addr := serveHTTP(t, &Server{}, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, size := range []int{100, 65 << 10, maxRest, maxRest + 1, 8 << 20} {
		for range 20 {
			resp, err := client.Do(post(t, t.Context(), "http://"+addr, strings.Repeat("x", size)))
			if err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != 413 || resp.Close != (size > maxRest) {
				t.Errorf("%d bytes: %d, the connection ends: %v", size, resp.StatusCode, resp.Close)
			}
		}
	}
}

// TestServerLeft: a request learns that its client has left, however that came about, and no other does.
func TestServerLeft(t *testing.T) {
	began, left := make(chan string), make(chan string)
	addr := serveHTTP(t, &Server{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		if r.URL.Path == "/stream" {
			_ = http.NewResponseController(w).Flush()
		}
		began <- r.URL.Path
		<-r.Context().Done()
		left <- r.URL.Path
	})
	others := dial(t, addr)
	_, _ = io.WriteString(others, "GET /other HTTP/1.1\r\nHost: h\r\n\r\n")
	<-began
	for _, path := range []string{"/plain", "/stream", "/reset"} {
		c := dial(t, addr).(*net.TCPConn)
		_, _ = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}", path)
		<-began
		if path == "/reset" {
			_ = c.SetLinger(0)
		}
		_ = c.Close()
		if got := <-left; got != path {
			t.Errorf("%s ended with %s", got, path)
		}
	}
	_ = others.Close()
	<-left
}

// TestServerTimes: connections end that nobody uses, and those that are slow with a head.
func TestServerTimes(t *testing.T) {
	addr := serveHTTP(t, &Server{HeadTime: 60 * time.Millisecond, IdleTime: 60 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, fmt.Sprint(errors.Is(err, os.ErrDeadlineExceeded)))
	})
	for _, c := range []struct{ name, sends, status, body string }{
		{"nothing", "", "", ""},
		{"half a head", "GET / HTTP/1.1\r\nHo", "408", "the head did not arrive in time\n"},
		{"a request, and no other", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "200", "false"},
		{"half a body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{", "200", "true"},
	} {
		conn := dial(t, addr)
		_, _ = io.WriteString(conn, c.sends)
		r := bufio.NewReader(conn)
		if c.status != "" {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			body, _ := io.ReadAll(resp.Body)
			if !strings.HasPrefix(resp.Status, c.status) || string(body) != c.body {
				t.Errorf("%s: %s %s", c.name, resp.Status, body)
			}
		}
		if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: the connection does not end: %v", c.name, err)
		}
	}
}

// pipes is a listener whose connections are in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestServerUnread: a client that does not read its reply is not waited for longer than the deadline, or a while if the handler
// has set none.
func TestServerUnread(t *testing.T) {
	for path, want := range map[string]time.Duration{"/": lastTime, "/bound": time.Second} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			l, ended := make(pipes), make(chan struct{})
			s := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/bound" {
					_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second))
				}
				w.WriteHeader(http.StatusAccepted)
			})}
			go func() { _ = s.Serve(l) }()
			client, server := net.Pipe()
			l <- server
			go func() {
				_, _ = fmt.Fprintf(client, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path)
				time.Sleep(time.Hour)
				close(ended)
			}()
			synctest.Wait()
			_ = s.Shutdown(t.Context())
			if took := time.Since(began); took != want {
				t.Errorf("%s: %v, want %v", path, took, want)
			}
			close(l)
			<-ended
		})
	}
}

// TestServerShutdown: requests that run are let end, and their connections end with them; idle ones end at once.
func TestServerShutdown(t *testing.T) {
	began, goOn := make(chan struct{}), make(chan struct{})
	s := &Server{}
	addr := serveHTTP(t, s, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			close(began)
			<-goOn
		}
		_, _ = io.WriteString(w, "done")
	})
	idle, running := dial(t, addr), dial(t, addr)
	_, _ = io.WriteString(idle, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	ir := bufio.NewReader(idle)
	if resp, err := http.ReadResponse(ir, nil); err != nil || resp.Close {
		t.Fatal(resp, err)
	} else if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(running, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a request runs, and Shutdown says %v", err)
	}
	if _, err := ir.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection: %v", err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("a new connection is accepted")
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(t.Context()) }()
	close(goOn)
	resp, err := http.ReadResponse(bufio.NewReader(running), nil)
	if err != nil || !resp.Close {
		t.Fatalf("the running request: %v %v", resp, err)
	}
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "done" {
		t.Errorf("%q %v", body, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestServerPanics: a handler that fails costs its own connection alone, and the client sees that the reply is not whole.
func TestServerPanics(t *testing.T) {
	addr := serveHTTP(t, &Server{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			_, _ = io.WriteString(w, "some")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "not sent")
		}
		panic(http.ErrAbortHandler)
	})
	for path, want := range map[string]string{"/": "", "/late": "some"} {
		resp, err := http.Get("http://" + addr + path)
		if path == "/" {
			if !errors.Is(err, io.EOF) {
				t.Errorf("%v %v", resp, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); string(body) != want || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q %v", body, err)
		}
	}
}

// TestServerAllocations holds the ceiling of a request of 1 KB with a reply of 1 KB, the handler's included.
func TestServerAllocations(t *testing.T) {
	c := dial(t, serveHTTP(t, &Server{}, echoKB))
	request, buf := []byte(benchHead+strings.Repeat("x", 1024)), make([]byte, 8<<10)
	end := request[len(request)-1024:]
	n := testing.AllocsPerRun(200, func() {
		if err := ask(c, request, end, buf); err != nil {
			t.Fatal(err)
		}
	})
	if n > 12 {
		t.Errorf("%v allocations, want at most 12", n)
	}
	t.Logf("%v allocations", n)
}
