package h1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
	"weak"
)

// TestContinueBesideReply has one goroutine read the body, for which the client must be asked, while another replies.
func TestContinueBesideReply(t *testing.T) {
	asked, writers := make(chan struct{}), atomic.Int32{}
	c := &script{said: strings.NewReader(postB + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"), gone: make(chan struct{})}
	c.hear = func(p []byte) {
		if writers.Add(1) > 1 {
			t.Error("one writes into what the other writes")
		}
		if bytes.Contains(p, []byte("100 Continue")) {
			close(asked)
			for range 10_000 { // the other has time to begin
				runtime.Gosched()
			}
		}
		writers.Add(-1)
	}
	c.play(t, func(w http.ResponseWriter, r *http.Request) {
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = r.Body.Read(make([]byte, 1)) })
		<-asked
		w.WriteHeader(http.StatusTeapot)
		_ = http.NewResponseController(w).Flush()
		wg.Wait()
	})
	if got := statuses(t, c.told.Bytes()); !slices.Equal(got, []int{100, 418}) {
		t.Errorf("statuses %v in %q", got, c.told.Bytes())
	}
}

// TestLateDeadlines has the handler of a connection's second request move the deadlines that the first one's had.
func TestLateDeadlines(t *testing.T) {
	var first *http.ResponseController
	addr := serveOn(t, &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if first == nil {
			first = http.NewResponseController(w)
			return
		}
		if first.SetReadDeadline(time.Unix(1, 0)) == nil || first.SetWriteDeadline(time.Unix(1, 0)) == nil {
			t.Error("the deadlines of a request that is over were set")
		}
		_, _ = io.Copy(w, r.Body)
	})})
	c := hail(t, addr)
	b := bufio.NewReader(c)
	for _, want := range []string{"", "hi"} {
		_, _ = io.WriteString(c, postB+"Content-Length: 2\r\n\r\nhi")
		resp, err := http.ReadResponse(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); string(got) != want || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// TestRefusalAfterDeadline refuses a request after one whose time to write is over.
func TestRefusalAfterDeadline(t *testing.T) {
	addr := serveOn(t, &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "0")
		rc := http.NewResponseController(w)
		_ = rc.Flush()
		_ = rc.SetWriteDeadline(time.Unix(1, 0))
	})})
	if got := statuses(t, talk(t, addr, getA+"nonsense\r\n\r\n")); len(got) != 2 || got[1] != 400 {
		t.Errorf("statuses %v", got)
	}
}

// TestIdleKeepsNoHead looks for a request's head once the connection is idle.
func TestIdleKeepsNoHead(t *testing.T) {
	var key weak.Pointer[byte]
	addr := serveOn(t, &Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		key = weak.Make(unsafe.StringData(r.Header.Get("Authorization")))
	})})
	c := hail(t, addr)
	_, _ = io.WriteString(c, "GET /a HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer secret\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the head is collected", func() bool { runtime.GC(); return key.Value() == nil })
	runtime.KeepAlive(c)
}

// TestUnreadBodies sends bodies that the handler does not read, and another request behind them.
func TestUnreadBodies(t *testing.T) {
	addr := serveOn(t, &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := r.Header.Get("Read"); n != "" {
			_, _ = io.ReadFull(r.Body, make([]byte, 100))
		}
		_, _ = io.WriteString(w, "seen")
	})})
	for _, tt := range []struct {
		size  int
		coded bool
		read  string
		want  int // replies
	}{
		{1, false, "", 2},
		{maxRest, false, "", 2},
		{maxRest + 1, false, "", 1},
		{maxRest + 100, false, "Read: 1\r\n", 2},
		{maxRest + 101, false, "Read: 1\r\n", 1},
		{1, true, "", 2},
		{maxRest, true, "", 2},
		{maxRest + 2*readSize, true, "", 1},
		{maxRest + 100, true, "Read: 1\r\n", 2},
		{4 << 20, true, "", 1},
		{4 << 20, false, "", 1},
	} {
		raw := fmt.Sprintf("%s%sContent-Length: %d\r\n\r\n%s", postB, tt.read, tt.size, strings.Repeat("b", tt.size))
		if tt.coded {
			raw = fmt.Sprintf("%s%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", postB, tt.read, tt.size, strings.Repeat("b", tt.size))
		}
		if got := statuses(t, talk(t, addr, raw+getA)); len(got) != tt.want {
			t.Errorf("%+v: statuses %v", tt, got)
		}
	}
}

// TestSlowClients has clients take their time in each phase.
func TestSlowClients(t *testing.T) {
	s := &Server{HeadTime: 60 * time.Millisecond, IdleTime: 60 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(30 * time.Millisecond))
		if _, err := io.ReadAll(r.Body); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("body: %v", err)
		}
		_, _ = io.WriteString(w, "seen")
	})}
	addr := serveOn(t, s)
	for _, tt := range []struct{ name, raw, want string }{
		{"nothing at all", "", "[]"},
		{"in the first line", "GET", "[408]"},
		{"in the head", "GET / HTTP/1.1\r\nHost: h\r\n", "[408]"},
		{"in a blank line", "\r", "[408]"},
		{"in a second head", getA + "G", "[200 408]"},
		{"between requests", getA, "[200]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := hail(t, addr)
			_, _ = io.WriteString(c, tt.raw)
			told, err := io.ReadAll(c) // the server ends it
			if got := fmt.Sprint(statuses(t, told)); got != tt.want || err != nil && !hungUp(err) {
				t.Errorf("statuses %s, want %s; %v", got, tt.want, err)
			}
		})
	}
	for _, raw := range []string{postB + "Content-Length: 2\r\n\r\nh", coded + "2\r\nh", coded + "2"} {
		c := hail(t, addr)
		_, _ = io.WriteString(c, raw)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 200 || !resp.Close {
			t.Errorf("in the body: %+v, %v", resp, err)
		}
		_ = c.Close()
	}
}

// TestPanics has handlers panic in each phase: the client sees that the reply breaks off, and the log says why.
func TestPanics(t *testing.T) {
	for _, p := range []any{"a bug", http.ErrAbortHandler, []int{1}} {
		for name, do := range map[string]func(w http.ResponseWriter){
			"first": func(http.ResponseWriter) {},
			"begun": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "part") },
			"in chunks": func(w http.ResponseWriter) {
				_, _ = io.WriteString(w, "part")
				_ = http.NewResponseController(w).Flush()
			},
			"sized": func(w http.ResponseWriter) {
				w.Header().Set("Content-Length", "9")
				_, _ = io.WriteString(w, "part")
				_ = http.NewResponseController(w).Flush()
			},
		} {
			t.Run(fmt.Sprint(name, " ", p), func(t *testing.T) {
				var log lockedBuffer
				s := &Server{Log: slog.New(slog.NewTextHandler(&log, nil)), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					go func() { _, _ = r.Body.Read(make([]byte, 9)) }()
					do(w)
					panic(p)
				})}
				c := hail(t, serveOn(t, s))
				_, _ = io.WriteString(c, postB+"Content-Length: 9\r\n\r\nhi")
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
				}
				if err == nil {
					t.Error("the reply is whole")
				}
				if err := s.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if got, want := log.String() != "", p != http.ErrAbortHandler; got != want { //nolint:errorlint // the sentinel itself
					t.Errorf("log %q", log.String())
				}
			})
		}
	}
}

// TestNoStatus has a handler send what no client can read as a status.
func TestNoStatus(t *testing.T) {
	var log lockedBuffer
	addr := serveOn(t, &Server{Log: slog.New(slog.NewTextHandler(&log, nil)), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(2000)
	})})
	if told := talk(t, addr, getA); len(told) > 0 || !strings.Contains(log.String(), "2000") {
		t.Errorf("%q, log %q", told, log.String())
	}
}

// lockedBuffer takes a log.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// soon receives what must come.
func soon(t *testing.T, c <-chan string) string {
	t.Helper()
	select {
	case s := <-c:
		return s
	case <-time.After(20 * time.Second):
		t.Fatal("it does not come")
		return ""
	}
}

// TestLeaving has clients leave at each moment, in both ways: the context of their request ends, and no other one's.
func TestLeaving(t *testing.T) {
	began, ended := make(chan string, 9), make(chan string, 9)
	s := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/flushed":
			_ = http.NewResponseController(w).Flush()
		case "/read":
			_, _ = io.ReadAll(r.Body)
		case "/reading":
			go func() { _, _ = io.ReadAll(r.Body) }()
		}
		began <- r.URL.Path
		<-r.Context().Done()
		ended <- r.URL.Path
	})}
	addr := serveOn(t, s)
	stays := hail(t, addr)
	_, _ = io.WriteString(stays, "GET /stays HTTP/1.1\r\nHost: h\r\n\r\n")
	<-began
	for _, rst := range []bool{false, true} {
		for _, tt := range []struct{ path, rest, later string }{
			{"/waiting", "\r\n", ""},
			{"/flushed", "\r\n", ""},
			{"/read", "Content-Length: 2\r\n\r\nhi", ""},
			{"/reading", "Content-Length: 9\r\n\r\nhi", ""},
			{"/read", "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", ""},
			{"/reading", "Transfer-Encoding: chunked\r\n\r\n9\r\nhi", ""},
			{"/waiting", "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", ""},
			{"/reading", "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", ""},
			{"/pipelined", "\r\n" + getA, ""},
			{"/unread", "\r\n", getA},
			{"/unread", "Content-Length: 9\r\n\r\n", "hi"},
		} {
			if tt.path == "/unread" && runtime.GOOS != "linux" {
				continue // what is unread hides that its client has left
			}
			c := hail(t, addr)
			_, _ = io.WriteString(c, "POST "+tt.path+" HTTP/1.1\r\nHost: h\r\n"+tt.rest)
			if got := soon(t, began); got != tt.path {
				t.Fatalf("%s began, want %s", got, tt.path)
			}
			_, _ = io.WriteString(c, tt.later)
			if rst {
				_ = c.SetLinger(0)
			}
			_ = c.Close()
			if got := soon(t, ended); got != tt.path {
				t.Fatalf("%s ended, want %s", got, tt.path)
			}
			if (tt.path == "/pipelined" || tt.later == getA) && !rst { // it was there before its client left
				if a, b := soon(t, began), soon(t, ended); a != "/a" || b != "/a" {
					t.Errorf("%s began and %s ended", a, b)
				}
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown with a request under way: %v", err)
	}
	_ = s.Close()
	if got := soon(t, ended); got != "/stays" {
		t.Errorf("%s ended", got)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
